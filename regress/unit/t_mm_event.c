/*
 * Events of a Mattermost server: the envelope, and the execution policy by
 * field and by origin of a post.  Expectations come from what a server of
 * version 5.37 was recorded to send (unit/websocket-5.37.jsonl).
 */
#include <stdio.h>

#include <jansson.h>

#include "test.h"
#include "chatopsd/mm_event.h"
#include "chatopsd/net.h"

#define BOT	"kiksf7afotf93pzt1xpn8j9djh"
#define ALICE	"qkunsho5678u5ftaiszddkttra"
#define POST	"q9bkbs7o1ign7mfzqsmze7z81h"
#define OPS	"twj1ccerk3gj38yti64z5yp68o"
#define TEAM	"c1eyrwyh4bgtup9hhzt4q33how"
#define WIRE	"unit/websocket-5.37.jsonl"

static const struct mm_self	 self = { BOT, "chatops", "!" };

static json_t *
load(const char *text)
{
	json_error_t	 e;
	json_t		*j;

	if ((j = json_loads(text, JSON_DECODE_ANY, &e)) == NULL) {
		fprintf(stderr, "%s in %s\n", e.text, text);
		abort();
	}
	return j;
}

/* What a person's own client makes, as 5.37 shows it. */
static json_t *
good_post(void)
{
	return load("{\"id\":\"" POST "\",\"create_at\":1795284321660,"
	    "\"update_at\":1795284321660,\"edit_at\":0,\"delete_at\":0,"
	    "\"is_pinned\":false,\"user_id\":\"" ALICE "\",\"channel_id\":\""
	    OPS "\",\"root_id\":\"\",\"parent_id\":\"\",\"original_id\":\"\","
	    "\"message\":\"!ping\",\"type\":\"\",\"props\":{},"
	    "\"hashtags\":\"\",\"pending_post_id\":\"\",\"reply_count\":0,"
	    "\"last_reply_at\":0,\"participants\":null,\"metadata\":{}}");
}

/* change: members to set; null deletes.  where: the same for the event. */
static enum mm_verdict
judge(const char *change, const char *where, struct msg_command *m,
    const char **why)
{
	struct mm_envelope	 env;
	enum mm_verdict		 v;
	json_t			*post, *patch, *value;
	const char		*key;

	memset(&env, 0, sizeof(env));
	env.root = load("{\"event\":\"posted\",\"data\":{\"channel_type\":"
	    "\"O\",\"channel_name\":\"operations\",\"team_id\":\"" TEAM
	    "\"},\"broadcast\":{\"channel_id\":\"" OPS "\"}}");
	env.event = "posted";
	env.data = json_object_get(env.root, "data");
	env.broadcast = json_object_get(env.root, "broadcast");
	patch = load(where == NULL ? "{}" : where);
	json_object_foreach(patch, key, value)
		json_object_set(strcmp(key, "channel_id") == 0 ?
		    env.broadcast : env.data, key, value);
	json_decref(patch);

	post = good_post();
	patch = load(change == NULL ? "{}" : change);
	json_object_foreach(patch, key, value)
		if (json_is_null(value))
			json_object_del(post, key);
		else
			json_object_set(post, key, value);
	json_decref(patch);
	memset(m, 0x5a, sizeof(*m));
	v = mm_judge_posted(&env, post, &self, m, why);
	json_decref(post);
	json_decref(env.root);
	return v;
}

static const struct {
	const char	*name;
	enum mm_verdict	 verdict;
	const char	*change;
	const char	*where;
} cases[] = {
	/* what a person types */
	{ "plain", MM_COMMAND, NULL, NULL },
	{ "in a thread", MM_COMMAND, "{\"root_id\":\"" POST "\"}", NULL },
	{ "private channel", MM_COMMAND, NULL, "{\"channel_type\":\"P\"}" },
	{ "group", MM_COMMAND, NULL,
	    "{\"channel_type\":\"G\",\"team_id\":\"\"}" },
	{ "by name", MM_COMMAND, "{\"message\":\"@chatops status\"}", NULL },
	{ "by name, capital", MM_COMMAND, "{\"message\":\"@ChatOps: x\"}",
	    NULL },
	{ "name alone", MM_COMMAND, "{\"message\":\"@chatops\"}", NULL },
	{ "another's name", MM_CHAT, "{\"message\":\"@chatops2 x\"}", NULL },
	{ "name inside", MM_CHAT, "{\"message\":\"hey @chatops x\"}", NULL },
	{ "chat", MM_CHAT, "{\"message\":\"hello\"}", NULL },
	{ "blank first", MM_CHAT, "{\"message\":\" !ping\"}", NULL },
	{ "slash", MM_CHAT, "{\"message\":\"/ping\"}", NULL },
	{ "empty", MM_CHAT, "{\"message\":\"\"}", NULL },
	{ "harmless props", MM_COMMAND, "{\"props\":{\"channel_mentions\":{},"
	    "\"disable_group_highlight\":true,\"mentionHighlightDisabled\":"
	    "true,\"previewed_post\":\"x\"}}", NULL },
	{ "no props", MM_COMMAND, "{\"props\":null}", NULL },
	{ "with a file", MM_COMMAND, "{\"file_ids\":[\"" POST "\"]}", NULL },
	{ "11.6 members", MM_COMMAND, "{\"is_following\":true,\"has_reactions"
	    "\":false,\"remote_id\":\"\",\"file_ids\":[]}", NULL },
	{ "what is ignored", MM_COMMAND, "{\"reply_count\":-5,\"participants"
	    "\":[{\"id\":1}],\"hashtags\":7,\"message_source\":\"!rm\","
	    "\"is_pinned\":\"x\",\"last_reply_at\":\"x\",\"update_at\":-1}",
	    NULL },
	/* the bot's own, whatever else is wrong with it */
	{ "own", MM_OWN, "{\"user_id\":\"" BOT "\"}", NULL },
	{ "own, other type", MM_OWN,
	    "{\"user_id\":\"" BOT "\",\"type\":\"system_x\"}", NULL },
	/* 6.1: field by field */
	{ "id missing", MM_REFUSED, "{\"id\":null}", NULL },
	{ "id chosen", MM_REFUSED, "{\"id\":\"\\u00e9\\u00e9\\u00e9\\u00e9"
	    "\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9"
	    "\"}", NULL },
	{ "id upper case", MM_REFUSED,
	    "{\"id\":\"Q9bkbs7o1ign7mfzqsmze7z81h\"}", NULL },
	{ "id path", MM_REFUSED,
	    "{\"id\":\"../../../../../../../../ab\"}", NULL },
	{ "id number", MM_REFUSED, "{\"id\":5}", NULL },
	{ "author missing", MM_REFUSED, "{\"user_id\":null}", NULL },
	{ "author number", MM_REFUSED, "{\"user_id\":1}", NULL },
	{ "author malformed", MM_REFUSED, "{\"user_id\":\"alice\"}", NULL },
	{ "root malformed", MM_REFUSED, "{\"root_id\":\"x\"}", NULL },
	{ "root number", MM_REFUSED, "{\"root_id\":1}", NULL },
	{ "channel malformed", MM_REFUSED, "{\"channel_id\":\"ops\"}",
	    "{\"channel_id\":\"ops\"}" },
	{ "another channel", MM_REFUSED, NULL,
	    "{\"channel_id\":\"" POST "\"}" },
	{ "no broadcast channel", MM_REFUSED, NULL, "{\"channel_id\":\"\"}" },
	{ "created never", MM_REFUSED, "{\"create_at\":0}", NULL },
	{ "created before", MM_REFUSED, "{\"create_at\":-1}", NULL },
	{ "created missing", MM_REFUSED, "{\"create_at\":null}", NULL },
	{ "created text", MM_REFUSED, "{\"create_at\":\"1\"}", NULL },
	{ "created fraction", MM_REFUSED, "{\"create_at\":1.5}", NULL },
	/* the age is the executor's to judge, by the server's clock */
	{ "created INT64_MAX", MM_COMMAND,
	    "{\"create_at\":9223372036854775807}", NULL },
	{ "created by an admin", MM_COMMAND, "{\"create_at\":1}", NULL },
	{ "edited", MM_REFUSED, "{\"edit_at\":1795284327931}", NULL },
	{ "edited, negative", MM_REFUSED, "{\"edit_at\":-1}", NULL },
	{ "edited, text", MM_REFUSED, "{\"edit_at\":\"0\"}", NULL },
	{ "deleted", MM_REFUSED, "{\"delete_at\":1}", NULL },
	{ "copy of an edit", MM_REFUSED, "{\"original_id\":\"" POST "\"}",
	    NULL },
	{ "original number", MM_REFUSED, "{\"original_id\":0}", NULL },
	{ "remote", MM_REFUSED, "{\"remote_id\":\"" POST "\"}", NULL },
	{ "remote number", MM_REFUSED, "{\"remote_id\":0}", NULL },
	{ "type me", MM_REFUSED, "{\"type\":\"me\"}", NULL },
	{ "type system", MM_REFUSED, "{\"type\":\"system_header_change\"}",
	    NULL },
	{ "type custom", MM_REFUSED, "{\"type\":\"custom_foo\"}", NULL },
	{ "type attachment", MM_REFUSED, "{\"type\":\"slack_attachment\"}",
	    NULL },
	{ "type burn on read", MM_REFUSED, "{\"type\":\"burn_on_read\"}",
	    NULL },
	{ "type number", MM_REFUSED, "{\"type\":0}", NULL },
	{ "props array", MM_REFUSED, "{\"props\":[]}", NULL },
	{ "props text", MM_REFUSED, "{\"props\":\"\"}", NULL },
	{ "message number", MM_CHAT, "{\"message\":5}", NULL },
	{ "team malformed", MM_REFUSED, NULL, "{\"team_id\":\"ops\"}" },
	{ "no channel type", MM_REFUSED, NULL, "{\"channel_type\":\"\"}" },
	{ "channel type X", MM_REFUSED, NULL, "{\"channel_type\":\"X\"}" },
	{ "channel type OO", MM_REFUSED, NULL, "{\"channel_type\":\"OO\"}" },
	{ "channel type number", MM_REFUSED, NULL, "{\"channel_type\":1}" },
	{ "channel name number", MM_REFUSED, NULL, "{\"channel_name\":1}" },
	/* 6.2: origin by origin */
	{ "webhook", MM_REFUSED, "{\"props\":{\"from_webhook\":\"true\"}}",
	    NULL },
	{ "webhook that denies it", MM_REFUSED,
	    "{\"props\":{\"from_webhook\":\"false\"}}", NULL },
	{ "bot", MM_REFUSED, "{\"props\":{\"from_bot\":\"true\"}}", NULL },
	{ "plugin", MM_REFUSED, "{\"props\":{\"from_plugin\":\"true\"}}",
	    NULL },
	{ "OAuth", MM_REFUSED, "{\"props\":{\"from_oauth_app\":\"true\"}}",
	    NULL },
	{ "another name", MM_REFUSED,
	    "{\"props\":{\"override_username\":\"root\"}}", NULL },
	{ "another icon", MM_REFUSED,
	    "{\"props\":{\"override_icon_url\":\"http://x/\"}}", NULL },
	{ "another emoji", MM_REFUSED,
	    "{\"props\":{\"override_icon_emoji\":\"x\"}}", NULL },
	{ "webhook's name", MM_REFUSED,
	    "{\"props\":{\"webhook_display_name\":\"x\"}}", NULL },
	{ "attachments", MM_REFUSED, "{\"props\":{\"attachments\":[]}}",
	    NULL },
	{ "unknown prop", MM_REFUSED, "{\"props\":{\"x\":null}}", NULL },
	{ "empty prop name", MM_REFUSED, "{\"props\":{\"\":1}}", NULL }
};

TEST(policy_by_field_and_origin)
{
	struct msg_command	 m;
	const char		*why;
	enum mm_verdict		 v;
	size_t			 i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		v = judge(cases[i].change, cases[i].where, &m, &why);
		if (v != cases[i].verdict)
			fprintf(stderr, "%s: %s\n", cases[i].name, why);
		CHECK_INT(v, cases[i].verdict);
		CHECK(v != MM_REFUSED || why[0] != '\0');
	}
}

TEST(what_a_command_carries)
{
	struct msg_command	 m;
	const char		*why;

	CHECK_INT(judge("{\"root_id\":\"" POST "\",\"message\":\"!run "
	    "\\u00e9 \\u202e\\t\"}", NULL, &m, &why), MM_COMMAND);
	CHECK_STR(m.post_id, POST);
	CHECK_STR(m.root_id, POST);
	CHECK_STR(m.user_id, ALICE);
	CHECK_STR(m.channel_id, OPS);
	CHECK_STR(m.team_id, TEAM);
	CHECK_STR(m.channel_name, "operations");
	CHECK_INT(m.channel_type, 'O');
	CHECK_INT(m.create_at, 1795284321660);
	/* what cannot be seen is for the executor to name */
	CHECK_STR(m.text, "!run \303\251 \342\200\256\t");
}

TEST(text_that_is_too_long)
{
	static char		 change[COMMAND_SIZE + 64];
	struct msg_command	 m;
	const char		*why;
	size_t			 n;

	n = (size_t)snprintf(change, sizeof(change), "{\"message\":\"!");
	memset(change + n, 'x', COMMAND_SIZE - 2);
	(void)snprintf(change + n + COMMAND_SIZE - 2, 3, "\"}");
	CHECK_INT(judge(change, NULL, &m, &why), MM_COMMAND);
	CHECK_INT(strlen(m.text), COMMAND_SIZE - 1);
	(void)snprintf(change + n + COMMAND_SIZE - 2, 4, "x\"}");
	CHECK_INT(judge(change, NULL, &m, &why), MM_REFUSED);
	change[n - 1] = 'y';
	CHECK_INT(judge(change, NULL, &m, &why), MM_CHAT);
}

TEST(direct_messages)
{
	struct msg_command	 m;
	const char		*why;
	const char		*ours[] = {
		"{\"channel_type\":\"D\",\"team_id\":\"\",\"channel_name\":\""
		    BOT "__" ALICE "\"}",
		"{\"channel_type\":\"D\",\"team_id\":\"\",\"channel_name\":\""
		    ALICE "__" BOT "\"}"
	};
	const char		*others[] = {
		/* an administrator writes into somebody else's */
		"{\"channel_type\":\"D\",\"channel_name\":\"" BOT "__" POST
		    "\"}",
		"{\"channel_type\":\"D\",\"channel_name\":\"" ALICE "__" ALICE
		    "\"}",
		"{\"channel_type\":\"D\",\"channel_name\":\"" BOT "__" BOT
		    "\"}",
		"{\"channel_type\":\"D\",\"channel_name\":\"" BOT "_" ALICE
		    "_\"}",
		"{\"channel_type\":\"D\",\"channel_name\":\"\"}",
		"{\"channel_type\":\"D\",\"channel_name\":\"operations\"}"
	};
	size_t			 i;

	for (i = 0; i < 2; i++) {
		CHECK_INT(judge(NULL, ours[i], &m, &why), MM_COMMAND);
		CHECK_INT(judge("{\"message\":\"ping\"}", ours[i], &m, &why),
		    MM_COMMAND);
		CHECK_INT(judge("{\"message\":\"\"}", ours[i], &m, &why),
		    MM_CHAT);
		CHECK_INT(judge("{\"message\":\"ping\",\"props\":{"
		    "\"from_webhook\":\"true\"}}", ours[i], &m, &why),
		    MM_REFUSED);
	}
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		CHECK_INT(judge(NULL, others[i], &m, &why), MM_REFUSED);
	/* a channel that is only called like a direct one */
	CHECK_INT(judge("{\"message\":\"ping\"}", "{\"channel_type\":\"P\","
	    "\"channel_name\":\"" BOT "__" ALICE "\"}", &m, &why), MM_CHAT);
}

TEST(prefix_is_the_configured_one)
{
	const struct mm_self	 other = { BOT, "chatops", "ops " };
	const struct mm_self	 nameless = { BOT, "", "!" };

	CHECK(mm_is_addressed("ops ping", &other));
	CHECK(!mm_is_addressed("!ping", &other));
	CHECK(!mm_is_addressed("ops", &other));
	CHECK(!mm_is_addressed("@ x", &nameless));
	CHECK(!mm_is_addressed("", &nameless));
}

/* A command that begins with what nobody can see goes on, to be refused. */
TEST(invisible_beginnings)
{
	CHECK(mm_is_addressed("\342\200\213!ping", &self));
	CHECK(mm_is_addressed("\357\273\277\342\200\213!ping", &self));
	CHECK(mm_is_addressed("!\342\200\213ping", &self));
	CHECK(mm_is_addressed("\342\200\213@chatops ping", &self));
	CHECK(mm_is_addressed("@chatops\302\240ping", &self));
	CHECK(!mm_is_addressed("\342\200\213", &self));
	CHECK(!mm_is_addressed("\342\200\213ping!", &self));
	CHECK(!mm_is_addressed("\n!ping", &self));
	CHECK(!mm_is_addressed(" !ping", &self));
}

/*
 * Recorded
 */

static const struct {
	const char	*note;		/* of the recording */
	const char	*event;
	enum mm_verdict	 verdict;
	const char	*text;
} recorded[] = {
	{ "alice: plain command in a public channel", "posted", MM_COMMAND,
	    "!ping" },
	{ "alice: command in a private channel", "posted", MM_COMMAND,
	    "!deploy service=api-server environment=staging" },
	{ "alice: mentions the bot", "posted", MM_COMMAND,
	    "@chatops status" },
	{ "alice: mentions everyone", "posted", MM_CHAT, NULL },
	{ "alice: in a thread", "posted", MM_COMMAND, "!whois @bob" },
	{ "alice: unicode, quotes, HTML characters", "posted", MM_COMMAND,
	    "!echo \"quoted arg\" b='x y' \303\274n\303\257c\303\266d\303\251 "
	    "\346\227\245\346\234\254\350\252\236 \360\237\232\200 "
	    "<b>&amp;</b> \\ back" },
	{ "alice: newline and tab", "posted", MM_COMMAND,
	    "!multi\nline\tcommand" },
	{ "alice: props that a user sets herself", "posted", MM_REFUSED,
	    NULL },
	{ "alice: custom_ post type", "posted", MM_REFUSED, NULL },
	{ "sysadmin: create_at that a sysadmin sets", "posted", MM_COMMAND,
	    "!old" },
	{ "alice: pending_post_id, first", "posted", MM_COMMAND, "!dup" },
	{ "alice: direct message", "posted", MM_COMMAND, "!help" },
	{ "alice: group message", "posted", MM_COMMAND, "!help" },
	{ "bot posts, edits and threads", "posted", MM_OWN, NULL },
	{ "incoming webhook made by alice, posting with an override username",
	    "posted", MM_REFUSED, NULL },
	{ "channel renamed", "posted", MM_CHAT, NULL }
};

static void
check_recorded(const char *note, const struct mm_envelope *env, int *hits)
{
	struct msg_command	 m;
	const char		*why;
	json_t			*post;
	enum mm_verdict		 v;
	size_t			 i;

	for (i = 0; i < sizeof(recorded) / sizeof(recorded[0]); i++) {
		if (strcmp(recorded[i].note, note) != 0 ||
		    strcmp(recorded[i].event, env->event) != 0)
			continue;
		post = mm_inner(env->data, "post");
		CHECK(post != NULL);
		v = mm_judge_posted(env, post, &self, &m, &why);
		if (v != recorded[i].verdict)
			fprintf(stderr, "%s: %s\n", note, why);
		CHECK_INT(v, recorded[i].verdict);
		if (v == MM_COMMAND)
			CHECK_STR(m.text, recorded[i].text);
		json_decref(post);
		hits[i] = 1;
	}
}

/* Calls fn for every frame of text that was recorded on a good connection. */
static void
each_frame(void (*fn)(const char *note, const char *text, void *), void *arg)
{
	static char	 line[65536];
	char		 note[128] = "";
	const char	*s;
	json_t		*j;
	FILE		*f;

	if ((f = fopen(WIRE, "r")) == NULL) {
		CHECK(!"no recording");
		return;
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		j = load(line);
		if ((s = mm_string(j, "note")) != NULL && *s != '\0')
			(void)snprintf(note, sizeof(note), "%s", s);
		if ((s = mm_string(j, "text")) != NULL && *s != '\0')
			fn(note, s, arg);
		json_decref(j);
	}
	(void)fclose(f);
}

static void
frame_parses(const char *note, const char *text, void *arg)
{
	struct mm_envelope	 env;
	const char		*why;

	if (mm_envelope_parse(&env, text, strlen(text), &why) == -1) {
		fprintf(stderr, "%s: %s\n", text, why);
		CHECK(!"a recorded frame does not parse");
		return;
	}
	if (env.kind == MM_EVENT)
		check_recorded(note, &env, arg);
	mm_envelope_free(&env);
}

TEST(recorded_events)
{
	int	 hits[sizeof(recorded) / sizeof(recorded[0])] = { 0 };
	size_t	 i;

	each_frame(frame_parses, hits);
	for (i = 0; i < sizeof(recorded) / sizeof(recorded[0]); i++) {
		if (!hits[i])
			fprintf(stderr, "not recorded: %s\n",
			    recorded[i].note);
		CHECK(hits[i]);
	}
}

/*
 * Envelopes
 */

static int
parses(const char *text)
{
	struct mm_envelope	 env;
	const char		*why;
	int			 r;

	r = mm_envelope_parse(&env, text, strlen(text), &why);
	CHECK(r == 0 || why[0] != '\0');
	if (r == 0)
		mm_envelope_free(&env);
	return r == 0;
}

TEST(envelopes)
{
	struct mm_envelope	 env;
	const char		*why;
	const char		*reply = "{\"status\":\"FAIL\",\"seq_reply\":7,"
	    "\"error\":{\"id\":\"api.x\",\"message\":\"Invalid session "
	    "token=abc\",\"status_code\":401}}";

	CHECK_INT(mm_envelope_parse(&env, reply, strlen(reply), &why), 0);
	CHECK_INT(env.kind, MM_REPLY);
	CHECK_INT(env.seq, 7);
	CHECK_INT(env.ok, 0);
	CHECK_INT(env.status_code, 401);
	CHECK_STR(env.error_id, "api.x");
	mm_envelope_free(&env);

	CHECK(parses("{\"event\":\"x\",\"data\":{},\"seq\":0}"));
	CHECK(parses("{\"event\": \"x\", \"data\": {}, \"seq\": 1}"));
	CHECK(parses("{\"event\":\"x\",\"data\":{},\"seq\":0}\n"));
	CHECK(parses("{\"status\":\"OK\"}"));
	CHECK(!parses(""));
	CHECK(!parses("[]"));
	CHECK(!parses("null"));
	CHECK(!parses("{}"));
	CHECK(!parses("{\"event\":\"x\",\"data\":{},\"seq\":-1}"));
	CHECK(!parses("{\"event\":\"x\",\"data\":{}}"));
	CHECK(!parses("{\"event\":\"x\",\"data\":{},\"seq\":\"0\"}"));
	CHECK(!parses("{\"event\":\"x\",\"data\":{},\"seq\":1.0}"));
	CHECK(!parses("{\"event\":\"x\",\"data\":{},\"seq\":99999999999999999"
	    "999}"));
	CHECK(!parses("{\"event\":\"x\",\"data\":[],\"seq\":0}"));
	CHECK(!parses("{\"event\":\"x\",\"seq\":0}"));
	CHECK(!parses("{\"event\":\"\",\"data\":{},\"seq\":0}"));
	CHECK(!parses("{\"event\":5,\"data\":{},\"seq\":0}"));
	CHECK(!parses("{\"event\":\"x\",\"data\":{},\"seq\":0,\"seq\":1}"));
	CHECK(!parses("{\"event\":\"x\",\"data\":{},\"seq\":0}}"));
	CHECK(!parses("{\"event\":\"x\\u0000\",\"data\":{},\"seq\":0}"));
	CHECK(!parses("{\"event\":\"\\ud800\",\"data\":{},\"seq\":0}"));
	CHECK(!parses("{\"event\":\"\377\",\"data\":{},\"seq\":0}"));
	CHECK(!parses("{\"status\":\"OK\",\"seq_reply\":\"1\"}"));
	CHECK(!parses("{\"status\":1}"));
}

/* One chat message must not bring a parser down by nesting. */
TEST(deep_nesting)
{
	static char	 text[300000];
	json_t		*data, *inner;
	char		*escaped;
	size_t		 i, n, depths[] = { 60, 70, 3900, 100000 };

	for (i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		n = (size_t)snprintf(text, sizeof(text), "{\"props\":");
		memset(text + n, '[', depths[i]);
		memset(text + n + depths[i], ']', depths[i]);
		(void)snprintf(text + n + 2 * depths[i], 2, "}");
		data = json_object();
		json_object_set_new(data, "post", json_string(text));
		inner = mm_inner(data, "post");
		CHECK((inner != NULL) == (depths[i] == 60));
		json_decref(inner);
		/* inside the string it does not hurt the envelope */
		escaped = json_dumps(data, 0);
		CHECK(escaped != NULL);
		free(escaped);
		json_decref(data);
	}
	memset(text, '[', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	CHECK(!parses(text));
}

static void
frame_damaged(const char *note, const char *text, void *arg)
{
	struct mm_envelope	 env;
	struct msg_command	 m;
	const char		*why;
	char			*copy;
	json_t			*post;
	size_t			 len = strlen(text), i;
	int			 n;

	(void)note;
	(void)arg;
	if (len > 2000 || (copy = malloc(len)) == NULL)
		return;
	for (n = 0; n < 60; n++) {
		memcpy(copy, text, len);
		i = test_random() % len;
		copy[i] = (char)test_random();
		if (n % 3 == 0)
			len = i;	/* cut off */
		if (mm_envelope_parse(&env, copy, len, &why) == 0) {
			if (env.kind == MM_EVENT &&
			    (post = mm_inner(env.data, "post")) != NULL) {
				(void)mm_judge_posted(&env, post, &self, &m,
				    &why);
				json_decref(post);
			}
			mm_envelope_free(&env);
		}
		len = strlen(text);
	}
	free(copy);
}

TEST(damaged_frames)
{
	each_frame(frame_damaged, NULL);
}

/*
 * Reactions, removals
 */

static int
reaction(const char *event, const char *inner, const char *channel,
    struct msg_reaction *r)
{
	struct mm_envelope	 env;
	int			 result;

	memset(&env, 0, sizeof(env));
	env.event = event;
	env.data = json_object();
	env.broadcast = json_object();
	json_object_set_new(env.data, "reaction", json_string(inner));
	json_object_set_new(env.broadcast, "channel_id",
	    json_string(channel));
	result = mm_reaction(&env, &self, r);
	json_decref(env.data);
	json_decref(env.broadcast);
	return result;
}

#define R(user, emoji, more) "{\"user_id\":\"" user "\",\"post_id\":\"" POST \
    "\",\"emoji_name\":\"" emoji "\"" more "}"

TEST(reactions)
{
	struct msg_reaction	 r;

	CHECK_INT(reaction("reaction_added", R(ALICE, "+1", ""), OPS, &r), 0);
	CHECK_STR(r.user_id, ALICE);
	CHECK_STR(r.post_id, POST);
	CHECK_STR(r.channel_id, OPS);
	CHECK_STR(r.emoji, "+1");
	CHECK_INT(r.added, 1);
	CHECK_INT(reaction("reaction_removed", R(ALICE, "-1",
	    ",\"channel_id\":\"" OPS "\",\"remote_id\":\"\""), OPS, &r), 0);
	CHECK_INT(r.added, 0);
	CHECK_INT(reaction("reaction_x", R(ALICE, "+1", ""), OPS, &r), -1);
	CHECK_INT(reaction("reaction_added", R(BOT, "+1", ""), OPS, &r), -1);
	CHECK_INT(reaction("reaction_added", R("x", "+1", ""), OPS, &r), -1);
	CHECK_INT(reaction("reaction_added", R(ALICE, "", ""), OPS, &r), -1);
	CHECK_INT(reaction("reaction_added", R(ALICE, "a b", ""), OPS, &r),
	    -1);
	CHECK_INT(reaction("reaction_added", R(ALICE, "../x", ""), OPS, &r),
	    -1);
	CHECK_INT(reaction("reaction_added", R(ALICE, "+1", ""), "", &r), -1);
	CHECK_INT(reaction("reaction_added", R(ALICE, "+1",
	    ",\"remote_id\":\"x\""), OPS, &r), -1);
	CHECK_INT(reaction("reaction_added", R(ALICE, "+1",
	    ",\"channel_id\":\"" POST "\""), OPS, &r), -1);
	CHECK_INT(reaction("reaction_added", "{", OPS, &r), -1);
	CHECK_INT(reaction("reaction_added", "[]", OPS, &r), -1);
}

static const char *
removed(const char *data, const char *broadcast)
{
	static char		 channel[ID_SIZE];
	struct mm_envelope	 env;
	const char		*c;

	memset(&env, 0, sizeof(env));
	env.event = "user_removed";
	env.data = load(data);
	env.broadcast = load(broadcast);
	c = mm_removed_channel(&env, &self);
	(void)snprintf(channel, sizeof(channel), "%s", c == NULL ? "" : c);
	json_decref(env.data);
	json_decref(env.broadcast);
	return channel;
}

TEST(removed_from_a_channel)
{
	CHECK_STR(removed("{\"channel_id\":\"" OPS "\",\"remover_id\":\""
	    ALICE "\"}", "{\"user_id\":\"" BOT "\",\"channel_id\":\"\"}"),
	    OPS);
	CHECK_STR(removed("{\"user_id\":\"" BOT "\"}",
	    "{\"user_id\":\"\",\"channel_id\":\"" OPS "\"}"), OPS);
	CHECK_STR(removed("{\"user_id\":\"" ALICE "\"}",
	    "{\"user_id\":\"\",\"channel_id\":\"" OPS "\"}"), "");
	CHECK_STR(removed("{\"channel_id\":\"" OPS "\"}",
	    "{\"user_id\":\"" ALICE "\"}"), "");
	CHECK_STR(removed("{\"channel_id\":\"x\"}",
	    "{\"user_id\":\"" BOT "\"}"), "");
}

TEST(words_of_roles)
{
	CHECK(mm_has_word("system_user system_guest", "system_guest"));
	CHECK(mm_has_word("  a  b ", "b"));
	CHECK(!mm_has_word("system_guests", "system_guest"));
	CHECK(!mm_has_word("", "a"));
}
