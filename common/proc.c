/*
 * A child's first steps, and channels on libevent.  Nothing is trusted before
 * the parent's build id is the same as ours: a field that changed its
 * meaning between two builds would be read wrongly otherwise.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "log.h"
#include "monotime.h"
#include "proc.h"
#include "sys.h"

/* Messages handled before other events have their turn. */
#define CHAN_BURST	64

struct chan {
	struct imsgbuf		*buf;
	struct event		*readable;
	struct event		*writable;
	chan_handler		 handler;
	chan_closed		 closed;
	void			*arg;
	int			 busy;		/* inside a callback */
	int			 freed;		/* chan_free() while busy */
	int			 gone;		/* closed was called */
	int			 may_close;
};

static int
socket_option(int fd, int option)
{
	socklen_t	 len = sizeof(int);
	int		 value;

	if (getsockopt(fd, SOL_SOCKET, option, &value, &len) == -1)
		return -1;
	return value;
}

static int
is_channel(int fd)
{
	return socket_option(fd, SO_DOMAIN) == AF_UNIX &&
	    socket_option(fd, SO_TYPE) == SOCK_SEQPACKET &&
	    socket_option(fd, SO_ACCEPTCONN) == 0;
}

static void
setup_send(struct proc *p, enum msg_type type, const void *msg)
{
	const char	*field;
	struct buf	 b;

	if (msg_encode(&b, type, msg, &field) == -1)
		fatalx("%s: %s cannot be sent", msg_name(type), field);
	if (imsg_compose(&p->parent, type, 0, -1, b.data, b.len) == -1)
		fatalx("%s", p->parent.why);
	buf_free(&b);
	/* A fresh socket takes so few bytes at once. */
	if (imsg_flush(&p->parent) != 1)
		fatalx("parent: %s", IMSG_CLOSED(&p->parent) ?
		    "closed during set-up" : p->parent.why);
}

/* The next message, before the time is over. */
static void
setup_recv(struct proc *p, monotime_t deadline, struct imsg *imsg)
{
	struct pollfd	 pfd;
	int64_t		 left;
	int		 n;

	while ((n = imsg_recv(&p->parent, imsg)) == 0) {
		left = monotime_sub(deadline, monotime_now());
		pfd.fd = p->parent.fd;
		pfd.events = POLLIN;
		if (left <= 0)
			fatalx("parent: set-up not done in %d ms",
			    PROC_SETUP_TIMEOUT_MS);
		if (poll(&pfd, 1, (int)left) == -1 && errno != EINTR)
			fatal("poll");
	}
	if (n == -1)
		fatalx("parent: %s", IMSG_CLOSED(&p->parent) ?
		    "closed during set-up" : p->parent.why);
}

static void
setup_decode(const struct imsg *imsg, void *msg)
{
	const char	*field;

	if (msg_decode(imsg->data, imsg->len, imsg->type, msg, &field) == -1)
		fatalx("parent: %s with a wrong %s", msg_name(imsg->type),
		    field);
}

static void
setup_hello(const struct imsg *imsg)
{
	struct msg_hello	 hello;

	if (imsg->type != MSG_HELLO)
		fatalx("parent: %s before HELLO", msg_name(imsg->type));
	setup_decode(imsg, &hello);
	if (hello.role != ROLE_PARENT)
		fatalx("parent: says that it is %s", role_name(hello.role));
	if (strcmp(hello.build, build_id) != 0)
		fatalx("parent: is of build %.12s, this is %.12s: install all "
		    "programs from one build", hello.build, build_id);
}

static void
setup_peer(struct proc *p, const struct imsg *imsg)
{
	struct msg_peer	 peer;

	setup_decode(imsg, &peer);
	if (peer.role == ROLE_PARENT || peer.role == ROLE_CTL ||
	    !msg_is_channel(p->self, peer.role))
		fatalx("parent: PEER %s is none of ours", role_name(peer.role));
	if (p->peers[peer.role].fd != -1)
		fatalx("parent: PEER %s a second time", role_name(peer.role));
	if (!is_channel(imsg->fd))
		fatalx("parent: PEER %s is not a channel",
		    role_name(peer.role));
	if (imsgbuf_init(&p->peers[peer.role], imsg->fd, p->self,
	    peer.role) == -1)
		fatal("channel to %s", role_name(peer.role));
}

/* A file, a folder or a listening socket: only what its kind says. */
static int
is_of_kind(enum file_kind kind, int fd)
{
	struct stat	 st;

	if (sys_fstat(fd, &st) == -1)
		return 0;
	switch (kind) {
	case FILE_BASE_DIR:
	case FILE_DATA_DIR:
	case FILE_LOG_DIR:
	case FILE_KEY_DIR:
		return S_ISDIR(st.st_mode);
	case FILE_CONTROL:
		return socket_option(fd, SO_DOMAIN) == AF_UNIX &&
		    socket_option(fd, SO_TYPE) == SOCK_SEQPACKET &&
		    socket_option(fd, SO_ACCEPTCONN) == 1;
	default:
		return S_ISREG(st.st_mode);
	}
}

static void
setup_file(struct proc *p, const struct imsg *imsg)
{
	struct msg_file	 file;

	setup_decode(imsg, &file);
	if (!file_kind_is_for(file.kind, p->self))
		fatalx("parent: FILE %s is none of ours",
		    file_kind_name(file.kind));
	if (p->files[file.kind] != -1)
		fatalx("parent: FILE %s a second time",
		    file_kind_name(file.kind));
	if (!is_of_kind(file.kind, imsg->fd))
		fatalx("parent: FILE %s is of the wrong kind",
		    file_kind_name(file.kind));
	p->files[file.kind] = imsg->fd;
}

void
proc_setup(struct proc *p, enum role self, uint32_t needed)
{
	struct msg_hello	 hello;
	struct imsg		 imsg;
	monotime_t		 deadline;
	char			 name[16];
	size_t			 i;

	memset(p, 0, sizeof(*p));
	p->self = self;
	/* Executed by descriptor, which leaves a number as the name. */
	(void)snprintf(name, sizeof(name), "chatops-%s", role_name(self));
	(void)prctl(PR_SET_NAME, name);
	for (i = 0; i < ROLE_COUNT; i++)
		p->peers[i].fd = -1;
	for (i = 0; i < FILE_COUNT; i++)
		p->files[i] = -1;
	if (!is_channel(PROC_FD))
		fatalx("descriptor %d is no channel: this program is started "
		    "by chatopsd(8) only", PROC_FD);
	if (imsgbuf_init(&p->parent, PROC_FD, self, ROLE_PARENT) == -1)
		fatal("channel to parent");

	memset(&hello, 0, sizeof(hello));
	(void)strlcpy(hello.build, build_id, sizeof(hello.build));
	hello.role = (uint8_t)self;
	setup_send(p, MSG_HELLO, &hello);

	deadline = monotime_add(monotime_now(), PROC_SETUP_TIMEOUT_MS);
	setup_recv(p, deadline, &imsg);
	setup_hello(&imsg);
	/* Bounded: each peer and each file comes once. */
	for (;;) {
		setup_recv(p, deadline, &imsg);
		if (imsg.type == MSG_DONE)
			break;
		if (imsg.type == MSG_PEER)
			setup_peer(p, &imsg);
		else
			setup_file(p, &imsg);
	}
	for (i = 0; i < FILE_COUNT; i++)
		if ((needed & (1U << i)) && p->files[i] == -1)
			fatalx("parent: FILE %s is missing",
			    file_kind_name((enum file_kind)i));
}

void
proc_ready(struct proc *p, const struct msg_ready *ready)
{
	size_t	 i;

	setup_send(p, MSG_READY, ready);
	imsgbuf_set_phase(&p->parent, PHASE_RUN);
	for (i = 0; i < ROLE_COUNT; i++)
		if (p->peers[i].fd != -1)
			imsgbuf_set_phase(&p->peers[i], PHASE_RUN);
}

int
proc_take_file(struct proc *p, enum file_kind kind)
{
	int	 fd = p->files[kind];

	p->files[kind] = -1;
	return fd;
}

/* The peer closed or broke the rules; buf->why says which. */
static void
chan_gone(struct chan *c)
{
	const char	*peer = role_name(c->buf->peer);
	char		 why[sizeof(c->buf->why)];
	int		 is_closed = IMSG_CLOSED(c->buf);

	if (c->buf->peer != ROLE_CTL) {
		if (!is_closed)
			fatalx("%s: %s", peer, c->buf->why);
		if (!c->may_close)
			fatalx("%s: closed its channel", peer);
	}
	if (c->gone)
		return;
	c->gone = 1;
	(void)event_del(c->readable);
	(void)event_del(c->writable);
	(void)strlcpy(why, is_closed ? "closed" : c->buf->why, sizeof(why));
	if (c->closed != NULL)
		c->closed(c, why, c->arg);
}

/* 0, or -1 when the peer is gone. */
static int
chan_flush(struct chan *c)
{
	switch (imsg_flush(c->buf)) {
	case 1:
		(void)event_del(c->writable);
		return 0;
	case 0:
		if (event_add(c->writable, NULL) == -1)
			fatalx("event_add");
		return 0;
	default:
		return -1;
	}
}

static void
chan_leave(struct chan *c)
{
	if (--c->busy == 0 && c->freed)
		free(c);
}

static void
chan_on_read(evutil_socket_t fd, short what, void *arg)
{
	struct chan	*c = arg;
	struct imsg	 imsg;
	int		 i, n = 0;

	(void)fd;
	(void)what;
	c->busy++;
	for (i = 0; i < CHAN_BURST && !c->freed && !c->gone; i++) {
		if ((n = imsg_recv(c->buf, &imsg)) != 1)
			break;
		c->handler(c, &imsg, c->arg);
	}
	if (!c->freed && !c->gone && (n == -1 || chan_flush(c) == -1))
		chan_gone(c);
	chan_leave(c);
}

static void
chan_on_write(evutil_socket_t fd, short what, void *arg)
{
	struct chan	*c = arg;

	(void)fd;
	(void)what;
	c->busy++;
	if (chan_flush(c) == -1)
		chan_gone(c);
	chan_leave(c);
}

struct chan *
chan_new(struct event_base *base, struct imsgbuf *buf, chan_handler handler,
    chan_closed closed, void *arg)
{
	struct chan	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal("channel to %s", role_name(buf->peer));
	c->buf = buf;
	c->handler = handler;
	c->closed = closed;
	c->arg = arg;
	c->readable = event_new(base, buf->fd, EV_READ | EV_PERSIST,
	    chan_on_read, c);
	c->writable = event_new(base, buf->fd, EV_WRITE | EV_PERSIST,
	    chan_on_write, c);
	if (c->readable == NULL || c->writable == NULL ||
	    event_add(c->readable, NULL) == -1)
		fatalx("channel to %s: no event", role_name(buf->peer));
	return c;
}

/* Before the imsgbuf is cleared.  NULL is ignored. */
void
chan_free(struct chan *c)
{
	if (c == NULL || c->freed)
		return;
	event_free(c->readable);
	event_free(c->writable);
	c->freed = 1;
	if (c->busy == 0)
		free(c);
}

int
chan_send(struct chan *c, enum msg_type type, uint32_t id, int fd,
    const void *payload)
{
	const char	*field;
	struct buf	 b;
	int		 is_ctl = c->buf->peer == ROLE_CTL, result = -1;

	buf_init(&b, 0);
	if (c->gone) {
		if (fd != -1)
			(void)sys_close(fd);
		goto done;
	}
	if (msg_encode(&b, type, payload, &field) == -1) {
		if (!is_ctl)
			fatalx("%s to %s: wrong %s", msg_name(type),
			    role_name(c->buf->peer), field);
		if (fd != -1)
			(void)sys_close(fd);
		goto done;
	}
	if (imsg_compose(c->buf, type, id, fd, b.data, b.len) == -1) {
		if (!is_ctl)
			fatalx("%s", c->buf->why);
		goto done;
	}
	if (chan_flush(c) == -1) {
		/* A control connection is the caller's to drop. */
		if (!is_ctl)
			chan_gone(c);
		goto done;
	}
	result = 0;
done:
	buf_free(&b);
	return result;
}

void
chan_may_close(struct chan *c)
{
	c->may_close = 1;
}

size_t
chan_queued(const struct chan *c)
{
	return c->buf->queued;
}

struct imsgbuf *
chan_imsgbuf(struct chan *c)
{
	return c->buf;
}

int
chan_decode(struct chan *c, const struct imsg *imsg, void *msg)
{
	const char	*field;

	if (msg_decode(imsg->data, imsg->len, imsg->type, msg, &field) == 0)
		return 0;
	if (c->buf->peer != ROLE_CTL)
		fatalx("%s: %s with a wrong %s", role_name(c->buf->peer),
		    msg_name(imsg->type), field);
	return -1;
}
