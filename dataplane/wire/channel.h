/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* ChannelData (RFC 8656 12.4): 4-byte header, channel number and length of the data in bytes. */

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/wire/addr.h"

enum {
	SL_CHANNEL_HEADER_BYTES = 4,
	SL_CHANNEL_MIN = 0x4000,
	SL_CHANNEL_MAX = 0x4FFF,         /* RFC 8656 12 */
	SL_CHANNEL_MAX_RFC5766 = 0x7FFF, /* RFC 5766 11: what older clients draw from */
};

static inline bool sl_channel_looks_like(uint8_t first_byte)
{
	return (first_byte & 0xC0) == 0x40; /* either range; a number that is not bound goes no further */
}

/* Over UDP the datagram may carry padding, so what follows the data is not data; a datagram shorter than its header
 * says is malformed (RFC 8656 12.6). payload_len: UDP payload, >= 4. Returns the data length in bytes, or -1. */
static inline int sl_channel_data_len(const uint8_t *p, unsigned payload_len)
{
	unsigned n = (unsigned)p[2] << 8 | p[3];
	return n + SL_CHANNEL_HEADER_BYTES > payload_len ? -1 : (int)n;
}

static inline uint16_t sl_channel_number(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
