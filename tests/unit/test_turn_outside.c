/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A node behind a NAT that maps its addresses: what clients are told, and what they may call its own. */

#include "tests/unit/unit.h"

#include "dataplane/path/turn_outside.h"
#include "tests/unit/turn_rig.h"

static struct rig r;
static struct client c;
static struct sl_ip internal[2], external[2];

static int setup(void **state)
{
	rig_open(&r, 1);
	internal[0] = r.relay[0];
	external[0] = rig_ip("203.0.113.5");
	internal[1] = r.relay[1];
	external[1] = rig_ip("2001:db8:77::5");
	r.turn[0].n_external = 2;
	r.turn[0].internal = internal;
	r.turn[0].external = external;
	c = client_at(&r, "198.51.100.7:4000", 0);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

static void a_client_is_told_the_external_address(void **state)
{
	assert_int_equal(client_allocate(&c), 0);
	assert_true(sl_ip_eq(&r.answer.relayed.ip, &external[0]));
	assert_int_equal(r.answer.relayed.port_be, r.sessions[0].allocs[client_alloc(&c)].relay_port_be);
	/* Where it is, is not ours to translate. */
	assert_int_equal(ntohs(r.answer.mapped.port_be), 4000);
}

/* A peer that is a relay of this node, by either name, is the one behind the NAT; by its other ports nothing of us is reached. */
static void a_peer_by_its_external_address_is_ours(void **state)
{
	char relayed[64], other[64];

	assert_int_equal(client_allocate(&c), 0);
	snprintf(relayed, sizeof relayed, "203.0.113.5:%u", RIG_PORT_MIN);
	snprintf(other, sizeof other, "203.0.113.5:%u", 22);
	assert_int_equal(client_permit(&c, relayed), 0);
	assert_int_equal(client_say(&c, relayed, "x"), RIG_RELAYED);
	assert_true(sl_ip_eq(&r.verdict.to.ip, &internal[0]));
	assert_true(r.sessions[0].peers[r.verdict.peer].own_address);
	assert_int_equal(client_say(&c, other, "x"), RIG_DROPPED + SL_DROP_peer_forbidden);
	assert_int_equal(client_bind(&c, 0x4000, other), 403);
	/* Whoever is not mapped stays who he is. */
	assert_int_equal(client_permit(&c, "203.0.113.6:7000"), 0);
	assert_int_equal(client_say(&c, "203.0.113.6:7000", "x"), RIG_RELAYED);
	const struct sl_endpoint peer = rig_endpoint("203.0.113.6:7000");
	assert_true(sl_endpoint_eq(&r.verdict.to, &peer));
}

static void both_ways(void **state)
{
	struct sl_endpoint inside = {internal[1], htons(7)}, outside = sl_turn_outward(&r.turn[0], &inside), stranger = rig_endpoint("192.0.2.99:9");
	struct sl_endpoint same = sl_turn_outward(&r.turn[0], &stranger);

	assert_true(sl_ip_eq(&outside.ip, &external[1]));
	assert_int_equal(outside.port_be, htons(7));
	sl_turn_inward(&r.turn[0], &outside);
	assert_true(sl_endpoint_eq(&outside, &inside));
	assert_true(sl_endpoint_eq(&same, &stranger));
	sl_turn_inward(&r.turn[0], &stranger);
	assert_true(sl_endpoint_eq(&same, &stranger));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_client_is_told_the_external_address, setup, teardown),
		cmocka_unit_test_setup_teardown(a_peer_by_its_external_address_is_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(both_ways, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
