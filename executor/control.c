/*
 * The control socket.  The kernel says who is at the other end and lets
 * nobody connect whom the socket's mode keeps out; nobody can hold more than
 * a few connections, nor any of them for long.
 */
#include <sys/socket.h>
#include <sys/queue.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "control.h"
#include "imsg.h"
#include "log.h"
#include "monotime.h"
#include "proc.h"
#include "sys.h"

#define CONTROL_TIMEOUT_S	120
#define CONTROL_TELL_MS		60000	/* between lines about refused calls */

struct client {
	TAILQ_ENTRY(client) entry;
	struct control	*control;
	uint32_t	 number;
	uid_t		 uid;
	struct imsgbuf	 buf;
	struct chan	*chan;
	struct event	*timeout;
	int		 has_ended;
};

struct control {
	struct event_base *base;
	struct executor	*core;
	struct event	*accept;
	int		 fd;
	uint32_t	 last;
	size_t		 n;
	monotime_t	 told;		/* when a refused call was logged */
	int		 has_told;
	TAILQ_HEAD(, client) clients;
};

static void
client_free(struct client *cl)
{
	struct control	*c = cl->control;

	TAILQ_REMOVE(&c->clients, cl, entry);
	c->n--;
	executor_ctl_closed(c->core, cl->number);
	event_free(cl->timeout);
	chan_free(cl->chan);
	imsgbuf_clear(&cl->buf);
	free(cl);
}

static void
client_closed(struct chan *chan, const char *why, void *arg)
{
	struct client	*cl = arg;

	(void)chan;
	if (why != NULL && *why != '\0')
		log_debug("chatopsctl of uid %u: %s", cl->uid, why);
	client_free(cl);
}

static void
client_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct client	*cl = arg;

	(void)fd;
	(void)what;
	log_info("chatopsctl of uid %u: took too long: its connection is "
	    "closed after %d s", cl->uid, CONTROL_TIMEOUT_S);
	client_free(cl);
}

static void
client_hello(struct client *cl, const struct imsg *imsg)
{
	struct msg_ctl_hello	 hello;
	struct msg_ctl_end	 end;

	if (chan_decode(cl->chan, imsg, &hello) == -1) {
		client_free(cl);
		return;
	}
	if (strcmp(hello.build, build_id) != 0) {
		memset(&end, 0, sizeof(end));
		end.exit = 2;
		(void)strlcpy(end.error, "chatopsctl and the daemon are not of "
		    "the same build: install both, then restart the daemon",
		    sizeof(end.error));
		cl->has_ended = 1;
		if (chan_send(cl->chan, MSG_CTL_END, imsg->id, -1,
		    &end) == -1)
			client_free(cl);
		return;
	}
	(void)strlcpy(hello.build, build_id, sizeof(hello.build));
	if (chan_send(cl->chan, MSG_CTL_HELLO, imsg->id, -1, &hello) == -1) {
		client_free(cl);
		return;
	}
	imsgbuf_set_phase(&cl->buf, PHASE_RUN);
}

static void
client_message(struct chan *chan, struct imsg *imsg, void *arg)
{
	struct client			*cl = arg;
	static struct msg_ctl_request	 request;

	if (imsg->fd != -1)
		(void)sys_close(imsg->fd);
	if (imsg->type == MSG_CTL_HELLO) {
		client_hello(cl, imsg);
		return;
	}
	if (imsg->type != MSG_CTL_REQUEST || cl->has_ended ||
	    chan_decode(chan, imsg, &request) == -1) {
		client_free(cl);
		return;
	}
	executor_ctl_request(cl->control->core, cl->number, cl->uid,
	    imsg->id, &request);
}

void
control_send(struct control *c, uint32_t number, enum msg_type type,
    uint32_t id, const void *payload)
{
	struct client	*cl;

	TAILQ_FOREACH(cl, &c->clients, entry)
		if (cl->number == number)
			break;
	if (cl == NULL || cl->has_ended)
		return;
	if (type == MSG_CTL_END)
		cl->has_ended = 1;
	/* One who does not read is found by the time-out. */
	if (chan_send(cl->chan, type, id, -1, payload) == -1)
		cl->has_ended = 1;
}

static int
client_may_come(const struct control *c, const struct ucred *cred)
{
	const struct client	*cl;
	size_t			 n = 0;

	TAILQ_FOREACH(cl, &c->clients, entry)
		n += cl->uid == cred->uid;
	return c->n < CONTROL_MAX && n < CONTROL_PER_UID;
}

/* Who calls in a loop must not fill the log. */
static void
control_tell(struct control *c, const struct ucred *cred)
{
	monotime_t	 now = monotime_now();

	if (c->has_told && monotime_sub(now, c->told) < CONTROL_TELL_MS)
		return;
	c->has_told = 1;
	c->told = now;
	log_warnx("control socket: a call of uid %u was turned away: %zu "
	    "connections are open; at most %d of one user, %d in all, may be; "
	    "end those that do nothing", (unsigned int)cred->uid, c->n,
	    CONTROL_PER_UID, CONTROL_MAX);
}

static void
client_new(struct control *c, int fd, const struct ucred *cred)
{
	static const struct timeval	 tv = { CONTROL_TIMEOUT_S, 0 };
	struct client			*cl;

	if ((cl = calloc(1, sizeof(*cl))) == NULL ||
	    imsgbuf_init(&cl->buf, fd, ROLE_EXECUTOR, ROLE_CTL) == -1) {
		log_warn("a call on the control socket");
		(void)sys_close(fd);
		free(cl);
		return;
	}
	cl->control = c;
	cl->uid = cred->uid;
	cl->number = ++c->last;
	TAILQ_INSERT_TAIL(&c->clients, cl, entry);
	c->n++;
	cl->chan = chan_new(c->base, &cl->buf, client_message, client_closed,
	    cl);
	if ((cl->timeout = evtimer_new(c->base, client_timeout, cl)) == NULL ||
	    evtimer_add(cl->timeout, &tv) == -1)
		fatalx("control socket: no timer");
}

static void
control_accept(evutil_socket_t listen_fd, short what, void *arg)
{
	struct control	*c = arg;
	struct ucred	 cred;
	socklen_t	 len = sizeof(cred);
	int		 fd;

	(void)what;
	fd = sys_accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1) {
		if (errno != EAGAIN && errno != EINTR &&
		    errno != ECONNABORTED)
			log_warn("control socket");
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1 ||
	    len != sizeof(cred) || cred.uid == (uid_t)-1) {
		log_debug("control socket: a call of nobody was turned away");
		(void)sys_close(fd);
		return;
	}
	if (!client_may_come(c, &cred)) {
		control_tell(c, &cred);
		(void)sys_close(fd);
		return;
	}
	client_new(c, fd, &cred);
}

struct control *
control_new(struct event_base *base, struct executor *core, int fd)
{
	struct control	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal("calloc");
	c->base = base;
	c->core = core;
	c->fd = fd;
	TAILQ_INIT(&c->clients);
	if (evutil_make_socket_nonblocking(fd) == -1 ||
	    (c->accept = event_new(base, fd, EV_READ | EV_PERSIST,
	    control_accept, c)) == NULL || event_add(c->accept, NULL) == -1)
		fatalx("control socket: no event");
	return c;
}

void
control_free(struct control *c)
{
	if (c == NULL)
		return;
	while (!TAILQ_EMPTY(&c->clients))
		client_free(TAILQ_FIRST(&c->clients));
	event_free(c->accept);
	(void)sys_close(c->fd);
	free(c);
}
