/*
 * The REST interface: sessions, routes, answers and errors.
 */
#include "mattermost.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX		"/api/v4/"
#define NOT_FOUND_FMT	"There doesn't appear to be an api call for the " \
			"url='%s'.  Typo? are you missing a team_id or " \
			"user_id as part of the url?"

static const struct route *const tables[] = {
	api_user_routes, api_bot_routes, api_team_routes, api_channel_routes,
	api_member_routes, api_post_routes, api_list_routes,
	api_reaction_routes, api_file_routes, api_hook_routes,
	api_system_routes
};

const char *
api_version_id(void)
{
	static char	 id[64];

	(void)snprintf(id, sizeof(id), "%s.%s.%s.false",
	    mm.opt.is_11 ? "11.6.0" : "5.37.0",
	    mm.opt.is_11 ? "12345678901" : "", mm.config_hash);
	return id;
}

/* Takes the json. */
void
api_json(struct http_req *req, int status, json_t *j)
{
	char	*text;
	size_t	 len;

	if (j == NULL)
		errx(1, "%s %s: no answer", req->method, req->target);
	text = text_json(j, &len);
	json_decref(j);
	http_reply(req, status, "application/json", text, len);
	free(text);
}

void
api_ok(struct http_req *req)
{
	api_json(req, 200, json_pack("{s:s}", "status", "OK"));
}

void
api_error(struct http_req *req, int status, const char *id,
    const char *message)
{
	if (mm.opt.hardened && status >= 500) {
		id = "";
		message = "Internal Server Error";
	}
	api_json(req, status, json_pack("{s:s,s:s,s:s,s:s,s:i}", "id", id,
	    "message", message, "detailed_error", "", "request_id", req->id,
	    "status_code", status));
}

void
api_apperr(struct http_req *req, const struct apperr *e)
{
	api_error(req, e->status, e->id, e->message);
}

void
api_forbidden(struct http_req *req)
{
	api_error(req, 403, "api.context.permissions.app_error",
	    "You do not have the appropriate permissions.");
}

void
api_bad_body(struct http_req *req, const char *what)
{
	char	 text[128];

	(void)snprintf(text, sizeof(text),
	    "Invalid or missing %s in request body.", what);
	api_error(req, 400, "api.context.invalid_body_param.app_error", text);
}

void
api_bad_param(struct http_req *req, const char *what)
{
	char	 text[128];

	(void)snprintf(text, sizeof(text),
	    "Invalid or missing %s parameter in request URL.", what);
	api_error(req, 400, "api.context.invalid_url_param.app_error", text);
}

static void
api_unauthorized(struct http_req *req)
{
	api_error(req, 401, "api.context.session_expired.app_error",
	    "Invalid or expired session, please login again.");
}

static void
api_not_found(struct http_req *req)
{
	char	 detail[512], *text;
	size_t	 len;
	json_t	*j;

	(void)snprintf(detail, sizeof(detail), NOT_FOUND_FMT, req->path);
	j = json_pack("{s:s,s:s,s:s,s:i}", "id", "api.context.404.app_error",
	    "message", "Sorry, we could not find the page.",
	    "detailed_error", detail, "status_code", 404);
	if (j == NULL)
		j = json_object();
	text = text_json(j, &len);
	json_decref(j);
	http_reply(req, 404, "text/plain; charset=utf-8", text, len);
	free(text);
}

int
is_admin(const struct user *u)
{
	return user_has_role(u, "system_admin");
}

int
may_read(const struct user *u, const struct channel *c)
{
	if (member_find(&c->members, u) != NULL || is_admin(u))
		return 1;
	return c->type == 'O' && member_find(&c->team->members, u) != NULL;
}

int
may_post(const struct user *u, const struct channel *c)
{
	if (member_find(&c->members, u) != NULL || is_admin(u) ||
	    user_has_role(u, "system_post_all"))
		return 1;
	return c->type == 'O' && user_has_role(u, "system_post_all_public");
}

/* The cookie wins over the header; the scheme's case does not matter. */
const char *
api_token(const struct http_req *req)
{
	static char	 token[64];
	const char	*v, *p;
	size_t		 len;

	v = http_header(req, "Cookie");
	if (v != NULL && (p = strstr(v, "MMAUTHTOKEN=")) != NULL) {
		p += strlen("MMAUTHTOKEN=");
		len = strcspn(p, "; ");
		(void)snprintf(token, sizeof(token), "%.*s", (int)len, p);
		return token;
	}
	if ((v = http_header(req, "Authorization")) == NULL)
		return NULL;
	if (strncasecmp(v, "Bearer ", 7) == 0)
		v += 7;
	else if (strncasecmp(v, "token ", 6) == 0)
		v += 6;
	else
		return NULL;
	(void)snprintf(token, sizeof(token), "%.50s", v);
	return token;
}

/*
 * The session of a presented token, or NULL.  With the database away only
 * sessions seen before are known, and the others look invalid.
 */
struct token *
api_session(const char *secret)
{
	struct token	*t;

	if (mm.opt.unauthorized || (t = token_by_secret(secret)) == NULL ||
	    !t->is_active || t->user->delete_at != 0)
		return NULL;
	if (mm.opt.db_down && !t->is_cached)
		return NULL;
	t->is_cached = 1;
	return t;
}

/* A parameter named …_id takes letters and digits only. */
static int
segment_fits(const char *name, size_t len, const char *s)
{
	if (len >= 3 && strncmp(name + len - 3, "_id", 3) == 0)
		return strspn(s, "abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == strlen(s);
	return 1;
}

static int
route_match(struct http_req *req, const struct route *r)
{
	const char	*p = r->pattern, *s = req->path + strlen(PREFIX);
	char		*out;
	size_t		 plen, slen, n = 0;

	out = req->param_buf;
	for (;;) {
		plen = strcspn(p, "/");
		slen = strcspn(s, "/");
		if (*p == ':') {
			if (slen == 0 || n == MM_MAXPARAMS)
				return 0;
			memcpy(out, s, slen);
			out[slen] = '\0';
			if (!segment_fits(p, plen, out))
				return 0;
			req->param[n++] = out;
			out += slen + 1;
		} else if (plen != slen || strncmp(p, s, plen) != 0)
			return 0;
		p += plen;
		s += slen;
		if (*p == '\0' || *s == '\0')
			return *p == *s || strcmp(s, "/") == 0;
		p++;
		s++;
	}
}

static const struct route *
route_find(struct http_req *req)
{
	const struct route	*r;
	size_t			 i, len = strlen(req->path) + 1;
	char			*path;

	if (strncmp(req->path, PREFIX, strlen(PREFIX)) != 0)
		return NULL;
	path = http_unescape(req->path, strlen(req->path), 0);
	free(req->path);
	req->path = path;
	if ((req->param_buf = calloc(1, len)) == NULL)
		err(1, NULL);
	for (i = 0; i < nitems(tables); i++)
		for (r = tables[i]; r->method != NULL; r++)
			if (strcmp(r->method, req->method) == 0 &&
			    route_match(req, r))
				return r;
	return NULL;
}

/* 11.6 bounds what it reads; 5.37 takes what a file may have. */
static int
api_too_large(struct http_req *req)
{
	if (!mm.opt.is_11)
		return 0;
	if (strlen(req->target) > 2048) {
		api_error(req, 414,
		    "basic_security_check.url.too_long_error",
		    "URL is too long");
		return 1;
	}
	if (req->body_len > 300000 &&
	    strncmp(req->path, PREFIX "files", 12) != 0) {
		api_error(req, 413,
		    "api.context.request_body_too_large.app_error",
		    "The request body is too large.");
		return 1;
	}
	return 0;
}

static void
api_headers(struct http_req *req)
{
	if (strcmp(req->method, "GET") == 0)
		http_out(req, "Expires", "0");
	http_out(req, "Vary", "Accept-Encoding");
	http_out(req, "X-Request-Id", "%s", req->id);
	http_out(req, "X-Version-Id", "%s", api_version_id());
}

/* A token in the address is for OAuth sessions only, which there are none. */
static int
has_query_token(struct http_req *req)
{
	if (api_token(req) != NULL ||
	    api_session(http_query(req, "access_token")) == NULL)
		return 0;
	api_error(req, 401, "api.context.token_provided.app_error",
	    "Session is not OAuth but token was provided in the query "
	    "string.");
	return 1;
}

void
api_request(struct http_req *req)
{
	const struct route	*r;

	if (ratelimit_check(req) || has_query_token(req))
		return;
	if (strcmp(req->path, "/api/v4/websocket") == 0 ||
	    strcmp(req->path, "/api/v4/websocket/") == 0) {
		ws_upgrade(req);
		return;
	}
	if (strncmp(req->path, "/hooks/", 7) == 0) {
		api_hook_routes[0].run(req);
		return;
	}
	if ((r = route_find(req)) == NULL) {
		api_not_found(req);
		return;
	}
	api_headers(req);
	if (api_too_large(req))
		return;
	if ((req->token = api_session(api_token(req))) != NULL)
		req->user = req->token->user;
	if (!(r->flags & API_OPEN)) {
		if (req->user == NULL) {
			api_unauthorized(req);
			return;
		}
		if (mm.opt.db_down) {
			api_error(req, 500, "app.select_error",
			    "select error");
			return;
		}
	}
	if (req->body_len > 0)
		req->json = text_parse(req->body, req->body_len);
	r->run(req);
}

/* The user of that parameter; NULL: answered. */
struct user *
api_user(struct http_req *req, int n)
{
	struct user	*u;

	if (strcmp(req->param[n], "me") == 0)
		return req->user;
	if (!text_is_id(req->param[n])) {
		api_bad_param(req, "user_id");
		return NULL;
	}
	if ((u = user_by_id(req->param[n])) == NULL)
		api_error(req, 404, "app.user.missing_account.const",
		    "Unable to find the user.");
	return u;
}

struct channel *
api_channel(struct http_req *req, int n)
{
	struct channel	*c;

	if (!text_is_id(req->param[n])) {
		api_bad_param(req, "channel_id");
		return NULL;
	}
	if ((c = channel_by_id(req->param[n])) == NULL)
		api_error(req, 404, "app.channel.get.existing.app_error",
		    "Unable to find the existing channel.");
	return c;
}

struct team *
api_team(struct http_req *req, int n)
{
	struct team	*t;

	if (!text_is_id(req->param[n])) {
		api_bad_param(req, "team_id");
		return NULL;
	}
	if ((t = team_by_id(req->param[n])) == NULL)
		api_error(req, 404, "app.team.get.find.app_error",
		    "Unable to find the existing team.");
	return t;
}

/* page and *per_page; garbage means the default, too much the maximum. */
int64_t
api_page(const struct http_req *req, int64_t *per_page)
{
	const char	*v, *e;
	int64_t		 page = 0;

	*per_page = 60;
	if ((v = http_query(req, "per_page")) != NULL) {
		*per_page = strtonum(v, 0, INT64_MAX, &e);
		if (e != NULL)
			*per_page = 60;
		else if (*per_page > 200)
			*per_page = 200;
	}
	if ((v = http_query(req, "page")) != NULL) {
		page = strtonum(v, 0, INT32_MAX, &e);
		if (e != NULL)
			page = 0;
	}
	return page;
}
