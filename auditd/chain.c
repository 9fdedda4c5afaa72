/*
 * The core of chatops-auditd: appends become lines, a queue of lines becomes
 * one buffer, one write and one sync, and only then the answers go out.
 * Nothing here knows a file, a clock or a socket; see struct audit_world.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "auditd.h"
#include "pathnames.h"

struct chain_entry {
	TAILQ_ENTRY(chain_entry) next;
	uint32_t		 id;
	int			 answer;	/* somebody waits for an ACK */
	enum audit_event	 event;
	char			 execution_id[UUID_SIZE];
	struct buf		 body;
	/* its place, once it is in the batch */
	struct audit_pos	 before;
	struct audit_pos	 after;
};

static struct chain_open *
open_find(struct chain *c, const char *id)
{
	size_t	 i;

	for (i = 0; i < c->nopen; i++)
		if (strcmp(c->open[i].execution_id, id) == 0)
			return &c->open[i];
	return NULL;
}

static void
open_remove(struct chain *c, struct chain_open *o)
{
	size_t	 i = o - c->open;

	memmove(o, o + 1, (c->nopen - i - 1) * sizeof(*o));
	c->nopen--;
}

static struct chain_open *
open_add(struct chain *c, const char *id, enum open_state state)
{
	struct chain_open	*o;

	if (c->nopen == CHAIN_OPEN_MAX)
		return NULL;
	o = &c->open[c->nopen++];
	memset(o, 0, sizeof(*o));
	(void)strlcpy(o->execution_id, id, sizeof(o->execution_id));
	o->state = state;
	return o;
}

/* The line of that entry is durable, or it will never be there. */
static void
open_settle(struct chain *c, const struct chain_entry *e, int durable)
{
	struct chain_open	*o;

	if (e->event != AUDIT_INTENT && e->event != AUDIT_EXECUTION)
		return;
	if ((o = open_find(c, e->execution_id)) == NULL)
		return;
	if ((e->event == AUDIT_EXECUTION) == (durable != 0))
		open_remove(c, o);
	else {
		o->state = OPEN_DURABLE;
		if (e->event == AUDIT_INTENT)
			o->at = e->before;
	}
}

int
chain_init(struct chain *c, const struct audit_world *world, void *arg,
    const struct audit_keys *keys)
{
	memset(c, 0, sizeof(*c));
	c->world = world;
	c->arg = arg;
	c->keys = keys;
	c->end = c->last = keys->state.from;
	c->reserved = 1;
	TAILQ_INIT(&c->queue);
	/* one line more than the limit, so that the last one always fits */
	buf_init(&c->batch, CHAIN_BATCH_BYTES + LINE_SIZE);
	return body_uuid(c, c->session);
}

static void
entry_free(struct chain *c, struct chain_entry *e)
{
	TAILQ_REMOVE(&c->queue, e, next);
	c->nqueued--;
	c->queued_bytes -= e->body.len;
	buf_free(&e->body);
	free(e);
}

void
chain_clear(struct chain *c)
{
	struct chain_entry	*e;

	while ((e = TAILQ_FIRST(&c->queue)) != NULL)
		entry_free(c, e);
	buf_free(&c->batch);
}

int
chain_replay(struct chain *c, const struct audit_line *l,
    const uint8_t hash[HASH_SIZE], size_t bytes)
{
	struct chain_open	*o;

	c->last = c->end;
	if (l->event == AUDIT_INTENT) {
		if ((o = open_add(c, l->execution_id, OPEN_DURABLE)) == NULL)
			return -1;
		o->at = c->end;
	} else if (l->event == AUDIT_EXECUTION &&
	    (o = open_find(c, l->execution_id)) != NULL)
		open_remove(c, o);
	c->end.lines++;
	c->end.size += bytes;
	memcpy(c->end.hash, hash, HASH_SIZE);
	chain_remember(c, l->seq, hash);
	return 0;
}

void
chain_remember(struct chain *c, uint64_t seq, const uint8_t hash[HASH_SIZE])
{
	memcpy(c->recent[seq % MSG_RECENT], hash, HASH_SIZE);
	if (c->nrecent < MSG_RECENT)
		c->nrecent++;
}

static void
nack(struct chain *c, uint32_t id, const char *why)
{
	struct msg_ack	 ack;

	memset(&ack, 0, sizeof(ack));
	(void)strlcpy(ack.error, why, sizeof(ack.error));
	c->world->ack(c->arg, id, &ack);
}

static struct chain_entry *
entry_add(struct chain *c, uint32_t id, int answer, enum audit_event event,
    const char *execution_id, struct buf *body)
{
	struct chain_entry	*e;

	if ((e = calloc(1, sizeof(*e))) == NULL)
		return NULL;
	e->id = id;
	e->answer = answer;
	e->event = event;
	(void)strlcpy(e->execution_id, execution_id, sizeof(e->execution_id));
	e->body = *body;
	memset(body, 0, sizeof(*body));
	TAILQ_INSERT_TAIL(&c->queue, e, next);
	c->nqueued++;
	c->queued_bytes += e->body.len;
	return e;
}

/* An execution follows its own durable intent, an intent only a new id. */
static int
check_pair(struct chain *c, const struct msg_append *m, const char **why)
{
	struct chain_open	*o;

	if (m->event != AUDIT_INTENT && m->event != AUDIT_EXECUTION)
		return 0;
	o = open_find(c, m->execution_id);
	*why = NULL;
	if (m->event == AUDIT_INTENT) {
		if (o != NULL)
			*why = "intent: this executionId is open already";
		else if (c->nopen == CHAIN_OPEN_MAX)
			*why = "intent: too many are without a result";
	} else if (o == NULL || o->state == OPEN_CLOSING)
		*why = "execution: no open intent has this executionId";
	else if (o->state == OPEN_PENDING)
		*why = "execution: its intent is not acknowledged yet";
	return *why == NULL ? 0 : -1;
}

static int
check_room(const struct chain *c, const struct msg_append *m,
    const char **why)
{
	if (c->ended)
		*why = "the session of the log has ended";
	else if (c->full && m->event != AUDIT_EXECUTION)
		*why = "the audit log's disk is full: only results of "
		    "scripts that run are recorded; make room";
	else if (c->nqueued >= CHAIN_QUEUE_MAX ||
	    c->queued_bytes >= CHAIN_QUEUE_BYTES)
		*why = "too many lines wait for the disk";
	else
		return 0;
	return -1;
}

void
chain_append(struct chain *c, uint32_t id, const struct msg_append *m)
{
	struct chain_open	*o;
	struct buf		 body;
	const char		*why = "";
	char			 uuid[UUID_SIZE];

	buf_init(&body, 0);
	if (check_room(c, m, &why) == -1 || body_check(m, &why) == -1 ||
	    check_pair(c, m, &why) == -1)
		goto refuse;
	(void)strlcpy(uuid, m->execution_id, sizeof(uuid));
	why = "no random bytes";
	if (uuid[0] == '\0' && body_uuid(c, uuid) == -1)
		goto refuse;
	why = "the line would be longer than 64 KiB";
	if (body_make(&body, m, uuid, c->session) == -1)
		goto refuse;
	why = "no memory";
	if (entry_add(c, id, 1, (enum audit_event)m->event, uuid,
	    &body) == NULL)
		goto refuse;
	if (m->event == AUDIT_INTENT)
		(void)open_add(c, uuid, OPEN_PENDING);
	else if (m->event == AUDIT_EXECUTION &&
	    (o = open_find(c, uuid)) != NULL)
		o->state = OPEN_CLOSING;
	return;
refuse:
	buf_free(&body);
	nack(c, id, why);
}

/* A line of the audit process itself. */
static int
event_add(struct chain *c, enum audit_event event, uint32_t id, int answer,
    const char *detail)
{
	struct audit_line	 l;
	struct buf		 body;

	memset(&l, 0, sizeof(l));
	buf_init(&body, LINE_SIZE);
	l.event = event;
	l.success = -1;
	l.detail = (struct audit_text){ detail, strlen(detail) };
	(void)strlcpy(l.session, c->session, sizeof(l.session));
	if (audit_json_check_object(detail, strlen(detail), NULL) == -1 ||
	    body_uuid(c, l.execution_id) == -1)
		return -1;
	audit_line_emit_body(&body, &l);
	if (buf_error(&body) == 0 && entry_add(c, id, answer, event,
	    l.execution_id, &body) != NULL)
		return 0;
	buf_free(&body);
	return -1;
}

int
chain_event(struct chain *c, enum audit_event event, const char *detail)
{
	return event_add(c, event, 0, 0, detail);
}

int
chain_end(struct chain *c, uint32_t id, const char *reason)
{
	char	 detail[64];
	int	 n;

	n = snprintf(detail, sizeof(detail), "{\"reason\":\"%s\"}", reason);
	if (n < 0 || (size_t)n >= sizeof(detail) ||
	    event_add(c, AUDIT_SESSION_END, id, id != 0, detail) == -1)
		return -1;
	c->ended = 1;
	return 0;
}

int
chain_is_pending(const struct chain *c)
{
	return c->nqueued > 0;
}

/* One line at the end of the batch, signed, at its place in the chain. */
static int
batch_line(struct chain *c, struct chain_entry *e, const char *timestamp,
    const struct audit_pos *at)
{
	const char		*origin = c->keys->state.origin;
	struct audit_line	 l;
	uint8_t			 sig[AUDIT_SIGNATURE_SIZE];
	uint8_t			*start;
	size_t			 from = c->batch.len, len;

	memset(&l, 0, sizeof(l));
	l.log = (struct audit_text){ origin, strlen(origin) };
	l.seq = at->lines;
	(void)strlcpy(l.timestamp, timestamp, sizeof(l.timestamp));
	memcpy(l.previous_hash, at->hash, HASH_SIZE);
	memcpy(l.public_key, c->keys->public_key, sizeof(l.public_key));
	audit_line_emit_head(&c->batch, &l);
	buf_put(&c->batch, e->body.data, e->body.len);
	audit_line_emit_tail(&c->batch, &l);
	if (buf_error(&c->batch) != 0)
		return -1;
	start = c->batch.data + from;
	crypto_sign_detached(sig, NULL, start, c->batch.len - from,
	    c->keys->secret->key);
	audit_line_seal(&c->batch, sig);
	buf_put(&c->batch, "\n", 1);
	if (buf_error(&c->batch) != 0)
		return -1;
	start = c->batch.data + from;
	len = c->batch.len - from;
	e->before = *at;
	e->after.lines = at->lines + 1;
	e->after.size = at->size + len;
	crypto_hash_sha256(e->after.hash, start, len - 1);
	return 0;
}

/* The first entries of the queue as lines: how many, or -1. */
static int
batch_make(struct chain *c, const char *timestamp)
{
	struct chain_entry	*e;
	struct audit_pos	 at = c->end;
	int			 n = 0;

	buf_reset(&c->batch);
	TAILQ_FOREACH(e, &c->queue, next) {
		if (n == CHAIN_BATCH_LINES ||
		    (n > 0 && c->batch.len + e->body.len > CHAIN_BATCH_BYTES))
			break;
		if (at.lines >= AUDIT_NUMBER_MAX ||
		    batch_line(c, e, timestamp, &at) == -1)
			return -1;
		at = e->after;
		n++;
	}
	return n;
}

static int
fatal_why(struct chain *c, const char *what, int error)
{
	(void)snprintf(c->why, sizeof(c->why), "%s%s%s", what,
	    error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
	return -1;
}

/* The file is the one that we opened, and as long as we left it. */
static int
check_file(struct chain *c)
{
	struct audit_stat	 st;

	if (c->world->stat(c->arg, &st) == -1)
		return fatal_why(c, NAME_AUDIT_LOG ": cannot be "
		    "examined", errno);
	if (!st.is_ours)
		return fatal_why(c, NAME_AUDIT_LOG ": was removed or "
		    "replaced while it was in use; find out by whom, put "
		    "it back and start again", 0);
	if (st.size != c->end.size)
		return fatal_why(c, NAME_AUDIT_LOG ": somebody else wrote "
		    "to it or cut it; compare it with a copy and start "
		    "again", 0);
	return 0;
}

static int
is_full(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

/*
 * The batch as one write, and the sync.  0; 1: no room, and the file is as
 * before; -1: fatal.
 */
static int
batch_write(struct chain *c)
{
	const uint8_t	*p = c->batch.data;
	size_t		 left = c->batch.len;
	ssize_t		 n;

	if (check_file(c) == -1)
		return -1;
	while (left > 0) {
		n = c->world->write(c->arg, p, left);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && !is_full(errno))
			return fatal_why(c, NAME_AUDIT_LOG ": write", errno);
		if (n <= 0) {
			if (c->world->truncate(c->arg, c->end.size) == -1)
				return fatal_why(c, NAME_AUDIT_LOG ": half "
				    "a line cannot be taken back", errno);
			return 1;
		}
		p += n;
		left -= (size_t)n;
	}
	/*
	 * After a failed sync the kernel has dropped what it could not write
	 * and would say yes the next time (fsync(2)): never tried again.
	 */
	if (c->world->sync(c->arg) == -1)
		return fatal_why(c, NAME_AUDIT_LOG ": cannot be made durable",
		    errno);
	return 0;
}

/* Answer and forget the first n entries; they are durable. */
static void
batch_ack(struct chain *c, int n)
{
	struct chain_entry	*e;
	struct msg_ack		 ack;

	while (n-- > 0 && (e = TAILQ_FIRST(&c->queue)) != NULL) {
		open_settle(c, e, 1);
		c->last = e->before;
		c->end = e->after;
		memset(&ack, 0, sizeof(ack));
		ack.ok = 1;
		ack.seq = e->before.lines;
		memcpy(ack.line_hash, e->after.hash, HASH_SIZE);
		memcpy(ack.previous_hash, e->before.hash, HASH_SIZE);
		if (e->answer)
			c->world->ack(c->arg, e->id, &ack);
		entry_free(c, e);
	}
}

/* Refuse what waits; executions and our own lines may stay. */
static void
queue_refuse(struct chain *c, int keep_results, const char *why)
{
	struct chain_entry	*e, *next;

	for (e = TAILQ_FIRST(&c->queue); e != NULL; e = next) {
		next = TAILQ_NEXT(e, next);
		if (keep_results && (e->event == AUDIT_EXECUTION ||
		    e->event == AUDIT_SESSION_END))
			continue;
		open_settle(c, e, 0);
		if (e->event == AUDIT_SESSION_END)
			c->ended = 0;
		if (e->answer)
			nack(c, e->id, why);
		entry_free(c, e);
	}
}

static void
set_full(struct chain *c)
{
	const char	*why = "the audit log's disk is full";

	if (!c->full)
		c->world->health(c->arg, 0, why);
	c->full = 1;
	queue_refuse(c, c->reserved, why);
	if (c->reserved && c->world->reserve(c->arg, 0) == 0)
		c->reserved = 0;
}

/*
 * At most twice: where the disk is full, the second try writes results only,
 * into the room that the reserve gives up.
 */
int
chain_commit(struct chain *c)
{
	char	 timestamp[WALLTIME_STRLEN];
	int	 n, r = 1, tries;

	for (tries = 0; tries < 2 && r == 1 && c->nqueued > 0; tries++) {
		if (walltime_format((walltime_t){ c->world->now(c->arg) },
		    timestamp, sizeof(timestamp)) == -1)
			return fatal_why(c, "the clock is beyond the year "
			    "9999 or before 1970", 0);
		if ((n = batch_make(c, timestamp)) == -1)
			return fatal_why(c, "a line cannot be made", 0);
		if ((r = batch_write(c)) == -1)
			return -1;
		if (r == 0)
			batch_ack(c, n);
		else
			set_full(c);
	}
	if (r == 1 && c->nqueued > 0)
		queue_refuse(c, 0, "the audit log's disk is full, and its "
		    "reserve is used up");
	return 0;
}

void
chain_probe(struct chain *c)
{
	if (!c->full || c->world->reserve(c->arg, 1) == -1)
		return;
	c->reserved = 1;
	c->full = 0;
	c->world->health(c->arg, 1, "");
}

void
chain_state(const struct chain *c, struct audit_state *s)
{
	size_t	 i;

	s->acked = c->end;
	s->from = c->last;
	for (i = 0; i < c->nopen; i++)
		if (c->open[i].state != OPEN_PENDING &&
		    c->open[i].at.lines < s->from.lines)
			s->from = c->open[i].at;
}
