/*
 * REST: reactions.
 */
#include "mattermost.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#define EMOJI_PER_POST	50	/* 11.6 */

static int
is_emoji(const char *s)
{
	size_t	 i, len = s == NULL ? 0 : strlen(s);

	if (len == 0 || len > 64)
		return 0;
	for (i = 0; i < len; i++)
		if (!((s[i] >= '0' && s[i] <= '9') ||
		    (s[i] >= 'a' && s[i] <= 'z') ||
		    (s[i] >= 'A' && s[i] <= 'Z') || strchr("_+-", s[i])))
			return 0;
	return 1;
}

static struct reaction *
reaction_find(const struct post *p, const struct user *u, const char *emoji)
{
	struct reaction	*r;

	TAILQ_FOREACH(r, &p->reactions, entry)
		if (r->user == u && strcmp(r->emoji, emoji) == 0)
			return r;
	return NULL;
}

static void
reaction_publish(const char *event, const struct post *p,
    const struct reaction *r)
{
	struct audience	 a = { 0 };
	json_t		*j = reaction_json(p, r);
	char		*text = text_json(j, NULL);

	json_decref(j);
	a.channel_id = p->channel->id;
	hub_publish(event, json_pack("{s:s}", "reaction", text), &a);
	(void)record_add(event, json_pack("{s:s,s:s,s:s,s:s}", "user_id",
	    r->user->id, "post_id", p->id, "emoji_name", r->emoji,
	    "channel_id", p->channel->id));
	free(text);
}

static void
reaction_touch(struct post *p)
{
	p->has_reactions = !TAILQ_EMPTY(&p->reactions);
	p->update_at = clock_ms();
}

/* create_at is the client's, if it says one; again is no error. */
struct reaction *
post_react(struct post *p, struct user *u, const char *emoji,
    int64_t create_at)
{
	struct reaction	*r;

	if ((r = reaction_find(p, u, emoji)) == NULL) {
		if ((r = calloc(1, sizeof(*r))) == NULL)
			err(1, NULL);
		r->user = u;
		strlcpy(r->emoji, emoji, sizeof(r->emoji));
		TAILQ_INSERT_TAIL(&p->reactions, r, entry);
	}
	r->update_at = clock_ms();
	r->create_at = create_at != 0 ? create_at : r->update_at;
	reaction_touch(p);
	reaction_publish("reaction_added", p, r);
	return r;
}

/* The event comes even when there was nothing to remove. */
void
post_unreact(struct post *p, struct user *u, const char *emoji)
{
	struct reaction	*r, gone = { 0 };

	if ((r = reaction_find(p, u, emoji)) != NULL) {
		TAILQ_REMOVE(&p->reactions, r, entry);
		free(r);
		reaction_touch(p);
	}
	gone.user = u;
	gone.update_at = clock_ms();
	strlcpy(gone.emoji, emoji, sizeof(gone.emoji));
	reaction_publish("reaction_removed", p, &gone);
}

static int
over_limit(const struct post *p, const struct user *u, const char *emoji)
{
	struct reaction	*r, *s;
	size_t		 distinct = 0;

	if (!mm.opt.is_11 || reaction_find(p, u, emoji) != NULL)
		return 0;
	TAILQ_FOREACH(r, &p->reactions, entry) {
		if (strcmp(r->emoji, emoji) == 0)
			return 0;
		TAILQ_FOREACH(s, &p->reactions, entry)
			if (strcmp(r->emoji, s->emoji) == 0)
				break;
		distinct += r == s;
	}
	return distinct >= EMOJI_PER_POST;
}

static void
reaction_post(struct http_req *req)
{
	const char	*emoji = text_str(req->json, "emoji_name", NULL);
	struct post	*p;

	if (!json_is_object(req->json) || !is_emoji(emoji) ||
	    !text_is_id(text_str(req->json, "user_id", NULL))) {
		api_bad_body(req, "reaction");
		return;
	}
	if (strcmp(text_str(req->json, "user_id", ""), req->user->id) != 0) {
		api_error(req, 403,
		    "api.reaction.save_reaction.user_id.app_error",
		    "You cannot save reaction for the other user.");
		return;
	}
	p = post_by_id(text_str(req->json, "post_id", NULL));
	if (p == NULL || p->delete_at != 0 ||
	    !may_post(req->user, p->channel)) {
		api_forbidden(req);
		return;
	}
	if (p->channel->delete_at != 0) {
		api_error(req, 403,
		    "api.reaction.save.archived_channel.app_error",
		    "You cannot react in an archived channel.");
		return;
	}
	if (over_limit(p, req->user, emoji)) {
		api_error(req, 400,
		    "app.reaction.save.save.too_many_reactions",
		    "Reaction limit has been reached for this post.");
		return;
	}
	api_json(req, 200, reaction_json(p, post_react(p, req->user, emoji,
	    text_int(req->json, "create_at", 0))));
}

static void
reaction_delete(struct http_req *req)
{
	struct user	*u;
	struct post	*p;

	if ((u = api_user(req, 0)) == NULL)
		return;
	if (!text_is_id(req->param[1])) {
		api_bad_param(req, "post_id");
		return;
	}
	if (!is_emoji(req->param[2])) {
		api_bad_param(req, "emoji_name");
		return;
	}
	p = post_by_id(req->param[1]);
	if (p == NULL || !may_post(req->user, p->channel) ||
	    (u != req->user && !is_admin(req->user))) {
		api_forbidden(req);
		return;
	}
	post_unreact(p, u, req->param[2]);
	api_ok(req);
}

static void
reaction_list(struct http_req *req)
{
	struct reaction	*r;
	struct post	*p;
	json_t		*out;

	if (!text_is_id(req->param[0])) {
		api_bad_param(req, "post_id");
		return;
	}
	if ((p = post_by_id(req->param[0])) == NULL ||
	    !may_read(req->user, p->channel)) {
		api_forbidden(req);
		return;
	}
	if (TAILQ_EMPTY(&p->reactions)) {
		api_json(req, 200, json_null());
		return;
	}
	out = json_array();
	TAILQ_FOREACH(r, &p->reactions, entry)
		json_array_append_new(out, reaction_json(p, r));
	api_json(req, 200, out);
}

const struct route api_reaction_routes[] = {
	{ "POST", "reactions", reaction_post, 0 },
	{ "DELETE", "users/:user_id/posts/:post_id/reactions/:emoji",
	    reaction_delete, 0 },
	{ "GET", "posts/:post_id/reactions", reaction_list, 0 },
	{ NULL, NULL, NULL, 0 }
};
