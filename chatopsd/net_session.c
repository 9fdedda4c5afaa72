/*
 * The connection to a Mattermost server: when to open it, whether it is the
 * one that went on or a new one, whether it is alive, when to try again.
 * session_set_state() is the only writer of the state.
 *
 * Events are numbered per connection.  A connection that broke can be
 * resumed by its id and the next number; whatever the server makes of that,
 * the executor asks for a catch-up after every NET_CONNECTED, because an
 * unbroken sequence does not prove that nothing was lost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "log.h"
#include "mm_event.h"
#include "net.h"
#include "text.h"

#define BIT(s)	(1U << (s))

static const struct {
	const char	*name;
	unsigned int	 to;		/* states that may follow */
} states[SESSION_COUNT] = {
	[SESSION_STOPPED] = { "stopped", BIT(SESSION_IDENTIFYING) },
	[SESSION_WAITING] = { "waiting",
	    BIT(SESSION_IDENTIFYING) | BIT(SESSION_OPENING) },
	[SESSION_IDENTIFYING] = { "identifying",
	    BIT(SESSION_OPENING) | BIT(SESSION_WAITING) },
	[SESSION_OPENING] = { "opening", BIT(SESSION_GREETING) |
	    BIT(SESSION_WAITING) | BIT(SESSION_DIAGNOSING) },
	[SESSION_GREETING] = { "greeting", BIT(SESSION_UP) |
	    BIT(SESSION_WAITING) | BIT(SESSION_DIAGNOSING) },
	[SESSION_UP] = { "up",
	    BIT(SESSION_WAITING) | BIT(SESSION_DIAGNOSING) },
	[SESSION_DIAGNOSING] = { "diagnosing", BIT(SESSION_WAITING) }
};

/* ms before the first tries after a good connection was lost */
static const int64_t quick_delays[NET_QUICK_TRIES] = {
	100, 400, 800, 1200, 1500
};

const char *
session_state_name(enum session_state s)
{
	return s < SESSION_COUNT ? states[s].name : "?";
}

/* timeout: ms that the new state may last, -1 for ever. */
static void
session_set_state(struct net *n, enum session_state to, int64_t timeout)
{
	struct session	*s = &n->session;

	if ((states[s->state].to & BIT(to)) == 0)
		fatalx("session: %s cannot follow %s", states[to].name,
		    states[s->state].name);
	log_debug("session: %s -> %s%s%s%s", states[s->state].name,
	    states[to].name, s->why[0] ? " (" : "", s->why,
	    s->why[0] ? ")" : "");
	s->state = to;
	n->world->timer(n->arg, TIMER_SESSION, timeout);
	if (to != SESSION_GREETING && to != SESSION_UP) {
		s->ping = 0;
		n->world->timer(n->arg, TIMER_PING, -1);
		n->world->timer(n->arg, TIMER_SILENCE, -1);
		n->world->timer(n->arg, TIMER_PROBE, -1);
	}
	net_tell_state(n);
}

static void
session_set_why(struct net *n, const char *why)
{
	net_clean(n->session.why, sizeof(n->session.why), why);
}

static int64_t
session_jitter(struct net *n, int64_t most)
{
	uint32_t	 r;

	n->world->random(n->arg, &r, sizeof(r));
	return (int64_t)(r % (uint32_t)(most + 1));
}

static void
session_connect(struct net *n)
{
	struct session	*s = &n->session;
	char		 query[NET_TARGET_SIZE];

	query[0] = '\0';
	/*
	 * Number 0 with a known id would be neither replayed nor greeted:
	 * a silent loss.
	 */
	s->resuming = s->connection_id[0] != '\0' && s->next > 0;
	if (s->resuming)
		(void)snprintf(query, sizeof(query),
		    "?connection_id=%s&sequence_number=%lld",
		    s->connection_id, (long long)s->next);
	else {
		s->connection_id[0] = '\0';
		s->next = 0;
	}
	session_set_state(n, SESSION_OPENING, NET_OPEN_TIMEOUT);
	n->world->ws_open(n->arg, query);
}

static void
session_attempt(struct net *n)
{
	if (n->session.identified) {
		session_connect(n);
		return;
	}
	session_set_state(n, SESSION_IDENTIFYING, NET_OPEN_TIMEOUT);
	identify_start(n);
}

void
session_start(struct net *n)
{
	session_attempt(n);
}

/* Seven times 3 s, then 3 s times the square of the failures, up to 300 s. */
static int64_t
session_backoff(struct net *n)
{
	struct session	*s = &n->session;
	int64_t		 f;

	if (s->quick > 0)
		return quick_delays[NET_QUICK_TRIES - s->quick--] +
		    session_jitter(n, 200);
	if (s->failures < 1000)
		s->failures++;
	f = s->failures;
	f = f <= 7 ? 3000 : 3000 * f * f;
	if (f > NET_RETRY_MAX)
		f = NET_RETRY_MAX;
	return f + session_jitter(n, 2000);
}

/* A connection that held for a while pays for what went wrong before. */
static void
session_left(struct net *n)
{
	struct session	*s = &n->session;

	if (s->state == SESSION_UP && monotime_sub(n->world->now(n->arg),
	    s->up_since) >= NET_STABLE) {
		s->failures = 0;
		s->quick = NET_QUICK_TRIES;
	}
}

static void
session_wait(struct net *n, const char *why, int64_t at_least)
{
	int64_t	 delay;

	session_left(n);
	delay = session_backoff(n);
	if (delay < at_least)
		delay = at_least;
	session_set_why(n, why);
	log_info("not connected: %s; next try in %lld ms", why,
	    (long long)delay);
	session_set_state(n, SESSION_WAITING, delay);
}

/* We give the connection up. */
static void
session_lost(struct net *n, const char *why)
{
	n->world->ws_close(n->arg);
	session_wait(n, why, 0);
}

/* Something looks like a token that is no longer good: ask by REST. */
static void
session_diagnose(struct net *n, const char *why)
{
	n->world->ws_close(n->arg);
	session_left(n);
	session_set_why(n, why);
	n->session.identified = 0;
	session_set_state(n, SESSION_DIAGNOSING, NET_OPEN_TIMEOUT);
	identify_start(n);
}

void
session_identified(struct net *n)
{
	struct session	*s = &n->session;

	s->identified = 1;
	s->refused = 0;
	s->refusals = 0;
	if (s->state == SESSION_IDENTIFYING)
		session_connect(n);
	else if (s->state == SESSION_DIAGNOSING)
		session_wait(n, "the server took the WebSocket but not its "
		    "token, which is good elsewhere", 0);
}

void
session_refused(struct net *n, const char *why)
{
	struct session	*s = &n->session;
	int64_t		 delay;

	if (s->state != SESSION_IDENTIFYING && s->state != SESSION_DIAGNOSING)
		return;
	if (s->refusals < 1000)
		s->refusals++;
	s->refused = 1;
	s->identified = 0;
	s->quick = 0;
	delay = (int64_t)NET_REFUSED_FIRST * s->refusals;
	if (delay > NET_RETRY_MAX)
		delay = NET_RETRY_MAX;
	delay += session_jitter(n, 2000);
	session_set_why(n, why);
	log_warnx("ALARM: %s; check the bot's account and token; next try in "
	    "%lld s", why, (long long)(delay / 1000));
	session_set_state(n, SESSION_WAITING, delay);
}

void
session_unavailable(struct net *n, const char *why)
{
	struct session	*s = &n->session;

	if (s->state == SESSION_IDENTIFYING || s->state == SESSION_DIAGNOSING)
		session_wait(n, why, 0);
}

void
session_timer(struct net *n)
{
	switch (n->session.state) {
	case SESSION_WAITING:
		session_attempt(n);
		break;
	case SESSION_IDENTIFYING:
	case SESSION_DIAGNOSING:
		session_unavailable(n, "the server does not answer");
		break;
	case SESSION_OPENING:
		session_lost(n, "the WebSocket did not open in time");
		break;
	case SESSION_GREETING:
		/* 101 and then silence is how a bad token looks */
		session_diagnose(n, n->session.resuming ?
		    "no answer after resuming" : "no hello from the server");
		break;
	case SESSION_STOPPED:
	case SESSION_UP:
	case SESSION_COUNT:
		break;
	}
}

static void
session_ping(struct net *n)
{
	struct session	*s = &n->session;
	char		 text[64];
	int		 len;

	s->ping = ++s->request;
	s->ping_sent = n->world->now(n->arg);
	len = snprintf(text, sizeof(text), "{\"seq\":%lld,\"action\":\"ping\"}",
	    (long long)s->ping);
	n->world->timer(n->arg, TIMER_PING, NET_PING_TIMEOUT);
	n->world->ws_send(n->arg, text, (size_t)len);
}

void
session_ping_timer(struct net *n)
{
	struct session	*s = &n->session;

	if (s->state != SESSION_GREETING && s->state != SESSION_UP)
		return;
	if (s->ping != 0)
		session_lost(n, "no answer to a ping");
	else
		session_ping(n);
}

void
session_silence_timer(struct net *n)
{
	struct session	*s = &n->session;
	int64_t		 silent;

	if (s->state != SESSION_GREETING && s->state != SESSION_UP)
		return;
	silent = monotime_sub(n->world->now(n->arg), s->last_frame);
	if (silent >= NET_SILENCE)
		session_lost(n, "nothing from the server for 65 s");
	else
		n->world->timer(n->arg, TIMER_SILENCE, NET_SILENCE - silent);
}

/*
 * A link that lost its other end without a word is silent, and the action
 * "ping" would notice after 40 s only.  A PING costs next to nothing, so
 * silence is probed every 2 s; who was seen to answer is expected to.
 */
void
session_probe_timer(struct net *n)
{
	struct session	*s = &n->session;
	int64_t		 silent, next = NET_PROBE;

	if (s->state != SESSION_UP)
		return;
	silent = monotime_sub(n->world->now(n->arg), s->last_frame);
	if (s->has_pong && silent >= NET_PROBE_DEAD) {
		session_lost(n, "the link is dead: PINGs are not answered");
		return;
	}
	if (silent >= NET_PROBE) {
		n->world->ws_ping(n->arg);
		if (s->has_pong && next > NET_PROBE_DEAD - silent)
			next = NET_PROBE_DEAD - silent;
	} else
		next = NET_PROBE - silent;
	n->world->timer(n->arg, TIMER_PROBE, next);
}

void
session_suspect(struct net *n)
{
	struct session	*s = &n->session;

	if (s->state == SESSION_UP && s->ping == 0 &&
	    monotime_sub(n->world->now(n->arg), s->ping_sent) >= 1000)
		session_ping(n);
}

void
session_open(struct net *n)
{
	struct session	*s = &n->session;

	if (s->state != SESSION_OPENING)
		return;
	s->greeted = 0;
	s->answered = 0;
	s->has_pong = 0;
	s->request = 0;
	s->opened = s->last_frame = n->world->now(n->arg);
	session_set_state(n, SESSION_GREETING, NET_HELLO_TIMEOUT);
	n->world->timer(n->arg, TIMER_SILENCE, NET_SILENCE);
	session_ping(n);
}

void
session_frame(struct net *n)
{
	n->session.last_frame = n->world->now(n->arg);
}

void
session_pong_frame(struct net *n)
{
	n->session.has_pong = 1;
}

/* Up when we were greeted, or went on, and a ping was answered. */
static void
session_check_up(struct net *n)
{
	struct session	*s = &n->session;

	if (s->state != SESSION_GREETING || !s->answered ||
	    (!s->greeted && !s->resuming))
		return;
	s->up_since = n->world->now(n->arg);
	s->mismatched = 0;
	if (!s->was_up)
		s->quick = NET_QUICK_TRIES;
	s->was_up = 1;
	session_set_why(n, "");
	log_info("connected as @%s to server %s%s", n->bot_name,
	    n->version[0] != '\0' ? n->version : "of unknown version",
	    s->greeted ? "" : ", resumed");
	if (n->reconciled.ms == 0)
		n->reconciled = net_server_time(n);
	session_set_state(n, SESSION_UP, -1);
	n->world->timer(n->arg, TIMER_CATCHUP, NET_RECONCILE_FIRST);
	n->world->timer(n->arg, TIMER_PROBE, NET_PROBE);
	/* who forgot us may have been restarted with other limits */
	if (s->resuming && s->greeted)
		identify_start(n);
}

static void
session_hello(struct net *n, const struct mm_envelope *env)
{
	struct session	*s = &n->session;
	const char	*id, *version;
	size_t		 len;

	id = mm_string(env->data, "connection_id");
	version = mm_string(env->data, "server_version");
	if (version != NULL && *version != '\0') {
		len = strspn(version, "abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
		if (len >= sizeof(n->version))
			len = sizeof(n->version) - 1;
		memcpy(n->version, version, len);
		n->version[len] = '\0';
	}
	if (id == NULL || !text_is_id(id))
		id = "";
	if (s->resuming && strcmp(id, s->connection_id) != 0)
		log_info("the server could not resume: a new connection");
	(void)strlcpy(s->connection_id, id, sizeof(s->connection_id));
	s->next = 0;
	s->greeted = 1;
	/* A hello in the middle: what came before it is gone. */
	if (s->state == SESSION_UP)
		catchup_reconcile(n);
}

/* The numbers do not fit: start over, with the same id only once. */
static void
session_mismatch(struct net *n, int64_t seq)
{
	struct session	*s = &n->session;
	char		 why[96];

	(void)snprintf(why, sizeof(why),
	    "event %lld came where %lld was due", (long long)seq,
	    (long long)s->next);
	if (s->mismatched)
		s->connection_id[0] = '\0';
	s->mismatched = 1;
	session_lost(n, why);
}

static void
session_event(struct net *n, const struct mm_envelope *env)
{
	struct session	*s = &n->session;

	if (strcmp(env->event, "hello") == 0)
		session_hello(n, env);
	else if (!s->greeted && !s->resuming) {
		session_lost(n, "the server began without a hello");
		return;
	}
	if (env->seq != s->next || env->seq == INT64_MAX) {
		session_mismatch(n, env->seq);
		return;
	}
	s->next = env->seq + 1;
	net_event(n, env);
	session_check_up(n);
}

static void
session_pong(struct net *n, const struct mm_envelope *env)
{
	struct session	*s = &n->session;
	int64_t		 rtt, server, moved;

	rtt = monotime_sub(n->world->now(n->arg), s->ping_sent);
	n->rtt = rtt < 0 || rtt > UINT32_MAX ? 0 : (uint32_t)rtt;
	/* 0: this server does not say; beyond the year 2200: nonsense */
	if (mm_integer(env->data, "server_time", &server) == 0 &&
	    server > 0 && server < 7258118400000)
		n->skew = server - (n->world->wall(n->arg).ms - n->rtt / 2);
	s->ping = 0;
	s->answered = 1;
	n->world->timer(n->arg, TIMER_PING, NET_PING_INTERVAL);
	session_check_up(n);
	moved = n->skew - s->told_skew;
	if (s->state == SESSION_UP && (moved > 1000 || moved < -1000)) {
		log_warnx("the server's clock differs by %lld ms",
		    (long long)n->skew);
		net_tell_state(n);
	}
}

static void
session_reply(struct net *n, const struct mm_envelope *env)
{
	struct session	*s = &n->session;

	if (!env->ok && env->status_code == 401)
		session_diagnose(n, "the server ended our session");
	else if (s->ping == 0 || env->seq != s->ping)
		return;
	else if (env->ok)
		session_pong(n, env);
	else
		session_lost(n, "the server refused a ping");
}

void
session_text(struct net *n, const char *text, size_t len)
{
	struct session		*s = &n->session;
	struct mm_envelope	 env;
	const char		*why;
	char			 buf[128];

	if (s->state != SESSION_GREETING && s->state != SESSION_UP)
		return;
	if (mm_envelope_parse(&env, text, len, &why) == -1) {
		(void)snprintf(buf, sizeof(buf),
		    "the server sent a malformed message: %s", why);
		/* a server that replays it would do so for ever */
		s->connection_id[0] = '\0';
		session_lost(n, buf);
		return;
	}
	if (env.kind == MM_EVENT)
		session_event(n, &env);
	else
		session_reply(n, &env);
	mm_envelope_free(&env);
}

void
session_down(struct net *n, const struct ws_end *end)
{
	struct session	*s = &n->session;
	int64_t		 at_least = 0;

	if (s->state != SESSION_OPENING && s->state != SESSION_GREETING &&
	    s->state != SESSION_UP)
		return;
	/* a bad token is taken at first and dropped without a word */
	if (end->status == 401 ||
	    (s->state == SESSION_GREETING && !s->greeted && !s->answered)) {
		session_diagnose(n, end->why);
		return;
	}
	if (end->retry_after > 0)
		at_least = end->retry_after > NET_RETRY_MAX / 1000 ?
		    NET_RETRY_MAX : end->retry_after * 1000;
	session_wait(n, end->why, at_least);
}
