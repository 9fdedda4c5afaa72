/*
 * Lines of the audit log.  The strict scanner takes one spelling only, which
 * is the one that is written: what it takes comes out again byte by byte.
 * What it refuses gets a cause, and the diagnosis gives one, too.
 */
#include "audit_line.h"
#include "fuzz.h"
#include "text.h"

static void
check_line(char *line, size_t len, const struct audit_line *l)
{
	const char	*why;
	struct buf	 b;

	MUST(utf8_valid(line, len) == len);
	MUST(memchr(line, '\n', len) == NULL);
	buf_init(&b, len + 1);
	audit_line_emit(&b, l);
	MUST(buf_error(&b) == 0);
	MUST(b.len == len && memcmp(b.data, line, len) == 0);
	if (l->arguments.p != NULL)
		MUST(audit_json_check_object(l->arguments.p, l->arguments.len,
		    &why) == 0);
	/* Verifying restores what it wrote to. */
	(void)audit_line_verify(line, len, l);
	MUST(memcmp(b.data, line, len) == 0);
	buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct audit_line	 l;
	enum audit_fault	 fault;
	const char		*why = NULL;
	char			*line;

	if ((line = malloc(len + 1)) == NULL)
		return 0;
	memcpy(line, data, len);
	fault = audit_line_scan(line, len, &l, &why);
	if (fault == AUDIT_FAULT_NONE)
		check_line(line, len, &l);
	else {
		MUST(why != NULL && why[0] != '\0');
		why = NULL;
		fault = audit_line_diagnose(line, len, &why);
		MUST(fault != AUDIT_FAULT_NONE);
		MUST(audit_fault_name(fault)[0] != '\0');
		MUST(why != NULL && why[0] != '\0');
	}
	free(line);
	return 0;
}
