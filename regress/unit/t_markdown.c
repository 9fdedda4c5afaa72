/* Foreign text in a post: no mention, no link, no fence gets through. */
#include "test.h"
#include "text.h"

#define ZWSP	"\xe2\x80\x8b"
#define TEXT_MAX	(256 * 1024)

static struct buf	 out;

static const char *
text(void)
{
	return out.len == 0 ? "" : (const char *)out.data;
}

static const char *
escape(const char *s)
{
	buf_free(&out);
	buf_init(&out, TEXT_MAX);
	buf_put(&out, "x ", 2);		/* not at the beginning of a line */
	text_escape(&out, s, strlen(s));
	return text() + 2;
}

static const char *
code(const char *s)
{
	buf_free(&out);
	buf_init(&out, TEXT_MAX);
	text_code(&out, s, strlen(s));
	return text();
}

static const char *
fence(const char *s, size_t max)
{
	buf_free(&out);
	buf_init(&out, TEXT_MAX);
	(void)text_fence(&out, s, strlen(s), max);
	return text();
}

TEST(the_seeds_five)
{
	CHECK_STR(escape("plain text 1.5 (a) {b} $x"),
	    "plain text 1.5 (a) {b} $x");
	CHECK_STR(escape("_*`~|"), "\\_\\*\\`\\~" ZWSP "\\|");
	CHECK_STR(escape("**bold** _it_ ~~no~~"),
	    "\\*\\*bold\\*\\* \\_it\\_ \\~" ZWSP "\\~" ZWSP "no\\~" ZWSP
	    "\\~" ZWSP);
	/* a backslash in front must not undo ours */
	CHECK_STR(escape("\\*x\\*"), "\\\\\\*x\\\\\\*");
	CHECK_STR(escape("a\\"), "a\\\\");
}

TEST(links_and_images)
{
	CHECK_STR(escape("[a](http://b/c.png)"),
	    "\\[a](http" ZWSP "://b/c.png)");
	CHECK_STR(escape("![a](b)"), "!" ZWSP "\\[a](b)");
	CHECK_STR(escape("www.evil.org www2.evil.org aww.x"),
	    "www" ZWSP ".evil.org www2" ZWSP ".evil.org aww.x");
	CHECK_STR(escape("WWW.evil.org"), "WWW" ZWSP ".evil.org");
	CHECK_STR(escape("ftp://x ssh://y"),
	    "ftp" ZWSP "://x ssh" ZWSP "://y");
	CHECK_STR(escape("a:b//c"), "a:b//c");
}

TEST(names_that_the_server_finds)
{
	CHECK_STR(escape("~town-square"), "\\~" ZWSP "town-square");
	CHECK_STR(escape("#tag #1 # x"),
	    "#" ZWSP "tag #" ZWSP "1 # x");
	CHECK_STR(escape("&#64;all &commat;all a & b"),
	    "&" ZWSP "#" ZWSP "64;all &" ZWSP "commat;all a & b");
	CHECK_STR(escape("a@b.c"), "a@" ZWSP "b.c");
}

TEST(controls_and_bad_utf8)
{
	CHECK_STR(escape("a\nb\tc\r\x1b[1m\x7f"), "a b c  \\[1m ");
	CHECK_STR(escape("a\xff\xc3\xa9"), "a\xef\xbf\xbd\xc3\xa9");
	CHECK_STR(escape("\xc2\x9b"), " ");
}

TEST(blocks_do_not_begin)
{
	static const char *const	 in[] = {
		"# a", "> a", "- a", "+ a", "1. a", "12) a", "=== a", "  # a"
	};
	static const char *const	 want[] = {
		"\\# a", "\\> a", "\\- a", "\\+ a", "1\\. a", "12\\) a",
		"\\=== a", "  \\# a"
	};
	size_t				 i;

	for (i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		buf_free(&out);
		buf_init(&out, TEXT_MAX);
		text_escape(&out, in[i], strlen(in[i]));
		CHECK_STR(text(), want[i]);
	}
	CHECK_STR(escape("1.5 - x"), "1.5 - x");
}

TEST(inline_code)
{
	CHECK_STR(code("a"), "`a`");
	CHECK_STR(code("a`b"), "``a`b``");
	CHECK_STR(code("`a``"), "``` `a`` ```");
	CHECK_STR(code("`"), "`` ` ``");
	CHECK_STR(code(""), "` `");
	CHECK_STR(code("a\nb"), "`a b`");
	CHECK_STR(code(" a "), "`  a  `");
	CHECK_STR(code("@all"), "`@all`");
	/* two spans side by side stay two */
	text_code(&out, "b", 1);
	CHECK_STR(text(), "`@all` `b`");
}

TEST(fences)
{
	CHECK_STR(fence("a", 10), "```\na\n```\n");
	CHECK_STR(fence("a\n", 10), "```\na\n```\n");
	CHECK_STR(fence("", 10), "```\n```\n");
	CHECK_STR(fence("```\n@all", 100), "````\n```\n@all\n````\n");
	CHECK_STR(fence("a\r\x1b" "b\tc\x7f", 10), "```\na  b\tc \n```\n");
	CHECK_STR(fence("a\xff", 10), "```\na\xef\xbf\xbd\n```\n");
	buf_free(&out);
	buf_init(&out, TEXT_MAX);
	buf_put(&out, "x", 1);
	CHECK_INT(text_fence(&out, "a", 1, 10), 0);
	CHECK_STR(text(), "x\n```\na\n```\n");
}

TEST(fences_cut_by_characters)
{
	char	 s[4100];

	CHECK_STR(fence("abc", 3), "```\nabc\n```\n");
	CHECK_STR(fence("abcd", 3), "```\nabc\n... (truncated)\n```\n");
	CHECK_STR(fence("\xe2\x82\xac\xe2\x82\xac", 1),
	    "```\n\xe2\x82\xac\n... (truncated)\n```\n");
	/* what was cut away needs no longer fence */
	CHECK_STR(fence("ab````", 2), "```\nab\n... (truncated)\n```\n");
	memset(s, 'x', sizeof(s) - 1);
	s[sizeof(s) - 1] = '\0';
	buf_free(&out);
	buf_init(&out, TEXT_MAX);
	CHECK_INT(text_fence(&out, s, strlen(s), 4000), 1);
	CHECK_INT(out.len, 4 + 4000 + strlen("\n... (truncated)") + 5);
}

/*
 * What was seen to notify everybody, on 5.38 and 11.6, in prose; and what
 * was seen not to, which must not start to.
 */
static const char *const	 pinging[] = {
	"@all", "@ALL!", "(@all)", "@all.", "@all's", "\\@all", "*@all*",
	"**@all**", "_@all_", "> @all", "- @all", "# @all", "| @all |",
	"[@all](u)", "![@all](u)", "<b>@all</b>", "<!-- @all -->", "x.@all",
	"x-@all", "x:@all", "`@all", "\\`@all`", "&#64;all", "&#x40;all",
	"&commat;all", "$@all$", "$$@all$$", "```a`b\n@all\n```",
	"    ```\n@all\n    ```", "text\n    @all", "`@all`", "``a ` @all``",
	"```\n@all\n```", "~~~\n@all\n~~~", "    @all", "foo@all", "@allx",
	"http://h/@all", ":@all:", "@here", "@channel", "@bob.smith",
	("@" "\xc3\xa9"), "a@b@c", "@@all", "@_x", "@-x"
};

/* The server's rule, made stricter: an @ and something that can be a name. */
static int
has_mention(const char *s)
{
	for (; (s = strchr(s, '@')) != NULL; s++)
		if (strncmp(s + 1, ZWSP, 3) != 0)
			return 1;
	return strstr(text(), "&#") != NULL || strstr(text(), "&c") != NULL;
}

TEST(no_mention_survives_escaping)
{
	size_t	 i;

	for (i = 0; i < sizeof(pinging) / sizeof(pinging[0]); i++)
		CHECK(!has_mention(escape(pinging[i])));
}

static size_t
run(const char *s, char c)
{
	size_t	 n = 0;

	while (s[n] == c)
		n++;
	return n;
}

/*
 * Reads a post that is one fenced block, as CommonMark 4.5 has it: 1 when
 * the first line opens it and only the last closes it.
 */
static int
is_one_block(const char *s)
{
	const char	*end, *p;
	size_t		 open, n;

	if ((open = run(s, '`')) < 3 || s[open] != '\n')
		return 0;
	for (s += open + 1; *s != '\0'; s = end + 1) {
		if ((end = strchr(s, '\n')) == NULL)
			return 0;
		for (p = s; p < s + 3 && *p == ' '; p++)
			continue;
		n = run(p, '`');
		for (p += n; *p == ' ' || *p == '\t'; p++)
			continue;
		if (n >= open && p == end)
			return end[1] == '\0';
	}
	return 0;
}

TEST(no_text_ends_its_fence)
{
	static const char	 letters[] = "``````~ \n\t@a\r";
	char			 s[200];
	size_t			 i, len, round;

	for (i = 0; i < sizeof(pinging) / sizeof(pinging[0]); i++)
		CHECK(is_one_block(fence(pinging[i], 100)));
	for (round = 0; round < 20000; round++) {
		len = test_random() % (sizeof(s) - 1);
		for (i = 0; i < len; i++)
			s[i] = letters[test_random() % (sizeof(letters) - 1)];
		s[len] = '\0';
		CHECK(is_one_block(fence(s, test_random() % 220)));
	}
}

/* One span from the first byte to the last (CommonMark 6.1). */
static int
is_one_span(const char *s)
{
	size_t	 n, open;

	open = run(s, '`');
	for (s += open; *s != '\0'; s += n) {
		n = run(s, '`');
		if (n == open)
			return s[n] == '\0';
		if (n == 0)
			n = 1;
	}
	return 0;
}

TEST(no_text_ends_its_span)
{
	static const char	 letters[] = "``` \n@a\\";
	char			 s[40];
	size_t			 i, len, round;

	for (i = 0; i < sizeof(pinging) / sizeof(pinging[0]); i++)
		CHECK(is_one_span(code(pinging[i])));
	for (round = 0; round < 20000; round++) {
		len = test_random() % (sizeof(s) - 1);
		for (i = 0; i < len; i++)
			s[i] = letters[test_random() % (sizeof(letters) - 1)];
		s[len] = '\0';
		CHECK(is_one_span(code(s)));
	}
}

/* Take the escapes out again: the reader sees what was there. */
static void
unescape(char *dst, const char *s)
{
	for (; *s != '\0'; s++) {
		if (strncmp(s, ZWSP, 3) == 0) {
			s += 2;
			continue;
		}
		if (*s == '\\' && s[1] != '\0')
			s++;
		*dst++ = *s;
	}
	*dst = '\0';
}

TEST(escaped_text_reads_the_same)
{
	static const char	 letters[] = "_*`~|\\[]()!@#&:/.w1a -+>";
	char			 s[64], back[512];
	const char		*e;
	size_t			 i, len, round;

	for (round = 0; round < 20000; round++) {
		len = test_random() % (sizeof(s) - 1);
		for (i = 0; i < len; i++)
			s[i] = letters[test_random() % (sizeof(letters) - 1)];
		s[len] = '\0';
		e = escape(s);
		unescape(back, e);
		CHECK_STR(back, s);
		CHECK(!has_mention(e));
		CHECK(strstr(e, "://") == NULL || strstr(e, ZWSP "://") !=
		    NULL);
	}
}

TEST(json_strings)
{
	static const struct {
		const char	*in;
		const char	*want;
	} cases[] = {
		{ "", "" },
		{ "abc /", "abc /" },
		{ "\"\\\b\f\n\r\t", "\\\"\\\\\\b\\f\\n\\r\\t" },
		{ "\x01\x1f\x7f\x0b", "\\u0001\\u001f\\u007f\\u000b" },
		{ "\xc3\xa9\xf0\x9f\x9a\x80", "\xc3\xa9\xf0\x9f\x9a\x80" },
		{ "\xc2\x80\xe2\x80\xa8", "\xc2\x80\xe2\x80\xa8" },
		{ "a\xff" "b\xe2\x82", "a\xef\xbf\xbd" "b\xef\xbf\xbd"
		    "\xef\xbf\xbd" },
		{ "<>&'", "<>&'" }
	};
	size_t	 i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_free(&out);
		buf_init(&out, TEXT_MAX);
		text_json_string(&out, cases[i].in, strlen(cases[i].in));
		CHECK_STR(text(), cases[i].want);
	}
	buf_free(&out);
	buf_init(&out, TEXT_MAX);
	text_json_string(&out, "a\0b", 3);
	CHECK_STR(text(), "a\xef\xbf\xbd" "b");
}
