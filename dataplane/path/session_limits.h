/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What known sessions may use: packets and bytes of each allocation and leg, of TURN as a whole, of a tenant (the guard's); bandwidth of an allocation, a
 * user, a realm and the node (TURN's quotas). Charged once a packet has passed
 * every other check, so that nobody can use up another's share with packets that are forged. Without limits a packet pays one branch. */

#include "dataplane/path/context.h"
#include "dataplane/path/media.h"

/* May len bytes of application data of allocation `alloc` pass in this direction (SL_METER_IN: from the client)? False: *why. p: what they came
 * as, for samples; NULL = they were made here. */
bool sl_limit_turn(struct sl_worker *w, uint32_t alloc, enum sl_meter_direction direction, unsigned len, const struct sl_pkt *p,
	enum sl_drop *why);
/* The same of a leg: SL_METER_IN is what its remote end sends. */
bool sl_limit_leg(struct sl_worker *w, uint32_t leg, enum sl_meter_direction direction, unsigned len, const struct sl_pkt *p, enum sl_drop *why);

static inline bool sl_turn_is_limited(const struct sl_worker *w)
{
	return unlikely(w->policy->turn_limits | w->turn.limits);
}
static inline bool sl_leg_in_is_limited(const struct sl_worker *w, uint32_t leg)
{
	return unlikely((w->media->tables->rx[leg].state & SL_RX_METERED) || w->policy->media_limits);
}
static inline bool sl_leg_out_is_limited(const struct sl_worker *w, uint32_t leg)
{
	return unlikely((w->media->tables->tx[leg].state & SL_TX_METERED) || w->policy->media_limits);
}
