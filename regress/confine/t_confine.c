/*
 * Each role's real confinement from inside: everything forbidden is tried,
 * everything needed must work, one act per forked child.  A line of the
 * table says what becomes of an act unconfined (the control: an act that
 * can never succeed would prove nothing) and in each role.
 *
 *	o	works		K	kills the process (SIGSYS)
 *	x	is refused	s	is refused with ENOSYS
 *	A	aborts (SIGABRT)	.	not judged
 *
 * An act that would hurt is tried with arguments that the kernel refuses
 * after its own checks: such an error counts as "works".
 */
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <sodium.h>
#include <sqlite3.h>

#include "compat.h"
#include "confine.h"
#include "confine_linux.h"
#include "log.h"
#include "test.h"

#define USER	64011

static char	 dir[64];	/* the role's own folder */
static char	 other[64];	/* one that is none of its business */
static int	 dir_fd = -1;
static int	 pair[2];	/* a channel */
static uint16_t	 port, other_port;
static struct sockaddr_un	 abstract_name;	/* somebody listens there */
static socklen_t		 abstract_len;
static pid_t	 self;		/* of the test itself */
static uint32_t	 abi;		/* of this kernel's Landlock */

/* 0 or errno. */
static int
err(long rc)
{
	return rc == -1 ? errno : 0;
}

/* 0 when the kernel got as far as judging the arguments. */
static int
judged(long rc)
{
	if (rc != -1 || errno == EINVAL || errno == EFAULT ||
	    errno == EBADF || errno == ENOTTY || errno == ESRCH ||
	    errno == ENOENT || errno == ENOEXEC || errno == EBADMSG)
		return 0;
	return errno;
}

static char *const	 none[] = { NULL };	/* for argv and envp */

static char *
in(const char *folder, const char *name)
{
	static char	 path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

#define ACT(name)	static int name(void)

/* Files. */
ACT(open_passwd)
{
	return err(open("/etc/passwd", O_RDONLY));
}

ACT(open_proc)
{
	return err(open("/proc/self/maps", O_RDONLY));
}

ACT(open_null)
{
	return err(open("/dev/null", O_RDWR));
}

ACT(open_folder)
{
	return err(open("/etc", O_RDONLY | O_DIRECTORY));
}

ACT(open_other)
{
	return err(open(in(other, "file"), O_RDWR));
}

ACT(create_other)
{
	return err(open(in(other, "new"), O_RDWR | O_CREAT, 0600));
}

ACT(truncate_other)
{
	return err(truncate(in(other, "file"), 0));
}

ACT(unlink_other)
{
	return err(unlink(in(other, "victim")));
}

ACT(rename_other)
{
	char	 from[128];

	snprintf(from, sizeof(from), "%s/file2", other);
	return err(rename(from, in(other, "file3")));
}
ACT(chmod_other)
{
	return err(chmod(in(other, "file"), 0644));
}

ACT(fchmod_own)
{
	return err(fchmod(dir_fd, 0700));
}

ACT(chown_other)
{
	return err(chown(in(other, "file"), (uid_t)-1, (gid_t)-1));
}

ACT(link_other)
{
	return err(linkat(AT_FDCWD, in(other, "file"), dir_fd, "link", 0));
}

ACT(symlink_own)
{
	return err(symlinkat("/etc/passwd", dir_fd, "symlink"));
}

ACT(mkdir_own)
{
	return err(mkdirat(dir_fd, "folder", 0700));
}

ACT(mknod_own)
{
	return err(mknodat(dir_fd, "fifo", S_IFIFO | 0600, 0));
}

ACT(xattr_other)
{
	return judged(syscall(SYS_setxattr, in(other, "file"), "user.a", "b",
	    1, 99));
}

ACT(utimes_other)
{
	return err(utimensat(AT_FDCWD, in(other, "file"), NULL, 0));
}

ACT(chdir_root)
{
	return err(chdir("/"));
}

ACT(create_own)
{
	return err(openat(dir_fd, "new", O_RDWR | O_CREAT, 0600));
}

ACT(read_own)
{
	return err(openat(dir_fd, "file", O_RDONLY));
}

ACT(write_own)
{
	return err(openat(dir_fd, "file", O_WRONLY));
}

ACT(list_own)
{
	return err(openat(dir_fd, ".", O_RDONLY | O_DIRECTORY));
}

ACT(unlink_own)
{
	return err(unlinkat(dir_fd, "victim", 0));
}

ACT(rename_own)
{
	return err(renameat(dir_fd, "file2", dir_fd, "file3"));
}

ACT(exec_own)
{
	return err(syscall(SYS_execveat, dir_fd, "true", none, none, 0));
}

ACT(durable_own)
{
	int	 fd;

	fd = openat(dir_fd, "log", O_RDWR | O_CREAT | O_APPEND, 0600);
	if (fd == -1 || write(fd, "line\n", 5) != 5 || fdatasync(fd) == -1 ||
	    fsync(dir_fd) == -1 || ftruncate(fd, 0) == -1 ||
	    posix_fallocate(fd, 0, 4096) != 0)
		return errno;
	return 0;
}
ACT(sqlite_own)
{
	sqlite3		*db;
	char		 path[128];
	int		 rc;

	/* As the executor does: relative to its folder, WAL, FULL. */
	snprintf(path, sizeof(path), "%s/bot.db", dir);
	rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE;"
		    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
		    "CREATE TABLE IF NOT EXISTS t (a) STRICT;"
		    "CREATE TABLE IF NOT EXISTS u (a TEXT) STRICT;"
		    "INSERT INTO u VALUES ('x'), ('y');"
		    "SELECT * FROM u ORDER BY a;"
		    "DELETE FROM u; PRAGMA wal_checkpoint(TRUNCATE);",
		    NULL, NULL, NULL);
	/* STRICT insists on types: that first table must be an error. */
	if (rc == SQLITE_ERROR)
		rc = sqlite3_exec(db,
		    "CREATE TABLE IF NOT EXISTS u (a TEXT) STRICT;"
		    "INSERT INTO u VALUES ('x'), ('y');"
		    "SELECT * FROM u ORDER BY a;"
		    "DELETE FROM u; PRAGMA wal_checkpoint(TRUNCATE);",
		    NULL, NULL, NULL);
	if (sqlite3_close(db) != SQLITE_OK || rc != SQLITE_OK)
		return EIO;
	return 0;
}

/* Processes. */
ACT(do_exec)
{
	return err(execve("/bin/true", none, none));
}
ACT(do_execveat)
{
	return err(syscall(SYS_execveat, AT_FDCWD, "/bin/true", none, none,
	    0));
}
ACT(do_fork)
{
	pid_t	 pid = fork();

	if (pid == 0)
		_exit(0);
	return err(pid);
}
ACT(do_vfork)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0,
	    0);

	if (pid == 0) _exit(0);
	return err(pid);
}

static void *
thread(void *arg)
{
	return arg;
}
ACT(do_thread)
{
	pthread_t t;

	return pthread_create(&t, NULL, thread, NULL);
}

ACT(do_clone3)
{
	struct clone_args	 a;
	long			 pid;

	memset(&a, 0, sizeof(a));
	a.exit_signal = SIGCHLD;
	pid = syscall(SYS_clone3, &a, sizeof(a));
	if (pid == 0)
		_exit(0);
	return err(pid);
}
ACT(new_user)
{
	return err(unshare(CLONE_NEWUSER));
}

ACT(clone_user)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0) _exit(0);
	return err(pid);
}

/* What the runner lives for, down to a program in namespaces. */
ACT(sandbox)
{
	struct clone_args	 a;
	int			 status;
	long			 pid;

	memset(&a, 0, sizeof(a));
	a.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
	    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	a.exit_signal = SIGCHLD;
	pid = syscall(SYS_clone3, &a, sizeof(a));
	if (pid == -1)
		return errno;
	if (pid == 0) {
		if (syscall(SYS_mount, NULL, "/", NULL, 1 << 14 | 1 << 18,
		    NULL) == -1)
			_exit(1);
		(void)execve("/bin/true", none, none);
		_exit(2);
	}
	if (waitpid((pid_t)pid, &status, 0) != pid || status != 0)
		return ECHILD;
	return 0;
}
ACT(kill_test)
{
	return err(kill(self, 0));
}

ACT(kill_all)
{
	return judged(kill(-1, 99));
}

ACT(tgkill_test)
{
	return err(syscall(SYS_tgkill, self, self, 0));
}

ACT(pidfd_test)
{
	return err(syscall(SYS_pidfd_open, self, 0));
}

ACT(ptrace_me)
{
	return err(syscall(SYS_ptrace, 0, 0, 0, 0));
}

ACT(ptrace_test)
{
	return judged(syscall(SYS_ptrace, 0x4206, 999999, 0, 0));
}

ACT(vm_read)
{
	char		 a = 1, b;
	struct iovec	 l = { &b, 1 }, r = { &a, 1 };

	return err(syscall(SYS_process_vm_readv, getpid(), &l, 1, &r, 1, 0));
}
ACT(do_kcmp)
{
	return judged(syscall(SYS_kcmp, getpid(), getpid(), 99, 0, 0));
}

ACT(do_wait)
{
	return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD ? 0 : errno;
}

ACT(priority)
{
	return err(setpriority(PRIO_PROCESS, 0, 5));
}

ACT(scheduler)
{
	struct sched_param	 p;

	memset(&p, 0, sizeof(p));
	return err(sched_setscheduler(0, SCHED_BATCH, &p));
}
ACT(do_abort)
{
	abort();
}


/* Sockets. */
ACT(sock_tcp)
{
	return err(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0));
}

ACT(sock_tcp6)
{
	return err(socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP));
}

ACT(sock_udp)
{
	return err(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP));
}

ACT(sock_unix)
{
	return err(socket(AF_UNIX, SOCK_STREAM, 0));
}

ACT(sock_unix_dgram)
{
	return err(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

ACT(sock_netlink)
{
	return err(socket(AF_NETLINK, SOCK_RAW, 0));
}

ACT(sock_high)
{
	return err(syscall(SYS_socket, 0x100000000UL | AF_NETLINK, SOCK_RAW,
	    0));
}

ACT(sock_raw)
{
	return err(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

ACT(sock_ping)
{
	int rc = err(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));

	return rc == EACCES && geteuid() == 0 ? 0 : rc;
}

ACT(sock_packet)
{
	return err(socket(AF_PACKET, SOCK_RAW, 0));
}

ACT(sock_alg)
{
	int rc = err(socket(38, SOCK_SEQPACKET, 0));

	return rc == EAFNOSUPPORT ? 0 : rc;
}

ACT(sock_vsock)
{
	int rc = err(socket(40, SOCK_STREAM, 0));

	return rc == EAFNOSUPPORT ? 0 : rc;
}

ACT(sock_mptcp)
{
	int rc = err(socket(AF_INET, SOCK_STREAM, 262));

	return rc == EPROTONOSUPPORT || rc == ENOPROTOOPT ? 0 : rc;
}

ACT(sock_sctp)
{
	int rc = err(socket(AF_INET, SOCK_STREAM, 132));

	return rc == EPROTONOSUPPORT ? 0 : rc;
}

ACT(sock_pair)
{
	int sv[2];

	return err(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
}


static int
connect_to(uint16_t to, int fastopen)
{
	struct sockaddr_in	 sin;
	int			 fd, rc;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(to);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd == -1)
		return errno;
	if (fastopen)
		rc = err(sendto(fd, "x", 1, MSG_FASTOPEN,
		    (struct sockaddr *)&sin, sizeof(sin)));
	else
		rc = err(connect(fd, (struct sockaddr *)&sin, sizeof(sin)));
	close(fd);
	return rc == EOPNOTSUPP ? 0 : rc;
}
ACT(connect_port)
{
	return connect_to(port, 0);
}

ACT(connect_other)
{
	return connect_to(other_port, 0);
}

ACT(connect_fast)
{
	return connect_to(other_port, 1);
}

ACT(listening)
{
	int	 fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd == -1 ? errno : err(listen(fd, 1));
}
ACT(binding)
{
	struct sockaddr_in	 sin;
	int			 fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	return fd == -1 ? errno : err(bind(fd, (struct sockaddr *)&sin,
	    sizeof(sin)));
}
ACT(sockopt_device)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd == -1 ? errno : err(setsockopt(fd, SOL_SOCKET,
	    SO_BINDTODEVICE, "lo", 3));
}

ACT(sockopt_nodelay)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd == -1 ? errno : err(setsockopt(fd, IPPROTO_TCP, 1, &one,
	    sizeof(one)));
}

ACT(abstract)
{
	int	 fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (fd == -1)
		return errno;
	return err(connect(fd, (struct sockaddr *)&abstract_name,
	    abstract_len));
}

/* The kernel and the host. */
ACT(do_mount)
{
	return judged(syscall(SYS_mount, 0, 0, 0, 0, 0));
}

ACT(do_umount)
{
	return judged(syscall(SYS_umount2, 0, 0));
}

ACT(do_pivot)
{
	return judged(syscall(SYS_pivot_root, 0, 0));
}

ACT(do_chroot)
{
	return err(chroot("."));
}

ACT(do_setns)
{
	return judged(syscall(SYS_setns, -1, 0));
}

ACT(do_open_tree)
{
	return judged(syscall(428, -1, "", 0x1000));
}

ACT(do_fsopen)
{
	return judged(syscall(430, 0, 0));
}

ACT(do_bpf)
{
	return judged(syscall(SYS_bpf, 999, 0, 0));
}

ACT(do_uring)
{
	return judged(syscall(425, 0, 0));
}

ACT(do_keyctl)
{
	return judged(syscall(SYS_keyctl, 999, 0, 0, 0, 0));
}

ACT(do_add_key)
{
	return judged(syscall(SYS_add_key, 0, 0, 0, 0, 0));
}

ACT(do_request_key)
{
	return judged(syscall(SYS_request_key, 0, 0, 0, 0));
}

ACT(do_userfaultfd)
{
	return judged(syscall(SYS_userfaultfd, 0xffffff));
}

ACT(do_perf)
{
	return judged(syscall(SYS_perf_event_open, 0, 0, 0, 0, 0));
}

ACT(do_kexec)
{
	return judged(syscall(SYS_kexec_load, 0, 99, 0, 0));
}

ACT(do_module)
{
	return judged(syscall(SYS_finit_module, -1, 0, 0));
}

ACT(do_swapon)
{
	return judged(syscall(SYS_swapon, 0, 0));
}

ACT(do_reboot)
{
	return judged(syscall(SYS_reboot, 0, 0, 0, 0));
}

ACT(do_acct)
{
	return judged(syscall(SYS_acct, 1));
}

ACT(do_quotactl)
{
	return judged(syscall(SYS_quotactl, 0xffffff, 0, 0, 0));
}

ACT(do_settime)
{
	return judged(syscall(SYS_clock_settime, 999, 0));
}

ACT(do_adjtime)
{
	return judged(syscall(SYS_adjtimex, 0));
}

ACT(do_syslog)
{
	return judged(syscall(SYS_syslog, 999, 0, 0));
}

ACT(do_hostname)
{
	return judged(syscall(SYS_sethostname, 0, 9999));
}

ACT(do_personality)
{
	return err(syscall(SYS_personality, 0xffffffffUL));
}

ACT(do_by_handle)
{
	return judged(syscall(SYS_open_by_handle_at, -1, 0, 0));
}

ACT(do_fanotify)
{
	return judged(syscall(SYS_fanotify_init, 0xffffff, 0));
}

ACT(do_inotify)
{
	return err(syscall(SYS_inotify_init1, 0));
}

ACT(do_secret)
{
	int rc = err(syscall(447, 0));

	return rc == ENOSYS ? 0 : rc;
}

ACT(do_shm)
{
	return err(shmget(IPC_PRIVATE, 4096, 0600));
}

ACT(do_mq)
{
	return judged(syscall(SYS_mq_open, 0, 0, 0, 0));
}

#if defined(__x86_64__)
ACT(do_ldt)
{
	return judged(syscall(SYS_modify_ldt, 99, 0, 0));
}

ACT(do_iopl)
{
	return judged(syscall(SYS_iopl, 99));
}
#endif
ACT(do_landlock)
{
	return judged(syscall(444, 0, 0, 99));
}

ACT(do_seccomp)
{
	return judged(syscall(SYS_seccomp, 99, 0, 0));
}

#if defined(__x86_64__)
ACT(foreign_abi)
{
	int	 rc;

	/* getpid by the door of 32-bit programs. */
	__asm__ volatile("int $0x80" : "=a"(rc) : "a"(20) :
	    "memory", "r8", "r9", "r10", "r11");
	return rc > 0 ? 0 : ENOSYS;
}
ACT(x32_abi)
{
	long rc = syscall(0x40000000 | SYS_getpid);

	return rc > 0 || errno == ENOSYS ? 0 : errno;
}
#endif
ACT(unknown_call)
{
	return err(syscall(5000));
}


/* Its own privileges. */
ACT(set_uid)
{
	return err(setresuid(getuid(), getuid(), getuid()));
}

ACT(set_groups)
{
	return err(setgroups(0, NULL));
}

ACT(set_root)
{
	return err(setuid(0));
}

ACT(set_limit)
{
	struct rlimit	 rl = { 4, 4 };

	return err(setrlimit(RLIMIT_NOFILE, &rl));
}
ACT(get_limit)
{
	struct rlimit rl;

	return err(getrlimit(RLIMIT_NOFILE, &rl));
}

ACT(set_dumpable)
{
	return err(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

ACT(set_securebits)
{
	return err(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0));
}

ACT(is_dumpable)
{
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
}

ACT(map_exec)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE |
	    MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

ACT(protect_exec)
{
	void	*p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		    MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : err(mprotect(p, 4096, PROT_READ |
	    PROT_EXEC));
}
ACT(type_for_others)
{
	return judged(ioctl(pair[0], TIOCSTI, "x"));
}

ACT(send_to_owner)
{
	return err(fcntl(pair[0], F_SETOWN, self));
}

ACT(make_memfd)
{
	return err(memfd_create("a", MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

ACT(lock_memory)
{
	return err(syscall(SYS_mlock, dir, sizeof(dir)));
}


/* What every process does all day. */
static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(*(int *)arg)++;
}
ACT(loop)
{
	struct event_base	*base = event_base_new();
	struct event		*timer, *reader;
	struct timeval		 tv = { 0, 1000 };
	int			 n = 0;
	char			 c;

	if (base == NULL)
		return EIO;
	timer = evtimer_new(base, on_event, &n);
	reader = event_new(base, pair[0], EV_READ, on_event, &n);
	if (write(pair[1], "x", 1) != 1 || event_add(reader, NULL) == -1 ||
	    event_add(timer, &tv) == -1 || event_base_dispatch(base) == -1)
		return EIO;
	if (recv(pair[0], &c, 1, 0) != 1)
		return errno;
	event_free(timer);
	event_free(reader);
	event_base_free(base);
	return n == 2 ? 0 : EIO;
}
static int
compare(const void *a, const void *b)
{
	return *(const char *)a - *(const char *)b;
}
ACT(library)
{
	unsigned char	 key[32];
	char		*big, text[64];
	time_t		 now;
	struct tm	 tm;
	size_t		 i;

	big = calloc(4, 1024 * 1024);
	if (big == NULL)
		return errno;
	for (i = 0; i < 1000; i++)
		big[i] = (char)(i * 7);
	qsort(big, 1024 * 1024, 1, compare);
	big = realloc(big, 16 * 1024 * 1024);
	free(big);
	randombytes_buf(key, sizeof(key));
	now = time(NULL);
	if (gmtime_r(&now, &tm) == NULL || strftime(text, sizeof(text), "%F",
	    &tm) == 0)
		return EIO;
	usleep(100);
	(void)isatty(2);
	log_debug("nothing");
	return sysconf(_SC_NPROCESSORS_ONLN) > 0 ? 0 : EIO;
}
ACT(peer)
{
	struct ucred	 c;
	socklen_t	 len = sizeof(c);

	return err(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &c, &len));
}
ACT(passing)
{
	char		 buf[CMSG_SPACE(sizeof(int))], c = 'x';
	struct iovec	 iov = { &c, 1 };
	struct msghdr	 m;
	struct cmsghdr	*h;

	memset(&m, 0, sizeof(m));
	memset(buf, 0, sizeof(buf));
	m.msg_iov = &iov;
	m.msg_iovlen = 1;
	m.msg_control = buf;
	m.msg_controllen = sizeof(buf);
	h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &pair[0], sizeof(int));
	if (sendmsg(pair[0], &m, MSG_NOSIGNAL) != 1)
		return errno;
	return recvmsg(pair[1], &m, MSG_CMSG_CLOEXEC) == 1 ? 0 : errno;
}
ACT(broken_pipe)
{
	int	 fd[2];

	/* SIGPIPE is ignored: an error, not an end. */
	if (pipe2(fd, O_CLOEXEC) == -1 || close(fd[0]) == -1)
		return errno;
	return write(fd[1], "x", 1) == -1 && errno == EPIPE ? 0 : EIO;
}

/* parent, network, executor, runner, audit, ctl. */
static const enum role roles[] = {
	ROLE_PARENT, ROLE_NETWORK, ROLE_EXECUTOR, ROLE_RUNNER, ROLE_AUDIT,
	ROLE_CTL
};
#define NROLES	(sizeof(roles) / sizeof(roles[0]))

/* May fail unconfined: for an ordinary user; on this kernel. */
#define ROOT	1
#define KERNEL	2

static const struct act {
	const char	*name;
	int		(*run)(void);
	const char	*want;		/* PNERAC */
	int		 control;
	uint32_t	 abi;		/* of Landlock, that refuses it */
} acts[] = {
#define A(f, want, c)	{ #f, f, want, c, 0 }
#define L(f, want, abi)	{ #f, f, want, 0, abi }
	/*		    PNERAC */
	L(open_passwd,	   "xxxoxx", 1),
	L(open_proc,	   "xxxoxx", 1),
	L(open_null,	   "xxxoxx", 1),
	L(open_folder,	   "xxxoxx", 1),
	L(open_other,	   "xxxoxx", 1),
	L(create_other,	   "xxxoxx", 1),
	A(truncate_other,  "KKKoKK", 0),
	L(unlink_other,	   "xKxoxK", 1),
	L(rename_other,	   "KKKoxK", 1),
	A(chmod_other,	   "KKKoKK", 0),
	A(fchmod_own,	   "KKxoxK", 0),
	A(chown_other,	   "KKKoKK", 0),
	A(link_other,	   "KKKoKK", 0),
	A(symlink_own,	   "KKKoKK", 0),
	A(mkdir_own,	   "KKKooK", 0),
	A(mknod_own,	   "KKKoKK", 0),
	A(xattr_other,	   "KKKoKK", 0),
	A(utimes_other,	   "KKKoKK", 0),
	A(chdir_root,	   "KKKoKK", 0),
	L(create_own,	   "xxooox", 1),
	A(read_own,	   "oxooox", 0),
	L(write_own,	   "xxooox", 1),
	A(list_own,	   "oxooox", 0),
	A(unlink_own,	   "oKoooK", 0),
	A(rename_own,	   "KKKooK", 0),
	A(exec_own,	   "KKKoKK", 0),
	L(durable_own,	   "xxooox", 1),
	A(sqlite_own,	   "..oo..", 0),

	A(do_exec,	   "KKKoKK", 0),
	A(do_execveat,	   "KKKoKK", 0),
	A(do_fork,	   "KKKoKK", 0),
	A(do_vfork,	   "KKKoKK", 0),
	A(do_thread,	   "KKKoKK", 0),
	A(do_clone3,	   "sssoss", 0),
	A(new_user,	   "KKKxKK", 0),
	A(clone_user,	   "KKKxKK", 0),
	A(sandbox,	   "sssoss", 0),
	L(kill_test,	   "oKKxKK", 6),
	A(kill_all,	   "oKKoKK", 0),
	L(tgkill_test,	   "sssxss", 6),
	A(pidfd_test,	   "oKKoKK", 0),
	A(ptrace_me,	   "KKKxKK", 0),
	A(ptrace_test,	   "KKKxKK", 0),
	A(vm_read,	   "KKKxKK", 0),
	A(do_kcmp,	   "KKKxKK", 0),
	A(do_wait,	   "oKKoKK", 0),
	A(do_abort,	   "AAAAAA", KERNEL),
	A(priority,	   "KKKoKK", 0),
	A(scheduler,	   "KKKoKK", 0),

	A(sock_tcp,	   "soKoKK", 0),
	A(sock_tcp6,	   "soKoKK", 0),
	A(sock_udp,	   "soKoKK", 0),
	A(sock_unix,	   "ssKoKK", 0),
	A(sock_unix_dgram, "osKoKK", 0),
	A(sock_netlink,	   "ssKoKK", 0),
	A(sock_high,	   "ssKoKK", 0),
	A(sock_raw,	   "ssKxKK", ROOT),
	A(sock_ping,	   "ssK.KK", KERNEL),
	A(sock_packet,	   "ssKxKK", ROOT),
	A(sock_alg,	   "ssK.KK", KERNEL),
	A(sock_vsock,	   "ssK.KK", KERNEL),
	A(sock_mptcp,	   "ssK.KK", KERNEL),
	A(sock_sctp,	   "ssK.KK", KERNEL),
	A(sock_pair,	   "oooooo", 0),
	L(connect_port,	   "soKxKK", 4),
	L(connect_other,   "sxKxKK", 4),
	A(connect_fast,	   "ssKoKK", 0),
	A(listening,	   "sKKoKK", 0),
	L(binding,	   "sKKxKK", 4),
	A(sockopt_device,  "ssKoKK", KERNEL),
	A(sockopt_nodelay, "soKoKK", 0),
	L(abstract,	   ".sKxKK", 6),

	A(do_mount,	   "KKKoKK", ROOT),
	A(do_umount,	   "KKKoKK", ROOT),
	A(do_pivot,	   "KKKxKK", ROOT),
	A(do_chroot,	   "KKKxKK", ROOT),
	A(do_setns,	   "KKKxKK", ROOT),
	A(do_open_tree,	   "KKKoKK", 0),
	A(do_fsopen,	   "KKKoKK", ROOT),
	A(do_bpf,	   "KKKxKK", ROOT),
	A(do_uring,	   "KKKxKK", KERNEL),
	A(do_keyctl,	   "KKKxKK", KERNEL),
	A(do_add_key,	   "KKKxKK", KERNEL),
	A(do_request_key,  "KKKxKK", KERNEL),
	A(do_userfaultfd,  "KKKxKK", KERNEL),
	A(do_perf,	   "KKKxKK", KERNEL),
	A(do_kexec,	   "KKKxKK", KERNEL),
	A(do_module,	   "KKKxKK", KERNEL),
	A(do_swapon,	   "KKKxKK", KERNEL),
	A(do_reboot,	   "KKKxKK", ROOT),
	A(do_acct,	   "KKKxKK", KERNEL),
	A(do_quotactl,	   "KKKxKK", KERNEL),
	A(do_settime,	   "KKKxKK", 0),
	A(do_adjtime,	   "KKKxKK", 0),
	A(do_syslog,	   "KKKxKK", ROOT),
	A(do_hostname,	   "KKKoKK", ROOT),
	A(do_personality,  "KKKoKK", 0),
	A(do_by_handle,	   "KKKxKK", ROOT),
	A(do_fanotify,	   "KKKxKK", KERNEL),
	A(do_inotify,	   "KKKoKK", 0),
	A(do_secret,	   "KKKxKK", KERNEL),
	A(do_shm,	   "KKKoKK", 0),
	A(do_mq,	   "KKKoKK", 0),
#if defined(__x86_64__)
	A(do_ldt,	   "KKKxKK", KERNEL),
	A(do_iopl,	   "KKKxKK", KERNEL),
#endif
	A(do_landlock,	   "KKKoKK", KERNEL),
	A(do_seccomp,	   "KKKoKK", 0),
#if defined(__x86_64__)
	A(foreign_abi,	   "KKKKKK", KERNEL),
	A(x32_abi,	   "KKKKKK", 0),
#endif
	A(unknown_call,	   "ssssss", KERNEL),

	A(set_uid,	   "KKKoKK", 0),
	A(set_groups,	   "KKK.KK", ROOT),
	A(set_root,	   "KKK.KK", ROOT),
	A(set_limit,	   "sssoss", 0),
	A(get_limit,	   "oooooo", 0),
	A(set_dumpable,	   "sssoss", 0),
	A(set_securebits,  "sssxss", ROOT),
	A(is_dumpable,	   "oooooo", KERNEL),
	A(map_exec,	   "xxxoxx", 0),
	A(protect_exec,	   "xxxoxx", 0),
	A(type_for_others, "sssxss", 0),
	A(send_to_owner,   "sssoss", 0),
	A(make_memfd,	   "oKoo.K", 0),
	A(lock_memory,	   "KKKooK", 0),

	A(loop,		   "oooooo", 0),
	A(library,	   "oooooo", 0),
	A(peer,		   "oooooo", 0),
	A(passing,	   "oooooo", 0),
	A(broken_pipe,	   "oooooo", KERNEL),
#undef A
#undef L
};

static int
confine(enum role role, struct msg_ready *out)
{
	struct confine_paths	 c;

	memset(&c, 0, sizeof(c));
	c.tcp_ports[0] = port;
	c.data_dir = c.log_dir = c.key_dir = c.allow_dir = c.run_dir = dir_fd;
	switch (role) {
	case ROLE_PARENT:
		return confine_parent(&c, out);
	case ROLE_NETWORK:
		return confine_network(&c, out);
	case ROLE_EXECUTOR:
		return confine_executor(&c, out);
	case ROLE_RUNNER:
		return confine_runner(&c, out);
	case ROLE_AUDIT:
		return confine_audit(&c, out);
	default:
		return confine_ctl(out);
	}
}

static void
touch(const char *folder, const char *name)
{
	int	 fd = open(in(folder, name), O_CREAT | O_WRONLY, 0600);

	if (fd == -1)
		abort();
	close(fd);
}

/* What an act removed or made is put back. */
static void
refresh(void)
{
	static const char *const	 made[] = {
		"link", "symlink", "folder", "fifo", "new", "file3"
	};
	size_t	 i;

	for (i = 0; i < nitems(made); i++)
		(void)remove(in(dir, made[i]));
	(void)remove(in(other, "new"));
	(void)remove(in(other, "file3"));
	touch(dir, "file");
	touch(dir, "file2");
	touch(dir, "victim");
	touch(other, "file");
	touch(other, "file2");
	touch(other, "victim");
}

/* One act in a child: 0, errno, 1000 + signal; 999: not confined. */
static int
try(const struct act *a, int role)
{
	struct msg_ready	 ready;
	pid_t			 pid;
	int			 status;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		alarm(10);
		if (role >= 0 && confine((enum role)role, &ready) == -1)
			_exit(254);
		_exit(a->run());
	}
	if (waitpid(pid, &status, 0) != pid)
		abort();
	if (WIFSIGNALED(status))
		return 1000 + WTERMSIG(status);
	return WEXITSTATUS(status) == 254 ? 999 : WEXITSTATUS(status);
}

static int
is_wanted(char want, int got)
{
	switch (want) {
	case 'o':
		return got == 0;
	case 'x':
		return got > 0 && got < 254;
	case 's':
		return got == ENOSYS;
	case 'K':
		return got == 1000 + SIGSYS;
	case 'A':
		return got == 1000 + SIGABRT;
	default:
		return got != 999;
	}
}

/* What only a newer Landlock refuses is not judged here. */
static int
is_beyond(const struct act *a, char want)
{
	return want == 'x' && a->abi > abi;
}

static void
try_all(void)
{
	long	 version;
	size_t	 i, k;
	int	 got;

	version = syscall(444, NULL, 0, 1);
	abi = version > 0 ? (uint32_t)version : 0;
	if (abi < 6)
		printf("SKIP acts that Landlock refuses from ABI %u on: "
		    "this kernel has no newer one\n", abi + 1);
	for (i = 0; i < nitems(acts); i++) {
		refresh();
		got = try(&acts[i], -1);
		if (got != 0 && (acts[i].control == 0 ||
		    (acts[i].control == ROOT && geteuid() == 0))) {
			fprintf(stderr, "%s: unconfined %d\n", acts[i].name,
			    got);
			test_bad++;
		}
		for (k = 0; k < NROLES; k++) {
			refresh();
			got = try(&acts[i], (int)roles[k]);
			if (is_wanted(acts[i].want[k], got) ||
			    is_beyond(&acts[i], acts[i].want[k]))
				continue;
			/* The same refusal by the user's own want of rights. */
			if (acts[i].control == ROOT && geteuid() != 0 &&
			    acts[i].want[k] == 'o' && got == EPERM)
				continue;
			fprintf(stderr, "%s in %s: %d%s, wanted %c\n",
			    acts[i].name, role_name(roles[k]), got,
			    got > 0 && got < 254 ? strerror(got) : "",
			    acts[i].want[k]);
			test_bad++;
		}
	}
}

static uint16_t
listener(void)
{
	struct sockaddr_in	 sin;
	socklen_t		 len = sizeof(sin);
	int			 fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
	    listen(fd, 128) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) == -1)
		abort();
	return ntohs(sin.sin_port);
}

/* Named by the kernel, in the abstract namespace (unix(7)). */
static void
abstract_listener(void)
{
	int	 fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	memset(&abstract_name, 0, sizeof(abstract_name));
	abstract_name.sun_family = AF_UNIX;
	abstract_len = sizeof(abstract_name);
	if (fd == -1 || bind(fd, (struct sockaddr *)&abstract_name,
	    sizeof(sa_family_t)) == -1 || getsockname(fd,
	    (struct sockaddr *)&abstract_name, &abstract_len) == -1)
		abort();
}

static void
prepare(void)
{
	const char	*tmp = getenv("TMPDIR");

	if (sodium_init() == -1)
		abort();
	self = getpid();
	snprintf(dir, sizeof(dir), "%s/chatops-own.XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	snprintf(other, sizeof(other), "%s/chatops-oth.XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(dir) == NULL || mkdtemp(other) == NULL ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == -1)
		abort();
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (symlink("/bin/true", in(dir, "true")) == -1 || dir_fd == -1)
		abort();
	port = listener();
	other_port = listener();
	abstract_listener();
}

static void
clean_up(void)
{
	static const char *const	 names[] = {
		"file", "file2", "file3", "victim", "new", "link", "symlink",
		"folder", "fifo", "log", "true", "bot.db", "bot.db-wal",
		"bot.db-shm", "bot.db-journal"
	};
	size_t	 i;

	for (i = 0; i < nitems(names); i++) {
		(void)remove(in(dir, names[i]));
		(void)remove(in(other, names[i]));
	}
	CHECK(rmdir(dir) == 0);
	CHECK(rmdir(other) == 0);
}

static void
run_all(void)
{
	prepare();
	try_all();
	clean_up();
}

/* In a child of that user. */
static void
as_user(void (*run)(void))
{
	int	 status;
	pid_t	 pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && confine_user(USER, USER) == -1)
			_exit(2);
		test_bad = 0;
		run();
		fflush(NULL);
		_exit(test_bad != 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

TEST(acts_as_root)
{
	int	 status;
	pid_t	 pid;

	if (geteuid() != 0) {
		printf("SKIP acts_as_root: not started by root\n");
		return;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		test_bad = 0;
		run_all();
		fflush(NULL);
		_exit(test_bad != 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

TEST(acts_as_user)
{
	as_user(run_all);
}

/* A name that is misspelt would silently be no line at all. */
TEST(tables)
{
	const struct confine_rule *const *const	 all[] = {
		confine_tables_parent, confine_tables_network,
		confine_tables_executor, confine_tables_runner,
		confine_tables_audit, confine_tables_ctl
	};
	const struct confine_rule *const	*t;
	const struct confine_rule		*r;
	size_t					 i, n = 0;

	for (i = 0; i < nitems(all); i++) {
		for (t = all[i]; *t != NULL; t++) {
			for (r = *t; r->name != NULL; r++) {
				if (seccomp_syscall_resolve_name(r->name) ==
				    __NR_SCMP_ERROR) {
					fprintf(stderr, "%s: no such call\n",
					    r->name);
					test_bad++;
				}
				CHECK(r->why != NULL && r->why[0] != '\0');
				CHECK(r->nargs <= nitems(r->args));
				n++;
			}
		}
	}
	CHECK(n > 400);
}

/*
 * Kernels with an older Landlock, or none: a second process answers the
 * question for its version (seccomp_unotify(2)), the rest is the kernel's.
 */
static void
answer_version(int listener, int64_t version)
{
	struct seccomp_notif		 req;
	struct seccomp_notif_resp	 resp;

	/* It has the filter itself, so its listener never runs dry. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1)
		_exit(1);
	alarm(10);
	for (;;) {
		memset(&req, 0, sizeof(req));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &req) == -1)
			_exit(0);
		memset(&resp, 0, sizeof(resp));
		resp.id = req.id;
		if (req.data.args[0] != 0)
			resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		else if (version > 0)
			resp.val = version;
		else
			resp.error = -ENOSYS;
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) == -1)
			_exit(0);
	}
}

/* landlock_create_ruleset(2) asks the listener, whose descriptor it is. */
static int
install_listener(void)
{
	struct sock_filter	 code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 444, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog	 prog = { nitems(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
}

/* In a child: what a role reaches on such a kernel. */
static int
reach_with(int64_t version, enum role role, struct msg_ready *out)
{
	int	 fds[2], status, listener;
	pid_t	 pid, answerer;
	ssize_t	 n;

	if (pipe(fds) == -1)
		abort();
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		alarm(10);
		listener = install_listener();
		if (listener == -1)
			_exit(3);
		answerer = fork();
		if (answerer == 0)
			answer_version(listener, version);
		close(listener);
		status = confine(role, out);
		if (write(fds[1], out, sizeof(*out)) != sizeof(*out))
			_exit(4);
		_exit(status == 0 ? 0 : 5);
	}
	close(fds[1]);
	n = read(fds[0], out, sizeof(*out));
	close(fds[0]);
	if (waitpid(pid, &status, 0) != pid)
		abort();
	return n == sizeof(*out) && status == 0 ? 0 : -1;
}

static void
older_kernels(void)
{
	struct msg_ready	 ready;
	uint32_t		 required;
	size_t			 k;
	long			 newest;
	int			 version, has;

	newest = syscall(444, NULL, 0, 1);
	if (newest < 0)
		newest = 0;
	for (version = 0; version <= 6 && version <= newest; version++) {
		for (k = 0; k < NROLES; k++) {
			CHECK_INT(reach_with(version, roles[k], &ready), 0);
			CHECK_INT(ready.landlock_abi, version);
			has = (ready.reached & CONFINED_LANDLOCK) != 0;
			/* Whoever mounts has nothing of ABI 3 and before. */
			CHECK_INT(has, version > (roles[k] == ROLE_RUNNER ?
			    3 : 0));
			required = confine_required(roles[k], 0);
			CHECK_INT((ready.reached & required) == required,
			    version > 0 || roles[k] == ROLE_RUNNER);
			if (!has)
				CHECK(strstr(ready.note, "landlock") != NULL);
			if (has && version < 4 && roles[k] == ROLE_NETWORK)
				CHECK(strstr(ready.note, "TCP") != NULL);
		}
	}
}

/* A kernel without filters, imitated by a filter. */
static void
refuse_seccomp(void)
{
	struct sock_filter	 code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_SECCOMP, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog	 prog = { nitems(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == -1)
		_exit(3);
}

static void
no_seccomp(void)
{
	struct msg_ready	 ready;
	size_t			 k;
	int			 status;
	pid_t			 pid;

	for (k = 0; k < NROLES; k++) {
		fflush(NULL);
		pid = fork();
		if (pid == 0) {
			alarm(10);
			refuse_seccomp();
			if (confine(roles[k], &ready) != 0)
				_exit(4);
			if (ready.reached & CONFINED_SECCOMP)
				_exit(5);
			if (strstr(ready.note, "seccomp") == NULL)
				_exit(6);
			_exit((ready.reached & CONFINED_NNP) ? 0 : 7);
		}
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK_INT(status, 0);
	}
}

static void
older_prepared(void)
{
	prepare();
	older_kernels();
	no_seccomp();
	clean_up();
}

TEST(older_kernel)
{
	as_user(older_prepared);
}
