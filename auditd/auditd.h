/*
 * What the files of chatops-auditd(8) share.  chain.c decides and computes,
 * keys.c and recover.c know the files, audit.c is the process.
 */
#ifndef CHATOPS_AUDITD_H
#define CHATOPS_AUDITD_H

#include <sys/types.h>
#include <sys/queue.h>

#include <stdint.h>

#include "audit_line.h"
#include "buf.h"
#include "compat.h"
#include "msg.h"

#define CHAIN_BATCH_LINES	256
#define CHAIN_BATCH_BYTES	(1024 * 1024)
#define CHAIN_QUEUE_MAX		1024		/* lines waiting */
#define CHAIN_QUEUE_BYTES	(8 * 1024 * 1024)
#define CHAIN_OPEN_MAX		1024		/* intents without a result */
#define AUDIT_RESERVE_BYTES	(1024 * 1024)
#define WHY_SIZE		512
/* Checked again at each start, before the state's place: bytes. */
#define RECOVER_LOOKBACK	(8 * 1024 * 1024)

/* A border between two lines of the log. */
struct audit_pos {
	uint64_t	 lines;			/* before it */
	uint64_t	 size;			/* bytes before it */
	uint8_t		 hash[HASH_SIZE];	/* of the line before it */
};

/*
 * What the state file remembers beside the keys.  from is where reading has
 * to start to know the last line and every intent that has no result yet.
 */
struct audit_state {
	char			 origin[AUDIT_ORIGIN_SIZE];
	uint8_t			 genesis[HASH_SIZE];
	struct audit_pos	 acked;		/* durable, told the executor */
	struct audit_pos	 from;
};

/* keys.c: lives in memory that is locked and left out of core files. */
struct audit_secret {
	uint8_t	 seed[32];
	uint8_t	 key[64];		/* as libsodium keeps it */
	uint8_t	 slot[4096];
};

struct audit_keys {
	int			 fd;		/* audit.state, or -1 */
	uint64_t		 generation;
	uint8_t			 public_key[32];
	struct audit_secret	*secret;
	struct audit_state	 state;
};

/*
 * Load the state of the key folder: 1, 0 when there is none yet, -1 with the
 * cause and the remedy in why.
 */
int	 keys_load(struct audit_keys *, int dir, char *why, size_t);
/* Make keys and a first state for that origin, durably.  0 or -1. */
int	 keys_create(struct audit_keys *, int dir, const char *origin,
	    char *why, size_t);
/* Write keys and state into the older slot and sync it.  0, -1 and errno. */
int	 keys_save(struct audit_keys *);
void	 keys_free(struct audit_keys *);
/*
 * The log key that signs checkpoints, in a file of its own; made when there
 * is none.  origin is in and out: an existing key decides it.
 */
int	 keys_log_key(int dir, char origin[AUDIT_ORIGIN_SIZE],
	    uint8_t public_key[32], char *why, size_t);

/* What stat says of the log under our descriptor and under its name. */
struct audit_stat {
	uint64_t	 size;
	int		 is_ours;	/* linked, and the name leads to it */
};

/*
 * The world of the chain.  All return -1 and errno on failure; write may be
 * short.  ack and health take what they are given at once.
 */
struct audit_world {
	int64_t	 (*now)(void *);		/* ms since 1970 */
	int	 (*random)(void *, void *, size_t);
	int	 (*stat)(void *, struct audit_stat *);
	ssize_t	 (*write)(void *, const void *, size_t);
	int	 (*truncate)(void *, uint64_t);
	int	 (*sync)(void *);
	int	 (*reserve)(void *, int hold);	/* 1: have it, 0: give it up */
	void	 (*ack)(void *, uint32_t id, const struct msg_ack *);
	void	 (*health)(void *, int ok, const char *why);
};

struct chain_entry;
TAILQ_HEAD(chain_queue, chain_entry);

enum open_state {
	OPEN_PENDING,		/* intent waits for its commit */
	OPEN_DURABLE,
	OPEN_CLOSING		/* execution waits for its commit */
};

struct chain_open {
	char			 execution_id[UUID_SIZE];
	enum open_state		 state;
	struct audit_pos	 at;		/* before the intent's line */
};

struct chain {
	const struct audit_world *world;
	void			*arg;
	const struct audit_keys	*keys;
	char			 session[UUID_SIZE];
	struct audit_pos	 end;		/* of what is durable */
	struct audit_pos	 last;		/* before the last line */
	struct chain_queue	 queue;
	size_t			 nqueued;
	size_t			 queued_bytes;
	struct buf		 batch;
	struct chain_open	 open[CHAIN_OPEN_MAX];
	size_t			 nopen;
	/* hashes of the last lines that a start read, by seq modulo */
	uint8_t			 recent[MSG_RECENT][HASH_SIZE];
	uint32_t		 nrecent;
	int			 full;		/* no room on the disk */
	int			 reserved;	/* the reserve is there */
	int			 ended;		/* session-end is written */
	char			 why[WHY_SIZE];
};

/* 0, or -1: no random bytes.  The chain starts at the position end. */
int	 chain_init(struct chain *, const struct audit_world *, void *arg,
	    const struct audit_keys *);
void	 chain_clear(struct chain *);
/* One line of recovery: it is durable and valid.  -1: too many open. */
int	 chain_replay(struct chain *, const struct audit_line *,
	    const uint8_t hash[HASH_SIZE], size_t bytes);
/* The hash of a line that a start read; in the order of their seq. */
void	 chain_remember(struct chain *, uint64_t seq,
	    const uint8_t hash[HASH_SIZE]);
/* Check and queue what the executor sent; refused ones are acked at once. */
void	 chain_append(struct chain *, uint32_t id, const struct msg_append *);
/* Queue a line of our own; detail is a canonical object.  0 or -1. */
int	 chain_event(struct chain *, enum audit_event, const char *detail);
/* Queue session-end, to be acked under id unless that is 0. */
int	 chain_end(struct chain *, uint32_t id, const char *reason);
int	 chain_is_pending(const struct chain *);
/*
 * Make one batch durable and ack it.  0, or -1: the log cannot go on, why
 * says so, nothing more may be acked.
 */
int	 chain_commit(struct chain *);
/* Has room returned?  Called now and then while full. */
void	 chain_probe(struct chain *);
/* What the state file should say now. */
void	 chain_state(const struct chain *, struct audit_state *);

/* chain_body.c: the middle of a line from what the executor sent. */
int	 body_check(const struct msg_append *, const char **why);
int	 body_make(struct buf *, const struct msg_append *,
	    const char *execution_id, const char *session);
int	 body_uuid(const struct chain *, char[UUID_SIZE]);

/* recover.c */
struct recovery {
	int		 has_last;
	enum audit_event last_event;
	uint64_t	 torn_bytes;
	uint8_t		 torn_hash[HASH_SIZE];
	char		 torn_file[64];
};

/*
 * Read the log from where the state says, after a look at what is before it
 * (RECOVER_LOOKBACK): keep the longest valid prefix,
 * move what comes after it into quarantine/.  0 with the chain at its end,
 * or -1 with cause, place and remedy in why.
 */
int	 recover(struct recovery *, struct chain *, int dir, int fd,
	    const struct audit_state *, char *why, size_t);
/*
 * One line from the file at that offset, newline excluded, into a buffer of
 * AUDIT_LINE_MAX + 1 bytes: its length, 0 at the end, -1 and errno (EBADMSG:
 * no newline within the limit).
 */
ssize_t	 recover_read_line(int fd, uint64_t offset, uint64_t size, char *);

/* audit.c */
struct auditd {
	struct audit_keys	 keys;
	struct chain		 chain;
	struct recovery		 recovery;
	uint64_t		 found;		/* lines before session-start */
	int			 log_dir;
	int			 key_dir;
	int			 log;		/* script-executions.log */
	int			 reserve;	/* its side file */
	uint8_t			 binary_hash[HASH_SIZE];
	char			 boot_id[UUID_SIZE];
	void			 (*on_ack)(struct auditd *, uint32_t,
				    const struct msg_ack *);
	void			 (*on_health)(struct auditd *, int,
				    const char *);
	void			*arg;
};

/*
 * Everything between the folders and a chain that takes appends: lock, keys,
 * recovery, session-start, durable.  0, or -1 with cause and remedy in why.
 */
int	 audit_open(struct auditd *, const char *origin, char *why, size_t);
void	 audit_close(struct auditd *);
/* Write chain_state() into the state file.  0, or -1 and errno. */
int	 audit_save(struct auditd *);
/* The intent without a result number i, from the log.  0 or -1. */
int	 audit_dangling(struct auditd *, size_t i, struct msg_dangling *);
/* Offset of the first of the last n lines. */
uint64_t audit_tail_offset(struct auditd *, uint32_t n);

/* shell.c: the process.  Never returns. */
__dead void	 auditd_main(int verbose);

#endif
