/*
 * Keys and signed notes as C2SP has them (signed-note, tlog-checkpoint):
 * text that other tools read too.
 */
#ifndef CHATOPS_NOTE_H
#define CHATOPS_NOTE_H

#include <stddef.h>
#include <stdint.h>

#include "audit_line.h"

#define NOTE_VKEY_SIZE		(AUDIT_ORIGIN_SIZE + 1 + 8 + 1 + 44)
#define NOTE_SIGNER_SIZE	(12 + NOTE_VKEY_SIZE)
#define NOTE_SIZE_MAX		(64 * 1024)
#define NOTE_ED25519		0x01	/* signature type */

/* A verifier key: "<origin>+<8 hex>+<base64 of type and key>". */
struct note_vkey {
	char	 name[AUDIT_ORIGIN_SIZE];
	uint8_t	 id[4];
	uint8_t	 key[32];
};

int	 note_vkey_parse(struct note_vkey *, const char *);	/* 0 or -1 */
void	 note_vkey_format(const char *name, const uint8_t key[32], char *,
	    size_t);

/*
 * A signer key: "PRIVATE+KEY+<origin>+<8 hex>+<base64 of type and seed>", a
 * newline after it is allowed.  key gets the public half, secret (64 bytes)
 * the whole unless it is NULL.  0 or -1.
 */
int	 note_signer_parse(const char *, char name[AUDIT_ORIGIN_SIZE],
	    uint8_t key[32], uint8_t *secret);
void	 note_signer_format(const char *name, const uint8_t seed[32], char *,
	    size_t);

/* A checkpoint: who speaks, of how many lines, with which root. */
struct note {
	char		 origin[AUDIT_ORIGIN_SIZE];
	uint64_t	 size;
	uint8_t		 root[HASH_SIZE];
};

enum note_result {
	NOTE_OK,
	NOTE_FORMAT,		/* no checkpoint */
	NOTE_UNTRUSTED,		/* no signature by that key */
	NOTE_BAD_SIGNATURE	/* one by that key that does not verify */
};

/* Parse len bytes and check the signature of that key. */
enum note_result note_read(struct note *, const char *, size_t len,
		    const struct note_vkey *);

#endif
