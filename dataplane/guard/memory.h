/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Memory of the guard's tables when nobody gave an allocator (tests, benches): zeroed, and aligned to a cache line as DPDK's is. */

#include <stdlib.h>
#include <string.h>

enum { SL_GUARD_CACHE_LINE = 64 };

static inline void *sl_guard_zalloc(const char *what, size_t bytes)
{
	size_t whole = (bytes + SL_GUARD_CACHE_LINE - 1) / SL_GUARD_CACHE_LINE * SL_GUARD_CACHE_LINE;
	void *p = aligned_alloc(SL_GUARD_CACHE_LINE, whole);

	(void)what;
	return p ? memset(p, 0, whole) : NULL;
}
