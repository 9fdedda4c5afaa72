/*
 * The channels of allowedChannels.  An entry is an id, "team/channel", or a
 * name in the configured team; names can be given away, so what a name means
 * is asked afresh and kept for seconds only, and it is ids that are
 * compared.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "log.h"

static struct channel *
channel_find(struct executor *x, const char *key)
{
	struct channel	*ch;

	TAILQ_FOREACH(ch, &x->channels, entry)
		if (strcmp(ch->key, key) == 0)
			return ch;
	return NULL;
}

static int
is_fresh(struct executor *x, const struct channel *ch)
{
	return ch != NULL && ch->is_known && ch->until.ms > core_mono(x).ms;
}

static void
channel_answer(struct executor *x, void *arg, const void *answer)
{
	const struct msg_channel	*m = answer;
	struct channel			*ch = arg;

	ch->is_asked = 0;
	ch->is_known = 1;
	ch->until = monotime_add(core_mono(x), CORE_CHANNEL_MS);
	ch->id[0] = '\0';
	ch->status = m == NULL ? LOOKUP_FAILED : (enum lookup_status)m->status;
	if (ch->status == LOOKUP_OK && (m->flags & CHANNEL_DELETED))
		ch->status = LOOKUP_MISSING;
	if (ch->status == LOOKUP_OK)
		(void)strlcpy(ch->id, m->id, sizeof(ch->id));
	/* A failure is worth asking again at the next command. */
	if (ch->status == LOOKUP_FAILED)
		ch->until = monotime_add(core_mono(x), 1000);
	command_channels(x);
}

/* A place in the table; the oldest answer makes room. */
static struct channel *
channel_new(struct executor *x, const char *key)
{
	struct channel	*ch, *old = NULL;

	if (x->nchannels >= CORE_CHANNELS_MAX) {
		TAILQ_FOREACH(ch, &x->channels, entry)
			if (!ch->is_asked && (old == NULL ||
			    ch->until.ms < old->until.ms))
				old = ch;
		if (old == NULL)
			return NULL;
		TAILQ_REMOVE(&x->channels, old, entry);
		x->nchannels--;
		free(old);
	}
	if ((ch = calloc(1, sizeof(*ch))) == NULL)
		fatal("calloc");
	(void)strlcpy(ch->key, key, sizeof(ch->key));
	TAILQ_INSERT_TAIL(&x->channels, ch, entry);
	x->nchannels++;
	return ch;
}

/* "team/channel" or "channel": 0, or -1 when it can be neither. */
int
channel_parse(const char *key, struct msg_lookup_channel *m)
{
	const char	*slash;

	memset(m, 0, sizeof(*m));
	if ((slash = strchr(key, '/')) != NULL) {
		if (slash == key || (size_t)(slash - key) >= sizeof(m->team))
			return -1;
		memcpy(m->team, key, (size_t)(slash - key));
		key = slash + 1;
	}
	if (*key == '\0' || strchr(key, '/') != NULL)
		return -1;
	return strlcpy(m->name, key, sizeof(m->name)) >= sizeof(m->name) ?
	    -1 : 0;
}

static void
channel_ask(struct executor *x, const char *key)
{
	struct msg_lookup_channel	 m;
	struct channel			*ch;

	ch = channel_find(x, key);
	if (is_fresh(x, ch) || (ch != NULL && ch->is_asked))
		return;
	if (channel_parse(key, &m) == -1 ||
	    (ch == NULL && (ch = channel_new(x, key)) == NULL))
		return;
	ch->is_asked = 1;
	(void)ask(x, ROLE_NETWORK, MSG_LOOKUP_CHANNEL, -1, &m, MSG_CHANNEL,
	    channel_answer, ch, CORE_LOOKUP_MS);
}

int
channel_waiting(struct executor *x, const struct script *s)
{
	struct channel	*ch;
	size_t		 i;
	int		 n = 0;

	for (i = 0; i < s->nchannels; i++) {
		ch = channel_find(x, s->channels[i]);
		n += ch != NULL && ch->is_asked;
	}
	return n;
}

int
channel_resolve(struct executor *x, const struct script *s)
{
	size_t	 i;

	for (i = 0; i < s->nchannels; i++)
		if (!text_is_id(s->channels[i]))
			channel_ask(x, s->channels[i]);
	return channel_waiting(x, s);
}

enum policy_channel
channel_match(struct executor *x, const struct script *s,
    const char *channel_id, char *unresolved, size_t size)
{
	struct channel	*ch;
	size_t		 i;
	int		 is_open = 0;

	if (s->nchannels == 0)
		return POLICY_CHANNEL_ANY;
	for (i = 0; i < s->nchannels; i++) {
		if (text_is_id(s->channels[i])) {
			if (strcmp(s->channels[i], channel_id) == 0)
				return POLICY_CHANNEL_MATCH;
			continue;
		}
		ch = channel_find(x, s->channels[i]);
		if (!is_fresh(x, ch) || ch->status != LOOKUP_OK) {
			if (!is_open)
				(void)strlcpy(unresolved, s->channels[i],
				    size);
			is_open = 1;
		} else if (strcmp(ch->id, channel_id) == 0)
			return POLICY_CHANNEL_MATCH;
	}
	return is_open ? POLICY_CHANNEL_UNRESOLVED : POLICY_CHANNEL_OTHER;
}

void
channel_forget(struct executor *x)
{
	struct channel	*ch;

	TAILQ_FOREACH(ch, &x->channels, entry)
		ch->is_known = 0;
}

void
channel_free_all(struct executor *x)
{
	struct channel	*ch;

	while ((ch = TAILQ_FIRST(&x->channels)) != NULL) {
		TAILQ_REMOVE(&x->channels, ch, entry);
		free(ch);
	}
}
