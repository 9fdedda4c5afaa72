/*
 * Rows of JSON as text: as one table, or as lists of names and values where
 * rows that have the same members follow each other as a table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "compat.h"
#include "ctl.h"
#include "json.h"
#include "monotime.h"
#include "text.h"

#define COLUMNS_MAX	32
#define COLUMN_WIDE	60	/* longer cells move the rest of the line */
#define CELL_SIZE	4096
#define ROW_DEPTH	8

void
ctl_escape(char *out, size_t size, const char *in)
{
	static const char	 hex[] = "0123456789abcdef";
	char			 why[128];
	unsigned char		 c;
	size_t			 n = 0, len = strlen(in);
	int			 is_clean;

	/* One rule for what people can see, the one for commands. */
	is_clean = text_check_command(in, len, why, sizeof(why)) == 0;
	for (; *in != '\0' && n + 5 <= size; in++) {
		c = (unsigned char)*in;
		if ((c >= 0x20 && c <= 0x7e) || (is_clean && c >= 0x80)) {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '\\';
		out[n++] = 'x';
		out[n++] = hex[c >> 4];
		out[n++] = hex[c & 15];
	}
	out[n] = '\0';
}

/* Columns on a terminal, near enough: code points. */
static int
width(const char *s)
{
	size_t	 len = utf8_valid(s, strlen(s));

	return (int)utf8_runes(s, len);
}

/* Members that hold milliseconds since 1970 are named by "…At". */
static int
is_time(const char *name)
{
	size_t	 n = strlen(name);

	return (n > 2 && strcmp(name + n - 2, "At") == 0) ||
	    strcmp(name, "until") == 0 || strcmp(name, "since") == 0;
}

static void
cell_text(const char *name, const json_t *v, char *out, size_t size)
{
	walltime_t	 t;
	char		*text;

	out[0] = '\0';
	if (json_is_null(v))
		return;
	if (json_is_string(v)) {
		ctl_escape(out, size, json_string_value(v));
		return;
	}
	if (json_is_integer(v) && is_time(name)) {
		t.ms = json_integer_value(v);
		if (t.ms != 0 && walltime_format(t, out, size) == 0)
			return;
	}
	if (json_is_boolean(v)) {
		(void)strlcpy(out, json_is_true(v) ? "yes" : "no", size);
		return;
	}
	text = json_dumps(v, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	if (text != NULL)
		(void)strlcpy(out, text, size);
	free(text);
}

static int
same_members(const json_t *a, const json_t *b)
{
	const char	*name;
	json_t		*v, *mutable_a;

	/* jansson's loop takes no const; nothing is changed. */
	memcpy(&mutable_a, &a, sizeof(a));
	if (b == NULL || json_object_size(a) != json_object_size(b))
		return 0;
	json_object_foreach(mutable_a, name, v)
		if (json_object_get(b, name) == NULL)
			return 0;
	return 1;
}

static void
print_list(json_t *row)
{
	const char	*name;
	char		 text[CELL_SIZE], label[256];
	json_t		*v;
	int		 most = 0;

	json_object_foreach(row, name, v) {
		ctl_escape(label, sizeof(label), name);
		if (width(label) > most)
			most = width(label);
	}
	json_object_foreach(row, name, v) {
		ctl_escape(label, sizeof(label), name);
		cell_text(name, v, text, sizeof(text));
		(void)printf("%s:%*s %s\n", label, most - width(label), "",
		    text);
	}
}

struct table {
	char	*names[COLUMNS_MAX];
	int	 widths[COLUMNS_MAX];
	size_t	 n;
};

static void
table_line(const struct table *t, json_t *row)
{
	char	 text[CELL_SIZE];
	size_t	 i;
	int	 pad;

	for (i = 0; i < t->n; i++) {
		if (row == NULL)
			ctl_escape(text, sizeof(text), t->names[i]);
		else
			cell_text(t->names[i], json_object_get(row,
			    t->names[i]), text, sizeof(text));
		pad = t->widths[i] - width(text);
		if (i + 1 == t->n)
			pad = 0;
		(void)printf("%s%s%*s", i == 0 ? "" : "  ", text,
		    pad > 0 ? pad : 0, "");
	}
	(void)printf("\n");
}

static void
table_column(struct table *t, const char *name)
{
	char	 text[CELL_SIZE];
	size_t	 i;

	for (i = 0; i < t->n; i++)
		if (strcmp(t->names[i], name) == 0)
			return;
	if (t->n == COLUMNS_MAX || (t->names[t->n] = strdup(name)) == NULL)
		return;
	ctl_escape(text, sizeof(text), name);
	t->widths[t->n++] = width(text);
}

static void
print_table(json_t **rows, size_t n)
{
	struct table	 t;
	const char	*name;
	char		 text[CELL_SIZE];
	size_t		 i, k;
	json_t		*v;

	memset(&t, 0, sizeof(t));
	/* Rows may lack members: all that there are, as they come. */
	for (k = 0; k < n; k++) {
		json_object_foreach(rows[k], name, v)
			table_column(&t, name);
	}
	for (k = 0; k < n; k++)
		for (i = 0; i < t.n; i++) {
			cell_text(t.names[i], json_object_get(rows[k],
			    t.names[i]), text, sizeof(text));
			if (width(text) > t.widths[i] &&
			    width(text) <= COLUMN_WIDE)
				t.widths[i] = width(text);
		}
	table_line(&t, NULL);
	for (k = 0; k < n; k++)
		table_line(&t, rows[k]);
	for (i = 0; i < t.n; i++)
		free(t.names[i]);
}

/* NULL for what is no flat enough JSON object. */
static json_t *
parse_row(const char *text)
{
	size_t	 len = strlen(text);
	json_t	*row;

	if (json_depth_check(text, len, ROW_DEPTH) == -1)
		return NULL;
	row = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (row != NULL && !json_is_object(row)) {
		json_decref(row);
		return NULL;
	}
	return row;
}

static void
print_json(json_t **rows, size_t n)
{
	char	*text;
	size_t	 i;

	for (i = 0; i < n; i++) {
		/* ASCII only: what reads it may be a terminal. */
		text = json_dumps(rows[i], JSON_COMPACT | JSON_ENSURE_ASCII);
		if (text != NULL)
			(void)puts(text);
		free(text);
	}
}

static void
print_blocks(json_t **rows, size_t n)
{
	size_t	 i, k;

	for (i = 0; i < n; i = k) {
		for (k = i + 1; k < n && same_members(rows[i], rows[k]); k++)
			continue;
		if (i > 0)
			(void)printf("\n");
		if (k - i == 1 && json_object_size(rows[i]) > 0)
			print_list(rows[i]);
		else
			print_table(rows + i, k - i);
	}
}

void
ctl_print(const struct ctl_answer *a, enum ctl_form form)
{
	json_t	**rows;
	size_t	  i, n = 0, bad = 0;

	if (a->n == 0 || (rows = calloc(a->n, sizeof(*rows))) == NULL)
		return;
	for (i = 0; i < a->n; i++) {
		if ((rows[n] = parse_row(a->rows[i])) == NULL)
			bad++;
		else
			n++;
	}
	if (form == CTL_JSON)
		print_json(rows, n);
	else if (form == CTL_TABLE && n > 0)
		print_table(rows, n);
	else
		print_blocks(rows, n);
	if (bad != 0)
		(void)fprintf(stderr, "chatopsctl: %zu rows of the answer "
		    "are not JSON objects and were left out\n", bad);
	for (i = 0; i < n; i++)
		json_decref(rows[i]);
	free(rows);
}
