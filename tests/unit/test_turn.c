/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* STUN and TURN as a client meets them: whole flows, then each rule about allocations. */

#include "tests/unit/unit.h"

#include "tests/unit/turn_rig.h"

static struct rig r;

static int setup(void **state)
{
	rig_open(&r, 1);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

static void a_whole_life(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);
	struct sl_sessions *s = &r.sessions[0];

	client_login(&c);
	assert_int_equal(r.answer.realm.len, 11);
	assert_true(r.answer.password_algorithms.off != 0);
	assert_int_equal(s->n_active, 0);

	assert_int_equal(client_allocate(&c), 0);
	assert_true(client_answer_authentic(&c));
	assert_true(r.answer.has_relayed && r.answer.has_mapped && r.answer.has_lifetime);
	assert_int_equal(r.answer.lifetime_s, 600);
	assert_true(sl_ip_eq(&r.answer.relayed.ip, &r.relay[0]));
	assert_true(sl_ip_eq(&r.answer.mapped.ip, &c.flow.ip));
	assert_int_equal(r.answer.mapped.port_be, c.flow.port_be);
	assert_true(r.answer.software.off != 0);
	uint16_t port = ntohs(r.answer.relayed.port_be);
	assert_in_range(port, RIG_PORT_MIN, RIG_PORT_MAX);
	uint32_t alloc = client_alloc(&c);
	assert_int_equal(sl_relay_find(&s->ports, 0, port), alloc);
	assert_true(sl_known_has(&r.known, 0, sl_known_hash_client(&r.known, &c.flow)));
	assert_int_equal(r.events[SL_ALLOC_CREATED], 1);

	assert_int_equal(client_say(&c, "203.0.113.5:700", "hi"), RIG_DROPPED + SL_DROP_no_permission);
	assert_int_equal(client_permit(&c, "203.0.113.5:0"), 0);
	assert_true(client_answer_authentic(&c));
	assert_int_equal(r.resolved, 1);
	struct sl_ip peer_ip = rig_ip("203.0.113.5");
	uint64_t known_peer = sl_known_hash_peer(&r.known, &peer_ip, 0, htons(port));
	assert_true(sl_known_has(&r.known, 0, known_peer));
	assert_int_equal(client_say(&c, "203.0.113.5:700", "hi"), RIG_RELAYED);
	assert_int_equal(r.verdict.alloc, alloc);
	assert_int_equal(r.verdict.data.len, 2);
	assert_int_equal(ntohs(r.verdict.to.port_be), 700);

	assert_int_equal(client_bind(&c, 0x4001, "203.0.113.5:700"), 0);
	uint32_t peer = sl_peer_by_channel(s, &s->allocs[alloc], 0x4001);
	assert_int_not_equal(peer, SL_NONE);
	assert_int_equal(s->n_peers_active, 1); /* the permission became the channel's */
	assert_int_equal(client_say(&c, "203.0.113.5:701", "hi"), RIG_RELAYED);

	rig_wait(&r, 500);
	rig_tick(&r);
	assert_int_equal(client_refresh(&c, 1000), 0);
	assert_int_equal(r.answer.lifetime_s, 1000);
	assert_int_equal(r.events[SL_ALLOC_REFRESHED], 1);
	assert_int_equal(client_say(&c, "203.0.113.5:700", "hi"), RIG_DROPPED + SL_DROP_no_permission);
	rig_wait(&r, 100);
	rig_tick(&r);
	assert_int_equal(s->n_peers_active, 0); /* the channel has expired too */
	assert_false(sl_known_has(&r.known, 0, known_peer));
	assert_int_equal(sl_peer_by_channel(s, &s->allocs[alloc], 0x4001), SL_NONE);

	rig_wait(&r, 899);
	rig_tick(&r);
	assert_int_equal(s->n_active, 1);
	rig_wait(&r, 1);
	rig_tick(&r);
	assert_int_equal(s->n_active, 0);
	assert_int_equal(r.ends[SL_ALLOC_END_EXPIRED], 1);
	assert_int_equal(sl_relay_find(&s->ports, 0, port), SL_NONE);
	assert_false(sl_known_has(&r.known, 0, sl_known_hash_client(&r.known, &c.flow)));
	assert_int_equal(client_say(&c, "203.0.113.5:700", "hi"), RIG_DROPPED + SL_DROP_no_allocation);
}

static void retransmissions(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);

	assert_int_equal(client_allocate(&c), 0);
	struct sl_endpoint relayed = r.answer.relayed;
	rig_wait(&r, 5);
	assert_int_equal(client_send(&c), 0); /* the same bytes */
	assert_true(sl_endpoint_eq(&r.answer.relayed, &relayed));
	assert_int_equal(r.answer.lifetime_s, 595);
	assert_int_equal(r.sessions[0].n_active, 1);
	assert_int_equal(r.events[SL_ALLOC_CREATED], 1);
	assert_int_equal(client_allocate(&c), 437); /* another transaction */
	assert_true(client_answer_authentic(&c));
	assert_int_equal(client_permit(&c, "203.0.113.5:0"), 0);
	assert_int_equal(client_send(&c), 0);
	assert_int_equal(r.sessions[0].n_peers_active, 1);
	assert_int_equal(client_bind(&c, 0x4000, "203.0.113.6:9"), 0);
	assert_int_equal(client_send(&c), 0);
	assert_int_equal(r.sessions[0].n_peers_active, 2);
	assert_int_equal(client_refresh(&c, 0), 0);
	assert_int_equal(r.answer.lifetime_s, 0);
	assert_int_equal(r.ends[SL_ALLOC_END_CLIENT], 1);
	assert_int_equal(client_send(&c), 437); /* which its client takes for success */
	assert_int_equal(r.sessions[0].n_active, 0);
	assert_int_equal(r.counters[0][SL_C_allocations_deleted], 1);
	assert_int_equal(r.counters[0][SL_C_permissions_active], 0);
}

static void binding(void **state)
{
	struct client c = client_at(&r, "[2001:db8::77]:999", 1);

	client_ask(&c, SL_STUN_BINDING);
	c.fingerprint = true;
	assert_int_equal(client_send(&c), 0);
	assert_true(r.answer.has_mapped && sl_ip_eq(&r.answer.mapped.ip, &c.flow.ip));
	assert_true(r.answer.has_fingerprint);
	client_begin(&c, SL_STUN_BINDING, SL_STUN_INDICATION);
	assert_int_equal(client_send(&c), RIG_DROPPED + SL_N_DROPS);
	client_begin(&c, SL_STUN_BINDING, SL_STUN_SUCCESS);
	assert_int_equal(client_send(&c), RIG_DROPPED + SL_DROP_stun_unexpected);
	client_ask(&c, 0x0ab);
	assert_int_equal(client_send(&c), RIG_DROPPED + SL_DROP_stun_unexpected);
	sl_stun_add_u32(client_ask(&c, SL_STUN_BINDING), 0x7f01, 1);
	assert_int_equal(client_send(&c), 420);
	r.turn[0].conf = NULL;
	client_ask(&c, SL_STUN_BINDING);
	assert_int_equal(client_send(&c), 0);
	client_ask(&c, SL_TURN_ALLOCATE);
	assert_int_equal(client_send(&c), RIG_DROPPED + SL_DROP_not_ready);
}

/* One Allocate with one thing wrong with it. */
static unsigned allocate_with(struct client *c, const char *attributes)
{
	static const uint8_t token[8] = {1, 2, 3};

	if (c->nonce_len == 0)
		client_login(c);
	client_ask(c, SL_TURN_ALLOCATE);
	for (; *attributes; attributes++) {
		switch (*attributes) {
		case 'u':
			add_transport(&c->b, 17);
			break;
		case 't':
			add_transport(&c->b, 6);
			break;
		case '4':
		case '6':
		case '9':
			add_family(&c->b, SL_ATTR_REQUESTED_ADDRESS_FAMILY, *attributes == '4' ? 1 : *attributes == '6' ? 2 : 9);
			break;
		case 'a':
		case 'A':
			add_family(&c->b, SL_ATTR_ADDITIONAL_ADDRESS_FAMILY, *attributes == 'a' ? 1 : 2);
			break;
		case 'e':
		case 'R':
			sl_stun_add(&c->b, SL_ATTR_EVEN_PORT, *attributes == 'R' ? "\x80" : "", 1);
			break;
		case 'k':
			sl_stun_add(&c->b, SL_ATTR_RESERVATION_TOKEN, token, 8);
			break;
		case 'd':
			sl_stun_add(&c->b, SL_ATTR_DONT_FRAGMENT, NULL, 0);
			break;
		default:
			sl_stun_add_u32(&c->b, 0x7f02, 0);
		}
	}
	return client_go(c);
}

static void rules_of_allocate(void **state)
{
	static const struct {
		const char *attributes;
		unsigned code;
	} rows[] = {
		{"", 400}, {"t", 442}, {"u?", 420}, {"u9", 440}, {"uk", 508}, {"uke", 400}, {"uk4", 400}, {"ukA", 400},
		{"u4A", 400}, {"ua", 400}, {"uRA", 400}, {"ut", 0}, {"ud", 0}, {"u4", 0}, {"u6", 0}, {"uA", 0}, {"ue", 0},
		{"uR", 0}, {"ueA", 0},
	};

	for (unsigned i = 0; i < SL_COUNT(rows); i++) {
		char from[40];
		snprintf(from, sizeof from, "198.51.100.7:%u", 5000 + i);
		struct client c = client_at(&r, from, 0);
		unsigned code = allocate_with(&c, rows[i].attributes);
		if (code != rows[i].code)
			fail_msg("'%s' answered %u", rows[i].attributes, code);
		assert_true(client_answer_authentic(&c));
		assert_int_equal(client_alloc(&c) != SL_NONE, code == 0);
		if (code != 0)
			continue;
		bool v6 = strchr(rows[i].attributes, '6') != NULL, even = strpbrk(rows[i].attributes, "eR") != NULL;
		assert_int_equal(sl_ip_is_v4(&r.answer.relayed.ip), !v6);
		assert_true(!even || ntohs(r.answer.relayed.port_be) % 2 == 0);
		assert_int_equal(r.answer.reservation_token.off != 0, strchr(rows[i].attributes, 'R') != NULL);
		assert_int_equal(client_refresh(&c, 0), 0);
	}
	assert_int_equal(r.sessions[0].n_active, 0);
}

static void additional_family_is_refused_inside_the_success(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:5000", 0);
	static const uint8_t attribute[] = {0x80, 0x01, 0, 4, 2, 0, 4, 40};

	r.turn[0].n_relay = 1; /* the node has no IPv6 address for it */
	assert_int_equal(allocate_with(&c, "uA"), 0);
	assert_non_null(memmem(r.reply, r.verdict.reply_len, attribute, sizeof attribute));
	assert_int_equal(client_send(&c), 0);
	assert_non_null(memmem(r.reply, r.verdict.reply_len, attribute, sizeof attribute));
}

static void lifetimes_are_clamped(void **state)
{
	static const uint32_t rows[][2] = {{0, 600}, {10, 600}, {600, 600}, {1000, 1000}, {3600, 3600}, {UINT32_MAX, 3600}};

	for (unsigned i = 0; i < SL_COUNT(rows); i++) {
		struct client c = client_at(&r, "198.51.100.7:5000", 0);
		client_login(&c);
		add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
		sl_stun_add_u32(&c.b, SL_ATTR_LIFETIME, rows[i][0]);
		assert_int_equal(client_go(&c), 0);
		assert_int_equal(r.answer.lifetime_s, rows[i][1]);
		if (rows[i][0] != 0) {
			assert_int_equal(client_refresh(&c, rows[i][0]), 0);
			assert_int_equal(r.answer.lifetime_s, rows[i][1]);
		}
		client_ask(&c, SL_TURN_REFRESH); /* none asked for: the default, sooner than before */
		assert_int_equal(client_go(&c), 0);
		assert_int_equal(r.answer.lifetime_s, 600);
		rig_wait(&r, 600);
		rig_tick(&r);
		assert_int_equal(client_alloc(&c), SL_NONE);
	}
}

static void requests_without_or_of_anothers_allocation(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);

	client_login(&c);
	assert_int_equal(client_refresh(&c, 600), 437);
	assert_int_equal(client_permit(&c, "203.0.113.5:0"), 437);
	assert_int_equal(client_bind(&c, 0x4000, "203.0.113.5:7"), 437);
	assert_int_equal(client_allocate(&c), 0);
	c.user = "bob";
	strcpy(c.password, "builder");
	assert_int_equal(client_refresh(&c, 0), 441);
	assert_true(client_answer_authentic(&c));
	assert_int_equal(client_permit(&c, "203.0.113.5:0"), 441);
	assert_int_equal(client_bind(&c, 0x4000, "203.0.113.5:7"), 441);
	assert_int_equal(client_allocate(&c), 437);
	assert_int_equal(r.sessions[0].n_active, 1);
	assert_int_equal(r.sessions[0].n_peers_active, 0);
}

static void refresh_of_the_other_family(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);

	assert_int_equal(client_allocate(&c), 0);
	add_family(client_ask(&c, SL_TURN_REFRESH), SL_ATTR_REQUESTED_ADDRESS_FAMILY, 2);
	assert_int_equal(client_go(&c), 443);
	add_family(client_ask(&c, SL_TURN_REFRESH), SL_ATTR_REQUESTED_ADDRESS_FAMILY, 1);
	assert_int_equal(client_go(&c), 0);
}

static void a_full_table_leaves_the_others_alone(void **state)
{
	struct client c[RIG_ALLOCS + 1];

	for (unsigned i = 0; i < SL_COUNT(c); i++) {
		char from[40];
		snprintf(from, sizeof from, "198.51.100.%u:4000", i + 1);
		c[i] = client_at(&r, from, 0);
		unsigned free_ports = r.sessions[0].ports.n_free[0];
		assert_int_equal(client_allocate(&c[i]), i < RIG_ALLOCS ? 0 : 508);
		assert_int_equal(r.sessions[0].ports.n_free[0], free_ports - (i < RIG_ALLOCS));
	}
	for (unsigned i = 0; i < RIG_ALLOCS; i++)
		assert_int_equal(client_refresh(&c[i], 600), 0);
	uint64_t user = rig_quota_hash(&r, "alice");
	assert_int_equal(sl_turn_quota_count(&r.quota, user), RIG_ALLOCS);
	assert_int_equal(client_refresh(&c[3], 0), 0);
	assert_int_equal(client_allocate(&c[RIG_ALLOCS]), 0);
}

static void quota_per_user(void **state)
{
	struct client a = client_at(&r, "198.51.100.1:1", 0), b = client_at(&r, "198.51.100.2:1", 0),
		      other = client_at(&r, "198.51.100.3:1", 0);

	r.realm.user_quota = 1;
	rig_provision(&r, NULL, NULL);
	other.user = "bob";
	strcpy(other.password, "builder");
	assert_int_equal(client_allocate(&a), 0);
	assert_int_equal(client_allocate(&b), 486);
	assert_true(client_answer_authentic(&b));
	assert_int_equal(client_allocate(&other), 0);
	assert_int_equal(client_refresh(&a, 0), 0);
	assert_int_equal(client_allocate(&b), 0);
	rig_wait(&r, 600); /* expires without a tick: noticed by the five-tuple's next request */
	assert_int_equal(client_allocate(&b), 0);
}

static void events_describe_allocations(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);
	struct sl_evt_allocation e;

	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(client_permit(&c, "203.0.113.5:0"), 0);
	uint32_t alloc = client_alloc(&c);
	r.sessions[0].allocs[alloc].to_peer_packets_hi = 1;
	r.sessions[0].allocs[alloc].to_client_bytes = 77;
	rig_wait(&r, 10);
	sl_turn_describe(&r.turn[0], alloc, r.now.s, &e);
	assert_int_equal(e.lifetime_s, 590);
	assert_int_equal(e.age_s, 10);
	assert_int_equal(e.n_peers, 1);
	assert_int_equal(e.to_peer_packets, UINT64_C(1) << 32);
	assert_int_equal(e.to_client_bytes, 77);
	assert_int_equal(e.username_len, 5);
	assert_string_equal(e.username, "alice");
	assert_true(sl_ip_eq(&e.client, &c.flow.ip) && sl_ip_eq(&e.relay, &r.relay[0]) &&
		sl_ip_eq(&e.server, &r.listeners[0].ip));
	assert_int_equal(sl_turn_delete(&r.turn[0], e.id ^ (UINT64_C(1) << 32)), -2);
	assert_int_equal(sl_turn_delete(&r.turn[0], e.id | 0xffff), -2);
	assert_int_equal(sl_turn_delete(&r.turn[0], e.id), 0);
	assert_int_equal(sl_turn_delete(&r.turn[0], e.id), -2);
	assert_int_equal(r.ends[SL_ALLOC_END_OPERATOR], 1);
	/* The slot is used again under another id. */
	assert_int_equal(client_allocate(&c), 0);
	assert_true(sl_turn_id(&r.turn[0], client_alloc(&c)) != e.id);
}

static void malformed_is_dropped(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);

	client_ask(&c, SL_STUN_BINDING);
	c.msg[4] ^= 1;
	assert_int_equal(client_send(&c), RIG_DROPPED + SL_DROP_not_stun);
	client_ask(&c, SL_STUN_BINDING);
	sl_stun_add(&c.b, SL_ATTR_LIFETIME, "abcdefgh", 8);
	assert_int_equal(client_send(&c), RIG_DROPPED + SL_DROP_stun_malformed);
	client_ask(&c, SL_STUN_BINDING);
	sl_stun_add_fingerprint(&c.b);
	c.msg[c.b.len - 1] ^= 1;
	assert_int_equal(client_send(&c), RIG_DROPPED + SL_DROP_stun_fingerprint);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_whole_life, setup, teardown),
		cmocka_unit_test_setup_teardown(retransmissions, setup, teardown),
		cmocka_unit_test_setup_teardown(binding, setup, teardown),
		cmocka_unit_test_setup_teardown(rules_of_allocate, setup, teardown),
		cmocka_unit_test_setup_teardown(additional_family_is_refused_inside_the_success, setup, teardown),
		cmocka_unit_test_setup_teardown(lifetimes_are_clamped, setup, teardown),
		cmocka_unit_test_setup_teardown(requests_without_or_of_anothers_allocation, setup, teardown),
		cmocka_unit_test_setup_teardown(refresh_of_the_other_family, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_table_leaves_the_others_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(quota_per_user, setup, teardown),
		cmocka_unit_test_setup_teardown(events_describe_allocations, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_is_dropped, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
