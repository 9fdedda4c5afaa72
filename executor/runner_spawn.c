/*
 * The runner's side of a sandbox: what process 1 will need is put in order
 * first, then one clone3(2) makes it with all its namespaces, then its ids
 * are written.  See user_namespaces(7), pid_namespaces(7).
 */
#include <sys/wait.h>

#include <linux/sched.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "runner.h"
#include "sys.h"
#include "sys_linux.h"

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND	0x100000000ULL
#endif

/* And CLONE_NEWNET, where there is none ready. */
#define NAMESPACES	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | \
			    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

/* What helps against the failures that a machine's settings cause. */
static const struct {
	const char	*step;
	int		 error;
	const char	*remedy;
} remedies[] = {
	{ "clone", ENOSPC, "user.max_user_namespaces or another limit of "
	    "/proc/sys/user is 0 or used up: raise it with sysctl(8)" },
	{ "clone", EPERM, "user namespaces are forbidden here: set "
	    "kernel.unprivileged_userns_clone=1, or let the container's "
	    "seccomp profile allow clone3" },
	{ "clone", EUSERS, "namespaces are nested too deep here" },
	{ "clone", ENOSYS, "this needs Linux 5.14 or newer" },
	{ "clone", EINVAL, "this kernel was built without a kind of "
	    "namespace that this needs" },
	{ "clone", EAGAIN, "the limit of processes is reached" },
	{ "uid_map", EPERM, "a security module restricts user namespaces: "
	    "on Ubuntu set kernel.apparmor_restrict_unprivileged_userns=0 "
	    "or give chatops-executor a profile with \"userns,\"" },
	{ "private mounts", EPERM, "a security module restricts user "
	    "namespaces: on Ubuntu set kernel.apparmor_restrict_"
	    "unprivileged_userns=0 or give chatops-executor a profile with "
	    "\"userns,\"" },
	{ "private mounts", EACCES, "a security module restricts user "
	    "namespaces: on Ubuntu set kernel.apparmor_restrict_"
	    "unprivileged_userns=0 or give chatops-executor a profile with "
	    "\"userns,\"" },
	{ "proc", EPERM, "parts of /proc are covered here, as in most "
	    "containers: run the container with an unmasked /proc" },
	{ "read-only folder", ENOSYS, "this needs Linux 5.12 or newer" },
	{ "working folder", EACCES, "the script's user must be able to "
	    "search the script's folder: chmod o+x" },
	{ "exec", ENOENT, "the interpreter after #! does not exist, or the "
	    "program's loader is missing" },
	{ "exec", ENOEXEC, "the file is no program for this machine and "
	    "does not begin with #!" },
	{ "exec", EACCES, "the interpreter after #! is not executable" },
};

void
runner_spawn_explain(const struct runner_report *r, const struct runner_file *f,
    struct runner_error *e)
{
	const char	*remedy = NULL;
	size_t		 i, n;

	(void)runner_fail(e, r->step, r->error, "the sandbox of %s/%s could "
	    "not be made", f->folder, f->name);
	if (strcmp(r->step, "exec") == 0)
		(void)runner_fail(e, r->step, r->error,
		    "%s/%s could not be started", f->folder, f->name);
	for (i = 0; i < nitems(remedies); i++)
		if (strcmp(remedies[i].step, r->step) == 0 &&
		    remedies[i].error == r->error)
			remedy = remedies[i].remedy;
	if (remedy == NULL)
		return;
	n = strlen(e->text);
	(void)snprintf(e->text + n, sizeof(e->text) - n, ": %s", remedy);
}

static int
spawn_fail(const struct runner_file *f, const char *step,
    struct runner_error *e)
{
	struct runner_report	 r;

	memset(&r, 0, sizeof(r));
	r.error = errno;
	(void)strlcpy(r.step, step, sizeof(r.step));
	runner_spawn_explain(&r, f, e);
	return -1;
}

/* The environment: the seed's five, the entry's own, the run's. */

static int
env_put(struct runner_plan *p, size_t *n, const char *name, const char *value)
{
	size_t	 i, len = strlen(name);
	char	*line;

	if (asprintf(&line, "%s=%s", name, value) == -1)
		return -1;
	for (i = 0; i < *n; i++) {
		if (strncmp(p->envp[i], line, len + 1) == 0) {
			free(p->envp[i]);
			p->envp[i] = line;
			return 0;
		}
	}
	if (*n == RUNNER_ENV_MAX - 1) {
		free(line);
		errno = E2BIG;
		return -1;
	}
	p->envp[(*n)++] = line;
	return 0;
}

static int
env_make(struct runner_plan *p, const struct runner_conf *c,
    const struct script *s, const struct msg_job_start *m)
{
	char	 job[24];
	size_t	 i, n = 0;

	(void)snprintf(job, sizeof(job), "%llu", (unsigned long long)m->job);
	if (env_put(p, &n, "PATH", "/usr/bin:/bin") == -1 ||
	    env_put(p, &n, "HOME", c->home) == -1 ||
	    env_put(p, &n, "USER", c->user) == -1 ||
	    env_put(p, &n, "LANG", "en_US.UTF-8") == -1 ||
	    env_put(p, &n, "TZ", "UTC") == -1)
		return -1;
	for (i = 0; i < s->nenv; i++)
		if (env_put(p, &n, s->env_names[i], s->env_values[i]) == -1)
			return -1;
	/* Last: who asked is nothing that an entry can say. */
	if (env_put(p, &n, "CHATOPS_JOB", job) == -1 ||
	    env_put(p, &n, "CHATOPS_EXECUTION_ID", m->execution_id) == -1 ||
	    env_put(p, &n, "CHATOPS_USER_ID", m->user_id) == -1 ||
	    env_put(p, &n, "CHATOPS_USERNAME", m->username) == -1 ||
	    env_put(p, &n, "CHATOPS_CHANNEL_ID", m->channel_id) == -1)
		return -1;
	return 0;
}

static int
argv_put(struct runner_plan *p, size_t i, const char *word)
{
	p->argv[i] = strdup(word);
	return p->argv[i] == NULL ? -1 : 0;
}

/* argv[0] is the path by which it is started; each word is one element. */
static int
argv_make(struct runner_plan *p, const struct runner_file *f,
    const struct msg_job_start *m)
{
	char	 path[sizeof(RUNNER_SCRIPT_DIR) + NAME_MAX + 2];
	size_t	 i;

	(void)snprintf(path, sizeof(path), "%s/%s", RUNNER_SCRIPT_DIR,
	    f->name);
	if (argv_put(p, 0, path) == -1)
		return -1;
	for (i = 0; i < m->words.n; i++)
		if (argv_put(p, i + 1, words_get(&m->words, i)) == -1)
			return -1;
	return 0;
}

static void
close_fd(int *fd)
{
	if (*fd != -1)
		(void)sys_close(*fd);
	*fd = -1;
}

static void
plan_clear(struct runner_plan *p)
{
	size_t	 i;

	for (i = 0; i < nitems(p->argv); i++)
		free(p->argv[i]);
	for (i = 0; i < nitems(p->envp); i++)
		free(p->envp[i]);
	close_fd(&p->folder_tree);
	close_fd(&p->output);
	close_fd(&p->sync);
	memset(p, 0, sizeof(*p));
}

/* The two channels: what the script prints, and what process 1 says. */
static int
make_channels(struct runner_plan *p, struct runner_box *box,
    const struct runner_file *f, struct runner_error *e)
{
	int	 fds[2];

	if (sys_pipe2(fds, O_CLOEXEC) == -1)
		return spawn_fail(f, "output pipe", e);
	box->output = fds[0];
	p->output = fds[1];
	/* So that a script of another user can open /dev/stdout. */
	if (sys_fchmod(p->output, 0622) == -1)
		return spawn_fail(f, "output pipe", e);
	if (sys_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    fds) == -1)
		return spawn_fail(f, "channel", e);
	box->sync = p->sync_runner = fds[0];
	p->sync = fds[1];
	if (sys_fcntl(box->sync, F_SETFL, O_NONBLOCK) == -1)
		return spawn_fail(f, "channel", e);
	return 0;
}

/*
 * As root the folder is taken by its descriptor, for the script's user may
 * not be able to walk to it; as an ordinary user process 1 does it itself,
 * with the rights that it gets in its own namespace.
 */
static int
make_tree(struct runner_plan *p, const struct runner_conf *c,
    const struct runner_file *f, struct runner_error *e)
{
	if (!c->is_root)
		return 0;
	p->folder_tree = sys_open_tree(f->folder_fd, "", AT_EMPTY_PATH |
	    SYS_AT_RECURSIVE | SYS_OPEN_TREE_CLONE | O_CLOEXEC);
	if (p->folder_tree == -1)
		return spawn_fail(f, "folder", e);
	return 0;
}

/* All signals wait until process 1 has arranged itself. */
static int
make_child(struct runner_plan *p, struct runner_box *box,
    struct runner_conf *c, struct runner_error *e)
{
	struct clone_args	 args;
	sigset_t		 all, old;
	int			 pidfd = -1, saved;

	memset(&args, 0, sizeof(args));
	args.flags = NAMESPACES | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
	if (!c->has_network)
		args.flags |= CLONE_NEWNET;
	c->has_network = 0;
	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	args.exit_signal = SIGCHLD;
	(void)sigfillset(&all);
	if (sys_sigprocmask(SIG_SETMASK, &all, &old) == -1)
		return spawn_fail(p->file, "signals", e);
	box->pid = sys_clone3(&args, sizeof(args));
	if (box->pid == 0)
		runner_inside(p);
	saved = errno;
	(void)sys_sigprocmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	if (box->pid == -1)
		return spawn_fail(p->file, "clone", e);
	box->pidfd = pidfd;
	return 0;
}

int
runner_spawn(struct runner_box *box, struct runner_conf *c,
    const struct runner_file *f, const struct script *s,
    const struct msg_job_start *m, struct runner_error *e)
{
	struct runner_plan	 plan;
	int			 rc = -1;

	memset(box, 0, sizeof(*box));
	box->pid = box->pidfd = box->sync = box->output = -1;
	box->uid = c->is_root ? RUNNER_UID_FIRST +
	    (uint32_t)(m->job % RUNNER_UID_COUNT) : (uint32_t)geteuid();
	box->gid = c->is_root ? box->uid : (uint32_t)getegid();
	memset(&plan, 0, sizeof(plan));
	plan.file = f;
	plan.folder_tree = plan.output = plan.sync = plan.sync_runner = -1;
	plan.null = c->null;
	if (env_make(&plan, c, s, m) == -1) {
		(void)spawn_fail(f, "environment", e);
		goto done;
	}
	if (argv_make(&plan, f, m) == -1) {
		(void)spawn_fail(f, "arguments", e);
		goto done;
	}
	if (make_channels(&plan, box, f, e) == 0 &&
	    make_tree(&plan, c, f, e) == 0 && make_child(&plan, box, c, e) == 0)
		rc = 0;
 done:
	plan_clear(&plan);
	if (rc == -1)
		runner_box_clear(box);
	return rc;
}

void
runner_spawn_ahead(struct runner_conf *c)
{
	/* An ordinary user may not; then it is made with the rest. */
	if (c->is_root && !c->has_network && sys_unshare(CLONE_NEWNET) == 0)
		c->has_network = 1;
}

static int
write_once(int dir, const char *name, const char *text)
{
	size_t	 len = strlen(text);
	ssize_t	 n;
	int	 fd, saved;

	fd = sys_openat(dir, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	/* These files take one write(2) or none. */
	n = sys_write(fd, text, len);
	saved = n >= 0 && (size_t)n != len ? EIO : errno;
	(void)sys_close(fd);
	errno = saved;
	return n == (ssize_t)len ? 0 : -1;
}

/*
 * One id inside, one outside: never root on either side.  The folder in
 * /proc is opened once, while nobody but us can reap the process, so that
 * all files are that process's.
 */
int
runner_spawn_map(struct runner_box *box, struct runner_error *e)
{
	static const struct runner_file	 unnamed = { .name = "the script" };
	char				 text[64], path[32];
	const char			*step = "proc folder";
	int				 dir, rc = -1;

	(void)snprintf(path, sizeof(path), "/proc/%ld", (long)box->pid);
	dir = sys_open(path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (dir == -1)
		goto done;
	/* user_namespaces(7): before a gid_map without privilege. */
	step = "setgroups";
	if (write_once(dir, "setgroups", "deny") == -1)
		goto done;
	step = "uid_map";
	(void)snprintf(text, sizeof(text), "%d %lu 1\n", RUNNER_ID,
	    (unsigned long)box->uid);
	if (write_once(dir, "uid_map", text) == -1)
		goto done;
	step = "gid_map";
	(void)snprintf(text, sizeof(text), "%d %lu 1\n", RUNNER_ID,
	    (unsigned long)box->gid);
	if (write_once(dir, "gid_map", text) == -1)
		goto done;
	step = "oom_score_adj";
	if (write_once(dir, "oom_score_adj", "1000") == -1)
		goto done;
	step = "go";
	if (sys_write(box->sync, "", 1) != 1)
		goto done;
	rc = 0;
 done:
	if (rc == -1)
		(void)spawn_fail(&unnamed, step, e);
	if (dir != -1)
		(void)sys_close(dir);
	return rc;
}

int
runner_spawn_report(struct runner_box *box, struct runner_report *r)
{
	ssize_t	 n;

	do {
		n = sys_read(box->sync, r, sizeof(*r));
	} while (n == -1 && errno == EINTR);
	if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n != (ssize_t)sizeof(*r))
		return -1;
	r->step[sizeof(r->step) - 1] = '\0';
	return 1;
}

/* The child must have been reaped, or never have been. */
void
runner_box_clear(struct runner_box *box)
{
	close_fd(&box->pidfd);
	close_fd(&box->sync);
	close_fd(&box->output);
	box->pid = -1;
}
