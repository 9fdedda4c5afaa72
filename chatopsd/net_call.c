/*
 * REST calls: a bounded queue by priority, a bounded number at once, and
 * the rules of repeating.  What the server did not understand is not
 * repeated; what did not reach it, or reached it at a bad moment, is, until
 * the call's deadline.  A call that creates something is only repeated while
 * the server still remembers its pending id (30 s after the first attempt
 * whose outcome is unknown).  429 stops everything for the time that the
 * server names, for the limit is per address.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "log.h"
#include "mm_event.h"
#include "net.h"
#include "sys.h"

#define REST_FIRST	200	/* ms before the second attempt */
#define REST_MAX	5000
#define PAUSE_MAX	60	/* s, whatever Retry-After says */
#define ATTEMPT_MIN	1000	/* ms: a shorter attempt is not worth it */

static const struct http_answer	 answer_late = {
	.retry_after = -1, .why = "no answer in time", .unsent = 1
};

struct call *
call_new(struct net *n, enum call_priority priority, enum http_method method,
    call_done done, void *arg)
{
	struct call	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal("calloc");
	if (++n->call_seq == 0)
		n->call_seq = 1;
	c->id = n->call_seq;
	c->priority = priority;
	c->method = method;
	c->done = done;
	c->arg = arg;
	c->fd = -1;
	c->max_body = CALL_BODY_MAX;
	c->attempt_ms = CALL_ATTEMPT;
	c->window_end = MONOTIME_NEVER;
	return c;
}

int
call_path(struct call *c, const char *fmt, ...)
{
	va_list	 ap;
	int	 r;

	va_start(ap, fmt);
	r = vsnprintf(c->path, sizeof(c->path), fmt, ap);
	va_end(ap);
	return r < 0 || (size_t)r >= sizeof(c->path) ? -1 : 0;
}

void
call_free(struct call *c)
{
	if (c == NULL)
		return;
	if (c->fd != -1)
		(void)sys_close(c->fd);
	free(c->body);
	free(c->arg);
	free(c);
}

void
call_free_all(struct net *n)
{
	struct call	*c;
	size_t		 i;

	for (i = 0; i < CALL_PRIORITIES; i++)
		while ((c = TAILQ_FIRST(&n->calls[i])) != NULL) {
			TAILQ_REMOVE(&n->calls[i], c, entry);
			call_free(c);
		}
	n->ncalls = n->nrunning = n->nbackground = 0;
}

/* The executor is told to wait while it has many calls queued here. */
static void
call_check_pressure(struct net *n)
{
	if (!n->xoff_sent && n->ncalls >= CALL_HIGH) {
		n->xoff_sent = 1;
		n->world->send(n->arg, MSG_XOFF, 0, NULL);
	} else if (n->xoff_sent && n->ncalls <= CALL_LOW) {
		n->xoff_sent = 0;
		n->world->send(n->arg, MSG_XON, 0, NULL);
	}
}

static void
call_finish(struct net *n, struct call *c, const struct http_answer *answer)
{
	TAILQ_REMOVE(&n->calls[c->priority], c, entry);
	n->ncalls--;
	c->done(n, c, answer);
	call_free(c);
	call_check_pressure(n);
}

/* Calls with the same key keep their order: only the first one may run. */
static int
call_is_blocked(struct net *n, const struct call *c)
{
	struct call	*o;

	if (c->key[0] == '\0')
		return 0;
	TAILQ_FOREACH(o, &n->calls[c->priority], entry) {
		if (o == c)
			return 0;
		if (strcmp(o->key, c->key) == 0)
			return 1;
	}
	return 0;
}

static struct call *
call_next(struct net *n)
{
	struct call	*c;
	size_t		 i;

	if (n->nrunning >= CALL_PARALLEL)
		return NULL;
	for (i = 0; i < CALL_PRIORITIES; i++) {
		if (i == CALL_BACKGROUND &&
		    n->nbackground >= CALL_BACKGROUND_PARALLEL)
			break;
		TAILQ_FOREACH(c, &n->calls[i], entry)
			if (c->state == CALL_QUEUED && !call_is_blocked(n, c))
				return c;
	}
	return NULL;
}

static monotime_t
call_limit(const struct call *c)
{
	return c->window_end.ms < c->deadline.ms ? c->window_end : c->deadline;
}

static void
call_attempt(struct net *n, struct call *c)
{
	struct http_request	 req;
	monotime_t		 now = n->world->now(n->arg);

	memset(&req, 0, sizeof(req));
	c->state = CALL_RUNNING;
	c->attempts++;
	c->started = now;
	n->last_call = now;
	n->nrunning++;
	if (c->priority == CALL_BACKGROUND)
		n->nbackground++;
	req.id = c->id;
	req.method = c->method;
	req.path = c->path;
	req.body = c->body;
	req.len = c->len;
	req.type = c->type;
	req.fd = c->fd;
	req.size = c->size;
	req.max_body = c->max_body;
	req.auth = !c->no_auth;
	req.timeout = monotime_sub(call_limit(c), now);
	/* a connection may be dead without our knowing: the first is short */
	if (req.timeout > c->attempt_ms)
		req.timeout = c->attempt_ms;
	c->attempt_ms *= 2;
	if (req.timeout < ATTEMPT_MIN)
		req.timeout = ATTEMPT_MIN;
	n->world->http_start(n->arg, &req);
}

/* Start what may start, and ask to be woken for what may not yet. */
static void
call_run(struct net *n)
{
	monotime_t	 now = n->world->now(n->arg), wake = MONOTIME_NEVER;
	struct call	*c;
	size_t		 i;

	if (now.ms >= n->pause.ms)
		while ((c = call_next(n)) != NULL)
			call_attempt(n, c);
	else
		wake = n->pause;
	for (i = 0; i < CALL_PRIORITIES; i++)
		TAILQ_FOREACH(c, &n->calls[i], entry) {
			if (c->state == CALL_RESTING && c->again.ms < wake.ms)
				wake = c->again;
			if (c->state == CALL_QUEUED &&
			    c->deadline.ms < wake.ms)
				wake = c->deadline;
		}
	if (wake.ms == MONOTIME_NEVER.ms)
		n->world->timer(n->arg, TIMER_CALLS, -1);
	else
		n->world->timer(n->arg, TIMER_CALLS,
		    wake.ms > now.ms ? monotime_sub(wake, now) : 0);
}

void
call_submit(struct net *n, struct call *c, int64_t deadline_ms)
{
	if (n->ncalls >= CALL_MAX)
		fatalx("executor: asks for more although it was told to wait");
	c->deadline = monotime_add(n->world->now(n->arg), deadline_ms);
	c->state = CALL_QUEUED;
	TAILQ_INSERT_TAIL(&n->calls[c->priority], c, entry);
	n->ncalls++;
	call_check_pressure(n);
	call_run(n);
}

void
call_timer(struct net *n)
{
	monotime_t	 now = n->world->now(n->arg);
	struct call	*c, *next;
	size_t		 i;

	for (i = 0; i < CALL_PRIORITIES; i++)
		for (c = TAILQ_FIRST(&n->calls[i]); c != NULL; c = next) {
			next = TAILQ_NEXT(c, entry);
			if (c->state == CALL_RESTING && now.ms >= c->again.ms)
				c->state = CALL_QUEUED;
			/*
			 * What ends here may submit anew, at the end of a
			 * list; next stays good, for nobody else removes.
			 */
			if (c->state == CALL_QUEUED &&
			    now.ms >= call_limit(c).ms)
				call_finish(n, c, &answer_late);
		}
	call_run(n);
}

static int64_t
call_jitter(struct net *n, int64_t below)
{
	uint32_t	 r;

	n->world->random(n->arg, &r, sizeof(r));
	return (int64_t)(r % (uint32_t)below);
}

static void
call_pause(struct net *n, const struct http_answer *answer)
{
	monotime_t	 until;
	int64_t		 s = answer->retry_after;

	if (s < 1)
		s = 1;
	if (s > PAUSE_MAX)
		s = PAUSE_MAX;
	until = monotime_add(n->world->now(n->arg),
	    s * 1000 + call_jitter(n, 500));
	if (until.ms > n->pause.ms) {
		n->pause = until;
		log_warnx("the server limits our rate: waiting %lld s",
		    (long long)s);
	}
}

/* Is it worth another try, and is something on the server in the unknown? */
static int
call_is_transient(const struct http_answer *a)
{
	if (a->too_large)
		return 0;
	return a->status == 0 || a->status == 429 ||
	    (a->status >= 500 && a->status != 501);
}

/* 1 when the call was put aside for another attempt. */
static int
call_rest(struct net *n, struct call *c, const struct http_answer *a)
{
	monotime_t	 now = n->world->now(n->arg);
	int64_t		 rest = REST_FIRST;
	unsigned int	 i;

	if (c->no_retry || !call_is_transient(a))
		return 0;
	if (c->is_create && a->status != 429 && !a->unsent &&
	    c->window_end.ms == MONOTIME_NEVER.ms)
		c->window_end = monotime_add(c->started, CALL_DEDUP_WINDOW);
	for (i = 1; i < c->attempts && rest < REST_MAX; i++)
		rest *= 2;
	if (rest > REST_MAX)
		rest = REST_MAX;
	c->again = monotime_add(now, rest + call_jitter(n, rest / 2));
	if (c->again.ms < n->pause.ms)
		c->again = n->pause;
	if (monotime_sub(call_limit(c), c->again) < ATTEMPT_MIN)
		return 0;
	c->state = CALL_RESTING;
	return 1;
}

void
call_http_done(struct net *n, uint32_t id, const struct http_answer *answer)
{
	struct call	*c = NULL;
	size_t		 i;

	for (i = 0; i < CALL_PRIORITIES && c == NULL; i++)
		TAILQ_FOREACH(c, &n->calls[i], entry)
			if (c->id == id && c->state == CALL_RUNNING)
				break;
	if (c == NULL)
		return;
	n->nrunning--;
	if (c->priority == CALL_BACKGROUND)
		n->nbackground--;
	if (answer->status == 429)
		call_pause(n, answer);
	if (answer->status == 401 && !c->no_auth)
		session_suspect(n);
	if (call_rest(n, c, answer))
		log_debug("%s: %d %s: once more", c->path, answer->status,
		    answer->status == 0 ? answer->why : "");
	else
		call_finish(n, c, answer);
	call_run(n);
}

/*
 * The id is meant for programs and safe to repeat, the message is not: it
 * may hold the token.  A plugin puts its own words into the id, so it is
 * reduced to what an id is made of.
 */
const char *
call_error(const struct http_answer *answer, char *buf, size_t size)
{
	json_t		*root;
	const char	*id = NULL;
	size_t		 i = 0;

	if (answer->status == 0)
		net_clean(buf, size, answer->why);
	else {
		root = mm_parse(answer->body, answer->len);
		if (json_is_object(root))
			id = mm_string(root, "id");
		for (; id != NULL && id[i] != '\0' && i + 1 < size && i < 128;
		    i++)
			buf[i] = isalnum((unsigned char)id[i]) ||
			    strchr("._- ", id[i]) != NULL ? id[i] : '?';
		buf[i] = '\0';
		json_decref(root);
		if (i == 0)
			(void)snprintf(buf, size, "http %d", answer->status);
	}
	return buf;
}
