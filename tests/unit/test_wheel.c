/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The timer wheel against a model, through jumps and laps. */

#include "tests/unit/unit.h"

#include "dataplane/session/flow.h"
#include "dataplane/session/wheel.h"
#include "dataplane/wire/siphash.h"

enum { N = 200 };
static struct sl_wheel w;
static struct sl_wheel_node nodes[N];

static void nothing_is_due_early(void **state)
{
	sl_wheel_init(&w, nodes, N, 1000);
	sl_wheel_arm(&w, 3, 1010);
	assert_int_equal(sl_wheel_pop(&w, 1009), SL_NONE);
	assert_int_equal(sl_wheel_pop(&w, 1010), 3);
	assert_int_equal(sl_wheel_pop(&w, 1010), SL_NONE);
	assert_int_equal(sl_wheel_pop(&w, 900000), SL_NONE);
}

static void the_past_comes_at_the_next_advance(void **state)
{
	sl_wheel_init(&w, nodes, N, 1000);
	sl_wheel_arm(&w, 1, 5);
	sl_wheel_arm(&w, 2, 1000);
	assert_int_equal(sl_wheel_pop(&w, 1000), SL_NONE);
	uint32_t a = sl_wheel_pop(&w, 1001), b = sl_wheel_pop(&w, 1001);
	assert_int_equal(a + b, 3);
	assert_int_equal(sl_wheel_pop(&w, 1001), SL_NONE);
}

static void laps_and_jumps(void **state)
{
	sl_wheel_init(&w, nodes, N, 7);
	sl_wheel_arm(&w, 0, 7 + 3 * SL_WHEEL_SLOTS);
	sl_wheel_arm(&w, 1, 7 + SL_WHEEL_SLOTS);
	for (uint32_t s = 8; s < 7 + SL_WHEEL_SLOTS; s++)
		assert_int_equal(sl_wheel_pop(&w, s), SL_NONE);
	assert_int_equal(sl_wheel_pop(&w, 7 + SL_WHEEL_SLOTS), 1);
	assert_int_equal(sl_wheel_pop(&w, 7 + SL_WHEEL_SLOTS), SL_NONE);
	sl_wheel_arm(&w, 2, 100000);
	/* A long stall: both are overdue and come at once. */
	uint32_t a = sl_wheel_pop(&w, 4000000000u), b = sl_wheel_pop(&w, 4000000000u);
	assert_true((a == 0 && b == 2) || (a == 2 && b == 0));
	assert_int_equal(sl_wheel_pop(&w, 4000000000u), SL_NONE);
}

static void cancel_and_move_while_a_slot_is_run(void **state)
{
	sl_wheel_init(&w, nodes, N, 0);
	for (uint32_t i = 0; i < 5; i++)
		sl_wheel_arm(&w, i, 50);
	uint32_t first = sl_wheel_pop(&w, 50);
	assert_int_not_equal(first, SL_NONE);
	/* Cancel whichever comes next, and arm the first for a later lap of the same slot. */
	uint32_t next = w.cursor;
	sl_wheel_cancel(&w, next);
	sl_wheel_arm(&w, first, 50 + SL_WHEEL_SLOTS);
	unsigned n = 0;
	for (uint32_t got; (got = sl_wheel_pop(&w, 50)) != SL_NONE; n++)
		assert_true(got != next && got != first);
	assert_int_equal(n, 3);
	assert_int_equal(sl_wheel_pop(&w, 50 + SL_WHEEL_SLOTS), first);
}

/* Random arming, moving, cancelling and advancing beside a plain array of due times. */
static void like_the_model(void **state)
{
	struct sl_prng prng = {.key = {1, 2}};
	uint32_t due[N] = {0}, now = 1;

	sl_wheel_init(&w, nodes, N, now);
	for (unsigned step = 0; step < 20000; step++) {
		uint32_t i = (uint32_t)(sl_prng_next(&prng) % N);
		uint64_t what = sl_prng_next(&prng) % 8;
		if (what < 4) {
			due[i] = now + (uint32_t)(sl_prng_next(&prng) % (2 * SL_WHEEL_SLOTS)) + 1;
			sl_wheel_arm(&w, i, due[i]);
		} else if (what == 4) {
			due[i] = 0;
			sl_wheel_cancel(&w, i);
		} else {
			now += (uint32_t)(sl_prng_next(&prng) % (what == 7 ? 3 * SL_WHEEL_SLOTS : 20));
			for (uint32_t got; (got = sl_wheel_pop(&w, now)) != SL_NONE;) {
				assert_true(due[got] != 0 && due[got] <= now);
				due[got] = 0;
			}
			for (unsigned k = 0; k < N; k++)
				assert_true(due[k] == 0 || due[k] > now);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_due_early),
		cmocka_unit_test(the_past_comes_at_the_next_advance),
		cmocka_unit_test(laps_and_jumps),
		cmocka_unit_test(cancel_and_move_while_a_slot_is_run),
		cmocka_unit_test(like_the_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
