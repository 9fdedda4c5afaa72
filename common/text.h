/*
 * Text from strangers: checking it, making it harmless, cutting it.
 */
#ifndef CHATOPS_TEXT_H
#define CHATOPS_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "msg.h"

/* Length of the valid UTF-8 prefix. */
size_t	 utf8_valid(const char *, size_t);
/* Code points of valid UTF-8. */
size_t	 utf8_runes(const char *, size_t);
/* Bytes of the first n code points. */
size_t	 utf8_cut(const char *, size_t, size_t n);
/* Bytes of the first code point and its value; 0 when there is none. */
size_t	 utf8_next(const char *, size_t, uint32_t *);
/* 1 when these bytes are a code point that lacks its end. */
int	 utf8_is_partial(const char *, size_t);
/* ^[a-z0-9]{26}$ */
int	 text_is_id(const char *);

/*
 * Refuse a command that holds what a reader cannot see: controls (a tab is
 * one), line ends, bidirectional controls, zero-width and other invisible
 * characters, blanks other than the space, invalid UTF-8.
 * 0, or -1 with the character named in why ("U+202E RIGHT-TO-LEFT OVERRIDE
 * at character 12").
 */
int	 text_check_command(const char *, size_t, char *why, size_t whylen);

/*
 * Bytes of such characters that text begins with; ASCII's white space, which
 * people type, does not count.
 */
size_t	 text_hidden_span(const char *);
/*
 * Split at blanks.  '...' groups and keeps everything, "..." groups, and
 * outside of '...' a backslash takes the next character as it is.  Nothing
 * is expanded.  0, or -1 and why.
 */
int	 text_split(const char *, size_t, struct words *, char *why,
	    size_t whylen);
/*
 * For a "did you mean": edits (insert, delete, replace, swap of
 * neighbours) between two names, case ignored, or limit + 1 when it takes
 * more than limit of them.
 */
size_t	 text_distance(const char *, const char *, size_t limit);
/*
 * 1 when name is near enough to what was typed to be suggested, and nearer
 * than *best, which starts as SIZE_MAX and is lowered.
 */
int	 text_is_nearer(const char *typed, const char *name, size_t *best);

/*
 * A script's output, as it comes in pieces: invalid UTF-8 becomes U+FFFD,
 * escape sequences (CSI, OSC, DCS, single), control characters other than
 * tab and newline and bidirectional overrides go, CR LF and CR become LF,
 * secrets become "***" also across the border of two pieces.  out grows up
 * to its max; what does not fit is counted in dropped, in bytes.  What may
 * turn out to be the start of a secret is held back until it is decided.
 */
struct cleaner;
/* NULL when there is no memory; secrets may be NULL. */
struct cleaner	*cleaner_new(const struct words *secrets);
void		 cleaner_free(struct cleaner *);
void		 cleaner_feed(struct cleaner *, const void *, size_t,
		    struct buf *out, uint64_t *dropped);
void		 cleaner_finish(struct cleaner *, struct buf *out,
		    uint64_t *dropped);

/*
 * Append text as a fenced block whose fence no line of it can end.  At most
 * max_runes of the text; cut text ends in "\n... (truncated)".  The block
 * starts and ends on lines of its own.  Returns 1 when it was cut.
 */
int	 text_fence(struct buf *, const char *, size_t, size_t max_runes);
/*
 * Append as one line of running text: the seed's five characters, the
 * backslash and [ are escaped by a backslash; an invisible U+200B disarms
 * mentions, channel links, hashtags, entities and links; a control
 * character becomes a space.
 */
void	 text_escape(struct buf *, const char *, size_t);
/* Append as inline code, whatever backticks it holds. */
void	 text_code(struct buf *, const char *, size_t);

/* Append as the inside of a JSON string in the audit log's one spelling. */
void	 text_json_string(struct buf *, const char *, size_t);

#endif
