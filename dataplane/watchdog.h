/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Are the workers alive? Each changes its heartbeat every few ms; one that does not for SL_WATCHDOG_SILENT_MS brings the
 * working half down. Whoever looks must have been awake itself: after a pause of the looker (a stopped virtual machine,
 * a debugger) everyone gets the full time anew. And a worker that wants to run but is given no processor time, because others
 * crowd its core, is starved, not hung: a restart would not help it, so it is given more patience. */

#include <stdbool.h>
#include <stdint.h>

#include "config/options.h"

enum {
	SL_WATCHDOG_SILENT_MS = 300,
	SL_WATCHDOG_AWAY_MS = 100,   /* the looker itself was away that long */
	SL_WATCHDOG_START_MS = 2000, /* for the first beat */
	SL_WATCHDOG_DOUBT_MS = 150,  /* silent so long: note how much processor time it has had */
	SL_WATCHDOG_STARVED_MS = 5000, /* the most patience with a worker that is given no processor time */
	SL_WATCHDOG_RAN_US = 1000,   /* processor time since then that makes it hung, not starved */
};

struct sl_watchdog {
	uint64_t looked_ms;
	struct {
		uint64_t beat, changed_ms;
		uint64_t ran_ns; /* processor time at the moment of doubt */
		bool began, doubted;
	} workers[SL_CONF_MAX_WORKERS];
};

void sl_watchdog_init(struct sl_watchdog *w, uint64_t now_ms);
/* How a thread stands with the scheduler. */
struct sl_watchdog_thread {
	bool runnable;   /* wants to run: neither asleep, nor stopped, nor waiting inside the kernel */
	uint64_t ran_ns; /* processor time it has had */
};
/* Of thread tid of this process; what cannot be read counts as not runnable. */
struct sl_watchdog_thread sl_watchdog_thread(int tid);

/* Look at worker's heartbeat at now_ms: for how many ms it has been silent beyond doubt, 0 if it is alive. tid: of its
 * thread, read only in doubt by read (sl_watchdog_thread, or a test's). Look at every worker, then say so by
 * sl_watchdog_looked(). */
uint64_t sl_watchdog_look(struct sl_watchdog *w, unsigned worker, uint64_t beat, uint64_t now_ms, int tid,
	struct sl_watchdog_thread (*read)(int tid));
void sl_watchdog_looked(struct sl_watchdog *w, uint64_t now_ms);
