/*
 * Logging in the manner of OpenBSD's daemons.  Every line goes to standard
 * error with the process's name; foreign bytes are made visible, so a line
 * is always one line.  errno survives every call but fatal's.
 */
#ifndef CHATOPS_LOG_H
#define CHATOPS_LOG_H

#include <stdarg.h>

#include "compat.h"

void	 log_init(const char *procname, int verbose);
int	 log_verbose(void);
void	 log_warn(const char *, ...) __attribute__((__format__(printf, 1, 2)));
void	 log_warnx(const char *, ...) __attribute__((__format__(printf, 1, 2)));
void	 log_info(const char *, ...) __attribute__((__format__(printf, 1, 2)));
void	 log_debug(const char *, ...) __attribute__((__format__(printf, 1, 2)));
__dead void	 fatal(const char *, ...)
		    __attribute__((__format__(printf, 1, 2)));
__dead void	 fatalx(const char *, ...)
		    __attribute__((__format__(printf, 1, 2)));

#endif
