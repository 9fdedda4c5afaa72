/*
 * What the processes say to each other: types, who may say what to whom,
 * and one encoder and decoder that works from a table of fields.  See
 * msg.c for the two tables; they are the whole interface between the
 * processes.
 */
#ifndef CHATOPS_MSG_H
#define CHATOPS_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

enum role {
	ROLE_PARENT,
	ROLE_NETWORK,
	ROLE_EXECUTOR,
	ROLE_RUNNER,
	ROLE_AUDIT,
	ROLE_CTL,
	ROLE_COUNT
};

const char	*role_name(enum role);
/* The role of that name, or -1. */
int		 role_parse(const char *);

/*
 * A channel is set up first, then runs.  PHASE_SETUP of a channel between
 * parent and child is HELLO to READY; that of a control connection is
 * CTL_HELLO; channels between children have none and start in PHASE_RUN.
 */
enum msg_phase {
	PHASE_SETUP = 1,
	PHASE_RUN = 2
};

enum msg_type {
	MSG_NONE,

	/* parent <-> child */
	MSG_HELLO,		/* both ways, first: build id */
	MSG_PEER,		/* + fd: the channel to another child */
	MSG_FILE,		/* + fd: an opened and checked file or folder */
	MSG_DONE,		/* no more of these: confine yourself */
	MSG_READY,		/* confinement reached */
	MSG_CONF_FILE,		/* + fd: a new allowlist, step one */
	MSG_CONF_OK,
	MSG_CONF_ERR,
	MSG_CONF_COMMIT,	/* step two */
	MSG_CONF_ABORT,
	MSG_RELOAD,		/* executor asks for a reload */
	MSG_RELOAD_RESULT,
	MSG_STOP,		/* finish and exit with 0 */
	MSG_PROCESS,		/* to the executor, for status: one process */

	/* network <-> executor */
	MSG_COMMAND,
	MSG_REACTION,
	MSG_NET_STATE,
	MSG_CATCHUP,		/* executor: fetch what was missed since */
	MSG_CAUGHT_UP,
	MSG_LOOKUP_USER,
	MSG_USER,
	MSG_LOOKUP_CHANNEL,
	MSG_CHANNEL,
	MSG_LOOKUP_MEMBER,
	MSG_MEMBER,
	MSG_POST,
	MSG_PATCH,
	MSG_REACT,
	MSG_UPLOAD,		/* + fd: sealed memfd */
	MSG_NET_RESULT,		/* of POST, PATCH, REACT, UPLOAD */
	MSG_XOFF,
	MSG_XON,

	/* executor <-> runner */
	MSG_JOB_START,
	MSG_JOB_STARTED,	/* + fd: read end of its output */
	MSG_JOB_EXIT,
	MSG_JOB_KILL,

	/* executor <-> auditd */
	MSG_APPEND,
	MSG_ACK,
	MSG_AUDIT_STATE,
	MSG_DANGLING,		/* an intent without a result, at start */
	MSG_AUDIT_HEALTH,
	MSG_AUDIT_END,		/* orderly stop: write session-end */
	MSG_TAIL,
	MSG_TAIL_LINE,

	/* chatopsctl <-> executor */
	MSG_CTL_HELLO,
	MSG_CTL_REQUEST,
	MSG_CTL_ROW,
	MSG_CTL_END,

	MSG_COUNT
};

const char	*msg_name(enum msg_type);

/* Sizes with the NUL. */
#define ID_SIZE		27	/* Mattermost id: ^[a-z0-9]{26}$ */
#define UUID_SIZE	37
#define USERNAME_SIZE	65
#define NAME_SIZE	65	/* script, channel, team, flag */
#define EMOJI_SIZE	65
#define CHANNAME_SIZE	129
#define ERROR_SIZE	1025
#define COMMAND_SIZE	(16 * 1024 + 1)
#define POST_SIZE	(65532 + 1)	/* 16383 runes of four bytes */
#define JSON_SIZE	(32 * 1024 + 1)
#define LINE_SIZE	(64 * 1024)	/* an audit line with its NUL */
#define WORDS_MAX	64		/* words of one command */
#define HASH_SIZE	32

/* Words side by side, each with its NUL; n of them in len bytes. */
struct words {
	uint16_t	 n;
	uint32_t	 len;
	char		 data[COMMAND_SIZE + WORDS_MAX];
};
int		 words_add(struct words *, const char *, size_t);
/* Word i, or NULL past the end. */
const char	*words_get(const struct words *, size_t);

struct msg_hello {
	char		 build[65];
	uint8_t		 role;
};

struct msg_peer {
	uint8_t		 role;
};

enum file_kind {
	FILE_CONF,		/* the configuration, without the token */
	FILE_TOKEN,		/* network only */
	FILE_CA,		/* network only: extra authorities, PEM */
	FILE_CA_SYSTEM,		/* network only: the system's bundle */
	FILE_RESOLV,		/* network only: resolv.conf */
	FILE_HOSTS,		/* network only */
	FILE_ALLOWLIST,		/* executor, runner */
	FILE_BASE_DIR,		/* runner: relative script paths start here */
	FILE_DATA_DIR,		/* executor */
	FILE_CONTROL,		/* executor: listening socket */
	FILE_LOG_DIR,		/* auditd */
	FILE_KEY_DIR,		/* auditd */
	FILE_COUNT
};
const char	*file_kind_name(enum file_kind);
/* May a process of this role be given such a file? */
int		 file_kind_is_for(enum file_kind, enum role);

struct msg_file {
	uint8_t		 kind;
};

/* What a child reached; sent in READY and shown by status. */
#define CONFINED_NNP		0x01
#define CONFINED_SECCOMP	0x02
#define CONFINED_LANDLOCK	0x04
#define CONFINED_CAPS		0x08
#define CONFINED_DUMPABLE	0x10
#define CONFINED_RLIMITS	0x20
#define CONFINED_UID		0x40	/* a user of its own */
#define CONFINED_ALL		0x7f

struct msg_ready {
	uint32_t	 reached;	/* CONFINED_* */
	uint32_t	 landlock_abi;
	char		 note[ERROR_SIZE];	/* what is missing, or "" */
};

struct msg_conf {		/* CONF_*, RELOAD_RESULT */
	uint64_t	 generation;
	uint8_t		 ok;
	char		 error[ERROR_SIZE];
};

struct msg_process {
	uint8_t		 role;
	uint32_t	 pid;
	uint32_t	 reached;	/* CONFINED_* */
	uint32_t	 landlock_abi;
	char		 note[ERROR_SIZE];	/* as in READY */
};

struct msg_reload {
	char		 by[USERNAME_SIZE];
};

struct msg_command {
	char		 post_id[ID_SIZE];
	char		 root_id[ID_SIZE];	/* or "" */
	char		 user_id[ID_SIZE];
	char		 channel_id[ID_SIZE];
	char		 team_id[ID_SIZE];	/* or "" */
	char		 channel_name[CHANNAME_SIZE];
	uint8_t		 channel_type;		/* 'O' 'P' 'D' 'G' */
	uint8_t		 missed;		/* found by catch-up */
	int64_t		 create_at;		/* ms, server's word */
	int64_t		 received;		/* ms, our wall clock */
	char		 text[COMMAND_SIZE];
};

struct msg_reaction {
	char		 post_id[ID_SIZE];
	char		 user_id[ID_SIZE];
	char		 channel_id[ID_SIZE];
	char		 emoji[EMOJI_SIZE];
	uint8_t		 added;
};

enum net_state {
	NET_DOWN,		/* waiting to try again */
	NET_CONNECTING,
	NET_CONNECTED,
	NET_REFUSED,		/* 401: token or account */
	NET_STATE_COUNT
};

struct msg_net_state {
	uint8_t		 state;
	char		 bot_id[ID_SIZE];	/* "" until known */
	char		 bot_name[USERNAME_SIZE];
	char		 server_version[NAME_SIZE];
	uint32_t	 max_post;		/* runes */
	uint64_t	 max_file;		/* bytes; 0: no attachments */
	int64_t		 skew;			/* ms, server - ours */
	uint32_t	 rtt;			/* ms of the last ping */
	char		 why[ERROR_SIZE];
};

struct msg_catchup {
	int64_t		 since;			/* ms */
};

struct msg_caught_up {
	int64_t		 until;			/* ms */
	uint32_t	 posts;
	uint8_t		 complete;		/* 0: a bound was reached */
};

enum lookup_status {
	LOOKUP_OK,
	LOOKUP_MISSING,
	LOOKUP_FAILED,		/* the server could not be asked */
	LOOKUP_STATUS_COUNT
};

struct msg_lookup_user {
	uint8_t		 by_name;
	char		 key[USERNAME_SIZE];
};

#define USER_DELETED	0x01
#define USER_BOT	0x02
#define USER_GUEST	0x04
#define USER_REMOTE	0x08
#define USER_FLAGS	0x0f

struct msg_user {
	uint8_t		 status;
	char		 id[ID_SIZE];
	char		 username[USERNAME_SIZE];
	uint32_t	 flags;
};

struct msg_lookup_channel {
	char		 id[ID_SIZE];		/* or "" and by name: */
	char		 team[NAME_SIZE];	/* name or id; "": configured */
	char		 name[NAME_SIZE];
};

#define CHANNEL_DELETED	0x01
#define CHANNEL_SHARED	0x02
#define CHANNEL_FLAGS	0x03

struct msg_channel {
	uint8_t		 status;
	char		 id[ID_SIZE];
	char		 team_id[ID_SIZE];
	char		 name[CHANNAME_SIZE];
	uint8_t		 type;
	uint32_t	 flags;
};

struct msg_lookup_member {
	char		 channel_id[ID_SIZE];
	char		 user_id[ID_SIZE];
};

struct msg_member {
	uint8_t		 status;
	uint8_t		 guest;
};

struct msg_post {
	char		 channel_id[ID_SIZE];
	char		 root_id[ID_SIZE];	/* or "" */
	char		 file_id[ID_SIZE];	/* or "" */
	char		 text[POST_SIZE];
};

struct msg_patch {
	char		 post_id[ID_SIZE];
	char		 text[POST_SIZE];
};

struct msg_react {
	char		 post_id[ID_SIZE];
	char		 emoji[EMOJI_SIZE];
	uint8_t		 add;
};

struct msg_upload {
	char		 channel_id[ID_SIZE];
	char		 name[NAME_SIZE];
	uint64_t	 size;
};

enum net_result {
	RESULT_OK,
	RESULT_REFUSED,		/* the server will not: do not repeat */
	RESULT_FAILED,		/* retries are used up */
	RESULT_COUNT
};

struct msg_net_result {
	uint8_t		 result;
	uint16_t	 http;			/* 0: no answer */
	char		 id[ID_SIZE];		/* post or file, or "" */
	char		 error[ERROR_SIZE];	/* the server's error id */
};

struct msg_job_start {
	uint64_t	 job;
	uint32_t	 script;		/* number in the allowlist */
	uint64_t	 generation;
	char		 execution_id[UUID_SIZE];
	char		 user_id[ID_SIZE];
	char		 username[USERNAME_SIZE];
	char		 channel_id[ID_SIZE];
	struct words	 words;			/* argv[1] and on */
};

struct msg_job_started {
	uint64_t	 job;
};

enum job_end {
	JOB_END_EXITED,
	JOB_END_SIGNALED,
	JOB_END_TIMEOUT,
	JOB_END_CANCELLED,
	JOB_END_SHUTDOWN,
	JOB_END_REFUSED,	/* never ran: step and error say why */
	JOB_END_COUNT
};

struct msg_job_exit {
	uint64_t	 job;
	uint8_t		 how;
	uint8_t		 status;		/* exit status */
	uint8_t		 signal;		/* that ended it, or 0 */
	uint64_t	 wall_ms;
	uint64_t	 user_us;
	uint64_t	 system_us;
	uint64_t	 maxrss_kb;
	char		 step[NAME_SIZE];
	char		 error[ERROR_SIZE];
};

enum kill_reason {
	KILL_TIMEOUT,
	KILL_CANCEL,
	KILL_SHUTDOWN,
	KILL_COUNT
};

struct msg_job_kill {
	uint64_t	 job;
	uint8_t		 reason;
};

enum audit_event {
	AUDIT_GENESIS,
	AUDIT_SESSION_START,
	AUDIT_SESSION_END,
	AUDIT_INTENT,
	AUDIT_EXECUTION,
	AUDIT_PERMISSION,
	AUDIT_DENIED,
	AUDIT_SEGMENT_START,
	AUDIT_PRUNE,
	AUDIT_RECOVERY,
	AUDIT_LOG_KEY,
	AUDIT_EVENT_COUNT
};

/*
 * The executor may append intent, execution, permission and denied only;
 * auditd writes the others by itself.  "" stands for a member that does not
 * apply and becomes null; arguments and detail are canonical JSON objects.
 */
struct msg_append {
	uint8_t		 event;
	char		 execution_id[UUID_SIZE];
	char		 script_name[NAME_SIZE];
	char		 arguments[JSON_SIZE];
	char		 user_id[ID_SIZE];
	char		 channel_id[ID_SIZE];
	uint8_t		 has_result;		/* the next three apply */
	uint8_t		 success;
	int32_t		 exit_code;
	int64_t		 duration_ms;
	char		 error[8193];
	char		 detail[JSON_SIZE];
};

struct msg_ack {
	uint8_t		 ok;
	uint64_t	 seq;
	uint8_t		 line_hash[HASH_SIZE];
	uint8_t		 previous_hash[HASH_SIZE];
	char		 error[ERROR_SIZE];	/* when not ok */
};

#define MSG_RECENT	64

struct msg_audit_state {
	char		 origin[129];
	uint8_t		 genesis_hash[HASH_SIZE];
	uint64_t	 seq;			/* of the last line */
	uint8_t		 line_hash[HASH_SIZE];
	uint32_t	 nrecent;
	/* of the lines before it, the newest first; less only if less exist */
	uint8_t		 recent[MSG_RECENT][HASH_SIZE];
	char		 session[UUID_SIZE];
	uint8_t		 clean;			/* last session ended well */
	uint32_t	 dangling;		/* DANGLING messages to come */
};

struct msg_dangling {
	char		 execution_id[UUID_SIZE];
	char		 script_name[NAME_SIZE];
	char		 arguments[JSON_SIZE];
	char		 user_id[ID_SIZE];
	char		 channel_id[ID_SIZE];
};

struct msg_audit_health {
	uint8_t		 ok;
	char		 why[ERROR_SIZE];
};

struct msg_tail {
	uint32_t	 lines;			/* 1 to 200 */
};

struct msg_tail_line {		/* last: 1 and no line closes the answer */
	uint8_t		 last;
	char		 line[LINE_SIZE];
};

struct msg_ctl_hello {
	char		 build[65];
};

struct msg_ctl_request {
	struct words	 words;			/* "users" "add" … */
};

struct msg_ctl_row {
	char		 json[LINE_SIZE];	/* one JSON object */
};

struct msg_ctl_end {
	uint8_t		 exit;			/* for chatopsctl: 0, 1 or 2 */
	char		 error[ERROR_SIZE];
};

/*
 * Encode the struct that belongs to type into a fresh buffer, or decode a
 * payload into it.  decode: 0, or -1 and the name of the field that is wrong
 * in *field.  Every string is checked for valid UTF-8 without NUL, every id
 * for its alphabet, every enum for its range, every boolean for 0 or 1.
 * An encoder that is given something undecodable fails the same way.
 */
int	 msg_encode(struct buf *, enum msg_type, const void *,
	    const char **field);
int	 msg_decode(const void *, size_t, enum msg_type, void *,
	    const char **field);
/* Bytes of the struct of that type, 0 for a message without a payload. */
size_t	 msg_struct_size(enum msg_type);

enum msg_fd {
	MSG_FD_NONE,
	MSG_FD_MUST
};

/* One bit for each pair of sender and receiver. */
#define MSG_WAY(from, to)	(1ULL << ((from) * ROLE_COUNT + (to)))

struct msg_rule {
	enum msg_type	 type;
	const char	*name;
	uint64_t	 ways;		/* MSG_WAY() of all that may */
	uint8_t		 phases;	/* bits of enum msg_phase */
	uint8_t		 once;		/* its number among such, from 1, or 0;
					   per channel and direction */
	uint8_t		 fd;		/* enum msg_fd */
	uint8_t		 answer;	/* must carry an id that was asked */
};

/* The rule of a type, NULL if there is no such type. */
const struct msg_rule	*msg_rule(enum msg_type);
/* Is there any message that one of the two may send the other? */
int	 msg_is_channel(enum role, enum role);
/* Fewest and most bytes of a payload, from the fields of the type. */
void	 msg_limits(enum msg_type, size_t *min, size_t *max);
/*
 * May a message of this type and length go this way now?  0, or -1 with the
 * reason in why.  *seen collects the once-bits of the channel.
 */
int	 msg_check(enum msg_type, enum role from, enum role to,
	    enum msg_phase, size_t len, int has_fd, uint64_t *seen,
	    char *why, size_t whylen);

#endif
