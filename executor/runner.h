/*
 * The runner: the process that starts scripts and decides nothing.  It is
 * told a number of its own table and words, checks both again, and makes a
 * sandbox.
 *
 *	runner.c	the role: set-up, event loop, messages
 *	runner_core.c	what is started, when it is ended, what is reported
 *	runner_check.c	the script's file
 *	runner_spawn.c	the runner's side of making a sandbox
 *	runner_init.c	the inside: process 1 of the sandbox
 *	runner_mounts.c	what process 1 makes of the file system
 *	runner_script.c	process 2, up to the script's first instruction
 *	runner_trial.c	can scripts run on this machine
 */
#ifndef EXECUTOR_RUNNER_H
#define EXECUTOR_RUNNER_H

#include <sys/types.h>
#include <sys/resource.h>

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "allowlist.h"
#include "monotime.h"
#include "msg.h"

#define RUNNER_JOBS_MAX		256	/* more than conf.max_jobs may be */
#define RUNNER_SETUP_MS		10000	/* from clone to the script's start */
#define RUNNER_SCRIPT_MAX	(64 * 1024 * 1024)	/* bytes of a script */
#define RUNNER_ARGV_MAX		(WORDS_MAX + 2)
#define RUNNER_ENV_MAX		256

/* Inside: the script's folders, its id and its name for the machine. */
#define RUNNER_SCRIPT_DIR	"/tmp/.script"
#define RUNNER_ID		1000
#define RUNNER_HOSTNAME		"chatops"
/* Outside, as root: ids that no user has, one per run. */
#define RUNNER_UID_FIRST	0x70000000U
#define RUNNER_UID_COUNT	65536U

/* Why a job never ran: a step's name and one sentence with a remedy. */
struct runner_error {
	char	 step[NAME_SIZE];
	char	 text[ERROR_SIZE];
};
/* Fills *e with text and, where error is not 0, its meaning.  Returns -1. */
int	 runner_fail(struct runner_error *, const char *step, int error,
	    const char *fmt, ...) __attribute__((__format__(printf, 4, 5)));

/*
 * A script's file, checked: the very bytes that will run, and the folder
 * that they come from.
 */
struct runner_file {
	char	 folder[PATH_MAX];	/* absolute, without symbolic links */
	char	 name[NAME_MAX + 1];
	int	 folder_fd;		/* O_PATH */
	uint8_t	*text;
	size_t	 len;
};
/*
 * Open the script by its path (relative: from base), each component by
 * itself and no symbolic link among them; check owner, modes and digest;
 * read it.  owner may own files and folders besides root.
 */
int	 runner_check(struct runner_file *, const struct script *, int base,
	    uid_t owner, struct runner_error *);
/* The same for a script that does nothing, in the base folder. */
int	 runner_check_trial(struct runner_file *, int base,
	    struct runner_error *);
void	 runner_file_clear(struct runner_file *);

/* How a script ended, as its sandbox's process 1 saw it. */
struct runner_end {
	int		 has_status;	/* status is waitpid(2)'s */
	int		 status;
	int		 init_status;	/* of process 1 itself */
	struct rusage	 usage;		/* of the whole tree */
};

/*
 * The decisions: no clock, no file, no process.  One input at a time, and
 * everything that shall happen through the world.
 */
struct runner_world {
	void	*arg;
	/*
	 * Check the script's file and start it in a sandbox, as number slot.
	 * 0: runner_started(), runner_failed() and runner_ended() will tell;
	 * or -1 and *e.
	 */
	int	(*start)(void *, int slot, const struct script *,
		    const struct msg_job_start *, struct runner_error *);
	void	(*term)(void *, int slot);	/* SIGTERM to the script */
	void	(*kill)(void *, int slot);	/* the whole tree, at once */
	/* JOB_STARTED, with the read end of the output of that slot. */
	void	(*send_started)(void *, int slot, uint64_t job);
	void	(*send_exit)(void *, const struct msg_job_exit *);
	void	(*send_conf)(void *, enum msg_type, const struct msg_conf *);
	/* The allowlist behind fd, which is consumed; NULL and why. */
	struct allowlist *(*parse)(void *, int fd, char *why, size_t);
	/* Call runner_tick() at that moment; MONOTIME_NEVER: not at all. */
	void	(*timer)(void *, monotime_t);
	/* MSG_STOP, and no script is left. */
	void	(*stopped)(void *);
	/* A sibling broke the protocol; does not return in the shell. */
	void	(*broken)(void *, const char *peer, const char *why);
};

enum runner_state {
	RUNNER_FREE,
	RUNNER_STARTING,	/* the sandbox is being made */
	RUNNER_RUNNING,
	RUNNER_TERMINATING,	/* TERM was sent, KILL is due */
	RUNNER_KILLED
};

struct runner_job {
	enum runner_state	 state;
	uint64_t		 id;
	int			 has_started;
	int			 has_failed;
	struct runner_error	 error;		/* has_failed */
	int			 has_reason;
	enum job_end		 reason;	/* why it was ended */
	int64_t			 timeout_ms;
	monotime_t		 started;
	monotime_t		 deadline;	/* of the state */
};

struct runner {
	const struct runner_world	*world;
	struct allowlist		*list;
	uint64_t			 generation;
	struct allowlist		*candidate;	/* step one was taken */
	uint64_t			 candidate_generation;
	uint32_t			 max_jobs;
	int64_t				 grace_ms;
	int				 stopping;
	struct runner_job		 jobs[RUNNER_JOBS_MAX];
};

/* The list, of generation 1, belongs to the runner from now on. */
void	 runner_init(struct runner *, const struct runner_world *,
	    struct allowlist *, uint32_t max_jobs, int64_t grace_ms);
void	 runner_clear(struct runner *);

void	 runner_conf_file(struct runner *, uint64_t generation, int fd);
void	 runner_conf_commit(struct runner *, uint64_t generation);
void	 runner_conf_abort(struct runner *, uint64_t generation);
void	 runner_job_start(struct runner *, const struct msg_job_start *,
	    monotime_t now);
void	 runner_job_kill(struct runner *, const struct msg_job_kill *,
	    monotime_t now);
/* The sandbox of a slot: the script runs; a step failed; all is over. */
void	 runner_started(struct runner *, int slot, monotime_t now);
void	 runner_failed(struct runner *, int slot, const struct runner_error *);
void	 runner_ended(struct runner *, int slot, const struct runner_end *,
	    monotime_t now);
void	 runner_tick(struct runner *, monotime_t now);
/* End every script: TERM, then KILL; now_dead: KILL at once. */
void	 runner_stop(struct runner *, int now_dead, monotime_t now);

/*
 * A sandbox from outside.  What process 1 inside is given is in memory that
 * it inherits; afterwards the two talk over sync.
 */
struct runner_plan {
	const struct runner_file	*file;
	char			*argv[RUNNER_ARGV_MAX];
	char			*envp[RUNNER_ENV_MAX];
	int			 folder_tree;	/* as root, else -1 */
	int			 null;		/* /dev/null */
	int			 output;	/* write end */
	int			 sync;		/* its end */
	int			 sync_runner;	/* the runner's, in 1 only */
	/* What process 2 says, in the memory that it shares with 1. */
	int			 is_at_exec;	/* all its steps are done */
	int			 script_error;
	const char		*script_step;	/* that failed, else NULL */
};

/* What process 1 tells.  Both ends are the same program in one fork. */
enum runner_news {
	RUNNER_NEWS_MAP,	/* write my maps */
	RUNNER_NEWS_FAILED,	/* step, error */
	RUNNER_NEWS_STARTED,
	RUNNER_NEWS_EXITED	/* error: the wait status */
};

struct runner_report {
	int32_t	 news;
	int32_t	 error;
	char	 step[NAME_SIZE];
};

struct runner_box {
	pid_t	 pid;
	int	 pidfd;
	int	 sync;
	int	 output;	/* read end, until it is sent away */
	uint32_t uid;		/* outside */
	uint32_t gid;
};

struct runner_conf {
	const char	*home;		/* HOME and USER inside */
	const char	*user;
	int		 is_root;	/* a private id per run */
	int		 null;
	int		 has_network;	/* runner_spawn_ahead() */
};

/*
 * Start a sandbox.  0 and *box, which the caller watches: sync for
 * reports, pidfd for the end.
 */
int	 runner_spawn(struct runner_box *, struct runner_conf *,
	    const struct runner_file *, const struct script *,
	    const struct msg_job_start *, struct runner_error *);
/*
 * Make the next sandbox's network namespace while nobody waits for it: that
 * is a third of the whole work.  The runner itself moves into it, which is
 * no loss: it has no use for a network, and each one serves one run only.
 */
void	 runner_spawn_ahead(struct runner_conf *);
/* Answer RUNNER_NEWS_MAP: ids, and who is killed first without memory. */
int	 runner_spawn_map(struct runner_box *, struct runner_error *);
/* One report: 1, none now 0, closed or nonsense -1. */
int	 runner_spawn_report(struct runner_box *, struct runner_report *);
/* A report of a failure as a step and a sentence with its remedy. */
void	 runner_spawn_explain(const struct runner_report *,
	    const struct runner_file *, struct runner_error *);
void	 runner_box_clear(struct runner_box *);

/*
 * Make one sandbox with a script that does nothing and wait for its end.
 * Whether scripts can run here is seen by that and by nothing less: a user
 * namespace may be had and still be good for nothing.  0, or -1 and *e.
 */
int	 runner_trial(struct runner_conf *, int base,
	    struct runner_error *);

/* Process 1; does not return. */
void	 runner_inside(struct runner_plan *) __attribute__((__noreturn__));
/* Process 2, in the memory of process 1; does not return. */
void	 runner_script(struct runner_plan *) __attribute__((__noreturn__));
/* Process 1: everything up to there.  0, or -1 with *step and errno. */
int	 runner_mounts(struct runner_plan *, const char **step);

#endif
