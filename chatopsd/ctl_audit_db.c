/*
 * The executor's anchor.  The daemon holds its database with an exclusive
 * lock, and SQLite would leave files of its own beside it: so a private copy
 * of the file and its write-ahead log is read.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "compat.h"
#include "ctl_audit.h"
#include "sys.h"

#define COPY_TRIES	5
#define COPY_MAX	(4LL * 1024 * 1024 * 1024)
#define WAL_HEADER	32

/* All bytes of one file into another.  0; 1: there is no such file; -1. */
static int
copy_file(const char *from, const char *to)
{
	struct stat	 st;
	char		 bytes[65536];
	off_t		 at = 0;
	ssize_t		 n = 0;
	int		 in, out = -1, r = -1;

	in = sys_open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	if (in == -1)
		return errno == ENOENT ? 1 : -1;
	if (sys_fstat(in, &st) == -1)
		goto done;
	errno = EINVAL;
	if (!S_ISREG(st.st_mode))
		goto done;
	out = sys_open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out == -1)
		goto done;
	while (at < COPY_MAX &&
	    (n = sys_pread(in, bytes, sizeof(bytes), at)) > 0) {
		if (sys_write_all(out, bytes, (size_t)n) == -1)
			goto done;
		at += n;
	}
	errno = n == -1 ? errno : EFBIG;
	r = n == 0 ? 0 : -1;
done:
	if (out != -1)
		(void)sys_close(out);
	(void)sys_close(in);
	return r;
}

/* The salts of a write-ahead log: other ones mean that it began anew. */
static void
wal_header(const char *path, uint8_t out[WAL_HEADER])
{
	int	 fd;

	memset(out, 0, WAL_HEADER);
	if ((fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0)) == -1)
		return;
	if (sys_pread(fd, out, WAL_HEADER, 0) != WAL_HEADER)
		memset(out, 0, WAL_HEADER);
	(void)sys_close(fd);
}

/*
 * First the database, then its log.  Pages that a checkpoint moves meanwhile
 * are still in the log, unless the log began anew: then once more.
 */
static int
copy_database(const char *path, const char *copy)
{
	uint8_t	 before[WAL_HEADER], after[WAL_HEADER];
	char	 wal[1100], wal_copy[256];
	int	 i, n, m;

	n = snprintf(wal, sizeof(wal), "%s-wal", path);
	m = snprintf(wal_copy, sizeof(wal_copy), "%s-wal", copy);
	errno = ENAMETOOLONG;
	if (n < 0 || (size_t)n >= sizeof(wal) || m < 0 ||
	    (size_t)m >= sizeof(wal_copy))
		return -1;
	for (i = 0; i < COPY_TRIES; i++) {
		wal_header(wal, before);
		if ((n = copy_file(path, copy)) != 0) {
			errno = n == 1 ? ENOENT : errno;
			return -1;
		}
		if (copy_file(wal, wal_copy) == -1)
			return -1;
		wal_header(wal, after);
		if (memcmp(before, after, WAL_HEADER) == 0)
			return 0;
	}
	errno = EBUSY;
	return -1;
}

/* One row, checked: 0, or -1 where it is no anchor. */
static int
read_row(sqlite3_stmt *st, struct ctl_anchor *out)
{
	const char	*s = (const char *)sqlite3_column_text(st, 0);

	if (s == NULL || !audit_is_origin(s, strlen(s)) ||
	    sqlite3_column_type(st, 1) != SQLITE_INTEGER ||
	    sqlite3_column_int64(st, 1) < 0 ||
	    sqlite3_column_type(st, 2) != SQLITE_BLOB ||
	    sqlite3_column_bytes(st, 2) != HASH_SIZE)
		return -1;
	memset(out, 0, sizeof(*out));
	(void)strlcpy(out->origin, s, sizeof(out->origin));
	out->a.source = "db";
	out->a.seq = (uint64_t)sqlite3_column_int64(st, 1);
	memcpy(out->a.hash, sqlite3_column_blob(st, 2), HASH_SIZE);
	return 0;
}

static int
read_anchors(sqlite3 *db, struct ctl_anchor *out, int max)
{
	sqlite3_stmt	*st;
	int		 n = 0, step, bad = 0;

	if (sqlite3_prepare_v2(db, "SELECT origin, seq, line_hash "
	    "FROM audit_anchor ORDER BY rowid DESC", -1, &st, NULL) !=
	    SQLITE_OK)
		return -1;
	while ((step = sqlite3_step(st)) == SQLITE_ROW && n < max && !bad)
		bad = read_row(st, &out[n++]) == -1;
	(void)sqlite3_finalize(st);
	return bad || (step != SQLITE_DONE && step != SQLITE_ROW) ? -1 : n;
}

static void
remove_copy(const char *dir)
{
	static const char *const	 names[] = { "db", "db-wal", "db-shm",
					    "db-journal" };
	char				 path[256];
	size_t				 i;

	for (i = 0; i < nitems(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(dir);
}

int
ctl_audit_db(const char *path, struct ctl_anchor *out, int max, char *why,
    size_t whylen)
{
	const char	*tmp = getenv("TMPDIR");
	sqlite3		*db = NULL;
	char		 dir[128], copy[160];
	int		 n, r = -1;

	n = snprintf(dir, sizeof(dir), "%s/chatopsctl.XXXXXXXXXX",
	    tmp != NULL && tmp[0] == '/' ? tmp : "/tmp");
	if (n < 0 || (size_t)n >= sizeof(dir) || mkdtemp(dir) == NULL) {
		(void)snprintf(why, whylen, "no private folder for a copy of "
		    "the database: %s", strerror(errno));
		return -1;
	}
	(void)snprintf(copy, sizeof(copy), "%s/db", dir);
	if (copy_database(path, copy) == -1) {
		(void)snprintf(why, whylen, "%s: %s", path, strerror(errno));
		goto done;
	}
	if (sqlite3_open_v2(copy, &db, SQLITE_OPEN_READWRITE, NULL) ==
	    SQLITE_OK)
		r = read_anchors(db, out, max);
	if (r == -1)
		(void)snprintf(why, whylen, "%s: %s", path, db == NULL ?
		    "no memory" : sqlite3_errcode(db) == SQLITE_OK ?
		    "the row in audit_anchor is no anchor" :
		    sqlite3_errmsg(db));
done:
	(void)sqlite3_close(db);
	remove_copy(dir);
	return r;
}
