/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/stream/frame.h"

#include "dataplane/wire/channel.h"

enum {
	HEADER = 4,          /* of both: type or channel, and length */
	STUN_HEADER = 20,
	COOKIE_AT = 4,
	DATA_INDICATION = 0x0017, /* RFC 8656 17 */
};
static const uint8_t cookie[4] = {0x21, 0x12, 0xa4, 0x42}; /* RFC 8489 5 */

static enum sl_stream_frame_kind incomplete(size_t need, struct sl_stream_frame *out)
{
	out->len = 0;
	out->total = need;
	return SL_STREAM_FRAME_INCOMPLETE;
}

/* RFC 8489 5: the two first bits are zero, the length is a multiple of four, the cookie is there. */
static enum sl_stream_frame_kind stun(const uint8_t *p, size_t n, size_t max, struct sl_stream_frame *out)
{
	for (size_t i = COOKIE_AT; i < n && i < COOKIE_AT + sizeof cookie; i++) {
		if (p[i] != cookie[i - COOKIE_AT])
			return SL_STREAM_FRAME_INVALID;
	}
	if (n < HEADER)
		return incomplete(STUN_HEADER, out);
	out->len = out->total = STUN_HEADER + ((size_t)p[2] << 8 | p[3]);
	if (out->total % 4 || out->total > max)
		return SL_STREAM_FRAME_INVALID;
	return n < out->total ? incomplete(out->total, out) : SL_STREAM_FRAME_STUN;
}

static enum sl_stream_frame_kind channel(const uint8_t *p, size_t n, size_t max, struct sl_stream_frame *out)
{
	if (n < HEADER)
		return incomplete(HEADER, out);
	out->len = HEADER + ((size_t)p[2] << 8 | p[3]);
	out->total = (out->len + 3) & ~(size_t)3;
	if (out->total > max)
		return SL_STREAM_FRAME_INVALID;
	return n < out->total ? incomplete(out->total, out) : SL_STREAM_FRAME_CHANNEL;
}

enum sl_stream_frame_kind sl_stream_frame_next(const uint8_t *p, size_t n, size_t max, struct sl_stream_frame *out)
{
	if (n == 0)
		return incomplete(HEADER, out);
	if (sl_channel_looks_like(p[0]))
		return channel(p, n, max, out);
	return p[0] & 0xC0 ? SL_STREAM_FRAME_INVALID : stun(p, n, max, out);
}

int sl_stream_frame_is_relayed(const uint8_t *p, size_t n)
{
	return n >= HEADER && (sl_channel_looks_like(p[0]) || (p[0] == DATA_INDICATION >> 8 && p[1] == (DATA_INDICATION & 0xff)));
}
