/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/turn/accounting_open.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST = 256 };

/* FNV-1a: nobody gains by two that are alike. */
static uint64_t mix(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

uint64_t sl_turn_open_print(const struct sl_endpoint *relay, const char *user, size_t user_len)
{
	uint64_t h = mix(UINT64_C(0xcbf29ce484222325), relay->ip.b, sizeof relay->ip.b);

	return mix(mix(h, &relay->port_be, sizeof relay->port_be), user, user_len);
}

static size_t slot_of(const struct sl_turn_opens *t, uint64_t id)
{
	/* Ids come from our own dataplane: spreading them is enough, nobody chooses them against us. */
	return (size_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (t->index_size - 1);
}

/* The index entry that holds id, or the free one where it would go. */
static size_t probe(const struct sl_turn_opens *t, uint64_t id)
{
	size_t i = slot_of(t, id);

	while (t->index[i] && t->all[t->index[i] - 1].allocation != id)
		i = (i + 1) & (t->index_size - 1);
	return i;
}

struct sl_turn_open *sl_turn_opens_find(const struct sl_turn_opens *t, uint64_t allocation)
{
	uint32_t at = t->n ? t->index[probe(t, allocation)] : 0;

	return at ? &t->all[at - 1] : NULL;
}

static bool grow(struct sl_turn_opens *t)
{
	size_t capacity = t->capacity ? 2 * t->capacity : FIRST;
	struct sl_turn_open *all = realloc(t->all, capacity * sizeof *all);

	if (!all)
		return false;
	t->all = all;
	uint32_t *index = calloc(2 * capacity, sizeof *index);
	if (!index)
		return false;
	free(t->index);
	t->index = index;
	t->index_size = 2 * capacity;
	t->capacity = capacity;
	for (size_t i = 0; i < t->n; i++)
		t->index[probe(t, t->all[i].allocation)] = (uint32_t)i + 1;
	return true;
}

struct sl_turn_open *sl_turn_opens_put(struct sl_turn_opens *t, const struct sl_turn_open *o)
{
	if (t->n == t->capacity && !grow(t))
		return NULL;
	t->all[t->n] = *o;
	t->index[probe(t, o->allocation)] = (uint32_t)t->n + 1;
	return &t->all[t->n++];
}

/* Close the gap at i, so that every later entry of the run is still found (Knuth 6.4, algorithm R). */
static void close_gap(struct sl_turn_opens *t, size_t i)
{
	size_t mask = t->index_size - 1;

	for (size_t j = (i + 1) & mask; t->index[j]; j = (j + 1) & mask) {
		size_t home = slot_of(t, t->all[t->index[j] - 1].allocation);
		if (((j - home) & mask) >= ((j - i) & mask)) {
			t->index[i] = t->index[j];
			i = j;
		}
	}
	t->index[i] = 0;
}

void sl_turn_opens_remove(struct sl_turn_opens *t, uint64_t allocation)
{
	size_t i = t->n ? probe(t, allocation) : 0;
	uint32_t at = t->n ? t->index[i] : 0;

	if (!at)
		return;
	close_gap(t, i);
	size_t last = --t->n;
	if (at - 1 != last) {
		i = probe(t, t->all[last].allocation);
		t->all[at - 1] = t->all[last];
		t->index[i] = at;
	}
}

void sl_turn_opens_clear(struct sl_turn_opens *t)
{
	free(t->all);
	free(t->index);
	*t = (struct sl_turn_opens){0};
}
