/*
 * What people see of a job: one post that is edited from "queued" to the
 * result, a file when the result does not fit, and a sign on the command.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "log.h"

#define EDIT_MS		1000	/* never more often than this */
#define EDIT_SLOW_MS	5000	/* after the first minute */
#define TAIL_LINES	5
#define TAIL_RUNES	800
#define HEADER_RUNES	512	/* kept free for what stands above */

static void
job_name(const struct db_job *row, struct buf *b)
{
	buf_printf(b, "job %" PRIu64 " ", row->id);
	text_code(b, row->script, strlen(row->script));
	if (row->dry_run)
		buf_printf(b, " (dry run)");
}

static void
job_time(int64_t ms, struct buf *b)
{
	char	 len[32];

	if (ms < 60000) {
		buf_printf(b, "%lld.%01lld s", (long long)(ms / 1000),
		    (long long)(ms % 1000 / 100));
		return;
	}
	duration_format(ms / 1000 * 1000, len, sizeof(len));
	buf_printf(b, "%s", len);
}

/* One line: how it is, or how it went. */
void
job_summary(const struct db_job *row, struct buf *b)
{
	job_name(row, b);
	buf_printf(b, ": ");
	switch (row->state) {
	case DBJOB_QUEUED:
		buf_printf(b, "queued");
		return;
	case DBJOB_RUNNING:
		buf_printf(b, "running");
		return;
	case DBJOB_DONE:
		/* How is not said before it is recorded. */
		buf_printf(b, "ended, being recorded");
		return;
	case DBJOB_DROPPED:
		buf_printf(b, "not run: ");
		text_escape(b, row->error, strlen(row->error));
		return;
	default:
		break;
	}
	if (row->unknown || row->how != JOB_END_EXITED)
		text_escape(b, row->error, strlen(row->error));
	else
		buf_printf(b, "exit status %d", row->exit_code);
	if (!row->unknown && row->how != JOB_END_REFUSED) {
		buf_printf(b, " after ");
		job_time(row->duration_ms, b);
	}
}

static const char *
job_emoji(const struct job *j)
{
	if (j->state == JOB_DROPPED)
		return j->is_cancelled ? "stop_button" : "no_entry_sign";
	if (j->is_cancelled && j->row.how == JOB_END_CANCELLED)
		return "stop_button";
	if (!j->row.unknown && j->row.how == JOB_END_EXITED &&
	    j->row.exit_code == 0)
		return "white_check_mark";
	return "x";
}

static size_t
output_runes(struct executor *x)
{
	size_t	 max = say_max(x);

	max = max > 2 * HEADER_RUNES ? max - HEADER_RUNES : HEADER_RUNES;
	return max < CORE_OUTPUT_RUNES ? max : CORE_OUTPUT_RUNES;
}

int
job_is_cut(struct executor *x, const struct db_job *row,
    const struct buf *out)
{
	return row->output_dropped > 0 ||
	    utf8_runes((const char *)out->data, out->len) > output_runes(x);
}

void
job_result_text(struct executor *x, const struct db_job *row,
    const struct buf *out, struct buf *b)
{
	job_summary(row, b);
	if (row->state == DBJOB_DROPPED) {
		buf_printf(b, ". Reference %" PRIu64 ".", row->result_seq);
		return;
	}
	buf_printf(b, "\n");
	if (out->len == 0) {
		if (row->how != JOB_END_REFUSED && !row->unknown)
			buf_printf(b, "\n(no output)");
		return;
	}
	(void)text_fence(b, (const char *)out->data, out->len,
	    output_runes(x));
	if (row->output_dropped > 0)
		buf_printf(b, "\n%" PRIu64 " more bytes were not kept.",
		    row->output_dropped);
}

static char *
take_text(struct buf *b)
{
	char	*text;

	buf_put_u8(b, 0);
	if (buf_error(b) != 0)
		text = strdup("the result is too long to be shown");
	else
		text = strdup((const char *)b->data);
	buf_free(b);
	if (text == NULL)
		fatal("strdup");
	return text;
}

static void
delivered(struct executor *x, void *arg, int ok, const char *post_id)
{
	struct job	*j = arg;

	if (j->row.post_id[0] != '\0') {
		if (j->is_marked)
			say_react(x, j->row.post_id,
			    "hourglass_flowing_sand", 0);
		say_react(x, j->row.post_id, job_emoji(j), 1);
	}
	j->row.told = ok ? DBJOB_TOLD : DBJOB_TOLD_FAILED;
	(void)strlcpy(j->row.status_post, post_id,
	    sizeof(j->row.status_post));
	if (!ok)
		log_warnx("the result of job %" PRIu64 " could not be "
		    "delivered", j->row.id);
	j->tries = 0;
	j->settle = SETTLE_TOLD;
	job_settle(x, j);
}

/* Everything is recorded: now it may be said. */
void
job_deliver(struct executor *x, struct job *j)
{
	struct buf	 holder, text;
	char		 name[NAME_SIZE];

	j->is_delivering = 1;
	if (j->is_posting)
		return;
	buf_init(&holder, CORE_TEXT_MAX);
	job_name(&j->row, &holder);
	buf_printf(&holder, " has ended");
	buf_init(&text, CORE_TEXT_MAX);
	job_result_text(x, &j->row, &j->out, &text);
	(void)snprintf(name, sizeof(name), "job-%" PRIu64 "-output.txt",
	    j->row.id);
	if (!job_is_cut(x, &j->row, &j->out))
		buf_reset(&j->out);
	(void)say_deliver(x, j->row.channel_id, j->row.root_id,
	    j->row.status_post, take_text(&holder), take_text(&text),
	    &j->out, name, delivered, j);
}

/*
 * Which post it is must outlive a crash, or it would say "running" for ever.
 * Short runs are not held up by it: they are written soon anyway.
 */
static void
job_save_post(struct executor *x, struct job *j)
{
	if (j->row.status_post[0] == '\0' || j->is_post_saved)
		return;
	j->is_post_saved = 1;
	core_db_result(x, db_job_put(x->db, &j->row) == 0,
	    "the post of a job");
}

static void
shown(struct executor *x, void *arg, const void *answer)
{
	const struct msg_net_result	*m = answer;
	struct job			*j = arg;

	j->is_posting = 0;
	if (j->edit_at.ms < monotime_add(core_mono(x), EDIT_MS).ms)
		j->edit_at = monotime_add(core_mono(x), EDIT_MS);
	if (m != NULL && m->result == RESULT_OK && text_is_id(m->id))
		(void)strlcpy(j->row.status_post, m->id,
		    sizeof(j->row.status_post));
	else if (m == NULL || m->result != RESULT_OK)
		log_debug("job %" PRIu64 ": its post was not made",
		    j->row.id);
	if (j->is_delivering) {
		job_deliver(x, j);
		return;
	}
	if (j->state == JOB_QUEUED || j->state == JOB_CHECKING)
		job_save_post(x, j);
	core_wake(x, j->edit_at);
}

/* Its post, before there is anything of interest in it. */
void
job_show(struct executor *x, struct job *j)
{
	struct msg_post	*m = &x->m_post;
	struct buf	 b;
	char		*text;

	buf_init(&b, CORE_TEXT_MAX);
	job_summary(&j->row, &b);
	text = take_text(&b);
	memset(m, 0, offsetof(struct msg_post, text));
	(void)strlcpy(m->channel_id, j->row.channel_id,
	    sizeof(m->channel_id));
	(void)strlcpy(m->root_id, j->row.root_id, sizeof(m->root_id));
	(void)strlcpy(m->text, text, sizeof(m->text));
	free(text);
	j->is_posting = 1;
	ask_net(x, MSG_POST, -1, m, shown, j);
	say_react(x, j->row.post_id, "hourglass_flowing_sand", 1);
	j->is_marked = 1;
}

/* The last few lines, whole ones if they are not too long. */
static void
job_last_lines(const struct job *j, struct buf *b)
{
	const char	*p = (const char *)j->out.data;
	size_t		 len = j->out.len, at, lines = 0;

	if (len == 0)
		return;
	for (at = len; at > 0 && len - at < TAIL_RUNES; at--)
		if (at < len && p[at - 1] == '\n' && ++lines == TAIL_LINES)
			break;
	/* Not in the middle of a character (RFC 3629). */
	while (at < len && ((unsigned char)p[at] & 0xc0) == 0x80)
		at++;
	buf_printf(b, "\n");
	(void)text_fence(b, p + at, len - at, TAIL_RUNES);
}

void
job_edit(struct executor *x, struct job *j)
{
	struct msg_patch	*m = &x->m_patch;
	struct buf		 b;
	monotime_t		 now = core_mono(x);
	int64_t			 age = monotime_sub(now, j->started_at);
	char			*text;

	if (j->is_posting || now.ms < j->edit_at.ms)
		return;
	j->edit_at = monotime_add(now, age < 60000 ? EDIT_MS : EDIT_SLOW_MS);
	job_save_post(x, j);
	if (x->is_xoff || x->net.state != NET_CONNECTED ||
	    j->row.status_post[0] == '\0')
		return;
	buf_init(&b, CORE_TEXT_MAX);
	job_summary(&j->row, &b);
	buf_printf(&b, ", ");
	job_time(age / 1000 * 1000, &b);
	job_last_lines(j, &b);
	text = take_text(&b);
	(void)strlcpy(m->post_id, j->row.status_post, sizeof(m->post_id));
	(void)strlcpy(m->text, text, sizeof(m->text));
	free(text);
	j->is_posting = 1;
	ask_net(x, MSG_PATCH, -1, m, shown, j);
}
