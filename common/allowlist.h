/*
 * script-allowlist.json: the scripts that exist.  Executor and runner each
 * parse their own copy from their own descriptor; a script's number is its
 * place in the file, and numbers are only good within one generation.
 */
#ifndef CHATOPS_ALLOWLIST_H
#define CHATOPS_ALLOWLIST_H

#include <stdint.h>

#include "conf.h"
#include "json.h"
#include "msg.h"

enum level {
	LEVEL_BANNED,
	LEVEL_USER,
	LEVEL_OPERATOR,
	LEVEL_ADMIN
};
const char	*level_name(enum level);
int		 level_parse(const char *);	/* -1: no such level */

enum arg_type {
	ARG_STRING,
	ARG_NUMBER,
	ARG_INTEGER,
	ARG_BOOLEAN,
	ARG_ENUM
};

struct argument {
	char		*name;
	char		*description;
	enum arg_type	 type;
	char		*regex;		/* PCRE2 source, or NULL */
	void		*code;		/* pcre2_code *, anchored both ends */
	int		 has_min, has_max;
	double		 min, max;
	uint32_t	 length;	/* most characters; default 256 */
	char		**values;
	size_t		 nvalues;
	int		 required;
	char		*fallback;	/* "default", as text, or NULL */
	int		 secret;
	int		 allow_leading_dash;
};

struct script {
	char		*name;
	char		*path;		/* as written */
	char		*description;
	char		**examples;
	size_t		 nexamples;
	int		 enabled;
	int		 has_sha256;
	uint8_t		 sha256[32];
	enum level	 level;		/* requiredPermission */
	char		**flags;	/* requiredFlags */
	size_t		 nflags;
	char		**channels;	/* allowedChannels as written */
	size_t		 nchannels;	/* 0: anywhere */
	int64_t		 timeout_ms;
	int		 async;
	struct argument	*args;		/* in schema order */
	size_t		 nargs;
	int		 named;		/* argumentStyle: named */
	char		**env_names;	/* environment, in file order */
	char		**env_values;
	size_t		 nenv;
	uint32_t	 concurrency_max;	/* 1 */
	uint32_t	 concurrency_queue;	/* 10 */
	struct conf_rate rate;
	char		**dry_run;	/* words to append, or NULL */
	size_t		 ndry_run;
};

struct allowlist_name {
	const char	*name;
	uint32_t	 number;
};

struct allowlist {
	struct script	*scripts;
	size_t		 n;
	struct allowlist_name	*by_name;	/* n of them, sorted */
	char		**warnings;	/* e.g. a script any user may run */
	size_t		 nwarnings;
};

/* 0, or -1 with *e; *out is then NULL. */
int	 allowlist_parse(struct allowlist **out, const struct json_file *,
	    struct json_error *);
void	 allowlist_free(struct allowlist *);
/* Number of the script of that name, or -1.  O(log n). */
long	 allowlist_find(const struct allowlist *, const char *name);
/* 1 when the name is a built-in command and so no script's. */
int	 builtin_is_name(const char *);

/*
 * Arguments as typed (words after the command's name) against the schema.
 *
 * out: argv[1] and on as the script gets them, in the style it asked for,
 * dry-run words appended when dry_run.  json: canonical JSON object in
 * schema order, JSON types kept, secret values replaced by
 * "hmac-sha256:<hex>" under key.  secrets: the plain secret values, NUL
 * separated, for masking output (may be empty).
 * 0, or -1 with one sentence for the user in why, naming the argument.
 */
struct arguments {
	struct words	 out;
	struct words	 secrets;
	char		 json[JSON_SIZE];
	char		 why[512];
};
int	 arguments_check(const struct script *, const struct words *typed,
	    int dry_run, const uint8_t key[32], struct arguments *);
/* "deploy service=<api-server|web-app> environment=<staging|production>" */
void	 arguments_usage(const struct script *, char *, size_t);
/* The runner's second look: number of words and each word's bytes. */
int	 arguments_recheck(const struct script *, const struct words *,
	    char *why, size_t whylen);

#endif
