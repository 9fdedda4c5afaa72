/*
 * How everything is: one text for !status and chatopsctl status.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core.h"
#include "proc.h"

/* Appends what that process is confined by, as it said itself. */
static void
confinement(const struct executor *x, enum role role, char *out, size_t size)
{
	const struct msg_process	*p = &x->processes[role];
	static const struct {
		uint32_t	 bit;
		const char	*name;
	} bits[] = {
		{ CONFINED_UID, "own user" },
		{ CONFINED_CAPS, "capabilities dropped" },
		{ CONFINED_NNP, "no new privileges" },
		{ CONFINED_LANDLOCK, "landlock" },
		{ CONFINED_SECCOMP, "seccomp" },
		{ CONFINED_DUMPABLE, "not dumpable" },
		{ CONFINED_RLIMITS, "rlimits" }
	};
	const char	*comma = " ";
	char		 pid[64];
	size_t		 i;

	if (p->pid == 0)
		return;
	(void)snprintf(pid, sizeof(pid), "%sprocess %" PRIu32 ", confined by",
	    out[0] != '\0' ? ", " : "", p->pid);
	(void)strlcat(out, pid, size);
	for (i = 0; i < nitems(bits); i++) {
		if (!(p->reached & bits[i].bit))
			continue;
		(void)strlcat(out, comma, size);
		(void)strlcat(out, bits[i].name, size);
		comma = ", ";
	}
	if (p->reached == 0)
		(void)strlcat(out, " nothing", size);
	if (p->note[0] != '\0') {
		(void)strlcat(out, "; ", size);
		(void)strlcat(out, p->note, size);
	}
}

static void
status_executor(struct executor *x,
    void (*each)(void *, const char *, const char *, const char *), void *arg)
{
	char	 text[2048], up[32];

	duration_format(monotime_sub(core_mono(x), x->started) / 1000 * 1000 +
	    1000, up, sizeof(up));
	(void)snprintf(text, sizeof(text), "version %s, up %s, allowlist "
	    "generation %" PRIu64 " with %zu scripts, %zu commands under way, "
	    "%" PRIu64 " refused", CHATOPS_VERSION, up, x->generation,
	    x->al != NULL ? x->al->n : 0, x->ncmds, x->refusals);
	confinement(x, ROLE_EXECUTOR, text, sizeof(text));
	each(arg, "executor", x->is_stopping ? "stopping" : "ok", text);
	each(arg, "confinement", x->conf->allow_unconfined ?
	    "NOT ENFORCED" : "enforced", x->conf->allow_unconfined ?
	    "allowUnconfined is set: processes may run without what this "
	    "kernel lacks, see the log" :
	    "no process runs that could not be confined");
	each(arg, "database", x->is_db_ok ? "ok" : "failing",
	    x->is_db_ok ? "" : db_error(x->db));
}

void
status_each(struct executor *x,
    void (*each)(void *, const char *, const char *, const char *), void *arg)
{
	static const char *const states[NET_STATE_COUNT] = { "down",
	    "connecting", "connected", "refused by the server" };
	char	 text[2048] = "";

	confinement(x, ROLE_PARENT, text, sizeof(text));
	each(arg, "parent", "ok", text);
	status_executor(x, each, arg);
	(void)snprintf(text, sizeof(text), "%s%sserver %s, round-trip %u ms, "
	    "clock differs by %lld ms, %" PRIu64 " answers not delivered%s",
	    x->net.why, x->net.why[0] != '\0' ? ", " : "",
	    x->net.server_version[0] != '\0' ? x->net.server_version :
	    "unknown", x->net.rtt, (long long)x->net.skew, x->undelivered,
	    x->is_xoff ? ", held back" : "");
	confinement(x, ROLE_NETWORK, text, sizeof(text));
	each(arg, "network", states[x->net.state], text);
	(void)snprintf(text, sizeof(text), "%zu of %u jobs running, %zu "
	    "waiting, %" PRIu64 " since the start", x->nrunning,
	    x->conf->max_jobs, x->nqueued, x->runs);
	confinement(x, ROLE_RUNNER, text, sizeof(text));
	each(arg, "runner", "ok", text);
	if (x->is_audit_ok)
		(void)snprintf(text, sizeof(text), "log %s, line %" PRIu64,
		    x->head.origin, x->head.seq);
	else
		(void)strlcpy(text, x->audit_why, sizeof(text));
	confinement(x, ROLE_AUDIT, text, sizeof(text));
	if (ask_oldest(x, ROLE_AUDIT) > CORE_AUDIT_SLOW_MS)
		each(arg, "audit", "not answering", text);
	else
		each(arg, "audit", x->is_audit_ok ? "ok" : "failing", text);
}
