/* chatops-executor -x executor among hostile siblings. */
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

int
main(int argc, char **argv)
{
	h_add_all(&executor);
	return h_main(argc, argv);
}
