/*
 * chatopsd's parent among hostile children.  The real program runs in a tree
 * whose other programs are this one; they set themselves up properly, and
 * the one that the case names then does one thing wrong.  The daemon must
 * end: not with 0, with a line that names cause and process, and with
 * nobody left.
 */
#include "cases.h"
#include "log.h"

static const enum role	 children[] = { ROLE_AUDIT, ROLE_RUNNER,
			    ROLE_EXECUTOR, ROLE_NETWORK };
static char		 master[56];	/* what every tree links to */

/* READY with fields of its own, a greeting of another role or build. */
enum own {
	OWN_BUILD = H_OWN + 1,
	OWN_ROLE,
	OWN_TWICE,
	OWN_UNCONFINED,
	OWN_EARLY,
	OWN_GENERATION,
	OWN_EXIT,
	OWN_SHUTDOWN
};

static void
write_file(const char *name, mode_t mode, const char *fmt, ...)
	__attribute__((__format__(printf, 3, 4)));

static void
write_file(const char *name, mode_t mode, const char *fmt, ...)
{
	char	 path[256], text[4096];
	va_list	 ap;
	int	 fd, n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)snprintf(path, sizeof(path), "%s/%s", h.dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd == -1 || write(fd, text, (size_t)n) != n ||
	    fchmod(fd, mode) == -1)
		h_fail("%s: %s", path, strerror(errno));
	close(fd);
}

static void
link_program(const char *from, const char *name)
{
	char	 path[256], to[256];

	(void)snprintf(path, sizeof(path), "%s/%s", master, from);
	(void)snprintf(to, sizeof(to), "%s/%s", h.dir, name);
	if (link(path, to) == -1)
		h_fail("%s: %s", to, strerror(errno));
}

/* The children find what to do in the file "case" of their tree. */
static void
make_tree(const struct h_case *c)
{
	static const char *const	 folders[] = { "chatopsd", "executor",
	    "auditd", "scripts" };
	char				 path[256];
	size_t				 i;

	(void)snprintf(h.dir, sizeof(h.dir), "%s/case.XXXXXXXXXX", master);
	if (mkdtemp(h.dir) == NULL || chmod(h.dir, 0755) == -1)
		h_fail("%s: %s", h.dir, strerror(errno));
	for (i = 0; i < nitems(folders); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", h.dir, folders[i]);
		if (mkdir(path, 0755) == -1 || chmod(path, 0755) == -1)
			h_fail("%s: %s", path, strerror(errno));
	}
	link_program("daemon", "chatopsd/daemon");
	link_program("fake", "chatopsd/chatops-network");
	link_program("fake", "executor/chatops-executor");
	link_program("fake", "auditd/chatops-auditd");
	write_file("case", 0644, "%d %d %d %d\n", (int)c->wrong,
	    (int)c->stage, (int)c->from, c->n);
	write_file("script-allowlist.json", 0644, "{\"scripts\":[]}");
	write_file("bot.config.json", 0600, "{\"mattermost\":{\"url\":"
	    "\"http://127.0.0.1:1\",\"token\":"
	    "\"abcdefghijklmnopqrstuvwxyz\"},\"users\":{\"network\":"
	    "\"64001\",\"executor\":\"64002\",\"runner\":\"64003\","
	    "\"audit\":\"64004\"},\"paths\":{\"base\":\"%s/scripts\","
	    "\"allowlist\":\"%s/script-allowlist.json\",\"data\":"
	    "\"%s/data\",\"logs\":\"%s/logs\",\"run\":\"%s/run\"}}", h.dir,
	    h.dir, h.dir, h.dir, h.dir);
}

static void
start_daemon(void)
{
	char	 program[256], arg0[] = "chatopsd", d[] = "-d", f[] = "-f",
		 conf[256];
	char	*argv[] = { arg0, d, f, conf, NULL };
	char	*envp[] = { NULL };
	int	 null;

	(void)snprintf(program, sizeof(program), "%s/chatopsd/daemon", h.dir);
	(void)snprintf(conf, sizeof(conf), "%s/bot.config.json", h.dir);
	if ((h.log = memfd_create("log", MFD_CLOEXEC)) == -1 ||
	    fcntl(h.log, F_SETFL, O_APPEND) == -1 || (h.pid = fork()) == -1)
		h_fail("fork: %s", strerror(errno));
	if (h.pid != 0)
		return;
	if ((null = open("/dev/null", O_RDWR)) == -1 || dup2(null, 0) == -1 ||
	    dup2(null, 1) == -1 || dup2(h.log, 2) == -1)
		_exit(99);
	closefrom(3);
	(void)execve(program, argv, envp);
	_exit(98);
}

/* Is that in its log within the time?  Then it is up. */
static int
wait_log(const char *text)
{
	monotime_t	 until = monotime_add(monotime_now(), h_wait_ms);
	char		 log[H_LOG_MAX];

	do {
		(void)h_log(log, sizeof(log));
		if (strstr(log, text) != NULL)
			return 1;
		if (h_is_dead(2))
			return 0;
	} while (monotime_sub(until, monotime_now()) > 0);
	return 0;
}

static void
run_parent(const struct h_case *c)
{
	char	 name[64];

	make_tree(c);
	start_daemon();
	if (c->wrong == H_NOTHING) {
		if (!wait_log("started: all processes are ready"))
			h_fail("it does not start");
		h_must_live(100);
		(void)kill(h.pid, SIGTERM);
		if (!h_is_dead(h_wait_ms))
			h_fail("it does not stop");
		h_nobody_left();
		h_clean();
		return;
	}
	h_must_die(c->says, h_wait_ms);
	/* And the process is named. */
	(void)snprintf(name, sizeof(name), "%s (process ",
	    role_name(c->from));
	if (c->wrong != (enum h_wrong)OWN_BUILD &&
	    c->wrong != (enum h_wrong)OWN_UNCONFINED && !wait_log(name))
		h_fail("its log does not name %s", role_name(c->from));
	h_clean();
}

/* From here on: the children. */

static void
read_case(struct h_case *c)
{
	char	 path[1024], text[64], *p;
	int	 v[4], fd, i;
	ssize_t	 n;

	n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	if (n == -1)
		_exit(97);
	path[n] = '\0';
	for (i = 0; i < 2; i++)
		if ((p = strrchr(path, '/')) != NULL)
			*p = '\0';
	(void)strlcat(path, "/case", sizeof(path));
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1 ||
	    (n = read(fd, text, sizeof(text) - 1)) <= 0)
		_exit(97);
	text[n] = '\0';
	close(fd);
	p = text;
	for (i = 0; i < 4; i++)
		v[i] = (int)strtol(p, &p, 10);
	c->wrong = (enum h_wrong)v[0];
	c->stage = (enum h_stage)v[1];
	c->from = (enum role)v[2];
	c->n = v[3];
}

/* Until the parent hangs up, or says STOP. */
static __dead void
wait_for_end(void)
{
	static uint8_t	 p[H_PACKET_MAX];
	struct pollfd	 pfd = { PROC_FD, POLLIN, 0 };
	ssize_t		 n;

	(void)alarm(30);
	while (poll(&pfd, 1, -1) == 1 &&
	    (n = recv(PROC_FD, p, sizeof(p), 0)) > 0)
		if (n >= 2 && (p[0] << 8 | p[1]) == MSG_STOP)
			_exit(0);
	_exit(1);
}

static void
do_own(const struct h_case *c)
{
	static uint8_t	 p[H_PACKET_MAX];
	size_t		 n;

	switch ((enum own)c->wrong) {
	case OWN_BUILD:
		n = h_packet(p, MSG_HELLO, 0);
		p[n - 1] = (uint8_t)c->from;
		p[n - 2] = p[n - 2] == '0' ? '1' : '0';
		break;
	case OWN_ROLE:
		n = h_packet(p, MSG_HELLO, 0);
		p[n - 1] = (uint8_t)c->n;
		break;
	case OWN_TWICE:
		n = h_packet(p, MSG_HELLO, 0);
		p[n - 1] = (uint8_t)c->from;
		h_raw(PROC_FD, p, n, 0);
		break;
	case OWN_UNCONFINED:
	case OWN_EARLY:
		n = h_packet(p, MSG_READY, 0);
		break;
	case OWN_GENERATION:
		n = h_packet(p, c->n, 0);
		p[IMSG_HEADER_SIZE] = 1;
		break;
	case OWN_EXIT:
		_exit(c->n);
	case OWN_SHUTDOWN:
		(void)shutdown(PROC_FD, SHUT_RDWR);
		for (;;)
			pause();
	default:
		_exit(96);
	}
	h_raw(PROC_FD, p, n, 0);
}

static void
do_wrong(const struct h_case *c)
{
	h.seat[c->from] = PROC_FD;
	if ((int)c->wrong > H_OWN)
		do_own(c);
	else
		h_do_packet(c);
	wait_for_end();
}

static __dead void
play(enum role self)
{
	struct msg_ready	 ready;
	struct h_case		 c;
	struct proc		 p;
	int			 is_mine;

	read_case(&c);
	is_mine = c.from == self && c.wrong != H_NOTHING;
	log_init("child", 0);
	if (is_mine && c.stage == H_FIRST)
		do_wrong(&c);
	proc_setup(&p, self, 0);
	if (is_mine && c.stage == H_SETUP)
		do_wrong(&c);
	memset(&ready, 0, sizeof(ready));
	ready.reached = CONFINED_ALL;
	proc_ready(&p, &ready);
	if (is_mine)
		do_wrong(&c);
	wait_for_end();
}

static void
add_child(enum role role)
{
	const struct want_type	*t;
	size_t			 i;

	for (i = 0; i < nitems(want); i++) {
		t = &want[i];
		if (!h_is_way(t, role)) {
			h_add(H_SENDER, H_RUN, role, (int)t->type,
			    "%s from %s to parent is not theirs to send",
			    t->name, role_name(role));
			continue;
		}
		h_add_row(t, role, t->type == MSG_HELLO ? H_FIRST :
		    t->type == MSG_READY ? H_SETUP : H_RUN);
		/* HELLO has a case of its own, READY ends its phase. */
		if (t->once)
			h_ncases--;
		if (t->phases[0] == 'S')
			h_add(H_PHASE, H_RUN, role, (int)t->type,
			    "after set-up");
		else
			h_add(H_PHASE, H_SETUP, role, (int)t->type,
			    "during set-up");
	}
	h_add((enum h_wrong)OWN_BUILD, H_FIRST, role, 0,
	    "%s is of another build", role_name(role));
	h_add((enum h_wrong)OWN_ROLE, H_FIRST, role, ROLE_PARENT,
	    "a greeting that was not due");
	h_add((enum h_wrong)OWN_TWICE, H_FIRST, role, 0,
	    "HELLO from %s to parent a second time", role_name(role));
	h_add((enum h_wrong)OWN_EARLY, H_FIRST, role, 0,
	    "ready before it was due");
	h_add((enum h_wrong)OWN_UNCONFINED, H_SETUP, role, 0,
	    "%s could not be confined: without", role_name(role));
	h_add((enum h_wrong)OWN_EXIT, H_RUN, role, 0,
	    "ended with status 0: ending the daemon");
	h_add((enum h_wrong)OWN_EXIT, H_SETUP, role, 3,
	    "ended with status 3: ending the daemon");
	h_add((enum h_wrong)OWN_SHUTDOWN, H_RUN, role, 0,
	    "closed its channel: ending the daemon");
	h_add(H_UNKNOWN, H_RUN, role, MSG_COUNT, "unknown message type");
	h_add(H_UNKNOWN, H_FIRST, role, 0, "unknown message type");
	h_add(H_FLAGS, H_RUN, role, MSG_HELLO, "with unknown flags");
	h_add(H_HEADER, H_RUN, role, MSG_HELLO, "has no whole header");
}

static int
copy_program(const char *from, const char *name)
{
	static char	 bytes[65536];
	char		 path[256];
	ssize_t		 n = -1;
	int		 in, out;

	(void)snprintf(path, sizeof(path), "%s/%s", master, name);
	in = open(from, O_RDONLY | O_CLOEXEC);
	out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (in != -1 && out != -1 && fchmod(out, 0755) == 0)
		while ((n = read(in, bytes, sizeof(bytes))) > 0)
			if (write(out, bytes, (size_t)n) != n)
				break;
	if (n != 0)
		warn("%s to %s", from, path);
	close(in);
	close(out);
	return n == 0 ? 0 : -1;
}

int
main(int argc, char **argv)
{
	static const struct h_target	 parent = { .role = ROLE_PARENT };
	const char			*tmp = getenv("TMPDIR");
	size_t				 i;
	int				 status;

	if (argc >= 3 && strcmp(argv[1], "-x") == 0)
		play((enum role)role_parse(argv[2]));
	h.target = &parent;
	h_runner = run_parent;
	h_add(H_NOTHING, H_RUN, ROLE_AUDIT, 0, "lives");
	for (i = 0; i < nitems(children); i++)
		add_child(children[i]);
	h_add((enum h_wrong)OWN_GENERATION, H_RUN, ROLE_EXECUTOR, MSG_CONF_OK,
	    "an answer to a reload that was not asked for");
	h_add((enum h_wrong)OWN_GENERATION, H_RUN, ROLE_RUNNER, MSG_CONF_ERR,
	    "an answer to a reload that was not asked for");
	(void)snprintf(master, sizeof(master), "%s/hostile.XXXXXXXXXX",
	    tmp == NULL || strlen(tmp) > 30 ? "/tmp" : tmp);
	if (mkdtemp(master) == NULL || chmod(master, 0755) == -1)
		err(2, "%s", master);
	status = 2;
	if (copy_program("/proc/self/exe", "fake") == 0) {
		if (h_folder_above(argv[0]) == 0 &&
		    copy_program("../chatopsd/chatopsd", "daemon") == 0)
			status = h_run(argc, argv);
	}
	(void)nftw(master, h_remove, 16, FTW_DEPTH | FTW_PHYS);
	return status;
}
