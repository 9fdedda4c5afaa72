/*
 * What was said while nobody listened, by REST.  Nothing found here is ever
 * run: it may be edited, imported or forged in ways that a live event cannot
 * be.  It is handed to the executor as missed, which tells the author.
 *
 * posts?since= is not used: it returns at most 1000 posts, not the newest
 * ones, and does not say that there were more.  Pages from the newest post
 * backwards are complete; a page that is all older than the window ends a
 * channel.  The window ends when the connection was opened, for what came
 * later comes by it: a command must not be told as missed and then arrive.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "compat.h"
#include "json.h"
#include "log.h"
#include "mm_event.h"
#include "net.h"
#include "text.h"

#define CATCHUP_OVERLAP		60000	/* ms before the last known time */
#define CATCHUP_SETTLE		15000	/* ms: events on their way */
#define CATCHUP_WINDOW		(7LL * 86400 * 1000)
#define CATCHUP_TEAMS		64
#define CATCHUP_CHANNELS	1000
#define CATCHUP_PAGES		10	/* of one channel */
#define CATCHUP_FOUND		200	/* commands, all channels */
#define CATCHUP_PER_PAGE	200
#define CATCHUP_PER_PAGE_SMALL	20
#define CATCHUP_DEADLINE	30000
#define CATCHUP_ATTEMPT		15000
#define CATCHUP_DEPTH		1024	/* props nest inside a list */

struct catchup_channel {
	char	 id[ID_SIZE];
	char	 team[ID_SIZE];
	char	 name[CHANNAME_SIZE];
	char	 type[2];
	int	 dropped;
};

struct catchup {
	uint32_t	 run;		/* answers of another run are stale */
	uint32_t	 id;		/* of the executor's request */
	int		 is_asked;
	int		 complete;
	int64_t		 since;
	int64_t		 until;
	uint32_t	 posts;

	char		 teams[CATCHUP_TEAMS][ID_SIZE];
	size_t		 nteams;
	size_t		 team;

	struct catchup_channel *channels;
	size_t		 nchannels;
	size_t		 channel;
	unsigned int	 page;
	unsigned int	 per_page;

	struct msg_command *found[CATCHUP_FOUND];
	size_t		 nfound;
};

static void	 catchup_next(struct net *);

void
catchup_free(struct net *n)
{
	struct catchup	*cu = n->catchup;
	size_t		 i;

	if (cu == NULL)
		return;
	for (i = 0; i < cu->nfound; i++)
		free(cu->found[i]);
	free(cu->channels);
	free(cu);
	n->catchup = NULL;
}

static void
catchup_answer(struct net *n, uint32_t id, int64_t until, uint32_t posts,
    int complete)
{
	struct msg_caught_up	 m;

	memset(&m, 0, sizeof(m));
	m.until = until;
	m.posts = posts;
	m.complete = complete != 0;
	n->world->send(n->arg, MSG_CAUGHT_UP, id, &m);
}

static int
found_compare(const void *a, const void *b)
{
	const struct msg_command	*x = *(struct msg_command *const *)a;
	const struct msg_command	*y = *(struct msg_command *const *)b;

	if (x->create_at != y->create_at)
		return x->create_at < y->create_at ? -1 : 1;
	return strcmp(x->post_id, y->post_id);
}

static void
catchup_finish(struct net *n)
{
	struct catchup	*cu = n->catchup;
	size_t		 i;

	if (cu->nfound > 0)
		qsort(cu->found, cu->nfound, sizeof(cu->found[0]),
		    found_compare);
	for (i = 0; i < cu->nfound; i++)
		net_deliver_command(n, cu->found[i]);
	log_debug("catch-up: %u posts, %zu commands missed%s", cu->posts,
	    cu->nfound, cu->complete ? "" : ", not complete");
	n->reconciled.ms = cu->until;
	if (cu->is_asked)
		catchup_answer(n, cu->id, cu->until, cu->posts, cu->complete);
	catchup_free(n);
}

/* A call for this run; its answers are told apart by the run's number. */
static struct call *
catchup_call(struct net *n, call_done done)
{
	struct call	*c;
	uint32_t	*run;

	if ((run = malloc(sizeof(*run))) == NULL)
		fatal("malloc");
	*run = n->catchup->run;
	c = call_new(n, CALL_BACKGROUND, HTTP_GET, done, run);
	c->max_body = CALL_LIST_MAX;
	c->attempt_ms = CATCHUP_ATTEMPT;
	return c;
}

static int
catchup_is_stale(const struct net *n, const struct call *c)
{
	return n->catchup == NULL ||
	    n->catchup->run != *(const uint32_t *)c->arg;
}

static json_t *
catchup_parse(const struct http_answer *a)
{
	if (a->status != 200 || a->too_large ||
	    json_depth_check(a->body, a->len, CATCHUP_DEPTH) == -1)
		return NULL;
	return json_loadb(a->body, a->len, JSON_REJECT_DUPLICATES, NULL);
}

static int
catchup_has_channel(const struct catchup *cu, const char *id)
{
	size_t	 i;

	for (i = 0; i < cu->nchannels; i++)
		if (strcmp(cu->channels[i].id, id) == 0)
			return 1;
	return 0;
}

/* Direct channels are listed with every team. */
static void
catchup_add_channel(struct catchup *cu, const json_t *j)
{
	struct catchup_channel	*ch;
	const char		*id, *team, *name, *type;
	int64_t			 deleted, last;

	id = mm_string(j, "id");
	team = mm_string(j, "team_id");
	name = mm_string(j, "name");
	type = mm_string(j, "type");
	if (id == NULL || !text_is_id(id) || team == NULL || name == NULL ||
	    type == NULL || mm_integer(j, "delete_at", &deleted) == -1 ||
	    mm_integer(j, "last_post_at", &last) == -1) {
		cu->complete = 0;
		return;
	}
	if (deleted != 0 || last < cu->since || catchup_has_channel(cu, id))
		return;
	if (cu->nchannels == CATCHUP_CHANNELS) {
		cu->complete = 0;
		return;
	}
	ch = &cu->channels[cu->nchannels];
	memset(ch, 0, sizeof(*ch));
	if (strlcpy(ch->team, team, sizeof(ch->team)) >= sizeof(ch->team) ||
	    strlcpy(ch->name, name, sizeof(ch->name)) >= sizeof(ch->name) ||
	    strlcpy(ch->type, type, sizeof(ch->type)) >= sizeof(ch->type)) {
		cu->complete = 0;
		return;
	}
	(void)strlcpy(ch->id, id, sizeof(ch->id));
	cu->nchannels++;
}

static void
channels_done(struct net *n, struct call *c, const struct http_answer *a)
{
	json_t	*list;
	size_t	 i;

	if (catchup_is_stale(n, c))
		return;
	list = catchup_parse(a);
	if (!json_is_array(list))
		n->catchup->complete = 0;
	for (i = 0; i < json_array_size(list); i++)
		catchup_add_channel(n->catchup, json_array_get(list, i));
	json_decref(list);
	n->catchup->team++;
	catchup_next(n);
}

static void
teams_done(struct net *n, struct call *c, const struct http_answer *a)
{
	struct catchup	*cu = n->catchup;
	const char	*id;
	json_t		*list;
	size_t		 i;

	if (catchup_is_stale(n, c))
		return;
	list = catchup_parse(a);
	if (!json_is_array(list))
		cu->complete = 0;
	for (i = 0; i < json_array_size(list); i++) {
		id = mm_string(json_array_get(list, i), "id");
		if (id == NULL || !text_is_id(id) ||
		    cu->nteams == CATCHUP_TEAMS) {
			cu->complete = 0;
			continue;
		}
		(void)strlcpy(cu->teams[cu->nteams++], id, ID_SIZE);
	}
	json_decref(list);
	catchup_next(n);
}

static int
found_has(const struct catchup *cu, const char *post_id)
{
	size_t	 i;

	for (i = 0; i < cu->nfound; i++)
		if (strcmp(cu->found[i]->post_id, post_id) == 0)
			return 1;
	return 0;
}

static void
catchup_judge(struct net *n, const struct catchup_channel *ch, json_t *post)
{
	static struct msg_command	 m;
	struct catchup			*cu = n->catchup;
	struct mm_where			 where;
	struct mm_self			 self;
	const char			*why;

	where.channel_id = ch->id;
	where.channel_name = ch->name;
	where.channel_type = ch->type;
	where.team_id = ch->team;
	net_self(n, &self);
	if (mm_judge_post(post, &where, &self, &m, &why) != MM_COMMAND ||
	    net_is_recent(n, m.post_id) || found_has(cu, m.post_id))
		return;
	if (cu->nfound == CATCHUP_FOUND) {
		cu->complete = 0;
		return;
	}
	m.missed = 1;
	m.received = n->world->wall(n->arg).ms;
	if ((cu->found[cu->nfound] = malloc(sizeof(m))) == NULL)
		fatal("malloc");
	memcpy(cu->found[cu->nfound++], &m, sizeof(m));
}

/* 1 when the channel has older posts that the window covers. */
static int
catchup_page(struct net *n, const struct catchup_channel *ch,
    const json_t *list)
{
	struct catchup	*cu = n->catchup;
	json_t		*order, *posts, *post;
	const char	*id;
	int64_t		 created;
	size_t		 i;
	int		 more;

	order = json_object_get(list, "order");
	posts = json_object_get(list, "posts");
	/* a server that knows of fewer per page would end us early */
	more = json_array_size(order) > 0;
	for (i = 0; i < json_array_size(order); i++) {
		/* posts may hold more than order: the rest of threads */
		id = json_string_value(json_array_get(order, i));
		post = id == NULL ? NULL : json_object_get(posts, id);
		if (!json_is_object(post) ||
		    mm_integer(post, "create_at", &created) == -1)
			continue;
		cu->posts++;
		if (created < cu->since)
			more = 0;
		else if (created <= cu->until)
			catchup_judge(n, ch, post);
	}
	return more;
}

static void
catchup_next_channel(struct catchup *cu)
{
	cu->channel++;
	cu->page = 0;
	cu->per_page = CATCHUP_PER_PAGE;
}

static void
posts_done(struct net *n, struct call *c, const struct http_answer *a)
{
	struct catchup	*cu = n->catchup;
	json_t		*list;
	int		 gone;

	if (catchup_is_stale(n, c))
		return;
	list = catchup_parse(a);
	gone = a->status == 403 || a->status == 404;
	if (json_is_object(list)) {
		if (!catchup_page(n, &cu->channels[cu->channel], list))
			catchup_next_channel(cu);
		else
			cu->page++;
	} else if (gone || (a->status != 200 && !a->too_large)) {
		cu->complete &= gone;
		catchup_next_channel(cu);
	} else if (cu->per_page > CATCHUP_PER_PAGE_SMALL) {
		/* one huge or deep post must not hide its neighbours */
		cu->page *= cu->per_page / CATCHUP_PER_PAGE_SMALL;
		cu->per_page = CATCHUP_PER_PAGE_SMALL;
	} else {
		cu->complete = 0;
		cu->page++;
	}
	json_decref(list);
	catchup_next(n);
}

static void
catchup_ask_posts(struct net *n)
{
	struct catchup	*cu = n->catchup;
	struct call	*c;

	c = catchup_call(n, posts_done);
	(void)call_path(c, "/channels/%s/posts?page=%u&per_page=%u",
	    cu->channels[cu->channel].id, cu->page, cu->per_page);
	call_submit(n, c, CATCHUP_DEADLINE);
}

/* The next question: channels of the next team, or the next page. */
static void
catchup_next(struct net *n)
{
	struct catchup	*cu = n->catchup;
	struct call	*c;

	if (cu->team < cu->nteams) {
		c = catchup_call(n, channels_done);
		(void)call_path(c, "/users/me/teams/%s/channels",
		    cu->teams[cu->team]);
		call_submit(n, c, CATCHUP_DEADLINE);
		return;
	}
	while (cu->channel < cu->nchannels) {
		if (cu->channels[cu->channel].dropped) {
			catchup_next_channel(cu);
			continue;
		}
		if (cu->page * cu->per_page >=
		    CATCHUP_PAGES * CATCHUP_PER_PAGE) {
			cu->complete = 0;
			catchup_next_channel(cu);
			continue;
		}
		catchup_ask_posts(n);
		return;
	}
	catchup_finish(n);
}

static void
catchup_begin(struct net *n, uint32_t id, int is_asked, int64_t since,
    int64_t until)
{
	struct catchup	*cu;
	struct call	*c;

	if (n->catchup != NULL) {
		if (n->catchup->is_asked)
			catchup_answer(n, n->catchup->id,
			    n->catchup->since + CATCHUP_OVERLAP, 0, 0);
		catchup_free(n);
	}
	if ((cu = calloc(1, sizeof(*cu))) == NULL || (cu->channels =
	    calloc(CATCHUP_CHANNELS, sizeof(cu->channels[0]))) == NULL)
		fatal("calloc");
	n->catchup = cu;
	cu->run = ++n->catchup_runs;
	cu->id = id;
	cu->is_asked = is_asked;
	cu->complete = 1;
	cu->until = until;
	if (since < until - CATCHUP_WINDOW) {
		since = until - CATCHUP_WINDOW;
		cu->complete = 0;
	}
	cu->since = since - CATCHUP_OVERLAP;
	cu->per_page = CATCHUP_PER_PAGE;
	c = catchup_call(n, teams_done);
	(void)call_path(c, "/users/me/teams");
	call_submit(n, c, CATCHUP_DEADLINE);
}

void
catchup_start(struct net *n, uint32_t id, int64_t since)
{
	int64_t	 until;

	/*
	 * When this connection was opened, by the server's clock, which is
	 * known from one ping to half its way there and back: rather a
	 * command that also comes live, and is claimed once, than one that
	 * is never told of.
	 */
	until = net_server_time(n).ms + n->rtt / 2;
	if (n->session.state == SESSION_UP)
		until -= monotime_sub(n->world->now(n->arg),
		    n->session.opened);
	if (until < 0)
		until = 0;
	if (since <= 0 || since > until) {
		/* nothing before now: the first start, or a clock set back */
		if (n->reconciled.ms == 0)
			n->reconciled.ms = until;
		catchup_answer(n, id, until, 0, 1);
	} else if (n->bot_id[0] == '\0')
		catchup_answer(n, id, since, 0, 0);
	else
		catchup_begin(n, id, 1, since, until);
}

/*
 * A server loses events without leaving a gap in the numbers.  A look at
 * the channels now and then finds their posts.
 */
void
catchup_reconcile(struct net *n)
{
	int64_t	 until = net_server_time(n).ms - CATCHUP_SETTLE;

	if (n->catchup != NULL || n->reconciled.ms == 0 ||
	    n->reconciled.ms >= until)
		return;
	catchup_begin(n, 0, 0, n->reconciled.ms, until);
}

void
catchup_drop_channel(struct net *n, const char *channel_id)
{
	struct catchup	*cu = n->catchup;
	size_t		 i;

	for (i = 0; cu != NULL && i < cu->nchannels; i++)
		if (strcmp(cu->channels[i].id, channel_id) == 0)
			cu->channels[i].dropped = 1;
}
