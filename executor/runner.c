/*
 * The runner's role: set-up, confinement, event loop, messages.  What is
 * decided is in runner_core.c.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <sodium.h>

#include "compat.h"
#include "conf.h"
#include "confine.h"
#include "executor.h"
#include "log.h"
#include "pathnames.h"
#include "proc.h"
#include "runner.h"
#include "sys.h"
#include "sys_linux.h"

#define NEEDED	(1U << FILE_CONF | 1U << FILE_ALLOWLIST | 1U << FILE_BASE_DIR)

struct shell;

/* One sandbox and its two events. */
struct slot {
	struct shell		*shell;
	struct runner_box	 box;
	struct runner_file	 file;	/* folder and name, for messages */
	struct runner_end	 end;
	struct event		*sync;
	struct event		*ended;
};

struct shell {
	struct proc		 proc;
	struct conf		 conf;
	struct runner_conf	 sandbox;
	int			 base;
	uid_t			 owner;
	int			 has_stop;	/* MSG_STOP came */
	struct event_base	*events;
	struct event		*timer;
	struct chan		*parent;
	struct chan		*executor;
	struct runner		 core;
	struct slot		 slots[RUNNER_JOBS_MAX];
};

static struct shell	 shell;

/* Sandboxes. */

static void
slot_clear(struct slot *s)
{
	if (s->sync != NULL)
		event_free(s->sync);
	if (s->ended != NULL)
		event_free(s->ended);
	s->sync = s->ended = NULL;
	runner_box_clear(&s->box);
	runner_file_clear(&s->file);
}

static int
slot_number(const struct slot *s)
{
	return (int)(s - s->shell->slots);
}

static void
slot_kill(struct slot *s)
{
	if (sys_pidfd_send_signal(s->box.pidfd, SIGKILL) == -1 &&
	    errno != ESRCH)
		fatal("sandbox %ld cannot be killed", (long)s->box.pid);
}

static void
slot_report(struct slot *s, const struct runner_report *r)
{
	struct runner_error	 e;

	memset(&e, 0, sizeof(e));
	switch (r->news) {
	case RUNNER_NEWS_MAP:
		if (runner_spawn_map(&s->box, &e) == 0) {
			/* While process 1 is at work. */
			runner_spawn_ahead(&s->shell->sandbox);
			break;
		}
		runner_failed(&s->shell->core, slot_number(s), &e);
		slot_kill(s);
		break;
	case RUNNER_NEWS_FAILED:
		runner_spawn_explain(r, &s->file, &e);
		runner_failed(&s->shell->core, slot_number(s), &e);
		break;
	case RUNNER_NEWS_STARTED:
		runner_started(&s->shell->core, slot_number(s),
		    monotime_now());
		break;
	case RUNNER_NEWS_EXITED:
		s->end.has_status = 1;
		s->end.status = r->error;
		break;
	default:
		fatalx("sandbox %ld: unknown report %d", (long)s->box.pid,
		    (int)r->news);
	}
}

static void
slot_drain(struct slot *s)
{
	struct runner_report	 r;
	int			 i, n = 0;

	/* Process 1 never has more than four things to say. */
	for (i = 0; i < 8; i++) {
		n = runner_spawn_report(&s->box, &r);
		if (n != 1)
			break;
		slot_report(s, &r);
	}
	if (n == -1)
		(void)event_del(s->sync);
}

static void
slot_on_sync(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	slot_drain(arg);
}

/* Process 1 has ended, and with it everybody in its namespace. */
static void
slot_on_end(evutil_socket_t fd, short what, void *arg)
{
	struct slot		*s = arg;
	struct runner_end	 end;
	pid_t			 pid;
	int			 number = slot_number(s);

	(void)fd;
	(void)what;
	slot_drain(s);
	do {
		pid = sys_wait4(s->box.pid, &s->end.init_status, 0,
		    &s->end.usage);
	} while (pid == -1 && errno == EINTR);
	if (pid == -1)
		fatal("wait4");
	end = s->end;
	slot_clear(s);
	runner_ended(&shell.core, number, &end, monotime_now());
}

static int
slot_watch(struct slot *s)
{
	s->sync = event_new(s->shell->events, s->box.sync,
	    EV_READ | EV_PERSIST, slot_on_sync, s);
	s->ended = event_new(s->shell->events, s->box.pidfd, EV_READ,
	    slot_on_end, s);
	if (s->sync == NULL || s->ended == NULL ||
	    event_add(s->sync, NULL) == -1 || event_add(s->ended, NULL) == -1)
		return -1;
	return 0;
}

/* The core's world. */

static int
world_start(void *arg, int number, const struct script *script,
    const struct msg_job_start *m, struct runner_error *e)
{
	struct shell	*ro = arg;
	struct slot	*s = &ro->slots[number];
	int		 rc;

	memset(s, 0, sizeof(*s));
	s->shell = ro;
	s->box.pidfd = s->box.sync = s->box.output = -1;
	if (runner_check(&s->file, script, ro->base, ro->owner, e) == -1)
		return -1;
	rc = runner_spawn(&s->box, &ro->sandbox, &s->file, script, m, e);
	/* The sandbox has its copy; only the names are needed here. */
	free(s->file.text);
	s->file.text = NULL;
	if (rc == -1) {
		runner_file_clear(&s->file);
		return -1;
	}
	if (slot_watch(s) == -1)
		fatalx("no event for a sandbox");
	return 0;
}

static void
world_term(void *arg, int number)
{
	struct shell	*ro = arg;

	if (sys_pidfd_send_signal(ro->slots[number].box.pidfd,
	    SIGTERM) == -1 && errno != ESRCH)
		fatal("sandbox cannot be signalled");
}

static void
world_kill(void *arg, int number)
{
	struct shell	*ro = arg;

	slot_kill(&ro->slots[number]);
}

static void
world_send_started(void *arg, int number, uint64_t job)
{
	struct shell		*ro = arg;
	struct msg_job_started	 m;
	int			 fd;

	memset(&m, 0, sizeof(m));
	m.job = job;
	fd = ro->slots[number].box.output;
	ro->slots[number].box.output = -1;
	(void)chan_send(ro->executor, MSG_JOB_STARTED, 0, fd, &m);
}

static void
world_send_exit(void *arg, const struct msg_job_exit *m)
{
	struct shell	*ro = arg;

	(void)chan_send(ro->executor, MSG_JOB_EXIT, 0, -1, m);
}

static void
world_send_conf(void *arg, enum msg_type type, const struct msg_conf *m)
{
	struct shell	*ro = arg;

	(void)chan_send(ro->parent, type, 0, -1, m);
}

static struct allowlist *
world_parse(void *arg, int fd, char *why, size_t whylen)
{
	struct shell		*ro = arg;
	struct json_file	 file;
	struct json_error	 error;
	struct allowlist	*list = NULL;

	memset(&file, 0, sizeof(file));
	if (json_file_read(&file, ro->conf.allowlist, fd, &error) == -1 ||
	    allowlist_parse(&list, &file, &error) == -1)
		json_error_format(&error, why, whylen);
	json_file_free(&file);
	(void)sys_close(fd);
	return list;
}

static void
world_timer(void *arg, monotime_t at)
{
	struct shell	*ro = arg;
	struct timeval	 tv;
	int64_t		 ms;

	(void)event_del(ro->timer);
	if (at.ms == MONOTIME_NEVER.ms)
		return;
	ms = monotime_sub(at, monotime_now());
	if (ms < 0)
		ms = 0;
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	if (event_add(ro->timer, &tv) == -1)
		fatalx("no timer");
}

static void
world_stopped(void *arg)
{
	struct shell	*ro = arg;

	if (ro->has_stop)
		(void)event_base_loopexit(ro->events, NULL);
}

static __dead void
world_broken(void *arg, const char *peer, const char *why)
{
	(void)arg;
	fatalx("%s: %s", peer, why);
}

static const struct runner_world	 world = {
	&shell, world_start, world_term, world_kill, world_send_started,
	world_send_exit, world_send_conf, world_parse, world_timer,
	world_stopped, world_broken
};

/* Messages. */

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct shell	*ro = arg;

	(void)fd;
	(void)what;
	runner_tick(&ro->core, monotime_now());
}

static void
on_parent(struct chan *c, struct imsg *imsg, void *arg)
{
	struct shell	*ro = arg;
	struct msg_conf	 conf;

	switch (imsg->type) {
	case MSG_CONF_FILE:
		(void)chan_decode(c, imsg, &conf);
		runner_conf_file(&ro->core, conf.generation, imsg->fd);
		break;
	case MSG_CONF_COMMIT:
		(void)chan_decode(c, imsg, &conf);
		runner_conf_commit(&ro->core, conf.generation);
		break;
	case MSG_CONF_ABORT:
		(void)chan_decode(c, imsg, &conf);
		runner_conf_abort(&ro->core, conf.generation);
		break;
	case MSG_STOP:
		ro->has_stop = 1;
		chan_may_close(c);
		runner_stop(&ro->core, 1, monotime_now());
		break;
	default:
		fatalx("parent: %s is nothing for the runner",
		    msg_name(imsg->type));
	}
}

static void
on_executor(struct chan *c, struct imsg *imsg, void *arg)
{
	static struct msg_job_start	 start;	/* large */
	struct shell			*ro = arg;
	struct msg_job_kill		 kill;

	switch (imsg->type) {
	case MSG_JOB_START:
		(void)chan_decode(c, imsg, &start);
		runner_job_start(&ro->core, &start, monotime_now());
		break;
	case MSG_JOB_KILL:
		(void)chan_decode(c, imsg, &kill);
		runner_job_kill(&ro->core, &kill, monotime_now());
		break;
	default:
		fatalx("executor: %s is nothing for the runner",
		    msg_name(imsg->type));
	}
}

/*
 * Nobody is left who could be told.  In an orderly stop the executor ends
 * first; in any other case the parent ends this process, too.
 */
static void
on_executor_closed(struct chan *c, const char *why, void *arg)
{
	struct shell	*ro = arg;

	(void)c;
	log_debug("executor: %s; no script goes on", why);
	runner_stop(&ro->core, 1, monotime_now());
}

/* Set-up. */

static void
setup_signals(void)
{
	static const int	 ignored[] = { SIGINT, SIGHUP, SIGPIPE };
	size_t			 i;

	/* The parent says when to end; a terminal's ^C is for it. */
	for (i = 0; i < nitems(ignored); i++)
		if (signal(ignored[i], SIG_IGN) == SIG_ERR)
			fatal("signal");
	/* Ignored, children would vanish without a status. */
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
		fatal("signal");
}

static void
setup_conf(struct shell *ro)
{
	struct json_file	 file;
	struct json_error	 error;
	char			 why[ERROR_SIZE];
	int			 fd;

	fd = proc_take_file(&ro->proc, FILE_CONF);
	memset(&file, 0, sizeof(file));
	if (json_file_read(&file, "configuration", fd, &error) == -1 ||
	    conf_parse(&ro->conf, &file, "/", &error) == -1) {
		json_error_format(&error, why, sizeof(why));
		fatalx("%s", why);
	}
	json_file_free(&file);
	(void)sys_close(fd);
}

static void
setup_allowlist(struct shell *ro)
{
	struct allowlist	*list;
	char			 why[ERROR_SIZE];

	list = world_parse(ro, proc_take_file(&ro->proc, FILE_ALLOWLIST), why,
	    sizeof(why));
	if (list == NULL)
		fatalx("%s", why);
	runner_init(&ro->core, &world, list, ro->conf.max_jobs,
	    ro->conf.cancel_grace_ms);
}

/* Scripts belong to root or to who started the daemon. */
static void
setup_owner(struct shell *ro)
{
	struct ucred	 cred;
	socklen_t	 len = sizeof(cred);

	if (getsockopt(PROC_FD, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		fatal("owner of the channel");
	ro->owner = cred.uid;
}

/* A name, or a number that is uid and gid. */
static void
setup_find_user(const char *name, uid_t *uid, gid_t *gid)
{
	const char	*bad;
	struct passwd	*pw;

	*uid = (uid_t)strtonum(name, 1, UINT32_MAX - 1, &bad);
	*gid = (gid_t)*uid;
	if (bad == NULL)
		return;
	pw = getpwnam(name);
	if (pw == NULL)
		fatalx("users.runner: there is no user %s: make it with "
		    "useradd(8), or give a number", name);
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	endpwent();
}

static void
setup_user(struct shell *ro)
{
	gid_t	 groups[64], gid;
	uid_t	 uid;
	int	 i, n, extra = 0;

	ro->sandbox.is_root = geteuid() == 0;
	if (ro->sandbox.is_root) {
		setup_find_user(ro->conf.user_runner, &uid, &gid);
		if (confine_user_runner(uid, gid) == -1)
			fatal("switch to user %s", ro->conf.user_runner);
		return;
	}
	n = getgroups((int)nitems(groups), groups);
	for (i = 0; i < n; i++)
		if (groups[i] != getegid())
			extra++;
	if (n == -1 || extra > 0)
		log_warnx("scripts have the supplementary groups of user %lu, "
		    "for only root can take them away: start the daemon "
		    "without (setpriv --clear-groups)",
		    (unsigned long)geteuid());
}

/* The end of the parent is the end of this process and of all scripts. */
static void
setup_tie(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1)
		fatal("parent death signal");
	if (getppid() != parent)
		fatalx("parent: gone during set-up");
}

/* Better said now than with the first script that is wanted. */
static void
setup_trial(struct shell *ro, struct msg_ready *ready)
{
	struct runner_error	 e;
	size_t			 n = strlen(ready->note);

	memset(&e, 0, sizeof(e));
	if (runner_trial(&ro->sandbox, ro->base, &e) == 0) {
		runner_spawn_ahead(&ro->sandbox);
		return;
	}
	log_warnx("no script can run on this machine: %s: %s", e.step,
	    e.text);
	(void)snprintf(ready->note + n, sizeof(ready->note) - n,
	    "%sno script can run: %s: %s", n > 0 ? "; " : "", e.step, e.text);
}

static void
setup_events(struct shell *ro)
{
	ro->events = event_base_new();
	if (ro->events == NULL)
		fatalx("no event loop");
	ro->timer = evtimer_new(ro->events, on_timer, ro);
	if (ro->timer == NULL)
		fatalx("no timer");
	if (ro->proc.peers[ROLE_EXECUTOR].fd == -1)
		fatalx("parent: PEER executor is missing");
	ro->parent = chan_new(ro->events, &ro->proc.parent, on_parent, NULL,
	    ro);
	ro->executor = chan_new(ro->events, &ro->proc.peers[ROLE_EXECUTOR],
	    on_executor, on_executor_closed, ro);
	chan_may_close(ro->executor);
}

int
runner_main(int verbose)
{
	struct confine_paths	 paths;
	struct msg_ready	 ready;
	pid_t			 parent = getppid();

	log_init("runner", verbose);
	setproctitle("runner");
	(void)umask(077);
	setup_signals();
	if (sodium_init() == -1)
		fatalx("libsodium");
	json_init_secure();
	proc_setup(&shell.proc, ROLE_RUNNER, NEEDED);
	setup_conf(&shell);
	setup_owner(&shell);
	setup_allowlist(&shell);
	shell.base = proc_take_file(&shell.proc, FILE_BASE_DIR);
	shell.sandbox.home = shell.conf.script_home;
	shell.sandbox.user = shell.conf.script_user;
	shell.sandbox.null = sys_open(PATH_DEVNULL, O_RDONLY | O_CLOEXEC, 0);
	if (shell.sandbox.null == -1)
		fatal("%s", PATH_DEVNULL);
	setup_events(&shell);
	setup_user(&shell);
	setup_tie(parent);
	memset(&paths, 0, sizeof(paths));
	if (confine_runner(&paths, &ready) == -1)
		fatalx("confinement: %s", ready.note);
	setup_trial(&shell, &ready);
	proc_ready(&shell.proc, &ready);
	if (event_base_dispatch(shell.events) == -1)
		fatalx("event loop");
	if (!shell.has_stop)
		fatalx("event loop ended");
	log_debug("stopped");
	return 0;
}
