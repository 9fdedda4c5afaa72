/* Where the server is: a configured address, as the connections need it. */
#ifndef CHATOPS_ORIGIN_H
#define CHATOPS_ORIGIN_H

#include "conf_url.h"

struct origin {
	struct conf_url	 url;
	char		 base[300];	/* http[s]://host:port */
	char		 field[300];	/* value of the Host field */
};

/*
 * scheme is "http" or "ws".  Without TLS the host must be a loopback
 * address or localhost.  NULL, or what is wrong.
 */
const char *origin_parse(struct origin *, const char *url,
	    const char *scheme);
/* Is that address, as text, one of this machine's loopback addresses? */
int	 origin_is_loopback(const char *address);
/* Length of the "scheme://host[:port]" that a URL begins with, or 0. */
size_t	 origin_length(const char *url);

#endif
