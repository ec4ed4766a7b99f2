/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Test input that ends at an unmapped page: a parser that reads one byte too many crashes there and then. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct sl_guard {
	uint8_t *map;
	size_t usable;
};

/* Room for inputs of up to max bytes. Aborts when the mapping fails: a test cannot go on without it. */
static inline struct sl_guard sl_guard_make(size_t max)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct sl_guard g = {.usable = (max + page - 1) / page * page};

	g.map = mmap(NULL, g.usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g.map == MAP_FAILED || mprotect(g.map + g.usable, page, PROT_NONE) != 0)
		abort();
	return g;
}

/* A copy of the input whose last byte is the last before the guard page. Valid until the next put. */
static inline uint8_t *sl_guard_put(const struct sl_guard *g, const void *data, size_t len)
{
	uint8_t *at = g->map + g->usable - len;

	if (len > g->usable)
		abort();
	if (len > 0)
		memcpy(at, data, len);
	return at;
}

static inline void sl_guard_free(struct sl_guard *g)
{
	munmap(g->map, g->usable + (size_t)sysconf(_SC_PAGESIZE));
}
