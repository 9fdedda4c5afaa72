/*
 * Control: users, channels and members out of thin air, without events.
 */
#include "mattermost.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PASSWORD	"Passw0rd!Passw0rd!"

struct user *
control_find_user(const char *s)
{
	struct user	*u = user_by_id(s);

	return u != NULL ? u : user_by_name(s);
}

/* An id, a name, or team/name. */
struct channel *
control_find_channel(const char *s)
{
	struct channel	*c = channel_by_id(s);
	const char	*slash;
	char		 team[65];

	if (c != NULL || s == NULL)
		return c;
	if ((slash = strchr(s, '/')) != NULL) {
		(void)snprintf(team, sizeof(team), "%.*s", (int)(slash - s),
		    s);
		return channel_by_name(team_by_name(team), slash + 1);
	}
	TAILQ_FOREACH(c, &mm.channels, entry)
		if (strcmp(c->name, s) == 0)
			return c;
	return NULL;
}

static struct user *
seed_user(json_t *out, const char *name)
{
	struct user	*u;
	char		 email[100];

	(void)snprintf(email, sizeof(email), "%s@example.com", name);
	u = user_new(name, email);
	strlcpy(u->password, PASSWORD, sizeof(u->password));
	json_object_set_new(out, name, json_pack("{s:s,s:s}", "id", u->id,
	    "token", token_new(u, 0, "")->secret));
	return u;
}

static void
seed_channel(json_t *out, struct team *t, const char *name,
    const char *display, char type, const char *key)
{
	struct channel	*c = channel_new(t, name, display, type);
	struct user	*u;

	TAILQ_FOREACH(u, &mm.users, entry)
		(void)member_add(&c->members, u);
	TAILQ_FIRST(&c->members)->is_admin = 1;
	strlcpy(c->creator_id, TAILQ_FIRST(&c->members)->user->id,
	    sizeof(c->creator_id));
	json_object_set_new(out, key, json_string(c->id));
}

static struct team *
seed_team(const char *name, const char *display)
{
	struct team	*t = team_new(name, display, 'O');
	struct channel	*c;
	struct user	*u;

	TAILQ_FOREACH(u, &mm.users, entry) {
		(void)member_add(&t->members, u);
		TAILQ_FOREACH(c, &mm.channels, entry)
			if (c->team == t) {
				(void)member_add(&c->members, u);
				c->last_post_at = clock_ms();
			}
	}
	TAILQ_FIRST(&t->members)->is_admin = 1;
	return t;
}

static json_t *
seed_bot(struct user *owner)
{
	struct user	*bot = user_new("chatops", "chatops@localhost");
	struct token	*t;

	bot->is_bot = 1;
	strlcpy(bot->owner, owner->id, sizeof(bot->owner));
	strlcpy(bot->first_name, "ChatOps", sizeof(bot->first_name));
	bot_greet(bot, owner);
	t = token_new(bot, 1, "chatops");
	return json_pack("{s:s,s:s,s:s}", "id", bot->id, "token", t->secret,
	    "token_id", t->id);
}

/* The members are those that a seeded real server's description has. */
void
control_seed(struct http_req *req)
{
	static const char *const names[] = { "alice", "bob", "mallory",
	    "carol" };
	json_t		*users = json_object(), *channels = json_object();
	json_t		*bot;
	struct user	*admin;
	struct team	*t, *t2;
	size_t		 i;

	if (!TAILQ_EMPTY(&mm.users)) {
		json_decref(users);
		json_decref(channels);
		control_fail(req, "seed: there are users already");
		return;
	}
	admin = seed_user(users, "sysadmin");
	for (i = 0; i < nitems(names); i++)
		(void)seed_user(users, names[i]);
	bot = seed_bot(admin);
	t = seed_team("ops", "Ops");
	t2 = seed_team("other", "Other");
	seed_channel(channels, t, "operations", "Operations", 'O',
	    "operations");
	seed_channel(channels, t, "deployments", "Deployments", 'P',
	    "deployments");
	seed_channel(channels, t, "random", "Random", 'O', "random");
	seed_channel(channels, t2, "operations", "Operations", 'O',
	    "other/operations");
	control_reply(req, json_pack("{s:s,s:s,s:o,s:o,s:s,s:s,s:o}", "url",
	    mm.url, "password", PASSWORD, "users", users, "channels",
	    channels, "team", t->id, "team2", t2->id, "bot", bot));
}

static void
user_flags(struct user *u, const json_t *j)
{
	(void)text_copy(u->username, sizeof(u->username), j, "rename");
	(void)text_copy(u->roles, sizeof(u->roles), j, "roles");
	(void)text_copy(u->remote_id, sizeof(u->remote_id), j, "remote_id");
	(void)text_copy(u->nickname, sizeof(u->nickname), j, "nickname");
	(void)text_copy(u->first_name, sizeof(u->first_name), j,
	    "first_name");
	(void)text_copy(u->last_name, sizeof(u->last_name), j, "last_name");
	u->is_bot = text_bool(j, "is_bot", u->is_bot);
	u->delete_at = text_int(j, "delete_at", u->delete_at);
	u->update_at = clock_ms();
}

/*
 * {"user":name or id, flags…}: made if it is not there, then a member of
 * the teams in "teams".  Answers id and a token of a new session.
 */
void
control_user(struct http_req *req)
{
	const char	*name = text_str(req->json, "user", NULL);
	struct user	*u = control_find_user(name);
	struct team	*t;
	json_t		*v;
	char		 email[100];
	size_t		 i;

	if (name == NULL) {
		control_fail(req, "user: whose?");
		return;
	}
	if (u == NULL) {
		(void)snprintf(email, sizeof(email), "%.64s@example.com",
		    name);
		u = user_new(name, email);
		strlcpy(u->password, PASSWORD, sizeof(u->password));
	}
	user_flags(u, req->json);
	json_array_foreach(json_object_get(req->json, "teams"), i, v)
		if ((t = team_by_name(json_string_value(v))) != NULL)
			(void)member_add(&t->members, u);
	if (text_bool(req->json, "event", 0))
		user_publish(u);
	control_reply(req, json_pack("{s:s,s:s}", "id", u->id, "token",
	    token_new(u, 0, "")->secret));
}

/* {"channel":name or id,"team":"ops","type":"O","members":[…], flags}. */
void
control_channel(struct http_req *req)
{
	const char	*name = text_str(req->json, "channel", NULL);
	struct channel	*c = control_find_channel(name);
	struct team	*t;
	struct user	*u;
	json_t		*v;
	size_t		 i;

	t = team_by_name(text_str(req->json, "team", "ops"));
	if (name == NULL || (c == NULL && t == NULL)) {
		control_fail(req, "channel: which, and of which team?");
		return;
	}
	if (c == NULL)
		c = channel_new(t, name, text_str(req->json, "display_name",
		    name), 'O');
	(void)text_copy(c->name, sizeof(c->name), req->json, "rename");
	(void)text_copy(c->display_name, sizeof(c->display_name), req->json,
	    "display_name");
	c->type = *text_str(req->json, "type", (char[]){ c->type, '\0' });
	c->delete_at = text_int(req->json, "delete_at", c->delete_at);
	c->is_shared = text_bool(req->json, "shared", c->is_shared);
	json_array_foreach(json_object_get(req->json, "members"), i, v)
		if ((u = control_find_user(json_string_value(v))) != NULL)
			(void)member_add(&c->members, u);
	control_reply(req, json_pack("{s:s}", "id", c->id));
}

/* {"channel":…,"user":…,"add":bool}. */
void
control_member(struct http_req *req)
{
	struct channel	*c;
	struct user	*u;
	struct member	*m;

	c = control_find_channel(text_str(req->json, "channel", NULL));
	u = control_find_user(text_str(req->json, "user", NULL));
	if (c == NULL || u == NULL) {
		control_fail(req, "member: no such channel or user");
		return;
	}
	m = member_find(&c->members, u);
	if (text_bool(req->json, "add", 1))
		m = member_add(&c->members, u);
	else if (m != NULL) {
		member_remove(&c->members, m);
		m = NULL;
	}
	if (m != NULL) {
		m->is_guest = text_bool(req->json, "guest", m->is_guest);
		m->is_admin = text_bool(req->json, "admin", m->is_admin);
	}
	hub_invalidate(u);
	control_reply(req, json_pack("{s:b}", "member", m != NULL));
}
