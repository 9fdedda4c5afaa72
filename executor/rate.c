/* Rate limits: the moments of what was allowed, per key. */
#include <sys/tree.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db_sql.h"
#include "rate.h"

#define RATE_HORIZON_MS	(7 * 24 * 3600 * INT64_C(1000))
#define RATE_KEYS_MAX	200000	/* then the oldest windows are not waited for */
#define RATE_ROWS_MAX	1000000
#define RATE_PRUNE_ROWS	10000

struct rate_key {
	RB_ENTRY(rate_key)	 entry;
	enum rate_kind		 kind;
	char			 key[RATE_KEY_SIZE];
	int64_t			*at;		/* moments, ascending */
	size_t			 n;
	size_t			 cap;
};

RB_HEAD(rate_tree, rate_key);

struct rate {
	struct db		*db;
	char			 boot[64];
	struct rate_tree	 keys;
	size_t			 nkeys;
	int64_t			 longest[RATE_KIND_COUNT];	/* periods */
};

static int
rate_compare(const struct rate_key *a, const struct rate_key *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return strcmp(a->key, b->key);
}

/* RB_GENERATE_STATIC needs __unused, which glibc's headers use as a name. */
RB_GENERATE_INTERNAL(rate_tree, rate_key, entry, rate_compare,
    static __attribute__((__unused__)))

static struct rate_key *
rate_find(const struct rate *r, enum rate_kind kind, const char *key)
{
	struct rate_tree	*tree;
	struct rate_key		 want;

	memset(&want, 0, sizeof(want));
	want.kind = kind;
	if (strlcpy(want.key, key, sizeof(want.key)) >= sizeof(want.key))
		return NULL;
	/* RB_FIND changes nothing, but its prototype cannot say so. */
	tree = (struct rate_tree *)(uintptr_t)&r->keys;
	return RB_FIND(rate_tree, tree, &want);
}

static void
rate_forget(struct rate *r, struct rate_key *k)
{
	RB_REMOVE(rate_tree, &r->keys, k);
	r->nkeys--;
	free(k->at);
	free(k);
}

static struct rate_key *
rate_make(struct rate *r, enum rate_kind kind, const char *key)
{
	struct rate_key	*k;

	if ((k = rate_find(r, kind, key)) != NULL)
		return k;
	if (r->nkeys >= RATE_KEYS_MAX ||
	    (k = calloc(1, sizeof(*k))) == NULL)
		return NULL;
	k->kind = kind;
	if (strlcpy(k->key, key, sizeof(k->key)) >= sizeof(k->key)) {
		free(k);
		return NULL;
	}
	RB_INSERT(rate_tree, &r->keys, k);
	r->nkeys++;
	return k;
}

/* keep: how many of the last moments can still decide anything. */
static int
rate_note(struct rate_key *k, int64_t at, size_t keep)
{
	int64_t	*grown;
	size_t	 cap;

	if (k->n > 0 && at < k->at[k->n - 1])
		at = k->at[k->n - 1];
	if (k->n >= keep && k->n > 0) {
		memmove(k->at, k->at + (k->n - keep + 1),
		    (keep - 1) * sizeof(*k->at));
		k->n = keep - 1;
	}
	if (k->n == k->cap) {
		cap = k->cap == 0 ? 4 : k->cap * 2;
		grown = reallocarray(k->at, cap, sizeof(*k->at));
		if (grown == NULL)
			return -1;
		k->at = grown;
		k->cap = cap;
	}
	k->at[k->n++] = at;
	return 0;
}

static int
rate_row(struct db *db, sqlite3_stmt *st, void *arg)
{
	struct rate	*r = arg;
	struct rate_key	*k;
	char		 key[RATE_KEY_SIZE];
	int64_t		 at;
	int		 kind;

	if (db_columns(db, st, "rate", "Iti", &kind, key, sizeof(key),
	    &at) == -1)
		return -1;
	if (kind >= RATE_KIND_COUNT)
		return db_fail(db, "database: table rate: no limit has the "
		    "kind %d", kind);
	k = rate_make(r, (enum rate_kind)kind, key);
	if (k == NULL || rate_note(k, at, SIZE_MAX) == -1)
		return db_fail(db, "out of memory");
	return 0;
}

static int
rate_load(struct rate *r, monotime_t now)
{
	/* Nobody knows how long the machine was off: as if it were now. */
	if (db_run(r->db, "UPDATE rate SET at_mono = ?1, boot = ?2 "
	    "WHERE boot <> ?2 OR at_mono > ?1", "it", now.ms, r->boot) == -1 ||
	    db_run(r->db, "DELETE FROM rate WHERE at_mono <= ?", "i",
	    monotime_add(now, -RATE_HORIZON_MS).ms) == -1)
		return -1;
	/* If there are too many, the last ones are those that count. */
	return db_rows(r->db, db_prepare(r->db, "SELECT * FROM (SELECT kind, "
	    "key, at_mono FROM rate ORDER BY at_mono DESC LIMIT ?) "
	    "ORDER BY at_mono", "i", (int64_t)RATE_ROWS_MAX), RATE_ROWS_MAX,
	    NULL, rate_row, r);
}

struct rate *
rate_new(struct db *db, const char *boot, monotime_t now, char *why,
    size_t whylen)
{
	struct rate	*r;

	if ((r = calloc(1, sizeof(*r))) == NULL) {
		(void)snprintf(why, whylen, "out of memory");
		return NULL;
	}
	r->db = db;
	RB_INIT(&r->keys);
	(void)strlcpy(r->boot, boot, sizeof(r->boot));
	if (rate_load(r, now) == -1) {
		(void)snprintf(why, whylen, "%s", db_error(db));
		rate_free(r);
		return NULL;
	}
	return r;
}

void
rate_free(struct rate *r)
{
	struct rate_key	*k, *next;

	if (r == NULL)
		return;
	RB_FOREACH_SAFE(k, rate_tree, &r->keys, next)
		rate_forget(r, k);
	free(r);
}

int
rate_check(const struct rate *r, enum rate_kind kind, const char *key,
    const struct conf_rate *limit, monotime_t now, int64_t *wait_ms)
{
	const struct rate_key	*k;
	int64_t			 age;

	*wait_ms = 0;
	if (limit->count == 0)
		return 1;
	if ((k = rate_find(r, kind, key)) == NULL) {
		/* No room to remember it: then it may not happen. */
		if (r->nkeys < RATE_KEYS_MAX)
			return 1;
		*wait_ms = limit->per_ms > 0 ? limit->per_ms : 1;
		return 0;
	}
	if (k->n < limit->count)
		return 1;
	/* Of the last count moments, the oldest must have left the window. */
	age = monotime_sub(now, (monotime_t){ k->at[k->n - limit->count] });
	if (age >= limit->per_ms)
		return 1;
	*wait_ms = limit->per_ms - (age < 0 ? 0 : age);
	return 0;
}

int
rate_take(struct rate *r, enum rate_kind kind, const char *key,
    const struct conf_rate *limit, monotime_t now)
{
	struct rate_key	*k;

	if (limit->count == 0)
		return 0;
	if (limit->per_ms > r->longest[kind])
		r->longest[kind] = limit->per_ms;
	k = rate_make(r, kind, key);
	if (k == NULL || rate_note(k, now.ms, limit->count) == -1)
		return db_fail(r->db, "no memory is left for rate limits");
	return db_run(r->db, "INSERT INTO rate (kind, key, at_mono, boot) "
	    "VALUES (?, ?, ?, ?)", "itit", (int64_t)kind, key, now.ms,
	    r->boot) == -1 ? -1 : 0;
}

void
rate_prune(struct rate *r, monotime_t now)
{
	struct rate_key	*k, *next;
	int64_t		 period;
	int		 kind;

	RB_FOREACH_SAFE(k, rate_tree, &r->keys, next) {
		period = r->longest[k->kind];
		if (period == 0)
			period = RATE_HORIZON_MS;
		if (k->n == 0 || monotime_sub(now,
		    (monotime_t){ k->at[k->n - 1] }) >= period)
			rate_forget(r, k);
	}
	for (kind = 0; kind < RATE_KIND_COUNT; kind++) {
		period = r->longest[kind];
		if (period == 0)
			period = RATE_HORIZON_MS;
		/* A failure only delays it: the next call tries again. */
		(void)db_run(r->db, "DELETE FROM rate WHERE rowid IN ("
		    "SELECT rowid FROM rate WHERE boot = ? AND at_mono <= ? "
		    "AND kind = ? LIMIT ?)", "tiii", r->boot,
		    monotime_add(now, -period).ms, (int64_t)kind,
		    (int64_t)RATE_PRUNE_ROWS);
	}
}

size_t
rate_keys(const struct rate *r)
{
	return r->nkeys;
}
