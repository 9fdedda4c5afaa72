/*
 * The client's side of RFC 6455: what it takes for an answer to its upgrade,
 * frames whole and byte by byte, and the limits.
 */
#include <stdarg.h>

#include "test.h"
#include "chatopsd/websocket.h"

#define KEY	"AAAAAAAAAAAAAAAAAAAAAA=="	/* 16 zero bytes */

static struct {
	int		 opened, frames, pongs, texts, downs, status;
	int64_t		 retry_after;
	char		 why[192];
	char		*text;
	size_t		 len;
	struct ws	*close_on_text;
} seen;

static void
on_random(void *arg, void *buf, size_t len)
{
	(void)arg;
	memset(buf, 0, len);
}

static void
on_open(void *arg)
{
	(void)arg;
	seen.opened++;
}

static void
on_frame(void *arg)
{
	(void)arg;
	seen.frames++;
}

static void
on_pong(void *arg)
{
	(void)arg;
	seen.pongs++;
}

static void
on_text(void *arg, const char *text, size_t len)
{
	(void)arg;
	CHECK_INT(seen.downs, 0);
	seen.texts++;
	free(seen.text);
	seen.text = malloc(len + 1);
	memcpy(seen.text, text, len);
	seen.text[len] = '\0';
	seen.len = len;
	if (seen.close_on_text != NULL)
		ws_shut(seen.close_on_text);
}

static void
on_down(void *arg, const struct ws_end *end)
{
	(void)arg;
	seen.downs++;
	seen.status = end->status;
	seen.retry_after = end->retry_after;
	(void)snprintf(seen.why, sizeof(seen.why), "%s", end->why);
}

static const struct ws_ops	 ops = {
	on_random, on_open, on_frame, on_pong, on_text, on_down
};

static monotime_t
at(int64_t ms)
{
	return (monotime_t){ ms };
}

static struct ws *
fresh(void)
{
	struct ws	*ws;

	free(seen.text);
	memset(&seen, 0, sizeof(seen));
	ws = ws_new(&ops, NULL, "chat.example", "/api/v4/websocket?x=1",
	    "Authorization: Bearer secret");
	CHECK(ws != NULL);
	return ws;
}

/* Everything that waits to be sent, taken away; NUL behind it. */
static char *
sent(struct ws *ws, size_t *len)
{
	static char	 buf[WS_QUEUE_MAX + 1];
	const uint8_t	*p;
	size_t		 n;

	*len = 0;
	while ((p = ws_output(ws, &n)) != NULL) {
		memcpy(buf + *len, p, n);
		*len += n;
		ws_sent(ws, n);
	}
	buf[*len] = '\0';
	return buf;
}

static const char	 good[] = "HTTP/1.1 101 Switching Protocols\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n";

static struct ws *
opened(void)
{
	struct ws	*ws = fresh();
	size_t		 len;

	(void)sent(ws, &len);
	ws_input(ws, good, strlen(good), at(0));
	CHECK_INT(seen.opened, 1);
	seen.frames = 0;
	return ws;
}

TEST(accept_of_the_rfc)
{
	char	 accept[32];

	/* RFC 6455 1.3 */
	ws_accept("dGhlIHNhbXBsZSBub25jZQ==", accept, sizeof(accept));
	CHECK_STR(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	ws_accept(KEY, accept, sizeof(accept));
	CHECK_STR(accept, "ICX+Yqv66kxgM0FcWaLWlFLwTAI=");
}

TEST(request)
{
	struct ws	*ws = fresh();
	size_t		 len;

	CHECK_STR(sent(ws, &len), "GET /api/v4/websocket?x=1 HTTP/1.1\r\n"
	    "Host: chat.example\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Key: " KEY "\r\n"
	    "Sec-WebSocket-Version: 13\r\nUser-Agent: chatopsd\r\n"
	    "Authorization: Bearer secret\r\n\r\n");
	CHECK(ws_output(ws, &len) == NULL && len == 0);
	CHECK_INT(ws_text(ws, "x", 1), -1);
	ws_free(ws);
}

#define ACCEPT	"Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n"
#define UPGRADE	"Upgrade: websocket\r\n"
#define CONN	"Connection: Upgrade\r\n"
#define STATUS	"HTTP/1.1 101 Switching Protocols\r\n"

static const struct {
	const char	*answer;
	int		 opens;
	int		 status;
} answers[] = {
	{ STATUS UPGRADE CONN ACCEPT "\r\n", 1, 0 },
	{ STATUS CONN ACCEPT UPGRADE "\r\n", 1, 0 },
	{ "HTTP/1.1 101\r\n" UPGRADE CONN ACCEPT "\r\n", 1, 0 },
	{ STATUS "upgrade:WebSocket  \r\nCONNECTION: keep-alive, upgrade\r\n"
	    ACCEPT "X-Version-Id: 5.37\r\n\r\n", 1, 0 },
	{ STATUS "Upgrade: websocket\r\nConnection:\tUpgrade\t\r\n" ACCEPT
	    "\r\n", 1, 0 },
	/* 4.1: what fails the connection */
	{ STATUS CONN ACCEPT "\r\n", 0, 0 },
	{ STATUS "Upgrade: h2c\r\n" CONN ACCEPT "\r\n", 0, 0 },
	{ STATUS UPGRADE ACCEPT "\r\n", 0, 0 },
	{ STATUS UPGRADE "Connection: close\r\n" ACCEPT "\r\n", 0, 0 },
	{ STATUS UPGRADE "Connection: Upgrades\r\n" ACCEPT "\r\n", 0, 0 },
	{ STATUS UPGRADE CONN "\r\n", 0, 0 },
	{ STATUS UPGRADE CONN "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+"
	    "xOo=\r\n\r\n", 0, 0 },
	{ STATUS UPGRADE CONN "Sec-WebSocket-Accept: icx+yqv66kxgm0fcwalwlflw"
	    "tai=\r\n\r\n", 0, 0 },
	{ STATUS UPGRADE CONN "Sec-WebSocket-Accept: \r\n\r\n", 0, 0 },
	{ STATUS UPGRADE CONN ACCEPT ACCEPT "\r\n", 0, 0 },
	{ STATUS UPGRADE CONN ACCEPT "Sec-WebSocket-Extensions: permessage-"
	    "deflate\r\n\r\n", 0, 0 },
	{ STATUS UPGRADE CONN ACCEPT "Sec-WebSocket-Protocol: chat\r\n\r\n",
	    0, 0 },
	/* no HTTP */
	{ "\r\n\r\n", 0, 0 },
	{ "HTTP/1.0 101 x\r\n" UPGRADE CONN ACCEPT "\r\n", 0, 0 },
	{ "HTTP/2 101\r\n" UPGRADE CONN ACCEPT "\r\n", 0, 0 },
	{ "HTTP/1.1 1011\r\n" UPGRADE CONN ACCEPT "\r\n", 0, 0 },
	{ "HTTP/1.1 10\r\n" UPGRADE CONN ACCEPT "\r\n", 0, 0 },
	{ "HTTP/1.1  101 x\r\n" UPGRADE CONN ACCEPT "\r\n", 0, 0 },
	{ "garbage\r\n\r\n", 0, 0 },
	/* fields that two readers may read differently */
	{ STATUS "Upgrade : websocket\r\n" CONN ACCEPT "\r\n", 0, 0 },
	{ STATUS UPGRADE CONN ACCEPT " folded\r\n\r\n", 0, 0 },
	{ STATUS UPGRADE CONN ACCEPT "no colon\r\n\r\n", 0, 0 },
	{ STATUS UPGRADE CONN ACCEPT ": no name\r\n\r\n", 0, 0 },
	{ STATUS UPGRADE CONN ACCEPT "X: a\rb\r\n\r\n", 0, 0 },
	{ STATUS UPGRADE CONN ACCEPT "X: a\nb\r\n\r\n", 0, 0 },
	/* other answers */
	{ "HTTP/1.1 401 Unauthorized\r\n\r\n", 0, 401 },
	{ "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n", 0, 403 },
	{ "HTTP/1.1 200 OK\r\n\r\n", 0, 200 },
	{ "HTTP/1.1 302 Found\r\nLocation: https://evil.example:1/x?y\r\n"
	    "\r\n", 0, 302 },
	{ "HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\n\r\n", 0, 429 }
};

TEST(answers_to_the_upgrade)
{
	struct ws	*ws;
	size_t		 i, j;
	int		 bytewise;

	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		for (bytewise = 0; bytewise < 2; bytewise++) {
			ws = fresh();
			if (bytewise)
				for (j = 0; j < strlen(answers[i].answer);
				    j++)
					ws_input(ws, answers[i].answer + j, 1,
					    at(0));
			else
				ws_input(ws, answers[i].answer,
				    strlen(answers[i].answer), at(0));
			if (seen.opened != answers[i].opens)
				fprintf(stderr, "%s", answers[i].answer);
			CHECK_INT(seen.opened, answers[i].opens);
			CHECK_INT(seen.downs, !answers[i].opens);
			CHECK_INT(seen.status, answers[i].status);
			CHECK_INT(seen.retry_after,
			    answers[i].status == 429 ? 7 :
			    seen.downs ? -1 : 0);
			if (answers[i].status == 302)
				CHECK(strstr(seen.why,
				    "https://evil.example:1,") != NULL);
			ws_free(ws);
		}
}

TEST(answer_that_never_ends)
{
	char		 line[64];
	struct ws	*ws = fresh();
	int		 i;

	ws_input(ws, STATUS, strlen(STATUS), at(0));
	for (i = 0; i < 1000 && seen.downs == 0; i++) {
		(void)snprintf(line, sizeof(line), "X-%d: aaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaa\r\n", i);
		ws_input(ws, line, strlen(line), at(0));
	}
	CHECK_INT(seen.downs, 1);
	CHECK(i < 400);
	ws_free(ws);

	/* a lot of short lines; a NUL */
	ws = fresh();
	ws_input(ws, STATUS, strlen(STATUS), at(0));
	for (i = 0; i < 200; i++)
		ws_input(ws, "a: b\r\n", 6, at(0));
	ws_input(ws, "\r\n", 2, at(0));
	CHECK_INT(seen.downs, 1);
	ws_free(ws);
	ws = fresh();
	ws_input(ws, "HTTP/1.1 101 x\0\r\n", 17, at(0));
	CHECK_INT(seen.downs, 1);
	ws_input(ws, good, strlen(good), at(0));
	CHECK_INT(seen.downs, 1);
	CHECK_INT(seen.opened, 0);
	ws_free(ws);
}

/*
 * Frames
 */

static uint8_t	*stream;
static size_t	 stream_len;

static void
stream_reset(void)
{
	free(stream);
	stream = NULL;
	stream_len = 0;
}

static void
stream_add(const void *data, size_t len)
{
	stream = realloc(stream, stream_len + len + 1);
	memcpy(stream + stream_len, data, len);
	stream_len += len;
}

/* One frame from a server; first is FIN, RSV and opcode. */
static void
frame(uint8_t first, const void *payload, size_t len)
{
	uint8_t	 head[10];
	size_t	 n = 2, i;

	head[0] = first;
	if (len < 126)
		head[1] = (uint8_t)len;
	else if (len < 65536) {
		head[1] = 126;
		head[2] = (uint8_t)(len >> 8);
		head[3] = (uint8_t)len;
		n = 4;
	} else {
		head[1] = 127;
		for (i = 0; i < 8; i++)
			head[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
		n = 10;
	}
	stream_add(head, n);
	stream_add(payload, len);
}

/* The stream to a new connection, in one piece or byte by byte. */
static struct ws *
play(int bytewise)
{
	struct ws	*ws = opened();
	size_t		 i;

	if (bytewise)
		for (i = 0; i < stream_len; i++)
			ws_input(ws, stream + i, 1, at(0));
	else
		ws_input(ws, stream, stream_len, at(0));
	return ws;
}

TEST(text_frames)
{
	struct ws	*ws;
	int		 b;

	for (b = 0; b < 2; b++) {
		/* RFC 6455 5.7 */
		stream_reset();
		frame(0x81, "Hello", 5);
		ws = play(b);
		CHECK_INT(seen.texts, 1);
		CHECK_STR(seen.text, "Hello");
		CHECK_INT(seen.downs, 0);
		ws_free(ws);

		stream_reset();
		frame(0x01, "Hel", 3);
		frame(0x89, "mid", 3);		/* may come in between */
		frame(0x80, "lo", 2);
		frame(0x81, "next", 4);
		frame(0x81, "", 0);
		ws = play(b);
		CHECK_INT(seen.texts, 3);
		CHECK_STR(seen.text, "");
		CHECK_INT(seen.frames, 4);
		CHECK_INT(seen.downs, 0);
		ws_free(ws);
	}
	stream_reset();
}

TEST(text_of_all_lengths)
{
	static char	 text[200000];
	size_t		 lengths[] = { 1, 125, 126, 127, 65535, 65536,
			    115430, 199999 }, i;
	struct ws	*ws;

	memset(text, 'x', sizeof(text));
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		stream_reset();
		frame(0x81, text, lengths[i]);
		ws = play(lengths[i] < 70000);
		CHECK_INT(seen.texts, 1);
		CHECK_INT(seen.len, lengths[i]);
		ws_free(ws);
	}
	stream_reset();
}

TEST(frames_right_behind_the_answer)
{
	struct ws	*ws = fresh();

	stream_reset();
	stream_add(good, strlen(good));
	frame(0x81, "{}", 2);
	ws_input(ws, stream, stream_len, at(0));
	CHECK_INT(seen.opened, 1);
	CHECK_STR(seen.text, "{}");
	ws_free(ws);
	stream_reset();
}

TEST(pong)
{
	struct ws	*ws;
	const char	*p;
	size_t		 len;

	stream_reset();
	frame(0x89, "Hello", 5);
	frame(0x89, "", 0);
	frame(0x8a, "?", 1);		/* unasked PONG: nothing to do */
	ws = play(1);
	p = sent(ws, &len);
	/* masked with zeroes, so readable */
	CHECK_INT(len, 11 + 6);
	CHECK(memcmp(p, "\x8a\x85\0\0\0\0Hello\x8a\x80\0\0\0\0", 17) == 0);
	CHECK_INT(seen.downs, 0);
	CHECK_INT(seen.frames, 3);
	CHECK_INT(seen.pongs, 1);
	ws_free(ws);
	stream_reset();
}

TEST(what_we_send)
{
	static char	 text[WS_SEND_MAX + 1];
	struct ws	*ws = opened();
	const char	*p;
	size_t		 len;
	int		 i;

	CHECK_INT(ws_text(ws, "{}", 2), 0);
	p = sent(ws, &len);
	CHECK_INT(len, 8);
	CHECK(memcmp(p, "\x81\x82\0\0\0\0{}", 8) == 0);
	ws_ping(ws);
	p = sent(ws, &len);
	CHECK_INT(len, 6);
	CHECK(memcmp(p, "\x89\x80\0\0\0\0", 6) == 0);
	memset(text, 'x', sizeof(text));
	CHECK_INT(ws_text(ws, text, WS_SEND_MAX), 0);
	/* a server closes with 1009 for one byte more */
	CHECK_INT(ws_text(ws, text, WS_SEND_MAX + 1), -1);
	/* nobody takes it: bounded */
	for (i = 0; i < 1000 && ws_text(ws, text, WS_SEND_MAX) == 0; i++)
		continue;
	CHECK(i < 40);
	CHECK_INT(seen.downs, 0);
	ws_free(ws);
}

static void
refused(const char *what)
{
	struct ws	*ws;
	int		 b;

	for (b = 0; b < 2; b++) {
		ws = play(b);
		if (seen.downs != 1)
			fprintf(stderr, "not refused: %s\n", what);
		CHECK_INT(seen.downs, 1);
		CHECK_INT(seen.texts, 0);
		CHECK(seen.why[0] != '\0');
		CHECK(ws_is_shut(ws));
		/* dead is dead */
		ws_input(ws, "\x81\x01x", 3, at(0));
		ws_eof(ws, "again");
		CHECK_INT(seen.downs, 1);
		CHECK_INT(seen.texts, 0);
		ws_free(ws);
	}
	stream_reset();
}

TEST(what_a_server_must_not_send)
{
	static char	 big[200];
	uint8_t		 op;

	stream_add("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
	refused("masked");
	frame(0x82, "x", 1);
	refused("binary");
	frame(0x81 | 0x40, "x", 1);
	refused("RSV1");
	frame(0x81 | 0x20, "x", 1);
	refused("RSV2");
	frame(0x81 | 0x10, "x", 1);
	refused("RSV3");
	for (op = 3; op < 8; op++) {
		frame(0x80 | op, "x", 1);
		refused("reserved data opcode");
	}
	for (op = 11; op < 16; op++) {
		frame(0x80 | op, "x", 1);
		refused("reserved control opcode");
	}
	frame(0x80, "x", 1);
	refused("continuation of nothing");
	frame(0x01, "x", 1);
	frame(0x81, "y", 1);
	refused("text inside a message");
	frame(0x09, "x", 1);
	refused("ping in pieces");
	frame(0x89, big, 126);
	refused("long ping");
	frame(0x81, "\xc0\xaf", 2);
	refused("overlong UTF-8");
	frame(0x81, "\xed\xa0\x80", 3);
	refused("surrogate");
	frame(0x81, "\xf4\x90\x80\x80", 4);
	refused("above U+10FFFF");
	frame(0x01, "\xe2\x82", 2);
	frame(0x80, "x", 1);
	refused("character cut by another");
	frame(0x81, "\xe2\x82", 2);
	refused("character cut by the end");
	stream_add("\x81\x7f\x80\0\0\0\0\0\0\x01x", 11);
	refused("length with the highest bit");
	stream_add("\x81\x7f\0\0\0\0\0\x80\0\x01x", 11);
	refused("announces more than 8 MiB");
	frame(0x88, "", 0);
	refused("close without a code");
	frame(0x88, "\x03\xe8" "bye", 5);
	refused("close 1000");
	frame(0x88, "\x03", 1);
	refused("close of one byte");
}

TEST(character_across_fragments)
{
	struct ws	*ws;

	stream_reset();
	frame(0x01, "\xe2\x82", 2);
	frame(0x80, "\xac", 1);
	ws = play(1);
	CHECK_STR(seen.text, "\xe2\x82\xac");
	ws_free(ws);
	stream_reset();
}

TEST(message_that_is_too_large)
{
	static char	 part[1024 * 1024];
	struct ws	*ws;
	int		 i;

	memset(part, 'x', sizeof(part));
	/* 8 MiB are good */
	ws = opened();
	for (i = 0; i < 8; i++) {
		stream_reset();
		frame(i == 0 ? 0x01 : i == 7 ? 0x80 : 0x00, part,
		    sizeof(part));
		ws_input(ws, stream, stream_len, at(0));
	}
	CHECK_INT(seen.texts, 1);
	CHECK_INT(seen.len, WS_MESSAGE_MAX);
	ws_free(ws);
	/* a byte more is not, whoever hides it in pieces */
	ws = opened();
	for (i = 0; i < 9; i++) {
		stream_reset();
		frame(i == 0 ? 0x01 : 0x00, part, i == 8 ? 1 : sizeof(part));
		CHECK_INT(seen.downs, 0);
		ws_input(ws, stream, stream_len, at(0));
	}
	CHECK_INT(seen.downs, 1);
	ws_free(ws);
	stream_reset();
}

TEST(too_many_fragments)
{
	struct ws	*ws = opened();
	int		 i;

	ws_input(ws, "\x01\x00", 2, at(0));
	for (i = 1; i < WS_FRAGMENTS_MAX; i++)
		ws_input(ws, "\x00\x00", 2, at(0));
	CHECK_INT(seen.downs, 0);
	ws_input(ws, "\x00\x00", 2, at(0));
	CHECK_INT(seen.downs, 1);
	ws_free(ws);
}

TEST(message_that_takes_too_long)
{
	struct ws	*ws = opened();

	ws_input(ws, "\x01\x01x", 3, at(1000));
	ws_tick(ws, at(1000 + WS_MESSAGE_TIME - 1));
	CHECK_INT(seen.downs, 0);
	/* a ping in between does not help it */
	ws_input(ws, "\x89\x00", 2, at(1000 + WS_MESSAGE_TIME - 1));
	ws_tick(ws, at(1000 + WS_MESSAGE_TIME));
	CHECK_INT(seen.downs, 1);
	ws_free(ws);

	ws = opened();
	ws_input(ws, "\x81\x01x", 3, at(1000));
	ws_tick(ws, at(10000000));
	CHECK_INT(seen.downs, 0);
	ws_free(ws);
}

TEST(flood_of_pings)
{
	struct ws	*ws = opened();
	size_t		 len;
	int		 i;

	/* a server pings once a minute */
	for (i = 0; i < 100; i++) {
		ws_input(ws, "\x89\x00", 2, at(60000 * i));
		(void)sent(ws, &len);
		CHECK_INT(len, 6);
	}
	CHECK_INT(seen.downs, 0);
	for (i = 0; i < WS_PING_MAX + 1; i++)
		ws_input(ws, "\x89\x00", 2, at(100000000 + i));
	CHECK_INT(seen.downs, 1);
	ws_free(ws);
}

TEST(shut_inside_a_callback)
{
	struct ws	*ws = opened();

	stream_reset();
	frame(0x81, "1", 1);
	frame(0x81, "2", 1);
	seen.close_on_text = ws;
	ws_input(ws, stream, stream_len, at(0));
	CHECK_INT(seen.texts, 1);
	CHECK_INT(seen.downs, 0);
	ws_free(ws);
	stream_reset();
}

TEST(end_of_the_stream)
{
	struct ws	*ws = opened();

	ws_input(ws, "\x81\x05he", 4, at(0));
	ws_eof(ws, "the server closed the connection");
	CHECK_INT(seen.downs, 1);
	CHECK_STR(seen.why, "the server closed the connection");
	CHECK_INT(seen.texts, 0);
	ws_free(ws);
}

/* Whatever comes: no crash, one end at most, no text after it. */
TEST(random_bytes)
{
	uint8_t		 buf[64];
	struct ws	*ws;
	size_t		 i, n, len;
	int		 round;

	for (round = 0; round < 3000; round++) {
		ws = test_random() % 2 ? opened() : fresh();
		for (n = test_random() % 8; n > 0; n--) {
			for (i = 0; i < sizeof(buf); i++)
				buf[i] = (uint8_t)test_random();
			if (test_random() % 2)
				buf[0] = 0x80 | (buf[0] & 0x0f);
			if (test_random() % 2)
				buf[1] &= 0x3f;
			ws_input(ws, buf, test_random() % sizeof(buf),
			    at((int64_t)(test_random() % 100000)));
			(void)sent(ws, &len);
		}
		CHECK(seen.downs <= 1);
		ws_free(ws);
	}
}
