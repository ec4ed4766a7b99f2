/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What goes on to Linux when more comes than it may be given. */

#include "path_rig.h"

enum { PPS = 100, HALF = PPS / 2 };
#define STRANGER "198.51.100.10:4000"
#define ALLOWED "198.51.100.11:4000"

static int setup(void **state)
{
	int rc = rig_setup(state);
	rig_sip(PPS);
	return rc;
}

static unsigned to_from(const char *src, const char *port, unsigned n)
{
	static const char request[] = "OPTIONS sip:192.0.2.1 SIP/2.0\r\n\r\n";
	struct sl_endpoint dst = rig_endpoint(port);
	struct rig_packet p = rig_datagram(src, &dst, request, sizeof request - 1);
	while (n--)
		rig_in(0, &p, 1);
	return rig_to_linux();
}

static unsigned sip(unsigned n)
{
	return to_from(STRANGER, RIG_V4 ":5060", n);
}

static unsigned other(unsigned n)
{
	return to_from(STRANGER, RIG_V4 ":9", n);
}

static void one_has_what_the_other_leaves(void **state)
{
	assert_int_equal(other(200), HALF + HALF / 2);
	assert_int_equal(sip(200), HALF / 2);
	rig_pass_ms(2000);
	assert_int_equal(sip(200), HALF + HALF / 2);
	assert_int_equal(other(200), HALF / 2);
	assert_int_equal(rig_drops(SL_DROP_not_claimed_limit), 800 - 2 * PPS);
}

/* Both ways: a flood of pings keeps no phone from its first registration, a flood of requests keeps nobody from anything else. */
static void a_flood_of_one_leaves_the_other_its_half(void **state)
{
	unsigned (*const flood[])(unsigned) = {other, sip}, (*const calm[])(unsigned) = {sip, other};
	for (unsigned way = 0; way < 2; way++) {
		unsigned flooding = 0;
		for (unsigned i = 0; i < 200; i++) { /* ten seconds: 1,000 packets of one and 20 of the other in each */
			rig_pass_ms(50);
			flooding += flood[way](50);
			assert_int_equal(calm[way](1), 1);
		}
		assert_in_range(flooding, 10 * (PPS - 20), 10 * (PPS - 20) + PPS);
	}
}

static void who_is_allowed_waits_for_no_stranger(void **state)
{
	rig_guard(&(struct sl_cmd_guard_policy){.enabled = 1});
	rig_allow("198.51.100.11/32");
	other(200);
	sip(200);
	assert_int_equal(sip(1), 0);
	assert_int_equal(to_from(ALLOWED, RIG_V4 ":5060", HALF), HALF);
	assert_int_equal(to_from(ALLOWED, RIG_V4 ":5060", 1), 0); /* its address may be forged: no more than that */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(one_has_what_the_other_leaves),
		TEST(a_flood_of_one_leaves_the_other_its_half),
		TEST(who_is_allowed_waits_for_no_stranger),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
