/* The runner's process: what runs, as what, and what is said about it. */
#include "rig.h"

static struct result	 res;

#define SH	"#!/bin/sh\n"

static void
check_exited(int status)
{
	CHECK_INT(res.exit.how, JOB_END_EXITED);
	CHECK_INT(res.exit.status, status);
	if (res.exit.how == JOB_END_REFUSED)
		fprintf(stderr, "refused at %s: %s\n", res.exit.step,
		    res.exit.error);
}

BOTH(statuses)
{
	static const int	 codes[] = { 0, 1, 2, 125, 126, 127, 128, 255 };
	struct rig		 r;
	char			 text[64], name[8];
	size_t			 i;

	rig_new(&r);
	for (i = 0; i < nitems(codes); i++) {
		snprintf(name, sizeof(name), "s%zu", i);
		snprintf(text, sizeof(text), SH "echo $$; exit %d\n",
		    codes[i]);
		rig_script(&r, name, "", text);
	}
	CHECK_INT(rig_start(&r), 0);
	for (i = 0; i < nitems(codes); i++) {
		rig_run(&r, &res, (uint32_t)i);
		check_exited(codes[i]);
		CHECK_STR(res.out, "2\n");
	}
	rig_stop(&r);
}
