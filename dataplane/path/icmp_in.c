/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* ICMP errors about what allocations sent to their peers, told to clients as Data indications (RFC 8656 11.5). All other ICMP is Linux's. */

#include "dataplane/path/context.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <rte_ip.h>
#include <rte_udp.h>

#include "dataplane/path/cksum.h"
#include "dataplane/path/streams.h"
#include "dataplane/path/turn_outside.h"

enum {
	TOLD_PER_S = 8, /* to one client */
	ICMP_HEADER = 8,
	CLIENT_TTL = 64,
	TYPE_SHIFT = 9, /* RFC 8656 18.13: 16 bits reserved, 7 of type, 9 of code, 32 of data */
	HEADERS = sizeof(struct rte_ipv6_hdr) + sizeof(struct rte_udp_hdr),
};

/* An error, and the packet of ours that it quotes. */
struct error {
	uint8_t type, code;
	uint32_t data_be; /* MTU of the next hop, where the type has one */
	struct sl_endpoint from, to;
	unsigned relay;
};

/* RFC 8656 11.5: the types that are told, and RFC 8656 18.13: whose data is the MTU. */
static bool is_told(bool v6, const uint8_t *icmp, struct error *e)
{
	bool mtu = v6 ? icmp[0] == ICMP6_PACKET_TOO_BIG : icmp[0] == ICMP_DEST_UNREACH && icmp[1] == ICMP_FRAG_NEEDED;
	e->type = icmp[0];
	e->code = icmp[1];
	e->data_be = 0;
	if (mtu)
		memcpy(&e->data_be, icmp + 4, sizeof e->data_be);
	if (mtu && !v6)
		e->data_be &= htonl(0xffff);
	if (v6)
		return icmp[0] == ICMP6_DST_UNREACH || icmp[0] == ICMP6_PACKET_TOO_BIG || icmp[0] == ICMP6_TIME_EXCEEDED;
	return icmp[0] == ICMP_DEST_UNREACH || icmp[0] == ICMP_TIME_EXCEEDED;
}

/* The UDP packet that it quotes, as far as its ports. */
static bool quoted(bool v6, const uint8_t *q, unsigned room, struct error *e)
{
	const struct rte_ipv4_hdr *v4 = (const struct rte_ipv4_hdr *)q;
	const struct rte_ipv6_hdr *ip6 = (const struct rte_ipv6_hdr *)q;
	unsigned header = sizeof *ip6;
	uint16_t ports[2];
	if (room < (v6 ? sizeof *ip6 : sizeof *v4) || q[0] >> 4 != (v6 ? 6 : 4))
		return false;
	if (!v6)
		header = (v4->version_ihl & 15) * 4u;
	if (header < (v6 ? sizeof *ip6 : sizeof *v4) || room < header + sizeof ports)
		return false;
	if (v6 ? ip6->proto != IPPROTO_UDP :
		 v4->next_proto_id != IPPROTO_UDP || (v4->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_OFFSET_MASK)))
		return false;
	memcpy(ports, q + header, sizeof ports);
	e->from.port_be = ports[0];
	e->to.port_be = ports[1];
	if (v6) {
		sl_ip_set_v6(&e->from.ip, ip6->src_addr);
		sl_ip_set_v6(&e->to.ip, ip6->dst_addr);
	} else {
		sl_ip_set_v4(&e->from.ip, v4->src_addr);
		sl_ip_set_v4(&e->to.ip, v4->dst_addr);
	}
	return true;
}

/* Is p an error about a packet that left one of our relay ports? icmp: where it begins, room bytes. */
static bool is_ours(const struct sl_worker *w, const struct sl_pkt *p, const uint8_t *icmp, unsigned room, struct error *e)
{
	const struct sl_local *l = sl_local_find(w, &p->dst.ip);
	if (!l || l->relay == SL_NO_RELAY || room < ICMP_HEADER || !is_told(p->v6, icmp, e) || !quoted(p->v6, icmp + ICMP_HEADER, room - ICMP_HEADER, e))
		return false;
	e->relay = l->relay;
	return sl_ip_eq(&e->from.ip, &p->dst.ip) && sl_turn_own_port_ok(&w->turn, ntohs(e->from.port_be));
}

static bool checksum_ok(const struct sl_pkt *p, const uint8_t *icmp, unsigned room)
{
	uint64_t acc = sl_sum_bytes(icmp, room);
	if (p->v6)
		acc += sl_sum_ip(&p->src.ip) + sl_sum_ip(&p->dst.ip) + htons((uint16_t)room) + htons(IPPROTO_ICMPV6);
	return sl_sum_fold(acc) == 0xffff;
}

/* A few a second, whatever peers or forgers make of it. */
static bool may_tell(struct sl_alloc *a, uint32_t now_s)
{
	if (a->icmp_s != (uint8_t)now_s) {
		a->icmp_s = (uint8_t)now_s;
		a->icmp_told = 0;
	}
	if (a->icmp_told == TOLD_PER_S)
		return false;
	a->icmp_told++;
	return true;
}

static unsigned build(struct sl_worker *w, const struct error *e, uint8_t *out, unsigned cap)
{
	struct sl_stun_builder b;
	const uint64_t tid[2] = {sl_prng_next(&w->sessions.prng), sl_prng_next(&w->sessions.prng)};
	const uint32_t value[2] = {htonl((uint32_t)e->type << TYPE_SHIFT | e->code), e->data_be};
	sl_stun_begin(&b, out, cap, SL_TURN_DATA, SL_STUN_INDICATION, (const uint8_t *)tid);
	const struct sl_endpoint peer = sl_turn_outward(&w->turn, &e->to);
	sl_stun_add_xor_addr(&b, SL_ATTR_XOR_PEER_ADDRESS, &peer);
	sl_stun_add(&b, SL_ATTR_ICMP, value, sizeof value);
	return (unsigned)sl_stun_end(&b);
}

/* To the client of a. Consumes m, which has room behind l3. */
static void tell(struct sl_worker *w, struct sl_alloc *a, const struct error *e, struct rte_mbuf *m, uint8_t *l3)
{
	uint8_t msg[64];
	unsigned len = build(w, e, msg, sizeof msg);
	sl_count(w, SL_C_icmp_to_client, 1);
	if (sl_flow_is_stream(&a->client)) {
		sl_streams_send(w, &a->client, msg, len, NULL, 0);
		rte_pktmbuf_free(m);
		return;
	}
	struct sl_out o = {.m = m,
		.payload = l3 + HEADERS,
		.payload_len = (uint16_t)len,
		.src = w->turn.listeners[a->client.listener],
		.dst = {.ip = a->client.ip, .port_be = a->client.port_be},
		.nh = &a->nh,
		.cksum = SL_CKSUM_COMPUTE,
		.ttl = CLIENT_TTL};
	if (o.payload + len > (uint8_t *)m->buf_addr + m->buf_len) {
		sl_drop(w, m, SL_DROP_too_big);
		return;
	}
	memcpy(o.payload, msg, len);
	sl_emit(w, &o);
}

bool sl_icmp_in(struct sl_worker *w, struct sl_pkt *p)
{
	unsigned protocol, room;
	struct error e;
	const uint8_t *icmp = p->kind == SL_PKT_LINUX ? sl_upper_layer(p, &protocol, &room) : NULL;
	if (likely(!icmp || protocol != (p->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) || !is_ours(w, p, icmp, room, &e)))
		return false;
	unsigned owner = sl_port_owner(&w->dp->relay_ports, e.relay, ntohs(e.from.port_be));
	if (owner != w->index) {
		sl_handoff(w, p, owner, false);
		return true;
	}
	if (!checksum_ok(p, icmp, room)) {
		sl_drop(w, p->m, SL_DROP_bad_l4_checksum);
		return true;
	}
	struct sl_sessions *s = &w->sessions;
	uint32_t alloc = sl_relay_find(&s->ports, e.relay, ntohs(e.from.port_be));
	struct sl_alloc *a = alloc == SL_NONE ? NULL : &s->allocs[alloc];
	if (!a || a->expires_s <= w->now.s || !sl_permission_live(s, a, &e.to.ip, w->now.s) || !may_tell(a, w->now.s))
		sl_drop(w, p->m, SL_DROP_icmp_unrelated);
	else
		tell(w, a, &e, p->m, p->l3);
	return true;
}
