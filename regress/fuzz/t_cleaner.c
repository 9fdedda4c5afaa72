/*
 * A script's output: the first byte says how many bytes of secrets come,
 * the second how the rest is cut into pieces.  However it is cut, the result
 * is the same; it is valid UTF-8, steers no terminal and holds no secret.
 * Then what the chat gets of it.
 */
#include "buf.h"
#include "fuzz.h"
#include "msg.h"
#include "text.h"

#define OUT_MAX	4096

static void
clean(const struct words *secrets, const uint8_t *data, size_t len,
    size_t piece, struct buf *out, uint64_t *dropped)
{
	struct cleaner	*c;
	size_t		 at, n;

	*dropped = 0;
	buf_init(out, OUT_MAX);
	MUST((c = cleaner_new(secrets)) != NULL);
	for (at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		cleaner_feed(c, data + at, n, out, dropped);
	}
	cleaner_finish(c, out, dropped);
	cleaner_free(c);
}

static void
check_text(const struct buf *out, const struct words *secrets,
    uint64_t dropped)
{
	const char	*text = (const char *)out->data, *secret;
	size_t		 i;

	MUST(buf_error(out) == 0);
	MUST(utf8_valid(text, out->len) == out->len);
	for (i = 0; i < out->len; i++)
		MUST((uint8_t)text[i] >= 0x20 ? text[i] != 0x7f :
		    text[i] == '\t' || text[i] == '\n');
	for (i = 0; (secret = words_get(secrets, i)) != NULL; i++)
		if (strlen(secret) >= 4 && strchr(secret, '*') == NULL &&
		    dropped == 0)
			MUST(memmem(text, out->len, secret,
			    strlen(secret)) == NULL);
}

/* No run of backticks inside the block is as long as the fence. */
static void
check_fence(const char *text, size_t len)
{
	struct buf	 b;
	const char	*p;
	size_t		 fence, i, end, run;

	buf_init(&b, 64 * 1024);
	(void)text_fence(&b, text, len, 4000);
	MUST(buf_error(&b) == 0);
	p = (const char *)b.data;
	fence = strspn(p, "`");
	MUST(fence >= 3);
	/* It ends with the same fence on a line of its own. */
	for (end = b.len; p[end - 1] == '\n'; end--)
		continue;
	MUST(end > 2 * fence + 1 && p[end - fence - 1] == '\n' &&
	    strspn(p + end - fence, "`") == fence);
	for (i = fence; i < end - fence; i += run + 1) {
		run = strspn(p + i, "`");
		MUST(run < fence);
	}
	MUST(utf8_valid(p, b.len) == b.len);
	buf_reset(&b);
	text_escape(&b, text, len);
	MUST(buf_error(&b) == 0 && utf8_valid((char *)b.data, b.len) == b.len);
	buf_reset(&b);
	text_code(&b, text, len);
	MUST(buf_error(&b) == 0 && utf8_valid((char *)b.data, b.len) == b.len);
	buf_free(&b);
}

static void
take_secrets(struct words *secrets, const uint8_t *data, size_t len)
{
	size_t	 from = 0, i;

	memset(secrets, 0, sizeof(*secrets));
	for (i = 0; i <= len; i++)
		if (i == len || data[i] == 0) {
			if (i > from && utf8_valid((const char *)data + from,
			    i - from) == i - from)
				(void)words_add(secrets,
				    (const char *)data + from, i - from);
			from = i + 1;
		}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct words	 secrets;
	struct buf		 whole, pieces;
	uint64_t		 dropped, dropped2;
	size_t			 n, piece;

	if (len < 2)
		return 0;
	n = data[0];
	piece = (size_t)data[1] % 16 + 1;
	data += 2;
	len -= 2;
	if (n > len)
		n = len;
	take_secrets(&secrets, data, n);
	clean(&secrets, data + n, len - n, len + 1, &whole, &dropped);
	clean(&secrets, data + n, len - n, piece, &pieces, &dropped2);
	MUST(whole.len == pieces.len && dropped == dropped2);
	MUST(whole.len == 0 ||
	    memcmp(whole.data, pieces.data, whole.len) == 0);
	if (whole.len > 0) {
		check_text(&whole, &secrets, dropped);
		check_fence((char *)whole.data, whole.len);
	}
	buf_free(&whole);
	buf_free(&pieces);
	return 0;
}
