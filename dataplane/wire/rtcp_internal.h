/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Where things stand in RTCP packets, for rtcp.c (form, reading), rtcp_map.c (changing) and rtcp_build.c. */

#include "dataplane/wire/rtcp.h"

#include <string.h>

enum {
	/* RFC 3550 6.4.1, from the header on */
	SL_RTCP_SR_NTP_AT = 8,
	SL_RTCP_SR_TS_AT = 16,
	SL_RTCP_SR_PACKETS_AT = 20,
	SL_RTCP_SR_OCTETS_AT = 24,
	/* ... from the report block on */
	SL_RTCP_BLOCK_LOST_AT = 4,
	SL_RTCP_BLOCK_SEQ_AT = 8,
	SL_RTCP_BLOCK_JITTER_AT = 12,
	SL_RTCP_BLOCK_LSR_AT = 16,
	SL_RTCP_BLOCK_DLSR_AT = 20,
	/* RFC 4585 6.1 */
	SL_RTCP_MEDIA_SSRC_AT = 8,
	SL_RTCP_FCI_ENTRY_BYTES = 8, /* SSRC and a word: RFC 5104 4.2.1, 4.2.2, 4.3.1 to 4.3.3 */
	/* draft-alvestrand-rmcat-remb 2.2, from the header on and of the FCI */
	SL_RTCP_REMB_COUNT_AT = 16,
	SL_RTCP_REMB_BYTES = 8,
};

enum sl_rtcp_rtpfb { SL_RTPFB_NACK = 1, SL_RTPFB_TMMBR = 3, SL_RTPFB_TMMBN = 4 };
enum sl_rtcp_psfb { SL_PSFB_FIR = 4, SL_PSFB_TSTR = 5, SL_PSFB_TSTN = 6, SL_PSFB_APPLICATION = 15 };

/* Is the FCI a list of entries that begin with an SSRC? */
static inline bool sl_rtcp_has_fci_entries(uint8_t type, uint8_t format)
{
	if (type == SL_RTCP_RTPFB)
		return format == SL_RTPFB_TMMBR || format == SL_RTPFB_TMMBN;
	return format >= SL_PSFB_FIR && format <= SL_PSFB_TSTN;
}

/* p: the packet, at least SL_RTCP_FEEDBACK_BYTES long. */
static inline bool sl_rtcp_is_remb(const uint8_t *p, size_t len, uint8_t type, uint8_t format)
{
	return type == SL_RTCP_PSFB && format == SL_PSFB_APPLICATION &&
		len >= SL_RTCP_FEEDBACK_BYTES + (size_t)SL_RTCP_REMB_BYTES &&
		memcmp(p + SL_RTCP_FEEDBACK_BYTES, "REMB", 4) == 0;
}

/* The end of the SDES chunk at `at` of the packet p, or 0 when it does not fit. */
size_t sl_rtcp_chunk_end(const uint8_t *p, size_t len, size_t at);
/* Where report block i stands in the compound. */
size_t sl_rtcp_block_at(const struct sl_rtcp_packet *p, unsigned i);
