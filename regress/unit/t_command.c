/*
 * The executor's run path: every layer's refusal, the order of what is
 * durable, duplicates, late and lost answers, crashes at every step.
 */
#include "exec_world.h"

TEST(ping)
{
	world_up();
	post(CAROL, "!ping");
	CHECK_HAS(said(), "pong");
	CHECK_INT(count_lines(AUDIT_DENIED), 0);
	world_end();
}

TEST(run)
{
	struct db_job	 row;

	world_up();
	post(BOB, "!deploy service=api-server environment=staging");
	CHECK_INT(w.nstarted, 1);
	CHECK_STR(words_get(&w.started[0].words, 0), "api-server");
	CHECK_STR(words_get(&w.started[0].words, 1), "staging");
	CHECK_STR(w.started[0].user_id, BOB);
	CHECK_INT(count_lines(AUDIT_INTENT), 1);
	CHECK_INT(count_lines(AUDIT_EXECUTION), 1);
	CHECK_INT(last_line(AUDIT_EXECUTION)->success, 1);
	CHECK_STR(last_line(AUDIT_EXECUTION)->arguments,
	    "{\"service\":\"api-server\",\"environment\":\"staging\"}");
	CHECK_INT(db_job_get(w.db, 1, &row), 1);
	CHECK_INT(row.state, DBJOB_FINISHED);
	CHECK_INT(row.told, DBJOB_TOLD);
	CHECK_HAS(said(), "exit status 0");
	CHECK_HAS(said(), "done");
	/* a harmless post first, the output only by an edit */
	CHECK(strstr(w.posts[0].first, "done") == NULL);
	CHECK(reacted("+hourglass_flowing_sand", w_last.post_id));
	CHECK(reacted("-hourglass_flowing_sand", w_last.post_id));
	CHECK(reacted("+white_check_mark", w_last.post_id));
	CHECK_INT(w.x->njobs, 0);
	CHECK_INT(w.x->ncmds, 0);
	world_end();
}

TEST(run_by_name_and_by_run)
{
	world_up();
	post(CAROL, "!run hello");
	post(CAROL, "@opsbot hello");
	post(CAROL, "@OpsBot: hello");
	CHECK_INT(w.nstarted, 3);
	world_end();
}

TEST(not_a_command)
{
	world_up();
	post(CAROL, "hello");
	post(CAROL, "!!!");
	post(CAROL, "! really");
	post(CAROL, "@opsbotx hello");
	CHECK_INT(w.nposts, 0);
	CHECK_INT(count_lines(AUDIT_DENIED), 0);
	CHECK_INT(w.x->ncmds, 0);
	world_end();
}

static void
direct(const char *user, const char *name, const char *text)
{
	w_command(&w_last, user, "dmdmdmdmdmdmdmdmdmdmdmdmdm", text);
	w_last.channel_type = 'D';
	(void)strlcpy(w_last.channel_name, name,
	    sizeof(w_last.channel_name));
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &w_last);
	world_pump();
}

TEST(direct_message)
{
	world_up();
	direct(ALICE, DM_ALICE, "ping");
	CHECK_HAS(said(), "pong");
	direct(ALICE, DM_ALICE, "!ping");
	CHECK_HAS(said(), "pong");
	/* somebody else in that conversation */
	direct(BOB, DM_ALICE, "ping");
	CHECK_STR(denied(), "direct");
	/* deploy may run in ops only */
	direct(ALICE, DM_ALICE,
	    "deploy service=api-server environment=staging");
	CHECK_STR(denied(), "channel");
	CHECK_INT(w.nstarted, 0);
	world_end();
}

TEST(duplicate)
{
	world_up();
	post(BOB, "!deploy service=api-server environment=staging");
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &w_last);
	world_pump();
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &w_last);
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &w_last);
	world_pump();
	CHECK_INT(w.nstarted, 1);
	CHECK_INT(count_lines(AUDIT_INTENT), 1);
	world_end();
}

TEST(age)
{
	world_up();
	w_command(&w_last, ALICE, OPS, "!ping");
	w_last.create_at = w.wall - 61000;
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &w_last);
	world_pump();
	CHECK_STR(denied(), "age");
	w_command(&w_last, ALICE, OPS, "!ping");
	w_last.create_at = w.wall + 61000;
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &w_last);
	world_pump();
	CHECK_INT(count_lines(AUDIT_DENIED), 2);
	w_command(&w_last, ALICE, OPS, "!ping");
	w_last.create_at = INT64_MIN;
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &w_last);
	world_pump();
	CHECK_INT(count_lines(AUDIT_DENIED), 3);
	CHECK(strstr(said(), "pong") == NULL);
	world_end();
}

TEST(missed)
{
	world_up();
	w_command(&w_last, BOB, OPS,
	    "!deploy service=api-server environment=staging");
	w_last.missed = 1;
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &w_last);
	world_pump();
	CHECK_STR(denied(), "missed");
	CHECK_HAS(said(), "please send it again");
	CHECK_INT(w.nstarted, 0);
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &w_last);
	world_pump();
	CHECK_INT(count_lines(AUDIT_DENIED), 1);
	world_end();
}

TEST(banned)
{
	struct db_ban	 ban;
	size_t		 before;

	world_up();
	memset(&ban, 0, sizeof(ban));
	(void)strlcpy(ban.id, MALLORY, sizeof(ban.id));
	(void)strlcpy(ban.username, "mallory", sizeof(ban.username));
	(void)strlcpy(ban.reason, "spam", sizeof(ban.reason));
	(void)strlcpy(ban.by_name, "alice", sizeof(ban.by_name));
	ban.created_at = w.wall;
	ban.expires_at = w.wall + 2 * 3600000;
	CHECK_INT(db_ban_put(w.db, &ban), 0);
	post(MALLORY, "!help");
	CHECK_STR(denied(), "banned");
	CHECK_HAS(said(), "you are banned: spam");
	before = w.nposts;
	post(MALLORY, "!ping");
	CHECK_INT(w.nposts, before);
	world_sleep(3600001);
	post(MALLORY, "!ping");
	CHECK_INT(w.nposts, before + 1);
	world_sleep(3600001);
	post(MALLORY, "!ping");
	CHECK_HAS(said(), "pong");
	world_end();
}

TEST(rate)
{
	int	 i, denied_lines, posts;

	world_up();
	for (i = 0; i < 20; i++)
		post(CAROL, "!ping");
	CHECK_HAS(said(), "pong");
	CHECK_INT(count_lines(AUDIT_DENIED), 0);
	for (i = 0; i < 500; i++)
		post(CAROL, "!ping");
	CHECK_STR(denied(), "rate-user");
	denied_lines = count_lines(AUDIT_DENIED);
	CHECK_INT(denied_lines, CORE_FOLD_FREE);
	posts = (int)w.nposts;
	world_sleep(CORE_FOLD_MS + 1000);
	/* the rest in one line with their number */
	CHECK_INT(count_lines(AUDIT_DENIED), denied_lines + 1);
	CHECK_HAS(last_line(AUDIT_DENIED)->detail, "\"count\":495");
	CHECK_INT(w.nposts, posts);
	/* others are not in the way, nor he after a while */
	post(BOB, "!ping");
	CHECK_HAS(said(), "pong");
	post(CAROL, "!ping");
	CHECK_HAS(said(), "pong");
	world_end();
}

TEST(text_and_words)
{
	world_up();
	post(CAROL, "!hello\342\200\256 x");
	CHECK_STR(denied(), "text");
	CHECK_HAS(said(), "U+202E");
	post(CAROL, "!hello 'x");
	CHECK_STR(denied(), "words");
	CHECK_INT(w.nstarted, 0);
	world_end();
}

/* What nobody can see is named wherever it is; talk stays talk. */
TEST(invisible_characters_around_the_prefix)
{
	static const char *const	 bad[] = { "!\342\200\213ping",
	    "\342\200\213!ping", "!\342\200\213\342\200\213ping",
	    "\342\200\213!\342\200\213ping", "\342\200\213@opsbot ping",
	    "@opsbot\342\200\213 ping", "@opsbot:\342\200\213ping",
	    "@opsbot \342\200\213ping" };
	static const char *const	 talk[] = { "!", "!!!", "! hello",
	    "!\342\200\213", "\342\200\213!", "\342\200\213!!!",
	    "\342\200\213hello", "!\thello", "!\342\200\213 hello",
	    "@opsbot\342\200\213" };
	size_t				 i;
	int				 before;

	world_up();
	w.conf.user_rate.count = 0;
	w.conf.global_rate.count = 0;
	for (i = 0; i < nitems(bad); i++) {
		before = count_lines(AUDIT_DENIED);
		post(CAROL, bad[i]);
		CHECK_INT(count_lines(AUDIT_DENIED), before + 1);
		CHECK_STR(denied(), "text");
		CHECK_HAS(said(), "U+200B ZERO WIDTH SPACE");
	}
	before = w.nposts;
	for (i = 0; i < nitems(talk); i++)
		post(CAROL, talk[i]);
	CHECK_INT(w.nposts, before);
	CHECK_INT(count_lines(AUDIT_DENIED), (int)nitems(bad));
	CHECK_INT(w.x->ncmds, 0);
	world_end();
}

TEST(unknown_command)
{
	world_up();
	post(CAROL, "!helo");
	CHECK_STR(denied(), "unknown-command");
	CHECK_HAS(said(), "did you mean");
	/* what he may not run is not suggested */
	post(CAROL, "!deplyo");
	CHECK_STR(denied(), "unknown-command");
	CHECK(strstr(said(), "deploy ") == NULL);
	CHECK(strstr(said(), "did you mean deploy") == NULL);
	post(BOB, "!deplyo");
	CHECK_HAS(said(), "did you mean deploy");
	world_end();
}

TEST(accounts)
{
	static const struct {
		uint32_t	 flags;
		const char	*reason;
	} cases[] = {
		{ USER_DELETED, "account" },
		{ USER_BOT, "bot" },
		{ USER_GUEST, "guest" },
		{ USER_REMOTE, "remote" }
	};
	size_t	 i, before;

	world_up();
	for (i = 0; i < nitems(cases); i++) {
		w_user(BOB, 0)->flags = cases[i].flags;
		before = w.nposts;
		post(BOB, "!deploy service=api-server environment=staging");
		CHECK_STR(denied(), cases[i].reason);
		/* programs get no answer: they might answer back */
		CHECK_INT(w.nposts - before, cases[i].flags != USER_BOT);
	}
	w_user(BOB, 0)->flags = 0;
	w_user(BOB, 0)->absent = 1;
	post(BOB, "!hello");
	CHECK_STR(denied(), "member");
	CHECK_INT(w.nstarted, 0);
	world_end();
}

TEST(layers)
{
	world_up();
	post(CAROL, "!deploy service=api-server environment=staging");
	CHECK_STR(denied(), "permission");
	post(BOB, "!restart");
	CHECK_STR(denied(), "flags");
	post(ALICE, "!off");
	CHECK_STR(denied(), "disabled");
	post_in(BOB, TOWN, "!deploy service=api-server environment=staging");
	CHECK_STR(denied(), "channel");
	post(BOB, "!deploy service=nothing environment=staging");
	CHECK_STR(denied(), "arguments");
	CHECK_HAS(said(), "usage");
	post(BOB, "!deploy service=api-server");
	CHECK_STR(denied(), "arguments");
	post(BOB, "!hello world");
	CHECK_STR(denied(), "arguments");
	post(CAROL, "!seldom");
	CHECK_INT(w.nstarted, 1);
	post(CAROL, "!seldom");
	CHECK_STR(denied(), "rate-script");
	CHECK_INT(w.nstarted, 1);
	CHECK_HAS(said(), "Reference");
	world_end();
}

/* Dead names: refused, never taken for "anywhere". */
TEST(channel_that_does_not_resolve)
{
	world_up();
	w.channel_missing = 1;
	post(BOB, "!deploy service=api-server environment=staging");
	CHECK_STR(denied(), "channel-unknown");
	w.channel_missing = 0;
	world_sleep(CORE_CHANNEL_MS + 1);
	post(BOB, "!deploy service=api-server environment=staging");
	CHECK_INT(w.nstarted, 1);
	world_end();
}

TEST(dry_run)
{
	world_up();
	post(BOB, "!deploy service=api-server environment=staging --dry-run");
	CHECK_INT(w.nstarted, 1);
	CHECK_STR(words_get(&w.started[0].words, 2), "--check");
	world_end();
}

TEST(secret_argument)
{
	size_t	 i;

	world_up();
	w.output = "the token is hunter2secret.\n";
	post(BOB, "!rotate token=hunter2secret");
	CHECK_INT(w.nstarted, 1);
	CHECK_STR(words_get(&w.started[0].words, 0), "hunter2secret");
	CHECK_HAS(said(), "***");
	post(BOB, "!rotate token=hunter2secret;x");
	CHECK_STR(denied(), "arguments");
	for (i = 0; i < w.nlines; i++) {
		CHECK(strstr(w.lines[i]->m.detail, "hunter2") == NULL);
		CHECK(strstr(w.lines[i]->m.arguments, "hunter2") == NULL);
		CHECK(strstr(w.lines[i]->m.error, "hunter2") == NULL);
	}
	for (i = 0; i < w.nposts; i++)
		CHECK(strstr(w.posts[i].text, "hunter2") == NULL);
	world_end();
}

/* The server does not answer: refused, and late answers change nothing. */
TEST(lost_answers)
{
	struct msg_user	 user;

	world_up();
	w.net_silent = 1;
	post(BOB, "!deploy service=api-server environment=staging");
	CHECK_INT(w.x->ncmds, 1);
	w.net_silent = 0;
	world_sleep(CORE_LOOKUP_MS + 1);
	CHECK_STR(denied(), "lookup");
	CHECK_INT(w.x->ncmds, 0);
	memset(&user, 0, sizeof(user));
	(void)strlcpy(user.id, BOB, sizeof(user.id));
	(void)strlcpy(user.username, "bob", sizeof(user.username));
	executor_message(w.x, ROLE_NETWORK, MSG_USER, 1, -1, &user);
	executor_message(w.x, ROLE_NETWORK, MSG_USER, 2, -1, &user);
	world_pump();
	CHECK_INT(w.nstarted, 0);
	CHECK_INT(w.exited, 0);
	world_end();
}

/* An answer to what was never asked ends the process. */
TEST(forged_answers)
{
	struct msg_net_result	 r;
	struct msg_user		 user;

	world_up();
	memset(&user, 0, sizeof(user));
	memset(&r, 0, sizeof(r));
	executor_message(w.x, ROLE_NETWORK, MSG_USER, 0x7fffffff, -1, &user);
	CHECK_INT(w.exited, 1);
	executor_message(w.x, ROLE_NETWORK, MSG_NET_RESULT, 0, -1, &r);
	CHECK_INT(w.exited, 2);
	/* of another kind than was asked for */
	w.net_silent = 1;
	post(BOB, "!ping");
	executor_message(w.x, ROLE_NETWORK, MSG_MEMBER, w.x->last_id - 1, -1,
	    &user);
	CHECK_INT(w.exited, 3);
	world_end();
}

/* "Who is bob?" "alice is an admin." */
TEST(answer_about_another)
{
	struct msg_member	 member;
	struct msg_user		 user;
	uint32_t		 id;

	world_up();
	w.net_silent = 1;
	post(CAROL, "!adduser @carol admin");
	id = w.x->last_id;
	memset(&user, 0, sizeof(user));
	(void)strlcpy(user.id, ALICE, sizeof(user.id));
	(void)strlcpy(user.username, "alice", sizeof(user.username));
	memset(&member, 0, sizeof(member));
	executor_message(w.x, ROLE_NETWORK, MSG_USER, id - 2, -1, &user);
	executor_message(w.x, ROLE_NETWORK, MSG_MEMBER, id - 1, -1, &member);
	executor_message(w.x, ROLE_NETWORK, MSG_USER, id, -1, &user);
	w.net_silent = 0;
	world_pump();
	CHECK_STR(denied(), "lookup");
	CHECK_INT(count_lines(AUDIT_PERMISSION), 0);
	world_end();
}

TEST(flood)
{
	int	 i;

	world_up();
	w.net_silent = 1;
	for (i = 0; i < 100; i++) {
		w_command(&w_last, i % 2 ? CAROL : MALLORY, OPS, "!ping");
		executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1,
		    &w_last);
	}
	/* twenty of each are waiting for the server */
	CHECK(w.x->ncmds <= 60);
	world_pump();
	CHECK_INT(w.x->ncmds, 40);
	w.net_silent = 0;
	world_sleep(CORE_LOOKUP_MS + 1);
	CHECK_INT(w.x->ncmds, 0);
	world_end();
}

TEST(back_pressure)
{
	char	 id[ID_SIZE];
	int	 i;

	world_up();
	w.conf.global_rate.count = 0;
	w.net_silent = 1;
	for (i = 0; i < 200; i++) {
		w_new_id(id, 'u');
		w_command(&w_last, id, OPS, "!ping");
		executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1,
		    &w_last);
	}
	world_pump();
	CHECK_INT(w.xoffs, 1);
	w.net_silent = 0;
	world_sleep(CORE_LOOKUP_MS + 1);
	CHECK_INT(w.xons, 1);
	CHECK_INT(w.x->ncmds, 0);
	for (i = 0; i < CORE_COMMANDS_MAX + 10; i++) {
		w_new_id(id, 'u');
		w_command(&w_last, id, OPS, "!ping");
		executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1,
		    &w_last);
		if (w.tail > W_QUEUE / 2)
			world_clear_queue();
	}
	CHECK(w.exited > 0);
	world_end();
}

TEST(audit_refused)
{
	struct msg_audit_health	 h;

	world_up();
	w.audit_sick = 1;
	post(BOB, "!deploy service=api-server environment=staging");
	CHECK_INT(w.nstarted, 0);
	CHECK_HAS(said(), "Nothing runs");
	post(BOB, "!hello");
	CHECK_INT(w.nstarted, 0);
	w.audit_sick = 0;
	memset(&h, 0, sizeof(h));
	h.ok = 1;
	executor_message(w.x, ROLE_AUDIT, MSG_AUDIT_HEALTH, 0, -1, &h);
	post(BOB, "!hello");
	CHECK_INT(w.nstarted, 1);
	world_end();
}

TEST(audit_silent)
{
	world_up();
	w.audit_silent = 1;
	post(BOB, "!hello");
	CHECK_INT(w.nstarted, 0);
	world_sleep(CORE_INTENT_MS + 1000);
	CHECK_HAS(said(), "audit log does not answer");
	CHECK_INT(w.nstarted, 0);
	world_end();
}

TEST(audit_chain_that_is_not_ours)
{
	world_up();
	w.audit_forged = 1;
	post(BOB, "!hello");
	CHECK(w.exited > 0);
	CHECK_HAS(w.why, "chain");
	CHECK_INT(w.nstarted, 0);
	world_end();
}

TEST(log_behind_the_database)
{
	struct msg_audit_state	 s;
	struct db_anchor	 a;

	world_start();
	memset(&a, 0, sizeof(a));
	(void)strlcpy(a.origin, "test/audit/0000", sizeof(a.origin));
	a.seq = 100;
	CHECK_INT(db_anchor_put(w.db, &a), 0);
	memset(&s, 0, sizeof(s));
	(void)strlcpy(s.origin, "test/audit/0000", sizeof(s.origin));
	s.seq = 99;
	executor_message(w.x, ROLE_AUDIT, MSG_AUDIT_STATE, 0, -1, &s);
	CHECK_INT(w.exited, 1);
	CHECK_HAS(w.why, "cut or replaced");
	s.seq = 100;
	s.line_hash[3] = 1;
	executor_message(w.x, ROLE_AUDIT, MSG_AUDIT_STATE, 0, -1, &s);
	CHECK_INT(w.exited, 2);
	/* The log goes on from another line than the last that we know. */
	s.seq = 101;
	s.nrecent = 1;
	s.recent[0][0] = 1;
	executor_message(w.x, ROLE_AUDIT, MSG_AUDIT_STATE, 0, -1, &s);
	CHECK_INT(w.exited, 3);
	/* nor does it after starts that were refused for that */
	for (s.seq = 102; s.seq <= 100 + MSG_RECENT; s.seq++) {
		s.nrecent = MSG_RECENT;
		memset(s.recent, 0, sizeof(s.recent));
		s.recent[s.seq - a.seq - 1][31] = 1;
		executor_message(w.x, ROLE_AUDIT, MSG_AUDIT_STATE, 0, -1, &s);
		CHECK_INT(w.exited, s.seq - 98);
	}
	/* auditd would know it if there were such a line */
	s.seq = 103;
	s.nrecent = 2;
	memset(s.recent, 0, sizeof(s.recent));
	executor_message(w.x, ROLE_AUDIT, MSG_AUDIT_STATE, 0, -1, &s);
	CHECK_INT(w.exited, MSG_RECENT + 3);
	CHECK_HAS(w.why, "cut or replaced");
	world_end();
}

/* Starts that came no further left their lines; the line is still there. */
TEST(log_ahead_of_the_database)
{
	struct msg_audit_state	 s;
	struct db_anchor	 a;
	uint64_t		 back;

	world_start();
	memset(&a, 0, sizeof(a));
	(void)strlcpy(a.origin, "test/audit/0000", sizeof(a.origin));
	for (back = 0; back <= MSG_RECENT + 1; back++) {
		a.seq += 100;
		memset(a.line_hash, 7, HASH_SIZE);
		CHECK_INT(db_anchor_put(w.db, &a), 0);
		memset(&s, 0, sizeof(s));
		(void)strlcpy(s.origin, "test/audit/0000", sizeof(s.origin));
		s.seq = a.seq + back;
		s.nrecent = MSG_RECENT;
		if (back == 0)
			memset(s.line_hash, 7, HASH_SIZE);
		else if (back <= MSG_RECENT)
			memset(s.recent[back - 1], 7, HASH_SIZE);
		executor_message(w.x, ROLE_AUDIT, MSG_AUDIT_STATE, 0, -1, &s);
		CHECK_INT(w.exited, 0);
		/* what is at the end now is what counts from now on */
		CHECK_INT(db_anchor_get(w.db, s.origin, &a), 1);
		CHECK_INT(a.seq, s.seq);
	}
	world_end();
}

TEST(catch_up)
{
	world_up();
	/* the first time there is no time away */
	CHECK_INT(w.catchups, 0);
	world_net(NET_DOWN);
	world_sleep(5000);
	world_net(NET_CONNECTED);
	world_pump();
	CHECK_INT(w.catchups, 1);
	CHECK(w.since > 0 && w.since <= w.wall - 5000);
	world_end();
}

/*
 * It dies before or after each of its messages.  Whatever happens: no second
 * start, every intent has exactly one result, every author hears of it.
 */
static int
crash_once(const char *text, long at, int after, int deliver)
{
	struct db_job	 row;
	size_t		 i;
	volatile size_t	 posts;
	volatile int	 crashed = 0;
	int		 r;

	world_up();
	w.sends = 0;
	w.crash_at = at;
	w.crash_after = after;
	posts = w.nposts;
	if (setjmp(w.crash) == 0)
		post(BOB, text);
	else
		crashed = 1;
	w.crash_at = 0;
	if (crashed)
		world_crash(deliver);
	/* the same post comes again, by a resumed connection */
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &w_last);
	world_pump();
	world_sleep(120000);
	CHECK(w.nstarted <= 1);
	for (i = 0; i < w.nlines; i++)
		if (w.lines[i]->m.event == AUDIT_INTENT)
			CHECK_INT(has_line(w.lines[i]->m.execution_id,
			    AUDIT_EXECUTION), 1);
	for (i = 1; i < 5; i++) {
		r = db_job_get(w.db, i, &row);
		CHECK(r != -1);
		if (r != 1)
			continue;
		CHECK(row.state == DBJOB_FINISHED ||
		    row.state == DBJOB_DROPPED);
		CHECK_INT(row.told, DBJOB_TOLD);
	}
	CHECK(w.nposts > posts);
	CHECK_INT(w.x->njobs, 0);
	CHECK_INT(w.x->ncmds, 0);
	CHECK_INT(w.exited, 0);
	world_end();
	return crashed;
}

static void
crash_everywhere(const char *text)
{
	long	 at;
	int	 mode, crashed, bad = test_bad;

	W_LEAK_OFF();
	for (mode = 0; mode < 4; mode++)
		for (at = 1; at < 200; at++) {
			crashed = crash_once(text, at, mode & 1, mode >> 1);
			if (test_bad != bad) {
				fprintf(stderr, "mode %d, send %ld\n", mode,
				    at);
				bad = test_bad;
			}
			if (!crashed)
				break;
		}
	W_LEAK_ON();
}

TEST(crash_in_a_run)
{
	crash_everywhere("!deploy service=api-server environment=staging");
}

TEST(crash_in_a_refusal)
{
	crash_everywhere("!deploy service=nothing environment=staging");
}

TEST(crash_in_a_built_in)
{
	crash_everywhere("!ping");
}
