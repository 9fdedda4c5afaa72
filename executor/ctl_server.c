/*
 * What chatopsctl may ask.  Who may connect is the control socket's mode;
 * who it was is the kernel's word and goes into the records as "uid N".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "core.h"
#include "log.h"

/* One request that waits for somebody; client 0: hung up meanwhile. */
struct ctl_wait {
	TAILQ_ENTRY(ctl_wait) entry;
	uint32_t	 client;
	uint32_t	 id;
	struct actor	 by;
	enum change_kind kind;
	enum level	 level;
};

static void
ctl_row(struct executor *x, const struct ctl_wait *w, struct record_json *j)
{
	record_close(j, x->m_row.json, JSON_SIZE);
	if (w->client != 0)
		x->w.ctl_send(x->w.arg, w->client, MSG_CTL_ROW, w->id,
		    &x->m_row);
}

/* The end; the wait is gone afterwards. */
static void __attribute__((__format__(printf, 4, 5)))
ctl_end(struct executor *x, struct ctl_wait *w, int status, const char *fmt,
    ...)
{
	struct msg_ctl_end	 m;
	va_list			 ap;

	memset(&m, 0, sizeof(m));
	m.exit = (uint8_t)status;
	va_start(ap, fmt);
	(void)vsnprintf(m.error, sizeof(m.error), fmt, ap);
	va_end(ap);
	m.error[utf8_valid(m.error, strlen(m.error))] = '\0';
	if (w->client != 0)
		x->w.ctl_send(x->w.arg, w->client, MSG_CTL_END, w->id, &m);
	TAILQ_REMOVE(&x->ctl_waits, w, entry);
	free(w);
}

static void
ctl_database(struct executor *x, struct ctl_wait *w)
{
	ctl_end(x, w, 1, "%s", db_error(x->db));
}

struct ctl_rows {
	struct executor	*x;
	struct ctl_wait	*w;
};

static void
ctl_flags(struct record_json *j, const struct db_user *u)
{
	struct buf	 b;
	size_t		 i;

	buf_init(&b, DB_FLAGS_MAX * (NAME_SIZE + 3) + 3);
	buf_printf(&b, "[");
	/* A flag's letters need no escape (policy_is_flag()). */
	for (i = 0; i < u->nflags; i++)
		buf_printf(&b, "%s\"%s\"", i == 0 ? "" : ",", u->flags[i]);
	buf_printf(&b, "]");
	buf_put_u8(&b, 0);
	record_raw(j, "flags", (const char *)b.data);
	buf_free(&b);
}

static int
ctl_user_row(const struct db_user *u, void *arg)
{
	struct ctl_rows		*rows = arg;
	struct record_json	 j;

	record_open(&j);
	record_str(&j, "id", u->id);
	record_str(&j, "username", u->username);
	record_str(&j, "level", level_name(u->level));
	ctl_flags(&j, u);
	record_int(&j, "createdAt", u->created_at);
	record_int(&j, "updatedAt", u->updated_at);
	ctl_row(rows->x, rows->w, &j);
	return 0;
}

static int
ctl_ban_row(const struct db_ban *ban, void *arg)
{
	struct ctl_rows		*rows = arg;
	struct record_json	 j;

	record_open(&j);
	record_str(&j, "id", ban->id);
	record_str(&j, "username", ban->username);
	record_str(&j, "reason", ban->reason);
	record_str(&j, "by", ban->by_name);
	record_int(&j, "createdAt", ban->created_at);
	if (ban->expires_at == 0)
		record_null(&j, "expiresAt");
	else
		record_int(&j, "expiresAt", ban->expires_at);
	ctl_row(rows->x, rows->w, &j);
	return 0;
}

static int
ctl_job_row(const struct db_job *row, void *arg)
{
	struct ctl_rows		*rows = arg;
	struct record_json	 j;

	record_open(&j);
	record_int(&j, "job", (int64_t)row->id);
	record_str(&j, "script", row->script);
	record_str(&j, "state", db_job_state_name(row->state));
	record_str(&j, "userId", row->user_id);
	record_str(&j, "username", row->username);
	record_str(&j, "channelId", row->channel_id);
	record_str(&j, "executionId", row->execution_id);
	record_int(&j, "createdAt", row->created_at);
	if (row->state >= DBJOB_DONE) {
		record_int(&j, "exitCode", row->exit_code);
		record_int(&j, "durationMs", row->duration_ms);
		record_str(&j, "error", row->error);
		record_bool(&j, "delivered", row->told == DBJOB_TOLD);
	}
	ctl_row(rows->x, rows->w, &j);
	return 0;
}

static void
ctl_users_list(struct executor *x, struct ctl_wait *w, const struct words *a)
{
	struct ctl_rows	 rows = { x, w };
	int		 more = 0;

	(void)a;
	if (db_user_each(x->db, ctl_user_row, &rows, &more) == -1)
		ctl_database(x, w);
	else
		ctl_end(x, w, 0, "%s", more ? "there are more users" : "");
}

static void
ctl_bans_list(struct executor *x, struct ctl_wait *w, const struct words *a)
{
	struct ctl_rows	 rows = { x, w };
	int		 more = 0;

	(void)a;
	if (db_ban_each(x->db, core_wall(x), ctl_ban_row, &rows, &more) == -1)
		ctl_database(x, w);
	else
		ctl_end(x, w, 0, "%s", more ? "there are more bans" : "");
}

static void
ctl_jobs_list(struct executor *x, struct ctl_wait *w, const struct words *a)
{
	struct ctl_rows	 rows = { x, w };

	(void)a;
	if (db_job_each(x->db, NULL, 0, 0, 50, ctl_job_row, &rows) == -1)
		ctl_database(x, w);
	else
		ctl_end(x, w, 0, "%s", "");
}

static void
ctl_cancel(struct executor *x, struct ctl_wait *w, const struct words *a)
{
	const char	*error;
	struct job	*j;
	long long	 n;

	n = strtonum(words_get(a, 1), 1, INT64_MAX, &error);
	if (error != NULL)
		ctl_end(x, w, 2, "cancel: the number of a job is %s", error);
	else if ((j = job_find(x, (uint64_t)n)) == NULL ||
	    j->state > JOB_RUNNING)
		ctl_end(x, w, 1, "job %lld is neither running nor waiting", n);
	else {
		job_cancel(x, j, &w->by);
		ctl_end(x, w, 0, "%s", "");
	}
}

static void
ctl_status_row(void *arg, const char *part, const char *state,
    const char *detail)
{
	struct ctl_rows		*rows = arg;
	struct record_json	 j;

	record_open(&j);
	record_str(&j, "part", part);
	record_str(&j, "state", state);
	record_str(&j, "detail", detail);
	ctl_row(rows->x, rows->w, &j);
}

static void
ctl_status(struct executor *x, struct ctl_wait *w, const struct words *a)
{
	struct ctl_rows	 rows = { x, w };
	int		 ok;

	(void)a;
	status_each(x, ctl_status_row, &rows);
	ok = x->is_db_ok && x->is_audit_ok && x->net.state == NET_CONNECTED;
	ctl_end(x, w, ok ? 0 : 1, "%s", "");
}

static void
ctl_anchor(struct executor *x, struct ctl_wait *w, const struct words *a)
{
	struct record_json	 j;
	struct db_anchor	 anchor;
	char			 hex[2 * HASH_SIZE + 1];
	int			 r;

	(void)a;
	if ((r = db_anchor_get(x->db, x->head.origin, &anchor)) == -1) {
		ctl_database(x, w);
		return;
	}
	if (r == 1) {
		sodium_bin2hex(hex, sizeof(hex), anchor.line_hash, HASH_SIZE);
		record_open(&j);
		record_str(&j, "origin", anchor.origin);
		record_int(&j, "seq", (int64_t)anchor.seq);
		record_str(&j, "lineHash", hex);
		ctl_row(x, w, &j);
	}
	ctl_end(x, w, 0, "%s", "");
}

static void
ctl_reloaded(struct executor *x, void *arg, const void *answer)
{
	const struct msg_conf	*m = answer;
	struct ctl_wait		*w = arg;
	struct record_json	 j;

	if (m == NULL) {
		ctl_end(x, w, 1, "the reload was not answered in time");
		return;
	}
	if (!m->ok) {
		ctl_end(x, w, 1, "not loaded, generation %" PRIu64
		    " stays: %.900s", x->generation, m->error);
		return;
	}
	record_open(&j);
	record_int(&j, "generation", (int64_t)m->generation);
	record_int(&j, "scripts", x->al != NULL ? (int64_t)x->al->n : 0);
	ctl_row(x, w, &j);
	ctl_end(x, w, 0, "%s", "");
}

static void
ctl_reload(struct executor *x, struct ctl_wait *w, const struct words *a)
{
	(void)a;
	reload_ask(x, &w->by, ctl_reloaded, w);
}

static void
ctl_explained(struct executor *x, void *arg, enum reason reason,
    const char *why)
{
	struct ctl_wait		*w = arg;
	struct record_json	 j;

	record_open(&j);
	record_bool(&j, "allowed", reason == REASON_ALLOWED);
	record_str(&j, "reason", reason_name(reason));
	record_str(&j, "text", why);
	ctl_row(x, w, &j);
	ctl_end(x, w, reason == REASON_ALLOWED ? 0 : 1, "%s", "");
}

static void
ctl_explain(struct executor *x, struct ctl_wait *w, const struct words *a)
{
	explain_start(x, words_get(a, 2), words_get(a, 3), a, 4,
	    ctl_explained, w);
}

static void
ctl_changed(struct executor *x, struct change *ch, void *arg)
{
	struct ctl_wait		*w = arg;
	struct record_json	 j;

	if (ch->refused != REASON_ALLOWED) {
		ctl_end(x, w, 1, "%s", ch->why);
		return;
	}
	record_open(&j);
	record_str(&j, "id", ch->id);
	record_str(&j, "username", ch->username);
	record_str(&j, "change", ch->summary);
	record_int(&j, "seq", (int64_t)ch->seq);
	ctl_row(x, w, &j);
	ctl_end(x, w, 0, "%s", "");
}

static void
ctl_change(struct executor *x, struct ctl_wait *w, const char *id,
    const char *username)
{
	struct change	*ch;

	if ((ch = calloc(1, sizeof(*ch))) == NULL)
		fatal("calloc");
	ch->kind = w->kind;
	ch->level = w->level;
	ch->by = w->by;
	(void)strlcpy(ch->id, id, sizeof(ch->id));
	(void)strlcpy(ch->username, username, sizeof(ch->username));
	ch->done = ctl_changed;
	ch->arg = w;
	change_submit(x, ch);
}

static void
ctl_bootstrap(struct executor *x, struct ctl_wait *w, const struct words *a)
{
	const char	*id = words_get(a, 1), *name = words_get(a, 2);

	name += *name == '@';
	if (!text_is_id(id))
		ctl_end(x, w, 2, "bootstrap-admin: %.64s is no user id: 26 "
		    "letters and digits, shown in the user's profile", id);
	else if (*name == '\0' || strlen(name) >= USERNAME_SIZE)
		ctl_end(x, w, 2, "bootstrap-admin: a user name has 1 to %d "
		    "characters", USERNAME_SIZE - 1);
	else {
		w->kind = CHANGE_BOOTSTRAP;
		ctl_change(x, w, id, name);
	}
}

static void
ctl_target(struct executor *x, void *arg, const void *answer)
{
	const struct msg_user	*m = answer;
	struct ctl_wait		*w = arg;

	if (m == NULL || m->status == LOOKUP_FAILED)
		ctl_end(x, w, 1, "the server could not be asked about the "
		    "user; is the daemon connected");
	else if (m->status != LOOKUP_OK)
		ctl_end(x, w, 1, "there is no such user");
	else if (w->kind == CHANGE_LEVEL && w->level > LEVEL_USER &&
	    (m->flags & USER_FLAGS) != 0)
		ctl_end(x, w, 1, "%s is deactivated, a bot, a guest or of "
		    "another server, so nothing can be given to it",
		    m->username);
	else
		ctl_change(x, w, m->id, m->username);
}

static void
ctl_ask_target(struct executor *x, struct ctl_wait *w, const char *user)
{
	struct msg_lookup_user	 m;

	memset(&m, 0, sizeof(m));
	m.by_name = !text_is_id(user);
	if (m.by_name ? name_parse(user, m.key) == -1 :
	    strlcpy(m.key, user, sizeof(m.key)) >= sizeof(m.key)) {
		ctl_end(x, w, 2, "that is neither @name nor a user id");
		return;
	}
	(void)ask(x, ROLE_NETWORK, MSG_LOOKUP_USER, -1, &m, MSG_USER,
	    ctl_target, w, CORE_LOOKUP_MS);
}

static void
ctl_users_add(struct executor *x, struct ctl_wait *w, const struct words *a)
{
	int	 level;

	if ((level = level_parse(words_get(a, 3))) == -1) {
		ctl_end(x, w, 2, "%.32s is no level: user, operator, admin or "
		    "banned", words_get(a, 3));
		return;
	}
	w->kind = CHANGE_LEVEL;
	w->level = (enum level)level;
	ctl_ask_target(x, w, words_get(a, 2));
}

static void
ctl_users_del(struct executor *x, struct ctl_wait *w, const struct words *a)
{
	const char	*id = words_get(a, 2);
	struct db_user	 user;

	w->kind = CHANGE_DELETE;
	/* An account that the server has forgotten can be removed too. */
	if (text_is_id(id) && db_user_get(x->db, id, &user) == 1)
		ctl_change(x, w, id, user.username);
	else
		ctl_ask_target(x, w, id);
}

static const struct {
	const char	*first, *second;
	size_t		 min, max;		/* words in all */
	void		(*run)(struct executor *, struct ctl_wait *,
			    const struct words *);
} requests[] = {
	{ "audit", "anchor", 2, 2, ctl_anchor },
	{ "bans", "list", 2, 2, ctl_bans_list },
	{ "bootstrap-admin", NULL, 3, 3, ctl_bootstrap },
	{ "cancel", NULL, 2, 2, ctl_cancel },
	{ "jobs", "list", 2, 2, ctl_jobs_list },
	{ "policy", "explain", 5, WORDS_MAX, ctl_explain },
	{ "reload", NULL, 1, 1, ctl_reload },
	{ "status", NULL, 1, 1, ctl_status },
	{ "users", "add", 4, 4, ctl_users_add },
	{ "users", "del", 3, 3, ctl_users_del },
	{ "users", "list", 2, 2, ctl_users_list }
};

void
executor_ctl_request(struct executor *x, uint32_t client, uid_t uid,
    uint32_t id, const struct msg_ctl_request *m)
{
	struct ctl_wait	*w;
	const char	*first, *second;
	size_t		 i;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		fatal("calloc");
	w->client = client;
	w->id = id;
	(void)snprintf(w->by.name, sizeof(w->by.name), "uid %u", uid);
	TAILQ_INSERT_TAIL(&x->ctl_waits, w, entry);
	first = words_get(&m->words, 0);
	second = words_get(&m->words, 1);
	for (i = 0; first != NULL && i < nitems(requests); i++) {
		if (strcmp(requests[i].first, first) != 0 ||
		    (requests[i].second != NULL && (second == NULL ||
		    strcmp(requests[i].second, second) != 0)))
			continue;
		if (m->words.n < requests[i].min ||
		    m->words.n > requests[i].max)
			break;
		requests[i].run(x, w, &m->words);
		return;
	}
	ctl_end(x, w, 2, i < nitems(requests) && first != NULL ?
	    "wrong number of arguments" : "no such request");
}

void
executor_ctl_closed(struct executor *x, uint32_t client)
{
	struct ctl_wait	*w;

	/* What was begun is finished all the same; nobody is told. */
	TAILQ_FOREACH(w, &x->ctl_waits, entry)
		if (w->client == client)
			w->client = 0;
}

void
ctl_free_all(struct executor *x)
{
	struct ctl_wait	*w;

	while ((w = TAILQ_FIRST(&x->ctl_waits)) != NULL) {
		TAILQ_REMOVE(&x->ctl_waits, w, entry);
		free(w);
	}
}
