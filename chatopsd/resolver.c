/* Names to addresses, see resolver.h. */
#include <sys/queue.h>
#include <sys/socket.h>
#include <netdb.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>

#include "compat.h"
#include "log.h"
#include "monotime.h"
#include "resolver.h"

struct waiter {
	TAILQ_ENTRY(waiter) entry;
	resolver_done	 done;
	void		*arg;
};

/* One name; there are as many as configured URLs, that is one or two. */
struct name {
	TAILQ_ENTRY(name) entry;
	struct resolver	*resolver;
	char		 host[256];
	struct addresses found;
	monotime_t	 when;		/* found */
	struct evdns_getaddrinfo_request *request;
	struct event	*timer;		/* of the request */
	int		 asking;
	TAILQ_HEAD(, waiter) waiters;
};

struct resolver {
	struct event_base *base;
	struct evdns_base *dns;
	char		*hosts;
	TAILQ_HEAD(, name) names;
};

/* The next word of the line at *p, which is moved; its length, 0 at the end. */
static size_t
next_word(const char **p, const char **word)
{
	size_t	 n;

	*p += strspn(*p, " \t\r");
	*word = *p;
	n = strcspn(*p, " \t\r\n");
	*p += n;
	return n;
}

static int
word_copy(char *to, size_t size, const char *word, size_t len)
{
	if (len >= size)
		return -1;
	memcpy(to, word, len);
	to[len] = '\0';
	return 0;
}

static int
add_address(struct addresses *a, const char *text)
{
	struct in6_addr	 bin;

	if (inet_pton(AF_INET, text, &bin) != 1 &&
	    inet_pton(AF_INET6, text, &bin) != 1)
		return 0;
	if (a->n == RESOLVER_ADDRESSES)
		return 0;
	(void)strlcpy(a->text[a->n++], text, sizeof(a->text[0]));
	return 1;
}

static void
conf_option(struct resolver_conf *c, const char *word)
{
	const char	*errstr;
	int		 v;

	if (strncmp(word, "ndots:", 6) == 0) {
		v = (int)strtonum(word + 6, 0, 15, &errstr);
		if (errstr == NULL)
			c->ndots = v;
	} else if (strncmp(word, "timeout:", 8) == 0) {
		v = (int)strtonum(word + 8, 1, 30, &errstr);
		if (errstr == NULL)
			c->timeout = v;
	} else if (strncmp(word, "attempts:", 9) == 0) {
		v = (int)strtonum(word + 9, 1, 5, &errstr);
		if (errstr == NULL)
			c->attempts = v;
	}
}

static void
conf_server(struct resolver_conf *c, const char *word)
{
	struct in6_addr	 bin;

	if (c->nservers == RESOLVER_SERVERS ||
	    strlen(word) >= sizeof(c->servers[0]))
		return;
	if (inet_pton(AF_INET, word, &bin) == 1 ||
	    inet_pton(AF_INET6, word, &bin) == 1)
		(void)strlcpy(c->servers[c->nservers++], word,
		    sizeof(c->servers[0]));
}

static void
conf_line(struct resolver_conf *c, const char *p)
{
	const char	*word;
	char		 key[16], value[256];
	size_t		 n;

	n = next_word(&p, &word);
	if (n == 0 || *word == '#' || *word == ';' ||
	    word_copy(key, sizeof(key), word, n) == -1)
		return;
	if (strcmp(key, "search") == 0 || strcmp(key, "domain") == 0)
		c->nsearch = 0;		/* the last one counts */
	while ((n = next_word(&p, &word)) > 0) {
		if (word_copy(value, sizeof(value), word, n) == -1)
			continue;
		if (strcmp(key, "nameserver") == 0)
			conf_server(c, value);
		else if (strcmp(key, "options") == 0)
			conf_option(c, value);
		else if ((strcmp(key, "search") == 0 ||
		    strcmp(key, "domain") == 0) &&
		    c->nsearch < RESOLVER_SEARCH)
			(void)strlcpy(c->search[c->nsearch++], value,
			    sizeof(c->search[0]));
	}
}

void
resolver_conf_parse(struct resolver_conf *c, const char *text)
{
	memset(c, 0, sizeof(*c));
	c->ndots = 1;
	c->timeout = 2;
	c->attempts = 2;
	while (*text != '\0') {
		conf_line(c, text);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	/* resolv.conf(5): without one, the server on this machine */
	if (c->nservers == 0)
		(void)strlcpy(c->servers[c->nservers++], "127.0.0.1",
		    sizeof(c->servers[0]));
}

size_t
resolver_hosts_find(const char *text, const char *name, struct addresses *a)
{
	const char	*p, *word;
	char		 address[INET6_ADDRSTRLEN], value[256];
	size_t		 n;

	a->n = 0;
	for (; *text != '\0'; text += strcspn(text, "\n"),
	    text += *text == '\n') {
		p = text;
		n = next_word(&p, &word);
		if (n == 0 || word_copy(address, sizeof(address), word, n) ==
		    -1)
			continue;
		while ((n = next_word(&p, &word)) > 0 && *word != '#')
			if (word_copy(value, sizeof(value), word, n) == 0 &&
			    strcasecmp(value, name) == 0) {
				(void)add_address(a, address);
				break;
			}
	}
	return a->n;
}

size_t
resolver_literal(const char *name, struct addresses *a)
{
	a->n = 0;
	if (strcasecmp(name, "localhost") == 0) {
		(void)add_address(a, "127.0.0.1");
		(void)add_address(a, "::1");
	} else
		(void)add_address(a, name);
	return a->n;
}

static void
resolver_log(int is_warning, const char *text)
{
	(void)is_warning;
	log_debug("dns: %s", text);
}

struct resolver *
resolver_new(struct event_base *base, const struct resolver_conf *c,
    const char *hosts)
{
	struct resolver	*r;
	char		 number[16];
	size_t		 i;

	if ((r = calloc(1, sizeof(*r))) == NULL ||
	    (r->hosts = strdup(hosts == NULL ? "" : hosts)) == NULL ||
	    (r->dns = evdns_base_new(base, 0)) == NULL)
		fatalx("resolver: out of memory");
	r->base = base;
	TAILQ_INIT(&r->names);
	evdns_set_log_fn(resolver_log);
	for (i = 0; i < c->nservers; i++)
		if (evdns_base_nameserver_ip_add(r->dns, c->servers[i]) != 0)
			log_warnx("cannot use name server %s", c->servers[i]);
	evdns_base_search_clear(r->dns);
	for (i = 0; i < c->nsearch; i++)
		evdns_base_search_add(r->dns, c->search[i]);
	evdns_base_search_ndots_set(r->dns, c->ndots);
	(void)snprintf(number, sizeof(number), "%d", c->timeout);
	(void)evdns_base_set_option(r->dns, "timeout:", number);
	(void)snprintf(number, sizeof(number), "%d", c->attempts);
	(void)evdns_base_set_option(r->dns, "attempts:", number);
	return r;
}

void
resolver_free(struct resolver *r)
{
	struct waiter	*w;
	struct name	*m;

	if (r == NULL)
		return;
	while ((m = TAILQ_FIRST(&r->names)) != NULL) {
		TAILQ_REMOVE(&r->names, m, entry);
		while ((w = TAILQ_FIRST(&m->waiters)) != NULL) {
			TAILQ_REMOVE(&m->waiters, w, entry);
			free(w);
		}
		if (m->request != NULL)
			evdns_getaddrinfo_cancel(m->request);
		event_free(m->timer);
		/* a cancelled request still calls back with its name */
		m->resolver = NULL;
		if (!m->asking)
			free(m);
	}
	evdns_base_free(r->dns, 1);
	free(r->hosts);
	free(r);
}

static void
name_answer(struct name *m, const struct addresses *a, const char *why)
{
	TAILQ_HEAD(, waiter)	 ready;
	struct waiter		*w;

	TAILQ_INIT(&ready);
	TAILQ_CONCAT(&ready, &m->waiters, entry);
	while ((w = TAILQ_FIRST(&ready)) != NULL) {
		TAILQ_REMOVE(&ready, w, entry);
		w->done(w->arg, a, why);
		free(w);
	}
}

static void
name_found(int error, struct evutil_addrinfo *list, void *arg)
{
	struct name		*m = arg;
	struct evutil_addrinfo	*ai;
	struct addresses	 a = { .n = 0 };
	char			 text[INET6_ADDRSTRLEN];
	const void		*bin;

	m->request = NULL;
	m->asking = 0;
	for (ai = list; ai != NULL; ai = ai->ai_next) {
		bin = ai->ai_family == AF_INET ? (const void *)
		    &((const struct sockaddr_in *)ai->ai_addr)->sin_addr :
		    (const void *)
		    &((const struct sockaddr_in6 *)ai->ai_addr)->sin6_addr;
		if ((ai->ai_family == AF_INET || ai->ai_family == AF_INET6) &&
		    inet_ntop(ai->ai_family, bin, text, sizeof(text)) != NULL)
			(void)add_address(&a, text);
	}
	if (list != NULL)
		evutil_freeaddrinfo(list);
	if (m->resolver == NULL) {	/* resolver_free() */
		free(m);
		return;
	}
	(void)event_del(m->timer);
	if (a.n > 0) {
		m->found = a;
		m->when = monotime_now();
		name_answer(m, &a, NULL);
	} else
		name_answer(m, NULL, error == 0 ? "it has no address" :
		    error == EVUTIL_EAI_CANCEL ? "no answer in time" :
		    evutil_gai_strerror(error));
}

static void
name_late(int fd, short events, void *arg)
{
	struct name	*m = arg;

	(void)fd;
	(void)events;
	/* calls name_found() with EVUTIL_EAI_CANCEL */
	if (m->request != NULL)
		evdns_getaddrinfo_cancel(m->request);
}

static void
name_ask(struct name *m)
{
	const struct timeval	 tv = { RESOLVER_TIMEOUT / 1000, 0 };
	struct evutil_addrinfo	 hints;
	struct evdns_getaddrinfo_request *request;

	if (m->asking)
		return;
	m->asking = 1;
	memset(&hints, 0, sizeof(hints));
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_protocol = IPPROTO_TCP;
	(void)event_add(m->timer, &tv);
	request = evdns_getaddrinfo(m->resolver->dns, m->host, NULL, &hints,
	    name_found, m);
	if (m->asking)
		m->request = request;
}

static struct name *
name_get(struct resolver *r, const char *host)
{
	struct name	*m;

	TAILQ_FOREACH(m, &r->names, entry)
		if (strcasecmp(m->host, host) == 0)
			return m;
	if ((m = calloc(1, sizeof(*m))) == NULL ||
	    (m->timer = evtimer_new(r->base, name_late, m)) == NULL)
		fatalx("resolver: out of memory");
	m->resolver = r;
	TAILQ_INIT(&m->waiters);
	(void)strlcpy(m->host, host, sizeof(m->host));
	TAILQ_INSERT_TAIL(&r->names, m, entry);
	return m;
}

void
resolver_get(struct resolver *r, const char *host, resolver_done done,
    void *arg)
{
	struct addresses	 a;
	struct waiter		*w;
	struct name		*m;
	int64_t			 age;

	if (resolver_literal(host, &a) > 0 ||
	    resolver_hosts_find(r->hosts, host, &a) > 0) {
		done(arg, &a, NULL);
		return;
	}
	m = name_get(r, host);
	age = monotime_sub(monotime_now(), m->when);
	if (m->found.n > 0 && age < RESOLVER_STALE) {
		a = m->found;
		if (age >= RESOLVER_FRESH)
			name_ask(m);
		done(arg, &a, NULL);
		return;
	}
	if ((w = calloc(1, sizeof(*w))) == NULL)
		fatal("calloc");
	w->done = done;
	w->arg = arg;
	TAILQ_INSERT_TAIL(&m->waiters, w, entry);
	name_ask(m);
}

void
resolver_cancel(struct resolver *r, void *arg)
{
	struct waiter	*w, *next;
	struct name	*m;

	TAILQ_FOREACH(m, &r->names, entry)
		for (w = TAILQ_FIRST(&m->waiters); w != NULL; w = next) {
			next = TAILQ_NEXT(w, entry);
			if (w->arg == arg) {
				TAILQ_REMOVE(&m->waiters, w, entry);
				free(w);
			}
		}
}

void
resolver_forget(struct resolver *r, const char *host)
{
	struct name	*m;

	TAILQ_FOREACH(m, &r->names, entry)
		if (strcasecmp(m->host, host) == 0)
			m->found.n = 0;
}
