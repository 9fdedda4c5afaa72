/* chatops-auditd(8): the process that remembers, and can only append. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auditd.h"

static __dead void
usage(void)
{
	(void)fprintf(stderr, "usage: chatops-auditd [-v] -x audit\n"
	    "       (started by chatopsd(8) only)\n");
	exit(2);
}

int
main(int argc, char **argv)
{
	const char	*role = NULL;
	int		 ch, verbose = 0;

	while ((ch = getopt(argc, argv, "vx:")) != -1) {
		switch (ch) {
		case 'v':
			verbose++;
			break;
		case 'x':
			role = optarg;
			break;
		default:
			usage();
		}
	}
	if (argc != optind || role == NULL || strcmp(role, "audit") != 0)
		usage();
	setproctitle("audit");
	auditd_main(verbose);
}
