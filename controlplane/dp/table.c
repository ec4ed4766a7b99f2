/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/dp/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t slot_of(const struct sl_table *t, uint64_t id)
{
	/* Ids come from our own dataplane: spreading them is enough, nobody chooses them against us. */
	return (size_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (t->index_size - 1);
}

/* The index entry that holds id, or the free one where it would go. */
static size_t probe(const struct sl_table *t, uint64_t id)
{
	size_t i = slot_of(t, id);

	while (t->index[i] && t->all[t->index[i] - 1].state.id != id)
		i = (i + 1) & (t->index_size - 1);
	return i;
}

static int grow(struct sl_table *t)
{
	size_t capacity = t->capacity ? t->capacity * 2 : 256;
	struct sl_allocation *all = realloc(t->all, capacity * sizeof *all);

	if (!all)
		return -ENOMEM;
	t->all = all;
	uint32_t *index = calloc(capacity * 2, sizeof *index);
	if (!index)
		return -ENOMEM;
	free(t->index);
	t->index = index;
	t->index_size = capacity * 2;
	t->capacity = capacity;
	for (size_t i = 0; i < t->n; i++)
		t->index[probe(t, t->all[i].state.id)] = (uint32_t)i + 1;
	return 0;
}

/* by: 1 or -1, as size_t goes. */
static void count(struct sl_table *t, const struct sl_evt_allocation *a, size_t by)
{
	unsigned realm = a->realm < SL_TURN_MAX_REALMS ? a->realm : SL_TURN_MAX_REALMS;

	t->of_realm[realm] += by;
	if (a->flags & SL_ALLOC_IS_RESTRICTED)
		t->restricted_of_realm[realm] += by;
	if (a->over < SL_TURN_N_TRANSPORTS)
		t->over[a->over] += by;
}

int sl_table_put(struct sl_table *t, const struct sl_evt_allocation *state, int64_t now_ms, uint32_t round)
{
	if (t->n == t->capacity && grow(t) < 0)
		return -ENOMEM;

	size_t i = probe(t, state->id);
	if (!t->index[i])
		t->index[i] = (uint32_t)++t->n;
	else
		count(t, &t->all[t->index[i] - 1].state, (size_t)-1);
	count(t, state, 1);
	t->all[t->index[i] - 1] = (struct sl_allocation){*state, now_ms, round};
	return 0;
}

const struct sl_allocation *sl_table_find(const struct sl_table *t, uint64_t id)
{
	if (t->n == 0)
		return NULL;
	uint32_t at = t->index[probe(t, id)];
	return at ? &t->all[at - 1] : NULL;
}

/* Close the gap at i, so that every later entry of the run is still found (Knuth 6.4, algorithm R). */
static void close_gap(struct sl_table *t, size_t i)
{
	size_t mask = t->index_size - 1;

	for (size_t j = (i + 1) & mask; t->index[j]; j = (j + 1) & mask) {
		size_t home = slot_of(t, t->all[t->index[j] - 1].state.id);
		if (((j - home) & mask) >= ((j - i) & mask)) {
			t->index[i] = t->index[j];
			i = j;
		}
	}
	t->index[i] = 0;
}

bool sl_table_remove(struct sl_table *t, uint64_t id)
{
	if (t->n == 0)
		return false;

	size_t i = probe(t, id);
	uint32_t at = t->index[i];
	if (!at)
		return false;
	count(t, &t->all[at - 1].state, (size_t)-1);
	close_gap(t, i);
	size_t last = --t->n;
	if (at - 1 != last) {
		i = probe(t, t->all[last].state.id);
		t->all[at - 1] = t->all[last];
		t->index[i] = at;
	}
	return true;
}

size_t sl_table_sweep(
        struct sl_table *t, unsigned worker, uint32_t round, void (*vanished)(void *ctx, const struct sl_allocation *last), void *ctx)
{
	size_t before = t->n;

	for (size_t i = t->n; i-- > 0;) {
		if (t->all[i].state.worker != worker || t->all[i].round == round)
			continue;
		if (vanished)
			vanished(ctx, &t->all[i]);
		sl_table_remove(t, t->all[i].state.id);
	}
	return before - t->n;
}

void sl_table_clear(struct sl_table *t)
{
	free(t->all);
	free(t->index);
	*t = (struct sl_table){0};
}
