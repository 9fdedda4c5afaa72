/*
 * One command, from the claim of its post to a decision.  The order of the
 * layers is the order of this file: claimed, fresh, not banned, within the
 * rate, readable, words; then who and where are asked afresh, policy.c
 * decides, arguments are checked, and job.c or a built-in does it.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "log.h"

static void
command_free(struct executor *x, struct cmd *c)
{
	ask_forget(x, c);
	TAILQ_REMOVE(&x->cmds, c, entry);
	x->ncmds--;
	buf_free(&c->out);
	/* A secret may have been typed. */
	freezero(c, sizeof(*c));
	if (x->is_xoff_sent && x->ncmds < CORE_COMMANDS_LOW) {
		x->is_xoff_sent = 0;
		x->w.send(x->w.arg, ROLE_NETWORK, MSG_XON, 0, -1, NULL);
	}
}

void
command_end(struct executor *x, struct cmd *c)
{
	if (c->in.post_id[0] != '\0' &&
	    db_seen_close(x->db, c->in.post_id) == -1)
		core_db_result(x, 0, "closing a claim");
	command_free(x, c);
}

void
command_answer(struct executor *x, struct cmd *c)
{
	say_buf(x, c->in.channel_id, c->root_id, &c->out);
	command_end(x, c);
}

void
command_free_all(struct executor *x)
{
	struct cmd	*c;

	while ((c = TAILQ_FIRST(&x->cmds)) != NULL) {
		TAILQ_REMOVE(&x->cmds, c, entry);
		buf_free(&c->out);
		freezero(c, sizeof(*c));
	}
}

/*
 * Case does not matter in a mention, and a colon may follow.  NULL: this
 * is no mention of us.  What nobody can see is part of what follows, to be
 * refused by its name.
 */
static const char *
after_mention(const struct executor *x, const char *text)
{
	size_t	 n = strlen(x->net.bot_name);

	if (n == 0 || text[0] != '@' ||
	    strncasecmp(text + 1, x->net.bot_name, n) != 0)
		return NULL;
	text += 1 + n;
	if (*text == ':')
		text++;
	n = text_hidden_span(text);
	if (n > 0 && isalnum((unsigned char)text[n + (text[n] == ' ')]))
		return text;
	return *text == ' ' ? text + 1 : NULL;
}

/* Where the words begin, or NULL when this is no command at all. */
static const char *
command_body(const struct executor *x, const struct cmd *c)
{
	const char	*text = c->in.text, *seen, *p;
	size_t		 n = strlen(x->conf->prefix);

	/* What nobody sees before or in it is left there, to be refused. */
	seen = text + text_hidden_span(text);
	if ((p = after_mention(x, seen)) != NULL)
		return seen == text ? p : text;
	if (n > 0 && strncmp(seen, x->conf->prefix, n) == 0) {
		/* "!!!" and "! no" are what people write to each other. */
		p = seen + n + text_hidden_span(seen + n);
		if (isalnum((unsigned char)*p) || c->in.channel_type == 'D')
			return seen == text ? text + n : text;
		return NULL;
	}
	return c->in.channel_type == 'D' ? text : NULL;
}

/* The channel's name is both ids, in the order of their bytes. */
static int
is_own_direct(const struct executor *x, const struct msg_command *m)
{
	char	 name[2 * ID_SIZE + 2];
	int	 order = strcmp(x->net.bot_id, m->user_id);

	if (x->net.bot_id[0] == '\0' || order == 0 ||
	    snprintf(name, sizeof(name), "%s__%s",
	    order < 0 ? x->net.bot_id : m->user_id,
	    order < 0 ? m->user_id : x->net.bot_id) >= (int)sizeof(name))
		return 0;
	return strcmp(name, m->channel_name) == 0;
}

void
command_input(struct executor *x, const struct cmd *c,
    struct policy_input *in)
{
	memset(in, 0, sizeof(*in));
	in->has_account = c->has_account;
	in->account = (enum lookup_status)c->account.status;
	in->account_flags = c->account.flags;
	in->channel_type = (char)c->in.channel_type;
	in->is_direct_ok = is_own_direct(x, &c->in);
	in->has_member = c->has_member;
	in->member = (enum lookup_status)c->member.status;
	in->is_channel_guest = c->member.guest;
	in->has_user = 1;
	in->user = c->user;
	in->is_banned = c->is_banned;
	in->ban = c->ban;
	in->now = core_wall(x);
	in->is_audit_ok = x->is_audit_ok;
	in->is_stopping = x->is_stopping;
}

int
command_may_builtin(struct executor *x, const struct cmd *c,
    const struct builtin *b)
{
	struct policy_input	 in;
	struct policy_result	 out;

	command_input(x, c, &in);
	in.kind = POLICY_BUILTIN;
	in.name = b->name;
	in.min_level = b->level;
	policy_decide(&in, &out);
	return out.reason == REASON_ALLOWED;
}

int
command_may_script(struct executor *x, const struct cmd *c,
    const struct script *s)
{
	struct policy_input	 in;
	struct policy_result	 out;

	command_input(x, c, &in);
	in.kind = POLICY_SCRIPT;
	in.name = s->name;
	in.script = s;
	in.channel = channel_match(x, s, c->in.channel_id,
	    in.channel_unresolved, sizeof(in.channel_unresolved));
	policy_decide(&in, &out);
	return out.reason == REASON_ALLOWED;
}

/* What is known of the author here: 0, or -1 when it cannot be read. */
static int
command_read_user(struct executor *x, struct cmd *c)
{
	int	 r;

	if (db_user_get(x->db, c->in.user_id, &c->user) == -1 ||
	    (r = db_ban_get(x->db, c->in.user_id, core_wall(x),
	    &c->ban)) == -1) {
		core_db_result(x, 0, "who may do what");
		return -1;
	}
	c->is_banned = r;
	return 0;
}

static void
command_dead(struct executor *x, struct cmd *c)
{
	refuse_dead(x, c->in.channel_id, c->root_id, "the database fails");
	/* The claim stays open: told again after a restart. */
	command_free(x, c);
}

static int
is_fresh(struct executor *x, const struct msg_command *m)
{
	int64_t	 age;

	if (__builtin_sub_overflow(core_server_now(x), m->create_at, &age))
		return 0;
	return age <= x->conf->message_age_ms &&
	    age >= -x->conf->message_age_ms;
}

/*
 * What can be said without asking anybody: the reason, and the sentence in
 * c->why; REASON_ALLOWED goes on.  -1: the database failed.
 */
static int
command_early(struct executor *x, struct cmd *c, char *why, size_t size)
{
	monotime_t	 now = core_mono(x);
	int64_t		 wait;
	char		 len[32];

	if (c->in.missed) {
		(void)strlcpy(why, "it was missed while the bot was offline "
		    "and was not run, please send it again", size);
		return REASON_MISSED;
	}
	if (!is_fresh(x, &c->in)) {
		duration_format(x->conf->message_age_ms, len, sizeof(len));
		(void)snprintf(why, size, "the message's time is more than %s "
		    "from now, please send it again", len);
		return REASON_AGE;
	}
	if (command_read_user(x, c) == -1)
		return -1;
	if (c->is_banned || c->user.level == LEVEL_BANNED) {
		(void)snprintf(why, size, "you are banned%s%.400s",
		    c->is_banned ? ": " : "", c->ban.reason);
		return REASON_BANNED;
	}
	if (!rate_check(x->rate, RATE_USER, c->in.user_id,
	    &x->conf->user_rate, now, &wait)) {
		duration_format(wait, len, sizeof(len));
		(void)snprintf(why, size, "too many commands from you, try "
		    "again in %s", len);
		return REASON_RATE_USER;
	}
	if (!rate_check(x->rate, RATE_GLOBAL, "", &x->conf->global_rate, now,
	    &wait)) {
		duration_format(wait, len, sizeof(len));
		(void)snprintf(why, size, "too many commands from everybody, "
		    "try again in %s", len);
		return REASON_RATE_GLOBAL;
	}
	if (rate_take(x->rate, RATE_USER, c->in.user_id, &x->conf->user_rate,
	    now) == -1 || rate_take(x->rate, RATE_GLOBAL, "",
	    &x->conf->global_rate, now) == -1)
		return -1;
	return REASON_ALLOWED;
}

/*
 * Claim it, and count it, in one transaction that is left open: 1 ours, 0
 * seen before, -1.
 */
static int
command_claim(struct executor *x, struct cmd *c)
{
	struct db_seen	 seen;
	int		 r, reason;

	memset(&seen, 0, sizeof(seen));
	(void)strlcpy(seen.post_id, c->in.post_id, sizeof(seen.post_id));
	(void)strlcpy(seen.execution_id, c->execution_id,
	    sizeof(seen.execution_id));
	(void)strlcpy(seen.user_id, c->in.user_id, sizeof(seen.user_id));
	(void)strlcpy(seen.channel_id, c->in.channel_id,
	    sizeof(seen.channel_id));
	(void)strlcpy(seen.root_id, c->root_id, sizeof(seen.root_id));
	seen.create_at = c->in.create_at;
	seen.seen_at = core_wall(x);
	seen.open = 1;
	if (db_begin(x->db) == -1)
		return -1;
	r = db_claim(x->db, &seen, core_server_now(x));
	if (r == 1) {
		reason = command_early(x, c, c->why, sizeof(c->why));
		if (reason == -1)
			r = -1;
		else
			c->reason = (enum reason)reason;
	}
	if (r != 1)
		db_rollback(x->db);
	return r;
}

static struct cmd *
command_alloc(struct executor *x, const struct msg_command *m)
{
	struct cmd	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal("calloc");
	c->in = *m;
	c->serial = ++x->serial;
	(void)strlcpy(c->root_id, m->root_id[0] != '\0' ? m->root_id :
	    m->post_id, sizeof(c->root_id));
	core_uuid(x, c->execution_id);
	buf_init(&c->out, CORE_TEXT_MAX);
	TAILQ_INSERT_TAIL(&x->cmds, c, entry);
	if (++x->ncmds > CORE_COMMANDS_HIGH && !x->is_xoff_sent) {
		x->is_xoff_sent = 1;
		x->w.send(x->w.arg, ROLE_NETWORK, MSG_XOFF, 0, -1, NULL);
	}
	return c;
}

/* "!run name …" is "!name …", and nothing but a script. */
static void
command_name(struct cmd *c)
{
	const char	*name = words_get(&c->words, 0);

	c->first = 1;
	c->builtin = builtin_find(name);
	if (c->builtin != NULL && strcmp(name, "run") == 0 &&
	    words_get(&c->words, 1) != NULL) {
		c->builtin = NULL;
		name = words_get(&c->words, 1);
		c->first = 2;
	}
	if (c->builtin == NULL &&
	    strlcpy(c->script, name, sizeof(c->script)) >= sizeof(c->script))
		c->script[0] = '\0';
}

/* Its words, or the reason why they are none: 0 this is no command. */
static int
command_parse(struct executor *x, struct cmd *c)
{
	const char	*body;

	if ((body = command_body(x, c)) == NULL)
		return 0;
	if (c->reason != REASON_ALLOWED)
		return 1;
	if (text_check_command(body, strlen(body), c->why,
	    sizeof(c->why)) == -1)
		c->reason = REASON_TEXT;
	else if (text_split(body, strlen(body), &c->words, c->why,
	    sizeof(c->why)) == -1)
		c->reason = REASON_WORDS;
	else if (c->words.n == 0)
		return 0;
	else
		command_name(c);
	return 1;
}

/*
 * Nothing is done with a post before its claim is durable.  Who he is may be
 * asked while the disk is at work: the answers are read after that only, and
 * a claim that fails forgets the questions.
 */
void
command_new(struct executor *x, const struct msg_command *m)
{
	struct cmd	*c;
	char		 why[512];
	int		 r, is_command;

	if (x->ncmds >= CORE_COMMANDS_MAX) {
		x->w.exit(x->w.arg, "network does not honour XOFF");
		return;
	}
	c = command_alloc(x, m);
	if ((r = command_claim(x, c)) == 0) {
		log_debug("post %s was seen before", m->post_id);
		command_free(x, c);
		return;
	}
	c->pending = 1;
	is_command = r == 1 && command_parse(x, c);
	if (is_command && c->reason == REASON_ALLOWED)
		command_lookup(x, c);
	if (r == 1)
		r = db_commit(x->db) == -1 ? -1 : 1;
	core_db_result(x, r == 1, "claiming a post");
	c->pending--;
	(void)strlcpy(why, c->why, sizeof(why));
	if (r == -1)
		command_dead(x, c);
	else if (!is_command)
		command_end(x, c);
	else if (c->reason == REASON_TEXT || c->reason == REASON_WORDS)
		refuse(x, c, c->reason, "%s", why);
	else if (c->reason != REASON_ALLOWED)
		refuse_early(x, c, c->reason, "%s", why);
	else
		command_decide(x, c);
}

/* A channel's name was answered: who waited for the last one goes on. */
void
command_channels(struct executor *x)
{
	struct cmd	*c, *tmp;
	size_t		 i;
	int		 waiting;

	TAILQ_FOREACH_SAFE(c, &x->cmds, entry, tmp) {
		if (c->stage != CMD_LOOKUP || !c->has_channels)
			continue;
		waiting = 0;
		for (i = 0; x->al != NULL && i < x->al->n && !waiting; i++)
			waiting = channel_waiting(x, &x->al->scripts[i]) > 0;
		if (waiting)
			continue;
		c->has_channels = 0;
		command_decide(x, c);
	}
	job_channels(x);
	explain_channels(x);
}

static void
refuse_unknown(struct executor *x, struct cmd *c)
{
	const char	*typed, *near;

	typed = words_get(&c->words, c->first - 1);
	if (c->first == 2 && builtin_find(typed) != NULL) {
		refuse(x, c, REASON_UNKNOWN, "%.64s is no script but a command "
		    "of its own: %s%.64s", typed, x->conf->prefix, typed);
		return;
	}
	near = builtin_suggest(x, c, typed);
	refuse(x, c, REASON_UNKNOWN, "there is no command %.64s%s%s%s", typed,
	    near != NULL ? ", did you mean " : "", near != NULL ? near : "",
	    near != NULL ? "" : "; help lists what you may run here");
}

/* The words after the name, without --dry-run where the script has one. */
static void
command_typed(struct cmd *c, const struct script *s, struct words *typed)
{
	const char	*w;
	size_t		 i;

	memset(typed, 0, offsetof(struct words, data));
	for (i = c->first; (w = words_get(&c->words, i)) != NULL; i++) {
		if (s->dry_run != NULL && !c->dry_run &&
		    strcmp(w, "--dry-run") == 0)
			c->dry_run = 1;
		else if (words_add(typed, w, strlen(w)) == -1)
			fatalx("words do not fit where they came from");
	}
}

static void
command_script(struct executor *x, struct cmd *c, const struct script *s,
    uint32_t number)
{
	struct arguments	*args;
	struct words		*typed;
	char			 usage[1024], key[RATE_KEY_SIZE], len[32];
	int64_t			 wait;

	if ((args = calloc(1, sizeof(*args))) == NULL ||
	    (typed = calloc(1, sizeof(*typed))) == NULL)
		fatal("calloc");
	command_typed(c, s, typed);
	(void)snprintf(key, sizeof(key), "%s/%s", c->in.user_id, s->name);
	if (arguments_check(s, typed, c->dry_run, x->hmac_key, args) == -1) {
		arguments_usage(s, usage, sizeof(usage));
		refuse(x, c, REASON_ARGUMENTS, "%s; usage: %s%s", args->why,
		    x->conf->prefix, usage);
	} else if (!rate_check(x->rate, RATE_SCRIPT, key, &s->rate,
	    core_mono(x), &wait)) {
		duration_format(wait, len, sizeof(len));
		refuse(x, c, REASON_RATE_SCRIPT, "%s may be run %u times per "
		    "user in its period, try again in %s", s->name,
		    s->rate.count, len);
	} else {
		/* The job owns both from here on. */
		job_admit(x, c, s, number, args, typed);
		return;
	}
	freezero(args, sizeof(*args));
	freezero(typed, sizeof(*typed));
}

void
command_decide(struct executor *x, struct cmd *c)
{
	struct policy_input	 in;
	struct policy_result	 out;
	long			 n = -1;

	if (c->pending > 0 || c->has_channels || c->stage != CMD_LOOKUP)
		return;
	/* What may have changed while the server was asked. */
	if (command_read_user(x, c) == -1) {
		command_dead(x, c);
		return;
	}
	command_input(x, c, &in);
	in.kind = POLICY_BUILTIN;
	in.min_level = LEVEL_USER;
	in.name = c->builtin != NULL ? c->builtin->name : c->script;
	if (c->builtin != NULL)
		in.min_level = c->builtin->level;
	else if (x->al != NULL &&
	    (n = allowlist_find(x->al, c->script)) != -1) {
		in.kind = POLICY_SCRIPT;
		in.script = &x->al->scripts[n];
		in.channel = channel_match(x, in.script, c->in.channel_id,
		    in.channel_unresolved, sizeof(in.channel_unresolved));
	}
	policy_decide(&in, &out);
	if (out.reason != REASON_ALLOWED)
		refuse(x, c, out.reason, "%s", out.why);
	else if (c->builtin != NULL)
		builtin_run(x, c);
	else if (n == -1)
		refuse_unknown(x, c);
	else
		command_script(x, c, in.script, (uint32_t)n);
}
