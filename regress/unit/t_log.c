/* A line of the log is one line, whatever was put into it. */
#include <errno.h>

#include "child.h"
#include "text.h"

static void
log_everything(void *arg)
{
	static char	 big[10000];

	(void)arg;
	errno = ENOENT;
	log_warn("cannot open %s", "a\nfatal: b\r\x1b[2J\\\xe2\x80\xae");
	if (errno != ENOENT)
		_exit(5);
	log_warnx("one");
	log_info("two");
	log_debug("not shown");
	log_init("child: two", 1);
	if (!log_verbose())
		_exit(6);
	log_debug("shown");
	memset(big, '\n', sizeof(big) - 1);
	log_info("%s", big);
	errno = EACCES;
	fatal("at last");
}

static void
log_fatalx(void *arg)
{
	(void)arg;
	errno = EACCES;
	fatalx("no %d", 7);
}

TEST(log_lines)
{
	struct child	 c;
	char		*p, *end;
	size_t		 i;

	static const char *const	 want[] = {
	    ("child: cannot open a\\x0afatal: b\\x0d\\x1b[2J\\\\"
	    "\\xe2\\x80\\xae: No such file or directory"),
	    "child: one", "child: two", "child: two: debug: shown" };

	child_start(&c, log_everything, NULL, -1);
	CHECK_INT(child_end(&c), 1);
	p = c.text;
	for (i = 0; i < nitems(want); i++) {
		if ((end = strchr(p, '\n')) == NULL)
			break;
		*end = '\0';
		CHECK_STR(p, want[i]);
		p = end + 1;
	}
	CHECK_INT(i, nitems(want));
	/* The long one is cut, visibly, and ends. */
	CHECK(strlen(p) < LOG_MAX);
	child_start(&c, log_fatalx, NULL, -1);
	CHECK_INT(child_end(&c), 1);
	CHECK_STR(c.text, "child: fatal: no 7\n");
}

static void
log_long(void *arg)
{
	static char	 big[10000];

	memset(big, *(char *)arg, sizeof(big) - 1);
	log_info("%s", big);
	_exit(0);
}

/* At most PIPE_BUF bytes, so that two writers do not mix. */
TEST(log_long_lines_are_cut)
{
	static const char	 bytes[] = "a\n\\\xff";
	struct child		 c;
	char			 byte;
	size_t			 i, len;

	for (i = 0; i < sizeof(bytes) - 1; i++) {
		byte = bytes[i];
		child_start(&c, log_long, &byte, -1);
		CHECK_INT(child_end(&c), 0);
		len = strlen(c.text);
		CHECK(len > 2000 && len <= 4096);
		CHECK(strchr(c.text, '\n') == c.text + len - 1);
	}
}

TEST(utf8_and_ids)
{
	static const char	 mixed[] = "a\xc3\xa4\xe2\x82\xac"
				    "\xf0\x9f\x98\x80z";

	CHECK_INT(utf8_valid(mixed, 11), 11);
	CHECK_INT(utf8_valid(mixed, 9), 6);
	CHECK_INT(utf8_valid("ab\xff" "c", 4), 2);
	CHECK_INT(utf8_valid("a\0b", 3), 3);
	CHECK_INT(utf8_valid("", 0), 0);
	CHECK_INT(utf8_runes(mixed, 11), 5);
	CHECK_INT(utf8_cut(mixed, 11, 0), 0);
	CHECK_INT(utf8_cut(mixed, 11, 2), 3);
	CHECK_INT(utf8_cut(mixed, 11, 4), 10);
	CHECK_INT(utf8_cut(mixed, 11, 5), 11);
	CHECK_INT(utf8_cut(mixed, 11, 99), 11);
	CHECK_INT(text_is_id("abcdefghijklmnopqrstuvwxyz"), 1);
	CHECK_INT(text_is_id("01234567890123456789012345"), 1);
	CHECK_INT(text_is_id("0123456789012345678901234"), 0);
	CHECK_INT(text_is_id("012345678901234567890123456"), 0);
	CHECK_INT(text_is_id("0123456789012345678901234A"), 0);
	CHECK_INT(text_is_id(""), 0);
}
