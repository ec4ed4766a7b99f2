/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/api.h"

#include <math.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* A media session as JSON: what a list shows of it, and all of it. Keys are never shown, only their suites. */

static json_t *text_of(const char *s)
{
	return sl_api_text(s, strlen(s));
}

static json_t *endpoint(const struct sl_endpoint *ep)
{
	static const struct sl_ip unknown;
	char text[SL_ADDR_TEXT_MAX];

	return sl_ip_eq(&ep->ip, &unknown) ? json_null() : json_string(sl_endpoint_text(ep, text));
}

static json_t *local_endpoint(const struct sl_conf_media *conf, unsigned address, uint16_t port)
{
	if (port == 0 || address >= conf->n_addresses)
		return json_null();
	return endpoint(&(struct sl_endpoint){conf->addresses[address].ip, htons(port)});
}

static json_t *suite(const struct sl_srtp_key *key)
{
	static const char *const names[SL_SRTP_N_SUITES] = {
#define X(name, number, key_bytes, salt, tag, ctag, sdp) [number] = sdp,
	        SL_SRTP_SUITES(X)
#undef X
	};

	return key->suite != SL_SRTP_NONE && key->suite < SL_SRTP_N_SUITES ? json_string(names[key->suite]) : json_null();
}

/* Two digits are what a MOS means. */
static json_t *score(double mos)
{
	return json_real(round(mos * 100) / 100);
}

static json_t *ms_of(uint32_t us)
{
	return json_real(round(us / 10.0) / 100);
}

static double average(const struct sl_media_leg *leg)
{
	return leg->mos_n ? leg->mos_sum / leg->mos_n : 0;
}

static json_t *mos(const struct sl_media_leg *leg)
{
	if (leg->mos_n == 0)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o}", "last", score(leg->mos_last), "average", score(average(leg)), "lowest",
	        score(leg->mos_min), "highest", score(leg->mos_max));
}

static json_t *learned(const struct sl_evt_leg *s)
{
	return s->locked ? endpoint(&s->remote_rtp) : json_null();
}

static json_t *received(const struct sl_evt_leg *s)
{
	return json_pack("{s:I, s:I, s:I, s:i, s:I, s:o, s:I, s:I, s:I, s:I, s:i, s:I}", "packets", (json_int_t)s->rx_packets,
	        "bytes", (json_int_t)s->rx_bytes, "ssrc", (json_int_t)s->rx_ssrc, "payload_type", (int)s->rx_pt, "lost",
	        (json_int_t)s->rx_lost, "jitter_ms", ms_of(s->rx_jitter_us), "dropped", (json_int_t)s->rx_dropped, "strangers",
	        (json_int_t)s->strangers, "auth_failures", (json_int_t)s->auth_failures, "replays", (json_int_t)s->replays,
	        "ssrcs", (int)s->n_ssrc, "rtcp", (json_int_t)s->rtcp_in);
}

/* reported: what the other end says of it. */
static json_t *sent(const struct sl_evt_leg *s)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:{s:I, s:o, s:o}}", "packets", (json_int_t)s->tx_packets, "bytes",
	        (json_int_t)s->tx_bytes, "ssrc", (json_int_t)s->tx_ssrc, "rtcp", (json_int_t)s->rtcp_out, "reported", "lost",
	        (json_int_t)s->peer_lost, "loss_percent", json_real(round(s->peer_fraction * 1000.0 / 256) / 10), "jitter_ms",
	        ms_of(s->peer_jitter_us));
}

static json_t *show_leg(const struct sl_conf_media *conf, const struct sl_media_leg *leg)
{
	const struct sl_evt_leg *s = &leg->stats;
	const struct sl_leg_ref *ref = &leg->ref;
	bool secure = leg->set.key_in[0].suite != SL_SRTP_NONE;

	json_t *o = json_pack("{s:o, s:o, s:o, s:o, s:o, s:b}", "local", local_endpoint(conf, ref->address, ref->port),
	        "local_rtcp", local_endpoint(conf, ref->address, leg->rtcp_port ? leg->rtcp_port : ref->port), "remote",
	        endpoint(&leg->set.remote_rtp), "remote_rtcp", endpoint(&leg->set.remote_rtcp), "learned", learned(s), "rtcp_mux",
	        leg->rtcp_port == 0);
	if (ref->address < conf->n_addresses)
		json_object_set_new(o, "interface", text_of(conf->addresses[ref->address].interface));
	json_object_set_new(o, "crypto_in", secure ? suite(&leg->set.key_in[0]) : json_null());
	json_object_set_new(o, "crypto_out", suite(&leg->set.key_out));
	json_object_set_new(o, "worker", json_integer(s->worker));
	json_object_set_new(o, "dscp", leg->set.dscp == SL_DSCP_CARRY ? json_null() : json_integer(leg->set.dscp));
	json_object_set_new(o, "received", received(s));
	json_object_set_new(o, "sent", sent(s));
	json_object_set_new(o, "rtt_ms", s->rtt_us ? ms_of(s->rtt_us) : json_null());
	json_object_set_new(o, "mos", mos(leg));
	json_object_set_new(o, "idle_ms", s->idle_ms == UINT32_MAX ? json_null() : json_integer(s->idle_ms));
	json_object_set_new(o, "age_s", json_integer(s->age_s));
	json_object_set_new(o, "playing", json_boolean(leg->clip != SL_CLIP_NONE));
	json_object_set_new(o, "tapped", json_boolean(leg->tap != 0));
	return o;
}

static json_t *show_section(const struct sl_conf_media *conf, const struct sl_media_section *x)
{
	static const char *const protocols[] = {
	        [SL_SDP_RTP_AVP] = "RTP/AVP",
	        [SL_SDP_RTP_AVPF] = "RTP/AVPF",
	        [SL_SDP_RTP_SAVP] = "RTP/SAVP",
	        [SL_SDP_RTP_SAVPF] = "RTP/SAVPF",
	        [SL_SDP_TLS_RTP_SAVP] = "UDP/TLS/RTP/SAVP",
	        [SL_SDP_TLS_RTP_SAVPF] = "UDP/TLS/RTP/SAVPF",
	        [SL_SDP_UDPTL] = "udptl",
	        [SL_SDP_OTHER] = "other",
	};
	static const char *const directions[] = {[SL_SDP_SENDRECV] = "sendrecv",
	        [SL_SDP_SENDONLY] = "sendonly",
	        [SL_SDP_RECVONLY] = "recvonly",
	        [SL_SDP_INACTIVE] = "inactive"};
	json_t *o = json_pack("{s:o, s:s, s:s, s:o, s:b}", "type", text_of(x->type), "protocol", protocols[x->proto], "direction",
	        directions[x->direction], "codec", x->codec[0] ? text_of(x->codec) : json_null(), "rejected", x->rejected);

	if (x->bundled)
		json_object_set_new(o, "bundled_with", json_integer(x->bundle));
	json_object_set_new(o, "leg", x->leg.ref.id ? show_leg(conf, &x->leg) : json_null());
	return o;
}

static json_t *party_state(uint32_t flags)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {{SL_PARTY_OFFERED, "offered"}, {SL_PARTY_ANSWERED, "answered"}, {SL_PARTY_SUBSCRIBER, "subscriber"},
	        {SL_PARTY_PUBLISHER, "publisher"}, {SL_PARTY_BLOCKED, "blocked"}, {SL_PARTY_SILENCED, "silenced"},
	        {SL_PARTY_DTMF_BLOCKED, "dtmf_blocked"}};
	json_t *all = json_array();

	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (flags & names[i].flag)
			json_array_append_new(all, json_string(names[i].name));
	}
	return all;
}

static int64_t unix_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static json_t *seconds_since(int64_t then_unix_ms)
{
	int64_t ms = unix_ms() - then_unix_ms;

	return json_integer(ms > 0 ? ms / 1000 : 0);
}

static json_t *show_party(const struct sl_conf_media *conf, const struct sl_media_session *s, unsigned i)
{
	const struct sl_media_party *p = s->parties[i];
	int peer = sl_media_peer(s, i);
	json_t *o = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "tag", text_of(p->tag), "via_branch",
	        p->via_branch[0] ? text_of(p->via_branch) : json_null(), "label", p->label[0] ? text_of(p->label) : json_null(),
	        "state", party_state(p->flags), "age_s", seconds_since(p->created_unix_ms), "talks_to",
	        peer >= 0 ? text_of(s->parties[peer]->tag) : json_null());
	json_t *media = json_array();

	for (unsigned m = 0; m < p->n_sections; m++)
		json_array_append_new(media, show_section(conf, p->sections[m]));
	json_object_set_new(o, "media", media);
	return o;
}

/* ---- of a whole session ---- */

struct sum {
	unsigned legs;
	uint64_t packets, bytes, lost;
	double mos; /* of the leg that is worst off */
	bool has_mos;
};

static struct sum sum_of(const struct sl_media_session *s)
{
	struct sum sum = {0};

	for (unsigned p = 0; p < s->n_parties; p++) {
		for (unsigned m = 0; m < s->parties[p]->n_sections; m++) {
			const struct sl_media_leg *leg = &s->parties[p]->sections[m]->leg;
			if (leg->ref.id == 0)
				continue;
			sum.legs++;
			sum.packets += leg->stats.rx_packets;
			sum.bytes += leg->stats.rx_bytes;
			sum.lost += leg->stats.rx_lost;
			if (leg->mos_n && (!sum.has_mos || average(leg) < sum.mos)) {
				sum.mos = average(leg);
				sum.has_mos = true;
			}
		}
	}
	return sum;
}

/* The kinds of media that its parties have, each once. */
static json_t *kinds(const struct sl_media_session *s)
{
	const char *known[SL_MEDIA_MAX_SECTIONS];
	json_t *all = json_array();
	unsigned n = 0;

	for (unsigned p = 0; p < s->n_parties; p++) {
		for (unsigned m = 0; m < s->parties[p]->n_sections; m++) {
			const struct sl_media_section *x = s->parties[p]->sections[m];
			unsigned i = 0;
			while (i < n && strcmp(known[i], x->type) != 0)
				i++;
			if (i < n || n == SL_MEDIA_MAX_SECTIONS || x->rejected)
				continue;
			known[n++] = x->type;
			json_array_append_new(all, text_of(x->type));
		}
	}
	return all;
}

json_t *sl_api_session_brief(const struct sl_media_session *s)
{
	struct sum sum = sum_of(s);
	uint64_t expected = sum.packets + sum.lost;

	return json_pack("{s:o, s:o, s:s, s:i, s:i, s:o, s:I, s:I, s:I, s:o, s:o, s:b}", "id", text_of(s->call_id), "age_s",
	        seconds_since(s->created_unix_ms), "state", s->delete_at_ms ? "deleted" : "active", "parties", (int)s->n_parties,
	        "legs", (int)sum.legs, "media", kinds(s), "packets", (json_int_t)sum.packets, "bytes", (json_int_t)sum.bytes,
	        "lost", (json_int_t)sum.lost, "loss_percent",
	        json_real(expected ? round((double)sum.lost * 10000 / (double)expected) / 100 : 0), "mos",
	        sum.has_mos ? score(sum.mos) : json_null(), "recording", s->recording);
}

json_t *sl_api_session_whole(const struct sl_conf_media *conf, const struct sl_media_session *s)
{
	json_t *o = sl_api_session_brief(s), *parties = json_array();

	json_object_set_new(o, "created_unix_ms", json_integer(s->created_unix_ms));
	json_object_set_new(o, "last_signal_s", seconds_since(s->last_signal_unix_ms));
	json_object_set_new(o, "ended", s->ended[0] ? text_of(s->ended) : json_null());
	for (unsigned i = 0; i < s->n_parties; i++)
		json_array_append_new(parties, show_party(conf, s, i));
	json_object_set_new(o, "parties", parties);
	return o;
}
