/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/call/timer.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST = 1 }; /* place 0 says "not set" */

struct sl_timers {
	struct sl_timer **heap; /* [1..n] */
	size_t n, capacity;
};

struct sl_timers *sl_timers_new(void)
{
	return calloc(1, sizeof(struct sl_timers));
}

void sl_timers_free(struct sl_timers *ts)
{
	if (!ts)
		return;
	for (size_t i = FIRST; i <= ts->n; i++)
		ts->heap[i]->at = 0;
	free(ts->heap);
	free(ts);
}

static void place(struct sl_timers *ts, size_t at, struct sl_timer *t)
{
	ts->heap[at] = t;
	t->at = at;
}

/* The hole at moves up or down until t fits. */
static void sift(struct sl_timers *ts, size_t at, struct sl_timer *t)
{
	while (at > FIRST && ts->heap[at / 2]->due_ms > t->due_ms) {
		place(ts, at, ts->heap[at / 2]);
		at /= 2;
	}
	for (;;) {
		size_t child = 2 * at;
		if (child > ts->n)
			break;
		if (child < ts->n && ts->heap[child + 1]->due_ms < ts->heap[child]->due_ms)
			child++;
		if (ts->heap[child]->due_ms >= t->due_ms)
			break;
		place(ts, at, ts->heap[child]);
		at = child;
	}
	place(ts, at, t);
}

static int grow(struct sl_timers *ts)
{
	size_t capacity = ts->capacity ? ts->capacity * 2 : 256;
	struct sl_timer **heap = realloc(ts->heap, (capacity + FIRST) * sizeof *heap);

	if (!heap)
		return -ENOMEM;
	ts->heap = heap;
	ts->capacity = capacity;
	return 0;
}

int sl_timer_set(struct sl_timers *ts, struct sl_timer *t, int64_t due_ms)
{
	if (t->at == 0) {
		if (ts->n == ts->capacity && grow(ts) < 0)
			return -ENOMEM;
		t->at = ++ts->n;
	}
	t->due_ms = due_ms;
	sift(ts, t->at, t);
	return 0;
}

void sl_timer_stop(struct sl_timers *ts, struct sl_timer *t)
{
	size_t at = t->at;

	if (at == 0)
		return;
	struct sl_timer *last = ts->heap[ts->n--];
	t->at = 0;
	if (last != t)
		sift(ts, at, last);
}

void sl_timers_run(struct sl_timers *ts, int64_t now_ms)
{
	while (ts->n && ts->heap[FIRST]->due_ms <= now_ms) {
		struct sl_timer *t = ts->heap[FIRST];
		sl_timer_stop(ts, t);
		t->fn(t);
	}
}
