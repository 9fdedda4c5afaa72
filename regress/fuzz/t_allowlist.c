/*
 * script-allowlist.json.  Every script that was taken is found by its name,
 * has no built-in's name, and can be explained.
 */
#include "allowlist.h"
#include "fuzz.h"

static void
check_script(const struct allowlist *a, size_t i)
{
	const struct script	*s = &a->scripts[i];
	char			 usage[1024];
	size_t			 k;

	MUST(allowlist_find(a, s->name) == (long)i);
	MUST(!builtin_is_name(s->name));
	MUST(s->level == LEVEL_USER || s->level == LEVEL_OPERATOR ||
	    s->level == LEVEL_ADMIN);
	MUST(s->timeout_ms > 0);
	for (k = 0; k < s->nargs; k++)
		MUST(s->args[k].name != NULL && s->args[k].name[0] != '\0');
	arguments_usage(s, usage, sizeof(usage));
	MUST(strncmp(usage, s->name, strlen(s->name)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct allowlist	*a;
	struct json_error	 e;
	struct json_file	 f;
	size_t			 i;

	memset(&e, 0, sizeof(e));
	if (json_file_parse(&f, "fuzz", (const char *)data, len, &e) == -1) {
		MUST(e.text[0] != '\0');
		return 0;
	}
	if (allowlist_parse(&a, &f, &e) == -1) {
		MUST(a == NULL);
		MUST(e.text[0] != '\0');
	} else {
		for (i = 0; i < a->n; i++)
			check_script(a, i);
		MUST(allowlist_find(a, "") == -1);
	}
	allowlist_free(a);
	json_file_free(&f);
	return 0;
}
