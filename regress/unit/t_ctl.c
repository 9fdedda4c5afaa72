/*
 * What chatopsctl may ask of a running executor.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "exec_world.h"
#include "../../chatopsd/ctl.h"

static int
ctl(const char *first, ...)
{
	static struct msg_ctl_request	 m;
	const char			*word;
	va_list				 ap;

	memset(&m, 0, sizeof(m));
	w.nrows = 0;
	w.ended = 0;
	memset(&w.end, 0, sizeof(w.end));
	va_start(ap, first);
	for (word = first; word != NULL; word = va_arg(ap, const char *))
		CHECK_INT(words_add(&m.words, word, strlen(word)), 0);
	va_end(ap);
	executor_ctl_request(w.x, 7, 1000, 3, &m);
	world_pump();
	CHECK_INT(w.ended, 1);
	return w.end.exit;
}

TEST(bootstrap)
{
	struct db_user	 u;

	world_start();
	world_audit_state();
	/* only while there is none */
	CHECK_INT(ctl("bootstrap-admin", MALLORY, "mallory", NULL), 1);
	CHECK_HAS(w.end.error, "already");
	CHECK_INT(db_user_delete(w.db, ALICE), 1);
	CHECK_INT(ctl("bootstrap-admin", "alice", "alice", NULL), 2);
	CHECK_INT(ctl("bootstrap-admin", ALICE, "", NULL), 2);
	CHECK_INT(ctl("bootstrap-admin", ALICE, "alice", NULL), 0);
	CHECK_INT(db_user_get(w.db, ALICE, &u), 1);
	CHECK_INT(u.level, LEVEL_ADMIN);
	CHECK_HAS(last_line(AUDIT_PERMISSION)->detail, "bootstrap-admin");
	CHECK_HAS(last_line(AUDIT_PERMISSION)->detail, "uid 1000");
	CHECK_STR(last_line(AUDIT_PERMISSION)->user_id, "");
	CHECK_INT(ctl("bootstrap-admin", MALLORY, "mallory", NULL), 1);
	world_end();
}

TEST(users)
{
	struct db_user	 u;

	world_up();
	CHECK_INT(ctl("users", "list", NULL), 0);
	CHECK_INT(w.nrows, 2);
	CHECK_HAS(w.rows[0], "\"username\":\"alice\",\"level\":\"admin\","
	    "\"flags\":[]");
	CHECK_INT(ctl("users", "add", "@carol", "operator", NULL), 0);
	CHECK_INT(db_user_get(w.db, CAROL, &u), 1);
	CHECK_INT(u.level, LEVEL_OPERATOR);
	CHECK_INT(ctl("users", "add", "@nobody", "operator", NULL), 1);
	CHECK_INT(ctl("users", "add", "@carol", "king", NULL), 2);
	CHECK_INT(ctl("users", "add", "@", "operator", NULL), 2);
	CHECK_INT(ctl("users", "del", CAROL, NULL), 0);
	CHECK_INT(db_user_get(w.db, CAROL, &u), 0);
	CHECK_INT(ctl("users", "del", "@alice", NULL), 1);
	CHECK_HAS(w.end.error, "last admin");
	w_user(CAROL, 0)->flags = USER_BOT;
	CHECK_INT(ctl("users", "add", "@carol", "operator", NULL), 1);
	world_end();
}

TEST(lists)
{
	struct msg_process	 process;

	world_up();
	post(ALICE, "!ban @carol \"quote \\\" and \\\\\" 1h");
	CHECK_INT(ctl("bans", "list", NULL), 0);
	CHECK_INT(w.nrows, 1);
	CHECK_HAS(w.rows[0], "quote \\\" and \\\\");
	post(BOB, "!hello");
	CHECK_INT(ctl("jobs", "list", NULL), 0);
	CHECK_INT(w.nrows, 1);
	CHECK_HAS(w.rows[0], "\"script\":\"hello\",\"state\":\"finished\"");
	memset(&process, 0, sizeof(process));
	process.role = ROLE_RUNNER;
	process.pid = 77;
	process.reached = CONFINED_SECCOMP;
	executor_message(w.x, ROLE_PARENT, MSG_PROCESS, 0, -1, &process);
	CHECK_INT(ctl("status", NULL), 0);
	CHECK_INT(w.nrows, 7);
	CHECK_HAS(w.rows[5], "runner");
	CHECK_HAS(w.rows[5], "process 77, confined by seccomp");
	world_net(NET_DOWN);
	CHECK_INT(ctl("status", NULL), 1);
	world_end();
}

TEST(cancel)
{
	world_up();
	w.hold_exit = 1;
	post(BOB, "!hello");
	CHECK_INT(ctl("cancel", "9", NULL), 1);
	CHECK_INT(ctl("cancel", "x", NULL), 2);
	CHECK_INT(ctl("cancel", "1", NULL), 0);
	CHECK_INT(w.nkills, 1);
	executor_output(w.x, 1, NULL, 0);
	w_exit_job(1, JOB_END_CANCELLED, 0, 15);
	world_pump();
	CHECK_HAS(said(), "cancelled by uid 1000");
	world_end();
}

TEST(anchor)
{
	world_up();
	CHECK_INT(ctl("audit", "anchor", NULL), 0);
	CHECK_INT(w.nrows, 1);
	CHECK_HAS(w.rows[0], "\"origin\":\"test/audit/0000\",\"seq\":9,");
	post(BOB, "!hello");
	CHECK_INT(ctl("audit", "anchor", NULL), 0);
	CHECK_INT(w.nrows, 1);
	CHECK_HAS(w.rows[0], "\"origin\":\"test/audit/0000\",\"seq\":11,");
	world_end();
}

TEST(explain)
{
	world_up();
	CHECK_INT(ctl("policy", "explain", "@bob", "ops", "deploy",
	    "service=api-server", "environment=staging", NULL), 0);
	CHECK_HAS(w.rows[0], "\"allowed\":true");
	CHECK_INT(ctl("policy", "explain", BOB, "main/ops", "deploy", NULL),
	    1);
	CHECK_HAS(w.rows[0], "\"reason\":\"arguments\"");
	CHECK_INT(ctl("policy", "explain", "@bob", "town-square", "deploy",
	    "service=api-server", "environment=staging", NULL), 1);
	CHECK_HAS(w.rows[0], "\"reason\":\"channel\"");
	CHECK_INT(ctl("policy", "explain", "@bob", "nowhere", "deploy", NULL),
	    1);
	CHECK_INT(ctl("policy", "explain", "@nobody", "ops", "ping", NULL), 1);
	CHECK_HAS(w.rows[0], "\"reason\":\"account\"");
	/* what nobody and nothing can be called is not even asked for */
	CHECK_INT(ctl("policy", "explain", "@", "ops", "ping", NULL), 1);
	CHECK_INT(ctl("policy", "explain", "\303\244", "ops", "ping", NULL),
	    1);
	CHECK_INT(ctl("policy", "explain", "@bob", "~", "ping", NULL), 1);
	CHECK_INT(ctl("policy", "explain", "@bob", "/ops", "ping", NULL), 1);
	CHECK_INT(ctl("policy", "explain", "@bob", "a/b/c", "ping", NULL), 1);
	CHECK_INT(ctl("policy", "explain", "", "", "", NULL), 1);
	world_end();
}

TEST(reload)
{
	world_up();
	CHECK_INT(ctl("reload", NULL), 0);
	CHECK_INT(w.reloads, 1);
	CHECK_STR(last_line(AUDIT_PERMISSION)->user_id, "");
	CHECK_HAS(last_line(AUDIT_PERMISSION)->detail, "\"by\":\"uid 1000\"");
	world_end();
}

TEST(nonsense)
{
	world_up();
	CHECK_INT(ctl("users", NULL), 2);
	CHECK_INT(ctl("users", "destroy", NULL), 2);
	CHECK_INT(ctl("users", "list", "all", NULL), 2);
	CHECK_INT(ctl("policy", "explain", NULL), 2);
	CHECK_INT(ctl("shutdown", NULL), 2);
	CHECK_INT(ctl("bootstrap-admin", ALICE, NULL), 2);
	CHECK_INT(ctl(NULL, NULL), 2);
	world_end();
}

/* Who hangs up is not answered; what was asked is done. */
TEST(hung_up)
{
	static struct msg_ctl_request	 m;
	struct db_user			 u;

	world_up();
	memset(&m, 0, sizeof(m));
	(void)words_add(&m.words, "users", 5);
	(void)words_add(&m.words, "add", 3);
	(void)words_add(&m.words, "@carol", 6);
	(void)words_add(&m.words, "operator", 8);
	w.ended = 0;
	executor_ctl_request(w.x, 7, 0, 3, &m);
	executor_ctl_closed(w.x, 7);
	world_pump();
	CHECK_INT(w.ended, 0);
	CHECK_INT(db_user_get(w.db, CAROL, &u), 1);
	world_end();
}

/* A daemon that is stopped takes no call: nobody waits for it for ever. */
TEST(nobody_takes_the_call)
{
	struct sockaddr_un	 sun;
	char			 dir[] = "/tmp/t_ctl.XXXXXX";
	int			 s, fd[2], error;

	if (mkdtemp(dir) == NULL)
		abort();
	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/control.sock",
	    dir);
	s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	CHECK_INT(bind(s, (struct sockaddr *)&sun, sizeof(sun)), 0);
	CHECK_INT(listen(s, 0), 0);
	fd[0] = ctl_connect(dir, 100);
	CHECK(fd[0] != -1);
	fd[1] = ctl_connect(dir, 100);
	error = errno;
	CHECK_INT(fd[1], -1);
	CHECK_INT(error, EAGAIN);
	(void)close(fd[0]);
	(void)close(s);
	(void)unlink(sun.sun_path);
	(void)rmdir(dir);
}
