/*
 * The database on a real file: what is written is read back, what no
 * version of ours writes is an error, states keep to their graph, one owner,
 * nothing of a transaction stays when it is not committed.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "../../executor/db.h"
#include "test.h"

static char	 dir[64];
static int	 dir_fd, old_fd;

static struct db *
db_make(void)
{
	struct db	*db;
	char		 why[256];

	(void)strlcpy(dir, "/tmp/t_db.XXXXXX", sizeof(dir));
	if (mkdtemp(dir) == NULL)
		abort();
	old_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	db = db_open(dir_fd, "bot.db", why, sizeof(why));
	if (db == NULL) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	return db;
}

static struct db *
db_again(struct db *db)
{
	char	 why[256] = "";

	db_close(db);
	db = db_open(dir_fd, "bot.db", why, sizeof(why));
	if (db == NULL)
		fprintf(stderr, "%s\n", why);
	return db;
}

static void
db_end(struct db *db)
{
	static const char *const	 names[] = { "bot.db", "bot.db-wal",
					    "bot.db-shm", "bot.db-journal" };
	size_t				 i;

	db_close(db);
	for (i = 0; i < 4; i++)
		(void)unlinkat(dir_fd, names[i], 0);
	if (fchdir(old_fd) == -1)
		abort();
	(void)close(old_fd);
	(void)close(dir_fd);
	(void)rmdir(dir);
}

/* Another program's statement while ours is closed. */
static void
damage_raw(const char *sql)
{
	sqlite3	*raw;

	CHECK_INT(sqlite3_open("bot.db", &raw), SQLITE_OK);
	if (sqlite3_exec(raw, sql, NULL, NULL, NULL) != SQLITE_OK)
		fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(raw));
	(void)sqlite3_close(raw);
}

static void
damage(struct db **db, const char *sql)
{
	db_close(*db);
	damage_raw(sql);
	*db = db_again(NULL);
}

#define ALICE	"aliceaaaaaaaaaaaaaaaaaaaaa"
#define BOB	"bobbbbbbbbbbbbbbbbbbbbbbbb"
#define POST1	"post1aaaaaaaaaaaaaaaaaaaaa"
#define POST2	"post2aaaaaaaaaaaaaaaaaaaaa"

static void
user_make(struct db_user *u, const char *id, const char *name,
    enum level level)
{
	memset(u, 0, sizeof(*u));
	(void)strlcpy(u->id, id, sizeof(u->id));
	(void)strlcpy(u->username, name, sizeof(u->username));
	u->level = level;
	u->created_at = 10;
	u->updated_at = 10;
}

static int
user_names(const struct db_user *u, void *arg)
{
	char	*out = arg;

	(void)strlcat(out, u->username, 256);
	(void)strlcat(out, " ", 256);
	return 0;
}

/* What is no file of ours is said so, and nothing waits for it. */
TEST(strange_files_are_refused)
{
	struct db	*db = db_make();
	char		 why[256];

	db_close(db);
	CHECK(renameat(dir_fd, "bot.db", dir_fd, "other") == 0);
	CHECK(symlinkat("other", dir_fd, "bot.db") == 0);
	CHECK(db_open(dir_fd, "bot.db", why, sizeof(why)) == NULL);
	CHECK(strstr(why, "no regular file") != NULL);
	CHECK(unlinkat(dir_fd, "bot.db", 0) == 0);
	CHECK(mkfifoat(dir_fd, "bot.db", 0600) == 0);
	CHECK(db_open(dir_fd, "bot.db", why, sizeof(why)) == NULL);
	CHECK(strstr(why, "no regular file") != NULL);
	CHECK(unlinkat(dir_fd, "bot.db", 0) == 0);
	CHECK(renameat(dir_fd, "other", dir_fd, "bot.db") == 0);
	CHECK(fchmodat(dir_fd, "bot.db", 0400, 0) == 0);
	CHECK(db_open(dir_fd, "bot.db", why, sizeof(why)) == NULL);
	CHECK(strstr(why, "chmod 0600") != NULL);
	CHECK(fchmodat(dir_fd, "bot.db", 0600, 0) == 0);
	db_end(db_again(NULL));
}

TEST(users_are_read_back)
{
	struct db_user	 u, v;
	struct db	*db = db_make();
	char		 names[256] = "";

	CHECK_INT(db_user_get(db, ALICE, &v), 0);
	CHECK_INT(v.level, LEVEL_USER);
	CHECK_STR(v.id, ALICE);
	user_make(&u, ALICE, "alice", LEVEL_ADMIN);
	u.nflags = 2;
	(void)strlcpy(u.flags[0], "deploy", NAME_SIZE);
	(void)strlcpy(u.flags[1], "admin-db", NAME_SIZE);
	CHECK_INT(db_user_put(db, &u), 0);
	user_make(&u, BOB, "bob", LEVEL_OPERATOR);
	CHECK_INT(db_user_put(db, &u), 0);
	db = db_again(db);
	CHECK_INT(db_user_get(db, ALICE, &v), 1);
	CHECK_INT(v.level, LEVEL_ADMIN);
	CHECK_INT(v.nflags, 2);
	CHECK_STR(v.flags[0], "admin-db");
	CHECK_STR(v.flags[1], "deploy");
	CHECK_INT(db_user_count(db, LEVEL_ADMIN), 1);
	CHECK_INT(db_user_each(db, user_names, names, NULL), 0);
	CHECK_STR(names, "alice bob ");
	v.created_at = 99;
	v.updated_at = 99;
	v.level = LEVEL_USER;
	CHECK_INT(db_user_put(db, &v), 0);
	CHECK_INT(db_user_get(db, ALICE, &u), 1);
	CHECK_INT(u.created_at, 10);
	CHECK_INT(u.updated_at, 99);
	CHECK_INT(db_user_delete(db, ALICE), 1);
	CHECK_INT(db_user_delete(db, ALICE), 0);
	db_end(db);
}

TEST(strange_rows_are_errors_not_defaults)
{
	static const char *const	 bad[] = {
		"UPDATE users SET custom_flags = '{}'",
		"UPDATE users SET custom_flags = '[1]'",
		"UPDATE users SET custom_flags = '[\"UPPER\"]'",
		"UPDATE users SET custom_flags = '[\"a\",\"a\"]'",
		"UPDATE users SET custom_flags = 'nonsense'",
		"UPDATE users SET username = printf('%.*c', 200, 'x')",
		("PRAGMA ignore_check_constraints = 1; "
		    "UPDATE users SET permission_level = 'root'"),
		"UPDATE users SET username = 'a' || char(0) || 'b'",
	};
	struct db_user	 u;
	struct db	*db;
	size_t		 i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		db = db_make();
		user_make(&u, ALICE, "alice", LEVEL_ADMIN);
		CHECK_INT(db_user_put(db, &u), 0);
		damage(&db, bad[i]);
		/* A check that fails is found when the file is opened. */
		if (db != NULL) {
			CHECK_INT(db_user_get(db, ALICE, &u), -1);
			CHECK(strstr(db_error(db), "users") != NULL);
			CHECK(strstr(db_error(db), ALICE) != NULL);
		}
		db_end(db);
	}
}

TEST(bans_expire)
{
	struct db_ban	 b, c;
	struct db	*db = db_make();

	memset(&b, 0, sizeof(b));
	(void)strlcpy(b.id, BOB, sizeof(b.id));
	(void)strlcpy(b.username, "bob", sizeof(b.username));
	(void)strlcpy(b.reason, "noise", sizeof(b.reason));
	(void)strlcpy(b.by_name, "uid 0", sizeof(b.by_name));
	b.created_at = 100;
	b.expires_at = 200;
	CHECK_INT(db_ban_put(db, &b), 0);
	CHECK_INT(db_ban_get(db, BOB, 199, &c), 1);
	CHECK_STR(c.reason, "noise");
	CHECK_INT(db_ban_get(db, BOB, 200, &c), 0);
	b.expires_at = 0;
	CHECK_INT(db_ban_put(db, &b), 0);
	CHECK_INT(db_ban_get(db, BOB, INT64_MAX, &c), 1);
	CHECK_INT(db_ban_delete(db, BOB), 1);
	CHECK_INT(db_ban_get(db, BOB, 1, &c), 0);
	db_end(db);
}

static void
seen_make(struct db_seen *s, const char *post, const char *execution)
{
	memset(s, 0, sizeof(*s));
	(void)strlcpy(s->post_id, post, sizeof(s->post_id));
	(void)strlcpy(s->execution_id, execution, sizeof(s->execution_id));
	(void)strlcpy(s->user_id, ALICE, sizeof(s->user_id));
	(void)strlcpy(s->channel_id, BOB, sizeof(s->channel_id));
	(void)strlcpy(s->root_id, post, sizeof(s->root_id));
	s->create_at = 1000;
	s->seen_at = 1001;
	s->open = 1;
}

static int
seen_count(const struct db_seen *s, void *arg)
{
	(void)s;
	++*(int *)arg;
	return 0;
}

TEST(a_post_is_claimed_once)
{
	struct db_seen	 s, t;
	struct db	*db = db_make();
	int64_t		 position;
	int		 n = 0;

	seen_make(&s, POST1, "e1");
	CHECK_INT(db_claim(db, &s, 5000), 1);
	CHECK_INT(db_claim(db, &s, 5000), 0);
	db = db_again(db);
	(void)strlcpy(s.execution_id, "e2", sizeof(s.execution_id));
	CHECK_INT(db_claim(db, &s, 5000), 0);
	CHECK_INT(db_position_get(db, &position), 0);
	CHECK_INT(position, 1000);
	seen_make(&s, POST2, "e3");
	s.create_at = INT64_MAX;
	CHECK_INT(db_claim(db, &s, 5000), 1);
	CHECK_INT(db_position_get(db, &position), 0);
	CHECK_INT(position, 5000);
	CHECK_INT(db_position_put(db, 4000), 0);
	CHECK_INT(db_position_get(db, &position), 0);
	CHECK_INT(position, 5000);
	CHECK_INT(db_seen_open_each(db, seen_count, &n, NULL), 0);
	CHECK_INT(n, 2);
	CHECK_INT(db_seen_close(db, POST1), 0);
	n = 0;
	CHECK_INT(db_seen_open_each(db, seen_count, &n, NULL), 0);
	CHECK_INT(n, 1);
	CHECK_INT(db_seen_by_execution(db, "e3", &t), 1);
	CHECK_STR(t.post_id, POST2);
	CHECK_INT(db_seen_by_execution(db, "e9", &t), 0);
	CHECK_INT(db_seen_prune(db, 2000, 10), 1);
	CHECK_INT(db_seen_prune(db, INT64_MAX, 10), 0);
	db_end(db);
}

static void
job_make(struct db_job *j, uint64_t id)
{
	memset(j, 0, sizeof(*j));
	j->id = id;
	(void)snprintf(j->execution_id, sizeof(j->execution_id), "e%llu",
	    (unsigned long long)id);
	(void)strlcpy(j->post_id, POST1, sizeof(j->post_id));
	(void)strlcpy(j->user_id, ALICE, sizeof(j->user_id));
	(void)strlcpy(j->username, "alice", sizeof(j->username));
	(void)strlcpy(j->channel_id, BOB, sizeof(j->channel_id));
	(void)strlcpy(j->script, "deploy", sizeof(j->script));
	(void)strlcpy(j->arguments, "{}", sizeof(j->arguments));
	j->state = DBJOB_QUEUED;
}

TEST(jobs_keep_to_their_graph)
{
	static const int	 allowed[DBJOB_STATE_COUNT]
	    [DBJOB_STATE_COUNT] = {
		[DBJOB_QUEUED] = { [DBJOB_QUEUED] = 1, [DBJOB_RUNNING] = 1,
		    [DBJOB_DONE] = 1, [DBJOB_DROPPED] = 1 },
		[DBJOB_RUNNING] = { [DBJOB_RUNNING] = 1, [DBJOB_DONE] = 1 },
		[DBJOB_DONE] = { [DBJOB_DONE] = 1, [DBJOB_FINISHED] = 1 },
		[DBJOB_FINISHED] = { [DBJOB_FINISHED] = 1 },
		[DBJOB_DROPPED] = { [DBJOB_DROPPED] = 1 },
	};
	static const enum db_job_state	 path[DBJOB_STATE_COUNT][3] = {
		[DBJOB_QUEUED] = { DBJOB_QUEUED, DBJOB_QUEUED, DBJOB_QUEUED },
		[DBJOB_RUNNING] = { DBJOB_RUNNING, DBJOB_RUNNING,
		    DBJOB_RUNNING },
		[DBJOB_DONE] = { DBJOB_RUNNING, DBJOB_DONE, DBJOB_DONE },
		[DBJOB_FINISHED] = { DBJOB_RUNNING, DBJOB_DONE,
		    DBJOB_FINISHED },
		[DBJOB_DROPPED] = { DBJOB_DROPPED, DBJOB_DROPPED,
		    DBJOB_DROPPED },
	};
	struct db_seen	 s;
	struct db_job	 j;
	struct db	*db;
	int		 from, to, i;

	for (from = 0; from < DBJOB_STATE_COUNT; from++)
		for (to = 0; to < DBJOB_STATE_COUNT; to++) {
			db = db_open(-1, "", (char[256]){ 0 }, 256);
			seen_make(&s, POST1, "x");
			CHECK_INT(db_claim(db, &s, 1), 1);
			job_make(&j, 1);
			CHECK_INT(db_job_put(db, &j), 0);
			for (i = 0; i < 3; i++) {
				j.state = path[from][i];
				CHECK_INT(db_job_put(db, &j), 0);
			}
			j.state = (enum db_job_state)to;
			CHECK_INT(db_job_put(db, &j) == 0, allowed[from][to]);
			db_close(db);
		}
}

TEST(jobs_are_read_back)
{
	struct db_seen	 s;
	struct db_job	 j, k;
	struct db	*db = db_make();
	struct buf	 out;

	CHECK_INT(db_job_next(db), 1);
	seen_make(&s, POST1, "x");
	CHECK_INT(db_claim(db, &s, 1), 1);
	job_make(&j, 1);
	j.state = DBJOB_RUNNING;
	j.told = DBJOB_TOLD_FAILED;
	j.dry_run = 1;
	j.intent_seq = 7;
	memset(j.intent_hash, 0xab, HASH_SIZE);
	j.how = JOB_END_TIMEOUT;
	j.exit_code = 143;
	j.signal = 15;
	j.duration_ms = 5;
	j.user_us = 6;
	j.system_us = 7;
	j.maxrss_kb = 8;
	(void)strlcpy(j.error, "late", sizeof(j.error));
	j.output_dropped = 9;
	CHECK_INT(db_job_put(db, &j), 0);
	CHECK_INT(db_job_put_output(db, 1, "a\nb", 3), 0);
	CHECK_INT(db_job_put_output(db, 2, "a", 1), -1);
	db = db_again(db);
	CHECK_INT(db_job_next(db), 2);
	CHECK_INT(db_job_get(db, 2, &k), 0);
	CHECK_INT(db_job_get(db, 1, &k), 1);
	CHECK_INT(k.output_len, 3);
	k.output_len = 0;
	CHECK(memcmp(&j, &k, sizeof(j)) == 0);
	buf_init(&out, 2);
	CHECK_INT(db_job_get_output(db, 1, &out), 1);
	CHECK_INT(out.len, 2);
	buf_free(&out);
	/* A post starts one job at most, whatever the program thinks. */
	job_make(&j, 2);
	CHECK_INT(db_job_put(db, &j), -1);
	db_end(db);
}

TEST(a_transaction_is_all_or_nothing)
{
	struct db_user	 u;
	struct db	*db = db_make();

	user_make(&u, ALICE, "alice", LEVEL_ADMIN);
	CHECK_INT(db_begin(db), 0);
	CHECK_INT(db_begin(db), -1);
	CHECK_INT(db_user_put(db, &u), 0);
	db_rollback(db);
	CHECK_INT(db_user_get(db, ALICE, &u), 0);
	user_make(&u, ALICE, "alice", LEVEL_ADMIN);
	CHECK_INT(db_begin(db), 0);
	CHECK_INT(db_user_put(db, &u), 0);
	/* The process ends here. */
	db = db_again(db);
	CHECK_INT(db_user_get(db, ALICE, &u), 0);
	CHECK_INT(db_commit(db), -1);
	db_end(db);
}

TEST(permission_changes_stay_as_written)
{
	struct db_audit	 a, b;
	struct db	*db = db_make();

	memset(&a, 0, sizeof(a));
	a.at = 5;
	(void)strlcpy(a.actor_name, "uid 0", sizeof(a.actor_name));
	(void)strlcpy(a.action, "adduser", sizeof(a.action));
	(void)strlcpy(a.subject_id, ALICE, sizeof(a.subject_id));
	(void)strlcpy(a.detail, "{}", sizeof(a.detail));
	a.seq = 3;
	CHECK_INT(db_audit_add(db, &a), 0);
	CHECK_INT(a.id, 1);
	CHECK_INT(db_audit_add(db, &a), -1);
	damage(&db, "UPDATE audit_log SET action = 'nothing'");
	damage(&db, "DELETE FROM audit_log");
	CHECK_INT(db_audit_last(db, ALICE, &b), 1);
	CHECK_STR(b.action, "adduser");
	CHECK_INT(db_audit_last(db, BOB, &b), 0);
	db_end(db);
}

TEST(anchor_never_goes_back)
{
	struct db_anchor	 a, b;
	struct db		*db = db_make();

	memset(&a, 0, sizeof(a));
	(void)strlcpy(a.origin, "h/audit/1", sizeof(a.origin));
	a.seq = 5;
	a.line_hash[0] = 5;
	CHECK_INT(db_anchor_put(db, &a), 0);
	a.seq = 4;
	a.line_hash[0] = 4;
	CHECK_INT(db_anchor_put(db, &a), 0);
	CHECK_INT(db_anchor_get(db, "h/audit/1", &b), 1);
	CHECK_INT(b.seq, 5);
	CHECK_INT(b.line_hash[0], 5);
	CHECK_INT(db_anchor_get(db, "other", &b), 0);
	CHECK_INT(db_anchor_other(db, "h/audit/1", &b), 0);
	CHECK_INT(db_anchor_other(db, "other", &b), 1);
	CHECK_STR(b.origin, "h/audit/1");
	db_end(db);
}

TEST(hmac_key_is_made_once)
{
	uint8_t		 fresh[DB_HMAC_KEY_SIZE], key[DB_HMAC_KEY_SIZE];
	struct db	*db = db_make();

	memset(fresh, 1, sizeof(fresh));
	CHECK_INT(db_hmac_key(db, fresh, key), 0);
	CHECK_INT(key[0], 1);
	memset(fresh, 2, sizeof(fresh));
	CHECK_INT(db_hmac_key(db, fresh, key), 0);
	CHECK_INT(key[0], 1);
	damage(&db, "UPDATE settings SET value = x'00' "
	    "WHERE name = 'hmac-key'");
	CHECK_INT(db_hmac_key(db, fresh, key), -1);
	db_end(db);
}

TEST(one_owner)
{
	struct db	*db = db_make();
	char		 why[256] = "";

	CHECK(db_open(dir_fd, "bot.db", why, sizeof(why)) == NULL);
	CHECK(strstr(why, "another process") != NULL);
	db_end(db);
}

TEST(newer_or_damaged_files_are_refused)
{
	struct db	*db = db_make();
	char		 why[256] = "";
	int		 fd;

	damage(&db, "PRAGMA user_version = 1000");
	CHECK(db == NULL);
	CHECK(db_open(dir_fd, "bot.db", why, sizeof(why)) == NULL);
	CHECK(strstr(why, "newer") != NULL);
	db_end(db);

	db = db_make();
	db_close(db);
	fd = open("bot.db", O_WRONLY | O_CLOEXEC);
	CHECK_INT(pwrite(fd, "garbage garbage", 15, 4096), 15);
	(void)close(fd);
	CHECK(db_open(dir_fd, "bot.db", why, sizeof(why)) == NULL);
	db_end(NULL);

	db = db_make();
	db_close(db);
	(void)unlink("bot.db");
	fd = open("bot.db", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK_INT(write(fd, "this is not a database, not at all", 34), 34);
	(void)close(fd);
	CHECK(db_open(dir_fd, "bot.db", why, sizeof(why)) == NULL);
	CHECK(strstr(why, "restore a backup") != NULL);
	db_end(NULL);
}

/* What another hand changed in the schema is refused by its name. */
TEST(another_schema_is_refused)
{
	static const struct {
		const char	*sql, *why;
	} bad[] = {
		{ "DROP TABLE bans", "table bans is missing" },
		{ "DROP TRIGGER audit_log_update",
		    "trigger audit_log_update is missing" },
		{ "DROP INDEX jobs_told", "index jobs_told is missing" },
		{ "CREATE TABLE notes (a)", "table notes is not ours" },
		{ "CREATE VIEW v AS SELECT 1", "view v is not ours" },
		{ "CREATE TRIGGER x AFTER INSERT ON bans BEGIN "
		    "DELETE FROM bans; END", "trigger x is not ours" },
		{ "CREATE INDEX i ON bans(reason)", "index i is not ours" },
		{ "ALTER TABLE users ADD COLUMN more TEXT",
		    "table users is not the one" },
		{ "DROP TRIGGER jobs_delete; CREATE TRIGGER jobs_delete "
		    "BEFORE DELETE ON jobs BEGIN SELECT 1; END",
		    "trigger jobs_delete is not the one" },
		{ "PRAGMA user_version = 0", "user_version" },
		{ "PRAGMA user_version = -1", "user_version" },
		{ "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = "
		    "'nonsense' WHERE name = 'bans'", "" },
		{ "PRAGMA writable_schema = 1; UPDATE sqlite_master SET name "
		    "= printf('%.*c', 200, 'x') WHERE name = 'jobs_told'",
		    "" },
	};
	struct db	*db;
	char		 why[512];
	size_t		 i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		db = db_make();
		/* What ANALYZE leaves is SQLite's own. */
		damage(&db, "ANALYZE");
		CHECK(db != NULL);
		db_close(db);
		damage_raw(bad[i].sql);
		why[0] = '\0';
		CHECK(db_open(dir_fd, "bot.db", why, sizeof(why)) == NULL);
		CHECK(strstr(why, bad[i].why) != NULL);
		CHECK(strstr(why, "restore a backup") != NULL);
		db_end(NULL);
	}
}
