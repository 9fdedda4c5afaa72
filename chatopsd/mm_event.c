/*
 * Events of a Mattermost server: the envelope, the JSON inside its strings,
 * and the judgement of a post.  A post may come from many places besides the
 * keyboard of the person whose id it carries (webhooks, slash commands,
 * plugins, other servers, edits by others); what can be seen of that in the
 * post is refused here, what needs a look at the account is the executor's.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "compat.h"
#include "json.h"
#include "mm_event.h"
#include "net.h"
#include "text.h"

/*
 * Members of props that a person's own client writes.  Everything else says
 * that somebody or something else had a hand in the post, or shows readers
 * more than its text (attachments).
 */
static const char *const props_harmless[] = {
	"channel_mentions",
	"disable_group_highlight",
	"mentionHighlightDisabled",
	"previewed_post"
};

json_t *
mm_parse(const char *text, size_t len)
{
	if (json_depth_check(text, len, NET_POST_DEPTH) == -1)
		return NULL;
	return json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
}

const char *
mm_string(const json_t *object, const char *member)
{
	json_t	*v;

	v = json_object_get(object, member);
	if (v == NULL || json_is_null(v))
		return "";
	return json_string_value(v);
}

int
mm_integer(const json_t *object, const char *member, int64_t *v)
{
	json_t	*j;

	*v = 0;
	j = json_object_get(object, member);
	if (j == NULL || json_is_null(j))
		return 0;
	if (!json_is_integer(j))
		return -1;
	*v = json_integer_value(j);
	return 0;
}

int
mm_is_true(const json_t *object, const char *member)
{
	return json_is_true(json_object_get(object, member));
}

int
mm_has_word(const char *words, const char *word)
{
	size_t	 n, len = strlen(word);

	while (*words != '\0') {
		n = strcspn(words, " ");
		if (n == len && memcmp(words, word, n) == 0)
			return 1;
		words += n;
		words += strspn(words, " ");
	}
	return 0;
}

json_t *
mm_inner(json_t *data, const char *member)
{
	json_t	*v;

	v = json_object_get(data, member);
	if (!json_is_string(v))
		return NULL;
	return mm_parse(json_string_value(v), json_string_length(v));
}

static int
envelope_event(struct mm_envelope *env, const char **why)
{
	env->kind = MM_EVENT;
	env->event = mm_string(env->root, "event");
	env->data = json_object_get(env->root, "data");
	env->broadcast = json_object_get(env->root, "broadcast");
	if (env->event == NULL || *env->event == '\0') {
		*why = "event without a name";
		return -1;
	}
	if (!json_is_integer(json_object_get(env->root, "seq")) ||
	    mm_integer(env->root, "seq", &env->seq) == -1 || env->seq < 0) {
		*why = "event without a sequence number";
		return -1;
	}
	if (!json_is_object(env->data)) {
		*why = "event without data";
		return -1;
	}
	if (!json_is_object(env->broadcast))
		env->broadcast = NULL;
	return 0;
}

static int
envelope_reply(struct mm_envelope *env, const char **why)
{
	const char	*status;
	json_t		*error;
	int64_t		 code;

	env->kind = MM_REPLY;
	status = mm_string(env->root, "status");
	if (status == NULL || mm_integer(env->root, "seq_reply",
	    &env->seq) == -1) {
		*why = "reply with a wrong member";
		return -1;
	}
	env->ok = strcmp(status, "OK") == 0;
	env->data = json_object_get(env->root, "data");
	if (!json_is_object(env->data))
		env->data = NULL;
	error = json_object_get(env->root, "error");
	if (!env->ok && json_is_object(error)) {
		if ((env->error_id = mm_string(error, "id")) == NULL)
			env->error_id = "";
		if (mm_integer(error, "status_code", &code) == 0 &&
		    code >= 100 && code <= 599)
			env->status_code = (int)code;
	}
	return 0;
}

int
mm_envelope_parse(struct mm_envelope *env, const char *text, size_t len,
    const char **why)
{
	int	 r;

	memset(env, 0, sizeof(*env));
	env->error_id = "";
	*why = "";
	if (json_depth_check(text, len, NET_ENVELOPE_DEPTH) == -1) {
		*why = "nested too deep";
		return -1;
	}
	env->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(env->root)) {
		*why = "not a JSON object";
		r = -1;
	} else if (json_object_get(env->root, "event") != NULL)
		r = envelope_event(env, why);
	else if (json_object_get(env->root, "status") != NULL)
		r = envelope_reply(env, why);
	else {
		*why = "neither event nor reply";
		r = -1;
	}
	if (r == -1)
		mm_envelope_free(env);
	return r;
}

void
mm_envelope_free(struct mm_envelope *env)
{
	json_decref(env->root);
	env->root = NULL;
}

int
mm_is_addressed(const char *text, const struct mm_self *self)
{
	size_t	 n;

	/* What nobody can see does not hide a command: it is refused. */
	text += text_hidden_span(text);
	n = strlen(self->prefix);
	if (n > 0 && strncmp(text, self->prefix, n) == 0)
		return 1;
	n = strlen(self->bot_name);
	return n > 0 && text[0] == '@' &&
	    strncasecmp(text + 1, self->bot_name, n) == 0 &&
	    (text[n + 1] == ' ' || text[n + 1] == '\t' ||
	    text[n + 1] == ':' || text[n + 1] == ',' || text[n + 1] == '\n' ||
	    text[n + 1] == '\0' || text_hidden_span(text + n + 1) > 0);
}

/* A direct channel's name is the two ids, the smaller one first. */
static int
is_direct_between(const char *name, const char *a, const char *b)
{
	const size_t	 n = ID_SIZE - 1;

	if (strlen(name) != 2 * n + 2 || memcmp(name + n, "__", 2) != 0)
		return 0;
	return (memcmp(name, a, n) == 0 && strcmp(name + n + 2, b) == 0) ||
	    (memcmp(name, b, n) == 0 && strcmp(name + n + 2, a) == 0);
}

/* NULL when nothing in the post says that it is not its author's own. */
static const char *
provenance(const json_t *post)
{
	const char	*type, *original, *remote, *key;
	json_t		*props, *value;
	int64_t		 edited, deleted;
	size_t		 i;

	type = mm_string(post, "type");
	original = mm_string(post, "original_id");
	remote = mm_string(post, "remote_id");
	if (type == NULL || *type != '\0')
		return "it is not an ordinary post";
	if (original == NULL || *original != '\0')
		return "it is the copy of an edited post";
	if (remote == NULL || *remote != '\0')
		return "it comes from another server";
	if (mm_integer(post, "edit_at", &edited) == -1 || edited != 0)
		return "it was edited";
	if (mm_integer(post, "delete_at", &deleted) == -1 || deleted != 0)
		return "it was deleted";
	props = json_object_get(post, "props");
	if (props == NULL || json_is_null(props))
		return NULL;
	if (!json_is_object(props))
		return "its props are malformed";
	json_object_foreach(props, key, value) {
		for (i = 0; i < nitems(props_harmless); i++)
			if (strcmp(key, props_harmless[i]) == 0)
				break;
		if (i == nitems(props_harmless))
			return "its props say that a program had a hand in it";
	}
	return NULL;
}

/* Ids, times and place into *out; NULL, or what is wrong. */
static const char *
fill_command(const json_t *post, const struct mm_where *where,
    const char *user, struct msg_command *out)
{
	const char	*id, *root, *channel;
	int64_t		 created;

	id = mm_string(post, "id");
	root = mm_string(post, "root_id");
	channel = mm_string(post, "channel_id");
	if (id == NULL || !text_is_id(id))
		return "its id is malformed";
	if (root == NULL || (*root != '\0' && !text_is_id(root)))
		return "its thread is malformed";
	if (channel == NULL || !text_is_id(channel) ||
	    where->channel_id == NULL ||
	    strcmp(channel, where->channel_id) != 0)
		return "it was not sent to the channel that it names";
	if (where->team_id == NULL ||
	    (*where->team_id != '\0' && !text_is_id(where->team_id)))
		return "its team is malformed";
	if (where->channel_type == NULL || strlen(where->channel_type) != 1 ||
	    strchr("OPDG", where->channel_type[0]) == NULL)
		return "its channel is of an unknown kind";
	if (where->channel_name == NULL || strlcpy(out->channel_name,
	    where->channel_name, sizeof(out->channel_name)) >=
	    sizeof(out->channel_name))
		return "its channel's name is malformed";
	if (!json_is_integer(json_object_get(post, "create_at")) ||
	    mm_integer(post, "create_at", &created) == -1 || created <= 0)
		return "its time is impossible";
	(void)strlcpy(out->post_id, id, sizeof(out->post_id));
	(void)strlcpy(out->root_id, root, sizeof(out->root_id));
	(void)strlcpy(out->user_id, user, sizeof(out->user_id));
	(void)strlcpy(out->channel_id, channel, sizeof(out->channel_id));
	(void)strlcpy(out->team_id, where->team_id, sizeof(out->team_id));
	out->channel_type = (uint8_t)where->channel_type[0];
	out->create_at = created;
	return NULL;
}

enum mm_verdict
mm_judge_post(json_t *post, const struct mm_where *where,
    const struct mm_self *self, struct msg_command *out, const char **why)
{
	const char	*user, *text;
	int		 is_direct;

	*why = "";
	user = mm_string(post, "user_id");
	if (user != NULL && strcmp(user, self->bot_id) == 0)
		return MM_OWN;
	is_direct = where->channel_type != NULL &&
	    strcmp(where->channel_type, "D") == 0;
	text = mm_string(post, "message");
	if (text == NULL || *text == '\0' ||
	    (!is_direct && !mm_is_addressed(text, self)))
		return MM_CHAT;

	if (user == NULL || !text_is_id(user)) {
		*why = "its author is malformed";
		return MM_REFUSED;
	}
	if ((*why = provenance(post)) != NULL)
		return MM_REFUSED;
	if (strlcpy(out->text, text, sizeof(out->text)) >=
	    sizeof(out->text)) {
		*why = "it is longer than a command may be";
		return MM_REFUSED;
	}
	if ((*why = fill_command(post, where, user, out)) != NULL)
		return MM_REFUSED;
	if (is_direct && !is_direct_between(out->channel_name, self->bot_id,
	    user)) {
		*why = "its author is not the other side of that direct "
		    "channel";
		return MM_REFUSED;
	}
	*why = "";
	return MM_COMMAND;
}

enum mm_verdict
mm_judge_posted(const struct mm_envelope *env, json_t *post,
    const struct mm_self *self, struct msg_command *out, const char **why)
{
	struct mm_where	 where;

	where.channel_id = mm_string(env->broadcast, "channel_id");
	where.channel_name = mm_string(env->data, "channel_name");
	where.channel_type = mm_string(env->data, "channel_type");
	where.team_id = mm_string(env->data, "team_id");
	return mm_judge_post(post, &where, self, out, why);
}

static int
is_emoji(const char *s)
{
	size_t	 n;

	n = strspn(s, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-");
	return n > 0 && n < EMOJI_SIZE && s[n] == '\0';
}

static int
fill_reaction(const json_t *r, const char *channel,
    const struct mm_self *self, struct msg_reaction *out)
{
	const char	*user, *post, *emoji, *remote, *named;

	user = mm_string(r, "user_id");
	post = mm_string(r, "post_id");
	emoji = mm_string(r, "emoji_name");
	remote = mm_string(r, "remote_id");
	named = mm_string(r, "channel_id");
	if (user == NULL || !text_is_id(user) || post == NULL ||
	    !text_is_id(post) || emoji == NULL || !is_emoji(emoji) ||
	    channel == NULL || !text_is_id(channel))
		return -1;
	/* another server's users have no say here */
	if (remote == NULL || *remote != '\0')
		return -1;
	if (named == NULL || (*named != '\0' && strcmp(named, channel) != 0))
		return -1;
	if (strcmp(user, self->bot_id) == 0)
		return -1;
	(void)strlcpy(out->user_id, user, sizeof(out->user_id));
	(void)strlcpy(out->post_id, post, sizeof(out->post_id));
	(void)strlcpy(out->channel_id, channel, sizeof(out->channel_id));
	(void)strlcpy(out->emoji, emoji, sizeof(out->emoji));
	return 0;
}

int
mm_reaction(const struct mm_envelope *env, const struct mm_self *self,
    struct msg_reaction *out)
{
	json_t	*reaction;
	int	 r;

	memset(out, 0, sizeof(*out));
	if (strcmp(env->event, "reaction_added") == 0)
		out->added = 1;
	else if (strcmp(env->event, "reaction_removed") != 0)
		return -1;
	reaction = mm_inner(env->data, "reaction");
	r = fill_reaction(reaction, mm_string(env->broadcast, "channel_id"),
	    self, out);
	json_decref(reaction);
	return r;
}

const char *
mm_removed_channel(const struct mm_envelope *env, const struct mm_self *self)
{
	const char	*user, *channel;

	if (strcmp(env->event, "user_removed") != 0)
		return NULL;
	user = mm_string(env->data, "user_id");
	if (user != NULL && *user != '\0') {
		/* what the members that stay are told */
		if (strcmp(user, self->bot_id) != 0)
			return NULL;
		channel = mm_string(env->broadcast, "channel_id");
	} else {
		/* what the one who was removed is told */
		user = mm_string(env->broadcast, "user_id");
		if (user == NULL || strcmp(user, self->bot_id) != 0)
			return NULL;
		channel = mm_string(env->data, "channel_id");
	}
	return channel != NULL && text_is_id(channel) ? channel : NULL;
}
