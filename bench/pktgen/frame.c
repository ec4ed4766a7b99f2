/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/frame.h"

#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

enum { HOP_LIMIT = 64 };

static void put_ipv4(uint8_t *at, const struct flow *flow, unsigned udp_bytes)
{
	struct rte_ipv4_hdr ip = {
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = htons((uint16_t)(IPV4_BYTES + udp_bytes)),
		.fragment_offset = htons(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = HOP_LIMIT,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = sl_ip_v4_be(&flow->src.ip),
		.dst_addr = sl_ip_v4_be(&flow->dst.ip),
	};
	ip.hdr_checksum = rte_ipv4_cksum(&ip);
	memcpy(at, &ip, sizeof ip);
}

static void put_ipv6(uint8_t *at, const struct flow *flow, unsigned udp_bytes)
{
	struct rte_ipv6_hdr ip = {
		.vtc_flow = htonl(6u << 28),
		.payload_len = htons((uint16_t)udp_bytes),
		.proto = IPPROTO_UDP,
		.hop_limits = HOP_LIMIT,
	};
	memcpy(ip.src_addr, flow->src.ip.b, 16);
	memcpy(ip.dst_addr, flow->dst.ip.b, 16);
	memcpy(at, &ip, sizeof ip);
}

unsigned frame_finish(uint8_t *frame, const struct flow *flow, unsigned payload_bytes)
{
	bool v4 = sl_ip_is_v4(&flow->src.ip);
	unsigned udp_bytes = UDP_BYTES + payload_bytes;
	uint8_t *ip = frame + ETHER_BYTES;
	uint8_t *udp = ip + (v4 ? IPV4_BYTES : IPV6_BYTES);
	uint16_t type = htons(v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	struct rte_udp_hdr header = {
		.src_port = flow->src.port_be,
		.dst_port = flow->dst.port_be,
		.dgram_len = htons((uint16_t)udp_bytes),
	};

	memcpy(frame, flow->dst_mac, 6);
	memcpy(frame + 6, flow->src_mac, 6);
	memcpy(frame + 12, &type, 2);
	memcpy(udp, &header, sizeof header);
	if (v4)
		put_ipv4(ip, flow, udp_bytes);
	else
		put_ipv6(ip, flow, udp_bytes);
	header.dgram_cksum = v4 ? rte_ipv4_udptcp_cksum((const struct rte_ipv4_hdr *)ip, udp)
				: rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)ip, udp);
	memcpy(udp, &header, sizeof header);
	return (unsigned)(udp - frame) + udp_bytes;
}

/* Length of the IP header when it is one of ours to read and the whole packet is there; 0 otherwise. */
static unsigned parse_ip(const uint8_t *ip, unsigned len, struct frame_udp *out, unsigned *l4_bytes)
{
	if ((ip[0] >> 4) == 4) {
		const struct rte_ipv4_hdr *h = (const struct rte_ipv4_hdr *)ip;
		unsigned total = len >= IPV4_BYTES ? ntohs(h->total_length) : 0;
		if (h->version_ihl != RTE_IPV4_VHL_DEF || total < IPV4_BYTES || total > len ||
			h->next_proto_id != IPPROTO_UDP || rte_ipv4_cksum(h) != 0)
			return 0;
		sl_ip_set_v4(&out->src.ip, h->src_addr);
		sl_ip_set_v4(&out->dst.ip, h->dst_addr);
		*l4_bytes = total - IPV4_BYTES;
		return IPV4_BYTES;
	}
	const struct rte_ipv6_hdr *h = (const struct rte_ipv6_hdr *)ip;
	if ((ip[0] >> 4) != 6 || len < IPV6_BYTES || ntohs(h->payload_len) > len - IPV6_BYTES ||
		h->proto != IPPROTO_UDP)
		return 0;
	sl_ip_set_v6(&out->src.ip, h->src_addr);
	sl_ip_set_v6(&out->dst.ip, h->dst_addr);
	*l4_bytes = ntohs(h->payload_len);
	return IPV6_BYTES;
}

/* Summed with the checksum itself inside, a good datagram gives zero, which the helpers show as 0xffff. Over IPv4 a
 * field of zero means that the sender made none (RFC 768); over IPv6 it must be there (RFC 8200 8.1). */
static bool cksum_ok(const uint8_t *ip, unsigned ip_bytes, const struct rte_udp_hdr *udp)
{
	if (ip_bytes == IPV4_BYTES)
		return udp->dgram_cksum == 0 ||
		       rte_ipv4_udptcp_cksum((const struct rte_ipv4_hdr *)ip, udp) == 0xffff;
	return udp->dgram_cksum != 0 && rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)ip, udp) == 0xffff;
}

int frame_parse_udp(const uint8_t *frame, unsigned len, struct frame_udp *out)
{
	unsigned l4_bytes;

	if (len < ETHER_BYTES + IPV4_BYTES + UDP_BYTES)
		return -1;
	const uint8_t *ip = frame + ETHER_BYTES;
	unsigned ip_bytes = parse_ip(ip, len - ETHER_BYTES, out, &l4_bytes);
	if (ip_bytes == 0 || l4_bytes < UDP_BYTES)
		return -1;
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(ip + ip_bytes);
	if (ntohs(udp->dgram_len) != l4_bytes)
		return -1;
	if (!cksum_ok(ip, ip_bytes, udp))
		return -1;
	out->src.port_be = udp->src_port;
	out->dst.port_be = udp->dst_port;
	out->payload = (const uint8_t *)(udp + 1);
	out->payload_bytes = l4_bytes - UDP_BYTES;
	return 0;
}
