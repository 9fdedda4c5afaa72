/*
 * bot.config.json: the table of its members, what they must look like, and
 * the copy of it that a child process gets.  See bot.config.json(5).
 */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "conf.h"
#include "conf_url.h"
#include "json_in.h"
#include "text.h"

#define SECOND		1000LL
#define MINUTE		(60 * SECOND)
#define HOUR		(60 * MINUTE)

#define DEFAULT_DATA	"/var/lib/chatopsd"
#define DEFAULT_LOGS	"/var/log/chatopsd"
#define DEFAULT_RUN	"/run/chatopsd"

#define WEBSOCKET_PATH	"/api/v4/websocket"

/* A string member of struct conf, at least one byte. */
#define TEXT(name, get, member)	{ name, get, offsetof(struct conf, member), \
	1, sizeof(((struct conf *)NULL)->member) - 1, 0 }
#define NUMBER(name, get, member, min, max)	{ name, get, \
	offsetof(struct conf, member), min, max, 0 }
#define SECTION(name, get, required)	{ name, get, 0, 0, 0, required }

static int
get_url(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	struct conf_url	 u;
	const char	*why, *scheme = f->required ? "http" : "ws";
	char		*url = at;
	size_t		 len;

	if (json_get_string(in, f, v, at) == -1)
		return -1;
	if ((why = conf_url_parse(url, scheme, &u)) != NULL) {
		if (strcmp(why, "has another scheme") == 0)
			return json_bad(in, "does not begin with %ss://",
			    scheme);
		return json_bad(in, "%s", why);
	}
	if (!u.is_tls && !u.is_loopback)
		return json_bad(in, "%s:// is only allowed to this machine "
		    "(127.0.0.0/8, [::1], localhost); use %ss://", scheme,
		    scheme);
	len = strlen(url);
	if (u.path[0] != '\0' && url[len - 1] == '/')
		url[len - 1] = '\0';
	return 0;
}

static int
get_token(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	if (json_get_string(in, f, v, at) == -1)
		return -1;
	if (!text_is_id(at)) {
		explicit_bzero(at, (size_t)f->max);
		return json_bad(in, "is not a token: 26 lower-case letters "
		    "and digits");
	}
	return 0;
}

/* Team name of Mattermost, or an id: [a-z0-9-], 2 to 64. */
static int
get_team(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	const char	*s = at;

	if (json_get_string(in, f, v, at) == -1)
		return -1;
	if (strlen(s) < 2 ||
	    s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0')
		return json_bad(in, "\"%s\" is not a team's name or id: "
		    "2 to 64 of a-z, 0-9 and -", s);
	return 0;
}

/*
 * What clients give a meaning of their own at the beginning of a message is
 * no prefix: / is a slash command, @ ~ # + > * _ and ` are markup.
 */
static int
get_prefix(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	const char	*s = at;
	size_t		 i;

	if (json_get_string(in, f, v, at) == -1)
		return -1;
	for (i = 0; s[i] != '\0'; i++)
		if (!isgraph((unsigned char)s[i]))
			return json_bad(in,
			    "holds something else than printable ASCII");
	if (strchr("/@~#+>*_`|\\'\"", s[0]) != NULL)
		return json_bad(in, "begins with %c, which chat clients give "
		    "a meaning of their own; use ! for example", s[0]);
	if (isalnum((unsigned char)s[i - 1]))
		return json_bad(in,
		    "ends with a letter or digit, as a word would");
	return 0;
}

/* A name for useradd(8), or a uid from 1 to 2^32 - 2. */
static int
get_user(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	const char	*errstr, *s = at;

	if (json_get_string(in, f, v, at) == -1)
		return -1;
	if (s[strspn(s, "0123456789")] == '\0') {
		(void)strtonum(s, 1, (long long)UINT_MAX - 1, &errstr);
		if (errstr != NULL || s[0] == '0')
			return json_bad(in, "\"%s\" is not a uid from 1 to "
			    "4294967294", s);
		return 0;
	}
	if (strcmp(s, "root") == 0)
		return json_bad(in, "root is no user to drop privileges to");
	if (!(islower((unsigned char)s[0]) || s[0] == '_') ||
	    s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-")] != '\0')
		return json_bad(in, "\"%s\" is not a user's name or uid", s);
	return 0;
}

/* C2SP tlog-checkpoint: no blanks, no plus sign. */
static int
get_origin(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	const char	*s = at;
	size_t		 i;

	if (json_get_string(in, f, v, at) == -1)
		return -1;
	for (i = 0; s[i] != '\0'; i++)
		if (!isgraph((unsigned char)s[i]) ||
		    strchr("+\"\\", s[i]) != NULL)
			return json_bad(in, "holds something else than "
			    "printable ASCII without + \" \\");
	return 0;
}

static int
get_home(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	if (json_get_string(in, f, v, at) == -1)
		return -1;
	if (((const char *)at)[0] != '/')
		return json_bad(in, "does not begin with /");
	return 0;
}

static int
get_mattermost(struct json_in *in, const struct json_field *f,
    const json_t *v, void *at)
{
	static const struct json_field	 fields[] = {
		/* required tells get_url() the scheme: http, else ws */
		{ "url", get_url, offsetof(struct conf, url), 1,
		    CONF_URL_SIZE - 1, 1 },
		TEXT("websocketUrl", get_url, websocket_url),
		TEXT("token", get_token, token),
		TEXT("tokenFile", json_get_string, token_file),
		TEXT("team", get_team, team),
		TEXT("caFile", json_get_string, ca_file)
	};
	struct conf			*c = at;

	(void)f;
	if (json_fields(in, v, fields, nitems(fields), at) == -1)
		return -1;
	if (c->token[0] != '\0' && c->token_file[0] != '\0')
		return json_bad(in,
		    "has both token and tokenFile; leave one out");
	return 0;
}

static int
get_paths(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	static const struct json_field	 fields[] = {
		TEXT("base", json_get_string, base),
		TEXT("allowlist", json_get_string, allowlist),
		TEXT("data", json_get_string, data),
		TEXT("logs", json_get_string, logs),
		TEXT("keys", json_get_string, keys),
		TEXT("run", json_get_string, run),
		TEXT("secrets", json_get_string, secrets)
	};

	(void)f;
	return json_fields(in, v, fields, nitems(fields), at);
}

/* Two processes with one user could attach to each other. */
static int
check_users(struct json_in *in, const struct conf *c)
{
	const char	*name[] = { "network", "executor", "runner", "audit" };
	const char	*user[] = { c->user_network, c->user_executor,
			    c->user_runner, c->user_audit };
	size_t		 i, j;

	for (i = 0; i < nitems(user); i++)
		for (j = 0; j < i; j++)
			if (strcmp(user[i], user[j]) == 0)
				return json_bad(in, "%s and %s are both "
				    "\"%s\"; each process needs a user of "
				    "its own", name[j], name[i], user[i]);
	return 0;
}

static int
get_users(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	static const struct json_field	 fields[] = {
		TEXT("network", get_user, user_network),
		TEXT("executor", get_user, user_executor),
		TEXT("runner", get_user, user_runner),
		TEXT("audit", get_user, user_audit)
	};

	(void)f;
	if (json_fields(in, v, fields, nitems(fields), at) == -1)
		return -1;
	return check_users(in, at);
}

static int
get_limits(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	static const struct json_field	 fields[] = {
		NUMBER("messageAge", json_get_duration, message_age_ms,
		    SECOND, 10 * MINUTE),
		NUMBER("userRate", json_get_rate, user_rate, 0, 1000000),
		NUMBER("globalRate", json_get_rate, global_rate, 0, 1000000),
		NUMBER("maxJobs", json_get_u32, max_jobs, 1, 256),
		NUMBER("maxQueue", json_get_u32, max_queue, 0, 10000),
		NUMBER("outputMax", json_get_u64, output_max, 4096,
		    64 * 1024 * 1024),
		NUMBER("stopTimeout", json_get_duration, stop_timeout_ms,
		    100, HOUR),
		NUMBER("cancelGrace", json_get_duration, cancel_grace_ms,
		    100, 10 * MINUTE)
	};

	(void)f;
	return json_fields(in, v, fields, nitems(fields), at);
}

static int
get_script(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	static const struct json_field	 fields[] = {
		TEXT("home", get_home, script_home),
		TEXT("user", get_user, script_user)
	};

	(void)f;
	return json_fields(in, v, fields, nitems(fields), at);
}

static int
get_audit(struct json_in *in, const struct json_field *f, const json_t *v,
    void *at)
{
	static const struct json_field	 fields[] = {
		TEXT("origin", get_origin, audit_origin),
		JSON_UNSUPPORTED("anchors"),
		JSON_UNSUPPORTED("checkpoints"),
		JSON_UNSUPPORTED("intents"),
		JSON_UNSUPPORTED("retention"),
		JSON_UNSUPPORTED("rotate"),
		JSON_UNSUPPORTED("segmentSize"),
		JSON_UNSUPPORTED("witnesses")
	};

	(void)f;
	return json_fields(in, v, fields, nitems(fields), at);
}

static const struct json_field	 top[] = {
	SECTION("$schema", json_get_ignored, 0),
	SECTION("mattermost", get_mattermost, 1),
	TEXT("commandPrefix", get_prefix, prefix),
	SECTION("paths", get_paths, 0),
	SECTION("users", get_users, 0),
	SECTION("limits", get_limits, 0),
	SECTION("script", get_script, 0),
	SECTION("audit", get_audit, 0),
	{ "allowUnconfined", json_get_bool,
	    offsetof(struct conf, allow_unconfined), 0, 0, 0 },
	JSON_UNSUPPORTED("metrics"),
	JSON_UNSUPPORTED("retention")
};

static void
conf_defaults(struct conf *c)
{
	memset(c, 0, sizeof(*c));
	(void)strlcpy(c->prefix, "!", sizeof(c->prefix));
	(void)strlcpy(c->base, ".", sizeof(c->base));
	(void)strlcpy(c->allowlist, "script-allowlist.json",
	    sizeof(c->allowlist));
	(void)strlcpy(c->data, DEFAULT_DATA, sizeof(c->data));
	(void)strlcpy(c->logs, DEFAULT_LOGS, sizeof(c->logs));
	(void)strlcpy(c->run, DEFAULT_RUN, sizeof(c->run));
	(void)strlcpy(c->secrets, "secrets", sizeof(c->secrets));
	(void)strlcpy(c->user_network, "_chatopsnet", sizeof(c->user_network));
	(void)strlcpy(c->user_executor, "_chatopsexec",
	    sizeof(c->user_executor));
	(void)strlcpy(c->user_runner, "_chatopsrun", sizeof(c->user_runner));
	(void)strlcpy(c->user_audit, "_chatopsaudit", sizeof(c->user_audit));
	c->message_age_ms = 60 * SECOND;
	c->user_rate = (struct conf_rate){ 20, MINUTE };
	c->global_rate = (struct conf_rate){ 120, MINUTE };
	c->max_jobs = 8;
	c->max_queue = 64;
	c->output_max = 1024 * 1024;
	c->stop_timeout_ms = 10 * SECOND;
	c->cancel_grace_ms = 10 * SECOND;
	(void)strlcpy(c->script_home, "/tmp", sizeof(c->script_home));
	(void)strlcpy(c->script_user, "chatops", sizeof(c->script_user));
}

/* A path behind the folder it starts from; "." is the folder.  0 or -1. */
static int
path_resolve(const char *dir, char *path)
{
	char		 full[CONF_PATH_SIZE];
	const char	*rest;
	int		 n;

	if (path[0] == '\0' || path[0] == '/')
		return 0;
	for (rest = path; strncmp(rest, "./", 2) == 0; rest += 2)
		continue;
	if (strcmp(rest, ".") == 0 || *rest == '\0')
		n = snprintf(full, sizeof(full), "%s", dir);
	else
		n = snprintf(full, sizeof(full), "%s%s%s", dir,
		    strcmp(dir, "/") == 0 ? "" : "/", rest);
	if (n < 0 || (size_t)n >= sizeof(full))
		return -1;
	memcpy(path, full, (size_t)n + 1);
	return 0;
}

/* Where nothing else is said the keys are in the log folder. */
static int
default_keys(struct conf *c, struct json_in *in)
{
	int	 n;

	if (c->keys[0] != '\0')
		return 0;
	n = snprintf(c->keys, sizeof(c->keys), "%s/keys", c->logs);
	if (n >= 0 && (size_t)n < sizeof(c->keys))
		return 0;
	json_enter(in, "paths");
	json_enter(in, "logs");
	return json_bad(in, "is too long for a folder keys in it");
}

static int
resolve_paths(struct conf *c, struct json_in *in, const char *dir)
{
	const struct {
		const char	*section, *name;
		char		*path;
	} paths[] = {
		{ "mattermost", "tokenFile", c->token_file },
		{ "mattermost", "caFile", c->ca_file },
		{ "paths", "base", c->base },
		{ "paths", "allowlist", c->allowlist },
		{ "paths", "data", c->data },
		{ "paths", "logs", c->logs },
		{ "paths", "keys", c->keys },
		{ "paths", "run", c->run },
		{ "paths", "secrets", c->secrets }
	};
	size_t	 i;

	for (i = 0; i < nitems(paths); i++) {
		json_enter(in, paths[i].section);
		json_enter(in, paths[i].name);
		if (path_resolve(dir, paths[i].path) == -1)
			return json_bad(in, "is longer than %d bytes behind "
			    "%s", CONF_PATH_SIZE - 1, dir);
		json_leave(in);
		json_leave(in);
	}
	return 0;
}

static int
derive_websocket(struct conf *c, struct json_in *in)
{
	int	 n;

	if (c->websocket_url[0] != '\0')
		return 0;
	n = snprintf(c->websocket_url, sizeof(c->websocket_url), "ws%s%s",
	    c->url + strlen("http"), WEBSOCKET_PATH);
	if (n < 0 || (size_t)n >= sizeof(c->websocket_url))
		return json_bad(in, "mattermost.url is too long");
	return 0;
}

int
conf_parse(struct conf *c, const struct json_file *jf, const char *dir,
    struct json_error *e)
{
	struct json_in	 in;

	conf_defaults(c);
	json_in_init(&in, jf, e);
	if (json_fields(&in, jf->root, top, nitems(top), c) == -1 ||
	    resolve_paths(c, &in, dir) == -1 ||
	    default_keys(c, &in) == -1 ||
	    derive_websocket(c, &in) == -1) {
		conf_wipe(c);
		return -1;
	}
	return 0;
}

static json_t *
dump_rate(const struct conf_rate *r)
{
	return json_pack("{s:I, s:I}", "count", (json_int_t)r->count, "per",
	    (json_int_t)r->per_ms);
}

/* A section of the strings that are not empty. */
static json_t *
dump_strings(const char *const (*s)[2], size_t n)
{
	json_t	*obj;
	size_t	 i;

	if ((obj = json_object()) == NULL)
		return NULL;
	for (i = 0; i < n; i++)
		if (s[i][1][0] != '\0' && json_object_set_new(obj, s[i][0],
		    json_string(s[i][1])) == -1) {
			json_decref(obj);
			return NULL;
		}
	return obj;
}

static json_t *
dump_limits(const struct conf *c)
{
	return json_pack("{s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I}",
	    "messageAge", (json_int_t)c->message_age_ms,
	    "userRate", dump_rate(&c->user_rate),
	    "globalRate", dump_rate(&c->global_rate),
	    "maxJobs", (json_int_t)c->max_jobs,
	    "maxQueue", (json_int_t)c->max_queue,
	    "outputMax", (json_int_t)c->output_max,
	    "stopTimeout", (json_int_t)c->stop_timeout_ms,
	    "cancelGrace", (json_int_t)c->cancel_grace_ms);
}

char *
conf_dump(const struct conf *c)
{
	const char *const	 mattermost[][2] = {
		{ "url", c->url }, { "websocketUrl", c->websocket_url },
		{ "tokenFile", c->token_file }, { "team", c->team },
		{ "caFile", c->ca_file }
	};
	const char *const	 paths[][2] = {
		{ "base", c->base }, { "allowlist", c->allowlist },
		{ "data", c->data }, { "logs", c->logs },
		{ "keys", c->keys }, { "run", c->run },
		{ "secrets", c->secrets }
	};
	const char *const	 users[][2] = {
		{ "network", c->user_network },
		{ "executor", c->user_executor },
		{ "runner", c->user_runner }, { "audit", c->user_audit }
	};
	const char *const	 script[][2] = {
		{ "home", c->script_home }, { "user", c->script_user }
	};
	const char *const	 audit[][2] = {
		{ "origin", c->audit_origin }
	};
	json_t			*root;
	char			*text = NULL;

	root = json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:b}",
	    "mattermost", dump_strings(mattermost, nitems(mattermost)),
	    "commandPrefix", c->prefix,
	    "paths", dump_strings(paths, nitems(paths)),
	    "users", dump_strings(users, nitems(users)),
	    "limits", dump_limits(c),
	    "script", dump_strings(script, nitems(script)),
	    "audit", dump_strings(audit, nitems(audit)),
	    "allowUnconfined", c->allow_unconfined);
	if (root != NULL)
		text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

void
conf_wipe(struct conf *c)
{
	explicit_bzero(c, sizeof(*c));
}
