/*
 * The parent's core: who is alive, in which phase, and what happens next.
 * It has no clock, no file and no descriptor of its own; it is told what
 * happened and calls out through one struct of functions.
 */
#ifndef CHATOPS_PARENT_H
#define CHATOPS_PARENT_H

#include <stddef.h>
#include <stdint.h>

#include "msg.h"

enum parent_state {
	PARENT_NEW,
	PARENT_STARTING,	/* children are started one after the other */
	PARENT_RUNNING,
	PARENT_STOPPING,	/* children are stopped one after the other */
	PARENT_DYING,		/* something broke: all channels are closed */
	PARENT_DONE
};

enum child_state {
	CHILD_NONE,
	CHILD_GREETING,		/* started, its HELLO is due */
	CHILD_SETUP,		/* has its descriptors, READY is due */
	CHILD_READY,
	CHILD_GONE
};

enum parent_timer {
	PARENT_TIMER_READY,	/* a child's HELLO and READY */
	PARENT_TIMER_RELOAD,	/* both answers to CONF_FILE */
	PARENT_TIMER_STOP,	/* one child's end after MSG_STOP */
	PARENT_TIMER_DEATH,	/* everybody's end after something broke */
	PARENT_TIMER_COUNT
};

enum parent_note {
	PARENT_NOTE_READY,
	PARENT_NOTE_RELOADING,
	PARENT_NOTE_STOPPING
};

/* Milliseconds; the executor's stop adds what the configuration gives. */
#define PARENT_READY_MS		30000
#define PARENT_RELOAD_MS	10000
#define PARENT_STOP_MS		10000
#define PARENT_DEATH_MS		2000

struct parent_conf {
	const char	*build;
	long		 pid;			/* the parent's own */
	int		 is_root;
	int		 allow_unconfined;
	int64_t		 executor_stop_ms;	/* for jobs and their results */
};

struct parent_world {
	/* Fork and exec that role.  0 and its pid, or -1 (already said). */
	int	(*spawn)(void *, enum role, long *pid);
	/* PEER, FILE and DONE to a child that greeted.  0, or -1 (said). */
	int	(*equip)(void *, enum role);
	/* fd is consumed. */
	void	(*send)(void *, enum role, enum msg_type, uint32_t id, int fd,
		    const void *payload);
	/* A fresh description of the checked allowlist, or -1 and why. */
	int	(*open_allowlist)(void *, char *why, size_t);
	void	(*discard)(void *, int fd);
	void	(*kill)(void *, enum role);	/* SIGKILL */
	void	(*hangup)(void *, enum role);	/* close its channel */
	void	(*timer)(void *, enum parent_timer, int64_t ms); /* 0: off */
	/*
	 * All children are ready: give up what is not needed.  0 and what
	 * was reached, or -1 (already said).
	 */
	int	(*confine)(void *, struct msg_ready *);
	void	(*notify)(void *, enum parent_note);
	/* Nobody is left: end with this exit status. */
	void	(*finish)(void *, int status);
};

struct parent_child {
	enum child_state	 state;
	long			 pid;
	int			 closed;	/* its channel is */
	int			 asked;		/* to stop: 1; killed: 2 */
	int			 answered;	/* CONF_OK or CONF_ERR */
	struct msg_ready	 ready;		/* what it reached */
};

struct parent {
	enum parent_state		 state;
	const struct parent_world	*world;
	void				*arg;
	struct parent_conf		 conf;
	struct parent_child		 child[ROLE_COUNT];
	int				 status;	/* exit status so far */
	size_t				 step;		/* of start or stop */
	int				 killed;	/* while dying */

	/* reload; generations are never used twice, so late answers show */
	uint64_t			 generation;	/* in force */
	uint64_t			 tried;		/* last one offered */
	int				 reloading;
	int				 again;		/* SIGHUP meanwhile */
	uint32_t			 reload_id;	/* 0: a signal */
	char				 reload_error[ERROR_SIZE];
};

void	 parent_init(struct parent *, const struct parent_conf *,
	    const struct parent_world *, void *);
void	 parent_start(struct parent *);
/* A message that the rules table let through, decoded; NULL: no payload. */
void	 parent_message(struct parent *, enum role, enum msg_type,
	    uint32_t id, const void *);
/* The channel is closed, or ("why" not empty) broke the rules. */
void	 parent_closed(struct parent *, enum role, const char *why);
/* A child ended; status as from waitpid(2). */
void	 parent_exited(struct parent *, enum role, int status);
void	 parent_timeout(struct parent *, enum parent_timer);
void	 parent_reload(struct parent *);	/* SIGHUP */
void	 parent_stop(struct parent *, const char *why);
/* Something outside the children broke: everybody ends, status 1. */
void	 parent_die(struct parent *);

/* Names of the bits, blank separated: "seccomp landlock". */
void	 parent_names(uint32_t, char *, size_t);

#endif
