/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A phone of ours answers 3xx: somebody has it send his calls on. Its contacts are numbers and names of ours, which are routed anew by the
 * rights of its user, who is the one that pays; an address somewhere else is not called: a phone does not decide where our calls leave. */

#include "controlplane/b2bua/internal.h"

#include <stdlib.h>

#include <sofia-sip/sip_header.h>

static bool is_ours(struct dial *d, const url_t *uri)
{
	if (uri->url_type == url_tel)
		return true;
	return (uri->url_type == url_sip || uri->url_type == url_sips) && uri->url_host &&
	       (sl_prov_domain(d->snapshot, uri->url_host, strlen(uri->url_host)) || sl_is_our_address(d->tc->b, uri->url_host));
}

/* The one with the highest q. */
static const url_t *best_of(struct dial *d, const sip_t *sip)
{
	const url_t *best = NULL;
	double best_q = -1;

	for (const sip_contact_t *m = sip ? sip->sip_contact : NULL; m; m = m->m_next) {
		double q = m->m_q ? strtod(m->m_q, NULL) : 1;
		if (q > best_q && is_ours(d, m->m_url)) {
			best = m->m_url;
			best_q = q;
		}
	}
	return best;
}

/* Its candidates come next, before those that are left. */
static void forwarded(void *ctx, int error, const void *result)
{
	struct dial *d = ctx;
	const struct sl_route_decision *r = result;
	struct sl_route_decision *all = &d->decision;

	d->ask = 0;
	d->resolved = true;
	for (unsigned i = 0; !error && r && i < r->n && all->n < SL_ROUTE_CANDIDATES; i++) {
		unsigned at = d->candidates_tried + i;
		memmove(all->candidates + at + 1, all->candidates + at, (all->n - at) * sizeof all->candidates[0]);
		all->candidates[at] = r->candidates[i];
		all->n++;
		if (r->candidates[i].user)
			sl_prov_user_ref(r->candidates[i].user);
		d->forwarded = true;
	}
	if (!error && r)
		free(r->record);
	sl_dial_step(d); /* nothing when it asks just now */
}

/* RFC 5806: who sent it on. */
static void say_who(struct dial *d, const struct sl_prov_user *user)
{
	char room[400];
	struct text t;

	text_init(&t, room, sizeof room);
	text_put(&t, "Diversion: <sip:");
	sl_number_put(&t, user->n_numbers ? user->numbers[0] : user->name);
	text_format(&t, "@%s>;reason=unconditional;counter=%u\r\n", user->domain, d->forwards);
	if (t.full)
		return;
	free(d->extra);
	d->extra = strdup(room);
}

bool sl_forward(struct dial *d, const struct side *s, const sip_t *sip)
{
	const url_t *to = best_of(d, sip);
	struct number n;

	if (!to || d->ask || sl_number_of(to, &n) < 0 || d->forwards >= MAX_REDIRECTS)
		return false;
	d->forwards++;
	say_who(d, s->user);
	struct sl_route_query q = {.snapshot = d->snapshot,
		.tenant = sl_prov_tenant(d->snapshot, d->tc->call->tenant),
		.from_user = s->user,
		.unix_s = sl_b2bua_unix_ms() / 1000,
		.may_leave = true};
	text_copy(q.caller, sizeof q.caller, d->identity.number);
	text_copy(q.called, sizeof q.called, n.user);
	text_copy(q.rn, sizeof q.rn, n.npdi ? n.rn : "");
	text_copy(q.domain, sizeof q.domain, to->url_host && !sl_is_our_address(d->tc->b, to->url_host) ? to->url_host : "");
	d->resolved = false;
	bool stepping = d->stepping;
	d->stepping = true; /* who called us steps on */
	sl_ask ask = sl_route_ask(d->tc->b->o.routing, &q, sl_b2bua_now_ms() + ROUTE_MS, forwarded, d);
	d->stepping = stepping;
	if (!d->resolved)
		d->ask = ask;
	return true;
}
