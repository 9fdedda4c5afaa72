/*
 * The record: what goes to auditd, and the check that the chain which comes
 * back is the one we know.  We are the log's first witness: an answer whose
 * previous hash is not the last line we saw means that somebody else wrote,
 * or that lines are gone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "log.h"

struct record_wait {
	record_fn	 fn;
	void		*arg;
};

struct msg_append *
record_new(struct executor *x, enum audit_event event)
{
	memset(&x->m_append, 0, sizeof(x->m_append));
	x->m_append.event = (uint8_t)event;
	return &x->m_append;
}

static void
record_ack(struct executor *x, void *arg, const void *answer)
{
	const struct msg_ack	*ack = answer;
	struct record_wait	*wait = arg;
	record_fn		 fn = wait->fn;
	void			*fn_arg = wait->arg;

	free(wait);
	x->nappends--;
	if (!ack->ok) {
		if (x->is_audit_ok)
			log_warnx("the audit log takes no entries: %s; "
			    "nothing starts until it does", ack->error);
		x->is_audit_ok = 0;
		(void)strlcpy(x->audit_why, ack->error, sizeof(x->audit_why));
	} else if (!x->has_audit || ack->seq != x->head.seq + 1 ||
	    memcmp(ack->previous_hash, x->head.line_hash, HASH_SIZE) != 0) {
		x->w.exit(x->w.arg, "the audit log's chain is not the one "
		    "that is known here; run chatopsctl audit verify");
		return;
	} else {
		x->head.seq = ack->seq;
		memcpy(x->head.line_hash, ack->line_hash, HASH_SIZE);
		/* Results have room kept for them; intents have not. */
		if (!x->is_audit_ok && !x->is_audit_full)
			log_info("the audit log takes entries again");
		x->is_audit_ok = !x->is_audit_full;
	}
	fn(x, fn_arg, ack);
	/* A stop may have waited for just this. */
	job_stop_check(x);
}

void
record_send(struct executor *x, record_fn fn, void *arg)
{
	struct record_wait	*wait;

	if ((wait = calloc(1, sizeof(*wait))) == NULL)
		fatal("calloc");
	wait->fn = fn;
	wait->arg = arg;
	x->nappends++;
	/* Never given up: a line may be durable however late its ACK is. */
	(void)ask(x, ROLE_AUDIT, MSG_APPEND, -1, &x->m_append, MSG_ACK,
	    record_ack, wait, 0);
}

/* The first one, or did somebody take the old one away? */
static void
record_new_log(struct executor *x, const char *origin)
{
	struct db_anchor	 old;

	if (db_anchor_other(x->db, origin, &old) == 1)
		log_warnx("audit log %s is new here, and %s, which had %" PRIu64
		    " lines, is not in use any more: unless you began a new "
		    "log, find out who did, and verify the old one", origin,
		    old.origin, old.seq + 1);
	else
		log_info("audit log %s is new here", origin);
}

/*
 * Is the line that the database remembers the log's line at that place?  1,
 * 0 when it is too far back for auditd to tell, -1 when it is not.
 */
static int
record_is_known(const struct msg_audit_state *m, const struct db_anchor *a)
{
	const uint8_t	*hash = m->line_hash;
	uint64_t	 back;

	if (a->seq > m->seq)
		return -1;
	back = m->seq - a->seq;
	if (back > m->nrecent)
		return m->nrecent == MSG_RECENT ? 0 : -1;
	if (back > 0)
		hash = m->recent[back - 1];
	return memcmp(a->line_hash, hash, HASH_SIZE) == 0 ? 1 : -1;
}

/*
 * The database may lag behind the log, for the log is written first, and by
 * the session-start of each start that came no further; it can never be ahead
 * of it, nor remember another line at the same place.
 */
void
record_state(struct executor *x, const struct msg_audit_state *m)
{
	struct db_anchor	 anchor;
	char			 why[256];
	int			 known, r;

	if ((r = db_anchor_get(x->db, m->origin, &anchor)) == -1) {
		x->w.exit(x->w.arg, db_error(x->db));
		return;
	}
	known = r == 1 ? record_is_known(m, &anchor) : 1;
	if (known == -1) {
		(void)snprintf(why, sizeof(why), "audit log, which ends at "
		    "line %" PRIu64 ", is not the one whose line %" PRIu64
		    " was acknowledged: it was cut or replaced; run "
		    "chatopsctl audit verify", m->seq, anchor.seq);
		x->w.exit(x->w.arg, why);
		return;
	}
	if (known == 0)
		log_warnx("audit log: line %" PRIu64 ", the last one that was "
		    "acknowledged, is too far before its end, line %" PRIu64
		    ", to be compared; run chatopsctl audit verify",
		    anchor.seq, m->seq);
	(void)strlcpy(x->head.origin, m->origin, sizeof(x->head.origin));
	x->head.seq = m->seq;
	memcpy(x->head.line_hash, m->line_hash, HASH_SIZE);
	/* So that a log at rest has no line that nobody vouches for. */
	(void)strlcpy(anchor.origin, m->origin, sizeof(anchor.origin));
	anchor.seq = m->seq;
	memcpy(anchor.line_hash, m->line_hash, HASH_SIZE);
	if (db_anchor_put(x->db, &anchor) == -1) {
		x->w.exit(x->w.arg, db_error(x->db));
		return;
	}
	x->has_audit = 1;
	x->is_audit_ok = 1;
	x->dangling = m->dangling;
	if (r == 0)
		record_new_log(x, m->origin);
	if (x->dangling == 0)
		recover_start(x);
}

void
record_health(struct executor *x, const struct msg_audit_health *m)
{
	if (m->ok && !x->is_audit_ok && x->has_audit)
		log_info("the audit log takes entries again");
	else if (!m->ok && x->is_audit_ok)
		log_warnx("the audit log takes no entries: %s; nothing starts "
		    "until it does", m->why);
	x->is_audit_full = !m->ok;
	x->is_audit_ok = m->ok && x->has_audit;
	if (!m->ok)
		(void)strlcpy(x->audit_why, m->why, sizeof(x->audit_why));
	if (x->is_audit_ok)
		job_schedule(x);
}

int
record_anchor(struct executor *x, const struct msg_ack *ack)
{
	struct db_anchor	 anchor;

	(void)strlcpy(anchor.origin, x->head.origin, sizeof(anchor.origin));
	anchor.seq = ack->seq;
	memcpy(anchor.line_hash, ack->line_hash, HASH_SIZE);
	return db_anchor_put(x->db, &anchor);
}

static void
record_key(struct record_json *j, const char *key)
{
	buf_printf(&j->b, "%s", j->n++ == 0 ? "" : ",");
	buf_put(&j->b, "\"", 1);
	text_json_string(&j->b, key, strlen(key));
	buf_put(&j->b, "\":", 2);
}

void
record_open(struct record_json *j)
{
	/* Room for the braces is kept back. */
	buf_init(&j->b, JSON_SIZE - 1);
	j->n = 0;
	buf_put(&j->b, "{", 1);
}

void
record_str(struct record_json *j, const char *key, const char *value)
{
	if (value == NULL || *value == '\0') {
		record_null(j, key);
		return;
	}
	record_key(j, key);
	buf_put(&j->b, "\"", 1);
	text_json_string(&j->b, value, strlen(value));
	buf_put(&j->b, "\"", 1);
}

void
record_int(struct record_json *j, const char *key, int64_t value)
{
	record_key(j, key);
	buf_printf(&j->b, "%lld", (long long)value);
}

void
record_bool(struct record_json *j, const char *key, int value)
{
	record_key(j, key);
	buf_printf(&j->b, "%s", value ? "true" : "false");
}

void
record_null(struct record_json *j, const char *key)
{
	record_key(j, key);
	buf_put(&j->b, "null", 4);
}

void
record_raw(struct record_json *j, const char *key, const char *value)
{
	record_key(j, key);
	buf_put(&j->b, value, strlen(value));
}

void
record_close(struct record_json *j, char *out, size_t size)
{
	buf_put(&j->b, "}", 1);
	if (buf_error(&j->b) != 0 || j->b.len >= size)
		(void)strlcpy(out, "{\"truncated\":true}", size);
	else {
		memcpy(out, j->b.data, j->b.len);
		out[j->b.len] = '\0';
	}
	buf_free(&j->b);
}
