/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Keyed hashing of attacker-chosen input, and unpredictable numbers: SipHash-2-4 (Aumasson, Bernstein 2012). */

#include <stddef.h>
#include <stdint.h>

struct sl_siphash_key {
	uint64_t k0, k1;
};

uint64_t sl_siphash(const struct sl_siphash_key *key, const void *data, size_t len);

/* A pseudo-random function run in counter mode: unpredictable without the key. Owner: one thread. */
struct sl_prng {
	struct sl_siphash_key key;
	uint64_t counter;
};
static inline uint64_t sl_prng_next(struct sl_prng *p)
{
	uint64_t c = p->counter++;
	return sl_siphash(&p->key, &c, sizeof c);
}
