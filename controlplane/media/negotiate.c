/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/media/negotiate.h"

#include "dataplane/abi/validate.h"
#include "dataplane/wire/rtp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum sl_nego_kind sl_nego_kind(const struct sl_sdp_media *md)
{
	switch (md->proto) {
	case SL_SDP_RTP_AVP:
	case SL_SDP_RTP_AVPF:
		return SL_NEGO_RTP;
	case SL_SDP_RTP_SAVP:
	case SL_SDP_RTP_SAVPF: /* RFC 5763 came after the first who did DTLS under this name */
		return md->has_fingerprint && md->n_crypto == 0 ? SL_NEGO_DTLS : SL_NEGO_RTP;
	case SL_SDP_TLS_RTP_SAVP:
	case SL_SDP_TLS_RTP_SAVPF:
		return SL_NEGO_DTLS;
	case SL_SDP_UDPTL:
		return SL_NEGO_UDPTL;
	default:
		return SL_NEGO_OTHER;
	}
}

/* ---- where media comes from ---- */

bool sl_nego_is_private(const struct sl_ip *ip)
{
	static const struct {
		uint8_t b[16], len;
	} nets[] = {
	        {{[10] = 0xff, 0xff, 0}, 104}, /* 0.0.0.0/8 */
	        {{[10] = 0xff, 0xff, 10}, 104},
	        {{[10] = 0xff, 0xff, 100, 64}, 106}, /* RFC 6598: between a customer and his provider's NAT */
	        {{[10] = 0xff, 0xff, 127}, 104},
	        {{[10] = 0xff, 0xff, 169, 254}, 112},
	        {{[10] = 0xff, 0xff, 172, 16}, 108},
	        {{[10] = 0xff, 0xff, 192, 168}, 112},
	        {{0}, 127}, /* :: and ::1 */
	        {{0xfc}, 7},
	        {{0xfe, 0x80}, 10},
	};

	for (unsigned i = 0; i < sizeof nets / sizeof nets[0]; i++) {
		struct sl_prefix net = {.len = nets[i].len};
		memcpy(net.ip.b, nets[i].b, sizeof net.ip.b);
		if (sl_prefix_contains(&net, ip))
			return true;
	}
	return false;
}

static bool is_zero(const struct sl_ip *ip)
{
	return (ip->q[0] | ip->q[1]) == 0;
}

struct sl_nego_source sl_nego_source(const struct sl_media_options *o, const struct sl_ip *said)
{
	struct sl_nego_source s = {.learn = SL_LEARN_IMMEDIATE, .learn_ip = o->received_from};

	if (o->flags & SL_MF_ASYMMETRIC)
		return (struct sl_nego_source){.learn = SL_LEARN_OFF,
		        .flags = o->flags & SL_MF_STRICT_SOURCE ? SL_LEG_STRICT_SOURCE : 0};
	if (o->set_learn)
		s.learn = o->learn;
	if (s.learn == SL_LEARN_OFF)
		return (struct sl_nego_source){.learn = SL_LEARN_OFF, .flags = SL_LEG_STRICT_SOURCE};
	if (o->flags & SL_MF_STRICT_SOURCE)
		s.flags |= SL_LEG_STRICT_SOURCE;
	if (o->flags & SL_MF_MEDIA_HANDOVER)
		s.flags |= SL_LEG_RELEARN | SL_LEG_LEARN_ANY;
	if (is_zero(&o->received_from) && !(o->flags & SL_MF_TRUST_ADDRESS) && sl_nego_is_private(said)) {
		s.flags |= SL_LEG_LEARN_ANY;
		if (!o->set_learn)
			s.learn = SL_LEARN_HEURISTIC;
	}
	return s;
}

/* ---- RTCP on the RTP port ---- */

struct sl_nego_mux sl_nego_mux(uint8_t asked, bool offered, bool offered_only)
{
	struct sl_nego_mux mux = {.offer = offered, .accept = SL_NEGO_FOLLOW};

	if (asked & (SL_MM_DEMUX | SL_MM_REJECT))
		mux.offer = false;
	if (asked & (SL_MM_OFFER | SL_MM_REQUIRE))
		mux.offer = true;
	mux.only = asked & SL_MM_REQUIRE;
	if (!offered)
		return mux;
	if (asked & (SL_MM_DEMUX | SL_MM_ACCEPT))
		mux.accept = SL_NEGO_YES;
	else if (asked & SL_MM_REJECT)
		mux.accept = SL_NEGO_NO;
	if (offered_only) /* RFC 8858 3: it has no other way */
		mux.accept = SL_NEGO_YES;
	return mux;
}

/* ---- codecs ---- */

/* Does a filter's word ("PCMA", "opus/48000/2", "all") mean this codec? */
static bool names(struct sl_slice word, const struct sl_sdp_codec *c)
{
	char text[96], name[64];
	int n = 0;

	if (word.n == 0 || word.n >= sizeof text || c->name.n >= sizeof name)
		return false;
	memcpy(text, word.p, word.n);
	text[word.n] = '\0';
	if (strcasecmp(text, "all") == 0 || strcasecmp(text, "full") == 0)
		return true;
	char *slash = strchr(text, '/');
	unsigned hz = 0, channels = 0;
	if (slash) {
		*slash = '\0';
		n = sscanf(slash + 1, "%u/%u", &hz, &channels);
		if (n < 1)
			return false;
	}
	return sl_slice_is(c->name, text) && (n < 1 || hz == c->hz) && (n < 2 || channels == c->channels);
}

static bool in_list(const struct sl_slice *list, unsigned n, const struct sl_sdp_codec *c)
{
	for (unsigned i = 0; i < n; i++) {
		if (names(list[i], c))
			return true;
	}
	return false;
}

void sl_nego_codecs(
        const struct sl_media_options *o, const struct sl_sdp_media *md, struct sl_sdp_media_edit *edit)
{
	unsigned left = 0;

	for (unsigned i = 0; i < md->n_codecs; i++) {
		const struct sl_sdp_codec *c = &md->codecs[i];
		bool kept = !in_list(o->strip, o->n_strip, c) || in_list(o->except, o->n_except, c) ||
		            in_list(o->offer, o->n_offer, c);
		left += kept;
		if (!kept)
			edit->remove_pt[c->pt / 64] |= UINT64_C(1) << c->pt % 64;
	}
	if (left == 0 && !(o->flags & SL_MF_ALLOW_NO_CODEC))
		edit->remove_pt[0] = edit->remove_pt[1] = 0;
	for (unsigned w = 0; w < o->n_offer; w++) {
		for (unsigned i = 0; i < md->n_codecs && edit->n_order < SL_SDP_MAX_CODECS; i++) {
			uint8_t pt = md->codecs[i].pt;
			if (names(o->offer[w], &md->codecs[i]) && !memchr(edit->order, pt, edit->n_order))
				edit->order[edit->n_order++] = pt;
		}
	}
}

static bool is_dtmf(const struct sl_sdp_codec *c)
{
	return sl_slice_is(c->name, "telephone-event");
}

/* Comfort noise and redundancy are no codec to speak with. */
static bool is_media(const struct sl_sdp_codec *c)
{
	return !is_dtmf(c) && !sl_slice_is(c->name, "CN") && !sl_slice_is(c->name, "red") &&
	       !sl_slice_is(c->name, "rtx");
}

static const struct sl_sdp_codec *first_media(const struct sl_sdp_media *md)
{
	for (unsigned i = 0; i < md->n_codecs; i++) {
		if (is_media(&md->codecs[i]))
			return &md->codecs[i];
	}
	return NULL;
}

void sl_nego_types(const struct sl_sdp_media *md, struct sl_nego_types *out)
{
	const struct sl_sdp_codec *first = first_media(md);
	uint32_t hz = 0;

	*out = (struct sl_nego_types){.known = md->n_codecs > 0, .audio_pt = first ? first->pt : 0};
	for (unsigned i = 0; i < md->n_codecs; i++) {
		const struct sl_sdp_codec *c = &md->codecs[i];
		if (is_dtmf(c) && (!out->dtmf_pt || (first && c->hz == first->hz && hz != first->hz))) {
			out->dtmf_pt = c->pt;
			hz = c->hz;
		}
		if (c->hz == 0 || c->hz > SL_LIMIT_CLOCK_HZ || sl_rtp_static_clock(c->pt) == c->hz ||
		        out->n_clocks == SL_LEG_CLOCKS_MAX)
			continue;
		out->clocks[out->n_clocks].pt = c->pt;
		out->clocks[out->n_clocks++].hz = c->hz;
	}
}

void sl_nego_add_clocks(const struct sl_nego_types *t, struct sl_cmd_leg *leg)
{
	for (unsigned i = 0; i < t->n_clocks && leg->n_clocks < SL_LEG_CLOCKS_MAX; i++) {
		bool known = false;
		for (unsigned k = 0; k < leg->n_clocks; k++)
			known |= leg->clocks[k].pt == t->clocks[i].pt;
		if (known)
			continue;
		leg->clocks[leg->n_clocks].pt = t->clocks[i].pt;
		leg->clocks[leg->n_clocks++].hz = t->clocks[i].hz;
	}
}

void sl_nego_payload_types(
        const struct sl_nego_types *own, const struct sl_nego_types *other, struct sl_cmd_leg *leg)
{
	const struct sl_nego_types *heard = other->known ? other : own;

	leg->dtmf_pt = heard->dtmf_pt;
	leg->dtmf_pt_out = own->known ? own->dtmf_pt : other->dtmf_pt;
	leg->audio_pt = own->known ? own->audio_pt : other->audio_pt;
	leg->n_clocks = 0;
	memset(leg->clocks, 0, sizeof leg->clocks);
	sl_nego_add_clocks(other, leg);
	sl_nego_add_clocks(own, leg);
}

void sl_nego_codec_text(const struct sl_sdp_media *md, char *out, size_t room)
{
	const struct sl_sdp_codec *c = first_media(md);

	out[0] = '\0';
	if (c && c->channels > 1)
		snprintf(out, room, "%.*s/%u/%u", (int)c->name.n, c->name.p, c->hz, c->channels);
	else if (c)
		snprintf(out, room, "%.*s/%u", (int)c->name.n, c->name.p, c->hz);
}
