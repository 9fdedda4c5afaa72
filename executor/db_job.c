/* Jobs: one row per run, its state moves along the graph of db.h only. */
#include <stdio.h>
#include <string.h>

#include "db_sql.h"

static const char *const state_names[DBJOB_STATE_COUNT] = {
	[DBJOB_QUEUED] = "queued",
	[DBJOB_RUNNING] = "running",
	[DBJOB_DONE] = "done",
	[DBJOB_FINISHED] = "finished",
	[DBJOB_DROPPED] = "dropped",
};

const char *
db_job_state_name(enum db_job_state state)
{
	return (unsigned int)state < DBJOB_STATE_COUNT ? state_names[state] :
	    "unknown";
}

static int
db_job_next_read(struct db *db, sqlite3_stmt *st, void *arg)
{
	(void)db;
	*(int64_t *)arg = sqlite3_column_int64(st, 0);
	return 0;
}

uint64_t
db_job_next(struct db *db)
{
	int64_t	 n = -1;

	if (db_one(db, db_prepare(db, "SELECT max(coalesce((SELECT seq "
	    "FROM sqlite_sequence WHERE name = 'jobs'), 0), "
	    "coalesce((SELECT max(id) FROM jobs), 0))", ""),
	    db_job_next_read, &n) == -1)
		return 0;
	if (n < 0 || n == INT64_MAX) {
		(void)db_fail(db, "database: no number is left for a job");
		return 0;
	}
	return (uint64_t)n + 1;
}

int
db_job_put(struct db *db, const struct db_job *j)
{
	if (j->id == 0 || j->id > INT64_MAX ||
	    (unsigned int)j->state >= DBJOB_STATE_COUNT)
		return db_fail(db, "database: not a job");
	return db_run(db, "INSERT INTO jobs (id, execution_id, post_id, "
	    "user_id, username, channel_id, root_id, status_post, script, "
	    "arguments, dry_run, state, told, created_at, started_at, "
	    "ended_at, intent_seq, intent_hash, result_seq, result_hash, "
	    "unknown, how, exit_code, signal, duration_ms, user_us, "
	    "system_us, maxrss_kb, error, output_len, output_dropped) "
	    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
	    "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
	    "ON CONFLICT (id) DO UPDATE SET root_id = excluded.root_id, "
	    "status_post = excluded.status_post, "
	    "arguments = excluded.arguments, state = excluded.state, "
	    "told = excluded.told, started_at = excluded.started_at, "
	    "ended_at = excluded.ended_at, "
	    "intent_seq = excluded.intent_seq, "
	    "intent_hash = excluded.intent_hash, "
	    "result_seq = excluded.result_seq, "
	    "result_hash = excluded.result_hash, "
	    "unknown = excluded.unknown, how = excluded.how, "
	    "exit_code = excluded.exit_code, signal = excluded.signal, "
	    "duration_ms = excluded.duration_ms, "
	    "user_us = excluded.user_us, system_us = excluded.system_us, "
	    "maxrss_kb = excluded.maxrss_kb, error = excluded.error, "
	    "output_len = excluded.output_len, "
	    "output_dropped = excluded.output_dropped",
	    "itttttnnttitiiiiibibiiiiiiiinii", (int64_t)j->id,
	    j->execution_id, j->post_id, j->user_id, j->username,
	    j->channel_id, j->root_id, j->status_post, j->script,
	    j->arguments, (int64_t)j->dry_run, state_names[j->state],
	    (int64_t)j->told, j->created_at, j->started_at, j->ended_at,
	    (int64_t)j->intent_seq, j->intent_hash, sizeof(j->intent_hash),
	    (int64_t)j->result_seq, j->result_hash, sizeof(j->result_hash),
	    (int64_t)j->unknown, (int64_t)j->how, (int64_t)j->exit_code,
	    (int64_t)j->signal, j->duration_ms, (int64_t)j->user_us,
	    (int64_t)j->system_us, (int64_t)j->maxrss_kb, j->error,
	    (int64_t)j->output_len, (int64_t)j->output_dropped) == -1 ?
	    -1 : 0;
}

int
db_job_put_output(struct db *db, uint64_t id, const void *data, size_t len)
{
	int64_t	 n;

	n = db_run(db, "UPDATE jobs SET output = ?, output_len = ? "
	    "WHERE id = ?", "bii", data, len, (int64_t)len, (int64_t)id);
	if (n == 0)
		return db_fail(db, "database: there is no job %llu",
		    (unsigned long long)id);
	return n == -1 ? -1 : 0;
}

static int
db_job_output_read(struct db *db, sqlite3_stmt *st, void *arg)
{
	struct buf	*out = arg;
	const void	*data;
	size_t		 len, room;

	if ((data = sqlite3_column_blob(st, 1)) == NULL)
		return 0;
	len = (size_t)sqlite3_column_bytes(st, 1);
	room = out->max > out->len ? out->max - out->len : 0;
	buf_put(out, data, len < room ? len : room);
	return buf_error(out) ? db_fail(db, "out of memory") : 0;
}

int
db_job_get_output(struct db *db, uint64_t id, struct buf *out)
{
	return db_one(db, db_prepare(db, "SELECT id, output FROM jobs "
	    "WHERE id = ?", "i", (int64_t)id), db_job_output_read, out);
}

#define JOB_COLUMNS							\
	"id, execution_id, post_id, user_id, username, channel_id, "	\
	"root_id, status_post, script, arguments, dry_run, state, told, "\
	"created_at, started_at, ended_at, intent_seq, intent_hash, "	\
	"result_seq, result_hash, unknown, how, exit_code, signal, "	\
	"duration_ms, user_us, system_us, maxrss_kb, error, output_len, "\
	"output_dropped"

static int
db_job_read(struct db *db, sqlite3_stmt *st, void *arg)
{
	struct db_job	*j = arg;
	char		 state[16];
	int64_t		 exit_code;
	int		 told, how;
	size_t		 i;

	memset(j, 0, sizeof(*j));
	if (db_columns(db, st, "jobs", "utttttttttItIiiiububIIiIiuuutuu",
	    &j->id, j->execution_id, sizeof(j->execution_id),
	    j->post_id, sizeof(j->post_id), j->user_id, sizeof(j->user_id),
	    j->username, sizeof(j->username),
	    j->channel_id, sizeof(j->channel_id),
	    j->root_id, sizeof(j->root_id),
	    j->status_post, sizeof(j->status_post),
	    j->script, sizeof(j->script),
	    j->arguments, sizeof(j->arguments), &j->dry_run,
	    state, sizeof(state), &told, &j->created_at, &j->started_at,
	    &j->ended_at, &j->intent_seq, j->intent_hash,
	    sizeof(j->intent_hash), &j->result_seq, j->result_hash,
	    sizeof(j->result_hash), &j->unknown, &how, &exit_code,
	    &j->signal, &j->duration_ms, &j->user_us, &j->system_us,
	    &j->maxrss_kb, j->error, sizeof(j->error), &j->output_len,
	    &j->output_dropped) == -1)
		return -1;
	for (i = 0; i < DBJOB_STATE_COUNT; i++)
		if (strcmp(state, state_names[i]) == 0)
			break;
	if (i == DBJOB_STATE_COUNT || told >= DBJOB_TOLD_COUNT ||
	    how >= JOB_END_COUNT || exit_code < -1 || exit_code > 255)
		return db_fail(db, "database: table jobs, row %llu: a value "
		    "that this program never writes",
		    (unsigned long long)j->id);
	j->state = (enum db_job_state)i;
	j->told = (enum db_job_told)told;
	j->how = (enum job_end)how;
	j->exit_code = (int)exit_code;
	return 0;
}

int
db_job_get(struct db *db, uint64_t id, struct db_job *j)
{
	return db_one(db, db_prepare(db, "SELECT " JOB_COLUMNS " FROM jobs "
	    "WHERE id = ?", "i", (int64_t)id), db_job_read, j);
}

/* Set bits as "1", for instr(): the planner still walks by id downwards. */
static void
db_job_states(uint32_t set, char *out, size_t size)
{
	size_t	 i;

	out[0] = '\0';
	for (i = 0; i < DBJOB_STATE_COUNT; i++)
		if (set == 0 || (set & (1U << i))) {
			(void)strlcat(out, "/", size);
			(void)strlcat(out, state_names[i], size);
			(void)strlcat(out, "/", size);
		}
}

struct job_walk {
	int	(*each)(const struct db_job *, void *);
	void	 *arg;
};

static int
db_job_row(struct db *db, sqlite3_stmt *st, void *arg)
{
	static struct db_job	 j;	/* 35 KiB: not on the stack */
	struct job_walk		*w = arg;

	return db_job_read(db, st, &j) == -1 ? -1 : w->each(&j, w->arg) != 0;
}

int
db_job_each(struct db *db, const char *user_id, uint32_t states,
    uint32_t tolds, size_t n, int (*each)(const struct db_job *, void *),
    void *arg)
{
	struct job_walk	 w = { each, arg };
	char		 names[96];
	sqlite3_stmt	*st;

	db_job_states(states, names, sizeof(names));
	if (n > DB_LIST_MAX)
		n = DB_LIST_MAX;
	if (user_id != NULL)
		st = db_prepare(db, "SELECT " JOB_COLUMNS " FROM jobs "
		    "WHERE user_id = ?1 AND instr(?2, '/' || state || '/') "
		    "AND (?3 = 0 OR (1 << told) & ?3) "
		    "ORDER BY id DESC LIMIT ?4", "ttii", user_id, names,
		    (int64_t)tolds, (int64_t)n);
	else if (states == 0)
		st = db_prepare(db, "SELECT " JOB_COLUMNS " FROM jobs "
		    "WHERE ?1 = 0 OR (1 << told) & ?1 "
		    "ORDER BY id DESC LIMIT ?2", "ii", (int64_t)tolds,
		    (int64_t)n);
	else
		/* Few jobs are in the states that are asked for. */
		st = db_prepare(db, "SELECT " JOB_COLUMNS " FROM jobs "
		    "WHERE state IN (SELECT column1 FROM (VALUES ('queued'), "
		    "('running'), ('done'), ('finished'), ('dropped')) "
		    "WHERE instr(?1, '/' || column1 || '/')) "
		    "AND (?2 = 0 OR (1 << told) & ?2) "
		    "ORDER BY id DESC LIMIT ?3", "tii", names,
		    (int64_t)tolds, (int64_t)n);
	return db_rows(db, st, n, NULL, db_job_row, &w);
}

int64_t
db_job_prune_output(struct db *db, int64_t before, size_t max)
{
	return db_run(db, "UPDATE jobs SET output = NULL WHERE id IN ("
	    "SELECT id FROM jobs WHERE output IS NOT NULL AND ended_at > 0 "
	    "AND ended_at < ? ORDER BY ended_at LIMIT ?)", "ii", before,
	    (int64_t)max);
}
