/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* NAT behaviour discovery (RFC 5780): which listener answers, what it says of the others, and what it does not do. */

#include "tests/unit/unit.h"

#include "tests/unit/turn_wire_rig.h"

static const char *const at[] = {"192.0.2.1:3478", "192.0.2.1:3479", "192.0.2.3:3478", "192.0.2.3:3479"};
static struct sl_endpoint listeners[5];
static struct rig r;
static struct client c;

static int setup(void **state)
{
	rig_open(&r, 1);
	for (unsigned i = 0; i < 4; i++)
		listeners[i + 1] = rig_endpoint(at[i]);
	listeners[0] = rig_endpoint("192.0.2.1:443");
	r.turn[0].listeners = r.sessions[0].listeners = listeners;
	r.turn[0].n_listeners = r.sessions[0].n_listeners = 5;
	r.settings.nat_discovery = 1;
	for (uint16_t i = 0; i < 4; i++)
		r.settings.nat[i] = (uint16_t)(i + 1);
	rig_provision(&r, NULL, NULL);
	c = client_at(&r, "198.51.100.1:4000", 0);
	c.flow.listener = 1;
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

static struct sl_endpoint address(unsigned type)
{
	struct sl_endpoint ep = {0};
	unsigned len;
	const uint8_t *v = find_attr(&r.answer, type, 0, &len);

	assert_non_null(v);
	assert_int_equal(len, 8);
	uint32_t ip;
	memcpy(&ep.port_be, v + 2, 2);
	memcpy(&ip, v + 4, 4);
	sl_ip_set_v4(&ep.ip, ip);
	return ep;
}

static unsigned ask(bool ip, bool port)
{
	client_ask(&c, SL_STUN_BINDING);
	if (ip || port)
		sl_stun_add_u32(&c.b, SL_ATTR_CHANGE_REQUEST, (ip ? 4u : 0) | (port ? 2u : 0));
	return client_send(&c);
}

static void who_answers(void **state)
{
	for (unsigned came = 0; came < 4; came++) {
		c.flow.listener = (uint16_t)(came + 1);
		for (unsigned change = 0; change < 4; change++) {
			unsigned from = came ^ change;
			assert_int_equal(ask(change & 2, change & 1), 0);
			assert_int_equal(r.verdict.reply_from, change == 0 ? SL_TURN_SAME : from + 1);
			assert_false(r.verdict.reply_elsewhere);
			struct sl_endpoint origin = address(SL_ATTR_RESPONSE_ORIGIN), other = address(SL_ATTR_OTHER_ADDRESS);
			assert_true(sl_endpoint_eq(&origin, &listeners[from + 1]));
			assert_true(sl_endpoint_eq(&other, &listeners[(came ^ 3) + 1]));
			assert_int_equal(ntohs(r.answer.mapped.port_be), 4000);
		}
	}
	assert_int_equal(r.counters[0][SL_C_nat_discovery], 12);
}

static void to_another_port(void **state)
{
	client_ask(&c, SL_STUN_BINDING);
	sl_stun_add(&c.b, SL_ATTR_RESPONSE_PORT, "\x12\x34", 2);
	assert_int_equal(client_send(&c), 0);
	assert_true(r.verdict.reply_elsewhere);
	assert_true(sl_ip_eq(&r.verdict.reply_to.ip, &c.flow.ip)); /* never to another address */
	assert_int_equal(ntohs(r.verdict.reply_to.port_be), 0x1234);
	client_ask(&c, SL_STUN_BINDING);
	sl_stun_add(&c.b, SL_ATTR_RESPONSE_PORT, "\0\0", 2);
	assert_int_equal(client_send(&c), 400);
	client_ask(&c, SL_STUN_BINDING);
	sl_stun_add(&c.b, SL_ATTR_RESPONSE_PORT, "\x12\x34", 2);
	sl_stun_add(&c.b, SL_ATTR_PADDING, "1234", 4);
	assert_int_equal(client_send(&c), 400);
	assert_false(r.verdict.reply_elsewhere);
}

static void padding(void **state)
{
	static const uint8_t zero[1200];

	for (unsigned n = 0; n <= sizeof zero; n += 100) {
		client_ask(&c, SL_STUN_BINDING);
		sl_stun_add(&c.b, SL_ATTR_PADDING, zero, n);
		assert_int_equal(client_send(&c), 0);
		unsigned least = 20 + 3 * 12; /* what is said anyway */
		assert_true(r.verdict.reply_len <= (c.b.len > least ? c.b.len : least));
		if (n >= 200)
			assert_int_equal(r.verdict.reply_len, c.b.len);
	}
}

static void within_the_budget(void **state)
{
	r.guard = (struct sl_cmd_guard_policy){.enabled = 1, .reflection_percent = 150};
	rig_guard(&r);
	assert_int_equal(ask(false, false), RIG_DROPPED + SL_DROP_reflection_limit);
	r.guard.reflection_percent = 300;
	assert_int_equal(ask(true, true), 0);
}

static void nowhere_else(void **state)
{
	static const struct {
		unsigned type;
		const char *value;
		unsigned len;
	} asked[] = {{SL_ATTR_CHANGE_REQUEST, "\0\0\0\6", 4}, {SL_ATTR_RESPONSE_PORT, "\x12\x34", 2}, {SL_ATTR_PADDING, "1234", 4}};

	for (unsigned where = 0; where < 3; where++) {
		c.flow.listener = where == 0 ? 0 : 1;
		c.flow.transport = where == 1 ? sl_stream_transport(SL_TURN_OVER_TCP, 0, 0, 1) : IPPROTO_UDP;
		r.settings.nat_discovery = where != 2;
		rig_provision(&r, NULL, NULL);
		for (unsigned i = 0; i < SL_COUNT(asked); i++) {
			client_ask(&c, SL_STUN_BINDING);
			sl_stun_add(&c.b, (uint16_t)asked[i].type, asked[i].value, asked[i].len);
			assert_int_equal(client_send(&c), 420);
			unsigned len;
			const uint8_t *v = find_attr(&r.answer, SL_ATTR_UNKNOWN_ATTRIBUTES, 0, &len);
			assert_non_null(v);
			assert_int_equal(v[0] << 8 | v[1], asked[i].type);
		}
		assert_int_equal(ask(false, false), 0);
		unsigned len;
		assert_null(find_attr(&r.answer, SL_ATTR_OTHER_ADDRESS, 0, &len));
		assert_int_equal(r.verdict.reply_from, SL_TURN_SAME);
	}
	/* Nor with another method. */
	r.settings.nat_discovery = 1;
	rig_provision(&r, NULL, NULL);
	client_login(&c);
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	sl_stun_add_u32(&c.b, SL_ATTR_CHANGE_REQUEST, 6);
	assert_int_equal(client_go(&c), 420);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(to_another_port, setup, teardown),
		cmocka_unit_test_setup_teardown(padding, setup, teardown),
		cmocka_unit_test_setup_teardown(within_the_budget, setup, teardown),
		cmocka_unit_test_setup_teardown(nowhere_else, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
