/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* RTCP: the form of compound packets, and what is read from them. */

#include "dataplane/wire/rtcp.h"

#include <errno.h>

#include "dataplane/wire/rtcp_internal.h"
#include "dataplane/wire/rtp.h"

enum { PADDING_BIT = 0x20, COUNT_MASK = 0x1f, TYPE_MIN = 192, TYPE_MAX = 223, WORD = 4 };

/* RFC 3550 6.5: each chunk is an SSRC and items up to a null, padded to a word. A last chunk without its null is let
 * pass: some senders forget it where the items end on a word. */
static bool sdes_fits(const uint8_t *p, size_t len, unsigned chunks)
{
	size_t at = SL_RTCP_HEADER_BYTES;
	for (; chunks > 0; chunks--)
		if (!(at = sl_rtcp_chunk_end(p, len, at)))
			return false;
	return true;
}

size_t sl_rtcp_chunk_end(const uint8_t *p, size_t len, size_t at)
{
	if (at + WORD > len)
		return 0;
	for (at += WORD; at < len && p[at]; at += 2u + p[at + 1])
		if (at + 2 > len || at + 2 + p[at + 1] > len)
			return 0;
	size_t end = (at + WORD) / WORD * WORD;
	return at >= len || end > len ? len : end;
}

static bool bye_fits(const uint8_t *p, size_t len, unsigned count)
{
	size_t at = SL_RTCP_HEADER_BYTES + count * (size_t)WORD;
	return at <= len && (at == len || at + 1 + p[at] <= len);
}

/* RFC 3611 3: blocks with a length of their own. */
static bool xr_fits(const uint8_t *p, size_t len)
{
	size_t at = SL_RTCP_SSRC_BYTES;
	while (at + WORD <= len)
		at += WORD + (size_t)sl_rtp_get16(p + at + 2) * WORD;
	return at == len;
}

/* RFC 5104 4: FCI of whole entries where it is made of those. */
static bool feedback_fits(const uint8_t *p, size_t len, uint8_t type, uint8_t format)
{
	if (len < SL_RTCP_FEEDBACK_BYTES)
		return false;
	size_t fci = len - SL_RTCP_FEEDBACK_BYTES;
	if (sl_rtcp_has_fci_entries(type, format))
		return fci % SL_RTCP_FCI_ENTRY_BYTES == 0;
	if (!sl_rtcp_is_remb(p, len, type, format))
		return true;
	return fci >= SL_RTCP_REMB_BYTES + p[SL_RTCP_REMB_COUNT_AT] * (size_t)WORD;
}

/* Does the body hold what its header says? */
static bool fits(const uint8_t *p, size_t len, uint8_t type, uint8_t count)
{
	switch (type) {
	case SL_RTCP_SR:
		return len >= SL_RTCP_SENDER_BYTES + count * (size_t)SL_RTCP_BLOCK_BYTES;
	case SL_RTCP_RR:
		return len >= SL_RTCP_SSRC_BYTES + count * (size_t)SL_RTCP_BLOCK_BYTES;
	case SL_RTCP_SDES:
		return sdes_fits(p, len, count);
	case SL_RTCP_BYE:
		return bye_fits(p, len, count);
	case SL_RTCP_APP:
		return len >= SL_RTCP_SSRC_BYTES + WORD;
	case SL_RTCP_RTPFB:
	case SL_RTCP_PSFB:
		return feedback_fits(p, len, type, count);
	case SL_RTCP_XR:
		return len >= SL_RTCP_SSRC_BYTES && xr_fits(p, len);
	default: /* unknown ones are passed over (RFC 3550 6.1) */
		return type >= TYPE_MIN && type <= TYPE_MAX;
	}
}

int sl_rtcp_next(const uint8_t *rtcp, size_t len, size_t *at, struct sl_rtcp_packet *out)
{
	const uint8_t *p = rtcp + *at;
	size_t left = len - *at;
	if (!left)
		return 0;
	if (left < SL_RTCP_HEADER_BYTES || p[0] >> 6 != SL_RTP_VERSION)
		return -EBADMSG;
	size_t whole = ((size_t)sl_rtp_get16(p + 2) + 1) * WORD, padding = 0;
	if (whole > left)
		return -EBADMSG;
	if (p[0] & PADDING_BIT) {
		padding = p[whole - 1];
		if (whole != left || padding == 0 || padding % WORD || padding > whole - SL_RTCP_HEADER_BYTES)
			return -EBADMSG;
	}
	*out = (struct sl_rtcp_packet){.at = *at, .len = whole - padding, .type = p[1], .count = p[0] & COUNT_MASK};
	if (!fits(p, out->len, out->type, out->count))
		return -EBADMSG;
	*at += whole;
	return 1;
}

bool sl_rtcp_valid(const uint8_t *rtcp, size_t len)
{
	struct sl_rtcp_packet p;
	size_t at = 0;
	int rc;
	while ((rc = sl_rtcp_next(rtcp, len, &at, &p)) > 0)
		;
	return rc == 0 && at > 0;
}

bool sl_rtcp_sender_info(const uint8_t *rtcp, const struct sl_rtcp_packet *p, struct sl_rtcp_sender *out)
{
	const uint8_t *b = rtcp + p->at;
	if (p->type != SL_RTCP_SR)
		return false;
	*out = (struct sl_rtcp_sender){.ssrc = sl_rtp_get32(b + SL_RTCP_HEADER_BYTES),
		.ntp = (uint64_t)sl_rtp_get32(b + SL_RTCP_SR_NTP_AT) << 32 | sl_rtp_get32(b + SL_RTCP_SR_NTP_AT + WORD),
		.rtp_ts = sl_rtp_get32(b + SL_RTCP_SR_TS_AT),
		.packets = sl_rtp_get32(b + SL_RTCP_SR_PACKETS_AT),
		.octets = sl_rtp_get32(b + SL_RTCP_SR_OCTETS_AT)};
	return true;
}

unsigned sl_rtcp_n_blocks(const struct sl_rtcp_packet *p)
{
	return p->type == SL_RTCP_SR || p->type == SL_RTCP_RR ? p->count : 0;
}

size_t sl_rtcp_block_at(const struct sl_rtcp_packet *p, unsigned i)
{
	size_t first = p->type == SL_RTCP_SR ? SL_RTCP_SENDER_BYTES : SL_RTCP_SSRC_BYTES;
	return p->at + first + i * (size_t)SL_RTCP_BLOCK_BYTES;
}

/* A 24-bit two's complement number in the low bits. */
static int32_t sign_extend_24(uint32_t v)
{
	enum { SIGN = 1 << 23 };
	return (int32_t)((v & 0xffffff) ^ SIGN) - SIGN;
}

void sl_rtcp_block(const uint8_t *rtcp, const struct sl_rtcp_packet *p, unsigned i, struct sl_rtcp_block *out)
{
	const uint8_t *b = rtcp + sl_rtcp_block_at(p, i);
	*out = (struct sl_rtcp_block){.ssrc = sl_rtp_get32(b),
		.fraction = b[SL_RTCP_BLOCK_LOST_AT],
		.lost = sign_extend_24(sl_rtp_get32(b + SL_RTCP_BLOCK_LOST_AT)),
		.highest_seq = sl_rtp_get32(b + SL_RTCP_BLOCK_SEQ_AT),
		.jitter = sl_rtp_get32(b + SL_RTCP_BLOCK_JITTER_AT),
		.lsr = sl_rtp_get32(b + SL_RTCP_BLOCK_LSR_AT),
		.dlsr = sl_rtp_get32(b + SL_RTCP_BLOCK_DLSR_AT)};
}

uint32_t sl_rtcp_sender_ssrc(const uint8_t *rtcp, size_t len)
{
	return len >= SL_RTCP_SSRC_BYTES ? sl_rtp_get32(rtcp + SL_RTCP_HEADER_BYTES) : 0;
}
