/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Resolved neighbours by interface and address: a table that grows as needed, at most half full, found by a keyed hash.
 * Owner: the mirror. */

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/wire/addr.h"
#include "dataplane/wire/siphash.h"

struct sl_neighbour {
	struct sl_ip ip;
	uint16_t interface;
	uint8_t mac[6];
	bool used, managed;
};

struct sl_neighbours {
	struct sl_neighbour *slots; /* to walk over: slots[0..mask], those used */
	uint32_t mask, n;
	struct sl_siphash_key key;
};

int sl_neighbours_init(struct sl_neighbours *t); /* 0 or negative errno */
void sl_neighbours_free(struct sl_neighbours *t);
void sl_neighbours_clear(struct sl_neighbours *t);
/* NULL if not there. The pointer holds until the next change. */
struct sl_neighbour *sl_neighbours_find(const struct sl_neighbours *t, uint16_t interface, const struct sl_ip *ip);
/* Add or change. 1 when the table differs from before, 0 when not, -ENOMEM. */
int sl_neighbours_set(struct sl_neighbours *t, uint16_t interface, const struct sl_ip *ip, const uint8_t mac[6]);
/* True when it was there. */
bool sl_neighbours_remove(struct sl_neighbours *t, uint16_t interface, const struct sl_ip *ip);
