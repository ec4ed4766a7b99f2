/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/stalls.h"

#include <stdlib.h>
#include <string.h>

int stalls_init(struct stalls *s, uint64_t cycles)
{
	s->n_slots = (uint32_t)(cycles >> STALL_SLOT_BITS) + 2;
	s->slots = calloc(s->n_slots, sizeof *s->slots);
	return s->slots != NULL ? 0 : -1;
}

void stalls_fini(struct stalls *s)
{
	free(s->slots);
	s->slots = NULL;
}

void stalls_begin(struct stalls *s, uint64_t now)
{
	memset(s->slots, 0, s->n_slots * sizeof *s->slots);
	s->begin = now;
	s->n = s->missed = 0;
}

void stalls_note(struct stalls *s, uint64_t from, uint64_t to)
{
	if (s->n == STALLS_MAX) {
		s->missed++;
		return;
	}
	s->stall[s->n].from = from;
	s->stall[s->n++].to = to;
}

static uint32_t slot_of(const struct stalls *s, uint64_t tsc)
{
	uint64_t i = tsc > s->begin ? (tsc - s->begin) >> STALL_SLOT_BITS : 0;
	return i < s->n_slots ? (uint32_t)i : s->n_slots - 1;
}

/* Frames of a slot that never came back; those that came twice do not make up for others. */
static uint64_t lost(const struct stall_slot *slot, unsigned copies)
{
	uint64_t wanted = (uint64_t)slot->made * copies;
	return wanted > slot->received ? wanted - slot->received : 0;
}

void stalls_sum(struct stalls *s, unsigned copies, struct stalls_sum *out)
{
	*out = (struct stalls_sum){.stalls = s->n + s->missed};
	for (uint32_t k = 0; k < s->n; k++) {
		uint32_t from = slot_of(s, s->stall[k].from), to = slot_of(s, s->stall[k].to) + STALL_AFTER;
		out->cycles += s->stall[k].to - s->stall[k].from;
		from = from > STALL_BEFORE ? from - STALL_BEFORE : 0;
		for (uint32_t i = from; i <= to && i < s->n_slots; i++)
			s->slots[i].stalled = true;
	}
	for (uint32_t i = 0; i < s->n_slots; i++)
		*(s->slots[i].stalled ? &out->lost_in_stalls : &out->lost_elsewhere) += lost(&s->slots[i], copies);
}
