/*
 * The confinement of each role, step by step; each step is checked, and the
 * first that fails is named.  See capabilities(7), prctl(2), landlock(7),
 * seccomp(2).
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <linux/capability.h>
#include <linux/securebits.h>

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "confine_linux.h"
#include "proc.h"

#define CONFINE_CAP(c)	(1ULL << (c))

/* What the runner as root needs to make a sandbox for another user. */
#define CAPS_RUNNER	(CONFINE_CAP(CAP_SYS_ADMIN) |	/* namespaces */ \
			    CONFINE_CAP(CAP_SETUID) |	/* uid_map */ \
			    CONFINE_CAP(CAP_SETGID) |	/* gid_map */ \
			    CONFINE_CAP(CAP_KILL))	/* and its end */
/* What the parent as root needs: to end children that are other users. */
#define CAPS_PARENT	CONFINE_CAP(CAP_KILL)

struct confine_limits {
	rlim_t	 nofile;
	int	 no_fork;	/* RLIMIT_NPROC 0 */
	int	 no_files;	/* RLIMIT_FSIZE 0 where that is possible */
};

static void
confine_note(struct msg_ready *out, const char *fmt, ...)
    __attribute__((__format__(printf, 2, 3)));

/* Notes are for people; one that does not fit is cut. */
static void
confine_note(struct msg_ready *out, const char *fmt, ...)
{
	va_list	 ap;
	size_t	 len;

	len = strlen(out->note);
	if (len > 0 && len + 3 < sizeof(out->note)) {
		(void)strlcat(out->note, "; ", sizeof(out->note));
		len += 2;
	}
	va_start(ap, fmt);
	(void)vsnprintf(out->note + len, sizeof(out->note) - len, fmt, ap);
	va_end(ap);
}

/* A write past a limit, or into a closed pipe, is an error and no end. */
static int
confine_signals(void)
{
	struct sigaction	 sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_IGN;
	(void)sigemptyset(&sa.sa_mask);
	if (sigaction(SIGXFSZ, &sa, NULL) == -1 ||
	    sigaction(SIGPIPE, &sa, NULL) == -1)
		return -1;
	return 0;
}

static int
confine_limit(int which, rlim_t value)
{
	struct rlimit	 rl;

	if (getrlimit(which, &rl) == -1)
		return -1;
	if (rl.rlim_max < value)
		value = rl.rlim_max;	/* never raise */
	rl.rlim_cur = rl.rlim_max = value;
	return setrlimit(which, &rl);
}

static int
confine_rlimits(const struct confine_limits *l)
{
	struct stat	 st;

	if (confine_limit(RLIMIT_CORE, 0) == -1 ||
	    confine_limit(RLIMIT_NOFILE, l->nofile) == -1)
		return -1;
	if (l->no_fork && confine_limit(RLIMIT_NPROC, 0) == -1)
		return -1;
	/* Not when the log goes to a file: that would end with it. */
	if (l->no_files && fstat(STDERR_FILENO, &st) == 0 &&
	    !S_ISREG(st.st_mode) && confine_limit(RLIMIT_FSIZE, 0) == -1)
		return -1;
	return 0;
}

static int
confine_capset(uint64_t keep)
{
	struct __user_cap_header_struct	 h;
	struct __user_cap_data_struct	 d[2];

	memset(&h, 0, sizeof(h));
	memset(d, 0, sizeof(d));
	h.version = _LINUX_CAPABILITY_VERSION_3;
	d[0].effective = d[0].permitted = (uint32_t)keep;
	d[1].effective = d[1].permitted = (uint32_t)(keep >> 32);
	return (int)syscall(SYS_capset, &h, d);
}

static int
confine_capget(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable)
{
	struct __user_cap_header_struct	 h;
	struct __user_cap_data_struct	 d[2];

	memset(&h, 0, sizeof(h));
	memset(d, 0, sizeof(d));
	h.version = _LINUX_CAPABILITY_VERSION_3;
	if (syscall(SYS_capget, &h, d) == -1)
		return -1;
	*effective = d[0].effective | (uint64_t)d[1].effective << 32;
	*permitted = d[0].permitted | (uint64_t)d[1].permitted << 32;
	*inheritable = d[0].inheritable | (uint64_t)d[1].inheritable << 32;
	return 0;
}

static int
confine_secure(void)
{
	/* Not NO_SETUID_FIXUP: leaving uid 0 shall take capabilities away. */
	return prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
	    SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
	    SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
	    0, 0, 0);
}

/*
 * Bounding set and securebits: only who has CAP_SETPCAP can empty and lock
 * them, so this is done while a process is still root.  Afterwards neither
 * a set-uid-root file nor uid 0 itself brings a capability back.
 */
static int
confine_bounding(void)
{
	int	 c;

	for (c = 0; c <= 63; c++) {
		if (prctl(PR_CAPBSET_READ, c, 0, 0, 0) == -1)
			return errno == EINVAL && c > 0 ? confine_secure() :
			    -1;	/* past the kernel's last */
		if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) == -1)
			return -1;
	}
	return confine_secure();
}

/*
 * All five sets down to keep.  Without CAP_SETPCAP the bounding set stays
 * as it was found, which no_new_privs makes harmless.
 */
static int
confine_caps(uint64_t keep)
{
	uint64_t	 e, p, i;

	if (confine_capget(&e, &p, &i) == -1)
		return -1;
	if ((e & CONFINE_CAP(CAP_SETPCAP)) && confine_bounding() == -1)
		return -1;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1 &&
	    errno != EINVAL)
		return -1;
	keep &= p;
	if (confine_capset(keep) == -1 || confine_capget(&e, &p, &i) == -1)
		return -1;
	if (e != keep || p != keep || i != 0) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

/* Is it verified that there is no way back? */
static int
confine_verify_user(uid_t uid, gid_t gid)
{
	uid_t	 ru, eu, su;
	gid_t	 rg, eg, sg;

	if (getresuid(&ru, &eu, &su) == -1 || getresgid(&rg, &eg, &sg) == -1)
		return -1;
	errno = EPERM;
	if (ru != uid || eu != uid || su != uid ||
	    rg != gid || eg != gid || sg != gid)
		return -1;
	return 0;
}

static int
confine_switch(uid_t uid, gid_t gid, uint64_t keep)
{
	uint64_t	 e, p, i;

	/* (uid_t)-1 means "leave it" to setresuid(2). */
	if (uid == 0 || uid == (uid_t)-1 || gid == 0 || gid == (gid_t)-1) {
		errno = EINVAL;
		return -1;
	}
	if (setgroups(0, NULL) == -1)
		return -1;
	if (keep != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1)
		return -1;
	if (setresgid(gid, gid, gid) == -1 || setresuid(uid, uid, uid) == -1)
		return -1;
	if (confine_verify_user(uid, gid) == -1)
		return -1;
	if (keep != 0) {
		/* setresuid(2) took the effective ones. */
		if (confine_capget(&e, &p, &i) == -1 ||
		    confine_capset(p) == -1)
			return -1;
		if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == -1)
			return -1;
		return confine_caps(keep);
	}
	if (setresuid(0, (uid_t)-1, (uid_t)-1) != -1) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

int
confine_user(uid_t uid, gid_t gid)
{
	uint64_t	 e, p, i;

	if (confine_capget(&e, &p, &i) == -1)
		return -1;
	if (!(e & CONFINE_CAP(CAP_SETPCAP)) || !(e & CONFINE_CAP(CAP_SETUID))) {
		errno = EPERM;
		return -1;
	}
	/*
	 * The bounding set goes first, while it still can; the other sets go
	 * with uid 0, or are emptied here if they do not.
	 */
	if (confine_bounding() == -1)
		return -1;
	if (confine_switch(uid, gid, 0) == -1)
		return -1;
	return confine_caps(0);
}

int
confine_user_runner(uid_t uid, gid_t gid)
{
	return confine_switch(uid, gid, CAPS_RUNNER);
}

/* The uid of whoever made the channel to the parent, or -1. */
static long
confine_parent_uid(void)
{
	struct ucred	 cred;
	socklen_t	 len = sizeof(cred);

	if (getsockopt(PROC_FD, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1 ||
	    len != sizeof(cred))
		return -1;
	return (long)cred.uid;
}

static int
confine_fail(struct msg_ready *out, const char *step)
{
	int	 saved = errno;

	confine_note(out, "%s: %s", step, strerror(saved));
	errno = saved;
	return -1;
}

#if defined(__SANITIZE_ADDRESS__)
/*
 * A build for tests.  What AddressSanitizer does while the process runs is
 * in the tables; its leak check at the end would stop the process from a
 * second one, which is what this forbids, so it is left out.
 */
static int	 is_confined;

int	 __lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
	return is_confined;
}
#endif

/* Dumpable off: no core file, no ptrace(2), /proc/<pid> is root's. */
static int
confine_dumpable(struct msg_ready *out)
{
#if defined(__SANITIZE_ADDRESS__)
	is_confined = 1;
	confine_note(out, "built with AddressSanitizer: no leak check");
#endif
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1 ||
	    prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -1;
	out->reached |= CONFINED_DUMPABLE;
	return 0;
}

/* The two that a kernel may lack. */
static int
confine_filters(enum role role, const struct confine_paths *c,
    struct msg_ready *out)
{
	const char	*step;

	switch (confine_landlock(role, c, &out->landlock_abi, &step)) {
	case 0:
		out->reached |= CONFINED_LANDLOCK;
		if (out->landlock_abi < 4 && role == ROLE_NETWORK)
			confine_note(out, "this kernel's landlock (ABI %u) "
			    "does not limit TCP ports", out->landlock_abi);
		break;
	case 1:
		confine_note(out, role == ROLE_RUNNER ? "landlock: this "
		    "kernel's has nothing for a process that mounts" :
		    "landlock: not in this kernel, or not in its lsm= list");
		break;
	default:
		return confine_fail(out, step);
	}
	switch (confine_seccomp(role)) {
	case 0:
		out->reached |= CONFINED_SECCOMP;
		break;
	case 1:
		confine_note(out, "seccomp: this kernel has no filters");
		break;
	default:
		return confine_fail(out, "seccomp");
	}
	return 0;
}

static int
confine_role(enum role role, const struct confine_limits *l, uint64_t caps,
    const struct confine_paths *c, struct msg_ready *out)
{
	long	 parent;

	memset(out, 0, sizeof(*out));
	if (confine_signals() == -1)
		return confine_fail(out, "signals");
	/*
	 * Landlock binds the calling thread only.  unshare(2) has nothing to
	 * do for a lone thread and refuses when there are others.
	 */
	if (unshare(CLONE_THREAD) == -1)
		return confine_fail(out, "more than one thread");
	if (confine_rlimits(l) == -1)
		return confine_fail(out, "rlimits");
	out->reached |= CONFINED_RLIMITS;
	parent = confine_parent_uid();
	if (parent != -1 && parent != (long)getuid())
		out->reached |= CONFINED_UID;
	if (confine_caps(caps) == -1)
		return confine_fail(out, "capabilities");
	out->reached |= CONFINED_CAPS;
	if (confine_dumpable(out) == -1)
		return confine_fail(out, "dumpable");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return confine_fail(out, "no_new_privs");
	out->reached |= CONFINED_NNP;
	return confine_filters(role, c, out);
}

int
confine_parent(const struct confine_paths *c, struct msg_ready *out)
{
	/* Four channels, a log pipe, files of a reload. */
	const struct confine_limits	 l = { 64, 1, 1 };

	return confine_role(ROLE_PARENT, &l, CAPS_PARENT, c, out);
}

int
confine_network(const struct confine_paths *c, struct msg_ready *out)
{
	/* A few connections, DNS, uploads under way. */
	const struct confine_limits	 l = { 256, 1, 1 };

	return confine_role(ROLE_NETWORK, &l, 0, c, out);
}

int
confine_executor(const struct confine_paths *c, struct msg_ready *out)
{
	/* A pipe per job, chatopsctl's connections, the database. */
	const struct confine_limits	 l = { 1024, 1, 0 };

	return confine_role(ROLE_EXECUTOR, &l, 0, c, out);
}

int
confine_runner(const struct confine_paths *c, struct msg_ready *out)
{
	/* A few descriptors per job; scripts get limits of their own. */
	const struct confine_limits	 l = { 1024, 0, 0 };

	return confine_role(ROLE_RUNNER, &l, CAPS_RUNNER, c, out);
}

int
confine_audit(const struct confine_paths *c, struct msg_ready *out)
{
	/* Log, keys, segments. */
	const struct confine_limits	 l = { 64, 1, 0 };

	return confine_role(ROLE_AUDIT, &l, 0, c, out);
}

int
confine_ctl(struct msg_ready *out)
{
	/* One connection.  Its output may be a file, so that may grow. */
	const struct confine_limits	 l = { 64, 1, 0 };
	struct confine_paths		 none;

	memset(&none, 0, sizeof(none));
	return confine_role(ROLE_CTL, &l, 0, &none, out);
}

uint32_t
confine_required(enum role role, int as_root)
{
	uint32_t	 bits = CONFINED_ALL & ~(uint32_t)CONFINED_UID;

	/* Older kernels' landlock has nothing for who mounts. */
	if (role == ROLE_RUNNER)
		bits &= ~(uint32_t)CONFINED_LANDLOCK;
	if (as_root)
		bits |= CONFINED_UID;
	return bits;
}
