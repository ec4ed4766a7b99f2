/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* WAV files: what one holds that we could play, and the head of one that we write. Pure. */

#include <stddef.h>
#include <stdint.h>

enum {
	SL_WAV_HZ = 8000,          /* telephony: the only rate we read or write */
	SL_WAV_HEADER_BYTES = 44,
	SL_WAV_MAX_DATA = INT32_MAX - 4096, /* bytes; many programs read the lengths as signed */
};

enum sl_wav_format { SL_WAV_PCM16 = 1, SL_WAV_ALAW = 6, SL_WAV_ULAW = 7 }; /* as the file numbers them */

struct sl_wav {
	enum sl_wav_format format;
	const uint8_t *data; /* of the bytes given */
	size_t n;            /* bytes of it; whole samples */
};

/* 8 kHz, mono, 16-bit PCM or G.711. 0, or -EINVAL with words: what is wrong with it and what to do. */
int sl_wav_parse(const uint8_t *file, size_t n, struct sl_wav *out, char *text, size_t text_len);

/* The head of a file of 16-bit PCM with data_bytes of samples. */
void sl_wav_header(uint8_t out[SL_WAV_HEADER_BYTES], unsigned channels, uint32_t data_bytes);
