/*
 * How a child meets its parent: descriptor 3 is the channel; HELLO with the
 * build id both ways, then PEER and FILE until DONE, then the child confines
 * itself and says READY.
 */
#ifndef CHATOPS_PROC_H
#define CHATOPS_PROC_H

#include "compat.h"
#include "imsg.h"

#define PROC_FD			3
#define PROC_SETUP_TIMEOUT_MS	10000

/* Identifies this build: the SHA-256 of the sources, made by the Makefile. */
extern const char build_id[];
#define CHATOPS_VERSION		"0.1.0"

struct proc {
	enum role	 self;
	struct imsgbuf	 parent;
	struct imsgbuf	 peers[ROLE_COUNT];	/* .fd -1 where none */
	int		 files[FILE_COUNT];	/* -1 where none */
};

/*
 * The child's half up to DONE.  Fatal on anything unexpected, on a build
 * id that differs, after the time-out, and when one of the files that
 * needed (bits of enum file_kind) says is missing.
 */
void	 proc_setup(struct proc *, enum role, uint32_t needed);
/*
 * READY; from here on every channel is in PHASE_RUN.  Call it confined,
 * before the event loop: nothing was read from the siblings until then.
 */
void	 proc_ready(struct proc *, const struct msg_ready *);
/* The descriptor, which the caller now owns; -1 when there is none. */
int	 proc_take_file(struct proc *, enum file_kind);

/*
 * Channels on an event loop: reads what is there, calls handler for each
 * message (which then owns its descriptor), flushes what was composed,
 * watches for writability only while something is queued.  A peer that
 * closes or breaks the rules ends the process (fatalx names peer and cause),
 * except ROLE_CTL, for which closed is called, once.  chan_free() may be
 * called from both callbacks; the imsgbuf stays the caller's.
 */
struct event_base;
struct chan;
typedef void (*chan_handler)(struct chan *, struct imsg *, void *);
typedef void (*chan_closed)(struct chan *, const char *why, void *);

struct chan	*chan_new(struct event_base *, struct imsgbuf *, chan_handler,
		    chan_closed, void *arg);
void		 chan_free(struct chan *);
/*
 * Encode and queue; fatal if the peer is a sibling and the queue's limit is
 * reached or the message breaks the rules.  fd is consumed.  0, or -1 for a
 * ROLE_CTL peer that is to be dropped.
 */
int		 chan_send(struct chan *, enum msg_type, uint32_t id, int fd,
		    const void *payload);
/*
 * An orderly stop has begun: this sibling may close its end from now on.
 * Then closed is called (if there is one) and what is sent later is dropped.
 */
void		 chan_may_close(struct chan *);
/* Bytes waiting to be sent. */
size_t		 chan_queued(const struct chan *);
struct imsgbuf	*chan_imsgbuf(struct chan *);

/*
 * Decode a received message into the struct of its type; a sibling that
 * sent nonsense ends the process.  -1 only for a ROLE_CTL peer.
 */
int		 chan_decode(struct chan *, const struct imsg *, void *);

#endif
