/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Media ports of this node: even port and the next one (RFC 3550 11), drawn unpredictably from the blocks of
 * the worker that shall own the leg, kept from being drawn again for a guard time. Every operation is O(1).
 * Owner: the brain's thread. Ports are in host order; times are CLOCK_MONOTONIC. */

#include <stddef.h>
#include <stdint.h>

struct sl_port_pool;

struct sl_port_pool_params {
	unsigned n_addresses, n_workers;
	uint16_t port_min, port_max;
	int64_t guard_ms;
	uint8_t seed[16];     /* of the draw: getrandom */
	uint32_t *released_s; /* memory that outlives us, [SL_PORT_POOL_MEMORY]: when each pair was released;
	                         NULL = none */
};
enum { SL_PORT_POOL_PAIRS = 32768, SL_PORT_POOL_MEMORY = 16 * SL_PORT_POOL_PAIRS };

/* All pairs of the range are free, but those that released_s says are still guarded. NULL when memory is
 * short. */
struct sl_port_pool *sl_port_pool_new(const struct sl_port_pool_params *p, int64_t now_ms);
void sl_port_pool_free(struct sl_port_pool *pool);
void sl_port_pool_set_guard(struct sl_port_pool *pool, int64_t guard_ms);

/* Draw a pair of the worker's on an address: its even port; or -ENOSPC. */
int sl_port_pool_draw(struct sl_port_pool *pool, unsigned address, unsigned worker, int64_t now_ms);
/* Take this very pair: 0; -EINVAL (not of the range), -EBUSY (taken). A guarded one may be taken: it is its
 * owner who is back. */
int sl_port_pool_take(struct sl_port_pool *pool, unsigned address, uint16_t port);
/* Give a pair back: it is drawn again after the guard time. */
void sl_port_pool_release(struct sl_port_pool *pool, unsigned address, uint16_t port, int64_t now_ms);
/* Give a pair back that nobody was told of: it may be drawn at once. */
void sl_port_pool_undo(struct sl_port_pool *pool, unsigned address, uint16_t port);

/* Pairs that could be drawn now. */
size_t sl_port_pool_n_free(const struct sl_port_pool *pool, unsigned address, unsigned worker);
size_t sl_port_pool_total_free(const struct sl_port_pool *pool);
size_t sl_port_pool_total_guarded(const struct sl_port_pool *pool);
