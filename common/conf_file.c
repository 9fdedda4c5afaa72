/*
 * Loading bot.config.json and the token: only from files that nobody else
 * can read or exchange (safepath.c walks there).
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "conf.h"
#include "safepath.h"
#include "sys.h"
#include "text.h"

static int
fail(struct json_error *e, const char *path, const char *why)
{
	struct json_file	 jf = { NULL, NULL, 0, NULL };

	jf.name = (char *)(uintptr_t)path;
	return json_fail(&jf, e, "", "%s", why);
}

/*
 * The absolute name of path, its folder without symlinks, so that what
 * stands relative to it means the same for every process.  0 or -1.
 */
static int
absolute(const char *path, char *dir, char *file, size_t size,
    struct json_error *e)
{
	char		 folder[PATH_MAX], real[PATH_MAX];
	const char	*name, *slash;
	int		 n;

	slash = strrchr(path, '/');
	name = slash == NULL ? path : slash + 1;
	n = slash == NULL ? snprintf(folder, sizeof(folder), ".") :
	    snprintf(folder, sizeof(folder), "%.*s/", (int)(slash - path),
	    path);
	if (n < 0 || (size_t)n >= sizeof(folder))
		return fail(e, path, strerror(ENAMETOOLONG));
	if (name[0] == '\0' || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return fail(e, path, "is not the name of a file");
	if (realpath(folder, real) == NULL)
		return fail(e, path, strerror(errno));
	n = snprintf(file, size, "%s%s%s", real,
	    strcmp(real, "/") == 0 ? "" : "/", name);
	if (n < 0 || (size_t)n >= size || strlcpy(dir, real, size) >= size)
		return fail(e, path, strerror(ENAMETOOLONG));
	return 0;
}

/* root's or the caller's, mode 0600 or stricter, no symlink at the end. */
static int
open_private(const char *path, struct json_error *e)
{
	struct safe_error	 se;
	char			 why[sizeof(e->text)];
	int			 fd;

	memset(&se, 0, sizeof(se));
	if ((fd = safe_open(path, SAFE_PRIVATE, SAFE_NOBODY, &se)) != -1)
		return fd;
	(void)snprintf(why, sizeof(why), "%.250s%s%.250s", se.text,
	    se.remedy[0] == '\0' ? "" : "; ", se.remedy);
	return fail(e, "", why);	/* the text names the place */
}

/* The token is the file's one line. */
static int
load_token(struct conf *c, struct json_error *e)
{
	char	 text[64];
	ssize_t	 n;
	int	 fd, ret = -1;

	if (access(c->token_file, F_OK) == -1 && errno == ENOENT)
		return fail(e, c->token_file, "there is no such file; write "
		    "the bot's token into it, with mode 0600");
	if ((fd = open_private(c->token_file, e)) == -1)
		return -1;
	n = sys_read(fd, text, sizeof(text) - 1);
	if (n == -1) {
		(void)fail(e, c->token_file, strerror(errno));
		goto done;
	}
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r' ||
	    text[n - 1] == ' '))
		n--;
	text[n] = '\0';
	if (strlen(text) != (size_t)n || !text_is_id(text)) {
		(void)fail(e, c->token_file, "does not hold a token: 26 "
		    "lower-case letters and digits on one line");
		goto done;
	}
	(void)strlcpy(c->token, text, sizeof(c->token));
	ret = 0;
done:
	explicit_bzero(text, sizeof(text));
	(void)sys_close(fd);
	return ret;
}

int
conf_load(struct conf *c, const char *path, int with_token,
    struct json_error *e)
{
	struct json_file	 jf;
	char			 dir[CONF_PATH_SIZE], file[CONF_PATH_SIZE];
	int			 fd, ret;

	memset(c, 0, sizeof(*c));
	if (absolute(path, dir, file, sizeof(file), e) == -1 ||
	    (fd = open_private(file, e)) == -1)
		return -1;
	ret = json_file_read(&jf, path, fd, e);
	(void)sys_close(fd);
	if (ret == -1)
		return -1;
	ret = conf_parse(c, &jf, dir, e);
	if (ret == 0 && c->token[0] == '\0' && c->token_file[0] == '\0')
		ret = json_fail(&jf, e, "mattermost",
		    "token or tokenFile is missing");
	json_file_free(&jf);
	if (!with_token)
		explicit_bzero(c->token, sizeof(c->token));
	else if (ret == 0 && c->token_file[0] != '\0')
		ret = load_token(c, e);
	if (ret == -1)
		conf_wipe(c);
	return ret;
}
