/*
 * Packets: what a hostile sibling can put on the socket is refused with a
 * reason and without leaving a descriptor behind.
 */
#include <sys/resource.h>
#include <sys/socket.h>

#include <arpa/inet.h>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "compat.h"
#include "imsg.h"
#include "msg_want.h"
#include "test.h"

#define QUEUE_HIGH	(512 * 1024)	/* a sender that waits */

static const char	 letters[] = "PNERAC";

/* Descriptors of this process. */
static int
count_fds(void)
{
	DIR	*d;
	int	 n = 0;

	if ((d = opendir("/proc/self/fd")) == NULL)
		abort();
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static int
some_fd(void)
{
	int	 fd;

	if ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) == -1)
		abort();
	return fd;
}

static void
make_pair(int sv[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv) == -1)
		abort();
}

/* Two ends of a channel, both ours. */
static void
make_channel(struct imsgbuf *a, enum role ra, struct imsgbuf *b, enum role rb,
    enum msg_phase phase)
{
	int	 sv[2];

	make_pair(sv);
	if (imsgbuf_init(a, sv[0], ra, rb) == -1 ||
	    imsgbuf_init(b, sv[1], rb, ra) == -1)
		abort();
	imsgbuf_set_phase(a, phase);
	imsgbuf_set_phase(b, phase);
}

/* A packet as somebody would make it who knows no rules. */
static ssize_t
raw_send(int s, const void *data, size_t len, const int *fds, size_t nfds)
{
	union {
		struct cmsghdr	 hdr;
		char		 buf[CMSG_SPACE(8 * sizeof(int))];
	} control;
	struct msghdr	 msg;
	struct iovec	 iov;
	uint8_t		*copy;
	ssize_t		 n;

	if ((copy = malloc(len == 0 ? 1 : len)) == NULL)
		abort();
	memcpy(copy, data, len);
	memset(&msg, 0, sizeof(msg));
	memset(&control, 0, sizeof(control));
	iov.iov_base = copy;
	iov.iov_len = len;
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	if (nfds > 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		control.hdr.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&control.hdr), fds, nfds * sizeof(int));
	}
	n = sendmsg(s, &msg, MSG_NOSIGNAL);
	free(copy);
	return n;
}

static size_t
packet(uint8_t *out, unsigned int type, unsigned int flags, uint32_t id,
    size_t payload)
{
	uint16_t	 t = htons((uint16_t)type), f = htons((uint16_t)flags);

	id = htonl(id);
	memcpy(out, &t, 2);
	memcpy(out + 2, &f, 2);
	memcpy(out + 4, &id, 4);
	memset(out + 8, 'x', payload);
	return 8 + payload;
}

/* Every type, every way that it may go, with and without room to spare. */
TEST(imsg_every_type_arrives)
{
	static uint8_t	 data[IMSG_MAX_PAYLOAD];
	struct imsgbuf	 a, b;
	struct imsg	 got;
	const char	*way;
	size_t		 i, low, high, k, lens[2];
	int		 before = count_fds(), fd;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)test_random();
	for (i = 0; i < nitems(want); i++)
	for (way = want[i].ways; way[0] != '\0'; way += way[2] ? 3 : 2)
	for (k = 0; k < 2; k++) {
		make_channel(&a, (enum role)(strchr(letters, way[0]) - letters),
		    &b, (enum role)(strchr(letters, way[1]) - letters),
		    want[i].phases[0] == 'S' ? PHASE_SETUP : PHASE_RUN);
		msg_limits(want[i].type, &low, &high);
		CHECK(high <= IMSG_MAX_PAYLOAD);
		lens[0] = low;
		lens[1] = high;
		fd = want[i].fd ? some_fd() : -1;
		CHECK_INT(imsg_compose(&a, want[i].type, 77 + (uint32_t)i, fd,
		    data, lens[k]), 0);
		CHECK(a.queued >= lens[k] + IMSG_HEADER_SIZE);
		CHECK_INT(imsg_recv(&b, &got), 0);
		CHECK_INT(imsg_flush(&a), 1);
		CHECK_INT(a.queued, 0);
		CHECK_INT(imsg_recv(&b, &got), 1);
		CHECK_INT(got.type, want[i].type);
		CHECK_INT(got.id, 77 + i);
		CHECK_INT(got.len, lens[k]);
		CHECK(memcmp(got.data, data, lens[k]) == 0);
		CHECK_INT(got.fd != -1, want[i].fd);
		if (got.fd != -1) {
			CHECK(fcntl(got.fd, F_GETFD) & FD_CLOEXEC);
			close(got.fd);
		}
		CHECK_INT(imsg_recv(&b, &got), 0);
		CHECK_INT(got.fd, -1);
		imsgbuf_clear(&a);
		CHECK_INT(imsg_recv(&b, &got), -1);
		CHECK(IMSG_CLOSED(&b));
		imsgbuf_clear(&b);
	}
	CHECK_INT(count_fds(), before);
}

/* One packet to an executor from its network process; what it says. */
static int
receive(const uint8_t *data, size_t len, size_t nfds, char *why, size_t size)
{
	struct imsgbuf	 b;
	struct imsg	 got;
	int		 sv[2], fds[8], result;
	size_t		 i;

	make_pair(sv);
	if (imsgbuf_init(&b, sv[0], ROLE_EXECUTOR, ROLE_NETWORK) == -1)
		abort();
	imsgbuf_set_phase(&b, PHASE_RUN);
	for (i = 0; i < nfds; i++)
		fds[i] = some_fd();
	if (raw_send(sv[1], data, len, fds, nfds) == -1)
		abort();
	for (i = 0; i < nfds; i++)
		close(fds[i]);
	result = imsg_recv(&b, &got);
	if (got.fd != -1)
		close(got.fd);
	(void)strlcpy(why, b.why, size);
	imsgbuf_clear(&b);
	close(sv[1]);
	return result;
}

TEST(imsg_refuses_bad_packets)
{
	static uint8_t	 p[IMSG_HEADER_SIZE + IMSG_MAX_PAYLOAD + 64];
	char		 why[160];
	size_t		 n, low, high;
	int		 before = count_fds(), leak;

	msg_limits(MSG_CAUGHT_UP, &low, &high);
	/* The packet that all the others are one step away from. */
	n = packet(p, MSG_CAUGHT_UP, 0, 1, low);
	CHECK_INT(receive(p, n, 0, why, sizeof(why)), 1);

#define BAD(len, nfds, text) do {					\
	CHECK_INT(receive(p, (len), (nfds), why, sizeof(why)), -1);	\
	CHECK(strstr(why, (text)) != NULL);				\
	if (strstr(why, (text)) == NULL)				\
		fprintf(stderr, "why is \"%s\"\n", why);		\
} while (0)
	BAD(n, 1, "descriptor that is not due");
	BAD(n, 2, "more than one descriptor");
	BAD(n, 8, "more than one descriptor");
	BAD(n - 1, 0, "too short");
	BAD(n + 1, 0, "too long");
	for (n = 1; n < IMSG_HEADER_SIZE; n++)
		BAD(n, 0, "no whole header");
	BAD(0, 1, "");
	n = packet(p, MSG_CAUGHT_UP, 1, 1, low);
	BAD(n, 0, "unknown flags 0x0001");
	n = packet(p, MSG_CAUGHT_UP, 0x8000, 1, low);
	BAD(n, 0, "unknown flags 0x8000");
	n = packet(p, MSG_CAUGHT_UP, 0, 0, low);
	BAD(n, 0, "without the id of its question");
	n = packet(p, MSG_COUNT, 0, 1, low);
	BAD(n, 0, "unknown message type");
	n = packet(p, 0, 0, 1, 0);
	BAD(n, 0, "unknown message type 0");
	n = packet(p, 0xffff, 0, 1, 0);
	BAD(n, 0, "unknown message type 65535");
	n = packet(p, 0xffff, 0, 1, 0);
	BAD(n, 1, "unknown message type 65535");
	n = packet(p, MSG_JOB_STARTED, 0, 1, 8);
	BAD(n, 1, "JOB_STARTED from network to executor is not theirs");
	n = packet(p, MSG_HELLO, 0, 1, 67);
	BAD(n, 0, "HELLO from network to executor is not theirs");
	n = packet(p, MSG_COMMAND, 0, 1, IMSG_MAX_PAYLOAD);
	BAD(n, 0, "too long");
	n = packet(p, MSG_COMMAND, 0, 1, IMSG_MAX_PAYLOAD + 1);
	BAD(n, 0, "packet is too long");
	BAD(n, 1, "packet is too long");
	BAD(sizeof(p), 0, "packet is too long");
	BAD(sizeof(p), 3, "more than one descriptor");
#undef BAD
	/* An empty packet cannot be told from the end: it is the end. */
	CHECK_INT(receive(p, 0, 0, why, sizeof(why)), -1);
	CHECK_STR(why, "");
	CHECK_INT(count_fds(), before);
	/* And the count would have shown one. */
	leak = some_fd();
	CHECK_INT(count_fds(), before + 1);
	close(leak);
}

TEST(imsg_missing_descriptor_phase_and_once)
{
	static uint8_t	 p[200];
	struct imsgbuf	 b;
	struct imsg	 got;
	int		 sv[2], fd, before = count_fds();
	size_t		 n;

	make_pair(sv);
	CHECK_INT(imsgbuf_init(&b, sv[0], ROLE_AUDIT, ROLE_PARENT), 0);
	CHECK(fcntl(b.fd, F_GETFD) & FD_CLOEXEC);
	n = packet(p, MSG_FILE, 0, 0, 1);
	fd = some_fd();
	CHECK_INT(raw_send(sv[1], p, n, &fd, 1), n);
	CHECK_INT(raw_send(sv[1], p, n, NULL, 0), n);
	n = packet(p, MSG_DONE, 0, 0, 0);
	CHECK_INT(raw_send(sv[1], p, n, &fd, 1), n);
	CHECK_INT(raw_send(sv[1], p, n, NULL, 0), n);
	CHECK_INT(raw_send(sv[1], p, n, NULL, 0), n);
	n = packet(p, MSG_STOP, 0, 0, 0);
	CHECK_INT(raw_send(sv[1], p, n, NULL, 0), n);
	CHECK_INT(raw_send(sv[1], p, n, NULL, 0), n);
	CHECK_INT(raw_send(sv[1], p, n, NULL, 0), n);
	n = packet(p, MSG_DONE, 0, 0, 0);
	CHECK_INT(raw_send(sv[1], p, n, NULL, 0), n);
	close(fd);

	CHECK_INT(imsg_recv(&b, &got), 1);
	CHECK_INT(got.type, MSG_FILE);
	CHECK(got.fd != -1);
	close(got.fd);
	CHECK_INT(imsg_recv(&b, &got), -1);
	CHECK_STR(b.why, "FILE from parent to audit without its descriptor");
	CHECK_INT(imsg_recv(&b, &got), -1);
	CHECK_STR(b.why, "DONE from parent to audit with a descriptor that is "
	    "not due");
	CHECK_INT(imsg_recv(&b, &got), 1);
	CHECK_INT(imsg_recv(&b, &got), -1);
	CHECK_STR(b.why, "DONE from parent to audit a second time");
	CHECK_INT(imsg_recv(&b, &got), -1);
	CHECK_STR(b.why, "STOP from parent to audit during set-up");
	imsgbuf_set_phase(&b, PHASE_RUN);
	CHECK_INT(imsg_recv(&b, &got), 1);
	CHECK_INT(imsg_recv(&b, &got), -1);
	CHECK_STR(b.why, "STOP from parent to audit a second time");
	CHECK_INT(imsg_recv(&b, &got), -1);
	CHECK_STR(b.why, "DONE from parent to audit after set-up");
	CHECK_INT(imsg_recv(&b, &got), 0);
	imsgbuf_clear(&b);
	imsgbuf_clear(&b);
	close(sv[1]);
	CHECK_INT(count_fds(), before);
}

/* Other control data than a descriptor. */
TEST(imsg_refuses_credentials)
{
	static uint8_t	 p[64];
	struct imsgbuf	 b;
	struct imsg	 got;
	int		 sv[2], on = 1;
	size_t		 n, low, high;

	make_pair(sv);
	CHECK_INT(imsgbuf_init(&b, sv[0], ROLE_EXECUTOR, ROLE_NETWORK), 0);
	imsgbuf_set_phase(&b, PHASE_RUN);
	CHECK_INT(setsockopt(sv[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)),
	    0);
	msg_limits(MSG_CAUGHT_UP, &low, &high);
	n = packet(p, MSG_CAUGHT_UP, 0, 1, low);
	CHECK_INT(raw_send(sv[1], p, n, NULL, 0), n);
	CHECK_INT(imsg_recv(&b, &got), -1);
	CHECK(strstr(b.why, "control data") != NULL);
	imsgbuf_clear(&b);
	close(sv[1]);
}

TEST(imsg_compose_keeps_the_rules)
{
	static const uint8_t	 zero[128];
	struct imsgbuf		 a, b;
	struct imsg		 got;
	int			 before = count_fds();
	size_t			 low, high;

	make_channel(&a, ROLE_NETWORK, &b, ROLE_EXECUTOR, PHASE_RUN);
	CHECK_INT(imsg_compose(&a, MSG_JOB_START, 1, -1, zero, 128), -1);
	CHECK_STR(a.why,
	    "JOB_START from network to executor is not theirs to send");
	CHECK_INT(imsg_compose(&a, MSG_XON, 0, some_fd(), NULL, 0), -1);
	CHECK_STR(a.why, "XON from network to executor with a descriptor that "
	    "is not due");
	CHECK_INT(imsg_compose(&a, MSG_XON, 0, -1, zero, 1), -1);
	CHECK_INT(imsg_compose(&a, (enum msg_type)-1, 0, some_fd(), NULL, 0),
	    -1);
	msg_limits(MSG_MEMBER, &low, &high);
	CHECK_INT(imsg_compose(&a, MSG_MEMBER, 0, -1, zero, low), -1);
	CHECK_STR(a.why, "MEMBER without the id of its question");
	CHECK_INT(imsg_compose(&a, MSG_MEMBER, 1, -1, zero, low), 0);
	CHECK_INT(imsg_compose(&a, MSG_XON, 0, -1, NULL, 0), 0);
	CHECK_INT(imsg_flush(&a), 1);
	CHECK_INT(imsg_recv(&b, &got), 1);
	CHECK_INT(imsg_recv(&b, &got), 1);
	CHECK_INT(got.type, MSG_XON);
	CHECK_INT(got.len, 0);
	imsgbuf_clear(&a);
	imsgbuf_clear(&b);

	make_channel(&a, ROLE_EXECUTOR, &b, ROLE_CTL, PHASE_SETUP);
	CHECK_INT(imsg_compose(&a, MSG_CTL_ROW, 1, -1, zero, 10), -1);
	CHECK_INT(imsg_compose(&a, MSG_CTL_END, 1, -1, zero, 10), 0);
	CHECK_INT(imsg_compose(&a, MSG_CTL_END, 1, -1, zero, 10), -1);
	CHECK_STR(a.why, "CTL_END from executor to ctl a second time");
	imsgbuf_clear(&a);
	imsgbuf_clear(&b);
	CHECK_INT(count_fds(), before);
}

/* A reader that stops: the queue grows to its limit and not beyond. */
TEST(imsg_queue_has_a_limit)
{
	static uint8_t	 data[IMSG_MAX_PAYLOAD];
	struct imsgbuf	 a, b;
	size_t		 low, high, i, n = 0;
	int		 before = count_fds();

	make_channel(&a, ROLE_EXECUTOR, &b, ROLE_NETWORK, PHASE_RUN);
	msg_limits(MSG_PATCH, &low, &high);
	while (imsg_compose(&a, MSG_PATCH, 0, -1, data, high) == 0) {
		(void)imsg_flush(&a);
		if (n++ > 1000)
			break;
	}
	CHECK(strstr(a.why, "queue of") != NULL);
	CHECK(a.queued <= IMSG_QUEUE_LIMIT + IMSG_HEADER_SIZE);
	CHECK(n > 100);
	CHECK(a.queued > IMSG_QUEUE_LIMIT - high - IMSG_HEADER_SIZE);
	/* Descriptors in the queue go with it, and one that did not fit. */
	CHECK_INT(imsg_compose(&a, MSG_UPLOAD, 0, some_fd(), data, 60), 0);
	CHECK_INT(imsg_compose(&a, MSG_UPLOAD, 0, some_fd(), data, 60), 0);
	for (i = 0; i < 2000; i++)
		if (imsg_compose(&a, MSG_PATCH, 0, -1, data, low) == -1)
			break;
	msg_limits(MSG_UPLOAD, &low, &high);
	for (i = 0; i < 2000; i++)
		if (imsg_compose(&a, MSG_UPLOAD, 0, some_fd(), data, high) ==
		    -1)
			break;
	CHECK(i < 2000);
	CHECK(count_fds() >= before + 4);
	imsgbuf_clear(&a);
	imsgbuf_clear(&b);
	CHECK_INT(count_fds(), before);
}

/* Small messages cost more than their bytes, and that is counted. */
TEST(imsg_queue_of_small_messages)
{
	struct imsgbuf	 a, b;
	size_t		 n = 0;

	make_channel(&a, ROLE_NETWORK, &b, ROLE_EXECUTOR, PHASE_RUN);
	while (n < 1000000 && imsg_compose(&a, MSG_XON, 0, -1, NULL, 0) == 0)
		n++;
	CHECK(n > 10000 && n < IMSG_QUEUE_LIMIT / 32);
	imsgbuf_clear(&a);
	imsgbuf_clear(&b);
}

/* Everything arrives, in order and whole, however slow the reader is. */
TEST(imsg_back_pressure)
{
	static uint8_t	 data[IMSG_MAX_PAYLOAD];
	struct imsgbuf	 a, b;
	struct imsg	 got;
	uint32_t	 sent = 0, seen = 0;
	size_t		 low, high, len;
	int		 result, full = 0, before = count_fds();

	make_channel(&a, ROLE_EXECUTOR, &b, ROLE_NETWORK, PHASE_RUN);
	msg_limits(MSG_PATCH, &low, &high);
	while (seen < 2000) {
		if (sent < 2000 && a.queued < QUEUE_HIGH) {
			len = low + test_random() % (sent % 7 == 0 ?
			    high - low + 1 : 100);
			memset(data, (int)(sent & 0xff), len < 60 ? 60 : len);
			if (sent % 5 == 0)
				result = imsg_compose(&a, MSG_UPLOAD, sent,
				    some_fd(), data, 60);
			else
				result = imsg_compose(&a, MSG_PATCH, sent, -1,
				    data, len);
			CHECK_INT(result, 0);
			if (result == -1)
				break;
			sent++;
		}
		result = imsg_flush(&a);
		CHECK(result != -1);
		full += result == 0;
		if (sent < 2000 && a.queued < QUEUE_HIGH &&
		    test_random() % 4)
			continue;
		while ((result = imsg_recv(&b, &got)) == 1) {
			CHECK_INT(got.id, seen);
			CHECK_INT(got.type, seen % 5 ? MSG_PATCH : MSG_UPLOAD);
			CHECK_INT(got.data[0], seen & 0xff);
			CHECK_INT(got.data[got.len - 1], seen & 0xff);
			CHECK_INT(got.fd == -1, seen % 5 != 0);
			if (got.fd != -1)
				close(got.fd);
			seen++;
			if (test_random() % 3 == 0)
				break;
		}
		CHECK(result != -1);
		if (result == -1)
			break;
	}
	CHECK(full > 0);
	CHECK_INT(a.queued, 0);
	imsgbuf_clear(&a);
	imsgbuf_clear(&b);
	CHECK_INT(count_fds(), before);
}

TEST(imsg_peer_that_closes)
{
	static const uint8_t	 data[200];
	struct imsgbuf		 a, b;
	struct imsg		 got;
	int			 before = count_fds();

	/* What was sent before the close is still read. */
	make_channel(&a, ROLE_NETWORK, &b, ROLE_EXECUTOR, PHASE_RUN);
	CHECK_INT(imsg_compose(&a, MSG_XOFF, 0, -1, NULL, 0), 0);
	CHECK_INT(imsg_flush(&a), 1);
	imsgbuf_clear(&a);
	CHECK_INT(imsg_compose(&b, MSG_PATCH, 0, -1, data, 60), 0);
	CHECK_INT(imsg_flush(&b), -1);
	CHECK(IMSG_CLOSED(&b));
	CHECK_INT(imsg_recv(&b, &got), 1);
	CHECK_INT(imsg_recv(&b, &got), -1);
	CHECK(IMSG_CLOSED(&b));
	imsgbuf_clear(&b);

	/* A peer that closes with our words unread: ECONNRESET. */
	make_channel(&a, ROLE_NETWORK, &b, ROLE_EXECUTOR, PHASE_RUN);
	CHECK_INT(imsg_compose(&b, MSG_UPLOAD, 0, some_fd(), data, 60), 0);
	CHECK_INT(imsg_flush(&b), 1);
	imsgbuf_clear(&a);
	CHECK_INT(imsg_recv(&b, &got), -1);
	CHECK(IMSG_CLOSED(&b));
	imsgbuf_clear(&b);

	/* A broken descriptor is not a closed peer. */
	make_channel(&a, ROLE_NETWORK, &b, ROLE_EXECUTOR, PHASE_RUN);
	close(a.fd);
	a.fd = -1;
	CHECK_INT(imsg_recv(&a, &got), -1);
	CHECK(!IMSG_CLOSED(&a));
	CHECK_INT(imsg_compose(&a, MSG_XON, 0, -1, NULL, 0), 0);
	CHECK_INT(imsg_flush(&a), -1);
	CHECK(!IMSG_CLOSED(&a));
	imsgbuf_clear(&a);
	imsgbuf_clear(&b);
	CHECK_INT(imsgbuf_init(&a, -1, ROLE_PARENT, ROLE_AUDIT), -1);
	imsgbuf_clear(&a);
	CHECK_INT(count_fds(), before);
}

/* No room for the descriptor of a packet: refused, not taken without it. */
TEST(imsg_out_of_descriptors)
{
	static uint8_t	 p[32];
	struct rlimit	 rl, low;
	struct imsgbuf	 b;
	struct imsg	 got;
	int		 sv[2], fd;
	size_t		 n;

	make_pair(sv);
	CHECK_INT(imsgbuf_init(&b, sv[0], ROLE_EXECUTOR, ROLE_RUNNER), 0);
	imsgbuf_set_phase(&b, PHASE_RUN);
	n = packet(p, MSG_JOB_STARTED, 0, 0, 8);
	fd = some_fd();
	CHECK_INT(raw_send(sv[1], p, n, &fd, 1), n);
	close(fd);
	CHECK_INT(getrlimit(RLIMIT_NOFILE, &rl), 0);
	low = rl;
	low.rlim_cur = (rlim_t)fd;	/* the next free one is too many */
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &low), 0);
	CHECK_INT(imsg_recv(&b, &got), -1);
	CHECK(!IMSG_CLOSED(&b));
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &rl), 0);
	imsgbuf_clear(&b);
	close(sv[1]);
}

/* Noise: a random change of a good packet is taken only if it is good. */
TEST(imsg_noise)
{
	static uint8_t		 p[IMSG_HEADER_SIZE + 300];
	const struct msg_rule	*rule;
	struct imsgbuf		 b;
	struct imsg		 got;
	size_t			 n, low, high, nfds;
	int			 sv[2], fds[2], i, before = count_fds();
	int			 result, good, taken = 0;
	unsigned int		 type;

	for (i = 0; i < 20000; i++) {
		if (i % 500 == 0) {
			make_pair(sv);
			if (imsgbuf_init(&b, sv[0], ROLE_EXECUTOR,
			    ROLE_RUNNER) == -1)
				abort();
			imsgbuf_set_phase(&b, PHASE_RUN);
		}
		type = test_random() % 4 == 0 ? MSG_JOB_STARTED :
		    test_random() % 4 == 0 ? MSG_JOB_EXIT :
		    (unsigned int)(test_random() % (MSG_COUNT + 3));
		msg_limits((enum msg_type)type, &low, &high);
		n = test_random() % 2 ? low : test_random() % 300;
		n = packet(p, type, test_random() % 8 == 0, 5, n < 300 ? n : 0);
		nfds = test_random() % 3;
		fds[0] = nfds > 0 ? some_fd() : -1;
		fds[1] = nfds > 1 ? some_fd() : -1;
		if (raw_send(sv[1], p, n, fds, nfds) == -1)
			abort();
		rule = msg_rule((enum msg_type)type);
		good = rule != NULL && p[3] == 0 && n - 8 >= low &&
		    n - 8 <= high && nfds == (rule->fd == MSG_FD_MUST) &&
		    (type == MSG_JOB_STARTED || type == MSG_JOB_EXIT ||
		    type == MSG_CONF_OK);
		/* From the runner to the executor: these two only. */
		good = good && type != MSG_CONF_OK;
		result = imsg_recv(&b, &got);
		CHECK_INT(result, good ? 1 : -1);
		taken += result == 1;
		CHECK(result == 1 || b.why[0] != '\0');
		if (got.fd != -1)
			close(got.fd);
		close(fds[0]);
		close(fds[1]);
		if (i % 500 == 499) {
			imsgbuf_clear(&b);
			close(sv[1]);
		}
	}
	CHECK(taken > 1000 && taken < 19000);
	CHECK_INT(count_fds(), before);
}
