/*
 * Built-ins that only tell: ping, help, scripts, status.
 */
#include <stdio.h>
#include <string.h>

#include "core.h"
#include "proc.h"

enum builtin_end
builtin_ping(struct executor *x, struct cmd *c)
{
	char	 up[32];

	duration_format(monotime_sub(core_mono(x), x->started) / 1000 * 1000 +
	    1000, up, sizeof(up));
	buf_printf(&c->out, "pong: chatopsd %s, up %s, round-trip %u ms",
	    CHATOPS_VERSION, up, x->net.rtt);
	return BUILTIN_ANSWER;
}

static void
line_of(struct executor *x, struct cmd *c, const char *name,
    const char *description)
{
	char	 full[NAME_SIZE + 16];

	if (snprintf(full, sizeof(full), "%s%s", x->conf->prefix, name) < 0)
		return;
	buf_printf(&c->out, "- ");
	text_code(&c->out, full, strlen(full));
	if (*description != '\0') {
		buf_printf(&c->out, " ");
		text_escape(&c->out, description, strlen(description));
	}
	buf_printf(&c->out, "\n");
}

static size_t
list_scripts(struct executor *x, struct cmd *c)
{
	const struct script	*s;
	size_t			 i, n = 0;

	for (i = 0; x->al != NULL && i < x->al->n; i++) {
		s = &x->al->scripts[i];
		/* Admins see what is switched off, as switched off. */
		if (!s->enabled && c->user.level == LEVEL_ADMIN)
			line_of(x, c, s->name, "(switched off)");
		else if (command_may_script(x, c, s))
			line_of(x, c, s->name, s->description);
		else
			continue;
		n++;
	}
	return n;
}

enum builtin_end
builtin_scripts(struct executor *x, struct cmd *c)
{
	buf_printf(&c->out, "Scripts that you may run here:\n");
	if (list_scripts(x, c) == 0)
		buf_printf(&c->out, "none\n");
	return BUILTIN_ANSWER;
}

static void
help_all(struct executor *x, struct cmd *c)
{
	const struct builtin	*b;
	size_t			 i;

	buf_printf(&c->out, "What you may run here:\n");
	for (i = 0; (b = builtin_at(i)) != NULL; i++)
		if (command_may_builtin(x, c, b))
			line_of(x, c, b->usage, b->description);
	(void)list_scripts(x, c);
}

static void
help_usage(struct executor *x, struct cmd *c, const char *usage,
    const char *description)
{
	char	 full[1100];

	if (snprintf(full, sizeof(full), "%s%s", x->conf->prefix, usage) < 0)
		return;
	buf_printf(&c->out, "usage: ");
	text_code(&c->out, full, strlen(full));
	buf_printf(&c->out, "\n");
	text_escape(&c->out, description, strlen(description));
	buf_printf(&c->out, "\n");
}

static void
help_argument(const struct argument *a, struct buf *b)
{
	static const char *const types[] = { "string", "number", "integer",
	    "boolean", "enum" };
	size_t	 i;

	buf_printf(b, "- ");
	text_code(b, a->name, strlen(a->name));
	buf_printf(b, " %s%s%s", types[a->type],
	    a->required ? ", required" : "", a->secret ? ", secret" : "");
	for (i = 0; i < a->nvalues; i++) {
		buf_printf(b, i == 0 ? ": " : ", ");
		text_escape(b, a->values[i], strlen(a->values[i]));
	}
	if (a->fallback != NULL) {
		buf_printf(b, ", default ");
		text_code(b, a->fallback, strlen(a->fallback));
	}
	if (a->description != NULL && *a->description != '\0') {
		buf_printf(b, ": ");
		text_escape(b, a->description, strlen(a->description));
	}
	buf_printf(b, "\n");
}

static void
help_script(struct executor *x, struct cmd *c, const struct script *s)
{
	char	 usage[1024];
	size_t	 i;

	arguments_usage(s, usage, sizeof(usage));
	help_usage(x, c, usage, s->description);
	for (i = 0; i < s->nargs; i++)
		help_argument(&s->args[i], &c->out);
	if (s->dry_run != NULL)
		buf_printf(&c->out, "- `--dry-run`: only say what it would "
		    "do\n");
	for (i = 0; i < s->nexamples; i++) {
		buf_printf(&c->out, "example: ");
		text_code(&c->out, s->examples[i], strlen(s->examples[i]));
		buf_printf(&c->out, "\n");
	}
}

enum builtin_end
builtin_help(struct executor *x, struct cmd *c)
{
	const struct builtin	*b;
	const char		*name = words_get(&c->words, 1), *near;
	size_t			 n = strlen(x->conf->prefix);
	long			 i = -1;

	if (name == NULL) {
		help_all(x, c);
		return BUILTIN_ANSWER;
	}
	if (strncmp(name, x->conf->prefix, n) == 0)
		name += n;
	if ((b = builtin_find(name)) != NULL && command_may_builtin(x, c, b)) {
		help_usage(x, c, b->usage, b->description);
		return BUILTIN_ANSWER;
	}
	if (x->al != NULL)
		i = allowlist_find(x->al, name);
	if (i != -1 && command_may_script(x, c, &x->al->scripts[i])) {
		help_script(x, c, &x->al->scripts[i]);
		return BUILTIN_ANSWER;
	}
	near = builtin_suggest(x, c, name);
	refuse(x, c, REASON_UNKNOWN, "there is no command %.64s that you may "
	    "run here%s%s", name, near != NULL ? ", did you mean " : "",
	    near != NULL ? near : "");
	return BUILTIN_REFUSED;
}

static void
status_line(void *arg, const char *part, const char *state,
    const char *detail)
{
	struct buf	*b = arg;

	buf_printf(b, "- **%s**: %s", part, state);
	if (*detail != '\0') {
		buf_printf(b, ", ");
		text_escape(b, detail, strlen(detail));
	}
	buf_printf(b, "\n");
}

enum builtin_end
builtin_status(struct executor *x, struct cmd *c)
{
	status_each(x, status_line, &c->out);
	return BUILTIN_ANSWER;
}
