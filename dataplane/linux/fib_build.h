/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Making a struct sl_fib: what the mirror gathered from Linux goes in, one immutable snapshot comes out. Housekeeper
 * only (and tests). */

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/linux/fib.h"

enum { SL_FIB_NO_INTERFACE = 0xffff };

struct sl_fib_builder;

/* NULL when memory is short. */
struct sl_fib_builder *sl_fib_builder_new(void);
void sl_fib_builder_free(struct sl_fib_builder *b);

/* An own address of the machine; interface: of ours, or SL_FIB_NO_INTERFACE (lo, a management interface). */
void sl_fib_add_own(struct sl_fib_builder *b, const struct sl_ip *ip, uint16_t interface);

/* A route. interface SL_FIB_NO_INTERFACE: destinations that we cannot reach (blackhole, or through an interface that is
 * not ours). via NULL: on link. Among routes of one prefix those through our interfaces win, then the lowest metric, then
 * the first added. len counts bits of the 16-byte form. */
void sl_fib_add_route(struct sl_fib_builder *b, const struct sl_prefix *prefix, uint32_t metric, uint16_t interface,
	const struct sl_ip *via);

/* A resolved neighbour: nh as it shall stand in the snapshot. */
void sl_fib_add_neighbour(struct sl_fib_builder *b, const struct sl_ip *ip, const struct sl_nexthop *nh);

/* The snapshot of all that was added; NULL when memory ran short, now or at an add. The builder is used up. */
struct sl_fib *sl_fib_build(struct sl_fib_builder *b, uint32_t generation);
/* After a grace period. */
void sl_fib_free(struct sl_fib *f);
