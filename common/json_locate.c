/*
 * Where a value stands in a text that jansson accepted.  jansson keeps no
 * positions in its tree; this scanner finds one when an error needs it.
 * The text is known to be well-formed, yet every step is checked for its
 * end.
 */
#include <stdio.h>
#include <string.h>

#include "compat.h"
#include "json.h"
#include "json_in.h"
#include "text.h"

struct scan {
	const char	*text;
	size_t		 len;
	size_t		 pos;
};

static int
peek(const struct scan *s)
{
	return s->pos < s->len ? (unsigned char)s->text[s->pos] : -1;
}

static void
skip_blanks(struct scan *s)
{
	while (s->pos < s->len && strchr(" \t\r\n", s->text[s->pos]) != NULL &&
	    s->text[s->pos] != '\0')
		s->pos++;
}

static void
skip_string(struct scan *s)
{
	for (s->pos++; s->pos < s->len && s->text[s->pos] != '"'; s->pos++)
		if (s->text[s->pos] == '\\')
			s->pos++;
	s->pos++;
}

/* Over one value, whatever it is; nesting is counted, not recursed. */
static void
skip_value(struct scan *s)
{
	int	 c, depth = 0;

	do {
		skip_blanks(s);
		if ((c = peek(s)) == -1)
			return;
		if (c == '"') {
			skip_string(s);
			continue;
		}
		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		else if (c != ',' && c != ':') {
			/* At least one, or this would not end. */
			do
				s->pos++;
			while ((c = peek(s)) > 0 &&
			    strchr(",:]} \t\r\n", c) == NULL);
			continue;
		}
		s->pos++;
	} while (depth > 0);
}

static int
hex4(const char *s, size_t len, uint32_t *v)
{
	size_t	 i;
	char	 c;

	if (len < 4)
		return -1;
	for (*v = 0, i = 0; i < 4; i++) {
		c = s[i] | 0x20;
		if (c >= '0' && c <= '9')
			*v = *v << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*v = *v << 4 | (uint32_t)(c - 'a' + 10);
		else
			return -1;
	}
	return 0;
}

static size_t
utf8_put(uint32_t cp, char *out)
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

/* An escape, s behind its backslash; bytes that it takes, 0 if none. */
static size_t
unescape(const char *s, size_t len, uint32_t *cp)
{
	static const char	 letters[] = "\"\\/bfnrt";
	static const char	 values[] = "\"\\/\b\f\n\r\t";
	const char		*p;
	uint32_t		 low;

	if (len == 0 || s[0] == '\0')
		return 0;
	if (s[0] != 'u') {
		if ((p = strchr(letters, s[0])) == NULL)
			return 0;
		*cp = (uint32_t)values[p - letters];
		return 1;
	}
	if (hex4(s + 1, len - 1, cp) == -1)
		return 0;
	if (*cp < 0xd800 || *cp > 0xdbff)
		return 5;
	if (len < 11 || s[5] != '\\' || s[6] != 'u' ||
	    hex4(s + 7, len - 7, &low) == -1)
		return 0;
	*cp = 0x10000 + ((*cp & 0x3ff) << 10) + (low & 0x3ff);
	return 11;
}

/* The string at s (behind its first quote) as UTF-8; its length or -1. */
static long
string_decode(const char *s, size_t len, char *out, size_t size)
{
	uint32_t	 cp;
	size_t		 i, n, used = 0;

	for (i = 0; i < len && s[i] != '"'; i += n) {
		if (used + 4 >= size)
			return -1;
		if (s[i] != '\\') {
			out[used++] = s[i];
			n = 1;
			continue;
		}
		if ((n = unescape(s + i + 1, len - i - 1, &cp)) == 0)
			return -1;
		used += utf8_put(cp, out + used);
		n++;
	}
	return (long)used;
}

/* To the value of that member; 0 or -1. */
static int
enter_member(struct scan *s, const char *name, size_t len)
{
	char	 key[JSON_PATH_SIZE];
	long	 n;

	if (peek(s) != '{')
		return -1;
	for (s->pos++;; s->pos++) {
		skip_blanks(s);
		if (peek(s) != '"')
			return -1;
		n = string_decode(s->text + s->pos + 1, s->len - s->pos - 1,
		    key, sizeof(key));
		skip_string(s);
		skip_blanks(s);
		if (peek(s) != ':')
			return -1;
		s->pos++;
		skip_blanks(s);
		if (n == (long)len && memcmp(key, name, len) == 0)
			return 0;
		skip_value(s);
		skip_blanks(s);
		if (peek(s) != ',')
			return -1;
	}
}

static int
enter_element(struct scan *s, unsigned long index)
{
	if (peek(s) != '[')
		return -1;
	s->pos++;
	for (;;) {
		skip_blanks(s);
		if (peek(s) == ']' || peek(s) == -1)
			return -1;
		if (index-- == 0)
			return 0;
		skip_value(s);
		skip_blanks(s);
		if (peek(s) != ',')
			return -1;
		s->pos++;
	}
}

/* One component of a path: name, .name, [7] or ["odd name"]. */
static int
enter(struct scan *s, const char **path)
{
	const char	*p = *path;
	char		 name[JSON_PATH_SIZE];
	unsigned long	 index = 0;
	size_t		 len;
	long		 n;

	skip_blanks(s);
	if (p[0] == '[' && p[1] == '"') {
		struct scan	 quoted = { p, strlen(p), 1 };

		n = string_decode(p + 2, strlen(p + 2), name, sizeof(name));
		skip_string(&quoted);
		if (n == -1 || peek(&quoted) != ']')
			return -1;
		*path = p + quoted.pos + 1;
		return enter_member(s, name, (size_t)n);
	}
	if (p[0] == '[') {
		for (p++; *p >= '0' && *p <= '9' && index < JSON_CONF_MAX; p++)
			index = index * 10 + (unsigned long)(*p - '0');
		if (*p != ']')
			return -1;
		*path = p + 1;
		return enter_element(s, index);
	}
	if (p[0] == '.')
		p++;
	len = strcspn(p, ".[");
	*path = p + len;
	return enter_member(s, p, len);
}

int
json_locate(const struct json_file *jf, const char *path, int *line,
    int *column)
{
	struct scan	 s = { jf->text, jf->len, 0 };
	size_t		 i, start = 0;

	while (*path != '\0')
		if (enter(&s, &path) == -1)
			return -1;
	skip_blanks(&s);
	for (*line = 1, i = 0; i < s.pos && i < s.len; i++)
		if (s.text[i] == '\n') {
			(*line)++;
			start = i + 1;
		}
	*column = (int)utf8_runes(s.text + start, i - start) + 1;
	return 0;
}
