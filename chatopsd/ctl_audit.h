/* What the files of "chatopsctl audit" share. */
#ifndef CHATOPS_CTL_AUDIT_H
#define CHATOPS_CTL_AUDIT_H

#include <stddef.h>

#include "conf.h"
#include "verify.h"

#define CTL_FILES_MAX	4096		/* segments of one log */

/*
 * The files of the log: those given, or the segments and the active file of
 * the configured folder.  Opened, sizes taken.  How many, or -1 (told).
 */
int	 ctl_audit_files(const struct conf *, char **, int,
	    struct verify_file **);
void	 ctl_audit_close(struct verify_file *, int);

/* A row of the executor's: the last line of a log that it knows. */
struct ctl_anchor {
	char			 origin[AUDIT_ORIGIN_SIZE];
	struct verify_anchor	 a;
};

/*
 * The executor's anchors, the newest first, from a copy of the database, for
 * the daemon keeps it locked.  How many, or -1 with the cause in why.
 */
int	 ctl_audit_db(const char *path, struct ctl_anchor *, int max,
	    char *why, size_t);

/* ctl_verify.c: options and files behind "verify"; exit status. */
int	 ctl_verify(const struct conf *, int argc, char **argv, int json);

/* A name for a terminal; the buffer lives until the next but three calls. */
const char	*ctl_safe(const char *);

#endif
