/*
 * The control interface: POST /<secret>/<verb> with a JSON object on a
 * second port, answered with JSON.  An error is status 400 and {"error":…}.
 *
 *	seed user channel member post event	make things (control_seed.c,
 *						control_post.c)
 *	conns drop frames			sockets (control_ws.c)
 *	set		options by name (config.c)
 *	fault faults unfault			see fault.c
 *	advance		{"ms":n}: timers, and dates unless "dates":false, move
 *	skew		{"ms":n}: dates are that far from the truth
 *	listen		{"on":bool}: take connections, or refuse them
 *	restart		forget connections and caches
 *	log wait	what happened; see record.c; wait takes timeout_ms
 *	forget		drop the log
 */
#include "mattermost.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MAX_MS	120000

/* Takes j. */
void
control_reply(struct http_req *req, json_t *j)
{
	char	*text;
	size_t	 len;

	text = text_json(j, &len);
	json_decref(j);
	http_reply(req, 200, "application/json", text, len);
	free(text);
}

void
control_fail(struct http_req *req, const char *fmt, ...)
{
	va_list	 ap;
	char	*what, *text;
	size_t	 len;
	json_t	*j;

	va_start(ap, fmt);
	if (vasprintf(&what, fmt, ap) == -1)
		err(1, NULL);
	va_end(ap);
	if ((j = json_pack("{s:s}", "error", what)) == NULL)
		j = json_pack("{s:s}", "error", "unprintable");
	text = text_json(j, &len);
	json_decref(j);
	http_reply(req, 400, "application/json", text, len);
	free(text);
	free(what);
}

static void
control_done(struct http_req *req)
{
	control_reply(req, json_pack("{s:I}", "last",
	    (json_int_t)record_last()));
}

static void
control_set(struct http_req *req)
{
	const char	*key;
	json_t		*value;

	json_object_foreach(req->json, key, value)
		if (config_set(key, value) == -1) {
			control_fail(req, "set: no option or value: %s", key);
			return;
		}
	control_done(req);
}

static void
control_fault(struct http_req *req)
{
	static const char *const known[] = { "method", "path", "count", "skip",
	    "delay_ms", "status", "body", "type", "headers", "redirect",
	    "raw", "open", "reset", "hang", "slow_us", "cut", "lost" };
	const char	*key;
	json_t		*value;
	size_t		 i;

	json_object_foreach(req->json, key, value) {
		for (i = 0; i < nitems(known); i++)
			if (strcmp(known[i], key) == 0)
				break;
		if (i == nitems(known)) {
			control_fail(req, "fault: no such member: %s", key);
			return;
		}
	}
	control_reply(req, json_pack("{s:I}", "id",
	    (json_int_t)fault_add(req->json)));
}

static void
control_faults(struct http_req *req)
{
	control_reply(req, fault_list());
}

static void
control_unfault(struct http_req *req)
{
	fault_clear();
	control_done(req);
}

static void
control_advance(struct http_req *req)
{
	int64_t	 ms = text_int(req->json, "ms", -1);

	if (ms < 0 || ms > INT64_MAX / 1000000) {
		control_fail(req, "advance: ms");
		return;
	}
	clock_advance(ms * 1000, text_bool(req->json, "dates", 1));
	control_reply(req, json_pack("{s:I}", "now",
	    (json_int_t)clock_ms()));
}

static void
control_skew(struct http_req *req)
{
	int64_t	 ms = text_int(req->json, "ms", 0);

	if (ms < INT64_MIN / 1000000 || ms > INT64_MAX / 1000000) {
		control_fail(req, "skew: ms");
		return;
	}
	mm.skew = ms * 1000;
	control_reply(req, json_pack("{s:I}", "now",
	    (json_int_t)clock_ms()));
}

static void
control_listen(struct http_req *req)
{
	if (http_accepting(text_bool(req->json, "on", 1)) == -1)
		control_fail(req, "listen: the port is taken");
	else
		control_done(req);
}

static void
control_restart(struct http_req *req)
{
	hub_restart();
	control_done(req);
}

static void
control_log(struct http_req *req)
{
	control_reply(req, record_query(req->json));
}

static void
control_wait(struct http_req *req)
{
	int64_t	 ms = text_int(req->json, "timeout_ms", 10000);

	if (ms < 1 || ms > WAIT_MAX_MS) {
		control_fail(req, "wait: timeout_ms");
		return;
	}
	record_wait(req, req->json, ms);
}

static void
control_forget(struct http_req *req)
{
	record_clear();
	control_done(req);
}

static const struct {
	const char	*verb;
	void		(*run)(struct http_req *);
} verbs[] = {
	{ "seed", control_seed },
	{ "user", control_user },
	{ "channel", control_channel },
	{ "member", control_member },
	{ "post", control_post },
	{ "event", control_event },
	{ "conns", control_conns },
	{ "drop", control_drop },
	{ "frames", control_frames },
	{ "set", control_set },
	{ "fault", control_fault },
	{ "faults", control_faults },
	{ "unfault", control_unfault },
	{ "advance", control_advance },
	{ "skew", control_skew },
	{ "listen", control_listen },
	{ "restart", control_restart },
	{ "log", control_log },
	{ "wait", control_wait },
	{ "forget", control_forget }
};

void
control_request(struct http_req *req)
{
	const char	*verb;
	size_t		 i, len = strlen(mm.control_secret);

	if (req->path[0] != '/' || strlen(req->path) < len + 2 ||
	    memcmp(req->path + 1, mm.control_secret, len) != 0 ||
	    req->path[len + 1] != '/') {
		control_fail(req, "wrong secret");
		return;
	}
	verb = req->path + len + 2;
	if (req->body_len == 0)
		req->json = json_object();
	else
		req->json = text_parse(req->body, req->body_len);
	if (!json_is_object(req->json)) {
		control_fail(req, "the body is no JSON object");
		return;
	}
	for (i = 0; i < nitems(verbs); i++)
		if (strcmp(verbs[i].verb, verb) == 0) {
			verbs[i].run(req);
			return;
		}
	control_fail(req, "no such verb: %s", verb);
}
