/*
 * The log on a real file system: what a start makes of every possible end of
 * the file, of damaged state, and of a crash after each system call.
 */
#include <sys/wait.h>

#include <errno.h>

#include "test.h"

#include "auditlib.h"
#include "pathnames.h"

#define LOG	NAME_AUDIT_LOG
#define STATE	"keys/audit.state"

/* n scripts that ran, each in two lines of two commits. */
static void
run_scripts(struct al *l, unsigned int from, unsigned int n)
{
	struct msg_append	 m;
	unsigned int		 i;

	for (i = from; i < from + n; i++) {
		al_intent(&m, i);
		chain_append(&l->a.chain, 2 * i, &m);
		CHECK_INT(chain_commit(&l->a.chain), 0);
		al_execution(&m, i);
		chain_append(&l->a.chain, 2 * i + 1, &m);
		CHECK_INT(chain_commit(&l->a.chain), 0);
	}
}

static size_t
count_lines(const char *s)
{
	size_t	 n = 0;

	for (; (s = strchr(s, '\n')) != NULL; s++)
		n++;
	return n;
}

TEST(begin_and_go_on)
{
	struct al	*l = al_new();
	char		*s;
	size_t		 len;

	CHECK_INT(al_open(l), 0);
	CHECK_STR(l->why, "");
	CHECK_INT(l->a.chain.end.lines, 2);
	run_scripts(l, 1, 3);
	CHECK_INT(l->nacks, 6);
	CHECK_INT(l->acks[5].ok, 1);
	CHECK_INT(l->acks[5].seq, 7);
	CHECK(memcmp(l->acks[5].previous_hash, l->acks[4].line_hash, 32) == 0);
	CHECK_INT(chain_end(&l->a.chain, 9, "stop"), 0);
	CHECK_INT(chain_commit(&l->a.chain), 0);
	CHECK_INT(l->acks[6].ok, 1);
	CHECK_INT(audit_save(&l->a), 0);
	al_close(l);
	CHECK_INT(al_open(l), 0);
	CHECK_INT(l->a.chain.end.lines, 10);
	CHECK_INT(l->a.recovery.last_event, AUDIT_SESSION_END);
	al_close(l);
	s = al_read(l, LOG, &len);
	CHECK_INT(count_lines(s), 10);
	CHECK(strstr(s, "\"previous\":\"none\"") != NULL);
	CHECK(strstr(s, "\"previous\":\"clean\"") != NULL);
	free(s);
	al_free(l);
}

TEST(open_intents_are_told)
{
	struct al		*l = al_new();
	struct msg_append	 m;
	struct msg_dangling	 d;

	CHECK_INT(al_open(l), 0);
	run_scripts(l, 1, 2);
	al_intent(&m, 100);
	chain_append(&l->a.chain, 1, &m);
	CHECK_INT(chain_commit(&l->a.chain), 0);
	run_scripts(l, 5, 2);
	CHECK_INT(audit_save(&l->a), 0);
	al_close(l);
	/* the state says where it has to start reading for that */
	CHECK_INT(al_open(l), 0);
	CHECK_INT(l->a.chain.nopen, 1);
	CHECK_INT(audit_dangling(&l->a, 0, &d), 0);
	CHECK_STR(d.execution_id, "00000064-0000-4000-8000-000000000000");
	CHECK_STR(d.script_name, "deploy");
	CHECK_STR(d.arguments, "{\"service\":\"web\"}");
	CHECK_STR(d.user_id, "abcdefghijklmnopqrstuvwxyz");
	CHECK_STR(d.channel_id, "");
	al_execution(&m, 100);
	m.success = m.has_result = 0;
	strlcpy(m.error, "interrupted by restart", sizeof(m.error));
	chain_append(&l->a.chain, 2, &m);
	CHECK_INT(chain_commit(&l->a.chain), 0);
	CHECK_INT(l->acks[0].ok, 1);
	CHECK_INT(l->a.chain.nopen, 0);
	al_close(l);
	CHECK_INT(al_open(l), 0);
	CHECK_INT(l->a.chain.nopen, 0);
	al_close(l);
	al_free(l);
}

/*
 * The file ends anywhere: at or after what was acknowledged the log goes on
 * and the torn bytes are kept; before it the start is refused.
 */
TEST(every_truncation)
{
	struct al	*l = al_new();
	char		*s, *state, *t;
	size_t		 len, slen, at, tlen, acked, torn;

	CHECK_INT(al_open(l), 0);
	run_scripts(l, 1, 1);
	CHECK_INT(audit_save(&l->a), 0);
	acked = l->a.chain.end.size;
	run_scripts(l, 2, 1);
	al_close(l);
	s = al_read(l, LOG, &len);
	state = al_read(l, STATE, &slen);
	for (at = 0; at <= len; at += at < acked ? 97 : 1) {
		al_write(l, LOG, s, at);
		al_write(l, STATE, state, slen);
		if (at < acked) {
			CHECK_INT(al_open(l), -1);
			CHECK(strstr(l->why, "TRUNCATED") != NULL);
			al_close(l);
			continue;
		}
		CHECK_INT(al_open(l), 0);
		CHECK_STR(l->why, "");
		for (torn = 0; at - torn > 0 && s[at - torn - 1] != '\n';)
			torn++;
		CHECK_INT(l->a.recovery.torn_bytes, torn);
		al_close(l);
		t = al_read(l, LOG, &tlen);
		CHECK(tlen > at - torn && memcmp(s, t, at - torn) == 0);
		free(t);
		if (torn > 0) {
			char	 name[128];

			snprintf(name, sizeof(name), "quarantine/%s",
			    l->a.recovery.torn_file);
			t = al_read(l, name, &tlen);
			CHECK(tlen == torn &&
			    memcmp(t, s + at - torn, torn) == 0);
			free(t);
		}
	}
	free(s);
	free(state);
	al_free(l);
}

/* A log with an acknowledged and an unacknowledged part, for damage. */
struct damage {
	struct al	*l;
	char		*s, *state;
	size_t		 len, slen, acked;
};

static void
damage_begin(struct damage *d)
{
	d->l = al_new();
	CHECK_INT(al_open(d->l), 0);
	run_scripts(d->l, 1, 2);
	CHECK_INT(audit_save(&d->l->a), 0);
	d->acked = d->l->a.chain.end.size;
	run_scripts(d->l, 3, 8);
	al_close(d->l);
	d->s = al_read(d->l, LOG, &d->len);
	d->state = al_read(d->l, STATE, &d->slen);
}

static void
damage_end(struct damage *d)
{
	free(d->s);
	free(d->state);
	al_free(d->l);
}

static int
damage_open(struct damage *d, const void *p, size_t len)
{
	int	 r;

	al_write(d->l, LOG, p, len);
	al_write(d->l, STATE, d->state, d->slen);
	r = al_open(d->l);
	al_close(d->l);
	return r;
}

TEST(nul_tails)
{
	struct damage	 d;
	char		*s;
	size_t		 at;

	damage_begin(&d);
	s = calloc(1, d.len + 10000);
	memcpy(s, d.s, d.len);
	CHECK_INT(damage_open(&d, s, d.len + 10000), 0);
	CHECK_INT(d.l->a.recovery.torn_bytes, 10000);
	for (at = d.acked; at < d.len; at += 307) {
		memset(s + at, 0, d.len - at);
		memcpy(s, d.s, at);
		CHECK_INT(damage_open(&d, s, d.len), 0);
		CHECK(d.l->a.recovery.torn_bytes >= d.len - at);
	}
	memset(s + d.acked - 1, 0, d.len - d.acked + 1);
	CHECK_INT(damage_open(&d, s, d.len), -1);
	free(s);
	damage_end(&d);
}

/* A page that never reached the disk, though later ones did. */
TEST(missing_page)
{
	struct damage	 d;
	char		*s;
	size_t		 at, page = 512;

	damage_begin(&d);
	s = malloc(d.len);
	for (at = 0; at + page <= d.len; at += page) {
		memcpy(s, d.s, d.len);
		memset(s + at, 0, page);
		if (at >= d.acked) {
			CHECK_INT(damage_open(&d, s, d.len), 0);
			CHECK(d.l->a.recovery.torn_bytes >= d.len - at - page);
		} else if (at + page > d.acked)
			CHECK_INT(damage_open(&d, s, d.len), -1);
	}
	free(s);
	damage_end(&d);
}

/* Of a small log all that is acknowledged is read again at a start. */
TEST(acknowledged_damage_is_refused)
{
	struct damage	 d;
	char		*s;
	size_t		 at, first;

	damage_begin(&d);
	s = malloc(d.len);
	first = (size_t)(strchr(d.s, '\n') - d.s);
	for (at = first + 1; at < d.acked; at += 7) {
		memcpy(s, d.s, d.len);
		s[at] ^= 1;
		CHECK_INT(damage_open(&d, s, d.len), -1);
		CHECK(strstr(d.l->why, "acknowledged") != NULL);
		CHECK(strstr(d.l->why, "restore") != NULL);
	}
	for (at = first; at < d.acked; at++) {
		if (d.s[at] != '\n')
			continue;
		memcpy(s, d.s, d.len);
		s[at] = ' ';
		CHECK_INT(damage_open(&d, s, d.len), -1);
	}
	for (at = 0; at <= first; at += 31) {
		memcpy(s, d.s, d.len);
		s[at] ^= 1;
		CHECK_INT(damage_open(&d, s, d.len), -1);
		CHECK(strstr(d.l->why, "GENESIS") != NULL);
	}
	/* refused means untouched */
	free(s);
	s = al_read(d.l, LOG, &at);
	CHECK_INT(at, d.len);
	free(s);
	damage_end(&d);
}

/* Many lines in one commit, for a log that is larger than the window. */
static void
run_denied(struct al *l, size_t bytes)
{
	struct msg_append	 m;
	unsigned int		 i;

	al_denied(&m);
	while (l->a.chain.end.size < bytes) {
		for (i = 0; i < CHAIN_BATCH_LINES; i++) {
			memset(m.error, 'e', sizeof(m.error) - 1);
			memset(m.detail, 'd', 8000);
			(void)snprintf(m.detail, 16, "{\"reason\":\"");
			m.detail[11] = 'd';
			memcpy(m.detail + 8000, "\"}", 3);
			chain_append(&l->a.chain, i + 1, &m);
			CHECK_INT(chain_commit(&l->a.chain), 0);
		}
		CHECK_INT(l->acks[l->nacks - 1].ok, 1);
		l->nacks = 0;
	}
}

/* One byte of the log is another one; what does the start say? */
static int
flip_open(struct al *l, int fd, const char *state, size_t slen, off_t at)
{
	char	 c, x;
	int	 r;

	CHECK_INT(pread(fd, &c, 1, at), 1);
	x = (char)(c ^ 1);
	CHECK_INT(pwrite(fd, &x, 1, at), 1);
	al_write(l, STATE, state, slen);
	r = al_open(l);
	al_close(l);
	CHECK_INT(pwrite(fd, &c, 1, at), 1);
	return r;
}

TEST(damage_in_a_large_log)
{
	struct al	*l = al_new();
	char		 path[256], *state;
	size_t		 slen;
	off_t		 at, end;
	int		 fd, i;

	CHECK_INT(al_open(l), 0);
	run_denied(l, RECOVER_LOOKBACK + 100000);
	CHECK_INT(audit_save(&l->a), 0);
	end = (off_t)l->a.chain.last.size;
	al_close(l);
	state = al_read(l, STATE, &slen);
	al_path(l, LOG, path);
	CHECK((fd = open(path, O_RDWR)) != -1);
	/* the first line of the window may begin before it */
	at = end - RECOVER_LOOKBACK + AUDIT_LINE_MAX;
	for (i = 0; at < end; at += 300007, i++) {
		CHECK_INT(flip_open(l, fd, state, slen, at), -1);
		CHECK(strstr(l->why, "acknowledged") != NULL);
		CHECK(strstr(l->why, "offset") != NULL);
		CHECK(strstr(l->why, "restore") != NULL);
	}
	CHECK(i > 20);
	CHECK_INT(flip_open(l, fd, state, slen, end - 1), -1);
	CHECK_INT(flip_open(l, fd, state, slen, end - 200), -1);
	/* before the window it is the verifier's work */
	CHECK_INT(flip_open(l, fd, state, slen, end - RECOVER_LOOKBACK -
	    AUDIT_LINE_MAX), 0);
	CHECK_INT(l->a.chain.nrecent, MSG_RECENT);
	close(fd);
	free(state);
	al_free(l);
}

TEST(state_slots)
{
	struct damage	 d;
	size_t		 i;
	char		*state;

	damage_begin(&d);
	state = malloc(d.slen);
	CHECK_INT(d.slen, 8192);
	/* any byte of one slot: the other one serves */
	for (i = 0; i < d.slen; i += 151) {
		memcpy(state, d.state, d.slen);
		state[i] ^= 0x40;
		al_write(d.l, LOG, d.s, d.len);
		al_write(d.l, STATE, state, d.slen);
		CHECK_INT(al_open(d.l), 0);
		al_close(d.l);
	}
	memcpy(state, d.state, d.slen);
	state[200] ^= 1;
	state[4096 + 200] ^= 1;
	al_write(d.l, LOG, d.s, d.len);
	al_write(d.l, STATE, state, d.slen);
	CHECK_INT(al_open(d.l), -1);
	CHECK(strstr(d.l->why, "KEY") != NULL);
	al_close(d.l);
	/* cut, empty */
	al_write(d.l, STATE, d.state, 4000);
	CHECK_INT(al_open(d.l), -1);
	al_close(d.l);
	al_write(d.l, STATE, "", 0);
	CHECK_INT(al_open(d.l), -1);
	al_close(d.l);
	free(state);
	damage_end(&d);
}

TEST(foreign_state_missing_state_missing_log)
{
	struct damage	 d, e;
	char		 path[256];

	damage_begin(&d);
	damage_begin(&e);
	al_write(d.l, LOG, d.s, d.len);
	al_write(d.l, STATE, e.state, e.slen);
	CHECK_INT(al_open(d.l), -1);
	al_close(d.l);
	al_path(d.l, STATE, path);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(al_open(d.l), -1);
	CHECK(strstr(d.l->why, "KEY") != NULL);
	al_close(d.l);
	al_write(d.l, STATE, d.state, d.slen);
	al_path(d.l, LOG, path);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(al_open(d.l), -1);
	CHECK(strstr(d.l->why, "TRUNCATED") != NULL);
	al_close(d.l);
	/* and no empty file was left in its place */
	CHECK_INT(access(path, F_OK), -1);
	CHECK_INT(symlink("/dev/null", path), 0);
	CHECK_INT(al_open(d.l), -1);
	CHECK(strstr(d.l->why, "symbolic link") != NULL);
	al_close(d.l);
	damage_end(&e);
	damage_end(&d);
}

TEST(one_owner)
{
	struct al	*l = al_new(), other;

	CHECK_INT(al_open(l), 0);
	other = *l;
	CHECK_INT(al_open(&other), -1);
	CHECK(strstr(other.why, "another") != NULL);
	al_close(&other);
	al_close(l);
	al_free(l);
}

TEST(replaced_while_in_use)
{
	struct al		*l = al_new();
	struct msg_append	 m;
	char			 path[256], moved[256];

	CHECK_INT(al_open(l), 0);
	al_path(l, LOG, path);
	al_path(l, "moved", moved);
	CHECK_INT(rename(path, moved), 0);
	al_denied(&m);
	chain_append(&l->a.chain, 1, &m);
	CHECK_INT(chain_commit(&l->a.chain), -1);
	CHECK(strstr(l->a.chain.why, "replaced") != NULL);
	CHECK_INT(l->nacks, 0);
	CHECK_INT(rename(moved, path), 0);
	CHECK_INT(chain_commit(&l->a.chain), 0);
	CHECK_INT(l->nacks, 1);
	CHECK_INT(truncate(path, 100), 0);
	al_denied(&m);
	chain_append(&l->a.chain, 2, &m);
	CHECK_INT(chain_commit(&l->a.chain), -1);
	CHECK_INT(l->nacks, 1);
	al_close(l);
	al_free(l);
}

TEST(another_name)
{
	struct al	*l = al_new();
	char		 why[WHY_SIZE];

	CHECK_INT(al_open(l), 0);
	audit_close(&l->a);
	CHECK_INT(audit_open(&l->a, "other.example/audit/0002", why,
	    sizeof(why)), -1);
	CHECK(strstr(why, "audit.origin") != NULL);
	al_close(l);
	CHECK_INT(al_open(l), 0);
	al_close(l);
	al_free(l);
}

TEST(tail)
{
	struct al	*l = al_new();
	char		*s;
	size_t		 len, n;

	CHECK_INT(al_open(l), 0);
	run_scripts(l, 1, 60);
	s = al_read(l, LOG, &len);
	CHECK_INT(audit_tail_offset(&l->a, 200), 0);
	for (n = 1; n < 100; n += 7)
		CHECK_INT(count_lines(s + audit_tail_offset(&l->a,
		    (uint32_t)n)), n);
	free(s);
	al_close(l);
	al_free(l);
}
