/*
 * The files of the log: the world that the chain works on, and the way from
 * two folders to a chain that takes appends.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "auditd.h"
#include "log.h"
#include "pathnames.h"
#include "proc.h"
#include "sys.h"

#define RESERVE_NAME	"script-executions.reserve"

static int64_t
file_now(void *arg)
{
	struct timespec	 ts;

	(void)arg;
	if (sys_clock_gettime(CLOCK_REALTIME, &ts) == -1)
		return -1;
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
file_random(void *arg, void *p, size_t len)
{
	(void)arg;
	return sys_getrandom(p, len);
}

static int
file_stat(void *arg, struct audit_stat *out)
{
	struct auditd	*a = arg;
	struct stat	 ours, named;

	if (sys_fstat(a->log, &ours) == -1)
		return -1;
	out->size = (uint64_t)ours.st_size;
	out->is_ours = ours.st_nlink == 1 && S_ISREG(ours.st_mode) &&
	    sys_fstatat(a->log_dir, NAME_AUDIT_LOG, &named,
	    AT_SYMLINK_NOFOLLOW) == 0 && named.st_dev == ours.st_dev &&
	    named.st_ino == ours.st_ino;
	return 0;
}

static ssize_t
file_write(void *arg, const void *p, size_t len)
{
	return sys_write(((struct auditd *)arg)->log, p, len);
}

static int
file_truncate(void *arg, uint64_t size)
{
	return sys_ftruncate(((struct auditd *)arg)->log, (off_t)size);
}

static int
file_sync(void *arg)
{
	return sys_fdatasync(((struct auditd *)arg)->log);
}

/* Not every file system can promise room without writing it. */
static int
fill_reserve(int fd)
{
	static const char	 zero[4096];
	off_t			 at;
	ssize_t			 n;

	for (at = 0; at < AUDIT_RESERVE_BYTES; at += n) {
		n = sys_pwrite(fd, zero, sizeof(zero), at);
		if (n == -1 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return -1;
	}
	return 0;
}

/* Blocks that nobody uses until the disk is full and results must go on. */
static int
file_reserve(void *arg, int hold)
{
	struct auditd	*a = arg;

	if (!hold)
		return sys_ftruncate(a->reserve, 0);
	if (sys_fallocate(a->reserve, 0, AUDIT_RESERVE_BYTES) == 0)
		return 0;
	return errno == EOPNOTSUPP ? fill_reserve(a->reserve) : -1;
}

static void
file_ack(void *arg, uint32_t id, const struct msg_ack *ack)
{
	struct auditd	*a = arg;

	a->on_ack(a, id, ack);
}

static void
file_health(void *arg, int ok, const char *why)
{
	struct auditd	*a = arg;

	a->on_health(a, ok, why);
}

static const struct audit_world	 file_world = {
	.now = file_now,
	.random = file_random,
	.stat = file_stat,
	.write = file_write,
	.truncate = file_truncate,
	.sync = file_sync,
	.reserve = file_reserve,
	.ack = file_ack,
	.health = file_health,
};

/*
 * The log, owned by this process alone.  It is made only where no state says
 * that there must be one.
 */
static int
open_log(struct auditd *a, int may_create, char *why, size_t whylen)
{
	int	 flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC;

	a->log = sys_openat(a->log_dir, NAME_AUDIT_LOG,
	    flags | (may_create ? O_CREAT : 0), 0640);
	if (a->log == -1) {
		/* ELOOP: open(2) about O_NOFOLLOW. */
		(void)snprintf(why, whylen, "%s: %s%s", NAME_AUDIT_LOG,
		    errno == ELOOP ? "is a symbolic link: put the log itself "
		    "there, or name the folder that has it in paths.logs" :
		    strerror(errno), errno == ENOENT ? "; TRUNCATED: the key "
		    "folder belongs to a log that is gone: restore it, or "
		    "move the key folder away to begin a new one" : "");
		return -1;
	}
	if (sys_flock(a->log, LOCK_EX | LOCK_NB) == -1) {
		(void)snprintf(why, whylen, "%s: %s", NAME_AUDIT_LOG,
		    errno == EWOULDBLOCK ? "another chatops-auditd writes it" :
		    strerror(errno));
		return -1;
	}
	return 0;
}

static int
open_reserve(struct auditd *a, char *why, size_t whylen)
{
	a->reserve = sys_openat(a->log_dir, RESERVE_NAME, O_RDWR | O_CREAT |
	    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (a->reserve != -1 && file_reserve(a, 1) == 0)
		return 0;
	(void)snprintf(why, whylen, "%s: no room for the reserve of %d KiB: "
	    "%s; make room on that disk and start again", RESERVE_NAME,
	    AUDIT_RESERVE_BYTES / 1024, strerror(errno));
	return -1;
}

/* host/audit/ and four hexadecimal digits, where none is configured. */
static int
make_origin(char origin[AUDIT_ORIGIN_SIZE], const char *configured)
{
	char	 host[65];
	uint8_t	 r[2];
	int	 n;

	if (configured[0] != '\0')
		return strlcpy(origin, configured, AUDIT_ORIGIN_SIZE) <
		    AUDIT_ORIGIN_SIZE &&
		    audit_is_origin(origin, strlen(origin)) ? 0 : -1;
	if (gethostname(host, sizeof(host)) == -1 ||
	    sys_getrandom(r, sizeof(r)) == -1)
		return -1;
	host[sizeof(host) - 1] = '\0';
	n = snprintf(origin, AUDIT_ORIGIN_SIZE, "%s/audit/%02x%02x",
	    audit_is_origin(host, strlen(host)) ? host : "chatops", r[0],
	    r[1]);
	return n > 0 && n < AUDIT_ORIGIN_SIZE ? 0 : -1;
}

/* No state: keys and state for a new log, if nothing is in the old one. */
static int
begin_log(struct auditd *a, const char *configured, char *why, size_t whylen)
{
	struct stat	 st;
	uint8_t		 key[32];
	char		 origin[AUDIT_ORIGIN_SIZE];

	if (sys_fstat(a->log, &st) == -1 || st.st_size != 0) {
		(void)snprintf(why, whylen, "%s: KEY: there is a log but no "
		    "audit.state in the key folder; restore it from a copy, "
		    "or move the log away to begin a new one",
		    NAME_AUDIT_LOG);
		return -1;
	}
	if (make_origin(origin, configured) == -1) {
		(void)snprintf(why, whylen, "audit.origin: is no name of "
		    "visible characters without + and quotes");
		return -1;
	}
	if (keys_log_key(a->key_dir, origin, key, why, whylen) == -1)
		return -1;
	return keys_create(&a->keys, a->key_dir, origin, why, whylen);
}

/* The first line names the log key. */
static int
write_genesis(struct auditd *a, char *why, size_t whylen)
{
	uint8_t	 key[32];
	char	 origin[AUDIT_ORIGIN_SIZE], base64[AUDIT_BASE64_32 + 1];
	char	 detail[128];

	(void)strlcpy(origin, a->keys.state.origin, sizeof(origin));
	if (keys_log_key(a->key_dir, origin, key, why, whylen) == -1)
		return -1;
	if (strcmp(origin, a->keys.state.origin) != 0) {
		(void)snprintf(why, whylen, "log.key: KEY: belongs to %s, "
		    "not to %s", origin, a->keys.state.origin);
		return -1;
	}
	audit_base64_write(key, sizeof(key), base64);
	(void)snprintf(detail, sizeof(detail), "{\"logKey\":\"%s\"}", base64);
	if (chain_event(&a->chain, AUDIT_GENESIS, detail) == -1) {
		(void)snprintf(why, whylen, "no memory or random bytes for "
		    "the first line");
		return -1;
	}
	return 0;
}

/*
 * What was found: it is the only place where recovery shows, so it names the
 * bytes that it moved.
 */
static int
session_start(struct auditd *a, char *why, size_t whylen)
{
	const struct recovery	*r = &a->recovery;
	struct buf		 d;
	char			 hex[2 * HASH_SIZE + 1];
	const char		*previous = "none";
	int			 result = -1;

	if (r->has_last)
		previous = r->last_event == AUDIT_SESSION_END &&
		    r->torn_bytes == 0 ? "clean" : "unclean";
	buf_init(&d, 2048);
	audit_hex_write(a->binary_hash, HASH_SIZE, hex);
	buf_printf(&d, "{\"bootId\":\"%s\",\"pid\":%d,\"version\":\"%s\","
	    "\"binarySha256\":\"%s\",\"previous\":\"%s\",\"lastSeq\":",
	    a->boot_id, (int)getpid(), CHATOPS_VERSION, hex, previous);
	if (a->chain.end.lines == 0)
		buf_printf(&d, "null");
	else
		buf_printf(&d, "%llu",
		    (unsigned long long)a->chain.end.lines - 1);
	buf_printf(&d, ",\"tornBytes\":%llu",
	    (unsigned long long)r->torn_bytes);
	if (r->torn_bytes > 0) {
		audit_hex_write(r->torn_hash, HASH_SIZE, hex);
		buf_printf(&d, ",\"tornSha256\":\"%s\",\"quarantine\":\"%s\"",
		    hex, r->torn_file);
	}
	buf_put(&d, "}", 2);
	if (buf_error(&d) == 0 && chain_event(&a->chain, AUDIT_SESSION_START,
	    (const char *)d.data) == 0)
		result = 0;
	else
		(void)snprintf(why, whylen, "no memory or random bytes for "
		    "session-start");
	buf_free(&d);
	return result;
}

int
audit_save(struct auditd *a)
{
	chain_state(&a->chain, &a->keys.state);
	return keys_save(&a->keys);
}

/* The hash of the first line, once it is there. */
static int
learn_genesis(struct auditd *a)
{
	char	*line;
	ssize_t	 n;

	if ((line = malloc(AUDIT_LINE_MAX + 1)) == NULL)
		return -1;
	n = recover_read_line(a->log, 0, a->chain.end.size, line);
	if (n > 0)
		crypto_hash_sha256(a->keys.state.genesis, (uint8_t *)line, n);
	free(line);
	return n > 0 ? 0 : -1;
}

static int
start_session(struct auditd *a, char *why, size_t whylen)
{
	if (a->chain.end.lines == 0 && write_genesis(a, why, whylen) == -1)
		return -1;
	if (session_start(a, why, whylen) == -1)
		return -1;
	if (chain_commit(&a->chain) == -1 || a->chain.full) {
		(void)snprintf(why, whylen, "%s", a->chain.full ?
		    NAME_AUDIT_LOG ": the disk is full; make room and start "
		    "again" : a->chain.why);
		return -1;
	}
	if (learn_genesis(a) == -1 || sys_fsync(a->log_dir) == -1 ||
	    audit_save(a) == -1) {
		(void)snprintf(why, whylen, "audit.state: %s",
		    strerror(errno));
		return -1;
	}
	return 0;
}

int
audit_open(struct auditd *a, const char *origin, char *why, size_t whylen)
{
	struct audit_state	 s;
	int			 has_state;

	a->log = a->reserve = -1;
	has_state = keys_load(&a->keys, a->key_dir, why, whylen);
	if (has_state == -1 || open_log(a, !has_state ||
	    a->keys.state.acked.lines == 0, why, whylen) == -1)
		return -1;
	if (!has_state && begin_log(a, origin, why, whylen) == -1)
		return -1;
	if (origin[0] != '\0' && strcmp(origin, a->keys.state.origin) != 0) {
		(void)snprintf(why, whylen, "audit.origin is %s, but this log "
		    "is %s; a log keeps its name: correct bot.config.json, or "
		    "move log and key folder away to begin a new one", origin,
		    a->keys.state.origin);
		return -1;
	}
	if (open_reserve(a, why, whylen) == -1)
		return -1;
	if (chain_init(&a->chain, &file_world, a, &a->keys) == -1) {
		(void)snprintf(why, whylen, "no random bytes");
		return -1;
	}
	s = a->keys.state;
	if (recover(&a->recovery, &a->chain, a->log_dir, a->log, &s, why,
	    whylen) == -1)
		return -1;
	a->found = a->chain.end.lines;
	return start_session(a, why, whylen);
}

void
audit_close(struct auditd *a)
{
	if (a->chain.world != NULL)
		chain_clear(&a->chain);
	keys_free(&a->keys);
	if (a->log != -1)
		(void)sys_close(a->log);
	if (a->reserve != -1)
		(void)sys_close(a->reserve);
	a->log = a->reserve = -1;
}

static void
copy_text(const struct audit_text *t, char *out, size_t size)
{
	if (t->p == NULL || audit_json_decode(t, out, size) == -1)
		out[0] = '\0';
}

int
audit_dangling(struct auditd *a, size_t i, struct msg_dangling *m)
{
	const struct chain_open	*o = &a->chain.open[i];
	struct audit_line	 l;
	struct audit_text	 v;
	const char		*why;
	char			*line;
	ssize_t			 n;
	int			 r = -1;

	memset(m, 0, sizeof(*m));
	if ((line = malloc(AUDIT_LINE_MAX + 1)) == NULL)
		return -1;
	n = recover_read_line(a->log, o->at.size, a->chain.end.size, line);
	if (n <= 0 || audit_line_scan(line, n, &l, &why) != AUDIT_FAULT_NONE)
		goto done;
	(void)strlcpy(m->execution_id, o->execution_id,
	    sizeof(m->execution_id));
	copy_text(&l.user_id, m->user_id, sizeof(m->user_id));
	copy_text(&l.channel_id, m->channel_id, sizeof(m->channel_id));
	if (!audit_json_member(&l.detail, "scriptName", &v) ||
	    audit_json_decode_value(&v, m->script_name,
	    sizeof(m->script_name)) == -1)
		goto done;
	if (!audit_json_member(&l.detail, "arguments", &v) ||
	    v.len >= sizeof(m->arguments))
		goto done;
	memcpy(m->arguments, v.p, v.len);
	r = 0;
done:
	free(line);
	return r;
}

uint64_t
audit_tail_offset(struct auditd *a, uint32_t n)
{
	char		 bytes[16384];
	uint64_t	 end = a->chain.end.size, from, i;
	ssize_t		 got;

	/* the newline of the last line ends nothing before it */
	if (end > 0)
		end--;
	while (end > 0) {
		from = end > sizeof(bytes) ? end - sizeof(bytes) : 0;
		got = sys_pread(a->log, bytes, end - from, (off_t)from);
		if (got != (ssize_t)(end - from))
			return a->chain.end.size;
		for (i = end - from; i > 0; i--)
			if (bytes[i - 1] == '\n' && --n == 0)
				return from + i;
		end = from;
	}
	return 0;
}
