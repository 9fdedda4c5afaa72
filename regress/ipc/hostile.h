/*
 * A process of ours among hostile siblings: the real program is started on
 * descriptor 3 and set up as the parent would, by a test that can then say
 * anything to it from every seat.  cases.h has what it says.
 */
#ifndef CHATOPS_HOSTILE_H
#define CHATOPS_HOSTILE_H

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <arpa/inet.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "imsg.h"
#include "monotime.h"
#include "proc.h"
#include "../unit/msg_want.h"

#define H_PACKET_MAX	(IMSG_HEADER_SIZE + IMSG_MAX_PAYLOAD + 64)
#define H_LOG_MAX	16384
#define H_WAIT_MS	8000	/* what has not ended by then lives */
#define H_SOON_MS	1000	/* what was promised */
#define H_ID		4711	/* that nobody asked */

enum h_stage {
	H_FIRST,		/* before HELLO */
	H_SETUP,		/* between HELLO and DONE */
	H_RUN			/* after READY */
};

struct h_target {
	enum role	 role;
	const char	*program;	/* seen from the folder above */
	const char	*arg0;
	enum role	 peers[4];
	size_t		 npeers;
	uint32_t	 files;		/* given, all of them needed */
	/* Says when a peer closes; NULL: it lives on, as documented. */
	const char	*closed[ROLE_COUNT];
};

/* The victim and everything around it; one per process. */
static int64_t	 h_wait_ms = H_WAIT_MS;
static int	 h_is_quiet;	/* failures are what is wanted */

static struct {
	const struct h_target	*target;
	char			 dir[80];
	pid_t			 pid;
	int			 log;		/* memfd: its standard error */
	int			 seat[ROLE_COUNT];	/* our end */
	int			 theirs[ROLE_COUNT];	/* to be given */
	monotime_t		 at;		/* of the wrong thing */
	int			 status;
} h;

static void	 h_fail(const char *, ...)
		    __attribute__((__format__(printf, 1, 2), __noreturn__));

static size_t
h_log(char *out, size_t size)
{
	ssize_t	 n;

	n = pread(h.log, out, size - 1, 0);
	out[n < 0 ? 0 : n] = '\0';
	return n < 0 ? 0 : (size_t)n;
}

static int
h_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	(void)remove(path);
	return 0;
}

/* The end of a case, whatever became of it. */
static void
h_clean(void)
{
	if (h.pid > 0) {
		(void)kill(h.pid, SIGKILL);
		(void)waitpid(h.pid, NULL, 0);
	}
	h.pid = 0;
	if (h.dir[0] != '\0')
		(void)nftw(h.dir, h_remove, 16, FTW_DEPTH | FTW_PHYS);
	h.dir[0] = '\0';
}

static void
h_fail(const char *fmt, ...)
{
	char	 log[H_LOG_MAX], text[512];
	va_list	 ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log[0] = '\0';
	if (h.log > 0)
		(void)h_log(log, sizeof(log));
	if (!h_is_quiet)
		fprintf(stderr, "  %s; its log:\n%s", text, log);
	fflush(stderr);
	h_clean();
	_exit(1);
}

/* Packets as somebody sends them who knows no rules. */

static void
h_raw(int s, const uint8_t *data, size_t len, int nfds)
{
	union {
		struct cmsghdr	 hdr;
		char		 buf[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct msghdr	 msg;
	struct iovec	 iov;
	int		 fds[2] = { -1, -1 }, i;

	memset(&msg, 0, sizeof(msg));
	memset(&control, 0, sizeof(control));
	iov.iov_base = (void *)(uintptr_t)data;
	iov.iov_len = len;
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	for (i = 0; i < nfds; i++)
		if ((fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) == -1)
			h_fail("/dev/null: %s", strerror(errno));
	if (nfds > 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		control.hdr.cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		memcpy(CMSG_DATA(&control.hdr), fds,
		    (size_t)nfds * sizeof(int));
	}
	if (sendmsg(s, &msg, MSG_NOSIGNAL) == -1)
		h_fail("cannot send: %s", strerror(errno));
	for (i = 0; i < nfds; i++)
		close(fds[i]);
}

static size_t
h_header(uint8_t *out, int type, int flags, uint32_t id)
{
	uint16_t	 t = htons((uint16_t)type), f = htons((uint16_t)flags);

	id = htonl(id);
	memcpy(out, &t, 2);
	memcpy(out + 2, &f, 2);
	memcpy(out + 4, &id, 4);
	return IMSG_HEADER_SIZE;
}

static const struct want_type *
h_want(int type)
{
	size_t	 i;

	for (i = 0; i < nitems(want); i++)
		if ((int)want[i].type == type)
			return &want[i];
	errx(2, "no type %d", type);
}

static size_t
h_put_string(uint8_t *out, const char *s)
{
	size_t	 len = strlen(s);

	out[0] = (uint8_t)(len >> 8);
	out[1] = (uint8_t)len;
	memcpy(out + 2, s, len);
	return 2 + len;
}

/* The smallest good value of a field. */
static size_t
h_put_field(uint8_t *out, const struct want_type *t,
    const struct want_field *f)
{
	uint64_t	 v = f->low;
	size_t		 i;

	switch (f->kind) {
	case 'd':
		return h_put_string(out, "aaaaaaaaaaaaaaaaaaaaaaaaaa");
	case 'u':
		return h_put_string(out,
		    "01234567-89ab-cdef-0123-456789abcdef");
	case 'b':
		return h_put_string(out, build_id);
	case 'S':
		return h_put_string(out, "a");
	case 'D':
	case 'U':
	case 's':
		/* One of two must be there. */
		return h_put_string(out, t->type == MSG_LOOKUP_CHANNEL &&
		    strcmp(f->name, "name") == 0 ? "a" : "");
	case 'W':
		out[0] = out[1] = 0;
		return 2;
	case 'x':
		memset(out, 0, f->size);
		return f->size;
	case 'c':
		v = 'O';
		break;
	default:
		/* "missing" needs no more; a name needs no id. */
		if (strcmp(f->name, "status") == 0 ||
		    strcmp(f->name, "by_name") == 0)
			v = 1;
	}
	for (i = 0; i < f->size; i++)
		out[i] = (uint8_t)(v >> 8 * (f->size - 1 - i));
	return f->size;
}

/* A good packet of that type: its bytes and their number. */
static size_t
h_packet(uint8_t *out, int type, uint32_t id)
{
	const struct want_type	*t = h_want(type);
	size_t			 i, n;

	n = h_header(out, type, 0, id);
	for (i = 0; i < field_count(t); i++)
		n += h_put_field(out + n, t, &t->f[i]);
	return n;
}

static inline void
h_good(enum role from, int type)
{
	static uint8_t	 p[H_PACKET_MAX];
	size_t		 n;

	n = h_packet(p, type, h_want(type)->answer ? H_ID : 0);
	h_raw(h.seat[from], p, n, h_want(type)->fd);
}

/* Setting up, as the parent does. */

static void
h_say(enum msg_type type, const void *msg, int fd)
{
	struct imsgbuf	 b;
	struct buf	 data;
	const char	*field;
	int		 copy;

	/* A sender that knows the rules, only for this one message. */
	if ((copy = fcntl(h.seat[ROLE_PARENT], F_DUPFD_CLOEXEC, 0)) == -1 ||
	    imsgbuf_init(&b, copy, ROLE_PARENT, h.target->role) == -1 ||
	    msg_encode(&data, type, msg, &field) == -1)
		h_fail("cannot make %s", msg_name(type));
	if (imsg_compose(&b, type, 0, fd, data.data, data.len) == -1 ||
	    imsg_flush(&b) != 1)
		h_fail("cannot send %s: %s", msg_name(type), b.why);
	imsgbuf_clear(&b);
	buf_free(&data);
}

static void
h_hello(const char *build, enum role role)
{
	struct msg_hello	 m;

	memset(&m, 0, sizeof(m));
	(void)strlcpy(m.build, build, sizeof(m.build));
	m.role = (uint8_t)role;
	h_say(MSG_HELLO, &m, -1);
}

static int
h_memfd(const char *text)
{
	int	 fd;

	if ((fd = memfd_create("hostile", MFD_CLOEXEC)) == -1 ||
	    write(fd, text, strlen(text)) == -1 ||
	    lseek(fd, 0, SEEK_SET) == -1)
		h_fail("memfd: %s", strerror(errno));
	return fd;
}

static int
h_folder(const char *name)
{
	char	 path[256];
	int	 fd;

	(void)snprintf(path, sizeof(path), "%s/%s", h.dir, name);
	/* Another user may have to look into the scripts' one. */
	if ((mkdir(path, strcmp(name, "base") == 0 ? 0755 : 0700) == -1 &&
	    errno != EEXIST) ||
	    (fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		h_fail("%s: %s", path, strerror(errno));
	return fd;
}

static int
h_listener(void)
{
	struct sockaddr_un	 sun;
	int			 fd;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/ctl", h.dir);
	if ((fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0)) == -1 ||
	    bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    listen(fd, 16) == -1)
		h_fail("%s: %s", sun.sun_path, strerror(errno));
	return fd;
}

static char *
h_conf(void)
{
	static char	 text[4096];

	(void)snprintf(text, sizeof(text), "{\"mattermost\":{\"url\":"
	    "\"http://127.0.0.1:1\"},\"users\":{\"network\":\"64001\","
	    "\"executor\":\"64002\",\"runner\":\"64003\",\"audit\":"
	    "\"64004\"},\"paths\":{\"base\":\"%s/base\",\"data\":\"%s/data\","
	    "\"logs\":\"%s/logs\",\"run\":\"%s\"}}", h.dir, h.dir, h.dir,
	    h.dir);
	return text;
}

static int
h_file(enum file_kind kind)
{
	char	 text[512];

	switch (kind) {
	case FILE_CONF:
		return h_memfd(h_conf());
	case FILE_TOKEN:
		return h_memfd("abcdefghijklmnopqrstuvwxyz");
	case FILE_ALLOWLIST:
		(void)snprintf(text, sizeof(text), "{\"scripts\":[{\"name\":"
		    "\"wait\",\"path\":\"wait\",\"requiredPermission\":"
		    "\"user\"}]}");
		return h_memfd(text);
	case FILE_RESOLV:
		return h_memfd("nameserver 127.0.0.1\n");
	case FILE_HOSTS:
		return h_memfd("127.0.0.1 localhost\n");
	case FILE_CA:
	case FILE_CA_SYSTEM:
		return h_memfd("");
	case FILE_BASE_DIR:
		return h_folder("base");
	case FILE_DATA_DIR:
		return h_folder("data");
	case FILE_LOG_DIR:
		return h_folder("logs");
	case FILE_KEY_DIR:
		return h_folder("keys");
	case FILE_CONTROL:
		return h_listener();
	case FILE_COUNT:
		break;
	}
	errx(2, "no file of kind %d", (int)kind);
}

static void
h_give_file(enum file_kind kind, int fd)
{
	struct msg_file	 m = { (uint8_t)kind };

	h_say(MSG_FILE, &m, fd);
}

static void
h_give_peer(enum role role, int fd)
{
	struct msg_peer	 m = { (uint8_t)role };

	h_say(MSG_PEER, &m, fd);
}

/* All peers and files but one of each (-1: none is left out). */
static void
h_give_all(int no_peer, int no_file)
{
	const struct h_target	*t = h.target;
	size_t			 i;
	int			 kind, sv[2];

	for (i = 0; i < t->npeers; i++) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
		    sv) == -1)
			h_fail("socketpair: %s", strerror(errno));
		h.seat[t->peers[i]] = sv[0];
		if ((int)t->peers[i] == no_peer)
			close(sv[1]);
		else
			h_give_peer(t->peers[i], sv[1]);
	}
	for (kind = 0; kind < FILE_COUNT; kind++)
		if ((t->files & 1U << kind) && kind != no_file)
			h_give_file((enum file_kind)kind,
			    h_file((enum file_kind)kind));
}

static void
h_child(int channel)
{
	char	 arg0[64], option[] = "-x", role[32];
	char	*argv[] = { arg0, option, role, NULL };
	char	*envp[] = { NULL };
	int	 null;

	(void)strlcpy(arg0, h.target->arg0, sizeof(arg0));
	(void)strlcpy(role, role_name(h.target->role), sizeof(role));
	if ((null = open("/dev/null", O_RDWR)) == -1 || dup2(null, 0) == -1 ||
	    dup2(null, 1) == -1 || dup2(h.log, 2) == -1 ||
	    dup2(channel, PROC_FD) == -1)
		_exit(99);
	closefrom(PROC_FD + 1);
	/* Leak reports of a sanitizer would be one more way to end. */
	(void)execve(h.target->program, argv, envp);
	_exit(98);
}

/* The victim, not yet greeted.  Its folder and its log are fresh. */
static void
h_start(void)
{
	const char	*tmp = getenv("TMPDIR");
	int		 sv[2];

	(void)snprintf(h.dir, sizeof(h.dir), "%s/hostile.XXXXXXXXXX",
	    tmp == NULL || strlen(tmp) > 60 ? "/tmp" : tmp);
	if (mkdtemp(h.dir) == NULL)
		err(2, "%s", h.dir);
	/* Appending, as every log is: two writers must not overwrite. */
	if ((h.log = memfd_create("log", MFD_CLOEXEC)) == -1 ||
	    fcntl(h.log, F_SETFL, O_APPEND) == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == -1)
		err(2, "channel");
	if ((h.pid = fork()) == -1)
		err(2, "fork");
	if (h.pid == 0)
		h_child(sv[1]);
	close(sv[1]);
	h.seat[ROLE_PARENT] = sv[0];
}

/* Wait for a message of that type from our seat; others are dropped. */
static void
h_expect(enum role from, enum msg_type type)
{
	static uint8_t	 p[H_PACKET_MAX];
	struct pollfd	 pfd = { h.seat[from], POLLIN, 0 };
	monotime_t	 until;
	int64_t		 left;
	ssize_t		 n;

	until = monotime_add(monotime_now(), h_wait_ms);
	for (;;) {
		left = monotime_sub(until, monotime_now());
		if (left <= 0 || poll(&pfd, 1, (int)left) == 0)
			h_fail("no %s in time", msg_name(type));
		n = recv(h.seat[from], p, sizeof(p), MSG_DONTWAIT);
		if (n == -1 && errno == EAGAIN)
			continue;
		if (n <= 0)
			h_fail("it ended before %s", msg_name(type));
		if (n >= 2 && (p[0] << 8 | p[1]) == (int)type)
			return;
	}
}

static void
h_reach(enum h_stage stage)
{
	h_start();
	if (stage == H_FIRST)
		return;
	h_hello(build_id, ROLE_PARENT);
	if (stage == H_SETUP)
		return;
	h_give_all(-1, -1);
	h_say(MSG_DONE, NULL, -1);
	h_expect(ROLE_PARENT, MSG_READY);
}

/* Is it over within ms?  Then h.status is set. */
static int
h_is_dead(int64_t ms)
{
	monotime_t	 until = monotime_add(monotime_now(), ms);

	do {
		if (waitpid(h.pid, &h.status, WNOHANG) == h.pid) {
			h.pid = 0;
			return 1;
		}
		(void)poll(NULL, 0, 2);
	} while (monotime_sub(until, monotime_now()) > 0);
	return 0;
}

/* Adopted from the victim: there must be nobody. */
static void
h_nobody_left(void)
{
	monotime_t	 until = monotime_add(monotime_now(), H_SOON_MS);
	pid_t		 pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) != -1 || errno != ECHILD) {
		if (monotime_sub(until, monotime_now()) <= 0)
			h_fail("a process is left behind");
		if (pid == 0)
			(void)poll(NULL, 0, 2);
	}
}

static void
h_must_die(const char *says, int64_t ms)
{
	char	 log[H_LOG_MAX], *line;

	if (!h_is_dead(ms))
		h_fail("it lives");
	if (!WIFEXITED(h.status) || WEXITSTATUS(h.status) == 0)
		h_fail("it ended with status 0x%x", h.status);
	(void)h_log(log, sizeof(log));
	if ((line = strstr(log, says)) == NULL)
		h_fail("its log does not say \"%s\"", says);
	h_nobody_left();
}

/* It goes on, and says nothing that would be its end. */
static void
h_must_live(int64_t ms)
{
	char	 log[H_LOG_MAX];

	if (h_is_dead(ms))
		h_fail("it ended with status 0x%x", h.status);
	(void)h_log(log, sizeof(log));
	if (strstr(log, "fatal: ") != NULL)
		h_fail("it lives but its log is fatal");
}

#endif
