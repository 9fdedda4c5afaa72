/*
 * REST: who is in a channel.
 */
#include "mattermost.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
say_membership(struct user *by, struct channel *c, const char *type,
    const struct user *who, const char *text)
{
	json_t	*props;

	if (strcmp(type, "system_add_to_channel") == 0)
		props = json_pack("{s:s,s:s,s:s,s:s}", "addedUserId", who->id,
		    "addedUsername", who->username, "userId", by->id,
		    "username", by->username);
	else if (strcmp(type, "system_remove_from_channel") == 0)
		props = json_pack("{s:s,s:s}", "removedUserId", who->id,
		    "removedUsername", who->username);
	else
		props = json_pack("{s:s}", "username", who->username);
	(void)post_system(by, c, type, text, props);
}

static void
member_join(struct http_req *req, struct channel *c, struct user *u)
{
	struct audience	 a = { 0 };
	char		 text[260];

	(void)member_add(&c->members, u);
	hub_invalidate(u);
	a.channel_id = c->id;
	hub_publish("user_added", json_pack("{s:s,s:s}", "team_id",
	    c->team->id, "user_id", u->id), &a);
	if (u == req->user) {
		(void)snprintf(text, sizeof(text), "%s joined the channel.",
		    u->username);
		say_membership(u, c, "system_join_channel", u, text);
		return;
	}
	(void)snprintf(text, sizeof(text), "%s added to the channel by %s.",
	    u->username, req->user->username);
	say_membership(req->user, c, "system_add_to_channel", u, text);
}

static void
member_post(struct http_req *req)
{
	struct channel	*c;
	struct user	*u;

	if ((c = api_channel(req, 0)) == NULL)
		return;
	if ((u = user_by_id(text_str(req->json, "user_id", NULL))) == NULL) {
		api_bad_body(req, "user_id");
		return;
	}
	if (c->team == NULL) {
		api_error(req, 400,
		    "api.channel.add_user_to_channel.type.app_error",
		    "Can not add user to this channel type.");
		return;
	}
	if (!is_admin(req->user) &&
	    member_find(&c->members, req->user) == NULL &&
	    !(u == req->user && c->type == 'O' && may_read(u, c))) {
		api_forbidden(req);
		return;
	}
	if (member_find(&c->team->members, u) == NULL) {
		api_error(req, 404, "app.team.get_member.missing.app_error",
		    "Unable to find the team member.");
		return;
	}
	if (member_find(&c->members, u) == NULL)
		member_join(req, c, u);
	api_json(req, 201, channel_member_json(c,
	    member_find(&c->members, u)));
}

static void
member_leave(struct http_req *req, struct channel *c, struct member *m)
{
	struct user	*u = m->user;
	struct audience	 a = { 0 };
	char		 text[260];

	member_remove(&c->members, m);
	hub_invalidate(u);
	a.channel_id = c->id;
	hub_publish("user_removed", json_pack("{s:s,s:s}", "user_id", u->id,
	    "remover_id", req->user->id), &a);
	a.channel_id = NULL;
	a.user_id = u->id;
	hub_publish("user_removed", json_pack("{s:s,s:s}", "channel_id",
	    c->id, "remover_id", req->user->id), &a);
	if (u == req->user)
		(void)snprintf(text, sizeof(text), "%s left the channel.",
		    u->username);
	else
		(void)snprintf(text, sizeof(text),
		    "%s was removed from the channel.", u->username);
	say_membership(req->user, c, u == req->user ?
	    "system_leave_channel" : "system_remove_from_channel", u, text);
}

static void
member_delete(struct http_req *req)
{
	struct channel	*c;
	struct user	*u;
	struct member	*m;

	if ((c = api_channel(req, 0)) == NULL || (u = api_user(req, 1)) == NULL)
		return;
	if (c->team == NULL) {
		api_error(req, 400,
		    "api.channel.remove_channel_member.type.app_error",
		    "Unable to remove user from channel.");
		return;
	}
	if (u != req->user && !is_admin(req->user) &&
	    member_find(&c->members, req->user) == NULL) {
		api_forbidden(req);
		return;
	}
	if ((m = member_find(&c->members, u)) == NULL) {
		api_error(req, 404, "app.channel.get_member.missing.app_error",
		    "No channel member found for that user ID and channel ID.");
		return;
	}
	member_leave(req, c, m);
	api_ok(req);
}

/* 11.6 hides when others looked. */
static json_t *
member_json(struct http_req *req, struct channel *c, struct member *m)
{
	json_t	*j = channel_member_json(c, m);

	if (mm.opt.is_11 && m->user != req->user) {
		json_object_set_new(j, "last_viewed_at", json_integer(-1));
		json_object_set_new(j, "last_update_at", json_integer(-1));
	}
	return j;
}

static void
member_get(struct http_req *req)
{
	struct channel	*c;
	struct user	*u;
	struct member	*m;

	if ((c = api_channel(req, 0)) == NULL)
		return;
	if (strcmp(req->param[1], "me") != 0 && !text_is_id(req->param[1])) {
		api_bad_param(req, "user_id");
		return;
	}
	if (!may_read(req->user, c)) {
		api_forbidden(req);
		return;
	}
	u = strcmp(req->param[1], "me") == 0 ? req->user :
	    user_by_id(req->param[1]);
	if (u == NULL || (m = member_find(&c->members, u)) == NULL) {
		api_error(req, 404, "app.channel.get_member.missing.app_error",
		    "No channel member found for that user ID and channel ID.");
		return;
	}
	api_json(req, 200, member_json(req, c, m));
}

static void
member_list(struct http_req *req)
{
	struct channel	*c;
	struct member	*m;
	json_t		*out;
	int64_t		 page, per, i = 0;

	if ((c = api_channel(req, 0)) == NULL)
		return;
	if (!may_read(req->user, c)) {
		api_forbidden(req);
		return;
	}
	page = api_page(req, &per);
	out = json_array();
	TAILQ_FOREACH(m, &c->members, entry) {
		if (i >= page * per && i < (page + 1) * per)
			json_array_append_new(out, member_json(req, c, m));
		i++;
	}
	api_json(req, 200, out);
}

static void
member_ids(struct http_req *req)
{
	struct channel	*c;
	struct member	*m;
	struct user	*u;
	json_t		*out, *v;
	size_t		 i;

	if ((c = api_channel(req, 0)) == NULL)
		return;
	if (!json_is_array(req->json) || json_array_size(req->json) == 0) {
		api_bad_body(req, "user_ids");
		return;
	}
	if (!may_read(req->user, c)) {
		api_forbidden(req);
		return;
	}
	out = json_array();
	json_array_foreach(req->json, i, v)
		if ((u = user_by_id(json_string_value(v))) != NULL &&
		    (m = member_find(&c->members, u)) != NULL)
			json_array_append_new(out, member_json(req, c, m));
	api_json(req, 200, out);
}

const struct route api_member_routes[] = {
	{ "GET", "channels/:channel_id/members", member_list, 0 },
	{ "POST", "channels/:channel_id/members", member_post, 0 },
	{ "POST", "channels/:channel_id/members/ids", member_ids, 0 },
	{ "GET", "channels/:channel_id/members/:user_id", member_get, 0 },
	{ "DELETE", "channels/:channel_id/members/:user_id", member_delete,
	    0 },
	{ NULL, NULL, NULL, 0 }
};
