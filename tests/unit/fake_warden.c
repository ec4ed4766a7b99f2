/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* In place of the guard, for legs: counts what it is told. */

#include "fake_warden.h"

struct fake_warden fake_warden;

bool sl_warden_has_room(struct sl_warden *w, enum sl_warden_state what, const struct sl_ip *source, unsigned n)
{
	(void)w;
	(void)what;
	(void)source;
	(void)n;
	return !fake_warden.full;
}

void sl_warden_took(struct sl_warden *w, enum sl_warden_state what, const struct sl_ip *source)
{
	(void)w;
	(void)source;
	fake_warden.taken += what == SL_WARDEN_CALL;
}

void sl_warden_give(struct sl_warden *w, enum sl_warden_state what, const struct sl_ip *source)
{
	(void)w;
	(void)source;
	fake_warden.taken -= what == SL_WARDEN_CALL;
}

void sl_warden_holds(struct sl_warden *w, const struct sl_sip_flow *flow, uint32_t seconds, int64_t now_ms)
{
	(void)w;
	(void)flow;
	(void)seconds;
	(void)now_ms;
	fake_warden.held++;
	fake_warden.times_held++;
}

void sl_warden_renews(struct sl_warden *w, const struct sl_sip_flow *flow, uint32_t seconds, int64_t now_ms)
{
	(void)w;
	(void)flow;
	(void)seconds;
	(void)now_ms;
	fake_warden.times_renewed++;
}

void sl_warden_distrusts(struct sl_warden *w, const struct sl_sip_flow *flow, int64_t now_ms)
{
	(void)w;
	(void)flow;
	(void)now_ms;
	fake_warden.held--;
}

void sl_warden_report_flow(struct sl_warden *w, const struct sl_sip_flow *flow, enum sl_guard_signal what, bool proven, int64_t now_ms)
{
	(void)w;
	(void)flow;
	(void)proven;
	(void)now_ms;
	fake_warden.reported[what]++;
}

unsigned sl_warden_meter(struct sl_warden *w, const char *tenant, unsigned pps, unsigned kbps)
{
	(void)w;
	(void)tenant;
	return pps || kbps ? 1 : 0;
}
