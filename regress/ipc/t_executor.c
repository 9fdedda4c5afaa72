/*
 * chatops-executor -x executor among hostile siblings, and with a hostile
 * chatopsctl, which is only dropped.
 */
#include "cases.h"

static const struct h_target	 executor = {
	.role = ROLE_EXECUTOR,
	.program = "../executor/chatops-executor",
	.arg0 = "chatops-executor",
	.peers = { ROLE_NETWORK, ROLE_RUNNER, ROLE_AUDIT },
	.npeers = 3,
	.files = 1U << FILE_CONF | 1U << FILE_ALLOWLIST | 1U << FILE_DATA_DIR |
	    1U << FILE_CONTROL,
	.closed = {
		[ROLE_NETWORK] = "network: closed its channel",
		[ROLE_RUNNER] = "runner: closed its channel",
		[ROLE_AUDIT] = "audit: closed its channel"
	}
};

/* A call on the control socket; greeted or not. */
static void
call(int is_greeted)
{
	struct sockaddr_un	 sun;
	int			 s;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/ctl", h.dir);
	if ((s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) == -1 ||
	    connect(s, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		h_fail("%s: %s", sun.sun_path, strerror(errno));
	h.seat[ROLE_CTL] = s;
	if (!is_greeted)
		return;
	h_good(ROLE_CTL, MSG_CTL_HELLO);
	h_expect(ROLE_CTL, MSG_CTL_HELLO);
}

/* It hangs up on us, without a word. */
static void
must_hang_up(const char *what)
{
	struct pollfd	 pfd = { h.seat[ROLE_CTL], POLLIN, 0 };
	uint8_t		 byte;
	ssize_t		 n;

	if (poll(&pfd, 1, (int)h_wait_ms) != 1)
		h_fail("%s: the call goes on", what);
	n = recv(h.seat[ROLE_CTL], &byte, 1, 0);
	if (n > 0)
		h_fail("%s: it has an answer", what);
	close(h.seat[ROLE_CTL]);
	if (h_is_dead(0))
		h_fail("%s: it ended with status 0x%x", what, h.status);
}

static void
bad_call(int type, enum h_wrong wrong, int is_greeted)
{
	struct h_case	 c;
	char		 what[128];

	memset(&c, 0, sizeof(c));
	c.wrong = wrong;
	c.from = ROLE_CTL;
	c.n = type;
	(void)snprintf(what, sizeof(what), "type %d, wrong %d, %s", type,
	    (int)wrong, is_greeted ? "greeted" : "not greeted");
	call(is_greeted);
	h_do_packet(&c);
	must_hang_up(what);
}

static void
ctl_is_only_dropped(void)
{
	static const enum h_wrong	 wrongs[] = { H_SHORT, H_LONG, H_FIELD,
	    H_LEFT_OVER, H_FD_UNWANTED, H_FD_TWO, H_FLAGS, H_HEADER, H_EMPTY };
	static const int		 unknown[] = { 0, MSG_COUNT, 65535 };
	size_t				 i;
	int				 type;

	h_reach(H_RUN);
	for (type = 1; type < MSG_COUNT; type++) {
		if (type != MSG_CTL_HELLO)
			bad_call(type, H_SENDER, 0);
		if (type != MSG_CTL_REQUEST)
			bad_call(type, H_SENDER, 1);
	}
	for (i = 0; i < nitems(wrongs); i++) {
		/* A greeting has one length, a request has many. */
		if (wrongs[i] != H_LEFT_OVER)
			bad_call(MSG_CTL_HELLO, wrongs[i], 0);
		bad_call(MSG_CTL_REQUEST, wrongs[i], 1);
	}
	for (i = 0; i < nitems(unknown); i++) {
		bad_call(unknown[i], H_UNKNOWN, 0);
		bad_call(unknown[i], H_UNKNOWN, 1);
	}
	/* After all that a good one is answered. */
	call(1);
	h_good(ROLE_CTL, MSG_CTL_REQUEST);
	h_expect(ROLE_CTL, MSG_CTL_END);
	h_must_live(50);
	h_clean();
}

static void
ctl_of_another_build(void)
{
	static uint8_t	 p[H_PACKET_MAX];
	size_t		 n;

	h_reach(H_RUN);
	call(0);
	n = h_packet(p, MSG_CTL_HELLO, 0);
	p[n - 1] = p[n - 1] == '0' ? '1' : '0';
	h_raw(h.seat[ROLE_CTL], p, n, 0);
	h_expect(ROLE_CTL, MSG_CTL_END);
	h_must_live(50);
	h_clean();
}

/* What the runner says of jobs that were never started. */
static void
exit_of_no_job(void)
{
	h_reach(H_RUN);
	h_good(ROLE_RUNNER, MSG_JOB_EXIT);
	h_must_die("runner", h_wait_ms);
}

static void
start_of_no_job(void)
{
	h_reach(H_RUN);
	h_good(ROLE_RUNNER, MSG_JOB_STARTED);
	h_must_die("runner", h_wait_ms);
}

static void
commit_of_nothing(void)
{
	h_reach(H_RUN);
	h_good(ROLE_PARENT, MSG_CONF_COMMIT);
	h_must_die("parent: ", h_wait_ms);
}

int
main(int argc, char **argv)
{
	h_add_all(&executor);
	h_add_own("a hostile chatopsctl", ctl_is_only_dropped);
	h_add_own("a chatopsctl of another build", ctl_of_another_build);
	h_add_own("the end of no job", exit_of_no_job);
	h_add_own("the start of no job", start_of_no_job);
	h_add_own("a commit of what was not given", commit_of_nothing);
	return h_main(argc, argv);
}
