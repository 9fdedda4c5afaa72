/* The parent's shell: processes, sockets, signals; see parent_proc.c. */
#ifndef CHATOPS_PARENT_PROC_H
#define CHATOPS_PARENT_PROC_H

#include "parent_files.h"

/*
 * Start everybody and watch over them until the end.  child_stderr is the
 * children's standard error (not closed).  up is called once when all are
 * ready and the parent is confined.  Returns the exit status.
 */
int	 parent_run(struct parent_files *, int verbose, int child_stderr,
	    void (*up)(void));

#endif
