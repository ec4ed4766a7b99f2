/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "path_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "dataplane/linux/fib_build.h"
#include "dataplane/path/cksum.h"
#include "dataplane/path/turn_quota.h"
#include "dataplane/path/turn_reservation.h"

enum { SLOT = 1, N_LEGS = 160, N_STREAMS = 256, MAX_WORKERS = 2, MTU = 1500, EVENT_RING = 256 };

static struct {
	struct sl_config config;
	struct sl_dataplane dp;
	struct sl_worker *workers[MAX_WORKERS];
	struct sl_region_worker *shm[MAX_WORKERS];
	struct sl_cold_media *cold;
	struct sl_srtp *srtp[MAX_WORKERS];
	struct sl_fib *fib;
	struct sl_guard_policy policy; /* all zero: the guard is off */
	bool turn; /* rig_turn() was called */
	struct sl_turn_quota quota, sources;
	struct sl_turn_reservations reservations;
	struct sl_ring events[MAX_WORKERS];
	void *event_memory[MAX_WORKERS];
	uint64_t now_ms;
} rig;

static void must(bool ok)
{
	assert_true(ok);
}

static void *zalloc(size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
	must(p != NULL);
	return memset(p, 0, (bytes + 63) & ~(size_t)63);
}

static void *named_zalloc(const char *what, size_t bytes)
{
	return zalloc(bytes);
}

static void eal_once(void)
{
	static bool done;
	char *argv[] = {"test", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "-m", "96", "-l", "0",
		"--log-level=lib.*:error", "--iova-mode=va", NULL};
	if (done)
		return;
	must(rte_eal_init(SL_COUNT(argv) - 1, argv) >= 0);
	rig.dp.pool = rte_pktmbuf_pool_create("rig", 4095, 0, SL_PACKET_PRIVATE_BYTES, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	must(rig.dp.pool != NULL);
	done = true;
}

/* Everything is on link, each neighbour known. */
static void make_fib(void)
{
	struct sl_fib_builder *b = sl_fib_builder_new();
	static const char *const nets[] = {"192.0.2.0/24", "198.51.100.0/24", "2001:db8:1::/64"};
	static const char *const hosts[] = {"192.0.2.10", "192.0.2.11", "192.0.2.99", "198.51.100.10", "198.51.100.11",
		"2001:db8:1::10", "2001:db8:1::11"};
	for (unsigned i = 0; i < SL_COUNT(nets); i++) {
		struct sl_prefix p;
		must(sl_prefix_parse(nets[i], &p) == 0);
		sl_fib_add_route(b, &p, 0, 0, NULL);
	}
	for (unsigned i = 0; i < SL_COUNT(hosts); i++) {
		struct sl_nexthop nh = {.mtu = MTU, .resolved = true, .eth = {2, 0, 0, 0, 0, (uint8_t)i}};
		struct sl_ip ip;
		must(sl_ip_parse(hosts[i], &ip) == 0);
		sl_fib_add_neighbour(b, &ip, &nh);
	}
	rig.fib = sl_fib_build(b, 1);
	must(rig.fib != NULL);
}

static void make_config(void)
{
	struct sl_conf_media *c = &rig.config.media;
	*c = (struct sl_conf_media){.n_addresses = 2, .port_min = RIG_PORT_MIN, .port_max = RIG_PORT_MAX};
	must(sl_ip_parse(RIG_V4, &c->addresses[0].ip) == 0);
	must(sl_ip_parse(RIG_V6, &c->addresses[1].ip) == 0);
	rig.config.guard.sources = 1024;
	rig.dp.config = &rig.config;
}

static void make_media(struct sl_worker *w)
{
	struct sl_media_params p = {.n_legs = N_LEGS, .n_streams = N_STREAMS, .n_routes = 4 * N_LEGS, .n_large = 8,
		.n_addresses = 2, .worker = w->index, .n_workers = rig.dp.n_workers, .window_bits = 128,
		.port_min = RIG_PORT_MIN, .port_max = RIG_PORT_MAX, .cold = rig.cold, .srtp = rig.srtp[w->index],
		.seed = {7}};
	w->media = zalloc(sizeof *w->media);
	w->media->tables = zalloc(sizeof *w->media->tables);
	must(sl_media_init(w->media->tables, &p) == 0);
	must(sl_playout_init(w, N_LEGS, named_zalloc) == 0);
}

static void make_worker(unsigned i)
{
	char err[200];
	struct sl_srtp_options o = {.backend = SL_SRTP_IPSEC_MB, .n_workers = 1};
	struct sl_worker *w = rig.workers[i] = zalloc(sizeof *w);
	rig.shm[i] = zalloc(sizeof *rig.shm[i]);
	if (!rig.srtp[i])
		must(sl_srtp_open(&rig.srtp[i], &o, err, sizeof err) == 0);
	w->dp = &rig.dp;
	w->index = i;
	w->shm = rig.shm[i];
	w->counters = w->shm->counters;
	w->drops = w->shm->drops;
	w->fib = rig.fib;
	w->now.ms = rig.now_ms;
	w->now_us = rig.now_ms * 1000;
	w->policy = &rig.policy;
	must(sl_locals_init(w, &rig.config) == 0);
	must(sl_guard_init(w, named_zalloc) == 0);
	rig.event_memory[i] = zalloc(sl_ring_bytes(EVENT_RING, SL_MSG_EVENT_BYTES));
	sl_ring_attach(&w->abi.events[SLOT], rig.event_memory[i], EVENT_RING, SL_MSG_EVENT_BYTES, 1);
	sl_ring_attach(&rig.events[i], rig.event_memory[i], EVENT_RING, SL_MSG_EVENT_BYTES, 0);
	w->abi.attached = 1u << SLOT;
	w->abi.epoch[SLOT] = 1;
	w->abi.counters = w->counters;
	rig.dp.workers[i] = w;
	make_media(w);
}

static struct rte_ring *ring(const char *kind, unsigned to, unsigned from)
{
	char name[32];
	snprintf(name, sizeof name, "%s-%u-%u", kind, to, from);
	struct rte_ring *r = rte_ring_lookup(name);
	return r ? r : rte_ring_create(name, 256, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static void make_workers(void)
{
	for (unsigned i = 0; i < rig.dp.n_workers; i++)
		make_worker(i);
	for (unsigned i = 0; i < rig.dp.n_workers; i++)
		for (unsigned k = 0; k < rig.dp.n_workers; k++) {
			if (i == k)
				continue;
			must((rig.workers[i]->rings.known_in[k] = ring("known", i, k)) != NULL);
			must((rig.workers[i]->rings.unknown_in[k] = ring("unknown", i, k)) != NULL);
		}
}

void rig_start(unsigned n_workers)
{
	static const struct sl_hash_key key = {.b = {3}};
	size_t bytes = sl_cold_media_size(MAX_WORKERS * N_LEGS, MAX_WORKERS * N_STREAMS);
	eal_once();
	rig.now_ms = 1000000;
	rig.dp.n_workers = n_workers;
	rig.dp.n_ports = 1;
	rig.dp.n_interfaces = 1;
	rig.dp.ports[0] = (struct sl_port){.mtu = MTU, .mac = {2, 0, 0, 0, 1, 1}};
	must(sl_known_init(&rig.dp.known, n_workers, 1024, &key, NULL) == 0);
	make_config();
	make_fib();
	rig.cold = zalloc(bytes);
	must(sl_cold_media_create(rig.cold, MAX_WORKERS * N_LEGS, MAX_WORKERS * N_STREAMS) == 0);
	must(sl_meters_init(&rig.dp.meters, n_workers, NULL) == 0);
	make_workers();
}

void rig_guard(const struct sl_cmd_guard_policy *told)
{
	sl_guard_policy_make(&rig.policy, told);
}

void rig_allow(const char *prefix)
{
	struct sl_prefix p;
	struct sl_prefixes *built;
	char text[200];
	must(sl_prefix_parse(prefix, &p) == 0);
	struct sl_prefix_entry e = {.ip = p.ip, .prefix_len = p.len, .verdict = SL_PREFIX_ALLOW};
	must(sl_prefixes_build(&e, 1, &built, text, sizeof text) == 0);
	rig.policy.prefixes = built;
}

void rig_meter(uint32_t meter, uint32_t pps, uint32_t kbps)
{
	sl_meters_set(rig.dp.meters, meter, &(struct sl_meter_rate){pps, kbps});
}

/* ---- TURN ---- */

void rig_turn(void)
{
	struct sl_worker *w = rig.workers[0];
	struct sl_conf_turn *c = &rig.config.turn;
	*c = (struct sl_conf_turn){.n_listeners = 2, .n_relay = 2, .relay_port_min = RIG_RELAY_MIN, .relay_port_max = RIG_RELAY_MAX};
	must(sl_endpoint_parse(RIG_V4 ":3478", &c->listeners[0]) == 0);
	must(sl_endpoint_parse("[" RIG_V6 "]:3478", &c->listeners[1]) == 0);
	must(sl_ip_parse(RIG_RELAY_V4, &c->relay[0]) == 0);
	must(sl_ip_parse(RIG_RELAY_V6, &c->relay[1]) == 0);
	must(sl_locals_init(w, &rig.config) == 0);
	must(sl_port_shared_init(&rig.dp.relay_ports, 1, 2, NULL) == 0);
	must(sl_turn_quota_init(&rig.quota, 64, named_zalloc) == 0);
	must(sl_turn_quota_init(&rig.sources, 128, named_zalloc) == 0);
	must(sl_turn_reservations_init(&rig.reservations, 1, named_zalloc) == 0);
	const struct sl_sessions_params p = {.n_allocs = 64, .n_peers = 256, .n_workers = 1, .n_relay = 2, .port_min = RIG_RELAY_MIN,
		.port_max = RIG_RELAY_MAX, .listeners = c->listeners, .n_listeners = 2, .relay = c->relay, .known = &rig.dp.known,
		.now_s = (uint32_t)(rig.now_ms / 1000), .port_shared = &rig.dp.relay_ports, .seed = {1, 2, 3, 4}};
	must(sl_sessions_init(&w->sessions, &p) == 0);
	w->now.s = (uint32_t)(rig.now_ms / 1000);
	w->turn = (struct sl_turn){.sessions = &w->sessions, .counters = w->counters, .n_listeners = 2, .listeners = c->listeners,
		.n_relay = 2, .relay = c->relay, .relay_port_min = RIG_RELAY_MIN, .relay_port_max = RIG_RELAY_MAX, .quota = &rig.quota,
		.sources = &rig.sources, .reservations = &rig.reservations, .n_workers = 1, .ctx = w};
	rig.turn = true;
}

/* ---- SIP ---- */

void rig_sip(uint32_t exception_pps)
{
	static const struct sl_hash_key key = {.b = {5}};
	struct sl_worker *w = rig.workers[0];
	rig.config.sip = (struct sl_conf_sip){.n_listeners = 1, .listeners = {{.transport = SL_CONF_SIP_UDP}}};
	must(sl_endpoint_parse(RIG_V4 ":5060", &rig.config.sip.listeners[0].address) == 0);
	must(sl_locals_init(w, &rig.config) == 0);
	must(sl_marks_init(&rig.dp.marks, 64, &key, (uint32_t)(rig.now_ms / 1000), NULL) == 0);
	must((w->rings.exception = ring("exception", 0, 0)) != NULL);
	must((w->rings.exception_known = ring("exception_known", 0, 0)) != NULL);
	atomic_store_explicit(&rig.dp.live_exception_pps, exception_pps, memory_order_relaxed);
}

unsigned rig_to_linux(void)
{
	const struct sl_worker_rings *r = &rig.workers[0]->rings;
	unsigned n = 0;
	void *m;
	for (; rte_ring_sc_dequeue(r->exception, &m) == 0 || rte_ring_sc_dequeue(r->exception_known, &m) == 0; n++)
		rte_pktmbuf_free(m);
	return n;
}

static void sip_free(void)
{
	if (rig.dp.marks.words)
		sl_marks_free(&rig.dp.marks, free);
	rig.config.sip = (struct sl_conf_sip){0};
}

struct sl_endpoint rig_allocation(const char *client, unsigned channel, const char *peer)
{
	struct sl_worker *w = rig.workers[0];
	struct sl_endpoint from = rig_endpoint(client), to = rig_endpoint(peer);
	const struct sl_cold_auth auth = {0};
	unsigned relay = !sl_ip_is_v4(&to.ip);
	struct sl_flow f = {.ip = from.ip, .port_be = from.port_be, .listener = !sl_ip_is_v4(&from.ip), .transport = IPPROTO_UDP};
	int port = sl_port_draw(&w->sessions.ports, &w->sessions.prng, relay, SL_PORT_ANY);
	must(port > 0);
	uint32_t alloc = sl_alloc_create(&w->sessions, &f, relay, htons((uint16_t)port), w->now.s, 600, &auth);
	must(alloc != SL_NONE);
	if (channel)
		must(sl_channel_set(&w->sessions, alloc, (uint16_t)channel, &to, false, w->now.s, w->now.s + 300, w->now.s + 600, 8) == 0);
	else
		must(sl_permission_set(&w->sessions, alloc, &to.ip, false, w->now.s + 300, 8) == 0);
	return (struct sl_endpoint){rig.config.turn.relay[relay], htons((uint16_t)port)};
}

struct rig_packet rig_datagram(const char *src, const struct sl_endpoint *dst, const void *data, unsigned len)
{
	struct rig_packet p = {.src = rig_endpoint(src), .dst = *dst, .len = len};
	memcpy(p.data, data, len);
	return p;
}

static void turn_free(void)
{
	if (!rig.turn)
		return;
	sl_sessions_free(&rig.workers[0]->sessions, free);
	free(rig.quota.words);
	free(rig.sources.words);
	free(rig.reservations.entries);
	free(rig.dp.relay_ports.owner);
	rig.config.turn = (struct sl_conf_turn){0};
	rig.turn = false;
}

static void free_worker(unsigned i)
{
	struct sl_worker *w = rig.workers[i];
	struct sl_media *m = w->media->tables;
	void *all[] = {m->rx, m->tx, m->crypto, m->more, m->contexts, m->windows, m->streams, m->routes, m->large, m->ports.leg, m->meters, m,
		w->media->playout, w->media, w, rig.shm[i], rig.event_memory[i]};
	while (w->tx[0].n)
		rte_pktmbuf_free(w->tx[0].m[--w->tx[0].n]);
	sl_limiter_free(&w->guard.limiter, free);
	free(w->guard.again.buckets);
	for (unsigned k = 0; k < SL_COUNT(all); k++)
		free(all[k]);
}

void rig_restart(void)
{
	for (unsigned i = 0; i < rig.dp.n_workers; i++)
		free_worker(i);
	make_workers();
}

void rig_stop(void)
{
	turn_free();
	sip_free();
	for (unsigned i = 0; i < rig.dp.n_workers; i++)
		free_worker(i);
	assert_int_equal(rte_mempool_in_use_count(rig.dp.pool), 0); /* every buffer came back */
	sl_fib_free(rig.fib);
	free(rig.cold);
	free((void *)rig.dp.known.slots);
	sl_meters_free(rig.dp.meters, NULL);
	sl_prefixes_free((struct sl_prefixes *)rig.policy.prefixes);
	rig.policy = (struct sl_guard_policy){0};
}

struct sl_worker *rig_worker(unsigned i)
{
	return rig.workers[i];
}

void rig_pass_ms(unsigned ms)
{
	while (ms--) {
		rig.now_ms++;
		for (unsigned i = 0; i < rig.dp.n_workers; i++) {
			rig.workers[i]->now.ms = rig.now_ms;
			rig.workers[i]->now.s = (uint32_t)(rig.now_ms / 1000);
			rig.workers[i]->now_us = rig.now_ms * 1000;
			sl_media_tick(rig.workers[i]);
		}
	}
}

void rig_command(uint32_t type, const void *body, size_t len)
{
	struct sl_command cmd = {.h.type = type};
	char text[120] = "";
	memcpy(cmd.bytes, body, len);
	unsigned worker = sl_media_port_worker(cmd.leg_ref.port, rig.dp.n_workers);
	int rc = sl_media_command(rig.workers[worker], SLOT, &cmd, text, sizeof text);
	if (rc < 0)
		print_error("command %u: %d %s\n", type, rc, text);
	must(rc == 0);
}

struct sl_cmd_leg rig_leg(unsigned worker, unsigned address, unsigned n, const char *remote)
{
	enum { FIRST = 30208 }; /* a block of worker 0 of two */
	uint16_t port = (uint16_t)(FIRST + worker * SL_MEDIA_PORT_BLOCK + 2 * n);
	struct sl_cmd_leg c = {.leg = {.id = (uint64_t)SLOT << 61 | (worker + 1) << 16 | n, .port = port, .address = (uint8_t)address},
		.rtcp_port = (uint16_t)(port + 1), .learn = SL_LEARN_IMMEDIATE, .dscp = 46};
	if (remote)
		must(sl_endpoint_parse(remote, &c.remote_rtp) == 0);
	return c;
}

void rig_join(const struct sl_cmd_leg *from, const struct sl_cmd_leg *to)
{
	struct sl_cmd_route r = {from->leg, to->leg};
	rig_command(SL_CMD_ROUTE_ADD, &r, sizeof r);
}

struct rig_packet rig_rtp(const char *src, const struct sl_cmd_leg *to, uint8_t pt, uint16_t seq, uint32_t ts, uint32_t ssrc,
	unsigned payload)
{
	struct rig_packet p = {.dst = {rig.config.media.addresses[to->leg.address].ip, htons(to->leg.port)}};
	must(sl_endpoint_parse(src, &p.src) == 0);
	p.data[0] = 0x80;
	p.data[1] = pt;
	sl_rtp_put16(p.data + 2, seq);
	sl_rtp_put32(p.data + 4, ts);
	sl_rtp_put32(p.data + 8, ssrc);
	for (unsigned i = 0; i < payload; i++)
		p.data[SL_RTP_HEADER_BYTES + i] = (uint8_t)(seq + i);
	p.len = SL_RTP_HEADER_BYTES + payload;
	return p;
}

/* ---- frames ---- */

static uint16_t udp_sum(const struct sl_endpoint *src, const struct sl_endpoint *dst, const uint8_t *udp, unsigned len)
{
	return sl_udp_cksum(sl_sum_ip(&src->ip) + sl_sum_ip(&dst->ip) + htons((uint16_t)len) + htons(IPPROTO_UDP) +
		sl_sum_bytes(udp, len));
}

static uint8_t *write_ip(uint8_t *l3, const struct rig_packet *p, unsigned udp_len)
{
	if (sl_ip_is_v4(&p->dst.ip)) {
		struct rte_ipv4_hdr ip = {.version_ihl = 0x45, .type_of_service = p->tos, .time_to_live = p->ttl != 0 ? p->ttl : 60, .next_proto_id = IPPROTO_UDP,
			.fragment_offset = p->df ? htons(RTE_IPV4_HDR_DF_FLAG) : 0,
			.total_length = htons((uint16_t)(sizeof ip + udp_len)), .src_addr = sl_ip_v4_be(&p->src.ip),
			.dst_addr = sl_ip_v4_be(&p->dst.ip)};
		ip.hdr_checksum = sl_ip_cksum(&ip, sizeof ip);
		memcpy(l3, &ip, sizeof ip);
		return l3 + sizeof ip;
	}
	struct rte_ipv6_hdr ip = {.vtc_flow = htonl(6u << 28 | (uint32_t)p->tos << 20), .payload_len = htons((uint16_t)udp_len),
		.proto = IPPROTO_UDP, .hop_limits = p->ttl != 0 ? p->ttl : 60};
	memcpy(ip.src_addr, p->src.ip.b, 16);
	memcpy(ip.dst_addr, p->dst.ip.b, 16);
	memcpy(l3, &ip, sizeof ip);
	return l3 + sizeof ip;
}

static struct rte_mbuf *frame_of(const struct rig_packet *p)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig.dp.pool);
	must(m != NULL);
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(f, rig.dp.ports[0].mac, 6);
	memset(f + 6, 4, 6);
	bool v4 = sl_ip_is_v4(&p->dst.ip);
	f[12] = v4 ? 0x08 : 0x86;
	f[13] = v4 ? 0x00 : 0xdd;
	unsigned udp_len = p->len + (unsigned)sizeof(struct rte_udp_hdr);
	uint8_t *udp = write_ip(f + RTE_ETHER_HDR_LEN, p, udp_len);
	uint16_t h[4] = {p->src.port_be, p->dst.port_be, htons((uint16_t)udp_len), 0};
	memcpy(udp, h, sizeof h);
	memcpy(udp + sizeof h, p->data, p->len);
	h[3] = udp_sum(&p->src, &p->dst, udp, udp_len);
	memcpy(udp + 6, &h[3], 2);
	m->data_len = (uint16_t)((unsigned)(udp - f) + udp_len);
	m->pkt_len = m->data_len;
	return m;
}

void rig_in_ip(unsigned worker, const void *packet, unsigned len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig.dp.pool);
	must(m != NULL);
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
	bool v4 = *(const uint8_t *)packet >> 4 == 4;
	memcpy(f, rig.dp.ports[0].mac, 6);
	memset(f + 6, 4, 6);
	f[12] = v4 ? 0x08 : 0x86;
	f[13] = v4 ? 0x00 : 0xdd;
	memcpy(f + RTE_ETHER_HDR_LEN, packet, len);
	m->data_len = (uint16_t)(RTE_ETHER_HDR_LEN + len);
	m->pkt_len = m->data_len;
	sl_path_frames(rig.workers[worker], &m, 1, 0, SL_FROM_PORT);
	sl_path_run_loops(rig.workers[worker]);
}

void rig_in_alone(unsigned worker, const struct rig_packet *p, unsigned n)
{
	struct rte_mbuf *m[SL_BURST];
	must(n <= SL_BURST);
	for (unsigned i = 0; i < n; i++)
		m[i] = frame_of(&p[i]);
	sl_path_frames(rig.workers[worker], m, n, 0, SL_FROM_PORT);
	sl_path_run_loops(rig.workers[worker]);
}

void rig_in(unsigned worker, const struct rig_packet *p, unsigned n)
{
	rig_in_alone(worker, p, n);
	for (unsigned i = 0; i < rig.dp.n_workers && rig.dp.n_workers > 1; i++)
		sl_handoff_input(rig.workers[(worker + 1 + i) % rig.dp.n_workers]);
}

static void take_apart(const struct rte_mbuf *m, struct rig_packet *p)
{
	const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *), *l3 = f + RTE_ETHER_HDR_LEN, *udp;
	*p = (struct rig_packet){0};
	if (f[12] == 0x08) {
		struct rte_ipv4_hdr ip;
		memcpy(&ip, l3, sizeof ip);
		assert_int_equal(sl_ip_cksum(&ip, sizeof ip), 0);
		assert_int_equal(ntohs(ip.total_length) + RTE_ETHER_HDR_LEN, m->data_len);
		sl_ip_set_v4(&p->src.ip, ip.src_addr);
		sl_ip_set_v4(&p->dst.ip, ip.dst_addr);
		p->tos = ip.type_of_service;
		p->ttl = ip.time_to_live;
		p->df = (ip.fragment_offset & htons(RTE_IPV4_HDR_DF_FLAG)) != 0;
		udp = l3 + sizeof ip;
	} else {
		struct rte_ipv6_hdr ip;
		memcpy(&ip, l3, sizeof ip);
		sl_ip_set_v6(&p->src.ip, ip.src_addr);
		sl_ip_set_v6(&p->dst.ip, ip.dst_addr);
		p->tos = (uint8_t)(ntohl(ip.vtc_flow) >> 20);
		p->ttl = ip.hop_limits;
		udp = l3 + sizeof ip;
	}
	uint16_t h[4];
	memcpy(h, udp, sizeof h);
	p->src.port_be = h[0];
	p->dst.port_be = h[1];
	unsigned udp_len = ntohs(h[2]);
	assert_int_equal(f + m->data_len - udp, udp_len);
	p->len = udp_len - 8;
	memcpy(p->data, udp + 8, p->len);
	/* Over everything, its own checksum included: all ones. */
	uint64_t sum = sl_sum_ip(&p->src.ip) + sl_sum_ip(&p->dst.ip) + h[2] + htons(IPPROTO_UDP) + sl_sum_bytes(udp, udp_len);
	assert_int_equal(sl_sum_fold(sum), 0xffff);
}

unsigned rig_out(struct rig_packet *out, unsigned max)
{
	unsigned n = 0;
	for (unsigned i = 0; i < rig.dp.n_workers; i++) {
		struct sl_worker *w = rig.workers[i];
		for (unsigned k = 0; k < w->tx[0].n; k++) {
			if (n < max)
				take_apart(w->tx[0].m[k], &out[n]);
			rte_pktmbuf_free(w->tx[0].m[k]);
			n++;
		}
		w->tx[0].n = 0;
	}
	return n;
}

uint64_t rig_drops(enum sl_drop reason)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < rig.dp.n_workers; i++)
		n += rig.workers[i]->drops[reason];
	return n;
}

bool rig_event(struct sl_event *evt)
{
	for (unsigned i = 0; i < rig.dp.n_workers; i++)
		if (sl_ring_pop(&rig.events[i], evt) == 1)
			return true;
	return false;
}

/* ---- what many tests begin with ---- */

int rig_setup(void **state)
{
	rig_start(1);
	return 0;
}

int rig_setup_two(void **state)
{
	rig_start(2);
	return 0;
}

int rig_teardown(void **state)
{
	rig_stop();
	return 0;
}

struct sl_endpoint rig_endpoint(const char *text)
{
	struct sl_endpoint e;
	must(sl_endpoint_parse(text, &e) == 0);
	return e;
}

void rig_assert_to(const struct rig_packet *p, const char *text)
{
	struct sl_endpoint e = rig_endpoint(text);
	assert_true(sl_endpoint_eq(&p->dst, &e));
}

void rig_set(const struct sl_cmd_leg *c)
{
	rig_command(SL_CMD_LEG_SET, c, sizeof *c);
}

void rig_pair(struct sl_cmd_leg *a, struct sl_cmd_leg *b, const char *a_remote, const char *b_remote)
{
	*a = rig_leg(0, 0, 1, a_remote);
	*b = rig_leg(0, 0, 2, b_remote);
	rig_set(a);
	rig_set(b);
	rig_join(a, b);
	rig_join(b, a);
}

struct sl_srtp_key rig_key(uint8_t fill, unsigned suite)
{
	struct sl_srtp_key k = {.suite = (uint8_t)suite};
	memset(k.key, fill, sl_srtp_suite_info(suite)->key_len);
	memset(k.salt, fill + 1, sl_srtp_suite_info(suite)->salt_len);
	return k;
}

struct sl_evt_leg rig_stats(const struct sl_cmd_leg *c)
{
	struct sl_evt_leg e;
	const struct sl_media *m = rig.workers[0]->media->tables;
	sl_media_describe(m, sl_media_leg(m, &c->leg), rig.now_ms, &e);
	return e;
}
