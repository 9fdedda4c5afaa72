/*
 * Merkle tree hash of RFC 6962 section 2.1 over 32-byte leaves, one leaf at
 * a time: only the roots of the full subtrees are kept, one per bit of the
 * size.  They are what a segment-start line calls the frontier.
 */
#ifndef CHATOPS_MERKLE_H
#define CHATOPS_MERKLE_H

#include <stddef.h>
#include <stdint.h>

#define MERKLE_HASH	32
#define MERKLE_DEPTH	53		/* sizes stay below 2^53 */

/* SHA-256 of one run of bytes; which library does it is the caller's. */
typedef void (*merkle_hash)(uint8_t[MERKLE_HASH], const void *, size_t);

struct merkle {
	merkle_hash	 hash;
	uint64_t	 size;
	size_t		 n;		/* bits set in size */
	uint8_t		 roots[MERKLE_DEPTH][MERKLE_HASH];
};

void	 merkle_init(struct merkle *, merkle_hash);
void	 merkle_add(struct merkle *, const uint8_t leaf[MERKLE_HASH]);
void	 merkle_root(const struct merkle *, uint8_t[MERKLE_HASH]);
/* Go on from a known frontier; -1 when n does not fit the size. */
int	 merkle_resume(struct merkle *, uint64_t size,
	    const uint8_t (*roots)[MERKLE_HASH], size_t n);

#endif
