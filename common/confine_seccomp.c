/*
 * seccomp(2) from the tables, built with libseccomp: native architecture
 * only, everything else kills; a binary tree, for a filter is run at every
 * system call.  In three classes: a table's line decides; known but in no
 * table kills the process; unknown gets ENOSYS.
 */
#include <sys/syscall.h>

#include <linux/seccomp.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "confine_linux.h"

static const struct confine_rule *const *
seccomp_tables(enum role role)
{
	switch (role) {
	case ROLE_PARENT:
		return confine_tables_parent;
	case ROLE_NETWORK:
		return confine_tables_network;
	case ROLE_EXECUTOR:
		return confine_tables_executor;
	case ROLE_RUNNER:
		return confine_tables_runner;
	case ROLE_AUDIT:
		return confine_tables_audit;
	case ROLE_CTL:
		return confine_tables_ctl;
	default:
		return NULL;
	}
}

/* One line of a table.  0 or a negative errno, as libseccomp gives it. */
static int
seccomp_add_line(scmp_filter_ctx ctx, uint32_t otherwise, int nr,
    const struct confine_rule *r)
{
	struct scmp_arg_cmp	 args[3];
	uint32_t		 action;
	unsigned int		 i;
	int			 rc;

	action = r->verdict == CONFINE_ALLOW ? SCMP_ACT_ALLOW :
	    SCMP_ACT_ERRNO(r->verdict);
	if (action == otherwise)
		return 0;	/* the default does it already */
	memcpy(args, r->args, sizeof(args));
	for (i = 0; i < r->nargs; i++)
		if (args[i].datum_b == CONFINE_SELF)
			args[i].datum_b = (uint32_t)getpid();
	rc = seccomp_rule_add_array(ctx, action, nr, r->nargs, args);
	/* An earlier line has settled it. */
	return rc == -EEXIST ? 0 : rc;
}

/*
 * All lines of a role.  named collects which numbers have a line.  A name
 * that this architecture does not have (open(2) on arm64) is passed over.
 */
static int
seccomp_add_tables(scmp_filter_ctx ctx, uint32_t otherwise,
    const struct confine_rule *const *tables, uint8_t *named)
{
	const struct confine_rule	*r;
	int				 nr, rc;

	for (; *tables != NULL; tables++) {
		for (r = *tables; r->name != NULL; r++) {
			nr = seccomp_syscall_resolve_name(r->name);
			if (nr < 0)
				continue;
			if (nr <= CONFINE_LAST_KNOWN)
				named[nr] = 1;
			rc = seccomp_add_line(ctx, otherwise, nr, r);
			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

/* Whatever was known and has no line kills. */
static int
seccomp_add_rest(scmp_filter_ctx ctx, const uint8_t *named)
{
	char	*name;
	int	 nr, rc;

	for (nr = 0; nr <= CONFINE_LAST_KNOWN; nr++) {
		if (named[nr])
			continue;
		name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
		if (name == NULL)
			continue;	/* a gap in the numbers */
		free(name);
		rc = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, nr, 0);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Filters that can kill a process: since 4.14. */
static int
seccomp_is_there(void)
{
	uint32_t	 action = SCMP_ACT_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0,
	    &action) == 0;
}

int
confine_seccomp(enum role role)
{
	const struct confine_rule *const	*tables;
	uint8_t			 named[CONFINE_LAST_KNOWN + 1];
	scmp_filter_ctx		 ctx = NULL;
	uint32_t		 otherwise;
	int			 rc = -EINVAL;

	if (!seccomp_is_there())
		return 1;
	memset(named, 0, sizeof(named));
	tables = seccomp_tables(role);
	if (tables == NULL)
		goto done;
	otherwise = role == ROLE_RUNNER ? SCMP_ACT_ALLOW :
	    SCMP_ACT_ERRNO(ENOSYS);
	ctx = seccomp_init(otherwise);
	if (ctx == NULL) {
		rc = -ENOMEM;
		goto done;
	}
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
	    SCMP_ACT_KILL_PROCESS);
	/* The kernel's own errno. */
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_API_SYSRAWRC, 1);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc == 0)
		rc = seccomp_add_tables(ctx, otherwise, tables, named);
	if (rc == 0 && role != ROLE_RUNNER)
		rc = seccomp_add_rest(ctx, named);
	if (rc == 0)
		rc = seccomp_load(ctx);
 done:
	seccomp_release(ctx);
	errno = -rc;
	return rc == 0 ? 0 : -1;
}
