/*
 * REST: lists of posts, with all that is surprising in them.
 */
#include "mattermost.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#define SINCE_MAX	1000

struct plist {
	struct post	**p;
	size_t		 n;
};

static void
plist_add(struct plist *l, struct post *p)
{
	struct post	**more;

	if ((more = reallocarray(l->p, l->n + 1, sizeof(*more))) == NULL)
		err(1, NULL);
	l->p = more;
	l->p[l->n++] = p;
}

static int
newest_first(const void *a, const void *b)
{
	struct post *const *x = a, *const *y = b;

	if ((*x)->create_at != (*y)->create_at)
		return (*x)->create_at < (*y)->create_at ? 1 : -1;
	return strcmp((*y)->id, (*x)->id);
}

static void
plist_sort(struct plist *l)
{
	if (l->n > 1)
		qsort(l->p, l->n, sizeof(*l->p), newest_first);
}

static int
id_compare(const void *a, const void *b)
{
	struct post *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

/* The whole threads of what is listed come along, as a map by id. */
static json_t *
plist_posts(const struct channel *c, const struct plist *l, int threads)
{
	struct plist	 all = { 0 };
	struct post	*p;
	json_t		*out = json_object();
	size_t		 i;

	for (i = 0; i < l->n; i++)
		plist_add(&all, l->p[i]);
	for (i = 0; threads && i < l->n; i++)
		TAILQ_FOREACH(p, &c->posts, entry)
			if (p->delete_at == 0 && l->p[i]->root_id[0] != '\0' &&
			    strcmp(p->id, l->p[i]->root_id) == 0)
				plist_add(&all, p);
	if (all.n > 1)
		qsort(all.p, all.n, sizeof(*all.p), id_compare);
	for (i = 0; i < all.n; i++)
		json_object_set_new(out, all.p[i]->id,
		    post_json(all.p[i], 1));
	free(all.p);
	return out;
}

static json_t *
plist_json(const struct channel *c, const struct plist *l, const char *next,
    const char *prev)
{
	json_t	*order = json_array(), *out;
	size_t	 i;

	for (i = 0; i < l->n; i++)
		json_array_append_new(order, json_string(l->p[i]->id));
	out = json_pack("{s:o,s:o,s:s,s:s}", "order", order, "posts",
	    plist_posts(c, l, 1), "next_post_id", next, "prev_post_id", prev);
	if (mm.opt.is_11) {
		json_object_set_new(out, "has_next", json_boolean(*prev));
		json_object_set_new(out, "first_inaccessible_post_time",
		    json_integer(0));
	}
	return out;
}

/*
 * update_at > since, at most 1000 and without an order of the query, so
 * that the oldest 1000 are taken; then sorted.  Deleted ones and the copies
 * of edited ones too, and replies are not counted.
 */
static void
list_since(struct http_req *req, struct channel *c, int64_t since)
{
	struct plist	 l = { 0 };
	struct post	*p;
	const char	*key;
	json_t		*out, *value;

	TAILQ_FOREACH(p, &c->posts, entry)
		if (p->update_at > since && l.n < SINCE_MAX)
			plist_add(&l, p);
	plist_sort(&l);
	out = plist_json(c, &l, "", "");
	json_object_foreach(json_object_get(out, "posts"), key, value)
		json_object_set_new(value, "reply_count", json_integer(0));
	api_json(req, 200, out);
	free(l.p);
}

/* All that are not deleted, newest first. */
static void
list_all(struct channel *c, struct plist *l)
{
	struct post	*p;

	TAILQ_FOREACH(p, &c->posts, entry)
		if (p->delete_at == 0)
			plist_add(l, p);
	plist_sort(l);
}

/* Answer with n posts from i on; what is beyond gives the cursors. */
static void
list_window(struct http_req *req, struct channel *c, const struct plist *all,
    size_t i, size_t n)
{
	struct plist	 l;
	const char	*next, *prev;

	if (i > all->n)
		i = all->n;
	if (n > all->n - i)
		n = all->n - i;
	l.p = all->p + i;
	l.n = n;
	next = n > 0 && i > 0 ? all->p[i - 1]->id : "";
	prev = n > 0 && i + n < all->n ? all->p[i + n]->id : "";
	api_json(req, 200, plist_json(c, &l, next, prev));
}

/*
 * Strictly later (or earlier) than the anchor in create_at; an unknown
 * anchor gives an empty list, a deleted one works.
 */
static void
list_around(struct http_req *req, struct channel *c, const char *anchor,
    int after)
{
	struct plist	 all = { 0 };
	struct post	*a = post_by_id(anchor);
	int64_t		 page, per;
	size_t		 i, from, to;

	page = api_page(req, &per);
	list_all(c, &all);
	if (a == NULL) {
		list_window(req, c, &all, 0, 0);
		free(all.p);
		return;
	}
	for (i = 0; i < all.n && all.p[i]->create_at > a->create_at; i++)
		;
	if (after) {
		to = i > (size_t)(page * per) ? i - page * per : 0;
		from = to > (size_t)per ? to - per : 0;
		list_window(req, c, &all, from, to - from);
	} else {
		while (i < all.n && all.p[i]->create_at == a->create_at)
			i++;
		list_window(req, c, &all, i + page * per, per);
	}
	free(all.p);
}

static void
list_channel(struct http_req *req)
{
	const char	*v, *e;
	struct plist	 all = { 0 };
	struct channel	*c;
	int64_t		 page, per, since;

	if ((c = api_channel(req, 0)) == NULL)
		return;
	if (!may_read(req->user, c)) {
		api_forbidden(req);
		return;
	}
	if ((v = http_query(req, "since")) != NULL && *v != '\0') {
		since = strtonum(v, INT64_MIN, INT64_MAX, &e);
		if (e != NULL)
			api_bad_param(req, "since");
		else
			list_since(req, c, since);
		return;
	}
	if ((v = http_query(req, "after")) != NULL && *v != '\0') {
		list_around(req, c, v, 1);
		return;
	}
	if ((v = http_query(req, "before")) != NULL && *v != '\0') {
		list_around(req, c, v, 0);
		return;
	}
	page = api_page(req, &per);
	list_all(c, &all);
	list_window(req, c, &all, page * per, per);
	free(all.p);
}

/* The post asked for comes first, and again in its place. */
static void
list_thread(struct http_req *req)
{
	struct plist	 l = { 0 }, t = { 0 };
	struct post	*p, *q;
	const char	*root;
	size_t		 i;

	if (!text_is_id(req->param[0])) {
		api_bad_param(req, "post_id");
		return;
	}
	p = post_by_id(req->param[0]);
	if (p == NULL || p->delete_at != 0) {
		api_error(req, 404, "app.post.get.app_error",
		    "Unable to get the post.");
		return;
	}
	if (!may_read(req->user, p->channel)) {
		api_forbidden(req);
		return;
	}
	root = p->root_id[0] != '\0' ? p->root_id : p->id;
	TAILQ_FOREACH(q, &p->channel->posts, entry)
		if (q->delete_at == 0 && (strcmp(q->id, root) == 0 ||
		    strcmp(q->root_id, root) == 0))
			plist_add(&t, q);
	plist_sort(&t);
	plist_add(&l, p);
	for (i = 0; i < t.n; i++)
		plist_add(&l, t.p[i]);
	api_json(req, 200, plist_json(p->channel, &l, "", ""));
	free(l.p);
	free(t.p);
}

const struct route api_list_routes[] = {
	{ "GET", "channels/:channel_id/posts", list_channel, 0 },
	{ "GET", "posts/:post_id/thread", list_thread, 0 },
	{ NULL, NULL, NULL, 0 }
};
