/*
 * chatopsctl's side of the control socket.  The other side is treated as a
 * stranger: whatever it sends, it gets no further than an error message.
 */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "ctl.h"
#include "executor/control.h"
#include "imsg.h"
#include "monotime.h"
#include "pathnames.h"
#include "proc.h"
#include "sys.h"

#define REQUEST_ID	1

struct client {
	struct imsgbuf		 buf;
	struct ctl_answer	*answer;
	monotime_t		 deadline;	/* for the next message */
	int			 is_greeted;
};

int
ctl_connect(const char *run, int ms)
{
	struct timeval		 tv = { ms / 1000, ms % 1000 * 1000 };
	struct sockaddr_un	 sun;
	int			 dir, fd, saved;

	/* A folder's descriptor is shorter than any path; see unix(7). */
	dir = sys_open(run, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (dir == -1)
		return -1;
	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path),
	    "/proc/self/fd/%d/%s", dir, NAME_CONTROL);
	fd = sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	/* Where nobody accepts, connect(2) waits for as long; socket(7). */
	if (fd != -1 && (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv,
	    sizeof(tv)) == -1 || sys_connect(fd, (struct sockaddr *)&sun,
	    sizeof(sun)) == -1)) {
		saved = errno;
		(void)sys_close(fd);
		fd = -1;
		errno = saved;
	}
	saved = errno;
	(void)sys_close(dir);
	errno = saved;
	return fd;
}

void
ctl_answer_free(struct ctl_answer *a)
{
	size_t	 i;

	for (i = 0; i < a->n; i++)
		free(a->rows[i]);
	free(a->rows);
	a->rows = NULL;
	a->n = 0;
}

static int
broken(struct client *c, const char *why)
{
	(void)snprintf(c->answer->error, sizeof(c->answer->error),
	    "the daemon does not keep to the rules: %s", why);
	return -1;
}

/* Those that are too many it hangs up on before it says a word. */
static int
closed(struct client *c)
{
	char	*error = c->answer->error;
	size_t	 size = sizeof(c->answer->error);

	if (c->is_greeted)
		(void)strlcpy(error, "the daemon closed the connection before "
		    "it had answered; its log says why", size);
	else
		(void)snprintf(error, size, "the daemon closed the connection "
		    "without a greeting: at most %d of one user and %d in all "
		    "may be open, or it is ending; its log says why",
		    CONTROL_PER_UID, CONTROL_MAX);
	return -1;
}

static int
client_send(struct client *c, enum msg_type type, uint32_t id,
    const void *payload)
{
	const char	*field;
	struct buf	 b;
	int		 n;

	if (msg_encode(&b, type, payload, &field) == -1) {
		(void)snprintf(c->answer->error, sizeof(c->answer->error),
		    "this request cannot be sent: wrong %s", field);
		return -1;
	}
	n = imsg_compose(&c->buf, type, id, -1, b.data, b.len);
	buf_free(&b);
	if (n == 0 && imsg_flush(&c->buf) == 1)
		return 0;
	if (IMSG_CLOSED(&c->buf))
		return closed(c);
	(void)snprintf(c->answer->error, sizeof(c->answer->error),
	    "the daemon closed the connection: %s", c->buf.why);
	return -1;
}

/* The next message, within its time. */
static int
client_recv(struct client *c, struct imsg *imsg, int ms)
{
	struct pollfd	 pfd;
	int64_t		 left;
	int		 n;

	c->deadline = monotime_add(monotime_now(), ms);
	while ((n = imsg_recv(&c->buf, imsg)) == 0) {
		left = monotime_sub(c->deadline, monotime_now());
		pfd.fd = c->buf.fd;
		pfd.events = POLLIN;
		if (left <= 0) {
			(void)snprintf(c->answer->error,
			    sizeof(c->answer->error), "the daemon did not "
			    "answer within %d s", ms / 1000);
			return -1;
		}
		if (poll(&pfd, 1, (int)left) == -1 && errno != EINTR)
			return broken(c, strerror(errno));
	}
	if (n == 1)
		return 0;
	if (!IMSG_CLOSED(&c->buf))
		return broken(c, c->buf.why);
	return closed(c);
}

static int
take_row(struct client *c, const struct imsg *imsg)
{
	struct ctl_answer	*a = c->answer;
	static struct msg_ctl_row row;
	const char		*field;
	char			**rows;
	size_t			 len;

	if (msg_decode(imsg->data, imsg->len, MSG_CTL_ROW, &row, &field) ==
	    -1)
		return broken(c, "a row cannot be read");
	len = strlen(row.json);
	if (a->n == CTL_ROWS_MAX || a->bytes + len > CTL_BYTES_MAX)
		return broken(c, "the answer has no end");
	rows = reallocarray(a->rows, a->n + 1, sizeof(*rows));
	if (rows == NULL)
		return broken(c, "out of memory");
	a->rows = rows;
	if ((a->rows[a->n] = strdup(row.json)) == NULL)
		return broken(c, "out of memory");
	a->n++;
	a->bytes += len;
	return 0;
}

/* 1 at the end. */
static int
take_end(struct client *c, const struct imsg *imsg)
{
	struct msg_ctl_end	 end;
	const char		*field;

	if (msg_decode(imsg->data, imsg->len, MSG_CTL_END, &end, &field) ==
	    -1)
		return broken(c, "the end cannot be read");
	if (end.exit > CTL_USAGE)
		return broken(c, "an exit status that does not exist");
	c->answer->exit = end.exit;
	(void)strlcpy(c->answer->error, end.error, sizeof(c->answer->error));
	return 1;
}

/* Both greet; the daemon may end it here: 0 go on, 1 ended, -1. */
static int
greet(struct client *c)
{
	struct msg_ctl_hello	 hello;
	struct imsg		 imsg;
	const char		*field;

	memset(&hello, 0, sizeof(hello));
	(void)strlcpy(hello.build, build_id, sizeof(hello.build));
	if (client_send(c, MSG_CTL_HELLO, 0, &hello) == -1 ||
	    client_recv(c, &imsg, CTL_CONNECT_MS) == -1)
		return -1;
	c->is_greeted = 1;
	if (imsg.type == MSG_CTL_END)
		return take_end(c, &imsg);
	if (imsg.type != MSG_CTL_HELLO || msg_decode(imsg.data, imsg.len,
	    MSG_CTL_HELLO, &hello, &field) == -1)
		return broken(c, "no greeting");
	if (strcmp(hello.build, build_id) == 0)
		return 0;
	(void)strlcpy(c->answer->error, "the daemon that runs is of another "
	    "build than this chatopsctl: restart chatopsd",
	    sizeof(c->answer->error));
	return -1;
}

static int
converse(struct client *c, const struct words *words)
{
	static struct msg_ctl_request request;
	struct imsg		 imsg;
	int			 n;

	if ((n = greet(c)) != 0)
		return n == 1 ? 0 : -1;
	imsgbuf_set_phase(&c->buf, PHASE_RUN);
	request.words = *words;
	if (client_send(c, MSG_CTL_REQUEST, REQUEST_ID, &request) == -1)
		return -1;
	/* Bounded by the number and the bytes of rows, and by the time. */
	do {
		if (client_recv(c, &imsg, CTL_TIMEOUT_MS) == -1)
			return -1;
		if (imsg.type == MSG_CTL_ROW)
			n = take_row(c, &imsg);
		else if (imsg.type == MSG_CTL_END)
			n = take_end(c, &imsg);
		else
			n = broken(c, "a message that was not due");
	} while (n == 0);
	return n == 1 ? 0 : -1;
}

int
ctl_ask(int fd, const struct words *words, struct ctl_answer *a)
{
	struct client	 c;
	int		 n;

	memset(&c, 0, sizeof(c));
	c.answer = a;
	a->exit = CTL_FAILED;
	if (imsgbuf_init(&c.buf, fd, ROLE_CTL, ROLE_EXECUTOR) == -1) {
		(void)sys_close(fd);
		return broken(&c, strerror(errno));
	}
	n = converse(&c, words);
	imsgbuf_clear(&c.buf);
	if (n == -1)
		a->exit = CTL_FAILED;
	return n;
}
