/*
 * After a restart.  What was running when the last process ended is never
 * run again: its outcome is unknown, that is written and told.  What was
 * recorded but not shown is shown.  What was claimed but not decided is
 * refused, and its author asked to send it again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "log.h"

#define RECOVER_UNTOLD	100

static const char	 not_started[] = "interrupted by restart, it was not "
    "started";
static const char	 unknown[] = "interrupted by restart, the outcome is "
    "unknown";

void
recover_dangling(struct executor *x, const struct msg_dangling *m)
{
	struct dangling	*d;

	if (x->dangling == 0) {
		x->w.exit(x->w.arg, "audit reports more intents than it said");
		return;
	}
	if ((d = calloc(1, sizeof(*d))) == NULL)
		fatal("calloc");
	d->m = *m;
	TAILQ_INSERT_TAIL(&x->danglings, d, entry);
	if (--x->dangling == 0)
		recover_start(x);
}

static struct dangling *
dangling_find(struct executor *x, const char *execution_id)
{
	struct dangling	*d;

	TAILQ_FOREACH(d, &x->danglings, entry)
		if (strcmp(d->m.execution_id, execution_id) == 0)
			return d;
	return NULL;
}

static void
dangling_free(struct executor *x, struct dangling *d)
{
	TAILQ_REMOVE(&x->danglings, d, entry);
	explicit_bzero(d, sizeof(*d));
	free(d);
}

static int
collect(const struct db_job *row, void *arg)
{
	struct executor	*x = arg;
	struct job	*j;

	/* Oldest first, as they came. */
	j = job_new(x);
	TAILQ_REMOVE(&x->jobs, j, entry);
	TAILQ_INSERT_HEAD(&x->jobs, j, entry);
	j->row = *row;
	j->is_marked = row->status_post[0] != '\0';
	return 0;
}

/* Its output as far as it was stored. */
static void
recover_output(struct executor *x, struct job *j)
{
	if (db_job_get_output(x->db, j->row.id, &j->out) == -1)
		log_warnx("output of job %" PRIu64 ": %s", j->row.id,
		    db_error(x->db));
}

/*
 * running: ended with us, nobody knows how.  done: the result is known.
 * Without a dangling intent the log has the line already, for it is written
 * before the row.
 */
static void
recover_ended(struct executor *x, struct job *j)
{
	struct dangling	*d;

	d = dangling_find(x, j->row.execution_id);
	j->has_line = 0;
	j->settle = SETTLE_ROW;
	if (j->row.state == DBJOB_RUNNING) {
		j->row.unknown = 1;
		j->row.how = JOB_END_SHUTDOWN;
		j->row.exit_code = -1;
		j->row.ended_at = core_wall(x);
		(void)strlcpy(j->row.error, unknown, sizeof(j->row.error));
	} else {
		recover_output(x, j);
		j->is_saved = 1;
		j->settle = SETTLE_APPEND;
	}
	job_set_state(x, j, JOB_DONE, "found after a restart");
	j->row.state = DBJOB_DONE;
	if (d == NULL) {
		log_info("job %" PRIu64 ": its result is in the log already",
		    j->row.id);
		j->is_saved = 0;
		j->settle = SETTLE_FINISH;
	} else
		dangling_free(x, d);
	job_settle(x, j);
}

/* Its turn had come, and the end came before the start. */
static void
recover_intended(struct executor *x, struct job *j, struct dangling *d)
{
	job_set_state(x, j, JOB_DONE, "an intent of before a restart");
	j->row.state = DBJOB_DONE;
	j->row.how = JOB_END_REFUSED;
	j->row.exit_code = -1;
	j->row.ended_at = core_wall(x);
	(void)strlcpy(j->row.error, not_started, sizeof(j->row.error));
	dangling_free(x, d);
	j->settle = SETTLE_ROW;
	job_settle(x, j);
}

static void
recover_queued(struct executor *x, struct job *j)
{
	struct dangling	*d;

	if ((d = dangling_find(x, j->row.execution_id)) != NULL) {
		recover_intended(x, j, d);
		return;
	}
	job_set_state(x, j, JOB_QUEUED, "found after a restart");
	job_drop(x, j, REASON_INTERRUPTED, "the bot was restarted while it "
	    "waited, please send it again");
}

/*
 * An intent that no job belongs to: the end came between the log and the
 * database.  It never started.
 */
static void
recover_intent(struct executor *x, struct dangling *d)
{
	struct db_seen	 seen;
	struct db_job	*row;
	struct job	*j;
	int		 r;

	r = db_seen_by_execution(x->db, d->m.execution_id, &seen);
	if (r == -1)
		core_db_result(x, 0, "an interrupted job");
	j = job_new(x);
	row = &j->row;
	row->id = x->next_job++;
	(void)strlcpy(row->execution_id, d->m.execution_id,
	    sizeof(row->execution_id));
	(void)strlcpy(row->script, d->m.script_name, sizeof(row->script));
	(void)strlcpy(row->arguments, d->m.arguments, sizeof(row->arguments));
	(void)strlcpy(row->user_id, d->m.user_id, sizeof(row->user_id));
	(void)strlcpy(row->channel_id, d->m.channel_id,
	    sizeof(row->channel_id));
	if (r == 1) {
		(void)strlcpy(row->post_id, seen.post_id,
		    sizeof(row->post_id));
		(void)strlcpy(row->root_id, seen.root_id,
		    sizeof(row->root_id));
	}
	row->created_at = row->ended_at = core_wall(x);
	row->how = JOB_END_REFUSED;
	row->exit_code = -1;
	(void)strlcpy(row->error, not_started, sizeof(row->error));
	dangling_free(x, d);
	job_set_state(x, j, JOB_DONE, "an intent of before a restart");
	row->state = DBJOB_DONE;
	/* Without its post there is no row to make, only a line to write. */
	j->settle = r == 1 ? SETTLE_ROW : SETTLE_APPEND;
	j->is_rowless = r != 1;
	job_settle(x, j);
}

static int
collect_open(const struct db_seen *seen, void *arg)
{
	struct executor	*x = arg;
	struct cmd	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal("calloc");
	c->stage = CMD_WORKING;
	c->is_left = 1;
	buf_init(&c->out, CORE_TEXT_MAX);
	(void)strlcpy(c->in.post_id, seen->post_id, sizeof(c->in.post_id));
	(void)strlcpy(c->in.user_id, seen->user_id, sizeof(c->in.user_id));
	(void)strlcpy(c->in.channel_id, seen->channel_id,
	    sizeof(c->in.channel_id));
	(void)strlcpy(c->root_id, seen->root_id, sizeof(c->root_id));
	(void)strlcpy(c->execution_id, seen->execution_id,
	    sizeof(c->execution_id));
	TAILQ_INSERT_TAIL(&x->cmds, c, entry);
	x->ncmds++;
	return 0;
}

/* A claim of an intent that was found is not told twice. */
static int
has_job(struct executor *x, const char *execution_id)
{
	struct job	*j;

	TAILQ_FOREACH(j, &x->jobs, entry)
		if (strcmp(j->row.execution_id, execution_id) == 0)
			return 1;
	return 0;
}

static void
recover_claims(struct executor *x)
{
	struct cmd	*c, *tmp;
	int		 more = 0;

	if (db_seen_open_each(x->db, collect_open, x, &more) == -1)
		core_db_result(x, 0, "interrupted commands");
	if (more)
		log_warnx("more commands were interrupted than are told");
	TAILQ_FOREACH_SAFE(c, &x->cmds, entry, tmp)
		if (c->is_left && has_job(x, c->execution_id)) {
			c->in.post_id[0] = '\0';
			command_end(x, c);
		}
}

static void
recover_jobs(struct executor *x)
{
	struct job	*j, *tmp;

	TAILQ_FOREACH_SAFE(j, &x->jobs, entry, tmp) {
		if (j->state != JOB_NEW)
			continue;
		switch (j->row.state) {
		case DBJOB_QUEUED:
			recover_queued(x, j);
			break;
		case DBJOB_RUNNING:
		case DBJOB_DONE:
			recover_ended(x, j);
			break;
		default:
			recover_output(x, j);
			j->settle = SETTLE_SHOW;
			job_set_state(x, j, JOB_FINISHED, "not told yet");
			job_deliver(x, j);
		}
	}
}

void
recover_start(struct executor *x)
{
	uint32_t	 open, over;

	open = 1U << DBJOB_QUEUED | 1U << DBJOB_RUNNING | 1U << DBJOB_DONE;
	over = 1U << DBJOB_FINISHED | 1U << DBJOB_DROPPED;
	if (db_job_each(x->db, NULL, over, 1U << DBJOB_UNTOLD, RECOVER_UNTOLD,
	    collect, x) == -1 ||
	    db_job_each(x->db, NULL, open, 0, DB_LIST_MAX, collect, x) == -1) {
		x->w.exit(x->w.arg, db_error(x->db));
		return;
	}
	recover_jobs(x);
	while (!TAILQ_EMPTY(&x->danglings))
		recover_intent(x, TAILQ_FIRST(&x->danglings));
	recover_claims(x);
	x->is_recovered = 1;
	late_start(x);
	recover_tell(x);
}

void
recover_tell(struct executor *x)
{
	struct cmd	*c, *tmp;

	if (!x->is_recovered || x->net.state != NET_CONNECTED)
		return;
	TAILQ_FOREACH_SAFE(c, &x->cmds, entry, tmp) {
		if (!c->is_left)
			continue;
		c->is_left = 0;
		refuse(x, c, REASON_INTERRUPTED, "the bot was restarted before "
		    "it was decided, it was not run, please send it again");
	}
}

void
recover_free_all(struct executor *x)
{
	while (!TAILQ_EMPTY(&x->danglings))
		dangling_free(x, TAILQ_FIRST(&x->danglings));
}
