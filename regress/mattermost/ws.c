/*
 * WebSockets: the upgrade, the keep-alive, bytes in and out (RFC 6455).
 * wslay reads; frames are written here, so that a test can have any.
 */
#include "mattermost.h"

#include <sys/socket.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <wslay/wslay.h>

#define WS_GUID		"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define WS_CLIENT_MAX	8192
#define WS_OUTPUT_MAX	65536
#define AUTH_US		(5 * 1000000LL)
#define PING_US		(60 * 1000000LL)
#define PONG_US		(100 * 1000000LL)
#define WRITE_US	(30 * 1000000LL)

/* The head of a frame; byte0 is FIN, RSV and opcode; mask may be NULL. */
void
ws_frame_head(struct evbuffer *out, uint8_t byte0, uint64_t len,
    const uint8_t *mask)
{
	uint8_t	 h[14];
	size_t	 n = 2, i;

	h[0] = byte0;
	if (len < 126)
		h[1] = len;
	else if (len < 65536) {
		h[1] = 126;
		h[n++] = len >> 8;
		h[n++] = len;
	} else {
		h[1] = 127;
		for (i = 0; i < 8; i++)
			h[n++] = len >> (8 * (7 - i));
	}
	if (mask != NULL) {
		h[1] |= 0x80;
		memcpy(h + n, mask, 4);
		n += 4;
	}
	evbuffer_add(out, h, n);
}

void
ws_write(struct wsconn *wc, uint8_t opcode, const void *data, size_t len)
{
	struct evbuffer	*out;

	if (wc->http == NULL)
		return;
	if ((out = evbuffer_new()) == NULL)
		err(1, NULL);
	ws_frame_head(out, 0x80 | opcode, len, NULL);
	evbuffer_add(out, data, len);
	http_send(wc->http, out);
	evbuffer_free(out);
	if (!wc->write_timer.pending)
		vtimer_add(&wc->write_timer, WRITE_US);
}

int
ws_writable(const struct wsconn *wc)
{
	return !wc->http->is_frozen && wc->http->held == NULL &&
	    evbuffer_get_length(bufferevent_get_output(wc->http->bev)) <
	    WS_OUTPUT_MAX;
}

/* All that was written has left. */
void
ws_sent(struct wsconn *wc)
{
	vtimer_del(&wc->write_timer);
	hub_pump(wc);
}

static void
end_now(void *arg)
{
	struct wsconn		*wc = arg;
	struct http_conn	*c = wc->http;

	if (c == NULL)
		return;
	ws_gone(c);
	if (!c->is_frozen)
		http_close(c);
}

/*
 * The socket ends without a close frame, from the loop: callers may be deep
 * inside.  forget: it cannot be resumed.
 */
void
ws_end(struct wsconn *wc, int forget)
{
	wc->is_dead = 1;
	wc->is_forgotten |= forget;
	vtimer_add(&wc->end_timer, 0);
}

static void
end_timeout(void *arg)
{
	ws_end(arg, 0);
}

static void
ping_due(void *arg)
{
	struct wsconn	*wc = arg;

	if (!mm.opt.mute_ping)
		ws_write(wc, 9, "", 0);
	vtimer_add(&wc->ping_timer, PING_US);
}

static ssize_t
from_socket(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags,
    void *arg)
{
	struct wsconn	*wc = arg;
	int		 n;

	(void)flags;
	n = evbuffer_remove(bufferevent_get_input(wc->http->bev), buf, len);
	if (n > 0)
		return n;
	wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
	return -1;
}

/*
 * wslay answers PING and close itself: a control frame is two bytes and
 * what they count.  A PONG is left out while a test wants silence.
 */
static ssize_t
to_socket(wslay_event_context_ptr ctx, const uint8_t *data, size_t len,
    int flags, void *arg)
{
	struct wsconn	*wc = arg;
	struct evbuffer	*out;

	(void)ctx;
	(void)flags;
	if (wc->skip > 0) {
		wc->skip -= len < wc->skip ? len : wc->skip;
		return len;
	}
	if (mm.opt.mute_pong && len == 2 && data[0] == 0x8a) {
		wc->skip = data[1] & 0x7f;
		return len;
	}
	if ((out = evbuffer_new()) == NULL)
		err(1, NULL);
	evbuffer_add(out, data, len);
	http_send(wc->http, out);
	evbuffer_free(out);
	return len;
}

static void
on_message(wslay_event_context_ptr ctx,
    const struct wslay_event_on_msg_recv_arg *m, void *arg)
{
	struct wsconn	*wc = arg;
	json_t		*j;

	(void)ctx;
	j = json_pack("{s:I,s:i,s:s}", "conn", (json_int_t)wc->http->number,
	    "opcode", m->opcode, "user_id", wc->user == NULL ? "" :
	    wc->user->id);
	record_body(j, (const char *)m->msg, m->msg_length);
	if (m->opcode == WSLAY_CONNECTION_CLOSE)
		json_object_set_new(j, "code", json_integer(m->status_code));
	(void)record_add("ws_frame", j);
	if (m->opcode == WSLAY_PONG)
		vtimer_add(&wc->pong_timer, PONG_US);
	else if (m->opcode == WSLAY_BINARY_FRAME && mm.opt.is_11)
		ws_end(wc, 0);		/* it would have to be msgpack */
	else if (m->opcode == WSLAY_TEXT_FRAME ||
	    m->opcode == WSLAY_BINARY_FRAME)
		ws_action(wc, (const char *)m->msg, m->msg_length);
}

void
ws_read(struct http_conn *c)
{
	struct wsconn	*wc = c->ws;

	if (wc->is_dead || c->is_frozen)
		return;
	if (wslay_event_recv(wc->wslay) != 0) {
		ws_end(wc, 0);
		return;
	}
	(void)wslay_event_send(wc->wslay);
	if (wslay_event_get_close_sent(wc->wslay))
		ws_end(wc, 0);
}

void
ws_free(struct wsconn *wc)
{
	vtimer_del(&wc->auth_timer);
	vtimer_del(&wc->ping_timer);
	vtimer_del(&wc->pong_timer);
	vtimer_del(&wc->write_timer);
	vtimer_del(&wc->end_timer);
	wslay_event_context_free(wc->wslay);
	freezero(wc, sizeof(*wc));
}

/* The connection lost its socket: by its peer, by us, by an error. */
void
ws_gone(struct http_conn *c)
{
	struct wsconn	*wc = c->ws;

	c->ws = NULL;
	(void)record_add("ws_close", json_pack("{s:I,s:s,s:s}", "conn",
	    (json_int_t)c->number, "user_id", wc->user == NULL ? "" :
	    wc->user->id, "connection_id", wc->id));
	wc->http = NULL;
	vtimer_del(&wc->auth_timer);
	vtimer_del(&wc->ping_timer);
	vtimer_del(&wc->pong_timer);
	vtimer_del(&wc->write_timer);
	vtimer_del(&wc->end_timer);
	hub_unregister(wc);
}

static struct wsconn *
ws_new(struct http_conn *c)
{
	struct wslay_event_callbacks	 cb = { from_socket, to_socket, NULL,
	    NULL, NULL, NULL, on_message };
	struct wsconn			*wc;

	if ((wc = calloc(1, sizeof(*wc))) == NULL ||
	    wslay_event_context_server_init(&wc->wslay, &cb, wc) != 0)
		err(1, NULL);
	wslay_event_config_set_max_recv_msg_length(wc->wslay, WS_CLIENT_MAX);
	TAILQ_INIT(&wc->queue);
	wc->http = c;
	c->ws = wc;
	vtimer_set(&wc->auth_timer, end_timeout, wc);
	vtimer_set(&wc->ping_timer, ping_due, wc);
	vtimer_set(&wc->pong_timer, end_timeout, wc);
	vtimer_set(&wc->write_timer, end_timeout, wc);
	vtimer_set(&wc->end_timer, end_now, wc);
	vtimer_add(&wc->ping_timer, PING_US);
	vtimer_add(&wc->pong_timer, PONG_US);
	return wc;
}

/*
 * The id and number that a client asks to resume.  -1: it asks for what
 * ends the connection.
 */
static int
resume(struct wsconn *wc, const char *id, const char *number)
{
	struct wsconn	*old;
	const char	*e = "absent";
	int64_t		 seq = 0;

	if (mm.opt.reliable)
		text_new_id(wc->id);
	if (!mm.opt.reliable || id == NULL || *id == '\0')
		return 0;
	if (!text_is_id(id))
		return -1;
	if (number != NULL)
		seq = strtonum(number, INT64_MIN, INT64_MAX, &e);
	old = hub_find_inactive(wc->user, id);
	if (old == NULL)
		return mm.opt.is_11 && e != NULL ? -1 : 0;
	if (e != NULL)
		return -1;
	hub_adopt(wc, old);
	wc->seq = seq;
	return 0;
}

static void
accept_key(const char *key, char out[32])
{
	uint8_t	 sum[SHA_DIGEST_LENGTH];
	char	 text[160];

	(void)snprintf(text, sizeof(text), "%.100s%s", key, WS_GUID);
	SHA1((const uint8_t *)text, strlen(text), sum);
	EVP_EncodeBlock((uint8_t *)out, sum, sizeof(sum));
}

static int
refuse(struct http_req *req)
{
	static const char	 body[] = "Forbidden\n{\"id\":\"api.web_socket."
	    "connect.upgrade.app_error\",\"message\":\"Unable to upgrade "
	    "websocket connection.\",\"detailed_error\":\"\","
	    "\"status_code\":500}";
	const char	*up = http_header(req, "Upgrade");
	const char	*key = http_header(req, "Sec-WebSocket-Key");
	const char	*version = http_header(req, "Sec-WebSocket-Version");
	const char	*origin = http_header(req, "Origin");

	if (origin != NULL && strcmp(origin, mm.url) != 0) {
		http_reply(req, 403, "text/plain; charset=utf-8", body,
		    strlen(body));
		return 1;
	}
	if (up != NULL && strcasecmp(up, "websocket") == 0 && key != NULL &&
	    version != NULL && strcmp(version, "13") == 0 &&
	    strcmp(req->method, "GET") == 0)
		return 0;
	api_error(req, 400, "api.web_socket.connect.upgrade.app_error",
	    "Unable to upgrade websocket connection.");
	return 1;
}

static void
answer_101(struct http_req *req)
{
	struct evbuffer		*out;
	struct http_param	*p;
	char			 accept[32];

	accept_key(http_header(req, "Sec-WebSocket-Key"), accept);
	if ((out = evbuffer_new()) == NULL)
		err(1, NULL);
	evbuffer_add_printf(out, "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n", accept);
	TAILQ_FOREACH(p, &req->out, entry)
		evbuffer_add_printf(out, "%s: %s\r\n", p->name, p->value);
	evbuffer_add(out, "\r\n", 2);
	fault_shape(req);
	http_send(req->conn, out);
	evbuffer_free(out);
}

/* 101 for everybody; who is not authenticated is dropped after 5 s. */
void
ws_upgrade(struct http_req *req)
{
	struct http_conn	*c = req->conn;
	struct token		*t;
	struct wsconn		*wc;
	int			 size = WS_OUTPUT_MAX, ok = 0;

	if (refuse(req))
		return;
	(void)setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_SNDBUF,
	    &size, sizeof(size));
	if (req->log != NULL)
		json_object_set_new(req->log, "status", json_integer(101));
	answer_101(req);
	wc = ws_new(c);
	if ((t = api_session(api_token(req))) != NULL) {
		wc->user = t->user;
		strlcpy(wc->secret, t->secret, sizeof(wc->secret));
		ok = resume(wc, http_query(req, "connection_id"),
		    http_query(req, "sequence_number"));
	} else
		vtimer_add(&wc->auth_timer, AUTH_US);
	(void)record_add("ws_open", json_pack("{s:I,s:s,s:s,s:b,s:I}",
	    "conn", (json_int_t)c->number, "user_id", wc->user == NULL ? "" :
	    wc->user->id, "connection_id", wc->id, "resumed", wc->is_reused,
	    "seq", (json_int_t)wc->seq));
	http_next(c);
	if (ok == -1)
		ws_end(wc, 1);
	else if (wc->user != NULL) {
		hub_resume_start(wc);
		hub_register(wc);
	}
}
