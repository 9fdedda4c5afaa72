/* Script output made harmless, whatever pieces it comes in. */
#include "test.h"
#include "text.h"

#define OUT_MAX		(1024 * 1024)

static struct words	 secrets;

static void
set_secrets(const char *a, const char *b)
{
	memset(&secrets, 0, sizeof(secrets));
	if (a != NULL)
		(void)words_add(&secrets, a, strlen(a));
	if (b != NULL)
		(void)words_add(&secrets, b, strlen(b));
}

/* Feed in pieces that end at first and then every step bytes. */
static void
clean(struct buf *out, const char *s, size_t len, size_t first, size_t step,
    const struct words *w)
{
	struct cleaner	*c;
	uint64_t	 dropped = 0;
	size_t		 n, pos;

	buf_init(out, OUT_MAX);
	c = cleaner_new(w);
	CHECK(c != NULL);
	if (c == NULL)
		return;
	for (pos = 0, n = first; pos < len; pos += n, n = step) {
		if (n > len - pos)
			n = len - pos;
		cleaner_feed(c, s + pos, n, out, &dropped);
	}
	cleaner_finish(c, out, &dropped);
	cleaner_free(c);
	CHECK_INT(dropped, 0);
	CHECK_INT(buf_error(out), 0);
}

static const char *
text(const struct buf *b)
{
	return b->len == 0 ? "" : (const char *)b->data;
}

/* In one piece, byte by byte, and split at every place. */
static void
check(const char *in, size_t len, const char *want)
{
	struct buf	 b;
	size_t		 i;

	for (i = 0; i <= len; i++) {
		clean(&b, in, len, i, len, &secrets);
		CHECK_STR(text(&b), want);
		CHECK_INT(b.len, strlen(want));
		buf_free(&b);
	}
	clean(&b, in, len, 1, 1, &secrets);
	CHECK_STR(text(&b), want);
	buf_free(&b);
}

static void
check_str(const char *in, const char *want)
{
	check(in, strlen(in), want);
}

TEST(plain_text_stays)
{
	set_secrets(NULL, NULL);
	check_str("", "");
	check_str("hello\tworld\n", "hello\tworld\n");
	check_str("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\x80 \xd7\xa9",
	    "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\x80 \xd7\xa9");
}

TEST(line_ends)
{
	set_secrets(NULL, NULL);
	check_str("a\r\nb\rc\n\rd\r\r\ne\r", "a\nb\nc\n\nd\n\ne\n");
	check_str("\r", "\n");
	check_str("\r\n", "\n");
}

TEST(controls_go)
{
	char	 all[256], want[256];
	size_t	 i, n = 0;

	set_secrets(NULL, NULL);
	check("a\0b", 3, "ab");
	check_str("a\b\a\v\fb\x7f", "ab");
	check_str("a\xc2\x80\xc2\x85\xc2\x9c" "b", "ab");
	check_str("a\xe2\x80\xae" "b\xe2\x81\xa6" "c", "abc");
	/* Every byte below DEL but the escape. */
	for (i = 1; i < 0x7f; i++)
		if (i != 0x1b && i != '\r')
			all[n++] = (char)i;
	all[n] = '\0';
	for (n = 0, i = 1; i < 0x7f; i++)
		if (i == '\t' || i == '\n' || i >= ' ')
			want[n++] = (char)i;
	want[n] = '\0';
	check_str(all, want);
}

TEST(escape_sequences_go)
{
	static const struct {
		const char	*in;
		const char	*out;
	} cases[] = {
		{ "\x1b[31mred\x1b[0m", "red" },
		{ "\x1b[1;31;48;2;1;2;3mx\x1b[K", "x" },
		{ "\x1b[?25lx\x1b[?25h", "x" },
		{ "\x1b[38:2::1:2:3mx", "x" },
		{ "\x1b[ qx", "x" },
		{ "\x1b]0;title\x07x", "x" },
		{ "\x1b]0;title\x1b\\x", "x" },
		{ "\x1b]8;;http://evil/\x1b\\link\x1b]8;;\x1b\\", "link" },
		{ "\x1b]52;c;ZXZpbA==\x07x", "x" },
		{ "\x1bP1$r0m\x1b\\x", "x" },
		{ "\x1b^pm\x1b\\\x1b_apc\x1b\\\x1bXsos\x1b\\x", "x" },
		{ "\x1b" "7\x1b" "8\x1b=\x1b>\x1bMx\x1b" "c", "x" },
		{ "\x1b(B\x1b)0\x1b#8x\x1b%G", "x" },
		{ "\x1b Fx\x1b/Ay\x1b$)Cz", "xyz" },
		/* the same as C1 controls in UTF-8 */
		{ "\xc2\x9b" "31mred\xc2\x9b" "0m", "red" },
		{ "\xc2\x9d" "0;t\xc2\x9cx", "x" },
		{ "\xc2\x90q\xc2\x9cx\xc2\x98s\xc2\x9cy", "xy" },
		/* cut off */
		{ "a\x1b", "a" },
		{ "a\x1b[3", "a" },
		{ "a\x1b]0;t", "a" },
		/* broken: what is no part of a sequence is shown */
		{ "\x1b[31\nx", "\nx" },
		{ "\x1b[3\xc3\xa9", "\xc3\xa9" },
		{ "\x1b\x1b[31mx", "x" },
		{ "\x1b[\x1b[31mx", "x" },
		{ "\x1b]0;t\x1b[31mx", "x" },
		{ "\x1b]0;t\nx", "\nx" },
		{ "\x1b]0;t\x18x", "x" },
		{ "\x1b[3\x18x", "x" },
		{ "\x1b\xff", "\xef\xbf\xbd" }
	};
	size_t	 i;

	set_secrets(NULL, NULL);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_str(cases[i].in, cases[i].out);
}

/* A sequence without an end must not hide all that follows. */
TEST(endless_sequence_is_shown)
{
	static char	 s[20000];
	struct buf	 b;
	size_t		 kind;

	for (kind = 0; kind < 3; kind++) {
		memset(s, kind == 1 ? '0' : 'x', sizeof(s));
		memcpy(s, kind == 0 ? "\x1b]" : kind == 1 ? "\x1b[" :
		    "\x1bP", 2);
		clean(&b, s, sizeof(s), 100, 100, NULL);
		CHECK(b.len > sizeof(s) - 5000);
		buf_free(&b);
	}
}

TEST(invalid_utf8_is_replaced)
{
	static const struct {
		const char	*in;
		const char	*out;
	} cases[] = {
#define R "\xef\xbf\xbd"
		{ "a\xff" "b", "a" R "b" },
		{ "\x80", R },
		{ "\xc0\x80", R R },
		{ "\xc2", R },
		{ "\xc2" "a", R "a" },
		{ "\xe2\x82", R },
		{ "\xe2\x82z", R "z" },
		{ "\xe2\x82\xe2\x82\xac", R "\xe2\x82\xac" },
		{ "\xed\xa0\x80", R R R },
		{ "\xf0\x9f\x92", R },
		{ "\xf0\x9f\x92\n", R "\n" },
		{ "\xf0\x80\x80\x80", R R R R },
		{ "\xf4\x90\x80\x80", R R R R },
		{ "\xf5\x80", R R },
		/* the examples of Unicode, table 3-8 and on */
		{ "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41",
		    R R R R R R R R "A" },
		{ "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", R R R R "A" }
	};
	size_t	 i;

	set_secrets(NULL, NULL);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_str(cases[i].in, cases[i].out);
}

TEST(secrets_are_masked)
{
	set_secrets("hunter2", NULL);
	check_str("pw=hunter2.", "pw=***.");
	check_str("hunter2hunter2", "***");
	check_str("hunter2 hunter2", "*** ***");
	check_str("hunterhunter2", "hunter***");
	check_str("hunter", "hunter");
	check_str("h", "h");
	/* hidden between the letters: gone before the comparison */
	check_str("hun\x1b[31mter\x1b[0m2", "***");
	check_str("hun\0ter2", "hun");
	check("hun\0ter2", 8, "***");
	check_str("hu\bnter2", "***");
}

TEST(secrets_overlap)
{
	set_secrets("abc", "cde");
	check_str("xabcdex", "x***x");
	check_str("abcabccde", "***");
	set_secrets("aa", NULL);
	check_str("a", "a");
	check_str("aaa", "***");
	check_str("aaab", "***b");
	set_secrets("abab", "b");
	check_str("aba", "a***a");
	check_str("ababab", "***");
	set_secrets("p\xc3\xa4ss", "\xe2\x82\xac");
	check_str("ap\xc3\xa4ss\xe2\x82\xac\xc3\xa4", "a***\xc3\xa4");
}

TEST(secrets_are_cleaned_first)
{
	set_secrets("one\rtwo", "\x1b[1m");
	check_str("one\rtwo", "***");
	check_str("one\ntwo", "***");
	check_str("\x1b[1mx", "x");
	set_secrets("", NULL);
	check_str("abc", "abc");
}

TEST(nothing_undecided_is_held_back)
{
	struct cleaner	*c;
	struct buf	 b;
	uint64_t	 dropped = 0;

	set_secrets("hunter2", NULL);
	buf_init(&b, OUT_MAX);
	c = cleaner_new(&secrets);
	cleaner_feed(c, "step 1\n", 7, &b, &dropped);
	CHECK_STR(text(&b), "step 1\n");
	cleaner_feed(c, "hunt", 4, &b, &dropped);
	CHECK_STR(text(&b), "step 1\n");
	cleaner_feed(c, "ing", 3, &b, &dropped);
	CHECK_STR(text(&b), "step 1\nhunting");
	cleaner_finish(c, &b, &dropped);
	CHECK_STR(text(&b), "step 1\nhunting");
	cleaner_free(c);
	buf_free(&b);
}

/* More in one piece than is ever kept undecided. */
TEST(secrets_in_large_pieces)
{
	static char	 s[60000];
	struct buf	 b;
	size_t		 i, n = 0, stars = 0;

	set_secrets("hunter2", "\xe2\x82\xac-token");
	while (n + 64 < sizeof(s)) {
		memcpy(s + n, "hunter \xe2\x82\xac hunter2,", 18);
		n += 18;
		for (i = test_random() % 40; i > 0; i--)
			s[n++] = 'h';
	}
	clean(&b, s, n, n, n, &secrets);
	CHECK(strstr(text(&b), "hunter2") == NULL);
	for (i = 0; i + 3 <= b.len; i++)
		if (memcmp(text(&b) + i, "***", 3) == 0)
			stars++;
	for (i = 0; i + 7 <= n; i++)
		if (memcmp(s + i, "hunter2", 7) == 0)
			stars--;
	CHECK_INT(stars, 0);
	CHECK_INT(utf8_valid(text(&b), b.len), b.len);
	buf_free(&b);
}

TEST(what_does_not_fit_is_counted)
{
	struct cleaner	*c;
	struct buf	 b;
	uint64_t	 dropped = 0;

	buf_init(&b, 5);
	c = cleaner_new(NULL);
	cleaner_feed(c, "abcd\xe2\x82\xac" "ef", 9, &b, &dropped);
	/* no half character, and nothing behind a gap */
	CHECK_STR(text(&b), "abcd");
	CHECK_INT(dropped, 5);
	CHECK_INT(buf_error(&b), 0);
	/* exactly what there is room for */
	buf_reset(&b);
	cleaner_feed(c, "12345", 5, &b, &dropped);
	CHECK_STR(text(&b), "12345");
	CHECK_INT(dropped, 5);
	/* the owner took what was there: there is room again */
	buf_reset(&b);
	cleaner_feed(c, "xyz", 3, &b, &dropped);
	CHECK_STR(text(&b), "xyz");
	CHECK_INT(dropped, 5);
	cleaner_finish(c, &b, &dropped);
	cleaner_free(c);
	buf_free(&b);
}

static size_t
random_output(char *s, size_t max)
{
	static const char *const	 parts[] = {
		"\x1b[", "\x1b]", "\x1bP", "\x1b\\", "\x1b", "\x07", "\r",
		"\n", "\r\n", "31m", "abab", "aba", "\xc2\x9b", "\xe2\x82",
		"\xe2\x82\xac", "\xff", "\x18", "0;", "\xe2\x80\xae", "@all"
	};
	const char			*p;
	size_t				 n = 0;
	char				 c;

	while (n + 8 < max) {
		if (test_random() % 3 == 0) {
			c = (char)test_random();
			s[n++] = c;
			continue;
		}
		p = parts[test_random() % (sizeof(parts) / sizeof(parts[0]))];
		memcpy(s + n, p, strlen(p));
		n += strlen(p);
		if (test_random() % 40 == 0)
			break;
	}
	return n;
}

/* The slow and obvious way: mark everything that any secret covers. */
static void
mask_model(struct buf *out, const char *s, size_t len)
{
	char	 covered[2048];
	size_t	 i, k, n;

	memset(covered, 0, sizeof(covered));
	for (k = 0; k < secrets.n; k++) {
		n = strlen(words_get(&secrets, k));
		for (i = 0; i + n <= len; i++)
			if (memcmp(s + i, words_get(&secrets, k), n) == 0)
				memset(covered + i, 1, n);
	}
	buf_init(out, OUT_MAX);
	for (i = 0; i < len; i++)
		if (!covered[i])
			buf_put(out, s + i, 1);
		else if (i == 0 || !covered[i - 1])
			buf_put(out, "***", 3);
}

static void
check_harmless(const struct buf *b)
{
	const char	*s = text(b);
	uint32_t	 cp;
	size_t		 n, pos;

	for (pos = 0; pos < b->len; pos += n) {
		n = utf8_next(s + pos, b->len - pos, &cp);
		CHECK(n > 0);
		if (n == 0)
			return;
		CHECK(cp == '\n' || cp == '\t' || (cp >= ' ' && cp != 0x7f &&
		    !(cp >= 0x80 && cp <= 0x9f)));
	}
}

TEST(random_output_is_harmless_in_any_pieces)
{
	struct buf	 one, pieces, plain, model;
	char		 s[512];
	size_t		 len, round;

	set_secrets("abab", "a\xe2\x82\xac");
	for (round = 0; round < 3000; round++) {
		len = random_output(s, sizeof(s));
		clean(&one, s, len, len, len, &secrets);
		clean(&pieces, s, len, test_random() % (len + 1),
		    test_random() % 7 + 1, &secrets);
		clean(&plain, s, len, len, len, NULL);
		mask_model(&model, text(&plain), plain.len);
		CHECK_STR(text(&one), text(&model));
		CHECK_STR(text(&pieces), text(&model));
		CHECK(strstr(text(&one), "abab") == NULL);
		check_harmless(&one);
		buf_free(&one);
		buf_free(&pieces);
		buf_free(&plain);
		buf_free(&model);
	}
}
