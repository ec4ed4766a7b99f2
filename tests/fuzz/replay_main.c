/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Feeds corpora to a fuzz target without libFuzzer: replay_<name> [--every=N] DIR... takes every file below the
 * directories, whole and cut at every length (every Nth, for a target that takes its time), each ending at a guard page. */

#include <errno.h>
#include <ftw.h>
#include <stdio.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/guard.h"

enum { INPUT_MAX_BYTES = 64 * 1024, CUT_MAX_BYTES = 2048, OPEN_DIRS = 8 };

/* nftw passes no argument of ours. */
static struct sl_guard guard;
static unsigned files;
static size_t every = 1;

static int replay(const char *path, const struct stat *st, int type, struct FTW *where)
{
	static uint8_t input[INPUT_MAX_BYTES];

	if (type != FTW_F)
		return 0;
	FILE *f = fopen(path, "rb");
	if (!f) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	size_t size = fread(input, 1, sizeof input, f);
	fclose(f);
	LLVMFuzzerTestOneInput(sl_guard_put(&guard, input, size), size);
	for (size_t n = 0; n < size && n <= CUT_MAX_BYTES; n += every)
		LLVMFuzzerTestOneInput(sl_guard_put(&guard, input, n), n);
	files++;
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	guard = sl_guard_make(INPUT_MAX_BYTES);
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--every=", 8) == 0 && atoi(argv[i] + 8) > 0) {
			every = (size_t)atoi(argv[i] + 8);
			continue;
		}
		if (nftw(argv[i], replay, OPEN_DIRS, FTW_PHYS) != 0) {
			fprintf(stderr, "%s: cannot be read\n", argv[i]);
			failed = 1;
		}
	}
	sl_guard_free(&guard);
	printf("%u files replayed\n", files);
	return failed || files == 0;
}
