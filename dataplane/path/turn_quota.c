/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/path/turn_quota.h"

#include <errno.h>

enum { PROBES = 32, COUNT_BITS = 24 };
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

int sl_turn_quota_init(struct sl_turn_quota *q, uint32_t n, void *(*zalloc)(const char *what, size_t bytes))
{
	uint32_t words = PROBES;

	while (words < UINT32_MAX / 2 && words / 2 < n)
		words *= 2;
	q->mask = words - 1;
	q->words = (_Atomic uint64_t *)zalloc("user quotas", words * sizeof *q->words);
	return q->words ? 0 : -ENOMEM;
}

static uint64_t fingerprint(uint64_t hash)
{
	return hash & ~COUNT_MASK;
}

/* The user's word, or the first free one when free_too, or NULL; *seen is what it held. */
static _Atomic uint64_t *find(const struct sl_turn_quota *q, uint64_t hash, bool free_too, uint64_t *seen)
{
	_Atomic uint64_t *empty = NULL;

	for (uint32_t i = 0; i < PROBES; i++) {
		_Atomic uint64_t *word = &q->words[((uint32_t)hash + i) & q->mask];
		uint64_t v = atomic_load_explicit(word, memory_order_relaxed);
		if (v != 0 && fingerprint(v) == fingerprint(hash)) {
			*seen = v;
			return word;
		}
		if (v == 0 && !empty)
			empty = word;
	}
	*seen = 0;
	return free_too ? empty : NULL;
}

bool sl_turn_quota_take(struct sl_turn_quota *q, uint64_t quota_hash, uint32_t max)
{
	for (;;) {
		uint64_t seen;
		_Atomic uint64_t *word = find(q, quota_hash, true, &seen);
		if (!word)
			return max == 0;
		uint64_t count = seen & COUNT_MASK;
		if ((max != 0 && count >= max) || count == COUNT_MASK)
			return false;
		if (atomic_compare_exchange_weak_explicit(word, &seen, fingerprint(quota_hash) | (count + 1),
			    memory_order_relaxed, memory_order_relaxed))
			return true;
	}
}

void sl_turn_quota_give(struct sl_turn_quota *q, uint64_t quota_hash)
{
	for (;;) {
		uint64_t seen;
		_Atomic uint64_t *word = find(q, quota_hash, false, &seen);
		if (!word)
			return;
		uint64_t next = (seen & COUNT_MASK) <= 1 ? 0 : seen - 1;
		if (atomic_compare_exchange_weak_explicit(word, &seen, next, memory_order_relaxed,
			    memory_order_relaxed))
			return;
	}
}

uint32_t sl_turn_quota_count(const struct sl_turn_quota *q, uint64_t quota_hash)
{
	uint64_t seen;

	return find(q, quota_hash, false, &seen) ? (uint32_t)(seen & COUNT_MASK) : 0;
}
