/*
 * Incoming webhooks, and posts as a slash command leaves them.  A webhook
 * posts as its owner, or as whomever an administrator named, deactivated or
 * not, member or not.
 */
#include "mattermost.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

static json_t *
hook_json(const struct hook *h)
{
	return json_pack("{s:s,s:I,s:I,s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:b}",
	    "id", h->id, "create_at", (json_int_t)h->create_at,
	    "update_at", (json_int_t)h->create_at, "delete_at", 0,
	    "user_id", h->user->id, "channel_id", h->channel->id,
	    "team_id", h->channel->team == NULL ? "" : h->channel->team->id,
	    "display_name", h->display_name, "description", "",
	    "username", h->username, "icon_url", "",
	    "channel_locked", h->is_locked);
}

static void
hook_create(struct http_req *req)
{
	struct channel	*c;
	struct hook	*h;
	struct user	*u;

	c = channel_by_id(text_str(req->json, "channel_id", NULL));
	if (c == NULL || c->team == NULL) {
		api_bad_body(req, "channel_id");
		return;
	}
	u = user_by_id(text_str(req->json, "user_id", req->user->id));
	if (u == NULL || !(is_admin(req->user) || (member_find(
	    &c->team->members, req->user) != NULL && member_find(
	    &c->team->members, req->user)->is_admin))) {
		api_forbidden(req);
		return;
	}
	if ((h = calloc(1, sizeof(*h))) == NULL)
		err(1, NULL);
	text_new_id(h->id);
	h->user = u;
	h->channel = c;
	h->create_at = clock_ms();
	h->is_locked = text_bool(req->json, "channel_locked", 0);
	(void)text_copy(h->display_name, sizeof(h->display_name), req->json,
	    "display_name");
	(void)text_copy(h->username, sizeof(h->username), req->json,
	    "username");
	TAILQ_INSERT_TAIL(&mm.hooks, h, entry);
	api_json(req, 201, hook_json(h));
}

/* "name" of a channel or "@name" of a user; NULL: nothing of that name. */
static struct channel *
hook_target(const struct hook *h, const char *to)
{
	struct user	*u;
	int		 is_new;

	if (to == NULL || *to == '\0')
		return h->channel;
	if (*to == '@') {
		if ((u = user_by_name(to + 1)) == NULL)
			return NULL;
		return channel_direct(h->user, u, &is_new);
	}
	return channel_by_name(h->channel->team, *to == '#' ? to + 1 : to);
}

static json_t *
hook_post_json(const struct hook *h, const json_t *payload)
{
	const char	*name = text_str(payload, "username", h->username);
	json_t		*props;

	props = json_is_object(json_object_get(payload, "props")) ?
	    json_copy(json_object_get(payload, "props")) : json_object();
	if (*h->display_name != '\0')
		json_object_set_new(props, "webhook_display_name",
		    json_string(h->display_name));
	json_object_set_new(props, "from_webhook", json_string("true"));
	if (*name != '\0')
		json_object_set_new(props, "override_username",
		    json_string(name));
	if (json_is_array(json_object_get(payload, "attachments")))
		json_object_set(props, "attachments",
		    json_object_get(payload, "attachments"));
	return json_pack("{s:s,s:s,s:o,s:b}", "message",
	    text_str(payload, "text", ""), "type",
	    text_str(payload, "type", ""), "props", props, "is_hook", 1);
}

static void
hook_text(struct http_req *req, int status, const char *text)
{
	http_reply(req, status, "text/plain", text, strlen(text));
}

static json_t *
hook_payload(struct http_req *req)
{
	const char		*type = http_header(req, "Content-Type");
	struct http_params	 form = TAILQ_HEAD_INITIALIZER(form);
	struct http_param	*p;
	json_t			*j = NULL;
	const char		*v;

	if (type == NULL || strncmp(type, "application/x-www-form-urlencoded",
	    33) != 0)
		return req->body_len == 0 ? NULL :
		    text_parse(req->body, req->body_len);
	http_parse_query(&form, req->body == NULL ? "" : req->body);
	if ((v = http_param_get(&form, "payload")) != NULL)
		j = text_parse(v, strlen(v));
	while ((p = TAILQ_FIRST(&form)) != NULL) {
		TAILQ_REMOVE(&form, p, entry);
		free(p->name);
		free(p->value);
		free(p);
	}
	return j;
}

static void
hook_deliver(struct http_req *req, struct hook *h, const json_t *payload)
{
	struct apperr	 e;
	struct channel	*c;
	struct post	*p;
	json_t		*j;

	c = hook_target(h, text_str(payload, "channel", NULL));
	if (c == NULL || (h->is_locked && c != h->channel)) {
		hook_text(req, 404, "Couldn't find the channel.\n");
		return;
	}
	if (strncmp(text_str(payload, "type", ""), "system_", 7) == 0) {
		hook_text(req, 400, "Invalid post.type parameter.\n");
		return;
	}
	j = hook_post_json(h, payload);
	p = post_create(h->user, c, j, &e);
	json_decref(j);
	if (p == NULL) {
		hook_text(req, e.status, e.message);
		return;
	}
	post_publish_new(p, h->user, "", 1, NULL);
	hook_text(req, 200, "ok");
}

/* POST /hooks/<id>: the id is all the authorisation there is. */
static void
hook_incoming(struct http_req *req)
{
	struct hook	*h = hook_by_id(req->path + strlen("/hooks/"));
	json_t		*payload;

	if (strcmp(req->method, "POST") != 0 || h == NULL) {
		hook_text(req, 400, "Invalid webhook.\n");
		return;
	}
	payload = hook_payload(req);
	if (!json_is_object(payload) || (*text_str(payload, "text", "") ==
	    '\0' && json_object_get(payload, "attachments") == NULL)) {
		json_decref(payload);
		hook_text(req, 400, "No text specified.\n");
		return;
	}
	hook_deliver(req, h, payload);
	json_decref(payload);
}

/*
 * What a custom command's public answer leaves: a post of the person who
 * typed it, the text chosen by the integration.  /me, /shrug and /echo are
 * the server's own and leave no mark of that kind.
 */
static void
command_execute(struct http_req *req)
{
	const char	*text = text_str(req->json, "command", "");
	struct channel	*c;
	struct apperr	 e;
	struct post	*p;
	json_t		*j;

	c = channel_by_id(text_str(req->json, "channel_id", NULL));
	if (*text != '/') {
		api_bad_body(req, "command");
		return;
	}
	if (c == NULL || !may_post(req->user, c)) {
		api_forbidden(req);
		return;
	}
	if (strncmp(text, "/me ", 4) == 0)
		j = json_pack("{s:s++,s:s}", "message", "*", text + 4, "*",
		    "type", "me");
	else if (strncmp(text, "/echo ", 6) == 0)
		j = json_pack("{s:s}", "message", text + 6);
	else if (strncmp(text, "/custom ", 8) == 0)
		j = json_pack("{s:s,s:{s:s}}", "message", text + 8, "props",
		    "from_webhook", "true");
	else {
		api_error(req, 404, "api.command.execute_command.not_found."
		    "app_error", "Command with that trigger not found.");
		return;
	}
	p = post_create(req->user, c, j, &e);
	json_decref(j);
	if (p == NULL) {
		api_apperr(req, &e);
		return;
	}
	post_publish_new(p, req->user, "", 1, NULL);
	api_json(req, 200, json_pack("{s:s,s:s}", "response_type",
	    "in_channel", "text", ""));
}

/* The first is not below /api/v4. */
const struct route api_hook_routes[] = {
	{ "POST", "hooks", hook_incoming, API_OPEN },
	{ "POST", "hooks/incoming", hook_create, 0 },
	{ "POST", "commands/execute", command_execute, 0 },
	{ NULL, NULL, NULL, 0 }
};
