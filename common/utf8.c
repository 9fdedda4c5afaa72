/*
 * UTF-8 as RFC 3629 has it: no surrogates, nothing above U+10FFFF, no
 * overlong form.  And the one alphabet of Mattermost's ids.
 */
#include <string.h>

#include "text.h"

#define ID_LEN	26

/* Bytes of the well-formed sequence at s, 0 if there is none. */
static size_t
utf8_sequence(const unsigned char *s, size_t len)
{
	unsigned char	 low = 0x80, high = 0xbf;
	size_t		 i, n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (len < n)
		return 0;
	/* RFC 3629, section 4: only the second byte has special limits. */
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

size_t
utf8_valid(const char *text, size_t len)
{
	const unsigned char	*s = (const unsigned char *)text;
	size_t			 n, pos;

	for (pos = 0; pos < len; pos += n)
		if ((n = utf8_sequence(s + pos, len - pos)) == 0)
			break;
	return pos;
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
