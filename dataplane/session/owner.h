/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Which worker owns a client's flow: bucket table over a keyed Toeplitz hash of the five-tuple on the wire. Every worker
 * computes the same answer, and the same key and table go to a NIC's RSS where it can, so most packets arrive right.
 * Written once at start (the key comes from the cold memory, so restarts keep it); read by all workers. */

#include <stdint.h>

#include "dataplane/wire/addr.h"

enum { SL_OWNER_BUCKETS = 128, SL_TOEPLITZ_KEY_BYTES = 52 };

struct sl_owner {
	uint8_t key[SL_TOEPLITZ_KEY_BYTES];
	uint8_t bucket[SL_OWNER_BUCKETS]; /* worker of hash % SL_OWNER_BUCKETS */
	unsigned n_workers;
	/* Per byte position and value, the hash's part: makes the software hash table look-ups. 36 positions. */
	uint32_t part[36][256];
};

void sl_owner_init(struct sl_owner *o, const uint8_t key[SL_TOEPLITZ_KEY_BYTES], unsigned n_workers);
/* The RSS hash a NIC computes for UDP over IPv4 (addresses in IPv4 form: 12 bytes) or IPv6 (36 bytes). */
uint32_t sl_owner_hash(const struct sl_owner *o, const struct sl_endpoint *src, const struct sl_endpoint *dst);
/* Fragments have no ports: hash of the addresses alone, as NICs do. */
uint32_t sl_owner_hash_addresses(const struct sl_owner *o, const struct sl_ip *src, const struct sl_ip *dst);
static inline unsigned sl_owner_of_hash(const struct sl_owner *o, uint32_t hash)
{
	return o->bucket[hash % SL_OWNER_BUCKETS];
}
