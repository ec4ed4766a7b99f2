/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/guard/meter.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/guard/memory.h"

enum {
	SECOND_US = 1000000,  /* the burst: a second's worth */
	PACKET = 1000000,     /* units of a packet: pps of them come in a microsecond */
	BYTE = 8000,          /* units of a byte: kbps of them come in a microsecond */
	LONG_AGO_US = 1 << 30, /* all of it has run back, whatever it was */
	CHUNK_US = 4000,      /* a worker takes as much of a tenant's rate as comes in this time */
	MAX_WORKERS = 256,
};

/* ---- sessions ---- */

/* At most a full bucket, or the largest packet, is used up: what was used at a higher rate does not have to run back at this one. */
static inline uint64_t run_back(uint64_t used, uint64_t elapsed_us, uint32_t rate, uint64_t largest)
{
	uint64_t back = elapsed_us * rate, most = (uint64_t)SECOND_US * rate;
	if (most < largest)
		most = largest;
	if (used > most)
		used = most;
	return used > back ? used - back : 0;
}

bool sl_meter_take(struct sl_meter *m, const struct sl_meter_rate *rate, uint32_t len, uint64_t now_us)
{
	uint64_t elapsed_us = now_us > m->last_us ? now_us - m->last_us : 0; /* a clock that jumps back gives nothing */
	m->last_us = now_us;
	if (elapsed_us > LONG_AGO_US)
		elapsed_us = LONG_AGO_US;
	/* A rate that is not limited now begins with a full bucket when it is. */
	uint64_t packets = rate->pps ? run_back(m->packets_used, elapsed_us, rate->pps, PACKET) : 0;
	uint64_t bytes = rate->kbps ? run_back(m->bytes_used, elapsed_us, rate->kbps, (uint64_t)SL_METER_LARGEST * BYTE) : 0;
	uint64_t packets_after = rate->pps ? packets + PACKET : 0;
	uint64_t bytes_after = rate->kbps ? bytes + (uint64_t)len * BYTE : 0;
	/* What is larger than the bucket passes when that is full. */
	bool passes = packets_after <= (uint64_t)rate->pps * SECOND_US && (bytes == 0 || bytes_after <= (uint64_t)rate->kbps * SECOND_US);
	m->packets_used = passes ? packets_after : packets;
	m->bytes_used = passes ? bytes_after : bytes;
	return passes;
}

/* ---- tenants ---- */

enum kind { PACKETS, BYTES, N_KINDS };

/* Up to when a direction's tokens have been handed out, in microseconds: sl_meter_advance() with a burst of a second. Writers and readers: all workers
 * (relaxed: the word is all there is). */
struct handed_out {
	_Alignas(64) _Atomic uint64_t until_us[SL_METER_N_DIRECTIONS][N_KINDS];
};

/* Writer: housekeeper. Readers: workers (relaxed; a change is seen in two parts at worst). */
struct limit {
	_Atomic uint32_t rate[N_KINDS];
};

/* What a worker has in hand of one meter. Owner: the worker. */
struct in_hand {
	_Alignas(64) uint64_t tokens[SL_METER_N_DIRECTIONS][N_KINDS];
};
_Static_assert(sizeof(struct in_hand) == 64, "one cache line a meter");

enum { N_METERS = SL_METER_TURN + 1 };

struct sl_meters {
	struct limit limits[N_METERS];
	struct handed_out handed_out[N_METERS];
	unsigned n_workers;
	struct in_hand *in_hand[MAX_WORKERS]; /* [N_METERS] each */
};

int sl_meters_init(struct sl_meters **out, unsigned n_workers, void *(*zalloc)(const char *what, size_t bytes))
{
	*out = NULL;
	if (n_workers == 0 || n_workers > MAX_WORKERS)
		return -EINVAL;
	if (!zalloc)
		zalloc = sl_guard_zalloc;
	struct sl_meters *m = zalloc("meters", sizeof *m);
	if (!m)
		return -ENOMEM;
	for (; m->n_workers < n_workers; m->n_workers++) {
		m->in_hand[m->n_workers] = zalloc("meters", N_METERS * sizeof *m->in_hand[0]);
		if (!m->in_hand[m->n_workers])
			return -ENOMEM; /* at start: the process ends */
	}
	*out = m;
	return 0;
}

void sl_meters_free(struct sl_meters *m, void (*release)(void *))
{
	if (!m)
		return;
	if (!release)
		release = free;
	for (unsigned i = 0; i < m->n_workers; i++)
		release(m->in_hand[i]);
	release(m);
}

void sl_meters_set(struct sl_meters *m, uint32_t meter, const struct sl_meter_rate *rate)
{
	if (meter == 0 || meter >= N_METERS)
		return;
	atomic_store_explicit(&m->limits[meter].rate[PACKETS], rate->pps, memory_order_relaxed);
	atomic_store_explicit(&m->limits[meter].rate[BYTES], rate->kbps, memory_order_relaxed);
}

bool sl_meter_advance(_Atomic uint64_t *until, uint64_t take, uint64_t now, uint64_t burst, uint64_t ahead)
{
	uint64_t seen = atomic_load_explicit(until, memory_order_relaxed), next;
	do {
		uint64_t from = seen;
		/* Longer ago than the burst; or the clock went back (workers' differ by far less). */
		if (from < now - burst || from > now + ahead)
			from = now - burst;
		next = from + take;
		if (next > now && from > now - burst)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(until, &seen, next, memory_order_relaxed, memory_order_relaxed));
	return true;
}

bool sl_meter_refill(_Atomic uint64_t *until_us, uint64_t *have, uint64_t cost, uint32_t rate, uint64_t ahead_us, uint64_t now_us)
{
	uint64_t take_us = CHUNK_US, missing = cost - *have;
	if (missing > (uint64_t)rate * CHUNK_US)
		take_us = (missing + rate - 1) / rate;
	if (!sl_meter_advance(until_us, take_us, now_us, SECOND_US, ahead_us))
		return false;
	*have += take_us * rate;
	return true;
}

bool sl_meters_take(struct sl_meters *m, unsigned w, uint32_t meter, unsigned direction, uint32_t len, uint64_t now_us)
{
	if (meter == 0 || meter >= N_METERS)
		return true;
	const struct limit *l = &m->limits[meter];
	uint64_t *have = m->in_hand[w][meter].tokens[direction];
	_Atomic uint64_t *until = m->handed_out[meter].until_us[direction];
	uint64_t cost[N_KINDS];

	now_us += SECOND_US; /* a clock that begins at 0 begins with a full bucket */
	for (unsigned kind = 0; kind < N_KINDS; kind++) {
		uint32_t rate = atomic_load_explicit(&l->rate[kind], memory_order_relaxed);
		cost[kind] = rate == 0 ? 0 : kind == PACKETS ? PACKET : (uint64_t)len * BYTE;
		if (have[kind] >= cost[kind])
			continue;
		uint64_t ahead_us = kind == BYTES ? sl_meter_ahead(rate, SECOND_US) : SECOND_US;
		if (!sl_meter_refill(&until[kind], &have[kind], cost[kind], rate, ahead_us, now_us))
			return false;
	}
	for (unsigned kind = 0; kind < N_KINDS; kind++)
		have[kind] -= cost[kind];
	return true;
}
