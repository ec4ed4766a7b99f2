/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* "Too big" for packets that may not be fragmented and grew past the MTU on their way through: fragmentation needed
 * (RFC 792, RFC 1191 4) and packet too big (RFC 4443 3.2). ICMP that comes in: icmp_in.c. */

#include "dataplane/path/context.h"

#include <netinet/in.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include <rte_ip.h>
#include <rte_udp.h>

#include "dataplane/path/cksum.h"

enum {
	ICMP_PPS = 1000,     /* per worker: RFC 1812 4.3.2.8, RFC 4443 2.4 (f) ask for a limit */
	ICMP_TTL = 64,
	ICMP_HEADER = 8,
	V4_TOTAL = 576,      /* RFC 1812 4.3.2.3: as much of the packet as fits in 576 bytes */
	V6_TOTAL = 1280,     /* RFC 4443 3.2: ... in the minimum MTU */
	V4_MTU_MIN = 68,     /* RFC 791 */
	V6_MTU_MIN = 1280,   /* RFC 8200 5 */
};

static void write_v4(uint8_t *l3, const struct sl_pkt *p, unsigned quoted, unsigned mtu)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;
	struct icmphdr *icmp = (struct icmphdr *)(ip + 1);
	unsigned len = ICMP_HEADER + quoted;
	*ip = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof *ip + len)),
		.time_to_live = ICMP_TTL,
		.next_proto_id = IPPROTO_ICMP,
		.src_addr = sl_ip_v4_be(&p->dst.ip),
		.dst_addr = sl_ip_v4_be(&p->src.ip)};
	ip->hdr_checksum = sl_ip_cksum(ip, sizeof *ip);
	*icmp = (struct icmphdr){.type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED};
	icmp->un.frag.mtu = htons((uint16_t)(mtu < V4_MTU_MIN ? V4_MTU_MIN : mtu));
	icmp->checksum = sl_ip_cksum(icmp, len);
}

static void write_v6(uint8_t *l3, const struct sl_pkt *p, unsigned quoted, unsigned mtu)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;
	struct icmp6_hdr *icmp = (struct icmp6_hdr *)(ip + 1);
	unsigned len = ICMP_HEADER + quoted;
	ip->vtc_flow = rte_cpu_to_be_32(6u << 28);
	ip->payload_len = rte_cpu_to_be_16((uint16_t)len);
	ip->proto = IPPROTO_ICMPV6;
	ip->hop_limits = ICMP_TTL;
	memcpy(ip->src_addr, p->dst.ip.b, 16);
	memcpy(ip->dst_addr, p->src.ip.b, 16);
	memset(icmp, 0, ICMP_HEADER);
	icmp->icmp6_type = ICMP6_PACKET_TOO_BIG;
	icmp->icmp6_mtu = htonl(mtu < V6_MTU_MIN ? V6_MTU_MIN : mtu);
	uint64_t pseudo = sl_sum_ip(&p->src.ip) + sl_sum_ip(&p->dst.ip) + ip->payload_len + htons(IPPROTO_ICMPV6);
	icmp->icmp6_cksum = (uint16_t)~sl_sum_fold(pseudo + sl_sum_bytes((const uint8_t *)icmp, len));
}

void sl_icmp_too_big(struct sl_worker *w, const struct sl_pkt *p, unsigned mtu)
{
	unsigned header = p->v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	unsigned quoted = (p->v6 ? V6_TOTAL : V4_TOTAL) - header - ICMP_HEADER;
	if (quoted > p->l3_len)
		quoted = p->l3_len;
	if (p->opened) /* RFC 792 wants no more */
		quoted = header + (unsigned)sizeof(struct rte_udp_hdr);
	struct rte_mbuf *m = sl_bucket_take(&w->icmp_bucket, w->now.ms, ICMP_PPS) ? rte_pktmbuf_alloc(w->dp->pool) : NULL;
	if (m) {
		uint8_t *l3 = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(header + ICMP_HEADER + quoted));
		memcpy(l3 + header + ICMP_HEADER, p->l3, quoted);
		if (p->v6)
			write_v6(l3, p, quoted, mtu);
		else
			write_v4(l3, p, quoted, mtu);
		sl_count(w, SL_C_too_big_sent, 1);
		sl_emit_ip(w, m, &p->src.ip);
	}
	rte_pktmbuf_free(p->m);
}
