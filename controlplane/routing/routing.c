/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Life of the module; live counts, which outlive snapshots; what is known of trunks' targets. */

#include "controlplane/routing/internal.h"

#include "dataplane/abi/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

struct sl_routing *sl_routing_open(const struct sl_routing_options *o)
{
	struct sl_routing *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->prov = o->prov;
	r->asks = o->asks;
	r->events = o->events;
	if (getrandom(&r->prng.key, sizeof r->prng.key, 0) != (ssize_t)sizeof r->prng.key)
		sl_log(SL_LOG_WARNING, "routing: no random numbers; weights are drawn from a fixed sequence");
	return r;
}

void sl_routing_close(struct sl_routing *r)
{
	if (!r)
		return;
	sl_prov_unref(r->bound);
	free(r);
}

/* ---- live counts: a new snapshot's are those of the newest one before, name by name; both are sorted ---- */

static struct sl_route_live **inherit(const char *now, unsigned n, const char *before, unsigned n_before, struct sl_route_live **old, size_t size)
{
	struct sl_route_live **lives = calloc(n + 1, sizeof(struct sl_route_live *));

	for (unsigned i = 0, j = 0; lives && i < n; i++) {
		while (j < n_before && strcmp(before + j * size, now + i * size) < 0)
			j++;
		if (j < n_before && strcmp(before + j * size, now + i * size) == 0)
			lives[i] = sl_route_live_ref(old[j]);
		else if ((lives[i] = calloc(1, sizeof *lives[i])) != NULL)
			lives[i]->refs = 1;
	}
	return lives;
}

/* States of targets are of these targets, in this order. */
static void forget_targets(struct sl_routing *r, const struct sl_prov_snapshot *s, struct sl_route_index *x)
{
	for (unsigned i = 0; x->trunks && i < s->n_trunks; i++) {
		const struct sl_prov_trunk *t = &s->trunks[i];
		uint64_t hash = t->n_targets;

		for (unsigned j = 0; j < t->n_targets; j++)
			hash = hash * 31 + sl_siphash(&r->prng.key, t->targets[j].uri, strlen(t->targets[j].uri));
		if (x->trunks[i] && x->trunks[i]->targets_hash != hash) {
			x->trunks[i]->targets_hash = hash;
			x->trunks[i]->down = 0;
		}
	}
}

static struct sl_route_index *attach(struct sl_routing *r, const struct sl_prov_snapshot *s)
{
	static const struct sl_prov_snapshot nothing;
	static const struct sl_route_index no_index;
	const struct sl_prov_snapshot *before = r->bound ? r->bound : &nothing;
	const struct sl_route_index *old = r->bound ? r->bound->index : &no_index;
	struct sl_route_index *x = s->index;

	if (x->bound_to == r)
		return x;
	x->tenants = inherit((const char *)s->tenants, s->n_tenants, (const char *)before->tenants, before->n_tenants, old->tenants,
	        sizeof *s->tenants);
	x->trunks = inherit((const char *)s->trunks, s->n_trunks, (const char *)before->trunks, before->n_trunks, old->trunks, sizeof *s->trunks);
	x->routes = inherit((const char *)s->routes, s->n_routes, (const char *)before->routes, before->n_routes, old->routes, sizeof *s->routes);
	x->bound_to = r;
	if (!r->bound || r->bound->generation < s->generation) {
		forget_targets(r, s, x);
		sl_prov_ref(s);
		sl_prov_unref(r->bound);
		r->bound = s;
	}
	return x;
}

struct sl_route_live *sl_live_tenant(struct sl_routing *r, const struct sl_prov_snapshot *s, const struct sl_prov_tenant *t)
{
	struct sl_route_index *x = t ? attach(r, s) : NULL;

	if (t && (t < s->tenants || t >= s->tenants + s->n_tenants)) /* of another generation */
		t = sl_prov_tenant(s, t->name);
	return t && x->tenants ? x->tenants[t - s->tenants] : NULL;
}

struct sl_route_live *sl_live_trunk(struct sl_routing *r, const struct sl_prov_snapshot *s, const struct sl_prov_trunk *t)
{
	struct sl_route_index *x = t ? attach(r, s) : NULL;

	if (t && (t < s->trunks || t >= s->trunks + s->n_trunks)) /* of another generation */
		t = sl_prov_trunk(s, t->name);
	return t && x->trunks ? x->trunks[t - s->trunks] : NULL;
}

struct sl_route_live *sl_live_route(struct sl_routing *r, const struct sl_prov_snapshot *s, const struct sl_prov_route *route)
{
	struct sl_route_index *x = route ? attach(r, s) : NULL;

	return x && x->routes ? x->routes[route - s->routes] : NULL;
}

struct sl_route_live *sl_live_user(struct sl_prov_user *u)
{
	if (u && !u->runtime && (u->runtime = calloc(1, sizeof *u->runtime)) != NULL)
		u->runtime->refs = 1;
	return u ? u->runtime : NULL;
}

/* ---- trunks by name, as they are now ---- */

static int64_t now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static const struct sl_prov_trunk *now(const struct sl_routing *r, const char *name, struct sl_route_live **live)
{
	const struct sl_prov_snapshot *s = sl_prov_now(r->prov);
	const struct sl_prov_trunk *t = sl_prov_trunk(s, name);

	/* Looking attaches live counts: they are not what is looked at. */
	*live = t ? sl_live_trunk((struct sl_routing *)(uintptr_t)r, s, t) : NULL;
	return *live ? t : NULL;
}

void sl_route_target_state(struct sl_routing *r, const char *trunk, unsigned target, bool up, const char *why)
{
	struct sl_route_live *live;
	const struct sl_prov_trunk *t = now(r, trunk, &live);

	if (!t || target >= t->n_targets || !(live->down & 1u << target) == up)
		return;
	live->down ^= (uint8_t)(1u << target);
	sl_log(SL_LOG_INFO, "trunk %s: %s is %s: %s", trunk, t->targets[target].uri, up ? "up" : "down", why ? why : "");
	if (r->events)
		sl_call_event_publish(r->events, up ? SL_CE_TRUNK_UP : SL_CE_TRUNK_DOWN, t->tenant->name, NULL, NULL, "%s %s %s", trunk,
		        t->targets[target].uri, why ? why : "");
}

bool sl_route_target_is_up(const struct sl_routing *r, const char *trunk, unsigned target)
{
	struct sl_route_live *live;
	const struct sl_prov_trunk *t = now(r, trunk, &live);

	return t && target < t->n_targets && !(live->down & 1u << target);
}

void sl_route_trunk_registered(struct sl_routing *r, const char *trunk, bool yes, const char *why)
{
	struct sl_route_live *live;
	const struct sl_prov_trunk *t = now(r, trunk, &live);

	if (!t || live->registered == yes)
		return;
	live->registered = yes;
	sl_log(SL_LOG_INFO, "trunk %s: %s: %s", trunk, yes ? "registered" : "not registered", why ? why : "");
	if (r->events)
		sl_call_event_publish(r->events, yes ? SL_CE_TRUNK_REGISTERED : SL_CE_TRUNK_UNREGISTERED, t->tenant->name, NULL, NULL, "%s %s", trunk,
		        why ? why : "");
}

bool sl_route_trunk_is_up(struct sl_routing *r, const struct sl_prov_snapshot *s, const struct sl_prov_trunk *t)
{
	const struct sl_route_live *live = sl_live_trunk(r, s, t);
	unsigned all = (1u << t->n_targets) - 1;

	return !live || ((live->down & all) != all && (live->registered || !t->register_uri[0]));
}

void sl_route_trunk_view(const struct sl_routing *r, const char *trunk, struct sl_route_trunk_view *out)
{
	struct sl_route_live *live;
	const struct sl_prov_trunk *t = now(r, trunk, &live);

	*out = (struct sl_route_trunk_view){0};
	if (!t)
		return;
	out->concurrent = live->concurrent;
	out->cps = sl_route_last_second(live, now_s());
	out->registered = live->registered;
	out->registers = t->register_uri[0] != '\0';
	out->calls = live->calls;
	out->failed = live->failed;
}
