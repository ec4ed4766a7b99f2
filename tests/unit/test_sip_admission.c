/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What the transport decides without a network: overload, the message that crashed us, the order of SRV records. */

#include "tests/unit/unit.h"

#include <string.h>

#include "controlplane/sip/crash.h"
#include "controlplane/sip/overload.h"
#include "controlplane/sip/resolve_order.h"

/* ---- overload ---- */

static const struct sl_overload_limits limits = {.delay_ms = 200, .bytes = 0};

/* One window with these samples; n 0: nothing came. */
static enum sl_overload_change window(struct sl_overload *o, const struct sl_overload_limits *l, int64_t *now, uint64_t bytes, const int64_t *us,
        unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		sl_overload_sample(o, SL_OVERLOAD_SOCKET, us[i]);
	*now += SL_OVERLOAD_WINDOW_MS;
	return sl_overload_judge(o, l, bytes, *now);
}

static void test_burst_is_no_overload(void **state)
{
	struct sl_overload o = {0};
	int64_t now = 1000;
	const int64_t burst[] = {900000, 500000, 1000, 700000};

	(void)state;
	sl_overload_judge(&o, &limits, 0, now);
	assert_int_equal(window(&o, &limits, &now, 0, burst, 4), SL_OVERLOAD_SAME);
	assert_int_equal(o.level, SL_OVERLOAD_NONE);
	assert_int_equal(o.delay_us, 1000);
}

static void test_standing_queue_begins_and_ends_with_hysteresis(void **state)
{
	struct sl_overload o = {0};
	int64_t now = 1000;
	const int64_t slow[] = {300000, 250000}, between[] = {150000}, calm[] = {100000};

	(void)state;
	sl_overload_judge(&o, &limits, 0, now);
	assert_int_equal(window(&o, &limits, &now, 0, slow, 2), SL_OVERLOAD_SAME);
	assert_int_equal(window(&o, &limits, &now, 0, calm, 1), SL_OVERLOAD_SAME); /* a stall alone is none */
	assert_int_equal(window(&o, &limits, &now, 0, slow, 2), SL_OVERLOAD_SAME);
	assert_int_equal(window(&o, &limits, &now, 0, slow, 2), SL_OVERLOAD_BEGINS);
	assert_int_equal(window(&o, &limits, &now, 0, slow, 2), SL_OVERLOAD_SAME);
	assert_true(sl_overload_admits(&o, SL_OVERLOAD_REGISTERED));
	assert_true(sl_overload_admits(&o, SL_OVERLOAD_ALWAYS));
	assert_false(sl_overload_admits(&o, SL_OVERLOAD_STRANGER));
	/* Below the limit, but not below half of it: it goes on, however long. */
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(window(&o, &limits, &now, 0, between, 1), SL_OVERLOAD_SAME);
	assert_int_equal(o.level, SL_OVERLOAD_SOME);
	/* Calm must last. */
	for (unsigned i = 0; i < SL_OVERLOAD_CALM_MS / SL_OVERLOAD_WINDOW_MS; i++)
		assert_int_equal(window(&o, &limits, &now, 0, calm, 1), SL_OVERLOAD_SAME);
	assert_int_equal(window(&o, &limits, &now, 0, calm, 1), SL_OVERLOAD_ENDS);
	assert_true(sl_overload_admits(&o, SL_OVERLOAD_STRANGER));
}

static void test_severe_overload_refuses_registered_users_too(void **state)
{
	struct sl_overload o = {0};
	int64_t now = 1000;
	const int64_t severe[] = {900000};

	(void)state;
	sl_overload_judge(&o, &limits, 0, now);
	assert_int_equal(window(&o, &limits, &now, 0, severe, 1), SL_OVERLOAD_SAME);
	assert_int_equal(window(&o, &limits, &now, 0, severe, 1), SL_OVERLOAD_BEGINS);
	assert_false(sl_overload_admits(&o, SL_OVERLOAD_REGISTERED));
	assert_true(sl_overload_admits(&o, SL_OVERLOAD_ALWAYS));
	/* Nothing comes any more: nothing waits. */
	for (unsigned i = 0; i <= SL_OVERLOAD_CALM_MS / SL_OVERLOAD_WINDOW_MS; i++)
		window(&o, &limits, &now, 0, NULL, 0);
	assert_int_equal(o.level, SL_OVERLOAD_NONE);
}

static void test_memory(void **state)
{
	struct sl_overload o = {0};
	const struct sl_overload_limits l = {.bytes = 1000};
	int64_t now = 1000;

	(void)state;
	sl_overload_judge(&o, &l, 0, now);
	assert_int_equal(window(&o, &l, &now, 1001, NULL, 0), SL_OVERLOAD_SAME);
	assert_int_equal(window(&o, &l, &now, 1001, NULL, 0), SL_OVERLOAD_BEGINS);
	assert_true(o.by_memory);
	for (unsigned i = 0; i < 20; i++) /* not yet an eighth below */
		assert_int_equal(window(&o, &l, &now, 900, NULL, 0), SL_OVERLOAD_SAME);
	for (unsigned i = 0; i < SL_OVERLOAD_CALM_MS / SL_OVERLOAD_WINDOW_MS; i++)
		assert_int_equal(window(&o, &l, &now, 870, NULL, 0), SL_OVERLOAD_SAME);
	assert_int_equal(window(&o, &l, &now, 870, NULL, 0), SL_OVERLOAD_ENDS);
}

static void test_either_source_alone(void **state)
{
	(void)state;
	for (unsigned slow = 0; slow < SL_OVERLOAD_SOURCES; slow++) {
		struct sl_overload o = {0};
		int64_t now = 1000;

		sl_overload_judge(&o, &limits, 0, now);
		for (unsigned w = 0; w < SL_OVERLOAD_WINDOWS; w++) {
			sl_overload_sample(&o, slow, 300000);
			sl_overload_sample(&o, 1 - slow, 0); /* the other one is quick */
			now += SL_OVERLOAD_WINDOW_MS;
			sl_overload_judge(&o, &limits, 0, now);
		}
		assert_int_equal(o.level, SL_OVERLOAD_SOME);
	}
}

/* ---- a message that killed us ---- */

static void test_crash_page(void **state)
{
	static _Alignas(8) uint8_t page[4096];
	struct sl_sip_crash c;
	uint64_t print;
	uint8_t key[16];

	(void)state;
	memset(page, 0, sizeof page);
	assert_false(sl_crash_open(&c, page, 1000, &print));
	memcpy(key, sl_crash_key(&c), sizeof key);
	sl_crash_begin(&c, 77);
	sl_crash_begin(&c, 88); /* the one before was survived */
	assert_false(sl_crash_is_known(&c, 88, 1000));
	/* The process dies here. */
	assert_true(sl_crash_open(&c, page, 2000, &print));
	assert_int_equal(print, 88);
	assert_memory_equal(sl_crash_key(&c), key, sizeof key);
	assert_true(sl_crash_is_known(&c, 88, 2000));
	assert_false(sl_crash_is_known(&c, 77, 2000));
	assert_true(sl_crash_is_known(&c, 88, 2000 + SL_CRASH_REMEMBER_MS - 1));
	assert_false(sl_crash_is_known(&c, 88, 2000 + SL_CRASH_REMEMBER_MS));
	/* It dies again before it looked at anything: nothing new is known. */
	assert_false(sl_crash_open(&c, page, 2500, &print));
	assert_true(sl_crash_is_known(&c, 88, 2500));
	/* And once more, of something else: both are known. */
	sl_crash_begin(&c, 99);
	assert_true(sl_crash_open(&c, page, 3000, &print));
	assert_true(sl_crash_is_known(&c, 88, 3000) && sl_crash_is_known(&c, 99, 3000));
	/* An orderly end leaves nothing. */
	sl_crash_begin(&c, 111);
	sl_crash_begin(&c, 0);
	assert_false(sl_crash_open(&c, page, 4000, &print));
	/* The clock was set back by a day: nobody stays locked out for it. */
	assert_false(sl_crash_open(&c, page, 4000 - 86400000, &print));
	assert_false(sl_crash_is_known(&c, 99, 4000 - 86400000 + SL_CRASH_REMEMBER_MS));
}

static void test_crash_without_a_page(void **state)
{
	struct sl_sip_crash c;
	uint64_t print;

	(void)state;
	assert_false(sl_crash_open(&c, NULL, 1000, &print));
	sl_crash_begin(&c, 1);
	assert_false(sl_crash_is_known(&c, 1, 1000));
}

/* ---- SRV ---- */

struct draws {
	const uint32_t *values;
	unsigned n;
	uint32_t below[8];
};

static uint32_t draw(void *ctx, uint32_t below)
{
	struct draws *d = ctx;

	d->below[d->n] = below;
	return d->values[d->n++];
}

static void set(struct sl_srv *s, uint16_t priority, uint16_t weight, uint16_t port)
{
	memset(s, 0, sizeof *s);
	s->priority = priority;
	s->weight = weight;
	s->port = port;
}

static void test_srv_priority_then_weight(void **state)
{
	struct sl_srv s[4];
	const uint32_t values[] = {11, 0};
	struct draws d = {.values = values};

	(void)state;
	set(&s[0], 20, 0, 1);
	set(&s[1], 10, 10, 2);
	set(&s[2], 10, 30, 3);
	set(&s[3], 10, 0, 4);
	sl_srv_order(s, 4, draw, &d);
	/* Of priority 10, running sums in the order 0, 10, 40: 11 falls into the third. Then 0 of 0, 10 falls on weight 0. */
	assert_int_equal(d.n, 2);
	assert_int_equal(d.below[0], 41);
	assert_int_equal(d.below[1], 11);
	assert_int_equal(s[0].port, 3);
	assert_int_equal(s[1].port, 4);
	assert_int_equal(s[2].port, 2);
	assert_int_equal(s[3].port, 1);
}

static uint32_t pseudo_random(void *ctx, uint32_t below)
{
	uint64_t *x = ctx;

	*x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((*x >> 33) % below);
}

static void test_srv_shares_by_weight(void **state)
{
	enum { ROUNDS = 20000 };
	uint64_t seed = 42;
	unsigned first[3] = {0};

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct sl_srv s[3];

		set(&s[0], 1, 10, 0);
		set(&s[1], 1, 30, 1);
		set(&s[2], 1, 60, 2);
		sl_srv_order(s, 3, pseudo_random, &seed);
		first[s[0].port]++;
	}
	assert_in_range(first[0], ROUNDS * 9 / 100, ROUNDS * 13 / 100);
	assert_in_range(first[1], ROUNDS * 28 / 100, ROUNDS * 32 / 100);
	assert_in_range(first[2], ROUNDS * 57 / 100, ROUNDS * 62 / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_is_no_overload),
		cmocka_unit_test(test_standing_queue_begins_and_ends_with_hysteresis),
		cmocka_unit_test(test_severe_overload_refuses_registered_users_too),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_either_source_alone),
		cmocka_unit_test(test_crash_page),
		cmocka_unit_test(test_crash_without_a_page),
		cmocka_unit_test(test_srv_priority_then_weight),
		cmocka_unit_test(test_srv_shares_by_weight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
