/*
 * What the bot says in a channel: answers, reactions, and results that must
 * ping nobody (a harmless post first, then its text by an edit: editing
 * notifies nobody).
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "log.h"

enum say_step {
	SAY_POST,		/* make the placeholder */
	SAY_PATCH,		/* put the text into it */
	SAY_UPLOAD,
	SAY_FILE		/* a post that carries the file */
};

#define SAY_TRIES	5
#define SAY_RETRY_MS	60000

static void	say_step(struct executor *, struct delivery *);

size_t
say_max(const struct executor *x)
{
	/* The smallest limit that servers of our time have. */
	return x->net.max_post == 0 ? 4000 : x->net.max_post;
}

static void
say_result(struct executor *x, void *arg, const void *answer)
{
	const struct msg_net_result	*m = answer;

	(void)arg;
	if (m != NULL && m->result == RESULT_OK)
		return;
	x->undelivered++;
	log_warnx("an answer was not delivered: %s",
	    m == NULL ? "no result in time" : m->error);
}

/* Cut to the server's limit at a border of characters. */
static void
say_cut(struct executor *x, char *out, size_t size, const char *text)
{
	static const char	 mark[] = "\n... (truncated)";
	size_t			 len = strlen(text), max = say_max(x), room;

	room = size - sizeof(mark);
	if (utf8_runes(text, len) > max || len > room) {
		max = max > sizeof(mark) ? max - sizeof(mark) : 1;
		len = utf8_cut(text, len, max);
		while (len > room)
			len = utf8_valid(text, room);
		memcpy(out, text, len);
		memcpy(out + len, mark, sizeof(mark));
		return;
	}
	memcpy(out, text, len + 1);
}

void
say(struct executor *x, const char *channel_id, const char *root_id,
    const char *text)
{
	struct msg_post	*m = &x->m_post;

	memset(m, 0, offsetof(struct msg_post, text));
	(void)strlcpy(m->channel_id, channel_id, sizeof(m->channel_id));
	(void)strlcpy(m->root_id, root_id, sizeof(m->root_id));
	say_cut(x, m->text, sizeof(m->text), text);
	ask_net(x, MSG_POST, -1, m, say_result, NULL);
}

void
say_buf(struct executor *x, const char *channel_id, const char *root_id,
    struct buf *b)
{
	buf_put_u8(b, 0);
	if (buf_error(b) != 0)
		say(x, channel_id, root_id, "the answer is too long to be "
		    "shown");
	else
		say(x, channel_id, root_id, (const char *)b->data);
}

static void
react_result(struct executor *x, void *arg, const void *answer)
{
	const struct msg_net_result	*m = answer;

	(void)x;
	(void)arg;
	if (m == NULL || m->result != RESULT_OK)
		log_debug("a reaction was not set: %s",
		    m == NULL ? "no result in time" : m->error);
}

void
say_react(struct executor *x, const char *post_id, const char *emoji, int add)
{
	struct msg_react	 m;

	memset(&m, 0, sizeof(m));
	(void)strlcpy(m.post_id, post_id, sizeof(m.post_id));
	(void)strlcpy(m.emoji, emoji, sizeof(m.emoji));
	m.add = add != 0;
	ask_net(x, MSG_REACT, -1, &m, react_result, NULL);
}

static void
delivery_free(struct executor *x, struct delivery *d)
{
	TAILQ_REMOVE(&x->deliveries, d, entry);
	free(d->holder);
	free(d->text);
	buf_free(&d->file);
	free(d);
}

static void
delivery_end(struct executor *x, struct delivery *d, int ok)
{
	void	(*done)(struct executor *, void *, int, const char *);
	void	*arg = d->arg;
	char	 post_id[ID_SIZE];

	done = d->done;
	(void)strlcpy(post_id, d->post_id, sizeof(post_id));
	if (!ok) {
		x->undelivered++;
		log_warnx("a result was not delivered");
		/* The text is there; it is only cut. */
		if (d->step >= SAY_UPLOAD)
			say(x, d->channel_id, d->root_id,
			    "The whole output could not be attached.");
	}
	delivery_free(x, d);
	if (done != NULL)
		done(x, arg, ok, post_id);
	job_stop_check(x);
}

/* Refused for good: a post that was deleted is replaced once. */
static void
delivery_refused(struct executor *x, struct delivery *d,
    const struct msg_net_result *m)
{
	log_warnx("the server refused a result: %s", m->error);
	if (d->step == SAY_PATCH && ++d->tries < SAY_TRIES) {
		d->post_id[0] = '\0';
		d->step = SAY_POST;
		say_step(x, d);
	} else
		delivery_end(x, d, 0);
}

static void
delivery_next(struct executor *x, struct delivery *d, const char *id)
{
	switch (d->step) {
	case SAY_POST:
		if (!text_is_id(id)) {
			delivery_end(x, d, 0);
			return;
		}
		(void)strlcpy(d->post_id, id, sizeof(d->post_id));
		d->step = SAY_PATCH;
		break;
	case SAY_PATCH:
		if (d->file.len == 0) {
			delivery_end(x, d, 1);
			return;
		}
		d->step = SAY_UPLOAD;
		break;
	case SAY_UPLOAD:
		if (!text_is_id(id)) {
			delivery_end(x, d, 0);
			return;
		}
		(void)strlcpy(x->m_post.file_id, id,
		    sizeof(x->m_post.file_id));
		d->step = SAY_FILE;
		break;
	default:
		delivery_end(x, d, 1);
		return;
	}
	say_step(x, d);
}

static void
delivery_result(struct executor *x, void *arg, const void *answer)
{
	const struct msg_net_result	*m = answer;
	struct delivery			*d = arg;

	if (m != NULL && m->result == RESULT_OK)
		delivery_next(x, d, m->id);
	else if (m != NULL && m->result == RESULT_REFUSED)
		delivery_refused(x, d, m);
	else if (++d->tries >= SAY_TRIES)
		delivery_end(x, d, 0);
	else {
		/* A file id may be gone by then: upload anew. */
		if (d->step == SAY_FILE)
			d->step = SAY_UPLOAD;
		d->retry = monotime_add(core_mono(x), SAY_RETRY_MS);
		core_wake(x, d->retry);
	}
}

static void
say_post(struct executor *x, struct delivery *d, const char *text)
{
	struct msg_post	*m = &x->m_post;

	if (d->step == SAY_POST)
		m->file_id[0] = '\0';
	(void)strlcpy(m->channel_id, d->channel_id, sizeof(m->channel_id));
	(void)strlcpy(m->root_id, d->root_id, sizeof(m->root_id));
	say_cut(x, m->text, sizeof(m->text), text);
	ask_net(x, MSG_POST, -1, m, delivery_result, d);
}

static void
say_upload(struct executor *x, struct delivery *d)
{
	struct msg_upload	 m;
	size_t			 len = d->file.len;
	int			 fd;

	if (x->net.max_file == 0) {
		/* The server takes no files: the text has said it is cut. */
		delivery_end(x, d, 1);
		return;
	}
	if (len > x->net.max_file)
		len = (size_t)x->net.max_file;
	if ((fd = x->w.memfd(x->w.arg, d->name, d->file.data, len)) == -1) {
		delivery_end(x, d, 0);
		return;
	}
	memset(&m, 0, sizeof(m));
	(void)strlcpy(m.channel_id, d->channel_id, sizeof(m.channel_id));
	(void)strlcpy(m.name, d->name, sizeof(m.name));
	m.size = len;
	ask_net(x, MSG_UPLOAD, fd, &m, delivery_result, d);
}

static void
say_step(struct executor *x, struct delivery *d)
{
	struct msg_patch	*m = &x->m_patch;

	d->retry = MONOTIME_NEVER;
	switch (d->step) {
	case SAY_POST:
		say_post(x, d, d->holder);
		break;
	case SAY_PATCH:
		(void)strlcpy(m->post_id, d->post_id, sizeof(m->post_id));
		say_cut(x, m->text, sizeof(m->text), d->text);
		ask_net(x, MSG_PATCH, -1, m, delivery_result, d);
		break;
	case SAY_UPLOAD:
		say_upload(x, d);
		break;
	default:
		say_post(x, d, d->file.len > x->net.max_file ?
		    "the output, as far as the server takes it" :
		    "the whole output");
	}
}

struct delivery *
say_deliver(struct executor *x, const char *channel_id, const char *root_id,
    const char *post_id, char *holder, char *text, struct buf *file,
    const char *name,
    void (*done)(struct executor *, void *, int, const char *), void *arg)
{
	struct delivery	*d;

	if ((d = calloc(1, sizeof(*d))) == NULL || holder == NULL ||
	    text == NULL)
		fatal("calloc");
	(void)strlcpy(d->channel_id, channel_id, sizeof(d->channel_id));
	(void)strlcpy(d->root_id, root_id, sizeof(d->root_id));
	(void)strlcpy(d->post_id, post_id, sizeof(d->post_id));
	(void)strlcpy(d->name, name, sizeof(d->name));
	d->holder = holder;
	d->text = text;
	if (file != NULL) {
		d->file = *file;
		memset(file, 0, sizeof(*file));
	}
	d->done = done;
	d->arg = arg;
	d->step = d->post_id[0] == '\0' ? SAY_POST : SAY_PATCH;
	d->retry = MONOTIME_NEVER;
	TAILQ_INSERT_TAIL(&x->deliveries, d, entry);
	if (x->net.state == NET_CONNECTED)
		say_step(x, d);
	else
		d->retry = monotime_add(core_mono(x), SAY_RETRY_MS);
	core_wake(x, d->retry);
	return d;
}

/* While the line is down nothing is tried, and no try is counted. */
void
say_tick(struct executor *x, monotime_t *next)
{
	struct delivery	*d, *tmp;
	monotime_t	 now = core_mono(x);

	TAILQ_FOREACH_SAFE(d, &x->deliveries, entry, tmp) {
		if (d->retry.ms <= now.ms) {
			if (x->net.state == NET_CONNECTED) {
				say_step(x, d);
				continue;
			}
			d->retry = monotime_add(now, SAY_RETRY_MS);
		}
		if (d->retry.ms < next->ms)
			*next = d->retry;
	}
}

void
say_connected(struct executor *x)
{
	struct delivery	*d, *tmp;

	TAILQ_FOREACH_SAFE(d, &x->deliveries, entry, tmp)
		if (d->retry.ms != MONOTIME_NEVER.ms)
			say_step(x, d);
}

void
say_free_all(struct executor *x)
{
	while (!TAILQ_EMPTY(&x->deliveries))
		delivery_free(x, TAILQ_FIRST(&x->deliveries));
}
