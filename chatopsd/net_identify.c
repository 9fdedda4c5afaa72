/*
 * Who the token belongs to, what the server's limits are, and, where it says
 * 401, whether it means it: a server that cannot reach its database answers
 * 401 to a good token too.
 */
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "log.h"
#include "mm_event.h"
#include "net.h"
#include "text.h"

#define IDENTIFY_DEADLINE	10000

static void
limits_from(struct net *n, const json_t *config)
{
	const char	*v, *errstr;
	long long	 number;

	v = mm_string(config, "MaxPostSize");
	number = v == NULL ? 0 : strtonum(v, 1, INT32_MAX, &errstr);
	if (v == NULL || errstr != NULL)
		n->max_post = NET_DEFAULT_POST;
	else
		n->max_post = (uint32_t)number;
	/* a message between the processes holds that many */
	if (n->max_post > (POST_SIZE - 1) / 4)
		n->max_post = (POST_SIZE - 1) / 4;

	n->max_file = 0;
	v = mm_string(config, "EnableFileAttachments");
	if (v != NULL && strcmp(v, "true") == 0) {
		v = mm_string(config, "MaxFileSize");
		number = v == NULL ? 0 : strtonum(v, 0, INT64_MAX, &errstr);
		if (v != NULL && errstr == NULL)
			n->max_file = (uint64_t)number;
	}
	v = mm_string(config, "WebsocketURL");
	if (v != NULL && *v != '\0')
		log_debug("the server names %s for WebSockets; the configured "
		    "websocketUrl is used", v);
}

static void
identify_finish(struct net *n)
{
	struct session	*s = &n->session;

	if (s->asking_me || s->asking_limits || !s->proven)
		return;
	s->proven = 0;
	if (s->state == SESSION_UP)
		net_tell_state(n);
	else
		session_identified(n);
}

static void
limits_done(struct net *n, struct call *c, const struct http_answer *a)
{
	json_t	*config = NULL;
	char	 buf[160];

	(void)c;
	n->session.asking_limits = 0;
	if (a->status == 200)
		config = mm_parse(a->body, a->len);
	if (json_is_object(config)) {
		limits_from(n, config);
		n->has_limits = 1;
	} else if (a->status != 401)
		log_warnx("the server's limits are unknown (%s): using %u "
		    "characters", call_error(a, buf, sizeof(buf)),
		    n->max_post);
	json_decref(config);
	identify_finish(n);
}

static void
identify_limits(struct net *n)
{
	struct call	*c;

	if (n->session.asking_limits)
		return;
	n->session.asking_limits = 1;
	c = call_new(n, CALL_LOOKUP, HTTP_GET, limits_done, NULL);
	(void)call_path(c, "/config/client?format=old");
	c->no_retry = 1;
	c->attempt_ms = IDENTIFY_DEADLINE;
	call_submit(n, c, IDENTIFY_DEADLINE);
}

static void
health_done(struct net *n, struct call *c, const struct http_answer *a)
{
	json_t		*root;
	const char	*status, *database;
	int		 healthy;

	(void)c;
	if (a->status == 0) {
		session_unavailable(n, a->why);
		return;
	}
	root = a->status == 200 ? mm_parse(a->body, a->len) : NULL;
	status = mm_string(root, "status");
	database = mm_string(root, "database_status");
	healthy = json_is_object(root) && status != NULL &&
	    strcmp(status, "OK") == 0 && database != NULL &&
	    (*database == '\0' || strcmp(database, "OK") == 0);
	if (healthy)
		session_refused(n, "the server refuses the bot's token");
	else
		session_unavailable(n, "the server is unhealthy: its 401 says "
		    "nothing about the token");
	json_decref(root);
}

static void
identify_health(struct net *n)
{
	struct call	*c;

	c = call_new(n, CALL_LOOKUP, HTTP_GET, health_done, NULL);
	(void)call_path(c, "/system/ping?get_server_status=true");
	c->no_retry = 1;
	c->attempt_ms = IDENTIFY_DEADLINE;
	c->no_auth = 1;
	call_submit(n, c, IDENTIFY_DEADLINE);
}

/* 0, or -1 when that is not an account that can be the bot's. */
static int
identity_from(struct net *n, const json_t *me)
{
	const char	*id, *name, *roles;
	int64_t		 deleted;

	id = mm_string(me, "id");
	name = mm_string(me, "username");
	roles = mm_string(me, "roles");
	if (id == NULL || !text_is_id(id) || name == NULL || *name == '\0' ||
	    strlen(name) >= sizeof(n->bot_name) || roles == NULL ||
	    mm_integer(me, "delete_at", &deleted) == -1 || deleted != 0)
		return -1;
	if (strcmp(id, n->bot_id) != 0) {
		if (!mm_is_true(me, "is_bot"))
			log_warnx("the token belongs to a person's account, "
			    "@%s: make a bot account", name);
		if (mm_has_word(roles, "system_admin"))
			log_warnx("the bot @%s is a system administrator: it "
			    "needs no such rights", name);
	}
	(void)strlcpy(n->bot_id, id, sizeof(n->bot_id));
	(void)strlcpy(n->bot_name, name, sizeof(n->bot_name));
	return 0;
}

static void
me_done(struct net *n, struct call *c, const struct http_answer *a)
{
	json_t	*me;
	char	 buf[160];

	(void)c;
	n->session.asking_me = 0;
	if (a->status == 401) {
		identify_health(n);
		return;
	}
	if (a->status != 200) {
		session_unavailable(n, call_error(a, buf, sizeof(buf)));
		return;
	}
	me = mm_parse(a->body, a->len);
	if (identity_from(n, me) == -1)
		session_unavailable(n, "the server's word on who we are makes "
		    "no sense");
	else
		n->session.proven = 1;
	json_decref(me);
	identify_finish(n);
}

static void
identify_me(struct net *n)
{
	struct call	*c;

	if (n->session.asking_me)
		return;
	n->session.asking_me = 1;
	n->session.proven = 0;
	c = call_new(n, CALL_LOOKUP, HTTP_GET, me_done, NULL);
	(void)call_path(c, "/users/me");
	c->no_retry = 1;
	c->attempt_ms = IDENTIFY_DEADLINE;
	call_submit(n, c, IDENTIFY_DEADLINE);
}

void
identify_start(struct net *n)
{
	identify_me(n);
	identify_limits(n);
}
