/* The parent's core in a world that only writes down what it is told. */
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "chatopsd/parent.h"
#include "confine.h"
#include "log.h"
#include "test.h"

static struct parent	 p;
static char		 trace[8192];
static int		 spawn_fails, confine_fails, next_fd;
static const char	*open_fails;
static int		 fds_open;
static int64_t		 timers[PARENT_TIMER_COUNT];
static int		 finished;

static void
note(const char *fmt, ...) __attribute__((__format__(printf, 1, 2)));

static void
note(const char *fmt, ...)
{
	size_t	 n = strlen(trace);
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(trace + n, sizeof(trace) - n, fmt, ap);
	va_end(ap);
}

static int
w_spawn(void *arg, enum role role, long *pid)
{
	(void)arg;
	if (spawn_fails == (int)role)
		return -1;
	note("spawn %s\n", role_name(role));
	*pid = 100 + role;
	return 0;
}

static int
w_equip(void *arg, enum role role)
{
	(void)arg;
	note("equip %s\n", role_name(role));
	return 0;
}

static void
w_send(void *arg, enum role role, enum msg_type type, uint32_t id, int fd,
    const void *payload)
{
	const struct msg_conf		*c = payload;
	const struct msg_process	*m = payload;

	(void)arg;
	if (fd != -1)
		fds_open--;
	note("send %s %s", role_name(role), msg_name(type));
	if (id != 0)
		note(" id=%u", id);
	if (type == MSG_PROCESS)
		note(" %s pid=%u reached=%x", role_name((enum role)m->role),
		    m->pid, m->reached);
	else if (c != NULL)
		note(" g=%llu%s%s", (unsigned long long)c->generation,
		    c->error[0] != '\0' ? " " : "", c->error);
	note("\n");
}

static int
w_open(void *arg, char *why, size_t size)
{
	(void)arg;
	if (open_fails != NULL) {
		snprintf(why, size, "%s", open_fails);
		return -1;
	}
	fds_open++;
	return ++next_fd;
}

static void
w_discard(void *arg, int fd)
{
	(void)arg;
	(void)fd;
	fds_open--;
}

static void
w_kill(void *arg, enum role role)
{
	(void)arg;
	note("kill %s\n", role_name(role));
}

static void
w_hangup(void *arg, enum role role)
{
	(void)arg;
	note("hangup %s\n", role_name(role));
}

static void
w_timer(void *arg, enum parent_timer which, int64_t ms)
{
	(void)arg;
	timers[which] = ms;
}

static int
w_confine(void *arg, struct msg_ready *reached)
{
	(void)arg;
	note("confine\n");
	reached->reached = CONFINED_NNP;
	return confine_fails ? -1 : 0;
}

static void
w_notify(void *arg, enum parent_note n)
{
	static const char *const names[] = { "ready", "reloading",
	    "stopping" };

	(void)arg;
	note("notify %s\n", names[n]);
}

static void
w_finish(void *arg, int status)
{
	(void)arg;
	finished++;
	note("finish %d\n", status);
}

static const struct parent_world world = {
	w_spawn, w_equip, w_send, w_open, w_discard, w_kill, w_hangup,
	w_timer, w_confine, w_notify, w_finish
};

/* What the core logs goes nowhere, what CHECK() prints does not. */
static void
quiet_log(void)
{
	static int	 done;
	int		 null;

	if (done++)
		return;
	stderr = fdopen(dup(STDERR_FILENO), "w");
	null = open("/dev/null", O_WRONLY);
	if (stderr == NULL || null == -1 || dup2(null, STDERR_FILENO) == -1)
		abort();
	setvbuf(stderr, NULL, _IONBF, 0);
	close(null);
}

static void
begin(int is_root, int allow)
{
	struct parent_conf	 conf = { "build", 99, is_root, allow, 10000 };

	quiet_log();
	spawn_fails = confine_fails = fds_open = next_fd = finished = 0;
	open_fails = NULL;
	memset(timers, 0, sizeof(timers));
	trace[0] = '\0';
	parent_init(&p, &conf, &world, NULL);
}

static void
hello(enum role role, const char *build)
{
	struct msg_hello	 h;

	memset(&h, 0, sizeof(h));
	snprintf(h.build, sizeof(h.build), "%s", build);
	h.role = role;
	parent_message(&p, role, MSG_HELLO, 0, &h);
}

static void
ready(enum role role, uint32_t reached)
{
	struct msg_ready	 r;

	memset(&r, 0, sizeof(r));
	r.reached = reached;
	parent_message(&p, role, MSG_READY, 0, &r);
}

static void
answer(enum role role, enum msg_type type, uint64_t generation,
    const char *error)
{
	struct msg_conf	 c;

	memset(&c, 0, sizeof(c));
	c.generation = generation;
	snprintf(c.error, sizeof(c.error), "%s", error);
	parent_message(&p, role, type, 0, &c);
}

static void
start_all(void)
{
	static const enum role order[] = { ROLE_AUDIT, ROLE_RUNNER,
	    ROLE_EXECUTOR, ROLE_NETWORK };
	size_t	 i;

	begin(0, 0);
	parent_start(&p);
	for (i = 0; i < 4; i++) {
		hello(order[i], "build");
		ready(order[i], CONFINED_ALL);
	}
	CHECK_INT(p.state, PARENT_RUNNING);
	trace[0] = '\0';
}

static int
exit_status(int code)
{
	return code << 8;	/* as wait(2) has it */
}

static void
gone(enum role role, int status)
{
	parent_exited(&p, role, status);
}

/* From running to the end: nobody is left, once, with that status. */
static void
all_gone(int status)
{
	int	 i;

	for (i = 0; i < ROLE_COUNT; i++)
		if (i != ROLE_PARENT && i != ROLE_CTL)
			gone(i, exit_status(1));
	CHECK_INT(finished, 1);
	CHECK_INT(p.state, PARENT_DONE);
	CHECK_INT(p.status, status);
	for (i = 0; i < PARENT_TIMER_COUNT; i++)
		CHECK_INT(timers[i], 0);
	CHECK_INT(fds_open, 0);
}

TEST(starts_in_order)
{
	begin(0, 0);
	parent_start(&p);
	CHECK_STR(trace, "spawn audit\n");
	CHECK_INT(timers[PARENT_TIMER_READY], PARENT_READY_MS);
	hello(ROLE_AUDIT, "build");
	CHECK_STR(trace, "spawn audit\nequip audit\n");
	ready(ROLE_AUDIT, CONFINED_ALL);
	hello(ROLE_RUNNER, "build");
	ready(ROLE_RUNNER, CONFINED_ALL);
	hello(ROLE_EXECUTOR, "build");
	ready(ROLE_EXECUTOR, CONFINED_ALL);
	hello(ROLE_NETWORK, "build");
	ready(ROLE_NETWORK, CONFINED_ALL);
	CHECK_STR(trace, "spawn audit\nequip audit\nspawn runner\n"
	    "equip runner\nspawn executor\nequip executor\nspawn network\n"
	    "equip network\nconfine\n"
	    "send executor PROCESS parent pid=99 reached=1\n"
	    "send executor PROCESS network pid=101 reached=7f\n"
	    "send executor PROCESS executor pid=102 reached=7f\n"
	    "send executor PROCESS runner pid=103 reached=7f\n"
	    "send executor PROCESS audit pid=104 reached=7f\n"
	    "notify ready\n");
	CHECK_INT(p.state, PARENT_RUNNING);
	CHECK_INT(timers[PARENT_TIMER_READY], 0);
}

TEST(start_refuses_another_build)
{
	begin(0, 0);
	parent_start(&p);
	hello(ROLE_AUDIT, "other");
	CHECK_INT(p.state, PARENT_DYING);
	CHECK_STR(trace, "spawn audit\nhangup audit\n");
	gone(ROLE_AUDIT, exit_status(1));
	CHECK_INT(finished, 1);
	CHECK_INT(p.status, 1);
}

TEST(start_refuses_what_is_out_of_turn)
{
	begin(0, 0);
	parent_start(&p);
	ready(ROLE_AUDIT, CONFINED_ALL);	/* before HELLO */
	CHECK_INT(p.state, PARENT_DYING);
	begin(0, 0);
	parent_start(&p);
	hello(ROLE_AUDIT, "build");
	hello(ROLE_AUDIT, "build");
	CHECK_INT(p.state, PARENT_DYING);
	begin(0, 0);
	parent_start(&p);
	parent_message(&p, ROLE_AUDIT, MSG_COMMAND, 0, NULL);
	CHECK_INT(p.state, PARENT_DYING);
}

TEST(start_spawn_fails)
{
	begin(0, 0);
	spawn_fails = ROLE_AUDIT;
	parent_start(&p);
	CHECK_INT(finished, 1);
	CHECK_INT(p.status, 1);
	begin(0, 0);
	spawn_fails = ROLE_RUNNER;
	parent_start(&p);
	hello(ROLE_AUDIT, "build");
	ready(ROLE_AUDIT, CONFINED_ALL);
	CHECK_INT(p.state, PARENT_DYING);
	all_gone(1);
}

TEST(start_times_out)
{
	begin(0, 0);
	parent_start(&p);
	hello(ROLE_AUDIT, "build");
	parent_timeout(&p, PARENT_TIMER_READY);
	CHECK_INT(p.state, PARENT_DYING);
	CHECK_INT(timers[PARENT_TIMER_DEATH], PARENT_DEATH_MS);
	parent_timeout(&p, PARENT_TIMER_DEATH);
	CHECK(strstr(trace, "kill audit\n") != NULL);
	/* Even where SIGKILL does nothing there is an end. */
	parent_timeout(&p, PARENT_TIMER_DEATH);
	CHECK_INT(finished, 1);
	CHECK_INT(p.status, 1);
}

TEST(confinement_is_demanded)
{
	uint32_t	 bit;

	for (bit = 1; bit <= CONFINED_ALL; bit <<= 1) {
		begin(1, 0);
		parent_start(&p);
		hello(ROLE_AUDIT, "build");
		ready(ROLE_AUDIT, CONFINED_ALL & ~bit);
		CHECK_INT(p.state, PARENT_DYING);
		/* A user of its own: only where root can give one. */
		begin(0, 0);
		parent_start(&p);
		hello(ROLE_AUDIT, "build");
		ready(ROLE_AUDIT, CONFINED_ALL & ~bit);
		CHECK_INT(p.state, bit == CONFINED_UID ? PARENT_STARTING :
		    PARENT_DYING);
		begin(1, 1);
		parent_start(&p);
		hello(ROLE_AUDIT, "build");
		ready(ROLE_AUDIT, CONFINED_ALL & ~bit);
		CHECK_INT(p.state, PARENT_STARTING);
	}
}

TEST(parent_must_be_confined)
{
	begin(0, 0);
	confine_fails = 1;
	parent_start(&p);
	hello(ROLE_AUDIT, "build");
	ready(ROLE_AUDIT, CONFINED_ALL);
	hello(ROLE_RUNNER, "build");
	ready(ROLE_RUNNER, CONFINED_ALL);
	hello(ROLE_EXECUTOR, "build");
	ready(ROLE_EXECUTOR, CONFINED_ALL);
	hello(ROLE_NETWORK, "build");
	ready(ROLE_NETWORK, CONFINED_ALL);
	CHECK_INT(p.state, PARENT_DYING);
	CHECK(strstr(trace, "notify ready") == NULL);
	all_gone(1);
}

TEST(reload_both_agree)
{
	start_all();
	parent_reload(&p);
	CHECK_STR(trace, "notify reloading\nsend runner CONF_FILE g=2\n"
	    "send executor CONF_FILE g=2\n");
	CHECK_INT(timers[PARENT_TIMER_RELOAD], PARENT_RELOAD_MS);
	trace[0] = '\0';
	answer(ROLE_EXECUTOR, MSG_CONF_OK, 2, "");
	CHECK_STR(trace, "");
	answer(ROLE_RUNNER, MSG_CONF_OK, 2, "");
	CHECK_STR(trace, "send runner CONF_COMMIT g=2\n"
	    "send executor CONF_COMMIT g=2\nsend executor RELOAD_RESULT g=2\n"
	    "notify ready\n");
	CHECK_INT(p.generation, 2);
	CHECK_INT(timers[PARENT_TIMER_RELOAD], 0);
	CHECK_INT(fds_open, 0);
}

static void
refused_by(enum role bad, const char *expected)
{
	enum role	 good = bad == ROLE_RUNNER ? ROLE_EXECUTOR :
			    ROLE_RUNNER;

	start_all();
	parent_reload(&p);
	trace[0] = '\0';
	answer(bad, MSG_CONF_ERR, 2, "line 3");
	answer(good, MSG_CONF_OK, 2, "");
	CHECK_STR(trace, expected);
	CHECK_INT(p.generation, 1);
	/* The number is used up: no late answer fits the next attempt. */
	trace[0] = '\0';
	parent_reload(&p);
	CHECK(strstr(trace, "CONF_FILE g=3") != NULL);
}

TEST(reload_one_refuses)
{
	static const char	 expected[] =
	    "send runner CONF_ABORT g=2 line 3\n"
	    "send executor CONF_ABORT g=2 line 3\n"
	    "send executor RELOAD_RESULT g=1 line 3\nnotify ready\n";

	refused_by(ROLE_RUNNER, expected);
	refused_by(ROLE_EXECUTOR, expected);
}

TEST(reload_times_out)
{
	start_all();
	parent_reload(&p);
	answer(ROLE_EXECUTOR, MSG_CONF_OK, 2, "");
	trace[0] = '\0';
	parent_timeout(&p, PARENT_TIMER_RELOAD);
	CHECK_STR(trace,
	    "send runner CONF_ABORT g=2 the runner did not answer within 10 "
	    "s\nsend executor CONF_ABORT g=2 the runner did not answer within "
	    "10 s\nsend executor RELOAD_RESULT g=1 the runner did not answer "
	    "within 10 s\nnotify ready\n");
	/* Its late answer changes nothing, now or during the next one. */
	trace[0] = '\0';
	answer(ROLE_RUNNER, MSG_CONF_OK, 2, "");
	parent_reload(&p);
	answer(ROLE_RUNNER, MSG_CONF_OK, 2, "");
	answer(ROLE_EXECUTOR, MSG_CONF_OK, 3, "");
	CHECK_INT(p.generation, 1);
	CHECK_INT(p.state, PARENT_RUNNING);
	answer(ROLE_RUNNER, MSG_CONF_OK, 3, "");
	CHECK_INT(p.generation, 3);
}

TEST(reload_file_cannot_be_opened)
{
	struct msg_reload	 r;

	memset(&r, 0, sizeof(r));
	start_all();
	open_fails = "mode 0666";
	parent_message(&p, ROLE_EXECUTOR, MSG_RELOAD, 7, &r);
	CHECK_STR(trace, "notify reloading\n"
	    "send executor RELOAD_RESULT id=7 g=1 mode 0666\nnotify ready\n");
	CHECK_INT(p.reloading, 0);
	CHECK_INT(fds_open, 0);
}

TEST(reload_while_reloading)
{
	struct msg_reload	 r;

	memset(&r, 0, sizeof(r));
	start_all();
	parent_reload(&p);
	trace[0] = '\0';
	parent_message(&p, ROLE_EXECUTOR, MSG_RELOAD, 9, &r);
	CHECK_STR(trace, "send executor RELOAD_RESULT id=9 g=1 a reload is "
	    "already under way\n");
	parent_reload(&p);
	parent_reload(&p);
	trace[0] = '\0';
	answer(ROLE_EXECUTOR, MSG_CONF_OK, 2, "");
	answer(ROLE_RUNNER, MSG_CONF_OK, 2, "");
	/* Two signals during one reload are one more reload. */
	CHECK(strstr(trace, "CONF_FILE g=3") != NULL);
	answer(ROLE_EXECUTOR, MSG_CONF_OK, 3, "");
	trace[0] = '\0';
	answer(ROLE_RUNNER, MSG_CONF_OK, 3, "");
	CHECK(strstr(trace, "CONF_FILE") == NULL);
	CHECK_INT(p.generation, 3);
}

TEST(reload_answers_nobody_asked_for)
{
	start_all();
	answer(ROLE_RUNNER, MSG_CONF_OK, 2, "");
	CHECK_INT(p.state, PARENT_DYING);
	start_all();
	parent_reload(&p);
	answer(ROLE_RUNNER, MSG_CONF_OK, 2, "");
	answer(ROLE_RUNNER, MSG_CONF_OK, 2, "");
	CHECK_INT(p.state, PARENT_DYING);
}

TEST(reload_and_death)
{
	start_all();
	parent_reload(&p);
	gone(ROLE_RUNNER, 9);
	CHECK_INT(p.state, PARENT_DYING);
	CHECK_INT(timers[PARENT_TIMER_RELOAD], 0);
	all_gone(1);
}

TEST(any_death_is_the_end)
{
	static const enum role	 roles[] = { ROLE_AUDIT, ROLE_RUNNER,
	    ROLE_EXECUTOR, ROLE_NETWORK };
	static const int	 ways[] = { 0, 1 << 8, 9, 31 };
	size_t			 i, k;

	for (i = 0; i < 4; i++)
		for (k = 0; k < 4; k++) {
			start_all();
			gone(roles[i], ways[k]);
			CHECK_INT(p.state, PARENT_DYING);
			CHECK_INT(timers[PARENT_TIMER_DEATH],
			    PARENT_DEATH_MS);
			parent_timeout(&p, PARENT_TIMER_DEATH);
			all_gone(1);
		}
}

TEST(closed_channel)
{
	start_all();
	parent_closed(&p, ROLE_NETWORK, "");
	CHECK_INT(p.state, PARENT_RUNNING);
	CHECK_INT(timers[PARENT_TIMER_DEATH], PARENT_DEATH_MS);
	parent_timeout(&p, PARENT_TIMER_DEATH);
	CHECK_INT(p.state, PARENT_DYING);
	all_gone(1);
	start_all();
	parent_closed(&p, ROLE_NETWORK, "packet is too long");
	CHECK_INT(p.state, PARENT_DYING);
	all_gone(1);
}

TEST(stop_in_order)
{
	start_all();
	parent_stop(&p, "test");
	CHECK_STR(trace, "notify stopping\nsend executor STOP\n");
	CHECK_INT(timers[PARENT_TIMER_STOP], PARENT_STOP_MS + 10000);
	parent_closed(&p, ROLE_EXECUTOR, "");
	gone(ROLE_EXECUTOR, 0);
	CHECK_INT(timers[PARENT_TIMER_STOP], PARENT_STOP_MS);
	gone(ROLE_NETWORK, 0);
	gone(ROLE_RUNNER, 0);
	gone(ROLE_AUDIT, 0);
	CHECK_STR(trace, "notify stopping\nsend executor STOP\n"
	    "send network STOP\nsend runner STOP\nsend audit STOP\n"
	    "finish 0\n");
	CHECK_INT(p.state, PARENT_DONE);
	parent_stop(&p, "again");
	parent_reload(&p);
	CHECK_INT(finished, 1);
}

TEST(stop_is_bounded)
{
	static const enum role	 order[] = { ROLE_EXECUTOR, ROLE_NETWORK,
	    ROLE_RUNNER, ROLE_AUDIT };
	size_t			 i;

	start_all();
	parent_stop(&p, "test");
	for (i = 0; i < 4; i++) {
		trace[0] = '\0';
		parent_timeout(&p, PARENT_TIMER_STOP);
		CHECK(strncmp(trace, "kill ", 5) == 0);
		CHECK(strstr(trace, role_name(order[i])) != NULL);
		/* And this one cannot even be killed. */
		parent_timeout(&p, PARENT_TIMER_STOP);
	}
	CHECK_INT(finished, 1);
	CHECK_INT(p.status, 1);
}

TEST(stop_with_deaths)
{
	start_all();
	parent_stop(&p, "test");
	gone(ROLE_AUDIT, 9);	/* out of turn */
	gone(ROLE_NETWORK, 0);
	gone(ROLE_RUNNER, exit_status(3));
	gone(ROLE_EXECUTOR, 0);
	CHECK_INT(finished, 1);
	CHECK_INT(p.status, 1);
}

TEST(stop_during_start)
{
	begin(0, 0);
	parent_start(&p);
	hello(ROLE_AUDIT, "build");
	ready(ROLE_AUDIT, CONFINED_ALL);
	hello(ROLE_RUNNER, "build");
	trace[0] = '\0';
	parent_stop(&p, "test");
	CHECK_STR(trace, "notify stopping\nkill runner\n");
	ready(ROLE_RUNNER, CONFINED_ALL);	/* was on its way */
	gone(ROLE_RUNNER, 9);
	CHECK(strstr(trace, "send audit STOP\n") != NULL);
	gone(ROLE_AUDIT, 0);
	CHECK_INT(finished, 1);
}

/* Random inputs: it ends, once, and never hangs on anything. */
TEST(random_schedules)
{
	static const enum role	 roles[] = { ROLE_AUDIT, ROLE_RUNNER,
	    ROLE_EXECUTOR, ROLE_NETWORK };
	enum role		 r;
	int			 i, k, round;

	for (round = 0; round < 2000; round++) {
		begin(0, 0);
		parent_start(&p);
		for (i = 0; i < 60; i++) {
			trace[0] = '\0';
			r = roles[test_random() % 4];
			switch (test_random() % 12) {
			case 0:
				gone(r, (int)(test_random() % 2) << 8);
				break;
			case 1:
				parent_closed(&p, r, "");
				break;
			case 2:
				parent_stop(&p, "random");
				break;
			case 3:
				parent_reload(&p);
				break;
			case 4:
				answer(r, MSG_CONF_OK, p.tried, "");
				break;
			case 5:
				answer(r, MSG_CONF_ERR, p.tried, "no");
				break;
			case 6:
				parent_timeout(&p, (enum parent_timer)
				    (test_random() % PARENT_TIMER_COUNT));
				break;
			default:
				hello(r, "build");
				ready(r, CONFINED_ALL);
				break;
			}
		}
		parent_stop(&p, "end");
		for (k = 0; k < 20 && !finished; k++)
			for (i = 0; i < PARENT_TIMER_COUNT; i++)
				if (timers[i] != 0)
					parent_timeout(&p, i);
		CHECK_INT(finished, 1);
		CHECK_INT(fds_open, 0);
	}
}
