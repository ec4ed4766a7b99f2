/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The group `guard` as the contract says it: the control plane tells it, the dataplane goes by it until then. */

#include "config/options.h"
#include "dataplane/abi/msg_guard.h"

void sl_guard_policy_of(const struct sl_config *c, struct sl_cmd_guard_policy *out);
