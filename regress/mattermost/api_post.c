/*
 * REST: creating, changing and deleting posts.
 */
#include "mattermost.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
record_post(const char *kind, const struct post *p, const char *pending,
    const struct user *by)
{
	json_t	*j;

	j = json_pack("{s:s,s:s,s:s,s:s,s:s,s:O,s:O,s:O,s:s,s:s}",
	    "post_id", p->id, "channel_id", p->channel->id,
	    "root_id", p->root_id, "user_id", p->user_id, "by", by->id,
	    "message", p->message, "props", p->props,
	    "file_ids", p->file_ids, "pending_post_id", pending,
	    "type", p->type);
	(void)record_add(kind, j);
}

/* With the pending id used already; 1: answered. */
static int
create_duplicate(struct http_req *req, const char *pending)
{
	char		 id[MM_ID_LEN + 1];
	struct post	*p;

	switch (pending_begin(pending, id)) {
	case PENDING_RUNNING:
		api_error(req, 500, "api.post.deduplicate_create_post.pending",
		    "Rejected post since another client is making the same "
		    "request.");
		return 1;
	case PENDING_DONE:
		if ((p = post_by_id(id)) == NULL ||
		    (mm.opt.is_11 && !may_read(req->user, p->channel)))
			return 0;
		api_json(req, 201, post_json(p, 0));
		return 1;
	case PENDING_NEW:
		break;
	}
	return 0;
}

static void
create_finish(struct http_req *req, struct channel *c)
{
	const char	*pending = text_str(req->json, "pending_post_id", "");
	const char	*online = http_query(req, "set_online");
	struct apperr	 e;
	struct post	*p;
	json_t		*j;
	int		 set_online;

	set_online = online == NULL || strcmp(online, "false") != 0;
	p = post_create(req->user, c, req->json, &e);
	if (*pending != '\0')
		pending_end(pending, p == NULL ? NULL : p->id);
	if (p == NULL) {
		api_apperr(req, &e);
		return;
	}
	if (set_online && strcmp(req->user->status, "online") != 0)
		hub_status(req->user, "online", 0);
	post_publish_new(p, req->user, pending, set_online, NULL);
	record_post("post", p, pending, req->user);
	j = post_json(p, 1);
	json_object_set_new(j, "pending_post_id", json_string(pending));
	api_json(req, 201, j);
}

static void
create_later(evutil_socket_t fd, short what, void *arg)
{
	struct http_req	*req = arg;

	(void)fd;
	(void)what;
	create_finish(req, channel_by_id(text_str(req->json, "channel_id",
	    NULL)));
}

static void
create_check(struct http_req *req, struct channel *c)
{
	const char	*pending = text_str(req->json, "pending_post_id", "");
	struct timeval	 tv;

	if (strncmp(text_str(req->json, "type", ""), "system_", 7) == 0) {
		api_error(req, 400, "api.context.invalid_param.app_error",
		    "Invalid post.type parameter.");
		return;
	}
	if (c->delete_at != 0) {
		api_error(req, 400,
		    "api.post.create_post.can_not_post_to_deleted.error",
		    "Can not post to deleted channel.");
		return;
	}
	if (*pending != '\0' && create_duplicate(req, pending))
		return;
	if (mm.opt.delay_create <= 0) {
		create_finish(req, c);
		return;
	}
	tv.tv_sec = mm.opt.delay_create / 1000;
	tv.tv_usec = mm.opt.delay_create % 1000 * 1000;
	if ((req->wait = evtimer_new(mm.base, create_later, req)) == NULL)
		errx(1, "evtimer_new");
	evtimer_add(req->wait, &tv);
}

/* 11.6 in hardened mode; sessions of tokens are not asked. */
static int
is_reserved(const struct http_req *req)
{
	static const char *const names[] = { "from_webhook",
	    "override_username", "webhook_display_name", "override_icon_url",
	    "override_icon_emoji" };
	json_t	*props = json_object_get(req->json, "props");
	size_t	 i;

	if (!mm.opt.is_11 || !mm.opt.hardened || req->token->is_personal)
		return 0;
	for (i = 0; i < nitems(names); i++)
		if (json_object_get(props, names[i]) != NULL)
			return 1;
	return 0;
}

static void
post_post(struct http_req *req)
{
	struct channel	*c;

	if (!json_is_object(req->json)) {
		api_bad_body(req, "post");
		return;
	}
	c = channel_by_id(text_str(req->json, "channel_id", NULL));
	if (c == NULL || !may_post(req->user, c)) {
		api_forbidden(req);
		return;
	}
	if (is_reserved(req)) {
		api_bad_body(req, "props");
		return;
	}
	create_check(req, c);
}

/* -1: answered.  0: *p is the post, or NULL when there is none. */
static int
post_param(struct http_req *req, struct post **p)
{
	if (!text_is_id(req->param[0])) {
		api_bad_param(req, "post_id");
		return -1;
	}
	*p = post_by_id(req->param[0]);
	return 0;
}

static void
post_get(struct http_req *req)
{
	struct post	*p;

	if (post_param(req, &p) == -1)
		return;
	if (p == NULL || p->delete_at != 0) {
		api_error(req, 404, "app.post.get.app_error",
		    "Unable to get the post.");
		return;
	}
	if (!may_read(req->user, p->channel)) {
		api_forbidden(req);
		return;
	}
	api_json(req, 200, post_json(p, 1));
}

static int
may_edit(const struct user *u, const struct post *p)
{
	if (is_admin(u))
		return 1;
	return strcmp(p->user_id, u->id) == 0 &&
	    member_find(&p->channel->members, u) != NULL;
}

static void
post_patch_put(struct http_req *req)
{
	struct post	*p;
	struct apperr	 e;

	if (post_param(req, &p) == -1)
		return;
	if (!json_is_object(req->json)) {
		api_bad_body(req, "post");
		return;
	}
	if (p == NULL || p->delete_at != 0 || !may_edit(req->user, p) ||
	    (mm.opt.is_11 && !may_post(req->user, p->channel))) {
		api_forbidden(req);
		return;
	}
	if (mm.opt.edit_limit >= 0 &&
	    clock_ms() > p->create_at + mm.opt.edit_limit * 1000) {
		api_error(req, 400,
		    "api.post.update_post.permissions_time_limit.app_error",
		    "Post edit is only allowed for a limited time.");
		return;
	}
	if (post_patch(p, req->json, &e) == -1) {
		api_apperr(req, &e);
		return;
	}
	post_publish("post_edited", p, NULL);
	record_post("patch", p, "", req->user);
	api_json(req, 200, post_json(p, 1));
}

static void
post_remove(struct http_req *req)
{
	struct post	*p;

	if (post_param(req, &p) == -1)
		return;
	if (p == NULL || p->delete_at != 0) {
		if (mm.opt.is_11)
			api_error(req, 404, "app.post.get.app_error",
			    "Unable to get the post.");
		else
			api_forbidden(req);
		return;
	}
	if (!may_edit(req->user, p)) {
		api_forbidden(req);
		return;
	}
	post_delete(p, req->user);
	record_post("delete", p, "", req->user);
	api_ok(req);
}

/* Administrators only, by default: only their target sees it. */
static void
post_ephemeral(struct http_req *req)
{
	json_t		*from = json_object_get(req->json, "post"), *j;
	struct audience	 a = { 0 };
	struct channel	*c;
	struct post	*p;
	struct apperr	 e;
	char		*text;

	a.user_id = text_str(req->json, "user_id", NULL);
	c = channel_by_id(text_str(from, "channel_id", NULL));
	if (!is_admin(req->user)) {
		api_forbidden(req);
		return;
	}
	if (c == NULL || user_by_id(a.user_id) == NULL) {
		api_bad_body(req, "post");
		return;
	}
	if ((p = post_create(req->user, c, from, &e)) == NULL) {
		api_apperr(req, &e);
		return;
	}
	strlcpy(p->type, "system_ephemeral", sizeof(p->type));
	j = post_json(p, 1);
	post_free(p);
	text = text_json(j, NULL);
	hub_publish("ephemeral_message", json_pack("{s:s}", "post", text),
	    &a);
	free(text);
	api_json(req, 201, j);
}

static void
post_typing(struct http_req *req)
{
	const char	*parent = text_str(req->json, "parent_id", "");
	struct audience	 a = { 0 };
	struct channel	*c;

	c = channel_by_id(text_str(req->json, "channel_id", NULL));
	if (c == NULL || !may_post(req->user, c)) {
		api_forbidden(req);
		return;
	}
	a.channel_id = c->id;
	a.omit_user = req->user->id;
	hub_publish("typing", json_pack("{s:s,s:s}", "parent_id", parent,
	    "user_id", req->user->id), &a);
	api_ok(req);
}

const struct route api_post_routes[] = {
	{ "POST", "posts", post_post, 0 },
	{ "POST", "posts/ephemeral", post_ephemeral, 0 },
	{ "GET", "posts/:post_id", post_get, 0 },
	{ "PUT", "posts/:post_id/patch", post_patch_put, 0 },
	{ "DELETE", "posts/:post_id", post_remove, 0 },
	{ "POST", "users/:user_id/typing", post_typing, 0 },
	{ NULL, NULL, NULL, 0 }
};
