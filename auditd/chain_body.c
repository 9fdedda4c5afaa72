/*
 * The middle of a line, from "event" to "detail": what the executor says,
 * checked and spelt.  Nothing in it depends on the line's place in the log,
 * so it is made, and refused, before the line is queued.
 */
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "auditd.h"
#include "text.h"

/* What head and tail of a line take at most, and the signature. */
#define BODY_OVERHEAD	1024
#define BODY_MAX	(AUDIT_LINE_WRITE_MAX - BODY_OVERHEAD)
#define ERROR_CUT	2048

/* A random UUID, RFC 9562 section 5.4. */
int
body_uuid(const struct chain *c, char out[UUID_SIZE])
{
	uint8_t	 r[16];
	char	 hex[33];

	if (c->world->random(c->arg, r, sizeof(r)) == -1)
		return -1;
	r[6] = (r[6] & 0x0f) | 0x40;
	r[8] = (r[8] & 0x3f) | 0x80;
	audit_hex_write(r, sizeof(r), hex);
	(void)snprintf(out, UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex,
	    hex + 8, hex + 12, hex + 16, hex + 20);
	return 0;
}

/* The allowlist's names, which need no escape. */
static int
is_script_name(const char *s)
{
	size_t	 n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return n > 0 && s[n] == '\0';
}

static int
check_intent(const struct msg_append *m, const char **why)
{
	struct audit_text	 detail = { m->detail, strlen(m->detail) };
	struct audit_text	 v;
	char			 name[NAME_SIZE];

	*why = "intent: detail needs scriptName, a string, and arguments, "
	    "an object";
	if (!audit_json_member(&detail, "scriptName", &v) ||
	    audit_json_decode_value(&v, name, sizeof(name)) == -1 ||
	    !is_script_name(name) ||
	    !audit_json_member(&detail, "arguments", &v) || v.p[0] != '{')
		return -1;
	*why = "intent: more than 32 KiB of arguments";
	return v.len < JSON_SIZE ? 0 : -1;
}

static int
check_execution(const struct msg_append *m, const char **why)
{
	*why = NULL;
	if (!is_script_name(m->script_name))
		*why = "execution: without a scriptName of letters, digits, "
		    "- and _";
	else if (m->arguments[0] == '\0')
		*why = "execution: without arguments";
	else if (m->execution_id[0] == '\0')
		*why = "execution: without executionId";
	else if (m->duration_ms < 0 || m->duration_ms > AUDIT_NUMBER_MAX)
		*why = "execution: durationMs out of range";
	else if (!m->has_result && m->success)
		*why = "execution: a success needs a result";
	return *why == NULL ? 0 : -1;
}

/*
 * Only an execution carries a script, arguments and a result; 0, or -1 and
 * a reason that names the member.
 */
int
body_check(const struct msg_append *m, const char **why)
{
	if (m->arguments[0] != '\0' && audit_json_check_object(m->arguments,
	    strlen(m->arguments), why) == -1)
		return -1;
	if (m->detail[0] != '\0' && audit_json_check_object(m->detail,
	    strlen(m->detail), why) == -1)
		return -1;
	switch (m->event) {
	case AUDIT_EXECUTION:
		return check_execution(m, why);
	case AUDIT_INTENT:
	case AUDIT_PERMISSION:
	case AUDIT_DENIED:
		break;
	default:
		*why = "event that only the audit process writes";
		return -1;
	}
	*why = "scriptName, arguments and a result belong to an execution "
	    "only";
	if (m->script_name[0] != '\0' || m->arguments[0] != '\0' ||
	    m->has_result)
		return -1;
	*why = "detail is missing";
	if (m->detail[0] == '\0')
		return -1;
	if (m->event == AUDIT_INTENT) {
		if (m->execution_id[0] != '\0')
			return check_intent(m, why);
		*why = "intent: without executionId";
		return -1;
	}
	return 0;
}

/* Append a member to an object as spelt, unless it has it. */
static void
detail_add(struct buf *detail, const char *name, const char *value)
{
	struct audit_text	 o, v;

	o.p = (const char *)detail->data;
	o.len = detail->len;
	if (buf_error(detail) != 0 || audit_json_member(&o, name, &v))
		return;
	detail->len--;
	buf_printf(detail, "%s\"%s\":%s}", detail->len > 1 ? "," : "", name,
	    value);
}

static void
detail_add_hash(struct buf *detail, const char *name, const char *s)
{
	uint8_t	 hash[HASH_SIZE];
	char	 value[2 * HASH_SIZE + 3];

	crypto_hash_sha256(hash, (const uint8_t *)s, strlen(s));
	value[0] = '"';
	audit_hex_write(hash, sizeof(hash), value + 1);
	value[2 * HASH_SIZE + 1] = '"';
	value[2 * HASH_SIZE + 2] = '\0';
	detail_add(detail, name, value);
}

static struct audit_text
text_or_null(struct buf *scratch, const char *s, size_t len)
{
	struct audit_text	 t = { NULL, 0 };
	size_t			 start = scratch->len;

	if (len == 0)
		return t;
	text_json_string(scratch, s, len);
	if (buf_error(scratch) == 0) {
		t.p = (const char *)scratch->data + start;
		t.len = scratch->len - start;
	}
	return t;
}

/*
 * Emit with that much of the error and that arguments object.  The buffer of
 * the error is separate because the texts point into it.
 */
static int
body_emit(struct buf *out, const struct msg_append *m, const char *id,
    const char *session, const char *arguments, size_t errlen,
    const struct buf *detail)
{
	struct audit_line	 l;
	struct buf		 error;
	int			 r;

	memset(&l, 0, sizeof(l));
	buf_init(&error, 6 * sizeof(m->error) + 1);
	l.event = (enum audit_event)m->event;
	(void)strlcpy(l.execution_id, id, sizeof(l.execution_id));
	(void)strlcpy(l.session, session, sizeof(l.session));
	l.success = m->event == AUDIT_EXECUTION ? m->success : -1;
	l.has_exit_code = l.has_duration = m->has_result;
	l.exit_code = m->exit_code;
	l.duration_ms = m->duration_ms;
	/* names and ids are plain: their own spelling */
	if (m->script_name[0] != '\0')
		l.script_name = (struct audit_text){ m->script_name,
		    strlen(m->script_name) };
	if (m->user_id[0] != '\0')
		l.user_id = (struct audit_text){ m->user_id,
		    strlen(m->user_id) };
	if (m->channel_id[0] != '\0')
		l.channel_id = (struct audit_text){ m->channel_id,
		    strlen(m->channel_id) };
	if (arguments[0] != '\0')
		l.arguments = (struct audit_text){ arguments,
		    strlen(arguments) };
	if (detail->len > 0)
		l.detail = (struct audit_text){ (const char *)detail->data,
		    detail->len };
	l.error = text_or_null(&error, m->error, errlen);
	buf_reset(out);
	audit_line_emit_body(out, &l);
	r = buf_error(out) != 0 || buf_error(&error) != 0 ||
	    buf_error(detail) != 0 ? -1 : 0;
	buf_free(&error);
	return r;
}

/*
 * 0, or -1: it cannot be made short enough.  A result or a refusal is never
 * lost for its length: first the arguments are replaced by their digest,
 * then the error is cut.  An intent is not worth a line that lacks a part.
 */
int
body_make(struct buf *out, const struct msg_append *m, const char *id,
    const char *session)
{
	const char	*arguments = m->arguments;
	struct buf	 detail;
	size_t		 errlen = strlen(m->error);
	int		 r;

	buf_init(out, BODY_MAX);
	buf_init(&detail, BODY_MAX);
	buf_put(&detail, m->detail, strlen(m->detail));
	r = body_emit(out, m, id, session, arguments, errlen, &detail);
	if (r == 0 || m->event == AUDIT_INTENT)
		goto done;
	if (detail.len == 0)
		buf_put(&detail, "{}", 2);
	detail_add(&detail, "truncated", "true");
	if (m->arguments[0] != '\0') {
		arguments = "{}";
		detail_add_hash(&detail, "argumentsSha256", m->arguments);
		r = body_emit(out, m, id, session, arguments, errlen, &detail);
		if (r == 0)
			goto done;
	}
	detail_add_hash(&detail, "errorSha256", m->error);
	errlen = utf8_valid(m->error, errlen < ERROR_CUT ? errlen : ERROR_CUT);
	r = body_emit(out, m, id, session, arguments, errlen, &detail);
done:
	buf_free(&detail);
	return r;
}
