/* The fixed forms of a line's strings: digits, identifiers, time. */
#include "compat.h"

#include <string.h>

#include "audit_line.h"

static const char	 alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Value of a digit plus one, 0 for what is none. */
static const uint8_t	 base64_value[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
	19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41,
	42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
	['+'] = 63, ['/'] = 64
};

/*
 * RFC 4648 section 4 with padding, exactly outlen bytes; bits that no byte
 * takes must be zero (section 3.5), or one value had several spellings.
 */
int
audit_base64_read(const char *s, size_t len, uint8_t *out, size_t outlen)
{
	size_t		 i, pad = (3 - outlen % 3) % 3, n = 0;
	uint32_t	 acc = 0;
	int		 bits = 0, d;

	if (len != (outlen + 2) / 3 * 4)
		return -1;
	for (i = 0; i < len - pad; i++) {
		if ((d = base64_value[(unsigned char)s[i]] - 1) == -1)
			return -1;
		acc = acc << 6 | (uint32_t)d;
		if ((bits += 6) >= 8) {
			bits -= 8;
			out[n++] = (uint8_t)(acc >> bits);
			acc &= (1U << bits) - 1;
		}
	}
	for (; i < len; i++)
		if (s[i] != '=')
			return -1;
	return acc == 0 && n == outlen ? 0 : -1;
}

/* Writes the NUL too. */
void
audit_base64_write(const uint8_t *p, size_t len, char *out)
{
	uint32_t	 v;
	size_t		 i, n, k;

	for (i = 0; i < len; i += 3) {
		n = len - i < 3 ? len - i : 3;
		v = (uint32_t)p[i] << 16;
		if (n > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (n > 2)
			v |= p[i + 2];
		for (k = 0; k < 4; k++)
			*out++ = k <= n ?
			    alphabet[v >> (18 - 6 * k) & 0x3f] : '=';
	}
	*out = '\0';
}

/* Value of a lower-case digit plus one, 0 for what is none. */
static const uint8_t	 hex_value[256] = {
	['0'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
	['a'] = 11, 12, 13, 14, 15, 16
};

static int
hex_digit(char c)
{
	return hex_value[(unsigned char)c] - 1;
}

/* Lower case only. */
int
audit_hex_read(const char *s, size_t len, uint8_t *out, size_t outlen)
{
	size_t	 i;
	int	 hi, lo;

	if (len != 2 * outlen)
		return -1;
	for (i = 0; i < outlen; i++) {
		hi = hex_digit(s[2 * i]);
		lo = hex_digit(s[2 * i + 1]);
		if (hi == -1 || lo == -1)
			return -1;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return 0;
}

void
audit_hex_write(const uint8_t *p, size_t len, char *out)
{
	static const char	 digits[] = "0123456789abcdef";
	size_t			 i;

	for (i = 0; i < len; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 0xf];
	}
	*out = '\0';
}

/* RFC 9562 version 4 in lower case. */
int
audit_is_uuid(const char *s, size_t len)
{
	size_t	 i;

	if (len != UUID_SIZE - 1)
		return 0;
	for (i = 0; i < len; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return 0;
		} else if (hex_digit(s[i]) == -1)
			return 0;
	}
	return s[14] == '4' && strchr("89ab", s[19]) != NULL;
}

/* RFC 3339 in UTC with milliseconds, and a day that exists. */
int
audit_is_timestamp(const char *s, size_t len)
{
	walltime_t	 t;

	return len == WALLTIME_STRLEN - 1 && walltime_parse(s, &t) == 0;
}

/*
 * An origin is also a key name of C2SP signed-note: no blanks, no plus.  We
 * narrow it to visible ASCII without what JSON would escape.
 */
int
audit_is_origin(const char *s, size_t len)
{
	size_t	 i;

	if (len == 0 || len >= AUDIT_ORIGIN_SIZE)
		return 0;
	for (i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] >= 0x7f || s[i] == '+' ||
		    s[i] == '"' || s[i] == '\\')
			return 0;
	return 1;
}
