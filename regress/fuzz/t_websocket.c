/*
 * The WebSocket's bytes from the server, RFC 6455.  First byte: 1 and the
 * upgrade was answered well already; second byte: in pieces of how many
 * bytes the rest comes.  However it is cut, the same messages come out, and
 * nothing comes after the end.
 */
#include "buf.h"
#include "chatopsd/websocket.h"
#include "fuzz.h"
#include "text.h"

#define LOG_MAX	(64 * 1024)

struct run {
	struct buf	 log;		/* what was told, in order */
	struct buf	 sent;
	int		 opened, downs;
	uint64_t	 seed;
};

static void
on_random(void *arg, void *out, size_t len)
{
	struct run	*r = arg;
	uint8_t		*p = out;

	/* The same each time; the mask of a frame is no secret here. */
	while (len-- > 0) {
		r->seed = r->seed * 6364136223846793005ULL + 1;
		*p++ = (uint8_t)(r->seed >> 56);
	}
}

static void
on_open(void *arg)
{
	struct run	*r = arg;

	MUST(r->opened++ == 0 && r->downs == 0);
	buf_printf(&r->log, "open;");
}

static void
on_frame(void *arg)
{
	struct run	*r = arg;

	/* The answer to the upgrade counts, too. */
	MUST(r->downs == 0);
}

static void
on_text(void *arg, const char *text, size_t len)
{
	struct run	*r = arg;

	MUST(r->opened == 1 && r->downs == 0);
	MUST(len <= WS_MESSAGE_MAX && utf8_valid(text, len) == len);
	buf_printf(&r->log, "text %zu ", len);
	buf_put(&r->log, text, len);
}

static void
on_down(void *arg, const struct ws_end *end)
{
	struct run	*r = arg;

	MUST(r->downs++ == 0);
	MUST(end->why[0] != '\0' && strchr(end->why, '\n') == NULL);
	/* Of two faults in one frame either may be named. */
	buf_printf(&r->log, "down %d", end->status);
}

static const struct ws_ops	 ops = {
	on_random, on_open, on_frame, on_frame, on_text, on_down
};

static void
take_output(struct ws *ws, struct run *r)
{
	const uint8_t	*p;
	size_t		 n;

	while ((p = ws_output(ws, &n)) != NULL && n > 0) {
		MUST(n <= WS_QUEUE_MAX + WS_HEADER_MAX);
		buf_put(&r->sent, p, n);
		ws_sent(ws, n);
	}
}

static void
upgrade(struct ws *ws, struct run *r)
{
	static const char	 before[] = "Sec-WebSocket-Key: ";
	char			 key[WS_KEY_SIZE], accept[64], answer[512], *p;

	MUST((p = memmem(r->sent.data, r->sent.len, before,
	    sizeof(before) - 1)) != NULL);
	(void)strlcpy(key, p + sizeof(before) - 1, sizeof(key));
	ws_accept(key, accept, sizeof(accept));
	(void)snprintf(answer, sizeof(answer), "HTTP/1.1 101 Switching "
	    "Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n\r\n", accept);
	ws_input(ws, answer, strlen(answer), (monotime_t){ 1000 });
	MUST(r->opened == 1);
}

static void
run(struct run *r, const uint8_t *data, size_t len, int is_up, size_t piece)
{
	struct ws	*ws;
	size_t		 at, n;

	memset(r, 0, sizeof(*r));
	buf_init(&r->log, LOG_MAX);
	buf_init(&r->sent, LOG_MAX);
	MUST((ws = ws_new(&ops, r, "chat.example", "/api/v4/websocket",
	    "Authorization: Bearer x")) != NULL);
	take_output(ws, r);
	if (is_up)
		upgrade(ws, r);
	for (at = 0; at < len && r->downs == 0; at += n) {
		n = len - at < piece ? len - at : piece;
		ws_input(ws, data + at, n, (monotime_t){ 1000 });
		take_output(ws, r);
	}
	if (r->downs == 0)
		ws_eof(ws, "end of input");
	MUST(r->downs == 1);
	take_output(ws, r);
	ws_free(ws);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct run	 whole, pieces;
	int		 is_up;
	size_t		 piece;

	if (len < 2)
		return 0;
	is_up = data[0] & 1;
	piece = (size_t)data[1] % 64 + 1;
	run(&whole, data + 2, len - 2, is_up, len);
	run(&pieces, data + 2, len - 2, is_up, piece);
	MUST(whole.log.len == pieces.log.len && (whole.log.len == 0 ||
	    memcmp(whole.log.data, pieces.log.data, whole.log.len) == 0));
	buf_free(&whole.log);
	buf_free(&whole.sent);
	buf_free(&pieces.log);
	buf_free(&pieces.sent);
	return 0;
}
