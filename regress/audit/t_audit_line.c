/* Lines: the model's vectors byte for byte, and one spelling only. */
#include "test.h"

#include "audit_line.h"
#include "text.h"
#include "vectors.h"

static char	*lines[VECTOR_LINES];

static void
load(void)
{
	if (lines[0] == NULL && (sodium_init() == -1 ||
	    vector_lines(lines) != VECTOR_LINES))
		exit(1);
}

static enum audit_fault
scan(const char *s, size_t len)
{
	struct audit_line	 l;
	const char		*why;

	return audit_line_scan(s, len, &l, &why);
}

/* The first `from` in line i becomes `to`; the fault that is found. */
static enum audit_fault
changed(int i, const char *from, const char *to)
{
	static char	 out[200000];
	const char	*at;

	load();
	if ((at = strstr(lines[i], from)) == NULL) {
		fprintf(stderr, "%s is not in line %d\n", from, i);
		exit(1);
	}
	snprintf(out, sizeof(out), "%.*s%s%s", (int)(at - lines[i]), lines[i],
	    to, at + strlen(from));
	return scan(out, strlen(out));
}

TEST(vectors_scan_and_emit)
{
	struct audit_line	 l;
	struct buf		 b;
	const char		*why;
	size_t			 i;

	load();
	for (i = 0; i < VECTOR_LINES; i++) {
		CHECK_INT(audit_line_scan(lines[i], strlen(lines[i]), &l,
		    &why), AUDIT_FAULT_NONE);
		CHECK_INT(l.seq, i);
		buf_init(&b, AUDIT_LINE_MAX);
		audit_line_emit(&b, &l);
		buf_put_u8(&b, 0);
		CHECK_INT(buf_error(&b), 0);
		CHECK_STR((char *)b.data, lines[i]);
		buf_free(&b);
	}
}

/* From the seeds alone the same signatures come out. */
TEST(vectors_signed_again)
{
	struct audit_line	 l;
	struct buf		 b;
	const char		*why;
	uint8_t			 seed[32], pk[32], sk[64], sig[64];
	size_t			 i, epoch = 0;

	load();
	for (i = 0; i < VECTOR_LINES; i++) {
		CHECK_INT(audit_line_scan(lines[i], strlen(lines[i]), &l,
		    &why), AUDIT_FAULT_NONE);
		CHECK(audit_hex_read(vector_seeds[epoch], 64, seed, 32) == 0);
		crypto_sign_seed_keypair(pk, sk, seed);
		CHECK(memcmp(pk, l.public_key, 32) == 0);
		buf_init(&b, AUDIT_LINE_MAX);
		audit_line_emit_head(&b, &l);
		audit_line_emit_body(&b, &l);
		audit_line_emit_tail(&b, &l);
		crypto_sign_detached(sig, NULL, b.data, b.len, sk);
		audit_line_seal(&b, sig);
		buf_put_u8(&b, 0);
		CHECK_STR((char *)b.data, lines[i]);
		buf_free(&b);
		CHECK(audit_line_verify(lines[i], strlen(lines[i]), &l));
		if (l.has_next)
			epoch++;
	}
}

TEST(verify_sees_a_wrong_signature)
{
	struct audit_line	 l;
	const char		*why;
	char			*s, *copy;
	size_t			 i;

	load();
	copy = strdup(lines[3]);
	CHECK((s = strstr(copy, "deploy")) != NULL);
	s[0] = 'D';
	CHECK_INT(audit_line_scan(copy, strlen(copy), &l, &why),
	    AUDIT_FAULT_NONE);
	CHECK(!audit_line_verify(copy, strlen(copy), &l));
	s[0] = 'd';
	CHECK(audit_line_verify(copy, strlen(copy), &l));
	CHECK_STR(copy, lines[3]);
	/* S + L is the same signature to a careless verifier */
	for (i = 0; i < 64; i++)
		l.signature[i] ^= i == 63 ? 0x10 : 0;
	CHECK(!audit_line_verify(copy, strlen(copy), &l));
	free(copy);
}

TEST(other_spellings)
{
	CHECK_INT(changed(3, "\"userId\":", "\"userId\": "),
	    AUDIT_FAULT_NONCANONICAL);
	CHECK_INT(changed(3, "\"success\":true,\"exitCode\":0",
	    "\"exitCode\":0,\"success\":true"), AUDIT_FAULT_NONCANONICAL);
	CHECK_INT(changed(3, "\303\251", "\\u00e9"),
	    AUDIT_FAULT_NONCANONICAL);
	CHECK_INT(changed(3, "\"exitCode\":0", "\"exitCode\":-0"),
	    AUDIT_FAULT_NONCANONICAL);
	CHECK_INT(changed(9, "\\u007f", "\177"), AUDIT_FAULT_NONCANONICAL);
	CHECK_INT(changed(9, "\\u007f", "\\u007F"), AUDIT_FAULT_NONCANONICAL);
	CHECK_INT(changed(9, "\\t", "\\u0009"), AUDIT_FAULT_NONCANONICAL);
	CHECK_INT(changed(9, "\\/", "\\\\/"), AUDIT_FAULT_NONCANONICAL);
	CHECK_INT(changed(3, "text", "te\\u0078t"), AUDIT_FAULT_NONCANONICAL);
	CHECK_INT(changed(3, "\"scriptName\"", "\"scriptN\\u0061me\""),
	    AUDIT_FAULT_NONCANONICAL);
}

TEST(duplicates)
{
	CHECK_INT(changed(3, "{\"v\":1", "{\"userId\":\"x\",\"v\":1"),
	    AUDIT_FAULT_DUP_KEY);
	CHECK_INT(changed(3, "{\"v\":1", "{\"\\u0075serId\":\"x\",\"v\":1"),
	    AUDIT_FAULT_DUP_KEY);
	CHECK_INT(changed(3, "{\"n\":0", "{\"n\":0,\"n\":1"),
	    AUDIT_FAULT_DUP_KEY);
	CHECK_INT(changed(3, "{\"n\":0", "{\"n\":0,\"\\u006e\":1"),
	    AUDIT_FAULT_DUP_KEY);
}

TEST(schema)
{
	CHECK_INT(changed(3, "{\"v\":1", "{\"v\":1,\"x\":1"),
	    AUDIT_FAULT_SCHEMA);
	CHECK_INT(changed(3, "{\"v\":1", "{\"v\":2"), AUDIT_FAULT_SCHEMA);
	CHECK_INT(changed(3, ",\"error\":null", ""), AUDIT_FAULT_SCHEMA);
	CHECK_INT(changed(3, "\"success\":true", "\"success\":\"true\""),
	    AUDIT_FAULT_SCHEMA);
	CHECK_INT(changed(3, "\"success\":true", "\"success\":null"),
	    AUDIT_FAULT_SCHEMA);
	CHECK_INT(changed(3, "\"event\":\"execution\"", "\"event\":\"exec\""),
	    AUDIT_FAULT_SCHEMA);
	CHECK_INT(changed(3, "\"event\":\"execution\"", "\"event\":\"denied\""),
	    AUDIT_FAULT_SCHEMA);
	CHECK_INT(changed(2, "\"success\":null", "\"success\":true"),
	    AUDIT_FAULT_SCHEMA);
	CHECK_INT(changed(3, "{\"n\":0,\"text\":\"\303\251 \\\"q\\\"\\n\"}",
	    "[]"), AUDIT_FAULT_SCHEMA);
	CHECK_INT(changed(3, ",\"treeRoot\":"
	    "\"yHzeRUiBfoL9VHj/1y+GPEK3LRgVOg3rEycqHg1gUtk=\"", ""),
	    AUDIT_FAULT_SCHEMA);
	CHECK_INT(changed(3, "\"seq\":3", "\"seq\":-3"), AUDIT_FAULT_FORMAT);
}

TEST(format)
{
	static char	 big[1100000];
	size_t		 i;

	CHECK_INT(changed(3, "\"durationMs\":12", "\"durationMs\":1.2e1"),
	    AUDIT_FAULT_FORMAT);
	CHECK_INT(changed(3, "\"durationMs\":12",
	    "\"durationMs\":9007199254740992"), AUDIT_FAULT_FORMAT);
	CHECK_INT(changed(3, "\"durationMs\":12",
	    "\"durationMs\":9007199254740991"), AUDIT_FAULT_NONE);
	CHECK_INT(changed(3, "\"durationMs\":12", "\"durationMs\":012"),
	    AUDIT_FAULT_FORMAT);
	CHECK_INT(changed(3, "\303\251", "\303"), AUDIT_FAULT_FORMAT);
	CHECK_INT(changed(3, "\303\251", "\\ud800"), AUDIT_FAULT_FORMAT);
	CHECK_INT(changed(3, "\303\251", "\\u0000"), AUDIT_FAULT_FORMAT);
	CHECK_INT(changed(3, "\303\251", "\t"), AUDIT_FAULT_FORMAT);
	CHECK_INT(changed(3, "\"previousHash\":\"6f8e",
	    "\"previousHash\":\"6F8e"), AUDIT_FAULT_FORMAT);
	CHECK_INT(changed(3, "Hg1gUtk=", "Hg1gUtl="), AUDIT_FAULT_FORMAT);
	CHECK_INT(changed(3, "\"timestamp\":\"2026-08-24",
	    "\"timestamp\":\"2026-02-30"), AUDIT_FAULT_FORMAT);
	CHECK_INT(changed(3, "{\"v\":1", "\357\273\277{\"v\":1"),
	    AUDIT_FAULT_FORMAT);
	CHECK_INT(changed(3, "==\"}", "==\"}\r"), AUDIT_FAULT_FORMAT);
	CHECK_INT(changed(3, "==\"}", "==\"}{"), AUDIT_FAULT_FORMAT);
	CHECK_INT(scan("", 0), AUDIT_FAULT_FORMAT);
	CHECK_INT(scan(big, 512), AUDIT_FAULT_FORMAT);
	memset(big, 'a', sizeof(big));
	CHECK_INT(scan(big, 1 << 20), AUDIT_FAULT_FORMAT);
	for (i = 0; i < 60000; i++)
		big[i] = '[';
	CHECK_INT(scan(big, 60000), AUDIT_FAULT_FORMAT);
	big[60000] = '\0';
	CHECK_INT(changed(3, "{\"n\":0", big), AUDIT_FAULT_FORMAT);
}

/*
 * Whatever the scanner takes is what emit writes; and a line with any one
 * bit turned is either refused or says something else.
 */
TEST(every_bit)
{
	struct audit_line	 l;
	struct buf		 b;
	const char		*why;
	char			*s;
	size_t			 i, bit, len, taken = 0;

	load();
	for (i = 2; i < VECTOR_LINES; i += 7) {
		s = strdup(lines[i]);
		len = strlen(s);
		for (bit = 0; bit < len * 8; bit++) {
			s[bit / 8] ^= (char)(1 << bit % 8);
			if (audit_line_scan(s, len, &l, &why) ==
			    AUDIT_FAULT_NONE) {
				taken++;
				buf_init(&b, AUDIT_LINE_MAX);
				audit_line_emit(&b, &l);
				CHECK(b.len == len &&
				    memcmp(b.data, s, len) == 0);
				buf_free(&b);
			} else
				CHECK(why != NULL && why[0] != '\0');
			s[bit / 8] ^= (char)(1 << bit % 8);
		}
		for (bit = 0; bit < len; bit++)
			CHECK(audit_line_scan(s, bit, &l, &why) !=
			    AUDIT_FAULT_NONE);
		free(s);
	}
	CHECK(taken > 0);
}

/* Every character as the emitter escapes it is what the scanner takes. */
TEST(escapes)
{
	struct buf		 b;
	struct audit_text	 t;
	const char		*why;
	char			 all[128], back[128];
	int			 i;

	for (i = 1; i < 128; i++)
		all[i - 1] = (char)i;
	buf_init(&b, 4096);
	buf_put(&b, "{\"a\":\"", 6);
	text_json_string(&b, all, 127);
	buf_put(&b, "\"}", 2);
	CHECK_INT(audit_json_check_object((char *)b.data, b.len, &why), 0);
	t.p = (char *)b.data + 6;
	t.len = b.len - 8;
	CHECK_INT(audit_json_decode(&t, back, sizeof(back)), 127);
	CHECK(memcmp(all, back, 127) == 0);
	CHECK_INT(audit_json_decode(&t, back, 127), -1);
	buf_free(&b);
}

static int
object(const char *s)
{
	const char	*why;

	return audit_json_check_object(s, strlen(s), &why);
}

TEST(objects)
{
	char			 deep[64] = "{\"a\":";
	struct audit_text	 o, v;
	char			 s[16];

	CHECK_INT(object("{}"), 0);
	CHECK_INT(object("{\"a\":[1,-2,true,false,null,\"x\",{}]}"), 0);
	CHECK_INT(object(""), -1);
	CHECK_INT(object("[]"), -1);
	CHECK_INT(object("{} "), -1);
	CHECK_INT(object("{\"a\":1,}"), -1);
	CHECK_INT(object("{\"a\" :1}"), -1);
	CHECK_INT(object("{\"a\":1,\"a\":2}"), -1);
	CHECK_INT(object("{\"a\":1.5}"), -1);
	CHECK_INT(object("{\"a\":tru}"), -1);
	CHECK_INT(object("{\"a\":[}]"), -1);
	CHECK_INT(object("{\"a\":{\"b\":1},\"b\":{\"a\":1}}"), 0);
	strlcat(deep, "[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}", sizeof(deep));
	CHECK_INT(object(deep), 0);
	strlcpy(deep, "{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}",
	    sizeof(deep));
	CHECK_INT(object(deep), -1);
	o.p = "{\"a\":[1,{\"b\":2}],\"b\":\"x\\ny\"}";
	o.len = strlen(o.p);
	CHECK(audit_json_member(&o, "b", &v));
	CHECK_INT(audit_json_decode_value(&v, s, sizeof(s)), 3);
	CHECK_STR(s, "x\ny");
	CHECK(!audit_json_member(&o, "c", &v));
	CHECK(audit_json_member(&o, "a", &v));
	CHECK_INT(v.len, 11);
	CHECK_INT(audit_json_decode_value(&v, s, sizeof(s)), -1);
}

TEST(base64_and_hex)
{
	uint8_t	 in[48], out[48];
	char	 s[100];
	size_t	 n, i;

	for (n = 1; n <= 48; n++) {
		for (i = 0; i < n; i++)
			in[i] = (uint8_t)test_random();
		audit_base64_write(in, n, s);
		CHECK_INT(strlen(s), (n + 2) / 3 * 4);
		CHECK_INT(audit_base64_read(s, strlen(s), out, n), 0);
		CHECK(memcmp(in, out, n) == 0);
		audit_hex_write(in, n, s);
		CHECK_INT(audit_hex_read(s, 2 * n, out, n), 0);
		CHECK(memcmp(in, out, n) == 0);
		CHECK_INT(audit_hex_read(s, 2 * n - 1, out, n), -1);
	}
	CHECK_INT(audit_base64_read("Zg==", 4, out, 1), 0);
	CHECK_INT(audit_base64_read("Zh==", 4, out, 1), -1);
	CHECK_INT(audit_base64_read("Zg=A", 4, out, 1), -1);
	CHECK_INT(audit_base64_read("Zg", 2, out, 1), -1);
	CHECK_INT(audit_base64_read("Z-==", 4, out, 1), -1);
}
