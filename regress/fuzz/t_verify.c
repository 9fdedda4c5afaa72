/*
 * The verifier of the audit log.  Two bytes say how long the first file is.
 * Genesis and last line are known from outside, so there is exactly one log
 * that is good: whatever differs in a single byte must not verify.
 */
#include <sys/mman.h>

#include <sodium.h>
#include <unistd.h>

#include "fuzz.h"
#include "verify.h"

#define GOOD	"827abaf8965d89ff8f9a158202897a7d" \
		"d40efd0f3a07fa9d8dc9b55f684f1db4"
#define GENESIS	"1271f5a7805631eda20f4a8e624def4b" \
		"ff8afb454869e5c7c8731c791d52811b"
#define HEAD	"a88a0d9fca762a62bb13662509725d32" \
		"9ebaf50f2180a9980b19099d6947c5b5"
#define LAST	15

static size_t	 findings;

static void
on_finding(void *arg, const struct verify_finding *f)
{
	(void)arg;
	findings++;
	MUST(verify_code_name(f->code)[0] != '\0');
	MUST(f->text[0] != '\0' && strchr(f->text, '\n') == NULL);
}

static int
is_good(const uint8_t *data, size_t len)
{
	uint8_t	 hash[32], good[32];

	MUST(audit_hex_read(GOOD, 64, good, sizeof(good)) == 0);
	crypto_hash_sha256(hash, data, len);
	return memcmp(hash, good, sizeof(hash)) == 0;
}

static int
make_file(const uint8_t *data, size_t len)
{
	int	 fd;

	if ((fd = memfd_create("log", MFD_CLOEXEC)) == -1 ||
	    (len > 0 && write(fd, data, len) != (ssize_t)len))
		abort();
	return fd;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct verify_result	 r;
	struct verify_options		 o;
	struct verify_anchor		 anchor;
	struct verify_file		 files[2];
	size_t				 first;

	if (len < 2)
		return 0;
	first = (size_t)(data[0] << 8 | data[1]);
	if (first > len - 2)
		first = len - 2;
	memset(&o, 0, sizeof(o));
	memset(&anchor, 0, sizeof(anchor));
	memset(files, 0, sizeof(files));
	memset(&r, 0, sizeof(r));
	findings = 0;
	o.has_genesis = 1;
	MUST(audit_hex_read(GENESIS, 64, o.genesis, HASH_SIZE) == 0);
	anchor.source = "anchor";
	anchor.seq = LAST;
	MUST(audit_hex_read(HEAD, 64, anchor.hash, HASH_SIZE) == 0);
	o.anchors = &anchor;
	o.nanchors = 1;
	o.now_ms = 1790000000000;
	o.finding = on_finding;
	files[0].name = "first";
	files[0].fd = make_file(data + 2, first);
	files[0].size = first;
	files[1].name = "second";
	files[1].fd = make_file(data + 2 + first, len - 2 - first);
	files[1].size = len - 2 - first;
	(void)verify_run(&o, files, 2, &r);
	if (is_good(data, len))
		MUST(r.exit == VERIFY_OK && findings == 0 && anchor.ok);
	else {
		MUST(r.exit != VERIFY_OK);
		MUST(findings > 0 || r.exit == VERIFY_ERROR);
	}
	if (r.exit == VERIFY_ERROR)
		MUST(r.error[0] != '\0');
	close(files[0].fd);
	close(files[1].fd);
	return 0;
}
