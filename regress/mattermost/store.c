/*
 * Channels, posts, files and webhooks, in memory.
 */
#include "mattermost.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

void
store_init(void)
{
	uint8_t	 raw[16];
	size_t	 i;

	TAILQ_INIT(&mm.users);
	TAILQ_INIT(&mm.tokens);
	TAILQ_INIT(&mm.teams);
	TAILQ_INIT(&mm.channels);
	TAILQ_INIT(&mm.files);
	TAILQ_INIT(&mm.hooks);
	arc4random_buf(raw, sizeof(raw));
	for (i = 0; i < sizeof(raw); i++)
		(void)snprintf(mm.config_hash + 2 * i, 3, "%02x", raw[i]);
	text_new_id(mm.control_secret);
}

static void
members_free(struct memberlist *list)
{
	struct member	*m;

	while ((m = TAILQ_FIRST(list)) != NULL)
		member_remove(list, m);
}

static void
channel_free(struct channel *c)
{
	struct post	*p;

	while ((p = TAILQ_FIRST(&c->posts)) != NULL)
		post_free(p);
	members_free(&c->members);
	TAILQ_REMOVE(&mm.channels, c, entry);
	free(c);
}

void
store_free(void)
{
	struct user	*u;
	struct token	*t;
	struct team	*team;
	struct channel	*c;
	struct file	*f;
	struct hook	*h;

	while ((c = TAILQ_FIRST(&mm.channels)) != NULL)
		channel_free(c);
	while ((team = TAILQ_FIRST(&mm.teams)) != NULL) {
		TAILQ_REMOVE(&mm.teams, team, entry);
		members_free(&team->members);
		free(team);
	}
	while ((f = TAILQ_FIRST(&mm.files)) != NULL) {
		TAILQ_REMOVE(&mm.files, f, entry);
		free(f->bytes);
		free(f);
	}
	while ((h = TAILQ_FIRST(&mm.hooks)) != NULL) {
		TAILQ_REMOVE(&mm.hooks, h, entry);
		free(h);
	}
	while ((t = TAILQ_FIRST(&mm.tokens)) != NULL)
		token_free(t);
	while ((u = TAILQ_FIRST(&mm.users)) != NULL) {
		TAILQ_REMOVE(&mm.users, u, entry);
		free(u);
	}
}

struct channel *
channel_new(struct team *team, const char *name, const char *display,
    char type)
{
	struct channel	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		err(1, NULL);
	text_new_id(c->id);
	c->team = team;
	c->type = type;
	strlcpy(c->name, name, sizeof(c->name));
	strlcpy(c->display_name, display, sizeof(c->display_name));
	c->create_at = c->update_at = clock_ms();
	TAILQ_INIT(&c->members);
	TAILQ_INIT(&c->posts);
	TAILQ_INSERT_TAIL(&mm.channels, c, entry);
	return c;
}

struct channel *
channel_by_id(const char *id)
{
	struct channel	*c;

	TAILQ_FOREACH(c, &mm.channels, entry)
		if (id != NULL && strcmp(c->id, id) == 0)
			return c;
	return NULL;
}

/* Archived ones too: a name is taken as long as its channel exists. */
struct channel *
channel_by_name(const struct team *team, const char *name)
{
	struct channel	*c;

	TAILQ_FOREACH(c, &mm.channels, entry)
		if (c->team == team && strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

/* The direct channel of two, made when it is not there. */
struct channel *
channel_direct(struct user *a, struct user *b, int *is_new)
{
	struct channel	*c;
	char		 name[65];
	int		 swap = strcmp(a->id, b->id) > 0;

	(void)snprintf(name, sizeof(name), "%s__%s", swap ? b->id : a->id,
	    swap ? a->id : b->id);
	*is_new = 0;
	if ((c = channel_by_name(NULL, name)) != NULL)
		return c;
	*is_new = 1;
	c = channel_new(NULL, name, "", 'D');
	strlcpy(c->creator_id, a->id, sizeof(c->creator_id));
	(void)member_add(&c->members, a);
	(void)member_add(&c->members, b);
	return c;
}

static int
id_compare(const void *a, const void *b)
{
	struct user *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

static int
name_compare(const void *a, const void *b)
{
	struct user *const *x = a, *const *y = b;

	return strcmp((*x)->username, (*y)->username);
}

/* A group's name is the SHA-1 of its members' ids, sorted. */
static void
group_name(struct user **u, size_t n, char name[65])
{
	uint8_t		 sum[SHA_DIGEST_LENGTH];
	char		 ids[8 * MM_ID_LEN + 1] = "";
	size_t		 i;

	qsort(u, n, sizeof(*u), id_compare);
	for (i = 0; i < n; i++)
		strlcat(ids, u[i]->id, sizeof(ids));
	SHA1((const uint8_t *)ids, strlen(ids), sum);
	for (i = 0; i < sizeof(sum); i++)
		(void)snprintf(name + 2 * i, 3, "%02x", sum[i]);
}

/* n is at most 8; the array is put in another order. */
struct channel *
channel_group(struct user **u, size_t n, int *is_new)
{
	struct channel	*c;
	char		 name[65];
	size_t		 i;

	group_name(u, n, name);
	*is_new = 0;
	if ((c = channel_by_name(NULL, name)) != NULL)
		return c;
	*is_new = 1;
	c = channel_new(NULL, name, "", 'G');
	qsort(u, n, sizeof(*u), name_compare);
	for (i = 0; i < n; i++) {
		if (i > 0)
			strlcat(c->display_name, ", ", sizeof(c->display_name));
		strlcat(c->display_name, u[i]->username,
		    sizeof(c->display_name));
		(void)member_add(&c->members, u[i]);
	}
	return c;
}

json_t *
channel_json(const struct channel *c)
{
	json_t	*j;
	char	 type[2] = { c->type, '\0' };

	j = json_pack("{s:s,s:I,s:I,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:i,"
	    "s:s,s:n,s:n,s:n}",
	    "id", c->id, "create_at", (json_int_t)c->create_at,
	    "update_at", (json_int_t)c->update_at,
	    "delete_at", (json_int_t)c->delete_at,
	    "team_id", c->team == NULL ? "" : c->team->id, "type", type,
	    "display_name", c->display_name, "name", c->name,
	    "header", c->header, "purpose", c->purpose,
	    "last_post_at", (json_int_t)c->last_post_at,
	    "total_msg_count", (json_int_t)c->total, "extra_update_at", 0,
	    "creator_id", c->creator_id, "scheme_id", "props",
	    "group_constrained");
	json_object_set_new(j, "shared", c->is_shared ? json_true() :
	    c->type == 'D' ? json_false() : json_null());
	json_object_set_new(j, "total_msg_count_root",
	    json_integer(c->total_root));
	json_object_set_new(j, "policy_id", json_null());
	return j;
}

json_t *
channel_member_json(const struct channel *c, const struct member *m)
{
	return json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:{s:s,s:s,s:s,s:s,"
	    "s:s},s:I,s:b,s:b,s:b,s:s}",
	    "channel_id", c->id, "user_id", m->user->id,
	    "roles", m->is_guest ? "channel_guest" :
	    m->is_admin ? "channel_user channel_admin" : "channel_user",
	    "last_viewed_at", (json_int_t)m->last_viewed,
	    "msg_count", (json_int_t)m->msg_count,
	    "mention_count", (json_int_t)m->mention_count,
	    "mention_count_root", (json_int_t)m->mention_count,
	    "msg_count_root", (json_int_t)m->msg_count, "notify_props",
	    "desktop", "default", "email", "default",
	    "ignore_channel_mentions", "default", "mark_unread", "all",
	    "push", "default", "last_update_at", (json_int_t)m->last_update,
	    "scheme_guest", m->is_guest, "scheme_user", !m->is_guest,
	    "scheme_admin", m->is_admin, "explicit_roles", "");
}

struct post *
post_new(struct channel *c)
{
	struct post	*p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		err(1, NULL);
	text_new_id(p->id);
	p->channel = c;
	TAILQ_INIT(&p->reactions);
	TAILQ_INSERT_TAIL(&c->posts, p, entry);
	return p;
}

struct post *
post_by_id(const char *id)
{
	struct channel	*c;
	struct post	*p;

	TAILQ_FOREACH(c, &mm.channels, entry)
		TAILQ_FOREACH_REVERSE(p, &c->posts, postlist, entry)
			if (id != NULL && strcmp(p->id, id) == 0)
				return p;
	return NULL;
}

void
post_free(struct post *p)
{
	struct reaction	*r;

	while ((r = TAILQ_FIRST(&p->reactions)) != NULL) {
		TAILQ_REMOVE(&p->reactions, r, entry);
		free(r);
	}
	TAILQ_REMOVE(&p->channel->posts, p, entry);
	json_decref(p->message);
	json_decref(p->message_source);
	json_decref(p->props);
	json_decref(p->file_ids);
	json_decref(p->participants);
	free(p);
}

json_t *
reaction_json(const struct post *p, const struct reaction *r)
{
	json_t	*j;

	j = json_pack("{s:s,s:s,s:s,s:I,s:I,s:i,s:s}",
	    "user_id", r->user->id, "post_id", p->id, "emoji_name", r->emoji,
	    "create_at", (json_int_t)r->create_at,
	    "update_at", (json_int_t)r->update_at, "delete_at", 0,
	    "remote_id", "");
	if (mm.opt.is_11)
		json_object_set_new(j, "channel_id",
		    json_string(p->channel->id));
	return j;
}

struct file *
file_by_id(const char *id)
{
	struct file	*f;

	TAILQ_FOREACH(f, &mm.files, entry)
		if (id != NULL && strcmp(f->id, id) == 0)
			return f;
	return NULL;
}

json_t *
file_json(const struct file *f)
{
	const char	*dot = strrchr(f->name, '.');
	json_t		*j;

	j = json_pack("{s:s,s:s}", "id", f->id, "user_id", f->user->id);
	if (f->post_id[0] != '\0')
		json_object_set_new(j, "post_id", json_string(f->post_id));
	json_object_update_new(j, json_pack(
	    "{s:s,s:I,s:I,s:i,s:s,s:s,s:I,s:s,s:n,s:s}",
	    "channel_id", "", "create_at", (json_int_t)f->create_at,
	    "update_at", (json_int_t)f->update_at, "delete_at", 0,
	    "name", f->name, "extension", dot == NULL ? "" : dot + 1,
	    "size", (json_int_t)f->size, "mime_type", f->mime,
	    "mini_preview", "remote_id", ""));
	return j;
}

struct hook *
hook_by_id(const char *id)
{
	struct hook	*h;

	TAILQ_FOREACH(h, &mm.hooks, entry)
		if (id != NULL && strcmp(h->id, id) == 0)
			return h;
	return NULL;
}
