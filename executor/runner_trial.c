/* One sandbox before the first one is needed. */
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "monotime.h"
#include "runner.h"
#include "sys_linux.h"

struct trial {
	struct runner_box	 box;
	struct runner_file	 file;
	struct runner_error	*e;
	int			 has_failed;
	int			 has_ended;	/* the script, with status */
	int			 status;
};

static void
trial_report(struct trial *t, const struct runner_report *r)
{
	switch (r->news) {
	case RUNNER_NEWS_MAP:
		if (runner_spawn_map(&t->box, t->e) == -1) {
			t->has_failed = 1;
			(void)sys_pidfd_send_signal(t->box.pidfd, SIGKILL);
		}
		break;
	case RUNNER_NEWS_FAILED:
		runner_spawn_explain(r, &t->file, t->e);
		t->has_failed = 1;
		break;
	case RUNNER_NEWS_EXITED:
		t->has_ended = 1;
		t->status = r->error;
		break;
	default:
		break;
	}
}

/* Reports until process 1 has ended; it is ended when its time is over. */
static void
trial_attend(struct trial *t)
{
	struct runner_report	 r;
	struct pollfd		 pfd[2];
	monotime_t		 deadline;
	int64_t			 left;
	int			 n;

	deadline = monotime_add(monotime_now(), RUNNER_SETUP_MS);
	pfd[0].fd = t->box.pidfd;
	pfd[1].fd = t->box.sync;
	pfd[0].events = pfd[1].events = POLLIN;
	do {
		left = monotime_sub(deadline, monotime_now());
		if (left <= 0 || (poll(pfd, 2, (int)left) == -1 &&
		    errno != EINTR)) {
			(void)sys_pidfd_send_signal(t->box.pidfd, SIGKILL);
			break;
		}
		while ((n = runner_spawn_report(&t->box, &r)) == 1)
			trial_report(t, &r);
		if (n == -1)
			pfd[1].fd = -1;	/* closed: its end is near */
	} while ((pfd[0].revents & POLLIN) == 0);
}

int
runner_trial(struct runner_conf *c, int base, struct runner_error *e)
{
	static const struct script		 script;
	static const struct msg_job_start	 job;	/* number 0 */
	struct trial				 t;
	int					 status, rc = -1;

	memset(&t, 0, sizeof(t));
	t.e = e;
	if (runner_check_trial(&t.file, base, e) == -1)
		return -1;
	if (runner_spawn(&t.box, c, &t.file, &script, &job, e) == -1)
		goto done;
	trial_attend(&t);
	while (sys_wait4(t.box.pid, &status, 0, NULL) == -1)
		if (errno != EINTR)
			break;
	if (t.has_ended && t.status == 0)
		rc = 0;
	else if (!t.has_failed)
		(void)runner_fail(e, "trial", 0, "a script that does nothing "
		    "did not come to its end");
	runner_box_clear(&t.box);
 done:
	runner_file_clear(&t.file);
	return rc;
}
