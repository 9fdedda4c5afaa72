/* Users of the processes; see parent_users.c. */
#ifndef CHATOPS_PARENT_USERS_H
#define CHATOPS_PARENT_USERS_H

#include <stddef.h>

#include "parent_files.h"

/* A name or a decimal uid (its gid is the same): 0, or -1 and why. */
int	 user_lookup(const char *name, struct parent_user *, char *why,
	    size_t);
/* Fills user[ROLE_COUNT].  0, or -1 with findings. */
int	 users_resolve(const struct conf *, struct parent_user *,
	    struct findings *);

#endif
