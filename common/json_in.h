/*
 * From a JSON tree into a struct by a table of members.  A reader knows
 * where in the file it stands, so that every error names the place.
 */
#ifndef CHATOPS_JSON_IN_H
#define CHATOPS_JSON_IN_H

#include <stddef.h>
#include <stdint.h>

#include "json.h"

#define JSON_PATH_SIZE	256
#define JSON_INT_MAX	9007199254740991LL	/* 2^53 - 1 */

struct json_in {
	const struct json_file	*jf;
	struct json_error	*e;
	char			 path[JSON_PATH_SIZE];
	size_t			 len;
	size_t			 marks[JSON_DEPTH_MAX + 2];
	size_t			 depth;
};

void	 json_in_init(struct json_in *, const struct json_file *,
	    struct json_error *);
/* Down to a member or an element, and back up. */
void	 json_enter(struct json_in *, const char *name);
void	 json_enter_index(struct json_in *, size_t);
void	 json_leave(struct json_in *);
/* An error about the value where the reader stands; always -1. */
int	 json_bad(struct json_in *, const char *fmt, ...)
	    __attribute__((__format__(printf, 2, 3)));

/*
 * A member: get checks v and stores it at base + offset; size and the
 * limits are its parameters.  A member without a get is one that this
 * version does not support and refuses by name.
 */
struct json_field {
	const char	*name;
	int		(*get)(struct json_in *, const struct json_field *,
			    const json_t *v, void *at);
	size_t		 offset;
	int64_t		 min;
	int64_t		 max;
	int		 required;
};

/*
 * Every member of the object v by the table; unknown ones are errors with a
 * "did you mean".  0 or -1.
 */
int	 json_fields(struct json_in *, const json_t *v,
	    const struct json_field *, size_t n, void *base);

/* What is at that place, as people call it: "a string", "an object". */
const char	*json_kind(const json_t *);
/* A string of min to max bytes without control characters, or NULL. */
const char	*json_text(struct json_in *, const json_t *, size_t min,
		    size_t max);

/* Getters.  The struct's member is named in the comment. */
/* char[max + 1], at least min bytes */
int	 json_get_string(struct json_in *, const struct json_field *,
	    const json_t *, void *);
/* char *, min to max bytes; what was there is freed */
int	 json_get_strdup(struct json_in *, const struct json_field *,
	    const json_t *, void *);
/* int, 0 or 1 */
int	 json_get_bool(struct json_in *, const struct json_field *,
	    const json_t *, void *);
/* uint32_t, uint64_t, min to max */
int	 json_get_u32(struct json_in *, const struct json_field *,
	    const json_t *, void *);
int	 json_get_u64(struct json_in *, const struct json_field *,
	    const json_t *, void *);
/* int64_t: milliseconds, or a string like "90s"; min to max */
int	 json_get_duration(struct json_in *, const struct json_field *,
	    const json_t *, void *);
/* struct conf_rate: {"count", "per"}, min to max counts */
int	 json_get_rate(struct json_in *, const struct json_field *,
	    const json_t *, void *);
/* Nothing: "$schema" and the like, a string that an editor wants. */
int	 json_get_ignored(struct json_in *, const struct json_field *,
	    const json_t *, void *);

/*
 * Refuse by name what belongs to a later version: {"metrics", NULL, ...}.
 */
#define JSON_UNSUPPORTED(name)	{ name, NULL, 0, 0, 0, 0 }

#endif
