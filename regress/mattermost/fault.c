/*
 * Faults that a test orders: the next N requests that match are delayed,
 * answered with something else, cut off, reset or never answered.
 *
 * A rule is a JSON object: method, path (with *), count (1), skip (0);
 * delay_ms; then one of status (with body, type, headers), redirect, raw
 * (bytes instead of an answer), reset, hang; otherwise the request is
 * carried out.  The answer, whichever it is, may be slowed (slow_us a byte),
 * cut (after that many bytes, then the end) or lost (lost: reset after the
 * request was carried out).
 */
#include "mattermost.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

struct fault {
	TAILQ_ENTRY(fault)	 entry;
	json_t			*spec;
	int64_t			 left, skip, hits, id;
	int			 refs;
};
static TAILQ_HEAD(, fault)	 faults = TAILQ_HEAD_INITIALIZER(faults);
static int64_t			 fault_number;

void
fault_free(struct fault *f)
{
	if (--f->refs > 0)
		return;
	json_decref(f->spec);
	free(f);
}

/* Keeps a reference to the spec; returns the rule's number. */
int64_t
fault_add(json_t *spec)
{
	struct fault	*f;

	if ((f = calloc(1, sizeof(*f))) == NULL)
		err(1, NULL);
	f->spec = json_incref(spec);
	f->left = text_int(spec, "count", 1);
	f->skip = text_int(spec, "skip", 0);
	f->id = ++fault_number;
	f->refs = 1;
	TAILQ_INSERT_TAIL(&faults, f, entry);
	return f->id;
}

json_t *
fault_list(void)
{
	struct fault	*f;
	json_t		*out = json_array();

	TAILQ_FOREACH(f, &faults, entry)
		json_array_append_new(out, json_pack("{s:I,s:I,s:I,s:O}",
		    "id", (json_int_t)f->id, "left", (json_int_t)f->left,
		    "hits", (json_int_t)f->hits, "spec", f->spec));
	return out;
}

void
fault_clear(void)
{
	struct fault	*f;

	while ((f = TAILQ_FIRST(&faults)) != NULL) {
		TAILQ_REMOVE(&faults, f, entry);
		fault_free(f);
	}
}

static struct fault *
fault_match(const struct http_req *req)
{
	struct fault	*f;
	const char	*method;

	TAILQ_FOREACH(f, &faults, entry) {
		if (f->left == 0)
			continue;
		method = text_str(f->spec, "method", NULL);
		if (method != NULL && strcmp(method, req->method) != 0)
			continue;
		if (!text_glob(text_str(f->spec, "path", "*"), req->path))
			continue;
		if (f->skip > 0) {
			f->skip--;
			continue;
		}
		if (f->left > 0)
			f->left--;
		f->hits++;
		return f;
	}
	return NULL;
}

static void
fault_status(struct http_req *req, const json_t *spec, int64_t status)
{
	const char	*key;
	json_t		*value, *body = json_object_get(spec, "body");
	char		*text = NULL;
	size_t		 len = 0;

	json_object_foreach(json_object_get(spec, "headers"), key, value)
		http_out(req, key, "%s", json_string_value(value));
	if (json_is_string(body)) {
		len = json_string_length(body);
		if ((text = malloc(len + 1)) == NULL)
			err(1, NULL);
		memcpy(text, json_string_value(body), len);
	} else if (body != NULL)
		text = text_json(body, &len);
	http_reply(req, status, text_str(spec, "type", "application/json"),
	    text == NULL ? "" : text, len);
	free(text);
}

static void
fault_raw(struct http_req *req, const json_t *raw)
{
	struct evbuffer	*out;

	if ((out = evbuffer_new()) == NULL)
		err(1, NULL);
	evbuffer_add(out, json_string_value(raw), json_string_length(raw));
	fault_shape(req);
	http_send(req->conn, out);
	evbuffer_free(out);
	if (!text_bool(req->fault->spec, "open", 0) && !req->conn->is_closing)
		http_close(req->conn);
	http_next(req->conn);
}

/* 1: it was answered here, or never will be. */
static int
fault_answer(struct http_req *req)
{
	const json_t	*spec = req->fault->spec;
	const char	*to;
	json_t		*raw;
	int64_t		 status;

	if (text_bool(spec, "hang", 0))
		return 1;
	if (text_bool(spec, "reset", 0)) {
		http_reset(req->conn);
		return 1;
	}
	if ((raw = json_object_get(spec, "raw")) != NULL) {
		fault_raw(req, raw);
		return 1;
	}
	status = text_int(spec, "status", 0);
	if ((to = text_str(spec, "redirect", NULL)) != NULL) {
		http_out(req, "Location", "%s", to);
		status = status == 0 ? 302 : status;
	}
	if (status == 0)
		return 0;
	fault_status(req, spec, status);
	return 1;
}

static void
fault_delayed(evutil_socket_t fd, short what, void *arg)
{
	struct http_req	*req = arg;

	(void)fd;
	(void)what;
	event_free(req->wait);
	req->wait = NULL;
	if (!fault_answer(req))
		api_request(req);
}

/* 1: the request is taken care of. */
int
fault_apply(struct http_req *req)
{
	struct fault	*f;
	struct timeval	 tv;
	int64_t		 ms;

	if ((f = fault_match(req)) == NULL)
		return 0;
	f->refs++;
	req->fault = f;
	json_object_set_new(req->log, "fault", json_integer(f->id));
	if ((ms = text_int(f->spec, "delay_ms", 0)) <= 0)
		return fault_answer(req);
	tv.tv_sec = ms / 1000;
	tv.tv_usec = ms % 1000 * 1000;
	if ((req->wait = evtimer_new(mm.base, fault_delayed, req)) == NULL)
		errx(1, "evtimer_new");
	evtimer_add(req->wait, &tv);
	return 1;
}

/* How the answer is to leave. */
void
fault_shape(struct http_req *req)
{
	const json_t	*spec;

	if (req->fault == NULL)
		return;
	spec = req->fault->spec;
	req->conn->held_us = text_int(spec, "slow_us", 0);
	req->conn->held_cut = text_int(spec, "cut", -1);
	if (text_bool(spec, "lost", 0))
		http_reset(req->conn);
}
