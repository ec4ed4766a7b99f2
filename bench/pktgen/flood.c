/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/flood.h"

#include <stdio.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_memcpy.h>

#include "bench/pktgen/frame.h"
#include "bench/pktgen/ports.h"
#include "dataplane/wire/stun.h"

enum {
	LINE = 64,
	STUN_TID_AT = 8, /* RFC 8489 5: behind type, length and cookie; the last eight of its twelve bytes are fresh */
	RTP_BYTES = 32,  /* 20 ms of G.729 */
	RTP_TIME_AT = 4,
	RANDOM_BYTES = 44,
	BRANCH = 8,
	UDP_AT_V4 = ETHER_BYTES + IPV4_BYTES,
	TRANSPORT_UDP = 17,
};

/* ---- payloads ---- */

struct payload {
	uint8_t bytes[FLOOD_IMAGE_BYTES - FRAME_MAX_HEADERS];
	unsigned len, fresh_at; /* 0 = nothing is fresh */
	bool text;
};

static void put_stun(struct payload *p, unsigned method)
{
	static const uint8_t tid[SL_STUN_TID_BYTES];
	struct sl_stun_builder b;

	sl_stun_begin(&b, p->bytes, sizeof p->bytes, (uint16_t)method, SL_STUN_REQUEST, tid);
	if (method == SL_TURN_ALLOCATE)
		sl_stun_add_u32(&b, SL_ATTR_REQUESTED_TRANSPORT, (uint32_t)TRANSPORT_UDP << 24);
	p->len = (unsigned)sl_stun_end(&b);
	p->fresh_at = STUN_TID_AT + 4;
}

static void put_rtp(struct payload *p)
{
	p->bytes[0] = 0x80;
	p->bytes[1] = 18;
	p->len = RTP_BYTES;
	p->fresh_at = RTP_TIME_AT; /* timestamp and SSRC */
}

static void put_sip(struct payload *p, const struct options *o)
{
	char to[SL_ADDR_TEXT_MAX];

	sl_endpoint_text(&o->flood_to, to);
	int n = snprintf((char *)p->bytes, sizeof p->bytes,
		"REGISTER sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK", to);
	n += n % 2; /* a gap of one byte would not do: the branch begins at an even place */
	if (p->bytes[n - 1] == 0)
		p->bytes[n - 1] = 'x';
	p->fresh_at = (unsigned)n;
	n += BRANCH;
	n += snprintf((char *)p->bytes + n, sizeof p->bytes - (size_t)n,
		";rport\r\nMax-Forwards: 70\r\nFrom: <sip:a@%s>;tag=1\r\nTo: <sip:a@%s>\r\nCall-ID: flood\r\nCSeq: 1 REGISTER\r\n"
		"Contact: <sip:a@192.0.2.1>\r\nExpires: 60\r\nContent-Length: 0\r\n\r\n", to, to);
	p->len = (unsigned)n;
	p->text = true;
}

static void put_random(struct payload *p, uint64_t seed)
{
	for (unsigned i = 0; i < RANDOM_BYTES; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p->bytes[i] = (uint8_t)(seed >> 56);
	}
	p->len = RANDOM_BYTES;
	p->fresh_at = 8;
}

/* ---- images ---- */

static uint32_t words(const uint8_t *at, unsigned len)
{
	uint32_t sum = 0;
	uint16_t word;

	for (; len >= 2; at += 2, len -= 2) {
		memcpy(&word, at, 2);
		sum += word;
	}
	return len != 0 ? sum + *at : sum; /* little-endian: the last byte is padded behind */
}

/* An image around a payload; the sums are of a frame from nowhere. */
static struct flood_image *add(struct flood *f, const struct options *o, const struct port *port, const struct payload *p)
{
	struct flood_image *i = &f->images[f->n_images++];
	struct flow flow = {.src_mac = port->mac, .dst_mac = port->next_hop, .dst = o->flood_to};

	*i = (struct flood_image){.v4 = sl_ip_is_v4(&o->flood_to.ip), .text = p->text};
	if (i->v4)
		sl_ip_set_v4(&flow.src.ip, 0);
	unsigned header = frame_header_bytes(&flow.dst.ip);
	memcpy(i->bytes + header, p->bytes, p->len);
	i->len = (uint16_t)frame_finish(i->bytes, &flow, p->len);
	i->copy = (uint16_t)((i->len + LINE - 1) / LINE * LINE);
	i->ip_cksum_at = ETHER_BYTES + 10;
	i->source_at = ETHER_BYTES + (i->v4 ? 12 : 8);
	i->port_at = (uint16_t)(header - UDP_BYTES);
	i->fresh_at = p->fresh_at != 0 ? (uint16_t)(header + p->fresh_at) : 0;
	if (i->fresh_at != 0)
		memset(i->bytes + i->fresh_at, 0, 8);
	memset(i->bytes + i->port_at + 6, 0, 2);
	/* RFC 768, RFC 8200 8.1: with the addresses, the length and the protocol. The port is added frame by frame. */
	memset(i->bytes + i->port_at + 2, 0, 2);
	i->udp_sum = words(i->bytes + i->source_at, i->v4 ? 8 : 32) + htons((uint16_t)(UDP_BYTES + p->len)) + htons(IPPROTO_UDP) +
		words(i->bytes + i->port_at, UDP_BYTES + p->len);
	if (i->v4) {
		memset(i->bytes + i->ip_cksum_at, 0, 2);
		i->ip_sum = words(i->bytes + ETHER_BYTES, IPV4_BYTES);
	}
	return i;
}

/* The IPv4 header was changed. */
static void sum_again(struct flood_image *i)
{
	if (i->v4)
		i->ip_sum = words(i->bytes + ETHER_BYTES, IPV4_BYTES);
}

/* Make room for `bytes` more behind the Ethernet addresses, or behind the IP header. */
static void insert(struct flood_image *i, unsigned at, unsigned bytes)
{
	memmove(i->bytes + at + bytes, i->bytes + at, i->len - at);
	memset(i->bytes + at, 0, bytes);
	i->len = (uint16_t)(i->len + bytes);
	i->copy = (uint16_t)((i->len + LINE - 1) / LINE * LINE);
	if (at < i->source_at) {
		i->source_at = (uint16_t)(i->source_at + bytes);
		i->ip_cksum_at = (uint16_t)(i->ip_cksum_at + bytes);
	}
	i->port_at = (uint16_t)(i->port_at + bytes);
	i->fresh_at = (uint16_t)(i->fresh_at + (i->fresh_at != 0 ? bytes : 0));
}

static void put_u16(struct flood_image *i, unsigned at, unsigned v)
{
	uint16_t be = htons((uint16_t)v);
	memcpy(i->bytes + at, &be, 2);
}

/* Headers that lie, of either family. */
static void add_bad_headers(struct flood *f, const struct options *o, const struct port *port, const struct payload *good)
{
	struct flood_image *i = add(f, o, port, good);
	bool v4 = i->v4;
	unsigned l3 = ETHER_BYTES, udp = i->port_at;

	put_u16(i, l3 + (v4 ? 2 : 4), 1500); /* an IP packet longer than its frame */
	sum_again(i);
	i = add(f, o, port, good);
	put_u16(i, udp + 4, 7); /* UDP shorter than its header */
	i = add(f, o, port, good);
	put_u16(i, udp + 4, 1400); /* ... and longer than its packet */
	i = add(f, o, port, good);
	i->udp_sum++;
	i = add(f, o, port, good);
	i->bytes[l3] = (uint8_t)(0x50 | (i->bytes[l3] & 15)); /* IP version 5 */
	sum_again(i);
	i = add(f, o, port, good);
	i->len = (uint16_t)(udp + 4); /* cut in the middle of the UDP header */
	i = add(f, o, port, good);
	insert(i, 12, 8); /* two VLAN tags */
	put_u16(i, 12, RTE_ETHER_TYPE_QINQ);
	put_u16(i, 16, RTE_ETHER_TYPE_VLAN);
}

static void add_bad_v4(struct flood *f, const struct options *o, const struct port *port, const struct payload *good)
{
	const unsigned l3 = ETHER_BYTES;
	struct flood_image *i = add(f, o, port, good);

	i->ip_sum++;
	i = add(f, o, port, good);
	i->bytes[l3] = 0x44; /* a header of 16 bytes */
	sum_again(i);
	i = add(f, o, port, good);
	insert(i, UDP_AT_V4, 4); /* an option */
	i->bytes[l3] = 0x46;
	i->bytes[UDP_AT_V4] = 1;
	i->bytes[UDP_AT_V4 + 1] = 1;
	put_u16(i, l3 + 2, i->len - l3);
	sum_again(i);
	i->ip_sum += words(i->bytes + UDP_AT_V4, 4);
	i = add(f, o, port, good);
	put_u16(i, l3 + 6, 100); /* a late fragment of nothing */
	sum_again(i);
}

static void add_bad_v6(struct flood *f, const struct options *o, const struct port *port, const struct payload *good)
{
	enum { CHAIN = 4, AT = ETHER_BYTES + IPV6_BYTES, NEXT = ETHER_BYTES + 6, LENGTH = ETHER_BYTES + 4 };
	struct flood_image *i = add(f, o, port, good);

	insert(i, AT, CHAIN * 8); /* destination options, one behind the other */
	for (unsigned k = 0; k < CHAIN; k++)
		i->bytes[AT + 8 * k] = k + 1 < CHAIN ? IPPROTO_DSTOPTS : IPPROTO_UDP;
	i->bytes[NEXT] = IPPROTO_DSTOPTS;
	put_u16(i, LENGTH, i->len - AT);
	i = add(f, o, port, good);
	insert(i, AT, 8); /* a late fragment */
	i->bytes[AT] = IPPROTO_UDP;
	put_u16(i, AT + 2, 800);
	i->bytes[NEXT] = IPPROTO_FRAGMENT;
	put_u16(i, LENGTH, i->len - AT);
}

static void add_malformed(struct flood *f, const struct options *o, const struct port *port)
{
	struct payload good = {0}, bad;

	put_stun(&good, SL_STUN_BINDING);
	add_bad_headers(f, o, port, &good);
	(sl_ip_is_v4(&o->flood_to.ip) ? add_bad_v4 : add_bad_v6)(f, o, port, &good);
	bad = good;
	bad.bytes[3] = 8; /* STUN longer than its datagram */
	add(f, o, port, &bad);
	bad = good;
	bad.bytes[4] ^= 1; /* another cookie */
	add(f, o, port, &bad);
	bad = good;
	bad.len = 3;
	bad.fresh_at = 0;
	add(f, o, port, &bad);
	bad.len = 0;
	add(f, o, port, &bad);
}

void flood_init(struct flood *f, const struct options *o, const struct port *port)
{
	*f = (struct flood){
		.from = o->flood_from,
		.sources = o->flood_sources,
		.to_port = ntohs(o->flood_to.port_be),
		.to_ports = o->flood_ports,
		.random = o->seed * 0x9E3779B97F4A7C15ull | 1,
	};
	for (unsigned kind = 0; kind < FLOOD_N_KINDS; kind++) {
		struct payload p = {0};
		if (!(o->flood_kinds & 1u << kind))
			continue;
		switch ((enum flood_kind)kind) {
		case FLOOD_STUN:
		case FLOOD_ALLOCATE:
			put_stun(&p, kind == FLOOD_STUN ? SL_STUN_BINDING : SL_TURN_ALLOCATE);
			break;
		case FLOOD_RTP:
			put_rtp(&p);
			break;
		case FLOOD_SIP:
			put_sip(&p, o);
			break;
		case FLOOD_RANDOM:
			put_random(&p, o->seed);
			break;
		case FLOOD_MALFORMED:
		case FLOOD_N_KINDS:
			add_malformed(f, o, port);
			continue;
		}
		add(f, o, port, &p);
	}
}

/* ---- frames ---- */

static inline uint64_t next_random(struct flood *f)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return f->random * 0x2545F4914F6CDD1Dull;
}

/* Spread so that neighbours in number are far apart as addresses. */
static inline uint32_t mix(uint32_t v)
{
	v = (v ^ v >> 16) * 0x7feb352du;
	v = (v ^ v >> 15) * 0x846ca68bu;
	return v ^ v >> 16;
}

/* An address that somebody can have: not 0/8, 127/8, nor 224/3 and above. */
static inline uint32_t v4_source(uint32_t v)
{
	uint32_t first = 1 + ((v >> 24) * 222 >> 8);
	first += first >= 127;
	return htonl(first << 24 | (v & 0xffffff));
}

static inline uint32_t folded(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static inline uint32_t sum64(uint64_t v)
{
	return (uint32_t)((v & 0xffff) + (v >> 16 & 0xffff) + (v >> 32 & 0xffff) + (v >> 48));
}

/* Writes the source's address; returns the sum of its words. */
static inline uint32_t put_source(const struct flood *f, const struct flood_image *i, uint8_t *at, uint32_t which)
{
	uint32_t v4;
	uint64_t v6;

	if (i->v4) {
		v4 = f->from.count != 0 ? htonl(ntohl(f->from.first.d[3]) + which) : v4_source(mix(which));
		memcpy(at, &v4, 4);
		return (v4 & 0xffff) + (v4 >> 16);
	}
	if (f->from.count != 0) {
		struct sl_ip ip = f->from.first;
		ip.d[3] = htonl(ntohl(ip.d[3]) + which);
		memcpy(at, ip.b, 16);
		return sum64(ip.q[0]) + sum64(ip.q[1]);
	}
	/* A /64 of 2000::/3 each; the rest of the address is ::1. */
	v6 = (uint64_t)mix(which) << 32 | mix(~which);
	v6 = (v6 & ~UINT64_C(0xe0)) | 0x20;
	memcpy(at, &v6, 8);
	at[15] = 1;
	return sum64(v6) + htons(1);
}

unsigned flood_frame(struct flood *f, uint8_t *data)
{
	const struct flood_image *i = &f->images[f->at];
	uint64_t r = next_random(f);
	uint32_t which = (uint32_t)r, range = f->from.count != 0 ? f->from.count : f->sources;
	uint16_t source_port, to_port, cksum;

	f->at = f->at + 1 == f->n_images ? 0 : f->at + 1;
	if (range != 0)
		which = (uint32_t)((uint64_t)which * range >> 32);
	if (likely(i->copy == LINE))
		rte_mov64(data, i->bytes);
	else if (i->copy == 2 * LINE)
		rte_mov128(data, i->bytes);
	else
		rte_memcpy(data, i->bytes, i->copy);
	uint32_t source = put_source(f, i, data + i->source_at, which);
	if (i->v4) {
		cksum = (uint16_t)~folded(i->ip_sum + source);
		memcpy(data + i->ip_cksum_at, &cksum, 2);
	}
	/* A known source keeps its port. */
	source_port = (uint16_t)((f->sources != 0 ? mix(which + 1) : (uint32_t)(r >> 32)) | 0x0400);
	to_port = htons((uint16_t)(f->to_port + ((uint32_t)(r >> 48) * f->to_ports >> 16)));
	memcpy(data + i->port_at, &source_port, 2);
	memcpy(data + i->port_at + 2, &to_port, 2);
	uint32_t sum = i->udp_sum + source + source_port + to_port;
	if (i->fresh_at != 0) {
		uint64_t fresh = next_random(f);
		if (i->text)
			fresh = (fresh & 0x0707070707070707u) + 0x6161616161616161u;
		memcpy(data + i->fresh_at, &fresh, 8);
		sum += sum64(fresh);
	}
	cksum = (uint16_t)~folded(sum);
	cksum = cksum == 0 ? 0xffff : cksum;
	memcpy(data + i->port_at + 6, &cksum, 2);
	return i->len;
}

void flood_make(struct flood *f, struct rte_mbuf **m, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint16_t len = (uint16_t)flood_frame(f, rte_pktmbuf_mtod(m[i], uint8_t *));
		m[i]->data_len = len;
		m[i]->pkt_len = len;
	}
}
