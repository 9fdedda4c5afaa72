/*
 * Posts: making, changing, deleting, reacting, and the events of it.
 */
#include "mattermost.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROPS_MAX	8000
#define PROPS_MAX_11	800000
#define FILE_IDS_MAX	300

static json_t *
post_metadata(const struct post *p)
{
	struct reaction	*r;
	struct file	*f;
	json_t		*m = json_object(), *list, *v;
	size_t		 i;

	if (p->delete_at != 0)
		return m;
	if (json_is_array(json_object_get(p->props, "attachments")))
		json_object_set_new(m, "embeds", json_pack("[{s:s}]", "type",
		    "message_attachment"));
	if (json_array_size(p->file_ids) > 0) {
		list = json_array();
		json_array_foreach(p->file_ids, i, v)
			if ((f = file_by_id(json_string_value(v))) != NULL)
				json_array_append_new(list, file_json(f));
		json_object_set_new(m, "files", list);
	}
	if (!TAILQ_EMPTY(&p->reactions)) {
		list = json_array();
		TAILQ_FOREACH(r, &p->reactions, entry)
			json_array_append_new(list, reaction_json(p, r));
		json_object_set_new(m, "reactions", list);
	}
	return m;
}

static int64_t
post_replies(const struct post *p)
{
	const char	*root = p->root_id[0] != '\0' ? p->root_id : p->id;
	struct post	*q;
	int64_t		 n = 0;

	TAILQ_FOREACH(q, &p->channel->posts, entry)
		if (q->delete_at == 0 && strcmp(q->root_id, root) == 0)
			n++;
	return n;
}

/* Words that begin with # and a letter, at least three long. */
static json_t *
post_hashtags(const struct post *p)
{
	const char	*s = json_string_value(p->message);
	char		 tags[1001] = "", word[1001];
	size_t		 len;

	for (; *s != '\0'; s += len) {
		s += strspn(s, " \t\r\n");
		len = strcspn(s, " \t\r\n");
		if (*s != '#' || len < 3 || len >= sizeof(word) ||
		    strspn(s + 1, "0123456789#") != 0)
			continue;
		memcpy(word, s, len);
		word[len] = '\0';
		if (strlen(tags) + len + 2 > sizeof(tags))
			break;
		if (*tags != '\0')
			strlcat(tags, " ", sizeof(tags));
		strlcat(tags, word, sizeof(tags));
	}
	return json_string(tags);
}

/* A deleted post is shown without its text and files. */
json_t *
post_json(const struct post *p, int with_metadata)
{
	json_t	*j;

	j = json_pack("{s:s,s:I,s:I,s:I,s:I,s:b,s:s,s:s,s:s}", "id", p->id,
	    "create_at", (json_int_t)p->create_at,
	    "update_at", (json_int_t)p->update_at,
	    "edit_at", (json_int_t)p->edit_at,
	    "delete_at", (json_int_t)p->delete_at,
	    "is_pinned", p->is_pinned, "user_id", p->user_id,
	    "channel_id", p->channel->id, "root_id", p->root_id);
	if (!mm.opt.is_11)
		json_object_set_new(j, "parent_id", json_string(p->root_id));
	json_object_set_new(j, "original_id", json_string(p->original_id));
	json_object_set_new(j, "message", p->delete_at != 0 ?
	    json_string("") : json_incref(p->message));
	if (p->message_source != NULL)
		json_object_set(j, "message_source", p->message_source);
	json_object_set_new(j, "type", json_string(p->type));
	json_object_set(j, "props", p->props);
	json_object_set_new(j, "hashtags", post_hashtags(p));
	if (json_array_size(p->file_ids) > 0 && p->delete_at == 0)
		json_object_set(j, "file_ids", p->file_ids);
	else if (mm.opt.is_11)
		json_object_set_new(j, "file_ids", json_null());
	json_object_set_new(j, "pending_post_id", json_string(""));
	if (p->has_reactions)
		json_object_set_new(j, "has_reactions", json_true());
	if (p->remote_id[0] != '\0')
		json_object_set_new(j, "remote_id", json_string(p->remote_id));
	json_object_set_new(j, "reply_count", json_integer(post_replies(p)));
	json_object_set_new(j, "last_reply_at", json_integer(0));
	json_object_set_new(j, "participants", p->participants == NULL ?
	    json_null() : json_incref(p->participants));
	if (with_metadata)
		json_object_set_new(j, "metadata", post_metadata(p));
	return j;
}

/* An event whose data is the post alone. */
void
post_publish(const char *event, struct post *p, const char *pending)
{
	struct audience	 a = { 0 };
	json_t		*j = post_json(p, 1);
	char		*text;

	if (pending != NULL)
		json_object_set_new(j, "pending_post_id",
		    json_string(pending));
	if (strcmp(event, "post_deleted") == 0)
		json_object_set_new(j, "reply_count", json_integer(0));
	text = text_json(j, NULL);
	json_decref(j);
	a.channel_id = p->channel->id;
	hub_publish(event, json_pack("{s:s}", "post", text), &a);
	free(text);
}

static json_t *
post_sender(const struct post *p, const struct user *author)
{
	const char	*name = text_str(p->props, "override_username", NULL);
	char		 at[66];

	if (strncmp(p->type, "system_", 7) == 0)
		return json_string("System");
	if (name != NULL && strcmp(text_str(p->props, "from_webhook", ""),
	    "true") == 0)
		return json_string(name);
	(void)snprintf(at, sizeof(at), "@%s", author->username);
	return json_string(at);
}

static json_t *
post_mentions(const struct post *p, const struct user *author)
{
	const char	*added = text_str(p->props, "addedUserId", NULL);

	if (strcmp(p->type, "system_add_to_channel") == 0 && added != NULL)
		return json_pack("[s]", added);
	if (strcmp(p->type, "system_header_change") == 0 ||
	    strcmp(p->type, "system_purpose_change") == 0)
		return NULL;
	return mention_find(p->channel, author,
	    json_string_value(p->message));
}

/* Keys in a Go map's order. */
static json_t *
posted_data(struct post *p, const struct user *author, const char *pending,
    int set_online)
{
	const struct channel	*c = p->channel;
	json_t			*d = json_object(), *post, *m, *f;
	char			*text, at[66], type[2] = { c->type, '\0' };
	const char		*mime;

	(void)snprintf(at, sizeof(at), "@%s", author->username);
	json_object_set_new(d, "channel_display_name",
	    json_string(c->type == 'D' ? at : c->display_name));
	json_object_set_new(d, "channel_name", json_string(c->name));
	json_object_set_new(d, "channel_type", json_string(type));
	post = post_json(p, 1);
	json_object_set_new(post, "pending_post_id", json_string(pending));
	if ((f = json_object_get(json_object_get(post, "metadata"), "files"))
	    != NULL) {
		mime = text_str(json_array_get(f, 0), "mime_type", "");
		if (strncmp(mime, "image/", 6) == 0)
			json_object_set_new(d, "image", json_string("true"));
	}
	if ((m = post_mentions(p, author)) != NULL) {
		text = text_json(m, NULL);
		json_object_set_new(d, "mentions", json_string(text));
		free(text);
		json_decref(m);
	}
	if (f != NULL)
		json_object_set_new(d, "otherFile", json_string("true"));
	text = text_json(post, NULL);
	json_decref(post);
	json_object_set_new(d, "post", json_string(text));
	free(text);
	json_object_set_new(d, "sender_name", post_sender(p, author));
	json_object_set_new(d, "set_online", json_boolean(set_online));
	json_object_set_new(d, "team_id", json_string(c->team == NULL ? "" :
	    c->team->id));
	return d;
}

/* over: members of the event's data to be replaced, or NULL. */
void
post_publish_new(struct post *p, const struct user *author,
    const char *pending, int set_online, const json_t *over)
{
	struct audience	 a = { 0 };
	json_t		*d;

	/* An error in the real pipeline loses the event, not the post. */
	if (mm.opt.mute_posted)
		return;
	d = posted_data(p, author, pending, set_online);
	if (over != NULL)
		json_object_update(d, (json_t *)(uintptr_t)over);
	a.channel_id = p->channel->id;
	hub_publish("posted", d, &a);
}

static void
post_count(struct post *p)
{
	struct channel	*c = p->channel;
	struct member	*m;

	if (p->create_at > c->last_post_at)
		c->last_post_at = p->create_at;
	if (strcmp(p->type, "system_join_channel") == 0 ||
	    strcmp(p->type, "system_leave_channel") == 0)
		return;
	c->total++;
	if (p->root_id[0] == '\0')
		c->total_root++;
	/* Who writes has seen what is there. */
	TAILQ_FOREACH(m, &c->members, entry)
		if (strcmp(m->user->id, p->user_id) == 0) {
			m->last_viewed = p->create_at;
			m->msg_count = c->total;
			m->mention_count = 0;
		}
}

/* A message of the server under a user's name; takes props. */
struct post *
post_system(struct user *by, struct channel *c, const char *type,
    const char *text, json_t *props)
{
	struct post	*p = post_new(c);

	strlcpy(p->user_id, by->id, sizeof(p->user_id));
	strlcpy(p->type, type, sizeof(p->type));
	p->message = json_string(text);
	p->props = text_sorted(props);
	json_decref(props);
	p->file_ids = json_array();
	p->create_at = p->update_at = clock_ms();
	post_count(p);
	post_publish_new(p, by, "", 1, NULL);
	return p;
}

static int
fail(struct apperr *e, int status, const char *id, const char *message)
{
	e->status = status;
	e->id = id;
	e->message = message;
	return -1;
}

static int
type_allowed(const char *type)
{
	static const char *const types[] = { "", "me", "slack_attachment",
	    "add_bot_teams_channels", "warn_metric_status" };
	size_t	 i;

	if (mm.opt.is_11 && strcmp(type, "warn_metric_status") == 0)
		return 0;
	if (strncmp(type, "custom_", 7) == 0)
		return strlen(type) <= 26;
	if (mm.opt.is_11 && strcmp(type, "reminder") == 0)
		return 1;
	for (i = 0; i < nitems(types); i++)
		if (strcmp(type, types[i]) == 0)
			return 1;
	return 0;
}

/* Limits are in code points, not bytes. */
static int
check_limits(const json_t *message, const json_t *props, const json_t *files,
    struct apperr *e)
{
	char	*text;
	size_t	 len, n, max = mm.opt.is_11 ? PROPS_MAX_11 : PROPS_MAX;

	if (strlen(json_string_value(message)) != json_string_length(message))
		return fail(e, 500, "app.post.save.app_error",
		    "Unable to save the Post.");
	n = text_runes(json_string_value(message),
	    json_string_length(message));
	if ((int64_t)n > mm.opt.max_post)
		return fail(e, 400, mm.opt.is_11 ?
		    "model.post.is_valid.message_length.app_error" :
		    "model.post.is_valid.msg.app_error", "Invalid message.");
	if (files != NULL) {
		text = text_json(files, &len);
		free(text);
		if (len > FILE_IDS_MAX)
			return fail(e, 400,
			    "model.post.is_valid.file_ids.app_error",
			    "Invalid file ids. Note that uploads are limited "
			    "to 5 files maximum.");
	}
	text = text_json(props, &len);
	n = text_runes(text, len);
	free(text);
	if (n > max)
		return fail(e, 400, "model.post.is_valid.props.app_error",
		    "Invalid props.");
	return 0;
}

static int
check_root(const struct channel *c, const char *root_id, struct apperr *e)
{
	struct post	*root;

	if (*root_id == '\0')
		return 0;
	root = post_by_id(root_id);
	if (root == NULL || root->delete_at != 0 || root->root_id[0] != '\0')
		return fail(e, 400, "api.post.create_post.root_id.app_error",
		    "Invalid RootId parameter.");
	if (root->channel != c)
		return fail(e, 400,
		    "api.post.create_post.channel_root_id.app_error",
		    "Invalid ChannelId for RootId parameter.");
	return 0;
}

/* An attachment as the server writes it back: every member, in order. */
static void
normal_attachments(json_t *props)
{
	static const char *const text[] = { "fallback", "color", "pretext",
	    "author_name", "author_link", "author_icon", "title",
	    "title_link", "text", "fields", "image_url", "thumb_url",
	    "footer", "footer_icon", "ts" };
	json_t	*list = json_object_get(props, "attachments"), *v, *one, *x;
	size_t	 i, k;

	if (!json_is_array(list))
		return;
	json_array_foreach(list, i, v) {
		one = json_pack("{s:i}", "id", 0);
		for (k = 0; k < nitems(text); k++) {
			x = json_object_get(v, text[k]);
			if (x == NULL)
				x = strcmp(text[k], "fields") == 0 ||
				    strcmp(text[k], "ts") == 0 ?
				    json_null() : json_string("");
			else
				json_incref(x);
			json_object_set_new(one, text[k], x);
		}
		if ((x = json_object_get(v, "actions")) != NULL)
			json_object_set(one, "actions", x);
		json_array_set_new(list, i, one);
	}
}

static json_t *
normal_props(const json_t *from, const struct user *author)
{
	json_t	*props, *sorted;

	props = json_is_object(from) ? json_copy((json_t *)(uintptr_t)from) :
	    json_object();
	json_object_del(props, "add_channel_member");
	if (mm.opt.is_11)
		json_object_del(props, "force_notification");
	if (author != NULL && author->is_bot)
		json_object_set_new(props, "from_bot", json_string("true"));
	sorted = text_sorted(props);
	json_decref(props);
	normal_attachments(sorted);
	return sorted;
}

/* Only what the author uploaded and nothing has yet comes along. */
static json_t *
attach_files(const struct post *p, const struct user *author,
    const json_t *ids)
{
	struct file	*f;
	json_t		*out = json_array(), *v;
	size_t		 i;

	json_array_foreach(ids, i, v) {
		f = file_by_id(json_string_value(v));
		if (f == NULL || f->user != author || f->post_id[0] != '\0')
			continue;
		strlcpy(f->post_id, p->id, sizeof(f->post_id));
		json_array_append(out, v);
	}
	return out;
}

/* What 5.37 lets a client set; 11.6 clears the first three. */
static void
take_fields(struct post *p, const json_t *j)
{
	if (!mm.opt.is_11) {
		(void)text_copy(p->remote_id, sizeof(p->remote_id), j,
		    "remote_id");
		if (p->remote_id[0] != '\0' &&
		    *text_str(j, "id", "") != '\0')
			(void)text_copy(p->id, sizeof(p->id), j, "id");
		p->delete_at = text_int(j, "delete_at", 0);
	}
	p->edit_at = text_int(j, "edit_at", 0);
	p->is_pinned = text_bool(j, "is_pinned", 0);
	p->has_reactions = text_bool(j, "has_reactions", 0);
	p->message_source = json_incref(json_object_get(j, "message_source"));
	p->participants = json_incref(json_object_get(j, "participants"));
}

static int
check_new(const struct channel *c, const json_t *j, const json_t *message,
    const json_t *props, struct apperr *e)
{
	const char	*id = text_str(j, "id", "");

	if (check_root(c, text_str(j, "root_id", ""), e) == -1)
		return -1;
	if (!type_allowed(text_str(j, "type", "")))
		return fail(e, 400, "model.post.is_valid.type.app_error",
		    "Invalid type.");
	if (*id != '\0' && !mm.opt.is_11 &&
	    (*text_str(j, "remote_id", "") == '\0' || post_by_id(id) != NULL))
		return fail(e, 400, "app.post.save.existing.app_error",
		    "You cannot update an existing Post.");
	if (*id != '\0' && !mm.opt.is_11 && !text_is_id(id))
		return fail(e, 400, "model.post.is_valid.id.app_error",
		    "Invalid Id.");
	return check_limits(message, props, json_object_get(j, "file_ids"),
	    e);
}

/*
 * A post of the author from a client's JSON, stored, not yet published.
 * NULL: *e says why.  The caller checked who may post there.
 */
struct post *
post_create(struct user *author, struct channel *c, const json_t *j,
    struct apperr *e)
{
	struct post	*p, *root;
	json_t		*message, *props;

	message = json_object_get(j, "message");
	message = json_is_string(message) ? json_incref(message) :
	    json_string("");
	props = normal_props(json_object_get(j, "props"), author);
	if (check_new(c, j, message, props, e) == -1) {
		json_decref(message);
		json_decref(props);
		return NULL;
	}
	p = post_new(c);
	take_fields(p, j);
	strlcpy(p->user_id, author->id, sizeof(p->user_id));
	(void)text_copy(p->root_id, sizeof(p->root_id), j, "root_id");
	(void)text_copy(p->type, sizeof(p->type), j, "type");
	p->message = message;
	p->props = props;
	if (p->type[0] == '\0' && json_is_array(json_object_get(props,
	    "attachments")) && text_bool(j, "is_hook", 0))
		strlcpy(p->type, "slack_attachment", sizeof(p->type));
	p->create_at = is_admin(author) ? text_int(j, "create_at", 0) : 0;
	if (p->create_at == 0)
		p->create_at = clock_ms();
	p->update_at = p->create_at;
	p->file_ids = attach_files(p, author, json_object_get(j, "file_ids"));
	if ((root = post_by_id(p->root_id)) != NULL)
		root->update_at = root->last_reply_at = clock_ms();
	post_count(p);
	return p;
}

/* The text before an edit stays behind as a deleted copy. */
static void
keep_copy(struct post *p, int64_t now)
{
	struct post	*old = post_new(p->channel);

	strlcpy(old->user_id, p->user_id, sizeof(old->user_id));
	strlcpy(old->root_id, p->root_id, sizeof(old->root_id));
	strlcpy(old->original_id, p->id, sizeof(old->original_id));
	strlcpy(old->type, p->type, sizeof(old->type));
	old->create_at = p->create_at;
	old->edit_at = p->edit_at;
	old->update_at = old->delete_at = now;
	old->message = json_incref(p->message);
	old->props = json_incref(p->props);
	old->file_ids = json_array();
}

/* 0, or -1 and *e.  Nobody is notified, whatever the text. */
int
post_patch(struct post *p, const json_t *j, struct apperr *e)
{
	json_t		*message, *props, *files;
	struct post	*root;
	int64_t		 now = clock_ms();

	message = json_object_get(j, "message");
	props = json_object_get(j, "props");
	props = json_is_object(props) ? normal_props(props, NULL) :
	    json_incref(p->props);
	if (check_limits(json_is_string(message) ? message : p->message,
	    props, NULL, e) == -1) {
		json_decref(props);
		return -1;
	}
	keep_copy(p, now);
	if (json_is_string(message) && !json_equal(message, p->message)) {
		json_decref(p->message);
		p->message = json_incref(message);
		p->edit_at = now;
	}
	json_decref(p->props);
	p->props = props;
	p->is_pinned = text_bool(j, "is_pinned", p->is_pinned);
	p->has_reactions = text_bool(j, "has_reactions", p->has_reactions);
	files = json_object_get(j, "file_ids");
	if (mm.opt.is_11 && json_is_array(files)) {
		json_decref(p->file_ids);
		p->file_ids = attach_files(p, user_by_id(p->user_id), files);
	}
	p->update_at = now;
	if ((root = post_by_id(p->root_id)) != NULL)
		root->update_at = now;
	return 0;
}

/* The event shows the post as it was; its replies go with it. */
void
post_delete(struct post *p, const struct user *by)
{
	struct post	*q;
	json_t		*props;
	int64_t		 now = clock_ms();

	post_publish("post_deleted", p, NULL);
	TAILQ_FOREACH(q, &p->channel->posts, entry) {
		if (q != p && strcmp(q->root_id, p->id) != 0)
			continue;
		if (q->delete_at == 0)
			q->delete_at = q->update_at = now;
	}
	props = json_copy(p->props);
	json_object_set_new(props, "deleteBy", json_string(by->id));
	json_decref(p->props);
	p->props = props;
}
