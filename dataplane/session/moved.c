/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/session/moved.h"

#include <errno.h>

enum {
	PROBES = 16,
	WORKER_BITS = 8,
};
#define WORKER_MASK ((UINT64_C(1) << WORKER_BITS) - 1)

int sl_moved_init(struct sl_moved *m, uint32_t n, const struct sl_siphash_key *key, void *(*zalloc)(const char *what, size_t bytes))
{
	uint32_t size = PROBES;

	while (size < 2 * n && size < UINT32_C(1) << 31)
		size *= 2;
	m->words = zalloc("moved clients", size * sizeof *m->words);
	m->mask = size - 1;
	m->key = *key;
	atomic_init(&m->n, 0);
	return m->words ? 0 : -ENOMEM;
}

/* The fingerprint in its place; never 0. Where it is looked for comes from the bits that the word does not keep, and more. */
static uint64_t fingerprint(const struct sl_moved *m, const struct sl_flow *f, uint32_t *at)
{
	uint64_t hash = sl_siphash(&m->key, f, sizeof *f), kept = hash & ~WORKER_MASK;

	*at = (uint32_t)(hash ^ hash >> 32);
	return kept ? kept : WORKER_MASK + 1;
}

bool sl_moved_set(struct sl_moved *m, const struct sl_flow *f, unsigned worker)
{
	uint32_t at;
	uint64_t kept = fingerprint(m, f, &at), word = kept | worker;

	if (sl_moved_find(m, f) == (int)worker)
		return true;
	for (unsigned i = 0; i < PROBES; i++) {
		_Atomic uint64_t *w = &m->words[(at + i) & m->mask];
		uint64_t was = 0;
		if (!atomic_compare_exchange_strong_explicit(w, &was, word, memory_order_release, memory_order_relaxed))
			continue;
		atomic_fetch_add_explicit(&m->n, 1, memory_order_release);
		return true;
	}
	return false;
}

void sl_moved_unset(struct sl_moved *m, const struct sl_flow *f, unsigned worker)
{
	uint32_t at;
	uint64_t word = fingerprint(m, f, &at) | worker;

	for (unsigned i = 0; i < PROBES; i++) {
		uint64_t was = word;
		if (!atomic_compare_exchange_strong_explicit(&m->words[(at + i) & m->mask], &was, 0, memory_order_release,
			    memory_order_relaxed))
			continue;
		atomic_fetch_sub_explicit(&m->n, 1, memory_order_release);
		return;
	}
}

int sl_moved_find(const struct sl_moved *m, const struct sl_flow *f)
{
	uint32_t at;
	uint64_t kept = fingerprint(m, f, &at);

	for (unsigned i = 0; i < PROBES; i++) {
		uint64_t word = atomic_load_explicit(&m->words[(at + i) & m->mask], memory_order_acquire);
		if ((word & ~WORKER_MASK) == kept)
			return (int)(word & WORKER_MASK);
	}
	return -1;
}
