/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Which frames were lost while the machine stood still? Two kinds of stalls are noted: rounds of this generator that took
 * too long, and times when the port took nothing at all, because whoever empties it was stopped. Frames are counted by when
 * they were made, in slots of a fraction of a millisecond, so what a slot lacks at the end was lost of it. */

#include <stdbool.h>
#include <stdint.h>

enum {
	STALL_SLOT_BITS = 20, /* a slot is so many cycles: about 0.4 ms */
	STALLS_MAX = 4096,
	STALL_BEFORE = 1,     /* slots around a stall that count with it: bursts that were taken in part */
	STALL_AFTER = 2,
};

struct stalls {
	uint64_t begin;      /* of slot 0 */
	uint32_t n_slots;
	struct stall_slot {
		uint32_t made, received;
		bool stalled; /* by stalls_sum */
	} *slots;
	uint32_t n;          /* noted; those beyond STALLS_MAX count in `missed` */
	uint32_t missed;
	struct {
		uint64_t from, to;
	} stall[STALLS_MAX];
};

/* For runs of so many cycles. 0 or -1: no memory. */
int stalls_init(struct stalls *s, uint64_t cycles);
void stalls_fini(struct stalls *s);
void stalls_begin(struct stalls *s, uint64_t now);
void stalls_note(struct stalls *s, uint64_t from, uint64_t to);

static inline struct stall_slot *stalls_slot(struct stalls *s, uint64_t tsc)
{
	uint64_t i = (tsc - s->begin) >> STALL_SLOT_BITS;
	return &s->slots[i < s->n_slots ? i : s->n_slots - 1];
}

struct stalls_sum {
	uint64_t lost_in_stalls, lost_elsewhere; /* frames */
	uint64_t stalls, cycles; /* how many, how long together */
};
/* copies: what comes back of each frame. */
void stalls_sum(struct stalls *s, unsigned copies, struct stalls_sum *out);
