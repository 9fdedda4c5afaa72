/*
 * What process 1 makes of the file system, in a mount namespace of its own:
 * an empty /tmp, the script's bytes where nobody can change them, the
 * script's folder read-only under its own name, and a /proc that shows this
 * sandbox's processes only.  See mount_namespaces(7), mount_setattr(2).
 * Everything else is the host's, as far as the script's user may see it.
 */
#include <sys/mount.h>
#include <sys/stat.h>

#include <linux/magic.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "runner.h"
#include "sys.h"
#include "sys_linux.h"

#define QUIET		(MS_NOSUID | MS_NODEV)
#define TMP		"/tmp"
#define TMP_OPTIONS	"mode=1777,size=64m,nr_inodes=16384"
/* A stand-in for a folder that the script's user cannot search. */
#define COVER_OPTIONS	"mode=0755,size=64k,nr_inodes=64"

/*
 * The script's folder as a mount that is not attached yet, before anything
 * covers it.  Without a mount from outside it is found by its name, and
 * must be the very folder that was checked.
 */
static int
mounts_take_folder(struct runner_plan *p)
{
	struct sys_mount_attr	 attr;
	struct stat		 is, was;
	int			 fd;

	if (p->folder_tree == -1) {
		fd = sys_open(p->file->folder, O_PATH | O_DIRECTORY |
		    O_CLOEXEC, 0);
		if (fd == -1 || sys_fstat(fd, &is) == -1 ||
		    sys_fstat(p->file->folder_fd, &was) == -1)
			return -1;
		if (is.st_dev != was.st_dev || is.st_ino != was.st_ino) {
			errno = ESTALE;
			return -1;
		}
		p->folder_tree = sys_open_tree(fd, "", AT_EMPTY_PATH |
		    SYS_AT_RECURSIVE | SYS_OPEN_TREE_CLONE | O_CLOEXEC);
		if (p->folder_tree == -1)
			return -1;
		(void)sys_close(fd);
	}
	memset(&attr, 0, sizeof(attr));
	attr.attr_set = SYS_MOUNT_RDONLY | SYS_MOUNT_NOSUID | SYS_MOUNT_NODEV;
	return sys_mount_setattr(p->folder_tree, "", AT_EMPTY_PATH |
	    SYS_AT_RECURSIVE, &attr);
}

/*
 * Every place where anybody may write is this run's own, so that it leaves
 * nothing on the host and finds nothing of another.
 */
static int
mounts_tmp(void)
{
	static const char *const	 places[] = { "/var/tmp", "/dev/shm" };
	size_t				 i;

	if (sys_mount("tmpfs", TMP, "tmpfs", QUIET | MS_NOEXEC,
	    TMP_OPTIONS) == -1)
		return -1;
	for (i = 0; i < nitems(places); i++) {
		if (sys_access(places[i], F_OK) == -1) {
			if (errno == ENOENT)
				continue;
			return -1;
		}
		if (sys_mount(TMP, places[i], NULL, MS_BIND, NULL) == -1)
			return -1;
	}
	return 0;
}

/* The bytes that were checked, in a file system that nobody else has. */
static int
mounts_script(const struct runner_file *f)
{
	char	 path[sizeof(RUNNER_SCRIPT_DIR) + NAME_MAX + 2];
	char	 options[64];
	int	 fd;

	(void)snprintf(path, sizeof(path), "%s/%s", RUNNER_SCRIPT_DIR,
	    f->name);
	(void)snprintf(options, sizeof(options),
	    "mode=0755,size=%zuk,nr_inodes=4", f->len / 1024 + 64);
	if (sys_mkdir(RUNNER_SCRIPT_DIR, 0755) == -1 ||
	    sys_mount("tmpfs", RUNNER_SCRIPT_DIR, "tmpfs", QUIET,
	    options) == -1)
		return -1;
	fd = sys_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0555);
	if (fd == -1 || sys_write_all(fd, f->text, f->len) == -1)
		return -1;
	/* While it is open for writing it could not be executed. */
	if (sys_close(fd) == -1)
		return -1;
	return sys_mount(NULL, RUNNER_SCRIPT_DIR, NULL, MS_REMOUNT | MS_BIND |
	    MS_RDONLY | QUIET, NULL);
}

/*
 * One folder on the way to the script's: it is there, or it is made in a
 * file system of our own (own is its device), or it is closed to the
 * script's user and gets covered.
 */
static int
mounts_step(const char *path, dev_t *own)
{
	struct stat	 st;
	char		 above[PATH_MAX], *slash;

	if (sys_access(path, X_OK) == 0)
		return 0;
	if (errno == EACCES) {
		if (sys_mount("tmpfs", path, "tmpfs", QUIET | MS_NOEXEC,
		    COVER_OPTIONS) == -1 ||
		    sys_fstatat(AT_FDCWD, path, &st, 0) == -1)
			return -1;
		*own = st.st_dev;
		return 0;
	}
	if (errno != ENOENT)
		return -1;
	/* Never a new folder in the host's file system. */
	(void)strlcpy(above, path, sizeof(above));
	slash = strrchr(above, '/');
	slash[slash == above] = '\0';
	if (sys_fstatat(AT_FDCWD, above, &st, 0) == -1)
		return -1;
	if (st.st_dev != *own) {
		errno = ENOENT;
		return -1;
	}
	return sys_mkdir(path, 0755);
}

/* The script's folder under its own name, whatever lies above it. */
static int
mounts_attach_folder(const struct runner_plan *p)
{
	struct stat	 st;
	const char	*folder = p->file->folder, *slash;
	char		 path[PATH_MAX];
	dev_t		 own;
	size_t		 n;

	/* Scripts that lie in /tmp itself have an empty one instead. */
	if (strcmp(folder, TMP) == 0 || strcmp(folder, "/") == 0)
		return 0;
	if (sys_fstatat(AT_FDCWD, TMP, &st, 0) == -1)
		return -1;
	own = st.st_dev;
	for (slash = folder; slash != NULL; ) {
		slash = strchr(slash + 1, '/');
		n = slash != NULL ? (size_t)(slash - folder) : strlen(folder);
		memcpy(path, folder, n);
		path[n] = '\0';
		if (mounts_step(path, &own) == -1)
			return -1;
	}
	return sys_move_mount(p->folder_tree, "", AT_FDCWD, folder,
	    SYS_MOVE_EMPTY_PATH);
}

static int
mounts_proc(void)
{
	return sys_mount("proc", "/proc", "proc", QUIET | MS_NOEXEC, NULL);
}

/*
 * No user namespace inside this one: in it the script would have all
 * capabilities, and with them most of the kernel's younger code.  The limit
 * is this namespace's own (namespaces(7)), and raising it takes a
 * capability that the script does not have.
 */
static int
mounts_no_nesting(void)
{
	int	 fd, rc;

	fd = sys_open("/proc/sys/user/max_user_namespaces", O_WRONLY |
	    O_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	rc = sys_write_all(fd, "0", 1);
	(void)sys_close(fd);
	return rc;
}

/*
 * The working folder, and proof that everything is what it should be: a
 * folder of another mount namespace would be a way out (CVE-2024-21626).
 */
static int
mounts_enter(const struct runner_file *f)
{
	struct statfs	 fs;
	struct stat	 is, was;
	char		 cwd[PATH_MAX];

	if (sys_chdir(f->folder) == -1)
		return -1;
	if (getcwd(cwd, sizeof(cwd)) == NULL)
		return -1;
	errno = ESTALE;
	if (strcmp(cwd, f->folder) != 0)
		return -1;
	if (strcmp(f->folder, TMP) != 0) {
		if (sys_fstatat(AT_FDCWD, ".", &is, 0) == -1 ||
		    sys_fstat(f->folder_fd, &was) == -1)
			return -1;
		errno = ESTALE;
		if (is.st_dev != was.st_dev || is.st_ino != was.st_ino)
			return -1;
	}
	if (sys_statfs(TMP, &fs) == -1)
		return -1;
	errno = ESTALE;
	if (fs.f_type != TMPFS_MAGIC)
		return -1;
	if (sys_statfs("/proc", &fs) == -1)
		return -1;
	errno = ESTALE;
	return fs.f_type == PROC_SUPER_MAGIC ? 0 : -1;
}

int
runner_mounts(struct runner_plan *p, const char **step)
{
	*step = "private mounts";
	if (sys_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
		return -1;
	*step = "read-only folder";
	if (mounts_take_folder(p) == -1)
		return -1;
	*step = "tmp";
	if (mounts_tmp() == -1)
		return -1;
	*step = "script";
	if (mounts_script(p->file) == -1)
		return -1;
	*step = "folder";
	if (mounts_attach_folder(p) == -1)
		return -1;
	*step = "proc";
	if (mounts_proc() == -1)
		return -1;
	*step = "user namespaces";
	if (mounts_no_nesting() == -1)
		return -1;
	*step = "working folder";
	return mounts_enter(p->file);
}
