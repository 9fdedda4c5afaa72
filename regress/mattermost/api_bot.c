/*
 * REST: bots and personal access tokens.
 */
#include "mattermost.h"

#include <stdio.h>
#include <string.h>

static json_t *
bot_json(const struct user *u)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I}", "user_id", u->id,
	    "username", u->username, "display_name", u->first_name,
	    "owner_id", u->owner, "create_at", (json_int_t)u->create_at,
	    "update_at", (json_int_t)u->update_at,
	    "delete_at", (json_int_t)u->delete_at);
}

/* A new bot writes to its owner, in a channel of their own. */
void
bot_greet(struct user *bot, struct user *owner)
{
	struct channel	*c;
	int		 is_new;

	c = channel_direct(bot, owner, &is_new);
	(void)post_system(bot, c, "add_bot_teams_channels", "Please add me "
	    "to teams and channels you want me to interact in. To do this, "
	    "use the browser or Mattermost Desktop App.", json_pack("{s:s}",
	    "from_bot", "true"));
}

static void
bot_create(struct http_req *req)
{
	const char	*name = text_str(req->json, "username", NULL);
	char		 email[160];
	struct user	*u;

	if (!is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	if (!text_is_name(name, "._-", 1, 64)) {
		api_error(req, 400, "model.bot.is_valid.username.app_error",
		    "Invalid username.");
		return;
	}
	if (user_by_name(name) != NULL) {
		api_error(req, 400, "app.user.save.username_exists.app_error",
		    "An account with that username already exists.");
		return;
	}
	(void)snprintf(email, sizeof(email), "%s@localhost", name);
	u = user_new(name, email);
	u->is_bot = 1;
	strlcpy(u->owner, req->user->id, sizeof(u->owner));
	(void)text_copy(u->first_name, sizeof(u->first_name), req->json,
	    "display_name");
	bot_greet(u, req->user);
	api_json(req, 201, bot_json(u));
}

static struct user *
bot_find(struct http_req *req)
{
	struct user	*u = user_by_id(req->param[0]);

	if (u == NULL || !u->is_bot) {
		api_error(req, 404, "store.sql_bot.get.missing.app_error",
		    "Unable to find the bot.");
		return NULL;
	}
	return u;
}

static void
bot_get(struct http_req *req)
{
	struct user	*u;

	if ((u = bot_find(req)) != NULL)
		api_json(req, 200, bot_json(u));
}

static void
bot_switch(struct http_req *req, int active)
{
	struct user	*u;

	if ((u = bot_find(req)) == NULL)
		return;
	if (!is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	u->update_at = clock_ms();
	u->delete_at = active ? 0 : u->update_at;
	if (!active) {
		hub_status(u, "offline", 0);
		hub_invalidate(u);
	}
	user_publish(u);
	api_json(req, 200, bot_json(u));
}

static void
bot_disable(struct http_req *req)
{
	bot_switch(req, 0);
}

static void
bot_enable(struct http_req *req)
{
	bot_switch(req, 1);
}

static json_t *
token_json(const struct token *t, int with_secret)
{
	json_t	*j = json_object();

	json_object_set_new(j, "id", json_string(t->id));
	if (with_secret)
		json_object_set_new(j, "token", json_string(t->secret));
	json_object_set_new(j, "user_id", json_string(t->user->id));
	json_object_set_new(j, "description", json_string(t->description));
	json_object_set_new(j, "is_active", json_boolean(t->is_active));
	return j;
}

static void
token_create(struct http_req *req)
{
	const char	*what = text_str(req->json, "description", "");
	struct user	*u;

	if ((u = api_user(req, 0)) == NULL)
		return;
	if (*what == '\0') {
		api_error(req, 400,
		    "model.user_access_token.is_valid.description.app_error",
		    "Invalid description, must be 255 or less characters.");
		return;
	}
	if (u != req->user && !is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	api_json(req, 200, token_json(token_new(u, 1, what), 1));
}

static void
token_list(struct http_req *req)
{
	struct token	*t;
	struct user	*u;
	json_t		*out;

	if ((u = api_user(req, 0)) == NULL)
		return;
	if (u != req->user && !is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	out = json_array();
	TAILQ_FOREACH(t, &mm.tokens, entry)
		if (t->is_personal && t->user == u)
			json_array_append_new(out, token_json(t, 0));
	api_json(req, 200, out);
}

/*
 * 5.37 forgets the session but does not tell the user's sockets, which go
 * on receiving until something else makes them look again; 11.6 tells them.
 */
static void
token_gone(struct user *u)
{
	if (mm.opt.is_11)
		hub_invalidate(u);
}

static void
token_switch(struct http_req *req, int active)
{
	struct token	*t;

	if ((t = token_by_id(text_str(req->json, "token_id", NULL))) == NULL) {
		api_error(req, 404,
		    "app.user_access_token.get_by_user.app_error",
		    "Unable to get the personal access token.");
		return;
	}
	if (t->user != req->user && !is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	t->is_active = active;
	if (!active)
		token_gone(t->user);
	api_ok(req);
}

static void
token_disable(struct http_req *req)
{
	token_switch(req, 0);
}

static void
token_enable(struct http_req *req)
{
	token_switch(req, 1);
}

static void
token_revoke(struct http_req *req)
{
	struct token	*t;
	struct user	*u;

	if ((t = token_by_id(text_str(req->json, "token_id", NULL))) == NULL) {
		api_error(req, 404,
		    "app.user_access_token.get_by_user.app_error",
		    "Unable to get the personal access token.");
		return;
	}
	u = t->user;
	if (u != req->user && !is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	if (t == req->token)
		req->token = NULL;
	token_free(t);
	token_gone(u);
	api_ok(req);
}

const struct route api_bot_routes[] = {
	{ "POST", "bots", bot_create, 0 },
	{ "GET", "bots/:bot_id", bot_get, 0 },
	{ "POST", "bots/:bot_id/disable", bot_disable, 0 },
	{ "POST", "bots/:bot_id/enable", bot_enable, 0 },
	{ "POST", "users/:user_id/tokens", token_create, 0 },
	{ "GET", "users/:user_id/tokens", token_list, 0 },
	{ "POST", "users/tokens/disable", token_disable, 0 },
	{ "POST", "users/tokens/enable", token_enable, 0 },
	{ "POST", "users/tokens/revoke", token_revoke, 0 },
	{ NULL, NULL, NULL, 0 }
};
