/* The executor's database: opening, migrations, transactions. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "db_sql.h"
#include "sys.h"

/* Virtual machine steps that one statement may take: some seconds. */
#define DB_STEPS_EVERY	100000
#define DB_STEPS_MAX	2000

/*
 * Migration n leads from user_version n to n + 1.  A migration is never
 * changed once it was released; what is wrong with it is mended by the next.
 */
static const char *const migrations[] = {
	/* 0 */
	"CREATE TABLE users ("
	" mattermost_id TEXT PRIMARY KEY,"
	" username TEXT NOT NULL,"
	" permission_level TEXT NOT NULL"
	"  CHECK (permission_level IN ('admin', 'operator', 'user', 'banned')),"
	" custom_flags TEXT,"
	" created_at INTEGER NOT NULL,"
	" updated_at INTEGER NOT NULL) STRICT;"
	"CREATE INDEX users_level ON users(permission_level, username);"

	"CREATE TABLE bans ("
	" mattermost_id TEXT PRIMARY KEY,"
	" username TEXT NOT NULL,"
	" reason TEXT NOT NULL,"
	" by_id TEXT,"
	" by_name TEXT NOT NULL,"
	" created_at INTEGER NOT NULL,"
	" expires_at INTEGER NOT NULL) STRICT;"

	"CREATE TABLE audit_log ("
	" id INTEGER PRIMARY KEY,"
	" at INTEGER NOT NULL,"
	" actor_id TEXT,"
	" actor_name TEXT NOT NULL,"
	" action TEXT NOT NULL,"
	" subject_id TEXT,"
	" subject_name TEXT,"
	" detail TEXT NOT NULL,"
	" seq INTEGER NOT NULL UNIQUE,"
	" line_hash BLOB NOT NULL) STRICT;"
	"CREATE INDEX audit_log_subject ON audit_log(subject_id, id);"
	/* What was written about permissions stays as it was written. */
	"CREATE TRIGGER audit_log_update BEFORE UPDATE ON audit_log BEGIN"
	" SELECT RAISE(ABORT, 'audit_log is append-only'); END;"
	"CREATE TRIGGER audit_log_delete BEFORE DELETE ON audit_log BEGIN"
	" SELECT RAISE(ABORT, 'audit_log is append-only'); END;"

	"CREATE TABLE seen ("
	" post_id TEXT PRIMARY KEY,"
	" execution_id TEXT NOT NULL UNIQUE,"
	" user_id TEXT NOT NULL,"
	" channel_id TEXT NOT NULL,"
	" root_id TEXT NOT NULL,"
	" create_at INTEGER NOT NULL,"
	" seen_at INTEGER NOT NULL,"
	" open INTEGER NOT NULL CHECK (open IN (0, 1))) STRICT, WITHOUT ROWID;"
	"CREATE INDEX seen_open ON seen(seen_at) WHERE open = 1;"
	"CREATE INDEX seen_closed ON seen(seen_at) WHERE open = 0;"

	"CREATE TABLE jobs ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" execution_id TEXT NOT NULL UNIQUE,"
	" post_id TEXT NOT NULL UNIQUE REFERENCES seen(post_id),"
	" user_id TEXT NOT NULL,"
	" username TEXT NOT NULL,"
	" channel_id TEXT NOT NULL,"
	" root_id TEXT,"
	" status_post TEXT,"
	" script TEXT NOT NULL,"
	" arguments TEXT NOT NULL,"
	" dry_run INTEGER NOT NULL,"
	" state TEXT NOT NULL CHECK (state IN"
	"  ('queued', 'running', 'done', 'finished', 'dropped')),"
	" told INTEGER NOT NULL CHECK (told BETWEEN 0 AND 2),"
	" created_at INTEGER NOT NULL,"
	" started_at INTEGER NOT NULL,"
	" ended_at INTEGER NOT NULL,"
	" intent_seq INTEGER NOT NULL,"
	" intent_hash BLOB NOT NULL,"
	" result_seq INTEGER NOT NULL,"
	" result_hash BLOB NOT NULL,"
	" unknown INTEGER NOT NULL,"
	" how INTEGER NOT NULL,"
	" exit_code INTEGER NOT NULL,"
	" signal INTEGER NOT NULL,"
	" duration_ms INTEGER NOT NULL,"
	" user_us INTEGER NOT NULL,"
	" system_us INTEGER NOT NULL,"
	" maxrss_kb INTEGER NOT NULL,"
	" error TEXT,"
	" output_len INTEGER NOT NULL,"
	" output_dropped INTEGER NOT NULL,"
	" output BLOB) STRICT;"
	"CREATE INDEX jobs_user ON jobs(user_id, id);"
	"CREATE INDEX jobs_state ON jobs(state, id);"
	"CREATE INDEX jobs_told ON jobs(told, id) WHERE told <> 1;"
	"CREATE INDEX jobs_output ON jobs(ended_at)"
	" WHERE output IS NOT NULL AND ended_at > 0;"
	"CREATE TRIGGER jobs_state BEFORE UPDATE OF state ON jobs"
	" WHEN OLD.state <> NEW.state AND (OLD.state || '>' || NEW.state)"
	" NOT IN ('queued>running', 'queued>done', 'queued>dropped',"
	" 'running>done', 'done>finished') BEGIN"
	" SELECT RAISE(ABORT, 'a job cannot change its state like that'); END;"
	"CREATE TRIGGER jobs_delete BEFORE DELETE ON jobs BEGIN"
	" SELECT RAISE(ABORT, 'jobs are kept'); END;"

	"CREATE TABLE settings ("
	" name TEXT PRIMARY KEY,"
	" value ANY NOT NULL) STRICT, WITHOUT ROWID;"

	"CREATE TABLE audit_anchor ("
	" origin TEXT PRIMARY KEY,"
	" seq INTEGER NOT NULL,"
	" line_hash BLOB NOT NULL) STRICT;"

	"CREATE TABLE rate ("
	" kind INTEGER NOT NULL,"
	" key TEXT NOT NULL,"
	" at_mono INTEGER NOT NULL,"
	" boot TEXT NOT NULL) STRICT;"
	"CREATE INDEX rate_at ON rate(boot, at_mono);",
};

#define DB_VERSION	((int)nitems(migrations))

static int
db_progress(void *arg)
{
	struct db	*db = arg;

	return ++db->steps > DB_STEPS_MAX;
}

static int
db_exec(struct db *db, const char *text)
{
	db->steps = 0;
	if (sqlite3_exec(db->sql, text, NULL, NULL, NULL) != SQLITE_OK)
		return db_fail_sql(db, "statement");
	return 0;
}

/* One integer or one word as the answer of a pragma. */
static int
db_pragma(struct db *db, const char *text, char *out, size_t size)
{
	sqlite3_stmt	*st = NULL;
	int		 r = -1;

	db->steps = 0;
	out[0] = '\0';
	if (sqlite3_prepare_v2(db->sql, text, -1, &st, NULL) != SQLITE_OK)
		goto done;
	switch (sqlite3_step(st)) {
	case SQLITE_ROW:
		(void)snprintf(out, size, "%s",
		    (const char *)sqlite3_column_text(st, 0));
		r = 0;
		break;
	case SQLITE_DONE:
		r = 0;
		break;
	}
done:
	if (r == -1)
		(void)db_fail_sql(db, text);
	sqlite3_finalize(st);
	return r;
}

static int
db_configure(struct db *db)
{
	char	 word[64];

	(void)sqlite3_extended_result_codes(db->sql, 1);
	(void)sqlite3_limit(db->sql, SQLITE_LIMIT_LENGTH, 64 * 1024 * 1024);
	(void)sqlite3_limit(db->sql, SQLITE_LIMIT_ATTACHED, 0);
	(void)sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db->sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0,
	    NULL);
	sqlite3_progress_handler(db->sql, DB_STEPS_EVERY, db_progress, db);
	/* Before WAL: then the index of the WAL needs no shared memory. */
	if (db_pragma(db, "PRAGMA locking_mode = EXCLUSIVE", word,
	    sizeof(word)) == -1 ||
	    db_pragma(db, "PRAGMA journal_mode = WAL", word,
	    sizeof(word)) == -1)
		return -1;
	if (strcmp(word, "wal") != 0 && strcmp(word, "memory") != 0)
		return db_fail(db, "database: cannot use a write-ahead log "
		    "(journal_mode is %s)", word);
	return db_exec(db, "PRAGMA synchronous = FULL;"
	    "PRAGMA foreign_keys = ON;"
	    "PRAGMA cell_size_check = ON;"
	    "PRAGMA temp_store = MEMORY;"
	    "PRAGMA wal_autocheckpoint = 256;");
}

/* Version 0 is what an empty file has; ours say what they are. */
static int
db_check_version(struct db *db, int version)
{
	char	 word[64];

	if (version > 0)
		return 0;
	if (db_pragma(db, "SELECT count(*) FROM sqlite_schema", word,
	    sizeof(word)) == -1)
		return -1;
	if (version == 0 && strcmp(word, "0") == 0)
		return 0;
	return db_fail(db, "database: its version (PRAGMA user_version) is "
	    "%d with %s tables and the like: it is not ours, or was changed: "
	    "restore a backup, or move it away", version, word);
}

static int
db_migrate(struct db *db)
{
	char	 text[64];
	int	 version;

	if (db_pragma(db, "PRAGMA user_version", text, sizeof(text)) == -1)
		return -1;
	version = (int)strtol(text, NULL, 10);
	if (db_check_version(db, version) == -1)
		return -1;
	if (version > DB_VERSION)
		return db_fail(db, "database: version %d is newer than this "
		    "program's %d: install the program that wrote it", version,
		    DB_VERSION);
	for (; version < DB_VERSION; version++) {
		(void)snprintf(text, sizeof(text), "PRAGMA user_version = %d",
		    version + 1);
		if (db_begin(db) == -1)
			return -1;
		if (db_exec(db, migrations[version]) == -1 ||
		    db_exec(db, text) == -1) {
			db_rollback(db);
			return -1;
		}
		if (db_commit(db) == -1)
			return -1;
	}
	return 0;
}

static int
db_check(struct db *db)
{
	char	 word[256];

	/* Its cost grows with the file; it is bounded by the file. */
	sqlite3_progress_handler(db->sql, 0, NULL, NULL);
	if (db_pragma(db, "PRAGMA integrity_check(1)", word,
	    sizeof(word)) == -1)
		return -1;
	if (strcmp(word, "ok") != 0)
		return db_fail(db, "database: damaged: %s: restore a backup",
		    word);
	if (db_pragma(db, "PRAGMA foreign_key_check", word,
	    sizeof(word)) == -1)
		return -1;
	if (word[0] != '\0')
		return db_fail(db, "database: table %s refers to rows that "
		    "are not there: restore a backup", word);
	sqlite3_progress_handler(db->sql, DB_STEPS_EVERY, db_progress, db);
	return 0;
}

/* SQLite would wait at a FIFO and say little about the others. */
static int
db_check_file(struct db *db, int dir_fd, const char *name)
{
	struct stat	 st;

	if (sys_fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : db_fail(db, "database: %s",
		    strerror(errno));
	if (!S_ISREG(st.st_mode))
		return db_fail(db, "database: it is no regular file: move it "
		    "away, or restore a backup");
	if (st.st_uid != geteuid() || (st.st_mode & 0600) != 0600)
		return db_fail(db, "database: this process, user %lu, may not "
		    "write it: chown %lu and chmod 0600", (unsigned long)
		    geteuid(), (unsigned long)geteuid());
	return 0;
}

struct db *
db_open(int dir_fd, const char *name, char *why, size_t whylen)
{
	struct db	*db;
	int		 flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
			    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;

	if ((db = calloc(1, sizeof(*db))) == NULL) {
		(void)snprintf(why, whylen, "out of memory");
		return NULL;
	}
	if (dir_fd != -1 && fchdir(dir_fd) == -1) {
		(void)db_fail(db, "database: cannot enter its folder: %s",
		    strerror(errno));
		goto fail;
	}
	if (dir_fd != -1 && db_check_file(db, dir_fd, name) == -1)
		goto fail;
	if (sqlite3_open_v2(dir_fd == -1 ? ":memory:" : name, &db->sql, flags,
	    NULL) != SQLITE_OK) {
		(void)db_fail(db, "database: cannot open %s: %s", name,
		    db->sql == NULL ? "out of memory" :
		    sqlite3_errmsg(db->sql));
		goto fail;
	}
	if (db_configure(db) == -1 || db_migrate(db) == -1)
		goto fail;
	/* A database in memory is what the others are compared with. */
	if (dir_fd != -1 && db_schema_check(db) == -1)
		goto fail;
	if (db_check(db) == -1)
		goto fail;
	return db;

fail:
	if (db->sql != NULL && sqlite3_errcode(db->sql) == SQLITE_BUSY)
		(void)snprintf(why, whylen, "database: %s is in use by "
		    "another process: is a second chatopsd or sqlite3 running?",
		    name);
	else
		(void)snprintf(why, whylen, "%s", db->error);
	db_close(db);
	return NULL;
}

void
db_close(struct db *db)
{
	size_t	 i;

	if (db == NULL)
		return;
	for (i = 0; i < db->ncache; i++)
		(void)sqlite3_finalize(db->cache[i].st);
	if (db->sql != NULL) {
		sqlite3_progress_handler(db->sql, 0, NULL, NULL);
		(void)sqlite3_close(db->sql);
	}
	free(db);
}

const char *
db_error(const struct db *db)
{
	return db->error;
}

int
db_begin(struct db *db)
{
	if (db->in_transaction)
		return db_fail(db, "database: transaction within a "
		    "transaction");
	if (db_exec(db, "BEGIN IMMEDIATE") == -1)
		return -1;
	db->in_transaction = 1;
	return 0;
}

int
db_commit(struct db *db)
{
	if (!db->in_transaction)
		return db_fail(db, "database: commit without a transaction");
	if (db_exec(db, "COMMIT") == -1) {
		char	 keep[sizeof(db->error)];

		(void)memcpy(keep, db->error, sizeof(keep));
		db_rollback(db);
		(void)memcpy(db->error, keep, sizeof(keep));
		return -1;
	}
	db->in_transaction = 0;
	return 0;
}

void
db_rollback(struct db *db)
{
	/* Some errors have rolled back already; then there is none. */
	if (db->in_transaction && !sqlite3_get_autocommit(db->sql))
		(void)db_exec(db, "ROLLBACK");
	db->in_transaction = 0;
}
