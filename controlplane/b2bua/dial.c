/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Looking for somebody who answers: candidates one after the other, each with its targets, forks of one group at once. The same for the
 * caller's INVITE and for a transfer. */

#include "controlplane/b2bua/internal.h"

#include <errno.h>
#include <stdlib.h>

static void ring_over(struct sl_timer *t)
{
	struct dial *d = (struct dial *)((char *)t - offsetof(struct dial, ring));
	struct trunk_call *tc = d->tc;
	struct sl_cause cause;

	sl_cause_set(&cause, 408, SL_BY_TIMER, "nobody answered in the ring time");
	if (tc->transfer && tc->up)
		sl_transfer_failed(tc, &cause);
	else
		sl_trunk_end(tc, NULL, &cause, "Reason: SIP;cause=408;text=\"no answer\"\r\n");
}

struct dial *sl_dial_new(struct trunk_call *tc)
{
	struct dial *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	sl_dial_free(tc->dial);
	d->tc = tc;
	d->snapshot = sl_prov_ref(sl_prov_now(tc->b->o.prov));
	d->ring.fn = ring_over;
	d->max_forwards = 69;
	tc->dial = d;
	return d;
}

void sl_dial_free(struct dial *d)
{
	struct side *s;

	if (!d)
		return;
	LIST_FOREACH(s, &d->tc->sides, link)
	{
		if (s->dial == d)
			s->dial = NULL;
	}
	sl_ask_withdraw(d->tc->b->o.asks, d->ask);
	sl_timer_stop(sl_b2bua_timers(d->tc->b), &d->ring);
	sl_targets_free(d);
	for (unsigned i = 0; i < d->decision.n; i++) {
		if (d->decision.candidates[i].user)
			sl_prov_user_unref(d->decision.candidates[i].user);
	}
	free(d->decision.record);
	free(d->headers);
	if (d->invite)
		msg_destroy(d->invite);
	free(d->instance);
	free(d->extra);
	free(d->best_headers);
	sl_prov_unref(d->snapshot);
	if (d->tc->dial == d)
		d->tc->dial = NULL;
	free(d);
}

void sl_dial_stop(struct dial *d, struct side *but, const struct sl_cause *cause, const char *headers)
{
	struct side *s;

	d->over = true;
	sl_ask_withdraw(d->tc->b->o.asks, d->ask);
	d->ask = 0;
	sl_timer_stop(sl_b2bua_timers(d->tc->b), &d->ring);
again:
	LIST_FOREACH(s, &d->tc->sides, link)
	{
		if (s == but || s->dial != d)
			continue;
		sl_attempt_over(s, cause->status == 200 ? 487 : cause->status);
		sl_leg_hangup(s->leg, cause, headers);
		goto again; /* the list may have changed: an end may be told at once */
	}
}

/* ---- routing ---- */

static void failed(struct dial *d)
{
	struct trunk_call *tc = d->tc;
	struct sl_cause cause = d->best;

	d->over = true;
	if (cause.status == 0)
		sl_cause_set(&cause, 480, SL_BY_US, NULL);
	if (tc->transfer && tc->up) {
		sl_transfer_failed(tc, &cause);
		return;
	}
	sl_verdict_for_caller(&cause);
	sl_trunk_end(tc, NULL, &cause, d->best_headers);
}

/* Somebody calls what he may not. Trunks carry many people's calls and are not judged by one. Where flows are trusted nobody proved where
 * he is. */
static void report_forbidden(const struct dial *d)
{
	const struct side *s = d->tc->caller;

	if (!s || !s->user || s->trunk || !s->leg || !s->leg->ops || !sl_leg_is_sip(s->leg))
		return;
	const struct sl_prov_domain *domain = sl_prov_domain(d->snapshot, s->user->domain, strlen(s->user->domain));
	bool proven = domain && !domain->trust_flow;

	sl_warden_report_flow(d->tc->b->o.warden, sl_sip_leg_flow(s->leg), SL_GUARD_SAW_FORBIDDEN, proven, sl_b2bua_now_ms());
}

static void routed(void *ctx, int error, const void *result)
{
	struct trunk_call *tc = ctx;
	struct dial *d = tc->dial;
	const struct sl_route_decision *r = result;

	tc->ask = 0;
	if (error || !r) {
		sl_cause_set(&d->best, error == -ETIMEDOUT ? 504 : 500, SL_BY_US, "routing did not answer");
		failed(d);
		return;
	}
	d->decision = *r;
	d->decision.record = NULL;
	for (unsigned i = 0; i < d->decision.n; i++) {
		if (d->decision.candidates[i].user)
			sl_prov_user_ref(d->decision.candidates[i].user);
	}
	if (!tc->up) {
		free(tc->call->decision);
		tc->call->decision = r->record;
		tc->call->emergency = r->emergency;
	} else {
		const struct sl_calls_options *o = sl_calls_options(tc->call->calls);
		struct sl_trace_about about = {.kind = SL_TR_DECISION};
		if (o->trace && r->record)
			sl_trace_add(o->trace, &tc->call->id, &tc->call->trace_last, &about, r->record, strlen(r->record));
		free(r->record);
	}
	if (r->n == 0) {
		sl_cause_set(&d->best, r->status ? r->status : 404, SL_BY_US, r->reason[0] ? r->reason : NULL);
		d->best.retry_after_s = r->retry_after_s;
		if (r->status == 403)
			report_forbidden(d);
		failed(d);
		return;
	}
	sl_dial_step(d);
}

static void watch_ring(struct dial *d, const struct sl_prov_tenant *tenant)
{
	unsigned s = tenant && tenant->ring_s ? tenant->ring_s : RING_S;

	sl_timer_set(sl_b2bua_timers(d->tc->b), &d->ring, sl_b2bua_now_ms() + s * INT64_C(1000));
}

/* Take the caller's share of its limits: the tenant's, its trunk's, its own. */
static bool admitted(struct dial *d, struct side *s)
{
	const struct sl_prov_limits *hit = NULL;
	const char *whose = NULL;

	if (d->tc->up || s->use.counted)
		return true;
	if (sl_route_use_begin(d->tc->b->o.routing, &s->use, d->tc->call->emergency, sl_b2bua_now_ms(), &hit, &whose) == 0)
		return true;
	sl_cause_set(&d->best, hit && hit->status ? hit->status : 503, SL_BY_US, hit && hit->reason[0] ? hit->reason : "Limit Reached");
	d->best.retry_after_s = hit ? hit->retry_after_s : 0;
	if (d->tc->b->o.sip)
		sl_sip_counts(d->tc->b->o.sip)->refused_limit++;
	return false;
}

/* Trunks name us by address: then the number alone says who is meant. */
bool sl_is_our_address(const struct sl_b2bua *b, const char *host)
{
	const struct sl_conf_sip *conf = &b->o.config->sip;
	char bare[SL_ADDR_TEXT_MAX];
	struct sl_ip ip;

	snprintf(bare, sizeof bare, "%.*s", (int)strcspn(host + (*host == '['), "]"), host + (*host == '['));
	if (sl_ip_parse(bare, &ip) < 0)
		return false;
	for (unsigned i = 0; i < conf->n_listeners; i++) {
		if (sl_ip_eq(&conf->listeners[i].address.ip, &ip) || sl_ip_eq(&conf->listeners[i].advertised.ip, &ip))
			return true;
	}
	return false;
}

void sl_dial_route(struct dial *d, struct side *on_behalf)
{
	struct trunk_call *tc = d->tc;
	const struct sl_prov_tenant *tenant = sl_prov_tenant(d->snapshot, tc->call->tenant);
	/* Toll fraud: nobody unknown leaves by a trunk; a trunk's calls do where a route of its tenant says so. */
	struct sl_route_query q = {.snapshot = d->snapshot,
		.tenant = tenant,
		.from_user = on_behalf->user,
		.from_trunk = on_behalf->trunk,
		.unix_s = sl_b2bua_unix_ms() / 1000,
		.may_leave = on_behalf->user || on_behalf->trunk};

	text_copy(q.caller, sizeof q.caller, d->identity.number);
	text_copy(q.called, sizeof q.called, d->called.user);
	if (d->called.npdi)
		text_copy(q.rn, sizeof q.rn, d->called.rn);
	text_copy(q.domain, sizeof q.domain, sl_is_our_address(tc->b, d->host) ? "" : d->host);
	watch_ring(d, tenant);
	sl_ask ask = sl_route_ask(tc->b->o.routing, &q, sl_b2bua_now_ms() + ROUTE_MS, routed, tc);
	if (ask == 0) {
		if (!d->over && !d->decision.n && !d->best.status) {
			sl_cause_set(&d->best, 500, SL_BY_US, NULL);
			failed(d);
		}
	} else if (!d->over && d->decision.n == 0) {
		tc->ask = ask; /* not answered yet */
	}
}

/* ---- trying ---- */

void sl_dial_note(struct dial *d, const struct sl_cause *cause, const char *headers)
{
	if (!sl_verdict_is_better(cause, &d->best))
		return;
	d->best = *cause;
	free(d->best_headers);
	d->best_headers = headers && *headers ? strdup(headers) : NULL;
}

/* Is a candidate's failure a reason to try the next? What a person said is not. */
static bool goes_on(const struct dial *d)
{
	int s = d->best.status;

	if (d->candidates_tried == 0 || d->forwarded)
		return true;
	const struct sl_route_candidate *c = &d->decision.candidates[d->candidates_tried - 1];
	return !c->user || s == 0 || s == 408 || s == 430 || s == 480 || (s >= 500 && s < 600);
}

/* The targets of the next candidate; false: there is none left. */
static bool next_candidate(struct dial *d)
{
	struct sl_cause cause;

	if (d->candidates_tried >= d->decision.n || !goes_on(d))
		return false;
	unsigned candidate = d->candidates_tried++;
	d->forwarded = false;
	if (!sl_targets_expand(d, candidate)) {
		sl_cause_set(&cause, 480, SL_BY_US, NULL);
		sl_dial_note(d, &cause, NULL);
	}
	return true;
}

static void announce(struct dial *d)
{
	struct sl_call *c = d->tc->call;
	const struct sl_route_candidate *k = &d->decision.candidates[0];

	sl_call_event_publish(d->tc->b->o.events, SL_CE_CALL_ROUTED, c->tenant, &c->id, NULL, "%s%s%s", k->user ? k->user->name : k->trunk->name,
	        k->route ? " by " : "", k->route ? k->route->name : "");
}

void sl_dial_step(struct dial *d)
{
	if (d->stepping || d->over)
		return;
	d->stepping = true;
	if (d->candidates_tried == 0) {
		if (!admitted(d, d->tc->caller)) {
			failed(d);
			return;
		}
		announce(d);
	}
	while (!d->over && !d->ask) {
		bool same_group = d->next < d->n_targets && d->targets[d->next].group == d->group;
		if (d->pending && !same_group)
			break;
		if (d->next == d->n_targets) {
			if (next_candidate(d))
				continue;
			failed(d);
			break;
		}
		d->group = d->targets[d->next].group;
		if (d->targets[d->next].has_hop)
			sl_attempt(d, d->next++);
		else
			sl_targets_resolve(d);
	}
	d->stepping = false;
}

/* ---- what comes of it ---- */

static bool in_failover(const struct sl_prov_trunk *t, int status)
{
	for (unsigned i = 0; i < t->n_failover; i++) {
		if (t->failover[i] == status)
			return true;
	}
	return status == 430; /* a flow that has gone is no answer */
}

/* SRTP was preferred, not required, and that was the reason: the same target again without. */
static void again_plain(struct dial *d, const struct side *s, int status)
{
	const struct target *was = &d->targets[s->target];
	struct target t = *was;

	if (sl_media_srtp_of(s) != SL_PROV_SRTP_PREFER || was->plain || (status != 488 && status != 415 && status != 606))
		return;
	t.uri = strdup(was->uri);
	t.path = was->path ? strdup(was->path) : NULL;
	t.resolve = NULL;
	t.plain = true;
	sl_target_add(d, d->next, &t);
}

void sl_dial_refused(struct side *s, const struct sl_leg_event *e)
{
	struct dial *d = s->dial;
	int status = e->cause.status ? e->cause.status : 500;
	const struct target *t = &d->targets[s->target];
	const struct sl_prov_trunk *trunk = s->trunk;
	struct pass_side from = sl_side_pass(s), to = d->tc->caller ? sl_side_pass(d->tc->caller) : from;
	char room[2048];
	struct text headers;
	unsigned candidate = t->candidate, before = d->n_targets;
	bool redirected = t->redirects > 0;
	struct sl_sip_flow flow = t->hop.flow; /* targets move when there are more */

	if (d->heard == s)
		d->heard = NULL;
	text_init(&headers, room, sizeof room);
	sl_headers_pass(&headers, e->message, PASS_RESPONSE, &from, &to, d->host);
	sl_dial_note(d, &e->cause, room);
	if (status >= 300 && status < 400 && trunk && trunk->follow_redirects)
		sl_targets_redirect(d, s, e->message);
	else if (status >= 300 && status < 400 && !trunk)
		sl_forward(d, s, e->message);
	else
		again_plain(d, s, status);
	if (trunk && in_failover(trunk, status))
		sl_route_use_failed(d->tc->b->o.routing, &s->use);
	if (status == 430 && s->user)
		sl_registrar_flow_closed(d->tc->b->o.registrar, s->user, &flow);
	sl_attempt_over(s, status);
	if (status >= 600 && !(trunk && in_failover(trunk, status))) { /* RFC 3261 16.7 step 5 */
		struct sl_cause cause;
		sl_cause_set(&cause, 487, SL_BY_US, NULL);
		sl_dial_stop(d, NULL, &cause, NULL);
		failed(d);
		return;
	}
	if (trunk && d->n_targets == before && !in_failover(trunk, status)) { /* the answer of the number called: nobody else has another */
		/* But of several contacts of a redirect each is tried (RFC 3261 8.1.3.4). */
		while (!redirected && d->next < d->n_targets && d->targets[d->next].candidate == candidate)
			d->next++;
		d->candidates_tried = d->decision.n;
	}
	sl_dial_step(d);
}

/* Which SDP of a provisional answer the caller hears: that of the first fork, of the last, or none's. */
static bool is_heard(struct dial *d, const struct side *s, const struct sl_leg_event *e)
{
	const struct sl_prov_tenant *tenant = sl_prov_tenant(d->snapshot, d->tc->call->tenant);

	if (e->sdp.n == 0 || !d->tc->caller->sdp || d->tc->up)
		return false;
	switch (tenant ? tenant->early_media : SL_EARLY_FIRST) {
	case SL_EARLY_NONE:
		return false;
	case SL_EARLY_FIRST:
		return !d->heard || (d->heard == s && d->heard_fork == e->fork);
	default:
		return true;
	}
}

void sl_dial_progress(struct side *s, const struct sl_leg_event *e)
{
	static const struct sl_siphash_key key = {3, 4};
	struct dial *d = s->dial;
	struct trunk_call *tc = s->tc;
	struct sl_slice sdp = {0};
	struct sl_cause cause;

	if (!d || d->over)
		return;
	s->heard_status = (uint16_t)e->status;
	sl_timer_stop(sl_b2bua_timers(tc->b), &s->timer);
	if (tc->up) {
		sl_transfer_progress(d, e->status);
		return;
	}
	if (e->status == 199) /* RFC 6228: an early dialog has gone; ours with the caller has not */
		return;
	if (is_heard(d, s, e)) {
		uint64_t hash = sl_siphash(&key, e->sdp.p, e->sdp.n);
		bool same = d->heard == s && d->heard_fork == e->fork && s->early_hash == hash;
		if (!same && sl_media_pass_answer(s, tc->caller, e->sdp, &sdp, &cause) == 0) {
			sl_media_said(s, e->sdp);
			d->heard = s;
			d->heard_fork = e->fork;
			s->early_hash = hash;
		}
	}
	if (sdp.n == 0 && d->told == e->status) /* the caller has been told */
		return;
	struct pass_side from = sl_side_pass(s), to = sl_side_pass(tc->caller);
	char room[2048];
	struct text headers;
	text_init(&headers, room, sizeof room);
	sl_headers_pass(&headers, e->message, PASS_RESPONSE, &from, &to, d->host);
	if (sl_leg_progress(tc->caller->leg, e->status, e->reason, sdp, headers.n ? room : NULL) == 0)
		d->told = e->status;
}

/* ---- somebody answered ---- */

static void call_is_up(struct trunk_call *tc, struct side *s)
{
	struct sl_call *c = tc->call;
	const struct sl_prov_tenant *tenant = sl_prov_tenant(tc->dial->snapshot, c->tenant);

	tc->up = true;
	tc->callee = s;
	if (tenant && tenant->max_duration_s)
		sl_call_timer(c, TIMER_DURATION, sl_b2bua_unix_ms() + tenant->max_duration_s * INT64_C(1000));
	sl_decision_complete(tc);
	sl_dial_free(tc->dial);
	sl_media_drop_stale(tc);
	sl_call_changed(c);
}

/* The answer cannot be used: its leg is ended, and the caller told why. */
static void unusable(struct trunk_call *tc, struct side *s, const struct sl_cause *cause)
{
	sl_leg_hangup(s->leg, cause, NULL);
	sl_trunk_end(tc, s, cause, NULL);
}

void sl_dial_answered(struct side *s, const struct sl_leg_event *e)
{
	struct dial *d = s->dial;
	struct trunk_call *tc = s->tc;
	struct sl_slice sdp = {0};
	struct sl_cause cause;
	int error = 0;

	if (!d || d->over) {
		sl_cause_set(&cause, 487, SL_BY_US, NULL);
		sl_leg_hangup(s->leg, &cause, NULL);
		return;
	}
	sl_attempt_counts(s);
	sl_attempt_over(s, 200);
	s->failed = s->stale = false;
	sl_cause_set(&cause, 200, SL_BY_US, "Call completed elsewhere");
	sl_dial_stop(d, s, &cause, "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n");
	if (e->sdp.n && !sl_media_policy_admits(s, e->sdp)) {
		sl_cause_set(&cause, 488, SL_BY_US, NULL);
		unusable(tc, s, &cause);
		return;
	}
	if (tc->up) {
		sl_transfer_answered(tc, s, e->sdp);
		return;
	}
	bool late = !tc->caller->sdp;
	if (e->sdp.n)
		error = late ? sl_media_pass_offer(s, tc->caller, e->sdp, false, &sdp, &cause)
		             : sl_media_pass_answer(s, tc->caller, e->sdp, &sdp, &cause);
	else if (!late)
		error = s->sdp ? sl_media_pass_answer(s, tc->caller, (struct sl_slice){s->sdp, s->sdp_len}, &sdp, &cause) : -ENODATA;
	if (error) { /* RFC 3261 13.2.1: the answer is in the 2xx, or was in a reliable provisional */
		if (error == -ENODATA)
			sl_cause_set(&cause, 500, SL_BY_CALLEE, "answered without a session description");
		unusable(tc, s, &cause);
		return;
	}
	if (e->sdp.n)
		sl_media_said(s, e->sdp);
	if (late)
		tc->caller->acked = ACKED_CALL;
	struct pass_side from = sl_side_pass(s), to = sl_side_pass(tc->caller);
	char room[2048];
	struct text headers;
	text_init(&headers, room, sizeof room);
	sl_headers_pass(&headers, e->message, PASS_RESPONSE, &from, &to, d->host);
	error = sl_leg_answer(tc->caller->leg, sdp, headers.n ? room : NULL);
	if (error) {
		sl_cause_set(&cause, 500, SL_BY_US, NULL);
		unusable(tc, s, &cause);
		return;
	}
	call_is_up(tc, s);
}
