/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/brain.h"

#include <string.h>

/* The keys are rtpengine 10.5's. What comes from the session is copied: the reply is encoded by another
 * thread, when the session may be gone. */

enum { MS_PER_S = 1000, US_PER_MS = 1000, MOS_SCALE = 10, PERCENT = 100 };

struct totals {
	uint64_t rtp_packets, rtp_bytes, rtp_errors, rtcp_packets;
};

struct writer {
	struct sl_ng_brain *brain;
	struct sl_ng_arena *a;
	const struct sl_media_session *s;
	int64_t now_ms;
	struct totals totals;
	unsigned untagged;
};

static bool known(const struct sl_endpoint *ep)
{
	return (ep->ip.q[0] | ep->ip.q[1]) != 0 && ep->port_be != 0;
}

static void text(struct writer *w, struct sl_ng_value *into, const char *key, const char *s)
{
	sl_ng_add_copy(w->a, into, key, s);
}

static void endpoint(
        struct writer *w, struct sl_ng_value *into, const char *key, const struct sl_endpoint *ep)
{
	struct sl_ng_value *d = sl_ng_add(w->a, into, key, SL_NGV_DICTIONARY);
	char buf[SL_ADDR_TEXT_MAX];

	if (!known(ep))
		return;
	sl_ng_add_text(w->a, d, "family", sl_ip_is_v4(&ep->ip) ? "IPv4" : "IPv6");
	text(w, d, "address", sl_ip_text(&ep->ip, buf));
	sl_ng_add_integer(w->a, d, "port", ntohs(ep->port_be));
}

static void counts(struct writer *w, struct sl_ng_value *into, const char *key, uint64_t packets,
        uint64_t bytes, uint64_t errors)
{
	struct sl_ng_value *d = sl_ng_add(w->a, into, key, SL_NGV_DICTIONARY);

	sl_ng_add_integer(w->a, d, "packets", (int64_t)packets);
	sl_ng_add_integer(w->a, d, "bytes", (int64_t)bytes);
	sl_ng_add_integer(w->a, d, "errors", (int64_t)errors);
}

static const char *suite_name(uint8_t suite)
{
	switch (suite) {
#define X(name, number, key, salt, tag, ctag, sdp)                                                           \
	case number:                                                                                         \
		return sdp;
		SL_SRTP_SUITES(X)
#undef X
	default:
		return NULL;
	}
}

static const char *crypto_of(const struct sl_media_leg *leg)
{
	return suite_name(leg->set.key_out.suite ? leg->set.key_out.suite : leg->set.key_in[0].suite);
}

/* ---- a leg's streams ---- */

static void stream(struct writer *w, struct sl_ng_value *streams, const struct sl_media_leg *leg, bool rtcp)
{
	const struct sl_evt_leg *st = &leg->stats;
	const struct sl_endpoint *set = rtcp ? &leg->set.remote_rtcp : &leg->set.remote_rtp;
	const struct sl_endpoint *found = rtcp ? &st->remote_rtcp : &st->remote_rtp;
	struct sl_ng_value *d = sl_ng_add(w->a, streams, NULL, SL_NGV_DICTIONARY), *flags;
	int64_t idle_ms = st->idle_ms == UINT32_MAX || leg->stats_ms == 0 ? w->now_ms - w->s->created_unix_ms
	                                                                  : st->idle_ms;
	char buf[SL_ADDR_TEXT_MAX];

	sl_ng_add_integer(w->a, d, "local port", rtcp ? leg->rtcp_port : leg->ref.port);
	if (leg->ref.address < w->brain->n_addresses) {
		const struct sl_ip *ip = &w->brain->addresses[leg->ref.address].ip;
		text(w, d, "local address", sl_ip_text(ip, buf));
		sl_ng_add_text(w->a, d, "family", sl_ip_is_v4(ip) ? "IPv4" : "IPv6");
	}
	endpoint(w, d, "endpoint", known(found) ? found : set);
	endpoint(w, d, "advertised endpoint", set);
	if (crypto_of(leg))
		sl_ng_add_text(w->a, d, "crypto suite", crypto_of(leg));
	sl_ng_add_integer(w->a, d, "last packet", (w->now_ms - idle_ms) / MS_PER_S);
	flags = sl_ng_add(w->a, d, "flags", SL_NGV_LIST);
	sl_ng_add_text(w->a, flags, NULL, rtcp ? "RTCP" : "RTP");
	if (known(found) || known(set))
		sl_ng_add_text(w->a, flags, NULL, "filled");
	if (st->locked)
		sl_ng_add_text(w->a, flags, NULL, "confirmed");
	if (leg->set.flags & SL_LEG_STRICT_SOURCE)
		sl_ng_add_text(w->a, flags, NULL, "strict source address");
	if (leg->set.flags & SL_LEG_RELEARN)
		sl_ng_add_text(w->a, flags, NULL, "media handover");
	if (st->rx_ssrc)
		sl_ng_add_integer(w->a, d, "SSRC", st->rx_ssrc);
	if (rtcp)
		counts(w, d, "stats", st->rtcp_in, 0, 0);
	else
		counts(w, d, "stats", st->rx_packets, st->rx_bytes, st->rx_dropped);
}

static void add_totals(struct totals *t, const struct sl_evt_leg *st)
{
	t->rtp_packets += st->rx_packets;
	t->rtp_bytes += st->rx_bytes;
	t->rtp_errors += st->rx_dropped;
	t->rtcp_packets += st->rtcp_in;
}

static const char *protocol_name(uint8_t proto)
{
	static const char *const names[] = {[SL_SDP_RTP_AVP] = "RTP/AVP",
	        [SL_SDP_RTP_AVPF] = "RTP/AVPF",
	        [SL_SDP_RTP_SAVP] = "RTP/SAVP",
	        [SL_SDP_RTP_SAVPF] = "RTP/SAVPF",
	        [SL_SDP_TLS_RTP_SAVP] = "UDP/TLS/RTP/SAVP",
	        [SL_SDP_TLS_RTP_SAVPF] = "UDP/TLS/RTP/SAVPF",
	        [SL_SDP_UDPTL] = "udptl"};

	return proto < sizeof names / sizeof names[0] ? names[proto] : NULL;
}

static void section_flags(struct writer *w, struct sl_ng_value *into, const struct sl_media_section *m)
{
	struct sl_ng_value *flags = sl_ng_add(w->a, into, "flags", SL_NGV_LIST);

	if (m->leg.ref.id)
		sl_ng_add_text(w->a, flags, NULL, "initialized");
	/* Seen from us: what the party receives, we send. */
	if (m->direction == SL_SDP_SENDRECV || m->direction == SL_SDP_RECVONLY)
		sl_ng_add_text(w->a, flags, NULL, "send");
	if (m->direction == SL_SDP_SENDRECV || m->direction == SL_SDP_SENDONLY)
		sl_ng_add_text(w->a, flags, NULL, "recv");
	if (m->leg.set.flags & SL_LEG_RTCP_MUX)
		sl_ng_add_text(w->a, flags, NULL, "rtcp-mux");
	if (crypto_of(&m->leg))
		sl_ng_add_text(w->a, flags, NULL, "SDES");
}

static void section(
        struct writer *w, struct sl_ng_value *medias, const struct sl_media_section *m, unsigned index)
{
	struct sl_ng_value *d = sl_ng_add(w->a, medias, NULL, SL_NGV_DICTIONARY), *streams;

	sl_ng_add_integer(w->a, d, "index", index + 1);
	text(w, d, "type", m->type);
	if (protocol_name(m->proto))
		sl_ng_add_text(w->a, d, "protocol", protocol_name(m->proto));
	if (m->codec[0])
		text(w, d, "codec", m->codec);
	streams = sl_ng_add(w->a, d, "streams", SL_NGV_LIST);
	if (m->leg.ref.id) {
		stream(w, streams, &m->leg, false);
		if (m->leg.rtcp_port)
			stream(w, streams, &m->leg, true);
		add_totals(&w->totals, &m->leg.stats);
	}
	section_flags(w, d, m);
}

/* ---- parties ---- */

static bool subscribes(const struct sl_media_party *p)
{
	return p->flags & SL_PARTY_SUBSCRIBER;
}

static void joined(struct writer *w, struct sl_ng_value *list, unsigned index, const char *how)
{
	struct sl_ng_value *d = sl_ng_add(w->a, list, NULL, SL_NGV_DICTIONARY);

	text(w, d, "tag", w->s->parties[index]->tag);
	sl_ng_add_text(w->a, d, "type", how);
}

/* Whom the party hears, and who hears it: of forks the caller has many. The peer of a subscriber is whom it
 * hears. */
static void both_ways(struct writer *w, struct sl_ng_value *into, unsigned index)
{
	struct sl_ng_value *subscriptions = sl_ng_add(w->a, into, "subscriptions", SL_NGV_LIST);
	struct sl_ng_value *subscribers = sl_ng_add(w->a, into, "subscribers", SL_NGV_LIST);
	bool hears_only = subscribes(w->s->parties[index]);
	int peer = sl_media_peer(w->s, index);

	for (unsigned i = 0; i < w->s->n_parties; i++) {
		bool other_hears_only = subscribes(w->s->parties[i]),
		     is_its_peer = sl_media_peer(w->s, i) == (int)index;
		if (i == index)
			continue;
		if (hears_only && peer == (int)i)
			joined(w, subscriptions, i, "pub/sub");
		if (other_hears_only && is_its_peer)
			joined(w, subscribers, i, "pub/sub");
		if (hears_only || other_hears_only)
			continue;
		if (is_its_peer)
			joined(w, subscriptions, i, "offer/answer");
		if (peer == (int)i)
			joined(w, subscribers, i, "offer/answer");
	}
}

static void party(struct writer *w, struct sl_ng_value *tags, unsigned index)
{
	const struct sl_media_party *p = w->s->parties[index];
	int peer = sl_media_peer(w->s, index);
	struct sl_ng_value *d, *medias;
	const char *key;

	/* A branch that has not answered has no tag yet. */
	key = p->tag[0] ? sl_ng_printf(w->a, "%s", p->tag)
	                : sl_ng_printf(w->a, "<untagged %u>", ++w->untagged);
	d = sl_ng_add(w->a, tags, key, SL_NGV_DICTIONARY);
	text(w, d, "tag", p->tag);
	if (p->via_branch[0])
		text(w, d, "via-branch", p->via_branch);
	if (p->label[0])
		text(w, d, "label", p->label);
	sl_ng_add_integer(w->a, d, "created", p->created_unix_ms / MS_PER_S);
	if (peer >= 0 && !subscribes(p) && w->s->parties[peer]->tag[0])
		text(w, d, "in dialogue with", w->s->parties[peer]->tag);
	both_ways(w, d, index);
	medias = sl_ng_add(w->a, d, "medias", SL_NGV_LIST);
	for (unsigned i = 0; i < p->n_sections; i++)
		section(w, medias, p->sections[i], i);
}

/* ---- SSRCs and MOS ---- */

static void mos(struct writer *w, struct sl_ng_value *into, const char *key, const struct sl_media_leg *leg,
        double value, uint32_t peer_rtt_us, const char *last_key, int64_t last)
{
	const struct sl_evt_leg *st = &leg->stats;
	struct sl_ng_value *d = sl_ng_add(w->a, into, key, SL_NGV_DICTIONARY);
	uint64_t expected = st->rx_packets + st->rx_lost;

	sl_ng_add_integer(w->a, d, "MOS", (int64_t)(value * MOS_SCALE + 0.5));
	sl_ng_add_integer(w->a, d, "round-trip time", (int64_t)st->rtt_us + peer_rtt_us);
	sl_ng_add_integer(w->a, d, "round-trip time leg", st->rtt_us);
	sl_ng_add_integer(w->a, d, "jitter", st->rx_jitter_us / US_PER_MS);
	sl_ng_add_integer(
	        w->a, d, "packet loss", expected ? (int64_t)(st->rx_lost * (uint64_t)PERCENT / expected) : 0);
	sl_ng_add_integer(w->a, d, last_key, last);
}

static void ssrc(
        struct writer *w, struct sl_ng_value *into, const struct sl_media_leg *leg, uint32_t peer_rtt_us)
{
	struct sl_ng_value *d, *progression, *entries;

	d = sl_ng_add(w->a, into, sl_ng_printf(w->a, "%u", leg->stats.rx_ssrc), SL_NGV_DICTIONARY);
	sl_ng_add_integer(w->a, d, "cumulative loss", leg->stats.rx_lost);
	if (leg->mos_n == 0)
		return;
	mos(w, d, "average MOS", leg, leg->mos_sum / leg->mos_n, peer_rtt_us, "samples", leg->mos_n);
	mos(w, d, "lowest MOS", leg, leg->mos_min, peer_rtt_us, "reported at",
	        leg->mos_min_unix_ms / MS_PER_S);
	mos(w, d, "highest MOS", leg, leg->mos_max, peer_rtt_us, "reported at",
	        leg->mos_max_unix_ms / MS_PER_S);
	progression = sl_ng_add(w->a, d, "MOS progression", SL_NGV_DICTIONARY);
	sl_ng_add_integer(w->a, progression, "interval", 0);
	entries = sl_ng_add(w->a, progression, "entries", SL_NGV_LIST);
	mos(w, entries, NULL, leg, leg->mos_last, peer_rtt_us, "reported at", w->now_ms / MS_PER_S);
}

static void ssrcs(struct writer *w, struct sl_ng_value *into)
{
	for (unsigned i = 0; i < w->s->n_parties; i++) {
		const struct sl_media_party *p = w->s->parties[i], *other;
		int peer = sl_media_peer(w->s, i);
		other = peer >= 0 ? w->s->parties[peer] : NULL;
		for (unsigned j = 0; j < p->n_sections; j++) {
			const struct sl_media_leg *leg = &p->sections[j]->leg;
			if (leg->ref.id && leg->stats.rx_ssrc)
				ssrc(w, into, leg,
				        other && j < other->n_sections ? other->sections[j]->leg.stats.rtt_us
				                                       : 0);
		}
	}
}

/* ---- a call ---- */

static bool is_party(const struct sl_media_party *p, struct sl_slice tag)
{
	return strlen(p->tag) == tag.n && memcmp(p->tag, tag.p, tag.n) == 0;
}

/* Is party i the one of that tag, or in dialogue with it? */
static bool concerned(const struct sl_media_session *s, unsigned i, struct sl_slice tag)
{
	int peer = sl_media_peer(s, i);

	if (tag.n == 0 || is_party(s->parties[i], tag) || (peer >= 0 && is_party(s->parties[peer], tag)))
		return true;
	for (unsigned j = 0; j < s->n_parties; j++) { /* of forks, whom the caller sends to */
		if (is_party(s->parties[j], tag) && sl_media_peer(s, j) == (int)i)
			return true;
	}
	return false;
}

void sl_ng_call_stats(struct sl_ng_request *r, const struct sl_media_session *s, struct sl_slice tag)
{
	struct writer w = {.brain = r->brain, .a = &r->out, .s = s, .now_ms = r->brain->unix_ms()};
	struct sl_ng_value *d;

	sl_ng_add_integer(w.a, r->reply, "created", s->created_unix_ms / MS_PER_S);
	sl_ng_add_integer(w.a, r->reply, "created_us", s->created_unix_ms % MS_PER_S * US_PER_MS);
	sl_ng_add_integer(w.a, r->reply, "last signal", s->last_signal_unix_ms / MS_PER_S);
	ssrcs(&w, sl_ng_add(w.a, r->reply, "SSRC", SL_NGV_DICTIONARY));
	d = sl_ng_add(w.a, r->reply, "tags", SL_NGV_DICTIONARY);
	for (unsigned i = 0; i < s->n_parties; i++) {
		if (concerned(s, i, tag))
			party(&w, d, i);
	}
	d = sl_ng_add(w.a, r->reply, "totals", SL_NGV_DICTIONARY);
	counts(&w, d, "RTP", w.totals.rtp_packets, w.totals.rtp_bytes, w.totals.rtp_errors);
	counts(&w, d, "RTCP", w.totals.rtcp_packets, 0, 0);
}
