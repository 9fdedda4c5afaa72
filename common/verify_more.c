/* Segments, reused ids, open intents: the rarer checks of the verifier. */
#include "compat.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"
#include "verify_int.h"

#define SECOND_CHUNK	(256 * 1024)

/* The first one is told. */
void
verify_error(struct verify *v, const char *fmt, ...)
{
	va_list	 ap;

	if (v->r->error[0] != '\0')
		return;
	va_start(ap, fmt);
	(void)vsnprintf(v->r->error, sizeof(v->r->error), fmt, ap);
	va_end(ap);
}

/* A base64 string of 32 bytes among the members of detail. */
static int
detail_base64(const struct audit_text *detail, const char *name,
    uint8_t out[HASH_SIZE])
{
	struct audit_text	 value;
	char			 s[AUDIT_BASE64_32 + 1];
	int			 n;

	if (!audit_json_member(detail, name, &value) ||
	    (n = audit_json_decode_value(&value, s, sizeof(s))) == -1)
		return -1;
	return audit_base64_read(s, (size_t)n, out, HASH_SIZE);
}

static int
detail_number(const struct audit_text *detail, const char *name, uint64_t *out)
{
	struct audit_json	 j;
	struct audit_text	 value;
	int64_t			 n;

	if (!audit_json_member(detail, name, &value))
		return -1;
	audit_json_init(&j, value.p, value.len, 0);
	if (!audit_json_integer(&j, &n) || j.p != j.end || n < 0)
		return -1;
	*out = (uint64_t)n;
	return 0;
}

/* An array of base64 strings: how many, or -1. */
static int
detail_frontier(const struct audit_text *detail,
    uint8_t out[MERKLE_DEPTH][HASH_SIZE])
{
	struct audit_json	 j;
	struct audit_text	 value, s;
	int			 n = 0;

	if (!audit_json_member(detail, "frontier", &value))
		return -1;
	audit_json_init(&j, value.p, value.len, 0);
	if (!audit_json_byte(&j, '['))
		return -1;
	if (audit_json_byte(&j, ']'))
		return 0;
	do {
		if (n == MERKLE_DEPTH || !audit_json_string(&j, &s) ||
		    audit_base64_read(s.p, s.len, out[n++], HASH_SIZE) == -1)
			return -1;
	} while (audit_json_byte(&j, ','));
	return audit_json_byte(&j, ']') && j.p == j.end ? n : -1;
}

static void
segment_hash(struct verify *v, const struct audit_line *l)
{
	struct audit_text	 value;
	uint8_t			 hash[HASH_SIZE];
	char			 s[2 * HASH_SIZE + 1];
	int			 n;

	if (!audit_json_member(&l->detail, "previousSegmentSha256", &value) ||
	    (n = audit_json_decode_value(&value, s, sizeof(s))) == -1 ||
	    audit_hex_read(s, (size_t)n, hash, HASH_SIZE) == -1) {
		verify_at(v, V_SCHEMA, l, "segment-start without "
		    "previousSegmentSha256");
		return;
	}
	if (v->has_file_hash && v->line == 1 &&
	    memcmp(hash, v->file_hash, HASH_SIZE) != 0)
		verify_at(v, V_SEGMENT_HASH, l, "the file before is not the "
		    "one that was closed");
}

/*
 * A segment's first line carries the tree's state.  Where the tree is known
 * it must be the same; where the log begins here, it is taken if it agrees
 * with itself, and whoever vouches for a later line vouches for it.
 */
void
verify_segment(struct verify *v, const struct audit_line *l)
{
	struct merkle	 said;
	uint8_t		 roots[MERKLE_DEPTH][HASH_SIZE];
	uint8_t		 root[HASH_SIZE], real[HASH_SIZE];
	uint64_t	 size;
	int		 n;

	segment_hash(v, l);
	n = detail_frontier(&l->detail, roots);
	merkle_init(&said, verify_sha256);
	if (n == -1 || detail_number(&l->detail, "treeSize", &size) == -1 ||
	    detail_base64(&l->detail, "treeRoot", root) == -1) {
		verify_at(v, V_SCHEMA, l, "segment-start without treeSize, "
		    "treeRoot or frontier");
		return;
	}
	if (size != l->seq || merkle_resume(&said, size,
	    (const uint8_t (*)[MERKLE_HASH])roots, (size_t)n) == -1) {
		verify_at(v, V_TREE_ROOT, l, "frontier or treeSize does not "
		    "fit seq %llu", (unsigned long long)l->seq);
		return;
	}
	merkle_root(&said, real);
	if (memcmp(real, root, HASH_SIZE) != 0) {
		verify_at(v, V_TREE_ROOT, l, "frontier and treeRoot disagree");
		return;
	}
	if (v->has_tree) {
		merkle_root(&v->tree, real);
		if (v->tree.size != size ||
		    memcmp(real, root, HASH_SIZE) != 0)
			verify_at(v, V_TREE_ROOT, l, "treeRoot is not the "
			    "root of the lines before");
	} else if (!v->started) {
		v->tree = said;
		v->has_tree = 1;
	}
}

void
verify_suspect(struct verify *v, const struct ids_open *o)
{
	if (v->nsuspects == SUSPECTS_MAX) {
		verify_error(v, "more than %d executionIds that were perhaps "
		    "used before: verify fewer segments at once",
		    SUSPECTS_MAX);
		return;
	}
	if (v->suspects == NULL)
		v->suspects = calloc(SUSPECTS_MAX, sizeof(*v->suspects));
	if (v->suspects == NULL) {
		verify_error(v, "no memory");
		return;
	}
	v->suspects[v->nsuspects++] = *o;
}

static int
compare_suspects(const void *a, const void *b)
{
	const struct ids_open	*s = a, *t = b;
	int			 r = memcmp(s->id, t->id, 16);

	if (r != 0)
		return r;
	return s->seq < t->seq ? -1 : s->seq > t->seq;
}

/* An intent of the second pass: was one of the suspects later than this? */
static void
suspect_match(struct verify *v, const struct audit_line *l, size_t file,
    uint64_t offset)
{
	struct ids_open	*s;
	uint8_t		 id[16];
	size_t		 low = 0, high = v->nsuspects, mid;

	ids_pack(l->execution_id, id);
	while (low < high) {
		mid = low + (high - low) / 2;
		if (memcmp(v->suspects[mid].id, id, 16) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < v->nsuspects; low++) {
		s = &v->suspects[low];
		if (memcmp(s->id, id, 16) != 0)
			break;
		if (s->used != 2 && (s->file > file ||
		    (s->file == file && s->offset > offset)))
			s->used = 2;
	}
}

static void
second_pass(struct verify *v, size_t file, char *buf)
{
	const struct verify_file	*f = &v->files[file];
	struct audit_line		 l;
	const char			*why, *nl;
	uint64_t			 at = 0;
	size_t				 want;
	ssize_t				 n;

	while (at < f->size) {
		want = f->size - at < SECOND_CHUNK ? f->size - at :
		    SECOND_CHUNK;
		n = sys_pread(f->fd, buf, want, (off_t)at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			verify_error(v, "%s: %s", f->name, n == 0 ?
			    "became shorter" : strerror(errno));
			return;
		}
		for (want = 0; (nl = memchr(buf + want, '\n',
		    n - want)) != NULL; want = (size_t)(nl - buf) + 1)
			if (audit_line_scan(buf + want, nl - buf - want, &l,
			    &why) == AUDIT_FAULT_NONE &&
			    l.event == AUDIT_INTENT)
				suspect_match(v, &l, file, at + want);
		/* a line longer than the buffer is no line */
		at += want > 0 ? want : (size_t)n;
	}
}

void
verify_suspects(struct verify *v, size_t nfiles)
{
	struct ids_open	*s;
	struct audit_line l;
	char		*buf;
	size_t		 i;

	if (v->nsuspects == 0)
		return;
	if ((buf = malloc(SECOND_CHUNK)) == NULL) {
		verify_error(v, "no memory");
		return;
	}
	qsort(v->suspects, v->nsuspects, sizeof(*s), compare_suspects);
	for (i = 0; i < nfiles; i++)
		second_pass(v, i, buf);
	memset(&l, 0, sizeof(l));
	for (i = 0; i < v->nsuspects; i++) {
		s = &v->suspects[i];
		if (s->used != 2)
			continue;
		v->file = &v->files[s->file];
		v->line = s->line;
		v->offset = s->offset;
		l.seq = s->seq;
		ids_unpack(s->id, l.execution_id);
		verify_at(v, V_ID_REUSED, &l, "an earlier intent has the "
		    "same executionId");
	}
	free(buf);
}

void
verify_dangling(struct verify *v)
{
	const struct ids_open	*o;
	struct audit_line	 l;
	size_t			 i = 0;

	memset(&l, 0, sizeof(l));
	while ((o = ids_next(v->ids, &i)) != NULL) {
		v->file = &v->files[o->file];
		v->line = o->line;
		v->offset = o->offset;
		l.seq = o->seq;
		ids_unpack(o->id, l.execution_id);
		verify_at(v, V_DANGLING_INTENT, &l, "no result yet");
	}
	v->file = NULL;
	v->line = v->offset = 0;
}

void
verify_last(struct verify *v)
{
	struct audit_line	 l;
	const char		*why;

	if (audit_line_scan(v->last, v->last_len, &l, &why) !=
	    AUDIT_FAULT_NONE)
		return;
	v->r->signatures++;
	if (!audit_line_verify(v->last, v->last_len, &l))
		verify_at(v, V_BAD_SIGNATURE, &l, "signature of the last line "
		    "does not verify");
}
