/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* One decision, in the order of provision/README.md, "routes". */

#include "controlplane/routing/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FITTING_MAX = 64,          /* routes of one prefix that are ranked; more are counted in the record */
	CONSIDERED_ROOM = 2 * 1024, /* of the record, which is kept with the call */
	CHOSEN_ROOM = 24 * 1024,
};

/* What is being decided. */
struct deciding {
	struct sl_routing *r;
	const struct sl_route_query *q;
	struct sl_route_decision *out;
	const struct sl_prov_tenant *tenant; /* the snapshot's own */
	const char *home;                    /* domain whose users are looked for; "" = none */
	char called[SL_ROUTE_NUMBER_MAX], caller[SL_ROUTE_NUMBER_MAX];
	char key[SL_ROUTE_NUMBER_MAX];       /* what routes are looked up by */
	bool down[SL_ROUTE_CANDIDATES];
	bool forbidden, no_entry;            /* something was left out because of the user's rules; because it may not leave */
	struct sl_route_record w;
};

static void note(struct deciding *d, const struct sl_prov_route *route, const char *trunk, const char *why)
{
	if (!sl_route_record_element(&d->w))
		return;
	if (route)
		sl_route_record_text(&d->w, "route", route->name);
	sl_route_record_text(&d->w, "trunk", trunk);
	sl_route_record_text(&d->w, "rejected", why);
	sl_route_record_element_end(&d->w);
}

static void refuse(struct deciding *d, unsigned status, const char *reason)
{
	d->out->status = (uint16_t)status;
	snprintf(d->out->reason, sizeof d->out->reason, "%s", *reason ? reason : "Rejected");
}

/* ---- what was asked ---- */

static void look_at_query(struct deciding *d)
{
	const struct sl_route_query *q = d->q;
	const struct sl_prov_domain *domain = q->domain[0] ? sl_prov_domain(q->snapshot, q->domain, strlen(q->domain)) : NULL;

	memcpy(d->called, q->called, sizeof d->called);
	memcpy(d->caller, q->caller, sizeof d->caller);
	memcpy(d->key, q->rn[0] ? q->rn : q->called, sizeof d->key);
	sl_route_bare_number(d->called);
	sl_route_bare_number(d->caller);
	sl_route_bare_number(d->key);
	if (q->from_trunk) {
		const struct sl_prov_trunk *t = q->from_trunk;

		sl_route_rewrite(t->rewrite_in, t->n_rewrite_in, d->called);
		sl_route_rewrite(t->rewrite_in, t->n_rewrite_in, d->caller);
		sl_route_rewrite(t->rewrite_in, t->n_rewrite_in, d->key);
	}
	if (domain)
		d->home = domain->tenant == d->tenant ? domain->name : "";
	else if (q->from_trunk)
		d->home = q->from_trunk->default_domain;
	else
		d->home = q->from_user && !q->domain[0] ? q->from_user->domain : "";
	/* A user's 112 with a routing number of elsewhere goes there: that is no emergency. */
	for (unsigned i = 0; i < d->tenant->n_emergency; i++)
		d->out->emergency |= sl_begins(d->called, d->tenant->emergency[i]) && (!q->from_user || sl_begins(d->key, d->tenant->emergency[i]));
}

static struct sl_prov_user *local_user(const struct deciding *d, const char *called)
{
	struct sl_prov_user *u = NULL;

	if (d->home[0])
		u = sl_prov_user(d->r->prov, called, strlen(called), d->home, strlen(d->home));
	if (!u)
		u = sl_prov_user_by_number(d->r->prov, d->tenant->name, called);
	return u && strcmp(u->tenant, d->tenant->name) == 0 ? u : NULL;
}

/* ---- the order among those that fit ---- */

static bool are_equal(const struct sl_prov_route *a, const struct sl_prov_route *b)
{
	return a->priority == b->priority && a->cost_micro == b->cost_micro;
}

/* Draw the next of n by weight (RFC 2782's way): those without weight have the least chance. Without dice the heaviest comes first. */
static unsigned draw(struct deciding *d, const struct sl_prov_route *const *routes, unsigned n)
{
	uint64_t sum = 0, best = 0;

	if (d->q->dry) {
		for (unsigned i = 1; i < n; i++)
			best = routes[i]->weight > routes[best]->weight ? i : best;
		return (unsigned)best;
	}
	for (unsigned i = 0; i < n; i++)
		sum += routes[i]->weight;
	uint64_t at = sum ? sl_prng_next(&d->r->prng) % sum : 0;
	for (unsigned i = 0; i < n; i++) {
		if (at < routes[i]->weight)
			return i;
		at -= routes[i]->weight;
	}
	return 0; /* all weigh nothing */
}

/* routes are sorted by priority and cost already. */
static void shuffle(struct deciding *d, const struct sl_prov_route **routes, unsigned n)
{
	for (unsigned first = 0, end; first < n; first = end) {
		for (end = first + 1; end < n && are_equal(routes[first], routes[end]); end++)
			;
		for (unsigned i = first; i + 1 < end; i++) {
			unsigned drawn = i + draw(d, &routes[i], end - i);
			const struct sl_prov_route *route = routes[drawn];

			memmove(&routes[i + 1], &routes[i], (drawn - i) * sizeof(const struct sl_prov_route *));
			routes[i] = route;
		}
	}
}

/* Those of the longest prefix that has any; only is a kind of route, or -1. */
static unsigned find_routes(struct deciding *d, int only, const struct sl_prov_route *fitting[FITTING_MAX])
{
	const struct sl_prov_snapshot *s = d->q->snapshot;
	unsigned tenant = (unsigned)(d->tenant - s->tenants), n, found = 0;
	struct sl_route_walk w;
	const uint32_t *group;

	sl_route_walk_begin(s->index, tenant, d->key, &w);
	while (!found && (group = sl_route_walk_next(s->index, tenant, d->key, &w, &n)) != NULL) {
		for (unsigned i = 0; i < n; i++) {
			const struct sl_prov_route *route = &s->routes[group[i]];
			const char *why;

			if (only >= 0 && (int)route->to != only)
				continue;
			if ((why = sl_route_misfit(d->q, d->key, d->caller, route)) == NULL && found < FITTING_MAX)
				fitting[found++] = route;
			else if (only < 0)
				note(d, route, NULL, why ? why : "too many of this prefix");
		}
	}
	shuffle(d, fitting, found);
	return found;
}

/* ---- candidates ---- */

/* Where may this user's calls go? What is denied is denied in any form it has on its way; what is allowed is said of the number as routes
 * make it, and of a routing number: carriers go by that. */
static bool user_may_call(const struct deciding *d, const char *normal, const char *sent)
{
	const struct sl_prov_user *u = d->q->from_user;
	bool allowed = !u || u->n_allow == 0;

	if (!u || d->out->emergency)
		return true;
	for (unsigned i = 0; i < u->n_deny; i++) {
		if (sl_route_begins(d->called, u->deny[i]) || sl_route_begins(d->key, u->deny[i]) || sl_route_begins(normal, u->deny[i]) ||
		        sl_route_begins(sent, u->deny[i]))
			return false;
	}
	for (unsigned i = 0; i < u->n_allow; i++)
		allowed |= sl_begins(normal, u->allow[i]) && (!d->q->rn[0] || sl_begins(d->key, u->allow[i]));
	return allowed;
}

static struct sl_route_candidate *add(struct deciding *d, const struct sl_prov_route *route, const char *called)
{
	struct sl_route_candidate *c;

	if (d->out->n == SL_ROUTE_CANDIDATES)
		return NULL;
	c = &d->out->candidates[d->out->n];
	c->route = route;
	c->trunk = NULL;
	c->user = NULL;
	memcpy(c->called, called, sizeof c->called);
	memcpy(c->caller, d->caller, sizeof c->caller);
	return c;
}

static bool is_there(const struct deciding *d, const struct sl_route_candidate *c)
{
	for (unsigned i = 0; i < d->out->n; i++) {
		if (d->out->candidates[i].trunk == c->trunk && strcmp(d->out->candidates[i].called, c->called) == 0)
			return true;
	}
	return false;
}

static void try_trunk(struct deciding *d, const struct sl_prov_route *route, const struct sl_prov_trunk *t, const char *called)
{
	struct sl_route_candidate *c;
	const char *why = NULL;

	if (d->q->from_trunk && strcmp(d->q->from_trunk->name, t->name) == 0)
		why = "the call came from it";
	else if (!d->q->may_leave)
		why = "not authenticated";
	if (why || (c = add(d, route, called)) == NULL) {
		d->no_entry |= why && !d->q->may_leave;
		note(d, route, t->name, why ? why : "too many candidates");
		return;
	}
	c->trunk = t;
	sl_route_rewrite(t->rewrite_out, t->n_rewrite_out, c->called);
	sl_route_rewrite(t->rewrite_out, t->n_rewrite_out, c->caller);
	if (!user_may_call(d, called, c->called)) {
		d->forbidden = true;
		note(d, route, t->name, "the user's rules");
	} else if (is_there(d, c)) {
		note(d, route, t->name, "chosen already");
	} else {
		d->down[d->out->n++] = !sl_route_trunk_is_up(d->r, d->q->snapshot, t);
	}
}

static void try_local(struct deciding *d, const struct sl_prov_route *route, const char *called)
{
	struct sl_prov_user *u = local_user(d, called);
	struct sl_route_candidate *c = u && u->enabled ? add(d, route, called) : NULL;

	if (!c) {
		note(d, route, NULL, !u ? "no such user" : u->enabled ? "too many candidates" : "the user is disabled");
		return;
	}
	c->user = u;
	d->down[d->out->n++] = false;
}

/* False: a reject; nothing behind it is looked at. */
static bool try_route(struct deciding *d, const struct sl_prov_route *route)
{
	char called[SL_ROUTE_NUMBER_MAX];

	memcpy(called, d->called, sizeof called);
	sl_route_rewrite(route->rewrites, route->n_rewrites, called);
	if (route->to == SL_ROUTE_REJECT) {
		note(d, route, NULL, "it rejects");
		if (d->out->n == 0)
			refuse(d, route->reject_status, route->reject_reason);
		return false;
	}
	if (route->to == SL_ROUTE_LOCAL) {
		try_local(d, route, called);
		return true;
	}
	for (unsigned i = 0; i < route->n_trunks; i++)
		try_trunk(d, route, route->trunks[i], called);
	return true;
}

/* What is down is left out, unless all are. */
static void leave_out_down(struct deciding *d)
{
	struct sl_route_decision *o = d->out;
	unsigned up = 0, kept = 0;

	for (unsigned i = 0; i < o->n; i++)
		up += !d->down[i];
	for (unsigned i = 0; i < o->n && up > 0 && up < o->n; i++) {
		if (d->down[i])
			note(d, o->candidates[i].route, o->candidates[i].trunk->name, "down");
		else if (kept++ != i)
			o->candidates[kept - 1] = o->candidates[i];
	}
	o->n = kept ? kept : o->n;
}

/* ---- the whole ---- */

static void decide_by_routes(struct deciding *d)
{
	const struct sl_prov_route *fitting[FITTING_MAX];
	unsigned n = find_routes(d, -1, fitting);

	for (unsigned i = 0; i < n && try_route(d, fitting[i]); i++)
		;
	leave_out_down(d);
	if (d->out->n || d->out->status)
		return;
	if (d->forbidden)
		refuse(d, 403, "Destination Not Allowed");
	else if (d->no_entry)
		refuse(d, 403, "Forbidden");
	else
		refuse(d, 404, n ? "Not Found" : "No Route");
}

static void decide(struct deciding *d)
{
	const struct sl_prov_route *fitting[FITTING_MAX];
	struct sl_prov_user *u = local_user(d, d->called);
	struct sl_route_candidate *c;

	if (!u) {
		decide_by_routes(d);
		return;
	}
	if (find_routes(d, SL_ROUTE_REJECT, fitting)) {
		note(d, fitting[0], NULL, "it rejects");
		refuse(d, fitting[0]->reject_status, fitting[0]->reject_reason);
	} else if (!u->enabled) {
		note(d, NULL, NULL, "the user is disabled");
		refuse(d, 404, "Not Found");
	} else if ((c = add(d, NULL, d->called)) != NULL) {
		c->user = u;
		d->out->n++;
	}
}

static void write_head(struct deciding *d)
{
	const struct sl_route_query *q = d->q;
	char user[2 * SL_PROV_NAME_MAX + 2];

	sl_route_record_begin(d->r, &d->w);
	sl_route_record_text(&d->w, "tenant", q->tenant ? q->tenant->name : "");
	sl_route_record_text(&d->w, "called", q->called);
	sl_route_record_text(&d->w, "caller", q->caller);
	sl_route_record_text(&d->w, "domain", q->domain);
	sl_route_record_text(&d->w, "rn", q->rn);
	if (q->from_user) {
		snprintf(user, sizeof user, "%s@%s", q->from_user->name, q->from_user->domain);
		sl_route_record_text(&d->w, "from_user", user);
	}
	sl_route_record_text(&d->w, "from_trunk", q->from_trunk ? q->from_trunk->name : "");
	sl_route_record_number(&d->w, "generation", (unsigned)q->snapshot->generation);
	sl_route_record_list(&d->w, "considered", CONSIDERED_ROOM);
}

static void write_tail(struct deciding *d)
{
	char user[2 * SL_PROV_NAME_MAX + 2];

	sl_route_record_list_end(&d->w);
	sl_route_record_text(&d->w, "lookup", d->key);
	sl_route_record_text(&d->w, "emergency", d->out->emergency ? "yes" : "");
	sl_route_record_list(&d->w, "chosen", CHOSEN_ROOM);
	for (unsigned i = 0; i < d->out->n && sl_route_record_element(&d->w); i++) {
		const struct sl_route_candidate *c = &d->out->candidates[i];

		sl_route_record_text(&d->w, "route", c->route ? c->route->name : "");
		sl_route_record_text(&d->w, "trunk", c->trunk ? c->trunk->name : "");
		if (c->user) {
			snprintf(user, sizeof user, "%s@%s", c->user->name, c->user->domain);
			sl_route_record_text(&d->w, "user", user);
		}
		sl_route_record_text(&d->w, "called", c->called);
		if (strcmp(c->caller, d->q->caller) != 0)
			sl_route_record_text(&d->w, "caller", c->caller);
		sl_route_record_element_end(&d->w);
	}
	sl_route_record_list_end(&d->w);
	if (d->out->n == 0) {
		sl_route_record_number(&d->w, "status", d->out->status);
		sl_route_record_text(&d->w, "reason", d->out->reason);
	}
	d->out->record = sl_route_record_end(d->r, &d->w);
}

void sl_route_decide(struct sl_routing *r, const struct sl_route_query *q, struct sl_route_decision *out)
{
	struct deciding d = {.r = r, .q = q, .out = out, .home = ""};

	out->n = 0;
	out->status = out->retry_after_s = 0;
	out->reason[0] = '\0';
	out->emergency = false;
	write_head(&d);
	d.tenant = q->tenant ? sl_prov_tenant(q->snapshot, q->tenant->name) : NULL;
	if (d.tenant) {
		look_at_query(&d);
		decide(&d);
	} else {
		refuse(&d, 404, "Not Found");
	}
	write_tail(&d);
}

sl_ask sl_route_ask(struct sl_routing *r, const struct sl_route_query *q, int64_t deadline_ms, sl_ask_fn fn, void *ctx)
{
	struct sl_route_decision decision;
	sl_ask ask = sl_ask_new(r->asks, deadline_ms, fn, ctx);

	if (!ask)
		return 0;
	sl_route_decide(r, q, &decision);
	sl_ask_answer(r->asks, ask, 0, &decision);
	return ask;
}
