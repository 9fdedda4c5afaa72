/*
 * chatops-network(8): the process that reads what strangers wrote.  A
 * program of its own, so that the parent, which is root where it can be,
 * loads neither libcurl nor a TLS library.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chatopsd.h"

static __dead void
usage(void)
{
	(void)fprintf(stderr, "usage: chatops-network [-v] -x network\n"
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
			verbose = 1;
			break;
		case 'x':
			role = optarg;
			break;
		default:
			usage();
		}
	}
	if (argc != optind || role == NULL || strcmp(role, "network") != 0)
		usage();
	setproctitle("network");
	network_main(verbose);
}
