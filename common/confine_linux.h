/* Inside confine_*.c and their test only. */
#ifndef CHATOPS_CONFINE_LINUX_H
#define CHATOPS_CONFINE_LINUX_H

#include <stddef.h>
#include <stdint.h>

#include <seccomp.h>

#include "confine.h"

/*
 * A line of a table: a system call, what becomes of it when the arguments
 * compare as given, and why.  Comparisons look at the lower 32 bits only,
 * as the kernel does with an int, so that garbage above cannot slip past.
 */
#define CONFINE_ALLOW	0		/* any other value: that errno */
#define CONFINE_SELF	0x5e1f5e1f	/* datum: the process's own pid */

struct confine_rule {
	const char		*name;
	int			 verdict;
	const char		*why;
	unsigned int		 nargs;
	struct scmp_arg_cmp	 args[3];
};

/* A table ends with a line without a name, a list of tables with NULL. */
extern const struct confine_rule *const	confine_tables_parent[];
extern const struct confine_rule *const	confine_tables_network[];
extern const struct confine_rule *const	confine_tables_executor[];
extern const struct confine_rule *const	confine_tables_audit[];
extern const struct confine_rule *const	confine_tables_runner[];
extern const struct confine_rule *const	confine_tables_ctl[];

/* The last system call that these tables were judged against. */
#define CONFINE_LAST_KNOWN	450	/* set_mempolicy_home_node, 5.17 */

/* 0; 1: the kernel has none; -1 with errno. */
int	 confine_seccomp(enum role);

/*
 * Landlock(7).  abi is set to the kernel's; 0, 1: there is none, -1 with
 * errno and the step's name.
 */
int	 confine_landlock(enum role, const struct confine_paths *,
	    uint32_t *abi, const char **step);

#endif
