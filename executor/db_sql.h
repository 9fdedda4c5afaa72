/*
 * Under the executor's database functions: statements that are prepared
 * once, bound and read by short type strings, and errors that name table
 * and key.  Nothing outside executor/db*.c and rate.c includes this.
 */
#ifndef EXECUTOR_DB_SQL_H
#define EXECUTOR_DB_SQL_H

#include <sqlite3.h>

#include "db.h"

#define DB_STATEMENTS	64

struct db {
	sqlite3		*sql;
	char		 error[512];
	int		 in_transaction;
	uint64_t	 steps;		/* of the running statement */
	struct {
		const char	*text;	/* a literal: compared by address */
		sqlite3_stmt	*st;
	}		 cache[DB_STATEMENTS];
	size_t		 ncache;
};

/*
 * The statement for that literal, reset, bounds forgotten, with its
 * parameters bound from left to right:
 *	t  const char *, text
 *	n  const char *, text, "" becomes NULL
 *	i  int64_t
 *	b  const void *, size_t: blob
 * NULL with db_error() set.
 */
sqlite3_stmt	*db_prepare(struct db *, const char *sql, const char *types,
		    ...);
/* 1 a row, 0 no more (the statement is reset), -1. */
int		 db_step(struct db *, sqlite3_stmt *);
/* Prepare, bind, run to its end: rows changed, or -1. */
int64_t		 db_run(struct db *, const char *sql, const char *types, ...);
/*
 * What becomes of a row: 0 go on, 1 enough, -1 with db_error() set.  The
 * statement's columns are only good inside.
 */
typedef int	(*db_row)(struct db *, sqlite3_stmt *, void *);
/* At most one row; st may be NULL.  1 taken, 0 there is none, -1. */
int		 db_one(struct db *, sqlite3_stmt *, db_row, void *);
/*
 * The rows in order; st may be NULL.  The first max go to the function,
 * *more (may be NULL) says whether there was another one.  0 or -1.
 */
int		 db_rows(struct db *, sqlite3_stmt *, size_t max, int *more,
		    db_row, void *);

/*
 * Columns from 0 on into variables:
 *	t  char *, size_t: text that must fit, NULL only as ""
 *	i  int64_t *
 *	u  uint64_t *: not negative
 *	I  int *: fits and is not negative
 *	b  void *, size_t: blob of exactly that length, or NULL: zeroes
 *	-  skipped
 * 0, or -1 with an error that names table and the first column as key.
 */
int		 db_columns(struct db *, sqlite3_stmt *, const char *table,
		    const char *types, ...);
/* Set db_error(); returns -1. */
int		 db_fail(struct db *, const char *, ...)
		    __attribute__((__format__(printf, 2, 3)));
/*
 * The tables, indices and triggers are those that the migrations make, no
 * more, no fewer, none different: 0, or -1 with db_error() set.
 */
int		 db_schema_check(struct db *);
/* Set db_error() from SQLite, with a remedy where one helps; returns -1. */
int		 db_fail_sql(struct db *, const char *what);

#endif
