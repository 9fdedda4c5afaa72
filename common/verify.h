/*
 * The verifier of the audit log: reads lines, trusts nothing, never stops at
 * the first finding.  Memory does not grow with the log but for two bytes
 * for each script that ran (verify_ids.c).
 */
#ifndef CHATOPS_VERIFY_H
#define CHATOPS_VERIFY_H

#include <stddef.h>
#include <stdint.h>

#include "audit_line.h"

/* Exit statuses; a higher row of the manual's table wins. */
enum verify_exit {
	VERIFY_OK,
	VERIFY_TAMPER,
	VERIFY_ERROR,		/* usage, I/O */
	VERIFY_UNANCHORED,
	VERIFY_TORN,
	VERIFY_UNTRUSTED
};

enum verify_code {
	V_FORMAT,
	V_SCHEMA,
	V_DUP_KEY,
	V_NONCANONICAL,
	V_WRONG_LOG,
	V_GENESIS,
	V_HEAD_MISSING,
	V_SEQ_GAP,
	V_SEQ_REPEAT,
	V_CHAIN_BREAK,
	V_KEY_UNEXPECTED,
	V_KEY_INVALID,
	V_BAD_SIGNATURE,
	V_TREE_ROOT,
	V_SEGMENT_TORN,
	V_SEGMENT_HASH,
	V_ID_REUSED,
	V_RESULT_WITHOUT_INTENT,
	V_SESSION_UNANNOUNCED,
	V_TRUNCATED,
	V_FORK,
	V_CHECKPOINT_SIGNATURE,
	V_CHECKPOINT_UNTRUSTED,
	V_TAMPER_LAST = V_CHECKPOINT_UNTRUSTED,
	V_TORN_TAIL,
	V_UNANCHORED_TAIL,
	V_START_UNTRUSTED,
	V_STALE,
	V_DANGLING_INTENT,
	V_CLOCK_BACK,
	V_COUNT
};
const char	*verify_code_name(enum verify_code);

#define VERIFY_FINDINGS_MAX	10	/* told of one code; all are counted */
#define VERIFY_OPEN_MAX		(1 << 20)	/* intents without a result */
#define VERIFY_TEXT_SIZE	256
#define VERIFY_THREADS_MAX	64

struct verify_finding {
	enum verify_code code;
	const char	*file;		/* NULL: of no file */
	uint64_t	 line;		/* from 1; 0: of no line */
	uint64_t	 offset;
	int		 has_seq;
	uint64_t	 seq;
	char		 execution_id[UUID_SIZE];	/* or "" */
	char		 text[VERIFY_TEXT_SIZE];
};

/* A line whose hash is known from elsewhere. */
struct verify_anchor {
	const char	*source;	/* "anchor", "db" */
	uint64_t	 seq;
	uint8_t		 hash[HASH_SIZE];
	int		 ok;		/* result: found, and the same */
};

/* A checkpoint whose signature was checked. */
struct verify_note {
	const char	*file;
	char		 origin[AUDIT_ORIGIN_SIZE];
	uint64_t	 size;
	uint8_t		 root[HASH_SIZE];
	int		 ok;
};

struct verify_file {
	char		*name;
	int		 fd;
	uint64_t	 size;		/* bytes to read; it may grow on */
	uint64_t	 first_seq;	/* set by verify_run() */
};

struct verify_options {
	int			 has_genesis;
	uint8_t			 genesis[HASH_SIZE];
	struct verify_anchor	*anchors;
	size_t			 nanchors;
	struct verify_note	*notes;
	size_t			 nnotes;
	int			 fast;
	unsigned int		 threads;	/* for signatures; 0, 1: none */
	uint64_t		 from;		/* signatures from that seq */
	int64_t			 max_age_ms;	/* 0: any */
	int64_t			 now_ms;
	void			 (*finding)(void *,
				    const struct verify_finding *);
	void			*arg;
};

struct verify_result {
	enum verify_exit exit;
	char		 error[512];	/* of VERIFY_ERROR */
	char		 origin[AUDIT_ORIGIN_SIZE];	/* or "" */
	uint64_t	 lines;
	uint64_t	 first_seq, last_seq;
	uint8_t		 head[HASH_SIZE];
	int		 has_root;
	uint8_t		 root[HASH_SIZE];
	uint64_t	 key_epochs;
	uint64_t	 signatures;	/* verified */
	uint64_t	 counts[V_COUNT];
};

/*
 * Verify the files as one log, in the order of their first lines.  Sorts
 * files, anchors and notes.  Returns r->exit.
 */
enum verify_exit verify_run(const struct verify_options *,
		    struct verify_file *, size_t, struct verify_result *);
/* A finding of the caller's own (a checkpoint that is none). */
void		 verify_tell(const struct verify_options *,
		    struct verify_result *, const struct verify_finding *);

/* verify_ids.c: intents and executions in pairs. */
enum ids_result {
	IDS_OK,
	IDS_NONE,		/* execution: this id was never seen */
	IDS_USED,		/* it was; execution: and has its result */
	IDS_MAYBE,		/* intent: probably seen; look again */
	IDS_FULL		/* too many open ones, or no memory */
};

struct ids_open {
	uint8_t		 id[16];
	int		 used;
	uint64_t	 seq;
	uint64_t	 line;
	uint64_t	 offset;
	size_t		 file;
};

struct ids;
/* bytes: of the whole log.  NULL: no memory. */
struct ids	*ids_new(uint64_t bytes);
void		 ids_free(struct ids *);
/* *was gets the open intent where there is one. */
enum ids_result	 ids_intent(struct ids *, const struct ids_open *);
enum ids_result	 ids_execution(struct ids *, const uint8_t id[16]);
/* Open intents in no order: the next one from *i on, or NULL. */
const struct ids_open *ids_next(const struct ids *, size_t *i);
void		 ids_pack(const char *uuid, uint8_t id[16]);
void		 ids_unpack(const uint8_t id[16], char uuid[UUID_SIZE]);

/* verify_sha256.c: libcrypto's, for it uses the processor's instructions. */
int	 verify_sha256_init(void);
void	 verify_sha256(uint8_t[HASH_SIZE], const void *, size_t);
struct verify_digest;
struct verify_digest *verify_digest_new(void);
void	 verify_digest_reset(struct verify_digest *);
void	 verify_digest_add(struct verify_digest *, const void *, size_t);
void	 verify_digest_get(struct verify_digest *, uint8_t[HASH_SIZE]);
void	 verify_digest_free(struct verify_digest *);

#endif
