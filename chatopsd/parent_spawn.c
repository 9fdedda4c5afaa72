/*
 * Fork and exec of a child: an address space of its own, an empty
 * environment, and no descriptor but standard ones and the channel.
 */
#include <sys/prctl.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "confine.h"
#include "log.h"
#include "parent_spawn.h"
#include "pathnames.h"
#include "proc.h"
#include "sys.h"

static const struct {
	enum role	 role;
	const char	*installed;
	const char	*beside;	/* seen from our own folder */
} programs[] = {
	{ ROLE_NETWORK,	PATH_NETWORK,	"chatops-network" },
	{ ROLE_EXECUTOR, PATH_EXECUTOR,	"../executor/chatops-executor" },
	{ ROLE_RUNNER,	PATH_EXECUTOR,	"../executor/chatops-executor" },
	{ ROLE_AUDIT,	PATH_AUDITD,	"../auditd/chatops-auditd" },
};

int
spawn_path(enum role role, char *out, size_t size)
{
	char	 self[PATH_MAX], copy[PATH_MAX];
	ssize_t	 n;
	size_t	 i;
	int	 len;

	n = sys_readlinkat(AT_FDCWD, "/proc/self/exe", self,
	    sizeof(self) - 1);
	if (n == -1)
		return -1;
	self[n] = '\0';
	for (i = 0; programs[i].role != role; i++)
		continue;
	if (strcmp(self, PATH_CHATOPSD) != 0) {
		(void)strlcpy(copy, self, sizeof(copy));
		len = snprintf(out, size, "%s/%s", dirname(copy),
		    programs[i].beside);
		if (len > 0 && (size_t)len < size && access(out, X_OK) == 0)
			return 0;
	}
	/* Also where a link leads to our folder by another name. */
	if (strlcpy(out, programs[i].installed, size) >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return access(out, X_OK);
}

/*
 * In the child: only what exec(3) keeps, and what it should keep; the image
 * moves to the next number and goes with the exec.  Its number, or -1.
 */
static int
place_descriptors(const struct spawn *s, int image)
{
	int	 null, sock, err;

	/* Out of the way first, so that no dup2(2) hits another. */
	sock = fcntl(s->sock, F_DUPFD, 10);
	err = fcntl(s->err, F_DUPFD, 10);
	image = fcntl(image, F_DUPFD, 10);
	null = open(PATH_DEVNULL, O_RDWR);
	if (sock == -1 || err == -1 || null == -1 || image == -1 ||
	    dup2(null, STDIN_FILENO) == -1 ||
	    dup2(null, STDOUT_FILENO) == -1 ||
	    dup2(err, STDERR_FILENO) == -1 || dup2(sock, PROC_FD) == -1 ||
	    dup3(image, PROC_FD + 1, O_CLOEXEC) == -1 ||
	    close_range(PROC_FD + 2, ~0U, 0) == -1)
		return -1;
	return PROC_FD + 1;
}

static void
reset_signals(void)
{
	struct sigaction	 sa;
	sigset_t		 none;
	int			 i;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	for (i = 1; i < NSIG; i++)
		(void)sigaction(i, &sa, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Not exit(3): what the parent registered for its own end is not ours. */
static __dead void
child_fail(const char *role, const char *what)
{
	log_warn("%s: %s", role, what);
	_exit(127);
}

/*
 * image is the program, opened before the switch of users: the folders above
 * it need not be open to them (a source tree below a private home).
 */
static __dead void
run_child(const struct spawn *s, const char *path, int image, pid_t parent)
{
	char	 name[NAME_SIZE], role[NAME_SIZE], verbose[] = "-v",
		 option[] = "-x";
	char	*argv[] = { name, option, role, NULL, NULL };
	char	*envp[] = { NULL };

	(void)strlcpy(name, strrchr(path, '/') + 1, sizeof(name));
	(void)strlcpy(role, role_name(s->role), sizeof(role));
	if (s->verbose)
		argv[3] = verbose;
	reset_signals();
	(void)umask(077);
	/* A terminal's signals are for the parent alone. */
	if (setsid() == -1 || chdir("/") == -1)
		child_fail(role, "set-up");
	if ((image = place_descriptors(s, image)) == -1)
		child_fail(role, "descriptors");
	if (s->as_user && confine_user(s->uid, s->gid) == -1)
		child_fail(role, "cannot switch to its user");
	/* After the switch of users, which clears it: prctl(2). */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		child_fail(role, "prctl");
	if (getppid() != parent)
		_exit(1);
	(void)fexecve(image, argv, envp);
	child_fail(role, path);
}

pid_t
spawn_child(const struct spawn *s)
{
	char	 path[PATH_MAX];
	pid_t	 pid, self = getpid();
	int	 image;

	if (spawn_path(s->role, path, sizeof(path)) == -1) {
		log_warn("%s: %s", role_name(s->role), path);
		return -1;
	}
	if ((image = sys_open(path, O_RDONLY | O_CLOEXEC, 0)) == -1) {
		log_warn("%s: %s", role_name(s->role), path);
		return -1;
	}
	if ((pid = sys_fork()) == 0)
		run_child(s, path, image, self);
	(void)close(image);
	return pid;
}
