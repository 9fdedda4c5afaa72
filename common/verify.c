/*
 * The verifier's pass over the lines.  Every check of a line is made, also
 * after another one has failed: a reader wants to see all that is wrong.
 */
#include "compat.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "merkle.h"
#include "sys.h"
#include "verify.h"
#include "verify_int.h"

#define CHUNK		(1024 * 1024)

/* A finding at the line that is being read; l may be NULL. */
void
verify_at(struct verify *v, enum verify_code code, const struct audit_line *l,
    const char *fmt, ...)
{
	struct verify_finding	 f;
	va_list			 ap;

	memset(&f, 0, sizeof(f));
	f.code = code;
	f.file = v->file == NULL ? NULL : v->file->name;
	f.line = v->line;
	f.offset = v->offset;
	if (l != NULL) {
		f.has_seq = 1;
		f.seq = l->seq;
		(void)strlcpy(f.execution_id, l->execution_id,
		    sizeof(f.execution_id));
	}
	va_start(ap, fmt);
	(void)vsnprintf(f.text, sizeof(f.text), fmt, ap);
	va_end(ap);
	verify_tell(v->o, v->r, &f);
}

static void
check_origin(struct verify *v, const struct audit_line *l)
{
	char	*origin = v->r->origin;

	if (origin[0] == '\0') {
		/* the scanner has seen that it is one, and so fits */
		memcpy(origin, l->log.p, l->log.len);
		origin[l->log.len] = '\0';
		return;
	}
	if (strlen(origin) != l->log.len ||
	    memcmp(origin, l->log.p, l->log.len) != 0)
		verify_at(v, V_WRONG_LOG, l, "line of another log, not of %s",
		    origin);
}

/* A first line is a genesis, or a segment's first line that says where. */
static void
check_first(struct verify *v, const struct audit_line *l)
{
	static const uint8_t	 zero[HASH_SIZE];

	v->r->first_seq = l->seq;
	v->expected = l->seq;
	memcpy(v->key, l->public_key, sizeof(v->key));
	v->r->key_epochs = 1;
	if (!crypto_core_ed25519_is_valid_point(v->key))
		verify_at(v, V_KEY_INVALID, l, "publicKey is no usable point "
		    "of the curve");
	memcpy(v->session, l->session, sizeof(v->session));
	if (l->seq != 0) {
		if (v->o->has_genesis || l->event != AUDIT_SEGMENT_START)
			verify_at(v, V_HEAD_MISSING, l, "the log does not "
			    "begin with its first line but with seq %llu",
			    (unsigned long long)l->seq);
		v->has_tree = 0;
		return;
	}
	v->has_tree = 1;
	if (l->event != AUDIT_GENESIS)
		verify_at(v, V_GENESIS, l, "the first line is no genesis");
	if (memcmp(l->previous_hash, zero, HASH_SIZE) != 0)
		verify_at(v, V_CHAIN_BREAK, l, "the first line has a "
		    "previousHash");
	if (v->o->has_genesis &&
	    memcmp(v->hash, v->o->genesis, HASH_SIZE) != 0)
		verify_at(v, V_GENESIS, l, "the first line is not the one "
		    "that --genesis names");
}

static void
check_place(struct verify *v, const struct audit_line *l)
{
	if (v->resync)
		v->expected = l->seq;
	v->resync = 0;
	if (l->seq > v->expected)
		verify_at(v, V_SEQ_GAP, l, "seq %llu where %llu must be",
		    (unsigned long long)l->seq,
		    (unsigned long long)v->expected);
	else if (l->seq < v->expected)
		verify_at(v, V_SEQ_REPEAT, l, "seq %llu where %llu must be",
		    (unsigned long long)l->seq,
		    (unsigned long long)v->expected);
	if (v->r->lines > 0 &&
	    memcmp(l->previous_hash, v->r->head, HASH_SIZE) != 0)
		verify_at(v, V_CHAIN_BREAK, l, "previousHash is not the hash "
		    "of the line before");
	if (v->timestamp[0] != '\0' && strcmp(l->timestamp, v->timestamp) < 0)
		verify_at(v, V_CLOCK_BACK, l, "%s after %s", l->timestamp,
		    v->timestamp);
	memcpy(v->timestamp, l->timestamp, sizeof(v->timestamp));
}

void
verify_bad_signature(struct verify *v, uint64_t seq, const char *execution_id,
    const uint8_t key[32])
{
	struct audit_line	 l;
	char			 base64[AUDIT_BASE64_32 + 1];

	memset(&l, 0, sizeof(l));
	l.seq = seq;
	(void)strlcpy(l.execution_id, execution_id, sizeof(l.execution_id));
	audit_base64_write(key, 32, base64);
	verify_at(v, V_BAD_SIGNATURE, &l, "signature does not verify under %s",
	    base64);
}

static void
check_signature(struct verify *v, char *s, size_t len,
    const struct audit_line *l)
{
	v->r->signatures++;
	if (v->pool != NULL)
		verify_pool_add(v->pool, s, len, l);
	else if (!audit_line_verify(s, len, l))
		verify_bad_signature(v, l->seq, l->execution_id,
		    l->public_key);
}

/*
 * The key first, then the signature: some libraries verify anything under
 * some keys.  Fast mode leaves out the lines that hand over no key; the last
 * line is kept for the end.
 */
static void
check_key(struct verify *v, char *s, size_t len, const struct audit_line *l)
{
	uint8_t	 root[HASH_SIZE];

	v->last_len = 0;
	if (memcmp(l->public_key, v->key, sizeof(v->key)) != 0) {
		verify_at(v, V_KEY_UNEXPECTED, l, "signed with a key that "
		    "nobody handed over to");
		return;
	}
	if (l->seq >= v->o->from && (!v->o->fast || l->has_next))
		check_signature(v, s, len, l);
	else {
		memcpy(v->last, s, len);
		v->last_len = len;
	}
	if (!l->has_next)
		return;
	if (!crypto_core_ed25519_is_valid_point(l->next_public_key))
		verify_at(v, V_KEY_INVALID, l, "nextPublicKey is no usable "
		    "point of the curve");
	if (v->has_tree) {
		merkle_root(&v->tree, root);
		if (memcmp(root, l->tree_root, HASH_SIZE) != 0)
			verify_at(v, V_TREE_ROOT, l, "treeRoot is not the "
			    "root of the lines before");
	}
	memcpy(v->key, l->next_public_key, sizeof(v->key));
	v->r->key_epochs++;
}

static void
check_session(struct verify *v, const struct audit_line *l)
{
	if (l->event != AUDIT_SESSION_START &&
	    strcmp(l->session, v->session) != 0)
		verify_at(v, V_SESSION_UNANNOUNCED, l, "session %s began "
		    "without a session-start", l->session);
	memcpy(v->session, l->session, sizeof(v->session));
}

static void
check_pair(struct verify *v, const struct audit_line *l)
{
	struct ids_open	 o;

	if (l->event != AUDIT_INTENT && l->event != AUDIT_EXECUTION)
		return;
	memset(&o, 0, sizeof(o));
	ids_pack(l->execution_id, o.id);
	o.seq = l->seq;
	o.line = v->line;
	o.offset = v->offset;
	o.file = v->file - v->files;
	if (l->event == AUDIT_INTENT) {
		switch (ids_intent(v->ids, &o)) {
		case IDS_USED:
			verify_at(v, V_ID_REUSED, l, "this executionId is "
			    "open already");
			break;
		case IDS_MAYBE:
			verify_suspect(v, &o);
			break;
		case IDS_FULL:
			verify_error(v, "more than %d intents without a "
			    "result, or no memory", VERIFY_OPEN_MAX);
			break;
		default:
			break;
		}
		return;
	}
	switch (ids_execution(v->ids, o.id)) {
	case IDS_NONE:
		/* where the beginning is not at hand its intent may be there */
		if (v->r->first_seq == 0)
			verify_at(v, V_RESULT_WITHOUT_INTENT, l, "no intent "
			    "has this executionId");
		break;
	case IDS_USED:
		verify_at(v, V_ID_REUSED, l, "a second result of one intent");
		break;
	default:
		break;
	}
}

/* What is known from elsewhere about this line and the tree up to it. */
static void
check_outside(struct verify *v, const struct audit_line *l)
{
	struct verify_anchor	*a;
	struct verify_note	*n;
	uint8_t			 root[HASH_SIZE];
	size_t			 i;

	for (; v->next_anchor < v->o->nanchors; v->next_anchor++) {
		a = &v->o->anchors[v->next_anchor];
		if (a->seq > l->seq)
			break;
		if (a->seq < l->seq)
			continue;
		a->ok = memcmp(a->hash, v->hash, HASH_SIZE) == 0;
		if (!a->ok)
			verify_at(v, V_FORK, l, "not the line that the %s "
			    "knows under this number", a->source);
	}
	for (i = v->next_note; i < v->o->nnotes; i++) {
		n = &v->o->notes[i];
		if (!v->has_tree || n->size > v->tree.size)
			break;
		v->next_note = i + 1;
		if (n->size < v->tree.size)
			continue;
		merkle_root(&v->tree, root);
		n->ok = memcmp(root, n->root, HASH_SIZE) == 0;
		if (!n->ok)
			verify_at(v, V_FORK, l, "%s: was signed for another "
			    "history of %llu lines", n->file,
			    (unsigned long long)n->size);
	}
}

static enum verify_code
fault_code(enum audit_fault f)
{
	switch (f) {
	case AUDIT_FAULT_DUP_KEY:
		return V_DUP_KEY;
	case AUDIT_FAULT_SCHEMA:
		return V_SCHEMA;
	case AUDIT_FAULT_NONCANONICAL:
		return V_NONCANONICAL;
	default:
		return V_FORMAT;
	}
}

/* The line's hash goes on in the chain and the tree whatever it says. */
static void
line_end(struct verify *v, const struct audit_line *l)
{
	merkle_add(&v->tree, v->hash);
	memcpy(v->r->head, v->hash, HASH_SIZE);
	v->r->lines++;
	if (l != NULL) {
		v->r->last_seq = l->seq;
		check_outside(v, l);
	}
	v->expected++;
}

static void
check_line(struct verify *v, char *s, size_t len)
{
	struct audit_line	 l;
	enum audit_fault	 fault;
	const char		*why;

	if (len > AUDIT_LINE_MAX) {
		/* read in pieces: its end is not at hand */
		verify_at(v, V_FORMAT, NULL, "line longer than 64 KiB");
		v->resync = 1;
		memset(v->hash, 0, HASH_SIZE);
		line_end(v, NULL);
		return;
	}
	verify_sha256(v->hash, s, len);
	fault = audit_line_scan(s, len, &l, &why);
	if (fault != AUDIT_FAULT_NONE) {
		verify_at(v, fault_code(fault), NULL, "%s", why);
		v->resync = 1;
		line_end(v, NULL);
		return;
	}
	check_origin(v, &l);
	if (!v->started)
		check_first(v, &l);
	check_place(v, &l);
	if (l.event == AUDIT_SEGMENT_START)
		verify_segment(v, &l);
	check_key(v, s, len, &l);
	check_session(v, &l);
	check_pair(v, &l);
	v->started = 1;
	v->expected = l.seq;
	line_end(v, &l);
}

/* Read on into the buffer; 0 at the end of what is to be read, or -1. */
static ssize_t
fill(struct verify *v, const struct verify_file *f, size_t *have)
{
	uint64_t	 left = f->size - v->read;
	size_t		 want = CHUNK - *have;
	ssize_t		 n;

	if (left < want)
		want = left;
	if (want == 0)
		return 0;
	do
		n = sys_pread(f->fd, v->buf + *have, want, (off_t)v->read);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		verify_error(v, "%s: %s", f->name, strerror(errno));
	if (n > 0) {
		if (v->digest != NULL)
			verify_digest_add(v->digest, v->buf + *have, n);
		v->read += (uint64_t)n;
		*have += (size_t)n;
	}
	return n;
}

/* Lines of one file up to the last newline; what is after it is torn. */
static void
read_file(struct verify *v, struct verify_file *f, int is_last)
{
	char		*at, *nl;
	size_t		 have = 0, used;
	int		 skipping = 0;

	v->file = f;
	v->line = v->offset = v->read = 0;
	verify_digest_reset(v->digest);
	while (fill(v, f, &have) > 0) {
		used = 0;
		while ((nl = memchr(v->buf + used, '\n', have - used))
		    != NULL) {
			at = v->buf + used;
			used += (size_t)(nl - at) + 1;
			v->line++;
			check_line(v, at, skipping ? AUDIT_LINE_MAX + 1 :
			    (size_t)(nl - at));
			skipping = 0;
			v->offset = v->read - have + used;
		}
		have -= used;
		memmove(v->buf, v->buf + used, have);
		if (have > AUDIT_LINE_MAX) {
			skipping = 1;
			have = 0;
		}
	}
	if (have == 0 && !skipping)
		return;
	v->line++;
	verify_at(v, is_last ? V_TORN_TAIL : V_SEGMENT_TORN, NULL,
	    "the last line has no end");
}

/* Anchors and notes that the lines never reached. */
static void
check_reached(struct verify *v)
{
	const struct verify_options	*o = v->o;
	size_t				 i;

	v->file = NULL;
	v->line = v->offset = 0;
	for (i = v->next_anchor; i < o->nanchors; i++)
		verify_at(v, V_TRUNCATED, NULL, "the %s knows line %llu, the "
		    "log ends before it", o->anchors[i].source,
		    (unsigned long long)o->anchors[i].seq);
	for (i = v->next_note; i < o->nnotes; i++)
		if (o->notes[i].size > v->expected)
			verify_at(v, V_TRUNCATED, NULL, "%s: was signed for "
			    "%llu lines, the log has %llu", o->notes[i].file,
			    (unsigned long long)o->notes[i].size,
			    (unsigned long long)v->expected);
	if (o->has_genesis && !v->started)
		verify_at(v, V_HEAD_MISSING, NULL, "there is no first line");
}

/* How many lines something outside vouches for; trusted: for any. */
static uint64_t
covered(const struct verify *v, int *trusted)
{
	const struct verify_options	*o = v->o;
	uint64_t			 n = 0;
	size_t				 i;

	*trusted = o->has_genesis && v->started && v->r->first_seq == 0;
	for (i = 0; i < o->nanchors; i++)
		if (o->anchors[i].ok && o->anchors[i].seq >= n)
			n = o->anchors[i].seq + 1;
	for (i = 0; i < o->nnotes; i++)
		if (o->notes[i].ok && o->notes[i].size > n)
			n = o->notes[i].size;
	if (n > 0)
		*trusted = 1;
	return n;
}

static int
is_stale(const struct verify *v)
{
	walltime_t	 t;

	return v->o->max_age_ms > 0 && v->timestamp[0] != '\0' &&
	    walltime_parse(v->timestamp, &t) == 0 &&
	    t.ms < v->o->now_ms - v->o->max_age_ms;
}

static enum verify_exit
conclude(struct verify *v)
{
	const uint64_t	*counts = v->r->counts;
	uint64_t	 n;
	size_t		 i;
	int		 trusted, stale = is_stale(v);

	n = covered(v, &trusted);
	if (!trusted)
		verify_at(v, V_START_UNTRUSTED, NULL, "nothing outside the "
		    "log vouches for its beginning: give --genesis, --anchor, "
		    "--db, or --log-key with --note");
	if (n < v->expected)
		verify_at(v, V_UNANCHORED_TAIL, NULL, "nothing outside the "
		    "log vouches for its lines from seq %llu on",
		    (unsigned long long)(n > v->r->first_seq ? n :
		    v->r->first_seq));
	if (stale)
		verify_at(v, V_STALE, NULL, "the last line is of %s",
		    v->timestamp);
	if (v->r->error[0] != '\0')
		return VERIFY_ERROR;
	for (i = 0; i <= V_TAMPER_LAST; i++)
		if (counts[i] > 0)
			return VERIFY_TAMPER;
	if (!trusted)
		return VERIFY_UNTRUSTED;
	if (counts[V_TORN_TAIL] > 0)
		return VERIFY_TORN;
	return n < v->expected || stale ? VERIFY_UNANCHORED : VERIFY_OK;
}

static int
compare_files(const void *a, const void *b)
{
	const struct verify_file	*f = a, *g = b;

	return f->first_seq < g->first_seq ? -1 : f->first_seq > g->first_seq;
}

static int
compare_anchors(const void *a, const void *b)
{
	const struct verify_anchor	*f = a, *g = b;

	return f->seq < g->seq ? -1 : f->seq > g->seq;
}

static int
compare_notes(const void *a, const void *b)
{
	const struct verify_note	*f = a, *g = b;

	return f->size < g->size ? -1 : f->size > g->size;
}

/* The seq of a file's first line; one without a good line comes last. */
static void
find_first(struct verify *v, struct verify_file *f)
{
	struct audit_line	 l;
	const char		*why, *nl;
	size_t			 have = 0;

	f->first_seq = UINT64_MAX;
	v->read = 0;
	if (fill(v, f, &have) <= 0 ||
	    (nl = memchr(v->buf, '\n', have)) == NULL)
		return;
	if (audit_line_scan(v->buf, nl - v->buf, &l, &why) ==
	    AUDIT_FAULT_NONE)
		f->first_seq = l.seq;
}

static void
run_files(struct verify *v, struct verify_file *files, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		find_first(v, &files[i]);
	qsort(files, n, sizeof(*files), compare_files);
	if (v->o->nanchors > 0)
		qsort(v->o->anchors, v->o->nanchors, sizeof(*v->o->anchors),
		    compare_anchors);
	if (v->o->nnotes > 0)
		qsort(v->o->notes, v->o->nnotes, sizeof(*v->o->notes),
		    compare_notes);
	v->digest = verify_digest_new();
	for (i = 0; i < n && v->digest != NULL; i++) {
		read_file(v, &files[i], i + 1 == n);
		verify_digest_get(v->digest, v->file_hash);
		v->has_file_hash = 1;
	}
	if (v->digest == NULL)
		verify_error(v, "no memory");
	if (v->pool != NULL)
		verify_pool_drain(v->pool);
	/* fast mode: the last line's signature after all */
	if (v->last_len > 0)
		verify_last(v);
	verify_suspects(v, n);
	check_reached(v);
	verify_dangling(v);
}

enum verify_exit
verify_run(const struct verify_options *o, struct verify_file *files,
    size_t n, struct verify_result *r)
{
	struct verify	*v;
	uint64_t	 bytes = 0;
	size_t		 i;

	for (i = 0; i < n; i++)
		bytes += files[i].size;
	if ((v = calloc(1, sizeof(*v))) == NULL ||
	    (v->buf = malloc(CHUNK)) == NULL ||
	    (v->ids = ids_new(bytes)) == NULL || sodium_init() == -1 ||
	    verify_sha256_init() == -1) {
		(void)strlcpy(r->error, "no memory", sizeof(r->error));
		r->exit = VERIFY_ERROR;
		goto done;
	}
	v->o = o;
	v->r = r;
	v->files = files;
	merkle_init(&v->tree, verify_sha256);
	v->pool = verify_pool_new(v, o->threads);
	run_files(v, files, n);
	r->has_root = v->has_tree;
	if (r->has_root)
		merkle_root(&v->tree, r->root);
	r->exit = conclude(v);
done:
	if (v != NULL) {
		verify_pool_free(v->pool);
		verify_digest_free(v->digest);
		ids_free(v->ids);
		free(v->suspects);
		free(v->buf);
		free(v);
	}
	return r->exit;
}
