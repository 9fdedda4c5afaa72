/*
 * Signed notes and checkpoints: C2SP signed-note and tlog-checkpoint.  Only
 * Ed25519 of type 0x01; cosignatures of witnesses are other lines, which a
 * reader that knows no witness has to skip.
 */
#include "compat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "note.h"
#include "text.h"

#define SIGNER_PREFIX	"PRIVATE+KEY+"
#define SIGNATURE_DASH	"\xe2\x80\x94 "	/* U+2014 and a blank */

/* The first four bytes of SHA-256(name, newline, type, key). */
static void
key_id(const char *name, const uint8_t key[32], uint8_t id[4])
{
	crypto_hash_sha256_state	 ctx;
	uint8_t				 hash[32], type = NOTE_ED25519;

	crypto_hash_sha256_init(&ctx);
	crypto_hash_sha256_update(&ctx, (const uint8_t *)name, strlen(name));
	crypto_hash_sha256_update(&ctx, (const uint8_t *)"\n", 1);
	crypto_hash_sha256_update(&ctx, &type, 1);
	crypto_hash_sha256_update(&ctx, key, 32);
	crypto_hash_sha256_final(&ctx, hash);
	memcpy(id, hash, 4);
}

/* "<name>+<8 hex>+<base64 of type and 32 bytes>" in len bytes. */
static int
key_parse(const char *s, size_t len, char name[AUDIT_ORIGIN_SIZE],
    uint8_t id[4], uint8_t data[32])
{
	const char	*plus;
	uint8_t		 bytes[33];
	size_t		 n;
	int		 r = -1;

	if ((plus = memchr(s, '+', len)) == NULL)
		return -1;
	n = plus - s;
	/* 33 bytes are 44 characters without padding */
	if (!audit_is_origin(s, n) || len != n + 1 + 8 + 1 + 44 ||
	    s[n + 9] != '+' || audit_hex_read(s + n + 1, 8, id, 4) == -1 ||
	    audit_base64_read(s + n + 10, 44, bytes, sizeof(bytes)) == -1)
		goto done;
	memcpy(name, s, n);
	name[n] = '\0';
	memcpy(data, bytes + 1, 32);
	if (bytes[0] == NOTE_ED25519)
		r = 0;
done:
	sodium_memzero(bytes, sizeof(bytes));
	return r;
}

static void
key_format(const char *prefix, const char *name, const uint8_t id[4],
    const uint8_t data[32], char *out, size_t size)
{
	uint8_t	 bytes[33];
	char	 hex[9], base64[45];

	bytes[0] = NOTE_ED25519;
	memcpy(bytes + 1, data, 32);
	audit_hex_write(id, 4, hex);
	audit_base64_write(bytes, sizeof(bytes), base64);
	/* the sizes in note.h have room for the longest name */
	(void)snprintf(out, size, "%s%s+%s+%s", prefix, name, hex, base64);
	sodium_memzero(bytes, sizeof(bytes));
	sodium_memzero(base64, sizeof(base64));
}

int
note_vkey_parse(struct note_vkey *v, const char *s)
{
	uint8_t	 id[4];

	if (key_parse(s, strlen(s), v->name, v->id, v->key) == -1)
		return -1;
	key_id(v->name, v->key, id);
	return memcmp(id, v->id, 4) == 0 &&
	    crypto_core_ed25519_is_valid_point(v->key) ? 0 : -1;
}

void
note_vkey_format(const char *name, const uint8_t key[32], char *out,
    size_t size)
{
	uint8_t	 id[4];

	key_id(name, key, id);
	key_format("", name, id, key, out, size);
}

int
note_signer_parse(const char *s, char name[AUDIT_ORIGIN_SIZE],
    uint8_t key[32], uint8_t *secret)
{
	uint8_t	 id[4], want[4], seed[32], sk[64];
	size_t	 len = strlen(s), skip = strlen(SIGNER_PREFIX);
	int	 r = -1;

	if (len > 0 && s[len - 1] == '\n')
		len--;
	if (len < skip || memcmp(s, SIGNER_PREFIX, skip) != 0 ||
	    key_parse(s + skip, len - skip, name, id, seed) == -1)
		goto done;
	crypto_sign_seed_keypair(key, sk, seed);
	key_id(name, key, want);
	if (memcmp(id, want, 4) != 0)
		goto done;
	if (secret != NULL)
		memcpy(secret, sk, sizeof(sk));
	r = 0;
done:
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(sk, sizeof(sk));
	return r;
}

void
note_signer_format(const char *name, const uint8_t seed[32], char *out,
    size_t size)
{
	uint8_t	 id[4], key[32], sk[64];

	crypto_sign_seed_keypair(key, sk, seed);
	key_id(name, key, id);
	key_format(SIGNER_PREFIX, name, id, seed, out, size);
	sodium_memzero(sk, sizeof(sk));
}

/* One line of the text; its length without the newline, or -1. */
static ssize_t
line_length(const char *s, const char *end)
{
	const char	*nl;

	if ((nl = memchr(s, '\n', end - s)) == NULL)
		return -1;
	return nl - s;
}

/* A decimal number in its one spelling, below 2^53. */
static int
size_parse(const char *s, size_t len, uint64_t *v)
{
	struct audit_json	 j;
	int64_t			 n;

	audit_json_init(&j, s, len, 0);
	if (!audit_json_integer(&j, &n) || j.p != j.end || n < 0)
		return -1;
	*v = (uint64_t)n;
	return 0;
}

/* The text up to the empty line: its length with the last newline, or 0. */
static size_t
text_length(const char *s, size_t len)
{
	const char	*at;

	if ((at = memmem(s, len, "\n\n", 2)) == NULL)
		return 0;
	return at - s + 1;
}

/* origin, size, root; further lines belong to the signed text too. */
static int
text_parse(struct note *n, const char *s, size_t len)
{
	const char	*end = s + len;
	ssize_t		 l;

	if ((l = line_length(s, end)) == -1 || !audit_is_origin(s, l))
		return -1;
	memcpy(n->origin, s, l);
	n->origin[l] = '\0';
	s += l + 1;
	if ((l = line_length(s, end)) == -1 || size_parse(s, l, &n->size) == -1)
		return -1;
	s += l + 1;
	if ((l = line_length(s, end)) == -1)
		return -1;
	return audit_base64_read(s, l, n->root, HASH_SIZE);
}

/*
 * One signature line: "— <name> <base64 of id and signature>".  Lines of
 * other keys are not ours to judge.
 */
static enum note_result
signature_check(const char *s, size_t len, const char *text, size_t textlen,
    const struct note_vkey *v)
{
	uint8_t	 bytes[4 + AUDIT_SIGNATURE_SIZE];
	size_t	 dash = strlen(SIGNATURE_DASH), n = strlen(v->name);

	if (len < dash || memcmp(s, SIGNATURE_DASH, dash) != 0)
		return NOTE_FORMAT;
	s += dash;
	len -= dash;
	if (len <= n + 1 || memcmp(s, v->name, n) != 0 || s[n] != ' ')
		return NOTE_UNTRUSTED;
	if (audit_base64_read(s + n + 1, len - n - 1, bytes,
	    sizeof(bytes)) == -1 || memcmp(bytes, v->id, 4) != 0)
		return NOTE_UNTRUSTED;
	return crypto_sign_verify_detached(bytes + 4, (const uint8_t *)text,
	    textlen, v->key) == 0 ? NOTE_OK : NOTE_BAD_SIGNATURE;
}

enum note_result
note_read(struct note *n, const char *s, size_t len,
    const struct note_vkey *v)
{
	enum note_result	 r, found = NOTE_UNTRUSTED;
	const char		*p, *end = s + len;
	size_t			 textlen;
	ssize_t			 l;

	if (len > NOTE_SIZE_MAX || utf8_valid(s, len) != len ||
	    (textlen = text_length(s, len)) == 0 ||
	    text_parse(n, s, textlen) == -1)
		return NOTE_FORMAT;
	for (p = s + textlen + 1; p < end; p += l + 1) {
		if ((l = line_length(p, end)) == -1)
			return NOTE_FORMAT;
		r = signature_check(p, l, s, textlen, v);
		if (r == NOTE_FORMAT || r == NOTE_BAD_SIGNATURE)
			return r;
		if (r == NOTE_OK)
			found = NOTE_OK;
	}
	return found;
}
