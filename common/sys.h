/*
 * The thin layer under every call that can fail for reasons outside the
 * program.  Each function is the system call of that name and nothing else
 * (sys_write_all loops over short writes and EINTR).  All of them live in
 * sys.c, so that a test links its own set and makes any of them fail.
 */
#ifndef CHATOPS_SYS_H
#define CHATOPS_SYS_H

#include <sys/types.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

int	 sys_open(const char *, int, mode_t);
int	 sys_openat(int, const char *, int, mode_t);
int	 sys_close(int);
ssize_t	 sys_read(int, void *, size_t);
ssize_t	 sys_pread(int, void *, size_t, off_t);
ssize_t	 sys_write(int, const void *, size_t);
ssize_t	 sys_pwrite(int, const void *, size_t, off_t);
int	 sys_write_all(int, const void *, size_t);
int	 sys_fsync(int);
int	 sys_fdatasync(int);
int	 sys_ftruncate(int, off_t);
int	 sys_fallocate(int, off_t, off_t);
int	 sys_fstat(int, struct stat *);
int	 sys_fstatvfs(int, struct statvfs *);
int	 sys_fstatat(int, const char *, struct stat *, int);
ssize_t	 sys_readlinkat(int, const char *, char *, size_t);
int	 sys_renameat(int, const char *, int, const char *);
int	 sys_unlinkat(int, const char *, int);
int	 sys_mkdirat(int, const char *, mode_t);
int	 sys_fchmod(int, mode_t);
int	 sys_fchown(int, uid_t, gid_t);
int	 sys_fchmodat(int, const char *, mode_t);
int	 sys_fchownat(int, const char *, uid_t, gid_t);	/* no last symlink */
int	 sys_flock(int, int);
int	 sys_fcntl(int, int, long);
int	 sys_memfd_create(const char *, unsigned int);
int	 sys_pipe2(int[2], int);
int	 sys_socketpair(int, int, int, int[2]);
int	 sys_socket(int, int, int);
int	 sys_bind(int, const struct sockaddr *, socklen_t);
int	 sys_listen(int, int);
int	 sys_accept4(int, struct sockaddr *, socklen_t *, int);
int	 sys_connect(int, const struct sockaddr *, socklen_t);
ssize_t	 sys_sendmsg(int, const struct msghdr *, int);
ssize_t	 sys_recvmsg(int, struct msghdr *, int);
pid_t	 sys_fork(void);
pid_t	 sys_waitpid(pid_t, int *, int);
int	 sys_kill(pid_t, int);
int	 sys_clock_gettime(clockid_t, struct timespec *);
int	 sys_getrandom(void *, size_t);	/* all of it, 0 or -1 */

#endif
