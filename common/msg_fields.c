/*
 * The fields of the messages, in the order in which they travel.  Numbers
 * are in network byte order; a string is a 16-bit length and bytes; nothing
 * is sent as it lies in memory, so no pointer and no padding leaves a
 * process.
 */
#include <stddef.h>

#include "compat.h"
#include "msg.h"
#include "msg_fields.h"
#include "text.h"

#define FIELD(s, m, kind, min, max)					\
	{ #m, (kind), offsetof(struct s, m), sizeof(((struct s *)0)->m),\
	    (min), (max) }
#define END	{ NULL, F_END, 0, 0, 0, 0 }

/* The kinds as the table below writes them; s is the struct. */
#define BOOL(s, m)	FIELD(s, m, F_U8, 0, 1)
#define ENUM(s, m, n)	FIELD(s, m, F_U8, 0, (n) - 1)
#define U8(s, m, a, b)	FIELD(s, m, F_U8, (a), (b))
#define U16(s, m, b)	FIELD(s, m, F_U16, 0, (b))
#define U32(s, m)	FIELD(s, m, F_U32, 0, UINT32_MAX)
#define U32R(s, m, a, b) FIELD(s, m, F_U32, (a), (b))
#define U64(s, m)	FIELD(s, m, F_U64, 0, UINT64_MAX)
#define NUMBER(s, m)	FIELD(s, m, F_U64, 1, UINT64_MAX)
#define I32(s, m)	FIELD(s, m, F_I32, 0, 0)
#define I64(s, m)	FIELD(s, m, F_I64, INT64_MIN, 0)
#define TIME(s, m)	FIELD(s, m, F_I64, 0, 0)
#define ID(s, m)	FIELD(s, m, F_ID, 1, 0)
#define ID_OR(s, m)	FIELD(s, m, F_ID, 0, 0)
#define UUID(s, m)	FIELD(s, m, F_UUID, 1, 0)
#define UUID_OR(s, m)	FIELD(s, m, F_UUID, 0, 0)
#define BUILD(s, m)	FIELD(s, m, F_BUILD, 1, 0)
#define TEXT(s, m)	FIELD(s, m, F_STR, 0, 0)
#define NAME(s, m)	FIELD(s, m, F_STR, 1, 0)
#define HASH(s, m)	FIELD(s, m, F_HASH, 0, 0)
#define WORDS(s, m)	FIELD(s, m, F_WORDS, 0, 0)

static const struct field f_hello[] = {
	BUILD(msg_hello, build), ENUM(msg_hello, role, ROLE_COUNT), END
};

static const struct field f_peer[] = {
	ENUM(msg_peer, role, ROLE_COUNT), END
};

static const struct field f_file[] = {
	ENUM(msg_file, kind, FILE_COUNT), END
};

static const struct field f_ready[] = {
	U32R(msg_ready, reached, 0, CONFINED_ALL),
	U32(msg_ready, landlock_abi), TEXT(msg_ready, note), END
};

static const struct field f_process[] = {
	ENUM(msg_process, role, ROLE_COUNT), U32(msg_process, pid),
	U32R(msg_process, reached, 0, CONFINED_ALL),
	U32(msg_process, landlock_abi), TEXT(msg_process, note), END
};

static const struct field f_conf[] = {
	U64(msg_conf, generation), BOOL(msg_conf, ok),
	TEXT(msg_conf, error), END
};

static const struct field f_reload[] = {
	TEXT(msg_reload, by), END
};

static const struct field f_command[] = {
	ID(msg_command, post_id), ID_OR(msg_command, root_id),
	ID(msg_command, user_id), ID(msg_command, channel_id),
	ID_OR(msg_command, team_id), TEXT(msg_command, channel_name),
	FIELD(msg_command, channel_type, F_CHANNEL_TYPE, 1, 0),
	BOOL(msg_command, missed), TIME(msg_command, create_at),
	TIME(msg_command, received), TEXT(msg_command, text), END
};

static const struct field f_reaction[] = {
	ID(msg_reaction, post_id), ID(msg_reaction, user_id),
	ID(msg_reaction, channel_id), NAME(msg_reaction, emoji),
	BOOL(msg_reaction, added), END
};

static const struct field f_net_state[] = {
	ENUM(msg_net_state, state, NET_STATE_COUNT),
	ID_OR(msg_net_state, bot_id), TEXT(msg_net_state, bot_name),
	TEXT(msg_net_state, server_version), U32(msg_net_state, max_post),
	U64(msg_net_state, max_file), I64(msg_net_state, skew),
	U32(msg_net_state, rtt), TEXT(msg_net_state, why), END
};

static const struct field f_catchup[] = {
	TIME(msg_catchup, since), END
};

static const struct field f_caught_up[] = {
	TIME(msg_caught_up, until), U32(msg_caught_up, posts),
	BOOL(msg_caught_up, complete), END
};

static const struct field f_lookup_user[] = {
	BOOL(msg_lookup_user, by_name), NAME(msg_lookup_user, key), END
};

static const struct field f_user[] = {
	ENUM(msg_user, status, LOOKUP_STATUS_COUNT), ID_OR(msg_user, id),
	TEXT(msg_user, username), U32R(msg_user, flags, 0, USER_FLAGS), END
};

static const struct field f_lookup_channel[] = {
	ID_OR(msg_lookup_channel, id), TEXT(msg_lookup_channel, team),
	TEXT(msg_lookup_channel, name), END
};

static const struct field f_channel[] = {
	ENUM(msg_channel, status, LOOKUP_STATUS_COUNT),
	ID_OR(msg_channel, id), ID_OR(msg_channel, team_id),
	TEXT(msg_channel, name),
	FIELD(msg_channel, type, F_CHANNEL_TYPE, 0, 0),
	U32R(msg_channel, flags, 0, CHANNEL_FLAGS), END
};

static const struct field f_lookup_member[] = {
	ID(msg_lookup_member, channel_id), ID(msg_lookup_member, user_id), END
};

static const struct field f_member[] = {
	ENUM(msg_member, status, LOOKUP_STATUS_COUNT),
	BOOL(msg_member, guest), END
};

static const struct field f_post[] = {
	ID(msg_post, channel_id), ID_OR(msg_post, root_id),
	ID_OR(msg_post, file_id), TEXT(msg_post, text), END
};

static const struct field f_patch[] = {
	ID(msg_patch, post_id), TEXT(msg_patch, text), END
};

static const struct field f_react[] = {
	ID(msg_react, post_id), NAME(msg_react, emoji),
	BOOL(msg_react, add), END
};

static const struct field f_upload[] = {
	ID(msg_upload, channel_id), NAME(msg_upload, name),
	U64(msg_upload, size), END
};

static const struct field f_net_result[] = {
	ENUM(msg_net_result, result, RESULT_COUNT),
	U16(msg_net_result, http, 599), ID_OR(msg_net_result, id),
	TEXT(msg_net_result, error), END
};

static const struct field f_job_start[] = {
	NUMBER(msg_job_start, job), U32(msg_job_start, script),
	U64(msg_job_start, generation), UUID(msg_job_start, execution_id),
	ID(msg_job_start, user_id), TEXT(msg_job_start, username),
	ID(msg_job_start, channel_id), WORDS(msg_job_start, words), END
};

static const struct field f_job_started[] = {
	NUMBER(msg_job_started, job), END
};

static const struct field f_job_exit[] = {
	NUMBER(msg_job_exit, job), ENUM(msg_job_exit, how, JOB_END_COUNT),
	U8(msg_job_exit, status, 0, 255), U8(msg_job_exit, signal, 0, 64),
	U64(msg_job_exit, wall_ms), U64(msg_job_exit, user_us),
	U64(msg_job_exit, system_us), U64(msg_job_exit, maxrss_kb),
	TEXT(msg_job_exit, step), TEXT(msg_job_exit, error), END
};

static const struct field f_job_kill[] = {
	NUMBER(msg_job_kill, job), ENUM(msg_job_kill, reason, KILL_COUNT), END
};

static const struct field f_append[] = {
	/* The four that the executor may write stand side by side. */
	U8(msg_append, event, AUDIT_INTENT, AUDIT_DENIED),
	UUID_OR(msg_append, execution_id), TEXT(msg_append, script_name),
	TEXT(msg_append, arguments), ID_OR(msg_append, user_id),
	ID_OR(msg_append, channel_id), BOOL(msg_append, has_result),
	BOOL(msg_append, success), I32(msg_append, exit_code),
	TIME(msg_append, duration_ms), TEXT(msg_append, error),
	TEXT(msg_append, detail), END
};

static const struct field f_ack[] = {
	BOOL(msg_ack, ok), U64(msg_ack, seq), HASH(msg_ack, line_hash),
	HASH(msg_ack, previous_hash), TEXT(msg_ack, error), END
};

static const struct field f_audit_state[] = {
	NAME(msg_audit_state, origin), HASH(msg_audit_state, genesis_hash),
	U64(msg_audit_state, seq), HASH(msg_audit_state, line_hash),
	U32R(msg_audit_state, nrecent, 0, MSG_RECENT),
	HASH(msg_audit_state, recent),
	UUID(msg_audit_state, session), BOOL(msg_audit_state, clean),
	U32(msg_audit_state, dangling), END
};

static const struct field f_dangling[] = {
	UUID(msg_dangling, execution_id), TEXT(msg_dangling, script_name),
	TEXT(msg_dangling, arguments), ID_OR(msg_dangling, user_id),
	ID_OR(msg_dangling, channel_id), END
};

static const struct field f_audit_health[] = {
	BOOL(msg_audit_health, ok), TEXT(msg_audit_health, why), END
};

static const struct field f_tail[] = {
	U32R(msg_tail, lines, 1, 200), END
};

static const struct field f_tail_line[] = {
	BOOL(msg_tail_line, last), TEXT(msg_tail_line, line), END
};

static const struct field f_ctl_hello[] = {
	BUILD(msg_ctl_hello, build), END
};

static const struct field f_ctl_request[] = {
	WORDS(msg_ctl_request, words), END
};

static const struct field f_ctl_row[] = {
	NAME(msg_ctl_row, json), END
};

static const struct field f_ctl_end[] = {
	U8(msg_ctl_end, exit, 0, 2), TEXT(msg_ctl_end, error), END
};

static const char *
check_lookup_user(const void *p)
{
	const struct msg_lookup_user	*m = p;

	return m->by_name || text_is_id(m->key) ? NULL : "key";
}

static const char *
check_user(const void *p)
{
	const struct msg_user	*m = p;

	if (m->status != LOOKUP_OK)
		return NULL;
	/* An empty id must never be compared with another empty one. */
	if (m->id[0] == '\0')
		return "id";
	return m->username[0] == '\0' ? "username" : NULL;
}

static const char *
check_lookup_channel(const void *p)
{
	const struct msg_lookup_channel	*m = p;

	return (m->id[0] == '\0') == (m->name[0] == '\0') ? "name" : NULL;
}

static const char *
check_channel(const void *p)
{
	const struct msg_channel	*m = p;

	if (m->status != LOOKUP_OK)
		return NULL;
	if (m->id[0] == '\0')
		return "id";
	return m->type == 0 ? "type" : NULL;
}

#define TYPE(type, s, fields, check)					\
	[MSG_##type] = { sizeof(struct s), (fields), (check) }

const struct field_type	 msg_types[MSG_COUNT] = {
	TYPE(HELLO, msg_hello, f_hello, NULL),
	TYPE(PEER, msg_peer, f_peer, NULL),
	TYPE(FILE, msg_file, f_file, NULL),
	TYPE(READY, msg_ready, f_ready, NULL),
	TYPE(CONF_FILE, msg_conf, f_conf, NULL),
	TYPE(CONF_OK, msg_conf, f_conf, NULL),
	TYPE(CONF_ERR, msg_conf, f_conf, NULL),
	TYPE(CONF_COMMIT, msg_conf, f_conf, NULL),
	TYPE(CONF_ABORT, msg_conf, f_conf, NULL),
	TYPE(PROCESS, msg_process, f_process, NULL),
	TYPE(RELOAD, msg_reload, f_reload, NULL),
	TYPE(RELOAD_RESULT, msg_conf, f_conf, NULL),
	TYPE(COMMAND, msg_command, f_command, NULL),
	TYPE(REACTION, msg_reaction, f_reaction, NULL),
	TYPE(NET_STATE, msg_net_state, f_net_state, NULL),
	TYPE(CATCHUP, msg_catchup, f_catchup, NULL),
	TYPE(CAUGHT_UP, msg_caught_up, f_caught_up, NULL),
	TYPE(LOOKUP_USER, msg_lookup_user, f_lookup_user, check_lookup_user),
	TYPE(USER, msg_user, f_user, check_user),
	TYPE(LOOKUP_CHANNEL, msg_lookup_channel, f_lookup_channel,
	    check_lookup_channel),
	TYPE(CHANNEL, msg_channel, f_channel, check_channel),
	TYPE(LOOKUP_MEMBER, msg_lookup_member, f_lookup_member, NULL),
	TYPE(MEMBER, msg_member, f_member, NULL),
	TYPE(POST, msg_post, f_post, NULL),
	TYPE(PATCH, msg_patch, f_patch, NULL),
	TYPE(REACT, msg_react, f_react, NULL),
	TYPE(UPLOAD, msg_upload, f_upload, NULL),
	TYPE(NET_RESULT, msg_net_result, f_net_result, NULL),
	TYPE(JOB_START, msg_job_start, f_job_start, NULL),
	TYPE(JOB_STARTED, msg_job_started, f_job_started, NULL),
	TYPE(JOB_EXIT, msg_job_exit, f_job_exit, NULL),
	TYPE(JOB_KILL, msg_job_kill, f_job_kill, NULL),
	TYPE(APPEND, msg_append, f_append, NULL),
	TYPE(ACK, msg_ack, f_ack, NULL),
	TYPE(AUDIT_STATE, msg_audit_state, f_audit_state, NULL),
	TYPE(DANGLING, msg_dangling, f_dangling, NULL),
	TYPE(AUDIT_HEALTH, msg_audit_health, f_audit_health, NULL),
	TYPE(TAIL, msg_tail, f_tail, NULL),
	TYPE(TAIL_LINE, msg_tail_line, f_tail_line, NULL),
	TYPE(CTL_HELLO, msg_ctl_hello, f_ctl_hello, NULL),
	TYPE(CTL_REQUEST, msg_ctl_request, f_ctl_request, NULL),
	TYPE(CTL_ROW, msg_ctl_row, f_ctl_row, NULL),
	TYPE(CTL_END, msg_ctl_end, f_ctl_end, NULL)
};
