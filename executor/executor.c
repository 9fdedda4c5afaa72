/*
 * chatops-executor: the process that decides (-x executor), and its hand,
 * the process that starts scripts (-x runner, in runner.c).  This file is
 * the first one's shell: set-up, confinement, event loop, pipes of jobs,
 * control socket.  What it does with all that is in the core.
 */
#include <sys/socket.h>
#include <sys/mman.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <sodium.h>
#include <sqlite3.h>

#include "confine.h"
#include "control.h"
#include "executor.h"
#include "log.h"
#include "pathnames.h"
#include "proc.h"
#include "sys.h"

#define PATH_BOOT_ID	"/proc/sys/kernel/random/boot_id"
#define BOOT_ID_SIZE	37
#define PIPE_CHUNK	65536
#define END_ID		UINT32_MAX	/* request id of AUDIT_END */
#define END_SECONDS	5

/* The read end of a job's output. */
struct job_pipe {
	TAILQ_ENTRY(job_pipe) entry;
	uint64_t	 job;
	int		 fd;
	struct event	*ev;
};
TAILQ_HEAD(job_pipes, job_pipe);

struct shell {
	struct proc	 proc;
	struct conf	 conf;
	struct event_base *base;
	struct event	*timer;
	struct chan	*chans[ROLE_COUNT];
	struct db	*db;
	struct rate	*rate;
	struct executor	*core;
	struct control	*control;
	struct job_pipes pipes;
	struct allowlist *next;		/* parsed, not in force yet */
	uint64_t	 next_generation;
	void		*decoded[MSG_COUNT];
	int		 is_over;
	int		 is_ending;	/* AUDIT_END is on its way */
};

static struct shell	 shell;

static monotime_t
shell_mono(void *arg)
{
	(void)arg;
	return monotime_now();
}

static walltime_t
shell_wall(void *arg)
{
	(void)arg;
	return walltime_now();
}

static void
shell_random(void *arg, void *out, size_t n)
{
	(void)arg;
	if (sys_getrandom(out, n) == -1)
		fatal("getrandom");
}

static void
shell_send(void *arg, enum role to, enum msg_type type, uint32_t id, int fd,
    const void *payload)
{
	struct shell	*sh = arg;

	(void)chan_send(sh->chans[to], type, id, fd, payload);
}

static void
shell_ctl_send(void *arg, uint32_t client, enum msg_type type, uint32_t id,
    const void *payload)
{
	struct shell	*sh = arg;

	control_send(sh->control, client, type, id, payload);
}

static void
shell_timer(void *arg, monotime_t at)
{
	struct shell	*sh = arg;
	struct timeval	 tv;
	int64_t		 ms;

	if (at.ms == MONOTIME_NEVER.ms) {
		(void)evtimer_del(sh->timer);
		return;
	}
	ms = monotime_sub(at, monotime_now());
	if (ms < 0)
		ms = 0;
	/* Rounded up: a timer that comes too soon would come again. */
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	if (evtimer_add(sh->timer, &tv) == -1)
		fatalx("no timer");
}

static void
shell_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct shell	*sh = arg;

	(void)fd;
	(void)what;
	executor_tick(sh->core);
}

static struct job_pipe *
pipe_find(struct shell *sh, uint64_t job)
{
	struct job_pipe	*p;

	TAILQ_FOREACH(p, &sh->pipes, entry)
		if (p->job == job)
			return p;
	return NULL;
}

static void
shell_unwatch(void *arg, uint64_t job)
{
	struct shell	*sh = arg;
	struct job_pipe	*p;

	if ((p = pipe_find(sh, job)) == NULL)
		return;
	TAILQ_REMOVE(&sh->pipes, p, entry);
	event_free(p->ev);
	(void)sys_close(p->fd);
	free(p);
}

static void
pipe_on_read(evutil_socket_t fd, short what, void *arg)
{
	struct shell	*sh = &shell;
	struct job_pipe	*p = arg;
	uint64_t	 job = p->job;
	static char	 chunk[PIPE_CHUNK];
	ssize_t		 n;

	(void)what;
	n = sys_read(fd, chunk, sizeof(chunk));
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1)
		log_warn("output of job %llu", (unsigned long long)job);
	executor_output(sh->core, job, chunk, n > 0 ? (size_t)n : 0);
	explicit_bzero(chunk, n > 0 ? (size_t)n : 0);
}

static void
shell_watch(void *arg, uint64_t job, int fd)
{
	struct shell	*sh = arg;
	struct job_pipe	*p;

	if (evutil_make_socket_nonblocking(fd) == -1)
		fatal("output of a job");
	if ((p = calloc(1, sizeof(*p))) == NULL ||
	    (p->ev = event_new(sh->base, fd, EV_READ | EV_PERSIST,
	    pipe_on_read, p)) == NULL || event_add(p->ev, NULL) == -1)
		fatalx("output of a job: no event");
	p->job = job;
	p->fd = fd;
	TAILQ_INSERT_TAIL(&sh->pipes, p, entry);
}

/* Nobody who got it can change it under the reader. */
static int
shell_memfd(void *arg, const char *name, const void *data, size_t len)
{
	const char	*p = data;
	size_t		 done = 0;
	ssize_t		 n;
	int		 fd;

	(void)arg;
	fd = sys_memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1)
		goto fail;
	/* At an offset, so that the reader begins at the start. */
	while (done < len) {
		n = sys_pwrite(fd, p + done, len - done, (off_t)done);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			goto fail;
		done += (size_t)n;
	}
	if (sys_fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK |
	    F_SEAL_GROW | F_SEAL_WRITE) == -1)
		goto fail;
	return fd;
fail:
	log_warn("a file to attach");
	if (fd != -1)
		(void)sys_close(fd);
	return -1;
}

static void
shell_exit(void *arg, const char *why)
{
	struct shell	*sh = arg;

	if (why != NULL)
		fatalx("%s", why);
	sh->is_over = 1;
	(void)event_base_loopbreak(sh->base);
}

/* Reload, step one: parse; the old one stays until COMMIT. */
static void
reload_file(struct shell *sh, int fd, const struct msg_conf *m)
{
	struct json_error	 e;
	struct json_file	 file;
	struct msg_conf		 answer;

	memset(&answer, 0, sizeof(answer));
	answer.generation = m->generation;
	allowlist_free(sh->next);
	sh->next = NULL;
	if (json_file_read(&file, sh->conf.allowlist, fd, &e) == -1)
		answer.ok = 0;
	else {
		answer.ok = allowlist_parse(&sh->next, &file, &e) == 0;
		json_file_free(&file);
	}
	(void)sys_close(fd);
	sh->next_generation = m->generation;
	if (!answer.ok)
		json_error_format(&e, answer.error, sizeof(answer.error));
	(void)chan_send(sh->chans[ROLE_PARENT],
	    answer.ok ? MSG_CONF_OK : MSG_CONF_ERR, 0, -1, &answer);
}

static void
reload_decide(struct shell *sh, enum msg_type type, const struct msg_conf *m)
{
	if (m->generation != sh->next_generation)
		fatalx("parent: %s of a generation that was not given",
		    msg_name(type));
	if (type == MSG_CONF_COMMIT) {
		if (sh->next == NULL)
			fatalx("parent: commit of what was not parsed");
		executor_set_allowlist(sh->core, sh->next, m->generation);
	} else
		allowlist_free(sh->next);
	sh->next = NULL;
}

/*
 * The end of the log's session is on disk, and the database vouches for it
 * like for any other line; all else comes too late.
 */
static void
session_ended(struct shell *sh, enum role from, struct imsg *imsg)
{
	const struct msg_audit_state	*state = sh->decoded[MSG_AUDIT_STATE];
	const struct msg_ack		*ack = sh->decoded[MSG_ACK];
	struct db_anchor		 anchor;

	if (imsg->fd != -1)
		(void)sys_close(imsg->fd);
	if (from != ROLE_AUDIT || imsg->type != MSG_ACK ||
	    imsg->id != END_ID)
		return;
	sh->is_ending = 0;
	if (ack->ok && state != NULL) {
		(void)strlcpy(anchor.origin, state->origin,
		    sizeof(anchor.origin));
		anchor.seq = ack->seq;
		memcpy(anchor.line_hash, ack->line_hash, HASH_SIZE);
		if (db_anchor_put(sh->db, &anchor) == -1)
			log_warnx("end of the log's session: %s",
			    db_error(sh->db));
	}
	(void)event_base_loopbreak(sh->base);
}

/*
 * Nothing is appended any more: have the log say that this was an orderly
 * end, and wait for that as long as any append may take.
 */
static void
end_session(struct shell *sh)
{
	const struct timeval	 tv = { END_SECONDS, 0 };

	sh->is_ending = 1;
	(void)evtimer_del(sh->timer);
	(void)chan_send(sh->chans[ROLE_AUDIT], MSG_AUDIT_END, END_ID, -1,
	    NULL);
	if (event_base_loopexit(sh->base, &tv) == -1 ||
	    event_base_dispatch(sh->base) == -1)
		fatalx("the event loop failed");
	if (sh->is_ending)
		log_warnx("the log did not confirm the end of its session");
}

static void
shell_on_message(struct chan *c, struct imsg *imsg, void *arg)
{
	struct shell	*sh = arg;
	enum role	 from = chan_imsgbuf(c)->peer;
	size_t		 size;
	void		*m = NULL;

	if ((size = msg_struct_size(imsg->type)) > 0) {
		/* Some are large: one of each type is kept. */
		if (sh->decoded[imsg->type] == NULL)
			sh->decoded[imsg->type] = malloc(size);
		if ((m = sh->decoded[imsg->type]) == NULL)
			fatal("malloc");
		if (chan_decode(c, imsg, m) == -1)
			return;
	}
	if (sh->is_ending) {
		session_ended(sh, from, imsg);
		return;
	}
	switch (imsg->type) {
	case MSG_CONF_FILE:
		reload_file(sh, imsg->fd, m);
		return;
	case MSG_CONF_COMMIT:
	case MSG_CONF_ABORT:
		reload_decide(sh, imsg->type, m);
		return;
	default:
		executor_message(sh->core, from, imsg->type, imsg->id,
		    imsg->fd, m);
	}
}

static void
read_conf(struct shell *sh)
{
	struct json_error	 e;
	struct json_file	 file;
	char			 text[1024];
	int			 fd;

	fd = proc_take_file(&sh->proc, FILE_CONF);
	if (json_file_read(&file, "bot.config.json", fd, &e) == -1 ||
	    conf_parse(&sh->conf, &file, "/", &e) == -1) {
		json_error_format(&e, text, sizeof(text));
		fatalx("%s", text);
	}
	json_file_free(&file);
	(void)sys_close(fd);
}

static struct allowlist *
read_allowlist(struct shell *sh)
{
	struct allowlist	*al;
	struct json_error	 e;
	struct json_file	 file;
	char			 text[1024];
	int			 fd;

	fd = proc_take_file(&sh->proc, FILE_ALLOWLIST);
	if (json_file_read(&file, sh->conf.allowlist, fd, &e) == -1 ||
	    allowlist_parse(&al, &file, &e) == -1) {
		json_error_format(&e, text, sizeof(text));
		fatalx("%s", text);
	}
	json_file_free(&file);
	(void)sys_close(fd);
	return al;
}

/* random(4): a new one at each boot. */
static void
read_boot_id(char out[BOOT_ID_SIZE])
{
	int	 fd;

	if ((fd = sys_open(PATH_BOOT_ID, O_RDONLY | O_CLOEXEC, 0)) == -1 ||
	    sys_read(fd, out, BOOT_ID_SIZE - 1) != BOOT_ID_SIZE - 1)
		fatal("%s", PATH_BOOT_ID);
	out[BOOT_ID_SIZE - 1] = '\0';
	(void)sys_close(fd);
}

/* What needs files beyond the data folder, and the database itself. */
static void
open_all(struct shell *sh, int data_dir)
{
	struct executor_world	 w = { sh, shell_send, shell_ctl_send,
	    shell_mono, shell_wall, shell_random, shell_timer, shell_watch,
	    shell_unwatch, shell_memfd, shell_exit };
	char			 boot[BOOT_ID_SIZE], why[512];

	read_boot_id(boot);
	if ((sh->db = db_open(data_dir, NAME_DATABASE, why,
	    sizeof(why))) == NULL)
		fatalx("%s/%s: %s", sh->conf.data, NAME_DATABASE, why);
	if ((sh->rate = rate_new(sh->db, boot, monotime_now(), why,
	    sizeof(why))) == NULL)
		fatalx("%s", why);
	if ((sh->base = event_base_new()) == NULL ||
	    (sh->timer = evtimer_new(sh->base, shell_on_timer, sh)) == NULL)
		fatalx("no event loop");
	if ((sh->core = executor_new(&w, &sh->conf, sh->db, sh->rate, why,
	    sizeof(why))) == NULL)
		fatalx("%s", why);
	executor_set_allowlist(sh->core, read_allowlist(sh), 1);
}

static void
close_all(struct shell *sh)
{
	size_t	 i;

	control_free(sh->control);
	executor_free(sh->core);
	rate_free(sh->rate);
	db_close(sh->db);
	for (i = 0; i < ROLE_COUNT; i++)
		chan_free(sh->chans[i]);
	event_free(sh->timer);
	event_base_free(sh->base);
	for (i = 0; i < MSG_COUNT; i++)
		free(sh->decoded[i]);
	allowlist_free(sh->next);
}

static int
executor_main(int verbose)
{
	static const enum role	 peers[] = { ROLE_NETWORK, ROLE_RUNNER,
	    ROLE_AUDIT };
	struct shell		*sh = &shell;
	struct confine_paths	 paths;
	struct msg_ready	 ready;
	size_t			 i;

	log_init("executor", verbose);
	setproctitle("executor");
	TAILQ_INIT(&sh->pipes);
	proc_setup(&sh->proc, ROLE_EXECUTOR, 1U << FILE_CONF |
	    1U << FILE_ALLOWLIST | 1U << FILE_DATA_DIR | 1U << FILE_CONTROL);
	read_conf(sh);
	memset(&paths, 0, sizeof(paths));
	paths.data_dir = proc_take_file(&sh->proc, FILE_DATA_DIR);
	open_all(sh, paths.data_dir);
	sh->control = control_new(sh->base, sh->core,
	    proc_take_file(&sh->proc, FILE_CONTROL));
	if (confine_executor(&paths, &ready) == -1)
		fatalx("confinement: %s", ready.note);
	proc_ready(&sh->proc, &ready);
	sh->chans[ROLE_PARENT] = chan_new(sh->base, &sh->proc.parent,
	    shell_on_message, NULL, sh);
	for (i = 0; i < nitems(peers); i++) {
		if (sh->proc.peers[peers[i]].fd == -1)
			fatalx("parent gave no channel to %s",
			    role_name(peers[i]));
		sh->chans[peers[i]] = chan_new(sh->base,
		    &sh->proc.peers[peers[i]], shell_on_message, NULL, sh);
	}
	if (event_base_dispatch(sh->base) == -1 || !sh->is_over)
		fatalx("the event loop ended by itself");
	end_session(sh);
	close_all(sh);
	log_info("stopped");
	return 0;
}

static __dead void
usage(void)
{
	(void)fprintf(stderr, "usage: chatops-executor -x executor|runner "
	    "[-v]\nIt is started by chatopsd.\n");
	exit(2);
}

int
main(int argc, char **argv)
{
	const char	*role = NULL;
	int		 ch, verbose = 0;

	while ((ch = getopt(argc, argv, "vx:")) != -1) {
		switch (ch) {
		case 'v':
			verbose++;
			break;
		case 'x':
			role = optarg;
			break;
		default:
			usage();
		}
	}
	if (role == NULL || argc != optind)
		usage();
	if (sodium_init() == -1)
		errx(1, "libsodium does not work here");
	json_init_secure();
	if (strcmp(role, "executor") == 0)
		return executor_main(verbose);
	if (strcmp(role, "runner") == 0)
		return runner_main(verbose);
	usage();
}
