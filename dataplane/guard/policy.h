/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What workers go by: one immutable object per change, published by the housekeeper (dp->guard), read between quiescent states. */

#include <stdbool.h>

#include "config/options.h"
#include "dataplane/guard/limiter.h"
#include "dataplane/guard/prefixes.h"

enum { SL_GUARD_NO_RULE = 0xff };

struct sl_guard_policy {
	struct sl_cmd_guard_policy told; /* as it was said */
	bool turn_limits, media_limits;  /* enabled, and each session has limits of its own (or TURN as a whole has) */
	struct sl_limiter_rate rates[SL_GUARD_MAX_RULES];
	/* Index of the rule, or SL_GUARD_NO_RULE, by class and the listener's index. */
	uint8_t rule[SL_GUARD_N_CLASSES][SL_CONF_MAX_RELAY];
	const struct sl_prefixes *prefixes; /* NULL = none; freed a grace period after the last policy that has it (../guard_tables.c) */
};

/* Compile cmd (already validated). out->prefixes is left alone. */
void sl_guard_policy_make(struct sl_guard_policy *out, const struct sl_cmd_guard_policy *cmd);
