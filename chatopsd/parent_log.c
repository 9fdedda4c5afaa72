/*
 * Two pipes lead here: one from the children, whose writers wait when we are
 * slow, and one from ourselves, which must never make us wait for us.  The
 * sockets are ours and not syslog(3)'s, which would make a new one when the
 * log is restarted: that is forbidden to a confined process.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <event2/event.h>

#include "compat.h"
#include "parent_log.h"
#include "pathnames.h"
#include "sys.h"

#define LINE_MAX_LOG	2048

struct source {
	int		 fd;
	size_t		 len;
	char		 line[LINE_MAX_LOG];
	struct event	*event;
};

static struct source	 sources[2] = { { .fd = -1 }, { .fd = -1 } };
static int		 log_fd = -1;
static int		 terminal_fd = -1;

static int
connect_to(const char *path)
{
	struct sockaddr_un	 sun;
	socklen_t		 len;
	size_t			 n = strlen(path);
	int			 fd, saved;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	if (n == 0 || n >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, n);
	/* systemd writes an abstract name with an "@". */
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	fd = sys_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd == -1)
		return -1;
	if (sys_connect(fd, (struct sockaddr *)&sun, len) == -1) {
		saved = errno;
		(void)sys_close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int
plog_connect(void)
{
	log_fd = connect_to(PATH_LOG);
	return log_fd == -1 ? -1 : 0;
}

static int
make_pipe(struct source *s, int *writer, int flags)
{
	int	 fds[2];

	if (sys_pipe2(fds, O_CLOEXEC) == -1)
		return -1;
	if (sys_fcntl(fds[0], F_SETFL, O_NONBLOCK) == -1 ||
	    sys_fcntl(fds[1], F_SETFL, flags) == -1) {
		(void)sys_close(fds[0]);
		(void)sys_close(fds[1]);
		return -1;
	}
	s->fd = fds[0];
	*writer = fds[1];
	return 0;
}

int
plog_begin(void)
{
	int	 children, own;

	if (make_pipe(&sources[0], &children, 0) == -1 ||
	    make_pipe(&sources[1], &own, O_NONBLOCK) == -1)
		return -1;
	terminal_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (dup2(own, STDERR_FILENO) == -1)
		return -1;
	(void)sys_close(own);
	/* What fatal() writes last is still passed on. */
	(void)atexit(plog_drain);
	return children;
}

void
plog_leave_terminal(void)
{
	plog_drain();
	if (terminal_fd != -1)
		(void)sys_close(terminal_fd);
	terminal_fd = -1;
}

void
plog_escape(char *out, size_t size, const char *in, size_t len)
{
	static const char	 hex[] = "0123456789abcdef";
	unsigned char		 c;
	size_t			 i, n = 0;

	for (i = 0; i < len && n + 5 <= size; i++) {
		c = (unsigned char)in[i];
		if (c >= 0x20 && c <= 0x7e) {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '\\';
		out[n++] = 'x';
		out[n++] = hex[c >> 4];
		out[n++] = hex[c & 15];
	}
	out[n] = '\0';
}

int
plog_severity(const char *line)
{
	const char	*text = strstr(line, ": ");

	/* "chatopsd: network: fatal: …": the word after the names. */
	while (text != NULL) {
		if (strncmp(text, ": fatal: ", 9) == 0)
			return LOG_ERR;
		if (strncmp(text, ": debug: ", 9) == 0)
			return LOG_DEBUG;
		if (strncmp(text, ": WARNING: ", 11) == 0)
			return LOG_WARNING;
		text = strstr(text + 2, ": ");
	}
	return LOG_NOTICE;
}

static void
emit(const char *raw, size_t len)
{
	char	 line[4 * LINE_MAX_LOG + 1], out[sizeof(line) + 64];
	int	 n;

	plog_escape(line, sizeof(line), raw, len);
	if (terminal_fd != -1)
		(void)dprintf(terminal_fd, "%s\n", line);
	if (log_fd == -1)
		return;
	n = snprintf(out, sizeof(out), "<%d>chatopsd[%ld]: %s",
	    LOG_DAEMON | plog_severity(line), (long)getpid(), line);
	/* A log that is down or full must not stop the daemon. */
	if (n > 0)
		(void)send(log_fd, out, (size_t)n, MSG_NOSIGNAL |
		    MSG_DONTWAIT);
}

static void
take_lines(struct source *s)
{
	char	*nl;
	size_t	 n;

	while ((nl = memchr(s->line, '\n', s->len)) != NULL) {
		n = (size_t)(nl - s->line);
		emit(s->line, n);
		s->len -= n + 1;
		memmove(s->line, nl + 1, s->len);
	}
	if (s->len == sizeof(s->line)) {
		emit(s->line, s->len);
		s->len = 0;
	}
}

/* 0 when there is nothing more now. */
static int
read_some(struct source *s)
{
	ssize_t	 n;

	do
		n = sys_read(s->fd, s->line + s->len,
		    sizeof(s->line) - s->len);
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		return 0;
	s->len += (size_t)n;
	take_lines(s);
	return 1;
}

/* At most what both pipes can hold, so that a chatty child does not win. */
void
plog_drain(void)
{
	size_t	 i, k;

	for (i = 0; i < nitems(sources); i++)
		for (k = 0; sources[i].fd != -1 && k < 64; k++)
			if (!read_some(&sources[i]))
				break;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)read_some(arg);
}

int
plog_watch(struct event_base *base)
{
	size_t	 i;

	for (i = 0; i < nitems(sources); i++) {
		if (sources[i].fd == -1)
			continue;
		sources[i].event = event_new(base, sources[i].fd,
		    EV_READ | EV_PERSIST, on_readable, &sources[i]);
		if (sources[i].event == NULL ||
		    event_add(sources[i].event, NULL) == -1)
			return -1;
	}
	return 0;
}

static int		 notify_fd = -1;
static long long	 watchdog_us;

static void
read_watchdog(void)
{
	const char	*usec = getenv("WATCHDOG_USEC");
	const char	*pid = getenv("WATCHDOG_PID"), *error;

	if (usec == NULL)
		return;
	/* sd_watchdog_enabled(3): the pid says for whom it is meant. */
	if (pid != NULL && strtonum(pid, 1, INT32_MAX, &error) != getpid())
		return;
	watchdog_us = strtonum(usec, 1, INT64_MAX, &error);
}

int
notify_open(void)
{
	const char	*path = getenv("NOTIFY_SOCKET");
	int		 saved;

	read_watchdog();
	if (path != NULL) {
		notify_fd = connect_to(path);
		saved = errno;
	}
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	if (path == NULL)
		return 0;
	(void)unsetenv("NOTIFY_SOCKET");
	errno = saved;
	return notify_fd == -1 ? -1 : 0;
}

void
notify_send(const char *text)
{
	if (notify_fd != -1)
		(void)send(notify_fd, text, strlen(text), MSG_NOSIGNAL);
}

long long
notify_watchdog(void)
{
	return notify_fd == -1 ? 0 : watchdog_us;
}
