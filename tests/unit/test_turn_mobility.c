/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Mobility (RFC 8016): tickets, who may use them, and the two five-tuples of a client on its way. */

#include "tests/unit/unit.h"

#include "tests/unit/turn_wire_rig.h"

static struct rig r;
static struct client old, new;
static uint8_t ticket[100];
static unsigned ticket_len;

/* An address whose flows the other worker owns. The hash is linear: with some keys a few bits that differ change nothing, so many do. */
static struct client elsewhere(unsigned w)
{
	for (unsigned i = 1; i < 250; i++) {
		char ep[40];
		snprintf(ep, sizeof ep, "198.51.100.%u:%u", i, 1024 + i * 40503u % 60000);
		struct client c = client_at(&r, ep, 0);
		if (c.w != w)
			return c;
	}
	abort();
}

static void keep_ticket(void)
{
	const uint8_t *v = find_attr(&r.answer, SL_ATTR_MOBILITY_TICKET, 0, &ticket_len);

	assert_non_null(v);
	assert_in_range(ticket_len, 16, sizeof ticket);
	memcpy(ticket, v, ticket_len);
}

static unsigned allocate_mobile(struct client *c)
{
	if (c->nonce_len == 0)
		client_login(c);
	add_transport(client_ask(c, SL_TURN_ALLOCATE), 17);
	sl_stun_add(&c->b, SL_ATTR_MOBILITY_TICKET, NULL, 0);
	return client_go(c);
}

static unsigned refresh_with(struct client *c, const uint8_t *t, unsigned len, uint32_t lifetime_s)
{
	if (c->nonce_len == 0)
		client_login(c);
	sl_stun_add_u32(client_ask(c, SL_TURN_REFRESH), SL_ATTR_LIFETIME, lifetime_s);
	sl_stun_add(&c->b, SL_ATTR_MOBILITY_TICKET, t, len);
	return client_go(c);
}

static int setup(void **state)
{
	rig_open(&r, 2);
	wire_open(&r);
	r.settings.mobility = 1;
	rig_provision(&r, NULL, NULL);
	old = client_at(&r, "198.51.100.1:4000", 0);
	assert_int_equal(allocate_mobile(&old), 0);
	keep_ticket();
	assert_int_equal(client_permit(&old, "203.0.113.1:0"), 0);
	new = elsewhere(old.w);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	wire_close(&r);
	return 0;
}

/* coturn's client keeps a ticket as a string. */
static void a_ticket_has_no_zero(void **state)
{
	for (unsigned i = 0; i < 500; i++) {
		assert_int_equal(refresh_with(&old, ticket, ticket_len, 600), 0);
		keep_ticket();
		assert_null(memchr(ticket, 0, ticket_len));
	}
}

static struct sl_sessions *owner(void)
{
	return &r.sessions[old.w];
}

static void who_may_have_one(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:1", 0);

	client_login(&c);
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	sl_stun_add(&c.b, SL_ATTR_MOBILITY_TICKET, "1234", 4);
	assert_int_equal(client_go(&c), 400);
	r.settings.mobility = 0;
	rig_provision(&r, NULL, NULL);
	assert_int_equal(allocate_mobile(&c), 405);
	assert_int_equal(refresh_with(&new, ticket, ticket_len, 600), 405);
	assert_int_equal(client_allocate(&c), 0);
	unsigned len;
	assert_null(find_attr(&r.answer, SL_ATTR_MOBILITY_TICKET, 0, &len));
}

static void a_client_moves(void **state)
{
	uint32_t alloc = client_alloc(&old);
	unsigned from = old.w;
	uint16_t port = owner()->allocs[alloc].relay_port_be;

	assert_int_not_equal(new.w, old.w);
	assert_int_equal(refresh_with(&new, ticket, ticket_len, 900), 0);
	assert_int_equal(r.handed, 1);
	assert_int_equal(new.w, from); /* handed to the owner */
	uint8_t first[100];
	memcpy(first, ticket, ticket_len);
	keep_ticket();
	assert_memory_not_equal(first, ticket, ticket_len);
	/* Nothing is moved yet: both are the client's. */
	assert_int_equal(sl_moved_owner(&wire.moved, &new.flow), 1);
	assert_int_equal(client_alloc(&old), alloc);
	assert_int_equal(client_say(&old, "203.0.113.1:700", "x"), RIG_RELAYED);
	assert_true(sl_known_has(&r.known, from, sl_known_hash_client(&r.known, &new.flow)));
	assert_int_equal(sl_turn_arrived(&r.turn[from], &new.flow, false, &r.now), alloc);
	assert_int_equal(r.events[SL_ALLOC_MOVED], 0);
	/* The first data from the new one moves it. */
	assert_int_equal(client_say(&new, "203.0.113.1:700", "x"), RIG_RELAYED);
	assert_int_equal(r.events[SL_ALLOC_MOVED], 1);
	assert_int_equal(client_alloc(&old), SL_NONE);
	assert_int_equal(client_alloc(&new), alloc);
	assert_int_equal(owner()->allocs[alloc].relay_port_be, port);
	assert_int_equal(client_say(&old, "203.0.113.1:700", "x"), RIG_DROPPED + SL_DROP_no_allocation);
	assert_int_equal(client_permit(&new, "203.0.113.2:0"), 0);
	assert_false(sl_known_has(&r.known, from, sl_known_hash_client(&r.known, &old.flow)));
	assert_true(sl_known_has(&r.known, from, sl_known_hash_client(&r.known, &new.flow)));
	assert_int_equal(owner()->n_moving, 0);
	/* The old ticket is used up; the new one brings it back. */
	assert_int_equal(refresh_with(&old, first, ticket_len, 900), 437);
	assert_int_equal(refresh_with(&old, ticket, ticket_len, 900), 0);
	assert_int_equal(sl_turn_arrived(&r.turn[from], &old.flow, true, &r.now), alloc);
	assert_int_equal(client_alloc(&old), alloc);
	assert_int_equal(client_refresh(&old, 0), 0);
	assert_false(sl_moved_any(&wire.moved));
	assert_false(sl_known_has(&r.known, from, sl_known_hash_client(&r.known, &old.flow)));
}

static void nobody_else_may_use_it(void **state)
{
	struct client thief = elsewhere(old.w);

	thief.user = "bob";
	snprintf(thief.password, sizeof thief.password, "builder");
	assert_int_equal(refresh_with(&thief, ticket, ticket_len, 600), 441);
	assert_int_equal(refresh_with(&thief, ticket, ticket_len, 0), 441);
	/* A wrong password is a wrong password. */
	snprintf(new.password, sizeof new.password, "guess");
	assert_int_equal(refresh_with(&new, ticket, ticket_len, 600), 401);
	assert_int_equal(owner()->n_moving, 0);
	assert_int_not_equal(client_alloc(&old), SL_NONE);
	assert_false(sl_moved_any(&wire.moved));
	assert_int_equal(client_say(&thief, "203.0.113.1:700", "x"), RIG_DROPPED + SL_DROP_no_allocation);
}

static void a_changed_ticket_is_none(void **state)
{
	for (unsigned i = 0; i < ticket_len * 8; i++) {
		uint8_t t[100];
		memcpy(t, ticket, ticket_len);
		t[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(refresh_with(&new, t, ticket_len, 600), 400);
	}
	assert_int_equal(refresh_with(&new, ticket, ticket_len - 1, 600), 400);
	assert_int_equal(refresh_with(&new, ticket, 0, 600), 400);
	assert_int_equal(owner()->n_moving, 0);
}

static void it_tells_nothing(void **state)
{
	uint8_t other[100];

	/* Two tickets for the same: not alike, and neither holds the allocation's id. */
	assert_int_equal(client_refresh(&old, 600), 0);
	memcpy(other, ticket, ticket_len);
	keep_ticket();
	assert_memory_not_equal(other, ticket, 8);
	assert_memory_not_equal(other + 8, ticket + 8, 8);
	assert_memory_not_equal(other + 16, ticket + 16, 8);
	/* And both are good until one is used. */
	assert_int_equal(refresh_with(&new, other, ticket_len, 600), 0);
}

static void a_lost_answer(void **state)
{
	assert_int_equal(refresh_with(&new, ticket, ticket_len, 600), 0);
	/* The same message again: answered again, with a ticket that is as good. */
	assert_int_equal(client_send(&new), 0);
	assert_int_equal(owner()->n_moving, 1);
	assert_int_equal(client_send(&new), 0);
	/* None of the answers came, and the client is at yet another place. */
	struct client third = client_at(&r, "198.51.100.77:7777", 0);
	assert_int_equal(refresh_with(&third, ticket, ticket_len, 600), 0);
	keep_ticket();
	assert_int_equal(owner()->n_moving, 1);
	assert_int_equal(sl_moved_owner(&wire.moved, &new.flow), -1);
	assert_int_equal(sl_turn_arrived(&r.turn[old.w], &new.flow, true, &r.now), SL_NONE);
	/* This answer came, and the client went on before it sent anything. */
	struct client fourth = client_at(&r, "198.51.100.78:7778", 0);
	assert_int_equal(refresh_with(&fourth, ticket, ticket_len, 600), 0);
	assert_int_equal(r.events[SL_ALLOC_MOVED], 1); /* to the third */
	assert_int_not_equal(client_alloc(&third), SL_NONE);
	assert_int_equal(client_permit(&fourth, "203.0.113.3:0"), 0); /* a request counts as arrival */
	assert_int_equal(r.events[SL_ALLOC_MOVED], 2);
	assert_int_equal(client_alloc(&third), SL_NONE);
	/* A Refresh that was on its way for long: from where it is, it is one. */
	assert_int_equal(refresh_with(&fourth, ticket, ticket_len, 600), 0);
}

static void it_ends_like_any(void **state)
{
	assert_int_equal(refresh_with(&new, ticket, ticket_len, 0), 0);
	assert_int_equal(owner()->n_active, 0);
	assert_int_equal(refresh_with(&new, ticket, ticket_len, 600), 437);
	assert_int_equal(allocate_mobile(&old), 0);
	assert_int_equal(refresh_with(&new, ticket, ticket_len, 600), 437); /* of the one before */
}

static void time_runs_out_on_the_way(void **state)
{
	assert_int_equal(refresh_with(&new, ticket, ticket_len, 600), 0);
	rig_wait(&r, 600);
	assert_int_equal(sl_turn_arrived(&r.turn[old.w], &new.flow, true, &r.now), SL_NONE);
	rig_tick(&r);
	assert_int_equal(owner()->n_active, 0);
	assert_int_equal(owner()->n_moving, 0);
	assert_false(sl_moved_any(&wire.moved));
	assert_false(sl_known_has(&r.known, old.w, sl_known_hash_client(&r.known, &new.flow)));
}

static void no_room_for_one_more(void **state)
{
	wire.no_room = true;
	assert_int_equal(refresh_with(&new, ticket, ticket_len, 600), 508);
	assert_int_equal(owner()->n_moving, 0);
	assert_int_not_equal(client_alloc(&old), SL_NONE);
	wire.no_room = false;
	assert_int_equal(refresh_with(&new, ticket, ticket_len, 600), 0);
}

static void close_connection(struct client *c)
{
	const struct sl_stream_record in = {.kind = SL_STREAM_IN_CLOSED, .flow = c->flow};

	sl_turn_stream_input(&r.turn[c->w], &in, &r.now, r.reply, sizeof r.reply);
}

static void connections_end(void **state)
{
	struct client a = stream_client_at(&r, "198.51.100.20:1", SL_TURN_OVER_TLS, 7), b = stream_client_at(&r, "198.51.100.20:2", SL_TURN_OVER_TCP, 8);
	struct client again = stream_client_at(&r, "198.51.100.20:3", SL_TURN_OVER_TLS, 9);

	assert_int_equal(client_allocate(&b), 0);
	assert_int_equal(allocate_mobile(&a), 0);
	keep_ticket();
	uint32_t alloc = client_alloc(&a);
	close_connection(&b);
	assert_int_equal(client_alloc(&b), SL_NONE);
	assert_int_equal(r.ends[SL_ALLOC_END_CONNECTION], 1);
	close_connection(&a);
	assert_int_equal(client_alloc(&a), SL_NONE); /* whoever gets that port is not the client */
	assert_int_not_equal(r.sessions[a.w].allocs[alloc].expires_s, 0);
	assert_int_equal(refresh_with(&again, ticket, ticket_len, 600), 0);
	keep_ticket();
	assert_int_equal(client_permit(&again, "203.0.113.1:0"), 0);
	assert_int_equal(again.w, a.w);
	assert_int_equal(client_alloc(&again), alloc);
	/* It goes on by UDP, and the connection is ended for it. */
	unsigned orders = wire.n_orders;
	assert_int_equal(refresh_with(&new, ticket, ticket_len, 600), 0);
	assert_int_equal(client_say(&new, "203.0.113.1:700", "x"), RIG_RELAYED);
	assert_int_equal(wire.n_orders, orders + 1);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_CLOSE);
	assert_true(sl_flow_eq(&wire_last()->flow, &again.flow));
	close_connection(&again);
	assert_int_equal(client_alloc(&new), alloc);
}

static void a_connection_ends_on_the_way(void **state)
{
	struct client a = stream_client_at(&r, "198.51.100.20:1", SL_TURN_OVER_TLS, 7);

	/* The new one ends: the old one goes on. */
	assert_int_equal(refresh_with(&a, ticket, ticket_len, 600), 0);
	close_connection(&a);
	assert_int_equal(owner()->n_moving, 0);
	assert_int_not_equal(client_alloc(&old), SL_NONE);
	/* The old one ends: the new one it is. */
	struct client b = stream_client_at(&r, "198.51.100.20:2", SL_TURN_OVER_TLS, 8);
	assert_int_equal(allocate_mobile(&b), 0);
	keep_ticket();
	struct client c = stream_client_at(&r, "198.51.100.20:3", SL_TURN_OVER_TLS, 9);
	assert_int_equal(refresh_with(&c, ticket, ticket_len, 600), 0);
	close_connection(&b);
	assert_int_not_equal(client_alloc(&c), SL_NONE);
}

static void after_a_crash(void **state)
{
	struct client a = stream_client_at(&r, "198.51.100.20:1", SL_TURN_OVER_TLS, 7), b = stream_client_at(&r, "198.51.100.20:2", SL_TURN_OVER_TCP, 8);

	assert_int_equal(refresh_with(&new, ticket, ticket_len, 600), 0);
	uint8_t of_old[100];
	keep_ticket();
	memcpy(of_old, ticket, ticket_len);
	assert_int_equal(client_say(&new, "203.0.113.1:700", "x"), RIG_RELAYED);
	assert_int_equal(client_allocate(&b), 0);
	assert_int_equal(allocate_mobile(&a), 0);
	keep_ticket();
	rig_stop(&r);
	rig_start(&r, 2);
	wire_attach(&r);
	/* The moved one is where it was, at a worker that the buckets do not know of; of the streams the mobile one waits for its client. */
	assert_int_not_equal(client_alloc(&new), SL_NONE);
	assert_int_equal(client_alloc(&b), SL_NONE);
	assert_int_equal(client_alloc(&a), SL_NONE);
	assert_int_equal(r.sessions[0].n_active + r.sessions[1].n_active, 2);
	struct client c = stream_client_at(&r, "198.51.100.20:3", SL_TURN_OVER_TLS, 1);
	assert_int_equal(refresh_with(&c, ticket, ticket_len, 600), 0);
	assert_int_equal(client_permit(&c, "203.0.113.1:0"), 0);
	assert_int_not_equal(client_alloc(&c), SL_NONE);
	/* What was used up stays so. */
	struct client d = client_at(&r, "198.51.100.99:99", 0);
	assert_int_equal(refresh_with(&d, of_old, ticket_len, 600), 0);
}

static void the_table_of_moved_flows(void **state)
{
	struct client c[40];

	for (unsigned i = 0; i < SL_COUNT(c); i++) {
		char ep[40];
		snprintf(ep, sizeof ep, "198.51.100.3:%u", 100 + i);
		c[i] = client_at(&r, ep, 0);
		assert_int_equal(sl_moved_owner(&wire.moved, &c[i].flow), -1);
		assert_true(sl_moved_set(&wire.moved, &c[i].flow, i % 31));
		assert_true(sl_moved_set(&wire.moved, &c[i].flow, i % 31));
	}
	for (unsigned i = 0; i < SL_COUNT(c); i++) {
		assert_int_equal(sl_moved_owner(&wire.moved, &c[i].flow), i % 31);
		sl_moved_unset(&wire.moved, &c[i].flow, i % 31 + 1); /* not his */
		assert_int_equal(sl_moved_owner(&wire.moved, &c[i].flow), i % 31);
		sl_moved_unset(&wire.moved, &c[i].flow, i % 31);
		assert_int_equal(sl_moved_owner(&wire.moved, &c[i].flow), -1);
	}
	assert_false(sl_moved_any(&wire.moved));
	/* It takes no more than it has room for, and says so. */
	unsigned n = 0;
	struct sl_flow f = c[0].flow;
	for (; sl_moved_set(&wire.moved, &f, 1); n++)
		f.port_be++;
	assert_in_range(n, 16, wire.moved.mask + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_may_have_one, setup, teardown),
		cmocka_unit_test_setup_teardown(a_ticket_has_no_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(a_client_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_else_may_use_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_changed_ticket_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(it_tells_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_lost_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(it_ends_like_any, setup, teardown),
		cmocka_unit_test_setup_teardown(time_runs_out_on_the_way, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room_for_one_more, setup, teardown),
		cmocka_unit_test_setup_teardown(connections_end, setup, teardown),
		cmocka_unit_test_setup_teardown(a_connection_ends_on_the_way, setup, teardown),
		cmocka_unit_test_setup_teardown(after_a_crash, setup, teardown),
		cmocka_unit_test_setup_teardown(the_table_of_moved_flows, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
