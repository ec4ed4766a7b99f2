/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/routing/index.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PREFIX_MAX = sizeof(((struct sl_prov_route *)0)->prefix) - 1, V4_BITS = 96 };

struct sl_route_group {
	uint32_t hash;
	uint32_t first, n; /* of order; n 0 = an empty slot */
};

struct sl_route_source {
	struct sl_prefix prefix;
	uint32_t trunk;
	uint32_t after; /* of the first of a length: where the next length begins */
};

/* ---- routes by tenant and prefix: a hash table, asked once for each length that the tenant uses. Operators choose what is in it, so a
 * plain hash does (FNV-1a), made character by character along the number ---- */

static uint32_t hash_begin(unsigned tenant)
{
	return 2166136261u ^ (tenant * 2654435761u);
}

static uint32_t hash_add(uint32_t h, char c)
{
	return (h ^ (unsigned char)c) * 16777619u;
}

static uint32_t hash_end(uint32_t h) /* its low bits alone are weak */
{
	h ^= h >> 15;
	h *= 0x2c1b3c6du;
	return h ^ h >> 12;
}

static unsigned tenant_of(const struct sl_prov_snapshot *s, const struct sl_prov_route *r)
{
	return (unsigned)(r->tenant - s->tenants);
}

static int by_rank(const void *a, const void *b, void *snapshot)
{
	const struct sl_prov_snapshot *s = snapshot;
	const struct sl_prov_route *x = &s->routes[*(const uint32_t *)a], *y = &s->routes[*(const uint32_t *)b];
	int order;

	if (x->tenant != y->tenant)
		return x->tenant < y->tenant ? -1 : 1;
	if ((order = strcmp(x->prefix, y->prefix)) != 0)
		return order;
	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	if (x->cost_micro != y->cost_micro)
		return x->cost_micro < y->cost_micro ? -1 : 1;
	return strcmp(x->name, y->name);
}

static struct sl_route_group *slot(const struct sl_route_index *x, unsigned tenant, const char *prefix, size_t len, uint32_t hash)
{
	const struct sl_prov_snapshot *s = x->snapshot;

	for (unsigned i = hash & x->groups_mask;; i = (i + 1) & x->groups_mask) {
		struct sl_route_group *g = &x->groups[i];
		const struct sl_prov_route *r;

		if (g->n == 0)
			return g;
		if (g->hash != hash)
			continue;
		r = &s->routes[x->order[g->first]];
		if (tenant_of(s, r) == tenant && strncmp(r->prefix, prefix, len) == 0 && r->prefix[len] == '\0')
			return g;
	}
}

static int index_routes(struct sl_route_index *x)
{
	const struct sl_prov_snapshot *s = x->snapshot;
	unsigned size = 16;

	while (size < s->n_routes * 2)
		size *= 2;
	x->order = calloc(s->n_routes + 1, sizeof *x->order);
	x->groups = calloc(size, sizeof *x->groups);
	x->lengths = calloc(s->n_tenants + 1, sizeof *x->lengths);
	x->zones = calloc(s->n_routes + 1, sizeof(struct sl_zone *));
	if (!x->order || !x->groups || !x->lengths || !x->zones)
		return -1;
	x->groups_mask = size - 1;
	for (unsigned i = 0; i < s->n_routes; i++) {
		x->order[i] = i;
		x->zones[i] = s->routes[i].n_times ? sl_zone_get(s->routes[i].zone) : NULL;
	}
	qsort_r(x->order, s->n_routes, sizeof *x->order, by_rank, (void *)(uintptr_t)s);
	for (unsigned i = 0; i < s->n_routes; i++) {
		const struct sl_prov_route *r = &s->routes[x->order[i]];
		size_t len = strlen(r->prefix);
		uint32_t hash = hash_begin(tenant_of(s, r));

		for (size_t j = 0; j < len; j++)
			hash = hash_add(hash, r->prefix[j]);
		hash = hash_end(hash);
		struct sl_route_group *g = slot(x, tenant_of(s, r), r->prefix, len, hash);
		if (g->n == 0)
			*g = (struct sl_route_group){hash, i, 0};
		g->n++;
		x->lengths[tenant_of(s, r)] |= 1ull << len;
	}
	return 0;
}

void sl_route_walk_begin(const struct sl_route_index *x, unsigned tenant, const char *number, struct sl_route_walk *w)
{
	uint32_t hash = hash_begin(tenant);
	int n = 0;

	w->hashes[0] = hash;
	while (n < PREFIX_MAX && number[n]) {
		hash = hash_add(hash, number[n]);
		w->hashes[++n] = hash;
	}
	w->len = n;
}

const uint32_t *sl_route_walk_next(const struct sl_route_index *x, unsigned tenant, const char *number, struct sl_route_walk *w, unsigned *n)
{
	for (; w->len >= 0; w->len--) {
		if (!(x->lengths[tenant] & 1ull << w->len))
			continue;
		const struct sl_route_group *g = slot(x, tenant, number, (size_t)w->len, hash_end(w->hashes[w->len]));
		if (g->n) {
			w->len--;
			*n = g->n;
			return &x->order[g->first];
		}
	}
	return NULL;
}

/* ---- trunks by source: sorted by length falling, then address; one search for each length that is used ---- */

static int by_length(const void *a, const void *b)
{
	const struct sl_route_source *x = a, *y = b;

	if (x->prefix.len != y->prefix.len)
		return x->prefix.len > y->prefix.len ? -1 : 1;
	return memcmp(x->prefix.ip.b, y->prefix.ip.b, sizeof x->prefix.ip.b);
}

static int by_identity(const void *a, const void *b, void *snapshot)
{
	const struct sl_prov_snapshot *s = snapshot;

	return strcmp(s->trunks[*(const uint32_t *)a].tls_identity, s->trunks[*(const uint32_t *)b].tls_identity);
}

static int index_trunks(struct sl_route_index *x)
{
	const struct sl_prov_snapshot *s = x->snapshot;
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_trunks; i++)
		n += s->trunks[i].n_sources;
	x->sources = calloc(n + 1, sizeof *x->sources);
	x->identities = calloc(s->n_trunks + 1, sizeof *x->identities);
	if (!x->sources || !x->identities)
		return -1;
	for (unsigned i = 0; i < s->n_trunks; i++) {
		for (unsigned j = 0; j < s->trunks[i].n_sources; j++)
			x->sources[x->n_sources++] = (struct sl_route_source){.prefix = s->trunks[i].sources[j], .trunk = i};
		if (s->trunks[i].tls_identity[0])
			x->identities[x->n_identities++] = i;
	}
	qsort(x->sources, x->n_sources, sizeof *x->sources, by_length);
	for (unsigned i = 0, first = 0; i < x->n_sources; i++) {
		if (x->sources[i].prefix.len != x->sources[first].prefix.len)
			first = i;
		x->sources[first].after = i + 1;
	}
	qsort_r(x->identities, x->n_identities, sizeof *x->identities, by_identity, (void *)(uintptr_t)s);
	return 0;
}

const struct sl_prov_trunk *sl_route_index_source(const struct sl_route_index *x, const struct sl_ip *ip)
{
	for (unsigned first = 0, after; first < x->n_sources; first = after) {
		unsigned len = x->sources[first].prefix.len, low = first, high;
		struct sl_ip wanted = sl_ip_masked(ip, len);

		after = x->sources[first].after;
		if (sl_ip_is_v4(ip) && len < V4_BITS) /* ::/0 is of IPv6 alone */
			continue;
		high = after;
		while (low < high) {
			unsigned middle = low + (high - low) / 2;
			int order = memcmp(x->sources[middle].prefix.ip.b, wanted.b, sizeof wanted.b);

			if (order == 0)
				return &x->snapshot->trunks[x->sources[middle].trunk];
			if (order < 0)
				low = middle + 1;
			else
				high = middle;
		}
	}
	return NULL;
}

const struct sl_prov_trunk *sl_route_index_identity(const struct sl_route_index *x, const char *identity)
{
	unsigned low = 0, high = x->n_identities;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		const struct sl_prov_trunk *t = &x->snapshot->trunks[x->identities[middle]];
		int order = strcasecmp(t->tls_identity, identity);

		if (order == 0)
			return t;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* ---- */

struct sl_route_index *sl_route_index_new(const struct sl_prov_snapshot *s)
{
	struct sl_route_index *x = calloc(1, sizeof *x);

	if (!x)
		return NULL;
	x->snapshot = s;
	if (index_routes(x) == 0 && index_trunks(x) == 0)
		return x;
	sl_route_index_free(x);
	return NULL;
}

static void free_lives(struct sl_route_live **lives, unsigned n)
{
	for (unsigned i = 0; lives && i < n; i++)
		sl_route_live_unref(lives[i]);
	free(lives);
}

void sl_route_index_free(void *index)
{
	struct sl_route_index *x = index;

	if (!x)
		return;
	free_lives(x->tenants, x->snapshot->n_tenants);
	free_lives(x->trunks, x->snapshot->n_trunks);
	free_lives(x->routes, x->snapshot->n_routes);
	free(x->order);
	free(x->groups);
	free(x->lengths);
	free(x->zones);
	free(x->sources);
	free(x->identities);
	free(x);
}
