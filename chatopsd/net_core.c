/*
 * The network process's core: dispatch of what comes from the executor, from
 * the server and from timers.  It decides nothing about people and scripts;
 * it hands on what may be a command and carries out what it is asked to.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "log.h"
#include "mm_event.h"
#include "net.h"
#include "sys.h"

struct net *
net_new(const struct net_world *world, void *arg, const char *prefix,
    const char *team)
{
	struct net	*n;
	size_t		 i;

	if ((n = calloc(1, sizeof(*n))) == NULL)
		fatal("calloc");
	n->world = world;
	n->arg = arg;
	if (strlcpy(n->prefix, prefix, sizeof(n->prefix)) >=
	    sizeof(n->prefix) ||
	    strlcpy(n->team, team, sizeof(n->team)) >= sizeof(n->team))
		fatalx("prefix or team too long");
	n->max_post = NET_DEFAULT_POST;
	n->pause.ms = INT64_MIN;
	n->last_call.ms = INT64_MIN;
	for (i = 0; i < CALL_PRIORITIES; i++)
		TAILQ_INIT(&n->calls[i]);
	TAILQ_INIT(&n->held);
	TAILQ_INIT(&n->posts);
	return n;
}

static void
held_free(struct net_held *h)
{
	free(h->u.command);
	free(h);
}

void
net_free(struct net *n)
{
	struct net_held	*h;

	if (n == NULL)
		return;
	post_free_all(n);
	call_free_all(n);
	catchup_free(n);
	while ((h = TAILQ_FIRST(&n->held)) != NULL) {
		TAILQ_REMOVE(&n->held, h, entry);
		held_free(h);
	}
	free(n);
}

void
net_start(struct net *n)
{
	n->world->timer(n->arg, TIMER_CATCHUP, NET_RECONCILE);
	n->world->timer(n->arg, TIMER_WARM, NET_WARM);
	session_start(n);
}

void
net_self(const struct net *n, struct mm_self *self)
{
	self->bot_id = n->bot_id;
	self->bot_name = n->bot_name;
	self->prefix = n->prefix;
}

void
net_clean(char *buf, size_t size, const char *text)
{
	size_t	 i;

	for (i = 0; text[i] != '\0' && i + 1 < size; i++)
		buf[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	buf[i] = '\0';
}

walltime_t
net_server_time(const struct net *n)
{
	walltime_t	 t = n->world->wall(n->arg);

	/* the skew comes from a checked range, see session_pong() */
	t.ms += n->skew;
	return t;
}

static enum net_state
net_state_of(const struct session *s)
{
	if (s->refused)
		return NET_REFUSED;
	switch (s->state) {
	case SESSION_IDENTIFYING:
	case SESSION_OPENING:
	case SESSION_GREETING:
		return NET_CONNECTING;
	case SESSION_UP:
		return NET_CONNECTED;
	case SESSION_STOPPED:
	case SESSION_WAITING:
	case SESSION_DIAGNOSING:
	case SESSION_COUNT:
		break;
	}
	return NET_DOWN;
}

void
net_tell_state(struct net *n)
{
	struct msg_net_state	 m;

	memset(&m, 0, sizeof(m));
	m.state = net_state_of(&n->session);
	(void)strlcpy(m.bot_id, n->bot_id, sizeof(m.bot_id));
	(void)strlcpy(m.bot_name, n->bot_name, sizeof(m.bot_name));
	(void)strlcpy(m.server_version, n->version, sizeof(m.server_version));
	m.max_post = n->max_post;
	m.max_file = n->max_file;
	m.skew = n->skew;
	m.rtt = n->rtt;
	(void)strlcpy(m.why, n->session.why, sizeof(m.why));
	n->session.told_skew = n->skew;
	n->world->send(n->arg, MSG_NET_STATE, 0, &m);
}

/*
 * While the executor has said XOFF its messages are kept here, so that the
 * server's queue is drained all the same; what does not fit any more is left
 * to the catch-up, which tells its author.
 */
static int
net_hold(struct net *n, enum msg_type type, const void *msg, size_t size)
{
	struct net_held	*h;

	if (n->nheld >= NET_HELD_MAX) {
		if (!n->lost_held)
			log_warnx("the executor is too slow: not handing on "
			    "every command");
		n->lost_held = 1;
		return -1;
	}
	if ((h = calloc(1, sizeof(*h))) == NULL ||
	    (h->u.command = malloc(size)) == NULL)
		fatal("malloc");
	memcpy(h->u.command, msg, size);
	h->type = type;
	TAILQ_INSERT_TAIL(&n->held, h, entry);
	n->nheld++;
	return 0;
}

/* 0, or -1 when it had to be dropped. */
static int
net_deliver(struct net *n, enum msg_type type, const void *msg, size_t size)
{
	if (n->xoff)
		return net_hold(n, type, msg, size);
	n->world->send(n->arg, type, 0, msg);
	return 0;
}

static void
net_remember(struct net *n, const char *post_id)
{
	(void)strlcpy(n->recent[n->recent_next], post_id, ID_SIZE);
	n->recent_next = (n->recent_next + 1) % NET_RECENT;
}

int
net_is_recent(const struct net *n, const char *post_id)
{
	size_t	 i;

	for (i = 0; i < NET_RECENT; i++)
		if (strcmp(n->recent[i], post_id) == 0)
			return 1;
	return 0;
}

void
net_deliver_command(struct net *n, const struct msg_command *m)
{
	/* what was not handed on must be found again by the catch-up */
	if (net_deliver(n, MSG_COMMAND, m, sizeof(*m)) == 0)
		net_remember(n, m->post_id);
}

void
net_deliver_reaction(struct net *n, const struct msg_reaction *m)
{
	(void)net_deliver(n, MSG_REACTION, m, sizeof(*m));
}

static void
net_xon(struct net *n)
{
	struct net_held	*h;

	n->xoff = 0;
	while ((h = TAILQ_FIRST(&n->held)) != NULL) {
		TAILQ_REMOVE(&n->held, h, entry);
		n->nheld--;
		n->world->send(n->arg, h->type, 0, h->u.command);
		held_free(h);
	}
	if (n->lost_held) {
		n->lost_held = 0;
		catchup_reconcile(n);
	}
}

void
net_result(struct net *n, uint32_t id, enum net_result result, int http,
    const char *object, const char *error)
{
	struct msg_net_result	 m;

	memset(&m, 0, sizeof(m));
	m.result = (uint8_t)result;
	m.http = http > 0 && http < 1000 ? (uint16_t)http : 0;
	(void)strlcpy(m.id, object, sizeof(m.id));
	(void)strlcpy(m.error, error, sizeof(m.error));
	n->world->send(n->arg, MSG_NET_RESULT, id, &m);
}

int
net_message(struct net *n, enum msg_type type, uint32_t id, int fd,
    const void *msg)
{
	switch (type) {
	case MSG_POST:
	case MSG_PATCH:
	case MSG_REACT:
	case MSG_UPLOAD:
		post_message(n, type, id, fd, msg);
		return 0;
	case MSG_LOOKUP_USER:
		lookup_user(n, id, msg);
		break;
	case MSG_LOOKUP_CHANNEL:
		lookup_channel(n, id, msg);
		break;
	case MSG_LOOKUP_MEMBER:
		lookup_member(n, id, msg);
		break;
	case MSG_CATCHUP:
		catchup_start(n, id, ((const struct msg_catchup *)msg)->since);
		break;
	case MSG_XOFF:
		n->xoff = 1;
		break;
	case MSG_XON:
		net_xon(n);
		break;
	default:
		if (fd != -1)
			(void)sys_close(fd);
		return -1;
	}
	if (fd != -1)
		(void)sys_close(fd);
	return 0;
}

/* For the log, whatever the server sent there. */
static const char *
net_id_of(const json_t *object, const char *member)
{
	const char	*id;

	id = mm_string(object, member);
	return id == NULL ? "?" : id;
}

static void
net_posted(struct net *n, const struct mm_envelope *env)
{
	static struct msg_command	 m;	/* 17 kB; all set or cleared */
	struct mm_self			 self;
	json_t				*post;
	const char			*why;

	net_self(n, &self);
	if ((post = mm_inner(env->data, "post")) == NULL) {
		log_warnx("a post from the server is malformed or nested too "
		    "deep: not looked at");
		return;
	}
	m.missed = 0;
	m.received = n->world->wall(n->arg).ms;
	switch (mm_judge_posted(env, post, &self, &m, &why)) {
	case MM_COMMAND:
		net_deliver_command(n, &m);
		break;
	case MM_OWN:
		post_seen(n, post);
		break;
	case MM_REFUSED:
		log_info("post %.26s by %.26s is not taken as a command: %s",
		    net_id_of(post, "id"), net_id_of(post, "user_id"), why);
		break;
	case MM_CHAT:
		break;
	}
	json_decref(post);
}

/* Only these events mean anything to us; all the others only count. */
void
net_event(struct net *n, const struct mm_envelope *env)
{
	struct mm_self		 self;
	struct msg_reaction	 reaction;
	const char		*channel, *id;

	net_self(n, &self);
	if (strcmp(env->event, "posted") == 0)
		net_posted(n, env);
	else if (strncmp(env->event, "reaction_", 9) == 0) {
		if (mm_reaction(env, &self, &reaction) == 0)
			net_deliver_reaction(n, &reaction);
	} else if ((channel = mm_removed_channel(env, &self)) != NULL) {
		log_info("the bot was removed from channel %s", channel);
		catchup_drop_channel(n, channel);
	} else if (strcmp(env->event, "config_changed") == 0)
		identify_start(n);
	else if (strcmp(env->event, "user_updated") == 0) {
		id = mm_string(json_object_get(env->data, "user"), "id");
		if (id != NULL && strcmp(id, n->bot_id) == 0)
			identify_start(n);
	}
}

static void
warm_done(struct net *n, struct call *c, const struct http_answer *a)
{
	(void)n;
	(void)c;
	(void)a;
}

/*
 * A server closes idle connections after a minute; two that are kept open
 * spare the next command a TLS handshake.
 */
static void
net_keep_warm(struct net *n)
{
	struct call	*c;
	int		 i;

	n->world->timer(n->arg, TIMER_WARM, NET_WARM);
	if (n->session.state != SESSION_UP || n->nrunning > 0)
		return;
	for (i = 0; i < 2; i++) {
		c = call_new(n, CALL_LOOKUP, HTTP_GET, warm_done, NULL);
		(void)call_path(c, "/system/ping");
		c->no_retry = 1;
		c->no_auth = 1;
		call_submit(n, c, 10000);
	}
}

void
net_timer(struct net *n, enum net_timer timer)
{
	switch (timer) {
	case TIMER_SESSION:
		session_timer(n);
		break;
	case TIMER_PING:
		session_ping_timer(n);
		break;
	case TIMER_SILENCE:
		session_silence_timer(n);
		break;
	case TIMER_PROBE:
		session_probe_timer(n);
		break;
	case TIMER_CALLS:
		call_timer(n);
		break;
	case TIMER_CATCHUP:
		n->world->timer(n->arg, TIMER_CATCHUP, NET_RECONCILE);
		if (n->session.state == SESSION_UP) {
			catchup_reconcile(n);
			if (!n->has_limits)
				identify_start(n);
		}
		break;
	case TIMER_WARM:
		net_keep_warm(n);
		break;
	case TIMER_COUNT:
		break;
	}
}
