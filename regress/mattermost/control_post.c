/*
 * Control: posts with any field forged, and events with any content.
 */
#include "mattermost.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

static void
raw_fields(struct post *p, const json_t *j)
{
	json_t	*v;

	(void)text_copy(p->id, sizeof(p->id), j, "id");
	(void)text_copy(p->user_id, sizeof(p->user_id), j, "user_id");
	(void)text_copy(p->root_id, sizeof(p->root_id), j, "root_id");
	(void)text_copy(p->original_id, sizeof(p->original_id), j,
	    "original_id");
	(void)text_copy(p->remote_id, sizeof(p->remote_id), j, "remote_id");
	(void)text_copy(p->type, sizeof(p->type), j, "type");
	p->create_at = text_int(j, "create_at", clock_ms());
	p->update_at = text_int(j, "update_at", p->create_at);
	p->edit_at = text_int(j, "edit_at", 0);
	p->delete_at = text_int(j, "delete_at", 0);
	p->is_pinned = text_bool(j, "is_pinned", 0);
	p->has_reactions = text_bool(j, "has_reactions", 0);
	p->message = json_string(text_str(j, "message", ""));
	p->message_source = json_incref(json_object_get(j, "message_source"));
	p->participants = json_incref(json_object_get(j, "participants"));
	v = json_object_get(j, "props");
	p->props = json_is_object(v) ? json_incref(v) : json_object();
	v = json_object_get(j, "file_ids");
	p->file_ids = json_is_array(v) ? json_incref(v) : json_array();
}

/*
 * {"user":…,"channel":…, fields of the post}: stored as it is and
 * published, with the event's data replaced by what "over" has; "event":
 * false publishes nothing, "times":n the same n times.  "count":n stores n
 * such posts, each published.  Answers the last.
 */
void
control_post(struct http_req *req)
{
	struct channel	*c;
	struct user	*u;
	struct post	*p;
	int64_t		 count = text_int(req->json, "count", 1), i;

	c = control_find_channel(text_str(req->json, "channel", NULL));
	u = control_find_user(text_str(req->json, "user", NULL));
	if (c == NULL || u == NULL || count < 1) {
		control_fail(req, "post: no such channel or user, or no count");
		return;
	}
	do {
		p = post_new(c);
		strlcpy(p->user_id, u->id, sizeof(p->user_id));
		raw_fields(p, req->json);
		if (!text_bool(req->json, "event", 1))
			continue;
		for (i = text_int(req->json, "times", 1); i > 0; i--)
			post_publish_new(p, u, text_str(req->json,
			    "pending_post_id", ""), 1,
			    json_object_get(req->json, "over"));
	} while (--count > 0);
	control_reply(req, post_json(p, 1));
}

/*
 * {"event":name,"data":{…},"broadcast":{…},"to":{user_id, channel_id,
 * team_id, omit_user}}: an event to that audience (everybody if it is
 * absent), with its number, whatever it says; "raw_data": text in place of
 * the data's JSON; "times": so many of them.
 */
void
control_event(struct http_req *req)
{
	const char	*event = text_str(req->json, "event", NULL);
	const char	*raw = text_str(req->json, "raw_data", NULL);
	json_t		*to = json_object_get(req->json, "to"), *b, *d;
	struct audience	 a;
	int64_t		 times;

	if (event == NULL) {
		control_fail(req, "event: which?");
		return;
	}
	a.user_id = text_str(to, "user_id", NULL);
	a.channel_id = text_str(to, "channel_id", NULL);
	a.team_id = text_str(to, "team_id", NULL);
	a.omit_user = text_str(to, "omit_user", NULL);
	d = json_object_get(req->json, "data");
	d = d == NULL ? json_object() : json_incref(d);
	b = json_incref(json_object_get(req->json, "broadcast"));
	for (times = text_int(req->json, "times", 1); times > 0; times--) {
		if (raw != NULL)
			hub_publish_raw(event, raw, json_incref(b), &a);
		else if (b != NULL)
			hub_publish_as(event, json_incref(d), json_incref(b),
			    &a);
		else
			hub_publish(event, json_incref(d), &a);
	}
	json_decref(d);
	json_decref(b);
	control_reply(req, json_object());
}
