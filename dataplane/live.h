/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Options that may change while workers run. A file with tens of thousands of prefixes takes a tenth of a second to read and to store, so a thread
 * of its own does that for each reload; the housekeeper, whose everything here is, then makes it count. */

#include <stdatomic.h>
#include <stdbool.h>

#include "dataplane/dataplane.h"
#include "dataplane/guard_tables.h"

/* Of a configuration, what may change. */
struct sl_live_options {
	uint32_t exception_pps, unauthenticated_pps;
	uint8_t idle; /* enum sl_conf_idle */
	int log_level;
	struct sl_cmd_guard_policy guard;
	struct sl_guard_job *list;
};

struct sl_live {
	struct sl_dataplane *dp;
	struct sl_guard_tables *guard;
	const char *path;
	int stored_fd;
	bool reading, again;
	_Atomic bool done; /* writer: the reading thread, when nothing below is its own any more (release). reader: housekeeper (acquire) */
	bool accepted;
	struct sl_live_options options;
};

/* path: the file; stored_fd: where what is accepted is kept for a restart after a crash. */
void sl_live_init(struct sl_live *l, struct sl_dataplane *dp, struct sl_guard_tables *guard, const char *path, int stored_fd);

/* At start: make c's live options the ones that workers read. */
void sl_live_apply(struct sl_dataplane *dp, const struct sl_config *c);

/* SIGHUP: read the file anew. All or nothing: a wrong file, or one that changes an option which needs a restart, is refused with a log line that
 * names it. While one is being read, another is read after it. */
void sl_live_reload(struct sl_live *l);
/* Each turn: what has been read counts from now on. A thread registered with RCU that is offline. */
void sl_live_turn(struct sl_live *l);
