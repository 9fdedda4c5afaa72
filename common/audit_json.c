/* The strict reader of the audit log's JSON; see audit_json.h. */
#include "compat.h"

#include <string.h>

#include "audit_json.h"
#include "text.h"

struct nest {
	int			 depth;
	char			 close[AUDIT_DEPTH_MAX];
	size_t			 first[AUDIT_DEPTH_MAX];
	size_t			 nnames;
	struct audit_text	 names[AUDIT_MEMBERS_MAX];
};

void
audit_json_init(struct audit_json *j, const char *s, size_t len, int loose)
{
	memset(j, 0, sizeof(*j));
	j->p = s;
	j->end = s + len;
	j->loose = loose;
	j->why = "";
}

static int
json_fail_at(struct audit_json *j, const char *why)
{
	j->why = why;
	return 0;
}

/* Something that JSON allows and the one spelling does not. */
static int
json_odd(struct audit_json *j, const char *why)
{
	j->odd = 1;
	if (j->loose)
		return 1;
	return json_fail_at(j, why);
}

int
audit_json_byte(struct audit_json *j, char c)
{
	if (j->p == j->end || *j->p != c)
		return json_fail_at(j, "unexpected byte");
	j->p++;
	return 1;
}

/* Blanks between tokens; a raw control character is never one of them. */
void
audit_json_space(struct audit_json *j)
{
	if (!j->loose)
		return;
	while (j->p < j->end && *j->p == ' ') {
		j->p++;
		j->odd = 1;
	}
}

static int
hex_digit(char c, int upper)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (upper && c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Four hexadecimal digits at s, or -1. */
static long
hex_four(const char *s, const char *end)
{
	long	 v = 0;
	int	 i, d;

	if (end - s < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		if ((d = hex_digit(s[i], 1)) == -1)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

/*
 * One escape after its backslash: its code point and the bytes it takes,
 * RFC 8259 section 7.  A lone surrogate and U+0000 are refused.
 */
static int
escape_read(const char *s, const char *end, long *cp, int *taken)
{
	static const char	 from[] = "\"\\/bfnrt";
	static const char	 to[] = "\"\\/\b\f\n\r\t";
	const char		*at;
	long			 low;

	if (s == end || *s == '\0')
		return -1;
	*taken = 1;
	if (*s != 'u') {
		if ((at = strchr(from, *s)) == NULL)
			return -1;
		*cp = to[at - from];
		return 0;
	}
	if ((*cp = hex_four(s + 1, end)) <= 0)
		return -1;
	*taken = 5;
	if (*cp < 0xd800 || *cp > 0xdfff)
		return 0;
	if (*cp > 0xdbff || end - s < 7 || s[5] != '\\' || s[6] != 'u')
		return -1;
	if ((low = hex_four(s + 7, end)) < 0xdc00 || low > 0xdfff)
		return -1;
	*cp = 0x10000 + ((*cp - 0xd800) << 10) + (low - 0xdc00);
	*taken = 11;
	return 0;
}

/*
 * Is this escape the one spelling?  The short forms where there is one,
 * \u00xx in lower case for the other control characters, else none.
 */
static int
escape_is_canonical(const char *s, long cp)
{
	if (*s != 'u')
		return *s != '/';
	if (cp >= 0x20 && cp != 0x7f)
		return 0;
	if (cp == '\b' || cp == '\f' || cp == '\n' || cp == '\r' || cp == '\t')
		return 0;
	return hex_digit(s[3], 0) != -1 && hex_digit(s[4], 0) != -1;
}

/* Bytes of a string that do not just stand for themselves. */
static const uint8_t	 is_special[256] = {
	[0 ... 0x1f] = 1, ['"'] = 1, ['\\'] = 1, [0x7f] = 1
};

int
audit_json_string(struct audit_json *j, struct audit_text *inside)
{
	const char	*s;
	long		 cp;
	int		 taken;

	if (!audit_json_byte(j, '"'))
		return json_fail_at(j, "no string where one must be");
	s = j->p;
	for (;;) {
		while (s < j->end && !is_special[(unsigned char)*s])
			s++;
		if (s == j->end)
			return json_fail_at(j, "string without an end");
		if (*s == '"')
			break;
		if (*s == 0x7f) {
			if (!json_odd(j, "DEL without an escape"))
				return 0;
			s++;
			continue;
		}
		if (*s++ != '\\')
			return json_fail_at(j, "raw control character");
		if (escape_read(s, j->end, &cp, &taken) == -1)
			return json_fail_at(j, "bad escape");
		if (!escape_is_canonical(s, cp) &&
		    !json_odd(j, "escape in another spelling"))
			return 0;
		s += taken;
	}
	inside->p = j->p;
	inside->len = s - j->p;
	j->p = s + 1;
	return 1;
}

int
audit_json_integer(struct audit_json *j, int64_t *v)
{
	int64_t	 n = 0;
	int	 minus = 0;

	if (j->p < j->end && *j->p == '-') {
		minus = 1;
		j->p++;
	}
	if (j->p == j->end || *j->p < '0' || *j->p > '9')
		return json_fail_at(j, "no number where one must be");
	if (*j->p == '0') {
		j->p++;
		if (minus && !json_odd(j, "minus zero"))
			return 0;
		if (j->p < j->end && *j->p >= '0' && *j->p <= '9')
			return json_fail_at(j, "number with a leading zero");
	}
	for (; j->p < j->end && *j->p >= '0' && *j->p <= '9'; j->p++)
		if ((n = n * 10 + (*j->p - '0')) > AUDIT_NUMBER_MAX)
			return json_fail_at(j, "number beyond 2^53 - 1");
	if (j->p < j->end && (*j->p == '.' || *j->p == 'e' || *j->p == 'E'))
		return json_fail_at(j, "number with fraction or exponent");
	*v = minus ? -n : n;
	return 1;
}

static int
json_word(struct audit_json *j, const char *word)
{
	size_t	 n = strlen(word);

	if ((size_t)(j->end - j->p) < n || memcmp(j->p, word, n) != 0)
		return json_fail_at(j, "no value where one must be");
	j->p += n;
	return 1;
}

static int
json_scalar(struct audit_json *j)
{
	struct audit_text	 t;
	int64_t			 n;

	if (j->p == j->end)
		return json_fail_at(j, "no value where one must be");
	switch (*j->p) {
	case '"':
		return audit_json_string(j, &t);
	case 't':
		return json_word(j, "true");
	case 'f':
		return json_word(j, "false");
	case 'n':
		return json_word(j, "null");
	default:
		return audit_json_integer(j, &n);
	}
}

/* Next byte of a string as spelt, escapes undone to one code point. */
static long
name_next(const char **s, const char *end)
{
	long	 cp;
	int	 taken;

	if (*s == end)
		return -1;
	if (**s != '\\')
		return (unsigned char)*(*s)++;
	(*s)++;
	if (escape_read(*s, end, &cp, &taken) == -1)
		return -1;
	*s += taken;
	/* kept apart from the bytes of raw UTF-8, which are below 0x100 */
	return cp < 0x80 ? cp : cp + 0x1000000;
}

/*
 * Escapes above ASCII are compared as escapes: such a name is odd anyway,
 * and no member of a line has one.
 */
int
audit_json_same(const struct audit_text *a, const struct audit_text *b)
{
	const char	*s = a->p, *t = b->p;
	long		 c, d;

	if (a->len == b->len && memcmp(s, t, a->len) == 0)
		return 1;
	do {
		c = name_next(&s, a->p + a->len);
		d = name_next(&t, b->p + b->len);
		if (c != d)
			return 0;
	} while (c != -1);
	return s == a->p + a->len && t == b->p + b->len;
}

/* A member's name and its colon; the same name twice is remembered. */
static int
nest_name(struct audit_json *j, struct nest *n)
{
	struct audit_text	 name;
	size_t			 i;

	audit_json_space(j);
	if (!audit_json_string(j, &name))
		return 0;
	for (i = n->first[n->depth - 1]; i < n->nnames; i++) {
		if (!audit_json_same(&n->names[i], &name))
			continue;
		j->dup = 1;
		if (!j->loose)
			return json_fail_at(j, "name stands twice");
	}
	if (n->nnames == AUDIT_MEMBERS_MAX)
		return json_fail_at(j, "too many members");
	n->names[n->nnames++] = name;
	audit_json_space(j);
	return audit_json_byte(j, ':');
}

/* One value's beginning.  1: a value is complete, 0: go on inside, -1 */
static int
nest_open(struct audit_json *j, struct nest *n)
{
	char	 c;

	audit_json_space(j);
	c = j->p == j->end ? '\0' : *j->p;
	if (c != '{' && c != '[')
		return json_scalar(j) ? 1 : -1;
	if (n->depth == AUDIT_DEPTH_MAX) {
		j->why = "nested too deep";
		return -1;
	}
	j->p++;
	n->close[n->depth] = c == '{' ? '}' : ']';
	n->first[n->depth++] = n->nnames;
	audit_json_space(j);
	if (j->p < j->end && *j->p == n->close[n->depth - 1]) {
		j->p++;
		n->depth--;
		return 1;
	}
	if (c == '{' && !nest_name(j, n))
		return -1;
	return 0;
}

/* After a complete value.  1: all is closed, 0: another follows, -1 */
static int
nest_close(struct audit_json *j, struct nest *n)
{
	while (n->depth > 0) {
		audit_json_space(j);
		if (j->p < j->end && *j->p == ',') {
			j->p++;
			if (n->close[n->depth - 1] == ']')
				return 0;
			return nest_name(j, n) ? 0 : -1;
		}
		if (!audit_json_byte(j, n->close[n->depth - 1]))
			return -1;
		n->nnames = n->first[--n->depth];
	}
	return 1;
}

int
audit_json_value(struct audit_json *j, struct audit_text *raw)
{
	struct nest	 n;
	const char	*start;
	int		 r;

	n.depth = 0;
	n.nnames = 0;
	audit_json_space(j);
	start = j->p;
	do {
		if ((r = nest_open(j, &n)) == 1)
			r = nest_close(j, &n);
		if (r == -1)
			return 0;
	} while (r == 0);
	raw->p = start;
	raw->len = j->p - start;
	return 1;
}

int
audit_json_check_object(const char *s, size_t len, const char **why)
{
	struct audit_json	 j;
	struct audit_text	 raw;

	audit_json_init(&j, s, len, 0);
	if (utf8_valid(s, len) != len)
		j.why = "not UTF-8";
	else if (len == 0 || s[0] != '{')
		j.why = "not an object";
	else if (audit_json_value(&j, &raw)) {
		if (j.p == j.end)
			return 0;
		j.why = "bytes after the object";
	}
	if (why != NULL)
		*why = j.why;
	return -1;
}

int
audit_json_member(const struct audit_text *object, const char *name,
    struct audit_text *value)
{
	struct audit_json	 j;
	struct audit_text	 n, want;

	if (object->p == NULL)
		return 0;
	want.p = name;
	want.len = strlen(name);
	audit_json_init(&j, object->p, object->len, 0);
	if (!audit_json_byte(&j, '{'))
		return 0;
	do {
		if (!audit_json_string(&j, &n) || !audit_json_byte(&j, ':') ||
		    !audit_json_value(&j, value))
			return 0;
		if (audit_json_same(&n, &want))
			return 1;
	} while (audit_json_byte(&j, ','));
	return 0;
}

/* RFC 3629; returns the number of bytes put. */
static size_t
utf8_put(long cp, char out[4])
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

int
audit_json_decode(const struct audit_text *inside, char *out, size_t size)
{
	const char	*s = inside->p, *end = inside->p + inside->len;
	char		 bytes[4];
	size_t		 n, len = 0;
	long		 cp;
	int		 taken;

	if (memchr(s, '\\', inside->len) == NULL) {
		if (inside->len >= size)
			return -1;
		memcpy(out, s, inside->len);
		out[inside->len] = '\0';
		return (int)inside->len;
	}
	while (s < end) {
		n = 1;
		bytes[0] = *s++;
		if (bytes[0] == '\\') {
			if (escape_read(s, end, &cp, &taken) == -1)
				return -1;
			s += taken;
			n = utf8_put(cp, bytes);
		}
		if (len + n >= size)
			return -1;
		memcpy(out + len, bytes, n);
		len += n;
	}
	if (len >= size)
		return -1;
	out[len] = '\0';
	return (int)len;
}

int
audit_json_decode_value(const struct audit_text *raw, char *out, size_t size)
{
	struct audit_json	 j;
	struct audit_text	 inside;

	if (raw->p == NULL)
		return -1;
	audit_json_init(&j, raw->p, raw->len, 0);
	if (!audit_json_string(&j, &inside) || j.p != j.end)
		return -1;
	return audit_json_decode(&inside, out, size);
}
