/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Frames of strangers beside the load: copies of a few images, each from a source of its own, with right checksums (or wrong
 * ones, where that is the point). They are not the load: nothing comes back of them. */

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "bench/pktgen/options.h"

struct port;

enum { FLOOD_IMAGE_BYTES = 512, FLOOD_IMAGES_MAX = 32 };

struct flood_image {
	_Alignas(64) uint8_t bytes[FLOOD_IMAGE_BYTES]; /* source, its port and what is fresh are zero */
	uint16_t len;
	uint16_t copy;     /* len in whole cache lines */
	uint16_t ip_cksum_at, source_at, port_at;
	uint16_t fresh_at; /* eight bytes that differ from frame to frame (a transaction, a branch ...); 0 = none */
	bool v4, text;     /* text: what is fresh are letters */
	uint32_t ip_sum, udp_sum; /* of all that does not change */
};

struct flood {
	struct flood_image images[FLOOD_IMAGES_MAX]; /* taken in turn */
	unsigned n_images, at;
	struct range from;    /* count 0: anywhere */
	uint32_t sources;     /* so many; 0 = each frame another */
	uint16_t to_port, to_ports;
	uint64_t random;
};

/* The images of o->flood_kinds towards o->flood_to, as sent on port. */
void flood_init(struct flood *f, const struct options *o, const struct port *port);
/* One frame into data, which has room for FLOOD_IMAGE_BYTES; returns its length. */
unsigned flood_frame(struct flood *f, uint8_t *data);
/* Complete n buffers. */
void flood_make(struct flood *f, struct rte_mbuf **m, unsigned n);
/* 0 .. n - 1, for places of the load's frames among those of the flood. */
static inline uint32_t flood_random(struct flood *f, uint32_t n)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return (uint32_t)((uint64_t)(uint32_t)(f->random >> 16) * n >> 32);
}
