/*
 * Foreign text in a post.  What Mattermost makes of a text is not only its
 * Markdown (CommonMark with changes): mentions, channel links, hashtags and
 * bare links are found in the text by rules of their own, for which a
 * backslash is no obstacle.  An invisible U+200B in the right place is.
 */
#include <string.h>

#include "compat.h"
#include "text.h"

#define ZWSP		"\xe2\x80\x8b"
#define REPLACEMENT	"\xef\xbf\xbd"
#define TRUNCATED	"\n... (truncated)"
#define FENCE_MIN	3

static void
put(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

static void
put_repeated(struct buf *b, char c, size_t n)
{
	while (n-- > 0)
		buf_put(b, &c, 1);
}

/*
 * One character of foreign text: as it is, a control as a blank (left out,
 * it would join the backticks on its sides), invalid UTF-8 as U+FFFD.
 * Returns the bytes that it took from the text.
 */
static size_t
put_character(struct buf *b, const char *text, size_t len)
{
	uint32_t	 cp;
	size_t		 n;

	if ((n = utf8_next(text, len, &cp)) == 0) {
		put(b, REPLACEMENT);
		return 1;
	}
	if (cp < ' ' || (cp >= 0x7f && cp <= 0x9f))
		put(b, " ");
	else
		buf_put(b, text, n);
	return n;
}

/* The longest run of that character. */
static size_t
longest_run(const char *text, size_t len, char c)
{
	size_t	 i, run = 0, best = 0;

	for (i = 0; i < len; i++) {
		run = text[i] == c ? run + 1 : 0;
		if (run > best)
			best = run;
	}
	return best;
}

static int
last_byte(const struct buf *b)
{
	return b->len == 0 ? '\n' : b->data[b->len - 1];
}

/*
 * CommonMark 4.5: a fence ends at a line that has at least as many
 * backticks.  No info string: it could hold a backtick, or ask for LaTeX.
 */
int
text_fence(struct buf *b, const char *text, size_t len, size_t max_runes)
{
	size_t	 fence, i, keep;

	keep = utf8_cut(text, len, max_runes);
	fence = longest_run(text, keep, '`') + 1;
	if (fence < FENCE_MIN)
		fence = FENCE_MIN;
	if (last_byte(b) != '\n')
		put(b, "\n");
	put_repeated(b, '`', fence);
	put(b, "\n");
	for (i = 0; i < keep; )
		if (text[i] == '\n' || text[i] == '\t')
			buf_put(b, text + i++, 1);
		else
			i += put_character(b, text + i, keep - i);
	if (keep < len)
		put(b, TRUNCATED);
	if (last_byte(b) != '\n')
		put(b, "\n");
	put_repeated(b, '`', fence);
	put(b, "\n");
	return keep < len;
}

static int
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    ((unsigned char)c & 0x80) != 0;
}

static int
starts_with(const char *text, size_t len, const char *what)
{
	return len >= strlen(what) && memcmp(text, what, strlen(what)) == 0;
}

/*
 * A bare link has "://" or begins with "www."; the server would fetch it
 * for a preview and the reader's client would show an image.
 */
static int
is_link(const char *text, size_t len, size_t i)
{
	size_t	 n;

	if (starts_with(text + i, len - i, "://"))
		return 1;
	if (text[i] != '.')
		return 0;
	for (n = 0; n < 3 && i > n && is_digit(text[i - n - 1]); n++)
		continue;
	i -= n;
	return i >= 3 && (text[i - 1] | 0x20) == 'w' &&
	    (text[i - 2] | 0x20) == 'w' && (text[i - 3] | 0x20) == 'w';
}

/* A character that begins a block where a line begins: CommonMark 4, 5. */
static int
starts_block(const char *text, size_t len, size_t i)
{
	size_t	 n;

	if (strchr("#>-+=", text[i]) != NULL)
		return 1;
	if (text[i] != '.' && text[i] != ')')
		return 0;
	for (n = i; n > 0 && is_digit(text[n - 1]); n--)
		continue;
	return n < i && (n == 0 || text[n - 1] == ' ') &&
	    (i + 1 == len || text[i + 1] == ' ');
}

/* What goes before and after the character at i. */
static void
escapes(const char *text, size_t len, size_t i, int line_start,
    const char **before, const char **after)
{
	char	 c = text[i], next;

	next = i + 1 < len ? text[i + 1] : '\0';
	*before = *after = "";
	if (c != '\0' && strchr("_*`~|\\[", c) != NULL)
		*before = "\\";
	else if (c != '\0' && line_start && starts_block(text, len, i))
		*before = "\\";
	if (is_link(text, len, i))
		*before = ZWSP;
	if (c == '@' || c == '~' ||
	    (c == '#' && (is_letter(next) || is_digit(next))) ||
	    (c == '&' && (next == '#' || is_letter(next))) ||
	    (c == '!' && next == '['))
		*after = ZWSP;
}

void
text_escape(struct buf *b, const char *text, size_t len)
{
	const char	*before, *after;
	size_t		 i, n;
	int		 line_start;

	line_start = last_byte(b) == '\n';
	for (i = 0; i < len; i += n) {
		escapes(text, len, i, line_start, &before, &after);
		put(b, before);
		n = put_character(b, text + i, len - i);
		put(b, after);
		/* A list's number is before its dot. */
		if (text[i] != ' ' && !is_digit(text[i]))
			line_start = 0;
	}
}

/*
 * CommonMark 6.1: a code span ends at a run of backticks of exactly the
 * length of its beginning; one blank on either side is taken off again.
 */
void
text_code(struct buf *b, const char *text, size_t len)
{
	size_t	 i, run;
	int	 pad;

	run = longest_run(text, len, '`') + 1;
	pad = len == 0 || text[0] == '`' || text[len - 1] == '`' ||
	    text[0] == ' ' || text[len - 1] == ' ';
	/* Two runs of backticks side by side would be one. */
	if (last_byte(b) == '`')
		put(b, " ");
	put_repeated(b, '`', run);
	if (pad)
		put(b, " ");
	for (i = 0; i < len; )
		i += put_character(b, text + i, len - i);
	if (pad && len > 0)
		put(b, " ");
	put_repeated(b, '`', run);
}

/*
 * The audit log's one spelling of a string: seven short escapes, other
 * controls and DEL as \u00xx in lower case, everything else as it is.
 */
void
text_json_string(struct buf *b, const char *text, size_t len)
{
	static const char	 plain[] = "\"\\\b\f\n\r\t";
	static const char	 letters[] = "\"\\bfnrt";
	const char		*p;
	size_t			 i, n;

	for (i = 0; i < len; i += n) {
		n = 1;
		if (text[i] == '\0')	/* no reader takes \u0000 */
			put(b, REPLACEMENT);
		else if ((p = strchr(plain, text[i])) != NULL) {
			put(b, "\\");
			buf_put(b, letters + (p - plain), 1);
		} else if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			buf_printf(b, "\\u%04x", (unsigned int)text[i]);
		else if ((n = utf8_valid(text + i,
		    len - i < 4 ? len - i : 4)) > 0) {
			/* One character: the valid prefix may hold more. */
			n = utf8_cut(text + i, n, 1);
			buf_put(b, text + i, n);
		} else {
			put(b, REPLACEMENT);
			n = 1;
		}
	}
}
