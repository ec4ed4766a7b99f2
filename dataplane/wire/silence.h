/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Silence in codecs whose samples are bytes: G.711 (RFC 3551 4.5.14). */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { SL_PT_PCMU = 0, SL_PT_PCMA = 8, SL_SILENCE_PCMU = 0xff, SL_SILENCE_PCMA = 0xd5 };

/* Overwrite len bytes of payload with silence. False, and nothing is written, for any other static or dynamic type. */
static inline bool sl_silence_fill(uint8_t pt, uint8_t *payload, unsigned len)
{
	if (pt != SL_PT_PCMU && pt != SL_PT_PCMA)
		return false;
	memset(payload, pt == SL_PT_PCMU ? SL_SILENCE_PCMU : SL_SILENCE_PCMA, len);
	return true;
}
