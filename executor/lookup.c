/*
 * Who sent a command, and is he in that channel?  Asked afresh for every
 * decision, all at once: the account, the membership, the user whom the
 * command names, the channels that the script is allowed in.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

static void
account_answer(struct executor *x, void *arg, const void *answer)
{
	const struct msg_user	*m = answer;
	struct cmd		*c = arg;

	c->has_account = 1;
	if (m == NULL)
		c->account.status = LOOKUP_FAILED;
	else
		c->account = *m;
	/* Another id is no answer to who this is. */
	if (c->account.status == LOOKUP_OK &&
	    strcmp(c->account.id, c->in.user_id) != 0)
		c->account.status = LOOKUP_FAILED;
	c->pending--;
	command_decide(x, c);
}

static void
member_answer(struct executor *x, void *arg, const void *answer)
{
	const struct msg_member	*m = answer;
	struct cmd		*c = arg;

	c->has_member = 1;
	if (m == NULL)
		c->member.status = LOOKUP_FAILED;
	else
		c->member = *m;
	c->pending--;
	command_decide(x, c);
}

static void
target_answer(struct executor *x, void *arg, const void *answer)
{
	const struct msg_user	*m = answer;
	struct cmd		*c = arg;

	c->has_target = 1;
	if (m == NULL)
		c->target.status = LOOKUP_FAILED;
	else
		c->target = *m;
	c->pending--;
	command_decide(x, c);
}

static void
command_ask_user(struct executor *x, struct cmd *c, int by_name,
    const char *key, ask_fn fn)
{
	struct msg_lookup_user	 m;

	memset(&m, 0, sizeof(m));
	m.by_name = by_name != 0;
	(void)strlcpy(m.key, key, sizeof(m.key));
	c->pending++;
	(void)ask(x, ROLE_NETWORK, MSG_LOOKUP_USER, -1, &m, MSG_USER, fn, c,
	    CORE_LOOKUP_MS);
}

/*
 * "@name" or "name" as the server spells it: 0, or -1 when nobody can be
 * called that.
 */
int
name_parse(const char *word, char out[USERNAME_SIZE])
{
	size_t	 i;

	word += *word == '@';
	if (*word == '\0' || strlcpy(out, word, USERNAME_SIZE) >=
	    USERNAME_SIZE)
		return -1;
	for (i = 0; out[i] != '\0'; i++) {
		out[i] = (char)tolower((unsigned char)out[i]);
		if (!isalnum((unsigned char)out[i]) &&
		    strchr(".-_", out[i]) == NULL)
			return -1;
	}
	return 0;
}

/* The word that names a user: "@name", or an id as it stands. */
static void
command_ask_target(struct executor *x, struct cmd *c)
{
	const char	*word;
	char		 name[USERNAME_SIZE];

	if (c->builtin == NULL || c->builtin->target == 0 ||
	    (word = words_get(&c->words, c->builtin->target)) == NULL)
		return;
	if (text_is_id(word))
		command_ask_user(x, c, 0, word, target_answer);
	else if (name_parse(word, name) == 0)
		command_ask_user(x, c, 1, name, target_answer);
	else {
		c->has_target = 1;
		c->target.status = LOOKUP_MISSING;
	}
}

/* Scripts whose channels matter for this command. */
static void
command_ask_channels(struct executor *x, struct cmd *c)
{
	size_t	 i;
	long	 n;

	c->has_channels = 0;
	if (x->al == NULL)
		return;
	if (c->builtin == NULL && c->script[0] != '\0') {
		if ((n = allowlist_find(x->al, c->script)) != -1)
			c->has_channels = channel_resolve(x,
			    &x->al->scripts[n]) > 0;
		if (n != -1)
			return;
	}
	if (c->builtin != NULL && !c->builtin->channels)
		return;
	for (i = 0; i < x->al->n; i++)
		if (channel_resolve(x, &x->al->scripts[i]) > 0)
			c->has_channels = 1;
}

/* Ask; nothing is decided before the caller gives his own one back. */
void
command_lookup(struct executor *x, struct cmd *c)
{
	struct msg_lookup_member	 m;

	c->stage = CMD_LOOKUP;
	command_ask_user(x, c, 0, c->in.user_id, account_answer);
	if (c->in.channel_type != 'D') {
		memset(&m, 0, sizeof(m));
		(void)strlcpy(m.channel_id, c->in.channel_id,
		    sizeof(m.channel_id));
		(void)strlcpy(m.user_id, c->in.user_id, sizeof(m.user_id));
		c->pending++;
		(void)ask(x, ROLE_NETWORK, MSG_LOOKUP_MEMBER, -1, &m,
		    MSG_MEMBER, member_answer, c, CORE_LOOKUP_MS);
	}
	command_ask_target(x, c);
	command_ask_channels(x, c);
}
