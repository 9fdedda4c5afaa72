/* A child's set-up against parents that do it wrong, step by step. */
#include <sys/mman.h>

#include <poll.h>

#include "child.h"

static int
some_file(void)
{
	int	 fd;

	if ((fd = memfd_create("t_proc", MFD_CLOEXEC)) == -1)
		abort();
	return fd;
}

static int
some_folder(void)
{
	int	 fd;

	if ((fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		abort();
	return fd;
}

static int
some_socket(int type)
{
	int	 sv[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, sv) == -1)
		abort();
	close(sv[1]);
	return sv[0];
}

/* The child: an executor that wants an allowlist and a data folder. */
static void
setup_executor(void *arg)
{
	struct proc		 p;
	struct msg_ready	 ready;

	(void)arg;
	proc_setup(&p, ROLE_EXECUTOR, 1U << FILE_ALLOWLIST |
	    1U << FILE_DATA_DIR);
	if (p.self != ROLE_EXECUTOR || p.peers[ROLE_RUNNER].fd == -1 ||
	    p.peers[ROLE_NETWORK].fd != -1 || p.files[FILE_ALLOWLIST] == -1 ||
	    !(fcntl(PROC_FD, F_GETFD) & FD_CLOEXEC) ||
	    proc_take_file(&p, FILE_DATA_DIR) == -1 ||
	    proc_take_file(&p, FILE_DATA_DIR) != -1 ||
	    p.parent.phase != PHASE_SETUP)
		_exit(2);
	memset(&ready, 0, sizeof(ready));
	ready.reached = CONFINED_NNP;
	proc_ready(&p, &ready);
	if (p.parent.phase != PHASE_RUN ||
	    p.peers[ROLE_RUNNER].phase != PHASE_RUN)
		_exit(3);
	_exit(0);
}

/* The parent's side, one step at a time. */
static void
say(struct imsgbuf *b, enum msg_type type, const void *msg, int fd)
{
	const char	*field;
	struct buf	 data;

	if (msg_encode(&data, type, msg, &field) == -1)
		abort();
	/* What the rules forbid is not ours to send here: b is a parent. */
	if (imsg_compose(b, type, 0, fd, data.data, data.len) == -1)
		abort();
	buf_free(&data);
	(void)imsg_flush(b);
}

static void
say_hello(struct imsgbuf *b, const char *build, enum role role)
{
	struct msg_hello	 hello;

	memset(&hello, 0, sizeof(hello));
	(void)strlcpy(hello.build, build, sizeof(hello.build));
	hello.role = (uint8_t)role;
	say(b, MSG_HELLO, &hello, -1);
}

static void
say_peer(struct imsgbuf *b, enum role role, int fd)
{
	struct msg_peer	 peer = { (uint8_t)role };

	say(b, MSG_PEER, &peer, fd);
}

static void
say_file(struct imsgbuf *b, enum file_kind kind, int fd)
{
	struct msg_file	 file = { (uint8_t)kind };

	say(b, MSG_FILE, &file, fd);
}

/* One letter is one step of a parent; see play(). */
static void
play(struct imsgbuf *b, const char *steps)
{
	static char	 other[65];

	(void)strlcpy(other, build_id, sizeof(other));
	other[0] = other[0] == '0' ? '1' : '0';
	for (; *steps != '\0'; steps++)
		switch (*steps) {
		case 'h':
			say_hello(b, build_id, ROLE_PARENT);
			break;
		case 'o':		/* another build */
			say_hello(b, other, ROLE_PARENT);
			break;
		case 'n':		/* not the parent */
			say_hello(b, build_id, ROLE_NETWORK);
			break;
		case 'r':
			say_peer(b, ROLE_RUNNER, some_socket(SOCK_SEQPACKET));
			break;
		case 's':		/* a stream is no channel */
			say_peer(b, ROLE_RUNNER, some_socket(SOCK_STREAM));
			break;
		case 'f':		/* nor is a file */
			say_peer(b, ROLE_RUNNER, some_file());
			break;
		case 'c':		/* one that an executor has not */
			say_peer(b, ROLE_CTL, some_socket(SOCK_SEQPACKET));
			break;
		case 'p':
			say_peer(b, ROLE_PARENT, some_socket(SOCK_SEQPACKET));
			break;
		case 'e':
			say_peer(b, ROLE_EXECUTOR,
			    some_socket(SOCK_SEQPACKET));
			break;
		case 'a':
			say_file(b, FILE_ALLOWLIST, some_file());
			break;
		case 'A':		/* a folder is no allowlist */
			say_file(b, FILE_ALLOWLIST, some_folder());
			break;
		case 'd':
			say_file(b, FILE_DATA_DIR, some_folder());
			break;
		case 'D':
			say_file(b, FILE_DATA_DIR, some_file());
			break;
		case 't':		/* the token is not for it */
			say_file(b, FILE_TOKEN, some_file());
			break;
		case 'S':		/* connected, not listening */
			say_file(b, FILE_CONTROL,
			    some_socket(SOCK_SEQPACKET));
			break;
		case '.':
			say(b, MSG_DONE, NULL, -1);
			break;
		case 'x':		/* not in set-up */
			imsgbuf_set_phase(b, PHASE_RUN);
			say(b, MSG_STOP, NULL, -1);
			break;
		case '-':
			shutdown(b->fd, SHUT_RDWR);
			break;
		default:
			abort();
		}
}

static const struct {
	const char	*steps;
	int		 status;
	const char	*says;
} setups[] = {
	/* The one that every other differs from by a step. */
	{ "hrad.", 0, "" },
	{ "hdar.", 0, "" },
	{ "o", 1, "install all programs from one build" },
	{ "orad.", 1, "install all programs from one build" },
	{ "n", 1, "says that it is network" },
	{ "rhad.", 1, "PEER before HELLO" },
	{ ".", 1, "DONE before HELLO" },
	{ "hrrad.", 1, "PEER runner a second time" },
	{ "hsad.", 1, "PEER runner is not a channel" },
	{ "hfad.", 1, "PEER runner is not a channel" },
	{ "hcrad.", 1, "PEER ctl is none of ours" },
	{ "hprad.", 1, "PEER parent is none of ours" },
	{ "herad.", 1, "PEER executor is none of ours" },
	{ "hraad.", 1, "FILE allowlist a second time" },
	{ "hrAd.", 1, "FILE allowlist is of the wrong kind" },
	{ "hraD.", 1, "FILE data folder is of the wrong kind" },
	{ "hradt.", 1, "FILE token is none of ours" },
	{ "hradS.", 1, "FILE control socket is of the wrong kind" },
	{ "hrd.", 1, "FILE allowlist is missing" },
	{ "hra.", 1, "FILE data folder is missing" },
	{ "hradx", 1, "STOP from parent to executor during set-up" },
	{ "hra-", 1, "closed during set-up" },
	{ "-", 1, "closed during set-up" }
};

TEST(setup_every_wrong_step)
{
	struct imsgbuf		 b;
	struct child		 c;
	struct imsg		 got;
	struct pollfd		 pfd;
	struct msg_ready	 ready;
	const char		*field;
	size_t			 i;
	int			 sv[2];

	for (i = 0; i < nitems(setups); i++) {
		make_pair(sv);
		child_start(&c, setup_executor, NULL, sv[1]);
		close(sv[1]);
		if (imsgbuf_init(&b, sv[0], ROLE_PARENT, ROLE_EXECUTOR) == -1)
			abort();
		/* Its greeting comes unasked. */
		pfd.fd = b.fd;
		pfd.events = POLLIN;
		(void)poll(&pfd, 1, 5000);
		CHECK_INT(imsg_recv(&b, &got), 1);
		CHECK_INT(got.type, MSG_HELLO);
		play(&b, setups[i].steps);
		CHECK_INT(child_end(&c), setups[i].status);
		if (strstr(c.text, setups[i].says) == NULL) {
			CHECK(!"the log names the cause");
			fprintf(stderr, "%s: %s", setups[i].steps, c.text);
		}
		if (setups[i].status == 0) {
			CHECK_STR(c.text, "");
			CHECK_INT(imsg_recv(&b, &got), 1);
			CHECK_INT(got.type, MSG_READY);
			CHECK_INT(msg_decode(got.data, got.len, got.type,
			    &ready, &field), 0);
			CHECK_INT(ready.reached, CONFINED_NNP);
		}
		imsgbuf_clear(&b);
	}
}

/* Started by hand: descriptor 3 is something else or nothing. */
TEST(setup_without_a_channel)
{
	struct child	 c;
	int		 fds[4];
	size_t		 i;

	fds[0] = some_file();
	fds[1] = some_socket(SOCK_STREAM);
	fds[2] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (listen(fds[2], 1) == -1)	/* autobinds: a listening one */
		fds[2] = some_socket(SOCK_DGRAM);
	fds[3] = -1;
	for (i = 0; i < nitems(fds); i++) {
		child_start(&c, setup_executor, NULL, fds[i]);
		CHECK_INT(child_end(&c), 1);
		CHECK(strstr(c.text, "started by chatopsd(8) only") != NULL);
		close(fds[i]);
	}
}
