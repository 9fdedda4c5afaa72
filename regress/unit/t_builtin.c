/*
 * The built-in commands: who may run them, what they change and in which
 * order, what they tell.
 */
#include "exec_world.h"
#include "../../executor/db_sql.h"

static enum level
level_of(const char *id)
{
	struct db_user	 u;

	CHECK(db_user_get(w.db, id, &u) != -1);
	return u.level;
}

TEST(names_agree)
{
	size_t	 i;

	for (i = 0; builtin_at(i) != NULL; i++) {
		CHECK(builtin_is_name(builtin_at(i)->name));
		CHECK(builtin_find(builtin_at(i)->name) == builtin_at(i));
		if (i > 0)
			CHECK(strcmp(builtin_at(i - 1)->name,
			    builtin_at(i)->name) < 0);
	}
	CHECK_INT(i, 21);
	CHECK(builtin_find("deploy") == NULL);
}

TEST(permissions)
{
	static const struct {
		const char	*text;
		enum level	 level;
	} cases[] = {
		{ "!ping", LEVEL_USER }, { "!help", LEVEL_USER },
		{ "!whoami", LEVEL_USER }, { "!whois @bob", LEVEL_USER },
		{ "!adduser @mallory user", LEVEL_ADMIN },
		{ "!deluser @mallory", LEVEL_ADMIN },
		{ "!chattr @mallory +x", LEVEL_ADMIN },
		{ "!users", LEVEL_ADMIN },
		{ "!ban @mallory \"x\" 1h", LEVEL_ADMIN },
		{ "!unban @mallory", LEVEL_ADMIN },
		{ "!bans", LEVEL_ADMIN }, { "!scripts", LEVEL_USER },
		{ "!jobs", LEVEL_USER }, { "!jobs all", LEVEL_USER },
		{ "!status", LEVEL_OPERATOR }, { "!audit", LEVEL_ADMIN },
		{ "!explain @bob ping", LEVEL_ADMIN },
		{ "!reload", LEVEL_ADMIN }
	};
	static const char *const	 who[] = { CAROL, BOB, ALICE };
	size_t				 i, k;
	int				 before;

	world_up();
	w.conf.user_rate.count = 0;
	w.conf.global_rate.count = 0;
	for (i = 0; i < nitems(cases); i++)
		for (k = 0; k < nitems(who); k++) {
			before = count_lines(AUDIT_DENIED);
			post(who[k], cases[i].text);
			if (LEVEL_USER + k < cases[i].level) {
				CHECK_INT(count_lines(AUDIT_DENIED),
				    before + 1);
				CHECK_STR(denied(), "permission");
			} else if (count_lines(AUDIT_DENIED) != before)
				CHECK(strcmp(denied(), "permission") != 0);
		}
	/* the log's tail, which this world does not answer */
	world_sleep(CORE_LOOKUP_MS + 1);
	CHECK_INT(w.x->ncmds, 0);
	world_end();
}

TEST(usage)
{
	static const char *const	 wrong[] = { "!ping x", "!whois",
	    "!adduser @bob", "!adduser @bob king", "!deluser", "!chattr @bob",
	    "!chattr @bob x", "!chattr @bob +X", "!users x", "!ban @bob",
	    "!ban @bob x", "!ban @bob x forever", "!ban @bob '' 1h",
	    "!unban", "!scripts x", "!jobs some", "!job", "!job x", "!job 0",
	    "!job 99", "!output -1", "!cancel", "!cancel 99", "!audit 0",
	    "!audit 1000", "!explain @bob", "!run", "!reload x", "!status x",
	    "!bans x", "!whois @nobody", "!adduser @ operator",
	    "!adduser @b*b operator", "!unban @bob", "!deluser @carol" };
	size_t				 i;

	world_up();
	w.conf.user_rate.count = 0;
	w.conf.global_rate.count = 0;
	for (i = 0; i < nitems(wrong); i++) {
		post(ALICE, wrong[i]);
		CHECK_INT(count_lines(AUDIT_DENIED), i + 1);
		if (strcmp(denied(), "arguments") != 0)
			(void)fprintf(stderr, "%s: %s\n", wrong[i], said());
		CHECK_STR(denied(), "arguments");
	}
	CHECK_INT(count_lines(AUDIT_PERMISSION), 0);
	world_end();
}

TEST(help_lists_what_may_be_run)
{
	world_up();
	post(CAROL, "!help");
	CHECK_HAS(said(), "!hello");
	CHECK_HAS(said(), "!ping");
	CHECK(strstr(said(), "deploy") == NULL);
	CHECK(strstr(said(), "adduser") == NULL);
	CHECK(strstr(said(), "!off") == NULL);
	post(BOB, "!help");
	CHECK_HAS(said(), "deploy");
	CHECK(strstr(said(), "restart") == NULL);
	post_in(BOB, TOWN, "!help");
	CHECK(strstr(said(), "deploy") == NULL);
	post(ALICE, "!scripts");
	CHECK_HAS(said(), "switched off");
	CHECK_HAS(said(), "restart");
	post(BOB, "!help deploy");
	CHECK_HAS(said(), "service");
	CHECK_HAS(said(), "staging");
	CHECK_HAS(said(), "--dry-run");
	post(BOB, "!help !ping");
	CHECK_HAS(said(), "usage");
	post(CAROL, "!help deploy");
	CHECK_STR(denied(), "unknown-command");
	post(CAROL, "!help adduser");
	CHECK_STR(denied(), "unknown-command");
	world_end();
}

TEST(adduser)
{
	struct db_audit	 a;

	world_up();
	post(ALICE, "!adduser @carol operator");
	CHECK_INT(level_of(CAROL), LEVEL_OPERATOR);
	CHECK_HAS(said(), CAROL);
	CHECK_INT(count_lines(AUDIT_PERMISSION), 1);
	CHECK_HAS(last_line(AUDIT_PERMISSION)->detail,
	    "\"action\":\"adduser\",\"subject\":\"" CAROL "\","
	    "\"permission\":\"operator\",\"scope\":null,"
	    "\"previous\":\"user\"");
	CHECK_STR(last_line(AUDIT_PERMISSION)->user_id, ALICE);
	CHECK_INT(db_audit_last(w.db, CAROL, &a), 1);
	CHECK_STR(a.action, "adduser");
	CHECK_STR(a.actor_id, ALICE);
	CHECK_INT(a.seq, w.lines[w.nlines - 1]->seq);
	post(ALICE, "!adduser @Carol operator");
	CHECK_STR(denied(), "arguments");
	post(ALICE, "!deluser @carol");
	CHECK_INT(level_of(CAROL), LEVEL_USER);
	world_end();
}

/* The name is only how the id is found: a new owner of it gets nothing. */
TEST(renamed)
{
	world_up();
	post(ALICE, "!adduser @carol operator");
	(void)strlcpy(w_user(CAROL, 0)->name, "caroline",
	    sizeof(w.users[0].name));
	(void)strlcpy(w_user(MALLORY, 0)->name, "carol",
	    sizeof(w.users[0].name));
	post(MALLORY, "!deploy service=api-server environment=staging");
	CHECK_STR(denied(), "permission");
	post(CAROL, "!deploy service=api-server environment=staging");
	CHECK_INT(w.nstarted, 1);
	CHECK_STR(w.started[0].username, "caroline");
	world_end();
}

TEST(rights_for_people_only)
{
	static const uint32_t	 flags[] = { USER_BOT, USER_GUEST,
	    USER_REMOTE, USER_DELETED };
	size_t			 i;

	world_up();
	for (i = 0; i < nitems(flags); i++) {
		w_user(CAROL, 0)->flags = flags[i];
		post(ALICE, "!adduser @carol operator");
		CHECK_STR(denied(), "arguments");
		post(ALICE, "!chattr @carol +deploy");
	}
	CHECK_INT(level_of(CAROL), LEVEL_USER);
	CHECK_INT(count_lines(AUDIT_PERMISSION), 0);
	world_end();
}

TEST(account_forgotten_by_the_server)
{
	world_up();
	w_user(BOB, 0)->id[0] = 'x';
	post(ALICE, "!whois " BOB);
	CHECK_HAS(said(), "operator");
	post(ALICE, "!deluser " BOB);
	CHECK_INT(level_of(BOB), LEVEL_USER);
	world_end();
}

TEST(last_admin)
{
	world_up();
	post(ALICE, "!deluser @alice");
	CHECK_STR(denied(), "last-admin");
	post(ALICE, "!adduser @alice operator");
	CHECK_STR(denied(), "last-admin");
	post(ALICE, "!adduser @alice banned");
	CHECK_STR(denied(), "admin-ban");
	post(ALICE, "!ban @alice \"x\" 1h");
	CHECK_STR(denied(), "admin-ban");
	CHECK_INT(level_of(ALICE), LEVEL_ADMIN);
	post(ALICE, "!adduser @bob admin");
	post(BOB, "!adduser @alice operator");
	CHECK_INT(level_of(ALICE), LEVEL_OPERATOR);
	post(BOB, "!deluser @bob");
	CHECK_STR(denied(), "last-admin");
	world_end();
}

/* Two admins take each other's level at the same moment: one stays. */
TEST(two_admins_at_once)
{
	struct msg_command	 a, b;

	world_up();
	post(ALICE, "!adduser @bob admin");
	w_command(&a, ALICE, OPS, "!deluser @bob");
	w_command(&b, BOB, OPS, "!deluser @alice");
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &a);
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &b);
	world_pump();
	CHECK_INT((level_of(ALICE) == LEVEL_ADMIN) +
	    (level_of(BOB) == LEVEL_ADMIN), 1);
	CHECK_INT(count_lines(AUDIT_PERMISSION), 2);
	world_end();
}

TEST(flags)
{
	struct db_user	 u;

	world_up();
	post(BOB, "!restart");
	CHECK_STR(denied(), "flags");
	post(ALICE, "!chattr @bob +restart +deploy");
	CHECK_INT(db_user_get(w.db, BOB, &u), 1);
	CHECK_INT(u.nflags, 2);
	CHECK_STR(u.flags[0], "deploy");
	CHECK_STR(u.flags[1], "restart");
	post(BOB, "!restart");
	CHECK_INT(w.nstarted, 1);
	post(ALICE, "!chattr @bob -restart");
	post(BOB, "!restart");
	CHECK_STR(denied(), "flags");
	post(ALICE, "!chattr @bob -restart");
	CHECK_STR(denied(), "arguments");
	post(ALICE, "!chattr @bob +deploy");
	CHECK_STR(denied(), "arguments");
	/* a flag is no level */
	post(ALICE, "!chattr @carol +restart");
	post(CAROL, "!restart");
	CHECK_STR(denied(), "permission");
	world_end();
}

TEST(ban)
{
	world_up();
	post(ALICE, "!ban @carol \"too *loud*\" 2h");
	CHECK_HAS(said(), "until");
	CHECK_HAS(last_line(AUDIT_PERMISSION)->detail, "\"action\":\"ban\"");
	CHECK_HAS(last_line(AUDIT_PERMISSION)->detail, "too *loud*");
	post(CAROL, "!ping");
	CHECK_STR(denied(), "banned");
	CHECK_HAS(said(), "too \\*loud\\*");
	post(ALICE, "!bans");
	CHECK_HAS(said(), "carol");
	post(ALICE, "!whois @carol");
	CHECK_HAS(said(), "banned until");
	post(ALICE, "!unban @carol");
	post(CAROL, "!ping");
	CHECK_HAS(said(), "pong");
	post(ALICE, "!ban @carol \"again\" permanent");
	post(ALICE, "!adduser @carol admin");
	CHECK_STR(denied(), "admin-ban");
	post(ALICE, "!whois @carol");
	CHECK_HAS(said(), "for good");
	world_end();
}

TEST(one_full_stop_at_the_end)
{
	world_up();
	post(ALICE, "!run");
	CHECK_HAS(said(), "... Reference");
	CHECK(strstr(said(), "....") == NULL);
	post(ALICE, "!ping x");
	CHECK_HAS(said(), "!ping. Reference");
	world_end();
}

/* The level bans as well, and is lifted in another way. */
TEST(banned_by_level)
{
	world_up();
	post(ALICE, "!adduser @carol banned");
	post(ALICE, "!bans");
	CHECK_HAS(said(), CAROL "  carol  by the level banned");
	CHECK(strstr(said(), "none") == NULL);
	post(ALICE, "!unban @carol");
	CHECK_STR(denied(), "arguments");
	CHECK_HAS(said(), "the level is banned");
	CHECK_HAS(said(), "!adduser carol user");
	post(ALICE, "!ban @carol \"too\" permanent");
	post(ALICE, "!unban @carol");
	CHECK_HAS(said(), "the level is banned still");
	post(ALICE, "!adduser carol user");
	post(CAROL, "!ping");
	CHECK_HAS(said(), "pong");
	post(ALICE, "!bans");
	CHECK_HAS(said(), "none");
	world_end();
}

TEST(permission_refused_by_the_log)
{
	world_up();
	w.audit_sick = 1;
	post(ALICE, "!adduser @carol admin");
	CHECK_INT(level_of(CAROL), LEVEL_USER);
	w.audit_sick = 0;
	post(ALICE, "!adduser @carol admin");
	CHECK_INT(level_of(CAROL), LEVEL_ADMIN);
	world_end();
}

/* The log first; the database fails afterwards: said, and not made. */
TEST(permission_refused_by_the_database)
{
	world_up();
	w_command(&w_last, ALICE, OPS, "!adduser @carol admin");
	executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0, -1, &w_last);
	while (w.head < w.tail && w.queue[w.head].type != MSG_APPEND)
		world_step(1);
	CHECK_INT(level_of(CAROL), LEVEL_USER);
	CHECK_INT(sqlite3_exec(w.db->sql, "PRAGMA query_only = 1", NULL, NULL,
	    NULL), SQLITE_OK);
	world_pump();
	CHECK_INT(sqlite3_exec(w.db->sql, "PRAGMA query_only = 0", NULL, NULL,
	    NULL), SQLITE_OK);
	CHECK_INT(level_of(CAROL), LEVEL_USER);
	CHECK_STR(denied(), "database");
	CHECK_HAS(said(), "nothing was changed");
	world_end();
}

/* It dies at every step: no change without its line. */
TEST(crash_in_a_change)
{
	struct db_audit	 a;
	volatile long	 at;
	volatile int	 mode, crashed;

	W_LEAK_OFF();
	for (mode = 0; mode < 4; mode++)
		for (at = 1; at < 50; at++) {
			crashed = 1;
			world_up();
			w.sends = 0;
			w.crash_at = at;
			w.crash_after = mode & 1;
			if (setjmp(w.crash) == 0) {
				post(ALICE, "!adduser @carol operator");
				crashed = 0;
			}
			w.crash_at = 0;
			if (crashed)
				world_crash(mode >> 1);
			/* what was not claimed comes again */
			executor_message(w.x, ROLE_NETWORK, MSG_COMMAND, 0,
			    -1, &w_last);
			world_pump();
			if (level_of(CAROL) == LEVEL_OPERATOR) {
				CHECK_INT(count_lines(AUDIT_PERMISSION), 1);
				CHECK_INT(db_audit_last(w.db, CAROL, &a), 1);
			} else
				CHECK_INT(db_audit_last(w.db, CAROL, &a), 0);
			CHECK(w.nposts > 0);
			CHECK_INT(w.x->ncmds, 0);
			world_end();
			if (!crashed)
				break;
		}
	W_LEAK_ON();
}

TEST(jobs_and_output)
{
	world_up();
	post(BOB, "!deploy service=api-server environment=staging");
	post(CAROL, "!hello");
	post(BOB, "!jobs");
	CHECK_HAS(said(), "deploy");
	CHECK(strstr(said(), "hello") == NULL);
	post(BOB, "!jobs all");
	CHECK_HAS(said(), "hello");
	post(CAROL, "!jobs all");
	CHECK(strstr(said(), "deploy") == NULL);
	post(CAROL, "!job 1");
	CHECK_STR(denied(), "permission");
	post(CAROL, "!output 1");
	CHECK_STR(denied(), "permission");
	CHECK_HAS(said(), "no job 1");
	post(BOB, "!job 1");
	CHECK_HAS(said(), "api-server");
	CHECK_HAS(said(), "delivered: yes");
	post(BOB, "!output #1");
	CHECK_HAS(said(), "done");
	world_end();
}

TEST(explain)
{
	world_up();
	post(ALICE, "!explain @bob deploy service=api-server "
	    "environment=staging");
	CHECK_HAS(said(), "allowed");
	post(ALICE, "!explain @bob !deploy service=x environment=staging");
	CHECK_HAS(said(), "refused (arguments)");
	post(ALICE, "!explain @carol deploy");
	CHECK_HAS(said(), "refused (permission)");
	post(ALICE, "!explain @bob run restart");
	CHECK_HAS(said(), "refused (flags)");
	post(ALICE, "!explain @bob adduser");
	CHECK_HAS(said(), "refused (permission)");
	post(ALICE, "!explain @bob nothing");
	CHECK_HAS(said(), "refused (unknown-command)");
	w_user(BOB, 0)->absent = 1;
	post(ALICE, "!explain @bob hello");
	CHECK_HAS(said(), "refused (member)");
	post_in(ALICE, TOWN, "!explain @alice deploy service=api-server "
	    "environment=staging");
	CHECK_HAS(said(), "refused (channel)");
	CHECK_INT(w.nstarted, 0);
	CHECK_INT(count_lines(AUDIT_DENIED), 0);
	world_end();
}

TEST(audit)
{
	struct msg_tail_line	 line;

	world_up();
	post(ALICE, "!audit 2");
	memset(&line, 0, sizeof(line));
	(void)strlcpy(line.line, "{\"seq\":1}", sizeof(line.line));
	executor_message(w.x, ROLE_AUDIT, MSG_TAIL_LINE, w.x->last_id, -1,
	    &line);
	(void)strlcpy(line.line, "{\"seq\":2}", sizeof(line.line));
	executor_message(w.x, ROLE_AUDIT, MSG_TAIL_LINE, w.x->last_id, -1,
	    &line);
	line.line[0] = '\0';
	line.last = 1;
	executor_message(w.x, ROLE_AUDIT, MSG_TAIL_LINE, w.x->last_id, -1,
	    &line);
	world_pump();
	CHECK_HAS(said(), "{\"seq\":1}\n{\"seq\":2}");
	CHECK_HAS(said(), "test/audit/0000");
	post(ALICE, "!audit");
	world_sleep(CORE_LOOKUP_MS + 1);
	CHECK_STR(denied(), "audit");
	world_end();
}

TEST(status_and_reload)
{
	world_up();
	post(BOB, "!status");
	CHECK_HAS(said(), "connected");
	CHECK_HAS(said(), "audit**: ok");
	post(ALICE, "!reload");
	CHECK_INT(w.reloads, 1);
	CHECK_HAS(said(), "generation 2 is in force");
	CHECK_STR(last_line(AUDIT_PERMISSION)->user_id, ALICE);
	CHECK_HAS(last_line(AUDIT_PERMISSION)->detail, "\"by\":\"alice\"");
	/* By a signal: nobody asked. */
	executor_set_allowlist(w.x, w_parse(w_allowlist), 3);
	world_pump();
	CHECK_STR(last_line(AUDIT_PERMISSION)->user_id, "");
	CHECK_HAS(last_line(AUDIT_PERMISSION)->detail, "signal HUP");
	world_end();
}

TEST(empty_lists_and_commands_that_are_no_scripts)
{
	world_up();
	post(ALICE, "!bans");
	CHECK_HAS(said(), "none");
	post(ALICE, "!run ping");
	CHECK_HAS(said(), "ping is no script but a command of its own: !ping");
	world_end();
}

/* What others wrote is never live in what the bot says. */
TEST(names_of_others)
{
	world_up();
	post(ALICE, "!whois @a*l*l");
	CHECK(strstr(said(), "@a") == NULL);
	post(ALICE, "!@all");
	post(ALICE, "!x`@all");
	CHECK(strstr(said(), "`@all") == NULL);
	post(ALICE, "!adduser @carol @all");
	CHECK(strstr(said(), " @all") == NULL);
	world_end();
}
