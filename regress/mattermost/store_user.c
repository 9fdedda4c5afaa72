/*
 * Users, tokens and teams, in memory.
 */
#include "mattermost.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct user *
user_new(const char *username, const char *email)
{
	struct user	*u;

	if ((u = calloc(1, sizeof(*u))) == NULL)
		err(1, NULL);
	text_new_id(u->id);
	strlcpy(u->username, username, sizeof(u->username));
	strlcpy(u->email, email, sizeof(u->email));
	strlcpy(u->status, "offline", sizeof(u->status));
	strlcpy(u->roles, TAILQ_EMPTY(&mm.users) ?
	    "system_admin system_user" : "system_user", sizeof(u->roles));
	u->create_at = u->update_at = clock_ms();
	TAILQ_INSERT_TAIL(&mm.users, u, entry);
	return u;
}

struct user *
user_by_id(const char *id)
{
	struct user	*u;

	TAILQ_FOREACH(u, &mm.users, entry)
		if (id != NULL && strcmp(u->id, id) == 0)
			return u;
	return NULL;
}

struct user *
user_by_name(const char *name)
{
	struct user	*u;

	TAILQ_FOREACH(u, &mm.users, entry)
		if (name != NULL && strcasecmp(u->username, name) == 0)
			return u;
	return NULL;
}

int
user_has_role(const struct user *u, const char *role)
{
	const char	*p = u->roles;
	size_t		 len = strlen(role);

	while ((p = strstr(p, role)) != NULL) {
		if ((p == u->roles || p[-1] == ' ') &&
		    (p[len] == ' ' || p[len] == '\0'))
			return 1;
		p += len;
	}
	return 0;
}

/* own: as its owner sees it, with what others are not shown. */
json_t *
user_json(const struct user *u, int own)
{
	json_t	*j;

	j = json_pack("{s:s,s:I,s:I,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}",
	    "id", u->id, "create_at", (json_int_t)u->create_at,
	    "update_at", (json_int_t)u->update_at,
	    "delete_at", (json_int_t)u->delete_at, "username", u->username,
	    "auth_data", "", "auth_service", "", "email", u->email,
	    "nickname", u->nickname, "first_name", u->first_name,
	    "last_name", u->last_name, "position", u->position,
	    "roles", u->roles);
	if (own) {
		json_object_set_new(j, "notify_props", json_pack(
		    "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}",
		    "channel", "true", "comments", "never",
		    "desktop", "mention", "desktop_sound", "true",
		    "email", "true", "first_name", "false",
		    "mention_keys", "", "push", "mention",
		    "push_status", "away"));
		json_object_set_new(j, "last_password_update",
		    json_integer(u->create_at));
	}
	json_object_set_new(j, "locale", json_string("en"));
	json_object_set_new(j, "timezone", json_pack("{s:s,s:s,s:s}",
	    "automaticTimezone", "", "manualTimezone", "",
	    "useAutomaticTimezone", "true"));
	if (u->remote_id[0] != '\0')
		json_object_set_new(j, "remote_id", json_string(u->remote_id));
	if (u->is_bot)
		json_object_set_new(j, "is_bot", json_true());
	json_object_set_new(j, "disable_welcome_email", json_false());
	return j;
}

struct token *
token_new(struct user *u, int is_personal, const char *description)
{
	struct token	*t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		err(1, NULL);
	text_new_id(t->id);
	text_new_id(t->secret);
	strlcpy(t->description, description, sizeof(t->description));
	t->user = u;
	t->is_personal = is_personal;
	t->is_active = 1;
	TAILQ_INSERT_TAIL(&mm.tokens, t, entry);
	return t;
}

struct token *
token_by_secret(const char *secret)
{
	struct token	*t;

	TAILQ_FOREACH(t, &mm.tokens, entry)
		if (secret != NULL && strcmp(t->secret, secret) == 0)
			return t;
	return NULL;
}

struct token *
token_by_id(const char *id)
{
	struct token	*t;

	TAILQ_FOREACH(t, &mm.tokens, entry)
		if (id != NULL && strcmp(t->id, id) == 0)
			return t;
	return NULL;
}

void
token_free(struct token *t)
{
	TAILQ_REMOVE(&mm.tokens, t, entry);
	freezero(t, sizeof(*t));
}

struct team *
team_new(const char *name, const char *display, char type)
{
	struct team	*t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		err(1, NULL);
	text_new_id(t->id);
	text_new_id(t->invite_id);
	strlcpy(t->name, name, sizeof(t->name));
	strlcpy(t->display_name, display, sizeof(t->display_name));
	t->type = type;
	t->create_at = t->update_at = clock_ms();
	TAILQ_INIT(&t->members);
	TAILQ_INSERT_TAIL(&mm.teams, t, entry);
	(void)channel_new(t, "town-square", "Town Square", 'O');
	(void)channel_new(t, "off-topic", "Off-Topic", 'O');
	return t;
}

struct team *
team_by_id(const char *id)
{
	struct team	*t;

	TAILQ_FOREACH(t, &mm.teams, entry)
		if (id != NULL && strcmp(t->id, id) == 0)
			return t;
	return NULL;
}

struct team *
team_by_name(const char *name)
{
	struct team	*t;

	TAILQ_FOREACH(t, &mm.teams, entry)
		if (name != NULL && strcmp(t->name, name) == 0)
			return t;
	return NULL;
}

json_t *
team_json(const struct team *t)
{
	char	 type[2] = { t->type, '\0' };

	return json_pack("{s:s,s:I,s:I,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,"
	    "s:b,s:n,s:n,s:n}",
	    "id", t->id, "create_at", (json_int_t)t->create_at,
	    "update_at", (json_int_t)t->update_at,
	    "delete_at", (json_int_t)t->delete_at,
	    "display_name", t->display_name, "name", t->name,
	    "description", "", "email", "", "type", type,
	    "company_name", "", "allowed_domains", "",
	    "invite_id", t->invite_id, "allow_open_invite", 0,
	    "scheme_id", "group_constrained", "policy_id");
}

struct member *
member_find(const struct memberlist *list, const struct user *u)
{
	struct member	*m;

	TAILQ_FOREACH(m, list, entry)
		if (m->user == u)
			return m;
	return NULL;
}

/* Idempotent. */
struct member *
member_add(struct memberlist *list, struct user *u)
{
	struct member	*m;

	if ((m = member_find(list, u)) != NULL)
		return m;
	if ((m = calloc(1, sizeof(*m))) == NULL)
		err(1, NULL);
	m->user = u;
	m->is_guest = user_has_role(u, "system_guest");
	m->last_update = clock_ms();
	TAILQ_INSERT_TAIL(list, m, entry);
	return m;
}

void
member_remove(struct memberlist *list, struct member *m)
{
	TAILQ_REMOVE(list, m, entry);
	free(m);
}
