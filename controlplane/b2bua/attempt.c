/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* One INVITE to one place: limits, media, what the other side is told of the caller. Each has a leg, so a Call-ID, of its own. */

#include "controlplane/b2bua/internal.h"

#include <errno.h>
#include <stdlib.h>

#include <sofia-sip/sip_header.h>
#include <sofia-sip/url.h>

static const struct sl_route_candidate *candidate_of(const struct dial *d, unsigned target)
{
	return &d->decision.candidates[d->targets[target].candidate];
}

/* ---- what was tried ---- */

static void record(struct dial *d, unsigned target, int status, int64_t ms)
{
	const struct sl_route_candidate *c = candidate_of(d, target);
	struct sl_cdr *cdr = d->tc->caller && !d->tc->up ? &d->tc->caller->leg->cdr : NULL;

	if (!cdr || cdr->n_attempts >= SL_CDR_ATTEMPTS_MAX)
		return;
	struct sl_cdr_attempt *a = &cdr->attempts[cdr->n_attempts++];
	char where[SL_CDR_ADDRESS_MAX] = "";
	*a = (struct sl_cdr_attempt){.status = (uint16_t)status, .ms = (uint16_t)(ms > UINT16_MAX ? UINT16_MAX : ms)};
	text_copy(a->trunk, sizeof a->trunk, c->trunk ? c->trunk->name : c->user->name);
	if (d->targets[target].has_hop)
		sl_sip_hop_text(&d->targets[target].hop, where);
	text_copy(a->target, sizeof a->target, where);
}

/* All forks to a user are one call of his: one of them counts it, and hands that on when it goes. */
static struct side *fork_of(struct dial *d, unsigned target, bool counted)
{
	struct side *s;

	LIST_FOREACH(s, &d->tc->sides, link)
	{
		if (s->dial == d && s->user && s->use.counted == counted && d->targets[s->target].candidate == d->targets[target].candidate)
			return s;
	}
	return NULL;
}

void sl_attempt_counts(struct side *s)
{
	struct side *x = s->user && !s->use.counted ? fork_of(s->dial, s->target, true) : NULL;

	if (x) {
		x->use.counted = false;
		s->use.counted = true;
	}
}

void sl_attempt_over(struct side *s, int status)
{
	struct dial *d = s->dial;

	if (!d)
		return;
	sl_timer_stop(sl_b2bua_timers(s->tc->b), &s->timer);
	record(d, s->target, status, sl_b2bua_now_ms() - s->begun_ms);
	s->dial = NULL;
	d->pending--;
	if (d->heard == s)
		d->heard = NULL;
	if (status >= 300) {
		struct side *heir = s->user && s->use.counted ? fork_of(d, s->target, false) : NULL;
		s->failed = s->stale = true;
		if (heir) {
			heir->use.counted = true;
			s->use.counted = false;
		}
		sl_side_release(s);
	}
}

void sl_decision_complete(struct trunk_call *tc)
{
	const struct sl_calls_options *o = sl_calls_options(tc->call->calls);
	struct sl_trace_about about = {.kind = SL_TR_DECISION};
	const struct sl_cdr *cdr = tc->caller ? &tc->caller->leg->cdr : NULL;
	const char *before = tc->call->decision ? tc->call->decision : "{}";
	size_t n = strlen(before), room = n + 32 + SL_CDR_ATTEMPTS_MAX * 160;
	char *json = n && before[n - 1] == '}' ? malloc(room) : NULL;
	struct text text;

	if (!json)
		return;
	/* Names of trunks and users have no character that JSON would escape, nor has an address. */
	text_init(&text, json, room);
	text_add(&text, before, n - 1);
	text_put(&text, n > 2 ? ",\"attempts\":[" : "\"attempts\":[");
	for (unsigned i = 0; cdr && i < cdr->n_attempts; i++) {
		const struct sl_cdr_attempt *a = &cdr->attempts[i];
		text_format(&text, "%s{\"to\":\"%s\",\"target\":\"%s\",\"status\":%u,\"ms\":%u}", i ? "," : "", a->trunk, a->target, a->status, a->ms);
	}
	text_put(&text, "]}");
	free(tc->call->decision);
	tc->call->decision = json;
	if (o->trace)
		sl_trace_add(o->trace, &tc->call->id, &tc->call->trace_last, &about, json, text.n);
}

/* ---- no answer of a target ---- */

static void silent(struct sl_timer *t)
{
	struct side *s = (struct side *)((char *)t - offsetof(struct side, timer));
	struct dial *d = s->dial;
	struct sl_cause cause;

	if (!d || sl_sip_leg_heard(s->leg))
		return;
	sl_cause_set(&cause, 408, SL_BY_TIMER, "no answer of the target");
	sl_dial_note(d, &cause, NULL);
	sl_route_use_failed(s->tc->b->o.routing, &s->use);
	sl_attempt_over(s, 408);
	sl_leg_hangup(s->leg, &cause, NULL); /* nothing can be sent before it has answered: its end comes later, and counts no more */
	sl_dial_step(d);
}

/* ---- what is said ---- */

/* The host that From and assertions show: the trunk's own, or the domain that is called. An IPv6 address stands in brackets. */
static const char *host_for(const struct dial *d, const struct sl_route_candidate *c, char *room, size_t n)
{
	const char *host;
	size_t len;

	if (c->user) {
		host = d->identity.host[0] ? d->identity.host : c->user->domain;
		len = strlen(host);
	} else if (c->trunk->from_domain[0]) {
		host = c->trunk->from_domain;
		len = strlen(host);
	} else {
		const char *at = strchr(c->trunk->targets[0].uri, ':');
		host = at ? at + 1 : "";
		len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":;?>");
	}
	bool bare = host[0] != '[' && memchr(host, ':', len);
	snprintf(room, n, "%s%.*s%s", bare ? "[" : "", (int)len, host, bare ? "]" : "");
	return room;
}

/* The URI's own host stays; the number is the candidate's. */
static void to_for(const struct dial *d, const struct sl_route_candidate *c, const struct target *t, struct text *out)
{
	text_put(out, "<");
	if (c->user) {
		text_put(out, "sip:");
		sl_number_put(out, c->user->name);
		text_put(out, "@");
		text_put(out, c->user->domain);
	} else {
		char room[URI_ROOM];
		text_copy(room, sizeof room, t->uri);
		text_put(out, room);
	}
	text_put(out, ">");
	(void)d;
}

/* A redirect is told to whom it leads (RFC 5806). */
static void diversion(const struct dial *d, const struct target *t, const char *host, struct text *out)
{
	size_t at = out->n;

	if (!t->redirects || !d->called.user[0])
		return;
	text_put(out, "Diversion: <sip:");
	sl_number_put(out, d->called.user);
	text_put(out, "@");
	text_put(out, host);
	text_put(out, ">;reason=unconditional;counter=1\r\n");
	text_cut(out, at);
}

static int hook(struct dial *d, const struct sl_route_candidate *c, struct text *out)
{
	struct sl_b2bua *b = d->tc->b;

	if (!b->identity_hook)
		return 0;
	char more[2048] = "";
	/* NULL in a transfer: there the INVITE is ours. */
	int status = b->identity_hook(b->identity_ctx, d->tc->call, d->invite ? (const sip_t *)msg_public(d->invite, SIP_PROTOCOL_TAG) : NULL, c, more, sizeof more);
	text_put(out, more);
	return status >= 400 ? status : 0;
}

struct words {
	char from[800], to[URI_ROOM + 8], headers[SL_HEADERS_ROOM + 2048], host[SL_PROV_URI_MAX + 3];
};

/* 0 or a status. */
static int words_for(struct dial *d, const struct target *t, const struct sl_route_candidate *c, struct words *w)
{
	char room[SL_PROV_URI_MAX + 3];
	const char *host = host_for(d, c, room, sizeof room);
	bool trusted = c->trunk ? c->trunk->trusted : !d->identity.anonymous;
	struct pass_side to = {.trunk = c->trunk, .trusted = c->trunk ? c->trunk->trusted : true};
	struct pass_side from = d->tc->caller ? sl_side_pass(d->tc->caller) : to;
	struct text text;

	if (d->identity.anonymous && d->identity.critical && !to.trusted)
		return 433; /* RFC 5079: nobody there would keep it */
	const char *caller = c->user && d->identity.host[0] ? d->identity.user : c->caller;
	if (sl_identity_from(&d->identity, caller, host, trusted, w->from, sizeof w->from) < 0)
		return 500;
	text_init(&text, w->to, sizeof w->to);
	to_for(d, c, t, &text);
	text_init(&text, w->headers, sizeof w->headers);
	sl_identity_headers(&d->identity, caller, host, trusted, &text);
	sl_headers_filter(&text, d->headers, PASS_INVITE, &from, &to, host);
	diversion(d, t, host, &text);
	if (d->extra)
		text_put(&text, d->extra);
	text_put(&text, d->loop);
	text_copy(w->host, sizeof w->host, host);
	return hook(d, c, &text);
}

/* "<sip:a;lr>, <sip:b;lr>": each a route. How many. */
static unsigned split_path(char *path, const char *routes[8])
{
	unsigned n = 0;

	while (path && *path && n < 8) {
		char *end = path;
		bool inside = false;
		while (*end && (inside || *end != ',')) {
			inside = *end == '<' || (inside && *end != '>');
			end++;
		}
		char *next = *end ? end + 1 : end;
		*end = '\0';
		path += strspn(path, " \t");
		if (*path)
			routes[n++] = path;
		path = next;
	}
	return n;
}

/* ---- one attempt ---- */

static void note(struct dial *d, unsigned target, int status, int by, const char *text, unsigned retry_after_s)
{
	struct sl_cause cause;

	sl_cause_set(&cause, status, by, text);
	cause.retry_after_s = (uint16_t)retry_after_s;
	sl_dial_note(d, &cause, NULL);
	record(d, target, status, 0);
}

/* Take its share of the limits of trunk or user and route. */
static bool within_limits(struct dial *d, unsigned target, struct sl_route_use *use)
{
	const struct sl_prov_limits *hit = NULL;
	const char *whose = NULL;

	if (use->user && fork_of(d, target, true)) /* counted with the fork before */
		return true;
	if (sl_route_use_begin(d->tc->b->o.routing, use, d->tc->call->emergency, sl_b2bua_now_ms(), &hit, &whose) == 0)
		return true;
	note(d, target, hit && hit->status ? hit->status : 503, SL_BY_US, hit && hit->reason[0] ? hit->reason : "Limit Reached",
	        hit ? hit->retry_after_s : 0);
	if (d->tc->b->o.sip)
		sl_sip_counts(d->tc->b->o.sip)->refused_limit++;
	return false;
}

static struct sl_leg *invite(struct dial *d, const struct target *t, const struct sl_route_candidate *c, const struct words *w, struct sl_slice sdp)
{
	struct sl_sip_credentials credentials = {0};
	char path[SL_BINDING_PATH_MAX], user[2 * SL_PROV_NAME_MAX + 2] = "";
	const char *routes[8];
	struct sl_sip_dial dial = {.hop = t->hop,
		.request_uri = t->uri,
		.from = w->from,
		.to = w->to,
		.routes = routes,
		.sdp = sdp,
		.headers = w->headers[0] ? w->headers : NULL,
		.max_forwards = d->max_forwards ? d->max_forwards : -1,
		.rel100 = sdp.n && (c->trunk ? c->trunk->rel100 : sl_sip_leg_supports(d->tc->caller->leg, "100rel")),
		.session_expires_s = c->trunk ? c->trunk->session_expires_s : 1800,
		.contact_user = c->trunk ? c->trunk->contact_user : "",
		.trunk = c->trunk ? c->trunk->name : NULL,
		.route = c->route ? c->route->name : NULL,
		.tenant_domain = w->host};

	text_copy(path, sizeof path, t->path ? t->path : "");
	dial.n_routes = split_path(path, routes);
	if (c->user) {
		snprintf(user, sizeof user, "%s@%s", c->user->name, c->user->domain);
		dial.user = user;
	}
	if (c->trunk && c->trunk->has_auth) {
		credentials.username = c->trunk->username;
		credentials.realm = c->trunk->realm;
		memcpy(credentials.ha1_md5, c->trunk->ha1_md5, sizeof credentials.ha1_md5);
		memcpy(credentials.ha1_sha256, c->trunk->ha1_sha256, sizeof credentials.ha1_sha256);
		dial.credentials = &credentials;
	}
	return sl_sip_dial(d->tc->b->o.sip, d->tc->call, &dial);
}

/* Whose session the callee is offered: the caller's; in a transfer that of who remains. */
static struct side *offerer(const struct dial *d)
{
	return d->tc->up && d->tc->transfer ? d->tc->transfer->remaining : d->tc->caller;
}

void sl_attempt(struct dial *d, unsigned target)
{
	struct trunk_call *tc = d->tc;
	const struct sl_route_candidate *c = candidate_of(d, target);
	struct side *a = offerer(d);
	struct sl_route_use use = {.snapshot = d->snapshot, .trunk = c->trunk, .user = c->user, .route = c->route};
	struct sl_leg early = {.direction = SL_LEG_OUT};
	struct words w;
	struct sl_cause cause;
	struct sl_slice sdp = {0};
	int status;

	if (d->sips && d->targets[target].hop.transport != SL_SIP_TLS) {
		note(d, target, 480, SL_BY_US, NULL, 0);
		return;
	}
	if (sl_media_bridge(tc) < 0) {
		note(d, target, 500, SL_BY_US, NULL, 0);
		return;
	}
	if (!within_limits(d, target, &use))
		return;
	if ((status = words_for(d, &d->targets[target], c, &w))) {
		sl_route_use_end(tc->b->o.routing, &use);
		note(d, target, status, SL_BY_US, NULL, 0);
		return;
	}
	/* The offer must be there before the leg is: a side that is not a leg yet stands for it. */
	struct side to = {.tc = tc, .leg = &early, .trunk = c->trunk, .user = c->user, .origin.id = sl_prng_next(&tc->b->prng) >> 2};
	sl_media_party_new(tc, &early);
	if (!a->leg->media_tag[0])
		sl_media_party_new(tc, a->leg);
	if (a->sdp && sl_media_offer_new(a, &to, &d->targets[target].hop, d->targets[target].plain, &sdp, &cause) < 0) {
		sl_route_use_end(tc->b->o.routing, &use);
		note(d, target, cause.status, cause.by, cause.text, 0);
		d->next = d->n_targets; /* it will be no better with others */
		d->candidates_tried = cause.status == 488 && c->user == NULL ? d->candidates_tried : d->decision.n;
		return;
	}
	struct sl_leg *l = invite(d, &d->targets[target], c, &w, sdp);
	struct side *s = l ? sl_side_new(tc, l) : NULL;
	if (!s) {
		struct sl_cause none;
		sl_route_use_end(tc->b->o.routing, &use);
		sl_cause_set(&none, 500, SL_BY_US, NULL);
		if (l)
			sl_leg_hangup(l, &none, NULL);
		note(d, target, 500, SL_BY_US, NULL, 0);
		return;
	}
	sl_side_owner(s, d->snapshot, c->trunk, c->user);
	s->use.route = c->route;
	s->use.counted = use.counted;
	s->origin = to.origin;
	s->number = strdup(c->called);
	memcpy(l->media_tag, early.media_tag, sizeof l->media_tag);
	memcpy(l->media_branch, early.media_branch, sizeof l->media_branch);
	sl_bridge_join(tc->bridge, l);
	s->dial = d;
	s->target = (uint16_t)target;
	s->begun_ms = sl_b2bua_now_ms();
	s->timer.fn = silent;
	d->pending++;
	if (c->trunk && c->trunk->timeout_ms)
		sl_timer_set(sl_b2bua_timers(tc->b), &s->timer, s->begun_ms + c->trunk->timeout_ms);
	sl_media_drop_stale(tc);
	sl_call_changed(tc->call);
}
