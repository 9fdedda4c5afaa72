/*
 * Why is this not a line?  Runs only on lines that the strict scanner has
 * refused, so it can never make one acceptable.
 */
#include "compat.h"

#include <string.h>

#include "audit_line.h"
#include "text.h"

/* What outweighs what: no JSON, then names, then types, then forms. */
enum rank {
	RANK_JSON,
	RANK_TWICE,
	RANK_SCHEMA,
	RANK_FORM,
	RANK_SPELLING,
	RANK_NONE
};

static const enum audit_fault	 faults[] = {
	[RANK_JSON] = AUDIT_FAULT_FORMAT,
	[RANK_TWICE] = AUDIT_FAULT_DUP_KEY,
	[RANK_SCHEMA] = AUDIT_FAULT_SCHEMA,
	[RANK_FORM] = AUDIT_FAULT_FORMAT,
	[RANK_SPELLING] = AUDIT_FAULT_NONCANONICAL,
	[RANK_NONE] = AUDIT_FAULT_NONE,
};

struct finding {
	enum rank	 rank;
	const char	*why;
};

/* The first of the most important kind stays. */
static void
finding_add(struct finding *f, enum rank rank, const char *why)
{
	if (rank < f->rank) {
		f->rank = rank;
		f->why = why;
	}
}

static int
member_find(const struct audit_text *name)
{
	struct audit_text	 t;
	int			 m;

	for (m = 0; m < AUDIT_M_COUNT; m++) {
		t.p = audit_member_name(m);
		t.len = strlen(t.p);
		if (audit_json_same(&t, name))
			return m;
	}
	return -1;
}

/* The value as JSON first, then as what this member must be. */
static int
member_diagnose(struct audit_json *j, int m, struct audit_line *l,
    struct finding *f)
{
	struct audit_json	 one;
	struct audit_text	 raw;
	enum audit_fault	 fault;

	if (!audit_json_value(j, &raw))
		return 0;
	if (m == -1) {
		finding_add(f, RANK_SCHEMA, "unknown member");
		return 1;
	}
	audit_json_init(&one, raw.p, raw.len, 1);
	if (!audit_member_read(&one, m, l, &fault))
		finding_add(f, fault == AUDIT_FAULT_SCHEMA ? RANK_SCHEMA :
		    RANK_FORM, one.why);
	else if (one.p != one.end)
		finding_add(f, RANK_FORM, "value of the wrong form");
	return 1;
}

/* All members; 0 when the text is no JSON object. */
static int
members_diagnose(struct audit_json *j, struct audit_line *l,
    struct finding *f, uint32_t *seen)
{
	struct audit_text	 name;
	int			 m;

	if (!audit_json_byte(j, '{'))
		return 0;
	audit_json_space(j);
	if (audit_json_byte(j, '}'))
		return 1;
	do {
		audit_json_space(j);
		if (!audit_json_string(j, &name))
			return 0;
		audit_json_space(j);
		if (!audit_json_byte(j, ':'))
			return 0;
		m = member_find(&name);
		if (m != -1 && (*seen & 1U << m))
			finding_add(f, RANK_TWICE,
			    "member stands twice");
		if (!member_diagnose(j, m, l, f))
			return 0;
		if (m != -1)
			*seen |= 1U << m;
		audit_json_space(j);
	} while (audit_json_byte(j, ','));
	return audit_json_byte(j, '}');
}

static void
object_diagnose(struct audit_json *j, struct finding *f)
{
	const uint32_t		 all = (1U << AUDIT_M_COUNT) - 1;
	const uint32_t		 pair = 1U << AUDIT_M_NEXT_PUBLIC_KEY |
				    1U << AUDIT_M_TREE_ROOT;
	struct audit_line	 l;
	const char		*why;
	uint32_t		 seen = 0;

	memset(&l, 0, sizeof(l));
	if (!members_diagnose(j, &l, f, &seen)) {
		finding_add(f, RANK_JSON, j->why);
		return;
	}
	if (j->p != j->end)
		finding_add(f, RANK_JSON, "bytes after the object");
	if (j->dup)
		finding_add(f, RANK_TWICE, "name stands twice");
	if ((seen | pair) != all)
		finding_add(f, RANK_SCHEMA, "member missing");
	else if ((seen & pair) != 0 && (seen & pair) != pair)
		finding_add(f, RANK_SCHEMA,
		    "nextPublicKey and treeRoot go together");
	else if (f->rank == RANK_NONE && (why = audit_line_schema(&l)) != NULL)
		finding_add(f, RANK_SCHEMA, why);
	finding_add(f, RANK_SPELLING,
	    "members in another order or spelling");
}

enum audit_fault
audit_line_diagnose(const char *s, size_t len, const char **why)
{
	struct audit_json	 j;
	struct finding		 f = { RANK_NONE, "" };

	audit_json_init(&j, s, len, 1);
	if (len == 0)
		finding_add(&f, RANK_JSON, "empty line");
	else if (len > AUDIT_LINE_MAX)
		finding_add(&f, RANK_JSON, "line longer than 64 KiB");
	else if (memchr(s, '\0', len) != NULL)
		finding_add(&f, RANK_JSON, "NUL byte");
	else if (utf8_valid(s, len) != len)
		finding_add(&f, RANK_JSON, "not UTF-8");
	else
		object_diagnose(&j, &f);
	*why = f.why;
	return faults[f.rank];
}
