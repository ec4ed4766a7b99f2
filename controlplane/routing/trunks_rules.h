/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What can be said about probing and registering without a network. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "controlplane/media/sdp.h"

enum { SL_TRUNK_BACKOFF_FIRST_MS = 5000, SL_TRUNK_BACKOFF_MAX_MS = 600000 };

/* Is a target there? */
struct sl_trunk_health {
	bool down;
	unsigned streak; /* answers in a row while it is down, failures while it is up */
};

/* One more answer (ok) or failure: true when the state changes. up, down: how many in a row it takes. */
bool sl_trunk_hysteresis(struct sl_trunk_health *h, bool ok, unsigned up, unsigned down);
/* How long until the next attempt after so many failures, without the random part. */
int64_t sl_trunk_backoff_ms(unsigned failures);
/* The host of a URI, as a slice of it. */
struct sl_slice sl_trunk_host_of(const char *uri);
