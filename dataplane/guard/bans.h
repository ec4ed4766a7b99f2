/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Single addresses (and IPv6 /64) that are banned: an exact-match table of keyed 64-bit fingerprints, eight to a cache line, two
 * lines a look-up. Process memory. Writer: the housekeeper. Readers: all workers (relaxed loads of single words): no lock, no snapshot.
 * Ends of bans are the housekeeper's: it looks at a part of the table each time it is asked to. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/guard/hash.h"

enum { SL_BANS_WAYS = 8, SL_BANS_FILTER_SHIFT = 42 /* of the hash: its bits for the filter */ };

struct sl_bans {
	struct sl_hash_key key;
	uint32_t mask;               /* lines, a power of two, less one */
	_Atomic uint32_t n;          /* in force: 0 lets workers skip the look-up */
	_Atomic uint64_t *prints;    /* [lines][SL_BANS_WAYS]; 0 = free */
	_Atomic uint64_t *filter;    /* a bit by hash: not set = certainly not banned. As small as the number of bans allows, so that it stays in the cache */
	_Atomic uint32_t filter_mask; /* bits, a power of two, less one */
	/* The housekeeper's own, beside each print: */
	struct sl_bans_own *own;
	uint64_t *next_filter;
	bool filter_is_old; /* it has bits of bans that are no more */
	uint32_t swept;
};

/* For SL_GUARD_BANS_MAX at half load: 2.5 MB. zalloc NULL = calloc. 0 or -ENOMEM. */
int sl_bans_init(struct sl_bans *b, const struct sl_hash_key *key, void *(*zalloc)(const char *what, size_t bytes));
void sl_bans_free(struct sl_bans *b, void (*release)(void *)); /* for tests */

/* Housekeeper. Add or change (the latest end and reach count); now_s: CLOCK_MONOTONIC. 0; -EINVAL (prefix_len is neither 128 nor, of IPv6, 64);
 * -ENOSPC (SL_GUARD_BANS_MAX are in force). */
int sl_bans_add(struct sl_bans *b, const struct sl_guard_ban *ban, uint32_t now_s);
bool sl_bans_remove(struct sl_bans *b, const struct sl_guard_ban *ban);
void sl_bans_clear(struct sl_bans *b);
/* Once a second or more often: take out what has ended, `lines` lines from where the last call left off. When all have been seen, the filter is made anew
 * (some 0.2 ms). */
void sl_bans_sweep(struct sl_bans *b, uint32_t now_s, uint32_t lines);
/* Housekeeper: seconds left (0 = for ever) of the ban that covers ip; false = none does. */
bool sl_bans_find(const struct sl_bans *b, const struct sl_ip *ip, uint32_t now_s, uint32_t *seconds);

/* Workers: hash of an address (v6: once more with /64); is it worth a look? Then fetch, and look. */
static inline uint64_t sl_bans_hash(const struct sl_bans *b, const struct sl_ip *ip, unsigned prefix_len)
{
	struct sl_ip masked = prefix_len == 128 ? *ip : sl_ip_masked(ip, prefix_len);

	return sl_guard_hash(&b->key, &masked, prefix_len);
}
/* Of those who are not banned at most one in 64 needs the look. */
static inline bool sl_bans_maybe(const struct sl_bans *b, uint64_t hash)
{
	uint32_t bit = (uint32_t)(hash >> SL_BANS_FILTER_SHIFT) & atomic_load_explicit(&b->filter_mask, memory_order_acquire);

	return atomic_load_explicit(&b->filter[bit / 64], memory_order_relaxed) >> bit % 64 & 1;
}
void sl_bans_prefetch(const struct sl_bans *b, uint64_t hash);
/* 0: not banned. 1: its strangers are (sl_guard_ban.strangers). 2: everybody there. */
unsigned sl_bans_has(const struct sl_bans *b, uint64_t hash);
