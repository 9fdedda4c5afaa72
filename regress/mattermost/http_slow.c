/*
 * What leaves a connection: at once, or a few bytes at a time, or only so
 * many and then the end.
 */
#include "mattermost.h"

#include <err.h>
#include <stdlib.h>

static void
slow_step(evutil_socket_t fd, short what, void *arg)
{
	struct http_conn	*c = arg;
	struct timeval		 tv;
	struct evbuffer		*one;

	(void)fd;
	(void)what;
	if (c->held == NULL || c->is_frozen)
		return;
	if (evbuffer_get_length(c->held) == 0 || c->held_cut == 0) {
		evbuffer_free(c->held);
		c->held = NULL;
		c->held_us = 0;
		if (c->held_cut == 0 || c->is_closing)
			http_close(c);
		c->held_cut = -1;
		return;
	}
	if ((one = evbuffer_new()) == NULL)
		err(1, NULL);
	evbuffer_remove_buffer(c->held, one, 1);
	bufferevent_write_buffer(c->bev, one);
	evbuffer_free(one);
	if (c->held_cut > 0)
		c->held_cut--;
	tv.tv_sec = c->held_us / 1000000;
	tv.tv_usec = c->held_us % 1000000;
	if (c->slow == NULL &&
	    (c->slow = evtimer_new(mm.base, slow_step, c)) == NULL)
		errx(1, "evtimer_new");
	evtimer_add(c->slow, &tv);
}

/* Empties the buffer. */
void
http_send(struct http_conn *c, struct evbuffer *out)
{
	struct evbuffer	*part;

	if (c->is_frozen) {
		evbuffer_drain(out, evbuffer_get_length(out));
		return;
	}
	if (c->held != NULL) {
		evbuffer_add_buffer(c->held, out);
		return;
	}
	if (c->held_us > 0) {
		if ((c->held = evbuffer_new()) == NULL)
			err(1, NULL);
		evbuffer_add_buffer(c->held, out);
		slow_step(-1, 0, c);
		return;
	}
	if (c->held_cut >= 0) {
		if ((part = evbuffer_new()) == NULL)
			err(1, NULL);
		evbuffer_remove_buffer(out, part, c->held_cut);
		bufferevent_write_buffer(c->bev, part);
		evbuffer_free(part);
		evbuffer_drain(out, evbuffer_get_length(out));
		c->held_cut = -1;
		http_close(c);
		return;
	}
	bufferevent_write_buffer(c->bev, out);
}
