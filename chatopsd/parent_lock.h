/* One daemon per run folder, and its control socket. */
#ifndef CHATOPS_PARENT_LOCK_H
#define CHATOPS_PARENT_LOCK_H

#include "check.h"

/*
 * Take <run>/chatopsd.lock and write our pid into it.  The descriptor, which
 * is to be kept open, or -1 with a finding that names who has it.
 */
int	 lock_take(int run_dir, const char *run, struct findings *);
/*
 * Pid of who holds the lock, 0 when nobody does (or there is no lock), -1
 * with errno when that cannot be told.
 */
long	 lock_holder(int run_dir);
/*
 * The listening control socket, 0660 with the group of pathnames.h where we
 * are root and it exists, else 0600.  Call it with the lock held: an old
 * socket is removed.  -1 with a finding.
 */
int	 control_open(int run_dir, const char *run, struct findings *);

#endif
