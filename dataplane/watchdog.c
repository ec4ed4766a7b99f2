/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/watchdog.h"

#include <stdio.h>
#include <string.h>

void sl_watchdog_init(struct sl_watchdog *w, uint64_t now_ms)
{
	*w = (struct sl_watchdog){.looked_ms = now_ms};
	for (unsigned i = 0; i < SL_CONF_MAX_WORKERS; i++)
		w->workers[i].changed_ms = now_ms;
}

struct sl_watchdog_thread sl_watchdog_thread(int tid)
{
	struct sl_watchdog_thread t = {0};
	char path[64], line[256];
	unsigned long long ran;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	FILE *f = fopen(path, "re");
	if (f) { /* "tid (name) S ..." */
		const char *end = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
		t.runnable = end && end[1] == ' ' && end[2] == 'R';
		fclose(f);
	}
	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", tid);
	f = fopen(path, "re");
	if (f) {
		if (fscanf(f, "%llu", &ran) == 1)
			t.ran_ns = ran;
		fclose(f);
	} else {
		t.runnable = false;
	}
	return t;
}

uint64_t sl_watchdog_look(struct sl_watchdog *w, unsigned worker, uint64_t beat, uint64_t now_ms, int tid,
	struct sl_watchdog_thread (*read)(int tid))
{
	bool was_away = now_ms - w->looked_ms > SL_WATCHDOG_AWAY_MS;
	if (beat != w->workers[worker].beat) {
		w->workers[worker].beat = beat;
		w->workers[worker].began = true;
		w->workers[worker].changed_ms = now_ms;
		w->workers[worker].doubted = false;
	} else if (was_away) {
		w->workers[worker].changed_ms = now_ms;
		w->workers[worker].doubted = false;
	}
	uint64_t silent = now_ms - w->workers[worker].changed_ms;
	if (silent > SL_WATCHDOG_DOUBT_MS && !w->workers[worker].doubted) {
		w->workers[worker].doubted = true;
		w->workers[worker].ran_ns = read(tid).ran_ns;
	}
	uint64_t limit = w->workers[worker].began ? SL_WATCHDOG_SILENT_MS : SL_WATCHDOG_START_MS;
	if (silent <= limit)
		return 0;
	if (silent > SL_WATCHDOG_STARVED_MS)
		return silent;
	struct sl_watchdog_thread t = read(tid);
	bool starved = t.runnable && t.ran_ns - w->workers[worker].ran_ns < SL_WATCHDOG_RAN_US * 1000;
	return starved ? 0 : silent;
}

void sl_watchdog_looked(struct sl_watchdog *w, uint64_t now_ms)
{
	w->looked_ms = now_ms;
}
