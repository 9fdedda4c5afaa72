/*
 * The rules table against the second description in msg_want.h: for every
 * type, sender, receiver, phase, descriptor and length at an edge.
 */
#include "msg_want.h"
#include "test.h"

/* msg_check(), or one with a hole in it. */
typedef int (*check_fn)(enum msg_type, enum role, enum role, enum msg_phase,
    size_t, int, uint64_t *, char *, size_t);

static const struct want_type *
want_of(int type)
{
	size_t	 i;

	for (i = 0; i < nitems(want); i++)
		if ((int)want[i].type == type)
			return &want[i];
	return NULL;
}

/* Fewest and most bytes, added up by hand from the letters. */
static void
want_lengths(const struct want_type *t, size_t *low, size_t *high)
{
	const struct want_field	*f;
	size_t			 i;

	*low = *high = 0;
	for (i = 0; i < field_count(t); i++) {
		f = &t->f[i];
		if (strchr("nhwqiltcCx", f->kind) != NULL) {
			*low += f->size;
			*high += f->size;
		} else if (f->kind == 'W') {
			*low += 2;
			*high += 2 + COMMAND_SIZE + WORDS_MAX + WORDS_MAX;
		} else {
			*low += 2;
			*high += 2 + f->size - 1;
			if (f->kind == 'S')
				*low += 1;
			if (strchr("dub", f->kind) != NULL)
				*low += f->size - 1;
		}
	}
}

static int
want_verdict(int type, int from, int to, int phase, size_t len, int fd)
{
	static const char	 letters[] = "PNERAC";
	const struct want_type	*t;
	char			 way[3] = "";
	size_t			 low, high;

	if ((t = want_of(type)) == NULL || from >= ROLE_COUNT ||
	    to >= ROLE_COUNT)
		return -1;
	way[0] = letters[from];
	way[1] = letters[to];
	want_lengths(t, &low, &high);
	return strstr(t->ways, way) != NULL &&
	    strchr(t->phases, phase == PHASE_SETUP ? 'S' : 'R') != NULL &&
	    fd == t->fd && len >= low && len <= high ? 0 : -1;
}

/* Every type, sender, receiver, phase, descriptor and length at an edge. */
static int
count_disagreements(check_fn check)
{
	size_t		 edge, low, high, lens[4];
	uint64_t	 seen;
	char		 why[160];
	int		 type, from, to, phase, fd, bad = 0, result;

	for (type = 0; type < MSG_COUNT + 2; type++) {
		low = high = 0;
		if (want_of(type) != NULL)
			want_lengths(want_of(type), &low, &high);
		lens[0] = low == 0 ? high : low - 1;
		lens[1] = low;
		lens[2] = high;
		lens[3] = high + 1;
		for (from = 0; from <= ROLE_COUNT; from++)
		for (to = 0; to <= ROLE_COUNT; to++)
		for (phase = PHASE_SETUP; phase <= PHASE_RUN; phase++)
		for (fd = 0; fd < 2; fd++)
		for (edge = 0; edge < 4; edge++) {
			seen = 0;
			why[0] = '\0';
			result = check((enum msg_type)type, (enum role)from,
			    (enum role)to, (enum msg_phase)phase, lens[edge],
			    fd, &seen, why, sizeof(why));
			if (result != want_verdict(type, from, to, phase,
			    lens[edge], fd) || (result == -1 && why[0] == 0) ||
			    (result == -1 && seen != 0))
				bad++;
			else if (result == 0)
				/* A second time, then the other direction. */
				bad += (check((enum msg_type)type,
				    (enum role)from, (enum role)to,
				    (enum msg_phase)phase, lens[edge], fd,
				    &seen, why, sizeof(why)) == -1) !=
				    want_of(type)->once;
		}
	}
	return bad;
}

static const char	*hole_name;

static int
check_with_hole(enum msg_type type, enum role from, enum role to,
    enum msg_phase phase, size_t len, int fd, uint64_t *seen, char *why,
    size_t size)
{
	const struct msg_rule	*rule = msg_rule(type);
	size_t			 low, high;

	if (strcmp(hole_name, "runner") == 0 && type == MSG_JOB_START &&
	    from == ROLE_NETWORK && to == ROLE_RUNNER)
		return 0;
	if (strcmp(hole_name, "phase") == 0)
		phase = rule != NULL ? (enum msg_phase)(rule->phases & -
		    rule->phases) : phase;
	if (strcmp(hole_name, "fd") == 0 && rule != NULL)
		fd = rule->fd;
	if (strcmp(hole_name, "once") == 0)
		*seen = 0;
	msg_limits(type, &low, &high);
	if (strcmp(hole_name, "short") == 0 && len < low)
		len = low;
	if (strcmp(hole_name, "long") == 0 && len > high)
		len = high;
	if (strcmp(hole_name, "sibling") == 0 && type == MSG_HELLO &&
	    from == ROLE_NETWORK && to == ROLE_EXECUTOR)
		to = ROLE_PARENT;
	if (strcmp(hole_name, "unknown") == 0 && rule == NULL)
		return 0;
	if (strcmp(hole_name, "shut") == 0 && type == MSG_CTL_END) {
		(void)strlcpy(why, "shut", size);
		return -1;
	}
	return msg_check(type, from, to, phase, len, fd, seen, why, size);
}

TEST(rules_agree_with_expectation)
{
	CHECK_INT(count_disagreements(msg_check), 0);
}

TEST(rules_with_a_hole_would_be_seen)
{
	static const char *const	 holes[] = { "runner", "phase", "fd",
	    "once", "short", "long", "sibling", "unknown", "shut" };
	size_t				 i;

	for (i = 0; i < nitems(holes); i++) {
		hole_name = holes[i];
		CHECK(count_disagreements(check_with_hole) > 0);
	}
	hole_name = "none";
	CHECK_INT(count_disagreements(check_with_hole), 0);
}

/* Each direction of a "once" has a bit of its own, and no two types share. */
TEST(rules_once_is_per_direction)
{
	uint64_t	 seen = 0;
	size_t		 i, low, high;
	char		 why[160];
	int		 phase;

	CHECK_INT(msg_check(MSG_HELLO, ROLE_PARENT, ROLE_NETWORK, PHASE_SETUP,
	    68 - 1, 0, &seen, why, sizeof(why)), 0);
	CHECK_INT(msg_check(MSG_HELLO, ROLE_NETWORK, ROLE_PARENT, PHASE_SETUP,
	    67, 0, &seen, why, sizeof(why)), 0);
	CHECK_INT(msg_check(MSG_HELLO, ROLE_PARENT, ROLE_NETWORK, PHASE_SETUP,
	    67, 0, &seen, why, sizeof(why)), -1);
	CHECK_STR(why, "HELLO from parent to network a second time");
	seen = 0;
	for (i = 0; i < nitems(want); i++) {
		if (!want[i].once)
			continue;
		want_lengths(&want[i], &low, &high);
		phase = want[i].phases[0] == 'S' ? PHASE_SETUP : PHASE_RUN;
		CHECK_INT(msg_check(want[i].type,
		    (enum role)(strchr("PNERAC", want[i].ways[0]) - "PNERAC"),
		    (enum role)(strchr("PNERAC", want[i].ways[1]) - "PNERAC"),
		    (enum msg_phase)phase, low, want[i].fd, &seen, why,
		    sizeof(why)), 0);
	}
}

TEST(rules_answer_and_channels)
{
	static const char	 pairs[] = "PN PE PR PA NE ER EA EC";
	static const char	 letters[] = "PNERAC";
	char			 ab[3] = "", ba[3] = "";
	size_t			 i;
	int			 a, b;

	for (i = 0; i < nitems(want); i++)
		CHECK_INT(msg_rule(want[i].type)->answer, want[i].answer);
	for (a = 0; a < ROLE_COUNT; a++)
		for (b = 0; b < ROLE_COUNT; b++) {
			ab[0] = ba[1] = letters[a];
			ab[1] = ba[0] = letters[b];
			CHECK_INT(msg_is_channel((enum role)a, (enum role)b),
			    strstr(pairs, ab) != NULL ||
			    strstr(pairs, ba) != NULL);
		}
	CHECK_INT(msg_is_channel(ROLE_COUNT, ROLE_PARENT), 0);
}

TEST(rules_files_go_where_they_belong)
{
	static const char *const	 to[FILE_COUNT] = {
	    "NERA", "N", "N", "N", "N", "N", "ER", "R", "E", "E", "A", "A" };
	static const char		 letters[] = "PNERAC";
	int				 kind, role;

	for (kind = 0; kind < FILE_COUNT; kind++)
		for (role = 0; role < ROLE_COUNT; role++)
			CHECK_INT(file_kind_is_for((enum file_kind)kind,
			    (enum role)role),
			    strchr(to[kind], letters[role]) != NULL);
	CHECK_INT(file_kind_is_for(FILE_COUNT, ROLE_PARENT), 0);
	CHECK_STR(file_kind_name(FILE_COUNT), "unknown file");
	CHECK_STR(file_kind_name(FILE_TOKEN), "token");
}

TEST(roles_have_names)
{
	int	 role;

	for (role = 0; role < ROLE_COUNT; role++)
		CHECK_INT(role_parse(role_name((enum role)role)), role);
	CHECK_INT(role_parse("root"), -1);
	CHECK_INT(role_parse(""), -1);
	CHECK_STR(role_name(ROLE_COUNT), "nobody");
	CHECK_STR(role_name((enum role)-1), "nobody");
}
