/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/session/cold.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <sys/random.h>

enum { RECORD_ALIGN = 64 };

static size_t align_up(size_t n)
{
	return (n + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);
}

static size_t allocs_offset(void)
{
	return align_up(sizeof(struct sl_cold));
}

static size_t peers_offset(uint32_t n_allocs)
{
	return align_up(allocs_offset() + n_allocs * sizeof(struct sl_cold_alloc));
}

/* Records of another build may look alike and mean something else: their sizes and places tell most changes. */
static uint32_t layout(void)
{
	return (uint32_t)(sizeof(struct sl_cold) * 31 + sizeof(struct sl_cold_alloc) * 1009 +
		sizeof(struct sl_cold_peer) * 7919 + offsetof(struct sl_cold_alloc, auth) * 65537);
}

size_t sl_cold_size(uint32_t n_allocs, uint32_t n_peers)
{
	return align_up(peers_offset(n_allocs) + n_peers * sizeof(struct sl_cold_peer));
}

static int fill_random(void *p, size_t n)
{
	/* Up to 256 bytes come whole or not at all. */
	ssize_t got = getrandom(p, n, 0);

	return got == (ssize_t)n ? 0 : got < 0 ? -errno : -EIO;
}

int sl_cold_create(void *mem, uint32_t n_allocs, uint32_t n_peers)
{
	struct sl_cold *c = (struct sl_cold *)mem;
	int rc = fill_random(&c->nonce_key, sizeof c->nonce_key);

	if (rc == 0)
		rc = fill_random(&c->user_key, sizeof c->user_key);
	if (rc == 0)
		rc = fill_random(c->toeplitz_key, sizeof c->toeplitz_key);
	if (rc == 0)
		rc = fill_random(c->hash_key, sizeof c->hash_key);
	if (rc != 0)
		return rc;
	c->version = SL_COLD_VERSION;
	c->layout = layout();
	c->n_allocs = n_allocs;
	c->n_peers = n_peers;
	c->size_bytes = sl_cold_size(n_allocs, n_peers);
	c->magic = SL_COLD_MAGIC;
	return 0;
}

int sl_cold_check(const struct sl_cold *c, size_t bytes, uint32_t n_allocs, uint32_t n_peers)
{
	bool fits = bytes >= sizeof *c && c->magic == SL_COLD_MAGIC && c->version == SL_COLD_VERSION &&
		c->layout == layout() && c->n_allocs == n_allocs && c->n_peers == n_peers &&
		c->size_bytes == sl_cold_size(n_allocs, n_peers) && bytes >= c->size_bytes;

	return fits ? 0 : -EPROTO;
}

struct sl_cold_view sl_cold_view(struct sl_cold *c, unsigned worker, unsigned n_workers)
{
	uint8_t *base = (uint8_t *)c;

	return (struct sl_cold_view){
		.allocs = (struct sl_cold_alloc *)(base + allocs_offset()) + (size_t)worker * (c->n_allocs / n_workers),
		.peers = (struct sl_cold_peer *)(base + peers_offset(c->n_allocs)) +
			(size_t)worker * (c->n_peers / n_workers),
	};
}

int sl_cold_prepare(struct sl_cold *c, unsigned n_workers)
{
	if (c->n_workers != 0 && c->n_workers != n_workers)
		return -EPROTO;
	c->n_workers = n_workers;
	return 0;
}

uint16_t sl_cold_local(struct sl_cold_locals *t, const struct sl_endpoint *local)
{
	if (t->n > SL_COLD_MAX_LOCALS) /* whoever died may have scribbled here */
		t->n = SL_COLD_MAX_LOCALS;
	for (uint32_t i = 0; i < t->n; i++) {
		if (sl_endpoint_eq(&t->at[i], local))
			return (uint16_t)i;
	}
	if (t->n == SL_COLD_MAX_LOCALS)
		return SL_COLD_NO_LOCAL;
	t->at[t->n] = *local;
	return (uint16_t)t->n++;
}

bool sl_cold_local_at(const struct sl_cold_locals *t, uint16_t number, struct sl_endpoint *out)
{
	if (number >= t->n || number >= SL_COLD_MAX_LOCALS)
		return false;
	*out = t->at[number];
	return true;
}
