/* chatops-network with a hostile parent and a hostile executor. */
#include "cases.h"

static const struct h_target	 network = {
	.role = ROLE_NETWORK,
	.program = "../chatopsd/chatops-network",
	.arg0 = "chatopsd",
	.peers = { ROLE_EXECUTOR },
	.npeers = 1,
	.files = 1U << FILE_CONF | 1U << FILE_TOKEN,
	/* After a while: the parent's STOP may be on its way. */
	.closed = { [ROLE_EXECUTOR] = "executor: closed its channel" }
};

/* A token that could add a header line. */
static void
bad_token(void)
{
	h_reach(H_SETUP);
	h_give_all(-1, FILE_TOKEN);
	h_give_file(FILE_TOKEN, h_memfd("abcdefgh\r\nHost: x"));
	h_say(MSG_DONE, NULL, -1);
	h_must_die("the token is malformed", H_WAIT_MS);
}

/* An executor that asks and never reads: the queue has an end. */
static void
flood(void)
{
	static uint8_t	 p[H_PACKET_MAX];
	struct pollfd	 pfd;
	size_t		 n;
	long		 i;

	h_reach(H_RUN);
	n = h_packet(p, MSG_LOOKUP_USER, H_ID);
	pfd.fd = h.seat[ROLE_EXECUTOR];
	pfd.events = POLLOUT;
	for (i = 0; i < 2000000; i++) {
		if (send(pfd.fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) != -1)
			continue;
		if (errno != EAGAIN || poll(&pfd, 1, H_WAIT_MS) == 0)
			break;
	}
	h_must_die("USER to executor: queue of", H_WAIT_MS);
	h_clean();
}

int
main(int argc, char **argv)
{
	h_add_all(&network);
	h_add_own("a token with a line end", bad_token);
	h_add_own("a flood of questions", flood);
	return h_main(argc, argv);
}
