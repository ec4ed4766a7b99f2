/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/path/session_limits.h"

#include "dataplane/path/guard_watch.h"
#include "dataplane/path/turn_bandwidth.h"

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

/* The realm's limit of each allocation, where it is the tighter one, in the bucket that the guard's would use. A guard that only shows what it would drop
 * leaves the bucket to it. */
static bool session_quota(struct sl_worker *w, uint32_t alloc, enum sl_meter_direction direction, struct sl_meter_rate *rate, unsigned len, bool *charged)
{
	const struct sl_cmd_realm *realm = sl_turn_conf_realm(w->turn.conf, w->sessions.allocs[alloc].realm); /* a change of realms comes to it in time */
	uint32_t kbps = realm ? realm->session.hard_kbps[direction] : 0;
	bool dry = w->policy->told.dry_run;

	if (kbps == 0 || (rate->kbps != 0 && rate->kbps <= kbps && !dry))
		return true;
	*charged = true;
	rate->kbps = kbps;
	if (dry)
		rate->pps = 0;
	return sl_meter_take(&sl_alloc_meters(&w->sessions, alloc)[direction], rate, len, w->now_us);
}

static bool within_quota(struct sl_worker *w, uint32_t alloc, enum sl_meter_direction direction, unsigned len)
{
	const struct sl_alloc *a = &w->sessions.allocs[alloc];
	const struct sl_cold_auth *auth = &w->sessions.cold.allocs[alloc].auth;
	const struct sl_turn_traffic t = {
		.user = a->meter,
		.realm = a->realm,
		.direction = (uint8_t)direction,
		.username_len = auth->username_len,
		.username = auth->username,
		.len = len,
	};
	return sl_turn_bandwidth_take(w->turn.bandwidth, w->turn.conf, &t, w->now_us);
}

bool sl_limit_turn(struct sl_worker *w, uint32_t alloc, enum sl_meter_direction direction, unsigned len, const struct sl_pkt *p,
	enum sl_drop *why)
{
	const struct sl_cmd_guard_policy *told = &w->policy->told;
	struct sl_meter_rate rate = {0};
	bool charged = false;

	if (w->policy->turn_limits)
		rate = (struct sl_meter_rate){told->turn_session_pps, told->turn_session_kbps};
	bool ok = !w->turn.limits || session_quota(w, alloc, direction, &rate, len, &charged);
	if (charged)
		rate = (struct sl_meter_rate){0};
	if (ok && w->policy->turn_limits && !limit(w, &sl_alloc_meters(&w->sessions, alloc)[direction], &rate, SL_METER_TURN, direction, len, p, why))
		return false;
	if (ok && (!w->turn.limits || within_quota(w, alloc, direction, len)))
		return true;
	*why = SL_DROP_quota_limit;
	sl_guard_show(w, p, *why);
	return false;
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
