/* Commands as typed: UTF-8, what may not be in them, words, near names. */
#include "test.h"
#include "text.h"

TEST(utf8_next_decodes)
{
	static const struct {
		const char	*s;
		size_t		 n;
		uint32_t	 cp;
	} good[] = {
		{ "a", 1, 'a' },
		{ "\x7f", 1, 0x7f },
		{ "\xc2\x80", 2, 0x80 },
		{ "\xdf\xbf", 2, 0x7ff },
		{ "\xe0\xa0\x80", 3, 0x800 },
		{ "\xed\x9f\xbf", 3, 0xd7ff },
		{ "\xee\x80\x80", 3, 0xe000 },
		{ "\xef\xbf\xbf", 3, 0xffff },
		{ "\xf0\x90\x80\x80", 4, 0x10000 },
		{ "\xf4\x8f\xbf\xbf", 4, 0x10ffff }
	};
	static const char *const	 bad[] = {
		"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf",
		"\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80", "\xff", "\xc2", "\xe2\x82", "\xf0\x9f\x92"
	};
	uint32_t			 cp;
	size_t				 i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CHECK_INT(utf8_next(good[i].s, strlen(good[i].s), &cp),
		    good[i].n);
		CHECK_INT(cp, good[i].cp);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(utf8_next(bad[i], strlen(bad[i]), &cp), 0);
	CHECK_INT(utf8_next("", 0, &cp), 0);
}

TEST(utf8_partial_is_a_beginning)
{
	CHECK(utf8_is_partial("\xc2", 1));
	CHECK(utf8_is_partial("\xe2\x82", 2));
	CHECK(utf8_is_partial("\xf0\x9f\x92", 3));
	CHECK(utf8_is_partial("\xf4", 1));
	CHECK(!utf8_is_partial("a", 1));
	CHECK(!utf8_is_partial("\xff", 1));
	CHECK(!utf8_is_partial("\xe0\x80", 2));
	CHECK(!utf8_is_partial("\xed\xa0", 2));
	CHECK(!utf8_is_partial("\xf4\x90", 2));
	CHECK(!utf8_is_partial("", 0));
}

static const char *
refusal(const char *text, size_t len)
{
	static char	 why[128];

	why[0] = '\0';
	if (text_check_command(text, len, why, sizeof(why)) == 0)
		return "accepted";
	return why;
}

TEST(command_accepts_what_people_see)
{
	static const char *const	 good[] = {
		"", "!deploy service=api-server", "\xc3\xa9t\xc3\xa9",
		"\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x9a\x80",
		"!ban @x \"\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d\" 2h"
	};
	size_t				 i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK_STR(refusal(good[i], strlen(good[i])), "accepted");
}

TEST(command_refuses_by_name)
{
	static const struct {
		const char	*s;
		size_t		 len;
		const char	*why;
	} bad[] = {
		{ "a\0b", 3, "U+0000 NULL at character 2" },
		{ "a\tb", 3, "U+0009 CHARACTER TABULATION at character 2" },
		{ "ab\n", 3, "U+000A LINE FEED at character 3" },
		{ "\r", 1, "U+000D CARRIAGE RETURN at character 1" },
		{ "x\x1b[31m", 6, "U+001B ESCAPE at character 2" },
		{ "\x7f", 1, "U+007F DELETE at character 1" },
		{ "\xc2\x85", 2, "U+0085 NEXT LINE at character 1" },
		{ "\xc2\x9b", 2, "U+009B CONTROL CHARACTER at character 1" },
		{ "a\xc2\xa0", 3, "U+00A0 NO-BREAK SPACE at character 2" },
		{ "\xc2\xad", 2, "U+00AD SOFT HYPHEN at character 1" },
		{ "\xc3\xa9\xe2\x80\xae", 5,
		    "U+202E RIGHT-TO-LEFT OVERRIDE at character 2" },
		{ "\xe2\x81\xa6", 3,
		    "U+2066 LEFT-TO-RIGHT ISOLATE at character 1" },
		{ "\xe2\x80\x8b", 3,
		    "U+200B ZERO WIDTH SPACE at character 1" },
		{ "\xe2\x80\x8d", 3,
		    "U+200D ZERO WIDTH JOINER at character 1" },
		{ "\xe2\x80\xa8", 3, "U+2028 LINE SEPARATOR at character 1" },
		{ "\xef\xbb\xbf", 3,
		    "U+FEFF ZERO WIDTH NO-BREAK SPACE at character 1" },
		{ "\xef\xb8\x8f", 3,
		    "U+FE0F VARIATION SELECTOR at character 1" },
		{ "\xf3\xa0\x81\x81", 4,
		    "U+E0041 TAG OR VARIATION SELECTOR at character 1" },
		{ "ab\xff", 3, "invalid UTF-8 at character 3" },
		{ "\xe2\x80", 2, "invalid UTF-8 at character 1" }
	};
	size_t	 i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_STR(refusal(bad[i].s, bad[i].len), bad[i].why);
}

/* "a|b" for two words; the message in brackets for an error. */
static const char *
split(const char *text)
{
	static char	 out[64 * 1024];
	struct words	 w;
	char		 why[128];
	size_t		 i;

	if (text_split(text, strlen(text), &w, why, sizeof(why)) == -1) {
		(void)snprintf(out, sizeof(out), "(%s)", why);
		return out;
	}
	out[0] = '\0';
	for (i = 0; i < w.n; i++) {
		if (i > 0)
			(void)strlcat(out, "|", sizeof(out));
		(void)strlcat(out, words_get(&w, i), sizeof(out));
	}
	return out;
}

TEST(split_words)
{
	static const struct {
		const char	*text;
		const char	*words;
	} cases[] = {
		{ "", "" },
		{ "   ", "" },
		{ "a", "a" },
		{ " a  b\tc ", "a|b|c" },
		{ "'a b' c", "a b|c" },
		{ "\"a b\" c", "a b|c" },
		{ "a'b c'd", "ab cd" },
		{ "'a'\"b\"c", "abc" },
		{ "''", "" },
		{ "a '' b", "a||b" },
		{ "a\\ b", "a b" },
		{ "\\'a", "'a" },
		{ "\"a\\\"b\"", "a\"b" },
		{ "'a\\b'", "a\\b" },
		{ "'a\"b'", "a\"b" },
		{ "\"a'b\"", "a'b" },
		{ "\\\\", "\\" },
		{ "k=\"v w\"", "k=v w" },
		/* nothing is ever expanded */
		{ "$HOME `id` $(id) * ~ {a,b} !! #x > <",
		    "$HOME|`id`|$(id)|*|~|{a,b}|!!|#x|>|<" },
		{ "a;b&&c", "a;b&&c" },
		{ "\xc3\xa9 'b", "(the quote at character 3 is not closed)" },
		{ "a \"b", "(the quote at character 3 is not closed)" },
		{ "a \"b'", "(the quote at character 3 is not closed)" },
		{ "ab\\", "(nothing follows the backslash at character 3)" },
		{ "\"ab\\", "(nothing follows the backslash at character 4)" }
	};
	size_t	 i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_STR(split(cases[i].text), cases[i].words);
}

TEST(split_has_bounds)
{
	static char	 text[COMMAND_SIZE + 1];
	size_t		 i;

	for (i = 0; i < WORDS_MAX; i++) {
		text[2 * i] = 'a';
		text[2 * i + 1] = ' ';
	}
	text[2 * i] = '\0';
	CHECK(split(text)[0] == 'a');
	text[2 * i] = 'a';
	CHECK_STR(split(text), "(more than 64 words)");
	memset(text, 'x', COMMAND_SIZE - 1);
	text[COMMAND_SIZE - 1] = '\0';
	CHECK_INT(strlen(split(text)), COMMAND_SIZE - 1);
	text[COMMAND_SIZE - 1] = 'x';
	text[COMMAND_SIZE] = '\0';
	CHECK_STR(split(text), "(longer than 16384 bytes)");
}

/* Quote a word in one of the ways and get it back. */
static void
quote(struct buf *b, const char *word, int how)
{
	for (; *word != '\0'; word++)
		if (how == 0 && *word == '\'')
			buf_put(b, "'\\''", 4);
		else if (how == 1 && strchr("\"\\", *word) != NULL)
			buf_printf(b, "\\%c", *word);
		else if (how == 2 && strchr("'\"\\ \t", *word) != NULL)
			buf_printf(b, "\\%c", *word);
		else
			buf_put(b, word, 1);
}

TEST(split_undoes_quoting)
{
	static const char	 letters[] = "ab '\"\\$;|\t`";
	struct words		 w;
	struct buf		 b;
	char			 words[8][12], why[128];
	size_t			 i, n, round;
	int			 how;

	buf_init(&b, 4096);
	for (round = 0; round < 2000; round++) {
		buf_reset(&b);
		n = test_random() % 8;
		for (i = 0; i < n; i++) {
			size_t	 len = test_random() % 11, k;

			for (k = 0; k < len; k++)
				words[i][k] = letters[test_random() %
				    (sizeof(letters) - 1)];
			words[i][len] = '\0';
			how = (int)(test_random() % 3);
			if (how == 2 && len == 0)
				how = 0;
			buf_put(&b, "  ", test_random() % 2 + 1);
			if (how < 2)
				buf_put(&b, how == 0 ? "'" : "\"", 1);
			quote(&b, words[i], how);
			if (how < 2)
				buf_put(&b, how == 0 ? "'" : "\"", 1);
		}
		CHECK_INT(text_split((const char *)b.data, b.len, &w, why,
		    sizeof(why)), 0);
		CHECK_INT(w.n, n);
		for (i = 0; i < n && i < w.n; i++)
			CHECK_STR(words_get(&w, i), words[i]);
	}
	buf_free(&b);
}

TEST(distance)
{
	CHECK_INT(text_distance("deploy", "deploy", 2), 0);
	CHECK_INT(text_distance("Deploy", "deploy", 2), 0);
	CHECK_INT(text_distance("deplpy", "deploy", 2), 1);
	CHECK_INT(text_distance("depoly", "deploy", 2), 1);
	CHECK_INT(text_distance("deply", "deploy", 2), 1);
	CHECK_INT(text_distance("ddeploy", "deploy", 2), 1);
	CHECK_INT(text_distance("restart", "deploy", 2), 3);
	CHECK_INT(text_distance("", "ab", 2), 2);
	CHECK_INT(text_distance("", "", 2), 0);
	CHECK_INT(text_distance("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a", 2), 3);
}

TEST(nearer)
{
	size_t	 best = SIZE_MAX;

	CHECK(text_is_nearer("prod", "production", &best));
	CHECK(!text_is_nearer("prod", "staging", &best));
	best = SIZE_MAX;
	CHECK(text_is_nearer("depoy", "deploy", &best));
	CHECK_INT(best, 1);
	CHECK(!text_is_nearer("depoy", "employ", &best));
	best = SIZE_MAX;
	CHECK(!text_is_nearer("xyz", "abc", &best));
	CHECK(!text_is_nearer("x", "id", &best));
}
