/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/guard/again.h"

#include "dataplane/guard/memory.h"

#include <errno.h>

enum { WHEN_BITS = 4, WHEN_MASK = (1 << WHEN_BITS) - 1 };

int sl_again_init(struct sl_again *a, size_t bytes, void *(*zalloc)(const char *what, size_t bytes))
{
	uint32_t cells = 1;

	while (cells < UINT32_MAX / 4 && 2 * (size_t)cells * sizeof *a->cells <= bytes)
		cells *= 2;
	a->mask = cells - 1;
	a->cells = (uint16_t *)(zalloc ? zalloc : sl_guard_zalloc)("come again", cells * sizeof *a->cells);
	return a->cells ? 0 : -ENOMEM;
}

/* What is older than a circle looks younger than it is: it came again all the same. */
bool sl_again(struct sl_again *a, uint64_t hash, uint64_t now_ms)
{
	uint16_t *cell = &a->cells[hash & a->mask], tag = (uint16_t)(hash >> 48 << WHEN_BITS);
	uint16_t now = (uint16_t)(now_ms / SL_AGAIN_UNIT_MS) & WHEN_MASK, seen = *cell;

	if (tag == 0)
		tag = 1 << WHEN_BITS; /* zero is nobody's */
	*cell = tag | now;
	if ((seen & ~WHEN_MASK) != tag)
		return false;
	if ((seen & WHEN_MASK) != now) {
		*cell = tag | ((now - 1) & WHEN_MASK); /* the request that follows our answer belongs to it, however soon it comes */
		return true;
	}
	return false;
}
