/*
 * Ids, names, and JSON as Go's encoder writes it: no blanks, and < > &
 * U+2028 U+2029 escaped, so that a frame has the length it has on a real
 * server.
 */
#include "mattermost.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#define ID_ALPHABET	"ybndrfg8ejkmcpqxot1uwisza345h769"

void
text_new_id(char id[MM_ID_LEN + 1])
{
	uint8_t	 raw[MM_ID_LEN];
	size_t	 i;

	arc4random_buf(raw, sizeof(raw));
	for (i = 0; i < MM_ID_LEN; i++)
		id[i] = ID_ALPHABET[raw[i] & 31];
	id[MM_ID_LEN] = '\0';
}

/* What 5.37 takes for an id: 26 bytes, letters and digits of any script. */
int
text_is_id(const char *s)
{
	size_t	 i;

	if (s == NULL || strlen(s) != MM_ID_LEN)
		return 0;
	for (i = 0; i < MM_ID_LEN; i++)
		if (!((s[i] >= '0' && s[i] <= '9') ||
		    (s[i] >= 'a' && s[i] <= 'z') ||
		    (s[i] >= 'A' && s[i] <= 'Z') || (uint8_t)s[i] >= 0x80))
			return 0;
	return 1;
}

/* a-z, 0-9 and what `more` names; between min and max bytes. */
int
text_is_name(const char *s, const char *more, size_t min, size_t max)
{
	size_t	 i, len;

	if (s == NULL)
		return 0;
	len = strlen(s);
	if (len < min || len > max)
		return 0;
	for (i = 0; i < len; i++)
		if (!((s[i] >= '0' && s[i] <= '9') ||
		    (s[i] >= 'a' && s[i] <= 'z') || strchr(more, s[i])))
			return 0;
	return 1;
}

/* U+2028 or U+2029, which end a line in JavaScript. */
static int
is_separator(const char *s, size_t len)
{
	return len >= 3 && (memcmp(s, "\xe2\x80\xa8", 3) == 0 ||
	    memcmp(s, "\xe2\x80\xa9", 3) == 0);
}

static size_t
text_escape(char *to, const char *from, size_t len)
{
	size_t		 i, o = 0;
	const char	*e;
	int		 skip;

	for (i = 0; i < len; i++) {
		e = NULL;
		skip = 0;
		if (from[i] == '<')
			e = "\\u003c";
		else if (from[i] == '>')
			e = "\\u003e";
		else if (from[i] == '&')
			e = "\\u0026";
		else if (is_separator(from + i, len - i)) {
			e = from[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
			skip = 2;
		}
		if (e == NULL) {
			to[o++] = from[i];
			continue;
		}
		memcpy(to + o, e, 6);
		o += 6;
		i += skip;
	}
	to[o] = '\0';
	return o;
}

/* The caller frees it; len may be NULL. */
char *
text_json(const json_t *j, size_t *len)
{
	char	*plain, *out;
	size_t	 n;

	if ((plain = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY)) == NULL)
		errx(1, "json_dumps");
	n = strlen(plain);
	if ((out = reallocarray(NULL, n + 1, 6)) == NULL)
		err(1, NULL);
	n = text_escape(out, plain, n);
	free(plain);
	if (len != NULL)
		*len = n;
	return out;
}

/* Length of the UTF-8 sequence at s, 0 if it is none (RFC 3629). */
static size_t
text_sequence(const uint8_t *s, size_t left)
{
	size_t	 n, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (n > left)
		return 0;
	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* A copy in which every byte that is no UTF-8 has become U+FFFD. */
char *
text_utf8(const char *s, size_t len, size_t *outlen)
{
	const uint8_t	*u = (const uint8_t *)s;
	char		*out;
	size_t		 i = 0, o = 0, n;

	if ((out = reallocarray(NULL, len + 1, 3)) == NULL)
		err(1, NULL);
	while (i < len) {
		if ((n = text_sequence(u + i, len - i)) == 0) {
			memcpy(out + o, "\xef\xbf\xbd", 3);
			o += 3;
			i++;
			continue;
		}
		memcpy(out + o, s + i, n);
		o += n;
		i += n;
	}
	out[o] = '\0';
	*outlen = o;
	return out;
}

size_t
text_runes(const char *s, size_t len)
{
	size_t	 i, n = 0;

	for (i = 0; i < len; i++)
		if (((uint8_t)s[i] & 0xc0) != 0x80)
			n++;
	return n;
}

/*
 * Copy the string member; 0 when it is absent, -1 when it is too long: then
 * it is cut, between characters.
 */
int
text_copy(char *to, size_t size, const json_t *j, const char *key)
{
	const char	*s = json_string_value(json_object_get(j, key));
	size_t		 len, i;

	if (s == NULL)
		return 0;
	len = strlen(s);
	if (len >= size)
		for (i = len = size - 1; i > 0 && ((uint8_t)s[i] & 0xc0)
		    == 0x80;)
			len = --i;
	memcpy(to, s, len);
	to[len] = '\0';
	return s[len] == '\0' ? 1 : -1;
}

/* A Go map is written with its keys sorted; only the top level here. */
json_t *
text_sorted(const json_t *j)
{
	char	*s;
	json_t	*out;

	s = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
	if (s == NULL || (out = json_loads(s, JSON_ALLOW_NUL, NULL)) == NULL)
		errx(1, "json");
	free(s);
	return out;
}

/* NULL if it is no JSON; bad UTF-8 is mended as Go does. */
json_t *
text_parse(const char *s, size_t len)
{
	char	*fixed;
	size_t	 n;
	json_t	*j;

	fixed = text_utf8(s, len, &n);
	j = json_loadb(fixed, n, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	free(fixed);
	return j;
}

int64_t
text_int(const json_t *j, const char *key, int64_t none)
{
	json_t	*v = json_object_get(j, key);

	if (json_is_integer(v))
		return json_integer_value(v);
	if (json_is_real(v))
		return (int64_t)json_real_value(v);
	return none;
}

int
text_bool(const json_t *j, const char *key, int none)
{
	json_t	*v = json_object_get(j, key);

	if (json_is_boolean(v))
		return json_is_true(v);
	if (json_is_integer(v))
		return json_integer_value(v) != 0;
	return none;
}

const char *
text_str(const json_t *j, const char *key, const char *none)
{
	const char	*s = json_string_value(json_object_get(j, key));

	return s == NULL ? none : s;
}

/* '*' is any run of bytes, everything else is itself. */
int
text_glob(const char *pattern, const char *s)
{
	const char	*star = NULL, *back = NULL;

	while (*s != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			back = s;
		} else if (*pattern == *s) {
			pattern++;
			s++;
		} else if (star != NULL) {
			pattern = star + 1;
			s = ++back;
		} else
			return 0;
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}
