/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

#include "controlplane/guard/warden.h"

struct fake_warden {
	bool full;               /* no call more */
	int taken, held;         /* calls, flows: now */
	unsigned times_held, times_renewed;
	unsigned reported[SL_GUARD_N_SIGNALS];
};
extern struct fake_warden fake_warden;
