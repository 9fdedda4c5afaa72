/* Arguments of a script: from typed words to what it gets and the record. */
#include <time.h>

#include "test.h"
#include "allowlist.h"
#include "json.h"
#include "text.h"

#define KEY	((const uint8_t *)"0123456789abcdef0123456789abcdef")

static struct allowlist	*list;
static struct arguments	 args;

/* One script "s" with these members behind name and path. */
static void
use(const char *members)
{
	struct json_file	 jf;
	struct json_error	 e;
	char			 text[8192], why[2048];

	allowlist_free(list);
	list = NULL;
	(void)snprintf(text, sizeof(text), "{\"scripts\": [{\"name\": \"s\", "
	    "\"path\": \"s\"%s%s}]}", *members == '\0' ? "" : ", ", members);
	if (json_file_parse(&jf, "f", text, strlen(text), &e) == -1 ||
	    allowlist_parse(&list, &jf, &e) == -1) {
		json_error_format(&e, why, sizeof(why));
		fprintf(stderr, "%s\n", why);
		test_bad++;
	}
	json_file_free(&jf);
}

static void
use_one(const char *spec)
{
	char	 text[4096];

	(void)snprintf(text, sizeof(text), "\"arguments\": {\"a\": %s}",
	    spec);
	use(text);
}

/*
 * "word|word json", or "no: why".  What the executor accepts the runner
 * must accept, too.
 */
static const char *
run(const char *line, int dry_run)
{
	static char	 out[64 * 1024];
	struct words	 w;
	char		 why[512];
	size_t		 i;

	if (list == NULL || text_split(line, strlen(line), &w, why,
	    sizeof(why)) == -1)
		return "(bad test)";
	if (arguments_check(&list->scripts[0], &w, dry_run, KEY,
	    &args) == -1) {
		(void)snprintf(out, sizeof(out), "no: %s", args.why);
		CHECK_INT(args.out.n, 0);
		return out;
	}
	CHECK_INT(arguments_recheck(&list->scripts[0], &args.out, why,
	    sizeof(why)), 0);
	out[0] = '\0';
	for (i = 0; i < args.out.n; i++) {
		(void)strlcat(out, words_get(&args.out, i), sizeof(out));
		(void)strlcat(out, i + 1 < args.out.n ? "|" : " ",
		    sizeof(out));
	}
	(void)strlcat(out, args.json, sizeof(out));
	return out;
}

static const char *
usage(void)
{
	static char	 out[1024];

	arguments_usage(&list->scripts[0], out, sizeof(out));
	return out;
}

static const char	 seed[] =
	"\"arguments\": {\"service\": {\"type\": \"enum\", \"values\": "
	"[\"api-server\", \"web-app\", \"database\"], \"required\": true}, "
	"\"environment\": {\"type\": \"enum\", \"values\": [\"staging\", "
	"\"production\"], \"required\": true}}";

TEST(the_seeds_script)
{
	static const char *const	 same[] = {
		"service=web-app environment=staging",
		"environment=staging service=web-app",
		"--service web-app --environment staging",
		"--service=web-app --environment=staging",
		"web-app staging",
		"web-app environment=staging",
		"--environment staging web-app",
		"environment=staging web-app",
		"-- web-app staging"
	};
	size_t				 i;

	use(seed);
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		CHECK_STR(run(same[i], 0), "web-app|staging "
		    "{\"service\":\"web-app\",\"environment\":\"staging\"}");
	CHECK_STR(usage(), "s service=<api-server|web-app|database> "
	    "environment=<staging|production>");
}

TEST(refusals_by_name)
{
	static const struct {
		const char	*line;
		const char	*want;
	} cases[] = {
		{ "", "no: service, environment are missing" },
		{ "web-app", "no: environment is missing" },
		{ "web-app staging x",
		    "no: there are more words than s has arguments" },
		{ "web-app staging web-app",
		    "no: there are more words than s has arguments" },
		{ "web-app web-app", "no: environment is not one of staging, "
		    "production" },
		{ "web-app prod", "no: environment is not one of staging, "
		    "production; did you mean \"production\"?" },
		{ "service=web-app service=web-app",
		    "no: service is given twice" },
		{ "service=web-app --service web-app",
		    "no: service is given twice" },
		{ "web-app service=web-app", "no: service is given twice" },
		{ "servce=web-app", "no: s has no argument \"servce\"; did "
		    "you mean \"service\"?" },
		{ "--env staging web-app", "no: s has no argument \"env\"; "
		    "did you mean \"environment\"?" },
		{ "--zzz", "no: s has no argument \"zzz\"" },
		{ "--=x", "no: s has no argument \"\"" },
		{ "web-app --environment", "no: environment has no value" },
		{ "web-app environment=", "no: environment is not one of "
		    "staging, production" },
		{ "'web-app ' staging", "no: service is not one of "
		    "api-server, web-app, database; did you mean "
		    "\"web-app\"?" },
		{ "-- service=web-app staging", "no: service is not one of "
		    "api-server, web-app, database" }
	};
	size_t	 i;

	use(seed);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_STR(run(cases[i].line, 0), cases[i].want);
	CHECK_STR(run("web-app staging", 1), "no: s has no dry run");
	use("");
	CHECK_STR(run("", 0), "{}");
	CHECK_STR(run("x", 0), "no: s takes no arguments");
	CHECK_STR(run("x=1", 0), "no: s takes no arguments");
	CHECK_STR(run("--x", 0), "no: s takes no arguments");
	CHECK_STR(usage(), "s");
}

TEST(strings_without_a_pattern)
{
	static const struct {
		const char	*line;
		const char	*want;
	} cases[] = {
		{ "a='x Y_1.,:/@+=%-'",
		    "x Y_1.,:/@+=%- {\"a\":\"x Y_1.,:/@+=%-\"}" },
		{ "a=''", " {\"a\":\"\"}" },
		{ "", " {}" },
		{ "http://h/?x", "no: a holds something else than letters, "
		    "digits, space and _ . , : / @ + = % -" },
		{ "a=\xc3\xa9", "no: a holds something else than letters, "
		    "digits, space and _ . , : / @ + = % -" },
		{ "'x*'", "no: a holds something else than letters, digits, "
		    "space and _ . , : / @ + = % -" },
		{ "../x", "no: a holds \"../\", which is not allowed" },
		{ "x/../y", "no: a holds \"../\", which is not allowed" },
		{ "..", ".. {\"a\":\"..\"}" },
		{ "'${x}'", "no: a holds \"${\", which is not allowed" },
		{ "'$(x)'", "no: a holds \"$(\", which is not allowed" },
		{ "'x;y'", "no: a holds \";\", which is not allowed" },
		{ "'x&y'", "no: a holds \"&\", which is not allowed" },
		{ "'x|y'", "no: a holds \"|\", which is not allowed" },
		{ "'`x`'", "no: a holds \"`\", which is not allowed" },
		{ "'x\ny'", "no: a holds a control or an invisible "
		    "character, or invalid UTF-8" },
		{ "'x\ry'", "no: a holds a control or an invisible "
		    "character, or invalid UTF-8" },
		{ "'x\xff'", "no: a holds a control or an invisible "
		    "character, or invalid UTF-8" },
		{ "-rf", "no: a begins with -, as an option would" },
		{ "a=-rf", "no: a begins with -, as an option would" },
		{ "--a -rf", "no: a begins with -, as an option would" },
		{ "-- --rf", "no: a begins with -, as an option would" }
	};
	char	 line[300];
	size_t	 i;

	use_one("{\"type\": \"string\"}");
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_STR(run(cases[i].line, 0), cases[i].want);
	memset(line, 'x', sizeof(line));
	line[256] = '\0';
	CHECK(strncmp(run(line, 0), "xxx", 3) == 0);
	line[256] = 'x';
	line[257] = '\0';
	CHECK_STR(run(line, 0), "no: a is longer than 256 characters");
	CHECK_STR(usage(), "s [a=<text>]");
}

TEST(strings_with_a_pattern)
{
	use_one("{\"type\": \"string\", \"regex\": \"[a-z]+|\xc3\xa9*\", "
	    "\"length\": 4, \"required\": true}");
	CHECK_STR(run("abcd", 0), "abcd {\"a\":\"abcd\"}");
	CHECK_STR(run("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 0),
	    "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9 "
	    "{\"a\":\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"}");
	CHECK_STR(run("abcde", 0), "no: a is longer than 4 characters");
	/* the whole value, whatever the pattern has for anchors */
	CHECK_STR(run("ab1", 0),
	    "no: a does not match the pattern [a-z]+|\xc3\xa9*");
	CHECK_STR(run("1ab", 0),
	    "no: a does not match the pattern [a-z]+|\xc3\xa9*");
	CHECK_STR(run("a=''", 0), "no: a is empty");
	/* a pattern does not open what is always refused */
	use_one("{\"type\": \"string\", \"regex\": \"(?s).*\"}");
	CHECK_STR(run("'a;b'", 0), "no: a holds \";\", which is not allowed");
	CHECK_STR(run("-a", 0), "no: a begins with -, as an option would");
	CHECK_STR(run("\xe2\x80\xae", 0), "no: a holds a control or an "
	    "invisible character, or invalid UTF-8");
	CHECK_STR(run("'*?\"<>#~!$ \xc3\xa9'", 0),
	    "*?\"<>#~!$ \xc3\xa9 {\"a\":\"*?\\\"<>#~!$ \xc3\xa9\"}");
	use_one("{\"type\": \"string\", \"regex\": \".*\", "
	    "\"allowLeadingDash\": true}");
	CHECK_STR(run("-a", 0), "-a {\"a\":\"-a\"}");
	CHECK_STR(run("-- --a", 0), "--a {\"a\":\"--a\"}");
	use_one("{\"type\": \"string\", \"values\": [\"x y\", \"z\"]}");
	CHECK_STR(run("'x y'", 0), "x y {\"a\":\"x y\"}");
	CHECK_STR(run("y", 0), "no: a is not one of x y, z");
	CHECK_STR(usage(), "s [a=<x y|z>]");
}

/*
 * Catastrophic backtracking is a refusal within milliseconds.  The last
 * letter of the word is one that the patterns could go on with, or PCRE2
 * would see at once that nothing matches.
 */
TEST(patterns_have_limits)
{
	static const char *const	 evil[] = {
		"(a+)+", "(a|aa)+", "(a|a)*", "(?:a?){60}a{60}",
		"(a(?1)?)+", "((a{1,9}){1,9}){1,99}", "(?:(?=(a+))a?)+"
	};
	struct timespec			 t0, t1;
	char				 line[257], spec[256];
	const char			*why;
	size_t				 i, limited = 0;

	memset(line, 'a', sizeof(line) - 1);
	line[sizeof(line) - 2] = 'B';
	line[sizeof(line) - 1] = '\0';
	for (i = 0; i < sizeof(evil) / sizeof(evil[0]); i++) {
		(void)snprintf(spec, sizeof(spec),
		    "{\"type\": \"string\", \"regex\": \"%s\"}", evil[i]);
		use_one(spec);
		(void)clock_gettime(CLOCK_MONOTONIC, &t0);
		why = run(line, 0);
		(void)clock_gettime(CLOCK_MONOTONIC, &t1);
		CHECK(strncmp(why, "no: a ", 6) == 0);
		if (strcmp(why, "no: a could not be matched against its "
		    "pattern within the limits") == 0)
			limited++;
		CHECK((t1.tv_sec - t0.tv_sec) * 1000 +
		    (t1.tv_nsec - t0.tv_nsec) / 1000000 < 500);
	}
	CHECK(limited >= 4);
	/* an ordinary pattern on the longest value stays within them */
	use_one("{\"type\": \"string\", \"length\": 4096, \"regex\": "
	    "\"(?:[a-z]+(?:,|$))*|([a-zA-Z]|[0-9])+\"}");
	CHECK(strncmp(run(line, 0), "aaaa", 4) == 0);
}

TEST(all_together_may_be_too_long)
{
	struct buf	 b;
	char		 value[4001];
	int		 i;

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	allowlist_free(list);
	list = NULL;
	buf_init(&b, 1024 * 1024);
	buf_printf(&b, "{\"scripts\": [{\"name\": \"s\", \"path\": \"s\", "
	    "\"arguments\": {");
	for (i = 0; i < 8; i++)
		buf_printf(&b, "%s\"a%d\": {\"type\": \"string\", "
		    "\"regex\": \"x*\", \"length\": 4096, \"default\": "
		    "\"%s\"}", i == 0 ? "" : ", ", i, value);
	buf_printf(&b, "}}]}");
	{
		struct json_file	 jf;
		struct json_error	 e;

		CHECK_INT(json_file_parse(&jf, "f", (const char *)b.data,
		    b.len, &e), 0);
		CHECK_INT(allowlist_parse(&list, &jf, &e), 0);
		json_file_free(&jf);
	}
	buf_free(&b);
	CHECK_STR(run("", 0), "no: the arguments are too long");
	CHECK_INT(args.secrets.n, 0);
}

TEST(numbers)
{
	static const struct {
		const char	*word;
		int		 number, integer;
	} cases[] = {
		{ "0", 1, 1 }, { "7", 1, 1 }, { "-7", 1, 1 },
		{ "100", 1, 1 }, { "-100", 1, 1 }, { "101", 0, 0 },
		{ "-101", 0, 0 }, { "1.5", 1, 0 }, { "-0.25", 1, 0 },
		{ "1.0", 1, 0 }, { "100.5", 0, 0 }, { "-0", 0, 0 },
		{ "-0.0", 0, 0 }, { "00", 0, 0 }, { "01", 0, 0 },
		{ "+1", 0, 0 }, { ".5", 0, 0 }, { "5.", 0, 0 },
		{ "1e2", 0, 0 }, { "0x10", 0, 0 }, { "1,5", 0, 0 },
		{ "1 ", 0, 0 }, { "nan", 0, 0 }, { "inf", 0, 0 },
		{ "-", 0, 0 }, { "a=", 0, 0 }, { "--", 0, 0 },
		{ "1.2.3", 0, 0 }, { "9007199254740993", 0, 0 },
		{ "0.123456789012345678901234567890123", 0, 0 }
	};
	char	 want[200], line[64];
	size_t	 i;
	int	 pass;

	for (pass = 0; pass < 2; pass++) {
		use_one(pass == 0 ? "{\"type\": \"number\", \"min\": -100, "
		    "\"max\": 100, \"required\": true}" :
		    "{\"type\": \"integer\", \"min\": -100, \"max\": 100, "
		    "\"required\": true}");
		for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			(void)snprintf(line, sizeof(line), "'%s'",
			    cases[i].word);
			/* a fraction is recorded as a string */
			(void)snprintf(want, sizeof(want), strchr(
			    cases[i].word, '.') ? "%s {\"a\":\"%s\"}" :
			    "%s {\"a\":%s}", cases[i].word, cases[i].word);
			if (pass == 0 ? cases[i].number : cases[i].integer)
				CHECK_STR(run(line, 0), want);
			else
				CHECK(strncmp(run(line, 0), "no: a ", 6) == 0);
		}
	}
	CHECK_STR(run("101", 0), "no: a is more than 100");
	CHECK_STR(run("x", 0), "no: a is not an integer");
	CHECK_STR(usage(), "s a=<-100..100>");
	use_one("{\"type\": \"integer\"}");
	CHECK_STR(run("9007199254740991", 0),
	    "9007199254740991 {\"a\":9007199254740991}");
	CHECK_STR(run("9007199254740992", 0),
	    "no: a is beyond 9007199254740991");
	CHECK_STR(run("-9007199254740992", 0),
	    "no: a is beyond 9007199254740991");
}

TEST(booleans)
{
	use("\"arguments\": {\"force\": {\"type\": \"boolean\", \"default\": "
	    "false}, \"n\": {\"type\": \"integer\"}}");
	CHECK_STR(run("", 0), "false| {\"force\":false}");
	CHECK_STR(run("--force", 0), "true| {\"force\":true}");
	CHECK_STR(run("--force 5", 0), "true|5 {\"force\":true,\"n\":5}");
	CHECK_STR(run("--force false 5", 0),
	    "false|5 {\"force\":false,\"n\":5}");
	CHECK_STR(run("force=true", 0), "true| {\"force\":true}");
	CHECK_STR(run("yes", 0), "no: force is neither true nor false");
	CHECK_STR(run("force=1", 0), "no: force is neither true nor false");
	CHECK_STR(run("--force=TRUE", 0),
	    "no: force is neither true nor false");
	CHECK_STR(usage(), "s [force=<true|false>] [n=<integer>]");
}

TEST(named_style_and_dry_run)
{
	use("\"argumentStyle\": \"named\", \"dryRun\": [\"--check\", \"x y\"],"
	    "\"arguments\": {\"s\": {\"type\": \"string\", \"required\": "
	    "true, \"regex\": \".*\"}, \"o\": {\"type\": \"integer\"}, "
	    "\"d\": {\"type\": \"number\", \"default\": 1.5}}");
	CHECK_STR(run("'a b'", 0),
	    "--s=a b|--d=1.5 {\"s\":\"a b\",\"d\":\"1.5\"}");
	CHECK_STR(run("a 3 d=2", 1), "--s=a|--o=3|--d=2|--check|x y "
	    "{\"s\":\"a\",\"o\":3,\"d\":2}");
	CHECK_STR(run("s=a=b", 0),
	    "--s=a=b|--d=1.5 {\"s\":\"a=b\",\"d\":\"1.5\"}");
	use("\"dryRun\": [\"-n\"], \"arguments\": {\"a\": {\"type\": "
	    "\"integer\"}, \"b\": {\"type\": \"enum\", \"values\": "
	    "[\"x\"]}}");
	CHECK_STR(run("b=x", 1), "|x|-n {\"b\":\"x\"}");
	CHECK_STR(run("", 1), "||-n {}");
}

/* RFC 4231's construction; the value made with openssl dgst. */
TEST(secrets)
{
	use_one("{\"type\": \"string\", \"regex\": \".{6,}\", \"secret\": "
	    "true, \"required\": true}");
	CHECK_STR(run("hunter2", 0), "hunter2 {\"a\":\"hmac-sha256:"
	    "3920d54ec70f500ee54e1da041d2364a8e57dd252f7a81ed8acd58ad6cf3"
	    "b6d0\"}");
	CHECK_INT(args.secrets.n, 1);
	CHECK_STR(words_get(&args.secrets, 0), "hunter2");
	CHECK(strstr(args.json, "hunter2") == NULL);
	/* no refusal repeats what was typed */
	CHECK_STR(run("hunt2", 0), "no: a does not match the pattern .{6,}");
	CHECK_STR(run("'hunter;2'", 0),
	    "no: a holds \";\", which is not allowed");
	CHECK_INT(args.secrets.n, 0);
	use_one("{\"type\": \"string\", \"values\": [\"hunter2\"], "
	    "\"secret\": true}");
	CHECK_STR(run("hunter1", 0),
	    "no: a is not one of the possible values");
}

static int
recheck(const char *a, const char *b, const char *c)
{
	struct words	 w;
	char		 why[256];

	memset(&w, 0, sizeof(w));
	if (a != NULL)
		(void)words_add(&w, a, strlen(a));
	if (b != NULL)
		(void)words_add(&w, b, strlen(b));
	if (c != NULL)
		(void)words_add(&w, c, strlen(c));
	return arguments_recheck(&list->scripts[0], &w, why, sizeof(why));
}

TEST(the_runner_looks_again)
{
	use(seed);
	CHECK_INT(recheck("web-app", "staging", NULL), 0);
	CHECK_INT(recheck("web-app", NULL, NULL), -1);
	CHECK_INT(recheck("web-app", "staging", "x"), -1);
	CHECK_INT(recheck("web-app", "", NULL), -1);
	CHECK_INT(recheck("web-app", "prod", NULL), -1);
	CHECK_INT(recheck("staging", "web-app", NULL), -1);
	CHECK_INT(recheck(NULL, NULL, NULL), -1);
	use("\"dryRun\": [\"-n\"], \"arguments\": {\"a\": {\"type\": "
	    "\"string\"}, \"b\": {\"type\": \"integer\", \"default\": 1}}");
	CHECK_INT(recheck("", "1", NULL), 0);
	CHECK_INT(recheck("", "1", "-n"), 0);
	CHECK_INT(recheck("", "1", "-x"), -1);
	CHECK_INT(recheck("", "", NULL), -1);
	CHECK_INT(recheck("a;b", "1", NULL), -1);
	CHECK_INT(recheck("-n", "1", NULL), -1);
	CHECK_INT(recheck("a\nb", "1", NULL), -1);
	use("\"argumentStyle\": \"named\", \"arguments\": {\"a\": {\"type\": "
	    "\"string\"}, \"b\": {\"type\": \"integer\", \"required\": "
	    "true}}");
	CHECK_INT(recheck("--b=1", NULL, NULL), 0);
	CHECK_INT(recheck("--a=x", "--b=1", NULL), 0);
	CHECK_INT(recheck("--b=1", "--a=x", NULL), -1);
	CHECK_INT(recheck("--a=x", "--a=x", NULL), -1);
	CHECK_INT(recheck("--a=x", NULL, NULL), -1);
	CHECK_INT(recheck("--b=x", NULL, NULL), -1);
	CHECK_INT(recheck("--c=1", "--b=1", NULL), -1);
	CHECK_INT(recheck("b=1", NULL, NULL), -1);
	CHECK_INT(recheck("--b", "1", NULL), -1);
}

/* Whatever is typed: what is accepted is whole, safe, and canonical JSON. */
TEST(random_words)
{
	static const char *const	 parts[] = {
		"a", "b", "=", "--", "-", "1", "0.5", "true", "x y", "../",
		";", "$(", "\xc3\xa9", "\xff", "\n", "web", "c", "\"", "\\"
	};
	struct words			 w;
	char				 word[64], why[512];
	json_t				*v;
	size_t				 i, k, n, round;

	use("\"arguments\": {\"a\": {\"type\": \"string\"}, \"b\": {\"type\": "
	    "\"number\"}, \"c\": {\"type\": \"boolean\"}, \"web\": {\"type\":"
	    " \"string\", \"regex\": \".*\"}}");
	for (round = 0; round < 20000; round++) {
		memset(&w, 0, sizeof(w));
		n = test_random() % 5;
		for (i = 0; i < n; i++) {
			word[0] = '\0';
			for (k = test_random() % 4; k-- > 0; )
				(void)strlcat(word, parts[test_random() %
				    (sizeof(parts) / sizeof(parts[0]))],
				    sizeof(word));
			(void)words_add(&w, word, strlen(word));
		}
		if (arguments_check(&list->scripts[0], &w, 0, KEY,
		    &args) == -1) {
			CHECK(args.why[0] != '\0');
			CHECK_INT(utf8_valid(args.why, strlen(args.why)),
			    strlen(args.why));
			continue;
		}
		CHECK_INT(args.out.n, 4);
		CHECK_INT(arguments_recheck(&list->scripts[0], &args.out, why,
		    sizeof(why)), 0);
		v = json_loads(args.json, JSON_REJECT_DUPLICATES, NULL);
		CHECK(json_is_object(v));
		json_decref(v);
		for (i = 0; i < 4; i++) {
			CHECK(strpbrk(words_get(&args.out, i), ";|&`\n") ==
			    NULL);
			CHECK(strstr(words_get(&args.out, i), "../") == NULL);
		}
	}
}

TEST(usage_is_cut)
{
	char	 out[16];

	use(seed);
	arguments_usage(&list->scripts[0], out, sizeof(out));
	CHECK_STR(out, "s service=<a...");
	allowlist_free(list);
	list = NULL;
}
