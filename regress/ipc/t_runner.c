/* chatops-executor -x runner with a hostile parent and executor. */
#include "cases.h"

static const struct h_target	 runner = {
	.role = ROLE_RUNNER,
	.program = "../executor/chatops-executor",
	.arg0 = "chatops-executor",
	.peers = { ROLE_EXECUTOR },
	.npeers = 1,
	.files = 1U << FILE_CONF | 1U << FILE_ALLOWLIST | 1U << FILE_BASE_DIR,
	/* It ends its scripts and waits for the parent. */
	.closed = { [ROLE_EXECUTOR] = NULL }
};

/* A script that has children of its own and ignores what it can. */
static void
start_job(void)
{
	static const char	 text[] = "#!/bin/sh\n"
	    "trap '' TERM HUP INT\n"
	    "sleep 1000 & (sleep 1000 & sleep 1000) &\n"
	    "echo up\nsleep 1000\nsleep 1000\n";
	static uint8_t		 p[H_PACKET_MAX];
	char			 path[256];
	size_t			 n;
	int			 fd;

	h_reach(H_RUN);
	(void)snprintf(path, sizeof(path), "%s/base/wait", h.dir);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (fd == -1 || write(fd, text, strlen(text)) == -1 ||
	    fchmod(fd, 0755) == -1)
		h_fail("%s: %s", path, strerror(errno));
	close(fd);
	n = h_packet(p, MSG_JOB_START, 0);
	p[IMSG_HEADER_SIZE + 8 + 4 + 7] = 1;	/* generation */
	h_raw(h.seat[ROLE_EXECUTOR], p, n, 0);
	h_expect(ROLE_EXECUTOR, MSG_JOB_STARTED);
}

static void
job_then_bad_executor(void)
{
	static uint8_t	 p[H_PACKET_MAX];

	start_job();
	h_raw(h.seat[ROLE_EXECUTOR], p, h_header(p, MSG_COUNT, 0, 0), 0);
	h_must_die("unknown message type", h_wait_ms);
}

static void
job_then_parent_gone(void)
{
	start_job();
	shutdown(h.seat[ROLE_PARENT], SHUT_RDWR);
	h_must_die("parent: closed its channel", h_wait_ms);
}

static void
job_twice(void)
{
	static uint8_t	 p[H_PACKET_MAX];
	size_t		 n;

	start_job();
	n = h_packet(p, MSG_JOB_START, 0);
	p[IMSG_HEADER_SIZE + 8 + 4 + 7] = 1;
	h_raw(h.seat[ROLE_EXECUTOR], p, n, 0);
	h_must_die("starts a job that runs already", h_wait_ms);
}

static void
job_then_killed(void)
{
	start_job();
	(void)kill(h.pid, SIGKILL);
	if (!h_is_dead(h_wait_ms))
		h_fail("it lives");
	h_nobody_left();
}

static void
commit_of_nothing(void)
{
	h_reach(H_RUN);
	h_good(ROLE_PARENT, MSG_CONF_COMMIT);
	h_must_die("parent: ", h_wait_ms);
}

/* Documented: without an executor it ends the scripts, not itself. */
static void
executor_gone(void)
{
	start_job();
	shutdown(h.seat[ROLE_EXECUTOR], SHUT_RDWR);
	h_must_live(200);
	h_good(ROLE_PARENT, MSG_STOP);
	if (!h_is_dead(20000))
		h_fail("it does not stop");
	if (!WIFEXITED(h.status) || WEXITSTATUS(h.status) != 0)
		h_fail("it ended with status 0x%x", h.status);
	h_nobody_left();
}

int
main(int argc, char **argv)
{
	h.target = &runner;
	/* The grace after TERM is long: first, beside the others. */
	h_add_own("the executor goes while a script runs", executor_gone);
	h_add_own("an unknown message while a script runs",
	    job_then_bad_executor);
	h_add_own("the parent goes while a script runs",
	    job_then_parent_gone);
	h_add_own("the same job twice", job_twice);
	h_add_own("killed while a script runs", job_then_killed);
	h_add_own("a commit of what was not given", commit_of_nothing);
	h_add_all(&runner);
	return h_main(argc, argv);
}
