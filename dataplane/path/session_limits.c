/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/path/session_limits.h"

#include "dataplane/path/guard_watch.h"

/* Over a limit: true when the packet goes on nevertheless. */
static bool goes_on(struct sl_worker *w, const struct sl_pkt *p, enum sl_drop why)
{
	sl_guard_show(w, p, why);
	return sl_guard_drop_dry(w, why);
}

/* The session's bucket first: what it does not let through costs its tenant nothing. */
static bool limit(struct sl_worker *w, struct sl_meter *m, const struct sl_meter_rate *rate, uint32_t tenant, enum sl_meter_direction direction,
	unsigned len, const struct sl_pkt *p, enum sl_drop *why)
{
	*why = SL_DROP_session_limit;
	if ((rate->pps | rate->kbps) && !sl_meter_take(m, rate, len, w->now_us) && !goes_on(w, p, *why))
		return false;
	*why = SL_DROP_tenant_limit;
	return sl_meters_take(w->dp->meters, w->index, tenant, direction, len, w->now_us) || goes_on(w, p, *why);
}

bool sl_limit_turn(struct sl_worker *w, uint32_t alloc, enum sl_meter_direction direction, unsigned len, const struct sl_pkt *p,
	enum sl_drop *why)
{
	const struct sl_cmd_guard_policy *told = &w->policy->told;
	const struct sl_meter_rate rate = {told->turn_session_pps, told->turn_session_kbps};
	return limit(w, &w->sessions.meters[alloc][direction], &rate, SL_METER_TURN, direction, len, p, why);
}

bool sl_limit_leg(struct sl_worker *w, uint32_t leg, enum sl_meter_direction direction, unsigned len, const struct sl_pkt *p, enum sl_drop *why)
{
	const struct sl_guard_policy *policy = w->policy;
	const struct sl_media *m = w->media->tables;
	struct sl_meter_rate rate = {0};
	if (!policy->told.enabled)
		return true;
	if (policy->media_limits)
		rate = (struct sl_meter_rate){policy->told.media_session_pps, policy->told.media_session_kbps};
	return limit(w, &m->meters[leg][direction], &rate, m->more[leg].meter, direction, len, p, why);
}
