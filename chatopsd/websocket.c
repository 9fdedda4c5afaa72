/*
 * The client's side of RFC 6455.  wslay does the frames; the upgrade and the
 * limits are here.  Anything that a server must not do ends the connection,
 * for there is always another way to get at what was missed.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>
#include <wslay/wslay.h>

#include "compat.h"
#include "log.h"
#include "origin.h"
#include "websocket.h"

#define WS_KEEP		(64 * 1024)	/* buffer kept between messages */

enum ws_phase {
	WS_UPGRADING,
	WS_OPEN,
	WS_DEAD			/* down was called, or ws_shut() */
};

struct ws_bytes {
	uint8_t	*data;
	size_t	 len;
	size_t	 cap;
};

struct ws {
	const struct ws_ops *ops;
	void		*arg;
	enum ws_phase	 phase;
	char		 key[WS_KEY_SIZE];
	struct ws_bytes	 header;	/* the answer to the upgrade */
	struct ws_bytes	 message;	/* the one that is coming */
	struct ws_bytes	 out;
	size_t		 out_sent;
	wslay_event_context_ptr wslay;
	const uint8_t	*in;		/* what ws_input() was given */
	size_t		 in_len;
	monotime_t	 now;
	monotime_t	 began;		/* the message, or MONOTIME_NEVER */
	unsigned int	 fragments;
	int		 is_control;	/* the frame that is coming */
	unsigned int	 pings;
	monotime_t	 pings_since;
	char		 why[128];	/* what a callback found wrong */
};

static int
bytes_add(struct ws_bytes *b, const void *data, size_t len, size_t max)
{
	uint8_t	*p;
	size_t	 cap = b->cap;

	if (len > max || b->len > max - len)
		return -1;
	if (b->len + len + 1 > cap) {
		if (cap == 0)
			cap = 4096;
		while (cap < b->len + len + 1)
			cap *= 2;
		if ((p = realloc(b->data, cap)) == NULL)
			return -1;
		b->data = p;
		b->cap = cap;
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

static void
bytes_clear(struct ws_bytes *b)
{
	freezero(b->data, b->cap);
	memset(b, 0, sizeof(*b));
}

static void ws_fail(struct ws *, int, const char *, ...)
    __attribute__((__format__(printf, 3, 4)));

/* The end, told once.  status: HTTP status in place of 101, or 0. */
static void
ws_fail(struct ws *ws, int status, const char *fmt, ...)
{
	struct ws_end	 end;
	va_list		 ap;

	if (ws->phase == WS_DEAD)
		return;
	ws->phase = WS_DEAD;
	memset(&end, 0, sizeof(end));
	end.status = status;
	end.retry_after = -1;
	va_start(ap, fmt);
	(void)vsnprintf(end.why, sizeof(end.why), fmt, ap);
	va_end(ap);
	ws->ops->down(ws->arg, &end);
}

/*
 * wslay's callbacks
 */

static ssize_t
ws_on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags,
    void *arg)
{
	struct ws	*ws = arg;

	(void)flags;
	if (ws->in_len == 0) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	if (len > ws->in_len)
		len = ws->in_len;
	memcpy(buf, ws->in, len);
	ws->in += len;
	ws->in_len -= len;
	return (ssize_t)len;
}

static ssize_t
ws_on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len,
    int flags, void *arg)
{
	struct ws	*ws = arg;

	(void)flags;
	if (bytes_add(&ws->out, data, len, WS_QUEUE_MAX) == -1) {
		wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
		return -1;
	}
	return (ssize_t)len;
}

/* RFC 6455 5.3: an unpredictable mask for every frame */
static int
ws_on_mask(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, void *arg)
{
	struct ws	*ws = arg;

	(void)ctx;
	ws->ops->random(ws->arg, buf, len);
	return 0;
}

static void
ws_refuse(struct ws *ws, wslay_event_context_ptr ctx, const char *why)
{
	if (ws->why[0] == '\0')
		(void)strlcpy(ws->why, why, sizeof(ws->why));
	wslay_event_shutdown_read(ctx);
}

static void
ws_on_frame(wslay_event_context_ptr ctx,
    const struct wslay_event_on_frame_recv_start_arg *f, void *arg)
{
	struct ws	*ws = arg;

	ws->is_control = wslay_is_ctrl_frame(f->opcode);
	if (f->opcode == WSLAY_BINARY_FRAME)
		ws_refuse(ws, ctx, "it sent a binary message");
	if (ws->is_control)
		return;
	if (ws->began.ms == MONOTIME_NEVER.ms)
		ws->began = ws->now;
	if (++ws->fragments > WS_FRAGMENTS_MAX)
		ws_refuse(ws, ctx, "it sent a message in too many pieces");
	/* the announced length counts before a byte of it came */
	if (f->payload_length > WS_MESSAGE_MAX - ws->message.len)
		ws_refuse(ws, ctx, "it sent a message that is too large");
}

static void
ws_on_chunk(wslay_event_context_ptr ctx,
    const struct wslay_event_on_frame_recv_chunk_arg *c, void *arg)
{
	struct ws	*ws = arg;

	if (ws->is_control || ws->why[0] != '\0')
		return;
	if (bytes_add(&ws->message, c->data, c->data_length,
	    WS_MESSAGE_MAX) == -1)
		ws_refuse(ws, ctx, "no memory for a message");
}

/* A server that pings all the time makes us write all the time. */
static int
ws_is_flood(struct ws *ws)
{
	if (monotime_sub(ws->now, ws->pings_since) >= WS_PING_TIME) {
		ws->pings_since = ws->now;
		ws->pings = 0;
	}
	return ++ws->pings > WS_PING_MAX;
}

static void
ws_on_message(wslay_event_context_ptr ctx,
    const struct wslay_event_on_msg_recv_arg *m, void *arg)
{
	struct ws	*ws = arg;

	if (ws->why[0] != '\0' || ws->phase == WS_DEAD)
		return;
	ws->ops->frame(ws->arg);
	if (m->opcode == WSLAY_CONNECTION_CLOSE) {
		(void)snprintf(ws->why, sizeof(ws->why),
		    "it closed the connection (code %u)", m->status_code);
		wslay_event_shutdown_read(ctx);
	} else if (wslay_is_ctrl_frame(m->opcode)) {
		if (ws_is_flood(ws))
			ws_refuse(ws, ctx, "it sends too many pings");
		else if (m->opcode == WSLAY_PONG)
			ws->ops->pong(ws->arg);
	} else {
		ws->began = MONOTIME_NEVER;
		ws->fragments = 0;
		ws->ops->text(ws->arg, ws->message.data == NULL ? "" :
		    (const char *)ws->message.data, ws->message.len);
		if (ws->message.cap > WS_KEEP)
			bytes_clear(&ws->message);
		ws->message.len = 0;
		if (ws->phase == WS_DEAD)
			wslay_event_shutdown_read(ctx);
	}
}

static int
ws_start_frames(struct ws *ws)
{
	static const struct wslay_event_callbacks	 callbacks = {
		.recv_callback = ws_on_recv,
		.send_callback = ws_on_send,
		.genmask_callback = ws_on_mask,
		.on_frame_recv_start_callback = ws_on_frame,
		.on_frame_recv_chunk_callback = ws_on_chunk,
		.on_msg_recv_callback = ws_on_message
	};

	if (wslay_event_context_client_init(&ws->wslay, &callbacks, ws) != 0)
		return -1;
	/* the message is gathered here, where its limits are */
	wslay_event_config_set_no_buffering(ws->wslay, 1);
	return 0;
}

struct ws *
ws_new(const struct ws_ops *ops, void *arg, const char *host,
    const char *target, const char *authorization)
{
	struct ws	*ws;
	uint8_t		 nonce[16];
	char		 buf[2048];
	int		 len;

	if ((ws = calloc(1, sizeof(*ws))) == NULL)
		fatal("calloc");
	ws->ops = ops;
	ws->arg = arg;
	ws->began = MONOTIME_NEVER;
	ops->random(arg, nonce, sizeof(nonce));
	(void)sodium_bin2base64(ws->key, sizeof(ws->key), nonce,
	    sizeof(nonce), sodium_base64_VARIANT_ORIGINAL);
	/*
	 * No Origin: a server checks it against its own list.  No cookie:
	 * one would go before the token.  No extension is offered.
	 */
	len = snprintf(buf, sizeof(buf), "GET %s HTTP/1.1\r\nHost: %s\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n"
	    "User-Agent: chatopsd\r\n%s%s\r\n", target, host, ws->key,
	    authorization != NULL ? authorization : "",
	    authorization != NULL ? "\r\n" : "");
	if (len < 0 || (size_t)len >= sizeof(buf) ||
	    bytes_add(&ws->out, buf, (size_t)len, WS_QUEUE_MAX) == -1) {
		ws_free(ws);
		ws = NULL;
	}
	explicit_bzero(buf, sizeof(buf));
	return ws;
}

void
ws_free(struct ws *ws)
{
	if (ws == NULL)
		return;
	if (ws->wslay != NULL)
		wslay_event_context_free(ws->wslay);
	bytes_clear(&ws->header);
	bytes_clear(&ws->message);
	bytes_clear(&ws->out);
	free(ws);
}

/* What became of the upgrade: RFC 6455 4.1, the list at its end. */
static void
ws_answered(struct ws *ws, char *head)
{
	struct ws_answer	 a;
	struct ws_end		 end;
	char			 accept[32];

	ws_accept(ws->key, accept, sizeof(accept));
	if (ws_answer_parse(&a, head, accept) == -1)
		ws_fail(ws, 0, "malformed answer to the upgrade");
	else if (a.status >= 300 && a.status < 400)
		ws_fail(ws, a.status, "it redirects to %.*s, which is not "
		    "followed: configure the final address",
		    (int)origin_length(a.location), a.location);
	else if (a.status != 101) {
		memset(&end, 0, sizeof(end));
		end.status = a.status;
		end.retry_after = a.retry_after;
		(void)snprintf(end.why, sizeof(end.why),
		    "it answered %d to the upgrade", a.status);
		ws->phase = WS_DEAD;
		ws->ops->down(ws->arg, &end);
	} else if (!a.upgrade || !a.connection || a.accepts != 1 ||
	    !a.accepted)
		ws_fail(ws, 0, "its 101 is not for this request");
	else if (a.extension || a.protocol)
		ws_fail(ws, 0, "it uses an extension that was not offered");
	else if (ws_start_frames(ws) == -1)
		ws_fail(ws, 0, "no memory for a connection");
	else {
		ws->phase = WS_OPEN;
		ws->ops->frame(ws->arg);
		ws->ops->open(ws->arg);
	}
}

/* Takes bytes up to the empty line; what is behind it stays in *p. */
static void
ws_header_input(struct ws *ws, const uint8_t **p, size_t *len)
{
	size_t	 old = ws->header.len, used;
	char	*end;

	if (bytes_add(&ws->header, *p, *len, SIZE_MAX / 2) == -1) {
		ws_fail(ws, 0, "no memory for an answer");
		return;
	}
	end = strstr((char *)ws->header.data, "\r\n\r\n");
	if (end == NULL) {
		if (ws->header.len > WS_HEADER_MAX)
			ws_fail(ws, 0,
			    "its answer to the upgrade is too long");
		else if (strlen((char *)ws->header.data) != ws->header.len)
			ws_fail(ws, 0, "malformed answer to the upgrade");
		*p += *len;
		*len = 0;
		return;
	}
	used = (size_t)(end - (char *)ws->header.data) + 4;
	if (used > WS_HEADER_MAX) {
		ws_fail(ws, 0, "its answer to the upgrade is too long");
		return;
	}
	*p += used - old;
	*len -= used - old;
	*end = '\0';
	ws_answered(ws, (char *)ws->header.data);
	bytes_clear(&ws->header);
}

static const char *
wslay_reason(int r)
{
	switch (r) {
	case WSLAY_ERR_PROTO:
		return "it broke the WebSocket protocol";
	case WSLAY_ERR_NOMEM:
		return "no memory for a message";
	case WSLAY_ERR_CALLBACK_FAILURE:
		return "it does not take what we send";
	default:
		return "it sent something wrong";
	}
}

/* Frames, and what wslay answers to them by itself (PONG, Close). */
static void
ws_frame_input(struct ws *ws)
{
	int	 r;

	r = wslay_event_recv(ws->wslay);
	if (r == 0 && wslay_event_want_write(ws->wslay))
		r = wslay_event_send(ws->wslay);
	if (ws->why[0] != '\0')
		ws_fail(ws, 0, "%s", ws->why);
	else if (r != 0)
		ws_fail(ws, 0, "%s", wslay_reason(r));
	else if (ws->phase == WS_OPEN &&
	    !wslay_event_get_read_enabled(ws->wslay))
		/* bad frame, bad UTF-8: wslay stops reading and says why */
		ws_fail(ws, 0, "it broke the WebSocket protocol (code %u)",
		    wslay_event_get_status_code_sent(ws->wslay));
}

void
ws_input(struct ws *ws, const void *data, size_t len, monotime_t now)
{
	const uint8_t	*p = data;

	ws->now = now;
	if (ws->phase == WS_UPGRADING && len > 0)
		ws_header_input(ws, &p, &len);
	if (ws->phase == WS_OPEN && len > 0) {
		ws->in = p;
		ws->in_len = len;
		ws_frame_input(ws);
		ws->in = NULL;
		ws->in_len = 0;
	}
	ws_tick(ws, now);
}

void
ws_eof(struct ws *ws, const char *why)
{
	ws_fail(ws, 0, "%s", why);
}

void
ws_tick(struct ws *ws, monotime_t now)
{
	if (ws->phase == WS_OPEN && ws->began.ms != MONOTIME_NEVER.ms &&
	    monotime_sub(now, ws->began) >= WS_MESSAGE_TIME)
		ws_fail(ws, 0, "it takes too long over one message");
}

int
ws_text(struct ws *ws, const char *text, size_t len)
{
	struct wslay_event_msg	 m;

	if (ws->phase != WS_OPEN || len > WS_SEND_MAX ||
	    ws->out.len - ws->out_sent + len > WS_QUEUE_MAX / 2)
		return -1;
	m.opcode = WSLAY_TEXT_FRAME;
	m.msg = (const uint8_t *)text;
	m.msg_length = len;
	if (wslay_event_queue_msg(ws->wslay, &m) != 0 ||
	    wslay_event_send(ws->wslay) != 0)
		return -1;
	return 0;
}

void
ws_ping(struct ws *ws)
{
	const struct wslay_event_msg	 m = { WSLAY_PING, NULL, 0 };

	if (ws->phase == WS_OPEN &&
	    ws->out.len - ws->out_sent < WS_QUEUE_MAX / 2 &&
	    wslay_event_queue_msg(ws->wslay, &m) == 0)
		(void)wslay_event_send(ws->wslay);
}

void
ws_shut(struct ws *ws)
{
	ws->phase = WS_DEAD;
}

int
ws_is_shut(const struct ws *ws)
{
	return ws->phase == WS_DEAD;
}

const uint8_t *
ws_output(const struct ws *ws, size_t *len)
{
	*len = ws->out.len - ws->out_sent;
	return *len == 0 ? NULL : ws->out.data + ws->out_sent;
}

void
ws_sent(struct ws *ws, size_t n)
{
	ws->out_sent += n;
	if (ws->out_sent == ws->out.len) {
		/* the upgrade request held the token */
		if (ws->out.data != NULL)
			explicit_bzero(ws->out.data, ws->out.len);
		ws->out.len = ws->out_sent = 0;
	}
}
