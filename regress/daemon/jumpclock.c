/*
 * Preloaded by the tests into the whole daemon: the monotonic clock goes on
 * from wherever the test puts it, and nobody sleeps through that.  So what
 * takes minutes or an hour is seen at once, by the programs as they are.
 * The wall clock stays.  JUMP_FILE holds the nanoseconds to add.
 */
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#define NAP_MS	10	/* a jump is noticed after so long */

static const volatile int64_t	*jump;

static void __attribute__((__constructor__))
jump_open(void)
{
	void	*p;
	int	 fd;

	if ((fd = open(JUMP_FILE, O_RDONLY | O_CLOEXEC)) == -1)
		return;
	p = mmap(NULL, sizeof(*jump), PROT_READ, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED)
		jump = p;
	(void)close(fd);
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int64_t	 ns;
	int	 r = (int)syscall(SYS_clock_gettime, id, ts);

	if (r == 0 && jump != NULL && (id == CLOCK_MONOTONIC ||
	    id == CLOCK_BOOTTIME || id == CLOCK_MONOTONIC_COARSE)) {
		ns = ts->tv_nsec + *jump % 1000000000;
		ts->tv_sec += *jump / 1000000000 + ns / 1000000000;
		ts->tv_nsec = ns % 1000000000;
	}
	return r;
}

/* Waking up early and finding nothing due is normal for an event loop. */
int
epoll_wait(int fd, struct epoll_event *ev, int n, int ms)
{
	return epoll_pwait(fd, ev, n, ms < 0 || ms > NAP_MS ? NAP_MS : ms,
	    NULL);
}
