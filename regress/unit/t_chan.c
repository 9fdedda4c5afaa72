/*
 * Channels on the event loop: back-pressure, ends, and what a sibling may
 * not do but a control connection may.
 */
#include <poll.h>

#include <event2/event.h>

#include "child.h"

/* Channels.  Both ends are on one event loop unless one is to die. */
struct end {
	struct imsgbuf	 buf;
	struct chan	*chan;
	struct event_base *base;
	int		 seen;
	int		 closed;
	int		 stop_at;	/* leave the loop then */
	int		 free_at;	/* free the channel then */
	int		 echo;
	char		 why[160];
	uint32_t	 last;
};

static void
on_message(struct chan *c, struct imsg *imsg, void *arg)
{
	struct end	*e = arg;

	CHECK(chan_imsgbuf(c) == &e->buf);
	if (imsg->fd != -1)
		close(imsg->fd);
	e->last = imsg->id;
	if (++e->seen == e->stop_at)
		event_base_loopbreak(e->base);
	if (e->echo && chan_send(c, MSG_XON, imsg->id, -1, NULL) == -1)
		abort();
	if (e->seen == e->free_at) {
		chan_free(c);
		e->chan = NULL;
		imsgbuf_clear(&e->buf);
	}
}

static void
on_closed(struct chan *c, const char *why, void *arg)
{
	struct end	*e = arg;

	e->closed++;
	(void)strlcpy(e->why, why, sizeof(e->why));
	chan_free(c);
	e->chan = NULL;
	imsgbuf_clear(&e->buf);
	event_base_loopbreak(e->base);
}

static void
end_make(struct end *e, struct event_base *base, int fd, enum role self,
    enum role peer)
{
	memset(e, 0, sizeof(*e));
	if (imsgbuf_init(&e->buf, fd, self, peer) == -1)
		abort();
	imsgbuf_set_phase(&e->buf, PHASE_RUN);
	e->base = base;
	e->chan = chan_new(base, &e->buf, on_message, on_closed, e);
}

static void
end_free(struct end *e)
{
	chan_free(e->chan);
	imsgbuf_clear(&e->buf);
}

static struct event_base *
base_make(void)
{
	struct event_base	*base;

	if ((base = event_base_new()) == NULL)
		abort();
	return base;
}

TEST(chan_many_messages_both_ways)
{
	static struct msg_patch	 patch;
	struct event_base	*base = base_make();
	struct end		 a, b;
	int			 sv[2], i;
	size_t			 top = 0;

	make_pair(sv);
	end_make(&a, base, sv[0], ROLE_EXECUTOR, ROLE_NETWORK);
	end_make(&b, base, sv[1], ROLE_NETWORK, ROLE_EXECUTOR);
	b.echo = 1;
	memset(patch.post_id, 'a', 26);
	memset(patch.text, 'x', POST_SIZE - 1);
	/* Over five megabytes: the socket fills, the queue is drained. */
	for (i = 0; i < 80; i++) {
		CHECK_INT(chan_send(a.chan, MSG_PATCH, (uint32_t)i, -1, &patch),
		    0);
		if (a.buf.queued > top)
			top = a.buf.queued;
	}
	CHECK(top > 4 * 1024 * 1024);
	a.stop_at = 80;
	event_base_dispatch(base);
	CHECK_INT(b.seen, 80);
	CHECK_INT(a.seen, 80);
	CHECK_INT(a.last, 79);
	CHECK_INT(a.buf.queued, 0);
	/* Nothing is left to do: the writable event is not watched. */
	event_base_loop(base, EVLOOP_NONBLOCK);
	event_base_loop(base, EVLOOP_NONBLOCK);
	CHECK_INT(a.seen, 80);
	end_free(&a);
	end_free(&b);
	CHECK_INT(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 0);
	event_base_free(base);
}

static int
idle_events(struct event_base *base)
{
	return event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED);
}

/* Two events for two channels at rest, three while one has a queue. */
TEST(chan_watches_writable_only_when_needed)
{
	static struct msg_patch	 patch;
	struct event_base	*base = base_make();
	struct end		 a, b;
	int			 sv[2], i;

	make_pair(sv);
	end_make(&a, base, sv[0], ROLE_EXECUTOR, ROLE_NETWORK);
	end_make(&b, base, sv[1], ROLE_NETWORK, ROLE_EXECUTOR);
	memset(patch.post_id, 'a', 26);
	CHECK_INT(idle_events(base), 2);
	CHECK_INT(chan_send(a.chan, MSG_PATCH, 0, -1, &patch), 0);
	CHECK_INT(idle_events(base), 2);
	memset(patch.text, 'x', POST_SIZE - 1);
	for (i = 0; i < 20; i++)
		CHECK_INT(chan_send(a.chan, MSG_PATCH, 0, -1, &patch), 0);
	CHECK_INT(idle_events(base), 3);
	b.stop_at = 21;
	event_base_dispatch(base);
	event_base_loop(base, EVLOOP_NONBLOCK);
	CHECK_INT(idle_events(base), 2);
	end_free(&a);
	end_free(&b);
	event_base_free(base);
}

TEST(chan_free_inside_the_handler)
{
	struct event_base	*base = base_make();
	struct end		 a, b;
	int			 sv[2], i;

	make_pair(sv);
	end_make(&a, base, sv[0], ROLE_NETWORK, ROLE_EXECUTOR);
	end_make(&b, base, sv[1], ROLE_EXECUTOR, ROLE_NETWORK);
	for (i = 0; i < 10; i++)
		CHECK_INT(chan_send(a.chan, MSG_XON, (uint32_t)i, -1, NULL),
		    0);
	b.free_at = 3;
	chan_may_close(a.chan);
	event_base_dispatch(base);
	CHECK_INT(b.seen, 3);
	CHECK(b.chan == NULL);
	CHECK_INT(a.closed, 1);
	event_base_free(base);
}

static void
note_closed(struct chan *c, const char *why, void *arg)
{
	(void)c;
	(void)why;
	++*(int *)arg;
}

/* closed comes once, even to an owner that keeps the channel. */
TEST(chan_closed_is_told_once)
{
	struct event_base	*base = base_make();
	struct imsgbuf		 buf;
	struct chan		*c;
	int			 sv[2], told = 0;

	make_pair(sv);
	CHECK_INT(imsgbuf_init(&buf, sv[0], ROLE_EXECUTOR, ROLE_NETWORK), 0);
	imsgbuf_set_phase(&buf, PHASE_RUN);
	c = chan_new(base, &buf, on_message, note_closed, &told);
	chan_may_close(c);
	close(sv[1]);
	CHECK_INT(chan_send(c, MSG_XON, 0, -1, NULL), -1);
	CHECK_INT(told, 1);
	CHECK_INT(chan_send(c, MSG_XON, 0, -1, NULL), -1);
	event_base_dispatch(base);
	CHECK_INT(told, 1);
	CHECK_INT(idle_events(base), 0);
	chan_free(c);
	imsgbuf_clear(&buf);
	event_base_free(base);
}

/* A control connection is dropped; nobody dies of it. */
TEST(chan_ctl_is_only_dropped)
{
	struct event_base	*base = base_make();
	struct msg_ctl_row	*row;
	struct end		 e;
	int			 sv[2], round, n;

	if ((row = calloc(1, sizeof(*row))) == NULL)
		abort();
	for (round = 0; round < 5; round++) {
		make_pair(sv);
		end_make(&e, base, sv[0], ROLE_EXECUTOR, ROLE_CTL);
		switch (round) {
		case 0:
			close(sv[1]);
			event_base_dispatch(base);
			CHECK_STR(e.why, "closed");
			break;
		case 1:
			CHECK_INT(send(sv[1], "nonsense", 8, 0), 8);
			event_base_dispatch(base);
			CHECK(strstr(e.why, "unknown message") != NULL);
			close(sv[1]);
			break;
		case 2:		/* it never reads: the queue's limit */
			memset(row->json, 'x', LINE_SIZE - 1);
			for (n = 0; n < 1000; n++)
				if (chan_send(e.chan, MSG_CTL_ROW, 0, -1,
				    row) == -1)
					break;
			CHECK(n > 100 && n < 140);
			CHECK_INT(e.closed, 0);
			end_free(&e);
			close(sv[1]);
			continue;
		case 3:		/* it is gone when we answer */
			row->json[1] = '\0';
			close(sv[1]);
			CHECK_INT(chan_send(e.chan, MSG_CTL_ROW, 0, -1, row),
			    -1);
			CHECK_INT(e.closed, 0);
			end_free(&e);
			continue;
		default:	/* what we cannot encode */
			row->json[0] = '\xff';
			CHECK_INT(chan_send(e.chan, MSG_CTL_ROW, 0, -1, row),
			    -1);
			close(sv[1]);
			end_free(&e);
			continue;
		}
		CHECK_INT(e.closed, 1);
		CHECK(e.chan == NULL);
	}
	CHECK_INT(idle_events(base), 0);
	free(row);
	event_base_free(base);
}

/* A request that does not decode: -1 for a control connection. */
TEST(chan_decode_of_ctl)
{
	struct msg_ctl_request	*request;
	struct event_base	*base = base_make();
	struct imsg		 imsg;
	struct end		 e;
	int			 sv[2];

	if ((request = calloc(1, sizeof(*request))) == NULL)
		abort();
	make_pair(sv);
	end_make(&e, base, sv[0], ROLE_EXECUTOR, ROLE_CTL);
	memset(&imsg, 0, sizeof(imsg));
	imsg.type = MSG_CTL_REQUEST;
	imsg.data = (const uint8_t *)"\0\1\0\2hi";
	imsg.len = 6;
	CHECK_INT(chan_decode(e.chan, &imsg, request), 0);
	CHECK_STR(words_get(&request->words, 0), "hi");
	imsg.len = 5;
	CHECK_INT(chan_decode(e.chan, &imsg, request), -1);
	free(request);
	end_free(&e);
	close(sv[1]);
	event_base_free(base);
}

/* What a sibling may not do, each in a process of its own. */
enum deed {
	DEED_CLOSE,
	DEED_CLOSE_IN_ORDER,
	DEED_NONSENSE,
	DEED_WRONG_FIELD,
	DEED_WRONG_WAY,
	DEED_NEVER_READS,
	DEED_SEND_TO_CLOSED,
	DEED_SEND_BAD,
	DEED_COUNT
};

static void
decode_message(struct chan *c, struct imsg *imsg, void *arg)
{
	struct msg_member	 m;

	(void)arg;
	(void)chan_decode(c, imsg, &m);
}

static void
leave_in_order(struct chan *c, const char *why, void *arg)
{
	(void)why;
	(void)arg;
	/* What is sent now goes nowhere, and nobody minds. */
	_exit(chan_send(c, MSG_XON, 0, -1, NULL) == -1 ? 7 : 8);
}

static void
suffer(void *arg)
{
	static struct msg_post	 post;
	static struct imsgbuf	 buf;
	struct event_base	*base = base_make();
	struct chan		*c;
	enum deed		 deed = *(enum deed *)arg;
	int			 i;

	if (imsgbuf_init(&buf, PROC_FD, ROLE_EXECUTOR, ROLE_NETWORK) == -1)
		_exit(98);
	imsgbuf_set_phase(&buf, PHASE_RUN);
	c = chan_new(base, &buf, decode_message, leave_in_order, NULL);
	if (deed == DEED_CLOSE_IN_ORDER)
		chan_may_close(c);
	memset(post.channel_id, 'c', 26);
	memset(post.text, 'x', POST_SIZE - 1);
	if (deed == DEED_NEVER_READS)
		for (i = 0; i < 1000; i++)
			(void)chan_send(c, MSG_POST, 0, -1, &post);
	if (deed == DEED_SEND_TO_CLOSED) {
		(void)poll(&(struct pollfd){ PROC_FD, POLLHUP, 0 }, 1, 5000);
		(void)chan_send(c, MSG_POST, 0, -1, &post);
		_exit(5);
	}
	post.channel_id[3] = 'C';
	if (deed == DEED_SEND_BAD)
		(void)chan_send(c, MSG_POST, 0, -1, &post);
	event_base_dispatch(base);
}

TEST(chan_sibling_is_fatal)
{
	static const struct {
		int		 status;
		const char	*says;
	} ends[DEED_COUNT] = {
		[DEED_CLOSE] = { 1, "network: closed its channel" },
		[DEED_CLOSE_IN_ORDER] = { 7, "" },
		[DEED_NONSENSE] = { 1, "network: unknown message" },
		[DEED_WRONG_FIELD] = { 1,
		    "network: MEMBER with a wrong guest" },
		[DEED_WRONG_WAY] = { 1, "network: ACK from network to executor "
		    "is not theirs to send" },
		[DEED_NEVER_READS] = { 1, "POST to network: queue of" },
		[DEED_SEND_TO_CLOSED] = { 1, "network: closed its channel" },
		[DEED_SEND_BAD] = { 1, "POST to network: wrong channel_id" },
	};
	/* type, flags, id, status, guest */
	uint8_t		 packet[] = { 0, 0, 0, 0, 0, 0, 0, 1, 0, 2 };
	struct child	 c;
	enum deed	 deed;
	int		 sv[2];

	for (deed = 0; deed < DEED_COUNT; deed++) {
		make_pair(sv);
		child_start(&c, suffer, &deed, sv[1]);
		close(sv[1]);
		if (deed == DEED_NONSENSE)
			CHECK_INT(send(sv[0], "nonsense", 8, 0), 8);
		packet[1] = deed == DEED_WRONG_WAY ? MSG_ACK : MSG_MEMBER;
		if (deed == DEED_WRONG_WAY || deed == DEED_WRONG_FIELD)
			CHECK_INT(send(sv[0], packet, sizeof(packet), 0), 10);
		if (deed != DEED_NEVER_READS && deed != DEED_SEND_BAD)
			close(sv[0]);
		CHECK_INT(child_end(&c), ends[deed].status);
		if (strstr(c.text, ends[deed].says) == NULL) {
			CHECK(!"the log names the cause");
			fprintf(stderr, "%d: %s\n", deed, c.text);
		}
		if (deed == DEED_NEVER_READS || deed == DEED_SEND_BAD)
			close(sv[0]);
	}
}
