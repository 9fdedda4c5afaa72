/*
 * The lock and the control socket in the run folder.
 */
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "parent_lock.h"
#include "pathnames.h"
#include "sys.h"

#define CONTROL_BACKLOG	16

/* What the holder wrote, or 0. */
static long
read_pid(int fd)
{
	char		 buf[32];
	const char	*error;
	ssize_t		 n;
	long		 pid;

	n = sys_pread(fd, buf, sizeof(buf) - 1, 0);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	pid = (long)strtonum(buf, 1, INT32_MAX, &error);
	return error == NULL ? pid : 0;
}

static int
write_pid(int fd)
{
	char	 buf[32];
	int	 n;

	n = snprintf(buf, sizeof(buf), "%ld\n", (long)getpid());
	if (sys_ftruncate(fd, 0) == -1 ||
	    sys_pwrite(fd, buf, (size_t)n, 0) != n)
		return -1;
	return 0;
}

static void
find_errno(struct findings *f, const char *what, const char *run,
    const char *name)
{
	int	 error = errno;

	findings_add(f, "%s %s/%s: %s%s", what, run, name, strerror(error),
	    error == ENOSPC || error == EDQUOT ?
	    "; remedy: make room on that disk" : "");
}

int
lock_take(int run_dir, const char *run, struct findings *f)
{
	long	 pid;
	int	 fd;

	fd = sys_openat(run_dir, NAME_LOCK,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0644);
	if (fd == -1) {
		find_errno(f, "cannot open the lock", run, NAME_LOCK);
		return -1;
	}
	if (sys_flock(fd, LOCK_EX | LOCK_NB) == -1) {
		pid = read_pid(fd);
		if (errno != EWOULDBLOCK && errno != EAGAIN)
			find_errno(f, "cannot lock", run, NAME_LOCK);
		else
			findings_add(f, "chatopsd is running already as "
			    "process %ld, which holds %s/%s; remedy: stop it "
			    "(kill %ld) or use another paths.run", pid, run,
			    NAME_LOCK, pid);
		goto fail;
	}
	if (write_pid(fd) == -1) {
		find_errno(f, "cannot write", run, NAME_LOCK);
		goto fail;
	}
	return fd;
fail:
	(void)sys_close(fd);
	return -1;
}

long
lock_holder(int run_dir)
{
	long	 pid = 0;
	int	 fd;

	fd = sys_openat(run_dir, NAME_LOCK,
	    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	if (sys_flock(fd, LOCK_SH | LOCK_NB) == -1)
		pid = errno == EWOULDBLOCK ? read_pid(fd) : -1;
	(void)sys_close(fd);
	return pid;
}

/*
 * The folder's descriptor stands for its path, so that the name fits into
 * sun_path however long the path is (unix(7)).
 */
static int
control_address(struct sockaddr_un *sun, int run_dir)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	return (size_t)snprintf(sun->sun_path, sizeof(sun->sun_path),
	    "/proc/self/fd/%d/%s", run_dir, NAME_CONTROL) <
	    sizeof(sun->sun_path) ? 0 : -1;
}

static int
remove_stale(int run_dir, const char *run, struct findings *f)
{
	struct stat	 st;

	if (sys_fstatat(run_dir, NAME_CONTROL, &st, AT_SYMLINK_NOFOLLOW) ==
	    -1) {
		if (errno == ENOENT)
			return 0;
		find_errno(f, "cannot look at", run, NAME_CONTROL);
		return -1;
	}
	if (!S_ISSOCK(st.st_mode)) {
		findings_add(f, "%s/%s is in the way and no socket; remedy: "
		    "remove it", run, NAME_CONTROL);
		return -1;
	}
	if (sys_unlinkat(run_dir, NAME_CONTROL, 0) == -1) {
		find_errno(f, "cannot remove", run, NAME_CONTROL);
		return -1;
	}
	return 0;
}

/* Nobody but us can use it until owner and mode are what they should be. */
static int
control_rights(int run_dir)
{
	struct group	*gr = NULL;

	if (geteuid() == 0)
		gr = getgrnam(GROUP_CONTROL);
	if (gr == NULL)
		return sys_fchmodat(run_dir, NAME_CONTROL, 0600);
	if (sys_fchownat(run_dir, NAME_CONTROL, 0, gr->gr_gid) == -1)
		return -1;
	return sys_fchmodat(run_dir, NAME_CONTROL, 0660);
}

int
control_open(int run_dir, const char *run, struct findings *f)
{
	struct sockaddr_un	 sun;
	mode_t			 old;
	int			 fd, n;

	if (remove_stale(run_dir, run, f) == -1)
		return -1;
	fd = sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (fd == -1 || control_address(&sun, run_dir) == -1)
		goto fail;
	old = umask(0177);
	n = sys_bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	(void)umask(old);
	if (n == -1 || control_rights(run_dir) == -1 ||
	    sys_listen(fd, CONTROL_BACKLOG) == -1)
		goto fail;
	return fd;
fail:
	find_errno(f, "cannot make the control socket", run, NAME_CONTROL);
	if (fd != -1)
		(void)sys_close(fd);
	return -1;
}
