/* Where the server is: a configured address, as the connections need it. */
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#include <stdio.h>
#include <string.h>

#include "compat.h"
#include "origin.h"

int
origin_is_loopback(const char *address)
{
	struct in6_addr	 a6;
	struct in_addr	 a4;

	if (inet_pton(AF_INET, address, &a4) == 1)
		return (ntohl(a4.s_addr) >> 24) == 127;
	if (inet_pton(AF_INET6, address, &a6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&a6);
	return 0;
}

const char *
origin_parse(struct origin *o, const char *url, const char *scheme)
{
	const struct conf_url	*u = &o->url;
	const char		*why;
	char			 host[260];

	memset(o, 0, sizeof(*o));
	if ((why = conf_url_parse(url, scheme, &o->url)) != NULL)
		return why;
	if (!u->is_tls && !u->is_loopback)
		return "is without TLS but no loopback address";
	(void)snprintf(host, sizeof(host), u->is_ipv6 ? "[%s]" : "%s",
	    u->host);
	(void)snprintf(o->base, sizeof(o->base), "%s://%s:%u",
	    u->is_tls ? "https" : "http", host, u->port);
	/* RFC 9110 4.2.3, 7.2: the scheme's own port is left off */
	if (u->port == (u->is_tls ? 443 : 80))
		(void)strlcpy(o->field, host, sizeof(o->field));
	else
		(void)snprintf(o->field, sizeof(o->field), "%s:%u", host,
		    u->port);
	return NULL;
}

size_t
origin_length(const char *url)
{
	const char	*p;

	p = strstr(url, "://");
	return p == NULL ? 0 : (size_t)(p - url) + 3 + strcspn(p + 3, "/?#");
}
