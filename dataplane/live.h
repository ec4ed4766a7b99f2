/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Options that may change while workers run. Housekeeper thread. */

#include "dataplane/dataplane.h"
#include "dataplane/guard_tables.h"

/* Make c's live options the ones that workers read. */
void sl_live_apply(struct sl_dataplane *dp, const struct sl_config *c);

/* SIGHUP: read the file at path anew. All or nothing: a wrong file, or one that changes an option which needs a restart,
 * is refused with a log line that names it. What was accepted is stored in stored_fd for a restart after a crash. */
void sl_live_reload(struct sl_dataplane *dp, struct sl_guard_tables *guard, const char *path, int stored_fd);
