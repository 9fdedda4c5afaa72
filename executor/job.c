/*
 * Jobs: admission, the queue, start, output, cancelling, deadlines.  What
 * happens after the end of a run is in job_end.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"
#include "log.h"

#define JOB_DRAIN_MS	1000	/* for a pipe after its job's exit */
#define JOB_UNTOLD_MAX	64	/* results that wait to be shown */

static const char *const job_states[JOB_STATE_COUNT] = {
	[JOB_NEW] = "new",
	[JOB_QUEUED] = "queued",
	[JOB_CHECKING] = "checking",
	[JOB_INTENT] = "intent",
	[JOB_RUNNING] = "running",
	[JOB_DONE] = "done",
	[JOB_FINISHED] = "finished",
	[JOB_DROPPED] = "dropped"
};

#define TO(s)	(1U << JOB_##s)
static const uint32_t job_moves[JOB_STATE_COUNT] = {
	/* DONE and FINISHED: taken up again after a restart. */
	[JOB_NEW] = TO(QUEUED) | TO(INTENT) | TO(DONE) | TO(FINISHED),
	[JOB_QUEUED] = TO(CHECKING) | TO(DROPPED),
	[JOB_CHECKING] = TO(INTENT) | TO(DROPPED),
	[JOB_INTENT] = TO(RUNNING) | TO(DONE) | TO(DROPPED),
	[JOB_RUNNING] = TO(DONE),
	[JOB_DONE] = TO(FINISHED),
	[JOB_FINISHED] = 0,
	[JOB_DROPPED] = 0
};
#undef TO

const char *
job_state_name(enum job_state state)
{
	return job_states[state];
}

void
job_set_state(struct executor *x, struct job *j, enum job_state state,
    const char *why)
{
	if (!(job_moves[j->state] & (1U << state)))
		fatalx("job %" PRIu64 ": %s to %s is no move", j->row.id,
		    job_states[j->state], job_states[state]);
	log_debug("job %" PRIu64 ": %s -> %s (%s)", j->row.id,
	    job_states[j->state], job_states[state], why);
	x->nqueued -= j->state == JOB_QUEUED;
	x->nrunning -= j->state >= JOB_CHECKING && j->state <= JOB_RUNNING;
	j->state = state;
	x->nqueued += j->state == JOB_QUEUED;
	x->nrunning += j->state >= JOB_CHECKING && j->state <= JOB_RUNNING;
}

struct job *
job_new(struct executor *x)
{
	struct job	*j;

	if ((j = calloc(1, sizeof(*j))) == NULL)
		fatal("calloc");
	j->deadline = j->retry = j->drain = MONOTIME_NEVER;
	j->queued_at = core_mono(x);
	j->max = 1;
	buf_init(&j->out, x->conf->output_max);
	TAILQ_INSERT_TAIL(&x->jobs, j, entry);
	x->njobs++;
	return j;
}

static void
job_forget_words(struct job *j)
{
	freezero(j->args, sizeof(*j->args));
	freezero(j->typed, sizeof(*j->typed));
	j->args = NULL;
	j->typed = NULL;
}

void
job_free(struct executor *x, struct job *j)
{
	ask_forget(x, j);
	if (j->is_watched)
		x->w.unwatch(x->w.arg, j->row.id);
	x->nqueued -= j->state == JOB_QUEUED;
	x->nrunning -= j->state >= JOB_CHECKING && j->state <= JOB_RUNNING;
	TAILQ_REMOVE(&x->jobs, j, entry);
	x->njobs--;
	job_forget_words(j);
	cleaner_free(j->cleaner);
	buf_free(&j->out);
	free(j);
}

void
job_free_all(struct executor *x)
{
	while (!TAILQ_EMPTY(&x->jobs))
		job_free(x, TAILQ_FIRST(&x->jobs));
}

struct job *
job_find(struct executor *x, uint64_t id)
{
	struct job	*j;

	TAILQ_FOREACH(j, &x->jobs, entry)
		if (j->row.id == id)
			return j;
	return NULL;
}

struct job *
job_by_status_post(struct executor *x, const char *post_id)
{
	struct job	*j;

	TAILQ_FOREACH(j, &x->jobs, entry)
		if (strcmp(j->row.status_post, post_id) == 0)
			return j;
	return NULL;
}

/* Its starter, an admin, or who may run that script here. */
int
job_may_see(struct executor *x, const struct cmd *c, const struct db_job *row)
{
	long	 n;

	if (strcmp(row->user_id, c->in.user_id) == 0 ||
	    c->user.level == LEVEL_ADMIN)
		return 1;
	if (x->al == NULL || (n = allowlist_find(x->al, row->script)) == -1)
		return 0;
	return command_may_script(x, c, &x->al->scripts[n]);
}

static int
is_on(const struct job *j)
{
	return j->state >= JOB_CHECKING && j->state <= JOB_RUNNING;
}

/* Is there room for it now? */
static int
may_start(struct executor *x, const struct job *j)
{
	const struct job	*o;
	uint32_t		 same = 0;

	if (x->is_stopping || !x->is_audit_ok || !x->is_db_ok ||
	    x->nrunning >= x->conf->max_jobs)
		return 0;
	TAILQ_FOREACH(o, &x->jobs, entry) {
		if (o == j || !is_on(o))
			continue;
		if (strcmp(o->row.script, j->row.script) == 0)
			same++;
		/* Without async, jobs of one user come one by one. */
		if (!j->async && !o->async &&
		    strcmp(o->row.user_id, j->row.user_id) == 0)
			return 0;
	}
	return same < j->max;
}

static uint32_t
count_queued(struct executor *x, const char *script)
{
	const struct job	*o;
	uint32_t		 n = 0;

	TAILQ_FOREACH(o, &x->jobs, entry)
		n += o->state == JOB_QUEUED &&
		    strcmp(o->row.script, script) == 0;
	return n;
}

/* The command's part of the row. */
static void
job_fill(struct executor *x, struct job *j, const struct cmd *c,
    const struct script *s)
{
	struct db_job	*row = &j->row;

	row->id = x->next_job;
	(void)strlcpy(row->execution_id, c->execution_id,
	    sizeof(row->execution_id));
	(void)strlcpy(row->post_id, c->in.post_id, sizeof(row->post_id));
	(void)strlcpy(row->user_id, c->in.user_id, sizeof(row->user_id));
	(void)strlcpy(row->username, c->account.username,
	    sizeof(row->username));
	(void)strlcpy(row->channel_id, c->in.channel_id,
	    sizeof(row->channel_id));
	(void)strlcpy(row->root_id, c->root_id, sizeof(row->root_id));
	(void)strlcpy(row->script, s->name, sizeof(row->script));
	row->dry_run = c->dry_run;
	row->created_at = core_wall(x);
	j->channel_type = (char)c->in.channel_type;
	(void)strlcpy(j->channel_name, c->in.channel_name,
	    sizeof(j->channel_name));
	j->generation = x->generation;
	j->timeout_ms = s->timeout_ms;
	j->max = s->concurrency_max;
	j->async = s->async;
}

/* It has to wait: its row takes over from the claim, in one transaction. */
static int
job_save_queued(struct executor *x, struct job *j)
{
	int	 ok;

	j->row.state = DBJOB_QUEUED;
	if (db_begin(x->db) == -1)
		return -1;
	ok = db_job_put(x->db, &j->row) == 0 &&
	    db_seen_close(x->db, j->row.post_id) == 0;
	if (!ok) {
		db_rollback(x->db);
		return -1;
	}
	return db_commit(x->db);
}

void
job_admit(struct executor *x, struct cmd *c, const struct script *s,
    uint32_t number, struct arguments *args, struct words *typed)
{
	char		 key[RATE_KEY_SIZE];
	struct job	*j;
	int		 now;

	j = job_new(x);
	job_fill(x, j, c, s);
	(void)strlcpy(j->row.arguments, args->json, sizeof(j->row.arguments));
	j->script = number;
	j->args = args;
	j->typed = typed;
	/* Whoever waits could not start either, or he would have. */
	now = may_start(x, j);
	if ((!now && (count_queued(x, s->name) >= s->concurrency_queue ||
	    x->nqueued >= x->conf->max_queue)) || x->njobs >
	    (size_t)x->conf->max_jobs + x->conf->max_queue + JOB_UNTOLD_MAX) {
		job_free(x, j);
		refuse(x, c, REASON_BUSY, "too many jobs of %s are waiting "
		    "already, try again later", s->name);
		return;
	}
	x->next_job++;
	(void)snprintf(key, sizeof(key), "%s/%s", c->in.user_id, s->name);
	if (rate_take(x->rate, RATE_SCRIPT, key, &s->rate,
	    core_mono(x)) == -1 || (!now && job_save_queued(x, j) == -1)) {
		core_db_result(x, 0, "a new job");
		refuse_dead(x, c->in.channel_id, c->root_id,
		    "the database fails");
		job_free(x, j);
		command_end(x, c);
		return;
	}
	/* The job keeps the claim and closes it with its row. */
	c->in.post_id[0] = '\0';
	command_end(x, c);
	if (now)
		job_intent(x, j);
	else {
		job_set_state(x, j, JOB_QUEUED, "no room yet");
		job_show(x, j);
		core_wake(x, monotime_add(core_mono(x), 1000));
	}
}

/* Does the database write again?  Nobody else may be there to find out. */
static void
job_probe(struct executor *x)
{
	struct job	*j;

	TAILQ_FOREACH(j, &x->jobs, entry)
		if (j->state == JOB_QUEUED) {
			core_db_result(x, db_job_put(x->db, &j->row) == 0,
			    "a job that waits");
			return;
		}
}

/* Whoever waits longest and has room goes on. */
void
job_schedule(struct executor *x)
{
	struct job	*j, *tmp;

	if (x->nqueued == 0)
		return;
	if (!x->is_db_ok)
		job_probe(x);
	TAILQ_FOREACH_SAFE(j, &x->jobs, entry, tmp)
		if (j->state == JOB_QUEUED && may_start(x, j))
			job_check(x, j);
}

void
job_started(struct executor *x, const struct msg_job_started *m, int fd)
{
	struct job	*j = job_find(x, m->job);

	if (j == NULL || j->state != JOB_RUNNING || j->cleaner != NULL) {
		if (fd != -1)
			(void)close(fd);
		x->w.exit(x->w.arg, "runner started what it was not told to");
		return;
	}
	if ((j->cleaner = cleaner_new(&j->args->secrets)) == NULL)
		fatal("cleaner_new");
	job_forget_words(j);
	j->is_watched = 1;
	x->w.watch(x->w.arg, j->row.id, fd);
	j->edit_at = monotime_add(core_mono(x), 1000);
	core_wake(x, j->edit_at);
}

void
executor_output(struct executor *x, uint64_t job, const void *data, size_t n)
{
	struct job	*j = job_find(x, job);

	if (j == NULL || !j->is_watched)
		return;
	if (n > 0) {
		cleaner_feed(j->cleaner, data, n, &j->out, &j->dropped);
		return;
	}
	j->is_watched = 0;
	x->w.unwatch(x->w.arg, job);
	if (j->has_exit)
		job_ended(x, j);
}

void
job_exit(struct executor *x, const struct msg_job_exit *m)
{
	struct job	*j = job_find(x, m->job);

	if (j == NULL || j->state != JOB_RUNNING || j->has_exit) {
		x->w.exit(x->w.arg, "runner ended what was not running");
		return;
	}
	j->has_exit = 1;
	j->exit = *m;
	if (!j->is_watched)
		job_ended(x, j);
	else {
		/* Somebody may hold the pipe open; he had his time. */
		j->drain = monotime_add(core_mono(x), JOB_DRAIN_MS);
		core_wake(x, j->drain);
	}
}

static void
job_kill(struct executor *x, struct job *j, enum kill_reason reason)
{
	struct msg_job_kill	 m;

	memset(&m, 0, sizeof(m));
	m.job = j->row.id;
	m.reason = (uint8_t)reason;
	x->w.send(x->w.arg, ROLE_RUNNER, MSG_JOB_KILL, 0, -1, &m);
	j->kills++;
	j->deadline = monotime_add(core_mono(x), x->conf->cancel_grace_ms +
	    JOB_MARGIN_MS);
	core_wake(x, j->deadline);
}

void
job_cancel(struct executor *x, struct job *j, const struct actor *by)
{
	char	 why[128];

	if (j->is_cancelled || j->state > JOB_RUNNING)
		return;
	j->is_cancelled = 1;
	j->cancelled_by = *by;
	(void)snprintf(why, sizeof(why), "cancelled by %s", by->name);
	log_debug("job %" PRIu64 ": %s", j->row.id, why);
	if (j->state == JOB_QUEUED || j->state == JOB_CHECKING)
		job_drop(x, j, REASON_CANCELLED, why);
	else if (j->state == JOB_RUNNING && !j->has_exit && j->kills == 0)
		job_kill(x, j, KILL_CANCEL);
}

/* The runner has its own deadline; ours only sees that it keeps it. */
static void
job_overdue(struct executor *x, struct job *j)
{
	char	 why[96];

	if (j->kills == 0) {
		log_warnx("job %" PRIu64 " is over its time", j->row.id);
		job_kill(x, j, KILL_TIMEOUT);
		return;
	}
	(void)snprintf(why, sizeof(why), "runner does not end job %" PRIu64,
	    j->row.id);
	x->w.exit(x->w.arg, why);
}

static void
earlier(monotime_t *next, monotime_t at)
{
	if (at.ms < next->ms)
		*next = at;
}

/* One job's timers.  It may be freed. */
static void
job_tick_one(struct executor *x, struct job *j, monotime_t now)
{
	if (j->retry.ms <= now.ms) {
		j->retry = MONOTIME_NEVER;
		job_settle(x, j);
	} else if (j->state == JOB_RUNNING && j->drain.ms <= now.ms) {
		j->is_watched = 0;
		x->w.unwatch(x->w.arg, j->row.id);
		job_ended(x, j);
	} else if (j->state == JOB_RUNNING && !j->has_exit &&
	    j->deadline.ms <= now.ms)
		job_overdue(x, j);
	else if (j->state == JOB_RUNNING)
		job_edit(x, j);
	else if (j->state == JOB_INTENT && !j->is_void &&
	    j->deadline.ms <= now.ms) {
		j->is_void = 1;
		j->deadline = MONOTIME_NEVER;
		refuse_dead(x, j->row.channel_id, j->row.root_id,
		    "the audit log does not answer");
	}
}

static void
stop_tick(struct executor *x, monotime_t now)
{
	struct job	*j;

	if (!x->is_stopping || x->is_over)
		return;
	if (now.ms >= x->stop_kill.ms) {
		x->stop_kill = MONOTIME_NEVER;
		TAILQ_FOREACH(j, &x->jobs, entry)
			if (j->state == JOB_RUNNING && !j->has_exit &&
			    j->kills == 0)
				job_kill(x, j, KILL_SHUTDOWN);
	}
	if (now.ms >= x->stop_end.ms) {
		/* What is not told yet is told after the next start. */
		x->is_over = 1;
		x->w.exit(x->w.arg, NULL);
	}
}

void
job_tick(struct executor *x, monotime_t *next)
{
	monotime_t	 now = core_mono(x);
	struct job	*j, *tmp;

	TAILQ_FOREACH_SAFE(j, &x->jobs, entry, tmp)
		job_tick_one(x, j, now);
	stop_tick(x, now);
	job_schedule(x);
	TAILQ_FOREACH(j, &x->jobs, entry) {
		earlier(next, j->retry);
		if (j->state == JOB_RUNNING) {
			earlier(next, j->drain);
			if (!j->is_posting)
				earlier(next, j->edit_at);
		}
		if (j->state == JOB_INTENT ||
		    (j->state == JOB_RUNNING && !j->has_exit))
			earlier(next, j->deadline);
	}
	if (x->nqueued > 0)
		earlier(next, monotime_add(now, 1000));
	earlier(next, x->stop_kill);
	earlier(next, x->stop_end);
	job_stop_check(x);
}

/* The last job is told: nothing keeps us. */
void
job_stop_check(struct executor *x)
{
	if (!x->is_stopping || x->is_over || x->njobs > 0 ||
	    x->nappends > 0 || !TAILQ_EMPTY(&x->deliveries))
		return;
	x->is_over = 1;
	x->w.exit(x->w.arg, NULL);
}

void
job_stop(struct executor *x)
{
	struct job	*j, *tmp;
	monotime_t	 now = core_mono(x);

	if (x->is_stopping)
		return;
	log_info("stopping: %zu running, %zu waiting", x->nrunning,
	    x->nqueued);
	x->is_stopping = 1;
	x->stop_kill = monotime_add(now, x->conf->stop_timeout_ms);
	x->stop_end = monotime_add(x->stop_kill, x->conf->cancel_grace_ms +
	    JOB_MARGIN_MS / 2);
	refuse_flush(x);
	TAILQ_FOREACH_SAFE(j, &x->jobs, entry, tmp)
		if (j->state == JOB_QUEUED || j->state == JOB_CHECKING)
			job_drop(x, j, REASON_STOPPING,
			    "the bot is being stopped");
	core_wake(x, x->stop_kill);
	job_stop_check(x);
}
