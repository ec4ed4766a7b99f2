/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "tests/unit/unit.h"

#include "dataplane/wire/emodel.h"

/* G.107 annex B, table B.1. */
static void ratings_become_scores_as_published(void **state)
{
	static const struct {
		double r, mos;
	} table[] = {{93.2, 4.41}, {90, 4.34}, {80, 4.03}, {70, 3.60}, {60, 3.10}, {50, 2.58}};

	for (unsigned i = 0; i < SL_COUNT(table); i++)
		assert_float_equal(sl_emodel_mos(table[i].r), table[i].mos, 0.01);
	assert_float_equal(sl_emodel_mos(0), 1, 0);
	assert_float_equal(sl_emodel_mos(-5), 1, 0);
	assert_float_equal(sl_emodel_mos(3), 1, 0);
	assert_float_equal(sl_emodel_mos(100), 4.5, 0);
	assert_float_equal(sl_emodel_mos(200), 4.5, 0);
}

/* G.113 appendix I of 2001: measured Ie at random losses, which the formula of 2002 fits within 3. */
static void losses_impair_as_published(void **state)
{
	static const struct {
		enum sl_emodel_codec codec;
		double percent, ie;
	} table[] = {
	        {SL_EMODEL_G729, 0, 11},
	        {SL_EMODEL_G729, 1, 15},
	        {SL_EMODEL_G729, 2, 19},
	        {SL_EMODEL_G729, 4, 26},
	        {SL_EMODEL_G729, 8, 36},
	        {SL_EMODEL_G729, 16, 49},
	        {SL_EMODEL_G711, 0, 0},
	        {SL_EMODEL_G711, 2, 7},
	        {SL_EMODEL_G711, 3, 10},
	        {SL_EMODEL_G711, 5, 15},
	        {SL_EMODEL_G711, 10, 25},
	        {SL_EMODEL_G711, 20, 45},
	};

	for (unsigned i = 0; i < SL_COUNT(table); i++)
		assert_float_equal(93.2 - sl_emodel_r(table[i].codec, table[i].percent / 100, 0), table[i].ie, 3);
}

/* Cole and Rosenbluth 2001: 150 ms cost 3.6, 300 ms 20.7 of R. */
static void delay_impairs_as_published(void **state)
{
	assert_float_equal(sl_emodel_r(SL_EMODEL_G711, 0, 0), 93.2, 1e-9);
	assert_float_equal(sl_emodel_r(SL_EMODEL_G711, 0, 150), 93.2 - 3.6, 0.01);
	assert_float_equal(sl_emodel_r(SL_EMODEL_G711, 0, 300), 93.2 - 20.7, 0.01);
}

static void delay_is_half_the_round_trip_a_frame_and_the_buffer(void **state)
{
	assert_float_equal(sl_emodel_delay_ms(0, 0), 20, 1e-9);
	assert_float_equal(sl_emodel_delay_ms(100000, 0), 70, 1e-9);
	assert_float_equal(sl_emodel_delay_ms(100000, 10000), 90, 1e-9);
}

static void absurd_input_stays_on_the_scale(void **state)
{
	for (int c = 0; c < SL_EMODEL_CODECS; c++) {
		enum sl_emodel_codec codec = (enum sl_emodel_codec)c;
		assert_float_equal(sl_emodel_r(codec, 5, 1e9), 0, 0);
		assert_true(sl_emodel_r(codec, -1, 0) <= 93.2);
		assert_true(sl_emodel_r(codec, 1, sl_emodel_delay_ms(UINT32_MAX, UINT32_MAX)) >= 0);
	}
}

static void codecs_are_known_by_name(void **state)
{
	assert_int_equal(sl_emodel_codec("PCMA"), SL_EMODEL_G711);
	assert_int_equal(sl_emodel_codec("pcmu"), SL_EMODEL_G711);
	assert_int_equal(sl_emodel_codec("G729"), SL_EMODEL_G729);
	assert_int_equal(sl_emodel_codec("G722"), SL_EMODEL_G722);
	assert_int_equal(sl_emodel_codec("opus"), SL_EMODEL_OTHER);
	assert_int_equal(sl_emodel_codec(""), SL_EMODEL_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(ratings_become_scores_as_published),
	        cmocka_unit_test(losses_impair_as_published),
	        cmocka_unit_test(delay_impairs_as_published),
	        cmocka_unit_test(delay_is_half_the_round_trip_a_frame_and_the_buffer),
	        cmocka_unit_test(absurd_input_stays_on_the_scale),
	        cmocka_unit_test(codecs_are_known_by_name),
	};

	return cmocka_run_group_tests_name("emodel", tests, NULL, NULL);
}
