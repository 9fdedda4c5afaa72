/* One WebSocket to the server, see ws_link.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <event2/event.h>

#include "compat.h"
#include "http.h"
#include "log.h"
#include "ws_link.h"

#define LINK_PATH	"/api/v4/websocket"	/* where none is configured */
#define LINK_READ	(64 * 1024)
#define LINK_READS	32		/* before others have their turn */
#define LINK_TICK	5		/* s */

struct ws_link {
	struct event_base *base;
	struct curl_loop *loop;
	const struct origin *origin;
	struct resolver	*resolver;
	struct curl_trust *trust;
	const char	*authorization;
	const char	*token;
	const struct ws_ops *ops;
	void		*arg;

	char		 target[NET_TARGET_SIZE + 512];
	int		 resolving;
	CURL		*easy;
	struct curl_slist *resolve;
	char		 error[CURL_ERROR_SIZE];
	struct ws	*ws;
	struct event	*readable;
	struct event	*writable;
	struct event	*tick;
	struct event	*deferred;	/* cleaning up, or telling a failure */
	int		 busy;		/* inside ws_*() */
	int		 closing;	/* clean up when no longer busy */
	const char	*failed;	/* to be told */
	uint8_t		 buf[LINK_READ];
};

static void	 link_flush(struct ws_link *);

static void
link_clear(struct ws_link *l)
{
	if (l->resolving)
		resolver_cancel(l->resolver, l);
	l->resolving = 0;
	if (l->readable != NULL)
		event_free(l->readable);
	if (l->writable != NULL)
		event_free(l->writable);
	l->readable = l->writable = NULL;
	(void)event_del(l->tick);
	ws_free(l->ws);
	l->ws = NULL;
	if (l->easy != NULL) {
		curl_loop_remove(l->loop, l->easy);
		curl_easy_cleanup(l->easy);
	}
	l->easy = NULL;
	curl_slist_free_all(l->resolve);
	l->resolve = NULL;
	l->closing = 0;
	l->failed = NULL;
	(void)event_del(l->deferred);
}

static void
link_later(struct ws_link *l)
{
	const struct timeval	 now = { 0, 0 };

	(void)event_add(l->deferred, &now);
}

/* It could not even connect; told from the event loop. */
static void
link_fail(struct ws_link *l, const char *why)
{
	l->failed = why;
	link_later(l);
}

/* Every call into ws ends here: what it wrote goes out, or it is over. */
static void
link_leave(struct ws_link *l)
{
	if (--l->busy > 0)
		return;
	link_flush(l);
	if (l->closing || ws_is_shut(l->ws))
		link_clear(l);
}

static void
link_flush(struct ws_link *l)
{
	const uint8_t	*p;
	size_t		 len, n;
	CURLcode	 code;

	if (l->easy == NULL)
		return;
	while ((p = ws_output(l->ws, &len)) != NULL) {
		code = curl_easy_send(l->easy, p, len, &n);
		if (code == CURLE_AGAIN) {
			(void)event_add(l->writable, NULL);
			return;
		}
		if (code != CURLE_OK) {
			l->busy++;
			ws_eof(l->ws, "the connection broke");
			l->busy--;
			break;
		}
		ws_sent(l->ws, n);
	}
	(void)event_del(l->writable);
}

static void
link_on_write(evutil_socket_t fd, short events, void *arg)
{
	struct ws_link	*l = arg;

	(void)fd;
	(void)events;
	l->busy++;
	link_leave(l);
}

/*
 * TLS may hold bytes that the socket no longer shows as readable, so it is
 * read until there is nothing; after some time the others have their turn.
 */
static void
link_on_read(evutil_socket_t fd, short events, void *arg)
{
	struct ws_link	*l = arg;
	CURLcode	 code = CURLE_OK;
	size_t		 n;
	int		 i;

	(void)fd;
	(void)events;
	l->busy++;
	for (i = 0; i < LINK_READS && !l->closing && !ws_is_shut(l->ws);
	    i++) {
		code = curl_easy_recv(l->easy, l->buf, sizeof(l->buf), &n);
		if (code != CURLE_OK || n == 0)
			break;
		/* a server may quote the token in an error's text */
		http_redact((char *)l->buf, n, l->token);
		ws_input(l->ws, l->buf, n, monotime_now());
	}
	if (i == LINK_READS)
		event_active(l->readable, EV_READ, 0);
	else if (code == CURLE_OK && !l->closing && !ws_is_shut(l->ws))
		ws_eof(l->ws, "the server closed the connection");
	else if (code != CURLE_OK && code != CURLE_AGAIN)
		ws_eof(l->ws, "the connection broke");
	link_leave(l);
}

static void
link_on_tick(evutil_socket_t fd, short events, void *arg)
{
	struct ws_link	*l = arg;

	(void)fd;
	(void)events;
	if (l->ws == NULL)
		return;
	l->busy++;
	ws_tick(l->ws, monotime_now());
	link_leave(l);
}

static void
link_on_deferred(evutil_socket_t fd, short events, void *arg)
{
	struct ws_link	*l = arg;
	struct ws_end	 end;

	(void)fd;
	(void)events;
	if (l->failed == NULL)
		return;
	memset(&end, 0, sizeof(end));
	end.retry_after = -1;
	(void)strlcpy(end.why, l->failed, sizeof(end.why));
	link_clear(l);
	l->ops->down(l->arg, &end);
}

/* Connected, and by now the server's certificate is verified. */
static void
link_connected(void *private, CURL *easy, CURLcode code)
{
	const struct timeval	 tick = { LINK_TICK, 0 };
	struct ws_link		*l = private;
	curl_socket_t		 fd = CURL_SOCKET_BAD;

	if (code == CURLE_OK)
		code = curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
	if (code != CURLE_OK || fd == CURL_SOCKET_BAD) {
		resolver_forget(l->resolver, l->origin->url.host);
		link_fail(l, l->error[0] != '\0' ? l->error :
		    curl_easy_strerror(code));
		return;
	}
	l->ws = ws_new(l->ops, l->arg, l->origin->field, l->target,
	    l->authorization);
	l->readable = event_new(l->base, fd, EV_READ | EV_PERSIST,
	    link_on_read, l);
	l->writable = event_new(l->base, fd, EV_WRITE | EV_PERSIST,
	    link_on_write, l);
	if (l->ws == NULL || l->readable == NULL || l->writable == NULL ||
	    event_add(l->readable, NULL) == -1 ||
	    event_add(l->tick, &tick) == -1)
		fatalx("websocket: out of memory");
	l->busy++;
	link_leave(l);
}

static void
link_resolved(void *arg, const struct addresses *a, const char *why)
{
	struct ws_link	*l = arg;

	l->resolving = 0;
	if (a == NULL) {
		log_debug("%s: %s", l->origin->url.host, why);
		link_fail(l, "the server's name cannot be resolved");
		return;
	}
	if ((l->easy = curl_easy_init()) == NULL)
		fatalx("curl_easy_init: out of memory");
	l->resolve = curl_loop_setup(l->easy, l->origin, a, l->trust);
	if (l->resolve == NULL) {
		curl_easy_cleanup(l->easy);
		l->easy = NULL;
		link_fail(l, "the server's address may not be used");
		return;
	}
	l->error[0] = '\0';
	curl_easy_setopt(l->easy, CURLOPT_URL, l->origin->base);
	curl_easy_setopt(l->easy, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(l->easy, CURLOPT_PRIVATE, l);
	curl_easy_setopt(l->easy, CURLOPT_ERRORBUFFER, l->error);
	curl_loop_add(l->loop, l->easy);
}

void
ws_link_open(struct ws_link *l, const char *query)
{
	link_clear(l);
	if ((size_t)snprintf(l->target, sizeof(l->target), "%s%s",
	    l->origin->url.path[0] != '\0' ? l->origin->url.path :
	    LINK_PATH, query) >= sizeof(l->target)) {
		link_fail(l, "its path is too long");
		return;
	}
	l->resolving = 1;
	resolver_get(l->resolver, l->origin->url.host, link_resolved, l);
}

void
ws_link_close(struct ws_link *l)
{
	if (l->ws != NULL)
		ws_shut(l->ws);
	if (l->busy > 0)
		l->closing = 1;
	else
		link_clear(l);
}

void
ws_link_text(struct ws_link *l, const char *text, size_t len)
{
	if (l->ws == NULL)
		return;
	l->busy++;
	if (ws_text(l->ws, text, len) == -1)
		log_warnx("the WebSocket does not take a message of %zu "
		    "bytes", len);
	link_leave(l);
}

void
ws_link_ping(struct ws_link *l)
{
	if (l->ws == NULL)
		return;
	l->busy++;
	ws_ping(l->ws);
	link_leave(l);
}

struct ws_link *
ws_link_new(struct event_base *base, const struct origin *origin,
    struct resolver *resolver, struct curl_trust *trust,
    const char *authorization, const char *token, const struct ws_ops *ops,
    void *arg)
{
	struct ws_link	*l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		fatal("calloc");
	l->base = base;
	l->loop = curl_loop_new(base, 1, link_connected);
	l->origin = origin;
	l->resolver = resolver;
	l->trust = trust;
	l->authorization = authorization;
	l->token = token;
	l->ops = ops;
	l->arg = arg;
	l->tick = event_new(base, -1, EV_PERSIST, link_on_tick, l);
	l->deferred = evtimer_new(base, link_on_deferred, l);
	if (l->tick == NULL || l->deferred == NULL)
		fatalx("event_new: out of memory");
	return l;
}

void
ws_link_free(struct ws_link *l)
{
	if (l == NULL)
		return;
	link_clear(l);
	curl_loop_free(l->loop);
	event_free(l->tick);
	event_free(l->deferred);
	free(l);
}
