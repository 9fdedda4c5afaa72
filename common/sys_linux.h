/*
 * The Linux calls that make a sandbox, in the same thin layer as sys.h and
 * for the same reason: a test links its own set and makes any of them fail.
 * The constants are the kernel's, for headers older than it.
 */
#ifndef CHATOPS_SYS_LINUX_H
#define CHATOPS_SYS_LINUX_H

#include <sys/types.h>
#include <sys/resource.h>
#include <sys/statfs.h>

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

/* mount_setattr(2), 5.12 */
struct sys_mount_attr {
	uint64_t	 attr_set;
	uint64_t	 attr_clr;
	uint64_t	 propagation;
	uint64_t	 userns_fd;
};
#define SYS_MOUNT_RDONLY	0x01
#define SYS_MOUNT_NOSUID	0x02
#define SYS_MOUNT_NODEV		0x04
#define SYS_OPEN_TREE_CLONE	0x01
#define SYS_AT_RECURSIVE	0x8000
#define SYS_MOVE_EMPTY_PATH	0x04

struct clone_args;

/* clone3(2) as fork(2): 0 in the child. */
pid_t	 sys_clone3(struct clone_args *, size_t);
/*
 * clone(2) as vfork(2), on a stack of its own: the caller waits until the
 * child executes something or ends, and they share their memory until then.
 */
pid_t	 sys_spawn(int (*)(void *), void *stack_top, void *);
int	 sys_unshare(int);
int	 sys_mount(const char *, const char *, const char *, unsigned long,
	    const char *);
int	 sys_open_tree(int, const char *, unsigned int);
int	 sys_mount_setattr(int, const char *, unsigned int,
	    struct sys_mount_attr *);
int	 sys_move_mount(int, const char *, int, const char *, unsigned int);
int	 sys_mkdir(const char *, mode_t);
int	 sys_access(const char *, int);
int	 sys_chdir(const char *);
int	 sys_statfs(const char *, struct statfs *);
ssize_t	 sys_readlink(const char *, char *, size_t);
int	 sys_prctl(int, unsigned long, unsigned long);
int	 sys_capset(uint64_t effective, uint64_t permitted);
int	 sys_setresuid(uid_t, uid_t, uid_t);
int	 sys_setresgid(gid_t, gid_t, gid_t);
int	 sys_setrlimit(int, const struct rlimit *);
int	 sys_sethostname(const char *, size_t);
pid_t	 sys_setsid(void);
int	 sys_dup2(int, int);
int	 sys_close_range(unsigned int, unsigned int);
int	 sys_sigprocmask(int, const sigset_t *, sigset_t *);
int	 sys_execve(const char *, char *const [], char *const []);
int	 sys_pidfd_send_signal(int, int);
pid_t	 sys_wait4(pid_t, int *, int, struct rusage *);

#endif
