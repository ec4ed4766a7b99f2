/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Flows (five-tuples) of TURN clients and the per-worker table that finds their allocation.
 *
 * The table has a fixed capacity and looks at no more than two buckets of eight, whatever is in it. Only authenticated
 * requests insert, and the hash is keyed, so nobody chooses collisions. Owner of a table: one worker, no locks. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/wire/addr.h"

#define SL_NONE UINT32_MAX

/* A client as the relay sees it. The server's side of the five-tuple is the listener it talks to. */
struct sl_flow {
	struct sl_ip ip;
	uint16_t port_be;
	uint16_t listener;   /* index into sl_dataplane.listeners */
	uint32_t transport;  /* IPPROTO_UDP; room for the stream transports */
};
_Static_assert(sizeof(struct sl_flow) == 24, "flow keys are compared as three words");

static inline bool sl_flow_eq(const struct sl_flow *a, const struct sl_flow *b)
{
	uint64_t x[3], y[3]; /* copied: the fields are of other types, and a compiler may rely on that */
	memcpy(x, a, sizeof x);
	memcpy(y, b, sizeof y);
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2])) == 0;
}

/* Keyed hash of 24 or 16 + 4 bytes by AES rounds: a few cycles, unpredictable without the key. Key: random per start. */
struct sl_hash_key {
	_Alignas(16) uint8_t b[32];
};
uint32_t sl_hash_flow_generic(const struct sl_hash_key *key, const struct sl_flow *f);
#ifdef __AES__
#include <immintrin.h>
static inline uint32_t sl_hash_flow(const struct sl_hash_key *key, const struct sl_flow *f)
{
	__m128i k0 = _mm_load_si128((const __m128i *)key->b), k1 = _mm_load_si128((const __m128i *)(key->b + 16));
	__m128i a = _mm_xor_si128(_mm_loadu_si128((const __m128i *)f), k0);
	__m128i b = _mm_xor_si128(_mm_loadl_epi64((const __m128i *)((const uint8_t *)f + 16)), k1);
	a = _mm_aesenc_si128(a, b);
	a = _mm_aesenc_si128(a, k1);
	a = _mm_aesenc_si128(a, k0);
	return (uint32_t)_mm_cvtsi128_si32(a);
}
#else
#define sl_hash_flow sl_hash_flow_generic
#endif

enum { SL_FLOW_BUCKET_SLOTS = 8 };
#define SL_FLOW_TAG_SPREAD 0x5bd1e995u /* odd: keeps the second bucket apart from the first */

/* One cache line: eight 16-bit tags (0 = empty) and the allocations they stand for. */
struct sl_flow_bucket {
	_Alignas(64) uint16_t tag[SL_FLOW_BUCKET_SLOTS];
	uint32_t alloc[SL_FLOW_BUCKET_SLOTS];
	uint8_t pad[16];
};

struct sl_flow_table {
	struct sl_flow_bucket *buckets; /* a power of two */
	uint32_t mask;
};

static inline uint32_t sl_flow_bucket1(const struct sl_flow_table *t, uint32_t hash)
{
	return hash & t->mask;
}
static inline uint16_t sl_flow_tag(uint32_t hash)
{
	uint16_t tag = (uint16_t)(hash >> 16);
	return tag ? tag : 1;
}
static inline uint32_t sl_flow_bucket2(const struct sl_flow_table *t, uint32_t hash)
{
	return (hash ^ (sl_flow_tag(hash) * SL_FLOW_TAG_SPREAD)) & t->mask;
}
/* Enter or take out one allocation; flow.c, owner only. Insertion looks at both buckets and moves at most one entry to
 * its other bucket: 0, or -ENOSPC with nothing changed. */
int sl_flow_insert(struct sl_flow_table *t, uint32_t hash, uint32_t alloc);
void sl_flow_remove(struct sl_flow_table *t, uint32_t hash, uint32_t alloc);
/* Buckets for n flows: on average half full, where two choices practically never overflow. A power of two. */
uint32_t sl_flow_buckets_for(uint32_t n);

/* Both buckets: who is not there, a stranger, is looked for in both. */
static inline void sl_flow_prefetch(const struct sl_flow_table *t, uint32_t hash)
{
	__builtin_prefetch(&t->buckets[sl_flow_bucket1(t, hash)]);
	__builtin_prefetch(&t->buckets[sl_flow_bucket2(t, hash)]);
}
