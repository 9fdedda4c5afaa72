/*
 * A command as somebody typed it: what may not be in it, and its words.
 * What a reader of the channel cannot see must not decide what runs, so
 * such characters are refused by name and never stripped.
 */
#include <sys/types.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "compat.h"
#include "text.h"

#define DISTANCE_MAX	64	/* longer names have no near one */

/*
 * What is invisible, moves other text, or looks like a blank and is none.
 * In order.  Names as in the Unicode Character Database.
 */
static const struct hidden {
	uint32_t	 first;
	uint32_t	 last;
	const char	*name;
} hidden[] = {
	{ 0x0000, 0x0000, "NULL" },
	{ 0x0001, 0x0008, "CONTROL CHARACTER" },
	{ 0x0009, 0x0009, "CHARACTER TABULATION" },
	{ 0x000a, 0x000a, "LINE FEED" },
	{ 0x000b, 0x000b, "LINE TABULATION" },
	{ 0x000c, 0x000c, "FORM FEED" },
	{ 0x000d, 0x000d, "CARRIAGE RETURN" },
	{ 0x000e, 0x001a, "CONTROL CHARACTER" },
	{ 0x001b, 0x001b, "ESCAPE" },
	{ 0x001c, 0x001f, "CONTROL CHARACTER" },
	{ 0x007f, 0x007f, "DELETE" },
	{ 0x0080, 0x0084, "CONTROL CHARACTER" },
	{ 0x0085, 0x0085, "NEXT LINE" },
	{ 0x0086, 0x009f, "CONTROL CHARACTER" },
	{ 0x00a0, 0x00a0, "NO-BREAK SPACE" },
	{ 0x00ad, 0x00ad, "SOFT HYPHEN" },
	{ 0x034f, 0x034f, "COMBINING GRAPHEME JOINER" },
	{ 0x061c, 0x061c, "ARABIC LETTER MARK" },
	{ 0x115f, 0x115f, "HANGUL CHOSEONG FILLER" },
	{ 0x1160, 0x1160, "HANGUL JUNGSEONG FILLER" },
	{ 0x1680, 0x1680, "OGHAM SPACE MARK" },
	{ 0x17b4, 0x17b5, "KHMER INHERENT VOWEL" },
	{ 0x180b, 0x180d, "MONGOLIAN FREE VARIATION SELECTOR" },
	{ 0x180e, 0x180e, "MONGOLIAN VOWEL SEPARATOR" },
	{ 0x180f, 0x180f, "MONGOLIAN FREE VARIATION SELECTOR FOUR" },
	{ 0x2000, 0x200a, "SPACE OF ANOTHER WIDTH" },
	{ 0x200b, 0x200b, "ZERO WIDTH SPACE" },
	{ 0x200c, 0x200c, "ZERO WIDTH NON-JOINER" },
	{ 0x200d, 0x200d, "ZERO WIDTH JOINER" },
	{ 0x200e, 0x200e, "LEFT-TO-RIGHT MARK" },
	{ 0x200f, 0x200f, "RIGHT-TO-LEFT MARK" },
	{ 0x2028, 0x2028, "LINE SEPARATOR" },
	{ 0x2029, 0x2029, "PARAGRAPH SEPARATOR" },
	{ 0x202a, 0x202a, "LEFT-TO-RIGHT EMBEDDING" },
	{ 0x202b, 0x202b, "RIGHT-TO-LEFT EMBEDDING" },
	{ 0x202c, 0x202c, "POP DIRECTIONAL FORMATTING" },
	{ 0x202d, 0x202d, "LEFT-TO-RIGHT OVERRIDE" },
	{ 0x202e, 0x202e, "RIGHT-TO-LEFT OVERRIDE" },
	{ 0x202f, 0x202f, "NARROW NO-BREAK SPACE" },
	{ 0x205f, 0x205f, "MEDIUM MATHEMATICAL SPACE" },
	{ 0x2060, 0x2060, "WORD JOINER" },
	{ 0x2061, 0x2064, "INVISIBLE OPERATOR" },
	{ 0x2065, 0x2065, "UNASSIGNED INVISIBLE CHARACTER" },
	{ 0x2066, 0x2066, "LEFT-TO-RIGHT ISOLATE" },
	{ 0x2067, 0x2067, "RIGHT-TO-LEFT ISOLATE" },
	{ 0x2068, 0x2068, "FIRST STRONG ISOLATE" },
	{ 0x2069, 0x2069, "POP DIRECTIONAL ISOLATE" },
	{ 0x206a, 0x206f, "DEPRECATED FORMAT CHARACTER" },
	{ 0x2800, 0x2800, "BRAILLE PATTERN BLANK" },
	{ 0x3000, 0x3000, "IDEOGRAPHIC SPACE" },
	{ 0x3164, 0x3164, "HANGUL FILLER" },
	{ 0xfdd0, 0xfdef, "NONCHARACTER" },
	{ 0xfe00, 0xfe0f, "VARIATION SELECTOR" },
	{ 0xfeff, 0xfeff, "ZERO WIDTH NO-BREAK SPACE" },
	{ 0xffa0, 0xffa0, "HALFWIDTH HANGUL FILLER" },
	{ 0xfff0, 0xfff8, "UNASSIGNED INVISIBLE CHARACTER" },
	{ 0xfff9, 0xfffb, "INTERLINEAR ANNOTATION CHARACTER" },
	{ 0xfffe, 0xffff, "NONCHARACTER" },
	{ 0x1bca0, 0x1bca3, "SHORTHAND FORMAT CHARACTER" },
	{ 0x1d173, 0x1d17a, "MUSICAL FORMAT CHARACTER" },
	{ 0xe0000, 0xe0fff, "TAG OR VARIATION SELECTOR" }
};

static const struct hidden *
hidden_find(uint32_t cp)
{
	size_t	 i;

	for (i = 0; i < nitems(hidden) && hidden[i].first <= cp; i++)
		if (cp <= hidden[i].last)
			return &hidden[i];
	return NULL;
}

size_t
text_hidden_span(const char *text)
{
	size_t		 n, pos = 0, len = strlen(text);
	uint32_t	 cp;

	/* ASCII's white space can be seen, and is what people type. */
	while ((n = utf8_next(text + pos, len - pos, &cp)) > 0 &&
	    hidden_find(cp) != NULL && strchr("\t\n\v\f\r",
	    text[pos]) == NULL)
		pos += n;
	return pos;
}

int
text_check_command(const char *text, size_t len, char *why, size_t whylen)
{
	const struct hidden	*h;
	size_t			 n, pos, count = 0;
	uint32_t		 cp;

	for (pos = 0; pos < len; pos += n) {
		count++;
		if ((n = utf8_next(text + pos, len - pos, &cp)) == 0) {
			(void)snprintf(why, whylen,
			    "invalid UTF-8 at character %zu", count);
			return -1;
		}
		if ((h = hidden_find(cp)) == NULL)
			continue;
		(void)snprintf(why, whylen, "U+%04X %s at character %zu",
		    (unsigned int)cp, h->name, count);
		return -1;
	}
	return 0;
}

static int
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * The word at pos, unquoted, into word (which has room for all of text).
 * Its length, or -1; *pos is then after it, or at the quote or backslash
 * that has no end.
 */
static ssize_t
split_word(const char *text, size_t len, size_t *pos, char *word)
{
	size_t	 i, n = 0, open = 0;
	char	 quote = '\0';

	for (i = *pos; i < len; i++) {
		if (quote == '\0' && is_blank(text[i]))
			break;
		if (quote == '\0' && (text[i] == '\'' || text[i] == '"')) {
			quote = text[i];
			open = i;
		} else if (quote != '\0' && text[i] == quote) {
			quote = '\0';
		} else if (text[i] == '\\' && quote != '\'') {
			if (i + 1 == len) {
				*pos = i;
				return -1;
			}
			word[n++] = text[++i];
		} else
			word[n++] = text[i];
	}
	*pos = quote == '\0' ? i : open;
	return quote == '\0' ? (ssize_t)n : -1;
}

int
text_split(const char *text, size_t len, struct words *words, char *why,
    size_t whylen)
{
	char	 word[COMMAND_SIZE];
	size_t	 pos = 0;
	ssize_t	 n;

	memset(words, 0, sizeof(*words));
	if (len >= sizeof(word)) {
		(void)snprintf(why, whylen, "longer than %d bytes",
		    COMMAND_SIZE - 1);
		return -1;
	}
	for (;;) {
		while (pos < len && is_blank(text[pos]))
			pos++;
		if (pos == len)
			return 0;
		if (words->n == WORDS_MAX) {
			(void)snprintf(why, whylen, "more than %d words",
			    WORDS_MAX);
			return -1;
		}
		if ((n = split_word(text, len, &pos, word)) == -1) {
			(void)snprintf(why, whylen, text[pos] == '\\' ?
			    "nothing follows the backslash at character %zu" :
			    "the quote at character %zu is not closed",
			    utf8_runes(text, pos) + 1);
			return -1;
		}
		if (memchr(word, '\0', (size_t)n) != NULL ||
		    words_add(words, word, (size_t)n) == -1) {
			(void)snprintf(why, whylen,
			    "word %u is not possible", words->n + 1U);
			return -1;
		}
	}
}

static size_t
min3(size_t a, size_t b, size_t c)
{
	if (b < a)
		a = b;
	return c < a ? c : a;
}

static int
same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment, three rows of the table at a time. */
size_t
text_distance(const char *a, const char *b, size_t limit)
{
	size_t	 rows[3][DISTANCE_MAX + 1];
	size_t	*cur = rows[0], *prev = rows[1], *prev2 = rows[2], *swap;
	size_t	 alen, blen, i, j;

	alen = strlen(a);
	blen = strlen(b);
	if (alen > DISTANCE_MAX || blen > DISTANCE_MAX)
		return limit + 1;
	for (j = 0; j <= blen; j++)
		cur[j] = j;
	for (i = 1; i <= alen; i++) {
		swap = prev2;
		prev2 = prev;
		prev = cur;
		cur = swap;
		cur[0] = i;
		for (j = 1; j <= blen; j++) {
			cur[j] = min3(prev[j] + 1, cur[j - 1] + 1,
			    prev[j - 1] + !same_letter(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 &&
			    same_letter(a[i - 1], b[j - 2]) &&
			    same_letter(a[i - 2], b[j - 1]))
				cur[j] = min3(cur[j], prev2[j - 2] + 1,
				    cur[j]);
		}
	}
	return cur[blen] <= limit ? cur[blen] : limit + 1;
}

/* The beginning of a name is as good as one edit; short words differ less. */
int
text_is_nearer(const char *typed, const char *name, size_t *best)
{
	size_t	 d, len, limit;

	len = strlen(typed);
	limit = len < 2 ? 0 : len < 4 ? 1 : 2;
	d = text_distance(typed, name, limit);
	if (d > limit && len >= 2 && strncasecmp(typed, name, len) == 0)
		d = 1;
	if (d > limit || d >= *best)
		return 0;
	*best = d;
	return 1;
}
