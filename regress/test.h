/*
 * The harness of the C tests.  A test is a function that returns; a failed
 * CHECK says where and goes on.  The last line is "N passed, N failed".
 */
#ifndef CHATOPS_TEST_H
#define CHATOPS_TEST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST_MAX	512

struct test {
	const char	*name;
	void		(*run)(void);
};

static struct test	 test_list[TEST_MAX];
static size_t		 test_count;
static int		 test_bad;	/* failed checks of this test */
static uint64_t		 test_seed = 1;

#define TEST(name)							\
	static void name(void);						\
	static void __attribute__((__constructor__)) name##_add(void)	\
	{								\
		if (test_count == TEST_MAX)				\
			abort();					\
		test_list[test_count++] = (struct test){ #name, name };	\
	}								\
	static void name(void)

#define CHECK(x) do {							\
	if (!(x)) {							\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);	\
		test_bad++;						\
	}								\
} while (0)

#define CHECK_INT(a, b) do {						\
	long long a_ = (long long)(a), b_ = (long long)(b);		\
	if (a_ != b_) {							\
		fprintf(stderr, "%s:%d: %s is %lld, not %lld\n",	\
		    __FILE__, __LINE__, #a, a_, b_);			\
		test_bad++;						\
	}								\
} while (0)

#define CHECK_STR(a, b) do {						\
	const char *a_ = (a), *b_ = (b);				\
	if (a_ == NULL || b_ == NULL || strcmp(a_, b_) != 0) {		\
		fprintf(stderr, "%s:%d: %s is \"%s\", not \"%s\"\n",	\
		    __FILE__, __LINE__, #a, a_ ? a_ : "(null)",		\
		    b_ ? b_ : "(null)");				\
		test_bad++;						\
	}								\
} while (0)

/* xorshift64*: the same numbers for the same seed everywhere. */
static inline uint64_t
test_random(void)
{
	test_seed ^= test_seed >> 12;
	test_seed ^= test_seed << 25;
	test_seed ^= test_seed >> 27;
	return test_seed * 2685821657736338717ULL;
}

/*
 * usage: t_name [-s seed] [test ...].  -l lists.  A random test prints its
 * seed with the line that replays it when it fails.
 */
int
main(int argc, char **argv)
{
	uint64_t	 seed = 20260824;
	size_t		 i, passed = 0, failed = 0;
	int		 a, wanted;

	for (a = 1; a < argc && argv[a][0] == '-'; a++) {
		if (strcmp(argv[a], "-l") == 0) {
			for (i = 0; i < test_count; i++)
				puts(test_list[i].name);
			return 0;
		}
		if (strcmp(argv[a], "-s") != 0 || a + 1 == argc) {
			fprintf(stderr, "usage: %s [-l] [-s seed] [test ...]\n",
			    argv[0]);
			return 2;
		}
		seed = strtoull(argv[++a], NULL, 10);
	}
	for (i = 0; i < test_count; i++) {
		int	 n;

		wanted = a == argc;
		for (n = a; n < argc; n++)
			if (strcmp(argv[n], test_list[i].name) == 0)
				wanted = 1;
		if (!wanted)
			continue;
		test_bad = 0;
		test_seed = seed ? seed : 1;
		test_list[i].run();
		if (test_bad == 0) {
			passed++;
			continue;
		}
		failed++;
		fprintf(stderr, "FAILED %s; replay: %s -s %llu %s\n",
		    test_list[i].name, argv[0], (unsigned long long)seed,
		    test_list[i].name);
	}
	printf("%zu passed, %zu failed\n", passed, failed);
	return failed != 0;
}

#endif
