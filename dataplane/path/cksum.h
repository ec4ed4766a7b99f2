/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* One's complement sums (RFC 1071) in 64-bit accumulators of words as they lie in memory, so that sums can be updated
 * instead of made anew (RFC 1624). Subtracting a word is adding its complement: 2^32 - 1 is 0 modulo 2^16 - 1. An
 * IPv4-mapped address sums to the same as the IPv4 address alone, since ffff counts as zero. */

#include <stdint.h>
#include <string.h>

#include "dataplane/wire/addr.h"

static inline uint64_t sl_sum_ip(const struct sl_ip *ip)
{
	return (uint64_t)ip->d[0] + ip->d[1] + ip->d[2] + ip->d[3];
}

static inline uint64_t sl_sub32(uint32_t word)
{
	return (uint32_t)~word;
}

static inline uint64_t sl_sub16(uint16_t word)
{
	return (uint16_t)~word;
}

static inline uint64_t sl_unsum_ip(const struct sl_ip *ip)
{
	return sl_sub32(ip->d[0]) + sl_sub32(ip->d[1]) + sl_sub32(ip->d[2]) + sl_sub32(ip->d[3]);
}

/* Fold to 16 bits, not complemented. */
static inline uint16_t sl_sum_fold(uint64_t acc)
{
	acc = (acc & 0xffffffff) + (acc >> 32);
	acc = (acc & 0xffffffff) + (acc >> 32);
	acc = (acc & 0xffff) + (acc >> 16);
	acc = (acc & 0xffff) + (acc >> 16);
	return (uint16_t)acc;
}

/* Sum of len bytes that begin at an even offset of the summed data. */
static inline uint64_t sl_sum_bytes(const uint8_t *p, unsigned len)
{
	uint64_t acc = 0;
	for (; len >= 4; p += 4, len -= 4) {
		uint32_t v;
		memcpy(&v, p, 4);
		acc += v;
	}
	if (len) {
		uint8_t tail[4] = {0};
		memcpy(tail, p, len);
		uint32_t v;
		memcpy(&v, tail, 4);
		acc += v;
	}
	return acc;
}

/* The same for bytes that begin at offset off of the summed data: at an odd one the bytes of a word change places. */
static inline uint64_t sl_sum_bytes_at(const uint8_t *p, unsigned len, unsigned off)
{
	uint16_t s = sl_sum_fold(sl_sum_bytes(p, len));
	return off & 1 ? __builtin_bswap16(s) : s;
}

/* A UDP checksum as it goes on the wire: zero is written as ffff (RFC 768, RFC 8200 8.1). */
static inline uint16_t sl_udp_cksum(uint64_t acc)
{
	uint16_t c = (uint16_t)~sl_sum_fold(acc);
	return c ? c : 0xffff;
}

static inline uint16_t sl_ip_cksum(const void *header, unsigned len)
{
	return (uint16_t)~sl_sum_fold(sl_sum_bytes(header, len));
}
