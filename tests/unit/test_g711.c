/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* G.711 against known values, and every sample: its code's step holds it. */

#include "tests/unit/unit.h"

#include <stdlib.h>

#include "controlplane/media/g711.h"

static void known_values(void **state)
{
	static const struct {
		uint8_t code;
		int16_t sample;
	} alaw[] = {{0xd5, 8}, {0x55, -8}, {0xaa, 32256}, {0x2a, -32256}, {0x80, 5504}, {0x00, -5504}, {0xff, 848},
		{0x7f, -848}, {0xd4, 24}, {0xc5, 264}, {0xf5, 528}},
	  ulaw[] = {{0xff, 0}, {0x7f, 0}, {0x80, 32124}, {0x00, -32124}, {0xfe, 8}, {0x7e, -8}, {0xf0, 120}, {0xef, 132},
		{0x8f, 16764}, {0x0f, -16764}};

	for (unsigned i = 0; i < SL_COUNT(alaw); i++) {
		assert_int_equal(sl_g711_from_alaw(alaw[i].code), alaw[i].sample);
		assert_int_equal(sl_g711_to_alaw(alaw[i].sample), alaw[i].code);
	}
	for (unsigned i = 0; i < SL_COUNT(ulaw); i++) {
		assert_int_equal(sl_g711_from_ulaw(ulaw[i].code), ulaw[i].sample);
		if (ulaw[i].code != 0x7f) /* the other zero */
			assert_int_equal(sl_g711_to_ulaw(ulaw[i].sample), ulaw[i].code);
	}
	assert_int_equal(sl_g711_to_alaw(0), 0xd5);
	assert_int_equal(sl_g711_to_alaw(-1), 0x55);
	assert_int_equal(sl_g711_to_ulaw(INT16_MAX), 0x80);
	assert_int_equal(sl_g711_to_ulaw(INT16_MIN), 0x00);
	assert_int_equal(sl_g711_to_alaw(INT16_MAX), 0xaa);
	assert_int_equal(sl_g711_to_alaw(INT16_MIN), 0x2a);
}

/* A code stands for the middle of its step: half of it is the largest error but where it clips. */
static void check_steps(uint8_t (*to)(int16_t), int16_t (*from)(uint8_t), const int half_steps[8], int highest)
{
	int before = INT16_MIN;

	for (int s = INT16_MIN; s <= INT16_MAX; s++) {
		uint8_t code = to((int16_t)s);
		int back = from(code), half = half_steps[(code ^ (half_steps[0] == 4 ? 0xff : 0x55)) >> 4 & 7];

		assert_true(back >= before);
		assert_true(abs(back - s) <= half || abs(s) > highest);
		assert_int_equal(from(to((int16_t)back)), back);
		before = back;
	}
}

static void every_sample_gets_the_code_of_its_step(void **state)
{
	static const int alaw[8] = {8, 8, 16, 32, 64, 128, 256, 512}, ulaw[8] = {4, 8, 16, 32, 64, 128, 256, 512};

	check_steps(sl_g711_to_alaw, sl_g711_from_alaw, alaw, 32767);
	check_steps(sl_g711_to_ulaw, sl_g711_from_ulaw, ulaw, 32635);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_values),
		cmocka_unit_test(every_sample_gets_the_code_of_its_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
