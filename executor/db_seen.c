/* Claims of posts, the audit anchor, settings. */
#include <stdio.h>
#include <string.h>

#include "db_sql.h"

static int
db_setting_get(struct db *db, const char *name, int64_t *value)
{
	sqlite3_stmt	*st;
	int		 r;

	*value = 0;
	st = db_prepare(db, "SELECT name, value FROM settings "
	    "WHERE name = ?", "t", name);
	if (st == NULL)
		return -1;
	if ((r = db_step(db, st)) == 1 &&
	    db_columns(db, st, "settings", "-i", value) == -1)
		r = -1;
	db_done(st);
	return r;
}

int
db_position_get(struct db *db, int64_t *position)
{
	return db_setting_get(db, "position", position) == -1 ? -1 : 0;
}

int
db_position_put(struct db *db, int64_t position)
{
	return db_run(db, "INSERT INTO settings (name, value) "
	    "VALUES ('position', ?) ON CONFLICT (name) DO UPDATE "
	    "SET value = max(value, excluded.value)", "i", position) == -1 ?
	    -1 : 0;
}

int
db_hmac_key(struct db *db, const uint8_t fresh[DB_HMAC_KEY_SIZE],
    uint8_t key[DB_HMAC_KEY_SIZE])
{
	sqlite3_stmt	*st;
	int		 r;

	if (db_run(db, "INSERT INTO settings (name, value) "
	    "VALUES ('hmac-key', ?) ON CONFLICT (name) DO NOTHING", "b",
	    fresh, (size_t)DB_HMAC_KEY_SIZE) == -1)
		return -1;
	st = db_prepare(db, "SELECT name, value FROM settings "
	    "WHERE name = 'hmac-key' AND value IS NOT NULL", "");
	if (st == NULL)
		return -1;
	if ((r = db_step(db, st)) == 0)
		r = db_fail(db, "database: the hmac-key is gone");
	if (r == 1 && db_columns(db, st, "settings", "-b", key,
	    (size_t)DB_HMAC_KEY_SIZE) == -1)
		r = -1;
	db_done(st);
	return r == -1 ? -1 : 0;
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
db_seen_read(struct db *db, sqlite3_stmt *st, struct db_seen *s)
{
	memset(s, 0, sizeof(*s));
	return db_columns(db, st, "seen", "tttttiiI", s->post_id,
	    sizeof(s->post_id), s->execution_id, sizeof(s->execution_id),
	    s->user_id, sizeof(s->user_id), s->channel_id,
	    sizeof(s->channel_id), s->root_id, sizeof(s->root_id),
	    &s->create_at, &s->seen_at, &s->open);
}

int
db_seen_open_each(struct db *db,
    int (*each)(const struct db_seen *, void *), void *arg, int *more)
{
	struct db_seen	 s;
	sqlite3_stmt	*st;
	int		 n = 0, r;

	if (more != NULL)
		*more = 0;
	st = db_prepare(db, "SELECT " SEEN_COLUMNS " FROM seen "
	    "WHERE open = 1 ORDER BY seen_at, post_id LIMIT ?", "i",
	    (int64_t)DB_LIST_MAX + 1);
	if (st == NULL)
		return -1;
	while ((r = db_step(db, st)) == 1) {
		if (n++ == DB_LIST_MAX) {
			if (more != NULL)
				*more = 1;
			break;
		}
		if (db_seen_read(db, st, &s) == -1) {
			r = -1;
			break;
		}
		if (each(&s, arg))
			break;
	}
	db_done(st);
	return r == -1 ? -1 : 0;
}

int
db_seen_by_execution(struct db *db, const char *execution_id,
    struct db_seen *s)
{
	sqlite3_stmt	*st;
	int		 r;

	memset(s, 0, sizeof(*s));
	st = db_prepare(db, "SELECT " SEEN_COLUMNS " FROM seen "
	    "WHERE execution_id = ?", "t", execution_id);
	if (st == NULL)
		return -1;
	if ((r = db_step(db, st)) == 1 && db_seen_read(db, st, s) == -1)
		r = -1;
	db_done(st);
	return r;
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

int
db_anchor_get(struct db *db, const char *origin, struct db_anchor *a)
{
	sqlite3_stmt	*st;
	int		 r;

	memset(a, 0, sizeof(*a));
	st = db_prepare(db, "SELECT origin, seq, line_hash "
	    "FROM audit_anchor WHERE origin = ?", "t", origin);
	if (st == NULL)
		return -1;
	if ((r = db_step(db, st)) == 1 && db_columns(db, st, "audit_anchor",
	    "tub", a->origin, sizeof(a->origin), &a->seq, a->line_hash,
	    sizeof(a->line_hash)) == -1)
		r = -1;
	db_done(st);
	return r;
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
