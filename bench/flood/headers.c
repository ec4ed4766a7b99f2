/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/flood/frames.h"

#include <netinet/in.h>

enum { ETHER_IP4 = 0x0800, ETHER_IP6 = 0x86dd, HOP_LIMIT = 64, LEAST_PORT = 1024 };

const struct flood_kind_info flood_kinds[FLOOD_N_KINDS] = {
#define X(NAME, name, aim, help) {name, aim, help},
	FLOOD_KINDS(X)
#undef X
};

void flood_maker_init(struct flood_maker *m, const struct flood_options *o, const uint8_t own_mac[6], const uint8_t gateway_mac[6], unsigned mtu)
{
	*m = (struct flood_maker){.options = o, .mtu = mtu, .random = o->seed};
	memcpy(m->own_mac, own_mac, 6);
	memcpy(m->gateway_mac, gateway_mac, 6);
}

static uint64_t spread(uint64_t x)
{
	x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	return x ^ (x >> 32);
}

/* Host bits of source number i: multiplying by an odd number makes no two alike as long as there are bits enough. Beyond 64 bits the subnet is drawn, too. */
static void draw_source(const struct flood_attack *a, uint64_t i, struct sl_ip *ip)
{
	unsigned bits = 128 - a->from.len;
	uint64_t host = bits >= 64 ? spread(i + 1) : (a->sources ? i * 7919 : i >> 7) & ((UINT64_C(1) << bits) - 1);
	uint64_t net = bits > 64 ? spread(i + 2) >> (128 - bits) : 0;

	*ip = a->from.ip;
	for (unsigned b = 0; b < 8; b++) {
		ip->b[15 - b] |= (uint8_t)(host >> (8 * b));
		ip->b[7 - b] |= (uint8_t)(net >> (8 * b));
	}
}

void flood_ends(struct flood_maker *m, struct flood_attack *a, struct flood_packet *p)
{
	const uint16_t *ports = a->has_port ? a->port : m->options->aims[flood_kinds[a->kind].aim];
	uint64_t r = flood_random(m), i = r;
	uint32_t port = a->from_port;

	/* Drips go round, so that a source is silent for as long as it can be. */
	if (a->sources)
		i = (a->kind == FLOOD_DRIP ? a->turn : r) % a->sources;
	draw_source(a, i, &p->src.ip);
	if (!port)
		port = LEAST_PORT + (uint32_t)(spread(i + 1) % (65536 - LEAST_PORT));
	p->src.port_be = htons((uint16_t)port);
	p->dst.ip = a->to;
	p->dst.port_be = htons((uint16_t)(ports[0] + flood_below(m, 1u + ports[1] - ports[0])));
	p->at = ETHER + ip_bytes(p) + UDP;
}

void flood_ether(const struct flood_maker *m, uint8_t *frame, unsigned type)
{
	memcpy(frame, m->gateway_mac, 6);
	memcpy(frame + 6, m->own_mac, 6);
	put16(frame + 12, type);
}

/* RFC 1071, eight bytes at a time. */
static uint64_t sum(const uint8_t *at, size_t bytes, uint64_t total)
{
	for (; bytes >= 8; at += 8, bytes -= 8) {
		uint64_t v;
		memcpy(&v, at, 8);
		total += v;
		total += total < v;
	}
	if (bytes) {
		uint64_t v = 0;
		memcpy(&v, at, bytes);
		total += v;
		total += total < v;
	}
	return total;
}

static uint16_t folded(uint64_t total)
{
	total = (total & 0xffffffff) + (total >> 32);
	total = (total & 0xffffffff) + (total >> 32);
	total = (total & 0xffff) + (total >> 16);
	total = (total & 0xffff) + (total >> 16);
	return (uint16_t)~total;
}

void flood_ip4_checksum(uint8_t *ip, unsigned bytes)
{
	put16(ip + 10, 0);
	uint16_t c = folded(sum(ip, bytes, 0));
	memcpy(ip + 10, &c, 2);
}

void flood_ip(struct flood_packet *p, unsigned protocol, unsigned bytes)
{
	uint8_t *ip = p->frame + ETHER;

	if (sl_ip_is_v4(&p->dst.ip)) {
		uint32_t src = sl_ip_v4_be(&p->src.ip), dst = sl_ip_v4_be(&p->dst.ip);
		memcpy(ip, (uint8_t[]){0x45, 0, 0, 0, 0, 0, 0x40, 0, HOP_LIMIT, (uint8_t)protocol, 0, 0}, 12);
		put16(ip + 2, IP4 + bytes);
		memcpy(ip + 12, &src, 4);
		memcpy(ip + 16, &dst, 4);
		flood_ip4_checksum(ip, IP4);
	} else {
		memcpy(ip, (uint8_t[]){0x60, 0, 0, 0, 0, 0, (uint8_t)protocol, HOP_LIMIT}, 8);
		put16(ip + 4, bytes);
		memcpy(ip + 8, p->src.ip.b, 16);
		memcpy(ip + 24, p->dst.ip.b, 16);
	}
}

void flood_l4_checksum(const struct flood_packet *p, uint8_t *l4, unsigned protocol, unsigned bytes, unsigned checksum_at)
{
	bool v4 = sl_ip_is_v4(&p->dst.ip);
	const uint8_t *src = v4 ? &p->src.ip.b[12] : p->src.ip.b, *dst = v4 ? &p->dst.ip.b[12] : p->dst.ip.b;
	unsigned n = v4 ? 4 : 16;
	uint64_t total = (uint64_t)htons((uint16_t)protocol) + htons((uint16_t)bytes);

	memset(l4 + checksum_at, 0, 2);
	uint16_t c = folded(sum(l4, bytes, sum(src, n, sum(dst, n, total))));
	if (c == 0 && protocol == IPPROTO_UDP)
		c = 0xffff;
	memcpy(l4 + checksum_at, &c, 2);
}

unsigned flood_udp(struct flood_maker *m, struct flood_packet *p, unsigned payload)
{
	uint8_t *udp = p->frame + p->at - UDP;

	flood_ether(m, p->frame, sl_ip_is_v4(&p->dst.ip) ? ETHER_IP4 : ETHER_IP6);
	flood_ip(p, IPPROTO_UDP, UDP + payload);
	memcpy(udp, &p->src.port_be, 2);
	memcpy(udp + 2, &p->dst.port_be, 2);
	put16(udp + 4, UDP + payload);
	flood_l4_checksum(p, udp, IPPROTO_UDP, UDP + payload, 6);
	return p->at + payload;
}

static unsigned syn(struct flood_maker *m, struct flood_packet *p)
{
	uint8_t *tcp = p->frame + ETHER + ip_bytes(p);
	uint64_t r = flood_random(m);

	flood_ether(m, p->frame, sl_ip_is_v4(&p->dst.ip) ? ETHER_IP4 : ETHER_IP6);
	flood_ip(p, IPPROTO_TCP, TCP);
	memcpy(tcp, &p->src.port_be, 2);
	memcpy(tcp + 2, &p->dst.port_be, 2);
	memcpy(tcp + 4, &r, 4);
	memcpy(tcp + 8, (uint8_t[]){0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0}, 12);
	flood_l4_checksum(p, tcp, IPPROTO_TCP, TCP, 16);
	return ETHER + ip_bytes(p) + TCP;
}

static unsigned echo_request(struct flood_maker *m, const struct flood_attack *a, struct flood_packet *p)
{
	bool v4 = sl_ip_is_v4(&p->dst.ip);
	unsigned bytes = 8 + (a->size ? a->size : 56), protocol = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	uint8_t *icmp = p->frame + ETHER + ip_bytes(p);

	flood_ether(m, p->frame, v4 ? ETHER_IP4 : ETHER_IP6);
	flood_ip(p, protocol, bytes);
	flood_fill(m, icmp, bytes);
	memcpy(icmp, (uint8_t[]){v4 ? 8 : 128, 0, 0, 0}, 4);
	if (v4) {
		uint16_t c = folded(sum(icmp, bytes, 0));
		memcpy(icmp + 2, &c, 2);
	} else {
		flood_l4_checksum(p, icmp, protocol, bytes, 2);
	}
	return ETHER + ip_bytes(p) + bytes;
}

static enum flood_kind of_drip(uint64_t turn)
{
	static const enum flood_kind kinds[] = {FLOOD_STUN, FLOOD_ALLOCATE, FLOOD_REGISTER, FLOOD_INVITE};
	return kinds[turn % 4];
}

unsigned flood_frame(struct flood_maker *m, struct flood_attack *a, uint8_t *frame)
{
	struct flood_packet p = {.frame = frame};
	struct flood_attack as = *a; /* what goes out in the name of a mix goes where its own kind goes */

	if (a->kind == FLOOD_MALFORMED)
		as.kind = FLOOD_TRUNCATED + (enum flood_kind)(a->turn % (FLOOD_MALFORMED - FLOOD_TRUNCATED));
	flood_ends(m, &as, &p);
	if (a->kind == FLOOD_DRIP) {
		as.kind = of_drip(a->turn);
		p.dst.port_be = htons(m->options->aims[flood_kinds[as.kind].aim][0]);
	}
	a->turn++;
	if (as.kind >= FLOOD_TRUNCATED)
		return flood_hostile(m, &as, as.kind, &p);
	if (as.kind == FLOOD_SYN)
		return syn(m, &p);
	if (as.kind == FLOOD_ICMP)
		return echo_request(m, &as, &p);
	return flood_udp(m, &p, flood_payload(m, &as, as.kind, frame + p.at));
}
