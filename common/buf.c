/* The growing buffer and its strict typed put and get; see buf.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "compat.h"

/* max is in bytes. */
void
buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void
buf_init_read(struct buf *b, const void *data, size_t len)
{
	memset(b, 0, sizeof(*b));
	/* cap 0 marks the bytes as somebody else's: never written, freed. */
	b->data = (uint8_t *)(uintptr_t)data;
	b->len = len;
}

void
buf_free(struct buf *b)
{
	if (b->cap != 0)
		freezero(b->data, b->cap);
	memset(b, 0, sizeof(*b));
}

/* Empty again, with the same maximum; the old contents are zeroed. */
void
buf_reset(struct buf *b)
{
	if (b->cap != 0)
		explicit_bzero(b->data, b->len);
	b->len = b->pos = 0;
	b->error = 0;
}

int
buf_error(const struct buf *b)
{
	return b->error;
}

static void
buf_fail(struct buf *b, int error)
{
	if (b->error == 0)
		b->error = error;
}

/* Room for n more bytes and a NUL that len does not count: 0 or -1. */
static int
buf_grow(struct buf *b, size_t n)
{
	uint8_t	*data;
	size_t	 cap, need;

	if (b->error != 0)
		return -1;
	if (n > b->max || b->len > b->max - n) {
		buf_fail(b, EMSGSIZE);
		return -1;
	}
	need = b->len + n + 1;
	if (need <= b->cap)
		return 0;
	cap = b->cap < 128 ? 128 : b->cap * 2;
	if (cap > b->max + 1)
		cap = b->max + 1;
	if (cap < need)
		cap = need;
	if ((data = recallocarray(b->data, b->cap, cap, 1)) == NULL) {
		buf_fail(b, ENOMEM);
		return -1;
	}
	b->data = data;
	b->cap = cap;
	return 0;
}

void
buf_put(struct buf *b, const void *data, size_t n)
{
	if (n == 0 || buf_grow(b, n) == -1)
		return;
	memcpy(b->data + b->len, data, n);
	b->len += n;
	b->data[b->len] = '\0';
}

static void
buf_put_number(struct buf *b, uint64_t v, size_t n)
{
	uint8_t	 bytes[8];
	size_t	 i;

	for (i = n; i-- > 0; v >>= 8)
		bytes[i] = (uint8_t)v;
	buf_put(b, bytes, n);
}

void
buf_put_u8(struct buf *b, uint8_t v)
{
	buf_put_number(b, v, 1);
}

void
buf_put_u16(struct buf *b, uint16_t v)
{
	buf_put_number(b, v, 2);
}

void
buf_put_u32(struct buf *b, uint32_t v)
{
	buf_put_number(b, v, 4);
}

void
buf_put_u64(struct buf *b, uint64_t v)
{
	buf_put_number(b, v, 8);
}

/*
 * 16 bits of length and the bytes, no NUL.  max counts the NUL, as sizes of
 * arrays do; a string that does not end within it is an error.
 */
void
buf_put_str(struct buf *b, const char *s, size_t max)
{
	size_t	 len;

	len = strnlen(s, max);
	if (len == max || len > UINT16_MAX) {
		buf_fail(b, EMSGSIZE);
		return;
	}
	buf_put_u16(b, (uint16_t)len);
	buf_put(b, s, len);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list	 ap;
	char	*text;
	int	 n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n == -1) {
		buf_fail(b, ENOMEM);
		return;
	}
	buf_put(b, text, (size_t)n);
	freezero(text, (size_t)n);
}

/* Zeroes out when there is not enough. */
void
buf_get(struct buf *b, void *out, size_t n)
{
	if (b->error == 0 && n > b->len - b->pos)
		buf_fail(b, EBADMSG);
	if (b->error != 0) {
		memset(out, 0, n);
		return;
	}
	if (n == 0)
		return;
	memcpy(out, b->data + b->pos, n);
	b->pos += n;
}

static uint64_t
buf_get_number(struct buf *b, size_t n)
{
	uint8_t		 bytes[8];
	uint64_t	 v = 0;
	size_t		 i;

	buf_get(b, bytes, n);
	for (i = 0; i < n; i++)
		v = v << 8 | bytes[i];
	return v;
}

uint8_t
buf_get_u8(struct buf *b)
{
	return (uint8_t)buf_get_number(b, 1);
}

uint16_t
buf_get_u16(struct buf *b)
{
	return (uint16_t)buf_get_number(b, 2);
}

uint32_t
buf_get_u32(struct buf *b)
{
	return (uint32_t)buf_get_number(b, 4);
}

uint64_t
buf_get_u64(struct buf *b)
{
	return buf_get_number(b, 8);
}

/* On any error out is "" and the error sticks. */
void
buf_get_str(struct buf *b, char *out, size_t size)
{
	uint16_t	 len;

	if (size == 0) {
		buf_fail(b, EBADMSG);
		return;
	}
	out[0] = '\0';
	len = buf_get_u16(b);
	if (b->error != 0)
		return;
	if (len >= size || len > b->len - b->pos ||
	    memchr(b->data + b->pos, '\0', len) != NULL) {
		buf_fail(b, EBADMSG);
		return;
	}
	buf_get(b, out, len);
	out[len] = '\0';
}

int
buf_end(const struct buf *b)
{
	return b->error == 0 && b->pos == b->len ? 0 : -1;
}
