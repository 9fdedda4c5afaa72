/*
 * REST: teams and who is in them.
 */
#include "mattermost.h"

#include <string.h>

static json_t *
team_member_json(const struct team *t, const struct member *m)
{
	return json_pack("{s:s,s:s,s:s,s:I,s:b,s:b,s:b,s:s}",
	    "team_id", t->id, "user_id", m->user->id,
	    "roles", m->is_guest ? "team_guest" :
	    m->is_admin ? "team_user team_admin" : "team_user",
	    "delete_at", (json_int_t)m->delete_at,
	    "scheme_guest", m->is_guest, "scheme_user", !m->is_guest,
	    "scheme_admin", m->is_admin, "explicit_roles", "");
}

static struct member *
team_join(struct team *t, struct user *u)
{
	static const char *const defaults[] = { "town-square", "off-topic" };
	struct channel	*c;
	struct member	*m;
	struct audience	 a = { 0 };
	size_t		 i;

	m = member_add(&t->members, u);
	for (i = 0; i < nitems(defaults); i++)
		if ((c = channel_by_name(t, defaults[i])) != NULL) {
			(void)member_add(&c->members, u);
			c->last_post_at = clock_ms();
		}
	hub_invalidate(u);
	a.user_id = u->id;
	hub_publish("added_to_team", json_pack("{s:s,s:s}", "team_id", t->id,
	    "user_id", u->id), &a);
	return m;
}

static void
team_create(struct http_req *req)
{
	const char	*name = text_str(req->json, "name", NULL);
	const char	*display = text_str(req->json, "display_name", "");
	const char	*type = text_str(req->json, "type", "O");
	struct team	*t;

	if (!text_is_name(name, "-", 2, 64)) {
		api_error(req, 400, "model.team.is_valid.characters.app_error",
		    "Name must be 2 or more lowercase alphanumeric "
		    "characters.");
		return;
	}
	if (*display == '\0' || text_runes(display, strlen(display)) > 64) {
		api_error(req, 400, "model.team.is_valid.name.app_error",
		    "Invalid name.");
		return;
	}
	if (team_by_name(name) != NULL) {
		api_error(req, 400, "app.team.save.existing.app_error",
		    "A team with that name already exists.");
		return;
	}
	t = team_new(name, display, *type);
	team_join(t, req->user)->is_admin = 1;
	api_json(req, 201, team_json(t));
}

/* With a user in front: "users/me/teams" has one parameter, a team two. */
static int
may_see(struct http_req *req, const struct team *t)
{
	if (member_find(&t->members, req->user) != NULL ||
	    is_admin(req->user))
		return 1;
	api_forbidden(req);
	return 0;
}

static void
team_get(struct http_req *req)
{
	struct team	*t;

	if ((t = api_team(req, 0)) != NULL && may_see(req, t))
		api_json(req, 200, team_json(t));
}

static void
team_get_name(struct http_req *req)
{
	struct team	*t;

	if ((t = team_by_name(req->param[0])) == NULL) {
		api_error(req, 404, "app.team.get_by_name.missing.app_error",
		    "Unable to find the existing team.");
		return;
	}
	if (may_see(req, t))
		api_json(req, 200, team_json(t));
}

static void
team_mine(struct http_req *req)
{
	struct team	*t;
	struct user	*u;
	json_t		*out;

	if ((u = api_user(req, 0)) == NULL)
		return;
	if (u != req->user && !is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	out = json_array();
	TAILQ_FOREACH(t, &mm.teams, entry)
		if (member_find(&t->members, u) != NULL)
			json_array_append_new(out, team_json(t));
	api_json(req, 200, out);
}

static void
team_add(struct http_req *req)
{
	struct user	*u;
	struct team	*t;
	struct member	*me;

	if ((t = api_team(req, 0)) == NULL)
		return;
	if ((u = user_by_id(text_str(req->json, "user_id", NULL))) == NULL) {
		api_bad_body(req, "user_id");
		return;
	}
	me = member_find(&t->members, req->user);
	if (me == NULL && !is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	api_json(req, 201, team_member_json(t, team_join(t, u)));
}

static void
team_member_get(struct http_req *req)
{
	struct team	*t;
	struct user	*u;
	struct member	*m;

	if ((t = api_team(req, 0)) == NULL || !may_see(req, t) ||
	    (u = api_user(req, 1)) == NULL)
		return;
	if ((m = member_find(&t->members, u)) == NULL) {
		api_error(req, 404, "app.team.get_member.missing.app_error",
		    "Unable to find the team member.");
		return;
	}
	api_json(req, 200, team_member_json(t, m));
}

static void
team_leave(struct team *t, struct user *u)
{
	struct audience	 a = { 0 };
	struct channel	*c;
	struct member	*m;

	a.team_id = t->id;
	hub_publish("leave_team", json_pack("{s:s,s:s}", "user_id", u->id,
	    "team_id", t->id), &a);
	TAILQ_FOREACH(c, &mm.channels, entry)
		if (c->team == t && (m = member_find(&c->members, u)) != NULL)
			member_remove(&c->members, m);
	if ((m = member_find(&t->members, u)) != NULL)
		member_remove(&t->members, m);
	hub_invalidate(u);
}

static void
team_remove(struct http_req *req)
{
	struct team	*t;
	struct user	*u;

	if ((t = api_team(req, 0)) == NULL || (u = api_user(req, 1)) == NULL)
		return;
	if (u != req->user && !is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	team_leave(t, u);
	api_ok(req);
}

const struct route api_team_routes[] = {
	{ "POST", "teams", team_create, 0 },
	{ "GET", "teams/:team_id", team_get, 0 },
	{ "GET", "teams/name/:team", team_get_name, 0 },
	{ "GET", "users/:user_id/teams", team_mine, 0 },
	{ "POST", "teams/:team_id/members", team_add, 0 },
	{ "GET", "teams/:team_id/members/:user_id", team_member_get, 0 },
	{ "DELETE", "teams/:team_id/members/:user_id", team_remove, 0 },
	{ NULL, NULL, NULL, 0 }
};
