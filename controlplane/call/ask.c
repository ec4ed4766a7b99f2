/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/call/ask.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

/* A question is a place in a table and the generation of that place: high and low half of its number. Places are used again, so the table
 * is as large as the most that were open at a time. They are allocated in blocks, since a timer must not move. */
enum { BLOCK = 256, BLOCKS_MAX = 4096, NONE = UINT32_MAX };

struct question {
	struct sl_timer timer;
	struct sl_asks *asks;
	sl_ask_fn fn; /* NULL = the place is free */
	void *ctx;
	uint32_t index, generation, next_free;
};

struct sl_asks {
	struct sl_timers *timers;
	struct question *blocks[BLOCKS_MAX];
	uint32_t n, first_free;
};

static struct question *at(const struct sl_asks *a, uint32_t i)
{
	return &a->blocks[i / BLOCK][i % BLOCK];
}

struct sl_asks *sl_asks_new(struct sl_timers *timers)
{
	struct sl_asks *a = calloc(1, sizeof *a);

	if (a) {
		a->timers = timers;
		a->first_free = NONE;
	}
	return a;
}

void sl_asks_free(struct sl_asks *a)
{
	if (!a)
		return;
	for (uint32_t i = 0; i < a->n; i++)
		sl_timer_stop(a->timers, &at(a, i)->timer);
	for (uint32_t i = 0; i < a->n; i += BLOCK)
		free(a->blocks[i / BLOCK]);
	free(a);
}

static struct question *find(const struct sl_asks *a, sl_ask ask)
{
	uint32_t index = (uint32_t)(ask >> 32);

	if (ask == 0 || index >= a->n)
		return NULL;
	struct question *q = at(a, index);
	return q->fn && q->generation == (uint32_t)ask ? q : NULL;
}

static void release(struct question *q)
{
	struct sl_asks *a = q->asks;

	sl_timer_stop(a->timers, &q->timer);
	q->fn = NULL;
	q->generation++;
	if (q->generation == 0)
		q->generation = 1;
	q->next_free = a->first_free;
	a->first_free = q->index;
}

static void conclude(struct question *q, int error, const void *result)
{
	sl_ask_fn fn = q->fn;
	void *ctx = q->ctx;

	release(q);
	fn(ctx, error, result);
}

static void too_late(struct sl_timer *t)
{
	conclude((struct question *)((char *)t - offsetof(struct question, timer)), -ETIMEDOUT, NULL);
}

static struct question *take(struct sl_asks *a)
{
	if (a->first_free != NONE) {
		struct question *q = at(a, a->first_free);
		a->first_free = q->next_free;
		return q;
	}
	if (a->n % BLOCK == 0) {
		if (a->n / BLOCK == BLOCKS_MAX || !(a->blocks[a->n / BLOCK] = calloc(BLOCK, sizeof(struct question))))
			return NULL;
	}
	struct question *q = at(a, a->n);
	*q = (struct question){.asks = a, .index = a->n++, .generation = 1, .timer.fn = too_late};
	return q;
}

sl_ask sl_ask_new(struct sl_asks *a, int64_t deadline_ms, sl_ask_fn fn, void *ctx)
{
	struct question *q = take(a);

	if (!q)
		return 0;
	q->fn = fn;
	q->ctx = ctx;
	if (sl_timer_set(a->timers, &q->timer, deadline_ms) < 0) {
		release(q);
		return 0;
	}
	return (sl_ask)q->index << 32 | q->generation;
}

void sl_ask_withdraw(struct sl_asks *a, sl_ask ask)
{
	struct question *q = find(a, ask);

	if (q)
		release(q);
}

void sl_ask_answer(struct sl_asks *a, sl_ask ask, int error, const void *result)
{
	struct question *q = find(a, ask);

	if (q)
		conclude(q, error, result);
}
