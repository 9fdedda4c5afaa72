/*
 * A WebSocket client's protocol (RFC 6455), bytes in and bytes out: the
 * upgrade, the frames, and limits on all that a server may send.
 */
#ifndef CHATOPS_WEBSOCKET_H
#define CHATOPS_WEBSOCKET_H

#include <stddef.h>
#include <stdint.h>

#include "monotime.h"
#include "net.h"

#define WS_HEADER_MAX		16384		/* bytes of the answer */
#define WS_HEADER_LINES		100
#define WS_MESSAGE_MAX		(8 * 1024 * 1024)
#define WS_FRAGMENTS_MAX	4096		/* of one message */
#define WS_MESSAGE_TIME		30000		/* ms, first to last byte */
#define WS_PING_MAX		20		/* in WS_PING_TIME */
#define WS_PING_TIME		10000		/* ms */
#define WS_SEND_MAX		8192		/* what a server takes */
#define WS_QUEUE_MAX		(256 * 1024)	/* waiting to be sent */
#define WS_KEY_SIZE		25

struct ws;

/*
 * None of these may free the ws; down is the last call, made once.  Bytes
 * to send are fetched with ws_output() after every call.
 */
struct ws_ops {
	void	(*random)(void *, void *, size_t);
	void	(*open)(void *);
	void	(*frame)(void *);		/* a frame of any kind came */
	void	(*pong)(void *);		/* and it was a PONG */
	void	(*text)(void *, const char *, size_t);
	void	(*down)(void *, const struct ws_end *);
};

/*
 * Queue the upgrade request.  authorization is the whole header line
 * without its line end, or NULL.  host is host[:port] as RFC 9110 7.2 wants
 * it.  Returns NULL when something does not fit.
 */
struct ws	*ws_new(const struct ws_ops *, void *arg, const char *host,
		    const char *target, const char *authorization);
void		 ws_free(struct ws *);
/* Bytes from the server; now limits the time that a message may take. */
void		 ws_input(struct ws *, const void *, size_t, monotime_t now);
/* End of the stream, or a failure of the transport. */
void		 ws_eof(struct ws *, const char *why);
/* A message has taken too long; call it now and then. */
void		 ws_tick(struct ws *, monotime_t now);
/* 0, or -1 when it is too long, or the queue is full, or not open. */
int		 ws_text(struct ws *, const char *, size_t);
/* An empty PING; nothing when it is not open or much waits to be sent. */
void		 ws_ping(struct ws *);
/* No more callbacks from here on. */
void		 ws_shut(struct ws *);
int		 ws_is_shut(const struct ws *);
/* What is to be sent, and how much of it was. */
const uint8_t	*ws_output(const struct ws *, size_t *);
void		 ws_sent(struct ws *, size_t);

/* ws_upgrade.c: what an answer says, as far as it matters. */
struct ws_answer {
	int		 status;
	int		 upgrade;
	int		 connection;
	int		 accepts;	/* headers of that name */
	int		 accepted;
	int		 extension;
	int		 protocol;
	int64_t		 retry_after;
	char		 location[128];
};

/* The Sec-WebSocket-Accept that answers a key. */
void		 ws_accept(const char *key, char *accept, size_t);
/*
 * The whole head without its empty line; it is cut into pieces.  0, or -1
 * when it is malformed.
 */
int		 ws_answer_parse(struct ws_answer *, char *head,
		    const char *accept);

#endif
