/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Indices of SRTP (RFC 3711 3.3): which one a packet has, whether it came before, and which may be used to send.
 * Pure arithmetic over the caller's memory; one owner, no locks.
 *
 * An index is ROC << 16 | SEQ, 48 bits. A receive window is a ring of bits (RFC 6479): bit index % bits of the last
 * `bits` indices up to top; moving top clears what it passes. */

#include <stdbool.h>
#include <stdint.h>

enum { SL_SRTP_WINDOW_MIN = 64, SL_SRTP_WINDOW_MAX = 1024, SL_SRTP_RESERVE = 256 };
enum { SL_SRTP_INDEX_BITS = 48, SL_SRTP_SEQ_HALF = 1 << 15, SL_SRTP_SEQS = 1 << 16 };
#define SL_SRTP_INDEX_MAX ((UINT64_C(1) << SL_SRTP_INDEX_BITS) - 1)

/* The index nearest to top that has this seq (RFC 3711 3.3.1, appendix A); of two equally near, the one with top's
 * ROC. With !started, ROC 0. May be above SL_SRTP_INDEX_MAX, where nothing is fresh: the key is used up. */
static inline uint64_t sl_srtp_index_estimate(uint64_t top, bool started, uint16_t seq)
{
	if (!started)
		return seq;
	int32_t ahead = seq - (int32_t)(top & (SL_SRTP_SEQS - 1));
	if (ahead > SL_SRTP_SEQ_HALF)
		ahead -= top >= SL_SRTP_SEQS ? SL_SRTP_SEQS : 0; /* nothing is before the first packet: it is ahead */
	else if (ahead < -SL_SRTP_SEQ_HALF)
		ahead += SL_SRTP_SEQS;
	return top + (uint64_t)(int64_t)ahead;
}

/* May index be accepted? bits: size of the window, a power of two, SL_SRTP_WINDOW_MIN..MAX. */
static inline bool sl_srtp_window_fresh(const uint64_t *window, unsigned bits, uint64_t top, bool started,
	uint64_t index)
{
	if (index > SL_SRTP_INDEX_MAX)
		return false;
	if (!started || index > top)
		return true;
	if (top - index >= bits)
		return false;
	unsigned at = (unsigned)index & (bits - 1);
	return !(window[at / 64] >> (at % 64) & 1);
}

/* Note an index that is fresh and was accepted; returns the new top. */
static inline uint64_t sl_srtp_window_commit(uint64_t *window, unsigned bits, uint64_t top, bool started,
	uint64_t index)
{
	if (!started || (index > top && index - top >= bits)) {
		for (unsigned i = 0; i < bits / 64; i++)
			window[i] = 0;
		top = index;
	}
	while (top < index) {
		top++;
		unsigned at = (unsigned)top & (bits - 1);
		window[at / 64] &= ~(UINT64_C(1) << (at % 64));
	}
	unsigned at = (unsigned)index & (bits - 1);
	window[at / 64] |= UINT64_C(1) << (at % 64);
	return top;
}

/* Everything up to top counts as seen: what a restored window starts as. */
static inline void sl_srtp_window_fill(uint64_t *window, unsigned bits)
{
	for (unsigned i = 0; i < bits / 64; i++)
		window[i] = UINT64_MAX;
}
