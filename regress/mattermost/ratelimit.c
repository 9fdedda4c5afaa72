/*
 * The rate limiter: GCRA by address and, if told so, by token as well (the
 * headers then appear twice).  Its refusal is plain text, no JSON.
 */
#include "mattermost.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

struct bucket {
	TAILQ_ENTRY(bucket)	 entry;
	char			 key[64];
	int64_t			 tat;	/* theoretical arrival, ms * 1000 */
};
static TAILQ_HEAD(, bucket)	 buckets = TAILQ_HEAD_INITIALIZER(buckets);

void
ratelimit_clear(void)
{
	struct bucket	*b;

	while ((b = TAILQ_FIRST(&buckets)) != NULL) {
		TAILQ_REMOVE(&buckets, b, entry);
		free(b);
	}
}

static struct bucket *
bucket_get(const char *key)
{
	struct bucket	*b;

	TAILQ_FOREACH(b, &buckets, entry)
		if (strcmp(b->key, key) == 0)
			return b;
	if ((b = calloc(1, sizeof(*b))) == NULL)
		err(1, NULL);
	strlcpy(b->key, key, sizeof(b->key));
	TAILQ_INSERT_TAIL(&buckets, b, entry);
	return b;
}

/* One limiter; 1 when the request is over its limit. */
static int
bucket_take(struct http_req *req, const char *key)
{
	struct bucket	*b = bucket_get(key);
	int64_t		 now = clock_ttl_ms() * 1000, gap, room, next, left;
	int		 is_over;

	gap = 1000000 / mm.opt.rate_persec;
	room = gap * (mm.opt.rate_burst + 1);
	next = (b->tat > now ? b->tat : now) + gap;
	is_over = next - now > room;
	if (!is_over)
		b->tat = next;
	left = (room - (b->tat - now)) / gap;
	http_out(req, "X-RateLimit-Limit", "%lld",
	    (long long)mm.opt.rate_burst + 1);
	http_out(req, "X-RateLimit-Remaining", "%lld",
	    (long long)(left < 0 ? 0 : left));
	http_out(req, "X-RateLimit-Reset", "%lld",
	    (long long)((b->tat - now + 999999) / 1000000));
	if (is_over)
		http_out(req, "Retry-After", "%lld",
		    (long long)((next - now - room + 999999) / 1000000));
	return is_over;
}

int
ratelimit_check(struct http_req *req)
{
	const char	*token = api_token(req);
	int		 is_over;

	if (!mm.opt.rate_enabled)
		return 0;
	is_over = bucket_take(req, "address");
	if (!is_over && mm.opt.rate_by_user && token != NULL)
		is_over = bucket_take(req, token);
	if (!is_over)
		return 0;
	http_out(req, "X-Content-Type-Options", "nosniff");
	http_reply(req, 429, "text/plain; charset=utf-8",
	    "limit exceeded\n", 15);
	return 1;
}
