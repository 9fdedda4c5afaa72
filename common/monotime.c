/*
 * Clocks, dates as in the audit log (RFC 3339, UTC, milliseconds) and
 * durations.  The calendar is computed here: gmtime(3) would open a time
 * zone file, which a confined process cannot.
 */
#include <stdio.h>
#include <string.h>

#include "compat.h"
#include "log.h"
#include "monotime.h"
#include "sys.h"

#define DAY_MS		(24LL * 60 * 60 * 1000)
#define DURATION_MAX	(3650 * DAY_MS)
/* 9999-12-31T23:59:59.999Z */
#define WALLTIME_MAX	253402300799999LL

static const struct {
	char	 letter;
	int64_t	 ms;
} units[] = {
	{ 'd', DAY_MS },
	{ 'h', 60LL * 60 * 1000 },
	{ 'm', 60LL * 1000 },
	{ 's', 1000 }
};

static int64_t
clock_ms(clockid_t id)
{
	struct timespec	 ts;

	if (sys_clock_gettime(id, &ts) == -1)
		fatal("clock_gettime");
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

monotime_t
monotime_now(void)
{
	return (monotime_t){ clock_ms(CLOCK_BOOTTIME) };
}

walltime_t
walltime_now(void)
{
	return (walltime_t){ clock_ms(CLOCK_REALTIME) };
}

static int
is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int
month_days(int year, int month)
{
	static const int	 days[] = { 31, 28, 31, 30, 31, 30, 31, 31,
				    30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970-01-01 to the first of January. */
static int64_t
year_start(int year)
{
	int64_t	 y = year - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

/*
 * "2026-08-24T12:34:56.789Z" into size bytes, WALLTIME_STRLEN or more.  0,
 * or -1 before 1970, after 9999 or without room.
 */
int
walltime_format(walltime_t t, char *out, size_t size)
{
	int64_t	 days, ms;
	int	 year, month, n;

	if (t.ms < 0 || t.ms > WALLTIME_MAX)
		return -1;
	days = t.ms / DAY_MS;
	ms = t.ms % DAY_MS;
	year = 1970 + (int)(days / 366);	/* never too late a guess */
	while (days >= year_start(year + 1))
		year++;
	days -= year_start(year);
	for (month = 1; days >= month_days(year, month); month++)
		days -= month_days(year, month);
	n = snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", year,
	    month, (int)days + 1, (int)(ms / 3600000),
	    (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
	return n < 0 || (size_t)n >= size ? -1 : 0;
}

/* n decimal digits at s, or -1. */
static int
digits(const char *s, int n)
{
	int	 value = 0;

	while (n-- > 0) {
		if (*s < '0' || *s > '9')
			return -1;
		value = value * 10 + (*s++ - '0');
	}
	return value;
}

/* Exactly what walltime_format() writes, and nothing else.  0 or -1. */
int
walltime_parse(const char *s, walltime_t *t)
{
	static const char	 shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
	int			 year, month, day, hour, min, sec, ms;
	int64_t			 days;
	size_t			 i;

	for (i = 0; i < sizeof(shape); i++)
		if (shape[i] != 'd' ? s[i] != shape[i] :
		    s[i] < '0' || s[i] > '9')
			return -1;
	year = digits(s, 4);
	month = digits(s + 5, 2);
	day = digits(s + 8, 2);
	hour = digits(s + 11, 2);
	min = digits(s + 14, 2);
	sec = digits(s + 17, 2);
	ms = digits(s + 20, 3);
	if (year < 1970 || month < 1 || month > 12 || day < 1 ||
	    day > month_days(year, month) || hour > 23 || min > 59 || sec > 59)
		return -1;
	days = year_start(year) + day - 1;
	while (--month > 0)
		days += month_days(year, month);
	t->ms = days * DAY_MS + hour * 3600000LL + min * 60000LL +
	    sec * 1000LL + ms;
	return 0;
}

/* Also "1h30m": units from large to small, none twice. */
int
duration_parse(const char *s, int64_t *out)
{
	int64_t	 n, total = 0;
	size_t	 unit = 0;
	int	 ndigits;

	if (*s == '\0')
		return -1;
	while (*s != '\0') {
		n = 0;
		for (ndigits = 0; *s >= '0' && *s <= '9'; s++, ndigits++) {
			if (ndigits == 12)	/* far above the maximum */
				return -1;
			n = n * 10 + (*s - '0');
		}
		if (ndigits == 0)
			return -1;
		while (unit < nitems(units) && units[unit].letter != *s)
			unit++;
		if (unit == nitems(units) || n > DURATION_MAX / units[unit].ms)
			return -1;
		total += n * units[unit++].ms;
		s++;
	}
	if (total <= 0 || total > DURATION_MAX)
		return -1;
	*out = total;
	return 0;
}

/*
 * "1h30m", in whole seconds; "350ms" under a second; negative counts as 0.
 * Cut to size, so 32 bytes are wanted.
 */
void
duration_format(int64_t ms, char *out, size_t size)
{
	char	 part[32];
	size_t	 i;

	if (size == 0)
		return;
	out[0] = '\0';
	if (ms < 1000) {
		(void)snprintf(out, size, "%dms", ms < 0 ? 0 : (int)ms);
		return;
	}
	for (i = 0; i < nitems(units); i++) {
		if (ms < units[i].ms)
			continue;
		(void)snprintf(part, sizeof(part), "%lld%c",
		    (long long)(ms / units[i].ms), units[i].letter);
		(void)strlcat(out, part, size);
		ms %= units[i].ms;
	}
}
