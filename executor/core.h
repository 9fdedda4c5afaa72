/*
 * Inside the executor's core: its state and what its files offer each
 * other.  Nothing outside executor/ includes this, but its tests.
 */
#ifndef EXECUTOR_CORE_H
#define EXECUTOR_CORE_H

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include "buf.h"
#include "executor.h"
#include "policy.h"
#include "text.h"

/* Bounds; all in one place. */
#define CORE_COMMANDS_HIGH	64	/* in flight: XOFF */
#define CORE_COMMANDS_LOW	16	/* XON */
#define CORE_COMMANDS_MAX	2048	/* nobody honours XOFF: fatal */
#define CORE_LOOKUP_MS		15000	/* then "could not be asked" */
#define CORE_DELIVER_MS		300000	/* of a post, retries included */
#define CORE_INTENT_MS		30000	/* an intent later than this is void */
#define CORE_AUDIT_SLOW_MS	10000	/* no ACK so long: audit is ill */
#define CORE_CHANNEL_MS		30000	/* a resolved name stays good */
#define CORE_CHANNELS_MAX	64	/* resolved names held */
#define CORE_FOLD_MS		60000	/* window of folded refusals */
#define CORE_FOLD_FREE		5	/* told and written one by one */
#define CORE_FOLD_MISSED	20	/* the same of missed commands */
#define CORE_FOLDS_MAX		1024
#define CORE_BANNED_MS		3600000	/* a banned user is told so often */
#define CORE_NOTICE_MS		60000	/* "nothing runs" once per channel */
#define CORE_SMALL_MAX		256	/* entries of small tables */
#define CORE_OUTBOX_MAX		512	/* held back by XOFF */
#define CORE_CHANGES_MAX	64	/* changes of permission in the queue */
#define CORE_OUTPUT_RUNES	4000	/* the seed's limit */
#define CORE_TEXT_MAX		(POST_SIZE - 1)
#define JOB_MARGIN_MS		10000	/* the runner's deadlines come first */
#define CORE_PRUNE_MS		60000
#define CORE_SKEW_MAX_MS	86400000

struct cmd;
struct job;
struct delivery;
struct change;

/*
 * A question to a sibling.  fn gets the answer's struct, or NULL when none
 * came in time.  An id that was never given out is a breach of protocol;
 * one that was given out and is not here any more came late and is ignored.
 */
typedef void	(*ask_fn)(struct executor *, void *arg, const void *answer);
struct ask {
	RB_ENTRY(ask)	 entry;
	uint32_t	 id;
	enum role	 to;
	enum msg_type	 expect;
	ask_fn		 fn;		/* NULL: nobody waits any more */
	void		*arg;
	monotime_t	 since;
	monotime_t	 deadline;
};
RB_HEAD(asks, ask);

/* What a sibling is told later because it said XOFF. */
struct outgoing {
	TAILQ_ENTRY(outgoing) entry;
	enum msg_type	 type;
	int		 fd;
	void		*payload;
	ask_fn		 fn;
	void		*arg;
};
TAILQ_HEAD(outbox, outgoing);

/* A small table "when was this key last told": oldest entry goes first. */
struct told {
	char		 key[ID_SIZE];
	monotime_t	 at;
};

/* Refusals of one user within one window. */
struct fold {
	TAILQ_ENTRY(fold) entry;
	char		 user_id[ID_SIZE];	/* "": everybody else */
	char		 channel_id[ID_SIZE];	/* of the last one */
	monotime_t	 since;
	uint32_t	 single;	/* written one by one */
	uint32_t	 folded;	/* only counted */
	enum reason	 last;
};
TAILQ_HEAD(folds, fold);

/* A channel of an allowlist entry, by the name that is written there. */
struct channel {
	TAILQ_ENTRY(channel) entry;
	char		 key[NAME_SIZE * 2];
	char		 id[ID_SIZE];
	int		 is_asked;	/* the answer is still to come */
	int		 is_known;	/* status and id are good */
	enum lookup_status status;
	monotime_t	 until;
};
TAILQ_HEAD(channels, channel);

/* Who wants something: a chat user, or a uid of this machine. */
struct actor {
	char		 id[ID_SIZE];		/* "" on the machine */
	char		 name[USERNAME_SIZE];	/* or "uid 0" */
};

enum cmd_stage {
	CMD_LOOKUP,		/* who, where; what its words need */
	CMD_WORKING,		/* a built-in that waits for something */
	CMD_REFUSED		/* its line is on the way */
};

struct builtin;

/* One command from claim to answer. */
struct cmd {
	TAILQ_ENTRY(cmd) entry;
	enum cmd_stage	 stage;
	uint64_t	 serial;
	struct msg_command in;
	char		 root_id[ID_SIZE];	/* never "" */
	char		 execution_id[UUID_SIZE];
	struct words	 words;		/* [0] is the command's name */
	const struct builtin *builtin;	/* or NULL: a script */
	char		 script[NAME_SIZE];
	size_t		 first;		/* first word of the arguments */
	int		 dry_run;
	int		 pending;	/* answers that are still to come */
	int		 has_channels;	/* waits for names of channels */
	struct msg_user	 account;
	struct msg_member member;
	int		 has_account;
	int		 has_member;
	int		 has_target;	/* @name was asked for */
	struct msg_user	 target;
	struct db_user	 user;
	struct db_ban	 ban;
	int		 is_banned;
	struct buf	 out;		/* a built-in's answer */
	enum reason	 reason;	/* why refused */
	char		 why[512];
	int		 is_quiet;	/* refused without a word */
	int		 is_left;	/* of the time before a restart */
	uint64_t	 want;		/* number of a job, lines, … */
};
TAILQ_HEAD(cmds, cmd);

enum job_state {
	JOB_NEW,
	JOB_QUEUED,
	JOB_CHECKING,		/* its turn: who and where once more */
	JOB_INTENT,		/* intent sent */
	JOB_RUNNING,		/* JOB_START sent */
	JOB_DONE,		/* ended; result line on the way */
	JOB_FINISHED,		/* durable everywhere; to be shown */
	JOB_DROPPED,		/* never started */
	JOB_STATE_COUNT
};

/* What is durable before what, after a run (and after none). */
enum job_settle {
	SETTLE_ROW,		/* "done" in the database */
	SETTLE_APPEND,		/* the line in the log */
	SETTLE_WAIT,		/* for its ACK */
	SETTLE_FINISH,		/* "finished" and the anchor, at once */
	SETTLE_SHOW,		/* people see it */
	SETTLE_TOLD		/* that they did */
};

struct job {
	TAILQ_ENTRY(job) entry;
	enum job_state	 state;
	struct db_job	 row;
	struct words	*typed;		/* words after the script's name */
	struct arguments *args;		/* until it is started */
	char		 channel_type;
	char		 channel_name[CHANNAME_SIZE];
	uint32_t	 script;	/* number, good in this generation */
	uint64_t	 generation;
	int64_t		 timeout_ms;
	uint32_t	 max;		/* concurrency of its script */
	int		 async;
	int		 pending;	/* of CHECKING */
	struct msg_user	 account;
	struct msg_member member;
	int		 has_account;
	int		 has_member;
	int		 is_void;	/* intent came too late, or cancelled */
	enum reason	 void_reason;
	char		 void_why[512];
	int		 is_cancelled;
	struct actor	 cancelled_by;
	monotime_t	 queued_at;
	monotime_t	 started_at;	/* mono of JOB_START */
	monotime_t	 deadline;	/* ours; the runner has its own */
	enum job_settle	 settle;	/* of DONE and DROPPED */
	monotime_t	 retry;		/* settle again, or NEVER */
	int		 tries;
	int		 is_saved;	/* its row says done */
	int		 is_rowless;	/* no row: its post is not known */
	int		 has_line;	/* the log has its last line */
	struct msg_ack	 ack;		/* of that line */
	int		 kills;		/* JOB_KILL by deadline so far */
	int		 is_watched;	/* its pipe is open */
	int		 has_exit;
	struct msg_job_exit exit;
	monotime_t	 drain;		/* exit came, pipe still open */
	struct cleaner	*cleaner;
	struct buf	 out;
	uint64_t	 dropped;
	/* its post */
	int		 is_posting;	/* POST or PATCH without a result yet */
	int		 is_delivering;	/* the result is due, or on the way */
	int		 is_post_saved;	/* status_post is in its row */
	int		 is_marked;	/* the hourglass is on its command */
	monotime_t	 edit_at;	/* not before */
};
TAILQ_HEAD(jobs, job);

struct delivery {
	TAILQ_ENTRY(delivery) entry;
	char		 channel_id[ID_SIZE];
	char		 root_id[ID_SIZE];
	char		 post_id[ID_SIZE];	/* "": to be made first */
	char		*holder;	/* text of the placeholder */
	char		*text;		/* what is patched in */
	struct buf	 file;		/* to attach, or empty */
	char		 name[NAME_SIZE];
	int		 step;
	int		 tries;
	monotime_t	 retry;		/* or NEVER */
	void		(*done)(struct executor *, void *, int ok,
			    const char *post_id);
	void		*arg;
};
TAILQ_HEAD(deliveries, delivery);

enum change_kind {
	CHANGE_LEVEL,		/* adduser */
	CHANGE_DELETE,		/* deluser */
	CHANGE_FLAGS,		/* chattr */
	CHANGE_BAN,
	CHANGE_UNBAN,
	CHANGE_BOOTSTRAP
};

/*
 * A change of permission.  One at a time: judged, written to the log,
 * acknowledged, then made; so two of them can never both be right about
 * the state before.
 */
struct change {
	TAILQ_ENTRY(change) entry;
	enum change_kind kind;
	struct actor	 by;
	char		 channel_id[ID_SIZE];
	char		 id[ID_SIZE];		/* whose permission */
	char		 username[USERNAME_SIZE];
	enum level	 level;
	size_t		 nflags;
	struct {
		char	 name[NAME_SIZE];
		int	 add;
	}		 flags[DB_FLAGS_MAX];
	char		 reason[DB_REASON_SIZE];
	int64_t		 duration_ms;		/* 0: permanent */
	/* how it went: 0 and seq, or the reason and a sentence */
	enum reason	 refused;
	char		 why[512];
	uint64_t	 seq;
	uint8_t		 line_hash[HASH_SIZE];
	char		 detail[JSON_SIZE];
	char		 summary[512];		/* of what was changed */
	void		(*done)(struct executor *, struct change *, void *);
	void		*arg;
};
TAILQ_HEAD(changes, change);

/* An intent without a result, from before a restart. */
struct dangling {
	TAILQ_ENTRY(dangling) entry;
	struct msg_dangling m;
};
TAILQ_HEAD(danglings, dangling);

struct ctl_wait;
TAILQ_HEAD(ctl_waits, ctl_wait);
struct explain;
TAILQ_HEAD(explains, explain);

struct executor {
	struct executor_world w;
	const struct conf *conf;
	struct db	*db;
	struct rate	*rate;
	struct allowlist *al;
	uint64_t	 generation;
	struct actor	 reload_by;	/* whom the parent does it for */
	size_t		 nreloads;	/* questions that are open */
	uint8_t		 hmac_key[DB_HMAC_KEY_SIZE];
	monotime_t	 started;
	int64_t		 started_wall;
	struct msg_process processes[ROLE_COUNT];	/* pid 0: not told */

	struct asks	 asks;
	size_t		 nasks;
	uint32_t	 last_id;
	monotime_t	 timer;		/* what the world was told */

	struct cmds	 cmds;
	size_t		 ncmds;
	uint64_t	 serial;
	int		 is_xoff_sent;

	struct msg_net_state net;
	int		 is_xoff;	/* network told us to be quiet */
	struct outbox	 outbox;
	size_t		 noutbox;
	uint64_t	 undelivered;	/* posts that did not arrive */
	struct channels	 channels;
	size_t		 nchannels;

	int		 has_audit;	/* AUDIT_STATE came */
	struct db_anchor head;		/* last line that we know of */
	int		 is_audit_ok;	/* a script may start */
	int		 is_audit_full;	/* auditd says: no new intents */
	char		 audit_why[ERROR_SIZE];
	size_t		 nappends;	/* without an ACK */
	uint32_t	 dangling;	/* DANGLING messages to come */
	struct danglings danglings;
	int		 is_recovered;	/* what a restart left is sorted */
	int		 is_db_ok;

	struct folds	 folds;
	size_t		 nfolds;
	struct told	 banned[CORE_SMALL_MAX];
	struct told	 notices[CORE_SMALL_MAX];

	struct jobs	 jobs;
	size_t		 njobs;		/* all in the list */
	size_t		 nrunning;
	size_t		 nqueued;
	uint64_t	 next_job;
	struct deliveries deliveries;
	struct changes	 changes;
	size_t		 nchanges;
	int		 is_changing;	/* the first one is at auditd */
	uint64_t	 runs;		/* jobs started since the start */
	uint64_t	 refusals;

	struct ctl_waits ctl_waits;
	struct explains	 explains;

	int		 is_stopping;
	monotime_t	 stop_kill;	/* then running jobs are killed */
	monotime_t	 stop_end;	/* then we leave */
	int		 is_over;
	monotime_t	 prune_at;

	/* Too large for the stack; used from one call to send only. */
	struct msg_post	 m_post;
	struct msg_patch m_patch;
	struct msg_append m_append;
	struct msg_job_start m_start;
	struct msg_ctl_row m_row;
};

/* core.c */
monotime_t	 core_mono(struct executor *);
int64_t		 core_wall(struct executor *);
/* The server's wall clock, as far as its skew is known. */
int64_t		 core_server_now(struct executor *);
void		 core_uuid(struct executor *, char out[UUID_SIZE]);
/* The database did or did not do what it was asked; says so once. */
void		 core_db_result(struct executor *, int ok, const char *what);
/* Wake up no later than at. */
void		 core_wake(struct executor *, monotime_t at);
/* 1 when key may be told again (and then counts as told now). */
int		 core_may_tell(struct executor *, struct told *, const char *,
		    int64_t ms);

/* ask.c */
uint32_t	 ask(struct executor *, enum role, enum msg_type, int fd,
		    const void *payload, enum msg_type expect, ask_fn,
		    void *arg, int64_t timeout_ms);
/* As ask(), to the network, held back while it says XOFF. */
void		 ask_net(struct executor *, enum msg_type, int fd,
		    const void *payload, ask_fn, void *arg);
/* Asks the parent to read the allowlist again, for that person. */
void	 reload_ask(struct executor *, const struct actor *, ask_fn,
	    void *arg);
void		 ask_flush(struct executor *);
/* Whoever waits with that arg does not wait any more. */
void		 ask_forget(struct executor *, const void *arg);
/* Hand an answer over; 0, or -1 when nobody ever asked. */
int		 ask_answer(struct executor *, enum role, enum msg_type,
		    uint32_t id, const void *answer);
void		 ask_tick(struct executor *, monotime_t *next);
/* Age of the oldest question to that role, ms. */
int64_t		 ask_oldest(struct executor *, enum role);
void		 ask_free_all(struct executor *);

/* record.c: what goes to auditd */
typedef void	(*record_fn)(struct executor *, void *arg,
		    const struct msg_ack *);
/* Clears and returns the message that record_send() sends. */
struct msg_append *record_new(struct executor *, enum audit_event);
/*
 * Send it.  fn gets the ACK, whose previous_hash was checked; ack->ok 0
 * means that nothing was written.
 */
void		 record_send(struct executor *, record_fn, void *arg);
void		 record_state(struct executor *,
		    const struct msg_audit_state *);
void		 record_health(struct executor *,
		    const struct msg_audit_health *);
/* The anchor as it belongs into the transaction about that line. */
int		 record_anchor(struct executor *, const struct msg_ack *);
/* Canonical JSON, into a buffer of JSON_SIZE. */
struct record_json {
	struct buf	 b;
	int		 n;
};
void		 record_open(struct record_json *);
void		 record_str(struct record_json *, const char *, const char *);
void		 record_int(struct record_json *, const char *, int64_t);
void		 record_bool(struct record_json *, const char *, int);
void		 record_null(struct record_json *, const char *);
void		 record_raw(struct record_json *, const char *, const char *);
/* Into out with its NUL; "{}" with a note in it when it does not fit. */
void		 record_close(struct record_json *, char *out, size_t);

/* say.c: posts and reactions */
void		 say(struct executor *, const char *channel_id,
		    const char *root_id, const char *text);
void		 say_buf(struct executor *, const char *channel_id,
		    const char *root_id, struct buf *);
void		 say_react(struct executor *, const char *post_id,
		    const char *emoji, int add);
/*
 * Placeholder, text by PATCH, file: takes holder, text and file over.
 * done is called once, with 1 when everything arrived.
 */
struct delivery	*say_deliver(struct executor *, const char *channel_id,
		    const char *root_id, const char *post_id, char *holder,
		    char *text, struct buf *file, const char *name,
		    void (*done)(struct executor *, void *, int, const char *),
		    void *arg);
void		 say_tick(struct executor *, monotime_t *next);
void		 say_connected(struct executor *);
void		 say_free_all(struct executor *);
/* Runes that one post may have. */
size_t		 say_max(const struct executor *);

/* refuse.c */
void		 refuse(struct executor *, struct cmd *, enum reason,
		    const char *fmt, ...)
		    __attribute__((__format__(printf, 4, 5)));
/* May be folded: found before anybody was looked up. */
void		 refuse_early(struct executor *, struct cmd *, enum reason,
		    const char *fmt, ...)
		    __attribute__((__format__(printf, 4, 5)));
/* Nothing can be written down: say so, once a minute in a channel. */
void		 refuse_dead(struct executor *, const char *channel_id,
		    const char *root_id, const char *what);
void		 refuse_tick(struct executor *, monotime_t *next);
/* Write what is only counted so far. */
void		 refuse_flush(struct executor *);
void		 refuse_free_all(struct executor *);

/* channel.c */
/*
 * Ask for every name of that script that is not known; returns how many
 * answers are still to come.  command_channels() is called when they do.
 */
int		 channel_resolve(struct executor *, const struct script *);
enum policy_channel channel_match(struct executor *, const struct script *,
		    const char *channel_id, char *unresolved, size_t);
/* Names of that script without an answer yet. */
int		 channel_waiting(struct executor *, const struct script *);
int		 channel_parse(const char *, struct msg_lookup_channel *);
/* Everything is asked anew. */
void		 channel_forget(struct executor *);
void		 channel_free_all(struct executor *);

/* command.c */
void		 command_new(struct executor *, const struct msg_command *);
void		 command_channels(struct executor *);
/* It is dealt with: closes the claim, frees it. */
void		 command_end(struct executor *, struct cmd *);
/* Answer with c->out, then command_end(). */
void		 command_answer(struct executor *, struct cmd *);
/* The policy's answer for one who is not necessarily c's author. */
void		 command_input(struct executor *, const struct cmd *,
		    struct policy_input *);
int		 command_may_builtin(struct executor *, const struct cmd *,
		    const struct builtin *);
int		 command_may_script(struct executor *, const struct cmd *,
		    const struct script *);
/* Every answer is there: judge it, unless one is missing. */
void		 command_decide(struct executor *, struct cmd *);
void		 command_free_all(struct executor *);

/* lookup.c */
int		 name_parse(const char *, char[USERNAME_SIZE]);
void		 command_lookup(struct executor *, struct cmd *);

/* builtin.c */
enum builtin_end {
	BUILTIN_ANSWER,		/* c->out is the answer */
	BUILTIN_WAIT,		/* goes on; ends the command by itself */
	BUILTIN_REFUSED		/* refuse() was called */
};
struct builtin {
	const char	*name;
	enum level	 level;
	size_t		 min, max;	/* words after the name */
	size_t		 target;	/* which word is a user; 0: none */
	int		 channels;	/* wants every script's channels */
	const char	*usage;
	const char	*description;
	enum builtin_end (*run)(struct executor *, struct cmd *);
};
const struct builtin *builtin_find(const char *);
const struct builtin *builtin_at(size_t);	/* NULL past the end */
/* Checks the number of words, runs it, answers. */
void		 builtin_run(struct executor *, struct cmd *);
/* Nearest name that the author may run, or NULL. */
const char	*builtin_suggest(struct executor *, const struct cmd *,
		    const char *typed);
int		 builtin_known_id(struct executor *, struct cmd *);
uint64_t	 builtin_number(struct executor *, struct cmd *);
/* Refuses, for the database failed. */
void		 builtin_database(struct executor *, struct cmd *);
void		 builtin_time(int64_t ms, struct buf *);
/* Takes list over, ends the command. */
void		 builtin_list(struct executor *, struct cmd *,
		    const char *title, const char *name, struct buf *list,
		    int more);
/* builtin_*.c */
enum builtin_end builtin_ping(struct executor *, struct cmd *);
enum builtin_end builtin_help(struct executor *, struct cmd *);
enum builtin_end builtin_scripts(struct executor *, struct cmd *);
enum builtin_end builtin_whoami(struct executor *, struct cmd *);
enum builtin_end builtin_whois(struct executor *, struct cmd *);
enum builtin_end builtin_adduser(struct executor *, struct cmd *);
enum builtin_end builtin_deluser(struct executor *, struct cmd *);
enum builtin_end builtin_chattr(struct executor *, struct cmd *);
enum builtin_end builtin_users(struct executor *, struct cmd *);
enum builtin_end builtin_ban(struct executor *, struct cmd *);
enum builtin_end builtin_unban(struct executor *, struct cmd *);
enum builtin_end builtin_bans(struct executor *, struct cmd *);
enum builtin_end builtin_jobs(struct executor *, struct cmd *);
enum builtin_end builtin_job(struct executor *, struct cmd *);
enum builtin_end builtin_output(struct executor *, struct cmd *);
enum builtin_end builtin_cancel(struct executor *, struct cmd *);
enum builtin_end builtin_status(struct executor *, struct cmd *);
enum builtin_end builtin_audit(struct executor *, struct cmd *);
enum builtin_end builtin_explain(struct executor *, struct cmd *);
enum builtin_end builtin_reload(struct executor *, struct cmd *);

/* explain.c */
typedef void	(*explain_fn)(struct executor *, void *arg, enum reason,
		    const char *why);
/*
 * words[first] and on are the command; user is an id or a name, channel an
 * id, "team/channel" or a name.
 */
void		 explain_start(struct executor *, const char *user,
		    const char *channel, const struct words *, size_t first,
		    explain_fn, void *arg);
void		 explain_channels(struct executor *);
void		 explain_free_all(struct executor *);

/* change.c */
/* Takes the change over; done is called once, then it is freed. */
void		 change_submit(struct executor *, struct change *);
void		 change_free_all(struct executor *);

/* job.c */
/* A command that policy and arguments allow: queue or start it. */
void		 job_admit(struct executor *, struct cmd *,
		    const struct script *, uint32_t number,
		    struct arguments *, struct words *typed);
void		 job_started(struct executor *, const struct msg_job_started *,
		    int fd);
void		 job_exit(struct executor *, const struct msg_job_exit *);
void		 job_cancel(struct executor *, struct job *,
		    const struct actor *);
struct job	*job_find(struct executor *, uint64_t id);
struct job	*job_by_status_post(struct executor *, const char *post_id);
void		 job_schedule(struct executor *);
void		 job_tick(struct executor *, monotime_t *next);
void		 job_stop(struct executor *);
void		 job_stop_check(struct executor *);
void		 job_set_state(struct executor *, struct job *,
		    enum job_state, const char *why);
const char	*job_state_name(enum job_state);
int		 job_may_see(struct executor *, const struct cmd *,
		    const struct db_job *);
/* Names of channels were answered. */
void		 job_channels(struct executor *);
struct job	*job_new(struct executor *);
void		 job_free(struct executor *, struct job *);
void		 job_free_all(struct executor *);
/* job_check.c: its turn came; is it still allowed? */
void		 job_check(struct executor *, struct job *);
void		 job_intent(struct executor *, struct job *);
/* As in the log; too long ones by their digest, in detail. */
const char	*job_arguments(const struct job *, struct record_json *detail);
/* job_end.c: from the end of a run to its record */
void		 job_drop(struct executor *, struct job *, enum reason,
		    const char *why);
/* An intent is written but nothing will be started. */
void		 job_void(struct executor *, struct job *, const char *why);
void		 job_ended(struct executor *, struct job *);
void		 job_settle(struct executor *, struct job *);
/* job_post.c: what people see of it */
void		 job_show(struct executor *, struct job *);
void		 job_edit(struct executor *, struct job *);
void		 job_deliver(struct executor *, struct job *);
void		 job_summary(const struct db_job *, struct buf *);
void		 job_result_text(struct executor *, const struct db_job *,
		    const struct buf *, struct buf *);
/* 1 when the whole output is not in that text. */
int		 job_is_cut(struct executor *, const struct db_job *,
		    const struct buf *);
/* late.c: signs what was changed on the machine while no daemon ran */
void		 late_start(struct executor *);

/* job_recover.c: after a restart */
void		 recover_dangling(struct executor *,
		    const struct msg_dangling *);
void		 recover_start(struct executor *);
/* Connected and recovered: those who were cut off are told. */
void		 recover_tell(struct executor *);
void		 recover_free_all(struct executor *);

/* ctl_server.c */
void		 ctl_free_all(struct executor *);

/* status.c: one truth for !status and chatopsctl status */
void		 status_each(struct executor *,
		    void (*)(void *, const char *part, const char *state,
			const char *detail), void *);

#endif
