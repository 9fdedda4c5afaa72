/*
 * A walk along a path with one descriptor per folder, so that what was
 * checked is what is used.  Symbolic links on the way are followed by hand:
 * the link and everything it leads through are checked the same.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "safepath.h"
#include "sys.h"

#define LINKS_MAX	16

struct walk {
	int			 dir;		/* where we are */
	char			 at[PATH_MAX];	/* its name, for people */
	char			 rest[PATH_MAX];	/* still to go */
	char			 name[NAME_MAX + 1];	/* last component */
	int			 links;
	int			 make;		/* missing folders */
	uid_t			 other;
	struct safe_error	*e;
};

static int
fail(struct walk *w, int error, const char *fmt, ...)
    __attribute__((__format__(printf, 3, 4)));

/* "place: cause"; errno's text is added when error is one. */
static int
fail(struct walk *w, int error, const char *fmt, ...)
{
	struct safe_error	*e = w->e;
	size_t			 n;
	va_list			 ap;

	e->error = error;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	if (error != 0)
		(void)snprintf(e->text + n, sizeof(e->text) - n, ": %s",
		    strerror(error));
	if (error == ENOSPC || error == EDQUOT)
		(void)strlcpy(e->remedy, "make room on that disk",
		    sizeof(e->remedy));
	return -1;
}

static int
remedy(struct walk *w, const char *fmt, ...)
    __attribute__((__format__(printf, 2, 3)));

static int
remedy(struct walk *w, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	(void)vsnprintf(w->e->remedy, sizeof(w->e->remedy), fmt, ap);
	va_end(ap);
	return -1;
}

static int
check_owner(struct walk *w, const struct stat *st, const char *path)
{
	uid_t	 self = geteuid();

	if (st->st_uid == 0 || st->st_uid == self ||
	    (w->other != SAFE_NOBODY && st->st_uid == w->other))
		return 0;
	(void)fail(w, 0, "%s: belongs to user %lu, who could change it",
	    path, (unsigned long)st->st_uid);
	return remedy(w, "chown %lu %s", (unsigned long)self, path);
}

static int
check_folder(struct walk *w, const struct stat *st, const char *path)
{
	if (check_owner(w, st, path) == -1)
		return remedy(w, "use a folder of your own, or chown %lu %s",
		    (unsigned long)geteuid(), path);
	if ((st->st_mode & 022) == 0)
		return 0;
	/* /tmp: others may add names, but not move or remove ours. */
	if ((st->st_mode & S_ISVTX) && st->st_uid == 0)
		return 0;
	(void)fail(w, 0, "%s: group or others may write this folder (mode "
	    "%04o)", path, (unsigned int)st->st_mode & 07777);
	return remedy(w, "chmod go-w %s", path);
}

static void
walk_close(struct walk *w)
{
	if (w->dir != -1)
		(void)sys_close(w->dir);
	w->dir = -1;
}

static int
walk_root(struct walk *w)
{
	struct stat	 st;

	walk_close(w);
	w->at[0] = '\0';
	w->dir = sys_open("/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (w->dir == -1 || sys_fstat(w->dir, &st) == -1)
		return fail(w, errno, "/");
	return check_folder(w, &st, "/");
}

static int
walk_begin(struct walk *w, const char *path, uid_t other, int make,
    struct safe_error *e)
{
	memset(w, 0, sizeof(*w));
	memset(e, 0, sizeof(*e));
	w->dir = -1;
	w->other = other;
	w->make = make;
	w->e = e;
	if (path[0] != '/')
		return fail(w, 0, "%s: not an absolute path", path);
	if (strlcpy(w->rest, path, sizeof(w->rest)) >= sizeof(w->rest))
		return fail(w, ENAMETOOLONG, "%.64s...", path);
	return walk_root(w);
}

/* The next component into name: 1, none left 0, too long -1. */
static int
walk_take(struct walk *w)
{
	const char	*s = w->rest;
	size_t		 n;

	do {
		s += strspn(s, "/");
		n = strcspn(s, "/");
		if (n == 0)
			return 0;
		if (n >= sizeof(w->name))
			return fail(w, ENAMETOOLONG, "%s/%.32s...", w->at, s);
		memcpy(w->name, s, n);
		w->name[n] = '\0';
		s += n;
	} while (strcmp(w->name, ".") == 0);
	s += strspn(s, "/");
	memmove(w->rest, s, strlen(s) + 1);
	return 1;
}

/* "at/name" for messages; what does not fit is cut. */
static const char *
walk_here(struct walk *w, char *out, size_t size)
{
	(void)strlcpy(out, w->at, size);
	(void)strlcat(out, "/", size);
	(void)strlcat(out, w->name, size);
	return out;
}

static int
walk_link(struct walk *w, int fd, const struct stat *st)
{
	char	 here[PATH_MAX], target[PATH_MAX], rest[PATH_MAX];
	ssize_t	 n;

	walk_here(w, here, sizeof(here));
	if (check_owner(w, st, here) == -1)
		return -1;
	if (++w->links > LINKS_MAX)
		return fail(w, ELOOP, "%s", here);
	n = sys_readlinkat(fd, "", target, sizeof(target) - 1);
	if (n == -1)
		return fail(w, errno, "%s", here);
	target[n] = '\0';
	(void)strlcpy(rest, target, sizeof(rest));
	(void)strlcat(rest, "/", sizeof(rest));
	if (strlcat(rest, w->rest, sizeof(rest)) >= sizeof(rest))
		return fail(w, ENAMETOOLONG, "%s", here);
	(void)strlcpy(w->rest, rest, sizeof(w->rest));
	if (target[0] == '/')
		return walk_root(w);
	return 0;
}

static int
walk_enter(struct walk *w, int fd, const struct stat *st)
{
	char	 here[PATH_MAX];

	walk_here(w, here, sizeof(here));
	if (!S_ISDIR(st->st_mode)) {
		(void)sys_close(fd);
		return fail(w, ENOTDIR, "%s", here);
	}
	walk_close(w);
	w->dir = fd;
	(void)strlcpy(w->at, here, sizeof(w->at));
	return check_folder(w, st, here);
}

static int
walk_open(struct walk *w, struct stat *st)
{
	int	 fd;

	fd = sys_openat(w->dir, w->name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd != -1 && sys_fstat(fd, st) == -1) {
		(void)sys_close(fd);
		return -1;
	}
	return fd;
}

/* A folder on the way: others pass it, whatever the umask is. */
static int
walk_make(struct walk *w, const char *here)
{
	int	 fd, rc;

	if (sys_mkdirat(w->dir, w->name, 0700) == -1)
		return fail(w, errno, "cannot make %s", here);
	fd = sys_openat(w->dir, w->name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd == -1)
		return fail(w, errno, "%s", here);
	rc = sys_fchmod(fd, 0755) == -1 ? fail(w, errno, "%s", here) : 0;
	(void)sys_close(fd);
	return rc;
}

/*
 * Up to the folder that holds the last component, which is then in name:
 * 1, and st says what it is; 0 when it is missing; -1.
 */
static int
walk_to_last(struct walk *w, int follow, struct stat *st)
{
	char	 here[PATH_MAX];
	int	 fd, last, n;

	for (;;) {
		if ((n = walk_take(w)) <= 0)
			return n == 0 ? fail(w, EISDIR, "%s/", w->at) : -1;
		last = w->rest[0] == '\0';
		walk_here(w, here, sizeof(here));
		fd = walk_open(w, st);
		if (fd == -1 && errno == ENOENT && last)
			return 0;
		if (fd == -1 && errno == ENOENT && w->make) {
			if (walk_make(w, here) == -1)
				return -1;
			fd = walk_open(w, st);
		}
		if (fd == -1)
			return fail(w, errno, "%s", here);
		if (S_ISLNK(st->st_mode) && (!last || follow)) {
			n = walk_link(w, fd, st);
			(void)sys_close(fd);
			if (n == -1)
				return -1;
			continue;
		}
		if (last) {
			(void)sys_close(fd);
			return 1;
		}
		if (walk_enter(w, fd, st) == -1)
			return -1;
	}
}

static int
check_target(struct walk *w, const struct stat *st, int flags)
{
	char		 here[PATH_MAX];
	unsigned int	 mode = st->st_mode & 07777;

	walk_here(w, here, sizeof(here));
	if (S_ISLNK(st->st_mode))
		return fail(w, 0, "%s: is a symbolic link: name the file "
		    "itself", here);
	if (flags & SAFE_DIR) {
		if (!S_ISDIR(st->st_mode))
			return fail(w, ENOTDIR, "%s", here);
	} else if (!S_ISREG(st->st_mode))
		return fail(w, 0, "%s: not a regular file", here);
	if (check_owner(w, st, here) == -1)
		return -1;
	if (mode & 022) {
		(void)fail(w, 0, "%s: group or others may write it (mode "
		    "%04o)", here, mode);
		return remedy(w, "chmod go-w %s", here);
	}
	if ((flags & SAFE_PRIVATE) && (mode & 077)) {
		(void)fail(w, 0, "%s: group or others may read it (mode "
		    "%04o)", here, mode);
		return remedy(w, "chmod go= %s", here);
	}
	if ((flags & SAFE_EXEC) && !(mode & 0100)) {
		(void)fail(w, 0, "%s: not executable (mode %04o)", here, mode);
		return remedy(w, "chmod u+x %s", here);
	}
	return 0;
}

int
safe_open(const char *path, int flags, uid_t other, struct safe_error *e)
{
	struct walk	 w;
	struct stat	 want, got;
	int		 fd = -1, oflags, n;

	if (walk_begin(&w, path, other, 0, e) == -1)
		goto done;
	n = walk_to_last(&w, flags & SAFE_FOLLOW, &want);
	if (n == 0)
		(void)fail(&w, ENOENT, "%s", path);
	if (n <= 0 || check_target(&w, &want, flags) == -1)
		goto done;
	oflags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	if (flags & SAFE_DIR)
		oflags |= O_DIRECTORY;
	fd = sys_openat(w.dir, w.name, oflags, 0);
	if (fd == -1 || sys_fstat(fd, &got) == -1) {
		(void)fail(&w, errno, "%s", path);
		goto fail;
	}
	if (got.st_dev != want.st_dev || got.st_ino != want.st_ino) {
		(void)fail(&w, 0, "%s: was exchanged while it was opened",
		    path);
		goto fail;
	}
	goto done;
fail:
	if (fd != -1)
		(void)sys_close(fd);
	fd = -1;
done:
	walk_close(&w);
	return fd;
}

static int
check_own_folder(struct walk *w, const struct stat *st, const char *path,
    mode_t mode, uid_t uid)
{
	mode_t	 extra = st->st_mode & 07777 & ~mode;

	if (!S_ISDIR(st->st_mode))
		return fail(w, ENOTDIR, "%s", path);
	if (st->st_uid != uid) {
		(void)fail(w, 0, "%s: belongs to user %lu, not to %lu", path,
		    (unsigned long)st->st_uid, (unsigned long)uid);
		return remedy(w, "chown %lu %s", (unsigned long)uid, path);
	}
	if (extra & 0077) {
		(void)fail(w, 0, "%s: mode is %04o, which lets others in",
		    path, (unsigned int)st->st_mode & 07777);
		return remedy(w, "chmod %04o %s", (unsigned int)mode, path);
	}
	if ((st->st_mode & 0700) != 0700) {
		(void)fail(w, 0, "%s: mode is %04o, its owner cannot use it",
		    path, (unsigned int)st->st_mode & 07777);
		return remedy(w, "chmod %04o %s", (unsigned int)mode, path);
	}
	return 0;
}

static int
make_folder(struct walk *w, const char *path, mode_t mode, uid_t uid,
    gid_t gid)
{
	int	 fd;

	if (sys_mkdirat(w->dir, w->name, 0700) == -1)
		return fail(w, errno, "cannot make %s", path);
	fd = sys_openat(w->dir, w->name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd == -1)
		return fail(w, errno, "%s", path);
	if ((geteuid() == 0 && sys_fchown(fd, uid, gid) == -1) ||
	    sys_fchmod(fd, mode) == -1) {
		(void)fail(w, errno, "%s", path);
		(void)sys_close(fd);
		return -1;
	}
	return fd;
}

int
safe_folder(const char *path, mode_t mode, uid_t uid, gid_t gid,
    uid_t other, int make, struct safe_error *e)
{
	struct walk	 w;
	struct stat	 st;
	int		 fd = -1, n;

	if (walk_begin(&w, path, other, make, e) == -1 ||
	    (n = walk_to_last(&w, 0, &st)) == -1)
		goto done;
	if (n == 0) {
		if (make)
			fd = make_folder(&w, path, mode, uid, gid);
		else
			(void)fail(&w, ENOENT, "%s", path);
		goto done;
	}
	if (S_ISLNK(st.st_mode)) {
		(void)fail(&w, 0, "%s: is a symbolic link: name the folder "
		    "itself", path);
		goto done;
	}
	if (check_own_folder(&w, &st, path, mode, uid) == -1)
		goto done;
	fd = sys_openat(w.dir, w.name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd == -1 || sys_fstat(fd, &st) == -1)
		(void)fail(&w, errno, "%s", path);
	else if (check_own_folder(&w, &st, path, mode, uid) == 0)
		goto done;
	if (fd != -1)
		(void)sys_close(fd);
	fd = -1;
done:
	walk_close(&w);
	return fd;
}
