/*
 * One script of the allowlist: the table of its members.  What a later
 * version will do is refused by name, so that nobody believes in a
 * restriction that is not there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allowlist_script.h"
#include "argument.h"
#include "compat.h"
#include "text.h"

#define TIMEOUT_DEFAULT	(5LL * 60 * 1000)
#define TIMEOUT_MIN	100LL
#define TIMEOUT_MAX	(7LL * 24 * 60 * 60 * 1000)
#define QUEUE_DEFAULT	10
#define DESCRIPTION_MAX	1024
#define EXAMPLES_MAX	16
#define EXAMPLE_LEN_MAX	512
#define FLAGS_MAX	32
#define CHANNELS_MAX	256
#define CHANNEL_LEN_MAX	(64 + 1 + 64)
#define ENV_MAX		64
#define ENV_LEN_MAX	4096
#define DRY_RUN_LEN_MAX	256

#define LOWER		"abcdefghijklmnopqrstuvwxyz"
#define UPPER		"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS		"0123456789"

/* The seed's five, which every script gets as they are. */
static const char *const	 fixed_env[] = {
	"PATH", "HOME", "USER", "LANG", "TZ"
};

static int
only_has(const char *s, const char *set)
{
	return *s != '\0' && s[strspn(s, set)] == '\0';
}

static int
get_name(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	const char	*s;

	if (json_get_strdup(in, f, v, at) == -1)
		return -1;
	s = *(char **)at;
	if (!only_has(s, LOWER UPPER DIGITS "_-"))
		return json_bad(in, "\"%s\" is not a script's name: letters, "
		    "digits, - and _", s);
	if (builtin_is_name(s))
		return json_bad(in, "\"%s\" is a built-in command", s);
	return 0;
}

/* Without "..", so that base folder and path together say where it is. */
static int
get_path(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	const char	*p, *s;
	size_t		 n;

	if (json_get_strdup(in, f, v, at) == -1)
		return -1;
	s = *(char **)at;
	for (p = s; *p != '\0'; p += n + strspn(p + n, "/")) {
		n = strcspn(p, "/");
		if (n == 2 && strncmp(p, "..", 2) == 0)
			return json_bad(in, "has a \"..\" in it");
	}
	if (s[strlen(s) - 1] == '/')
		return json_bad(in, "ends with /, so it is no file");
	return 0;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
get_sha256(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	struct script	*s = at;
	const char	*hex;
	size_t		 i;

	(void)f;
	if ((hex = json_text(in, v, 1, 256)) == NULL)
		return -1;
	if (strlen(hex) != 2 * sizeof(s->sha256) ||
	    !only_has(hex, DIGITS "abcdefABCDEF"))
		return json_bad(in, "is not a SHA-256: 64 hexadecimal digits");
	for (i = 0; i < sizeof(s->sha256); i++)
		s->sha256[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 |
		    hex_digit(hex[2 * i + 1]));
	s->has_sha256 = 1;
	return 0;
}

static int
get_level(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	struct script	*s = at;
	const char	*name;
	int		 level;

	(void)f;
	if ((name = json_text(in, v, 1, 32)) == NULL)
		return -1;
	level = level_parse(name);
	if (level == -1 || level == LEVEL_BANNED)
		return json_bad(in, "\"%s\" is not one of user, operator, "
		    "admin", name);
	s->level = (enum level)level;
	return 0;
}

static const char *
bad_flag(const char *s)
{
	/* Those that !chattr gives, or nobody could ever have it. */
	return only_has(s, LOWER DIGITS "_-") && *s != '_' && *s != '-' ? NULL :
	    "is not a flag's name: a to z, 0 to 9, _ and -, the first of them "
	    "neither _ nor -";
}

static int
get_flags(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	struct script	*s = at;

	(void)f;
	return argument_list(in, v, FLAGS_MAX, NAME_SIZE - 1, bad_flag, 1,
	    &s->flags, &s->nflags);
}

/* channel, team/channel or id, as Mattermost spells them. */
static const char *
bad_channel(const char *s)
{
	const char	*name, *slash;
	size_t		 n;

	if (s[0] == '~' || s[0] == '#')
		return "leave out the ~ or # in front of the name";
	slash = strchr(s, '/');
	name = slash == NULL ? s : slash + 1;
	n = slash == NULL ? 0 : (size_t)(slash - s);
	if ((slash != NULL && (n < 2 || n > 64 ||
	    strspn(s, LOWER DIGITS "-") != n)) || strlen(name) > 64 ||
	    !only_has(name, LOWER DIGITS "_-"))
		return "is not a channel's name (a-z, 0-9, - and _), "
		    "team/channel, or id";
	return NULL;
}

static int
get_channels(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	struct script	*s = at;

	(void)f;
	if (argument_list(in, v, CHANNELS_MAX, CHANNEL_LEN_MAX, bad_channel,
	    1, &s->channels, &s->nchannels) == -1)
		return -1;
	return s->nchannels > 0 ? 0 : json_bad(in, "is empty; leave it out "
	    "to allow every channel, or set \"enabled\": false");
}

static int
get_examples(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	struct script	*s = at;

	(void)f;
	return argument_list(in, v, EXAMPLES_MAX, EXAMPLE_LEN_MAX, NULL, 0,
	    &s->examples, &s->nexamples);
}

static int
get_arguments(struct json_in *in, const struct json_field *f,
    const json_t *v, void *at)
{
	struct script	*s = at;
	const char	*name;
	json_t		*obj, *spec;
	int		 ret;

	(void)f;
	if (!json_is_object(v))
		return json_bad(in, "is %s, not an object", json_kind(v));
	if (json_object_size(v) > ARGUMENTS_MAX)
		return json_bad(in, "has more than %d arguments",
		    ARGUMENTS_MAX);
	s->args = calloc(json_object_size(v) + 1, sizeof(*s->args));
	if (s->args == NULL)
		return json_bad(in, "out of memory");
	/* jansson keeps the file's order: the order of the positions. */
	obj = (json_t *)(uintptr_t)v;
	json_object_foreach(obj, name, spec) {
		json_enter(in, name);
		ret = argument_read(in, name, spec, &s->args[s->nargs++]);
		json_leave(in);
		if (ret == -1)
			return -1;
	}
	return 0;
}

static int
get_style(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	struct script	*s = at;
	const char	*style;

	(void)f;
	if ((style = json_text(in, v, 1, 32)) == NULL)
		return -1;
	s->named = strcmp(style, "named") == 0;
	if (!s->named && strcmp(style, "positional") != 0)
		return json_bad(in, "\"%s\" is neither positional nor named",
		    style);
	return 0;
}

/* NULL, or why a script's environment cannot have that variable. */
static const char *
bad_env_name(const char *name)
{
	size_t	 i;

	if (!only_has(name, LOWER UPPER DIGITS "_") ||
	    strchr(DIGITS, name[0]) != NULL || strlen(name) >= NAME_SIZE)
		return "is no name for a variable: letters, digits and _";
	for (i = 0; i < nitems(fixed_env); i++)
		if (strcmp(name, fixed_env[i]) == 0)
			return "is fixed for every script";
	if (strncmp(name, "CHATOPS_", 8) == 0)
		return "begins with CHATOPS_, which the daemon sets";
	if (strncmp(name, "LD_", 3) == 0 || strcmp(name, "GLIBC_TUNABLES") == 0)
		return "changes how programs are loaded";
	return NULL;
}

static int
env_add(struct json_in *in, struct script *s, const char *name,
    const json_t *v)
{
	const char	*value, *why;

	if ((why = bad_env_name(name)) != NULL)
		return json_bad(in, "%s", why);
	if ((value = json_text(in, v, 0, ENV_LEN_MAX)) == NULL)
		return -1;
	s->env_names[s->nenv] = strdup(name);
	s->env_values[s->nenv++] = strdup(value);
	if (s->env_names[s->nenv - 1] == NULL ||
	    s->env_values[s->nenv - 1] == NULL)
		return json_bad(in, "out of memory");
	return 0;
}

static int
get_environment(struct json_in *in, const struct json_field *f,
    const json_t *v, void *at)
{
	struct script	*s = at;
	const char	*name;
	json_t		*obj, *value;
	size_t		 n;
	int		 ret;

	(void)f;
	if (!json_is_object(v))
		return json_bad(in, "is %s, not an object", json_kind(v));
	if ((n = json_object_size(v)) > ENV_MAX)
		return json_bad(in, "has more than %d variables", ENV_MAX);
	s->env_names = calloc(n + 1, sizeof(*s->env_names));
	s->env_values = calloc(n + 1, sizeof(*s->env_values));
	if (s->env_names == NULL || s->env_values == NULL)
		return json_bad(in, "out of memory");
	obj = (json_t *)(uintptr_t)v;
	json_object_foreach(obj, name, value) {
		json_enter(in, name);
		ret = env_add(in, s, name, value);
		json_leave(in);
		if (ret == -1)
			return -1;
	}
	return 0;
}

static int
get_concurrency(struct json_in *in, const struct json_field *f,
    const json_t *v, void *at)
{
	static const struct json_field	 fields[] = {
		{ "max", json_get_u32,
		    offsetof(struct script, concurrency_max), 1, 64, 0 },
		{ "queue", json_get_u32,
		    offsetof(struct script, concurrency_queue), 0, 1000, 0 },
		JSON_UNSUPPORTED("lock")
	};

	(void)f;
	return json_fields(in, v, fields, nitems(fields), at);
}

static int
get_dry_run(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	struct script	*s = at;

	(void)f;
	if (argument_list(in, v, DRY_RUN_MAX, DRY_RUN_LEN_MAX, NULL, 0,
	    &s->dry_run, &s->ndry_run) == -1)
		return -1;
	return s->ndry_run > 0 ? 0 : json_bad(in, "is empty; leave it out "
	    "where there is no dry run");
}

static const struct json_field	 fields[] = {
	{ "name", get_name, offsetof(struct script, name), 1, NAME_SIZE - 1,
	    1 },
	{ "path", get_path, offsetof(struct script, path), 1,
	    CONF_PATH_SIZE - 1, 1 },
	{ "sha256", get_sha256, 0, 0, 0, 0 },
	{ "description", json_get_strdup,
	    offsetof(struct script, description), 0, DESCRIPTION_MAX, 0 },
	{ "examples", get_examples, 0, 0, 0, 0 },
	{ "enabled", json_get_bool, offsetof(struct script, enabled), 0, 0,
	    0 },
	{ "requiredPermission", get_level, 0, 0, 0, 0 },
	{ "requiredFlags", get_flags, 0, 0, 0, 0 },
	{ "allowedChannels", get_channels, 0, 0, 0, 0 },
	{ "timeout", json_get_duration, offsetof(struct script, timeout_ms),
	    TIMEOUT_MIN, TIMEOUT_MAX, 0 },
	{ "async", json_get_bool, offsetof(struct script, async), 0, 0, 0 },
	{ "arguments", get_arguments, 0, 0, 0, 0 },
	{ "argumentStyle", get_style, 0, 0, 0, 0 },
	{ "environment", get_environment, 0, 0, 0, 0 },
	{ "concurrency", get_concurrency, 0, 0, 0, 0 },
	{ "rateLimit", json_get_rate, offsetof(struct script, rate), 1,
	    1000000, 0 },
	{ "dryRun", get_dry_run, 0, 0, 0, 0 },
	JSON_UNSUPPORTED("allowDuringFreeze"),
	JSON_UNSUPPORTED("approvals"),
	JSON_UNSUPPORTED("breakGlass"),
	JSON_UNSUPPORTED("confirm"),
	JSON_UNSUPPORTED("freezeWindows"),
	JSON_UNSUPPORTED("limits"),
	JSON_UNSUPPORTED("runAs"),
	JSON_UNSUPPORTED("sandbox"),
	JSON_UNSUPPORTED("schedule"),
	JSON_UNSUPPORTED("secrets"),
	JSON_UNSUPPORTED("stepUp"),
	JSON_UNSUPPORTED("target")
};

int
script_read(struct json_in *in, const json_t *v, struct script *s)
{
	memset(s, 0, sizeof(*s));
	s->enabled = 1;
	s->level = LEVEL_ADMIN;
	s->timeout_ms = TIMEOUT_DEFAULT;
	s->concurrency_max = 1;
	s->concurrency_queue = QUEUE_DEFAULT;
	if ((s->description = strdup("")) == NULL)
		return json_bad(in, "out of memory");
	return json_fields(in, v, fields, nitems(fields), s);
}

void
script_clear(struct script *s)
{
	size_t	 i;

	for (i = 0; i < s->nargs; i++)
		argument_clear(&s->args[i]);
	free(s->args);
	free(s->name);
	free(s->path);
	free(s->description);
	argument_list_free(s->examples, s->nexamples);
	argument_list_free(s->flags, s->nflags);
	argument_list_free(s->channels, s->nchannels);
	argument_list_free(s->env_names, s->nenv);
	argument_list_free(s->env_values, s->nenv);
	argument_list_free(s->dry_run, s->ndry_run);
	memset(s, 0, sizeof(*s));
}
