/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Who comes again? When strangers as a whole exceed what can be served, those who retransmit go first: clients of SIP, STUN and TCP do so within
 * seconds, spoofed sources drawn at random hardly ever. A cell of 16 bits for each hash: twelve of tag, four of when (in quarters of a second); a newcomer
 * takes the cell. So one look touches one cache line, and a wrong "again" is one in 4,096. Owner: one worker. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SL_AGAIN_UNIT_MS = 256, /* a retransmission within the same quarter of a second does not count: it may be a copy */
	SL_AGAIN_BYTES = 4 << 20,
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
/* Has hash been here before, in another quarter of a second? Notes it for the next time, too. */
bool sl_again(struct sl_again *a, uint64_t hash, uint64_t now_ms);
