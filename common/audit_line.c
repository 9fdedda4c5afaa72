/* Lines of the audit log; see audit_line.h and chatops-audit(5). */
#include "compat.h"

#include <string.h>

#include <sodium.h>

#include "audit_line.h"
#include "text.h"

static const char *const	 event_names[] = {
	[AUDIT_GENESIS] =	"genesis",
	[AUDIT_SESSION_START] =	"session-start",
	[AUDIT_SESSION_END] =	"session-end",
	[AUDIT_INTENT] =	"intent",
	[AUDIT_EXECUTION] =	"execution",
	[AUDIT_PERMISSION] =	"permission",
	[AUDIT_DENIED] =	"denied",
	[AUDIT_SEGMENT_START] =	"segment-start",
	[AUDIT_PRUNE] =		"prune",
	[AUDIT_RECOVERY] =	"recovery",
	[AUDIT_LOG_KEY] =	"log-key",
};

static const char *const	 member_names[] = {
	[AUDIT_M_V] =			"v",
	[AUDIT_M_LOG] =			"log",
	[AUDIT_M_SEQ] =			"seq",
	[AUDIT_M_TIMESTAMP] =		"timestamp",
	[AUDIT_M_EVENT] =		"event",
	[AUDIT_M_EXECUTION_ID] =	"executionId",
	[AUDIT_M_SCRIPT_NAME] =		"scriptName",
	[AUDIT_M_ARGUMENTS] =		"arguments",
	[AUDIT_M_USER_ID] =		"userId",
	[AUDIT_M_CHANNEL_ID] =		"channelId",
	[AUDIT_M_SUCCESS] =		"success",
	[AUDIT_M_EXIT_CODE] =		"exitCode",
	[AUDIT_M_DURATION] =		"durationMs",
	[AUDIT_M_ERROR] =		"error",
	[AUDIT_M_SESSION] =		"session",
	[AUDIT_M_DETAIL] =		"detail",
	[AUDIT_M_PREVIOUS_HASH] =	"previousHash",
	[AUDIT_M_PUBLIC_KEY] =		"publicKey",
	[AUDIT_M_NEXT_PUBLIC_KEY] =	"nextPublicKey",
	[AUDIT_M_TREE_ROOT] =		"treeRoot",
	[AUDIT_M_SIGNATURE] =		"signature",
};

const char *
audit_event_name(enum audit_event e)
{
	return (size_t)e < nitems(event_names) ? event_names[e] : "unknown";
}

int
audit_event_parse(const char *s, size_t len)
{
	size_t	 i;

	for (i = 0; i < nitems(event_names); i++)
		if (strlen(event_names[i]) == len &&
		    memcmp(event_names[i], s, len) == 0)
			return (int)i;
	return -1;
}

const char *
audit_member_name(enum audit_member m)
{
	return member_names[m];
}

const char *
audit_fault_name(enum audit_fault f)
{
	switch (f) {
	case AUDIT_FAULT_NONE:
		return "NONE";
	case AUDIT_FAULT_FORMAT:
		return "FORMAT";
	case AUDIT_FAULT_DUP_KEY:
		return "DUP_KEY";
	case AUDIT_FAULT_SCHEMA:
		return "SCHEMA";
	case AUDIT_FAULT_NONCANONICAL:
		return "NONCANONICAL";
	}
	return "UNKNOWN";
}

/* A string or null into *t. */
static int
read_text(struct audit_json *j, struct audit_text *t, int may_be_null)
{
	if (may_be_null && j->p < j->end && *j->p == 'n') {
		if (!audit_json_value(j, t))
			return 0;
		t->p = NULL;
		t->len = 0;
		return 1;
	}
	return audit_json_string(j, t);
}

/* An object or null into *t. */
static int
read_object(struct audit_json *j, struct audit_text *t)
{
	if (j->p < j->end && *j->p != '{')
		return read_text(j, t, 1) && t->p == NULL;
	return audit_json_value(j, t);
}

static int
read_integer(struct audit_json *j, int *has, int64_t *n)
{
	struct audit_text	 t;

	*has = j->p < j->end && *j->p != 'n';
	*n = 0;
	return *has ? audit_json_integer(j, n) : read_text(j, &t, 1);
}

static int
read_boolean(struct audit_json *j, int *v)
{
	struct audit_text	 t;

	*v = -1;
	if (j->p < j->end && *j->p != 't' && *j->p != 'f')
		return read_text(j, &t, 1) && t.p == NULL;
	if (!audit_json_value(j, &t))
		return 0;
	*v = *t.p == 't';
	return 1;
}

/*
 * A string of one form.  A loose reader undoes escapes first, so that it
 * finds what is wrong beside the spelling.
 */
static int
read_form(struct audit_json *j, char *out, size_t size, size_t *len)
{
	struct audit_text	 t;
	int			 n;

	if (!audit_json_string(j, &t))
		return 0;
	if ((n = audit_json_decode(&t, out, size)) == -1) {
		j->why = "string of the wrong length";
		return 0;
	}
	*len = (size_t)n;
	return 1;
}

/* Strings whose form is fixed; room is for the longest of them. */
static int
member_read_form(struct audit_json *j, enum audit_member m,
    struct audit_line *l)
{
	char	 s[AUDIT_BASE64_64 + 1];
	size_t	 n;
	int	 e;

	if (!read_form(j, s, sizeof(s), &n))
		return 0;
	switch (m) {
	case AUDIT_M_TIMESTAMP:
		return audit_is_timestamp(s, n) &&
		    memcpy(l->timestamp, s, n + 1) != NULL;
	case AUDIT_M_EVENT:
		if ((e = audit_event_parse(s, n)) == -1)
			return 0;
		l->event = (enum audit_event)e;
		return 1;
	case AUDIT_M_EXECUTION_ID:
		return audit_is_uuid(s, n) &&
		    memcpy(l->execution_id, s, n + 1) != NULL;
	case AUDIT_M_SESSION:
		return audit_is_uuid(s, n) &&
		    memcpy(l->session, s, n + 1) != NULL;
	case AUDIT_M_PREVIOUS_HASH:
		return audit_hex_read(s, n, l->previous_hash, HASH_SIZE) == 0;
	case AUDIT_M_PUBLIC_KEY:
		return audit_base64_read(s, n, l->public_key, 32) == 0;
	case AUDIT_M_NEXT_PUBLIC_KEY:
		l->has_next = 1;
		return audit_base64_read(s, n, l->next_public_key, 32) == 0;
	case AUDIT_M_TREE_ROOT:
		return audit_base64_read(s, n, l->tree_root, HASH_SIZE) == 0;
	case AUDIT_M_SIGNATURE:
		return audit_base64_read(s, n, l->signature,
		    AUDIT_SIGNATURE_SIZE) == 0;
	default:
		return 0;
	}
}

static int
member_read_value(struct audit_json *j, enum audit_member m,
    struct audit_line *l)
{
	int64_t	 n;
	int	 has;

	switch (m) {
	case AUDIT_M_V:
		return audit_json_integer(j, &n) && n == 1;
	case AUDIT_M_LOG:
		return read_text(j, &l->log, 0);
	case AUDIT_M_SEQ:
		if (!read_integer(j, &has, &n) || !has || n < 0)
			return 0;
		l->seq = (uint64_t)n;
		return 1;
	case AUDIT_M_SCRIPT_NAME:
		return read_text(j, &l->script_name, 1);
	case AUDIT_M_ARGUMENTS:
		return read_object(j, &l->arguments);
	case AUDIT_M_USER_ID:
		return read_text(j, &l->user_id, 1);
	case AUDIT_M_CHANNEL_ID:
		return read_text(j, &l->channel_id, 1);
	case AUDIT_M_SUCCESS:
		return read_boolean(j, &l->success);
	case AUDIT_M_EXIT_CODE:
		return read_integer(j, &l->has_exit_code, &l->exit_code);
	case AUDIT_M_DURATION:
		return read_integer(j, &l->has_duration, &l->duration_ms) &&
		    l->duration_ms >= 0;
	case AUDIT_M_ERROR:
		return read_text(j, &l->error, 1);
	case AUDIT_M_DETAIL:
		return read_object(j, &l->detail);
	default:
		return member_read_form(j, m, l);
	}
}

/*
 * A loose reader first reads whatever value stands there: where that fails
 * it is no JSON (FORMAT); where only this function fails it is a value of
 * another type (SCHEMA) or a string of a wrong form (FORMAT).
 */
int
audit_member_read(struct audit_json *j, enum audit_member m,
    struct audit_line *l, enum audit_fault *fault)
{
	const char	*why = j->why;
	char		 c = j->p < j->end ? *j->p : '\0';

	j->why = "";
	if (member_read_value(j, m, l)) {
		j->why = why;
		return 1;
	}
	if (j->why[0] == '\0')
		j->why = "value of the wrong form";
	*fault = AUDIT_FAULT_FORMAT;
	if (m == AUDIT_M_V || m == AUDIT_M_EVENT || c == '{' || c == '[' ||
	    c == 't' || c == 'f' || c == 'n' ||
	    (c == '"') != (m != AUDIT_M_SEQ && m != AUDIT_M_EXIT_CODE &&
	    m != AUDIT_M_DURATION && m != AUDIT_M_SUCCESS &&
	    m != AUDIT_M_ARGUMENTS && m != AUDIT_M_DETAIL))
		*fault = AUDIT_FAULT_SCHEMA;
	return 0;
}

const char *
audit_line_schema(const struct audit_line *l)
{
	int	 run = l->event == AUDIT_EXECUTION;

	if (!audit_is_origin(l->log.p, l->log.len))
		return "log: no origin";
	if (l->event == AUDIT_GENESIS && l->seq != 0)
		return "genesis: not at the beginning";
	if (run && (l->script_name.p == NULL || l->success == -1 ||
	    l->arguments.p == NULL))
		return "execution: a member is null that must not be";
	if (!run && (l->script_name.p != NULL || l->success != -1 ||
	    l->has_exit_code || l->has_duration))
		return "a result on a line that is no execution";
	if (l->event == AUDIT_INTENT &&
	    (l->arguments.p != NULL || l->detail.p == NULL))
		return "intent: script and arguments belong into detail";
	return NULL;
}

/* ,"name": or {"name": */
static int
scan_name(struct audit_json *j, enum audit_member m)
{
	const char	*name = member_names[m];
	size_t		 n = strlen(name);

	if ((size_t)(j->end - j->p) < n + 4 ||
	    j->p[0] != (m == AUDIT_M_V ? '{' : ',') || j->p[1] != '"' ||
	    memcmp(j->p + 2, name, n) != 0 || j->p[n + 2] != '"' ||
	    j->p[n + 3] != ':')
		return 0;
	j->p += n + 4;
	return 1;
}

static int
scan_strict(struct audit_json *j, struct audit_line *l)
{
	enum audit_fault	 fault;
	enum audit_member	 m;

	for (m = AUDIT_M_V; m < AUDIT_M_COUNT; m++) {
		if (!scan_name(j, m)) {
			if (m != AUDIT_M_NEXT_PUBLIC_KEY)
				return 0;
			m = AUDIT_M_SIGNATURE;
			if (!scan_name(j, m))
				return 0;
		}
		if (!audit_member_read(j, m, l, &fault))
			return 0;
	}
	return audit_json_byte(j, '}') && j->p == j->end;
}

enum audit_fault
audit_line_scan(const char *s, size_t len, struct audit_line *l,
    const char **why)
{
	struct audit_json	 j;

	memset(l, 0, sizeof(*l));
	if (len > AUDIT_LINE_MAX) {
		*why = "line longer than 64 KiB";
		return AUDIT_FAULT_FORMAT;
	}
	audit_json_init(&j, s, len, 0);
	if (utf8_valid(s, len) != len || !scan_strict(&j, l))
		return audit_line_diagnose(s, len, why);
	if ((*why = audit_line_schema(l)) != NULL)
		return AUDIT_FAULT_SCHEMA;
	return AUDIT_FAULT_NONE;
}

static void
emit_name(struct buf *b, enum audit_member m)
{
	buf_put(b, m == AUDIT_M_V ? "{\"" : ",\"", 2);
	buf_put(b, member_names[m], strlen(member_names[m]));
	buf_put(b, "\":", 2);
}

static void
emit_text(struct buf *b, enum audit_member m, const struct audit_text *t,
    int quoted)
{
	emit_name(b, m);
	if (t->p == NULL) {
		buf_put(b, "null", 4);
		return;
	}
	if (quoted)
		buf_put(b, "\"", 1);
	buf_put(b, t->p, t->len);
	if (quoted)
		buf_put(b, "\"", 1);
}

static void
emit_string(struct buf *b, enum audit_member m, const char *s)
{
	struct audit_text	 t = { s, strlen(s) };

	emit_text(b, m, &t, 1);
}

static void
emit_integer(struct buf *b, enum audit_member m, int has, int64_t n)
{
	emit_name(b, m);
	if (has)
		buf_printf(b, "%lld", (long long)n);
	else
		buf_put(b, "null", 4);
}

static void
emit_base64(struct buf *b, enum audit_member m, const uint8_t *p, size_t len)
{
	char	 s[AUDIT_BASE64_64 + 1];

	audit_base64_write(p, len, s);
	emit_string(b, m, s);
}

void
audit_line_emit_head(struct buf *b, const struct audit_line *l)
{
	emit_integer(b, AUDIT_M_V, 1, 1);
	emit_text(b, AUDIT_M_LOG, &l->log, 1);
	emit_integer(b, AUDIT_M_SEQ, 1, (int64_t)l->seq);
	emit_string(b, AUDIT_M_TIMESTAMP, l->timestamp);
}

void
audit_line_emit_body(struct buf *b, const struct audit_line *l)
{
	emit_string(b, AUDIT_M_EVENT, audit_event_name(l->event));
	emit_string(b, AUDIT_M_EXECUTION_ID, l->execution_id);
	emit_text(b, AUDIT_M_SCRIPT_NAME, &l->script_name, 1);
	emit_text(b, AUDIT_M_ARGUMENTS, &l->arguments, 0);
	emit_text(b, AUDIT_M_USER_ID, &l->user_id, 1);
	emit_text(b, AUDIT_M_CHANNEL_ID, &l->channel_id, 1);
	emit_name(b, AUDIT_M_SUCCESS);
	if (l->success == -1)
		buf_put(b, "null", 4);
	else
		buf_printf(b, "%s", l->success ? "true" : "false");
	emit_integer(b, AUDIT_M_EXIT_CODE, l->has_exit_code, l->exit_code);
	emit_integer(b, AUDIT_M_DURATION, l->has_duration, l->duration_ms);
	emit_text(b, AUDIT_M_ERROR, &l->error, 1);
	emit_string(b, AUDIT_M_SESSION, l->session);
	emit_text(b, AUDIT_M_DETAIL, &l->detail, 0);
}

void
audit_line_emit_tail(struct buf *b, const struct audit_line *l)
{
	char	 hex[2 * HASH_SIZE + 1];

	audit_hex_write(l->previous_hash, HASH_SIZE, hex);
	emit_string(b, AUDIT_M_PREVIOUS_HASH, hex);
	emit_base64(b, AUDIT_M_PUBLIC_KEY, l->public_key, 32);
	if (l->has_next) {
		emit_base64(b, AUDIT_M_NEXT_PUBLIC_KEY, l->next_public_key, 32);
		emit_base64(b, AUDIT_M_TREE_ROOT, l->tree_root, HASH_SIZE);
	}
	buf_put(b, "}", 1);
}

void
audit_line_seal(struct buf *b, const uint8_t sig[AUDIT_SIGNATURE_SIZE])
{
	if (buf_error(b) != 0 || b->len == 0)
		return;
	b->len--;
	emit_base64(b, AUDIT_M_SIGNATURE, sig, AUDIT_SIGNATURE_SIZE);
	buf_put(b, "}", 1);
}

void
audit_line_emit(struct buf *b, const struct audit_line *l)
{
	audit_line_emit_head(b, l);
	audit_line_emit_body(b, l);
	audit_line_emit_tail(b, l);
	audit_line_seal(b, l->signature);
}

/*
 * The signed message is the line up to its last member, and a brace: no
 * copy is needed, the comma becomes the brace for a moment.
 */
int
audit_line_verify(char *s, size_t len, const struct audit_line *l)
{
	char	*brace = s + (len - AUDIT_SIGNATURE_TAIL);
	int	 r;

	*brace = '}';
	r = crypto_sign_verify_detached(l->signature, (const uint8_t *)s,
	    len - AUDIT_SIGNATURE_TAIL + 1, l->public_key);
	*brace = ',';
	return r == 0;
}
