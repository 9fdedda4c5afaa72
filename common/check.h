/*
 * Findings of a check, collected so that all are shown and not only the
 * first, and the check of what the allowlist names.  For chatopsd -n and
 * chatopsctl policy check.
 */
#ifndef CHATOPS_CHECK_H
#define CHATOPS_CHECK_H

#include <stddef.h>

#include "allowlist.h"
#include "conf.h"
#include "json.h"
#include "safepath.h"

#define FINDINGS_MAX	1000	/* more are counted, not kept */

struct findings {
	char	**lines;
	size_t	  n;		/* lines kept */
	size_t	  more;		/* lines dropped */
};

void	 findings_add(struct findings *, const char *, ...)
	    __attribute__((__format__(printf, 2, 3)));
void	 findings_clear(struct findings *);

/*
 * Add "file:line:column: path: text: remedy" for a value of that file; the
 * place is left out where file is NULL or has no such value.
 */
void	 findings_add_at(struct findings *, const struct json_file *,
	    const char *path, const struct safe_error *);
void	 findings_add_json(struct findings *, const struct json_error *);

/*
 * Parse the allowlist that conf names and look at every script's file:
 * owner and modes of the file and of every folder above it, executable, and
 * the digest where one is given.  Warnings of the parser go to warnings.
 * Returns the number of scripts, or -1 when it could not be parsed.
 */
long	 check_allowlist(const struct conf *, struct findings *errors,
	    struct findings *warnings);

#endif
