/* A checked address of the server: http(s) or ws(s). */
#ifndef CHATOPS_CONF_URL_H
#define CHATOPS_CONF_URL_H

#include <stdint.h>

#include "conf.h"

struct conf_url {
	int		 is_tls;
	int		 is_ipv6;	/* host is an address, no brackets */
	int		 is_loopback;
	char		 host[256];
	uint16_t	 port;		/* the scheme's when not given */
	char		 path[CONF_URL_SIZE];	/* "" or "/..." */
};

/*
 * scheme is "http" or "ws"; an s behind it is taken for TLS.  NULL, or what
 * is wrong, to be read behind the member's name ("names no host").
 */
const char	*conf_url_parse(const char *url, const char *scheme,
		    struct conf_url *);

#endif
