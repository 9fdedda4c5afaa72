/*
 * The fields of the messages, in the order in which they travel, and the one
 * encoder and the one decoder that work from this table.  Numbers are in
 * network byte order; a string is a 16-bit length and bytes; nothing is
 * sent as it lies in memory, so no pointer and no padding leaves a process.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "compat.h"
#include "msg.h"
#include "text.h"

#define UUID_LEN	(UUID_SIZE - 1)
#define ID_LEN		(ID_SIZE - 1)
#define BUILD_LEN	64

enum field_kind {
	F_END,
	F_U8,			/* min..max */
	F_U16,
	F_U32,
	F_U64,
	F_I32,
	F_I64,			/* min.. */
	F_CHANNEL_TYPE,		/* one of four letters, or 0 if min is 0 */
	F_ID,			/* 26 of [a-z0-9], or "" if min is 0 */
	F_UUID,			/* lower case, or "" if min is 0 */
	F_BUILD,		/* 64 lower hexadecimal digits */
	F_STR,			/* valid UTF-8, at least min bytes */
	F_HASH,
	F_WORDS
};

struct field {
	const char	*name;
	enum field_kind	 kind;
	size_t		 offset;
	size_t		 size;		/* of the member */
	int64_t		 min;
	uint64_t	 max;
};

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

/* What no single field can say; the name of the wrong one, or NULL. */
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

static const struct {
	size_t			 size;
	const struct field	*fields;	/* NULL: no payload */
	const char		*(*check)(const void *);
} types[MSG_COUNT] = {
	TYPE(HELLO, msg_hello, f_hello, NULL),
	TYPE(PEER, msg_peer, f_peer, NULL),
	TYPE(FILE, msg_file, f_file, NULL),
	TYPE(READY, msg_ready, f_ready, NULL),
	TYPE(CONF_FILE, msg_conf, f_conf, NULL),
	TYPE(CONF_OK, msg_conf, f_conf, NULL),
	TYPE(CONF_ERR, msg_conf, f_conf, NULL),
	TYPE(CONF_COMMIT, msg_conf, f_conf, NULL),
	TYPE(CONF_ABORT, msg_conf, f_conf, NULL),
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

size_t
msg_struct_size(enum msg_type type)
{
	return (unsigned int)type < MSG_COUNT ? types[type].size : 0;
}

static void
field_limits(const struct field *f, size_t *min, size_t *max)
{
	switch (f->kind) {
	case F_END:
		break;
	case F_U8:
	case F_U16:
	case F_U32:
	case F_U64:
	case F_I32:
	case F_I64:
	case F_CHANNEL_TYPE:
	case F_HASH:
		*min += f->size;
		*max += f->size;
		break;
	case F_ID:
	case F_UUID:
	case F_BUILD:
	case F_STR:
		*min += 2;
		if (f->kind == F_STR)
			*min += (size_t)f->min;
		else if (f->min != 0)
			*min += f->size - 1;
		*max += 2 + f->size - 1;
		break;
	case F_WORDS:
		/* A length of two bytes for a NUL of one, for each word. */
		*min += 2;
		*max += 2 + sizeof(((struct words *)0)->data) + WORDS_MAX;
		break;
	}
}

void
msg_limits(enum msg_type type, size_t *min, size_t *max)
{
	const struct field	*f;

	*min = *max = 0;
	if ((unsigned int)type >= MSG_COUNT || types[type].fields == NULL)
		return;
	for (f = types[type].fields; f->kind != F_END; f++)
		field_limits(f, min, max);
}

static int
is_of_alphabet(const char *s, size_t len, const char *alphabet)
{
	return strlen(s) == len && strspn(s, alphabet) == len;
}

/* RFC 9562, section 4, in the lower case that we write. */
static int
is_uuid(const char *s)
{
	size_t	 i;

	if (!is_of_alphabet(s, UUID_LEN, "0123456789abcdef-"))
		return 0;
	for (i = 0; i < UUID_LEN; i++)
		if ((s[i] == '-') != (i == 8 || i == 13 || i == 18 || i == 23))
			return 0;
	return 1;
}

static int
is_words(const struct words *w)
{
	size_t	 i, len, pos = 0;

	if (w->n > WORDS_MAX || w->len > sizeof(w->data))
		return 0;
	for (i = 0; i < w->n; i++) {
		len = strnlen(w->data + pos, w->len - pos);
		if (pos + len == w->len ||
		    utf8_valid(w->data + pos, len) != len)
			return 0;
		pos += len + 1;
	}
	return pos == w->len;
}

static int
is_string(const struct field *f, const char *s)
{
	size_t	 len;

	len = strnlen(s, f->size);
	if (len == f->size || utf8_valid(s, len) != len)
		return 0;
	if (f->kind == F_STR)
		return len >= (size_t)f->min;
	if (len == 0 && f->min == 0)
		return 1;
	if (f->kind == F_ID)
		return len == ID_LEN && text_is_id(s);
	if (f->kind == F_UUID)
		return is_uuid(s);
	return is_of_alphabet(s, BUILD_LEN, "0123456789abcdef");
}

static int
is_number(const struct field *f, uint64_t v)
{
	return v >= (uint64_t)f->min && v <= f->max;
}

/* Is the value of this member one that may be sent and believed? */
static int
is_field(const struct field *f, const void *p)
{
	uint16_t	 u16;
	uint32_t	 u32;
	uint64_t	 u64;
	int64_t		 i64;
	uint8_t		 u8;

	switch (f->kind) {
	case F_U8:
		memcpy(&u8, p, sizeof(u8));
		return is_number(f, u8);
	case F_U16:
		memcpy(&u16, p, sizeof(u16));
		return is_number(f, u16);
	case F_U32:
		memcpy(&u32, p, sizeof(u32));
		return is_number(f, u32);
	case F_U64:
		memcpy(&u64, p, sizeof(u64));
		return is_number(f, u64);
	case F_I64:
		memcpy(&i64, p, sizeof(i64));
		return i64 >= f->min;
	case F_CHANNEL_TYPE:
		memcpy(&u8, p, sizeof(u8));
		return u8 == 'O' || u8 == 'P' || u8 == 'D' || u8 == 'G' ||
		    (u8 == 0 && f->min == 0);
	case F_ID:
	case F_UUID:
	case F_BUILD:
	case F_STR:
		return is_string(f, p);
	case F_WORDS:
		return is_words(p);
	case F_I32:
	case F_HASH:
	case F_END:
		break;
	}
	return 1;
}

static void
words_put(struct buf *b, const struct words *w)
{
	const char	*word;
	size_t		 i;

	buf_put_u16(b, w->n);
	for (i = 0; (word = words_get(w, i)) != NULL; i++)
		buf_put_str(b, word, sizeof(w->data));
}

static void
words_take(struct buf *b, struct words *w)
{
	char	 word[sizeof(w->data)];
	size_t	 i, n;

	n = buf_get_u16(b);
	if (n > WORDS_MAX)
		b->error = EBADMSG;
	for (i = 0; i < n && buf_error(b) == 0; i++) {
		buf_get_str(b, word, sizeof(word));
		if (words_add(w, word, strlen(word)) == -1)
			b->error = EBADMSG;
	}
	explicit_bzero(word, sizeof(word));
}

static void
field_put(struct buf *b, const struct field *f, const void *p)
{
	uint16_t	 u16;
	uint32_t	 u32;
	uint64_t	 u64;

	switch (f->kind) {
	case F_U8:
	case F_CHANNEL_TYPE:
	case F_HASH:
		buf_put(b, p, f->size);
		break;
	case F_U16:
		memcpy(&u16, p, sizeof(u16));
		buf_put_u16(b, u16);
		break;
	case F_U32:
	case F_I32:
		memcpy(&u32, p, sizeof(u32));
		buf_put_u32(b, u32);
		break;
	case F_U64:
	case F_I64:
		memcpy(&u64, p, sizeof(u64));
		buf_put_u64(b, u64);
		break;
	case F_ID:
	case F_UUID:
	case F_BUILD:
	case F_STR:
		buf_put_str(b, p, f->size);
		break;
	case F_WORDS:
		words_put(b, p);
		break;
	case F_END:
		break;
	}
}

static void
field_take(struct buf *b, const struct field *f, void *p)
{
	uint16_t	 u16;
	uint32_t	 u32;
	uint64_t	 u64;

	switch (f->kind) {
	case F_U8:
	case F_CHANNEL_TYPE:
	case F_HASH:
		buf_get(b, p, f->size);
		break;
	case F_U16:
		u16 = buf_get_u16(b);
		memcpy(p, &u16, sizeof(u16));
		break;
	case F_U32:
	case F_I32:
		u32 = buf_get_u32(b);
		memcpy(p, &u32, sizeof(u32));
		break;
	case F_U64:
	case F_I64:
		u64 = buf_get_u64(b);
		memcpy(p, &u64, sizeof(u64));
		break;
	case F_ID:
	case F_UUID:
	case F_BUILD:
	case F_STR:
		buf_get_str(b, p, f->size);
		break;
	case F_WORDS:
		words_take(b, p);
		break;
	case F_END:
		break;
	}
}

/*
 * b is made here, for the caller to buf_free() in every case.  A type
 * without a payload leaves it empty.
 */
int
msg_encode(struct buf *b, enum msg_type type, const void *msg,
    const char **field)
{
	const struct field	*f;
	const char		*member;
	size_t			 min, max;

	msg_limits(type, &min, &max);
	buf_init(b, max);
	*field = "type";
	if (msg_rule(type) == NULL)
		return -1;
	if (types[type].fields == NULL)
		return 0;
	for (f = types[type].fields; f->kind != F_END; f++) {
		*field = f->name;
		member = (const char *)msg + f->offset;
		if (!is_field(f, member))
			return -1;
		field_put(b, f, member);
		if (buf_error(b) != 0)
			return -1;
	}
	if (types[type].check != NULL &&
	    (*field = types[type].check(msg)) != NULL)
		return -1;
	return 0;
}

/* msg has msg_struct_size() bytes and is zeroed first. */
int
msg_decode(const void *data, size_t len, enum msg_type type, void *msg,
    const char **field)
{
	const struct field	*f;
	struct buf		 b;
	char			*member;

	*field = "type";
	if (msg_rule(type) == NULL)
		return -1;
	buf_init_read(&b, data, len);
	if ((f = types[type].fields) != NULL) {
		memset(msg, 0, types[type].size);
		for (; f->kind != F_END; f++) {
			*field = f->name;
			member = (char *)msg + f->offset;
			field_take(&b, f, member);
			if (buf_error(&b) != 0 || !is_field(f, member))
				return -1;
		}
	}
	*field = "length";
	if (buf_end(&b) == -1)
		return -1;
	if (types[type].check != NULL &&
	    (*field = types[type].check(msg)) != NULL)
		return -1;
	return 0;
}
