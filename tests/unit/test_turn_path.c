/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* TURN through the stages of a worker: limits of an allocation and of all of TURN, who can use them up, and what is told of strangers. */

#include "path_rig.h"

#include "dataplane/path/streams.h"
#include "dataplane/path/turn_bandwidth.h"

#include <string.h>

#include "dataplane/wire/channel.h"
#include "dataplane/wire/stun.h"

enum { MAX = 64, LEN = 160, CHANNEL = 0x4001 };
#define CLIENT "192.0.2.10:4000"
#define OTHER "192.0.2.11:4000"
#define CLIENT_V6 "[2001:db8:1::10]:4000"
#define PEER "198.51.100.10:5000"
#define PEER_V6 "[2001:db8:1::11]:5000"
#define STRANGER "192.0.2.99:4000"

static struct rig_packet out[MAX];

static int setup(void **state)
{
	int rc = rig_setup(state);
	rig_turn();
	return rc;
}

static struct sl_endpoint server(bool v6)
{
	return rig_endpoint(v6 ? "[" RIG_V6 "]:3478" : RIG_V4 ":3478");
}

static unsigned deliver(struct rig_packet p, unsigned n)
{
	unsigned through = 0;
	while (n--) {
		rig_in(0, &p, 1);
		through += rig_out(out, MAX);
	}
	return through;
}

static unsigned from_client(const char *client, unsigned n)
{
	uint8_t data[SL_CHANNEL_HEADER_BYTES + LEN] = {CHANNEL >> 8, CHANNEL & 0xff, LEN >> 8, LEN & 0xff};
	struct sl_endpoint to = server(client[0] == '[');
	return deliver(rig_datagram(client, &to, data, sizeof data), n);
}

static unsigned from_peer(const char *peer, const struct sl_endpoint *relayed, unsigned n)
{
	static const uint8_t data[LEN] = {1, 2, 3};
	return deliver(rig_datagram(peer, relayed, data, sizeof data), n);
}

static void guard_by(struct sl_cmd_guard_policy p)
{
	p.enabled = 1;
	rig_guard(&p);
	rig_worker(0)->turn.guard = &rig_worker(0)->policy->told;
	rig_meter(SL_METER_TURN, p.turn_pps, p.turn_kbps); /* as the housekeeper does */
}

static void relays(void **state)
{
	struct sl_endpoint v4 = rig_allocation(CLIENT, CHANNEL, PEER), v6 = rig_allocation(CLIENT_V6, CHANNEL, PEER_V6);
	assert_int_equal(from_client(CLIENT, 1), 1);
	rig_assert_to(&out[0], PEER);
	assert_int_equal(out[0].len, LEN);
	assert_int_equal(from_peer(PEER, &v4, 1), 1);
	rig_assert_to(&out[0], CLIENT);
	assert_int_equal(out[0].len, LEN + SL_CHANNEL_HEADER_BYTES);
	assert_int_equal(from_client(CLIENT_V6, 1), 1);
	rig_assert_to(&out[0], PEER_V6);
	assert_int_equal(from_peer(PEER_V6, &v6, 1), 1);
	rig_assert_to(&out[0], CLIENT_V6);
}

/* One packet from src to dst with these header fields. */
static void deliver_marked(const char *src, const struct sl_endpoint *dst, bool is_client, uint8_t tos, uint8_t ttl, bool df)
{
	uint8_t data[SL_CHANNEL_HEADER_BYTES + LEN] = {CHANNEL >> 8, CHANNEL & 0xff, LEN >> 8, LEN & 0xff};
	struct rig_packet p = rig_datagram(src, dst, data, is_client ? sizeof data : LEN);

	p.tos = tos;
	p.ttl = ttl;
	p.df = df;
	assert_int_equal(deliver(p, 1), ttl > 1);
	if (ttl > 1) {
		assert_int_equal(out[0].tos, tos);
		assert_int_equal(out[0].ttl, ttl - 1);
		assert_int_equal(out[0].df, df);
	}
}

/* RFC 8656 13: DSCP and ECN as they came, one hop less, and DF as it was, so that the path's MTU can be found. */
static void header_fields_are_carried(void **state)
{
	struct sl_endpoint v4 = rig_allocation(CLIENT, CHANNEL, PEER), v6 = rig_allocation(CLIENT_V6, CHANNEL, PEER_V6);
	struct sl_endpoint listener = server(false), listener6 = server(true);
	static const uint8_t tos[] = {0, 46 << 2, 34 << 2 | 1, 2, 46 << 2 | 3};

	for (unsigned i = 0; i < SL_COUNT(tos); i++) {
		deliver_marked(CLIENT, &listener, true, tos[i], 64, i % 2);
		deliver_marked(PEER, &v4, false, tos[i], 255, i % 2);
		deliver_marked(CLIENT_V6, &listener6, true, tos[i], 2, false);
		deliver_marked(PEER_V6, &v6, false, tos[i], 17, false);
	}
	deliver_marked(CLIENT, &listener, true, 0, 1, false);
	deliver_marked(PEER, &v4, false, 0, 1, false);
	deliver_marked(CLIENT_V6, &listener6, true, 0, 1, false);
	deliver_marked(PEER_V6, &v6, false, 0, 1, false);
	assert_int_equal(rig_drops(SL_DROP_ttl_expired), 4);
}

/* RFC 8656 7.2: a relayed address of each family. */
static void either_family(void **state)
{
	struct sl_worker *w = rig_worker(0);
	struct sl_endpoint v4 = rig_allocation(CLIENT, CHANNEL, PEER), to = rig_endpoint(PEER_V6);
	int port = sl_port_draw(&w->sessions.ports, &w->sessions.prng, 1, SL_PORT_ANY);
	struct sl_endpoint v6 = {w->turn.relay[1], htons((uint16_t)port)};
	uint32_t alloc = sl_relay_find(&w->sessions.ports, 0, ntohs(v4.port_be));
	sl_alloc_add_relay(&w->sessions, alloc, 1, htons((uint16_t)port));
	assert_int_equal(sl_channel_set(&w->sessions, alloc, CHANNEL + 1, &to, false, w->now.s, w->now.s + 300, w->now.s + 600, 8), 0);
	uint8_t data[SL_CHANNEL_HEADER_BYTES + 4] = {(CHANNEL + 1) >> 8, (CHANNEL + 1) & 0xff, 0, 4};
	struct sl_endpoint listener = server(false);
	assert_int_equal(deliver(rig_datagram(CLIENT, &listener, data, sizeof data), 1), 1);
	rig_assert_to(&out[0], PEER_V6);
	assert_true(sl_endpoint_eq(&out[0].src, &v6));
	assert_int_equal(from_client(CLIENT, 1), 1);
	rig_assert_to(&out[0], PEER);
	assert_true(sl_endpoint_eq(&out[0].src, &v4));
	assert_int_equal(from_peer(PEER_V6, &v6, 1), 1);
	rig_assert_to(&out[0], CLIENT);
	assert_int_equal(out[0].data[1], (CHANNEL + 1) & 0xff);
	assert_int_equal(from_peer(PEER, &v4, 1), 1);
	assert_int_equal(out[0].data[1], CHANNEL & 0xff);
}

static void an_allocation_has_its_rate(void **state)
{
	struct sl_endpoint relayed = rig_allocation(CLIENT, CHANNEL, PEER), other = rig_allocation(OTHER, CHANNEL, PEER);
	guard_by((struct sl_cmd_guard_policy){.turn_session_pps = 50});
	assert_int_equal(from_client(CLIENT, 80), 50);
	assert_int_equal(rig_drops(SL_DROP_session_limit), 30);
	assert_int_equal(from_peer(PEER, &relayed, 80), 50); /* directions apart, and allocations */
	assert_int_equal(from_peer(PEER, &other, 80), 50);
	assert_int_equal(from_client(OTHER, 80), 50);
	rig_pass_ms(500);
	assert_int_equal(from_client(CLIENT, 80), 25);
}

static void an_allocation_has_its_bytes(void **state)
{
	struct sl_endpoint relayed = rig_allocation(CLIENT, CHANNEL, PEER);
	guard_by((struct sl_cmd_guard_policy){.turn_session_kbps = 8 * LEN * 100 / 1000}); /* 128 kbit/s: 100 such packets */
	assert_int_equal(from_client(CLIENT, 150), 100);
	assert_int_equal(from_peer(PEER, &relayed, 150), 100);
}

/* The same data to the peer in Send indications. */
static unsigned in_send(const char *client, const char *peer, unsigned n)
{
	uint8_t msg[400], data[LEN] = {0}, tid[12] = {1};
	struct sl_endpoint server_at = server(false), to = rig_endpoint(peer);
	struct sl_stun_builder b;
	sl_stun_begin(&b, msg, sizeof msg, SL_TURN_SEND, SL_STUN_INDICATION, tid);
	sl_stun_add_xor_addr(&b, SL_ATTR_XOR_PEER_ADDRESS, &to);
	sl_stun_add(&b, SL_ATTR_DATA, data, sizeof data);
	return deliver(rig_datagram(client, &server_at, msg, (unsigned)sl_stun_end(&b)), n);
}

static void send_indications_count(void **state)
{
	rig_allocation(CLIENT, CHANNEL, PEER);
	guard_by((struct sl_cmd_guard_policy){.turn_session_pps = 50});
	assert_int_equal(from_client(CLIENT, 40), 40);
	assert_int_equal(in_send(CLIENT, PEER, 40), 10);
}

/* Strangers, and peers without a permission, use up nothing. */
/* The realm's and the node's limits of bandwidth, as the housekeeper publishes them. */
static struct sl_turn_conf_builder *builder;
static struct sl_turn_conf *conf;
static void *piece(const char *what, size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
	assert_non_null(p);
	return memset(p, 0, bytes);
}

static void apply(const struct sl_command *cmd)
{
	struct sl_turn_conf *next;
	char text[100];
	assert_int_equal(sl_turn_conf_apply(builder, cmd, &next, text, sizeof text), 0);
	if (next) {
		sl_turn_conf_free(conf);
		conf = next;
	}
}

static void provision(const struct sl_cmd_realm *realm, const struct sl_turn_bandwidth *node, const char *denied)
{
	struct sl_command cmd = {.h.type = SL_CMD_CONFIG_BEGIN};
	struct sl_prefix p;
	if (!builder)
		builder = sl_turn_conf_builder_new();
	apply(&cmd);
	cmd = (struct sl_command){.h.type = SL_CMD_TURN_CONFIG, .turn.node = *node};
	apply(&cmd);
	cmd = (struct sl_command){.h.type = SL_CMD_TURN_REALM, .realm = *realm};
	apply(&cmd);
	if (denied) {
		assert_int_equal(sl_prefix_parse(denied, &p), 0);
		cmd = (struct sl_command){.h.type = SL_CMD_PEER_RULE, .peer_rule = {.ip = p.ip, .prefix_len = p.len, .realm = SL_TURN_ANY_REALM}};
		apply(&cmd);
	}
	cmd = (struct sl_command){.h.type = SL_CMD_CONFIG_COMMIT};
	apply(&cmd);
	sl_turn_use(&rig_worker(0)->turn, conf);
}

static void no_event(void *ctx, const struct sl_evt_turn_quota *e)
{
	(*(unsigned *)ctx)++;
}

static unsigned n_events;
static void quota_by(const struct sl_cmd_realm *realm, const struct sl_turn_bandwidth *node)
{
	static struct sl_turn_bandwidths *all;
	static struct sl_turn_bandwidth_worker *mine;
	if (!mine) {
		assert_int_equal(sl_turn_bandwidths_init(&all, 64, piece), 0);
		mine = sl_turn_bandwidth_worker_new(all, 0, no_event, &n_events, piece);
	}
	provision(realm, node, NULL);
	rig_worker(0)->turn.bandwidth = mine;
}

static void rules_by(const char *denied)
{
	static const struct sl_cmd_realm realm = {.name = "example.org"};
	static const struct sl_turn_bandwidth none;
	provision(&realm, &none, denied);
}

static void an_allocation_has_its_bandwidth(void **state)
{
	static const struct sl_turn_bandwidth none;
	const struct sl_cmd_realm realm = {.name = "example.org", .session.hard_kbps = {32, 64}}; /* 25 packets a second, and 50 */
	struct sl_endpoint relayed = rig_allocation(CLIENT, CHANNEL, PEER);
	(void)rig_allocation(OTHER, CHANNEL, PEER);
	quota_by(&realm, &none);
	assert_int_equal(from_client(CLIENT, 40), 25);
	assert_int_equal(rig_drops(SL_DROP_quota_limit), 15);
	assert_int_equal(from_peer(PEER, &relayed, 60), 50); /* to the client it is another limit */
	assert_int_equal(from_client(OTHER, 40), 25);
	rig_pass_ms(500);
	assert_int_equal(from_client(CLIENT, 40), 12);
	assert_int_equal(rig_drops(SL_DROP_session_limit), 0);
	/* The guard's limit is the tighter one; and when it is only shown, the quota holds all the same. */
	rig_pass_ms(2000);
	guard_by((struct sl_cmd_guard_policy){.turn_session_pps = 50, .turn_session_kbps = 16});
	assert_int_equal(from_client(CLIENT, 30), 12);
	assert_int_equal(rig_drops(SL_DROP_session_limit), 18);
	rig_pass_ms(2000);
	guard_by((struct sl_cmd_guard_policy){.dry_run = 1, .turn_session_kbps = 16});
	assert_int_equal(from_client(CLIENT, 40), 25);
}

static void the_node_has_its_bandwidth(void **state)
{
	static const struct sl_cmd_realm realm = {.name = "example.org"};
	const struct sl_turn_bandwidth node = {.hard_kbps = {0, 64}};
	struct sl_endpoint relayed = rig_allocation(CLIENT, CHANNEL, PEER), other = rig_allocation(OTHER, CHANNEL, PEER);
	quota_by(&realm, &node);
	rig_pass_ms(5000);
	assert_int_equal(from_peer(PEER, &relayed, 30) + from_peer(PEER, &other, 30), 50);
	assert_int_equal(from_peer("203.0.113.77:1", &other, 15), 0); /* no permission: costs nothing */
	assert_int_equal(from_client(CLIENT, 50), 50);
	assert_int_equal(rig_drops(SL_DROP_quota_limit), 10);
}

/* A rule changed while clients and peers talk: no packet passes after that, in any direction and form; no timer has to run. */
static void a_denied_peer_is_cut_off_at_once(void **state)
{
	struct sl_endpoint relayed = rig_allocation(CLIENT, CHANNEL, PEER), other = rig_allocation(OTHER, 0, PEER);
	rules_by(NULL);
	assert_int_equal(from_client(CLIENT, 1) + from_peer(PEER, &relayed, 1) + in_send(OTHER, PEER, 1) + from_peer(PEER, &other, 1), 4);
	rules_by("198.51.100.0/24");
	assert_int_equal(from_client(CLIENT, 1), 0);
	assert_int_equal(from_peer(PEER, &relayed, 1), 0);
	assert_int_equal(in_send(OTHER, PEER, 1), 0);
	assert_int_equal(from_peer(PEER, &other, 1), 0);
	assert_int_equal(rig_drops(SL_DROP_peer_forbidden), 4);
	rules_by("203.0.113.0/24");
	assert_int_equal(from_client(CLIENT, 1) + from_peer(PEER, &relayed, 1) + in_send(OTHER, PEER, 1) + from_peer(PEER, &other, 1), 4);
}

static void what_is_forged_costs_nothing(void **state)
{
	struct sl_endpoint relayed = rig_allocation(CLIENT, CHANNEL, PEER);
	guard_by((struct sl_cmd_guard_policy){.turn_session_pps = 50, .turn_pps = 50});
	assert_int_equal(from_client(STRANGER, 200), 0);
	assert_int_equal(from_peer(STRANGER, &relayed, 200), 0);
	assert_int_equal(rig_drops(SL_DROP_no_allocation) + rig_drops(SL_DROP_no_permission), 400);
	assert_int_equal(from_client(CLIENT, 60), 50);
	assert_int_equal(from_peer(PEER, &relayed, 60), 50);
}

static void all_of_turn_has_its_rate(void **state)
{
	rig_allocation(CLIENT, CHANNEL, PEER);
	rig_allocation(OTHER, CHANNEL, PEER);
	guard_by((struct sl_cmd_guard_policy){.turn_pps = 100});
	unsigned n = from_client(CLIENT, 80) + from_client(OTHER, 80);
	assert_in_range(n, 99, 101);
	assert_int_equal(rig_drops(SL_DROP_tenant_limit), 160 - n);
}

static void dry_run(void **state)
{
	rig_allocation(CLIENT, CHANNEL, PEER);
	guard_by((struct sl_cmd_guard_policy){.turn_session_pps = 50, .dry_run = 1});
	assert_int_equal(from_client(CLIENT, 80), 80);
	assert_int_equal(rig_drops(SL_DROP_session_limit), 0);
	assert_int_equal(rig_worker(0)->shm->would_drop[SL_DROP_session_limit], 30);
}

/* A slot's next allocation begins with full buckets. */
static void the_next_one_begins_anew(void **state)
{
	struct sl_worker *w = rig_worker(0);
	struct sl_endpoint relayed = rig_allocation(CLIENT, CHANNEL, PEER);
	guard_by((struct sl_cmd_guard_policy){.turn_session_pps = 50});
	assert_int_equal(from_client(CLIENT, 80), 50);
	sl_alloc_delete(&w->sessions, sl_relay_find(&w->sessions.ports, 0, ntohs(relayed.port_be)));
	rig_allocation(OTHER, CHANNEL, PEER);
	assert_int_equal(from_client(OTHER, 80), 50);
}

/* What a stranger's message says of him is remembered. */
static void malformed_is_noted(void **state)
{
	static const uint8_t overruns[] = {0x00, 0x01, 0x00, 0x04, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x00, 0x06, 0x00, 0x40};
	struct sl_endpoint to = server(false), from = rig_endpoint(STRANGER);
	struct sl_evt_guard_signals told = {0};
	assert_int_equal(deliver(rig_datagram(STRANGER, &to, overruns, sizeof overruns), 3), 0);
	assert_int_equal(rig_drops(SL_DROP_stun_malformed), 3);
	assert_true(sl_signals_tell(&rig_worker(0)->guard.signals, 1000000, &told));
	assert_int_equal(told.n, 1);
	assert_true(sl_ip_eq(&told.sources[0].ip, &from.ip));
	assert_int_equal(told.sources[0].count[SL_GUARD_SAW_MALFORMED], 3);
}

/* The answers of Binding on the wire: within the budget, both families. */
static void answers_on_the_wire(void **state)
{
	static const uint8_t binding[20] = {0x00, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42, 9};
	guard_by((struct sl_cmd_guard_policy){.reflection_percent = 300});
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct sl_endpoint to = server(v6);
		unsigned header = 8 + (v6 ? 40 : 20);
		assert_int_equal(deliver(rig_datagram(v6 ? CLIENT_V6 : CLIENT, &to, binding, sizeof binding), 1), 1);
		assert_true((out[0].len + header) * 100 <= (sizeof binding + header) * 300);
	}
	const uint64_t *c = rig_worker(0)->counters;
	assert_int_equal(c[SL_C_guard_challenges], 2);
	assert_int_equal(c[SL_C_guard_challenged_bytes], 48 + 68);
	assert_int_equal(c[SL_C_guard_challenge_bytes], 60 + 92);
	/* Below what an answer takes there is none. */
	guard_by((struct sl_cmd_guard_policy){.reflection_percent = 110});
	struct sl_endpoint to = server(false);
	assert_int_equal(deliver(rig_datagram(CLIENT, &to, binding, sizeof binding), 1), 0);
	assert_int_equal(rig_drops(SL_DROP_reflection_limit), 1);
}

/* The one message that is sent without a request: to a peer with a permission whose packet may not be cut and grew over the MTU. */
static void too_big_is_shorter_than_what_it_answers(void **state)
{
	struct sl_worker *w = rig_worker(0);
	struct sl_endpoint relayed[2] = {rig_allocation(CLIENT, CHANNEL, PEER), rig_allocation(CLIENT_V6, CHANNEL, PEER_V6)};
	for (unsigned v6 = 0; v6 < 2; v6++) {
		static const uint8_t data[RIG_FRAME_MAX];
		unsigned header = 8 + (v6 ? 40 : 20);
		struct rig_packet p = rig_datagram(v6 ? PEER_V6 : PEER, &relayed[v6], data, 1500 - header);
		p.df = true;
		rig_in(0, &p, 1);
		assert_int_equal(w->tx[0].n, 1);
		unsigned len = w->tx[0].m[0]->pkt_len - 14;
		print_message("| too big for the way on (%s) | %u | %u | %.2f |\n", v6 ? "IPv6" : "IPv4", 1500, len, len / 1500.0);
		assert_true(len <= (v6 ? 1280 : 576));
		rte_pktmbuf_free(w->tx[0].m[0]);
		w->tx[0].n = 0;
		/* To a stranger there is none. */
		p = rig_datagram(v6 ? "[2001:db8:1::99]:9" : STRANGER, &relayed[v6], data, 1500 - header);
		p.df = true;
		rig_in(0, &p, 1);
		assert_int_equal(w->tx[0].n, 0);
	}
	assert_int_equal(w->counters[SL_C_too_big_sent], 2);
}

/* A request over TCP that another worker has to answer goes there if a packet buffer holds it, and is dropped if it does not, however long it is. */
static void handed_if_it_fits(void **state)
{
	enum { NAMES_WORKER_1 = 1, OPTIONAL = 0xfff0, BEFORE = SL_STUN_HEADER_BYTES + 8 + 4 };
	static const unsigned lens[] = {100, 4096, 65400, 65484, 65532};
	static uint8_t msg[UINT16_MAX];
	struct sl_worker *w = rig_worker(0);
	struct rte_ring *to = rig_worker(1)->rings.known_in[0];
	struct sl_byte_ring ring;
	struct rte_mbuf *m = NULL;

	(void)state;
	w->turn.n_workers = 2;
	w->turn.conf = (const struct sl_turn_conf *)msg; /* there is one; nobody looks at it before the request is where it belongs */
	assert_int_equal(sl_byte_ring_init(&ring, 1 << 18, NULL), 0);
	w->streams.n = 1;
	w->streams.in[0] = &ring;
	for (unsigned i = 0; i < sizeof lens / sizeof lens[0]; i++) {
		const unsigned body = lens[i] - SL_STUN_HEADER_BYTES, rest = lens[i] - BEFORE;
		const uint8_t head[BEFORE] = {0, SL_TURN_CONNECTION_BIND, (uint8_t)(body >> 8), (uint8_t)body, 0x21, 0x12, 0xa4, 0x42, [SL_STUN_HEADER_BYTES] = 0,
			0x2a, 0, 4, 0, 0, 0, NAMES_WORKER_1, OPTIONAL >> 8, OPTIONAL & 0xff, (uint8_t)(rest >> 8), (uint8_t)rest};
		struct sl_stream_record *r = sl_byte_ring_reserve(&ring, sizeof *r + lens[i]);
		memcpy(msg, head, sizeof head);
		*r = (struct sl_stream_record){.kind = SL_STREAM_IN_FRAME, .len = lens[i], .flow = {.transport = sl_stream_transport(SL_TURN_OVER_TCP, 0, 1, 0)}};
		memcpy(r + 1, msg, lens[i]);
		sl_byte_ring_put(&ring, sizeof *r + lens[i]);
	}
	sl_streams_input(w);
	assert_int_equal(rte_ring_count(to), 1);
	assert_int_equal(rig_drops(SL_DROP_too_big), 4);
	assert_int_equal(rte_ring_dequeue(to, (void **)&m), 0);
	assert_int_equal(m->pkt_len, sizeof(struct sl_stream_record) + lens[0]);
	rte_pktmbuf_free(m);
	w->turn.conf = NULL;
	w->streams.n = 0;
	sl_byte_ring_free(&ring, NULL);
}

static int setup_two(void **state)
{
	int rc = rig_setup_two(state);
	rig_turn();
	return rc;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(relays),
		TEST(header_fields_are_carried),
		TEST(either_family),
		TEST(an_allocation_has_its_rate),
		TEST(an_allocation_has_its_bandwidth),
		TEST(the_node_has_its_bandwidth),
		TEST(an_allocation_has_its_bytes),
		TEST(send_indications_count),
		TEST(a_denied_peer_is_cut_off_at_once),
		TEST(what_is_forged_costs_nothing),
		TEST(all_of_turn_has_its_rate),
		TEST(dry_run),
		TEST(the_next_one_begins_anew),
		TEST(malformed_is_noted),
		TEST(answers_on_the_wire),
		TEST(too_big_is_shorter_than_what_it_answers),
		cmocka_unit_test_setup_teardown(handed_if_it_fits, setup_two, rig_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
