/* REST requests by libcurl, see http.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>
#include <event2/event.h>

#include "compat.h"
#include "http.h"
#include "log.h"
#include "sys.h"

struct transfer {
	TAILQ_ENTRY(transfer) entry;
	struct http	*http;
	struct http_request req;
	CURL		*easy;		/* NULL: waits for an address */
	struct curl_slist *resolve;
	struct curl_slist auth;		/* not by curl: its data is ours */
	struct curl_slist type;
	struct curl_slist expect;
	char		 type_line[64];
	char		*body;
	size_t		 len;
	size_t		 cap;
	size_t		 header_bytes;
	int		 header_done;	/* its empty line was seen */
	uint64_t	 sent;		/* of the file */
	int		 too_large;
	int64_t		 retry_after;
	char		 error[CURL_ERROR_SIZE];
	const char	*failed;	/* told from the timer */
};

struct http {
	struct curl_loop *loop;
	const struct origin *origin;
	struct resolver	*resolver;
	struct curl_trust *trust;
	char		*authorization;
	const char	*token;
	http_done	 done;
	void		*arg;
	struct event	*deferred;
	TAILQ_HEAD(, transfer) transfers;
};

void
http_redact(char *text, size_t len, const char *token)
{
	size_t	 n = strlen(token);
	char	*p = text;

	while (n > 0 && (p = memmem(p, len - (size_t)(p - text), token, n)) !=
	    NULL) {
		memset(p, '*', n);
		p += n;
	}
}

static size_t
on_body(char *data, size_t size, size_t nmemb, void *arg)
{
	struct transfer	*t = arg;
	size_t		 n = size * nmemb, cap;
	char		*p;

	if (n > t->req.max_body - t->len) {
		t->too_large = 1;
		return 0;
	}
	if (t->len + n + 1 > t->cap) {
		cap = t->cap == 0 ? 4096 : t->cap;
		while (cap < t->len + n + 1)
			cap *= 2;
		if ((p = realloc(t->body, cap)) == NULL)
			return 0;
		t->body = p;
		t->cap = cap;
	}
	memcpy(t->body + t->len, data, n);
	t->len += n;
	t->body[t->len] = '\0';
	return n;
}

static size_t
on_header(char *data, size_t size, size_t nmemb, void *arg)
{
	struct transfer	*t = arg;
	const char	*errstr;
	size_t		 n = size * nmemb, len;
	char		 value[16];
	long long	 s;

	/* of the last one of several: 100, then the answer */
	t->header_done = n == 2 && data[0] == '\r' && data[1] == '\n';
	t->header_bytes += n;
	if (t->header_bytes > HTTP_HEADER_MAX) {
		t->too_large = 1;
		return 0;
	}
	if (n > 12 && strncasecmp(data, "Retry-After:", 12) == 0) {
		data += 12;
		len = n - 12;
		while (len > 0 && (*data == ' ' || *data == '\t')) {
			data++;
			len--;
		}
		while (len > 0 && (data[len - 1] == '\n' ||
		    data[len - 1] == '\r' || data[len - 1] == ' '))
			len--;
		if (len < sizeof(value)) {
			memcpy(value, data, len);
			value[len] = '\0';
			s = strtonum(value, 0, 86400, &errstr);
			/* two limiters say it twice: the longer one holds */
			if (errstr == NULL && s > t->retry_after)
				t->retry_after = s;
		}
	}
	return n;
}

static size_t
on_read(char *buf, size_t size, size_t nmemb, void *arg)
{
	struct transfer	*t = arg;
	size_t		 n = size * nmemb;
	ssize_t		 r;

	if (n > t->req.size - t->sent)
		n = (size_t)(t->req.size - t->sent);
	if ((r = sys_pread(t->req.fd, buf, n, (off_t)t->sent)) < 0 ||
	    (r == 0 && n > 0))
		return CURL_READFUNC_ABORT;
	t->sent += (uint64_t)r;
	return (size_t)r;
}

static int
on_seek(void *arg, curl_off_t offset, int whence)
{
	struct transfer	*t = arg;

	if (whence != SEEK_SET || offset < 0 ||
	    (uint64_t)offset > t->req.size)
		return CURL_SEEKFUNC_CANTSEEK;
	t->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static void
transfer_free(struct transfer *t)
{
	TAILQ_REMOVE(&t->http->transfers, t, entry);
	if (t->easy != NULL) {
		curl_loop_remove(t->http->loop, t->easy);
		curl_easy_cleanup(t->easy);
	}
	curl_slist_free_all(t->resolve);
	free(t->body);
	free(t);
}

static void
transfer_answer(struct transfer *t, const struct http_answer *answer)
{
	struct http	*h = t->http;
	uint32_t	 id = t->req.id;

	if (answer->len > 0)
		http_redact(t->body, t->len, h->token);
	h->done(h->arg, id, answer);
	transfer_free(t);
}

/* The connection was never made: nothing of the request was seen. */
static int
is_unsent(CURLcode code)
{
	return code == CURLE_COULDNT_CONNECT ||
	    code == CURLE_COULDNT_RESOLVE_HOST ||
	    code == CURLE_SSL_CONNECT_ERROR ||
	    code == CURLE_PEER_FAILED_VERIFICATION;
}

static void
transfer_done(void *private, CURL *easy, CURLcode code)
{
	struct transfer		*t = private;
	struct http_answer	 a = { .retry_after = -1 };
	char			 why[CURL_ERROR_SIZE + 64];
	char			*location = NULL;
	long			 status = 0;
	curl_off_t		 connect = 0;

	why[0] = '\0';
	(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	/* libcurl takes a head that breaks off for a whole one */
	if (code == CURLE_OK && !t->header_done)
		code = CURLE_PARTIAL_FILE;
	if (code == CURLE_OK) {
		a.status = (int)status;
		a.body = t->body == NULL ? "" : t->body;
		a.len = t->len;
		(void)curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL,
		    &location);
		if (location != NULL)
			log_warnx("the server redirects to %.*s, which is not "
			    "followed: configure the final address",
			    (int)origin_length(location), location);
	} else {
		(void)curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T,
		    &connect);
		a.unsent = is_unsent(code) || connect == 0;
		if (a.unsent)
			resolver_forget(t->http->resolver,
			    t->http->origin->url.host);
		(void)strlcpy(why, t->too_large ? "the answer is too large" :
		    t->error[0] != '\0' ? t->error : curl_easy_strerror(code),
		    sizeof(why));
	}
	a.too_large = t->too_large;
	a.retry_after = t->retry_after;
	a.why = why;
	transfer_answer(t, &a);
}

static void
transfer_fail(struct transfer *t, const char *why)
{
	const struct timeval	 now = { 0, 0 };

	t->failed = why;
	(void)event_add(t->http->deferred, &now);
}

static void
on_deferred(evutil_socket_t fd, short events, void *arg)
{
	struct http		*h = arg;
	struct http_answer	 a = { .retry_after = -1, .unsent = 1 };
	struct transfer		*t;
	unsigned int		 left = CALL_MAX;

	(void)fd;
	(void)events;
	do {
		TAILQ_FOREACH(t, &h->transfers, entry)
			if (t->failed != NULL)
				break;
		if (t == NULL)
			return;
		a.why = t->failed;
		transfer_answer(t, &a);
	} while (--left > 0);
}

static void
setup_body(struct transfer *t)
{
	const struct http_request	*r = &t->req;

	if (r->fd != -1) {
		curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)r->size);
		curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
		curl_easy_setopt(t->easy, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(t->easy, CURLOPT_SEEKDATA, t);
	} else if (r->method == HTTP_POST || r->method == HTTP_PUT) {
		curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)r->len);
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS,
		    r->body != NULL ? r->body : "");
	}
	if (r->method == HTTP_PUT)
		curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, "PUT");
	else if (r->method == HTTP_DELETE)
		curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, "DELETE");
}

/*
 * libcurl does not copy the list, so the token stays in the one place that
 * it was read into until it is written into the request.
 */
static void
setup_headers(struct transfer *t)
{
	static char	 no_expect[] = "Expect:";

	t->expect.data = no_expect;
	t->expect.next = NULL;
	t->type.data = t->type_line;
	t->type.next = &t->expect;
	t->auth.data = t->http->authorization;
	t->auth.next = t->req.type != NULL ? &t->type : &t->expect;
	if (t->req.type != NULL)
		(void)snprintf(t->type_line, sizeof(t->type_line),
		    "Content-Type: %s", t->req.type);
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER,
	    t->req.auth ? &t->auth : t->auth.next);
}

static int
transfer_setup(struct transfer *t, const struct addresses *a)
{
	struct http	*h = t->http;
	char		 url[1280];

	if ((size_t)snprintf(url, sizeof(url), "%s%s/api/v4%s",
	    h->origin->base, h->origin->url.path, t->req.path) >= sizeof(url))
		return -1;
	if ((t->resolve = curl_loop_setup(t->easy, h->origin, a, h->trust)) ==
	    NULL)
		return -1;
	curl_easy_setopt(t->easy, CURLOPT_URL, url);
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "chatopsd");
	curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)t->req.timeout);
	curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_LIMIT,
	    (long)HTTP_SLOW_BYTES);
	curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_TIME,
	    (long)HTTP_SLOW_TIME);
	setup_body(t);
	setup_headers(t);
	return 0;
}

static void
transfer_resolved(void *arg, const struct addresses *a, const char *why)
{
	struct transfer	*t = arg;

	if (a == NULL) {
		log_debug("%s: %s", t->http->origin->url.host, why);
		transfer_fail(t, "the server's name cannot be resolved");
	} else if ((t->easy = curl_easy_init()) == NULL)
		fatalx("curl_easy_init: out of memory");
	else if (transfer_setup(t, a) == -1) {
		curl_easy_cleanup(t->easy);
		t->easy = NULL;
		transfer_fail(t, "the server's address may not be used");
	} else
		curl_loop_add(t->http->loop, t->easy);
}

void
http_start(struct http *h, const struct http_request *req)
{
	struct transfer	*t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		fatal("calloc");
	t->http = h;
	t->req = *req;
	t->retry_after = -1;
	TAILQ_INSERT_TAIL(&h->transfers, t, entry);
	resolver_get(h->resolver, h->origin->url.host, transfer_resolved, t);
}

struct http *
http_new(struct event_base *base, const struct origin *origin,
    struct resolver *resolver, struct curl_trust *trust, char *authorization,
    const char *token, http_done done, void *arg)
{
	struct http	*h;

	if ((h = calloc(1, sizeof(*h))) == NULL)
		fatal("calloc");
	h->loop = curl_loop_new(base, HTTP_CONNECTIONS, transfer_done);
	h->origin = origin;
	h->resolver = resolver;
	h->trust = trust;
	h->authorization = authorization;
	h->token = token;
	h->done = done;
	h->arg = arg;
	TAILQ_INIT(&h->transfers);
	if ((h->deferred = evtimer_new(base, on_deferred, h)) == NULL)
		fatalx("event_new: out of memory");
	return h;
}

void
http_free(struct http *h)
{
	struct transfer	*t;

	if (h == NULL)
		return;
	while ((t = TAILQ_FIRST(&h->transfers)) != NULL) {
		resolver_cancel(h->resolver, t);
		transfer_free(t);
	}
	curl_loop_free(h->loop);
	event_free(h->deferred);
	free(h);
}
