/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/sip/overload.h"

void sl_overload_sample(struct sl_overload *o, enum sl_overload_source source, int64_t waited_us)
{
	int64_t *least = &o->least_us[source];

	if (waited_us < 0)
		waited_us = 0;
	if (*least < 0 || waited_us < *least)
		*least = waited_us;
}

static void new_window(struct sl_overload *o, int64_t now_ms)
{
	o->window_ms = now_ms;
	for (unsigned i = 0; i < SL_OVERLOAD_SOURCES; i++)
		o->least_us[i] = -1;
}

static enum sl_overload_level level_of(const struct sl_overload *o, const struct sl_overload_limits *l, bool *by_memory)
{
	int64_t limit_us = (int64_t)l->delay_ms * 1000;

	*by_memory = l->bytes && o->bytes > l->bytes;
	if (*by_memory)
		return o->bytes > l->bytes + l->bytes / 8 ? SL_OVERLOAD_SEVERELY : SL_OVERLOAD_SOME;
	if (limit_us == 0 || o->delay_us <= limit_us)
		return SL_OVERLOAD_NONE;
	return o->delay_us > SL_OVERLOAD_SEVERE * limit_us ? SL_OVERLOAD_SEVERELY : SL_OVERLOAD_SOME;
}

/* Hysteresis: what began at the limit ends at half of the delay, and at seven eighths of the memory. */
static bool is_calm(const struct sl_overload *o, const struct sl_overload_limits *l)
{
	return (l->delay_ms == 0 || o->delay_us * 2 <= (int64_t)l->delay_ms * 1000) && (l->bytes == 0 || o->bytes <= l->bytes - l->bytes / 8);
}

enum sl_overload_change sl_overload_judge(struct sl_overload *o, const struct sl_overload_limits *l, uint64_t bytes, int64_t now_ms)
{
	enum sl_overload_level level;
	bool by_memory;

	if (o->window_ms == 0) {
		new_window(o, now_ms);
		return SL_OVERLOAD_SAME;
	}
	if (now_ms - o->window_ms < SL_OVERLOAD_WINDOW_MS)
		return SL_OVERLOAD_SAME;
	o->delay_us = 0; /* nothing came: nothing waits */
	for (unsigned i = 0; i < SL_OVERLOAD_SOURCES; i++) {
		if (o->least_us[i] > o->delay_us)
			o->delay_us = o->least_us[i];
	}
	new_window(o, now_ms);
	o->bytes = bytes;

	level = level_of(o, l, &by_memory);
	o->n_above = level == SL_OVERLOAD_NONE ? 0 : o->n_above + 1;
	if (level != SL_OVERLOAD_NONE) {
		bool begins = o->level == SL_OVERLOAD_NONE;

		o->calm_since_ms = 0;
		if (begins && o->n_above < SL_OVERLOAD_WINDOWS)
			return SL_OVERLOAD_SAME;
		o->level = level;
		o->by_memory = by_memory;
		return begins ? SL_OVERLOAD_BEGINS : SL_OVERLOAD_SAME;
	}
	if (o->level == SL_OVERLOAD_NONE)
		return SL_OVERLOAD_SAME;
	o->level = SL_OVERLOAD_SOME;
	if (!is_calm(o, l)) {
		o->calm_since_ms = 0;
		return SL_OVERLOAD_SAME;
	}
	if (o->calm_since_ms == 0)
		o->calm_since_ms = now_ms;
	if (now_ms - o->calm_since_ms < SL_OVERLOAD_CALM_MS)
		return SL_OVERLOAD_SAME;
	o->level = SL_OVERLOAD_NONE;
	o->calm_since_ms = 0;
	o->by_memory = false;
	return SL_OVERLOAD_ENDS;
}
