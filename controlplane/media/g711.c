/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* ITU-T G.711: a sign, three bits of segment, four bits within it. A-law has 13 bits of range and inverts every other
 * bit; u-law has 14, is biased so that segments begin at powers of two, and inverts all. */

#include "controlplane/media/g711.h"

enum {
	ALAW_MASK = 0x55,
	SIGN = 0x80,
	ULAW_BIAS = 0x84,   /* 33 of the 14-bit range, in 16 bits */
	ULAW_CLIP = 32635,  /* what the highest segment holds, before the bias */
};

int16_t sl_g711_from_alaw(uint8_t a)
{
	unsigned v = a ^ ALAW_MASK, segment = v >> 4 & 7;
	int sample = (int)(v & 15) << 4 | 8; /* the middle of the step */

	if (segment > 0)
		sample = (sample | 0x100) << (segment - 1);
	return (int16_t)(v & SIGN ? sample : -sample);
}

int16_t sl_g711_from_ulaw(uint8_t u)
{
	unsigned v = (uint8_t)~u;
	int sample = (((int)(v & 15) << 3 | ULAW_BIAS) << (v >> 4 & 7)) - ULAW_BIAS;

	return (int16_t)(v & SIGN ? -sample : sample);
}

/* Below zero the steps are those of the one's complement. */
static unsigned magnitude(int16_t sample)
{
	return (unsigned)(sample >= 0 ? sample : -1 - sample);
}

uint8_t sl_g711_to_alaw(int16_t sample)
{
	unsigned v = magnitude(sample);
	unsigned segment = v < 0x100 ? 0 : 24 - (unsigned)__builtin_clz(v); /* of 0x100: 1 */
	unsigned step = v >> (segment > 0 ? segment + 3 : 4) & 15;

	return (uint8_t)(((sample >= 0 ? SIGN : 0) | segment << 4 | step) ^ ALAW_MASK);
}

uint8_t sl_g711_to_ulaw(int16_t sample)
{
	unsigned v = magnitude(sample);

	v = (v > ULAW_CLIP ? ULAW_CLIP : v) + ULAW_BIAS;
	unsigned segment = 24 - (unsigned)__builtin_clz(v); /* of 0x84: 0 */
	return (uint8_t)~((sample < 0 ? SIGN : 0) | segment << 4 | (v >> (segment + 3) & 15));
}
