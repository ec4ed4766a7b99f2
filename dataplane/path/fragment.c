/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Datagrams that are larger than the way out and may be cut (RFC 791 3.2, RFC 8200 4.5). By copying: drivers for virtual
 * ports do not all take chained buffers, and this is not a path for speed. */

#include "dataplane/path/context.h"

#include <netinet/in.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "dataplane/path/cksum.h"

enum { V6_FRAGMENT_HEADER = 8 };

static void set_v4(uint8_t *l3, unsigned total, unsigned offset, bool more)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;
	ip->total_length = rte_cpu_to_be_16((uint16_t)total);
	ip->fragment_offset = rte_cpu_to_be_16((uint16_t)(offset / 8 | (more ? RTE_IPV4_HDR_MF_FLAG : 0)));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = sl_ip_cksum(ip, sizeof *ip);
}

static void set_v6(uint8_t *l3, unsigned payload, unsigned offset, bool more, uint32_t id_be)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;
	uint8_t *frag = (uint8_t *)(ip + 1);
	uint16_t field = rte_cpu_to_be_16((uint16_t)(offset | (more ? 1 : 0)));
	ip->payload_len = rte_cpu_to_be_16((uint16_t)payload);
	ip->proto = IPPROTO_FRAGMENT;
	frag[0] = IPPROTO_UDP;
	frag[1] = 0;
	memcpy(frag + 2, &field, 2);
	memcpy(frag + 4, &id_be, 4);
}

void sl_fragment(struct sl_worker *w, struct rte_mbuf *m, const struct sl_nexthop *nh)
{
	const uint8_t *src = rte_pktmbuf_mtod(m, const uint8_t *);
	bool v6 = src[0] >> 4 == 6;
	unsigned fixed = v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	unsigned header = fixed + (v6 ? V6_FRAGMENT_HEADER : 0);
	unsigned room = (nh->mtu - header) & ~7u, len = m->pkt_len - fixed;
	uint32_t id_be = (uint32_t)sl_prng_next(&w->sessions.prng);
	struct sl_ip dst;
	if (v6)
		sl_ip_set_v6(&dst, ((const struct rte_ipv6_hdr *)src)->dst_addr);
	else
		sl_ip_set_v4(&dst, ((const struct rte_ipv4_hdr *)src)->dst_addr);
	sl_count(w, SL_C_fragmented, 1);
	for (unsigned at = 0; at < len; at += room) {
		unsigned n = len - at < room ? len - at : room;
		struct rte_mbuf *f = rte_pktmbuf_alloc(w->dp->pool);
		if (!f || header + n > rte_pktmbuf_tailroom(f)) {
			w->drops[SL_DROP_no_mbuf]++;
			rte_pktmbuf_free(f);
			break;
		}
		uint8_t *p = (uint8_t *)rte_pktmbuf_append(f, (uint16_t)(header + n));
		memcpy(p, src, fixed);
		memcpy(p + header, src + fixed + at, n);
		if (v6)
			set_v6(p, V6_FRAGMENT_HEADER + n, at, at + n < len, id_be);
		else
			set_v4(p, header + n, at, at + n < len);
		sl_emit_ip(w, f, &dst);
	}
	rte_pktmbuf_free(m);
}
