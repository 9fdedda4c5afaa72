/*
 * chatops-executor(8): two roles of one program.  Started by chatopsd(8)
 * only.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "executor.h"

static __dead void
usage(void)
{
	(void)fprintf(stderr, "usage: chatops-executor [-v] -x runner\n"
	    "It is started by chatopsd(8).\n");
	_exit(2);
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
	if (role == NULL || optind != argc || strcmp(role, "runner") != 0)
		usage();
	return runner_main(verbose);
}
