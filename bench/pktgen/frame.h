/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Ethernet, IP and UDP headers around a payload: for the set-up's messages and for the templates. */

#include <stdint.h>

#include "dataplane/wire/addr.h"

enum {
	ETHER_BYTES = 14,
	IPV4_BYTES = 20,
	IPV6_BYTES = 40,
	UDP_BYTES = 8,
	FRAME_MAX_HEADERS = ETHER_BYTES + IPV6_BYTES + UDP_BYTES,
	FRAME_MAX = 1600,
};

struct flow {
	const uint8_t *src_mac, *dst_mac;
	struct sl_endpoint src, dst; /* of one family */
};

/* Bytes before the UDP payload. */
static inline unsigned frame_header_bytes(const struct sl_ip *ip)
{
	return ETHER_BYTES + UDP_BYTES + (sl_ip_is_v4(ip) ? IPV4_BYTES : IPV6_BYTES);
}

/* Write the headers in front of the payload, which stands already at frame + frame_header_bytes, and all the
 * checksums. Returns the frame's length. */
unsigned frame_finish(uint8_t *frame, const struct flow *flow, unsigned payload_bytes);

/* A received frame, as far as the generator looks into it. */
struct frame_udp {
	struct sl_endpoint src, dst;
	const uint8_t *payload;
	unsigned payload_bytes;
};

/* 0 when the frame is a whole UDP datagram with valid checksums; -1 otherwise. */
int frame_parse_udp(const uint8_t *frame, unsigned len, struct frame_udp *out);
