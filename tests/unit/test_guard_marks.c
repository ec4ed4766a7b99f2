/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Marks of SIP sources on the test's clock: who was vouched for is known for as long as was said, and a flood of challenged sources costs nobody his. */

#include "tests/unit/unit.h"

#include <stdlib.h>

#include "dataplane/guard/marks.h"

enum { START_S = 500, FEW = 64, DAY_S = 86400, PROVISIONAL_S = 16 };
static struct sl_marks m;
static const struct sl_hash_key key = {{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5}};

static int setup(void **state)
{
	return sl_marks_init(&m, FEW, &key, START_S, NULL);
}

static int teardown(void **state)
{
	sl_marks_free(&m, free);
	return 0;
}

static struct sl_guard_mark nth(unsigned i, enum sl_guard_trust trust, uint32_t seconds)
{
	struct sl_guard_mark mark = {.listener = 1, .trust = (uint8_t)trust, .seconds = seconds};

	sl_ip_set_v4(&mark.remote.ip, htonl(0xc6336400 + i));
	mark.remote.port_be = htons(5060);
	return mark;
}

static bool set(unsigned i, enum sl_guard_trust trust, uint32_t seconds, uint32_t now_s)
{
	struct sl_guard_mark mark = nth(i, trust, seconds);

	return sl_marks_set(&m, &mark, now_s);
}

static unsigned look(unsigned i, uint32_t now_s)
{
	struct sl_guard_mark mark = nth(i, SL_GUARD_NOBODY, 0);
	uint64_t hash = sl_marks_hash(&m, &mark.remote, mark.listener);

	sl_marks_prefetch(&m, hash);
	return sl_marks_look(&m, hash, now_s);
}

static void address_port_and_listener_together(void **state)
{
	struct sl_guard_mark mark = nth(1, SL_GUARD_IS_FINAL, 60), other = mark;

	assert_true(sl_marks_set(&m, &mark, START_S));
	assert_int_equal(look(1, START_S), SL_GUARD_IS_FINAL);
	assert_int_equal(look(2, START_S), SL_GUARD_NOBODY);
	other.remote.port_be = htons(5061);
	assert_int_equal(sl_marks_look(&m, sl_marks_hash(&m, &other.remote, 1), START_S), SL_GUARD_NOBODY);
	assert_int_equal(sl_marks_look(&m, sl_marks_hash(&m, &mark.remote, 0), START_S), SL_GUARD_NOBODY);
}

static void provisional_then_final_then_withdrawn(void **state)
{
	assert_true(set(1, SL_GUARD_IS_PROVISIONAL, PROVISIONAL_S, START_S));
	assert_int_equal(look(1, START_S), SL_GUARD_IS_PROVISIONAL);
	assert_int_equal(m.n_provisional, 1);
	assert_true(set(1, SL_GUARD_IS_FINAL, 3600, START_S + 1));
	assert_int_equal(look(1, START_S + 1), SL_GUARD_IS_FINAL);
	assert_int_equal(m.n_provisional, 0);
	assert_int_equal(m.n_final, 1);
	/* Whoever forges his address and is challenged does not lower it. */
	assert_true(set(1, SL_GUARD_IS_PROVISIONAL, PROVISIONAL_S, START_S + 2));
	assert_int_equal(look(1, START_S + 2), SL_GUARD_IS_FINAL);
	assert_int_equal(look(1, START_S + 3000), SL_GUARD_IS_FINAL);
	assert_true(set(1, SL_GUARD_NOBODY, 0, START_S + 3000));
	assert_int_equal(look(1, START_S + 3000), SL_GUARD_NOBODY);
	assert_int_equal(m.n_final, 0);
	assert_true(set(7, SL_GUARD_NOBODY, 0, START_S + 3000)); /* not there: all the same */
	assert_int_equal(m.n_final + m.n_provisional, 0);
}

static void marks_end_by_themselves(void **state)
{
	for (unsigned seconds = 1; seconds < 20; seconds++) {
		for (uint32_t from = START_S; from < START_S + 8; from++) {
			assert_true(set(1, SL_GUARD_IS_FINAL, seconds, from));
			assert_int_equal(look(1, from + seconds), SL_GUARD_IS_FINAL);
			assert_int_equal(look(1, from + seconds + 8), SL_GUARD_NOBODY);
		}
	}
	/* One that ended yields to a challenge, and sweeping forgets it. */
	assert_true(set(1, SL_GUARD_IS_PROVISIONAL, 16, START_S + 100));
	assert_int_equal(look(1, START_S + 100), SL_GUARD_IS_PROVISIONAL);
	sl_marks_sweep(&m, START_S + 200, m.mask + 1);
	assert_int_equal(m.n_final + m.n_provisional, 0);
}

static void long_ones_and_a_clock_that_goes_round(void **state)
{
	uint32_t now = START_S + 190 * DAY_S;

	assert_true(set(1, SL_GUARD_IS_FINAL, 30 * DAY_S, now));
	assert_int_equal(look(1, now + 30 * DAY_S), SL_GUARD_IS_FINAL);
	assert_int_equal(look(1, now + 30 * DAY_S + 8), SL_GUARD_NOBODY);
	assert_true(set(2, SL_GUARD_IS_FINAL, UINT32_MAX, now));
	assert_int_equal(look(2, now), SL_GUARD_IS_FINAL);
	assert_int_equal(look(2, now + 97 * DAY_S), SL_GUARD_IS_FINAL);
	assert_int_equal(look(2, now + 98 * DAY_S), SL_GUARD_NOBODY);
	sl_marks_sweep(&m, now + 98 * DAY_S, m.mask + 1);
	assert_int_equal(m.n_final, 0);
}

/* Challenges of forged sources come by the thousand: who authenticated keeps his mark, and finds a place whenever he comes. */
static void provisional_ones_give_way(void **state)
{
	unsigned kept = 0, last = 0;

	for (unsigned i = 0; i < FEW; i++)
		assert_true(set(i, SL_GUARD_IS_FINAL, 3600, START_S));
	for (unsigned i = 1000; i < 101000; i++)
		set(i, SL_GUARD_IS_PROVISIONAL, 16, START_S + i / 10000);
	for (unsigned i = 0; i < FEW; i++)
		assert_int_equal(look(i, START_S + 10), SL_GUARD_IS_FINAL);
	for (unsigned i = 1000; i < 101000; i++)
		kept += look(i, START_S + 10) == SL_GUARD_IS_PROVISIONAL;
	assert_int_equal(m.n_final, FEW);
	assert_int_equal(m.n_provisional, kept);
	assert_true(kept >= FEW / 2);
	/* Those who were challenged last are among those that are left: their answers are on the way. */
	for (unsigned i = 101000 - FEW / 2; i < 101000; i++)
		last += look(i, START_S + 10) == SL_GUARD_IS_PROVISIONAL;
	assert_true(last > FEW / 8);
	for (unsigned i = FEW; i < FEW + FEW / 4; i++)
		assert_true(set(i, SL_GUARD_IS_FINAL, 3600, START_S + 10));
}

static void full_of_final_ones(void **state)
{
	unsigned in = 0, found = 0;

	for (unsigned i = 0; i < 4 * FEW; i++)
		in += set(i, SL_GUARD_IS_FINAL, 3600, START_S);
	for (unsigned i = 0; i < 4 * FEW; i++)
		found += look(i, START_S) == SL_GUARD_IS_FINAL;
	assert_int_equal(found, in);
	assert_int_equal(m.n_final, in);
	assert_true(in > FEW && in <= 2 * FEW);
	assert_false(set(9999, SL_GUARD_IS_PROVISIONAL, 16, START_S) && set(9998, SL_GUARD_IS_PROVISIONAL, 16, START_S) &&
		set(9997, SL_GUARD_IS_PROVISIONAL, 16, START_S) && set(9996, SL_GUARD_IS_PROVISIONAL, 16, START_S));
}

/* At the number it was made for, everybody has a place. */
static void made_for_n(void **state)
{
	enum { MANY = 100000 };

	sl_marks_free(&m, free);
	assert_int_equal(sl_marks_init(&m, MANY, &key, START_S, NULL), 0);
	for (unsigned i = 0; i < MANY; i++)
		assert_true(set(i, SL_GUARD_IS_FINAL, 3600, START_S));
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(look(i, START_S), SL_GUARD_IS_FINAL);
	for (unsigned i = MANY; i < 2 * MANY; i++)
		assert_int_equal(look(i, START_S), SL_GUARD_NOBODY);
}

int main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(address_port_and_listener_together),
		test(provisional_then_final_then_withdrawn),
		test(marks_end_by_themselves),
		test(long_ones_and_a_clock_that_goes_round),
		test(provisional_ones_give_way),
		test(full_of_final_ones),
		test(made_for_n),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
