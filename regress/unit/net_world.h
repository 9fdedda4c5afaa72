/*
 * A world for the core of the network process: virtual time, a server that
 * says what the test tells it to, an executor whose mail is kept.
 */
#ifndef NET_WORLD_H
#define NET_WORLD_H

#include <stdarg.h>

#include "chatopsd/net.h"

#define BOT	"kiksf7afotf93pzt1xpn8j9djh"
#define ALICE	"qkunsho5678u5ftaiszddkttra"
#define POST	"q9bkbs7o1ign7mfzqsmze7z81h"
#define OPS	"twj1ccerk3gj38yti64z5yp68o"
#define TEAM	"c1eyrwyh4bgtup9hhzt4q33how"
#define CONN1	"rdec4efxr3bsdjbr7i56zyhp3o"
#define CONN2	"bsoyrrokobydbb3hwxcgtoje8a"

#define W_WALL		1795284000000LL	/* when a test begins, ms */
#define W_MAIL_MAX	4096
#define W_REQUESTS_MAX	4096

struct w_mail {
	enum msg_type	 type;
	uint32_t	 id;
	union {
		struct msg_net_state	state;
		struct msg_net_result	result;
		struct msg_user		user;
		struct msg_channel	channel;
		struct msg_member	member;
		struct msg_caught_up	caught_up;
		struct msg_reaction	reaction;
		struct {
			char	 post_id[ID_SIZE];
			char	 text[256];
			int	 missed;
		}			command;
	} u;
};

struct w_request {
	uint32_t	 id;
	enum http_method method;
	char		 path[CALL_PATH_SIZE];
	char		*body;
	monotime_t	 when;
	int64_t		 timeout;
	int		 auth;
	int		 answered;
};

struct w_world {
	struct net	*net;
	monotime_t	 now;
	monotime_t	 timers[TIMER_COUNT];	/* INT64_MAX: off */
	uint32_t	 randomness;	/* what every random number is */
	int		 counting;	/* each one is another */
	int		 ws;		/* 0 none, 1 opening, 2 open */
	int		 opens;
	char		 query[NET_TARGET_SIZE];
	char		 sent[256];	/* the last text */
	int		 nsent;
	int		 nprobes;
	int64_t		 ping;		/* seq of the last ping */
	struct w_mail	 mail[W_MAIL_MAX];
	size_t		 nmail;
	struct w_request requests[W_REQUESTS_MAX];
	size_t		 nrequests;
	int64_t		 seq;		/* of the server's events */
};

static struct w_world	 w;

static monotime_t
w_now(void *arg)
{
	(void)arg;
	return w.now;
}

static walltime_t
w_wall(void *arg)
{
	(void)arg;
	return (walltime_t){ W_WALL + w.now.ms };
}

static void
w_random(void *arg, void *buf, size_t len)
{
	size_t	 i;

	(void)arg;
	for (i = 0; i < len; i++)
		((uint8_t *)buf)[i] = (uint8_t)(w.randomness >>
		    (8 * (i % 4)));
	if (w.counting)
		w.randomness++;
}

static void
w_timer(void *arg, enum net_timer t, int64_t ms)
{
	(void)arg;
	w.timers[t] = ms < 0 ? MONOTIME_NEVER : monotime_add(w.now, ms);
}

static void
w_ws_open(void *arg, const char *query)
{
	(void)arg;
	CHECK_INT(w.ws, 0);
	w.ws = 1;
	w.opens++;
	(void)snprintf(w.query, sizeof(w.query), "%s", query);
}

static void
w_ws_send(void *arg, const char *text, size_t len)
{
	long long	 seq;

	(void)arg;
	CHECK_INT(w.ws, 2);
	(void)snprintf(w.sent, sizeof(w.sent), "%.*s", (int)len, text);
	w.nsent++;
	if (sscanf(w.sent, "{\"seq\":%lld,\"action\":\"ping\"}", &seq) == 1)
		w.ping = seq;
}

static void
w_ws_ping(void *arg)
{
	(void)arg;
	CHECK_INT(w.ws, 2);
	w.nprobes++;
}

static void
w_ws_close(void *arg)
{
	(void)arg;
	w.ws = 0;
}

static void
w_http_start(void *arg, const struct http_request *req)
{
	struct w_request	*r;

	(void)arg;
	if (w.nrequests == W_REQUESTS_MAX)
		abort();
	r = &w.requests[w.nrequests++];
	memset(r, 0, sizeof(*r));
	r->id = req->id;
	r->method = req->method;
	(void)snprintf(r->path, sizeof(r->path), "%s", req->path);
	if (req->body != NULL)
		r->body = strndup(req->body, req->len);
	r->when = w.now;
	r->timeout = req->timeout;
	r->auth = req->auth;
}

static void
w_send(void *arg, enum msg_type type, uint32_t id, const void *msg)
{
	const struct msg_command	*c = msg;
	struct w_mail			*m;
	struct buf			 b;
	const char			*field = "";

	(void)arg;
	if (w.nmail == W_MAIL_MAX)
		abort();
	m = &w.mail[w.nmail++];
	memset(m, 0, sizeof(*m));
	m->type = type;
	m->id = id;
	if (msg_struct_size(type) > 0) {
		/* what cannot be encoded would end the process */
		if (msg_encode(&b, type, msg, &field) == -1) {
			fprintf(stderr, "%s: %s\n", msg_name(type), field);
			CHECK(!"message cannot be encoded");
		} else
			buf_free(&b);
	}
	if (type == MSG_COMMAND) {
		(void)snprintf(m->u.command.post_id, ID_SIZE, "%s",
		    c->post_id);
		(void)snprintf(m->u.command.text, sizeof(m->u.command.text),
		    "%.255s", c->text);
		m->u.command.missed = c->missed;
	} else if (msg_struct_size(type) > 0 &&
	    msg_struct_size(type) <= sizeof(m->u))
		memcpy(&m->u, msg, msg_struct_size(type));
}

static const struct net_world	 w_ops = {
	w_now, w_wall, w_random, w_timer, w_ws_open, w_ws_send, w_ws_ping,
	w_ws_close, w_http_start, w_send
};

static void
w_end(void)
{
	size_t	 i;

	net_free(w.net);
	for (i = 0; i < w.nrequests; i++)
		free(w.requests[i].body);
	memset(&w, 0, sizeof(w));
}

static void
w_begin(void)
{
	size_t	 i;

	w_end();
	w.now.ms = 1000000;
	for (i = 0; i < TIMER_COUNT; i++)
		w.timers[i] = MONOTIME_NEVER;
	w.net = net_new(&w_ops, NULL, "!", "ops");
}

/* Time passes; what is due happens in order.  Ends when until is reached. */
static void
w_pass(int64_t ms)
{
	monotime_t	 until = monotime_add(w.now, ms);
	size_t		 i, due;

	for (;;) {
		due = TIMER_COUNT;
		for (i = 0; i < TIMER_COUNT; i++)
			if (w.timers[i].ms <= until.ms &&
			    (due == TIMER_COUNT ||
			    w.timers[i].ms < w.timers[due].ms))
				due = i;
		if (due == TIMER_COUNT)
			break;
		if (w.timers[due].ms > w.now.ms)
			w.now = w.timers[due];
		w.timers[due] = MONOTIME_NEVER;
		net_timer(w.net, (enum net_timer)due);
	}
	w.now = until;
}

/* The oldest unanswered request whose path begins so, or NULL. */
static __attribute__((__noinline__)) struct w_request *
w_asked(const char *path)
{
	size_t	 i;

	for (i = 0; i < w.nrequests; i++)
		if (!w.requests[i].answered && strncmp(w.requests[i].path,
		    path, strlen(path)) == 0)
			return &w.requests[i];
	return NULL;
}

static int
w_answer_full(const char *path, struct http_answer *a)
{
	struct w_request	*r;

	if ((r = w_asked(path)) == NULL)
		return -1;
	r->answered = 1;
	if (a->body != NULL)
		a->len = strlen(a->body);
	call_http_done(w.net, r->id, a);
	return 0;
}

static int
w_answer(const char *path, int status, const char *body)
{
	struct http_answer	 a;

	memset(&a, 0, sizeof(a));
	a.status = status;
	a.body = body;
	a.why = status == 0 ? body : "";
	a.retry_after = -1;
	if (status == 0)
		a.body = NULL;
	return w_answer_full(path, &a);
}

/* How many requests were ever made to paths that begin so. */
static size_t
w_requests(const char *path)
{
	size_t	 i, n = 0;

	for (i = 0; i < w.nrequests; i++)
		n += strncmp(w.requests[i].path, path, strlen(path)) == 0;
	return n;
}

#define W_ME	"{\"id\":\"" BOT "\",\"username\":\"chatops\",\"is_bot\":" \
    "true,\"delete_at\":0,\"roles\":\"system_user\"}"
#define W_LIMITS "{\"MaxPostSize\":\"16383\",\"MaxFileSize\":\"104857600\"," \
    "\"EnableFileAttachments\":\"true\"}"

static void
w_identify(void)
{
	CHECK_INT(w_answer("/users/me", 200, W_ME), 0);
	CHECK_INT(w_answer("/config/client", 200, W_LIMITS), 0);
}

static void
w_text(const char *fmt, ...)
    __attribute__((__format__(__printf__, 1, 2)));

static void
w_text(const char *fmt, ...)
{
	char	 buf[8192];
	va_list	 ap;
	int	 n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	session_frame(w.net);
	session_text(w.net, buf, (size_t)n);
}

static void
w_hello(const char *id)
{
	w.seq = 0;
	w_text("{\"event\":\"hello\",\"data\":{\"connection_id\":\"%s\","
	    "\"server_version\":\"5.37.0..abc.false\"},\"broadcast\":{},"
	    "\"seq\":%lld}", id, (long long)w.seq++);
}

static inline void
w_event(void)
{
	w_text("{\"event\":\"typing\",\"data\":{},\"broadcast\":{},"
	    "\"seq\":%lld}", (long long)w.seq++);
}

static void
w_pong(void)
{
	w_text("{\"status\":\"OK\",\"seq_reply\":%lld,\"data\":{\"text\":"
	    "\"pong\",\"server_time\":%lld}}", (long long)w.ping,
	    (long long)(W_WALL + w.now.ms));
}

static void
w_opened(void)
{
	CHECK_INT(w.ws, 1);
	w.ws = 2;
	session_open(w.net);
}

static inline void
w_down(const char *why)
{
	struct ws_end	 end;

	memset(&end, 0, sizeof(end));
	end.retry_after = -1;
	(void)snprintf(end.why, sizeof(end.why), "%s", why);
	w.ws = 0;
	session_down(w.net, &end);
}

/* From the start to the state up, on the connection CONN1. */
static void
w_up(void)
{
	w_begin();
	net_start(w.net);
	w_identify();
	w_opened();
	w_hello(CONN1);
	w_pong();
	CHECK_INT(w.net->session.state, SESSION_UP);
}

/* The newest state that the executor was told. */
static inline const struct msg_net_state *
w_state(void)
{
	static const struct msg_net_state	 none;
	size_t					 i;

	for (i = w.nmail; i > 0; i--)
		if (w.mail[i - 1].type == MSG_NET_STATE)
			return &w.mail[i - 1].u.state;
	return &none;
}

/* The newest mail of that type, or NULL. */
static const struct w_mail *
w_mail(enum msg_type type)
{
	size_t	 i;

	for (i = w.nmail; i > 0; i--)
		if (w.mail[i - 1].type == type)
			return &w.mail[i - 1];
	return NULL;
}

static inline size_t
w_mails(enum msg_type type)
{
	size_t	 i, n = 0;

	for (i = 0; i < w.nmail; i++)
		n += w.mail[i].type == type;
	return n;
}

#endif
