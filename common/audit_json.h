/*
 * The JSON of the audit log: a strict reader for one spelling only.  It is
 * no parser: it builds nothing, needs no memory, does not recurse, and every
 * bound is a constant.
 */
#ifndef CHATOPS_AUDIT_JSON_H
#define CHATOPS_AUDIT_JSON_H

#include <stddef.h>
#include <stdint.h>

#define AUDIT_DEPTH_MAX		16	/* nested objects and arrays */
#define AUDIT_MEMBERS_MAX	256	/* names of all open objects */
#define AUDIT_NUMBER_MAX	((1LL << 53) - 1)

/* Bytes that somebody else owns; p is NULL where the member is null. */
struct audit_text {
	const char	*p;
	size_t		 len;
};

/*
 * A reading position.  A strict reader (loose 0) fails at the first byte
 * that is not in the one spelling.  A loose one reads any JSON within the
 * bounds and notes what was odd: it exists to say why the strict one failed.
 */
struct audit_json {
	const char	*p;
	const char	*end;
	int		 loose;
	int		 odd;		/* loose: spelt in another way */
	int		 dup;		/* a name stands twice in one object */
	const char	*why;		/* after a failure */
};

void	 audit_json_init(struct audit_json *, const char *, size_t, int loose);

/*
 * Each reads one thing and moves on: 1, or 0 with why set.  The bytes must
 * have been checked to be UTF-8 before.  inside is what stands between the
 * quotes, as spelt; raw is the whole value, as spelt.
 */
int	 audit_json_byte(struct audit_json *, char);
int	 audit_json_string(struct audit_json *, struct audit_text *inside);
int	 audit_json_integer(struct audit_json *, int64_t *);
int	 audit_json_value(struct audit_json *, struct audit_text *raw);
void	 audit_json_space(struct audit_json *);

/* Whether two names are the same once their escapes are undone. */
int	 audit_json_same(const struct audit_text *, const struct audit_text *);

/* 0 if these bytes are one object in the one spelling, else -1 and *why. */
int	 audit_json_check_object(const char *, size_t, const char **why);
/*
 * The value of a member of an object that was checked before: 1, or 0 when
 * it has no such member.  name is plain ASCII without escapes.
 */
int	 audit_json_member(const struct audit_text *object, const char *name,
	    struct audit_text *value);
/*
 * Undo the escapes of a string as spelt; writes at most size bytes with the
 * NUL.  Number of bytes, or -1 when it does not fit or is no such string.
 */
int	 audit_json_decode(const struct audit_text *inside, char *,
	    size_t size);
/* The same for a raw value, which must be a string. */
int	 audit_json_decode_value(const struct audit_text *raw, char *,
	    size_t size);

#endif
