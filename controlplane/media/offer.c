/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* An offer: from the party whose SDP it is, to the one it is sent on to (RFC 3264 5, 8). */

#include "controlplane/media/plan.h"

#include <stdio.h>
#include <string.h>

/* ---- who ---- */

static enum sl_media_result find_parties(struct sl_media *m, struct sl_plan *plan, struct sl_media_error *e)
{
	const struct sl_media_request *q = plan->q;
	struct party *from = NULL, *to = NULL;
	enum sl_media_result rc = sl_plan_session(m, plan, e);

	if (rc)
		return rc;
	sl_party_of_offer(plan->session, q, &from, &to);
	if (from == to && from)
		return sl_media_fail(e, SL_MEDIA_ERR_SYNTAX, "from-tag and to-tag are the same");
	if ((from && from->pub.flags & SL_PARTY_SUBSCRIBER) || (to && to->pub.flags & SL_PARTY_SUBSCRIBER))
		return sl_media_fail(e, SL_MEDIA_ERR_STATE, "the tag is a subscriber's");
	const struct sl_slice none = {0};
	unsigned n = sl_plan_sections(plan);
	if ((rc = sl_plan_side(plan, &plan->from, from, n, q->from_tag, none, e)) ||
	        (rc = sl_plan_side(plan, &plan->to, to, n, q->to_tag, q->via_branch, e)))
		return rc;
	if (plan->from.fresh && (rc = sl_plan_interface(m, plan->from.party, q->options.from_interface, e)))
		return rc;
	return plan->to.fresh ? sl_plan_interface(m, plan->to.party, q->options.to_interface, e)
	                      : SL_MEDIA_OK;
}

/* ---- one section ---- */

/* What the other side is offered: what was asked; else what it had, if it had something else than the offerer
 * before (we were translating); else the same. */
static uint8_t proto_towards(const struct sl_media_options *o, const struct sl_sdp_media *md,
        const struct section *before_from, const struct section *before_to)
{
	if (o->set_proto)
		return (uint8_t)o->proto;
	if (section_has_leg(before_from) && section_has_leg(before_to) && before_from->kind == SL_NEGO_RTP &&
	        before_from->pub.proto != before_to->pub.proto)
		return before_to->pub.proto;
	return (uint8_t)md->proto;
}

static enum sl_media_result offer_crypto(
        struct sl_plan *plan, unsigned i, struct section *a, struct section *b, struct sl_media_error *e)
{
	struct sl_sdp_media_edit *me = &plan->edit.media[i];
	enum sl_media_result rc;

	a->pub.leg.set.flags &= ~(uint32_t)SL_LEG_RAW;
	b->pub.leg.set.flags &= ~(uint32_t)SL_LEG_RAW;
	/* Keys in force go with an answer that takes it: it may never come, and until then nothing leaves
	 * without. */
	if (sl_nego_is_secure(a->pub.proto) && (rc = sl_sdes_take(plan, i, a, e)))
		return rc;
	if (sl_nego_is_secure(b->pub.proto) && (rc = sl_sdes_offer(plan, i, b, e)))
		return rc;
	/* Theirs are for us only; also where they go with plain RTP (RFC 8643), which then stays plain. */
	me->set_crypto = true;
	me->n_crypto = sl_nego_is_secure(b->pub.proto) ? b->n_offered : 0;
	me->crypto = b->offered;
	me->remove_dtls = true;
	return SL_MEDIA_OK;
}

static void offer_mux(struct sl_plan *plan, unsigned i, struct section *a, struct section *b)
{
	const struct sl_sdp_media *md = &plan->sdp.media[i];
	struct sl_sdp_media_edit *me = &plan->edit.media[i];
	struct sl_nego_mux mux = sl_nego_mux(plan->q->options.rtcp_mux, md->rtcp_mux, md->rtcp_mux_only);

	a->mux_offered = md->rtcp_mux;
	a->mux_accept = mux.accept;
	b->mux_offered = mux.offer;
	b->mux_only = mux.offer && mux.only;
	if (mux.offer != md->rtcp_mux)
		me->mux = mux.offer ? SL_SDP_MUX_ADD : SL_SDP_MUX_REMOVE;
	me->local_rtcp_port = b->mux_only ? 0 : 1; /* which one is known when it is drawn */
}

/* Families of legs to be made: the offerer is reached where it says, the other as asked, or where it is
 * already. */
static void set_families(struct sl_plan *plan, unsigned i, const struct section *b)
{
	const struct sl_media_options *o = &plan->q->options;
	const struct sl_ip *said = &plan->sdp.media[i].connection;
	bool known = said->q[0] | said->q[1];

	plan->from.family[i] = known && !sl_ip_is_v4(said) ? AF_INET6 : AF_INET;
	plan->from.family_asked[i] = known;
	plan->to.family[i] = o->address_family ? o->address_family : plan->from.family[i];
	plan->to.family_asked[i] = o->address_family != 0;
	for (unsigned k = 0; k < plan->to.n && !o->address_family && !section_has_leg(b); k++) {
		const struct sl_endpoint *at = &plan->to.next[k].pub.leg.set.remote_rtp;
		if (section_has_leg(&plan->to.next[k]) && at->port_be)
			plan->to.family[i] = sl_ip_is_v4(&at->ip) ? AF_INET : AF_INET6;
	}
}

/* Does section i ride on another one's transport (RFC 8843 7)? In an initial offer each may still have its
 * own. */
static int shares(const struct sl_sdp *sdp, unsigned i)
{
	const struct sl_sdp_media *md = &sdp->media[i];
	int with = md->bundle;

	if (with < 0 || with == (int)i || with >= SL_MEDIA_MAX_SECTIONS)
		return -1;
	if (md->port == 0)
		return md->bundle_only ? with : -1;
	return md->port == sdp->media[with].port && sl_ip_eq(&md->connection, &sdp->media[with].connection)
	               ? with
	               : -1;
}

static enum sl_media_result relay(
        struct sl_media *m, struct sl_plan *plan, unsigned i, struct sl_media_error *e)
{
	const struct sl_media_options *o = &plan->q->options;
	const struct sl_sdp_media *md = &plan->sdp.media[i];
	struct section *a = &plan->from.next[i], *b = &plan->to.next[i];
	struct sl_sdp_media_edit *me = &plan->edit.media[i];
	uint8_t kind = (uint8_t)sl_nego_kind(md), proto = proto_towards(o, md, a, b);
	enum sl_media_result rc;

	if (kind == SL_NEGO_UDPTL)
		proto = (uint8_t)md->proto;
	if (kind == SL_NEGO_DTLS ? proto != md->proto : proto > SL_SDP_RTP_SAVPF && kind == SL_NEGO_RTP)
		return sl_media_fail(e, SL_MEDIA_ERR_UNSUPPORTED,
		        "media section %u: DTLS-SRTP is passed on, not terminated: transport-protocol must "
		        "stay as offered",
		        i + 1);
	a->kind = b->kind = kind;
	a->pub.proto = (uint8_t)md->proto;
	b->pub.proto = proto;
	b->pub.rejected = 0;
	a->pub.bundled = b->pub.bundled = 0;
	if ((rc = sl_plan_said(plan, i, a, e)))
		return rc;
	if (kind == SL_NEGO_RTP) { /* what is not is relayed as it comes once that is answered */
		if ((rc = offer_crypto(plan, i, a, b, e)))
			return rc;
		sl_nego_codecs(o, md, me);
	}
	offer_mux(plan, i, a, b);
	sl_nego_payload_types(&a->types, &b->types, &a->pub.leg.set);
	sl_nego_payload_types(&b->types, &a->types, &b->pub.leg.set);
	if (o->flags & SL_MF_STABLE_SSRC && kind == SL_NEGO_RTP)
		b->pub.leg.set.flags |= SL_LEG_REWRITE_SSRC;
	if (o->dscp >= 0)
		b->pub.leg.set.dscp = (uint8_t)o->dscp;
	set_families(plan, i, b);
	me->relay = true;
	me->set_proto = proto != md->proto;
	me->proto = proto;
	return SL_MEDIA_OK;
}

static enum sl_media_result section(
        struct sl_media *m, struct sl_plan *plan, unsigned i, struct sl_media_error *e)
{
	const struct sl_sdp_media *md = &plan->sdp.media[i];
	bool other = sl_nego_kind(md) == SL_NEGO_OTHER;

	if (i >= SL_MEDIA_MAX_SECTIONS) {
		plan->edit.media[i].reject = !other && md->port;
		return SL_MEDIA_OK;
	}
	struct section *a = &plan->from.next[i], *b = &plan->to.next[i];
	int with = shares(&plan->sdp, i);
	sl_slice_copy(md->type, a->pub.type, sizeof a->pub.type);
	sl_slice_copy(md->type, b->pub.type, sizeof b->pub.type);
	if (other) {
		a->kind = b->kind = SL_NEGO_OTHER;
		a->pub.proto = b->pub.proto = SL_SDP_OTHER;
		return SL_MEDIA_OK;
	}
	if (md->port == 0 && with < 0) {
		sl_plan_reject(a);
		sl_plan_reject(b);
		return SL_MEDIA_OK;
	}
	enum sl_media_result rc = md->port ? relay(m, plan, i, e) : SL_MEDIA_OK;
	if (rc == SL_MEDIA_OK && with >= 0) {
		sl_plan_bundle(a, (unsigned)with);
		sl_plan_bundle(b, (unsigned)with);
	}
	return rc;
}

/* Sections of one transport have one key (RFC 8843 7.1.2): the first one's. */
static void share_keys(struct sl_plan *plan)
{
	for (unsigned i = 0; i < sl_plan_sections(plan); i++) {
		const struct section *x = &plan->to.next[i];
		if (!x->pub.bundled || !plan->edit.media[i].relay || !plan->edit.media[i].set_crypto)
			continue;
		plan->edit.media[i].n_crypto = plan->edit.media[x->pub.bundle].n_crypto;
		plan->edit.media[i].crypto = plan->edit.media[x->pub.bundle].crypto;
	}
}

/* ---- all of it ---- */

static enum sl_media_result plan_offer(struct sl_media *m, struct sl_media_reply *r, struct sl_media_error *e)
{
	struct sl_plan *plan = m->plan;
	enum sl_media_result rc = find_parties(m, plan, e);

	for (unsigned i = 0; rc == SL_MEDIA_OK && i < plan->sdp.n_media; i++)
		rc = section(m, plan, i, e);
	sl_plan_shared(&plan->from);
	sl_plan_shared(&plan->to);
	if (rc || (rc = sl_plan_legs(m, plan, e)) || (rc = sl_plan_families(m, plan, e)))
		return rc;
	share_keys(plan);
	return sl_plan_write(m, plan, r, e);
}

static void join(struct sl_media *m, struct sl_plan *plan)
{
	struct party *a = plan->from.party, *b = plan->to.party;
	const struct sl_media_options *o = &plan->q->options;

	a->pub.flags |= SL_PARTY_OFFERED | (o->flags & SL_MF_BLOCK_DTMF ? SL_PARTY_DTMF_BLOCKED : 0);
	b->peer = a; /* a's peer is whoever answers */
	if (!a->peer)
		a->peer = b;
	b->offered_ms = m->now_ms;
	if (!b->pub.tag[0])
		sl_slice_copy(plan->q->to_tag, b->pub.tag, sizeof b->pub.tag);
	if (!a->pub.tag[0])
		sl_slice_copy(plan->q->from_tag, a->pub.tag, sizeof a->pub.tag);
	if (o->label.n)
		sl_slice_copy(o->label, a->pub.label, sizeof a->pub.label);
	if (o->flags & SL_MF_RECORD && m->recorder)
		sl_recording_want(m, plan->session, m->conf->recording_pcap);
	plan->session->pub.delete_at_ms = 0;
}

/* The same SDP once more: it has been here (a signalling loop), and is left alone. */
static enum sl_media_result loops(
        const struct sl_media_request *q, struct sl_media_reply *r, struct sl_media_error *e)
{
	if (q->sdp.n > r->sdp_room)
		return sl_media_fail(e, SL_MEDIA_ERR_SYNTAX, "the SDP is too long");
	memcpy(r->sdp, q->sdp.p, q->sdp.n);
	r->sdp_len = q->sdp.n;
	return SL_MEDIA_OK;
}

enum sl_media_result sl_media_offer(struct sl_media *m, const struct sl_media_request *q,
        struct sl_media_reply *r, struct sl_media_error *e)
{
	struct sl_plan *plan = m->plan;
	enum sl_media_result rc = sl_plan_read(m, q, true, e);

	m->counts.offers++;
	r->sdp_len = 0;
	r->warning[0] = '\0';
	if (rc == SL_MEDIA_OK && q->options.flags & SL_MF_LOOP_PROTECT &&
	        sl_sdp_has_attribute(&plan->sdp, m->loop_mark))
		return loops(q, r, e);
	if (rc == SL_MEDIA_OK) {
		rc = plan_offer(m, r, e);
		if (rc)
			sl_plan_abandon(m, plan);
	}
	if (rc) {
		m->counts.errors++;
		r->sdp_len = 0;
		return rc;
	}
	join(m, plan);
	plan->session->meter = (uint16_t)q->options.meter;
	if (plan->fresh)
		m->counts.sessions_total++;
	if (q->options.flags & SL_MF_ALWAYS_TRANSCODE)
		snprintf(r->warning, sizeof r->warning,
		        "transcoding is not done here: codecs are passed as they are");
	sl_plan_commit(m, plan, (struct sl_slice){r->sdp, r->sdp_len});
	return SL_MEDIA_OK;
}
