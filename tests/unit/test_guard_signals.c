/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What a worker has seen of sources: told in rounds, who did most first; forged sources push out only each other. */

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/guard/signals.h"
#include "dataplane/wire/siphash.h"

static struct sl_signals s;
static struct sl_evt_guard_signals told;

static int setup(void **state)
{
	memset(&s, 0, sizeof s);
	s.key.b[3] = 77;
	return 0;
}

static struct sl_ip four(unsigned i)
{
	struct sl_ip ip;

	sl_ip_set_v4(&ip, htonl(0xcb007100 + i));
	return ip;
}

static void note(unsigned i, enum sl_guard_signal what, unsigned times)
{
	struct sl_ip ip = four(i);

	while (times-- > 0)
		sl_signals_note(&s, &ip, what);
}

static void told_and_forgotten(void **state)
{
	struct sl_ip seven = four(7);

	assert_false(sl_signals_tell(&s, 1000, &told));
	note(7, SL_GUARD_SAW_AUTH_FAILED, 3);
	note(7, SL_GUARD_SAW_MALFORMED, 1);
	assert_true(sl_signals_tell(&s, 1000, &told));
	assert_int_equal(told.n, 1);
	assert_true(sl_ip_eq(&told.sources[0].ip, &seven));
	assert_int_equal(told.sources[0].count[SL_GUARD_SAW_AUTH_FAILED], 3);
	assert_int_equal(told.sources[0].count[SL_GUARD_SAW_MALFORMED], 1);
	assert_int_equal(told.sources[0].count[SL_GUARD_SAW_FRAUD], 0);
	assert_false(sl_signals_tell(&s, 5000, &told));
	note(7, SL_GUARD_SAW_AUTH_FAILED, 1);
	assert_true(sl_signals_tell(&s, 6000, &told));
	assert_int_equal(told.sources[0].count[SL_GUARD_SAW_AUTH_FAILED], 1);
}

static void a_round_each_half_second(void **state)
{
	for (unsigned i = 0; i < 20; i++)
		note(i, SL_GUARD_SAW_MALFORMED, 1);
	unsigned n = 0, messages = 0;
	while (sl_signals_tell(&s, 1000, &told)) {
		assert_true(told.n >= 1 && told.n <= SL_GUARD_SIGNALS_PER_MSG);
		n += told.n;
		messages++;
	}
	assert_int_equal(n, 20);
	assert_int_equal(messages, 3);
	note(1, SL_GUARD_SAW_MALFORMED, 1);
	assert_false(sl_signals_tell(&s, 1000 + SL_SIGNALS_MS - 1, &told));
	assert_true(sl_signals_tell(&s, 1000 + SL_SIGNALS_MS, &told));
}

static void of_ipv6_the_customers_net(void **state)
{
	struct sl_ip a, b, net, next;

	sl_ip_parse("2001:db8:1:2::1", &a);
	sl_ip_parse("2001:db8:1:2:ffff::9", &b);
	sl_ip_parse("2001:db8:1:3::1", &next);
	sl_ip_parse("2001:db8:1:2::", &net);
	sl_signals_note(&s, &a, SL_GUARD_SAW_UNKNOWN_USER);
	sl_signals_note(&s, &b, SL_GUARD_SAW_UNKNOWN_USER);
	sl_signals_note(&s, &next, SL_GUARD_SAW_UNKNOWN_USER);
	assert_true(sl_signals_tell(&s, 1000, &told));
	assert_int_equal(told.n, 2);
	assert_true(sl_ip_eq(&told.sources[0].ip, &net)); /* two before one */
	assert_int_equal(told.sources[0].count[SL_GUARD_SAW_UNKNOWN_USER], 2);
}

static void who_does_most_is_not_pushed_out(void **state)
{
	struct sl_prng rnd = {.key = {1, 2}};
	struct sl_ip heavy = four(1);

	note(1, SL_GUARD_SAW_AUTH_FAILED, 5);
	for (unsigned i = 0; i < 100000; i++) {
		struct sl_ip ip;
		sl_ip_set_v4(&ip, (uint32_t)sl_prng_next(&rnd));
		sl_signals_note(&s, &ip, SL_GUARD_SAW_MALFORMED);
	}
	assert_true(sl_signals_tell(&s, 1000, &told));
	assert_true(sl_ip_eq(&told.sources[0].ip, &heavy));
	assert_int_equal(told.sources[0].count[SL_GUARD_SAW_AUTH_FAILED], 5);
}

/* A slow drip beside eight loud ones that fill each message: it grows until its turn has come. */
static void slow_ones_have_their_turn(void **state)
{
	struct sl_ip slow = four(99);
	unsigned told_of = 0;

	for (unsigned round = 0; round < 40; round++) {
		for (unsigned i = 0; i < 16; i++)
			note(i, SL_GUARD_SAW_MALFORMED, 9);
		note(99, SL_GUARD_SAW_AUTH_FAILED, 1);
		assert_true(sl_signals_tell(&s, (round + 1) * SL_SIGNALS_MS, &told));
		for (unsigned i = 0; i < told.n; i++)
			told_of += sl_ip_eq(&told.sources[i].ip, &slow) ? told.sources[i].count[SL_GUARD_SAW_AUTH_FAILED] : 0;
	}
	assert_true(told_of >= 10);
}

static void counts_stop_at_their_end(void **state)
{
	note(1, SL_GUARD_SAW_MALFORMED, 70000);
	note(1, SL_GUARD_SAW_FRAUD, 1);
	assert_true(sl_signals_tell(&s, 1000, &told));
	assert_int_equal(told.n, 1);
	assert_int_equal(told.sources[0].count[SL_GUARD_SAW_MALFORMED], UINT16_MAX);
	assert_int_equal(told.sources[0].count[SL_GUARD_SAW_FRAUD], 1);
}

int main(void)
{
#define test(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		test(told_and_forgotten),
		test(a_round_each_half_second),
		test(of_ipv6_the_customers_net),
		test(who_does_most_is_not_pushed_out),
		test(slow_ones_have_their_turn),
		test(counts_stop_at_their_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
