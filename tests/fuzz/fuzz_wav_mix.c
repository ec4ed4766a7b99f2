/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Packets as anybody may send them, into the mixer: each is a byte of channel and length, a byte of time, and RTP. What
 * is written is in order, never twice, and never further than the time that went by allows. */

#include "controlplane/media/wav_mix.h"
#include "tests/fuzz/fuzz.h"

#define STEP_NS UINT64_C(50000000)

static struct sl_wav_mix mix;
static int64_t written_to;

static void hear(void *ctx, int64_t at, const int16_t *samples, size_t n)
{
	SL_FUZZ_CHECK(at >= written_to && n > 0 && n <= SL_WAV_MIX_WINDOW);
	SL_FUZZ_CHECK(samples == mix.window);
	written_to = at + (int64_t)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t now = UINT64_C(1800000000000000000), went_by = 0;

	if (size == 0)
		return 0;
	written_to = 0;
	sl_wav_mix_init(&mix, 1 + (data[0] & 1), hear, NULL);
	for (size_t at = 1; at + 2 <= size;) {
		size_t n = data[at] >> 1;
		unsigned channel = data[at] & 1 & (mix.channels - 1);
		int8_t step = (int8_t)data[at + 1];
		at += 2;
		if (n > size - at)
			n = size - at;
		now += (uint64_t)(step * (int64_t)STEP_NS);
		went_by += step > 0 ? (uint64_t)step * STEP_NS : 0;
		sl_wav_mix_packet(&mix, channel, now, data + at, n);
		SL_FUZZ_CHECK(mix.end <= (int64_t)(went_by / 125000) + 2 * SL_WAV_MIX_DRIFT);
		at += n;
	}
	sl_wav_mix_end(&mix);
	SL_FUZZ_CHECK(written_to >= mix.end || mix.end == 0);
	return 0;
}
