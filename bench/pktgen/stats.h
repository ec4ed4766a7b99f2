/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What a measured run counted, and how it is printed. */

#include <stdint.h>
#include <stdio.h>

#include "bench/pktgen/ports.h"
#include "bench/pktgen/stalls.h"

/* Latency in TSC cycles, log2-linear: 32 steps an octave, so a value is known to 3 %. */
enum { HIST_SUB_BITS = 5, HIST_OCTAVES = 40, HIST_BUCKETS = HIST_OCTAVES << HIST_SUB_BITS };

struct histogram {
	uint64_t count, max, sum;
	uint32_t bucket[HIST_BUCKETS];
};

static inline void histogram_add(struct histogram *h, uint64_t v)
{
	unsigned top = 63 - (unsigned)__builtin_clzll(v | 1 << HIST_SUB_BITS);
	unsigned shift = top - HIST_SUB_BITS;
	unsigned index = (shift << HIST_SUB_BITS) + (unsigned)(v >> shift);

	h->bucket[index < HIST_BUCKETS ? index : HIST_BUCKETS - 1]++;
	h->count++;
	h->sum += v;
	if (v > h->max)
		h->max = v;
}

/* The value (cycles) below which the share q (0..1) of all samples lies. */
uint64_t histogram_quantile(const struct histogram *h, double q);

struct direction_result {
	uint64_t offered;  /* frames made, whether the port took them or not */
	uint64_t unsent;   /* of those, refused by the port: lost */
	uint64_t received; /* of this run's frames, those that came back */
	unsigned more_copies; /* a frame comes back once, and so many times more */
};

struct result {
	struct direction_result dir[N_DIRECTIONS];
	uint64_t received_in_time; /* any run's frames that arrived while the clock ran: the rate */
	uint64_t stale;            /* of those, sent in an earlier run */
	uint64_t reordered;        /* sequence number not above the session's last */
	uint64_t bad_length, bad_content, sampled;
	uint64_t other;            /* frames not of the load */
	uint64_t skipped;          /* not offered because the generator itself was held up */
	uint64_t gaps, gap_max;    /* rounds of over 100 us, and the longest round, in cycles */
	uint64_t rounds, blocked;  /* rounds of the loop, and those in which the port took nothing more */
	double cpu_share;          /* of the run's time that this thread had its core: under 1, others were in the way */
	uint64_t retransmits;      /* of TURN requests while keeping alive */
	double seconds;
	double rate_pps; /* asked for; 0 = as fast as possible */
	struct histogram latency;
	struct {
		uint64_t offered, unsent, skipped;
	} flood; /* frames of strangers: not of the load */
	struct stalls_sum stalls;
	struct {
		uint64_t started, ready, failed, retransmits; /* failed: refused, or not ready when the run ended */
		struct histogram latency;                     /* from the first Allocate to the channel */
	} newcomers;
};

uint64_t result_offered(const struct result *r);
uint64_t result_received(const struct result *r);
/* What should come back of what was offered. */
uint64_t result_wanted(const struct result *r);
/* Share lost of what should have come back, 0..1. */
double result_loss(const struct result *r);
double result_mpps(const struct result *r);

struct result_context {
	const struct options *o;
	const unsigned *frame_bytes; /* per direction */
	uint64_t hz;
};

/* One line: {"event":EVENT, ...}. */
void result_print_json(FILE *out, const char *event, const struct result *r, const struct result_context *c);
