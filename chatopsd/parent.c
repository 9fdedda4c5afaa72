/*
 * The parent's core.  It starts the children in the order of what they need
 * (the log before anything that must be recorded, the network last), ends
 * everybody when one of them ends, and moves a new allowlist in two steps:
 * nobody commits before everybody has parsed.
 */
#include <sys/wait.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "compat.h"
#include "confine.h"
#include "log.h"
#include "parent.h"

static const enum role start_order[] = {
	ROLE_AUDIT, ROLE_RUNNER, ROLE_EXECUTOR, ROLE_NETWORK
};
/*
 * The executor first: it takes no new commands, ends what runs and has the
 * results told and recorded, for which it needs all the others.
 */
static const enum role stop_order[] = {
	ROLE_EXECUTOR, ROLE_NETWORK, ROLE_RUNNER, ROLE_AUDIT
};

static void	 start_next(struct parent *);
static void	 stop_next(struct parent *);

void
parent_init(struct parent *p, const struct parent_conf *conf,
    const struct parent_world *world, void *arg)
{
	memset(p, 0, sizeof(*p));
	p->state = PARENT_NEW;
	p->world = world;
	p->arg = arg;
	p->conf = *conf;
	p->generation = p->tried = 1;
}

static const char *
state_name(enum parent_state state)
{
	static const char *const names[] = {
		"new", "starting", "running", "stopping", "dying", "done"
	};

	return names[state];
}

/* The only writer of the state: forward, and from anywhere to the end. */
static void
set_state(struct parent *p, enum parent_state state)
{
	if (state <= p->state)
		fatalx("parent: no way from %s to %s", state_name(p->state),
		    state_name(state));
	log_debug("parent: %s -> %s", state_name(p->state),
	    state_name(state));
	p->state = state;
}

static int
is_alive(const struct parent *p, enum role role)
{
	return p->child[role].state != CHILD_NONE &&
	    p->child[role].state != CHILD_GONE;
}

static int
is_any_alive(const struct parent *p)
{
	size_t	 i;

	for (i = 0; i < nitems(start_order); i++)
		if (is_alive(p, start_order[i]))
			return 1;
	return 0;
}

static void
finish(struct parent *p)
{
	int	 i;

	for (i = 0; i < PARENT_TIMER_COUNT; i++)
		p->world->timer(p->arg, i, 0);
	set_state(p, PARENT_DONE);
	p->world->finish(p->arg, p->status);
}

/*
 * Half a daemon is worse than none: every channel is closed, which ends
 * the others, and who is still there after that is killed.
 */
void
parent_die(struct parent *p)
{
	size_t	 i;

	if (p->state >= PARENT_DYING)
		return;
	set_state(p, PARENT_DYING);
	p->status = 1;
	for (i = 0; i < PARENT_TIMER_COUNT; i++)
		p->world->timer(p->arg, i, 0);
	for (i = 0; i < nitems(start_order); i++)
		if (is_alive(p, start_order[i]))
			p->world->hangup(p->arg, start_order[i]);
	if (!is_any_alive(p)) {
		finish(p);
		return;
	}
	p->world->timer(p->arg, PARENT_TIMER_DEATH, PARENT_DEATH_MS);
}

/* Start, one child at a time. */

void
parent_names(uint32_t bits, char *out, size_t size)
{
	static const struct {
		uint32_t	 bit;
		const char	*name;
	} names[] = {
		{ CONFINED_NNP,		"no_new_privs" },
		{ CONFINED_SECCOMP,	"seccomp" },
		{ CONFINED_LANDLOCK,	"landlock" },
		{ CONFINED_CAPS,	"capabilities" },
		{ CONFINED_DUMPABLE,	"non-dumpable" },
		{ CONFINED_RLIMITS,	"rlimits" },
		{ CONFINED_UID,		"own-user" },
	};
	size_t	 i;

	out[0] = '\0';
	for (i = 0; i < nitems(names); i++) {
		if ((bits & names[i].bit) == 0)
			continue;
		if (out[0] != '\0')
			(void)strlcat(out, " ", size);
		(void)strlcat(out, names[i].name, size);
	}
}

void
parent_start(struct parent *p)
{
	set_state(p, PARENT_STARTING);
	p->step = 0;
	start_next(p);
}

/* The executor answers for all of us when somebody asks for the status. */
static void
tell_executor(struct parent *p)
{
	struct msg_process	 m;
	struct parent_child	*c;
	int			 role;

	for (role = ROLE_PARENT; role <= ROLE_AUDIT; role++) {
		c = &p->child[role];
		memset(&m, 0, sizeof(m));
		m.role = (uint8_t)role;
		m.pid = (uint32_t)c->pid;
		m.reached = c->ready.reached;
		m.landlock_abi = c->ready.landlock_abi;
		(void)strlcpy(m.note, c->ready.note, sizeof(m.note));
		p->world->send(p->arg, ROLE_EXECUTOR, MSG_PROCESS, 0, -1, &m);
	}
}

static void
start_next(struct parent *p)
{
	enum role	 role;
	long		 pid = -1;

	if (p->step == nitems(start_order)) {
		p->world->timer(p->arg, PARENT_TIMER_READY, 0);
		p->child[ROLE_PARENT].pid = p->conf.pid;
		if (p->world->confine(p->arg,
		    &p->child[ROLE_PARENT].ready) == -1) {
			parent_die(p);
			return;
		}
		set_state(p, PARENT_RUNNING);
		log_info("started: all processes are ready");
		tell_executor(p);
		p->world->notify(p->arg, PARENT_NOTE_READY);
		return;
	}
	role = start_order[p->step];
	p->world->timer(p->arg, PARENT_TIMER_READY, PARENT_READY_MS);
	if (p->world->spawn(p->arg, role, &pid) == -1) {
		parent_die(p);
		return;
	}
	p->child[role].state = CHILD_GREETING;
	p->child[role].pid = pid;
}

static void
got_hello(struct parent *p, enum role role, const struct msg_hello *hello)
{
	struct parent_child	*c = &p->child[role];

	if (c->state != CHILD_GREETING || hello->role != (uint8_t)role) {
		log_warnx("%s (process %ld): a greeting that was not due",
		    role_name(role), c->pid);
		parent_die(p);
		return;
	}
	if (strcmp(hello->build, p->conf.build) != 0) {
		log_warnx("%s is of another build than this chatopsd: install "
		    "all programs of one build", role_name(role));
		parent_die(p);
		return;
	}
	if (p->world->equip(p->arg, role) == -1) {
		parent_die(p);
		return;
	}
	c->state = CHILD_SETUP;
}

static void
got_ready(struct parent *p, enum role role, const struct msg_ready *ready)
{
	struct parent_child	*c = &p->child[role];
	uint32_t		 missing;
	char			 names[128];

	if (c->state != CHILD_SETUP || p->state != PARENT_STARTING) {
		if (p->state >= PARENT_STOPPING)
			return;
		log_warnx("%s (process %ld): ready before it was due",
		    role_name(role), c->pid);
		parent_die(p);
		return;
	}
	missing = confine_required(role, p->conf.is_root) & ~ready->reached;
	parent_names(missing, names, sizeof(names));
	if (missing != 0 && !p->conf.allow_unconfined) {
		log_warnx("%s could not be confined: without %s%s%s: use a "
		    "kernel that has it, or set allowUnconfined in the "
		    "configuration and live with the risk", role_name(role),
		    names, ready->note[0] != '\0' ? ": " : "", ready->note);
		parent_die(p);
		return;
	}
	if (missing != 0)
		log_warnx("WARNING: %s RUNS UNCONFINED: without %s%s%s "
		    "(allowUnconfined is set)", role_name(role), names,
		    ready->note[0] != '\0' ? ": " : "", ready->note);
	c->state = CHILD_READY;
	c->ready = *ready;
	log_debug("%s is ready, landlock ABI %u", role_name(role),
	    ready->landlock_abi);
	p->step++;
	start_next(p);
}

/* Reload: executor and runner parse, then the runner commits first. */

static const enum role reloaders[] = { ROLE_RUNNER, ROLE_EXECUTOR };

static void
reload_done(struct parent *p)
{
	struct msg_conf	 result;
	int		 ok = p->reload_error[0] == '\0';

	p->reloading = 0;
	p->world->timer(p->arg, PARENT_TIMER_RELOAD, 0);
	if (ok)
		log_info("reload: generation %llu of the allowlist is in "
		    "force", (unsigned long long)p->generation);
	else
		log_warnx("reload refused, generation %llu of the allowlist "
		    "stays: %s", (unsigned long long)p->generation,
		    p->reload_error);
	/* After a signal nobody waits for it; the executor notes it. */
	memset(&result, 0, sizeof(result));
	result.generation = p->generation;
	result.ok = ok;
	(void)strlcpy(result.error, p->reload_error, sizeof(result.error));
	p->world->send(p->arg, ROLE_EXECUTOR, MSG_RELOAD_RESULT,
	    p->reload_id, -1, &result);
	p->reload_id = 0;
	p->world->notify(p->arg, PARENT_NOTE_READY);
	if (p->again) {
		p->again = 0;
		parent_reload(p);
	}
}

static void
reload_decide(struct parent *p, enum msg_type decision)
{
	struct msg_conf	 conf;
	size_t		 i;

	memset(&conf, 0, sizeof(conf));
	conf.generation = p->tried;
	conf.ok = decision == MSG_CONF_COMMIT;
	(void)strlcpy(conf.error, p->reload_error, sizeof(conf.error));
	for (i = 0; i < nitems(reloaders); i++)
		p->world->send(p->arg, reloaders[i], decision, 0, -1, &conf);
	if (decision == MSG_CONF_COMMIT)
		p->generation = p->tried;
	reload_done(p);
}

static void
reload_begin(struct parent *p)
{
	struct msg_conf	 conf;
	int		 fds[nitems(reloaders)];
	size_t		 i;

	p->reloading = 1;
	p->reload_error[0] = '\0';
	p->world->notify(p->arg, PARENT_NOTE_RELOADING);
	/* One description each: they read at the same time. */
	for (i = 0; i < nitems(reloaders); i++) {
		fds[i] = p->world->open_allowlist(p->arg, p->reload_error,
		    sizeof(p->reload_error));
		if (fds[i] == -1) {
			while (i > 0)
				p->world->discard(p->arg, fds[--i]);
			reload_done(p);
			return;
		}
	}
	p->tried++;
	memset(&conf, 0, sizeof(conf));
	conf.generation = p->tried;
	p->world->timer(p->arg, PARENT_TIMER_RELOAD, PARENT_RELOAD_MS);
	for (i = 0; i < nitems(reloaders); i++) {
		p->child[reloaders[i]].answered = 0;
		p->world->send(p->arg, reloaders[i], MSG_CONF_FILE, 0, fds[i],
		    &conf);
	}
}

/* The signal: one more reload is remembered while one is under way. */
void
parent_reload(struct parent *p)
{
	if (p->state != PARENT_RUNNING) {
		log_warnx("no reload while %s", state_name(p->state));
		return;
	}
	if (p->reloading) {
		p->again = 1;
		return;
	}
	reload_begin(p);
}

static void
got_reload(struct parent *p, uint32_t id, const struct msg_reload *reload)
{
	struct msg_conf	 result;

	if (p->state == PARENT_RUNNING && !p->reloading) {
		log_info("reload asked for by %s", reload->by);
		p->reload_id = id;
		reload_begin(p);
		return;
	}
	memset(&result, 0, sizeof(result));
	result.generation = p->generation;
	(void)strlcpy(result.error, p->reloading ?
	    "a reload is already under way" : "the daemon is not running",
	    sizeof(result.error));
	p->world->send(p->arg, ROLE_EXECUTOR, MSG_RELOAD_RESULT, id, -1,
	    &result);
}

static void
got_conf(struct parent *p, enum role role, const struct msg_conf *conf,
    int ok)
{
	struct parent_child	*c = &p->child[role];
	size_t			 i;

	/* An answer to an attempt that was given up before. */
	if (conf->generation < p->tried ||
	    (conf->generation == p->tried && !p->reloading)) {
		log_debug("%s: late answer to generation %llu",
		    role_name(role), (unsigned long long)conf->generation);
		return;
	}
	if (conf->generation > p->tried || c->answered) {
		log_warnx("%s (process %ld): an answer to a reload that was "
		    "not asked for", role_name(role), c->pid);
		parent_die(p);
		return;
	}
	c->answered = 1;
	if (!ok && p->reload_error[0] == '\0')
		(void)strlcpy(p->reload_error, conf->error[0] != '\0' ?
		    conf->error : "no reason given", sizeof(p->reload_error));
	for (i = 0; i < nitems(reloaders); i++)
		if (!p->child[reloaders[i]].answered)
			return;
	reload_decide(p, p->reload_error[0] == '\0' ? MSG_CONF_COMMIT :
	    MSG_CONF_ABORT);
}

/* Stop, one child at a time, each within its time. */

void
parent_stop(struct parent *p, const char *why)
{
	size_t	 i;

	if (p->state >= PARENT_STOPPING)
		return;
	log_info("stopping: %s", why);
	set_state(p, PARENT_STOPPING);
	p->world->notify(p->arg, PARENT_NOTE_STOPPING);
	for (i = 0; i < PARENT_TIMER_COUNT; i++)
		p->world->timer(p->arg, i, 0);
	/* Whoever is still being set up has nothing to finish. */
	for (i = 0; i < nitems(start_order); i++)
		if (is_alive(p, start_order[i]) &&
		    p->child[start_order[i]].state != CHILD_READY)
			p->world->kill(p->arg, start_order[i]);
	p->step = 0;
	stop_next(p);
}

static void
stop_next(struct parent *p)
{
	enum role	 role;
	int64_t		 ms;

	while (p->step < nitems(stop_order) &&
	    !is_alive(p, stop_order[p->step]))
		p->step++;
	if (p->step == nitems(stop_order)) {
		log_info("stopped");
		finish(p);
		return;
	}
	role = stop_order[p->step];
	ms = PARENT_STOP_MS;
	if (role == ROLE_EXECUTOR)
		ms += p->conf.executor_stop_ms;
	p->world->timer(p->arg, PARENT_TIMER_STOP, ms);
	if (p->child[role].state != CHILD_READY || p->child[role].asked)
		return;
	p->child[role].asked = 1;
	log_debug("%s: asked to stop", role_name(role));
	p->world->send(p->arg, role, MSG_STOP, 0, -1, NULL);
}

/* Ends of children, by their own will or not. */

static void
describe_end(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		(void)snprintf(out, size, "killed by signal %d (%s)%s",
		    WTERMSIG(status), strsignal(WTERMSIG(status)),
		    WTERMSIG(status) == SIGSYS ?
		    ": it made a system call that its confinement forbids" :
		    "");
	else
		(void)snprintf(out, size, "ended with status %d",
		    WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static void
exited_in_stop(struct parent *p, enum role role, int status)
{
	char	 how[128];

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		describe_end(status, how, sizeof(how));
		log_warnx("%s (process %ld) %s during the stop",
		    role_name(role), p->child[role].pid, how);
		p->status = 1;
	}
	stop_next(p);
}

void
parent_exited(struct parent *p, enum role role, int status)
{
	char	 how[128];

	if (!is_alive(p, role))
		return;
	p->child[role].state = CHILD_GONE;
	describe_end(status, how, sizeof(how));
	switch (p->state) {
	case PARENT_STOPPING:
		exited_in_stop(p, role, status);
		break;
	case PARENT_DYING:
		/* News of two ends may come in the wrong order. */
		if (WIFSIGNALED(status) && !p->killed)
			log_warnx("%s (process %ld) %s", role_name(role),
			    p->child[role].pid, how);
		else
			log_debug("%s (process %ld) %s", role_name(role),
			    p->child[role].pid, how);
		if (!is_any_alive(p))
			finish(p);
		break;
	default:
		log_warnx("%s (process %ld) %s: ending the daemon",
		    role_name(role), p->child[role].pid, how);
		parent_die(p);
		break;
	}
}

/*
 * A closed channel is followed by the child's end, which says more; only
 * when that does not come within its time the closing itself is the news.
 */
void
parent_closed(struct parent *p, enum role role, const char *why)
{
	struct parent_child	*c = &p->child[role];

	if (c->closed)
		return;
	c->closed = 1;
	if (p->state >= PARENT_STOPPING)
		return;
	if (why[0] != '\0') {
		log_warnx("%s (process %ld) broke the rules: %s: ending the "
		    "daemon", role_name(role), c->pid, why);
		parent_die(p);
		return;
	}
	p->world->timer(p->arg, PARENT_TIMER_DEATH, PARENT_DEATH_MS);
}

static void
timeout_death(struct parent *p)
{
	size_t	 i;

	if (p->state < PARENT_DYING) {
		for (i = 0; i < nitems(start_order); i++)
			if (p->child[start_order[i]].closed)
				log_warnx("%s (process %ld) closed its "
				    "channel: ending the daemon",
				    role_name(start_order[i]),
				    p->child[start_order[i]].pid);
		parent_die(p);
		return;
	}
	for (i = 0; i < nitems(start_order); i++) {
		if (!is_alive(p, start_order[i]))
			continue;
		log_warnx("%s (process %ld) is still there: killed",
		    role_name(start_order[i]), p->child[start_order[i]].pid);
		p->world->kill(p->arg, start_order[i]);
	}
	/* A process that even SIGKILL does not end hangs in the kernel. */
	if (p->killed) {
		finish(p);
		return;
	}
	p->killed = 1;
	p->world->timer(p->arg, PARENT_TIMER_DEATH, PARENT_DEATH_MS);
}

static void
timeout_stop(struct parent *p)
{
	enum role	 role = stop_order[p->step];

	p->status = 1;
	if (p->child[role].asked == 2) {
		/* SIGKILL did not help: leave it to the kernel. */
		p->child[role].state = CHILD_GONE;
		stop_next(p);
		return;
	}
	log_warnx("%s (process %ld) did not stop in time: killed",
	    role_name(role), p->child[role].pid);
	p->child[role].asked = 2;
	p->world->kill(p->arg, role);
	p->world->timer(p->arg, PARENT_TIMER_STOP, PARENT_DEATH_MS);
}

void
parent_timeout(struct parent *p, enum parent_timer timer)
{
	size_t	 i;

	switch (timer) {
	case PARENT_TIMER_READY:
		if (p->state != PARENT_STARTING)
			return;
		log_warnx("%s (process %ld) was not ready after %d s: ending "
		    "the daemon", role_name(start_order[p->step]),
		    p->child[start_order[p->step]].pid,
		    PARENT_READY_MS / 1000);
		parent_die(p);
		break;
	case PARENT_TIMER_RELOAD:
		if (p->state != PARENT_RUNNING || !p->reloading)
			return;
		for (i = 0; i < nitems(reloaders); i++)
			if (!p->child[reloaders[i]].answered)
				(void)snprintf(p->reload_error,
				    sizeof(p->reload_error),
				    "the %s did not answer within %d s",
				    role_name(reloaders[i]),
				    PARENT_RELOAD_MS / 1000);
		reload_decide(p, MSG_CONF_ABORT);
		break;
	case PARENT_TIMER_STOP:
		if (p->state == PARENT_STOPPING)
			timeout_stop(p);
		break;
	case PARENT_TIMER_DEATH:
		if (p->state < PARENT_STOPPING || p->state == PARENT_DYING)
			timeout_death(p);
		break;
	case PARENT_TIMER_COUNT:
		break;
	}
}

void
parent_message(struct parent *p, enum role role, enum msg_type type,
    uint32_t id, const void *payload)
{
	if (!is_alive(p, role) || p->state >= PARENT_DYING)
		return;
	switch (type) {
	case MSG_HELLO:
		got_hello(p, role, payload);
		break;
	case MSG_READY:
		got_ready(p, role, payload);
		break;
	case MSG_CONF_OK:
	case MSG_CONF_ERR:
		if (p->state < PARENT_STOPPING)
			got_conf(p, role, payload, type == MSG_CONF_OK);
		break;
	case MSG_RELOAD:
		got_reload(p, id, payload);
		break;
	default:
		log_warnx("%s (process %ld): unexpected %s: ending the daemon",
		    role_name(role), p->child[role].pid, msg_name(type));
		parent_die(p);
		break;
	}
}
