/*
 * Keys and signed notes.  A key that parses is written again as it was; a
 * note verifies only as it was signed, whatever stands after its signature
 * line or before it.
 */
#include "fuzz.h"
#include "note.h"

/* The key and the note of audit/vectors. */
#define KEY								\
	"chatops.example/audit/7f3a+a3bb8a4e+"				\
	"AQzwwUsv9kYhQj6PJhquacodNSy8rAwM7Oa639QLJch9"

static void
check_key(const char *text)
{
	struct note_vkey	 k;
	char			 again[NOTE_VKEY_SIZE];

	if (note_vkey_parse(&k, text) == -1)
		return;
	note_vkey_format(k.name, k.key, again, sizeof(again));
	MUST(strcmp(again, text) == 0);
}

static void
check_signer(const char *text)
{
	char	 name[AUDIT_ORIGIN_SIZE];
	uint8_t	 key[32], secret[64];

	if (note_signer_parse(text, name, key, secret) == 0)
		MUST(name[0] != '\0');
}

static void
check_note(const char *text, size_t len)
{
	struct note_vkey	 k;
	struct note		 n;

	MUST(note_vkey_parse(&k, KEY) == 0);
	if (note_read(&n, text, len, &k) != NOTE_OK)
		return;
	/* That key signed this once, and nothing else. */
	MUST(strcmp(n.origin, "chatops.example/audit/7f3a") == 0);
	MUST(n.size == 16);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char	*text;

	if ((text = malloc(len + 1)) == NULL)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	check_key(text);
	check_signer(text);
	check_note(text, len);
	free(text);
	return 0;
}
