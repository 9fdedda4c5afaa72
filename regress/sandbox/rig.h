/*
 * A runner on its own: the real program on descriptor 3, a test in the
 * place of parent and executor.
 */
#ifndef CHATOPS_RIG_H
#define CHATOPS_RIG_H

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include "compat.h"
#include "imsg.h"
#include "monotime.h"
#include "msg.h"
#include "proc.h"
#include "test.h"

#define RIG_USER	64005	/* the ordinary user */
#define RIG_RUNNER	64003	/* the runner's user where root starts it */
#define RIG_WAIT_MS	20000

struct rig {
	pid_t		 pid;
	char		 dir[256];
	int		 base;
	char		 list[16384];	/* the allowlist */
	uint64_t	 generation;
	uint64_t	 job;		/* last one used */
	struct imsgbuf	 parent;
	struct imsgbuf	 executor;
	struct msg_ready ready;
	const char	*limits;	/* JSON for the configuration */
};

/* What came of a job. */
struct result {
	int			 has_started;
	struct msg_job_exit	 exit;
	char			 out[65536];
	size_t			 len;
};

static int	 rig_program = -1;	/* opened before any change of user */

static void
rig_open_program(void)
{
	int	 fd;

	if (rig_program != -1)
		return;
	fd = open("../executor/chatops-executor", O_RDONLY | O_CLOEXEC);
	/* Out of the way of the channel's number. */
	rig_program = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	close(fd);
	if (rig_program == -1) {
		fprintf(stderr, "../executor/chatops-executor: %s\n",
		    strerror(errno));
		abort();
	}
}

static void
rig_write(const char *path, const void *text, size_t len, mode_t mode)
{
	int	 fd;

	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1 || write(fd, text, len) != (ssize_t)len ||
	    fchmod(fd, mode) == -1)
		abort();
	close(fd);
}

static const char *
rig_path(const struct rig *r, const char *name)
{
	static char	 path[512];

	snprintf(path, sizeof(path), "%s/scripts/%s", r->dir, name);
	return path;
}

/* A script of that name in the base folder, and its line in the list. */
static void
rig_entry(struct rig *r, const char *name, const char *file,
    const char *extra)
{
	size_t	 n = strlen(r->list);

	snprintf(r->list + n, sizeof(r->list) - n,
	    "%s{\"name\":\"%s\",\"path\":\"%s\"%s%s}", n == 0 ? "" : ",\n",
	    name, file, extra[0] != '\0' ? "," : "", extra);
}

static void
rig_script(struct rig *r, const char *name, const char *extra,
    const char *text)
{
	rig_write(rig_path(r, name), text, strlen(text), 0755);
	rig_entry(r, name, name, extra);
}

static void
rig_new(struct rig *r)
{
	const char	*tmp = getenv("TMPDIR");

	memset(r, 0, sizeof(*r));
	snprintf(r->dir, sizeof(r->dir), "%s/chatops-runner.XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(r->dir) == NULL || mkdir(rig_path(r, ""), 0755) == -1)
		abort();
	r->base = open(rig_path(r, ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r->generation = 1;
	r->limits = "";
}

/* Send one message, at once. */
static void
rig_send(struct imsgbuf *b, enum msg_type type, int fd, const void *msg)
{
	const char	*field;
	struct buf	 buf;

	if (msg_encode(&buf, type, msg, &field) == -1) {
		fprintf(stderr, "cannot encode %s: %s\n", msg_name(type),
		    field);
		abort();
	}
	if (imsg_compose(b, type, 0, fd, buf.data, buf.len) == -1 ||
	    imsg_flush(b) != 1) {
		fprintf(stderr, "cannot send %s: %s\n", msg_name(type),
		    b->why);
		test_bad++;
	}
	buf_free(&buf);
}

/*
 * The next message into msg (large enough for any): its type, MSG_NONE
 * when none came in time or the runner is gone.
 */
static enum msg_type
rig_recv_in(struct imsgbuf *b, void *msg, int *fd, int ms)
{
	const char	*field;
	struct imsg	 imsg;
	struct pollfd	 pfd;
	int		 n;

	for (;;) {
		n = imsg_recv(b, &imsg);
		if (n == -1)
			return MSG_NONE;
		if (n == 1)
			break;
		pfd.fd = b->fd;
		pfd.events = POLLIN;
		if (poll(&pfd, 1, ms) != 1)
			return MSG_NONE;
	}
	if (msg != NULL && imsg.type != MSG_DONE &&
	    msg_decode(imsg.data, imsg.len, imsg.type, msg, &field) == -1) {
		fprintf(stderr, "cannot decode %s: %s\n",
		    msg_name(imsg.type), field);
		abort();
	}
	if (fd != NULL)
		*fd = imsg.fd;
	else if (imsg.fd != -1)
		close(imsg.fd);
	return imsg.type;
}

static enum msg_type
rig_recv(struct imsgbuf *b, void *msg, int *fd)
{
	return rig_recv_in(b, msg, fd, RIG_WAIT_MS);
}

/* A file with that text, without a name. */
static int
rig_memfd(const char *text)
{
	int	 fd;

	fd = memfd_create("rig", MFD_CLOEXEC);
	if (fd == -1 || write(fd, text, strlen(text)) !=
	    (ssize_t)strlen(text) || lseek(fd, 0, SEEK_SET) == -1)
		abort();
	return fd;
}

static int
rig_conf(const struct rig *r)
{
	char	 text[2048];

	snprintf(text, sizeof(text), "{\"mattermost\":{\"url\":"
	    "\"http://127.0.0.1:8065\",\"team\":\"ops\"},"
	    "\"paths\":{\"base\":\"%s/scripts\",\"allowlist\":\"%s/list\","
	    "\"data\":\"%s/data\",\"logs\":\"%s/logs\",\"run\":\"%s/run\"},"
	    "\"users\":{\"network\":\"64001\",\"executor\":\"64002\","
	    "\"runner\":\"64003\",\"audit\":\"64004\"}%s}",
	    r->dir, r->dir, r->dir, r->dir, r->dir, r->limits);
	return rig_memfd(text);
}

static int
rig_list(const struct rig *r)
{
	char	 text[sizeof(r->list) + 32];

	snprintf(text, sizeof(text), "{\"scripts\":[%s]}", r->list);
	return rig_memfd(text);
}

static void
rig_file(struct rig *r, enum file_kind kind, int fd)
{
	struct msg_file	 m;

	m.kind = (uint8_t)kind;
	rig_send(&r->parent, MSG_FILE, fd, &m);
}

/* Close-on-exec pairs; the runner's ends are 3 and what PEER carries. */
static void
rig_exec(struct rig *r, int channel)
{
	char *const	 argv[] = { (char *)(uintptr_t)"chatops-executor",
			    (char *)(uintptr_t)"-x",
			    (char *)(uintptr_t)"runner", NULL };
	char *const	 envp[] = { NULL };
	char		 path[512];
	int		 log;

	snprintf(path, sizeof(path), "%s/log", r->dir);
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log == -1 || dup2(log, STDERR_FILENO) == -1 ||
	    dup2(log, STDOUT_FILENO) == -1)
		_exit(99);
	if (channel == PROC_FD)
		(void)fcntl(channel, F_SETFD, 0);
	else if (dup2(channel, PROC_FD) == -1)
		_exit(99);
	(void)fexecve(rig_program, argv, envp);
	_exit(99);
}

/* Up to READY: 0, or -1 when the runner ended instead. */
static int
rig_start(struct rig *r)
{
	struct msg_hello	 hello;
	struct msg_peer		 peer;
	int			 sv[2], ev[2];

	rig_open_program();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ev) == -1)
		abort();
	fflush(NULL);
	r->pid = fork();
	if (r->pid == 0)
		rig_exec(r, sv[1]);
	close(sv[1]);
	if (imsgbuf_init(&r->parent, sv[0], ROLE_PARENT, ROLE_RUNNER) == -1 ||
	    imsgbuf_init(&r->executor, ev[0], ROLE_EXECUTOR,
	    ROLE_RUNNER) == -1)
		abort();
	if (rig_recv(&r->parent, &hello, NULL) != MSG_HELLO)
		return -1;
	hello.role = ROLE_PARENT;
	rig_send(&r->parent, MSG_HELLO, -1, &hello);
	peer.role = ROLE_EXECUTOR;
	rig_send(&r->parent, MSG_PEER, ev[1], &peer);
	rig_file(r, FILE_CONF, rig_conf(r));
	rig_file(r, FILE_ALLOWLIST, rig_list(r));
	rig_file(r, FILE_BASE_DIR, fcntl(r->base, F_DUPFD_CLOEXEC, 3));
	rig_send(&r->parent, MSG_DONE, -1, NULL);
	if (rig_recv(&r->parent, &r->ready, NULL) != MSG_READY)
		return -1;
	imsgbuf_set_phase(&r->parent, PHASE_RUN);
	imsgbuf_set_phase(&r->executor, PHASE_RUN);
	return 0;
}

static int
rig_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
rig_delete(struct rig *r)
{
	close(r->base);
	(void)nftw(r->dir, rig_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static int
rig_wait(struct rig *r)
{
	int	 status, i;

	for (i = 0; i < 500; i++) {
		if (waitpid(r->pid, &status, WNOHANG) == r->pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) :
			    1000 + WTERMSIG(status);
		usleep(10000);
	}
	kill(r->pid, SIGKILL);
	(void)waitpid(r->pid, &status, 0);
	return 2000;
}

static void
rig_show_log(const struct rig *r)
{
	char	 path[512], text[8192];
	ssize_t	 n;
	int	 fd;

	snprintf(path, sizeof(path), "%s/log", r->dir);
	fd = open(path, O_RDONLY);
	if (fd != -1 && (n = read(fd, text, sizeof(text) - 1)) > 0) {
		text[n] = '\0';
		fprintf(stderr, "the runner's log:\n%s", text);
	}
	close(fd);
}

/* An orderly stop: the executor is gone first, then STOP, status 0. */
static void
rig_stop(struct rig *r)
{
	close(r->executor.fd);
	r->executor.fd = -1;
	rig_send(&r->parent, MSG_STOP, -1, NULL);
	CHECK_INT(rig_wait(r), 0);
	imsgbuf_clear(&r->parent);
	imsgbuf_clear(&r->executor);
	if (test_bad != 0)
		rig_show_log(r);
	rig_delete(r);
}

static void
rig_fill_start(struct rig *r, struct msg_job_start *m, uint32_t number)
{
	memset(m, 0, sizeof(*m));
	m->job = ++r->job;
	m->script = number;
	m->generation = r->generation;
	strlcpy(m->execution_id, "01234567-89ab-4cde-8f01-23456789abcd",
	    sizeof(m->execution_id));
	strlcpy(m->user_id, "aaaaaaaaaaaaaaaaaaaaaaaaaa",
	    sizeof(m->user_id));
	strlcpy(m->username, "alice", sizeof(m->username));
	strlcpy(m->channel_id, "cccccccccccccccccccccccccc",
	    sizeof(m->channel_id));
}

static struct msg_job_start	 rig_message;	/* large */

static uint64_t
rig_begin(struct rig *r, uint32_t number, ...)
{
	const char	*word;
	va_list		 ap;

	rig_fill_start(r, &rig_message, number);
	va_start(ap, number);
	while ((word = va_arg(ap, const char *)) != NULL)
		if (words_add(&rig_message.words, word, strlen(word)) == -1)
			abort();
	va_end(ap);
	rig_send(&r->executor, MSG_JOB_START, -1, &rig_message);
	return r->job;
}

/* JOB_STARTED's pipe, or -1 and the JOB_EXIT that came instead. */
static int
rig_started(struct rig *r, struct result *res)
{
	union {
		struct msg_job_started	 started;
		struct msg_job_exit	 exit;
	} u;
	int	 fd = -1;

	memset(res, 0, sizeof(*res));
	switch (rig_recv(&r->executor, &u, &fd)) {
	case MSG_JOB_STARTED:
		res->has_started = 1;
		return fd;
	case MSG_JOB_EXIT:
		res->exit = u.exit;
		return -1;
	default:
		fprintf(stderr, "no answer to JOB_START\n");
		test_bad++;
		res->exit.how = JOB_END_COUNT;
		return -1;
	}
}

/* The output to its end, then JOB_EXIT. */
static void
rig_finish(struct rig *r, int fd, struct result *res)
{
	struct pollfd	 pfd = { fd, POLLIN, 0 };
	ssize_t		 n = 1;

	while (n > 0 && res->len < sizeof(res->out) - 1) {
		if (poll(&pfd, 1, RIG_WAIT_MS) != 1)
			break;
		n = read(fd, res->out + res->len,
		    sizeof(res->out) - 1 - res->len);
		if (n > 0)
			res->len += (size_t)n;
	}
	CHECK_INT(n, 0);
	res->out[res->len] = '\0';
	close(fd);
	CHECK_INT(rig_recv(&r->executor, &res->exit, NULL), MSG_JOB_EXIT);
}

static void
rig_end(struct rig *r, struct result *res)
{
	int	 fd;

	fd = rig_started(r, res);
	if (fd != -1)
		rig_finish(r, fd, res);
	CHECK(res->exit.job == r->job);
}

/* Start, wait, collect. */
#define rig_run(r, res, ...) do {					\
	(void)rig_begin((r), __VA_ARGS__, (const char *)NULL);		\
	rig_end((r), (res));						\
} while (0)

/* As the user that started the suite, and where that is root as another. */
static void
rig_as_user(void (*run)(void))
{
	int	 status;
	pid_t	 pid;

	rig_open_program();
	if (geteuid() != 0) {
		run();
		return;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) == -1 ||
		    setresgid(RIG_USER, RIG_USER, RIG_USER) == -1 ||
		    setresuid(RIG_USER, RIG_USER, RIG_USER) == -1)
			_exit(98);
		test_bad = 0;
		run();
		fflush(NULL);
		_exit(test_bad != 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static int
rig_is_root(void)
{
	static int	 is_said;

	if (geteuid() == 0)
		return 1;
	if (!is_said)
		printf("SKIP the runner as root: not started by root\n");
	is_said = 1;
	return 0;
}

/* One body, two tests. */
#define BOTH(name)							\
	static void name(void);						\
	TEST(name##_as_root)						\
	{								\
		if (rig_is_root())					\
			name();						\
	}								\
	TEST(name##_as_user)						\
	{								\
		rig_as_user(name);					\
	}								\
	static void name(void)

#endif
