/* Claims of posts, the audit anchor, settings. */
#include <stdio.h>
#include <string.h>

#include "db_sql.h"

static int
db_position_read(struct db *db, sqlite3_stmt *st, void *arg)
{
	return db_columns(db, st, "settings", "-i", (int64_t *)arg);
}

int
db_position_get(struct db *db, int64_t *position)
{
	*position = 0;
	return db_one(db, db_prepare(db, "SELECT name, value FROM settings "
	    "WHERE name = 'position'", ""), db_position_read, position) == -1 ?
	    -1 : 0;
}

int
db_position_put(struct db *db, int64_t position)
{
	return db_run(db, "INSERT INTO settings (name, value) "
	    "VALUES ('position', ?) ON CONFLICT (name) DO UPDATE "
	    "SET value = max(value, excluded.value)", "i", position) == -1 ?
	    -1 : 0;
}

static int
db_hmac_key_read(struct db *db, sqlite3_stmt *st, void *arg)
{
	return db_columns(db, st, "settings", "-b", arg,
	    (size_t)DB_HMAC_KEY_SIZE);
}

int
db_hmac_key(struct db *db, const uint8_t fresh[DB_HMAC_KEY_SIZE],
    uint8_t key[DB_HMAC_KEY_SIZE])
{
	if (db_run(db, "INSERT INTO settings (name, value) "
	    "VALUES ('hmac-key', ?) ON CONFLICT (name) DO NOTHING", "b",
	    fresh, (size_t)DB_HMAC_KEY_SIZE) == -1)
		return -1;
	switch (db_one(db, db_prepare(db, "SELECT name, value FROM settings "
	    "WHERE name = 'hmac-key'", ""), db_hmac_key_read, key)) {
	case 1:
		return 0;
	case 0:
		return db_fail(db, "database: the hmac-key is gone");
	default:
		return -1;
	}
}

int
db_claim(struct db *db, const struct db_seen *s, int64_t limit)
{
	int64_t	 position = s->create_at < limit ? s->create_at : limit;
	int64_t	 n;
	int	 own = !db->in_transaction;

	if (own && db_begin(db) == -1)
		return -1;
	n = db_run(db, "INSERT INTO seen (post_id, execution_id, user_id, "
	    "channel_id, root_id, create_at, seen_at, open) "
	    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (post_id) "
	    "DO NOTHING", "tttttiii", s->post_id, s->execution_id, s->user_id,
	    s->channel_id, s->root_id, s->create_at, s->seen_at,
	    (int64_t)(s->open != 0));
	if (n != -1 && db_position_put(db, position) == -1)
		n = -1;
	if (!own)
		return (int)n;
	if (n == -1) {
		db_rollback(db);
		return -1;
	}
	return db_commit(db) == -1 ? -1 : (int)n;
}

int
db_seen_close(struct db *db, const char *post_id)
{
	return db_run(db, "UPDATE seen SET open = 0 WHERE post_id = ?", "t",
	    post_id) == -1 ? -1 : 0;
}

#define SEEN_COLUMNS							\
	"post_id, execution_id, user_id, channel_id, root_id, "		\
	"create_at, seen_at, open"

static int
db_seen_read(struct db *db, sqlite3_stmt *st, void *arg)
{
	struct db_seen	*s = arg;

	memset(s, 0, sizeof(*s));
	return db_columns(db, st, "seen", "tttttiiI", s->post_id,
	    sizeof(s->post_id), s->execution_id, sizeof(s->execution_id),
	    s->user_id, sizeof(s->user_id), s->channel_id,
	    sizeof(s->channel_id), s->root_id, sizeof(s->root_id),
	    &s->create_at, &s->seen_at, &s->open);
}

struct seen_walk {
	int	(*each)(const struct db_seen *, void *);
	void	 *arg;
};

static int
db_seen_row(struct db *db, sqlite3_stmt *st, void *arg)
{
	struct seen_walk	*w = arg;
	struct db_seen		 s;

	return db_seen_read(db, st, &s) == -1 ? -1 :
	    w->each(&s, w->arg) != 0;
}

int
db_seen_open_each(struct db *db,
    int (*each)(const struct db_seen *, void *), void *arg, int *more)
{
	struct seen_walk	 w = { each, arg };

	return db_rows(db, db_prepare(db, "SELECT " SEEN_COLUMNS " FROM seen "
	    "WHERE open = 1 ORDER BY seen_at, post_id LIMIT ?", "i",
	    (int64_t)DB_LIST_MAX + 1), DB_LIST_MAX, more, db_seen_row, &w);
}

int
db_seen_by_execution(struct db *db, const char *execution_id,
    struct db_seen *s)
{
	memset(s, 0, sizeof(*s));
	return db_one(db, db_prepare(db, "SELECT " SEEN_COLUMNS " FROM seen "
	    "WHERE execution_id = ?", "t", execution_id), db_seen_read, s);
}

int64_t
db_seen_prune(struct db *db, int64_t before, size_t max)
{
	return db_run(db, "DELETE FROM seen WHERE post_id IN ("
	    "SELECT post_id FROM seen AS s WHERE open = 0 AND seen_at < ?1 "
	    "AND create_at < ?1 AND NOT EXISTS (SELECT 1 FROM jobs "
	    "WHERE jobs.post_id = s.post_id) ORDER BY seen_at LIMIT ?2)",
	    "ii", before, (int64_t)max);
}

static int
db_anchor_read(struct db *db, sqlite3_stmt *st, void *arg)
{
	struct db_anchor	*a = arg;

	return db_columns(db, st, "audit_anchor", "tub", a->origin,
	    sizeof(a->origin), &a->seq, a->line_hash, sizeof(a->line_hash));
}

int
db_anchor_get(struct db *db, const char *origin, struct db_anchor *a)
{
	memset(a, 0, sizeof(*a));
	return db_one(db, db_prepare(db, "SELECT origin, seq, line_hash "
	    "FROM audit_anchor WHERE origin = ?", "t", origin),
	    db_anchor_read, a);
}

int
db_anchor_other(struct db *db, const char *origin, struct db_anchor *a)
{
	memset(a, 0, sizeof(*a));
	return db_one(db, db_prepare(db, "SELECT origin, seq, line_hash "
	    "FROM audit_anchor WHERE origin <> ? ORDER BY seq DESC LIMIT 1",
	    "t", origin), db_anchor_read, a);
}

int
db_anchor_put(struct db *db, const struct db_anchor *a)
{
	if (a->seq > INT64_MAX)
		return db_fail(db, "database: audit sequence out of range");
	return db_run(db, "INSERT INTO audit_anchor (origin, seq, line_hash) "
	    "VALUES (?, ?, ?) ON CONFLICT (origin) DO UPDATE "
	    "SET seq = excluded.seq, line_hash = excluded.line_hash "
	    "WHERE excluded.seq > seq", "tib", a->origin, (int64_t)a->seq,
	    a->line_hash, sizeof(a->line_hash)) == -1 ? -1 : 0;
}
