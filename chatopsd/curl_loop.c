/* libcurl on libevent, see curl_loop.h. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <event2/event.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "compat.h"
#include "curl_loop.h"
#include "log.h"

struct curl_loop {
	struct event_base *base;
	CURLM		*multi;
	struct event	*timer;		/* libcurl's */
	struct event	*check;		/* finished transfers wait */
	curl_loop_done	 done;
	int		 inside;	/* a call into libcurl */
};

struct curl_trust {
	X509_STORE	*store;
};

/*
 * A request's header block holds the token, and libcurl frees it as it is.
 * So what it frees is zeroed first.
 */

static void
zero_free(void *p)
{
	if (p != NULL)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

static void *
zero_realloc(void *p, size_t size)
{
	size_t	 old;
	void	*q;

	if ((q = malloc(size)) == NULL || p == NULL)
		return q;
	old = malloc_usable_size(p);
	memcpy(q, p, old < size ? old : size);
	zero_free(p);
	return q;
}

void
curl_loop_init(void)
{
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, zero_free,
	    zero_realloc, strdup, calloc) != CURLE_OK)
		fatalx("libcurl cannot be initialised");
}

/*
 * Parsed once: a bundle of 140 authorities costs about 10 ms and 1 MB, which
 * CURLOPT_CAINFO_BLOB would spend anew for every connection.
 */
static int
trust_add(X509_STORE *store, const char *pem)
{
	X509	*cert;
	BIO	*bio;
	int	 n = 0;

	if (pem == NULL)
		return 0;
	if ((bio = BIO_new_mem_buf(pem, -1)) == NULL)
		fatalx("openssl: out of memory");
	while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		n += X509_STORE_add_cert(store, cert) == 1;
		X509_free(cert);
	}
	ERR_clear_error();		/* the end of the text is one */
	BIO_free(bio);
	return n;
}

struct curl_trust *
curl_trust_new(const char *system, const char *extra)
{
	struct curl_trust	*t;
	int			 n;

	if ((t = calloc(1, sizeof(*t))) == NULL ||
	    (t->store = X509_STORE_new()) == NULL)
		fatalx("openssl: out of memory");
	n = trust_add(t->store, system);
	if (extra != NULL && trust_add(t->store, extra) == 0)
		fatalx("caFile holds no certificate in PEM form");
	if (n == 0 && extra == NULL)
		fatalx("no certificate authorities: install ca-certificates "
		    "or configure caFile");
	/* like libcurl: a certificate in caFile is trusted for itself */
	X509_STORE_set_flags(t->store, X509_V_FLAG_PARTIAL_CHAIN);
	return t;
}

void
curl_trust_free(struct curl_trust *t)
{
	if (t == NULL)
		return;
	X509_STORE_free(t->store);
	free(t);
}

static CURLcode
trust_use(CURL *easy, void *ctx, void *arg)
{
	struct curl_trust	*t = arg;

	(void)easy;
	SSL_CTX_set1_cert_store(ctx, t->store);
	return CURLE_OK;
}

static void
loop_reap(struct curl_loop *l)
{
	struct CURLMsg	*m;
	void		*private;
	CURL		*easy;
	CURLcode	 code;
	int		 left;

	while ((m = curl_multi_info_read(l->multi, &left)) != NULL) {
		if (m->msg != CURLMSG_DONE)
			continue;
		easy = m->easy_handle;
		code = m->data.result;
		private = NULL;
		(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
		l->done(private, easy, code);
	}
}

static void
loop_action(struct curl_loop *l, curl_socket_t fd, int what)
{
	int	 running;

	l->inside++;
	(void)curl_multi_socket_action(l->multi, fd, what, &running);
	l->inside--;
}

static void
loop_on_socket(evutil_socket_t fd, short events, void *arg)
{
	struct curl_loop	*l = arg;

	loop_action(l, fd, (events & EV_READ ? CURL_CSELECT_IN : 0) |
	    (events & EV_WRITE ? CURL_CSELECT_OUT : 0));
	loop_reap(l);
}

static void
loop_on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct curl_loop	*l = arg;

	(void)fd;
	(void)events;
	loop_action(l, CURL_SOCKET_TIMEOUT, 0);
	loop_reap(l);
}

static void
loop_on_check(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	loop_reap(arg);
}

static int
loop_want_timer(CURLM *multi, long ms, void *arg)
{
	struct curl_loop	*l = arg;
	struct timeval		 tv;

	(void)multi;
	if (ms < 0) {
		(void)event_del(l->timer);
		return 0;
	}
	tv.tv_sec = ms / 1000;
	tv.tv_usec = (ms % 1000) * 1000;
	return event_add(l->timer, &tv);
}

static int
loop_want_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
    void *socketp)
{
	struct curl_loop	*l = arg;
	struct event		*ev = socketp;
	short			 events = EV_PERSIST;

	(void)easy;
	if (ev != NULL)
		event_free(ev);
	ev = NULL;
	if (what != CURL_POLL_REMOVE) {
		if (what & CURL_POLL_IN)
			events |= EV_READ;
		if (what & CURL_POLL_OUT)
			events |= EV_WRITE;
		ev = event_new(l->base, fd, events, loop_on_socket, l);
		if (ev == NULL || event_add(ev, NULL) == -1)
			fatalx("event_new: out of memory");
	}
	(void)curl_multi_assign(l->multi, fd, ev);
	return 0;
}

struct curl_loop *
curl_loop_new(struct event_base *base, long connections, curl_loop_done done)
{
	struct curl_loop	*l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		fatal("calloc");
	l->base = base;
	l->done = done;
	l->multi = curl_multi_init();
	l->timer = evtimer_new(base, loop_on_timer, l);
	l->check = evtimer_new(base, loop_on_check, l);
	if (l->multi == NULL || l->timer == NULL || l->check == NULL)
		fatalx("curl_multi_init: out of memory");
	curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, loop_want_socket);
	curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l);
	curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, loop_want_timer);
	curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
	curl_multi_setopt(l->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
	    connections);
	curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, connections);
	curl_multi_setopt(l->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	return l;
}

void
curl_loop_free(struct curl_loop *l)
{
	if (l == NULL)
		return;
	(void)curl_multi_cleanup(l->multi);
	event_free(l->timer);
	event_free(l->check);
	free(l);
}

void
curl_loop_add(struct curl_loop *l, CURL *easy)
{
	const struct timeval	 now = { 0, 0 };

	if (curl_multi_add_handle(l->multi, easy) != CURLM_OK)
		fatalx("curl_multi_add_handle failed");
	/*
	 * A warm connection takes the request at once, without a turn of the
	 * loop; should it be finished that fast, it is told later.
	 */
	if (!l->inside) {
		loop_action(l, CURL_SOCKET_TIMEOUT, 0);
		(void)event_add(l->check, &now);
	}
}

void
curl_loop_remove(struct curl_loop *l, CURL *easy)
{
	(void)curl_multi_remove_handle(l->multi, easy);
}

/* "host:port:address,address" for libcurl's own cache of names. */
static struct curl_slist *
resolve_list(const struct origin *o, const struct addresses *a)
{
	struct curl_slist	*list;
	char			 buf[256 + 8 + RESOLVER_ADDRESSES *
				    (INET6_ADDRSTRLEN + 3)];
	size_t			 i, len, used = 0;

	len = (size_t)snprintf(buf, sizeof(buf), o->url.is_ipv6 ? "[%s]:%u:" :
	    "%s:%u:", o->url.host,
	    o->url.port);
	for (i = 0; i < a->n; i++) {
		/* a name that is said to be this machine must be so */
		if (!o->url.is_tls && !origin_is_loopback(a->text[i]))
			continue;
		len += (size_t)snprintf(buf + len, sizeof(buf) - len,
		    strchr(a->text[i], ':') != NULL ? "%s[%s]" : "%s%s",
		    used++ > 0 ? "," : "", a->text[i]);
	}
	if (used == 0)
		return NULL;
	list = curl_slist_append(NULL, buf);
	return list;
}

struct curl_slist *
curl_loop_setup(CURL *easy, const struct origin *o,
    const struct addresses *a, struct curl_trust *trust)
{
	struct curl_slist	*resolve;

	if ((resolve = resolve_list(o, a)) == NULL)
		return NULL;
	curl_easy_setopt(easy, CURLOPT_RESOLVE, resolve);
	curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, -1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, o->url.is_tls ? "https" :
	    "http");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
	    (long)CURL_CONNECT_TIMEOUT);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
	    (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION,
	    (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	/* no files: the authorities come from trust_use() */
	curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	if (o->url.is_tls) {
		curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, trust_use);
		curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, trust);
	}
	return resolve;
}
