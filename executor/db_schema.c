/*
 * Is the schema of a file the one that the migrations make?  A trigger that
 * is gone would let rows be changed that are kept, one that is not ours
 * would run with our statements: both are refused, none is mended.
 */
#include <stdio.h>
#include <string.h>

#include "compat.h"
#include "db_sql.h"

#define SCHEMA_SQL_SIZE	4096	/* our longest statement has 1100 bytes */

/* One row of sqlite_schema; see "The Schema Table" of SQLite's manual. */
struct schema_row {
	char	 type[32];
	char	 name[128];
	char	 table[128];
	char	 sql[SCHEMA_SQL_SIZE];
};

struct schema_walk {
	struct db	*other;		/* where each row is looked for */
	struct db	*fail;		/* whose db_error() is set */
	int		 is_file;	/* the rows are those of the file */
};

static int
schema_read(struct db *db, sqlite3_stmt *st, void *arg)
{
	struct schema_row	*row = arg;

	return db_columns(db, st, "sqlite_schema", "tttt", row->type,
	    sizeof(row->type), row->name, sizeof(row->name), row->table,
	    sizeof(row->table), row->sql, sizeof(row->sql));
}

static int
schema_compare(struct db *db, sqlite3_stmt *st, void *arg)
{
	struct schema_walk	*walk = arg;
	struct schema_row	 row, other;
	int			 r;

	if (schema_read(db, st, &row) == -1)
		return db_fail(walk->fail, "database: its list of tables "
		    "holds what is not ours: restore a backup");
	r = db_one(walk->other, db_prepare(walk->other, "SELECT type, name, "
	    "tbl_name, sql FROM sqlite_schema WHERE type = ?1 AND name = ?2",
	    "tt", row.type, row.name), schema_read, &other);
	if (r == -1)
		return db_fail(walk->fail, "database: its %s %.64s is not the "
		    "one that this program made: restore a backup", row.type,
		    row.name);
	if (r == 0)
		return db_fail(walk->fail, walk->is_file ?
		    "database: %s %.64s is not ours: restore a backup" :
		    "database: %s %.64s is missing: restore a backup",
		    row.type, row.name);
	if (strcmp(row.table, other.table) != 0 ||
	    strcmp(row.sql, other.sql) != 0)
		return db_fail(walk->fail, "database: %s %.64s is not the one "
		    "that this program made: restore a backup", row.type,
		    row.name);
	return 0;
}

static int
schema_walk(struct db *from, struct schema_walk *walk)
{
	/* Names with sqlite_ are SQLite's own: nobody else can make them. */
	return db_rows(from, db_prepare(from, "SELECT type, name, tbl_name, "
	    "sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' "
	    "ESCAPE '\\' ORDER BY type DESC, name", ""), DB_LIST_MAX, NULL,
	    schema_compare, walk);
}

int
db_schema_check(struct db *db)
{
	struct schema_walk	 walk;
	struct db		*model;
	char			 why[512];
	int			 r;

	if ((model = db_open(-1, "", why, sizeof(why))) == NULL)
		return db_fail(db, "%.500s", why);
	walk = (struct schema_walk){ db, db, 0 };
	if ((r = schema_walk(model, &walk)) == 0) {
		walk = (struct schema_walk){ model, db, 1 };
		r = schema_walk(db, &walk);
	}
	db_close(model);
	return r;
}
