/*
 * Whom a message mentions: the server's tokeniser on text without code.
 * What counts as code is CommonMark's: fences, indented blocks, spans.
 */
#include "mattermost.h"

#include <ctype.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

/* Length of a fence at the start of a line, 0 if there is none. */
static size_t
fence_length(const char *line, size_t len)
{
	size_t	 i = 0, n;

	while (i < len && line[i] == ' ')
		i++;
	if (i > 3 || i == len || (line[i] != '`' && line[i] != '~'))
		return 0;
	for (n = 0; i + n < len && line[i + n] == line[i]; n++)
		;
	if (n < 3)
		return 0;
	if (line[i] == '`' && memchr(line + i + n, '`', len - i - n) != NULL)
		return 0;
	return n;
}

static char
fence_char(const char *line)
{
	return line[strspn(line, " ")];
}

static int
is_blank(const char *line, size_t len)
{
	return strspn(line, " \t\r") >= len;
}

/* Blank out fenced and indented blocks, line by line. */
static void
drop_blocks(char *text)
{
	char	*line, fence = 0;
	size_t	 len, n, open = 0;
	int	 was_blank = 1, is_code;

	for (line = text; *line != '\0'; line += len) {
		len = strcspn(line, "\n");
		n = fence_length(line, len);
		is_code = 0;
		if (open > 0) {
			is_code = 1;
			if (n >= open && fence_char(line) == fence)
				open = 0;
		} else if (n > 0) {
			open = n;
			fence = fence_char(line);
			is_code = 1;
		} else if (was_blank && (*line == '\t' ||
		    strncmp(line, "    ", 4) == 0)) {
			is_code = 1;
		}
		if (open == 0 && !(is_code && n == 0))
			was_blank = is_blank(line, len);
		if (is_code)
			memset(line, ' ', len);
		if (line[len] == '\n')
			len++;
	}
}

/* Blank out spans: a run of backticks up to the next run as long. */
static void
drop_spans(char *text)
{
	char	*p = text, *q;
	size_t	 n, m;

	while (*p != '\0') {
		if (*p == '\\' && p[1] != '\0') {
			p += 2;
			continue;
		}
		if (*p != '`') {
			p++;
			continue;
		}
		n = strspn(p, "`");
		for (q = p + n; (q = strchr(q, '`')) != NULL; q += m)
			if ((m = strspn(q, "`")) == n)
				break;
		if (q == NULL) {
			p += n;
			continue;
		}
		memset(p, ' ', q + n - p);
		p = q + n;
	}
}

/* Blank out bare links: what is in an address is no mention. */
static void
drop_links(char *text)
{
	static const char *const starts[] = { "http://", "https://",
	    "ftp://", "mailto:", "www." };
	char	*p;
	size_t	 i;

	for (i = 0; i < nitems(starts); i++)
		for (p = text; (p = strcasestr(p, starts[i])) != NULL;)
			for (; *p != '\0' && strchr(" \t\r\n<>", *p) == NULL;
			    p++)
				*p = ' ';
}

static void
mention_add(json_t *out, const struct user *u)
{
	json_t	*v;
	size_t	 i;

	json_array_foreach(out, i, v)
		if (strcmp(json_string_value(v), u->id) == 0)
			return;
	json_array_append_new(out, json_string(u->id));
}

/* 1: the word is a mention (of somebody here or of all). */
static int
mention_word(const struct channel *c, const struct user *author,
    const char *word, json_t *out)
{
	struct member	*m;
	int		 here = strcasecmp(word, "@here") == 0;
	int		 found = here;

	if (here || strcasecmp(word, "@all") == 0 ||
	    strcasecmp(word, "@channel") == 0) {
		TAILQ_FOREACH(m, &c->members, entry)
			if (m->user != author && (!here ||
			    strcmp(m->user->status, "online") == 0))
				mention_add(out, m->user);
		return 1;
	}
	if (*word != '@')
		return 0;
	TAILQ_FOREACH(m, &c->members, entry) {
		if (strcasecmp(m->user->username, word + 1) != 0)
			continue;
		found = 1;
		if (m->user != author)
			mention_add(out, m->user);
	}
	return found;
}

static void
mention_token(const struct channel *c, const struct user *author, char *word,
    json_t *out)
{
	char	*part;
	size_t	 len = strlen(word);

	if (len >= 3 && word[0] == ':' && word[len - 1] == ':')
		return;
	word += strspn(word, ":.-_");
	if (mention_word(c, author, word, out))
		return;
	for (len = strlen(word); len > 0 && strchr(".-:_", word[len - 1]);) {
		word[--len] = '\0';
		if (mention_word(c, author, word, out))
			return;
	}
	while ((part = strsep(&word, ".-:")) != NULL)
		(void)mention_word(c, author, part, out);
}

/* NULL when nobody is; the author never is. */
json_t *
mention_find(const struct channel *c, const struct user *author,
    const char *message)
{
	struct member	*m;
	json_t		*out = json_array();
	char		*text, *p, *end, save;

	if (c->type == 'D')
		TAILQ_FOREACH(m, &c->members, entry)
			if (m->user != author)
				mention_add(out, m->user);
	if ((text = strdup(message)) == NULL)
		err(1, NULL);
	drop_blocks(text);
	drop_spans(text);
	drop_links(text);
	for (p = text; *p != '\0'; p = end) {
		for (end = p; *end != '\0' && (isalnum((uint8_t)*end) ||
		    strchr(":.-_@", *end) || (uint8_t)*end >= 0x80); end++)
			;
		if (end == p) {
			end++;
			continue;
		}
		save = *end;
		*end = '\0';
		mention_token(c, author, p, out);
		*end = save;
	}
	free(text);
	if (json_array_size(out) > 0)
		return out;
	json_decref(out);
	return NULL;
}
