/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Limits: calls at a time, and calls begun in a second. A second is a sliding one: of the calls of the second before, that part counts
 * which the last 1,000 ms still cover. */

#include "controlplane/routing/internal.h"

#include <errno.h>
#include <stdio.h>

enum { SECOND_MS = 1000, PARTS = 4 };

struct part {
	struct sl_route_live *live;
	const struct sl_prov_limits *limits;
	const char *kind, *name;
};

static void turn(struct sl_route_live *l, int64_t now_ms)
{
	int64_t second = now_ms / SECOND_MS;

	if (second == l->second)
		return;
	l->begun_before = second == l->second + 1 ? l->begun : 0;
	l->begun = 0;
	l->second = second;
}

static bool is_full(const struct sl_route_live *l, const struct sl_prov_limits *limits, int64_t now_ms)
{
	uint64_t before = (uint64_t)l->begun_before * (uint64_t)(SECOND_MS - now_ms % SECOND_MS) / SECOND_MS;

	return (limits->concurrent && l->concurrent >= limits->concurrent) || (limits->cps && before + l->begun >= limits->cps);
}

static unsigned parts(struct sl_routing *r, const struct sl_route_use *u, struct part out[PARTS])
{
	const struct part all[PARTS] = {
	        {sl_live_tenant(r, u->snapshot, u->tenant), u->tenant ? &u->tenant->limits : NULL, "tenant", u->tenant ? u->tenant->name : ""},
	        {sl_live_trunk(r, u->snapshot, u->trunk), u->trunk ? &u->trunk->limits : NULL, "trunk", u->trunk ? u->trunk->name : ""},
	        {sl_live_user(u->user), u->user ? &u->user->limits : NULL, "user", u->user ? u->user->name : ""},
	        {sl_live_route(r, u->snapshot, u->route), u->route ? &u->route->limits : NULL, "route", u->route ? u->route->name : ""},
	};
	unsigned n = 0;

	for (unsigned i = 0; i < PARTS; i++) {
		if (all[i].live)
			out[n++] = all[i];
	}
	return n;
}

int sl_route_use_begin(struct sl_routing *r, struct sl_route_use *u, bool emergency, int64_t now_ms, const struct sl_prov_limits **hit,
        const char **whose)
{
	struct part p[PARTS];
	unsigned n = parts(r, u, p);

	for (unsigned i = 0; i < n; i++) {
		turn(p[i].live, now_ms);
		if (emergency || !is_full(p[i].live, p[i].limits, now_ms))
			continue;
		snprintf(r->whose, sizeof r->whose, "%s %s", p[i].kind, p[i].name);
		if (hit)
			*hit = p[i].limits;
		if (whose)
			*whose = r->whose;
		return -EBUSY;
	}
	for (unsigned i = 0; i < n; i++) {
		p[i].live->concurrent++;
		p[i].live->begun++;
		p[i].live->calls++;
	}
	sl_prov_ref(u->snapshot);
	sl_prov_user_ref(u->user);
	u->counted = true;
	return 0;
}

void sl_route_use_end(struct sl_routing *r, struct sl_route_use *u)
{
	struct part p[PARTS];

	if (!u->counted)
		return;
	for (unsigned i = 0, n = parts(r, u, p); i < n; i++)
		p[i].live->concurrent -= p[i].live->concurrent > 0;
	u->counted = false;
	sl_prov_user_unref(u->user);
	sl_prov_unref(u->snapshot);
}

void sl_route_use_failed(struct sl_routing *r, const struct sl_route_use *u)
{
	struct sl_route_live *live = u->snapshot ? sl_live_trunk(r, u->snapshot, u->trunk) : NULL;

	if (live)
		live->failed++;
}
