/*
 * REST: users, sessions, tokens.
 */
#include "mattermost.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lower-cased; "here" is allowed, odd as it is. */
static int
take_username(char name[65], const json_t *j)
{
	static const char *const reserved[] = { "all", "channel",
	    "matterbot", "system" };
	size_t	 i;

	if (strlcpy(name, text_str(j, "username", ""), 65) >= 65)
		return 0;
	for (i = 0; name[i] != '\0'; i++)
		name[i] = tolower((uint8_t)name[i]);
	for (i = 0; i < nitems(reserved); i++)
		if (strcmp(name, reserved[i]) == 0)
			return 0;
	return text_is_name(name, "._-", 1, 64);
}

static void
user_create(struct http_req *req)
{
	char		 name[65];
	const char	*email = text_str(req->json, "email", NULL);
	struct user	*u;

	if (!json_is_object(req->json)) {
		api_bad_body(req, "user");
		return;
	}
	if (!take_username(name, req->json)) {
		api_error(req, 400, "model.user.is_valid.username.app_error",
		    "Username must begin with a letter, and contain between "
		    "3 to 22 lowercase characters made up of numbers, "
		    "letters, and the symbols \".\", \"-\", and \"_\".");
		return;
	}
	if (email == NULL || strchr(email, '@') == NULL ||
	    strlen(email) > 128) {
		api_error(req, 400, "model.user.is_valid.email.app_error",
		    "Please enter a valid email address.");
		return;
	}
	if (user_by_name(name) != NULL) {
		api_error(req, 400, "app.user.save.username_exists.app_error",
		    "An account with that username already exists.");
		return;
	}
	u = user_new(name, email);
	(void)text_copy(u->password, sizeof(u->password), req->json,
	    "password");
	hub_publish("new_user", json_pack("{s:s}", "user_id", u->id), NULL);
	api_json(req, 201, user_json(u, 1));
}

static void
user_login(struct http_req *req)
{
	const char	*id = text_str(req->json, "login_id", NULL);
	const char	*pw = text_str(req->json, "password", "");
	struct user	*u = user_by_name(id);
	struct token	*t;

	if (u == NULL)
		TAILQ_FOREACH(u, &mm.users, entry)
			if (id != NULL && strcasecmp(u->email, id) == 0)
				break;
	if (u == NULL || u->is_bot || strcmp(u->password, pw) != 0 ||
	    u->delete_at != 0) {
		api_error(req, 401,
		    "api.user.login.invalid_credentials_email_username",
		    "Enter a valid email or username and/or password.");
		return;
	}
	t = token_new(u, 0, "");
	u->last_activity = clock_ms();
	http_out(req, "Token", "%s", t->secret);
	api_json(req, 200, user_json(u, 1));
}

static void
user_logout(struct http_req *req)
{
	if (req->token != NULL && !req->token->is_personal)
		token_free(req->token);
	req->token = NULL;
	api_ok(req);
}

static void
user_get(struct http_req *req)
{
	const char	*have;
	struct user	*u;
	char		 etag[128];

	if ((u = api_user(req, 0)) == NULL)
		return;
	(void)snprintf(etag, sizeof(etag), "%s.%s.%lld..0.true.true.0",
	    mm.opt.is_11 ? "11.6.0" : "5.37.0", u->id,
	    (long long)u->update_at);
	http_out(req, "Etag", "%s", etag);
	if ((have = http_header(req, "If-None-Match")) != NULL &&
	    strcmp(have, etag) == 0) {
		http_reply(req, 304, NULL, "", 0);
		return;
	}
	api_json(req, 200, user_json(u, u == req->user));
}

static void
user_get_name(struct http_req *req)
{
	struct user	*u;

	if (!text_is_name(req->param[0], "._-", 1, 64)) {
		api_bad_param(req, "username");
		return;
	}
	if ((u = user_by_name(req->param[0])) == NULL) {
		api_error(req, 404, "app.user.get_by_username.app_error",
		    "Unable to find an existing account matching your "
		    "username for this team. This team may require an invite "
		    "from the team owner to join.");
		return;
	}
	api_json(req, 200, user_json(u, u == req->user));
}

/* Unknown ones are missing from the answer, silently. */
static void
user_batch(struct http_req *req, const char *what,
    struct user *(*find)(const char *))
{
	struct user	*u;
	json_t		*out, *v;
	size_t		 i;

	if (!json_is_array(req->json) || json_array_size(req->json) == 0) {
		api_bad_body(req, what);
		return;
	}
	out = json_array();
	json_array_foreach(req->json, i, v)
		if ((u = find(json_string_value(v))) != NULL)
			json_array_append_new(out, user_json(u, 0));
	api_json(req, 200, out);
}

static void
user_ids(struct http_req *req)
{
	user_batch(req, "user_ids", user_by_id);
}

static void
user_names(struct http_req *req)
{
	user_batch(req, "usernames", user_by_name);
}

static json_t *
status_json(const struct user *u)
{
	return json_pack("{s:s,s:s,s:b,s:I}", "user_id", u->id, "status",
	    u->status, "manual", u->status_manual, "last_activity_at",
	    (json_int_t)u->last_activity);
}

static void
user_status(struct http_req *req)
{
	struct user	*u;

	if ((u = api_user(req, 0)) != NULL)
		api_json(req, 200, status_json(u));
}

static void
user_status_put(struct http_req *req)
{
	const char	*s = text_str(req->json, "status", "");
	struct user	*u;

	if ((u = api_user(req, 0)) == NULL)
		return;
	if (strcmp(text_str(req->json, "user_id", ""), u->id) != 0) {
		api_bad_param(req, "user_id");
		return;
	}
	if (u != req->user && !is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	if (strcmp(s, "online") != 0 && strcmp(s, "away") != 0 &&
	    strcmp(s, "dnd") != 0 && strcmp(s, "offline") != 0) {
		api_bad_body(req, "status");
		return;
	}
	hub_status(u, s, 1);
	api_json(req, 200, status_json(u));
}

/* 11.6 sends the subject a copy of her own. */
void
user_publish(const struct user *u)
{
	struct audience	 a = { 0 };

	a.omit_user = mm.opt.is_11 ? u->id : NULL;
	hub_publish("user_updated", json_pack("{s:o}", "user",
	    user_json(u, 0)), &a);
	if (!mm.opt.is_11)
		return;
	a.omit_user = NULL;
	a.user_id = u->id;
	hub_publish("user_updated", json_pack("{s:o}", "user",
	    user_json(u, 1)), &a);
}

static int
user_patch_name(struct http_req *req, struct user *u)
{
	struct user	*other;
	char		 name[65];

	if (json_object_get(req->json, "username") == NULL)
		return 0;
	if (!take_username(name, req->json)) {
		api_error(req, 400, "model.user.is_valid.username.app_error",
		    "Username must begin with a letter.");
		return -1;
	}
	if ((other = user_by_name(name)) != NULL && other != u) {
		api_error(req, 400, "app.user.save.username_exists.app_error",
		    "An account with that username already exists.");
		return -1;
	}
	strlcpy(u->username, name, sizeof(u->username));
	return 0;
}

static void
user_patch(struct http_req *req)
{
	struct user	*u;

	if ((u = api_user(req, 0)) == NULL)
		return;
	if (u != req->user && !is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	if (user_patch_name(req, u) == -1)
		return;
	(void)text_copy(u->nickname, sizeof(u->nickname), req->json,
	    "nickname");
	(void)text_copy(u->first_name, sizeof(u->first_name), req->json,
	    "first_name");
	(void)text_copy(u->last_name, sizeof(u->last_name), req->json,
	    "last_name");
	(void)text_copy(u->position, sizeof(u->position), req->json,
	    "position");
	(void)text_copy(u->email, sizeof(u->email), req->json, "email");
	u->update_at = clock_ms();
	user_publish(u);
	api_json(req, 200, user_json(u, 1));
}

/* The bots of a deactivated owner go with her (the default). */
static void
user_set_active(struct user *u, int active)
{
	struct user	*bot;
	struct token	*t, *next;

	u->update_at = clock_ms();
	u->delete_at = active ? 0 : u->update_at;
	if (!active) {
		TAILQ_FOREACH_SAFE(t, &mm.tokens, entry, next)
			if (t->user == u && !t->is_personal)
				token_free(t);
		hub_status(u, "offline", 0);
		hub_invalidate(u);
		TAILQ_FOREACH(bot, &mm.users, entry)
			if (bot->is_bot && strcmp(bot->owner, u->id) == 0 &&
			    bot->delete_at == 0)
				user_set_active(bot, 0);
	}
	user_publish(u);
}

static void
user_active(struct http_req *req)
{
	json_t		*active = json_object_get(req->json, "active");
	struct user	*u;

	if ((u = api_user(req, 0)) == NULL)
		return;
	if (!json_is_boolean(active)) {
		api_bad_body(req, "active");
		return;
	}
	if (!is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	user_set_active(u, json_is_true(active));
	hub_publish("user_activation_status_change", json_object(), NULL);
	api_ok(req);
}

static void
user_roles(struct http_req *req)
{
	const char	*roles = text_str(req->json, "roles", NULL);
	struct audience	 a = { 0 };
	struct user	*u;

	if ((u = api_user(req, 0)) == NULL)
		return;
	if (roles == NULL || strlen(roles) >= sizeof(u->roles)) {
		api_bad_body(req, "roles");
		return;
	}
	if (!is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	strlcpy(u->roles, roles, sizeof(u->roles));
	u->update_at = clock_ms();
	a.user_id = u->id;
	hub_publish("user_role_updated", json_pack("{s:s,s:s}", "user_id",
	    u->id, "roles", u->roles), &a);
	api_ok(req);
}

const struct route api_user_routes[] = {
	{ "POST", "users", user_create, API_OPEN },
	{ "POST", "users/login", user_login, API_OPEN },
	{ "POST", "users/logout", user_logout, API_OPEN },
	{ "POST", "users/ids", user_ids, 0 },
	{ "POST", "users/usernames", user_names, 0 },
	{ "GET", "users/username/:username", user_get_name, 0 },
	{ "GET", "users/:user_id", user_get, 0 },
	{ "GET", "users/:user_id/status", user_status, 0 },
	{ "PUT", "users/:user_id/status", user_status_put, 0 },
	{ "PUT", "users/:user_id/patch", user_patch, 0 },
	{ "PUT", "users/:user_id/active", user_active, 0 },
	{ "PUT", "users/:user_id/roles", user_roles, 0 },
	{ NULL, NULL, NULL, 0 }
};
