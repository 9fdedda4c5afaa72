/*
 * What happened, numbered, for tests to read and to wait for.  An entry is
 * {"n":number,"t":true microseconds,"kind":…, members of that kind}.
 */
#include "mattermost.h"

#include <err.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_MAX	20000
#define BODY_MAX	(1024 * 1024)

struct waiter {
	TAILQ_ENTRY(waiter)	 entry;
	struct http_req		*req;
	json_t			*filter;
};

static json_t	*records[RECORD_MAX];
static int64_t	 record_number;
static TAILQ_HEAD(, waiter) waiters = TAILQ_HEAD_INITIALIZER(waiters);

static int
matches_regex(const char *pattern, const json_t *value)
{
	regex_t	 re;
	int	 ok;

	if (!json_is_string(value) || pattern == NULL ||
	    regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return 0;
	ok = regexec(&re, json_string_value(value), 0, NULL, 0) == 0;
	regfree(&re);
	return ok;
}

/*
 * filter: {"after":n,"kind":k,"equal":{member:value},"match":{member:
 * extended regular expression},"glob":{member:pattern}}, all optional.
 */
static int
record_matches(const json_t *e, const json_t *filter)
{
	const char	*key, *kind;
	json_t		*value;

	if (e == NULL || text_int(e, "n", 0) <= text_int(filter, "after", 0))
		return 0;
	if ((kind = text_str(filter, "kind", NULL)) != NULL &&
	    strcmp(kind, text_str(e, "kind", "")) != 0)
		return 0;
	json_object_foreach(json_object_get(filter, "equal"), key, value)
		if (!json_equal(json_object_get(e, key), value))
			return 0;
	json_object_foreach(json_object_get(filter, "match"), key, value)
		if (!matches_regex(json_string_value(value),
		    json_object_get(e, key)))
			return 0;
	json_object_foreach(json_object_get(filter, "glob"), key, value)
		if (!text_glob(json_string_value(value),
		    text_str(e, key, "")))
			return 0;
	return 1;
}

static void
waiter_free(struct http_req *req)
{
	struct waiter	*w = req->wait_arg;

	TAILQ_REMOVE(&waiters, w, entry);
	json_decref(w->filter);
	free(w);
	req->wait_arg = NULL;
	req->wait_free = NULL;
}

/* Takes j; returns it, owned by the record. */
json_t *
record_add(const char *kind, json_t *j)
{
	struct waiter	*w, *next;
	json_t		**slot;

	if (j == NULL)
		j = json_object();
	record_number++;
	json_object_set_new(j, "n", json_integer(record_number));
	json_object_set_new(j, "t", json_integer(clock_real_us()));
	json_object_set_new(j, "kind", json_string(kind));
	slot = &records[record_number % RECORD_MAX];
	json_decref(*slot);
	*slot = j;
	TAILQ_FOREACH_SAFE(w, &waiters, entry, next)
		if (record_matches(j, w->filter))
			control_reply(w->req, json_incref(j));
	return j;
}

int64_t
record_last(void)
{
	return record_number;
}

/* Text as it is; what is no text, or is too long, by its size. */
void
record_body(json_t *j, const char *body, size_t len)
{
	json_t	*s = NULL;

	json_object_set_new(j, "size", json_integer(len));
	if (len > 0 && len <= BODY_MAX)
		s = json_stringn(body, len);
	json_object_set_new(j, "body", s == NULL ? json_null() : s);
}

static int64_t
record_first(void)
{
	return record_number > RECORD_MAX ? record_number - RECORD_MAX + 1 : 1;
}

/* All that match, oldest first. */
json_t *
record_query(const json_t *filter)
{
	json_t	*out = json_array();
	int64_t	 n;

	for (n = record_first(); n <= record_number; n++)
		if (record_matches(records[n % RECORD_MAX], filter))
			json_array_append(out, records[n % RECORD_MAX]);
	return out;
}

static void
wait_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	control_reply(arg, json_pack("{s:b,s:I}", "timeout", 1, "last",
	    (json_int_t)record_number));
}

/* Answer req with the first match: now, or when it happens.  ms > 0. */
void
record_wait(struct http_req *req, json_t *filter, int64_t ms)
{
	struct timeval	 tv = { ms / 1000, ms % 1000 * 1000 };
	struct waiter	*w;
	int64_t		 n;

	for (n = record_first(); n <= record_number; n++) {
		if (!record_matches(records[n % RECORD_MAX], filter))
			continue;
		control_reply(req, json_incref(records[n % RECORD_MAX]));
		return;
	}
	if ((w = calloc(1, sizeof(*w))) == NULL ||
	    (req->wait = evtimer_new(mm.base, wait_timeout, req)) == NULL)
		err(1, NULL);
	w->req = req;
	w->filter = json_incref(filter);
	req->wait_arg = w;
	req->wait_free = waiter_free;
	TAILQ_INSERT_TAIL(&waiters, w, entry);
	evtimer_add(req->wait, &tv);
}

/* The numbers go on. */
void
record_clear(void)
{
	size_t	 i;

	for (i = 0; i < RECORD_MAX; i++) {
		json_decref(records[i]);
		records[i] = NULL;
	}
}
