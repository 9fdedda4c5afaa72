/*
 * A request: its head, its body (counted or chunked), its parameters.
 */
#include "mattermost.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX	(256 * 1024 * 1024)

void
http_param_add(struct http_params *list, const char *name, const char *value)
{
	struct http_param	*p;

	if ((p = calloc(1, sizeof(*p))) == NULL ||
	    (p->name = strdup(name)) == NULL ||
	    (p->value = strdup(value)) == NULL)
		err(1, NULL);
	TAILQ_INSERT_TAIL(list, p, entry);
}

/* Names are compared as header fields are: case does not count. */
const char *
http_param_get(const struct http_params *list, const char *name)
{
	struct http_param	*p;

	TAILQ_FOREACH(p, list, entry)
		if (strcasecmp(p->name, name) == 0)
			return p->value;
	return NULL;
}

const char *
http_header(const struct http_req *req, const char *name)
{
	return http_param_get(&req->headers, name);
}

const char *
http_query(const struct http_req *req, const char *name)
{
	return http_param_get(&req->query, name);
}

static void
params_free(struct http_params *list)
{
	struct http_param	*p;

	while ((p = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, p, entry);
		free(p->name);
		free(p->value);
		free(p);
	}
}

/* NULL-safe. */
void
http_req_free(struct http_req *req)
{
	if (req == NULL)
		return;
	if (req->wait != NULL)
		event_free(req->wait);
	if (req->wait_free != NULL)
		req->wait_free(req);
	if (req->fault != NULL)
		fault_free(req->fault);
	params_free(&req->headers);
	params_free(&req->query);
	params_free(&req->out);
	json_decref(req->json);
	json_decref(req->log);
	free(req->method);
	free(req->target);
	free(req->path);
	free(req->param_buf);
	free(req->body);
	free(req);
}

static int
hexval(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Percent-decoded copy (RFC 3986, 2.1); plus: '+' is a blank. */
char *
http_unescape(const char *s, size_t len, int plus)
{
	char	*out;
	size_t	 i, o = 0;

	if ((out = malloc(len + 1)) == NULL)
		err(1, NULL);
	for (i = 0; i < len; i++) {
		if (s[i] == '%' && len - i > 2 && hexval(s[i + 1]) >= 0 &&
		    hexval(s[i + 2]) >= 0) {
			out[o++] = hexval(s[i + 1]) << 4 | hexval(s[i + 2]);
			i += 2;
		} else
			out[o++] = plus && s[i] == '+' ? ' ' : s[i];
	}
	out[o] = '\0';
	return out;
}

void
http_parse_query(struct http_params *list, const char *q)
{
	size_t	 len, eq;
	char	*name, *value;

	while (*q != '\0') {
		len = strcspn(q, "&");
		eq = strcspn(q, "=&");
		name = http_unescape(q, eq, 1);
		value = eq < len ? http_unescape(q + eq + 1, len - eq - 1, 1) :
		    strdup("");
		if (value == NULL)
			err(1, NULL);
		if (*name != '\0')
			http_param_add(list, name, value);
		free(name);
		free(value);
		q += len;
		if (*q == '&')
			q++;
	}
}

static int
parse_line(struct http_req *req, char *line)
{
	char	*target, *version, *q;

	if ((target = strchr(line, ' ')) == NULL)
		return -1;
	*target++ = '\0';
	if ((version = strchr(target, ' ')) == NULL)
		return -1;
	*version++ = '\0';
	if (strncmp(version, "HTTP/1.", 7) != 0)
		return -1;
	req->is_keepalive = strcmp(version, "HTTP/1.1") == 0;
	req->is_head = strcmp(line, "HEAD") == 0;
	if ((req->method = strdup(line)) == NULL ||
	    (req->target = strdup(target)) == NULL)
		err(1, NULL);
	if ((q = strchr(target, '?')) != NULL) {
		http_parse_query(&req->query, q + 1);
		*q = '\0';
	}
	if ((req->path = strdup(target)) == NULL)
		err(1, NULL);
	return 0;
}

static int
parse_length(struct http_conn *c)
{
	struct http_req	*req = c->req;
	const char	*v, *e;

	if ((v = http_header(req, "Transfer-Encoding")) != NULL) {
		if (strcasecmp(v, "chunked") != 0)
			return -1;
		c->is_chunked = 1;
	} else if ((v = http_header(req, "Content-Length")) != NULL) {
		c->body_left = strtonum(v, 0, BODY_MAX, &e);
		if (e != NULL)
			return -1;
	}
	if ((v = http_header(req, "Connection")) != NULL &&
	    strcasecmp(v, "close") == 0)
		req->is_keepalive = 0;
	if ((v = http_header(req, "Expect")) != NULL &&
	    strcasecmp(v, "100-continue") == 0)
		bufferevent_write(c->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	return 0;
}

/* head ends with the last field's CRLF; it is cut up. */
int
http_parse_head(struct http_conn *c, char *head, size_t len)
{
	struct http_req	*req;
	char		*line, *next, *colon;

	if (memchr(head, '\0', len) != NULL)
		return -1;
	if ((req = calloc(1, sizeof(*req))) == NULL)
		err(1, NULL);
	c->req = req;
	req->conn = c;
	TAILQ_INIT(&req->headers);
	TAILQ_INIT(&req->query);
	TAILQ_INIT(&req->out);
	text_new_id(req->id);
	for (line = head; *line != '\0' && *line != '\r'; line = next) {
		if ((next = strstr(line, "\r\n")) == NULL)
			return -1;
		*next = '\0';
		next += 2;
		if (line == head) {
			if (parse_line(req, line) == -1)
				return -1;
			continue;
		}
		if ((colon = strchr(line, ':')) == NULL)
			return -1;
		*colon++ = '\0';
		colon += strspn(colon, " \t");
		http_param_add(&req->headers, line, colon);
	}
	c->is_chunked = 0;
	c->body_left = 0;
	c->in_body = 1;
	return req->method == NULL ? -1 : parse_length(c);
}

static int
body_take(struct http_conn *c, size_t n)
{
	struct http_req	*req = c->req;
	char		*p;

	if (n > BODY_MAX || req->body_len > BODY_MAX - n ||
	    (p = realloc(req->body, req->body_len + n + 1)) == NULL)
		return -1;
	req->body = p;
	evbuffer_remove(bufferevent_get_input(c->bev), p + req->body_len, n);
	req->body_len += n;
	p[req->body_len] = '\0';
	return 0;
}

/* RFC 9112, 7.1.  -1 bad, 0 more is needed, 1 whole. */
static int
parse_chunks(struct http_conn *c)
{
	struct evbuffer		*in = bufferevent_get_input(c->bev);
	struct evbuffer_ptr	 eol;
	char			 line[32], *end;
	unsigned long		 n;

	for (;;) {
		eol = evbuffer_search_eol(in, NULL, NULL, EVBUFFER_EOL_CRLF);
		if (eol.pos == -1)
			return evbuffer_get_length(in) > 4096 ? -1 : 0;
		if (eol.pos >= (ssize_t)sizeof(line))
			return -1;
		evbuffer_copyout(in, line, eol.pos);
		line[eol.pos] = '\0';
		n = strtoul(line, &end, 16);
		if (end == line || n > BODY_MAX)
			return -1;
		if (evbuffer_get_length(in) < eol.pos + 2 + n + 2)
			return 0;
		evbuffer_drain(in, eol.pos + 2);
		if (body_take(c, n) == -1)
			return -1;
		evbuffer_drain(in, 2);
		if (n == 0)
			return 1;
	}
}

/* -1 bad, 0 more is needed, 1 whole. */
int
http_parse_body(struct http_conn *c)
{
	size_t	 n;

	if (c->is_chunked)
		return parse_chunks(c);
	n = evbuffer_get_length(bufferevent_get_input(c->bev));
	if (n > c->body_left)
		n = c->body_left;
	if (body_take(c, n) == -1)
		return -1;
	c->body_left -= n;
	return c->body_left == 0;
}
