/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What strangers may not do, cheapest check first: senders that cannot be, and more for Linux than it can take. */

#include "dataplane/path/context.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>

#include <rte_ether.h>
#include <rte_ip.h>

enum {
	/* ARP and neighbour discovery have a budget of their own on each interface: without them relaying stops, so no other
	 * traffic may use it up, and they may not use up the others'. */
	NEIGHBOUR_PPS = 2000,
};

/* RFC 1122 3.2.1.3, RFC 6890: addresses that nobody can send from. */
static bool v4_source_ok(uint32_t be)
{
	uint32_t a = ntohl(be);
	return (a >> 24) != 0 && (a >> 24) != 127 && a < 0xe0000000u;
}

static bool v6_source_ok(const struct sl_ip *ip)
{
	return ip->b[0] != 0xff && !(ip->q[0] == 0 && ip->d[2] == 0) && !sl_ip_is_v4(ip);
}

bool sl_guard_source(const struct sl_worker *w, const struct sl_pkt *p)
{
	if (!(p->v6 ? v6_source_ok(&p->src.ip) : v4_source_ok(sl_ip_v4_be(&p->src.ip))))
		return false;
	/* Nobody outside sends from our own address: what does is spoofed, or a loop of the network. */
	return p->looped || !sl_local_find(w, &p->src.ip);
}

/* ARP, or ICMPv6 router and neighbour messages (RFC 4861 4): 133..136. */
static bool is_neighbour_protocol(const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const uint8_t *l3 = (const uint8_t *)(eth + 1);
	uint16_t type = eth->ether_type;
	unsigned len = m->data_len - (unsigned)sizeof *eth;
	if (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN) && len >= sizeof(struct rte_vlan_hdr)) {
		type = ((const struct rte_vlan_hdr *)l3)->eth_proto;
		l3 += sizeof(struct rte_vlan_hdr);
		len -= (unsigned)sizeof(struct rte_vlan_hdr);
	}
	if (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP))
		return true;
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)l3;
	return type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6) && len > sizeof *ip && ip->proto == IPPROTO_ICMPV6 &&
		l3[sizeof *ip] >= ND_ROUTER_SOLICIT && l3[sizeof *ip] <= ND_NEIGHBOR_ADVERT;
}

bool sl_guard_exception(struct sl_worker *w, const struct rte_mbuf *m, unsigned interface, enum sl_drop *why)
{
	*why = SL_DROP_not_claimed_limit;
	if (is_neighbour_protocol(m))
		return sl_bucket_take(&w->neighbour_bucket[interface], w->now.ms, NEIGHBOUR_PPS);
	uint32_t pps = atomic_load_explicit(&w->dp->live_exception_pps, memory_order_relaxed);
	if (!sl_bucket_take(&w->exception_bucket, w->now.ms, pps))
		return false;
	/* A quarter of the ring is kept for the above. */
	*why = SL_DROP_exception_ring_full;
	return rte_ring_free_count(w->rings.exception) > SL_EXCEPTION_RING / 4;
}
