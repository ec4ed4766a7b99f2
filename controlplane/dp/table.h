/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Allocations as the dataplane's events tell of them: what the API lists. Owner: the brain's thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/abi/msg.h"

struct sl_allocation {
	struct sl_evt_allocation state; /* as last told */
	int64_t told_ms;                /* CLOCK_MONOTONIC, when */
	uint32_t round;                 /* of the last listing that had it */
};

enum { SL_TABLE_REALMS = SL_TURN_MAX_REALMS + 1 };

struct sl_table {
	struct sl_allocation *all; /* dense, in no particular order */
	size_t n, capacity;
	uint32_t *index; /* open addressing over all[]: position + 1, 0 = free; never more than half full */
	size_t index_size;
	/* Of all[], kept as it changes: nobody counts a million. Realm: by index, the last one what is no realm. */
	size_t of_realm[SL_TABLE_REALMS], restricted_of_realm[SL_TABLE_REALMS], over[SL_TURN_N_TRANSPORTS];
};

/* 0 or -ENOMEM. */
int sl_table_put(struct sl_table *t, const struct sl_evt_allocation *state, int64_t now_ms, uint32_t round);
const struct sl_allocation *sl_table_find(const struct sl_table *t, uint64_t id);
bool sl_table_remove(struct sl_table *t, uint64_t id);
/* Remove the worker's allocations that the listing called round did not have, each after vanished (may be NULL) was told. Returns how
 * many. */
size_t sl_table_sweep(
        struct sl_table *t, unsigned worker, uint32_t round, void (*vanished)(void *ctx, const struct sl_allocation *last), void *ctx);
void sl_table_clear(struct sl_table *t);
