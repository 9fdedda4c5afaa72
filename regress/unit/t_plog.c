/* Lines of foreign output on their way to the system log. */
#include <syslog.h>

#include "chatopsd/parent_log.h"
#include "test.h"

TEST(escape)
{
	char	 out[64], cut[10];

	plog_escape(out, sizeof(out), "plain \\ text", 12);
	CHECK_STR(out, "plain \\ text");
	plog_escape(out, sizeof(out), "a\033[31mb\r\0\177\xff", 10);
	CHECK_STR(out, "a\\x1b[31mb\\x0d\\x00\\x7f");
	plog_escape(out, sizeof(out), "\177\xff\xc3\xa4", 4);
	CHECK_STR(out, "\\x7f\\xff\\xc3\\xa4");
	/* Never half of an escape, always an end. */
	plog_escape(cut, sizeof(cut), "1234567\n", 8);
	CHECK_STR(cut, "123456");
	plog_escape(cut, sizeof(cut), "\n\n\n", 3);
	CHECK_STR(cut, "\\x0a\\x0a");
	plog_escape(cut, sizeof(cut), "", 0);
	CHECK_STR(cut, "");
}

TEST(severity)
{
	CHECK_INT(plog_severity("network: fatal: no"), LOG_ERR);
	CHECK_INT(plog_severity("chatopsd: parent: fatal: x"), LOG_ERR);
	CHECK_INT(plog_severity("audit: debug: x"), LOG_DEBUG);
	CHECK_INT(plog_severity("chatopsd: parent: WARNING: x"),
	    LOG_WARNING);
	CHECK_INT(plog_severity("executor: started"), LOG_NOTICE);
	CHECK_INT(plog_severity("fatal"), LOG_NOTICE);
	CHECK_INT(plog_severity(""), LOG_NOTICE);
	CHECK_INT(plog_severity(": : : fatal: "), LOG_ERR);
}
