/*
 * After a crash: keep the longest prefix of valid lines, move what was never
 * acknowledged out of the way, and touch nothing else.  Where acknowledged
 * lines are damaged there is nothing to recover, only to report.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "auditd.h"
#include "pathnames.h"
#include "sys.h"

#define QUARANTINE	"quarantine"
#define QUARANTINE_TRIES 10000
#define REMEDY		"run chatopsctl audit verify; restore the file from " \
    "a copy, or move it and the key folder away to begin a new log"

/* Bytes of the log on their way through memory; room for any line. */
#define WINDOW_BYTES	(4 * (AUDIT_LINE_MAX + 1))

struct window {
	int		 fd;
	uint64_t	 at;	/* offset of the first byte here */
	uint64_t	 end;	/* of the window, in the log */
	char		*bytes;	/* WINDOW_BYTES of room */
	size_t		 have;
	size_t		 used;	/* of them, lines that were taken */
};

ssize_t
recover_read_line(int fd, uint64_t offset, uint64_t size, char *line)
{
	const char	*nl;
	size_t		 want = AUDIT_LINE_MAX + 1, have = 0;
	ssize_t		 n;

	if (size - offset < want)
		want = size - offset;
	while (have < want) {
		n = sys_pread(fd, line + have, want - have,
		    (off_t)(offset + have));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		if ((nl = memchr(line + have, '\n', n)) != NULL)
			return nl - line;
		have += (size_t)n;
	}
	if (have == 0)
		return 0;
	errno = EBADMSG;
	return -1;
}

/* NULL, or why this is not the line that belongs there in the chain. */
static const char *
link_check(const struct audit_keys *k, const struct audit_pos *at,
    const struct audit_line *l)
{
	if (l->log.len != strlen(k->state.origin) ||
	    memcmp(l->log.p, k->state.origin, l->log.len) != 0)
		return "WRONG_LOG: it belongs to another log";
	if (l->seq != at->lines)
		return "SEQ_GAP: wrong sequence number";
	if (memcmp(l->previous_hash, at->hash, HASH_SIZE) != 0)
		return "CHAIN_BREAK: it does not follow the line before";
	if (memcmp(l->public_key, k->public_key, 32) != 0)
		return "KEY_UNEXPECTED: signed with another key than ours";
	if (l->has_next)
		return "KEY_UNEXPECTED: it hands over to a key that is not "
		    "in the key folder";
	return NULL;
}

/* NULL, or why this is not the next line of the chain. */
static const char *
line_check(const struct chain *c, char *s, size_t len, struct audit_line *l)
{
	const char	*why;

	if (audit_line_scan(s, len, l, &why) != AUDIT_FAULT_NONE ||
	    (why = link_check(c->keys, &c->end, l)) != NULL)
		return why;
	if (!audit_line_verify(s, len, l))
		return "BAD_SIGNATURE: its signature does not verify";
	return NULL;
}

/* What was acknowledged must be there, to the byte. */
static int
check_acked(const struct chain *c, const struct audit_pos *acked,
    uint64_t size, const char *cause, char *why, size_t whylen)
{
	if (c->end.lines == acked->lines && (c->end.size != acked->size ||
	    memcmp(c->end.hash, acked->hash, HASH_SIZE) != 0)) {
		(void)snprintf(why, whylen, "%s: FORK: line %llu is not the "
		    "one that was acknowledged; " REMEDY, NAME_AUDIT_LOG,
		    (unsigned long long)acked->lines);
		return -1;
	}
	if (cause == NULL || c->end.lines >= acked->lines)
		return 0;
	(void)snprintf(why, whylen, "%s: %s, line %llu (offset %llu of %llu) "
	    "of %llu acknowledged ones; " REMEDY, NAME_AUDIT_LOG, cause,
	    (unsigned long long)c->end.lines + 1,
	    (unsigned long long)c->end.size, (unsigned long long)size,
	    (unsigned long long)acked->lines);
	return -1;
}

/* From the chain's position to the last valid line.  0 or -1. */
static int
read_lines(struct recovery *r, struct chain *c, int fd, uint64_t size,
    const struct audit_pos *acked, char *why, size_t whylen)
{
	struct audit_line	 l;
	uint8_t			 hash[HASH_SIZE];
	const char		*cause;
	char			*line;
	ssize_t			 n;
	int			 result = -1;

	if ((line = malloc(AUDIT_LINE_MAX + 1)) == NULL) {
		(void)snprintf(why, whylen, "no memory");
		return -1;
	}
	for (;;) {
		if (check_acked(c, acked, size, NULL, why, whylen) == -1)
			goto done;
		if (c->end.size >= size) {
			cause = "TRUNCATED: the file ends";
			break;
		}
		n = recover_read_line(fd, c->end.size, size, line);
		cause = "FORMAT: a line without its end";
		if (n == -1 && errno != EBADMSG) {
			(void)snprintf(why, whylen, "%s: %s", NAME_AUDIT_LOG,
			    strerror(errno));
			goto done;
		}
		if (n == -1 || (cause = line_check(c, line, n, &l)) != NULL)
			break;
		crypto_hash_sha256(hash, (uint8_t *)line, n);
		if (chain_replay(c, &l, hash, (size_t)n + 1) == -1) {
			(void)snprintf(why, whylen, "%s: more than %d intents "
			    "without a result", NAME_AUDIT_LOG,
			    CHAIN_OPEN_MAX);
			goto done;
		}
		r->has_last = 1;
		r->last_event = l.event;
	}
	result = check_acked(c, acked, size, cause, why, whylen);
done:
	free(line);
	return result;
}

/* Copy from the offset to the end of the file, and hash it.  0 or -1. */
static int
copy_tail(struct recovery *r, int from, uint64_t offset, int to)
{
	crypto_hash_sha256_state	 ctx;
	uint8_t				 bytes[16384];
	ssize_t				 n;

	crypto_hash_sha256_init(&ctx);
	while ((n = sys_pread(from, bytes, sizeof(bytes),
	    (off_t)offset)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 || sys_write_all(to, bytes, n) == -1)
			return -1;
		crypto_hash_sha256_update(&ctx, bytes, n);
		offset += (uint64_t)n;
		r->torn_bytes += (uint64_t)n;
	}
	crypto_hash_sha256_final(&ctx, r->torn_hash);
	return sys_fsync(to);
}

/* quarantine/<seq>.<ms>.bin, a new file.  Its descriptor, or -1. */
static int
quarantine_create(struct recovery *r, const struct chain *c, int dir)
{
	int64_t	 now = c->world->now(c->arg);
	int	 fd, tries;

	for (tries = 0; tries < QUARANTINE_TRIES; tries++) {
		(void)snprintf(r->torn_file, sizeof(r->torn_file),
		    "%llu.%lld.bin", (unsigned long long)c->end.lines,
		    (long long)now + tries);
		fd = sys_openat(dir, r->torn_file, O_WRONLY | O_CREAT |
		    O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd != -1 || errno != EEXIST)
			return fd;
	}
	return -1;
}

/* The copy is durable, with its name, before the log is cut. */
static int
quarantine(struct recovery *r, const struct chain *c, int logs, int fd,
    char *why, size_t whylen)
{
	int	 dir = -1, out = -1, result = -1;

	if (sys_mkdirat(logs, QUARANTINE, 0700) == -1 && errno != EEXIST)
		goto done;
	dir = sys_openat(logs, QUARANTINE, O_RDONLY | O_DIRECTORY |
	    O_NOFOLLOW | O_CLOEXEC, 0);
	if (dir == -1 || (out = quarantine_create(r, c, dir)) == -1)
		goto done;
	if (copy_tail(r, fd, c->end.size, out) == -1 ||
	    sys_fsync(dir) == -1 || sys_fsync(logs) == -1 ||
	    sys_ftruncate(fd, (off_t)c->end.size) == -1 ||
	    sys_fsync(fd) == -1)
		goto done;
	result = 0;
done:
	if (result == -1)
		(void)snprintf(why, whylen, "%s: the bytes after line %llu "
		    "cannot be moved into %s: %s", NAME_AUDIT_LOG,
		    (unsigned long long)c->end.lines, QUARANTINE,
		    strerror(errno));
	if (out != -1)
		(void)sys_close(out);
	if (dir != -1)
		(void)sys_close(dir);
	return result;
}

/* The first line is the one that the state knows. */
static int
check_genesis(int fd, const struct audit_state *s, uint64_t size, char *why,
    size_t whylen)
{
	uint8_t	 hash[HASH_SIZE];
	char	*line;
	ssize_t	 n;
	int	 r = -1;

	if (s->acked.lines == 0)
		return 0;
	if ((line = malloc(AUDIT_LINE_MAX + 1)) == NULL) {
		(void)snprintf(why, whylen, "no memory");
		return -1;
	}
	if ((n = recover_read_line(fd, 0, size, line)) > 0) {
		crypto_hash_sha256(hash, (uint8_t *)line, n);
		r = memcmp(hash, s->genesis, HASH_SIZE) == 0 ? 0 : -1;
	}
	if (r == -1)
		(void)snprintf(why, whylen, "%s: GENESIS: its first line is "
		    "not the one that this log began with; " REMEDY,
		    NAME_AUDIT_LOG);
	free(line);
	return r;
}

/*
 * The next line of the window, newline excluded: 1, 0 at the window's end,
 * -1 and errno (EBADMSG: a line without its end).
 */
static int
window_line(struct window *w, char **line, size_t *len)
{
	char	*nl;
	size_t	 want;
	ssize_t	 n;

	while ((nl = memchr(w->bytes + w->used, '\n', w->have - w->used)) ==
	    NULL) {
		w->have -= w->used;
		memmove(w->bytes, w->bytes + w->used, w->have);
		w->at += w->used;
		w->used = 0;
		want = WINDOW_BYTES - w->have;
		if (want > w->end - w->at - w->have)
			want = w->end - w->at - w->have;
		if (want == 0 && w->have == 0)
			return 0;
		errno = EBADMSG;
		n = want == 0 ? 0 : sys_pread(w->fd, w->bytes + w->have, want,
		    (off_t)(w->at + w->have));
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		w->have += (size_t)n;
	}
	*line = w->bytes + w->used;
	*len = (size_t)(nl - *line);
	w->used += *len + 1;
	return 1;
}

/*
 * Every line of the window is the one that the next one, or the state, names
 * by its hash; so there is no need to verify signatures once more.  NULL, or
 * the cause; at is then where it was found, with 0 lines if that is unknown.
 */
static const char *
window_check(struct window *w, struct chain *c, const struct audit_pos *to,
    struct audit_pos *at)
{
	struct audit_line	 l;
	const char		*why;
	char			*line;
	size_t			 len;
	int			 r, is_known = at->size == 0;

	while ((r = window_line(w, &line, &len)) == 1) {
		if (audit_line_scan(line, len, &l, &why) != AUDIT_FAULT_NONE)
			return why;
		if (!is_known) {
			at->lines = l.seq;
			memcpy(at->hash, l.previous_hash, HASH_SIZE);
			is_known = 1;
		}
		if ((why = link_check(c->keys, at, &l)) != NULL)
			return why;
		crypto_hash_sha256(at->hash, (uint8_t *)line, len);
		chain_remember(c, at->lines, at->hash);
		at->lines++;
		at->size += len + 1;
	}
	if (r == -1)
		return errno == EBADMSG ? "FORMAT: a line without its end" :
		    strerror(errno);
	if (at->lines != to->lines || at->size != to->size ||
	    memcmp(at->hash, to->hash, HASH_SIZE) != 0)
		return "FORK: the line before is not the one that was "
		    "acknowledged";
	return NULL;
}

/*
 * The last RECOVER_LOOKBACK bytes before the place where reading begins: what
 * is acknowledged there must be whole, or nothing may be appended to it.
 * A line that begins before the window is left out.
 */
static int
look_back(struct chain *c, int fd, const struct audit_pos *to, char *why,
    size_t whylen)
{
	struct window	 w;
	struct audit_pos at;
	const char	*cause = NULL;
	char		*line, place[32] = "";
	size_t		 len;

	if (to->size == 0)
		return 0;
	memset(&w, 0, sizeof(w));
	memset(&at, 0, sizeof(at));
	w.fd = fd;
	w.end = to->size;
	if ((w.bytes = malloc(WINDOW_BYTES)) == NULL) {
		(void)snprintf(why, whylen, "no memory");
		return -1;
	}
	if (to->size > RECOVER_LOOKBACK) {
		/* The newline before it may make its first line a whole one. */
		w.at = at.size = to->size - RECOVER_LOOKBACK - 1;
		if (window_line(&w, &line, &len) != 1 || len > AUDIT_LINE_MAX)
			cause = "FORMAT: a line without its end";
		else
			at.size += len + 1;
	}
	if (cause == NULL)
		cause = window_check(&w, c, to, &at);
	free(w.bytes);
	if (cause == NULL)
		return 0;
	if (at.lines > 0 || at.size == 0)
		(void)snprintf(place, sizeof(place), ", line %llu",
		    (unsigned long long)at.lines + 1);
	(void)snprintf(why, whylen, "%s: %s%s, at offset %llu of %llu "
	    "acknowledged bytes; " REMEDY, NAME_AUDIT_LOG, cause, place,
	    (unsigned long long)at.size, (unsigned long long)to->size);
	return -1;
}

int
recover(struct recovery *r, struct chain *c, int dir, int fd,
    const struct audit_state *s, char *why, size_t whylen)
{
	struct stat	 st;

	memset(r, 0, sizeof(*r));
	if (sys_fstat(fd, &st) == -1) {
		(void)snprintf(why, whylen, "%s: %s", NAME_AUDIT_LOG,
		    strerror(errno));
		return -1;
	}
	if (s->from.lines > s->acked.lines || s->from.size > s->acked.size) {
		(void)snprintf(why, whylen, "audit.state: KEY: contradicts "
		    "itself; " REMEDY);
		return -1;
	}
	if ((uint64_t)st.st_size < s->acked.size) {
		(void)snprintf(why, whylen, "%s: TRUNCATED: it has %llu bytes "
		    "where %llu were acknowledged; " REMEDY, NAME_AUDIT_LOG,
		    (unsigned long long)st.st_size,
		    (unsigned long long)s->acked.size);
		return -1;
	}
	if (check_genesis(fd, s, (uint64_t)st.st_size, why, whylen) == -1 ||
	    look_back(c, fd, &s->from, why, whylen) == -1 ||
	    read_lines(r, c, fd, (uint64_t)st.st_size, &s->acked, why,
	    whylen) == -1)
		return -1;
	if (c->end.size == (uint64_t)st.st_size)
		return 0;
	return quarantine(r, c, dir, fd, why, whylen);
}
