/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Questions whose answer comes later: every decision (routing, authentication, admission, a store's read) is a continuation,
 * even when the answer is in memory. A question is named by a number with a generation, so an answer that comes after its asker
 * has gone (CANCEL) finds nobody and is dropped; one that does not come in time gets its default. Owner: the brain's thread. */

#include <stdint.h>

#include "controlplane/call/timer.h"

struct sl_asks;
typedef uint64_t sl_ask; /* 0 = none */

/* error: 0, -ETIMEDOUT (the deadline: take the default), or the answer's own; result: the answer's, valid during the call. */
typedef void (*sl_ask_fn)(void *ctx, int error, const void *result);

struct sl_asks *sl_asks_new(struct sl_timers *timers);
void sl_asks_free(struct sl_asks *a); /* nobody is called; NULL is fine */
/* A question of ctx; fn is called exactly once, unless it is withdrawn first. deadline_ms: CLOCK_MONOTONIC. 0 = no memory. */
sl_ask sl_ask_new(struct sl_asks *a, int64_t deadline_ms, sl_ask_fn fn, void *ctx);
/* The asker has gone: fn will not be called. Fine with 0 and with one that was answered. */
void sl_ask_withdraw(struct sl_asks *a, sl_ask ask);
/* Answer it; nothing happens when it was withdrawn, answered or timed out. */
void sl_ask_answer(struct sl_asks *a, sl_ask ask, int error, const void *result);
