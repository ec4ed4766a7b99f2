/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The brain's timers: a heap by due time, driven by the brain's tick (50 ms). A timer is a member of what it belongs to and
 * costs no memory of its own. One that must outlive the process is durable by what its owner journals: the due time in
 * milliseconds since 1970, set again when the owner is restored. Owner: the brain's thread. Sofia's timers are not used. */

#include <stddef.h>
#include <stdint.h>

struct sl_timer;
typedef void (*sl_timer_fn)(struct sl_timer *t);

struct sl_timer {
	int64_t due_ms; /* CLOCK_MONOTONIC */
	size_t at;      /* place in the heap, 0 = not set */
	sl_timer_fn fn;
};

struct sl_timers; /* the heap */

struct sl_timers *sl_timers_new(void);
void sl_timers_free(struct sl_timers *ts); /* timers still set are forgotten; NULL is fine */
/* Set, or set again; t->fn must be there. 0 or -ENOMEM (only when it was not set before). */
int sl_timer_set(struct sl_timers *ts, struct sl_timer *t, int64_t due_ms);
void sl_timer_stop(struct sl_timers *ts, struct sl_timer *t); /* fine when not set */
static inline int sl_timer_is_set(const struct sl_timer *t)
{
	return t->at != 0;
}
/* Run what is due. A timer is unset before its function runs, which may set or stop any timer, and free itself. */
void sl_timers_run(struct sl_timers *ts, int64_t now_ms);
