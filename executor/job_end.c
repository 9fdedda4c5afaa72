/*
 * From the end of a run to its record, in the one order that loses nothing:
 * "done" in the database, the line in the log, its ACK, "finished" with the
 * anchor in one transaction, and only then the answer.  A job that never
 * started goes the same way with a denied line.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "core.h"
#include "log.h"

#define SETTLE_RETRY_MS	1000
#define SETTLE_TRIES	30	/* then the log's word alone has to do */
#define EXIT_NONE	(-1)	/* there is no exit status */

static void	settle_append(struct executor *, struct job *);

/* No intent was written, so no execution line either: a refusal. */
void
job_drop(struct executor *x, struct job *j, enum reason reason,
    const char *why)
{
	job_set_state(x, j, JOB_DROPPED, reason_name(reason));
	j->row.state = DBJOB_DROPPED;
	j->row.ended_at = core_wall(x);
	j->row.how = JOB_END_REFUSED;
	j->row.exit_code = EXIT_NONE;
	(void)strlcpy(j->row.error, why, sizeof(j->row.error));
	j->row.error[utf8_valid(j->row.error, strlen(j->row.error))] = '\0';
	j->void_reason = reason;
	x->refusals++;
	j->settle = SETTLE_APPEND;
	job_settle(x, j);
	job_schedule(x);
}

/* There is an intent, so there will be a result: that it never ran. */
void
job_void(struct executor *x, struct job *j, const char *why)
{
	job_set_state(x, j, JOB_DONE, why);
	j->row.state = DBJOB_DONE;
	j->row.ended_at = core_wall(x);
	j->row.how = j->is_cancelled ? JOB_END_CANCELLED : JOB_END_REFUSED;
	j->row.exit_code = EXIT_NONE;
	(void)snprintf(j->row.error, sizeof(j->row.error),
	    "it was not started: %s", why);
	j->settle = SETTLE_ROW;
	job_settle(x, j);
	job_schedule(x);
}

static void
end_error(struct job *j)
{
	struct db_job	*row = &j->row;
	char		 len[32];

	switch (row->how) {
	case JOB_END_EXITED:
		if (row->exit_code != 0)
			(void)snprintf(row->error, sizeof(row->error),
			    "exit status %d", row->exit_code);
		break;
	case JOB_END_SIGNALED:
		(void)snprintf(row->error, sizeof(row->error),
		    "ended by signal %d", row->signal);
		break;
	case JOB_END_TIMEOUT:
		duration_format(j->timeout_ms, len, sizeof(len));
		(void)snprintf(row->error, sizeof(row->error),
		    "killed after its time of %s", len);
		break;
	case JOB_END_CANCELLED:
		(void)snprintf(row->error, sizeof(row->error),
		    "cancelled by %s", j->cancelled_by.name);
		break;
	case JOB_END_SHUTDOWN:
		(void)strlcpy(row->error, "killed because the bot was stopped",
		    sizeof(row->error));
		break;
	default:
		(void)snprintf(row->error, sizeof(row->error),
		    "it was not started: %s: %.900s", j->exit.step,
		    j->exit.error);
		row->error[utf8_valid(row->error, strlen(row->error))] = '\0';
	}
}

void
job_ended(struct executor *x, struct job *j)
{
	const struct msg_job_exit	*e = &j->exit;
	struct db_job			*row = &j->row;

	if (j->cleaner != NULL)
		cleaner_finish(j->cleaner, &j->out, &j->dropped);
	cleaner_free(j->cleaner);
	j->cleaner = NULL;
	row->state = DBJOB_DONE;
	row->ended_at = core_wall(x);
	row->how = (enum job_end)e->how;
	row->signal = e->signal;
	row->exit_code = e->signal != 0 ? 128 + e->signal : e->status;
	if (row->how == JOB_END_REFUSED)
		row->exit_code = EXIT_NONE;
	row->duration_ms = e->wall_ms > INT64_MAX ? INT64_MAX :
	    (int64_t)e->wall_ms;
	row->user_us = e->user_us;
	row->system_us = e->system_us;
	row->maxrss_kb = e->maxrss_kb;
	row->output_len = j->out.len;
	row->output_dropped = j->dropped;
	end_error(j);
	job_set_state(x, j, JOB_DONE, "it ended");
	j->settle = SETTLE_ROW;
	job_settle(x, j);
	job_schedule(x);
}

static int
settle_row(struct executor *x, struct job *j)
{
	if (db_begin(x->db) == -1)
		return -1;
	if (db_job_put(x->db, &j->row) == -1 ||
	    db_job_put_output(x->db, j->row.id, j->out.data,
	    j->out.len) == -1 ||
	    db_seen_close(x->db, j->row.post_id) == -1) {
		db_rollback(x->db);
		return -1;
	}
	if (db_commit(x->db) == -1)
		return -1;
	j->is_saved = 1;
	return 0;
}

/* The row and the anchor, at once. */
static int
settle_finish(struct executor *x, struct job *j)
{
	int	 ok;

	if (j->is_rowless)
		return record_anchor(x, &j->ack);
	/* "done" may not have been possible: no state is left out. */
	if (j->state == JOB_DONE && !j->is_saved && settle_row(x, j) == -1)
		return -1;
	if (db_begin(x->db) == -1)
		return -1;
	j->row.state = j->state == JOB_DROPPED ? DBJOB_DROPPED :
	    DBJOB_FINISHED;
	ok = db_job_put(x->db, &j->row) == 0;
	if (ok && j->has_line)
		ok = record_anchor(x, &j->ack) == 0;
	if (ok && j->state == JOB_DROPPED)
		ok = db_seen_close(x->db, j->row.post_id) == 0;
	if (ok)
		ok = db_commit(x->db) == 0;
	else
		db_rollback(x->db);
	if (!ok && j->state == JOB_DONE)
		j->row.state = DBJOB_DONE;
	return ok ? 0 : -1;
}

static void
settle_again(struct executor *x, struct job *j, int64_t ms)
{
	j->retry = monotime_add(core_mono(x), ms);
	core_wake(x, j->retry);
}

static void
settle_acked(struct executor *x, void *arg, const struct msg_ack *ack)
{
	struct job	*j = arg;

	if (!ack->ok) {
		/* Nothing was written, so it can be sent once more. */
		j->settle = SETTLE_APPEND;
		if (j->tries++ == 0)
			refuse_dead(x, j->row.channel_id, j->row.root_id,
			    "the audit log takes no entries");
		settle_again(x, j, 5 * SETTLE_RETRY_MS);
		return;
	}
	j->has_line = 1;
	j->ack = *ack;
	j->row.result_seq = ack->seq;
	memcpy(j->row.result_hash, ack->line_hash, HASH_SIZE);
	j->settle = SETTLE_FINISH;
	j->tries = 0;
	job_settle(x, j);
}

static void
append_execution(struct executor *x, struct job *j)
{
	struct record_json	 json;
	struct msg_append	*m;
	unsigned char		 digest[crypto_hash_sha256_BYTES];
	char			 hex[sizeof(digest) * 2 + 1];
	static const char *const how[JOB_END_COUNT] = { "exited", "signaled",
	    "timeout", "cancelled", "shutdown", "refused" };

	m = record_new(x, AUDIT_EXECUTION);
	(void)strlcpy(m->execution_id, j->row.execution_id,
	    sizeof(m->execution_id));
	(void)strlcpy(m->script_name, j->row.script, sizeof(m->script_name));
	(void)strlcpy(m->user_id, j->row.user_id, sizeof(m->user_id));
	(void)strlcpy(m->channel_id, j->row.channel_id,
	    sizeof(m->channel_id));
	m->has_result = j->row.exit_code != EXIT_NONE;
	m->success = !j->row.unknown && j->row.how == JOB_END_EXITED &&
	    j->row.exit_code == 0;
	m->exit_code = j->row.exit_code;
	m->duration_ms = j->row.duration_ms;
	(void)strlcpy(m->error, j->row.error, sizeof(m->error));
	record_open(&json);
	record_int(&json, "job", (int64_t)j->row.id);
	record_str(&json, "how", j->row.unknown ? "unknown" :
	    how[j->row.how]);
	if (j->row.signal != 0)
		record_int(&json, "signal", j->row.signal);
	if (j->is_cancelled)
		record_str(&json, "cancelledBy", j->cancelled_by.id[0] != '\0' ?
		    j->cancelled_by.id : j->cancelled_by.name);
	record_int(&json, "outputBytes", (int64_t)j->out.len);
	if (j->row.output_dropped > 0)
		record_int(&json, "outputDropped",
		    (int64_t)j->row.output_dropped);
	(void)crypto_hash_sha256(digest, j->out.data, j->out.len);
	sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest));
	record_str(&json, "outputSha256", hex);
	(void)strlcpy(m->arguments, job_arguments(j, &json),
	    sizeof(m->arguments));
	record_close(&json, m->detail, sizeof(m->detail));
}

static void
append_denied(struct executor *x, struct job *j)
{
	struct record_json	 json;
	struct msg_append	*m;

	m = record_new(x, AUDIT_DENIED);
	(void)strlcpy(m->user_id, j->row.user_id, sizeof(m->user_id));
	(void)strlcpy(m->channel_id, j->row.channel_id,
	    sizeof(m->channel_id));
	record_open(&json);
	record_str(&json, "reason", reason_name(j->void_reason));
	record_str(&json, "message", j->row.error);
	record_str(&json, "command", j->row.script);
	record_str(&json, "postId", j->row.post_id);
	record_int(&json, "count", 1);
	record_int(&json, "job", (int64_t)j->row.id);
	record_close(&json, m->detail, sizeof(m->detail));
}

static void
settle_append(struct executor *x, struct job *j)
{
	j->settle = SETTLE_WAIT;
	if (j->state == JOB_DROPPED)
		append_denied(x, j);
	else
		append_execution(x, j);
	record_send(x, settle_acked, j);
}

/* The end of it all: a result that was shown is not shown again. */
static void
settle_told(struct executor *x, struct job *j)
{
	int	 ok = 1;

	if (!j->is_rowless)
		ok = db_job_put(x->db, &j->row) == 0;
	core_db_result(x, ok, "that a result was shown");
	if (!ok && ++j->tries < SETTLE_TRIES) {
		settle_again(x, j, SETTLE_RETRY_MS);
		return;
	}
	job_free(x, j);
	job_stop_check(x);
}

/* Goes on as far as it can now; what waits comes back by timer or ACK. */
void
job_settle(struct executor *x, struct job *j)
{
	int	 ok;

	if (j->settle == SETTLE_TOLD) {
		settle_told(x, j);
		return;
	}
	if (j->settle == SETTLE_ROW) {
		ok = settle_row(x, j) == 0;
		core_db_result(x, ok, "the end of a job");
		if (!ok && ++j->tries < SETTLE_TRIES) {
			settle_again(x, j, SETTLE_RETRY_MS);
			return;
		}
		j->tries = 0;
		j->settle = j->has_line ? SETTLE_FINISH : SETTLE_APPEND;
	}
	if (j->settle == SETTLE_APPEND) {
		settle_append(x, j);
		return;
	}
	if (j->settle != SETTLE_FINISH)
		return;
	ok = settle_finish(x, j) == 0;
	core_db_result(x, ok, "the record of a job");
	if (!ok && ++j->tries < SETTLE_TRIES) {
		settle_again(x, j, SETTLE_RETRY_MS);
		return;
	}
	j->settle = SETTLE_SHOW;
	if (j->state == JOB_DONE) {
		/* In the log at least; the row follows after a restart. */
		j->row.state = DBJOB_FINISHED;
		job_set_state(x, j, JOB_FINISHED, "recorded");
	}
	job_deliver(x, j);
}
