/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The way out: next hop, MTU, headers, transmit buffer. The common packet finds its next hop cached in its session and
 * runs straight through sl_emit(); everything else goes by sl_emit_ip(). */

#include "dataplane/path/context.h"

#include <limits.h>
#include <netinet/in.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "dataplane/path/cksum.h"

enum { NEXTHOP_LOCAL = UINT32_MAX - 1 };

/* Headers are built in registers and stored whole: reading back halves of what was just stored would stall. */

static uint16_t udp_checksum(struct sl_out *o, uint8_t *udp, uint32_t ports, uint16_t len_be, bool v6, bool offload)
{
	uint64_t pseudo = sl_sum_ip(&o->src.ip) + sl_sum_ip(&o->dst.ip) + len_be;
	if (likely(o->cksum == SL_CKSUM_KNOWN))
		return sl_udp_cksum(o->acc + pseudo + ports + len_be);
	if (o->cksum == SL_CKSUM_NONE && !v6)
		return 0;
	pseudo += htons(IPPROTO_UDP);
	if (offload) {
		o->m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM | (v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4);
		o->m->l2_len = sizeof(struct rte_ether_hdr);
		o->m->l3_len = v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
		return sl_sum_fold(pseudo);
	}
	unsigned payload = o->head_len + o->payload_len;
	return sl_udp_cksum(pseudo + ports + len_be + sl_sum_bytes(udp + sizeof(struct rte_udp_hdr), payload));
}

static void write_udp(struct sl_out *o, uint8_t *udp, unsigned udp_len, bool v6, bool offload)
{
	uint16_t len_be = rte_cpu_to_be_16((uint16_t)udp_len);
	uint32_t ports = (uint32_t)o->dst.port_be << 16 | o->src.port_be;
	uint16_t cksum = udp_checksum(o, udp, ports, len_be, v6, offload);
	uint64_t header = (uint64_t)cksum << 48 | (uint64_t)len_be << 32 | ports;
	memcpy(udp, &header, sizeof header);
}

static void write_v4(struct sl_worker *w, const struct sl_out *o, uint8_t *ip, unsigned total)
{
	uint32_t src = sl_ip_v4_be(&o->src.ip), dst = sl_ip_v4_be(&o->dst.ip);
	/* As the words lie in memory of a little-endian machine. */
	uint64_t first = RTE_IPV4_VHL_DEF | (uint64_t)o->tos << 8 |
		(uint64_t)rte_cpu_to_be_16((uint16_t)total) << 16 | (uint64_t)rte_cpu_to_be_16(w->ip_id) << 32 |
		(uint64_t)(o->df ? rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG) : 0) << 48;
	w->ip_id = (uint16_t)(w->ip_id + w->dp->n_workers); /* workers share addresses, not identifications */
	uint64_t second = o->ttl | IPPROTO_UDP << 8 | (uint64_t)src << 32;
	uint16_t cksum = (uint16_t)~sl_sum_fold((first & 0xffffffff) + (first >> 32) + (second & 0xffffffff) + src + dst);
	second |= (uint64_t)cksum << 16;
	memcpy(ip, &first, 8);
	memcpy(ip + 8, &second, 8);
	memcpy(ip + 16, &dst, 4);
}

static void write_v6(const struct sl_out *o, struct rte_ipv6_hdr *ip, unsigned udp_len)
{
	ip->vtc_flow = rte_cpu_to_be_32(6u << 28 | (uint32_t)o->tos << 20);
	ip->payload_len = rte_cpu_to_be_16((uint16_t)udp_len);
	ip->proto = IPPROTO_UDP;
	ip->hop_limits = o->ttl;
	memcpy(ip->src_addr, o->src.ip.b, 16);
	memcpy(ip->dst_addr, o->dst.ip.b, 16);
}

/* Write head, UDP and IP header in front of the payload and trim the mbuf to them. Returns the IP header. */
static uint8_t *write_packet(struct sl_worker *w, struct sl_out *o, bool v6, bool offload)
{
	uint8_t *payload = o->payload - o->head_len;
	if (o->head_len == 4)
		memcpy(payload, o->head, 4);
	else if (o->head_len)
		memcpy(payload, o->head, o->head_len);
	uint8_t *udp = payload - sizeof(struct rte_udp_hdr), *l3;
	unsigned udp_len = o->payload_len + o->head_len + (unsigned)sizeof(struct rte_udp_hdr), total;
	write_udp(o, udp, udp_len, v6, offload);
	if (likely(!v6)) {
		l3 = udp - sizeof(struct rte_ipv4_hdr);
		total = udp_len + (unsigned)sizeof(struct rte_ipv4_hdr);
		write_v4(w, o, l3, total);
	} else {
		l3 = udp - sizeof(struct rte_ipv6_hdr);
		total = udp_len + (unsigned)sizeof(struct rte_ipv6_hdr);
		write_v6(o, (struct rte_ipv6_hdr *)l3, udp_len);
	}
	o->m->data_off = (uint16_t)(l3 - (uint8_t *)o->m->buf_addr);
	o->m->data_len = (uint16_t)total;
	o->m->pkt_len = total;
	return l3;
}

/* Prepend the Ethernet header and queue the frame. m's data starts at the IP header. */
static void send_frame(struct sl_worker *w, struct rte_mbuf *m, const struct sl_nexthop *nh, bool v6)
{
	uint16_t type = v6 ? rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6) : rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	unsigned len = sizeof(struct rte_ether_hdr) + (nh->vlan ? sizeof(struct rte_vlan_hdr) : 0);
	uint8_t *l2 = (uint8_t *)rte_pktmbuf_prepend(m, (uint16_t)len);
	if (unlikely(!l2)) {
		sl_drop(w, m, SL_DROP_internal);
		return;
	}
	memcpy(l2, nh->eth, 12);
	if (unlikely(nh->vlan)) {
		uint16_t tag[2] = {rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN), rte_cpu_to_be_16(nh->vlan)};
		memcpy(l2 + 12, tag, 4);
		memcpy(l2 + 16, &type, 2);
		m->l2_len = sizeof(struct rte_ether_hdr) + sizeof(struct rte_vlan_hdr);
	} else {
		memcpy(l2 + 12, &type, 2);
	}
	sl_tx(w, m, nh->port);
}

/* Another turn inside: the packet is for one of our own addresses. */
static void loop(struct sl_worker *w, struct rte_mbuf *m, unsigned turns, unsigned interface, bool may_fragment)
{
	if (turns >= SL_MAX_TURNS || w->n_looped == RTE_DIM(w->looped)) {
		sl_drop(w, m, SL_DROP_hairpin_limit);
		return;
	}
	*sl_packet(m) = (struct sl_packet){.interface = (uint16_t)interface,
		.port = w->dp->interfaces[interface].port,
		.turns = (uint8_t)(turns + 1),
		.looped = 1,
		.fragmented = may_fragment};
	m->ol_flags = 0;
	sl_count(w, SL_C_hairpin, 1);
	w->looped[w->n_looped++] = m;
}

/* False when the ring is full: ask again. */
static bool ask_for(struct sl_worker *w, const struct sl_ip *via, unsigned interface)
{
	struct sl_resolve r = {.ip = *via, .interface = interface};
	return rte_ring_sp_enqueue_elem(w->rings.resolve, &r, sizeof r) == 0;
}

static void hold(struct sl_worker *w, struct rte_mbuf *m, const struct sl_ip *dst, bool asked)
{
	if (w->n_held == SL_HELD_PACKETS) {
		sl_drop(w, m, SL_DROP_neighbour_queue_full);
		return;
	}
	sl_count(w, SL_C_neighbour_held, 1);
	w->held[w->n_held++] = (struct sl_held){.m = m, .dst = *dst, .deadline_ms = w->now.ms + SL_HELD_MS, .asked = asked};
}

static void send_ip(struct sl_worker *w, struct rte_mbuf *m, const struct sl_nexthop *nh, bool v6)
{
	if (m->pkt_len <= nh->mtu) {
		send_frame(w, m, nh, v6);
		return;
	}
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);
	bool df = v6 ? !sl_packet(m)->fragmented : (ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG)) != 0;
	if (df)
		sl_drop(w, m, SL_DROP_too_big);
	else
		sl_fragment(w, m, nh);
}

/* Slow way for whole IP packets. *sl_packet(m) holds what they may do. False when the packet was dropped at once. */
static bool emit_ip(struct sl_worker *w, struct rte_mbuf *m, const struct sl_ip *dst)
{
	uint32_t at;
	struct sl_ip via;
	uint16_t interface;
	if (sl_local_find(w, dst)) {
		const struct sl_packet meta = *sl_packet(m);
		loop(w, m, meta.turns, meta.interface, meta.fragmented);
		return true;
	}
	switch (sl_fib_lookup(w->fib, dst, &at, &via, &interface)) {
	case SL_FIB_OK:
		send_ip(w, m, &w->fib->nexthops[at], !sl_ip_is_v4(dst));
		return true;
	case SL_FIB_UNRESOLVED:
		hold(w, m, dst, ask_for(w, &via, interface));
		return true;
	default: /* an address of Linux's own is none of TURN's, and no peer or client may be there */
		sl_drop(w, m, SL_DROP_no_route);
		return false;
	}
}

void sl_emit_ip(struct sl_worker *w, struct rte_mbuf *m, const struct sl_ip *dst)
{
	*sl_packet(m) = (struct sl_packet){0};
	emit_ip(w, m, dst);
}

/* Next hop of o, cached where o says. NULL: go the slow way. */
static const struct sl_nexthop *find_nexthop(struct sl_worker *w, const struct sl_out *o)
{
	const struct sl_fib *fib = w->fib;
	if (likely(o->nh && o->nh->generation == fib->generation))
		return likely(o->nh->index != NEXTHOP_LOCAL) ? &fib->nexthops[o->nh->index] : NULL;
	uint32_t at;
	struct sl_ip via;
	uint16_t interface;
	if (sl_local_find(w, &o->dst.ip))
		at = NEXTHOP_LOCAL;
	else if (sl_fib_lookup(fib, &o->dst.ip, &at, &via, &interface) != SL_FIB_OK)
		return NULL;
	if (o->nh)
		*o->nh = (struct sl_nh_ref){.index = at, .generation = fib->generation};
	return at != NEXTHOP_LOCAL ? &fib->nexthops[at] : NULL;
}

/* MTU of the interface that leads to o's destination while its neighbour is not known yet; no limit where it is not clear. */
static unsigned unresolved_mtu(const struct sl_worker *w, const struct sl_out *o)
{
	uint32_t at;
	struct sl_ip via;
	uint16_t interface;
	if (sl_local_find(w, &o->dst.ip) || sl_fib_lookup(w->fib, &o->dst.ip, &at, &via, &interface) != SL_FIB_UNRESOLVED)
		return UINT_MAX;
	return w->dp->ports[w->dp->interfaces[interface].port].mtu;
}

/* RFC 8656 13, 14: what may not be fragmented and does not fit is reported to whoever sent it. */
static void refuse_too_big(struct sl_worker *w, const struct sl_out *o, unsigned total, unsigned mtu)
{
	w->drops[SL_DROP_too_big]++;
	if (o->in && !o->in->looped)
		sl_icmp_too_big(w, o->in, mtu - (total - o->in->l3_len));
	else
		rte_pktmbuf_free(o->m);
}

bool sl_emit(struct sl_worker *w, struct sl_out *o)
{
	bool v6 = !sl_ip_is_v4(&o->dst.ip);
	const struct sl_nexthop *nh = find_nexthop(w, o);
	unsigned total = o->payload_len + o->head_len + (unsigned)sizeof(struct rte_udp_hdr) +
		(v6 ? (unsigned)sizeof(struct rte_ipv6_hdr) : (unsigned)sizeof(struct rte_ipv4_hdr));
	if (likely(nh && total <= nh->mtu)) {
		write_packet(w, o, v6, w->dp->ports[nh->port].udp_cksum_tx);
		send_frame(w, o->m, nh, v6);
		return true;
	}
	unsigned mtu = nh ? nh->mtu : unresolved_mtu(w, o);
	if (o->df && total > mtu) {
		refuse_too_big(w, o, total, mtu);
		return false;
	}
	unsigned interface = o->in ? o->in->interface : 0;
	write_packet(w, o, v6, false);
	*sl_packet(o->m) =
		(struct sl_packet){.interface = (uint16_t)interface, .turns = o->turns, .fragmented = !o->df};
	return emit_ip(w, o->m, &o->dst.ip);
}

void sl_held_retry(struct sl_worker *w)
{
	unsigned n = w->n_held;
	bool moved = w->held_generation != w->fib->generation;
	w->held_generation = w->fib->generation;
	w->n_held = 0;
	for (unsigned i = 0; i < n; i++) {
		struct sl_held h = w->held[i];
		uint32_t at;
		struct sl_ip via;
		uint16_t interface;
		if (h.deadline_ms <= w->now.ms) {
			sl_drop(w, h.m, SL_DROP_neighbour_unresolved);
			continue;
		}
		if (moved || !h.asked) {
			enum sl_fib_result r = sl_fib_lookup(w->fib, &h.dst, &at, &via, &interface);
			if (r == SL_FIB_OK) {
				send_ip(w, h.m, &w->fib->nexthops[at], !sl_ip_is_v4(&h.dst));
				continue;
			}
			h.asked = r == SL_FIB_UNRESOLVED && ask_for(w, &via, interface);
		}
		w->held[w->n_held++] = h;
	}
}

void sl_tx(struct sl_worker *w, struct rte_mbuf *m, uint16_t port)
{
	if (unlikely(w->dp->ports[port].queue[w->index] == SL_NO_QUEUE)) {
		/* Another worker has the queue: it sends the frame as it is. */
		sl_packet(m)->port = port;
		unsigned proxy = w->dp->ports[port].proxy[w->index];
		if (rte_ring_sp_enqueue(w->dp->workers[proxy]->rings.egress_in[w->index], m) < 0)
			sl_drop(w, m, SL_DROP_tx_full);
		else
			sl_count(w, SL_C_tx_proxied, 1);
		return;
	}
	w->tx[port].m[w->tx[port].n++] = m;
	if (w->tx[port].n == SL_TX_BUFFER)
		sl_tx_flush(w);
}

void sl_tx_flush(struct sl_worker *w)
{
	for (unsigned i = 0; i < w->dp->n_ports; i++) {
		unsigned n = w->tx[i].n;
		if (!n)
			continue;
		struct rte_mbuf **m = w->tx[i].m;
		uint64_t bytes = 0, *c = w->shm->ports[i];
		for (unsigned k = 0; k < n; k++)
			bytes += m[k]->pkt_len;
		unsigned sent = rte_eth_tx_burst(w->dp->ports[i].id, w->dp->ports[i].queue[w->index], m, (uint16_t)n);
		for (unsigned k = sent; k < n; k++) {
			bytes -= m[k]->pkt_len;
			sl_drop(w, m[k], SL_DROP_tx_full);
		}
		c[SL_P_tx_packets] += sent;
		c[SL_P_tx_bytes] += bytes;
		c[SL_P_tx_full] += n - sent;
		sl_count(w, SL_C_tx_packets, sent);
		w->tx[i].n = 0;
	}
}
