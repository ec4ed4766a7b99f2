/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Who comes again? When strangers as a whole exceed what can be served, those who retransmit go first: clients of SIP, STUN and TCP do so within
 * seconds, spoofed sources drawn at random hardly ever. A cell of 16 bits for each hash: twelve of tag, four of when (in units of 0.3 s); a newcomer takes
 * the cell. So one look touches one cache line, and a wrong "again" is one in 4,096. Owner: one worker. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* A retransmission within the same unit does not count: it may be a copy. Sixteen units make a circle, and none of the intervals at which SIP,
	 * STUN and TCP send again (0.5, 1, 2, 4, 8, 16 s) is near a whole number of circles, which would look like no time at all. */
	SL_AGAIN_UNIT_MS = 300,
	SL_AGAIN_BYTES = 2 << 20,
};

struct sl_again {
	uint16_t *cells;
	uint32_t mask;
};

/* bytes: rounded down to a power of two. zalloc NULL = calloc. 0 or -ENOMEM. */
int sl_again_init(struct sl_again *a, size_t bytes, void *(*zalloc)(const char *what, size_t bytes));
static inline void sl_again_prefetch(const struct sl_again *a, uint64_t hash)
{
	__builtin_prefetch(&a->cells[hash & a->mask], 1);
}
/* Has hash been here before, in another unit of time? Notes it for the next time, too: who came again once goes on for as long as he keeps coming. */
bool sl_again(struct sl_again *a, uint64_t hash, uint64_t now_ms);
