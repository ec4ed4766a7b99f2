/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "config/guard_policy.h"

void sl_guard_policy_of(const struct sl_config *c, struct sl_cmd_guard_policy *out)
{
	const struct sl_conf_guard *g = &c->guard;

	*out = (struct sl_cmd_guard_policy){.enabled = g->enabled,
		.dry_run = g->dry_run,
		.reflection_percent = (uint16_t)g->reflection_percent,
		.allocations_per_source = g->allocations_per_source,
		.allocations_per_prefix = g->allocations_per_prefix,
		.turn_session_pps = g->turn_session_pps,
		.turn_session_kbps = g->turn_session_kbps,
		.media_session_pps = g->media_session_pps,
		.media_session_kbps = g->media_session_kbps,
		.turn_pps = g->turn_pps,
		.turn_kbps = g->turn_kbps,
		.n_rules = g->n_rules};
	for (unsigned i = 0; i < g->n_rules; i++) {
		const struct sl_conf_guard_rule *r = &g->rules[i];
		out->rules[i] = (struct sl_guard_rule){.guard_class = (uint8_t)r->guard_class,
			.action = (uint8_t)r->action,
			.listener = (uint16_t)r->listener,
			.pps = {r->pps[0], r->pps[1], r->pps[2]},
			.total_pps = r->total_pps};
	}
}
