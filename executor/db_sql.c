/* Statements of the executor's database: prepare, bind, step, read. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "db_sql.h"

int
db_fail(struct db *db, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	(void)vsnprintf(db->error, sizeof(db->error), fmt, ap);
	va_end(ap);
	return -1;
}

int
db_fail_sql(struct db *db, const char *what)
{
	int	 code = sqlite3_errcode(db->sql);

	/* SQLITE_ERROR: a schema that our statements do not fit. */
	return db_fail(db, "database: %s: %s (code %d)%s", what,
	    sqlite3_errmsg(db->sql), sqlite3_extended_errcode(db->sql),
	    (code & 0xff) == SQLITE_NOTADB || (code & 0xff) == SQLITE_CORRUPT ||
	    (code & 0xff) == SQLITE_ERROR ? ": restore a backup" : "");
}

static sqlite3_stmt *
db_cached(struct db *db, const char *text)
{
	sqlite3_stmt	*st;
	size_t		 i;

	for (i = 0; i < db->ncache; i++)
		if (db->cache[i].text == text)
			return db->cache[i].st;
	if (db->ncache == DB_STATEMENTS) {
		(void)db_fail(db, "database: too many statements");
		return NULL;
	}
	if (sqlite3_prepare_v3(db->sql, text, -1, SQLITE_PREPARE_PERSISTENT,
	    &st, NULL) != SQLITE_OK) {
		(void)db_fail_sql(db, "prepare");
		return NULL;
	}
	db->cache[db->ncache].text = text;
	db->cache[db->ncache++].st = st;
	return st;
}

static int
db_bind_one(sqlite3_stmt *st, int i, char type, va_list *ap)
{
	const char	*text;
	const void	*blob;
	size_t		 len;

	switch (type) {
	case 't':
	case 'n':
		text = va_arg(*ap, const char *);
		if (type == 'n' && text[0] == '\0')
			return sqlite3_bind_null(st, i);
		return sqlite3_bind_text(st, i, text, -1, SQLITE_TRANSIENT);
	case 'i':
		return sqlite3_bind_int64(st, i, va_arg(*ap, int64_t));
	case 'b':
		blob = va_arg(*ap, const void *);
		len = va_arg(*ap, size_t);
		/* A NULL pointer would bind NULL, not an empty blob. */
		return sqlite3_bind_blob64(st, i, len == 0 ? "" : blob, len,
		    SQLITE_TRANSIENT);
	default:
		return SQLITE_MISUSE;
	}
}

static sqlite3_stmt *
db_vprepare(struct db *db, const char *text, const char *types, va_list *ap)
{
	sqlite3_stmt	*st;
	int		 i;

	if ((st = db_cached(db, text)) == NULL)
		return NULL;
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
	db->steps = 0;
	for (i = 0; types[i] != '\0'; i++)
		if (db_bind_one(st, i + 1, types[i], ap) != SQLITE_OK) {
			(void)db_fail_sql(db, "bind");
			return NULL;
		}
	return st;
}

sqlite3_stmt *
db_prepare(struct db *db, const char *text, const char *types, ...)
{
	sqlite3_stmt	*st;
	va_list		 ap;

	va_start(ap, types);
	st = db_vprepare(db, text, types, &ap);
	va_end(ap);
	return st;
}

int
db_step(struct db *db, sqlite3_stmt *st)
{
	switch (sqlite3_step(st)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		(void)sqlite3_reset(st);
		return 0;
	default:
		(void)db_fail_sql(db, "step");
		(void)sqlite3_reset(st);
		return -1;
	}
}

int64_t
db_run(struct db *db, const char *text, const char *types, ...)
{
	sqlite3_stmt	*st;
	va_list		 ap;
	int		 r;

	va_start(ap, types);
	st = db_vprepare(db, text, types, &ap);
	va_end(ap);
	if (st == NULL)
		return -1;
	while ((r = db_step(db, st)) == 1)
		continue;
	return r == -1 ? -1 : sqlite3_changes64(db->sql);
}

int
db_one(struct db *db, sqlite3_stmt *st, db_row row, void *arg)
{
	int	 r;

	if (st == NULL)
		return -1;
	if ((r = db_step(db, st)) == 1 && row(db, st, arg) == -1)
		r = -1;
	(void)sqlite3_reset(st);
	return r;
}

int
db_rows(struct db *db, sqlite3_stmt *st, size_t max, int *more, db_row row,
    void *arg)
{
	size_t	 n = 0;
	int	 r, next = 0;

	if (more != NULL)
		*more = 0;
	if (st == NULL)
		return -1;
	while ((r = db_step(db, st)) == 1 && next == 0) {
		if (n++ == max) {
			if (more != NULL)
				*more = 1;
			break;
		}
		next = row(db, st, arg);
	}
	(void)sqlite3_reset(st);
	return r == -1 || next == -1 ? -1 : 0;
}

static int
db_column_text(sqlite3_stmt *st, int i, char *out, size_t size)
{
	const unsigned char	*text;
	size_t			 len;

	out[0] = '\0';
	if (sqlite3_column_type(st, i) == SQLITE_NULL)
		return 0;
	if (sqlite3_column_type(st, i) != SQLITE_TEXT)
		return -1;
	if ((text = sqlite3_column_text(st, i)) == NULL)
		return -1;
	len = (size_t)sqlite3_column_bytes(st, i);
	if (len >= size || memchr(text, '\0', len) != NULL)
		return -1;
	memcpy(out, text, len);
	out[len] = '\0';
	return 0;
}

static int
db_column_blob(sqlite3_stmt *st, int i, void *out, size_t size)
{
	const void	*blob;

	memset(out, 0, size);
	if (sqlite3_column_type(st, i) == SQLITE_NULL)
		return 0;
	blob = sqlite3_column_blob(st, i);
	if (blob == NULL || (size_t)sqlite3_column_bytes(st, i) != size)
		return -1;
	memcpy(out, blob, size);
	return 0;
}

static int
db_column_one(sqlite3_stmt *st, int i, char type, va_list *ap)
{
	void		*out;
	int64_t		 n;

	if (type == '-')
		return 0;
	out = va_arg(*ap, void *);
	if (type == 't')
		return db_column_text(st, i, out, va_arg(*ap, size_t));
	if (type == 'b')
		return db_column_blob(st, i, out, va_arg(*ap, size_t));
	if (sqlite3_column_type(st, i) != SQLITE_INTEGER)
		return -1;
	n = sqlite3_column_int64(st, i);
	switch (type) {
	case 'i':
		*(int64_t *)out = n;
		return 0;
	case 'u':
		*(uint64_t *)out = (uint64_t)n;
		return n < 0 ? -1 : 0;
	case 'I':
		*(int *)out = (int)n;
		return n < 0 || n > INT32_MAX ? -1 : 0;
	default:
		return -1;
	}
}

int
db_columns(struct db *db, sqlite3_stmt *st, const char *table,
    const char *types, ...)
{
	va_list	 ap;
	int	 i, bad = 0;

	va_start(ap, types);
	for (i = 0; types[i] != '\0' && !bad; i++)
		bad = db_column_one(st, i, types[i], &ap) == -1;
	va_end(ap);
	if (!bad)
		return 0;
	return db_fail(db, "database: table %s, row %.64s: column %s holds "
	    "what this program never writes", table,
	    (const char *)sqlite3_column_text(st, 0),
	    sqlite3_column_name(st, i - 1));
}
