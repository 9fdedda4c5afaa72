/* The harness itself: the same seed gives the same numbers. */
#include "test.h"

TEST(random_is_repeatable)
{
	uint64_t	 a, b;

	test_seed = 7;
	a = test_random();
	test_seed = 7;
	b = test_random();
	CHECK(a == b && a != 0);
}
