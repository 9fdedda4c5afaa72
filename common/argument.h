/*
 * One argument of a script: its schema as the allowlist has it, and one
 * value against it.  Used by allowlist.c and arguments.c only.
 */
#ifndef CHATOPS_ARGUMENT_H
#define CHATOPS_ARGUMENT_H

#include "allowlist.h"
#include "json_in.h"

#define ARGUMENTS_MAX		32	/* of one script */
#define DRY_RUN_MAX		16	/* words; both fit into WORDS_MAX */
#define ARGUMENT_LENGTH_MAX	4096	/* characters of a value */

/*
 * Read the schema v of the argument with that name.  0, or -1 with the
 * error in in; argument_clear() may be called either way.
 */
int	 argument_read(struct json_in *, const char *name, const json_t *v,
	    struct argument *);
void	 argument_clear(struct argument *);

/*
 * 0, or -1 and what is wrong with it, to be read behind the argument's name
 * ("is not an integer").  The value itself is never repeated: it may be a
 * secret.
 */
int	 argument_check(const struct argument *, const char *value, char *why,
	    size_t whylen);
/* ^[a-zA-Z][a-zA-Z0-9_-]*$, at most 64: the length, or 0. */
size_t	 argument_name_len(const char *);

/*
 * Read an array of strings of 1 to len bytes into a fresh list of at most
 * max.  bad says what is wrong with one, or NULL; unique refuses a second
 * one of the same.  The list is the caller's also after an error.
 */
int	 argument_list(struct json_in *, const json_t *v, size_t max,
	    size_t len, const char *(*bad)(const char *), int unique,
	    char ***list, size_t *n);
void	 argument_list_free(char **, size_t);

#endif
