/* What the files of chatopsctl(8) share. */
#ifndef CHATOPS_CTL_H
#define CHATOPS_CTL_H

#include "conf.h"

/*
 * ctl_audit.c: "audit verify|head|tail"; argv[0] is the word after "audit".
 * conf is NULL where there is no readable configuration.  Exit status.
 */
int	 ctl_audit(const struct conf *, int argc, char **argv, int json);

#endif
