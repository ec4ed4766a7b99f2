/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* An answer: from the party that was offered something, to the one that offered it (RFC 3264 6). */

#include "controlplane/media/plan.h"

#include <stdio.h>
#include <string.h>

static enum sl_media_result find_parties(struct sl_media *m, struct sl_plan *plan, struct sl_media_error *e)
{
	const struct sl_media_request *q = plan->q;
	const struct sl_slice none = {0};

	plan->session = sl_session_find(m, q->call_id);
	if (!plan->session)
		return sl_media_fail(e, SL_MEDIA_ERR_NOT_FOUND, "Unknown call-id");
	if (plan->session->pub.delete_at_ms)
		return sl_media_fail(e, SL_MEDIA_ERR_STATE, "the call is deleted");
	if (q->to_tag.n == 0)
		return sl_media_fail(e, SL_MEDIA_ERR_SYNTAX, "to-tag is missing");
	struct party *a = sl_party_by_tag(plan->session, q->from_tag);
	if (!a)
		return sl_media_fail(e, SL_MEDIA_ERR_NOT_FOUND, "Unknown from-tag");
	struct party *b = sl_party_of_answer(plan->session, a, q);
	if (!b || !(a->pub.flags & SL_PARTY_OFFERED) || (a->pub.flags | b->pub.flags) & SL_PARTY_SUBSCRIBER)
		return sl_media_fail(e, SL_MEDIA_ERR_STATE, "an answer without an offer");
	unsigned n = sl_plan_sections(plan);
	enum sl_media_result rc = sl_plan_side(plan, &plan->from, b, n, none, none, e);
	return rc ? rc : sl_plan_side(plan, &plan->to, a, n, none, none, e);
}

/* Is section i of a still alive with another branch that it was offered to? */
static bool wanted_elsewhere(
        const struct session *s, const struct party *a, const struct party *b, unsigned i)
{
	for (unsigned k = 0; k < s->pub.n_parties; k++) {
		const struct party *p = party_at(s, k);
		if (p != a && p != b && !p->ending && p->peer == a && i < p->pub.n_sections &&
		        !section_at(p, i)->pub.rejected)
			return true;
	}
	return false;
}

static enum sl_media_result answer_crypto(
        struct sl_plan *plan, unsigned i, struct section *a, struct section *b, struct sl_media_error *e)
{
	const struct sl_sdp_media *md = &plan->sdp.media[i];
	struct sl_sdp_media_edit *me = &plan->edit.media[i];
	enum sl_media_result rc;

	if (sl_nego_is_secure(b->pub.proto) != sl_nego_is_secure(md->proto) || md->proto > SL_SDP_RTP_SAVPF)
		return sl_media_fail(e, SL_MEDIA_ERR_SYNTAX,
		        "SDP: media section %u: the answer's transport is not the offer's", i + 1);
	if (!sl_nego_is_secure(b->pub.proto))
		sl_section_plain(b);
	else if ((rc = sl_sdes_match(plan, i, b, e)))
		return rc;
	if (!sl_nego_is_secure(a->pub.proto))
		sl_section_plain(a);
	me->set_crypto = true;
	me->crypto = &a->ours;
	me->n_crypto = sl_nego_is_secure(a->pub.proto);
	me->remove_dtls = true;
	return SL_MEDIA_OK;
}

static void answer_mux(struct sl_plan *plan, unsigned i, struct section *a, struct section *b)
{
	const struct sl_sdp_media *md = &plan->sdp.media[i];
	struct sl_sdp_media_edit *me = &plan->edit.media[i];
	bool b_muxed = b->mux_offered && md->rtcp_mux;
	bool a_muxed = a->mux_offered &&
	               (a->mux_accept == SL_NEGO_YES || (a->mux_accept == SL_NEGO_FOLLOW && b_muxed));

	sl_plan_mux(b, b_muxed);
	sl_plan_mux(a, a_muxed);
	if (a_muxed != md->rtcp_mux)
		me->mux = a_muxed ? SL_SDP_MUX_ADD : SL_SDP_MUX_REMOVE;
	me->local_rtcp_port = a_muxed ? 0 : 1;
}

/* The answer takes it that section i rides on another one. */
static int shares(const struct sl_sdp *sdp, unsigned i)
{
	int with = sdp->media[i].bundle;

	return with >= 0 && with != (int)i && with < SL_MEDIA_MAX_SECTIONS &&
	                       sdp->media[i].port == sdp->media[with].port
	               ? with
	               : -1;
}

static enum sl_media_result relay(struct sl_plan *plan, unsigned i, struct sl_media_error *e)
{
	const struct sl_sdp_media *md = &plan->sdp.media[i];
	struct section *b = &plan->from.next[i], *a = &plan->to.next[i];
	struct sl_sdp_media_edit *me = &plan->edit.media[i];
	int with = shares(&plan->sdp, i);
	enum sl_media_result rc;

	if (sl_nego_kind(md) != b->kind)
		return sl_media_fail(e, SL_MEDIA_ERR_SYNTAX,
		        "SDP: media section %u: the answer's transport is not the offer's", i + 1);
	b->pub.bundled = a->pub.bundled = 0;
	if ((rc = sl_plan_said(plan, i, b, e)) ||
	        (b->kind == SL_NEGO_RTP && (rc = answer_crypto(plan, i, a, b, e))))
		return rc;
	if (b->kind != SL_NEGO_RTP) {
		sl_section_raw(b);
		sl_section_raw(a);
	}
	answer_mux(plan, i, a, b);
	sl_nego_payload_types(&a->types, &b->types, &a->pub.leg.set);
	sl_nego_payload_types(&b->types, &a->types, &b->pub.leg.set);
	if (with >= 0) {
		sl_plan_bundle(a, (unsigned)with);
		sl_plan_bundle(b, (unsigned)with);
		if (me->set_crypto)
			me->crypto = &plan->to.next[with].ours;
	}
	plan->from.family[i] = sl_ip_is_v4(&md->connection) ? AF_INET : AF_INET6;
	plan->to.family[i] = a->pub.leg.set.remote_rtp.port_be && !sl_ip_is_v4(&a->pub.leg.set.remote_rtp.ip)
	                             ? AF_INET6
	                             : AF_INET;
	me->relay = true;
	me->set_proto = a->pub.proto != md->proto;
	me->proto = a->pub.proto;
	return SL_MEDIA_OK;
}

static enum sl_media_result section(struct sl_plan *plan, unsigned i, struct sl_media_error *e)
{
	const struct sl_sdp_media *md = &plan->sdp.media[i];

	if (i >= SL_MEDIA_MAX_SECTIONS) {
		plan->edit.media[i].reject = md->port && sl_nego_kind(md) != SL_NEGO_OTHER;
		return SL_MEDIA_OK;
	}
	struct section *b = &plan->from.next[i], *a = &plan->to.next[i];
	if (a->kind == SL_NEGO_OTHER)
		return SL_MEDIA_OK;
	if (a->pub.rejected || b->pub.rejected) { /* RFC 3264 6: what was not offered cannot be accepted */
		plan->edit.media[i].reject = md->port != 0;
		return SL_MEDIA_OK;
	}
	if (md->port)
		return relay(plan, i, e);
	sl_plan_reject(b);
	if (!wanted_elsewhere(plan->session, plan->to.party, plan->from.party, i))
		sl_plan_reject(a);
	return SL_MEDIA_OK;
}

static enum sl_media_result plan_answer(
        struct sl_media *m, struct sl_media_reply *r, struct sl_media_error *e)
{
	struct sl_plan *plan = m->plan;
	enum sl_media_result rc = find_parties(m, plan, e);

	for (unsigned i = 0; rc == SL_MEDIA_OK && i < plan->sdp.n_media; i++)
		rc = section(plan, i, e);
	sl_plan_shared(&plan->from);
	sl_plan_shared(&plan->to);
	if (rc || (rc = sl_plan_legs(m, plan, e)) || (rc = sl_plan_families(m, plan, e)))
		return rc;
	return sl_plan_write(m, plan, r, e);
}

static void join(struct sl_media *m, struct sl_plan *plan)
{
	struct party *b = plan->from.party, *a = plan->to.party;
	const struct sl_media_request *q = plan->q;

	/* Early media or 200: the last one who answers is heard (RFC 3261 13.2.2.4 leaves the rest to the
	 * caller's BYE). */
	sl_slice_copy(q->to_tag, b->pub.tag, sizeof b->pub.tag);
	b->pub.flags |= SL_PARTY_ANSWERED | (q->options.flags & SL_MF_BLOCK_DTMF ? SL_PARTY_DTMF_BLOCKED : 0);
	b->offered_ms = 0;
	b->peer = a;
	a->peer = b;
	if (q->options.flags & SL_MF_RECORD && m->recorder)
		sl_recording_want(m, plan->session, m->conf->recording_pcap);
	if (q->options.label.n)
		sl_slice_copy(q->options.label, b->pub.label, sizeof b->pub.label);
}

enum sl_media_result sl_media_answer(struct sl_media *m, const struct sl_media_request *q,
        struct sl_media_reply *r, struct sl_media_error *e)
{
	struct sl_plan *plan = m->plan;
	enum sl_media_result rc = sl_plan_read(m, q, true, e);

	m->counts.answers++;
	r->sdp_len = 0;
	r->warning[0] = '\0';
	if (rc == SL_MEDIA_OK && (rc = plan_answer(m, r, e)))
		sl_plan_abandon(m, plan);
	if (rc) {
		m->counts.errors++;
		r->sdp_len = 0;
		return rc;
	}
	join(m, plan);
	if (q->options.flags & SL_MF_ALWAYS_TRANSCODE)
		snprintf(r->warning, sizeof r->warning,
		        "transcoding is not done here: codecs are passed as they are");
	sl_plan_commit(m, plan, (struct sl_slice){r->sdp, r->sdp_len});
	return SL_MEDIA_OK;
}
