/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What travels with a packet when it leaves the worker that parsed it: kept in the mbuf's private area. */

#include <stdint.h>

#include <rte_mbuf.h>

enum { SL_PACKET_PRIVATE_BYTES = 64 };

enum sl_packet_media { SL_PACKET_NO_MEDIA, SL_PACKET_RTP, SL_PACKET_RTCP };

struct sl_packet {
	uint16_t interface; /* L3 interface it came in by, or goes out by (exception, inject) */
	uint16_t port;      /* egress: port index to send on */
	uint8_t turns;      /* hairpins so far */
	uint8_t looped;     /* hairpin: data starts at the IP header, source is one of our relay addresses */
	uint8_t media;      /* enum sl_packet_media: data starts at the RTP or RTCP header, to leave the leg below */
	uint8_t leg_address;
	uint16_t leg_port;
	uint64_t leg_id;
	uint8_t settled;    /* handed to whose session it is about, whatever the buckets say */
	uint8_t stream;     /* data is a struct sl_stream_record and its frame */
	uint8_t fragmented; /* reassembled here: may be fragmented again on the way out (RFC 8656 13, 14) */
};
_Static_assert(sizeof(struct sl_packet) <= SL_PACKET_PRIVATE_BYTES, "fits the private area");

static inline struct sl_packet *sl_packet(struct rte_mbuf *m)
{
	return rte_mbuf_to_priv(m);
}
