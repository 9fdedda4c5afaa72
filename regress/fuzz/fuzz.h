/*
 * An entry point that libFuzzer drives, or, without it (FUZZ_ENGINE not
 * defined), a replay: every file of corpus/<name>, then seeded changes of
 * each.  A target aborts where a promise is broken, so that the replay tells
 * with any compiler.
 */
#ifndef CHATOPS_FUZZ_H
#define CHATOPS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define MUST(x) do {							\
	if (!(x)) {							\
		fprintf(stderr, "%s:%d: broken: %s\n", __FILE__,	\
		    __LINE__, #x);					\
		abort();						\
	}								\
} while (0)

#ifndef FUZZ_ENGINE
#include "replay.h"

int
main(int argc, char **argv)
{
	return replay_main(argc, argv);
}
#endif

#endif
