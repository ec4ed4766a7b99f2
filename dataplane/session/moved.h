/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Five-tuples whose allocation is at another worker than the one that the buckets give them to: a client moved (RFC 8016), and its allocation stays with its
 * relay port. A fixed table of words, looked at in a bounded number of places. Writers: the workers that own such an allocation, each its own entries
 * (compare and exchange). Readers: all workers (acquire), for packets to TURN listeners, and only while there is any entry. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/session/flow.h"
#include "dataplane/wire/siphash.h"

struct sl_moved {
	/* Fingerprint (56 bits of a keyed hash: who does not know the key finds no two flows that share it) and worker (8); 0 = free. */
	_Atomic uint64_t *words;
	uint32_t mask;
	_Atomic uint32_t n;
	struct sl_siphash_key key;
};

/* Room for n entries at about half load. key: random. 0 or -ENOMEM. zalloc: as sl_start_zalloc(). Start thread. */
int sl_moved_init(struct sl_moved *m, uint32_t n, const struct sl_siphash_key *key, void *(*zalloc)(const char *what, size_t bytes));
/* From now on flow f is worker's. False: no room (nothing changed). */
bool sl_moved_set(struct sl_moved *m, const struct sl_flow *f, unsigned worker);
void sl_moved_unset(struct sl_moved *m, const struct sl_flow *f, unsigned worker);
/* The worker that flow f has moved to, or -1. */
int sl_moved_find(const struct sl_moved *m, const struct sl_flow *f);

static inline bool sl_moved_any(const struct sl_moved *m)
{
	return atomic_load_explicit(&m->n, memory_order_relaxed) != 0;
}
static inline int sl_moved_owner(const struct sl_moved *m, const struct sl_flow *f)
{
	return sl_moved_any(m) ? sl_moved_find(m, f) : -1;
}
