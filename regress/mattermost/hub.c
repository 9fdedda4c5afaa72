/*
 * The hub: every WebSocket connection as the server remembers it, also for
 * a while after its socket is gone, with the events still to be sent (the
 * active queue) and the last ones sent (the dead queue).
 */
#include "mattermost.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REAP_US		(300 * 1000000LL)

struct wsconnlist	 wsconns = TAILQ_HEAD_INITIALIZER(wsconns);

static struct vtimer	 reap_timer;

static void
item_free(struct wsitem *it)
{
	if (it == NULL)
		return;
	free(it->text);
	free(it);
}

static struct wsitem *
item_new(char *text, int is_event)
{
	struct wsitem	*it;

	if ((it = calloc(1, sizeof(*it))) == NULL)
		err(1, NULL);
	it->text = text;
	it->is_event = is_event;
	return it;
}

static void
queue_clear(struct wsconn *wc)
{
	struct wsitem	*it;
	size_t		 i;

	while ((it = TAILQ_FIRST(&wc->queue)) != NULL) {
		TAILQ_REMOVE(&wc->queue, it, entry);
		item_free(it);
	}
	wc->queue_len = 0;
	for (i = 0; i < MM_DEADQUEUE; i++) {
		item_free(wc->dead[i]);
		wc->dead[i] = NULL;
	}
	wc->dead_next = 0;
}

/* Out of the registry and of memory. */
static void
hub_forget(struct wsconn *wc)
{
	if (wc->is_registered)
		TAILQ_REMOVE(&wsconns, wc, entry);
	queue_clear(wc);
	ws_free(wc);
}

/* An event is written with its number; 5.37 ends it with a newline. */
static void
item_write(struct wsconn *wc, const struct wsitem *it)
{
	char	*text;
	int	 len;

	if (!it->is_event) {
		ws_write(wc, 1, it->text, strlen(it->text));
		return;
	}
	len = asprintf(&text, mm.opt.is_11 ? "%s, \"seq\": %lld}" :
	    "%s,\"seq\":%lld}\n", it->text, (long long)it->seq);
	if (len == -1)
		err(1, NULL);
	ws_write(wc, 1, text, len);
	free(text);
}

/* Send what is queued, as far as the socket takes it. */
void
hub_pump(struct wsconn *wc)
{
	struct wsitem	*it;

	while (wc->http != NULL && !wc->is_dead && ws_writable(wc) &&
	    (it = TAILQ_FIRST(&wc->queue)) != NULL) {
		TAILQ_REMOVE(&wc->queue, it, entry);
		wc->queue_len--;
		if (it->is_event)
			it->seq = wc->seq++;
		item_write(wc, it);
		if (!it->is_event) {
			item_free(it);
			continue;
		}
		item_free(wc->dead[wc->dead_next]);
		wc->dead[wc->dead_next] = it;
		wc->dead_next = (wc->dead_next + 1) % MM_DEADQUEUE;
	}
}

/*
 * A full queue ends the connection with an empty close frame, and nothing
 * of it is kept.  Takes the text.
 */
static void
hub_enqueue(struct wsconn *wc, char *text, int is_event)
{
	struct wsitem	*it;

	if (wc->queue_len == MM_ACTIVEQUEUE) {
		free(text);
		if (wc->http == NULL) {
			hub_forget(wc);
			return;
		}
		ws_write(wc, 8, "", 0);
		ws_end(wc, 1);
		return;
	}
	it = item_new(text, is_event);
	TAILQ_INSERT_TAIL(&wc->queue, it, entry);
	wc->queue_len++;
	hub_pump(wc);
}

/* {"event":…,"data":…,"broadcast":… without the end. */
static char *
event_raw(const char *event, const char *d, const json_t *broadcast)
{
	char	*b, *text;

	b = text_json(broadcast, NULL);
	if (asprintf(&text, mm.opt.is_11 ?
	    "{\"event\": \"%s\", \"data\": %s, \"broadcast\": %s" :
	    "{\"event\":\"%s\",\"data\":%s,\"broadcast\":%s", event, d, b)
	    == -1)
		err(1, NULL);
	free(b);
	return text;
}

static char *
event_text(const char *event, const json_t *data, const json_t *broadcast)
{
	char	*d, *text;

	d = text_json(data, NULL);
	text = event_raw(event, d, broadcast);
	free(d);
	return text;
}

static json_t *
event_broadcast(const struct audience *a)
{
	json_t	*j = json_object();

	json_object_set_new(j, "omit_users", a->omit_user == NULL ?
	    json_null() : json_pack("{s:b}", a->omit_user, 1));
	json_object_set_new(j, "user_id", json_string(a->user_id == NULL ?
	    "" : a->user_id));
	json_object_set_new(j, "channel_id", json_string(
	    a->channel_id == NULL ? "" : a->channel_id));
	json_object_set_new(j, "team_id", json_string(a->team_id == NULL ?
	    "" : a->team_id));
	if (mm.opt.is_11) {
		json_object_set_new(j, "connection_id", json_string(""));
		json_object_set_new(j, "omit_connection_id",
		    json_string(""));
	}
	return j;
}

/*
 * Is the connection's session still good?  Looked up only after a change;
 * one that is found bad is dropped, and only a new challenge helps.
 */
int
hub_session(struct wsconn *wc)
{
	if (wc->session_ok)
		return 1;
	if (wc->secret[0] != '\0' && api_session(wc->secret) != NULL)
		wc->session_ok = 1;
	else
		explicit_bzero(wc->secret, sizeof(wc->secret));
	return wc->session_ok;
}

static int
may_hear(struct wsconn *wc, const struct audience *a)
{
	const struct channel	*c;
	const struct team	*t;

	if (wc->is_dead || !hub_session(wc))
		return 0;
	if (a->omit_user != NULL && strcmp(a->omit_user, wc->user->id) == 0)
		return 0;
	if (a->user_id != NULL)
		return strcmp(a->user_id, wc->user->id) == 0;
	if (a->channel_id != NULL)
		return (c = channel_by_id(a->channel_id)) != NULL &&
		    member_find(&c->members, wc->user) != NULL;
	if (a->team_id != NULL)
		return (t = team_by_id(a->team_id)) != NULL &&
		    member_find(&t->members, wc->user) != NULL;
	return 1;
}

/* 11.6 tells everybody only of their own mention. */
static json_t *
own_mentions(const json_t *data, const struct user *u)
{
	const char	*s = text_str(data, "mentions", NULL);
	json_t		*own;
	char		*text;

	if (!mm.opt.is_11 || s == NULL)
		return json_incref((json_t *)(uintptr_t)data);
	own = json_copy((json_t *)(uintptr_t)data);
	if (strstr(s, u->id) == NULL) {
		json_object_del(own, "mentions");
		return own;
	}
	if (asprintf(&text, "[\"%s\"]", u->id) == -1)
		err(1, NULL);
	json_object_set_new(own, "mentions", json_string(text));
	free(text);
	return own;
}

/* Takes data and broadcast. */
void
hub_publish_as(const char *event, json_t *data, json_t *broadcast,
    const struct audience *a)
{
	struct wsconn	*wc, *next;
	json_t		*own;
	int		 is_minor;

	is_minor = strcmp(event, "typing") == 0 ||
	    strcmp(event, "status_change") == 0;
	TAILQ_FOREACH_SAFE(wc, &wsconns, entry, next) {
		if (!may_hear(wc, a) ||
		    (is_minor && wc->queue_len >= MM_ACTIVEQUEUE / 2))
			continue;
		own = own_mentions(data, wc->user);
		hub_enqueue(wc, event_text(event, own, broadcast), 1);
		json_decref(own);
	}
	json_decref(data);
	json_decref(broadcast);
}

/* Data that is no JSON of ours, or none at all.  Takes broadcast. */
void
hub_publish_raw(const char *event, const char *data, json_t *broadcast,
    const struct audience *a)
{
	struct wsconn	*wc, *next;

	if (broadcast == NULL)
		broadcast = event_broadcast(a);
	TAILQ_FOREACH_SAFE(wc, &wsconns, entry, next)
		if (may_hear(wc, a))
			hub_enqueue(wc, event_raw(event, data, broadcast), 1);
	json_decref(broadcast);
}

/* To everybody if a is NULL.  Takes data. */
void
hub_publish(const char *event, json_t *data, const struct audience *a)
{
	static const struct audience	 all;

	if (a == NULL)
		a = &all;
	hub_publish_as(event, data, event_broadcast(a), a);
}

/* at_head: before what is queued already. */
static void
hub_hello(struct wsconn *wc, int at_head)
{
	struct audience	 a = { 0 };
	struct wsitem	*it;
	json_t		*d, *b;

	a.user_id = wc->user->id;
	d = json_pack("{s:s,s:s}", "connection_id", wc->id, "server_version",
	    api_version_id());
	if (mm.opt.is_11)
		json_object_set_new(d, "server_hostname",
		    json_string("mm-app-1"));
	b = event_broadcast(&a);
	it = item_new(event_text("hello", d, b), 1);
	if (at_head)
		TAILQ_INSERT_HEAD(&wc->queue, it, entry);
	else
		TAILQ_INSERT_TAIL(&wc->queue, it, entry);
	wc->queue_len++;
	hub_pump(wc);
	json_decref(d);
	json_decref(b);
}

/* From now on it hears events.  A resumed one gets no hello. */
void
hub_register(struct wsconn *wc)
{
	wc->is_registered = 1;
	wc->session_ok = 1;
	wc->last_activity = clock_ttl_ms();
	TAILQ_INSERT_TAIL(&wsconns, wc, entry);
	if (!wc->is_reused)
		hub_hello(wc, 0);
	if (strcmp(wc->user->status, "online") != 0)
		hub_status(wc->user, "online", 0);
	hub_pump(wc);
}

static int
has_socket(const struct user *u)
{
	struct wsconn	*wc;

	TAILQ_FOREACH(wc, &wsconns, entry)
		if (wc->user == u && wc->http != NULL && !wc->is_dead)
			return 1;
	return 0;
}

/* The socket is gone.  The connection is kept if it may be resumed. */
void
hub_unregister(struct wsconn *wc)
{
	struct user	*u = wc->user;

	if (!wc->is_registered || wc->is_forgotten || !mm.opt.reliable)
		hub_forget(wc);
	else
		wc->is_dead = 0;
	if (u != NULL && !has_socket(u))
		hub_status(u, "offline", 0);
}

struct wsconn *
hub_find_inactive(const struct user *u, const char *id)
{
	struct wsconn	*wc;

	TAILQ_FOREACH(wc, &wsconns, entry)
		if (wc->user == u && wc->http == NULL &&
		    strcmp(wc->id, id) == 0)
			return wc;
	return NULL;
}

/* The new socket takes over queues and id; the old one is freed. */
void
hub_adopt(struct wsconn *wc, struct wsconn *old)
{
	memcpy(wc->id, old->id, sizeof(wc->id));
	memcpy(wc->dead, old->dead, sizeof(wc->dead));
	memset(old->dead, 0, sizeof(old->dead));
	wc->dead_next = old->dead_next;
	TAILQ_CONCAT(&wc->queue, &old->queue, entry);
	wc->queue_len = old->queue_len;
	wc->is_reused = 1;
	hub_forget(old);
}

static int
dead_find(const struct wsconn *wc, size_t *at)
{
	size_t	 i;

	for (i = 0; i < MM_DEADQUEUE && wc->dead[i] != NULL; i++)
		if (wc->dead[i]->seq == wc->seq) {
			*at = i;
			return 1;
		}
	return 0;
}

/* Was something sent, and is what the client asks for not its successor? */
static int
dead_lost(const struct wsconn *wc)
{
	const struct wsitem	*last;

	last = wc->dead[(wc->dead_next + MM_DEADQUEUE - 1) % MM_DEADQUEUE];
	return last != NULL && last->seq != wc->seq - 1;
}

/*
 * A resumed connection begins: replay from the asked number on, or say
 * hello anew if that is not possible.  Number 0 does neither.
 */
void
hub_resume_start(struct wsconn *wc)
{
	size_t	 i;

	if (wc->seq == 0)
		return;
	if (dead_find(wc, &i)) {
		do {
			item_write(wc, wc->dead[i]);
			wc->seq++;
			i = (i + 1) % MM_DEADQUEUE;
		} while (i != wc->dead_next);
		return;
	}
	if (!dead_lost(wc))
		return;
	for (i = 0; i < MM_DEADQUEUE; i++) {
		item_free(wc->dead[i]);
		wc->dead[i] = NULL;
	}
	wc->dead_next = 0;
	text_new_id(wc->id);
	wc->seq = 0;
	hub_hello(wc, 1);
}

/* Takes the reply; who is not authenticated gets none. */
void
hub_reply(struct wsconn *wc, json_t *j)
{
	char	*text, *line;

	text = text_json(j, NULL);
	json_decref(j);
	if (asprintf(&line, "%s\n", text) == -1)
		err(1, NULL);
	free(text);
	if (wc->is_registered && !wc->is_dead && !mm.opt.mute_reply)
		hub_enqueue(wc, line, 0);
	else
		free(line);
}

/* Something about the user changed: look at the session again. */
void
hub_invalidate(const struct user *u)
{
	struct wsconn	*wc;

	TAILQ_FOREACH(wc, &wsconns, entry)
		if (wc->user == u)
			wc->session_ok = 0;
}

/* Only the user herself hears of it. */
void
hub_status(struct user *u, const char *status, int manual)
{
	struct audience	 a = { 0 };

	if ((u->status_manual && !manual) || strcmp(u->status, status) == 0)
		return;
	strlcpy(u->status, status, sizeof(u->status));
	u->status_manual = manual && strcmp(status, "online") != 0;
	u->last_activity = clock_ms();
	a.user_id = u->id;
	hub_publish("status_change", json_pack("{s:s,s:s}", "status", status,
	    "user_id", u->id), &a);
}

/* As after a restart of the server: nothing is remembered. */
void
hub_restart(void)
{
	struct wsconn	*wc, *next;
	struct user	*u;
	struct token	*t;

	TAILQ_FOREACH_SAFE(wc, &wsconns, entry, next) {
		if (wc->http == NULL)
			hub_forget(wc);
		else
			ws_end(wc, 1);
	}
	TAILQ_FOREACH(u, &mm.users, entry) {
		strlcpy(u->status, "offline", sizeof(u->status));
		u->status_manual = 0;
	}
	TAILQ_FOREACH(t, &mm.tokens, entry)
		t->is_cached = 0;
	pending_clear();
	ratelimit_clear();
}

/* Every 5 minutes: those without a socket, and idle as long, are forgotten. */
static void
hub_reap(void *arg)
{
	struct wsconn	*wc, *next;

	TAILQ_FOREACH_SAFE(wc, &wsconns, entry, next)
		if (wc->http == NULL &&
		    clock_ttl_ms() - wc->last_activity > REAP_US / 1000)
			hub_forget(wc);
	vtimer_add(&reap_timer, REAP_US);
	(void)arg;
}

void
hub_start(void)
{
	vtimer_set(&reap_timer, hub_reap, NULL);
	vtimer_add(&reap_timer, REAP_US);
}

void
hub_stop(void)
{
	struct wsconn	*wc, *next;

	vtimer_del(&reap_timer);
	TAILQ_FOREACH_SAFE(wc, &wsconns, entry, next)
		hub_forget(wc);
}
