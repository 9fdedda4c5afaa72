/* RFC 6962 section 2.1: leaves and nodes are hashed with a byte before. */
#include <string.h>

#include "merkle.h"

void
merkle_init(struct merkle *m, merkle_hash hash)
{
	memset(m, 0, sizeof(*m));
	m->hash = hash;
}

static void
hash_node(const struct merkle *m, uint8_t out[MERKLE_HASH],
    const uint8_t left[MERKLE_HASH], const uint8_t right[MERKLE_HASH])
{
	uint8_t	 node[1 + 2 * MERKLE_HASH];

	node[0] = 0x01;
	memcpy(node + 1, left, MERKLE_HASH);
	memcpy(node + 1 + MERKLE_HASH, right, MERKLE_HASH);
	m->hash(out, node, sizeof(node));
}

void
merkle_add(struct merkle *m, const uint8_t leaf[MERKLE_HASH])
{
	uint8_t		 bytes[1 + MERKLE_HASH], h[MERKLE_HASH];
	uint64_t	 bit;

	bytes[0] = 0x00;
	memcpy(bytes + 1, leaf, MERKLE_HASH);
	m->hash(h, bytes, sizeof(bytes));
	/* every full subtree on the right grows by the one on its left */
	for (bit = 1; m->size & bit; bit <<= 1)
		hash_node(m, h, m->roots[--m->n], h);
	memcpy(m->roots[m->n++], h, MERKLE_HASH);
	m->size++;
}

void
merkle_root(const struct merkle *m, uint8_t out[MERKLE_HASH])
{
	size_t	 i;

	if (m->n == 0) {
		m->hash(out, "", 0);
		return;
	}
	memcpy(out, m->roots[m->n - 1], MERKLE_HASH);
	for (i = m->n - 1; i > 0; i--)
		hash_node(m, out, m->roots[i - 1], out);
}

int
merkle_resume(struct merkle *m, uint64_t size,
    const uint8_t (*roots)[MERKLE_HASH], size_t n)
{
	if (size >> MERKLE_DEPTH != 0 ||
	    n != (size_t)__builtin_popcountll(size))
		return -1;
	m->size = size;
	m->n = n;
	if (n > 0)
		memcpy(m->roots, roots, n * MERKLE_HASH);
	return 0;
}
