/*
 * Two clocks that must never be mixed, so they are two types.  The monotonic
 * one measures; the wall one is only for records and for people.
 */
#ifndef CHATOPS_MONOTIME_H
#define CHATOPS_MONOTIME_H

#include <stdint.h>

/* Milliseconds of CLOCK_BOOTTIME: goes on during suspend, never back. */
typedef struct {
	int64_t	ms;
} monotime_t;

/* Milliseconds since 1970-01-01 UTC, as Mattermost counts. */
typedef struct {
	int64_t	ms;
} walltime_t;

#define MONOTIME_NEVER	((monotime_t){ INT64_MAX })

/* Both saturate instead of overflowing, whatever a peer claimed. */
static inline monotime_t
monotime_add(monotime_t t, int64_t ms)
{
	if (__builtin_add_overflow(t.ms, ms, &t.ms))
		t.ms = ms < 0 ? INT64_MIN : INT64_MAX;
	return t;
}

static inline int64_t
monotime_sub(monotime_t a, monotime_t b)
{
	int64_t	 d;

	if (__builtin_sub_overflow(a.ms, b.ms, &d))
		d = a.ms < b.ms ? INT64_MIN : INT64_MAX;
	return d;
}

/* Room for "2026-08-24T12:34:56.789Z" and its NUL. */
#define WALLTIME_STRLEN	25

monotime_t	 monotime_now(void);
walltime_t	 walltime_now(void);
int		 walltime_format(walltime_t, char *, size_t);
int		 walltime_parse(const char *, walltime_t *);

/*
 * Durations as people write them: 90s, 15m, 2h, 7d.  parse: 0 and
 * milliseconds (> 0, at most ten years), or -1.  "permanent" is the caller's
 * business.
 */
int		 duration_parse(const char *, int64_t *);
void		 duration_format(int64_t, char *, size_t);

#endif
