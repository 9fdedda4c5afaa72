/* A log in a folder of its own, for tests: open, append, look. */
#ifndef CHATOPS_AUDITLIB_H
#define CHATOPS_AUDITLIB_H

#include <sys/stat.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "auditd/auditd.h"

#define AL_ACKS		4096

struct al {
	char		 dir[128];
	struct auditd	 a;
	struct msg_ack	 acks[AL_ACKS];
	uint32_t	 ids[AL_ACKS];
	size_t		 nacks;
	int		 health;
	char		 why[WHY_SIZE];
};

static inline void
al_on_ack(struct auditd *a, uint32_t id, const struct msg_ack *ack)
{
	struct al	*l = a->arg;

	if (l->nacks == AL_ACKS)
		abort();
	l->ids[l->nacks] = id;
	l->acks[l->nacks++] = *ack;
}

static inline void
al_on_health(struct auditd *a, int ok, const char *why)
{
	(void)why;
	((struct al *)a->arg)->health = ok;
}

/* A new pair of folders; in memory where there is room, for the syncs. */
static inline struct al *
al_new(void)
{
	struct al	*l = calloc(1, sizeof(*l));
	const char	*tmp = getenv("TMPDIR");
	char		 keys[160];

	if (tmp == NULL && access("/dev/shm", W_OK | X_OK) == 0)
		tmp = "/dev/shm";
	if (l == NULL || sodium_init() == -1)
		abort();
	snprintf(l->dir, sizeof(l->dir), "%s/auditXXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(l->dir) == NULL)
		abort();
	snprintf(keys, sizeof(keys), "%s/keys", l->dir);
	if (mkdir(keys, 0700) == -1)
		abort();
	return l;
}

static inline int
al_open(struct al *l)
{
	char	 keys[160];

	memset(&l->a, 0, sizeof(l->a));
	l->nacks = 0;
	l->health = 1;
	l->a.arg = l;
	l->a.on_ack = al_on_ack;
	l->a.on_health = al_on_health;
	snprintf(keys, sizeof(keys), "%s/keys", l->dir);
	l->a.log_dir = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	l->a.key_dir = open(keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	strlcpy(l->a.boot_id, "00000000-0000-4000-8000-000000000000",
	    sizeof(l->a.boot_id));
	l->why[0] = '\0';
	return audit_open(&l->a, "test.example/audit/0001", l->why,
	    sizeof(l->why));
}

static inline void
al_close(struct al *l)
{
	audit_close(&l->a);
	close(l->a.log_dir);
	close(l->a.key_dir);
}

static inline int
al_remove_one(const char *path, const struct stat *st, int flag,
    struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void
al_free(struct al *l)
{
	(void)nftw(l->dir, al_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(l);
}

static inline void
al_path(const struct al *l, const char *name, char out[256])
{
	snprintf(out, 256, "%s/%s", l->dir, name);
}

static inline char *
al_read(const struct al *l, const char *name, size_t *len)
{
	char		 path[256];
	struct stat	 st;
	char		*s;
	int		 fd;

	al_path(l, name, path);
	if ((fd = open(path, O_RDONLY)) == -1 || fstat(fd, &st) == -1 ||
	    (s = calloc(1, (size_t)st.st_size + 1)) == NULL ||
	    read(fd, s, (size_t)st.st_size) != st.st_size)
		abort();
	close(fd);
	*len = (size_t)st.st_size;
	return s;
}

static inline void
al_write(const struct al *l, const char *name, const void *p, size_t len)
{
	char	 path[256];
	int	 fd;

	al_path(l, name, path);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600)) == -1 ||
	    write(fd, p, len) != (ssize_t)len)
		abort();
	close(fd);
}

static inline void
al_id(unsigned int n, char out[UUID_SIZE])
{
	snprintf(out, UUID_SIZE, "%08x-0000-4000-8000-000000000000", n);
}

static inline void
al_intent(struct msg_append *m, unsigned int n)
{
	memset(m, 0, sizeof(*m));
	m->event = AUDIT_INTENT;
	al_id(n, m->execution_id);
	strlcpy(m->user_id, "abcdefghijklmnopqrstuvwxyz", sizeof(m->user_id));
	strlcpy(m->detail, "{\"scriptName\":\"deploy\",\"arguments\":"
	    "{\"service\":\"web\"}}", sizeof(m->detail));
}

static inline void
al_execution(struct msg_append *m, unsigned int n)
{
	memset(m, 0, sizeof(*m));
	m->event = AUDIT_EXECUTION;
	al_id(n, m->execution_id);
	strlcpy(m->user_id, "abcdefghijklmnopqrstuvwxyz", sizeof(m->user_id));
	strlcpy(m->script_name, "deploy", sizeof(m->script_name));
	strlcpy(m->arguments, "{\"service\":\"web\"}", sizeof(m->arguments));
	m->has_result = 1;
	m->success = 1;
	m->duration_ms = 12;
}

static inline void
al_denied(struct msg_append *m)
{
	memset(m, 0, sizeof(*m));
	m->event = AUDIT_DENIED;
	strlcpy(m->detail, "{\"reason\":\"permission\"}", sizeof(m->detail));
}

#endif
