/*
 * The process itself, confined as in earnest: this test plays parent and
 * executor on its channels, and ends it in every way.
 */
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include "test.h"

#include "auditlib.h"
#include "imsg.h"
#include "monotime.h"
#include "pathnames.h"
#include "proc.h"

#define PROGRAM	"../auditd/chatops-auditd"
#define WAIT_MS	10000

struct run {
	pid_t		 pid;
	struct imsgbuf	 parent;
	struct imsgbuf	 executor;
	struct msg_ready ready;
	struct msg_audit_state state;
	int		 err;		/* its standard error */
};

static void
say(struct imsgbuf *b, enum msg_type type, uint32_t id, int fd,
    const void *msg)
{
	const char	*field = "";
	struct buf	 out;

	if (msg_encode(&out, type, msg, &field) == -1 ||
	    imsg_compose(b, type, id, fd, out.data, out.len) == -1 ||
	    imsg_flush(b) == -1) {
		fprintf(stderr, "%s: %s %s\n", msg_name(type), field, b->why);
		exit(1);
	}
	buf_free(&out);
}

/* The next message: its type, 0 at the end of the channel, -1 too late. */
static int
hear(struct imsgbuf *b, struct imsg *m)
{
	struct pollfd	 p;
	int		 n, tries;

	for (tries = 0; tries < 2; tries++) {
		if ((n = imsg_recv(b, m)) == 1)
			return (int)m->type;
		if (n == -1)
			return 0;
		p.fd = b->fd;
		p.events = POLLIN;
		if (poll(&p, 1, WAIT_MS) != 1)
			return -1;
	}
	return -1;
}

static void
decode(const struct imsg *m, void *out)
{
	const char	*field;

	CHECK_INT(msg_decode(m->data, m->len, m->type, out, &field), 0);
}

static int
conf_fd(const char *text)
{
	int	 fd = memfd_create("conf", MFD_CLOEXEC);

	if (fd == -1 || write(fd, text, strlen(text)) == -1 ||
	    lseek(fd, 0, SEEK_SET) == -1)
		abort();
	return fd;
}

static void
send_file(struct run *r, enum file_kind kind, int fd)
{
	struct msg_file	 f = { (uint8_t)kind };

	if (fd == -1)
		abort();
	say(&r->parent, MSG_FILE, 0, fd, &f);
}

static void
child(int channel, int err)
{
	static char	 program[] = PROGRAM, x[] = "-x", role[] = "audit";
	char		*argv[] = { program, x, role, NULL };

	if (dup2(channel, 9) == -1 || dup2(err, 2) == -1 ||
	    dup2(9, PROC_FD) == -1)
		_exit(126);
	closefrom(4);
	execv(PROGRAM, argv);
	_exit(127);
}

/* Start it on those folders; everything up to DONE. */
static void
begin(struct run *r, const struct al *l)
{
	struct msg_hello	 hello;
	struct msg_peer		 peer = { ROLE_EXECUTOR };
	struct imsg		 m;
	char			 keys[160];
	int			 p[2], e[2], log[2];

	memset(r, 0, sizeof(*r));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0, p) == -1 || socketpair(AF_UNIX,
	    SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, e) == -1 ||
	    pipe2(log, O_CLOEXEC) == -1)
		abort();
	if ((r->pid = fork()) == 0)
		child(p[1], log[1]);
	close(p[1]);
	close(log[1]);
	r->err = log[0];
	CHECK_INT(imsgbuf_init(&r->parent, p[0], ROLE_PARENT, ROLE_AUDIT), 0);
	CHECK_INT(imsgbuf_init(&r->executor, e[0], ROLE_EXECUTOR, ROLE_AUDIT),
	    0);
	imsgbuf_set_phase(&r->executor, PHASE_RUN);
	memset(&hello, 0, sizeof(hello));
	strlcpy(hello.build, build_id, sizeof(hello.build));
	hello.role = ROLE_PARENT;
	say(&r->parent, MSG_HELLO, 0, -1, &hello);
	CHECK_INT(hear(&r->parent, &m), MSG_HELLO);
	say(&r->parent, MSG_PEER, 0, e[1], &peer);
	send_file(r, FILE_CONF, conf_fd("{\"mattermost\":{\"url\":"
	    "\"http://127.0.0.1:1\"},\"audit\":{\"origin\":"
	    "\"test.example/audit/0001\"}}"));
	snprintf(keys, sizeof(keys), "%s/keys", l->dir);
	send_file(r, FILE_LOG_DIR, open(l->dir, O_RDONLY | O_DIRECTORY));
	send_file(r, FILE_KEY_DIR, open(keys, O_RDONLY | O_DIRECTORY));
	say(&r->parent, MSG_DONE, 0, -1, NULL);
}

/* READY and AUDIT_STATE, or 0 when it ended instead. */
static int
is_up(struct run *r)
{
	struct imsg	 m;

	if (hear(&r->parent, &m) != MSG_READY)
		return 0;
	decode(&m, &r->ready);
	imsgbuf_set_phase(&r->parent, PHASE_RUN);
	CHECK_INT(hear(&r->executor, &m), MSG_AUDIT_STATE);
	decode(&m, &r->state);
	return 1;
}

/* Its wait status; what it wrote to standard error in out. */
static int
finish(struct run *r, char *out, size_t size)
{
	size_t	 have = 0;
	ssize_t	 n;
	int	 status = -1;

	while (have + 1 < size &&
	    (n = read(r->err, out + have, size - have - 1)) > 0)
		have += (size_t)n;
	out[have] = '\0';
	waitpid(r->pid, &status, 0);
	close(r->err);
	imsgbuf_clear(&r->parent);
	imsgbuf_clear(&r->executor);
	return status;
}

static struct msg_ack
append(struct run *r, uint32_t id, const struct msg_append *m)
{
	struct msg_ack	 ack;
	struct imsg	 in;

	memset(&ack, 0, sizeof(ack));
	say(&r->executor, MSG_APPEND, id, -1, m);
	CHECK_INT(hear(&r->executor, &in), MSG_ACK);
	CHECK_INT(in.id, id);
	decode(&in, &ack);
	return ack;
}

TEST(a_whole_session)
{
	static struct msg_append	 m;
	static struct msg_tail_line	 t;
	struct msg_tail			 tail = { 2 };
	struct al			*l = al_new();
	struct run			 r;
	struct msg_ack			 a, b;
	struct imsg			 in;
	char				 err[4096], *s;
	size_t				 len;
	int				 status;

	begin(&r, l);
	CHECK(is_up(&r));
	CHECK_INT(r.ready.reached & CONFINED_SECCOMP, CONFINED_SECCOMP);
	CHECK_INT(r.ready.reached & CONFINED_DUMPABLE, CONFINED_DUMPABLE);
	CHECK_STR(r.state.origin, "test.example/audit/0001");
	CHECK_INT(r.state.seq, 1);
	CHECK_INT(r.state.clean, 1);
	al_intent(&m, 1);
	a = append(&r, 1, &m);
	CHECK_INT(a.ok, 1);
	CHECK_INT(a.seq, 2);
	CHECK(memcmp(a.previous_hash, r.state.line_hash, 32) == 0);
	al_execution(&m, 1);
	b = append(&r, 2, &m);
	CHECK_INT(b.seq, 3);
	CHECK(memcmp(b.previous_hash, a.line_hash, 32) == 0);
	al_execution(&m, 1);
	b = append(&r, 3, &m);
	CHECK_INT(b.ok, 0);
	say(&r.executor, MSG_TAIL, 4, -1, &tail);
	CHECK_INT(hear(&r.executor, &in), MSG_TAIL_LINE);
	decode(&in, &t);
	CHECK(strstr(t.line, "\"event\":\"intent\"") != NULL);
	CHECK_INT(hear(&r.executor, &in), MSG_TAIL_LINE);
	decode(&in, &t);
	CHECK(strstr(t.line, "\"event\":\"execution\"") != NULL);
	CHECK_INT(hear(&r.executor, &in), MSG_TAIL_LINE);
	decode(&in, &t);
	CHECK_INT(t.last, 1);
	say(&r.executor, MSG_AUDIT_END, 5, -1, NULL);
	CHECK_INT(hear(&r.executor, &in), MSG_ACK);
	decode(&in, &b);
	CHECK_INT(b.ok, 1);
	CHECK_INT(b.seq, 4);
	say(&r.parent, MSG_STOP, 0, -1, NULL);
	status = finish(&r, err, sizeof(err));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	s = al_read(l, NAME_AUDIT_LOG, &len);
	CHECK(strstr(s, "\"event\":\"session-end\"") != NULL);
	CHECK(strstr(s, "\"bootId\":\"") != NULL);
	free(s);
	begin(&r, l);
	CHECK(is_up(&r));
	CHECK_INT(r.state.clean, 1);
	CHECK_INT(r.state.seq, 5);
	CHECK_INT(r.state.dangling, 0);
	/* stopped by the parent alone: the session ends all the same */
	say(&r.parent, MSG_STOP, 0, -1, NULL);
	status = finish(&r, err, sizeof(err));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	begin(&r, l);
	CHECK(is_up(&r));
	CHECK_INT(r.state.clean, 1);
	say(&r.parent, MSG_STOP, 0, -1, NULL);
	finish(&r, err, sizeof(err));
	al_free(l);
}

/* What was acknowledged is there after SIGKILL, whenever it came. */
TEST(killed_at_any_moment)
{
	static struct msg_append	 m;
	static struct msg_dangling	 d;
	static char			 left[CHAIN_OPEN_MAX][UUID_SIZE];
	struct al			*l = al_new();
	struct run			 r;
	struct msg_ack			 ack, last;
	struct imsg			 in;
	struct timespec			 ts = { 0, 0 };
	char				 err[4096];
	unsigned int			 round, n = 0, i;
	int				 type;

	memset(&last, 0, sizeof(last));
	for (round = 0; round < 12; round++) {
		begin(&r, l);
		CHECK(is_up(&r));
		CHECK_INT(r.state.clean, round == 0);
		if (round > 0)
			CHECK(r.state.seq > last.seq);
		for (i = 0; i < r.state.dangling; i++) {
			CHECK_INT(hear(&r.executor, &in), MSG_DANGLING);
			decode(&in, &d);
			CHECK_STR(d.script_name, "deploy");
			memcpy(left[i], d.execution_id, UUID_SIZE);
		}
		for (i = 0; i < r.state.dangling; i++) {
			al_execution(&m, 0);
			strlcpy(m.execution_id, left[i],
			    sizeof(m.execution_id));
			m.success = m.has_result = 0;
			strlcpy(m.error, "interrupted by restart",
			    sizeof(m.error));
			CHECK_INT(append(&r, 1000 + i, &m).ok, 1);
		}
		for (i = 0; i < 20; i++) {
			al_intent(&m, ++n);
			say(&r.executor, MSG_APPEND, n, -1, &m);
		}
		ts.tv_nsec = (long)(test_random() % 3000000);
		nanosleep(&ts, NULL);
		kill(r.pid, SIGKILL);
		while ((type = hear(&r.executor, &in)) == MSG_ACK) {
			decode(&in, &ack);
			CHECK_INT(ack.ok, 1);
			last = ack;
		}
		CHECK_INT(type, 0);
		finish(&r, err, sizeof(err));
	}
	begin(&r, l);
	CHECK(is_up(&r));
	CHECK(r.state.seq > last.seq);
	say(&r.parent, MSG_STOP, 0, -1, NULL);
	finish(&r, err, sizeof(err));
	al_free(l);
}

/* More of them than a channel holds at once. */
TEST(many_open_intents)
{
	static struct msg_append	 m;
	static struct msg_dangling	 d;
	struct al			*l = al_new();
	struct run			 r;
	struct imsg			 in;
	char				 err[4096];
	size_t				 n;
	unsigned int			 i;

	begin(&r, l);
	CHECK(is_up(&r));
	for (i = 0; i < 300; i++) {
		al_intent(&m, i);
		n = strlcpy(m.detail,
		    "{\"scriptName\":\"deploy\",\"arguments\":"
		    "{\"a\":\"", sizeof(m.detail));
		memset(m.detail + n, 'x', 32000);
		strlcpy(m.detail + n + 32000, "\"}}", 4);
		CHECK_INT(append(&r, i + 1, &m).ok, 1);
	}
	kill(r.pid, SIGKILL);
	finish(&r, err, sizeof(err));
	begin(&r, l);
	CHECK(is_up(&r));
	CHECK_INT(r.state.dangling, 300);
	for (i = 0; i < r.state.dangling; i++) {
		CHECK_INT(hear(&r.executor, &in), MSG_DANGLING);
		decode(&in, &d);
		CHECK_INT(strlen(d.arguments), 32008);
	}
	say(&r.parent, MSG_STOP, 0, -1, NULL);
	finish(&r, err, sizeof(err));
	al_free(l);
}

static int
write_text(const char *path, const char *text)
{
	int	 fd, r;

	if ((fd = open(path, O_WRONLY | O_CLOEXEC)) == -1)
		return -1;
	r = write(fd, text, strlen(text)) == -1 ? -1 : 0;
	close(fd);
	return r;
}

/* A disk of its own for what follows; 0, or -1 where that may not be. */
static int
small_disk(const struct al *l)
{
	char	 keys[160], uids[64], gids[64];
	uid_t	 uid = getuid();

	snprintf(uids, sizeof(uids), "0 %u 1", uid);
	snprintf(gids, sizeof(gids), "0 %u 1", getgid());
	if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) ==
	    -1)
		return -1;
	if (uid != 0 && (write_text("/proc/self/setgroups", "deny") == -1 ||
	    write_text("/proc/self/uid_map", uids) == -1 ||
	    write_text("/proc/self/gid_map", gids) == -1))
		return -1;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
	    mount("audit", l->dir, "tmpfs", 0, "size=3m,mode=700") == -1)
		return -1;
	snprintf(keys, sizeof(keys), "%s/keys", l->dir);
	return mkdir(keys, 0700);
}

/* Leave that many bytes free on the disk of the log. */
static void
fill_disk(const struct al *l, size_t left)
{
	char	 path[256], *bytes = calloc(1, 4096);
	int	 fd;

	al_path(l, "filler", path);
	if ((fd = open(path, O_WRONLY | O_CREAT, 0600)) == -1)
		exit(1);
	while (write(fd, bytes, 4096) == 4096)
		;
	CHECK_INT(ftruncate(fd, lseek(fd, 0, SEEK_END) - (off_t)left), 0);
	close(fd);
	free(bytes);
}

static void
full_disk(struct al *l)
{
	static struct msg_append	 m;
	struct msg_audit_health		 h;
	struct run			 r;
	struct imsg			 in;
	struct msg_ack			 ack;
	char				 err[4096], path[256];
	unsigned int			 i;
	int				 type;

	begin(&r, l);
	CHECK(is_up(&r));
	fill_disk(l, 16384);
	memset(&ack, 0, sizeof(ack));
	for (i = 1, type = MSG_ACK; i < 100 && type == MSG_ACK; i++) {
		al_intent(&m, i);
		say(&r.executor, MSG_APPEND, i, -1, &m);
		type = hear(&r.executor, &in);
	}
	CHECK(i > 3 && i < 99);
	CHECK_INT(type, MSG_AUDIT_HEALTH);
	decode(&in, &h);
	CHECK_INT(h.ok, 0);
	CHECK(strstr(h.why, "full") != NULL);
	CHECK_INT(hear(&r.executor, &in), MSG_ACK);
	decode(&in, &ack);
	CHECK_INT(ack.ok, 0);
	/* what runs already is recorded all the same */
	al_execution(&m, 1);
	CHECK_INT(append(&r, 200, &m).ok, 1);
	al_intent(&m, 300);
	CHECK_INT(append(&r, 201, &m).ok, 0);
	/* somebody makes room: it goes on by itself */
	al_path(l, "filler", path);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(hear(&r.executor, &in), MSG_AUDIT_HEALTH);
	decode(&in, &h);
	CHECK_INT(h.ok, 1);
	CHECK_INT(append(&r, 202, &m).ok, 1);
	say(&r.parent, MSG_STOP, 0, -1, NULL);
	CHECK_INT(finish(&r, err, sizeof(err)), 0);
	/* and with no room at all it does not begin */
	al_path(l, "script-executions.reserve", path);
	CHECK_INT(unlink(path), 0);
	fill_disk(l, 4096);
	begin(&r, l);
	CHECK(!is_up(&r));
	CHECK(finish(&r, err, sizeof(err)) != 0);
	CHECK(strstr(err, "make room") != NULL);
}

TEST(disk_full)
{
	struct al	*l = al_new();
	pid_t		 pid;
	int		 status;

	fflush(NULL);
	if ((pid = fork()) == 0) {
		if (small_disk(l) == -1)
			_exit(77);
		full_disk(l);
		_exit(test_bad != 0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		printf("SKIP full disk: no mount namespace to be had\n");
	else
		CHECK_INT(status, 0);
	al_free(l);
}

/* Its siblings' deaths end it; a damaged log does not let it begin. */
TEST(it_ends_and_says_why)
{
	struct al	*l = al_new();
	struct run	 r;
	char		 err[4096], *s;
	size_t		 len;
	int		 status;

	begin(&r, l);
	CHECK(is_up(&r));
	close(r.executor.fd);
	r.executor.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	status = finish(&r, err, sizeof(err));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	CHECK(strstr(err, "executor") != NULL);
	s = al_read(l, NAME_AUDIT_LOG, &len);
	s[len - 20] ^= 1;
	al_write(l, NAME_AUDIT_LOG, s, len);
	free(s);
	begin(&r, l);
	CHECK(!is_up(&r));
	status = finish(&r, err, sizeof(err));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	CHECK(strstr(err, "acknowledged") != NULL);
	CHECK(strstr(err, "restore") != NULL);
	al_free(l);
}

/* A second one on the same folders is refused, the first one goes on. */
TEST(two_at_once)
{
	static struct msg_append	 m;
	struct al			*l = al_new();
	struct run			 r, other;
	char				 err[4096];
	int				 status;

	begin(&r, l);
	CHECK(is_up(&r));
	begin(&other, l);
	CHECK(!is_up(&other));
	status = finish(&other, err, sizeof(err));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	CHECK(strstr(err, "another") != NULL);
	al_denied(&m);
	CHECK_INT(append(&r, 1, &m).ok, 1);
	say(&r.parent, MSG_STOP, 0, -1, NULL);
	finish(&r, err, sizeof(err));
	al_free(l);
}

/* Stopped for a while: no answer comes before it is durable. */
TEST(no_answer_while_it_sleeps)
{
	static struct msg_append	 m;
	struct al			*l = al_new();
	struct run			 r;
	struct imsg			 in;
	struct pollfd			 p;
	char				 err[4096];

	begin(&r, l);
	CHECK(is_up(&r));
	kill(r.pid, SIGSTOP);
	al_intent(&m, 1);
	say(&r.executor, MSG_APPEND, 1, -1, &m);
	p.fd = r.executor.fd;
	p.events = POLLIN;
	CHECK_INT(poll(&p, 1, 200), 0);
	kill(r.pid, SIGCONT);
	CHECK_INT(hear(&r.executor, &in), MSG_ACK);
	say(&r.parent, MSG_STOP, 0, -1, NULL);
	finish(&r, err, sizeof(err));
	al_free(l);
}

/* Its memory cannot be read by its own user, and leaves no core file. */
TEST(not_dumpable)
{
	struct al	*l = al_new();
	struct run	 r;
	char		 path[64], line[256], err[4096];
	long		 locked = 0;
	FILE		*f;

	begin(&r, l);
	CHECK(is_up(&r));
	snprintf(path, sizeof(path), "/proc/%d/status", (int)r.pid);
	if ((f = fopen(path, "r")) != NULL) {
		while (fgets(line, sizeof(line), f) != NULL)
			if (strncmp(line, "VmLck:", 6) == 0)
				locked = strtol(line + 6, NULL, 10);
		fclose(f);
	}
#ifdef __SANITIZE_ADDRESS__
	locked = 4;	/* its mlock(2) does nothing */
#endif
	CHECK(locked >= 4);
	CHECK_INT(r.ready.reached & CONFINED_DUMPABLE, CONFINED_DUMPABLE);
	say(&r.parent, MSG_STOP, 0, -1, NULL);
	finish(&r, err, sizeof(err));
	al_free(l);
}
