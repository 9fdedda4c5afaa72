/* The runner's decisions, in a world that only takes notes. */
#include <sys/wait.h>

#include <signal.h>
#include <unistd.h>

#include "compat.h"
#include "json.h"
#include "log.h"
#include "../../executor/runner.h"
#include "test.h"

#define AT(ms_)		((monotime_t){ ms_ })

/* Notes of what the core asked for, newest last. */
static char			 notes[8192];
static struct msg_job_exit	 last;
static monotime_t		 timer;
static struct runner		 core;
static struct msg_job_start	 start;
static int			 start_fails;

static void
note(const char *fmt, ...) __attribute__((__format__(printf, 1, 2)));

static void
note(const char *fmt, ...)
{
	size_t	 n = strlen(notes);
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(notes + n, sizeof(notes) - n, fmt, ap);
	va_end(ap);
}

/* What was noted since the last look. */
static const char *
look(void)
{
	static char	 seen[sizeof(notes)];

	memcpy(seen, notes, sizeof(seen));
	notes[0] = '\0';
	return seen;
}

static int
w_start(void *arg, int slot, const struct script *s,
    const struct msg_job_start *m, struct runner_error *e)
{
	(void)arg;
	note("start %d %s %llu;", slot, s->name, (unsigned long long)m->job);
	return start_fails ? runner_fail(e, "file", 0, "not there") : 0;
}

static void
w_term(void *arg, int slot)
{
	(void)arg;
	note("term %d;", slot);
}

static void
w_kill(void *arg, int slot)
{
	(void)arg;
	note("kill %d;", slot);
}

static void
w_started(void *arg, int slot, uint64_t job)
{
	(void)arg;
	note("started %d %llu;", slot, (unsigned long long)job);
}

static void
w_exit(void *arg, const struct msg_job_exit *m)
{
	(void)arg;
	last = *m;
	note("exit %llu %d %s;", (unsigned long long)m->job, m->how, m->step);
}

static void
w_conf(void *arg, enum msg_type type, const struct msg_conf *m)
{
	(void)arg;
	note("%s %llu;", msg_name(type), (unsigned long long)m->generation);
}

static struct allowlist *
list_of(const char *text)
{
	struct json_file	 f;
	struct json_error	 e;
	struct allowlist	*l = NULL;

	memset(&f, 0, sizeof(f));
	if (json_file_parse(&f, "list", text, strlen(text), &e) == -1)
		return NULL;
	if (allowlist_parse(&l, &f, &e) == -1)
		l = NULL;
	json_file_free(&f);
	return l;
}

static struct allowlist *
w_parse(void *arg, int fd, char *why, size_t whylen)
{
	(void)arg;
	if (fd == 7) {
		strlcpy(why, "bad", whylen);
		return NULL;
	}
	return list_of("{\"scripts\":[{\"name\":\"new\",\"path\":\"n\"}]}");
}

static void
w_timer(void *arg, monotime_t at)
{
	(void)arg;
	timer = at;
}

static void
w_stopped(void *arg)
{
	(void)arg;
	note("stopped;");
}

static void
w_broken(void *arg, const char *peer, const char *why)
{
	(void)arg;
	(void)why;
	note("broken %s;", peer);
}

static const struct runner_world	 world = {
	NULL, w_start, w_term, w_kill, w_started, w_exit, w_conf, w_parse,
	w_timer, w_stopped, w_broken
};

static void
begin(void)
{
	struct allowlist	*l;

	log_init("t_runner_core", 0);
	l = list_of("{\"scripts\":[{\"name\":\"a\",\"path\":\"a\","
	    "\"timeout\":5000},{\"name\":\"off\",\"path\":\"o\","
	    "\"enabled\":false},{\"name\":\"w\",\"path\":\"w\","
	    "\"arguments\":{\"n\":{\"type\":\"integer\"}}}]}");
	CHECK(l != NULL);
	notes[0] = '\0';
	start_fails = 0;
	timer = MONOTIME_NEVER;
	runner_init(&core, &world, l, 2, 1000);
}

static void
job(uint64_t id, uint32_t script, uint64_t generation, int64_t now)
{
	memset(&start, 0, sizeof(start));
	start.job = id;
	start.script = script;
	start.generation = generation;
	runner_job_start(&core, &start, AT(now));
}

static void
end(int slot, int status, int64_t now)
{
	struct runner_end	 e;

	memset(&e, 0, sizeof(e));
	e.has_status = status != -1;
	e.status = status;
	e.init_status = status == -1 ? SIGKILL : 0;
	e.usage.ru_utime.tv_sec = 1;
	e.usage.ru_utime.tv_usec = 5;
	e.usage.ru_maxrss = 77;
	runner_ended(&core, slot, &e, AT(now));
}

static void
stop_job(uint64_t id, int reason, int64_t now)
{
	struct msg_job_kill	 k = { id, (uint8_t)reason };

	runner_job_kill(&core, &k, AT(now));
}

TEST(a_job)
{
	begin();
	job(5, 0, 1, 100);
	CHECK_STR(look(), "start 0 a 5;");
	CHECK_INT(timer.ms, 100 + RUNNER_SETUP_MS);
	runner_started(&core, 0, AT(200));
	CHECK_STR(look(), "started 0 5;");
	CHECK_INT(timer.ms, 5200);
	end(0, 3 << 8, 450);
	CHECK_STR(look(), "exit 5 0 ;");
	CHECK_INT(last.status, 3);
	CHECK_INT(last.signal, 0);
	CHECK_INT(last.wall_ms, 250);
	CHECK_INT(last.user_us, 1000005);
	CHECK_INT(last.maxrss_kb, 77);
	CHECK(timer.ms == MONOTIME_NEVER.ms);
	/* Its number and its place are free again. */
	job(5, 0, 1, 500);
	CHECK_STR(look(), "start 0 a 5;");
	runner_clear(&core);
}

TEST(refusals)
{
	begin();
	job(1, 0, 2, 0);
	CHECK_STR(look(), "exit 1 5 generation;");
	job(1, 0, 0, 0);
	CHECK_STR(look(), "exit 1 5 generation;");
	job(1, 3, 1, 0);
	CHECK_STR(look(), "exit 1 5 number;");
	job(1, 1, 1, 0);
	CHECK_STR(look(), "exit 1 5 enabled;");
	/* An argument is missing, then one is too many. */
	job(1, 2, 1, 0);
	CHECK_STR(look(), "exit 1 5 arguments;");
	memset(&start, 0, sizeof(start));
	start.job = 1;
	start.generation = 1;
	CHECK(words_add(&start.words, "x", 1) == 0);
	runner_job_start(&core, &start, AT(0));
	CHECK_STR(look(), "exit 1 5 arguments;");
	start_fails = 1;
	job(1, 0, 1, 0);
	CHECK_STR(look(), "start 0 a 1;exit 1 5 file;");
	CHECK_STR(last.error, "not there");
	start_fails = 0;
	job(1, 0, 1, 0);
	job(2, 0, 1, 0);
	CHECK_STR(look(), "start 0 a 1;start 1 a 2;");
	job(3, 0, 1, 0);
	CHECK_STR(look(), "exit 3 5 jobs;");
	job(2, 0, 1, 0);
	CHECK_STR(look(), "broken executor;");
	runner_clear(&core);
}

TEST(timeout_then_kill)
{
	begin();
	job(1, 0, 1, 0);
	runner_started(&core, 0, AT(10));
	(void)look();
	runner_tick(&core, AT(5009));
	CHECK_STR(look(), "");
	runner_tick(&core, AT(5010));
	CHECK_STR(look(), "term 0;");
	CHECK_INT(timer.ms, 6010);
	runner_tick(&core, AT(6010));
	CHECK_STR(look(), "kill 0;");
	runner_tick(&core, AT(999999));
	CHECK_STR(look(), "");
	end(0, -1, 6020);
	CHECK_STR(look(), "exit 1 2 ;");
	CHECK_INT(last.signal, SIGKILL);
	CHECK_STR(last.error, "");
	runner_clear(&core);
}

TEST(reasons)
{
	static const struct {
		int	 reason, how;
	} kinds[] = {
		{ KILL_TIMEOUT, JOB_END_TIMEOUT },
		{ KILL_CANCEL, JOB_END_CANCELLED },
		{ KILL_SHUTDOWN, JOB_END_SHUTDOWN },
	};
	size_t	 i;

	for (i = 0; i < nitems(kinds); i++) {
		begin();
		job(1, 0, 1, 0);
		runner_started(&core, 0, AT(0));
		(void)look();
		stop_job(1, kinds[i].reason, 10);
		/* The first reason stays, and TERM is sent once. */
		stop_job(1, KILL_CANCEL, 20);
		CHECK_STR(look(), "term 0;");
		end(0, SIGTERM, 30);
		CHECK_INT(last.how, kinds[i].how);
		CHECK_INT(last.signal, SIGTERM);
		stop_job(1, KILL_CANCEL, 40);
		stop_job(9, KILL_CANCEL, 40);
		CHECK(strstr(look(), "term") == NULL);
		runner_clear(&core);
	}
	begin();
	job(1, 0, 1, 0);
	(void)look();
	stop_job(1, KILL_COUNT, 0);
	CHECK_STR(look(), "broken executor;");
	runner_clear(&core);
}

/* Nothing that goes wrong before the script ran looks like its own end. */
TEST(before_the_script)
{
	struct runner_error	 e;

	begin();
	memset(&e, 0, sizeof(e));
	(void)runner_fail(&e, "proc", 1, "no");
	job(1, 0, 1, 0);
	runner_failed(&core, 0, &e);
	end(0, 0, 5);
	CHECK_STR(look(), "start 0 a 1;exit 1 5 proc;");
	CHECK_INT(last.wall_ms, 0);
	/* Process 1 died without a word. */
	job(2, 0, 1, 0);
	end(0, -1, 5);
	CHECK_STR(look(), "start 0 a 2;exit 2 5 init;");
	/* It does not come to an end. */
	job(3, 0, 1, 0);
	runner_tick(&core, AT(RUNNER_SETUP_MS));
	end(0, -1, RUNNER_SETUP_MS + 5);
	CHECK_STR(look(), "start 0 a 3;kill 0;exit 3 5 setup;");
	/* It was cancelled: the reason is told, no TERM for nobody. */
	job(4, 0, 1, 0);
	stop_job(4, KILL_CANCEL, 1);
	/* It got that far at the same time: too late. */
	runner_started(&core, 0, AT(2));
	end(0, -1, 5);
	CHECK_STR(look(), "start 0 a 4;kill 0;exit 4 3 ;");
	/* A failure that comes when the script runs is none of its. */
	job(5, 0, 1, 0);
	runner_started(&core, 0, AT(1));
	runner_failed(&core, 0, &e);
	end(0, 0, 5);
	CHECK_STR(look(), "start 0 a 5;started 0 5;exit 5 0 ;");
	runner_clear(&core);
}

/* Killed by the kernel or an administrator: said, and no exit status. */
TEST(killed_from_outside)
{
	begin();
	job(1, 0, 1, 0);
	runner_started(&core, 0, AT(0));
	end(0, -1, 5);
	CHECK_INT(last.how, JOB_END_SIGNALED);
	CHECK_INT(last.signal, SIGKILL);
	CHECK(strstr(last.error, "from outside") != NULL);
	runner_clear(&core);
}

TEST(reload)
{
	begin();
	runner_conf_file(&core, 2, 5);
	CHECK_STR(look(), "CONF_OK 2;");
	job(1, 0, 1, 0);
	CHECK_STR(look(), "start 0 a 1;");
	runner_conf_commit(&core, 2);
	CHECK_STR(look(), "");
	job(2, 0, 1, 0);
	CHECK_STR(look(), "exit 2 5 generation;");
	job(2, 0, 2, 0);
	CHECK_STR(look(), "start 1 new 2;");
	/* The old job is still its own. */
	runner_started(&core, 0, AT(1));
	end(0, 0, 2);
	CHECK_INT(last.job, 1);
	(void)look();
	runner_conf_file(&core, 3, 7);
	CHECK_STR(look(), "CONF_ERR 3;");
	runner_conf_abort(&core, 3);
	runner_conf_file(&core, 4, 5);
	runner_conf_abort(&core, 3);
	runner_conf_abort(&core, 4);
	CHECK_STR(look(), "CONF_OK 4;");
	runner_conf_commit(&core, 4);
	CHECK_STR(look(), "broken parent;");
	CHECK_INT(core.generation, 2);
	runner_conf_file(&core, 2, 5);
	CHECK(strstr(look(), "broken parent;") != NULL);
	runner_conf_file(&core, 5, 5);
	runner_conf_commit(&core, 6);
	CHECK(strstr(look(), "broken parent;") != NULL);
	runner_clear(&core);
}

TEST(stop)
{
	begin();
	runner_stop(&core, 0, AT(0));
	CHECK_STR(look(), "stopped;");
	runner_clear(&core);
	begin();
	job(1, 0, 1, 0);
	job(2, 0, 1, 0);
	runner_started(&core, 0, AT(0));
	(void)look();
	runner_stop(&core, 0, AT(10));
	CHECK_STR(look(), "term 0;kill 1;");
	job(3, 0, 1, 10);
	CHECK_STR(look(), "exit 3 5 stopping;");
	/* And now. */
	runner_stop(&core, 1, AT(20));
	CHECK_STR(look(), "kill 0;");
	end(1, -1, 30);
	CHECK_STR(look(), "exit 2 4 ;");
	end(0, -1, 30);
	CHECK_STR(look(), "exit 1 4 ;stopped;");
	runner_clear(&core);
}

/* Random inputs: each job ends once, timers are set, nothing is left. */
TEST(random_walk)
{
	uint64_t	 id = 0, open[2] = { 0, 0 };
	int64_t		 now = 0;
	int		 i, slot;

	begin();
	for (i = 0; i < 20000; i++) {
		now += (int64_t)(test_random() % 2000);
		slot = (int)(test_random() % 2);
		switch (test_random() % 6) {
		case 0:
			job(++id, (uint32_t)(test_random() % 4), 1, now);
			if (last.job != id)
				open[strstr(notes, "start 0") == NULL] = id;
			break;
		case 1:
			if (core.jobs[slot].state == RUNNER_STARTING)
				runner_started(&core, slot, AT(now));
			break;
		case 2:
			if (core.jobs[slot].state != RUNNER_FREE) {
				end(slot, test_random() % 2 ? 0 : -1, now);
				CHECK(last.job == open[slot]);
			}
			break;
		case 3:
			stop_job(id, (int)(test_random() % KILL_COUNT), now);
			break;
		default:
			runner_tick(&core, AT(now));
			CHECK(timer.ms > now);
			break;
		}
		notes[0] = '\0';
	}
	runner_clear(&core);
}
