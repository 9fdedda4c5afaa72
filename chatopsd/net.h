/*
 * The network process's core: what it knows, what it asks of the world and
 * what the world tells it.  Nothing behind this header has a clock, a random
 * number, a descriptor of its own or the bot's token.
 */
#ifndef CHATOPS_NET_H
#define CHATOPS_NET_H

#include <sys/types.h>
#include <sys/queue.h>

#include <stdint.h>

#include <jansson.h>

#include "monotime.h"
#include "mm_event.h"
#include "msg.h"

/* Times in ms. */
#define NET_HELLO_TIMEOUT	5000	/* unauthenticated grace of a server */
#define NET_OPEN_TIMEOUT	15000	/* addresses, TCP, TLS, upgrade */
#define NET_PING_INTERVAL	30000
#define NET_PING_TIMEOUT	10000
#define NET_SILENCE		65000	/* a server pings every 60 s */
#define NET_PROBE		2000	/* silent that long: send a PING */
#define NET_PROBE_DEAD		4500	/* where PINGs are answered: gone */
#define NET_STABLE		10000	/* up that long: a good connection */
#define NET_QUICK_TRIES		5	/* after losing a good connection */
#define NET_REFUSED_FIRST	60000
#define NET_RETRY_MAX		300000
#define NET_RECONCILE		600000	/* look for lost events that often */
#define NET_RECONCILE_FIRST	60000	/* after connecting */
#define NET_WARM		25000	/* keep one HTTP connection warm */

#define NET_HELD_MAX		256	/* commands kept while XOFF */
#define NET_RECENT		1024	/* post ids sent as live commands */
#define NET_ENVELOPE_DEPTH	64
#define NET_POST_DEPTH		64
#define NET_TARGET_SIZE		256
#define NET_DEFAULT_POST	4000	/* runes, where nobody says */

enum net_timer {
	TIMER_SESSION,		/* what the state waits for at most */
	TIMER_PING,		/* next ping, or its answer is late */
	TIMER_SILENCE,
	TIMER_PROBE,
	TIMER_CALLS,		/* a call may be tried again */
	TIMER_CATCHUP,		/* periodic reconciliation */
	TIMER_WARM,
	TIMER_COUNT
};

enum session_state {
	SESSION_STOPPED,
	SESSION_WAITING,	/* for the next attempt */
	SESSION_IDENTIFYING,	/* asks who it is and what the limits are */
	SESSION_OPENING,	/* addresses, TCP, TLS, upgrade */
	SESSION_GREETING,	/* hello and the first answer to a ping */
	SESSION_UP,
	SESSION_DIAGNOSING,	/* 401: is it the token or the database? */
	SESSION_COUNT
};

enum http_method {
	HTTP_GET,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE
};

/* One attempt of a request; what it points to lives until its answer. */
struct http_request {
	uint32_t	 id;
	enum http_method method;
	const char	*path;		/* below /api/v4, with the query */
	const char	*body;		/* or NULL */
	size_t		 len;
	const char	*type;		/* Content-Type of the body */
	int		 fd;		/* body from a file, or -1 */
	uint64_t	 size;		/* of the file */
	size_t		 max_body;	/* of the answer */
	int64_t		 timeout;	/* ms, everything */
	int		 auth;		/* send the token */
};

struct http_answer {
	int		 status;	/* 0: none, why says why */
	int		 too_large;	/* the body was more than max_body */
	int		 unsent;	/* nothing of it reached the server */
	int64_t		 retry_after;	/* s, or -1 */
	const char	*body;		/* with a NUL behind it */
	size_t		 len;
	const char	*why;		/* for the log */
};

/* How a WebSocket ended, or did not begin. */
struct ws_end {
	int		 status;	/* HTTP status instead of 101, or 0 */
	int64_t		 retry_after;	/* s, or -1 */
	char		 why[192];
};

/*
 * The only way out.  None of them calls back before it returns: ws_open is
 * answered by session_open() or session_down(), http_start, once, by
 * call_http_done().
 */
struct net_world {
	monotime_t	(*now)(void *);
	walltime_t	(*wall)(void *);
	void		(*random)(void *, void *, size_t);
	/* ms < 0: off */
	void		(*timer)(void *, enum net_timer, int64_t ms);
	void		(*ws_open)(void *, const char *query);
	void		(*ws_send)(void *, const char *, size_t);
	void		(*ws_ping)(void *);
	void		(*ws_close)(void *);
	void		(*http_start)(void *, const struct http_request *);
	void		(*send)(void *, enum msg_type, uint32_t id,
			    const void *);
};

/* Calls: REST requests with their retries. */
enum call_priority {
	CALL_LOOKUP,		/* somebody waits for a decision */
	CALL_POST,
	CALL_CHANGE,		/* PATCH, REACT, UPLOAD */
	CALL_BACKGROUND,
	CALL_PRIORITIES
};

#define CALL_PARALLEL		6	/* at once, of all kinds */
#define CALL_BACKGROUND_PARALLEL 1
#define CALL_HIGH		128	/* waiting: tell the executor XOFF */
#define CALL_LOW		32	/* XON again */
#define CALL_MAX		2048	/* a sibling that goes on is broken */
#define CALL_DEDUP_WINDOW	28000	/* of a server's 30 s */
#define CALL_ATTEMPT		5000	/* ms; twice as long each time */
#define CALL_BODY_MAX		(1024 * 1024)
#define CALL_LIST_MAX		(8 * 1024 * 1024)
#define CALL_KEY_SIZE		(ID_SIZE + 2)
#define CALL_PATH_SIZE		384

struct net;
struct call;
typedef void (*call_done)(struct net *, struct call *,
    const struct http_answer *);

enum call_state {
	CALL_QUEUED,
	CALL_RUNNING,
	CALL_RESTING		/* before its next attempt */
};

struct call {
	TAILQ_ENTRY(call) entry;
	uint32_t	 id;
	enum call_state	 state;
	enum call_priority priority;
	enum http_method method;
	char		 path[CALL_PATH_SIZE];
	char		 key[CALL_KEY_SIZE];	/* one at a time, or "" */
	char		*body;		/* malloc, or NULL */
	size_t		 len;
	const char	*type;
	int		 fd;		/* owned, or -1 */
	uint64_t	 size;
	size_t		 max_body;
	int64_t		 attempt_ms;	/* time-out of the next attempt */
	monotime_t	 deadline;	/* give up */
	monotime_t	 window_end;	/* the server forgets our pending id */
	monotime_t	 started;	/* the running attempt */
	monotime_t	 again;		/* CALL_RESTING: when */
	unsigned int	 attempts;
	int		 is_create;	/* the 30 s window applies */
	int		 no_auth;
	int		 no_retry;
	call_done	 done;
	void		*arg;		/* malloc, freed after done */
};
TAILQ_HEAD(call_list, call);

struct net_held {
	TAILQ_ENTRY(net_held) entry;
	enum msg_type	 type;
	union {
		struct msg_command	*command;
		struct msg_reaction	*reaction;
	} u;
};
TAILQ_HEAD(net_held_list, net_held);

struct session {
	enum session_state state;
	char		 connection_id[ID_SIZE];
	int64_t		 next;		/* seq expected next */
	int		 resuming;	/* this connection asked to resume */
	int		 greeted;	/* hello or a resumed event was seen */
	int		 mismatched;	/* the last one ended for its seq */
	int64_t		 request;	/* seq of our last action */
	int64_t		 ping;		/* its seq while unanswered, or 0 */
	monotime_t	 ping_sent;
	monotime_t	 last_frame;
	int		 has_pong;	/* this server answers a PING */
	monotime_t	 opened;	/* the upgrade was taken */
	monotime_t	 up_since;
	unsigned int	 failures;	/* in a row */
	unsigned int	 quick;		/* quick tries left */
	unsigned int	 refusals;	/* 401s in a row */
	int		 refused;	/* shown as NET_REFUSED */
	int		 identified;	/* bot id known and checked */
	int		 asking_me;	/* answers that are awaited */
	int		 asking_limits;
	int		 proven;	/* this token was good just now */
	int		 answered;	/* this connection answered a ping */
	int		 was_up;	/* ever */
	int64_t		 told_skew;
	char		 why[ERROR_SIZE];	/* the connection is down */
};

struct catchup;

struct net {
	const struct net_world *world;
	void		*arg;

	/* configuration */
	char		 prefix[9];
	char		 team[NAME_SIZE];

	/* who we are and what the server allows */
	char		 bot_id[ID_SIZE];
	char		 bot_name[USERNAME_SIZE];
	char		 version[NAME_SIZE];
	uint32_t	 max_post;
	uint64_t	 max_file;
	int		 has_limits;	/* they are the server's word */
	int64_t		 skew;
	uint32_t	 rtt;

	struct session	 session;

	struct call_list calls[CALL_PRIORITIES];
	uint32_t	 call_seq;
	unsigned int	 ncalls;
	unsigned int	 nrunning;
	unsigned int	 nbackground;	/* of them */
	monotime_t	 pause;		/* 429: nothing starts before */
	monotime_t	 last_call;
	int		 xoff_sent;

	int		 xoff;		/* the executor said so */
	struct net_held_list held;
	unsigned int	 nheld;
	int		 lost_held;	/* the list was full */

	char		 recent[NET_RECENT][ID_SIZE];
	size_t		 recent_next;

	TAILQ_HEAD(, post_op) posts;	/* POSTs that wait for their answer */
	struct catchup	*catchup;	/* or NULL */
	uint32_t	 catchup_runs;
	walltime_t	 reconciled;	/* up to here, server's time; 0 never */
};

/* net_core.c: inputs */
struct net	*net_new(const struct net_world *, void *arg,
		    const char *prefix, const char *team);
void		 net_free(struct net *);
void		 net_start(struct net *);
/* fd is consumed.  -1: the executor sent what it must not. */
int		 net_message(struct net *, enum msg_type, uint32_t id, int fd,
		    const void *);
void		 net_timer(struct net *, enum net_timer);

/* net_core.c: for the other files of the core */
void		 net_event(struct net *, const struct mm_envelope *);
void		 net_self(const struct net *, struct mm_self *);
void		 net_tell_state(struct net *);
void		 net_deliver_command(struct net *, const struct msg_command *);
void		 net_deliver_reaction(struct net *,
		    const struct msg_reaction *);
int		 net_is_recent(const struct net *, const char *post_id);
void		 net_result(struct net *, uint32_t id, enum net_result,
		    int http, const char *object, const char *error);
walltime_t	 net_server_time(const struct net *);
/* Foreign text made fit for a message and a log: printable ASCII. */
void		 net_clean(char *, size_t, const char *);

/* net_session.c; session_open() and on are the WebSocket's inputs */
void		 session_start(struct net *);
void		 session_timer(struct net *);
void		 session_ping_timer(struct net *);
void		 session_silence_timer(struct net *);
void		 session_probe_timer(struct net *);
void		 session_open(struct net *);
void		 session_frame(struct net *);
void		 session_pong_frame(struct net *);
void		 session_text(struct net *, const char *, size_t);
void		 session_down(struct net *, const struct ws_end *);
/* Some REST call was answered 401: ask at once whether we still are in. */
void		 session_suspect(struct net *);
const char	*session_state_name(enum session_state);

/* net_identify.c */
/* Also while connected, when names or limits may have changed. */
void		 identify_start(struct net *);
/* net_session.c: what identify_*() found */
void		 session_identified(struct net *);
void		 session_refused(struct net *, const char *why);
void		 session_unavailable(struct net *, const char *why);

/* net_call.c */
struct call	*call_new(struct net *, enum call_priority, enum http_method,
		    call_done, void *arg);
/* 0, or -1 when the path is too long. */
int		 call_path(struct call *, const char *, ...)
		    __attribute__((__format__(printf, 2, 3)));
void		 call_submit(struct net *, struct call *, int64_t deadline_ms);
void		 call_free(struct call *);
void		 call_timer(struct net *);
void		 call_http_done(struct net *, uint32_t,
		    const struct http_answer *);
void		 call_free_all(struct net *);
/* The server's error id of a failed answer, safe to log; never NULL. */
const char	*call_error(const struct http_answer *, char *, size_t);

/* mm_post.c */
void		 post_message(struct net *, enum msg_type, uint32_t id, int fd,
		    const void *);
/* One of our own posts came by as an event. */
void		 post_seen(struct net *, json_t *post);
void		 post_free_all(struct net *);

/* mm_lookup.c */
void		 lookup_user(struct net *, uint32_t,
		    const struct msg_lookup_user *);
void		 lookup_channel(struct net *, uint32_t,
		    const struct msg_lookup_channel *);
void		 lookup_member(struct net *, uint32_t,
		    const struct msg_lookup_member *);

/* mm_catchup.c */
void		 catchup_start(struct net *, uint32_t id, int64_t since);
void		 catchup_reconcile(struct net *);
void		 catchup_drop_channel(struct net *, const char *channel_id);
void		 catchup_free(struct net *);

#endif
