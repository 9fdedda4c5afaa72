/*
 * The parent's shell: it owns processes, sockets, timers and signals, and
 * tells the core what happened.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "compat.h"
#include "confine.h"
#include "log.h"
#include "monotime.h"
#include "parent.h"
#include "parent_log.h"
#include "parent_proc.h"
#include "parent_spawn.h"
#include "proc.h"
#include "sys.h"

/* Messages of one child before the others have their turn. */
#define BURST	16

struct shell;

struct child {
	struct shell	*shell;
	enum role	 role;
	pid_t		 pid;		/* 0: none */
	int		 is_open;
	struct imsgbuf	 buf;
	struct event	*readable;
	struct event	*writable;
};

struct timer {
	struct shell		*shell;
	enum parent_timer	 which;
	struct event		*event;
};

struct shell {
	struct parent		 core;
	struct parent_files	*files;
	struct event_base	*base;
	struct child		 child[ROLE_COUNT];
	struct timer		 timer[PARENT_TIMER_COUNT];
	/* ends[a][b] is a's end of its channel to b until a has it. */
	int			 ends[ROLE_COUNT][ROLE_COUNT];
	int			 verbose;
	int			 err;
	int			 status;
	void			(*up)(void);
	struct event		*signals[4];
	struct event		*watchdog;
};

/* What the children say to us; all small. */
union payload {
	struct msg_hello	 hello;
	struct msg_ready	 ready;
	struct msg_conf		 conf;
	struct msg_reload	 reload;
};

/* Who talks to whom, besides everybody with the parent. */
static const struct {
	enum role	 a;
	enum role	 b;
} pairs[] = {
	{ ROLE_NETWORK,		ROLE_EXECUTOR },
	{ ROLE_EXECUTOR,	ROLE_RUNNER },
	{ ROLE_EXECUTOR,	ROLE_AUDIT },
};

static void	 child_close(struct child *);

/* Channels */

static void
child_gone(struct child *c)
{
	char	 why[sizeof(c->buf.why)];

	(void)strlcpy(why, c->buf.why, sizeof(why));
	child_close(c);
	parent_closed(&c->shell->core, c->role, why);
}

static void
child_flush(struct child *c)
{
	switch (imsg_flush(&c->buf)) {
	case 1:
		(void)event_del(c->writable);
		break;
	case 0:
		if (event_add(c->writable, NULL) == -1)
			fatalx("event_add");
		break;
	default:
		child_gone(c);
		break;
	}
}

static void
child_send(struct child *c, enum msg_type type, uint32_t id, int fd,
    const void *payload)
{
	const char	*field;
	struct buf	 b;

	if (!c->is_open) {
		if (fd != -1)
			(void)sys_close(fd);
		return;
	}
	if (msg_struct_size(type) == 0)
		buf_init(&b, 1);
	else if (msg_encode(&b, type, payload, &field) == -1)
		fatalx("%s: wrong %s", msg_name(type), field);
	if (imsg_compose(&c->buf, type, id, fd, b.data, b.len) == -1)
		fatalx("%s: %s", role_name(c->role), c->buf.why);
	buf_free(&b);
	child_flush(c);
}

static void
child_message(struct child *c, struct imsg *imsg)
{
	union payload	 payload;
	const char	*field;

	memset(&payload, 0, sizeof(payload));
	if (msg_struct_size(imsg->type) > sizeof(payload)) {
		(void)snprintf(c->buf.why, sizeof(c->buf.why),
		    "%s is none of the parent's", msg_name(imsg->type));
		child_gone(c);
		return;
	}
	if (msg_struct_size(imsg->type) != 0 && msg_decode(imsg->data,
	    imsg->len, imsg->type, &payload, &field) == -1) {
		(void)snprintf(c->buf.why, sizeof(c->buf.why),
		    "%s with a wrong %s", msg_name(imsg->type), field);
		child_gone(c);
		return;
	}
	if (imsg->type == MSG_READY)
		imsgbuf_set_phase(&c->buf, PHASE_RUN);
	parent_message(&c->shell->core, c->role, imsg->type, imsg->id,
	    &payload);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct child	*c = arg;
	struct imsg	 imsg;
	int		 i, n;

	(void)fd;
	(void)what;
	for (i = 0; i < BURST && c->is_open; i++) {
		n = imsg_recv(&c->buf, &imsg);
		if (n == 0)
			return;
		if (n == -1) {
			child_gone(c);
			return;
		}
		child_message(c, &imsg);
	}
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct child	*c = arg;

	(void)fd;
	(void)what;
	if (c->is_open)
		child_flush(c);
}

static int
child_open(struct child *c, int fd)
{
	if (imsgbuf_init(&c->buf, fd, ROLE_PARENT, c->role) == -1)
		return -1;
	c->is_open = 1;
	c->readable = event_new(c->shell->base, fd, EV_READ | EV_PERSIST,
	    on_readable, c);
	c->writable = event_new(c->shell->base, fd, EV_WRITE | EV_PERSIST,
	    on_writable, c);
	if (c->readable == NULL || c->writable == NULL ||
	    event_add(c->readable, NULL) == -1)
		fatalx("out of memory");
	return 0;
}

static void
child_close(struct child *c)
{
	if (!c->is_open)
		return;
	c->is_open = 0;
	event_free(c->readable);
	event_free(c->writable);
	imsgbuf_clear(&c->buf);
}

/* World */

static int
world_spawn(void *arg, enum role role, long *pid)
{
	struct shell			*sh = arg;
	const struct parent_user	*u = &sh->files->user[role];
	struct spawn			 s;
	int				 sv[2];

	if (sys_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0, sv) == -1) {
		log_warn("%s: socketpair", role_name(role));
		return -1;
	}
	memset(&s, 0, sizeof(s));
	s.role = role;
	s.sock = sv[1];
	s.err = sh->err;
	s.verbose = sh->verbose;
	/* The runner needs root for a moment more and switches itself. */
	s.as_user = geteuid() == 0 && role != ROLE_RUNNER;
	s.uid = u->uid;
	s.gid = u->gid;
	sh->child[role].pid = spawn_child(&s);
	(void)sys_close(sv[1]);
	if (sh->child[role].pid == -1) {
		log_warn("%s: cannot be started", role_name(role));
		(void)sys_close(sv[0]);
		return -1;
	}
	*pid = sh->child[role].pid;
	log_debug("%s: process %ld", role_name(role), *pid);
	if (child_open(&sh->child[role], sv[0]) == -1)
		fatal("%s: channel", role_name(role));
	return 0;
}

static void
send_peers(struct shell *sh, enum role role)
{
	struct msg_peer	 peer;
	int		 other;

	for (other = 0; other < ROLE_COUNT; other++) {
		if (sh->ends[role][other] == -1)
			continue;
		memset(&peer, 0, sizeof(peer));
		peer.role = (uint8_t)other;
		child_send(&sh->child[role], MSG_PEER, 0,
		    sh->ends[role][other], &peer);
		sh->ends[role][other] = -1;
	}
}

static int
is_optional(enum file_kind kind)
{
	return kind == FILE_CA || kind == FILE_CA_SYSTEM ||
	    kind == FILE_RESOLV || kind == FILE_HOSTS;
}

static int
send_files(struct shell *sh, enum role role)
{
	struct msg_file	 file;
	char		 why[4096];
	int		 fd, kind;

	for (kind = 0; kind < FILE_COUNT; kind++) {
		if (!file_kind_is_for(kind, role))
			continue;
		fd = files_take(sh->files, kind, why, sizeof(why));
		if (fd == -1 && is_optional(kind))
			continue;
		if (fd == -1) {
			log_warnx("%s: %s", role_name(role), why[0] != '\0' ?
			    why : file_kind_name(kind));
			return -1;
		}
		memset(&file, 0, sizeof(file));
		file.kind = (uint8_t)kind;
		child_send(&sh->child[role], MSG_FILE, 0, fd, &file);
	}
	return 0;
}

static int
world_equip(void *arg, enum role role)
{
	struct shell		*sh = arg;
	struct msg_hello	 hello;

	memset(&hello, 0, sizeof(hello));
	(void)strlcpy(hello.build, build_id, sizeof(hello.build));
	hello.role = ROLE_PARENT;
	child_send(&sh->child[role], MSG_HELLO, 0, -1, &hello);
	send_peers(sh, role);
	if (send_files(sh, role) == -1)
		return -1;
	child_send(&sh->child[role], MSG_DONE, 0, -1, NULL);
	if (role == ROLE_NETWORK)
		files_wipe_token(sh->files);
	return 0;
}

static void
world_send(void *arg, enum role role, enum msg_type type, uint32_t id, int fd,
    const void *payload)
{
	struct shell	*sh = arg;

	child_send(&sh->child[role], type, id, fd, payload);
}

static int
world_open_allowlist(void *arg, char *why, size_t size)
{
	struct shell	*sh = arg;

	return files_take(sh->files, FILE_ALLOWLIST, why, size);
}

static void
world_discard(void *arg, int fd)
{
	(void)arg;
	(void)sys_close(fd);
}

static void
world_kill(void *arg, enum role role)
{
	struct shell	*sh = arg;

	if (sh->child[role].pid > 0)
		(void)sys_kill(sh->child[role].pid, SIGKILL);
}

static void
world_hangup(void *arg, enum role role)
{
	struct shell	*sh = arg;

	child_close(&sh->child[role]);
}

static void
world_timer(void *arg, enum parent_timer which, int64_t ms)
{
	struct shell	*sh = arg;
	struct timeval	 tv;

	(void)event_del(sh->timer[which].event);
	if (ms == 0)
		return;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = ms % 1000 * 1000;
	if (event_add(sh->timer[which].event, &tv) == -1)
		fatalx("event_add");
}

static int
world_confine(void *arg, struct msg_ready *reached)
{
	struct shell		*sh = arg;
	struct confine_paths	 paths;
	uint32_t		 missing;
	char			 names[128];

	memset(&paths, 0, sizeof(paths));
	paths.allow_dir = sh->files->allow_dir;
	paths.run_dir = sh->files->run_dir;
	if (confine_parent(&paths, reached) == -1) {
		log_warnx("the parent could not be confined: %s",
		    reached->note);
		return -1;
	}
	missing = confine_required(ROLE_PARENT, 0) & ~reached->reached;
	parent_names(missing, names, sizeof(names));
	if (missing != 0 && !sh->files->conf.allow_unconfined) {
		log_warnx("the parent could not be confined: without %s: %s",
		    names, reached->note);
		return -1;
	}
	if (missing != 0)
		log_warnx("WARNING: the parent RUNS UNCONFINED: without %s",
		    names);
	return 0;
}

static void
world_notify(void *arg, enum parent_note note)
{
	struct shell	*sh = arg;
	char		 text[96];

	switch (note) {
	case PARENT_NOTE_READY:
		if (sh->up != NULL)
			sh->up();
		sh->up = NULL;
		notify_send("READY=1");
		break;
	case PARENT_NOTE_RELOADING:
		/* sd_notify(3): the time tells old reloads from new. */
		(void)snprintf(text, sizeof(text),
		    "RELOADING=1\nMONOTONIC_USEC=%lld",
		    (long long)monotime_now().ms * 1000);
		notify_send(text);
		break;
	case PARENT_NOTE_STOPPING:
		notify_send("STOPPING=1");
		break;
	}
}

static void
world_finish(void *arg, int status)
{
	struct shell	*sh = arg;

	sh->status = status;
	(void)event_base_loopbreak(sh->base);
}

static const struct parent_world world = {
	.spawn = world_spawn,
	.equip = world_equip,
	.send = world_send,
	.open_allowlist = world_open_allowlist,
	.discard = world_discard,
	.kill = world_kill,
	.hangup = world_hangup,
	.timer = world_timer,
	.confine = world_confine,
	.notify = world_notify,
	.finish = world_finish,
};

/* Signals and timers */

/*
 * On a busy machine several have ended by now.  Those killed by a signal
 * come first: the others went with them, and the first one is blamed.
 */
static void
reap(struct shell *sh)
{
	int	 ended[ROLE_COUNT], status[ROLE_COUNT];
	pid_t	 pid;
	int	 i, st, signaled;

	memset(ended, 0, sizeof(ended));
	/* Bounded: one turn per child that there ever was. */
	while ((pid = sys_waitpid(-1, &st, WNOHANG)) > 0) {
		for (i = 0; i < ROLE_COUNT; i++) {
			if (sh->child[i].pid != pid)
				continue;
			sh->child[i].pid = 0;
			status[i] = st;
			ended[i] = 1;
		}
	}
	/* What they said last comes before the news of their end. */
	plog_drain();
	for (signaled = 1; signaled >= 0; signaled--)
		for (i = 0; i < ROLE_COUNT; i++)
			if (ended[i] && (WIFSIGNALED(status[i]) != 0) ==
			    signaled)
				parent_exited(&sh->core, i, status[i]);
}

static void
on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct shell	*sh = arg;

	(void)what;
	switch (sig) {
	case SIGCHLD:
		reap(sh);
		break;
	case SIGHUP:
		parent_reload(&sh->core);
		break;
	case SIGTERM:
		parent_stop(&sh->core, "SIGTERM");
		break;
	case SIGINT:
		parent_stop(&sh->core, "SIGINT");
		break;
	}
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct timer	*t = arg;

	(void)fd;
	(void)what;
	parent_timeout(&t->shell->core, t->which);
}

static void
on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	notify_send("WATCHDOG=1");
}

static void
shell_events(struct shell *sh)
{
	static const int	 signals[nitems(sh->signals)] = {
		SIGCHLD, SIGHUP, SIGTERM, SIGINT
	};
	struct timeval		 tv;
	long long		 us;
	size_t			 i;

	if ((sh->base = event_base_new()) == NULL)
		fatalx("event_base_new");
	for (i = 0; i < nitems(sh->signals); i++) {
		sh->signals[i] = evsignal_new(sh->base, signals[i], on_signal,
		    sh);
		if (sh->signals[i] == NULL ||
		    event_add(sh->signals[i], NULL) == -1)
			fatalx("out of memory");
	}
	for (i = 0; i < PARENT_TIMER_COUNT; i++) {
		sh->timer[i].shell = sh;
		sh->timer[i].which = i;
		sh->timer[i].event = evtimer_new(sh->base, on_timer,
		    &sh->timer[i]);
		if (sh->timer[i].event == NULL)
			fatalx("out of memory");
	}
	if ((us = notify_watchdog() / 2) > 0) {
		tv.tv_sec = us / 1000000;
		tv.tv_usec = us % 1000000;
		sh->watchdog = event_new(sh->base, -1, EV_PERSIST,
		    on_watchdog, NULL);
		if (sh->watchdog == NULL ||
		    event_add(sh->watchdog, &tv) == -1)
			fatalx("out of memory");
	}
	if (plog_watch(sh->base) == -1)
		fatalx("out of memory");
}

static void
shell_free(struct shell *sh)
{
	size_t	 i;

	for (i = 0; i < ROLE_COUNT; i++)
		child_close(&sh->child[i]);
	for (i = 0; i < nitems(sh->signals); i++)
		event_free(sh->signals[i]);
	for (i = 0; i < PARENT_TIMER_COUNT; i++)
		event_free(sh->timer[i].event);
	if (sh->watchdog != NULL)
		event_free(sh->watchdog);
}

static void
make_pairs(struct shell *sh)
{
	size_t	 i, j;
	int	 sv[2];

	for (i = 0; i < ROLE_COUNT; i++) {
		sh->child[i].shell = sh;
		sh->child[i].role = i;
		for (j = 0; j < ROLE_COUNT; j++)
			sh->ends[i][j] = -1;
	}
	for (i = 0; i < nitems(pairs); i++) {
		if (sys_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
		    SOCK_NONBLOCK, 0, sv) == -1)
			fatal("socketpair");
		sh->ends[pairs[i].a][pairs[i].b] = sv[0];
		sh->ends[pairs[i].b][pairs[i].a] = sv[1];
	}
}

int
parent_run(struct parent_files *files, int verbose, int child_stderr,
    void (*up)(void))
{
	struct shell		 sh;
	struct parent_conf	 conf;

	memset(&sh, 0, sizeof(sh));
	sh.files = files;
	sh.verbose = verbose;
	sh.err = child_stderr;
	sh.up = up;
	sh.status = 1;
	(void)signal(SIGPIPE, SIG_IGN);
	make_pairs(&sh);
	shell_events(&sh);
	memset(&conf, 0, sizeof(conf));
	conf.build = build_id;
	conf.pid = (long)getpid();
	conf.is_root = geteuid() == 0;
	conf.allow_unconfined = files->conf.allow_unconfined;
	/* Time to end by themselves, then from TERM to KILL. */
	conf.executor_stop_ms = files->conf.stop_timeout_ms +
	    files->conf.cancel_grace_ms;
	parent_init(&sh.core, &conf, &world, &sh);
	parent_start(&sh.core);
	if (sh.core.state != PARENT_DONE &&
	    event_base_dispatch(sh.base) == -1)
		fatalx("event loop");
	files_remove_socket(files);
	shell_free(&sh);
	plog_drain();
	return sh.status;
}
