/* Starting one child; see parent_spawn.c. */
#ifndef CHATOPS_PARENT_SPAWN_H
#define CHATOPS_PARENT_SPAWN_H

#include <sys/types.h>

#include "msg.h"

struct spawn {
	enum role	 role;
	int		 sock;		/* becomes descriptor 3 */
	int		 err;		/* becomes 2 */
	int		 verbose;
	int		 as_user;	/* switch to uid and gid first */
	uid_t		 uid;
	gid_t		 gid;
};

/*
 * Where the program of that role is: the installed place when we run from
 * ours, else beside us in the source tree.  0, or -1 with errno.
 */
int	 spawn_path(enum role, char *, size_t);
/* Pid, or -1 with errno. */
pid_t	 spawn_child(const struct spawn *);

#endif
