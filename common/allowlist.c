/*
 * script-allowlist.json: the file as a whole, its index and its warnings.
 * One script is read by allowlist_script.c, one argument by argument.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allowlist.h"
#include "allowlist_script.h"
#include "compat.h"
#include "json_in.h"

#define SCRIPTS_MAX	100000
#define WARNINGS_MAX	100
#define WARNINGS_PLACED	20	/* with line and column, which costs a scan */
#define TIMEOUT_WARN	(60LL * 60 * 1000)

static const char *const	 levels[] = {
	[LEVEL_BANNED] = "banned",
	[LEVEL_USER] = "user",
	[LEVEL_OPERATOR] = "operator",
	[LEVEL_ADMIN] = "admin"
};

/* The name of a level; "?" for what is none. */
const char *
level_name(enum level level)
{
	return (size_t)level < nitems(levels) ? levels[level] : "?";
}

int
level_parse(const char *s)
{
	size_t	 i;

	for (i = 0; i < nitems(levels); i++)
		if (strcmp(levels[i], s) == 0)
			return (int)i;
	return -1;
}

/* What warn() needs beside its text. */
struct warner {
	struct allowlist	*list;
	const struct json_file	*jf;
	size_t			 left_out;
};

static int
add_warning(struct allowlist *list, const char *text)
{
	char	**p;

	p = recallocarray(list->warnings, list->nwarnings,
	    list->nwarnings + 1, sizeof(*p));
	if (p == NULL)
		return -1;
	list->warnings = p;
	if ((p[list->nwarnings] = strdup(text)) == NULL)
		return -1;
	list->nwarnings++;
	return 0;
}

/* The path is scripts[i] and rest.  0, or -1 without memory. */
static int
warn_at(struct warner *w, size_t i, const char *rest, const char *text)
{
	struct json_file	 nowhere = { w->jf->name, NULL, 0, NULL };
	struct json_error	 e;
	char			 path[JSON_PATH_SIZE], line[1200];

	if (w->list->nwarnings == WARNINGS_MAX) {
		w->left_out++;
		return 0;
	}
	(void)snprintf(path, sizeof(path), "scripts[%zu].%s", i, rest);
	(void)json_fail(w->list->nwarnings < WARNINGS_PLACED ? w->jf :
	    &nowhere, &e, path, "%s: %s", w->list->scripts[i].name, text);
	json_error_format(&e, line, sizeof(line));
	return add_warning(w->list, line);
}

static int
warn_script(struct warner *w, size_t i)
{
	const struct script	*s = &w->list->scripts[i];
	const struct argument	*a;
	char			 rest[NAME_SIZE + 16];
	size_t			 k;

	if (s->level == LEVEL_USER && warn_at(w, i, "requiredPermission",
	    "anybody who can write to the bot may run it") == -1)
		return -1;
	if (s->timeout_ms > TIMEOUT_WARN && warn_at(w, i, "timeout",
	    "may run for more than one hour") == -1)
		return -1;
	for (k = 0; k < s->nargs; k++) {
		a = &s->args[k];
		if (a->type != ARG_STRING || a->regex != NULL ||
		    a->nvalues > 0)
			continue;
		(void)snprintf(rest, sizeof(rest), "arguments.%s", a->name);
		if (warn_at(w, i, rest, "a string without regex or values "
		    "takes letters, digits, space and _ . , : / @ + = % - "
		    "only") == -1)
			return -1;
	}
	return 0;
}

static int
warn_all(struct warner *w)
{
	char	 text[64];
	size_t	 i;

	for (i = 0; i < w->list->n; i++)
		if (warn_script(w, i) == -1)
			return -1;
	if (w->left_out == 0)
		return 0;
	(void)snprintf(text, sizeof(text), "and %zu more warnings",
	    w->left_out);
	return add_warning(w->list, text);
}

/* By name, then by place, so that the second of two is the one to blame. */
static int
index_cmp(const void *a, const void *b)
{
	const struct allowlist_name	*x = a, *y = b;
	int				 c;

	if ((c = strcmp(x->name, y->name)) != 0)
		return c;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int
build_index(struct json_in *in, struct allowlist *list)
{
	size_t	 i;
	int	 ret;

	if ((list->by_name = calloc(list->n + 1,
	    sizeof(*list->by_name))) == NULL)
		return json_bad(in, "out of memory");
	for (i = 0; i < list->n; i++) {
		list->by_name[i].name = list->scripts[i].name;
		list->by_name[i].number = (uint32_t)i;
	}
	qsort(list->by_name, list->n, sizeof(*list->by_name), index_cmp);
	for (i = 1; i < list->n; i++) {
		if (strcmp(list->by_name[i - 1].name,
		    list->by_name[i].name) != 0)
			continue;
		json_enter_index(in, list->by_name[i].number);
		json_enter(in, "name");
		ret = json_bad(in, "\"%s\" is the name of scripts[%u] already",
		    list->by_name[i].name, list->by_name[i - 1].number);
		json_leave(in);
		json_leave(in);
		return ret;
	}
	return 0;
}

static int
get_scripts(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	struct allowlist	*list = at;
	size_t			 count;
	int			 ret = 0;

	(void)f;
	if (!json_is_array(v))
		return json_bad(in, "is %s, not an array", json_kind(v));
	if ((count = json_array_size(v)) > SCRIPTS_MAX)
		return json_bad(in, "has more than %d scripts", SCRIPTS_MAX);
	list->scripts = calloc(count + 1, sizeof(*list->scripts));
	if (list->scripts == NULL)
		return json_bad(in, "out of memory");
	while (list->n < count && ret == 0) {
		json_enter_index(in, list->n);
		ret = script_read(in, json_array_get(v, list->n),
		    &list->scripts[list->n]);
		list->n++;
		json_leave(in);
	}
	return ret == 0 ? build_index(in, list) : -1;
}

int
allowlist_parse(struct allowlist **out, const struct json_file *jf,
    struct json_error *e)
{
	static const struct json_field	 top[] = {
		{ "$schema", json_get_ignored, 0, 0, 0, 0 },
		{ "scripts", get_scripts, 0, 0, 0, 1 }
	};
	struct allowlist		*list;
	struct json_in			 in;
	struct warner			 w;

	*out = NULL;
	json_in_init(&in, jf, e);
	if ((list = calloc(1, sizeof(*list))) == NULL)
		return json_bad(&in, "out of memory");
	if (json_fields(&in, jf->root, top, nitems(top), list) == -1)
		goto fail;
	w = (struct warner){ list, jf, 0 };
	if (warn_all(&w) == -1) {
		(void)json_bad(&in, "out of memory");
		goto fail;
	}
	*out = list;
	return 0;
fail:
	allowlist_free(list);
	return -1;
}

void
allowlist_free(struct allowlist *list)
{
	size_t	 i;

	if (list == NULL)
		return;
	for (i = 0; i < list->n; i++)
		script_clear(&list->scripts[i]);
	free(list->scripts);
	free(list->by_name);
	for (i = 0; i < list->nwarnings; i++)
		free(list->warnings[i]);
	free(list->warnings);
	free(list);
}

static int
find_cmp(const void *key, const void *member)
{
	return strcmp(key, ((const struct allowlist_name *)member)->name);
}

long
allowlist_find(const struct allowlist *list, const char *name)
{
	const struct allowlist_name	*found;

	found = bsearch(name, list->by_name, list->n, sizeof(*list->by_name),
	    find_cmp);
	return found == NULL ? -1 : (long)found->number;
}
