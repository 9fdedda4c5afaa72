/*
 * Built-ins of the admins: audit, explain, reload.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "core.h"

#define AUDIT_LINES	5
#define AUDIT_LINES_MAX	100

static void
tail_answer(struct executor *x, void *arg, const void *answer)
{
	const struct msg_tail_line	*m = answer;
	struct cmd			*c = arg;
	char				 hex[2 * HASH_SIZE + 1], title[256];

	if (m == NULL) {
		refuse(x, c, REASON_AUDIT, "the audit process does not answer");
		return;
	}
	if (m->line[0] != '\0')
		buf_printf(&c->out, "%s\n", m->line);
	if (!m->last)
		return;
	sodium_bin2hex(hex, sizeof(hex), x->head.line_hash, HASH_SIZE);
	(void)snprintf(title, sizeof(title), "Audit log %s, head is line %"
	    PRIu64 ", hash %s:", x->head.origin, x->head.seq, hex);
	builtin_list(x, c, title, "audit.jsonl", &c->out, 0);
}

enum builtin_end
builtin_audit(struct executor *x, struct cmd *c)
{
	const char	*word = words_get(&c->words, 1), *error;
	struct msg_tail	 m;

	m.lines = AUDIT_LINES;
	if (word != NULL) {
		m.lines = (uint32_t)strtonum(word, 1, AUDIT_LINES_MAX, &error);
		if (error != NULL) {
			refuse(x, c, REASON_ARGUMENTS, "audit takes a number "
			    "from 1 to %d", AUDIT_LINES_MAX);
			return BUILTIN_REFUSED;
		}
	}
	buf_free(&c->out);
	buf_init(&c->out, x->conf->output_max);
	(void)ask(x, ROLE_AUDIT, MSG_TAIL, -1, &m, MSG_TAIL_LINE, tail_answer,
	    c, CORE_LOOKUP_MS);
	return BUILTIN_WAIT;
}

static void
explained(struct executor *x, void *arg, enum reason reason, const char *why)
{
	struct cmd	*c = arg;

	if (reason == REASON_ALLOWED)
		buf_printf(&c->out, "allowed: ");
	else
		buf_printf(&c->out, "refused (%s): ", reason_name(reason));
	text_escape(&c->out, why, strlen(why));
	command_answer(x, c);
}

enum builtin_end
builtin_explain(struct executor *x, struct cmd *c)
{
	explain_start(x, c->target.id, c->in.channel_id, &c->words, 2,
	    explained, c);
	return BUILTIN_WAIT;
}

static void
reloaded(struct executor *x, void *arg, const void *answer)
{
	const struct msg_conf	*m = answer;
	struct cmd		*c = arg;

	if (m == NULL)
		buf_printf(&c->out, "the reload was not answered in time");
	else if (m->ok)
		buf_printf(&c->out, "allowlist generation %" PRIu64 " is in "
		    "force: %zu scripts", m->generation,
		    x->al != NULL ? x->al->n : 0);
	else {
		buf_printf(&c->out, "not loaded, generation %" PRIu64
		    " stays: ", x->generation);
		text_escape(&c->out, m->error, strlen(m->error));
	}
	command_answer(x, c);
}

enum builtin_end
builtin_reload(struct executor *x, struct cmd *c)
{
	struct actor	 by;

	(void)strlcpy(by.id, c->in.user_id, sizeof(by.id));
	(void)strlcpy(by.name, c->account.username, sizeof(by.name));
	reload_ask(x, &by, reloaded, c);
	return BUILTIN_WAIT;
}
