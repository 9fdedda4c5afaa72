/*
 * Rate limits.  A limit of count per period holds in every window of that
 * length: the moments of what was allowed are remembered, not a counter per
 * calendar window and no bucket that may be emptied twice.
 *
 * Only the monotonic clock counts, so setting the wall clock changes
 * nothing.  What was allowed is also written to the table rate of the
 * database (kind, key, at_mono, boot), so a restart forgets nothing: rows
 * of this boot keep their moments, rows of an earlier boot count as if they
 * had happened when the process started, for nobody knows how long the
 * machine was off.
 */
#ifndef EXECUTOR_RATE_H
#define EXECUTOR_RATE_H

#include "conf.h"
#include "db.h"

enum rate_kind {
	RATE_GLOBAL,		/* key "" */
	RATE_USER,		/* key: user id */
	RATE_SCRIPT,		/* key: user id "/" script name */
	RATE_KIND_COUNT
};

#define RATE_KEY_SIZE	(ID_SIZE + NAME_SIZE)

struct rate;

/*
 * boot: the kernel's boot id, 36 characters.  Loads what is still within a
 * week; forgets the rest.  NULL with why.
 */
struct rate	*rate_new(struct db *, const char *boot, monotime_t now,
		    char *why, size_t whylen);
void		 rate_free(struct rate *);

/*
 * May it happen once more now?  1 yes, 0 no (*wait_ms: until it may, at
 * least 1).  Changes nothing.  count 0 is no limit.
 */
int	 rate_check(const struct rate *, enum rate_kind, const char *key,
	    const struct conf_rate *, monotime_t now, int64_t *wait_ms);
/*
 * It happens: remember it, in memory and in the database (inside the
 * caller's transaction if there is one).  Counted even if it is over the
 * limit.  0, or -1 when the database failed: the caller then refuses, and
 * the memory counts it all the same.  Does nothing where count is 0.
 */
int	 rate_take(struct rate *, enum rate_kind, const char *key,
	    const struct conf_rate *, monotime_t now);
/*
 * Forget what no window can reach any more, in memory and, a bounded
 * number of rows at a time, in the database.  Called about once a minute.
 */
void	 rate_prune(struct rate *, monotime_t now);
/* Keys held in memory; bounded by what was allowed in the longest period. */
size_t	 rate_keys(const struct rate *);

#endif
