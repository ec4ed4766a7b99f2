/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "tests/unit/unit.h"

#include "dataplane/wire/crc32.h"
#include "dataplane/wire/siphash.h"
#include "dataplane/wire/stun.h"
#include "tests/unit/guard.h"

/* Key bytes 00..0f, as everywhere in the paper and its reference code. */
static const struct sl_siphash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

/* The reference vectors (Aumasson, Bernstein: SipHash reference code, vectors_sip64): input 00, 01, 02 ... */
static void siphash_matches_the_reference(void **state)
{
	static const uint64_t want[] = {
	        0x726fdb47dd0e0e31,
	        0x74f839c593dc67fd,
	        0x0d6c8009d9a94f5a,
	        0x85676696d7fb7e2d,
	        0xcf2794e0277187b7,
	        0x18765564cd99a68d,
	        0xcbc9466e58fee3ce,
	        0xab0200f58b01d137,
	        0x93f5f5799a932462,
	        0x9e0082df0ba9e4b0,
	        0x7a5dbbc594ddb9f3,
	        0xf4b32f46226bada7,
	        0x751e8fbc860ee5fb,
	        0x14ea5627c0843d90,
	        0xf723ca908e7af2ee,
	        0xa129ca6149be45e5,
	};
	struct sl_guard g = sl_guard_make(64);
	uint8_t in[SL_COUNT(want)];

	for (unsigned i = 0; i < SL_COUNT(want); i++) {
		in[i] = (uint8_t)i;
		assert_int_equal(sl_siphash(&key, sl_guard_put(&g, in, i), i), want[i]);
	}
	sl_guard_free(&g);
}

static void siphash_of_63_bytes(void **state)
{
	uint8_t in[63];

	for (unsigned i = 0; i < sizeof in; i++)
		in[i] = (uint8_t)i;
	assert_int_equal(sl_siphash(&key, in, sizeof in), 0x958a324ceb064572);
}

static void prng_does_not_repeat(void **state)
{
	struct sl_prng p = {key, 0};
	uint64_t a = sl_prng_next(&p), b = sl_prng_next(&p);

	assert_int_equal(p.counter, 2);
	assert_int_not_equal(a, b);
}

static uint32_t crc_bit_by_bit(const uint8_t *p, size_t len)
{
	uint32_t crc = ~0u;

	for (; len > 0; len--, p++) {
		crc ^= *p;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
	}
	return ~crc;
}

static void crc32_matches_its_definition(void **state)
{
	uint8_t in[600];
	struct sl_prng p = {key, 0};

	assert_int_equal(sl_crc32("123456789", 9), 0xcbf43926); /* the catalogue's check value */
	for (unsigned i = 0; i < sizeof in; i++)
		in[i] = (uint8_t)sl_prng_next(&p);
	for (unsigned len = 0; len <= sizeof in; len++)
		assert_int_equal(sl_crc32(in, len), crc_bit_by_bit(in, len));
}

static void constant_time_comparison_compares(void **state)
{
	uint8_t a[32] = {1, 2, 3}, b[32] = {1, 2, 3};

	assert_true(sl_equal_ct(a, b, sizeof a));
	for (unsigned i = 0; i < sizeof a; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			b[i] ^= (uint8_t)(1 << bit);
			assert_false(sl_equal_ct(a, b, sizeof a));
			assert_true(sl_equal_ct(a, b, i));
			b[i] ^= (uint8_t)(1 << bit);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(siphash_matches_the_reference),
	        cmocka_unit_test(siphash_of_63_bytes),
	        cmocka_unit_test(prng_does_not_repeat),
	        cmocka_unit_test(crc32_matches_its_definition),
	        cmocka_unit_test(constant_time_comparison_compares),
	};

	return cmocka_run_group_tests_name("siphash", tests, NULL, NULL);
}
