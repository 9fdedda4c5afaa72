/*
 * The server's addresses.  Only what a Mattermost site needs is taken out
 * of RFC 3986: scheme, host, port, path.  Anything that two readers could
 * take for different hosts (user names, escapes, numbers as addresses) is
 * refused.
 */
#include <arpa/inet.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "conf.h"
#include "conf_url.h"

#define HOST_MAX	253
#define LABEL_MAX	63

static int
is_ipv4(const char *host, struct in_addr *in)
{
	return inet_pton(AF_INET, host, in) == 1;
}

/* RFC 1123, 2.1: letters, digits and hyphens between dots. */
static int
is_hostname(const char *host)
{
	const char	*label = host, *p;
	size_t		 n;

	if (strlen(host) > HOST_MAX)
		return 0;
	for (;;) {
		for (p = label; isalnum((unsigned char)*p) || *p == '-'; p++)
			continue;
		n = (size_t)(p - label);
		if (n == 0 || n > LABEL_MAX || *label == '-' || p[-1] == '-')
			return 0;
		if (*p == '\0')
			break;
		if (*p != '.')
			return 0;
		label = p + 1;
	}
	/* A last label of digits is an address in somebody's eyes. */
	return strspn(label, "0123456789") != n &&
	    !(label[0] == '0' && (label[1] | 0x20) == 'x');
}

static int
is_loopback(const struct conf_url *u)
{
	struct in_addr	 in;
	struct in6_addr	 in6;

	if (u->is_ipv6)
		return inet_pton(AF_INET6, u->host, &in6) == 1 &&
		    IN6_IS_ADDR_LOOPBACK(&in6);
	if (is_ipv4(u->host, &in))
		return ntohl(in.s_addr) >> 24 == 127;
	return strcasecmp(u->host, "localhost") == 0;
}

/* The host at *p, which is left behind it.  NULL or what is wrong. */
static const char *
parse_host(const char **p, struct conf_url *u)
{
	struct in6_addr	 in6;
	struct in_addr	 in;
	size_t		 n;

	u->is_ipv6 = **p == '[';
	if (u->is_ipv6) {
		n = strcspn(++*p, "]");
		if ((*p)[n] != ']')
			return "has a [ without a ]";
	} else
		n = strcspn(*p, ":/");
	if (n == 0)
		return "names no host";
	if (n >= sizeof(u->host))
		return "has a host name that is too long";
	memcpy(u->host, *p, n);
	u->host[n] = '\0';
	*p += n + (u->is_ipv6 ? 1 : 0);
	if (u->is_ipv6 ? inet_pton(AF_INET6, u->host, &in6) != 1 :
	    !is_ipv4(u->host, &in) && !is_hostname(u->host))
		return "has a host that is neither a name nor an address";
	return NULL;
}

static const char *
parse_port(const char **p, struct conf_url *u)
{
	const char	*errstr;
	char		 digits[6];
	size_t		 n;

	u->port = u->is_tls ? 443 : 80;
	if (**p != ':')
		return NULL;
	n = strspn(++*p, "0123456789");
	if (n == 0 || n >= sizeof(digits))
		return "has a port that is not from 1 to 65535";
	memcpy(digits, *p, n);
	digits[n] = '\0';
	u->port = (uint16_t)strtonum(digits, 1, 65535, &errstr);
	if (errstr != NULL)
		return "has a port that is not from 1 to 65535";
	*p += n;
	return NULL;
}

/* RFC 3986, 3.3, without escapes and dot segments. */
static const char *
check_path(const char *path)
{
	const char	*p, *next;

	if (*path != '\0' && *path != '/')
		return "has something between host and path";
	for (p = path; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) &&
		    strchr("/-._~", *p) == NULL)
			return "has a path with other characters than "
			    "letters, digits, / - . _ ~";
	for (p = path; (p = strchr(p, '/')) != NULL; p = next) {
		next = ++p;
		if (*p == '/' || strncmp(p, "./", 2) == 0 ||
		    strncmp(p, "../", 3) == 0 || strcmp(p, ".") == 0 ||
		    strcmp(p, "..") == 0)
			return "has an empty or a dot segment in its path";
	}
	return NULL;
}

const char *
conf_url_parse(const char *url, const char *scheme, struct conf_url *u)
{
	const char	*p, *why;
	size_t		 n;

	memset(u, 0, sizeof(*u));
	n = strlen(scheme);
	if (strncmp(url, scheme, n) != 0)
		return "has another scheme";
	p = url + n;
	if (*p == 's') {
		u->is_tls = 1;
		p++;
	}
	if (strncmp(p, "://", 3) != 0)
		return "has another scheme";
	p += 3;
	if (strpbrk(p, "@") != NULL)
		return "holds a user name or an @";
	if (strpbrk(p, "?#") != NULL)
		return "has a query or a fragment";
	if ((why = parse_host(&p, u)) != NULL ||
	    (why = parse_port(&p, u)) != NULL || (why = check_path(p)) != NULL)
		return why;
	if (strlcpy(u->path, p, sizeof(u->path)) >= sizeof(u->path))
		return "is too long";
	u->is_loopback = is_loopback(u);
	return NULL;
}
