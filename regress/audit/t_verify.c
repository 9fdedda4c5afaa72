/*
 * The verifier against tampering: what an editor without keys does, what a
 * thief of keys does, what a disk does.  The model's log, whose seeds are
 * known, is changed line by line and where it says so signed again.
 */
#include <sys/mman.h>

#include <unistd.h>

#include "test.h"

#include "compat.h"
#include "merkle.h"
#include "note.h"
#include "vectors.h"
#include "verify.h"

#define MAX_LINES	24
#define NEXT		15	/* the last line hands over to key 5 */

/* A log under the knife: whole lines, cut into files where it says so. */
struct copy {
	char	*lines[MAX_LINES];
	size_t	 n;
	size_t	 cuts[4];	/* a file begins at this line; 0 ends */
	size_t	 chop;		/* bytes off the end of the last file */
	char	*tail;		/* bytes after it */
	size_t	 tail_len;
};

/* What is known from outside. */
struct outside {
	int	 genesis;	/* the model's is pinned */
	int	 anchor;	/* 1: the model's; 2: the copy's own last */
	int	 note;		/* the model's of 16 lines */
	int	 fast;
	unsigned int threads;
};

static const struct outside	 all = { 1, 1, 0, 0, 0 };
static const struct outside	 pinned = { 1, 0, 0, 0, 0 };
static const struct outside	 nothing = { 0, 0, 0, 0, 0 };
static const struct outside	 noted = { 0, 0, 1, 0, 0 };
static const struct outside	 own = { 1, 2, 0, 0, 0 };

static struct verify_result	 result;
static char			*original[VECTOR_LINES];
static uint8_t			 keys[6][64];

static void
load(void)
{
	uint8_t	 seed[32], pk[32];
	size_t	 i;

	if (original[0] != NULL)
		return;
	if (sodium_init() == -1 || verify_sha256_init() == -1 ||
	    vector_lines(original) != VECTOR_LINES)
		exit(1);
	for (i = 0; i < 6; i++) {
		audit_hex_read(vector_seeds[i], 64, seed, 32);
		crypto_sign_seed_keypair(pk, keys[i], seed);
	}
}

static struct copy
fresh(void)
{
	struct copy	 c;
	size_t		 i;

	load();
	memset(&c, 0, sizeof(c));
	for (i = 0; i < VECTOR_LINES; i++)
		c.lines[c.n++] = strdup(original[i]);
	c.cuts[0] = 10;
	return c;
}

static void
discard(struct copy *c)
{
	size_t	 i;

	for (i = 0; i < c->n; i++)
		free(c->lines[i]);
	free(c->tail);
	memset(c, 0, sizeof(*c));
}

static void
delete(struct copy *c, size_t i)
{
	free(c->lines[i]);
	memmove(c->lines + i, c->lines + i + 1,
	    (--c->n - i) * sizeof(*c->lines));
}

static void
insert(struct copy *c, size_t i, const char *line)
{
	memmove(c->lines + i + 1, c->lines + i,
	    (c->n++ - i) * sizeof(*c->lines));
	c->lines[i] = strdup(line);
}

/* The first `from` of a line becomes `to`. */
static void
edit(struct copy *c, size_t i, const char *from, const char *to)
{
	char	*at = strstr(c->lines[i], from), *s;

	if (at == NULL || asprintf(&s, "%.*s%s%s",
	    (int)(at - c->lines[i]), c->lines[i], to,
	    at + strlen(from)) == -1) {
		fprintf(stderr, "line %zu has no %s\n", i, from);
		exit(1);
	}
	free(c->lines[i]);
	c->lines[i] = s;
}

static void
hash_line(const char *s, uint8_t hash[32])
{
	crypto_hash_sha256(hash, (const uint8_t *)s, strlen(s));
}

/*
 * Sign a line again, with its own fields, after the one that stands before
 * it now; key -1 keeps the key that it names.
 */
static void
resign(struct copy *c, size_t i, int key)
{
	struct audit_line	 l;
	struct buf		 b;
	const char		*why;
	uint8_t			 sig[64];
	int			 k;

	if (audit_line_scan(c->lines[i], strlen(c->lines[i]), &l, &why) !=
	    AUDIT_FAULT_NONE) {
		fprintf(stderr, "line %zu: %s\n", i, why);
		exit(1);
	}
	for (k = 0; key == -1 && k < 6; k++)
		if (memcmp(keys[k] + 32, l.public_key, 32) == 0)
			key = k;
	memcpy(l.public_key, keys[key] + 32, 32);
	if (i > 0)
		hash_line(c->lines[i - 1], l.previous_hash);
	buf_init(&b, AUDIT_LINE_MAX);
	audit_line_emit_head(&b, &l);
	audit_line_emit_body(&b, &l);
	audit_line_emit_tail(&b, &l);
	crypto_sign_detached(sig, NULL, b.data, b.len, keys[key]);
	audit_line_seal(&b, sig);
	buf_put(&b, "", 1);
	free(c->lines[i]);
	c->lines[i] = strdup((char *)b.data);
	buf_free(&b);
}

/* From line i on: tree roots, hashes, signatures, all as an insider would. */
static void
resign_all(struct copy *c, size_t i, int key)
{
	struct merkle	 m;
	uint8_t		 hash[32], root[32];
	char		*at, base64[45];
	size_t		 n;

	merkle_init(&m, verify_sha256);
	for (n = 0; n < c->n; n++) {
		if (n >= i) {
			at = strstr(c->lines[n], ",\"treeRoot\":\"");
			if (at != NULL) {
				merkle_root(&m, root);
				audit_base64_write(root, 32, base64);
				memcpy(at + 13, base64, 44);
			}
			resign(c, n, key);
		}
		hash_line(c->lines[n], hash);
		merkle_add(&m, hash);
	}
}

static void
ignore(void *arg, const struct verify_finding *f)
{
	(void)arg;
	(void)f;
}

static int
file_of(const struct copy *c, size_t from, size_t to, uint64_t *size)
{
	int	 fd = memfd_create("log", MFD_CLOEXEC);
	size_t	 i;

	for (i = from; i < to; i++)
		if (write(fd, c->lines[i], strlen(c->lines[i])) == -1 ||
		    write(fd, "\n", 1) == -1)
			exit(1);
	*size = (uint64_t)lseek(fd, 0, SEEK_END);
	if (to == c->n) {
		if (c->tail_len > 0 && write(fd, c->tail, c->tail_len) == -1)
			exit(1);
		*size += c->tail_len;
		*size -= c->chop;
		if (ftruncate(fd, (off_t)*size) == -1)
			exit(1);
	}
	return fd;
}

static void
outside_set(struct verify_options *o, const struct outside *k,
    const struct copy *c, struct verify_anchor *a, struct verify_note *n)
{
	memset(o, 0, sizeof(*o));
	memset(a, 0, sizeof(*a));
	memset(n, 0, sizeof(*n));
	o->finding = ignore;
	o->anchors = a;
	o->notes = n;
	o->fast = k->fast;
	o->threads = k->threads;
	o->has_genesis = k->genesis;
	audit_hex_read(VECTOR_GENESIS, 64, o->genesis, 32);
	if (k->anchor) {
		o->nanchors = 1;
		a->source = "anchor";
		a->seq = 15;
		audit_hex_read(&VECTOR_ANCHOR[3], 64, a->hash, 32);
	}
	if (k->anchor == 2) {
		a->seq = c->n - 1;
		hash_line(c->lines[c->n - 1], a->hash);
	}
	if (k->note) {
		o->nnotes = 1;
		n->file = "note";
		n->size = 16;
		audit_base64_read(VECTOR_ROOT, 44, n->root, 32);
	}
}

static int
run(const struct copy *c, const struct outside *k)
{
	struct verify_options	 o;
	struct verify_anchor	 a;
	struct verify_note	 note;
	struct verify_file	 files[5];
	size_t			 i, n = 0, from = 0, to;

	memset(files, 0, sizeof(files));
	for (i = 0; from < c->n || i == 0; i++) {
		to = i < 4 && c->cuts[i] != 0 && c->cuts[i] < c->n ?
		    c->cuts[i] : c->n;
		files[n].name = "log";
		files[n].fd = file_of(c, from, to, &files[n].size);
		n++;
		from = to;
	}
	outside_set(&o, k, c, &a, &note);
	memset(&result, 0, sizeof(result));
	verify_run(&o, files, n, &result);
	for (i = 0; i < n; i++)
		close(files[i].fd);
	return (int)result.exit;
}

/*
 * Exit status and code, in full, in fast mode and with threads, then the
 * copy is gone.
 */
static void
want_at(int line, struct copy *c, const struct outside *k, int exit_status,
    int code)
{
	struct outside	 f = *k;
	int		 i, got, before = test_bad;

	for (f.fast = 0; f.fast < 3; f.fast++) {
		f.threads = f.fast == 2 ? 3 : 0;
		f.fast %= 2;
		got = run(c, &f);
		f.fast = f.threads == 3 ? 2 : f.fast;
		CHECK_INT(got, exit_status);
		if (code != -1)
			CHECK(result.counts[code] > 0);
		if (test_bad == before)
			continue;
		fprintf(stderr, "from line %d, fast %d, found:", line,
		    f.fast);
		for (i = 0; i < V_COUNT; i++)
			if (result.counts[i] > 0)
				fprintf(stderr, " %s", verify_code_name(i));
		fprintf(stderr, "\n");
		break;
	}
	discard(c);
}
#define WANT(c, k, e, code)	want_at(__LINE__, (c), (k), (e), (code))

TEST(expectations_of_the_vectors)
{
	struct copy	 c;

	c = fresh();
	WANT(&c, &all, VERIFY_OK, -1);
	c = fresh();
	WANT(&c, &noted, VERIFY_OK, -1);
	CHECK_INT(result.lines, 16);
	CHECK_INT(result.key_epochs, 5);
	c = fresh();
	WANT(&c, &pinned, VERIFY_UNANCHORED, V_UNANCHORED_TAIL);
	c = fresh();
	while (c.n > 6)
		delete(&c, 0);
	c.cuts[0] = 0;
	WANT(&c, &nothing, VERIFY_UNTRUSTED, V_START_UNTRUSTED);
	c = fresh();
	c.cuts[0] = 0;	/* in one file */
	WANT(&c, &all, VERIFY_OK, -1);
}

/* An ordinary line's signature is what fast mode leaves to the chain. */
static void
byte_edit(const char *from, const char *to)
{
	struct copy	 c = fresh();
	struct outside	 f = all;

	edit(&c, 9, from, to);
	CHECK_INT(run(&c, &all), VERIFY_TAMPER);
	CHECK(result.counts[V_BAD_SIGNATURE] > 0);
	CHECK(result.counts[V_CHAIN_BREAK] > 0);	/* the next line */
	f.fast = 1;
	CHECK_INT(run(&c, &f), VERIFY_TAMPER);
	CHECK(result.counts[V_CHAIN_BREAK] > 0);
	discard(&c);
}

TEST(edited_fields)
{
	byte_edit("\"scriptName\":\"restart", "\"scriptName\":\"restarT");
	byte_edit("\"success\":false", "\"success\":true");
	byte_edit("\"exitCode\":137", "\"exitCode\":136");
	byte_edit("12:00:00.070Z", "12:00:00.071Z");
	byte_edit("\"service\":\"web", "\"service\":\"wee");
	byte_edit("\"userId\":\"9", "\"userId\":\"8");
	byte_edit("timed out after 300", "timed out after 301");
	byte_edit("{\"signal\":9}", "{\"signal\":8}");
	byte_edit("\"seq\":9", "\"seq\":8");
}

TEST(lines_moved)
{
	struct copy	 c;

	c = fresh();
	delete(&c, 5);
	WANT(&c, &all, VERIFY_TAMPER, V_SEQ_GAP);
	c = fresh();
	delete(&c, 0);
	WANT(&c, &all, VERIFY_TAMPER, V_HEAD_MISSING);
	c = fresh();
	delete(&c, 0);
	WANT(&c, &nothing, VERIFY_TAMPER, V_HEAD_MISSING);
	c = fresh();
	insert(&c, 4, c.lines[5]);
	delete(&c, 6);
	WANT(&c, &all, VERIFY_TAMPER, V_CHAIN_BREAK);
	c = fresh();
	insert(&c, 16, c.lines[5]);
	delete(&c, 5);
	WANT(&c, &all, VERIFY_TAMPER, V_SEQ_REPEAT);
	c = fresh();
	insert(&c, 5, c.lines[5]);
	WANT(&c, &all, VERIFY_TAMPER, V_SEQ_REPEAT);
	c = fresh();
	edit(&c, 5, "\"previousHash\":\"ed", "\"previousHash\":\"ee");
	WANT(&c, &all, VERIFY_TAMPER, V_CHAIN_BREAK);
}

TEST(cut_ends)
{
	struct copy	 c;

	c = fresh();
	delete(&c, 15);
	WANT(&c, &all, VERIFY_TAMPER, V_TRUNCATED);
	c = fresh();
	while (c.n > 6)
		delete(&c, c.n - 1);
	WANT(&c, &noted, VERIFY_TAMPER, V_TRUNCATED);
	c = fresh();
	delete(&c, 15);
	WANT(&c, &pinned, VERIFY_UNANCHORED, V_UNANCHORED_TAIL);
	/* an older copy of everything */
	c = fresh();
	while (c.n > 12)
		delete(&c, c.n - 1);
	WANT(&c, &all, VERIFY_TAMPER, V_TRUNCATED);
	c = fresh();
	while (c.n > 0)
		delete(&c, 0);
	WANT(&c, &all, VERIFY_TAMPER, V_TRUNCATED);
	c = fresh();
	while (c.n > 0)
		delete(&c, 0);
	WANT(&c, &pinned, VERIFY_TAMPER, V_HEAD_MISSING);
	c = fresh();
	while (c.n > 0)
		delete(&c, 0);
	WANT(&c, &nothing, VERIFY_UNTRUSTED, V_START_UNTRUSTED);
}

TEST(torn_ends)
{
	struct copy	 c;

	c = fresh();
	c.tail = strdup(original[3]);
	c.tail_len = 100;
	WANT(&c, &all, VERIFY_TORN, V_TORN_TAIL);
	c = fresh();
	c.tail = calloc(1, 5000);
	c.tail_len = 5000;
	WANT(&c, &all, VERIFY_TORN, V_TORN_TAIL);
	c = fresh();
	c.tail = calloc(1, 200000);
	c.tail_len = 200000;
	WANT(&c, &all, VERIFY_TORN, V_TORN_TAIL);
	c = fresh();
	c.chop = 30;
	WANT(&c, &all, VERIFY_TAMPER, V_TRUNCATED);
	c = fresh();
	c.chop = 1;
	WANT(&c, &all, VERIFY_TAMPER, V_TRUNCATED);
	c = fresh();
	c.chop = 1;
	WANT(&c, &nothing, VERIFY_UNTRUSTED, V_TORN_TAIL);
}

TEST(foreign_keys)
{
	struct copy	 c;
	uint8_t		 seed[32] = { 7 }, pk[32];
	size_t		 i;

	load();
	crypto_sign_seed_keypair(pk, keys[5], seed);	/* nobody's */
	c = fresh();
	insert(&c, 5, c.lines[4]);
	resign(&c, 5, 5);
	WANT(&c, &all, VERIFY_TAMPER, V_KEY_UNEXPECTED);
	c = fresh();
	for (i = 6; i < c.n; i++)
		resign(&c, i, 5);
	WANT(&c, &pinned, VERIFY_TAMPER, V_KEY_UNEXPECTED);
	c = fresh();
	edit(&c, 5, "7f3a", "7f3b");
	resign(&c, 5, 5);
	WANT(&c, &all, VERIFY_TAMPER, V_WRONG_LOG);
	/* everything anew: known by the pinned first line, or by the note */
	c = fresh();
	for (i = 0; i < c.n; i++)
		if (strstr(c.lines[i], "nextPublicKey") != NULL) {
			*strstr(c.lines[i], ",\"nextPublicKey\"") = '\0';
			/* the rest of the line is made by resign() */
			c.lines[i] = realloc(c.lines[i],
			    strlen(c.lines[i]) + 200);
			strlcat(c.lines[i], ",\"signature\":\"AAAAAAAAAAAAAAAA"
			    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
			    "AAAAAAAAAAAAAAAAAAAAAA==\"}", 2000);
		}
	for (i = 0; i < c.n; i++)
		resign(&c, i, 5);
	/* without the segment, whose root would be wrong */
	while (c.n > 10)
		delete(&c, 10);
	c.cuts[0] = 0;
	WANT(&c, &pinned, VERIFY_TAMPER, V_GENESIS);
	crypto_sign_seed_keypair(pk, keys[5], seed);
	audit_hex_read(vector_seeds[5], 64, seed, 32);
	crypto_sign_seed_keypair(pk, keys[5], seed);
}

TEST(another_history)
{
	struct copy	 c;

	/* all keys stolen: the beginning is another one */
	c = fresh();
	edit(&c, 0, "12:00:00.007Z", "12:00:00.006Z");
	resign_all(&c, 0, -1);
	delete(&c, 10);	/* and the segment's own root with it */
	while (c.n > 10)
		delete(&c, c.n - 1);
	WANT(&c, &pinned, VERIFY_TAMPER, V_GENESIS);
	/* the tail is another one */
	c = fresh();
	edit(&c, 12, "\"durationMs\":12", "\"durationMs\":13");
	resign_all(&c, 11, -1);
	WANT(&c, &noted, VERIFY_TAMPER, V_FORK);
	c = fresh();
	edit(&c, 12, "\"durationMs\":12", "\"durationMs\":13");
	resign_all(&c, 11, -1);
	WANT(&c, &all, VERIFY_TAMPER, V_FORK);
	/* and with nothing outside nobody can tell: the documented window */
	c = fresh();
	edit(&c, 13, "\"n\":1", "\"n\":2");
	resign_all(&c, 13, -1);
	WANT(&c, &pinned, VERIFY_UNANCHORED, V_UNANCHORED_TAIL);
}

/* The key of the last epoch is stolen; the older ones were erased. */
TEST(stolen_current_key)
{
	struct copy	 c;
	size_t		 i;

	c = fresh();
	edit(&c, 5, "\"durationMs\":12", "\"durationMs\":13");
	for (i = 5; i < c.n; i++)
		resign(&c, i, 3);
	WANT(&c, &pinned, VERIFY_TAMPER, V_KEY_UNEXPECTED);
	c = fresh();
	while (c.n > 8)
		delete(&c, 7);
	for (i = 7; i < c.n; i++)
		resign(&c, i, 3);
	WANT(&c, &pinned, VERIFY_TAMPER, V_KEY_UNEXPECTED);
	c = fresh();
	edit(&c, 13, "\"n\":1", "\"n\":2");
	for (i = 13; i < c.n; i++)
		resign(&c, i, 3);
	WANT(&c, &all, VERIFY_TAMPER, V_FORK);
}

TEST(signatures)
{
	/* L of RFC 8032, little-endian */
	static const uint8_t	 order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a,
				    0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2,
				    0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
				    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10 };
	struct copy		 c;
	struct audit_line	 l;
	const char		*why;
	char			 base64[89], *at;
	unsigned int		 i, carry = 0;

	c = fresh();
	memcpy(strstr(c.lines[15], "\"signature\":"),
	    strstr(c.lines[13], "\"signature\":"), 102);
	WANT(&c, &pinned, VERIFY_TAMPER, V_BAD_SIGNATURE);
	c = fresh();
	audit_line_scan(c.lines[15], strlen(c.lines[15]), &l, &why);
	for (i = 0; i < 32; i++) {
		carry += l.signature[32 + i] + order[i];
		l.signature[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	audit_base64_write(l.signature, 64, base64);
	at = strstr(c.lines[15], "\"signature\":\"") + 13;
	memcpy(at, base64, 88);
	WANT(&c, &pinned, VERIFY_TAMPER, V_BAD_SIGNATURE);
}

TEST(handover_lines)
{
	struct copy	 c;

	c = fresh();
	edit(&c, 3, "\"nextPublicKey\":\"s42z", "\"nextPublicKey\":\"s42y");
	WANT(&c, &all, VERIFY_TAMPER, V_BAD_SIGNATURE);
	c = fresh();
	edit(&c, 3, "\"treeRoot\":\"yHz", "\"treeRoot\":\"yHy");
	WANT(&c, &all, VERIFY_TAMPER, V_TREE_ROOT);
	c = fresh();
	edit(&c, 11, "\"treeRoot\":\"5iU", "\"treeRoot\":\"5iV");
	resign(&c, 11, -1);
	WANT(&c, &nothing, VERIFY_TAMPER, V_TREE_ROOT);
	/* small order: some libraries verify anything under such a key */
	c = fresh();
	edit(&c, 15, "WfIqMC7Ozzee0Lj/g4cKzNJfX0f7nowbzG4owqlNhVA=",
	    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
	resign(&c, 15, -1);
	WANT(&c, &own, VERIFY_TAMPER, V_KEY_INVALID);
}

TEST(spellings)
{
	static const struct {
		const char	*from, *to;
		int		 code;
	} cases[] = {
		{ "\"userId\":", "\"userId\": ", V_NONCANONICAL },
		{ "\"success\":true,\"exitCode\":0",
		    "\"exitCode\":0,\"success\":true", V_NONCANONICAL },
		{ "{\"v\":1", "{\"userId\":\"x\",\"v\":1", V_DUP_KEY },
		{ "{\"v\":1", "{\"\\u0075serId\":\"x\",\"v\":1", V_DUP_KEY },
		{ "{\"v\":1", "{\"v\":1,\"x\":1", V_SCHEMA },
		{ "\303\251", "\\u00e9", V_NONCANONICAL },
		{ "\"durationMs\":12", "\"durationMs\":1.2e1", V_FORMAT },
		{ "\"exitCode\":0", "\"exitCode\":-0", V_NONCANONICAL },
		{ "\303\251", "\303", V_FORMAT },
		{ "\303\251", "\\ud800", V_FORMAT },
		{ "==\"}", "==\"}\r", V_FORMAT },
		{ "{\"v\"", "\357\273\277{\"v\"", V_FORMAT },
		{ "{\"v\"", "\n{\"v\"", V_FORMAT },
		{ "CQ==\"}", "CR==\"}", V_FORMAT },
		{ "\"previousHash\":\"6f8e", "\"previousHash\":\"6F8e",
		    V_FORMAT },
	};
	struct copy	 c;
	size_t		 i;

	for (i = 0; i < nitems(cases); i++) {
		c = fresh();
		edit(&c, 3, cases[i].from, cases[i].to);
		WANT(&c, &all, VERIFY_TAMPER, cases[i].code);
	}
}

TEST(monsters)
{
	static char	 big[1 << 20];
	struct copy	 c;
	size_t		 i;

	memset(big, 'a', sizeof(big) - 1);
	c = fresh();
	insert(&c, 5, big);
	WANT(&c, &all, VERIFY_TAMPER, V_FORMAT);
	for (i = 0; i < 60000; i++)
		big[i] = '[';
	big[60000] = '\0';
	c = fresh();
	insert(&c, 5, big);
	WANT(&c, &all, VERIFY_TAMPER, V_FORMAT);
	c = fresh();
	edit(&c, 3, "{\"n\":0", big);
	WANT(&c, &all, VERIFY_TAMPER, V_FORMAT);
	/* NULs in the middle: the line before them has no end of its own */
	c = fresh();
	c.cuts[0] = 0;
	c.chop = 0;
	c.tail = calloc(1, 512 + strlen(original[15]) + 1);
	c.tail_len = 512 + strlen(original[15]) + 1;
	memcpy(c.tail + 512, original[15], strlen(original[15]));
	c.tail[c.tail_len - 1] = '\n';
	delete(&c, 15);
	WANT(&c, &all, VERIFY_TAMPER, V_FORMAT);
}

TEST(segments)
{
	struct copy	 c;

	c = fresh();
	c.cuts[1] = 13;
	WANT(&c, &all, VERIFY_OK, -1);
	c = fresh();
	c.cuts[0] = 4;
	c.cuts[1] = 6;
	while (c.n > 12)	/* lines 6 to 9 were a file of their own */
		delete(&c, 6);
	WANT(&c, &all, VERIFY_TAMPER, V_SEQ_GAP);
	c = fresh();
	while (c.n > 10)
		delete(&c, c.n - 1);
	WANT(&c, &all, VERIFY_TAMPER, V_TRUNCATED);
	/* pruned: with a note, with genesis demanded, with nothing */
	c = fresh();
	while (c.n > 6)
		delete(&c, 0);
	c.cuts[0] = 0;
	WANT(&c, &noted, VERIFY_OK, -1);
	c = fresh();
	while (c.n > 6)
		delete(&c, 0);
	c.cuts[0] = 0;
	WANT(&c, &all, VERIFY_TAMPER, V_HEAD_MISSING);
	c = fresh();
	edit(&c, 10, "\"frontier\":[\"MUs", "\"frontier\":[\"MUt");
	resign(&c, 10, -1);
	WANT(&c, &nothing, VERIFY_TAMPER, V_TREE_ROOT);
	c = fresh();
	edit(&c, 10, "\"previousSegmentSha256\":\"ac",
	    "\"previousSegmentSha256\":\"ad");
	resign(&c, 10, -1);
	WANT(&c, &nothing, VERIFY_TAMPER, V_SEGMENT_HASH);
	c = fresh();
	edit(&c, 10, "\"treeSize\":10", "\"treeSize\":11");
	resign(&c, 10, -1);
	WANT(&c, &nothing, VERIFY_TAMPER, V_TREE_ROOT);
}

/* The older file lost its end; in the middle that is no accident. */
TEST(torn_segment)
{
	struct verify_options	 o;
	struct verify_anchor	 a;
	struct verify_note	 n;
	struct verify_file	 files[2];
	struct copy		 c = fresh();

	memset(files, 0, sizeof(files));
	files[0].fd = file_of(&c, 10, 16, &files[0].size);
	files[1].fd = file_of(&c, 0, 10, &files[1].size);
	files[1].size -= 5;
	files[0].name = files[1].name = "log";
	outside_set(&o, &all, &c, &a, &n);
	memset(&result, 0, sizeof(result));
	CHECK_INT(verify_run(&o, files, 2, &result), VERIFY_TAMPER);
	CHECK(result.counts[V_SEGMENT_TORN] > 0);
	CHECK(result.counts[V_SEQ_GAP] > 0);
	close(files[0].fd);
	close(files[1].fd);
	discard(&c);
}

/* What the daemon itself must never write: signed, but wrong. */
TEST(pairs_sessions_clocks)
{
	struct copy	 c;

	c = fresh();
	while (c.n > 10)
		delete(&c, c.n - 1);
	c.cuts[0] = 0;
	edit(&c, 9, "e37cf3cc", "e37cf3cd");
	resign_all(&c, 9, -1);
	WANT(&c, &own, VERIFY_TAMPER, V_RESULT_WITHOUT_INTENT);
	c = fresh();
	while (c.n > 9)
		delete(&c, c.n - 1);
	c.cuts[0] = 0;
	WANT(&c, &own, VERIFY_OK, V_DANGLING_INTENT);
	c = fresh();
	while (c.n > 10)
		delete(&c, c.n - 1);
	c.cuts[0] = 0;
	insert(&c, 10, c.lines[9]);
	edit(&c, 10, "\"seq\":9", "\"seq\":10");
	resign_all(&c, 10, -1);
	WANT(&c, &own, VERIFY_TAMPER, V_ID_REUSED);
	/* an intent whose id was used and closed long before */
	c = fresh();
	while (c.n > 10)
		delete(&c, c.n - 1);
	c.cuts[0] = 0;
	edit(&c, 8, "e37cf3cc-d269-4468-912c-0c3e250ca913",
	    "1392e452-7ea2-4b2b-82eb-80dca7c35599");
	edit(&c, 9, "e37cf3cc-d269-4468-912c-0c3e250ca913",
	    "1392e452-7ea2-4b2b-82eb-80dca7c35599");
	resign_all(&c, 8, -1);
	WANT(&c, &own, VERIFY_TAMPER, V_ID_REUSED);
	c = fresh();
	while (c.n > 10)
		delete(&c, c.n - 1);
	c.cuts[0] = 0;
	edit(&c, 9, "\"session\":\"cc", "\"session\":\"cd");
	resign_all(&c, 9, -1);
	WANT(&c, &own, VERIFY_TAMPER, V_SESSION_UNANNOUNCED);
	c = fresh();
	while (c.n > 10)
		delete(&c, c.n - 1);
	c.cuts[0] = 0;
	edit(&c, 9, "12:00:00.070Z", "11:00:00.070Z");
	resign_all(&c, 9, -1);
	WANT(&c, &own, VERIFY_OK, V_CLOCK_BACK);
}

/* Every bit of two lines; in fast mode a third of them, by the seed. */
TEST(every_bit_of_a_small_log)
{
	struct copy	 c = fresh();
	struct outside	 k = own;
	struct verify_options	 o;
	struct verify_anchor	 a;
	struct verify_note	 n;
	struct verify_file	 f, g;
	uint64_t	 size;
	uint8_t		*p;
	size_t		 bit;

	while (c.n > 2)
		delete(&c, c.n - 1);
	memset(&f, 0, sizeof(f));
	f.name = "log";
	f.fd = file_of(&c, 0, 2, &size);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, f.fd, 0);
	for (bit = 0; bit < 16 * size; bit++) {
		k.fast = bit >= 8 * size;
		if (k.fast && bit % 3 != test_seed % 3)
			continue;
		p[bit / 8 % size] ^= (uint8_t)(1 << bit % 8);
		outside_set(&o, &k, &c, &a, &n);
		memset(&result, 0, sizeof(result));
		f.size = size;
		g = f;
		if (verify_run(&o, &g, 1, &result) != VERIFY_TAMPER) {
			fprintf(stderr, "bit %zu, fast %d\n", bit, k.fast);
			CHECK(0);
		}
		p[bit / 8 % size] ^= (uint8_t)(1 << bit % 8);
	}
	k.fast = 0;
	f.size = size;
	outside_set(&o, &k, &c, &a, &n);
	memset(&result, 0, sizeof(result));
	CHECK_INT(verify_run(&o, &f, 1, &result), VERIFY_OK);
	munmap(p, size);
	close(f.fd);
	discard(&c);
}

TEST(random_bits_and_truncations)
{
	struct copy	 c = fresh();
	struct outside	 k = all;
	size_t		 i, line, bit, whole = 0;

	c.cuts[0] = 0;
	for (i = 0; i < 300; i++) {
		line = test_random() % c.n;
		bit = test_random() % (8 * strlen(c.lines[line]));
		c.lines[line][bit / 8] ^= (char)(1 << bit % 8);
		k.fast = i % 2;
		/* a NUL would end the line for this test's own strings */
		if (c.lines[line][bit / 8] != '\0')
			CHECK_INT(run(&c, &k), VERIFY_TAMPER);
		c.lines[line][bit / 8] ^= (char)(1 << bit % 8);
	}
	for (i = 0; i < c.n; i++)
		whole += strlen(c.lines[i]) + 1;
	k.fast = 1;
	for (c.chop = 1; c.chop < whole; c.chop += 37)
		CHECK_INT(run(&c, &k), VERIFY_TAMPER);
	discard(&c);
}

/* Many lines of many batches: each bad one is found, by line. */
static struct verify_finding	 bad[16];
static size_t			 nbad;

static void
collect(void *arg, const struct verify_finding *f)
{
	(void)arg;
	if (f->code == V_BAD_SIGNATURE && nbad < 16)
		bad[nbad++] = *f;
}

TEST(threads_find_what_one_finds)
{
	struct copy		 c = fresh(), d = fresh();
	struct verify_options	 o;
	struct verify_anchor	 a;
	struct verify_note	 n;
	struct verify_file	 f;
	const char		*line;
	size_t			 i, threads;

	c.cuts[0] = 0;
	memset(&f, 0, sizeof(f));
	f.name = strdup("log");
	f.fd = file_of(&c, 0, 10, &f.size);
	edit(&d, 9, "\"exitCode\":137", "\"exitCode\":138");
	/* the last line again and again, now and then with a wrong signature */
	for (i = 0; i < 1000; i++) {
		line = i % 100 == 50 ? d.lines[9] : c.lines[9];
		if (write(f.fd, line, strlen(line)) == -1 ||
		    write(f.fd, "\n", 1) == -1)
			exit(1);
	}
	f.size = (uint64_t)lseek(f.fd, 0, SEEK_END);
	for (threads = 1; threads < 6; threads++) {
		outside_set(&o, &nothing, &c, &a, &n);
		o.threads = (unsigned int)threads;
		o.finding = collect;
		nbad = 0;
		memset(&result, 0, sizeof(result));
		CHECK_INT(verify_run(&o, &f, 1, &result), VERIFY_TAMPER);
		CHECK_INT(result.counts[V_BAD_SIGNATURE], 10);
		CHECK_INT(result.signatures, 1010);
		CHECK_INT(nbad, 10);
		for (i = 0; i < 10; i++)
			CHECK_INT(bad[i].line, 10 + 100 * i + 51);
		CHECK_INT(bad[0].seq, 9);
		CHECK(strstr(bad[0].text, "UpTCSbTW") != NULL);
	}
	close(f.fd);
	free(f.name);
	discard(&c);
	discard(&d);
}

TEST(merkle_small_trees)
{
	/* RFC 6962's own: the empty tree, and one leaf */
	static const char	 empty[] = "e3b0c44298fc1c149afbf4c8996fb924"
				    "27ae41e4649b934ca495991b7852b855";
	struct merkle		 m, r;
	uint8_t			 root[32], again[32], leaf[32], b[65];
	char			 hex[65];
	size_t			 i;

	load();
	merkle_init(&m, verify_sha256);
	merkle_root(&m, root);
	audit_hex_write(root, 32, hex);
	CHECK_STR(hex, empty);
	for (i = 0; i < 200; i++) {
		memset(leaf, (int)i, 32);
		merkle_add(&m, leaf);
		merkle_init(&r, verify_sha256);
		CHECK_INT(merkle_resume(&r, m.size,
		    (const uint8_t (*)[32])m.roots, m.n), 0);
		CHECK_INT(merkle_resume(&r, m.size + 1,
		    (const uint8_t (*)[32])m.roots, m.n),
		    __builtin_popcountll(m.size) ==
		    __builtin_popcountll(m.size + 1) ? 0 : -1);
	}
	merkle_init(&m, verify_sha256);
	memset(leaf, 1, 32);
	merkle_add(&m, leaf);
	merkle_root(&m, again);
	b[0] = 0;
	memcpy(b + 1, leaf, 32);
	crypto_hash_sha256(root, b, 33);
	CHECK(memcmp(root, again, 32) == 0);
}

TEST(notes)
{
	static const char	 other[] = "other.example/audit/0001+"
				    "00000000+AQzwwUsv9kYhQj6PJhquacodNSy8rAwM"
				    "7Oa639QLJch9";
	struct note_vkey	 v;
	struct note		 n;
	char			*s, text[NOTE_SIGNER_SIZE], vkey[256];
	char			 name[AUDIT_ORIGIN_SIZE];
	uint8_t			 seed[32], key[32];
	size_t			 len, i;

	load();
	CHECK_INT(note_vkey_parse(&v, VECTOR_LOG_KEY), 0);
	CHECK_INT(note_vkey_parse(&v, other), -1);
	CHECK_INT(note_vkey_parse(&v, "x"), -1);
	CHECK_INT(note_vkey_parse(&v, ""), -1);
	audit_hex_read("598fb22aac25025c52b9b35754bac9b3b03b7dd127f028a74c2f"
	    "766bbd01b3dc", 64, seed, 32);
	note_signer_format(VECTOR_ORIGIN, seed, text, sizeof(text));
	CHECK_INT(note_signer_parse(text, name, key, NULL), 0);
	CHECK_STR(name, VECTOR_ORIGIN);
	note_vkey_format(name, key, vkey, sizeof(vkey));
	CHECK_STR(vkey, VECTOR_LOG_KEY);
	text[strlen(text) - 3] ^= 1;
	CHECK_INT(note_signer_parse(text, name, key, NULL), -1);

	CHECK_INT(note_vkey_parse(&v, VECTOR_LOG_KEY), 0);
	s = vector_read(VECTOR_NOTE, &len);
	CHECK_INT(note_read(&n, s, len, &v), NOTE_OK);
	CHECK_INT(n.size, 16);
	CHECK_STR(n.origin, VECTOR_ORIGIN);
	/* every byte of it matters */
	for (i = 0; i < len; i++) {
		s[i] ^= 1;
		CHECK(note_read(&n, s, len, &v) != NOTE_OK);
		s[i] ^= 1;
		CHECK(note_read(&n, s, i, &v) != NOTE_OK);
	}
	*strstr(s, "\n16\n") = 'x';
	CHECK_INT(note_read(&n, s, len, &v), NOTE_FORMAT);
	free(s);
	s = vector_read(VECTOR_NOTE, &len);
	memcpy(strstr(s, "\n16\n"), "\n15\n", 4);
	CHECK_INT(note_read(&n, s, len, &v), NOTE_BAD_SIGNATURE);
	free(s);
}

TEST(ids_table)
{
	struct ids	*t;
	struct ids_open	 o;
	uint8_t		 id[16];
	char		 uuid[UUID_SIZE];
	size_t		 i, n, maybe = 0;

	load();
	CHECK((t = ids_new(3000 * 1100)) != NULL);
	memset(&o, 0, sizeof(o));
	for (i = 0; i < 3000; i++) {
		memset(o.id, 0, 16);
		memcpy(o.id, &i, sizeof(i));
		maybe += ids_intent(t, &o) == IDS_MAYBE;
	}
	CHECK(maybe < 30);
	CHECK_INT(ids_intent(t, &o), IDS_USED);
	for (i = 0; i < 3000; i += 2) {
		memset(id, 0, 16);
		memcpy(id, &i, sizeof(i));
		CHECK_INT(ids_execution(t, id), IDS_OK);
		CHECK_INT(ids_execution(t, id), IDS_USED);
	}
	for (i = 0, n = 0; ids_next(t, &i) != NULL; n++)
		;
	CHECK_INT(n, 1500);
	memset(id, 0xff, 16);
	CHECK_INT(ids_execution(t, id), IDS_NONE);
	memset(o.id, 0, 16);
	CHECK_INT(ids_intent(t, &o), IDS_MAYBE);
	ids_free(t);
	ids_pack("ddb88d09-aca9-4b03-8e64-eff0ad52b3c3", id);
	ids_unpack(id, uuid);
	CHECK_STR(uuid, "ddb88d09-aca9-4b03-8e64-eff0ad52b3c3");
}
