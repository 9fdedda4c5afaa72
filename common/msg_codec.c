/* The one encoder and the one decoder, from the table of msg_fields.c. */
#include <errno.h>
#include <string.h>

#include "compat.h"
#include "msg.h"
#include "msg_fields.h"
#include "text.h"

#define UUID_LEN	(UUID_SIZE - 1)
#define ID_LEN		(ID_SIZE - 1)
#define BUILD_LEN	64

size_t
msg_struct_size(enum msg_type type)
{
	return (unsigned int)type < MSG_COUNT ? msg_types[type].size : 0;
}

static void
field_limits(const struct field *f, size_t *min, size_t *max)
{
	switch (f->kind) {
	case F_END:
		break;
	case F_U8:
	case F_U16:
	case F_U32:
	case F_U64:
	case F_I32:
	case F_I64:
	case F_CHANNEL_TYPE:
	case F_HASH:
		*min += f->size;
		*max += f->size;
		break;
	case F_ID:
	case F_UUID:
	case F_BUILD:
	case F_STR:
		*min += 2;
		if (f->kind == F_STR)
			*min += (size_t)f->min;
		else if (f->min != 0)
			*min += f->size - 1;
		*max += 2 + f->size - 1;
		break;
	case F_WORDS:
		/* A length of two bytes for a NUL of one, for each word. */
		*min += 2;
		*max += 2 + sizeof(((struct words *)0)->data) + WORDS_MAX;
		break;
	}
}

void
msg_limits(enum msg_type type, size_t *min, size_t *max)
{
	const struct field	*f;

	*min = *max = 0;
	if ((unsigned int)type >= MSG_COUNT || msg_types[type].fields == NULL)
		return;
	for (f = msg_types[type].fields; f->kind != F_END; f++)
		field_limits(f, min, max);
}

static int
is_of_alphabet(const char *s, size_t len, const char *alphabet)
{
	return strlen(s) == len && strspn(s, alphabet) == len;
}

/* RFC 9562, section 4, in the lower case that we write. */
static int
is_uuid(const char *s)
{
	size_t	 i;

	if (!is_of_alphabet(s, UUID_LEN, "0123456789abcdef-"))
		return 0;
	for (i = 0; i < UUID_LEN; i++)
		if ((s[i] == '-') != (i == 8 || i == 13 || i == 18 || i == 23))
			return 0;
	return 1;
}

static int
is_words(const struct words *w)
{
	size_t	 i, len, pos = 0;

	if (w->n > WORDS_MAX || w->len > sizeof(w->data))
		return 0;
	for (i = 0; i < w->n; i++) {
		len = strnlen(w->data + pos, w->len - pos);
		if (pos + len == w->len ||
		    utf8_valid(w->data + pos, len) != len)
			return 0;
		pos += len + 1;
	}
	return pos == w->len;
}

static int
is_string(const struct field *f, const char *s)
{
	size_t	 len;

	len = strnlen(s, f->size);
	if (len == f->size || utf8_valid(s, len) != len)
		return 0;
	if (f->kind == F_STR)
		return len >= (size_t)f->min;
	if (len == 0 && f->min == 0)
		return 1;
	if (f->kind == F_ID)
		return len == ID_LEN && text_is_id(s);
	if (f->kind == F_UUID)
		return is_uuid(s);
	return is_of_alphabet(s, BUILD_LEN, "0123456789abcdef");
}

static int
is_number(const struct field *f, uint64_t v)
{
	return v >= (uint64_t)f->min && v <= f->max;
}

/* Is the value of this member one that may be sent and believed? */
static int
is_field(const struct field *f, const void *p)
{
	uint16_t	 u16;
	uint32_t	 u32;
	uint64_t	 u64;
	int64_t		 i64;
	uint8_t		 u8;

	switch (f->kind) {
	case F_U8:
		memcpy(&u8, p, sizeof(u8));
		return is_number(f, u8);
	case F_U16:
		memcpy(&u16, p, sizeof(u16));
		return is_number(f, u16);
	case F_U32:
		memcpy(&u32, p, sizeof(u32));
		return is_number(f, u32);
	case F_U64:
		memcpy(&u64, p, sizeof(u64));
		return is_number(f, u64);
	case F_I64:
		memcpy(&i64, p, sizeof(i64));
		return i64 >= f->min;
	case F_CHANNEL_TYPE:
		memcpy(&u8, p, sizeof(u8));
		return u8 == 'O' || u8 == 'P' || u8 == 'D' || u8 == 'G' ||
		    (u8 == 0 && f->min == 0);
	case F_ID:
	case F_UUID:
	case F_BUILD:
	case F_STR:
		return is_string(f, p);
	case F_WORDS:
		return is_words(p);
	case F_I32:
	case F_HASH:
	case F_END:
		break;
	}
	return 1;
}

static void
words_put(struct buf *b, const struct words *w)
{
	const char	*word;
	size_t		 i;

	buf_put_u16(b, w->n);
	for (i = 0; (word = words_get(w, i)) != NULL; i++)
		buf_put_str(b, word, sizeof(w->data));
}

static void
words_take(struct buf *b, struct words *w)
{
	char	 word[sizeof(w->data)];
	size_t	 i, n;

	n = buf_get_u16(b);
	if (n > WORDS_MAX)
		b->error = EBADMSG;
	for (i = 0; i < n && buf_error(b) == 0; i++) {
		buf_get_str(b, word, sizeof(word));
		if (words_add(w, word, strlen(word)) == -1)
			b->error = EBADMSG;
	}
	explicit_bzero(word, sizeof(word));
}

static void
field_put(struct buf *b, const struct field *f, const void *p)
{
	uint16_t	 u16;
	uint32_t	 u32;
	uint64_t	 u64;

	switch (f->kind) {
	case F_U8:
	case F_CHANNEL_TYPE:
	case F_HASH:
		buf_put(b, p, f->size);
		break;
	case F_U16:
		memcpy(&u16, p, sizeof(u16));
		buf_put_u16(b, u16);
		break;
	case F_U32:
	case F_I32:
		memcpy(&u32, p, sizeof(u32));
		buf_put_u32(b, u32);
		break;
	case F_U64:
	case F_I64:
		memcpy(&u64, p, sizeof(u64));
		buf_put_u64(b, u64);
		break;
	case F_ID:
	case F_UUID:
	case F_BUILD:
	case F_STR:
		buf_put_str(b, p, f->size);
		break;
	case F_WORDS:
		words_put(b, p);
		break;
	case F_END:
		break;
	}
}

static void
field_take(struct buf *b, const struct field *f, void *p)
{
	uint16_t	 u16;
	uint32_t	 u32;
	uint64_t	 u64;

	switch (f->kind) {
	case F_U8:
	case F_CHANNEL_TYPE:
	case F_HASH:
		buf_get(b, p, f->size);
		break;
	case F_U16:
		u16 = buf_get_u16(b);
		memcpy(p, &u16, sizeof(u16));
		break;
	case F_U32:
	case F_I32:
		u32 = buf_get_u32(b);
		memcpy(p, &u32, sizeof(u32));
		break;
	case F_U64:
	case F_I64:
		u64 = buf_get_u64(b);
		memcpy(p, &u64, sizeof(u64));
		break;
	case F_ID:
	case F_UUID:
	case F_BUILD:
	case F_STR:
		buf_get_str(b, p, f->size);
		break;
	case F_WORDS:
		words_take(b, p);
		break;
	case F_END:
		break;
	}
}

/*
 * b is made here, for the caller to buf_free() in every case.  A type
 * without a payload leaves it empty.
 */
int
msg_encode(struct buf *b, enum msg_type type, const void *msg,
    const char **field)
{
	const struct field	*f;
	const char		*member;
	size_t			 min, max;

	msg_limits(type, &min, &max);
	buf_init(b, max);
	*field = "type";
	if (msg_rule(type) == NULL)
		return -1;
	if (msg_types[type].fields == NULL)
		return 0;
	for (f = msg_types[type].fields; f->kind != F_END; f++) {
		*field = f->name;
		member = (const char *)msg + f->offset;
		if (!is_field(f, member))
			return -1;
		field_put(b, f, member);
		if (buf_error(b) != 0)
			return -1;
	}
	if (msg_types[type].check != NULL &&
	    (*field = msg_types[type].check(msg)) != NULL)
		return -1;
	return 0;
}

/* msg has msg_struct_size() bytes and is zeroed first. */
int
msg_decode(const void *data, size_t len, enum msg_type type, void *msg,
    const char **field)
{
	const struct field	*f;
	struct buf		 b;
	char			*member;

	*field = "type";
	if (msg_rule(type) == NULL)
		return -1;
	buf_init_read(&b, data, len);
	if ((f = msg_types[type].fields) != NULL) {
		memset(msg, 0, msg_types[type].size);
		for (; f->kind != F_END; f++) {
			*field = f->name;
			member = (char *)msg + f->offset;
			field_take(&b, f, member);
			if (buf_error(&b) != 0 || !is_field(f, member))
				return -1;
		}
	}
	*field = "length";
	if (buf_end(&b) == -1)
		return -1;
	if (msg_types[type].check != NULL &&
	    (*field = msg_types[type].check(msg)) != NULL)
		return -1;
	return 0;
}
