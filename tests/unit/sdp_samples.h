/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The SDPs of tests/fuzz/corpus/sdp, which imitate what phones, gateways and browsers send. Those named bad_* are
 * refused. */

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SDP_SAMPLE_MAX_BYTES = 8192 };

struct sdp_sample {
	char name[64];
	char text[SDP_SAMPLE_MAX_BYTES];
	size_t n;
};

/* Aborts when there is none of that name: a test cannot go on without it. */
static inline void sdp_sample_load(struct sdp_sample *s, const char *name)
{
	char path[1024];

	snprintf(s->name, sizeof s->name, "%s", name);
	snprintf(path, sizeof path, "%s/sdp/%s", SL_FUZZ_CORPUS, name);
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		abort();
	}
	s->n = fread(s->text, 1, sizeof s->text, f);
	fclose(f);
}

/* Calls f with every sample, bad ones too. Returns how many. */
static inline unsigned sdp_sample_each(void (*f)(const struct sdp_sample *s))
{
	static struct sdp_sample s;
	unsigned n = 0;
	DIR *dir = opendir(SL_FUZZ_CORPUS "/sdp");

	if (!dir)
		abort();
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		sdp_sample_load(&s, e->d_name);
		f(&s);
		n++;
	}
	closedir(dir);
	return n;
}

static inline bool sdp_sample_is_bad(const struct sdp_sample *s)
{
	return strncmp(s->name, "bad_", 4) == 0;
}
