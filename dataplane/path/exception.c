/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* To Linux and from Linux. The worker only moves buffers between rings: the housekeeper does the reads and writes on the
 * TAPs. Each packet for Linux has a class: ARP and neighbour discovery, known sources of SIP and of TURN over TCP, TLS and DTLS, strangers to these, the rest; each its limits
 * (guard.c), and strangers together the exception rate. */

#include "dataplane/path/streams.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

enum {
	/* ARP and neighbour discovery have a budget of their own on each interface: without them relaying stops, so no other
	 * traffic may use it up, and they may not use up the others'. */
	NEIGHBOUR_PPS = 2000,
	ND_HOPS = 255,
	CLASS_NEIGHBOUR = SL_GUARD_N_CLASSES,
};

/* ARP, or ICMPv6 router and neighbour messages (RFC 4861 4): 133..136, from this link (6.1, 7.1: what a router passed on has fewer hops left). */
static bool is_neighbour_protocol(const struct sl_pkt *p)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);
	if (p->kind == SL_PKT_NOT_IP) {
		uint16_t type = eth->ether_type;
		if (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN) && p->m->data_len >= sizeof *eth + sizeof(struct rte_vlan_hdr))
			type = ((const struct rte_vlan_hdr *)(eth + 1))->eth_proto;
		return type == rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
	}
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)p->l3;
	const uint8_t *type = (const uint8_t *)(ip + 1);
	return p->v6 && p->l3_len > sizeof *ip && ip->proto == IPPROTO_ICMPV6 && ip->hop_limits == ND_HOPS && *type >= ND_ROUTER_SOLICIT &&
		*type <= ND_NEIGHBOR_ADVERT;
}

/* ---- SIP, and TURN that Linux receives ---- */

/* What p goes to, of what Linux receives for us: the number that its known sources are marked under, with ports and listener filled; or -1. */
static int service_of(const struct sl_worker *w, struct sl_pkt *p, unsigned *protocol)
{
	const struct sl_local *l = p->kind == SL_PKT_LINUX ? sl_local_find(w, &p->dst.ip) : NULL;
	bool peers = l && l->relay != SL_NO_RELAY && w->dp->config->turn.tcp_relay;
	unsigned room;
	uint8_t *upper = l && (l->n_services || peers) ? sl_upper_layer(p, protocol, &room) : NULL;
	if (!upper || room < sizeof(struct rte_udp_hdr))
		return -1;
	uint16_t ports[2]; /* where they are, UDP and TCP agree */
	memcpy(ports, upper, sizeof ports);
	p->src.port_be = ports[0];
	p->dst.port_be = ports[1];
	p->udp = upper;
	p->payload_len = (uint16_t)(room - sizeof(struct rte_udp_hdr));
	for (unsigned i = 0; i < l->n_services; i++) {
		if (l->services[i].port_be != ports[1] || l->services[i].ip_protocol != *protocol)
			continue;
		p->listener = l->services[i].mark & (SL_MARK_TURN - 1);
		return l->services[i].mark;
	}
	return peers && *protocol == IPPROTO_TCP && sl_turn_own_port_ok(&w->turn, ntohs(ports[1])) ? sl_mark_of_peer(ports[1]) : -1;
}

static bool is_token(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-.!%*_+`'~", c));
}

/* A method and a space, "SIP/2.0 ", or line ends that keep a binding alive (RFC 3261 7.1, 7.2, 25.1; RFC 5626 3.5.1). Nothing at all and a few zero
 * bytes are what some phones send for that. */
static bool begins_like_sip(const uint8_t *b, unsigned len)
{
	enum { METHOD_MAX = 32, ZEROES_MAX = 8 };
	unsigned i = 0;
	if (len == 0 || b[0] == '\r' || b[0] == '\n')
		return true;
	if (b[0] == 0 && len <= ZEROES_MAX)
		return true;
	if (len >= 8 && memcmp(b, "SIP/2.0 ", 8) == 0)
		return true;
	while (i < len && i < METHOD_MAX && is_token(b[i]))
		i++;
	return i > 0 && i < len && b[i] == ' ';
}

/* ---- classes ---- */

/* What a packet for Linux is, until its mark is looked up. */
struct class {
	uint64_t hash; /* of the mark */
	bool marked;   /* it may have one */
	bool turn;     /* what its mark says, counts for TURN */
};

static void classify(struct sl_worker *w, struct sl_pkt *p, struct class *c)
{
	unsigned protocol;
	*c = (struct class){0};
	p->guard_class = SL_GUARD_OTHER;
	if (is_neighbour_protocol(p)) {
		p->guard_class = CLASS_NEIGHBOUR;
		return;
	}
	int mark = p->kind == SL_PKT_LINUX ? service_of(w, p, &protocol) : -1;
	if (mark < 0)
		return;
	c->turn = mark >= SL_MARK_TURN;
	if (!c->turn && protocol == IPPROTO_UDP && !begins_like_sip(p->udp + sizeof(struct rte_udp_hdr), p->payload_len)) {
		sl_guard_misshapen(w, p, SL_DROP_sip_malformed);
		return;
	}
	if (mark < SL_MARK_PEER)
		p->guard_class = c->turn ? SL_GUARD_STUN : SL_GUARD_SIP;
	struct sl_endpoint remote = {.ip = p->src.ip, .port_be = p->src.port_be};
	c->marked = true;
	c->hash = sl_marks_hash(&w->dp->marks, &remote, (uint16_t)mark);
	sl_marks_prefetch(&w->dp->marks, c->hash);
}

static void look_up_mark(struct sl_worker *w, struct sl_pkt *p, uint64_t hash)
{
	switch (sl_marks_look(&w->dp->marks, hash, w->now.s)) {
	case SL_GUARD_IS_FINAL:
		p->guard_class = SL_GUARD_KNOWN;
		p->banned = false; /* which is meant for strangers */
		break;
	case SL_GUARD_IS_PROVISIONAL:
		p->guard_class = SL_GUARD_PROVISIONAL;
		break;
	}
}

/* Limits by class; what is refused is gone. */
static void judge(struct sl_worker *w, struct sl_vec *v)
{
	struct sl_pkt *charged[SL_BURST];
	struct class class[SL_BURST];
	unsigned n = 0;
	for (unsigned i = 0; i < v->n; i++)
		classify(w, &v->p[i], &class[i]);
	for (unsigned i = 0; i < v->n; i++) {
		struct sl_pkt *p = &v->p[i];
		if (!p->m || p->guard_class == CLASS_NEIGHBOUR || p->kind == SL_PKT_NOT_IP)
			continue;
		if (class[i].marked)
			look_up_mark(w, p, class[i].hash);
		if (p->kind == SL_PKT_FRAGMENT)
			p->banned = false; /* whether it is a stranger's will be seen when it is whole */
		sl_count(w, p->guard_class == SL_GUARD_KNOWN ? SL_C_guard_known : SL_C_guard_unknown, 1);
		/* A SIP source that is known has a limit still, since an address is easily forged. Whoever has an allocation has TURN's own limits. */
		if (p->guard_class != SL_GUARD_KNOWN || !class[i].turn)
			charged[n++] = p;
	}
	sl_guard_strangers(w, charged, n);
}

/* ---- to Linux ---- */

/* A token of all strangers together. Half of the rate is for those to SIP and half for all else (ping, TCP, what nobody wants), so that neither
 * uses up the other's; what one leaves, the other may have, down to half of its bucket. Who is allowed by a list has as much beside both. */
static bool take_exception(struct sl_worker *w, const struct sl_pkt *p)
{
	uint32_t half = (atomic_load_explicit(&w->dp->live_exception_pps, memory_order_relaxed) + 1) / 2;
	enum sl_exception_kind kind = p->guard_class == SL_GUARD_OTHER ? SL_EXCEPTION_OTHER : SL_EXCEPTION_SIP;
	struct sl_bucket *others = &w->exception_bucket[kind == SL_EXCEPTION_SIP ? SL_EXCEPTION_OTHER : SL_EXCEPTION_SIP];
	if (p->allowed && sl_bucket_take(&w->exception_bucket[SL_EXCEPTION_ALLOWED], w->now.ms, half))
		return true;
	if (sl_bucket_take(&w->exception_bucket[kind], w->now.ms, half))
		return true;
	sl_bucket_fill(others, w->now.ms, half);
	if (others->tokens_m < (uint64_t)half * 500 + 1000)
		return false;
	others->tokens_m -= 1000;
	return true;
}

/* The budgets that no class may exceed; a quarter of a ring is kept for whom it is meant. */
static bool may_pass(struct sl_worker *w, const struct sl_pkt *p, struct rte_ring *ring, enum sl_drop *why)
{
	*why = SL_DROP_not_claimed_limit;
	if (p->guard_class == CLASS_NEIGHBOUR)
		return sl_bucket_take(&w->neighbour_bucket[p->interface], w->now.ms, NEIGHBOUR_PPS);
	if (p->guard_class != SL_GUARD_KNOWN)
		return take_exception(w, p);
	*why = SL_DROP_exception_ring_full;
	return rte_ring_free_count(ring) > SL_EXCEPTION_RING / 4; /* the rest is for ARP and neighbour discovery */
}

static void pass(struct sl_worker *w, const struct sl_pkt *p)
{
	bool known = p->guard_class == SL_GUARD_KNOWN || p->guard_class == CLASS_NEIGHBOUR;
	struct rte_ring *ring = known ? w->rings.exception_known : w->rings.exception;
	struct rte_mbuf *m = p->m;
	enum sl_drop why;
	if (!may_pass(w, p, ring, &why)) {
		sl_drop(w, m, why);
		return;
	}
	/* The TAP belongs to one VLAN: it gets untagged frames. */
	if (w->dp->interfaces[p->interface].vlan && !(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) && rte_vlan_strip(m) < 0) {
		sl_drop(w, m, SL_DROP_internal);
		return;
	}
	*sl_packet(m) = (struct sl_packet){.interface = p->interface, .port = w->dp->interfaces[p->interface].port};
	if (rte_ring_sp_enqueue(ring, m) < 0) {
		sl_drop(w, m, SL_DROP_exception_ring_full);
		return;
	}
	sl_count(w, SL_C_exception_out, 1);
	if (p->guard_class == SL_GUARD_KNOWN)
		sl_count(w, SL_C_exception_known, 1);
}

void sl_exceptions(struct sl_worker *w, struct sl_vec *v, enum sl_origin origin)
{
	if (origin == SL_FROM_PORT)
		judge(w, v);
	for (unsigned i = 0; i < v->n; i++) {
		struct sl_pkt *p = &v->p[i];
		if (!p->m)
			continue;
		if (p->kind == SL_PKT_FRAGMENT)
			sl_reassemble(w, p);
		else if (!sl_icmp_in(w, p))
			pass(w, p);
	}
}

/* ---- from Linux ---- */

/* Whole frames, tagged where they must be; they leave as they are. */
static unsigned send_all(struct sl_worker *w, struct rte_ring *ring)
{
	struct rte_mbuf *m[SL_BURST];
	unsigned n = rte_ring_sc_dequeue_burst(ring, (void **)m, SL_BURST, NULL);
	for (unsigned i = 0; i < n; i++)
		sl_tx(w, m[i], sl_packet(m[i])->port);
	return n;
}

unsigned sl_inject(struct sl_worker *w)
{
	unsigned n = send_all(w, w->rings.inject);
	sl_count(w, SL_C_exception_in, n);
	for (unsigned i = 0; i < w->dp->n_workers; i++)
		if (i != w->index && !rte_ring_empty(w->rings.egress_in[i]))
			n += send_all(w, w->rings.egress_in[i]);
	return n;
}
