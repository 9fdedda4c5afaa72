/* Dates and durations, against gmtime(3) and by hand. */
#include <time.h>

#include "compat.h"
#include "monotime.h"
#include "test.h"

TEST(walltime_agrees_with_gmtime)
{
	char		 got[WALLTIME_STRLEN], want[64];
	walltime_t	 t, back;
	struct tm	 tm;
	time_t		 secs;
	int		 i, ms;

	for (i = 0; i < 100000; i++) {
		t.ms = (int64_t)(test_random() % 253402300800000ULL);
		if (i % 3 == 0)		/* near an end of a day */
			t.ms = t.ms / 86400000 * 86400000 + i % 7 - 3;
		if (t.ms < 0)
			continue;
		secs = t.ms / 1000;
		ms = (int)(t.ms % 1000);
		if (gmtime_r(&secs, &tm) == NULL)
			abort();
		(void)strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
		(void)snprintf(want + 19, sizeof(want) - 19, ".%03dZ", ms);
		CHECK_INT(walltime_format(t, got, sizeof(got)), 0);
		CHECK_STR(got, want);
		CHECK_INT(walltime_parse(got, &back), 0);
		CHECK_INT(back.ms, t.ms);
	}
}

TEST(walltime_ends)
{
	char	 got[WALLTIME_STRLEN];

	CHECK_INT(walltime_format((walltime_t){ 0 }, got, sizeof(got)), 0);
	CHECK_STR(got, "1970-01-01T00:00:00.000Z");
	CHECK_INT(walltime_format((walltime_t){ 253402300799999 }, got,
	    sizeof(got)), 0);
	CHECK_STR(got, "9999-12-31T23:59:59.999Z");
	CHECK_INT(walltime_format((walltime_t){ -1 }, got, sizeof(got)), -1);
	CHECK_INT(walltime_format((walltime_t){ 253402300800000 }, got,
	    sizeof(got)), -1);
	CHECK_INT(walltime_format((walltime_t){ INT64_MAX }, got,
	    sizeof(got)), -1);
	CHECK_INT(walltime_format((walltime_t){ 0 }, got, 24), -1);
}

TEST(walltime_parse_is_strict)
{
	static const char *const	 bad[] = { "", "1970",
	    "2026-08-24T12:34:56.789", "2026-08-24T12:34:56.789z",
	    "2026-08-24 12:34:56.789Z", "2026-08-24T12:34:56.789Z ",
	    "2026-08-24T12:34:56,789Z", "2026-08-24T12:34:56.78Z",
	    "2026-02-29T12:34:56.789Z", "2100-02-29T00:00:00.000Z",
	    "2026-00-24T12:34:56.789Z", "2026-13-24T12:34:56.789Z",
	    "2026-08-00T12:34:56.789Z", "2026-08-32T12:34:56.789Z",
	    "2026-04-31T12:34:56.789Z", "2026-08-24T24:00:00.000Z",
	    "2026-08-24T12:60:56.789Z", "2026-08-24T12:34:60.789Z",
	    "1969-12-31T23:59:59.999Z", "+026-08-24T12:34:56.789Z",
	    "2026-08-24T12:34:56.789+", "20260-8-24T12:34:56.789Z" };
	walltime_t			 t;
	size_t				 i;

	for (i = 0; i < nitems(bad); i++)
		if (walltime_parse(bad[i], &t) != -1) {
			CHECK(!"refused");
			fprintf(stderr, "%s\n", bad[i]);
		}
	CHECK_INT(walltime_parse("2024-02-29T00:00:00.000Z", &t), 0);
	CHECK_INT(t.ms, 1709164800000);
	CHECK_INT(walltime_parse("2000-02-29T00:00:00.001Z", &t), 0);
	CHECK_INT(t.ms, 951782400001);
}

TEST(durations)
{
	static const struct {
		const char	*text;
		int64_t		 ms;
	} good[] = {
		{ "1s", 1000 }, { "90s", 90000 }, { "15m", 900000 },
		{ "2h", 7200000 }, { "7d", 604800000 }, { "1h30m", 5400000 },
		{ "1d1s", 86401000 }, { "3650d", 315360000000 },
		{ "007s", 7000 }, { "0h5s", 5000 }
	};
	static const char *const	 bad[] = { "", "0s", "0d0h", "s", "1",
	    "-1s", "+1s", " 1s", "1s ", "1 s", "1S", "1w", "1y", "1ms", "1.5h",
	    "30m1h", "1m1m", "3651d", "3650d1s", "999999999999s",
	    "9999999999999s", "99999999999999999999s", "permanent", "1s,",
	    "d" };
	int64_t				 ms;
	size_t				 i;

	for (i = 0; i < nitems(good); i++) {
		ms = 0;
		CHECK_INT(duration_parse(good[i].text, &ms), 0);
		CHECK_INT(ms, good[i].ms);
	}
	for (i = 0; i < nitems(bad); i++)
		if (duration_parse(bad[i], &ms) != -1) {
			CHECK(!"refused");
			fprintf(stderr, "\"%s\"\n", bad[i]);
		}
}

TEST(duration_roundtrip)
{
	char	 text[32];
	int64_t	 ms, back;
	int	 i;

	for (i = 0; i < 20000; i++) {
		ms = (int64_t)(1 + test_random() % 315360000) * 1000;
		if (i % 2)
			ms = (ms % 100000000 / 1000 + 1) * 1000;
		duration_format(ms, text, sizeof(text));
		CHECK_INT(duration_parse(text, &back), 0);
		CHECK_INT(back, ms);
	}
	duration_format(90000, text, sizeof(text));
	CHECK_STR(text, "1m30s");
	duration_format(999, text, sizeof(text));
	CHECK_STR(text, "999ms");
	duration_format(INT64_MIN, text, sizeof(text));
	CHECK_STR(text, "0ms");
	duration_format(INT64_MAX, text, sizeof(text));
	CHECK_STR(text, "106751991167d7h12m55s");
	duration_format(90000, text, 3);
	CHECK_STR(text, "1m");
	duration_format(90000, text, 0);
}

TEST(monotime_saturates)
{
	monotime_t	 max = { INT64_MAX }, min = { INT64_MIN }, a, b;

	CHECK_INT(monotime_add(max, 1).ms, INT64_MAX);
	CHECK_INT(monotime_add(min, -1).ms, INT64_MIN);
	CHECK_INT(monotime_sub(max, min), INT64_MAX);
	CHECK_INT(monotime_sub(min, max), INT64_MIN);
	CHECK_INT(monotime_sub((monotime_t){ 5 }, (monotime_t){ 7 }), -2);
	a = monotime_now();
	b = monotime_now();
	CHECK(monotime_sub(b, a) >= 0);
	CHECK(walltime_now().ms > 1700000000000);
}
