/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* TCP allocations (RFC 6062), the worker's half: what it orders, and what it answers when the thread has done its part. */

#include "tests/unit/unit.h"

#include <errno.h>

#include "tests/unit/turn_wire_rig.h"

static struct rig r;
static struct client c, d; /* control and data connection */

static void input(struct sl_stream_record in)
{
	sl_turn_stream_input(&r.turn[c.w], &in, &r.now, r.reply, sizeof r.reply);
}

static uint64_t id_of(void)
{
	return sl_turn_id(&r.turn[c.w], client_alloc(&c));
}

static unsigned ask_tcp(struct client *k)
{
	if (k->nonce_len == 0)
		client_login(k);
	add_transport(client_ask(k, SL_TURN_ALLOCATE), 6);
	return client_go(k);
}

static void allocate_tcp(void)
{
	unsigned told = wire.n_told;

	assert_int_equal(ask_tcp(&c), RIG_DROPPED + SL_N_DROPS); /* answered later */
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_LISTEN);
	assert_true(sl_ip_eq(&wire_last()->local.ip, &r.relay[0]));
	assert_int_equal(client_send(&c), RIG_DROPPED + SL_N_DROPS); /* once more: nor now */
	assert_int_equal(wire.n_told, told);
	input((struct sl_stream_record){.kind = SL_STREAM_IN_TCP_LISTENING, .flow = c.flow, .allocation = id_of()});
	assert_int_equal(wire.n_told, told + 1);
	assert_true(sl_flow_eq(&wire.told[told].to, &c.flow));
}

static int setup(void **state)
{
	rig_open(&r, 2);
	wire_open(&r);
	r.settings.tcp_relay = 1;
	rig_provision(&r, NULL, NULL);
	c = stream_client_at(&r, "198.51.100.1:4000", SL_TURN_OVER_TCP, 3);
	for (unsigned port = 4001;; port++) { /* one that another worker gets */
		char ep[40];
		snprintf(ep, sizeof ep, "198.51.100.1:%u", port);
		d = stream_client_at(&r, ep, SL_TURN_OVER_TLS, 4);
		if (d.w != c.w)
			break;
	}
	allocate_tcp();
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	wire_close(&r);
	return 0;
}

static bool authentic(const struct sl_stun *m)
{
	uint8_t key[32];

	return sl_stun_integrity_ok(m, &rig_crypto, false, key, client_key(&c, key));
}

static unsigned connect_to(const char *peer)
{
	add_peer(client_ask(&c, SL_TURN_CONNECT), peer);
	return client_go(&c);
}

/* Connect as far as the answer; its CONNECTION-ID. */
static uint32_t connected(const char *peer)
{
	assert_int_equal(connect_to(peer), RIG_DROPPED + SL_N_DROPS);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_CONNECT);
	uint32_t id = wire_last()->connection;
	input((struct sl_stream_record){.kind = SL_STREAM_IN_TCP_CONNECTED, .flow = c.flow, .allocation = id_of(), .connection = id});
	assert_int_equal(wire_heard()->cls, SL_STUN_SUCCESS);
	assert_int_equal(wire_heard()->connection_id, id);
	return id;
}

static unsigned bind_with(struct client *k, uint32_t id)
{
	if (k->nonce_len == 0)
		client_login(k);
	sl_stun_add_u32(client_ask(k, SL_TURN_CONNECTION_BIND), SL_ATTR_CONNECTION_ID, id);
	return client_go(k);
}

static void the_allocation(void **state)
{
	const struct sl_alloc *a = &r.sessions[c.w].allocs[client_alloc(&c)];

	assert_int_equal(wire_heard()->cls, SL_STUN_SUCCESS);
	assert_int_equal(wire_heard()->method, SL_TURN_ALLOCATE);
	assert_true(wire_heard()->has_relayed);
	assert_true(authentic(wire_heard()));
	assert_int_equal(a->flags, SL_ALLOC_IS_TCP);
	/* UDP packets to its port are nobody's, and there is nothing to send by it. */
	assert_int_equal(sl_relay_find(&r.sessions[c.w].ports, 0, ntohs(a->relay_port_be)), SL_NONE);
	assert_int_equal(client_permit(&c, "203.0.113.1:0"), 0);
	assert_int_equal(client_say(&c, "203.0.113.1:700", "x"), RIG_DROPPED + SL_DROP_no_allocation);
	assert_int_equal(client_bind(&c, 0x4000, "203.0.113.1:700"), 400);
	rig_tick(&r);
	assert_int_equal(r.counters[c.w][SL_C_allocations_tcp_active], 1);
	/* Its end is told to the thread. */
	uint64_t id = id_of();
	assert_int_equal(client_refresh(&c, 0), 0);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_UNLISTEN);
	assert_true(wire_last()->allocation == id);
	assert_int_equal(r.counters[c.w][SL_C_allocations_tcp_active], 0);
	assert_int_equal(r.sessions[c.w].ports.n_free[0], 512);
}

static void what_may_not_be_asked(void **state)
{
	struct client udp = client_at(&r, "198.51.100.5:1", 0), dtls = stream_client_at(&r, "198.51.100.5:2", SL_TURN_OVER_DTLS, 9),
		      tcp = stream_client_at(&r, "198.51.100.5:3", SL_TURN_OVER_TCP, 10);

	assert_int_equal(ask_tcp(&udp), 400);
	assert_int_equal(ask_tcp(&dtls), 400);
	client_login(&tcp);
	add_transport(client_ask(&tcp, SL_TURN_ALLOCATE), 6);
	sl_stun_add(&tcp.b, SL_ATTR_EVEN_PORT, "\0", 1);
	assert_int_equal(client_go(&tcp), 400);
	add_transport(client_ask(&tcp, SL_TURN_ALLOCATE), 6);
	sl_stun_add(&tcp.b, SL_ATTR_DONT_FRAGMENT, NULL, 0);
	assert_int_equal(client_go(&tcp), 400);
	add_transport(client_ask(&tcp, SL_TURN_ALLOCATE), 6);
	sl_stun_add(&tcp.b, SL_ATTR_RESERVATION_TOKEN, "12345678", 8);
	assert_int_equal(client_go(&tcp), 400);
	add_transport(client_ask(&tcp, SL_TURN_ALLOCATE), 33);
	assert_int_equal(client_go(&tcp), 442);
	r.settings.tcp_relay = 0;
	rig_provision(&r, NULL, NULL);
	assert_int_equal(ask_tcp(&tcp), 442);
	assert_int_equal(r.sessions[0].n_active + r.sessions[1].n_active, 1);
}

static void it_cannot_listen(void **state)
{
	struct client k = c;

	assert_int_equal(client_refresh(&c, 0), 0);
	assert_int_equal(ask_tcp(&c), RIG_DROPPED + SL_N_DROPS);
	input((struct sl_stream_record){.kind = SL_STREAM_IN_TCP_LISTENING, .flow = c.flow, .allocation = id_of(), .error = -EADDRINUSE});
	assert_int_equal(wire_heard()->error_code, 508);
	assert_true(authentic(wire_heard()));
	assert_int_equal(r.sessions[c.w].n_active, 0);
	/* A thread that takes no orders. */
	c = k;
	wire.full = true;
	assert_int_equal(ask_tcp(&c), 508);
	assert_int_equal(r.sessions[c.w].n_active, 0);
	assert_int_equal(r.sessions[c.w].ports.n_free[0], 512);
	/* The end of it is owed to the thread until there is room. */
	unsigned n = wire.n_orders;
	wire.full = false;
	rig_tick(&r);
	assert_int_equal(wire.n_orders, n + 1);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_UNLISTEN);
}

static void connect_and_bind(void **state)
{
	assert_int_equal(connect_to("203.0.113.1:700"), RIG_DROPPED + SL_N_DROPS);
	const struct sl_stream_record order = *wire_last();
	unsigned n = wire.n_orders;
	assert_true(sl_flow_eq(&order.flow, &c.flow));
	assert_true(order.allocation == id_of());
	assert_int_equal(ntohs(order.peer.port_be), 700);
	/* Sent again, it is the same one; another one to the same peer is one too many (RFC 6062 5.2). */
	assert_int_equal(client_send(&c), RIG_DROPPED + SL_N_DROPS);
	assert_int_equal(wire.n_orders, n);
	assert_int_equal(connect_to("203.0.113.1:700"), 446);
	unsigned told = wire.n_told;
	input((struct sl_stream_record){.kind = SL_STREAM_IN_TCP_CONNECTED, .flow = c.flow, .allocation = id_of(), .connection = order.connection});
	assert_int_equal(wire.n_told, told + 1);
	assert_int_equal(wire_heard()->method, SL_TURN_CONNECT);
	assert_int_equal(wire_heard()->cls, SL_STUN_SUCCESS);
	assert_true(authentic(wire_heard()));
	assert_int_equal(connect_to("203.0.113.1:700"), 446);
	/* The data connection comes to another worker, which hands it over; the answer goes before the order. */
	assert_int_equal(bind_with(&d, order.connection), RIG_DROPPED + SL_N_DROPS);
	assert_int_equal(r.handed, 1);
	assert_int_equal(d.w, c.w);
	assert_int_equal(wire_heard()->method, SL_TURN_CONNECTION_BIND);
	assert_int_equal(wire_heard()->cls, SL_STUN_SUCCESS);
	assert_true(sl_flow_eq(&wire.told[wire.n_told - 1].to, &d.flow));
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_BIND);
	assert_int_equal(wire_last()->connection, order.connection);
	assert_true(sl_flow_eq(&wire_last()->flow, &d.flow));
	/* It is bound once. */
	struct client e = stream_client_at(&r, "198.51.100.8:8", SL_TURN_OVER_TCP, 11);
	assert_int_equal(bind_with(&e, order.connection), 400);
	input((struct sl_stream_record){.kind = SL_STREAM_IN_TCP_BOUND, .flow = d.flow, .connection = order.connection});
	rig_wait(&r, 100);
	rig_tick(&r);
	assert_int_equal(wire.tcp[c.w].n_active, 1);
	input((struct sl_stream_record){.kind = SL_STREAM_IN_TCP_CLOSED, .flow = c.flow, .allocation = id_of(), .connection = order.connection});
	assert_int_equal(wire.tcp[c.w].n_active, 0);
	assert_int_equal(connect_to("203.0.113.1:700"), RIG_DROPPED + SL_N_DROPS);
}

static void connect_fails(void **state)
{
	assert_int_equal(connect_to("203.0.113.1:700"), RIG_DROPPED + SL_N_DROPS);
	uint32_t id = wire_last()->connection;
	input((struct sl_stream_record){
		.kind = SL_STREAM_IN_TCP_CONNECTED, .flow = c.flow, .allocation = id_of(), .connection = id, .error = -ECONNREFUSED});
	assert_int_equal(wire_heard()->error_code, 447);
	assert_true(authentic(wire_heard()));
	assert_int_equal(wire.tcp[c.w].n_active, 0);
	wire.full = true;
	assert_int_equal(connect_to("203.0.113.1:700"), 508);
	assert_int_equal(wire.tcp[c.w].n_active, 0);
}

static void whom_one_may_not_connect_to(void **state)
{
	static const char *const denied[] = {"127.0.0.1:80", "10.0.0.1:80", "169.254.169.254:80", "224.0.0.1:80", "0.0.0.0:80", "192.0.2.1:3478"};

	for (unsigned i = 0; i < SL_COUNT(denied); i++)
		assert_int_equal(connect_to(denied[i]), 403);
	assert_int_equal(connect_to("203.0.113.1:0"), 400);
	assert_int_equal(connect_to("[2001:db8:f::1]:80"), 443);
	client_ask(&c, SL_TURN_CONNECT);
	assert_int_equal(client_go(&c), 400);
	add_peer(client_ask(&c, SL_TURN_CONNECT), "203.0.113.1:1");
	add_peer(&c.b, "203.0.113.2:1");
	assert_int_equal(client_go(&c), 400);
	client_login(&d);
	add_peer(client_ask(&d, SL_TURN_CONNECT), "203.0.113.1:1");
	assert_int_equal(client_go(&d), 437);
	assert_int_equal(client_allocate(&d), 0); /* a UDP one */
	add_peer(client_ask(&d, SL_TURN_CONNECT), "203.0.113.1:1");
	assert_int_equal(client_go(&d), 400);
	assert_int_equal(wire.tcp[c.w].n_active, 0);
}

static void nobody_binds(void **state)
{
	uint32_t id = connected("203.0.113.1:700");

	rig_wait(&r, SL_TURN_TCP_BIND_S - 1);
	rig_tick(&r);
	assert_int_equal(wire.tcp[c.w].n_active, 1);
	rig_wait(&r, 1);
	rig_tick(&r);
	assert_int_equal(wire.tcp[c.w].n_active, 0);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_CLOSE);
	assert_int_equal(wire_last()->connection, id);
	assert_int_equal(bind_with(&d, id), 400);
}

static void who_may_bind(void **state)
{
	uint32_t id = connected("203.0.113.1:700");
	struct client bob = d, udp = client_at(&r, "198.51.100.1:5000", 0);

	bob.user = "bob";
	snprintf(bob.password, sizeof bob.password, "builder");
	assert_int_equal(bind_with(&bob, id), 441);
	for (unsigned i = 1; i < 32; i++) {
		struct client e = stream_client_at(&r, "198.51.100.8:8", SL_TURN_OVER_TCP, 11);
		assert_int_equal(bind_with(&e, id ^ 1u << i), 400);
	}
	assert_int_equal(bind_with(&udp, id), 400);
	assert_int_equal(bind_with(&c, id), 400); /* its five-tuple has an allocation */
	client_login(&d);
	client_ask(&d, SL_TURN_CONNECTION_BIND);
	assert_int_equal(client_go(&d), 400);
	assert_int_equal(bind_with(&d, id), RIG_DROPPED + SL_N_DROPS);
	/* The thread finds one of the two gone: so is the other. */
	input((struct sl_stream_record){.kind = SL_STREAM_IN_TCP_BOUND, .flow = d.flow, .connection = id, .error = -ENOENT});
	assert_int_equal(wire.tcp[c.w].n_active, 0);
}

static void incoming(const char *peer, uint32_t number)
{
	input((struct sl_stream_record){.kind = SL_STREAM_IN_TCP_INCOMING, .flow = c.flow, .allocation = id_of(), .connection = number,
		.peer = rig_endpoint(peer)});
}

static void peers_connect(void **state)
{
	unsigned told = wire.n_told;

	incoming("203.0.113.1:700", 41);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_CLOSE); /* no permission */
	assert_int_equal(wire_last()->incoming, 41);
	assert_int_equal(wire_last()->connection, 0);
	assert_int_equal(wire.n_told, told);
	assert_int_equal(client_permit(&c, "203.0.113.1:0"), 0);
	incoming("203.0.113.1:700", 42);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_ACCEPT);
	assert_int_equal(wire_last()->incoming, 42);
	uint32_t id = wire_last()->connection;
	assert_int_equal(wire_heard()->method, SL_TURN_CONNECTION_ATTEMPT);
	assert_int_equal(wire_heard()->cls, SL_STUN_INDICATION);
	assert_int_equal(wire_heard()->connection_id, id);
	assert_int_equal(wire_heard()->n_peers, 1);
	assert_int_equal(ntohs(wire_heard()->peers[0].port_be), 700);
	assert_int_equal(bind_with(&d, id), RIG_DROPPED + SL_N_DROPS);
	/* Its permission is over: it is a stranger again. */
	rig_wait(&r, 300);
	incoming("203.0.113.1:701", 43);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_CLOSE);
}

static void numbers_are_bounded_and_unpredictable(void **state)
{
	uint32_t ids[WIRE_CONNECTIONS];

	for (unsigned i = 0; i < WIRE_CONNECTIONS; i++) {
		char peer[40];
		snprintf(peer, sizeof peer, "203.0.113.1:%u", 700 + i);
		ids[i] = connected(peer);
		assert_int_equal(ids[i] % 2, c.w);
		for (unsigned k = 0; k < i; k++)
			assert_true(ids[k] != ids[i] && ids[k] + 2 != ids[i]);
	}
	assert_int_equal(connect_to("203.0.113.1:900"), 508);
	assert_int_equal(client_permit(&c, "203.0.113.1:0"), 0);
	incoming("203.0.113.1:901", 1);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_CLOSE);
	assert_int_equal(client_refresh(&c, 0), 0);
	assert_int_equal(wire.tcp[c.w].n_active, 0);
}

static void the_policy_changes(void **state)
{
	static const char *const rules[] = {"-203.0.113.0/24", NULL};
	uint32_t id = connected("203.0.113.1:700");

	connected("198.51.100.200:1");
	assert_int_equal(wire.tcp[c.w].n_active, 2);
	rig_provision(&r, NULL, rules);
	rig_tick(&r);
	assert_int_equal(wire.tcp[c.w].n_active, 1);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_CLOSE);
	assert_int_equal(wire_last()->connection, id);
}

static void what_comes_too_late(void **state)
{
	uint64_t id = id_of();
	uint32_t connection = connected("203.0.113.1:700");
	unsigned told = wire.n_told;

	assert_int_equal(client_refresh(&c, 0), 0);
	for (unsigned kind = SL_STREAM_IN_TCP_LISTENING; kind <= SL_STREAM_IN_TCP_BOUND; kind++)
		input((struct sl_stream_record){.kind = (uint16_t)kind, .flow = c.flow, .allocation = id, .connection = connection,
			.peer = rig_endpoint("203.0.113.1:700")});
	assert_int_equal(wire.n_told, told);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_CLOSE); /* of the one that came in */
	assert_int_equal(r.sessions[c.w].n_active, 0);
}

static void it_ends_with_its_connection(void **state)
{
	connected("203.0.113.1:700");
	input((struct sl_stream_record){.kind = SL_STREAM_IN_CLOSED, .flow = c.flow});
	assert_int_equal(r.sessions[c.w].n_active, 0);
	assert_int_equal(r.ends[SL_ALLOC_END_CONNECTION], 1);
	assert_int_equal(wire.tcp[c.w].n_active, 0);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_UNLISTEN);
	/* Nor does it come back after a crash. */
	allocate_tcp();
	rig_stop(&r);
	rig_start(&r, 2);
	assert_int_equal(r.sessions[0].n_active + r.sessions[1].n_active, 0);
}

/* An id is nobody's from the end of its allocation on, before the tick that ends it: who binds later is told 400. */
static void a_connection_lasts_as_long_as_its_allocation(void **state)
{
	struct client e = d;

	rig_wait(&r, 599 - SL_TURN_TCP_BIND_S / 2);
	uint32_t id = connected("203.0.113.1:700"), late = connected("203.0.113.1:701");
	rig_wait(&r, SL_TURN_TCP_BIND_S / 2);
	rig_tick(&r);
	assert_int_equal(bind_with(&d, id), RIG_DROPPED + SL_N_DROPS);
	assert_int_equal(wire_heard()->cls, SL_STUN_SUCCESS);
	rig_wait(&r, 1);
	assert_int_equal(bind_with(&e, late), 400);
	rig_tick(&r);
	assert_int_equal(r.sessions[c.w].n_active, 0);
	assert_int_equal(bind_with(&e, late), 400);
}

/* The credentials of a ConnectionBind are the allocation's (RFC 6062 4.4): it is bound as long as that lives, whatever the time in the name says. */
static void rest_credentials_end_before_the_allocation(void **state)
{
	uint8_t mac[20], text[32];
	char name[40];

	snprintf(name, sizeof name, "%u:alice", RIG_UNIX_S + 100);
	HMAC(EVP_sha1(), "secret", 6, (const uint8_t *)name, strlen(name), mac, NULL);
	EVP_EncodeBlock(text, mac, sizeof mac);
	assert_int_equal(client_refresh(&c, 0), 0);
	rig_provision(&r, "secret", NULL);
	c.user = d.user = name;
	snprintf(c.password, sizeof c.password, "%s", text);
	snprintf(d.password, sizeof d.password, "%s", text);
	c.nonce_len = 0;
	allocate_tcp();
	rig_wait(&r, 200);
	uint32_t id = connected("203.0.113.1:700");
	struct client e = d, f = d;
	assert_int_equal(bind_with(&e, id + 2), 401); /* nobody's: nor is the name */
	snprintf(f.password, sizeof f.password, "wonderland");
	assert_int_equal(bind_with(&f, id), 401);
	assert_int_equal(bind_with(&d, id), RIG_DROPPED + SL_N_DROPS);
	assert_int_equal(wire_heard()->method, SL_TURN_CONNECTION_BIND);
	assert_int_equal(wire_heard()->cls, SL_STUN_SUCCESS);
}

/* An answer without the order behind it would leave the client waiting, an order without the answer would give it the peer's bytes instead. */
static void the_answer_and_the_order_go_together(void **state)
{
	uint32_t id = connected("203.0.113.1:700");
	unsigned told = wire.n_told, ordered = wire.n_orders;

	client_login(&d);
	wire.full = true;
	assert_int_equal(bind_with(&d, id), RIG_DROPPED + SL_N_DROPS);
	assert_int_equal(wire.n_told, told);
	assert_int_equal(wire.n_orders, ordered);
	wire.full = false;
	assert_int_equal(client_send(&d), RIG_DROPPED + SL_N_DROPS); /* asks once more */
	assert_int_equal(wire.n_told, told + 1);
	assert_int_equal(wire_heard()->cls, SL_STUN_SUCCESS);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_BIND);
}

/* Another client of c's worker. */
static struct client another(unsigned thread)
{
	for (unsigned port = 6000;; port++) {
		char ep[40];
		snprintf(ep, sizeof ep, "198.51.100.6:%u", port);
		struct client k = stream_client_at(&r, ep, SL_TURN_OVER_TCP, 5);
		k.flow.transport = sl_stream_transport(SL_TURN_OVER_TCP, thread, 0, 5);
		if (k.w == c.w)
			return k;
	}
}

static void what_is_owed_to_one_thread_holds_up_no_other(void **state)
{
	uint32_t id[WIRE_CONNECTIONS - 1];
	struct client k = another(1);

	for (unsigned i = 0; i < SL_COUNT(id); i++) {
		char peer[40];
		snprintf(peer, sizeof peer, "203.0.113.1:%u", 700 + i);
		id[i] = connected(peer);
	}
	const uint16_t relay_port_be = r.sessions[c.w].allocs[client_alloc(&c)].relay_port_be;
	wire.full_to = 1 << 0;
	rig_wait(&r, SL_TURN_TCP_BIND_S);
	rig_tick(&r);
	assert_int_equal(wire.tcp[c.w].n_active, 0);
	assert_int_equal(wire.tcp[c.w].n_owed, SL_COUNT(id));
	/* The other thread's go on. */
	unsigned n = wire.n_orders;
	assert_int_equal(ask_tcp(&k), RIG_DROPPED + SL_N_DROPS);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_LISTEN);
	input((struct sl_stream_record){.kind = SL_STREAM_IN_TCP_LISTENING, .flow = k.flow, .allocation = wire_last()->allocation});
	assert_int_equal(client_refresh(&k, 0), 0);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_UNLISTEN);
	assert_int_equal(wire.n_orders, n + 2);
	/* There is room again, and nothing overtakes what waits. */
	wire.full_to = 0;
	assert_int_equal(connect_to("203.0.113.2:700"), 508);
	assert_int_equal(wire.n_orders, n + 2);
	rig_tick(&r);
	assert_int_equal(wire.tcp[c.w].n_owed, 0);
	assert_int_equal(wire.n_orders, n + 2 + SL_COUNT(id));
	for (unsigned i = 0; i < SL_COUNT(id); i++) {
		bool found = false;
		for (unsigned at = n + 2; at < wire.n_orders; at++) {
			const struct sl_stream_record *o = &wire.order[at];
			found |= o->kind == SL_STREAM_DO_TCP_CLOSE && o->connection == id[i] && o->allocation == id_of() && sl_flow_thread(&o->flow) == 0 &&
				ntohs(o->peer.port_be) == 700 + i && sl_ip_eq(&o->local.ip, &r.relay[0]) && o->local.port_be == relay_port_be;
		}
		assert_true(found);
	}
	assert_int_equal(connect_to("203.0.113.2:700"), RIG_DROPPED + SL_N_DROPS);
}

/* Whatever comes while a thread stands still: what would leave a socket open is told in the end. */
static void no_end_is_lost(void **state)
{
	const uint64_t allocation = id_of();

	connected("203.0.113.1:700");
	connected("203.0.113.1:701");
	wire.full_to = 1 << 0;
	for (unsigned i = 0; i < 10 * WIRE_CONNECTIONS; i++)
		incoming("203.0.113.9:900", 100 + i); /* without a permission: they are refused, as far as there is room for it */
	const struct sl_turn_tcp *tcp = &wire.tcp[c.w];
	assert_true(tcp->n_owed + tcp->n_active + tcp->n_listening <= tcp->max_owed);
	rig_wait(&r, SL_TURN_TCP_BIND_S);
	rig_tick(&r);
	assert_int_equal(tcp->n_active, 0);
	assert_int_equal(client_refresh(&c, 0), 0);
	assert_true(tcp->n_owed <= tcp->max_owed);
	unsigned n = wire.n_orders, owed = tcp->n_owed, closed = 0;
	wire.full_to = 0;
	rig_tick(&r);
	assert_int_equal(tcp->n_owed, 0);
	assert_int_equal(wire.n_orders, n + owed);
	for (; n < wire.n_orders; n++)
		closed += wire.order[n].kind == SL_STREAM_DO_TCP_CLOSE && wire.order[n].connection != 0;
	assert_int_equal(closed, 2);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_UNLISTEN);
	assert_true(wire_last()->allocation == allocation);
}

/* When all room for ends is spoken for, an Allocate is refused before it needs some. */
static void a_refused_allocation_takes_nobodys_room(void **state)
{
	const struct sl_turn_tcp *tcp = &wire.tcp[c.w];
	const uint64_t allocation = id_of();
	struct client k = another(0);

	connected("203.0.113.1:700");
	wire.full_to = 1 << 0;
	for (unsigned i = 0; i < 10 * WIRE_CONNECTIONS; i++)
		incoming("203.0.113.9:900", 100 + i);
	const unsigned owed = tcp->n_owed;
	assert_int_equal(owed + tcp->n_active + tcp->n_listening, tcp->max_owed);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(ask_tcp(&k), 508);
	assert_int_equal(tcp->n_owed, owed);
	assert_int_equal(r.sessions[c.w].n_active, 1);
	rig_wait(&r, SL_TURN_TCP_BIND_S);
	rig_tick(&r);
	assert_int_equal(client_refresh(&c, 0), 0);
	unsigned n = wire.n_orders;
	wire.full_to = 0;
	rig_tick(&r);
	assert_int_equal(wire.n_orders, n + owed + 2);
	assert_int_equal(wire.order[n + owed].kind, SL_STREAM_DO_TCP_CLOSE);
	assert_int_equal(wire_last()->kind, SL_STREAM_DO_TCP_UNLISTEN);
	assert_true(wire_last()->allocation == allocation);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_allocation, setup, teardown),
		cmocka_unit_test_setup_teardown(what_may_not_be_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(it_cannot_listen, setup, teardown),
		cmocka_unit_test_setup_teardown(connect_and_bind, setup, teardown),
		cmocka_unit_test_setup_teardown(connect_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(whom_one_may_not_connect_to, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_binds, setup, teardown),
		cmocka_unit_test_setup_teardown(who_may_bind, setup, teardown),
		cmocka_unit_test_setup_teardown(peers_connect, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_are_bounded_and_unpredictable, setup, teardown),
		cmocka_unit_test_setup_teardown(the_policy_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(what_comes_too_late, setup, teardown),
		cmocka_unit_test_setup_teardown(it_ends_with_its_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(a_connection_lasts_as_long_as_its_allocation, setup, teardown),
		cmocka_unit_test_setup_teardown(rest_credentials_end_before_the_allocation, setup, teardown),
		cmocka_unit_test_setup_teardown(the_answer_and_the_order_go_together, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_owed_to_one_thread_holds_up_no_other, setup, teardown),
		cmocka_unit_test_setup_teardown(no_end_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refused_allocation_takes_nobodys_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
