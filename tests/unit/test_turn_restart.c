/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The working half dies and comes back: allocations live on from their cold records. */

#include "tests/unit/unit.h"

#include "tests/unit/turn_rig.h"

enum { CLIENTS = 6 };
static struct rig r;
static struct client c[CLIENTS];
static struct sl_endpoint relayed[CLIENTS];

static void build(unsigned workers)
{
	rig_open(&r, workers);
	for (unsigned i = 0; i < CLIENTS; i++) {
		char ep[40];
		snprintf(ep, sizeof ep, "198.51.100.%u:4000", i + 1);
		c[i] = client_at(&r, ep, 0);
		assert_int_equal(client_allocate(&c[i]), 0);
		relayed[i] = r.answer.relayed;
		assert_int_equal(client_bind(&c[i], 0x4000 + i, "203.0.113.1:700"), 0);
		assert_int_equal(client_bind(&c[i], 0x4100 + i, "203.0.113.1:701"), 0);
		assert_int_equal(client_permit(&c[i], "203.0.113.2:0"), 0);
		assert_int_equal(client_permit(&c[i], "192.0.2.2:0"), 0);
	}
}

static void restart(unsigned workers)
{
	rig_stop(&r);
	rig_wait(&r, 2);
	rig_start(&r, workers);
}

static void everything_is_there(unsigned workers)
{
	unsigned active = 0, restored = 0;

	for (unsigned w = 0; w < workers; w++) {
		active += r.sessions[w].n_active;
		restored += (unsigned)r.counters[w][SL_C_allocations_restored];
	}
	assert_int_equal(active, CLIENTS);
	assert_int_equal(restored, CLIENTS);
	assert_int_equal(sl_turn_quota_count(&r.quota, rig_quota_hash(&r, "alice")), CLIENTS);
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct sl_sessions *s = &r.sessions[c[i].w];
		uint32_t alloc = client_alloc(&c[i]);
		assert_int_not_equal(alloc, SL_NONE);
		const struct sl_alloc *a = &s->allocs[alloc];
		uint16_t port = ntohs(relayed[i].port_be);
		assert_int_equal(a->expires_s, 5600);
		assert_int_equal(sl_port_owner(&r.ports, 0, port), c[i].w);
		assert_int_equal(sl_relay_find(&s->ports, 0, port), alloc);
		uint32_t peer = sl_peer_by_channel(s, a, (uint16_t)(0x4100 + i));
		assert_int_not_equal(peer, SL_NONE);
		assert_int_equal(ntohs(s->peers[peer].port_be), 701);
		assert_int_equal(a->n_peers, 4);
		/* Known to the others, relaying and refreshing without a new login. */
		assert_true(sl_known_has(&r.known, c[i].w, sl_known_hash_client(&r.known, &c[i].flow)));
		assert_true(sl_known_has(&r.known, c[i].w,
			sl_known_hash_peer(&r.known, &s->peers[peer].ip, 0, relayed[i].port_be)));
		assert_int_equal(client_say(&c[i], "203.0.113.2:9", "x"), RIG_RELAYED);
		assert_int_equal(client_say(&c[i], "192.0.2.2:50200", "x"), RIG_RELAYED);
		assert_true(s->peers[r.verdict.peer].own_address);
		assert_int_equal(client_refresh(&c[i], 600), 0);
	}
}

static void ends_cleanly(unsigned workers)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_int_equal(client_refresh(&c[i], 0), 0);
	for (unsigned n = 0; n < 10; n++) {
		rig_wait(&r, 1);
		rig_tick(&r);
	}
	unsigned free_ports = 0;
	for (unsigned w = 0; w < workers; w++) {
		assert_int_equal(r.sessions[w].n_active, 0);
		assert_int_equal(r.sessions[w].n_peers_active, 0);
		free_ports += r.sessions[w].ports.n_free[0];
	}
	assert_int_equal(free_ports, RIG_PORT_MAX - RIG_PORT_MIN + 1);
	for (size_t i = 0; i < ((size_t)r.known.mask + 1) * SL_KNOWN_BUCKET_SLOTS * workers; i++)
		assert_int_equal(r.known.slots[i], 0);
	rig_close(&r);
}

static void same_workers(void **state)
{
	build(2);
	restart(2);
	everything_is_there(2);
	restart(2);
	ends_cleanly(2);
}

static void add_token(struct client *d, const uint8_t token[8])
{
	add_transport(client_ask(d, SL_TURN_ALLOCATE), 17);
	sl_stun_add(&d->b, SL_ATTR_RESERVATION_TOKEN, token, 8);
}

/* A client that belongs to worker w. */
static struct client client_of(unsigned w, unsigned port)
{
	for (;; port++) {
		char ep[40];
		snprintf(ep, sizeof ep, "198.51.100.77:%u", port);
		struct client d = client_at(&r, ep, 0);
		if (d.w == w)
			return d;
	}
}

/* Ask for a pair of ports; the token comes from the answer. */
static void reserve(struct client *d, uint8_t token[8])
{
	static const uint8_t with_r = 0x80;

	client_login(d);
	add_transport(client_ask(d, SL_TURN_ALLOCATE), 17);
	sl_stun_add(&d->b, SL_ATTR_EVEN_PORT, &with_r, 1);
	assert_int_equal(client_go(d), 0);
	memcpy(token, sl_span_at(&r.answer, r.answer.reservation_token), 8);
}

static void a_borrowed_port_stays_with_its_borrower(void **state)
{
	uint8_t token[8];

	rig_open(&r, 2);
	struct client a = client_of(0, 4000), b = client_of(1, 5000);
	reserve(&a, token);
	client_login(&b);
	add_token(&b, token);
	assert_int_equal(client_go(&b), 0);
	uint16_t odd = ntohs(r.answer.relayed.port_be);
	restart(2);
	assert_int_equal(sl_port_owner(&r.ports, 0, odd), 1);
	assert_int_equal(sl_relay_find(&r.sessions[1].ports, 0, odd), client_alloc(&b));
	/* New allocations of the block's owner never get it. */
	for (unsigned i = 0; i < RIG_ALLOCS - 1; i++) {
		struct client d = client_of(0, 10000 + 100 * i);
		assert_int_equal(client_allocate(&d), 0);
		assert_int_not_equal(ntohs(r.answer.relayed.port_be), odd);
		assert_int_equal(client_refresh(&d, 0), 0);
	}
	assert_int_equal(client_refresh(&a, 0), 0);
	assert_int_equal(client_refresh(&b, 0), 0);
	for (unsigned n = 0; n < 10; n++) {
		rig_wait(&r, 1);
		rig_tick(&r);
	}
	assert_int_equal(sl_port_owner(&r.ports, 0, odd), 0);
	assert_int_equal(r.sessions[0].ports.n_free[0] + r.sessions[1].ports.n_free[0], RIG_PORT_MAX - RIG_PORT_MIN + 1);
	rig_close(&r);
}

/* Reservations are not recorded: after a restart nobody is given a token that nobody could redeem. */
static void a_reservation_ends_with_the_process(void **state)
{
	uint8_t token[8], transaction[12];

	rig_open(&r, 1);
	struct client a = client_of(0, 4000), b = client_of(0, 5000);
	reserve(&a, token);
	memcpy(transaction, a.msg + 8, sizeof transaction);
	rig_stop(&r);
	rig_start(&r, 1);
	assert_int_equal(client_send(&a), 0); /* retransmitted */
	assert_memory_equal(r.answer.tid, transaction, sizeof transaction);
	assert_int_equal(r.answer.reservation_token.off, 0);
	client_login(&b);
	add_token(&b, token);
	assert_int_equal(client_go(&b), 508);
	assert_int_equal(r.sessions[0].ports.n_free[0], RIG_PORT_MAX - RIG_PORT_MIN);
	assert_int_equal(client_refresh(&a, 0), 0);
	assert_int_equal(r.sessions[0].ports.n_free[0], RIG_PORT_MAX - RIG_PORT_MIN + 1);
	rig_close(&r);
}

static void a_rest_user_is_counted_on(void **state)
{
	static const char *const names[] = {"1800000900:eve", "1800000901:eve"};
	uint8_t mac[20];

	rig_open(&r, 1);
	r.realm.user_quota = 1;
	rig_provision(&r, "north", NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct client d = client_of(0, 4000 + 100 * i);
		d.user = names[i];
		HMAC(EVP_sha1(), "north", 5, (const uint8_t *)d.user, strlen(d.user), mac, NULL);
		EVP_EncodeBlock((uint8_t *)d.password, mac, 20);
		assert_int_equal(client_allocate(&d), i == 0 ? 0 : 486);
		rig_stop(&r);
		rig_start(&r, 1);
	}
	rig_close(&r);
}

static void what_expired_meanwhile_stays_away(void **state)
{
	build(2);
	rig_stop(&r);
	rig_wait(&r, 300); /* permissions are over, channels not yet */
	rig_start(&r, 2);
	for (unsigned w = 0; w < 2; w++)
		assert_int_equal(r.sessions[w].n_peers_active, 2 * r.sessions[w].n_active);
	rig_stop(&r);
	rig_wait(&r, 300);
	rig_start(&r, 2);
	assert_int_equal(r.sessions[0].n_active + r.sessions[1].n_active, 0);
	assert_int_equal(r.sessions[0].n_peers_active + r.sessions[1].n_peers_active, 0);
	/* Its keys are gone from the memory. */
	for (unsigned w = 0; w < 2; w++) {
		for (unsigned i = 0; i < RIG_ALLOCS; i++) {
			static const uint8_t zeros[32];
			assert_int_equal(r.sessions[w].cold.allocs[i].valid, 0);
			assert_memory_equal(r.sessions[w].cold.allocs[i].auth.key, zeros, 32);
		}
	}
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_workers),
		cmocka_unit_test(a_borrowed_port_stays_with_its_borrower),
		cmocka_unit_test(a_reservation_ends_with_the_process),
		cmocka_unit_test(a_rest_user_is_counted_on),
		cmocka_unit_test(what_expired_meanwhile_stays_away),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
