/*
 * The executor's core: its life, and who gets which message.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"
#include "log.h"

monotime_t
core_mono(struct executor *x)
{
	return x->w.mono(x->w.arg);
}

int64_t
core_wall(struct executor *x)
{
	return x->w.wall(x->w.arg).ms;
}

int64_t
core_server_now(struct executor *x)
{
	int64_t	 now;

	if (__builtin_add_overflow(core_wall(x), x->net.skew, &now))
		return core_wall(x);
	return now;
}

/* RFC 4122 version 4. */
void
core_uuid(struct executor *x, char out[UUID_SIZE])
{
	static const char	 hex[] = "0123456789abcdef";
	uint8_t			 r[16];
	size_t			 i, n = 0;

	x->w.random(x->w.arg, r, sizeof(r));
	r[6] = (r[6] & 0x0f) | 0x40;
	r[8] = (r[8] & 0x3f) | 0x80;
	for (i = 0; i < sizeof(r); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[n++] = '-';
		out[n++] = hex[r[i] >> 4];
		out[n++] = hex[r[i] & 0x0f];
	}
	out[n] = '\0';
}

void
core_db_result(struct executor *x, int ok, const char *what)
{
	if (ok && !x->is_db_ok)
		log_info("database works again");
	else if (!ok)
		log_warnx("%s: %s; nothing starts until this works", what,
		    db_error(x->db));
	x->is_db_ok = ok;
}

void
core_wake(struct executor *x, monotime_t at)
{
	if (at.ms >= x->timer.ms)
		return;
	x->timer = at;
	x->w.timer(x->w.arg, at);
}

int
core_may_tell(struct executor *x, struct told *table, const char *key,
    int64_t ms)
{
	monotime_t	 now = core_mono(x);
	size_t		 i, oldest = 0;

	for (i = 0; i < CORE_SMALL_MAX; i++) {
		if (strcmp(table[i].key, key) == 0 && key[0] != '\0') {
			if (monotime_sub(now, table[i].at) < ms)
				return 0;
			table[i].at = now;
			return 1;
		}
		if (table[i].key[0] == '\0') {
			oldest = i;
			break;
		}
		if (table[i].at.ms < table[oldest].at.ms)
			oldest = i;
	}
	(void)strlcpy(table[oldest].key, key, sizeof(table[oldest].key));
	table[oldest].at = now;
	return 1;
}

struct executor *
executor_new(const struct executor_world *w, const struct conf *conf,
    struct db *db, struct rate *rate, char *why, size_t whylen)
{
	struct executor	*x;
	uint8_t		 fresh[DB_HMAC_KEY_SIZE];

	if ((x = calloc(1, sizeof(*x))) == NULL) {
		(void)strlcpy(why, "out of memory", whylen);
		return NULL;
	}
	x->w = *w;
	x->conf = conf;
	x->db = db;
	x->rate = rate;
	x->is_db_ok = 1;
	(void)strlcpy(x->audit_why, "the audit process has not reported yet",
	    sizeof(x->audit_why));
	RB_INIT(&x->asks);
	TAILQ_INIT(&x->cmds);
	TAILQ_INIT(&x->outbox);
	TAILQ_INIT(&x->channels);
	TAILQ_INIT(&x->folds);
	TAILQ_INIT(&x->jobs);
	TAILQ_INIT(&x->deliveries);
	TAILQ_INIT(&x->changes);
	TAILQ_INIT(&x->ctl_waits);
	TAILQ_INIT(&x->explains);
	TAILQ_INIT(&x->danglings);
	x->timer = MONOTIME_NEVER;
	x->stop_kill = MONOTIME_NEVER;
	x->stop_end = MONOTIME_NEVER;
	x->started = core_mono(x);
	x->started_wall = core_wall(x);
	/* Not before all that was claimed by the last process is too old. */
	x->prune_at = monotime_add(x->started, CORE_PRUNE_MS +
	    2 * conf->message_age_ms);
	x->w.random(x->w.arg, fresh, sizeof(fresh));
	if (db_hmac_key(db, fresh, x->hmac_key) == -1 ||
	    (x->next_job = db_job_next(db)) == 0) {
		(void)strlcpy(why, db_error(db), whylen);
		free(x);
		x = NULL;
	} else
		core_wake(x, x->prune_at);
	explicit_bzero(fresh, sizeof(fresh));
	return x;
}

void
executor_free(struct executor *x)
{
	if (x == NULL)
		return;
	command_free_all(x);
	change_free_all(x);
	job_free_all(x);
	ctl_free_all(x);
	explain_free_all(x);
	recover_free_all(x);
	refuse_free_all(x);
	channel_free_all(x);
	say_free_all(x);
	ask_free_all(x);
	allowlist_free(x->al);
	freezero(x, sizeof(*x));
}

static void
reload_recorded(struct executor *x, void *arg, const struct msg_ack *ack)
{
	(void)arg;
	if (ack->ok)
		core_db_result(x, record_anchor(x, ack) == 0,
		    "the record of a reload");
}

/* Another allowlist is another set of permissions. */
static void
reload_record(struct executor *x, uint64_t generation)
{
	struct record_json	 j;
	struct msg_append	*m;
	char			 now[32], before[32];

	(void)snprintf(now, sizeof(now), "generation %llu",
	    (unsigned long long)generation);
	(void)snprintf(before, sizeof(before), "generation %llu",
	    (unsigned long long)x->generation);
	m = record_new(x, AUDIT_PERMISSION);
	if (x->nreloads > 0)
		(void)strlcpy(m->user_id, x->reload_by.id,
		    sizeof(m->user_id));
	record_open(&j);
	record_str(&j, "action", "reload");
	record_str(&j, "subject", "script-allowlist.json");
	record_str(&j, "permission", now);
	record_null(&j, "scope");
	record_str(&j, "previous", before);
	record_str(&j, "by", x->nreloads > 0 ? x->reload_by.name :
	    "signal HUP");
	record_close(&j, m->detail, sizeof(m->detail));
	record_send(x, reload_recorded, NULL);
}

/*
 * The parent does one at a time and refuses the others meanwhile, so it is
 * the first one's until all have their answers.
 */
void
reload_ask(struct executor *x, const struct actor *by, ask_fn fn, void *arg)
{
	struct msg_reload	 m;

	memset(&m, 0, sizeof(m));
	(void)strlcpy(m.by, by->name, sizeof(m.by));
	if (x->nreloads++ == 0)
		x->reload_by = *by;
	(void)ask(x, ROLE_PARENT, MSG_RELOAD, -1, &m, MSG_RELOAD_RESULT, fn,
	    arg, 2 * CORE_LOOKUP_MS);
}

void
executor_set_allowlist(struct executor *x, struct allowlist *al,
    uint64_t generation)
{
	size_t	 i;

	if (x->al != NULL && x->has_audit)
		reload_record(x, generation);

	allowlist_free(x->al);
	x->al = al;
	x->generation = generation;
	/* A name may have meant another channel when it was resolved. */
	channel_forget(x);
	for (i = 0; i < al->nwarnings; i++)
		log_warnx("allowlist: %s", al->warnings[i]);
	log_info("allowlist generation %llu: %zu scripts",
	    (unsigned long long)generation, al->n);
}


static void
caught_up(struct executor *x, void *arg, const void *answer)
{
	const struct msg_caught_up	*m = answer;
	int64_t				 until, now;

	(void)arg;
	if (m == NULL || !m->complete) {
		log_warnx("commands of the time away were not all found: %s",
		    m == NULL ? "no answer" : "too many");
		return;
	}
	/* Never past the server's present, whatever was claimed. */
	now = core_server_now(x);
	until = m->until < now ? m->until : now;
	core_db_result(x, db_position_put(x->db, until) == 0,
	    "position in the message stream");
}

static void
net_connected(struct executor *x)
{
	struct msg_catchup	 m;

	log_info("connected as %s", x->net.bot_name);
	if (db_position_get(x->db, &m.since) == -1) {
		core_db_result(x, 0, "position in the message stream");
		return;
	}
	if (m.since == 0) {
		/* The first time ever: there is no time away. */
		core_db_result(x, db_position_put(x->db,
		    core_server_now(x)) == 0,
		    "position in the message stream");
	} else
		(void)ask(x, ROLE_NETWORK, MSG_CATCHUP, -1, &m, MSG_CAUGHT_UP,
		    caught_up, NULL, CORE_DELIVER_MS);
	say_connected(x);
	recover_tell(x);
}

static void
net_state(struct executor *x, const struct msg_net_state *m)
{
	int	 was = x->net.state;

	x->net = *m;
	/* Who is further off than that is not believed at all. */
	if (x->net.skew > CORE_SKEW_MAX_MS || x->net.skew < -CORE_SKEW_MAX_MS)
		x->net.skew = 0;
	if (m->state == NET_REFUSED && was != NET_REFUSED)
		log_warnx("the server refuses the bot: %s; check the token "
		    "and the bot's account", m->why);
	else if (m->state == NET_DOWN && was == NET_CONNECTED)
		log_warnx("connection lost: %s", m->why);
	if (m->state == NET_CONNECTED && was != NET_CONNECTED)
		net_connected(x);
}

/* The starter's stop sign on the job's own post. */
static void
reaction(struct executor *x, const struct msg_reaction *m)
{
	struct actor	 by;
	struct job	*j;

	if (!m->added || strcmp(m->emoji, "stop_button") != 0 ||
	    (j = job_by_status_post(x, m->post_id)) == NULL ||
	    strcmp(j->row.user_id, m->user_id) != 0 ||
	    strcmp(j->row.channel_id, m->channel_id) != 0)
		return;
	(void)strlcpy(by.id, j->row.user_id, sizeof(by.id));
	(void)strlcpy(by.name, j->row.username, sizeof(by.name));
	job_cancel(x, j, &by);
}

static void
answer(struct executor *x, enum role from, enum msg_type type, uint32_t id,
    const void *payload)
{
	char	 why[128];

	if (ask_answer(x, from, type, id, payload) == 0)
		return;
	(void)snprintf(why, sizeof(why), "%s from %s answers what was never "
	    "asked", msg_name(type), role_name(from));
	x->w.exit(x->w.arg, why);
}

static void
message_network(struct executor *x, enum msg_type type, uint32_t id,
    const void *payload)
{
	switch (type) {
	case MSG_COMMAND:
		command_new(x, payload);
		break;
	case MSG_REACTION:
		reaction(x, payload);
		break;
	case MSG_NET_STATE:
		net_state(x, payload);
		break;
	case MSG_XOFF:
		x->is_xoff = 1;
		break;
	case MSG_XON:
		x->is_xoff = 0;
		ask_flush(x);
		break;
	default:
		answer(x, ROLE_NETWORK, type, id, payload);
	}
}

static void
message_audit(struct executor *x, enum msg_type type, uint32_t id,
    const void *payload)
{
	switch (type) {
	case MSG_AUDIT_STATE:
		record_state(x, payload);
		break;
	case MSG_DANGLING:
		recover_dangling(x, payload);
		break;
	case MSG_AUDIT_HEALTH:
		record_health(x, payload);
		break;
	default:
		answer(x, ROLE_AUDIT, type, id, payload);
	}
}

void
executor_message(struct executor *x, enum role from, enum msg_type type,
    uint32_t id, int fd, const void *payload)
{
	if (type == MSG_JOB_STARTED) {
		job_started(x, payload, fd);
		return;
	}
	if (fd != -1)
		(void)close(fd);
	if (from == ROLE_NETWORK)
		message_network(x, type, id, payload);
	else if (from == ROLE_AUDIT)
		message_audit(x, type, id, payload);
	else if (from == ROLE_RUNNER && type == MSG_JOB_EXIT)
		job_exit(x, payload);
	else if (from == ROLE_PARENT && type == MSG_STOP)
		job_stop(x);
	else if (from == ROLE_PARENT && type == MSG_PROCESS) {
		const struct msg_process	*m = payload;

		x->processes[m->role] = *m;
	} else if (from == ROLE_PARENT && type == MSG_RELOAD_RESULT) {
		/* After a signal nobody here asked for it. */
		if (id == 0)
			return;
		if (x->nreloads > 0)
			x->nreloads--;
		answer(x, ROLE_PARENT, type, id, payload);
	}
	else
		x->w.exit(x->w.arg, "a message that nobody handles");
}

/*
 * Old claims only keep their post from being run twice; age does so too.  A
 * wall clock that was set forward must not make fresh claims look old, so
 * the time that really went by since the start counts, if it is less.
 */
static void
prune(struct executor *x, monotime_t now)
{
	int64_t	 age, wall, passed;

	x->prune_at = monotime_add(now, CORE_PRUNE_MS);
	rate_prune(x->rate, now);
	wall = core_wall(x);
	passed = x->started_wall + monotime_sub(now, x->started);
	if (passed < wall)
		wall = passed;
	/* A post can count as fresh for one age on each side of now. */
	age = 10 * x->conf->message_age_ms;
	if (age < 86400000)
		age = 86400000;
	if (db_seen_prune(x->db, wall - age, 1000) == -1)
		core_db_result(x, 0, "forgetting old claims");
	if (db_job_prune_output(x->db, wall - 90 * 86400000LL, 100) == -1)
		core_db_result(x, 0, "forgetting old output");
}

static void
earlier(monotime_t *next, monotime_t at)
{
	if (at.ms < next->ms)
		*next = at;
}

void
executor_tick(struct executor *x)
{
	monotime_t	 now = core_mono(x), next = MONOTIME_NEVER;

	x->timer = MONOTIME_NEVER;
	if (now.ms >= x->prune_at.ms)
		prune(x, now);
	earlier(&next, x->prune_at);
	ask_tick(x, &next);
	refuse_tick(x, &next);
	say_tick(x, &next);
	job_tick(x, &next);
	core_wake(x, next);
}
