/*
 * Logging.  One call is one line and one write(2), so that the lines of
 * several processes on one descriptor do not mix (pipe(7): PIPE_BUF).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "sys.h"

#define LOG_TEXT	2048	/* bytes of a message before escaping */
#define LOG_LINE	4096	/* PIPE_BUF */

static char	 log_procname[64] = "chatopsd";
static int	 log_is_verbose;

void
log_init(const char *procname, int verbose)
{
	(void)strlcpy(log_procname, procname, sizeof(log_procname));
	log_is_verbose = verbose;
}

int
log_verbose(void)
{
	return log_is_verbose;
}

/*
 * Everything but printable ASCII becomes \xNN and a backslash becomes two:
 * no line can pretend to be another one, and no terminal is steered.
 * Returns the bytes written, always with room left for a newline.
 */
static size_t
log_escape(char *out, size_t size, const char *in)
{
	static const char	 hex[] = "0123456789abcdef";
	unsigned char		 c;
	size_t			 n = 0;

	for (; (c = (unsigned char)*in) != '\0'; in++) {
		if (n + 4 + sizeof("...\n") > size) {
			memcpy(out + n, "...", 3);
			return n + 3;
		}
		if (c == '\\') {
			out[n++] = '\\';
			out[n++] = '\\';
		} else if (c < 0x20 || c > 0x7e) {
			out[n++] = '\\';
			out[n++] = 'x';
			out[n++] = hex[c >> 4];
			out[n++] = hex[c & 15];
		} else
			out[n++] = (char)c;
	}
	return n;
}

static void
log_line(const char *level, int code, const char *fmt, va_list ap)
	__attribute__((__format__(printf, 3, 0)));

static void
log_line(const char *level, int code, const char *fmt, va_list ap)
{
	char	 text[LOG_TEXT], line[LOG_LINE];
	int	 saved = errno, n;
	size_t	 len;

	n = snprintf(line, sizeof(line), "%s: %s", log_procname, level);
	if (n < 0)
		n = 0;
	len = (size_t)n;	/* both are short: no cut is possible */
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		(void)strlcpy(text, fmt, sizeof(text));
	if (code != 0) {
		(void)strlcat(text, ": ", sizeof(text));
		(void)strlcat(text, strerror(code), sizeof(text));
	}
	len += log_escape(line + len, sizeof(line) - len, text);
	line[len++] = '\n';
	/* Nobody is left to be told when this fails. */
	(void)sys_write_all(STDERR_FILENO, line, len);
	explicit_bzero(text, sizeof(text));
	errno = saved;
}

void
log_warn(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	log_line("", errno, fmt, ap);
	va_end(ap);
}

void
log_warnx(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	log_line("", 0, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	log_line("", 0, fmt, ap);
	va_end(ap);
}

void
log_debug(const char *fmt, ...)
{
	va_list	 ap;

	if (!log_is_verbose)
		return;
	va_start(ap, fmt);
	log_line("debug: ", 0, fmt, ap);
	va_end(ap);
}

void
fatal(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	log_line("fatal: ", errno, fmt, ap);
	va_end(ap);
	exit(1);
}

void
fatalx(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	log_line("fatal: ", 0, fmt, ap);
	va_end(ap);
	exit(1);
}
