/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Records that are open, by the dataplane's id of their allocation. No clock, no I/O. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/turn/accounting_internal.h"

struct sl_turn_open {
	uint64_t allocation;
	struct sl_id id;
	uint64_t print;             /* of what an allocation keeps for life: to be known again by */
	int64_t start_unix_ms, told_ms; /* told_ms: when its last change was told (CLOCK_MONOTONIC), 0 = not by us */
	struct sl_turn_traffic told;
	uint32_t interims;
	bool unsure;                /* not seen since the dataplane was away, or we were */
};

struct sl_turn_opens {
	struct sl_turn_open *all; /* dense, in no particular order */
	size_t n, capacity;
	uint32_t *index;          /* open addressing over all[]: position + 1, 0 = free; never more than half full */
	size_t index_size;
};

uint64_t sl_turn_open_print(const struct sl_endpoint *relay, const char *user, size_t user_len);
/* NULL: there is none. Good until the next put or remove. */
struct sl_turn_open *sl_turn_opens_find(const struct sl_turn_opens *t, uint64_t allocation);
/* One that is not there yet. NULL: no memory. */
struct sl_turn_open *sl_turn_opens_put(struct sl_turn_opens *t, const struct sl_turn_open *o);
void sl_turn_opens_remove(struct sl_turn_opens *t, uint64_t allocation);
void sl_turn_opens_clear(struct sl_turn_opens *t);
