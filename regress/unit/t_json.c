/* Strict JSON: bounds, places, messages. */
#include <sys/mman.h>

#include <fcntl.h>
#include <unistd.h>

#include "test.h"
#include "buf.h"
#include "json.h"
#include "json_in.h"
#include "text.h"

static struct json_error	 e;

static int
parse(struct json_file *jf, const char *text)
{
	memset(&e, 0, sizeof(e));
	return json_file_parse(jf, "f", text, strlen(text), &e);
}

TEST(depth)
{
	CHECK_INT(json_depth_check("", 0, 0), 0);
	CHECK_INT(json_depth_check("[[]]", 4, 2), 0);
	CHECK_INT(json_depth_check("[[]]", 4, 1), -1);
	CHECK_INT(json_depth_check("[],[],[]", 8, 1), 0);
	CHECK_INT(json_depth_check("\"[[[\"", 5, 0), 0);
	CHECK_INT(json_depth_check("\"\\\"[[[\"", 7, 0), 0);
	CHECK_INT(json_depth_check("\"\\\\\"[", 5, 0), -1);
	CHECK_INT(json_depth_check("]]]]{", 5, 1), 0);
	CHECK_INT(json_depth_check("\"\\", 2, 0), 0);
}

TEST(locate)
{
	static const char	 text[] =
	    "{\n  \"a\": 1,\n  \"b\": [ 10, {\"c.d\": true} ,\n\t[]],\n"
	    "  \"\\u00e9\\\"\": {\"x\": null, \"\": -1.5e3}, \"z\" : \"a\\\"]\""
	    ",\n \"\\ud83d\\ude80\": 0, \"\xc3\xa9\xc3\xa9\": 7}";
	static const struct {
		const char	*path;
		int		 line, column;
	} places[] = {
		{ "", 1, 1 },
		{ "a", 2, 8 },
		{ "b", 3, 8 },
		{ "b[0]", 3, 10 },
		{ "b[1]", 3, 14 },
		{ "b[1][\"c.d\"]", 3, 22 },
		{ "b[2]", 4, 2 },
		{ "[\"\xc3\xa9\\\"\"]", 5, 15 },
		{ "[\"\xc3\xa9\\\"\"].x", 5, 21 },
		{ "[\"\xc3\xa9\\\"\"][\"\"]", 5, 31 },
		{ "z", 5, 46 },
		{ "[\"\xf0\x9f\x9a\x80\"]", 6, 18 },
		{ "[\"\xc3\xa9\xc3\xa9\"]", 6, 27 }
	};
	static const char *const	 nowhere[] = {
		"c", "a.b", "a[0]", "b[3]", "b.x", "b[1].c", "[0]", "b[x]",
		"b[", "[\"a", "[\"a\"", "z[0]", "b[99999999999999999999]", "."
	};
	struct json_file		 jf;
	size_t				 i;
	int				 column, line;

	CHECK_INT(parse(&jf, text), 0);
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		line = column = 0;
		CHECK_INT(json_locate(&jf, places[i].path, &line, &column),
		    0);
		CHECK_INT(line, places[i].line);
		CHECK_INT(column, places[i].column);
	}
	for (i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++)
		CHECK_INT(json_locate(&jf, nowhere[i], &line, &column), -1);
	json_file_free(&jf);
}

TEST(syntax_errors_show_nothing_of_the_file)
{
	static const char *const	 bad[] = {
		"{\"token\": \"secretsecret\nx\"}",
		"{\"token\": \"secretsecret\" \"secretsecret\"}",
		"{\"token\": secretsecret}",
		"{\"secretsecret\": 1, \"secretsecret\": 2}",
		"[\"secretsecret\\u0000\"]",
		"[\"secretsecret\xff\"]",
		"[secretsecret", "[\"secretsecret", "[\"\\ud800secretsecret\"]"
	};
	struct json_file		 jf;
	char				 text[1024];
	size_t				 i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_INT(parse(&jf, bad[i]), -1);
		CHECK(jf.root == NULL && jf.text == NULL);
		json_error_format(&e, text, sizeof(text));
		CHECK(strstr(text, "secret") == NULL);
		CHECK(e.line == 1 && e.column > 0);
		CHECK(strncmp(text, "f:1:", 4) == 0);
	}
}

/* jansson overlooks a NUL behind a number or a literal. */
TEST(nul_is_refused_wherever_it_stands)
{
	static const char	 good[] = "{\"a\": [1, true, -2.5e3],\n"
				    " \"b\": {\"c\": null}}";
	char			 text[sizeof(good)];
	struct json_file	 jf;
	size_t			 i, len = sizeof(good) - 1;

	CHECK_INT(json_file_parse(&jf, "f", good, len, &e), 0);
	json_file_free(&jf);
	for (i = 0; i <= len; i++) {
		memcpy(text, good, i);
		text[i] = '\0';
		memcpy(text + i + 1, good + i, len - i);
		CHECK_INT(json_file_parse(&jf, "f", text, len + 1, &e), -1);
		CHECK_STR(e.text, "holds a NUL byte");
		CHECK_INT(e.line, i <= 24 ? 1 : 2);
		CHECK_INT(e.column, (i <= 24 ? i : i - 25) + 1);
	}
}

TEST(messages_are_one_clean_line)
{
	struct json_file	 jf;
	char			 text[1024];

	CHECK_INT(parse(&jf, "[1,\n [2]]"), 0);
	CHECK_INT(json_fail(&jf, &e, "[1][0]", "a\nb\x1b[1m\xff%s", "\x7f"),
	    -1);
	json_error_format(&e, text, sizeof(text));
	CHECK_STR(text, "f:2:3: [1][0]: a\\x0ab\\x1b[1m\\xff\\x7f");
	/* a path that is not there: the nearest value above it */
	(void)json_fail(&jf, &e, "[1][7].x", "b");
	json_error_format(&e, text, sizeof(text));
	CHECK_STR(text, "f:2:2: [1][7].x: b");
	(void)json_fail(&jf, &e, "", "c");
	json_error_format(&e, text, sizeof(text));
	CHECK_STR(text, "f:1:1: c");
	json_file_free(&jf);
}

TEST(bounds)
{
	struct json_file	 jf;
	char			*text;

	CHECK((text = malloc(JSON_CONF_MAX + 2)) != NULL);
	memset(text, ' ', JSON_CONF_MAX + 1);
	memcpy(text, "[]", 2);
	CHECK_INT(json_file_parse(&jf, "f", text, JSON_CONF_MAX, &e), 0);
	json_file_free(&jf);
	CHECK_INT(json_file_parse(&jf, "f", text, JSON_CONF_MAX + 1, &e), -1);
	CHECK_STR(e.text, "larger than 16 MiB");
	memset(text, '[', 100000);
	CHECK_INT(json_file_parse(&jf, "f", text, 100000, &e), -1);
	CHECK_STR(e.text, "nested more than 32 levels deep");
	free(text);
}

TEST(reading_starts_at_the_first_byte)
{
	static const char	 text[] = "{\"a\": [1]}\n";
	struct json_file	 jf;
	int			 fd, p[2];

	CHECK((fd = memfd_create("t", MFD_CLOEXEC)) != -1);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	CHECK_INT(json_file_read(&jf, "f", fd, &e), 0);
	CHECK_INT(json_object_size(jf.root), 1);
	json_file_free(&jf);
	CHECK_INT(json_file_read(&jf, "f", fd, &e), 0);
	json_file_free(&jf);
	(void)close(fd);

	CHECK_INT(pipe(p), 0);
	CHECK(write(p[1], text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(p[1]);
	CHECK_INT(json_file_read(&jf, "f", p[0], &e), 0);
	json_file_free(&jf);
	(void)close(p[0]);

	CHECK((fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1);
	CHECK_INT(json_file_read(&jf, "f", fd, &e), -1);
	CHECK_STR(e.text, "cannot be read: Is a directory");
	(void)close(fd);
}

/* Every value of a tree is found where its own text is. */
static void
check_tree(const struct json_file *jf, struct json_in *in, json_t *v)
{
	const char	*key, *p, *s;
	json_t		*x;
	size_t		 i;
	int		 column, line;

	CHECK_INT(json_locate(jf, in->path, &line, &column), 0);
	for (p = jf->text; line > 1; line--)
		p = strchr(p, '\n') + 1;
	for (; column > 1; column--)
		p += utf8_cut(p, strlen(p), 1);
	s = json_is_object(v) ? "{" : json_is_array(v) ? "[" :
	    json_is_string(v) ? "\"" : json_is_true(v) ? "true" : "-0123456789";
	CHECK(strchr(s, *p) != NULL);
	if (json_is_integer(v))
		CHECK_INT(strtoll(p, NULL, 10), json_integer_value(v));
	json_object_foreach(v, key, x) {
		json_enter(in, key);
		check_tree(jf, in, x);
		json_leave(in);
	}
	json_array_foreach(v, i, x) {
		json_enter_index(in, i);
		check_tree(jf, in, x);
		json_leave(in);
	}
}

static json_t *
random_tree(int depth)
{
	static const char *const	 names[] = {
		"a", "b", "a b", "a.b", "[0]", "]", "\"", "\\", "", "\n",
		"\xc3\xa9", "\xf0\x9f\x9a\x80", "$x", "\x7f"
	};
	json_t				*v;
	size_t				 i, n;

	switch (test_random() % (depth > 0 ? 5 : 3)) {
	case 0:
		return json_integer((json_int_t)(test_random() % 100000));
	case 1:
		return json_string(names[test_random() % 14]);
	case 2:
		return json_true();
	case 3:
		v = json_array();
		for (n = test_random() % 4, i = 0; i < n; i++)
			(void)json_array_append_new(v,
			    random_tree(depth - 1));
		return v;
	default:
		v = json_object();
		for (n = test_random() % 5, i = 0; i < n; i++)
			(void)json_object_set_new(v,
			    names[test_random() % 14], random_tree(depth - 1));
		return v;
	}
}

TEST(every_place_of_random_trees)
{
	static const size_t	 flags[] = {
		JSON_COMPACT, JSON_INDENT(1), JSON_INDENT(3) |
		    JSON_ENSURE_ASCII, JSON_ENSURE_ASCII
	};
	struct json_file	 jf;
	struct json_in		 in;
	json_t			*root, *v;
	char			*text;
	int			 round;

	for (round = 0; round < 300; round++) {
		root = json_array();
		v = random_tree(4);
		(void)json_array_append_new(root, v);
		text = json_dumps(root, flags[test_random() % 4]);
		json_decref(root);
		CHECK_INT(parse(&jf, text), 0);
		json_in_init(&in, &jf, &e);
		check_tree(&jf, &in, jf.root);
		json_file_free(&jf);
		free(text);
	}
}

/* Long and deep names must not run over the path. */
TEST(paths_are_bounded)
{
	struct json_file	 jf;
	struct json_in		 in;
	char			 name[2000];
	int			 i;

	CHECK_INT(parse(&jf, "{}"), 0);
	json_in_init(&in, &jf, &e);
	memset(name, '"', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (i = 0; i < 100; i++)
		json_enter(&in, i % 2 ? name : "x");
	CHECK(strlen(in.path) < sizeof(in.path));
	(void)json_bad(&in, "deep");
	CHECK_STR(e.text, "deep");
	for (i = 0; i < 100; i++)
		json_leave(&in);
	CHECK_STR(in.path, "");
	json_file_free(&jf);
}
