/* Names to addresses: files' texts, literals, and DNS from a small server. */
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#include <unistd.h>

#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/event.h>
#include <event2/util.h>

#include "test.h"
#include "chatopsd/origin.h"
#include "chatopsd/resolver.h"

TEST(resolv_conf)
{
	struct resolver_conf	 c;

	resolver_conf_parse(&c, "# comment\n; another\n"
	    "search  a.example b.example\nnameserver 192.0.2.1\n"
	    "nameserver\t2001:db8::1 \r\nnameserver 192.0.2.3\n"
	    "nameserver 192.0.2.4\noptions ndots:2 timeout:5 attempts:3 rotate"
	    "\n");
	CHECK_INT(c.nservers, 3);
	CHECK_STR(c.servers[0], "192.0.2.1");
	CHECK_STR(c.servers[1], "2001:db8::1");
	CHECK_STR(c.servers[2], "192.0.2.3");
	CHECK_INT(c.nsearch, 2);
	CHECK_STR(c.search[0], "a.example");
	CHECK_STR(c.search[1], "b.example");
	CHECK_INT(c.ndots, 2);
	CHECK_INT(c.timeout, 5);
	CHECK_INT(c.attempts, 3);

	/* the last of search and domain counts */
	resolver_conf_parse(&c, "search a b\ndomain c\n");
	CHECK_INT(c.nsearch, 1);
	CHECK_STR(c.search[0], "c");
	CHECK_INT(c.nservers, 1);
	CHECK_STR(c.servers[0], "127.0.0.1");
}

TEST(odd_resolv_conf)
{
	static char		 longer[5000];
	struct resolver_conf	 c;

	resolver_conf_parse(&c, "");
	CHECK_INT(c.nservers, 1);
	CHECK_INT(c.ndots, 1);
	resolver_conf_parse(&c, "nameserver\nnameserver x.example\nnameserver "
	    "192.0.2.1:53\noptions ndots:99 timeout:-1 attempts:x\nsearch\n"
	    "nameserverx 192.0.2.9\nnameserver 192.0.2.7");
	CHECK_INT(c.nservers, 1);
	CHECK_STR(c.servers[0], "192.0.2.7");
	CHECK_INT(c.ndots, 1);
	CHECK_INT(c.timeout, 2);
	memset(longer, 'x', sizeof(longer) - 1);
	memcpy(longer, "search ", 7);
	resolver_conf_parse(&c, longer);
	CHECK_INT(c.nsearch, 0);
	memset(longer, 'x', sizeof(longer) - 1);
	resolver_conf_parse(&c, longer);
	CHECK_INT(c.nservers, 1);
	resolver_conf_parse(&c, "search 1 2 3 4 5 6 7 8 9");
	CHECK_INT(c.nsearch, RESOLVER_SEARCH);
}

TEST(hosts)
{
	const char	*text = "127.0.0.1 localhost\n"
	    "192.0.2.5\tchat.example chat # here\n#192.0.2.6 chat.example\n"
	    "2001:db8::5 CHAT.example\nnonsense chat.example\n"
	    "192.0.2.9 other # chat.example\n192.0.2.7   chat.example";
	struct addresses a;

	CHECK_INT(resolver_hosts_find(text, "chat.example", &a), 3);
	CHECK_STR(a.text[0], "192.0.2.5");
	CHECK_STR(a.text[1], "2001:db8::5");
	CHECK_STR(a.text[2], "192.0.2.7");
	CHECK_INT(resolver_hosts_find(text, "Chat", &a), 1);
	CHECK_INT(resolver_hosts_find(text, "chat.exampl", &a), 0);
	CHECK_INT(resolver_hosts_find("", "chat", &a), 0);
	CHECK_INT(resolver_hosts_find("192.0.2.1 a\n192.0.2.2 a\n192.0.2.3 a\n"
	    "192.0.2.4 a\n192.0.2.5 a\n192.0.2.6 a\n192.0.2.7 a\n192.0.2.8 a\n"
	    "192.0.2.9 a\n", "a", &a), RESOLVER_ADDRESSES);
}

TEST(literals)
{
	struct addresses	 a;

	CHECK_INT(resolver_literal("192.0.2.5", &a), 1);
	CHECK_STR(a.text[0], "192.0.2.5");
	CHECK_INT(resolver_literal("2001:db8::5", &a), 1);
	/* RFC 6761 6.3: never asked of anybody */
	CHECK_INT(resolver_literal("LocalHost", &a), 2);
	CHECK_STR(a.text[0], "127.0.0.1");
	CHECK_STR(a.text[1], "::1");
	CHECK_INT(resolver_literal("localhost.example", &a), 0);
	CHECK_INT(resolver_literal("127.1", &a), 0);
	CHECK_INT(resolver_literal("", &a), 0);
}

TEST(loopback)
{
	CHECK(origin_is_loopback("127.0.0.1"));
	CHECK(origin_is_loopback("127.255.0.3"));
	CHECK(origin_is_loopback("::1"));
	CHECK(!origin_is_loopback("128.0.0.1"));
	CHECK(!origin_is_loopback("0.0.0.0"));
	CHECK(!origin_is_loopback("::"));
	CHECK(!origin_is_loopback("::ffff:192.0.2.1"));
	CHECK(!origin_is_loopback("localhost"));
}

TEST(origins)
{
	struct origin	 o;

	CHECK(origin_parse(&o, "https://chat.example/sub", "http") == NULL);
	CHECK_STR(o.base, "https://chat.example:443");
	CHECK_STR(o.field, "chat.example");
	CHECK_STR(o.url.path, "/sub");
	CHECK(origin_parse(&o, "https://chat.example:8443", "http") == NULL);
	CHECK_STR(o.field, "chat.example:8443");
	CHECK(origin_parse(&o, "ws://127.0.0.1:8065/api/v4/websocket",
	    "ws") == NULL);
	CHECK_STR(o.base, "http://127.0.0.1:8065");
	CHECK(origin_parse(&o, "http://[::1]:8065", "http") == NULL);
	CHECK_STR(o.base, "http://[::1]:8065");
	CHECK_STR(o.field, "[::1]:8065");
	/* without TLS to nobody but ourselves */
	CHECK(origin_parse(&o, "http://chat.example", "http") != NULL);
	CHECK(origin_parse(&o, "ws://192.0.2.1/", "ws") != NULL);
	CHECK(origin_parse(&o, "ftp://127.0.0.1/", "http") != NULL);
	CHECK_INT(origin_length("https://evil.example:1/x?y"), 22);
	CHECK_INT(origin_length("/relative"), 0);
}

/*
 * DNS
 */

static struct {
	struct event_base	*base;
	struct evdns_server_port *port;
	struct resolver		*r;
	struct resolver_conf	 conf;
	int			 fd;
	int			 asked;		/* questions for addresses */
	int			 mute;
	int			 done;
	struct addresses	 a;
	char			 why[128];
} d;

static void
on_question(struct evdns_server_request *req, void *arg)
{
	const char	*name = req->questions[0]->name;
	int		 type = req->questions[0]->type;
	struct in_addr	 a4;

	(void)arg;
	if (type == EVDNS_TYPE_A)
		d.asked++;
	if (d.mute) {
		(void)evdns_server_request_drop(req);
		return;
	}
	if (strncasecmp(name, "chat.", 5) == 0 && type == EVDNS_TYPE_A) {
		(void)inet_pton(AF_INET, "192.0.2.11", &a4);
		(void)evdns_server_request_add_a_reply(req, name, 1, &a4, 60);
		(void)evdns_server_request_respond(req, 0);
	} else if (strncasecmp(name, "chat.", 5) == 0)
		(void)evdns_server_request_respond(req, 0);
	else
		(void)evdns_server_request_respond(req, DNS_ERR_NOTEXIST);
}

static void
dns_begin(const char *hosts)
{
	struct sockaddr_in	 sin;
	socklen_t		 len = sizeof(sin);

	memset(&d, 0, sizeof(d));
	d.base = event_base_new();
	d.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_INT(bind(d.fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	CHECK_INT(getsockname(d.fd, (struct sockaddr *)&sin, &len), 0);
	d.port = evdns_add_server_port_with_base(d.base, d.fd, 0, on_question,
	    NULL);
	resolver_conf_parse(&d.conf, "");
	(void)snprintf(d.conf.servers[0], sizeof(d.conf.servers[0]),
	    "127.0.0.1:%d", ntohs(sin.sin_port));
	d.r = resolver_new(d.base, &d.conf, hosts);
}

static void
dns_end(void)
{
	resolver_free(d.r);
	evdns_close_server_port(d.port);
	(void)event_base_loop(d.base, EVLOOP_NONBLOCK);
	event_base_free(d.base);
	(void)close(d.fd);
}

static void
on_done(void *arg, const struct addresses *a, const char *why)
{
	(void)arg;
	d.done++;
	if (a != NULL)
		d.a = *a;
	else
		(void)snprintf(d.why, sizeof(d.why), "%s", why);
}

static void
get(const char *name)
{
	const struct timeval	 tick = { 0, 20000 };
	int			 i;

	d.done = 0;
	d.a.n = 0;
	d.why[0] = '\0';
	resolver_get(d.r, name, on_done, &d);
	for (i = 0; i < 400 && d.done == 0; i++) {
		(void)event_base_loopexit(d.base, &tick);
		(void)event_base_dispatch(d.base);
	}
	CHECK_INT(d.done, 1);
}

TEST(dns)
{
	dns_begin("192.0.2.20 in.hosts\n");
	get("chat.example");
	CHECK_INT(d.a.n, 1);
	CHECK_STR(d.a.text[0], "192.0.2.11");
	CHECK_INT(d.asked, 1);
	/* from memory, whatever the case */
	get("Chat.Example");
	CHECK_INT(d.a.n, 1);
	CHECK_INT(d.asked, 1);
	/* it did not answer: ask anew */
	resolver_forget(d.r, "chat.example");
	get("chat.example");
	CHECK_INT(d.asked, 2);
	/* neither of these is asked */
	get("in.hosts");
	CHECK_STR(d.a.text[0], "192.0.2.20");
	get("192.0.2.30");
	CHECK_STR(d.a.text[0], "192.0.2.30");
	get("localhost");
	CHECK_STR(d.a.text[0], "127.0.0.1");
	CHECK_INT(d.asked, 2);
	get("nobody.example");
	CHECK_INT(d.a.n, 0);
	CHECK(d.why[0] != '\0');
	dns_end();
}

TEST(dns_search)
{
	dns_begin(NULL);
	resolver_free(d.r);
	(void)snprintf(d.conf.search[0], sizeof(d.conf.search[0]),
	    "example.org");
	d.conf.nsearch = 1;
	d.r = resolver_new(d.base, &d.conf, NULL);
	get("chat");
	CHECK_INT(d.a.n, 1);
	dns_end();
}

TEST(several_wait_for_one_answer)
{
	const struct timeval	 tick = { 0, 50000 };
	int			 other;

	dns_begin(NULL);
	resolver_get(d.r, "chat.example", on_done, &d);
	resolver_get(d.r, "chat.example", on_done, &d);
	resolver_get(d.r, "chat.example", on_done, &other);
	resolver_cancel(d.r, &other);
	(void)event_base_loopexit(d.base, &tick);
	(void)event_base_dispatch(d.base);
	CHECK_INT(d.done, 2);
	CHECK_INT(d.asked, 1);
	dns_end();
}

/* A server that says nothing: bounded, and freed while it is waited for. */
TEST(dns_silence)
{
	const struct timeval	 tick = { 0, 50000 };

	dns_begin(NULL);
	d.mute = 1;
	resolver_get(d.r, "chat.example", on_done, &d);
	(void)event_base_loopexit(d.base, &tick);
	(void)event_base_dispatch(d.base);
	CHECK_INT(d.done, 0);
	CHECK_INT(d.asked, 1);
	dns_end();
}
