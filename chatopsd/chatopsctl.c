/*
 * chatopsctl(8): asks the running daemon, and does the two things that are
 * done without it: the first admin and the check of an allowlist.
 */
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "compat.h"
#include "confine.h"
#include "ctl.h"
#include "json.h"
#include "log.h"
#include "pathnames.h"

/* Two words at most name a command; the rest are its arguments. */
static const struct command {
	const char	*words[2];
	int		 min, max;	/* arguments; max -1: any number */
	enum ctl_form	 form;
	const char	*usage;
} commands[] = {
	{ { "bootstrap-admin", NULL }, 2, 2, CTL_BLOCKS,
	    "bootstrap-admin USERID USERNAME" },
	{ { "users", "list" }, 0, 0, CTL_TABLE, "users list" },
	{ { "users", "add" }, 2, 2, CTL_BLOCKS, "users add @USER LEVEL" },
	{ { "users", "del" }, 1, 1, CTL_BLOCKS, "users del @USER" },
	{ { "bans", "list" }, 0, 0, CTL_TABLE, "bans list" },
	{ { "jobs", "list" }, 0, 0, CTL_TABLE, "jobs list" },
	{ { "cancel", NULL }, 1, 1, CTL_BLOCKS, "cancel JOB" },
	{ { "status", NULL }, 0, 0, CTL_TABLE, "status" },
	{ { "reload", NULL }, 0, 0, CTL_BLOCKS, "reload" },
	{ { "policy", "check" }, 0, 1, CTL_BLOCKS, "policy check [FILE]" },
	{ { "policy", "explain" }, 3, -1, CTL_BLOCKS,
	    "policy explain @USER CHANNEL COMMAND ..." },
	{ { "audit", NULL }, 1, -1, CTL_BLOCKS,
	    "audit verify | head | tail ..." },
};

static void
usage_lines(void)
{
	size_t	 i;

	for (i = 0; i < nitems(commands); i++)
		(void)fprintf(stderr, "%s chatopsctl [-f file] [--json] %s\n",
		    i == 0 ? "usage:" : "      ", commands[i].usage);
}

static __dead void
usage(void)
{
	usage_lines();
	exit(CTL_USAGE);
}

static const struct command *
find_command(int argc, char **argv)
{
	const struct command	*c;
	size_t			 i;
	int			 words, n;

	for (i = 0; i < nitems(commands); i++) {
		c = &commands[i];
		words = c->words[1] == NULL ? 1 : 2;
		if (argc < words || strcmp(argv[0], c->words[0]) != 0 ||
		    (words == 2 && strcmp(argv[1], c->words[1]) != 0))
			continue;
		n = argc - words;
		if (n >= c->min && (c->max == -1 || n <= c->max))
			return c;
		(void)fprintf(stderr, "usage: chatopsctl [-f file] [--json] "
		    "%s\n", c->usage);
		exit(CTL_USAGE);
	}
	return NULL;
}

/*
 * Without a configuration that we may read there is still the default place
 * of the socket: members of its group have no business with the token.
 */
static void
load_conf(struct ctl *ctl, int failed)
{
	struct json_error	 je;
	char			 text[1400], safe[4096];

	(void)strlcpy(ctl->run, PATH_RUN, sizeof(ctl->run));
	if (conf_load(&ctl->conf, ctl->conf_path, 0, &je) == 0) {
		ctl->has_conf = 1;
		(void)strlcpy(ctl->run, ctl->conf.run, sizeof(ctl->run));
		return;
	}
	conf_wipe(&ctl->conf);
	if (!ctl->conf_given && access(ctl->conf_path, R_OK) == -1)
		return;
	json_error_format(&je, text, sizeof(text));
	ctl_escape(safe, sizeof(safe), text);
	errx(failed, "%s", safe);
}

static __dead void
no_daemon(const char *run, int error)
{
	if (error == EACCES || error == EPERM)
		errx(CTL_FAILED, "no permission to use %s/%s: become root, or "
		    "the user that started chatopsd, or a member of the group "
		    "%s (where it was started as root)", run, NAME_CONTROL,
		    GROUP_CONTROL);
	if (error == ENOENT || error == ECONNREFUSED || error == ENOTDIR)
		errx(CTL_FAILED, "chatopsd is not running: nobody answers at "
		    "%s/%s; start it with \"systemctl start chatopsd\" or "
		    "\"chatopsd -f FILE\"", run, NAME_CONTROL);
	if (error == EAGAIN)
		errx(CTL_FAILED, "chatopsd did not take the call at %s/%s "
		    "within %d s: is it stopped or overloaded? its log may "
		    "say why", run, NAME_CONTROL, CTL_CONNECT_MS / 1000);
	errx(CTL_FAILED, "%s/%s: %s", run, NAME_CONTROL, strerror(error));
}

int
ctl_request(const struct ctl *ctl, int argc, char **argv)
{
	static struct words	 words;
	struct ctl_answer	 answer;
	struct msg_ready	 reached;
	char			 safe[4 * ERROR_SIZE];
	int			 fd, i;

	memset(&words, 0, sizeof(words));
	for (i = 0; i < argc; i++)
		if (words_add(&words, argv[i], strlen(argv[i])) == -1)
			errx(CTL_USAGE, "too many or too long arguments");
	if ((fd = ctl_connect(ctl->run, CTL_CONNECT_MS)) == -1)
		no_daemon(ctl->run, errno);
	/* What answers may be anybody: from here on we only read and write. */
	if (confine_ctl(&reached) == -1)
		errx(CTL_FAILED, "cannot confine itself: %s", reached.note);
	memset(&answer, 0, sizeof(answer));
	(void)ctl_ask(fd, &words, &answer);
	ctl_print(&answer, ctl->json ? CTL_JSON :
	    find_command(argc, argv)->form);
	(void)fflush(stdout);
	if (answer.error[0] != '\0') {
		ctl_escape(safe, sizeof(safe), answer.error);
		warnx("%s", safe);
	}
	ctl_answer_free(&answer);
	return answer.exit;
}

static int
run_command(struct ctl *ctl, int argc, char **argv)
{
	if (find_command(argc, argv) == NULL) {
		warnx("there is no command \"%.64s\"", argv[0]);
		usage();
	}
	if (strcmp(argv[0], "audit") == 0)
		return ctl_audit(ctl->has_conf ? &ctl->conf : NULL, argc - 1,
		    argv + 1, ctl->json);
	if (strcmp(argv[0], "bootstrap-admin") == 0)
		return ctl_bootstrap(ctl, argc, argv);
	if (strcmp(argv[0], "policy") == 0 && strcmp(argv[1], "check") == 0)
		return ctl_policy_check(ctl, argc > 2 ? argv[2] : NULL);
	return ctl_request(ctl, argc, argv);
}

int
main(int argc, char **argv)
{
	static const struct option	 options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	struct ctl	 ctl;
	int		 ch;

	if (argc < 1)
		return CTL_USAGE;
	memset(&ctl, 0, sizeof(ctl));
	ctl.conf_path = PATH_CONF;
	/* "+": what follows the command belongs to it. */
	while ((ch = getopt_long(argc, argv, "+f:hj", options, NULL)) != -1)
		switch (ch) {
		case 'f':
			ctl.conf_path = optarg;
			ctl.conf_given = 1;
			break;
		case 'j':
			ctl.json = 1;
			break;
		default:
			usage();
		}
	argc -= optind;
	argv += optind;
	/* "--json" is also understood behind the command. */
	if (argc > 1 && strcmp(argv[argc - 1], "--json") == 0) {
		ctl.json = 1;
		argc--;
	}
	if (argc < 1)
		usage();
	(void)umask(077);
	log_init("chatopsctl", 0);
	if (sodium_init() == -1)
		errx(CTL_FAILED, "libsodium does not work here");
	json_init_secure();
	/* 1 would say that the log was tampered with. */
	load_conf(&ctl, strcmp(argv[0], "audit") == 0 ? CTL_USAGE :
	    CTL_FAILED);
	return run_command(&ctl, argc, argv);
}
