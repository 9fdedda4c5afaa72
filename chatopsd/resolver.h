/*
 * Names to addresses without the C library's resolver, which opens files,
 * loads modules and starts threads: addresses written out, localhost
 * (RFC 6761 6.3), the hosts file's text, then DNS by libevent with what
 * resolv.conf says.
 */
#ifndef CHATOPS_RESOLVER_H
#define CHATOPS_RESOLVER_H

#include <stddef.h>

#include <netinet/in.h>

#define RESOLVER_ADDRESSES	8
#define RESOLVER_TIMEOUT	5000		/* ms, a whole question */
#define RESOLVER_FRESH		60000		/* ms: no need to ask */
#define RESOLVER_STALE		3600000		/* ms: good meanwhile */
#define RESOLVER_SERVERS	3
#define RESOLVER_SEARCH		6

struct addresses {
	size_t	 n;
	char	 text[RESOLVER_ADDRESSES][INET6_ADDRSTRLEN];
};

/* What resolv.conf(5) says, as far as it is followed; times out in s. */
struct resolver_conf {
	char	 servers[RESOLVER_SERVERS][INET6_ADDRSTRLEN];
	size_t	 nservers;
	char	 search[RESOLVER_SEARCH][256];
	size_t	 nsearch;
	int	 ndots;
	int	 timeout;	/* s */
	int	 attempts;
};
void	 resolver_conf_parse(struct resolver_conf *, const char *text);
/* Addresses that the hosts file's text has for name; their number. */
size_t	 resolver_hosts_find(const char *text, const char *name,
	    struct addresses *);
/* Written-out addresses and localhost; their number. */
size_t	 resolver_literal(const char *name, struct addresses *);

struct event_base;
struct resolver;

/* The hosts file's text is copied; NULL is an empty one. */
struct resolver	*resolver_new(struct event_base *,
		    const struct resolver_conf *, const char *hosts);
void		 resolver_free(struct resolver *);

/* a is NULL when there are none, and why says why. */
typedef void (*resolver_done)(void *arg, const struct addresses *a,
    const char *why);
/*
 * Calls done once, before it returns when the answer is at hand.  A name
 * that was found within the last hour is answered from memory and asked for
 * again behind the scenes.
 */
void		 resolver_get(struct resolver *, const char *name,
		    resolver_done, void *arg);
/* No answer for that arg any more. */
void		 resolver_cancel(struct resolver *, void *arg);
/* What was found does not answer: ask anew next time. */
void		 resolver_forget(struct resolver *, const char *name);

#endif
