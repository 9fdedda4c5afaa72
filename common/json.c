/*
 * Strict JSON (RFC 8259) for configuration files: bounds before jansson
 * sees the text, no duplicate members, and errors that say what and where.
 */
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "compat.h"
#include "json.h"
#include "sys.h"
#include "text.h"

#define READ_CHUNK	(64 * 1024)

/* malloc_usable_size(3) is all that the allocator may have handed out. */
static void
free_zeroed(void *p)
{
	if (p != NULL)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

void
json_init_secure(void)
{
	json_set_alloc_funcs(malloc, free_zeroed);
	/* Here and now: later there may be no /dev/urandom to open. */
	json_object_seed(arc4random() | 1);
}

int
json_depth_check(const char *text, size_t len, int max_depth)
{
	size_t	 i;
	int	 depth = 0, in_string = 0;

	for (i = 0; i < len; i++) {
		if (in_string) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				in_string = 0;
			continue;
		}
		if (text[i] == '"')
			in_string = 1;
		else if (text[i] == '[' || text[i] == '{') {
			if (++depth > max_depth)
				return -1;
		} else if ((text[i] == ']' || text[i] == '}') && depth > 0)
			depth--;
	}
	return 0;
}

/* Into a message: always one line, always valid UTF-8. */
static void
error_copy(char *dst, size_t size, const char *src)
{
	char		 part[8];
	uint32_t	 cp;
	size_t		 len, n, used = 0;

	len = strlen(src);
	for (; len > 0; src += n, len -= n) {
		n = utf8_next(src, len, &cp);
		if (n == 0 || cp < ' ' || (cp >= 0x7f && cp <= 0x9f)) {
			(void)snprintf(part, sizeof(part), "\\x%02x",
			    (unsigned char)src[0]);
			n = 1;
		} else {
			memcpy(part, src, n);
			part[n] = '\0';
		}
		if (used + strlen(part) >= size)
			break;
		memcpy(dst + used, part, strlen(part));
		used += strlen(part);
	}
	dst[used] = '\0';
}

static int
fail_at(struct json_error *e, const char *name, int line, int column,
    const char *text)
{
	memset(e, 0, sizeof(*e));
	error_copy(e->file, sizeof(e->file), name);
	e->line = line > 0 ? line : 0;
	e->column = line <= 0 ? 0 : column > 0 ? column : 1;
	error_copy(e->text, sizeof(e->text), text);
	return -1;
}

/*
 * jansson quotes what stands near the error and names its own flags.  The
 * place is known, and what stands there may be a token: neither is shown.
 */
static int
fail_syntax(struct json_error *e, const char *name, const json_error_t *je)
{
	char	 text[sizeof(je->text)];
	char	*p;

	(void)strlcpy(text, je->text, sizeof(text));
	if ((p = strstr(text, " near '")) != NULL)
		*p = '\0';
	if ((p = strstr(text, " without JSON_ALLOW_NUL")) != NULL)
		*p = '\0';
	return fail_at(e, name, je->line, je->column, text);
}

/*
 * jansson overlooks a NUL behind a number or a literal, and whoever reads
 * the text again would not.
 */
static int
fail_nul(struct json_error *e, const char *name, const char *text,
    size_t at)
{
	size_t	 i, start = 0;
	int	 line = 1;

	for (i = 0; i < at; i++)
		if (text[i] == '\n') {
			line++;
			start = i + 1;
		}
	return fail_at(e, name, line,
	    (int)utf8_runes(text + start, at - start) + 1,
	    "holds a NUL byte");
}

int
json_file_parse(struct json_file *jf, const char *name, const char *text,
    size_t len, struct json_error *e)
{
	json_error_t	 je;
	const char	*nul;
	char		 why[128];

	memset(jf, 0, sizeof(*jf));
	if (len > JSON_CONF_MAX) {
		(void)snprintf(why, sizeof(why), "larger than %d MiB",
		    JSON_CONF_MAX / (1024 * 1024));
		return fail_at(e, name, 0, 0, why);
	}
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		return fail_at(e, name, 1, 1,
		    "begins with a byte order mark; save it without one");
	if (len > 0 && (nul = memchr(text, '\0', len)) != NULL)
		return fail_nul(e, name, text, (size_t)(nul - text));
	if (json_depth_check(text, len, JSON_DEPTH_MAX) == -1) {
		(void)snprintf(why, sizeof(why),
		    "nested more than %d levels deep", JSON_DEPTH_MAX);
		return fail_at(e, name, 0, 0, why);
	}
	if ((jf->name = strdup(name)) == NULL ||
	    (jf->text = malloc(len + 1)) == NULL) {
		json_file_free(jf);
		return fail_at(e, name, 0, 0, strerror(ENOMEM));
	}
	if (len > 0)		/* an empty file may have no buffer */
		memcpy(jf->text, text, len);
	jf->text[len] = '\0';
	jf->len = len;
	jf->root = json_loadb(jf->text, len, JSON_REJECT_DUPLICATES, &je);
	if (jf->root == NULL) {
		(void)fail_syntax(e, name, &je);
		json_file_free(jf);
		return -1;
	}
	return 0;
}

/*
 * From its first byte, whatever the descriptor's offset is: it may be shared
 * with somebody who read it before.  0 or -1 with errno.
 */
static int
read_all(int fd, char **text, size_t *len)
{
	char	*p;
	ssize_t	 n;
	int	 seekable = 1;

	*text = NULL;
	*len = 0;
	for (;;) {
		if ((p = recallocarray(*text, *len, *len + READ_CHUNK,
		    1)) == NULL)
			return -1;
		*text = p;
		n = seekable ? sys_pread(fd, p + *len, READ_CHUNK,
		    (off_t)*len) : sys_read(fd, p + *len, READ_CHUNK);
		if (n == -1 && errno == ESPIPE && *len == 0) {
			seekable = 0;
			continue;
		}
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? 0 : -1;
		*len += (size_t)n;
		if (*len > JSON_CONF_MAX)
			return 0;	/* json_file_parse() says so */
	}
}

int
json_file_read(struct json_file *jf, const char *name, int fd,
    struct json_error *e)
{
	char	 why[128];
	char	*text;
	size_t	 len;
	int	 ret;

	memset(jf, 0, sizeof(*jf));
	if (read_all(fd, &text, &len) == -1) {
		(void)snprintf(why, sizeof(why), "cannot be read: %s",
		    strerror(errno));
		ret = fail_at(e, name, 0, 0, why);
	} else
		ret = json_file_parse(jf, name, text, len, e);
	freezero(text, len);
	return ret;
}

void
json_file_free(struct json_file *jf)
{
	free(jf->name);
	freezero(jf->text, jf->text == NULL ? 0 : jf->len);
	json_decref(jf->root);
	memset(jf, 0, sizeof(*jf));
}

/* Drop the last component of a path; 0 when it was empty. */
static int
path_up(char *path)
{
	char	*p, *dot;

	if (*path == '\0')
		return 0;
	p = strrchr(path, '[');
	dot = strrchr(path, '.');
	if (p == NULL || (dot != NULL && dot > p && path[strlen(path) - 1] !=
	    ']'))
		p = dot;
	*(p == NULL ? path : p) = '\0';
	return 1;
}

int
json_fail(const struct json_file *jf, struct json_error *e, const char *path,
    const char *fmt, ...)
{
	va_list	 ap;
	char	 text[sizeof(e->text)], place[sizeof(e->path)];
	int	 line = 0, column = 0;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* The nearest value around it, if the path itself was cut. */
	(void)strlcpy(place, path, sizeof(place));
	while (jf->text != NULL &&
	    json_locate(jf, place, &line, &column) == -1)
		if (!path_up(place))
			break;
	(void)fail_at(e, jf->name, line, column, text);
	error_copy(e->path, sizeof(e->path), path);
	return -1;
}

void
json_error_format(const struct json_error *e, char *out, size_t size)
{
	char	 place[32] = "";

	if (e->line > 0)
		(void)snprintf(place, sizeof(place), "%d:%d:", e->line,
		    e->column);
	(void)snprintf(out, size, "%s%s%s%s%s%s%s", e->file,
	    e->file[0] == '\0' ? "" : ":", place,
	    e->file[0] == '\0' && place[0] == '\0' ? "" : " ",
	    e->path, e->path[0] == '\0' ? "" : ": ", e->text);
}
