/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Which of several refusals the caller is told (RFC 3261 16.7 step 6), and what it becomes on its way to him. Pure. */

#include "controlplane/call/call.h"

/* Is a better to tell than b? A status of 0 is worse than any. */
bool sl_verdict_is_better(const struct sl_cause *a, const struct sl_cause *b);
/* What the caller is told: a 503 of a target is not ours to pass on (step 6, it would be believed to be our own state), a challenge or a
 * redirect that was not followed means nothing to him. */
void sl_verdict_for_caller(struct sl_cause *c);
const char *sl_status_text(int status);
