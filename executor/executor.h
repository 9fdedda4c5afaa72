/*
 * The executor: the process that decides.  Its core (command.c, job*.c,
 * builtin_*.c, ctl_server.c, …) is driven by the functions below and
 * reaches the outside only through struct executor_world; its shell
 * (executor.c) is libevent, pipes and files.
 */
#ifndef EXECUTOR_EXECUTOR_H
#define EXECUTOR_EXECUTOR_H

#include <stddef.h>
#include <stdint.h>

#include "allowlist.h"
#include "conf.h"
#include "db.h"
#include "monotime.h"
#include "msg.h"
#include "rate.h"

struct executor;

/*
 * The only way out of the core.  Nothing here fails for the core to see: a
 * sibling that cannot be written to ends the process inside send.
 */
struct executor_world {
	void		 *arg;
	/*
	 * One message; payload is the struct of its type (NULL for none).
	 * fd is consumed.
	 */
	void		(*send)(void *, enum role, enum msg_type, uint32_t id,
			    int fd, const void *payload);
	/* To one chatopsctl, by the number that the shell gave it. */
	void		(*ctl_send)(void *, uint32_t client, enum msg_type,
			    uint32_t id, const void *payload);
	monotime_t	(*mono)(void *);
	walltime_t	(*wall)(void *);
	void		(*random)(void *, void *, size_t);
	/* Call executor_tick() at that moment; one timer, the last wins. */
	void		(*timer)(void *, monotime_t);
	/*
	 * Read fd (consumed) and hand over what comes by
	 * executor_output(job, …); unwatch closes it.
	 */
	void		(*watch)(void *, uint64_t job, int fd);
	void		(*unwatch)(void *, uint64_t job);
	/* A sealed file in memory with these bytes, or -1. */
	int		(*memfd)(void *, const char *name, const void *,
			    size_t);
	/* End the process; does not return in the shell.  why NULL: well. */
	void		(*exit)(void *, const char *why);
};

/* What is borrowed stays valid until executor_free(). */
struct executor	*executor_new(const struct executor_world *,
		    const struct conf *, struct db *, struct rate *,
		    char *why, size_t whylen);
void	 executor_free(struct executor *);

/* A checked allowlist takes effect; the core owns it from now on. */
void	 executor_set_allowlist(struct executor *, struct allowlist *,
	    uint64_t generation);

/*
 * One decoded message from a sibling.  fd is consumed.  payload is the
 * struct of its type.
 */
void	 executor_message(struct executor *, enum role from, enum msg_type,
	    uint32_t id, int fd, const void *payload);
/* Bytes of a job's output; n 0: the end of it. */
void	 executor_output(struct executor *, uint64_t job, const void *,
	    size_t n);
void	 executor_tick(struct executor *);

/* chatopsctl: uid is the kernel's word.  client is the shell's number. */
void	 executor_ctl_request(struct executor *, uint32_t client, uid_t uid,
	    uint32_t id, const struct msg_ctl_request *);
void	 executor_ctl_closed(struct executor *, uint32_t client);

/* The runner's role of the same program: executor/runner.c. */
int	 runner_main(int verbose);

#endif
