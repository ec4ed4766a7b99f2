/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What is going on at a tenant, trunk, route or user: shared by the provisioned objects that follow each other under one name, so a change
 * of provisioning loses no count. */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct sl_route_live {
	unsigned refs;
	unsigned concurrent;
	int64_t second;          /* of CLOCK_MONOTONIC that begun counts */
	unsigned begun, begun_before; /* calls begun in it, and in the one before */
	/* trunks */
	bool registered;
	uint8_t down;            /* a bit for each target */
	uint64_t targets_hash;   /* whose states those are */
	uint64_t calls, failed;
};

static inline struct sl_route_live *sl_route_live_ref(struct sl_route_live *l)
{
	if (l)
		l->refs++;
	return l;
}

static inline void sl_route_live_unref(struct sl_route_live *l)
{
	if (l && --l->refs == 0)
		free(l);
}

/* Calls begun in the whole second before this one. */
static inline unsigned sl_route_last_second(const struct sl_route_live *l, int64_t second)
{
	return second == l->second ? l->begun_before : second == l->second + 1 ? l->begun : 0;
}
