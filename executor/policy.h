/*
 * The decision, as a pure function: everything it needs is in its input, it
 * looks nothing up, keeps nothing, and says why.  The run path, !help's
 * list, !explain and chatopsctl policy explain all ask this one function,
 * so they cannot disagree.
 *
 * Everything is refused unless something allows it; an input that was not
 * filled in (all zero) is refused.
 */
#ifndef EXECUTOR_POLICY_H
#define EXECUTOR_POLICY_H

#include "allowlist.h"
#include "db.h"
#include "msg.h"

/*
 * Why a command was not run.  The names (reason_name()) are the codes in
 * the detail of a denied line and never change.
 */
enum reason {
	REASON_ALLOWED,		/* "allowed" */
	/* found before anybody is looked up */
	REASON_MISSED,		/* "missed": came while we were away */
	REASON_AGE,		/* "age": too old, or from the future */
	REASON_BANNED,		/* "banned" */
	REASON_RATE_USER,	/* "rate-user" */
	REASON_RATE_GLOBAL,	/* "rate-global" */
	REASON_TEXT,		/* "text": a character nobody can see */
	REASON_WORDS,		/* "words": quotes do not match, too many */
	REASON_UNKNOWN,		/* "unknown-command" */
	/* who and where */
	REASON_LOOKUP,		/* "lookup": the server could not be asked */
	REASON_ACCOUNT,		/* "account": missing or deactivated */
	REASON_BOT,		/* "bot" */
	REASON_GUEST,		/* "guest" */
	REASON_REMOTE,		/* "remote": of another server */
	REASON_MEMBER,		/* "member": not in this channel */
	REASON_DIRECT,		/* "direct": not his and our conversation */
	/* may he */
	REASON_PERMISSION,	/* "permission": level too low */
	REASON_FLAGS,		/* "flags" */
	REASON_DISABLED,	/* "disabled": switched off */
	REASON_CHANNEL,		/* "channel": not here */
	REASON_CHANNEL_UNKNOWN,	/* "channel-unknown": name does not resolve */
	REASON_FROZEN,		/* "frozen" */
	REASON_ARGUMENTS,	/* "arguments" */
	REASON_RATE_SCRIPT,	/* "rate-script" */
	REASON_BUSY,		/* "busy": the queue is full */
	/* could it be done and written down */
	REASON_AUDIT,		/* "audit": the log takes no entries */
	REASON_DATABASE,	/* "database" */
	REASON_STOPPING,	/* "stopping" */
	REASON_INTERRUPTED,	/* "interrupted": by a restart, not started */
	REASON_CANCELLED,	/* "cancelled": before it started */
	REASON_LAST_ADMIN,	/* "last-admin" */
	REASON_ADMIN_BAN,	/* "admin-ban": an admin cannot be banned */
	REASON_RUNNER,		/* "runner": refused by the runner */
	REASON_COUNT
};
const char	*reason_name(enum reason);

/* How the script's allowedChannels compare with where the command is. */
enum policy_channel {
	POLICY_CHANNEL_NONE,		/* not looked at: refused */
	POLICY_CHANNEL_ANY,		/* the script has no list */
	POLICY_CHANNEL_MATCH,
	POLICY_CHANNEL_OTHER,		/* all resolved, none is this one */
	POLICY_CHANNEL_UNRESOLVED	/* no match, and one has no answer */
};

/* What is asked for. */
enum policy_kind {
	POLICY_NOTHING,			/* refused */
	POLICY_BUILTIN,			/* min_level decides */
	POLICY_SCRIPT
};

struct policy_input {
	enum policy_kind	 kind;
	const char		*name;		/* of built-in or script */
	enum level		 min_level;	/* POLICY_BUILTIN */
	const struct script	*script;	/* POLICY_SCRIPT */

	/* the account, as the server said just now */
	int			 has_account;	/* account was asked for */
	enum lookup_status	 account;
	uint32_t		 account_flags;	/* USER_* */
	char			 channel_type;	/* 'O' 'P' 'D' 'G' */
	int			 is_direct_ok;	/* 'D': is theirs and ours */
	int			 has_member;	/* membership was asked for */
	enum lookup_status	 member;
	int			 is_channel_guest;

	/* what we know of them */
	int			 has_user;	/* user was read */
	struct db_user		 user;
	int			 is_banned;
	struct db_ban		 ban;		/* when is_banned */
	int64_t			 now;		/* wall, for "until" */

	enum policy_channel	 channel;
	char			 channel_unresolved[NAME_SIZE * 2];
	int			 is_frozen;	/* nothing starts */
	int			 is_audit_ok;	/* scripts need the log */
	int			 is_stopping;
};

struct policy_result {
	enum reason	 reason;		/* REASON_ALLOWED or why not */
	char		 why[512];		/* one sentence for people,
						   plain text, no full stop */
};

/*
 * The first layer that refuses, in this order: ban (also LEVEL_BANNED),
 * account (lookup, missing or deleted, bot, remote, guest), membership
 * (channels O, P, G) or own conversation (D), stopping, level, flags,
 * enabled, channel, freeze, audit.  Operators run scripts for operators and
 * users; requiredFlags must all be held by anybody below admin; admins run
 * all.  A built-in asks for ban, account, membership and level only.
 */
void	 policy_decide(const struct policy_input *, struct policy_result *);

/*
 * The name in list nearest to typed (Damerau-Levenshtein distance at most
 * 2 and less than half of the length), or NULL.  For "did you mean".
 */
const char	*policy_nearest(const char *typed, const char *const *list,
		    size_t n);

/*
 * Does that user hold all of those flags?  On 0 *missing is the first that
 * is not there.
 */
int	 policy_has_flags(const struct db_user *, char *const *flags, size_t n,
	    const char **missing);

/* ^[a-z0-9][a-z0-9_-]{0,63}$: what a custom flag may be called. */
int	 policy_is_flag(const char *);

#endif
