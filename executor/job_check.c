/*
 * The last look before a run, and the intent: what a job that waited was
 * allowed then may not be allowed now; and nothing starts before auditd has
 * the intent on disk.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "core.h"
#include "log.h"

/* The arguments of a line; long ones are replaced by their digest. */
#define ARGUMENTS_MAX	(24 * 1024)

static void	check_decide(struct executor *, struct job *);

static void
account_answer(struct executor *x, void *arg, const void *answer)
{
	const struct msg_user	*m = answer;
	struct job		*j = arg;

	j->has_account = 1;
	if (m == NULL)
		j->account.status = LOOKUP_FAILED;
	else
		j->account = *m;
	if (j->account.status == LOOKUP_OK &&
	    strcmp(j->account.id, j->row.user_id) != 0)
		j->account.status = LOOKUP_FAILED;
	j->pending--;
	check_decide(x, j);
}

static void
member_answer(struct executor *x, void *arg, const void *answer)
{
	const struct msg_member	*m = answer;
	struct job		*j = arg;

	j->has_member = 1;
	if (m == NULL)
		j->member.status = LOOKUP_FAILED;
	else
		j->member = *m;
	j->pending--;
	check_decide(x, j);
}

void
job_check(struct executor *x, struct job *j)
{
	struct msg_lookup_member	 member;
	struct msg_lookup_user		 user;
	long				 n;

	job_set_state(x, j, JOB_CHECKING, "its turn");
	memset(&user, 0, sizeof(user));
	(void)strlcpy(user.key, j->row.user_id, sizeof(user.key));
	j->pending = 1;
	(void)ask(x, ROLE_NETWORK, MSG_LOOKUP_USER, -1, &user, MSG_USER,
	    account_answer, j, CORE_LOOKUP_MS);
	if (j->channel_type != 'D') {
		memset(&member, 0, sizeof(member));
		(void)strlcpy(member.channel_id, j->row.channel_id,
		    sizeof(member.channel_id));
		(void)strlcpy(member.user_id, j->row.user_id,
		    sizeof(member.user_id));
		j->pending++;
		(void)ask(x, ROLE_NETWORK, MSG_LOOKUP_MEMBER, -1, &member,
		    MSG_MEMBER, member_answer, j, CORE_LOOKUP_MS);
	}
	if (x->al != NULL && (n = allowlist_find(x->al, j->row.script)) != -1)
		(void)channel_resolve(x, &x->al->scripts[n]);
}

/* The table changed meanwhile: the words must fit what it says now. */
static int
check_again(struct executor *x, struct job *j, const struct script *s,
    char *why, size_t size)
{
	if (j->generation == x->generation)
		return 0;
	if (arguments_check(s, j->typed, j->row.dry_run, x->hmac_key,
	    j->args) == -1) {
		(void)strlcpy(why, j->args->why, size);
		return -1;
	}
	(void)strlcpy(j->row.arguments, j->args->json,
	    sizeof(j->row.arguments));
	j->generation = x->generation;
	j->timeout_ms = s->timeout_ms;
	j->max = s->concurrency_max;
	j->async = s->async;
	return 0;
}

static int
check_input(struct executor *x, struct job *j, const struct script *s,
    struct policy_input *in)
{
	int	 r;

	memset(in, 0, sizeof(*in));
	if (db_user_get(x->db, j->row.user_id, &in->user) == -1 ||
	    (r = db_ban_get(x->db, j->row.user_id, core_wall(x),
	    &in->ban)) == -1)
		return -1;
	in->kind = POLICY_SCRIPT;
	in->name = s->name;
	in->script = s;
	in->has_account = j->has_account;
	in->account = (enum lookup_status)j->account.status;
	in->account_flags = j->account.flags;
	in->channel_type = j->channel_type;
	in->is_direct_ok = j->channel_type == 'D';	/* seen at admission */
	in->has_member = j->has_member;
	in->member = (enum lookup_status)j->member.status;
	in->is_channel_guest = j->member.guest;
	in->has_user = 1;
	in->is_banned = r;
	in->now = core_wall(x);
	in->channel = channel_match(x, s, j->row.channel_id,
	    in->channel_unresolved, sizeof(in->channel_unresolved));
	in->is_audit_ok = x->is_audit_ok;
	in->is_stopping = x->is_stopping;
	return 0;
}

static void
check_decide(struct executor *x, struct job *j)
{
	struct policy_input	 in;
	struct policy_result	 out;
	const struct script	*s;
	char			 why[512];
	long			 n = -1;

	if (j->pending > 0 || j->state != JOB_CHECKING)
		return;
	if (x->al == NULL || (n = allowlist_find(x->al, j->row.script)) == -1) {
		job_drop(x, j, REASON_UNKNOWN, "the script is not in the "
		    "allowlist any more");
		return;
	}
	s = &x->al->scripts[n];
	if (channel_waiting(x, s) > 0)
		return;
	if (check_input(x, j, s, &in) == -1) {
		core_db_result(x, 0, "who may do what");
		job_drop(x, j, REASON_DATABASE, "the database fails");
		return;
	}
	policy_decide(&in, &out);
	if (out.reason != REASON_ALLOWED)
		job_drop(x, j, out.reason, out.why);
	else if (check_again(x, j, s, why, sizeof(why)) == -1)
		job_drop(x, j, REASON_ARGUMENTS, why);
	else {
		j->script = (uint32_t)n;
		job_intent(x, j);
	}
}

void
job_channels(struct executor *x)
{
	struct job	*j, *tmp;

	TAILQ_FOREACH_SAFE(j, &x->jobs, entry, tmp)
		check_decide(x, j);
}

const char *
job_arguments(const struct job *j, struct record_json *detail)
{
	unsigned char	 digest[crypto_hash_sha256_BYTES];
	char		 hex[sizeof(digest) * 2 + 1];
	const char	*args = j->row.arguments;

	if (*args == '\0')
		return "{}";
	if (strlen(args) <= ARGUMENTS_MAX)
		return args;
	(void)crypto_hash_sha256(digest, (const unsigned char *)args,
	    strlen(args));
	sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest));
	record_str(detail, "argumentsSha256", hex);
	record_bool(detail, "truncated", 1);
	return "{}";
}

/* The row says running, with the line that allows it, and no claim is open. */
static int
start_row(struct executor *x, struct job *j, const struct msg_ack *ack)
{
	j->row.state = DBJOB_RUNNING;
	j->row.started_at = core_wall(x);
	if (db_begin(x->db) == -1)
		return -1;
	if (db_job_put(x->db, &j->row) == -1 ||
	    db_seen_close(x->db, j->row.post_id) == -1 ||
	    record_anchor(x, ack) == -1) {
		db_rollback(x->db);
		return -1;
	}
	return db_commit(x->db);
}

static void
start(struct executor *x, struct job *j)
{
	struct msg_job_start	*m = &x->m_start;

	job_set_state(x, j, JOB_RUNNING, "intent acknowledged");
	x->runs++;
	memset(m, 0, offsetof(struct msg_job_start, words));
	m->job = j->row.id;
	m->script = j->script;
	m->generation = j->generation;
	(void)strlcpy(m->execution_id, j->row.execution_id,
	    sizeof(m->execution_id));
	(void)strlcpy(m->user_id, j->row.user_id, sizeof(m->user_id));
	(void)strlcpy(m->username, j->row.username, sizeof(m->username));
	(void)strlcpy(m->channel_id, j->row.channel_id,
	    sizeof(m->channel_id));
	m->words = j->args->out;
	j->started_at = core_mono(x);
	j->deadline = monotime_add(monotime_add(j->started_at, j->timeout_ms),
	    x->conf->cancel_grace_ms + JOB_MARGIN_MS);
	j->edit_at = monotime_add(j->started_at, 1000);
	core_wake(x, j->edit_at);
	x->w.send(x->w.arg, ROLE_RUNNER, MSG_JOB_START, 0, -1, m);
	explicit_bzero(&m->words, sizeof(m->words));
	if (j->row.status_post[0] == '\0' && !j->is_posting)
		job_show(x, j);
}

/* Durable at auditd; now the row, and then the start. */
static void
intent_acked(struct executor *x, void *arg, const struct msg_ack *ack)
{
	struct job	*j = arg;
	const char	*why = NULL;
	int		 ok;

	if (!ack->ok) {
		job_drop(x, j, REASON_AUDIT, "the audit log takes no entries");
		return;
	}
	j->row.intent_seq = ack->seq;
	memcpy(j->row.intent_hash, ack->line_hash, HASH_SIZE);
	if (j->is_cancelled)
		why = "it was cancelled";
	else if (x->is_stopping)
		why = "the bot is being stopped";
	else if (j->is_void)
		why = "the audit log took too long";
	else if (j->generation != x->generation)
		why = "the allowlist was loaded anew at this moment, please "
		    "send it again";
	else {
		ok = start_row(x, j, ack) == 0;
		core_db_result(x, ok, "the start of a job");
		if (!ok)
			why = "the database fails";
	}
	if (why != NULL)
		job_void(x, j, why);
	else
		start(x, j);
}

void
job_intent(struct executor *x, struct job *j)
{
	struct record_json	 json;
	struct msg_append	*m;

	job_set_state(x, j, JOB_INTENT, "allowed");
	j->deadline = monotime_add(core_mono(x), CORE_INTENT_MS);
	core_wake(x, j->deadline);
	m = record_new(x, AUDIT_INTENT);
	(void)strlcpy(m->execution_id, j->row.execution_id,
	    sizeof(m->execution_id));
	(void)strlcpy(m->user_id, j->row.user_id, sizeof(m->user_id));
	(void)strlcpy(m->channel_id, j->row.channel_id,
	    sizeof(m->channel_id));
	record_open(&json);
	record_str(&json, "scriptName", j->row.script);
	record_raw(&json, "arguments", job_arguments(j, &json));
	record_int(&json, "job", (int64_t)j->row.id);
	record_str(&json, "postId", j->row.post_id);
	record_int(&json, "generation", (int64_t)j->generation);
	record_bool(&json, "dryRun", j->row.dry_run);
	record_close(&json, m->detail, sizeof(m->detail));
	record_send(x, intent_acked, j);
}
