/*
 * The runner's process: what runs, as what, what is refused, and what is
 * said about it.  Each test runs as root (a user of its own per script) and
 * as an ordinary user (user namespaces without privilege).
 */
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <linux/sched.h>

#include <dirent.h>
#include <sched.h>
#include <sodium.h>

#include "rig.h"

static struct result	 res;

#define SH	"#!/bin/sh\n"

static void
check_exited(int status)
{
	CHECK_INT(res.exit.how, JOB_END_EXITED);
	CHECK_INT(res.exit.status, status);
	if (res.exit.how == JOB_END_REFUSED)
		fprintf(stderr, "refused at %s: %s\n", res.exit.step,
		    res.exit.error);
}

static void
check_refused(const char *step)
{
	CHECK_INT(res.has_started, 0);
	CHECK_INT(res.exit.how, JOB_END_REFUSED);
	CHECK_STR(res.exit.step, step);
	CHECK(res.exit.error[0] != '\0');
	CHECK_INT(res.exit.status, 0);
	CHECK_INT(res.exit.signal, 0);
}

/*
 * This program is a script, too: copied into the base folder it is started
 * by the runner, sees its environment and says what it finds.
 */
static void
probe_descriptors(void)
{
	int	 fd;

	printf("fds");
	for (fd = 0; fd < 4096; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			printf(" %d", fd);
	printf("\n");
}

static void
probe_status(const char *path, const char *who)
{
	char	 line[256];
	FILE	*f;

	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "Cap", 3) == 0 ||
		    strncmp(line, "Sig", 3) == 0 ||
		    strncmp(line, "NoNewPrivs", 10) == 0 ||
		    strncmp(line, "Groups", 6) == 0 ||
		    strncmp(line, "Seccomp:", 8) == 0 ||
		    strncmp(line, "Umask", 5) == 0)
			printf("%s%s", who, line);
	if (f != NULL)
		fclose(f);
	printf("securebits %x\n", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
}

static void
probe_limits(void)
{
	static const int	 which[] = {
		RLIMIT_CORE, RLIMIT_CPU, RLIMIT_AS, RLIMIT_NOFILE,
		RLIMIT_NPROC, RLIMIT_FSIZE
	};
	struct rlimit		 rl;
	size_t			 i;

	printf("limits");
	for (i = 0; i < nitems(which); i++)
		if (getrlimit(which[i], &rl) == 0)
			printf(" %llu/%llu", (unsigned long long)rl.rlim_cur,
			    (unsigned long long)rl.rlim_max);
	printf("\n");
}

/* May it look into process 1?  It must not, however it tries. */
static void
probe_init(void)
{
	static const char *const	 names[] = {
		"mem", "environ", "maps", "auxv", "exe", "cwd", "root",
		"fd", "ns/mnt", "ns/user"
	};
	char	 path[64], link[64];
	size_t	 i;
	int	 fd;

	for (i = 0; i < nitems(names); i++) {
		snprintf(path, sizeof(path), "/proc/1/%s", names[i]);
		fd = open(path, O_RDONLY);
		if (fd != -1 || readlink(path, link, sizeof(link)) != -1)
			printf("init %s open\n", names[i]);
	}
	probe_status("/proc/1/status", "init ");
	printf("init %s\n", kill(1, SIGKILL) == 0 && kill(1, SIGSTOP) == 0 ?
	    "alive" : strerror(errno));
}

/* A user namespace inside, by each of the three ways. */
static void
probe_nesting(void)
{
	struct clone_args	 a;
	long			 pid;

	memset(&a, 0, sizeof(a));
	a.flags = CLONE_NEWUSER;
	a.exit_signal = SIGCHLD;
	pid = syscall(SYS_clone3, &a, sizeof(a));
	if (pid == 0)
		_exit(0);
	printf("clone3 %s\n", pid == -1 ? "refused" : "open");
	pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	printf("clone %s\n", pid == -1 ? "refused" : "open");
	printf("unshare %s\n", syscall(SYS_unshare, CLONE_NEWUSER) == -1 ?
	    "refused" : "open");
}

/* As many processes as there may be, and no more. */
static void
probe_processes(void)
{
	int	 n;
	pid_t	 pid;

	for (n = 0; n < 100; n++) {
		pid = fork();
		if (pid == 0) {
			sleep(10);
			_exit(0);
		}
		if (pid == -1)
			break;
	}
	printf("forks %s\n", n < 50 ? "bounded" : "open");
}

static void __attribute__((__constructor__))
probe(void)
{
	if (getenv("CHATOPS_EXECUTION_ID") == NULL)
		return;
	probe_descriptors();
	probe_status("/proc/self/status", "");
	probe_limits();
	probe_init();
	probe_nesting();
	fflush(stdout);
	probe_processes();
	printf("ids %d %d %d %d\n", (int)getuid(), (int)geteuid(),
	    (int)getgid(), (int)getegid());
	printf("session %d %d %d\n", (int)getpid(), (int)getsid(0),
	    (int)getpgrp());
	fflush(stdout);
	_exit(0);
}

static void
copy_self(struct rig *r, const char *name)
{
	char	 buf[65536];
	ssize_t	 n;
	int	 in, out;

	in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	out = open(rig_path(r, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	if (in == -1 || out == -1)
		abort();
	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			abort();
	close(in);
	close(out);
	chmod(rig_path(r, name), 0755);
	rig_entry(r, name, name, "");
}

/* Processes whose command line holds that word. */
static int
count_marked(const char *mark)
{
	struct dirent	*d;
	char		 path[300], text[4096];
	ssize_t		 n;
	DIR		*dir;
	int		 fd, count = 0;

	dir = opendir("/proc");
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] < '0' || d->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/cmdline", d->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd == -1)
			continue;
		n = read(fd, text, sizeof(text));
		if (n > 0 && memmem(text, (size_t)n, mark,
		    strlen(mark)) != NULL)
			count++;
		close(fd);
	}
	closedir(dir);
	return count;
}

/* Until none is left: milliseconds, or -1 after two seconds. */
static int
wait_unmarked(const char *mark)
{
	int	 ms;

	for (ms = 0; ms < 2000; ms += 10) {
		if (count_marked(mark) == 0)
			return ms;
		usleep(10000);
	}
	return -1;
}

static void
wait_marked(const char *mark, int n)
{
	int	 i;

	for (i = 0; i < 500 && count_marked(mark) < n; i++)
		usleep(10000);
	CHECK(count_marked(mark) >= n);
}

BOTH(statuses)
{
	static const int	 codes[] = { 0, 1, 2, 125, 126, 127, 128, 255 };
	struct rig		 r;
	char			 text[64], name[8];
	size_t			 i;

	rig_new(&r);
	for (i = 0; i < nitems(codes); i++) {
		snprintf(name, sizeof(name), "s%zu", i);
		snprintf(text, sizeof(text), SH "echo $$; exit %d\n",
		    codes[i]);
		rig_script(&r, name, "", text);
	}
	CHECK_INT(rig_start(&r), 0);
	for (i = 0; i < nitems(codes); i++) {
		rig_run(&r, &res, (uint32_t)i);
		check_exited(codes[i]);
		CHECK_INT(res.exit.signal, 0);
		CHECK_STR(res.out, "2\n");
	}
	rig_stop(&r);
}

BOTH(signals)
{
	static const int	 sigs[] = { SIGTERM, SIGKILL, SIGSEGV, SIGHUP };
	struct rig		 r;
	char			 text[64], name[8];
	size_t			 i;

	rig_new(&r);
	for (i = 0; i < nitems(sigs); i++) {
		snprintf(name, sizeof(name), "s%zu", i);
		snprintf(text, sizeof(text), SH "kill -%d $$; exit 3\n",
		    sigs[i]);
		rig_script(&r, name, "", text);
	}
	CHECK_INT(rig_start(&r), 0);
	for (i = 0; i < nitems(sigs); i++) {
		rig_run(&r, &res, (uint32_t)i);
		CHECK_INT(res.exit.how, JOB_END_SIGNALED);
		CHECK_INT(res.exit.signal, sigs[i]);
		CHECK_INT(res.exit.status, 0);
	}
	rig_stop(&r);
}

BOTH(ready)
{
	struct rig	 r;
	uint32_t	 want = CONFINED_NNP | CONFINED_SECCOMP |
			    CONFINED_CAPS | CONFINED_DUMPABLE |
			    CONFINED_RLIMITS;

	if (geteuid() == 0)
		want |= CONFINED_UID;
	rig_new(&r);
	rig_script(&r, "a", "", SH);
	CHECK_INT(rig_start(&r), 0);
	CHECK_INT(r.ready.reached & want, want);
	CHECK_INT((r.ready.reached & CONFINED_UID) != 0, geteuid() == 0);
	CHECK(strstr(r.ready.note, "no script can run") == NULL);
	rig_stop(&r);
}

BOTH(environment)
{
	struct rig	 r;
	char		 want[1024];

	setenv("LEAKED", "yes", 1);
	rig_new(&r);
	rig_script(&r, "e", "\"environment\":{\"COLOUR\":\"blue = sky\"}",
	    SH "/usr/bin/env\n");
	CHECK_INT(rig_start(&r), 0);
	rig_run(&r, &res, 0);
	check_exited(0);
	/* PWD is the shell's own. */
	snprintf(want, sizeof(want), "PATH=/usr/bin:/bin\nHOME=/tmp\n"
	    "USER=chatops\nLANG=en_US.UTF-8\nTZ=UTC\nCOLOUR=blue = sky\n"
	    "CHATOPS_JOB=1\n"
	    "CHATOPS_EXECUTION_ID=01234567-89ab-4cde-8f01-23456789abcd\n"
	    "CHATOPS_USER_ID=aaaaaaaaaaaaaaaaaaaaaaaaaa\n"
	    "CHATOPS_USERNAME=alice\n"
	    "CHATOPS_CHANNEL_ID=cccccccccccccccccccccccccc\n"
	    "PWD=%s/scripts\n", r.dir);
	CHECK(strlen(res.out) == strlen(want));
	{
		char	*line, *rest = res.out;

		while ((line = strsep(&rest, "\n")) != NULL)
			if (strstr(want, line) == NULL) {
				fprintf(stderr, "not expected: %s\n", line);
				test_bad++;
			}
	}
	rig_stop(&r);
}

BOTH(arguments)
{
	static const char *const	 args =
	    "\"arguments\":{"
	    "\"a\":{\"type\":\"string\",\"regex\":\".*\"},"
	    "\"b\":{\"type\":\"string\",\"regex\":\".*\"},"
	    "\"c\":{\"type\":\"string\",\"regex\":\".*\"},"
	    "\"d\":{\"type\":\"string\",\"regex\":\".*\"}}";
	struct rig	 r;

	rig_new(&r);
	rig_script(&r, "args", args,
	    SH "echo $#; for a; do printf '[%s]' \"$a\"; done\n");
	rig_script(&r, "none", "", SH "echo $#\n");
	CHECK_INT(rig_start(&r), 0);
	rig_run(&r, &res, 0, "", "  two  words ", "*", "$HOME 'x' \"y\" \\n");
	check_exited(0);
	CHECK_STR(res.out, "4\n[][  two  words ][*][$HOME 'x' \"y\" \\n]");
	rig_run(&r, &res, 0, "~", "\xc3\xa4\xe2\x82\xac", "%s%n", "#!");
	CHECK_STR(res.out, "4\n[~][\xc3\xa4\xe2\x82\xac][%s%n][#!]");
	/* Looked at again here, whatever the executor says. */
	rig_run(&r, &res, 0, "a;b", "", "", "");
	check_refused("arguments");
	rig_run(&r, &res, 0, "a", "b", "c", "d", "e");
	check_refused("arguments");
	rig_run(&r, &res, 1, "unasked");
	check_refused("arguments");
	rig_run(&r, &res, 1);
	CHECK_STR(res.out, "0\n");
	rig_stop(&r);
}

BOTH(inside)
{
	struct rig	 r;
	char		 want[64];

#if defined(__SANITIZE_ADDRESS__)
	printf("SKIP inside: AddressSanitizer does not fit into 1 GiB\n");
	return;
#endif
	rig_new(&r);
	copy_self(&r, "probe");
	CHECK_INT(rig_start(&r), 0);
	rig_run(&r, &res, 0);
	check_exited(0);
#define HAS(text) do {							\
	if (strstr(res.out, text) == NULL) {				\
		fprintf(stderr, "no \"%s\" in:\n%s\n", text, res.out);	\
		test_bad++;						\
	}								\
} while (0)
	HAS("fds 0 1 2\n");
	HAS("\nCapInh:\t0000000000000000\n");
	HAS("\nCapPrm:\t0000000000000000\n");
	HAS("\nCapEff:\t0000000000000000\n");
	HAS("\nCapBnd:\t0000000000000000\n");
	HAS("\nCapAmb:\t0000000000000000\n");
	HAS("\nNoNewPrivs:\t1\n");
	HAS("\nSeccomp:\t2\n");
	HAS("securebits ef\n");
	HAS("\nSigBlk:\t0000000000000000\n");
	HAS("\nSigIgn:\t0000000000000000\n");
	HAS("\nSigPnd:\t0000000000000000\n");
	HAS("\nUmask:\t0022\n");
	HAS("ids 1000 1000 1000 1000\n");
	HAS("session 2 2 2\n");
	HAS("init alive\n");
	HAS("clone3 refused\n");
	HAS("clone refused\n");
	HAS("unshare refused\n");
	HAS("forks bounded\n");
	CHECK(strstr(res.out, " open\n") == NULL);
	/* Process 1 is no better off. */
	HAS("init CapPrm:\t0000000000000000\n");
	HAS("init CapBnd:\t0000000000000000\n");
	snprintf(want, sizeof(want), "limits 0/0 1800/1805 %llu/%llu",
	    1ULL << 30, 1ULL << 30);
	HAS(want);
	HAS(" 256/256 50/50 268435456/268435456\n");
	if (geteuid() == 0)
		HAS("Groups:\t \n");
	rig_stop(&r);
}

BOTH(namespaces)
{
	static const char *const	 names[] = {
		"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"
	};
	struct rig	 r;
	char		 path[32], link[64];
	size_t		 i;
	ssize_t		 n;

	rig_new(&r);
	rig_script(&r, "ns", "", SH "for n in user mnt pid net ipc uts "
	    "cgroup; do readlink /proc/self/ns/$n; done\n"
	    "echo host $(uname -n)\n"
	    "echo net $(tail -n +3 /proc/net/dev | cut -d: -f1)\n"
	    "echo pids $(ls -d /proc/[0-9]* | wc -l)\n");
	CHECK_INT(rig_start(&r), 0);
	rig_run(&r, &res, 0);
	check_exited(0);
	for (i = 0; i < nitems(names); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		n = readlink(path, link, sizeof(link) - 1);
		CHECK(n > 0);
		link[n > 0 ? n : 0] = '\0';
		CHECK(strstr(res.out, link) == NULL);
	}
	HAS("host chatops\n");
	HAS("net lo\n");
	/* Process 1, the shell, ls and wc and the shell before them. */
	CHECK(strstr(res.out, "pids 5\n") != NULL ||
	    strstr(res.out, "pids 4\n") != NULL);
	rig_stop(&r);
}

/* What the script can and cannot do to files. */
BOTH(files)
{
	struct rig	 r;
	char		 outside[300], mark[64], want[300];
	int		 fd;

	rig_new(&r);
	snprintf(mark, sizeof(mark), "/tmp/chatops-mark-%d", (int)getpid());
	snprintf(outside, sizeof(outside), "%s", mark);
	fd = open(outside, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	close(fd);
	rig_write(rig_path(&r, "lib.sh"), "echo sourced\n", 13, 0644);
	rig_script(&r, "f", "\"arguments\":{\"m\":{\"type\":\"string\"}}",
	    SH "read x && echo input; pwd; . ./lib.sh\n"
	    "touch here 2>/dev/null && echo wrote\n"
	    "chmod 777 lib.sh 2>/dev/null && echo changed\n"
	    "test -e \"$1\" && echo host tmp\n"
	    "echo x >/tmp/y && cat /tmp/y\n"
	    "echo z >\"/var$1\" && cat \"/var$1\" /var/tmp/y\n"
	    "echo z >/dev/shm/z && cat /tmp/z\n"
	    "cp /bin/true /tmp/t && /tmp/t 2>/dev/null && echo executed\n"
	    "echo out >/dev/stdout; echo err >/dev/stderr\n"
	    "echo x 2>/dev/null >\"$0\" && echo overwrote\n"
	    "rm -f \"$0\" 2>/dev/null && echo removed\n"
	    "mv /tmp/.script /tmp/.other 2>/dev/null && echo moved\n"
	    "cat /proc/self/oom_score_adj\n"
	    "mount -t tmpfs none /mnt 2>/dev/null && echo mounted\n"
	    "unshare -U true 2>/dev/null && echo nested\n"
	    "echo done\n");
	CHECK_INT(rig_start(&r), 0);
	rig_run(&r, &res, 0, mark);
	check_exited(0);
	snprintf(want, sizeof(want), "%s/scripts\nsourced\nx\nz\nx\nz\n"
	    "out\nerr\n"
	    "1000\ndone\n", r.dir);
	CHECK_STR(res.out, want);
	CHECK(access(rig_path(&r, "here"), F_OK) == -1);
	(void)unlink(outside);
	/* And nothing of it is left on the host. */
	snprintf(outside, sizeof(outside), "/var%s", mark);
	CHECK(access(outside, F_OK) == -1);
	CHECK(access("/dev/shm/z", F_OK) == -1);
	/* Each run has a /tmp of its own. */
	rig_stop(&r);
}

BOTH(output_order)
{
	struct rig	 r;

	rig_new(&r);
	rig_script(&r, "o", "", SH "echo 1; echo 2 >&2; echo 3; echo 4 >&2\n");
	/* A child that holds the output open does not hold up the end. */
	rig_script(&r, "b", "", SH "sleep 1000 & echo started\n");
	CHECK_INT(rig_start(&r), 0);
	rig_run(&r, &res, 0);
	CHECK_STR(res.out, "1\n2\n3\n4\n");
	rig_run(&r, &res, 1);
	check_exited(0);
	CHECK_STR(res.out, "started\n");
	CHECK(res.exit.wall_ms < 5000);
	rig_stop(&r);
}

BOTH(usage)
{
	struct rig	 r;

	rig_new(&r);
	rig_script(&r, "u", "", SH "i=0; while [ $i -lt 100000 ]; do "
	    "i=$((i+1)); done; sleep 0.1\n");
	CHECK_INT(rig_start(&r), 0);
	rig_run(&r, &res, 0);
	check_exited(0);
	CHECK(res.exit.wall_ms >= 100 && res.exit.wall_ms < 15000);
	CHECK(res.exit.user_us > 1000 && res.exit.user_us < 10000000);
	CHECK(res.exit.maxrss_kb > 100);
	rig_stop(&r);
}

#define TREE	/* all that a tree can do not to be ended */		\
	SH "trap '' TERM HUP INT\n"					\
	"( trap '' TERM; sleep 1000 & exec sh -c 'trap \"\" TERM; "	\
	"while :; do sleep 1; done' $1 ) &\n"				\
	"setsid sh -c '(trap \"\" TERM; while :; do sleep 1; done) & "	\
	"(while :; do sleep 1; done)' $1 &\n"				\
	"sh -c 'kill -STOP $$' $1 &\n"					\
	"echo ready\n"							\
	"while :; do sleep 1; done\n"
#define MARK	"\"arguments\":{\"m\":{\"type\":\"string\"}}"

static void
read_ready(int fd)
{
	char	 buf[6];
	size_t	 n = 0;
	ssize_t	 got;

	while (n < sizeof(buf) && (got = read(fd, buf + n,
	    sizeof(buf) - n)) > 0)
		n += (size_t)got;
	CHECK(n == 6 && memcmp(buf, "ready\n", 6) == 0);
	if (test_bad != 0)
		fprintf(stderr, "read \"%.*s\"\n", (int)n, buf);
}

BOTH(timeout)
{
	struct rig	 r;
	const char	*mark;
	int		 fd;

	rig_new(&r);
	r.limits = ",\"limits\":{\"cancelGrace\":300}";
	mark = strrchr(r.dir, '.') + 1;
	rig_script(&r, "t", MARK ",\"timeout\":1000", TREE);
	rig_script(&r, "s", "\"timeout\":1000", SH "trap 'echo term; exit 7'"
	    " TERM; while :; do sleep 0.05; done\n");
	CHECK_INT(rig_start(&r), 0);
	(void)rig_begin(&r, 0, mark, (char *)NULL);
	fd = rig_started(&r, &res);
	CHECK(fd != -1);
	read_ready(fd);
	wait_marked(mark, 4);
	rig_finish(&r, fd, &res);
	CHECK_INT(res.exit.how, JOB_END_TIMEOUT);
	CHECK_INT(res.exit.signal, SIGKILL);
	CHECK(res.exit.wall_ms >= 1300 && res.exit.wall_ms < 4000);
	CHECK(wait_unmarked(mark) >= 0);
	/* One that listens to TERM ends in its own way. */
	rig_run(&r, &res, 1);
	CHECK_INT(res.exit.how, JOB_END_TIMEOUT);
	CHECK_INT(res.exit.status, 7);
	CHECK_INT(res.exit.signal, 0);
	CHECK(strstr(res.out, "term\n") != NULL);
	rig_stop(&r);
}

BOTH(cancel)
{
	static const struct {
		int	 reason, how;
	} kinds[] = {
		{ KILL_CANCEL, JOB_END_CANCELLED },
		{ KILL_SHUTDOWN, JOB_END_SHUTDOWN },
		{ KILL_TIMEOUT, JOB_END_TIMEOUT },
	};
	struct msg_job_kill	 k;
	struct rig		 r;
	const char		*mark;
	size_t			 i;
	int			 fd;

	rig_new(&r);
	r.limits = ",\"limits\":{\"cancelGrace\":200}";
	mark = strrchr(r.dir, '.') + 1;
	rig_script(&r, "t", MARK, TREE);
	CHECK_INT(rig_start(&r), 0);
	for (i = 0; i < nitems(kinds); i++) {
		k.job = rig_begin(&r, 0, mark, (char *)NULL);
		fd = rig_started(&r, &res);
		CHECK(fd != -1);
		read_ready(fd);
		k.reason = (uint8_t)kinds[i].reason;
		rig_send(&r.executor, MSG_JOB_KILL, -1, &k);
		/* A second reason changes nothing. */
		k.reason = KILL_CANCEL;
		rig_send(&r.executor, MSG_JOB_KILL, -1, &k);
		rig_finish(&r, fd, &res);
		CHECK_INT(res.exit.how, kinds[i].how);
		CHECK_INT(res.exit.signal, SIGKILL);
		CHECK(wait_unmarked(mark) >= 0 && wait_unmarked(mark) < 1000);
		/* The job is over: the message came too late, no harm. */
		rig_send(&r.executor, MSG_JOB_KILL, -1, &k);
	}
	rig_run(&r, &res, 1);
	check_refused("number");
	rig_stop(&r);
}

/* Whoever of the daemon dies, and however: no script goes on. */
BOTH(death)
{
	struct rig	 r;
	char		 mark[64];
	int		 fd, how;

	for (how = 0; how < 3; how++) {
		rig_new(&r);
		snprintf(mark, sizeof(mark), "%s", strrchr(r.dir, '.') + 1);
		rig_script(&r, "t", MARK, TREE);
		CHECK_INT(rig_start(&r), 0);
		(void)rig_begin(&r, 0, mark, (char *)NULL);
		fd = rig_started(&r, &res);
		CHECK(fd != -1);
		read_ready(fd);
		wait_marked(mark, 4);
		if (how == 0) {
			kill(r.pid, SIGKILL);
			CHECK_INT(rig_wait(&r), 1000 + SIGKILL);
		} else if (how == 1) {
			/* The parent's end closes. */
			close(r.parent.fd);
			r.parent.fd = -1;
			CHECK_INT(rig_wait(&r), 1);
		} else {
			/* The executor's: no script goes on without it. */
			close(r.executor.fd);
			r.executor.fd = -1;
			CHECK(wait_unmarked(mark) >= 0);
			rig_send(&r.parent, MSG_STOP, -1, NULL);
			CHECK_INT(rig_wait(&r), 0);
		}
		CHECK(wait_unmarked(mark) >= 0 && wait_unmarked(mark) < 1000);
		close(fd);
		imsgbuf_clear(&r.parent);
		imsgbuf_clear(&r.executor);
		rig_delete(&r);
	}
}

/* The daemon's process is killed: the runner goes by the kernel's hand. */
BOTH(parent_killed)
{
	struct rig	 r;
	char		 mark[64], path[300], text[32];
	pid_t		 pid;
	int		 status, fd;

	rig_new(&r);
	snprintf(mark, sizeof(mark), "%s", strrchr(r.dir, '.') + 1);
	rig_script(&r, "t", MARK, TREE);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (rig_start(&r) == -1)
			_exit(1);
		snprintf(path, sizeof(path), "%s/pid", r.dir);
		snprintf(text, sizeof(text), "%d", (int)r.pid);
		rig_write(path, text, strlen(text), 0600);
		(void)rig_begin(&r, 0, mark, (char *)NULL);
		fd = rig_started(&r, &res);
		if (fd == -1)
			_exit(1);
		read_ready(fd);
		for (;;)
			pause();
	}
	wait_marked(mark, 4);
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(wait_unmarked(mark) >= 0 && wait_unmarked(mark) < 1000);
	rig_delete(&r);
}

static void
hex_digest(const char *text, char *hex)
{
	unsigned char	 d[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(d, (const unsigned char *)text, strlen(text));
	sodium_bin2hex(hex, 2 * sizeof(d) + 1, d, sizeof(d));
}

/* Every way in which the file is not what was approved. */
BOTH(file_refused)
{
	static const char	 good[] = SH "echo good\n";
	struct rig		 r;
	char			 hex[65], extra[128], path[300];

	rig_new(&r);
	/* For the absolute path: the runner's user has to walk there. */
	chmod(r.dir, 0755);
	hex_digest(good, hex);
	snprintf(extra, sizeof(extra), "\"sha256\":\"%s\"", hex);
	rig_script(&r, "good", extra, good);			/* 0 */
	rig_entry(&r, "missing", "missing", "");		/* 1 */
	rig_entry(&r, "folder", "sub", "");			/* 2 */
	mkdir(rig_path(&r, "sub"), 0755);
	rig_entry(&r, "fifo", "fifo", "");			/* 3 */
	if (mkfifo(rig_path(&r, "fifo"), 0755) == -1)
		abort();
	rig_entry(&r, "link", "link", "");			/* 4 */
	if (symlink("good", rig_path(&r, "link")) == -1)
		abort();
	rig_script(&r, "writable", "", good);			/* 5 */
	chmod(rig_path(&r, "writable"), 0775);
	rig_script(&r, "plain", "", good);			/* 6 */
	chmod(rig_path(&r, "plain"), 0644);
	rig_script(&r, "empty", "", "");			/* 7 */
	rig_entry(&r, "linked", "ln/inner", "");		/* 8 */
	if (symlink("sub", rig_path(&r, "ln")) == -1)
		abort();
	rig_write(rig_path(&r, "sub/inner"), good, strlen(good), 0755);
	rig_entry(&r, "inner", "sub/inner", "");		/* 9 */
	rig_script(&r, "noexec", "", "neither program nor script\n"); /* 10 */
	rig_script(&r, "lost", "", "#!/nonexistent/interpreter\n"); /* 11 */
	snprintf(path, sizeof(path), "%s/scripts/good", r.dir);
	rig_entry(&r, "absolute", path, "");			/* 12 */
	rig_entry(&r, "null", "/dev/null", "");			/* 13 */
	CHECK_INT(rig_start(&r), 0);

	rig_run(&r, &res, 0);
	check_exited(0);
	CHECK_STR(res.out, "good\n");
	rig_run(&r, &res, 1);
	check_refused("file");
	CHECK(strstr(res.exit.error, "No such file") != NULL);
	rig_run(&r, &res, 2);
	check_refused("file");
	rig_run(&r, &res, 3);
	check_refused("file");
	CHECK(strstr(res.exit.error, "not a regular file") != NULL);
	rig_run(&r, &res, 4);
	check_refused("file");
	CHECK(strstr(res.exit.error, "symbolic link") != NULL);
	rig_run(&r, &res, 5);
	check_refused("mode");
	CHECK(strstr(res.exit.error, "chmod go-w") != NULL);
	rig_run(&r, &res, 6);
	check_refused("mode");
	CHECK(strstr(res.exit.error, "chmod +x") != NULL);
	rig_run(&r, &res, 7);
	check_refused("file");
	CHECK(strstr(res.exit.error, "empty") != NULL);
	rig_run(&r, &res, 8);
	check_refused("folder");
	CHECK(strstr(res.exit.error, "symbolic link") != NULL);
	rig_run(&r, &res, 9);
	check_exited(0);
	rig_run(&r, &res, 10);
	check_refused("exec");
	CHECK(strstr(res.exit.error, "does not begin with #!") != NULL);
	rig_run(&r, &res, 11);
	check_refused("exec");
	CHECK(strstr(res.exit.error, "interpreter") != NULL);
	rig_run(&r, &res, 12);
	check_exited(0);
	rig_run(&r, &res, 13);
	check_refused("file");

	/* Swapped and written after it was approved. */
	rig_write(rig_path(&r, "good"), SH "echo bad\n", 19, 0755);
	rig_run(&r, &res, 0);
	check_refused("sha256");
	rig_write(rig_path(&r, "good"), good, strlen(good), 0755);
	rig_run(&r, &res, 0);
	check_exited(0);
	/* A folder that others may write. */
	chmod(rig_path(&r, "sub"), 0775);
	rig_run(&r, &res, 9);
	check_refused("folder");
	chmod(rig_path(&r, "sub"), 01777);
	rig_run(&r, &res, 9);
	if (geteuid() == 0)
		check_exited(0);	/* sticky and root's */
	else
		check_refused("folder");
	chmod(rig_path(&r, "sub"), 0755);
	chmod(rig_path(&r, ""), 0777);
	rig_run(&r, &res, 0);
	check_refused("folder");
	chmod(rig_path(&r, ""), 0755);
	/* Somebody else's file: only root can give one away. */
	if (geteuid() == 0) {
		CHECK(chown(rig_path(&r, "good"), 64009, 0) == 0);
		rig_run(&r, &res, 0);
		check_refused("owner");
		CHECK(chown(rig_path(&r, "good"), RIG_RUNNER, 0) == 0);
		rig_run(&r, &res, 0);
		check_refused("owner");
		CHECK(chown(rig_path(&r, "sub"), RIG_RUNNER, 0) == 0);
		rig_run(&r, &res, 9);
		check_refused("folder");
	}
	rig_stop(&r);
}

/* While a file is replaced without end, either it runs or is refused. */
BOTH(file_race)
{
	static const char	 good[] = SH "echo good\n";
	static const char	 bad[] = SH "echo bad_\n";
	struct rig		 r;
	char			 hex[65], extra[128], other[512], name[512];
	int			 i, ran = 0, refused = 0, status;
	pid_t			 pid;

	rig_new(&r);
	hex_digest(good, hex);
	snprintf(extra, sizeof(extra), "\"sha256\":\"%s\"", hex);
	rig_script(&r, "good", extra, good);
	snprintf(name, sizeof(name), "%s", rig_path(&r, "good"));
	snprintf(other, sizeof(other), "%s", rig_path(&r, "other"));
	CHECK_INT(rig_start(&r), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		for (i = 0; i < 1000000; i++) {
			int	 fd;

			rig_write(other, i & 1 ? good : bad, sizeof(good) - 1,
			    0755);
			(void)rename(other, name);
			usleep(200);
			fd = open(name, O_WRONLY | O_CLOEXEC);
			if (fd != -1 && pwrite(fd, i & 2 ? good : bad,
			    sizeof(good) - 1, 0) == -1)
				_exit(1);
			close(fd);
			usleep(200);
		}
		_exit(0);
	}
	for (i = 0; i < 40; i++) {
		rig_run(&r, &res, 0);
		if (res.exit.how == JOB_END_REFUSED) {
			refused++;
			continue;
		}
		ran++;
		CHECK_STR(res.out, "good\n");
	}
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(ran + refused, 40);
	rig_stop(&r);
}

BOTH(requests_refused)
{
	struct msg_job_start	*m = &rig_message;
	struct rig		 r;
	int			 fd[2];

	rig_new(&r);
	r.limits = ",\"limits\":{\"maxJobs\":2,\"cancelGrace\":100}";
	rig_script(&r, "a", "", SH "echo a\n");
	rig_script(&r, "off", "\"enabled\":false", SH "echo off\n");
	rig_script(&r, "long", "", SH "exec sleep 1000\n");
	CHECK_INT(rig_start(&r), 0);
	rig_run(&r, &res, 1);
	check_refused("enabled");
	rig_run(&r, &res, 3);
	check_refused("number");
	rig_run(&r, &res, UINT32_MAX);
	check_refused("number");
	rig_fill_start(&r, m, 0);
	m->generation = 2;
	rig_send(&r.executor, MSG_JOB_START, -1, m);
	rig_end(&r, &res);
	check_refused("generation");
	rig_fill_start(&r, m, 0);
	m->generation = 0;
	rig_send(&r.executor, MSG_JOB_START, -1, m);
	rig_end(&r, &res);
	check_refused("generation");
	(void)rig_begin(&r, 2, (char *)NULL);
	fd[0] = rig_started(&r, &res);
	(void)rig_begin(&r, 2, (char *)NULL);
	fd[1] = rig_started(&r, &res);
	CHECK(fd[0] != -1 && fd[1] != -1);
	rig_run(&r, &res, 0);
	check_refused("jobs");
	close(fd[0]);
	close(fd[1]);
	rig_stop(&r);
}

/* A sibling that breaks the protocol ends the process. */
BOTH(twice)
{
	struct rig	 r;
	int		 fd;

	rig_new(&r);
	rig_script(&r, "long", "", SH "exec sleep 1000\n");
	CHECK_INT(rig_start(&r), 0);
	(void)rig_begin(&r, 0, (char *)NULL);
	fd = rig_started(&r, &res);
	rig_send(&r.executor, MSG_JOB_START, -1, &rig_message);
	CHECK_INT(rig_wait(&r), 1);
	close(fd);
	imsgbuf_clear(&r.parent);
	imsgbuf_clear(&r.executor);
	rig_delete(&r);
}

static void
conf(struct rig *r, enum msg_type type, uint64_t generation, int fd)
{
	struct msg_conf	 c;

	memset(&c, 0, sizeof(c));
	c.generation = generation;
	rig_send(&r->parent, type, fd, &c);
}

static void
answer(struct rig *r, enum msg_type type, uint64_t generation)
{
	struct msg_conf	 c;

	CHECK_INT(rig_recv(&r->parent, &c, NULL), type);
	CHECK_INT(c.generation, generation);
	CHECK_INT(c.error[0] != '\0', type == MSG_CONF_ERR);
}

BOTH(reload)
{
	struct rig	 r;

	rig_new(&r);
	rig_script(&r, "a", "", SH "echo old\n");
	CHECK_INT(rig_start(&r), 0);
	rig_write(rig_path(&r, "b"), SH "echo new\n", 19, 0755);
	r.list[0] = '\0';
	rig_entry(&r, "b", "b", "");
	/* Offered, and not in force before it is committed. */
	conf(&r, MSG_CONF_FILE, 2, rig_list(&r));
	answer(&r, MSG_CONF_OK, 2);
	rig_run(&r, &res, 0);
	CHECK_STR(res.out, "old\n");
	conf(&r, MSG_CONF_ABORT, 2, -1);
	rig_run(&r, &res, 0);
	CHECK_STR(res.out, "old\n");
	/* One that cannot be read is refused, with a reason. */
	conf(&r, MSG_CONF_FILE, 3, rig_memfd("{\"scripts\": [}"));
	answer(&r, MSG_CONF_ERR, 3);
	conf(&r, MSG_CONF_ABORT, 3, -1);
	conf(&r, MSG_CONF_FILE, 4, rig_list(&r));
	answer(&r, MSG_CONF_OK, 4);
	conf(&r, MSG_CONF_COMMIT, 4, -1);
	rig_run(&r, &res, 0);
	check_refused("generation");
	r.generation = 4;
	rig_run(&r, &res, 0);
	CHECK_STR(res.out, "new\n");
	rig_stop(&r);
}

BOTH(reload_broken)
{
	struct rig	 r;

	rig_new(&r);
	rig_script(&r, "a", "", SH "echo old\n");
	CHECK_INT(rig_start(&r), 0);
	conf(&r, MSG_CONF_COMMIT, 2, -1);
	CHECK_INT(rig_wait(&r), 1);
	imsgbuf_clear(&r.parent);
	imsgbuf_clear(&r.executor);
	rig_delete(&r);
}

/* Several at once, and nothing is mixed up. */
BOTH(many)
{
	struct rig		 r;
	union {
		struct msg_job_started	 started;
		struct msg_job_exit	 exit;
	} u;
	char			 word[16];
	int			 i, fd, started = 0, ended = 0, sum = 0;
	enum msg_type		 type;

	rig_new(&r);
	rig_script(&r, "a", "\"arguments\":{\"n\":{\"type\":\"integer\"}}",
	    SH "exit $1\n");
	CHECK_INT(rig_start(&r), 0);
	for (i = 1; i <= 8; i++) {
		snprintf(word, sizeof(word), "%d", i);
		(void)rig_begin(&r, 0, word, (char *)NULL);
	}
	while (ended < 8) {
		fd = -1;
		type = rig_recv(&r.executor, &u, &fd);
		if (fd != -1)
			close(fd);
		if (type == MSG_JOB_STARTED)
			started++;
		else if (type == MSG_JOB_EXIT) {
			ended++;
			sum += u.exit.status;
			CHECK_INT(u.exit.status, u.exit.job);
		} else
			break;
	}
	CHECK_INT(started, 8);
	CHECK_INT(sum, 36);
	rig_stop(&r);
}

/*
 * Machines that cannot make a sandbox, imitated by a user namespace around
 * the runner: every script is refused with the reason, none runs without.
 */
static void
write_file(const char *path, const char *text)
{
	int	 fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd == -1 || write(fd, text, strlen(text)) == -1)
		_exit(97);
	close(fd);
}

static void
enter_namespaces(void)
{
	char	 map[64];
	uid_t	 uid = geteuid();
	gid_t	 gid = getegid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == -1)
		_exit(96);
	/* A change of user took /proc/self away (proc(5)). */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "1000 %d 1", (int)uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "1000 %d 1", (int)gid);
	write_file("/proc/self/gid_map", map);
}

static void
check_machine(void (*spoil)(void), const char *step, const char *text)
{
	struct rig	 r;
	int		 status;
	pid_t		 pid;

	rig_open_program();
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		test_bad = 0;
		/* Its files are made by the user that it then is. */
		if (geteuid() == 0 && (setgroups(0, NULL) == -1 ||
		    setresgid(RIG_USER, RIG_USER, RIG_USER) == -1 ||
		    setresuid(RIG_USER, RIG_USER, RIG_USER) == -1))
			_exit(98);
		enter_namespaces();
		rig_new(&r);
		rig_script(&r, "a", "", SH "echo ran\n");
		spoil();
		CHECK_INT(rig_start(&r), 0);
		/* Said at the start already. */
		CHECK(strstr(r.ready.note, "no script can run") != NULL);
		rig_run(&r, &res, 0);
		check_refused(step);
		CHECK(strstr(res.exit.error, text) != NULL);
		if (test_bad != 0)
			fprintf(stderr, "%s: %s\n", res.exit.step,
			    res.exit.error);
		rig_stop(&r);
		fflush(NULL);
		_exit(test_bad != 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void
no_namespaces(void)
{
	write_file("/proc/sys/user/max_user_namespaces", "0");
}

static void
masked_proc(void)
{
	if (mount("tmpfs", "/proc/sys", "tmpfs", 0, "size=4k") == -1)
		_exit(95);
}

TEST(machine_without_user_namespaces)
{
	check_machine(no_namespaces, "clone", "user.max_user_namespaces");
}

TEST(machine_with_masked_proc)
{
	check_machine(masked_proc, "proc", "unmasked /proc");
}
