/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/session/known.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/wire/siphash.h"

static void *plain_zalloc(const char *what, size_t bytes)
{
	(void)what;
	return calloc(1, bytes);
}

int sl_known_init(struct sl_known *k, unsigned n_workers, uint32_t n, const struct sl_hash_key *key,
        void *(*zalloc)(const char *what, size_t bytes))
{
	uint32_t buckets = 1;

	while (buckets < UINT32_MAX / 2 && (uint64_t)buckets * SL_KNOWN_BUCKET_SLOTS < 2 * (uint64_t)n)
		buckets *= 2;
	k->n_workers = n_workers;
	k->mask = buckets - 1;
	k->key = *key;
	k->slots = (zalloc ? zalloc : plain_zalloc)("known flows",
	        (size_t)n_workers * buckets * SL_KNOWN_BUCKET_SLOTS * sizeof *k->slots);
	return k->slots ? 0 : -ENOMEM;
}

static uint64_t keyed(const struct sl_known *k, const void *data, size_t len)
{
	struct sl_siphash_key key;

	memcpy(&key, k->key.b, sizeof key);
	return sl_siphash(&key, data, len);
}

uint64_t sl_known_hash_client(const struct sl_known *k, const struct sl_flow *f)
{
	return keyed(k, f, sizeof *f);
}

uint64_t sl_known_hash_peer(const struct sl_known *k, const struct sl_ip *peer, unsigned relay,
        uint16_t relay_port_be)
{
	struct {
		struct sl_ip ip;
		uint32_t relay;
		uint16_t port_be, pad;
	} of = {*peer, relay, relay_port_be, 0xffff}; /* pad: unlike any client's transport */

	return keyed(k, &of, sizeof of);
}

static _Atomic uint16_t *bucket_of(const struct sl_known *k, unsigned w, uint64_t hash)
{
	size_t bucket = (size_t)w * ((size_t)k->mask + 1) + ((uint32_t)hash & k->mask);

	return &k->slots[bucket * SL_KNOWN_BUCKET_SLOTS];
}

static uint16_t fingerprint(uint64_t hash)
{
	uint16_t f = (uint16_t)(hash >> 32);

	return f ? f : 1;
}

/* Change the first slot of the bucket that holds from. */
static void replace(struct sl_known *k, unsigned w, uint64_t hash, uint16_t from, uint16_t to)
{
	_Atomic uint16_t *slot = bucket_of(k, w, hash);

	for (int i = 0; i < SL_KNOWN_BUCKET_SLOTS; i++) {
		if (atomic_load_explicit(&slot[i], memory_order_relaxed) == from) {
			atomic_store_explicit(&slot[i], to, memory_order_relaxed);
			return;
		}
	}
}

void sl_known_add(struct sl_known *k, unsigned w, uint64_t hash)
{
	replace(k, w, hash, 0, fingerprint(hash));
}

void sl_known_remove(struct sl_known *k, unsigned w, uint64_t hash)
{
	replace(k, w, hash, fingerprint(hash), 0);
}

bool sl_known_has(const struct sl_known *k, unsigned w, uint64_t hash)
{
	const _Atomic uint16_t *slot = bucket_of(k, w, hash);
	uint16_t want = fingerprint(hash);
	unsigned hits = 0;

	for (int i = 0; i < SL_KNOWN_BUCKET_SLOTS; i++)
		hits |= atomic_load_explicit(&slot[i], memory_order_relaxed) == want;
	return hits != 0;
}
