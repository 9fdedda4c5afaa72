/*
 * What the runner starts, when it ends it, and what it says about it.
 * Nothing here knows a process or a file; see struct runner_world.
 */
#include <sys/wait.h>

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "log.h"
#include "runner.h"

static const char *
state_name(enum runner_state s)
{
	static const char *const names[] = {
		"free", "starting", "running", "terminating", "killed"
	};

	return names[s];
}

/* The only writer of a job's state. */
static void
job_set_state(struct runner_job *j, enum runner_state state)
{
	static const uint8_t may[] = {
		[RUNNER_FREE] = 1 << RUNNER_STARTING,
		[RUNNER_STARTING] = 1 << RUNNER_RUNNING |
		    1 << RUNNER_KILLED | 1 << RUNNER_FREE,
		[RUNNER_RUNNING] = 1 << RUNNER_TERMINATING |
		    1 << RUNNER_KILLED | 1 << RUNNER_FREE,
		[RUNNER_TERMINATING] = 1 << RUNNER_KILLED | 1 << RUNNER_FREE,
		[RUNNER_KILLED] = 1 << RUNNER_FREE,
	};

	if ((may[j->state] & 1 << state) == 0)
		fatalx("job %llu: no way from %s to %s",
		    (unsigned long long)j->id, state_name(j->state),
		    state_name(state));
	log_debug("job %llu: %s -> %s", (unsigned long long)j->id,
	    state_name(j->state), state_name(state));
	j->state = state;
}

int
runner_fail(struct runner_error *e, const char *step, int error,
    const char *fmt, ...)
{
	va_list	 ap;
	size_t	 n;

	(void)strlcpy(e->step, step, sizeof(e->step));
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	if (error != 0)
		(void)snprintf(e->text + n, sizeof(e->text) - n, ": %s",
		    strerror(error));
	return -1;
}

void
runner_init(struct runner *r, const struct runner_world *world,
    struct allowlist *list, uint32_t max_jobs, int64_t grace_ms)
{
	memset(r, 0, sizeof(*r));
	r->world = world;
	r->list = list;
	r->generation = 1;
	r->max_jobs = max_jobs < RUNNER_JOBS_MAX ? max_jobs : RUNNER_JOBS_MAX;
	r->grace_ms = grace_ms;
}

void
runner_clear(struct runner *r)
{
	allowlist_free(r->list);
	allowlist_free(r->candidate);
	memset(r, 0, sizeof(*r));
}

/* One timer for all jobs: the earliest deadline. */
static void
set_timer(struct runner *r)
{
	monotime_t	 first = MONOTIME_NEVER;
	size_t		 i;

	for (i = 0; i < nitems(r->jobs); i++)
		if (r->jobs[i].state != RUNNER_FREE &&
		    monotime_sub(r->jobs[i].deadline, first) < 0)
			first = r->jobs[i].deadline;
	r->world->timer(r->world->arg, first);
}

/* The allowlist, in two steps: nobody commits before all have parsed. */

static void
drop_candidate(struct runner *r)
{
	allowlist_free(r->candidate);
	r->candidate = NULL;
	r->candidate_generation = 0;
}

void
runner_conf_file(struct runner *r, uint64_t generation, int fd)
{
	struct msg_conf	 answer;

	memset(&answer, 0, sizeof(answer));
	answer.generation = generation;
	drop_candidate(r);
	if (generation <= r->generation)
		r->world->broken(r->world->arg, "parent",
		    "an allowlist of an old generation");
	r->candidate = r->world->parse(r->world->arg, fd, answer.error,
	    sizeof(answer.error));
	if (r->candidate == NULL) {
		r->world->send_conf(r->world->arg, MSG_CONF_ERR, &answer);
		return;
	}
	r->candidate_generation = generation;
	answer.ok = 1;
	r->world->send_conf(r->world->arg, MSG_CONF_OK, &answer);
}

void
runner_conf_commit(struct runner *r, uint64_t generation)
{
	if (r->candidate == NULL || generation != r->candidate_generation) {
		r->world->broken(r->world->arg, "parent",
		    "commits an allowlist that was not offered");
		return;
	}
	/* Jobs that run hold nothing of the old one. */
	allowlist_free(r->list);
	r->list = r->candidate;
	r->candidate = NULL;
	r->candidate_generation = 0;
	r->generation = generation;
	log_info("allowlist of generation %llu, %zu scripts",
	    (unsigned long long)generation, r->list->n);
}

/* Nothing was offered, or it was refused here: nothing to drop then. */
void
runner_conf_abort(struct runner *r, uint64_t generation)
{
	if (r->candidate != NULL && generation == r->candidate_generation)
		drop_candidate(r);
}

/* Jobs. */

static struct runner_job *
job_find(struct runner *r, uint64_t id)
{
	size_t	 i;

	for (i = 0; i < nitems(r->jobs); i++)
		if (r->jobs[i].state != RUNNER_FREE && r->jobs[i].id == id)
			return &r->jobs[i];
	return NULL;
}

/* A slot of its own, or -1 when as many run as may. */
static int
job_slot(const struct runner *r)
{
	uint32_t	 i;

	for (i = 0; i < r->max_jobs; i++)
		if (r->jobs[i].state == RUNNER_FREE)
			return (int)i;
	return -1;
}

static void
send_refused(struct runner *r, uint64_t id, const struct runner_error *e)
{
	struct msg_job_exit	 m;

	memset(&m, 0, sizeof(m));
	m.job = id;
	m.how = JOB_END_REFUSED;
	(void)strlcpy(m.step, e->step, sizeof(m.step));
	(void)strlcpy(m.error, e->text, sizeof(m.error));
	log_warnx("job %llu: refused at %s: %s", (unsigned long long)id,
	    e->step, e->text);
	r->world->send_exit(r->world->arg, &m);
}

/*
 * The executor has decided; this looks again at what it said, against a
 * table that it cannot touch.  0 and the script, or -1 and why.
 */
static int
job_lookup(const struct runner *r, const struct msg_job_start *m,
    const struct script **script, struct runner_error *e)
{
	char	 why[512];

	if (r->stopping)
		return runner_fail(e, "stopping", 0,
		    "the daemon is about to end");
	if (m->generation != r->generation)
		return runner_fail(e, "generation", 0, "the allowlist has "
		    "changed meanwhile (generation %llu, not %llu); try again",
		    (unsigned long long)r->generation,
		    (unsigned long long)m->generation);
	if (m->script >= r->list->n)
		return runner_fail(e, "number", 0,
		    "the allowlist has no script %lu",
		    (unsigned long)m->script);
	*script = &r->list->scripts[m->script];
	if (!(*script)->enabled)
		return runner_fail(e, "enabled", 0, "%s is switched off",
		    (*script)->name);
	if (arguments_recheck(*script, &m->words, why, sizeof(why)) == -1)
		return runner_fail(e, "arguments", 0, "%s", why);
	return 0;
}

void
runner_job_start(struct runner *r, const struct msg_job_start *m,
    monotime_t now)
{
	const struct script	*script = NULL;
	struct runner_error	 e;
	struct runner_job	*j;
	int			 slot;

	memset(&e, 0, sizeof(e));
	if (job_find(r, m->job) != NULL) {
		r->world->broken(r->world->arg, "executor",
		    "starts a job that runs already");
		return;
	}
	if (job_lookup(r, m, &script, &e) == -1) {
		send_refused(r, m->job, &e);
		return;
	}
	slot = job_slot(r);
	if (slot == -1) {
		(void)runner_fail(&e, "jobs", 0, "%lu jobs run already, the "
		    "most that limits.maxJobs allows",
		    (unsigned long)r->max_jobs);
		send_refused(r, m->job, &e);
		return;
	}
	j = &r->jobs[slot];
	memset(j, 0, sizeof(*j));
	j->id = m->job;
	j->timeout_ms = script->timeout_ms;
	j->started = now;
	j->deadline = monotime_add(now, RUNNER_SETUP_MS);
	if (r->world->start(r->world->arg, slot, script, m, &e) == -1) {
		send_refused(r, m->job, &e);
		return;
	}
	job_set_state(j, RUNNER_STARTING);
	set_timer(r);
}

/* The script has not begun, or had its time after TERM. */
static void
job_kill(struct runner *r, struct runner_job *j)
{
	job_set_state(j, RUNNER_KILLED);
	j->deadline = MONOTIME_NEVER;
	r->world->kill(r->world->arg, (int)(j - r->jobs));
}

/* The first reason stays. */
static void
job_end(struct runner *r, struct runner_job *j, enum job_end reason,
    monotime_t now)
{
	if (j->state == RUNNER_STARTING && !j->has_reason) {
		j->has_reason = 1;
		j->reason = reason;
		job_kill(r, j);
	} else if (j->state == RUNNER_RUNNING) {
		j->has_reason = 1;
		j->reason = reason;
		job_set_state(j, RUNNER_TERMINATING);
		j->deadline = monotime_add(now, r->grace_ms);
		r->world->term(r->world->arg, (int)(j - r->jobs));
	}
}

void
runner_job_kill(struct runner *r, const struct msg_job_kill *m,
    monotime_t now)
{
	static const enum job_end ends[] = {
		[KILL_TIMEOUT] = JOB_END_TIMEOUT,
		[KILL_CANCEL] = JOB_END_CANCELLED,
		[KILL_SHUTDOWN] = JOB_END_SHUTDOWN,
	};
	struct runner_job	*j;

	j = job_find(r, m->job);
	/* It may have ended while the message was under way. */
	if (j == NULL)
		return;
	if (m->reason >= nitems(ends)) {
		r->world->broken(r->world->arg, "executor",
		    "ends a job for no known reason");
		return;
	}
	job_end(r, j, ends[m->reason], now);
	set_timer(r);
}

void
runner_started(struct runner *r, int slot, monotime_t now)
{
	struct runner_job	*j = &r->jobs[slot];

	/* Killed while it was being made: the script's instant is over. */
	if (j->state != RUNNER_STARTING)
		return;
	j->has_started = 1;
	j->started = now;
	job_set_state(j, RUNNER_RUNNING);
	j->deadline = monotime_add(now, j->timeout_ms);
	r->world->send_started(r->world->arg, slot, j->id);
	set_timer(r);
}

void
runner_failed(struct runner *r, int slot, const struct runner_error *e)
{
	struct runner_job	*j = &r->jobs[slot];

	if (j->state == RUNNER_FREE || j->has_started || j->has_failed)
		return;
	j->has_failed = 1;
	j->error = *e;
	/* It ends by itself; if not, there is the deadline. */
}

static uint64_t
usec(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000 + (uint64_t)tv->tv_usec;
}

/* How it ended, for a script that ran. */
static void
exit_ran(const struct runner_job *j, const struct runner_end *end,
    struct msg_job_exit *m)
{
	m->how = JOB_END_SIGNALED;
	if (!end->has_status) {
		/* The whole tree was killed, by us or from outside. */
		m->signal = SIGKILL;
		if (!j->has_reason)
			(void)strlcpy(m->error, "the sandbox was killed from "
			    "outside, perhaps for want of memory",
			    sizeof(m->error));
	} else if (WIFEXITED(end->status)) {
		m->how = JOB_END_EXITED;
		m->status = (uint8_t)WEXITSTATUS(end->status);
	} else {
		m->signal = (uint8_t)WTERMSIG(end->status);
	}
	if (j->has_reason)
		m->how = (uint8_t)j->reason;
}

/* And for one that did not: never to be taken for a script's own end. */
static void
exit_refused(struct runner_job *j, const struct runner_end *end,
    struct msg_job_exit *m)
{
	if (j->has_reason && !j->has_failed &&
	    j->reason != JOB_END_REFUSED) {
		m->how = (uint8_t)j->reason;
		m->signal = SIGKILL;
		return;
	}
	if (!j->has_failed) {
		if (j->has_reason)
			(void)runner_fail(&j->error, "setup", 0, "the sandbox "
			    "was not ready in %d seconds: is the machine "
			    "overloaded?", RUNNER_SETUP_MS / 1000);
		else
			(void)runner_fail(&j->error, "init", 0, "the "
			    "sandbox's first process ended by %s %d before "
			    "it said that the script runs",
			    WIFSIGNALED(end->init_status) ? "signal" :
			    "status", WIFSIGNALED(end->init_status) ?
			    WTERMSIG(end->init_status) :
			    WEXITSTATUS(end->init_status));
	}
	m->how = JOB_END_REFUSED;
	(void)strlcpy(m->step, j->error.step, sizeof(m->step));
	(void)strlcpy(m->error, j->error.text, sizeof(m->error));
	log_warnx("job %llu: refused at %s: %s", (unsigned long long)j->id,
	    m->step, m->error);
}

static void
check_stopped(struct runner *r)
{
	size_t	 i;

	if (!r->stopping)
		return;
	for (i = 0; i < nitems(r->jobs); i++)
		if (r->jobs[i].state != RUNNER_FREE)
			return;
	r->world->stopped(r->world->arg);
}

void
runner_ended(struct runner *r, int slot, const struct runner_end *end,
    monotime_t now)
{
	struct runner_job	*j = &r->jobs[slot];
	struct msg_job_exit	 m;

	memset(&m, 0, sizeof(m));
	m.job = j->id;
	if (j->has_started) {
		m.wall_ms = (uint64_t)monotime_sub(now, j->started);
		m.user_us = usec(&end->usage.ru_utime);
		m.system_us = usec(&end->usage.ru_stime);
		m.maxrss_kb = (uint64_t)end->usage.ru_maxrss;
		exit_ran(j, end, &m);
	} else {
		exit_refused(j, end, &m);
	}
	job_set_state(j, RUNNER_FREE);
	set_timer(r);
	r->world->send_exit(r->world->arg, &m);
	check_stopped(r);
}

/* A job's deadline has come; what that means depends on its state. */
static void
job_tick(struct runner *r, struct runner_job *j, monotime_t now)
{
	switch (j->state) {
	case RUNNER_STARTING:
		j->has_reason = 1;
		j->reason = JOB_END_REFUSED;
		job_kill(r, j);
		break;
	case RUNNER_RUNNING:
		job_end(r, j, JOB_END_TIMEOUT, now);
		break;
	case RUNNER_TERMINATING:
		job_kill(r, j);
		break;
	case RUNNER_KILLED:
	case RUNNER_FREE:
		break;
	}
}

void
runner_tick(struct runner *r, monotime_t now)
{
	size_t	 i;

	for (i = 0; i < nitems(r->jobs); i++)
		if (r->jobs[i].state != RUNNER_FREE &&
		    monotime_sub(r->jobs[i].deadline, now) <= 0)
			job_tick(r, &r->jobs[i], now);
	set_timer(r);
}

void
runner_stop(struct runner *r, int now_dead, monotime_t now)
{
	struct runner_job	*j;
	size_t			 i;

	r->stopping = 1;
	for (i = 0; i < nitems(r->jobs); i++) {
		j = &r->jobs[i];
		if (j->state == RUNNER_FREE)
			continue;
		job_end(r, j, JOB_END_SHUTDOWN, now);
		if (now_dead && j->state == RUNNER_TERMINATING)
			job_kill(r, j);
	}
	set_timer(r);
	check_stopped(r);
}
