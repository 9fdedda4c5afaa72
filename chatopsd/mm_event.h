/*
 * What a Mattermost server says over its WebSocket, taken apart and judged.
 * Pure functions: bytes or JSON in, verdict out.
 */
#ifndef CHATOPS_MM_EVENT_H
#define CHATOPS_MM_EVENT_H

#include <stdint.h>

#include <jansson.h>

#include "msg.h"

enum mm_kind {
	MM_EVENT,
	MM_REPLY
};

/* Strings belong to root; event and data are never NULL for an event. */
struct mm_envelope {
	json_t		*root;
	enum mm_kind	 kind;
	int64_t		 seq;		/* of the event or of the request */
	const char	*event;
	json_t		*data;		/* object; may be NULL in a reply */
	json_t		*broadcast;	/* object, or NULL */
	int		 ok;		/* reply: status OK */
	int		 status_code;	/* reply: of the error, or 0 */
	const char	*error_id;	/* reply: or "" */
};

/* 0, or -1 with the reason in *why; the text need not end in a NUL. */
int	 mm_envelope_parse(struct mm_envelope *, const char *, size_t,
	    const char **why);
void	 mm_envelope_free(struct mm_envelope *);

/*
 * JSON inside a JSON string (post, reaction, …), with depth and size limits
 * of its own.  A new reference, or NULL.
 */
json_t	*mm_inner(json_t *data, const char *member);
/* JSON text from a REST answer; NULL when malformed or too deep. */
json_t	*mm_parse(const char *, size_t);

/* "" when absent or null, NULL when it is something else than a string. */
const char *mm_string(const json_t *, const char *member);
/* 0 and *v; absent and null are 0; -1 when it is no integer. */
int	 mm_integer(const json_t *, const char *member, int64_t *v);
/* Only true is true. */
int	 mm_is_true(const json_t *, const char *member);
/* Is the word one of the blank-separated words? */
int	 mm_has_word(const char *words, const char *word);

struct mm_self {
	const char	*bot_id;
	const char	*bot_name;
	const char	*prefix;
};

/* Where a post stands; taken from the event or the channel list. */
struct mm_where {
	const char	*channel_id;
	const char	*channel_name;
	const char	*channel_type;
	const char	*team_id;
};

enum mm_verdict {
	MM_COMMAND,		/* hand it on */
	MM_OWN,			/* the bot's own post */
	MM_CHAT,		/* not addressed to the bot */
	MM_REFUSED		/* addressed to the bot, but may not run */
};

/*
 * The execution policy as far as a post shows it.  *out is filled for
 * MM_COMMAND only, except missed and received, which are the caller's.
 * *why is set for MM_REFUSED.
 */
enum mm_verdict	mm_judge_post(json_t *post, const struct mm_where *,
		    const struct mm_self *, struct msg_command *out,
		    const char **why);
/* The same for a posted event: where comes from its data and broadcast. */
enum mm_verdict	mm_judge_posted(const struct mm_envelope *, json_t *post,
		    const struct mm_self *, struct msg_command *out,
		    const char **why);
/* 0 and *out for somebody else's reaction, else -1. */
int	 mm_reaction(const struct mm_envelope *, const struct mm_self *,
	    struct msg_reaction *out);
/* The channel that the bot left by this user_removed event, or NULL. */
const char *mm_removed_channel(const struct mm_envelope *,
	    const struct mm_self *);
/* Is text a command for the bot: prefix, or "@botname" and a separator? */
int	 mm_is_addressed(const char *text, const struct mm_self *);

#endif
