/*
 * The executor's core under a random schedule: commands of all kinds, every
 * message delayed, sick disks, a sick log, a silent server, lost
 * connections, reloads, jumps of the wall clock, and ends at any moment with
 * a restart on the same database.  Afterwards the faults stop, and
 * everything must have come to its end.  What must be durable before what
 * is checked by the world at every message.
 */
#include "exec_world.h"
#include "../../executor/db_sql.h"

#define SEEDS	80
#define STEPS	120

static struct msg_command	 sent[STEPS * 2];
static size_t			 nsent;
static int			 reached[8];	/* rare paths that were seen */
/* Each schedule has few kinds of faults, and those often. */
static int			 has_crash, has_audit, has_db, has_net,
			 has_post;

static uint64_t
pick(uint64_t n)
{
	return (test_random() >> 33) % n;
}

static void
database_sick(int sick)
{
	(void)sqlite3_exec(w.db->sql, sick ? "PRAGMA query_only = 1" :
	    "PRAGMA query_only = 0", NULL, NULL, NULL);
}

/* What no keyboard has, of any length, cut nowhere in a character. */
static void
chaos_text(char *out, size_t size)
{
	static const char *const	 parts[] = { "!", "deploy", " ", "'",
	    "\"", "\\", "\360\237\230\200", "\303\244", "=", "service=",
	    "@all", "@bob", "`", "```", "*_~|", "--", "../", "$(", ";", "/",
	    "help ", "explain @bob ", "ban @carol ", "whois ", "run ", "#1",
	    "\342\200\213", "\177", "audit ", "adduser ", "<!channel>",
	    "output ", "99999999999999999999", "-1 ", "rotate token=" };
	const char			*part;
	size_t				 n, len = 1, most = 1 + pick(size - 8);

	out[0] = '!';
	if (pick(3) != 0)
		most = 1 + pick(120);
	do {
		part = parts[pick(nitems(parts))];
		n = strlen(part);
		if (len + n >= size)
			break;
		memcpy(out + len, part, n);
		len += n;
	} while (len < most);
	out[len] = '\0';
}

static void
chaos_command(void)
{
	static const char *const	 who[] = { ALICE, BOB, CAROL,
	    MALLORY };
	static const char *const	 what[] = { "!ping",
	    "!deploy service=api-server environment=staging",
	    "!deploy service=web-app environment=production", "!hello",
	    "!restart", "!rotate token=verysecret1", "!seldom", "!nothing",
	    "!adduser @carol operator", "!deluser @carol",
	    "!ban @mallory \"x\" 15m", "!unban @mallory",
	    "!chattr @bob +restart", "!cancel 1", "!cancel 2", "!jobs all",
	    "!output 1", "!help", "!reload", "!explain @bob hello",
	    "!adduser @bob admin", "!deluser @alice", "!status", "!x '" };
	struct msg_command		*m;

	if (nsent == nitems(sent))
		return;
	m = &sent[nsent];
	if (nsent > 0 && pick(4) == 0)
		m = &sent[pick(nsent)];		/* a replay */
	else {
		w_command(m, who[pick(nitems(who))], pick(5) ? OPS : TOWN,
		    what[pick(nitems(what))]);
		if (pick(5) == 0)
			chaos_text(m->text, sizeof(m->text));
		m->missed = pick(20) == 0;
		m->create_at = w.wall - (pick(10) == 0 ? 100000 : 0);
		nsent++;
	}
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, m);
}

/* A job that runs ends, in one way or another. */
static void
chaos_exit(void)
{
	uint64_t	 job;

	if (w.nwatched == 0)
		return;
	job = w.watched[pick(w.nwatched)];
	executor_output(w.x, job, "some more\n", 10);
	if (pick(4) != 0)
		executor_output(w.x, job, NULL, 0);
	w_exit_job(job, pick(3) == 0 ? JOB_END_SIGNALED : JOB_END_EXITED,
	    (int)pick(3), 0);
	/* One that is held open is left to the timer. */
}

static int
chaos_is_running(uint64_t id)
{
	struct job	*j = job_find(w.x, id);

	return j != NULL && j->state == JOB_RUNNING && !j->has_exit;
}

static void
chaos_step(void)
{
	struct msg_audit_health	 health;
	size_t			 i;

	switch (pick(18)) {
	case 0:
	case 1:
	case 2:
	case 3:
		chaos_command();
		break;
	case 4:
	case 16:
		for (i = 0; i < w.nwatched; i++)
			if (!chaos_is_running(w.watched[i]))
				break;
		if (i == w.nwatched)
			chaos_exit();
		break;
	case 5:
		w.audit_sick = has_audit && pick(3) != 0;
		memset(&health, 0, sizeof(health));
		health.ok = !w.audit_sick;
		if (w.x->has_audit)
			executor_message(w.x, ROLE_AUDIT, MSG_AUDIT_HEALTH, 0,
			    -1, &health);
		break;
	case 6:
		database_sick(has_db && pick(3) == 0);
		break;
	case 7:
		w.net_silent = has_net && pick(3) == 0;
		break;
	case 8:
		w.post_fails = has_post && pick(2) == 0;
		break;
	case 9:
		world_net(has_net && pick(3) == 0 ? NET_DOWN : NET_CONNECTED);
		break;
	case 10:
		world_sleep((int64_t)pick(3000));
		break;
	case 11:
		executor_message(w.x, ROLE_NETWORK, pick(3) == 0 ? MSG_XOFF :
		    MSG_XON, 0, -1, NULL);
		break;
	case 12:
		if (pick(4) == 0)
			executor_set_allowlist(w.x, w_parse(w_allowlist),
			    w.x->generation + 1);
		break;
	case 13:
		if (pick(10) == 0)
			w.wall += (int64_t)pick(200) * 1000 - 100000;
		break;
	default:
		for (i = pick(12); i > 0; i--)
			(void)world_step(1);
	}
}

static void
chaos_crash(int deliver)
{
	database_sick(0);
	w.audit_sick = w.net_silent = w.post_fails = 0;
	reached[0]++;
	world_crash(deliver);
}

static int
chaos_row(const struct db_job *row, void *arg)
{
	int	*n = arg;

	(*n)++;
	CHECK(row->state == DBJOB_FINISHED || row->state == DBJOB_DROPPED);
	CHECK(row->told != DBJOB_UNTOLD);
	if (row->state == DBJOB_FINISHED) {
		CHECK_INT(has_line(row->execution_id, AUDIT_INTENT), 1);
		CHECK_INT(has_line(row->execution_id, AUDIT_EXECUTION), 1);
	} else
		CHECK_INT(has_line(row->execution_id, AUDIT_INTENT), 0);
	reached[1] += row->unknown;
	reached[2] += row->state == DBJOB_DROPPED;
	reached[3] += row->how == JOB_END_REFUSED &&
	    row->state == DBJOB_FINISHED;
	return 0;
}

/* The faults are over; everything comes to its end. */
static void
chaos_end(void)
{
	struct msg_audit_health	 health;
	struct db_anchor	 anchor;
	struct db_job		 row;
	size_t			 i;
	int			 n = 0, round;

	database_sick(0);
	w.audit_sick = w.net_silent = w.post_fails = w.hold_exit = 0;
	memset(&health, 0, sizeof(health));
	health.ok = 1;
	executor_message(w.x, ROLE_AUDIT, MSG_AUDIT_HEALTH, 0, -1, &health);
	executor_message(w.x, ROLE_NETWORK, MSG_XON, 0, -1, NULL);
	world_net(NET_CONNECTED);
	world_pump();
	for (round = 0; round < 100 && w.nwatched > 0; round++) {
		for (i = 0; i < w.nwatched; i++)
			if (chaos_is_running(w.watched[i])) {
				w_exit_job(w.watched[i], JOB_END_EXITED, 0, 0);
				break;
			}
		world_pump();
		world_sleep(1100);
	}
	world_sleep(1000000);
	CHECK_INT(w.exited, 0);
	CHECK_INT(w.x->njobs, 0);
	CHECK_INT(w.x->ncmds, 0);
	CHECK_INT(w.x->nrunning, 0);
	CHECK_INT(w.x->nqueued, 0);
	CHECK_INT(w.x->nchanges, 0);
	CHECK_INT(w.x->noutbox, 0);
	CHECK_INT(w.x->nasks, 0);
	CHECK(TAILQ_EMPTY(&w.x->deliveries));
	CHECK(db_job_each(w.db, NULL, 0, 0, DB_LIST_MAX, chaos_row, &n) !=
	    -1);
	CHECK(db_user_count(w.db, LEVEL_ADMIN) >= 1);
	for (i = 0; i < w.nlines; i++) {
		if (w.lines[i]->m.event != AUDIT_INTENT)
			continue;
		CHECK_INT(has_line(w.lines[i]->m.execution_id,
		    AUDIT_EXECUTION), 1);
	}
	if (db_anchor_get(w.db, "test/audit/0000", &anchor) == 1)
		CHECK(anchor.seq <= w.nlines + 9);
	for (i = 0; i < w.nposts && i < W_POSTS; i++)
		CHECK(strstr(w.posts[i].text, "verysecret1") == NULL);
	/* A started job has a row. */
	for (i = 0; i < w.nstarted; i++)
		CHECK_INT(db_job_get(w.db, w.started[i].job, &row), 1);
}

static void
chaos_run(void)
{
	volatile int	 step;
	volatile int	 deliver = 0;

	nsent = 0;
	has_crash = pick(3) != 0;
	has_audit = pick(2) == 0;
	has_db = pick(3) == 0;
	has_net = pick(2) == 0;
	has_post = pick(2) == 0;
	world_up();
	w.conf.user_rate.count = 0;
	w.conf.global_rate.count = 0;
	/* A server may call its users what it likes. */
	(void)strlcpy(w_user(pick(2) ? CAROL : MALLORY, 0)->name,
	    "\303\244`*@all\n\342\200\256"
	    "0123456789012345678901234567890123456789\303\244\303\244",
	    sizeof(w.users[0].name));
	w.hold_exit = 1;
	for (step = 0; step < STEPS; step++) {
		if (setjmp(w.crash) != 0) {
			chaos_crash(deliver);
			continue;
		}
		if (has_crash && w.crash_at == 0 && pick(25) == 0) {
			w.crash_at = w.sends + 1 + (long)pick(30);
			w.crash_after = (int)pick(2);
			deliver = (int)pick(2);
		}
		chaos_step();
	}
	w.crash_at = 0;
	chaos_end();
	world_end();
}

/* One schedule, to replay one that failed. */
TEST(chaos_once)
{
	W_LEAK_OFF();
	chaos_run();
	W_LEAK_ON();
}

TEST(chaos)
{
	uint64_t	 first = test_seed;
	int		 i, bad;

	W_LEAK_OFF();
	for (i = 0; i < SEEDS; i++) {
		bad = test_bad;
		test_seed = first + (uint64_t)i * 7919 + 1;
		chaos_run();
		if (test_bad == bad)
			continue;
		(void)fprintf(stderr, "replay: -s %llu chaos_once\n",
		    (unsigned long long)(first + (uint64_t)i * 7919 + 1));
		break;
	}
	W_LEAK_ON();
	/* Else the schedule is too tame. */
	for (i = 0; i < 4; i++)
		if (reached[i] == 0 && test_bad == 0) {
			(void)fprintf(stderr, "path %d was never seen\n", i);
			test_bad++;
		}
}
