/*
 * What clients say on a WebSocket: {"seq":n,"action":…,"data":{…}}.
 */
#include "mattermost.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
reply_ok(struct wsconn *wc, int64_t seq, json_t *data)
{
	json_t	*j;

	j = json_pack("{s:s,s:I}", "status", "OK", "seq_reply",
	    (json_int_t)seq);
	if (data != NULL)
		json_object_set_new(j, "data", data);
	hub_reply(wc, j);
}

/* The number is left out when the request had no good one. */
static void
reply_fail(struct wsconn *wc, int64_t seq, const char *id,
    const char *message, int status)
{
	json_t	*j = json_object();

	json_object_set_new(j, "status", json_string("FAIL"));
	if (seq > 0)
		json_object_set_new(j, "seq_reply", json_integer(seq));
	json_object_set_new(j, "error", json_pack("{s:s,s:s,s:s,s:i}", "id",
	    id, "message", message, "detailed_error", "", "status_code",
	    status));
	hub_reply(wc, j);
}

/* Ignored by one who is authenticated; a bad token ends the socket. */
static void
action_challenge(struct wsconn *wc, int64_t seq, const json_t *data)
{
	struct token	*t;

	if (wc->secret[0] != '\0')
		return;
	t = api_session(text_str(data, "token", NULL));
	if (t == NULL) {
		ws_end(wc, 0);
		return;
	}
	vtimer_del(&wc->auth_timer);
	strlcpy(wc->secret, t->secret, sizeof(wc->secret));
	wc->user = t->user;
	if (wc->id[0] == '\0' && mm.opt.reliable)
		text_new_id(wc->id);
	if (wc->is_registered)
		TAILQ_REMOVE(&wsconns, wc, entry);
	hub_register(wc);
	reply_ok(wc, seq, NULL);
}

static void
action_ping(struct wsconn *wc, int64_t seq, const json_t *data)
{
	(void)data;
	reply_ok(wc, seq, json_pack("{s:s,s:I,s:s,s:s}", "node_id", "",
	    "server_time", (json_int_t)clock_ms(), "text", "pong", "version",
	    mm.opt.is_11 ? "11.6.0" : "5.37.0"));
}

static void
action_typing(struct wsconn *wc, int64_t seq, const json_t *data)
{
	struct audience	 a = { 0 };
	struct channel	*c;

	c = channel_by_id(text_str(data, "channel_id", NULL));
	if (c == NULL || !may_post(wc->user, c)) {
		reply_fail(wc, seq,
		    "api.websocket_handler.invalid_param.app_error",
		    "Invalid channel_id parameter.", 400);
		return;
	}
	a.channel_id = c->id;
	a.omit_user = wc->user->id;
	hub_publish("typing", json_pack("{s:s,s:s}", "parent_id",
	    text_str(data, "parent_id", ""), "user_id", wc->user->id), &a);
	(void)record_add("typing", json_pack("{s:s,s:s}", "user_id",
	    wc->user->id, "channel_id", c->id));
	reply_ok(wc, seq, NULL);
}

static void
action_statuses(struct wsconn *wc, int64_t seq, const json_t *data)
{
	struct user	*u;
	json_t		*out = json_object();

	(void)data;
	TAILQ_FOREACH(u, &mm.users, entry)
		if (strcmp(u->status, "offline") != 0)
			json_object_set_new(out, u->id,
			    json_string(u->status));
	reply_ok(wc, seq, out);
}

static void
action_statuses_ids(struct wsconn *wc, int64_t seq, const json_t *data)
{
	struct user	*u;
	json_t		*out = json_object(), *v;
	size_t		 i;

	json_array_foreach(json_object_get(data, "user_ids"), i, v)
		if ((u = user_by_id(json_string_value(v))) != NULL)
			json_object_set_new(out, u->id,
			    json_string(u->status));
	reply_ok(wc, seq, out);
}

static void
action_active(struct wsconn *wc, int64_t seq, const json_t *data)
{
	hub_status(wc->user, text_bool(data, "user_is_active", 0) ?
	    "online" : "away", text_bool(data, "manual", 0));
	reply_ok(wc, seq, NULL);
}

static void
action_nothing(struct wsconn *wc, int64_t seq, const json_t *data)
{
	(void)data;
	reply_ok(wc, seq, NULL);
}

static const struct {
	const char	*name;
	void		(*run)(struct wsconn *, int64_t, const json_t *);
	int		 since_11;
} actions[] = {
	{ "ping", action_ping, 0 },
	{ "user_typing", action_typing, 0 },
	{ "user_update_active_status", action_active, 0 },
	{ "get_statuses", action_statuses, 0 },
	{ "get_statuses_by_ids", action_statuses_ids, 0 },
	{ "presence", action_nothing, 1 },
	{ "posted_notify_ack", action_nothing, 1 }
};

/* The message of a refusal holds the token in clear, as the server's does. */
static int
is_refused(struct wsconn *wc, int64_t seq)
{
	char	 text[128];

	if (wc->user == NULL || !hub_session(wc)) {
		reply_fail(wc, seq,
		    "api.web_socket_router.not_authenticated.app_error",
		    "WebSocket connection is not authenticated.", 401);
		return 1;
	}
	if (api_session(wc->secret) != NULL)
		return 0;
	(void)snprintf(text, sizeof(text),
	    "Invalid session token=%s, err=", wc->secret);
	reply_fail(wc, seq, "api.context.invalid_token.error", text, 401);
	return 1;
}

static void
action_run(struct wsconn *wc, const char *action, int64_t seq,
    const json_t *data)
{
	size_t	 i;

	if (strcmp(action, "authentication_challenge") == 0) {
		action_challenge(wc, seq, data);
		return;
	}
	if (is_refused(wc, seq))
		return;
	if (mm.opt.is_11 && strncmp(action, "custom_", 7) == 0)
		return;
	for (i = 0; i < nitems(actions); i++)
		if (strcmp(actions[i].name, action) == 0 &&
		    (mm.opt.is_11 || !actions[i].since_11)) {
			actions[i].run(wc, seq, data);
			return;
		}
	reply_fail(wc, seq, "api.web_socket_router.bad_action.app_error",
	    "Unknown WebSocket action.", 500);
}

void
ws_action(struct wsconn *wc, const char *msg, size_t len)
{
	const char	*action;
	json_t		*j;
	int64_t		 seq;

	j = text_parse(msg, len);
	if (!json_is_object(j)) {
		json_decref(j);
		ws_end(wc, 0);
		return;
	}
	action = text_str(j, "action", "");
	seq = text_int(j, "seq", 0);
	if (*action == '\0')
		reply_fail(wc, seq,
		    "api.web_socket_router.no_action.app_error",
		    "No websocket action.", 400);
	else if (seq <= 0)
		reply_fail(wc, seq, "api.web_socket_router.bad_seq.app_error",
		    "Invalid sequence for WebSocket message.", 400);
	else
		action_run(wc, action, seq, json_object_get(j, "data"));
	json_decref(j);
}
