/*
 * Which intents are open, and which ids were used before.
 *
 * Open ones are few and kept whole, in a hash table.  All ids of a log of
 * years are many: a Bloom filter of about two bytes each says "never" for
 * certain and "probably" otherwise; where it says probably of an intent, the
 * verifier reads the log a second time for that id alone.  The filter's keys
 * are random, so nobody can prepare ids that fool it.
 */
#include "compat.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "verify.h"

#define IDS_SLOTS_MIN	1024
#define IDS_HASHES	8
/* One id in so many bytes of log at most: two lines of 550 bytes. */
#define IDS_BYTES_EACH	1100
#define IDS_BITS_EACH	16
#define IDS_BITS_MIN	(1ULL << 16)
#define IDS_BITS_MAX	(1ULL << 32)

struct ids {
	struct ids_open	*slots;
	size_t		 nslots;	/* a power of two */
	size_t		 nopen;
	uint8_t		*filter;
	uint64_t	 mask;		/* bits of the filter - 1 */
	uint8_t		 key1[crypto_shorthash_KEYBYTES];
	uint8_t		 key2[crypto_shorthash_KEYBYTES];
};

struct ids *
ids_new(uint64_t bytes)
{
	struct ids	*t;
	uint64_t	 want, bits = IDS_BITS_MIN;

	want = bytes / IDS_BYTES_EACH * IDS_BITS_EACH;
	while (bits < want && bits < IDS_BITS_MAX)
		bits *= 2;
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	t->mask = bits - 1;
	t->nslots = IDS_SLOTS_MIN;
	t->slots = calloc(t->nslots, sizeof(*t->slots));
	t->filter = calloc(1, bits / 8);
	if (t->slots == NULL || t->filter == NULL) {
		ids_free(t);
		return NULL;
	}
	randombytes_buf(t->key1, sizeof(t->key1));
	randombytes_buf(t->key2, sizeof(t->key2));
	return t;
}

void
ids_free(struct ids *t)
{
	if (t == NULL)
		return;
	free(t->slots);
	free(t->filter);
	free(t);
}

void
ids_pack(const char *uuid, uint8_t id[16])
{
	char	 hex[32];
	size_t	 i, n = 0;

	for (i = 0; i < UUID_SIZE - 1; i++)
		if (uuid[i] != '-')
			hex[n++] = uuid[i];
	/* the scanner has seen that it is a UUID */
	(void)audit_hex_read(hex, n, id, 16);
}

void
ids_unpack(const uint8_t id[16], char uuid[UUID_SIZE])
{
	char	 hex[33];
	size_t	 i, n = 0;

	audit_hex_write(id, 16, hex);
	for (i = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			uuid[n++] = '-';
		uuid[n++] = hex[i];
	}
	uuid[n] = '\0';
}

static uint64_t
id_hash(const uint8_t id[16], const uint8_t *key)
{
	uint64_t	 h;

	crypto_shorthash((uint8_t *)&h, id, 16, key);
	return h;
}

/* Was it there before?  It is from now on. */
static int
filter_add(struct ids *t, const uint8_t id[16])
{
	uint64_t	 a = id_hash(id, t->key1), b = id_hash(id, t->key2);
	uint64_t	 bit;
	int		 i, there = 1;

	for (i = 0; i < IDS_HASHES; i++) {
		bit = (a + (uint64_t)i * (b | 1)) & t->mask;
		if (!(t->filter[bit / 8] & 1U << bit % 8))
			there = 0;
		t->filter[bit / 8] |= (uint8_t)(1U << bit % 8);
	}
	return there;
}

static int
filter_has(const struct ids *t, const uint8_t id[16])
{
	uint64_t	 a = id_hash(id, t->key1), b = id_hash(id, t->key2);
	uint64_t	 bit;
	int		 i;

	for (i = 0; i < IDS_HASHES; i++) {
		bit = (a + (uint64_t)i * (b | 1)) & t->mask;
		if (!(t->filter[bit / 8] & 1U << bit % 8))
			return 0;
	}
	return 1;
}

/* Its slot, or the free one where it would go. */
static struct ids_open *
slot_find(const struct ids *t, const uint8_t id[16])
{
	size_t	 i = id_hash(id, t->key1) & (t->nslots - 1);

	while (t->slots[i].used && memcmp(t->slots[i].id, id, 16) != 0)
		i = (i + 1) & (t->nslots - 1);
	return &t->slots[i];
}

static int
slots_grow(struct ids *t)
{
	struct ids_open	*old = t->slots;
	size_t		 i, n = t->nslots;

	if ((t->slots = calloc(n * 2, sizeof(*old))) == NULL) {
		t->slots = old;
		return -1;
	}
	t->nslots = n * 2;
	for (i = 0; i < n; i++)
		if (old[i].used)
			*slot_find(t, old[i].id) = old[i];
	free(old);
	return 0;
}

enum ids_result
ids_intent(struct ids *t, const struct ids_open *o)
{
	struct ids_open	*s;

	s = slot_find(t, o->id);
	if (s->used)
		return IDS_USED;
	if (t->nopen >= VERIFY_OPEN_MAX)
		return IDS_FULL;
	if (2 * (t->nopen + 1) > t->nslots) {
		if (slots_grow(t) == -1)
			return IDS_FULL;
		s = slot_find(t, o->id);
	}
	*s = *o;
	s->used = 1;
	t->nopen++;
	return filter_add(t, o->id) ? IDS_MAYBE : IDS_OK;
}

enum ids_result
ids_execution(struct ids *t, const uint8_t id[16])
{
	struct ids_open	*s, moved;
	size_t		 i;

	s = slot_find(t, id);
	if (!s->used)
		return filter_has(t, id) ? IDS_USED : IDS_NONE;
	s->used = 0;
	t->nopen--;
	/* those behind it may have been pushed past it: put in again */
	for (i = (size_t)(s - t->slots + 1) & (t->nslots - 1);
	    t->slots[i].used; i = (i + 1) & (t->nslots - 1)) {
		moved = t->slots[i];
		t->slots[i].used = 0;
		*slot_find(t, moved.id) = moved;
	}
	return IDS_OK;
}

const struct ids_open *
ids_next(const struct ids *t, size_t *i)
{
	while (*i < t->nslots)
		if (t->slots[(*i)++].used)
			return &t->slots[*i - 1];
	return NULL;
}
