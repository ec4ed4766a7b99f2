/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "controlplane/media/pcap.h"

enum {
	LINKTYPE_RAW = 101,
	SNAP_BYTES = 65535,
	IP4_BYTES = 20,
	IP6_BYTES = 40,
	UDP_BYTES = 8,
	UDP = 17,
	HOPS = 64,
};
#define MAGIC_NS UINT32_C(0xa1b23c4d)
#define NS_PER_S UINT64_C(1000000000)

static void put_le(uint8_t *p, uint32_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* RFC 1071: the sum of n bytes added to sum, not folded. */
static uint32_t sum(uint32_t s, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		s += (uint32_t)p[i] << 8 | p[i + 1];
	return n & 1 ? s + ((uint32_t)p[n - 1] << 8) : s;
}

static uint16_t fold(uint32_t s)
{
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~(s + (s >> 16));
}

void sl_pcap_file_of(uint8_t out[SL_PCAP_FILE_BYTES], unsigned linktype)
{
	memset(out, 0, SL_PCAP_FILE_BYTES);
	put_le(out, MAGIC_NS, 4);
	put_le(out + 4, 2, 2); /* version 2.4 */
	put_le(out + 6, 4, 2);
	put_le(out + 16, SNAP_BYTES, 4);
	put_le(out + 20, linktype, 4);
}

void sl_pcap_file(uint8_t out[SL_PCAP_FILE_BYTES])
{
	sl_pcap_file_of(out, LINKTYPE_RAW);
}

static void put_record(uint8_t *out, uint64_t unix_ns, unsigned n, unsigned full)
{
	put_le(out, (uint32_t)(unix_ns / NS_PER_S), 4);
	put_le(out + 4, (uint32_t)(unix_ns % NS_PER_S), 4);
	put_le(out + 8, n, 4);
	put_le(out + 12, full, 4);
}

size_t sl_pcap_record(uint8_t *out, uint64_t unix_ns, const uint8_t *data, unsigned n, unsigned full)
{
	put_record(out, unix_ns, n, full);
	memcpy(out + SL_PCAP_RECORD_BYTES, data, n);
	return SL_PCAP_RECORD_BYTES + n;
}

static void put_ip4(uint8_t *p, unsigned total, const struct sl_ip *from, const struct sl_ip *to)
{
	memset(p, 0, IP4_BYTES);
	p[0] = 0x45;
	put16(p + 2, total);
	p[8] = HOPS;
	p[9] = UDP;
	memcpy(p + 12, &from->b[12], 4);
	memcpy(p + 16, &to->b[12], 4);
	put16(p + 10, fold(sum(0, p, IP4_BYTES)));
}

static void put_ip6(uint8_t *p, unsigned payload, const struct sl_ip *from, const struct sl_ip *to)
{
	memset(p, 0, IP6_BYTES);
	p[0] = 0x60;
	put16(p + 4, payload);
	p[6] = UDP;
	p[7] = HOPS;
	memcpy(p + 8, from->b, 16);
	memcpy(p + 24, to->b, 16);
}

static unsigned at_most(unsigned v, unsigned max)
{
	return v < max ? v : max;
}

static bool is_ip6(const struct sl_ip *ip)
{
	return !sl_ip_is_v4(ip) && (ip->q[0] | ip->q[1]) != 0;
}

size_t sl_pcap_packet(uint8_t out[SL_PCAP_HEADERS_MAX], uint64_t unix_ns, const struct sl_endpoint *from,
	const struct sl_endpoint *to, const uint8_t *payload, unsigned n, unsigned full)
{
	bool v6 = is_ip6(&from->ip) || is_ip6(&to->ip);
	unsigned ip_bytes = v6 ? IP6_BYTES : IP4_BYTES, head = ip_bytes + UDP_BYTES;
	uint8_t *ip = out + SL_PCAP_RECORD_BYTES, *udp = ip + ip_bytes;

	full = at_most(full, SNAP_BYTES - head);
	n = at_most(n, full);
	put_record(out, unix_ns, head + n, head + full);
	if (v6)
		put_ip6(ip, UDP_BYTES + full, &from->ip, &to->ip);
	else
		put_ip4(ip, head + full, &from->ip, &to->ip);
	memcpy(udp, &from->port_be, 2);
	memcpy(udp + 2, &to->port_be, 2);
	put16(udp + 4, UDP_BYTES + full);
	put16(udp + 6, 0);
	if (n < full) /* not all of it is there to be summed */
		return SL_PCAP_RECORD_BYTES + head;
	/* The addresses are summed as they lie in the IP header, before UDP. */
	unsigned addresses = v6 ? 32 : 8;
	uint16_t check = fold(sum(sum(UDP + UDP_BYTES + full, udp - addresses, addresses + UDP_BYTES), payload, n));
	put16(udp + 6, check ? check : 0xffff);
	return SL_PCAP_RECORD_BYTES + head;
}
