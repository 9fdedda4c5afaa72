/*
 * UTF-8 as RFC 3629 has it: no surrogates, nothing above U+10FFFF, no
 * overlong form.  And the one alphabet of Mattermost's ids.
 */
#include <string.h>

#include "text.h"

#define ID_LEN	26

/*
 * Length of the sequence that starts with this byte and the limits of its
 * second byte: RFC 3629, section 4.  0 for a byte that starts none.
 */
static size_t
utf8_lead(unsigned char c, unsigned char *low, unsigned char *high)
{
	*low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	*high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/*
 * How many of the bytes at s are well-formed so far; *want is the length
 * of the sequence that they begin.  0 when they begin none.
 */
static size_t
utf8_prefix(const unsigned char *s, size_t len, size_t *want)
{
	unsigned char	 low, high;
	size_t		 i;

	if ((*want = utf8_lead(s[0], &low, &high)) == 0)
		return 0;
	for (i = 1; i < *want && i < len; i++) {
		if (s[i] < low || s[i] > high)
			break;
		low = 0x80;
		high = 0xbf;
	}
	return i;
}

/* Bytes of the well-formed sequence at s, 0 if there is none. */
static size_t
utf8_sequence(const unsigned char *s, size_t len)
{
	size_t	 want;

	return utf8_prefix(s, len, &want) == want ? want : 0;
}

int
utf8_is_partial(const char *text, size_t len)
{
	size_t	 want;

	return len > 0 && utf8_prefix((const unsigned char *)text, len,
	    &want) == len && len < want;
}

/* Bytes of ASCII at s, eight at a time while there are so many. */
static size_t
ascii_length(const unsigned char *s, size_t len)
{
	uint64_t	 word;
	size_t		 i = 0;

	for (; len - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, s + i, sizeof(word));
		if (word & 0x8080808080808080ULL)
			break;
	}
	while (i < len && s[i] < 0x80)
		i++;
	return i;
}

size_t
utf8_valid(const char *text, size_t len)
{
	const unsigned char	*s = (const unsigned char *)text;
	size_t			 n, pos = 0;

	for (;;) {
		pos += ascii_length(s + pos, len - pos);
		if (pos == len || (n = utf8_sequence(s + pos, len - pos)) == 0)
			return pos;
		pos += n;
	}
}

size_t
utf8_next(const char *text, size_t len, uint32_t *cp)
{
	/* What the lead byte itself carries, by the sequence's length. */
	static const unsigned char	 mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	const unsigned char		*s = (const unsigned char *)text;
	size_t				 i, n;

	if (len == 0 || (n = utf8_sequence(s, len)) == 0)
		return 0;
	*cp = s[0] & mask[n];
	for (i = 1; i < n; i++)
		*cp = *cp << 6 | (s[i] & 0x3f);
	return n;
}

size_t
utf8_runes(const char *text, size_t len)
{
	size_t	 i, n = 0;

	for (i = 0; i < len; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			n++;
	return n;
}

size_t
utf8_cut(const char *text, size_t len, size_t n)
{
	size_t	 i;

	for (i = 0; i < len; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80 && n-- == 0)
			break;
	return i;
}

int
text_is_id(const char *s)
{
	size_t	 i;

	for (i = 0; i < ID_LEN; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') ||
		    (s[i] >= '0' && s[i] <= '9')))
			return 0;
	return s[ID_LEN] == '\0';
}
