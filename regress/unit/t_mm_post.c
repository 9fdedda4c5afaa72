/*
 * What the bot writes and asks by REST: pending ids and what is repeated,
 * verification of answers, 429, order, bounds; lookups; the catch-up.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"
#include "net_world.h"

#define NEW	"edqcgu6hjpn3ume6ijb559xq1e"
#define FILEID	"mwsnc9abfpgkum5yb6cw3aasqh"

static struct msg_post	 post;
static struct msg_patch	 patch;
static uint32_t		 number;

static uint32_t
say(const char *root, const char *file, const char *text)
{
	memset(&post, 0, sizeof(post));
	(void)snprintf(post.channel_id, ID_SIZE, "%s", OPS);
	(void)snprintf(post.root_id, ID_SIZE, "%s", root);
	(void)snprintf(post.file_id, ID_SIZE, "%s", file);
	(void)snprintf(post.text, sizeof(post.text), "%s", text);
	CHECK_INT(net_message(w.net, MSG_POST, ++number, -1, &post), 0);
	return number;
}

/* A post as the server returns it. */
static const char *
returned(const char *id, const char *user, const char *channel,
    const char *root, const char *text, const char *more)
{
	static char	 buf[4096];

	(void)snprintf(buf, sizeof(buf), "{\"id\":\"%s\",\"user_id\":\"%s\","
	    "\"channel_id\":\"%s\",\"root_id\":\"%s\",\"message\":\"%s\"%s}",
	    id, user, channel, root, text, more);
	return buf;
}

/* The result of that message; one that is nothing when there is none. */
static const struct msg_net_result *
result(uint32_t id)
{
	static const struct msg_net_result	 none = { RESULT_COUNT, 0, "",
						    "no result" };
	size_t	 i;

	for (i = w.nmail; i > 0; i--)
		if (w.mail[i - 1].type == MSG_NET_RESULT &&
		    w.mail[i - 1].id == id)
			return &w.mail[i - 1].u.result;
	return &none;
}

static int
is_answered(uint32_t id)
{
	return result(id)->result != RESULT_COUNT;
}

/* A member of the body of the n-th request to a path, from 0. */
static const char *
sent(const char *path, size_t n, const char *member)
{
	static char	 buf[512];
	json_t		*j;
	size_t		 i;

	for (i = 0; i < w.nrequests; i++) {
		if (strncmp(w.requests[i].path, path, strlen(path)) != 0 ||
		    n-- > 0)
			continue;
		j = json_loads(w.requests[i].body, 0, NULL);
		(void)snprintf(buf, sizeof(buf), "%s",
		    json_is_string(json_object_get(j, member)) ?
		    json_string_value(json_object_get(j, member)) : "?");
		json_decref(j);
		return buf;
	}
	return "no such request";
}

TEST(plain_post)
{
	uint32_t	 id;
	json_t		*j;

	w_up();
	w.randomness = 0x44332211;
	id = say(POST, "", "pong \"\\\n\303\251");
	CHECK_INT(w_asked("/posts")->method, HTTP_POST);
	CHECK_STR(w_asked("/posts")->path, "/posts?set_online=false");
	CHECK_INT(w_asked("/posts")->auth, 1);
	j = json_loads(w_asked("/posts")->body, 0, NULL);
	CHECK(j != NULL);
	CHECK_STR(json_string_value(json_object_get(j, "channel_id")), OPS);
	CHECK_STR(json_string_value(json_object_get(j, "root_id")), POST);
	CHECK_STR(json_string_value(json_object_get(j, "message")),
	    "pong \"\\\n\303\251");
	CHECK_STR(json_string_value(json_object_get(j, "pending_post_id")),
	    "11223344112233441122334411223344");
	CHECK_STR(json_string_value(json_object_get(json_object_get(j,
	    "props"), "unsafe_links")), "true");
	CHECK(json_object_get(j, "file_ids") == NULL);
	json_decref(j);
	CHECK(!is_answered(id));
	CHECK_INT(w_answer("/posts", 201, returned(NEW, BOT, OPS, POST,
	    "pong \\\"\\\\\\n\303\251", "")), 0);
	CHECK_INT(result(id)->result, RESULT_OK);
	CHECK_STR(result(id)->id, NEW);
	CHECK_INT(result(id)->http, 201);
	w_end();
}

TEST(pending_ids_differ)
{
	char	 first[64];

	w_up();
	w.counting = 1;
	say("", "", "1");
	say("", "", "2");
	(void)snprintf(first, sizeof(first), "%s", sent("/posts", 0,
	    "pending_post_id"));
	CHECK_INT(strlen(first), 32);
	CHECK(strcmp(first, sent("/posts", 1, "pending_post_id")) != 0);
	w_end();
}

TEST(returned_post_is_verified)
{
	static const struct {
		const char	*id, *user, *channel, *root, *text, *more;
	} t[] = {
		/* whoever used the pending id first: somebody else's post */
		{ NEW, ALICE, OPS, POST, "pong", "" },
		{ NEW, BOT, TEAM, POST, "pong", "" },
		{ NEW, BOT, OPS, "", "pong", "" },
		{ NEW, BOT, OPS, NEW, "pong", "" },
		{ NEW, BOT, OPS, POST, "ping", "" },
		{ NEW, BOT, OPS, POST, "", "" },
		{ "short", BOT, OPS, POST, "pong", "" },
		{ "", BOT, OPS, POST, "pong", "" }
	};
	uint32_t	 id;
	size_t		 i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		w_up();
		id = say(POST, "", "pong");
		CHECK_INT(w_answer("/posts", 201, returned(t[i].id, t[i].user,
		    t[i].channel, t[i].root, t[i].text, t[i].more)), 0);
		CHECK_INT(result(id)->result, RESULT_REFUSED);
		CHECK(result(id)->error[0] != '\0');
		if (strcmp(t[i].user, BOT) != 0)
			CHECK_STR(result(id)->id, "");
		w_end();
	}
	for (i = 0; i < 3; i++) {
		w_up();
		id = say(POST, "", "pong");
		CHECK_INT(w_answer("/posts", 201, i == 0 ? "" : i == 1 ?
		    "null" : "[{}]"), 0);
		CHECK_INT(result(id)->result, RESULT_REFUSED);
		w_end();
	}
}

TEST(file_must_be_attached)
{
	static const struct {
		const char	*more;
		int		 ok;
	} t[] = {
		{ ",\"file_ids\":[\"" FILEID "\"]", 1 },
		{ "", 0 },
		{ ",\"file_ids\":null", 0 },
		{ ",\"file_ids\":[]", 0 },
		{ ",\"file_ids\":[\"" NEW "\"]", 0 },
		{ ",\"file_ids\":[5]", 0 },
		{ ",\"file_ids\":[\"" FILEID "\",\"" NEW "\"]", 0 }
	};
	uint32_t	 id;
	size_t		 i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		w_up();
		id = say("", FILEID, "output");
		CHECK_INT(w_answer("/posts", 201, returned(NEW, BOT, OPS, "",
		    "output", t[i].more)), 0);
		CHECK_INT(result(id)->result, t[i].ok ? RESULT_OK :
		    RESULT_REFUSED);
		w_end();
	}
}

TEST(repeated_with_the_same_id)
{
	char		 first[64];
	uint32_t	 id;

	w_up();
	w.counting = 1;
	id = say("", "", "x");
	(void)snprintf(first, sizeof(first), "%s", sent("/posts", 0,
	    "pending_post_id"));
	CHECK_INT(w_answer("/posts", 0, "timeout"), 0);
	CHECK(!is_answered(id));
	CHECK(w_asked("/posts") == NULL);
	w_pass(400);
	/* the first one is still being worked on */
	CHECK_INT(w_answer("/posts", 500, "{\"id\":\"api.post.deduplicate_"
	    "create_post.pending\",\"status_code\":500}"), 0);
	CHECK(!is_answered(id));
	w_pass(1000);
	CHECK_STR(sent("/posts", 2, "pending_post_id"), first);
	/* the stored post lacks the pending id */
	CHECK_INT(w_answer("/posts", 201, returned(NEW, BOT, OPS, "", "x",
	    ",\"pending_post_id\":\"\"")), 0);
	CHECK_INT(result(id)->result, RESULT_OK);
	CHECK_INT(w_requests("/posts"), 3);
	w_end();
}

/* The server forgets the id after 30 s: from then on it would be twice. */
TEST(never_twice)
{
	monotime_t	 begin;
	uint32_t	 id;
	int		 i;

	w_up();
	begin = w.now;
	id = say("", "", "x");
	for (i = 0; i < 1000 && !is_answered(id); i++) {
		if (w_asked("/posts") != NULL) {
			CHECK(monotime_sub(w.now, begin) +
			    w_asked("/posts")->timeout <= 30000);
			CHECK_INT(w_answer("/posts", 502, "<html>"), 0);
		} else
			w_pass(100);
	}
	CHECK_INT(result(id)->result, RESULT_FAILED);
	CHECK_INT(result(id)->http, 502);
	CHECK_STR(result(id)->error, "http 502");
	CHECK(monotime_sub(w.now, begin) > 15000);
	CHECK(monotime_sub(w.now, begin) < 30000);
	CHECK(w_requests("/posts") > 5);
	CHECK(w_requests("/posts") < 20);
	w_end();
}

/* What never reached the server is not bound by its 30 s. */
TEST(server_away_for_a_minute)
{
	struct http_answer	 a;
	monotime_t		 begin;
	uint32_t		 id;

	w_up();
	begin = w.now;
	id = say("", "", "x");
	while (monotime_sub(w.now, begin) < 60000) {
		memset(&a, 0, sizeof(a));
		a.unsent = 1;
		a.retry_after = -1;
		a.why = "connection refused";
		(void)w_answer_full("/posts", &a);
		if (w.net->session.ping != 0)
			w_pong();
		w_pass(100);
	}
	CHECK(!is_answered(id));
	w_pass(6000);
	CHECK_INT(w_answer("/posts", 201, returned(NEW, BOT, OPS, "", "x",
	    "")), 0);
	CHECK_INT(result(id)->result, RESULT_OK);
	w_end();
}

TEST(own_event_tells_what_the_answer_did_not)
{
	char		 pending[64];
	uint32_t	 id;
	int		 i;

	w_up();
	id = say(POST, "", "x");
	(void)snprintf(pending, sizeof(pending), "%s", sent("/posts", 0,
	    "pending_post_id"));
	w_text("{\"event\":\"posted\",\"data\":{\"post\":\"{\\\"id\\\":\\\""
	    NEW "\\\",\\\"user_id\\\":\\\"" BOT "\\\",\\\"channel_id\\\":\\\""
	    OPS "\\\",\\\"root_id\\\":\\\"" POST "\\\",\\\"message\\\":\\\"x"
	    "\\\",\\\"pending_post_id\\\":\\\"%s\\\"}\"},\"broadcast\":{},"
	    "\"seq\":%lld}", pending, (long long)w.seq++);
	for (i = 0; i < 1000 && !is_answered(id); i++)
		if (w_answer("/posts", 0, "connection reset") == -1)
			w_pass(100);
	CHECK_INT(result(id)->result, RESULT_OK);
	CHECK_STR(result(id)->id, NEW);
	w_end();
}

TEST(not_repeated)
{
	static const struct {
		int		 status;
		enum net_result	 result;
	} t[] = {
		{ 400, RESULT_REFUSED }, { 401, RESULT_FAILED },
		{ 403, RESULT_REFUSED }, { 404, RESULT_REFUSED },
		{ 413, RESULT_REFUSED }, { 501, RESULT_REFUSED },
		{ 302, RESULT_REFUSED }, { 204, RESULT_REFUSED }
	};
	uint32_t	 id;
	size_t		 i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		w_up();
		id = say("", "", "x");
		CHECK_INT(w_answer("/posts", t[i].status,
		    "{\"id\":\"api.context.permissions.app_error\","
		    "\"message\":\"token=secret\"}"), 0);
		CHECK_INT(result(id)->result, t[i].result);
		CHECK_INT(result(id)->http, t[i].status);
		/* the id, never the message */
		CHECK_STR(result(id)->error,
		    "api.context.permissions.app_error");
		w_end();
	}
}

TEST(error_ids_are_made_harmless)
{
	uint32_t	 id;

	w_up();
	id = say("", "", "x");
	CHECK_INT(w_answer("/posts", 400, "{\"id\":\"Post rejected by plugin."
	    " \\u001b[31m\\n\\u00e9@all\"}"), 0);
	CHECK_STR(result(id)->error,
	    "Post rejected by plugin. ??31m????all");
	w_end();
}

TEST(too_many_requests)
{
	struct http_answer	 a;
	uint32_t		 id, other;

	w_up();
	id = say(POST, "", "x");
	memset(&a, 0, sizeof(a));
	a.status = 429;
	a.body = "limit exceeded\n";
	a.retry_after = 3;
	CHECK_INT(w_answer_full("/posts", &a), 0);
	CHECK(!is_answered(id));
	/* nothing starts before the time is over */
	other = say(NEW, "", "y");
	w_pass(2999);
	CHECK(w_asked("/posts") == NULL);
	w_pass(1000);
	CHECK_INT(w_answer("/posts", 201, returned(NEW, BOT, OPS, POST, "x",
	    "")), 0);
	CHECK_INT(w_answer("/posts", 201, returned(NEW, BOT, OPS, NEW, "y",
	    "")), 0);
	CHECK_INT(result(id)->result, RESULT_OK);
	CHECK_INT(result(other)->result, RESULT_OK);
	w_end();
}

/* A server that says a day is not obeyed for a day; nor one that says 0. */
TEST(odd_retry_after)
{
	struct http_answer	 a;
	uint32_t		 id;

	w_up();
	id = say("", "", "x");
	memset(&a, 0, sizeof(a));
	a.status = 429;
	a.body = "";
	a.retry_after = 86400;
	CHECK_INT(w_answer_full("/posts", &a), 0);
	while (w_asked("/posts") == NULL && w.now.ms < 1000000 + 70000) {
		w_pass(1000);
		if (w.net->session.ping != 0)
			w_pong();
	}
	CHECK(w_asked("/posts") != NULL);
	a.retry_after = 0;
	CHECK_INT(w_answer_full("/posts", &a), 0);
	w_pass(999);
	CHECK(w_asked("/posts") == NULL);
	w_pass(1000);
	CHECK(w_asked("/posts") != NULL);
	CHECK(!is_answered(id));
	w_end();
}

TEST(text_that_is_too_long)
{
	static char	 text[16384 * 2 + 1];
	uint32_t	 id;
	size_t		 i;

	w_up();
	for (i = 0; i < 16384; i++)
		memcpy(text + 2 * i, "\303\251", 3);
	id = say("", "", text);
	CHECK_INT(result(id)->result, RESULT_REFUSED);
	CHECK_INT(w_requests("/posts"), 0);
	text[2 * 16383] = '\0';
	id = say("", "", text);
	CHECK(!is_answered(id));
	CHECK_INT(w_requests("/posts"), 1);
	w_end();
}

TEST(plain_edit)
{
	uint32_t	 id;
	json_t		*j;
	int		 i;

	for (i = 0; i < 4; i++) {
		w_up();
		memset(&patch, 0, sizeof(patch));
		(void)snprintf(patch.post_id, ID_SIZE, "%s", NEW);
		(void)snprintf(patch.text, sizeof(patch.text), "done");
		id = ++number;
		CHECK_INT(net_message(w.net, MSG_PATCH, id, -1, &patch), 0);
		CHECK_INT(w_asked("/posts/" NEW "/patch")->method, HTTP_PUT);
		j = json_loads(w_asked("/posts/")->body, 0, NULL);
		CHECK_STR(json_string_value(json_object_get(j, "message")),
		    "done");
		/* props replaces the whole map */
		CHECK_INT(json_object_size(json_object_get(j, "props")), 2);
		CHECK_STR(json_string_value(json_object_get(json_object_get(j,
		    "props"), "unsafe_links")), "true");
		CHECK_STR(json_string_value(json_object_get(json_object_get(j,
		    "props"), "from_bot")), "true");
		json_decref(j);
		CHECK_INT(w_answer("/posts/", 200, returned(
		    i == 1 ? POST : NEW, i == 2 ? ALICE : BOT, OPS, POST,
		    i == 3 ? "other" : "done", "")), 0);
		CHECK_INT(result(id)->result, i == 0 ? RESULT_OK :
		    RESULT_REFUSED);
		w_end();
	}
}

/* The result must not be overtaken by the progress before it. */
TEST(edits_of_one_post_keep_their_order)
{
	w_up();
	memset(&patch, 0, sizeof(patch));
	(void)snprintf(patch.post_id, ID_SIZE, "%s", NEW);
	(void)snprintf(patch.text, sizeof(patch.text), "1");
	CHECK_INT(net_message(w.net, MSG_PATCH, 1001, -1, &patch), 0);
	(void)snprintf(patch.text, sizeof(patch.text), "2");
	CHECK_INT(net_message(w.net, MSG_PATCH, 1002, -1, &patch), 0);
	(void)snprintf(patch.post_id, ID_SIZE, "%s", POST);
	CHECK_INT(net_message(w.net, MSG_PATCH, 1003, -1, &patch), 0);
	CHECK_INT(w_requests("/posts/" NEW), 1);
	CHECK_INT(w_requests("/posts/" POST), 1);
	/* the first one has to be repeated: the second still waits */
	CHECK_INT(w_answer("/posts/" NEW, 503, ""), 0);
	CHECK_INT(w_requests("/posts/" NEW), 1);
	w_pass(1000);
	CHECK_STR(sent("/posts/" NEW, 1, "message"), "1");
	CHECK_INT(w_answer("/posts/" NEW, 200, returned(NEW, BOT, OPS, "",
	    "1", "")), 0);
	CHECK_STR(sent("/posts/" NEW, 2, "message"), "2");
	w_end();
}

static uint32_t
react(const char *emoji, int add)
{
	struct msg_react	 m;

	memset(&m, 0, sizeof(m));
	(void)snprintf(m.post_id, ID_SIZE, "%s", POST);
	(void)snprintf(m.emoji, sizeof(m.emoji), "%s", emoji);
	m.add = (uint8_t)add;
	CHECK_INT(net_message(w.net, MSG_REACT, ++number, -1, &m), 0);
	return number;
}

TEST(reactions)
{
	uint32_t	 id;

	w_up();
	id = react("white_check_mark", 1);
	CHECK_STR(sent("/reactions", 0, "user_id"), BOT);
	CHECK_STR(sent("/reactions", 0, "post_id"), POST);
	CHECK_STR(sent("/reactions", 0, "emoji_name"), "white_check_mark");
	CHECK_INT(w_answer("/reactions", 200, "{}"), 0);
	CHECK_INT(result(id)->result, RESULT_OK);
	id = react("+1", 0);
	CHECK_INT(w_asked("/users/" BOT "/posts/" POST "/reactions/+1")->
	    method, HTTP_DELETE);
	CHECK_INT(w_answer("/users/", 200, "{\"status\":\"OK\"}"), 0);
	CHECK_INT(result(id)->result, RESULT_OK);
	/* never into a path */
	id = react("../../x", 0);
	CHECK_INT(result(id)->result, RESULT_REFUSED);
	id = react("a b", 1);
	CHECK_INT(result(id)->result, RESULT_REFUSED);
	w_end();
}

static uint32_t
upload(const char *name, size_t size)
{
	struct msg_upload	 m;
	int			 fd;

	memset(&m, 0, sizeof(m));
	(void)snprintf(m.channel_id, ID_SIZE, "%s", OPS);
	(void)snprintf(m.name, sizeof(m.name), "%s", name);
	m.size = size;
	fd = memfd_create("t", 0);
	CHECK(ftruncate(fd, (off_t)size) == 0);
	CHECK_INT(net_message(w.net, MSG_UPLOAD, ++number, fd, &m), 0);
	return number;
}

TEST(uploads)
{
	uint32_t	 id;

	w_up();
	id = upload("out put\"é/../x.txt", 100);
	CHECK_STR(w_asked("/files")->path, "/files?channel_id=" OPS
	    "&filename=out_put____.._x.txt");
	CHECK_INT(w_answer("/files", 201, "{\"file_infos\":[{\"id\":\"" FILEID
	    "\"}]}"), 0);
	CHECK_INT(result(id)->result, RESULT_OK);
	CHECK_STR(result(id)->id, FILEID);
	id = upload(".bashrc", 1);
	CHECK(strstr(w_asked("/files")->path, "filename=_bashrc") != NULL);
	/* a name the server did not like: 201 and no file */
	CHECK_INT(w_answer("/files", 201, "{\"file_infos\":[]}"), 0);
	CHECK_INT(result(id)->result, RESULT_REFUSED);
	w.net->max_file = 10;
	id = upload("x", 11);
	CHECK_INT(result(id)->result, RESULT_REFUSED);
	CHECK(w_asked("/files") == NULL);
	w_end();
}

TEST(before_we_know_who_we_are)
{
	struct msg_lookup_user	 q = { .by_name = 1, .key = "alice" };
	struct msg_catchup	 cu = { .since = 5 };
	uint32_t		 id;

	w_begin();
	net_start(w.net);
	id = say("", "", "x");
	CHECK_INT(result(id)->result, RESULT_FAILED);
	CHECK_INT(net_message(w.net, MSG_LOOKUP_USER, 1, -1, &q), 0);
	CHECK_INT(w_mail(MSG_USER)->u.user.status, LOOKUP_FAILED);
	CHECK_INT(net_message(w.net, MSG_CATCHUP, 2, -1, &cu), 0);
	CHECK_INT(w_mail(MSG_CAUGHT_UP)->u.caught_up.complete, 0);
	CHECK_INT(w_mail(MSG_CAUGHT_UP)->u.caught_up.until, 5);
	w_end();
}

/*
 * The queue
 */

TEST(so_many_at_once)
{
	char	 root[ID_SIZE];
	int	 i;

	w_up();
	for (i = 0; i < 50; i++) {
		(void)snprintf(root, sizeof(root), "%026d", i);
		say(root, "", "x");
	}
	CHECK_INT(w_requests("/posts"), CALL_PARALLEL);
	for (i = 0; i < 50; i++) {
		CHECK(w_asked("/posts") != NULL);
		CHECK_INT(w_answer("/posts", 403, "{}"), 0);
	}
	CHECK_INT(w_requests("/posts"), 50);
	CHECK_INT(w.net->ncalls, 0);
	CHECK_INT(w.net->nrunning, 0);
	w_end();
}

/* Somebody waits for a decision; a post can wait a moment. */
TEST(lookups_go_first)
{
	struct msg_lookup_user	 q = { .by_name = 0, .key = ALICE };
	char			 root[ID_SIZE];
	int			 i;

	w_up();
	for (i = 0; i < 20; i++) {
		(void)snprintf(root, sizeof(root), "%026d", i);
		say(root, "", "x");
	}
	CHECK_INT(net_message(w.net, MSG_LOOKUP_USER, 1, -1, &q), 0);
	CHECK_INT(w_requests("/users/" ALICE), 0);
	CHECK_INT(w_answer("/posts", 403, "{}"), 0);
	CHECK_INT(w_requests("/users/" ALICE), 1);
	w_end();
}

TEST(back_pressure)
{
	int	 i;

	w_up();
	for (i = 0; i < CALL_HIGH - 1; i++)
		say(POST, "", "x");
	CHECK_INT(w_mails(MSG_XOFF), 0);
	say(POST, "", "x");
	say(POST, "", "x");
	CHECK_INT(w_mails(MSG_XOFF), 1);
	for (i = 0; i < CALL_HIGH - CALL_LOW; i++)
		CHECK_INT(w_answer("/posts", 403, "{}"), 0);
	CHECK_INT(w_mails(MSG_XON), 0);
	CHECK_INT(w_answer("/posts", 403, "{}"), 0);
	CHECK_INT(w_mails(MSG_XON), 1);
	w_end();
}

TEST(thread_keeps_its_order)
{
	w_up();
	say(POST, "", "1");
	say(POST, "", "2");
	say(NEW, "", "3");
	CHECK_INT(w_requests("/posts"), 2);
	CHECK_STR(sent("/posts", 0, "message"), "1");
	CHECK_STR(sent("/posts", 1, "message"), "3");
	CHECK_INT(w_answer("/posts", 403, "{}"), 0);
	CHECK_STR(sent("/posts", 2, "message"), "2");
	w_end();
}

/*
 * Lookups
 */

static const struct msg_user *
user(int by_name, const char *key, int status, const char *body)
{
	struct msg_lookup_user	 q;

	w_up();
	memset(&q, 0, sizeof(q));
	q.by_name = (uint8_t)by_name;
	(void)snprintf(q.key, sizeof(q.key), "%s", key);
	CHECK_INT(net_message(w.net, MSG_LOOKUP_USER, ++number, -1, &q), 0);
	if (status != -1)
		CHECK_INT(w_answer(by_name ? "/users/username/" : "/users/",
		    status, body), 0);
	CHECK_INT(w_mail(MSG_USER)->id, number);
	return &w_mail(MSG_USER)->u.user;
}

#define U(more)	"{\"id\":\"" ALICE "\",\"username\":\"alice\",\"roles\":" \
    "\"system_user\",\"delete_at\":0" more "}"

TEST(users)
{
	const struct msg_user	*m;

	m = user(0, ALICE, 200, U(""));
	CHECK_INT(m->status, LOOKUP_OK);
	CHECK_STR(m->id, ALICE);
	CHECK_STR(m->username, "alice");
	CHECK_INT(m->flags, 0);
	CHECK_INT(user(1, "alice", 200, U(""))->status, LOOKUP_OK);
	/* the server knows lower case only */
	CHECK_INT(user(1, "Alice", 200, U(""))->status, LOOKUP_OK);
	CHECK_STR(w.requests[w.nrequests - 1].path, "/users/username/alice");
	CHECK_INT(user(0, ALICE, 200, U(",\"is_bot\":true"))->flags,
	    USER_BOT);
	CHECK_INT(user(0, ALICE, 200, U(",\"remote_id\":\"x\""))->flags,
	    USER_REMOTE);
	CHECK_INT(user(0, ALICE, 200, "{\"id\":\"" ALICE "\",\"username\":"
	    "\"alice\",\"roles\":\"system_guest\",\"delete_at\":5}")->flags,
	    USER_GUEST | USER_DELETED);
	/* not who was asked about */
	CHECK_INT(user(0, POST, 200, U(""))->status, LOOKUP_FAILED);
	CHECK_INT(user(1, "bob", 200, U(""))->status, LOOKUP_FAILED);
	CHECK_INT(user(0, ALICE, 200, "{\"id\":\"" ALICE "\"}")->status,
	    LOOKUP_FAILED);
	CHECK_INT(user(0, ALICE, 200, U(",\"remote_id\":5"))->status,
	    LOOKUP_FAILED);
	CHECK_INT(user(0, ALICE, 200, "[]")->status, LOOKUP_FAILED);
	CHECK_INT(user(0, ALICE, 200, "")->status, LOOKUP_FAILED);
	CHECK_INT(user(0, ALICE, 404, "{}")->status, LOOKUP_MISSING);
	CHECK_INT(user(1, "alice", 400, "{}")->status, LOOKUP_MISSING);
	CHECK_INT(user(0, ALICE, 401, "{}")->status, LOOKUP_FAILED);
	/* what can be no name is not asked */
	CHECK_INT(user(1, "..", -1, "")->status, LOOKUP_MISSING);
	CHECK_INT(user(1, "a/b", -1, "")->status, LOOKUP_MISSING);
	CHECK_INT(user(1, "a?b", -1, "")->status, LOOKUP_MISSING);
	CHECK_INT(user(1, "\303\251", -1, "")->status, LOOKUP_MISSING);
	w_end();
}

/* It is waited for, so it is not tried for ever. */
TEST(lookup_that_fails)
{
	struct msg_lookup_user	 q = { .by_name = 0, .key = ALICE };
	monotime_t		 begin;

	w_up();
	begin = w.now;
	CHECK_INT(net_message(w.net, MSG_LOOKUP_USER, 77, -1, &q), 0);
	while (w_mail(MSG_USER) == NULL &&
	    monotime_sub(w.now, begin) < 60000)
		if (w_answer("/users/", 500, "{}") == -1)
			w_pass(100);
	CHECK_INT(w_mail(MSG_USER)->u.user.status, LOOKUP_FAILED);
	CHECK(monotime_sub(w.now, begin) <= 8000);
	w_end();
}

static const struct msg_channel *
channel(const char *id, const char *team, const char *name, int status,
    const char *body)
{
	struct msg_lookup_channel	 q;

	w_up();
	memset(&q, 0, sizeof(q));
	(void)snprintf(q.id, sizeof(q.id), "%s", id);
	(void)snprintf(q.team, sizeof(q.team), "%s", team);
	(void)snprintf(q.name, sizeof(q.name), "%s", name);
	CHECK_INT(net_message(w.net, MSG_LOOKUP_CHANNEL, ++number, -1, &q),
	    0);
	if (status != -1)
		CHECK_INT(w_answer(*id != '\0' ? "/channels/" : "/teams/",
		    status, body), 0);
	CHECK_INT(w_mail(MSG_CHANNEL)->id, number);
	return &w_mail(MSG_CHANNEL)->u.channel;
}

#define C(type, more) "{\"id\":\"" OPS "\",\"team_id\":\"" TEAM "\",\"name\":" \
    "\"operations\",\"type\":\"" type "\",\"delete_at\":0" more "}"

TEST(channels)
{
	const struct msg_channel	*m;

	m = channel(OPS, "", "", 200, C("O", ",\"shared\":null"));
	CHECK_INT(m->status, LOOKUP_OK);
	CHECK_STR(m->team_id, TEAM);
	CHECK_STR(m->name, "operations");
	CHECK_INT(m->type, 'O');
	CHECK_INT(m->flags, 0);
	CHECK_INT(channel(OPS, "", "", 200, C("P", ",\"shared\":true"))->flags,
	    CHANNEL_SHARED);
	CHECK_INT(channel("", "", "operations", 200, C("O", ""))->status,
	    LOOKUP_OK);
	CHECK_STR(w.requests[w.nrequests - 1].path,
	    "/teams/name/ops/channels/name/operations?include_deleted=true");
	(void)channel("", TEAM, "operations", 200, C("O", ""));
	CHECK_STR(w.requests[w.nrequests - 1].path,
	    "/teams/" TEAM "/channels/name/operations?include_deleted=true");
	CHECK_INT(channel("", "", "random", 200, C("O", ""))->status,
	    LOOKUP_FAILED);
	CHECK_INT(channel(POST, "", "", 200, C("O", ""))->status,
	    LOOKUP_FAILED);
	CHECK_INT(channel(OPS, "", "", 200, C("X", ""))->status,
	    LOOKUP_FAILED);
	CHECK_INT(channel(OPS, "", "", 404, "{}")->status, LOOKUP_MISSING);
	CHECK_INT(channel("", "a/b", "x", -1, "")->status, LOOKUP_MISSING);
	CHECK_INT(channel("", "", "../x", -1, "")->status, LOOKUP_MISSING);
	w_end();
}

static const struct msg_member *
member(int status, const char *body)
{
	struct msg_lookup_member	 q = { OPS, ALICE };

	w_up();
	CHECK_INT(net_message(w.net, MSG_LOOKUP_MEMBER, ++number, -1, &q), 0);
	CHECK_INT(w_answer("/channels/" OPS "/members/" ALICE, status, body),
	    0);
	return &w_mail(MSG_MEMBER)->u.member;
}

TEST(members)
{
	const struct msg_member	*m;

	m = member(200, "{\"channel_id\":\"" OPS "\",\"user_id\":\"" ALICE
	    "\",\"roles\":\"channel_user\",\"scheme_guest\":false}");
	CHECK_INT(m->status, LOOKUP_OK);
	CHECK_INT(m->guest, 0);
	CHECK_INT(member(200, "{\"channel_id\":\"" OPS "\",\"user_id\":\""
	    ALICE "\",\"roles\":\"\",\"scheme_guest\":true}")->guest, 1);
	CHECK_INT(member(200, "{\"channel_id\":\"" OPS "\",\"user_id\":\""
	    ALICE "\",\"roles\":\"channel_guest\"}")->guest, 1);
	CHECK_INT(member(200, "{\"channel_id\":\"" OPS "\",\"user_id\":\"" BOT
	    "\",\"roles\":\"\"}")->status, LOOKUP_FAILED);
	CHECK_INT(member(200, "{\"channel_id\":\"" POST "\",\"user_id\":\""
	    ALICE "\",\"roles\":\"\"}")->status, LOOKUP_FAILED);
	CHECK_INT(member(404, "{}")->status, LOOKUP_MISSING);
	CHECK_INT(member(403, "{}")->status, LOOKUP_MISSING);
	w_end();
}

/*
 * The catch-up
 */

#define SINCE	(W_WALL + 500000)
#define T(s)	(SINCE + (s) * 1000LL)

static void
catchup(int64_t since)
{
	struct msg_catchup	 m = { since };

	CHECK_INT(net_message(w.net, MSG_CATCHUP, ++number, -1, &m), 0);
}

static char	 list[200000];
static size_t	 list_len;
static char	 order[50000];

static void
list_begin(void)
{
	list_len = 0;
	list[0] = order[0] = '\0';
}

static void
list_add(const char *id, int64_t created, const char *text, const char *more)
{
	list_len += (size_t)snprintf(list + list_len, sizeof(list) - list_len,
	    "%s\"%s\":{\"id\":\"%s\",\"create_at\":%lld,\"user_id\":\"" ALICE
	    "\",\"channel_id\":\"" OPS "\",\"message\":\"%s\",\"type\":\"\""
	    "%s}", list_len > 0 ? "," : "", id, id, (long long)created, text,
	    more);
	(void)snprintf(order + strlen(order), sizeof(order) - strlen(order),
	    "%s\"%s\"", order[0] != '\0' ? "," : "", id);
}

static const char *
list_end(void)
{
	static char	 buf[sizeof(list) + sizeof(order) + 64];

	(void)snprintf(buf, sizeof(buf), "{\"order\":[%s],\"posts\":{%s}}",
	    order, list);
	return buf;
}

#define CHANNELS "[{\"id\":\"" OPS "\",\"team_id\":\"" TEAM "\",\"name\":" \
    "\"operations\",\"type\":\"O\",\"delete_at\":0,\"last_post_at\":" \
    "1795285000000}]"

static void
catchup_to_posts(void)
{
	catchup(SINCE);
	CHECK_INT(w_answer("/users/me/teams", 200, "[{\"id\":\"" TEAM "\"}]"),
	    0);
	CHECK_INT(w_answer("/users/me/teams/" TEAM "/channels", 200, CHANNELS),
	    0);
	CHECK_STR(w_asked("/channels/")->path, "/channels/" OPS
	    "/posts?page=0&per_page=200");
}

TEST(missed_commands)
{
	const struct w_mail	*m;
	size_t			 i, n = 0;

	w_up();
	catchup_to_posts();
	list_begin();
	/* newest first, as the server orders them */
	list_add(POST, T(20), "!second", "");
	list_add(NEW, T(10), "!first", "");
	list_add("11111111111111111111111111", T(9), "chat", "");
	list_add("22222222222222222222222222", T(8), "!edited",
	    ",\"edit_at\":5");
	list_add("33333333333333333333333333", T(7), "!hook",
	    ",\"props\":{\"from_webhook\":\"true\"}");
	list_add("44444444444444444444444444", T(6), "!gone",
	    ",\"delete_at\":5");
	list_add("55555555555555555555555555", T(5), "!copy",
	    ",\"original_id\":\"" POST "\"");
	CHECK_INT(w_answer("/channels/", 200, list_end()), 0);
	CHECK(w_asked("/channels/" OPS "/posts?page=1") != NULL);
	list_begin();
	list_add("66666666666666666666666666", T(-600), "!old", "");
	CHECK_INT(w_answer("/channels/", 200, list_end()), 0);
	for (i = 0; i < w.nmail; i++)
		if (w.mail[i].type == MSG_COMMAND) {
			CHECK_INT(w.mail[i].u.command.missed, 1);
			CHECK_STR(w.mail[i].u.command.text,
			    n++ == 0 ? "!first" : "!second");
		}
	CHECK_INT(n, 2);
	m = w_mail(MSG_CAUGHT_UP);
	CHECK_INT(m->id, number);
	CHECK_INT(m->u.caught_up.complete, 1);
	CHECK_INT(m->u.caught_up.posts, 8);
	CHECK_INT(m->u.caught_up.until, W_WALL + 1000000);
	w_end();
}

/* What came by the open connection is not missed. */
TEST(live_is_not_missed)
{
	w_up();
	w_text("{\"event\":\"posted\",\"data\":{\"channel_type\":\"O\","
	    "\"channel_name\":\"operations\",\"team_id\":\"" TEAM "\",\"post"
	    "\":\"{\\\"id\\\":\\\"" POST "\\\",\\\"create_at\\\":%lld,"
	    "\\\"user_id\\\":\\\"" ALICE "\\\",\\\"channel_id\\\":\\\"" OPS
	    "\\\",\\\"message\\\":\\\"!x\\\",\\\"type\\\":\\\"\\\"}\"},"
	    "\"broadcast\":{\"channel_id\":\"" OPS "\"},\"seq\":%lld}",
	    T(1), (long long)w.seq++);
	w_pass(5000);
	catchup_to_posts();
	list_begin();
	/* later than the connection: on its way as an event */
	list_add(NEW, W_WALL + w.now.ms - 1000, "!live", "");
	list_add(POST, T(1), "!x", "");
	list_add("66666666666666666666666666", T(-600), "!old", "");
	CHECK_INT(w_answer("/channels/", 200, list_end()), 0);
	CHECK_INT(w_mails(MSG_COMMAND), 1);
	CHECK_INT(w_mail(MSG_CAUGHT_UP)->u.caught_up.complete, 1);
	w_end();
}

TEST(catchup_that_cannot_be_complete)
{
	int	 i;

	/* no answer to each question in turn */
	for (i = 0; i < 3; i++) {
		w_up();
		catchup(SINCE);
		if (i > 0)
			CHECK_INT(w_answer("/users/me/teams", 200,
			    "[{\"id\":\"" TEAM "\"}]"), 0);
		else
			CHECK_INT(w_answer("/users/me/teams", 403, "{}"), 0);
		if (i > 1)
			CHECK_INT(w_answer("/users/me/teams/", 200, CHANNELS),
			    0);
		else if (i > 0)
			CHECK_INT(w_answer("/users/me/teams/", 200, "nope"),
			    0);
		if (i > 1)
			CHECK_INT(w_answer("/channels/", 400, "{}"), 0);
		CHECK_INT(w_mails(MSG_CAUGHT_UP), 1);
		CHECK_INT(w_mail(MSG_CAUGHT_UP)->u.caught_up.complete, 0);
		w_end();
	}
	/* a channel that we have left is no gap */
	w_up();
	catchup_to_posts();
	CHECK_INT(w_answer("/channels/", 403, "{}"), 0);
	CHECK_INT(w_mail(MSG_CAUGHT_UP)->u.caught_up.complete, 1);
	w_end();
}

TEST(catchup_is_bounded)
{
	char	 id[ID_SIZE];
	int	 i, pages;

	w_up();
	catchup_to_posts();
	for (pages = 0; w_asked("/channels/") != NULL && pages < 100;
	    pages++) {
		list_begin();
		for (i = 0; i < 50; i++) {
			(void)snprintf(id, sizeof(id), "%022d%04d",
			    pages % 1000, i % 1000);
			list_add(id, T(100), "!x", "");
		}
		CHECK_INT(w_answer("/channels/", 200, list_end()), 0);
	}
	CHECK_INT(pages, 10);
	CHECK_INT(w_mails(MSG_COMMAND), 200);
	CHECK_INT(w_mail(MSG_CAUGHT_UP)->u.caught_up.complete, 0);
	w_end();
}

/* One monstrous post must not hide its neighbours. */
TEST(page_that_is_too_large)
{
	struct http_answer	 a;

	w_up();
	catchup_to_posts();
	memset(&a, 0, sizeof(a));
	a.too_large = 1;
	a.why = "the answer is too large";
	a.retry_after = -1;
	CHECK_INT(w_answer_full("/channels/", &a), 0);
	CHECK_STR(w_asked("/channels/")->path, "/channels/" OPS
	    "/posts?page=0&per_page=20");
	a.too_large = 1;
	CHECK_INT(w_answer_full("/channels/", &a), 0);
	CHECK_STR(w_asked("/channels/")->path, "/channels/" OPS
	    "/posts?page=1&per_page=20");
	list_begin();
	list_add(NEW, T(10), "!x", "");
	list_add(POST, T(-600), "!old", "");
	CHECK_INT(w_answer("/channels/", 200, list_end()), 0);
	CHECK_INT(w_mails(MSG_COMMAND), 1);
	CHECK_INT(w_mail(MSG_CAUGHT_UP)->u.caught_up.complete, 0);
	w_end();
}

TEST(nothing_to_catch_up)
{
	w_up();
	catchup(0);
	CHECK_INT(w_mail(MSG_CAUGHT_UP)->u.caught_up.complete, 1);
	CHECK_INT(w_mail(MSG_CAUGHT_UP)->u.caught_up.until,
	    W_WALL + 1000000);
	/* the clock was set back */
	catchup(W_WALL + 99999999);
	CHECK_INT(w_mails(MSG_CAUGHT_UP), 2);
	CHECK_INT(w_requests("/users/me/teams"), 0);
	w_end();
}

/* The server's clock is known to half the way there and back of one ping. */
TEST(catch_up_reaches_as_far_as_the_clock_is_uncertain)
{
	w_up();
	w.net->rtt = 900;
	catchup(0);
	CHECK_INT(w_mail(MSG_CAUGHT_UP)->u.caught_up.until,
	    W_WALL + 1000000 + 450);
	w_end();
}

TEST(second_request_replaces_the_first)
{
	w_up();
	catchup(SINCE);
	catchup(SINCE + 5);
	CHECK_INT(w_mails(MSG_CAUGHT_UP), 1);
	CHECK_INT(w_mail(MSG_CAUGHT_UP)->id, number - 1);
	CHECK_INT(w_mail(MSG_CAUGHT_UP)->u.caught_up.complete, 0);
	CHECK_INT(w_mail(MSG_CAUGHT_UP)->u.caught_up.until, SINCE);
	/* the first one's answer is for nobody */
	CHECK_INT(w_answer("/users/me/teams", 200, "[{\"id\":\"" TEAM "\"}]"),
	    0);
	CHECK(w_asked("/users/me/teams/") == NULL);
	CHECK_INT(w_answer("/users/me/teams", 200, "[]"), 0);
	CHECK_INT(w_mails(MSG_CAUGHT_UP), 2);
	w_end();
}

/* The server loses events without a gap: a look now and then finds them. */
TEST(reconciliation)
{
	w_up();
	catchup(0);
	w_pass(NET_PING_INTERVAL);
	w_pong();
	w_pass(NET_PING_INTERVAL);
	w_pong();
	w_pass(1000);
	CHECK_INT(w_answer("/users/me/teams", 200, "[{\"id\":\"" TEAM "\"}]"),
	    0);
	CHECK_INT(w_answer("/users/me/teams/", 200, CHANNELS), 0);
	list_begin();
	/* not what may still be on its way */
	list_add(NEW, W_WALL + w.now.ms - 5000, "!new", "");
	list_add(POST, W_WALL + w.now.ms - 30000, "!lost", "");
	list_add("66666666666666666666666666", T(-6000), "!old", "");
	CHECK_INT(w_answer("/channels/", 200, list_end()), 0);
	CHECK_INT(w_mails(MSG_COMMAND), 1);
	CHECK_STR(w_mail(MSG_COMMAND)->u.command.post_id, POST);
	CHECK_INT(w_mail(MSG_COMMAND)->u.command.missed, 1);
	/* the executor did not ask */
	CHECK_INT(w_mails(MSG_CAUGHT_UP), 1);
	w_end();
}

TEST(removed_while_catching_up)
{
	w_up();
	catchup(SINCE);
	CHECK_INT(w_answer("/users/me/teams", 200, "[{\"id\":\"" TEAM "\"},"
	    "{\"id\":\"" POST "\"}]"), 0);
	CHECK_INT(w_answer("/users/me/teams/" TEAM, 200, CHANNELS), 0);
	w_text("{\"event\":\"user_removed\",\"data\":{\"channel_id\":\"" OPS
	    "\",\"remover_id\":\"x\"},\"broadcast\":{\"user_id\":\"" BOT
	    "\"},\"seq\":%lld}", (long long)w.seq++);
	CHECK_INT(w_answer("/users/me/teams/" POST, 200, "[]"), 0);
	CHECK_INT(w_requests("/channels/"), 0);
	CHECK_INT(w_mails(MSG_CAUGHT_UP), 1);
	w_end();
}
