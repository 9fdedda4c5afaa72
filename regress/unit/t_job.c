/*
 * Jobs: the queue, progress, results and their delivery, cancelling,
 * deadlines, stop, restart, and everything that may fail on the way.
 */
#include "exec_world.h"
#include "../../executor/db_sql.h"

static void
exit_held(uint64_t job, enum job_end how, int status, int sig)
{
	executor_output(w.x, job, NULL, 0);
	w_exit_job(job, how, status, sig);
	world_pump();
}

static void
job_row(uint64_t id, struct db_job *row)
{
	CHECK_INT(db_job_get(w.db, id, row), 1);
}

/* Writing fails, reading goes on: as on a full disk. */
static void
database_sick(int sick)
{
	CHECK_INT(sqlite3_exec(w.db->sql, sick ? "PRAGMA query_only = 1" :
	    "PRAGMA query_only = 0", NULL, NULL, NULL), SQLITE_OK);
}

TEST(queue)
{
	struct db_job	 row;

	world_up();
	w.hold_exit = 1;
	post(ALICE, "!restart");
	CHECK_INT(w.nstarted, 1);
	post(ALICE, "!restart");
	CHECK_INT(w.nstarted, 1);
	CHECK_HAS(said(), "queued");
	job_row(2, &row);
	CHECK_INT(row.state, DBJOB_QUEUED);
	CHECK_INT(has_line(row.execution_id, AUDIT_INTENT), 0);
	post(ALICE, "!restart");
	CHECK_STR(denied(), "busy");
	exit_held(1, JOB_END_EXITED, 0, 0);
	CHECK_INT(w.nstarted, 2);
	job_row(1, &row);
	CHECK_INT(row.state, DBJOB_FINISHED);
	job_row(2, &row);
	CHECK_INT(row.state, DBJOB_RUNNING);
	exit_held(2, JOB_END_EXITED, 0, 0);
	job_row(2, &row);
	CHECK_INT(row.state, DBJOB_FINISHED);
	CHECK_INT(w.x->nrunning, 0);
	CHECK_INT(w.x->nqueued, 0);
	world_end();
}

TEST(one_by_one_for_a_user)
{
	world_up();
	w.hold_exit = 1;
	post(CAROL, "!hello");
	post(CAROL, "!seldom");
	CHECK_INT(w.nstarted, 1);
	/* somebody else, and a script that is asynchronous, are not held */
	post(MALLORY, "!seldom");
	CHECK_INT(w.nstarted, 2);
	post(BOB, "!deploy service=api-server environment=staging");
	post(BOB, "!rotate token=abcdefgh");
	CHECK_INT(w.nstarted, 4);
	exit_held(1, JOB_END_EXITED, 0, 0);
	/* carol's second one waits for mallory's: one at a time of each */
	CHECK_INT(w.nstarted, 4);
	exit_held(3, JOB_END_EXITED, 0, 0);
	CHECK_INT(w.nstarted, 5);
	CHECK_STR(w.started[4].user_id, CAROL);
	world_end();
}

TEST(right_lost_in_the_queue)
{
	struct db_user	 bob;
	struct db_job	 row;

	world_up();
	w.hold_exit = 1;
	post(ALICE, "!deploy service=api-server environment=staging");
	post(BOB, "!deploy service=web-app environment=staging");
	CHECK_INT(w.nstarted, 1);
	CHECK_INT(db_user_get(w.db, BOB, &bob), 1);
	bob.level = LEVEL_USER;
	CHECK_INT(db_user_put(w.db, &bob), 0);
	exit_held(1, JOB_END_EXITED, 0, 0);
	CHECK_INT(w.nstarted, 1);
	CHECK_STR(denied(), "permission");
	job_row(2, &row);
	CHECK_INT(row.state, DBJOB_DROPPED);
	CHECK_INT(row.told, DBJOB_TOLD);
	CHECK_INT(has_line(row.execution_id, AUDIT_INTENT), 0);
	CHECK_HAS(said(), "not run");
	world_end();
}

TEST(account_gone_in_the_queue)
{
	world_up();
	w.hold_exit = 1;
	post(ALICE, "!deploy service=api-server environment=staging");
	post(BOB, "!deploy service=web-app environment=staging");
	w_user(BOB, 0)->flags = USER_DELETED;
	exit_held(1, JOB_END_EXITED, 0, 0);
	CHECK_INT(w.nstarted, 1);
	CHECK_STR(denied(), "account");
	world_end();
}

TEST(allowlist_changed_in_the_queue)
{
	static const char	 other[] = "{\"scripts\":[{\"name\":\"new\","
	    "\"path\":\"new.sh\"}]}";

	world_up();
	w.hold_exit = 1;
	post(ALICE, "!deploy service=api-server environment=staging");
	post(BOB, "!deploy service=web-app environment=staging");
	executor_set_allowlist(w.x, w_parse(other), 2);
	world_pump();
	exit_held(1, JOB_END_EXITED, 0, 0);
	CHECK_INT(w.nstarted, 1);
	CHECK_STR(denied(), "unknown-command");
	CHECK_HAS(last_line(AUDIT_PERMISSION)->detail, "reload");
	world_end();
}

TEST(same_allowlist_again_in_the_queue)
{
	world_up();
	w.hold_exit = 1;
	post(ALICE, "!deploy service=api-server environment=staging");
	post(BOB, "!deploy service=web-app environment=staging");
	executor_set_allowlist(w.x, w_parse(w_allowlist), 2);
	world_pump();
	exit_held(1, JOB_END_EXITED, 0, 0);
	CHECK_INT(w.nstarted, 2);
	CHECK_INT(w.started[1].generation, 2);
	world_end();
}

TEST(reload_while_the_intent_is_written)
{
	struct db_job	 row;

	world_up();
	w_command(&w_last, BOB, OPS,
	    "!deploy service=api-server environment=staging");
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &w_last);
	while (w.head < w.tail && w.queue[w.head].type != MSG_APPEND)
		world_step(1);
	executor_set_allowlist(w.x, w_parse(w_allowlist), 2);
	world_pump();
	CHECK_INT(w.nstarted, 0);
	job_row(1, &row);
	CHECK_INT(row.state, DBJOB_FINISHED);
	CHECK_INT(row.how, JOB_END_REFUSED);
	CHECK_INT(has_line(row.execution_id, AUDIT_EXECUTION), 1);
	CHECK_HAS(said(), "not started");
	world_end();
}

TEST(ends)
{
	static const struct {
		enum job_end	 how;
		int		 status, sig, code;
		const char	*text, *sign;
	} cases[] = {
		{ JOB_END_EXITED, 3, 0, 3, "exit status 3", "+x" },
		{ JOB_END_SIGNALED, 0, 11, 139, "ended by signal 11", "+x" },
		{ JOB_END_TIMEOUT, 0, 9, 137, "killed after its time", "+x" },
		{ JOB_END_SHUTDOWN, 0, 15, 143, "the bot was stopped", "+x" },
	};
	struct msg_append	*line;
	size_t			 i;
	char			 sign[64];

	world_up();
	w.hold_exit = 1;
	for (i = 0; i < nitems(cases); i++) {
		post(CAROL, "!hello");
		exit_held(i + 1, cases[i].how, cases[i].status, cases[i].sig);
		CHECK_HAS(said(), cases[i].text);
		(void)snprintf(sign, sizeof(sign), "%s", cases[i].sign);
		CHECK(reacted(sign, w_last.post_id));
		line = last_line(AUDIT_EXECUTION);
		CHECK_INT(line->success, 0);
		CHECK_INT(line->exit_code, cases[i].code);
		CHECK(line->error[0] != '\0');
	}
	world_end();
}

TEST(refused_by_the_runner)
{
	struct msg_job_exit	 e;
	struct db_job		 row;

	world_up();
	w_command(&w_last, CAROL, OPS, "!hello");
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &w_last);
	while (w.head < w.tail && w.queue[w.head].type != MSG_JOB_START)
		world_step(1);
	CHECK(w.head < w.tail);
	(void)world_step(0);
	memset(&e, 0, sizeof(e));
	e.job = 1;
	e.how = JOB_END_REFUSED;
	(void)strlcpy(e.step, "digest", sizeof(e.step));
	(void)strlcpy(e.error, "the file was changed", sizeof(e.error));
	executor_message(w.x, ROLE_RUNNER, MSG_JOB_EXIT, 0, -1, &e);
	world_pump();
	job_row(1, &row);
	CHECK_INT(row.state, DBJOB_FINISHED);
	CHECK_INT(row.exit_code, -1);
	CHECK_INT(last_line(AUDIT_EXECUTION)->has_result, 0);
	CHECK_HAS(said(), "the file was changed");
	world_end();
}

TEST(runner_that_breaks_the_rules)
{
	struct msg_job_started	 s = { 77 };
	int			 fds[2];

	world_up();
	w.hold_exit = 1;
	w_exit_job(77, JOB_END_EXITED, 0, 0);
	CHECK_INT(w.exited, 1);
	CHECK(pipe(fds) == 0);
	executor_message(w.x, ROLE_RUNNER, MSG_JOB_STARTED, 0, fds[0], &s);
	CHECK_INT(w.exited, 2);
	(void)close(fds[1]);
	post(CAROL, "!hello");
	s.job = 1;
	CHECK(pipe(fds) == 0);
	executor_message(w.x, ROLE_RUNNER, MSG_JOB_STARTED, 0, fds[0], &s);
	CHECK_INT(w.exited, 3);
	(void)close(fds[1]);
	w_exit_job(1, JOB_END_EXITED, 0, 0);
	w_exit_job(1, JOB_END_EXITED, 0, 0);
	CHECK_INT(w.exited, 4);
	world_end();
}

TEST(cancel)
{
	world_up();
	w.hold_exit = 1;
	post(BOB, "!deploy service=api-server environment=staging");
	post(CAROL, "!cancel 1");
	CHECK_STR(denied(), "permission");
	CHECK_INT(w.nkills, 0);
	post(BOB, "!cancel 1");
	CHECK_INT(w.nkills, 1);
	CHECK_INT(w.kills[0].reason, KILL_CANCEL);
	post(BOB, "!cancel 1");
	CHECK_INT(w.nkills, 1);
	exit_held(1, JOB_END_CANCELLED, 0, 15);
	CHECK_HAS(w.posts[0].text, "cancelled by bob");
	CHECK_HAS(last_line(AUDIT_EXECUTION)->detail, "cancelledBy");
	world_end();
}

TEST(cancel_in_the_queue)
{
	struct db_job	 row;

	world_up();
	w.hold_exit = 1;
	post(ALICE, "!restart");
	post(ALICE, "!restart");
	post(ALICE, "!cancel 2");
	job_row(2, &row);
	CHECK_INT(row.state, DBJOB_DROPPED);
	CHECK_STR(denied(), "cancelled");
	exit_held(1, JOB_END_EXITED, 0, 0);
	CHECK_INT(w.nstarted, 1);
	CHECK_INT(w.x->njobs, 0);
	world_end();
}

TEST(cancel_by_reaction)
{
	struct msg_reaction	 r;
	struct db_job		 row;

	world_up();
	w.hold_exit = 1;
	post(BOB, "!deploy service=api-server environment=staging");
	world_sleep(1100);
	memset(&r, 0, sizeof(r));
	job_row(1, &row);
	(void)strlcpy(r.post_id, w.posts[0].id, sizeof(r.post_id));
	(void)strlcpy(r.channel_id, OPS, sizeof(r.channel_id));
	(void)strlcpy(r.emoji, "stop_button", sizeof(r.emoji));
	(void)strlcpy(r.user_id, CAROL, sizeof(r.user_id));
	r.added = 1;
	executor_message(w.x, ROLE_NETWORK, MSG_REACTION, 0, -1, &r);
	world_pump();
	CHECK_INT(w.nkills, 0);
	(void)strlcpy(r.user_id, BOB, sizeof(r.user_id));
	r.added = 0;
	executor_message(w.x, ROLE_NETWORK, MSG_REACTION, 0, -1, &r);
	(void)strlcpy(r.emoji, "+1", sizeof(r.emoji));
	r.added = 1;
	executor_message(w.x, ROLE_NETWORK, MSG_REACTION, 0, -1, &r);
	world_pump();
	CHECK_INT(w.nkills, 0);
	(void)strlcpy(r.emoji, "stop_button", sizeof(r.emoji));
	executor_message(w.x, ROLE_NETWORK, MSG_REACTION, 0, -1, &r);
	world_pump();
	CHECK_INT(w.nkills, 1);
	exit_held(1, JOB_END_CANCELLED, 0, 15);
	CHECK(reacted("+stop_button", w_last.post_id));
	world_end();
}

TEST(progress)
{
	int	 i;

	world_up();
	w.hold_exit = 1;
	w.output = NULL;
	post(CAROL, "!hello");
	CHECK_INT(w.posts[0].edits, 0);
	for (i = 0; i < 50; i++) {
		executor_output(w.x, 1, "line\n", 5);
		world_sleep(100);
	}
	CHECK(w.posts[0].edits >= 4 && w.posts[0].edits <= 5);
	CHECK_HAS(said(), "running");
	CHECK_HAS(said(), "line\nline\n");
	CHECK(strlen(said()) < 200);
	/* slower after the first minute */
	world_sleep(60000);
	i = w.posts[0].edits;
	world_sleep(60000);
	CHECK(w.posts[0].edits - i <= 13);
	world_end();
}

TEST(long_output)
{
	static char	 text[20001];

	world_up();
	memset(text, 'a', sizeof(text) - 1);
	memset(text + 19000, 'b', 1000);
	w.output = text;
	post(CAROL, "!hello");
	CHECK_HAS(w.posts[0].text, "... (truncated)");
	CHECK(strstr(w.posts[0].text, "b") == NULL ||
	    strlen(w.posts[0].text) < 4300);
	CHECK_INT(w.uploads, 1);
	CHECK_INT(w.upload_len, 20000);
	CHECK(memcmp(w.upload, text, 20000) == 0);
	CHECK_INT(w.nposts, 2);
	CHECK(w.posts[1].file[0] == 'f');
	world_end();
}

TEST(file_that_the_server_does_not_take)
{
	static char		 text[20001];
	struct msg_net_state	 n;
	struct db_job		 row;

	world_up();
	memset(text, 'a', sizeof(text) - 1);
	w.output = text;
	n = w.x->net;
	n.max_file = 5000;
	executor_message(w.x, ROLE_NETWORK, MSG_NET_STATE, 0, -1, &n);
	post(CAROL, "!hello");
	CHECK_INT(w.upload_len, 5000);
	CHECK_HAS(said(), "as far as the server takes it");
	w.upload_refused = 1;
	post(CAROL, "!hello");
	CHECK_HAS(said(), "could not be attached");
	job_row(2, &row);
	CHECK_INT(row.told, DBJOB_TOLD_FAILED);
	n.max_file = 0;
	executor_message(w.x, ROLE_NETWORK, MSG_NET_STATE, 0, -1, &n);
	post(CAROL, "!hello");
	CHECK_HAS(said(), "... (truncated)");
	job_row(3, &row);
	CHECK_INT(row.told, DBJOB_TOLD);
	world_end();
}

TEST(output_over_the_limit)
{
	static char	 text[2001];
	struct db_job	 row;

	world_up();
	memset(text, 'a', sizeof(text) - 1);
	w.conf.output_max = 1500;
	w.output = text;
	post(CAROL, "!hello");
	job_row(1, &row);
	CHECK_INT(row.output_len, 1500);
	CHECK_INT(row.output_dropped, 500);
	CHECK_HAS(w.posts[0].text, "500 more bytes were not kept");
	world_end();
}

TEST(output_that_pings)
{
	world_up();
	w.output = "```\n@all\n\033[31mred\033[0m\n";
	post(CAROL, "!hello");
	CHECK_HAS(said(), "````");
	CHECK_HAS(said(), "red");
	CHECK(strchr(said(), '\033') == NULL);
	/* only by an edit, which notifies nobody */
	CHECK(strstr(w.posts[0].first, "@all") == NULL);
	world_end();
}

/* Somebody holds the pipe open after the end. */
TEST(pipe_held_open)
{
	world_up();
	w.hold_exit = 1;
	post(CAROL, "!hello");
	w_exit_job(1, JOB_END_EXITED, 0, 0);
	world_pump();
	CHECK_INT(count_lines(AUDIT_EXECUTION), 0);
	world_sleep(1100);
	CHECK_INT(count_lines(AUDIT_EXECUTION), 1);
	CHECK_INT(w.nwatched, 0);
	world_end();
}

TEST(runner_that_does_not_end_it)
{
	world_up();
	w.hold_exit = 1;
	post(BOB, "!deploy service=api-server environment=staging");
	world_sleep(60000);
	CHECK_INT(w.nkills, 0);
	world_sleep(20100);
	CHECK_INT(w.nkills, 1);
	CHECK_INT(w.kills[0].reason, KILL_TIMEOUT);
	CHECK_INT(w.exited, 0);
	world_sleep(30000);
	CHECK(w.exited > 0);
	CHECK_HAS(w.why, "does not end job 1");
	world_end();
}

TEST(delivery_retried)
{
	struct db_job	 row;

	world_up();
	w.hold_exit = 1;
	post(CAROL, "!hello");
	w.post_fails = 1;
	exit_held(1, JOB_END_EXITED, 0, 0);
	job_row(1, &row);
	CHECK_INT(row.state, DBJOB_FINISHED);
	CHECK_INT(row.told, DBJOB_UNTOLD);
	w.post_fails = 0;
	world_sleep(61000);
	job_row(1, &row);
	CHECK_INT(row.told, DBJOB_TOLD);
	CHECK_HAS(said(), "exit status 0");
	world_end();
}

TEST(delivery_failed)
{
	struct db_job	 row;

	world_up();
	w.post_fails = 1;
	post(CAROL, "!hello");
	world_sleep(600000);
	job_row(1, &row);
	CHECK_INT(row.told, DBJOB_TOLD_FAILED);
	CHECK_INT(w.x->njobs, 0);
	w.post_fails = 0;
	post(CAROL, "!job 1");
	CHECK_HAS(said(), "delivered: failed");
	world_end();
}

TEST(post_was_deleted)
{
	struct db_job	 row;

	world_up();
	w.hold_exit = 1;
	post(CAROL, "!hello");
	w.patch_refused = 1;
	exit_held(1, JOB_END_EXITED, 0, 0);
	job_row(1, &row);
	CHECK_INT(row.told, DBJOB_TOLD);
	CHECK_INT(w.nposts, 2);
	CHECK_HAS(said(), "exit status 0");
	world_end();
}

TEST(not_connected_at_the_end)
{
	struct db_job	 row;

	world_up();
	w.hold_exit = 1;
	post(CAROL, "!hello");
	world_net(NET_DOWN);
	exit_held(1, JOB_END_EXITED, 0, 0);
	world_sleep(500000);
	job_row(1, &row);
	CHECK_INT(row.state, DBJOB_FINISHED);
	CHECK_INT(row.told, DBJOB_UNTOLD);
	world_net(NET_CONNECTED);
	world_pump();
	job_row(1, &row);
	CHECK_INT(row.told, DBJOB_TOLD);
	CHECK_HAS(said(), "exit status 0");
	world_end();
}

TEST(xoff)
{
	size_t	 before;
	int	 i;

	world_up();
	w.conf.user_rate.count = 0;
	w.conf.global_rate.count = 0;
	executor_message(w.x, ROLE_NETWORK, MSG_XOFF, 0, -1, NULL);
	before = w.nposts;
	post(CAROL, "!hello");
	post(CAROL, "!ping");
	CHECK_INT(w.nposts, before);
	CHECK_INT(w.nstarted, 1);
	for (i = 0; i < CORE_OUTBOX_MAX + 100; i++)
		post(CAROL, "!ping");
	CHECK(w.x->noutbox <= CORE_OUTBOX_MAX);
	executor_message(w.x, ROLE_NETWORK, MSG_XON, 0, -1, NULL);
	world_pump();
	CHECK(w.nposts > before);
	CHECK_INT(w.x->noutbox, 0);
	world_sleep(700000);
	CHECK_INT(w.x->njobs, 0);
	world_end();
}

TEST(stop)
{
	struct db_job	 row;

	world_up();
	w.hold_exit = 1;
	post(ALICE, "!restart");
	post(ALICE, "!restart");
	executor_message(w.x, ROLE_PARENT, MSG_STOP, 0, -1, NULL);
	world_pump();
	job_row(2, &row);
	CHECK_INT(row.state, DBJOB_DROPPED);
	CHECK_STR(denied(), "stopping");
	post(CAROL, "!hello");
	CHECK_STR(denied(), "stopping");
	CHECK_INT(w.nkills, 0);
	world_sleep(10001);
	CHECK_INT(w.nkills, 1);
	CHECK_INT(w.kills[0].reason, KILL_SHUTDOWN);
	CHECK_INT(w.exited, 0);
	exit_held(1, JOB_END_SHUTDOWN, 0, 15);
	job_row(1, &row);
	CHECK_INT(row.state, DBJOB_FINISHED);
	CHECK_INT(row.told, DBJOB_TOLD);
	world_sleep(10);
	CHECK_INT(w.exited, 1);
	CHECK_STR(w.why, "");
	world_end();
}

TEST(stop_with_nothing_to_do)
{
	world_up();
	executor_message(w.x, ROLE_PARENT, MSG_STOP, 0, -1, NULL);
	CHECK_INT(w.exited, 1);
	CHECK_STR(w.why, "");
	world_end();
}

TEST(stop_when_nobody_answers)
{
	world_up();
	w.hold_exit = 1;
	post(CAROL, "!hello");
	executor_message(w.x, ROLE_PARENT, MSG_STOP, 0, -1, NULL);
	world_sleep(60000);
	CHECK(w.exited >= 1);
	world_end();
}

TEST(database_fails_before)
{
	world_up();
	database_sick(1);
	post(CAROL, "!hello");
	CHECK_INT(w.nstarted, 0);
	CHECK_INT(w.nlines, 0);
	CHECK_HAS(said(), "the database fails");
	post(CAROL, "!hello");
	CHECK_INT(w.nposts, 1);
	database_sick(0);
	post(CAROL, "!hello");
	CHECK_INT(w.nstarted, 1);
	world_end();
}

/* Between the claim and the start: an intent, and its result, no start. */
TEST(database_fails_at_the_start)
{
	struct db_job	 row;

	world_up();
	w_command(&w_last, CAROL, OPS, "!hello");
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &w_last);
	while (w.head < w.tail && w.queue[w.head].type != MSG_APPEND)
		world_step(1);
	database_sick(1);
	world_pump();
	CHECK_INT(w.nstarted, 0);
	CHECK_INT(count_lines(AUDIT_INTENT), 1);
	database_sick(0);
	world_sleep(2000);
	CHECK_INT(count_lines(AUDIT_EXECUTION), 1);
	job_row(1, &row);
	CHECK_INT(row.state, DBJOB_FINISHED);
	CHECK_HAS(said(), "not started");
	world_end();
}

TEST(database_fails_at_the_end)
{
	struct db_job	 row;

	world_up();
	w.hold_exit = 1;
	post(CAROL, "!hello");
	database_sick(1);
	exit_held(1, JOB_END_EXITED, 0, 0);
	world_sleep(10000);
	CHECK_INT(count_lines(AUDIT_EXECUTION), 0);
	database_sick(0);
	world_sleep(2000);
	CHECK_INT(count_lines(AUDIT_EXECUTION), 1);
	job_row(1, &row);
	CHECK_INT(row.state, DBJOB_FINISHED);
	CHECK_INT(row.told, DBJOB_TOLD);
	world_end();
}

TEST(audit_fails_at_the_end)
{
	struct db_job	 row;

	world_up();
	w.hold_exit = 1;
	post(CAROL, "!hello");
	w.audit_sick = 1;
	exit_held(1, JOB_END_EXITED, 0, 0);
	job_row(1, &row);
	CHECK_INT(row.state, DBJOB_DONE);
	CHECK(strstr(said(), "exit status") == NULL);
	w.audit_sick = 0;
	world_sleep(6000);
	job_row(1, &row);
	CHECK_INT(row.state, DBJOB_FINISHED);
	CHECK_INT(count_lines(AUDIT_EXECUTION), 1);
	world_end();
}

TEST(restart_while_running)
{
	struct db_job	 row;

	W_LEAK_OFF();
	world_up();
	w.hold_exit = 1;
	post(ALICE, "!restart");
	post(ALICE, "!restart");
	world_sleep(1100);
	world_crash(0);
	world_pump();
	world_sleep(100);
	job_row(1, &row);
	CHECK_INT(row.state, DBJOB_FINISHED);
	CHECK_INT(row.unknown, 1);
	CHECK_INT(row.told, DBJOB_TOLD);
	CHECK_HAS(last_line(AUDIT_EXECUTION)->error, "unknown");
	/* in the post that said "running" */
	CHECK_INT(w.nposts, 2);
	CHECK_HAS(w.posts[0].text, "unknown");
	CHECK_HAS(w.posts[1].text, "not run");
	CHECK_INT(last_line(AUDIT_EXECUTION)->success, 0);
	job_row(2, &row);
	CHECK_INT(row.state, DBJOB_DROPPED);
	CHECK_INT(row.told, DBJOB_TOLD);
	CHECK_STR(denied(), "interrupted");
	CHECK_INT(w.nstarted, 1);
	/* numbers go on */
	w.hold_exit = 0;
	post(ALICE, "!restart");
	CHECK_INT(w.nstarted, 2);
	CHECK_INT(w.started[1].job, 3);
	world_end();
	W_LEAK_ON();
}

/* The log has the result, the row does not: adopted, not written twice. */
TEST(restart_after_the_line)
{
	struct db_job	 row;

	W_LEAK_OFF();
	world_up();
	w.hold_exit = 1;
	post(CAROL, "!hello");
	executor_output(w.x, 1, NULL, 0);
	w_exit_job(1, JOB_END_EXITED, 0, 0);
	world_crash(1);
	world_pump();
	CHECK_INT(count_lines(AUDIT_EXECUTION), 1);
	job_row(1, &row);
	CHECK_INT(row.state, DBJOB_FINISHED);
	CHECK_INT(row.unknown, 0);
	CHECK_INT(row.told, DBJOB_TOLD);
	CHECK_HAS(said(), "exit status 0");
	CHECK_HAS(said(), "done");
	world_end();
	W_LEAK_ON();
}
