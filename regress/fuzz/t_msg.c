/*
 * Messages: first byte the type, then a payload.  What decodes must encode
 * to the same bytes, for there is one spelling only; and a decoder must not
 * take what the lengths of the rules table would not.
 */
#include "buf.h"
#include "fuzz.h"
#include "msg.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char	*field;
	struct buf	 b;
	enum msg_type	 type;
	size_t		 min, max;
	void		*msg;

	if (len == 0)
		return 0;
	type = (enum msg_type)data[0];
	data++;
	len--;
	if ((msg = malloc(msg_struct_size(type) + 1)) == NULL)
		return 0;
	if (msg_decode(data, len, type, msg, &field) == 0) {
		msg_limits(type, &min, &max);
		MUST(len >= min && len <= max);
		MUST(msg_encode(&b, type, msg, &field) == 0);
		MUST(b.len == len);
		MUST(len == 0 || memcmp(b.data, data, len) == 0);
		buf_free(&b);
	} else
		MUST(field != NULL && field[0] != '\0');
	free(msg);
	return 0;
}
