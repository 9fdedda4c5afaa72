/*
 * Answers about accounts, channels and memberships, asked of the server anew
 * each time: they are what a decision rests on, and a change of roles or of
 * membership is announced to nobody.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "log.h"
#include "mm_event.h"
#include "net.h"
#include "text.h"

#define LOOKUP_DEADLINE	8000	/* ms: somebody waits for an answer */
#define LOOKUP_ATTEMPT	2500

struct lookup {
	uint32_t	 id;
	char		 key[USERNAME_SIZE];	/* user id or name */
	char		 channel[ID_SIZE];	/* or "" */
	char		 name[NAME_SIZE];	/* of a channel, or "" */
	int		 by_name;
};

static struct lookup *
lookup_new(uint32_t id)
{
	struct lookup	*l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		fatal("calloc");
	l->id = id;
	return l;
}

/* The status of an answer, and its JSON when there is one to look into. */
static enum lookup_status
lookup_answer(const struct http_answer *a, json_t **root)
{
	char	 buf[256];

	*root = NULL;
	if (a->status == 200) {
		*root = mm_parse(a->body, a->len);
		return json_is_object(*root) ? LOOKUP_OK : LOOKUP_FAILED;
	}
	/*
	 * 400: the server does not even take that for a name or an id.
	 * 403: it is not ours to see.
	 */
	if (a->status == 404 || a->status == 400 || a->status == 403)
		return LOOKUP_MISSING;
	log_warnx("lookup failed: %d %s", a->status,
	    call_error(a, buf, sizeof(buf)));
	return LOOKUP_FAILED;
}

static int
copy(char *to, size_t size, const char *from)
{
	return from == NULL || strlcpy(to, from, size) >= size ? -1 : 0;
}

static void
user_answer(struct net *n, uint32_t id, struct msg_user *m,
    enum lookup_status status)
{
	m->status = (uint8_t)status;
	if (status != LOOKUP_OK) {
		m->id[0] = m->username[0] = '\0';
		m->flags = 0;
	}
	n->world->send(n->arg, MSG_USER, id, m);
}

/* 0, or -1 when that is not the user who was asked about. */
static int
user_from(const json_t *root, const struct lookup *l, struct msg_user *m)
{
	const char	*id, *name, *roles, *remote;
	int64_t		 deleted;

	id = mm_string(root, "id");
	name = mm_string(root, "username");
	roles = mm_string(root, "roles");
	remote = mm_string(root, "remote_id");
	if (id == NULL || !text_is_id(id) || name == NULL || *name == '\0' ||
	    roles == NULL || remote == NULL ||
	    mm_integer(root, "delete_at", &deleted) == -1 ||
	    strcmp(l->by_name ? name : id, l->key) != 0)
		return -1;
	if (copy(m->id, sizeof(m->id), id) == -1 ||
	    copy(m->username, sizeof(m->username), name) == -1)
		return -1;
	m->flags = 0;
	if (deleted != 0)
		m->flags |= USER_DELETED;
	if (mm_is_true(root, "is_bot"))
		m->flags |= USER_BOT;
	if (mm_has_word(roles, "system_guest"))
		m->flags |= USER_GUEST;
	if (*remote != '\0')
		m->flags |= USER_REMOTE;
	return 0;
}

static void
user_done(struct net *n, struct call *c, const struct http_answer *a)
{
	struct lookup		*l = c->arg;
	enum lookup_status	 status;
	struct msg_user		 m;
	json_t			*root;

	memset(&m, 0, sizeof(m));
	status = lookup_answer(a, &root);
	if (status == LOOKUP_OK && user_from(root, l, &m) == -1) {
		log_warnx("the server's answer about a user makes no sense");
		status = LOOKUP_FAILED;
	}
	json_decref(root);
	user_answer(n, l->id, &m, status);
}

/* A user's name in the server's spelling; -1 when it can be none. */
static int
user_name(const char *name, char *buf, size_t size)
{
	size_t	 i;

	for (i = 0; name[i] != '\0'; i++) {
		if (i + 1 >= size)
			return -1;
		buf[i] = (char)tolower((unsigned char)name[i]);
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789._-",
		    buf[i]) == NULL)
			return -1;
	}
	buf[i] = '\0';
	/* these would be folders in the path of a URL */
	return i == 0 || strcmp(buf, ".") == 0 || strcmp(buf, "..") == 0 ?
	    -1 : 0;
}

void
lookup_user(struct net *n, uint32_t id, const struct msg_lookup_user *q)
{
	struct msg_user	 m;
	struct lookup	*l;
	struct call	*c;

	memset(&m, 0, sizeof(m));
	l = lookup_new(id);
	l->by_name = q->by_name;
	if (n->bot_id[0] == '\0' || (q->by_name ?
	    user_name(q->key, l->key, sizeof(l->key)) == -1 :
	    !text_is_id(q->key))) {
		user_answer(n, id, &m, n->bot_id[0] == '\0' ? LOOKUP_FAILED :
		    LOOKUP_MISSING);
		free(l);
		return;
	}
	if (!q->by_name)
		(void)strlcpy(l->key, q->key, sizeof(l->key));
	c = call_new(n, CALL_LOOKUP, HTTP_GET, user_done, l);
	(void)call_path(c, q->by_name ? "/users/username/%s" : "/users/%s",
	    l->key);
	c->attempt_ms = LOOKUP_ATTEMPT;
	call_submit(n, c, LOOKUP_DEADLINE);
}

static void
channel_answer(struct net *n, uint32_t id, struct msg_channel *m,
    enum lookup_status status)
{
	if (status != LOOKUP_OK) {
		memset(m, 0, sizeof(*m));
		m->type = 'O';
	}
	m->status = (uint8_t)status;
	n->world->send(n->arg, MSG_CHANNEL, id, m);
}

static int
channel_from(const json_t *root, const struct lookup *l,
    struct msg_channel *m)
{
	const char	*id, *team, *name, *type;
	int64_t		 deleted;

	id = mm_string(root, "id");
	team = mm_string(root, "team_id");
	name = mm_string(root, "name");
	type = mm_string(root, "type");
	if (id == NULL || !text_is_id(id) || team == NULL ||
	    (*team != '\0' && !text_is_id(team)) || name == NULL ||
	    type == NULL || strlen(type) != 1 ||
	    strchr("OPDG", type[0]) == NULL ||
	    mm_integer(root, "delete_at", &deleted) == -1)
		return -1;
	if (strcmp(l->channel[0] != '\0' ? id : name,
	    l->channel[0] != '\0' ? l->channel : l->name) != 0)
		return -1;
	if (copy(m->id, sizeof(m->id), id) == -1 ||
	    copy(m->team_id, sizeof(m->team_id), team) == -1 ||
	    copy(m->name, sizeof(m->name), name) == -1)
		return -1;
	m->type = (uint8_t)type[0];
	m->flags = 0;
	if (deleted != 0)
		m->flags |= CHANNEL_DELETED;
	if (mm_is_true(root, "shared"))
		m->flags |= CHANNEL_SHARED;
	return 0;
}

static void
channel_done(struct net *n, struct call *c, const struct http_answer *a)
{
	struct lookup		*l = c->arg;
	enum lookup_status	 status;
	struct msg_channel	 m;
	json_t			*root;

	memset(&m, 0, sizeof(m));
	status = lookup_answer(a, &root);
	if (status == LOOKUP_OK && channel_from(root, l, &m) == -1) {
		log_warnx("the server's answer about a channel makes no "
		    "sense");
		status = LOOKUP_FAILED;
	}
	json_decref(root);
	channel_answer(n, l->id, &m, status);
}

static int
is_name(const char *s)
{
	size_t	 len = strlen(s);

	return len > 0 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-")
	    == len;
}

void
lookup_channel(struct net *n, uint32_t id, const struct msg_lookup_channel *q)
{
	const char		*team;
	struct msg_channel	 m;
	struct lookup		*l;
	struct call		*c;

	team = q->team[0] != '\0' ? q->team : n->team;
	if (n->bot_id[0] == '\0' || (q->id[0] != '\0' ? !text_is_id(q->id) :
	    !is_name(team) || !is_name(q->name))) {
		channel_answer(n, id, &m, n->bot_id[0] == '\0' ?
		    LOOKUP_FAILED : LOOKUP_MISSING);
		return;
	}
	l = lookup_new(id);
	(void)strlcpy(l->channel, q->id, sizeof(l->channel));
	(void)strlcpy(l->name, q->name, sizeof(l->name));
	c = call_new(n, CALL_LOOKUP, HTTP_GET, channel_done, l);
	if (l->channel[0] != '\0')
		(void)call_path(c, "/channels/%s", l->channel);
	else
		(void)call_path(c, text_is_id(team) ?
		    "/teams/%s/channels/name/%s?include_deleted=true" :
		    "/teams/name/%s/channels/name/%s?include_deleted=true",
		    team, l->name);
	c->attempt_ms = LOOKUP_ATTEMPT;
	call_submit(n, c, LOOKUP_DEADLINE);
}

static void
member_answer(struct net *n, uint32_t id, enum lookup_status status,
    int guest)
{
	struct msg_member	 m;

	memset(&m, 0, sizeof(m));
	m.status = (uint8_t)status;
	m.guest = status == LOOKUP_OK && guest;
	n->world->send(n->arg, MSG_MEMBER, id, &m);
}

static void
member_done(struct net *n, struct call *c, const struct http_answer *a)
{
	struct lookup		*l = c->arg;
	enum lookup_status	 status;
	const char		*channel, *user, *roles;
	json_t			*root;
	int			 guest = 0;

	status = lookup_answer(a, &root);
	if (status == LOOKUP_OK) {
		channel = mm_string(root, "channel_id");
		user = mm_string(root, "user_id");
		roles = mm_string(root, "roles");
		if (channel == NULL || strcmp(channel, l->channel) != 0 ||
		    user == NULL || strcmp(user, l->key) != 0 ||
		    roles == NULL) {
			log_warnx("the server's answer about a member makes "
			    "no sense");
			status = LOOKUP_FAILED;
		} else
			guest = mm_is_true(root, "scheme_guest") ||
			    mm_has_word(roles, "channel_guest");
	}
	json_decref(root);
	member_answer(n, l->id, status, guest);
}

void
lookup_member(struct net *n, uint32_t id, const struct msg_lookup_member *q)
{
	struct lookup	*l;
	struct call	*c;

	if (n->bot_id[0] == '\0') {
		member_answer(n, id, LOOKUP_FAILED, 0);
		return;
	}
	l = lookup_new(id);
	(void)strlcpy(l->channel, q->channel_id, sizeof(l->channel));
	(void)strlcpy(l->key, q->user_id, sizeof(l->key));
	c = call_new(n, CALL_LOOKUP, HTTP_GET, member_done, l);
	(void)call_path(c, "/channels/%s/members/%s", l->channel, l->key);
	c->attempt_ms = LOOKUP_ATTEMPT;
	call_submit(n, c, LOOKUP_DEADLINE);
}
