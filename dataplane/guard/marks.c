/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A word: 40 bits of the keyed hash, 2 of trust, 22 of its end. Readers load it whole, so they see one mark or another, never a mixture. Ends count
 * units of four seconds from the table's start and are compared as a circle of 194 days, of which a mark may reach over half; sweeping takes
 * ended ones out long before they would look young again. */

#include "dataplane/guard/marks.h"

#include <errno.h>

#include "dataplane/guard/memory.h"

enum {
	UNIT_S = 4,
	END_BITS = 22,
	TRUST_BITS = 2,
	PRINT_SHIFT = END_BITS + TRUST_BITS,
	END_MASK = (1 << END_BITS) - 1,
	LONGEST = END_MASK / 2, /* units: 97 days */
	OTHER_LINE_SHIFT = 20,
};
#define PRINT_MASK (~UINT64_C(0) << PRINT_SHIFT)

int sl_marks_init(struct sl_marks *m, uint32_t n, const struct sl_hash_key *key, uint32_t now_s, void *(*zalloc)(const char *what, size_t bytes))
{
	uint32_t lines = 1;

	while (lines < 1u << 24 && (uint64_t)lines * SL_MARKS_WAYS < 2 * (uint64_t)n)
		lines *= 2;
	*m = (struct sl_marks){.key = *key, .mask = lines - 1, .base_s = now_s};
	m->words = (zalloc ? zalloc : sl_guard_zalloc)("marks of SIP sources", (size_t)lines * SL_MARKS_WAYS * sizeof *m->words);
	return m->words ? 0 : -ENOMEM;
}

void sl_marks_free(struct sl_marks *m, void (*release)(void *))
{
	release((void *)m->words);
	m->words = NULL;
}

uint64_t sl_marks_hash(const struct sl_marks *m, const struct sl_endpoint *remote, uint16_t listener)
{
	return sl_guard_hash(&m->key, &remote->ip, (uint32_t)remote->port_be << 16 | listener);
}

static inline uint32_t slot_of(const struct sl_marks *m, uint64_t hash, unsigned line)
{
	return ((uint32_t)(hash >> (line ? OTHER_LINE_SHIFT : 0)) & m->mask) * SL_MARKS_WAYS;
}

static inline uint64_t load(const struct sl_marks *m, uint32_t slot)
{
	return atomic_load_explicit(&m->words[slot], memory_order_relaxed);
}

static inline unsigned trust_of(uint64_t word)
{
	return (unsigned)(word >> END_BITS) & ((1 << TRUST_BITS) - 1);
}

static uint32_t unit(const struct sl_marks *m, uint32_t now_s)
{
	return (now_s - m->base_s) / UNIT_S;
}

/* Units left: 0 = it has ended. */
static inline uint32_t left_of(uint64_t word, uint32_t now_unit)
{
	uint32_t left = ((uint32_t)word - now_unit) & END_MASK;

	return left > LONGEST ? 0 : left;
}

void sl_marks_prefetch(const struct sl_marks *m, uint64_t hash)
{
	__builtin_prefetch((const void *)&m->words[slot_of(m, hash, 0)]);
	__builtin_prefetch((const void *)&m->words[slot_of(m, hash, 1)]);
}

/* Where hash stands, or -1. */
static int64_t find(const struct sl_marks *m, uint64_t hash)
{
	for (unsigned line = 0; line < 2; line++) {
		uint32_t at = slot_of(m, hash, line);
		for (unsigned i = 0; i < SL_MARKS_WAYS; i++) {
			uint64_t word = load(m, at + i);
			if (((word ^ hash) & PRINT_MASK) == 0 && word != 0)
				return at + i;
		}
	}
	return -1;
}

unsigned sl_marks_look(const struct sl_marks *m, uint64_t hash, uint32_t now_s)
{
	uint64_t found = 0;

	for (unsigned line = 0; line < 2; line++) {
		uint32_t at = slot_of(m, hash, line);
		for (unsigned i = 0; i < SL_MARKS_WAYS; i++) {
			uint64_t word = load(m, at + i);
			found |= ((word ^ hash) & PRINT_MASK) == 0 ? word : 0;
		}
	}
	return found != 0 && left_of(found, unit(m, now_s)) > 0 ? trust_of(found) : SL_GUARD_NOBODY;
}

/* Every change of a word goes by here: it counts. */
static void store(struct sl_marks *m, uint32_t slot, uint64_t word)
{
	uint64_t old = load(m, slot);

	for (unsigned i = 0; i < 2; i++) {
		unsigned trust = trust_of(i ? word : old);
		_Atomic uint32_t *n = trust == SL_GUARD_IS_FINAL ? &m->n_final : &m->n_provisional;
		if (trust != SL_GUARD_NOBODY)
			atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + (i ? 1 : -1u), memory_order_relaxed);
	}
	atomic_store_explicit(&m->words[slot], word, memory_order_relaxed);
}

/* A free place in the emptier line, or that of an ended mark, else of the provisional one that ends first; -1: all are final. */
static int64_t place_for(const struct sl_marks *m, uint64_t hash, uint32_t now_unit)
{
	int64_t first[2] = {-1, -1}, yields = -1;
	uint32_t least = UINT32_MAX;
	unsigned room[2] = {0, 0};

	for (unsigned line = 0; line < 2; line++) {
		for (unsigned i = 0; i < SL_MARKS_WAYS; i++) {
			/* Each begins elsewhere, or of those that end together it would always be the same place that yields: the last comer's. */
			uint32_t at = slot_of(m, hash, line) + (i + (unsigned)(hash >> 60)) % SL_MARKS_WAYS;
			uint64_t word = load(m, at);
			uint32_t left = word ? left_of(word, now_unit) : 0;
			if (left == 0) {
				first[line] = at;
				room[line]++;
			} else if (trust_of(word) == SL_GUARD_IS_PROVISIONAL && left < least) {
				least = left;
				yields = at;
			}
		}
	}
	return room[0] + room[1] > 0 ? first[room[1] > room[0]] : yields;
}

bool sl_marks_set(struct sl_marks *m, const struct sl_guard_mark *mark, uint32_t now_s)
{
	uint64_t hash = sl_marks_hash(m, &mark->remote, mark->listener);
	uint32_t now = unit(m, now_s), units = mark->seconds / UNIT_S + (mark->seconds % UNIT_S != 0);
	int64_t slot = find(m, hash);

	if (mark->trust == SL_GUARD_NOBODY || units == 0) {
		if (slot >= 0)
			store(m, (uint32_t)slot, 0);
		return true;
	}
	if (slot >= 0 && mark->trust == SL_GUARD_IS_PROVISIONAL) {
		uint64_t word = load(m, (uint32_t)slot);
		if (trust_of(word) == SL_GUARD_IS_FINAL && left_of(word, now) > 0)
			return true;
	}
	if (slot < 0)
		slot = place_for(m, hash, now);
	if (slot < 0)
		return false;
	uint32_t end = (now + (units < LONGEST ? units + 1 : LONGEST)) & END_MASK; /* + 1: the unit that runs now has begun */
	store(m, (uint32_t)slot, (hash & PRINT_MASK) | (uint64_t)mark->trust << END_BITS | end);
	return true;
}

void sl_marks_sweep(struct sl_marks *m, uint32_t now_s, uint32_t lines)
{
	uint32_t now = unit(m, now_s);

	for (; lines > 0; lines--) {
		uint32_t at = m->swept * SL_MARKS_WAYS;
		for (unsigned i = 0; i < SL_MARKS_WAYS; i++) {
			uint64_t word = load(m, at + i);
			if (word != 0 && left_of(word, now) == 0)
				store(m, at + i, 0);
		}
		m->swept = (m->swept + 1) & m->mask;
	}
}
