/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Who comes again? When strangers as a whole exceed what can be served, those who retransmit go first: clients of SIP, STUN and TCP do so within
 * seconds, spoofed sources drawn at random hardly ever. One bit a source in each of the last nine seconds' slices, by a keyed hash. Owner: one worker. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SL_AGAIN_SLICES = 9, SL_AGAIN_MIN_MS = 200 };

struct sl_again {
	uint64_t *bits;      /* [SL_AGAIN_SLICES][n_bits / 64] */
	uint32_t bit_mask;   /* n_bits - 1, a power of two */
	uint64_t slice_ms;   /* when the current one began */
	unsigned now;        /* the current slice */
};

/* bytes: in all, rounded down to what fits. zalloc NULL = calloc. 0 or -ENOMEM. */
int sl_again_init(struct sl_again *a, uint32_t bytes, void *(*zalloc)(const char *what, size_t bytes));
/* Has hash been here 0.2 to 8 s ago? Notes it for the next time, too. */
bool sl_again(struct sl_again *a, uint64_t hash, uint64_t now_ms);
