/*
 * Every system call of making a sandbox fails once, in the runner, in
 * process 1 and in process 2: the script never runs, the step is named,
 * and nobody is left over.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

/* The real calls under other names, and faults in front of them. */
#define sys_access	real_sys_access
#define sys_capset	real_sys_capset
#define sys_chdir	real_sys_chdir
#define sys_clone3	real_sys_clone3
#define sys_close	real_sys_close
#define sys_close_range	real_sys_close_range
#define sys_dup2	real_sys_dup2
#define sys_execve	real_sys_execve
#define sys_fchmod	real_sys_fchmod
#define sys_fcntl	real_sys_fcntl
#define sys_fstat	real_sys_fstat
#define sys_fstatat	real_sys_fstatat
#define sys_mkdir	real_sys_mkdir
#define sys_mount	real_sys_mount
#define sys_mount_setattr real_sys_mount_setattr
#define sys_move_mount	real_sys_move_mount
#define sys_open	real_sys_open
#define sys_open_tree	real_sys_open_tree
#define sys_openat	real_sys_openat
#define sys_pipe2	real_sys_pipe2
#define sys_prctl	real_sys_prctl
#define sys_pread	real_sys_pread
#define sys_read	real_sys_read
#define sys_readlink	real_sys_readlink
#define sys_setresgid	real_sys_setresgid
#define sys_setresuid	real_sys_setresuid
#define sys_setrlimit	real_sys_setrlimit
#define sys_sethostname	real_sys_sethostname
#define sys_setsid	real_sys_setsid
#define sys_sigprocmask	real_sys_sigprocmask
#define sys_socketpair	real_sys_socketpair
#define sys_spawn	real_sys_spawn
#define sys_statfs	real_sys_statfs
#define sys_unshare	real_sys_unshare
#define sys_wait4	real_sys_wait4
#define sys_write	real_sys_write
#include "../../common/sys.c"
#include "../../common/sys_linux.c"
#undef sys_access
#undef sys_capset
#undef sys_chdir
#undef sys_clone3
#undef sys_close
#undef sys_close_range
#undef sys_dup2
#undef sys_execve
#undef sys_fchmod
#undef sys_fcntl
#undef sys_fstat
#undef sys_fstatat
#undef sys_mkdir
#undef sys_mount
#undef sys_mount_setattr
#undef sys_move_mount
#undef sys_open
#undef sys_open_tree
#undef sys_openat
#undef sys_pipe2
#undef sys_prctl
#undef sys_pread
#undef sys_read
#undef sys_readlink
#undef sys_setresgid
#undef sys_setresuid
#undef sys_setrlimit
#undef sys_sethostname
#undef sys_setsid
#undef sys_sigprocmask
#undef sys_socketpair
#undef sys_spawn
#undef sys_statfs
#undef sys_unshare
#undef sys_wait4
#undef sys_write

#include "compat.h"
#include "../../executor/runner.h"
#include "test.h"

#define USER		64013
#define RUNNER		0	/* in which process */
#define INSIDE		1
#define SCRIPT		2

/* The fault, and whether it happened, in memory that all three share. */
static struct fault {
	int	 where;
	int	 nth;
	int	 error;
	int	 fired;
	char	 name[32];
} *fault;
/* Volatile: libc says that clone(2) does not come back into this file. */
static volatile int	 self, calls, is_armed;

static int
fails(const char *name)
{
	if (!is_armed || self != fault->where || ++calls != fault->nth)
		return 0;
	fault->fired = 1;
	strlcpy(fault->name, name, sizeof(fault->name));
	errno = fault->error;
	return 1;
}

#define WRAP(type, name, params, args)					\
	type	 name params;						\
	type								\
	name params							\
	{								\
		return fails(#name) ? (type)-1 : real_##name args;	\
	}

WRAP(int, sys_access, (const char *p, int m), (p, m))
WRAP(int, sys_capset, (uint64_t e, uint64_t p), (e, p))
WRAP(int, sys_chdir, (const char *p), (p))
WRAP(int, sys_close_range, (unsigned int a, unsigned int b), (a, b))
WRAP(int, sys_dup2, (int a, int b), (a, b))
WRAP(int, sys_execve, (const char *p, char *const a[], char *const e[]),
    (p, a, e))
WRAP(int, sys_fchmod, (int f, mode_t m), (f, m))
WRAP(int, sys_fcntl, (int f, int c, long a), (f, c, a))
WRAP(int, sys_fstat, (int f, struct stat *s), (f, s))
WRAP(int, sys_fstatat, (int d, const char *p, struct stat *s, int f),
    (d, p, s, f))
WRAP(int, sys_mkdir, (const char *p, mode_t m), (p, m))
WRAP(int, sys_mount, (const char *s, const char *t, const char *y,
    unsigned long f, const char *d), (s, t, y, f, d))
WRAP(int, sys_mount_setattr, (int d, const char *p, unsigned int f,
    struct sys_mount_attr *a), (d, p, f, a))
WRAP(int, sys_move_mount, (int d, const char *p, int e, const char *q,
    unsigned int f), (d, p, e, q, f))
WRAP(int, sys_open, (const char *p, int f, mode_t m), (p, f, m))
WRAP(int, sys_open_tree, (int d, const char *p, unsigned int f), (d, p, f))
WRAP(int, sys_openat, (int d, const char *p, int f, mode_t m), (d, p, f, m))
WRAP(int, sys_pipe2, (int *f, int o), (f, o))
WRAP(int, sys_prctl, (int o, unsigned long a, unsigned long b), (o, a, b))
WRAP(ssize_t, sys_pread, (int f, void *b, size_t n, off_t o), (f, b, n, o))
WRAP(ssize_t, sys_read, (int f, void *b, size_t n), (f, b, n))
WRAP(ssize_t, sys_readlink, (const char *p, char *b, size_t n), (p, b, n))
WRAP(int, sys_setresgid, (gid_t a, gid_t b, gid_t c), (a, b, c))
WRAP(int, sys_setresuid, (uid_t a, uid_t b, uid_t c), (a, b, c))
WRAP(int, sys_setrlimit, (int w, const struct rlimit *l), (w, l))
WRAP(int, sys_sethostname, (const char *n, size_t l), (n, l))
WRAP(pid_t, sys_setsid, (void), ())
WRAP(int, sys_sigprocmask, (int h, const sigset_t *s, sigset_t *o),
    (h, s, o))
WRAP(int, sys_socketpair, (int d, int t, int p, int *s), (d, t, p, s))
WRAP(int, sys_statfs, (const char *p, struct statfs *s), (p, s))
WRAP(int, sys_unshare, (int f), (f))
WRAP(pid_t, sys_wait4, (pid_t p, int *s, int o, struct rusage *r),
    (p, s, o, r))
WRAP(ssize_t, sys_write, (int f, const void *b, size_t n), (f, b, n))

int	 sys_close(int);
pid_t	 sys_clone3(struct clone_args *, size_t);
pid_t	 sys_spawn(int (*)(void *), void *, void *);

/* Linux lets go of the descriptor whatever close(2) returns. */
int
sys_close(int fd)
{
	int	 rc = real_sys_close(fd);

	return fails("sys_close") ? -1 : rc;
}

/* Each process counts for itself. */
pid_t
sys_clone3(struct clone_args *args, size_t size)
{
	pid_t	 pid;

	if (fails("sys_clone3"))
		return -1;
	pid = real_sys_clone3(args, size);
	if (pid == 0) {
		self = INSIDE;
		calls = 0;
	}
	return pid;
}

/* Process 2 counts in the memory of process 1, which waits meanwhile. */
pid_t
sys_spawn(int (*run)(void *), void *stack, void *arg)
{
	pid_t	 pid;
	int	 before;

	if (fails("sys_spawn"))
		return -1;
	before = calls;
	self = SCRIPT;
	calls = 0;
	pid = real_sys_spawn(run, stack, arg);
	self = INSIDE;
	calls = before;
	return pid;
}

/* What came of one try. */
struct outcome {
	int			 has_started;
	int			 has_status;
	int			 status;
	char			 out[64];
	struct runner_error	 error;
};

static char			 dir[64];
static int			 base = -1;
static struct runner_conf	 conf;
static struct script		 script;
static struct msg_job_start	 job;

static void
take_reports(struct runner_box *box, const struct runner_file *f,
    struct outcome *o)
{
	struct runner_report	 r;

	while (runner_spawn_report(box, &r) == 1) {
		if (r.news == RUNNER_NEWS_STARTED) {
			o->has_started = 1;
		} else if (r.news == RUNNER_NEWS_EXITED) {
			o->has_status = 1;
			o->status = r.error;
		} else if (r.news == RUNNER_NEWS_FAILED) {
			runner_spawn_explain(&r, f, &o->error);
		} else if (runner_spawn_map(box, &o->error) == -1) {
			kill(box->pid, SIGKILL);
		} else {
			runner_spawn_ahead(&conf);
		}
	}
}

/* As runner.c does, without its event loop. */
static void
attend(struct runner_box *box, const struct runner_file *f,
    struct outcome *o)
{
	struct pollfd	 pfd[2];
	ssize_t		 n;
	int		 i, status;

	for (i = 0; i < 200; i++) {
		pfd[0].fd = box->sync;
		pfd[1].fd = box->pidfd;
		pfd[0].events = pfd[1].events = POLLIN;
		if (poll(pfd, 2, 5000) < 1)
			kill(box->pid, SIGKILL);
		take_reports(box, f, o);
		if (pfd[1].revents != 0) {
			/* What a failed read has left. */
			take_reports(box, f, o);
			break;
		}
		if (pfd[0].revents & POLLHUP)
			usleep(1000);
	}
	CHECK(i < 200);
	while (waitpid(box->pid, &status, 0) == -1)
		if (errno != EINTR)
			abort();
	n = read(box->output, o->out, sizeof(o->out) - 1);
	o->out[n > 0 ? n : 0] = '\0';
	/* It is the end of the output: nobody holds it any more. */
	CHECK(read(box->output, &status, 1) == 0);
}

static void
attempt(struct outcome *o)
{
	struct runner_file	 file;
	struct runner_box	 box;

	memset(o, 0, sizeof(*o));
	self = RUNNER;
	calls = 0;
	is_armed = 1;
	if (runner_check(&file, &script, base, geteuid(), &o->error) == 0) {
		if (runner_spawn(&box, &conf, &file, &script, &job,
		    &o->error) == 0) {
			attend(&box, &file, o);
			runner_box_clear(&box);
		}
		runner_file_clear(&file);
	}
	is_armed = 0;
}

/* Their failure changes nothing that matters; all others must refuse. */
static int
is_harmless(const char *name)
{
	return strcmp(name, "sys_close") == 0 ||
	    strcmp(name, "sys_unshare") == 0 ||
	    strcmp(name, "sys_sigprocmask") == 0 ||
	    strcmp(name, "sys_wait4") == 0;
}

/* Every call of that process fails once. */
static void
sweep(int where, int error)
{
	struct outcome	 o;
	int		 nth, descriptors;

	descriptors = dup(0);
	close(descriptors);
	for (nth = 1; nth < 400; nth++) {
		memset(fault, 0, sizeof(*fault));
		fault->where = where;
		fault->nth = nth;
		fault->error = error;
		attempt(&o);
		if (!fault->fired)
			break;
		if (strcmp(o.out, "ran\n") == 0) {
			/* The two reports that come after exec. */
			if (!is_harmless(fault->name) &&
			    !(where == INSIDE && !o.has_status &&
			    strcmp(fault->name, "sys_write") == 0) &&
			    !(where == RUNNER && o.has_started)) {
				fprintf(stderr, "process %d call %d %s: ran\n",
				    where, nth, fault->name);
				test_bad++;
			}
			continue;
		}
		CHECK_STR(o.out, "");
		CHECK_INT(o.has_started && !is_harmless(fault->name), 0);
		/* Process 1 that cannot even report is noticed by its end. */
		if (o.error.step[0] == '\0' && !(where == INSIDE &&
		    (strcmp(fault->name, "sys_write") == 0 ||
		    strcmp(fault->name, "sys_read") == 0)) &&
		    !(where == RUNNER &&
		    strcmp(fault->name, "sys_read") == 0) &&
		    !is_harmless(fault->name)) {
			fprintf(stderr, "process %d call %d %s: no step\n",
			    where, nth, fault->name);
			test_bad++;
		}
	}
	/* As many as it takes, and the last try was one without a fault. */
	CHECK(nth > 10 && nth < 400);
	CHECK_STR(o.out, "ran\n");
	CHECK_INT(o.has_status && o.status == 5 << 8, 1);
	/* Nothing stays open. */
	CHECK_INT(dup(0), descriptors);
	close(descriptors);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static char *
in(const char *name)
{
	static char	 path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
prepare(void)
{
	static char	 name[] = "s";
	static const char text[] = "#!/bin/sh\necho ran\nexit 5\n";
	const char	*tmp = getenv("TMPDIR");
	int		 fd;

	snprintf(dir, sizeof(dir), "%s/chatops-faults.XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(dir) == NULL)
		abort();
	chmod(dir, 0755);
	fd = open(in("s"), O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	if (fd == -1 || write(fd, text, sizeof(text) - 1) == -1 ||
	    fchmod(fd, 0755) == -1)
		abort();
	close(fd);
	base = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	script.name = name;
	script.path = name;
	job.job = 9;
	conf.home = "/tmp";
	conf.user = "chatops";
	conf.is_root = geteuid() == 0;
	conf.null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	fault = mmap(NULL, sizeof(*fault), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fault == MAP_FAILED)
		abort();
}

/* A runner that dies before the maps are written leaves nobody who waits. */
static void
orphan(void)
{
	struct runner_file	 file;
	struct runner_box	 box;
	struct runner_error	 e;
	pid_t			 runner, pid = -1, got = 0;
	int			 fds[2], i, status;

	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && pipe(fds) == 0);
	fflush(NULL);
	runner = fork();
	if (runner == 0) {
		if (runner_check(&file, &script, base, geteuid(), &e) == -1 ||
		    runner_spawn(&box, &conf, &file, &script, &job,
		    &e) == -1 || write(fds[1], &box.pid, sizeof(box.pid)) !=
		    (ssize_t)sizeof(box.pid))
			_exit(1);
		_exit(0);
	}
	CHECK(waitpid(runner, &status, 0) == runner && status == 0);
	CHECK(read(fds[0], &pid, sizeof(pid)) == (ssize_t)sizeof(pid));
	close(fds[0]);
	close(fds[1]);
	for (i = 0; i < 500 && pid > 0 && got == 0; i++) {
		got = waitpid(pid, &status, WNOHANG);
		if (got == 0)
			usleep(10000);
	}
	CHECK(got == pid);
	if (got == 0 && pid > 0)
		kill(pid, SIGKILL);
}

static void
sweep_all(void)
{
	prepare();
	orphan();
	sweep(RUNNER, EIO);
	sweep(INSIDE, EIO);
	sweep(SCRIPT, EIO);
	sweep(INSIDE, ENOMEM);
	close(base);
	CHECK(unlink(in("s")) == 0);
	CHECK(rmdir(dir) == 0);
}

TEST(every_call_as_root)
{
	int	 status;
	pid_t	 pid;

	if (geteuid() != 0) {
		printf("SKIP every_call_as_root: not started by root\n");
		return;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		test_bad = 0;
		sweep_all();
		fflush(NULL);
		_exit(test_bad != 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

TEST(every_call_as_user)
{
	int	 status;
	pid_t	 pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && (setgroups(0, NULL) == -1 ||
		    setresgid(USER, USER, USER) == -1 ||
		    setresuid(USER, USER, USER) == -1))
			_exit(2);
		test_bad = 0;
		sweep_all();
		fflush(NULL);
		_exit(test_bad != 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}
