/*
 * The table of built-in commands, and what several of them need.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "log.h"

#define SUGGEST_MAX	512	/* names that are looked through */

static const struct builtin builtins[] = {
	{ "adduser", LEVEL_ADMIN, 2, 2, 1, 0, "adduser @user <level>",
	    "give a user a level: user, operator, admin or banned",
	    builtin_adduser },
	{ "audit", LEVEL_ADMIN, 0, 1, 0, 0, "audit [n]",
	    "the last lines of the audit log and the head of its chain",
	    builtin_audit },
	{ "ban", LEVEL_ADMIN, 3, 3, 1, 0,
	    "ban @user \"reason\" <duration|permanent>",
	    "keep a user from everything; durations: 90s 15m 2h 7d",
	    builtin_ban },
	{ "bans", LEVEL_ADMIN, 0, 0, 0, 0, "bans", "who is banned, and why",
	    builtin_bans },
	{ "cancel", LEVEL_USER, 1, 1, 0, 1, "cancel <job>",
	    "end a job: first TERM, then KILL", builtin_cancel },
	{ "chattr", LEVEL_ADMIN, 2, 1 + DB_FLAGS_MAX, 1, 0,
	    "chattr @user +flag -flag ...", "give and take custom flags",
	    builtin_chattr },
	{ "deluser", LEVEL_ADMIN, 1, 1, 1, 0, "deluser @user",
	    "forget a user: level and flags", builtin_deluser },
	{ "explain", LEVEL_ADMIN, 2, WORDS_MAX, 1, 1,
	    "explain @user <command> ...",
	    "why that command would be allowed or refused here",
	    builtin_explain },
	{ "help", LEVEL_USER, 0, 1, 0, 1, "help [command]",
	    "what you may run here; usage and examples of one command",
	    builtin_help },
	{ "job", LEVEL_USER, 1, 1, 0, 1, "job <job>", "everything about a job",
	    builtin_job },
	{ "jobs", LEVEL_USER, 0, 1, 0, 1, "jobs [all]",
	    "running, queued and recent jobs", builtin_jobs },
	{ "output", LEVEL_USER, 1, 1, 0, 1, "output <job>",
	    "the output of a job once more", builtin_output },
	{ "ping", LEVEL_USER, 0, 0, 0, 0, "ping",
	    "version, uptime and round-trip", builtin_ping },
	{ "reload", LEVEL_ADMIN, 0, 0, 0, 0, "reload",
	    "check and load the allowlist", builtin_reload },
	{ "run", LEVEL_USER, 1, WORDS_MAX, 0, 1, "run <script> ...",
	    "run a script, as its name alone does", NULL },
	{ "scripts", LEVEL_USER, 0, 0, 0, 1, "scripts",
	    "the scripts that you may run here", builtin_scripts },
	{ "status", LEVEL_OPERATOR, 0, 0, 0, 0, "status",
	    "health and confinement of every process", builtin_status },
	{ "unban", LEVEL_ADMIN, 1, 1, 1, 0, "unban @user",
	    "lift a ban", builtin_unban },
	{ "users", LEVEL_ADMIN, 0, 0, 0, 0, "users", "the table of users",
	    builtin_users },
	{ "whoami", LEVEL_USER, 0, 0, 0, 0, "whoami",
	    "your id, level, flags and ban", builtin_whoami },
	{ "whois", LEVEL_USER, 1, 1, 1, 0, "whois @user",
	    "somebody's id, level, flags and ban", builtin_whois }
};

static int
builtin_cmp(const void *key, const void *member)
{
	return strcmp(key, ((const struct builtin *)member)->name);
}

const struct builtin *
builtin_find(const char *name)
{
	return bsearch(name, builtins, nitems(builtins), sizeof(builtins[0]),
	    builtin_cmp);
}

const struct builtin *
builtin_at(size_t i)
{
	return i < nitems(builtins) ? &builtins[i] : NULL;
}

/* Only what the author may run: a suggestion is no list of the rest. */
const char *
builtin_suggest(struct executor *x, const struct cmd *c, const char *typed)
{
	const char	*names[SUGGEST_MAX];
	size_t		 i, n = 0;

	for (i = 0; i < nitems(builtins); i++)
		if (command_may_builtin(x, c, &builtins[i]))
			names[n++] = builtins[i].name;
	for (i = 0; x->al != NULL && i < x->al->n && n < SUGGEST_MAX; i++)
		if (command_may_script(x, c, &x->al->scripts[i]))
			names[n++] = x->al->scripts[i].name;
	return policy_nearest(typed, names, n);
}

void
builtin_run(struct executor *x, struct cmd *c)
{
	const struct builtin	*b = c->builtin;
	size_t			 n = (size_t)c->words.n - 1;

	c->stage = CMD_WORKING;
	if (n < b->min || n > b->max || b->run == NULL) {
		refuse(x, c, REASON_ARGUMENTS, "%s takes %s arguments; usage: "
		    "%s%s", b->name, n > b->max ? "fewer" : "more",
		    x->conf->prefix, b->usage);
		return;
	}
	if (b->target != 0 && c->target.status != LOOKUP_OK &&
	    (c->target.status != LOOKUP_MISSING || !builtin_known_id(x, c))) {
		refuse(x, c, c->target.status == LOOKUP_FAILED ?
		    REASON_LOOKUP : REASON_ARGUMENTS, "%s %.64s",
		    c->target.status == LOOKUP_FAILED ?
		    "the server could not be asked about" :
		    "there is no user", words_get(&c->words, b->target));
		return;
	}
	if (b->run(x, c) == BUILTIN_ANSWER)
		command_answer(x, c);
}

/*
 * An account that the server has forgotten may still have rights here: its
 * id alone is enough to look at it and to take them away.
 */
int
builtin_known_id(struct executor *x, struct cmd *c)
{
	const char	*word = words_get(&c->words, c->builtin->target);
	struct db_user	 user;
	struct db_ban	 ban;

	if (!text_is_id(word))
		return 0;
	if (db_user_get(x->db, word, &user) != 1) {
		if (db_ban_get(x->db, word, core_wall(x), &ban) != 1)
			return 0;
		(void)strlcpy(user.username, ban.username,
		    sizeof(user.username));
	}
	(void)strlcpy(c->target.id, word, sizeof(c->target.id));
	(void)strlcpy(c->target.username, user.username,
	    sizeof(c->target.username));
	c->target.flags = USER_DELETED;
	return 1;
}

/* The number of a job; 0 after a refusal. */
uint64_t
builtin_number(struct executor *x, struct cmd *c)
{
	const char	*word = words_get(&c->words, 1), *error;
	long long	 n;

	word += *word == '#';
	n = strtonum(word, 1, INT64_MAX, &error);
	if (error == NULL)
		return (uint64_t)n;
	refuse(x, c, REASON_ARGUMENTS, "%.32s is not the number of a job",
	    word);
	return 0;
}

void
builtin_database(struct executor *x, struct cmd *c)
{
	core_db_result(x, 0, c->builtin->name);
	refuse(x, c, REASON_DATABASE, "the database fails");
}

/* "2026-08-24T12:34:56Z": seconds are enough for people. */
void
builtin_time(int64_t ms, struct buf *b)
{
	char	 text[WALLTIME_STRLEN];

	if (walltime_format((walltime_t){ ms }, text, sizeof(text)) == -1) {
		buf_printf(b, "?");
		return;
	}
	buf_printf(b, "%.19sZ", text);
}
