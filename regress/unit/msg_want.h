/*
 * A second description of the messages: written from the list of who says
 * what to whom, not from msg.c.  The tests hold the two against each other.
 */
#ifndef CHATOPS_MSG_WANT_H
#define CHATOPS_MSG_WANT_H

#include <stddef.h>

#include "compat.h"
#include "msg.h"

/* Kinds of fields, one letter each: see gen_field(). */
struct want_field {
	const char	*name;
	char		 kind;
	size_t		 offset;
	size_t		 size;
	uint64_t	 low;
	uint64_t	 high;
};

#define F(s, m, kind, low, high)					\
	{ #m, (kind), offsetof(struct s, m), sizeof(((struct s *)0)->m),\
	    (low), (high) }
#define MAXFIELDS	16

struct want_type {
	enum msg_type		 type;
	const char		*name;
	const char		*ways;	/* pairs of first letters */
	const char		*phases;
	int			 once;
	int			 fd;
	int			 answer;
	size_t			 size;
	struct want_field	 f[MAXFIELDS];
};

#define CONF_FIELDS							\
	sizeof(struct msg_conf), {					\
	F(msg_conf, generation, 'q', 0, 0),				\
	F(msg_conf, ok, 'n', 0, 1), F(msg_conf, error, 's', 0, 0) }

static const struct want_type want[] = {
{ MSG_HELLO, "HELLO", "PN PE PR PA NP EP RP AP", "S", 1, 0, 0,
    sizeof(struct msg_hello), { F(msg_hello, build, 'b', 0, 0),
    F(msg_hello, role, 'n', 0, 5) } },
{ MSG_PEER, "PEER", "PN PE PR PA", "S", 0, 1, 0, sizeof(struct msg_peer),
    { F(msg_peer, role, 'n', 0, 5) } },
{ MSG_FILE, "FILE", "PN PE PR PA", "S", 0, 1, 0, sizeof(struct msg_file),
    { F(msg_file, kind, 'n', 0, 11) } },
{ MSG_DONE, "DONE", "PN PE PR PA", "S", 1, 0, 0, 0, { { 0 } } },
{ MSG_READY, "READY", "NP EP RP AP", "S", 1, 0, 0, sizeof(struct msg_ready),
    { F(msg_ready, reached, 'w', 0, 0x7f),
    F(msg_ready, landlock_abi, 'w', 0, UINT32_MAX),
    F(msg_ready, note, 's', 0, 0) } },
{ MSG_CONF_FILE, "CONF_FILE", "PE PR", "R", 0, 1, 0, CONF_FIELDS },
{ MSG_CONF_OK, "CONF_OK", "EP RP", "R", 0, 0, 0, CONF_FIELDS },
{ MSG_CONF_ERR, "CONF_ERR", "EP RP", "R", 0, 0, 0, CONF_FIELDS },
{ MSG_CONF_COMMIT, "CONF_COMMIT", "PE PR", "R", 0, 0, 0, CONF_FIELDS },
{ MSG_CONF_ABORT, "CONF_ABORT", "PE PR", "R", 0, 0, 0, CONF_FIELDS },
{ MSG_RELOAD, "RELOAD", "EP", "R", 0, 0, 0, sizeof(struct msg_reload),
    { F(msg_reload, by, 's', 0, 0) } },
{ MSG_RELOAD_RESULT, "RELOAD_RESULT", "PE", "R", 0, 0, 0, CONF_FIELDS },
{ MSG_STOP, "STOP", "PN PE PR PA", "R", 1, 0, 0, 0, { { 0 } } },
{ MSG_PROCESS, "PROCESS", "PE", "R", 0, 0, 0, sizeof(struct msg_process),
    { F(msg_process, role, 'n', 0, 5), F(msg_process, pid, 'w', 0, UINT32_MAX),
    F(msg_process, reached, 'w', 0, 0x7f),
    F(msg_process, landlock_abi, 'w', 0, UINT32_MAX),
    F(msg_process, note, 's', 0, 0) } },
{ MSG_COMMAND, "COMMAND", "NE", "R", 0, 0, 0, sizeof(struct msg_command),
    { F(msg_command, post_id, 'd', 0, 0), F(msg_command, root_id, 'D', 0, 0),
    F(msg_command, user_id, 'd', 0, 0), F(msg_command, channel_id, 'd', 0, 0),
    F(msg_command, team_id, 'D', 0, 0),
    F(msg_command, channel_name, 's', 0, 0),
    F(msg_command, channel_type, 'c', 0, 0),
    F(msg_command, missed, 'n', 0, 1), F(msg_command, create_at, 't', 0, 0),
    F(msg_command, received, 't', 0, 0), F(msg_command, text, 's', 0, 0) } },
{ MSG_REACTION, "REACTION", "NE", "R", 0, 0, 0, sizeof(struct msg_reaction),
    { F(msg_reaction, post_id, 'd', 0, 0),
    F(msg_reaction, user_id, 'd', 0, 0),
    F(msg_reaction, channel_id, 'd', 0, 0),
    F(msg_reaction, emoji, 'S', 0, 0), F(msg_reaction, added, 'n', 0, 1) } },
{ MSG_NET_STATE, "NET_STATE", "NE", "R", 0, 0, 0,
    sizeof(struct msg_net_state), { F(msg_net_state, state, 'n', 0, 3),
    F(msg_net_state, bot_id, 'D', 0, 0),
    F(msg_net_state, bot_name, 's', 0, 0),
    F(msg_net_state, server_version, 's', 0, 0),
    F(msg_net_state, max_post, 'w', 0, UINT32_MAX),
    F(msg_net_state, max_file, 'q', 0, 0), F(msg_net_state, skew, 'l', 0, 0),
    F(msg_net_state, rtt, 'w', 0, UINT32_MAX),
    F(msg_net_state, why, 's', 0, 0) } },
{ MSG_CATCHUP, "CATCHUP", "EN", "R", 0, 0, 0, sizeof(struct msg_catchup),
    { F(msg_catchup, since, 't', 0, 0) } },
{ MSG_CAUGHT_UP, "CAUGHT_UP", "NE", "R", 0, 0, 1,
    sizeof(struct msg_caught_up), { F(msg_caught_up, until, 't', 0, 0),
    F(msg_caught_up, posts, 'w', 0, UINT32_MAX),
    F(msg_caught_up, complete, 'n', 0, 1) } },
{ MSG_LOOKUP_USER, "LOOKUP_USER", "EN", "R", 0, 0, 0,
    sizeof(struct msg_lookup_user), { F(msg_lookup_user, by_name, 'n', 0, 1),
    F(msg_lookup_user, key, 'S', 0, 0) } },
{ MSG_USER, "USER", "NE", "R", 0, 0, 1, sizeof(struct msg_user),
    { F(msg_user, status, 'n', 0, 2), F(msg_user, id, 'D', 0, 0),
    F(msg_user, username, 's', 0, 0), F(msg_user, flags, 'w', 0, 15) } },
{ MSG_LOOKUP_CHANNEL, "LOOKUP_CHANNEL", "EN", "R", 0, 0, 0,
    sizeof(struct msg_lookup_channel),
    { F(msg_lookup_channel, id, 'D', 0, 0),
    F(msg_lookup_channel, team, 's', 0, 0),
    F(msg_lookup_channel, name, 's', 0, 0) } },
{ MSG_CHANNEL, "CHANNEL", "NE", "R", 0, 0, 1, sizeof(struct msg_channel),
    { F(msg_channel, status, 'n', 0, 2), F(msg_channel, id, 'D', 0, 0),
    F(msg_channel, team_id, 'D', 0, 0), F(msg_channel, name, 's', 0, 0),
    F(msg_channel, type, 'C', 0, 0), F(msg_channel, flags, 'w', 0, 3) } },
{ MSG_LOOKUP_MEMBER, "LOOKUP_MEMBER", "EN", "R", 0, 0, 0,
    sizeof(struct msg_lookup_member),
    { F(msg_lookup_member, channel_id, 'd', 0, 0),
    F(msg_lookup_member, user_id, 'd', 0, 0) } },
{ MSG_MEMBER, "MEMBER", "NE", "R", 0, 0, 1, sizeof(struct msg_member),
    { F(msg_member, status, 'n', 0, 2), F(msg_member, guest, 'n', 0, 1) } },
{ MSG_POST, "POST", "EN", "R", 0, 0, 0, sizeof(struct msg_post),
    { F(msg_post, channel_id, 'd', 0, 0), F(msg_post, root_id, 'D', 0, 0),
    F(msg_post, file_id, 'D', 0, 0), F(msg_post, text, 's', 0, 0) } },
{ MSG_PATCH, "PATCH", "EN", "R", 0, 0, 0, sizeof(struct msg_patch),
    { F(msg_patch, post_id, 'd', 0, 0), F(msg_patch, text, 's', 0, 0) } },
{ MSG_REACT, "REACT", "EN", "R", 0, 0, 0, sizeof(struct msg_react),
    { F(msg_react, post_id, 'd', 0, 0), F(msg_react, emoji, 'S', 0, 0),
    F(msg_react, add, 'n', 0, 1) } },
{ MSG_UPLOAD, "UPLOAD", "EN", "R", 0, 1, 0, sizeof(struct msg_upload),
    { F(msg_upload, channel_id, 'd', 0, 0), F(msg_upload, name, 'S', 0, 0),
    F(msg_upload, size, 'q', 0, 0) } },
{ MSG_NET_RESULT, "NET_RESULT", "NE", "R", 0, 0, 1,
    sizeof(struct msg_net_result), { F(msg_net_result, result, 'n', 0, 2),
    F(msg_net_result, http, 'h', 0, 599), F(msg_net_result, id, 'D', 0, 0),
    F(msg_net_result, error, 's', 0, 0) } },
{ MSG_XOFF, "XOFF", "NE EN", "R", 0, 0, 0, 0, { { 0 } } },
{ MSG_XON, "XON", "NE EN", "R", 0, 0, 0, 0, { { 0 } } },
{ MSG_JOB_START, "JOB_START", "ER", "R", 0, 0, 0,
    sizeof(struct msg_job_start), { F(msg_job_start, job, 'q', 1, 0),
    F(msg_job_start, script, 'w', 0, UINT32_MAX),
    F(msg_job_start, generation, 'q', 0, 0),
    F(msg_job_start, execution_id, 'u', 0, 0),
    F(msg_job_start, user_id, 'd', 0, 0),
    F(msg_job_start, username, 's', 0, 0),
    F(msg_job_start, channel_id, 'd', 0, 0),
    F(msg_job_start, words, 'W', 0, 0) } },
{ MSG_JOB_STARTED, "JOB_STARTED", "RE", "R", 0, 1, 0,
    sizeof(struct msg_job_started), { F(msg_job_started, job, 'q', 1, 0) } },
{ MSG_JOB_EXIT, "JOB_EXIT", "RE", "R", 0, 0, 0, sizeof(struct msg_job_exit),
    { F(msg_job_exit, job, 'q', 1, 0), F(msg_job_exit, how, 'n', 0, 5),
    F(msg_job_exit, status, 'n', 0, 255), F(msg_job_exit, signal, 'n', 0, 64),
    F(msg_job_exit, wall_ms, 'q', 0, 0), F(msg_job_exit, user_us, 'q', 0, 0),
    F(msg_job_exit, system_us, 'q', 0, 0),
    F(msg_job_exit, maxrss_kb, 'q', 0, 0), F(msg_job_exit, step, 's', 0, 0),
    F(msg_job_exit, error, 's', 0, 0) } },
{ MSG_JOB_KILL, "JOB_KILL", "ER", "R", 0, 0, 0, sizeof(struct msg_job_kill),
    { F(msg_job_kill, job, 'q', 1, 0), F(msg_job_kill, reason, 'n', 0, 2) } },
{ MSG_APPEND, "APPEND", "EA", "R", 0, 0, 0, sizeof(struct msg_append),
    { F(msg_append, event, 'n', 3, 6), F(msg_append, execution_id, 'U', 0, 0),
    F(msg_append, script_name, 's', 0, 0),
    F(msg_append, arguments, 's', 0, 0), F(msg_append, user_id, 'D', 0, 0),
    F(msg_append, channel_id, 'D', 0, 0),
    F(msg_append, has_result, 'n', 0, 1), F(msg_append, success, 'n', 0, 1),
    F(msg_append, exit_code, 'i', 0, 0),
    F(msg_append, duration_ms, 't', 0, 0), F(msg_append, error, 's', 0, 0),
    F(msg_append, detail, 's', 0, 0) } },
{ MSG_ACK, "ACK", "AE", "R", 0, 0, 1, sizeof(struct msg_ack),
    { F(msg_ack, ok, 'n', 0, 1), F(msg_ack, seq, 'q', 0, 0),
    F(msg_ack, line_hash, 'x', 0, 0), F(msg_ack, previous_hash, 'x', 0, 0),
    F(msg_ack, error, 's', 0, 0) } },
{ MSG_AUDIT_STATE, "AUDIT_STATE", "AE", "R", 1, 0, 0,
    sizeof(struct msg_audit_state), { F(msg_audit_state, origin, 'S', 0, 0),
    F(msg_audit_state, genesis_hash, 'x', 0, 0),
    F(msg_audit_state, seq, 'q', 0, 0),
    F(msg_audit_state, line_hash, 'x', 0, 0),
    F(msg_audit_state, nrecent, 'w', 0, 64),
    F(msg_audit_state, recent, 'x', 0, 0),
    F(msg_audit_state, session, 'u', 0, 0),
    F(msg_audit_state, clean, 'n', 0, 1),
    F(msg_audit_state, dangling, 'w', 0, UINT32_MAX) } },
{ MSG_DANGLING, "DANGLING", "AE", "R", 0, 0, 0, sizeof(struct msg_dangling),
    { F(msg_dangling, execution_id, 'u', 0, 0),
    F(msg_dangling, script_name, 's', 0, 0),
    F(msg_dangling, arguments, 's', 0, 0),
    F(msg_dangling, user_id, 'D', 0, 0),
    F(msg_dangling, channel_id, 'D', 0, 0) } },
{ MSG_AUDIT_HEALTH, "AUDIT_HEALTH", "AE", "R", 0, 0, 0,
    sizeof(struct msg_audit_health), { F(msg_audit_health, ok, 'n', 0, 1),
    F(msg_audit_health, why, 's', 0, 0) } },
{ MSG_AUDIT_END, "AUDIT_END", "EA", "R", 1, 0, 0, 0, { { 0 } } },
{ MSG_TAIL, "TAIL", "EA", "R", 0, 0, 0, sizeof(struct msg_tail),
    { F(msg_tail, lines, 'w', 1, 200) } },
{ MSG_TAIL_LINE, "TAIL_LINE", "AE", "R", 0, 0, 1,
    sizeof(struct msg_tail_line), { F(msg_tail_line, last, 'n', 0, 1),
    F(msg_tail_line, line, 's', 0, 0) } },
{ MSG_CTL_HELLO, "CTL_HELLO", "CE EC", "S", 1, 0, 0,
    sizeof(struct msg_ctl_hello), { F(msg_ctl_hello, build, 'b', 0, 0) } },
{ MSG_CTL_REQUEST, "CTL_REQUEST", "CE", "R", 1, 0, 0,
    sizeof(struct msg_ctl_request), { F(msg_ctl_request, words, 'W', 0, 0) } },
{ MSG_CTL_ROW, "CTL_ROW", "EC", "R", 0, 0, 0, sizeof(struct msg_ctl_row),
    { F(msg_ctl_row, json, 'S', 0, 0) } },
{ MSG_CTL_END, "CTL_END", "EC", "SR", 1, 0, 0, sizeof(struct msg_ctl_end),
    { F(msg_ctl_end, exit, 'n', 0, 2), F(msg_ctl_end, error, 's', 0, 0) } },
};

static inline size_t
field_count(const struct want_type *t)
{
	size_t	 n = 0;

	while (n < MAXFIELDS && t->f[n].name != NULL)
		n++;
	return n;
}

#endif
