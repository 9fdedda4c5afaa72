/*
 * The rules of the messages: which types there are, who may say each to
 * whom, in which phase, how often and with a descriptor or not.  This table
 * and the one in msg_fields.c are the whole interface between the processes.
 */
#include <stdio.h>
#include <string.h>

#include "compat.h"
#include "msg.h"

#define P	ROLE_PARENT
#define N	ROLE_NETWORK
#define E	ROLE_EXECUTOR
#define R	ROLE_RUNNER
#define A	ROLE_AUDIT
#define C	ROLE_CTL

#define DOWN	(MSG_WAY(P, N) | MSG_WAY(P, E) | MSG_WAY(P, R) | MSG_WAY(P, A))
#define UP	(MSG_WAY(N, P) | MSG_WAY(E, P) | MSG_WAY(R, P) | MSG_WAY(A, P))
/* Reloads concern the two that read the allowlist. */
#define RELOAD_DOWN	(MSG_WAY(P, E) | MSG_WAY(P, R))
#define RELOAD_UP	(MSG_WAY(E, P) | MSG_WAY(R, P))

#define SETUP	PHASE_SETUP
#define RUN	PHASE_RUN
#define ANY	(PHASE_SETUP | PHASE_RUN)

static const char *const role_names[ROLE_COUNT] = {
	[ROLE_PARENT] = "parent",
	[ROLE_NETWORK] = "network",
	[ROLE_EXECUTOR] = "executor",
	[ROLE_RUNNER] = "runner",
	[ROLE_AUDIT] = "audit",
	[ROLE_CTL] = "ctl"
};

/* The name and every role that has a use for it. */
static const struct {
	const char	*name;
	uint32_t	 roles;
} file_kinds[FILE_COUNT] = {
	[FILE_CONF] = { "configuration",
	    1 << N | 1 << E | 1 << R | 1 << A },
	[FILE_TOKEN] = { "token", 1 << N },
	[FILE_CA] = { "authorities", 1 << N },
	[FILE_CA_SYSTEM] = { "system authorities", 1 << N },
	[FILE_RESOLV] = { "resolv.conf", 1 << N },
	[FILE_HOSTS] = { "hosts", 1 << N },
	[FILE_ALLOWLIST] = { "allowlist", 1 << E | 1 << R },
	[FILE_BASE_DIR] = { "base folder", 1 << R },
	[FILE_DATA_DIR] = { "data folder", 1 << E },
	[FILE_CONTROL] = { "control socket", 1 << E },
	[FILE_LOG_DIR] = { "log folder", 1 << A },
	[FILE_KEY_DIR] = { "key folder", 1 << A }
};

/* type, ways, phases, once, descriptor, answer */
#define RULE(type, ways, phases, once, fd, answer)			\
	[MSG_##type] = { MSG_##type, #type, (ways), (phases), (once),	\
	    MSG_FD_##fd, (answer) }

static const struct msg_rule rules[MSG_COUNT] = {
	/* Set-up: the build ids decide before anything else is believed. */
	RULE(HELLO, DOWN | UP, SETUP, 1, NONE, 0),
	RULE(PEER, DOWN, SETUP, 0, MUST, 0),
	RULE(FILE, DOWN, SETUP, 0, MUST, 0),
	RULE(DONE, DOWN, SETUP, 2, NONE, 0),
	RULE(READY, UP, SETUP, 3, NONE, 0),

	/* Reload in two steps; nobody commits before everybody has parsed. */
	RULE(CONF_FILE, RELOAD_DOWN, RUN, 0, MUST, 0),
	RULE(CONF_OK, RELOAD_UP, RUN, 0, NONE, 0),
	RULE(CONF_ERR, RELOAD_UP, RUN, 0, NONE, 0),
	RULE(CONF_COMMIT, RELOAD_DOWN, RUN, 0, NONE, 0),
	RULE(CONF_ABORT, RELOAD_DOWN, RUN, 0, NONE, 0),
	RULE(RELOAD, MSG_WAY(E, P), RUN, 0, NONE, 0),
	/* Also told without a question, after SIGHUP. */
	RULE(RELOAD_RESULT, MSG_WAY(P, E), RUN, 0, NONE, 0),
	RULE(STOP, DOWN, RUN, 4, NONE, 0),
	RULE(PROCESS, MSG_WAY(P, E), RUN, 0, NONE, 0),

	/* What the server says; the executor believes no more than this. */
	RULE(COMMAND, MSG_WAY(N, E), RUN, 0, NONE, 0),
	RULE(REACTION, MSG_WAY(N, E), RUN, 0, NONE, 0),
	RULE(NET_STATE, MSG_WAY(N, E), RUN, 0, NONE, 0),
	RULE(CATCHUP, MSG_WAY(E, N), RUN, 0, NONE, 0),
	RULE(CAUGHT_UP, MSG_WAY(N, E), RUN, 0, NONE, 1),
	RULE(LOOKUP_USER, MSG_WAY(E, N), RUN, 0, NONE, 0),
	RULE(USER, MSG_WAY(N, E), RUN, 0, NONE, 1),
	RULE(LOOKUP_CHANNEL, MSG_WAY(E, N), RUN, 0, NONE, 0),
	RULE(CHANNEL, MSG_WAY(N, E), RUN, 0, NONE, 1),
	RULE(LOOKUP_MEMBER, MSG_WAY(E, N), RUN, 0, NONE, 0),
	RULE(MEMBER, MSG_WAY(N, E), RUN, 0, NONE, 1),
	RULE(POST, MSG_WAY(E, N), RUN, 0, NONE, 0),
	RULE(PATCH, MSG_WAY(E, N), RUN, 0, NONE, 0),
	RULE(REACT, MSG_WAY(E, N), RUN, 0, NONE, 0),
	RULE(UPLOAD, MSG_WAY(E, N), RUN, 0, MUST, 0),
	RULE(NET_RESULT, MSG_WAY(N, E), RUN, 0, NONE, 1),
	/* Back-pressure: a slow server one way, a flood the other. */
	RULE(XOFF, MSG_WAY(N, E) | MSG_WAY(E, N), RUN, 0, NONE, 0),
	RULE(XON, MSG_WAY(N, E) | MSG_WAY(E, N), RUN, 0, NONE, 0),

	/* Jobs are known by their number, not by the id of a request. */
	RULE(JOB_START, MSG_WAY(E, R), RUN, 0, NONE, 0),
	RULE(JOB_STARTED, MSG_WAY(R, E), RUN, 0, MUST, 0),
	RULE(JOB_EXIT, MSG_WAY(R, E), RUN, 0, NONE, 0),
	RULE(JOB_KILL, MSG_WAY(E, R), RUN, 0, NONE, 0),

	/* The record: only the executor appends, only auditd signs. */
	RULE(APPEND, MSG_WAY(E, A), RUN, 0, NONE, 0),
	RULE(ACK, MSG_WAY(A, E), RUN, 0, NONE, 1),
	RULE(AUDIT_STATE, MSG_WAY(A, E), RUN, 5, NONE, 0),
	RULE(DANGLING, MSG_WAY(A, E), RUN, 0, NONE, 0),
	RULE(AUDIT_HEALTH, MSG_WAY(A, E), RUN, 0, NONE, 0),
	RULE(AUDIT_END, MSG_WAY(E, A), RUN, 6, NONE, 0),
	RULE(TAIL, MSG_WAY(E, A), RUN, 0, NONE, 0),
	RULE(TAIL_LINE, MSG_WAY(A, E), RUN, 0, NONE, 1),

	/* Both greet, one asks once; END may refuse the greeting already. */
	RULE(CTL_HELLO, MSG_WAY(C, E) | MSG_WAY(E, C), SETUP, 7, NONE, 0),
	RULE(CTL_REQUEST, MSG_WAY(C, E), RUN, 8, NONE, 0),
	RULE(CTL_ROW, MSG_WAY(E, C), RUN, 0, NONE, 0),
	RULE(CTL_END, MSG_WAY(E, C), ANY, 9, NONE, 0)
};

const char *
role_name(enum role role)
{
	if ((unsigned int)role >= ROLE_COUNT)
		return "nobody";
	return role_names[role];
}

int
role_parse(const char *name)
{
	int	 role;

	for (role = 0; role < ROLE_COUNT; role++)
		if (strcmp(role_names[role], name) == 0)
			return role;
	return -1;
}

/* "type 99" has no name: the number stands in the reason of msg_check(). */
const char *
msg_name(enum msg_type type)
{
	const struct msg_rule	*rule;

	rule = msg_rule(type);
	return rule == NULL ? "unknown message" : rule->name;
}

const char *
file_kind_name(enum file_kind kind)
{
	if ((unsigned int)kind >= FILE_COUNT)
		return "unknown file";
	return file_kinds[kind].name;
}

int
file_kind_is_for(enum file_kind kind, enum role role)
{
	if ((unsigned int)kind >= FILE_COUNT ||
	    (unsigned int)role >= ROLE_COUNT)
		return 0;
	return (file_kinds[kind].roles >> role) & 1;
}

const struct msg_rule *
msg_rule(enum msg_type type)
{
	if ((unsigned int)type >= MSG_COUNT || rules[type].name == NULL)
		return NULL;
	return &rules[type];
}

int
msg_is_channel(enum role a, enum role b)
{
	size_t	 i;

	if ((unsigned int)a >= ROLE_COUNT || (unsigned int)b >= ROLE_COUNT)
		return 0;
	for (i = 0; i < nitems(rules); i++)
		if (rules[i].ways & (MSG_WAY(a, b) | MSG_WAY(b, a)))
			return 1;
	return 0;
}

/* The bit of a "once" rule in a channel's seen, one per direction. */
static uint64_t
once_bit(const struct msg_rule *rule, enum role from, enum role to)
{
	return 1ULL << ((rule->once - 1) * 2 + (from > to));
}

int
msg_check(enum msg_type type, enum role from, enum role to,
    enum msg_phase phase, size_t len, int has_fd, uint64_t *seen, char *why,
    size_t whylen)
{
	const struct msg_rule	*rule;
	const char		*reason = NULL;
	size_t			 min, max;

	if ((rule = msg_rule(type)) == NULL) {
		(void)snprintf(why, whylen, "unknown message type %u from %s",
		    (unsigned int)type, role_name(from));
		return -1;
	}
	msg_limits(type, &min, &max);
	if ((unsigned int)from >= ROLE_COUNT ||
	    (unsigned int)to >= ROLE_COUNT ||
	    !(rule->ways & MSG_WAY(from, to)))
		reason = "is not theirs to send";
	else if (!(rule->phases & phase))
		reason = phase == PHASE_SETUP ? "during set-up" :
		    "after set-up";
	else if (len < min)
		reason = "is too short";
	else if (len > max)
		reason = "is too long";
	else if (has_fd && rule->fd == MSG_FD_NONE)
		reason = "with a descriptor that is not due";
	else if (!has_fd && rule->fd == MSG_FD_MUST)
		reason = "without its descriptor";
	else if (rule->once != 0 && (*seen & once_bit(rule, from, to)))
		reason = "a second time";
	if (reason != NULL) {
		(void)snprintf(why, whylen, "%s from %s to %s %s", rule->name,
		    role_name(from), role_name(to), reason);
		return -1;
	}
	if (rule->once != 0)
		*seen |= once_bit(rule, from, to);
	return 0;
}

/* Append one word of len bytes: 0, or -1 when there is no room for it. */
int
words_add(struct words *w, const char *word, size_t len)
{
	if (w->n >= WORDS_MAX || len >= sizeof(w->data) - w->len ||
	    memchr(word, '\0', len) != NULL)
		return -1;
	memcpy(w->data + w->len, word, len);
	w->data[w->len + len] = '\0';
	w->len += (uint32_t)len + 1;
	w->n++;
	return 0;
}

const char *
words_get(const struct words *w, size_t i)
{
	const char	*p = w->data;

	if (i >= w->n)
		return NULL;
	while (i-- > 0)
		p += strlen(p) + 1;
	return p;
}
