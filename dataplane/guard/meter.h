/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Token buckets for packets and bytes. A session's belongs to its worker. A tenant's is shared: workers take a few milliseconds' worth at a
 * time from one atomic word, so that a packet costs no atomic operation. A second's worth may come at once; a packet of more than that (reassembled,
 * or off a stream) passes when the bucket is full, and what it lacks is paid back before the next one. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/abi/msg_guard.h"

/* The meter of all of TURN, beside the tenants' 1..SL_GUARD_MAX_METERS - 1: the housekeeper sets it by the policy's turn_pps and turn_kbps. */
enum { SL_METER_TURN = SL_GUARD_MAX_METERS };
enum sl_meter_direction { SL_METER_IN, SL_METER_OUT, SL_METER_N_DIRECTIONS };

struct sl_meter_rate {
	uint32_t pps, kbps; /* kbit/s of UDP payload; 0 = no limit */
};

/* One direction of one session: all zero = full. Owner: the session's worker. Units are such that a microsecond gives back exactly pps
 * millionths of a packet and kbps eight-thousandths of a byte: nothing is divided or rounded, however slow a rate is. */
struct sl_meter {
	uint64_t last_us;
	uint64_t packets_used; /* millionths of a packet: used up since; they run back to 0 */
	uint64_t bytes_used;   /* 1/8000 of a byte */
};
_Static_assert(sizeof(struct sl_meter) <= 32, "room for both directions in one cache line");

/* May a packet of len bytes pass? Takes its tokens when it may. now_us: the worker's. */
bool sl_meter_take(struct sl_meter *m, const struct sl_meter_rate *rate, uint32_t len, uint64_t now_us);

/* Tenants, and SL_METER_TURN. */
struct sl_meters;
/* n_workers 1..SL_MAX_WORKERS. zalloc NULL = calloc. 0, -EINVAL or -ENOMEM. Memory: 290 KB, and 256 KB for each worker. */
int sl_meters_init(struct sl_meters **out, unsigned n_workers, void *(*zalloc)(const char *what, size_t bytes));
void sl_meters_free(struct sl_meters *m, void (*release)(void *)); /* for tests. release NULL = free */
/* Housekeeper: rates of one meter; 0, 0 = none. A number out of range is ignored. */
void sl_meters_set(struct sl_meters *m, uint32_t meter, const struct sl_meter_rate *rate);
/* Worker w: one packet of meter (0 = always true) in a direction (0 in, 1 out). */
bool sl_meters_take(struct sl_meters *m, unsigned w, uint32_t meter, unsigned direction, uint32_t len, uint64_t now_us);

enum { SL_METER_LARGEST = 65535 }; /* bytes of a packet */

/* How far the largest packet may get ahead of the clock at this rate, at least a second. kbps is not 0. */
static inline uint64_t sl_meter_ahead(uint32_t kbps, uint64_t second)
{
	enum { SLOW_KBPS = (SL_METER_LARGEST * 8 + 999) / 1000 };
	return kbps >= SLOW_KBPS ? second : second * SLOW_KBPS / kbps;
}

/* Up to when the tokens of a rate have been handed out, in any unit of time: the word lags behind the clock by at most `burst`, and whoever moves it on by
 * `take` gets what comes in that time. False: the clock is not that far; when it lags by all of `burst` it may get ahead instead, by `ahead` at most:
 * what is further ahead was set by a clock that went back since. Any thread. */
bool sl_meter_advance(_Atomic uint64_t *until, uint64_t take, uint64_t now, uint64_t burst, uint64_t ahead);
/* Tokens for what costs `cost`, of which the caller has *have < cost in hand: some milliseconds' worth from a word of microseconds that he shares with
 * others, or as much as it takes when the rate is slow. A token is what comes in a microsecond at rate 1. False: there are none. */
bool sl_meter_refill(_Atomic uint64_t *until_us, uint64_t *have, uint64_t cost, uint32_t rate, uint64_t ahead_us, uint64_t now_us);
