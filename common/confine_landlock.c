/*
 * Landlock(7): every right that the running kernel knows is handled, so
 * that what no rule gives is refused.  The constants are the kernel's own;
 * Debian 12's headers stop at ABI 2, so they are all written down here.
 *
 *	ABI 1 5.13 files; 2 5.19 refer; 3 6.2 truncate; 4 6.7 TCP;
 *	5 6.10 ioctl on devices; 6 6.12 abstract sockets and signals
 */
#include <sys/syscall.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "confine_linux.h"

/* The same numbers on every architecture. */
#define LL_NR_CREATE		444
#define LL_NR_ADD_RULE		445
#define LL_NR_RESTRICT		446
#define LL_CREATE_VERSION	1U
#define LL_RULE_PATH		1
#define LL_RULE_PORT		2

#define LL_FS_EXECUTE		(1ULL << 0)
#define LL_FS_WRITE_FILE	(1ULL << 1)
#define LL_FS_READ_FILE		(1ULL << 2)
#define LL_FS_READ_DIR		(1ULL << 3)
#define LL_FS_REMOVE_FILE	(1ULL << 5)
#define LL_FS_MAKE_DIR		(1ULL << 7)
#define LL_FS_MAKE_REG		(1ULL << 8)
#define LL_FS_TRUNCATE		(1ULL << 14)
#define LL_NET_CONNECT_TCP	(1ULL << 1)
#define LL_SCOPE_SIGNAL		(1ULL << 1)

/* All rights of an ABI; the last line stands for all later ones too. */
static const struct landlock_abi {
	uint64_t	 fs;
	uint64_t	 net;
	uint64_t	 scoped;
} landlock_abis[] = {
	{ 0, 0, 0 },
	{ (1ULL << 13) - 1, 0, 0 },
	{ (1ULL << 14) - 1, 0, 0 },		/* + refer */
	{ (1ULL << 15) - 1, 0, 0 },		/* + truncate */
	{ (1ULL << 15) - 1, 3, 0 },		/* + bind and connect TCP */
	{ (1ULL << 16) - 1, 3, 0 },		/* + ioctl on devices */
	{ (1ULL << 16) - 1, 3, 3 },		/* + scopes */
};

/* What the kernel reads; its size says which ABI is meant. */
struct landlock_ruleset {
	uint64_t	 fs;
	uint64_t	 net;
	uint64_t	 scoped;
};

struct landlock_path {
	uint64_t	 allowed;
	int32_t		 fd;
} __attribute__((__packed__));

struct landlock_port {
	uint64_t	 allowed;
	uint64_t	 port;
};

/* What SQLite and the log do in their own folders. */
#define LL_OWN_FOLDER	(LL_FS_READ_FILE | LL_FS_WRITE_FILE | \
			    LL_FS_READ_DIR | LL_FS_MAKE_REG | \
			    LL_FS_REMOVE_FILE | LL_FS_TRUNCATE)

static int
landlock_add_folder(int ruleset, int fd, uint64_t rights, uint64_t handled)
{
	struct landlock_path	 p;

	memset(&p, 0, sizeof(p));
	p.allowed = rights & handled;
	p.fd = fd;
	if (fd <= STDERR_FILENO)
		return 0;	/* none was given */
	return (int)syscall(LL_NR_ADD_RULE, ruleset, LL_RULE_PATH, &p, 0);
}

static int
landlock_add_port(int ruleset, uint16_t port)
{
	struct landlock_port	 p;

	memset(&p, 0, sizeof(p));
	p.allowed = LL_NET_CONNECT_TCP;
	p.port = port;
	return (int)syscall(LL_NR_ADD_RULE, ruleset, LL_RULE_PORT, &p, 0);
}

static int
landlock_add_rules(int ruleset, enum role role, const struct confine_paths *c,
    const struct landlock_abi *a)
{
	size_t	 i;
	int	 rc = 0;

	switch (role) {
	case ROLE_PARENT:
		/* The allowlist is opened again on a reload. */
		rc |= landlock_add_folder(ruleset, c->allow_dir,
		    LL_FS_READ_FILE | LL_FS_READ_DIR, a->fs);
		/* Control socket and lock go at the end. */
		rc |= landlock_add_folder(ruleset, c->run_dir,
		    LL_FS_REMOVE_FILE, a->fs);
		break;
	case ROLE_NETWORK:
		/* The server's port, and DNS over TCP where it is given. */
		for (i = 0; i < nitems(c->tcp_ports); i++)
			if (c->tcp_ports[i] != 0 && a->net != 0)
				rc |= landlock_add_port(ruleset,
				    c->tcp_ports[i]);
		break;
	case ROLE_EXECUTOR:
		/* The database and its write-ahead log. */
		rc |= landlock_add_folder(ruleset, c->data_dir,
		    LL_OWN_FOLDER, a->fs);
		break;
	case ROLE_AUDIT:
		/* Log, segments, quarantine/; keys are made at the start. */
		rc |= landlock_add_folder(ruleset, c->log_dir,
		    LL_OWN_FOLDER | LL_FS_MAKE_DIR, a->fs);
		rc |= landlock_add_folder(ruleset, c->key_dir,
		    LL_OWN_FOLDER, a->fs);
		break;
	default:
		break;
	}
	return rc == 0 ? 0 : -1;
}

static int
landlock_restrict(enum role role, const struct confine_paths *c,
    const struct landlock_abi *a, size_t size, const char **step)
{
	struct landlock_ruleset	 r;
	int			 fd, saved, rc = -1;

	r.fs = a->fs;
	r.net = a->net;
	r.scoped = a->scoped;
	*step = "landlock: new ruleset";
	fd = (int)syscall(LL_NR_CREATE, &r, size, 0);
	if (fd == -1)
		return -1;
	*step = "landlock: rule";
	if (landlock_add_rules(fd, role, c, a) == -1)
		goto done;
	*step = "landlock: restrict";
	rc = (int)syscall(LL_NR_RESTRICT, fd, 0);
 done:
	saved = errno;
	(void)close(fd);
	errno = saved;
	return rc;
}

/*
 * The runner mounts, which a domain with file rights forbids for good, and
 * its domain is inherited by the scripts: it takes network and scopes only.
 */
int
confine_landlock(enum role role, const struct confine_paths *c, uint32_t *abi,
    const char **step)
{
	struct landlock_abi	 a;
	size_t			 size;
	long			 n;

	*step = "landlock: version";
	n = syscall(LL_NR_CREATE, NULL, 0, LL_CREATE_VERSION);
	if (n == -1 && (errno == ENOSYS || errno == EOPNOTSUPP))
		return 1;
	if (n <= 0)
		return -1;
	*abi = (uint32_t)n;
	a = landlock_abis[n < (long)nitems(landlock_abis) ? n :
	    (long)nitems(landlock_abis) - 1];
	/* The parent ends children that began before it was confined. */
	if (role == ROLE_PARENT)
		a.scoped &= ~LL_SCOPE_SIGNAL;
	if (role == ROLE_RUNNER) {
		a.fs = 0;
		if (a.net == 0 && a.scoped == 0)
			return 1;
	}
	/* An older kernel insists on zeroes past the end of what it knows. */
	size = n >= 6 ? 24 : n >= 4 ? 16 : 8;
	return landlock_restrict(role, c, &a, size, step);
}
