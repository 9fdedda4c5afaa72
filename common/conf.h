/*
 * bot.config.json: parsed, checked and completed with defaults.  The parent
 * reads the file and hands every child a copy without the token.
 */
#ifndef CHATOPS_CONF_H
#define CHATOPS_CONF_H

#include <stdint.h>

#include "json.h"

#define CONF_PATH_SIZE	1024
#define CONF_URL_SIZE	512

struct conf_rate {
	uint32_t	 count;		/* 0: no limit */
	int64_t		 per_ms;
};

struct conf {
	/* mattermost */
	char	 url[CONF_URL_SIZE];		/* no trailing slash */
	char	 websocket_url[CONF_URL_SIZE];	/* derived when absent */
	char	 token[128];			/* wiped where it may not be */
	char	 token_file[CONF_PATH_SIZE];
	char	 ca_file[CONF_PATH_SIZE];
	char	 team[65];

	char	 prefix[9];			/* default "!" */

	/* paths, all absolute after conf_parse() */
	char	 base[CONF_PATH_SIZE];
	char	 allowlist[CONF_PATH_SIZE];
	char	 data[CONF_PATH_SIZE];
	char	 logs[CONF_PATH_SIZE];
	char	 keys[CONF_PATH_SIZE];		/* default <logs>/keys */
	char	 run[CONF_PATH_SIZE];
	char	 secrets[CONF_PATH_SIZE];

	/* users, only used when started as root */
	char	 user_network[33];		/* default _chatopsnet */
	char	 user_executor[33];		/* _chatopsexec */
	char	 user_runner[33];		/* _chatopsrun */
	char	 user_audit[33];		/* _chatopsaudit */

	/* limits */
	int64_t	 message_age_ms;		/* 60 s */
	struct conf_rate user_rate;		/* 20 per minute */
	struct conf_rate global_rate;		/* 120 per minute */
	uint32_t max_jobs;			/* running at once: 8 */
	uint32_t max_queue;			/* waiting at once: 64 */
	uint64_t output_max;			/* kept bytes of a job: 1 MiB */
	int64_t	 stop_timeout_ms;		/* 10 s */
	int64_t	 cancel_grace_ms;		/* TERM to KILL: 10 s */

	/* what a script sees */
	char	 script_home[CONF_PATH_SIZE];	/* HOME: /tmp */
	char	 script_user[33];		/* USER: chatops */

	char	 audit_origin[129];		/* "": made at genesis */
	int	 allow_unconfined;
};

/*
 * Parse and check.  dir is the folder of the file: relative paths start
 * there.  token and tokenFile may both be absent, for a child's copy has
 * neither.  0, or -1 with *e.
 */
int	 conf_parse(struct conf *, const struct json_file *, const char *dir,
	    struct json_error *);
/*
 * Open path without following a last symlink, insist on mode 0600 or
 * stricter and on root or the caller as owner, parse.  Fills token from
 * token or tokenFile (same rules) when it is wanted: chatopsctl has no use
 * for it.
 */
int	 conf_load(struct conf *, const char *path, int with_token,
	    struct json_error *);
/* The JSON that a child gets: everything but the token; caller frees. */
char	*conf_dump(const struct conf *);
void	 conf_wipe(struct conf *);

#endif
