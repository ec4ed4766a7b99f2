/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A print is the keyed hash of the address itself, so the two lines where it may stand follow from it, and it can be moved from one to the other
 * without knowing whose it is. Two addresses share all of 63 bits once in 2^47 at a full table: prints count as exact. The lowest bit says how
 * far the ban goes.
 *
 * Readers run beside the writer: each print is one word, stored and loaded whole, and a print means the same wherever it stands. A reader sees a
 * ban from its first store on and until the last one that clears it. Only while a ban is moved between its lines may a packet that looks at
 * that moment miss it, which costs one packet of one source. The filter's bits are changed so that those of bans in force are set at any time. */

#include "dataplane/guard/bans.h"

#include <errno.h>
#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "dataplane/guard/memory.h"

enum {
	OTHER_LINE_SHIFT = 32,
	ADDRESS_BITS = 128,
	NET_BITS = 64, /* of an IPv6 address: what one customer has */
	FILTER_MIN_BITS = 1 << 13,
	FILTER_MAX_BITS = 1 << 22,
	FILTER_BITS_A_BAN = 64,
};
_Static_assert(SL_GUARD_BANS_MAX * FILTER_BITS_A_BAN <= FILTER_MAX_BITS, "a full table's filter");
_Static_assert(FILTER_MAX_BITS <= UINT64_C(1) << (64 - SL_BANS_FILTER_SHIFT), "the hash has a bit for each of its places");
#define STRANGERS_ONLY UINT64_C(1) /* in a print */
#define PRINT_FLOOR UINT64_C(2)    /* instead of a print that would read as free */

struct sl_bans_own {
	uint32_t end_s; /* 0 = never */
};

int sl_bans_init(struct sl_bans *b, const struct sl_hash_key *key, void *(*zalloc)(const char *what, size_t bytes))
{
	uint32_t lines = 2 * SL_GUARD_BANS_MAX / SL_BANS_WAYS;

	if (!zalloc)
		zalloc = sl_guard_zalloc;
	*b = (struct sl_bans){.key = *key, .mask = lines - 1, .filter_mask = FILTER_MIN_BITS - 1};
	b->prints = zalloc("bans", (size_t)lines * SL_BANS_WAYS * sizeof *b->prints);
	b->own = zalloc("ends of bans", (size_t)lines * SL_BANS_WAYS * sizeof *b->own);
	b->filter = zalloc("filter of bans", FILTER_MAX_BITS / 8);
	b->next_filter = zalloc("filter of bans", FILTER_MAX_BITS / 8);
	return b->prints && b->own && b->filter && b->next_filter ? 0 : -ENOMEM;
}

void sl_bans_free(struct sl_bans *b, void (*release)(void *))
{
	release((void *)b->prints);
	release(b->own);
	release((void *)b->filter);
	release(b->next_filter);
	*b = (struct sl_bans){.mask = b->mask};
}

static inline uint64_t print_of(uint64_t hash)
{
	uint64_t print = hash & ~STRANGERS_ONLY;

	return print ? print : PRINT_FLOOR;
}

/* The first slot of the line, 0 or 1, where a print may stand. Bit 0 does not count, it is not the hash's. */
static inline uint32_t slot_of(const struct sl_bans *b, uint64_t print, unsigned line)
{
	return ((uint32_t)(print >> (line ? OTHER_LINE_SHIFT : 1)) & b->mask) * SL_BANS_WAYS;
}

static inline uint64_t load(const struct sl_bans *b, uint32_t slot)
{
	return atomic_load_explicit(&b->prints[slot], memory_order_relaxed);
}

static inline void store(struct sl_bans *b, uint32_t slot, uint64_t print)
{
	atomic_store_explicit(&b->prints[slot], print, memory_order_relaxed);
}

void sl_bans_prefetch(const struct sl_bans *b, uint64_t hash)
{
	uint64_t print = print_of(hash);

	__builtin_prefetch((const void *)&b->prints[slot_of(b, print, 0)]);
	__builtin_prefetch((const void *)&b->prints[slot_of(b, print, 1)]);
}

#if defined(__AVX2__) && !defined(__SANITIZE_THREAD__)
/* Which of a line's prints are this one, whatever its lowest bit. Each 64-bit lane is loaded whole: it is aligned. */
static inline unsigned matches(const struct sl_bans *b, uint32_t at, uint64_t print)
{
	const __m256i *line = (const __m256i *)&b->prints[at];
	__m256i want = _mm256_set1_epi64x((long long)(print | STRANGERS_ONLY)), any = _mm256_set1_epi64x(STRANGERS_ONLY);
	__m256i lo = _mm256_cmpeq_epi64(_mm256_or_si256(_mm256_load_si256(line), any), want);
	__m256i hi = _mm256_cmpeq_epi64(_mm256_or_si256(_mm256_load_si256(line + 1), any), want);

	return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(lo)) | (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(hi)) << 4;
}
#else
static inline unsigned matches(const struct sl_bans *b, uint32_t at, uint64_t print)
{
	unsigned found = 0;

	for (unsigned i = 0; i < SL_BANS_WAYS; i++)
		found |= (unsigned)((load(b, at + i) & ~STRANGERS_ONLY) == print) << i;
	return found;
}
#endif

/* Where a print stands, or -1. */
static inline int64_t find(const struct sl_bans *b, uint64_t print)
{
	for (unsigned line = 0; line < 2; line++) {
		uint32_t at = slot_of(b, print, line);
		unsigned found = matches(b, at, print);
		if (found)
			return at + (unsigned)__builtin_ctz(found);
	}
	return -1;
}

unsigned sl_bans_has(const struct sl_bans *b, uint64_t hash)
{
	int64_t slot = find(b, print_of(hash));
	uint64_t seen = slot < 0 ? 0 : load(b, (uint32_t)slot);

	/* 0: it was taken out between both looks. */
	return seen == 0 ? 0 : seen & STRANGERS_ONLY ? 1 : 2;
}

static unsigned free_slots(const struct sl_bans *b, uint32_t at, uint32_t *first)
{
	unsigned n = 0;

	for (unsigned i = SL_BANS_WAYS; i-- > 0;) {
		if (load(b, at + i) == 0) {
			*first = at + i;
			n++;
		}
	}
	return n;
}

/* Make room in a line that is full: one of its bans goes to its other line. */
static int64_t move_one(struct sl_bans *b, uint32_t at)
{
	for (unsigned i = 0; i < SL_BANS_WAYS; i++) {
		uint64_t print = load(b, at + i);
		uint32_t other = slot_of(b, print, 0) == at ? slot_of(b, print, 1) : slot_of(b, print, 0), to;
		if (free_slots(b, other, &to) == 0)
			continue;
		b->own[to] = b->own[at + i];
		store(b, to, print);
		store(b, at + i, 0);
		return at + i;
	}
	return -1;
}

/* The emptier of both lines; when both are full, what moving frees. */
static int64_t place_for(struct sl_bans *b, uint64_t print)
{
	uint32_t at[2] = {slot_of(b, print, 0), slot_of(b, print, 1)}, first[2];
	unsigned room[2] = {free_slots(b, at[0], &first[0]), free_slots(b, at[1], &first[1])};

	if (room[0] + room[1] > 0)
		return first[room[1] > room[0]];
	int64_t slot = move_one(b, at[0]);
	return slot >= 0 ? slot : move_one(b, at[1]);
}

static inline uint32_t filter_bit(uint64_t print, uint32_t mask)
{
	return (uint32_t)(print >> SL_BANS_FILTER_SHIFT) & mask;
}

static void or_filter(struct sl_bans *b, uint32_t word, uint64_t bits)
{
	atomic_store_explicit(&b->filter[word], atomic_load_explicit(&b->filter[word], memory_order_relaxed) | bits, memory_order_relaxed);
}

/* Bits of bans that are no more go, and the size follows the number of bans: with another size, the old one's bits stay until the next time, for workers
 * that still go by it. */
static void make_filter(struct sl_bans *b)
{
	uint32_t mask = FILTER_MIN_BITS - 1, words = FILTER_MAX_BITS / 64;

	while (mask < FILTER_MAX_BITS - 1 && (mask + 1) / FILTER_BITS_A_BAN < b->n)
		mask = 2 * mask + 1;
	memset(b->next_filter, 0, FILTER_MAX_BITS / 8);
	for (uint32_t slot = 0; slot < (b->mask + 1) * SL_BANS_WAYS; slot++) {
		uint64_t print = load(b, slot);
		if (print)
			b->next_filter[filter_bit(print, mask) / 64] |= UINT64_C(1) << filter_bit(print, mask) % 64;
	}
	b->filter_is_old = mask != atomic_load_explicit(&b->filter_mask, memory_order_relaxed);
	if (!b->filter_is_old) {
		for (uint32_t w = 0; w < words; w++)
			atomic_store_explicit(&b->filter[w], b->next_filter[w], memory_order_relaxed);
		return;
	}
	for (uint32_t w = 0; w < words; w++)
		or_filter(b, w, b->next_filter[w]);
	atomic_store_explicit(&b->filter_mask, mask, memory_order_release);
}

/* The bit of a new ban; the filter grows with the number of bans. */
static void note_in_filter(struct sl_bans *b, uint64_t print)
{
	uint32_t mask = atomic_load_explicit(&b->filter_mask, memory_order_relaxed), bit = filter_bit(print, mask);

	or_filter(b, bit / 64, UINT64_C(1) << bit % 64);
	if (b->n > (mask + 1) / FILTER_BITS_A_BAN && mask < FILTER_MAX_BITS - 1)
		make_filter(b);
}

static bool is_possible(const struct sl_guard_ban *ban)
{
	return ban->prefix_len == ADDRESS_BITS || (ban->prefix_len == NET_BITS && !sl_ip_is_v4(&ban->ip));
}

int sl_bans_add(struct sl_bans *b, const struct sl_guard_ban *ban, uint32_t now_s)
{
	if (!is_possible(ban))
		return -EINVAL;
	uint64_t print = print_of(sl_bans_hash(b, &ban->ip, ban->prefix_len));
	uint64_t end = ban->seconds ? (uint64_t)now_s + ban->seconds : 0;
	int64_t slot = find(b, print);
	if (slot < 0) {
		uint32_t n = atomic_load_explicit(&b->n, memory_order_relaxed);
		slot = n < SL_GUARD_BANS_MAX ? place_for(b, print) : -1;
		if (slot < 0)
			return -ENOSPC;
		atomic_store_explicit(&b->n, n + 1, memory_order_relaxed);
	}
	b->own[slot].end_s = end > UINT32_MAX ? 0 : (uint32_t)end; /* beyond the clock's range: for ever */
	store(b, (uint32_t)slot, print | (ban->strangers ? STRANGERS_ONLY : 0));
	note_in_filter(b, print);
	return 0;
}

static void take_out(struct sl_bans *b, uint32_t slot)
{
	b->filter_is_old = true;
	store(b, slot, 0);
	atomic_store_explicit(&b->n, atomic_load_explicit(&b->n, memory_order_relaxed) - 1, memory_order_relaxed);
}

bool sl_bans_remove(struct sl_bans *b, const struct sl_guard_ban *ban)
{
	if (!is_possible(ban))
		return false;
	uint64_t print = print_of(sl_bans_hash(b, &ban->ip, ban->prefix_len));
	int64_t slot = find(b, print);
	if (slot >= 0)
		take_out(b, (uint32_t)slot);
	return slot >= 0;
}

void sl_bans_clear(struct sl_bans *b)
{
	for (uint32_t slot = 0; slot < (b->mask + 1) * SL_BANS_WAYS; slot++)
		store(b, slot, 0);
	atomic_store_explicit(&b->n, 0, memory_order_relaxed);
	b->filter_is_old = true;
}

static bool has_ended(const struct sl_bans *b, uint32_t slot, uint32_t now_s)
{
	return b->own[slot].end_s != 0 && now_s >= b->own[slot].end_s;
}

void sl_bans_sweep(struct sl_bans *b, uint32_t now_s, uint32_t lines)
{
	if (atomic_load_explicit(&b->n, memory_order_relaxed) == 0 && !b->filter_is_old)
		return;
	for (; lines > 0; lines--) {
		uint32_t at = b->swept * SL_BANS_WAYS;
		for (unsigned i = 0; i < SL_BANS_WAYS; i++) {
			if (load(b, at + i) != 0 && has_ended(b, at + i, now_s))
				take_out(b, at + i);
		}
		b->swept = (b->swept + 1) & b->mask;
		if (b->swept == 0 && b->filter_is_old)
			make_filter(b);
	}
}

bool sl_bans_find(const struct sl_bans *b, const struct sl_ip *ip, uint32_t now_s, uint32_t *seconds)
{
	bool found = false;

	for (unsigned len = ADDRESS_BITS; len >= (sl_ip_is_v4(ip) ? ADDRESS_BITS : NET_BITS); len -= NET_BITS) {
		uint64_t print = print_of(sl_bans_hash(b, ip, len));
		int64_t slot = find(b, print);
		if (slot < 0 || has_ended(b, (uint32_t)slot, now_s))
			continue;
		uint32_t left = b->own[slot].end_s ? b->own[slot].end_s - now_s : 0;
		/* Banned by itself and by its /64: what lasts longer. */
		*seconds = !found || left == 0 ? left : *seconds == 0 || *seconds > left ? *seconds : left;
		found = true;
	}
	return found;
}
