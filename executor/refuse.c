/*
 * Refusals: the line in the log first, then the answer with its number.  A
 * flood by one user is counted and written as one line a minute, so nobody
 * can fill the disk with what he may not do.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "log.h"

void
refuse_dead(struct executor *x, const char *channel_id, const char *root_id,
    const char *what)
{
	char	 text[512];

	if (!core_may_tell(x, x->notices, channel_id, CORE_NOTICE_MS))
		return;
	if (snprintf(text, sizeof(text), "Nothing runs at the moment: %s. "
	    "Please try again later.", what) < 0)
		return;
	say(x, channel_id, root_id, text);
}

/*
 * The words as typed, for the auditor; not where a secret may be among
 * them, nor where what was meant is unknown.
 */
static void
refuse_words(struct executor *x, const struct cmd *c, struct record_json *j)
{
	const struct script	*s;
	char			 text[1025];
	size_t			 i, len;
	long			 n;

	/* What is to be explained may have secrets in it. */
	if (c->builtin != NULL && c->builtin->run == builtin_explain)
		return;
	if (c->builtin == NULL) {
		if (x->al == NULL || c->script[0] == '\0' ||
		    (n = allowlist_find(x->al, c->script)) == -1)
			return;
		s = &x->al->scripts[n];
		for (i = 0; i < s->nargs; i++)
			if (s->args[i].secret)
				return;
	}
	len = strlen(c->in.text);
	if (len >= sizeof(text))
		len = utf8_valid(c->in.text, sizeof(text) - 1);
	memcpy(text, c->in.text, len);
	text[len] = '\0';
	record_str(j, "text", text);
}

static void
refuse_line(struct executor *x, const struct cmd *c)
{
	struct record_json	 j;
	struct msg_append	*m;
	const char		*name;

	m = record_new(x, AUDIT_DENIED);
	(void)strlcpy(m->user_id, c->in.user_id, sizeof(m->user_id));
	(void)strlcpy(m->channel_id, c->in.channel_id, sizeof(m->channel_id));
	name = c->builtin != NULL ? c->builtin->name : c->script;
	record_open(&j);
	record_str(&j, "reason", reason_name(c->reason));
	record_str(&j, "message", c->why);
	record_str(&j, "command", name);
	record_str(&j, "postId", c->in.post_id);
	record_int(&j, "count", 1);
	refuse_words(x, c, &j);
	record_close(&j, m->detail, sizeof(m->detail));
}

static void
refuse_say(struct executor *x, struct cmd *c, uint64_t seq)
{
	struct buf	 b;
	size_t		 n = strlen(c->why);

	if (c->is_quiet)
		return;
	buf_init(&b, 4096);
	buf_printf(&b, "Refused: ");
	text_escape(&b, c->why, n);
	/* A usage may end in "...". */
	buf_printf(&b, "%s Reference %" PRIu64 ".",
	    n > 0 && c->why[n - 1] == '.' ? "" : ".", seq);
	say_react(x, c->in.post_id, "no_entry_sign", 1);
	say_buf(x, c->in.channel_id, c->root_id, &b);
	buf_free(&b);
}

static void
refuse_acked(struct executor *x, void *arg, const struct msg_ack *ack)
{
	struct cmd	*c = arg;
	int		 ok;

	if (!ack->ok) {
		refuse_dead(x, c->in.channel_id, c->root_id,
		    "the audit log takes no entries");
		command_end(x, c);
		return;
	}
	/*
	 * The line is durable, so it may be said.  Only then is the claim
	 * closed: whoever is cut off in between is told after a restart.
	 */
	refuse_say(x, c, ack->seq);
	ok = db_begin(x->db) == 0;
	if (ok && (db_seen_close(x->db, c->in.post_id) == -1 ||
	    record_anchor(x, ack) == -1)) {
		db_rollback(x->db);
		ok = 0;
	}
	if (ok)
		ok = db_commit(x->db) == 0;
	core_db_result(x, ok, "a refusal");
	c->in.post_id[0] = '\0';	/* its claim is closed */
	command_end(x, c);
}

static void
refuse_send(struct executor *x, struct cmd *c)
{
	c->stage = CMD_REFUSED;
	x->refusals++;
	log_debug("refused (%s): %s", reason_name(c->reason), c->why);
	refuse_line(x, c);
	record_send(x, refuse_acked, c);
}

static void
refuse_set(struct cmd *c, enum reason reason, const char *fmt, va_list ap)
    __attribute__((__format__(__printf__, 3, 0)));

static void
refuse_set(struct cmd *c, enum reason reason, const char *fmt, va_list ap)
{
	c->reason = reason;
	/* A sentence that is too long for its line is cut. */
	(void)vsnprintf(c->why, sizeof(c->why), fmt, ap);
	c->why[utf8_valid(c->why, strlen(c->why))] = '\0';
	/* Answers would have programs talk to each other for ever. */
	if (reason == REASON_BOT)
		c->is_quiet = 1;
	if (reason == REASON_BANNED)
		c->is_quiet = 1;
}

void
refuse(struct executor *x, struct cmd *c, enum reason reason,
    const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	refuse_set(c, reason, fmt, ap);
	va_end(ap);
	if (reason == REASON_BANNED && core_may_tell(x, x->banned,
	    c->in.user_id, CORE_BANNED_MS))
		c->is_quiet = 0;
	refuse_send(x, c);
}

static struct fold *
fold_find(struct executor *x, const char *user_id)
{
	struct fold	*f, *rest = NULL;

	TAILQ_FOREACH(f, &x->folds, entry) {
		if (strcmp(f->user_id, user_id) == 0)
			return f;
		if (f->user_id[0] == '\0')
			rest = f;
	}
	/* So many users at once share what is left. */
	if (x->nfolds >= CORE_FOLDS_MAX) {
		if (rest != NULL)
			return rest;
		user_id = "";
	}
	if ((f = calloc(1, sizeof(*f))) == NULL)
		fatal("calloc");
	(void)strlcpy(f->user_id, user_id, sizeof(f->user_id));
	f->since = core_mono(x);
	TAILQ_INSERT_TAIL(&x->folds, f, entry);
	x->nfolds++;
	core_wake(x, monotime_add(f->since, CORE_FOLD_MS));
	return f;
}

void
refuse_early(struct executor *x, struct cmd *c, enum reason reason,
    const char *fmt, ...)
{
	struct fold	*f;
	va_list		 ap;

	va_start(ap, fmt);
	refuse_set(c, reason, fmt, ap);
	va_end(ap);
	f = fold_find(x, c->in.user_id);
	f->last = reason;
	(void)strlcpy(f->channel_id, c->in.channel_id, sizeof(f->channel_id));
	if (f->single >= (reason == REASON_MISSED ? CORE_FOLD_MISSED :
	    CORE_FOLD_FREE)) {
		if (f->folded < UINT32_MAX)
			f->folded++;
		x->refusals++;
		command_end(x, c);
		return;
	}
	f->single++;
	if (reason == REASON_BANNED && core_may_tell(x, x->banned,
	    c->in.user_id, CORE_BANNED_MS))
		c->is_quiet = 0;
	refuse_send(x, c);
}

static void
fold_acked(struct executor *x, void *arg, const struct msg_ack *ack)
{
	(void)arg;
	if (ack->ok)
		core_db_result(x, record_anchor(x, ack) == 0, "a refusal");
}

static void
fold_write(struct executor *x, const struct fold *f)
{
	struct record_json	 j;
	struct msg_append	*m;

	m = record_new(x, AUDIT_DENIED);
	(void)strlcpy(m->user_id, f->user_id, sizeof(m->user_id));
	(void)strlcpy(m->channel_id, f->channel_id, sizeof(m->channel_id));
	record_open(&j);
	record_str(&j, "reason", reason_name(f->last));
	record_str(&j, "message", "a flood of commands");
	record_null(&j, "command");
	record_null(&j, "postId");
	record_int(&j, "count", f->folded);
	record_close(&j, m->detail, sizeof(m->detail));
	record_send(x, fold_acked, NULL);
}

void
refuse_tick(struct executor *x, monotime_t *next)
{
	struct fold	*f, *tmp;
	monotime_t	 now = core_mono(x), end;

	TAILQ_FOREACH_SAFE(f, &x->folds, entry, tmp) {
		end = monotime_add(f->since, CORE_FOLD_MS);
		if (end.ms > now.ms) {
			if (end.ms < next->ms)
				*next = end;
			continue;
		}
		if (f->folded > 0)
			fold_write(x, f);
		TAILQ_REMOVE(&x->folds, f, entry);
		x->nfolds--;
		free(f);
	}
}

/* What was counted is written before we leave. */
void
refuse_flush(struct executor *x)
{
	struct fold	*f;

	while ((f = TAILQ_FIRST(&x->folds)) != NULL) {
		if (f->folded > 0)
			fold_write(x, f);
		TAILQ_REMOVE(&x->folds, f, entry);
		x->nfolds--;
		free(f);
	}
}

void
refuse_free_all(struct executor *x)
{
	struct fold	*f;

	while ((f = TAILQ_FIRST(&x->folds)) != NULL) {
		TAILQ_REMOVE(&x->folds, f, entry);
		free(f);
	}
}
