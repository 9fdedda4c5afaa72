/*
 * Process 2 of a sandbox, from clone(2) to the script's first instruction:
 * limits, no privilege to be had, three descriptors, exec.  A step
 * that fails is left in the memory that is process 1's, too, so that it can
 * never be taken for something that the script did.  Nothing here may return.
 */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "runner.h"
#include "sys.h"
#include "sys_linux.h"

#define MIB		(1024UL * 1024)
#define FSIZE		(256 * MIB)
#define MEMORY		(1024 * MIB)

/* In this order; memory last, for it counts for the rest of this, too. */
static const struct {
	int		 which;
	const char	*step;
	rlim_t		 soft;
	rlim_t		 hard;
} limits[] = {
	/* Never a core file: it would hold what the script knows. */
	{ RLIMIT_CORE,		"limit core",		0, 0 },
	{ RLIMIT_CPU,		"limit cpu",		1800, 1805 },
	{ RLIMIT_NOFILE,	"limit nofile",		256, 256 },
	{ RLIMIT_NPROC,		"limit nproc",		50, 50 },
	{ RLIMIT_FSIZE,		"limit fsize",		FSIZE, FSIZE },
	{ RLIMIT_MEMLOCK,	"limit memlock",	65536, 65536 },
	{ RLIMIT_MSGQUEUE,	"limit msgqueue",	0, 0 },
	{ RLIMIT_NICE,		"limit nice",		0, 0 },
	{ RLIMIT_RTPRIO,	"limit rtprio",		0, 0 },
	{ RLIMIT_SIGPENDING,	"limit sigpending",	256, 256 },
	{ RLIMIT_STACK,		"limit stack",		8 * MIB, 8 * MIB },
	{ RLIMIT_AS,		"limit as",		MEMORY, MEMORY },
};

static __dead void
fail(struct runner_plan *p, const char *step)
{
	p->script_error = errno;
	p->script_step = step;
	_exit(1);
}

/*
 * Default actions and an empty mask, whatever the runner had.  The kernel is
 * asked directly: libc keeps two signals to itself, and its posix_spawn(3)
 * (as in make) leaves them ignored in what it starts.
 */
static void
script_signals(struct runner_plan *p)
{
	/* All zero is SIG_DFL without flags, on every architecture. */
	static const unsigned long	 action[8];
	sigset_t			 none;
	int				 sig;

	for (sig = 1; sig < NSIG; sig++)
		/* KILL and STOP cannot be set. */
		(void)syscall(SYS_rt_sigaction, sig, action, NULL, NSIG / 8);
	(void)sigemptyset(&none);
	if (sys_sigprocmask(SIG_SETMASK, &none, NULL) == -1)
		fail(p, "signals");
}

static void
script_descriptors(struct runner_plan *p)
{
	if (sys_dup2(p->output, STDOUT_FILENO) == -1 ||
	    sys_dup2(p->output, STDERR_FILENO) == -1)
		fail(p, "output");
	if (sys_close_range(STDERR_FILENO + 1, ~0U) == -1)
		fail(p, "descriptors");
}

static void
script_limits(struct runner_plan *p)
{
	struct rlimit	 now, want;
	size_t		 i;

	for (i = 0; i < nitems(limits); i++) {
		want.rlim_cur = limits[i].soft;
		want.rlim_max = limits[i].hard;
		/* A host that is stricter stays so. */
		if (getrlimit(limits[i].which, &now) == 0 &&
		    now.rlim_max < want.rlim_max) {
			want.rlim_max = now.rlim_max;
			if (want.rlim_cur > want.rlim_max)
				want.rlim_cur = want.rlim_max;
		}
		if (sys_setrlimit(limits[i].which, &want) == -1)
			fail(p, limits[i].step);
	}
}

void
runner_script(struct runner_plan *p)
{
	(void)umask(022);
	/* No terminal to type into, and a process group to end. */
	if (sys_setsid() == -1)
		fail(p, "session");
	script_descriptors(p);
	if (sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0) == -1)
		fail(p, "no_new_privs");
	script_limits(p);
	script_signals(p);
	p->is_at_exec = 1;
	(void)sys_execve(p->argv[0], p->argv, p->envp);
	fail(p, "exec");
}
