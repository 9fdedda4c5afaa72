/*
 * What each role gives up once it is set up.  One function per role; what a
 * role keeps is a table with a reason per line in confine_table.c and
 * confine_landlock.c.
 */
#ifndef CHATOPS_CONFINE_H
#define CHATOPS_CONFINE_H

#include <sys/types.h>

#include <stdint.h>

#include "msg.h"

/* Descriptors of folders; whatever is below 3 stands for none. */
struct confine_paths {
	int	 data_dir;	/* executor: the one folder it may open in */
	int	 log_dir;	/* auditd */
	int	 key_dir;	/* auditd */
	int	 allow_dir;	/* parent: folder of the allowlist, to read */
	int	 run_dir;	/* parent: to remove socket and lock from */
	uint16_t tcp_ports[4];	/* network: may connect to these, 0 ends */
};

/*
 * Call it when every descriptor is open and before any thread exists.  In
 * order: signals, rlimits, dumpable off, capabilities, no_new_privs,
 * Landlock with every right of the running kernel, seccomp.  0 and *out
 * says what was reached; -1 when a step that the kernel offers failed
 * (out->note names it).  What the kernel does not offer is left out of
 * out->reached and named in out->note.
 */
int	 confine_parent(const struct confine_paths *, struct msg_ready *out);
int	 confine_network(const struct confine_paths *, struct msg_ready *out);
int	 confine_executor(const struct confine_paths *, struct msg_ready *out);
int	 confine_runner(const struct confine_paths *, struct msg_ready *out);
int	 confine_audit(const struct confine_paths *, struct msg_ready *out);
/* chatopsctl, once it is connected: it only reads and writes. */
int	 confine_ctl(struct msg_ready *out);

/*
 * The bits that a child of that role has to reach, else the daemon does not
 * start (unless allowUnconfined).  as_root: the parent runs as root, so the
 * child must have a user of its own.
 */
uint32_t confine_required(enum role, int as_root);

/*
 * Switch to that user for good: no groups but gid, and where the caller is
 * root no capability in any set and none to be had again.  0 and the switch
 * was verified, or -1 with errno.
 */
int	 confine_user(uid_t, gid_t);
/* The same for the runner, which keeps what making sandboxes takes. */
int	 confine_user_runner(uid_t, gid_t);

#endif
