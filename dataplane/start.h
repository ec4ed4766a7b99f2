/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Bringing the working half up, step by step: memory, ports, TAPs, rings, workers. Start thread only. */

#include <stddef.h>

#include "dataplane/dataplane.h"
#include "dataplane/guard_tables.h"
#include "dataplane/handed.h"

/* The process's dataplane and the rings between housekeeper and workers (rings[w] is worker w's). Zeroed before start. */
struct sl_started {
	struct sl_dataplane dp;
	struct sl_worker_rings rings[SL_CONF_MAX_WORKERS];
	struct sl_guard_tables guard; /* the housekeeper's */
	/* Thread ids. Writer: each worker as it begins. Reader: housekeeper; 0 until then. */
	_Atomic int tids[SL_CONF_MAX_WORKERS];
};

/* Maps the region and the cold records and starts EAL, buffer pools, ports and TAPs, in this order. c is kept.
 * 0, or negative errno with words in err; what was started stays, the process is to end. */
int sl_start(struct sl_started *s, const struct sl_config *c, const struct sl_handed *handed, char *err, size_t err_len);

/* Clock readings that belong together, wall clock, live options. */
void sl_start_clock(struct sl_dataplane *dp);
/* What clients read of this working half in the region: written before ready is set. */
void sl_start_describe(struct sl_dataplane *dp);
