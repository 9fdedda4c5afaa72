/*
 * A crash, and an error, at each system call of a session: what was
 * acknowledged is there afterwards, and the next start succeeds.
 *
 * The calls of sys.c are compiled in under other names, so that this file's
 * own ones stand in their place.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#define sys_openat	real_openat
#define sys_pread	real_pread
#define sys_write	real_write
#define sys_pwrite	real_pwrite
#define sys_write_all	real_write_all
#define sys_fsync	real_fsync
#define sys_fdatasync	real_fdatasync
#define sys_ftruncate	real_ftruncate
#define sys_fallocate	real_fallocate
#define sys_fstat	real_fstat
#define sys_fstatat	real_fstatat
#define sys_renameat	real_renameat
#define sys_unlinkat	real_unlinkat
#define sys_mkdirat	real_mkdirat
#define sys_flock	real_flock
#define sys_getrandom	real_getrandom
#include "../../common/sys.c"
#undef sys_openat
#undef sys_pread
#undef sys_write
#undef sys_pwrite
#undef sys_write_all
#undef sys_fsync
#undef sys_fdatasync
#undef sys_ftruncate
#undef sys_fallocate
#undef sys_fstat
#undef sys_fstatat
#undef sys_renameat
#undef sys_unlinkat
#undef sys_mkdirat
#undef sys_flock
#undef sys_getrandom

/* sys.h's guard keeps it from being read again under its own names. */
#undef CHATOPS_SYS_H
#include "sys.h"

#include "test.h"

#include "auditlib.h"
#include "pathnames.h"

#define DIED	99

enum mode {
	CRASH_BEFORE,
	CRASH_AFTER,
	HALF_WRITTEN,		/* a write does half, then the crash */
	FAILS_EIO,
	FAILS_ENOSPC,
	MODE_COUNT
};

static long		 calls;
static long		 target = -1;
static enum mode	 mode;

/* 1: this call fails, with errno set. */
static int
before(void)
{
	if (++calls != target)
		return 0;
	switch (mode) {
	case CRASH_BEFORE:
		_exit(DIED);
	case FAILS_EIO:
		errno = EIO;
		return 1;
	case FAILS_ENOSPC:
		errno = ENOSPC;
		return 1;
	default:
		return 0;
	}
}

static long
after(long r)
{
	if (calls == target && (mode == CRASH_AFTER || mode == HALF_WRITTEN))
		_exit(DIED);
	return r;
}

static size_t
half(size_t len)
{
	return calls == target && mode == HALF_WRITTEN ? len / 2 : len;
}

#define CALL(type, name, params, args)					\
	type sys_##name params						\
	{								\
		if (before())						\
			return -1;					\
		return (type)after((long)real_##name args);		\
	}

CALL(int, openat, (int d, const char *p, int f, mode_t m), (d, p, f, m))
CALL(ssize_t, pread, (int fd, void *p, size_t n, off_t o), (fd, p, n, o))
CALL(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, half(n)))
CALL(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t o),
    (fd, p, half(n), o))
CALL(int, write_all, (int fd, const void *p, size_t n), (fd, p, half(n)))
CALL(int, fsync, (int fd), (fd))
CALL(int, fdatasync, (int fd), (fd))
CALL(int, ftruncate, (int fd, off_t n), (fd, n))
CALL(int, fallocate, (int fd, off_t o, off_t n), (fd, o, n))
CALL(int, fstat, (int fd, struct stat *st), (fd, st))
CALL(int, fstatat, (int d, const char *p, struct stat *st, int f),
    (d, p, st, f))
CALL(int, renameat, (int d, const char *p, int e, const char *q),
    (d, p, e, q))
CALL(int, unlinkat, (int d, const char *p, int f), (d, p, f))
CALL(int, mkdirat, (int d, const char *p, mode_t m), (d, p, m))
CALL(int, flock, (int fd, int o), (fd, o))
CALL(int, getrandom, (void *p, size_t n), (p, n))

/* Shared with the process that dies. */
struct told {
	long		 calls;
	uint64_t	 seq;
	uint8_t		 hash[HASH_SIZE];
	int		 any;
};
static struct told	*told;

static void
told_ack(struct auditd *a, uint32_t id, const struct msg_ack *ack)
{
	al_on_ack(a, id, ack);
	if (!ack->ok)
		return;
	told->seq = ack->seq;
	memcpy(told->hash, ack->line_hash, HASH_SIZE);
	told->any = 1;
}

/* What a session does; it goes on after refusals, ends at a fatal error. */
static int
session(struct al *l, unsigned int first)
{
	static struct msg_append	 m;
	unsigned int			 i;
	int				 r = -1;

	if (al_open(l) == -1)
		goto done;
	l->a.on_ack = told_ack;
	for (i = first; i < first + 2; i++) {
		al_intent(&m, i);
		chain_append(&l->a.chain, i, &m);
		if (chain_commit(&l->a.chain) == -1)
			goto done;
		al_execution(&m, i);
		chain_append(&l->a.chain, i, &m);
		if (chain_commit(&l->a.chain) == -1 ||
		    audit_save(&l->a) == -1)
			goto done;
	}
	al_denied(&m);
	chain_append(&l->a.chain, 1, &m);
	if (chain_end(&l->a.chain, 2, "stop") == -1 ||
	    chain_commit(&l->a.chain) == -1 || audit_save(&l->a) == -1)
		goto done;
	r = 0;
done:
	al_close(l);
	told->calls = calls;
	return r;
}

static int
session_in_child(struct al *l, unsigned int first)
{
	pid_t	 pid;
	int	 status;

	memset(told, 0, sizeof(*told));
	fflush(NULL);
	if ((pid = fork()) == 0) {
		calls = 0;
		_exit(session(l, first) == 0 ? 0 : 1);
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		abort();
	return WEXITSTATUS(status);
}

/* Every line follows its predecessor, and the one that was told is there. */
static void
check_log(struct al *l)
{
	struct audit_line	 line;
	const char		*why;
	char			*s, *at, *nl;
	uint8_t			 hash[HASH_SIZE], prev[HASH_SIZE];
	size_t			 len;
	uint64_t		 n = 0;
	int			 found = 0;

	at = s = al_read(l, NAME_AUDIT_LOG, &len);
	memset(prev, 0, sizeof(prev));
	while ((nl = strchr(at, '\n')) != NULL) {
		CHECK_INT(audit_line_scan(at, nl - at, &line, &why),
		    AUDIT_FAULT_NONE);
		CHECK_INT(line.seq, n);
		CHECK(memcmp(line.previous_hash, prev, HASH_SIZE) == 0);
		CHECK(audit_line_verify(at, nl - at, &line));
		crypto_hash_sha256(hash, (uint8_t *)at, nl - at);
		if (told->any && n == told->seq)
			found = memcmp(hash, told->hash, HASH_SIZE) == 0;
		memcpy(prev, hash, HASH_SIZE);
		n++;
		at = nl + 1;
	}
	CHECK_INT(*at, '\0');
	CHECK(found || !told->any);
	free(s);
}

/* Sessions of a log that has not begun, and of one that was torn before. */
static void
sweep(int torn, enum mode how, long step, long first)
{
	struct al	*l;
	char		*s;
	size_t		 len;
	long		 at;
	int		 status;

	for (at = first; at < 1000; at += step) {
		l = al_new();
		target = -1;
		if (torn) {
			CHECK_INT(session_in_child(l, 1), 0);
			s = al_read(l, NAME_AUDIT_LOG, &len);
			s = realloc(s, len + 100);
			memset(s + len, 0, 100);
			al_write(l, NAME_AUDIT_LOG, s, len + 100);
			free(s);
		}
		target = at;
		mode = how;
		status = session_in_child(l, 10);
		if (how <= HALF_WRITTEN && status != DIED) {
			CHECK_INT(status, 0);
			al_free(l);
			break;
		}
		if (how > HALF_WRITTEN && told->calls < at) {
			al_free(l);	/* there is no such call */
			break;
		}
		target = -1;
		/* not told->any of the next session */
		if (al_open(l) == -1) {
			fprintf(stderr, "mode %d call %ld: %s\n", how, at,
			    l->why);
			CHECK(0);
		}
		al_close(l);
		check_log(l);
		al_free(l);
	}
	CHECK(at > 20 && at < 1000);
}

static void
share(void)
{
	if (told == NULL)
		told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		abort();
}

TEST(crash_before_each_call)
{
	share();
	sweep(0, CRASH_BEFORE, 1, 1);
}

TEST(crash_after_each_call)
{
	share();
	sweep(0, CRASH_AFTER, 3, 1);
	sweep(0, HALF_WRITTEN, 1, 1);
}

TEST(crash_in_recovery)
{
	share();
	sweep(1, CRASH_BEFORE, 2, 2);
	sweep(1, HALF_WRITTEN, 2, 1);
}

TEST(eio_at_each_call)
{
	share();
	sweep(0, FAILS_EIO, 1, 1);
}

TEST(enospc_at_each_call)
{
	share();
	sweep(0, FAILS_ENOSPC, 1, 1);
}
