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

int
main(int argc, char **argv)
{
	h_add_all(&runner);
	return h_main(argc, argv);
}
