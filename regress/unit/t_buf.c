/* The buffer: typed put and get, ceilings, errors that stick. */
#include <errno.h>

#include "buf.h"
#include "test.h"

/* The bytes on the wire, as written down by hand. */
TEST(buf_put_is_network_order)
{
	static const uint8_t	 want[] = {
		0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,
		0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x00, 0x02, 'h', 'i'
	};
	struct buf		 b;

	buf_init(&b, 100);
	buf_put_u8(&b, 0x01);
	buf_put_u16(&b, 0x0203);
	buf_put_u32(&b, 0x04050607);
	buf_put_u64(&b, 0x08090a0b0c0d0e0fULL);
	buf_put_str(&b, "hi", 3);
	CHECK_INT(buf_error(&b), 0);
	CHECK_INT(b.len, sizeof(want));
	CHECK(b.len == sizeof(want) && memcmp(b.data, want, b.len) == 0);
	CHECK_INT(b.data[b.len], 0);
	buf_free(&b);
	CHECK(b.data == NULL && b.len == 0);
}

TEST(buf_random_roundtrip)
{
	struct buf	 b, r;
	uint64_t	 seed, v;
	char		 s[300], got[300];
	size_t		 i, len;
	int		 round, op;

	for (round = 0; round < 200; round++) {
		buf_init(&b, 1 << 20);
		seed = test_seed = test_random() | 1;
		for (op = 0; op < 100; op++) {
			v = test_random();
			len = v % (sizeof(s) - 1);
			for (i = 0; i < len; i++)
				s[i] = (char)(1 + test_random() % 255);
			s[len] = '\0';
			switch (v >> 60 & 3) {
			case 0:
				buf_put_u8(&b, (uint8_t)v);
				break;
			case 1:
				buf_put_u32(&b, (uint32_t)v);
				break;
			case 2:
				buf_put_u64(&b, v);
				break;
			default:
				buf_put_str(&b, s, sizeof(s));
			}
		}
		CHECK_INT(buf_error(&b), 0);
		buf_init_read(&r, b.data, b.len);
		test_seed = seed;
		for (op = 0; op < 100; op++) {
			v = test_random();
			len = v % (sizeof(s) - 1);
			for (i = 0; i < len; i++)
				s[i] = (char)(1 + test_random() % 255);
			s[len] = '\0';
			switch (v >> 60 & 3) {
			case 0:
				CHECK(buf_get_u8(&r) == (uint8_t)v);
				break;
			case 1:
				CHECK(buf_get_u32(&r) == (uint32_t)v);
				break;
			case 2:
				CHECK(buf_get_u64(&r) == v);
				break;
			default:
				buf_get_str(&r, got, sizeof(got));
				CHECK_STR(got, s);
			}
		}
		CHECK_INT(buf_end(&r), 0);
		buf_free(&r);
		buf_free(&b);
	}
}

TEST(buf_ceiling_sticks)
{
	struct buf	 b;
	int		 i;

	buf_init(&b, 10);
	buf_put(&b, "0123456789", 10);
	CHECK_INT(buf_error(&b), 0);
	buf_put_u8(&b, 1);
	CHECK_INT(buf_error(&b), EMSGSIZE);
	CHECK_INT(b.len, 10);
	/* Nothing is put half-way, and nothing after the first error. */
	buf_put(&b, "", 0);
	CHECK_INT(buf_error(&b), EMSGSIZE);
	buf_reset(&b);
	CHECK_INT(buf_error(&b), 0);
	CHECK_INT(b.len, 0);
	buf_put_u32(&b, 1);
	buf_put_u64(&b, 1);
	CHECK_INT(buf_error(&b), EMSGSIZE);
	CHECK_INT(b.len, 4);
	buf_put_u8(&b, 1);
	CHECK_INT(b.len, 4);
	buf_free(&b);

	buf_init(&b, 1000);
	for (i = 0; i < 1000; i++)
		buf_put_u8(&b, (uint8_t)i);
	CHECK_INT(buf_error(&b), 0);
	CHECK(b.cap <= 1001);
	buf_put(&b, "x", SIZE_MAX);
	CHECK_INT(buf_error(&b), EMSGSIZE);
	buf_free(&b);
}

TEST(buf_put_str_wants_an_end)
{
	static char	 big[70000];
	struct buf	 b;

	buf_init(&b, 100000);
	buf_put_str(&b, "abc", 3);
	CHECK_INT(buf_error(&b), EMSGSIZE);
	CHECK_INT(b.len, 0);
	buf_reset(&b);
	memset(big, 'a', sizeof(big) - 1);
	buf_put_str(&b, big, sizeof(big));
	CHECK_INT(buf_error(&b), EMSGSIZE);
	buf_reset(&b);
	big[65535] = '\0';
	buf_put_str(&b, big, sizeof(big));
	CHECK_INT(buf_error(&b), 0);
	CHECK_INT(b.len, 65537);
	buf_free(&b);
}

TEST(buf_get_is_strict)
{
	static const uint8_t	 bytes[] = { 0x00, 0x03, 'a', 0x00, 'b' };
	struct buf		 b;
	char			 s[8];
	uint8_t			 out[6];
	size_t			 n;

	/* Every number of bytes that is too small, for every width. */
	for (n = 0; n < 8; n++) {
		buf_init_read(&b, "\xff\xff\xff\xff\xff\xff\xff\xff", n);
		CHECK(buf_get_u64(&b) == 0);
		CHECK_INT(buf_error(&b), EBADMSG);
		CHECK_INT(buf_end(&b), -1);
		buf_init_read(&b, "\xff\xff\xff\xff", n < 4 ? n : 3);
		CHECK(buf_get_u32(&b) == 0);
		CHECK_INT(buf_error(&b), EBADMSG);
	}
	/* A NUL inside. */
	buf_init_read(&b, bytes, sizeof(bytes));
	buf_get_str(&b, s, sizeof(s));
	CHECK_INT(buf_error(&b), EBADMSG);
	CHECK_STR(s, "");
	/* Longer than what is there. */
	buf_init_read(&b, "\x00\x03" "ab", 4);
	buf_get_str(&b, s, sizeof(s));
	CHECK_INT(buf_error(&b), EBADMSG);
	/* Longer than the room, by one and not. */
	buf_init_read(&b, "\x00\x03" "abc", 5);
	buf_get_str(&b, s, 3);
	CHECK_INT(buf_error(&b), EBADMSG);
	buf_init_read(&b, "\x00\x03" "abc", 5);
	buf_get_str(&b, s, 4);
	CHECK_INT(buf_error(&b), 0);
	CHECK_STR(s, "abc");
	CHECK_INT(buf_end(&b), 0);
	/* The first error sticks and later gets give zeroes. */
	buf_init_read(&b, bytes, sizeof(bytes));
	memset(out, 0xaa, sizeof(out));
	buf_get(&b, out, sizeof(out));
	CHECK_INT(out[0], 0);
	CHECK_INT(out[5], 0);
	CHECK_INT(buf_get_u8(&b), 0);
	CHECK_INT(b.pos, 0);
	/* Left over. */
	buf_init_read(&b, bytes, sizeof(bytes));
	buf_get(&b, out, 4);
	CHECK_INT(buf_end(&b), -1);
	(void)buf_get_u8(&b);
	CHECK_INT(buf_end(&b), 0);
}

TEST(buf_of_somebody_else)
{
	char		 text[] = "abcd";
	struct buf	 b;

	buf_init_read(&b, text, 4);
	buf_put_u8(&b, 'x');
	CHECK_INT(buf_error(&b), EMSGSIZE);
	buf_reset(&b);
	CHECK_STR(text, "abcd");
	buf_init_read(&b, text, 4);
	buf_free(&b);
	CHECK_STR(text, "abcd");
}

TEST(buf_printf_appends)
{
	struct buf	 b;

	buf_init(&b, 20);
	buf_printf(&b, "%d-%s", 42, "x");
	buf_printf(&b, "%s", "");
	buf_printf(&b, "%c", '!');
	CHECK_STR((char *)b.data, "42-x!");
	CHECK_INT(b.len, 5);
	buf_printf(&b, "%0100d", 1);
	CHECK_INT(buf_error(&b), EMSGSIZE);
	CHECK_INT(b.len, 5);
	buf_free(&b);
}
