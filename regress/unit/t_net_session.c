/*
 * The connection's life in virtual time: sequence and resume, liveness,
 * back-off, what a 401 means, back-pressure.
 */
#include "test.h"
#include "net_world.h"

#define STATE()	(w.net->session.state)

TEST(start_to_connected)
{
	w_begin();
	net_start(w.net);
	CHECK_INT(STATE(), SESSION_IDENTIFYING);
	CHECK_INT(w_state()->state, NET_CONNECTING);
	CHECK_INT(w.ws, 0);
	w_identify();
	CHECK_INT(STATE(), SESSION_OPENING);
	CHECK_STR(w.query, "");
	w_opened();
	CHECK_INT(STATE(), SESSION_GREETING);
	w_hello(CONN1);
	CHECK_INT(STATE(), SESSION_GREETING);
	w.now.ms += 20;
	w_text("{\"status\":\"OK\",\"seq_reply\":%lld,\"data\":{\"server_time"
	    "\":%lld}}", (long long)w.ping,
	    (long long)(W_WALL + w.now.ms - 10 + 5000));
	CHECK_INT(STATE(), SESSION_UP);
	CHECK_INT(w_state()->state, NET_CONNECTED);
	CHECK_STR(w_state()->bot_id, BOT);
	CHECK_STR(w_state()->bot_name, "chatops");
	CHECK_STR(w_state()->server_version, "5.37.0..abc.false");
	CHECK_INT(w_state()->max_post, 16383);
	CHECK_INT(w_state()->max_file, 104857600);
	CHECK_INT(w_state()->rtt, 20);
	CHECK_INT(w_state()->skew, 5000);
	CHECK_STR(w_state()->why, "");
	w_end();
}

/* Either order, for a server may answer the ping first. */
TEST(pong_before_hello)
{
	w_begin();
	net_start(w.net);
	w_identify();
	w_opened();
	w_pong();
	CHECK_INT(STATE(), SESSION_GREETING);
	w_hello(CONN1);
	CHECK_INT(STATE(), SESSION_UP);
	w_end();
}

TEST(limits_of_the_server)
{
	static const struct {
		const char	*config;
		unsigned int	 post;
		unsigned long long file;
	} t[] = {
		{ "{\"MaxPostSize\":\"4000\",\"EnableFileAttachments\":"
		    "\"true\",\"MaxFileSize\":\"1000\"}", 4000, 1000 },
		{ "{\"MaxPostSize\":\"16383\",\"EnableFileAttachments\":"
		    "\"false\",\"MaxFileSize\":\"1000\"}", 16383, 0 },
		{ "{\"MaxPostSize\":\"99999999\"}", 16383, 0 },
		{ "{\"MaxPostSize\":\"x\"}", 4000, 0 },
		{ "{\"MaxPostSize\":16383}", 4000, 0 },
		{ "{\"MaxPostSize\":\"0\"}", 4000, 0 },
		{ "{\"MaxPostSize\":\"-1\"}", 4000, 0 },
		{ "{}", 4000, 0 },
		{ "[]", 4000, 0 },
		{ "nonsense", 4000, 0 }
	};
	size_t	 i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		w_begin();
		net_start(w.net);
		CHECK_INT(w_answer("/users/me", 200, W_ME), 0);
		CHECK_INT(STATE(), SESSION_IDENTIFYING);
		CHECK_INT(w_answer("/config/client", 200, t[i].config), 0);
		CHECK_INT(STATE(), SESSION_OPENING);
		CHECK_INT(w.net->max_post, t[i].post);
		CHECK_INT(w.net->max_file, t[i].file);
		w_end();
	}
	/* read anew when the server says so */
	w_up();
	w_text("{\"event\":\"config_changed\",\"data\":{\"config\":{}},"
	    "\"broadcast\":{},\"seq\":1}");
	CHECK_INT(w_answer("/users/me", 200, W_ME), 0);
	CHECK_INT(w_answer("/config/client", 200, t[0].config), 0);
	CHECK_INT(w_state()->max_post, 4000);
	CHECK_INT(w_state()->state, NET_CONNECTED);
	w_end();
}

TEST(limits_are_asked_for_again)
{
	w_begin();
	net_start(w.net);
	CHECK_INT(w_answer("/users/me", 200, W_ME), 0);
	CHECK_INT(w_answer("/config/client", 502, "<html>"), 0);
	w_opened();
	w_hello(CONN1);
	w_pong();
	CHECK_INT(w_state()->max_post, NET_DEFAULT_POST);
	w_pass(NET_PING_INTERVAL);
	w_pong();
	w_pass(NET_PING_INTERVAL);
	w_pong();
	CHECK_INT(w_answer("/users/me/teams", 200, "[]"), 0);
	w_identify();
	CHECK_INT(w_state()->max_post, 16383);
	CHECK_INT(STATE(), SESSION_UP);
	w_end();
}

TEST(not_the_bots_account)
{
	const char	*bad[] = {
		"{}", "[]", "x",
		"{\"id\":\"me\",\"username\":\"chatops\",\"roles\":\"\"}",
		"{\"id\":\"" BOT "\",\"username\":\"\",\"roles\":\"\"}",
		"{\"id\":\"" BOT "\",\"username\":5,\"roles\":\"\"}",
		"{\"id\":\"" BOT "\",\"username\":\"chatops\",\"roles\":\"\","
		    "\"delete_at\":5}"
	};
	size_t		 i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		w_begin();
		net_start(w.net);
		CHECK_INT(w_answer("/config/client", 200, W_LIMITS), 0);
		CHECK_INT(w_answer("/users/me", 200, bad[i]), 0);
		CHECK_INT(STATE(), SESSION_WAITING);
		CHECK_INT(w_state()->state, NET_DOWN);
		CHECK_INT(w.ws, 0);
		w_end();
	}
}

/*
 * 1.9: every row
 */

static void
reconnect(void)
{
	w_pass(10000);		/* answered below; long enough to be good */
	if (w.net->session.ping != 0)
		w_pong();
	w_down("eof");
	CHECK_INT(STATE(), SESSION_WAITING);
	w_pass(500);
	CHECK_INT(STATE(), SESSION_OPENING);
	w_opened();
}

TEST(resume)
{
	char	 query[128];

	w_up();
	w_event();
	w_event();
	reconnect();
	(void)snprintf(query, sizeof(query),
	    "?connection_id=%s&sequence_number=3", CONN1);
	CHECK_STR(w.query, query);
	/* "next is in the dead queue": sent again with its old number */
	w_event();
	CHECK_INT(w.net->session.next, 4);
	CHECK_INT(STATE(), SESSION_GREETING);
	w_pong();
	CHECK_INT(STATE(), SESSION_UP);
	CHECK_STR(w.net->session.connection_id, CONN1);
	w_end();
}

TEST(resume_without_loss)
{
	w_up();
	reconnect();
	/* "next is the one after the last": no event need come at all */
	w_pong();
	CHECK_INT(STATE(), SESSION_UP);
	CHECK_INT(w.net->session.next, 1);
	w_event();
	CHECK_INT(w.net->session.next, 2);
	CHECK_INT(STATE(), SESSION_UP);
	w_end();
}

TEST(resume_refused)
{
	w_up();
	w_event();
	reconnect();
	/* too old, unknown, or still open for the server: a new one */
	w_hello(CONN2);
	w_pong();
	CHECK_INT(STATE(), SESSION_UP);
	CHECK_STR(w.net->session.connection_id, CONN2);
	CHECK_INT(w.net->session.next, 1);
	/* it may have been restarted: other limits, another name */
	CHECK_INT(w_answer("/users/me", 200, W_ME), 0);
	CHECK_INT(w_answer("/config/client", 200,
	    "{\"MaxPostSize\":\"4000\"}"), 0);
	CHECK_INT(w_state()->max_post, 4000);
	w_event();
	CHECK_INT(STATE(), SESSION_UP);
	w_end();
}

/* EnableReliableWebSockets=false: an empty id, never a resume. */
TEST(server_that_cannot_resume)
{
	w_begin();
	net_start(w.net);
	w_identify();
	w_opened();
	w_hello("");
	w_pong();
	CHECK_INT(STATE(), SESSION_UP);
	w_event();
	reconnect();
	CHECK_STR(w.query, "");
	w_hello("");
	w_pong();
	CHECK_INT(STATE(), SESSION_UP);
	/* an id that could not go into a query */
	reconnect();
	w_text("{\"event\":\"hello\",\"data\":{\"connection_id\":\"x&y=z\"},"
	    "\"broadcast\":{},\"seq\":0}");
	w_pong();
	CHECK_INT(STATE(), SESSION_UP);
	reconnect();
	CHECK_STR(w.query, "");
	w_end();
}

TEST(gap_in_the_numbers)
{
	w_up();
	w_event();
	w_pass(10000);
	w.seq += 5;
	w_event();
	CHECK_INT(STATE(), SESSION_WAITING);
	CHECK_INT(w.ws, 0);
	w_pass(500);
	/* the same place once more */
	CHECK(strstr(w.query, "sequence_number=2") != NULL);
	w_opened();
	w.seq = 7;
	w_event();
	CHECK_INT(STATE(), SESSION_WAITING);
	/* and then without: no endless loop */
	w_pass(5000);
	CHECK_STR(w.query, "");
	w_opened();
	w_hello(CONN2);
	w_pong();
	CHECK_INT(STATE(), SESSION_UP);
	w_end();
}

TEST(number_that_repeats)
{
	w_up();
	w_event();
	w.seq--;
	w_event();
	CHECK_INT(STATE(), SESSION_WAITING);
	w_end();
}

TEST(hello_in_the_middle)
{
	w_up();
	w_event();
	w_hello(CONN2);
	CHECK_INT(STATE(), SESSION_UP);
	w_event();
	CHECK_INT(STATE(), SESSION_UP);
	CHECK_STR(w.net->session.connection_id, CONN2);
	w_end();
}

TEST(event_before_hello)
{
	w_begin();
	net_start(w.net);
	w_identify();
	w_opened();
	w_event();
	CHECK_INT(STATE(), SESSION_WAITING);
	w_end();
}

/*
 * 1.2 and 1.8: how connections end
 */

TEST(bad_token_drops_after_101)
{
	w_up();
	w_pass(20000);
	w_down("eof");
	w_pass(500);
	w_opened();
	w_pass(4000);
	w_down("eof");		/* no close frame, no hello */
	CHECK_INT(STATE(), SESSION_DIAGNOSING);
	CHECK_INT(w_answer("/users/me", 401, "{\"id\":\"api.context."
	    "session_expired.app_error\",\"status_code\":401}"), 0);
	CHECK_INT(STATE(), SESSION_DIAGNOSING);
	CHECK_INT(w_asked("/system/ping?get_server_status=true")->auth, 0);
	CHECK_INT(w_answer("/system/ping", 200, "{\"status\":\"OK\","
	    "\"database_status\":\"OK\"}"), 0);
	CHECK_INT(STATE(), SESSION_WAITING);
	CHECK_INT(w_state()->state, NET_REFUSED);
	CHECK(w_state()->why[0] != '\0');
	/* slowly, and not an end */
	w_pass(59000);
	CHECK_INT(STATE(), SESSION_WAITING);
	w_pass(4000);
	CHECK_INT(STATE(), SESSION_IDENTIFYING);
	CHECK_INT(w_state()->state, NET_REFUSED);
	/* somebody has put it right */
	w_identify();
	CHECK_INT(STATE(), SESSION_OPENING);
	CHECK_INT(w_state()->state, NET_CONNECTING);
	w_end();
}

TEST(no_hello_in_five_seconds)
{
	w_begin();
	net_start(w.net);
	w_identify();
	w_opened();
	w_pass(NET_HELLO_TIMEOUT - 1);
	CHECK_INT(STATE(), SESSION_GREETING);
	w_pass(1);
	CHECK_INT(STATE(), SESSION_DIAGNOSING);
	CHECK_INT(w.ws, 0);
	/* the token is good elsewhere: not refused, but not connected */
	w_identify();
	CHECK_INT(STATE(), SESSION_WAITING);
	CHECK_INT(w_state()->state, NET_DOWN);
	w_end();
}

TEST(resumed_but_silent)
{
	w_up();
	reconnect();
	w_pass(NET_HELLO_TIMEOUT);
	CHECK_INT(STATE(), SESSION_DIAGNOSING);
	w_end();
}

TEST(database_in_trouble)
{
	static const struct {
		int		 status;
		const char	*body;
		enum net_state	 state;
	} t[] = {
		{ 200, "{\"status\":\"OK\"}", NET_REFUSED },
		{ 200, "{\"status\":\"OK\",\"database_status\":\"OK\"}",
		    NET_REFUSED },
		{ 200, "{\"status\":\"OK\",\"database_status\":"
		    "\"UNHEALTHY\"}", NET_DOWN },
		{ 200, "{\"status\":\"UNHEALTHY\"}", NET_DOWN },
		{ 500, "{\"status\":\"UNHEALTHY\"}", NET_DOWN },
		{ 502, "<html>", NET_DOWN },
		{ 200, "{}", NET_DOWN },
		{ 200, "OK", NET_DOWN },
		{ 0, "connection refused", NET_DOWN }
	};
	size_t	 i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		w_begin();
		net_start(w.net);
		CHECK_INT(w_answer("/config/client", 401, "{}"), 0);
		CHECK_INT(w_answer("/users/me", 401, "{}"), 0);
		CHECK_INT(w_answer("/system/ping", t[i].status, t[i].body),
		    0);
		CHECK_INT(STATE(), SESSION_WAITING);
		CHECK_INT(w_state()->state, t[i].state);
		w_pass(5000);
		CHECK_INT(STATE(), t[i].state == NET_REFUSED ?
		    SESSION_WAITING : SESSION_IDENTIFYING);
		w_end();
	}
}

TEST(revoked_while_connected)
{
	w_up();
	w_pass(NET_PING_INTERVAL);
	w_text("{\"status\":\"FAIL\",\"seq_reply\":%lld,\"error\":{\"id\":"
	    "\"api.context.invalid_token.error\",\"message\":\"Invalid "
	    "session token=secret\",\"status_code\":401}}",
	    (long long)w.ping);
	CHECK_INT(STATE(), SESSION_DIAGNOSING);
	CHECK_INT(w.ws, 0);
	w_end();
}

/* A 401 somewhere else: a ping asks whether the session still is good. */
TEST(rest_says_401)
{
	struct msg_lookup_user	 q = { .by_name = 0, .key = ALICE };
	int			 n;

	w_up();
	w_pass(5000);
	n = w.nsent;
	CHECK_INT(net_message(w.net, MSG_LOOKUP_USER, 5, -1, &q), 0);
	CHECK_INT(w_answer("/users/" ALICE, 401, "{}"), 0);
	CHECK_INT(w.nsent, n + 1);
	CHECK_INT(w_mail(MSG_USER)->u.user.status, LOOKUP_FAILED);
	CHECK_INT(STATE(), SESSION_UP);
	w_pong();
	CHECK_INT(STATE(), SESSION_UP);
	w_end();
}

TEST(upgrade_refused)
{
	struct ws_end	 end;

	w_begin();
	net_start(w.net);
	w_identify();
	memset(&end, 0, sizeof(end));
	end.status = 429;
	end.retry_after = 60;
	(void)snprintf(end.why, sizeof(end.why), "it answered 429");
	w.ws = 0;
	session_down(w.net, &end);
	CHECK_INT(STATE(), SESSION_WAITING);
	w_pass(59999);
	CHECK_INT(STATE(), SESSION_WAITING);
	w_pass(10);
	CHECK_INT(STATE(), SESSION_OPENING);
	end.status = 401;
	w.ws = 0;
	session_down(w.net, &end);
	CHECK_INT(STATE(), SESSION_DIAGNOSING);
	w_end();
	/* a server that wants us to wait a year is not obeyed */
	w_begin();
	net_start(w.net);
	w_identify();
	end.status = 503;
	end.retry_after = 86400 * 365LL;
	w.ws = 0;
	session_down(w.net, &end);
	w_pass(NET_RETRY_MAX + 10);
	CHECK_INT(STATE(), SESSION_OPENING);
	w_end();
}

TEST(opening_takes_too_long)
{
	w_begin();
	net_start(w.net);
	w_identify();
	w_pass(NET_OPEN_TIMEOUT);
	CHECK_INT(STATE(), SESSION_WAITING);
	CHECK_INT(w.ws, 0);
	w_end();
}

TEST(nonsense_from_the_server)
{
	const char	*bad[] = { "", "{", "[]", "{}", "{\"event\":\"x\"}",
			    "{\"event\":\"x\",\"data\":{},\"seq\":-1}" };
	size_t		 i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		w_up();
		w_text("%s", bad[i]);
		CHECK_INT(STATE(), SESSION_WAITING);
		CHECK_INT(w.ws, 0);
		/* what comes of the old connection is not heard */
		w_event();
		CHECK_INT(STATE(), SESSION_WAITING);
		w_end();
	}
}

/* Bytes of a server must fit a message between the processes. */
TEST(reasons_are_made_harmless)
{
	w_up();
	w_down("certificate of \377\376\n\033[31m");
	CHECK_STR(w_state()->why, "certificate of ????[31m");
	w_end();
}

/*
 * Liveness
 */

TEST(ping_every_thirty_seconds)
{
	int	 i, n;

	w_up();
	n = w.nsent;
	for (i = 1; i <= 10; i++) {
		w_pass(NET_PING_INTERVAL);
		CHECK_INT(w.nsent, n + i);
		w_pong();
	}
	CHECK_INT(STATE(), SESSION_UP);
	w_pass(NET_PING_INTERVAL);
	w_pass(NET_PING_TIMEOUT - 1);
	CHECK_INT(STATE(), SESSION_UP);
	w_pass(1);
	CHECK_INT(STATE(), SESSION_WAITING);
	w_end();
}

TEST(answer_to_another_ping)
{
	w_up();
	w_pass(NET_PING_INTERVAL);
	w_text("{\"status\":\"OK\",\"seq_reply\":%lld}",
	    (long long)w.ping - 1);
	w_text("{\"status\":\"OK\"}");
	w_text("{\"status\":\"FAIL\",\"seq_reply\":999,\"error\":{"
	    "\"status_code\":500}}");
	w_pass(NET_PING_TIMEOUT);
	CHECK_INT(STATE(), SESSION_WAITING);
	w_end();
}

TEST(silence)
{
	w_up();
	/* frames keep the link, whatever they are */
	w.timers[TIMER_PING] = MONOTIME_NEVER;
	w_pass(60000);
	session_frame(w.net);
	w_pass(60000);
	CHECK_INT(STATE(), SESSION_UP);
	w_pass(5000);
	CHECK_INT(STATE(), SESSION_WAITING);
	w_end();
}

/* A link that is dead without a word is noticed in time. */
TEST(probes)
{
	int	 i, n;

	w_up();
	n = w.nprobes;
	for (i = 0; i < 100; i++) {
		w_pass(NET_PROBE);
		CHECK_INT(w.nprobes, n + i + 1);
		session_frame(w.net);
		session_pong_frame(w.net);
		if (w.net->session.ping != 0)
			w_pong();
	}
	CHECK_INT(STATE(), SESSION_UP);
	/* one lost PING is nothing */
	w_pass(NET_PROBE_DEAD - 1);
	CHECK_INT(STATE(), SESSION_UP);
	session_frame(w.net);
	w_pass(NET_PROBE_DEAD - 1);
	CHECK_INT(STATE(), SESSION_UP);
	w_pass(1);
	CHECK_INT(STATE(), SESSION_WAITING);
	CHECK_INT(w.ws, 0);
	w_pass(400);
	CHECK_INT(STATE(), SESSION_OPENING);
	w_end();
}

/* Not of a server, or a proxy, that does not answer PINGs at all. */
TEST(probes_that_are_never_answered)
{
	w_up();
	w_pass(29000);
	CHECK_INT(STATE(), SESSION_UP);
	CHECK(w.nprobes >= 10);
	w_end();
	/* nor while there is traffic */
	w_up();
	w.nprobes = 0;
	for (w.sent[0] = '\0'; w.now.ms < 1020000; w_pass(1000))
		w_event();
	CHECK_INT(w.nprobes, 0);
	w_end();
}

TEST(odd_clocks)
{
	const char	*t[] = { "0", "-5", "9223372036854775807", "\"x\"",
			    "1.5", "null" };
	size_t		 i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		w_up();
		w_pass(NET_PING_INTERVAL);
		w_text("{\"status\":\"OK\",\"seq_reply\":%lld,\"data\":{"
		    "\"server_time\":%s}}", (long long)w.ping, t[i]);
		CHECK_INT(STATE(), SESSION_UP);
		CHECK_INT(w.net->skew, 0);
		w_end();
	}
	/* the server's clock is put right: the executor hears of it */
	w_up();
	w_pass(NET_PING_INTERVAL);
	w_text("{\"status\":\"OK\",\"seq_reply\":%lld,\"data\":{\"server_time"
	    "\":%lld}}", (long long)w.ping,
	    (long long)(W_WALL + w.now.ms - 90000));
	CHECK_INT(w_state()->skew, -90000);
	CHECK_INT(w_state()->state, NET_CONNECTED);
	w_end();
}

/*
 * Back-off
 */

static int64_t
delay(void)
{
	return monotime_sub(w.timers[TIMER_SESSION], w.now);
}

TEST(backoff)
{
	static const int64_t	 want[] = { 3000, 3000, 3000, 3000, 3000, 3000,
				    3000, 192000, 243000, 300000, 300000 };
	size_t			 i;
	int			 jitter;

	for (jitter = 0; jitter < 2; jitter++) {
		w_begin();
		/* 2000 modulo 2001 is the most that is added */
		w.randomness = jitter ? 2000 : 0;
		net_start(w.net);
		w_identify();
		for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
			w_down("connection refused");
			CHECK_INT(delay(), want[i] + (jitter ? 2000 : 0));
			w_pass(delay());
			CHECK_INT(STATE(), SESSION_OPENING);
		}
		/* connected: counted anew, once it has held for a while */
		w_opened();
		w_hello(CONN1);
		w_pong();
		w_pass(NET_STABLE);
		w_down("eof");
		CHECK(delay() <= 300);
		w_end();
	}
}

TEST(back_within_five_seconds)
{
	int64_t	 total = 0;
	int	 i;

	w_up();
	w.randomness = 200;		/* the most jitter */
	w_pass(NET_STABLE);
	w_down("eof");
	for (i = 0; i < NET_QUICK_TRIES; i++) {
		CHECK(delay() <= 1700);
		total += delay();
		w_pass(delay());
		CHECK_INT(STATE(), SESSION_OPENING);
		w_down("connection refused");
	}
	CHECK(total >= 3500 && total <= 5000);
	CHECK(delay() >= 3000);
	w_end();
}

/* One that greets and hangs up is not met with a hammer. */
TEST(flapping)
{
	int64_t	 total = 0;
	int	 i;

	w_up();
	for (i = 0; i < 100; i++) {
		w_down("eof");
		total += delay();
		w_pass(delay());
		w_opened();
		w_hello(CONN1);
		w_pong();
	}
	CHECK(total > 1000000);
	w_end();
}

TEST(refused_for_long)
{
	int64_t	 want[] = { 60000, 120000, 180000, 240000, 300000, 300000 };
	size_t	 i;

	w_begin();
	net_start(w.net);
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		while (w_answer("/config/client", 401, "{}") == 0)
			continue;
		CHECK_INT(w_answer("/users/me", 401, "{}"), 0);
		CHECK_INT(w_answer("/system/ping", 200,
		    "{\"status\":\"OK\"}"), 0);
		CHECK_INT(delay(), want[i]);
		CHECK_INT(w_state()->state, NET_REFUSED);
		w_pass(delay());
	}
	CHECK_INT(w.opens, 0);
	w_end();
}

/*
 * Events
 */

static void
posted(const char *id, const char *text)
{
	w_text("{\"event\":\"posted\",\"data\":{\"channel_type\":\"O\","
	    "\"channel_name\":\"operations\",\"team_id\":\"" TEAM "\",\"post"
	    "\":\"{\\\"id\\\":\\\"%s\\\",\\\"create_at\\\":5,\\\"user_id\\\":"
	    "\\\"" ALICE "\\\",\\\"channel_id\\\":\\\"" OPS "\\\",\\\"message"
	    "\\\":\\\"%s\\\",\\\"type\\\":\\\"\\\"}\"},\"broadcast\":{\""
	    "channel_id\":\"" OPS "\"},\"seq\":%lld}", id, text,
	    (long long)w.seq++);
}

TEST(commands_go_on)
{
	w_up();
	posted(POST, "!ping");
	CHECK_INT(w_mails(MSG_COMMAND), 1);
	CHECK_STR(w_mail(MSG_COMMAND)->u.command.post_id, POST);
	CHECK_STR(w_mail(MSG_COMMAND)->u.command.text, "!ping");
	CHECK_INT(w_mail(MSG_COMMAND)->u.command.missed, 0);
	posted(ALICE, "hello");
	CHECK_INT(w_mails(MSG_COMMAND), 1);
	/* only posted is a source of commands */
	w_text("{\"event\":\"post_edited\",\"data\":{\"post\":\"{\\\"id\\\":"
	    "\\\"" POST "\\\",\\\"message\\\":\\\"!x\\\"}\"},\"broadcast\":{}"
	    ",\"seq\":%lld}", (long long)w.seq++);
	w_text("{\"event\":\"ephemeral_message\",\"data\":{\"post\":\"{}\"},"
	    "\"broadcast\":{},\"seq\":%lld}", (long long)w.seq++);
	/* malformed inside does not hurt the connection */
	w_text("{\"event\":\"posted\",\"data\":{\"post\":\"{\"},\"broadcast\""
	    ":{},\"seq\":%lld}", (long long)w.seq++);
	w_text("{\"event\":\"posted\",\"data\":{\"post\":{}},\"broadcast\":{}"
	    ",\"seq\":%lld}", (long long)w.seq++);
	w_text("{\"event\":\"posted\",\"data\":{\"post\":\"[]\"},\"broadcast"
	    "\":null,\"seq\":%lld}", (long long)w.seq++);
	CHECK_INT(w_mails(MSG_COMMAND), 1);
	CHECK_INT(STATE(), SESSION_UP);
	w_end();
}

TEST(reactions_go_on)
{
	w_up();
	w_text("{\"event\":\"reaction_added\",\"data\":{\"reaction\":\"{\\\""
	    "user_id\\\":\\\"" ALICE "\\\",\\\"post_id\\\":\\\"" POST "\\\","
	    "\\\"emoji_name\\\":\\\"+1\\\"}\"},\"broadcast\":{\"channel_id\":"
	    "\"" OPS "\"},\"seq\":%lld}", (long long)w.seq++);
	CHECK_INT(w_mails(MSG_REACTION), 1);
	CHECK_STR(w_mail(MSG_REACTION)->u.reaction.emoji, "+1");
	w_end();
}

TEST(renamed_bot)
{
	w_up();
	w_text("{\"event\":\"user_updated\",\"data\":{\"user\":{\"id\":\"" BOT
	    "\",\"username\":\"ops2\"}},\"broadcast\":{},\"seq\":%lld}",
	    (long long)w.seq++);
	CHECK_INT(w_answer("/users/me", 200, "{\"id\":\"" BOT "\",\"username"
	    "\":\"ops2\",\"is_bot\":true,\"roles\":\"\"}"), 0);
	CHECK_INT(w_answer("/config/client", 200, W_LIMITS), 0);
	CHECK_STR(w_state()->bot_name, "ops2");
	CHECK_INT(STATE(), SESSION_UP);
	w_end();
}

/* XOFF: kept in order, bounded, the rest found again later. */
TEST(executor_is_slow)
{
	char	 id[ID_SIZE];
	int	 i;

	w_up();
	CHECK_INT(net_message(w.net, MSG_XOFF, 0, -1, NULL), 0);
	for (i = 0; i < NET_HELD_MAX + 10; i++) {
		(void)snprintf(id, sizeof(id), "%026d", i);
		posted(id, "!x");
	}
	CHECK_INT(w_mails(MSG_COMMAND), 0);
	CHECK_INT(STATE(), SESSION_UP);
	/* what did not fit is left to the catch-up */
	CHECK(net_is_recent(w.net, "00000000000000000000000000"));
	CHECK(!net_is_recent(w.net, id));
	w.net->reconciled.ms = W_WALL;
	w_pass(20000);
	CHECK_INT(net_message(w.net, MSG_XON, 0, -1, NULL), 0);
	CHECK_INT(w_mails(MSG_COMMAND), NET_HELD_MAX);
	CHECK_STR(w_mail(MSG_COMMAND)->u.command.post_id,
	    "00000000000000000000000255");
	CHECK(w_asked("/users/me/teams") != NULL);
	posted(POST, "!y");
	CHECK_INT(w_mails(MSG_COMMAND), NET_HELD_MAX + 1);
	w_end();
}

/* Connections to the REST side are kept warm, not more. */
TEST(warm_connections)
{
	w_up();
	w_pass(NET_WARM);
	CHECK_INT(w_requests("/system/ping"), 2);
	CHECK_INT(w_asked("/system/ping")->auth, 0);
	w_pass(NET_WARM);
	CHECK_INT(w_requests("/system/ping"), 2);
	w_end();
}

TEST(wrong_message)
{
	w_up();
	CHECK_INT(net_message(w.net, MSG_COMMAND, 0, -1, NULL), -1);
	w_end();
}
