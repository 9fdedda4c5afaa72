/* Rate limits: every window, across restarts, bounded. */
#include "../../executor/rate.h"
#include "test.h"

static struct db *
open_memory(void)
{
	struct db	*db;
	char		 why[256];

	db = db_open(-1, "", why, sizeof(why));
	if (db == NULL)
		fprintf(stderr, "%s\n", why);
	return db;
}

static monotime_t
at(int64_t ms)
{
	return (monotime_t){ ms };
}

TEST(count_per_window)
{
	struct conf_rate	 limit = { 3, 1000 };
	struct rate		*r;
	struct db		*db = open_memory();
	char			 why[256];
	int64_t			 wait;
	int			 i;

	r = rate_new(db, "boot-a", at(0), why, sizeof(why));
	CHECK(r != NULL);
	for (i = 0; i < 3; i++) {
		CHECK_INT(rate_check(r, RATE_USER, "u", &limit, at(i * 100),
		    &wait), 1);
		CHECK_INT(rate_take(r, RATE_USER, "u", &limit, at(i * 100)),
		    0);
	}
	CHECK_INT(rate_check(r, RATE_USER, "u", &limit, at(300), &wait), 0);
	CHECK_INT(wait, 700);
	CHECK_INT(rate_check(r, RATE_USER, "other", &limit, at(300), &wait),
	    1);
	CHECK_INT(rate_check(r, RATE_SCRIPT, "u", &limit, at(300), &wait), 1);
	CHECK_INT(rate_check(r, RATE_USER, "u", &limit, at(999), &wait), 0);
	CHECK_INT(rate_check(r, RATE_USER, "u", &limit, at(1000), &wait), 1);
	rate_free(r);
	db_close(db);
}

TEST(no_limit_is_no_limit)
{
	struct conf_rate	 limit = { 0, 0 };
	struct rate		*r;
	struct db		*db = open_memory();
	char			 why[256];
	int64_t			 wait;

	r = rate_new(db, "boot-a", at(0), why, sizeof(why));
	CHECK_INT(rate_take(r, RATE_GLOBAL, "", &limit, at(0)), 0);
	CHECK_INT(rate_check(r, RATE_GLOBAL, "", &limit, at(0), &wait), 1);
	CHECK_INT(rate_keys(r), 0);
	rate_free(r);
	db_close(db);
}

/* No schedule of attempts gets more than count into any window. */
TEST(random_schedules_hold_in_every_window)
{
	struct conf_rate	 limit;
	int64_t			 taken[4000], t, wait;
	size_t			 n, i, k, in;
	int			 round;

	for (round = 0; round < 40; round++) {
		struct db	*db = open_memory();
		struct rate	*r;
		char		 why[256];

		limit.count = 1 + (uint32_t)(test_random() % 7);
		limit.per_ms = 1 + (int64_t)(test_random() % 500);
		r = rate_new(db, "boot-a", at(0), why, sizeof(why));
		for (n = 0, i = 0, t = 0; i < 400; i++) {
			t += (int64_t)(test_random() % 60);
			if (!rate_check(r, RATE_USER, "u", &limit, at(t),
			    &wait)) {
				CHECK(wait >= 1);
				CHECK_INT(rate_check(r, RATE_USER, "u",
				    &limit, at(t + wait), &wait), 1);
				continue;
			}
			CHECK_INT(rate_take(r, RATE_USER, "u", &limit, at(t)),
			    0);
			taken[n++] = t;
			/* A restart in between changes nothing. */
			if (test_random() % 16 == 0) {
				rate_free(r);
				r = rate_new(db, "boot-a", at(t), why,
				    sizeof(why));
			}
			if (test_random() % 16 == 0)
				rate_prune(r, at(t));
		}
		for (i = 0; i < n; i++) {
			for (k = i, in = 0; k < n &&
			    taken[k] < taken[i] + limit.per_ms; k++)
				in++;
			CHECK(in <= limit.count);
		}
		rate_free(r);
		db_close(db);
	}
}

/* After a reboot what was allowed counts as if it were now. */
TEST(reboot_forgets_nothing)
{
	struct conf_rate	 limit = { 2, 1000 };
	struct rate		*r;
	struct db		*db = open_memory();
	char			 why[256];
	int64_t			 wait;

	r = rate_new(db, "boot-a", at(500000), why, sizeof(why));
	CHECK_INT(rate_take(r, RATE_USER, "u", &limit, at(500000)), 0);
	CHECK_INT(rate_take(r, RATE_USER, "u", &limit, at(500001)), 0);
	rate_free(r);
	r = rate_new(db, "boot-b", at(20), why, sizeof(why));
	CHECK_INT(rate_check(r, RATE_USER, "u", &limit, at(20), &wait), 0);
	CHECK_INT(rate_check(r, RATE_USER, "u", &limit, at(1019), &wait), 0);
	CHECK_INT(rate_check(r, RATE_USER, "u", &limit, at(1020), &wait), 1);
	rate_free(r);
	db_close(db);
}

TEST(prune_forgets_what_no_window_reaches)
{
	struct conf_rate	 limit = { 2, 1000 };
	struct rate		*r;
	struct db		*db = open_memory();
	char			 why[256], key[16];
	int			 i;

	r = rate_new(db, "boot-a", at(0), why, sizeof(why));
	for (i = 0; i < 100; i++) {
		(void)snprintf(key, sizeof(key), "u%d", i);
		CHECK_INT(rate_take(r, RATE_USER, key, &limit, at(i)), 0);
	}
	CHECK_INT(rate_keys(r), 100);
	rate_prune(r, at(1050));
	CHECK_INT(rate_keys(r), 49);
	rate_prune(r, at(5000));
	CHECK_INT(rate_keys(r), 0);
	rate_free(r);
	r = rate_new(db, "boot-a", at(5000), why, sizeof(why));
	CHECK_INT(rate_keys(r), 0);
	rate_free(r);
	db_close(db);
}
