/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/guard/limiter.h"

#include "dataplane/guard/memory.h"

#include <errno.h>

#ifdef __SSE4_1__
#include <immintrin.h>
#endif

/* exp(-i / 128) and exp(-i / 2), in 1/65536: a decay of n ticks is FINE[n % 64] * COARSE[n / 64]. */
enum { FINE_STEPS = 64, COARSE_STEPS = 24 };
static const uint16_t FINE[FINE_STEPS] = {
	65535, 65026, 64520, 64018, 63520, 63025, 62535, 62048, 61565, 61086, 60611, 60139, 59671, 59207, 58746, 58289,
	57835, 57385, 56939, 56496, 56056, 55620, 55187, 54757, 54331, 53908, 53489, 53073, 52660, 52250, 51843, 51440,
	51039, 50642, 50248, 49857, 49469, 49084, 48702, 48323, 47947, 47574, 47204, 46836, 46472, 46110, 45752, 45395,
	45042, 44692, 44344, 43999, 43656, 43317, 42980, 42645, 42313, 41984, 41657, 41333, 41011, 40692, 40376, 40061,
};
static const uint16_t COARSE[COARSE_STEPS] = {
	65535, 39750, 24109, 14623, 8869, 5380, 3263, 1979, 1200, 728, 442, 268, 162, 99, 60, 36, 22, 13, 8, 5, 3, 2, 1, 1,
};

enum {
	TOLD_SHIFT = 8, /* a source that stays over is told again every 256 ticks, two seconds */
	TOLD = 0x80,
};

int sl_limiter_init(struct sl_limiter *l, uint32_t sources, const struct sl_hash_key *key, void *(*zalloc)(const char *what, size_t bytes))
{
	uint32_t lines = 1;

	while (lines < (1u << 24) && lines * SL_LIMITER_WAYS < sources)
		lines *= 2;
	*l = (struct sl_limiter){.key = *key, .random = key->b[0] | 1};
	for (unsigned i = 0; i < SL_GUARD_N_LEVELS; i++) {
		size_t bytes = (size_t)lines * sizeof *l->lines[i];
		l->lines[i] = (struct sl_limiter_line *)(zalloc ? zalloc : sl_guard_zalloc)("limiter", bytes);
		if (!l->lines[i])
			return -ENOMEM;
		l->mask[i] = lines - 1;
		lines = lines > 1 ? lines / 2 : 1;
	}
	return 0;
}

void sl_limiter_free(struct sl_limiter *l, void (*release)(void *))
{
	for (unsigned i = 0; i < SL_GUARD_N_LEVELS; i++)
		release(l->lines[i]);
}

uint64_t sl_limiter_bytes(const struct sl_limiter *l)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < SL_GUARD_N_LEVELS; i++)
		bytes += ((uint64_t)l->mask[i] + 1) * sizeof *l->lines[i];
	return bytes;
}

/* 1 - exp(-1 / pps), in 1 / 2^32: what of a count has decayed when the next packet of that rate comes, so that pps of them keep it where it is. Three terms
 * of the series: exact for all but the slowest, which get 9 % less than one a second. */
static uint32_t price_of(uint64_t pps)
{
	uint64_t part = (UINT64_C(1) << 32) / pps;
	return (uint32_t)(part - part / (2 * pps) + part / (6 * pps * pps));
}

void sl_limiter_rate(struct sl_limiter_rate *r, const struct sl_guard_rule *rule)
{
	bool answered = rule->action > SL_GUARD_DO_DROP; /* by the control plane */
	uint64_t hard = answered ? SL_GUARD_HARD : 1;

	*r = (struct sl_limiter_rate){
		.mark = answered ? SL_LIMITER_FULL / SL_GUARD_HARD : SL_LIMITER_FULL, .drop_all = rule->action == SL_GUARD_DO_DROP};
	for (unsigned i = 0; i < SL_GUARD_N_LEVELS; i++) {
		r->price[i] = rule->pps[i] ? price_of(rule->pps[i] * hard) : 0;
	}
}

/* ---- one line ---- */

static void decay(struct sl_limiter_line *line, uint32_t tick)
{
	uint32_t n = tick - line->tick;

	line->tick = tick;
	if (n >= FINE_STEPS * COARSE_STEPS) {
		memset(line->load, 0, sizeof line->load);
		return;
	}
#ifdef __SSE4_1__
	__m128i load = _mm_load_si128((const __m128i *)line->load);
	load = _mm_mulhi_epu16(load, _mm_set1_epi16((short)FINE[n % FINE_STEPS]));
	if (__builtin_expect(n >= FINE_STEPS, 0))
		load = _mm_mulhi_epu16(load, _mm_set1_epi16((short)COARSE[n / FINE_STEPS]));
	_mm_store_si128((__m128i *)line->load, load);
#else
	for (unsigned i = 0; i < SL_LIMITER_WAYS; i++)
		line->load[i] = (uint16_t)(((line->load[i] * (uint32_t)FINE[n % FINE_STEPS]) >> 16) * COARSE[n / FINE_STEPS] >> 16);
#endif
}

/* The place of tag in line, or -1. */
static inline int place_of(const struct sl_limiter_line *line, uint32_t tag)
{
#ifdef __AVX2__
	__m256i eq = _mm256_cmpeq_epi32(_mm256_load_si256((const __m256i *)line->tag), _mm256_set1_epi32((int)tag));
	unsigned hits = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(eq));
	return hits ? __builtin_ctz(hits) : -1;
#else
	for (int i = 0; i < SL_LIMITER_WAYS; i++)
		if (line->tag[i] == tag)
			return i;
	return -1;
#endif
}

static inline int least_of(const struct sl_limiter_line *line)
{
#ifdef __SSE4_1__
	return (_mm_cvtsi128_si32(_mm_minpos_epu16(_mm_load_si128((const __m128i *)line->load))) >> 16) & 7;
#else
	int least = 0;
	for (int i = 1; i < SL_LIMITER_WAYS; i++)
		if (line->load[i] < line->load[least])
			least = i;
	return least;
#endif
}

static inline uint32_t tag_of(uint64_t hash)
{
	uint32_t tag = (uint32_t)(hash >> 32);
	return tag ? tag : 1;
}

/* ---- a packet ---- */

/* What of an address counts at each level, IPv6 and IPv4. */
#define ONES 0xff, 0xff, 0xff, 0xff
static const struct {
	_Alignas(16) uint8_t b[16];
} masks[2][SL_GUARD_N_LEVELS] = {
	{{{ONES, ONES}}, {{ONES, 0xff, 0xff}}, {{ONES}}},
	{{{ONES, ONES, ONES, ONES}}, {{ONES, ONES, ONES, 0xff, 0xff, 0xff}}, {{ONES, ONES, ONES, 0xff, 0xff}}},
};

static inline __attribute__((always_inline)) uint64_t hash_of(const struct sl_limiter *l, unsigned rule, unsigned level, const struct sl_ip *ip, bool v4)
{
	uint64_t what = rule << 8 | level;
#ifdef __AES__
	/* As sl_guard_hash(), without the masked address ever lying in memory. */
	__m128i a = _mm_and_si128(_mm_loadu_si128((const __m128i *)ip), _mm_load_si128((const __m128i *)masks[v4][level].b));
	return sl_guard_hash_m128(&l->key, a, what);
#else
	struct sl_ip m;
	for (unsigned i = 0; i < sizeof m.b; i++)
		m.b[i] = ip->b[i] & masks[v4][level].b[i];
	return sl_guard_hash(&l->key, &m, what);
#endif
}

void sl_limiter_locate(const struct sl_limiter *l, const struct sl_limiter_rate *r, unsigned rule, const struct sl_ip *ip, bool v4, struct sl_limiter_key *k)
{
#pragma GCC unroll 3
	for (unsigned i = 0; i < SL_GUARD_N_LEVELS; i++)
		k->hash[i] = hash_of(l, rule, i, ip, v4);
#pragma GCC unroll 3
	for (unsigned i = 0; i < SL_GUARD_N_LEVELS; i++)
		if (r->price[i])
			__builtin_prefetch(&l->lines[i][k->hash[i] & l->mask[i]]);
}

/* Was it told lately that this place is over? Notes that it is now. */
static bool is_news(struct sl_limiter_line *line, int at, uint32_t tick)
{
	uint8_t now = (uint8_t)(TOLD | ((tick >> TOLD_SHIFT) & (TOLD - 1)));
	if (line->told[at] == now)
		return false;
	line->told[at] = now;
	return true;
}

/* A level's count of this packet's source. */
struct place {
	struct sl_limiter_line *line;
	uint32_t load; /* before this packet */
	int at;
};

static inline __attribute__((always_inline)) struct place find(const struct sl_limiter *l, unsigned level, uint64_t hash)
{
	struct place p = {.line = &l->lines[level][hash & l->mask[level]]};
	uint32_t tag = tag_of(hash);
	if (__builtin_expect(p.line->tick != l->tick, 0))
		decay(p.line, l->tick);
	p.at = place_of(p.line, tag);
	if (p.at >= 0) {
		p.load = p.line->load[p.at];
		return p;
	}
	p.at = least_of(p.line);
	p.line->tag[p.at] = tag;
	p.line->load[p.at] = 0;
	p.line->told[p.at] = 0;
	p.load = 0;
	return p;
}

/* Is the count full for a packet of this price? Judged by the price rounded up: one that happens to cost nothing does not pass for that. */
static inline bool is_full(const struct place *p, uint32_t price)
{
	return p->load + ((price + UINT16_MAX) >> 16) > SL_LIMITER_FULL;
}

/* What is rare: something is over, or was. loads: with this packet. */
static void tell(const struct sl_limiter *l, const struct sl_limiter_rate *r, struct place *p, const uint32_t *loads, struct sl_limiter_verdict *v)
{
	for (unsigned i = 0; i < SL_GUARD_N_LEVELS; i++) {
		if (!r->price[i])
			continue;
		if (v->over == i || loads[i] > r->mark) {
			if (is_news(p[i].line, p[i].at, l->tick))
				v->tell |= (uint8_t)(1u << i);
		} else if (p[i].line->told[p[i].at] && loads[i] < r->mark / 2) {
			p[i].line->told[p[i].at] = 0;
			v->below |= (uint8_t)(1u << i);
		}
	}
}

struct sl_limiter_verdict sl_limiter_charge(struct sl_limiter *l, const struct sl_limiter_rate *r, const struct sl_limiter_key *k)
{
	struct sl_limiter_verdict v = {.over = SL_GUARD_N_LEVELS};
	struct place p[SL_GUARD_N_LEVELS];
	uint32_t load[SL_GUARD_N_LEVELS], highest = 0, told = 0;
	/* Fractions of a price are rounded up as often as they should be. */
	uint64_t random = l->random = l->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);

#pragma GCC unroll 3
	for (unsigned i = SL_GUARD_N_LEVELS; i-- > 0;) {
		if (!r->price[i])
			continue;
		p[i] = find(l, i, k->hash[i]);
		if (__builtin_expect(is_full(&p[i], r->price[i]), 0))
			v.over = (uint8_t)i;
		load[i] = p[i].load + ((r->price[i] + (uint16_t)(random >> (16 + 16 * i))) >> 16);
		highest = load[i] > highest ? load[i] : highest;
		told |= p[i].line->told[p[i].at];
	}
	if (__builtin_expect(v.over == SL_GUARD_N_LEVELS || r->drop_all, 1)) {
#pragma GCC unroll 3
		for (unsigned i = 0; i < SL_GUARD_N_LEVELS; i++)
			if (r->price[i])
				p[i].line->load[p[i].at] = (uint16_t)(load[i] < SL_LIMITER_FULL ? load[i] : SL_LIMITER_FULL);
	}
	if (__builtin_expect(told || highest > r->mark || v.over != SL_GUARD_N_LEVELS, 0))
		tell(l, r, p, load, &v);
	return v;
}

uint16_t sl_limiter_load(const struct sl_limiter *l, unsigned rule, unsigned level, const struct sl_ip *ip)
{
	uint64_t hash = hash_of(l, rule, level, ip, sl_ip_is_v4(ip));
	struct sl_limiter_line line = l->lines[level][hash & l->mask[level]];
	int at = place_of(&line, tag_of(hash));

	if (at < 0)
		return 0;
	decay(&line, l->tick);
	return line.load[at];
}
