/* The driver that replays a corpus without libFuzzer. */
#ifndef CHATOPS_REPLAY_H
#define CHATOPS_REPLAY_H

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#define REPLAY_INPUT_MAX	(128 * 1024)
#define REPLAY_FILES_MAX	256
#define REPLAY_CHANGES		150	/* of each file */
#define REPLAY_SEED		20261121
#define REPLAY_SECONDS		60	/* for everything: longer is a hang */

static char	 replay_now[512];	/* what runs, for the signal handler */

struct replay_file {
	char	 name[256];
	uint8_t	*data;
	size_t	 len;
};

static void
replay_died(int sig)
{
	static const char	 what[] = "FAILED on ";

	(void)!write(STDERR_FILENO, what, sizeof(what) - 1);
	(void)!write(STDERR_FILENO, replay_now, strlen(replay_now));
	(void)!write(STDERR_FILENO, "\n", 1);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

/* change -1: the file as it is. */
static void
replay_name(const char *name, long change)
{
	char	 number[32];

	(void)strlcpy(replay_now, name, sizeof(replay_now));
	if (change == -1)
		return;
	(void)snprintf(number, sizeof(number), ", change %ld", change);
	(void)strlcat(replay_now, number, sizeof(replay_now));
}

static inline uint64_t
replay_random(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 2685821657736338717ULL;
}

/* One change of the bytes at p, which has room for REPLAY_INPUT_MAX. */
static size_t
replay_change(uint8_t *p, size_t len, const struct replay_file *other,
    uint64_t *seed)
{
	static const uint8_t	 odd[] = { 0, 1, 9, 10, 13, 27, '"', '\\', '{',
				    '}', '[', ']', ',', ':', '-', '.', '0',
				    0x7f, 0x80, 0xc3, 0xe2, 0xf0, 0xff };
	size_t			 at, from, n;

	if (len == 0)
		return 0;
	at = replay_random(seed) % len;
	switch (replay_random(seed) % 7) {
	case 0:
		p[at] ^= (uint8_t)(1U << replay_random(seed) % 8);
		break;
	case 1:
		p[at] = odd[replay_random(seed) % sizeof(odd)];
		break;
	case 2:			/* cut the end */
		return at;
	case 3:			/* take a piece out */
		n = replay_random(seed) % (len - at);
		memmove(p + at, p + at + n, len - at - n);
		return len - n;
	case 4:			/* double a piece */
		n = replay_random(seed) % (len - at);
		if (len + n > REPLAY_INPUT_MAX)
			break;
		memmove(p + at + n, p + at, len - at);
		return len + n;
	case 5:			/* put a byte in */
		if (len == REPLAY_INPUT_MAX)
			break;
		memmove(p + at + 1, p + at, len - at);
		p[at] = odd[replay_random(seed) % sizeof(odd)];
		return len + 1;
	default:		/* a piece of another file */
		if (other->len == 0)
			break;
		from = replay_random(seed) % other->len;
		n = other->len - from;
		if (n > len - at)
			n = len - at;
		memcpy(p + at, other->data + from, n);
	}
	return len;
}

/* The input in memory of its own, so that a sanitizer sees an overrun. */
static void
replay_one(const uint8_t *data, size_t len)
{
	uint8_t	*copy;

	if ((copy = malloc(len == 0 ? 1 : len)) == NULL)
		err(2, NULL);
	memcpy(copy, data, len);
	if (LLVMFuzzerTestOneInput(copy, len) != 0)
		errx(2, "%s: the target returned something", replay_now);
	free(copy);
}

static void
replay_load(const char *dir, struct replay_file *f)
{
	char	 path[1024];
	ssize_t	 n;
	int	 fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, f->name) >=
	    sizeof(path) || (fd = open(path, O_RDONLY)) == -1)
		err(2, "%s/%s", dir, f->name);
	if ((f->data = malloc(REPLAY_INPUT_MAX)) == NULL)
		err(2, NULL);
	f->len = 0;
	while ((n = read(fd, f->data + f->len, REPLAY_INPUT_MAX - f->len)) > 0)
		f->len += (size_t)n;
	if (n == -1 || f->len == REPLAY_INPUT_MAX)
		errx(2, "%s: cannot be read, or too long", path);
	close(fd);
}

static int
replay_by_name(const void *a, const void *b)
{
	const struct replay_file	*fa = a, *fb = b;

	return strcmp(fa->name, fb->name);
}

static void
replay_changes(struct replay_file *files, size_t n, size_t i, long changes)
{
	static uint8_t	 input[REPLAY_INPUT_MAX];
	uint64_t	 seed, more;
	size_t		 len;
	long		 k;

	for (k = 0; k < changes; k++) {
		seed = REPLAY_SEED + i * 1000003 + (uint64_t)k * 7919;
		(void)replay_random(&seed);
		replay_name(files[i].name, k);
		len = files[i].len;
		memcpy(input, files[i].data, len);
		for (more = replay_random(&seed) % 4 + 1; more > 0; more--)
			len = replay_change(input, len,
			    &files[replay_random(&seed) % n], &seed);
		replay_one(input, len);
	}
}

/* Every file of the folder and its changes; the number of files. */
static size_t
replay_folder(const char *dir, long changes)
{
	static struct replay_file	 files[REPLAY_FILES_MAX];
	struct dirent			*e;
	size_t				 i, n = 0;
	DIR				*d;

	if ((d = opendir(dir)) == NULL)
		err(2, "%s", dir);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (n == REPLAY_FILES_MAX)
			errx(2, "%s: too many files", dir);
		(void)strlcpy(files[n++].name, e->d_name,
		    sizeof(files[0].name));
	}
	closedir(d);
	if (n == 0)
		errx(2, "%s: no corpus", dir);
	/* The order of a folder is not the same everywhere. */
	qsort(files, n, sizeof(files[0]), replay_by_name);
	for (i = 0; i < n; i++)
		replay_load(dir, &files[i]);
	for (i = 0; i < n; i++) {
		replay_name(files[i].name, -1);
		replay_one(files[i].data, files[i].len);
		replay_changes(files, n, i, changes);
	}
	replay_one((const uint8_t *)"", 0);
	for (i = 0; i < n; i++)
		free(files[i].data);
	return n;
}

/* usage: t_name [file ...]; without one, the corpus of that name. */
static int
replay_main(int argc, char **argv)
{
	static const int	 deadly[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE,
				    SIGILL, SIGALRM };
	const char		*name, *slash;
	char			 dir[1024];
	size_t			 i, n;

	for (i = 0; i < nitems(deadly); i++)
		(void)signal(deadly[i], replay_died);
	(void)alarm(REPLAY_SECONDS);
	if (argc > 1) {
		struct replay_file	 f;
		int			 a;

		for (a = 1; a < argc; a++) {
			(void)strlcpy(f.name, argv[a], sizeof(f.name));
			replay_name(argv[a], -1);
			replay_load(argv[a][0] == '/' ? "" : ".", &f);
			replay_one(f.data, f.len);
			free(f.data);
		}
		printf("%d passed, 0 failed\n", argc - 1);
		return 0;
	}
	slash = strrchr(argv[0], '/');
	name = slash == NULL ? argv[0] : slash + 1;
	if (strncmp(name, "t_", 2) == 0)
		name += 2;
	(void)snprintf(dir, sizeof(dir), "%.*scorpus/%s",
	    slash == NULL ? 0 : (int)(slash - argv[0] + 1), argv[0], name);
	n = replay_folder(dir, REPLAY_CHANGES);
	printf("%zu passed, 0 failed\n", n);
	return 0;
}

#endif
