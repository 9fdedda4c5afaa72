/* The decision.  See policy.h: no look-ups, no state, one answer. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "compat.h"
#include "policy.h"
#include "text.h"

static const char *const reason_names[REASON_COUNT] = {
	[REASON_ALLOWED] = "allowed",
	[REASON_MISSED] = "missed",
	[REASON_AGE] = "age",
	[REASON_BANNED] = "banned",
	[REASON_RATE_USER] = "rate-user",
	[REASON_RATE_GLOBAL] = "rate-global",
	[REASON_TEXT] = "text",
	[REASON_WORDS] = "words",
	[REASON_UNKNOWN] = "unknown-command",
	[REASON_LOOKUP] = "lookup",
	[REASON_ACCOUNT] = "account",
	[REASON_BOT] = "bot",
	[REASON_GUEST] = "guest",
	[REASON_REMOTE] = "remote",
	[REASON_MEMBER] = "member",
	[REASON_DIRECT] = "direct",
	[REASON_PERMISSION] = "permission",
	[REASON_FLAGS] = "flags",
	[REASON_DISABLED] = "disabled",
	[REASON_CHANNEL] = "channel",
	[REASON_CHANNEL_UNKNOWN] = "channel-unknown",
	[REASON_FROZEN] = "frozen",
	[REASON_ARGUMENTS] = "arguments",
	[REASON_RATE_SCRIPT] = "rate-script",
	[REASON_BUSY] = "busy",
	[REASON_AUDIT] = "audit",
	[REASON_DATABASE] = "database",
	[REASON_STOPPING] = "stopping",
	[REASON_INTERRUPTED] = "interrupted",
	[REASON_CANCELLED] = "cancelled",
	[REASON_LAST_ADMIN] = "last-admin",
	[REASON_ADMIN_BAN] = "admin-ban",
	[REASON_RUNNER] = "runner",
};

const char *
reason_name(enum reason reason)
{
	return (unsigned int)reason < REASON_COUNT ? reason_names[reason] :
	    "unknown";
}

static void __attribute__((__format__(printf, 3, 4)))
refuse(struct policy_result *out, enum reason reason, const char *fmt, ...)
{
	va_list	 ap;

	out->reason = reason;
	va_start(ap, fmt);
	(void)vsnprintf(out->why, sizeof(out->why), fmt, ap);
	va_end(ap);
}

/* Each of these returns 1 when its layer lets the command through. */

static int
may_not_banned(const struct policy_input *in, struct policy_result *out)
{
	char	 until[WALLTIME_STRLEN];

	if (!in->has_user) {
		refuse(out, REASON_DATABASE, "the user table was not read");
		return 0;
	}
	if (in->is_banned && (in->ban.expires_at == 0 ||
	    walltime_format((walltime_t){ in->ban.expires_at }, until,
	    sizeof(until)) == -1)) {
		refuse(out, REASON_BANNED, "you are banned");
		return 0;
	}
	if (in->is_banned) {
		refuse(out, REASON_BANNED, "you are banned until %s", until);
		return 0;
	}
	if (in->user.level == LEVEL_BANNED) {
		refuse(out, REASON_BANNED, "you are banned");
		return 0;
	}
	return 1;
}

static int
may_account(const struct policy_input *in, struct policy_result *out)
{
	if (!in->has_account || in->account == LOOKUP_FAILED)
		refuse(out, REASON_LOOKUP, "the chat server could not be "
		    "asked about your account; try again");
	else if (in->account != LOOKUP_OK)
		refuse(out, REASON_ACCOUNT, "the chat server knows no such "
		    "account");
	else if (in->account_flags & USER_DELETED)
		refuse(out, REASON_ACCOUNT, "the account is deactivated");
	else if (in->account_flags & USER_BOT)
		refuse(out, REASON_BOT, "bots may not give commands");
	else if (in->account_flags & USER_REMOTE)
		refuse(out, REASON_REMOTE, "accounts of other servers may "
		    "not give commands");
	else if (in->account_flags & USER_GUEST)
		refuse(out, REASON_GUEST, "guests may not give commands");
	else if (in->account_flags & ~(uint32_t)USER_FLAGS)
		refuse(out, REASON_ACCOUNT, "the account has marks that are "
		    "not known");
	else
		return 1;
	return 0;
}

static int
may_here(const struct policy_input *in, struct policy_result *out)
{
	switch (in->channel_type) {
	case 'D':
		if (in->is_direct_ok)
			return 1;
		refuse(out, REASON_DIRECT, "this is not your own "
		    "conversation with the bot");
		return 0;
	case 'O':
	case 'P':
	case 'G':
		break;
	default:
		refuse(out, REASON_CHANNEL, "this kind of channel is not "
		    "known");
		return 0;
	}
	if (!in->has_member || in->member == LOOKUP_FAILED)
		refuse(out, REASON_LOOKUP, "the chat server could not be "
		    "asked about this channel; try again");
	else if (in->member != LOOKUP_OK)
		refuse(out, REASON_MEMBER, "you are not a member of this "
		    "channel");
	else if (in->is_channel_guest)
		refuse(out, REASON_GUEST, "guests may not give commands");
	else
		return 1;
	return 0;
}

int
policy_has_flags(const struct db_user *user, char *const *flags, size_t n,
    const char **missing)
{
	size_t	 i, k;

	for (i = 0; i < n; i++) {
		for (k = 0; k < user->nflags; k++)
			if (strcmp(flags[i], user->flags[k]) == 0)
				break;
		if (k == user->nflags) {
			*missing = flags[i];
			return 0;
		}
	}
	return 1;
}

static int
may_level(const struct policy_input *in, struct policy_result *out)
{
	enum level	 need;

	need = in->kind == POLICY_SCRIPT ? in->script->level : in->min_level;
	if (need < LEVEL_USER || need > LEVEL_ADMIN) {
		refuse(out, REASON_PERMISSION, "nobody may do that");
		return 0;
	}
	if (in->user.level >= need)
		return 1;
	refuse(out, REASON_PERMISSION, "%s needs the level %s; yours is %s",
	    in->name, level_name(need), level_name(in->user.level));
	return 0;
}

static int
may_flags(const struct policy_input *in, struct policy_result *out)
{
	const char	*missing;

	if (in->user.level == LEVEL_ADMIN || policy_has_flags(&in->user,
	    in->script->flags, in->script->nflags, &missing))
		return 1;
	refuse(out, REASON_FLAGS, "%s needs the flag %s, which you do not "
	    "have", in->name, missing);
	return 0;
}

static int
may_channel(const struct policy_input *in, struct policy_result *out)
{
	switch (in->channel) {
	case POLICY_CHANNEL_ANY:
		/* Only believed where the script really has no list. */
		if (in->script->nchannels == 0)
			return 1;
		break;
	case POLICY_CHANNEL_MATCH:
		return 1;
	case POLICY_CHANNEL_UNRESOLVED:
		refuse(out, REASON_CHANNEL_UNKNOWN, "the channel %s, which "
		    "%s is allowed in, could not be found",
		    in->channel_unresolved, in->name);
		return 0;
	case POLICY_CHANNEL_OTHER:
	case POLICY_CHANNEL_NONE:
		break;
	}
	refuse(out, REASON_CHANNEL, "%s may not be run in this channel",
	    in->name);
	return 0;
}

static int
may_script(const struct policy_input *in, struct policy_result *out)
{
	if (!may_flags(in, out))
		return 0;
	if (!in->script->enabled) {
		refuse(out, REASON_DISABLED, "%s is switched off", in->name);
		return 0;
	}
	if (!may_channel(in, out))
		return 0;
	if (in->is_frozen) {
		refuse(out, REASON_FROZEN, "nothing is started at present");
		return 0;
	}
	if (!in->is_audit_ok) {
		refuse(out, REASON_AUDIT, "the audit log takes no entries, "
		    "so nothing is started");
		return 0;
	}
	return 1;
}

void
policy_decide(const struct policy_input *in, struct policy_result *out)
{
	memset(out, 0, sizeof(*out));
	if ((in->kind != POLICY_BUILTIN && in->kind != POLICY_SCRIPT) ||
	    in->name == NULL ||
	    (in->kind == POLICY_SCRIPT && in->script == NULL)) {
		refuse(out, REASON_UNKNOWN, "there is no such command");
		return;
	}
	if (!may_not_banned(in, out) || !may_account(in, out) ||
	    !may_here(in, out))
		return;
	if (in->is_stopping) {
		refuse(out, REASON_STOPPING, "the bot is stopping");
		return;
	}
	if (!may_level(in, out))
		return;
	if (in->kind == POLICY_SCRIPT && !may_script(in, out))
		return;
	out->reason = REASON_ALLOWED;
	(void)snprintf(out->why, sizeof(out->why), "%s may be run", in->name);
}

int
policy_is_flag(const char *name)
{
	size_t	 n;

	n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
	return n > 0 && n < NAME_SIZE && name[n] == '\0' && name[0] != '_' &&
	    name[0] != '-';
}

const char *
policy_nearest(const char *typed, const char *const *list, size_t n)
{
	const char	*found = NULL;
	size_t		 best = 3, i, d;

	for (i = 0; i < n; i++) {
		d = text_distance(typed, list[i], 2);
		if (d < best && d * 2 < strlen(list[i])) {
			best = d;
			found = list[i];
		}
	}
	return found;
}
