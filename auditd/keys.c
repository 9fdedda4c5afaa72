/*
 * The key folder.  audit.state holds the seed of the entry key and how far
 * the log is known to be durable, in two slots that are overwritten in turn,
 * so that a crash leaves one of them whole.  log.key holds the key that signs
 * checkpoints; log.pub what a verifier needs of it.
 */
#include <sys/stat.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "auditd.h"
#include "note.h"
#include "sys.h"

#define STATE_NAME	"audit.state"
#define STATE_NEW	"audit.state.new"
#define LOG_KEY_NAME	"log.key"
#define LOG_PUB_NAME	"log.pub"

#define SLOT_SIZE	sizeof(((struct audit_secret *)0)->slot)
#define SLOT_MAGIC	"chatops-audit-1"

/* Places in a slot; numbers are big-endian. */
#define SLOT_GENERATION	16
#define SLOT_FLAGS	24	/* 0: no next seed */
#define SLOT_SEED	32
#define SLOT_NEXT_SEED	64	/* zero until keys are handed over */
#define SLOT_GENESIS	96
#define SLOT_ACKED	128
#define SLOT_FROM	176
#define SLOT_ORIGIN	224
#define SLOT_SUM	(SLOT_SIZE - 32)	/* BLAKE2b-256 of the rest */

#define REMEDY		"restore the key folder from a copy that is as new " \
    "as the log, or move both away to begin a new log"

static void
put_u64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

static uint64_t
get_u64(const uint8_t *p)
{
	uint64_t	 v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static void
put_pos(uint8_t *p, const struct audit_pos *pos)
{
	put_u64(p, pos->lines);
	put_u64(p + 8, pos->size);
	memcpy(p + 16, pos->hash, HASH_SIZE);
}

static void
get_pos(const uint8_t *p, struct audit_pos *pos)
{
	pos->lines = get_u64(p);
	pos->size = get_u64(p + 8);
	memcpy(pos->hash, p + 16, HASH_SIZE);
}

static void
slot_encode(const struct audit_keys *k, uint8_t *slot)
{
	memset(slot, 0, SLOT_SIZE);
	memcpy(slot, SLOT_MAGIC, sizeof(SLOT_MAGIC));
	put_u64(slot + SLOT_GENERATION, k->generation);
	memcpy(slot + SLOT_SEED, k->secret->seed, 32);
	memcpy(slot + SLOT_GENESIS, k->state.genesis, HASH_SIZE);
	put_pos(slot + SLOT_ACKED, &k->state.acked);
	put_pos(slot + SLOT_FROM, &k->state.from);
	memcpy(slot + SLOT_ORIGIN, k->state.origin, sizeof(k->state.origin));
	crypto_generichash(slot + SLOT_SUM, 32, slot, SLOT_SUM, NULL, 0);
}

/* Is this slot whole, and newer than what we have? */
static int
slot_is_newer(const struct audit_keys *k, const uint8_t *slot)
{
	uint8_t		 sum[32];
	const char	*origin = (const char *)slot + SLOT_ORIGIN;

	crypto_generichash(sum, sizeof(sum), slot, SLOT_SUM, NULL, 0);
	if (memcmp(slot, SLOT_MAGIC, sizeof(SLOT_MAGIC)) != 0 ||
	    memcmp(sum, slot + SLOT_SUM, sizeof(sum)) != 0)
		return 0;
	if (get_u64(slot + SLOT_FLAGS) != 0 ||
	    memchr(origin, '\0', AUDIT_ORIGIN_SIZE) == NULL ||
	    !audit_is_origin(origin, strlen(origin)))
		return 0;
	return get_u64(slot + SLOT_GENERATION) > k->generation;
}

static void
slot_decode(struct audit_keys *k, const uint8_t *slot)
{
	k->generation = get_u64(slot + SLOT_GENERATION);
	memcpy(k->secret->seed, slot + SLOT_SEED, 32);
	memcpy(k->state.genesis, slot + SLOT_GENESIS, HASH_SIZE);
	get_pos(slot + SLOT_ACKED, &k->state.acked);
	get_pos(slot + SLOT_FROM, &k->state.from);
	memcpy(k->state.origin, slot + SLOT_ORIGIN, AUDIT_ORIGIN_SIZE);
}

/* sodium_malloc() locks too, but does not say when it could not. */
static int
secret_new(struct audit_keys *k, char *why, size_t whylen)
{
	memset(k, 0, sizeof(*k));
	k->fd = -1;
	if ((k->secret = sodium_malloc(sizeof(*k->secret))) == NULL) {
		(void)snprintf(why, whylen, "no memory for the keys");
		return -1;
	}
	sodium_memzero(k->secret, sizeof(*k->secret));
	if (sodium_mlock(k->secret, sizeof(*k->secret)) == -1) {
		(void)snprintf(why, whylen, "the keys cannot be locked in "
		    "memory: %s; raise the limit of locked memory "
		    "(LimitMEMLOCK, ulimit -l)", strerror(errno));
		return -1;
	}
	return 0;
}

void
keys_free(struct audit_keys *k)
{
	if (k->fd != -1)
		(void)sys_close(k->fd);
	k->fd = -1;
	sodium_free(k->secret);
	k->secret = NULL;
}

/* Both slots in turn; the newest whole one wins. */
static int
slots_read(struct audit_keys *k, char *why, size_t whylen)
{
	uint8_t	*slot = k->secret->slot;
	ssize_t	 n;
	int	 i;

	for (i = 0; i < 2; i++) {
		n = sys_pread(k->fd, slot, SLOT_SIZE, (off_t)(i * SLOT_SIZE));
		if (n == -1) {
			(void)snprintf(why, whylen, "%s: %s", STATE_NAME,
			    strerror(errno));
			return -1;
		}
		if (n == (ssize_t)SLOT_SIZE && slot_is_newer(k, slot))
			slot_decode(k, slot);
	}
	sodium_memzero(slot, SLOT_SIZE);
	if (k->generation == 0) {
		(void)snprintf(why, whylen, "%s: KEY: neither of its slots is "
		    "whole, so the key of the log is lost; " REMEDY,
		    STATE_NAME);
		return -1;
	}
	crypto_sign_seed_keypair(k->public_key, k->secret->key,
	    k->secret->seed);
	return 0;
}

int
keys_load(struct audit_keys *k, int dir, char *why, size_t whylen)
{
	if (secret_new(k, why, whylen) == -1)
		return -1;
	k->fd = sys_openat(dir, STATE_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC,
	    0);
	if (k->fd == -1 && errno == ENOENT)
		return 0;
	if (k->fd == -1) {
		(void)snprintf(why, whylen, "%s: %s", STATE_NAME,
		    strerror(errno));
		return -1;
	}
	return slots_read(k, why, whylen) == -1 ? -1 : 1;
}

int
keys_save(struct audit_keys *k)
{
	uint8_t	*slot = k->secret->slot;
	int	 r;

	k->generation++;
	slot_encode(k, slot);
	r = -1;
	errno = EIO;
	if (sys_pwrite(k->fd, slot, SLOT_SIZE,
	    (off_t)(k->generation % 2 * SLOT_SIZE)) == (ssize_t)SLOT_SIZE)
		r = sys_fdatasync(k->fd);
	sodium_memzero(slot, SLOT_SIZE);
	return r;
}

/*
 * A file appears whole or not at all: written under another name, synced,
 * renamed, and the folder synced.
 */
static int
file_create(int dir, const char *temp, const char *name, const void *data,
    size_t len, mode_t mode, char *why, size_t whylen)
{
	int	 fd;

	if (sys_unlinkat(dir, temp, 0) == -1 && errno != ENOENT)
		goto fail;
	fd = sys_openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, mode);
	if (fd == -1)
		goto fail;
	if (sys_write_all(fd, data, len) == -1 || sys_fsync(fd) == -1) {
		(void)sys_close(fd);
		goto fail;
	}
	(void)sys_close(fd);
	if (sys_renameat(dir, temp, dir, name) == -1 || sys_fsync(dir) == -1)
		goto fail;
	return 0;
fail:
	(void)snprintf(why, whylen, "%s: cannot be made in the key folder: %s",
	    name, strerror(errno));
	return -1;
}

int
keys_create(struct audit_keys *k, int dir, const char *origin, char *why,
    size_t whylen)
{
	if (sys_getrandom(k->secret->seed, sizeof(k->secret->seed)) == -1) {
		(void)snprintf(why, whylen, "no random bytes for a key: %s",
		    strerror(errno));
		return -1;
	}
	crypto_sign_seed_keypair(k->public_key, k->secret->key,
	    k->secret->seed);
	(void)strlcpy(k->state.origin, origin, sizeof(k->state.origin));
	/* An even generation belongs into the first slot. */
	k->generation = 2;
	slot_encode(k, k->secret->slot);
	if (file_create(dir, STATE_NEW, STATE_NAME, k->secret->slot, SLOT_SIZE,
	    0600, why, whylen) == -1)
		return -1;
	sodium_memzero(k->secret->slot, SLOT_SIZE);
	k->fd = sys_openat(dir, STATE_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC,
	    0);
	if (k->fd == -1 || keys_save(k) == -1) {
		(void)snprintf(why, whylen, "%s: %s", STATE_NAME,
		    strerror(errno));
		return -1;
	}
	return 0;
}

/* log.key as it is on disk: origin and public key from it.  1, 0 or -1. */
static int
log_key_load(int dir, char *text, size_t size, char *origin,
    uint8_t public_key[32], char *why, size_t whylen)
{
	ssize_t	 n;
	int	 fd;

	fd = sys_openat(dir, LOG_KEY_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC,
	    0);
	if (fd == -1 && errno == ENOENT)
		return 0;
	if (fd == -1 || (n = sys_read(fd, text, size - 1)) == -1) {
		(void)snprintf(why, whylen, "%s: %s", LOG_KEY_NAME,
		    strerror(errno));
		if (fd != -1)
			(void)sys_close(fd);
		return -1;
	}
	(void)sys_close(fd);
	text[n] = '\0';
	if (note_signer_parse(text, origin, public_key, NULL) == -1) {
		(void)snprintf(why, whylen, "%s: KEY: is no signer key; "
		    REMEDY, LOG_KEY_NAME);
		return -1;
	}
	return 1;
}

/* The public half beside it; written again whenever it is missing. */
static int
log_pub_create(int dir, const char *origin, const uint8_t public_key[32],
    char *why, size_t whylen)
{
	struct stat	 st;
	char		 vkey[NOTE_VKEY_SIZE + 1];

	if (sys_fstatat(dir, LOG_PUB_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	note_vkey_format(origin, public_key, vkey, NOTE_VKEY_SIZE);
	(void)strlcat(vkey, "\n", sizeof(vkey));
	return file_create(dir, "log.pub.new", LOG_PUB_NAME, vkey,
	    strlen(vkey), 0644, why, whylen);
}

int
keys_log_key(int dir, char origin[AUDIT_ORIGIN_SIZE], uint8_t public_key[32],
    char *why, size_t whylen)
{
	struct {
		uint8_t	 seed[32];
		char	 text[NOTE_SIGNER_SIZE + 1];
	}	*s;
	int	 r = -1;

	if ((s = sodium_malloc(sizeof(*s))) == NULL) {
		(void)snprintf(why, whylen, "no memory for the log key");
		return -1;
	}
	r = log_key_load(dir, s->text, sizeof(s->text), origin, public_key,
	    why, whylen);
	if (r == 0) {
		r = -1;
		if (sys_getrandom(s->seed, sizeof(s->seed)) == -1) {
			(void)snprintf(why, whylen, "no random bytes: %s",
			    strerror(errno));
			goto done;
		}
		note_signer_format(origin, s->seed, s->text,
		    NOTE_SIGNER_SIZE);
		(void)strlcat(s->text, "\n", sizeof(s->text));
		if (note_signer_parse(s->text, origin, public_key, NULL) == -1)
			goto done;
		r = file_create(dir, "log.key.new", LOG_KEY_NAME, s->text,
		    strlen(s->text), 0600, why, whylen);
	}
	if (r != -1)
		r = log_pub_create(dir, origin, public_key, why, whylen);
done:
	sodium_free(s);
	return r == -1 ? -1 : 0;
}
