/* The process chatops-auditd(8): messages in, messages out, one loop. */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <sodium.h>

#include "auditd.h"
#include "conf.h"
#include "confine.h"
#include "log.h"
#include "pathnames.h"
#include "proc.h"
#include "sys.h"

#define SAVE_MS		50		/* the state file lags this far */
#define PROBE_S		1		/* looks for room while full */
#define TAIL_BYTES	(4 * 1024 * 1024)
#define LOCK_ALL_BYTES	(48ULL * 1024 * 1024)
#define QUEUE_BYTES	(1024 * 1024)	/* of intents on their way */

struct shell {
	struct auditd		 audit;
	struct proc		 proc;
	struct event_base	*base;
	struct chan		*parent;
	struct chan		*executor;
	struct event		*commit;
	struct event		*save;
	struct event		*probe;
	struct event		*dangling;
	size_t			 told;		/* open intents */
	uint32_t		 end_id;	/* of AUDIT_END */
	int			 stopping;
	/* too large for the stack */
	union {
		struct msg_append	 append;
		struct msg_dangling	 dangling;
		struct msg_tail_line	 tail;
	} msg;
};

static struct shell	 shell;

static void
send_ack(struct auditd *a, uint32_t id, const struct msg_ack *ack)
{
	struct shell	*s = a->arg;

	if (s->executor != NULL)
		(void)chan_send(s->executor, MSG_ACK, id, -1, ack);
}

static void
send_health(struct auditd *a, int ok, const char *why)
{
	struct shell		*s = a->arg;
	struct msg_audit_health	 m;
	struct timeval		 tv = { PROBE_S, 0 };

	if (ok)
		log_info("audit log: there is room again");
	else
		log_warnx("%s: no new script starts until there is room", why);
	memset(&m, 0, sizeof(m));
	m.ok = (uint8_t)ok;
	(void)strlcpy(m.why, why, sizeof(m.why));
	if (s->executor != NULL)
		(void)chan_send(s->executor, MSG_AUDIT_HEALTH, 0, -1, &m);
	if (!ok && evtimer_add(s->probe, &tv) == -1)
		fatalx("evtimer_add");
}

static void
save_now(struct shell *s)
{
	if (audit_save(&s->audit) == -1)
		fatal("audit.state: how far the log is durable cannot be "
		    "written");
}

/* Everything that waits, batch by batch; then the state file follows. */
static void
commit_all(struct shell *s)
{
	struct timeval	 tv = { 0, SAVE_MS * 1000 };

	while (chain_is_pending(&s->audit.chain))
		if (chain_commit(&s->audit.chain) == -1)
			fatalx("%s", s->audit.chain.why);
	if (!evtimer_pending(s->save, NULL) && evtimer_add(s->save, &tv) == -1)
		fatalx("evtimer_add");
}

static void
on_commit(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	commit_all(arg);
}

static void
on_save(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	save_now(arg);
}

static void
on_probe(evutil_socket_t fd, short what, void *arg)
{
	struct shell	*s = arg;
	struct timeval	 tv = { PROBE_S, 0 };

	(void)fd;
	(void)what;
	chain_probe(&s->audit.chain);
	if (s->audit.chain.full && evtimer_add(s->probe, &tv) == -1)
		fatalx("evtimer_add");
}

/*
 * The intents without a result, as fast as the executor takes them: it
 * appends nothing before it has heard all of them, so they stay in place.
 */
static void
send_dangling(struct shell *s)
{
	const struct chain	*c = &s->audit.chain;
	struct timeval		 tv = { 0, 10 * 1000 };

	for (; s->told < c->nopen; s->told++) {
		if (chan_queued(s->executor) > QUEUE_BYTES) {
			if (evtimer_add(s->dangling, &tv) == -1)
				fatalx("evtimer_add");
			return;
		}
		if (audit_dangling(&s->audit, s->told, &s->msg.dangling) == -1)
			fatalx("%s: intent %s cannot be read again",
			    NAME_AUDIT_LOG, c->open[s->told].execution_id);
		(void)chan_send(s->executor, MSG_DANGLING, 0, -1,
		    &s->msg.dangling);
	}
}

static void
on_dangling(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	send_dangling(arg);
}

static void
send_state(struct shell *s)
{
	const struct audit_keys	*k = &s->audit.keys;
	const struct chain	*c = &s->audit.chain;
	struct msg_audit_state	 m;
	uint32_t		 i;

	memset(&m, 0, sizeof(m));
	(void)strlcpy(m.origin, k->state.origin, sizeof(m.origin));
	memcpy(m.genesis_hash, k->state.genesis, HASH_SIZE);
	m.seq = c->end.lines - 1;
	memcpy(m.line_hash, c->end.hash, HASH_SIZE);
	m.nrecent = c->nrecent;
	for (i = 0; i < m.nrecent; i++)
		memcpy(m.recent[i], c->recent[(s->audit.found - 1 - i) %
		    MSG_RECENT], HASH_SIZE);
	(void)strlcpy(m.session, c->session, sizeof(m.session));
	m.clean = !s->audit.recovery.has_last ||
	    (s->audit.recovery.last_event == AUDIT_SESSION_END &&
	    s->audit.recovery.torn_bytes == 0);
	m.dangling = (uint32_t)c->nopen;
	(void)chan_send(s->executor, MSG_AUDIT_STATE, 0, -1, &m);
	send_dangling(s);
}

/*
 * The last lines, oldest first, as many as fit the bound of the channel; an
 * empty line with last set closes the answer.
 */
static void
send_tail(struct shell *s, uint32_t id, uint32_t lines)
{
	struct msg_tail_line	*m = &s->msg.tail;
	uint64_t		 at, end = s->audit.chain.end.size;
	ssize_t			 n;

	for (;; lines--) {
		at = audit_tail_offset(&s->audit, lines);
		if (end - at <= TAIL_BYTES || lines == 1)
			break;
	}
	for (; at < end; at += (uint64_t)n + 1) {
		memset(m, 0, sizeof(*m));
		n = recover_read_line(s->audit.log, at, end, m->line);
		if (n <= 0 || (size_t)n >= sizeof(m->line))
			break;
		m->line[n] = '\0';
		(void)chan_send(s->executor, MSG_TAIL_LINE, id, -1, m);
	}
	memset(m, 0, sizeof(*m));
	m->last = 1;
	(void)chan_send(s->executor, MSG_TAIL_LINE, id, -1, m);
}

static void
end_session(struct shell *s, uint32_t id)
{
	if (s->audit.chain.ended)
		return;
	if (chain_end(&s->audit.chain, id, "stop") == -1)
		fatalx("session-end cannot be made");
	commit_all(s);
	save_now(s);
	(void)event_del(s->save);
	chan_may_close(s->executor);
}

static void
on_executor(struct chan *c, struct imsg *imsg, void *arg)
{
	struct shell	*s = arg;
	struct msg_tail	 tail;

	switch (imsg->type) {
	case MSG_APPEND:
		if (chan_decode(c, imsg, &s->msg.append) == -1)
			return;
		chain_append(&s->audit.chain, imsg->id, &s->msg.append);
		/* after everything that is there has been read */
		event_active(s->commit, 0, 0);
		break;
	case MSG_AUDIT_END:
		end_session(s, imsg->id);
		break;
	case MSG_TAIL:
		if (chan_decode(c, imsg, &tail) == -1)
			return;
		send_tail(s, imsg->id, tail.lines);
		break;
	default:
		fatalx("executor: %s is not for us", msg_name(imsg->type));
	}
}

static void
on_parent(struct chan *c, struct imsg *imsg, void *arg)
{
	struct shell	*s = arg;

	if (imsg->type != MSG_STOP)
		fatalx("parent: %s is not for us", msg_name(imsg->type));
	commit_all(s);
	end_session(s, 0);
	chan_may_close(c);
	s->stopping = 1;
	if (event_base_loopexit(s->base, NULL) == -1)
		fatalx("event_base_loopexit");
}

/* Whose code writes the log: recorded in session-start. */
static void
hash_self(uint8_t out[HASH_SIZE])
{
	crypto_hash_sha256_state	 ctx;
	uint8_t				 bytes[16384];
	ssize_t				 n;
	int				 fd;

	if ((fd = sys_open("/proc/self/exe", O_RDONLY | O_CLOEXEC, 0)) == -1)
		fatal("/proc/self/exe");
	crypto_hash_sha256_init(&ctx);
	while ((n = sys_read(fd, bytes, sizeof(bytes))) > 0)
		crypto_hash_sha256_update(&ctx, bytes, n);
	if (n == -1)
		fatal("/proc/self/exe");
	crypto_hash_sha256_final(&ctx, out);
	(void)sys_close(fd);
}

static void
read_boot_id(char out[UUID_SIZE])
{
	ssize_t	 n = -1;
	int	 fd;

	fd = sys_open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC,
	    0);
	if (fd != -1) {
		n = sys_read(fd, out, UUID_SIZE - 1);
		(void)sys_close(fd);
	}
	if (n != UUID_SIZE - 1)
		fatalx("/proc/sys/kernel/random/boot_id: cannot be read");
	out[n] = '\0';
}

/*
 * All memory where the limit has room for all that we may ever need, which
 * is bounded by our queues; what is not used is not brought in.  The keys
 * are locked in any case (keys.c).
 */
static void
lock_memory(void)
{
	struct rlimit	 rl;

	if (getrlimit(RLIMIT_MEMLOCK, &rl) == -1)
		fatal("getrlimit");
	if (rl.rlim_cur < LOCK_ALL_BYTES) {
		log_debug("only the keys are locked in memory: the limit of "
		    "locked memory is %llu bytes, all of it takes %llu",
		    (unsigned long long)rl.rlim_cur,
		    (unsigned long long)LOCK_ALL_BYTES);
		return;
	}
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == -1)
		log_warn("only the keys are locked in memory: mlockall");
}

static void
read_conf(struct shell *s, char origin[AUDIT_ORIGIN_SIZE], int *unconfined)
{
	struct json_file	 file;
	struct json_error	 error;
	struct conf		*conf;
	char			 why[1024];
	int			 fd;

	if ((conf = calloc(1, sizeof(*conf))) == NULL)
		fatal(NULL);
	fd = proc_take_file(&s->proc, FILE_CONF);
	if (json_file_read(&file, "bot.config.json", fd, &error) == -1 ||
	    conf_parse(conf, &file, "/", &error) == -1) {
		json_error_format(&error, why, sizeof(why));
		fatalx("%s", why);
	}
	json_file_free(&file);
	(void)sys_close(fd);
	(void)strlcpy(origin, conf->audit_origin, AUDIT_ORIGIN_SIZE);
	*unconfined = conf->allow_unconfined;
	conf_wipe(conf);
	free(conf);
}

static void
confine(struct shell *s, struct msg_ready *ready, int unconfined)
{
	struct confine_paths	 paths;

	memset(&paths, 0, sizeof(paths));
	paths.log_dir = s->audit.log_dir;
	paths.key_dir = s->audit.key_dir;
	memset(ready, 0, sizeof(*ready));
	if (confine_audit(&paths, ready) == -1) {
		if (!unconfined)
			fatalx("cannot be confined: %s", ready->note);
		log_warnx("runs unconfined, as allowUnconfined says: %s",
		    ready->note);
	}
}

static struct event *
new_event(struct shell *s, event_callback_fn fn)
{
	struct event	*ev;

	if ((ev = event_new(s->base, -1, 0, fn, s)) == NULL)
		fatalx("event_new");
	return ev;
}

static void
setup(struct shell *s, struct msg_ready *ready)
{
	char	 origin[AUDIT_ORIGIN_SIZE], why[WHY_SIZE];
	int	 unconfined;

	if (sodium_init() == -1)
		fatalx("sodium_init");
	/* before there is any key; confine_audit() does it again */
	if (prctl(PR_SET_DUMPABLE, 0) == -1)
		fatal("PR_SET_DUMPABLE");
	proc_setup(&s->proc, ROLE_AUDIT, 1U << FILE_CONF | 1U << FILE_LOG_DIR |
	    1U << FILE_KEY_DIR);
	if (s->proc.peers[ROLE_EXECUTOR].fd == -1)
		fatalx("parent: no channel to the executor");
	s->audit.arg = s;
	s->audit.on_ack = send_ack;
	s->audit.on_health = send_health;
	s->audit.log_dir = proc_take_file(&s->proc, FILE_LOG_DIR);
	s->audit.key_dir = proc_take_file(&s->proc, FILE_KEY_DIR);
	read_conf(s, origin, &unconfined);
	hash_self(s->audit.binary_hash);
	read_boot_id(s->audit.boot_id);
	lock_memory();
	if ((s->base = event_base_new()) == NULL)
		fatalx("event_base_new");
	s->commit = new_event(s, on_commit);
	s->save = new_event(s, on_save);
	s->probe = new_event(s, on_probe);
	s->dangling = new_event(s, on_dangling);
	confine(s, ready, unconfined);
	if (audit_open(&s->audit, origin, why, sizeof(why)) == -1)
		fatalx("%s", why);
}

void
auditd_main(int verbose)
{
	struct shell		*s = &shell;
	struct msg_ready	 ready;

	log_init("audit", verbose);
	setup(s, &ready);
	proc_ready(&s->proc, &ready);
	s->parent = chan_new(s->base, &s->proc.parent, on_parent, NULL, s);
	s->executor = chan_new(s->base, &s->proc.peers[ROLE_EXECUTOR],
	    on_executor, NULL, s);
	log_info("log %s at line %llu, key of checkpoints in log.pub",
	    s->audit.keys.state.origin,
	    (unsigned long long)s->audit.chain.end.lines);
	send_state(s);
	if (event_base_dispatch(s->base) == -1 || !s->stopping)
		fatalx("event loop ended");
	audit_close(&s->audit);
	exit(0);
}
