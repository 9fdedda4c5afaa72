/*
 * The fields of the messages as the encoder and the decoder see them; only
 * msg_fields.c, which has the table, and msg_codec.c include this.
 */
#ifndef CHATOPS_MSG_FIELDS_H
#define CHATOPS_MSG_FIELDS_H

#include <stddef.h>
#include <stdint.h>

enum field_kind {
	F_END,
	F_U8,			/* min..max */
	F_U16,
	F_U32,
	F_U64,
	F_I32,
	F_I64,			/* min.. */
	F_CHANNEL_TYPE,		/* one of four letters, or 0 if min is 0 */
	F_ID,			/* 26 of [a-z0-9], or "" if min is 0 */
	F_UUID,			/* lower case, or "" if min is 0 */
	F_BUILD,		/* 64 lower hexadecimal digits */
	F_STR,			/* valid UTF-8, at least min bytes */
	F_HASH,
	F_WORDS
};

struct field {
	const char	*name;
	enum field_kind	 kind;
	size_t		 offset;
	size_t		 size;		/* of the member */
	int64_t		 min;
	uint64_t	 max;
};

struct field_type {
	size_t			 size;		/* of the struct */
	const struct field	*fields;	/* NULL: no payload */
	/* What no single field can say: the name of the wrong one, or NULL. */
	const char		*(*check)(const void *);
};

/* By enum msg_type. */
extern const struct field_type	 msg_types[];

#endif
