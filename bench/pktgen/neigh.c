/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/neigh.h"

#include <string.h>

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>

enum {
	ND_SOLICIT = 135,
	ND_ADVERT = 136,
	ND_OPT_SOURCE_MAC = 1,
	ND_OPT_TARGET_MAC = 2,
	ND_HOP_LIMIT = 255, /* RFC 4861 7.1: anything less came through a router */
	ND_ADVERT_SOLICITED_OVERRIDE = 0x60,
};

/* A solicitation or advertisement with its one link-layer address option. */
struct nd_message {
	uint8_t type, code;
	uint16_t checksum;
	uint8_t flags, reserved[3];
	uint8_t target[16];
	uint8_t opt_type, opt_len, opt_mac[6];
} __attribute__((packed));

struct nd_frame {
	struct rte_ether_hdr eth;
	struct rte_ipv6_hdr ip;
	struct nd_message nd;
} __attribute__((packed, aligned(2)));

struct arp_frame {
	struct rte_ether_hdr eth;
	struct rte_arp_hdr arp;
} __attribute__((packed, aligned(2)));

static bool is_ours(const struct options *o, const struct sl_ip *ip)
{
	return range_contains(&o->clients, ip) || range_contains(&o->peers, ip);
}

static void learn(struct port *port, const struct sl_ip *ip, const uint8_t mac[6])
{
	if (!sl_ip_eq(ip, &port->next_hop_ip))
		return;
	memcpy(port->next_hop, mac, 6);
	port->resolved = true;
}

static void arp_send(struct ports *ports, struct port *port, uint16_t opcode, uint32_t src_be, const uint8_t *dst_mac,
	uint32_t dst_be)
{
	struct arp_frame f = {
		.eth.ether_type = htons(RTE_ETHER_TYPE_ARP),
		.arp = {
			.arp_hardware = htons(RTE_ARP_HRD_ETHER),
			.arp_protocol = htons(RTE_ETHER_TYPE_IPV4),
			.arp_hlen = 6,
			.arp_plen = 4,
			.arp_opcode = htons(opcode),
			.arp_data = {.arp_sip = src_be, .arp_tip = dst_be},
		},
	};
	memcpy(f.eth.src_addr.addr_bytes, port->mac, 6);
	memcpy(f.arp.arp_data.arp_sha.addr_bytes, port->mac, 6);
	if (dst_mac != NULL) {
		memcpy(f.eth.dst_addr.addr_bytes, dst_mac, 6);
		memcpy(f.arp.arp_data.arp_tha.addr_bytes, dst_mac, 6);
	} else {
		memset(f.eth.dst_addr.addr_bytes, 0xff, 6);
	}
	port_send(ports, port, &f, sizeof f);
}

static void arp_input(struct ports *ports, const struct options *o, struct port *port, const struct arp_frame *f)
{
	struct sl_ip sender, target;

	sl_ip_set_v4(&sender, f->arp.arp_data.arp_sip);
	sl_ip_set_v4(&target, f->arp.arp_data.arp_tip);
	const uint8_t *mac = f->arp.arp_data.arp_sha.addr_bytes;
	if (f->arp.arp_opcode == htons(RTE_ARP_OP_REPLY))
		learn(port, &sender, mac);
	else if (f->arp.arp_opcode == htons(RTE_ARP_OP_REQUEST) && is_ours(o, &target))
		arp_send(ports, port, RTE_ARP_OP_REPLY, sl_ip_v4_be(&target), mac, sl_ip_v4_be(&sender));
}

static void nd_send(struct ports *ports, struct port *port, const struct nd_message *nd, const struct sl_ip *src,
	const struct sl_ip *dst, const uint8_t dst_mac[6])
{
	struct nd_frame f = {
		.eth.ether_type = htons(RTE_ETHER_TYPE_IPV6),
		.ip = {
			.vtc_flow = htonl(6u << 28),
			.payload_len = htons(sizeof *nd),
			.proto = IPPROTO_ICMPV6,
			.hop_limits = ND_HOP_LIMIT,
		},
		.nd = *nd,
	};
	memcpy(f.eth.dst_addr.addr_bytes, dst_mac, 6);
	memcpy(f.eth.src_addr.addr_bytes, port->mac, 6);
	memcpy(f.ip.src_addr, src->b, 16);
	memcpy(f.ip.dst_addr, dst->b, 16);
	memcpy(f.nd.opt_mac, port->mac, 6);
	/* The pseudo-header's protocol comes from the header, so the UDP helper sums ICMPv6 as well. */
	f.nd.checksum = rte_ipv6_udptcp_cksum(&f.ip, &f.nd);
	port_send(ports, port, &f, sizeof f);
}

static void nd_input(struct ports *ports, const struct options *o, struct port *port, const struct nd_frame *f)
{
	struct sl_ip target, asker;

	sl_ip_set_v6(&target, f->nd.target);
	sl_ip_set_v6(&asker, f->ip.src_addr);
	if (f->nd.type == ND_ADVERT) {
		if (f->nd.opt_type == ND_OPT_TARGET_MAC)
			learn(port, &target, f->nd.opt_mac);
		return;
	}
	/* From the unspecified address it is somebody's duplicate address detection, not a question. */
	if (!is_ours(o, &target) || (asker.q[0] | asker.q[1]) == 0)
		return;
	struct nd_message advert = {
		.type = ND_ADVERT,
		.flags = ND_ADVERT_SOLICITED_OVERRIDE,
		.opt_type = ND_OPT_TARGET_MAC,
		.opt_len = 1,
	};
	memcpy(advert.target, target.b, 16);
	nd_send(ports, port, &advert, &target, &asker, f->eth.src_addr.addr_bytes);
}

bool neigh_input(struct ports *ports, const struct options *o, struct port *port, const uint8_t *frame, unsigned len)
{
	if (len >= sizeof(struct arp_frame) && frame[12] == 0x08 && frame[13] == 0x06) {
		arp_input(ports, o, port, (const struct arp_frame *)frame);
		return true;
	}
	const struct nd_frame *f = (const struct nd_frame *)frame;
	/* The kernel's solicitations carry their option always; its answers to ours too. */
	if (len < sizeof *f || f->eth.ether_type != htons(RTE_ETHER_TYPE_IPV6) || f->ip.proto != IPPROTO_ICMPV6)
		return false;
	if (f->ip.hop_limits == ND_HOP_LIMIT && (f->nd.type == ND_SOLICIT || f->nd.type == ND_ADVERT))
		nd_input(ports, o, port, f);
	return true;
}

void neigh_ask(struct ports *ports, struct port *port, const struct sl_ip *src)
{
	const struct sl_ip *target = &port->next_hop_ip;

	if (sl_ip_is_v4(target)) {
		arp_send(ports, port, RTE_ARP_OP_REQUEST, sl_ip_v4_be(src), NULL, sl_ip_v4_be(target));
		return;
	}
	/* To the target's solicited-node group (RFC 4291 2.7.1). */
	struct sl_ip group = {.b = {0xff, 0x02, [11] = 1, [12] = 0xff}};
	memcpy(group.b + 13, target->b + 13, 3);
	uint8_t mac[6] = {0x33, 0x33, 0xff, target->b[13], target->b[14], target->b[15]};
	struct nd_message solicit = {.type = ND_SOLICIT, .opt_type = ND_OPT_SOURCE_MAC, .opt_len = 1};
	memcpy(solicit.target, target->b, 16);
	nd_send(ports, port, &solicit, src, &group, mac);
}
