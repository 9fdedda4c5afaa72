/*
 * The control socket: who calls, how many at once, greeting, one request.
 * What a request does is in the core (ctl_server.c).
 */
#ifndef EXECUTOR_CONTROL_H
#define EXECUTOR_CONTROL_H

#include "executor.h"

#define CONTROL_MAX		16	/* connections in all */
#define CONTROL_PER_UID		4	/* of one user */

struct control;
struct event_base;

/* Takes the listening socket over. */
struct control	*control_new(struct event_base *, struct executor *,
		    int listen_fd);
void		 control_free(struct control *);
/* An unknown number is one who hung up: ignored. */
void		 control_send(struct control *, uint32_t client,
		    enum msg_type, uint32_t id, const void *payload);

#endif
