/* common/safepath.c against real folders below TMPDIR. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

#include "safepath.h"
#include "test.h"

static char		 top[256];
static struct safe_error e;

static const char *
at(const char *name)
{
	static char	 path[2][512];
	static int	 i;

	i = !i;
	snprintf(path[i], sizeof(path[i]), "%s/%s", top, name);
	return path[i];
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

static void
finish(void)
{
	nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
begin(void)
{
	const char	*tmp = getenv("TMPDIR");

	snprintf(top, sizeof(top), "%s/safepath.XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(top) == NULL) {
		perror(top);
		exit(1);
	}
}

static void
put(const char *name, mode_t mode)
{
	int	 fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd == -1 || write(fd, "x", 1) != 1 || fchmod(fd, mode) == -1) {
		perror(name);
		exit(1);
	}
	close(fd);
}

static void
refused(const char *name, int flags, const char *text)
{
	int	 fd = safe_open(at(name), flags, SAFE_NOBODY, &e);

	CHECK_INT(fd, -1);
	if (fd == -1 && strstr(e.text, text) == NULL) {
		fprintf(stderr, "%s: \"%s\" does not say \"%s\"\n", name,
		    e.text, text);
		test_bad++;
	}
}

static void
opened(const char *name, int flags)
{
	int	 fd = safe_open(at(name), flags, SAFE_NOBODY, &e);

	if (fd == -1) {
		fprintf(stderr, "%s: %s\n", name, e.text);
		test_bad++;
	} else
		CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

TEST(file_modes)
{
	begin();
	put("good", 0644);
	put("private", 0600);
	put("shared", 0664);
	put("program", 0755);
	opened("good", 0);
	opened("./good", 0);
	opened("private", SAFE_PRIVATE);
	opened("program", SAFE_EXEC);
	refused("good", SAFE_PRIVATE, "may read it (mode 0644)");
	CHECK(strncmp(e.remedy, "chmod go= ", 10) == 0);
	refused("shared", 0, "may write it (mode 0664)");
	CHECK(strncmp(e.remedy, "chmod go-w ", 11) == 0);
	refused("good", SAFE_EXEC, "not executable");
	refused("good", SAFE_DIR, "Not a directory");
	refused("none", 0, "No such file");
	CHECK_INT(e.error, ENOENT);
	refused("good/below", 0, "Not a directory");
	finish();
}

TEST(folders_above)
{
	begin();
	mkdir(at("open"), 0755);
	chmod(at("open"), 0777);
	put("open/file", 0600);
	refused("open/file", 0, "may write this folder (mode 0777)");
	/* Sticky helps only where root owns the folder. */
	chmod(at("open"), 01777);
	if (geteuid() == 0)
		opened("open/file", 0);
	else
		refused("open/file", 0, "may write this folder");
	chmod(at("open"), 0755);
	opened("open/file", 0);
	opened("open", SAFE_DIR);
	refused("open", 0, "not a regular file");
	CHECK_INT(safe_open("relative", 0, SAFE_NOBODY, &e), -1);
	CHECK(strstr(e.text, "not an absolute path") != NULL);
	finish();
}

TEST(symbolic_links)
{
	begin();
	mkdir(at("real"), 0755);
	put("real/file", 0600);
	CHECK(symlink("real", at("way")) == 0);
	CHECK(symlink("file", at("real/last")) == 0);
	CHECK(symlink("loop", at("loop")) == 0);
	CHECK(symlink(at("real/file"), at("absolute")) == 0);
	CHECK(symlink("../real/last", at("real/up")) == 0);
	opened("way/file", 0);
	opened("way/../real/file", 0);
	refused("way/last", 0, "symbolic link");
	opened("way/last", SAFE_FOLLOW);
	opened("absolute", SAFE_FOLLOW);
	opened("real/up", SAFE_FOLLOW);
	refused("loop", SAFE_FOLLOW, "Too many levels");
	refused("loop/x", 0, "Too many levels");
	/* What the link leads through is checked as well. */
	chmod(at("real"), 0775);
	refused("absolute", SAFE_FOLLOW, "may write this folder");
	finish();
}

TEST(other_owners)
{
	begin();
	if (geteuid() != 0) {
		printf("SKIP other_owners: needs root\n");
		finish();
		return;
	}
	put("file", 0600);
	CHECK(chown(at("file"), 12345, 12345) == 0);
	refused("file", 0, "belongs to user 12345");
	CHECK(safe_open(at("file"), 0, 12345, &e) != -1);
	mkdir(at("dir"), 0755);
	put("dir/file", 0600);
	CHECK(chown(at("dir"), 12345, 12345) == 0);
	refused("dir/file", 0, "belongs to user 12345");
	finish();
}

TEST(own_folder)
{
	struct stat	 st;
	uid_t		 u = geteuid();
	gid_t		 g = getegid();
	int		 fd;

	begin();
	CHECK_INT(safe_folder(at("a/b/c"), 0700, u, g, SAFE_NOBODY, 0, &e), -1);
	CHECK_INT(e.error, ENOENT);
	(void)umask(077);
	fd = safe_folder(at("a/b/c"), 0700, u, g, SAFE_NOBODY, 1, &e);
	(void)umask(022);
	CHECK(fd != -1);
	CHECK(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0700);
	close(fd);
	/* Who owns the last one gets there. */
	CHECK(stat(at("a"), &st) == 0 && (st.st_mode & 07777) == 0755);
	CHECK(stat(at("a/b"), &st) == 0 && (st.st_mode & 07777) == 0755);
	fd = safe_folder(at("a/b/c"), 0700, u, g, SAFE_NOBODY, 0, &e);
	CHECK(fd != -1);
	close(fd);
	chmod(at("a/b/c"), 0750);
	CHECK_INT(safe_folder(at("a/b/c"), 0700, u, g, SAFE_NOBODY, 1, &e),
	    -1);
	CHECK(strstr(e.text, "mode is 0750") != NULL);
	CHECK(strncmp(e.remedy, "chmod 0700 ", 11) == 0);
	chmod(at("a/b/c"), 0500);
	CHECK_INT(safe_folder(at("a/b/c"), 0700, u, g, SAFE_NOBODY, 1, &e),
	    -1);
	chmod(at("a/b/c"), 0700);
	CHECK_INT(safe_folder(at("a/b/c"), 0700, u + 1, g, SAFE_NOBODY, 1,
	    &e), -1);
	CHECK(strstr(e.text, "belongs to user") != NULL);
	CHECK(symlink("b", at("a/link")) == 0);
	CHECK_INT(safe_folder(at("a/link"), 0700, u, g, SAFE_NOBODY, 1, &e),
	    -1);
	CHECK(strstr(e.text, "symbolic link") != NULL);
	finish();
}
