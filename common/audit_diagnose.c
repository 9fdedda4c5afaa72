/*
 * Why is this not a line?  Runs only on lines that the strict scanner has
 * refused, so it can never make one acceptable.
 */
#include "compat.h"

#include <string.h>

#include "audit_line.h"
#include "text.h"

struct finding {
	enum audit_fault	 fault;
	const char		*why;
};

/* The first of the most important kind stays. */
static void
finding_add(struct finding *f, enum audit_fault fault, const char *why)
{
	if (f->fault == AUDIT_FAULT_NONE || fault < f->fault) {
		f->fault = fault;
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
		finding_add(f, AUDIT_FAULT_SCHEMA, "unknown member");
		return 1;
	}
	audit_json_init(&one, raw.p, raw.len, 1);
	if (!audit_member_read(&one, m, l, &fault))
		finding_add(f, fault, one.why);
	else if (one.p != one.end)
		finding_add(f, AUDIT_FAULT_FORMAT, "value of the wrong form");
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
	do {
		audit_json_space(j);
		if (!audit_json_string(j, &name))
			return 0;
		audit_json_space(j);
		if (!audit_json_byte(j, ':'))
			return 0;
		m = member_find(&name);
		if (m != -1 && (*seen & 1U << m))
			finding_add(f, AUDIT_FAULT_DUP_KEY,
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
	uint32_t		 seen = 0;

	memset(&l, 0, sizeof(l));
	if (!members_diagnose(j, &l, f, &seen)) {
		/* not JSON at all: this outweighs whatever was found before */
		f->fault = AUDIT_FAULT_FORMAT;
		f->why = j->why;
		return;
	}
	if (j->p != j->end)
		finding_add(f, AUDIT_FAULT_FORMAT, "bytes after the object");
	if (j->dup)
		finding_add(f, AUDIT_FAULT_DUP_KEY, "name stands twice");
	if ((seen | pair) != all)
		finding_add(f, AUDIT_FAULT_SCHEMA, "member missing");
	else if ((seen & pair) != 0 && (seen & pair) != pair)
		finding_add(f, AUDIT_FAULT_SCHEMA,
		    "nextPublicKey and treeRoot go together");
	else if (f->fault == AUDIT_FAULT_NONE &&
	    (f->why = audit_line_schema(&l)) != NULL)
		f->fault = AUDIT_FAULT_SCHEMA;
	finding_add(f, AUDIT_FAULT_NONCANONICAL,
	    "members in another order or spelling");
}

enum audit_fault
audit_line_diagnose(const char *s, size_t len, const char **why)
{
	struct audit_json	 j;
	struct finding		 f = { AUDIT_FAULT_NONE, "" };

	audit_json_init(&j, s, len, 1);
	if (len == 0)
		finding_add(&f, AUDIT_FAULT_FORMAT, "empty line");
	else if (len > AUDIT_LINE_MAX)
		finding_add(&f, AUDIT_FAULT_FORMAT, "line longer than 64 KiB");
	else if (memchr(s, '\0', len) != NULL)
		finding_add(&f, AUDIT_FAULT_FORMAT, "NUL byte");
	else if (utf8_valid(s, len) != len)
		finding_add(&f, AUDIT_FAULT_FORMAT, "not UTF-8");
	else
		object_diagnose(&j, &f);
	*why = f.why;
	return f.fault;
}
