/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/guard/again.h"

#include "dataplane/guard/memory.h"

#include <errno.h>

enum { WHEN_BITS = 6, WHEN_MASK = (1 << WHEN_BITS) - 1, TAG_SHIFT = 64 - (32 - WHEN_BITS) };

int sl_again_init(struct sl_again *a, size_t bytes, void *(*zalloc)(const char *what, size_t bytes))
{
	uint32_t buckets = 1;

	while (buckets < UINT32_MAX / 4 && 2 * (size_t)buckets * sizeof *a->buckets <= bytes)
		buckets *= 2;
	a->mask = buckets - 1;
	a->buckets = (struct sl_again_bucket *)(zalloc ? zalloc : sl_guard_zalloc)("come again", buckets * sizeof *a->buckets);
	return a->buckets ? 0 : -ENOMEM;
}

/* The cell of this tag, or -1. */
static int find(const struct sl_again_bucket *b, uint32_t tag)
{
	unsigned hits = 0;

	for (unsigned i = 0; i < SL_AGAIN_WAYS; i++)
		hits |= (unsigned)((b->cell[i] ^ tag) <= WHEN_MASK) << i;
	return hits ? __builtin_ctz(hits) : -1;
}

/* What is older than a circle looks younger than it is: it came again all the same. */
bool sl_again(struct sl_again *a, uint64_t hash, uint64_t now_ms)
{
	struct sl_again_bucket *b = &a->buckets[hash & a->mask];
	uint32_t tag = (uint32_t)(hash >> TAG_SHIFT) << WHEN_BITS, now = (uint32_t)(now_ms / SL_AGAIN_UNIT_MS) & WHEN_MASK;

	if (tag == 0)
		tag = 1 << WHEN_BITS; /* zero is nobody's */
	int at = find(b, tag);
	if (at < 0) {
		memmove(&b->cell[1], &b->cell[0], sizeof b->cell - sizeof b->cell[0]);
		b->cell[0] = tag | now;
		return false;
	}
	if ((b->cell[at] & WHEN_MASK) == now)
		return false;
	b->cell[at] = tag | ((now - 1) & WHEN_MASK); /* the request that follows our answer belongs to it, however soon it comes */
	return true;
}
