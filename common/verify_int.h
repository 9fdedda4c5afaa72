/* What verify.c and verify_more.c share; nobody else includes it. */
#ifndef CHATOPS_VERIFY_INT_H
#define CHATOPS_VERIFY_INT_H

#include "merkle.h"
#include "verify.h"

#define SUSPECTS_MAX	65536

struct verify {
	const struct verify_options	*o;
	struct verify_result		*r;
	struct verify_file		*files;
	const struct verify_file	*file;	/* being read, or NULL */
	uint64_t			 line;
	uint64_t			 offset;
	uint64_t			 read;	/* bytes of this file */
	char				*buf;
	int				 started;	/* a line was good */
	int				 resync;	/* the last was not */
	uint64_t			 expected;	/* next seq */
	uint8_t				 hash[HASH_SIZE];	/* this line */
	uint8_t				 key[32];
	char				 session[UUID_SIZE];
	char				 timestamp[WALLTIME_STRLEN];
	struct merkle			 tree;
	int				 has_tree;
	struct verify_digest		*digest;	/* of this file */
	uint8_t				 file_hash[HASH_SIZE];	/* before */
	int				 has_file_hash;
	struct ids			*ids;
	struct ids_open			*suspects;
	size_t				 nsuspects;
	size_t				 next_anchor;
	size_t				 next_note;
	struct verify_pool		*pool;	/* NULL: in this thread */
	char				 last[AUDIT_LINE_MAX];
	size_t				 last_len;	/* 0: verified */
};

void	 verify_at(struct verify *, enum verify_code,
	    const struct audit_line *, const char *, ...)
	    __attribute__((__format__(printf, 4, 5)));
void	 verify_error(struct verify *, const char *, ...)
	    __attribute__((__format__(printf, 2, 3)));
/* What a segment-start line says about everything before it. */
void	 verify_segment(struct verify *, const struct audit_line *);
/* Remember an intent whose id was perhaps used before. */
void	 verify_suspect(struct verify *, const struct ids_open *);
/* Read the files again and decide about them. */
void	 verify_suspects(struct verify *, size_t nfiles);
/* The intents that are open at the end. */
void	 verify_dangling(struct verify *);
/* The signature of the last line, which fast mode put aside. */
void	 verify_last(struct verify *);

/* The finding, at the place that v has. */
void	 verify_bad_signature(struct verify *, uint64_t seq,
	    const char *execution_id, const uint8_t key[32]);

/* verify_pool.c: signatures in threads of their own. */
struct verify_pool *verify_pool_new(struct verify *, unsigned int n);
void	 verify_pool_add(struct verify_pool *, const char *, size_t,
	    const struct audit_line *);
void	 verify_pool_drain(struct verify_pool *);
void	 verify_pool_free(struct verify_pool *);

#endif
