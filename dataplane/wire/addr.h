/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Addresses, in one form everywhere: 16 bytes in network order, IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2).
 * A port is kept as it stands on the wire (be16). */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>

struct sl_ip {
	union {
		uint8_t b[16];
		uint64_t q[2];
		uint32_t d[4];
	};
};

struct sl_endpoint {
	struct sl_ip ip;
	uint16_t port_be;
};

static inline bool sl_ip_is_v4(const struct sl_ip *ip)
{
	return ip->q[0] == 0 && ip->d[2] == htonl(0xffff);
}

static inline bool sl_ip_eq(const struct sl_ip *a, const struct sl_ip *b)
{
	return ((a->q[0] ^ b->q[0]) | (a->q[1] ^ b->q[1])) == 0;
}

static inline bool sl_endpoint_eq(const struct sl_endpoint *a, const struct sl_endpoint *b)
{
	return a->port_be == b->port_be && sl_ip_eq(&a->ip, &b->ip);
}

/* v4_be: the 32-bit IPv4 address as it stands on the wire. */
static inline void sl_ip_set_v4(struct sl_ip *ip, uint32_t v4_be)
{
	/* In one store: who reads it back as a word right away does not wait. */
	union {
		uint32_t d[2];
		uint64_t q;
	} low = {.d = {htonl(0xffff), v4_be}};
	ip->q[0] = 0;
	ip->q[1] = low.q;
}

static inline uint32_t sl_ip_v4_be(const struct sl_ip *ip)
{
	return ip->d[3];
}

static inline void sl_ip_set_v6(struct sl_ip *ip, const void *v6)
{
	memcpy(ip->b, v6, 16);
}

/* The address with bits beyond len (of the 16-byte form) cleared. */
static inline struct sl_ip sl_ip_masked(const struct sl_ip *ip, unsigned len)
{
	struct sl_ip m = *ip;
	for (unsigned i = 0; i < 4; i++) {
		unsigned from = 32 * i;
		if (len <= from)
			m.d[i] = 0;
		else if (len < from + 32)
			m.d[i] &= htonl(~0u << (from + 32 - len));
	}
	return m;
}

/* A prefix; len counts bits of the 16-byte form, so 10.0.0.0/8 has len 104. */
struct sl_prefix {
	struct sl_ip ip;
	uint8_t len;
};

/* Text forms. Each parser takes exactly the whole string and returns 0 or -EINVAL, leaving *out alone on error:
 * ip "192.0.2.1", "2001:db8::1"; endpoint "192.0.2.1:3478", "[2001:db8::1]:3478"; prefix "10.0.0.0/8", "::1/128",
 * or a bare address (host prefix); host bits set in a prefix are an error. "::/0" is all of IPv6, so in the 16-byte
 * form it holds IPv4 too; "0.0.0.0/0" is IPv4 alone. */
int sl_ip_parse(const char *text, struct sl_ip *out);
int sl_endpoint_parse(const char *text, struct sl_endpoint *out);
int sl_prefix_parse(const char *text, struct sl_prefix *out);

#define SL_ADDR_TEXT_MAX 64
/* Write the text form into buf (SL_ADDR_TEXT_MAX bytes) and return buf. IPv4-mapped is shown as IPv4. */
const char *sl_ip_text(const struct sl_ip *ip, char *buf);
const char *sl_endpoint_text(const struct sl_endpoint *ep, char *buf);
const char *sl_prefix_text(const struct sl_prefix *p, char *buf);

/* Is ip of the prefix's family and inside it? IPv4 prefixes are those of 96 bits and more within ::ffff:0:0/96. */
bool sl_prefix_contains(const struct sl_prefix *p, const struct sl_ip *ip);

/* Every IPv4 address that the IPv6 address ip could reach through a translator or tunnel on the way: mapped
 * (RFC 4291 2.5.5.2), compatible (2.5.5.1), 6to4 (RFC 3056), NAT64 64:ff9b::/96 (RFC 6052) and 64:ff9b:1::/48
 * (RFC 8215, at each place where RFC 6052 2.2 could have put it), translated (RFC 2765 2.1), Teredo (RFC 4380, server
 * and obfuscated client), ISATAP (RFC 5214).
 * Writes up to SL_IP_EMBEDDED_MAX addresses in IPv4 form to out and returns how many. A plain IPv4 address gives itself. */
#define SL_IP_EMBEDDED_MAX 4
unsigned sl_ip_embedded_v4(const struct sl_ip *ip, struct sl_ip out[SL_IP_EMBEDDED_MAX]);
