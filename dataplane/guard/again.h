/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Who comes again? When strangers as a whole exceed what can be served, those who retransmit go first: clients of SIP, STUN and TCP do so within
 * seconds, spoofed sources drawn at random hardly ever. Eight cells of 32 bits in half a cache line: 26 of tag, six of when (in units of 0.3 s); a newcomer
 * takes the place of the one who has been there longest. Owner: one worker. Pure.
 *
 * How much memory: a client must be remembered until it sends again, half a second, then a second, two, four. Of 1 MB, flooded by 180,000 sources a second drawn at
 * random, 99 % of clients get through within four seconds; it takes as many times that as the flood is faster. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* A retransmission within the same unit does not count: it may be a copy. 64 units make a circle, and none of the intervals at which SIP,
	 * STUN and TCP send again (0.5, 1, 2, 4, 8, 16 s) is near a whole number of circles, which would look like no time at all. */
	SL_AGAIN_UNIT_MS = 300,
	SL_AGAIN_WAYS = 8,
};

struct sl_again_bucket {
	_Alignas(32) uint32_t cell[SL_AGAIN_WAYS]; /* newest first */
};

struct sl_again {
	struct sl_again_bucket *buckets;
	uint32_t mask;
};

/* bytes: rounded down to a power of two, one bucket at least. zalloc NULL = calloc. 0 or -ENOMEM. */
int sl_again_init(struct sl_again *a, size_t bytes, void *(*zalloc)(const char *what, size_t bytes));
static inline void sl_again_prefetch(const struct sl_again *a, uint64_t hash)
{
	__builtin_prefetch(&a->buckets[hash & a->mask]);
}
static inline uint64_t sl_again_bytes(const struct sl_again *a)
{
	return ((uint64_t)a->mask + 1) * sizeof *a->buckets;
}
/* Has hash been here before, in another unit of time? Notes it for the next time, too: who came again once goes on for as long as he keeps coming. */
bool sl_again(struct sl_again *a, uint64_t hash, uint64_t now_ms);
