/*
 * Control: sockets.  Which there are, ending them in all the ways that
 * sockets end, and frames of any shape on them.
 */
#include "mattermost.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "conn": a number, or "user": a name or id; absent: every WebSocket. */
static int
is_chosen(const struct http_conn *c, const json_t *j)
{
	const char		*s = text_str(j, "user", NULL);
	const struct user	*u;

	if (c->is_control)
		return 0;
	if (json_object_get(j, "conn") != NULL)
		return (int64_t)c->number == text_int(j, "conn", 0);
	if (c->ws == NULL)
		return text_bool(j, "http", 0);
	if (s == NULL)
		return 1;
	u = control_find_user(s);
	return u != NULL && c->ws->user == u;
}

static json_t *
conn_json(const struct wsconn *wc)
{
	json_t	*j;
	size_t	 i, dead = 0;

	for (i = 0; i < MM_DEADQUEUE; i++)
		dead += wc->dead[i] != NULL;
	j = json_pack("{s:s,s:s,s:I,s:I,s:I,s:b,s:b}", "connection_id",
	    wc->id, "user_id", wc->user == NULL ? "" : wc->user->id,
	    "seq", (json_int_t)wc->seq, "queue", (json_int_t)wc->queue_len,
	    "dead", (json_int_t)dead, "session", wc->session_ok,
	    "has_socket", wc->http != NULL);
	if (wc->http != NULL)
		json_object_set_new(j, "conn",
		    json_integer(wc->http->number));
	return j;
}

/* Those that are authenticated, with a socket or without. */
void
control_conns(struct http_req *req)
{
	struct wsconn	*wc;
	json_t		*out = json_array();

	TAILQ_FOREACH(wc, &wsconns, entry)
		json_array_append_new(out, conn_json(wc));
	control_reply(req, out);
}

/*
 * how: fin; rst; freeze (half-open: the server neither reads nor writes and
 * takes the connection for alive until its PONG is missed); close, with
 * "code" or without.  "http":true: other connections too.
 */
void
control_drop(struct http_req *req)
{
	const char		*how = text_str(req->json, "how", "fin");
	struct http_conn	*c, *next;
	int64_t			 code = text_int(req->json, "code", 0), n = 0;
	uint8_t			 payload[2] = { code >> 8, code };

	TAILQ_FOREACH_SAFE(c, &http_conns, entry, next) {
		if (!is_chosen(c, req->json) || c->is_frozen || c->is_closing)
			continue;
		n++;
		if (strcmp(how, "freeze") == 0)
			http_freeze(c);
		else if (strcmp(how, "rst") == 0) {
			http_reset(c);
			if (c->ws != NULL)
				ws_gone(c);
		} else if (c->ws == NULL)
			http_close(c);
		else {
			if (strcmp(how, "close") == 0)
				ws_write(c->ws, 8, payload, code == 0 ? 0 : 2);
			ws_end(c->ws, text_bool(req->json, "forget", 0));
		}
	}
	control_reply(req, json_pack("{s:I}", "dropped", (json_int_t)n));
}

static int
from_hex(struct evbuffer *out, const char *hex)
{
	unsigned int	 v;
	uint8_t		 b;
	size_t		 i, len = strlen(hex);

	if (len % 2 != 0)
		return -1;
	for (i = 0; i < len; i += 2) {
		if (sscanf(hex + i, "%2x", &v) != 1)
			return -1;
		b = v;
		evbuffer_add(out, &b, 1);
	}
	return 0;
}

/* "text", "hex", or "repeat" with "count"; then "tail" is added. */
static int
frame_payload(struct evbuffer *out, const json_t *j)
{
	const json_t	*t = json_object_get(j, "text");
	const char	*s;
	int64_t		 i, n;

	if (json_is_string(t))
		evbuffer_add(out, json_string_value(t),
		    json_string_length(t));
	if ((s = text_str(j, "hex", NULL)) != NULL && from_hex(out, s) == -1)
		return -1;
	if ((s = text_str(j, "repeat", NULL)) != NULL) {
		n = text_int(j, "count", 1);
		if (n < 0 || n > 64 * 1024 * 1024)
			return -1;
		for (i = 0; i < n; i++)
			evbuffer_add(out, s, strlen(s));
	}
	if ((s = text_str(j, "tail", NULL)) != NULL)
		evbuffer_add(out, s, strlen(s));
	return 0;
}

static void
mask_payload(struct evbuffer *b, const uint8_t mask[4])
{
	size_t	 i, len = evbuffer_get_length(b);
	uint8_t	*p = evbuffer_pullup(b, -1);

	for (i = 0; i < len; i++)
		p[i] ^= mask[i & 3];
}

/*
 * {"opcode":1,"fin":true,"rsv":0,"mask":false,"length":what the head says,
 * "times":1, payload} or {"raw":hex}.
 */
static int
frame_add(struct evbuffer *out, const json_t *j)
{
	static const uint8_t	 mask[4] = { 0x11, 0x22, 0x33, 0x44 };
	struct evbuffer		*body;
	const char		*raw = text_str(j, "raw", NULL);
	int64_t			 times = text_int(j, "times", 1), length;
	uint8_t			 byte0;
	int			 is_masked = text_bool(j, "mask", 0), rc;

	if (raw != NULL)
		return from_hex(out, raw);
	if (times < 0 || times > 10000000)
		return -1;
	byte0 = (text_bool(j, "fin", 1) ? 0x80 : 0) |
	    (text_int(j, "rsv", 0) & 7) << 4 | (text_int(j, "opcode", 1) & 15);
	while (times-- > 0) {
		if ((body = evbuffer_new()) == NULL)
			err(1, NULL);
		rc = frame_payload(body, j);
		length = text_int(j, "length", evbuffer_get_length(body));
		if (is_masked)
			mask_payload(body, mask);
		ws_frame_head(out, byte0, length, is_masked ? mask : NULL);
		evbuffer_add_buffer(out, body);
		evbuffer_free(body);
		if (rc == -1)
			return -1;
	}
	return 0;
}

/*
 * {"frames":[…],"slow_us":n,"cut":bytes} to the chosen sockets, past the
 * queues and without a number; slow_us: a byte at a time.
 */
void
control_frames(struct http_req *req)
{
	struct http_conn	*c, *next;
	struct evbuffer		*out;
	json_t			*frame;
	size_t			 i;
	int64_t			 n = 0;

	TAILQ_FOREACH_SAFE(c, &http_conns, entry, next) {
		if (c->ws == NULL || !is_chosen(c, req->json) || c->is_frozen)
			continue;
		if ((out = evbuffer_new()) == NULL)
			err(1, NULL);
		json_array_foreach(json_object_get(req->json, "frames"), i,
		    frame)
			if (frame_add(out, frame) == -1) {
				evbuffer_free(out);
				control_fail(req, "frames: number %zu", i);
				return;
			}
		c->held_us = text_int(req->json, "slow_us", 0);
		c->held_cut = text_int(req->json, "cut", -1);
		http_send(c, out);
		evbuffer_free(out);
		n++;
	}
	control_reply(req, json_pack("{s:I}", "sockets", (json_int_t)n));
}
