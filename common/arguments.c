/*
 * The words behind a command's name, against the script's schema: which
 * word is which argument, what the script gets, and what the record says.
 */
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allowlist.h"
#include "argument.h"
#include "buf.h"
#include "compat.h"
#include "text.h"

#define SHOWN_MAX	40	/* characters of a word in a message */
#define USAGE_VALUES	100	/* characters of the values in a usage line */

/* What was typed: a value for each argument, or NULL. */
struct typed {
	const struct script	*s;
	const char		*value[ARGUMENTS_MAX];
	char			*why;
	size_t			 whylen;
};

static int	 no(struct typed *, const char *, ...)
		    __attribute__((__format__(printf, 2, 3)));

static int
no(struct typed *t, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	(void)vsnprintf(t->why, t->whylen, fmt, ap);
	va_end(ap);
	/* A name that was cut in the middle of a character. */
	t->why[utf8_valid(t->why, strlen(t->why))] = '\0';
	return -1;
}

/* At most SHOWN_MAX characters of what somebody typed. */
static int
shown(const char *word, size_t len)
{
	return (int)utf8_cut(word, len, SHOWN_MAX);
}

static int
find(const struct script *s, const char *name, size_t len)
{
	size_t	 i;

	for (i = 0; i < s->nargs; i++)
		if (strlen(s->args[i].name) == len &&
		    memcmp(s->args[i].name, name, len) == 0)
			return (int)i;
	return -1;
}

static int
unknown(struct typed *t, const char *word, size_t len)
{
	const char	*near = NULL;
	char		 name[NAME_SIZE];
	size_t		 best = SIZE_MAX, i;

	if (t->s->nargs == 0)
		return no(t, "%s takes no arguments", t->s->name);
	if (len < sizeof(name)) {
		memcpy(name, word, len);
		name[len] = '\0';
		for (i = 0; i < t->s->nargs; i++)
			if (text_is_nearer(name, t->s->args[i].name, &best))
				near = t->s->args[i].name;
	}
	return no(t, "%s has no argument \"%.*s\"%s%s%s", t->s->name,
	    shown(word, len), word, near == NULL ? "" : "; did you mean \"",
	    near == NULL ? "" : near, near == NULL ? "" : "\"?");
}

static int
give(struct typed *t, int i, const char *value)
{
	if (t->value[i] != NULL)
		return no(t, "%s is given twice", t->s->args[i].name);
	t->value[i] = value;
	return 0;
}

/* A word by position: the first argument that has no value yet. */
static int
give_next(struct typed *t, const char *word)
{
	size_t	 i;

	for (i = 0; i < t->s->nargs; i++)
		if (t->value[i] == NULL)
			return give(t, (int)i, word);
	if (t->s->nargs == 0)
		return no(t, "%s takes no arguments", t->s->name);
	return no(t, "there are more words than %s has arguments",
	    t->s->name);
}

static int
is_boolean_word(const char *s)
{
	return s != NULL && (strcmp(s, "true") == 0 ||
	    strcmp(s, "false") == 0);
}

/*
 * --name=value, --name value, and for a boolean --name alone.  *used is 1
 * when the next word belongs to it.
 */
static int
give_option(struct typed *t, const char *word, const char *next, int *used)
{
	size_t	 len;
	int	 i;

	*used = 0;
	word += 2;
	len = strcspn(word, "=");
	if ((i = find(t->s, word, len)) == -1)
		return unknown(t, word, len);
	if (word[len] == '=')
		return give(t, i, word + len + 1);
	if (t->s->args[i].type == ARG_BOOLEAN && !is_boolean_word(next))
		return give(t, i, "true");
	if (next == NULL)
		return no(t, "%s has no value", t->s->args[i].name);
	*used = 1;
	return give(t, i, next);
}

static int
give_word(struct typed *t, const char *word)
{
	size_t	 len;
	int	 i;

	len = argument_name_len(word);
	if (len == 0 || word[len] != '=')
		return give_next(t, word);
	if ((i = find(t->s, word, len)) == -1)
		return unknown(t, word, len);
	return give(t, i, word + len + 1);
}

static int
distribute(struct typed *t, const struct words *w)
{
	const char	*word;
	size_t		 i;
	int		 literal = 0, ret, used;

	for (i = 0; i < w->n; i++) {
		if ((word = words_get(w, i)) == NULL)
			return no(t, "the words are damaged");
		used = 0;
		if (literal)
			ret = give_next(t, word);
		else if (strcmp(word, "--") == 0) {
			literal = 1;
			continue;
		} else if (strncmp(word, "--", 2) == 0)
			ret = give_option(t, word, words_get(w, i + 1), &used);
		else
			ret = give_word(t, word);
		if (ret == -1)
			return -1;
		i += (size_t)used;
	}
	return 0;
}

/* All that is missing in one message; defaults filled in. */
static int
complete(struct typed *t)
{
	const struct argument	*a;
	char			 list[256] = "";
	size_t			 i;
	int			 missing = 0;

	for (i = 0; i < t->s->nargs; i++) {
		a = &t->s->args[i];
		if (t->value[i] == NULL)
			t->value[i] = a->fallback;
		if (t->value[i] != NULL || !a->required)
			continue;
		if (missing++ > 0)
			(void)strlcat(list, ", ", sizeof(list));
		(void)strlcat(list, a->name, sizeof(list));
	}
	if (missing == 0)
		return 0;
	return no(t, "%s %s missing", list, missing == 1 ? "is" : "are");
}

static int
check(struct typed *t)
{
	char	 why[400];
	size_t	 i;

	for (i = 0; i < t->s->nargs; i++)
		if (t->value[i] != NULL && argument_check(&t->s->args[i],
		    t->value[i], why, sizeof(why)) == -1)
			return no(t, "%s %s", t->s->args[i].name, why);
	return 0;
}

static int
put_words(struct typed *t, int dry_run, struct arguments *out)
{
	char	 word[NAME_SIZE + 4 * ARGUMENT_LENGTH_MAX + 4];
	size_t	 i;
	int	 n, ret = 0;

	for (i = 0; i < t->s->nargs && ret == 0; i++) {
		if (t->s->named && t->value[i] == NULL)
			continue;
		n = snprintf(word, sizeof(word), "%s%s%s%s",
		    t->s->named ? "--" : "",
		    t->s->named ? t->s->args[i].name : "",
		    t->s->named ? "=" : "",
		    t->value[i] == NULL ? "" : t->value[i]);
		ret = n < 0 || (size_t)n >= sizeof(word) ? -1 :
		    words_add(&out->out, word, (size_t)n);
		if (t->s->args[i].secret && t->value[i] != NULL && ret == 0)
			ret = words_add(&out->secrets, t->value[i],
			    strlen(t->value[i]));
	}
	explicit_bzero(word, sizeof(word));
	for (i = 0; dry_run && i < t->s->ndry_run && ret == 0; i++)
		ret = words_add(&out->out, t->s->dry_run[i],
		    strlen(t->s->dry_run[i]));
	return ret == 0 ? 0 : no(t, "the arguments are too long");
}

/* HMAC-SHA-256 (RFC 2104, FIPS 180-4): comparable, not readable. */
static void
put_secret(struct buf *b, const char *value, const uint8_t key[32])
{
	uint8_t	 mac[crypto_auth_hmacsha256_BYTES];
	char	 hex[2 * sizeof(mac) + 1];

	_Static_assert(crypto_auth_hmacsha256_KEYBYTES == 32, "key");
	(void)crypto_auth_hmacsha256(mac, (const unsigned char *)value,
	    strlen(value), key);
	(void)sodium_bin2hex(hex, sizeof(hex), mac, sizeof(mac));
	buf_printf(b, "\"hmac-sha256:%s\"", hex);
}

/*
 * The audit log knows whole numbers only (one spelling for everybody), so a
 * number with a fraction is recorded as the string that was typed.
 */
static void
put_value(struct buf *b, const struct argument *a, const char *value,
    const uint8_t key[32])
{
	if (a->secret)
		put_secret(b, value, key);
	else if (a->type == ARG_BOOLEAN || a->type == ARG_INTEGER ||
	    (a->type == ARG_NUMBER && strchr(value, '.') == NULL))
		buf_put(b, value, strlen(value));
	else {
		buf_put(b, "\"", 1);
		text_json_string(b, value, strlen(value));
		buf_put(b, "\"", 1);
	}
}

static int
put_json(struct typed *t, const uint8_t key[32], struct arguments *out)
{
	struct buf	 b;
	size_t		 i;
	int		 ret, comma = 0;

	buf_init(&b, sizeof(out->json) - 1);
	buf_put(&b, "{", 1);
	for (i = 0; i < t->s->nargs; i++) {
		if (t->value[i] == NULL)
			continue;
		buf_printf(&b, "%s\"%s\":", comma ? "," : "",
		    t->s->args[i].name);
		put_value(&b, &t->s->args[i], t->value[i], key);
		comma = 1;
	}
	buf_put(&b, "}", 1);
	if (buf_error(&b) != 0)
		ret = no(t, "the arguments are too long");
	else {
		memcpy(out->json, b.data, b.len);
		out->json[b.len] = '\0';
		ret = 0;
	}
	buf_free(&b);
	return ret;
}

int
arguments_check(const struct script *s, const struct words *words,
    int dry_run, const uint8_t key[32], struct arguments *out)
{
	struct typed	 t;

	memset(out, 0, sizeof(*out));
	memset(&t, 0, sizeof(t));
	t.s = s;
	t.why = out->why;
	t.whylen = sizeof(out->why);
	if (dry_run && s->ndry_run == 0)
		return no(&t, "%s has no dry run", s->name);
	if (distribute(&t, words) == -1 || complete(&t) == -1 ||
	    check(&t) == -1)
		return -1;
	if (put_words(&t, dry_run, out) == -1 ||
	    put_json(&t, key, out) == -1) {
		explicit_bzero(&out->out, sizeof(out->out));
		explicit_bzero(&out->secrets, sizeof(out->secrets));
		return -1;
	}
	return 0;
}

static void
usage_values(struct buf *b, const struct argument *a)
{
	size_t	 i, start = b->len;

	for (i = 0; i < a->nvalues; i++) {
		if (b->len - start + strlen(a->values[i]) > USAGE_VALUES) {
			buf_put(b, "|...", 4);
			return;
		}
		buf_printf(b, "%s%s", i == 0 ? "" : "|", a->values[i]);
	}
}

static void
usage_argument(struct buf *b, const struct argument *a)
{
	buf_printf(b, " %s%s=<", a->required ? "" : "[", a->name);
	if (a->nvalues > 0)
		usage_values(b, a);
	else if (a->type == ARG_BOOLEAN)
		buf_printf(b, "true|false");
	else if (a->type == ARG_STRING)
		buf_printf(b, "text");
	else if (a->has_min && a->has_max)
		buf_printf(b, "%.15g..%.15g", a->min, a->max);
	else
		buf_printf(b, "%s", a->type == ARG_INTEGER ? "integer" :
		    "number");
	buf_printf(b, ">%s", a->required ? "" : "]");
}

/* Cut with dots where it does not fit. */
void
arguments_usage(const struct script *s, char *out, size_t size)
{
	struct buf	 b;
	size_t		 i, len;

	buf_init(&b, 64 * 1024);
	buf_printf(&b, "%s", s->name);
	for (i = 0; i < s->nargs; i++)
		usage_argument(&b, &s->args[i]);
	len = strlcpy(out, b.data == NULL ? "" : (const char *)b.data, size);
	if (len >= size && size > 4) {
		len = utf8_valid(out, size - 4);
		(void)strlcpy(out + len, "...", size - len);
	}
	buf_free(&b);
}

/* Are the words from first to the end the script's dry run, or none? */
static int
is_tail(const struct script *s, const struct words *w, size_t first)
{
	size_t	 i;

	if (first == w->n)
		return 1;
	if (s->ndry_run == 0 || w->n - first != s->ndry_run)
		return 0;
	for (i = 0; i < s->ndry_run; i++)
		if (strcmp(words_get(w, first + i), s->dry_run[i]) != 0)
			return 0;
	return 1;
}

/* Where this argument's value stands in its word; NULL: not this one. */
static const char *
recheck_value(const struct script *s, const struct argument *a,
    const char *word)
{
	size_t	 n;

	if (!s->named)
		return word;
	n = strlen(a->name);
	if (strncmp(word, "--", 2) != 0 || strncmp(word + 2, a->name, n) != 0 ||
	    word[2 + n] != '=')
		return NULL;
	return word + 2 + n + 1;
}

int
arguments_recheck(const struct script *s, const struct words *w, char *why,
    size_t whylen)
{
	const struct argument	*a;
	const char		*value, *word;
	struct typed		 t;
	char			 text[400];
	size_t			 at = 0, i;

	memset(&t, 0, sizeof(t));
	t.why = why;
	t.whylen = whylen;
	for (i = 0; i < s->nargs; i++) {
		a = &s->args[i];
		word = words_get(w, at);
		value = word == NULL ? NULL : recheck_value(s, a, word);
		if (value == NULL) {
			if (s->named && !a->required && a->fallback == NULL)
				continue;
			return no(&t, "%s is missing", a->name);
		}
		at++;
		/* An optional one that was not given. */
		if (!s->named && *value == '\0' && !a->required &&
		    a->fallback == NULL)
			continue;
		if (argument_check(a, value, text, sizeof(text)) == -1)
			return no(&t, "%s %s", a->name, text);
	}
	if (!is_tail(s, w, at))
		return no(&t, "there are other words than %s has arguments",
		    s->name);
	return 0;
}
