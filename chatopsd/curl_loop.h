/*
 * libcurl on libevent, and what every connection of ours has in common:
 * TLS 1.2 or newer, verified against authorities that were loaded at the
 * start, no proxy, no redirect, no file, no name looked up.
 */
#ifndef CHATOPS_CURL_LOOP_H
#define CHATOPS_CURL_LOOP_H

#include <curl/curl.h>

#include "origin.h"
#include "resolver.h"

#define CURL_CONNECT_TIMEOUT	6000	/* ms: TCP and TLS, all addresses */

struct event_base;
struct curl_loop;
struct curl_trust;

/* Before anything else of libcurl: memory that held secrets is zeroed. */
void	 curl_loop_init(void);

/*
 * Authorities from PEM texts (either may be NULL); exits with the reason
 * when there is none in them.
 */
struct curl_trust *curl_trust_new(const char *system, const char *extra);
void	 curl_trust_free(struct curl_trust *);

typedef void (*curl_loop_done)(void *private, CURL *, CURLcode);

/* connections: most at once and most kept open. */
struct curl_loop *curl_loop_new(struct event_base *, long connections,
	    curl_loop_done);
void	 curl_loop_free(struct curl_loop *);
/* done(CURLINFO_PRIVATE, …) follows later; the handle stays added. */
void	 curl_loop_add(struct curl_loop *, CURL *);
void	 curl_loop_remove(struct curl_loop *, CURL *);

/*
 * Options that every handle gets.  resolve is a list of one that the caller
 * frees after the transfer; NULL when out of memory, or when an origin
 * without TLS has no loopback address.
 */
struct curl_slist *curl_loop_setup(CURL *, const struct origin *,
	    const struct addresses *, struct curl_trust *);

#endif
