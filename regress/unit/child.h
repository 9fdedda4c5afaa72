/* What ends a process is tried in a forked one, whose log is read. */
#ifndef CHATOPS_CHILD_H
#define CHATOPS_CHILD_H

#include <sys/socket.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <unistd.h>

#include "compat.h"
#include "log.h"
#include "proc.h"
#include "test.h"

#define LOG_MAX	4096

/* A forked child: what it runs, its log and how it ended. */
struct child {
	pid_t	 pid;
	int	 log;		/* read end */
	char	 text[LOG_MAX];
	int	 status;
};

static inline void
child_start(struct child *c, void (*run)(void *), void *arg, int channel)
{
	int	 p[2];

	if (pipe2(p, O_CLOEXEC) == -1 || (c->pid = fork()) == -1)
		abort();
	if (c->pid == 0) {
		alarm(20);
		if (dup2(p[1], STDERR_FILENO) == -1)
			_exit(99);
		if (channel != -1 && channel != PROC_FD &&
		    dup2(channel, PROC_FD) == -1)
			_exit(99);
		closefrom(PROC_FD + 1);
		log_init("child", 0);
		run(arg);
		_exit(42);
	}
	close(p[1]);
	c->log = p[0];
}

/* The log to its end, then the exit status; a signal counts as 1000 + n. */
static inline int
child_end(struct child *c)
{
	size_t	 len = 0;
	ssize_t	 n;
	int	 status;

	while (len < sizeof(c->text) - 1 && (n = read(c->log, c->text + len,
	    sizeof(c->text) - 1 - len)) > 0)
		len += (size_t)n;
	c->text[len] = '\0';
	close(c->log);
	if (waitpid(c->pid, &status, 0) == -1)
		abort();
	c->status = WIFEXITED(status) ? WEXITSTATUS(status) :
	    1000 + WTERMSIG(status);
	return c->status;
}

static inline void
make_pair(int sv[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == -1)
		abort();
}

#endif
