/*
 * Opening what the daemon believes in.  A file is only as good as every
 * folder above it: each must belong to root or to the caller and be
 * writable by nobody else.  Sticky folders of root's (/tmp) are fine, for
 * there nobody moves what is not his.
 */
#ifndef CHATOPS_SAFEPATH_H
#define CHATOPS_SAFEPATH_H

#include <sys/types.h>

#define SAFE_DIR	0x01	/* a folder; without: a regular file */
#define SAFE_PRIVATE	0x02	/* no rights at all for group and others */
#define SAFE_FOLLOW	0x04	/* a last symbolic link may be followed */
#define SAFE_EXEC	0x08	/* executable by its owner */

#define SAFE_NOBODY	((uid_t)-1)

/* Why not, where, and what helps. */
struct safe_error {
	int	 error;		/* errno where a call failed, else 0 */
	char	 text[2400];	/* "/a/b: group or others may write it …" */
	char	 remedy[2400];	/* "chmod go-w /a/b", or "" */
};

/*
 * Open the absolute path for reading.  other may own it, and the folders
 * above it, as well; SAFE_NOBODY: nobody but root and the caller.  The
 * descriptor is CLOEXEC and belongs to the caller; -1 and *e otherwise.
 */
int	 safe_open(const char *, int flags, uid_t other, struct safe_error *);

/*
 * The role's own folder: belongs to uid, private (0700).  Where it is
 * missing it is made so, if make is set; else a missing one is an error
 * with ENOENT.  The folders above are checked as by safe_open(), and made
 * (0755, the caller's) where they are missing.
 */
int	 safe_folder(const char *, mode_t, uid_t, gid_t, uid_t other, int make,
	    struct safe_error *);

#endif
