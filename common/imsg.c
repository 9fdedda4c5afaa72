/*
 * Packets over SOCK_SEQPACKET, unix(7).  A packet is a header of u16 type,
 * u16 flags (0), u32 id in network byte order, then the payload, and with it
 * at most one descriptor.  The rules of msg.c are enforced here, in both
 * directions, by the role at the other end of the channel.
 */
#include <arpa/inet.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "imsg.h"
#include "sys.h"

#define PACKET_MAX	(IMSG_HEADER_SIZE + IMSG_MAX_PAYLOAD)

struct imsg_out {
	TAILQ_ENTRY(imsg_out)	 entry;
	int			 fd;		/* -1: none */
	size_t			 len;
	uint8_t			 data[];	/* header and payload */
};

/* Room for one descriptor, aligned as cmsg(3) wants it. */
union control {
	struct cmsghdr	 hdr;
	char		 buf[CMSG_SPACE(sizeof(int))];
};

/*
 * fd is a connected SOCK_SEQPACKET socket, now owned by b; the channel
 * starts in PHASE_SETUP.  0, or -1 with errno, and fd is left alone.
 */
int
imsgbuf_init(struct imsgbuf *b, int fd, enum role self, enum role peer)
{
	int	 flags;

	memset(b, 0, sizeof(*b));
	TAILQ_INIT(&b->queue);
	b->fd = -1;
	if ((flags = sys_fcntl(fd, F_GETFD, 0)) == -1 ||
	    sys_fcntl(fd, F_SETFD, flags | FD_CLOEXEC) == -1)
		return -1;
	/* One byte more, so that a packet that is too long shows. */
	if ((b->rbuf = malloc(PACKET_MAX + 1)) == NULL)
		return -1;
	b->fd = fd;
	b->self = self;
	b->peer = peer;
	b->phase = PHASE_SETUP;
	return 0;
}

static void
out_free(struct imsg_out *out)
{
	if (out->fd != -1)
		(void)sys_close(out->fd);
	freezero(out, sizeof(*out) + out->len);
}

/* Closes the socket and every descriptor that waits to be sent. */
void
imsgbuf_clear(struct imsgbuf *b)
{
	struct imsg_out	*out;

	if (b->rbuf == NULL)
		return;
	while ((out = TAILQ_FIRST(&b->queue)) != NULL) {
		TAILQ_REMOVE(&b->queue, out, entry);
		out_free(out);
	}
	b->queued = 0;
	freezero(b->rbuf, PACKET_MAX + 1);
	b->rbuf = NULL;
	if (b->fd != -1)
		(void)sys_close(b->fd);
	b->fd = -1;
}

void
imsgbuf_set_phase(struct imsgbuf *b, enum msg_phase phase)
{
	b->phase = phase;
}

/* An answer has the id of its question, and questions count from 1. */
static int
check_id(struct imsgbuf *b, enum msg_type type, uint32_t id)
{
	if (id != 0 || !msg_rule(type)->answer)
		return 0;
	(void)snprintf(b->why, sizeof(b->why), "%s without the id of its "
	    "question", msg_name(type));
	return -1;
}

static struct imsg_out *
out_new(enum msg_type type, uint32_t id, int fd, const void *data, size_t len)
{
	struct imsg_out	*out;
	uint16_t	 type16;
	uint32_t	 id32;

	if ((out = calloc(1, sizeof(*out) + IMSG_HEADER_SIZE + len)) == NULL)
		return NULL;
	type16 = htons((uint16_t)type);
	id32 = htonl(id);
	memcpy(out->data, &type16, sizeof(type16));
	memcpy(out->data + 4, &id32, sizeof(id32));
	if (len > 0)
		memcpy(out->data + IMSG_HEADER_SIZE, data, len);
	out->len = IMSG_HEADER_SIZE + len;
	out->fd = fd;
	return out;
}

int
imsg_compose(struct imsgbuf *b, enum msg_type type, uint32_t id, int fd,
    const void *data, size_t len)
{
	struct imsg_out	*out;

	b->why[0] = '\0';
	/* What breaks the peer's rules is not sent in the first place. */
	if (msg_check(type, b->self, b->peer, b->phase, len, fd != -1,
	    &b->seen, b->why, sizeof(b->why)) == -1 ||
	    check_id(b, type, id) == -1)
		goto fail;
	if (len > IMSG_MAX_PAYLOAD ||
	    b->queued + sizeof(*out) + len > IMSG_QUEUE_LIMIT) {
		(void)snprintf(b->why, sizeof(b->why), "%s to %s: queue of "
		    "%zu bytes is full", msg_name(type), role_name(b->peer),
		    b->queued);
		goto fail;
	}
	if ((out = out_new(type, id, fd, data, len)) == NULL) {
		(void)strlcpy(b->why, "out of memory", sizeof(b->why));
		goto fail;
	}
	TAILQ_INSERT_TAIL(&b->queue, out, entry);
	b->queued += sizeof(*out) + out->len;
	return 0;
fail:
	if (fd != -1)
		(void)sys_close(fd);
	return -1;
}

static ssize_t
out_send(int fd, struct imsg_out *out)
{
	struct msghdr	 msg;
	struct iovec	 iov;
	union control	 control;
	struct cmsghdr	*cmsg;

	memset(&msg, 0, sizeof(msg));
	iov.iov_base = out->data;
	iov.iov_len = out->len;
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	if (out->fd != -1) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &out->fd, sizeof(int));
	}
	return sys_sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int
imsg_flush(struct imsgbuf *b)
{
	struct imsg_out	*out;
	ssize_t		 n;

	b->why[0] = '\0';
	while ((out = TAILQ_FIRST(&b->queue)) != NULL) {
		n = out_send(b->fd, out);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		if (n == -1 && (errno == EPIPE || errno == ECONNRESET))
			return -1;	/* closed: no why */
		if (n == -1) {
			(void)snprintf(b->why, sizeof(b->why), "sendmsg: %s",
			    strerror(errno));
			return -1;
		}
		TAILQ_REMOVE(&b->queue, out, entry);
		b->queued -= sizeof(*out) + out->len;
		out_free(out);
	}
	return 1;
}

/*
 * Take the descriptors of a packet.  The first goes to *fd, any other is
 * closed at once.  -1 if there was anything but one descriptor.
 */
static int
take_fds(struct msghdr *msg, int *fd)
{
	struct cmsghdr	*cmsg;
	size_t		 i, n;
	int		 got, bad = 0;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL;
	    cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS) {
			bad = 1;
			continue;
		}
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&got, CMSG_DATA(cmsg) + i * sizeof(int),
			    sizeof(int));
			if (*fd == -1)
				*fd = got;
			else {
				(void)sys_close(got);
				bad = 1;
			}
		}
	}
	return bad ? -1 : 0;
}

/* One packet into rbuf: its length, 0 at the end, -1 with errno or why. */
static ssize_t
packet_recv(struct imsgbuf *b, int *fd)
{
	struct msghdr	 msg;
	struct iovec	 iov;
	union control	 control;
	ssize_t		 n;

	memset(&msg, 0, sizeof(msg));
	memset(&control, 0, sizeof(control));
	iov.iov_base = b->rbuf;
	iov.iov_len = PACKET_MAX + 1;
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = control.buf;
	/* CMSG_SPACE() may hold two descriptors, CMSG_LEN() holds one. */
	msg.msg_controllen = CMSG_LEN(sizeof(int));
	do
		n = sys_recvmsg(b->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	if (take_fds(&msg, fd) == -1 || (msg.msg_flags & MSG_CTRUNC))
		(void)strlcpy(b->why, "more than one descriptor, or other "
		    "control data, in a packet", sizeof(b->why));
	else if ((msg.msg_flags & MSG_TRUNC) || (size_t)n > PACKET_MAX)
		(void)strlcpy(b->why, "packet is too long", sizeof(b->why));
	else if (n == 0 && *fd != -1)
		(void)strlcpy(b->why, "descriptor without a packet",
		    sizeof(b->why));
	else if (n != 0 && (size_t)n < IMSG_HEADER_SIZE)
		(void)snprintf(b->why, sizeof(b->why), "packet of %zd bytes "
		    "has no whole header", n);
	else
		return n;
	errno = EBADMSG;
	return -1;
}

/* Header and rules; imsg is filled from rbuf. */
static int
packet_check(struct imsgbuf *b, size_t len, struct imsg *imsg)
{
	uint16_t	 type, flags;
	uint32_t	 id;

	memcpy(&type, b->rbuf, sizeof(type));
	memcpy(&flags, b->rbuf + 2, sizeof(flags));
	memcpy(&id, b->rbuf + 4, sizeof(id));
	imsg->type = ntohs(type);
	imsg->id = ntohl(id);
	imsg->data = b->rbuf + IMSG_HEADER_SIZE;
	imsg->len = len - IMSG_HEADER_SIZE;
	if (flags != 0) {
		(void)snprintf(b->why, sizeof(b->why), "%s with unknown flags "
		    "0x%04x", msg_name(imsg->type), ntohs(flags));
		return -1;
	}
	if (msg_check(imsg->type, b->peer, b->self, b->phase, imsg->len,
	    imsg->fd != -1, &b->seen, b->why, sizeof(b->why)) == -1)
		return -1;
	return check_id(b, imsg->type, imsg->id);
}

int
imsg_recv(struct imsgbuf *b, struct imsg *imsg)
{
	ssize_t	 n;

	memset(imsg, 0, sizeof(*imsg));
	imsg->fd = -1;
	b->why[0] = '\0';
	n = packet_recv(b, &imsg->fd);
	if (n == -1 && b->why[0] == '\0') {
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return 0;
		if (errno != ECONNRESET)
			(void)snprintf(b->why, sizeof(b->why), "recvmsg: %s",
			    strerror(errno));
		return -1;
	}
	if (n > 0 && packet_check(b, (size_t)n, imsg) == 0)
		return 1;
	if (imsg->fd != -1)
		(void)sys_close(imsg->fd);
	imsg->fd = -1;
	return -1;
}
