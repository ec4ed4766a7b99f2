/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Heavy hitters in fixed memory. A line of the table holds eight counts with exponential decay (time constant one second), each under a keyed
 * 32-bit tag; a new source takes the place of the smallest count of its line, so the largest are never forgotten and nobody inherits another's count.
 * A count is the share of a limit, in 1/65536: a packet adds the price that its rule has for it. Owner: one worker. Time is an argument. Pure: no DPDK. */

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/guard/hash.h"

enum {
	SL_LIMITER_WAYS = 8,
	SL_LIMITER_TICK_US = 1000000 / 128, /* loads decay in these steps */
	SL_LIMITER_FULL = UINT16_MAX,
};

struct sl_limiter_line {
	_Alignas(64) uint32_t tag[SL_LIMITER_WAYS]; /* 0 = free */
	uint16_t load[SL_LIMITER_WAYS];
	uint8_t told[SL_LIMITER_WAYS]; /* 0, or when it was told last that it is over */
	uint32_t tick;                 /* loads are as of then */
	uint32_t pad;
};
_Static_assert(sizeof(struct sl_limiter_line) == 64, "one cache line");

struct sl_limiter {
	struct sl_hash_key key;
	struct sl_limiter_line *lines[SL_GUARD_N_LEVELS];
	uint32_t mask[SL_GUARD_N_LEVELS];
	uint32_t tick;
	uint64_t random; /* for prices below one: rounded up as often as they should be */
};

/* What a packet of a rule costs at each level: about 65536 * 65536 / pps, so 16 bits are the fraction; 0 = not counted. mark: a load from which on
 * the control plane is told (for its own answers, or of a source that is over). */
struct sl_limiter_rate {
	uint32_t price[SL_GUARD_N_LEVELS];
	uint32_t mark;
	bool drop_all; /* what is dropped is charged as well: it stays dropped until the source slows down */
};
/* hard: SL_GUARD_HARD for actions that are the control plane's, else 1. */
void sl_limiter_rate(struct sl_limiter_rate *r, const struct sl_guard_rule *rule);

/* sources: how many are remembered at the address level (a power of two of lines is made of it); prefixes get half, wide prefixes a quarter. */
int sl_limiter_init(struct sl_limiter *l, uint32_t sources, const struct sl_hash_key *key, void *(*zalloc)(const char *what, size_t bytes));
void sl_limiter_free(struct sl_limiter *l, void (*release)(void *));
uint64_t sl_limiter_bytes(const struct sl_limiter *l);
static inline void sl_limiter_now(struct sl_limiter *l, uint64_t now_us)
{
	l->tick = (uint32_t)(now_us / SL_LIMITER_TICK_US);
}

/* A packet between the two passes. */
struct sl_limiter_key {
	uint64_t hash[SL_GUARD_N_LEVELS];
};
/* First pass: hashes, and the lines of the levels that r counts are fetched. rule: its index. */
void sl_limiter_locate(const struct sl_limiter *l, const struct sl_limiter_rate *r, unsigned rule, const struct sl_ip *ip, bool v4, struct sl_limiter_key *k);

struct sl_limiter_verdict {
	uint8_t over;   /* SL_GUARD_N_LEVELS: passes; else the first level that it exceeds */
	uint8_t tell;   /* bit per level: it went over its mark with this packet, and that was not told yet */
	uint8_t below;  /* bit per level: it had been told, and is below half of the mark now */
};
/* Second pass. */
struct sl_limiter_verdict sl_limiter_charge(struct sl_limiter *l, const struct sl_limiter_rate *r, const struct sl_limiter_key *k);
/* The load of ip under a rule now, without charging; 0 = not remembered. */
uint16_t sl_limiter_load(const struct sl_limiter *l, unsigned rule, unsigned level, const struct sl_ip *ip);
