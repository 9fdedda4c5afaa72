/*
 * A stand-in for a Mattermost server: what the parts share.  It lives in
 * memory, listens on loopback only, and answers as version 5.37 was seen
 * to answer (or, where that differs, as 11.6 is written).
 */
#ifndef MATTERMOST_H
#define MATTERMOST_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <jansson.h>

#include "../../common/compat.h"

#define MM_ID_LEN	26
#define MM_DEADQUEUE	128
#define MM_ACTIVEQUEUE	256
#define MM_MAXPARAMS	4

struct http_conn;
struct http_req;
struct wsconn;

/* A timer that counts virtual time: it also runs when a test moves it. */
struct vtimer {
	TAILQ_ENTRY(vtimer)	 entry;
	int64_t			 at;		/* virtual microseconds */
	int			 pending;
	void			(*run)(void *);
	void			*arg;
};

struct user {
	TAILQ_ENTRY(user)	 entry;
	char			 id[MM_ID_LEN + 1];
	char			 username[65];
	char			 email[160];
	char			 password[160];
	char			 nickname[260];
	char			 first_name[260];
	char			 last_name[260];
	char			 position[520];
	char			 roles[260];
	char			 remote_id[MM_ID_LEN + 1];
	char			 owner[MM_ID_LEN + 1];	/* of a bot */
	char			 status[16];
	int			 status_manual;
	int			 is_bot;
	int64_t			 create_at, update_at, delete_at;
	int64_t			 last_activity;
};
TAILQ_HEAD(userlist, user);

/* A login session or a personal access token. */
struct token {
	TAILQ_ENTRY(token)	 entry;
	char			 id[MM_ID_LEN + 1];
	char			 secret[MM_ID_LEN + 1];
	char			 description[260];
	struct user		*user;
	int			 is_personal;
	int			 is_active;
	int			 is_cached;	/* known without a database */
};
TAILQ_HEAD(tokenlist, token);

struct member {
	TAILQ_ENTRY(member)	 entry;
	struct user		*user;
	int			 is_admin, is_guest;
	int64_t			 last_viewed, last_update, delete_at;
	int64_t			 msg_count, mention_count;
};
TAILQ_HEAD(memberlist, member);

struct team {
	TAILQ_ENTRY(team)	 entry;
	char			 id[MM_ID_LEN + 1];
	char			 invite_id[MM_ID_LEN + 1];
	char			 name[65];
	char			 display_name[260];
	char			 type;
	int64_t			 create_at, update_at, delete_at;
	struct memberlist	 members;
};
TAILQ_HEAD(teamlist, team);

struct reaction {
	TAILQ_ENTRY(reaction)	 entry;
	struct user		*user;
	char			 emoji[65];
	int64_t			 create_at, update_at;
};
TAILQ_HEAD(reactionlist, reaction);

struct post {
	TAILQ_ENTRY(post)	 entry;
	struct channel		*channel;
	char			 id[MM_ID_LEN + 1];
	char			 user_id[MM_ID_LEN + 1];
	char			 root_id[MM_ID_LEN + 1];
	char			 original_id[MM_ID_LEN + 1];
	char			 remote_id[MM_ID_LEN + 1];
	char			 type[27];
	int64_t			 create_at, update_at, edit_at, delete_at;
	int64_t			 last_reply_at;
	int			 is_pinned, has_reactions;
	json_t			*message;	/* string */
	json_t			*message_source; /* string or NULL */
	json_t			*props;		/* object */
	json_t			*file_ids;	/* array */
	json_t			*participants;	/* anything or NULL */
	struct reactionlist	 reactions;
};
TAILQ_HEAD(postlist, post);

struct channel {
	TAILQ_ENTRY(channel)	 entry;
	struct team		*team;		/* NULL: direct or group */
	char			 id[MM_ID_LEN + 1];
	char			 creator_id[MM_ID_LEN + 1];
	char			 name[65];
	char			 display_name[260];
	char			 header[4100];
	char			 purpose[1010];
	char			 type;
	int			 is_shared;
	int64_t			 create_at, update_at, delete_at;
	int64_t			 last_post_at, total, total_root;
	struct memberlist	 members;
	struct postlist		 posts;		/* in order of arrival */
};
TAILQ_HEAD(channellist, channel);

struct file {
	TAILQ_ENTRY(file)	 entry;
	char			 id[MM_ID_LEN + 1];
	char			 post_id[MM_ID_LEN + 1];
	struct user		*user;
	char			 name[260];
	const char		*mime;
	int64_t			 create_at, update_at;
	size_t			 size;
	char			*bytes;
};
TAILQ_HEAD(filelist, file);

/* An incoming webhook or a slash command. */
struct hook {
	TAILQ_ENTRY(hook)	 entry;
	char			 id[MM_ID_LEN + 1];
	struct user		*user;
	struct channel		*channel;
	char			 display_name[260];
	char			 username[65];
	int			 is_locked;
	int64_t			 create_at;
};
TAILQ_HEAD(hooklist, hook);

struct options {
	int			 is_11;		/* version 11.6 */
	int			 reliable;	/* reliable WebSockets */
	int			 hardened;
	int			 unauthorized;	/* 401 for everybody */
	int			 db_down;
	int			 mute_pong, mute_ping, mute_reply, mute_posted;
	int			 rate_enabled, rate_by_user;
	int64_t			 rate_persec, rate_burst;
	int64_t			 max_post, max_file;
	int64_t			 edit_limit;	/* seconds, -1: none */
	int64_t			 delay_create;	/* ms a create stays running */
};

struct mm {
	struct event_base	*base;
	struct options		 opt;
	struct userlist		 users;
	struct tokenlist	 tokens;
	struct teamlist		 teams;
	struct channellist	 channels;
	struct filelist		 files;
	struct hooklist		 hooks;
	char			 config_hash[33];
	char			 url[64];
	char			 control_secret[MM_ID_LEN + 1];
	int64_t			 offset;	/* of timers, microseconds */
	int64_t			 skew;		/* of dates, microseconds */
};
extern struct mm mm;

/* clock.c */
int64_t	 clock_ms(void);		/* the server's date, since 1970 */
int64_t	 clock_ttl_ms(void);		/* for what expires */
int64_t	 clock_real_us(void);		/* true, since 1970 */
void	 clock_advance(int64_t, int);	/* microseconds; dates as well? */
void	 clock_stop(void);
void	 vtimer_set(struct vtimer *, void (*)(void *), void *);
void	 vtimer_add(struct vtimer *, int64_t);	/* microseconds */
void	 vtimer_del(struct vtimer *);

/* text.c */
void	 text_new_id(char [MM_ID_LEN + 1]);
int	 text_is_id(const char *);
int	 text_is_name(const char *, const char *, size_t, size_t);
char	*text_json(const json_t *, size_t *);
char	*text_utf8(const char *, size_t, size_t *);
size_t	 text_runes(const char *, size_t);
int	 text_copy(char *, size_t, const json_t *, const char *);
json_t	*text_sorted(const json_t *);
json_t	*text_parse(const char *, size_t);
int64_t	 text_int(const json_t *, const char *, int64_t);
int	 text_bool(const json_t *, const char *, int);
const char *text_str(const json_t *, const char *, const char *);
int	 text_glob(const char *, const char *);

/* mention.c: ids of those that a message mentions, as an array or NULL */
json_t	*mention_find(const struct channel *, const struct user *,
	    const char *);

/* store.c */
void	 store_init(void);
void	 store_free(void);
struct user *user_new(const char *, const char *);
struct user *user_by_id(const char *);
struct user *user_by_name(const char *);
int	 user_has_role(const struct user *, const char *);
json_t	*user_json(const struct user *, int);
struct token *token_new(struct user *, int, const char *);
struct token *token_by_secret(const char *);
struct token *token_by_id(const char *);
void	 token_free(struct token *);
struct team *team_new(const char *, const char *, char);
struct team *team_by_id(const char *);
struct team *team_by_name(const char *);
json_t	*team_json(const struct team *);
struct member *member_find(const struct memberlist *, const struct user *);
struct member *member_add(struct memberlist *, struct user *);
void	 member_remove(struct memberlist *, struct member *);
struct channel *channel_new(struct team *, const char *, const char *, char);
struct channel *channel_by_id(const char *);
struct channel *channel_by_name(const struct team *, const char *);
struct channel *channel_direct(struct user *, struct user *, int *);
struct channel *channel_group(struct user **, size_t, int *);
json_t	*channel_json(const struct channel *);
json_t	*channel_member_json(const struct channel *, const struct member *);
struct post *post_new(struct channel *);
struct post *post_by_id(const char *);
void	 post_free(struct post *);
json_t	*reaction_json(const struct post *, const struct reaction *);
struct file *file_by_id(const char *);
json_t	*file_json(const struct file *);
struct hook *hook_by_id(const char *);

/* post.c */
struct apperr {
	int		 status;
	const char	*id;
	const char	*message;
};
json_t	*post_json(const struct post *, int);
struct post *post_create(struct user *, struct channel *, const json_t *,
	    struct apperr *);
struct post *post_system(struct user *, struct channel *, const char *,
	    const char *, json_t *);
int	 post_patch(struct post *, const json_t *, struct apperr *);
void	 post_delete(struct post *, const struct user *);
struct reaction *post_react(struct post *, struct user *, const char *,
	    int64_t);
void	 post_unreact(struct post *, struct user *, const char *);
void	 post_publish(const char *, struct post *, const char *);
void	 post_publish_new(struct post *, const struct user *, const char *,
	    int, const json_t *);

/* pending.c */
enum pending_state { PENDING_NEW, PENDING_RUNNING, PENDING_DONE };
enum pending_state pending_begin(const char *, char [MM_ID_LEN + 1]);
void	 pending_end(const char *, const char *);	/* NULL: it failed */
void	 pending_clear(void);

/* http.c */
struct http_param {
	TAILQ_ENTRY(http_param)	 entry;
	char			*name, *value;
};
TAILQ_HEAD(http_params, http_param);

struct http_req {
	struct http_conn	*conn;
	char			*method, *target, *path;
	struct http_params	 headers, query, out;
	char			*body;
	size_t			 body_len;
	json_t			*json;		/* of the body, or NULL */
	char			 id[MM_ID_LEN + 1];
	const char		*param[MM_MAXPARAMS];
	char			*param_buf;
	struct user		*user;
	struct token		*token;
	int			 is_keepalive, is_head;
	json_t			*log;
	struct event		*wait;		/* delay or long poll */
	void			*wait_arg;
	void			(*wait_free)(struct http_req *);
	struct fault		*fault;
};

struct http_conn {
	TAILQ_ENTRY(http_conn)	 entry;
	struct vtimer		 idle;
	struct bufferevent	*bev;
	struct event		*later, *slow;
	struct http_req		*req;
	struct wsconn		*ws;
	uint64_t		 number;
	int			 is_control;
	int			 is_closing;
	int			 is_frozen;	/* neither read nor written */
	size_t			 body_left;
	int			 is_chunked, in_body;
	struct evbuffer		*held;		/* what slow bytes are left */
	int64_t			 held_us;
	int64_t			 held_cut;	/* bytes until the end, or -1 */
};
TAILQ_HEAD(http_connlist, http_conn);
extern struct http_connlist http_conns;

int	 http_listen(const char *, int, uint16_t *);
int	 http_tls(const char *, const char *);
int	 http_accepting(int);
void	 http_shutdown(void);
const char *http_header(const struct http_req *, const char *);
const char *http_query(const struct http_req *, const char *);
void	 http_out(struct http_req *, const char *, const char *, ...)
	    __attribute__((__format__(printf, 3, 4)));
void	 http_reply(struct http_req *, int, const char *, const char *, size_t);
void	 http_close(struct http_conn *);
void	 http_reset(struct http_conn *);
void	 http_freeze(struct http_conn *);
void	 http_next(struct http_conn *);
char	*http_unescape(const char *, size_t, int);
void	 http_parse_query(struct http_params *, const char *);
void	 http_param_add(struct http_params *, const char *, const char *);
const char *http_param_get(const struct http_params *, const char *);

/* http_parse.c */
int	 http_parse_head(struct http_conn *, char *, size_t);
int	 http_parse_body(struct http_conn *);
void	 http_req_free(struct http_req *);

/* http_slow.c */
void	 http_send(struct http_conn *, struct evbuffer *);

/* fault.c */
int	 fault_apply(struct http_req *);	/* 1: the request is taken */
void	 fault_shape(struct http_req *);
void	 fault_free(struct fault *);		/* one reference */
int64_t	 fault_add(json_t *);
json_t	*fault_list(void);
void	 fault_clear(void);

/* ratelimit.c: 1: over the limit and answered */
int	 ratelimit_check(struct http_req *);
void	 ratelimit_clear(void);

/* api.c */
void	 api_request(struct http_req *);
void	 api_json(struct http_req *, int, json_t *);	/* takes the json */
void	 api_ok(struct http_req *);
void	 api_error(struct http_req *, int, const char *, const char *);
void	 api_apperr(struct http_req *, const struct apperr *);
void	 api_forbidden(struct http_req *);
void	 api_bad_body(struct http_req *, const char *);
void	 api_bad_param(struct http_req *, const char *);
struct user *api_user(struct http_req *, int);
struct channel *api_channel(struct http_req *, int);
struct team *api_team(struct http_req *, int);
struct token *api_session(const char *);
const char *api_token(const struct http_req *);
const char *api_version_id(void);
int64_t	 api_page(const struct http_req *, int64_t *);
int	 may_read(const struct user *, const struct channel *);
int	 may_post(const struct user *, const struct channel *);
int	 is_admin(const struct user *);

void	 bot_greet(struct user *, struct user *);
void	 user_publish(const struct user *);

typedef void (api_fn)(struct http_req *);
struct route {
	const char	*method, *pattern;
	api_fn		*run;
	int		 flags;
};
#define API_OPEN	1	/* no session needed */

extern const struct route api_user_routes[], api_team_routes[],
	    api_channel_routes[], api_post_routes[], api_list_routes[],
	    api_file_routes[], api_hook_routes[], api_system_routes[],
	    api_bot_routes[], api_reaction_routes[], api_member_routes[];

/* hub.c: connections as the server remembers them, and events */
struct wsitem {
	TAILQ_ENTRY(wsitem)	 entry;
	int64_t			 seq;
	int			 is_event;
	char			*text;		/* an event without its seq */
};
TAILQ_HEAD(wsitems, wsitem);

struct wsconn {
	TAILQ_ENTRY(wsconn)	 entry;
	struct http_conn	*http;	/* NULL: gone, kept for resume */
	struct wslay_event_context *wslay;
	char			 id[MM_ID_LEN + 1];
	char			 secret[52];	/* the token presented */
	struct user		*user;		/* NULL: not authenticated */
	int			 session_ok;
	int			 is_registered, is_reused;
	int64_t			 seq;
	int64_t			 last_activity;
	struct wsitem		*dead[MM_DEADQUEUE];
	size_t			 dead_next;
	struct wsitems		 queue;
	size_t			 queue_len;
	struct vtimer		 auth_timer, ping_timer, pong_timer;
	struct vtimer		 write_timer, end_timer;
	size_t			 skip;		/* of a frame not to be sent */
	int			 is_dead;	/* ends soon */
	int			 is_forgotten;	/* and is not kept */
};
TAILQ_HEAD(wsconnlist, wsconn);
extern struct wsconnlist wsconns;

struct audience {
	const char	*user_id, *channel_id, *team_id, *omit_user;
};
void	 hub_publish(const char *, json_t *, const struct audience *);
void	 hub_publish_as(const char *, json_t *, json_t *,
	    const struct audience *);
void	 hub_publish_raw(const char *, const char *, json_t *,
	    const struct audience *);
void	 hub_register(struct wsconn *);
void	 hub_unregister(struct wsconn *);
void	 hub_reply(struct wsconn *, json_t *);
void	 hub_pump(struct wsconn *);
void	 hub_resume_start(struct wsconn *);
struct wsconn *hub_find_inactive(const struct user *, const char *);
void	 hub_adopt(struct wsconn *, struct wsconn *);
int	 hub_session(struct wsconn *);
void	 hub_invalidate(const struct user *);
void	 hub_status(struct user *, const char *, int);
void	 hub_restart(void);
void	 hub_start(void);
void	 hub_stop(void);

/* ws.c: sockets */
void	 ws_upgrade(struct http_req *);
void	 ws_read(struct http_conn *);
void	 ws_gone(struct http_conn *);
void	 ws_write(struct wsconn *, uint8_t, const void *, size_t);
void	 ws_frame_head(struct evbuffer *, uint8_t, uint64_t, const uint8_t *);
void	 ws_sent(struct wsconn *);
int	 ws_writable(const struct wsconn *);
void	 ws_end(struct wsconn *, int);
void	 ws_free(struct wsconn *);

/* ws_action.c */
void	 ws_action(struct wsconn *, const char *, size_t);

/* record.c: what happened, for tests */
json_t	*record_add(const char *, json_t *);
json_t	*record_query(const json_t *);
int64_t	 record_last(void);
void	 record_wait(struct http_req *, json_t *, int64_t);
void	 record_body(json_t *, const char *, size_t);
void	 record_clear(void);

/* control.c */
void	 control_request(struct http_req *);
void	 control_reply(struct http_req *, json_t *);
void	 control_fail(struct http_req *, const char *, ...)
	    __attribute__((__format__(printf, 2, 3)));

/* control_seed.c, control_post.c, control_ws.c */
struct user *control_find_user(const char *);
struct channel *control_find_channel(const char *);
void	 control_seed(struct http_req *);
void	 control_user(struct http_req *);
void	 control_channel(struct http_req *);
void	 control_member(struct http_req *);
void	 control_post(struct http_req *);
void	 control_event(struct http_req *);
void	 control_drop(struct http_req *);
void	 control_frames(struct http_req *);
void	 control_conns(struct http_req *);

/* config.c */
json_t	*config_client(int);
int	 config_set(const char *, const json_t *);
int	 config_option(char *);

#endif
