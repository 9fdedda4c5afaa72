/*
 * One WebSocket at a time to the server: libcurl connects and does TLS,
 * websocket.c speaks.
 */
#ifndef CHATOPS_WS_LINK_H
#define CHATOPS_WS_LINK_H

#include "curl_loop.h"
#include "websocket.h"

struct ws_link;

/* authorization and token as for http_new(); ops get arg. */
struct ws_link	*ws_link_new(struct event_base *, const struct origin *,
		    struct resolver *, struct curl_trust *,
		    const char *authorization, const char *token,
		    const struct ws_ops *, void *arg);
void		 ws_link_free(struct ws_link *);
/* query is "" or "?…"; ops->open or ops->down follows later. */
void		 ws_link_open(struct ws_link *, const char *query);
/* Quietly; nothing is told any more. */
void		 ws_link_close(struct ws_link *);
void		 ws_link_text(struct ws_link *, const char *, size_t);
void		 ws_link_ping(struct ws_link *);

#endif
