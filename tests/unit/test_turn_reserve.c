/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* EVEN-PORT and RESERVATION-TOKEN (RFC 8656 7.2), within a worker and across two. */

#include "tests/unit/unit.h"

#include "tests/unit/turn_rig.h"

static struct rig r;

static int setup(void **state)
{
	rig_open(&r, 2);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

/* A client whose five-tuple belongs to worker w. */
static struct client client_of(unsigned w, unsigned from_port)
{
	for (;; from_port++) {
		char ep[40];
		snprintf(ep, sizeof ep, "198.51.100.7:%u", from_port);
		struct client c = client_at(&r, ep, 0);
		if (c.w == w)
			return c;
	}
}

static unsigned reserve(struct client *c, uint8_t token[8])
{
	static const uint8_t with_r = 0x80;

	client_login(c);
	add_transport(client_ask(c, SL_TURN_ALLOCATE), 17);
	sl_stun_add(&c->b, SL_ATTR_EVEN_PORT, &with_r, 1);
	unsigned code = client_go(c);
	if (code == 0)
		memcpy(token, sl_span_at(&r.answer, r.answer.reservation_token), 8);
	return code;
}

static unsigned redeem(struct client *c, const uint8_t token[8])
{
	client_login(c);
	add_transport(client_ask(c, SL_TURN_ALLOCATE), 17);
	sl_stun_add(&c->b, SL_ATTR_RESERVATION_TOKEN, token, 8);
	return client_go(c);
}

static unsigned all_free(void)
{
	return r.sessions[0].ports.n_free[0] + r.sessions[1].ports.n_free[0];
}

static void sweep(void)
{
	for (unsigned i = 0; i < 10; i++) {
		rig_wait(&r, 1);
		rig_tick(&r);
	}
}

static void redeemed_by(unsigned worker)
{
	struct client a = client_of(0, 4000), b = client_of(worker, 5000), late = client_of(worker, 6000);
	unsigned before = all_free();
	uint8_t token[8];

	assert_int_equal(reserve(&a, token), 0);
	uint16_t even = ntohs(r.answer.relayed.port_be);
	assert_int_equal(even % 2, 0);
	assert_int_equal(all_free(), before - 2);
	assert_int_equal(client_send(&a), 0); /* retransmitted: the same token */
	assert_memory_equal(sl_span_at(&r.answer, r.answer.reservation_token), token, 8);
	token[7] ^= 1;
	assert_int_equal(redeem(&b, token), 508);
	token[7] ^= 1;
	assert_int_equal(redeem(&b, token), 0);
	assert_int_equal(ntohs(r.answer.relayed.port_be), even + 1);
	assert_int_equal(sl_port_owner(&r.ports, 0, (uint16_t)(even + 1)), worker);
	assert_int_equal(sl_relay_find(&r.sessions[worker].ports, 0, (uint16_t)(even + 1)), client_alloc(&b));
	assert_int_equal(client_send(&b), 0); /* retransmitted */
	assert_int_equal(redeem(&late, token), 508); /* a token serves once */
	assert_int_equal(client_refresh(&a, 0), 0);
	assert_int_equal(client_refresh(&b, 0), 0);
	sweep();
	assert_int_equal(all_free(), before);
	assert_int_equal(r.sessions[0].ports.n_lent, 0);
	assert_int_equal(sl_port_owner(&r.ports, 0, (uint16_t)(even + 1)), 0);
}

static void redeemed_at_home(void **state)
{
	redeemed_by(0);
}

static void redeemed_by_another_worker(void **state)
{
	redeemed_by(1);
}

static void not_redeemed_in_time(void **state)
{
	struct client a = client_of(0, 4000), b = client_of(1, 5000);
	unsigned before = all_free();
	uint8_t token[8];

	assert_int_equal(reserve(&a, token), 0);
	rig_wait(&r, SL_RESERVATION_S);
	assert_int_equal(redeem(&b, token), 508);
	rig_tick(&r);
	assert_int_equal(all_free(), before - 1);
	assert_int_equal(r.sessions[0].ports.n_lent, 0);
}

static void a_borrowers_allocation_expires(void **state)
{
	struct client a = client_of(0, 4000), b = client_of(1, 5000);
	unsigned before = all_free();
	uint8_t token[8];

	assert_int_equal(reserve(&a, token), 0);
	assert_int_equal(redeem(&b, token), 0);
	rig_wait(&r, 600);
	rig_tick(&r);
	sweep();
	assert_int_equal(all_free(), before);
}

static void not_redeemed_before_its_allocation_ends(void **state)
{
	struct client a = client_of(0, 4000), b = client_of(1, 5000);
	unsigned before = all_free();
	uint8_t token[8];

	assert_int_equal(reserve(&a, token), 0);
	assert_int_equal(client_refresh(&a, 0), 0);
	assert_int_equal(all_free(), before);
	assert_int_equal(r.sessions[0].ports.n_lent, 0);
	assert_int_equal(redeem(&b, token), 508);
	/* The same by expiry; a redeemed one is nobody's business but the redeemer's. */
	r.settings.default_lifetime_s = r.realm.max_lifetime_s = 10;
	rig_provision(&r, NULL, NULL);
	assert_int_equal(reserve(&a, token), 0);
	rig_wait(&r, 10);
	rig_tick(&r);
	assert_int_equal(all_free(), before);
	assert_int_equal(reserve(&a, token), 0);
	assert_int_equal(redeem(&b, token), 0);
	assert_int_equal(client_refresh(&a, 0), 0);
	assert_int_equal(all_free(), before - 1);
	assert_int_equal(client_refresh(&b, 0), 0);
	sweep();
	assert_int_equal(all_free(), before);
}

/* Allocating with R and leaving at once, again and again, holds back nothing. */
static void nobody_holds_back_all(void **state)
{
	uint8_t token[8];

	for (unsigned i = 0; i <= SL_RESERVATIONS_PER_WORKER; i++) {
		struct client a = client_of(0, 10000 + 20 * i);
		assert_int_equal(reserve(&a, token), 0);
		assert_int_equal(client_refresh(&a, 0), 0);
	}
}

static void the_table_is_bounded(void **state)
{
	struct sl_relay_ports *p = &r.sessions[0].ports;
	struct sl_prng prng = {.key = {1, 2}};
	unsigned n = 0, free_ports = p->n_free[0];
	uint8_t token[8];
	int port;

	while ((port = sl_port_draw(p, &prng, 0, SL_PORT_PAIR)) >= 0) {
		sl_port_give_back(p, 0, (uint16_t)port);
		if (!sl_turn_reserve(&r.reservations, p, &prng, 0, (uint16_t)(port + 1), r.now.s, token))
			break;
		n++;
	}
	/* Every second port of the worker's two blocks is held back, or the table is full. */
	assert_int_equal(n, free_ports / 2 < SL_RESERVATIONS_PER_WORKER ? free_ports / 2 : SL_RESERVATIONS_PER_WORKER);
	struct client b = client_of(0, 4000);
	assert_int_equal(client_allocate(&b), 0);
	rig_wait(&r, SL_RESERVATION_S);
	rig_tick(&r);
	assert_int_equal(p->n_free[0], free_ports - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(redeemed_at_home, setup, teardown),
		cmocka_unit_test_setup_teardown(redeemed_by_another_worker, setup, teardown),
		cmocka_unit_test_setup_teardown(not_redeemed_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(a_borrowers_allocation_expires, setup, teardown),
		cmocka_unit_test_setup_teardown(not_redeemed_before_its_allocation_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_holds_back_all, setup, teardown),
		cmocka_unit_test_setup_teardown(the_table_is_bounded, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
