/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Who comes again, on the test's clock: clients that retransmit as SIP, STUN and TCP do; copies; a flood that draws its sources at random. */

#include "tests/unit/unit.h"

#include <stdlib.h>

#include "dataplane/guard/again.h"
#include "dataplane/wire/siphash.h"

static struct sl_again a;
static struct sl_prng rnd = {.key = {0xa9a1, 2}};

static int setup(void **state)
{
	return sl_again_init(&a, 1 << 16, NULL);
}

static int teardown(void **state)
{
	free(a.buckets);
	return 0;
}

/* Intervals of RFC 3261 17.1.1.2 and 17.1.2.2, RFC 8489 6.2.1, RFC 6298, at every phase of a unit. */
static void retransmissions_are_recognised(void **state)
{
	static const unsigned intervals_ms[] = {500, 1000, 2000, 3000, 4000, 8000, 16000};

	for (unsigned start = 0; start < 5000; start += 7) {
		for (size_t i = 0; i < SL_COUNT(intervals_ms); i++) {
			uint64_t hash = sl_prng_next(&rnd), t = 1000000 + start;
			assert_false(sl_again(&a, hash, t));
			if (!sl_again(&a, hash, t + intervals_ms[i]))
				fail_msg("%u ms after %u", intervals_ms[i], start);
		}
	}
}

static void once_again_is_welcome(void **state)
{
	uint64_t hash = sl_prng_next(&rnd), t = 900000;

	assert_false(sl_again(&a, hash, t));
	assert_true(sl_again(&a, hash, t + 500));
	/* Our answer is on its way: what follows comes within a round trip. */
	for (unsigned ms = 501; ms < 4000; ms += 13)
		assert_true(sl_again(&a, hash, t + ms));
}

static void copies_within_a_unit_are_not(void **state)
{
	for (unsigned i = 0; i < 100; i++) {
		uint64_t hash = sl_prng_next(&rnd), t = (uint64_t)SL_AGAIN_UNIT_MS * (1000 + i);
		for (unsigned ms = 0; ms < SL_AGAIN_UNIT_MS; ms += 10)
			assert_false(sl_again(&a, hash, t + ms));
	}
}

static void random_sources_are_not(void **state)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < 1000000; i++)
		wrong += sl_again(&a, sl_prng_next(&rnd), 1000 + i / 100);
	assert_true(wrong <= 2); /* eight tags of 26 bits are looked at */
}

/* What the memory is reckoned by (again.h): a client sends after 0, 0.5, 1.5, 3.5 s (RFC 8489 6.2.1) into a flood of sources that come once. */
static void clients_get_through_a_flood(void **state)
{
	enum { BYTES = 1 << 20, FLOOD_PPS = 180000, CLIENTS = 1000, MS = 3600 };
	static const unsigned at_ms[] = {0, 500, 1500, 3500};
	struct sl_again big;
	uint64_t client[CLIENTS];
	bool through[CLIENTS] = {false};
	unsigned n = 0;

	assert_int_equal(sl_again_init(&big, BYTES, NULL), 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		client[i] = sl_prng_next(&rnd);
	for (unsigned ms = 0; ms < MS; ms++) {
		for (unsigned i = 0; i < FLOOD_PPS / 1000; i++)
			sl_again(&big, sl_prng_next(&rnd), 5000000 + ms);
		for (size_t i = 0; i < SL_COUNT(at_ms); i++)
			for (unsigned c = 0; at_ms[i] == ms && c < CLIENTS; c++)
				through[c] |= sl_again(&big, client[c], 5000000 + ms);
	}
	for (unsigned c = 0; c < CLIENTS; c++)
		n += through[c];
	assert_in_range(n, CLIENTS * 99 / 100, CLIENTS);
	free(big.buckets);
}

static void the_hash_of_zero_is_a_hash(void **state)
{
	assert_false(sl_again(&a, 0, SL_AGAIN_UNIT_MS * 16));
	assert_true(sl_again(&a, 0, SL_AGAIN_UNIT_MS * 17 + 1));
	assert_false(sl_again(&a, 1, 0)); /* a cell nobody has used */
}

static void memory_is_a_power_of_two(void **state)
{
	struct sl_again odd;

	assert_int_equal(sl_again_init(&odd, (1 << 16) + 1000, NULL), 0);
	assert_int_equal(odd.mask, (1 << 16) / 32 - 1);
	assert_int_equal(sl_again_bytes(&odd), 1 << 16);
	free(odd.buckets);
}

int main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(retransmissions_are_recognised),
		test(once_again_is_welcome),
		test(copies_within_a_unit_are_not),
		test(random_sources_are_not),
		test(the_hash_of_zero_is_a_hash),
		cmocka_unit_test(clients_get_through_a_flood),
		cmocka_unit_test(memory_is_a_power_of_two),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
