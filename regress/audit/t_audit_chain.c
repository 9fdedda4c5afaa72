/*
 * The core with a world of its own: order, group commit, acknowledgement
 * after the sync, and every way in which a disk can refuse.
 */
#include <errno.h>

#include "test.h"

#include "auditlib.h"

#define DISK_MAX	(4 * 1024 * 1024)

struct disk {
	uint8_t		 bytes[DISK_MAX];
	size_t		 size;		/* written */
	size_t		 synced;	/* durable */
	size_t		 room;		/* ENOSPC beyond it */
	size_t		 reserve;	/* held back from room */
	int		 chunk;		/* most bytes of one write; 0: all */
	int		 write_errno;	/* of the next write */
	int		 sync_errno;
	int		 truncate_errno;
	int		 is_ours;
	int		 writes, syncs;
	int64_t		 now;
	struct msg_ack	 acks[4096];
	uint32_t	 ids[4096];
	size_t		 nacks;
	int		 health, nhealth;
	struct audit_keys keys;
	struct chain	 c;
};

static int64_t
d_now(void *arg)
{
	return ((struct disk *)arg)->now;
}

static int
d_random(void *arg, void *p, size_t len)
{
	uint8_t	*b = p;

	(void)arg;
	while (len-- > 0)
		*b++ = (uint8_t)(test_random() >> 32);
	return 0;
}

static int
d_stat(void *arg, struct audit_stat *st)
{
	struct disk	*d = arg;

	st->size = d->size;
	st->is_ours = d->is_ours;
	return 0;
}

static ssize_t
d_write(void *arg, const void *p, size_t len)
{
	struct disk	*d = arg;

	d->writes++;
	if (d->write_errno != 0) {
		errno = d->write_errno;
		return -1;
	}
	if (d->chunk != 0 && len > (size_t)d->chunk)
		len = (size_t)d->chunk;
	if (d->size + d->reserve + len > d->room) {
		if (d->size + d->reserve >= d->room) {
			errno = ENOSPC;
			return -1;
		}
		len = d->room - d->size - d->reserve;
	}
	memcpy(d->bytes + d->size, p, len);
	d->size += len;
	return (ssize_t)len;
}

static int
d_truncate(void *arg, uint64_t size)
{
	struct disk	*d = arg;

	if (d->truncate_errno != 0) {
		errno = d->truncate_errno;
		return -1;
	}
	d->size = size;
	return 0;
}

static int
d_sync(void *arg)
{
	struct disk	*d = arg;

	d->syncs++;
	if (d->sync_errno != 0) {
		errno = d->sync_errno;
		return -1;
	}
	d->synced = d->size;
	return 0;
}

static int
d_reserve(void *arg, int hold)
{
	struct disk	*d = arg;

	if (!hold)
		d->reserve = 0;
	else if (d->size + AUDIT_RESERVE_BYTES > d->room) {
		errno = ENOSPC;
		return -1;
	} else
		d->reserve = AUDIT_RESERVE_BYTES;
	return 0;
}

/* Nothing is acknowledged that is not durable. */
static void
d_ack(void *arg, uint32_t id, const struct msg_ack *ack)
{
	struct disk	*d = arg;

	CHECK(!ack->ok || d->synced == d->size);
	CHECK(ack->ok || ack->error[0] != '\0');
	d->ids[d->nacks] = id;
	d->acks[d->nacks++] = *ack;
}

static void
d_health(void *arg, int ok, const char *why)
{
	struct disk	*d = arg;

	(void)why;
	d->health = ok;
	d->nhealth++;
}

static const struct audit_world	 d_world = {
	.now = d_now, .random = d_random, .stat = d_stat, .write = d_write,
	.truncate = d_truncate, .sync = d_sync, .reserve = d_reserve,
	.ack = d_ack, .health = d_health,
};

static struct disk *
disk_new(void)
{
	struct disk	*d = calloc(1, sizeof(*d));

	if (d == NULL || sodium_init() == -1)
		abort();
	d->room = DISK_MAX;
	d->reserve = AUDIT_RESERVE_BYTES;
	d->is_ours = 1;
	d->now = 1787572800007;
	d->health = 1;
	d->keys.secret = calloc(1, sizeof(*d->keys.secret));
	crypto_sign_seed_keypair(d->keys.public_key, d->keys.secret->key,
	    d->keys.secret->seed);
	strlcpy(d->keys.state.origin, "test.example/audit/0001",
	    sizeof(d->keys.state.origin));
	CHECK_INT(chain_init(&d->c, &d_world, d, &d->keys), 0);
	return d;
}

static void
disk_free(struct disk *d)
{
	chain_clear(&d->c);
	free(d->keys.secret);
	free(d);
}

/*
 * Every durable line follows the one before, is signed, and every ack names
 * one of them.
 */
static size_t
disk_check(struct disk *d)
{
	struct audit_line	 l;
	struct audit_pos	 at;
	char			*s = (char *)d->bytes, *nl;
	const char		*why;
	uint8_t			 hash[32];
	size_t			 i, acked = 0, want = 0;

	memset(&at, 0, sizeof(at));
	for (i = 0; i < d->nacks; i++)
		want += d->acks[i].ok;
	while ((nl = memchr(s, '\n', d->synced - at.size)) != NULL) {
		CHECK_INT(audit_line_scan(s, nl - s, &l, &why),
		    AUDIT_FAULT_NONE);
		CHECK_INT(l.seq, at.lines);
		CHECK(memcmp(l.previous_hash, at.hash, 32) == 0);
		CHECK(audit_line_verify(s, nl - s, &l));
		crypto_hash_sha256(hash, (uint8_t *)s, nl - s);
		for (i = 0; i < d->nacks; i++)
			if (d->acks[i].ok && d->acks[i].seq == l.seq) {
				acked++;
				CHECK(memcmp(d->acks[i].line_hash, hash,
				    32) == 0);
				CHECK(memcmp(d->acks[i].previous_hash, at.hash,
				    32) == 0);
			}
		memcpy(at.hash, hash, 32);
		at.lines++;
		at.size += nl - s + 1;
		s = nl + 1;
	}
	CHECK_INT(at.size, d->synced);
	CHECK_INT(acked, want);
	CHECK_INT(at.lines, d->c.end.lines);
	CHECK(memcmp(at.hash, d->c.end.hash, 32) == 0);
	return at.lines;
}

static void
intent(struct disk *d, unsigned int n)
{
	static struct msg_append	 m;

	al_intent(&m, n);
	chain_append(&d->c, 2 * n, &m);
}

static void
execution(struct disk *d, unsigned int n)
{
	static struct msg_append	 m;

	al_execution(&m, n);
	chain_append(&d->c, 2 * n + 1, &m);
}

static void
denied(struct disk *d, uint32_t id)
{
	static struct msg_append	 m;

	al_denied(&m);
	chain_append(&d->c, id, &m);
}

TEST(one_write_one_sync_for_all)
{
	struct disk	*d = disk_new();
	unsigned int	 i;

	CHECK_INT(chain_event(&d->c, AUDIT_GENESIS, "{}"), 0);
	for (i = 1; i <= 200; i++)
		intent(d, i);
	CHECK_INT(d->nacks, 0);
	CHECK_INT(chain_commit(&d->c), 0);
	CHECK_INT(d->writes, 1);
	CHECK_INT(d->syncs, 1);
	CHECK_INT(d->nacks, 200);
	for (i = 1; i <= 200; i++) {
		CHECK_INT(d->ids[i - 1], 2 * i);
		CHECK_INT(d->acks[i - 1].seq, i);
	}
	CHECK_INT(disk_check(d), 201);
	disk_free(d);
}

TEST(a_batch_is_bounded)
{
	struct disk	*d = disk_new();
	unsigned int	 i;

	for (i = 1; i <= 600; i++)
		intent(d, i);
	CHECK_INT(chain_commit(&d->c), 0);
	CHECK_INT(d->nacks, 256);
	CHECK(chain_is_pending(&d->c));
	CHECK_INT(chain_commit(&d->c), 0);
	CHECK_INT(chain_commit(&d->c), 0);
	CHECK_INT(d->nacks, 600);
	CHECK(!chain_is_pending(&d->c));
	CHECK_INT(chain_commit(&d->c), 0);
	CHECK_INT(d->syncs, 3);
	CHECK_INT(disk_check(d), 600);
	disk_free(d);
}

TEST(a_queue_is_bounded)
{
	struct disk	*d = disk_new();
	unsigned int	 i;

	for (i = 0; i < CHAIN_QUEUE_MAX + 5; i++)
		denied(d, i + 1);
	CHECK_INT(d->nacks, 5);
	CHECK(strstr(d->acks[0].error, "wait") != NULL);
	while (chain_is_pending(&d->c))
		CHECK_INT(chain_commit(&d->c), 0);
	CHECK_INT(disk_check(d), CHAIN_QUEUE_MAX);
	disk_free(d);
}

TEST(short_writes_are_gone_on_with)
{
	struct disk	*d = disk_new();

	d->chunk = 7;
	intent(d, 1);
	denied(d, 50);
	CHECK_INT(chain_commit(&d->c), 0);
	CHECK_INT(d->nacks, 2);
	CHECK_INT(disk_check(d), 2);
	disk_free(d);
}

TEST(pairs)
{
	struct disk	*d = disk_new();

	execution(d, 1);
	CHECK_INT(d->nacks, 1);
	CHECK(strstr(d->acks[0].error, "no open intent") != NULL);
	intent(d, 1);
	intent(d, 1);
	CHECK(strstr(d->acks[1].error, "open already") != NULL);
	execution(d, 1);
	CHECK(strstr(d->acks[2].error, "not acknowledged") != NULL);
	CHECK_INT(chain_commit(&d->c), 0);
	CHECK_INT(d->acks[3].ok, 1);
	execution(d, 1);
	execution(d, 1);
	CHECK(strstr(d->acks[4].error, "no open intent") != NULL);
	CHECK_INT(chain_commit(&d->c), 0);
	CHECK_INT(d->acks[5].ok, 1);
	execution(d, 1);
	CHECK_INT(d->acks[6].ok, 0);
	CHECK_INT(disk_check(d), 2);
	disk_free(d);
}

/* The disk is full after any number of bytes of the batch. */
TEST(full_at_each_byte)
{
	struct disk	*d = disk_new();
	size_t		 at, before, batch;

	intent(d, 1);
	CHECK_INT(chain_commit(&d->c), 0);
	intent(d, 2);
	intent(d, 3);
	before = d->size;
	CHECK_INT(chain_commit(&d->c), 0);
	batch = d->size - before;
	disk_free(d);
	for (at = 0; at < batch; at += 13) {
		d = disk_new();
		intent(d, 1);
		CHECK_INT(chain_commit(&d->c), 0);
		intent(d, 2);
		intent(d, 3);
		d->room = d->size + d->reserve + at;
		CHECK_INT(chain_commit(&d->c), 0);
		CHECK_INT(d->nacks, 3);
		CHECK_INT(d->acks[1].ok, 0);
		CHECK_INT(d->acks[2].ok, 0);
		CHECK_INT(d->health, 0);
		CHECK_INT(d->size, before);
		/* the running script's result goes into the reserve */
		execution(d, 1);
		CHECK_INT(chain_commit(&d->c), 0);
		CHECK_INT(d->acks[3].ok, 1);
		/* new ones are refused at once, also those refused before */
		intent(d, 2);
		CHECK_INT(d->acks[4].ok, 0);
		CHECK(strstr(d->acks[4].error, "full") != NULL);
		/* room returns: it goes on by itself */
		d->room = d->size + 100;
		chain_probe(&d->c);
		CHECK_INT(d->health, 0);
		d->room = DISK_MAX;
		chain_probe(&d->c);
		CHECK_INT(d->health, 1);
		CHECK_INT(d->nhealth, 2);
		intent(d, 2);
		CHECK_INT(chain_commit(&d->c), 0);
		CHECK_INT(d->acks[5].ok, 1);
		CHECK_INT(disk_check(d), 3);
		disk_free(d);
	}
}

TEST(results_survive_a_mixed_batch)
{
	struct disk	*d = disk_new();
	size_t		 i, ok = 0;

	intent(d, 1);
	intent(d, 2);
	CHECK_INT(chain_commit(&d->c), 0);
	denied(d, 100);
	execution(d, 1);
	intent(d, 3);
	execution(d, 2);
	d->room = d->size + d->reserve + 1000;
	CHECK_INT(chain_commit(&d->c), 0);
	CHECK_INT(d->nacks, 6);
	for (i = 2; i < 6; i++) {
		CHECK_INT(d->acks[i].ok, d->ids[i] == 3 || d->ids[i] == 5);
		ok += d->acks[i].ok;
	}
	CHECK_INT(ok, 2);
	CHECK_INT(disk_check(d), 4);
	disk_free(d);
}

TEST(reserve_used_up)
{
	struct disk	*d = disk_new();
	unsigned int	 i, n = 1000;

	for (i = 1; i <= n; i++)
		intent(d, i);
	while (chain_is_pending(&d->c))
		CHECK_INT(chain_commit(&d->c), 0);
	d->nacks = 0;
	d->room = d->size + d->reserve;
	d->reserve = d->reserve / 2;	/* so little is left */
	d->room = d->size + d->reserve;
	for (i = 1; i <= n; i++) {
		execution(d, i);
		CHECK_INT(chain_commit(&d->c), 0);
	}
	CHECK_INT(d->nacks, n);
	CHECK_INT(d->acks[0].ok, 1);
	CHECK_INT(d->acks[n - 1].ok, 0);
	CHECK(strstr(d->acks[n - 1].error, "full") != NULL);
	d->room = DISK_MAX;
	chain_probe(&d->c);
	/* a refused result can be sent again, its intent is still open */
	execution(d, n);
	CHECK_INT(chain_commit(&d->c), 0);
	CHECK_INT(d->acks[n].ok, 1);
	disk_check(d);
	disk_free(d);
}

static void
fails_for_good(struct disk *d, const char *what)
{
	intent(d, 7);
	CHECK_INT(chain_commit(&d->c), -1);
	CHECK(strstr(d->c.why, what) != NULL);
	CHECK_INT(d->nacks, 0);
	disk_free(d);
}

TEST(errors_that_end_it)
{
	struct disk	*d;

	d = disk_new();
	d->sync_errno = EIO;
	fails_for_good(d, "durable");
	d = disk_new();
	d->write_errno = EIO;
	fails_for_good(d, "write");
	d = disk_new();
	d->room = d->reserve + 10;
	d->truncate_errno = EIO;
	fails_for_good(d, "taken back");
	d = disk_new();
	d->is_ours = 0;
	fails_for_good(d, "replaced");
	d = disk_new();
	d->size = 5;
	fails_for_good(d, "somebody else");
	d = disk_new();
	d->now = -1;
	fails_for_good(d, "clock");
}

/* After a failed sync nothing more is promised: it is tried once. */
TEST(sync_is_not_repeated)
{
	struct disk	*d = disk_new();

	d->sync_errno = EIO;
	intent(d, 1);
	CHECK_INT(chain_commit(&d->c), -1);
	CHECK_INT(d->syncs, 1);
	CHECK_INT(d->nacks, 0);
	disk_free(d);
}

/* Every file error at every commit of a session, drawn from the seed. */
TEST(random_troubles)
{
	static const int	 errors[] = { ENOSPC, EDQUOT, EFBIG };
	struct disk		*d = disk_new();
	unsigned int		 i, n = 0, done = 0;

	for (i = 0; i < 2000; i++) {
		switch (test_random() % 8) {
		case 0:
			d->room = d->size + test_random() % 4000 +
			    AUDIT_RESERVE_BYTES;
			break;
		case 1:
			d->room = DISK_MAX;
			chain_probe(&d->c);
			break;
		case 2:
			d->write_errno = test_random() % 4 == 0 ?
			    errors[test_random() % 3] : 0;
			break;
		case 3:
			denied(d, 1);
			break;
		case 4:
		case 5:
			if (done < n)
				execution(d, ++done);
			break;
		default:
			intent(d, ++n);
		}
		if (test_random() % 3 == 0) {
			CHECK_INT(chain_commit(&d->c), 0);
			d->write_errno = 0;
		}
		if (d->nacks > 4000)
			d->nacks = 0;
		if (d->size > DISK_MAX / 2)
			break;
	}
	while (chain_is_pending(&d->c))
		CHECK_INT(chain_commit(&d->c), 0);
	CHECK_INT(d->c.end.size, d->synced);
	disk_check(d);
	disk_free(d);
}

static const char *
refusal(struct disk *d, const struct msg_append *m)
{
	size_t	 n = d->nacks;

	chain_append(&d->c, 1, m);
	if (d->nacks == n) {
		CHECK_INT(chain_commit(&d->c), 0);
		return "";
	}
	return d->acks[n].error;
}

TEST(what_the_executor_may_not_say)
{
	static const char		 unknown[] = "\"success\":false,"
					    "\"exitCode\":null,"
					    "\"durationMs\":null";
	static struct msg_append	 m;
	struct disk			*d = disk_new();
	size_t				 n;
	int				 e;

	for (e = 0; e < AUDIT_EVENT_COUNT; e++) {
		al_denied(&m);
		m.event = (uint8_t)e;
		CHECK((refusal(d, &m)[0] == '\0') ==
		    (e == AUDIT_PERMISSION || e == AUDIT_DENIED));
	}
	al_denied(&m);
	m.detail[0] = '\0';
	CHECK_STR(refusal(d, &m), "detail is missing");
	strlcpy(m.detail, "{\"a\": 1}", sizeof(m.detail));
	CHECK(refusal(d, &m)[0] != '\0');
	strlcpy(m.detail, "{\"a\":1,\"a\":2}", sizeof(m.detail));
	CHECK_STR(refusal(d, &m), "name stands twice");
	strlcpy(m.detail, "{\"a\":1.5}", sizeof(m.detail));
	CHECK(strstr(refusal(d, &m), "fraction") != NULL);
	strlcpy(m.detail, "{\"a\":\"\377\"}", sizeof(m.detail));
	CHECK_STR(refusal(d, &m), "not UTF-8");
	strlcpy(m.detail, "{}{}", sizeof(m.detail));
	CHECK(refusal(d, &m)[0] != '\0');
	al_denied(&m);
	strlcpy(m.script_name, "deploy", sizeof(m.script_name));
	CHECK(strstr(refusal(d, &m), "execution") != NULL);
	al_denied(&m);
	strlcpy(m.error, "you may not", sizeof(m.error));
	CHECK_STR(refusal(d, &m), "");
	n = strlcpy(m.detail, "{\"b\":\"", sizeof(m.detail));
	memset(m.detail + n, 'y', 32000);
	strlcpy(m.detail + n + 32000, "\"}", 3);
	memset(m.error, 1, sizeof(m.error) - 1);
	CHECK_STR(refusal(d, &m), "");
	al_intent(&m, 5);
	memset(m.error, 1, sizeof(m.error) - 1);
	CHECK_STR(refusal(d, &m), "");
	al_intent(&m, 1);
	strlcpy(m.detail, "{\"scriptName\":\"a b\",\"arguments\":{}}",
	    sizeof(m.detail));
	CHECK(strstr(refusal(d, &m), "scriptName") != NULL);
	strlcpy(m.detail, "{\"scriptName\":\"a\",\"arguments\":[]}",
	    sizeof(m.detail));
	CHECK(strstr(refusal(d, &m), "scriptName") != NULL);
	al_intent(&m, 1);
	m.execution_id[0] = '\0';
	CHECK(strstr(refusal(d, &m), "executionId") != NULL);
	al_intent(&m, 1);
	CHECK_STR(refusal(d, &m), "");
	al_execution(&m, 1);
	strlcpy(m.script_name, "a\"b", sizeof(m.script_name));
	CHECK(strstr(refusal(d, &m), "scriptName") != NULL);
	al_execution(&m, 1);
	m.arguments[0] = '\0';
	CHECK(strstr(refusal(d, &m), "arguments") != NULL);
	al_execution(&m, 1);
	m.has_result = 0;
	CHECK(strstr(refusal(d, &m), "success") != NULL);
	m.success = 0;
	CHECK_STR(refusal(d, &m), "");
	disk_check(d);
	CHECK(memmem(d->bytes, d->size, unknown, strlen(unknown)) != NULL);
	disk_free(d);
}

/* Too long a result is cut, and says so; a refusal line is refused. */
TEST(long_lines)
{
	static struct msg_append	 m;
	struct disk			*d = disk_new();
	struct audit_line		 l;
	struct audit_text		 v;
	const char			*why;
	char				*s, *nl;
	size_t				 i, n;

	intent(d, 1);
	CHECK_INT(chain_commit(&d->c), 0);
	al_execution(&m, 1);
	n = strlcpy(m.arguments, "{\"a\":\"", sizeof(m.arguments));
	memset(m.arguments + n, 'x', 32000);
	strlcpy(m.arguments + n + 32000, "\"}", 3);
	n = strlcpy(m.detail, "{\"b\":\"", sizeof(m.detail));
	memset(m.detail + n, 'y', 32000);
	strlcpy(m.detail + n + 32000, "\"}", 3);
	memset(m.error, 1, sizeof(m.error) - 1);
	CHECK_STR(refusal(d, &m), "");
	disk_check(d);
	s = memchr(d->bytes, '\n', d->size);
	s++;
	nl = memchr(s, '\n', d->bytes + d->size - (uint8_t *)s);
	CHECK(nl - s < LINE_SIZE);
	CHECK_INT(audit_line_scan(s, nl - s, &l, &why), AUDIT_FAULT_NONE);
	CHECK_INT(l.arguments.len, 2);
	CHECK(audit_json_member(&l.detail, "truncated", &v));
	CHECK(audit_json_member(&l.detail, "argumentsSha256", &v));
	CHECK_INT(v.len, 66);
	CHECK(audit_json_member(&l.detail, "errorSha256", &v));
	CHECK(audit_json_member(&l.detail, "b", &v));
	CHECK_INT(v.len, 32002);
	for (i = 0; i < 3; i++) {
		intent(d, 10 + (unsigned int)i);
		CHECK_INT(chain_commit(&d->c), 0);
		al_execution(&m, 10 + (unsigned int)i);
		memset(m.error, i == 1 ? 1 : 'e', 8192);
		m.error[i == 2 ? 1 : 8192] = '\0';
		CHECK_STR(refusal(d, &m), "");
	}
	disk_check(d);
	disk_free(d);
}

TEST(end_of_session)
{
	struct disk	*d = disk_new();

	intent(d, 1);
	CHECK_INT(chain_end(&d->c, 99, "stop"), 0);
	denied(d, 100);
	CHECK_INT(d->nacks, 1);
	CHECK(strstr(d->acks[0].error, "ended") != NULL);
	CHECK_INT(chain_commit(&d->c), 0);
	CHECK_INT(d->nacks, 3);
	CHECK_INT(d->ids[2], 99);
	CHECK_INT(d->acks[2].ok, 1);
	CHECK_INT(disk_check(d), 2);
	disk_free(d);
}

/* What the state file is told: the last line, or the oldest open intent. */
TEST(state_position)
{
	struct audit_state	 s;
	struct disk		*d = disk_new();

	denied(d, 1);
	intent(d, 1);
	CHECK_INT(chain_commit(&d->c), 0);
	denied(d, 2);
	denied(d, 3);
	CHECK_INT(chain_commit(&d->c), 0);
	intent(d, 9);
	chain_state(&d->c, &s);
	CHECK_INT(s.acked.lines, 4);
	CHECK_INT(s.from.lines, 1);
	execution(d, 1);
	chain_state(&d->c, &s);
	CHECK_INT(s.from.lines, 1);
	CHECK_INT(chain_commit(&d->c), 0);
	chain_state(&d->c, &s);
	CHECK_INT(s.acked.lines, 6);
	CHECK_INT(s.from.lines, 4);
	disk_free(d);
}
