/*
 * The executor's database: <data>/bot.db, SQLite in WAL mode, one owner.
 *
 * Opened by a name relative to the data folder, after fchdir(2): a confined
 * executor may open in that folder and nowhere else.  journal_mode=WAL,
 * synchronous=FULL, locking_mode=EXCLUSIVE, foreign_keys=ON, STRICT tables,
 * trusted_schema=OFF, a progress handler that bounds every statement, and
 * user_version as the number of the last migration.
 *
 * Every function that touches the database returns 0, or -1 with a sentence
 * in db_error(), unless it says otherwise; SQLITE_FULL, SQLITE_IOERR and the
 * like are ordinary errors: the caller refuses work and tries again with
 * the next command.  Rows that hold what no version of ours writes (a level
 * that does not exist, flags that are not a JSON array of names) are errors
 * that name table and key; they never become a default.
 *
 * Single calls are their own transaction.  Between db_begin() and
 * db_commit() several are one.  Times are wall clock, milliseconds since
 * 1970, except where a name ends in _mono.
 */
#ifndef EXECUTOR_DB_H
#define EXECUTOR_DB_H

#include <stddef.h>
#include <stdint.h>

#include "allowlist.h"
#include "buf.h"
#include "monotime.h"
#include "msg.h"

#define DB_FLAGS_MAX	32	/* custom flags of one user */
#define DB_REASON_SIZE	513	/* reason of a ban, 512 bytes */
#define DB_LIST_MAX	1000	/* rows of one listing */

struct db;

/*
 * Open or create.  dir_fd stays the caller's; the process's working folder
 * is that folder afterwards (-1: in memory).  Runs what migrations are
 * missing, compares the schema with what they make, then PRAGMA
 * integrity_check and foreign_key_check.  A database that is newer than this
 * program, damaged, has other tables, indices or triggers than ours, or is
 * locked by another owner is refused.  NULL with the reason in why.
 */
struct db	*db_open(int dir_fd, const char *name, char *why,
		    size_t whylen);
/* Checkpoints and closes; NULL is fine. */
void		 db_close(struct db *);
/* What the last failed call met, lower case, never NULL. */
const char	*db_error(const struct db *);

/* One transaction over several calls.  No nesting. */
int	 db_begin(struct db *);
int	 db_commit(struct db *);	/* rolls back when it fails */
void	 db_rollback(struct db *);	/* no-op outside a transaction */

/*
 * users: the seed's table.
 *
 * CREATE TABLE users (mattermost_id TEXT PRIMARY KEY, username TEXT NOT
 * NULL, permission_level TEXT NOT NULL, custom_flags TEXT, created_at
 * INTEGER NOT NULL, updated_at INTEGER NOT NULL)
 *
 * custom_flags is a JSON array of names or NULL.
 */
struct db_user {
	char		 id[ID_SIZE];
	char		 username[USERNAME_SIZE];	/* as last seen */
	enum level	 level;
	size_t		 nflags;
	char		 flags[DB_FLAGS_MAX][NAME_SIZE];	/* sorted */
	int64_t		 created_at;
	int64_t		 updated_at;
};

/* 1 found, 0 unknown (*u is then LEVEL_USER without flags, id set), -1. */
int	 db_user_get(struct db *, const char *id, struct db_user *u);
/* Insert or replace; created_at of an existing row is kept. */
int	 db_user_put(struct db *, const struct db_user *);
/* 1 removed, 0 there was none, -1. */
int	 db_user_delete(struct db *, const char *id);
/* Users of that level, or -1. */
int64_t	 db_user_count(struct db *, enum level);
/*
 * In the order of level (highest first), then name.  each returns non-zero
 * to stop.  At most DB_LIST_MAX rows, *more set when there were more (also
 * for the other listings; more may be NULL).  A callback must not write.
 */
int	 db_user_each(struct db *, int (*each)(const struct db_user *, void *),
	    void *, int *more);

/* bans: who may do nothing, until when, why and by whom. */
struct db_ban {
	char		 id[ID_SIZE];
	char		 username[USERNAME_SIZE];
	char		 reason[DB_REASON_SIZE];
	char		 by_id[ID_SIZE];	/* or "" (on the machine) */
	char		 by_name[USERNAME_SIZE];	/* name, or "uid 0" */
	int64_t		 created_at;
	int64_t		 expires_at;		/* 0: permanent */
};

/* 1 banned at that time, 0 not (an expired row is no ban), -1. */
int	 db_ban_get(struct db *, const char *id, int64_t now, struct db_ban *);
int	 db_ban_put(struct db *, const struct db_ban *);
int	 db_ban_delete(struct db *, const char *id);	/* 1, 0, -1 */
/* Those in force at that time, newest first. */
int	 db_ban_each(struct db *, int64_t now,
	    int (*each)(const struct db_ban *, void *), void *, int *more);

/*
 * audit_log: the seed's table of permission changes; the signed line with
 * the same content has number seq in the audit log.
 */
struct db_audit {
	int64_t		 id;			/* set by the insert */
	int64_t		 at;
	char		 actor_id[ID_SIZE];	/* "" (on the machine) */
	char		 actor_name[USERNAME_SIZE];	/* or "uid 0" */
	char		 action[NAME_SIZE];	/* "adduser", "chattr", … */
	char		 subject_id[ID_SIZE];	/* "" where there is none */
	char		 subject_name[USERNAME_SIZE];
	char		 detail[JSON_SIZE];	/* canonical JSON object */
	uint64_t	 seq;
	uint8_t		 line_hash[HASH_SIZE];
};

int	 db_audit_add(struct db *, struct db_audit *);
/* The last row about that subject: 1, 0 none, -1. */
int	 db_audit_last(struct db *, const char *subject_id, struct db_audit *);
/*
 * A row without a line: what chatopsctl wrote while no daemon ran (seq 0)
 * and no row with the line's number has followed: 1, 0 none, -1.
 */
int	 db_audit_pending(struct db *, struct db_audit *);
/* The last n rows, newest first. */
int	 db_audit_each(struct db *, size_t n,
	    int (*each)(const struct db_audit *, void *), void *);

/*
 * seen: every post that was taken as a command, whatever became of it.  The
 * row is durable before anything else is done with the post; that is what
 * makes a script start at most once per post.
 */
struct db_seen {
	char		 post_id[ID_SIZE];
	char		 execution_id[UUID_SIZE];	/* unique */
	char		 user_id[ID_SIZE];
	char		 channel_id[ID_SIZE];
	char		 root_id[ID_SIZE];	/* the thread; never "" */
	int64_t		 create_at;		/* server's word */
	int64_t		 seen_at;		/* our wall clock */
	int		 open;			/* 1: not dealt with yet */
};

/*
 * Claim, and move the position to min(max(position, create_at), limit) in
 * the same transaction (limit: the server's time now, so that one post from
 * the future does not hide the rest).  1 claimed, 0 seen before, -1.
 */
int	 db_claim(struct db *, const struct db_seen *, int64_t limit);
/* It has its answer, its refusal or its job. */
int	 db_seen_close(struct db *, const char *post_id);
/* Those still open, oldest first (after a restart: interrupted). */
int	 db_seen_open_each(struct db *,
	    int (*each)(const struct db_seen *, void *), void *, int *more);
/* 1, 0 none, -1. */
int	 db_seen_by_execution(struct db *, const char *execution_id,
	    struct db_seen *);
/*
 * Forget closed rows whose seen_at and create_at are both before that time
 * and that no job refers to; at most max of them.  Rows removed, or -1.
 */
int64_t	 db_seen_prune(struct db *, int64_t before, size_t max);

/*
 * jobs.  State names in the table are those of db_job_state_name().  Allowed
 * moves, enforced by a trigger as well (a move that is not here is an
 * error, so that no bug can take a state back):
 *
 *	(new) -> queued | running | done | dropped
 *	queued -> running | done | dropped
 *	running -> done
 *	done -> finished
 */
enum db_job_state {
	DBJOB_QUEUED,		/* waits for its turn; no intent written */
	DBJOB_RUNNING,		/* intent acknowledged; started or about to */
	DBJOB_DONE,		/* ended; result line not acknowledged yet */
	DBJOB_FINISHED,		/* result line acknowledged */
	DBJOB_DROPPED,		/* never started, no intent: cancelled … */
	DBJOB_STATE_COUNT
};
const char	*db_job_state_name(enum db_job_state);

enum db_job_told {		/* is the result where people see it? */
	DBJOB_UNTOLD,
	DBJOB_TOLD,
	DBJOB_TOLD_FAILED,	/* could not be delivered */
	DBJOB_TOLD_COUNT
};

struct db_job {
	uint64_t	 id;			/* 1 and up, never reused */
	char		 execution_id[UUID_SIZE];
	char		 post_id[ID_SIZE];	/* the command; unique */
	char		 user_id[ID_SIZE];
	char		 username[USERNAME_SIZE];
	char		 channel_id[ID_SIZE];
	char		 root_id[ID_SIZE];	/* thread of the answers */
	char		 status_post[ID_SIZE];	/* the job's post, or "" */
	char		 script[NAME_SIZE];
	char		 arguments[JSON_SIZE];	/* as in the log: no secrets */
	int		 dry_run;
	enum db_job_state state;
	enum db_job_told told;
	int64_t		 created_at;
	int64_t		 started_at;		/* 0: did not */
	int64_t		 ended_at;		/* 0: not yet */
	uint64_t	 intent_seq;		/* once running */
	uint8_t		 intent_hash[HASH_SIZE];
	uint64_t	 result_seq;		/* once finished */
	uint8_t		 result_hash[HASH_SIZE];
	/* from done on */
	int		 unknown;		/* outcome unknown: crash */
	enum job_end	 how;
	int		 exit_code;		/* 128+n after signal n,
						   -1: there is none */
	int		 signal;
	int64_t		 duration_ms;
	uint64_t	 user_us;
	uint64_t	 system_us;
	uint64_t	 maxrss_kb;
	char		 error[ERROR_SIZE];
	uint64_t	 output_len;		/* bytes stored */
	uint64_t	 output_dropped;	/* bytes that did not fit */
};

/* Number that the next new job gets (one above the largest ever), or 0. */
uint64_t db_job_next(struct db *);
/* Insert or update by id: all columns but the output. */
int	 db_job_put(struct db *, const struct db_job *);
/* The output, cleaned and masked; replaces what is there. */
int	 db_job_put_output(struct db *, uint64_t id, const void *, size_t);
/* Appends to out (up to its ceiling): 1, 0 no such job, -1. */
int	 db_job_get_output(struct db *, uint64_t id, struct buf *out);
int	 db_job_get(struct db *, uint64_t id, struct db_job *);	/* 1, 0, -1 */
/*
 * Which: user_id NULL for everybody; states and tolds are sets of bits
 * (1 << value), 0 for all; newest first, at most n (1 to DB_LIST_MAX).
 */
int	 db_job_each(struct db *, const char *user_id, uint32_t states,
	    uint32_t tolds, size_t n,
	    int (*each)(const struct db_job *, void *), void *);
/*
 * Bound what is kept: outputs of jobs that ended before that time are
 * emptied, at most max.  Rows changed, or -1.
 */
int64_t	 db_job_prune_output(struct db *, int64_t before, size_t max);

/*
 * audit_anchor (origin TEXT PRIMARY KEY, seq INTEGER NOT NULL, line_hash
 * BLOB NOT NULL): the last line that auditd acknowledged.  Never goes back.
 */
struct db_anchor {
	char		 origin[129];
	uint64_t	 seq;
	uint8_t		 line_hash[HASH_SIZE];
};
int	 db_anchor_get(struct db *, const char *origin, struct db_anchor *);
/* A log of another origin, the longest: 1, 0 none, -1. */
int	 db_anchor_other(struct db *, const char *origin, struct db_anchor *);
/* 0; also when the row is further already (then nothing changes); -1. */
int	 db_anchor_put(struct db *, const struct db_anchor *);

/* settings: name and value. */
#define DB_HMAC_KEY_SIZE	32
/* Position in the message stream, server's ms; 0: never connected. */
int	 db_position_get(struct db *, int64_t *);
/* Only forwards; a smaller value is no error and changes nothing. */
int	 db_position_put(struct db *, int64_t);
/*
 * The key under which secret arguments are recorded.  Made from fresh (32
 * random bytes) when there is none yet.
 */
int	 db_hmac_key(struct db *, const uint8_t fresh[DB_HMAC_KEY_SIZE],
	    uint8_t key[DB_HMAC_KEY_SIZE]);

#endif
