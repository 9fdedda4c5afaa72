/*
 * SHA-256 of libcrypto, fetched once: EVP_sha256() would look it up again
 * for every line (EVP_MD_fetch(3), PERFORMANCE).
 */
#include <stdlib.h>

#include <openssl/evp.h>

#include "log.h"
#include "verify.h"

static EVP_MD		*md;
static EVP_MD_CTX	*one;

struct verify_digest {
	EVP_MD_CTX	*ctx;
};

int
verify_sha256_init(void)
{
	if (md != NULL)
		return 0;
	md = EVP_MD_fetch(NULL, "SHA256", NULL);
	one = EVP_MD_CTX_new();
	return md != NULL && one != NULL ? 0 : -1;
}

/* Hashing memory fails only without memory; then nothing may be believed. */
static void
digest(EVP_MD_CTX *ctx, const void *p, size_t len, uint8_t *out)
{
	if (!EVP_DigestInit_ex2(ctx, md, NULL) ||
	    !EVP_DigestUpdate(ctx, p, len) ||
	    !EVP_DigestFinal_ex(ctx, out, NULL))
		fatalx("SHA-256: libcrypto failed");
}

void
verify_sha256(uint8_t out[HASH_SIZE], const void *p, size_t len)
{
	digest(one, p, len, out);
}

struct verify_digest *
verify_digest_new(void)
{
	struct verify_digest	*d;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	if ((d->ctx = EVP_MD_CTX_new()) == NULL) {
		free(d);
		return NULL;
	}
	verify_digest_reset(d);
	return d;
}

void
verify_digest_reset(struct verify_digest *d)
{
	if (!EVP_DigestInit_ex2(d->ctx, md, NULL))
		fatalx("SHA-256: libcrypto failed");
}

void
verify_digest_add(struct verify_digest *d, const void *p, size_t len)
{
	if (!EVP_DigestUpdate(d->ctx, p, len))
		fatalx("SHA-256: libcrypto failed");
}

/* Ends the sum; reset begins the next. */
void
verify_digest_get(struct verify_digest *d, uint8_t out[HASH_SIZE])
{
	if (!EVP_DigestFinal_ex(d->ctx, out, NULL))
		fatalx("SHA-256: libcrypto failed");
}

void
verify_digest_free(struct verify_digest *d)
{
	if (d == NULL)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}
