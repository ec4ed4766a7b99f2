/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/session/owner.h"

#include <string.h>

/* Positions of the hashed fields, as RSS lays them out: source, destination, source port, destination port. */
enum { V4_BYTES = 4, V6_BYTES = 16 };

/* The 32 key bits that begin at bit. */
static uint32_t key_window(const uint8_t *key, unsigned bit)
{
	uint64_t w = 0;

	for (unsigned i = 0; i < 5; i++)
		w = w << 8 | key[bit / 8 + i];
	return (uint32_t)(w >> (8 - bit % 8));
}

void sl_owner_init(struct sl_owner *o, const uint8_t key[SL_TOEPLITZ_KEY_BYTES], unsigned n_workers)
{
	memcpy(o->key, key, SL_TOEPLITZ_KEY_BYTES);
	o->n_workers = n_workers;
	for (unsigned i = 0; i < SL_OWNER_BUCKETS; i++)
		o->bucket[i] = (uint8_t)(i % n_workers);
	for (unsigned pos = 0; pos < 36; pos++) {
		for (unsigned value = 0; value < 256; value++) {
			uint32_t sum = 0;
			for (unsigned bit = 0; bit < 8; bit++) {
				if (value & (0x80u >> bit))
					sum ^= key_window(key, 8 * pos + bit);
			}
			o->part[pos][value] = sum;
		}
	}
}

static uint32_t hash_run(const struct sl_owner *o, unsigned pos, const void *bytes, unsigned n)
{
	const uint8_t *p = (const uint8_t *)bytes;
	uint32_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum ^= o->part[pos + i][p[i]];
	return sum;
}

uint32_t sl_owner_hash_addresses(const struct sl_owner *o, const struct sl_ip *src, const struct sl_ip *dst)
{
	if (sl_ip_is_v4(src) && sl_ip_is_v4(dst))
		return hash_run(o, 0, &src->d[3], V4_BYTES) ^ hash_run(o, V4_BYTES, &dst->d[3], V4_BYTES);
	return hash_run(o, 0, src->b, V6_BYTES) ^ hash_run(o, V6_BYTES, dst->b, V6_BYTES);
}

uint32_t sl_owner_hash(const struct sl_owner *o, const struct sl_endpoint *src, const struct sl_endpoint *dst)
{
	unsigned ports = 2 * (sl_ip_is_v4(&src->ip) && sl_ip_is_v4(&dst->ip) ? V4_BYTES : V6_BYTES);

	return sl_owner_hash_addresses(o, &src->ip, &dst->ip) ^ hash_run(o, ports, &src->port_be, 2) ^
		hash_run(o, ports + 2, &dst->port_be, 2);
}
