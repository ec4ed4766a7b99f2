/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Indices and replay windows against a model that remembers everything. */

#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/session/srtp_index.h"

enum { SPAN = 1 << 20, STEPS = 400000 };

/* Of all numbers with this SEQ the nearest to top (RFC 3711 3.3.1). */
static uint64_t nearest(uint64_t top, uint16_t seq)
{
	uint64_t best = seq;
	for (uint64_t roc = top >> 16 ? (top >> 16) - 1 : 0; roc <= (top >> 16) + 1; roc++) {
		uint64_t i = roc << 16 | seq, far = i > top ? i - top : top - i, near = best > top ? best - top : top - best;
		if (far < near)
			best = i;
	}
	return best;
}

static void test_estimate(void **state)
{
	assert_int_equal(sl_srtp_index_estimate(0, false, 65535), 65535);
	for (unsigned i = 0; i < STEPS; i++) {
		uint64_t top = (uint64_t)rand() % SPAN + 0x8000;
		uint16_t seq = (uint16_t)rand();
		if ((uint16_t)(seq - (uint16_t)top) != 0x8000) /* as far in either direction: either is right */
			assert_int_equal(sl_srtp_index_estimate(top, true, seq), nearest(top, seq));
	}
	/* The first packets may come in disorder around 0: nothing is before the beginning. */
	assert_int_equal(sl_srtp_index_estimate(3, true, 1), 1);
	assert_int_equal(sl_srtp_index_estimate(UINT64_C(1) << 16 | 3, true, 65530), 65530);
}

/* A sender whose packets are lost, doubled, swapped and, up to 2^15 in a row, missing. */
static void run(unsigned bits, unsigned seed)
{
	static bool seen[SPAN * 4];
	uint64_t window[SL_SRTP_WINDOW_MAX / 64] = {0}, top = 0, next = 65000;
	bool started = false;
	srand(seed);
	memset(seen, 0, sizeof seen);
	for (unsigned i = 0; i < STEPS && next < SPAN * 4 - 70000; i++) {
		unsigned what = (unsigned)rand() % 100;
		uint64_t sent = next;
		if (what < 70)
			next++;
		else if (what < 95 && next > 65000 + 2048)
			sent = next - (uint64_t)(rand() % 2000);
		else if (what == 99 && rand() % 50 == 0)
			next = sent += (uint64_t)(rand() % 32000);
		uint64_t index = sl_srtp_index_estimate(top, started, (uint16_t)sent);
		assert_int_equal(index, sent);
		bool fresh = sl_srtp_window_fresh(window, bits, top, started, index);
		bool expected = !started || index > top || (top - index < bits && !seen[index]);
		assert_int_equal(fresh, expected);
		if (!fresh)
			continue;
		top = sl_srtp_window_commit(window, bits, top, started, index);
		started = true;
		seen[index] = true;
		assert_false(sl_srtp_window_fresh(window, bits, top, started, index));
	}
	assert_true(top > UINT64_C(3) << 16); /* it did roll over */
}

static void test_windows(void **state)
{
	for (unsigned bits = SL_SRTP_WINDOW_MIN; bits <= SL_SRTP_WINDOW_MAX; bits *= 2)
		for (unsigned seed = 1; seed <= 3; seed++)
			run(bits, seed);
}

static void test_filled(void **state)
{
	uint64_t window[2];
	sl_srtp_window_fill(window, 128);
	for (uint64_t i = 0; i <= 1000; i++)
		assert_false(sl_srtp_window_fresh(window, 128, 1000, true, i));
	assert_true(sl_srtp_window_fresh(window, 128, 1000, true, 1001));
	uint64_t top = sl_srtp_window_commit(window, 128, 1000, true, 1003);
	assert_int_equal(top, 1003);
	assert_true(sl_srtp_window_fresh(window, 128, top, true, 1002));
	assert_false(sl_srtp_window_fresh(window, 128, top, true, 1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_estimate),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_filled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
