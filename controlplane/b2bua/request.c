/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Requests outside any dialog for somebody behind us (MESSAGE, OPTIONS, PUBLISH): routed as calls are, sent with a Call-ID and From of
 * ours, the answer passed back. What would make a dialog with the other side (SUBSCRIBE, but to reg) is refused: its NOTIFYs would name
 * it. */

#include "controlplane/b2bua/internal.h"

#include <errno.h>
#include <stdlib.h>

#include <sofia-sip/msg_header.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/url_tag.h>

enum { OUTSIDE_TRIES = 4 };

struct outside {
	LIST_ENTRY(outside) link;
	struct trunk_call call;   /* what a dial looks at: whose b2bua it is */
	struct dial dial;
	struct pass_side from;
	struct sl_prov_user *user; /* the sender's: a reference */
	nta_incoming_t *irq;
	nta_leg_t *leg;
	nta_outgoing_t *orq;
	sip_method_t method;
	char method_name[16];
	char *type, *body;
	size_t body_len;
	bool asked, answered;
	unsigned tries;
	struct sl_cause best;
};

static void outside_free(struct outside *x)
{
	struct sl_b2bua *b = x->call.b;
	struct dial *d = &x->dial;

	LIST_REMOVE(x, link);
	sl_ask_withdraw(b->o.asks, d->ask);
	if (x->orq)
		nta_outgoing_destroy(x->orq);
	if (x->leg)
		nta_leg_destroy(x->leg);
	if (x->irq)
		nta_incoming_destroy(x->irq);
	if (x->user)
		sl_prov_user_unref(x->user);
	for (unsigned i = 0; i < d->decision.n; i++) {
		if (d->decision.candidates[i].user)
			sl_prov_user_unref(d->decision.candidates[i].user);
	}
	sl_targets_free(d);
	sl_prov_unref(d->snapshot);
	free(d->headers);
	free(d->instance);
	free(x->type);
	free(x->body);
	free(x);
}

void sl_outsides_close(struct sl_b2bua *b)
{
	struct outside *x;

	while ((x = LIST_FIRST(&b->outsides)))
		outside_free(x);
}

static void refuse(struct outside *x, int status)
{
	nta_incoming_treply(x->irq, status, sl_status_text(status), TAG_END());
	outside_free(x);
}

static void step(struct outside *x);

/* Is it worth another place? */
static bool goes_on(int status)
{
	return status == 408 || status == 430 || (status >= 500 && status < 600);
}

static int answered(nta_outgoing_magic_t *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct outside *x = (struct outside *)magic;
	struct dial *d = &x->dial;
	int status = sip && sip->sip_status ? sip->sip_status->st_status : nta_outgoing_status(orq);
	char room[SL_HEADERS_ROOM];
	struct text headers;

	if (status < 200)
		return 0;
	x->orq = NULL;
	if (goes_on(status)) {
		struct sl_cause cause;
		nta_outgoing_destroy(orq);
		sl_cause_set(&cause, status, SL_BY_CALLEE, NULL);
		if (sl_verdict_is_better(&cause, &x->best))
			x->best = cause;
		step(x);
		return 0;
	}
	const struct sl_route_candidate *c = &d->decision.candidates[d->targets[d->next - 1].candidate];
	struct pass_side from = {.trunk = c->trunk, .trusted = c->trunk ? c->trunk->trusted : true};
	text_init(&headers, room, sizeof room);
	sl_headers_pass(&headers, sip, PASS_OUTSIDE, &from, &x->from, d->host);
	if (status == 401 || status == 407 || (status >= 300 && status < 400))
		status = 403;
	nta_incoming_treply(x->irq, status, sl_status_text(status), TAG_IF(headers.n, SIPTAG_HEADER_STR(room)),
	        TAG_IF(sip && sip->sip_content_type && sip->sip_payload, SIPTAG_CONTENT_TYPE(sip->sip_content_type)),
	        TAG_IF(sip && sip->sip_content_type && sip->sip_payload, SIPTAG_PAYLOAD(sip->sip_payload)), TAG_END());
	nta_outgoing_destroy(orq); /* sip was its */
	outside_free(x);
	return 0;
}

static void from_and_to(const struct dial *d, const struct sl_route_candidate *c, char *from, size_t from_room, struct text *to)
{
	const char *host = c->user ? d->identity.host[0] ? d->identity.host : c->user->domain
	                           : c->trunk->from_domain[0] ? c->trunk->from_domain : d->host;

	sl_identity_from(&d->identity, c->user && d->identity.host[0] ? d->identity.user : c->caller, host, true, from, from_room);
	text_put(to, "<sip:");
	sl_number_put(to, c->user ? c->user->name : c->called);
	text_put(to, "@");
	text_put(to, c->user ? c->user->domain : d->host);
	text_put(to, ">");
}

static int send_to(struct outside *x, const struct target *t)
{
	struct dial *d = &x->dial;
	struct sl_sip *s = x->call.b->o.sip;
	const struct sl_route_candidate *c = &d->decision.candidates[t->candidate];
	struct pass_side to_side = {.trunk = c->trunk, .trusted = c->trunk ? c->trunk->trusted : true};
	char from[800], to[800], room[SL_HEADERS_ROOM + 1024], hops[16];
	su_home_t home[1] = {SU_HOME_INIT(home)};
	url_t *route = NULL;
	tport_t *tport = NULL;
	struct text text;

	text_init(&text, to, sizeof to);
	from_and_to(d, c, from, sizeof from, &text);
	text_init(&text, room, sizeof room);
	sl_identity_headers(&d->identity, c->user && d->identity.host[0] ? d->identity.user : c->caller,
	        d->identity.host[0] ? d->identity.host : d->host, c->trunk ? c->trunk->trusted : !d->identity.anonymous, &text);
	sl_headers_filter(&text, d->headers, PASS_OUTSIDE, &x->from, &to_side, d->host);
	snprintf(hops, sizeof hops, "%d", d->max_forwards);
	if (x->leg)
		nta_leg_destroy(x->leg);
	/* The URL is nobody's: a leg without one would be the agent's default, and take every new request. */
	x->leg = nta_leg_tcreate(sl_sip_agent(s), NULL, NULL, NTATAG_NO_DIALOG(1), URLTAG_URL("sip:request.invalid"), SIPTAG_FROM_STR(from),
	        SIPTAG_TO_STR(to), TAG_END());
	if (x->leg && nta_leg_tag(x->leg, NULL) && sl_sip_hop_route(s, home, &t->hop, &route, &tport) == 0) {
		sip_route_t *first = sl_sip_hop_header(s, home, &t->hop);
		x->orq = nta_outgoing_tcreate(x->leg, answered, (nta_outgoing_magic_t *)x, (url_string_t *)route, x->method, x->method_name,
		        (url_string_t *)t->uri, TAG_IF(first, SIPTAG_ROUTE(first)), TAG_IF(t->path, SIPTAG_ROUTE_STR(t->path)),
		        SIPTAG_MAX_FORWARDS_STR(hops), TAG_IF(room[0], SIPTAG_HEADER_STR(room)), TAG_IF(x->type, SIPTAG_CONTENT_TYPE_STR(x->type)),
		        TAG_IF(x->body, SIPTAG_PAYLOAD_STR(x->body)), NTATAG_TPORT(tport), TAG_END());
	}
	su_home_deinit(home);
	return x->orq ? 0 : -EIO;
}

static void resolved(void *ctx, int error, const void *result)
{
	struct outside *x = ctx;
	struct dial *d = &x->dial;
	const struct sl_resolved *r = result;

	d->ask = 0;
	d->resolved = true;
	if (error || !r || !r->n || !sl_target_may_go(d, &d->targets[d->next], &r->hops[0])) {
		d->next++;
	} else {
		d->targets[d->next].hop = r->hops[0];
		d->targets[d->next].has_hop = true;
	}
	if (!d->stepping)
		step(x);
}

static void resolve(struct outside *x)
{
	struct dial *d = &x->dial;
	struct target *t = &d->targets[d->next];

	d->resolved = false;
	sl_ask ask = sl_sip_resolve(x->call.b->o.sip, t->resolve ? t->resolve : t->uri, sl_target_role(d, t), resolved, x);
	if (d->resolved)
		return;
	d->ask = ask;
	if (ask == 0)
		d->next++;
}

static void step(struct outside *x)
{
	struct dial *d = &x->dial;

	d->stepping = true;
	while (!x->orq && !d->ask) {
		if (d->next < d->n_targets) {
			if (!d->targets[d->next].has_hop)
				resolve(x);
			else if (x->tries++ < OUTSIDE_TRIES)
				send_to(x, &d->targets[d->next++]);
			else
				d->next = d->n_targets;
			continue;
		}
		if (d->candidates_tried < d->decision.n && x->tries < OUTSIDE_TRIES) {
			sl_targets_expand(d, d->candidates_tried++);
			continue;
		}
		sl_verdict_for_caller(&x->best);
		refuse(x, x->best.status);
		return;
	}
	d->stepping = false;
}

static void routed(void *ctx, int error, const void *result)
{
	struct outside *x = ctx;
	struct dial *d = &x->dial;
	const struct sl_route_decision *r = result;

	d->ask = 0;
	x->answered = true;
	if (error || !r) {
		refuse(x, 500);
		return;
	}
	free(r->record);
	d->decision = *r;
	d->decision.record = NULL;
	for (unsigned i = 0; i < r->n; i++) {
		if (r->candidates[i].user)
			sl_prov_user_ref(r->candidates[i].user);
	}
	if (r->n == 0)
		refuse(x, r->status ? r->status : 404);
	else
		step(x);
}

static int read_message(struct outside *x, const sip_t *sip, const struct sl_sip_caller *who)
{
	int status = sl_dial_read(&x->dial, sip, who);

	if (status)
		return status;
	if (sip->sip_content_type && sip->sip_payload) {
		char type[256];
		issize_t n = msg_header_field_e(type, sizeof type, (const msg_header_t *)sip->sip_content_type, 0);
		x->type = n > 0 && (size_t)n < sizeof type ? strndup(type, (size_t)n) : NULL;
		x->body_len = sip->sip_payload->pl_len;
		x->body = memchr(sip->sip_payload->pl_data, '\0', x->body_len) ? NULL : strndup(sip->sip_payload->pl_data, x->body_len);
		if (!x->type || !x->body)
			return 415;
	}
	return 0;
}

static int policy(const sip_t *sip)
{
	switch (sip->sip_request->rq_method) {
	case sip_method_message:
	case sip_method_options:
	case sip_method_publish:
		return 0;
	case sip_method_subscribe:
		return 489;
	default:
		return 405;
	}
}

void sl_b2bua_request(void *ctx, nta_incoming_t *irq, const struct sl_sip_caller *who, const sip_t *sip)
{
	struct sl_b2bua *b = ctx;
	int status = policy(sip);
	struct outside *x = status ? NULL : calloc(1, sizeof *x);

	if (!x) {
		nta_incoming_treply(irq, status ? status : 500, sl_status_text(status ? status : 500), TAG_IF(status == 489, SIPTAG_ALLOW_EVENTS_STR("reg")),
		        TAG_IF(status == 405, SIPTAG_ALLOW_STR("INVITE, ACK, CANCEL, OPTIONS, REGISTER, SUBSCRIBE, MESSAGE, PUBLISH")), TAG_END());
		nta_incoming_destroy(irq);
		return;
	}
	x->call.b = b;
	x->irq = irq;
	x->method = sip->sip_request->rq_method;
	text_copy(x->method_name, sizeof x->method_name, sip->sip_request->rq_method_name);
	x->dial.tc = &x->call;
	x->dial.snapshot = sl_prov_ref(sl_prov_now(b->o.prov));
	x->from = (struct pass_side){.trunk = who->trunk, .trusted = who->trunk ? who->trunk->trusted : true};
	x->user = who->user ? sl_prov_user_ref((struct sl_prov_user *)who->user) : NULL;
	LIST_INSERT_HEAD(&b->outsides, x, link);
	if ((status = read_message(x, sip, who))) {
		refuse(x, status);
		return;
	}
	struct dial *d = &x->dial;
	struct sl_route_query q = {.snapshot = d->snapshot,
		.tenant = who->tenant,
		.from_user = x->user,
		.from_trunk = who->trunk,
		.unix_s = sl_b2bua_unix_ms() / 1000,
		.may_leave = who->user || who->trunk};
	text_copy(q.caller, sizeof q.caller, d->identity.number);
	text_copy(q.called, sizeof q.called, d->called.user);
	text_copy(q.rn, sizeof q.rn, d->called.npdi ? d->called.rn : "");
	text_copy(q.domain, sizeof q.domain, sl_is_our_address(b, d->host) ? "" : d->host);
	/* The answer may come, and x go, before this returns: then b->outsides does not have it. */
	sl_ask ask = sl_route_ask(b->o.routing, &q, sl_b2bua_now_ms() + ROUTE_MS, routed, x);
	struct outside *still;
	LIST_FOREACH(still, &b->outsides, link)
	{
		if (still == x && !x->answered) {
			d->ask = ask;
			if (ask == 0)
				refuse(x, 500);
			return;
		}
	}
}
