/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/guard/policy.h"

/* The rules of a class: that of a listener before the one of all. */
static void rules_of(struct sl_guard_policy *p, unsigned guard_class)
{
	uint8_t general = SL_GUARD_NO_RULE;

	for (unsigned i = 0; i < p->told.n_rules; i++)
		if (p->told.rules[i].guard_class == guard_class && p->told.rules[i].listener == SL_GUARD_ANY)
			general = (uint8_t)i;
	memset(p->rule[guard_class], general, sizeof p->rule[guard_class]);
	for (unsigned i = 0; i < p->told.n_rules; i++)
		if (p->told.rules[i].guard_class == guard_class && p->told.rules[i].listener < SL_CONF_MAX_RELAY)
			p->rule[guard_class][p->told.rules[i].listener] = (uint8_t)i;
}

void sl_guard_policy_make(struct sl_guard_policy *out, const struct sl_cmd_guard_policy *cmd)
{
	out->told = *cmd;
	out->turn_limits = cmd->enabled && (cmd->turn_session_pps | cmd->turn_session_kbps | cmd->turn_pps | cmd->turn_kbps);
	out->media_limits = cmd->enabled && (cmd->media_session_pps | cmd->media_session_kbps);
	for (unsigned i = 0; i < cmd->n_rules; i++)
		sl_limiter_rate(&out->rates[i], &cmd->rules[i]);
	for (unsigned c = 0; c < SL_GUARD_N_CLASSES; c++)
		rules_of(out, c);
}
