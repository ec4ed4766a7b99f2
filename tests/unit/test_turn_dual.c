/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Allocations with a relayed address of each family (RFC 8656 7.2, 8.2). */

#include "tests/unit/unit.h"

#include "tests/unit/turn_wire_rig.h"

static struct rig r;
static struct client c;

static int setup(void **state)
{
	rig_open(&r, 1);
	c = client_at(&r, "198.51.100.1:4000", 0);
	client_login(&c);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

static unsigned allocate_both(void)
{
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	add_family(&c.b, SL_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2);
	return client_go(&c);
}

static unsigned refresh_family(uint32_t lifetime_s, uint8_t family)
{
	sl_stun_add_u32(client_ask(&c, SL_TURN_REFRESH), SL_ATTR_LIFETIME, lifetime_s);
	add_family(&c.b, SL_ATTR_REQUESTED_ADDRESS_FAMILY, family);
	return client_go(&c);
}

static struct sl_alloc *alloc(void)
{
	return &r.sessions[0].allocs[client_alloc(&c)];
}

static void one_of_each(void **state)
{
	struct sl_sessions *s = &r.sessions[0];
	struct sl_endpoint v4 = rig_endpoint("203.0.113.1:700"), v6 = rig_endpoint("[2001:db8:f::1]:700"), seen;
	unsigned len;

	assert_int_equal(allocate_both(), 0);
	assert_non_null(find_attr(&r.answer, SL_ATTR_XOR_RELAYED_ADDRESS, 0, &len));
	assert_int_equal(len, 8);
	assert_non_null(find_attr(&r.answer, SL_ATTR_XOR_RELAYED_ADDRESS, 1, &len));
	assert_int_equal(len, 20);
	assert_null(find_attr(&r.answer, SL_ATTR_ADDRESS_ERROR_CODE, 0, &len));
	assert_true(client_answer_authentic(&c));
	/* Sent again: the same answer. */
	uint8_t first[1280];
	unsigned first_len = r.verdict.reply_len;
	memcpy(first, r.reply, first_len);
	assert_int_equal(client_send(&c), 0);
	assert_int_equal(r.verdict.reply_len, first_len);
	assert_memory_equal(first, r.reply, first_len);
	/* Peers of either family, each at the address of its own. */
	assert_int_equal(client_permit(&c, "203.0.113.1:0"), 0);
	assert_int_equal(client_bind(&c, 0x4000, "[2001:db8:f::1]:700"), 0);
	assert_int_equal(client_say(&c, "203.0.113.1:700", "x"), RIG_RELAYED);
	assert_int_equal(client_say(&c, "[2001:db8:f::1]:700", "x"), RIG_RELAYED);
	assert_true(sl_alloc_relayed(s, alloc(), &v4.ip, &seen));
	assert_true(sl_ip_eq(&seen.ip, &r.relay[0]));
	assert_true(sl_alloc_relayed(s, alloc(), &v6.ip, &seen));
	assert_true(sl_ip_eq(&seen.ip, &r.relay[1]));
	assert_int_equal(sl_relay_find(&s->ports, 1, ntohs(seen.port_be)), client_alloc(&c));
	assert_true(sl_known_has(&r.known, 0, sl_known_hash_peer(&r.known, &v6.ip, 1, alloc()->relay2_port_be)));
	assert_true(sl_known_has(&r.known, 0, sl_known_hash_peer(&r.known, &v4.ip, 0, alloc()->relay_port_be)));
	/* Both ports are free again in the end. */
	assert_int_equal(client_refresh(&c, 0), 0);
	assert_int_equal(s->ports.n_free[0], 1024);
	assert_int_equal(s->ports.n_free[1], 1024);
	assert_false(sl_known_has(&r.known, 0, sl_known_hash_peer(&r.known, &v6.ip, 1, seen.port_be)));
}

static void only_where_there_is_one(void **state)
{
	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(client_permit(&c, "[2001:db8:f::1]:0"), 443);
	assert_int_equal(client_bind(&c, 0x4000, "[2001:db8:f::1]:7"), 443);
}

static void a_family_that_is_lacking(void **state)
{
	const uint8_t *v;
	unsigned len;

	r.turn[0].n_relay = 1;
	assert_int_equal(allocate_both(), 0);
	v = find_attr(&r.answer, SL_ATTR_ADDRESS_ERROR_CODE, 0, &len);
	assert_non_null(v);
	assert_int_equal(v[0], 2);
	assert_int_equal(v[2] * 100 + v[3], 440);
	assert_int_equal(alloc()->relay2, SL_NO_RELAY2);
	assert_int_equal(client_permit(&c, "[2001:db8:f::1]:0"), 443);
}

static void no_ports_left_of_one(void **state)
{
	struct sl_sessions *s = &r.sessions[0];
	const uint8_t *v;
	unsigned len;

	while (sl_port_draw(&s->ports, &s->prng, 0, SL_PORT_ANY) >= 0)
		;
	assert_int_equal(allocate_both(), 0);
	v = find_attr(&r.answer, SL_ATTR_ADDRESS_ERROR_CODE, 0, &len);
	assert_non_null(v);
	assert_int_equal(v[0], 1);
	assert_int_equal(v[2] * 100 + v[3], 508);
	assert_true(sl_ip_eq(&r.answer.relayed.ip, &r.relay[1]));
	assert_int_equal(client_permit(&c, "[2001:db8:f::1]:0"), 0);
	assert_int_equal(client_permit(&c, "203.0.113.1:0"), 443);
	assert_int_equal(client_refresh(&c, 0), 0);
	while (sl_port_draw(&s->ports, &s->prng, 1, SL_PORT_ANY) >= 0)
		;
	assert_int_equal(allocate_both(), 508);
}

/* coturn's clients have the numbers of the draft. */
static void by_the_drafts_number(void **state)
{
	unsigned len;

	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	add_family(&c.b, SL_ATTR_DRAFT_ADDITIONAL_ADDRESS_FAMILY, 2);
	assert_int_equal(client_go(&c), 0);
	assert_non_null(find_attr(&r.answer, SL_ATTR_XOR_RELAYED_ADDRESS, 1, &len));
	assert_int_equal(client_refresh(&c, 0), 0);
	r.turn[0].n_relay = 1;
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	add_family(&c.b, SL_ATTR_DRAFT_ADDITIONAL_ADDRESS_FAMILY, 2);
	assert_int_equal(client_go(&c), 0);
	assert_null(find_attr(&r.answer, SL_ATTR_ADDRESS_ERROR_CODE, 0, &len));
	assert_non_null(find_attr(&r.answer, SL_ATTR_DRAFT_ADDRESS_ERROR_CODE, 0, &len));
}

static void what_may_not_be_asked(void **state)
{
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	add_family(&c.b, SL_ATTR_ADDITIONAL_ADDRESS_FAMILY, 1);
	assert_int_equal(client_go(&c), 400);
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	add_family(&c.b, SL_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2);
	add_family(&c.b, SL_ATTR_REQUESTED_ADDRESS_FAMILY, 2);
	assert_int_equal(client_go(&c), 400);
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	add_family(&c.b, SL_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2);
	sl_stun_add(&c.b, SL_ATTR_EVEN_PORT, "\x80", 1);
	assert_int_equal(client_go(&c), 400);
	assert_int_equal(r.sessions[0].n_active, 0);
}

static void one_of_the_two_ends(void **state)
{
	struct sl_sessions *s = &r.sessions[0];

	for (uint8_t family = 1; family <= 2; family++) {
		assert_int_equal(allocate_both(), 0);
		uint16_t kept = family == 1 ? alloc()->relay2_port_be : alloc()->relay_port_be;
		assert_int_equal(client_bind(&c, 0x4000, "203.0.113.1:700"), 0);
		assert_int_equal(client_bind(&c, 0x4001, "[2001:db8:f::1]:700"), 0);
		assert_int_equal(refresh_family(900, family), 0);
		assert_int_equal(alloc()->expires_s, r.now.s + 900);
		assert_int_equal(refresh_family(0, family), 0);
		assert_int_equal(alloc()->relay2, SL_NO_RELAY2);
		assert_int_equal(alloc()->relay, family == 1 ? 1 : 0);
		assert_int_equal(alloc()->relay_port_be, kept);
		assert_int_equal(alloc()->n_peers, 1);
		assert_int_equal(s->ports.n_free[family - 1], 1024);
		assert_int_equal(client_say(&c, "203.0.113.1:700", "x"),
			family == 1 ? RIG_DROPPED + SL_DROP_no_permission : RIG_RELAYED);
		assert_int_equal(client_say(&c, "[2001:db8:f::1]:700", "x"),
			family == 2 ? RIG_DROPPED + SL_DROP_no_permission : RIG_RELAYED);
		assert_int_equal(refresh_family(600, family), 443);
		assert_int_equal(refresh_family(0, (uint8_t)(3 - family)), 0);
		assert_int_equal(s->n_active, 0);
		assert_int_equal(s->n_peers_active, 0);
	}
	assert_int_equal(s->ports.n_free[0], 1024);
	assert_int_equal(s->ports.n_free[1], 1024);
}

static void both_survive_a_crash(void **state)
{
	assert_int_equal(allocate_both(), 0);
	assert_int_equal(client_bind(&c, 0x4001, "[2001:db8:f::1]:700"), 0);
	struct sl_alloc was = *alloc();
	rig_stop(&r);
	rig_start(&r, 1);
	assert_int_equal(r.sessions[0].n_active, 1);
	assert_int_equal(alloc()->relay2, was.relay2);
	assert_int_equal(alloc()->relay2_port_be, was.relay2_port_be);
	assert_int_equal(sl_relay_find(&r.sessions[0].ports, 1, ntohs(was.relay2_port_be)), client_alloc(&c));
	assert_int_equal(client_say(&c, "[2001:db8:f::1]:700", "x"), RIG_RELAYED);
	/* What of it was dropped before is not back. */
	assert_int_equal(refresh_family(0, 2), 0);
	rig_stop(&r);
	rig_start(&r, 1);
	assert_int_equal(alloc()->relay2, SL_NO_RELAY2);
	assert_int_equal(client_refresh(&c, 0), 0);
	assert_int_equal(r.sessions[0].ports.n_free[0], 1024);
	assert_int_equal(r.sessions[0].ports.n_free[1], 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_of_each, setup, teardown),
		cmocka_unit_test_setup_teardown(only_where_there_is_one, setup, teardown),
		cmocka_unit_test_setup_teardown(a_family_that_is_lacking, setup, teardown),
		cmocka_unit_test_setup_teardown(no_ports_left_of_one, setup, teardown),
		cmocka_unit_test_setup_teardown(by_the_drafts_number, setup, teardown),
		cmocka_unit_test_setup_teardown(what_may_not_be_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(one_of_the_two_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(both_survive_a_crash, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
