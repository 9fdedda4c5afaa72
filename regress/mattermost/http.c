/*
 * Connections: accept, read, answer, close.  HTTP/1.1 as far as clients of
 * Mattermost use it (RFC 9112), one request at a time on a connection.
 */
#include "mattermost.h"

#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define LISTENERS	2	/* the public one, control */
#define IDLE_US		(60 * 1000000LL)

struct http_connlist	 http_conns = TAILQ_HEAD_INITIALIZER(http_conns);

static SSL_CTX			*tls;
static struct evconnlistener	*listeners[LISTENERS];
static struct sockaddr_in	 addresses[LISTENERS];
static size_t			 nlisteners;
static uint64_t			 conn_number;

/* Certificate and key of all public listeners made afterwards. */
int
http_tls(const char *cert, const char *key)
{
	if ((tls = SSL_CTX_new(TLS_server_method())) == NULL ||
	    SSL_CTX_use_certificate_chain_file(tls, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(tls) != 1) {
		ERR_print_errors_fp(stderr);
		return -1;
	}
	return 0;
}

static void
conn_free(struct http_conn *c)
{
	SSL	*ssl;

	if (c->ws != NULL)
		ws_gone(c);
	if (c->req != NULL)
		http_req_free(c->req);
	vtimer_del(&c->idle);
	if (c->later != NULL)
		event_free(c->later);
	if (c->slow != NULL)
		event_free(c->slow);
	if (c->held != NULL)
		evbuffer_free(c->held);
	if (c->bev != NULL) {
		if ((ssl = bufferevent_openssl_get_ssl(c->bev)) != NULL &&
		    !c->is_frozen) {
			SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
			(void)SSL_shutdown(ssl);
			ERR_clear_error();
		}
		bufferevent_free(c->bev);
	}
	TAILQ_REMOVE(&http_conns, c, entry);
	free(c);
}

static void
conn_dispatch(struct http_conn *c)
{
	json_t	*j;

	vtimer_del(&c->idle);
	if (c->is_control) {
		control_request(c->req);
		return;
	}
	j = json_pack("{s:s,s:s,s:I}", "method", c->req->method,
	    "path", c->req->target, "conn", (json_int_t)c->number);
	if (j != NULL) {
		struct http_param	*p;
		json_t			*h = json_object();

		TAILQ_FOREACH(p, &c->req->headers, entry)
			json_object_set_new(h, p->name, json_string(p->value));
		json_object_set_new(j, "headers", h);
		record_body(j, c->req->body, c->req->body_len);
		c->req->log = json_incref(record_add("request", j));
	}
	if (!fault_apply(c->req))
		api_request(c->req);
}

/* Take the next whole request out of what has arrived, if there is one. */
static void
conn_parse(struct http_conn *c)
{
	struct evbuffer		*in = bufferevent_get_input(c->bev);
	struct evbuffer_ptr	 end;
	char			*head;

	if (c->is_closing || c->is_frozen || (c->req != NULL && !c->in_body))
		return;
	if (!c->in_body) {
		end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
		if (end.pos == -1) {
			if (evbuffer_get_length(in) > 65536)
				http_reset(c);
			return;
		}
		if ((head = calloc(1, end.pos + 5)) == NULL)
			err(1, NULL);
		evbuffer_remove(in, head, end.pos + 4);
		if (http_parse_head(c, head, end.pos + 2) == -1) {
			free(head);
			http_reset(c);
			return;
		}
		free(head);
	}
	switch (http_parse_body(c)) {
	case -1:
		http_reset(c);
		break;
	case 1:
		c->in_body = 0;
		conn_dispatch(c);
		break;
	}
}

static void
conn_read(struct bufferevent *bev, void *arg)
{
	struct http_conn	*c = arg;

	(void)bev;
	if (c->ws != NULL)
		ws_read(c);
	else
		conn_parse(c);
}

static void
conn_written(struct bufferevent *bev, void *arg)
{
	struct http_conn	*c = arg;

	if (evbuffer_get_length(bufferevent_get_output(bev)) != 0)
		return;
	if (c->is_closing && c->held == NULL) {
		conn_free(c);
		return;
	}
	if (c->ws != NULL)
		ws_sent(c->ws);
}

static void
conn_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		conn_free(arg);
}

/* Nothing was asked for a minute. */
static void
conn_idle(void *arg)
{
	http_close(arg);
}

static void
conn_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa,
    int len, void *arg)
{
	struct http_conn	*c;
	int			 one = 1;

	(void)l;
	(void)sa;
	(void)len;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		err(1, NULL);
	c->is_control = arg != NULL;
	c->number = ++conn_number;
	c->held_cut = -1;
	if (tls != NULL && !c->is_control)
		c->bev = bufferevent_openssl_socket_new(mm.base, fd,
		    SSL_new(tls), BUFFEREVENT_SSL_ACCEPTING,
		    BEV_OPT_CLOSE_ON_FREE);
	else
		c->bev = bufferevent_socket_new(mm.base, fd,
		    BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL)
		errx(1, "bufferevent");
	if (tls != NULL && !c->is_control)
		bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	TAILQ_INSERT_TAIL(&http_conns, c, entry);
	bufferevent_setcb(c->bev, conn_read, conn_written, conn_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	vtimer_set(&c->idle, conn_idle, c);
	if (!c->is_control)
		vtimer_add(&c->idle, IDLE_US);
}

/* The one at place 0 is the public one. */
static int
listen_at(size_t i)
{
	static int	 mark;
	socklen_t	 len = sizeof(addresses[i]);

	listeners[i] = evconnlistener_new_bind(mm.base, conn_accept,
	    i == 0 ? NULL : &mark, LEV_OPT_CLOSE_ON_FREE |
	    LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, 128,
	    (struct sockaddr *)&addresses[i], sizeof(addresses[i]));
	if (listeners[i] == NULL)
		return -1;
	return getsockname(evconnlistener_get_fd(listeners[i]),
	    (struct sockaddr *)&addresses[i], &len);
}

/*
 * Loopback only; the first is the public one, the second the control port.
 * *chosen says which port the kernel chose when it was 0.
 */
int
http_listen(const char *host, int port, uint16_t *chosen)
{
	struct sockaddr_in	*sin;

	if (nlisteners == LISTENERS)
		return -1;
	sin = &addresses[nlisteners];
	sin->sin_family = AF_INET;
	sin->sin_port = htons(port);
	if (inet_pton(AF_INET, host, &sin->sin_addr) != 1 ||
	    listen_at(nlisteners) == -1)
		return -1;
	nlisteners++;
	*chosen = ntohs(sin->sin_port);
	return 0;
}

/* Off: connections to the public port are refused.  On: the same port. */
int
http_accepting(int on)
{
	if (!on && listeners[0] != NULL) {
		evconnlistener_free(listeners[0]);
		listeners[0] = NULL;
	}
	return on && listeners[0] == NULL ? listen_at(0) : 0;
}

void
http_shutdown(void)
{
	struct http_conn	*c;

	while (nlisteners-- > 0)
		if (listeners[nlisteners] != NULL)
			evconnlistener_free(listeners[nlisteners]);
	while ((c = TAILQ_FIRST(&http_conns)) != NULL)
		conn_free(c);
	SSL_CTX_free(tls);
}

static void
conn_later(evutil_socket_t fd, short what, void *arg)
{
	struct http_conn	*c = arg;

	(void)fd;
	(void)what;
	if (c->is_closing) {
		if (c->is_frozen || (evbuffer_get_length(
		    bufferevent_get_output(c->bev)) == 0 && c->held == NULL))
			conn_free(c);
		return;
	}
	if (c->ws == NULL)
		conn_parse(c);
	else
		ws_read(c);
}

/* From the loop, not from here: the caller may still hold the connection. */
static void
conn_soon(struct http_conn *c)
{
	struct timeval	 now = { 0, 0 };

	if (c->later == NULL &&
	    (c->later = evtimer_new(mm.base, conn_later, c)) == NULL)
		errx(1, "evtimer_new");
	evtimer_add(c->later, &now);
}

/* FIN, as soon as what was written has left. */
void
http_close(struct http_conn *c)
{
	c->is_closing = 1;
	if (!c->is_frozen)
		bufferevent_disable(c->bev, EV_READ);
	conn_soon(c);
}

/* RST at once (a linger time of 0, socket(7)); later answers are dropped. */
void
http_reset(struct http_conn *c)
{
	struct linger	 l = { 1, 0 };

	(void)setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_LINGER, &l,
	    sizeof(l));
	c->is_frozen = 1;
	if (c->held != NULL) {
		evbuffer_free(c->held);
		c->held = NULL;
	}
	evbuffer_drain(bufferevent_get_output(c->bev),
	    evbuffer_get_length(bufferevent_get_output(c->bev)));
	http_close(c);
}

/* Half-open: the socket stays, nothing is read or written any more. */
void
http_freeze(struct http_conn *c)
{
	c->is_frozen = 1;
	bufferevent_disable(c->bev, EV_READ | EV_WRITE);
}

/* The request is done: look for the next one. */
void
http_next(struct http_conn *c)
{
	http_req_free(c->req);
	c->req = NULL;
	if (!c->is_control && c->ws == NULL)
		vtimer_add(&c->idle, IDLE_US);
	conn_soon(c);
}

void
http_out(struct http_req *req, const char *name, const char *fmt, ...)
{
	va_list	 ap;
	char	*value;

	va_start(ap, fmt);
	if (vasprintf(&value, fmt, ap) == -1)
		err(1, NULL);
	va_end(ap);
	http_param_add(&req->out, name, value);
	free(value);
}

static const char *
reason(int status)
{
	static const struct {
		int		 status;
		const char	*text;
	} t[] = {
		{ 101, "Switching Protocols" }, { 200, "OK" },
		{ 201, "Created" }, { 302, "Found" }, { 304, "Not Modified" },
		{ 307, "Temporary Redirect" }, { 400, "Bad Request" },
		{ 401, "Unauthorized" }, { 403, "Forbidden" },
		{ 404, "Not Found" }, { 413, "Request Entity Too Large" },
		{ 414, "Request URI Too Long" }, { 429, "Too Many Requests" },
		{ 500, "Internal Server Error" }, { 501, "Not Implemented" },
		{ 502, "Bad Gateway" }, { 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" }
	};
	size_t	 i;

	for (i = 0; i < nitems(t); i++)
		if (t[i].status == status)
			return t[i].text;
	return "status code";
}

/* Answer; req is gone afterwards. */
void
http_reply(struct http_req *req, int status, const char *type,
    const char *body, size_t len)
{
	struct http_conn	*c = req->conn;
	struct evbuffer		*out;
	struct http_param	*p;
	char			 date[64];
	time_t			 now = time(NULL);
	struct tm		 tm;

	if (req->log != NULL)
		json_object_set_new(req->log, "status", json_integer(status));
	if ((out = evbuffer_new()) == NULL)
		err(1, NULL);
	(void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT",
	    gmtime_r(&now, &tm));
	evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\n", status, reason(status));
	if (type != NULL)
		evbuffer_add_printf(out, "Content-Type: %s\r\n", type);
	TAILQ_FOREACH(p, &req->out, entry)
		evbuffer_add_printf(out, "%s: %s\r\n", p->name, p->value);
	evbuffer_add_printf(out, "Date: %s\r\nContent-Length: %zu\r\n%s\r\n",
	    date, len, req->is_keepalive ? "" : "Connection: close\r\n");
	if (!req->is_head)
		evbuffer_add(out, body, len);
	fault_shape(req);
	http_send(c, out);
	evbuffer_free(out);
	if (!req->is_keepalive && !c->is_closing)
		http_close(c);
	http_next(c);
}
