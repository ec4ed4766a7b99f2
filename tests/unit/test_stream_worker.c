/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A worker's half of the rings to stream threads: what a thread and the guard are told of clients, also when there was no room. */

#include "path_rig.h"

#include "dataplane/path/streams.h"

#include <errno.h>
#include <string.h>

#include <rte_ring_elem.h>

enum { RING = 1 << 10, MARKS = 8, NO_MARK = -1 };

static struct sl_byte_ring in, out;

static int setup(void **state)
{
	int rc = rig_setup(state);
	struct sl_worker *w = rig_worker(0);
	rig_turn();
	assert_int_equal(sl_byte_ring_init(&in, 1 << 14, NULL), 0);
	assert_int_equal(sl_byte_ring_init(&out, RING, NULL), 0);
	w->streams.n = 1;
	w->streams.in[0] = &in;
	w->streams.out[0] = &out;
	w->rings.marks = rte_ring_create_elem("stream marks", sizeof(struct sl_guard_mark), MARKS, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	assert_non_null(w->rings.marks);
	return rc;
}

static int teardown(void **state)
{
	struct sl_worker *w = rig_worker(0);
	rte_ring_free(w->rings.marks);
	w->rings.marks = NULL;
	w->streams.n = 0;
	w->streams.recall = 0;
	sl_byte_ring_free(&in, NULL);
	sl_byte_ring_free(&out, NULL);
	return rig_teardown(state);
}

static void put_in(struct sl_stream_record r)
{
	struct sl_stream_record *to = sl_byte_ring_reserve(&in, sizeof *to);
	assert_non_null(to);
	*to = r;
	sl_byte_ring_put(&in, sizeof *to);
	sl_streams_input(rig_worker(0));
}

/* The thread's next order; kind 0 = there is none. */
static struct sl_stream_record order(void)
{
	struct sl_stream_record r = {0};
	size_t len;
	const void *p = sl_byte_ring_peek(&out, &len);
	if (p) {
		memcpy(&r, p, sizeof r);
		sl_byte_ring_take(&out);
	}
	return r;
}

/* What the housekeeper is told next, of this address at this service: its trust. */
static int mark_of(const char *remote, unsigned service)
{
	struct sl_guard_mark m;
	struct sl_endpoint ep = rig_endpoint(remote);
	if (rte_ring_sc_dequeue_elem(rig_worker(0)->rings.marks, &m, sizeof m) < 0)
		return NO_MARK;
	assert_true(sl_endpoint_eq(&m.remote, &ep));
	assert_int_equal(m.listener, service);
	return m.trust;
}

static int mark(const char *remote)
{
	return mark_of(remote, SL_MARK_TURN + 1);
}

static struct sl_flow flow(const char *client)
{
	struct sl_endpoint ep = rig_endpoint(client);
	return (struct sl_flow){.ip = ep.ip, .port_be = ep.port_be, .listener = 1, .transport = sl_stream_transport(SL_TURN_OVER_TCP, 0, 1, 7)};
}

#define CLIENT "192.0.2.10:4000"
#define CLAIMED "203.0.113.7:1234"
#define PROXY "192.0.2.11:4001"
#define PEER "198.51.100.10:80"

static void a_thread_that_was_not_told_is_recalled(void **state)
{
	const struct sl_flow f = flow(CLIENT);
	struct sl_worker *w = rig_worker(0);
	unsigned orders = 0;
	(void)state;
	for (; w->streams.recall == 0; orders++) {
		assert_in_range(orders, 0, RING);
		sl_streams_known(w, &f, true);
		assert_int_equal(mark(CLIENT), SL_GUARD_IS_FINAL);
	}
	sl_streams_input(w); /* there is no room yet */
	while (--orders)
		assert_int_equal(order().kind, SL_STREAM_DO_KNOWN);
	assert_int_equal(order().kind, 0);
	sl_streams_input(w);
	struct sl_stream_record r = order();
	assert_int_equal(r.kind, SL_STREAM_DO_RECALL);
	assert_int_equal(sl_flow_thread(&r.flow), 0);
	sl_streams_input(w);
	assert_int_equal(order().kind, 0);
	/* What the thread asks then: this one has no allocation. */
	put_in((struct sl_stream_record){.kind = SL_STREAM_IN_ASK, .flow = f});
	r = order();
	assert_int_equal(r.kind, SL_STREAM_DO_KNOWN);
	assert_int_equal(r.on, 0);
	assert_true(sl_flow_eq(&r.flow, &f));
	assert_int_equal(mark(CLIENT), SL_GUARD_NOBODY);
	const struct sl_cold_auth auth = {0};
	int port = sl_port_draw(&w->sessions.ports, &w->sessions.prng, 0, SL_PORT_ANY);
	assert_int_not_equal(sl_alloc_create(&w->sessions, &f, 0, htons((uint16_t)port), w->now.s, 600, &auth), SL_NONE);
	put_in((struct sl_stream_record){.kind = SL_STREAM_IN_ASK, .flow = f});
	r = order();
	assert_int_equal(r.kind, SL_STREAM_DO_KNOWN);
	assert_int_equal(r.on, 1);
	assert_int_equal(mark(CLIENT), SL_GUARD_IS_FINAL);
}

/* A mark that the housekeeper had no room for is told again in the same way. */
static void a_lost_mark_is_told_again(void **state)
{
	const struct sl_flow f = flow(CLIENT);
	struct sl_worker *w = rig_worker(0);
	(void)state;
	for (unsigned i = 0; i < MARKS; i++) {
		sl_streams_known(w, &f, true);
		while (order().kind)
			;
	}
	sl_streams_input(w);
	assert_int_equal(order().kind, SL_STREAM_DO_RECALL);
}

/* RFC 6062: a data connection is known to the guard from the thread's word until its end, by the address that its packets come from. */
static void a_data_connection_is_known_by_where_it_comes_from(void **state)
{
	const struct sl_flow f = flow(CLAIMED);
	(void)state;
	assert_true(sl_streams_order(rig_worker(0), &(struct sl_stream_record){.kind = SL_STREAM_DO_TCP_BIND, .flow = f}));
	assert_int_equal(mark(CLAIMED), NO_MARK);
	put_in((struct sl_stream_record){.kind = SL_STREAM_IN_REMOTE, .flow = f, .on = 1, .peer = rig_endpoint(PROXY)});
	assert_int_equal(mark(PROXY), SL_GUARD_IS_FINAL);
	put_in((struct sl_stream_record){.kind = SL_STREAM_IN_CLOSED, .flow = f, .peer = rig_endpoint(PROXY)});
	assert_int_equal(mark(PROXY), SL_GUARD_NOBODY);
	assert_int_equal(mark(PROXY), NO_MARK);
	/* Without a proxy. */
	put_in((struct sl_stream_record){.kind = SL_STREAM_IN_REMOTE, .flow = flow(CLIENT), .on = 1, .peer = rig_endpoint(CLIENT)});
	assert_int_equal(mark(CLIENT), SL_GUARD_IS_FINAL);
	put_in((struct sl_stream_record){.kind = SL_STREAM_IN_CLOSED, .flow = flow(CLIENT)});
	assert_int_equal(mark(CLIENT), SL_GUARD_NOBODY);
}

/* Peers of TCP allocations: each connection has a mark of its own, which goes with it, also when it never came about. */
static void a_peer_is_known_while_its_connection_is(void **state)
{
	enum { PORT = 50200 };
	struct sl_worker *w = rig_worker(0);
	struct sl_stream_record r = {.flow = flow(CLIENT), .connection = 5, .local = rig_endpoint(RIG_RELAY_V4 ":50200"), .peer = rig_endpoint(PEER)};
	(void)state;
	r.kind = SL_STREAM_DO_TCP_CONNECT;
	assert_true(sl_streams_order(w, &r));
	assert_int_equal(mark_of(PEER, PORT), SL_GUARD_IS_FINAL);
	r.kind = SL_STREAM_IN_TCP_CONNECTED;
	put_in(r);
	assert_int_equal(mark_of(PEER, PORT), NO_MARK);
	r.error = -ECONNREFUSED;
	put_in(r);
	assert_int_equal(mark_of(PEER, PORT), SL_GUARD_NOBODY);
	r.kind = SL_STREAM_IN_TCP_CLOSED;
	put_in(r);
	assert_int_equal(mark_of(PEER, PORT), SL_GUARD_NOBODY);
}

/* A ConnectionBind's answer and TCP_BIND: the ring has both, or neither, wherever it ends. */
static void a_message_and_the_order_behind_it_go_together(void **state)
{
	enum { LONGEST = RING / 2 };
	static const uint8_t msg[LONGEST];
	const struct sl_flow f = flow(CLIENT);
	const struct sl_stream_record then = {.kind = SL_STREAM_DO_TCP_BIND, .flow = f};
	struct sl_worker *w = rig_worker(0);
	(void)state;
	for (unsigned len = SL_STUN_HEADER_BYTES; len <= LONGEST; len += 4) {
		uint64_t drops = w->drops[SL_DROP_stream_ring_full];
		unsigned pairs = 0;
		while (sl_streams_tell(w, &f, msg, len, &then))
			pairs++;
		assert_int_equal(w->drops[SL_DROP_stream_ring_full], drops + 1);
		for (; pairs > 0; pairs--) {
			assert_int_equal(order().kind, SL_STREAM_DO_SEND);
			assert_int_equal(order().kind, SL_STREAM_DO_TCP_BIND);
		}
		assert_int_equal(order().kind, 0);
	}
	assert_true(sl_streams_tell(w, &f, msg, SL_STUN_HEADER_BYTES, NULL));
	assert_int_equal(order().kind, SL_STREAM_DO_SEND);
	assert_int_equal(order().kind, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_thread_that_was_not_told_is_recalled),
		TEST(a_lost_mark_is_told_again),
		TEST(a_data_connection_is_known_by_where_it_comes_from),
		TEST(a_peer_is_known_while_its_connection_is),
		TEST(a_message_and_the_order_behind_it_go_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
