/*
 * The first admin.  A running daemon is asked, for it alone may write its
 * database; without one its lock is taken and the row is written here, with
 * the rights of the executor's user and no others.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "confine.h"
#include "ctl.h"
#include "executor/db.h"
#include "monotime.h"
#include "parent_files.h"
#include "parent_lock.h"
#include "parent_users.h"
#include "pathnames.h"
#include "safepath.h"
#include "sys.h"
#include "text.h"

static int
is_username(const char *s)
{
	size_t	 n = strlen(s);

	return n > 0 && n < USERNAME_SIZE &&
	    strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

static __dead void
die(const struct safe_error *e)
{
	char	 safe[2 * sizeof(e->text)];

	ctl_escape(safe, sizeof(safe), e->text);
	errx(CTL_FAILED, "%s%s%s", safe, e->remedy[0] != '\0' ?
	    "; remedy: " : "", e->remedy);
}

/* Held until we end: no daemon starts while we write. */
static int
take_lock(const struct conf *conf)
{
	struct findings		 f;
	struct safe_error	 e;
	int			 dir, lock;

	dir = safe_folder(conf->run, 0755, geteuid(), getegid(), SAFE_NOBODY,
	    1, &e);
	if (dir == -1)
		die(&e);
	if (lock_holder(dir) != 0) {
		(void)sys_close(dir);
		return -1;
	}
	memset(&f, 0, sizeof(f));
	if ((lock = lock_take(dir, conf->run, &f)) == -1)
		errx(CTL_FAILED, "%s", f.lines[0]);
	(void)sys_close(dir);
	return lock;
}

/* The data folder, and from here on we are the executor's user. */
static int
enter_data(const struct conf *conf)
{
	struct parent_user	 user[ROLE_COUNT], *u;
	struct findings		 f;
	struct safe_error	 e;
	int			 dir;

	memset(&f, 0, sizeof(f));
	if (users_resolve(conf, user, &f) == -1)
		errx(CTL_FAILED, "%s", f.lines[0]);
	u = &user[ROLE_EXECUTOR];
	dir = safe_folder(conf->data, 0700, u->uid, u->gid, u->uid, 1, &e);
	if (dir == -1)
		die(&e);
	if (geteuid() == 0 && confine_user(u->uid, u->gid) == -1)
		err(CTL_FAILED, "cannot become user %lu",
		    (unsigned long)u->uid);
	return dir;
}

static int
show_admin(const struct db_user *u, void *arg)
{
	int	*n = arg;

	if (u->level != LEVEL_ADMIN)
		return 1;	/* the highest level comes first */
	warnx("there is an admin already: @%s (%s)", u->username, u->id);
	return ++*n == 10;
}

/* 0, or -1 when the database failed. */
static int
put_admin(struct db *db, const char *id, const char *name, uid_t by)
{
	struct db_audit	 audit;
	struct db_user	 u;
	int64_t		 now = walltime_now().ms;

	if (db_user_get(db, id, &u) == -1)
		return -1;
	memset(&audit, 0, sizeof(audit));
	audit.at = now;
	(void)snprintf(audit.actor_name, sizeof(audit.actor_name), "uid %lu",
	    (unsigned long)by);
	(void)strlcpy(audit.action, "bootstrap-admin", sizeof(audit.action));
	(void)strlcpy(audit.subject_id, id, sizeof(audit.subject_id));
	(void)strlcpy(audit.subject_name, name, sizeof(audit.subject_name));
	/* As in the log, where the daemon puts it when it starts. */
	(void)snprintf(audit.detail, sizeof(audit.detail),
	    "{\"action\":\"bootstrap-admin\",\"subject\":\"%s\","
	    "\"permission\":\"admin\",\"scope\":null,\"previous\":\"%s\","
	    "\"subjectName\":\"%s\",\"by\":\"%s\"}", id,
	    level_name(u.level), name, audit.actor_name);
	(void)strlcpy(u.username, name, sizeof(u.username));
	u.level = LEVEL_ADMIN;
	if (u.created_at == 0)
		u.created_at = now;
	u.updated_at = now;
	if (db_begin(db) == -1)
		return -1;
	if (db_user_put(db, &u) == -1 || db_audit_add(db, &audit) == -1) {
		db_rollback(db);
		return -1;
	}
	return db_commit(db);
}

static int
write_admin(const struct ctl *ctl, const char *id, const char *name)
{
	struct db	*db;
	char		 why[512];
	uid_t		 by = getuid();
	int64_t		 n;
	int		 dir, shown = 0;

	dir = enter_data(&ctl->conf);
	db = db_open(dir, NAME_DATABASE, why, sizeof(why));
	if (db == NULL)
		errx(CTL_FAILED, "%s/%s: %s", ctl->conf.data, NAME_DATABASE,
		    why);
	n = db_user_count(db, LEVEL_ADMIN);
	if (n > 0) {
		(void)db_user_each(db, show_admin, &shown, NULL);
		warnx("further ones are made by an admin: !adduser @%s admin",
		    name);
		db_close(db);
		return CTL_FAILED;
	}
	if (n == -1 || put_admin(db, id, name, by) == -1)
		errx(CTL_FAILED, "%s/%s: %s", ctl->conf.data, NAME_DATABASE,
		    db_error(db));
	db_close(db);
	if (ctl->json)
		(void)printf("{\"id\":\"%s\",\"username\":\"%s\","
		    "\"level\":\"admin\"}\n", id, name);
	else
		(void)printf("@%s (%s) is an admin now\n", name, id);
	return CTL_OK;
}

int
ctl_bootstrap(struct ctl *ctl, int argc, char **argv)
{
	int	 status, lock;

	/* Names are written with and without the "@". */
	if (argv[2][0] == '@')
		argv[2]++;
	if (!text_is_id(argv[1]))
		errx(CTL_USAGE, "\"%.64s\" is no Mattermost user id: 26 "
		    "letters and digits, as the user's profile shows",
		    argv[1]);
	if (!is_username(argv[2]))
		errx(CTL_USAGE, "\"%.64s\" is no Mattermost user name",
		    argv[2]);
	if (!ctl->has_conf)
		return ctl_request(ctl, argc, argv);
	if ((lock = take_lock(&ctl->conf)) == -1)
		return ctl_request(ctl, argc, argv);
	status = write_admin(ctl, argv[1], argv[2]);
	(void)sys_close(lock);
	return status;
}
