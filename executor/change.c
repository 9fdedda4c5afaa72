/*
 * Changes of permission, one at a time: judged against the database as it
 * is then, written to the log, acknowledged, and only then made, together
 * with their row in audit_log and the anchor.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "log.h"

static void	change_next(struct executor *);

static int __attribute__((__format__(printf, 3, 4)))
change_refuse(struct change *ch, enum reason reason, const char *fmt, ...)
{
	va_list	 ap;

	ch->refused = reason;
	va_start(ap, fmt);
	(void)vsnprintf(ch->why, sizeof(ch->why), fmt, ap);
	va_end(ap);
	return -1;
}

/* "operator +deploy +restart", cut where it gets too long to read. */
static void
describe(const struct db_user *u, char *out, size_t size)
{
	size_t	 i;

	(void)strlcpy(out, level_name(u->level), size);
	for (i = 0; i < u->nflags; i++) {
		(void)strlcat(out, " +", size);
		(void)strlcat(out, u->flags[i], size);
	}
}

static int
apply_flag(struct change *ch, struct db_user *u, const char *name, int add)
{
	size_t	 i;

	for (i = 0; i < u->nflags; i++)
		if (strcmp(u->flags[i], name) == 0)
			break;
	if (add) {
		if (i < u->nflags)
			return change_refuse(ch, REASON_ARGUMENTS,
			    "%s has the flag %s already", ch->username, name);
		if (u->nflags == DB_FLAGS_MAX)
			return change_refuse(ch, REASON_ARGUMENTS,
			    "a user has at most %d flags", DB_FLAGS_MAX);
		for (i = u->nflags; i > 0 &&
		    strcmp(u->flags[i - 1], name) > 0; i--)
			memcpy(u->flags[i], u->flags[i - 1], NAME_SIZE);
		(void)strlcpy(u->flags[i], name, NAME_SIZE);
		u->nflags++;
		return 0;
	}
	if (i == u->nflags)
		return change_refuse(ch, REASON_ARGUMENTS,
		    "%s does not have the flag %s", ch->username, name);
	u->nflags--;
	for (; i < u->nflags; i++)
		memcpy(u->flags[i], u->flags[i + 1], NAME_SIZE);
	return 0;
}

/* There will always be an admin, once there was one. */
static int
keeps_admin(struct executor *x, struct change *ch, const struct db_user *old)
{
	int64_t	 admins;

	if (old->level != LEVEL_ADMIN)
		return 0;
	if ((admins = db_user_count(x->db, LEVEL_ADMIN)) == -1)
		return change_refuse(ch, REASON_DATABASE,
		    "the database fails");
	if (admins <= 1)
		return change_refuse(ch, REASON_LAST_ADMIN,
		    "%s is the last admin", ch->username);
	return 0;
}

static int
judge_level(struct executor *x, struct change *ch, const struct db_user *old,
    int known)
{
	struct db_ban	 ban;
	int		 r;

	if (ch->kind == CHANGE_DELETE && !known)
		return change_refuse(ch, REASON_ARGUMENTS,
		    "%s has nothing to be taken away", ch->username);
	if (ch->kind == CHANGE_LEVEL && known && old->level == ch->level)
		return change_refuse(ch, REASON_ARGUMENTS, "%s is %s already",
		    ch->username, level_name(ch->level));
	if (ch->kind == CHANGE_LEVEL && ch->level == LEVEL_BANNED &&
	    old->level == LEVEL_ADMIN)
		return change_refuse(ch, REASON_ADMIN_BAN,
		    "an admin cannot be banned");
	if (ch->kind == CHANGE_DELETE || ch->level != LEVEL_ADMIN)
		return keeps_admin(x, ch, old);
	/* No admin is banned, whichever of the two came first. */
	if ((r = db_ban_get(x->db, ch->id, core_wall(x), &ban)) == -1)
		return change_refuse(ch, REASON_DATABASE,
		    "the database fails");
	if (r == 1)
		return change_refuse(ch, REASON_ADMIN_BAN,
		    "%s is banned, lift the ban first", ch->username);
	return 0;
}

static int
judge_ban(struct executor *x, struct change *ch, const struct db_user *old)
{
	struct db_ban	 ban;
	int		 r;

	if ((r = db_ban_get(x->db, ch->id, core_wall(x), &ban)) == -1)
		return change_refuse(ch, REASON_DATABASE,
		    "the database fails");
	if (ch->kind == CHANGE_UNBAN && r == 0 && old->level == LEVEL_BANNED)
		return change_refuse(ch, REASON_ARGUMENTS, "no ban of %s is in "
		    "force, but the level is banned; lift that with "
		    "%sadduser %s user", ch->username, x->conf->prefix,
		    ch->username);
	if (ch->kind == CHANGE_UNBAN && r == 0)
		return change_refuse(ch, REASON_ARGUMENTS, "%s is not banned",
		    ch->username);
	if (ch->kind == CHANGE_BAN && old->level == LEVEL_ADMIN)
		return change_refuse(ch, REASON_ADMIN_BAN,
		    "an admin cannot be banned");
	if (ch->kind == CHANGE_BAN && strcmp(ch->id, x->net.bot_id) == 0)
		return change_refuse(ch, REASON_ARGUMENTS,
		    "that is the bot itself");
	return 0;
}

static int
judge_bootstrap(struct executor *x, struct change *ch)
{
	int64_t	 admins;

	if ((admins = db_user_count(x->db, LEVEL_ADMIN)) == -1)
		return change_refuse(ch, REASON_DATABASE,
		    "the database fails");
	if (admins > 0)
		return change_refuse(ch, REASON_PERMISSION, "there is an admin "
		    "already, who can make others with adduser");
	return 0;
}

/* Who asks may have lost the right while he waited. */
static int
judge_actor(struct executor *x, struct change *ch)
{
	struct db_user	 by;

	if (ch->by.id[0] == '\0')
		return 0;	/* the kernel vouches for the machine's owner */
	if (db_user_get(x->db, ch->by.id, &by) == -1)
		return change_refuse(ch, REASON_DATABASE,
		    "the database fails");
	if (by.level != LEVEL_ADMIN)
		return change_refuse(ch, REASON_PERMISSION,
		    "you are no admin any more");
	return 0;
}

/* May it be, and what will the user be then? */
static int
change_judge(struct executor *x, struct change *ch, struct db_user *old,
    struct db_user *new)
{
	size_t	 i;
	int	 known;

	if (judge_actor(x, ch) == -1)
		return -1;
	if ((known = db_user_get(x->db, ch->id, old)) == -1)
		return change_refuse(ch, REASON_DATABASE,
		    "the database fails");
	*new = *old;
	(void)strlcpy(new->id, ch->id, sizeof(new->id));
	(void)strlcpy(new->username, ch->username, sizeof(new->username));
	switch (ch->kind) {
	case CHANGE_LEVEL:
		new->level = ch->level;
		return judge_level(x, ch, old, known);
	case CHANGE_DELETE:
		new->level = LEVEL_USER;
		new->nflags = 0;
		return judge_level(x, ch, old, known);
	case CHANGE_FLAGS:
		for (i = 0; i < ch->nflags; i++)
			if (apply_flag(ch, new, ch->flags[i].name,
			    ch->flags[i].add) == -1)
				return -1;
		return 0;
	case CHANGE_BOOTSTRAP:
		new->level = LEVEL_ADMIN;
		return judge_bootstrap(x, ch);
	default:
		return judge_ban(x, ch, old);
	}
}

static const char *
change_action(enum change_kind kind)
{
	static const char *const names[] = { "adduser", "deluser", "chattr",
	    "ban", "unban", "bootstrap-admin" };

	return names[kind];
}

static void
change_scope(struct executor *x, const struct change *ch, char *out,
    size_t size)
{
	out[0] = '\0';
	if (ch->kind != CHANGE_BAN)
		return;
	if (ch->duration_ms == 0)
		(void)strlcpy(out, "permanent", size);
	else
		(void)walltime_format((walltime_t){ core_wall(x) +
		    ch->duration_ms }, out, size);
}

static void
change_describe(struct executor *x, struct change *ch,
    const struct db_user *old, const struct db_user *new)
{
	struct record_json	 j;
	char			 before[1024], after[1024], scope[32];

	describe(old, before, sizeof(before));
	describe(new, after, sizeof(after));
	change_scope(x, ch, scope, sizeof(scope));
	record_open(&j);
	record_str(&j, "action", change_action(ch->kind));
	record_str(&j, "subject", ch->id);
	record_str(&j, "permission", ch->kind == CHANGE_BAN ? "banned" :
	    after);
	record_str(&j, "scope", scope);
	record_str(&j, "previous", before);
	record_str(&j, "subjectName", ch->username);
	record_str(&j, "by", ch->by.name);
	if (ch->kind == CHANGE_BAN)
		record_str(&j, "reason", ch->reason);
	record_close(&j, ch->detail, sizeof(ch->detail));
	if (ch->kind == CHANGE_BAN)
		(void)snprintf(ch->summary, sizeof(ch->summary),
		    "%s (%s) is banned%s%s", ch->username, ch->id,
		    ch->duration_ms == 0 ? " for good" : " until ",
		    ch->duration_ms == 0 ? "" : scope);
	else if (ch->kind == CHANGE_UNBAN && old->level == LEVEL_BANNED)
		(void)snprintf(ch->summary, sizeof(ch->summary),
		    "the ban of %s (%s) is lifted, but the level is banned "
		    "still; lift that with %sadduser %s user", ch->username,
		    ch->id, x->conf->prefix, ch->username);
	else if (ch->kind == CHANGE_UNBAN)
		(void)snprintf(ch->summary, sizeof(ch->summary),
		    "%s (%s) is not banned any more", ch->username, ch->id);
	else
		(void)snprintf(ch->summary, sizeof(ch->summary),
		    "%s (%s) was %.150s and is now %.150s", ch->username,
		    ch->id, before, after);
}

static int
change_write(struct executor *x, struct change *ch, const struct db_user *new)
{
	struct db_ban	 ban;

	switch (ch->kind) {
	case CHANGE_DELETE:
		return db_user_delete(x->db, ch->id) == -1 ? -1 : 0;
	case CHANGE_UNBAN:
		return db_ban_delete(x->db, ch->id) == -1 ? -1 : 0;
	case CHANGE_BAN:
		memset(&ban, 0, sizeof(ban));
		(void)strlcpy(ban.id, ch->id, sizeof(ban.id));
		(void)strlcpy(ban.username, ch->username,
		    sizeof(ban.username));
		(void)strlcpy(ban.reason, ch->reason, sizeof(ban.reason));
		(void)strlcpy(ban.by_id, ch->by.id, sizeof(ban.by_id));
		(void)strlcpy(ban.by_name, ch->by.name, sizeof(ban.by_name));
		ban.created_at = core_wall(x);
		if (ch->duration_ms > 0)
			ban.expires_at = ban.created_at + ch->duration_ms;
		return db_ban_put(x->db, &ban);
	default:
		return db_user_put(x->db, new);
	}
}

/* The change, its row, the anchor: all or nothing. */
static int
change_commit(struct executor *x, struct change *ch, const struct db_user *new,
    const struct msg_ack *ack)
{
	struct db_audit	 row;

	memset(&row, 0, offsetof(struct db_audit, detail));
	row.at = core_wall(x);
	(void)strlcpy(row.actor_id, ch->by.id, sizeof(row.actor_id));
	(void)strlcpy(row.actor_name, ch->by.name, sizeof(row.actor_name));
	(void)strlcpy(row.action, change_action(ch->kind),
	    sizeof(row.action));
	(void)strlcpy(row.subject_id, ch->id, sizeof(row.subject_id));
	(void)strlcpy(row.subject_name, ch->username,
	    sizeof(row.subject_name));
	(void)strlcpy(row.detail, ch->detail, sizeof(row.detail));
	row.seq = ack->seq;
	memcpy(row.line_hash, ack->line_hash, HASH_SIZE);
	if (db_begin(x->db) == -1)
		return -1;
	if (change_write(x, ch, new) == -1 ||
	    db_audit_add(x->db, &row) == -1 || record_anchor(x, ack) == -1) {
		db_rollback(x->db);
		return -1;
	}
	return db_commit(x->db);
}

static void
change_end(struct executor *x, struct change *ch)
{
	TAILQ_REMOVE(&x->changes, ch, entry);
	x->nchanges--;
	x->is_changing = 0;
	ch->done(x, ch, ch->arg);
	freezero(ch, sizeof(*ch));
	change_next(x);
}

static void
change_acked(struct executor *x, void *arg, const struct msg_ack *ack)
{
	struct change	*ch = arg;
	struct db_user	 old, new;
	int		 ok;

	if (!ack->ok) {
		(void)change_refuse(ch, REASON_AUDIT,
		    "the audit log takes no entries, nothing was changed");
		change_end(x, ch);
		return;
	}
	/* Nothing else changes it meanwhile; this only reads it again. */
	if (change_judge(x, ch, &old, &new) == -1) {
		(void)strlcat(ch->why, "; nothing was changed",
		    sizeof(ch->why));
		change_end(x, ch);
		return;
	}
	new.updated_at = core_wall(x);
	if (new.created_at == 0)
		new.created_at = new.updated_at;
	ok = change_commit(x, ch, &new, ack) == 0;
	core_db_result(x, ok, "a change of permission");
	if (ok) {
		ch->refused = REASON_ALLOWED;
		ch->seq = ack->seq;
		memcpy(ch->line_hash, ack->line_hash, HASH_SIZE);
	} else
		(void)change_refuse(ch, REASON_DATABASE, "the database fails, "
		    "nothing was changed although the log has it as line %"
		    PRIu64, ack->seq);
	change_end(x, ch);
}

static void
change_next(struct executor *x)
{
	struct msg_append	*m;
	struct db_user		 old, new;
	struct change		*ch;

	if (x->is_changing || (ch = TAILQ_FIRST(&x->changes)) == NULL)
		return;
	x->is_changing = 1;
	if (change_judge(x, ch, &old, &new) == -1) {
		change_end(x, ch);
		return;
	}
	change_describe(x, ch, &old, &new);
	m = record_new(x, AUDIT_PERMISSION);
	(void)strlcpy(m->user_id, ch->by.id, sizeof(m->user_id));
	(void)strlcpy(m->channel_id, ch->channel_id, sizeof(m->channel_id));
	(void)strlcpy(m->detail, ch->detail, sizeof(m->detail));
	record_send(x, change_acked, ch);
}

void
change_submit(struct executor *x, struct change *ch)
{
	TAILQ_INSERT_TAIL(&x->changes, ch, entry);
	if (++x->nchanges > CORE_CHANGES_MAX) {
		TAILQ_REMOVE(&x->changes, ch, entry);
		x->nchanges--;
		(void)change_refuse(ch, REASON_BUSY,
		    "too many changes are under way");
		ch->done(x, ch, ch->arg);
		free(ch);
		return;
	}
	change_next(x);
}

void
change_free_all(struct executor *x)
{
	struct change	*ch;

	while ((ch = TAILQ_FIRST(&x->changes)) != NULL) {
		TAILQ_REMOVE(&x->changes, ch, entry);
		free(ch);
	}
}
