/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* When a target is up or down, how long a failed registration waits, whose host a URI names. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/routing/trunks_rules.h"

/* '+' an answer, '-' a failure: upper case where the state changes is expected ('U', 'D'). */
static void expect_walk(unsigned up, unsigned down, const char *walk)
{
	struct sl_trunk_health h = { 0 };

	for (const char *p = walk; *p; p++) {
		bool ok = *p == '+' || *p == 'U', changes = *p == 'U' || *p == 'D';

		assert_int_equal(sl_trunk_hysteresis(&h, ok, up, down), changes);
		if (changes)
			assert_int_equal(h.down, *p == 'D');
	}
}

static void hysteresis(void **state)
{
	(void)state;
	expect_walk(2, 3, "++--+--D-+-+U+--+--D");
	expect_walk(1, 1, "+DUDU+D--U");
	expect_walk(3, 2, "-D++-++U-+-+-D");
}

static void backoff(void **state)
{
	(void)state;
	assert_int_equal(sl_trunk_backoff_ms(0), 5000);
	assert_int_equal(sl_trunk_backoff_ms(1), 5000);
	assert_int_equal(sl_trunk_backoff_ms(2), 10000);
	assert_int_equal(sl_trunk_backoff_ms(7), 320000);
	assert_int_equal(sl_trunk_backoff_ms(8), 600000);
	assert_int_equal(sl_trunk_backoff_ms(4000000000u), 600000);
}

static void hosts(void **state)
{
	(void)state;
	static const struct { const char *uri, *host; } cases[] = {
		{ "sip:carrier.test", "carrier.test" },
		{ "sip:192.0.2.1:5070;transport=tcp", "192.0.2.1" },
		{ "sips:us@carrier.test:5061", "carrier.test" },
		{ "sip:[2001:db8::1]:5060", "[2001:db8::1]" },
		{ "sip:us@[2001:db8::1];lr", "[2001:db8::1]" },
		{ "sip:carrier.test?x=@y", "carrier.test" },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct sl_slice got = sl_trunk_host_of(cases[i].uri);

		assert_int_equal(got.n, strlen(cases[i].host));
		assert_memory_equal(got.p, cases[i].host, got.n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hysteresis),
		cmocka_unit_test(backoff),
		cmocka_unit_test(hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
