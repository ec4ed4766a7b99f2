/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* RTCP made here: a report and who makes it (RFC 3550 6.4, 6.5). */

#include "dataplane/wire/rtcp_internal.h"
#include "dataplane/wire/rtp.h"

enum { WORD = 4, VERSION_BITS = SL_RTP_VERSION << 6, SDES_CNAME = 1, SDES_ITEM_MAX = 255 };

static void put_header(uint8_t *p, unsigned count, enum sl_rtcp_type type, size_t len)
{
	p[0] = (uint8_t)(VERSION_BITS | count);
	p[1] = (uint8_t)type;
	sl_rtp_put16(p + 2, (uint16_t)(len / WORD - 1));
}

static void put_sender(uint8_t *p, const struct sl_rtcp_sender *s)
{
	sl_rtp_put32(p + SL_RTCP_SR_NTP_AT, (uint32_t)(s->ntp >> 32));
	sl_rtp_put32(p + SL_RTCP_SR_NTP_AT + WORD, (uint32_t)s->ntp);
	sl_rtp_put32(p + SL_RTCP_SR_TS_AT, s->rtp_ts);
	sl_rtp_put32(p + SL_RTCP_SR_PACKETS_AT, s->packets);
	sl_rtp_put32(p + SL_RTCP_SR_OCTETS_AT, s->octets);
}

static void put_block(uint8_t *p, const struct sl_rtcp_block *b)
{
	sl_rtp_put32(p, b->ssrc);
	sl_rtp_put32(p + SL_RTCP_BLOCK_LOST_AT, (uint32_t)b->fraction << 24 | ((uint32_t)b->lost & 0xffffff));
	sl_rtp_put32(p + SL_RTCP_BLOCK_SEQ_AT, b->highest_seq);
	sl_rtp_put32(p + SL_RTCP_BLOCK_JITTER_AT, b->jitter);
	sl_rtp_put32(p + SL_RTCP_BLOCK_LSR_AT, b->lsr);
	sl_rtp_put32(p + SL_RTCP_BLOCK_DLSR_AT, b->dlsr);
}

size_t sl_rtcp_build(uint8_t *out, size_t cap, uint32_t ssrc, const struct sl_rtcp_sender *sender,
	const struct sl_rtcp_block *blocks, unsigned n_blocks, const char *cname)
{
	size_t name = cname ? strlen(cname) : 0;
	size_t first = sender ? SL_RTCP_SENDER_BYTES : SL_RTCP_SSRC_BYTES;
	size_t report = first + n_blocks * (size_t)SL_RTCP_BLOCK_BYTES;
	/* SSRC, item header, name, a null at least */
	size_t sdes = cname ? (SL_RTCP_SSRC_BYTES + 2 + name + WORD) / WORD * WORD : 0;
	if (n_blocks > SL_RTCP_BLOCKS_MAX || name > SDES_ITEM_MAX || report + sdes > cap)
		return 0;
	put_header(out, n_blocks, sender ? SL_RTCP_SR : SL_RTCP_RR, report);
	sl_rtp_put32(out + SL_RTCP_HEADER_BYTES, ssrc);
	if (sender)
		put_sender(out, sender);
	for (unsigned i = 0; i < n_blocks; i++)
		put_block(out + first + i * (size_t)SL_RTCP_BLOCK_BYTES, &blocks[i]);
	if (!cname)
		return report;
	uint8_t *p = out + report;
	memset(p, 0, sdes);
	put_header(p, 1, SL_RTCP_SDES, sdes);
	sl_rtp_put32(p + SL_RTCP_HEADER_BYTES, ssrc);
	p[SL_RTCP_SSRC_BYTES] = SDES_CNAME;
	p[SL_RTCP_SSRC_BYTES + 1] = (uint8_t)name;
	memcpy(p + SL_RTCP_SSRC_BYTES + 2, cname, name);
	return report + sdes;
}
