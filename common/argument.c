/* The schema of one argument, out of the allowlist; see argument.h. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include <math.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "argument.h"
#include "compat.h"
#include "text.h"

#define LENGTH_DEFAULT	256
#define VALUES_MAX	256
#define VALUE_LEN_MAX	256
#define REGEX_LEN_MAX	1024
#define DESCRIPTION_MAX	512

#define IS(type)	(1U << (type))
#define STRING		IS(ARG_STRING)
#define NUMERIC		(IS(ARG_NUMBER) | IS(ARG_INTEGER))

static const char *const	 types[] = {
	[ARG_STRING] = "string",
	[ARG_NUMBER] = "number",
	[ARG_INTEGER] = "integer",
	[ARG_BOOLEAN] = "boolean",
	[ARG_ENUM] = "enum"
};

/* Members that only some types have. */
static const struct {
	const char	*name;
	unsigned int	 types;
} only[] = {
	{ "regex", STRING },
	{ "length", STRING },
	{ "allowLeadingDash", STRING },
	{ "values", STRING | IS(ARG_ENUM) },
	{ "min", NUMERIC },
	{ "max", NUMERIC },
	/* true or false is guessed at once, whatever hides it. */
	{ "secret", STRING | NUMERIC }
};

size_t
argument_name_len(const char *s)
{
	size_t	 n;

	if (!((s[0] >= 'a' && s[0] <= 'z') || (s[0] >= 'A' && s[0] <= 'Z')))
		return 0;
	n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789_-");
	return n < NAME_SIZE ? n : 0;
}

void
argument_list_free(char **list, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

static int
list_add(struct json_in *in, const json_t *v, size_t len,
    const char *(*bad)(const char *), int unique, char **list, size_t *n)
{
	const char	*s, *why;
	size_t		 i;

	if ((s = json_text(in, v, 1, len)) == NULL)
		return -1;
	if (bad != NULL && (why = bad(s)) != NULL)
		return json_bad(in, "%s", why);
	for (i = 0; unique && i < *n; i++)
		if (strcmp(list[i], s) == 0)
			return json_bad(in, "stands in the list twice");
	if ((list[*n] = strdup(s)) == NULL)
		return json_bad(in, "out of memory");
	(*n)++;
	return 0;
}

int
argument_list(struct json_in *in, const json_t *v, size_t max, size_t len,
    const char *(*bad)(const char *), int unique, char ***list, size_t *n)
{
	size_t	 i, count;
	int	 ret = 0;

	if (!json_is_array(v))
		return json_bad(in, "is %s, not an array", json_kind(v));
	count = json_array_size(v);
	if (count > max)
		return json_bad(in, "has more than %zu entries", max);
	if ((*list = calloc(count + 1, sizeof(**list))) == NULL)
		return json_bad(in, "out of memory");
	for (*n = 0, i = 0; i < count && ret == 0; i++) {
		json_enter_index(in, i);
		ret = list_add(in, json_array_get(v, i), len, bad, unique,
		    *list, n);
		json_leave(in);
	}
	return ret;
}

static int
get_type(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	struct argument	*a = at;
	const char	*s;
	size_t		 i;

	(void)f;
	if ((s = json_text(in, v, 1, 32)) == NULL)
		return -1;
	for (i = 0; i < nitems(types); i++)
		if (strcmp(types[i], s) == 0) {
			a->type = (enum arg_type)i;
			return 0;
		}
	return json_bad(in, "\"%s\" is not one of string, number, integer, "
	    "boolean, enum", s);
}

/* The whole value must match, whatever anchors the pattern has itself. */
static int
get_regex(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	struct argument	*a = at;
	PCRE2_UCHAR	 why[128];
	PCRE2_SIZE	 offset;
	int		 error;

	(void)f;
	if (json_text(in, v, 1, REGEX_LEN_MAX) == NULL)
		return -1;
	if ((a->regex = strdup(json_string_value(v))) == NULL)
		return json_bad(in, "out of memory");
	a->code = pcre2_compile((PCRE2_SPTR)a->regex, strlen(a->regex),
	    PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED |
	    PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C, &error, &offset,
	    NULL);
	if (a->code != NULL)
		return 0;
	(void)pcre2_get_error_message(error, why, sizeof(why));
	return json_bad(in, "%s (at character %zu of the pattern)",
	    (const char *)why, utf8_runes(a->regex, offset) + 1);
}

static int
get_bound(struct json_in *in, const json_t *v, double *bound, int *has)
{
	if (!json_is_number(v))
		return json_bad(in, "is %s, not a number", json_kind(v));
	*bound = json_number_value(v);
	if (fabs(*bound) > (double)JSON_INT_MAX)
		return json_bad(in, "is beyond 9007199254740991");
	*has = 1;
	return 0;
}

static int
get_min(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	struct argument	*a = at;

	(void)f;
	return get_bound(in, v, &a->min, &a->has_min);
}

static int
get_max(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	struct argument	*a = at;

	(void)f;
	return get_bound(in, v, &a->max, &a->has_max);
}

static int
get_values(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	struct argument	*a = at;

	(void)f;
	if (argument_list(in, v, VALUES_MAX, VALUE_LEN_MAX, NULL, 1,
	    &a->values, &a->nvalues) == -1)
		return -1;
	return a->nvalues > 0 ? 0 : json_bad(in, "is empty");
}

/* As text, the way somebody would type it. */
static int
get_default(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	struct argument	*a = at;
	char		 number[64];
	const char	*s = number;

	(void)f;
	if (json_is_string(v)) {
		if ((s = json_text(in, v, 0, 4 * ARGUMENT_LENGTH_MAX)) == NULL)
			return -1;
	} else if (json_is_boolean(v))
		s = json_is_true(v) ? "true" : "false";
	else if (json_is_integer(v))
		(void)snprintf(number, sizeof(number), "%lld",
		    (long long)json_integer_value(v));
	else if (json_is_real(v)) {
		(void)snprintf(number, sizeof(number), "%.15g",
		    json_real_value(v));
		if (strtod(number, NULL) != json_real_value(v))
			(void)snprintf(number, sizeof(number), "%.17g",
			    json_real_value(v));
	} else
		return json_bad(in, "is %s", json_kind(v));
	if ((a->fallback = strdup(s)) == NULL)
		return json_bad(in, "out of memory");
	return 0;
}

static const struct json_field	 fields[] = {
	{ "type", get_type, 0, 0, 0, 1 },
	{ "description", json_get_strdup,
	    offsetof(struct argument, description), 0, DESCRIPTION_MAX, 0 },
	{ "regex", get_regex, 0, 0, 0, 0 },
	{ "min", get_min, 0, 0, 0, 0 },
	{ "max", get_max, 0, 0, 0, 0 },
	{ "length", json_get_u32, offsetof(struct argument, length), 1,
	    ARGUMENT_LENGTH_MAX, 0 },
	{ "values", get_values, 0, 0, 0, 0 },
	{ "required", json_get_bool, offsetof(struct argument, required), 0,
	    0, 0 },
	{ "default", get_default, 0, 0, 0, 0 },
	{ "secret", json_get_bool, offsetof(struct argument, secret), 0, 0,
	    0 },
	{ "allowLeadingDash", json_get_bool,
	    offsetof(struct argument, allow_leading_dash), 0, 0, 0 }
};

/* Members that make no sense for the type or beside each other. */
static int
check_members(struct json_in *in, const json_t *v, const struct argument *a)
{
	size_t	 i;
	int	 ret;

	for (i = 0; i < nitems(only); i++) {
		if ((only[i].types & IS(a->type)) != 0 ||
		    json_object_get(v, only[i].name) == NULL)
			continue;
		json_enter(in, only[i].name);
		ret = json_bad(in, "is not for the type %s",
		    types[a->type]);
		json_leave(in);
		return ret;
	}
	if (a->type == ARG_ENUM && a->nvalues == 0)
		return json_bad(in, "values is missing");
	if (a->has_min && a->has_max && a->min > a->max)
		return json_bad(in, "min is more than max");
	if (a->required && a->fallback != NULL)
		return json_bad(in, "has a default although it is required");
	if (a->secret && a->fallback != NULL)
		return json_bad(in, "has a default although it is secret");
	return 0;
}

/* The JSON type of the default must be the argument's. */
static int
is_default_type(const struct argument *a, const json_t *v)
{
	switch (a->type) {
	case ARG_STRING:
	case ARG_ENUM:
		return json_is_string(v);
	case ARG_NUMBER:
		return json_is_number(v);
	case ARG_INTEGER:
		return json_is_integer(v);
	case ARG_BOOLEAN:
		return json_is_boolean(v);
	}
	return 0;
}

static int
check_default(struct json_in *in, const json_t *v, const struct argument *a)
{
	const json_t	*value;
	char		 why[256];
	int		 ret = 0;

	if (a->fallback == NULL)
		return 0;
	value = json_object_get(v, "default");
	json_enter(in, "default");
	if (!is_default_type(a, value))
		ret = json_bad(in, "is %s, but the type is %s",
		    json_kind(value), types[a->type]);
	else if (argument_check(a, a->fallback, why, sizeof(why)) == -1)
		ret = json_bad(in, "%s", why);
	json_leave(in);
	return ret;
}

/* A possible value that no one could ever give is a mistake. */
static int
check_possible(struct json_in *in, const struct argument *a)
{
	char	 why[256];
	size_t	 i;
	int	 ret = 0;

	json_enter(in, "values");
	for (i = 0; i < a->nvalues && ret == 0; i++) {
		json_enter_index(in, i);
		if (argument_check(a, a->values[i], why, sizeof(why)) == -1)
			ret = json_bad(in, "%s", why);
		json_leave(in);
	}
	json_leave(in);
	return ret;
}

int
argument_read(struct json_in *in, const char *name, const json_t *v,
    struct argument *a)
{
	size_t	 n;

	memset(a, 0, sizeof(*a));
	a->length = LENGTH_DEFAULT;
	n = argument_name_len(name);
	if (n == 0 || name[n] != '\0')
		return json_bad(in, "is no name for an argument: a letter, "
		    "then letters, digits, - and _, at most %d",
		    NAME_SIZE - 1);
	if ((a->name = strdup(name)) == NULL ||
	    (a->description = strdup("")) == NULL)
		return json_bad(in, "out of memory");
	if (json_fields(in, v, fields, nitems(fields), a) == -1 ||
	    check_members(in, v, a) == -1 || check_possible(in, a) == -1 ||
	    check_default(in, v, a) == -1)
		return -1;
	return 0;
}

void
argument_clear(struct argument *a)
{
	free(a->name);
	free(a->description);
	free(a->regex);
	pcre2_code_free(a->code);
	argument_list_free(a->values, a->nvalues);
	free(a->fallback);
	memset(a, 0, sizeof(*a));
}
