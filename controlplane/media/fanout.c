/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* One to many: subscribers hear what other parties of the call send, publishers send for subscribers to come.
 * A subscriber is offered what its sources were told they may send: the SDP that each of them got, with
 * addresses, keys and direction of its own. */

#include "controlplane/media/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PARTY_IS_HEARD (SL_PARTY_OFFERED | SL_PARTY_ANSWERED | SL_PARTY_PUBLISHER)

static enum sl_media_result failed(struct sl_media *m, struct sl_media_reply *r, enum sl_media_result rc)
{
	m->counts.errors++;
	if (r)
		r->sdp_len = 0;
	return rc;
}

/* ---- subscribe: one source ---- */

static void set_mux(struct sl_plan *plan, unsigned i, struct section *x)
{
	const struct sl_sdp_media *md = &plan->sdp.media[i];
	struct sl_sdp_media_edit *me = &plan->edit.media[i];
	struct sl_nego_mux mux = sl_nego_mux(plan->q->options.rtcp_mux, md->rtcp_mux, false);

	x->mux_offered = mux.offer;
	x->mux_only = mux.offer && mux.only;
	if (mux.offer != md->rtcp_mux)
		me->mux = mux.offer ? SL_SDP_MUX_ADD : SL_SDP_MUX_REMOVE;
	me->local_rtcp_port = x->mux_only ? 0 : 1;
}

/* Section i of the source's SDP as one of the subscriber's. */
static enum sl_media_result mirror(
        struct sl_plan *plan, unsigned i, struct party *source, struct section *x, struct sl_media_error *e)
{
	const struct sl_media_options *o = &plan->q->options;
	const struct sl_sdp_media *md = &plan->sdp.media[i];
	struct sl_sdp_media_edit *me = &plan->edit.media[i];
	const struct section *from = i < source->pub.n_sections ? section_at(source, i) : NULL;
	enum sl_media_result rc;

	sl_slice_copy(md->type, x->pub.type, sizeof x->pub.type);
	if (!from || !section_has_leg(from) || from->kind != SL_NEGO_RTP || md->port == 0) {
		sl_plan_reject(x);
		me->reject = md->port != 0;
		return SL_MEDIA_OK;
	}
	x->kind = SL_NEGO_RTP;
	x->pub.rejected = x->pub.bundled = 0;
	x->pub.proto = (uint8_t)(o->set_proto ? o->proto : md->proto);
	x->pub.direction = SL_SDP_RECVONLY;
	x->source = source;
	x->source_at = (uint8_t)i;
	if (x->pub.proto > SL_SDP_RTP_SAVPF)
		return sl_media_fail(e, SL_MEDIA_ERR_UNSUPPORTED,
		        "transport-protocol: subscribers get RTP/AVP, AVPF, SAVP or SAVPF");
	sl_nego_types(md, &x->types);
	sl_nego_codec_text(md, x->pub.codec, sizeof x->pub.codec);
	sl_nego_payload_types(&x->types, &x->types, &x->pub.leg.set);
	/* One voice after the other is one stream to who listens; pictures may be several at a time. */
	if (strcmp(x->pub.type, "audio") == 0)
		x->pub.leg.set.flags |= SL_LEG_REWRITE_SSRC;
	if (!sl_nego_is_secure(x->pub.proto))
		sl_section_plain(x);
	else if ((rc = sl_sdes_offer(plan, i, x, e)))
		return rc;
	sl_nego_codecs(o, md, me);
	set_mux(plan, i, x);
	me->set_crypto = true;
	me->n_crypto = x->n_offered;
	me->crypto = x->offered;
	me->remove_dtls = true;
	me->relay = true;
	me->set_proto = x->pub.proto != md->proto;
	me->proto = x->pub.proto;
	me->set_direction = true;
	me->direction = SL_SDP_SENDONLY;
	return SL_MEDIA_OK;
}

/* A leg's family: as asked, else that of the source's own leg. */
static void set_family(
        const struct sl_media *m, struct sl_plan *plan, unsigned at, const struct section *from)
{
	int asked = plan->q->options.address_family;
	const struct sl_ip *ip = &m->conf->addresses[from->pub.leg.ref.address].ip;

	plan->to.family[at] = asked ? asked : sl_ip_is_v4(ip) ? AF_INET : AF_INET6;
	plan->to.family_asked[at] = asked != 0;
}

static enum sl_media_result mirror_all(
        struct sl_media *m, struct sl_plan *plan, struct party *source, struct sl_media_error *e)
{
	memset(&plan->edit, 0, sizeof plan->edit);
	plan->edit.remove_bundle = true;
	for (unsigned i = 0; i < sl_plan_sections(plan); i++) {
		struct section *x = &plan->to.next[plan->base + i];
		enum sl_media_result rc = mirror(plan, i, source, x, e);
		if (rc)
			return rc;
		if (sl_section_wants_leg(x))
			set_family(m, plan, plan->base + i, section_at(source, i));
	}
	return SL_MEDIA_OK;
}

/* ---- subscribe: all sources ---- */

struct sources {
	unsigned n;
	struct party *party[SL_MEDIA_MAX_SECTIONS];
};

static enum sl_media_result find_sources(struct sl_media *m, const struct sl_media_who *who,
        struct sl_plan *plan, struct sources *out, struct sl_media_error *e)
{
	struct session *s;
	enum sl_media_result rc = sl_who_find(m, who, &s, e);

	plan->session = s;
	out->n = 0;
	if (rc)
		return rc;
	sl_plan_suites(m, plan);
	for (unsigned i = 0; i < s->pub.n_parties; i++) {
		struct party *p = party_at(s, i);
		if (!sl_who_is(who, p) || p->pub.flags & SL_PARTY_SUBSCRIBER ||
		        !(p->pub.flags & PARTY_IS_HEARD))
			continue;
		if (!p->sdp)
			return sl_media_fail(e, SL_MEDIA_ERR_STATE,
			        "tag '%.40s': it was not told yet what it may send", p->pub.tag);
		if (out->n == SL_MEDIA_MAX_SECTIONS)
			return sl_media_fail(
			        e, SL_MEDIA_ERR_STATE, "more than %d parties to hear", SL_MEDIA_MAX_SECTIONS);
		out->party[out->n++] = p;
	}
	if (out->n == 0)
		return sl_media_fail(e, SL_MEDIA_ERR_STATE, "nobody to hear");
	return SL_MEDIA_OK;
}

static struct sl_slice sdp_of(const struct party *p)
{
	return (struct sl_slice){p->sdp, p->sdp_len};
}

/* How many sections will it have? */
static enum sl_media_result count_sections(
        struct sl_plan *plan, const struct sources *from, unsigned *n, struct sl_media_error *e)
{
	*n = 0;
	for (unsigned k = 0; k < from->n; k++) {
		enum sl_media_result rc = sl_plan_parse(plan, sdp_of(from->party[k]), e);
		if (rc)
			return rc;
		*n += sl_plan_sections(plan);
	}
	if (*n > SL_MEDIA_MAX_SECTIONS)
		return sl_media_fail(e, SL_MEDIA_ERR_UNSUPPORTED, "more than %d media sections to hear",
		        SL_MEDIA_MAX_SECTIONS);
	return SL_MEDIA_OK;
}

/* The subscriber: the one named, whose subscriptions begin anew, or a new one. */
static enum sl_media_result subscriber(
        struct sl_media *m, struct sl_plan *plan, unsigned n, struct sl_media_error *e)
{
	const struct sl_media_request *q = plan->q;
	const struct sl_slice none = {0};
	struct party *p = sl_party_by_tag(plan->session, q->to_tag);
	char drawn[24];
	enum sl_media_result rc;

	if (p && !(p->pub.flags & SL_PARTY_SUBSCRIBER))
		return sl_media_fail(e, SL_MEDIA_ERR_STATE, "the to-tag is not a subscriber's");
	snprintf(drawn, sizeof drawn, "%016" PRIx64, sl_prng_next(&m->prng));
	struct sl_slice tag = q->to_tag.n ? q->to_tag : (struct sl_slice){drawn, strlen(drawn)};
	if ((rc = sl_plan_side(plan, &plan->to, p, n, tag, none, e)))
		return rc;
	return plan->to.fresh ? sl_plan_interface(m, plan->to.party,
	                                q->options.to_interface.n ? q->options.to_interface
	                                                          : q->options.from_interface,
	                                e)
	                      : SL_MEDIA_OK;
}

/* Of the second source and later ones only the media sections are wanted. */
static void cut_session(struct sl_media_reply *r)
{
	const char *m = r->sdp_len > 1 ? memmem(r->sdp, r->sdp_len, "\nm=", 3) : NULL;
	size_t head = m ? (size_t)(m + 1 - r->sdp) : 0;

	memmove(r->sdp, r->sdp + head, r->sdp_len - head);
	r->sdp_len -= head;
}

static enum sl_media_result write_sources(struct sl_media *m, struct sl_plan *plan,
        const struct sources *from, bool draw, struct sl_media_reply *r, struct sl_media_error *e)
{
	struct sl_media_reply part = *r;
	size_t total = 0;
	enum sl_media_result rc;

	plan->base = 0;
	for (unsigned k = 0; k < from->n; k++) {
		if ((rc = sl_plan_parse(plan, sdp_of(from->party[k]), e)) ||
		        (rc = mirror_all(m, plan, from->party[k], e)))
			return rc;
		plan->edit.replace_origin = true;
		part.sdp = r->sdp + total;
		part.sdp_room = r->sdp_room - total;
		if (!draw && (rc = sl_plan_write(m, plan, &part, e)))
			return rc;
		if (k && !draw)
			cut_session(&part);
		total += draw ? 0 : part.sdp_len;
		plan->base += sl_plan_sections(plan);
	}
	r->sdp_len = total;
	return SL_MEDIA_OK;
}

static enum sl_media_result plan_subscribe(struct sl_media *m, const struct sl_media_who *who,
        struct sl_media_reply *r, struct sl_media_error *e)
{
	struct sl_plan *plan = m->plan;
	struct sources from;
	unsigned n;
	enum sl_media_result rc = find_sources(m, who, plan, &from, e);

	if (rc || (rc = count_sections(plan, &from, &n, e)) || (rc = subscriber(m, plan, n, e)))
		return rc;
	/* Once to know what legs are needed, and once they are there to write about them. */
	if ((rc = write_sources(m, plan, &from, true, r, e)) || (rc = sl_plan_legs(m, plan, e)))
		return rc;
	return write_sources(m, plan, &from, false, r, e);
}

enum sl_media_result sl_media_subscribe(struct sl_media *m, const struct sl_media_who *who,
        const struct sl_media_request *q, struct sl_media_reply *r, char *tag_out, struct sl_media_error *e)
{
	struct sl_plan *plan = m->plan;

	r->sdp_len = 0;
	r->warning[0] = tag_out[0] = '\0';
	sl_plan_begin(m, q);
	if (q->to_tag.n > SL_MEDIA_ID_MAX)
		return failed(m, r,
		        sl_media_fail(
		                e, SL_MEDIA_ERR_SYNTAX, "to-tag: longer than %d bytes", SL_MEDIA_ID_MAX));
	enum sl_media_result rc = plan_subscribe(m, who, r, e);
	if (rc) {
		sl_plan_abandon(m, plan);
		return failed(m, r, rc);
	}
	struct party *p = plan->to.party;
	p->pub.flags = (p->pub.flags & ~(uint32_t)SL_PARTY_ANSWERED) | SL_PARTY_SUBSCRIBER;
	p->offered_ms = m->now_ms;
	if (q->options.label.n)
		sl_slice_copy(q->options.label, p->pub.label, sizeof p->pub.label);
	memcpy(tag_out, p->pub.tag, sizeof p->pub.tag);
	sl_plan_commit(m, plan, (struct sl_slice){0});
	return SL_MEDIA_OK;
}

/* ---- its answer, and its end ---- */

static enum sl_media_result answered(struct sl_plan *plan, unsigned i, struct sl_media_error *e)
{
	const struct sl_sdp_media *md = &plan->sdp.media[i];
	struct section *x = &plan->from.next[i];
	enum sl_media_result rc;

	if (x->pub.rejected || md->port == 0) {
		sl_plan_reject(x);
		return SL_MEDIA_OK;
	}
	if (sl_nego_kind(md) != SL_NEGO_RTP ||
	        sl_nego_is_secure(md->proto) != sl_nego_is_secure(x->pub.proto))
		return sl_media_fail(e, SL_MEDIA_ERR_SYNTAX,
		        "SDP: media section %u: the answer's transport is not the offer's", i + 1);
	if ((rc = sl_plan_said(plan, i, x, e)))
		return rc;
	if (sl_nego_is_secure(x->pub.proto) && (rc = sl_sdes_match(plan, i, x, e)))
		return rc;
	sl_nego_payload_types(&x->types, &x->types, &x->pub.leg.set);
	sl_plan_mux(x, x->mux_offered && md->rtcp_mux);
	return SL_MEDIA_OK;
}

static enum sl_media_result find_subscriber(
        struct sl_media *m, const struct sl_media_request *q, struct party **out, struct sl_media_error *e)
{
	struct session *s = sl_session_find(m, q->call_id);

	*out = s ? sl_party_by_tag(s, q->to_tag) : NULL;
	if (!s)
		return sl_media_fail(e, SL_MEDIA_ERR_NOT_FOUND, "Unknown call-id");
	if (!*out || !((*out)->pub.flags & SL_PARTY_SUBSCRIBER))
		return sl_media_fail(e, SL_MEDIA_ERR_NOT_FOUND, "the to-tag is not a subscriber's");
	return SL_MEDIA_OK;
}

enum sl_media_result sl_media_subscribe_answer(
        struct sl_media *m, const struct sl_media_request *q, struct sl_media_error *e)
{
	struct sl_plan *plan = m->plan;
	const struct sl_slice none = {0};
	struct party *p;
	enum sl_media_result rc = sl_plan_read(m, q, false, e);

	if (rc == SL_MEDIA_OK && (rc = find_subscriber(m, q, &p, e)) == SL_MEDIA_OK) {
		plan->session = p->session;
		rc = sl_plan_side(plan, &plan->from, p, sl_plan_sections(plan), none, none, e);
	}
	for (unsigned i = 0; rc == SL_MEDIA_OK && i < sl_plan_sections(plan); i++)
		rc = answered(plan, i, e);
	if (rc == SL_MEDIA_OK)
		rc = sl_plan_families(m, plan, e);
	if (rc) {
		sl_plan_abandon(m, plan);
		return failed(m, NULL, rc);
	}
	p->pub.flags |= SL_PARTY_ANSWERED;
	p->offered_ms = 0;
	sl_plan_commit(m, plan, none);
	return SL_MEDIA_OK;
}

enum sl_media_result sl_media_unsubscribe(
        struct sl_media *m, const struct sl_media_request *q, struct sl_media_error *e)
{
	struct party *p;
	enum sl_media_result rc = find_subscriber(m, q, &p, e);

	if (rc)
		return failed(m, NULL, rc);
	if (p->session->pub.n_parties > 1)
		sl_party_end(m, p, NULL, NULL);
	else
		sl_session_end(m, p->session, "the last subscriber has gone", NULL, NULL);
	return SL_MEDIA_OK;
}

/* ---- publish ---- */

/* One codec, the first that media can be in: what subscribers will get. */
static void keep_first_codec(const struct sl_sdp_media *md, struct sl_sdp_media_edit *me)
{
	struct sl_nego_types types;

	sl_nego_types(md, &types);
	for (unsigned i = 0; i < md->n_codecs; i++) {
		uint8_t pt = md->codecs[i].pt;
		if (pt != types.audio_pt)
			me->remove_pt[pt / 64] |= UINT64_C(1) << pt % 64;
	}
}

static enum sl_media_result published(struct sl_plan *plan, unsigned i, struct sl_media_error *e)
{
	const struct sl_media_options *o = &plan->q->options;
	const struct sl_sdp_media *md = &plan->sdp.media[i];
	struct sl_sdp_media_edit *me = &plan->edit.media[i];
	struct section *x = &plan->from.next[i];
	enum sl_media_result rc;

	sl_slice_copy(md->type, x->pub.type, sizeof x->pub.type);
	if (sl_nego_kind(md) != SL_NEGO_RTP || md->port == 0) {
		sl_plan_reject(x);
		me->reject = md->port != 0;
		return SL_MEDIA_OK;
	}
	x->kind = SL_NEGO_RTP;
	x->pub.proto = (uint8_t)md->proto;
	x->pub.bundled = 0;
	if ((rc = sl_plan_said(plan, i, x, e)))
		return rc;
	if (!sl_nego_is_secure(md->proto))
		sl_section_plain(x);
	else if ((rc = sl_sdes_take(plan, i, x, e)))
		return rc;
	sl_nego_payload_types(&x->types, &x->types, &x->pub.leg.set);
	bool muxed = md->rtcp_mux && (md->rtcp_mux_only || !(o->rtcp_mux & SL_MM_REJECT));
	x->mux_offered = md->rtcp_mux;
	sl_plan_mux(x, muxed);
	me->mux = md->rtcp_mux && !muxed ? SL_SDP_MUX_REMOVE : SL_SDP_MUX_KEEP;
	me->local_rtcp_port = muxed ? 0 : 1;
	me->relay = me->set_crypto = me->set_direction = me->remove_dtls = true;
	me->direction = SL_SDP_RECVONLY;
	me->crypto = &x->ours;
	me->n_crypto = sl_nego_is_secure(md->proto);
	plan->from.family[i] = sl_ip_is_v4(&md->connection) ? AF_INET : AF_INET6;
	plan->from.family_asked[i] = true;
	keep_first_codec(md, me);
	return SL_MEDIA_OK;
}

static enum sl_media_result plan_publish(
        struct sl_media *m, struct sl_media_reply *r, struct sl_media_error *e)
{
	struct sl_plan *plan = m->plan;
	const struct sl_slice none = {0};
	struct party *p = NULL;
	enum sl_media_result rc = sl_plan_session(m, plan, e);

	if (rc)
		return rc;
	if (!plan->fresh)
		p = sl_party_by_tag(plan->session, plan->q->from_tag);
	if (p && !(p->pub.flags & SL_PARTY_PUBLISHER))
		return sl_media_fail(e, SL_MEDIA_ERR_STATE, "the from-tag is a party of the call already");
	if ((rc = sl_plan_side(plan, &plan->from, p, sl_plan_sections(plan), plan->q->from_tag, none, e)) ||
	        (plan->from.fresh &&
	                (rc = sl_plan_interface(m, plan->from.party, plan->q->options.from_interface, e))))
		return rc;
	plan->reader = &plan->from;
	plan->edit.remove_bundle = true;
	plan->edit.replace_origin = true;
	for (unsigned i = 0; i < plan->sdp.n_media; i++) {
		if (i < SL_MEDIA_MAX_SECTIONS && (rc = published(plan, i, e)))
			return rc;
		if (i >= SL_MEDIA_MAX_SECTIONS)
			plan->edit.media[i].reject = plan->sdp.media[i].port != 0;
	}
	if ((rc = sl_plan_legs(m, plan, e)))
		return rc;
	return sl_plan_write(m, plan, r, e);
}

enum sl_media_result sl_media_publish(struct sl_media *m, const struct sl_media_request *q,
        struct sl_media_reply *r, struct sl_media_error *e)
{
	struct sl_plan *plan = m->plan;
	enum sl_media_result rc = sl_plan_read(m, q, true, e);

	r->sdp_len = 0;
	r->warning[0] = '\0';
	if (rc == SL_MEDIA_OK && (rc = plan_publish(m, r, e)))
		sl_plan_abandon(m, plan);
	if (rc)
		return failed(m, r, rc);
	plan->from.party->pub.flags |= SL_PARTY_PUBLISHER;
	if (q->options.label.n)
		sl_slice_copy(
		        q->options.label, plan->from.party->pub.label, sizeof plan->from.party->pub.label);
	m->counts.sessions_total += plan->fresh;
	plan->session->pub.delete_at_ms = 0;
	sl_plan_commit(m, plan, (struct sl_slice){r->sdp, r->sdp_len});
	return SL_MEDIA_OK;
}
