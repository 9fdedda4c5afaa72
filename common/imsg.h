/*
 * One packet, one message, at most one descriptor: imsg(3)'s idea over
 * SOCK_SEQPACKET, where the kernel keeps messages apart and a descriptor
 * cannot arrive with the wrong one.
 *
 * An imsgbuf belongs to one channel.  What it accepts is decided by the
 * rules table of msg.c, by the role at the other end and by the phase the
 * channel is in, before a handler sees anything.
 */
#ifndef CHATOPS_IMSG_H
#define CHATOPS_IMSG_H

#include <sys/types.h>
#include <sys/queue.h>

#include <stdint.h>

#include "buf.h"
#include "msg.h"

#define IMSG_HEADER_SIZE	8
#define IMSG_MAX_PAYLOAD	(80 * 1024)
/* A peer that reads nothing for so long is given up. */
#define IMSG_QUEUE_LIMIT	(8 * 1024 * 1024)

struct imsg {
	enum msg_type	 type;
	uint32_t	 id;		/* request id; the answer repeats it */
	const uint8_t	*data;		/* valid until the next receive */
	size_t		 len;
	int		 fd;		/* -1, or owned by the receiver */
};

struct imsg_out;

struct imsgbuf {
	int			 fd;
	enum role		 self;
	enum role		 peer;
	enum msg_phase		 phase;
	uint64_t		 seen;		/* bits of the "once" rules */
	TAILQ_HEAD(, imsg_out)	 queue;
	size_t			 queued;	/* bytes of memory */
	uint8_t			*rbuf;
	char			 why[160];	/* why the last call failed */
};

int	 imsgbuf_init(struct imsgbuf *, int fd, enum role self, enum role peer);
void	 imsgbuf_clear(struct imsgbuf *);
void	 imsgbuf_set_phase(struct imsgbuf *, enum msg_phase);

/*
 * Queue one message; flush sends what the socket takes.  fd is consumed:
 * closed once sent, or on failure.  -1 with why set when the queue's limit
 * is reached or the message breaks the sender's own rules.
 */
int	 imsg_compose(struct imsgbuf *, enum msg_type, uint32_t id, int fd,
	    const void *, size_t);
/* 1 all sent, 0 socket is full, -1 the peer is gone or why. */
int	 imsg_flush(struct imsgbuf *);
/*
 * One message: 1 and *imsg filled, 0 nothing there (EAGAIN), -1 with why
 * set: the peer is gone ("closed") or broke the rules.
 */
int	 imsg_recv(struct imsgbuf *, struct imsg *);
#define IMSG_CLOSED(b)	((b)->why[0] == '\0')

#endif
