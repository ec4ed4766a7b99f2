/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/wire/siphash.h"

#include <endian.h>
#include <string.h>

static inline uint64_t rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

static inline void absorb(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

uint64_t sl_siphash(const struct sl_siphash_key *key, const void *data, size_t len)
{
	const uint8_t *p = (const uint8_t *)data;
	uint64_t v[4] = {
	        key->k0 ^ 0x736f6d6570736575,
	        key->k1 ^ 0x646f72616e646f6d,
	        key->k0 ^ 0x6c7967656e657261,
	        key->k1 ^ 0x7465646279746573,
	};
	uint64_t last = (uint64_t)len << 56;

	for (size_t n = len / 8; n > 0; n--, p += 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		absorb(v, le64toh(word));
	}
	for (unsigned i = 0; i < (len & 7); i++)
		last |= (uint64_t)p[i] << (8 * i);
	absorb(v, last);

	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
