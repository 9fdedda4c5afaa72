/*
 * A world for the executor's core: clocks that the test moves, a network
 * process, an auditd and a runner in miniature, and checks of what must be
 * durable before what, made at the moment when the core sends.
 *
 * Messages to the siblings wait in a queue until world_pump() lets them be
 * handled, so that a test can stop, drop, delay or forge them, or have the
 * executor die between any two of them.
 */
#ifndef EXEC_WORLD_H
#define EXEC_WORLD_H

#include <sys/mman.h>
#include <setjmp.h>
#include <sodium.h>
#include <unistd.h>

#include "../../executor/core.h"
#include "compat.h"
#include "json.h"
#include "log.h"
#include "test.h"

/* Who dies in the middle leaves his memory behind, as a process would. */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#define W_LEAK_OFF()	__lsan_disable()
#define W_LEAK_ON()	__lsan_enable()
#else
#define W_LEAK_OFF()	((void)0)
#define W_LEAK_ON()	((void)0)
#endif

/* Not every test uses all of it. */
#define W_MAY		static __attribute__((__unused__))

#define W_QUEUE		4096
#define W_LINES		2048
#define W_POSTS		2048
#define W_USERS		16
#define W_DEAD		512
#define BOOT		"11111111-2222-4333-8444-555555555555"

/* 26 characters each. */
#define BOT_ID		"botbotbotbotbotbotbotbotbo"
#define ALICE		"alicealicealicealicealicea"
#define BOB		"bobbobbobbobbobbobbobbobbo"
#define CAROL		"carolcarolcarolcarolcarolc"
#define MALLORY		"mallorymallorymallorymallo"
#define OPS		"opsopsopsopsopsopsopsopsop"
#define TOWN		"towntowntowntowntowntownto"
#define DM_ALICE	ALICE "__" BOT_ID

struct w_msg {
	enum role	 to;
	enum msg_type	 type;
	uint32_t	 id;
	int		 fd;
	void		*payload;
};

struct w_line {
	struct msg_append m;
	uint64_t	 seq;
};

struct w_post {
	char		 id[ID_SIZE];
	char		 channel[ID_SIZE];
	char		 root[ID_SIZE];
	char		 file[ID_SIZE];
	char		*first;		/* as it was posted */
	char		*text;		/* as it is now */
	int		 edits;
};

struct w_user {
	char		 id[ID_SIZE];
	char		 name[USERNAME_SIZE];
	uint32_t	 flags;
	int		 absent;	/* not a member of any channel */
};

static struct {
	struct executor	*x;
	struct conf	 conf;
	struct db	*db;
	struct rate	*rate;
	int64_t		 mono, wall;
	int64_t		 timer;
	struct w_msg	 queue[W_QUEUE];
	size_t		 head, tail;
	/* the log: what auditd has on disk */
	struct w_line	*lines[W_LINES];
	size_t		 nlines;
	uint8_t		 hash[HASH_SIZE];
	uint8_t		 hashes[W_LINES][HASH_SIZE];	/* before each line */
	int		 audit_sick, audit_silent, audit_forged;
	/* the chat */
	struct w_post	 posts[W_POSTS];
	size_t		 nposts;
	struct w_user	 users[W_USERS];
	size_t		 nusers;
	int		 net_silent, post_fails, patch_refused, upload_refused;
	int		 channel_missing;
	char		 reactions[W_POSTS][EMOJI_SIZE + ID_SIZE + 2];
	size_t		 nreactions;
	int		 xoffs, xons, catchups;
	int64_t		 since;
	size_t		 uploads;
	char		 upload[65536];
	size_t		 upload_len;
	/* the runner */
	const char	*output;	/* of the next job */
	int		 exit_status;
	int		 hold_exit;	/* jobs go on until they are killed */
	struct msg_job_start started[64];
	size_t		 nstarted;
	uint64_t	 watched[64];
	int		 watched_fd[64];
	size_t		 nwatched;
	struct msg_job_kill kills[64];
	size_t		 nkills;
	/* chatopsctl */
	char		 rows[64][4096];
	size_t		 nrows;
	int		 ended;
	struct msg_ctl_end end;
	/* how it ended */
	int		 exited;
	char		 why[512];
	/* crash before (1) or after (2) that many sends */
	long		 sends, crash_at;
	int		 crash_after;
	jmp_buf		 crash;
	int		 reloads;
	struct executor	*dead[W_DEAD];	/* died in the middle: not freed */
	size_t		 ndead;
	uint64_t	 ids;
} w;

/* Instead of common/log.c: quiet, unless the variable is set. */
static void
w_log(const char *fmt, va_list ap)
    __attribute__((__format__(__printf__, 1, 0)));

static void
w_log(const char *fmt, va_list ap)
{
	if (getenv("EXEC_WORLD_VERBOSE") == NULL)
		return;
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
}

#define W_LOG(name)							\
	void								\
	name(const char *fmt, ...)					\
	{								\
		va_list	 ap;						\
									\
		va_start(ap, fmt);					\
		w_log(fmt, ap);						\
		va_end(ap);						\
	}
W_LOG(log_warn)
W_LOG(log_warnx)
W_LOG(log_info)
W_LOG(log_debug)
#define W_FATAL(name)							\
	void								\
	name(const char *fmt, ...)					\
	{								\
		va_list	 ap;						\
									\
		va_start(ap, fmt);					\
		(void)vfprintf(stderr, fmt, ap);			\
		va_end(ap);						\
		abort();						\
	}
W_FATAL(fatal)
W_FATAL(fatalx)

void
log_init(const char *name, int verbose)
{
	(void)name;
	(void)verbose;
}

int
log_verbose(void)
{
	return 0;
}

static void
w_new_id(char out[ID_SIZE], char first)
{
	(void)snprintf(out, ID_SIZE, "%c%025llu", first,
	    (unsigned long long)++w.ids);
}

static monotime_t
w_mono(void *arg)
{
	(void)arg;
	return (monotime_t){ w.mono };
}

static walltime_t
w_wall(void *arg)
{
	(void)arg;
	return (walltime_t){ w.wall };
}

static void
w_random(void *arg, void *out, size_t n)
{
	uint8_t	*p = out;

	(void)arg;
	while (n-- > 0)
		*p++ = (uint8_t)test_random();
}

static void
w_timer(void *arg, monotime_t at)
{
	(void)arg;
	w.timer = at.ms;
}

W_MAY int
has_line(const char *execution_id, enum audit_event event)
{
	size_t	 i;
	int	 n = 0;

	for (i = 0; i < w.nlines; i++)
		n += w.lines[i]->m.event == event &&
		    strcmp(w.lines[i]->m.execution_id, execution_id) == 0;
	return n;
}

W_MAY int
count_lines(enum audit_event event)
{
	size_t	 i;
	int	 n = 0;

	for (i = 0; i < w.nlines; i++)
		n += w.lines[i]->m.event == event;
	return n;
}

/* The last line of that kind; NULL when there is none. */
W_MAY struct msg_append *
last_line(enum audit_event event)
{
	size_t	 i;

	for (i = w.nlines; i-- > 0;)
		if (w.lines[i]->m.event == event)
			return &w.lines[i]->m;
	return NULL;
}

/* I1, I2 and the order of architecture.md, at the moment of the start. */
static void
check_start(const struct msg_job_start *m)
{
	struct db_anchor	 anchor;
	struct db_job		 row;
	struct db_seen		 seen;
	size_t			 i;

	CHECK_INT(has_line(m->execution_id, AUDIT_INTENT), 1);
	CHECK_INT(db_job_get(w.db, m->job, &row), 1);
	CHECK_INT(row.state, DBJOB_RUNNING);
	CHECK(row.intent_seq > 0);
	CHECK_INT(db_seen_by_execution(w.db, m->execution_id, &seen), 1);
	CHECK_INT(seen.open, 0);
	CHECK_INT(db_anchor_get(w.db, "test/audit/0000", &anchor), 1);
	CHECK(anchor.seq >= row.intent_seq);
	for (i = 0; i < w.nstarted; i++)
		CHECK(strcmp(w.started[i].execution_id,
		    m->execution_id) != 0);
}

/* The claim is durable before anything else is done with a post. */
static void
check_append(const struct msg_append *m)
{
	struct db_seen	 seen;
	struct db_job	 row;
	size_t		 i;

	if (m->event == AUDIT_INTENT)
		CHECK_INT(db_seen_by_execution(w.db, m->execution_id, &seen),
		    1);
	if (m->event != AUDIT_EXECUTION)
		return;
	CHECK_INT(has_line(m->execution_id, AUDIT_INTENT), 1);
	CHECK_INT(has_line(m->execution_id, AUDIT_EXECUTION), 0);
	/* "done" is durable before the result goes to the log. */
	for (i = 1; i < 200; i++)
		if (db_job_get(w.db, i, &row) == 1 &&
		    strcmp(row.execution_id, m->execution_id) == 0)
			CHECK_INT(row.state, DBJOB_DONE);
}

/* No answer claims an outcome that is not durable (I5). */
static void
check_text(const char *text)
{
	struct db_job		 row;
	unsigned long long	 job;

	if (sscanf(text, "job %llu ", &job) != 1 ||
	    strstr(text, ": exit status") == NULL)
		return;
	CHECK_INT(db_job_get(w.db, job, &row), 1);
	CHECK_INT(row.state, DBJOB_FINISHED);
	CHECK_INT(has_line(row.execution_id, AUDIT_EXECUTION), 1);
}

/* What cannot be encoded would end the process. */
static void
check_encode(enum msg_type type, const void *payload)
{
	const char	*field;
	struct buf	 b;

	buf_init(&b, 0);
	if (msg_encode(&b, type, payload, &field) == -1) {
		(void)fprintf(stderr, "%s: wrong %s\n", msg_name(type),
		    field);
		test_bad++;
	}
	buf_free(&b);
}

static void
w_send(void *arg, enum role to, enum msg_type type, uint32_t id, int fd,
    const void *payload)
{
	struct w_msg	*m;
	size_t		 n;

	(void)arg;
	w.sends++;
	if (w.crash_at == w.sends && !w.crash_after) {
		if (fd != -1)
			(void)close(fd);
		longjmp(w.crash, 1);
	}
	check_encode(type, payload);
	if (type == MSG_JOB_START)
		check_start(payload);
	if (type == MSG_APPEND)
		check_append(payload);
	if (type == MSG_PATCH)
		check_text(((const struct msg_patch *)payload)->text);
	if (w.tail == W_QUEUE) {
		memmove(w.queue, w.queue + w.head,
		    (w.tail - w.head) * sizeof(w.queue[0]));
		w.tail -= w.head;
		w.head = 0;
		if (w.tail == W_QUEUE)
			abort();
	}
	m = &w.queue[w.tail++];
	m->to = to;
	m->type = type;
	m->id = id;
	m->fd = fd;
	n = msg_struct_size(type);
	m->payload = NULL;
	if (n > 0) {
		if ((m->payload = malloc(n)) == NULL)
			abort();
		memcpy(m->payload, payload, n);
	}
	if (w.crash_at == w.sends)
		longjmp(w.crash, 1);
}

static void
w_ctl_send(void *arg, uint32_t client, enum msg_type type, uint32_t id,
    const void *payload)
{
	(void)arg;
	(void)client;
	(void)id;
	check_encode(type, payload);
	if (type == MSG_CTL_ROW) {
		CHECK(w.nrows < 64);
		(void)strlcpy(w.rows[w.nrows++ % 64],
		    ((const struct msg_ctl_row *)payload)->json,
		    sizeof(w.rows[0]));
	} else if (type == MSG_CTL_END) {
		w.ended++;
		w.end = *(const struct msg_ctl_end *)payload;
	}
}

static void
w_watch(void *arg, uint64_t job, int fd)
{
	(void)arg;
	w.watched[w.nwatched] = job;
	w.watched_fd[w.nwatched++] = fd;
}

static void
w_unwatch(void *arg, uint64_t job)
{
	size_t	 i;

	(void)arg;
	for (i = 0; i < w.nwatched; i++) {
		if (w.watched[i] != job)
			continue;
		(void)close(w.watched_fd[i]);
		w.nwatched--;
		w.watched[i] = w.watched[w.nwatched];
		w.watched_fd[i] = w.watched_fd[w.nwatched];
		return;
	}
}

static int
w_memfd(void *arg, const char *name, const void *data, size_t len)
{
	int	 fd;

	(void)arg;
	if ((fd = memfd_create(name, MFD_CLOEXEC)) == -1 ||
	    pwrite(fd, data, len, 0) != (ssize_t)len)
		abort();
	return fd;
}

static void
w_exit(void *arg, const char *why)
{
	(void)arg;
	w.exited++;
	(void)strlcpy(w.why, why != NULL ? why : "", sizeof(w.why));
}

static const struct executor_world w_world = { NULL, w_send, w_ctl_send,
    w_mono, w_wall, w_random, w_timer, w_watch, w_unwatch, w_memfd, w_exit };

/* What auditd insists on: members belong to their events. */
static void
check_form(const struct msg_append *m)
{
	int	 is_result = m->event == AUDIT_EXECUTION;
	json_t	*detail;

	CHECK_INT(m->script_name[0] != '\0', is_result);
	CHECK_INT(m->arguments[0] != '\0', is_result);
	CHECK(is_result || !m->has_result);
	CHECK(m->has_result || !m->success);
	CHECK(is_result || m->error[0] == '\0');
	CHECK_INT(m->execution_id[0] != '\0', is_result ||
	    m->event == AUDIT_INTENT);
	detail = json_loads(m->detail, JSON_REJECT_DUPLICATES, NULL);
	CHECK(json_is_object(detail));
	json_decref(detail);
}

/* What auditd does with an entry: onto the disk, then the ACK. */
static void
w_audit(const struct w_msg *m, int answer)
{
	struct msg_ack	 ack;
	struct w_line	*line;

	memset(&ack, 0, sizeof(ack));
	check_form(m->payload);
	if (w.audit_sick) {
		(void)strlcpy(ack.error, "no space left on device",
		    sizeof(ack.error));
	} else {
		if (w.nlines == W_LINES || (line = malloc(sizeof(*line))) ==
		    NULL)
			abort();
		memcpy(&line->m, m->payload, sizeof(line->m));
		line->seq = w.nlines + 10;
		w.lines[w.nlines++] = line;
		ack.ok = 1;
		ack.seq = line->seq;
		memcpy(ack.previous_hash, w.hash, HASH_SIZE);
		memcpy(w.hashes[w.nlines - 1], w.hash, HASH_SIZE);
		if (w.audit_forged)
			ack.previous_hash[0] ^= 1;
		(void)crypto_hash_sha256(w.hash,
		    (const unsigned char *)line, sizeof(*line));
		memcpy(ack.line_hash, w.hash, HASH_SIZE);
	}
	if (answer)
		executor_message(w.x, ROLE_AUDIT, MSG_ACK, m->id, -1, &ack);
}

static struct w_user *
w_user(const char *key, int by_name)
{
	size_t	 i;

	for (i = 0; i < w.nusers; i++)
		if (strcmp(by_name ? w.users[i].name : w.users[i].id,
		    key) == 0)
			return &w.users[i];
	return NULL;
}

static void
w_lookup(const struct w_msg *m)
{
	const struct msg_lookup_user	*lu = m->payload;
	const struct msg_lookup_member	*lm = m->payload;
	const struct msg_lookup_channel	*lc = m->payload;
	struct w_user			*u;
	struct msg_channel		 ch;
	struct msg_member		 member;
	struct msg_user			 user;

	if (m->type == MSG_LOOKUP_USER) {
		memset(&user, 0, sizeof(user));
		u = w_user(lu->key, lu->by_name);
		user.status = u == NULL ? LOOKUP_MISSING : LOOKUP_OK;
		if (u != NULL) {
			(void)strlcpy(user.id, u->id, sizeof(user.id));
			(void)strlcpy(user.username, u->name,
			    sizeof(user.username));
			user.flags = u->flags;
		}
		executor_message(w.x, ROLE_NETWORK, MSG_USER, m->id, -1,
		    &user);
	} else if (m->type == MSG_LOOKUP_MEMBER) {
		memset(&member, 0, sizeof(member));
		u = w_user(lm->user_id, 0);
		member.status = u == NULL || u->absent ? LOOKUP_MISSING :
		    LOOKUP_OK;
		executor_message(w.x, ROLE_NETWORK, MSG_MEMBER, m->id, -1,
		    &member);
	} else {
		memset(&ch, 0, sizeof(ch));
		ch.type = 'O';
		ch.status = LOOKUP_OK;
		if (!w.channel_missing && (strcmp(lc->name, "ops") == 0 ||
		    strcmp(lc->id, OPS) == 0))
			(void)strlcpy(ch.id, OPS, sizeof(ch.id));
		else if (strcmp(lc->name, "town-square") == 0 ||
		    strcmp(lc->id, TOWN) == 0)
			(void)strlcpy(ch.id, TOWN, sizeof(ch.id));
		else
			ch.status = LOOKUP_MISSING;
		executor_message(w.x, ROLE_NETWORK, MSG_CHANNEL, m->id, -1,
		    &ch);
	}
}

static struct w_post *
w_find_post(const char *id)
{
	size_t	 i;

	for (i = 0; i < w.nposts; i++)
		if (strcmp(w.posts[i].id, id) == 0)
			return &w.posts[i];
	return NULL;
}

static void
w_make_post(const struct msg_post *m, struct msg_net_result *r)
{
	struct w_post	*p = &w.posts[w.nposts++ % W_POSTS];

	free(p->first);
	free(p->text);
	w_new_id(p->id, 'p');
	(void)strlcpy(p->channel, m->channel_id, sizeof(p->channel));
	(void)strlcpy(p->root, m->root_id, sizeof(p->root));
	(void)strlcpy(p->file, m->file_id, sizeof(p->file));
	p->first = strdup(m->text);
	p->text = strdup(m->text);
	p->edits = 0;
	(void)strlcpy(r->id, p->id, sizeof(r->id));
}

static void
w_net_result(const struct w_msg *m, int answer)
{
	const struct msg_patch	*patch = m->payload;
	const struct msg_react	*react = m->payload;
	struct msg_net_result	 r;
	struct w_post		*p;
	ssize_t			 n;

	memset(&r, 0, sizeof(r));
	r.http = 200;
	if (w.post_fails) {
		r.result = RESULT_FAILED;
		(void)strlcpy(r.error, "no answer", sizeof(r.error));
	} else if (m->type == MSG_POST)
		w_make_post(m->payload, &r);
	else if (m->type == MSG_PATCH) {
		p = w_find_post(patch->post_id);
		if (p == NULL || w.patch_refused) {
			w.patch_refused = 0;
			r.result = RESULT_REFUSED;
		} else {
			free(p->text);
			p->text = strdup(patch->text);
			p->edits++;
			(void)strlcpy(r.id, p->id, sizeof(r.id));
		}
	} else if (m->type == MSG_REACT)
		(void)snprintf(w.reactions[w.nreactions++ % W_POSTS],
		    sizeof(w.reactions[0]), "%c%s %s", react->add ? '+' : '-',
		    react->emoji, react->post_id);
	else if (w.upload_refused)
		r.result = RESULT_REFUSED;
	else {
		n = pread(m->fd, w.upload, sizeof(w.upload), 0);
		w.upload_len = n > 0 ? (size_t)n : 0;
		w.uploads++;
		w_new_id(r.id, 'f');
	}
	if (answer)
		executor_message(w.x, ROLE_NETWORK, MSG_NET_RESULT, m->id, -1,
		    &r);
}

W_MAY void
w_exit_job(uint64_t job, enum job_end how, int status, int sig)
{
	struct msg_job_exit	 e;

	memset(&e, 0, sizeof(e));
	e.job = job;
	e.how = how;
	e.status = (uint8_t)status;
	e.signal = (uint8_t)sig;
	e.wall_ms = 1234;
	executor_message(w.x, ROLE_RUNNER, MSG_JOB_EXIT, 0, -1, &e);
}

static void
w_start_job(const struct msg_job_start *m)
{
	struct msg_job_started	 s = { m->job };
	int			 fds[2];

	CHECK(w.nstarted < 64);
	w.started[w.nstarted++ % 64] = *m;
	if (pipe(fds) == -1)
		abort();
	(void)close(fds[1]);
	executor_message(w.x, ROLE_RUNNER, MSG_JOB_STARTED, 0, fds[0], &s);
	if (w.output != NULL)
		executor_output(w.x, m->job, w.output, strlen(w.output));
	if (w.hold_exit)
		return;
	executor_output(w.x, m->job, NULL, 0);
	w_exit_job(m->job, JOB_END_EXITED, w.exit_status, 0);
}

static void	 w_take_allowlist(void);

/* One message: 1, or 0 when there is none. */
static int
world_step(int answer)
{
	struct msg_caught_up	 caught;
	struct msg_conf		 conf;
	struct w_msg		 m;

	if (w.head == w.tail)
		return 0;
	m = w.queue[w.head++];
	if (w.head == w.tail)
		w.head = w.tail = 0;
	switch (m.type) {
	case MSG_APPEND:
		if (!w.audit_silent)
			w_audit(&m, answer);
		break;
	case MSG_LOOKUP_USER:
	case MSG_LOOKUP_MEMBER:
	case MSG_LOOKUP_CHANNEL:
		if (answer && !w.net_silent)
			w_lookup(&m);
		break;
	case MSG_POST:
	case MSG_PATCH:
	case MSG_REACT:
	case MSG_UPLOAD:
		w_net_result(&m, answer && !w.net_silent);
		break;
	case MSG_CATCHUP:
		w.catchups++;
		w.since = ((struct msg_catchup *)m.payload)->since;
		memset(&caught, 0, sizeof(caught));
		caught.until = w.wall;
		caught.complete = 1;
		if (answer)
			executor_message(w.x, ROLE_NETWORK, MSG_CAUGHT_UP,
			    m.id, -1, &caught);
		break;
	case MSG_XOFF:
		w.xoffs++;
		break;
	case MSG_XON:
		w.xons++;
		break;
	case MSG_JOB_START:
		if (answer)
			w_start_job(m.payload);
		break;
	case MSG_JOB_KILL:
		w.kills[w.nkills++ % 64] = *(struct msg_job_kill *)m.payload;
		break;
	case MSG_RELOAD:
		w.reloads++;
		memset(&conf, 0, sizeof(conf));
		conf.generation = 2;
		conf.ok = 1;
		if (answer) {
			/* First what the parent tells to take it. */
			w_take_allowlist();
			executor_message(w.x, ROLE_PARENT, MSG_RELOAD_RESULT,
			    m.id, -1, &conf);
		}
		break;
	default:
		break;
	}
	if (m.fd != -1)
		(void)close(m.fd);
	free(m.payload);
	return 1;
}

static void
world_pump(void)
{
	int	 i;

	for (i = 0; i < 100000 && world_step(1); i++)
		continue;
}

/* Time goes by, timers go off. */
W_MAY void
world_sleep(int64_t ms)
{
	int64_t	 end = w.mono + ms, was;
	int	 i;

	for (i = 0; i < 100000 && w.timer <= end && !w.exited; i++) {
		was = w.timer > w.mono ? w.timer : w.mono;
		w.wall += was - w.mono;
		w.mono = was;
		w.timer = INT64_MAX;
		executor_tick(w.x);
		world_pump();
	}
	CHECK(i < 100000);
	w.wall += end - w.mono;
	w.mono = end;
}

static const char w_allowlist[] =
    "{\"scripts\":["
    "{\"name\":\"deploy\",\"path\":\"deploy.sh\",\"description\":\"Deploy\","
    "\"requiredPermission\":\"operator\",\"timeout\":60000,\"async\":true,"
    "\"arguments\":{"
    "\"service\":{\"type\":\"enum\",\"values\":[\"api-server\",\"web-app\"],"
    "\"required\":true},"
    "\"environment\":{\"type\":\"enum\","
    "\"values\":[\"staging\",\"production\"],\"required\":true}},"
    "\"dryRun\":[\"--check\"],"
    "\"allowedChannels\":[\"ops\"]},"
    "{\"name\":\"hello\",\"path\":\"hello.sh\","
    "\"requiredPermission\":\"user\"},"
    "{\"name\":\"off\",\"path\":\"off.sh\",\"enabled\":false,"
    "\"requiredPermission\":\"user\"},"
    "{\"name\":\"restart\",\"path\":\"restart.sh\","
    "\"requiredPermission\":\"operator\",\"requiredFlags\":[\"restart\"],"
    "\"concurrency\":{\"max\":1,\"queue\":1}},"
    "{\"name\":\"rotate\",\"path\":\"rotate.sh\","
    "\"requiredPermission\":\"operator\",\"arguments\":{"
    "\"token\":{\"type\":\"string\",\"required\":true,\"secret\":true}}},"
    "{\"name\":\"seldom\",\"path\":\"seldom.sh\","
    "\"requiredPermission\":\"user\","
    "\"rateLimit\":{\"count\":1,\"per\":\"1h\"}}"
    "]}";

static struct allowlist *
w_parse(const char *text)
{
	struct allowlist	*al;
	struct json_error	 e;
	struct json_file	 file;
	char			 why[1024];

	if (json_file_parse(&file, "allowlist", text, strlen(text),
	    &e) == -1 || allowlist_parse(&al, &file, &e) == -1) {
		json_error_format(&e, why, sizeof(why));
		(void)fprintf(stderr, "%s\n", why);
		abort();
	}
	json_file_free(&file);
	return al;
}

static void
w_take_allowlist(void)
{
	executor_set_allowlist(w.x, w_parse(w_allowlist), 2);
}

static void
w_add_user(const char *id, const char *name, enum level level)
{
	struct w_user	*u = &w.users[w.nusers++];
	struct db_user	 row;

	(void)strlcpy(u->id, id, sizeof(u->id));
	(void)strlcpy(u->name, name, sizeof(u->name));
	if (level == LEVEL_USER)
		return;
	memset(&row, 0, sizeof(row));
	(void)strlcpy(row.id, id, sizeof(row.id));
	(void)strlcpy(row.username, name, sizeof(row.username));
	row.level = level;
	row.created_at = row.updated_at = w.wall;
	CHECK_INT(db_user_put(w.db, &row), 0);
}

/* What auditd tells at its start: the head, and what has no result. */
static void
world_audit_state(void)
{
	struct msg_audit_state	 s;
	struct msg_dangling	 d;
	size_t			 i, pass;

	memset(&s, 0, sizeof(s));
	(void)strlcpy(s.origin, "test/audit/0000", sizeof(s.origin));
	s.seq = w.nlines + 9;
	memcpy(s.line_hash, w.hash, HASH_SIZE);
	for (i = 0; i < w.nlines && i < MSG_RECENT; i++)
		memcpy(s.recent[i], w.hashes[w.nlines - 1 - i], HASH_SIZE);
	s.nrecent = (uint32_t)i;
	for (pass = 0; pass < 2; pass++) {
		if (pass == 1)
			executor_message(w.x, ROLE_AUDIT, MSG_AUDIT_STATE, 0,
			    -1, &s);
		for (i = 0; i < w.nlines; i++) {
			if (w.lines[i]->m.event != AUDIT_INTENT ||
			    has_line(w.lines[i]->m.execution_id,
			    AUDIT_EXECUTION))
				continue;
			if (pass == 0) {
				s.dangling++;
				continue;
			}
			memset(&d, 0, sizeof(d));
			(void)strlcpy(d.execution_id,
			    w.lines[i]->m.execution_id,
			    sizeof(d.execution_id));
			(void)strlcpy(d.script_name, "deploy",
			    sizeof(d.script_name));
			(void)strlcpy(d.arguments, "{}", sizeof(d.arguments));
			(void)strlcpy(d.user_id, w.lines[i]->m.user_id,
			    sizeof(d.user_id));
			(void)strlcpy(d.channel_id,
			    w.lines[i]->m.channel_id, sizeof(d.channel_id));
			executor_message(w.x, ROLE_AUDIT, MSG_DANGLING, 0, -1,
			    &d);
		}
	}
}

W_MAY void
world_net(enum net_state state)
{
	struct msg_net_state	 n;

	memset(&n, 0, sizeof(n));
	n.state = (uint8_t)state;
	(void)strlcpy(n.bot_id, BOT_ID, sizeof(n.bot_id));
	(void)strlcpy(n.bot_name, "opsbot", sizeof(n.bot_name));
	(void)strlcpy(n.server_version, "11.6", sizeof(n.server_version));
	n.max_post = 16383;
	n.max_file = 1 << 20;
	executor_message(w.x, ROLE_NETWORK, MSG_NET_STATE, 0, -1, &n);
}

/* An executor on the database that is there. */
static void
world_boot(void)
{
	char	 why[512];

	w.timer = INT64_MAX;
	rate_free(w.rate);
	w.rate = rate_new(w.db, BOOT, (monotime_t){ w.mono }, why,
	    sizeof(why));
	w.x = executor_new(&w_world, &w.conf, w.db, w.rate, why, sizeof(why));
	if (w.rate == NULL || w.x == NULL)
		abort();
	executor_set_allowlist(w.x, w_parse(w_allowlist), 1);
}

static void
world_start(void)
{
	struct json_error	 e;
	struct json_file	 file;
	char			 why[512];
	static const char	 conf[] = "{\"mattermost\":{\"url\":"
	    "\"https://chat.example\","
	    "\"token\":\"tokentokentokentokentokent\","
	    "\"team\":\"main\"}}";

	if (sodium_init() == -1)
		abort();
	memset(&w, 0, sizeof(w));
	if (json_file_parse(&file, "conf", conf, strlen(conf), &e) == -1 ||
	    conf_parse(&w.conf, &file, "/", &e) == -1) {
		json_error_format(&e, why, sizeof(why));
		(void)fprintf(stderr, "%s\n", why);
		abort();
	}
	json_file_free(&file);
	w.mono = 1000000;
	w.wall = 1790000000000;
	w.output = "done\n";
	if ((w.db = db_open(-1, "bot.db", why, sizeof(why))) == NULL) {
		(void)fprintf(stderr, "%s\n", why);
		abort();
	}
	w_add_user(ALICE, "alice", LEVEL_ADMIN);
	w_add_user(BOB, "bob", LEVEL_OPERATOR);
	w_add_user(CAROL, "carol", LEVEL_USER);
	w_add_user(MALLORY, "mallory", LEVEL_USER);
	world_boot();
}

/* Started, recovered, connected. */
W_MAY void
world_up(void)
{
	world_start();
	world_audit_state();
	world_net(NET_CONNECTED);
	world_pump();
}

static void
world_clear_queue(void)
{
	while (w.head < w.tail) {
		if (w.queue[w.head].fd != -1)
			(void)close(w.queue[w.head].fd);
		free(w.queue[w.head++].payload);
	}
	w.head = w.tail = 0;
}

W_MAY void
world_end(void)
{
	size_t	 i;

	executor_free(w.x);
	rate_free(w.rate);
	db_close(w.db);
	world_clear_queue();
	for (i = 0; i < w.nlines; i++)
		free(w.lines[i]);
	for (i = 0; i < W_POSTS; i++) {
		free(w.posts[i].first);
		free(w.posts[i].text);
	}
	for (i = 0; i < w.nwatched; i++)
		(void)close(w.watched_fd[i]);
	w.x = NULL;
}

/* It dies and is started again, everything else too. */
W_MAY void
world_crash(int deliver)
{
	size_t	 i;

	/* What it had sent may still have been handled. */
	while (deliver && world_step(0))
		continue;
	world_clear_queue();
	for (i = 0; i < w.nwatched; i++)
		(void)close(w.watched_fd[i]);
	w.nwatched = 0;
	db_rollback(w.db);
	w.crash_at = 0;
	if (w.ndead == W_DEAD)
		abort();
	w.dead[w.ndead++] = w.x;
	world_boot();
	world_audit_state();
	world_pump();
	world_net(NET_CONNECTED);
	world_pump();
}

static void
w_command(struct msg_command *m, const char *user, const char *channel,
    const char *text)
{
	memset(m, 0, sizeof(*m));
	w_new_id(m->post_id, 'c');
	(void)strlcpy(m->user_id, user, sizeof(m->user_id));
	(void)strlcpy(m->channel_id, channel, sizeof(m->channel_id));
	(void)strlcpy(m->channel_name, "somewhere", sizeof(m->channel_name));
	m->channel_type = 'O';
	m->create_at = m->received = w.wall;
	(void)strlcpy(m->text, text, sizeof(m->text));
}

static struct msg_command w_last;

/* A post in the channel ops, all the way. */
W_MAY void
post_in(const char *user, const char *channel, const char *text)
{
	w_command(&w_last, user, channel, text);
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &w_last);
	world_pump();
}

W_MAY void
post(const char *user, const char *text)
{
	post_in(user, OPS, text);
}

/* The text of the newest post, "" when there is none. */
W_MAY const char *
said(void)
{
	return w.nposts == 0 ? "" : w.posts[(w.nposts - 1) % W_POSTS].text;
}

W_MAY int
reacted(const char *sign, const char *post_id)
{
	char	 want[EMOJI_SIZE + ID_SIZE + 2];
	size_t	 i;

	(void)snprintf(want, sizeof(want), "%s %s", sign, post_id);
	for (i = 0; i < w.nreactions; i++)
		if (strcmp(w.reactions[i], want) == 0)
			return 1;
	return 0;
}

/* The reason code of the last denied line, "" when there is none. */
W_MAY const char *
denied(void)
{
	static char		 code[64];
	struct msg_append	*m = last_line(AUDIT_DENIED);
	const char		*p;

	code[0] = '\0';
	if (m == NULL || (p = strstr(m->detail, "\"reason\":\"")) == NULL)
		return code;
	(void)strlcpy(code, p + 10, sizeof(code));
	code[strcspn(code, "\"")] = '\0';
	return code;
}

#define CHECK_HAS(text, part) do {					\
	const char *t_ = (text), *p_ = (part);				\
	if (strstr(t_, p_) == NULL) {					\
		fprintf(stderr, "%s:%d: \"%s\" is not in \"%s\"\n",	\
		    __FILE__, __LINE__, p_, t_);			\
		test_bad++;						\
	}								\
} while (0)

#endif
