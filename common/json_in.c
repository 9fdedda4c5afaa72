/* The reader of JSON trees; see json_in.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "compat.h"
#include "conf.h"
#include "json_in.h"
#include "monotime.h"
#include "text.h"

#define RATE_PER_MIN	1000LL
#define RATE_PER_MAX	(7LL * 24 * 60 * 60 * 1000)

void
json_in_init(struct json_in *in, const struct json_file *jf,
    struct json_error *e)
{
	memset(in, 0, sizeof(*in));
	in->jf = jf;
	in->e = e;
}

/* A path that does not fit is cut; the error still names the file. */
static void
path_add(struct json_in *in, const char *s, size_t n)
{
	if (in->depth < sizeof(in->marks) / sizeof(in->marks[0]))
		in->marks[in->depth] = in->len;
	in->depth++;
	if (n >= sizeof(in->path) - in->len)
		n = sizeof(in->path) - in->len - 1;
	memcpy(in->path + in->len, s, n);
	in->len += n;
	in->path[in->len] = '\0';
}

/* A name that can stand in a path without quotes. */
static int
is_plain(const char *s)
{
	size_t	 n;

	n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789_-$");
	return n > 0 && s[n] == '\0';
}

void
json_enter(struct json_in *in, const char *name)
{
	struct buf	 b;

	buf_init(&b, 6 * JSON_PATH_SIZE);
	if (is_plain(name)) {
		if (in->len > 0)
			buf_put(&b, ".", 1);
		buf_put(&b, name, strnlen(name, JSON_PATH_SIZE));
	} else {
		buf_put(&b, "[\"", 2);
		text_json_string(&b, name, strnlen(name, JSON_PATH_SIZE));
		buf_put(&b, "\"]", 2);
	}
	path_add(in, (const char *)b.data, b.len);
	buf_free(&b);
}

void
json_enter_index(struct json_in *in, size_t i)
{
	char	 s[32];

	(void)snprintf(s, sizeof(s), "[%zu]", i);
	path_add(in, s, strlen(s));
}

void
json_leave(struct json_in *in)
{
	if (--in->depth < sizeof(in->marks) / sizeof(in->marks[0]))
		in->len = in->marks[in->depth];
	in->path[in->len] = '\0';
}

int
json_bad(struct json_in *in, const char *fmt, ...)
{
	va_list	 ap;
	char	 text[512];

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return json_fail(in->jf, in->e, in->path, "%s", text);
}

const char *
json_kind(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a number with a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		return "null";
	}
	return "nothing known";
}

static int
unknown_member(struct json_in *in, const char *key,
    const struct json_field *f, size_t n)
{
	const char	*near = NULL;
	size_t		 best = SIZE_MAX, i;

	for (i = 0; i < n; i++)
		if (f[i].get != NULL &&
		    text_is_nearer(key, f[i].name, &best))
			near = f[i].name;
	if (near != NULL)
		return json_bad(in, "no such member; did you mean \"%s\"?",
		    near);
	return json_bad(in, "no such member");
}

static const struct json_field *
field_find(const struct json_field *f, size_t n, const char *name)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (strcmp(f[i].name, name) == 0)
			return &f[i];
	return NULL;
}

static int
field_read(struct json_in *in, const char *key, const json_t *v,
    const struct json_field *fields, size_t n, void *base)
{
	const struct json_field	*f;
	int			 ret;

	json_enter(in, key);
	if ((f = field_find(fields, n, key)) == NULL)
		ret = unknown_member(in, key, fields, n);
	else if (f->get == NULL)
		ret = json_bad(in, "%s is not supported by this version", key);
	else
		ret = f->get(in, f, v, (char *)base + f->offset);
	json_leave(in);
	return ret;
}

int
json_fields(struct json_in *in, const json_t *v,
    const struct json_field *fields, size_t n, void *base)
{
	const char	*key;
	json_t		*member, *obj;
	size_t		 i;

	if (!json_is_object(v))
		return json_bad(in, "is %s, not an object", json_kind(v));
	/* jansson's iterator takes no const; nothing is changed. */
	obj = (json_t *)(uintptr_t)v;
	json_object_foreach(obj, key, member)
		if (field_read(in, key, member, fields, n, base) == -1)
			return -1;
	for (i = 0; i < n; i++)
		if (fields[i].required &&
		    json_object_get(v, fields[i].name) == NULL)
			return json_bad(in, "%s is missing", fields[i].name);
	return 0;
}

const char *
json_text(struct json_in *in, const json_t *v, size_t min, size_t max)
{
	const char	*s;
	size_t		 i, len;

	if (!json_is_string(v)) {
		(void)json_bad(in, "is %s, not a string", json_kind(v));
		return NULL;
	}
	s = json_string_value(v);
	len = json_string_length(v);
	if (len < min) {
		(void)json_bad(in, "is empty");
		return NULL;
	}
	if (len > max) {
		(void)json_bad(in, "is longer than %zu bytes", max);
		return NULL;
	}
	for (i = 0; i < len; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f) {
			(void)json_bad(in,
			    "holds a control character (0x%02x)",
			    (unsigned char)s[i]);
			return NULL;
		}
	return s;
}

int
json_get_string(struct json_in *in, const struct json_field *f,
    const json_t *v, void *at)
{
	const char	*s;

	if ((s = json_text(in, v, (size_t)f->min, (size_t)f->max)) == NULL)
		return -1;
	memcpy(at, s, strlen(s) + 1);
	return 0;
}

int
json_get_strdup(struct json_in *in, const struct json_field *f,
    const json_t *v, void *at)
{
	const char	 *s;
	char		**dst = at;

	if ((s = json_text(in, v, (size_t)f->min, (size_t)f->max)) == NULL)
		return -1;
	free(*dst);
	if ((*dst = strdup(s)) == NULL)
		return json_bad(in, "out of memory");
	return 0;
}

int
json_get_bool(struct json_in *in, const struct json_field *f,
    const json_t *v, void *at)
{
	int	*dst = at;

	(void)f;
	if (!json_is_boolean(v))
		return json_bad(in, "is %s, not true or false", json_kind(v));
	*dst = json_is_true(v);
	return 0;
}

static int
get_integer(struct json_in *in, const struct json_field *f, const json_t *v,
    int64_t *n)
{
	if (!json_is_integer(v))
		return json_bad(in, "is %s, not an integer", json_kind(v));
	*n = json_integer_value(v);
	if (*n < f->min || *n > f->max)
		return json_bad(in, "%lld is not from %lld to %lld",
		    (long long)*n, (long long)f->min, (long long)f->max);
	return 0;
}

int
json_get_u32(struct json_in *in, const struct json_field *f,
    const json_t *v, void *at)
{
	int64_t		 n = 0;
	uint32_t	*dst = at;

	if (get_integer(in, f, v, &n) == -1)
		return -1;
	*dst = (uint32_t)n;
	return 0;
}

int
json_get_u64(struct json_in *in, const struct json_field *f,
    const json_t *v, void *at)
{
	int64_t		 n = 0;
	uint64_t	*dst = at;

	if (get_integer(in, f, v, &n) == -1)
		return -1;
	*dst = (uint64_t)n;
	return 0;
}

int
json_get_duration(struct json_in *in, const struct json_field *f,
    const json_t *v, void *at)
{
	char		 min[32], max[32];
	const char	*s;
	int64_t		 ms, *dst = at;

	if (json_is_string(v)) {
		if ((s = json_text(in, v, 1, 64)) == NULL)
			return -1;
		if (duration_parse(s, &ms) == -1)
			return json_bad(in, "\"%s\" is not a duration; write "
			    "90s, 15m, 2h, 7d, or milliseconds as a number",
			    s);
	} else if (json_is_integer(v))
		ms = json_integer_value(v);
	else
		return json_bad(in, "is %s, not milliseconds or a duration "
		    "like \"90s\"", json_kind(v));
	if (ms < f->min || ms > f->max) {
		duration_format(f->min, min, sizeof(min));
		duration_format(f->max, max, sizeof(max));
		return json_bad(in, "is not from %s to %s%s", min, max,
		    json_is_integer(v) ? " (the number is milliseconds)" : "");
	}
	*dst = ms;
	return 0;
}

int
json_get_rate(struct json_in *in, const struct json_field *f,
    const json_t *v, void *at)
{
	const struct json_field	 fields[] = {
		{ "count", json_get_u32, offsetof(struct conf_rate, count),
		    f->min, f->max, 1 },
		{ "per", json_get_duration, offsetof(struct conf_rate, per_ms),
		    RATE_PER_MIN, RATE_PER_MAX, 1 }
	};

	return json_fields(in, v, fields, nitems(fields), at);
}

int
json_get_ignored(struct json_in *in, const struct json_field *f,
    const json_t *v, void *at)
{
	(void)f;
	(void)at;
	return json_text(in, v, 0, 1024) == NULL ? -1 : 0;
}
