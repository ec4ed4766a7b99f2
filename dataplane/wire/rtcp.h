/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* RTCP compound packets (RFC 3550 6, RFC 4585 6.1, RFC 5104 4, RFC 3611 2) as bytes: check, read, change in place,
 * make. Reduced-size packets (RFC 5506) are as good as whole ones. Pure; nothing is read or written beyond len.
 *
 * Whatever changes a packet wants one that sl_rtcp_valid() has passed: form is checked once, not at every field. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sl_rtcp_type {
	SL_RTCP_SR = 200,
	SL_RTCP_RR = 201,
	SL_RTCP_SDES = 202,
	SL_RTCP_BYE = 203,
	SL_RTCP_APP = 204,
	SL_RTCP_RTPFB = 205,
	SL_RTCP_PSFB = 206,
	SL_RTCP_XR = 207,
};

enum {
	SL_RTCP_HEADER_BYTES = 4,
	SL_RTCP_SSRC_BYTES = 8,    /* header and the sender's SSRC */
	SL_RTCP_SENDER_BYTES = 28, /* an SR up to its report blocks */
	SL_RTCP_BLOCK_BYTES = 24,
	SL_RTCP_BLOCKS_MAX = 31,
	SL_RTCP_FEEDBACK_BYTES = 12, /* RTPFB and PSFB up to the FCI */
	SL_RTCP_BYTES_MAX = 2048,    /* of a compound packet that is handled here: they fit an MTU (RFC 3550 6.1) */
	SL_RTCP_MAP_MAX = 17,
};

/* One packet of a compound. */
struct sl_rtcp_packet {
	size_t at, len; /* in the compound; from its header on, padding not counted */
	uint8_t type;   /* enum sl_rtcp_type, or another one of 192..223 */
	uint8_t count;  /* RC, SC, FMT, subtype */
};

/* The packet at *at, which moves on behind it: 1; 0 at the end; -EBADMSG when it is not one (version, length, padding
 * elsewhere than in the last packet, contents that do not fit: RFC 3550 A.2). Begin with *at = 0. */
int sl_rtcp_next(const uint8_t *rtcp, size_t len, size_t *at, struct sl_rtcp_packet *out);
/* One packet at least, and all of len is packets. */
bool sl_rtcp_valid(const uint8_t *rtcp, size_t len);

/* ---- read ---- */

struct sl_rtcp_sender { /* host order */
	uint32_t ssrc;
	uint64_t ntp;
	uint32_t rtp_ts, packets, octets;
};
struct sl_rtcp_block {
	uint32_t ssrc;
	uint8_t fraction;     /* lost, of 256, since the report before */
	int32_t lost;         /* cumulative, 24 bits; duplicates make it negative */
	uint32_t highest_seq; /* with cycles in the upper half */
	uint32_t jitter;      /* timestamp units */
	uint32_t lsr, dlsr;   /* middle of the NTP time of the last SR, and 1/65536 s since it came; 0 = none */
};

/* False when p is no SR. */
bool sl_rtcp_sender_info(const uint8_t *rtcp, const struct sl_rtcp_packet *p, struct sl_rtcp_sender *out);
/* Report blocks of p: 0 unless it is an SR or RR. */
unsigned sl_rtcp_n_blocks(const struct sl_rtcp_packet *p);
void sl_rtcp_block(const uint8_t *rtcp, const struct sl_rtcp_packet *p, unsigned i, struct sl_rtcp_block *out);
/* Who sends a compound: the SSRC that its first packet begins with, 0 when that has none. At least 4 bytes. */
uint32_t sl_rtcp_sender_ssrc(const uint8_t *rtcp, size_t len);
static inline uint32_t sl_rtcp_ntp_middle(uint64_t ntp)
{
	return (uint32_t)(ntp >> 16);
}

/* ---- change in place ---- */

/* How the streams on one side are called on the other. */
struct sl_rtcp_map {
	unsigned n;
	struct {
		uint32_t from, to; /* SSRC, host order */
		uint16_t seq_add;  /* to sequence numbers that speak about it */
		uint32_t ts_add;   /* to RTP timestamps of its SRs */
		bool counted;      /* its SRs say these instead of the sender's own counts */
		uint32_t packets, octets;
	} e[SL_RTCP_MAP_MAX];
};

/* What says who sends: the SSRCs of SR, RR, SDES, BYE, APP, feedback and XR, with the times and counts of SRs. */
void sl_rtcp_map_senders(uint8_t *rtcp, size_t len, const struct sl_rtcp_map *map);
/* What speaks about media received: report blocks, media source and FCI of feedback (NACK, FIR, TMMBR, TMMBN, TSTR,
 * TSTN, REMB), XR blocks, each with its sequence numbers. */
void sl_rtcp_map_media(uint8_t *rtcp, size_t len, const struct sl_rtcp_map *map);
/* SRs become RRs with the same report blocks: for who is not heard at the moment. Returns the new length. */
size_t sl_rtcp_strip_sender_info(uint8_t *rtcp, size_t len);
/* Only what asks for something stays: RTPFB and PSFB, behind the RR without blocks and the SDES that a compound wants (RFC
 * 4585 3.1). Returns the new length; 0: nothing asks. */
size_t sl_rtcp_keep_feedback(uint8_t *rtcp, size_t len);
/* Take every packet of a type out. Returns the new length, which may be 0. */
size_t sl_rtcp_strip(uint8_t *rtcp, size_t len, enum sl_rtcp_type type);

/* ---- make ---- */

/* SR (sender given) or RR from ssrc, with n_blocks <= SL_RTCP_BLOCKS_MAX, and SDES with CNAME (at most 255 bytes)
 * unless that is NULL. Returns the length, or 0 when cap is too small. */
size_t sl_rtcp_build(uint8_t *out, size_t cap, uint32_t ssrc, const struct sl_rtcp_sender *sender,
	const struct sl_rtcp_block *blocks, unsigned n_blocks, const char *cname);
