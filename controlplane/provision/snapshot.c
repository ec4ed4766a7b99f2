/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Snapshots: copies of the compiled tenants, domains, trunks and routes, joined by pointers; lists and regular expressions stay those of
 * the resources, which the snapshot holds. */

#include "controlplane/provision/internal.h"
#include "controlplane/routing/index.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct held_snapshot {
	struct sl_prov_snapshot s;
	size_t n_held;
	struct sl_resource *held[];
};

const struct sl_prov_snapshot *sl_prov_ref(const struct sl_prov_snapshot *s)
{
	if (s)
		((struct sl_prov_snapshot *)(uintptr_t)s)->refs++;
	return s;
}

void sl_prov_unref(const struct sl_prov_snapshot *s)
{
	struct held_snapshot *h = (struct held_snapshot *)(uintptr_t)s;

	if (!h || --h->s.refs)
		return;
	sl_route_index_free(h->s.index);
	for (size_t i = 0; i < h->n_held; i++)
		sl_resource_unref(h->held[i]);
	free(h->s.tenants);
	free(h->s.domains);
	free(h->s.trunks);
	free(h->s.routes);
	free(h);
}

static void copy_tenants(struct sl_prov_snapshot *s, const struct sl_resource_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		s->tenants[s->n_tenants++] = *(const struct sl_prov_tenant *)l->v[i]->raw;
}

static void copy_domains(struct sl_prov_snapshot *s, const struct sl_resource_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct sl_res_domain *r = l->v[i]->raw;
		struct sl_prov_domain *d = &s->domains[s->n_domains++];

		*d = r->d;
		d->tenant = sl_prov_tenant(s, r->tenant);
	}
}

static void copy_trunks(struct sl_prov_snapshot *s, const struct sl_resource_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct sl_res_trunk *r = l->v[i]->raw;
		struct sl_prov_trunk *t = &s->trunks[s->n_trunks++];

		*t = r->t;
		t->tenant = sl_prov_tenant(s, r->tenant);
	}
}

static void copy_routes(struct sl_prov_snapshot *s, const struct sl_resource_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct sl_res_route *r = l->v[i]->raw;
		struct sl_prov_route *route = &s->routes[s->n_routes++];

		*route = r->r;
		route->tenant = sl_prov_tenant(s, r->tenant);
		route->n_trunks = r->n_trunks;
		for (unsigned j = 0; j < r->n_trunks; j++)
			route->trunks[j] = sl_prov_trunk(s, r->trunks[j]);
	}
}

struct sl_prov_snapshot *sl_snapshot_new(const struct sl_resource_set *set, uint64_t generation)
{
	static const uint8_t kinds[] = {SL_PROV_TENANT, SL_PROV_DOMAIN, SL_PROV_TRUNK, SL_PROV_ROUTE};
	size_t n = 0;

	for (unsigned k = 0; k < sizeof kinds; k++)
		n += set->kinds[kinds[k]].n;
	struct held_snapshot *h = calloc(1, sizeof *h + n * sizeof h->held[0]);
	if (!h)
		return NULL;
	h->s.refs = 1;
	h->s.generation = generation;
	h->s.tenants = calloc(set->kinds[SL_PROV_TENANT].n + 1, sizeof *h->s.tenants);
	h->s.domains = calloc(set->kinds[SL_PROV_DOMAIN].n + 1, sizeof *h->s.domains);
	h->s.trunks = calloc(set->kinds[SL_PROV_TRUNK].n + 1, sizeof *h->s.trunks);
	h->s.routes = calloc(set->kinds[SL_PROV_ROUTE].n + 1, sizeof *h->s.routes);
	if (!h->s.tenants || !h->s.domains || !h->s.trunks || !h->s.routes)
		goto err;
	copy_tenants(&h->s, &set->kinds[SL_PROV_TENANT]);
	copy_domains(&h->s, &set->kinds[SL_PROV_DOMAIN]);
	copy_trunks(&h->s, &set->kinds[SL_PROV_TRUNK]);
	copy_routes(&h->s, &set->kinds[SL_PROV_ROUTE]);
	for (unsigned k = 0; k < sizeof kinds; k++) {
		for (size_t i = 0; i < set->kinds[kinds[k]].n; i++)
			h->held[h->n_held++] = sl_resource_ref(set->kinds[kinds[k]].v[i]);
	}
	if ((h->s.index = sl_route_index_new(&h->s)) == NULL)
		goto err;
	return &h->s;
err:
	sl_prov_unref(&h->s);
	return NULL;
}

/* ---- looking: arrays sorted by name, which is each element's first member ---- */

static const void *find(const void *array, unsigned n, size_t size, const char *name)
{
	unsigned low = 0, high = n;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		const void *element = (const char *)array + middle * size;
		int order = strcmp(element, name);

		if (order == 0)
			return element;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

_Static_assert(offsetof(struct sl_prov_tenant, name) == 0 && offsetof(struct sl_prov_domain, name) == 0 &&
                       offsetof(struct sl_prov_trunk, name) == 0 && offsetof(struct sl_prov_route, name) == 0,
        "find() compares names there");

const struct sl_prov_tenant *sl_prov_tenant(const struct sl_prov_snapshot *s, const char *name)
{
	return find(s->tenants, s->n_tenants, sizeof *s->tenants, name);
}

const struct sl_prov_domain *sl_prov_domain(const struct sl_prov_snapshot *s, const char *name, size_t len)
{
	char lower[SL_PROV_NAME_MAX + 1];

	if (len == 0 || len > SL_PROV_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < len; i++)
		lower[i] = (char)tolower((unsigned char)name[i]);
	lower[len] = '\0';
	return find(s->domains, s->n_domains, sizeof *s->domains, lower);
}

const struct sl_prov_trunk *sl_prov_trunk(const struct sl_prov_snapshot *s, const char *name)
{
	return find(s->trunks, s->n_trunks, sizeof *s->trunks, name);
}

const struct sl_prov_trunk *sl_prov_trunk_of(const struct sl_prov_snapshot *s, const struct sl_endpoint *from, const char *tls_identity)
{
	const struct sl_prov_trunk *t = tls_identity && tls_identity[0] ? sl_route_index_identity(s->index, tls_identity) : NULL;

	return t || !from ? t : sl_route_index_source(s->index, &from->ip);
}
