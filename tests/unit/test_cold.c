/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Cold records: what lies there is believed only field by field. */

#include "tests/unit/unit.h"

#include <errno.h>

#include "tests/unit/turn_rig.h"

static struct rig r;
static struct client c, d;

/* Two allocations on one worker, the first with two channels, a permission and a reservation. */
static int setup(void **state)
{
	rig_open(&r, 1);
	c = client_at(&r, "198.51.100.1:4000", 0);
	d = client_at(&r, "198.51.100.2:4000", 0);
	return client_allocate(&c) || client_bind(&c, 0x4000, "203.0.113.1:700") ||
		client_bind(&c, 0x4001, "203.0.113.1:701") || client_permit(&c, "203.0.113.2:0") || client_allocate(&d);
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

static struct sl_cold_alloc *record(void)
{
	return &sl_cold_view(r.cold, 0, 1).allocs[client_alloc(&c)];
}

static struct sl_cold_peer *peer_record(uint16_t channel)
{
	struct sl_cold_peer *p = sl_cold_view(r.cold, 0, 1).peers;

	for (unsigned i = 0; i < RIG_PEERS; i++) {
		if (p[i].valid && p[i].channel == channel)
			return &p[i];
	}
	abort();
}

static void restart(void)
{
	rig_stop(&r);
	rig_start(&r, 1);
}

static void the_header(void **state)
{
	size_t bytes = sl_cold_size(10, 20);
	struct sl_cold *m = (struct sl_cold *)aligned_alloc(64, bytes);

	assert_non_null(m);
	memset(m, 0, bytes);
	assert_int_equal(sl_cold_check(m, bytes, 10, 20), -EPROTO);
	assert_int_equal(sl_cold_create(m, 10, 20), 0);
	assert_int_equal(sl_cold_check(m, bytes, 10, 20), 0);
	assert_int_equal(sl_cold_check(m, bytes - 1, 10, 20), -EPROTO);
	assert_int_equal(sl_cold_check(m, bytes, 11, 20), -EPROTO);
	assert_int_equal(sl_cold_check(m, bytes, 10, 19), -EPROTO);
	m->version++;
	assert_int_equal(sl_cold_check(m, bytes, 10, 20), -EPROTO);
	m->version--;
	m->layout++;
	assert_int_equal(sl_cold_check(m, bytes, 10, 20), -EPROTO);
	m->layout--;
	m->size_bytes++;
	assert_int_equal(sl_cold_check(m, bytes, 10, 20), -EPROTO);
	/* Shares lie inside the memory and apart from one another. */
	for (unsigned n = 1; n <= 4; n++) {
		for (unsigned w = 0; w < n; w++) {
			struct sl_cold_view v = sl_cold_view(m, w, n);
			assert_true((uint8_t *)(v.allocs + 10 / n) <= (uint8_t *)sl_cold_view(m, 0, n).peers);
			assert_true((uint8_t *)(v.peers + 20 / n) <= (uint8_t *)m + bytes);
		}
	}
	free(m);
}

static void an_allocation_with_one_thing_wrong_is_dropped(void **state)
{
	for (unsigned wrong = 0; wrong < 21; wrong++) {
		struct sl_cold_alloc *rec = record(), *other = &sl_cold_view(r.cold, 0, 1).allocs[client_alloc(&d)];
		struct sl_cold_alloc saved;
		memcpy(&saved, rec, sizeof saved);
		switch (wrong) {
		case 0: rec->valid = 0x1000001; break;
		case 1: rec->expires_s = r.now.s; break;
		case 2: rec->expires_s = r.now.s + 86400 + 601; break;
		case 3: rec->client_port_be = 0; break;
		case 4: rec->server = rec->relay; break; /* no listener */
		case 5: rec->relay_port_be = 0; break;
		case 6: rec->relay_port_be = htons(RIG_PORT_MAX + 1); break;
		case 7: rec->relay_port_be = other->relay_port_be; rec->relay = other->relay; break;
		case 8: rec->client = rig_ip("2001:db8::5"); break;
		case 9: rec->client = rig_ip("224.0.0.1"); break;
		case 10: rec->relay = SL_COLD_NO_LOCAL; break;
		case 11: rec->server = (uint16_t)r.cold->locals.n; break;
		case 12: rec->auth.key_len = 24; break;
		case 13: rec->over = SL_TURN_OVER_TCP; break; /* and not mobile */
		case 14: rec->auth.username_len = SL_COLD_USERNAME_MAX + 1; break;
		case 16: rec->over = SL_TURN_N_TRANSPORTS; break;
		case 17: rec->relay2_port_be = htons(RIG_PORT_MAX); break; /* of no address */
		case 18: rec->relay2_port_be = htons(RIG_PORT_MAX); rec->relay2 = rec->relay; break;
		case 19: rec->auth.flags = SL_ALLOC_IS_TCP; break;
		case 20: rec->auth.flags = SL_ALLOC_IS_MOVING; break;
		default: rec->client = other->client; rec->client_port_be = other->client_port_be; break;
		}
		restart();
		/* Where two records clash the first counts: one allocation is left in any case. */
		assert_int_equal(r.sessions[0].n_active, 1);
		assert_true(client_alloc(&d) != SL_NONE || wrong == 7 || wrong == 15);
		teardown(NULL);
		assert_int_equal(setup(NULL), 0);
	}
}

static void a_peer_with_one_thing_wrong_is_dropped(void **state)
{
	for (unsigned wrong = 0; wrong < 13; wrong++) {
		struct sl_cold_peer *rec = peer_record(0x4000), *plain = peer_record(0);
		switch (wrong) {
		case 0: rec->valid++; break;
		case 1: rec->alloc = RIG_ALLOCS; break;
		case 2: rec->alloc = UINT32_MAX; break;
		case 3: rec->alloc = 5; break; /* nobody's */
		case 4: rec->permission_expires_s = UINT32_MAX; break;
		case 5: rec->channel_expires_s = UINT32_MAX; break;
		case 6: {
			const struct sl_ip other = rig_ip("2001:db8::5");
			memcpy(rec->ip, other.b, sizeof rec->ip);
			break;
		}
		case 7: rec->port_be = 0; break;
		case 8: rec->channel = 0x3fff; break;
		case 9: rec->channel = 0x8000; break;
		case 10: rec->channel = 0x4001; break; /* bound already */
		case 11: plain->port_be = 7; break;
		default: memcpy(plain->ip, rec->ip, sizeof rec->ip); break; /* a plain record beside the channel's */
		}
		restart();
		assert_int_equal(r.sessions[0].n_active, 2);
		if (wrong == 12) /* whichever came first counts */
			assert_in_range(r.sessions[0].n_peers_active, 1, 2);
		else
			assert_int_equal(r.sessions[0].n_peers_active, 2);
		teardown(NULL);
		assert_int_equal(setup(NULL), 0);
	}
}

/* Every bit of every record, one at a time: what comes back is an allocation that could have been. */
static void any_flipped_bit(void **state)
{
	size_t bytes = sl_cold_size(RIG_WORKERS * RIG_ALLOCS, RIG_WORKERS * RIG_PEERS);
	uint8_t *mem = (uint8_t *)r.cold, *saved = (uint8_t *)malloc(bytes);
	uint8_t *first = (uint8_t *)record(), *peers = (uint8_t *)sl_cold_view(r.cold, 0, 1).peers;

	assert_non_null(saved);
	memcpy(saved, mem, bytes);
	size_t end = (size_t)(peers - mem) + 4 * sizeof(struct sl_cold_peer);
	for (size_t at = (size_t)(first - mem); at < end; at++) {
		if (at > (size_t)(first - mem) + sizeof(struct sl_cold_alloc) && at < (size_t)(peers - mem))
			continue;
		memcpy(mem, saved, bytes);
		mem[at] ^= (uint8_t)(1 << at % 8);
		restart();
		struct sl_sessions *s = &r.sessions[0];
		assert_in_range(s->n_active, 1, 2);
		for (uint32_t i = 0; i < s->n_allocs; i++) {
			const struct sl_alloc *a = &s->allocs[i];
			if (a->expires_s == 0)
				continue;
			assert_true(a->expires_s > r.now.s && a->expires_s <= r.now.s + 86400 + 600);
			assert_int_equal(sl_relay_find(&s->ports, a->relay, ntohs(a->relay_port_be)), i);
			unsigned n = 0;
			for (uint32_t p = a->peers; p != SL_NONE; p = s->peers[p].next, n++)
				assert_true(s->peers[p].channel == 0 ||
					(s->peers[p].channel >= SL_CHANNEL_MIN &&
						s->peers[p].channel <= SL_CHANNEL_MAX_RFC5766));
			assert_int_equal(n, a->n_peers);
			sl_alloc_delete(s, i);
		}
		assert_int_equal(s->n_peers_active, 0);
	}
	free(saved);
}

/* A crash between two stores of a change: the record counts as free, its neighbours live. */
static void a_half_written_record(void **state)
{
	record()->valid = 0;
	restart();
	assert_int_equal(r.sessions[0].n_active, 1);
	assert_int_equal(r.sessions[0].n_peers_active, 0);
	assert_int_equal(client_alloc(&c), SL_NONE);
	assert_int_equal(client_allocate(&c), 0);
}

static void memory_of_another_number_of_workers_is_refused(void **state)
{
	assert_int_equal(sl_cold_prepare(r.cold, 2), -EPROTO);
	assert_int_equal(sl_cold_prepare(r.cold, 1), 0);
}

/* One address and port for TCP and, behind it in the configuration, UDP: a client is restored where he comes to. */
static void listeners_of_two_transports(void **state)
{
	r.listeners[1] = r.listeners[0];
	r.apart[0] = r.apart[1] = true;
	r.over[0] = SL_TURN_OVER_TCP;
	r.over[1] = SL_TURN_OVER_UDP;
	restart();
	assert_int_equal(r.sessions[0].n_active, 2);
	c.flow.listener = d.flow.listener = 1;
	assert_true(client_alloc(&c) != SL_NONE && client_alloc(&d) != SL_NONE);
}

/* The clock of the working half that died was ahead of the new one's. */
static void a_clock_that_went_back_costs_no_allocation(void **state)
{
	record()->expires_s = r.now.s + 86400;
	rig_stop(&r);
	r.now.s -= 2;
	r.now.ms -= 2000;
	rig_start(&r, 1);
	assert_int_equal(r.sessions[0].n_active, 2);
	const struct sl_alloc *a = &r.sessions[0].allocs[client_alloc(&c)];
	assert_int_equal(a->created_s, r.now.s);
	struct sl_evt_allocation e;
	sl_turn_describe(&r.turn[0], client_alloc(&c), r.now.s, &e);
	assert_int_equal(e.age_s, 0);
}

static void counts_survive(void **state)
{
	struct sl_alloc *a = &r.sessions[0].allocs[client_alloc(&c)];
	struct sl_evt_allocation e;

	a->to_peer_bytes = 0x500000001;
	a->to_client_bytes = 7;
	a->to_peer_packets_lo = 11;
	a->to_peer_packets_hi = 2;
	a->to_client_packets_lo = UINT32_MAX;
	a->to_client_packets_hi = UINT16_MAX;
	rig_tick(&r);
	restart();
	sl_turn_describe(&r.turn[0], client_alloc(&c), r.now.s, &e);
	assert_int_equal(e.to_peer_bytes, 0x500000001);
	assert_int_equal(e.to_client_bytes, 7);
	assert_int_equal(e.to_peer_packets, 0x20000000b);
	assert_int_equal(e.to_client_packets, 0xffffffffffff);
	/* The next allocation in the slot begins at nothing. */
	assert_int_equal(client_refresh(&c, 0), 0);
	assert_int_equal(client_allocate(&c), 0);
	restart();
	sl_turn_describe(&r.turn[0], client_alloc(&c), r.now.s, &e);
	assert_int_equal(e.to_peer_bytes + e.to_client_bytes + e.to_peer_packets + e.to_client_packets, 0);
}

/* A listener or relay address has one number, now and for who reads the records later. */
static void numbers_of_local_addresses(void **state)
{
	struct sl_cold_locals *t = (struct sl_cold_locals *)calloc(1, sizeof *t);
	struct sl_endpoint local = rig_endpoint("192.0.2.1:1000"), found;

	assert_non_null(t);
	assert_false(sl_cold_local_at(t, 0, &found));
	for (uint16_t i = 0; i < SL_COLD_MAX_LOCALS; i++, local.port_be++)
		assert_int_equal(sl_cold_local(t, &local), i);
	assert_int_equal(sl_cold_local(t, &local), SL_COLD_NO_LOCAL);
	assert_false(sl_cold_local_at(t, SL_COLD_NO_LOCAL, &found));
	for (uint16_t i = SL_COLD_MAX_LOCALS; i-- > 0;) {
		local.port_be--;
		assert_int_equal(sl_cold_local(t, &local), i);
		assert_true(sl_cold_local_at(t, i, &found) && sl_endpoint_eq(&found, &local));
	}
	/* Scribbled over. */
	t->n = UINT32_MAX;
	assert_false(sl_cold_local_at(t, SL_COLD_MAX_LOCALS, &found));
	local.ip = rig_ip("192.0.2.2");
	assert_int_equal(sl_cold_local(t, &local), SL_COLD_NO_LOCAL);
	assert_int_equal(t->n, SL_COLD_MAX_LOCALS);
	free(t);
}

/* Where the table does not say what it said, its records are not believed, and new ones are. */
static void a_scribbled_table_of_local_addresses(void **state)
{
	for (uint32_t i = 0; i < r.cold->locals.n; i++)
		r.cold->locals.at[i].ip = rig_ip("192.0.2.9");
	restart();
	assert_int_equal(r.sessions[0].n_active, 0);
	assert_int_equal(client_allocate(&c), 0);
	restart();
	assert_int_equal(r.sessions[0].n_active, 1);
	assert_true(client_alloc(&c) != SL_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_header),
		cmocka_unit_test_setup_teardown(an_allocation_with_one_thing_wrong_is_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(a_peer_with_one_thing_wrong_is_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(any_flipped_bit, setup, teardown),
		cmocka_unit_test_setup_teardown(a_half_written_record, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_of_another_number_of_workers_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(listeners_of_two_transports, setup, teardown),
		cmocka_unit_test_setup_teardown(a_clock_that_went_back_costs_no_allocation, setup, teardown),
		cmocka_unit_test_setup_teardown(counts_survive, setup, teardown),
		cmocka_unit_test(numbers_of_local_addresses),
		cmocka_unit_test_setup_teardown(a_scribbled_table_of_local_addresses, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
