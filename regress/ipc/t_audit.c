/* chatops-auditd(8) with a hostile parent and a hostile executor. */
#include "cases.h"

static const struct h_target	 audit = {
	.role = ROLE_AUDIT,
	.program = "../auditd/chatops-auditd",
	.arg0 = "chatops-auditd",
	.peers = { ROLE_EXECUTOR },
	.npeers = 1,
	.files = 1U << FILE_CONF | 1U << FILE_LOG_DIR | 1U << FILE_KEY_DIR,
	.closed = { [ROLE_EXECUTOR] = "executor: closed its channel" }
};

int
main(int argc, char **argv)
{
	/* The longest first: the others run beside it. */
	h.target = &audit;
	h_add(H_SILENCE, H_SETUP, ROLE_PARENT, 0, "set-up not done in");
	h_add_all(&audit);
	return h_main(argc, argv);
}
