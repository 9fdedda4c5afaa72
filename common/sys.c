/*
 * The system calls themselves.  Nothing here may decide anything: a test
 * links another file in place of this one.
 */
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "sys.h"

int
sys_open(const char *path, int flags, mode_t mode)
{
	return open(path, flags, mode);
}

int
sys_openat(int dir, const char *path, int flags, mode_t mode)
{
	return openat(dir, path, flags, mode);
}

int
sys_close(int fd)
{
	return close(fd);
}

ssize_t
sys_read(int fd, void *buf, size_t len)
{
	return read(fd, buf, len);
}

ssize_t
sys_pread(int fd, void *buf, size_t len, off_t off)
{
	return pread(fd, buf, len, off);
}

ssize_t
sys_write(int fd, const void *buf, size_t len)
{
	return write(fd, buf, len);
}

ssize_t
sys_pwrite(int fd, const void *buf, size_t len, off_t off)
{
	return pwrite(fd, buf, len, off);
}

/* All of it: 0, or -1 with errno; then an unknown part was written. */
int
sys_write_all(int fd, const void *buf, size_t len)
{
	const char	*p = buf;
	ssize_t		 n;

	while (len > 0) {
		if ((n = sys_write(fd, p, len)) == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (n == 0) {
			errno = EIO;
			return -1;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int
sys_fsync(int fd)
{
	return fsync(fd);
}

int
sys_fdatasync(int fd)
{
	return fdatasync(fd);
}

int
sys_ftruncate(int fd, off_t len)
{
	return ftruncate(fd, len);
}

int
sys_fallocate(int fd, off_t off, off_t len)
{
	return fallocate(fd, 0, off, len);
}

int
sys_fstat(int fd, struct stat *st)
{
	return fstat(fd, st);
}

int
sys_fstatvfs(int fd, struct statvfs *st)
{
	return fstatvfs(fd, st);
}

int
sys_fstatat(int dir, const char *path, struct stat *st, int flags)
{
	return fstatat(dir, path, st, flags);
}

ssize_t
sys_readlinkat(int dir, const char *path, char *buf, size_t len)
{
	return readlinkat(dir, path, buf, len);
}

int
sys_renameat(int fromdir, const char *from, int todir, const char *to)
{
	return renameat(fromdir, from, todir, to);
}

int
sys_unlinkat(int dir, const char *path, int flags)
{
	return unlinkat(dir, path, flags);
}

int
sys_mkdirat(int dir, const char *path, mode_t mode)
{
	return mkdirat(dir, path, mode);
}

int
sys_fchmod(int fd, mode_t mode)
{
	return fchmod(fd, mode);
}

int
sys_fchown(int fd, uid_t uid, gid_t gid)
{
	return fchown(fd, uid, gid);
}

int
sys_fchmodat(int dir, const char *path, mode_t mode)
{
	return fchmodat(dir, path, mode, 0);
}

int
sys_fchownat(int dir, const char *path, uid_t uid, gid_t gid)
{
	return fchownat(dir, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

int
sys_flock(int fd, int operation)
{
	return flock(fd, operation);
}

int
sys_fcntl(int fd, int cmd, long arg)
{
	return fcntl(fd, cmd, arg);
}

int
sys_memfd_create(const char *name, unsigned int flags)
{
	return memfd_create(name, flags);
}

int
sys_pipe2(int fds[2], int flags)
{
	return pipe2(fds, flags);
}

int
sys_socketpair(int domain, int type, int protocol, int fds[2])
{
	return socketpair(domain, type, protocol, fds);
}

int
sys_socket(int domain, int type, int protocol)
{
	return socket(domain, type, protocol);
}

int
sys_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	return bind(fd, sa, len);
}

int
sys_listen(int fd, int backlog)
{
	return listen(fd, backlog);
}

int
sys_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	return accept4(fd, sa, len, flags);
}

int
sys_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	return connect(fd, sa, len);
}

ssize_t
sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return sendmsg(fd, msg, flags);
}

ssize_t
sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return recvmsg(fd, msg, flags);
}

pid_t
sys_fork(void)
{
	return fork();
}

pid_t
sys_waitpid(pid_t pid, int *status, int options)
{
	return waitpid(pid, status, options);
}

int
sys_kill(pid_t pid, int sig)
{
	return kill(pid, sig);
}

int
sys_clock_gettime(clockid_t id, struct timespec *ts)
{
	return clock_gettime(id, ts);
}

int
sys_getrandom(void *buf, size_t len)
{
	char	*p = buf;
	ssize_t	 n;

	while (len > 0) {
		if ((n = getrandom(p, len, 0)) == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}
