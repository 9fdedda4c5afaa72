/*
 * The drivers of this folder against processes with a planted fault: each
 * must be found.  This program plays them, too; the role says which fault.
 */
#include <event2/event.h>

#include "cases.h"
#include "log.h"

/* One case of each kind that a process in PHASE_RUN can meet. */
static size_t
few_cases(void)
{
	h_ncases = 0;
	h_add(H_SENDER, H_RUN, ROLE_PARENT, MSG_READY, "not theirs to send");
	h_add(H_PHASE, H_RUN, ROLE_PARENT, MSG_DONE, "after set-up");
	h_add(H_LONG, H_RUN, ROLE_PARENT, MSG_STOP, "is too long");
	h_add(H_FD_UNWANTED, H_RUN, ROLE_PARENT, MSG_STOP, "not due");
	h_add(H_UNKNOWN, H_RUN, ROLE_PARENT, MSG_COUNT, "unknown message");
	h_add(H_CLOSE, H_RUN, ROLE_PARENT, 0, "closed its channel");
	return h_ncases;
}

static const struct h_target	 targets[] = {
	{ .role = ROLE_AUDIT, .program = "ipc/t_teeth", .arg0 = "deaf" },
	{ .role = ROLE_NETWORK, .program = "ipc/t_teeth", .arg0 = "silent" },
	{ .role = ROLE_EXECUTOR, .program = "ipc/t_teeth", .arg0 = "content" },
	{ .role = ROLE_RUNNER, .program = "ipc/t_teeth", .arg0 = "orphans" }
};

static void
end_content(void)
{
	_exit(0);
}

static void
take_all(struct chan *c, struct imsg *imsg, void *arg)
{
	(void)c;
	(void)imsg;
	(void)arg;
}

/* The victim: right in everything but one. */
static __dead void
play(enum role role)
{
	struct event_base	*base;
	struct msg_ready	 ready;
	struct proc		 p;
	int			 null;

	log_init("planted", 0);
	proc_setup(&p, role, 0);
	memset(&ready, 0, sizeof(ready));
	proc_ready(&p, &ready);
	switch (role) {
	case ROLE_AUDIT:	/* takes no notice of anything */
		for (;;)
			pause();
	case ROLE_NETWORK:	/* ends, but does not say why */
		if ((null = open("/dev/null", O_WRONLY)) == -1 ||
		    dup2(null, STDERR_FILENO) == -1)
			_exit(99);
		break;
	case ROLE_EXECUTOR:	/* ends as if nothing had happened */
		if (atexit(end_content) != 0)
			_exit(99);
		break;
	default:		/* leaves somebody behind */
		if (fork() == 0) {
			(void)alarm(20);
			for (;;)
				pause();
		}
	}
	if ((base = event_base_new()) == NULL)
		_exit(99);
	(void)chan_new(base, &p.parent, take_all, NULL, NULL);
	event_base_dispatch(base);
	_exit(99);
}

int
main(int argc, char **argv)
{
	size_t	 i, n, found, passed = 0;

	if (argc == 3 && strcmp(argv[1], "-x") == 0)
		play((enum role)role_parse(argv[2]));
	h_wait_ms = 400;
	h_is_quiet = 1;
	n = few_cases();
	if (h_folder_above(argv[0]) == -1)
		return 2;
	for (i = 0; i < nitems(targets); i++) {
		h.target = &targets[i];
		found = h_run_all();
		if (found == n) {
			passed++;
			continue;
		}
		fprintf(stderr, "%s: %zu of %zu cases found the fault\n",
		    targets[i].arg0, found, n);
	}
	printf("%zu passed, %zu failed\n", passed, nitems(targets) - passed);
	return passed != nitems(targets);
}
