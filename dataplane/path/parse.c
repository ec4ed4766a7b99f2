/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* From a frame to a claimed UDP packet. Checks only what decides here: what Linux will get, Linux checks itself. */

#include "dataplane/path/context.h"

#include <netinet/in.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "dataplane/path/cksum.h"
#include "dataplane/wire/channel.h"

enum { MAX_V6_EXTENSIONS = 6, V6_MTU_MIN = 1280 };

/* A TURN listener is sent STUN or ChannelData (RFC 7983 7), whole. */
static inline enum sl_drop listener_shape(const struct sl_pkt *p)
{
	const uint8_t *b = p->udp + sizeof(struct rte_udp_hdr);
	if (likely(p->payload_len >= SL_CHANNEL_HEADER_BYTES && sl_channel_looks_like(b[0])))
		return SL_N_DROPS;
	if (unlikely(p->payload_len < SL_STUN_HEADER_BYTES || !sl_stun_looks_like(b)))
		return SL_DROP_not_stun;
	return unlikely(((unsigned)b[2] << 8 | b[3]) + SL_STUN_HEADER_BYTES > p->payload_len) ? SL_DROP_stun_malformed : SL_N_DROPS;
}

static inline uint8_t class_of(const struct sl_pkt *p)
{
	return p->media != SL_NO_MEDIA ? SL_GUARD_MEDIA : p->relay != SL_NO_RELAY ? SL_GUARD_RELAY : SL_GUARD_STUN;
}

/* Claimed: is it what its port speaks, from somebody who can be? (What comes to media ports is for the leg to say.) */
static inline enum sl_parse_verdict claimed(const struct sl_worker *w, struct sl_pkt *p, enum sl_drop *why)
{
	*why = SL_DROP_bad_source;
	if (unlikely(!sl_guard_source_ok(w, p)))
		return SL_PARSE_DROP;
	*why = p->guard_class == SL_GUARD_STUN ? listener_shape(p) : SL_N_DROPS;
	return likely(*why == SL_N_DROPS) ? SL_PARSE_CLAIMED : SL_PARSE_DROP;
}

static enum sl_parse_verdict claimed_slowly(const struct sl_worker *w, struct sl_pkt *p, enum sl_drop *why)
{
	p->kind = SL_PKT_CLAIMED;
	p->guard_class = class_of(p);
	return claimed(w, p, why);
}

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
	p->v6 = false;
	p->l3_len = (uint16_t)total;
	const struct sl_local *local = sl_local_find(w, &p->dst.ip);
	if (ip->next_proto_id != IPPROTO_UDP || !local)
		return SL_PARSE_EXCEPTION;
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
	if (likely(!fragment))
		return claimed_slowly(w, p, why);
	*why = SL_DROP_bad_source;
	return sl_guard_source_ok(w, p) ? SL_PARSE_FRAGMENT : SL_PARSE_DROP;
}

static bool is_extension(unsigned header)
{
	return header == IPPROTO_HOPOPTS || header == IPPROTO_ROUTING || header == IPPROTO_DSTOPTS || header == IPPROTO_FRAGMENT;
}

/* Walk extension headers to what they carry. Returns the next header's number, with *at behind the last extension; that of an extension when there are too many,
 * or the packet ends before. */
static unsigned skip_extensions(const uint8_t *l3, unsigned len, unsigned *at, bool *fragment)
{
	unsigned next = l3[6];
	*at = sizeof(struct rte_ipv6_hdr);
	*fragment = false;
	for (unsigned i = 0; i < MAX_V6_EXTENSIONS && *at + 8 <= len; i++) {
		if (!is_extension(next))
			break;
		*fragment = next == IPPROTO_FRAGMENT;
		unsigned step = *fragment ? 8 : (l3[*at + 1] + 1u) * 8;
		next = l3[*at];
		*at += step;
		if (*fragment)
			break;
	}
	return next;
}

uint8_t *sl_upper_layer(const struct sl_pkt *p, unsigned *protocol, unsigned *room)
{
	unsigned at;
	bool fragment;
	if (p->v6) {
		*protocol = skip_extensions(p->l3, p->l3_len, &at, &fragment);
	} else {
		const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)p->l3;
		*protocol = ip->next_proto_id;
		at = (ip->version_ihl & 15) * 4u;
		fragment = ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_OFFSET_MASK);
	}
	if (fragment || at > p->l3_len)
		return NULL;
	*room = p->l3_len - at;
	return p->l3 + at;
}

/* Claimed UDP behind any of them is refused, so that Linux does not answer for a port that it does not have; so are fragments behind others, or with more
 * of them in front of UDP: Linux would put together what nobody has looked at. */
static enum sl_parse_verdict parse_v6_extended(struct sl_worker *w, const struct sl_local *local, struct sl_pkt *p,
	unsigned total, enum sl_drop *why)
{
	unsigned at;
	bool fragment;
	unsigned carried = skip_extensions(p->l3, total, &at, &fragment);
	*why = SL_DROP_ip_options; /* more of them than anybody needs (RFC 8504 5.3) */
	if (is_extension(carried))
		return SL_PARSE_DROP;
	if (carried != IPPROTO_UDP || at > total)
		return SL_PARSE_EXCEPTION;
	if (fragment) {
		if (at != sizeof(struct rte_ipv6_hdr) + 8) /* librte_ip_frag wants the fragment header right behind the fixed one */
			return SL_PARSE_DROP;
		*why = SL_DROP_bad_source;
		return sl_guard_source_ok(w, p) ? SL_PARSE_FRAGMENT : SL_PARSE_DROP;
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
	p->v6 = true;
	p->l3_len = (uint16_t)total;
	const struct sl_local *local = sl_local_find(w, &p->dst.ip);
	if (!local || sl_ip_is_v4(&p->dst.ip)) /* a mapped address on the wire is nobody's (RFC 4291 2.5.5.2) */
		return SL_PARSE_EXCEPTION;
	uint32_t flow = rte_be_to_cpu_32(ip->vtc_flow);
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
	return claimed_slowly(w, p, why);
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
	*why = SL_DROP_vlan_stacked; /* IEEE 802.1ad: nobody here has one network inside another */
	if (unlikely(*type == rte_cpu_to_be_16(RTE_ETHER_TYPE_QINQ) || (*type == rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN))))
		return false;
	*why = SL_DROP_bad_vlan;
	*interface = port->interface_of_vlan[vlan];
	if (*interface == 0xff)
		return false;
	*why = SL_DROP_bad_ether;
	return (eth->dst_addr.addr_bytes[0] & 1) ||
		(memcmp(eth->dst_addr.addr_bytes, port->mac, RTE_ETHER_ADDR_LEN) == 0);
}

/* ---- the common frame ---- */

/* What of a port does not change within a burst. */
struct arrival_port {
	const struct sl_port *port;
	uint64_t mac_shifted; /* the first six of eight bytes */
	uint8_t interface;    /* of untagged frames */
};

static inline uint64_t first_six(const uint8_t *bytes)
{
	uint64_t q;
	memcpy(&q, bytes, sizeof q);
	return rte_cpu_to_be_64(q) >> 16;
}

static struct arrival_port arrival_port(const struct sl_port *port)
{
	uint8_t mac[8] = {0};
	memcpy(mac, port->mac, RTE_ETHER_ADDR_LEN);
	return (struct arrival_port){.port = port, .mac_shifted = first_six(mac), .interface = port->interface_of_vlan[0]};
}

/* One look at the bytes that must be what they are: IPv4 without options or fragmentation, UDP, untagged, for this port. */
static inline bool is_plain(const struct arrival_port *a, const struct rte_mbuf *m, const uint8_t *d)
{
	uint32_t type, middle;
	memcpy(&type, d + 12, 4);   /* Ethernet type, version and length of header, DSCP */
	memcpy(&middle, d + 20, 4); /* flags and offset, TTL, protocol */
	return m->nb_segs == 1 && m->data_len >= 42 && ((type & RTE_BE32(0xffffff00)) ^ RTE_BE32(0x08004500)) == 0 &&
		((middle & RTE_BE32(0x3fff00ff)) ^ RTE_BE32(IPPROTO_UDP)) == 0 && first_six(d) == a->mac_shifted && a->interface != 0xff &&
		!(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED);
}

/* Is the sum over a header of 20 bytes all ones (RFC 791, RFC 1071)? */
static inline bool header_sum_ok(const uint8_t *ip)
{
	uint64_t q[2], sum;
	uint32_t last, folded;
	memcpy(q, ip, sizeof q);
	memcpy(&last, ip + sizeof q, sizeof last);
	sum = (q[0] >> 32) + (q[0] & UINT32_MAX) + (q[1] >> 32) + (q[1] & UINT32_MAX) + last;
	sum = (sum >> 32) + (sum & UINT32_MAX);
	folded = (uint32_t)sum + (uint32_t)(sum >> 32);
	return ((folded + (folded << 16 | folded >> 16)) >> 16) == 0xffff; /* both halves with the carry */
}

/* Another destination than the packet's before. */
static void find_target(struct sl_worker *w, struct sl_pkt *p, uint32_t ip_be)
{
	if (ip_be != w->last.ip_be) {
		w->last.local = sl_local_find(w, &p->dst.ip);
		w->last.ip_be = ip_be;
	}
	w->last.port_be = p->dst.port_be;
	p->target = 0;
	w->last.claimed = w->last.local && sl_lookup_local(w, w->last.local, p);
	p->guard_class = class_of(p);
	w->last.target = p->target;
}

/* The same verdicts as by the long way, where they can be had quickly. False: take the long way. */
static inline bool plain(struct sl_worker *w, const struct arrival_port *a, struct rte_mbuf *m, struct sl_pkt *p, enum sl_parse_verdict *verdict,
	enum sl_drop *why)
{
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(d + sizeof(struct rte_ether_hdr));
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(ip + 1);
	unsigned total = rte_be_to_cpu_16(ip->total_length), len = rte_be_to_cpu_16(udp->dgram_len);
	if (!is_plain(a, m, d) || total + sizeof(struct rte_ether_hdr) > m->data_len || len < sizeof *udp || len + sizeof *ip > total)
		return false;
	sl_ip_set_v4(&p->dst.ip, ip->dst_addr);
	p->dst.port_be = udp->dst_port;
	if (unlikely(ip->dst_addr != w->last.ip_be || udp->dst_port != w->last.port_be))
		find_target(w, p, ip->dst_addr);
	if (unlikely(!w->last.claimed))
		return false;
	p->target = w->last.target;
	sl_ip_set_v4(&p->src.ip, ip->src_addr);
	p->src.port_be = udp->src_port;
	p->flow.listener = p->listener;
	p->flow.transport = IPPROTO_UDP;
	p->interface = a->interface;
	p->l3 = d + sizeof(struct rte_ether_hdr);
	p->udp = d + sizeof(struct rte_ether_hdr) + sizeof *ip;
	p->l3_len = (uint16_t)total;
	p->payload_len = (uint16_t)(len - sizeof *udp);
	p->ttl = ip->time_to_live;
	p->tos = ip->type_of_service;
	p->df = (ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG)) != 0;
	*why = SL_DROP_bad_ip_checksum;
	*verdict = SL_PARSE_DROP;
	uint64_t rx_cksum = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	if (rx_cksum != RTE_MBUF_F_RX_IP_CKSUM_GOOD && (rx_cksum == RTE_MBUF_F_RX_IP_CKSUM_BAD || !header_sum_ok(p->l3)))
		return true;
	*verdict = claimed(w, p, why);
	return true;
}

/* ---- any frame ---- */

static enum sl_parse_verdict parse_frame(struct sl_worker *w, const struct sl_port *port, struct rte_mbuf *m, struct sl_pkt *p, enum sl_drop *why)
{
	uint16_t type;
	unsigned l3_off;
	p->udp = NULL;
	p->kind = SL_PKT_NOT_IP;
	p->v6 = false;
	p->src = p->dst = (struct sl_endpoint){.port_be = 0};
	*why = SL_DROP_truncated;
	if (unlikely(m->nb_segs > 1) && rte_pktmbuf_linearize(m) < 0)
		return SL_PARSE_DROP;
	if (unlikely(!parse_ether(port, m, &l3_off, &type, &p->interface, why)))
		return SL_PARSE_DROP;
	if (type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) && type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6))
		return SL_PARSE_EXCEPTION;
	p->kind = SL_PKT_LINUX;
	p->guard_class = SL_GUARD_OTHER;
	enum sl_parse_verdict v = sl_parse_ip(w, p, rte_pktmbuf_mtod_offset(m, uint8_t *, l3_off), m->data_len - l3_off, why);
	bool group = rte_is_multicast_ether_addr(&rte_pktmbuf_mtod(m, const struct rte_ether_hdr *)->dst_addr);
	if (unlikely(group) && (v == SL_PARSE_CLAIMED || v == SL_PARSE_FRAGMENT)) {
		*why = SL_DROP_bad_ether; /* our own address in a frame to everybody (RFC 1122 3.3.6) */
		return SL_PARSE_DROP;
	}
	if (v == SL_PARSE_FRAGMENT)
		p->kind = SL_PKT_FRAGMENT;
	return v;
}

/* One frame into *p. True when it is claimed; what is Linux's goes to others, the rest is dropped. */
static inline bool frame(struct sl_worker *w, const struct arrival_port *a, struct rte_mbuf *m, struct sl_pkt *p, struct sl_vec *others)
{
	enum sl_parse_verdict verdict;
	enum sl_drop why;
	p->m = m;
	p->nought = 0;
	if (!plain(w, a, m, p, &verdict, &why))
		verdict = parse_frame(w, a->port, m, p, &why);
	if (likely(verdict == SL_PARSE_CLAIMED))
		return true;
	if (verdict == SL_PARSE_DROP)
		sl_guard_misshapen(w, p, why);
	else
		others->p[others->n++] = *p;
	return false;
}

void sl_path_frames(struct sl_worker *w, struct rte_mbuf **m, unsigned n, uint16_t port, enum sl_origin origin)
{
	enum { AHEAD = 4 };
	const struct arrival_port a = arrival_port(&w->dp->ports[port]);
	struct sl_vec mine, others;
	struct sl_pkt *p = mine.p;
	others.n = 0;
	for (unsigned i = 0; i < RTE_MIN(n, (unsigned)AHEAD); i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (unsigned i = 0; i < n; i++) {
		if (i + AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(m[i + AHEAD], void *));
		if (likely(frame(w, &a, m[i], p, &others)))
			p++;
	}
	mine.n = (unsigned)(p - mine.p);
	sl_lookup_ahead(w, &mine);
	if (likely(origin == SL_FROM_PORT)) {
		sl_guard_check_lists(w, &mine);
		if (unlikely(others.n))
			sl_guard_check_lists(w, &others);
	}
	if (unlikely(others.n))
		sl_exceptions(w, &others, origin);
	if (mine.n)
		sl_lookup(w, &mine, origin);
	sl_guard_flush(w);
}

/* Its fragments have passed the lists; here it is seen who of them is allowed, or banned unless he is known. */
void sl_path_reassembled(struct sl_worker *w, struct rte_mbuf *m, uint16_t port, enum sl_origin origin)
{
	struct sl_vec mine, others;
	mine.n = others.n = 0;
	const struct arrival_port a = arrival_port(&w->dp->ports[port]);
	mine.n = frame(w, &a, m, &mine.p[0], &others);
	for (unsigned i = 0; i < mine.n; i++) {
		mine.p[i].fragmented = true;
		mine.p[i].df = false;
	}
	sl_lookup_ahead(w, &mine);
	if (origin == SL_FROM_PORT) {
		sl_guard_check_lists(w, &mine);
		sl_guard_check_lists(w, &others);
	}
	sl_exceptions(w, &others, origin);
	if (mine.n)
		sl_lookup(w, &mine, origin);
	sl_guard_flush(w);
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

/* A hairpinned packet. What is not claimed never goes to Linux: a client addressed a port of ours that is not a relay port. */
static void looped(struct sl_worker *w, struct rte_mbuf *m, struct sl_vec *v)
{
	struct sl_pkt *p = &v->p[v->n];
	const struct sl_packet *meta = sl_packet(m);
	enum sl_drop why;
	p->m = m;
	p->interface = (uint8_t)meta->interface;
	p->nought = 0;
	p->turns = meta->turns;
	p->looped = true;
	enum sl_parse_verdict verdict = sl_parse_ip(w, p, rte_pktmbuf_mtod(m, uint8_t *), m->data_len, &why);
	p->fragmented = meta->fragmented;
	p->df = p->df && !meta->fragmented;
	if (verdict == SL_PARSE_CLAIMED)
		v->n++;
	else if (verdict == SL_PARSE_FRAGMENT)
		sl_reassemble(w, p);
	else
		sl_drop(w, m, verdict == SL_PARSE_DROP ? why : SL_DROP_peer_forbidden);
}

void sl_path_looped(struct sl_worker *w, struct rte_mbuf **m, unsigned n)
{
	struct sl_vec v;
	v.n = 0;
	for (unsigned i = 0; i < n; i++)
		looped(w, m[i], &v);
	sl_lookup_ahead(w, &v);
	if (v.n)
		sl_lookup(w, &v, SL_FROM_WORKER);
	sl_guard_flush(w);
}
