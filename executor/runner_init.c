/*
 * Process 1 of a sandbox.  It gets its ids, ties its life to the runner's,
 * arranges the file system, starts the script as process 2, passes SIGTERM
 * on, reaps, and ends with the script; the kernel then ends whoever is left
 * (pid_namespaces(7)).  It runs nothing that came from outside.
 */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <linux/capability.h>
#include <linux/securebits.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "runner.h"
#include "sys.h"
#include "sys_linux.h"

/* Where process 1 keeps what it needs; all others are closed. */
enum {
	FD_SYNC = 3,
	FD_OUTPUT,
	FD_FOLDER,
	FD_TREE,
	FD_END
};

static void
report(const struct runner_plan *p, enum runner_news news, const char *step,
    int error)
{
	struct runner_report	 r;

	memset(&r, 0, sizeof(r));
	r.news = (int32_t)news;
	r.error = error;
	(void)strlcpy(r.step, step, sizeof(r.step));
	/* A runner that is gone has ended us already. */
	if (sys_write(p->sync, &r, sizeof(r)) != (ssize_t)sizeof(r))
		_exit(1);
}

static __dead void
fail(const struct runner_plan *p, const char *step)
{
	report(p, RUNNER_NEWS_FAILED, step, errno);
	_exit(1);
}

/*
 * The runner writes the maps.  /proc/<pid> of a process that is not
 * dumpable is root's, so this one is until they are there (proc(5)).
 */
static void
init_ids(const struct runner_plan *p)
{
	char	 go;

	if (sys_prctl(PR_SET_DUMPABLE, 1, 0) == -1)
		fail(p, "dumpable");
	report(p, RUNNER_NEWS_MAP, "", 0);
	if (sys_read(p->sync, &go, 1) != 1)
		_exit(1);
	if (sys_setresgid(RUNNER_ID, RUNNER_ID, RUNNER_ID) == -1)
		fail(p, "setresgid");
	if (sys_setresuid(RUNNER_ID, RUNNER_ID, RUNNER_ID) == -1)
		fail(p, "setresuid");
	if (sys_prctl(PR_SET_DUMPABLE, 0, 0) == -1)
		fail(p, "dumpable");
}

/*
 * Dies with the runner.  After the last change of ids, for that clears it
 * (PR_SET_PDEATHSIG(2const)); and the runner may be gone already.
 */
static void
init_tie(const struct runner_plan *p)
{
	struct pollfd	 pfd;

	if (sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0) == -1)
		fail(p, "parent death signal");
	pfd.fd = p->sync;
	pfd.events = 0;
	pfd.revents = 0;
	if (poll(&pfd, 1, 0) == -1)
		fail(p, "parent death signal");
	if (pfd.revents & (POLLHUP | POLLERR))
		_exit(1);
}

/* fd to its fixed place; -1 stays -1. */
static int
place(const struct runner_plan *p, int fd, int at)
{
	if (fd != -1 && sys_dup2(fd, at) == -1)
		fail(p, "descriptors");
	return fd != -1 ? at : -1;
}

/*
 * Everything that the runner has open goes, and standard input, output and
 * error are /dev/null here.  First out of the way, then to their places.
 */
static void
init_descriptors(struct runner_plan *p, struct runner_file *f)
{
	int	*fds[] = { &p->sync, &p->output, &f->folder_fd,
		    &p->folder_tree, &p->null };
	int	 i, high;

	for (i = 0; i < (int)nitems(fds); i++) {
		if (*fds[i] == -1)
			continue;
		high = sys_fcntl(*fds[i], F_DUPFD_CLOEXEC, 64);
		if (high == -1)
			fail(p, "descriptors");
		*fds[i] = high;
	}
	p->sync = place(p, p->sync, FD_SYNC);
	p->output = place(p, p->output, FD_OUTPUT);
	f->folder_fd = place(p, f->folder_fd, FD_FOLDER);
	p->folder_tree = place(p, p->folder_tree, FD_TREE);
	for (i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		(void)place(p, p->null, i);
	p->null = STDIN_FILENO;
	if (p->folder_tree == -1)
		(void)sys_close(FD_TREE);
	if (sys_close_range(FD_END, ~0U) == -1)
		fail(p, "descriptors");
}

/*
 * All five sets empty, and bits set and locked that keep them so: from here
 * on this process, and the script with it, is only a user in its own
 * namespace, too (capabilities(7)).
 */
static void
init_capabilities(const struct runner_plan *p)
{
	unsigned long	 c;

	for (c = 0; c <= 63; c++) {
		if (sys_prctl(PR_CAPBSET_DROP, c, 0) == 0)
			continue;
		if (errno != EINVAL || c == 0)
			fail(p, "bounding set");
		break;	/* past the kernel's last */
	}
	if (sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0) == -1)
		fail(p, "ambient set");
	if (sys_prctl(PR_SET_SECUREBITS, SECBIT_NOROOT |
	    SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
	    SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
	    SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
	    0) == -1)
		fail(p, "securebits");
	if (sys_capset(0, 0) == -1)
		fail(p, "capabilities");
}

static int
init_script(void *arg)
{
	runner_script(arg);
}

/*
 * Process 2 borrows this process's memory until it executes the script:
 * copying it would cost as much as a namespace, and so it can say what went
 * wrong without a channel that might fail, too.
 */
static pid_t
init_start(struct runner_plan *p)
{
	static char	 stack[64 * 1024] __attribute__((__aligned__(64)));
	pid_t		 pid;

	pid = sys_spawn(init_script, stack + sizeof(stack), p);
	if (pid == -1)
		fail(p, "process 2");
	if (p->script_step != NULL) {
		errno = p->script_error;
		fail(p, p->script_step);
	}
	if (!p->is_at_exec) {
		/* Killed on the way: not by anything that the script did. */
		errno = ECHILD;
		fail(p, "process 2");
	}
	/* The end of the output is the end of the script's processes. */
	(void)sys_close(p->output);
	return pid;
}

/* Reap whoever ended; the script's end is the end of everything. */
static void
init_reap(const struct runner_plan *p, pid_t script)
{
	pid_t	 pid;
	int	 status;

	while ((pid = sys_wait4(-1, &status, WNOHANG, NULL)) > 0) {
		if (pid != script)
			continue;
		report(p, RUNNER_NEWS_EXITED, "", status);
		_exit(0);
	}
	/* Rather an end than to wait for what will not come again. */
	if (pid == -1 && errno != EINTR)
		_exit(1);
}

/*
 * All signals are blocked, so none does anything by itself.  SIGTERM from
 * outside (its sender has no number in here) goes to the script's process
 * group: sent to process 1 itself it would be lost on a script that has no
 * handler for it.
 */
static __dead void
init_loop(const struct runner_plan *p, pid_t script)
{
	siginfo_t	 info;
	sigset_t	 set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	for (;;) {
		if (sigwaitinfo(&set, &info) == -1) {
			if (errno == EINTR)
				continue;
			_exit(1);
		}
		if (info.si_signo == SIGTERM && info.si_pid == 0)
			(void)sys_kill(-script, SIGTERM);
		init_reap(p, script);
	}
}

void
runner_inside(struct runner_plan *p)
{
	struct runner_file	 file = *p->file;
	const char		*step;
	pid_t			 script;

	p->file = &file;
	(void)umask(0);
	/* While we hold this end, too, the runner's end would tell nothing. */
	if (sys_close(p->sync_runner) == -1)
		fail(p, "descriptors");
	init_ids(p);
	init_tie(p);
	init_descriptors(p, &file);
	if (sys_sethostname(RUNNER_HOSTNAME, strlen(RUNNER_HOSTNAME)) == -1)
		fail(p, "hostname");
	if (runner_mounts(p, &step) == -1)
		fail(p, step);
	/* These two lead out of here. */
	if (sys_close_range(FD_FOLDER, ~0U) == -1)
		fail(p, "descriptors");
	init_capabilities(p);
	script = init_start(p);
	report(p, RUNNER_NEWS_STARTED, "", 0);
	init_loop(p, script);
}
