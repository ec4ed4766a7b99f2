/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* From a frame to a claimed UDP packet. Checks only what decides here: what Linux will get, Linux checks itself. */

#include "dataplane/path/context.h"

#include <netinet/in.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "dataplane/path/cksum.h"

enum { MAX_V6_EXTENSIONS = 6, V6_MTU_MIN = 1280 };

/* UDP at l4 with room bytes to the end of the IP packet. */
static bool parse_udp(struct sl_pkt *p, uint8_t *l4, unsigned room)
{
	const struct rte_udp_hdr *u = (const struct rte_udp_hdr *)l4;
	if (room < sizeof *u)
		return false;
	unsigned len = rte_be_to_cpu_16(u->dgram_len);
	if (len < sizeof *u || len > room)
		return false;
	p->udp = l4;
	p->payload_len = (uint16_t)(len - sizeof *u);
	p->src.port_be = u->src_port;
	p->dst.port_be = u->dst_port;
	return true;
}

static enum sl_parse_verdict parse_v4(struct sl_worker *w, struct sl_pkt *p, unsigned len, enum sl_drop *why)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)p->l3;
	*why = SL_DROP_truncated;
	if (len < sizeof *ip)
		return SL_PARSE_DROP;
	unsigned total = rte_be_to_cpu_16(ip->total_length), ihl = (ip->version_ihl & 15) * 4u;
	*why = SL_DROP_bad_ip_header;
	if (ihl < sizeof *ip || total < ihl)
		return SL_PARSE_DROP;
	*why = SL_DROP_truncated;
	if (total > len)
		return SL_PARSE_DROP;
	sl_ip_set_v4(&p->src.ip, ip->src_addr);
	sl_ip_set_v4(&p->dst.ip, ip->dst_addr);
	const struct sl_local *local = sl_local_find(w, &p->dst.ip);
	if (ip->next_proto_id != IPPROTO_UDP || !local)
		return SL_PARSE_EXCEPTION;
	p->v6 = false;
	p->l3_len = (uint16_t)total;
	p->ttl = ip->time_to_live;
	p->tos = ip->type_of_service;
	p->df = (ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG)) != 0;
	bool fragment = ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK);
	*why = SL_DROP_truncated;
	if (!fragment && !parse_udp(p, p->l3 + ihl, total - ihl))
		return SL_PARSE_DROP;
	if (!fragment && !sl_lookup_local(w, local, p))
		return SL_PARSE_EXCEPTION;
	*why = SL_DROP_ip_options;
	if (unlikely(ihl != sizeof *ip))
		return SL_PARSE_DROP;
	*why = SL_DROP_bad_ip_checksum;
	uint64_t rx_cksum = p->m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	if (rx_cksum == RTE_MBUF_F_RX_IP_CKSUM_BAD ||
		(rx_cksum != RTE_MBUF_F_RX_IP_CKSUM_GOOD && sl_ip_cksum(ip, sizeof *ip) != 0))
		return SL_PARSE_DROP;
	*why = SL_DROP_bad_source;
	if (!sl_guard_source(w, p))
		return SL_PARSE_DROP;
	return unlikely(fragment) ? SL_PARSE_FRAGMENT : SL_PARSE_CLAIMED;
}

/* Walk extension headers to what they carry; claimed UDP behind any of them is refused, so that Linux does not answer
 * for a port that it does not have. Returns the next header's number, with *at behind the last extension. */
static unsigned skip_extensions(const uint8_t *l3, unsigned len, unsigned *at, bool *fragment)
{
	unsigned next = l3[6];
	*at = sizeof(struct rte_ipv6_hdr);
	*fragment = false;
	for (unsigned i = 0; i < MAX_V6_EXTENSIONS && *at + 8 <= len; i++) {
		unsigned ext = next, step;
		if (ext == IPPROTO_FRAGMENT) {
			*fragment = true;
			step = 8;
		} else if (ext == IPPROTO_HOPOPTS || ext == IPPROTO_ROUTING || ext == IPPROTO_DSTOPTS) {
			step = (l3[*at + 1] + 1u) * 8;
		} else {
			break;
		}
		next = l3[*at];
		*at += step;
		if (*fragment)
			break;
	}
	return next;
}

static enum sl_parse_verdict parse_v6_extended(struct sl_worker *w, const struct sl_local *local, struct sl_pkt *p,
	unsigned total, enum sl_drop *why)
{
	unsigned at;
	bool fragment;
	if (skip_extensions(p->l3, total, &at, &fragment) != IPPROTO_UDP || at > total)
		return SL_PARSE_EXCEPTION;
	if (fragment) { /* librte_ip_frag wants the fragment header right behind the fixed one */
		*why = SL_DROP_bad_source;
		if (!sl_guard_source(w, p))
			return SL_PARSE_DROP;
		return at == sizeof(struct rte_ipv6_hdr) + 8 ? SL_PARSE_FRAGMENT : SL_PARSE_EXCEPTION;
	}
	if (!parse_udp(p, p->l3 + at, total - at) || !sl_lookup_local(w, local, p))
		return SL_PARSE_EXCEPTION;
	*why = SL_DROP_ip_options;
	return SL_PARSE_DROP;
}

static enum sl_parse_verdict parse_v6(struct sl_worker *w, struct sl_pkt *p, unsigned len, enum sl_drop *why)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)p->l3;
	*why = SL_DROP_truncated;
	if (len < sizeof *ip)
		return SL_PARSE_DROP;
	unsigned total = sizeof *ip + rte_be_to_cpu_16(ip->payload_len);
	if (total > len)
		return SL_PARSE_DROP;
	sl_ip_set_v6(&p->src.ip, ip->src_addr);
	sl_ip_set_v6(&p->dst.ip, ip->dst_addr);
	const struct sl_local *local = sl_local_find(w, &p->dst.ip);
	if (!local || sl_ip_is_v4(&p->dst.ip)) /* a mapped address on the wire is nobody's (RFC 4291 2.5.5.2) */
		return SL_PARSE_EXCEPTION;
	uint32_t flow = rte_be_to_cpu_32(ip->vtc_flow);
	p->v6 = true;
	p->l3_len = (uint16_t)total;
	p->ttl = ip->hop_limits;
	p->tos = (uint8_t)(flow >> 20);
	/* RFC 7915 5.1: what fits every IPv6 link anyway need not stay whole on IPv4. */
	p->df = total > V6_MTU_MIN;
	if (unlikely(ip->proto != IPPROTO_UDP))
		return parse_v6_extended(w, local, p, total, why);
	if (!parse_udp(p, p->l3 + sizeof *ip, total - sizeof *ip))
		return SL_PARSE_DROP;
	if (!sl_lookup_local(w, local, p))
		return SL_PARSE_EXCEPTION;
	uint16_t cksum;
	memcpy(&cksum, p->udp + 6, 2);
	*why = SL_DROP_bad_l4_checksum; /* RFC 8200 8.1: on IPv6 there must be one */
	if (cksum == 0)
		return SL_PARSE_DROP;
	*why = SL_DROP_bad_source;
	return sl_guard_source(w, p) ? SL_PARSE_CLAIMED : SL_PARSE_DROP;
}

enum sl_parse_verdict sl_parse_ip(struct sl_worker *w, struct sl_pkt *p, uint8_t *l3, unsigned len, enum sl_drop *why)
{
	p->l3 = l3;
	*why = SL_DROP_truncated;
	if (len < 1)
		return SL_PARSE_DROP;
	switch (l3[0] >> 4) {
	case 4:
		return parse_v4(w, p, len, why);
	case 6:
		return parse_v6(w, p, len, why);
	default:
		*why = SL_DROP_bad_ip_header;
		return SL_PARSE_DROP;
	}
}

/* Which interface does this frame belong to, and where does its payload begin? Leaves *type in network order.
 * Returns false with *why when the frame goes nowhere. */
static bool parse_ether(const struct sl_port *port, struct rte_mbuf *m, unsigned *l3_off, uint16_t *type, uint8_t *interface,
	enum sl_drop *why)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	unsigned vlan = 0;
	*why = SL_DROP_truncated;
	if (m->data_len < sizeof *eth)
		return false;
	*type = eth->ether_type;
	*l3_off = sizeof *eth;
	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		vlan = m->vlan_tci & 0xfff;
	} else if (unlikely(*type == rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN))) {
		const struct rte_vlan_hdr *tag = (const struct rte_vlan_hdr *)(eth + 1);
		if (m->data_len < sizeof *eth + sizeof *tag)
			return false;
		vlan = rte_be_to_cpu_16(tag->vlan_tci) & 0xfff;
		*type = tag->eth_proto;
		*l3_off += sizeof *tag;
	}
	*why = SL_DROP_bad_vlan;
	*interface = port->interface_of_vlan[vlan];
	if (*interface == 0xff)
		return false;
	*why = SL_DROP_bad_ether;
	return (eth->dst_addr.addr_bytes[0] & 1) ||
		(memcmp(eth->dst_addr.addr_bytes, port->mac, RTE_ETHER_ADDR_LEN) == 0);
}

/* A packet whose verdict is not "claimed". What looped never goes to Linux: a client addressed a port of ours that is
 * not a relay port. */
static void dispose(struct sl_worker *w, struct sl_pkt *p, enum sl_parse_verdict verdict, enum sl_drop why, bool looped)
{
	if (verdict == SL_PARSE_DROP)
		sl_drop(w, p->m, why);
	else if (looped)
		sl_drop(w, p->m, SL_DROP_peer_forbidden);
	else if (verdict == SL_PARSE_FRAGMENT)
		sl_reassemble(w, p);
	else
		sl_exception(w, p->m, p->interface);
}

/* One frame. True when p is claimed and belongs into the vector. */
static bool frame(struct sl_worker *w, const struct sl_port *port, struct rte_mbuf *m, struct sl_pkt *p)
{
	enum sl_drop why;
	uint16_t type;
	unsigned l3_off;
	p->m = m;
	p->turns = 0;
	p->fragmented = p->looped = p->opened = false;
	if (unlikely(m->nb_segs > 1) && rte_pktmbuf_linearize(m) < 0) {
		sl_drop(w, m, SL_DROP_truncated);
		return false;
	}
	if (unlikely(!parse_ether(port, m, &l3_off, &type, &p->interface, &why))) {
		sl_drop(w, m, why);
		return false;
	}
	if (unlikely(type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) && type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6))) {
		sl_exception(w, m, p->interface);
		return false;
	}
	enum sl_parse_verdict v =
		sl_parse_ip(w, p, rte_pktmbuf_mtod_offset(m, uint8_t *, l3_off), m->data_len - l3_off, &why);
	bool group = rte_is_multicast_ether_addr(&rte_pktmbuf_mtod(m, const struct rte_ether_hdr *)->dst_addr);
	if (likely(v == SL_PARSE_CLAIMED && !group))
		return true;
	if (group && (v == SL_PARSE_CLAIMED || v == SL_PARSE_FRAGMENT)) {
		v = SL_PARSE_DROP; /* our own address in a frame to everybody (RFC 1122 3.3.6) */
		why = SL_DROP_bad_ether;
	}
	dispose(w, p, v, why, false);
	return false;
}

void sl_path_frames(struct sl_worker *w, struct rte_mbuf **m, unsigned n, uint16_t port)
{
	struct sl_vec v;
	v.n = 0;
	for (unsigned i = 0; i < n; i++) {
		if (i + 4 < n)
			rte_prefetch0(rte_pktmbuf_mtod(m[i + 4], void *));
		if (frame(w, &w->dp->ports[port], m[i], &v.p[v.n]))
			v.n++;
	}
	sl_lookup(w, &v);
}

void sl_path_reassembled(struct sl_worker *w, struct rte_mbuf *m, uint16_t port)
{
	struct sl_vec v;
	v.n = 0;
	if (frame(w, &w->dp->ports[port], m, &v.p[0])) {
		v.p[0].fragmented = true;
		v.p[0].df = false;
		v.n = 1;
	}
	sl_lookup(w, &v);
}

void sl_path_run_loops(struct sl_worker *w)
{
	while (unlikely(w->n_looped)) {
		struct rte_mbuf *m[SL_BURST];
		unsigned n = RTE_MIN(w->n_looped, (unsigned)SL_BURST);
		w->n_looped -= n;
		memcpy(m, w->looped + w->n_looped, n * sizeof m[0]);
		sl_path_looped(w, m, n);
	}
}

void sl_path_looped(struct sl_worker *w, struct rte_mbuf **m, unsigned n)
{
	struct sl_vec v;
	v.n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct sl_pkt *p = &v.p[v.n];
		enum sl_drop why;
		const struct sl_packet *meta = sl_packet(m[i]);
		p->m = m[i];
		p->interface = (uint8_t)meta->interface;
		p->turns = meta->turns;
		p->looped = true;
		p->opened = false;
		enum sl_parse_verdict verdict =
			sl_parse_ip(w, p, rte_pktmbuf_mtod(m[i], uint8_t *), m[i]->data_len, &why);
		p->fragmented = meta->fragmented;
		p->df = p->df && !meta->fragmented;
		if (verdict == SL_PARSE_CLAIMED)
			v.n++;
		else
			dispose(w, p, verdict, why, true);
	}
	sl_lookup(w, &v);
}
