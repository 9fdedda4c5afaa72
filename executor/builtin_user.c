/*
 * Built-ins about users and bans.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "log.h"

static void
tell_flags(const struct db_user *u, struct buf *b)
{
	size_t	 i;

	for (i = 0; i < u->nflags; i++) {
		buf_printf(b, i == 0 ? ", flags " : " ");
		text_code(b, u->flags[i], strlen(u->flags[i]));
	}
	if (u->nflags == 0)
		buf_printf(b, ", no flags");
}

static void
tell_ban(const struct db_ban *ban, struct buf *b)
{
	buf_printf(b, "banned ");
	if (ban->expires_at == 0)
		buf_printf(b, "for good");
	else {
		buf_printf(b, "until ");
		builtin_time(ban->expires_at, b);
	}
	buf_printf(b, " by ");
	text_escape(b, ban->by_name, strlen(ban->by_name));
	buf_printf(b, ": ");
	text_escape(b, ban->reason, strlen(ban->reason));
}

/* Who somebody is: 0, or -1 when the database failed. */
static int
tell_user(struct executor *x, const char *id, const char *username,
    struct buf *b)
{
	struct db_audit	 last;
	struct db_user	 u;
	struct db_ban	 ban;
	int		 known, banned, has_last;

	if ((known = db_user_get(x->db, id, &u)) == -1 ||
	    (banned = db_ban_get(x->db, id, core_wall(x), &ban)) == -1 ||
	    (has_last = db_audit_last(x->db, id, &last)) == -1)
		return -1;
	text_escape(b, username, strlen(username));
	buf_printf(b, " (");
	text_code(b, id, strlen(id));
	buf_printf(b, "): %s", level_name(u.level));
	tell_flags(&u, b);
	if (known) {
		buf_printf(b, ", since ");
		builtin_time(u.updated_at, b);
	}
	if (has_last) {
		buf_printf(b, ", last changed by ");
		text_escape(b, last.actor_name, strlen(last.actor_name));
		buf_printf(b, " (%s)", last.action);
	}
	if (banned) {
		buf_printf(b, ", ");
		tell_ban(&ban, b);
	}
	buf_printf(b, "\n");
	return 0;
}

enum builtin_end
builtin_whoami(struct executor *x, struct cmd *c)
{
	if (tell_user(x, c->in.user_id, c->account.username, &c->out) == 0)
		return BUILTIN_ANSWER;
	builtin_database(x, c);
	return BUILTIN_REFUSED;
}

enum builtin_end
builtin_whois(struct executor *x, struct cmd *c)
{
	if (tell_user(x, c->target.id, c->target.username, &c->out) == 0)
		return BUILTIN_ANSWER;
	builtin_database(x, c);
	return BUILTIN_REFUSED;
}

static int
users_row(const struct db_user *u, void *arg)
{
	struct buf	*b = arg;
	size_t		 i;

	buf_printf(b, "%-8s  %s  %s", level_name(u->level), u->id,
	    u->username);
	for (i = 0; i < u->nflags; i++)
		buf_printf(b, " +%s", u->flags[i]);
	buf_printf(b, "\n");
	return buf_error(b) != 0;
}

/* A list of any length: fenced, and attached where it is too long. */
void
builtin_list(struct executor *x, struct cmd *c, const char *title,
    const char *name, struct buf *list, int more)
{
	struct buf	 text;
	char		*holder, *body;

	if (more)
		buf_printf(list, "... and more\n");
	buf_init(&text, CORE_TEXT_MAX);
	buf_printf(&text, "%s\n", title);
	if (text_fence(&text, (const char *)list->data, list->len,
	    CORE_OUTPUT_RUNES - 512) == 0)
		buf_reset(list);
	buf_put_u8(&text, 0);
	if ((holder = strdup(title)) == NULL ||
	    (body = strdup((const char *)text.data)) == NULL)
		fatal("strdup");
	(void)say_deliver(x, c->in.channel_id, c->root_id, "", holder, body,
	    list, name, NULL, NULL);
	buf_free(&text);
	command_end(x, c);
}

enum builtin_end
builtin_users(struct executor *x, struct cmd *c)
{
	struct buf	 list;
	int		 more = 0;

	buf_init(&list, x->conf->output_max);
	if (db_user_each(x->db, users_row, &list, &more) == -1) {
		buf_free(&list);
		builtin_database(x, c);
		return BUILTIN_REFUSED;
	}
	builtin_list(x, c, "Users; everybody else is `user`:", "users.txt",
	    &list, more);
	return BUILTIN_WAIT;
}

static int
bans_row(const struct db_ban *ban, void *arg)
{
	struct buf	*b = arg;

	buf_printf(b, "%s  %s  ", ban->id, ban->username);
	if (ban->expires_at == 0)
		buf_printf(b, "permanent");
	else
		builtin_time(ban->expires_at, b);
	buf_printf(b, "  by %s: %s\n", ban->by_name, ban->reason);
	return buf_error(b) != 0;
}

/* Whoever was given the level banned has no row of a ban. */
static int
bans_level_row(const struct db_user *u, void *arg)
{
	struct buf	*b = arg;

	if (u->level == LEVEL_BANNED)
		buf_printf(b, "%s  %s  by the level banned, until adduser "
		    "gives another\n", u->id, u->username);
	return buf_error(b) != 0;
}

enum builtin_end
builtin_bans(struct executor *x, struct cmd *c)
{
	struct buf	 list;
	int		 more = 0, more_users = 0;

	buf_init(&list, x->conf->output_max);
	if (db_ban_each(x->db, core_wall(x), bans_row, &list, &more) == -1 ||
	    db_user_each(x->db, bans_level_row, &list, &more_users) == -1) {
		buf_free(&list);
		builtin_database(x, c);
		return BUILTIN_REFUSED;
	}
	if (list.len == 0)
		buf_printf(&list, "none\n");
	builtin_list(x, c, "Bans in force:", "bans.txt", &list,
	    more || more_users);
	return BUILTIN_WAIT;
}

static void
changed(struct executor *x, struct change *ch, void *arg)
{
	struct cmd	*c = arg;

	if (ch->refused != REASON_ALLOWED) {
		refuse(x, c, ch->refused, "%s", ch->why);
		return;
	}
	text_escape(&c->out, ch->summary, strlen(ch->summary));
	buf_printf(&c->out, ". Reference %llu.", (unsigned long long)ch->seq);
	command_answer(x, c);
}

static struct change *
change_of(struct cmd *c, enum change_kind kind)
{
	struct change	*ch;

	if ((ch = calloc(1, sizeof(*ch))) == NULL)
		fatal("calloc");
	ch->kind = kind;
	(void)strlcpy(ch->by.id, c->in.user_id, sizeof(ch->by.id));
	(void)strlcpy(ch->by.name, c->account.username, sizeof(ch->by.name));
	(void)strlcpy(ch->channel_id, c->in.channel_id,
	    sizeof(ch->channel_id));
	(void)strlcpy(ch->id, c->target.id, sizeof(ch->id));
	(void)strlcpy(ch->username, c->target.username,
	    sizeof(ch->username));
	ch->done = changed;
	ch->arg = c;
	return ch;
}

/* Rights are for people who can use them. */
static int
is_person(struct executor *x, struct cmd *c)
{
	uint32_t	 flags = c->target.flags;

	if ((flags & USER_FLAGS) == 0)
		return 1;
	refuse(x, c, REASON_ARGUMENTS, "%s is %s, so nothing can be given to "
	    "it", c->target.username, flags & USER_DELETED ?
	    "a deactivated account" : flags & USER_BOT ? "a bot" :
	    flags & USER_GUEST ? "a guest" : "an account of another server");
	return 0;
}

enum builtin_end
builtin_adduser(struct executor *x, struct cmd *c)
{
	const char	*name = words_get(&c->words, 2);
	struct change	*ch;
	int		 level = level_parse(name);

	if (level == -1) {
		refuse(x, c, REASON_ARGUMENTS, "%.32s is no level: user, "
		    "operator, admin or banned", name);
		return BUILTIN_REFUSED;
	}
	if (level > LEVEL_USER && !is_person(x, c))
		return BUILTIN_REFUSED;
	ch = change_of(c, CHANGE_LEVEL);
	ch->level = (enum level)level;
	change_submit(x, ch);
	return BUILTIN_WAIT;
}

enum builtin_end
builtin_deluser(struct executor *x, struct cmd *c)
{
	change_submit(x, change_of(c, CHANGE_DELETE));
	return BUILTIN_WAIT;
}

enum builtin_end
builtin_chattr(struct executor *x, struct cmd *c)
{
	struct change	*ch;
	const char	*word;
	size_t		 i;
	int		 adds = 0;

	ch = change_of(c, CHANGE_FLAGS);
	for (i = 2; (word = words_get(&c->words, i)) != NULL; i++) {
		if ((*word != '+' && *word != '-') ||
		    !policy_is_flag(word + 1)) {
			free(ch);
			refuse(x, c, REASON_ARGUMENTS, "%.64s is neither +flag "
			    "nor -flag (a to z, 0 to 9, _ and -)", word);
			return BUILTIN_REFUSED;
		}
		(void)strlcpy(ch->flags[ch->nflags].name, word + 1,
		    sizeof(ch->flags[0].name));
		ch->flags[ch->nflags++].add = *word == '+';
		adds += *word == '+';
	}
	if (adds > 0 && !is_person(x, c)) {
		free(ch);
		return BUILTIN_REFUSED;
	}
	change_submit(x, ch);
	return BUILTIN_WAIT;
}

enum builtin_end
builtin_ban(struct executor *x, struct cmd *c)
{
	const char	*reason = words_get(&c->words, 2);
	const char	*length = words_get(&c->words, 3);
	struct change	*ch;
	int64_t		 ms = 0;

	if (strcmp(length, "permanent") != 0 &&
	    duration_parse(length, &ms) == -1) {
		refuse(x, c, REASON_ARGUMENTS, "%.32s is no duration: 90s, "
		    "15m, 2h, 7d or permanent", length);
		return BUILTIN_REFUSED;
	}
	if (*reason == '\0' || strlen(reason) >= DB_REASON_SIZE) {
		refuse(x, c, REASON_ARGUMENTS, "a ban needs a reason of at "
		    "most %d bytes", DB_REASON_SIZE - 1);
		return BUILTIN_REFUSED;
	}
	ch = change_of(c, CHANGE_BAN);
	ch->duration_ms = ms;
	(void)strlcpy(ch->reason, reason, sizeof(ch->reason));
	change_submit(x, ch);
	return BUILTIN_WAIT;
}

enum builtin_end
builtin_unban(struct executor *x, struct cmd *c)
{
	change_submit(x, change_of(c, CHANGE_UNBAN));
	return BUILTIN_WAIT;
}
