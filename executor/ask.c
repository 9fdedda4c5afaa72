/*
 * Questions to the siblings and who waits for their answers.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"
#include "log.h"

static int
ask_cmp(struct ask *a, struct ask *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}
RB_PROTOTYPE(asks, ask, entry, ask_cmp);
RB_GENERATE(asks, ask, entry, ask_cmp);

static struct ask *
ask_find(struct executor *x, uint32_t id)
{
	struct ask	 key;

	key.id = id;
	return RB_FIND(asks, &x->asks, &key);
}

static struct ask *
ask_new(struct executor *x, enum role to, enum msg_type expect, ask_fn fn,
    void *arg)
{
	struct ask	*a;

	if ((a = calloc(1, sizeof(*a))) == NULL)
		fatal("calloc");
	do {
		x->last_id++;
	} while (x->last_id == 0 || ask_find(x, x->last_id) != NULL);
	a->id = x->last_id;
	a->to = to;
	a->expect = expect;
	a->fn = fn;
	a->arg = arg;
	a->since = core_mono(x);
	RB_INSERT(asks, &x->asks, a);
	x->nasks++;
	return a;
}

uint32_t
ask(struct executor *x, enum role to, enum msg_type type, int fd,
    const void *payload, enum msg_type expect, ask_fn fn, void *arg,
    int64_t timeout_ms)
{
	struct ask	*a;
	uint32_t	 id;

	a = ask_new(x, to, expect, fn, arg);
	a->deadline = timeout_ms == 0 ? MONOTIME_NEVER :
	    monotime_add(a->since, timeout_ms);
	core_wake(x, a->deadline);
	id = a->id;
	x->w.send(x->w.arg, to, type, id, fd, payload);
	return id;
}

static void
outgoing_free(struct outgoing *o)
{
	if (o->fd != -1)
		(void)close(o->fd);
	freezero(o->payload, msg_struct_size(o->type));
	free(o);
}

/*
 * Given up without having been sent.  Whoever waits learns it from the next
 * tick, as if no answer had come, not in the middle of what he is doing.
 */
static void
outbox_drop(struct executor *x, struct outgoing *o)
{
	struct ask	*a;

	TAILQ_REMOVE(&x->outbox, o, entry);
	x->noutbox--;
	a = ask_new(x, ROLE_NETWORK, MSG_NET_RESULT, o->fn, o->arg);
	a->deadline = a->since;
	core_wake(x, a->deadline);
	outgoing_free(o);
}

void
ask_net(struct executor *x, enum msg_type type, int fd, const void *payload,
    ask_fn fn, void *arg)
{
	struct outgoing	*o;
	size_t		 n;

	if (!x->is_xoff && TAILQ_EMPTY(&x->outbox)) {
		(void)ask(x, ROLE_NETWORK, type, fd, payload, MSG_NET_RESULT,
		    fn, arg, CORE_DELIVER_MS);
		return;
	}
	n = msg_struct_size(type);
	if ((o = calloc(1, sizeof(*o))) == NULL ||
	    (o->payload = malloc(n)) == NULL)
		fatal("malloc");
	memcpy(o->payload, payload, n);
	o->type = type;
	o->fd = fd;
	o->fn = fn;
	o->arg = arg;
	TAILQ_INSERT_TAIL(&x->outbox, o, entry);
	if (++x->noutbox > CORE_OUTBOX_MAX)
		outbox_drop(x, TAILQ_FIRST(&x->outbox));
}

void
ask_flush(struct executor *x)
{
	struct outgoing	*o;

	while (!x->is_xoff && (o = TAILQ_FIRST(&x->outbox)) != NULL) {
		TAILQ_REMOVE(&x->outbox, o, entry);
		x->noutbox--;
		(void)ask(x, ROLE_NETWORK, o->type, o->fd, o->payload,
		    MSG_NET_RESULT, o->fn, o->arg, CORE_DELIVER_MS);
		o->fd = -1;
		outgoing_free(o);
	}
}

void
ask_forget(struct executor *x, const void *arg)
{
	struct outgoing	*o;
	struct ask	*a;

	RB_FOREACH(a, asks, &x->asks)
		if (a->arg == arg)
			a->fn = NULL;
	TAILQ_FOREACH(o, &x->outbox, entry)
		if (o->arg == arg)
			o->fn = NULL;
}

/* The lines of one TAIL all carry its id; the last one says so. */
static int
is_more_to_come(enum msg_type type, const void *answer)
{
	const struct msg_tail_line	*line = answer;

	return type == MSG_TAIL_LINE && !line->last;
}

int
ask_answer(struct executor *x, enum role from, enum msg_type type,
    uint32_t id, const void *answer)
{
	struct ask	*a;
	ask_fn		 fn;
	void		*arg;

	if ((a = ask_find(x, id)) == NULL) {
		/* Serial number arithmetic, RFC 1982: was it given out? */
		if (id == 0 || (int32_t)(x->last_id - id) < 0)
			return -1;
		log_debug("%s from %s came too late", msg_name(type),
		    role_name(from));
		return 0;
	}
	if (a->to != from || a->expect != type)
		return -1;
	fn = a->fn;
	arg = a->arg;
	if (!is_more_to_come(type, answer)) {
		RB_REMOVE(asks, &x->asks, a);
		x->nasks--;
		free(a);
	}
	if (fn != NULL)
		fn(x, arg, answer);
	return 0;
}

void
ask_tick(struct executor *x, monotime_t *next)
{
	struct ask	*a, *tmp;
	monotime_t	 now = core_mono(x);
	ask_fn		 fn;
	void		*arg;

again:
	RB_FOREACH_SAFE(a, asks, &x->asks, tmp) {
		if (a->deadline.ms > now.ms) {
			if (a->deadline.ms < next->ms)
				*next = a->deadline;
			continue;
		}
		fn = a->fn;
		arg = a->arg;
		log_debug("no answer from %s in time", role_name(a->to));
		RB_REMOVE(asks, &x->asks, a);
		x->nasks--;
		free(a);
		if (fn != NULL) {
			/* It may have changed the tree. */
			fn(x, arg, NULL);
			goto again;
		}
	}
}

int64_t
ask_oldest(struct executor *x, enum role to)
{
	struct ask	*a;
	int64_t		 age, most = 0;

	RB_FOREACH(a, asks, &x->asks) {
		age = monotime_sub(core_mono(x), a->since);
		if (a->to == to && age > most)
			most = age;
	}
	return most;
}

void
ask_free_all(struct executor *x)
{
	struct outgoing	*o;
	struct ask	*a, *tmp;

	RB_FOREACH_SAFE(a, asks, &x->asks, tmp) {
		RB_REMOVE(asks, &x->asks, a);
		/* Only record.c asks for an ACK, with memory of its own. */
		if (a->expect == MSG_ACK)
			free(a->arg);
		free(a);
	}
	while ((o = TAILQ_FIRST(&x->outbox)) != NULL) {
		TAILQ_REMOVE(&x->outbox, o, entry);
		outgoing_free(o);
	}
}
