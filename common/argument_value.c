/*
 * A value that somebody typed, against its schema.  This is what stands
 * between a chat and the argument vector of a program, so every rule is
 * checked on every value, twice: by the executor and by the runner.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include <math.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "argument.h"
#include "compat.h"
#include "text.h"

#define NUMBER_LEN_MAX	32
#define PATTERN_SHOWN	100

/*
 * What one match may cost.  A pattern that backtracks without end hits
 * these within milliseconds, and then the value is refused.
 */
#define MATCH_LIMIT	200000
#define DEPTH_LIMIT	20000
#define HEAP_LIMIT	4096		/* KiB */

/* What a shell or a path would give a meaning to; CR, LF, NUL are controls. */
static const char *const	 dangerous[] = {
	"../", "${", "$(", ";", "&", "|", "`"
};

static const char	 plain[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	"_.,:/@+=%- ";

static int
no(char *why, size_t whylen, const char *text)
{
	(void)strlcpy(why, text, whylen);
	return -1;
}

static pcre2_match_context *
match_limits(void)
{
	static pcre2_match_context	*context;

	if (context != NULL ||
	    (context = pcre2_match_context_create(NULL)) == NULL)
		return context;
	(void)pcre2_set_match_limit(context, MATCH_LIMIT);
	(void)pcre2_set_depth_limit(context, DEPTH_LIMIT);
	(void)pcre2_set_heap_limit(context, HEAP_LIMIT);
	return context;
}

static int
check_regex(const struct argument *a, const char *value, char *why,
    size_t whylen)
{
	pcre2_match_context	*context;
	pcre2_match_data	*data;
	int			 ret;

	context = match_limits();
	data = pcre2_match_data_create(1, NULL);
	if (context == NULL || data == NULL) {
		pcre2_match_data_free(data);
		return no(why, whylen, "could not be checked: out of memory");
	}
	ret = pcre2_match(a->code, (PCRE2_SPTR)value, strlen(value), 0, 0,
	    data, context);
	pcre2_match_data_free(data);
	if (ret >= 0)
		return 0;
	if (ret != PCRE2_ERROR_NOMATCH)
		return no(why, whylen, "could not be matched against its "
		    "pattern within the limits");
	(void)snprintf(why, whylen, "does not match the pattern %.*s%s",
	    (int)utf8_cut(a->regex, strlen(a->regex), PATTERN_SHOWN),
	    a->regex, utf8_runes(a->regex, strlen(a->regex)) > PATTERN_SHOWN ?
	    "..." : "");
	return -1;
}

static int
check_values(const struct argument *a, const char *value, char *why,
    size_t whylen)
{
	const char	*near = NULL;
	char		 list[160] = "";
	size_t		 best = SIZE_MAX, i;

	for (i = 0; i < a->nvalues; i++)
		if (strcmp(a->values[i], value) == 0)
			return 0;
	for (i = 0; i < a->nvalues; i++) {
		if (strlen(list) + strlen(a->values[i]) + 8 > sizeof(list)) {
			(void)strlcat(list, ", ...", sizeof(list));
			break;
		}
		if (i > 0)
			(void)strlcat(list, ", ", sizeof(list));
		(void)strlcat(list, a->values[i], sizeof(list));
	}
	for (i = 0; i < a->nvalues && !a->secret; i++)
		if (text_is_nearer(value, a->values[i], &best))
			near = a->values[i];
	(void)snprintf(why, whylen, "is not one of %s%s%s%s",
	    a->secret ? "the possible values" : list,
	    near == NULL ? "" : "; did you mean \"", near == NULL ? "" : near,
	    near == NULL ? "" : "\"?");
	return -1;
}

static int
check_string(const struct argument *a, const char *value, char *why,
    size_t whylen)
{
	size_t	 i;

	if (utf8_runes(value, strlen(value)) > a->length) {
		(void)snprintf(why, whylen, "is longer than %u characters",
		    a->length);
		return -1;
	}
	if (a->required && value[0] == '\0')
		return no(why, whylen, "is empty");
	for (i = 0; i < nitems(dangerous); i++)
		if (strstr(value, dangerous[i]) != NULL) {
			(void)snprintf(why, whylen,
			    "holds \"%s\", which is not allowed",
			    dangerous[i]);
			return -1;
		}
	if (value[0] == '-' && !a->allow_leading_dash)
		return no(why, whylen, "begins with -, as an option would");
	if (a->nvalues > 0 && check_values(a, value, why, whylen) == -1)
		return -1;
	if (a->code != NULL)
		return check_regex(a, value, why, whylen);
	if (a->nvalues == 0 && value[strspn(value, plain)] != '\0')
		return no(why, whylen, "holds something else than letters, "
		    "digits, space and _ . , : / @ + = % -");
	return 0;
}

/* Digits without a leading zero; the rest of s, or NULL. */
static const char *
skip_digits(const char *s)
{
	size_t	 n;

	n = strspn(s, "0123456789");
	return n == 0 || (n > 1 && s[0] == '0') ? NULL : s + n;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)? and no minus zero: one spelling, no 1e9. */
static int
is_decimal(const char *s, int fraction)
{
	const char	*p;
	size_t		 n;

	if (strlen(s) > NUMBER_LEN_MAX)
		return 0;
	if ((p = skip_digits(s + (*s == '-'))) == NULL)
		return 0;
	if (*p == '.' && fraction) {
		if ((n = strspn(p + 1, "0123456789")) == 0)
			return 0;
		p += 1 + n;
	}
	return *p == '\0' && !(*s == '-' && strtod(s, NULL) == 0);
}

static int
check_number(const struct argument *a, const char *value, char *why,
    size_t whylen)
{
	double	 v;

	if (!is_decimal(value, a->type == ARG_NUMBER))
		return no(why, whylen, a->type == ARG_NUMBER ?
		    "is not a decimal number" : "is not an integer");
	v = strtod(value, NULL);
	if (fabs(v) > (double)JSON_INT_MAX)
		return no(why, whylen, "is beyond 9007199254740991");
	if (a->has_min && v < a->min) {
		(void)snprintf(why, whylen, "is less than %.15g", a->min);
		return -1;
	}
	if (a->has_max && v > a->max) {
		(void)snprintf(why, whylen, "is more than %.15g", a->max);
		return -1;
	}
	return 0;
}

int
argument_check(const struct argument *a, const char *value, char *why,
    size_t whylen)
{
	char	 hidden[128];

	/* Not a word of what it is: it may be a part of a secret. */
	if (text_check_command(value, strlen(value), hidden,
	    sizeof(hidden)) == -1)
		return no(why, whylen, "holds a control or an invisible "
		    "character, or invalid UTF-8");
	switch (a->type) {
	case ARG_STRING:
		return check_string(a, value, why, whylen);
	case ARG_NUMBER:
	case ARG_INTEGER:
		return check_number(a, value, why, whylen);
	case ARG_BOOLEAN:
		if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
			return 0;
		return no(why, whylen, "is neither true nor false");
	case ARG_ENUM:
		return check_values(a, value, why, whylen);
	}
	return no(why, whylen, "has no type");
}
