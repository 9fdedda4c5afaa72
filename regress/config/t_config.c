/*
 * Both configuration files: every NN.in.json here gives exactly what NN.ok
 * says: "ok" and the warnings, or the error.  A last line "(not in the
 * schema)" is for t_schema.py.  bot-*: bot.config.json, script-*:
 * script-allowlist.json.
 */
#include <dirent.h>
#include <limits.h>
#include <unistd.h>

#include "test.h"
#include "allowlist.h"
#include "buf.h"
#include "conf.h"

#define CASES_MIN	120
#define FILE_MAX	(1024 * 1024)

static char	 folder[PATH_MAX];

static int
find_folder(void)
{
	ssize_t	 n;
	char	*slash;

	n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	if (n <= 0)
		return -1;
	folder[n] = '\0';
	if ((slash = strrchr(folder, '/')) == NULL)
		return -1;
	*slash = '\0';
	return 0;
}

static void
slurp(struct buf *b, const char *name, const char *ending)
{
	char	 path[PATH_MAX + 64], chunk[4096];
	FILE	*f;
	size_t	 n;

	buf_init(b, FILE_MAX);
	(void)snprintf(path, sizeof(path), "%s/%s%s", folder, name, ending);
	if ((f = fopen(path, "r")) == NULL) {
		fprintf(stderr, "%s: cannot be opened\n", path);
		test_bad++;
		return;
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_put(b, chunk, n);
	(void)fclose(f);
}

static int
read_allowlist(struct buf *got, const struct json_file *jf,
    struct json_error *e)
{
	struct allowlist	*list;
	size_t			 i;

	if (allowlist_parse(&list, jf, e) == -1) {
		CHECK(list == NULL);
		return -1;
	}
	buf_printf(got, "ok\n");
	for (i = 0; i < list->nwarnings; i++)
		buf_printf(got, "warning: %s\n", list->warnings[i]);
	allowlist_free(list);
	return 0;
}

/* What comes out must come in again, and come out the same. */
static void
check_round_trip(const struct conf *c)
{
	struct json_file	 jf;
	struct json_error	 e;
	struct conf		 again;
	char			*first, *second = NULL;

	CHECK((first = conf_dump(c)) != NULL);
	if (first == NULL)
		return;
	CHECK(c->token[0] == '\0' || strstr(first, c->token) == NULL);
	CHECK_INT(json_file_parse(&jf, "copy", first, strlen(first), &e), 0);
	CHECK_INT(conf_parse(&again, &jf, "/", &e), 0);
	CHECK((second = conf_dump(&again)) != NULL);
	CHECK_STR(second, first);
	json_file_free(&jf);
	free(first);
	free(second);
}

static int
read_conf(struct buf *got, const struct json_file *jf, struct json_error *e)
{
	struct conf	 c;

	if (conf_parse(&c, jf, "/etc/chatopsd", e) == -1)
		return -1;
	buf_printf(got, "ok\n");
	check_round_trip(&c);
	conf_wipe(&c);
	return 0;
}

static void
run_case(const char *name)
{
	struct json_file	 jf;
	struct json_error	 e;
	struct buf		 got, in, want;
	char			*note, text[2048];
	int			 is_bot, ret;

	is_bot = strncmp(name, "bot-", 4) == 0;
	slurp(&in, name, ".in.json");
	slurp(&want, name, ".ok");
	buf_init(&got, FILE_MAX);
	memset(&jf, 0, sizeof(jf));
	ret = json_file_parse(&jf, is_bot ? "bot.config.json" :
	    "script-allowlist.json", (const char *)in.data, in.len, &e);
	if (ret == 0)
		ret = is_bot ? read_conf(&got, &jf, &e) :
		    read_allowlist(&got, &jf, &e);
	if (ret == -1) {
		json_error_format(&e, text, sizeof(text));
		buf_printf(&got, "%s\n", text);
	}
	if (want.len > 0 && (note = strstr((char *)want.data,
	    "(not in the schema)\n")) != NULL)
		*note = '\0';
	if (want.len == 0 || strcmp((char *)got.data,
	    (char *)want.data) != 0) {
		fprintf(stderr, "%s: got\n%s", name, (char *)got.data);
		test_bad++;
	}
	json_file_free(&jf);
	buf_free(&in);
	buf_free(&want);
	buf_free(&got);
}

/* The examples of the packages are right, too. */
TEST(examples)
{
	static const char *const	 names[] = {
		"../../etc/bot.config", "../../etc/script-allowlist"
	};
	struct json_file		 jf;
	struct json_error		 e;
	struct buf			 got, in;
	size_t				 i;
	int				 ret;

	CHECK_INT(find_folder(), 0);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		slurp(&in, names[i], ".json");
		buf_init(&got, FILE_MAX);
		CHECK_INT(json_file_parse(&jf, names[i],
		    (const char *)in.data, in.len, &e), 0);
		ret = i == 0 ? read_conf(&got, &jf, &e) :
		    read_allowlist(&got, &jf, &e);
		CHECK_INT(ret, 0);
		json_file_free(&jf);
		buf_free(&in);
		buf_free(&got);
	}
}

TEST(every_case_gives_what_it_should)
{
	struct dirent	*d;
	DIR		*dir;
	char		 name[NAME_MAX + 1], *p;
	size_t		 n = 0;

	CHECK_INT(find_folder(), 0);
	CHECK((dir = opendir(folder)) != NULL);
	if (dir == NULL)
		return;
	json_init_secure();
	while ((d = readdir(dir)) != NULL) {
		(void)strlcpy(name, d->d_name, sizeof(name));
		if ((p = strstr(name, ".in.json")) == NULL)
			continue;
		*p = '\0';
		run_case(name);
		n++;
	}
	(void)closedir(dir);
	CHECK(n >= CASES_MIN);
}
