/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Inside the maker of frames: headers.c puts headers around payloads, payloads.c writes what is right, hostile.c what is not. */

#include "bench/flood/flood.h"

enum { ETHER = 14, IP4 = 20, IP6 = 40, UDP = 8, TCP = 20, PAYLOAD_MAX = FLOOD_FRAME_MAX - ETHER - IP6 - UDP - 400 };

struct flood_packet {
	struct sl_endpoint src, dst;
	uint8_t *frame;
	unsigned at; /* of the payload in the frame: behind Ethernet, IP and UDP */
};

static inline unsigned ip_bytes(const struct flood_packet *p)
{
	return sl_ip_is_v4(&p->dst.ip) ? IP4 : IP6;
}
static inline void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* headers.c */
void flood_ends(struct flood_maker *m, struct flood_attack *a, struct flood_packet *p); /* where from and where to */
void flood_ether(const struct flood_maker *m, uint8_t *frame, unsigned type);
void flood_ip(struct flood_packet *p, unsigned protocol, unsigned bytes);               /* header in front of so many bytes */
void flood_ip4_checksum(uint8_t *ip, unsigned bytes);
void flood_l4_checksum(const struct flood_packet *p, uint8_t *l4, unsigned protocol, unsigned bytes, unsigned checksum_at);
unsigned flood_udp(struct flood_maker *m, struct flood_packet *p, unsigned payload);    /* everything around it; the frame's length */

/* payloads.c: bytes written */
unsigned flood_payload(struct flood_maker *m, struct flood_attack *a, enum flood_kind kind, uint8_t *at);
unsigned flood_fill(struct flood_maker *m, uint8_t *at, unsigned bytes);

/* hostile.c */
unsigned flood_hostile(struct flood_maker *m, struct flood_attack *a, enum flood_kind kind, struct flood_packet *p);
