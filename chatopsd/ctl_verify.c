/*
 * "chatopsctl audit verify": what is known from outside the log comes from
 * the command line or from the configured folders, the rest is verify.c.
 */
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat.h"
#include "ctl.h"
#include "ctl_audit.h"
#include "monotime.h"
#include "note.h"
#include "pathnames.h"
#include "sys.h"
#include "text.h"

#define OUTSIDE_MAX	64	/* anchors, notes */

struct request {
	struct verify_options	 o;
	struct verify_result	 r;
	struct verify_anchor	 anchors[OUTSIDE_MAX + 1];
	struct verify_note	 notes[OUTSIDE_MAX];
	const char		*note_files[OUTSIDE_MAX];
	size_t			 nnote_files;
	struct note_vkey	 vkey;
	int			 has_vkey;
	const char		*db;
	struct ctl_anchor	 rows[OUTSIDE_MAX];
	int			 nrows;
	char			 db_origin[AUDIT_ORIGIN_SIZE];
	int			 json;
};

/* TAMPER, or what is not proof of anything. */
static const char *
severity(enum verify_code c)
{
	if (c <= V_TAMPER_LAST)
		return "TAMPER";
	return c >= V_STALE ? "WARNING" : "NOTICE";
}

static void
json_member(const char *name, const char *value)
{
	struct buf	 b;

	buf_init(&b, 8192);
	text_json_string(&b, value, strlen(value));
	(void)printf(",\"%s\":\"%.*s\"", name, (int)b.len,
	    b.data == NULL ? "" : (const char *)b.data);
	buf_free(&b);
}

static void
print_json(const struct verify_finding *f)
{
	(void)printf("{\"code\":\"%s\"", verify_code_name(f->code));
	json_member("severity", severity(f->code));
	if (f->file != NULL)
		json_member("file", f->file);
	if (f->line != 0)
		(void)printf(",\"line\":%llu,\"offset\":%llu",
		    (unsigned long long)f->line,
		    (unsigned long long)f->offset);
	if (f->has_seq)
		(void)printf(",\"seq\":%llu", (unsigned long long)f->seq);
	if (f->execution_id[0] != '\0')
		json_member("executionId", f->execution_id);
	json_member("text", f->text);
	(void)printf("}\n");
}

static void
on_finding(void *arg, const struct verify_finding *f)
{
	struct request	*q = arg;

	if (q->json) {
		print_json(f);
		return;
	}
	(void)printf("%s %s", severity(f->code), verify_code_name(f->code));
	if (f->file != NULL)
		(void)printf(" file=%s", ctl_safe(f->file));
	if (f->line != 0)
		(void)printf(" line=%llu offset=%llu",
		    (unsigned long long)f->line,
		    (unsigned long long)f->offset);
	if (f->has_seq)
		(void)printf(" seq=%llu", (unsigned long long)f->seq);
	if (f->execution_id[0] != '\0')
		(void)printf(" id=%s", f->execution_id);
	(void)printf(" : %s\n", ctl_safe(f->text));
}

/* SEQ:HASHHEX */
static int
add_anchor(struct request *q, const char *s)
{
	struct verify_anchor	*a;
	const char		*colon = strchr(s, ':'), *e;
	char			 number[20];

	if (q->o.nanchors == OUTSIDE_MAX) {
		warnx("more than %d anchors", OUTSIDE_MAX);
		return -1;
	}
	a = &q->anchors[q->o.nanchors];
	memset(a, 0, sizeof(*a));
	if (colon == NULL || (size_t)(colon - s) >= sizeof(number))
		goto bad;
	memcpy(number, s, colon - s);
	number[colon - s] = '\0';
	a->seq = (uint64_t)strtonum(number, 0, AUDIT_NUMBER_MAX, &e);
	a->source = "anchor";
	if (e != NULL || audit_hex_read(colon + 1, strlen(colon + 1),
	    a->hash, HASH_SIZE) == -1)
		goto bad;
	q->o.nanchors++;
	return 0;
bad:
	warnx("--anchor %s: is not SEQ:HASH with 64 hexadecimal digits in "
	    "lower case", ctl_safe(s));
	return -1;
}

static int
set_number(const char *name, const char *s, long long max, uint64_t *out)
{
	const char	*e;

	*out = (uint64_t)strtonum(s, 0, max, &e);
	if (e == NULL)
		return 0;
	warnx("%s %s: is %s", name, ctl_safe(s), e);
	return -1;
}

static int
set_genesis(struct request *q, const char *s)
{
	q->o.has_genesis = 1;
	if (audit_hex_read(s, strlen(s), q->o.genesis, HASH_SIZE) == 0)
		return 0;
	warnx("--genesis %s: is not 64 hexadecimal digits in lower case",
	    ctl_safe(s));
	return -1;
}

static int
set_log_key(struct request *q, const char *s)
{
	q->has_vkey = 1;
	if (note_vkey_parse(&q->vkey, s) == 0)
		return 0;
	warnx("--log-key %s: is no verifier key NAME+ID+KEY", ctl_safe(s));
	return -1;
}

static int
set_max_age(struct request *q, const char *s)
{
	if (duration_parse(s, &q->o.max_age_ms) == 0)
		return 0;
	warnx("--max-age %s: is no duration like 90s, 15m, 2h or 7d",
	    ctl_safe(s));
	return -1;
}

static int
add_note(struct request *q, const char *s)
{
	if (q->nnote_files == OUTSIDE_MAX) {
		warnx("more than %d notes", OUTSIDE_MAX);
		return -1;
	}
	q->note_files[q->nnote_files++] = s;
	return 0;
}

/* As many threads as processors, unless told otherwise. */
static int
set_threads(struct request *q, const char *s)
{
	uint64_t	 n;

	if (set_number("-j", s, VERIFY_THREADS_MAX, &n) == -1)
		return -1;
	q->o.threads = (unsigned int)n;
	return 0;
}

static int
set_option(struct request *q, int ch)
{
	switch (ch) {
	case 'g':
		return set_genesis(q, optarg);
	case 'a':
		return add_anchor(q, optarg);
	case 'k':
		return set_log_key(q, optarg);
	case 'n':
		return add_note(q, optarg);
	case 'p':
		warnx("--policy: this version knows no witnesses");
		return -1;
	case 'd':
		q->db = optarg;
		return 0;
	case 'f':
		q->o.fast = 1;
		return 0;
	case 's':
		return set_number("--from", optarg, AUDIT_NUMBER_MAX,
		    &q->o.from);
	case 'm':
		return set_max_age(q, optarg);
	case 'j':
		return set_threads(q, optarg);
	case 'J':
		q->json = 1;
		return 0;
	default:
		warnx("usage: chatopsctl [-f file] audit verify [--json] "
		    "[--genesis HASH] [--anchor SEQ:HASH] [--log-key VKEY] "
		    "[--note FILE] [--db FILE] [--fast] [--from SEQ] "
		    "[--max-age DURATION] [-j N] [FILE ...]");
		return -1;
	}
}

static int
read_options(struct request *q, int argc, char **argv)
{
	static const struct option	 options[] = {
		{ "genesis", required_argument, NULL, 'g' },
		{ "anchor", required_argument, NULL, 'a' },
		{ "log-key", required_argument, NULL, 'k' },
		{ "note", required_argument, NULL, 'n' },
		{ "policy", required_argument, NULL, 'p' },
		{ "db", required_argument, NULL, 'd' },
		{ "fast", no_argument, NULL, 'f' },
		{ "from", required_argument, NULL, 's' },
		{ "max-age", required_argument, NULL, 'm' },
		{ "json", no_argument, NULL, 'J' },
		{ NULL, 0, NULL, 0 }
	};
	int				 ch;

	while ((ch = getopt_long(argc, argv, "j:", options, NULL)) != -1)
		if (set_option(q, ch) == -1)
			return -1;
	return 0;
}

/*
 * Without files on the command line the daemon's own folders are meant, and
 * everything in them that vouches for the log.
 */
static void
use_conf(struct request *q, const struct conf *conf)
{
	static char	 db[CONF_PATH_SIZE + 16], note[CONF_PATH_SIZE + 16];
	char		 path[CONF_PATH_SIZE + 16], vkey[NOTE_VKEY_SIZE + 1];
	FILE		*f;

	(void)snprintf(db, sizeof(db), "%s/%s", conf->data, NAME_DATABASE);
	if (q->db == NULL && access(db, R_OK) == 0)
		q->db = db;
	(void)snprintf(path, sizeof(path), "%s/log.pub", conf->keys);
	if (!q->has_vkey && (f = fopen(path, "re")) != NULL) {
		if (fgets(vkey, sizeof(vkey), f) != NULL) {
			vkey[strcspn(vkey, "\n")] = '\0';
			q->has_vkey = note_vkey_parse(&q->vkey, vkey) == 0;
		}
		(void)fclose(f);
	}
	(void)snprintf(note, sizeof(note), "%s/checkpoint", conf->logs);
	if (q->nnote_files == 0 && access(note, R_OK) == 0)
		(void)add_note(q, note);
}

/* Before the log is looked at: the database may only lag behind it. */
static int
read_db(struct request *q)
{
	char	 why[512];

	if (q->db == NULL)
		return 0;
	q->nrows = ctl_audit_db(q->db, q->rows, OUTSIDE_MAX, why,
	    sizeof(why));
	if (q->nrows == -1) {
		warnx("%s", ctl_safe(why));
		return -1;
	}
	if (q->nrows == 0)
		warnx("%s: has no anchor yet", ctl_safe(q->db));
	return 0;
}

/* The log's name, from the first line of any file that has a good one. */
static void
peek_origin(const struct verify_file *files, int n, char *origin)
{
	static char		 line[AUDIT_LINE_MAX + 1];
	struct audit_line	 l;
	const char		*nl, *why;
	ssize_t			 got;
	int			 i;

	origin[0] = '\0';
	for (i = 0; i < n && origin[0] == '\0'; i++) {
		got = sys_pread(files[i].fd, line, sizeof(line), 0);
		if (got <= 0 || (nl = memchr(line, '\n', got)) == NULL)
			continue;
		if (audit_line_scan(line, nl - line, &l, &why) !=
		    AUDIT_FAULT_NONE)
			continue;
		memcpy(origin, l.log.p, l.log.len);
		origin[l.log.len] = '\0';
	}
}

/*
 * The row of this log.  Where the database knows only others, the newest of
 * them shall say so: the log may have been put in the place of that one.
 */
static void
use_db(struct request *q, const struct verify_file *files, int n)
{
	char	 origin[AUDIT_ORIGIN_SIZE];
	int	 i, found = 0;

	if (q->nrows <= 0)
		return;
	peek_origin(files, n, origin);
	for (i = 0; i < q->nrows; i++)
		if (strcmp(q->rows[i].origin, origin) == 0) {
			found = i;
			break;
		}
	(void)strlcpy(q->db_origin, q->rows[found].origin,
	    sizeof(q->db_origin));
	q->anchors[q->o.nanchors++] = q->rows[found].a;
}

static void
tell_note(struct request *q, enum verify_code code, const char *file,
    const char *text)
{
	struct verify_finding	 f;

	memset(&f, 0, sizeof(f));
	f.code = code;
	f.file = file;
	(void)strlcpy(f.text, text, sizeof(f.text));
	verify_tell(&q->o, &q->r, &f);
}

/* A file of at most the notes' size; -1 (told). */
static ssize_t
read_note(const char *name, char *out, size_t size)
{
	ssize_t	 n = -1;
	int	 fd;

	fd = sys_open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	if (fd != -1) {
		n = sys_read(fd, out, size);
		(void)sys_close(fd);
	}
	if (n == -1)
		warn("%s", ctl_safe(name));
	return n;
}

static int
use_notes(struct request *q)
{
	static char		 text[NOTE_SIZE_MAX + 1];
	struct verify_note	*v;
	struct note		 note;
	enum note_result	 result;
	ssize_t			 n;
	size_t			 i;

	for (i = 0; i < q->nnote_files; i++) {
		if ((n = read_note(q->note_files[i], text, sizeof(text))) == -1)
			return -1;
		result = q->has_vkey ? note_read(&note, text, (size_t)n,
		    &q->vkey) : NOTE_UNTRUSTED;
		if (result != NOTE_OK) {
			tell_note(q, result == NOTE_BAD_SIGNATURE ?
			    V_CHECKPOINT_SIGNATURE : V_CHECKPOINT_UNTRUSTED,
			    q->note_files[i],
			    result == NOTE_BAD_SIGNATURE ? "the log key's "
			    "signature does not verify" :
			    result == NOTE_FORMAT ? "is no checkpoint" :
			    q->has_vkey ? "the log key has not signed it" :
			    "no log key is known: give --log-key");
			continue;
		}
		if (strcmp(note.origin, q->vkey.name) != 0) {
			tell_note(q, V_CHECKPOINT_UNTRUSTED, q->note_files[i],
			    "speaks of another log than its key");
			continue;
		}
		v = &q->notes[q->o.nnotes++];
		v->file = q->note_files[i];
		(void)strlcpy(v->origin, note.origin, sizeof(v->origin));
		v->size = note.size;
		memcpy(v->root, note.root, HASH_SIZE);
	}
	return 0;
}

static void
print_anchored(const struct request *q)
{
	const char	*sep = q->json ? "\"" : "";
	size_t		 i, n = 0;

	(void)printf(q->json ? ",\"anchoredBy\":[" : " anchored-by=");
	for (i = 0; i < q->o.nanchors; i++)
		if (q->anchors[i].ok)
			(void)printf("%s%s%s(%llu)%s", n++ ? "," : "", sep,
			    q->anchors[i].source,
			    (unsigned long long)q->anchors[i].seq, sep);
	for (i = 0; i < q->o.nnotes; i++)
		if (q->notes[i].ok)
			(void)printf("%s%snote(%llu)%s", n++ ? "," : "", sep,
			    (unsigned long long)q->notes[i].size, sep);
	if (q->json)
		(void)printf("]");
	else if (n == 0)
		(void)printf("nothing");
}

/* What was counted beyond what was told. */
static void
print_more(const struct request *q)
{
	int	 i;

	for (i = 0; i < V_COUNT; i++) {
		if (q->r.counts[i] <= VERIFY_FINDINGS_MAX)
			continue;
		(void)printf(q->json ? "{\"code\":\"%s\",\"more\":%llu}\n" :
		    "%s : %llu more like these\n", verify_code_name(i),
		    (unsigned long long)(q->r.counts[i] -
		    VERIFY_FINDINGS_MAX));
	}
}

static void
print_result(const struct request *q, double seconds)
{
	static const char *const	 names[] = {
		[VERIFY_OK] = "ok",
		[VERIFY_TAMPER] = "tamper",
		[VERIFY_ERROR] = "error",
		[VERIFY_UNANCHORED] = "unanchored",
		[VERIFY_TORN] = "torn",
		[VERIFY_UNTRUSTED] = "untrusted",
	};
	const struct verify_result	*r = &q->r;
	char				 head[2 * HASH_SIZE + 1];
	char				 root[AUDIT_BASE64_32 + 1] = "";

	audit_hex_write(r->head, HASH_SIZE, head);
	if (r->has_root)
		audit_base64_write(r->root, HASH_SIZE, root);
	(void)printf(q->json ? "{\"result\":\"%s\",\"exit\":%d,\"lines\":%llu,"
	    "\"log\":\"%s\",\"firstSeq\":%llu,\"lastSeq\":%llu,"
	    "\"head\":\"%s\",\"root\":\"%s\",\"keyEpochs\":%llu,"
	    "\"signatures\":%llu" : "RESULT %s exit=%d lines=%llu log=%s "
	    "seq=%llu..%llu head=%s root=%s key-epochs=%llu signatures=%llu",
	    names[r->exit], r->exit, (unsigned long long)r->lines, r->origin,
	    (unsigned long long)r->first_seq,
	    (unsigned long long)r->last_seq, head, root,
	    (unsigned long long)r->key_epochs,
	    (unsigned long long)r->signatures);
	print_anchored(q);
	(void)printf(q->json ? ",\"fast\":%s,\"linesPerSecond\":%.0f}\n" :
	    " fast=%s %.0f/s\n", q->o.fast ? (q->json ? "true" : "yes") :
	    (q->json ? "false" : "no"),
	    seconds > 0 ? (double)r->lines / seconds : 0);
	if (q->o.fast && !q->json)
		(void)printf("fast: signatures of lines that hand over no key "
		    "were not checked, the chain was\n");
}

/* What only the result can tell: whose log the outside speaks of. */
static void
check_names(struct request *q)
{
	struct verify_result	*r = &q->r;
	const char		*other = NULL;

	if (q->db_origin[0] != '\0' && strcmp(q->db_origin, r->origin) != 0)
		other = q->db_origin;
	if (q->o.nnotes > 0 && strcmp(q->vkey.name, r->origin) != 0)
		other = q->vkey.name;
	if (other == NULL || r->origin[0] == '\0' || r->exit == VERIFY_ERROR)
		return;
	tell_note(q, other == q->db_origin ? V_WRONG_LOG :
	    V_CHECKPOINT_UNTRUSTED, NULL, other == q->db_origin ?
	    "the database knows another log" :
	    "the log key is that of another log");
	r->exit = VERIFY_TAMPER;
}

static int
run(struct request *q, const struct conf *conf, int argc, char **argv)
{
	struct verify_file	*files = NULL;
	monotime_t		 start;
	int			 n;

	if (argc == 0 && conf != NULL)
		use_conf(q, conf);
	if (read_db(q) == -1 ||
	    (n = ctl_audit_files(conf, argv, argc, &files)) == -1)
		return VERIFY_ERROR;
	use_db(q, files, n);
	if (use_notes(q) == -1) {
		ctl_audit_close(files, n);
		return VERIFY_ERROR;
	}
	q->o.now_ms = walltime_now().ms;
	start = monotime_now();
	(void)verify_run(&q->o, files, (size_t)n, &q->r);
	check_names(q);
	if (q->r.error[0] != '\0')
		warnx("%s", ctl_safe(q->r.error));
	print_more(q);
	print_result(q, (double)monotime_sub(monotime_now(), start) / 1000);
	ctl_audit_close(files, n);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		warn("standard output");
		return VERIFY_ERROR;
	}
	return q->r.exit;
}

int
ctl_verify(const struct conf *conf, int argc, char **argv, int json)
{
	static struct request	 q;
	long			 n;

	memset(&q, 0, sizeof(q));
	q.json = json;
	q.o.anchors = q.anchors;
	q.o.notes = q.notes;
	q.o.finding = on_finding;
	q.o.arg = &q;
	n = sysconf(_SC_NPROCESSORS_ONLN);
	if (n > 1)
		q.o.threads = n < VERIFY_THREADS_MAX ? (unsigned int)n :
		    VERIFY_THREADS_MAX;
	if (read_options(&q, argc, argv) == -1)
		return VERIFY_ERROR;
	return run(&q, conf, argc - optind, argv + optind);
}
