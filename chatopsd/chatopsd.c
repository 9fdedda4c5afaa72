/*
 * chatopsd(8): checks everything, becomes a daemon, starts the others and
 * watches over them.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "chatopsd.h"
#include "check.h"
#include "json.h"
#include "log.h"
#include "msg.h"
#include "parent_files.h"
#include "parent_log.h"
#include "parent_proc.h"
#include "pathnames.h"
#include "sys.h"

static int	 waiter = -1;	/* who started us waits at the other end */

static __dead void
usage(void)
{
	(void)fprintf(stderr, "usage: chatopsd [-dnv] [-f bot.config.json]\n");
	exit(2);
}

static void
print_findings(FILE *out, const char *kind, struct findings *f)
{
	char	 line[8192];
	size_t	 i;

	for (i = 0; i < f->n; i++) {
		plog_escape(line, sizeof(line), f->lines[i],
		    strlen(f->lines[i]));
		(void)fprintf(out, "%s%s\n", kind, line);
	}
	if (f->more != 0)
		(void)fprintf(out, "%sand %zu more\n", kind, f->more);
	(void)fflush(out);
}

/* Exit status of chatopsd -n. */
static int
check_only(const char *path)
{
	struct parent_files	 files;
	struct findings		 errors, warnings;
	int			 bad;

	memset(&errors, 0, sizeof(errors));
	memset(&warnings, 0, sizeof(warnings));
	/* A missing user or a wrong member hides nothing else. */
	(void)files_load(&files, path, &errors);
	if (files.conf.url[0] != '\0') {
		if (files_check(&files, &errors) == 0)
			(void)check_allowlist(&files.conf, &errors, &warnings);
	}
	print_findings(stderr, "warning: ", &warnings);
	print_findings(stderr, "", &errors);
	bad = errors.n != 0;
	if (!bad)
		(void)printf("configuration OK\n");
	findings_clear(&errors);
	findings_clear(&warnings);
	files_close(&files);
	return bad;
}

/* One byte, the exit status, for the process that waits for it. */
static void
tell_waiter(int status)
{
	unsigned char	 c = (unsigned char)status;

	if (waiter == -1)
		return;
	(void)sys_write(waiter, &c, 1);
	(void)sys_close(waiter);
	waiter = -1;
}

static void
is_up(void)
{
	plog_leave_terminal();
	tell_waiter(0);
}

/* The starter: ends when the daemon is up, or with its exit status. */
static __dead void
wait_for_daemon(int fd)
{
	unsigned char	 c = 1;
	ssize_t		 n;

	do
		n = sys_read(fd, &c, 1);
	while (n == -1 && errno == EINTR);
	_exit(n == 1 ? c : 1);
}

/* In the child of the starter from here on; standard error stays for now. */
static void
become_daemon(void)
{
	int	 fds[2], null;

	if (sys_pipe2(fds, O_CLOEXEC) == -1)
		fatal("pipe");
	switch (sys_fork()) {
	case -1:
		fatal("fork");
	case 0:
		break;
	default:
		(void)sys_close(fds[1]);
		wait_for_daemon(fds[0]);
	}
	(void)sys_close(fds[0]);
	waiter = fds[1];
	if (setsid() == -1)
		fatal("setsid");
	null = sys_open(PATH_DEVNULL, O_RDWR | O_CLOEXEC, 0);
	if (null == -1 || dup2(null, STDIN_FILENO) == -1 ||
	    dup2(null, STDOUT_FILENO) == -1)
		fatal(PATH_DEVNULL);
	(void)sys_close(null);
}

static int
run(const char *path, int foreground, int verbose)
{
	struct parent_files	 files;
	struct findings		 errors, warnings;
	int			 err = STDERR_FILENO, status = 1;

	memset(&errors, 0, sizeof(errors));
	memset(&warnings, 0, sizeof(warnings));
	if (files_load(&files, path, &errors) == -1)
		goto refused;
	if (files_check(&files, &errors) == 0)
		(void)check_allowlist(&files.conf, &errors, &warnings);
	print_findings(stderr, "chatopsd: warning: ", &warnings);
	if (errors.n != 0)
		goto refused;
	if (!foreground) {
		if (plog_connect() == -1)
			fatal("no system log at %s: start one, or run in the "
			    "foreground with -d", PATH_LOG);
		become_daemon();
	}
	if (chdir("/") == -1)
		fatal("/");
	/* The lock bears our pid, so it is taken by who stays. */
	if (files_open(&files, &errors) == -1)
		goto refused;
	if (notify_open() == -1)
		log_warn("NOTIFY_SOCKET");
	if (!foreground && (err = plog_begin()) == -1)
		fatal("pipe");
	setproctitle("parent");
	status = parent_run(&files, verbose, err, is_up);
	goto done;
refused:
	print_findings(stderr, "chatopsd: ", &errors);
done:
	findings_clear(&errors);
	findings_clear(&warnings);
	files_close(&files);
	tell_waiter(status);
	return status;
}

/* Descriptors 0 to 2 exist, or a file of ours would take their place. */
static void
sane_descriptors(void)
{
	int	 fd;

	do
		fd = open(PATH_DEVNULL, O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd == -1) {
		(void)dprintf(STDERR_FILENO, "chatopsd: %s: %s\n",
		    PATH_DEVNULL, strerror(errno));
		_exit(1);
	}
	(void)close(fd);
}

int
main(int argc, char **argv)
{
	const char	*path = PATH_CONF;
	int		 ch, check = 0, foreground = 0, verbose = 0;

	/* Started with an empty argv: execve(2) allows that. */
	if (argc < 1)
		return 2;
	sane_descriptors();
	while ((ch = getopt(argc, argv, "df:nv")) != -1)
		switch (ch) {
		case 'd':
			foreground = 1;
			break;
		case 'f':
			path = optarg;
			break;
		case 'n':
			check = 1;
			break;
		case 'v':
			verbose = 1;
			break;
		default:
			usage();
		}
	if (optind != argc)
		usage();
	(void)umask(077);
	log_init("chatopsd: parent", verbose);
	if (sodium_init() == -1)
		fatalx("libsodium does not work here");
	json_init_secure();
	if (check)
		return check_only(path);
	return run(path, foreground, verbose);
}
