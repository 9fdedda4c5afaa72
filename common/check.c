/*
 * What can be checked of an allowlist without running anything.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "check.h"
#include "compat.h"
#include "log.h"
#include "sys.h"

void
findings_add(struct findings *f, const char *fmt, ...)
{
	char	**lines, *line;
	va_list	  ap;
	int	  n;

	if (f->n == FINDINGS_MAX) {
		f->more++;
		return;
	}
	va_start(ap, fmt);
	n = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (n == -1)
		fatalx("out of memory");
	lines = reallocarray(f->lines, f->n + 1, sizeof(*lines));
	if (lines == NULL)
		fatalx("out of memory");
	f->lines = lines;
	f->lines[f->n++] = line;
}

void
findings_clear(struct findings *f)
{
	size_t	 i;

	for (i = 0; i < f->n; i++)
		free(f->lines[i]);
	free(f->lines);
	memset(f, 0, sizeof(*f));
}

void
findings_add_at(struct findings *f, const struct json_file *file,
    const char *path, const struct safe_error *e)
{
	const char	*colon = e->remedy[0] != '\0' ? "; remedy: " : "";
	int		 line, column;

	if (file == NULL || json_locate(file, path, &line, &column) == -1)
		findings_add(f, "%s: %s%s%s", path, e->text, colon,
		    e->remedy);
	else
		findings_add(f, "%s:%d:%d: %s: %s%s%s", file->name, line,
		    column, path, e->text, colon, e->remedy);
}

void
findings_add_json(struct findings *f, const struct json_error *e)
{
	char	 text[1400];

	json_error_format(e, text, sizeof(text));
	findings_add(f, "%s", text);
}

/* SHA-256 of what the descriptor holds from its start: 0 or -1, errno. */
static int
file_sha256(int fd, uint8_t out[crypto_hash_sha256_BYTES])
{
	crypto_hash_sha256_state	 state;
	uint8_t				 buf[16384];
	off_t				 at = 0;
	ssize_t				 n;

	crypto_hash_sha256_init(&state);
	for (;;) {
		n = sys_pread(fd, buf, sizeof(buf), at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		crypto_hash_sha256_update(&state, buf, (size_t)n);
		at += n;
	}
	crypto_hash_sha256_final(&state, out);
	return 0;
}

static void
check_digest(const struct script *s, int fd, const char *file,
    struct safe_error *e)
{
	uint8_t	 digest[crypto_hash_sha256_BYTES];
	char	 hex[2 * sizeof(digest) + 1];

	if (file_sha256(fd, digest) == -1) {
		(void)snprintf(e->text, sizeof(e->text), "%s: %s", file,
		    strerror(errno));
		return;
	}
	if (memcmp(digest, s->sha256, sizeof(digest)) == 0)
		return;
	sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest));
	(void)snprintf(e->text, sizeof(e->text), "%s: its digest is %s",
	    file, hex);
	(void)snprintf(e->remedy, sizeof(e->remedy), "find out who changed "
	    "the file; if it is right, write that digest");
}

static void
check_script(const struct conf *conf, const struct json_file *file,
    const struct script *s, size_t number, struct findings *errors)
{
	struct safe_error	 e;
	char			 full[2 * CONF_PATH_SIZE], where[64];
	int			 fd;

	if (s->path[0] == '/')
		(void)strlcpy(full, s->path, sizeof(full));
	else
		(void)snprintf(full, sizeof(full), "%s/%s", conf->base,
		    s->path);
	(void)snprintf(where, sizeof(where), "scripts[%zu].path", number);
	fd = safe_open(full, SAFE_EXEC, SAFE_NOBODY, &e);
	if (fd == -1) {
		findings_add_at(errors, file, where, &e);
		return;
	}
	if (s->has_sha256) {
		check_digest(s, fd, full, &e);
		(void)snprintf(where, sizeof(where), "scripts[%zu].sha256",
		    number);
		if (e.text[0] != '\0')
			findings_add_at(errors, file, where, &e);
	}
	(void)sys_close(fd);
}

long
check_allowlist(const struct conf *conf, struct findings *errors,
    struct findings *warnings)
{
	struct allowlist	*list = NULL;
	struct json_file	 file;
	struct json_error	 je;
	struct safe_error	 e;
	size_t			 i;
	long			 n = -1;
	int			 fd;

	memset(&file, 0, sizeof(file));
	fd = safe_open(conf->allowlist, 0, SAFE_NOBODY, &e);
	if (fd == -1) {
		findings_add_at(errors, NULL, "allowlist", &e);
		return -1;
	}
	if (json_file_read(&file, conf->allowlist, fd, &je) == -1 ||
	    allowlist_parse(&list, &file, &je) == -1) {
		findings_add_json(errors, &je);
		goto done;
	}
	n = (long)list->n;
	for (i = 0; i < list->n; i++)
		check_script(conf, &file, &list->scripts[i], i, errors);
	for (i = 0; i < list->nwarnings; i++)
		findings_add(warnings, "%s", list->warnings[i]);
done:
	allowlist_free(list);
	json_file_free(&file);
	(void)sys_close(fd);
	return n;
}
