/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The order of SRV records: by priority, and among equals drawn by weight (RFC 2782). Pure: the draw is an argument. */

#include <stdint.h>

struct sl_srv {
	uint16_t priority, weight, port;
	uint8_t transport;
	char target[256];
};

/* draw(ctx, below): a number in 0..below-1; below >= 1. */
void sl_srv_order(struct sl_srv *srv, unsigned n, uint32_t (*draw)(void *ctx, uint32_t below), void *ctx);
