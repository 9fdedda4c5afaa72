/* A server's answer to the upgrade, RFC 6455 4.1 and RFC 9112. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>
#include <sodium.h>

#include "compat.h"
#include "log.h"
#include "websocket.h"

#define WS_GUID		"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"	/* 1.3 */

void
ws_accept(const char *key, char *accept, size_t size)
{
	uint8_t	 digest[EVP_MAX_MD_SIZE];
	char	 text[WS_KEY_SIZE + sizeof(WS_GUID)];

	(void)snprintf(text, sizeof(text), "%s%s", key, WS_GUID);
	/* SHA-1 is what RFC 6455 4.2.2 names; it guards nothing here */
	if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha1(), NULL) !=
	    1)
		fatalx("no SHA-1 in the crypto library");
	if (sodium_bin2base64(accept, size, digest, 20,
	    sodium_base64_VARIANT_ORIGINAL) == NULL)
		fatalx("sodium_bin2base64");
}

/* Is token one of the comma-separated words of value?  RFC 9110 5.6.1. */
static int
has_token(const char *value, const char *token)
{
	size_t	 n, len = strlen(token);

	while (*value != '\0') {
		value += strspn(value, " \t,");
		n = strcspn(value, ",");
		while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
			n--;
		if (n == len && strncasecmp(value, token, n) == 0)
			return 1;
		value += strcspn(value, ",");
	}
	return 0;
}

static void
answer_field(struct ws_answer *a, const char *name, const char *value,
    const char *accept)
{
	const char	*errstr;
	long long	 s;

	if (strcasecmp(name, "Upgrade") == 0)
		a->upgrade |= strcasecmp(value, "websocket") == 0;
	else if (strcasecmp(name, "Connection") == 0)
		a->connection |= has_token(value, "Upgrade");
	else if (strcasecmp(name, "Sec-WebSocket-Accept") == 0) {
		a->accepts++;
		a->accepted = strcmp(value, accept) == 0;
	} else if (strcasecmp(name, "Sec-WebSocket-Extensions") == 0)
		a->extension = 1;
	else if (strcasecmp(name, "Sec-WebSocket-Protocol") == 0)
		a->protocol = 1;
	else if (strcasecmp(name, "Retry-After") == 0) {
		s = strtonum(value, 0, 86400, &errstr);
		if (errstr == NULL)
			a->retry_after = s;
	} else if (strcasecmp(name, "Location") == 0)
		(void)strlcpy(a->location, value, sizeof(a->location));
}

/* One line, NUL in place of its end.  0, or -1 when it is malformed. */
static int
answer_line(struct ws_answer *a, char *line, const char *accept)
{
	char	*value, *end, *p;

	for (p = line; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 && *p != '\t')
			return -1;
	/* no folded lines, no blank before the colon: RFC 9112 5.1, 5.2 */
	if ((value = strchr(line, ':')) == NULL || value == line ||
	    strcspn(line, " \t") < (size_t)(value - line))
		return -1;
	*value++ = '\0';
	value += strspn(value, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	answer_field(a, line, value, accept);
	return 0;
}

static int
answer_status(struct ws_answer *a, const char *line)
{
	if (strncmp(line, "HTTP/1.1 ", 9) != 0 ||
	    !isdigit((unsigned char)line[9]) ||
	    !isdigit((unsigned char)line[10]) ||
	    !isdigit((unsigned char)line[11]) ||
	    (line[12] != ' ' && line[12] != '\0'))
		return -1;
	a->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 +
	    (line[11] - '0');
	return 0;
}

/* The whole head, with its empty line cut off.  0, or -1. */
int
ws_answer_parse(struct ws_answer *a, char *head, const char *accept)
{
	char		*line, *end;
	unsigned int	 n;

	memset(a, 0, sizeof(*a));
	a->retry_after = -1;
	for (n = 0, line = head; line != NULL; n++, line = end) {
		if (n > WS_HEADER_LINES)
			return -1;
		if ((end = strstr(line, "\r\n")) != NULL) {
			*end = '\0';
			end += 2;
		}
		if ((n == 0 ? answer_status(a, line) :
		    answer_line(a, line, accept)) == -1)
			return -1;
	}
	return 0;
}
