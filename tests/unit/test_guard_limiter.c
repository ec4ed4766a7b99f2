/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "unit.h"

#include <stdlib.h>

#include "dataplane/guard/limiter.h"
#include "dataplane/wire/siphash.h"

enum { SOURCES = 1 << 16, STEP_US = 1000 };

static struct sl_limiter limiter;
static uint64_t now_us;

static int setup(void **state)
{
	struct sl_hash_key key;

	(void)state;
	for (unsigned i = 0; i < sizeof key.b; i++)
		key.b[i] = (uint8_t)(17 * i + 3);
	now_us = UINT64_C(1) << 34;
	return sl_limiter_init(&limiter, SOURCES, &key, NULL);
}

static int teardown(void **state)
{
	(void)state;
	sl_limiter_free(&limiter, free);
	return 0;
}

static struct sl_limiter_rate rate(uint32_t source, uint32_t prefix, uint32_t wide, unsigned action)
{
	struct sl_guard_rule rule = {.action = (uint8_t)action, .pps = {source, prefix, wide}};
	struct sl_limiter_rate r;

	sl_limiter_rate(&r, &rule);
	return r;
}

static struct sl_ip v4(uint32_t host)
{
	struct sl_ip ip;

	sl_ip_set_v4(&ip, htonl(host));
	return ip;
}

static struct sl_limiter_verdict packet(const struct sl_limiter_rate *r, const struct sl_ip *ip)
{
	struct sl_limiter_key k;

	sl_limiter_now(&limiter, now_us);
	sl_limiter_locate(&limiter, r, 0, ip, sl_ip_is_v4(ip), &k);
	return sl_limiter_charge(&limiter, r, &k);
}

static bool passes(const struct sl_limiter_rate *r, const struct sl_ip *ip)
{
	return packet(r, ip).over == SL_GUARD_N_LEVELS;
}

/* Packets of a source that sends pps for so many seconds which pass. */
static unsigned flow(const struct sl_limiter_rate *r, const struct sl_ip *ip, unsigned pps, unsigned seconds)
{
	unsigned passed = 0;

	for (uint64_t i = 0; i < (uint64_t)pps * seconds; i++) {
		now_us += 1000000 / pps;
		passed += passes(r, ip);
	}
	return passed;
}

static void who_stays_below_is_never_limited(void **state)
{
	struct sl_limiter_rate r = rate(1000, 0, 0, SL_GUARD_DO_LIMIT);
	struct sl_ip ip = v4(0xc0000201);

	(void)state;
	assert_int_equal(flow(&r, &ip, 950, 20), 950 * 20);
}

static void who_exceeds_keeps_his_rate(void **state)
{
	struct sl_limiter_rate r = rate(1000, 0, 0, SL_GUARD_DO_LIMIT);
	struct sl_ip ip = v4(0xc0000201);

	(void)state;
	flow(&r, &ip, 5000, 5);
	unsigned passed = flow(&r, &ip, 5000, 10);
	assert_in_range(passed, 9700, 10500);
}

static void a_second_s_worth_may_come_at_once(void **state)
{
	struct sl_limiter_rate r = rate(1000, 0, 0, SL_GUARD_DO_LIMIT);
	struct sl_ip ip = v4(0xc0000201);
	unsigned passed = 0;

	(void)state;
	for (unsigned i = 0; i < 3000; i++)
		passed += passes(&r, &ip);
	assert_in_range(passed, 990, 1001);
}

static void slow_rates_are_limits_too(void **state)
{
	static const uint32_t pps[] = {1, 2, 3, 4, 10};

	(void)state;
	for (unsigned c = 0; c < SL_COUNT(pps); c++) {
		struct sl_limiter_rate r = rate(pps[c], 0, 0, SL_GUARD_DO_LIMIT);
		struct sl_ip ip = v4(0xc0000300 + c);
		unsigned burst = 0;
		for (unsigned i = 0; i < 100; i++)
			burst += passes(&r, &ip);
		assert_int_equal(burst, pps[c]);
		assert_in_range(flow(&r, &ip, 100, 60), pps[c] * 54, pps[c] * 61);
	}
}

static void rates_beyond_one_price_unit_are_exact_too(void **state)
{
	struct sl_limiter_rate r = rate(0, 0, 200000, SL_GUARD_DO_LIMIT);
	struct sl_ip ip = v4(0xc0000201);
	unsigned passed = 0;

	(void)state;
	for (unsigned ms = 0; ms < 12000; ms++) {
		now_us += 1000;
		for (unsigned i = 0; i < 500; i++)
			passed += passes(&r, &ip) && ms >= 4000;
	}
	assert_in_range(passed, 8 * 192000, 8 * 205000);
}

static void drop_keeps_dropping_until_the_source_slows_down(void **state)
{
	struct sl_limiter_rate r = rate(1000, 0, 0, SL_GUARD_DO_DROP);
	struct sl_ip ip = v4(0xc0000201);

	(void)state;
	flow(&r, &ip, 5000, 5);
	/* At most what decays in a tick gets through: nothing like its rate. */
	assert_in_range(flow(&r, &ip, 5000, 10), 0, 10 * 130 * 9);
	flow(&r, &ip, 10, 3);
	assert_int_equal(flow(&r, &ip, 500, 2), 1000);
}

static void prefixes_are_counted_over_their_addresses(void **state)
{
	struct sl_limiter_rate r = rate(1000, 2000, 4000, SL_GUARD_DO_LIMIT);
	unsigned passed = 0, by_prefix = 0;

	(void)state;
	for (unsigned i = 0; i < 50000; i++) {
		struct sl_ip ip = v4(0xc0000200 + i % 200);
		struct sl_limiter_verdict v;
		now_us += 100; /* 10,000 a second, 50 for each address */
		v = packet(&r, &ip);
		passed += v.over == SL_GUARD_N_LEVELS;
		by_prefix += v.over == SL_GUARD_PREFIX;
	}
	assert_in_range(passed, 11000, 13000); /* 5 s at 2,000, and the burst */
	assert_int_equal(passed + by_prefix, 50000);
	struct sl_ip neighbour = v4(0xc0000301); /* another /24 of the same /16 */
	assert_true(passes(&r, &neighbour));
}

static void of_ipv6_a_64_is_one_source(void **state)
{
	struct sl_limiter_rate r = rate(100, 0, 0, SL_GUARD_DO_LIMIT);
	unsigned passed = 0;
	struct sl_ip ip;

	(void)state;
	assert_int_equal(sl_ip_parse("2001:db8:1:2::", &ip), 0);
	for (unsigned i = 0; i < 1000; i++) {
		ip.d[3] = htonl(i);
		passed += passes(&r, &ip);
	}
	assert_in_range(passed, 98, 101);
	assert_int_equal(sl_ip_parse("2001:db8:1:3::", &ip), 0);
	assert_true(passes(&r, &ip));
}

/* The promise of the whole: whatever else is sent, who sends most is found, and nobody is taken for him. */
static void a_flood_of_random_sources_hides_nobody_and_harms_nobody(void **state)
{
	struct sl_limiter_rate r = rate(1000, 0, 0, SL_GUARD_DO_LIMIT);
	struct sl_ip heavy = v4(0x0a010203), honest = v4(0x0a040506);
	struct sl_prng prng = {.key = {1, 2}};
	unsigned heavy_passed = 0, honest_passed = 0, random_dropped = 0;

	(void)state;
	for (unsigned ms = 0; ms < 4000; ms++) {
		now_us += STEP_US;
		for (unsigned i = 0; i < 1000; i++) { /* a million a second over 2^32 addresses */
			struct sl_ip ip = v4((uint32_t)sl_prng_next(&prng));
			random_dropped += !passes(&r, &ip);
		}
		for (unsigned i = 0; i < 10; i++)
			heavy_passed += passes(&r, &heavy);
		if (ms % 4 == 0)
			honest_passed += passes(&r, &honest);
	}
	assert_int_equal(random_dropped, 0);
	assert_int_equal(honest_passed, 1000);
	assert_in_range(heavy_passed, 4500, 5300); /* of 40,000: 4 s at 1,000, and the burst */
}

static void it_is_told_once_in_two_seconds_and_when_it_is_over(void **state)
{
	struct sl_limiter_rate r = rate(1000, 0, 0, SL_GUARD_DO_LIMIT);
	struct sl_ip ip = v4(0xc0000201);
	unsigned told = 0, below = 0;

	(void)state;
	for (unsigned i = 0; i < 40000; i++) { /* 8 s at 5,000 */
		now_us += 200;
		told += packet(&r, &ip).tell & 1;
	}
	assert_in_range(told, 3, 5);
	for (unsigned i = 0; i < 100; i++) {
		now_us += 20000;
		below += packet(&r, &ip).below & 1;
	}
	assert_int_equal(below, 1);
}

static void what_the_control_plane_answers_is_marked_at_the_limit_and_dropped_far_above(void **state)
{
	struct sl_limiter_rate r = rate(100, 0, 0, SL_GUARD_DO_CHALLENGE);
	struct sl_ip ip = v4(0xc0000201);
	unsigned passed = 0, first_tell = 0;

	(void)state;
	for (unsigned i = 1; i <= 2000; i++) {
		struct sl_limiter_verdict v = packet(&r, &ip);
		passed += v.over == SL_GUARD_N_LEVELS;
		if ((v.tell & 1) && !first_tell)
			first_tell = i;
	}
	assert_in_range(first_tell, 98, 103);
	assert_in_range(passed, 100 * SL_GUARD_HARD - 10, 100 * SL_GUARD_HARD + 1);
}

static void load_can_be_asked_for(void **state)
{
	struct sl_limiter_rate r = rate(1000, 0, 0, SL_GUARD_DO_LIMIT);
	struct sl_ip ip = v4(0xc0000201), other = v4(0xc0000202);

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		passes(&r, &ip);
	assert_in_range(sl_limiter_load(&limiter, 0, SL_GUARD_SOURCE, &ip), 32000, 33500);
	assert_int_equal(sl_limiter_load(&limiter, 0, SL_GUARD_SOURCE, &other), 0);
	assert_int_equal(sl_limiter_load(&limiter, 1, SL_GUARD_SOURCE, &ip), 0);
	now_us += 30 * 1000000;
	sl_limiter_now(&limiter, now_us);
	assert_int_equal(sl_limiter_load(&limiter, 0, SL_GUARD_SOURCE, &ip), 0);
}

static void its_memory_is_what_is_promised(void **state)
{
	(void)state;
	assert_int_equal(sl_limiter_bytes(&limiter), (SOURCES / 8 + SOURCES / 16 + SOURCES / 32) * 64);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(who_stays_below_is_never_limited),
		T(who_exceeds_keeps_his_rate),
		T(a_second_s_worth_may_come_at_once),
		T(slow_rates_are_limits_too),
		T(rates_beyond_one_price_unit_are_exact_too),
		T(drop_keeps_dropping_until_the_source_slows_down),
		T(prefixes_are_counted_over_their_addresses),
		T(of_ipv6_a_64_is_one_source),
		T(a_flood_of_random_sources_hides_nobody_and_harms_nobody),
		T(it_is_told_once_in_two_seconds_and_when_it_is_over),
		T(what_the_control_plane_answers_is_marked_at_the_limit_and_dropped_far_above),
		T(load_can_be_asked_for),
		T(its_memory_is_what_is_promised),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
