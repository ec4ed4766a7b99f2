/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/fuzz/fuzz.h"

#include "dataplane/abi/validate.h"

/* A clip is whatever a control plane put into its memfd: one that is accepted has every byte of every frame, and ends. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A mapping is aligned, and ends where the file does. */
	uint8_t *mem = (uint8_t *)malloc(size ? size : 1);
	char text[32];
	volatile uint8_t sink = 0;

	SL_FUZZ_CHECK(mem != NULL);
	if (size)
		memcpy(mem, data, size);
	const struct sl_clip *c = (const void *)mem;
	if (sl_clip_validate(c, size, text, sizeof text) == 0) {
		SL_FUZZ_CHECK(c->n_frames > 0 && memchr(c->codec, 0, sizeof c->codec) != NULL);
		for (uint32_t i = 0; i < c->n_frames; i++) {
			SL_FUZZ_CHECK(c->frames[i].len > 0 && c->frames[i].len <= SL_CLIP_FRAME_MAX);
			sink = (uint8_t)(sink + mem[c->frames[i].offset] + mem[c->frames[i].offset + c->frames[i].len - 1]);
		}
	} else {
		SL_FUZZ_CHECK(memchr(text, 0, sizeof text) != NULL);
	}
	free(mem);
	return 0;
}
