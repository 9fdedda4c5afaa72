/*
 * Which user each process becomes.  As root every process has its own; as
 * anybody else all share the caller's.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "parent_files.h"
#include "parent_users.h"

static const struct {
	enum role	 role;
	const char	*member;
} users[] = {
	{ ROLE_NETWORK,		"network" },
	{ ROLE_EXECUTOR,	"executor" },
	{ ROLE_RUNNER,		"runner" },
	{ ROLE_AUDIT,		"audit" },
};

static const char *
configured(const struct conf *conf, enum role role)
{
	switch (role) {
	case ROLE_NETWORK:
		return conf->user_network;
	case ROLE_EXECUTOR:
		return conf->user_executor;
	case ROLE_RUNNER:
		return conf->user_runner;
	default:
		return conf->user_audit;
	}
}

int
user_lookup(const char *name, struct parent_user *u, char *why, size_t size)
{
	struct passwd	*pw;
	const char	*error;
	long long	 n;

	n = strtonum(name, 1, (long long)UINT32_MAX - 1, &error);
	if (error == NULL) {
		u->uid = (uid_t)n;
		u->gid = (gid_t)n;
		return 0;
	}
	errno = 0;
	if ((pw = getpwnam(name)) == NULL) {
		if (errno != 0 && errno != ENOENT && errno != ESRCH)
			(void)snprintf(why, size, "user %s could not be "
			    "looked up: %s", name, strerror(errno));
		else
			(void)snprintf(why, size, "there is no user %s on "
			    "this machine; remedy: useradd --system "
			    "--user-group --no-create-home --home-dir "
			    "/nonexistent --shell /usr/sbin/nologin %s", name,
			    name);
		return -1;
	}
	u->uid = pw->pw_uid;
	u->gid = pw->pw_gid;
	if (u->uid == 0 || u->uid == (uid_t)-1 || u->gid == 0) {
		(void)snprintf(why, size, "user %s is root or in root's "
		    "group; remedy: give the process a user of its own",
		    name);
		return -1;
	}
	return 0;
}

static void
check_different(const struct parent_user *user, struct findings *f)
{
	size_t	 i, j;

	for (i = 0; i < nitems(users); i++)
		for (j = 0; j < i; j++)
			if (user[users[i].role].uid ==
			    user[users[j].role].uid)
				findings_add(f, "users.%s and users.%s are "
				    "the same user: one of them could take "
				    "over the other; remedy: give each its "
				    "own", users[j].member, users[i].member);
}

int
users_resolve(const struct conf *conf, struct parent_user *user,
    struct findings *f)
{
	char	 why[512];
	size_t	 i;
	int	 bad = 0;

	for (i = 0; i < ROLE_COUNT; i++) {
		user[i].uid = geteuid();
		user[i].gid = getegid();
	}
	if (geteuid() != 0)
		return 0;
	for (i = 0; i < nitems(users); i++)
		if (user_lookup(configured(conf, users[i].role),
		    &user[users[i].role], why, sizeof(why)) == -1) {
			findings_add(f, "users.%s: %s", users[i].member, why);
			bad = 1;
		}
	if (bad)
		return -1;
	i = f->n;
	check_different(user, f);
	return f->n == i ? 0 : -1;
}
