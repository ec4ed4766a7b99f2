/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Index of flows that are known (authenticated clients; peers with a permission): fingerprints written by owners only,
 * read by every worker, so that a packet that arrived elsewhere is handed over through the ring for known or the ring
 * for unknown flows. A false "known" (one look-up in 4,000, and nobody without the key finds out which) only lets a packet
 * use the better ring.
 *
 * Process memory. Writer of part w: worker w (relaxed stores of single words). Readers: all (relaxed). */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/session/flow.h"

enum {
	SL_KNOWN_BUCKET_SLOTS = 32, /* a cache line */
	SL_KNOWN_MEDIA = 0x100, /* beside the index of a media address, where sl_known_hash_peer() wants a relay address */
};

struct sl_known {
	unsigned n_workers;
	uint32_t mask;           /* buckets per worker, a power of two, less one */
	_Atomic uint16_t *slots; /* [n_workers][buckets][SL_KNOWN_BUCKET_SLOTS]; 0 = empty */
	struct sl_hash_key key;
};

/* zalloc NULL = calloc. n: known flows per worker to hold at about half load. 0 or -ENOMEM. */
int sl_known_init(struct sl_known *k, unsigned n_workers, uint32_t n, const struct sl_hash_key *key,
	void *(*zalloc)(const char *what, size_t bytes));
uint64_t sl_known_hash_client(const struct sl_known *k, const struct sl_flow *f);
/* A peer is known by its address and the relay endpoint it sends to (permissions have no port). */
uint64_t sl_known_hash_peer(const struct sl_known *k, const struct sl_ip *peer, unsigned relay, uint16_t relay_port_be);
/* Owner w: add one entry (no effect when the bucket is full: the flow is then handled as unknown), remove one. */
void sl_known_add(struct sl_known *k, unsigned w, uint64_t hash);
void sl_known_remove(struct sl_known *k, unsigned w, uint64_t hash);
bool sl_known_has(const struct sl_known *k, unsigned w, uint64_t hash);
