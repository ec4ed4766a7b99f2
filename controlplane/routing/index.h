/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* A snapshot's index: routes by tenant and prefix, trunks by source and TLS identity. Made with the snapshot, immutable but for the places
 * of live counts that sl_routing fills in. */

#include "controlplane/provision/provision.h"
#include "controlplane/routing/live.h"
#include "controlplane/routing/zone.h"

struct sl_route_group; /* routes of one tenant and prefix */

struct sl_route_index {
	const struct sl_prov_snapshot *snapshot;
	uint32_t *order;                 /* numbers of routes by tenant, prefix, priority, cost, name: a group is a range of it */
	struct sl_route_group *groups;   /* hash table by tenant and prefix */
	unsigned groups_mask;
	uint64_t *lengths;               /* of each tenant: which lengths of prefix it has, a bit each */
	const struct sl_zone **zones;    /* of each route; NULL = UTC */
	struct sl_route_source *sources; /* by length falling, then address */
	unsigned n_sources;
	uint32_t *identities;            /* trunks with a TLS identity, by it */
	unsigned n_identities;
	/* routing's, filled once it has seen the snapshot */
	const void *bound_to;
	struct sl_route_live **tenants, **trunks, **routes;
};

struct sl_route_index *sl_route_index_new(const struct sl_prov_snapshot *s); /* NULL: no memory */
void sl_route_index_free(void *index); /* NULL is fine */
const struct sl_prov_trunk *sl_route_index_source(const struct sl_route_index *x, const struct sl_ip *ip);
const struct sl_prov_trunk *sl_route_index_identity(const struct sl_route_index *x, const char *identity);

/* Groups whose prefix the number begins with, longest first. */
struct sl_route_walk {
	uint32_t hashes[40]; /* of the number's first 0, 1, ... characters */
	int len;             /* next length to look at; -1 = no more */
};
void sl_route_walk_begin(const struct sl_route_index *x, unsigned tenant, const char *number, struct sl_route_walk *w);
/* The next group: *n routes, whose numbers are returned; NULL = no more. */
const uint32_t *sl_route_walk_next(const struct sl_route_index *x, unsigned tenant, const char *number, struct sl_route_walk *w, unsigned *n);
