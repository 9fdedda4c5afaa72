/* The names of the built-in commands, which no script may take. */
#include <stdlib.h>
#include <string.h>

#include "allowlist.h"
#include "compat.h"

/* In the order of strcmp(3). */
static const char *const	 names[] = {
	"ack", "adduser", "approve", "audit", "ban", "bans", "cancel",
	"chattr", "deluser", "deny", "explain", "freeze", "grant", "help",
	"job", "jobs", "locks", "output", "pending", "ping", "reload", "run",
	"scripts", "status", "thaw", "unban", "users", "whoami", "whois"
};

static int
name_cmp(const void *key, const void *name)
{
	return strcmp(key, *(const char *const *)name);
}

int
builtin_is_name(const char *name)
{
	return bsearch(name, names, nitems(names), sizeof(names[0]),
	    name_cmp) != NULL;
}
