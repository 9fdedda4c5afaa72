/* script-allowlist.json: what the table holds, names, warnings, size. */
#include <time.h>

#include "test.h"
#include "allowlist.h"
#include "json.h"

static struct json_file	 jf;
static struct json_error	 e;
static struct allowlist	*list;

static int
parse(const char *text)
{
	allowlist_free(list);
	list = NULL;
	json_file_free(&jf);
	if (json_file_parse(&jf, "f", text, strlen(text), &e) == -1)
		return -1;
	return allowlist_parse(&list, &jf, &e);
}

static void
done(void)
{
	allowlist_free(list);
	list = NULL;
	json_file_free(&jf);
}

TEST(levels)
{
	CHECK_STR(level_name(LEVEL_BANNED), "banned");
	CHECK_STR(level_name(LEVEL_ADMIN), "admin");
	CHECK_STR(level_name((enum level)99), "?");
	CHECK_INT(level_parse("operator"), LEVEL_OPERATOR);
	CHECK_INT(level_parse("user"), LEVEL_USER);
	CHECK_INT(level_parse("Admin"), -1);
	CHECK_INT(level_parse(""), -1);
	CHECK(LEVEL_BANNED < LEVEL_USER && LEVEL_USER < LEVEL_OPERATOR &&
	    LEVEL_OPERATOR < LEVEL_ADMIN);
}

TEST(builtins)
{
	static const char *const	 names[] = {
		"ping", "help", "whoami", "whois", "scripts", "run", "jobs",
		"job", "output", "cancel", "approve", "deny", "pending",
		"adduser", "deluser", "chattr", "users", "audit", "status",
		"explain", "grant", "ban", "unban", "bans", "freeze", "thaw",
		"reload", "ack", "locks"
	};
	size_t				 i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CHECK(builtin_is_name(names[i]));
	CHECK(!builtin_is_name("deploy"));
	CHECK(!builtin_is_name(""));
	CHECK(!builtin_is_name("pin"));
	CHECK(!builtin_is_name("pings"));
}

TEST(defaults)
{
	const struct script	*s;

	CHECK_INT(parse("{\"scripts\": [{\"name\": \"x\", \"path\": \"y\"}]}"),
	    0);
	if (list == NULL)
		return;
	s = &list->scripts[0];
	CHECK_STR(s->name, "x");
	CHECK_STR(s->path, "y");
	CHECK_STR(s->description, "");
	CHECK_INT(s->enabled, 1);
	CHECK_INT(s->has_sha256, 0);
	CHECK_INT(s->level, LEVEL_ADMIN);
	CHECK_INT(s->nflags + s->nchannels + s->nargs + s->nenv + s->nexamples,
	    0);
	CHECK_INT(s->timeout_ms, 300000);
	CHECK_INT(s->async, 0);
	CHECK_INT(s->named, 0);
	CHECK_INT(s->concurrency_max, 1);
	CHECK_INT(s->concurrency_queue, 10);
	CHECK_INT(s->rate.count, 0);
	CHECK(s->dry_run == NULL);
	done();
}

TEST(everything)
{
	const struct argument	*a;
	const struct script	*s;

	CHECK_INT(parse("{\"scripts\": [{\"name\": \"x\", \"path\": \"./y\","
	    "\"sha256\": \"00ff10Aa0f2233445566778899aabbccddeeff00112233445"
	    "566778899aabbcc\", \"description\": \"d\", \"examples\": [\"!x "
	    "1\"], \"enabled\": false, \"requiredPermission\": \"operator\","
	    "\"requiredFlags\": [\"f\", \"g\"], \"allowedChannels\": [\"ops\""
	    ", \"t1/c\"], \"timeout\": 1800000, \"async\": true, "
	    "\"argumentStyle\": \"named\", \"environment\": {\"B\": \"1\", "
	    "\"A\": \"\"}, \"concurrency\": {\"max\": 3, \"queue\": 0}, "
	    "\"rateLimit\": {\"count\": 3, \"per\": \"1h\"}, \"dryRun\": "
	    "[\"-n\"], \"arguments\": {\"z\": {\"type\": \"number\", \"min\":"
	    " -1, \"default\": 0.1, \"description\": \"zz\"}, \"b\": "
	    "{\"type\": \"string\", \"regex\": \"a\", \"length\": 9, "
	    "\"secret\": true, \"required\": true}}}]}"), 0);
	if (list == NULL)
		return;
	s = &list->scripts[0];
	CHECK_INT(s->has_sha256, 1);
	CHECK(memcmp(s->sha256, "\x00\xff\x10\xaa\x0f", 5) == 0);
	CHECK_INT(s->sha256[31], 0xcc);
	CHECK_STR(s->examples[0], "!x 1");
	CHECK_INT(s->enabled, 0);
	CHECK_INT(s->level, LEVEL_OPERATOR);
	CHECK_STR(s->flags[1], "g");
	CHECK_STR(s->channels[1], "t1/c");
	CHECK_INT(s->timeout_ms, 1800000);
	CHECK_INT(s->async, 1);
	CHECK_INT(s->named, 1);
	CHECK_STR(s->env_names[0], "B");
	CHECK_STR(s->env_values[1], "");
	CHECK_INT(s->concurrency_max, 3);
	CHECK_INT(s->concurrency_queue, 0);
	CHECK_INT(s->rate.count, 3);
	CHECK_INT(s->rate.per_ms, 3600000);
	CHECK_STR(s->dry_run[0], "-n");
	/* the order of the file, not of the names */
	CHECK_INT(s->nargs, 2);
	a = &s->args[0];
	CHECK_STR(a->name, "z");
	CHECK_STR(a->description, "zz");
	CHECK_INT(a->type, ARG_NUMBER);
	CHECK(a->has_min && !a->has_max && a->min == -1);
	CHECK_STR(a->fallback, "0.1");
	a = &s->args[1];
	CHECK_INT(a->length, 9);
	CHECK(a->secret && a->required && a->code != NULL);
	CHECK_INT(list->nwarnings, 0);
	done();
}

TEST(a_failed_parse_gives_no_list)
{
	CHECK_INT(parse("{\"scripts\": [{\"name\": \"x\", \"path\": \"y\", "
	    "\"arguments\": {\"a\": {\"type\": \"enum\", \"values\": [\"b\"]"
	    "}, \"c\": {\"type\": \"string\", \"regex\": \"(\"}}}]}"), -1);
	CHECK(list == NULL);
	CHECK_STR(e.path, "scripts[0].arguments.c.regex");
	done();
}

#define MANY	10000

static char *
many(int warn)
{
	struct buf	 b;
	int		 i;

	buf_init(&b, JSON_CONF_MAX);
	buf_put(&b, "{\"scripts\": [\n", 14);
	for (i = 0; i < MANY; i++)
		buf_printf(&b, "%s{\"name\": \"s%d\", \"path\": "
		    "\"./scripts/s%d.sh\", \"requiredPermission\": \"%s\", "
		    "\"timeout\": \"10m\", \"arguments\": {\"service\": "
		    "{\"type\": \"enum\", \"values\": [\"a\", \"b\"], "
		    "\"required\": true}, \"v\": {\"type\": \"string\", "
		    "\"regex\": \"[a-z]+(-[0-9]+)?\"}}}", i == 0 ? "" : ",\n",
		    (i * 7919) % MANY, i, warn ? "user" : "operator");
	buf_put(&b, "]}\n", 3);
	CHECK_INT(buf_error(&b), 0);
	return (char *)b.data;
}

static int64_t
elapsed_ms(const struct timespec *t0)
{
	struct timespec	 t1;

	(void)clock_gettime(CLOCK_MONOTONIC, &t1);
	return (t1.tv_sec - t0->tv_sec) * 1000 +
	    (t1.tv_nsec - t0->tv_nsec) / 1000000;
}

TEST(ten_thousand_scripts)
{
	struct timespec	 t0;
	char		*text, name[32];
	int		 i;

	text = many(0);
	(void)clock_gettime(CLOCK_MONOTONIC, &t0);
	CHECK_INT(parse(text), 0);
	/* 0.1 s on an idle machine; others run at the same time */
	CHECK(elapsed_ms(&t0) < 5000);
	free(text);
	if (list == NULL)
		return;
	CHECK_INT(list->n, MANY);
	CHECK_INT(list->nwarnings, 0);
	for (i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "s%d", (i * 7919) % MANY);
		CHECK_INT(allowlist_find(list, name), i);
	}
	CHECK_INT(allowlist_find(list, "s10000"), -1);
	CHECK_INT(allowlist_find(list, ""), -1);
	CHECK_INT(allowlist_find(list, "S1"), -1);
	done();
}

TEST(warnings_are_bounded)
{
	char	*text;

	text = many(1);
	CHECK_INT(parse(text), 0);
	free(text);
	if (list == NULL)
		return;
	CHECK_INT(list->nwarnings, 101);
	CHECK_STR(list->warnings[100], "and 9900 more warnings");
	CHECK(strncmp(list->warnings[0], "f:2:", 4) == 0);
	done();
}

TEST(nothing_to_find_in_an_empty_list)
{
	CHECK_INT(parse("{\"scripts\": []}"), 0);
	CHECK_INT(list->n, 0);
	CHECK_INT(allowlist_find(list, "x"), -1);
	done();
}
