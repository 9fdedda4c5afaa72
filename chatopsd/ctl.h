/* What the files of chatopsctl(8) share. */
#ifndef CHATOPS_CTL_H
#define CHATOPS_CTL_H

#include <stddef.h>

#include "conf.h"
#include "msg.h"

/* Exit statuses; see chatopsctl(8). */
#define CTL_OK		0
#define CTL_FAILED	1	/* refused, failed, or nobody there */
#define CTL_USAGE	2

/* Bounds on what a daemon (or what pretends to be one) may make us keep. */
#define CTL_ROWS_MAX	100000
#define CTL_BYTES_MAX	(64 * 1024 * 1024)
#define CTL_CONNECT_MS	30000	/* until connected; until greeted */
#define CTL_TIMEOUT_MS	60000	/* for each message of the answer */

struct ctl {
	const char	*conf_path;
	int		 conf_given;	/* -f */
	int		 json;
	struct conf	 conf;
	int		 has_conf;
	char		 run[CONF_PATH_SIZE];	/* folder of the socket */
};

/* One answer: rows of JSON, the exit status, and why not. */
struct ctl_answer {
	char	**rows;
	size_t	  n;
	size_t	  bytes;
	int	  exit;
	char	  error[ERROR_SIZE];
};
void	 ctl_answer_free(struct ctl_answer *);

/*
 * ctl_client.c: connect to the daemon's socket within that many
 * milliseconds.  -1 with errno, EAGAIN where nobody takes the call.  Then ask:
 * words as one request, the rows into *a.  0, or -1 with a->error where the
 * other side is not a chatopsd of this build, breaks the rules, closes early
 * or is silent for too long.  The descriptor is consumed.
 */
int	 ctl_connect(const char *run, int ms);
int	 ctl_ask(int fd, const struct words *, struct ctl_answer *);

enum ctl_form {
	CTL_JSON,		/* one object a line */
	CTL_TABLE,		/* rows of one kind, aligned */
	CTL_BLOCKS		/* names and values; tables where rows agree */
};

/* ctl_print.c */
void	 ctl_print(const struct ctl_answer *, enum ctl_form);
/*
 * Into out what a terminal may be sent of a text: valid UTF-8 without
 * controls and without what reorders or hides; all else as \xNN.
 */
void	 ctl_escape(char *out, size_t size, const char *);

/* The whole way: connect, ask, print, say what went wrong.  Exit status. */
int	 ctl_request(const struct ctl *, int argc, char **argv);

/* ctl_bootstrap.c: bootstrap-admin USERID USERNAME. */
int	 ctl_bootstrap(struct ctl *, int argc, char **argv);
/* ctl_policy.c: policy check [FILE]. */
int	 ctl_policy_check(const struct ctl *, const char *file);

/*
 * ctl_audit.c: "audit verify|head|tail"; argv[0] is the word after "audit".
 * conf is NULL where there is no readable configuration.  Exit status.
 */
int	 ctl_audit(const struct conf *, int argc, char **argv, int json);

#endif
