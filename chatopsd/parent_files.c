/*
 * Files and folders of the daemon.  The parent opens and checks each one
 * before any child exists; the children get descriptors and open nothing by
 * name, except in their own folder.
 */
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "parent_files.h"
#include "parent_lock.h"
#include "parent_users.h"
#include "pathnames.h"
#include "sys.h"

/* Below this the log and the database could not even begin. */
#define SPACE_MIN	(1024 * 1024ULL)

/* The system's authorities: Debian's place, then Red Hat's. */
static const char *const bundles[] = { PATH_CA_DEBIAN, PATH_CA_REDHAT };

static const struct {
	enum file_kind	 kind;
	enum role	 owner;
	const char	*member;
} folders[] = {
	{ FILE_DATA_DIR,	ROLE_EXECUTOR,	"paths.data" },
	{ FILE_LOG_DIR,		ROLE_AUDIT,	"paths.logs" },
	/* After the logs: by default it is inside. */
	{ FILE_KEY_DIR,		ROLE_AUDIT,	"paths.keys" },
};

static const char *
folder_path(const struct conf *conf, enum file_kind kind)
{
	switch (kind) {
	case FILE_DATA_DIR:
		return conf->data;
	case FILE_LOG_DIR:
		return conf->logs;
	default:
		return conf->keys;
	}
}

static int
make_absolute(char *out, size_t size, const char *path)
{
	char	 cwd[PATH_MAX];
	int	 n;

	if (path[0] == '/')
		n = snprintf(out, size, "%s", path);
	else if (getcwd(cwd, sizeof(cwd)) == NULL)
		return -1;
	else
		n = snprintf(out, size, "%s/%s", cwd, path);
	if (n < 0 || (size_t)n >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

int
files_load(struct parent_files *pf, const char *path, struct findings *f)
{
	struct safe_error	 e;
	struct json_error	 je;
	size_t			 i;
	int			 fd;

	memset(pf, 0, sizeof(*pf));
	pf->lock = pf->run_dir = pf->allow_dir = -1;
	for (i = 0; i < FILE_COUNT; i++)
		pf->fd[i] = -1;
	if (make_absolute(pf->path, sizeof(pf->path), path) == -1) {
		findings_add(f, "%s: %s", path, strerror(errno));
		return -1;
	}
	fd = safe_open(pf->path, SAFE_PRIVATE, SAFE_NOBODY, &e);
	if (fd == -1) {
		findings_add_at(f, NULL, "configuration", &e);
		return -1;
	}
	(void)sys_close(fd);
	if (conf_load(&pf->conf, pf->path, 1, &je) == -1) {
		findings_add_json(f, &je);
		return -1;
	}
	return users_resolve(&pf->conf, pf->user, f);
}

static void
check_space(const char *member, int fd, const struct json_file *where,
    const char *path, struct findings *f)
{
	struct statvfs		 st;
	struct safe_error	 e;
	unsigned long long	 left;

	/* Some file systems do not count (f_blocks is 0). */
	if (sys_fstatvfs(fd, &st) == -1 || st.f_blocks == 0)
		return;
	left = (unsigned long long)st.f_bavail * st.f_frsize;
	if (left >= SPACE_MIN)
		return;
	memset(&e, 0, sizeof(e));
	(void)snprintf(e.text, sizeof(e.text), "%s: only %llu KiB are left "
	    "on that disk", path, left / 1024);
	(void)strlcpy(e.remedy, "make room", sizeof(e.remedy));
	findings_add_at(f, where, member, &e);
}

/* One folder of a process; make: it comes into being where missing. */
static int
open_folder(struct parent_files *pf, size_t i, int make,
    const struct json_file *where, struct findings *f)
{
	const struct parent_user	*u = &pf->user[folders[i].owner];
	const char			*path;
	struct safe_error		 e;
	int				 fd;

	path = folder_path(&pf->conf, folders[i].kind);
	fd = safe_folder(path, 0700, u->uid, u->gid, u->uid, make, &e);
	if (fd != -1)
		check_space(folders[i].member, fd, where, path, f);
	else if (make || e.error != ENOENT)
		findings_add_at(f, where, folders[i].member, &e);
	return fd;
}

/*
 * What a process keeps in its own folder, where it is there already: it
 * opens it by name, does not follow links, and must be able to write it.
 */
static void
check_kept(const struct parent_files *pf, size_t i, int dir,
    const struct json_file *where, struct findings *f)
{
	uid_t			 uid = pf->user[folders[i].owner].uid;
	const char		*path, *name;
	struct stat		 st;
	struct safe_error	 e;

	name = folders[i].kind == FILE_DATA_DIR ? NAME_DATABASE :
	    folders[i].kind == FILE_LOG_DIR ? NAME_AUDIT_LOG : NULL;
	if (name == NULL)
		return;
	memset(&e, 0, sizeof(e));
	path = folder_path(&pf->conf, folders[i].kind);
	if (sys_fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1) {
		if (errno == ENOENT)
			return;
		(void)snprintf(e.text, sizeof(e.text), "%s/%s: %s", path, name,
		    strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		(void)snprintf(e.text, sizeof(e.text), "%s/%s: is %s", path,
		    name, S_ISLNK(st.st_mode) ? "a symbolic link" :
		    "no regular file");
		(void)snprintf(e.remedy, sizeof(e.remedy), "put the file "
		    "itself there, or name the folder that has it in %s",
		    folders[i].member);
	} else if (st.st_uid != uid || (st.st_mode & 0600) != 0600) {
		(void)snprintf(e.text, sizeof(e.text), "%s/%s: its owner, who "
		    "must be user %lu, may not write it", path, name,
		    (unsigned long)uid);
		(void)snprintf(e.remedy, sizeof(e.remedy), "chown %lu %s/%s, "
		    "chmod u+rw %s/%s", (unsigned long)uid, path, name, path,
		    name);
	}
	if (e.text[0] != '\0')
		findings_add_at(f, where, folders[i].member, &e);
}

static int
check_file(const char *path, int flags, const char *member,
    const struct json_file *where, struct findings *f)
{
	struct safe_error	 e;
	int			 fd;

	fd = safe_open(path, flags, SAFE_NOBODY, &e);
	if (fd == -1) {
		findings_add_at(f, where, member, &e);
		return -1;
	}
	(void)sys_close(fd);
	return 0;
}

/*
 * Once more, for the places of what is found; conf_load() has accepted it.
 */
static void
load_places(const char *path, struct json_file *file)
{
	struct safe_error	 e;
	struct json_error	 je;
	int			 fd;

	memset(file, 0, sizeof(*file));
	fd = safe_open(path, SAFE_PRIVATE, SAFE_NOBODY, &e);
	if (fd == -1)
		return;
	if (json_file_read(file, path, fd, &je) == -1)
		memset(file, 0, sizeof(*file));
	(void)sys_close(fd);
}

int
files_check(struct parent_files *pf, struct findings *f)
{
	const struct conf	*conf = &pf->conf;
	struct json_file	 file;
	struct safe_error	 e;
	struct json_file	*where;
	size_t			 i;
	int			 fd, r;

	load_places(pf->path, &file);
	where = file.text != NULL ? &file : NULL;
	if (conf->token_file[0] != '\0')
		(void)check_file(conf->token_file, SAFE_PRIVATE,
		    "mattermost.tokenFile", where, f);
	if (conf->ca_file[0] != '\0')
		(void)check_file(conf->ca_file, SAFE_FOLLOW,
		    "mattermost.caFile", where, f);
	(void)check_file(conf->base, SAFE_DIR | SAFE_FOLLOW, "paths.base",
	    where, f);
	r = check_file(conf->allowlist, 0, "paths.allowlist", where, f);
	for (i = 0; i < nitems(folders); i++) {
		fd = open_folder(pf, i, 0, where, f);
		if (fd == -1)
			continue;
		check_kept(pf, i, fd, where, f);
		(void)sys_close(fd);
	}
	fd = safe_folder(conf->run, 0755, geteuid(), getegid(), SAFE_NOBODY,
	    0, &e);
	if (fd != -1)
		(void)sys_close(fd);
	else if (e.error != ENOENT)
		findings_add_at(f, where, "paths.run", &e);
	if (where != NULL)
		json_file_free(&file);
	return r;
}

/* The folder in which editors put the next version of that file. */
static int
open_allow_dir(const char *path)
{
	char	 dir[CONF_PATH_SIZE];
	char	*slash;

	(void)strlcpy(dir, path, sizeof(dir));
	if ((slash = strrchr(dir, '/')) == NULL)
		return -1;
	slash[slash == dir] = '\0';
	return sys_open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
}

static void
open_optional(struct parent_files *pf)
{
	size_t	 i;

	for (i = 0; i < nitems(bundles) && pf->fd[FILE_CA_SYSTEM] == -1; i++)
		pf->fd[FILE_CA_SYSTEM] = sys_open(bundles[i],
		    O_RDONLY | O_CLOEXEC, 0);
	/* Readable by everybody and of no weight: no check of owners. */
	pf->fd[FILE_RESOLV] = sys_open(PATH_RESOLV_CONF,
	    O_RDONLY | O_CLOEXEC, 0);
	pf->fd[FILE_HOSTS] = sys_open(PATH_HOSTS, O_RDONLY | O_CLOEXEC, 0);
}

static void
open_checked(struct parent_files *pf, enum file_kind kind, const char *path,
    int flags, const char *member, struct findings *f)
{
	struct safe_error	 e;

	pf->fd[kind] = safe_open(path, flags, SAFE_NOBODY, &e);
	if (pf->fd[kind] == -1)
		findings_add_at(f, NULL, member, &e);
}

int
files_open(struct parent_files *pf, struct findings *f)
{
	struct safe_error	 e;
	size_t			 i, before = f->n;

	pf->run_dir = safe_folder(pf->conf.run, 0755, geteuid(), getegid(),
	    SAFE_NOBODY, 1, &e);
	if (pf->run_dir == -1) {
		findings_add_at(f, NULL, "paths.run", &e);
		return -1;
	}
	/* Nothing is made or changed before we are the only one. */
	pf->lock = lock_take(pf->run_dir, pf->conf.run, f);
	if (pf->lock == -1)
		return -1;
	for (i = 0; i < nitems(folders); i++)
		pf->fd[folders[i].kind] = open_folder(pf, i, 1, NULL, f);
	open_checked(pf, FILE_BASE_DIR, pf->conf.base, SAFE_DIR | SAFE_FOLLOW,
	    "paths.base", f);
	if (pf->conf.ca_file[0] != '\0')
		open_checked(pf, FILE_CA, pf->conf.ca_file, SAFE_FOLLOW,
		    "mattermost.caFile", f);
	open_optional(pf);
	pf->allow_dir = open_allow_dir(pf->conf.allowlist);
	if (f->n == before)
		pf->fd[FILE_CONTROL] = control_open(pf->run_dir, pf->conf.run,
		    f);
	return f->n == before ? 0 : -1;
}

/* A sealed file in memory: who has it cannot change it for another. */
static int
memfd_of(const char *name, const char *text)
{
	size_t	 len = strlen(text), done = 0;
	ssize_t	 n;
	int	 fd;

	fd = sys_memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1)
		return -1;
	/* At an offset, so that the reader begins at the start. */
	while (done < len) {
		n = sys_pwrite(fd, text + done, len - done, (off_t)done);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			goto fail;
		done += (size_t)n;
	}
	if (sys_fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK |
	    F_SEAL_GROW | F_SEAL_WRITE) == -1)
		goto fail;
	return fd;
fail:
	(void)sys_close(fd);
	return -1;
}

static int
take_conf(const struct parent_files *pf)
{
	char	*text;
	int	 fd;

	if ((text = conf_dump(&pf->conf)) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	fd = memfd_of("conf", text);
	free(text);
	return fd;
}

int
files_take(struct parent_files *pf, enum file_kind kind, char *why,
    size_t whylen)
{
	struct safe_error	 e;
	int			 fd;

	why[0] = '\0';
	switch (kind) {
	case FILE_CONF:
		fd = take_conf(pf);
		break;
	case FILE_TOKEN:
		fd = memfd_of("token", pf->conf.token);
		break;
	case FILE_ALLOWLIST:
		/* A description of its own for each: they share no offset. */
		fd = safe_open(pf->conf.allowlist, 0, SAFE_NOBODY, &e);
		if (fd == -1)
			(void)snprintf(why, whylen, "%s%s%s", e.text,
			    e.remedy[0] != '\0' ? "; remedy: " : "",
			    e.remedy);
		return fd;
	default:
		fd = pf->fd[kind];
		pf->fd[kind] = -1;
		return fd;
	}
	if (fd == -1)
		(void)snprintf(why, whylen, "%s: %s", file_kind_name(kind),
		    strerror(errno));
	return fd;
}

void
files_wipe_token(struct parent_files *pf)
{
	explicit_bzero(pf->conf.token, sizeof(pf->conf.token));
}

void
files_close(struct parent_files *pf)
{
	size_t	 i;

	for (i = 0; i < FILE_COUNT; i++) {
		if (pf->fd[i] != -1)
			(void)sys_close(pf->fd[i]);
		pf->fd[i] = -1;
	}
	files_wipe_token(pf);
}

void
files_remove_socket(struct parent_files *pf)
{
	if (pf->run_dir != -1)
		(void)sys_unlinkat(pf->run_dir, NAME_CONTROL, 0);
}
