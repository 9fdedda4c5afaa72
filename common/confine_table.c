/*
 * The system calls that each role keeps, a reason to a line.
 *
 * What is in none of a role's tables and was known when they were written
 * kills the process; what came later gets ENOSYS, so that a new libc falls
 * back on what it did before (confine_seccomp.c).
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#include "compat.h"
#include "confine_linux.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA		0x53564d41
#endif
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH		0x1000
#endif
#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN		0x20000000
#endif
#define CONFINE_SOCK_MASK	0xf	/* type without NONBLOCK, CLOEXEC */
#define CONFINE_CLONE_NEW	(CLONE_NEWNS | CLONE_NEWCGROUP | \
				    CLONE_NEWUTS | CLONE_NEWIPC | \
				    CLONE_NEWUSER | CLONE_NEWPID | \
				    CLONE_NEWNET)

/* Argument n is exactly v; has none of the bits; has all of the bits. */
#define IS(n, v)	SCMP_CMP(n, SCMP_CMP_MASKED_EQ, 0xffffffffULL, \
			    (uint32_t)(v))
#define NONE_OF(n, m)	SCMP_CMP(n, SCMP_CMP_MASKED_EQ, (uint32_t)(m), 0)
#define ALL_OF(n, m)	SCMP_CMP(n, SCMP_CMP_MASKED_EQ, (uint32_t)(m), \
			    (uint32_t)(m))
#define FIELD(n, m, v)	SCMP_CMP(n, SCMP_CMP_MASKED_EQ, (uint32_t)(m), v)
#define NULL_AT(n)	SCMP_CMP(n, SCMP_CMP_EQ, 0, 0)

#define KEEP(name, why)		{ name, CONFINE_ALLOW, why, 0, { { 0 } } }
#define KEEP1(name, why, a)	{ name, CONFINE_ALLOW, why, 1, { a } }
#define KEEP2(name, why, a, b)	{ name, CONFINE_ALLOW, why, 2, { a, b } }
#define KEEP3(name, why, a, b, c) { name, CONFINE_ALLOW, why, 3, { a, b, c } }
#define FAIL(name, e, why)	{ name, e, why, 0, { { 0 } } }
#define FAIL1(name, e, why, a)	{ name, e, why, 1, { a } }
#define END			{ NULL, 0, NULL, 0, { { 0 } } }

/* What a process that only computes and talks on open channels does. */
static const struct confine_rule table_base[] = {
	KEEP("read", "channels, pipes, files that were handed over"),
	KEEP("readv", "the same, scattered"),
	KEEP("write", "log lines, channels"),
	KEEP("writev", "the same, gathered"),
	KEEP("close", "descriptors that are done with"),
	KEEP("lseek", "stdio"),
	KEEP("fstat", "stdio, size of a file that was handed over"),
	KEEP1("newfstatat", "fstat(3) of newer libcs",
	    ALL_OF(3, AT_EMPTY_PATH)),
	KEEP1("mmap", "memory, never executable",
	    NONE_OF(2, PROT_EXEC)),
	FAIL1("mmap", EACCES, "a JIT or a plug-in must do without",
	    ALL_OF(2, PROT_EXEC)),
	KEEP1("mprotect", "guard pages, never executable",
	    NONE_OF(2, PROT_EXEC)),
	FAIL1("mprotect", EACCES, "a JIT or a plug-in must do without",
	    ALL_OF(2, PROT_EXEC)),
	KEEP("munmap", "memory"),
	KEEP("mremap", "realloc(3) of big blocks"),
	KEEP("madvise", "memory given back; secrets kept from core files"),
	KEEP("brk", "malloc(3)"),
	KEEP("futex", "locks inside libraries"),
	KEEP("rt_sigaction", "signals on the event loop"),
	KEEP("rt_sigprocmask", "signals on the event loop"),
	KEEP("rt_sigreturn", "the end of a signal handler"),
	KEEP("sigaltstack", "stack overflow is reported on another stack"),
	KEEP("restart_syscall", "the kernel's own, after SIGCONT"),
	KEEP("getpid", "log lines, libsodium's fork check"),
	KEEP("gettid", "abort(3)"),
	KEEP("getppid", "has the parent gone"),
	KEEP("getuid", "libraries ask whether they run set-user-id"),
	KEEP("geteuid", "the same"),
	KEEP("getgid", "the same"),
	KEEP("getegid", "the same"),
	KEEP("clock_gettime", "clocks, where there is no vDSO"),
	KEEP("clock_getres", "libevent chooses a clock"),
	KEEP("clock_nanosleep", "short waits"),
	KEEP("nanosleep", "the same in older libcs"),
	KEEP("gettimeofday", "clocks, where there is no vDSO"),
	KEEP("time", "clocks, where there is no vDSO"),
	KEEP("getrandom", "randomness without a file"),
	KEEP("exit", "the end"),
	KEEP("exit_group", "the end"),
	KEEP("epoll_create1", "event loop"),
	KEEP("epoll_ctl", "event loop"),
	KEEP("epoll_wait", "event loop"),
	KEEP("epoll_pwait", "event loop of newer libcs"),
	KEEP("epoll_pwait2", "event loop of newer libevents"),
	KEEP("poll", "waiting for one descriptor"),
	KEEP("ppoll", "the same in newer libcs"),
	KEEP("eventfd2", "event loop woken"),
	KEEP("timerfd_create", "event loop's precise timer"),
	KEEP("timerfd_settime", "event loop's precise timer"),
	KEEP("pipe2", "event loop's signals"),
	KEEP1("socketpair", "event loop's signals; never the network",
	    IS(0, AF_UNIX)),
	KEEP("sendmsg", "channels"),
	KEEP("recvmsg", "channels"),
	KEEP1("sendto", "channels; never to connect by TCP Fast Open",
	    NONE_OF(3, MSG_FASTOPEN)),
	KEEP("recvfrom", "channels"),
	KEEP("shutdown", "channels"),
	KEEP2("getsockopt", "who is at the other end, pending errors",
	    IS(1, SOL_SOCKET), NONE_OF(2, ~0x3fU)),
	KEEP1("fcntl", "close-on-exec", IS(1, F_GETFD)),
	KEEP1("fcntl", "close-on-exec", IS(1, F_SETFD)),
	KEEP1("fcntl", "non-blocking", IS(1, F_GETFL)),
	KEEP1("fcntl", "non-blocking", IS(1, F_SETFL)),
	KEEP1("fcntl", "a copy of a descriptor", IS(1, F_DUPFD_CLOEXEC)),
	KEEP1("fcntl", "is a memfd sealed", IS(1, F_GET_SEALS)),
	KEEP1("ioctl", "bytes waiting", IS(1, FIONREAD)),
	KEEP1("ioctl", "non-blocking", IS(1, FIONBIO)),
	FAIL1("ioctl", ENOTTY, "isatty(3): no terminal here", IS(1, 0x5401)),
	KEEP("sched_yield", "spin locks inside libraries"),
	KEEP("sched_getaffinity", "libraries count processors"),
	KEEP("getcpu", "allocators, where there is no vDSO"),
	KEEP("getrusage", "own figures for status"),
	KEEP("sysinfo", "qsort(3) asks for the size of memory"),
	KEEP("uname", "libraries ask for the kernel's version"),
	KEEP1("prctl", "libraries name threads", IS(0, PR_SET_NAME)),
	KEEP1("prctl", "malloc(3) of newer libcs names its memory",
	    IS(0, PR_SET_VMA)),
	KEEP1("prctl", "asked for READY", IS(0, PR_GET_DUMPABLE)),
	KEEP2("prlimit64", "own limits are read, never set",
	    IS(0, 0), NULL_AT(2)),
	KEEP("getrlimit", "own limits are read"),
	KEEP2("tgkill", "abort(3) of this process",
	    IS(0, CONFINE_SELF), IS(2, SIGABRT)),
	FAIL("clone3", ENOSYS, "newer libcs try it first; no threads here"),
	FAIL("rseq", ENOSYS, "only at a thread's start"),
	FAIL("set_robust_list", ENOSYS, "only at a thread's start"),
	FAIL("membarrier", ENOSYS, "lock libraries live without"),
	END
};

/* Libraries look for files that they can live without. */
static const struct confine_rule table_nofiles[] = {
	FAIL("openat", EACCES, "time zones, message catalogues, randomness"),
	FAIL("open", EACCES, "the same in older libraries"),
	FAIL("openat2", ENOSYS, "the same in newer ones"),
	FAIL1("newfstatat", EACCES, "the same, looked at first",
	    NONE_OF(3, AT_EMPTY_PATH)),
	FAIL("stat", EACCES, "the same in older libcs"),
	FAIL("lstat", EACCES, "the same in older libcs"),
	FAIL("statx", ENOSYS, "the same in newer libcs"),
	FAIL("access", EACCES, "the same"),
	FAIL("faccessat", EACCES, "the same"),
	FAIL("faccessat2", ENOSYS, "the same"),
	FAIL("readlink", EACCES, "the same"),
	FAIL("readlinkat", EACCES, "the same"),
	END
};

/* Files below the role's own folders; which ones is Landlock's business. */
static const struct confine_rule table_files[] = {
	KEEP("openat", "files of its folder"),
	KEEP("open", "the same in older libraries"),
	FAIL("openat2", ENOSYS, "not used; newer libcs fall back"),
	KEEP1("newfstatat", "is the file there, is it still the same",
	    NONE_OF(3, AT_EMPTY_PATH)),
	KEEP("stat", "the same in older libcs"),
	KEEP("lstat", "SQLite looks for symbolic links"),
	KEEP("statx", "the same in newer libcs"),
	KEEP("access", "is the file there"),
	KEEP("faccessat", "the same in newer libcs"),
	KEEP("faccessat2", "the same in newer libcs"),
	KEEP("readlink", "SQLite looks for symbolic links"),
	KEEP("readlinkat", "the same in newer libcs"),
	KEEP("getcwd", "SQLite makes names absolute"),
	KEEP("pread64", "database, log"),
	KEEP("pwrite64", "database, log"),
	KEEP("ftruncate", "a torn end is cut off; the write-ahead log"),
	KEEP("fallocate", "room is reserved before it is promised"),
	KEEP("fsync", "a folder's entries are durable"),
	KEEP("fdatasync", "nothing is acknowledged before it is on disk"),
	KEEP("flock", "one process per file"),
	KEEP1("fcntl", "database locks", IS(1, F_GETLK)),
	KEEP1("fcntl", "database locks", IS(1, F_SETLK)),
	KEEP1("fcntl", "database locks", IS(1, F_SETLKW)),
	KEEP("unlink", "the write-ahead log at the end"),
	KEEP("unlinkat", "the same"),
	KEEP("getdents64", "which files are there"),
	FAIL("fchmod", EPERM, "SQLite tries it on an empty database"),
	FAIL("fchown", EPERM, "SQLite tries it when it is root"),
	END
};

static const struct confine_rule table_network[] = {
	KEEP3("socket", "HTTPS and WebSocket, IPv4", IS(0, AF_INET),
	    FIELD(1, CONFINE_SOCK_MASK, SOCK_STREAM), IS(2, 0)),
	KEEP3("socket", "HTTPS and WebSocket, IPv4", IS(0, AF_INET),
	    FIELD(1, CONFINE_SOCK_MASK, SOCK_STREAM), IS(2, IPPROTO_TCP)),
	KEEP3("socket", "HTTPS and WebSocket, IPv6", IS(0, AF_INET6),
	    FIELD(1, CONFINE_SOCK_MASK, SOCK_STREAM), IS(2, 0)),
	KEEP3("socket", "HTTPS and WebSocket, IPv6", IS(0, AF_INET6),
	    FIELD(1, CONFINE_SOCK_MASK, SOCK_STREAM), IS(2, IPPROTO_TCP)),
	KEEP3("socket", "DNS, IPv4", IS(0, AF_INET),
	    FIELD(1, CONFINE_SOCK_MASK, SOCK_DGRAM), IS(2, 0)),
	KEEP3("socket", "DNS, IPv4", IS(0, AF_INET),
	    FIELD(1, CONFINE_SOCK_MASK, SOCK_DGRAM), IS(2, IPPROTO_UDP)),
	KEEP3("socket", "DNS, IPv6", IS(0, AF_INET6),
	    FIELD(1, CONFINE_SOCK_MASK, SOCK_DGRAM), IS(2, 0)),
	KEEP3("socket", "DNS, IPv6", IS(0, AF_INET6),
	    FIELD(1, CONFINE_SOCK_MASK, SOCK_DGRAM), IS(2, IPPROTO_UDP)),
	KEEP("connect", "to the ports that Landlock lets through"),
	KEEP("getsockname", "libcurl notes its end of a connection"),
	KEEP("getpeername", "libcurl notes the other end"),
	KEEP1("getsockopt", "libcurl reads the state of a connection",
	    IS(1, IPPROTO_TCP)),
	KEEP2("setsockopt", "libcurl: keep-alive",
	    IS(1, SOL_SOCKET), IS(2, SO_KEEPALIVE)),
	KEEP2("setsockopt", "libcurl: size of the send buffer",
	    IS(1, SOL_SOCKET), IS(2, SO_SNDBUF)),
	KEEP2("setsockopt", "libcurl: no delay",
	    IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY)),
	KEEP2("setsockopt", "libcurl: keep-alive",
	    IS(1, IPPROTO_TCP), IS(2, TCP_KEEPIDLE)),
	KEEP2("setsockopt", "libcurl: keep-alive",
	    IS(1, IPPROTO_TCP), IS(2, TCP_KEEPINTVL)),
	KEEP2("setsockopt", "libcurl: keep-alive",
	    IS(1, IPPROTO_TCP), IS(2, TCP_KEEPCNT)),
	KEEP2("setsockopt", "a dead server is noticed in time",
	    IS(1, IPPROTO_TCP), IS(2, TCP_USER_TIMEOUT)),
	KEEP("pread64", "an upload's memfd"),
	END
};

static const struct confine_rule table_executor[] = {
	KEEP("accept4", "chatopsctl calls on the control socket"),
	KEEP("accept", "the same through libevent"),
	KEEP("memfd_create", "an output becomes an attachment"),
	KEEP1("fcntl", "and is sealed", IS(1, F_ADD_SEALS)),
	END
};

static const struct confine_rule table_audit[] = {
	KEEP("mkdir", "quarantine/, where a torn end is kept"),
	KEEP("mkdirat", "the same"),
	KEEP("rename", "a full segment gets its final name"),
	KEEP("renameat", "the same"),
	KEEP("renameat2", "the same, never over another file"),
	KEEP("mlock", "keys stay out of swap"),
	KEEP("mlock2", "the same"),
	KEEP("munlock", "the same"),
	END
};

static const struct confine_rule table_parent[] = {
	KEEP1("openat", "the allowlist is opened again on a reload",
	    NONE_OF(2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)),
	FAIL1("openat", EACCES, "nothing is written", ALL_OF(2, O_WRONLY)),
	FAIL1("openat", EACCES, "nothing is written", ALL_OF(2, O_RDWR)),
	FAIL("open", EACCES, "older libraries: time zones, catalogues"),
	KEEP("openat2", "the same without symbolic links"),
	KEEP1("newfstatat", "owner and mode of each folder above it",
	    NONE_OF(3, AT_EMPTY_PATH)),
	KEEP("stat", "the same in older libcs"),
	KEEP("lstat", "the same in older libcs"),
	KEEP("statx", "the same in newer libcs"),
	KEEP("readlink", "where a descriptor leads, for messages"),
	KEEP("readlinkat", "the same"),
	KEEP("unlink", "control socket and lock at the end"),
	KEEP("unlinkat", "the same"),
	KEEP("flock", "one daemon per folder"),
	KEEP("wait4", "which child ended, and how"),
	KEEP("waitid", "the same"),
	KEEP("kill", "children that do not end by themselves"),
	KEEP("pidfd_open", "the same, without a race"),
	KEEP("pidfd_send_signal", "the same"),
	KEEP("pread64", "a file that is handed over"),
	KEEP("memfd_create", "a file that is handed over"),
	KEEP1("fcntl", "and is sealed", IS(1, F_ADD_SEALS)),
	KEEP3("socket", "syslog(3) connects again when syslogd restarts",
	    IS(0, AF_UNIX), FIELD(1, CONFINE_SOCK_MASK, SOCK_DGRAM),
	    IS(2, 0)),
	KEEP("connect", "the same"),
	END
};

/*
 * The runner starts what it does not know, and a filter is inherited: so it
 * is told what neither it nor any script may do, and everything else is
 * left to the sandbox of the script.  EPERM, for a script may try and go on.
 */
static const struct confine_rule table_runner[] = {
	FAIL("acct", EPERM, "the host's accounting"),
	FAIL("add_key", EPERM, "keyrings are shared between namespaces"),
	FAIL("adjtimex", EPERM, "the host's clock"),
	FAIL("bpf", EPERM, "programs in the kernel"),
	FAIL("chroot", EPERM, "a second root"),
	FAIL("clock_adjtime", EPERM, "the host's clock"),
	FAIL("clock_settime", EPERM, "the host's clock"),
	FAIL1("clone", EPERM, "user namespaces inside a sandbox",
	    ALL_OF(0, CLONE_NEWUSER)),
	FAIL("create_module", EPERM, "code in the kernel"),
	FAIL("delete_module", EPERM, "code in the kernel"),
	FAIL("fanotify_init", EPERM, "watching what others open"),
	FAIL("finit_module", EPERM, "code in the kernel"),
	FAIL("init_module", EPERM, "code in the kernel"),
	FAIL("io_uring_enter", EPERM, "calls that a filter cannot see"),
	FAIL("io_uring_register", EPERM, "calls that a filter cannot see"),
	FAIL("io_uring_setup", EPERM, "calls that a filter cannot see"),
	FAIL("ioperm", EPERM, "hardware"),
	FAIL("iopl", EPERM, "hardware"),
	FAIL("kcmp", EPERM, "looking into other processes"),
	FAIL("kexec_file_load", EPERM, "another kernel"),
	FAIL("kexec_load", EPERM, "another kernel"),
	FAIL("keyctl", EPERM, "keyrings are shared between namespaces"),
	FAIL("lookup_dcookie", EPERM, "the kernel's profiler"),
	FAIL("memfd_secret", EPERM, "memory that nobody can look at"),
	FAIL("modify_ldt", EPERM, "old and often broken"),
	FAIL("name_to_handle_at", EPERM, "files past their folders"),
	FAIL("nfsservctl", EPERM, "the host's NFS server"),
	FAIL("open_by_handle_at", EPERM, "files past their folders"),
	FAIL("perf_event_open", EPERM, "the kernel's profiler"),
	FAIL("pidfd_getfd", EPERM, "descriptors of other processes"),
	FAIL("pivot_root", EPERM, "a second root"),
	FAIL("process_vm_readv", EPERM, "memory of other processes"),
	FAIL("process_vm_writev", EPERM, "memory of other processes"),
	FAIL("ptrace", EPERM, "other processes"),
	FAIL("quotactl", EPERM, "the host's quotas"),
	FAIL("quotactl_fd", EPERM, "the host's quotas"),
	FAIL("reboot", EPERM, "the host"),
	FAIL("request_key", EPERM, "keyrings are shared between namespaces"),
	FAIL("setns", EPERM, "other namespaces"),
	FAIL("settimeofday", EPERM, "the host's clock"),
	FAIL("swapoff", EPERM, "the host's memory"),
	FAIL("swapon", EPERM, "the host's memory"),
	FAIL("syslog", EPERM, "the kernel's messages"),
	FAIL1("unshare", EPERM, "user namespaces inside a sandbox",
	    ALL_OF(0, CLONE_NEWUSER)),
	FAIL("userfaultfd", EPERM, "makes bugs of the kernel easy to use"),
	FAIL("vhangup", EPERM, "terminals of others"),
	FAIL1("ioctl", EPERM, "typing for somebody else (TIOCSTI)",
	    IS(1, 0x5412)),
	FAIL1("ioctl", EPERM, "the console's paste (TIOCLINUX)",
	    IS(1, 0x541c)),
	END
};

const struct confine_rule *const confine_tables_parent[] = {
	table_base, table_parent, NULL
};
const struct confine_rule *const confine_tables_network[] = {
	table_base, table_nofiles, table_network, NULL
};
const struct confine_rule *const confine_tables_executor[] = {
	table_base, table_files, table_executor, NULL
};
const struct confine_rule *const confine_tables_audit[] = {
	table_base, table_files, table_audit, NULL
};
/* What everybody may is all that chatopsctl needs. */
const struct confine_rule *const confine_tables_ctl[] = {
	table_base, table_nofiles, NULL
};
const struct confine_rule *const confine_tables_runner[] = {
	table_runner, NULL
};
