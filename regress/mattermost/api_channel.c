/*
 * REST: channels.
 */
#include "mattermost.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Publishes the channel and says it in the channel. */
static void
channel_changed(struct channel *c)
{
	struct audience	 a = { 0 };
	json_t		*j;
	char		*text;

	j = channel_json(c);
	text = text_json(j, NULL);
	json_decref(j);
	a.channel_id = c->id;
	hub_publish("channel_updated", json_pack("{s:s}", "channel", text),
	    &a);
	free(text);
}

static void	 channel_say(struct http_req *, struct channel *, const char *,
		    json_t *, const char *, ...)
		    __attribute__((__format__(printf, 5, 6)));

/* Takes props. */
static void
channel_say(struct http_req *req, struct channel *c, const char *type,
    json_t *props, const char *fmt, ...)
{
	va_list	 ap;
	char	*text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) == -1)
		err(1, NULL);
	va_end(ap);
	json_object_set_new(props, "username",
	    json_string(req->user->username));
	(void)post_system(req->user, c, type, text, props);
	free(text);
}

static int
is_channel_name(const char *s)
{
	size_t	 len;

	if (!text_is_name(s, "_-", mm.opt.is_11 ? 1 : 2, 64))
		return 0;
	len = strlen(s);
	if (*s == '_' || *s == '-')
		return 0;
	if (!mm.opt.is_11 && (s[len - 1] == '_' || s[len - 1] == '-'))
		return 0;
	return !(len == 2 * MM_ID_LEN + 2 && strncmp(s + MM_ID_LEN, "__", 2)
	    == 0);
}

/* NULL: it may be; else what is wrong. */
static const struct apperr *
channel_name_error(const struct team *t, const struct channel *self,
    const char *name, const char *display)
{
	static const struct apperr bad_name = { 400,
	    "model.channel.is_valid.2_or_more.app_error",
	    "Name must be 2 or more lowercase alphanumeric characters." };
	static const struct apperr bad_display = { 400,
	    "model.channel.is_valid.display_name.app_error",
	    "Invalid display name." };
	static const struct apperr taken = { 400,
	    "store.sql_channel.save_channel.exists.app_error",
	    "A channel with that name already exists on the same team." };
	struct channel	*other;

	if (name != NULL && !is_channel_name(name))
		return &bad_name;
	if (display != NULL && text_runes(display, strlen(display)) > 64)
		return &bad_display;
	if (name != NULL && (other = channel_by_name(t, name)) != NULL &&
	    other != self)
		return &taken;
	return NULL;
}

static void
channel_create(struct http_req *req)
{
	const char		*name = text_str(req->json, "name", "");
	const char		*display;
	const char		*type = text_str(req->json, "type", "");
	const struct apperr	*e;
	struct audience		 a = { 0 };
	struct channel		*c;
	struct team		*t;

	display = text_str(req->json, "display_name", name);
	t = team_by_id(text_str(req->json, "team_id", NULL));
	if (t == NULL || (strcmp(type, "O") != 0 && strcmp(type, "P") != 0)) {
		api_bad_body(req, "channel");
		return;
	}
	if (member_find(&t->members, req->user) == NULL &&
	    !is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	if ((e = channel_name_error(t, NULL, name, display)) != NULL) {
		api_apperr(req, e);
		return;
	}
	c = channel_new(t, name, display, *type);
	(void)text_copy(c->header, sizeof(c->header), req->json, "header");
	(void)text_copy(c->purpose, sizeof(c->purpose), req->json, "purpose");
	strlcpy(c->creator_id, req->user->id, sizeof(c->creator_id));
	member_add(&c->members, req->user)->is_admin = 1;
	hub_invalidate(req->user);
	a.user_id = req->user->id;
	hub_publish("channel_created", json_pack("{s:s,s:s}", "channel_id",
	    c->id, "team_id", t->id), &a);
	api_json(req, 201, channel_json(c));
}

static void
channel_create_direct(struct http_req *req)
{
	struct user	*u[2];
	struct channel	*c;
	struct audience	 a = { 0 };
	size_t		 i;
	int		 is_new;

	if (!json_is_array(req->json) || json_array_size(req->json) != 2) {
		api_bad_body(req, "user_ids");
		return;
	}
	for (i = 0; i < 2; i++)
		if ((u[i] = user_by_id(json_string_value(json_array_get(
		    req->json, i)))) == NULL) {
			api_bad_body(req, "user_id");
			return;
		}
	if (u[0] != req->user && u[1] != req->user && !is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	c = channel_direct(u[0], u[1], &is_new);
	if (is_new) {
		hub_invalidate(u[0]);
		hub_invalidate(u[1]);
		a.channel_id = c->id;
		hub_publish("direct_added", json_pack("{s:s,s:s}",
		    "creator_id", u[0]->id, "teammate_id", u[1]->id), &a);
	}
	api_json(req, 201, channel_json(c));
}

static void
channel_create_group(struct http_req *req)
{
	struct user	*u[8];
	struct channel	*c;
	struct audience	 a = { 0 };
	json_t		*v;
	char		*ids;
	size_t		 i, n = json_array_size(req->json);
	int		 is_new, has_me = 0;

	if (n < 3 || n > nitems(u)) {
		api_error(req, 400,
		    "api.channel.create_group.bad_size.app_error",
		    "Group message channels must contain at least 3 and no "
		    "more than 8 users.");
		return;
	}
	json_array_foreach(req->json, i, v) {
		if ((u[i] = user_by_id(json_string_value(v))) == NULL) {
			api_bad_body(req, "user_ids");
			return;
		}
		has_me |= u[i] == req->user;
	}
	if (!has_me && !is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	c = channel_group(u, n, &is_new);
	if (is_new) {
		for (i = 0; i < n; i++)
			hub_invalidate(u[i]);
		ids = text_json(req->json, NULL);
		a.channel_id = c->id;
		hub_publish("group_added", json_pack("{s:s}", "teammate_ids",
		    ids), &a);
		free(ids);
	}
	api_json(req, 201, channel_json(c));
}

static void
channel_get(struct http_req *req)
{
	struct channel	*c;

	if ((c = api_channel(req, 0)) == NULL)
		return;
	if (!may_read(req->user, c))
		api_forbidden(req);
	else
		api_json(req, 200, channel_json(c));
}

/* A private one that is not ours does not exist. */
static void
channel_by_name_reply(struct http_req *req, struct team *t, const char *name)
{
	const char	*deleted = http_query(req, "include_deleted");
	struct channel	*c;

	c = t == NULL ? NULL : channel_by_name(t, name);
	if (c != NULL && c->delete_at != 0 &&
	    (deleted == NULL || strcmp(deleted, "true") != 0))
		c = NULL;
	if (c == NULL || !may_read(req->user, c)) {
		api_error(req, 404, "app.channel.get_by_name.missing.app_error",
		    "Channel does not exist.");
		return;
	}
	api_json(req, 200, channel_json(c));
}

static void
channel_get_name(struct http_req *req)
{
	struct team	*t;

	if ((t = api_team(req, 0)) != NULL)
		channel_by_name_reply(req, t, req->param[1]);
}

static void
channel_get_names(struct http_req *req)
{
	channel_by_name_reply(req, team_by_name(req->param[0]),
	    req->param[1]);
}

/* Sorted by display name, those without a team too. */
static int
display_compare(const void *a, const void *b)
{
	struct channel *const *x = a, *const *y = b;

	return strcmp((*x)->display_name, (*y)->display_name);
}

static void
channel_mine(struct http_req *req)
{
	struct channel	*c, **list = NULL, **p;
	struct team	*t;
	struct user	*u;
	json_t		*out;
	size_t		 i, n = 0;

	if ((u = api_user(req, 0)) == NULL || (t = api_team(req, 1)) == NULL)
		return;
	if (u != req->user && !is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	TAILQ_FOREACH(c, &mm.channels, entry) {
		if ((c->team != NULL && c->team != t) || c->delete_at != 0 ||
		    member_find(&c->members, u) == NULL)
			continue;
		if ((p = reallocarray(list, n + 1, sizeof(*p))) == NULL)
			err(1, NULL);
		list = p;
		list[n++] = c;
	}
	if (n > 0)
		qsort(list, n, sizeof(*list), display_compare);
	out = json_array();
	for (i = 0; i < n; i++)
		json_array_append_new(out, channel_json(list[i]));
	free(list);
	api_json(req, 200, out);
}

static void
channel_set_text(struct http_req *req, struct channel *c, const char *key,
    char *field, size_t size)
{
	const char	*s = text_str(req->json, key, NULL);
	char		 old[4100], type[32];

	if (s == NULL || strcmp(s, field) == 0)
		return;
	strlcpy(old, field, sizeof(old));
	strlcpy(field, s, size);
	(void)snprintf(type, sizeof(type), "system_%s_change", key);
	channel_changed(c);
	if (*old == '\0')
		channel_say(req, c, type, json_pack("{s:s,s:s}", "old_header",
		    old, "new_header", s), "%s updated the channel %s to: %s",
		    req->user->username, key, s);
	else
		channel_say(req, c, type, json_pack("{s:s,s:s}", "old_header",
		    old, "new_header", s),
		    "%s updated the channel %s from: %s to: %s",
		    req->user->username, key, old, s);
}

static void
channel_rename(struct http_req *req, struct channel *c, const char *name,
    const char *display)
{
	char	 old[260];

	strlcpy(old, c->display_name, sizeof(old));
	if (name != NULL)
		strlcpy(c->name, name, sizeof(c->name));
	if (display != NULL)
		strlcpy(c->display_name, display, sizeof(c->display_name));
	channel_changed(c);
	if (strcmp(old, c->display_name) != 0)
		channel_say(req, c, "system_displayname_change",
		    json_pack("{s:s,s:s}", "new_displayname",
		    c->display_name, "old_displayname", old),
		    "%s updated the channel display name from: %s to: %s",
		    req->user->username, old, c->display_name);
}

static void
channel_patch(struct http_req *req)
{
	const char		*name, *display, *s;
	const struct apperr	*e;
	struct channel		*c;

	if ((c = api_channel(req, 0)) == NULL)
		return;
	if (member_find(&c->members, req->user) == NULL &&
	    !is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	name = text_str(req->json, "name", NULL);
	display = text_str(req->json, "display_name", NULL);
	s = text_str(req->json, "header", "");
	if (text_runes(s, strlen(s)) > 1024) {
		api_error(req, 400, "model.channel.is_valid.header.app_error",
		    "Invalid header.");
		return;
	}
	s = text_str(req->json, "purpose", "");
	if (text_runes(s, strlen(s)) > 250) {
		api_error(req, 400, "model.channel.is_valid.purpose.app_error",
		    "Invalid purpose.");
		return;
	}
	if ((e = channel_name_error(c->team, c, name, display)) != NULL) {
		api_apperr(req, e);
		return;
	}
	c->update_at = clock_ms();
	if (name != NULL || display != NULL)
		channel_rename(req, c, name, display);
	channel_set_text(req, c, "header", c->header, sizeof(c->header));
	channel_set_text(req, c, "purpose", c->purpose, sizeof(c->purpose));
	api_json(req, 200, channel_json(c));
}

static void
channel_privacy(struct http_req *req)
{
	const char	*to = text_str(req->json, "privacy", "");
	struct audience	 a = { 0 };
	struct channel	*c;

	if ((c = api_channel(req, 0)) == NULL)
		return;
	if ((strcmp(to, "O") != 0 && strcmp(to, "P") != 0) ||
	    c->team == NULL) {
		api_bad_body(req, "privacy");
		return;
	}
	if (!is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	c->type = *to;
	c->update_at = clock_ms();
	channel_changed(c);
	channel_say(req, c, "system_change_chan_privacy", json_object(),
	    "This channel has been converted to a %s Channel%s",
	    *to == 'P' ? "Private" : "Public", *to == 'P' ? "." :
	    " and can be joined by any team member.");
	a.team_id = c->team->id;
	hub_publish("channel_converted", json_pack("{s:s}", "channel_id",
	    c->id), &a);
	api_json(req, 200, channel_json(c));
}

/* 5.37 tells the whole team even of a private channel. */
static struct audience
channel_audience(const struct channel *c)
{
	struct audience	 a = { 0 };

	if (mm.opt.is_11 && c->type != 'O')
		a.channel_id = c->id;
	else
		a.team_id = c->team->id;
	return a;
}

static void
channel_archive(struct http_req *req)
{
	struct audience	 a;
	struct channel	*c;

	if ((c = api_channel(req, 0)) == NULL)
		return;
	if (c->team == NULL || strcmp(c->name, "town-square") == 0) {
		api_error(req, 400,
		    "api.channel.delete_channel.type.invalid",
		    "Unable to delete direct or group message channels");
		return;
	}
	if (member_find(&c->members, req->user) == NULL &&
	    !is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	channel_say(req, c, "system_channel_deleted", json_object(),
	    "%s archived the channel.", req->user->username);
	c->delete_at = c->update_at = clock_ms();
	a = channel_audience(c);
	hub_publish("channel_deleted", json_pack("{s:s,s:I}", "channel_id",
	    c->id, "delete_at", (json_int_t)c->delete_at), &a);
	api_ok(req);
}

static void
channel_restore(struct http_req *req)
{
	struct audience	 a;
	struct channel	*c;
	json_t		*answer;

	if ((c = api_channel(req, 0)) == NULL)
		return;
	if (!is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	if (c->delete_at == 0) {
		api_error(req, 400,
		    "api.channel.restore_channel.restored.app_error",
		    "Unable to unarchive channel. The channel is not "
		    "archived.");
		return;
	}
	c->delete_at = 0;
	c->update_at = clock_ms();
	a = channel_audience(c);
	hub_publish("channel_restored", json_pack("{s:s}", "channel_id",
	    c->id), &a);
	answer = channel_json(c);
	channel_say(req, c, "system_channel_restored", json_object(),
	    "%s unarchived the channel.", req->user->username);
	api_json(req, 200, answer);
}

const struct route api_channel_routes[] = {
	{ "POST", "channels", channel_create, 0 },
	{ "POST", "channels/direct", channel_create_direct, 0 },
	{ "POST", "channels/group", channel_create_group, 0 },
	{ "GET", "channels/:channel_id", channel_get, 0 },
	{ "PUT", "channels/:channel_id/patch", channel_patch, 0 },
	{ "PUT", "channels/:channel_id/privacy", channel_privacy, 0 },
	{ "DELETE", "channels/:channel_id", channel_archive, 0 },
	{ "POST", "channels/:channel_id/restore", channel_restore, 0 },
	{ "GET", "teams/:team_id/channels/name/:name", channel_get_name, 0 },
	{ "GET", "teams/name/:team/channels/name/:name", channel_get_names,
	    0 },
	{ "GET", "users/:user_id/teams/:team_id/channels", channel_mine, 0 },
	{ NULL, NULL, NULL, 0 }
};
