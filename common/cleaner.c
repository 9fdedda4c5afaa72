/*
 * A script's output on its way to a chat, byte by byte, in three stages:
 * UTF-8 (RFC 3629), the escape sequences of ECMA-48 and controls, secrets.
 * Each stage keeps what it has not decided yet, so that the pieces in which
 * the output arrives make no difference.
 */
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "text.h"

#define PENDING_MIN	4096	/* room beyond the longest secret */
/*
 * A sequence without an end must not hide the output that follows: after
 * that many characters what comes is shown.
 */
#define SEQUENCE_MAX	4096

#define CH_BEL	0x07
#define CH_TAB	0x09
#define CH_LF	0x0a
#define CH_CR	0x0d
#define CH_CAN	0x18
#define CH_SUB	0x1a
#define CH_ESC	0x1b
#define CH_DEL	0x7f
#define CH_DCS	0x90
#define CH_SOS	0x98
#define CH_CSI	0x9b
#define CH_ST	0x9c
#define CH_OSC	0x9d
#define CH_PM	0x9e
#define CH_APC	0x9f

enum escape {
	GROUND,
	ESCAPE,			/* after ESC */
	INTERMEDIATE,		/* ESC and 0x20 to 0x2f */
	CSI,
	STRING,			/* OSC, DCS, SOS, PM, APC: until ST */
	STRING_ESCAPE		/* ESC inside of one */
};

struct secret {
	char	*text;
	size_t	 len;
};

struct cleaner {
	char		 part[4];	/* of a character */
	size_t		 npart;
	enum escape	 state;
	size_t		 length;	/* of the sequence so far */
	int		 cr;		/* the last character was CR */

	struct secret	*secrets;
	size_t		 nsecrets;
	char		*pending;	/* clean, not yet let go */
	unsigned char	*covered;	/* 1: part of a secret */
	size_t		 npending, cap;
	int		 masking;	/* the last byte let go was covered */

	int		 full;		/* out did not take something */
	size_t		 full_len;	/* its length then */
};

/* Let n bytes go, or count them.  A character is never cut. */
static void
out_put(struct cleaner *c, const char *s, size_t n, struct buf *out,
    uint64_t *dropped)
{
	if (c->full && out->len == c->full_len) {
		*dropped += n;
		return;
	}
	c->full = 0;
	if (buf_error(out) == 0 && n <= out->max && out->len <= out->max - n)
		buf_put(out, s, n);
	else
		c->full = 1;
	if (buf_error(out) != 0)
		c->full = 1;
	if (c->full) {
		c->full_len = out->len;
		*dropped += n;
	}
}

/* Let the first n pending bytes go; a covered run is three stars. */
static void
mask_release(struct cleaner *c, size_t n, struct buf *out, uint64_t *dropped)
{
	size_t		 i, len;
	uint32_t	 cp;

	for (i = 0; i < n; i += len) {
		len = 1;
		if (c->covered[i]) {
			if (!c->masking)
				out_put(c, "***", 3, out, dropped);
			c->masking = 1;
			continue;
		}
		c->masking = 0;
		if ((len = utf8_next(c->pending + i, n - i, &cp)) == 0)
			len = 1;
		out_put(c, c->pending + i, len, out, dropped);
	}
	explicit_bzero(c->pending, n);
	c->npending -= n;
	memmove(c->pending, c->pending + n, c->npending);
	memmove(c->covered, c->covered + n, c->npending);
}

/* Bytes at the end of pending that may be the start of a secret. */
static size_t
mask_undecided(const struct cleaner *c)
{
	const struct secret	*s;
	size_t			 best = 0, n;

	for (s = c->secrets; s < c->secrets + c->nsecrets; s++) {
		n = s->len - 1 < c->npending ? s->len - 1 : c->npending;
		for (; n > best; n--)
			if (memcmp(c->pending + c->npending - n, s->text,
			    n) == 0)
				best = n;
	}
	return best;
}

static void
mask_put(struct cleaner *c, const char *s, size_t n, struct buf *out,
    uint64_t *dropped)
{
	const struct secret	*x;
	size_t			 i;

	if (c->nsecrets == 0) {
		out_put(c, s, n, out, dropped);
		return;
	}
	if (c->npending + n > c->cap)
		mask_release(c, c->npending - mask_undecided(c), out, dropped);
	for (i = 0; i < n; i++) {
		c->pending[c->npending] = s[i];
		c->covered[c->npending++] = 0;
	}
	for (x = c->secrets; x < c->secrets + c->nsecrets; x++)
		if (x->len <= c->npending &&
		    x->text[x->len - 1] == c->pending[c->npending - 1] &&
		    memcmp(c->pending + c->npending - x->len, x->text,
		    x->len) == 0)
			memset(c->covered + c->npending - x->len, 1, x->len);
}

/* Overrides and isolates show text in another order than it has. */
static int
is_bidi(uint32_t cp)
{
	return (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}

static void
ground(struct cleaner *c, uint32_t cp, const char *s, size_t n,
    struct buf *out, uint64_t *dropped)
{
	int	 cr;

	cr = c->cr;
	c->cr = cp == CH_CR;
	if (cp == CH_LF && cr)
		return;
	if (cp == CH_CR || cp == CH_LF)
		mask_put(c, "\n", 1, out, dropped);
	else if (cp == CH_TAB || (cp >= ' ' && cp != CH_DEL &&
	    !(cp >= 0x80 && cp <= 0x9f) && !is_bidi(cp)))
		mask_put(c, s, n, out, dropped);
}

/* What starts a sequence: 1 and the state, or 0. */
static int
introducer(uint32_t cp, enum escape *state)
{
	switch (cp) {
	case CH_ESC:
		*state = ESCAPE;
		return 1;
	case CH_CSI:
		*state = CSI;
		return 1;
	case CH_DCS:
	case CH_SOS:
	case CH_OSC:
	case CH_PM:
	case CH_APC:
		*state = STRING;
		return 1;
	}
	return 0;
}

/* The character after ESC, below 0x80: the state that it leads to. */
static enum escape
after_escape(uint32_t cp)
{
	enum escape	 state = GROUND;

	if (cp >= 0x20 && cp <= 0x2f)
		return INTERMEDIATE;
	/* ESC and 0x40 to 0x5f is the C1 control 64 above (ECMA-48, 5.3). */
	if (cp >= 0x40 && cp <= 0x5f)
		(void)introducer(cp + 0x40, &state);
	return state;
}

/*
 * One character of a sequence.  1 when it belongs to it and is gone, 0 when
 * the sequence is over and the character stands for itself.
 */
static int
sequence(struct cleaner *c, uint32_t cp)
{
	enum escape	 was = c->state;

	if (cp == CH_CAN || cp == CH_SUB || cp == CH_LF || cp == CH_CR ||
	    c->length++ >= SEQUENCE_MAX) {
		c->state = GROUND;
		return 0;
	}
	if (was == STRING) {
		if (cp == CH_ESC)
			c->state = STRING_ESCAPE;
		else if (cp == CH_BEL || cp == CH_ST)
			c->state = GROUND;
		return 1;
	}
	if (cp < ' ' || cp >= CH_DEL) {
		c->state = GROUND;
		return 0;
	}
	if (was == ESCAPE || was == STRING_ESCAPE)
		c->state = after_escape(cp);
	else if ((was == CSI && cp >= 0x40) ||
	    (was == INTERMEDIATE && cp >= 0x30))
		c->state = GROUND;
	return 1;
}

static void
character(struct cleaner *c, uint32_t cp, const char *s, size_t n,
    struct buf *out, uint64_t *dropped)
{
	if (c->state != GROUND && sequence(c, cp))
		return;
	if (introducer(cp, &c->state)) {
		c->length = 0;
		c->cr = 0;
		return;
	}
	ground(c, cp, s, n, out, dropped);
}

/*
 * Take what is a character out of part; what cannot become one is U+FFFD,
 * one per maximal subpart (Unicode, section 3.9).
 */
static void
decode(struct cleaner *c, struct buf *out, uint64_t *dropped)
{
	uint32_t	 cp;
	size_t		 n;

	while (c->npart > 0) {
		n = utf8_next(c->part, c->npart, &cp);
		if (n > 0)
			character(c, cp, c->part, n, out, dropped);
		else if (utf8_is_partial(c->part, c->npart))
			return;
		else {
			n = c->npart > 1 ? c->npart - 1 : 1;
			character(c, 0xfffd, "\xef\xbf\xbd", 3, out, dropped);
		}
		c->npart -= n;
		memmove(c->part, c->part + n, c->npart);
	}
}

static void
feed(struct cleaner *c, const char *s, size_t n, struct buf *out,
    uint64_t *dropped)
{
	size_t	 i;

	for (i = 0; i < n; i++) {
		c->part[c->npart++] = s[i];
		decode(c, out, dropped);
	}
}

void
cleaner_feed(struct cleaner *c, const void *data, size_t n, struct buf *out,
    uint64_t *dropped)
{
	feed(c, data, n, out, dropped);
	if (c->nsecrets > 0)
		mask_release(c, c->npending - mask_undecided(c), out, dropped);
}

static void
finish(struct cleaner *c, struct buf *out, uint64_t *dropped)
{
	if (c->npart > 0) {
		c->npart = 0;
		character(c, 0xfffd, "\xef\xbf\xbd", 3, out, dropped);
	}
	c->state = GROUND;
	c->cr = 0;
}

void
cleaner_finish(struct cleaner *c, struct buf *out, uint64_t *dropped)
{
	finish(c, out, dropped);
	if (c->nsecrets > 0)
		mask_release(c, c->npending, out, dropped);
	c->masking = 0;
}

/*
 * Secrets are compared with clean text, so they are cleaned the same way.
 * One that cleans to nothing cannot show up.  0 or -1.
 */
static int
secret_add(struct cleaner *c, const char *text)
{
	struct cleaner	 plain;
	struct buf	 b;
	uint64_t	 dropped = 0;
	int		 ret = -1;

	memset(&plain, 0, sizeof(plain));
	buf_init(&b, 4 * sizeof(struct words));
	feed(&plain, text, strlen(text), &b, &dropped);
	finish(&plain, &b, &dropped);
	if (buf_error(&b) != 0 || dropped != 0)
		goto done;
	ret = 0;
	if (b.len == 0)
		goto done;
	ret = -1;
	if ((c->secrets[c->nsecrets].text = malloc(b.len)) == NULL)
		goto done;
	memcpy(c->secrets[c->nsecrets].text, b.data, b.len);
	c->secrets[c->nsecrets++].len = b.len;
	if (b.len + PENDING_MIN > c->cap)
		c->cap = b.len + PENDING_MIN;
	ret = 0;
done:
	buf_free(&b);
	return ret;
}

struct cleaner *
cleaner_new(const struct words *secrets)
{
	struct cleaner	*c;
	size_t		 i;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	if (secrets == NULL || secrets->n == 0)
		return c;
	if ((c->secrets = calloc(secrets->n, sizeof(*c->secrets))) == NULL)
		goto fail;
	for (i = 0; i < secrets->n; i++)
		if (secret_add(c, words_get(secrets, i)) == -1)
			goto fail;
	if (c->nsecrets == 0)
		return c;
	if ((c->pending = calloc(1, c->cap)) == NULL ||
	    (c->covered = calloc(1, c->cap)) == NULL)
		goto fail;
	return c;
fail:
	cleaner_free(c);
	return NULL;
}

void
cleaner_free(struct cleaner *c)
{
	size_t	 i;

	if (c == NULL)
		return;
	for (i = 0; i < c->nsecrets; i++)
		freezero(c->secrets[i].text, c->secrets[i].len);
	free(c->secrets);
	freezero(c->pending, c->pending == NULL ? 0 : c->cap);
	free(c->covered);
	freezero(c, sizeof(*c));
}
