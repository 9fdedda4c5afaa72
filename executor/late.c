/*
 * The first admin may be made while no daemon runs, and then nobody is there
 * to sign it: the row waits with sequence 0.  At the next start it gets its
 * line in the log, and a second row with that line's number.
 */
#include <string.h>

#include "core.h"
#include "log.h"

static struct db_audit	 late_row;	/* 32 KiB: not on the stack */

static void
late_acked(struct executor *x, void *arg, const struct msg_ack *ack)
{
	int	 r;

	(void)arg;
	if (!ack->ok) {
		log_warnx("a change made while the daemon was stopped is not "
		    "in the log yet: %s", ack->error);
		return;
	}
	if ((r = db_audit_pending(x->db, &late_row)) == 1) {
		late_row.seq = ack->seq;
		memcpy(late_row.line_hash, ack->line_hash, HASH_SIZE);
		if ((r = db_begin(x->db)) == 0 &&
		    (db_audit_add(x->db, &late_row) == -1 ||
		    record_anchor(x, ack) == -1)) {
			db_rollback(x->db);
			r = -1;
		}
		if (r == 0)
			r = db_commit(x->db);
	}
	/* A line without its row would be written again and again. */
	if (r == -1)
		x->w.exit(x->w.arg, db_error(x->db));
	else
		late_start(x);
}

void
late_start(struct executor *x)
{
	struct msg_append	*m;
	int			 r;

	if ((r = db_audit_pending(x->db, &late_row)) == 0)
		return;
	if (r == -1) {
		x->w.exit(x->w.arg, db_error(x->db));
		return;
	}
	m = record_new(x, AUDIT_PERMISSION);
	(void)strlcpy(m->user_id, late_row.actor_id, sizeof(m->user_id));
	(void)strlcpy(m->detail, late_row.detail, sizeof(m->detail));
	record_send(x, late_acked, NULL);
}
