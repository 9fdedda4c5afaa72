/*
 * The stand-in server's main file: options, loop, end.
 *
 * usage: mattermost [-i] [-p port] [-t cert.pem -k key.pem] [-s option=n]
 *     [-w portfile] [--version 5.37|11.6]
 *
 * It prints "listening URL" and "control URL" (the second with its secret),
 * and writes {"url":…,"control":…} to the portfile.  It ends on SIGTERM,
 * and with -i when its standard input closes.
 */
#include "mattermost.h"

#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mm	 mm;

static void __dead
usage(void)
{
	fprintf(stderr, "usage: mattermost [-i] [-p port] "
	    "[-t cert.pem -k key.pem] [-s option=number]\n"
	    "                  [-w portfile] [--version 5.37|11.6]\n");
	exit(1);
}

static void
on_signal(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	(void)arg;
	event_base_loopbreak(mm.base);
}

static void
on_stdin(evutil_socket_t fd, short what, void *arg)
{
	char	 buf[256];

	(void)what;
	(void)arg;
	if (read(fd, buf, sizeof(buf)) <= 0)
		event_base_loopbreak(mm.base);
}

/* Timers of microseconds: a byte at a time is slow enough as it is. */
static void
make_base(void)
{
	struct event_config	*cfg;

	if ((cfg = event_config_new()) == NULL ||
	    event_config_set_flag(cfg, EVENT_BASE_FLAG_PRECISE_TIMER) == -1 ||
	    (mm.base = event_base_new_with_config(cfg)) == NULL)
		errx(1, "event_base_new");
	event_config_free(cfg);
}

static void
defaults(void)
{
	mm.opt.reliable = 1;
	mm.opt.rate_persec = 10;
	mm.opt.rate_burst = 100;
	mm.opt.max_post = 16383;
	mm.opt.max_file = 104857600;
	mm.opt.edit_limit = -1;
}

/* Whole or not at all: its reader polls for it. */
static void
write_portfile(const char *path, const char *control)
{
	char	 tmp[1024];
	FILE	*fp;

	if (snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= (int)sizeof(tmp))
		errx(1, "%s: name too long", path);
	if ((fp = fopen(tmp, "w")) == NULL)
		err(1, "%s", tmp);
	fprintf(fp, "{\"url\":\"%s\",\"control\":\"%s\"}\n", mm.url, control);
	if (fclose(fp) != 0 || rename(tmp, path) == -1)
		err(1, "%s", path);
}

static void
run(int watch_stdin)
{
	struct event	*term, *in = NULL;

	term = evsignal_new(mm.base, SIGTERM, on_signal, NULL);
	if (term == NULL || evsignal_add(term, NULL) == -1)
		errx(1, "evsignal_new");
	if (watch_stdin) {
		in = event_new(mm.base, STDIN_FILENO, EV_READ | EV_PERSIST,
		    on_stdin, NULL);
		/* epoll(7) takes no regular files; those never close. */
		if (in == NULL || event_add(in, NULL) == -1)
			warnx("standard input cannot be watched");
	}
	hub_start();
	event_base_dispatch(mm.base);
	event_free(term);
	if (in != NULL)
		event_free(in);
}

static void
finish(void)
{
	http_shutdown();
	hub_stop();
	fault_clear();
	pending_clear();
	ratelimit_clear();
	record_clear();
	store_free();
	clock_stop();
	event_base_free(mm.base);
}

static int
version_option(const char *s)
{
	if (strcmp(s, "11.6") == 0)
		mm.opt.is_11 = 1;
	else if (strcmp(s, "5.37") != 0 && strcmp(s, "5.38") != 0)
		return -1;
	return 0;
}

struct arguments {
	const char	*cert, *key, *portfile;
	int		 port, watch_stdin;
};

static void
parse(struct arguments *a, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "version", required_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	const char	*e;
	int		 ch;

	while ((ch = getopt_long(argc, argv, "ik:p:s:t:w:", long_options,
	    NULL)) != -1) {
		switch (ch) {
		case 'i':
			a->watch_stdin = 1;
			break;
		case 'k':
			a->key = optarg;
			break;
		case 'p':
			a->port = strtonum(optarg, 0, 65535, &e);
			if (e != NULL)
				errx(1, "port is %s: %s", e, optarg);
			break;
		case 's':
			if (config_option(optarg) == -1)
				errx(1, "no such option: %s", optarg);
			break;
		case 't':
			a->cert = optarg;
			break;
		case 'V':
			if (version_option(optarg) == -1)
				usage();
			break;
		case 'w':
			a->portfile = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind != argc || (a->cert == NULL) != (a->key == NULL))
		usage();
}

int
main(int argc, char **argv)
{
	struct arguments	 a = { 0 };
	char			 control[96];
	uint16_t		 port, control_port;

	defaults();
	parse(&a, argc, argv);
	(void)signal(SIGPIPE, SIG_IGN);
	make_base();
	store_init();
	if (a.cert != NULL && http_tls(a.cert, a.key) == -1)
		errx(1, "%s, %s: no usable certificate and key", a.cert,
		    a.key);
	if (http_listen("127.0.0.1", a.port, &port) == -1 ||
	    http_listen("127.0.0.1", 0, &control_port) == -1)
		err(1, "listen");
	(void)snprintf(mm.url, sizeof(mm.url), "http%s://127.0.0.1:%d",
	    a.cert == NULL ? "" : "s", port);
	(void)snprintf(control, sizeof(control), "http://127.0.0.1:%d/%s",
	    control_port, mm.control_secret);
	if (a.portfile != NULL)
		write_portfile(a.portfile, control);
	printf("listening %s\ncontrol %s\n", mm.url, control);
	(void)fflush(stdout);
	run(a.watch_stdin);
	finish();
	return 0;
}
