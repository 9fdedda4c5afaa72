/*
 * What the parent opens, checks and hands out.
 */
#ifndef CHATOPS_PARENT_FILES_H
#define CHATOPS_PARENT_FILES_H

#include <sys/types.h>

#include "check.h"
#include "conf.h"
#include "msg.h"

struct parent_user {
	uid_t	 uid;
	gid_t	 gid;
};

struct parent_files {
	char			 path[CONF_PATH_SIZE];	/* bot.config.json */
	struct conf		 conf;
	struct parent_user	 user[ROLE_COUNT];
	int			 lock;		/* held as long as we live */
	int			 run_dir;
	int			 allow_dir;	/* folder of the allowlist */
	int			 fd[FILE_COUNT];	/* until handed out */
};

/* path may be relative.  0, or -1 with findings. */
int	 files_load(struct parent_files *, const char *path,
	    struct findings *);
/*
 * Owner and mode of every folder and file that the configuration names;
 * nothing is made.  Missing folders that would be made are no finding.
 * 0, or -1 where the allowlist cannot be opened, which is then a finding.
 */
int	 files_check(struct parent_files *, struct findings *);
/*
 * Make the folders that are missing, take the lock, make the control
 * socket, open everything.  0, or -1 with findings.
 */
int	 files_open(struct parent_files *, struct findings *);
/* Closes what was not handed out and wipes the token. */
void	 files_close(struct parent_files *);
/*
 * A descriptor of that kind to hand to a child, which the caller then owns;
 * -1 where there is none (an optional one) or, with why set, it failed.
 */
int	 files_take(struct parent_files *, enum file_kind, char *why,
	    size_t whylen);
/* The token, once the network process has it. */
void	 files_wipe_token(struct parent_files *);
/* Removes the control socket, if that is still permitted. */
void	 files_remove_socket(struct parent_files *);

#endif
