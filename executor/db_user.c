/* users, bans and the table of permission changes. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "db_sql.h"
#include "policy.h"

static int
db_flag_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* custom_flags: NULL or a JSON array of names, each once. */
static int
db_flags_parse(struct db *db, const char *text, struct db_user *u)
{
	json_t		*root;
	const char	*name;
	size_t		 i;

	u->nflags = 0;
	if (text[0] == '\0')
		return 0;
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_array(root) || json_array_size(root) > DB_FLAGS_MAX)
		goto bad;
	for (i = 0; i < json_array_size(root); i++) {
		name = json_string_value(json_array_get(root, i));
		if (name == NULL || !policy_is_flag(name))
			goto bad;
		(void)strlcpy(u->flags[u->nflags++], name, NAME_SIZE);
	}
	json_decref(root);
	qsort(u->flags, u->nflags, NAME_SIZE, db_flag_compare);
	for (i = 1; i < u->nflags; i++)
		if (strcmp(u->flags[i - 1], u->flags[i]) == 0)
			return db_fail(db, "database: table users, row %s: "
			    "custom_flags names %s twice", u->id, u->flags[i]);
	return 0;

bad:
	json_decref(root);
	u->nflags = 0;
	return db_fail(db, "database: table users, row %s: custom_flags is "
	    "not a JSON array of at most %d flag names", u->id, DB_FLAGS_MAX);
}

static int
db_user_read(struct db *db, sqlite3_stmt *st, void *arg)
{
	struct db_user	*u = arg;
	char		 level[16], flags[DB_FLAGS_MAX * (NAME_SIZE + 4)];
	int		 n;

	memset(u, 0, sizeof(*u));
	if (db_columns(db, st, "users", "ttttii", u->id, sizeof(u->id),
	    u->username, sizeof(u->username), level, sizeof(level),
	    flags, sizeof(flags), &u->created_at, &u->updated_at) == -1)
		return -1;
	if ((n = level_parse(level)) == -1)
		return db_fail(db, "database: table users, row %s: no level "
		    "is called %s", u->id, level);
	u->level = (enum level)n;
	return db_flags_parse(db, flags, u);
}

int
db_user_get(struct db *db, const char *id, struct db_user *u)
{
	memset(u, 0, sizeof(*u));
	u->level = LEVEL_USER;
	(void)strlcpy(u->id, id, sizeof(u->id));
	return db_one(db, db_prepare(db, "SELECT mattermost_id, username, "
	    "permission_level, custom_flags, created_at, updated_at "
	    "FROM users WHERE mattermost_id = ?", "t", id), db_user_read, u);
}

/* The array as text, or "" for none; u's own order. */
static int
db_flags_format(struct db *db, const struct db_user *u, char *out,
    size_t size)
{
	json_t	*array;
	size_t	 i, n = 0;

	out[0] = '\0';
	if (u->nflags == 0)
		return 0;
	if (u->nflags > DB_FLAGS_MAX || (array = json_array()) == NULL)
		return db_fail(db, "database: too many flags");
	for (i = 0; i < u->nflags; i++)
		if (!policy_is_flag(u->flags[i]) ||
		    json_array_append_new(array, json_string(u->flags[i])) ==
		    -1)
			break;
	if (i == u->nflags)
		n = json_dumpb(array, out, size - 1, JSON_COMPACT);
	json_decref(array);
	if (n == 0 || n >= size)
		return db_fail(db, "database: a flag has no valid name");
	out[n] = '\0';
	return 0;
}

int
db_user_put(struct db *db, const struct db_user *u)
{
	char	 flags[DB_FLAGS_MAX * (NAME_SIZE + 4)];

	if (db_flags_format(db, u, flags, sizeof(flags)) == -1)
		return -1;
	return db_run(db, "INSERT INTO users (mattermost_id, username, "
	    "permission_level, custom_flags, created_at, updated_at) "
	    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (mattermost_id) DO UPDATE "
	    "SET username = excluded.username, "
	    "permission_level = excluded.permission_level, "
	    "custom_flags = excluded.custom_flags, "
	    "updated_at = excluded.updated_at", "tttnii", u->id, u->username,
	    level_name(u->level), flags, u->created_at, u->updated_at) == -1 ?
	    -1 : 0;
}

int
db_user_delete(struct db *db, const char *id)
{
	return (int)db_run(db, "DELETE FROM users WHERE mattermost_id = ?",
	    "t", id);
}

static int
db_count_read(struct db *db, sqlite3_stmt *st, void *arg)
{
	(void)db;
	*(int64_t *)arg = sqlite3_column_int64(st, 0);
	return 0;
}

int64_t
db_user_count(struct db *db, enum level level)
{
	int64_t	 n = -1;

	(void)db_one(db, db_prepare(db, "SELECT count(*) FROM users "
	    "WHERE permission_level = ?", "t", level_name(level)),
	    db_count_read, &n);
	return n;
}

struct user_walk {
	int	(*each)(const struct db_user *, void *);
	void	 *arg;
};

static int
db_user_row(struct db *db, sqlite3_stmt *st, void *arg)
{
	struct user_walk	*w = arg;
	struct db_user		 u;

	return db_user_read(db, st, &u) == -1 ? -1 :
	    w->each(&u, w->arg) != 0;
}

int
db_user_each(struct db *db, int (*each)(const struct db_user *, void *),
    void *arg, int *more)
{
	struct user_walk	 w = { each, arg };

	return db_rows(db, db_prepare(db, "SELECT mattermost_id, username, "
	    "permission_level, custom_flags, created_at, updated_at "
	    "FROM users ORDER BY CASE permission_level WHEN 'admin' THEN 0 "
	    "WHEN 'operator' THEN 1 WHEN 'user' THEN 2 ELSE 3 END, username, "
	    "mattermost_id LIMIT ?", "i", (int64_t)DB_LIST_MAX + 1),
	    DB_LIST_MAX, more, db_user_row, &w);
}

static int
db_ban_read(struct db *db, sqlite3_stmt *st, void *arg)
{
	struct db_ban	*b = arg;

	memset(b, 0, sizeof(*b));
	return db_columns(db, st, "bans", "tttttii", b->id, sizeof(b->id),
	    b->username, sizeof(b->username), b->reason, sizeof(b->reason),
	    b->by_id, sizeof(b->by_id), b->by_name, sizeof(b->by_name),
	    &b->created_at, &b->expires_at);
}

int
db_ban_get(struct db *db, const char *id, int64_t now, struct db_ban *b)
{
	memset(b, 0, sizeof(*b));
	return db_one(db, db_prepare(db, "SELECT mattermost_id, username, "
	    "reason, by_id, by_name, created_at, expires_at FROM bans "
	    "WHERE mattermost_id = ? AND (expires_at = 0 OR expires_at > ?)",
	    "ti", id, now), db_ban_read, b);
}

int
db_ban_put(struct db *db, const struct db_ban *b)
{
	return db_run(db, "INSERT OR REPLACE INTO bans (mattermost_id, "
	    "username, reason, by_id, by_name, created_at, expires_at) "
	    "VALUES (?, ?, ?, ?, ?, ?, ?)", "tttntii", b->id, b->username,
	    b->reason, b->by_id, b->by_name, b->created_at,
	    b->expires_at) == -1 ? -1 : 0;
}

int
db_ban_delete(struct db *db, const char *id)
{
	return (int)db_run(db, "DELETE FROM bans WHERE mattermost_id = ?",
	    "t", id);
}

struct ban_walk {
	int	(*each)(const struct db_ban *, void *);
	void	 *arg;
};

static int
db_ban_row(struct db *db, sqlite3_stmt *st, void *arg)
{
	struct ban_walk	*w = arg;
	struct db_ban	 b;

	return db_ban_read(db, st, &b) == -1 ? -1 : w->each(&b, w->arg) != 0;
}

int
db_ban_each(struct db *db, int64_t now,
    int (*each)(const struct db_ban *, void *), void *arg, int *more)
{
	struct ban_walk	 w = { each, arg };

	return db_rows(db, db_prepare(db, "SELECT mattermost_id, username, "
	    "reason, by_id, by_name, created_at, expires_at FROM bans "
	    "WHERE expires_at = 0 OR expires_at > ? "
	    "ORDER BY created_at DESC, mattermost_id LIMIT ?", "ii", now,
	    (int64_t)DB_LIST_MAX + 1), DB_LIST_MAX, more, db_ban_row, &w);
}

int
db_audit_add(struct db *db, struct db_audit *a)
{
	if (a->seq > INT64_MAX)
		return db_fail(db, "database: audit sequence out of range");
	if (db_run(db, "INSERT INTO audit_log (at, actor_id, actor_name, "
	    "action, subject_id, subject_name, detail, seq, line_hash) "
	    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", "inttnntib", a->at,
	    a->actor_id, a->actor_name, a->action, a->subject_id,
	    a->subject_name, a->detail, (int64_t)a->seq, a->line_hash,
	    sizeof(a->line_hash)) == -1)
		return -1;
	a->id = sqlite3_last_insert_rowid(db->sql);
	return 0;
}

#define AUDIT_COLUMNS							\
	"id, at, actor_id, actor_name, action, subject_id, "		\
	"subject_name, detail, seq, line_hash"

static int
db_audit_read(struct db *db, sqlite3_stmt *st, void *arg)
{
	struct db_audit	*a = arg;

	memset(a, 0, sizeof(*a));
	return db_columns(db, st, "audit_log", "iittttttub", &a->id, &a->at,
	    a->actor_id, sizeof(a->actor_id),
	    a->actor_name, sizeof(a->actor_name),
	    a->action, sizeof(a->action),
	    a->subject_id, sizeof(a->subject_id),
	    a->subject_name, sizeof(a->subject_name),
	    a->detail, sizeof(a->detail), &a->seq,
	    a->line_hash, sizeof(a->line_hash));
}

int
db_audit_last(struct db *db, const char *subject_id, struct db_audit *a)
{
	return db_one(db, db_prepare(db, "SELECT " AUDIT_COLUMNS
	    " FROM audit_log WHERE subject_id = ? ORDER BY id DESC LIMIT 1",
	    "t", subject_id), db_audit_read, a);
}

int
db_audit_pending(struct db *db, struct db_audit *a)
{
	/* The line's row is a second one: nothing is ever rewritten. */
	return db_one(db, db_prepare(db, "SELECT " AUDIT_COLUMNS
	    " FROM audit_log AS a WHERE seq = 0 AND NOT EXISTS (SELECT 1 "
	    "FROM audit_log AS b WHERE b.id > a.id AND b.at = a.at AND "
	    "b.action = a.action AND b.subject_id = a.subject_id) "
	    "ORDER BY id LIMIT 1", ""), db_audit_read, a);
}

struct audit_walk {
	int	(*each)(const struct db_audit *, void *);
	void	 *arg;
};

static int
db_audit_row(struct db *db, sqlite3_stmt *st, void *arg)
{
	static struct db_audit	 a;	/* 32 KiB: not on the stack */
	struct audit_walk	*w = arg;

	return db_audit_read(db, st, &a) == -1 ? -1 :
	    w->each(&a, w->arg) != 0;
}

int
db_audit_each(struct db *db, size_t n,
    int (*each)(const struct db_audit *, void *), void *arg)
{
	struct audit_walk	 w = { each, arg };

	if (n > DB_LIST_MAX)
		n = DB_LIST_MAX;
	return db_rows(db, db_prepare(db, "SELECT " AUDIT_COLUMNS
	    " FROM audit_log ORDER BY id DESC LIMIT ?", "i", (int64_t)n), n,
	    NULL, db_audit_row, &w);
}
