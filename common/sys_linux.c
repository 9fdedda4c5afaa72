/*
 * The system calls themselves; nothing here may decide anything.  glibc of
 * Debian 12 has no function for half of them.
 */
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/capability.h>

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "sys_linux.h"

/* The same on every architecture since 5.1. */
#define NR_PIDFD_SEND_SIGNAL	424
#define NR_OPEN_TREE		428
#define NR_MOVE_MOUNT		429
#define NR_CLONE3		435
#define NR_CLOSE_RANGE		436
#define NR_MOUNT_SETATTR	442

pid_t
sys_clone3(struct clone_args *args, size_t size)
{
	return (pid_t)syscall(NR_CLONE3, args, size);
}

pid_t
sys_spawn(int (*run)(void *), void *stack_top, void *arg)
{
	return clone(run, stack_top, CLONE_VM | CLONE_VFORK | SIGCHLD, arg);
}

int
sys_unshare(int flags)
{
	return unshare(flags);
}

int
sys_mount(const char *source, const char *target, const char *type,
    unsigned long flags, const char *data)
{
	return mount(source, target, type, flags, data);
}

int
sys_open_tree(int dir, const char *path, unsigned int flags)
{
	return (int)syscall(NR_OPEN_TREE, dir, path, flags);
}

int
sys_mount_setattr(int dir, const char *path, unsigned int flags,
    struct sys_mount_attr *attr)
{
	return (int)syscall(NR_MOUNT_SETATTR, dir, path, flags, attr,
	    sizeof(*attr));
}

int
sys_move_mount(int from, const char *from_path, int to, const char *to_path,
    unsigned int flags)
{
	return (int)syscall(NR_MOVE_MOUNT, from, from_path, to, to_path,
	    flags);
}

int
sys_mkdir(const char *path, mode_t mode)
{
	return mkdir(path, mode);
}

int
sys_access(const char *path, int mode)
{
	return access(path, mode);
}

int
sys_chdir(const char *path)
{
	return chdir(path);
}

int
sys_statfs(const char *path, struct statfs *st)
{
	return statfs(path, st);
}

ssize_t
sys_readlink(const char *path, char *buf, size_t len)
{
	return readlink(path, buf, len);
}

int
sys_prctl(int option, unsigned long a, unsigned long b)
{
	return prctl(option, a, b, 0UL, 0UL);
}

int
sys_capset(uint64_t effective, uint64_t permitted)
{
	struct __user_cap_header_struct	 h;
	struct __user_cap_data_struct	 d[2];

	memset(&h, 0, sizeof(h));
	memset(d, 0, sizeof(d));
	h.version = _LINUX_CAPABILITY_VERSION_3;
	d[0].effective = (uint32_t)effective;
	d[1].effective = (uint32_t)(effective >> 32);
	d[0].permitted = (uint32_t)permitted;
	d[1].permitted = (uint32_t)(permitted >> 32);
	return (int)syscall(SYS_capset, &h, d);
}

int
sys_setresuid(uid_t r, uid_t e, uid_t s)
{
	return setresuid(r, e, s);
}

int
sys_setresgid(gid_t r, gid_t e, gid_t s)
{
	return setresgid(r, e, s);
}

int
sys_setrlimit(int which, const struct rlimit *limit)
{
	return setrlimit(which, limit);
}

int
sys_sethostname(const char *name, size_t len)
{
	return sethostname(name, len);
}

pid_t
sys_setsid(void)
{
	return setsid();
}

int
sys_dup2(int from, int to)
{
	return dup2(from, to);
}

int
sys_close_range(unsigned int first, unsigned int last)
{
	return (int)syscall(NR_CLOSE_RANGE, first, last, 0);
}

int
sys_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	return sigprocmask(how, set, old);
}

int
sys_execve(const char *path, char *const argv[], char *const envp[])
{
	return execve(path, argv, envp);
}

int
sys_pidfd_send_signal(int pidfd, int sig)
{
	return (int)syscall(NR_PIDFD_SEND_SIGNAL, pidfd, sig, NULL, 0);
}

pid_t
sys_wait4(pid_t pid, int *status, int options, struct rusage *ru)
{
	return wait4(pid, status, options, ru);
}
