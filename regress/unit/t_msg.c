/*
 * The encoder and the decoder against the second description in msg_want.h:
 * both must agree in every byte, and every violation must be refused.
 */
#include "msg_want.h"
#include "test.h"
#include "text.h"

#define WIRE_MAX	(96 * 1024)

/* A message in both forms: the struct, and byte ranges per field. */
struct sample {
	const struct want_type	*t;
	void			*msg;		/* exactly t->size bytes */
	uint8_t			*wire;
	size_t			 len;
	size_t			 at[MAXFIELDS + 1];
	size_t			 nfields;
};

static uint64_t
between(uint64_t low, uint64_t high)
{
	if (high - low == UINT64_MAX)
		return test_random();
	/* The ends more often than chance would have it. */
	switch (test_random() % 8) {
	case 0:
		return low;
	case 1:
		return high;
	default:
		return low + test_random() % (high - low + 1);
	}
}

static void
put_number(struct sample *s, uint64_t v, size_t n)
{
	size_t	 i;

	for (i = n; i-- > 0;)
		s->wire[s->len++] = (uint8_t)(v >> (8 * i));
}

static void
put_string(struct sample *s, const char *text, size_t n)
{
	put_number(s, n, 2);
	memcpy(s->wire + s->len, text, n);
	s->len += n;
}

static void
random_of(char *out, size_t n, const char *alphabet)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		out[i] = alphabet[test_random() % strlen(alphabet)];
	out[n] = '\0';
}

/* UTF-8 of all four lengths, at most n bytes; returns the bytes. */
static size_t
random_text(char *out, size_t n)
{
	static const char *const	 some[] = { "a", "\t", "\n", "\x7f",
	    "\xc2\x80", "\xc3\xa4", "\xe2\x82\xac", "\xed\x9f\xbf",
	    "\xee\x80\x80", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "z" };
	const char			*piece;
	size_t				 len = 0;

	for (;;) {
		piece = some[test_random() % nitems(some)];
		if (len + strlen(piece) > n)
			break;
		memcpy(out + len, piece, strlen(piece));
		len += strlen(piece);
	}
	out[len] = '\0';
	return len;
}

/* A length that is often short, sometimes the most there can be. */
static size_t
random_length(size_t low, size_t most, int is_small)
{
	if (is_small || most < 20)
		return low + test_random() % (most < 12 ? most - low + 1 : 12);
	switch (test_random() % 8) {
	case 0:
		return most;
	case 1:
		return low;
	default:
		return low + test_random() % 200 % (most - low + 1);
	}
}

static void
gen_words(struct sample *s, struct words *w, int is_small)
{
	static char	 word[sizeof(w->data) + 1];
	size_t		 i, n, len, left = sizeof(w->data);

	memset(w, 0, sizeof(*w));
	n = test_random() % (is_small ? 5 : WORDS_MAX + 1);
	put_number(s, n, 2);
	for (i = 0; i < n; i++) {
		len = random_length(0, (left - (n - i)) / 2, is_small);
		len = random_text(word, len);
		left -= len + 1;
		put_string(s, word, len);
		memcpy(w->data + w->len, word, len + 1);
		w->len += (uint32_t)len + 1;
		w->n++;
	}
}

static void
gen_uuid(char *out)
{
	random_of(out, 36, "0123456789abcdef");
	out[8] = out[13] = out[18] = out[23] = '-';
}

static void
gen_string(struct sample *s, const struct want_field *f, char *p,
    int is_small)
{
	size_t	 low = f->kind == 'S' || f->kind == 'd' || f->kind == 'u';

	memset(p, 0, f->size);
	switch (f->kind) {
	case 'D':
	case 'd':
		if (low || test_random() % 3)
			random_of(p, 26, "0123456789"
			    "abcdefghijklmnopqrstuvwxyz");
		break;
	case 'U':
	case 'u':
		if (low || test_random() % 3)
			gen_uuid(p);
		break;
	case 'b':
		random_of(p, 64, "0123456789abcdef");
		break;
	default:
		do
			(void)random_text(p, random_length(low, f->size - 1,
			    is_small));
		while (strlen(p) < low);
	}
	put_string(s, p, strlen(p));
}

static void
gen_field(struct sample *s, const struct want_field *f, int is_small)
{
	char		*p = (char *)s->msg + f->offset;
	uint64_t	 v = 0;
	size_t		 i;

	switch (f->kind) {
	case 'n':		/* 8 bits in low..high */
		v = between(f->low, f->high);
		break;
	case 'h':		/* 16 bits */
	case 'w':		/* 32 bits */
		v = between(f->low, f->high);
		break;
	case 'q':		/* 64 bits from low on */
		v = between(f->low, UINT64_MAX);
		break;
	case 'i':		/* signed, any */
	case 'l':
		v = test_random();
		break;
	case 't':		/* signed, not negative */
		v = between(0, INT64_MAX);
		break;
	case 'c':		/* type of a channel */
	case 'C':		/* or 0 */
		v = (uint64_t)"OPDG"[test_random() % 4];
		if (f->kind == 'C' && test_random() % 4 == 0)
			v = 0;
		break;
	case 'x':
		for (i = 0; i < f->size; i++)
			p[i] = (char)test_random();
		memcpy(s->wire + s->len, p, f->size);
		s->len += f->size;
		return;
	case 'W':
		gen_words(s, (struct words *)(void *)p, is_small);
		return;
	default:
		gen_string(s, f, p, is_small);
		return;
	}
	put_number(s, v, f->size);
	if (f->size == 1)
		*(uint8_t *)p = (uint8_t)v;
	else if (f->size == 2)
		*(uint16_t *)(void *)p = (uint16_t)v;
	else if (f->size == 4)
		*(uint32_t *)(void *)p = (uint32_t)v;
	else
		*(uint64_t *)(void *)p = v;
}

/* What holds between fields. */
static int
is_whole(const struct want_type *t, const void *msg)
{
	const struct msg_lookup_user	*lu = msg;
	const struct msg_lookup_channel	*lc = msg;
	const struct msg_user		*u = msg;
	const struct msg_channel	*c = msg;

	switch (t->type) {
	case MSG_LOOKUP_USER:
		return lu->by_name || text_is_id(lu->key);
	case MSG_LOOKUP_CHANNEL:
		return (lc->id[0] != '\0') + (lc->name[0] != '\0') == 1;
	case MSG_USER:
		return u->status != LOOKUP_OK ||
		    (u->id[0] != '\0' && u->username[0] != '\0');
	case MSG_CHANNEL:
		return c->status != LOOKUP_OK ||
		    (c->id[0] != '\0' && c->type != 0);
	default:
		return 1;
	}
}

static void
sample_free(struct sample *s)
{
	free(s->msg);
	free(s->wire);
}

static void
sample_make(struct sample *s, const struct want_type *t, int is_small)
{
	size_t	 i;
	int	 tries;

	memset(s, 0, sizeof(*s));
	s->t = t;
	s->nfields = field_count(t);
	/* No byte more than the struct: the sanitizer sees overruns. */
	s->msg = calloc(1, t->size == 0 ? 1 : t->size);
	s->wire = malloc(WIRE_MAX);
	if (s->msg == NULL || s->wire == NULL)
		abort();
	for (tries = 0; tries < 1000; tries++) {
		memset(s->msg, 0, t->size);
		s->len = 0;
		for (i = 0; i < s->nfields; i++) {
			s->at[i] = s->len;
			gen_field(s, &t->f[i], is_small);
		}
		s->at[i] = s->len;
		if (t->type == MSG_LOOKUP_USER && tries % 2 == 1) {
			/* An id by chance would never come. */
			struct msg_lookup_user	*lu = s->msg;

			memset(lu, 0, sizeof(*lu));
			random_of(lu->key, 26, "abcxyz0189");
			s->len = 0;
			put_number(s, 0, 1);
			put_string(s, lu->key, 26);
			s->at[2] = s->len;
		}
		if (is_whole(t, s->msg))
			return;
	}
	abort();
}

TEST(msg_table_is_complete)
{
	size_t	 i;
	int	 type, seen[MSG_COUNT];

	memset(seen, 0, sizeof(seen));
	for (i = 0; i < nitems(want); i++) {
		seen[want[i].type]++;
		CHECK_STR(msg_name(want[i].type), want[i].name);
		CHECK_INT(msg_struct_size(want[i].type), want[i].size);
	}
	for (type = MSG_NONE + 1; type < MSG_COUNT; type++)
		CHECK_INT(seen[type], 1);
	CHECK(msg_rule(MSG_NONE) == NULL);
	CHECK(msg_rule(MSG_COUNT) == NULL);
	CHECK(msg_rule((enum msg_type)-1) == NULL);
}

TEST(msg_random_roundtrip)
{
	struct sample	 s;
	struct buf	 b;
	const char	*field;
	void		*got;
	size_t		 i;
	int		 round;

	for (i = 0; i < nitems(want); i++)
		for (round = 0; round < 60; round++) {
			sample_make(&s, &want[i], 0);
			got = malloc(s.t->size == 0 ? 1 : s.t->size);
			if (got == NULL)
				abort();
			memset(got, 0xaa, s.t->size);
			CHECK_INT(msg_encode(&b, s.t->type, s.msg, &field), 0);
			CHECK_INT(b.len, s.len);
			CHECK(b.len == s.len &&
			    (b.len == 0 || memcmp(b.data, s.wire, b.len) == 0));
			CHECK_INT(msg_decode(s.wire, s.len, s.t->type, got,
			    &field), 0);
			CHECK(memcmp(got, s.msg, s.t->size) == 0);
			buf_free(&b);
			free(got);
			sample_free(&s);
		}
}

/* The ways to be wrong; each is counted, and each must occur. */
enum wrong {
	WRONG_ID,
	WRONG_LONG,
	WRONG_EMPTY,
	WRONG_NUL,
	WRONG_UTF8,
	WRONG_RANGE,
	WRONG_BOOL,
	WRONG_WORDS,
	WRONG_TRUNCATED,
	WRONG_LEFT,
	WRONG_COUNT
};

static int	 hole = -1;	/* a wrong that the decoder lets pass */
static int	 tried[WRONG_COUNT], missed[WRONG_COUNT];

/* The bytes given instead of field i must be refused, naming the field. */
static void
refuse(const struct sample *s, size_t i, const void *bytes, size_t len,
    enum wrong wrong)
{
	const char	*field;
	uint8_t		*wire;
	void		*got;
	size_t		 n;
	int		 result;

	n = s->at[i] + len + (s->len - s->at[i + 1]);
	wire = malloc(n == 0 ? 1 : n);
	got = malloc(s->t->size);
	if (wire == NULL || got == NULL)
		abort();
	memcpy(wire, s->wire, s->at[i]);
	memcpy(wire + s->at[i], bytes, len);
	memcpy(wire + s->at[i] + len, s->wire + s->at[i + 1],
	    s->len - s->at[i + 1]);
	result = msg_decode(wire, n, s->t->type, got, &field);
	if ((int)wrong == hole)
		result = 0;
	tried[wrong]++;
	if (result != -1 || strcmp(field, s->t->f[i].name) != 0) {
		missed[wrong]++;
		if (hole == -1)
			fprintf(stderr, "%s.%s: wrong %d got %d, field %s\n",
			    s->t->name, s->t->f[i].name, wrong, result,
			    result == -1 ? field : "-");
	}
	free(got);
	free(wire);
}

static void
refuse_string(const struct sample *s, size_t i, const char *text, size_t len,
    enum wrong wrong)
{
	static uint8_t	 bytes[2 + 70000];

	bytes[0] = (uint8_t)(len >> 8);
	bytes[1] = (uint8_t)len;
	memcpy(bytes + 2, text, len);
	refuse(s, i, bytes, len + 2, wrong);
}

static void
refuse_number(const struct sample *s, size_t i, uint64_t v, enum wrong wrong)
{
	uint8_t	 bytes[8];
	size_t	 k, n = s->t->f[i].size;

	for (k = 0; k < n; k++)
		bytes[k] = (uint8_t)(v >> (8 * (n - 1 - k)));
	refuse(s, i, bytes, n, wrong);
}

static const struct {
	const char	*text;
	size_t		 len;
} bad_utf8[] = {
	{ "\x80", 1 }, { "\xc0\x80", 2 }, { "\xc1\xbf", 2 }, { "\xc3", 1 },
	{ "\xc3(", 2 }, { "\xe0\x9f\xbf", 3 }, { "\xed\xa0\x80", 3 },
	{ "\xe2\x82", 2 }, { "\xf0\x8f\xbf\xbf", 4 }, { "\xf4\x90\x80\x80", 4 },
	{ "\xf5\x80\x80\x80", 4 }, { "\xf0\x9f\x98", 3 }, { "\xff", 1 },
	{ "\xfe", 1 }, { "a\xe2\x28\xa1", 4 }
};

static void
refuse_strings(const struct sample *s, size_t i)
{
	static char	 big[70000];
	size_t		 k, size = s->t->f[i].size;

	memset(big, 'a', sizeof(big));
	if (size <= UINT16_MAX)		/* one byte more than fits */
		refuse_string(s, i, big, size, WRONG_LONG);
	/* A length that runs over the end of the packet. */
	refuse(s, i, "\xff\xff" "a", 3, WRONG_LONG);
	refuse_string(s, i, "\0", 1, WRONG_NUL);
	refuse_string(s, i, "ab\0cd", 5, WRONG_NUL);
	for (k = 0; k < nitems(bad_utf8); k++)
		refuse_string(s, i, bad_utf8[k].text, bad_utf8[k].len,
		    WRONG_UTF8);
	if (strchr("Sdub", s->t->f[i].kind) != NULL)
		refuse_string(s, i, "", 0, WRONG_EMPTY);
}

static void
refuse_ids(const struct sample *s, size_t i, size_t len, const char *bad)
{
	char	 id[80];
	size_t	 at;

	memcpy(id, s->wire + s->at[i] + 2, s->at[i + 1] - s->at[i] - 2);
	if (s->at[i + 1] - s->at[i] - 2 != len)
		return;		/* an optional one that is not there */
	refuse_string(s, i, id, len - 1, WRONG_ID);
	for (; *bad != '\0'; bad++)
		for (at = 0; at < len; at += 5) {
			memcpy(id, s->wire + s->at[i] + 2, len);
			if (id[at] == '-')
				continue;
			id[at] = *bad;
			refuse_string(s, i, id, len, WRONG_ID);
		}
}

static void
refuse_words(const struct sample *s, size_t i)
{
	static uint8_t	 many[2 + (WORDS_MAX + 1) * 2];
	static uint8_t	 big[2 + 2 + COMMAND_SIZE + WORDS_MAX + 2];

	memset(many, 0, sizeof(many));
	many[1] = WORDS_MAX + 1;
	refuse(s, i, many, sizeof(many), WRONG_WORDS);
	/* One word that leaves no room for its NUL. */
	memset(big, 'a', sizeof(big));
	big[0] = 0;
	big[1] = 1;
	big[2] = (COMMAND_SIZE + WORDS_MAX) >> 8;
	big[3] = (COMMAND_SIZE + WORDS_MAX) & 0xff;
	refuse(s, i, big, sizeof(big) - 2, WRONG_WORDS);
	/* Two that fit alone and not together. */
	memset(big, 'a', sizeof(big));
	big[0] = 0;
	big[1] = 2;
	big[2] = 8192 >> 8;
	big[3] = 0;
	big[2 + 2 + 8192] = (8192 + WORDS_MAX + 1) >> 8;
	big[3 + 2 + 8192] = (8192 + WORDS_MAX + 1) & 0xff;
	refuse(s, i, big, 2 + 2 + 8192 + 2 + 8192 + WORDS_MAX + 1,
	    WRONG_WORDS);
	refuse(s, i, "\0\1\0\1\0", 5, WRONG_NUL);
	refuse(s, i, "\0\1\0\1\x80", 5, WRONG_UTF8);
	refuse(s, i, "\0\1\xff\xff", 4, WRONG_WORDS);
}

static void
refuse_field(const struct sample *s, size_t i)
{
	const struct want_field	*f = &s->t->f[i];

	switch (f->kind) {
	case 'n':
		if (f->low > 0)
			refuse_number(s, i, f->low - 1, WRONG_RANGE);
		if (f->high == 1)
			refuse_number(s, i, 2, WRONG_BOOL);
		if (f->high < 255) {
			refuse_number(s, i, f->high + 1, WRONG_RANGE);
			refuse_number(s, i, 255, WRONG_RANGE);
		}
		break;
	case 'h':
	case 'w':
		if (f->low > 0)
			refuse_number(s, i, f->low - 1, WRONG_RANGE);
		if (f->size == 2 ? f->high < UINT16_MAX : f->high < UINT32_MAX)
			refuse_number(s, i, f->high + 1, WRONG_RANGE);
		break;
	case 'q':
		if (f->low > 0)
			refuse_number(s, i, f->low - 1, WRONG_RANGE);
		break;
	case 't':
		refuse_number(s, i, UINT64_MAX, WRONG_RANGE);
		refuse_number(s, i, 1ULL << 63, WRONG_RANGE);
		break;
	case 'c':
		refuse_number(s, i, 0, WRONG_RANGE);
		/* FALLTHROUGH */
	case 'C':
		refuse_number(s, i, 'o', WRONG_RANGE);
		refuse_number(s, i, 255, WRONG_RANGE);
		break;
	case 'd':
	case 'D':
		refuse_ids(s, i, 26, "A-_ \x7f/:`{");
		refuse_strings(s, i);
		break;
	case 'u':
	case 'U':
		refuse_ids(s, i, 36, "AFg -{");
		refuse_strings(s, i);
		break;
	case 'b':
		refuse_ids(s, i, 64, "AFg -");
		refuse_strings(s, i);
		break;
	case 's':
	case 'S':
		refuse_strings(s, i);
		break;
	case 'W':
		refuse_words(s, i);
		break;
	}
}

/* Cut at every byte, and one byte too many. */
static void
refuse_lengths(const struct sample *s)
{
	const char	*field;
	uint8_t		*wire;
	void		*got;
	size_t		 n;
	int		 result;

	got = malloc(s->t->size == 0 ? 1 : s->t->size);
	if (got == NULL)
		abort();
	for (n = 0; n <= s->len + 1; n++) {
		if (n == s->len)
			continue;
		if ((wire = calloc(1, n == 0 ? 1 : n)) == NULL)
			abort();
		memcpy(wire, s->wire, n < s->len ? n : s->len);
		result = msg_decode(wire, n, s->t->type, got, &field);
		if ((n < s->len && hole == WRONG_TRUNCATED) ||
		    (n > s->len && hole == WRONG_LEFT))
			result = 0;
		tried[n < s->len ? WRONG_TRUNCATED : WRONG_LEFT]++;
		if (result != -1) {
			missed[n < s->len ? WRONG_TRUNCATED : WRONG_LEFT]++;
			if (hole == -1)
				fprintf(stderr, "%s: %zu of %zu bytes taken\n",
				    s->t->name, n, s->len);
		}
		free(wire);
	}
	free(got);
}

static void
refuse_all(void)
{
	struct sample	 s;
	size_t		 i, k;
	int		 round;

	memset(tried, 0, sizeof(tried));
	memset(missed, 0, sizeof(missed));
	for (i = 0; i < nitems(want); i++)
		for (round = 0; round < 2; round++) {
			sample_make(&s, &want[i], 1);
			for (k = 0; k < s.nfields; k++)
				refuse_field(&s, k);
			refuse_lengths(&s);
			sample_free(&s);
		}
}

TEST(msg_refuses_every_violation)
{
	int	 wrong;

	refuse_all();
	for (wrong = 0; wrong < WRONG_COUNT; wrong++) {
		CHECK(tried[wrong] > 3);
		CHECK_INT(missed[wrong], 0);
	}
}

/* The same with a decoder that lets one kind pass: it must be seen. */
TEST(msg_violations_would_be_seen)
{
	for (hole = 0; hole < WRONG_COUNT; hole++) {
		refuse_all();
		CHECK(missed[hole] > 0);
	}
	hole = -1;
}

/* The encoder says no to what the decoder would not take. */
TEST(msg_encode_refuses)
{
	struct msg_reaction	 r;
	struct msg_job_start	 j;
	struct msg_user		 u;
	struct msg_channel	 c;
	struct msg_lookup_user	 lu;
	struct msg_lookup_channel lc;
	struct buf		 b;
	const char		*field;

#define REFUSED(type, m, name) do {					\
	CHECK_INT(msg_encode(&b, (type), &(m), &field), -1);		\
	CHECK_STR(field, (name));					\
	buf_free(&b);							\
} while (0)
#define TAKEN(type, m) do {						\
	CHECK_INT(msg_encode(&b, (type), &(m), &field), 0);		\
	buf_free(&b);							\
} while (0)
	memset(&r, 0, sizeof(r));
	REFUSED(MSG_REACTION, r, "post_id");
	(void)strlcpy(r.post_id, "aaaaaaaaaaaaaaaaaaaaaaaaaa", ID_SIZE);
	(void)strlcpy(r.user_id, "aaaaaaaaaaaaaaaaaaaaaaaaaA", ID_SIZE);
	REFUSED(MSG_REACTION, r, "user_id");
	r.user_id[25] = '9';
	memcpy(r.channel_id, r.user_id, ID_SIZE);
	REFUSED(MSG_REACTION, r, "emoji");
	memset(r.emoji, 'e', sizeof(r.emoji));	/* no NUL at all */
	REFUSED(MSG_REACTION, r, "emoji");
	r.emoji[64] = '\0';
	TAKEN(MSG_REACTION, r);
	r.added = 2;
	REFUSED(MSG_REACTION, r, "added");

	memset(&j, 0, sizeof(j));
	REFUSED(MSG_JOB_START, j, "job");
	j.job = 1;
	(void)strlcpy(j.execution_id, "01234567-89ab-cdef-0123-456789abcdeF",
	    UUID_SIZE);
	REFUSED(MSG_JOB_START, j, "execution_id");
	j.execution_id[35] = 'f';
	memcpy(j.user_id, r.user_id, ID_SIZE);
	memcpy(j.channel_id, r.user_id, ID_SIZE);
	TAKEN(MSG_JOB_START, j);
	j.words.n = 1;			/* and no byte of it */
	REFUSED(MSG_JOB_START, j, "words");
	j.words.n = 0;
	j.words.len = 1;
	REFUSED(MSG_JOB_START, j, "words");
	j.words.len = sizeof(j.words.data) + 1;
	REFUSED(MSG_JOB_START, j, "words");

	memset(&u, 0, sizeof(u));
	u.status = LOOKUP_MISSING;
	TAKEN(MSG_USER, u);
	u.status = LOOKUP_OK;
	REFUSED(MSG_USER, u, "id");
	memcpy(u.id, r.user_id, ID_SIZE);
	REFUSED(MSG_USER, u, "username");
	u.username[0] = 'a';
	TAKEN(MSG_USER, u);
	u.flags = USER_FLAGS + 1;
	REFUSED(MSG_USER, u, "flags");

	memset(&c, 0, sizeof(c));
	c.status = LOOKUP_FAILED;
	TAKEN(MSG_CHANNEL, c);
	c.status = LOOKUP_OK;
	REFUSED(MSG_CHANNEL, c, "id");
	memcpy(c.id, r.user_id, ID_SIZE);
	REFUSED(MSG_CHANNEL, c, "type");
	c.type = 'O';
	TAKEN(MSG_CHANNEL, c);

	memset(&lu, 0, sizeof(lu));
	(void)strlcpy(lu.key, "alice", sizeof(lu.key));
	REFUSED(MSG_LOOKUP_USER, lu, "key");
	lu.by_name = 1;
	TAKEN(MSG_LOOKUP_USER, lu);
	memset(&lc, 0, sizeof(lc));
	REFUSED(MSG_LOOKUP_CHANNEL, lc, "name");
	lc.name[0] = 'a';
	TAKEN(MSG_LOOKUP_CHANNEL, lc);
	memcpy(lc.id, r.user_id, ID_SIZE);
	REFUSED(MSG_LOOKUP_CHANNEL, lc, "name");

	REFUSED(MSG_NONE, r, "type");
	REFUSED(MSG_COUNT, r, "type");
	CHECK_INT(msg_decode("", 0, MSG_COUNT, &r, &field), -1);
	CHECK_INT(msg_decode("", 0, MSG_NONE, &r, &field), -1);
#undef REFUSED
#undef TAKEN
}

/* The same combinations on the wire. */
TEST(msg_decode_refuses_half_an_answer)
{
	struct msg_user	 u;
	const char	*field;

	CHECK_INT(msg_decode("\0" "\0\0" "\0\0" "\0\0\0\0", 9, MSG_USER, &u,
	    &field), -1);
	CHECK_STR(field, "id");
	CHECK_INT(msg_decode("\1" "\0\0" "\0\0" "\0\0\0\0", 9, MSG_USER, &u,
	    &field), 0);
}

TEST(words_have_limits)
{
	static struct words	 w;
	static char		 big[sizeof(w.data)];
	int			 i;

	memset(&w, 0, sizeof(w));
	CHECK(words_get(&w, 0) == NULL);
	CHECK_INT(words_add(&w, "", 0), 0);
	CHECK_INT(words_add(&w, "two words", 9), 0);
	CHECK_INT(words_add(&w, "a\0b", 3), -1);
	CHECK_STR(words_get(&w, 0), "");
	CHECK_STR(words_get(&w, 1), "two words");
	CHECK(words_get(&w, 2) == NULL);
	for (i = 2; i < WORDS_MAX; i++)
		CHECK_INT(words_add(&w, "x", 1), 0);
	CHECK_INT(words_add(&w, "x", 1), -1);
	CHECK(words_get(&w, WORDS_MAX) == NULL);
	memset(&w, 0, sizeof(w));
	memset(big, 'b', sizeof(big));
	CHECK_INT(words_add(&w, big, sizeof(big)), -1);
	CHECK_INT(words_add(&w, big, sizeof(big) - 1), 0);
	CHECK_INT(words_add(&w, "", 0), -1);
	CHECK_INT(w.n, 1);
}
