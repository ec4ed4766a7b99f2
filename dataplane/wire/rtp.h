/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* RTP (RFC 3550 5.1) as bytes: parse, and change fields in place. Pure; nothing is read beyond len. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	SL_RTP_HEADER_BYTES = 12,
	SL_RTP_VERSION = 2,
	SL_RTP_N_PT = 128,
};

/* What share a port by RFC 7983 7 and RFC 5761 4, told by the first two bytes. */
enum sl_media_kind { SL_MEDIA_RTP, SL_MEDIA_RTCP, SL_MEDIA_STUN, SL_MEDIA_DTLS, SL_MEDIA_OTHER };

static inline enum sl_media_kind sl_media_kind(const uint8_t *p, size_t len)
{
	if (len < 2)
		return SL_MEDIA_OTHER;
	if ((p[0] & 0xc0) == 0x80) /* RTCP packet types 192..223 */
		return p[1] >= 192 && p[1] <= 223 ? SL_MEDIA_RTCP : SL_MEDIA_RTP;
	if (p[0] < 4)
		return SL_MEDIA_STUN;
	return p[0] >= 20 && p[0] < 64 ? SL_MEDIA_DTLS : SL_MEDIA_OTHER;
}

static inline uint16_t sl_rtp_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t sl_rtp_get32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return __builtin_bswap32(v);
}
static inline void sl_rtp_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static inline void sl_rtp_put32(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, 4);
}

static inline uint8_t sl_rtp_pt(const uint8_t *p)
{
	return p[1] & 0x7f;
}
static inline bool sl_rtp_marker(const uint8_t *p)
{
	return p[1] >> 7;
}
static inline uint16_t sl_rtp_seq(const uint8_t *p)
{
	return sl_rtp_get16(p + 2);
}
static inline uint32_t sl_rtp_ts(const uint8_t *p)
{
	return sl_rtp_get32(p + 4);
}
static inline uint32_t sl_rtp_ssrc(const uint8_t *p)
{
	return sl_rtp_get32(p + 8);
}

/* Bytes of the header with CSRC list and extension (the part that SRTP leaves in the clear), or 0 when version, CSRC
 * count or extension do not fit len. Padding is not looked at: under SRTP it is encrypted. */
static inline unsigned sl_rtp_header_len(const uint8_t *p, size_t len)
{
	if (len < SL_RTP_HEADER_BYTES || p[0] >> 6 != SL_RTP_VERSION)
		return 0;
	unsigned n = SL_RTP_HEADER_BYTES + (p[0] & 15) * 4u;
	if (p[0] & 0x10) {
		if (len < n + 4)
			return 0;
		n += 4 + sl_rtp_get16(p + n + 2) * 4u;
	}
	return n <= len ? n : 0;
}

/* Payload bytes of a plain packet whose header takes header_len: without padding, or -1 when the padding count does not
 * fit (RFC 3550 5.1: it counts itself). */
static inline int sl_rtp_payload_len(const uint8_t *p, size_t len, unsigned header_len)
{
	unsigned n = (unsigned)len - header_len;
	if (!(p[0] & 0x20))
		return (int)n;
	if (n == 0 || p[len - 1] == 0 || p[len - 1] > n)
		return -1;
	return (int)(n - p[len - 1]);
}

/* Clock rate of a static payload type (RFC 3551 6), 0 for others. */
static inline uint32_t sl_rtp_static_clock(uint8_t pt)
{
	static const uint32_t audio[] = {8000, 0, 0, 8000, 8000, 8000, 16000, 8000, 8000, 8000, 44100, 44100, 8000, 8000,
		90000, 8000, 11025, 22050, 8000};
	if (pt < sizeof audio / sizeof audio[0])
		return audio[pt];
	return pt == 25 || pt == 26 || pt == 28 || (pt >= 31 && pt <= 34) ? 90000 : 0;
}
