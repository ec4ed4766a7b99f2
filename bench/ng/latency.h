/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Latencies, known to 3 %: 32 buckets for each power of two of nanoseconds. */

#include <stdint.h>

enum { LATENCY_SUB_BITS = 5, LATENCY_BUCKETS = 64 << LATENCY_SUB_BITS };

struct latency {
	uint64_t n, max_ns;
	uint64_t buckets[LATENCY_BUCKETS];
};

static inline void latency_add(struct latency *l, uint64_t ns)
{
	unsigned shift =
	        ns >> (LATENCY_SUB_BITS + 1) ? 63 - LATENCY_SUB_BITS - (unsigned)__builtin_clzll(ns) : 0;

	l->buckets[(shift << LATENCY_SUB_BITS) + (ns >> shift)]++;
	l->n++;
	if (ns > l->max_ns)
		l->max_ns = ns;
}

/* The latency that share (0..1) of all do not exceed, in microseconds. */
static inline double latency_us(const struct latency *l, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)l->n), seen = 0;

	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		seen += l->buckets[i];
		if (seen > wanted || (seen == l->n && seen > 0)) {
			unsigned shift = i >> LATENCY_SUB_BITS > 1 ? (i >> LATENCY_SUB_BITS) - 1 : 0;
			return (double)((uint64_t)(i - (shift << LATENCY_SUB_BITS)) << shift) / 1000;
		}
	}
	return 0;
}
