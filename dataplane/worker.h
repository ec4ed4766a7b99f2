/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* One worker: a pinned core that takes packets from its queues and rings to completion. A newcomer starts at worker.c. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/dataplane.h"

/* Make all dp->n_workers workers (dp->workers[]), with the tables that they share and allocations restored from the cold
 * records. rings[w] is worker w's. Called by main.c on the start thread, after ports, rings, region, the ABI server and
 * a first FIB are there (sl_start_tables() has run). 0, or negative errno with words in err. */
int sl_workers_new(struct sl_dataplane *dp, const struct sl_worker_rings *rings, char *err, size_t err_len);
/* rte_eal_remote_launch entry: runs until dp->stop. arg: the worker. */
int sl_worker_run(void *arg);
