/*
 * Built-ins about jobs: jobs, job, output, cancel.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "log.h"

#define JOBS_SHOWN	20

struct listing {
	struct executor	*x;
	struct cmd	*c;
	struct buf	*b;
	size_t		 n;
};

static int
jobs_row(const struct db_job *row, void *arg)
{
	struct listing	*l = arg;

	if (!job_may_see(l->x, l->c, row))
		return 0;
	buf_printf(l->b, "%" PRIu64 "  ", row->id);
	builtin_time(row->created_at, l->b);
	buf_printf(l->b, "  %s  %s  %s", row->username, row->script,
	    db_job_state_name(row->state));
	if (row->state == DBJOB_FINISHED && row->how == JOB_END_EXITED &&
	    !row->unknown)
		buf_printf(l->b, "  exit status %d", row->exit_code);
	else if (row->state >= DBJOB_FINISHED && row->error[0] != '\0')
		buf_printf(l->b, "  %.80s", row->error);
	if (row->told == DBJOB_TOLD_FAILED)
		buf_printf(l->b, "  (could not be delivered)");
	buf_printf(l->b, "\n");
	return ++l->n >= JOBS_SHOWN;
}

enum builtin_end
builtin_jobs(struct executor *x, struct cmd *c)
{
	const char	*word = words_get(&c->words, 1);
	struct buf	 list;
	struct listing	 l = { x, c, &list, 0 };

	if (word != NULL && strcmp(word, "all") != 0) {
		refuse(x, c, REASON_ARGUMENTS, "jobs takes nothing or all");
		return BUILTIN_REFUSED;
	}
	buf_init(&list, x->conf->output_max);
	/* What was intended but is not in the table yet is not shown. */
	if (db_job_each(x->db, word == NULL ? c->in.user_id : NULL, 0, 0,
	    word == NULL ? JOBS_SHOWN : DB_LIST_MAX, jobs_row, &l) == -1) {
		buf_free(&list);
		builtin_database(x, c);
		return BUILTIN_REFUSED;
	}
	if (l.n == 0)
		buf_printf(&list, "none\n");
	builtin_list(x, c, word == NULL ? "Your jobs:" : "Jobs:", "jobs.txt",
	    &list, 0);
	return BUILTIN_WAIT;
}

/* The row of the job that was named, if the author may see it. */
static int
named_job(struct executor *x, struct cmd *c, struct db_job *row)
{
	struct job	*j;
	uint64_t	 id;
	int		 r = 1;

	if ((id = builtin_number(x, c)) == 0)
		return 0;
	/* Some are not in the table yet. */
	if ((j = job_find(x, id)) != NULL)
		*row = j->row;
	else if ((r = db_job_get(x->db, id, row)) == -1) {
		builtin_database(x, c);
		return 0;
	}
	/* One that may not be seen is not told from one that is not there. */
	if (r == 0 || !job_may_see(x, c, row)) {
		refuse(x, c, r == 0 ? REASON_ARGUMENTS : REASON_PERMISSION,
		    "there is no job %" PRIu64 " that you may see here", id);
		return 0;
	}
	return 1;
}

enum builtin_end
builtin_job(struct executor *x, struct cmd *c)
{
	static const char *const told[DBJOB_TOLD_COUNT] = { "not yet", "yes",
	    "failed" };
	struct db_job	 row;
	struct job	*j;
	struct buf	*b = &c->out;

	if (!named_job(x, c, &row))
		return BUILTIN_REFUSED;
	job_summary(&row, b);
	buf_printf(b, "\n- by ");
	text_escape(b, row.username, strlen(row.username));
	buf_printf(b, " (");
	text_code(b, row.user_id, strlen(row.user_id));
	buf_printf(b, ") at ");
	builtin_time(row.created_at, b);
	buf_printf(b, "\n- arguments ");
	text_code(b, row.arguments, strlen(row.arguments) > 1024 ?
	    utf8_valid(row.arguments, 1024) : strlen(row.arguments));
	buf_printf(b, "\n- execution ");
	text_code(b, row.execution_id, strlen(row.execution_id));
	if ((j = job_find(x, row.id)) != NULL)
		buf_printf(b, "\n- state %s", job_state_name(j->state));
	if (row.intent_seq != 0)
		buf_printf(b, "\n- intent is line %" PRIu64 " of the log",
		    row.intent_seq);
	if (row.result_seq != 0)
		buf_printf(b, "\n- result is line %" PRIu64 " of the log",
		    row.result_seq);
	if (row.state >= DBJOB_FINISHED)
		buf_printf(b, "\n- user %" PRIu64 " ms, system %" PRIu64
		    " ms, memory %" PRIu64 " KiB\n- delivered: %s",
		    row.user_us / 1000, row.system_us / 1000, row.maxrss_kb,
		    told[row.told]);
	return BUILTIN_ANSWER;
}

enum builtin_end
builtin_output(struct executor *x, struct cmd *c)
{
	struct db_job	 row;
	struct buf	 out, text;
	char		*holder, *body;
	char		 name[NAME_SIZE];

	if (!named_job(x, c, &row))
		return BUILTIN_REFUSED;
	if (row.state < DBJOB_FINISHED) {
		refuse(x, c, REASON_ARGUMENTS, "job %" PRIu64 " has not ended",
		    row.id);
		return BUILTIN_REFUSED;
	}
	buf_init(&out, x->conf->output_max);
	if (db_job_get_output(x->db, row.id, &out) == -1) {
		buf_free(&out);
		builtin_database(x, c);
		return BUILTIN_REFUSED;
	}
	buf_init(&text, CORE_TEXT_MAX);
	job_result_text(x, &row, &out, &text);
	buf_put_u8(&text, 0);
	(void)snprintf(name, sizeof(name), "job-%" PRIu64 "-output.txt",
	    row.id);
	if (!job_is_cut(x, &row, &out))
		buf_reset(&out);
	if ((holder = strdup("output of a job")) == NULL ||
	    (body = strdup((const char *)text.data)) == NULL)
		fatal("strdup");
	(void)say_deliver(x, c->in.channel_id, c->root_id, "", holder, body,
	    &out, name, NULL, NULL);
	buf_free(&text);
	command_end(x, c);
	return BUILTIN_WAIT;
}

/* Its starter, an admin, or an operator who may run the same script. */
static int
may_cancel(struct executor *x, const struct cmd *c, const struct db_job *row)
{
	if (strcmp(row->user_id, c->in.user_id) == 0 ||
	    c->user.level == LEVEL_ADMIN)
		return 1;
	return c->user.level == LEVEL_OPERATOR && job_may_see(x, c, row);
}

enum builtin_end
builtin_cancel(struct executor *x, struct cmd *c)
{
	struct actor	 by;
	struct db_job	 row;
	struct job	*j;

	if (!named_job(x, c, &row))
		return BUILTIN_REFUSED;
	if (!may_cancel(x, c, &row)) {
		refuse(x, c, REASON_PERMISSION, "job %" PRIu64 " is not yours "
		    "to cancel", row.id);
		return BUILTIN_REFUSED;
	}
	if ((j = job_find(x, row.id)) == NULL || j->state > JOB_RUNNING) {
		refuse(x, c, REASON_ARGUMENTS, "job %" PRIu64 " has ended "
		    "already", row.id);
		return BUILTIN_REFUSED;
	}
	(void)strlcpy(by.id, c->in.user_id, sizeof(by.id));
	(void)strlcpy(by.name, c->account.username, sizeof(by.name));
	job_cancel(x, j, &by);
	buf_printf(&c->out, "job %" PRIu64 " is being cancelled", row.id);
	return BUILTIN_ANSWER;
}
