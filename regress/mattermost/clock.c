/*
 * Time.  Timers and what expires count a time that a test may move forward,
 * so that a limit of minutes can be tried without waiting.  The dates that
 * the server says are true time plus a skew, moved along or on its own.
 */
#include "mattermost.h"

#include <err.h>
#include <string.h>
#include <time.h>

static TAILQ_HEAD(, vtimer)	 timers = TAILQ_HEAD_INITIALIZER(timers);
static struct event		*clock_event;

static int64_t
clock_read(clockid_t id)
{
	struct timespec	 ts;

	if (clock_gettime(id, &ts) == -1)
		err(1, "clock_gettime");
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_real_us(void)
{
	return clock_read(CLOCK_REALTIME);
}

int64_t
clock_ms(void)
{
	return (clock_read(CLOCK_REALTIME) + mm.skew) / 1000;
}

static int64_t
clock_virtual(void)
{
	return clock_read(CLOCK_MONOTONIC) + mm.offset;
}

static void	 clock_run(evutil_socket_t, short, void *);

static void
clock_arm(void)
{
	struct vtimer	*t, *first = NULL;
	struct timeval	 tv;
	int64_t		 left;

	if (clock_event == NULL &&
	    (clock_event = evtimer_new(mm.base, clock_run, NULL)) == NULL)
		errx(1, "evtimer_new");
	TAILQ_FOREACH(t, &timers, entry)
		if (first == NULL || t->at < first->at)
			first = t;
	if (first == NULL) {
		evtimer_del(clock_event);
		return;
	}
	left = first->at - clock_virtual();
	if (left < 0)
		left = 0;
	tv.tv_sec = left / 1000000;
	tv.tv_usec = left % 1000000;
	evtimer_add(clock_event, &tv);
}

/* Run what is due, the earliest first: one may start or stop another. */
static void
clock_run(evutil_socket_t fd, short what, void *arg)
{
	struct vtimer	*t, *first;
	int64_t		 now = clock_virtual();

	(void)fd;
	(void)what;
	(void)arg;
	for (;;) {
		first = NULL;
		TAILQ_FOREACH(t, &timers, entry)
			if (t->at <= now &&
			    (first == NULL || t->at < first->at))
				first = t;
		if (first == NULL)
			break;
		vtimer_del(first);
		first->run(first->arg);
	}
	clock_arm();
}

int64_t
clock_ttl_ms(void)
{
	return clock_virtual() / 1000;
}

void
clock_advance(int64_t us, int dates)
{
	mm.offset += us;
	if (dates)
		mm.skew += us;
	clock_run(-1, 0, NULL);
}

void
vtimer_set(struct vtimer *t, void (*run)(void *), void *arg)
{
	memset(t, 0, sizeof(*t));
	t->run = run;
	t->arg = arg;
}

void
vtimer_add(struct vtimer *t, int64_t us)
{
	if (t->pending)
		TAILQ_REMOVE(&timers, t, entry);
	t->pending = 1;
	t->at = clock_virtual() + us;
	TAILQ_INSERT_TAIL(&timers, t, entry);
	clock_arm();
}

void
vtimer_del(struct vtimer *t)
{
	if (!t->pending)
		return;
	t->pending = 0;
	TAILQ_REMOVE(&timers, t, entry);
}

void
clock_stop(void)
{
	if (clock_event != NULL)
		event_free(clock_event);
}
