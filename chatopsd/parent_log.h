/*
 * Where the lines of a daemon without a terminal go: syslog(3)'s socket,
 * held open from before the confinement on; and systemd's notifications.
 */
#ifndef CHATOPS_PARENT_LOG_H
#define CHATOPS_PARENT_LOG_H

#include <stddef.h>

struct event_base;

/* Connects to the system log.  0, or -1 with errno. */
int	 plog_connect(void);
/*
 * From now on our own standard error and the descriptor that is returned
 * (for the children) lead to the log, and to the old standard error as long
 * as plog_leave_terminal() was not called.  -1 with errno.
 */
int	 plog_begin(void);
void	 plog_leave_terminal(void);
/* Read the pipes on that loop. */
int	 plog_watch(struct event_base *);
/* Pass on what is in the pipes now. */
void	 plog_drain(void);

/*
 * One line of foreign output as it is logged: everything but printable
 * ASCII becomes \xNN; cut to what fits.
 */
void	 plog_escape(char *out, size_t size, const char *, size_t);
/* RFC 5424's severity for a line, by the word that log.c begins it with. */
int	 plog_severity(const char *);

/*
 * sd_notify(3) without its library: opens what NOTIFY_SOCKET names and
 * forgets the variable.  0 (also without one), or -1 with errno.
 */
int	 notify_open(void);
void	 notify_send(const char *);
/* Microseconds of WATCHDOG_USEC that are ours, or 0. */
long long notify_watchdog(void);

#endif
