/*
 * The script's file.  What was checked is what runs: the path is walked one
 * descriptor at a time, the file is opened once, and from that descriptor
 * come owner, mode, digest and the bytes that the sandbox is given.
 */
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "compat.h"
#include "runner.h"
#include "sys.h"
#include "sys_linux.h"

#define DIR_FLAGS	(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* One walk; at is the part of the path that dir stands for. */
struct walk {
	const struct script	*script;
	uid_t			 owner;
	int			 dir;
	char			 at[PATH_MAX];
	struct runner_error	*e;
};

static int
check_owner(const struct walk *w, const struct stat *st, const char *path,
    const char *step)
{
	if (st->st_uid == 0 || st->st_uid == w->owner)
		return 0;
	return runner_fail(w->e, step, 0, "%s belongs to user %lu, who could "
	    "change it: chown %lu %s", path, (unsigned long)st->st_uid,
	    (unsigned long)w->owner, path);
}

static int
check_folder(const struct walk *w)
{
	struct stat	 st;
	const char	*at = w->at[0] != '\0' ? w->at : "the base folder";

	if (sys_fstat(w->dir, &st) == -1)
		return runner_fail(w->e, "folder", errno, "%s", at);
	if (check_owner(w, &st, at, "folder") == -1)
		return -1;
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return 0;
	/* /tmp: nobody moves there what is not his. */
	if ((st.st_mode & S_ISVTX) && st.st_uid == 0)
		return 0;
	return runner_fail(w->e, "folder", 0, "group or others may write %s "
	    "(mode %04o): chmod go-w %s", at,
	    (unsigned int)(st.st_mode & 07777), at);
}

/* Why a component could not be opened, said so that it can be mended. */
static int
explain_open(const struct walk *w, const char *step, const char *name,
    int error)
{
	struct stat	 st;
	const char	*path = w->script->path;

	if ((error == ELOOP || error == ENOTDIR) &&
	    sys_fstatat(w->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode))
		return runner_fail(w->e, step, 0, "%s: %s is a symbolic link: "
		    "write the path that it leads to", path, name);
	if (error == EACCES)
		return runner_fail(w->e, step, error, "%s: %s, which the "
		    "runner's user must be able to %s", path, name,
		    strcmp(step, "folder") == 0 ? "search" : "read");
	return runner_fail(w->e, step, error, "%s: %s", path, name);
}

/* One component down.  name is a folder that must be there and be safe. */
static int
walk_down(struct walk *w, const char *name)
{
	size_t	 n;
	int	 fd;

	fd = sys_openat(w->dir, name, DIR_FLAGS, 0);
	if (fd == -1)
		return explain_open(w, "folder", name, errno);
	(void)sys_close(w->dir);
	w->dir = fd;
	n = strlen(w->at);
	if (n > 0 && w->at[n - 1] != '/')
		(void)strlcat(w->at, "/", sizeof(w->at));
	if (strlcat(w->at, name, sizeof(w->at)) >= sizeof(w->at))
		return runner_fail(w->e, "folder", ENAMETOOLONG, "%s",
		    w->script->path);
	return check_folder(w);
}

/* The next component of *path into name: 1, none left 0, unusable -1. */
static int
path_take(const char **path, char *name, size_t size)
{
	size_t	 n;

	for (;;) {
		*path += strspn(*path, "/");
		n = strcspn(*path, "/");
		if (n == 0)
			return 0;
		if (n >= size)
			return -1;
		memcpy(name, *path, n);
		name[n] = '\0';
		*path += n;
		if (strcmp(name, "..") == 0)
			return -1;
		if (strcmp(name, ".") != 0)
			return 1;
	}
}

/* Down to the folder of the script; its last name is left in f->name. */
static int
walk_path(struct walk *w, int base, struct runner_file *f)
{
	const char	*rest = w->script->path;
	char		 next[sizeof(f->name)];
	int		 n;

	if (rest[0] == '/') {
		(void)strlcpy(w->at, "/", sizeof(w->at));
		w->dir = sys_open("/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	} else {
		w->dir = sys_openat(base, ".", DIR_FLAGS, 0);
	}
	if (w->dir == -1)
		return runner_fail(w->e, "folder", errno, "%s: the base "
		    "folder, which the runner's user must be able to search",
		    w->script->path);
	if (check_folder(w) == -1)
		return -1;
	n = path_take(&rest, f->name, sizeof(f->name));
	while (n == 1) {
		n = path_take(&rest, next, sizeof(next));
		if (n != 1)
			break;
		if (walk_down(w, f->name) == -1)
			return -1;
		(void)strlcpy(f->name, next, sizeof(f->name));
	}
	if (n == -1 || f->name[0] == '\0')
		return runner_fail(w->e, "path", 0, "%s: not a path without "
		    "\"..\" to a file", w->script->path);
	return 0;
}

static int
check_file(const struct walk *w, int fd, const char *path, struct stat *st)
{
	struct statvfs	 vfs;

	if (sys_fstat(fd, st) == -1)
		return runner_fail(w->e, "file", errno, "%s", path);
	if (!S_ISREG(st->st_mode))
		return runner_fail(w->e, "file", 0, "%s is not a regular "
		    "file", path);
	if (check_owner(w, st, path, "owner") == -1)
		return -1;
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return runner_fail(w->e, "mode", 0, "group or others may "
		    "write %s (mode %04o): chmod go-w %s", path,
		    (unsigned int)(st->st_mode & 07777), path);
	if ((st->st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
		return runner_fail(w->e, "mode", 0, "%s is not executable: "
		    "chmod +x %s", path, path);
	if (fstatvfs(fd, &vfs) == 0 && (vfs.f_flag & ST_NOEXEC))
		return runner_fail(w->e, "mode", 0, "%s lies on a file "
		    "system that is mounted noexec", path);
	if (st->st_size == 0)
		return runner_fail(w->e, "file", 0, "%s is empty", path);
	if (st->st_size > RUNNER_SCRIPT_MAX)
		return runner_fail(w->e, "file", 0, "%s is larger than %d MiB:"
		    " start it from a small script", path,
		    RUNNER_SCRIPT_MAX / (1024 * 1024));
	return 0;
}

/* All of it, and no change meanwhile. */
static int
read_file(const struct walk *w, int fd, const struct stat *before,
    struct runner_file *f)
{
	const char	*path = w->script->path;
	struct stat	 after;
	ssize_t		 n;

	f->len = (size_t)before->st_size;
	f->text = malloc(f->len);
	if (f->text == NULL)
		return runner_fail(w->e, "read", errno, "%s", path);
	for (f->len = 0; f->len < (size_t)before->st_size;
	    f->len += (size_t)n) {
		n = sys_pread(fd, f->text + f->len,
		    (size_t)before->st_size - f->len, (off_t)f->len);
		if (n == -1 && errno == EINTR) {
			n = 0;
			continue;
		}
		if (n == -1)
			return runner_fail(w->e, "read", errno, "%s", path);
		if (n == 0)
			break;
	}
	if (sys_fstat(fd, &after) == -1)
		return runner_fail(w->e, "read", errno, "%s", path);
	if (f->len != (size_t)before->st_size ||
	    after.st_size != before->st_size ||
	    after.st_mtim.tv_sec != before->st_mtim.tv_sec ||
	    after.st_mtim.tv_nsec != before->st_mtim.tv_nsec ||
	    after.st_ctim.tv_sec != before->st_ctim.tv_sec ||
	    after.st_ctim.tv_nsec != before->st_ctim.tv_nsec)
		return runner_fail(w->e, "read", 0, "%s changed while it was "
		    "read: try again", path);
	return 0;
}

static int
check_digest(const struct walk *w, const struct runner_file *f)
{
	uint8_t	 is[crypto_hash_sha256_BYTES];
	char	 hex[2 * sizeof(is) + 1];

	if (!w->script->has_sha256)
		return 0;
	(void)crypto_hash_sha256(is, f->text, f->len);
	if (sodium_memcmp(is, w->script->sha256, sizeof(is)) == 0)
		return 0;
	(void)sodium_bin2hex(hex, sizeof(hex), is, sizeof(is));
	return runner_fail(w->e, "sha256", 0, "%s has not the digest of the "
	    "allowlist but %s: if that change is wanted, write it there and "
	    "reload", w->script->path, hex);
}

/* Where the folder is, for the sandbox that shows it under its own name. */
static int
find_folder(const struct walk *w, struct runner_file *f)
{
	struct stat	 st;
	char		 link[64];
	ssize_t		 n;

	if (sys_fstat(w->dir, &st) == -1)
		return runner_fail(w->e, "folder", errno, "%s",
		    w->script->path);
	if (st.st_nlink == 0)
		return runner_fail(w->e, "folder", 0, "the folder of %s was "
		    "removed", w->script->path);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", w->dir);
	n = sys_readlink(link, f->folder, sizeof(f->folder) - 1);
	if (n == -1)
		return runner_fail(w->e, "folder", errno, "%s", link);
	f->folder[n] = '\0';
	if (n == (ssize_t)sizeof(f->folder) - 1 || f->folder[0] != '/')
		return runner_fail(w->e, "folder", 0, "the folder of %s has "
		    "no usable path", w->script->path);
	return 0;
}

static int
open_file(struct walk *w, struct runner_file *f)
{
	struct stat	 st;
	int		 fd, rc = -1;

	/* A look first: opening a device or a FIFO would do something. */
	if (sys_fstatat(w->dir, f->name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return explain_open(w, "file", f->name, errno);
	if (S_ISLNK(st.st_mode))
		return explain_open(w, "file", f->name, ELOOP);
	if (!S_ISREG(st.st_mode))
		return runner_fail(w->e, "file", 0, "%s is not a regular "
		    "file", w->script->path);
	fd = sys_openat(w->dir, f->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_NOCTTY | O_CLOEXEC, 0);
	if (fd == -1)
		return explain_open(w, "file", f->name, errno);
	if (check_file(w, fd, w->script->path, &st) == 0 &&
	    read_file(w, fd, &st, f) == 0)
		rc = 0;
	(void)sys_close(fd);
	return rc;
}

int
runner_check(struct runner_file *f, const struct script *script, int base,
    uid_t owner, struct runner_error *e)
{
	struct walk	 w;

	memset(f, 0, sizeof(*f));
	f->folder_fd = -1;
	memset(&w, 0, sizeof(w));
	w.script = script;
	w.owner = owner;
	w.dir = -1;
	w.e = e;
	if (walk_path(&w, base, f) == -1 || open_file(&w, f) == -1 ||
	    check_digest(&w, f) == -1 || find_folder(&w, f) == -1)
		goto fail;
	f->folder_fd = w.dir;
	return 0;
 fail:
	if (w.dir != -1)
		(void)sys_close(w.dir);
	runner_file_clear(f);
	return -1;
}

int
runner_check_trial(struct runner_file *f, int base, struct runner_error *e)
{
	static char		 name[] = "trial";
	static const char	 text[] = "#!/bin/sh\n";
	struct script		 script;
	struct walk		 w;

	memset(&script, 0, sizeof(script));
	script.name = script.path = name;
	memset(f, 0, sizeof(*f));
	f->folder_fd = -1;
	memset(&w, 0, sizeof(w));
	w.script = &script;
	w.e = e;
	w.dir = sys_openat(base, ".", DIR_FLAGS, 0);
	if (w.dir == -1)
		return runner_fail(e, "folder", errno, "the base folder, "
		    "which the runner's user must be able to search");
	f->folder_fd = w.dir;
	f->text = malloc(sizeof(text) - 1);
	if (f->text == NULL || find_folder(&w, f) == -1) {
		if (f->text == NULL)
			(void)runner_fail(e, "read", errno, "trial");
		runner_file_clear(f);
		return -1;
	}
	memcpy(f->text, text, sizeof(text) - 1);
	f->len = sizeof(text) - 1;
	(void)strlcpy(f->name, name, sizeof(f->name));
	return 0;
}

void
runner_file_clear(struct runner_file *f)
{
	if (f->folder_fd != -1)
		(void)sys_close(f->folder_fd);
	free(f->text);
	memset(f, 0, sizeof(*f));
	f->folder_fd = -1;
}
