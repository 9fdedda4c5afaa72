/*
 * Why would that command be allowed or refused for that user in that
 * channel?  The same look-ups and the same policy as the run path; nothing
 * is run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "log.h"

struct explain {
	TAILQ_ENTRY(explain) entry;
	struct words	 words;		/* the command's */
	const struct builtin *builtin;
	char		 script[NAME_SIZE];
	size_t		 first;
	int		 pending;
	struct msg_user	 account;
	struct msg_channel channel;
	int		 has_member;
	struct msg_member member;
	explain_fn	 done;
	void		*arg;
};

static void	explain_decide(struct executor *, struct explain *);

static void
explain_end(struct executor *x, struct explain *e, enum reason reason,
    const char *why)
{
	explain_fn	 done = e->done;
	void		*arg = e->arg;
	char		 text[1024];

	(void)strlcpy(text, why, sizeof(text));
	TAILQ_REMOVE(&x->explains, e, entry);
	ask_forget(x, e);
	freezero(e, sizeof(*e));
	done(x, arg, reason, text);
}

static void
member_answer(struct executor *x, void *arg, const void *answer)
{
	struct explain	*e = arg;

	e->has_member = 1;
	if (answer == NULL)
		e->member.status = LOOKUP_FAILED;
	else
		e->member = *(const struct msg_member *)answer;
	e->pending--;
	explain_decide(x, e);
}

/* Both are known: is one in the other? */
static void
explain_member(struct executor *x, struct explain *e)
{
	struct msg_lookup_member	 m;

	if (e->pending > 0 || e->account.status != LOOKUP_OK ||
	    e->channel.status != LOOKUP_OK || e->channel.type == 'D') {
		explain_decide(x, e);
		return;
	}
	memset(&m, 0, sizeof(m));
	(void)strlcpy(m.channel_id, e->channel.id, sizeof(m.channel_id));
	(void)strlcpy(m.user_id, e->account.id, sizeof(m.user_id));
	e->pending++;
	(void)ask(x, ROLE_NETWORK, MSG_LOOKUP_MEMBER, -1, &m, MSG_MEMBER,
	    member_answer, e, CORE_LOOKUP_MS);
}

static void
account_answer(struct executor *x, void *arg, const void *answer)
{
	struct explain	*e = arg;

	if (answer == NULL)
		e->account.status = LOOKUP_FAILED;
	else
		e->account = *(const struct msg_user *)answer;
	e->pending--;
	explain_member(x, e);
}

static void
channel_answer(struct executor *x, void *arg, const void *answer)
{
	struct explain	*e = arg;

	if (answer == NULL)
		e->channel.status = LOOKUP_FAILED;
	else
		e->channel = *(const struct msg_channel *)answer;
	e->pending--;
	explain_member(x, e);
}

/* 1 asked, 0: nobody can be called that. */
static int
ask_account(struct executor *x, struct explain *e, const char *user)
{
	struct msg_lookup_user	 m;

	memset(&m, 0, sizeof(m));
	m.by_name = !text_is_id(user);
	if (m.by_name ? name_parse(user, m.key) == -1 :
	    strlcpy(m.key, user, sizeof(m.key)) >= sizeof(m.key))
		return 0;
	(void)ask(x, ROLE_NETWORK, MSG_LOOKUP_USER, -1, &m, MSG_USER,
	    account_answer, e, CORE_LOOKUP_MS);
	return 1;
}

static int
ask_channel(struct executor *x, struct explain *e, const char *channel)
{
	struct msg_lookup_channel	 m;

	memset(&m, 0, sizeof(m));
	channel += *channel == '~';
	if (text_is_id(channel))
		(void)strlcpy(m.id, channel, sizeof(m.id));
	else if (channel_parse(channel, &m) == -1)
		return 0;
	(void)ask(x, ROLE_NETWORK, MSG_LOOKUP_CHANNEL, -1, &m, MSG_CHANNEL,
	    channel_answer, e, CORE_LOOKUP_MS);
	return 1;
}

void
explain_start(struct executor *x, const char *user, const char *channel,
    const struct words *words, size_t first, explain_fn done, void *arg)
{
	struct explain	*e;
	const char	*name;
	size_t		 n = strlen(x->conf->prefix);
	long		 i;

	if ((e = calloc(1, sizeof(*e))) == NULL)
		fatal("calloc");
	e->words = *words;
	e->first = first + 1;
	e->done = done;
	e->arg = arg;
	TAILQ_INSERT_TAIL(&x->explains, e, entry);
	name = words_get(words, first);
	if (strncmp(name, x->conf->prefix, n) == 0)
		name += n;
	if (strcmp(name, "run") == 0 && words_get(words, first + 1) != NULL) {
		name = words_get(words, first + 1);
		e->first++;
	} else
		e->builtin = builtin_find(name);
	if (strlcpy(e->script, name, sizeof(e->script)) >= sizeof(e->script))
		e->script[0] = '\0';
	if (x->al != NULL && (i = allowlist_find(x->al, e->script)) != -1)
		(void)channel_resolve(x, &x->al->scripts[i]);
	e->account.status = e->channel.status = LOOKUP_MISSING;
	e->pending = 1;
	e->pending += ask_account(x, e, user);
	e->pending += ask_channel(x, e, channel);
	e->pending--;
	explain_member(x, e);
}

static int
explain_input(struct executor *x, const struct explain *e,
    struct policy_input *in)
{
	int	 r;

	memset(in, 0, sizeof(*in));
	if (db_user_get(x->db, e->account.id, &in->user) == -1 ||
	    (r = db_ban_get(x->db, e->account.id, core_wall(x),
	    &in->ban)) == -1)
		return -1;
	in->has_account = in->has_user = 1;
	in->account = (enum lookup_status)e->account.status;
	in->account_flags = e->account.flags;
	in->channel_type = (char)e->channel.type;
	/* Only he himself can write in his own conversation with us. */
	in->is_direct_ok = e->channel.type == 'D' &&
	    strstr(e->channel.name, e->account.id) != NULL &&
	    strstr(e->channel.name, x->net.bot_id) != NULL;
	in->has_member = e->has_member;
	in->member = (enum lookup_status)e->member.status;
	in->is_channel_guest = e->member.guest;
	in->is_banned = r;
	in->now = core_wall(x);
	in->is_audit_ok = x->is_audit_ok;
	in->is_stopping = x->is_stopping;
	return 0;
}

/* The words after the command, against the script's schema. */
static void
explain_arguments(struct executor *x, struct explain *e,
    const struct script *s, struct policy_result *out)
{
	struct arguments	*args;
	struct words		*typed;
	const char		*w;
	size_t			 i;
	int			 dry_run = 0;

	if ((args = calloc(1, sizeof(*args))) == NULL ||
	    (typed = calloc(1, sizeof(*typed))) == NULL)
		fatal("calloc");
	for (i = e->first; (w = words_get(&e->words, i)) != NULL; i++) {
		if (s->dry_run != NULL && !dry_run &&
		    strcmp(w, "--dry-run") == 0)
			dry_run = 1;
		else if (words_add(typed, w, strlen(w)) == -1)
			fatalx("words do not fit where they came from");
	}
	if (arguments_check(s, typed, dry_run, x->hmac_key, args) == -1) {
		out->reason = REASON_ARGUMENTS;
		(void)strlcpy(out->why, args->why, sizeof(out->why));
	}
	freezero(args, sizeof(*args));
	freezero(typed, sizeof(*typed));
}

static void
explain_decide(struct executor *x, struct explain *e)
{
	struct policy_input	 in;
	struct policy_result	 out;
	long			 n = -1;

	if (e->pending > 0)
		return;
	if (e->channel.status != LOOKUP_OK) {
		explain_end(x, e, REASON_LOOKUP, e->channel.status ==
		    LOOKUP_MISSING ? "there is no such channel" :
		    "the server could not be asked about the channel");
		return;
	}
	if (e->builtin == NULL && x->al != NULL)
		n = allowlist_find(x->al, e->script);
	if (n != -1 && channel_waiting(x, &x->al->scripts[n]) > 0)
		return;
	if (explain_input(x, e, &in) == -1) {
		core_db_result(x, 0, "who may do what");
		explain_end(x, e, REASON_DATABASE, "the database fails");
		return;
	}
	in.kind = POLICY_NOTHING;
	in.name = e->script;
	if (e->builtin != NULL) {
		in.kind = POLICY_BUILTIN;
		in.min_level = e->builtin->level;
	} else if (n != -1) {
		in.kind = POLICY_SCRIPT;
		in.script = &x->al->scripts[n];
		in.channel = channel_match(x, in.script, e->channel.id,
		    in.channel_unresolved, sizeof(in.channel_unresolved));
	}
	policy_decide(&in, &out);
	if (out.reason == REASON_ALLOWED && n != -1)
		explain_arguments(x, e, in.script, &out);
	explain_end(x, e, out.reason, out.why);
}

void
explain_channels(struct executor *x)
{
	struct explain	*e, *tmp;

	TAILQ_FOREACH_SAFE(e, &x->explains, entry, tmp)
		explain_decide(x, e);
}

void
explain_free_all(struct executor *x)
{
	struct explain	*e;

	while ((e = TAILQ_FIRST(&x->explains)) != NULL) {
		TAILQ_REMOVE(&x->explains, e, entry);
		freezero(e, sizeof(*e));
	}
}
