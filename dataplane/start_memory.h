/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Memory of the working half beside what the keeper hands over: packet buffers, node-wide tables, rings. */

#include <stddef.h>

#include "dataplane/dataplane.h"
#include "dataplane/start.h"

enum { SL_START_ROUTES_PER_LEG = 2 }; /* what memory is reckoned for: one each way, and as many again for fan-out and taps */

/* Hugepage memory, zeroed, for ever. NULL when there is none left. */
void *sl_start_zalloc(const char *what, size_t bytes);

/* Packet buffers within memory_mb, beside the tables. 0, or negative errno with words in err. */
int sl_start_pools(struct sl_dataplane *dp, char *err, size_t err_len);
/* Ownership, known flows, lent relay ports. */
int sl_start_tables(struct sl_dataplane *dp, char *err, size_t err_len);
int sl_start_rings(struct sl_started *s, char *err, size_t err_len);
