/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What the two sides say about media goes through the engine: interfaces by listener, SRTP and codecs by the policy of both sides, an
 * origin of its own for each side. */

#include "controlplane/b2bua/internal.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "dataplane/abi/log.h"

static struct sl_slice slice(const char *text)
{
	return (struct sl_slice){text, strlen(text)};
}

/* ---- policy ---- */

unsigned sl_media_srtp_of(const struct side *s)
{
	return s->trunk ? s->trunk->srtp : s->user ? s->user->srtp : SL_PROV_SRTP_ASIS;
}

static const struct sl_prov_codecs *codecs_of(const struct side *s)
{
	return s->trunk ? &s->trunk->codecs : s->user ? &s->user->codecs : NULL;
}

bool sl_media_policy_admits(const struct side *s, struct sl_slice sdp)
{
	struct look l;

	sl_look(sdp, &l);
	switch (sl_media_srtp_of(s)) {
	case SL_PROV_SRTP_REQUIRE:
		return !l.plain;
	case SL_PROV_SRTP_OFF:
		return !l.secure && !l.dtls;
	default:
		return true;
	}
}

/* What `to` is offered when `from` offers that. plain: SRTP was preferred, and refused. */
static void transport(const struct side *to, struct sl_slice sdp, bool plain, struct sl_media_options *o)
{
	struct look l;
	bool secure;

	sl_look(sdp, &l);
	switch (sl_media_srtp_of(to)) {
	case SL_PROV_SRTP_OFF:
		secure = false;
		break;
	case SL_PROV_SRTP_REQUIRE:
		secure = true;
		break;
	case SL_PROV_SRTP_PREFER: /* later offers keep what was agreed */
		secure = to->sdp ? to->secure : !plain;
		break;
	default:
		return;
	}
	if (l.dtls && secure) /* it is secure already, and only passed on */
		return;
	o->set_proto = true;
	o->proto = secure ? l.feedback ? SL_SDP_RTP_SAVPF : SL_SDP_RTP_SAVP : l.feedback ? SL_SDP_RTP_AVPF : SL_SDP_RTP_AVP;
}

static bool in_list(const char (*list)[24], unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++) {
		if (strcasecmp(list[i], name) == 0)
			return true;
	}
	return false;
}

static bool is_stripped(const struct sl_prov_codecs *c, const char *name)
{
	return c && in_list(c->strip, c->n_strip, name);
}

static bool is_wanted(const struct sl_prov_codecs *c, const char *name)
{
	return !c || c->n_only == 0 || in_list(c->only, c->n_only, name);
}

/* Both sides' rules at once: stripped by either, and where one has a list of its own, nothing else; DTMF events are no codec to choose. */
static void codecs(const struct side *from, const struct side *to, struct sl_media_options *o)
{
	const struct sl_prov_codecs *side[2] = {codecs_of(from), codecs_of(to)};
	const struct sl_prov_codecs *only = side[0] && side[0]->n_only ? side[0] : side[1] && side[1]->n_only ? side[1] : NULL;

	if (!only) {
		for (unsigned k = 0; k < 2; k++) {
			for (unsigned i = 0; side[k] && i < side[k]->n_strip && o->n_strip < SL_MEDIA_MAX_FILTER; i++)
				o->strip[o->n_strip++] = slice(side[k]->strip[i]);
		}
	} else {
		o->strip[o->n_strip++] = slice("all");
		for (unsigned i = 0; i < only->n_only && o->n_except < SL_MEDIA_MAX_FILTER - 2; i++) {
			const char *name = only->only[i];
			if (is_wanted(side[0], name) && is_wanted(side[1], name) && !is_stripped(side[0], name) && !is_stripped(side[1], name))
				o->except[o->n_except++] = slice(name);
		}
		if (o->n_except && !is_stripped(side[0], "telephone-event") && !is_stripped(side[1], "telephone-event"))
			o->except[o->n_except++] = slice("telephone-event");
	}
	if (o->n_strip)
		o->flags |= SL_MF_ALLOW_NO_CODEC; /* an offer without any is refused, not passed as it was */
}

static struct sl_slice hop_interface(const struct sl_b2bua *b, unsigned listener)
{
	const struct sl_conf_sip_listener *l = b->o.sip ? sl_sip_listener(b->o.sip, listener) : NULL;

	return l ? slice(l->media) : (struct sl_slice){0};
}

/* Where a leg is; NULL: it is none yet, or of another kind. */
static const struct sl_sip_flow *flow_of(const struct side *s)
{
	return s->tc->b->o.sip && s->leg->ops && sl_leg_is_sip(s->leg) ? sl_sip_leg_flow(s->leg) : NULL;
}

static struct sl_slice interface_of(const struct side *s)
{
	const struct sl_sip_flow *f = flow_of(s);

	return f ? hop_interface(s->tc->b, f->listener) : (struct sl_slice){0};
}

/* What the tenant's media may have altogether. */
static unsigned meter_of(const struct trunk_call *tc)
{
	const struct sl_b2bua *b = tc->b;
	const struct sl_prov_tenant *t = b->o.prov ? sl_prov_tenant(sl_prov_now(b->o.prov), tc->call->tenant) : NULL;

	return t ? sl_warden_meter(b->o.warden, t->name, t->media_pps, t->media_kbps) : 0;
}

void sl_media_restored(struct trunk_call *tc)
{
	if (tc->bridge)
		sl_media_set_meter(tc->b->o.media, slice(tc->bridge->media_id), meter_of(tc));
}

/* ---- through the engine ---- */

static int failed(struct side *s, const struct sl_media_error *e, struct sl_cause *cause)
{
	int status = 500;

	switch (e->code) {
	case SL_MEDIA_ERR_SYNTAX:
	case SL_MEDIA_ERR_UNSUPPORTED:
		status = 488;
		break;
	case SL_MEDIA_ERR_SESSIONS:
	case SL_MEDIA_ERR_PORTS:
	case SL_MEDIA_ERR_LOAD:
	case SL_MEDIA_ERR_AWAY:
		status = 503;
		break;
	default:
		break;
	}
	sl_cause_set(cause, status, SL_BY_US, NULL);
	snprintf(cause->text, sizeof cause->text, "%.*s", (int)sizeof cause->text - 1, status == 488 ? sl_status_text(488) : e->text);
	sl_log(SL_LOG_INFO, "call %s: media: %s", s->tc->bridge ? s->tc->bridge->media_id : "?", e->text);
	return -EINVAL;
}

static void request_of(struct side *from, struct side *to, struct sl_slice sdp, struct sl_media_request *q)
{
	const struct sl_sip_flow *f = flow_of(from), *t = flow_of(to);

	*q = (struct sl_media_request){.call_id = slice(from->tc->bridge->media_id),
		.from_tag = slice(from->leg->media_tag),
		.to_tag = slice(to->leg->media_tag),
		.sdp = sdp,
		.options = {.flags = SL_MF_REPLACE_ORIGIN | SL_MF_REPLACE_CONNECTION, .dscp = -1, .delete_delay_s = 0}};
	if (t)
		q->options.address_family = sl_ip_is_v4(&t->remote.ip) ? AF_INET : AF_INET6;
	if (f) /* a client behind NAT names an address that cannot be meant: then the one its message came from is */
		q->options.received_from = f->remote.ip;
}

static int with_origin(struct side *to, const struct sl_media_reply *r, struct sl_slice *out, struct sl_cause *cause)
{
	struct sl_b2bua *b = to->tc->b;
	int n = sl_origin_write(&to->origin, (struct sl_slice){r->sdp, r->sdp_len}, b->sdp2, SDP_ROOM);

	if (n < 0) {
		sl_cause_set(cause, 488, SL_BY_US, NULL);
		return n;
	}
	*out = (struct sl_slice){b->sdp2, (size_t)n};
	return 0;
}

static int offer(struct side *from, struct side *to, const struct sl_sip_hop *hop, struct sl_slice sdp, bool plain, struct sl_slice *out,
        struct sl_cause *cause)
{
	struct sl_b2bua *b = from->tc->b;
	struct sl_media_request q;
	struct sl_media_reply r = {.sdp = b->sdp, .sdp_room = SDP_ROOM};
	struct sl_media_error e = {0};
	struct look l;

	if (!sl_media_policy_admits(from, sdp)) {
		sl_cause_set(cause, 488, SL_BY_US, NULL);
		return -EPERM;
	}
	request_of(from, to, sdp, &q);
	q.via_branch = slice(to->leg->media_branch);
	q.options.from_interface = interface_of(from);
	q.options.to_interface = hop ? hop_interface(from->tc->b, hop->listener) : interface_of(to);
	if (hop)
		q.options.address_family = sl_ip_is_v4(&hop->to.ip) ? AF_INET : AF_INET6;
	q.options.meter = meter_of(from->tc);
	transport(to, sdp, plain, &q.options);
	codecs(from, to, &q.options);
	if (from->leg->bridge != from->tc->bridge)
		sl_bridge_join(from->tc->bridge, from->leg);
	if (sl_media_offer(b->o.media, &q, &r, &e) != SL_MEDIA_OK)
		return failed(from, &e, cause);
	sl_look((struct sl_slice){r.sdp, r.sdp_len}, &l);
	if (l.n_media && l.n_media == l.n_rejected + l.n_mute && q.options.n_strip) { /* nothing to speak with is left */
		sl_cause_set(cause, 488, SL_BY_US, NULL);
		return -EPERM;
	}
	return with_origin(to, &r, out, cause);
}

int sl_media_pass_offer(struct side *from, struct side *to, struct sl_slice sdp, bool plain, struct sl_slice *out, struct sl_cause *cause)
{
	struct trunk_call *tc = from->tc;

	if (sl_media_bridge(tc) < 0) {
		sl_cause_set(cause, 500, SL_BY_US, NULL);
		return -ENOMEM;
	}
	if (!from->leg->media_tag[0])
		sl_media_party_new(tc, from->leg);
	if (!to->leg->media_tag[0])
		sl_media_party_new(tc, to->leg);
	if (to->leg->bridge != tc->bridge)
		sl_bridge_join(tc->bridge, to->leg);
	return offer(from, to, NULL, sdp, plain, out, cause);
}

int sl_media_offer_new(struct side *from, struct side *to, const struct sl_sip_hop *hop, bool plain, struct sl_slice *out, struct sl_cause *cause)
{
	return offer(from, to, hop, (struct sl_slice){from->sdp, from->sdp_len}, plain, out, cause);
}

int sl_media_pass_answer(struct side *from, struct side *to, struct sl_slice sdp, struct sl_slice *out, struct sl_cause *cause)
{
	struct sl_b2bua *b = from->tc->b;
	struct sl_media_request q;
	struct sl_media_reply r = {.sdp = b->sdp, .sdp_room = SDP_ROOM};
	struct sl_media_error e = {0};

	/* The engine names the offerer first, whoever speaks. */
	request_of(from, to, sdp, &q);
	q.from_tag = slice(to->leg->media_tag);
	q.to_tag = slice(from->leg->media_tag);
	q.via_branch = slice(from->leg->media_branch);
	if (sl_media_answer(b->o.media, &q, &r, &e) != SL_MEDIA_OK)
		return failed(from, &e, cause);
	return with_origin(to, &r, out, cause);
}

void sl_media_said(struct side *s, struct sl_slice sdp)
{
	struct sl_call *c = s->tc->call;
	struct look l;

	sl_look(sdp, &l);
	s->secure = l.secure;
	if (sdp.n != s->sdp_len || !s->sdp) {
		char *p = malloc(sdp.n ? sdp.n : 1);
		if (!p)
			return;
		if (s->sdp)
			OPENSSL_cleanse(s->sdp, s->sdp_len); /* keys */
		free(s->sdp);
		s->sdp = p;
		s->sdp_len = sdp.n;
	}
	memcpy(s->sdp, sdp.p, sdp.n);
	if (l.held != s->held && s->tc->up) {
		s->held = l.held;
		sl_call_event_publish(s->tc->b->o.events, l.held ? SL_CE_LEG_HELD : SL_CE_LEG_RESUMED, c->tenant, &c->id, &s->leg->id, "%s", "");
	}
}

/* ---- parties ---- */

void sl_media_party_new(struct trunk_call *tc, struct sl_leg *l)
{
	unsigned n = tc->branches++;

	snprintf(l->media_tag, sizeof l->media_tag, "t%u", n);
	if (l->direction == SL_LEG_OUT || n > 0)
		snprintf(l->media_branch, sizeof l->media_branch, "b%u", n);
}

int sl_media_bridge(struct trunk_call *tc)
{
	if (!tc->bridge)
		tc->bridge = sl_bridge_new(tc->call);
	return tc->bridge ? 0 : -ENOMEM;
}

/* A failed attempt's party goes when the next one's offer is there: the caller's own party is kept by it, with its ports. */
void sl_media_drop_stale(struct trunk_call *tc)
{
	struct side *s;

	LIST_FOREACH(s, &tc->sides, link)
	{
		if (!s->stale || !tc->bridge)
			continue;
		s->stale = false;
		sl_media_delete(tc->b->o.media, slice(tc->bridge->media_id), (struct sl_slice){0}, slice(s->leg->media_branch), 0, NULL, NULL);
	}
}

/* ---- the end ---- */

static const struct sl_media_party *party_of(const struct sl_media_session *s, const char *tag)
{
	for (unsigned i = 0; i < s->n_parties; i++) {
		if (strcmp(s->parties[i]->tag, tag) == 0)
			return s->parties[i];
	}
	return NULL;
}

static unsigned mos_x100(double mos)
{
	return mos > 0 ? (unsigned)(mos * 100 + 0.5) : 0;
}

static void into_cdr(const struct sl_media_party *p, const struct side *s, struct sl_cdr *cdr)
{
	unsigned n = 0, mos = 0;

	cdr->media = s->before;
	cdr->media.mos_x100 = 0;
	for (unsigned i = 0; i < p->n_sections; i++) {
		const struct sl_media_section *x = p->sections[i];
		const struct sl_evt_leg *e = &x->leg.stats;
		if (!x->leg.ref.id || x->bundled)
			continue;
		cdr->media.packets_in += e->rx_packets;
		cdr->media.bytes_in += e->rx_bytes;
		cdr->media.packets_out += e->tx_packets;
		cdr->media.bytes_out += e->tx_bytes;
		cdr->media.lost += e->rx_lost;
		if (e->rx_jitter_us > cdr->media.jitter_us)
			cdr->media.jitter_us = e->rx_jitter_us;
		if (e->rtt_us > cdr->media.round_trip_us)
			cdr->media.round_trip_us = e->rtt_us;
		if (!cdr->codec[0])
			text_copy(cdr->codec, sizeof cdr->codec, x->codec);
		if (x->leg.mos_n) {
			mos += mos_x100(x->leg.mos_sum / x->leg.mos_n);
			n++;
			unsigned min = mos_x100(x->leg.mos_min);
			if (!cdr->media.mos_min_x100 || min < cdr->media.mos_min_x100)
				cdr->media.mos_min_x100 = (uint16_t)min;
		}
	}
	cdr->media.mos_x100 = n ? (uint16_t)(mos / n) : s->before.mos_x100;
}

static void trace_leg(struct trunk_call *tc, const struct sl_leg *l)
{
	const struct sl_calls_options *o = sl_calls_options(tc->call->calls);
	struct sl_trace_about about = {.kind = SL_TR_MEDIA, .leg = l->id};
	const struct sl_cdr *c = &l->cdr;
	char json[400];
	int n = snprintf(json, sizeof json,
	        "{\"codec\":\"%s\",\"packets_in\":%llu,\"bytes_in\":%llu,\"packets_out\":%llu,\"bytes_out\":%llu,\"lost\":%u,\"jitter_ms\":%.1f,"
	        "\"round_trip_ms\":%.1f,\"mos\":%.2f,\"mos_min\":%.2f}",
	        c->codec, (unsigned long long)c->media.packets_in, (unsigned long long)c->media.bytes_in,
	        (unsigned long long)c->media.packets_out, (unsigned long long)c->media.bytes_out, c->media.lost, c->media.jitter_us / 1e3,
	        c->media.round_trip_us / 1e3, c->media.mos_x100 / 1e2, c->media.mos_min_x100 / 1e2);

	if (o->trace && n > 0 && (size_t)n < sizeof json)
		sl_trace_add(o->trace, &tc->call->id, &tc->call->trace_last, &about, json, (size_t)n);
}

static void into_cdrs(struct trunk_call *tc, const struct sl_media_session *session)
{
	struct side *s;

	LIST_FOREACH(s, &tc->sides, link)
	{
		const struct sl_media_party *p = session && s->leg->media_tag[0] ? party_of(session, s->leg->media_tag) : NULL;
		if (p)
			into_cdr(p, s, &s->leg->cdr);
	}
}

void sl_media_counts_now(struct trunk_call *tc)
{
	if (tc->bridge)
		into_cdrs(tc, sl_media_find(tc->b->o.media, slice(tc->bridge->media_id)));
}

static void counted(void *ctx, const struct sl_media_session *session, const struct sl_media_error *e)
{
	struct farewell *f = ctx;
	struct trunk_call *tc = f->tc;
	struct side *s;

	(void)e;
	if (f->b)
		LIST_REMOVE(f, link);
	free(f);
	if (!tc)
		return;
	tc->media_gone = true;
	into_cdrs(tc, session);
	LIST_FOREACH(s, &tc->sides, link)
	{
		if (s->leg->cdr.answered_unix_ms)
			trace_leg(tc, s->leg);
	}
	sl_trunk_check_closed(tc);
}

void sl_media_farewell(struct trunk_call *tc)
{
	struct farewell *f = tc->bridge ? calloc(1, sizeof *f) : NULL;

	if (!f) {
		tc->media_gone = true;
		return;
	}
	f->b = tc->b;
	f->tc = tc;
	LIST_INSERT_HEAD(&tc->b->farewells, f, link);
	sl_media_delete(tc->b->o.media, slice(tc->bridge->media_id), (struct sl_slice){0}, (struct sl_slice){0}, 0, counted, f);
}
