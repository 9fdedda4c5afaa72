/*
 * A growing byte buffer with a ceiling, and typed put and get in network
 * byte order.  Putting never fails half-way: the first error sticks and is
 * seen by buf_error() or at the end.  Getting is strict: a short read, a
 * string that is too long or holds a NUL, a boolean that is neither 0 nor 1
 * is an error that sticks too, and buf_end() insists that nothing is left.
 */
#ifndef CHATOPS_BUF_H
#define CHATOPS_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t	*data;
	size_t	 len;		/* bytes in use */
	size_t	 cap;		/* bytes allocated */
	size_t	 max;		/* never more than this */
	size_t	 pos;		/* read position */
	int	 error;		/* 0, EMSGSIZE, EBADMSG or ENOMEM */
};

void	 buf_init(struct buf *, size_t max);
/* Read from bytes that somebody else owns; buf_free() leaves them alone. */
void	 buf_init_read(struct buf *, const void *, size_t);
void	 buf_free(struct buf *);	/* zeroes what it held */
void	 buf_reset(struct buf *);
int	 buf_error(const struct buf *);

void	 buf_put(struct buf *, const void *, size_t);
void	 buf_put_u8(struct buf *, uint8_t);
void	 buf_put_u16(struct buf *, uint16_t);
void	 buf_put_u32(struct buf *, uint32_t);
void	 buf_put_u64(struct buf *, uint64_t);
void	 buf_put_str(struct buf *, const char *, size_t max);
void	 buf_printf(struct buf *, const char *, ...)
	    __attribute__((__format__(printf, 2, 3)));

void	 buf_get(struct buf *, void *, size_t);
uint8_t	 buf_get_u8(struct buf *);
uint16_t buf_get_u16(struct buf *);
uint32_t buf_get_u32(struct buf *);
uint64_t buf_get_u64(struct buf *);
/* Writes at most size bytes with the NUL; an empty string is allowed. */
void	 buf_get_str(struct buf *, char *, size_t size);
/* 0 when no error stuck and every byte was taken, else -1. */
int	 buf_end(const struct buf *);

#endif
