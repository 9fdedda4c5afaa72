/*
 * "chatopsctl audit": which files the log is made of, its head, its tail.
 * Reads files only; works without a daemon and on one that is running.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "compat.h"
#include "ctl.h"
#include "ctl_audit.h"
#include "pathnames.h"
#include "sys.h"

#define SEGMENT_PREFIX	"script-executions."
#define SEGMENT_SUFFIX	".log"
#define SEGMENT_DIGITS	16
#define TAIL_DEFAULT	20
#define TAIL_MAX	1000
#define TAIL_CHUNK	65536

const char *
ctl_safe(const char *s)
{
	static char	 bufs[4][1024];
	static size_t	 next;

	next = (next + 1) % nitems(bufs);
	ctl_escape(bufs[next], sizeof(bufs[next]), s);
	return bufs[next];
}

static int
is_segment(const char *name)
{
	size_t	 p = strlen(SEGMENT_PREFIX);

	return strncmp(name, SEGMENT_PREFIX, p) == 0 &&
	    strspn(name + p, "0123456789") == SEGMENT_DIGITS &&
	    strcmp(name + p + SEGMENT_DIGITS, SEGMENT_SUFFIX) == 0;
}

/*
 * The size as it is now.  A write that is under way may show half of itself:
 * where no newline ends the file and it still grows, look again.
 */
static int
settled_size(int fd, struct stat *st)
{
	struct timespec	 wait = { 0, 20 * 1000 * 1000 };
	off_t		 before;
	char		 last;
	int		 i;

	for (i = 0; i < 5; i++) {
		if (st->st_size == 0 || sys_pread(fd, &last, 1,
		    st->st_size - 1) != 1 || last == '\n')
			return 0;
		before = st->st_size;
		(void)nanosleep(&wait, NULL);
		if (sys_fstat(fd, st) == -1)
			return -1;
		if (st->st_size == before)
			return 0;
	}
	return 0;
}

/* A regular file, its size as it is now.  0, or -1 (told). */
static int
open_one(struct verify_file *f, const char *name)
{
	struct stat	 st;

	memset(f, 0, sizeof(*f));
	/* without waiting for somebody to write into a fifo */
	f->fd = sys_open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	if (f->fd == -1 || sys_fstat(f->fd, &st) == -1)
		warn("%s", ctl_safe(name));
	else if (!S_ISREG(st.st_mode))
		warnx("%s: is no regular file", ctl_safe(name));
	else if (settled_size(f->fd, &st) == -1)
		warn("%s", ctl_safe(name));
	else if ((f->name = strdup(name)) == NULL)
		warn(NULL);
	else {
		f->size = (uint64_t)st.st_size;
		return 0;
	}
	if (f->fd != -1)
		(void)sys_close(f->fd);
	f->fd = -1;
	return -1;
}

static void
close_one(struct verify_file *f)
{
	if (f->fd > 0)
		(void)sys_close(f->fd);
	free(f->name);
	memset(f, 0, sizeof(*f));
}

void
ctl_audit_close(struct verify_file *files, int n)
{
	int	 i;

	for (i = 0; i < n; i++)
		close_one(&files[i]);
	free(files);
}

/* Names of the configured folder: segments first, the active file last. */
static int
list_folder(const char *logs, char ***out)
{
	struct dirent	*e;
	char		**names, *path;
	DIR		*d;
	int		 n = 0;

	if ((names = calloc(CTL_FILES_MAX, sizeof(*names))) == NULL)
		err(VERIFY_ERROR, NULL);
	if ((d = opendir(logs)) == NULL) {
		warn("%s", ctl_safe(logs));
		free(names);
		return -1;
	}
	while ((e = readdir(d)) != NULL) {
		if (!is_segment(e->d_name) &&
		    strcmp(e->d_name, NAME_AUDIT_LOG) != 0)
			continue;
		if (n == CTL_FILES_MAX) {
			warnx("%s: more than %d segments; name the files",
			    ctl_safe(logs), CTL_FILES_MAX);
			break;
		}
		if (asprintf(&path, "%s/%s", logs, e->d_name) == -1)
			err(VERIFY_ERROR, NULL);
		names[n++] = path;
	}
	(void)closedir(d);
	*out = names;
	return n;
}

int
ctl_audit_files(const struct conf *conf, char **given, int ngiven,
    struct verify_file **out)
{
	struct verify_file	*files;
	char			**names = given;
	int			 i, n = ngiven, r;

	if (n == 0 && conf == NULL) {
		warnx("no log: name its files, or the configuration with -f");
		return -1;
	}
	if (n == 0 && (n = list_folder(conf->logs, &names)) == -1)
		return -1;
	if (n == 0) {
		warnx("%s: there is no log yet", ctl_safe(conf->logs));
		free(names);
		return -1;
	}
	if (n > CTL_FILES_MAX) {
		warnx("more than %d files", CTL_FILES_MAX);
		return -1;
	}
	if ((files = calloc((size_t)n, sizeof(*files))) == NULL)
		err(VERIFY_ERROR, NULL);
	r = n;
	for (i = 0; i < n && r != -1; i++)
		if (open_one(&files[i], names[i]) == -1)
			r = -1;
	if (names != given) {
		for (i = 0; i < n; i++)
			free(names[i]);
		free(names);
	}
	if (r == -1)
		ctl_audit_close(files, n);
	else
		*out = files;
	return r;
}

/* The file that grows: the one given, or the configured one. */
static int
open_active(const struct conf *conf, int argc, char **argv,
    struct verify_file *f)
{
	char	 path[CONF_PATH_SIZE + sizeof(NAME_AUDIT_LOG) + 1];

	if (argc > 1) {
		warnx("one file only");
		return -1;
	}
	if (argc == 1)
		return open_one(f, argv[0]);
	if (conf == NULL) {
		warnx("no log: name its file, or the configuration with -f");
		return -1;
	}
	(void)snprintf(path, sizeof(path), "%s/%s", conf->logs,
	    NAME_AUDIT_LOG);
	return open_one(f, path);
}

/* Offset of the first of the last n whole lines, and where they end. */
static uint64_t
find_tail(const struct verify_file *f, uint64_t n, uint64_t *end)
{
	static char	 bytes[TAIL_CHUNK];
	uint64_t	 at = f->size, from, i;
	int		 seen = 0;

	*end = 0;
	while (at > 0) {
		from = at > sizeof(bytes) ? at - sizeof(bytes) : 0;
		if (sys_pread(f->fd, bytes, at - from, (off_t)from) !=
		    (ssize_t)(at - from))
			err(VERIFY_ERROR, "%s", ctl_safe(f->name));
		for (i = at - from; i > 0; i--) {
			if (bytes[i - 1] != '\n')
				continue;
			if (!seen) {
				seen = 1;
				*end = from + i;
			} else if (--n == 0)
				return from + i;
		}
		at = from;
	}
	return 0;
}

/* A text of a line for a terminal; "-" where it is null. */
static const char *
show(const struct audit_text *t)
{
	static char	 bufs[4][4 * 1024];
	static size_t	 next;
	char		 s[1024];

	if (t->p == NULL)
		return "-";
	next = (next + 1) % nitems(bufs);
	if (audit_json_decode(t, s, sizeof(s)) == -1)
		return "(long)";
	ctl_escape(bufs[next], sizeof(bufs[next]), s);
	return bufs[next];
}

/* An object as spelt, shortened. */
static const char *
show_object(const struct audit_text *t)
{
	static char	 out[4 * 512 + 4];
	char		 s[512];
	size_t		 n = t->len;

	if (t->p == NULL)
		return "";
	if (n >= sizeof(s))
		n = sizeof(s) - 1;
	memcpy(s, t->p, n);
	s[n] = '\0';
	ctl_escape(out, sizeof(out) - 4, s);
	if (n < t->len)
		(void)strlcat(out, "...", sizeof(out));
	return out;
}

static void
print_line(const char *s, size_t len)
{
	struct audit_line	 l;
	const char		*why;

	if (audit_line_scan(s, len, &l, &why) != AUDIT_FAULT_NONE) {
		(void)printf("(no line of the log: %s)\n", why);
		return;
	}
	(void)printf("%s %llu %s user %s channel %s", l.timestamp,
	    (unsigned long long)l.seq, audit_event_name(l.event),
	    show(&l.user_id), show(&l.channel_id));
	if (l.event == AUDIT_EXECUTION) {
		(void)printf(" %s %s", show(&l.script_name),
		    l.success ? "ok" : "failed");
		if (l.has_exit_code)
			(void)printf(" exit %lld", (long long)l.exit_code);
		if (l.error.p != NULL)
			(void)printf(" error \"%s\"", show(&l.error));
		(void)printf(" %s", show_object(&l.arguments));
	}
	if (l.detail.p != NULL)
		(void)printf(" %s", show_object(&l.detail));
	(void)putchar('\n');
}

/* Every line from an offset on; a machine gets the bytes as they are. */
static void
print_lines(const struct verify_file *f, uint64_t at, uint64_t end, int json)
{
	static char	 line[AUDIT_LINE_MAX + 2];
	const char	*nl;
	size_t		 want;
	ssize_t		 n;

	while (at < end) {
		want = end - at < sizeof(line) ? end - at : sizeof(line);
		n = sys_pread(f->fd, line, want, (off_t)at);
		if (n <= 0)
			err(VERIFY_ERROR, "%s", ctl_safe(f->name));
		if ((nl = memchr(line, '\n', (size_t)n)) == NULL)
			errx(VERIFY_ERROR, "%s: a line longer than 64 KiB: "
			    "run chatopsctl audit verify", ctl_safe(f->name));
		if (json)
			(void)fwrite(line, 1, (size_t)(nl - line) + 1,
			    stdout);
		else
			print_line(line, (size_t)(nl - line));
		at += (uint64_t)(nl - line) + 1;
	}
}

/* --json, and -n where it is allowed. */
static int
read_options(int argc, char **argv, const char *allowed, int *json,
    const char **lines)
{
	static const struct option	 options[] = {
		{ "json", no_argument, NULL, 'J' },
		{ NULL, 0, NULL, 0 }
	};
	int				 ch;

	while ((ch = getopt_long(argc, argv, allowed, options, NULL)) != -1) {
		if (ch == 'J')
			*json = 1;
		else if (ch == 'n')
			*lines = optarg;
		else
			return -1;
	}
	return 0;
}

static int
audit_tail(const struct conf *conf, int argc, char **argv, int json)
{
	struct verify_file	 f;
	const char		*e, *lines = NULL;
	uint64_t		 at, end;
	long long		 n = TAIL_DEFAULT;

	if (read_options(argc, argv, "n:", &json, &lines) == -1)
		return VERIFY_ERROR;
	if (lines != NULL && (n = strtonum(lines, 1, TAIL_MAX, &e)) == 0) {
		warnx("-n %s: is %s, 1 to %d", ctl_safe(lines), e, TAIL_MAX);
		return VERIFY_ERROR;
	}
	if (open_active(conf, argc - optind, argv + optind, &f) == -1)
		return VERIFY_ERROR;
	at = find_tail(&f, (uint64_t)n, &end);
	print_lines(&f, at, end, json);
	close_one(&f);
	return VERIFY_OK;
}

/* What an anchor has to say of a last line; exit status. */
static int
print_head(const char *s, size_t len, const char *name, int json)
{
	struct audit_line	 l;
	const char		*why;
	uint8_t			 hash[HASH_SIZE];
	char			 hex[2 * HASH_SIZE + 1];

	if (audit_line_scan(s, len, &l, &why) != AUDIT_FAULT_NONE) {
		warnx("%s: its last line is none (%s): run chatopsctl audit "
		    "verify", ctl_safe(name), why);
		return VERIFY_TAMPER;
	}
	if (verify_sha256_init() == -1)
		errx(VERIFY_ERROR, "libcrypto has no SHA-256");
	verify_sha256(hash, s, len);
	audit_hex_write(hash, sizeof(hash), hex);
	(void)printf(json ? "{\"log\":\"%.*s\",\"seq\":%llu,\"hash\":\"%s\","
	    "\"timestamp\":\"%s\",\"event\":\"%s\",\"session\":\"%s\"}\n" :
	    "log %.*s\nanchor %llu:%s\nlast line %s %s\nsession %s\n",
	    (int)l.log.len, l.log.p, (unsigned long long)l.seq, hex,
	    l.timestamp, audit_event_name(l.event), l.session);
	return VERIFY_OK;
}

static int
audit_head(const struct conf *conf, int argc, char **argv, int json)
{
	static char		 line[AUDIT_LINE_MAX + 2];
	struct verify_file	 f;
	uint64_t		 at, end;
	int			 status = VERIFY_ERROR;

	if (read_options(argc, argv, "", &json, NULL) == -1 ||
	    open_active(conf, argc - optind, argv + optind, &f) == -1)
		return VERIFY_ERROR;
	at = find_tail(&f, 1, &end);
	if (end == 0 || end - at > sizeof(line) ||
	    sys_pread(f.fd, line, end - at, (off_t)at) != (ssize_t)(end - at))
		warnx("%s: has no whole line", ctl_safe(f.name));
	else
		status = print_head(line, end - at - 1, f.name, json);
	close_one(&f);
	return status;
}

int
ctl_audit(const struct conf *conf, int argc, char **argv, int json)
{
	optind = 0;	/* begin anew, as glibc and musl want it */
	if (strcmp(argv[0], "verify") == 0)
		return ctl_verify(conf, argc, argv, json);
	if (strcmp(argv[0], "tail") == 0)
		return audit_tail(conf, argc, argv, json);
	if (strcmp(argv[0], "head") == 0)
		return audit_head(conf, argc, argv, json);
	warnx("audit %s: there is verify, head and tail", ctl_safe(argv[0]));
	return VERIFY_ERROR;
}
