/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The guard's limits, wherever they are said: in the file or by the API. */

#include <stddef.h>

#include "config/options.h"
#include "dataplane/abi/msg_guard.h"

/* Names by number, NULL at the end. */
extern const char *const sl_guard_classes[], *const sl_guard_actions[];

/* What holds for a class until somebody says otherwise. */
extern const struct sl_conf_guard_rule sl_guard_built_in[SL_GUARD_N_CLASSES];

/* Is it sensible by itself? 0, or -EINVAL with why. */
int sl_guard_rule_check(const struct sl_conf_guard_rule *rule, char *why, size_t why_len);

/* Which listener of a class does text name, the first at or after from (an interface has an address of each family)? Its number; -1 with why, which lists
 * those there are. */
int sl_guard_listener(const struct sl_config *c, unsigned guard_class, const char *text, unsigned from, char *why, size_t why_len);
