/* bot.config.json: defaults, paths, and the rules about the file itself. */
#include <sys/stat.h>

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "test.h"
#include "conf.h"
#include "conf_url.h"

#define TOKEN	"abcdefghijklmnopqrstuvwxyz"

static char		 dir[64];
static struct conf	 c;

static const char *
error_text(const struct json_error *e)
{
	static char	 text[2048];

	json_error_format(e, text, sizeof(text));
	return text;
}

static const char *
parse(const char *text)
{
	static struct json_file	 jf;
	static struct json_error	 e;

	if (json_file_parse(&jf, "f", text, strlen(text), &e) == -1)
		return error_text(&e);
	if (conf_parse(&c, &jf, "/etc/chatopsd", &e) == -1) {
		json_file_free(&jf);
		return error_text(&e);
	}
	json_file_free(&jf);
	return "ok";
}

TEST(defaults)
{
	CHECK_STR(parse("{\"mattermost\": {\"url\": \"https://a.b/c/\"}}"),
	    "ok");
	CHECK_STR(c.url, "https://a.b/c");
	CHECK_STR(c.websocket_url, "wss://a.b/c/api/v4/websocket");
	CHECK_STR(c.token, "");
	CHECK_STR(c.prefix, "!");
	CHECK_STR(c.base, "/etc/chatopsd");
	CHECK_STR(c.allowlist, "/etc/chatopsd/script-allowlist.json");
	CHECK_STR(c.data, "/var/lib/chatopsd");
	CHECK_STR(c.logs, "/var/log/chatopsd");
	CHECK_STR(c.keys, "/var/log/chatopsd/keys");
	CHECK_STR(c.run, "/run/chatopsd");
	CHECK_STR(c.secrets, "/etc/chatopsd/secrets");
	CHECK_STR(c.user_network, "_chatopsnet");
	CHECK_STR(c.user_executor, "_chatopsexec");
	CHECK_STR(c.user_runner, "_chatopsrun");
	CHECK_STR(c.user_audit, "_chatopsaudit");
	CHECK_INT(c.message_age_ms, 60000);
	CHECK_INT(c.user_rate.count, 20);
	CHECK_INT(c.user_rate.per_ms, 60000);
	CHECK_INT(c.global_rate.count, 120);
	CHECK_INT(c.max_jobs, 8);
	CHECK_INT(c.max_queue, 64);
	CHECK_INT(c.output_max, 1024 * 1024);
	CHECK_INT(c.stop_timeout_ms, 10000);
	CHECK_INT(c.cancel_grace_ms, 10000);
	CHECK_STR(c.script_home, "/tmp");
	CHECK_STR(c.script_user, "chatops");
	CHECK_STR(c.audit_origin, "");
	CHECK_INT(c.allow_unconfined, 0);
}

TEST(paths)
{
	CHECK_STR(parse("{\"mattermost\": {\"url\": \"http://127.0.0.1:80\","
	    "\"tokenFile\": \"./t\", \"caFile\": \"/ca\"}, \"paths\": "
	    "{\"base\": \"././.\", \"data\": \"d\", \"logs\": \"./l\","
	    "\"run\": \"/r\"}}"), "ok");
	CHECK_STR(c.websocket_url, "ws://127.0.0.1:80/api/v4/websocket");
	CHECK_STR(c.token_file, "/etc/chatopsd/t");
	CHECK_STR(c.ca_file, "/ca");
	CHECK_STR(c.base, "/etc/chatopsd");
	CHECK_STR(c.data, "/etc/chatopsd/d");
	CHECK_STR(c.logs, "/etc/chatopsd/l");
	CHECK_STR(c.keys, "/etc/chatopsd/l/keys");
	CHECK_STR(c.run, "/r");
}

TEST(a_failed_parse_leaves_nothing)
{
	static const struct conf	 empty;

	CHECK(strcmp(parse("{\"mattermost\": {\"url\": \"https://a.b\", "
	    "\"token\": \"" TOKEN "\"}, \"x\": 1}"), "ok") != 0);
	CHECK(memcmp(&c, &empty, sizeof(c)) == 0);
}

TEST(urls)
{
	static const struct {
		const char	*url;
		int		 tls, loopback;
		const char	*host;
		int		 port;
		const char	*path;
	} good[] = {
		{ "https://a.b", 1, 0, "a.b", 443, "" },
		{ "http://a.b:8065/x/y", 0, 0, "a.b", 8065, "/x/y" },
		{ "http://127.0.0.1", 0, 1, "127.0.0.1", 80, "" },
		{ "http://127.255.1.2:1/", 0, 1, "127.255.1.2", 1, "/" },
		{ "http://128.0.0.1", 0, 0, "128.0.0.1", 80, "" },
		{ "http://[::1]:65535", 0, 1, "::1", 65535, "" },
		{ "http://[::2]", 0, 0, "::2", 80, "" },
		{ "http://[::ffff:127.0.0.1]", 0, 0, "::ffff:127.0.0.1", 80,
		    "" },
		{ "http://localhost", 0, 1, "localhost", 80, "" },
		{ "http://localhost.x", 0, 0, "localhost.x", 80, "" },
		{ "https://xn--bcher-kva.example/a", 1, 0,
		    "xn--bcher-kva.example", 443, "/a" }
	};
	struct conf_url	 u;
	size_t		 i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CHECK(conf_url_parse(good[i].url, "http", &u) == NULL);
		CHECK_INT(u.is_tls, good[i].tls);
		CHECK_INT(u.is_loopback, good[i].loopback);
		CHECK_STR(u.host, good[i].host);
		CHECK_INT(u.port, good[i].port);
		CHECK_STR(u.path, good[i].path);
	}
	CHECK(conf_url_parse("ws://a.b", "http", &u) != NULL);
	CHECK(conf_url_parse("wss://a.b", "ws", &u) == NULL);
}

/* --- the file itself --- */

static void
put_file(const char *name, const char *text, mode_t mode)
{
	char	 path[128];
	int	 fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(fd != -1);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	CHECK_INT(fchmod(fd, mode), 0);
	(void)close(fd);
}

/* "ok", or the message with the folder's name taken out. */
static const char *
load(const char *name)
{
	static char		 text[2048];
	struct json_error	 e;
	char			 path[128], *p;

	memset(&e, 0, sizeof(e));
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (conf_load(&c, path, 1, &e) == 0)
		return "ok";
	(void)strlcpy(text, error_text(&e), sizeof(text));
	while ((p = strstr(text, dir)) != NULL)
		memmove(p, p + strlen(dir), strlen(p + strlen(dir)) + 1);
	return text;
}

static void
make_folder(void)
{
	const char	*tmp;

	if ((tmp = getenv("TMPDIR")) == NULL)
		tmp = "/tmp";
	(void)snprintf(dir, sizeof(dir), "%s/t_conf.XXXXXX", tmp);
	CHECK(mkdtemp(dir) != NULL);
}

static void
remove_folder(void)
{
	static const char *const	 names[] = {
		"c.json", "link.json", "token", "d", "fifo"
	};
	char				 path[128];
	size_t				 i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)remove(path);
	}
	CHECK_INT(rmdir(dir), 0);
}

#define WITH(x)	"{\"mattermost\": {\"url\": \"https://a.b\"" x "}}"

TEST(token_of_the_file)
{
	make_folder();
	put_file("c.json", WITH(", \"token\": \"" TOKEN "\""), 0600);
	CHECK_STR(load("c.json"), "ok");
	CHECK_STR(c.token, TOKEN);
	put_file("c.json", WITH(""), 0600);
	CHECK_STR(load("c.json"),
	    "/c.json:1:16: mattermost: token or tokenFile is missing");
	CHECK_STR(c.url, "");
	put_file("c.json", WITH(", \"tokenFile\": \"token\""), 0400);
	CHECK_STR(load("c.json"), "/token: there is no such file; write the "
	    "bot's token into it, with mode 0600");
	put_file("token", TOKEN "\n", 0600);
	CHECK_STR(load("c.json"), "ok");
	CHECK_STR(c.token, TOKEN);
	put_file("token", TOKEN, 0600);
	CHECK_STR(load("c.json"), "ok");
	put_file("token", "", 0600);
	CHECK_STR(load("c.json"), "/token: does not hold a token: 26 "
	    "lower-case letters and digits on one line");
	put_file("token", TOKEN "\n" TOKEN "\n", 0600);
	CHECK(strcmp(load("c.json"), "ok") != 0);
	put_file("token", TOKEN "x", 0600);
	CHECK(strcmp(load("c.json"), "ok") != 0);
	CHECK_STR(c.token, "");
	put_file("token", TOKEN "\n", 0640);
	CHECK_STR(load("c.json"), "/token: group or others may read it "
	    "(mode 0640); chmod go= /token");
	remove_folder();
}

TEST(rules_about_the_file)
{
	char	 from[128], to[128];

	make_folder();
	put_file("c.json", WITH(", \"token\": \"" TOKEN "\""), 0644);
	CHECK_STR(load("c.json"), "/c.json: group or others may read it "
	    "(mode 0644); chmod go= /c.json");
	put_file("c.json", WITH(", \"token\": \"" TOKEN "\""), 0620);
	CHECK(strcmp(load("c.json"), "ok") != 0);
	put_file("c.json", WITH(", \"token\": \"" TOKEN "\""), 0600);
	(void)snprintf(from, sizeof(from), "%s/c.json", dir);
	(void)snprintf(to, sizeof(to), "%s/link.json", dir);
	CHECK_INT(symlink(from, to), 0);
	CHECK(strcmp(load("link.json"), "ok") != 0);
	CHECK(strstr(load("link.json"), "link") != NULL);
	(void)snprintf(to, sizeof(to), "%s/fifo", dir);
	CHECK_INT(mkfifo(to, 0600), 0);
	CHECK(strcmp(load("fifo"), "ok") != 0);
	(void)snprintf(to, sizeof(to), "%s/d", dir);
	CHECK_INT(mkdir(to, 0700), 0);
	CHECK(strcmp(load("d"), "ok") != 0);
	CHECK_STR(load("none/c.json"),
	    "/none/c.json: No such file or directory");
	CHECK(strcmp(load(""), "ok") != 0);
	put_file("c.json", "{\n\"mattermost\": }", 0600);
	CHECK(strstr(load("c.json"), "/c.json:2:") != NULL);
	put_file("c.json", WITH(", \"token\": \"" TOKEN "\""), 0600);
	/* a folder that others may write to */
	CHECK_INT(chmod(dir, 0777), 0);
	CHECK(strcmp(load("c.json"), "ok") != 0);
	CHECK_INT(chmod(dir, 0775), 0);
	CHECK(strcmp(load("c.json"), "ok") != 0);
	CHECK_INT(chmod(dir, 0755), 0);
	CHECK_STR(load("c.json"), "ok");
	if (geteuid() == 0) {
		CHECK_INT(chmod(dir, 01777), 0);
		CHECK_STR(load("c.json"), "ok");
		CHECK_INT(chown(from, 12345, 12345), 0);
		CHECK(strcmp(load("c.json"), "ok") != 0);
		CHECK_INT(chown(from, 0, 0), 0);
		CHECK_INT(chown(dir, 12345, 12345), 0);
		CHECK(strcmp(load("c.json"), "ok") != 0);
	}
	remove_folder();
}

TEST(relative_names)
{
	char			 cwd[PATH_MAX];
	struct json_error	 e;

	make_folder();
	put_file("c.json", WITH(", \"token\": \"" TOKEN "\""), 0600);
	CHECK(getcwd(cwd, sizeof(cwd)) != NULL);
	CHECK_INT(chdir(dir), 0);
	CHECK_INT(conf_load(&c, "c.json", 1, &e), 0);
	CHECK_STR(c.base, dir);
	CHECK_INT(conf_load(&c, "./c.json", 1, &e), 0);
	CHECK_STR(c.base, dir);
	CHECK_INT(chdir(cwd), 0);
	remove_folder();
}

TEST(without_the_token)
{
	struct json_error	 e;
	char			 path[PATH_MAX];

	make_folder();
	put_file("c.json", WITH(", \"tokenFile\": \"missing\""), 0600);
	(void)snprintf(path, sizeof(path), "%s/c.json", dir);
	CHECK_INT(conf_load(&c, path, 0, &e), 0);
	CHECK_STR(c.token, "");
	put_file("c.json", WITH(", \"token\": \"" TOKEN "\""), 0600);
	CHECK_INT(conf_load(&c, path, 0, &e), 0);
	CHECK_STR(c.token, "");
	CHECK_INT(conf_load(&c, path, 1, &e), 0);
	CHECK_STR(c.token, TOKEN);
	remove_folder();
}

TEST(a_childs_copy_has_no_token)
{
	char	*text;

	CHECK_STR(parse(WITH(", \"token\": \"" TOKEN "\"")), "ok");
	CHECK_STR(c.token, TOKEN);
	text = conf_dump(&c);
	CHECK(text != NULL && strstr(text, TOKEN) == NULL);
	free(text);
	conf_wipe(&c);
	CHECK_STR(c.token, "");
}
