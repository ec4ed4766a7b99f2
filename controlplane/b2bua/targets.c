/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Where the INVITEs of a candidate go: a user's bindings, a trunk's targets, the contacts of a redirect. */

#include "controlplane/b2bua/internal.h"

#include <errno.h>
#include <stdlib.h>

#include <sofia-sip/sip_header.h>

static void target_free(struct target *t)
{
	free(t->uri);
	free(t->path);
	free(t->resolve);
	*t = (struct target){0};
}

void sl_targets_free(struct dial *d)
{
	for (unsigned i = 0; i < d->n_targets; i++)
		target_free(&d->targets[i]);
	free(d->targets);
	d->targets = NULL;
	d->n_targets = d->room_targets = d->next = 0;
}

int sl_target_add(struct dial *d, unsigned at, struct target *t)
{
	if (!t->uri || d->n_targets >= MAX_TARGETS) {
		target_free(t);
		return t->uri ? -ENOSPC : -ENOMEM;
	}
	if (d->n_targets == d->room_targets) {
		unsigned room = d->room_targets ? 2 * d->room_targets : 1;
		struct target *more = realloc(d->targets, room * sizeof *more);
		if (!more) {
			target_free(t);
			return -ENOMEM;
		}
		d->targets = more;
		d->room_targets = room;
	}
	memmove(d->targets + at + 1, d->targets + at, (d->n_targets - at) * sizeof *d->targets);
	d->targets[at] = *t;
	d->n_targets++;
	return 0;
}

/* ---- a user of ours ---- */

static bool binding_target(struct dial *d, unsigned candidate, const struct sl_binding *b, uint16_t group)
{
	struct target t = {.candidate = (uint8_t)candidate, .group = group};

	if (sl_sip_flow_is_open(d->tc->b->o.sip, &b->flow)) {
		sl_sip_hop_back(&b->flow, &t.hop);
		t.has_hop = true;
	} else if (b->nat || b->path[0]) {
		return false; /* RFC 5626: only its flow leads there */
	}
	t.uri = strdup(b->contact);
	t.path = b->path[0] ? strdup(b->path) : NULL;
	return sl_target_add(d, d->n_targets, &t) == 0;
}

static bool expand_user(struct dial *d, unsigned candidate)
{
	const struct sl_route_candidate *c = &d->decision.candidates[candidate];
	const struct sl_prov_tenant *tenant = sl_prov_tenant(d->snapshot, c->user->tenant);
	const struct sl_binding *found[16];
	unsigned n = sl_registrar_bindings(d->tc->b->o.registrar, c->user, found, 16), taken = 0;
	int forking = tenant ? tenant->forking : 0;

	for (unsigned i = 0; i < n; i++) {
		if (d->instance && strcmp(found[i]->contact, d->instance) != 0)
			continue;
		bool with_last = i > 0 && (forking == 1 || (forking == 0 && found[i]->q == found[i - 1]->q));
		if (!with_last)
			d->groups++;
		taken += binding_target(d, candidate, found[i], d->groups);
	}
	return taken > 0;
}

/* ---- a trunk ---- */

/* Targets by priority, then by weight at random (RFC 2782's way): those that are up, or all when none is. */
static void expand_trunk(struct dial *d, unsigned candidate)
{
	const struct sl_route_candidate *c = &d->decision.candidates[candidate];
	const struct sl_prov_trunk *trunk = c->trunk;
	struct sl_b2bua *b = d->tc->b;
	bool left[8] = {0}, any = false;
	char uri[URI_ROOM];

	for (unsigned i = 0; i < trunk->n_targets; i++)
		any |= left[i] = sl_route_target_is_up(b->o.routing, trunk->name, i);
	for (unsigned i = 0; i < trunk->n_targets && !any; i++)
		left[i] = true;
	for (;;) {
		unsigned priority = UINT32_MAX, sum = 0, pick = UINT32_MAX;
		for (unsigned i = 0; i < trunk->n_targets; i++) {
			if (left[i] && trunk->targets[i].priority < priority)
				priority = trunk->targets[i].priority;
		}
		for (unsigned i = 0; i < trunk->n_targets; i++)
			sum += left[i] && trunk->targets[i].priority == priority ? trunk->targets[i].weight + 1 : 0;
		if (sum == 0)
			return;
		unsigned draw = (unsigned)(sl_prng_next(&b->prng) % sum);
		for (unsigned i = 0; i < trunk->n_targets && pick == UINT32_MAX; i++) {
			if (!left[i] || trunk->targets[i].priority != priority)
				continue;
			unsigned w = trunk->targets[i].weight + 1;
			if (draw < w)
				pick = i;
			else
				draw -= w;
		}
		left[pick] = false;
		if (sl_number_uri(uri, sizeof uri, trunk->targets[pick].uri, c->called, &d->called) < 0)
			continue;
		struct target t = {.uri = strdup(uri), .resolve = strdup(trunk->targets[pick].uri), .candidate = (uint8_t)candidate, .group = ++d->groups};
		sl_target_add(d, d->n_targets, &t);
	}
}

bool sl_targets_expand(struct dial *d, unsigned candidate)
{
	const struct sl_route_candidate *c = &d->decision.candidates[candidate];
	unsigned before = d->n_targets;

	if (c->user)
		return expand_user(d, candidate);
	if (c->trunk)
		expand_trunk(d, candidate);
	return d->n_targets > before;
}

/* ---- names ---- */

/* The listener that a trunk's calls leave by: the one it names, where transport and family agree. */
static unsigned listener_for(struct dial *d, const struct sl_prov_trunk *trunk, const struct sl_sip_hop *hop)
{
	const struct sl_conf_sip *conf = &d->tc->b->o.config->sip;

	for (unsigned i = 0; trunk && trunk->listener[0] && i < conf->n_listeners; i++) {
		const struct sl_conf_sip_listener *l = &conf->listeners[i];
		if (strcmp(l->name, trunk->listener) == 0 && l->transport == hop->transport &&
		        sl_ip_is_v4(&l->address.ip) == sl_ip_is_v4(&hop->to.ip))
			return i;
	}
	return hop->listener;
}

static unsigned role_for(struct dial *d, const struct sl_prov_trunk *trunk)
{
	const struct sl_conf_sip *conf = &d->tc->b->o.config->sip;
	unsigned role = trunk ? SL_SIP_PEERING : SL_SIP_ACCESS;

	for (unsigned i = 0; trunk && trunk->listener[0] && i < conf->n_listeners; i++) {
		if (strcmp(conf->listeners[i].name, trunk->listener) == 0)
			return conf->listeners[i].role;
	}
	for (unsigned i = 0; i < conf->n_listeners; i++) {
		if (conf->listeners[i].role == role)
			return role;
	}
	return conf->n_listeners ? conf->listeners[0].role : role;
}

unsigned sl_target_role(struct dial *d, const struct target *t)
{
	return role_for(d, d->decision.candidates[t->candidate].trunk);
}

/* A user's contact whose name leads to a carrier would be a call out with our trust and without a route (toll fraud). The registrar refuses
 * the numbers, this is for the names. */
bool sl_target_may_go(const struct dial *d, const struct target *t, const struct sl_sip_hop *hop)
{
	return d->decision.candidates[t->candidate].trunk || !sl_prov_trunk_of(d->snapshot, &hop->to, "");
}

static void resolved(void *ctx, int error, const void *result)
{
	struct dial *d = ctx;
	const struct sl_resolved *all = result;
	struct sl_resolved found, *r = &found;
	unsigned at = d->next;
	const struct sl_prov_trunk *trunk = d->decision.candidates[d->targets[at].candidate].trunk;

	found.n = 0;
	for (unsigned i = 0; !error && all && i < all->n; i++) {
		if (sl_target_may_go(d, &d->targets[at], &all->hops[i]))
			found.hops[found.n++] = all->hops[i];
	}
	d->ask = 0;
	d->resolved = true;
	if (r->n == 0) {
		struct sl_cause cause;
		sl_cause_set(&cause, error == -EPROTONOSUPPORT ? 500 : 503, SL_BY_NETWORK, NULL);
		sl_dial_note(d, &cause, NULL);
		d->next++;
	} else {
		for (unsigned i = 0; i < r->n; i++) {
			struct target t = d->targets[at];
			if (i > 0) {
				t = (struct target){.uri = strdup(t.uri), .candidate = t.candidate, .redirects = t.redirects, .group = ++d->groups};
				t.path = NULL;
			}
			t.hop = r->hops[i];
			t.hop.listener = (uint8_t)listener_for(d, trunk, &t.hop);
			t.has_hop = true;
			if (i == 0)
				d->targets[at] = t;
			else
				sl_target_add(d, at + i, &t);
		}
	}
	sl_dial_step(d); /* nothing when it asks just now */
}

void sl_targets_resolve(struct dial *d)
{
	struct target *t = &d->targets[d->next];
	const struct sl_prov_trunk *trunk = d->decision.candidates[t->candidate].trunk;

	d->resolved = false;
	sl_ask ask = sl_sip_resolve(d->tc->b->o.sip, t->resolve ? t->resolve : t->uri, role_for(d, trunk), resolved, d);
	if (!d->resolved)
		d->ask = ask;
	if (ask == 0 && !d->resolved) {
		struct sl_cause cause;
		sl_cause_set(&cause, 500, SL_BY_US, NULL);
		sl_dial_note(d, &cause, NULL);
		d->next++;
	}
}

/* ---- redirects ---- */

static bool seen(const struct dial *d, const char *uri)
{
	for (unsigned i = 0; i < d->n_targets; i++) {
		if (strcasecmp(d->targets[i].uri, uri) == 0)
			return true;
	}
	return false;
}

/* RFC 3261 8.1.3.4: its contacts by q, one after the other; none twice, and not for ever. */
void sl_targets_redirect(struct dial *d, const struct side *s, const sip_t *sip)
{
	const struct target *from = &d->targets[s->target];
	uint8_t redirects = from->redirects, candidate = from->candidate;
	unsigned at = d->next;
	char q_of[MAX_TARGETS];
	unsigned n = 0;

	if (redirects >= MAX_REDIRECTS)
		return;
	for (const sip_contact_t *m = sip ? sip->sip_contact : NULL; m && n < 8; m = m->m_next) {
		char uri[URI_ROOM];
		url_t u = *m->m_url;
		double wish = m->m_q ? strtod(m->m_q, NULL) : 1;
		unsigned q = wish >= 1 ? 100 : wish > 0 ? (unsigned)(wish * 100) : 0, k = 0;
		u.url_headers = NULL;
		if ((u.url_type != url_sip && u.url_type != url_sips) || url_e(uri, sizeof uri, &u) >= (issize_t)sizeof uri || seen(d, uri))
			continue;
		while (k < n && (unsigned)q_of[k] >= q)
			k++;
		struct target t = {.uri = strdup(uri), .candidate = candidate, .redirects = (uint8_t)(redirects + 1), .group = ++d->groups};
		if (sl_target_add(d, at + k, &t))
			return;
		memmove(q_of + k + 1, q_of + k, n - k);
		q_of[k] = (char)q;
		n++;
	}
}
