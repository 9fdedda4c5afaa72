/*
 * The network process: the one that reads what strangers wrote, and can do
 * nothing but talk to one server and to the executor.  This file is the
 * shell: event loop, timers, channels, the token's memory, confinement.
 */
#include <sys/mman.h>
#include <sys/prctl.h>

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>
#include <sodium.h>

#include "chatopsd.h"
#include "conf.h"
#include "confine.h"
#include "http.h"
#include "log.h"
#include "net.h"
#include "origin.h"
#include "proc.h"
#include "resolver.h"
#include "sys.h"
#include "ws_link.h"

#define TEXT_MAX	(4 * 1024 * 1024)	/* of a file handed over */
#define TOKEN_SIZE	128
#define STOP_TIMEOUT	2000			/* ms for calls under way */
#define AUTH_PREFIX	"Authorization: Bearer "

struct shell {
	struct proc	 proc;
	struct conf	 conf;
	struct event_base *base;
	struct chan	*parent;
	struct chan	*executor;
	struct event	*timers[TIMER_COUNT];
	struct origin	 api;
	struct origin	 socket;
	char		*authorization;	/* sodium_malloc */
	const char	*token;		/* inside of it */
	struct curl_trust *trust;
	struct resolver	*resolver;
	struct http	*http;
	struct ws_link	*link;
	struct net	*net;
	struct event	*stop;
};

static struct shell	 shell;

/* Timers carry their number by the address of their slot. */
static void
on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct event	**slot = arg;

	(void)fd;
	(void)events;
	net_timer(shell.net, (enum net_timer)(slot - shell.timers));
}

/*
 * The core's world
 */

static monotime_t
world_now(void *arg)
{
	(void)arg;
	return monotime_now();
}

static walltime_t
world_wall(void *arg)
{
	(void)arg;
	return walltime_now();
}

static void
world_random(void *arg, void *buf, size_t len)
{
	(void)arg;
	randombytes_buf(buf, len);
}

static void
world_timer(void *arg, enum net_timer timer, int64_t ms)
{
	struct shell	*s = arg;
	struct timeval	 tv;

	if (ms < 0) {
		(void)event_del(s->timers[timer]);
		return;
	}
	tv.tv_sec = ms / 1000;
	tv.tv_usec = (ms % 1000) * 1000;
	if (event_add(s->timers[timer], &tv) == -1)
		fatalx("event_add");
}

static void
world_ws_open(void *arg, const char *query)
{
	struct shell	*s = arg;

	ws_link_open(s->link, query);
}

static void
world_ws_send(void *arg, const char *text, size_t len)
{
	struct shell	*s = arg;

	ws_link_text(s->link, text, len);
}

static void
world_ws_ping(void *arg)
{
	struct shell	*s = arg;

	ws_link_ping(s->link);
}

static void
world_ws_close(void *arg)
{
	struct shell	*s = arg;

	ws_link_close(s->link);
}

static void
world_http_start(void *arg, const struct http_request *req)
{
	struct shell	*s = arg;

	http_start(s->http, req);
}

static void
world_send(void *arg, enum msg_type type, uint32_t id, const void *msg)
{
	struct shell	*s = arg;

	(void)chan_send(s->executor, type, id, -1, msg);
}

static const struct net_world	 world = {
	.now = world_now,
	.wall = world_wall,
	.random = world_random,
	.timer = world_timer,
	.ws_open = world_ws_open,
	.ws_send = world_ws_send,
	.ws_ping = world_ws_ping,
	.ws_close = world_ws_close,
	.http_start = world_http_start,
	.send = world_send
};

/*
 * What the WebSocket and the REST side tell
 */

static void
on_ws_open(void *arg)
{
	struct shell	*s = arg;

	session_open(s->net);
}

static void
on_ws_frame(void *arg)
{
	struct shell	*s = arg;

	session_frame(s->net);
}

static void
on_ws_pong(void *arg)
{
	struct shell	*s = arg;

	session_pong_frame(s->net);
}

static void
on_ws_text(void *arg, const char *text, size_t len)
{
	struct shell	*s = arg;

	session_text(s->net, text, len);
}

static void
on_ws_down(void *arg, const struct ws_end *end)
{
	struct shell	*s = arg;

	session_down(s->net, end);
}

static const struct ws_ops	 ws_ops = {
	.random = world_random,
	.open = on_ws_open,
	.frame = on_ws_frame,
	.pong = on_ws_pong,
	.text = on_ws_text,
	.down = on_ws_down
};

static void
on_stop(evutil_socket_t fd, short events, void *arg)
{
	struct shell	*s = arg;

	(void)fd;
	(void)events;
	(void)event_base_loopexit(s->base, NULL);
}

static void
on_orphaned(evutil_socket_t fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	(void)arg;
	fatalx("executor: closed its channel");
}

/*
 * In an orderly stop the executor ends before us, and the parent's word is
 * on its way; without that word it was no orderly stop.
 */
static void
on_executor_closed(struct chan *c, const char *why, void *arg)
{
	const struct timeval	 tv = { STOP_TIMEOUT / 1000, 0 };
	struct shell		*s = arg;

	(void)c;
	(void)why;
	if (s->stop == NULL && event_base_once(s->base, -1, EV_TIMEOUT,
	    on_orphaned, NULL, &tv) == -1)
		fatalx("event_add");
}

static void
on_http(void *arg, uint32_t id, const struct http_answer *answer)
{
	struct shell	*s = arg;

	call_http_done(s->net, id, answer);
	if (s->stop != NULL && s->net->ncalls == 0)
		(void)event_base_loopexit(s->base, NULL);
}

/*
 * Channels
 */

static void
on_executor(struct chan *c, struct imsg *imsg, void *arg)
{
	/* the largest message of this channel, and only one at a time */
	static union {
		struct msg_catchup		catchup;
		struct msg_lookup_user		user;
		struct msg_lookup_channel	channel;
		struct msg_lookup_member	member;
		struct msg_post			post;
		struct msg_patch		patch;
		struct msg_react		react;
		struct msg_upload		upload;
	}		 m;
	struct shell	*s = arg;

	if (msg_struct_size(imsg->type) > sizeof(m))
		fatalx("executor: %s is not for us", msg_name(imsg->type));
	if (msg_struct_size(imsg->type) > 0)
		(void)chan_decode(c, imsg, &m);
	if (net_message(s->net, imsg->type, imsg->id, imsg->fd, &m) == -1)
		fatalx("executor: %s is not for us", msg_name(imsg->type));
}

static void
on_parent(struct chan *c, struct imsg *imsg, void *arg)
{
	const struct timeval	 tv = { STOP_TIMEOUT / 1000, 0 };
	struct shell		*s = arg;

	if (imsg->type != MSG_STOP)
		fatalx("parent: %s is not for us", msg_name(imsg->type));
	chan_may_close(c);
	ws_link_close(s->link);
	if ((s->stop = evtimer_new(s->base, on_stop, s)) == NULL ||
	    event_add(s->stop, &tv) == -1)
		fatalx("event_add");
	if (s->net->ncalls == 0)
		(void)event_base_loopexit(s->base, NULL);
}

/*
 * Set-up, everything before confinement
 */

/* The whole file as a string, or NULL when there is no such file. */
static char *
read_text(struct shell *s, enum file_kind kind)
{
	size_t	 len = 0, cap = 65536;
	ssize_t	 n;
	char	*text, *more;
	int	 fd;

	if ((fd = proc_take_file(&s->proc, kind)) == -1)
		return NULL;
	if ((text = malloc(cap)) == NULL)
		fatal("malloc");
	while ((n = sys_pread(fd, text + len, cap - len - 1, (off_t)len)) >
	    0) {
		len += (size_t)n;
		if (len + 1 < cap)
			continue;
		if (cap >= TEXT_MAX)
			fatalx("%s: larger than %d bytes",
			    file_kind_name(kind), TEXT_MAX);
		if ((more = realloc(text, cap *= 2)) == NULL)
			fatal("realloc");
		text = more;
	}
	if (n == -1)
		fatal("%s", file_kind_name(kind));
	text[len] = '\0';
	(void)sys_close(fd);
	return text;
}

/* Into locked memory that no core file and no swap gets to see. */
static void
read_token(struct shell *s)
{
	size_t	 len, plen = strlen(AUTH_PREFIX);
	ssize_t	 n;
	char	*token;
	int	 fd;

	if ((s->authorization = sodium_malloc(plen + TOKEN_SIZE)) == NULL)
		fatal("no locked memory for the token");
	memcpy(s->authorization, AUTH_PREFIX, plen);
	token = s->authorization + plen;
	fd = proc_take_file(&s->proc, FILE_TOKEN);
	if ((n = sys_pread(fd, token, TOKEN_SIZE - 1, 0)) == -1)
		fatal("token");
	(void)sys_close(fd);
	for (len = (size_t)n; len > 0 && isspace((unsigned char)token[len -
	    1]); len--)
		continue;
	token[len] = '\0';
	/* it becomes part of a header line */
	if (len < 8 || len != strspn(token, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"))
		fatalx("the token is malformed: a bot's token has 26 letters "
		    "and digits");
	s->token = token;
}

static void
read_conf(struct shell *s)
{
	struct json_file	 file;
	struct json_error	 error;
	const char		*why;
	char			 text[1024];
	int			 fd;

	fd = proc_take_file(&s->proc, FILE_CONF);
	if (json_file_read(&file, "bot.config.json", fd, &error) == -1 ||
	    conf_parse(&s->conf, &file, "/", &error) == -1) {
		json_error_format(&error, text, sizeof(text));
		fatalx("%s", text);
	}
	json_file_free(&file);
	(void)sys_close(fd);
	if ((why = origin_parse(&s->api, s->conf.url, "http")) != NULL)
		fatalx("mattermost.url %s", why);
	if ((why = origin_parse(&s->socket, s->conf.websocket_url, "ws")) !=
	    NULL)
		fatalx("mattermost.websocketUrl %s", why);
}

static void
setup_libraries(struct shell *s)
{
	struct resolver_conf	 dns;
	char			*system, *extra, *resolv, *hosts;
	size_t			 i;

	/* both seed themselves from files, which will be gone */
	if (sodium_init() == -1 || evutil_secure_rng_init() == -1)
		fatalx("no randomness");
	randombytes_stir();
	curl_loop_init();
	if ((s->base = event_base_new()) == NULL)
		fatalx("event_base_new");
	for (i = 0; i < TIMER_COUNT; i++)
		if ((s->timers[i] = evtimer_new(s->base, on_timer,
		    &s->timers[i])) == NULL)
			fatalx("event_new");
	system = read_text(s, FILE_CA_SYSTEM);
	extra = read_text(s, FILE_CA);
	if (s->api.url.is_tls || s->socket.url.is_tls)
		s->trust = curl_trust_new(system, extra);
	free(system);
	free(extra);
	resolv = read_text(s, FILE_RESOLV);
	hosts = read_text(s, FILE_HOSTS);
	resolver_conf_parse(&dns, resolv == NULL ? "" : resolv);
	s->resolver = resolver_new(s->base, &dns, hosts);
	free(resolv);
	free(hosts);
}

static void
setup_core(struct shell *s)
{
	s->http = http_new(s->base, &s->api, s->resolver, s->trust,
	    s->authorization, s->token, on_http, s);
	s->link = ws_link_new(s->base, &s->socket, s->resolver, s->trust,
	    s->authorization, s->token, &ws_ops, s);
	s->net = net_new(&world, s, s->conf.prefix, s->conf.team);
}

static void
setup_confinement(struct shell *s, struct msg_ready *ready)
{
	struct confine_paths	 paths;

	memset(&paths, 0, sizeof(paths));
	paths.data_dir = paths.log_dir = paths.key_dir = -1;
	paths.tcp_ports[0] = s->api.url.port;
	if (s->socket.url.port != s->api.url.port)
		paths.tcp_ports[1] = s->socket.url.port;
	memset(ready, 0, sizeof(*ready));
	if (confine_network(&paths, ready) == 0)
		return;
	if (!s->conf.allow_unconfined)
		fatalx("cannot be confined: %s", ready->note);
	log_warnx("runs unconfined, as allowUnconfined says: %s",
	    ready->note);
}

void
network_main(int verbose)
{
	struct shell		*s = &shell;
	struct msg_ready	 ready;

	log_init("network", verbose);
	/* before there is any token; confinement does it again */
	if (prctl(PR_SET_DUMPABLE, 0) == -1)
		fatal("PR_SET_DUMPABLE");
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		fatal("SIGPIPE");
	json_init_secure();
	proc_setup(&s->proc, ROLE_NETWORK, 1U << FILE_CONF |
	    1U << FILE_TOKEN);
	if (s->proc.peers[ROLE_EXECUTOR].fd == -1)
		fatalx("parent: no channel to the executor");
	read_conf(s);
	setup_libraries(s);
	read_token(s);
	setup_core(s);
	setup_confinement(s, &ready);
	proc_ready(&s->proc, &ready);
	s->parent = chan_new(s->base, &s->proc.parent, on_parent, NULL, s);
	s->executor = chan_new(s->base, &s->proc.peers[ROLE_EXECUTOR],
	    on_executor, on_executor_closed, s);
	chan_may_close(s->executor);
	net_start(s->net);
	if (event_base_dispatch(s->base) == -1 || s->stop == NULL)
		fatalx("event loop ended");
	sodium_memzero(s->authorization, strlen(s->authorization));
	exit(0);
}
