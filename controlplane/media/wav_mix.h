/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* RTP packets of G.711 from one or two parties as 16-bit samples side by side. A packet's place is told by its
 * timestamp as long as that agrees with when it came; so both parties stay aligned, gaps are silent, and packets may
 * come in any order within the window. Pure: the caller writes. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	SL_WAV_MIX_CHANNELS = 2,
	SL_WAV_MIX_WINDOW = 16000,     /* samples kept back: two seconds */
	SL_WAV_MIX_DRIFT = 8000,       /* samples that timestamps may be off the clock before they are taken up anew */
};

struct sl_wav_channel {
	bool started;
	uint32_t ssrc, ts; /* of the last packet placed */
	int64_t at;        /* its first sample */
	int64_t end;       /* behind the last sample of all */
};

struct sl_wav_mix {
	unsigned channels;
	bool started;
	uint64_t start_ns, last_ns; /* when sample 0 was, and the latest packet of all */
	int64_t base;      /* sample at the window's beginning; all before are written */
	int64_t end;       /* behind the last sample of any channel */
	struct sl_wav_channel channel[SL_WAV_MIX_CHANNELS];
	/* n samples of each channel, interleaved, from sample `at` on. What lies between writes is silence. */
	void (*write)(void *ctx, int64_t at, const int16_t *samples, size_t n);
	void *ctx;
	int16_t window[SL_WAV_MIX_WINDOW * SL_WAV_MIX_CHANNELS];
};

enum sl_wav_mixed {
	SL_WAV_PLACED,
	SL_WAV_LATE,       /* its place is written already */
	SL_WAV_NOT_G711,   /* by its payload type: events, comfort noise, another codec */
	SL_WAV_NOT_RTP,
	SL_WAV_FULL,       /* beyond what a WAV file can hold */
};

void sl_wav_mix_init(struct sl_wav_mix *m, unsigned channels, void (*write)(void *, int64_t, const int16_t *, size_t),
	void *ctx);
enum sl_wav_mixed sl_wav_mix_packet(struct sl_wav_mix *m, unsigned channel, uint64_t unix_ns, const uint8_t *rtp,
	size_t n);
/* Write what is left. */
void sl_wav_mix_end(struct sl_wav_mix *m);
