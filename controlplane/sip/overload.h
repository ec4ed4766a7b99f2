/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Admission: how long messages wait before we look at them, and how large the process is. The delay is judged by the smallest sample of a
 * window, as CoDel does, and of two windows in a row: a burst that is worked off is no overload, a queue that stands is. Pure: samples and
 * clock are arguments. */

#include <stdbool.h>
#include <stdint.h>

enum {
	SL_OVERLOAD_WINDOW_MS = 200,
	SL_OVERLOAD_WINDOWS = 2,    /* above the limit in a row, and it begins */
	SL_OVERLOAD_CALM_MS = 1000, /* below half of the limit for so long, and it is over */
	SL_OVERLOAD_SEVERE = 4,     /* times the limit: registered users wait too */
};

/* Each by itself: a socket's queue may stand while the loop turns quickly, and the other way round. The worse of the two counts. */
enum sl_overload_source { SL_OVERLOAD_SOCKET, SL_OVERLOAD_LOOP, SL_OVERLOAD_SOURCES };
enum sl_overload_level { SL_OVERLOAD_NONE, SL_OVERLOAD_SOME, SL_OVERLOAD_SEVERELY };
enum sl_overload_change { SL_OVERLOAD_SAME, SL_OVERLOAD_BEGINS, SL_OVERLOAD_ENDS };

struct sl_overload_limits {
	unsigned delay_ms; /* 0 = none */
	uint64_t bytes;    /* 0 = none */
};

struct sl_overload {
	enum sl_overload_level level;
	int64_t window_ms;    /* when this window began; 0 = none yet */
	int64_t least_us[SL_OVERLOAD_SOURCES]; /* of this window; -1 = no sample */
	unsigned n_above;     /* windows in a row */
	int64_t delay_us;     /* of the last whole window: shown */
	int64_t calm_since_ms;/* 0 = it is not */
	uint64_t bytes;
	bool by_memory;
};

/* A message waited so long; the loop's turn took so much longer than it may. */
void sl_overload_sample(struct sl_overload *o, enum sl_overload_source source, int64_t waited_us);
/* Once in a while: close the window when it is full, and judge. */
enum sl_overload_change sl_overload_judge(struct sl_overload *o, const struct sl_overload_limits *l, uint64_t bytes, int64_t now_ms);

enum sl_overload_class { SL_OVERLOAD_STRANGER, SL_OVERLOAD_REGISTERED, SL_OVERLOAD_ALWAYS };
static inline bool sl_overload_admits(const struct sl_overload *o, enum sl_overload_class c)
{
	return o->level == SL_OVERLOAD_NONE || c == SL_OVERLOAD_ALWAYS || (o->level == SL_OVERLOAD_SOME && c == SL_OVERLOAD_REGISTERED);
}
