/* What the files of chatopsd(8) share. */
#ifndef CHATOPS_CHATOPSD_H
#define CHATOPS_CHATOPSD_H

#include "compat.h"

/*
 * network.c: the whole network process, chatops-network -x network
 * with its channel as descriptor 3.  Ends with 0 after MSG_STOP.
 */
__dead void	 network_main(int verbose);

#endif
