/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/flood/frames.h"

#include <netinet/in.h>

enum {
	ETHER_VLAN = 0x8100,
	ETHER_QINQ = 0x88a8,
	TAG_BYTES = 4,
	NEXT_HOP_BY_HOP = 0,
	NEXT_ROUTING = 43,
	NEXT_FRAGMENT = 44,
	NEXT_DESTINATION = 60,
	CHAIN_MAX = 24,
	EXTENSION_BYTES = 8,
	OPTIONS_MAX = 40,
	FRAGMENT_MORE = 0x2000,
};

/* A right STUN request, as most of these begin. */
static unsigned right(struct flood_maker *m, struct flood_attack *a, struct flood_packet *p)
{
	return flood_udp(m, p, flood_payload(m, a, FLOOD_ALLOCATE, p->frame + p->at));
}

static unsigned truncated(struct flood_maker *m, struct flood_attack *a, struct flood_packet *p)
{
	unsigned bytes = right(m, a, p);
	return ETHER + flood_below(m, bytes - ETHER);
}

static unsigned lengths(struct flood_maker *m, struct flood_attack *a, struct flood_packet *p)
{
	unsigned bytes = right(m, a, p), lie = flood_below(m, 65536);
	bool v4 = sl_ip_is_v4(&p->dst.ip);
	uint8_t *ip = p->frame + ETHER;

	switch (flood_below(m, 3)) {
	case 0:
		put16(ip + (v4 ? 2 : 4), lie);
		if (v4)
			flood_ip4_checksum(ip, IP4);
		break;
	case 1: put16(p->frame + p->at - UDP + 4, lie); break;
	default:
		put16(p->frame + p->at + 2, lie);
		flood_udp(m, p, bytes - p->at);
	}
	return bytes;
}

static unsigned checksums(struct flood_maker *m, struct flood_attack *a, struct flood_packet *p)
{
	unsigned bytes = right(m, a, p);
	bool v4 = sl_ip_is_v4(&p->dst.ip);

	if (v4 && flood_below(m, 2))
		p->frame[ETHER + 10] ^= (uint8_t)(1 + flood_below(m, 255));
	else if (!v4 && flood_below(m, 2))
		put16(p->frame + p->at - 2, 0); /* RFC 8200 8.1: not over IPv6 */
	else
		p->frame[p->at - 1] ^= (uint8_t)(1 + flood_below(m, 255));
	return bytes;
}

static unsigned vlan(struct flood_maker *m, struct flood_attack *a, struct flood_packet *p)
{
	unsigned bytes = right(m, a, p), tags = 1 + flood_below(m, 3);

	memmove(p->frame + ETHER - 2 + TAG_BYTES * tags, p->frame + ETHER - 2, bytes - (ETHER - 2));
	for (unsigned i = 0; i < tags; i++) {
		put16(p->frame + ETHER - 2 + TAG_BYTES * i, i + 1 < tags && flood_below(m, 2) ? ETHER_QINQ : ETHER_VLAN);
		put16(p->frame + ETHER + TAG_BYTES * i, flood_below(m, 4096));
	}
	return bytes + TAG_BYTES * tags;
}

/* IPv6: headers of eight bytes one behind the other, in any order. */
static unsigned chain6(struct flood_maker *m, struct flood_packet *p, unsigned bytes)
{
	static const uint8_t kinds[] = {NEXT_HOP_BY_HOP, NEXT_ROUTING, NEXT_FRAGMENT, NEXT_DESTINATION};
	unsigned n = 1 + flood_below(m, CHAIN_MAX), at = ETHER + IP6;
	uint8_t *next = p->frame + ETHER + 6;

	memmove(p->frame + at + n * EXTENSION_BYTES, p->frame + at, bytes - at);
	for (unsigned i = 0; i < n; i++, at += EXTENSION_BYTES) {
		*next = kinds[flood_below(m, sizeof kinds)];
		memcpy(p->frame + at, (uint8_t[]){IPPROTO_UDP, 0, 1, 4, 0, 0, 0, 0}, EXTENSION_BYTES); /* PadN; elsewhere whatever that means */
		next = p->frame + at;
	}
	put16(p->frame + ETHER + 4, bytes - ETHER - IP6 + n * EXTENSION_BYTES);
	return bytes + n * EXTENSION_BYTES;
}

static unsigned chains(struct flood_maker *m, struct flood_attack *a, struct flood_packet *p)
{
	unsigned bytes = right(m, a, p), options = 4 * (1 + flood_below(m, OPTIONS_MAX / 4));
	uint8_t *ip = p->frame + ETHER;

	if (!sl_ip_is_v4(&p->dst.ip))
		return chain6(m, p, bytes);
	memmove(ip + IP4 + options, ip + IP4, bytes - ETHER - IP4);
	flood_fill(m, ip + IP4, options);
	ip[0] = (uint8_t)(0x40 | (IP4 + options) / 4);
	put16(ip + 2, bytes - ETHER + options);
	flood_ip4_checksum(ip, IP4 + options);
	return bytes + options;
}

static unsigned fragment6(struct flood_packet *p, unsigned bytes, unsigned offset, bool more, uint32_t id)
{
	uint8_t *at = p->frame + ETHER + IP6;

	memmove(at + EXTENSION_BYTES, at, bytes - ETHER - IP6);
	memcpy(at, (uint8_t[]){IPPROTO_UDP, 0}, 2);
	put16(at + 2, offset * 8 | more);
	memcpy(at + 4, &id, 4);
	p->frame[ETHER + 6] = NEXT_FRAGMENT;
	put16(p->frame + ETHER + 4, bytes - ETHER - IP6 + EXTENSION_BYTES);
	return bytes + EXTENSION_BYTES;
}

static unsigned fragments(struct flood_maker *m, struct flood_attack *a, struct flood_packet *p)
{
	unsigned size = flood_below(m, 4) ? 8 * (1 + flood_below(m, 150)) : 8, kind = flood_below(m, 3), offset;
	bool more = kind != 1;
	/* A first one, a last one, one of the middle of few datagrams, so that they overlap. */
	uint32_t id = kind == 2 ? flood_below(m, 16) : (uint32_t)flood_random(m);

	(void)a;
	offset = kind == 0 ? 0 : 1 + flood_below(m, kind == 1 ? 8190 : 64);
	flood_fill(m, p->frame + p->at, size);
	unsigned bytes = flood_udp(m, p, size);
	if (!sl_ip_is_v4(&p->dst.ip))
		return fragment6(p, bytes, offset, more, id);
	put16(p->frame + ETHER + 4, id);
	put16(p->frame + ETHER + 6, offset | (more ? FRAGMENT_MORE : 0));
	flood_ip4_checksum(p->frame + ETHER, IP4);
	return bytes;
}

static unsigned jumbo(struct flood_maker *m, struct flood_packet *p)
{
	unsigned payload = m->mtu - ip_bytes(p) - UDP;

	return flood_udp(m, p, flood_fill(m, p->frame + p->at, payload < PAYLOAD_MAX ? payload : PAYLOAD_MAX));
}

static unsigned sources(struct flood_maker *m, struct flood_attack *a, struct flood_packet *p)
{
	static const char *const v4[] = {"127.0.0.1", "224.0.0.1", "239.255.255.250", "255.255.255.255", "0.0.0.0", "240.0.0.1"};
	static const char *const v6[] = {"::1", "::", "ff02::1", "ff05::2"};
	bool is_v4 = sl_ip_is_v4(&p->dst.ip);
	unsigned n = is_v4 ? 6 : 4, i = flood_below(m, n + 1);

	if (i == n)
		p->src.ip = p->dst.ip;
	else
		sl_ip_parse(is_v4 ? v4[i] : v6[i], &p->src.ip);
	return right(m, a, p);
}

static unsigned ether(struct flood_maker *m, struct flood_attack *a, struct flood_packet *p)
{
	static const uint16_t types[] = {0x0600, 0x88cc, 0x8847, 0x8863, 0x8864, 0x86de, 0xffff};
	unsigned bytes = right(m, a, p);

	if (flood_below(m, 2))
		put16(p->frame + 12, types[flood_below(m, sizeof types / sizeof types[0])]);
	else
		p->frame[5] ^= (uint8_t)(1 + flood_below(m, 255));
	return bytes;
}

static unsigned stun_broken(struct flood_maker *m, struct flood_attack *a, uint8_t *at)
{
	unsigned bytes = flood_payload(m, a, FLOOD_FORGED, at);

	switch (flood_below(m, 4)) {
	case 0: put16(at + 22, 0xfffc); break;                                      /* an attribute beyond the end */
	case 1: at[4] ^= 0xff; break;                                               /* no magic cookie */
	case 2: at[0] |= 1, at[1] |= 0x10; break;                                   /* a response */
	default:                                                                    /* FINGERPRINT at the end, wrong */
		memcpy(at + bytes, (uint8_t[]){0x80, 0x28, 0, 4, 1, 2, 3, 4}, 8);
		bytes += 8;
		put16(at + 2, bytes - 20);
	}
	return bytes;
}

static unsigned sip_broken(struct flood_maker *m, struct flood_attack *a, uint8_t *at)
{
	unsigned bytes = flood_payload(m, a, FLOOD_REGISTER, at);

	switch (flood_below(m, 5)) {
	case 0: memcpy(at, "register", 8); break;
	case 1: at[9] = 0; break;                                                   /* a NUL in the start line */
	case 2: memset(at, '\n', 1 + flood_below(m, 64)); break;
	case 3: bytes = 1 + flood_below(m, bytes - 1); break;                       /* ends anywhere */
	default:
		for (unsigned i = 0; i < 16; i++)
			at[flood_below(m, bytes)] = (uint8_t)flood_random(m);
	}
	return bytes;
}

static unsigned rtp_broken(struct flood_maker *m, struct flood_attack *a, uint8_t *at)
{
	unsigned bytes = flood_payload(m, a, FLOOD_RTP, at);

	switch (flood_below(m, 5)) {
	case 0: at[0] = 0x40; break;                                                /* version 1 */
	case 1: at[0] |= 15, bytes = 12 + 4 * flood_below(m, 15); break;            /* fewer CSRCs than it says */
	case 2: at[0] |= 0x20, at[bytes - 1] = 255; break;                          /* padding longer than the payload */
	case 3: at[0] |= 0x10, put16(at + 14, 0xffff); break;                       /* an extension beyond the end */
	default: bytes = flood_below(m, 12);
	}
	return bytes;
}

unsigned flood_hostile(struct flood_maker *m, struct flood_attack *a, enum flood_kind kind, struct flood_packet *p)
{
	uint8_t *at = p->frame + p->at;

	switch (kind) {
	case FLOOD_TRUNCATED: return truncated(m, a, p);
	case FLOOD_LENGTHS: return lengths(m, a, p);
	case FLOOD_CHECKSUMS: return checksums(m, a, p);
	case FLOOD_VLAN: return vlan(m, a, p);
	case FLOOD_CHAINS: return chains(m, a, p);
	case FLOOD_FRAGMENTS: return fragments(m, a, p);
	case FLOOD_TINY: return flood_udp(m, p, flood_fill(m, at, flood_below(m, 4)));
	case FLOOD_JUMBO: return jumbo(m, p);
	case FLOOD_SOURCES: return sources(m, a, p);
	case FLOOD_ETHER: return ether(m, a, p);
	case FLOOD_STUN_BROKEN: return flood_udp(m, p, stun_broken(m, a, at));
	case FLOOD_SIP_BROKEN: return flood_udp(m, p, sip_broken(m, a, at));
	case FLOOD_RTP_BROKEN: return flood_udp(m, p, rtp_broken(m, a, at));
	default: return flood_udp(m, p, flood_fill(m, at, a->size ? a->size : 1 + flood_below(m, 1200)));
	}
}
