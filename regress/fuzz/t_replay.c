/*
 * The replay itself: a target that breaks on four bytes must turn it red,
 * and so must a target that hangs and a corpus that is not there.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include "compat.h"
#include "test.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#include "replay.h"

/* The planted fault. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (memmem(data, len, "boom", 4) != NULL)
		abort();
	while (memmem(data, len, "hang", 4) != NULL)
		continue;
	return 0;
}

/* Status of a replay of one file, or of none where text is NULL. */
static int
replay_status(const char *text, long changes, char *said, size_t size)
{
	char	 dir[1024], path[1100];
	const char *tmp = getenv("TMPDIR");
	size_t	 len = 0;
	ssize_t	 n;
	pid_t	 pid;
	int	 p[2], fd, status;

	(void)snprintf(dir, sizeof(dir), "%s/replay.XXXXXXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(dir) == NULL || pipe(p) == -1)
		abort();
	(void)snprintf(path, sizeof(path), "%s/planted", dir);
	if (text != NULL) {
		if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600)) ==
		    -1 || write(fd, text, strlen(text)) == -1)
			abort();
		close(fd);
	}
	if ((pid = fork()) == -1)
		abort();
	if (pid == 0) {
		char	 name[] = "t_x";
		char	*argv[] = { name, path, NULL };

		if (dup2(p[1], STDERR_FILENO) == -1 ||
		    dup2(p[1], STDOUT_FILENO) == -1)
			_exit(99);
		if (changes == -1) {	/* as a user would run it */
			status = replay_main(2, argv);
			fflush(stdout);
			_exit(status);
		}
		(void)signal(SIGABRT, replay_died);
		(void)signal(SIGALRM, replay_died);
		(void)alarm(1);
		(void)replay_folder(dir, changes);
		_exit(0);
	}
	close(p[1]);
	while (len < size - 1 &&
	    (n = read(p[0], said + len, size - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(p[0]);
	if (waitpid(pid, &status, 0) == -1)
		abort();
	(void)unlink(path);
	(void)rmdir(dir);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) :
	    WEXITSTATUS(status);
}

TEST(replay_is_red_on_the_planted_fault)
{
	char	 said[1024];

	CHECK_INT(replay_status("abc boom abc", 0, said, sizeof(said)),
	    1000 + SIGABRT);
	CHECK_STR(said, "FAILED on planted\n");
	/* One bit away: the changes of a file find it. */
	CHECK_INT(replay_status("bnom", 100000, said, sizeof(said)),
	    1000 + SIGABRT);
	CHECK(strncmp(said, "FAILED on planted, change ", 26) == 0);
	CHECK_INT(replay_status("hang", 0, said, sizeof(said)),
	    1000 + SIGALRM);
	CHECK_INT(replay_status("boom", -1, said, sizeof(said)),
	    1000 + SIGABRT);
}

TEST(replay_is_green_without)
{
	char	 said[1024];

	CHECK_INT(replay_status("bang", 0, said, sizeof(said)), 0);
	CHECK_INT(replay_status("bang", -1, said, sizeof(said)), 0);
	CHECK_STR(said, "1 passed, 0 failed\n");
}

TEST(replay_wants_a_corpus)
{
	char	 said[1024];

	CHECK_INT(replay_status(NULL, 0, said, sizeof(said)), 2);
	CHECK(strstr(said, "no corpus") != NULL);
	CHECK_INT(replay_status(NULL, -1, said, sizeof(said)), 2);
}
