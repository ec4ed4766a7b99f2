/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "tests/unit/unit.h"

#include <string.h>

#include "dataplane/session/flow.h"
#include "dataplane/session/play.h"

enum { LEGS = 400 };

/* ---- clips ---- */

static unsigned play(struct sl_leg_play *p, uint32_t n_frames, uint32_t *frames, unsigned max)
{
	unsigned n = 0;

	while (n < max && sl_play_frame(p, n_frames, 1, &frames[n]))
		n++;
	return n;
}

static void a_clip_plays_as_often_as_asked(void **state)
{
	uint32_t f[20];
	struct sl_leg_play p = {.clip = 1, .times_left = 2, .frame = 1};

	assert_int_equal(play(&p, 3, f, 20), 5); /* the offset counts the first time only */
	assert_memory_equal(f, ((uint32_t[]){1, 2, 0, 1, 2}), 5 * sizeof f[0]);
	p = (struct sl_leg_play){.clip = 1};
	assert_int_equal(play(&p, 3, f, 20), 20);
	assert_int_equal(f[19], 19 % 3);
	p = (struct sl_leg_play){.clip = 1, .times_left = 1};
	assert_int_equal(play(&p, 1, f, 20), 1);
}

static void what_a_stall_missed_is_skipped(void **state)
{
	uint32_t f;
	struct sl_leg_play p = {.clip = 1, .times_left = 2};

	assert_true(sl_play_frame(&p, 10, 1, &f));
	assert_true(sl_play_frame(&p, 10, 4, &f));
	assert_int_equal(f, 4);
	assert_true(sl_play_frame(&p, 10, 10, &f)); /* into the second round */
	assert_int_equal(f, 4);
	assert_int_equal(p.times_left, 1);
	assert_false(sl_play_frame(&p, 10, 6, &f));
	p = (struct sl_leg_play){.clip = 1};
	assert_true(sl_play_frame(&p, 10, UINT32_MAX, &f));
	assert_int_equal(f, (UINT32_MAX - 1) % 10);
}

static void a_clip_that_shrinks_is_safe(void **state)
{
	uint32_t f;
	struct sl_leg_play p = {.clip = 1, .frame = 1000};

	assert_true(sl_play_frame(&p, 3, 1, &f));
	assert_true(f < 3);
	assert_false(sl_play_frame(&p, 0, 1, &f));
	p = (struct sl_leg_play){.clip = 1, .frame = 1000, .times_left = 1};
	assert_false(sl_play_frame(&p, 3, 1, &f));
}

/* ---- the wheel ---- */

static struct sl_play_node nodes[LEGS];
static struct sl_play_wheel wheel;
static unsigned visits[LEGS];
static uint32_t last[LEGS];
static uint32_t to_disarm;

static void visit(void *ctx, uint32_t leg, uint32_t ms)
{
	assert_ptr_equal(ctx, &wheel);
	if (visits[leg]++)
		assert_int_equal((ms - last[leg]) % SL_PLAY_TURN_MS, 0);
	last[leg] = ms;
	if (leg == to_disarm)
		sl_play_wheel_disarm(&wheel, leg);
}

static int fresh(void **state)
{
	memset(visits, 0, sizeof visits);
	to_disarm = SL_NONE;
	sl_play_wheel_init(&wheel, nodes, LEGS, UINT32_MAX - 50); /* the visits' clock wraps */
	return 0;
}

static void each_leg_comes_once_a_turn_and_the_slots_fill_evenly(void **state)
{
	uint64_t now = wheel.at_ms;

	for (uint32_t i = 0; i < LEGS; i++)
		sl_play_wheel_arm(&wheel, i);
	sl_play_wheel_arm(&wheel, 7);
	for (unsigned i = 0; i < SL_PLAY_TURN_MS; i++)
		assert_int_equal(wheel.count[i], LEGS / SL_PLAY_TURN_MS);
	for (unsigned turn = 1; turn <= 5; turn++) {
		for (unsigned i = 0; i < SL_PLAY_TURN_MS; i++)
			assert_int_equal(sl_play_wheel_run(&wheel, ++now, visit, &wheel), LEGS / SL_PLAY_TURN_MS);
		for (uint32_t i = 0; i < LEGS; i++)
			assert_int_equal(visits[i], turn);
	}
}

static void a_lone_leg_comes_at_the_next_millisecond(void **state)
{
	sl_play_wheel_arm(&wheel, 3);
	assert_int_equal(sl_play_wheel_run(&wheel, wheel.at_ms, visit, &wheel), 0);
	assert_int_equal(sl_play_wheel_run(&wheel, wheel.at_ms + 1, visit, &wheel), 1);
}

static void after_a_stall_each_leg_comes_once(void **state)
{
	uint64_t now = wheel.at_ms;

	for (uint32_t i = 0; i < LEGS; i++)
		sl_play_wheel_arm(&wheel, i);
	sl_play_wheel_run(&wheel, now += SL_PLAY_TURN_MS, visit, &wheel);
	assert_int_equal(sl_play_wheel_run(&wheel, now += 12, visit, &wheel), 12 * LEGS / SL_PLAY_TURN_MS);
	assert_int_equal(sl_play_wheel_run(&wheel, now += 3017, visit, &wheel), LEGS);
	assert_int_equal(sl_play_wheel_run(&wheel, now - 5, visit, &wheel), 0); /* time stands still */
	assert_int_equal(sl_play_wheel_run(&wheel, now + 1, visit, &wheel), LEGS / SL_PLAY_TURN_MS);
}

static void legs_leave_from_any_place_in_a_slot(void **state)
{
	for (uint32_t i = 0; i < 60; i++)
		sl_play_wheel_arm(&wheel, i);
	unsigned slot = nodes[0].slot;
	uint32_t first = wheel.head[slot], middle = nodes[first].next, end = nodes[middle].next;
	sl_play_wheel_disarm(&wheel, middle);
	sl_play_wheel_disarm(&wheel, middle);
	assert_int_equal(nodes[first].next, end);
	assert_int_equal(nodes[end].prev, first);
	sl_play_wheel_disarm(&wheel, first);
	assert_int_equal(wheel.head[slot], end);
	sl_play_wheel_disarm(&wheel, end);
	assert_int_equal(wheel.head[slot], SL_NONE);
	assert_int_equal(wheel.count[slot], 0);
	sl_play_wheel_arm(&wheel, middle); /* into the gap they left */
	assert_int_equal(nodes[middle].slot, slot);
}

static void a_leg_may_leave_while_it_is_visited(void **state)
{
	for (uint32_t i = 0; i < LEGS; i++)
		sl_play_wheel_arm(&wheel, i);
	for (to_disarm = 0; to_disarm < LEGS; to_disarm += 3)
		sl_play_wheel_run(&wheel, wheel.at_ms + SL_PLAY_TURN_MS, visit, &wheel);
	unsigned left = 0;
	for (unsigned i = 0; i < SL_PLAY_TURN_MS; i++)
		left += wheel.count[i];
	assert_int_equal(left, LEGS - (LEGS + 2) / 3);
	assert_int_equal(sl_play_wheel_run(&wheel, wheel.at_ms + SL_PLAY_TURN_MS, visit, &wheel), left);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_clip_plays_as_often_as_asked),
	        cmocka_unit_test(what_a_stall_missed_is_skipped),
	        cmocka_unit_test(a_clip_that_shrinks_is_safe),
	        cmocka_unit_test_setup(each_leg_comes_once_a_turn_and_the_slots_fill_evenly, fresh),
	        cmocka_unit_test_setup(a_lone_leg_comes_at_the_next_millisecond, fresh),
	        cmocka_unit_test_setup(after_a_stall_each_leg_comes_once, fresh),
	        cmocka_unit_test_setup(legs_leave_from_any_place_in_a_slot, fresh),
	        cmocka_unit_test_setup(a_leg_may_leave_while_it_is_visited, fresh),
	};

	return cmocka_run_group_tests_name("play", tests, NULL, NULL);
}
