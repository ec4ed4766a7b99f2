/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/stream/proxy.h"

enum {
	SIGNATURE = 12,
	VERSION = 2,
	LOCAL = 0, PROXY = 1,           /* commands */
	UNSPEC = 0, INET = 1, INET6 = 2, /* families */
	STREAM = 1,
	INET_BYTES = 12, INET6_BYTES = 36,
	TLV_HEADER = 3,
	TLV_CRC32C = 3,
};
static const uint8_t signature[SIGNATURE] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

static size_t be16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/* CRC-32C (RFC 3309) of the header, with the sum's own bytes as zero. Once a connection, and of at most 2 KB. */
static uint32_t crc32c(const uint8_t *p, size_t n, size_t zero_at)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < n; i++) {
		crc ^= i - zero_at < 4 ? 0 : p[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

/* 2.2.3: whoever understands the checksum must verify it. */
static bool check_tlvs(const uint8_t *p, size_t at, size_t total)
{
	while (at < total) {
		size_t len, value = at + TLV_HEADER;

		if (total - at < TLV_HEADER)
			return false;
		len = be16(p + at + 1);
		if (len > total - value)
			return false;
		if (p[at] == TLV_CRC32C &&
		        (len != 4 || crc32c(p, total, value) != ((uint32_t)be16(p + value) << 16 | (uint32_t)be16(p + value + 2))))
			return false;
		at = value + len;
	}
	return true;
}

static void addresses(const uint8_t *p, unsigned family, struct sl_proxy *out)
{
	uint32_t v4[2];

	out->has_addresses = true;
	if (family == INET) {
		memcpy(v4, p, sizeof v4);
		sl_ip_set_v4(&out->client.ip, v4[0]);
		sl_ip_set_v4(&out->server.ip, v4[1]);
		p += sizeof v4;
	} else {
		sl_ip_set_v6(&out->client.ip, p);
		sl_ip_set_v6(&out->server.ip, p + 16);
		p += 32;
	}
	memcpy(&out->client.port_be, p, 2);
	memcpy(&out->server.port_be, p + 2, 2);
}

enum sl_proxy_kind sl_proxy_parse(const uint8_t *p, size_t n, struct sl_proxy *out)
{
	unsigned command, family, protocol;
	size_t taken = 0;

	memset(out, 0, sizeof *out);
	for (size_t i = 0; i < n && i < SIGNATURE; i++) {
		if (p[i] != signature[i])
			return SL_PROXY_INVALID;
	}
	out->total = SL_PROXY_FIXED;
	if (n < SL_PROXY_FIXED)
		return SL_PROXY_INCOMPLETE;
	command = p[12] & 15;
	family = p[13] >> 4;
	protocol = p[13] & 15;
	out->total += be16(p + 14);
	if (p[12] >> 4 != VERSION || command > PROXY || out->total > SL_PROXY_MAX)
		return SL_PROXY_INVALID;
	if (n < out->total)
		return SL_PROXY_INCOMPLETE;
	if (command == PROXY && family != UNSPEC) {
		/* A UNIX socket's name, or a datagram's header, cannot be of a client of ours. */
		taken = family == INET ? INET_BYTES : INET6_BYTES;
		if (family > INET6 || protocol != STREAM || out->total < SL_PROXY_FIXED + taken)
			return SL_PROXY_INVALID;
		addresses(p + SL_PROXY_FIXED, family, out);
	} else if (family == INET || family == INET6) { /* LOCAL may have addresses, which do not count */
		taken = family == INET ? INET_BYTES : INET6_BYTES;
		if (out->total < SL_PROXY_FIXED + taken)
			taken = out->total - SL_PROXY_FIXED;
	} else {
		taken = out->total - SL_PROXY_FIXED; /* of no family that we know: nobody can say where its addresses end */
	}
	return check_tlvs(p, SL_PROXY_FIXED + taken, out->total) ? SL_PROXY_OK : SL_PROXY_INVALID;
}
