/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What a worker enters into its top list (abi/guard_top.h): a new one takes the place of the smallest. */

#include <stdbool.h>

#include "dataplane/abi/guard_top.h"

/* One sampled packet. drop: enum sl_drop, or SL_GUARD_ANY when it passed. */
void sl_guard_top_note(struct sl_guard_top *t, const struct sl_ip *ip, bool v4, unsigned guard_class, unsigned drop);
/* Once a second. */
void sl_guard_top_second(struct sl_guard_top *t);
