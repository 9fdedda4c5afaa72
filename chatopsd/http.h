/* REST requests by libcurl: one attempt each; repeating is the core's. */
#ifndef CHATOPS_HTTP_H
#define CHATOPS_HTTP_H

#include "curl_loop.h"
#include "net.h"

#define HTTP_CONNECTIONS	CALL_PARALLEL
#define HTTP_HEADER_MAX		65536	/* bytes, all of them */
#define HTTP_SLOW_BYTES		100	/* a second, for HTTP_SLOW_TIME: */
#define HTTP_SLOW_TIME		10	/* s: too slow */

struct http;
typedef void (*http_done)(void *arg, uint32_t id, const struct http_answer *);

/*
 * authorization is the whole header line ("Authorization: Bearer …") in
 * memory of the caller's that outlives this; token the secret part of it,
 * which is blotted out wherever a server repeats it.
 */
struct http	*http_new(struct event_base *, const struct origin *,
		    struct resolver *, struct curl_trust *,
		    char *authorization, const char *token, http_done,
		    void *arg);
void		 http_free(struct http *);
void		 http_start(struct http *, const struct http_request *);
/* Overwrite every occurrence of the token. */
void		 http_redact(char *text, size_t len, const char *token);

#endif
