/*
 * What each role gives up once it is set up.  One function per role; what a
 * role keeps is a table with a reason per line in confine_linux.c.
 */
#ifndef CHATOPS_CONFINE_H
#define CHATOPS_CONFINE_H

#include <sys/types.h>

#include <stdint.h>

#include "msg.h"

struct confine_paths {
	int	 data_dir;	/* executor: the one folder it may open in */
	int	 log_dir;	/* auditd */
	int	 key_dir;	/* auditd */
	uint16_t tcp_ports[4];	/* network: may connect to these, 0 ends */
};

/*
 * In order: rlimits, uid and groups (uid 0 callers switch to uid/gid; -1
 * keeps), dumpable off, capabilities, no_new_privs, Landlock with every
 * right of the running kernel, seccomp.  0 and *out says what was reached;
 * -1 when a step that the kernel offers failed (out->note names it).
 * What the kernel does not offer is left out of out->reached.
 */
int	 confine_parent(const struct confine_paths *, struct msg_ready *out);
int	 confine_network(const struct confine_paths *, struct msg_ready *out);
int	 confine_executor(const struct confine_paths *, struct msg_ready *out);
int	 confine_runner(const struct confine_paths *, struct msg_ready *out);
int	 confine_audit(const struct confine_paths *, struct msg_ready *out);

/* Switch to that user for good: groups, gid, uid, checked.  0 or -1. */
int	 confine_user(uid_t, gid_t);

#endif
