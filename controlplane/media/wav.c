/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* RIFF as chunks of a name, a length and content padded to even. Lengths are believed as far as the file goes: what is
 * streamed has none that is true. */

#include "controlplane/media/wav.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	RIFF_BYTES = 12,
	CHUNK_BYTES = 8,
	FMT_BYTES = 16,
	EXTENSIBLE_BYTES = 26,     /* up to the first two bytes of the format's GUID, which are its number */
	EXTENSIBLE = 0xfffe,
	PCM16_BYTES = 2,
};

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static unsigned get16(const uint8_t *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

static void put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static int bad(char *text, size_t text_len, const char *why)
{
	snprintf(text, text_len, "%s: make it by `sox IN -r 8000 -c 1 -b 16 OUT.wav`", why);
	return -EINVAL;
}

static int parse_fmt(const uint8_t *p, size_t n, struct sl_wav *out, char *text, size_t text_len)
{
	if (n < FMT_BYTES)
		return bad(text, text_len, "a WAV file whose fmt chunk is cut off");
	unsigned format = get16(p), channels = get16(p + 2), bits = get16(p + 14);
	uint32_t hz = get32(p + 4);

	if (format == EXTENSIBLE && n >= EXTENSIBLE_BYTES)
		format = get16(p + 24);
	if (channels != 1)
		return bad(text, text_len, "a WAV file that is not mono");
	if (hz != SL_WAV_HZ)
		return bad(text, text_len, "a WAV file that has not 8000 samples a second");
	bool g711 = (format == SL_WAV_ALAW || format == SL_WAV_ULAW) && bits == 8;
	if (!g711 && !(format == SL_WAV_PCM16 && bits == 8 * PCM16_BYTES))
		return bad(text, text_len, "a WAV file that is neither 16-bit PCM nor G.711");
	out->format = (enum sl_wav_format)format;
	return 0;
}

int sl_wav_parse(const uint8_t *file, size_t n, struct sl_wav *out, char *text, size_t text_len)
{
	bool has_format = false;

	if (n < RIFF_BYTES || memcmp(file, "RIFF", 4) != 0 || memcmp(file + 8, "WAVE", 4) != 0)
		return bad(text, text_len, "not a WAV file");
	for (size_t at = RIFF_BYTES; n - at >= CHUNK_BYTES;) {
		const uint8_t *name = file + at, *content = name + CHUNK_BYTES;
		size_t left = n - at - CHUNK_BYTES, len = get32(name + 4);
		bool whole = len <= left;

		if (!whole)
			len = left;
		if (memcmp(name, "fmt ", 4) == 0) {
			int rc = parse_fmt(content, len, out, text, text_len);
			if (rc != 0)
				return rc;
			has_format = true;
		} else if (memcmp(name, "data", 4) == 0 && has_format) {
			out->data = content;
			out->n = out->format == SL_WAV_PCM16 ? len - len % PCM16_BYTES : len;
			return out->n > 0 ? 0 : bad(text, text_len, "a WAV file without sound");
		}
		len += len & 1;
		if (!whole || len > left)
			break;
		at += CHUNK_BYTES + len;
	}
	return bad(text, text_len, has_format ? "a WAV file without a data chunk" : "a WAV file without fmt before its data");
}

void sl_wav_header(uint8_t out[SL_WAV_HEADER_BYTES], unsigned channels, uint32_t data_bytes)
{
	memcpy(out, "RIFF", 4);
	put32(out + 4, SL_WAV_HEADER_BYTES - CHUNK_BYTES + data_bytes);
	memcpy(out + 8, "WAVEfmt ", 8);
	put32(out + 16, FMT_BYTES);
	put16(out + 20, SL_WAV_PCM16);
	put16(out + 22, channels);
	put32(out + 24, SL_WAV_HZ);
	put32(out + 28, SL_WAV_HZ * channels * PCM16_BYTES);
	put16(out + 32, channels * PCM16_BYTES);
	put16(out + 34, 8 * PCM16_BYTES);
	memcpy(out + 36, "data", 4);
	put32(out + 40, data_bytes);
}
