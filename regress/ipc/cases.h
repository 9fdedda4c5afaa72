/*
 * One thing is done wrong to the process of hostile.h, and it must end: not
 * with 0, soon, with a line in its log that names the cause, and leaving no
 * process behind.  What is wrong is computed from the second description of
 * the messages in unit/msg_want.h.
 *
 * Each case has a process of its own (that adopts what the victim leaves),
 * several at once.
 */
#ifndef CHATOPS_CASES_H
#define CHATOPS_CASES_H

#include "hostile.h"

#define H_CASES_MAX	2048
#define H_PARALLEL	4
#define H_SEEDS		8	/* of noise, for each seat */

/* One thing done wrong. */
enum h_wrong {
	H_NOTHING,		/* the case that shows it lives otherwise */
	H_SENDER,
	H_SHORT,
	H_LONG,
	H_LEFT_OVER,
	H_FIELD,
	H_FD_UNWANTED,
	H_FD_MISSING,
	H_FD_TWO,
	H_PHASE,
	H_TWICE,
	H_NO_ID,
	H_UNASKED,
	H_UNKNOWN,
	H_FLAGS,
	H_HEADER,
	H_EMPTY,
	H_CLOSE,
	H_BUILD,
	H_HELLO_ROLE,
	H_FILE_FOREIGN,
	H_FILE_TWICE,
	H_FILE_KIND,
	H_FILE_MISSING,
	H_FILE_GARBAGE,
	H_PEER_FOREIGN,
	H_PEER_TWICE,
	H_PEER_KIND,
	H_PEER_MISSING,
	H_SILENCE,
	H_NOISE,
	H_OWN			/* a case of the target's own */
};

struct h_case {
	enum h_wrong	 wrong;
	enum h_stage	 stage;
	enum role	 from;
	int		 n;		/* type, file kind or role */
	char		 says[160];	/* what the log must hold */
	void		(*own)(void);
};

static struct h_case	 h_cases[H_CASES_MAX];
static size_t		 h_ncases;
/* How to run a case; NULL: h_run_case(). */
static void		(*h_runner)(const struct h_case *);

/* The bytes that are wrong in one way only. */
static void
h_do_packet(const struct h_case *c)
{
	static uint8_t		 p[H_PACKET_MAX];
	const struct want_type	*t;
	size_t			 n, min, max;
	int			 s = h.seat[c->from], nfds;
	uint32_t		 id;

	if (c->wrong == H_UNKNOWN) {
		h_raw(s, p, h_header(p, c->n, 0, 1), 0);
		return;
	}
	t = h_want(c->n);
	id = t->answer ? H_ID : 0;
	n = h_packet(p, c->n, c->wrong == H_NO_ID ? 0 : id);
	nfds = t->fd;
	msg_limits(t->type, &min, &max);
	switch (c->wrong) {
	case H_SHORT:
		n = IMSG_HEADER_SIZE + min - 1;
		break;
	case H_LONG:
		memset(p + n, 'a', sizeof(p) - n);
		n = IMSG_HEADER_SIZE + max + 1;
		break;
	case H_LEFT_OVER:
		p[n++] = 'a';
		break;
	case H_FIELD:
		memset(p + IMSG_HEADER_SIZE, c->n == MSG_JOB_STARTED ? 0 :
		    0xff, min);
		n = IMSG_HEADER_SIZE + min;
		break;
	case H_FD_UNWANTED:
		nfds = 1;
		break;
	case H_FD_MISSING:
		nfds = 0;
		break;
	case H_FD_TWO:
		nfds = 2;
		break;
	case H_FLAGS:
		p[3] = 1;
		break;
	case H_HEADER:
		n = IMSG_HEADER_SIZE - 1;
		break;
	case H_EMPTY:
		n = 0;
		break;
	case H_TWICE:
		h_raw(s, p, n, nfds);
		break;
	default:
		break;
	}
	h_raw(s, p, n, nfds);
}

/* What goes wrong in the set-up; it has been greeted. */
static void
h_do_setup(const struct h_case *c)
{
	enum file_kind	 kind = (enum file_kind)c->n;
	int		 sv[2];

	switch (c->wrong) {
	case H_FILE_FOREIGN:
		h_give_file(kind, h_file(kind));
		break;
	case H_FILE_TWICE:
		h_give_file(kind, h_file(kind));
		h_give_file(kind, h_memfd(""));
		break;
	case H_FILE_KIND:	/* a pipe is none of them */
		if (pipe(sv) == -1)
			h_fail("pipe");
		h_give_file(kind, sv[0]);
		break;
	case H_FILE_MISSING:
		h_give_all(-1, (int)kind);
		h_say(MSG_DONE, NULL, -1);
		break;
	case H_FILE_GARBAGE:
		h_give_all(-1, (int)kind);
		h_give_file(kind, h_memfd("{\"a\":"));
		h_say(MSG_DONE, NULL, -1);
		break;
	case H_PEER_FOREIGN:
	case H_PEER_TWICE:
		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv) == -1)
			h_fail("socketpair");
		h_give_peer((enum role)c->n, sv[0]);
		if (c->wrong == H_PEER_TWICE)
			h_give_peer((enum role)c->n, sv[1]);
		break;
	case H_PEER_KIND:
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == -1)
			h_fail("socketpair");
		h_give_peer((enum role)c->n, sv[0]);
		break;
	case H_PEER_MISSING:
		h_give_all(c->n, -1);
		h_say(MSG_DONE, NULL, -1);
		break;
	default:
		errx(2, "no such case");
	}
}

/* May from send t to the target, by the second description? */
static int
h_is_way(const struct want_type *t, enum role from)
{
	static const char	 letters[] = "PNERAC";
	char			 way[3] = "";

	way[0] = letters[from];
	way[1] = letters[h.target->role];
	return strstr(t->ways, way) != NULL;
}

static uint64_t
h_random(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 2685821657736338717ULL;
}

/* A good packet of what this seat may say, changed a little. */
static size_t
h_noise_packet(uint8_t *p, enum role from, uint64_t *seed)
{
	const struct want_type	*t;
	size_t			 n, i, k;

	do
		t = &want[h_random(seed) % nitems(want)];
	while (!h_is_way(t, from) && h_random(seed) % 50 != 0);
	n = h_packet(p, (int)t->type, (uint32_t)(h_random(seed) % 3));
	for (k = h_random(seed) % 4; k > 0; k--) {
		i = h_random(seed) % n;
		/* Most of the time not the header. */
		if (i < IMSG_HEADER_SIZE && h_random(seed) % 8 != 0)
			continue;
		p[i] = (uint8_t)h_random(seed);
	}
	if (h_random(seed) % 16 == 0)
		n += h_random(seed) % 8;
	return n;
}

/*
 * Many packets, good and bad, until it ends: it may live or end as it
 * promised, but no signal may have killed it.
 */
static void
h_noise(const struct h_case *c)
{
	static uint8_t	 p[H_PACKET_MAX];
	uint64_t	 seed = 20261121 + (uint64_t)c->n * 7919;
	char		 log[H_LOG_MAX];
	size_t		 n;
	int		 i;

	for (i = 0; i < 300; i++) {
		n = h_noise_packet(p, c->from, &seed);
		if (send(h.seat[c->from], p, n, MSG_NOSIGNAL |
		    MSG_DONTWAIT) == -1 && errno != EAGAIN)
			break;
	}
	if (h_is_dead(200)) {
		(void)h_log(log, sizeof(log));
		if (!WIFEXITED(h.status))
			h_fail("a signal ended it: 0x%x", h.status);
		if (WEXITSTATUS(h.status) != 0 &&
		    strstr(log, "fatal: ") == NULL)
			h_fail("it ended without a word");
	}
	h_clean();
	h_nobody_left();
}

static void
h_run_case(const struct h_case *c)
{
	char	 build[65];
	int64_t	 ms = h_wait_ms;

	if (c->wrong == H_OWN) {
		c->own();
		h_clean();
		return;
	}
	h_reach(c->stage);
	h.at = monotime_now();
	switch (c->wrong) {
	case H_NOTHING:
		h_must_live(300);
		h_clean();
		h_nobody_left();
		return;
	case H_NOISE:
		h_noise(c);
		return;
	case H_BUILD:
		(void)strlcpy(build, build_id, sizeof(build));
		build[63] = build[63] == '0' ? '1' : '0';
		h_hello(build, ROLE_PARENT);
		break;
	case H_HELLO_ROLE:
		h_hello(build_id, (enum role)c->n);
		break;
	case H_CLOSE:
		shutdown(h.seat[c->from], SHUT_RDWR);
		break;
	case H_SILENCE:
		ms += PROC_SETUP_TIMEOUT_MS;
		break;
	default:
		if (c->wrong >= H_FILE_FOREIGN)
			h_do_setup(c);
		else
			h_do_packet(c);
	}
	h_must_die(c->says, ms);
	/* A slow machine is not a broken promise, but it is not soon. */
	ms = monotime_sub(monotime_now(), h.at);
	h_clean();
	_exit(ms > H_SOON_MS && c->wrong != H_SILENCE ? 3 : 0);
}

/* The cases, one after the other. */

static struct h_case *
h_add(enum h_wrong wrong, enum h_stage stage, enum role from, int n,
    const char *fmt, ...)
	__attribute__((__format__(printf, 5, 6)));

static struct h_case *
h_add(enum h_wrong wrong, enum h_stage stage, enum role from, int n,
    const char *fmt, ...)
{
	struct h_case	*c;
	va_list		 ap;

	if (h_ncases == H_CASES_MAX)
		errx(2, "too many cases");
	c = &h_cases[h_ncases++];
	c->wrong = wrong;
	c->stage = stage;
	c->from = from;
	c->n = n;
	va_start(ap, fmt);
	(void)vsnprintf(c->says, sizeof(c->says), fmt, ap);
	va_end(ap);
	return c;
}

static inline void
h_add_own(const char *name, void (*own)(void))
{
	struct h_case	*c;

	c = h_add(H_OWN, H_RUN, ROLE_PARENT, 0, "%s", name);
	c->own = own;
}

/* Everything that can be wrong with a type that this sender may send. */
static void
h_add_row(const struct want_type *t, enum role from, enum h_stage stage)
{
	size_t	 min, max;
	int	 type = (int)t->type;

	msg_limits(t->type, &min, &max);
	if (min > 0)
		h_add(H_SHORT, stage, from, type, "is too short");
	h_add(H_LONG, stage, from, type, "is too long");
	if (min > 0) {
		if (min < max)
			h_add(H_LEFT_OVER, stage, from, type,
			    "%s with a wrong length", t->name);
		h_add(H_FIELD, stage, from, type, "%s with a wrong ",
		    t->name);
	}
	if (t->fd)
		h_add(H_FD_MISSING, stage, from, type,
		    "without its descriptor");
	else
		h_add(H_FD_UNWANTED, stage, from, type,
		    "with a descriptor that is not due");
	h_add(H_FD_TWO, stage, from, type, "more than one descriptor");
	if (t->answer) {
		h_add(H_NO_ID, stage, from, type,
		    "%s without the id of its question", t->name);
		h_add(H_UNASKED, stage, from, type,
		    "answers what was never asked");
	}
	/* DONE ends the set-up; STOP ends everything. */
	if (t->once && type != MSG_STOP && type != MSG_DONE)
		h_add(H_TWICE, stage, from, type, "a second time");
}

static void
h_add_types(enum role from)
{
	const struct want_type	*t;
	size_t			 i;
	int			 is_setup;

	for (i = 0; i < nitems(want); i++) {
		t = &want[i];
		is_setup = t->phases[0] == 'S' && t->phases[1] == '\0';
		if (!h_is_way(t, from)) {
			h_add(H_SENDER, H_RUN, from, (int)t->type,
			    "%s from %s to %s is not theirs to send", t->name,
			    role_name(from), role_name(h.target->role));
			if (from == ROLE_PARENT)
				h_add(H_SENDER, H_SETUP, from, (int)t->type,
				    "is not theirs to send");
			continue;
		}
		if (!is_setup)
			h_add_row(t, from, H_RUN);
		else {
			h_add(H_PHASE, H_RUN, from, (int)t->type,
			    "%s from %s to %s after set-up", t->name,
			    role_name(from), role_name(h.target->role));
			if (t->type != MSG_HELLO)
				h_add_row(t, from, H_SETUP);
		}
		if (from != ROLE_PARENT)
			continue;
		if (!is_setup) {
			h_add(H_PHASE, H_FIRST, from, (int)t->type,
			    "during set-up");
			h_add(H_PHASE, H_SETUP, from, (int)t->type,
			    "during set-up");
		} else if (t->type != MSG_HELLO)
			h_add(H_PHASE, H_FIRST, from, (int)t->type,
			    "%s before HELLO", t->name);
	}
}

/* Packets that are wrong whatever their type. */
static void
h_add_packets(enum role from)
{
	static const int	 unknown[] = { 0, MSG_COUNT, 255, 65535 };
	size_t			 i;
	int			 good = MSG_STOP;

	for (i = 0; i < nitems(want); i++)
		if (h_is_way(&want[i], from) && want[i].phases[0] == 'R')
			good = (int)want[i].type;
	for (i = 0; i < nitems(unknown); i++)
		h_add(H_UNKNOWN, H_RUN, from, unknown[i],
		    "unknown message type");
	for (i = 0; i < H_SEEDS; i++)
		h_add(H_NOISE, H_RUN, from, (int)i, "noise %zu", i);
	h_add(H_FLAGS, H_RUN, from, good, "with unknown flags");
	h_add(H_HEADER, H_RUN, from, good, "has no whole header");
	if (from == ROLE_PARENT || h.target->closed[from] != NULL) {
		h_add(H_CLOSE, H_RUN, from, 0, "%s: closed its channel",
		    role_name(from));
		h_add(H_EMPTY, H_RUN, from, good, "%s: closed its channel",
		    role_name(from));
	}
}

static void
h_add_hellos(void)
{
	size_t	 min, max;
	int	 role;

	msg_limits(MSG_HELLO, &min, &max);
	h_add(H_BUILD, H_FIRST, ROLE_PARENT, 0,
	    "install all programs from one build");
	for (role = 0; role < ROLE_COUNT; role++)
		if (role != ROLE_PARENT)
			h_add(H_HELLO_ROLE, H_FIRST, ROLE_PARENT, role,
			    "says that it is %s", role_name((enum role)role));
	h_add(H_SHORT, H_FIRST, ROLE_PARENT, MSG_HELLO, "is too short");
	h_add(H_LONG, H_FIRST, ROLE_PARENT, MSG_HELLO, "is too long");
	h_add(H_FIELD, H_FIRST, ROLE_PARENT, MSG_HELLO,
	    "HELLO with a wrong build");
	h_add(H_FD_UNWANTED, H_FIRST, ROLE_PARENT, MSG_HELLO,
	    "with a descriptor that is not due");
	h_add(H_TWICE, H_FIRST, ROLE_PARENT, MSG_HELLO, "a second time");
	h_add(H_UNKNOWN, H_FIRST, ROLE_PARENT, MSG_COUNT,
	    "unknown message type");
	h_add(H_CLOSE, H_FIRST, ROLE_PARENT, 0, "closed during set-up");
	h_add(H_CLOSE, H_SETUP, ROLE_PARENT, 0, "closed during set-up");
}

static void
h_add_files(void)
{
	const struct h_target	*t = h.target;
	const char		*name;
	int			 kind;

	for (kind = 0; kind < FILE_COUNT; kind++) {
		name = file_kind_name((enum file_kind)kind);
		if (!file_kind_is_for((enum file_kind)kind, t->role)) {
			h_add(H_FILE_FOREIGN, H_SETUP, ROLE_PARENT, kind,
			    "FILE %s is none of ours", name);
			continue;
		}
		h_add(H_FILE_TWICE, H_SETUP, ROLE_PARENT, kind,
		    "FILE %s a second time", name);
		h_add(H_FILE_KIND, H_SETUP, ROLE_PARENT, kind,
		    "FILE %s is of the wrong kind", name);
		if (t->files & 1U << kind)
			h_add(H_FILE_MISSING, H_SETUP, ROLE_PARENT, kind,
			    "FILE %s is missing", name);
		if (kind == FILE_CONF || kind == FILE_ALLOWLIST)
			h_add(H_FILE_GARBAGE, H_SETUP, ROLE_PARENT, kind,
			    ":1:5");
	}
}

static void
h_add_peers(void)
{
	const struct h_target	*t = h.target;
	const char		*name;
	size_t			 i;
	int			 role, is_ours;

	for (role = 0; role < ROLE_COUNT; role++) {
		name = role_name((enum role)role);
		is_ours = 0;
		for (i = 0; i < t->npeers; i++)
			is_ours |= (int)t->peers[i] == role;
		if (!is_ours) {
			h_add(H_PEER_FOREIGN, H_SETUP, ROLE_PARENT, role,
			    "PEER %s is none of ours", name);
			continue;
		}
		h_add(H_PEER_TWICE, H_SETUP, ROLE_PARENT, role,
		    "PEER %s a second time", name);
		h_add(H_PEER_KIND, H_SETUP, ROLE_PARENT, role,
		    "PEER %s is not a channel", name);
		h_add(H_PEER_MISSING, H_SETUP, ROLE_PARENT, role, "%s", name);
	}
}

static inline void
h_add_all(const struct h_target *t)
{
	size_t	 i;

	h.target = t;
	h_add(H_NOTHING, H_RUN, ROLE_PARENT, 0, "lives");
	h_add_hellos();
	h_add_files();
	h_add_peers();
	h_add_types(ROLE_PARENT);
	h_add_packets(ROLE_PARENT);
	for (i = 0; i < t->npeers; i++) {
		h_add_types(t->peers[i]);
		h_add_packets(t->peers[i]);
	}
}

/* For a person: what a case does. */
static void
h_describe(size_t i, FILE *out)
{
	const struct h_case	*c = &h_cases[i];

	fprintf(out, "case %zu: wrong %d at stage %d by %s, %d: \"%s\"\n", i,
	    (int)c->wrong, (int)c->stage, role_name(c->from), c->n, c->says);
}

static pid_t
h_fork_case(size_t i)
{
	pid_t	 pid;

	if ((pid = fork()) == -1)
		err(2, "fork");
	if (pid != 0)
		return pid;
	(void)alarm(60);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1)
		err(2, "PR_SET_CHILD_SUBREAPER");
	if (h_runner != NULL)
		h_runner(&h_cases[i]);
	else
		h_run_case(&h_cases[i]);
	_exit(0);
}

/* Run them all, some at once; the number that failed. */
static size_t
h_run_all(void)
{
	struct {
		pid_t	 pid;
		size_t	 number;
	}	 busy[H_PARALLEL];
	size_t	 i, k, running = 0, failed = 0, late = 0;
	int	 status;
	pid_t	 pid;

	memset(busy, 0, sizeof(busy));
	for (i = 0; i < h_ncases || running > 0;) {
		for (k = 0; k < H_PARALLEL && i < h_ncases; k++) {
			if (busy[k].pid != 0)
				continue;
			fflush(NULL);
			busy[k].number = i;
			busy[k].pid = h_fork_case(i++);
			running++;
		}
		if ((pid = waitpid(-1, &status, 0)) == -1)
			err(2, "waitpid");
		for (k = 0; k < H_PARALLEL; k++)
			if (busy[k].pid == pid)
				break;
		if (k == H_PARALLEL)
			continue;
		busy[k].pid = 0;
		running--;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
			late++;
		else if (status != 0) {
			failed++;
			if (!h_is_quiet) {
				fprintf(stderr, "FAILED (0x%x) ", status);
				h_describe(busy[k].number, stderr);
			}
		}
	}
	/* With other tests beside it a few may take longer than promised. */
	if (late > h_ncases / 10) {
		fprintf(stderr, "%zu of %zu took more than %d ms to end\n",
		    late, h_ncases, H_SOON_MS);
		failed++;
	}
	return failed;
}

/* Programs are named as seen from regress/: go there.  0 or -1. */
static int
h_folder_above(const char *program)
{
	char	 folder[1024], *slash;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)strlcpy(folder, program, sizeof(folder));
	if ((slash = strrchr(folder, '/')) != NULL)
		*slash = '\0';
	if ((slash != NULL && chdir(folder) == -1) || chdir("..") == -1) {
		warn("%s", folder);
		return -1;
	}
	return 0;
}

/* usage: t_name [-l | number ...]: all cases, their list, or some. */
static inline int
h_run(int argc, char **argv)
{
	size_t	 i, failed;
	int	 a, status;

	if (argc > 1 && strcmp(argv[1], "-l") == 0) {
		for (i = 0; i < h_ncases; i++)
			h_describe(i, stdout);
		return 0;
	}
	if (argc > 1) {
		failed = 0;
		for (a = 1; a < argc; a++) {
			i = strtoul(argv[a], NULL, 10) % h_ncases;
			h_describe(i, stdout);
			fflush(NULL);
			if (waitpid(h_fork_case(i), &status, 0) == -1 ||
			    status != 0)
				failed++;
		}
		printf("%zu passed, %zu failed\n",
		    (size_t)argc - 1 - failed, failed);
		return failed != 0;
	}
	failed = h_run_all();
	printf("%zu passed, %zu failed\n",
	    failed > h_ncases ? 0 : h_ncases - failed, failed);
	return failed != 0;
}

static inline int
h_main(int argc, char **argv)
{
	return h_folder_above(argv[0]) == -1 ? 2 : h_run(argc, argv);
}

#endif
