/* The names of the verifier's findings, as chatops-audit(5) has them. */
#include "compat.h"

#include "verify.h"

static const char *const	 code_names[] = {
	[V_FORMAT] =			"FORMAT",
	[V_SCHEMA] =			"SCHEMA",
	[V_DUP_KEY] =			"DUP_KEY",
	[V_NONCANONICAL] =		"NONCANONICAL",
	[V_WRONG_LOG] =			"WRONG_LOG",
	[V_GENESIS] =			"GENESIS",
	[V_HEAD_MISSING] =		"HEAD_MISSING",
	[V_SEQ_GAP] =			"SEQ_GAP",
	[V_SEQ_REPEAT] =		"SEQ_REPEAT",
	[V_CHAIN_BREAK] =		"CHAIN_BREAK",
	[V_KEY_UNEXPECTED] =		"KEY_UNEXPECTED",
	[V_KEY_INVALID] =		"KEY_INVALID",
	[V_BAD_SIGNATURE] =		"BAD_SIGNATURE",
	[V_TREE_ROOT] =			"TREE_ROOT",
	[V_SEGMENT_TORN] =		"SEGMENT_TORN",
	[V_SEGMENT_HASH] =		"SEGMENT_HASH",
	[V_ID_REUSED] =			"ID_REUSED",
	[V_RESULT_WITHOUT_INTENT] =	"RESULT_WITHOUT_INTENT",
	[V_SESSION_UNANNOUNCED] =	"SESSION_UNANNOUNCED",
	[V_TRUNCATED] =			"TRUNCATED",
	[V_FORK] =			"FORK",
	[V_CHECKPOINT_SIGNATURE] =	"CHECKPOINT_SIGNATURE",
	[V_CHECKPOINT_UNTRUSTED] =	"CHECKPOINT_UNTRUSTED",
	[V_TORN_TAIL] =			"TORN_TAIL",
	[V_UNANCHORED_TAIL] =		"UNANCHORED_TAIL",
	[V_START_UNTRUSTED] =		"START_UNTRUSTED",
	[V_STALE] =			"W_STALE",
	[V_DANGLING_INTENT] =		"W_DANGLING_INTENT",
	[V_CLOCK_BACK] =		"W_CLOCK_BACK",
};

const char *
verify_code_name(enum verify_code c)
{
	return (size_t)c < nitems(code_names) ? code_names[c] : "UNKNOWN";
}

void
verify_tell(const struct verify_options *o, struct verify_result *r,
    const struct verify_finding *f)
{
	if (r->counts[f->code]++ < VERIFY_FINDINGS_MAX)
		o->finding(o->arg, f);
}
