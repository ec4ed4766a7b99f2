/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/fake_media.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_media fake_media;

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	size_t n = strlen(fake_media.asked);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fake_media.asked + n, sizeof fake_media.asked - n, fmt, ap);
	va_end(ap);
}

static void begin(const char *what)
{
	fake_media.asked[0] = '\0';
	fake_media.n_calls++;
	say("%s\n", what);
}

static void say_slice(const char *name, struct sl_slice s)
{
	if (s.n > 0)
		say("%s: %.*s\n", name, (int)s.n, s.p);
}

static void say_ip(const char *name, const struct sl_ip *ip)
{
	char text[SL_ADDR_TEXT_MAX];

	if (ip->q[0] | ip->q[1])
		say("%s: %s\n", name, sl_ip_text(ip, text));
}

static void say_int(const char *name, long long value, long long otherwise)
{
	if (value != otherwise)
		say("%s: %lld\n", name, value);
}

static void say_list(const char *name, const struct sl_slice *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		say_slice(name, list[i]);
}

static void say_flags(uint32_t flags)
{
	static const char *const names[] = {"trust-address", "symmetric", "asymmetric", "strict-source",
	        "media-handover", "port-latching", "replace-origin", "replace-connection", "loop-protect",
	        "record", "always-transcode", "unidirectional", "no-rtcp-attribute", "reset", "stable-ssrc",
	        "block-dtmf", "allow-no-codec", "sip-source"};

	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (flags & UINT32_C(1) << i)
			say("flag: %s\n", names[i]);
	}
}

static void say_options(const struct sl_media_options *o)
{
	say_flags(o->flags);
	say_slice("from-interface", o->from_interface);
	say_slice("to-interface", o->to_interface);
	if (o->set_proto)
		say("proto: %d\n", o->proto);
	say_int("ice", o->ice, SL_SDP_ICE_REMOVE);
	say_int("rtcp-mux", o->rtcp_mux, 0);
	if (o->set_learn)
		say("learn: %d\n", o->learn);
	say_int("address-family", o->address_family, 0);
	say_ip("media-address", &o->media_address);
	say_ip("received-from", &o->received_from);
	say_int("sdes-off", o->sdes_off, false);
	if (o->sdes_no)
		say("sdes-no: 0x%x\n", o->sdes_no);
	if (o->sdes_only)
		say("sdes-only: 0x%x\n", o->sdes_only);
	say_int("sdes-no-lifetime", o->sdes_no_lifetime, false);
	say_int("dscp", o->dscp, -1);
	say_list("strip", o->strip, o->n_strip);
	say_list("except", o->except, o->n_except);
	say_list("offer", o->offer, o->n_offer);
	say_int("delete-delay", o->delete_delay_s, -1);
	say_slice("label", o->label);
	say_slice("metadata", o->metadata);
}

static void say_request(const struct sl_media_request *q)
{
	say_slice("call-id", q->call_id);
	say_slice("from-tag", q->from_tag);
	say_slice("to-tag", q->to_tag);
	say_slice("via-branch", q->via_branch);
	say_int("sdp-bytes", (long long)q->sdp.n, 0);
	say_options(&q->options);
}

static void say_who(const struct sl_media_who *who)
{
	say_slice("call-id", who->call_id);
	say_slice("tag", who->tag);
	say_slice("label", who->label);
	say_ip("address", &who->address);
}

static enum sl_media_result result(struct sl_media_error *e)
{
	*e = fake_media.error;
	return e->code;
}

/* ---- what the test does ---- */

static void free_session(struct sl_media_session *s)
{
	for (unsigned i = 0; i < s->n_parties; i++) {
		for (unsigned j = 0; j < s->parties[i]->n_sections; j++)
			free(s->parties[i]->sections[j]);
		free(s->parties[i]);
	}
	free(s);
}

struct sl_media *fake_media_reset(void)
{
	static char engine;

	for (unsigned i = 0; i < fake_media.n_sessions; i++)
		free_session(fake_media.sessions[i]);
	memset(&fake_media, 0, sizeof fake_media);
	return (struct sl_media *)(void *)&engine;
}

static void *zeroed(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		abort();
	return p;
}

static void fill_leg(struct sl_media_leg *leg, unsigned i)
{
	leg->ref.id = i + 1;
	leg->ref.port = (uint16_t)(30000 + 2 * i);
	leg->rtcp_port = (uint16_t)(30001 + 2 * i);
	sl_endpoint_parse(i ? "127.0.0.1:41102" : "127.0.0.1:41100", &leg->set.remote_rtp);
	sl_endpoint_parse(i ? "127.0.0.1:41103" : "127.0.0.1:41101", &leg->set.remote_rtcp);
	leg->stats = (struct sl_evt_leg){.locked = 1,
	        .remote_rtp = leg->set.remote_rtp,
	        .rx_packets = 500 + i,
	        .rx_bytes = 86000,
	        .rx_dropped = 3,
	        .rx_ssrc = i ? 2222 : 1111,
	        .rx_lost = 10,
	        .rx_jitter_us = 20400,
	        .rtt_us = 23000 + i,
	        .idle_ms = 2000,
	        .rtcp_in = 5};
	leg->stats_ms = 1;
	leg->mos_n = 4;
	leg->mos_sum = 16.8;
	leg->mos_last = 4.2f;
	leg->mos_min = 4.1f;
	leg->mos_max = 4.3f;
	leg->mos_min_unix_ms = 1700000006000;
	leg->mos_max_unix_ms = 1700000003000;
	if (i)
		leg->set.key_out.suite = SL_SRTP_AES_CM_128_80;
}

struct sl_media_session *fake_media_call(const char *call_id, const char *a, const char *b)
{
	struct sl_media_session *s = zeroed(sizeof *s);

	snprintf(s->call_id, sizeof s->call_id, "%s", call_id);
	s->created_unix_ms = 1700000000123;
	s->last_signal_unix_ms = 1700000005000;
	s->n_parties = 2;
	for (unsigned i = 0; i < s->n_parties; i++) {
		struct sl_media_party *p = s->parties[i] = zeroed(sizeof *p);
		snprintf(p->tag, sizeof p->tag, "%s", i ? b : a);
		p->created_unix_ms = s->created_unix_ms;
		p->flags = i ? SL_PARTY_ANSWERED : SL_PARTY_OFFERED;
		p->n_sections = 1;
		struct sl_media_section *m = p->sections[0] = zeroed(sizeof *m);
		strcpy(m->type, "audio");
		m->proto = i ? SL_SDP_RTP_SAVP : SL_SDP_RTP_AVP;
		strcpy(m->codec, "PCMA/8000");
		fill_leg(&m->leg, i);
	}
	strcpy(s->parties[0]->label, "caller");
	strcpy(s->parties[1]->via_branch, "z9hG4bKx");
	fake_media.sessions[fake_media.n_sessions++] = s;
	return s;
}

static void complete(unsigned i)
{
	static const struct sl_media_error good = {SL_MEDIA_OK, ""},
	                                   unknown = {SL_MEDIA_ERR_NOT_FOUND, "Unknown call-id"};
	const struct sl_media_error *e = fake_media.error.code           ? &fake_media.error
	                                 : fake_media.waiting[i].session ? &good
	                                                                 : &unknown;

	fake_media.waiting[i].done(
	        fake_media.waiting[i].ctx, e->code ? NULL : fake_media.waiting[i].session, e);
}

void fake_media_done(void)
{
	unsigned n = fake_media.n_late;

	fake_media.n_late = 0;
	for (unsigned i = 0; i < n; i++)
		complete(i);
}

/* ---- media.h ---- */

static struct sl_media_session *find(struct sl_slice call_id)
{
	for (unsigned i = 0; i < fake_media.n_sessions; i++) {
		struct sl_media_session *s = fake_media.sessions[i];
		if (strlen(s->call_id) == call_id.n && memcmp(s->call_id, call_id.p, call_id.n) == 0)
			return s;
	}
	return NULL;
}

static void later(struct sl_slice call_id, sl_media_done done, void *ctx)
{
	unsigned i = fake_media.n_late++;

	fake_media.waiting[i].done = done;
	fake_media.waiting[i].ctx = ctx;
	fake_media.waiting[i].session = find(call_id);
	if (!fake_media.late)
		fake_media_done();
}

/* The same SDP with another port, as long as the one it had. */
static void answer_sdp(const struct sl_media_request *q, struct sl_media_reply *r)
{
	char *m;

	r->sdp_len = q->sdp.n;
	memcpy(r->sdp, q->sdp.p, q->sdp.n);
	r->sdp[q->sdp.n] = '\0';
	m = strstr(r->sdp, "m=audio 41");
	if (m)
		memcpy(m, "m=audio 30", 10);
	if (fake_media.warning)
		snprintf(r->warning, sizeof r->warning, "%s", fake_media.warning);
}

enum sl_media_result sl_media_offer(struct sl_media *m, const struct sl_media_request *q,
        struct sl_media_reply *r, struct sl_media_error *e)
{
	begin("offer");
	say_request(q);
	fake_media.n_offers++;
	if (result(e) == SL_MEDIA_OK)
		answer_sdp(q, r);
	return e->code;
}

enum sl_media_result sl_media_answer(struct sl_media *m, const struct sl_media_request *q,
        struct sl_media_reply *r, struct sl_media_error *e)
{
	begin("answer");
	say_request(q);
	if (result(e) == SL_MEDIA_OK)
		answer_sdp(q, r);
	return e->code;
}

enum sl_media_result sl_media_publish(struct sl_media *m, const struct sl_media_request *q,
        struct sl_media_reply *r, struct sl_media_error *e)
{
	begin("publish");
	say_request(q);
	if (result(e) == SL_MEDIA_OK)
		answer_sdp(q, r);
	return e->code;
}

const struct sl_media_session *sl_media_find(const struct sl_media *m, struct sl_slice call_id)
{
	return find(call_id);
}

const struct sl_media_session *sl_media_next(const struct sl_media *m, uint32_t *cursor)
{
	return *cursor < fake_media.n_sessions ? fake_media.sessions[(*cursor)++] : NULL;
}

int sl_media_peer(const struct sl_media_session *s, unsigned party)
{
	return s->n_parties < 2 ? -1 : party ? 0 : 1;
}

void sl_media_refresh(struct sl_media *m, struct sl_slice call_id, sl_media_done done, void *ctx)
{
	begin("refresh");
	say_slice("call-id", call_id);
	later(call_id, done, ctx);
}

void sl_media_delete(struct sl_media *m, struct sl_slice call_id, struct sl_slice tag,
        struct sl_slice via_branch, int delay_s, sl_media_done done, void *ctx)
{
	begin("delete");
	fake_media.n_deletes++;
	say_slice("call-id", call_id);
	say_slice("tag", tag);
	say_slice("via-branch", via_branch);
	say_int("delay", delay_s, -1);
	later(call_id, done, ctx);
}

enum sl_media_result sl_media_block(struct sl_media *m, const struct sl_media_who *who, uint32_t leg_flag,
        bool on, struct sl_media_error *e)
{
	begin("block");
	say_who(who);
	say("leg-flag: 0x%x\non: %d\n", leg_flag, on);
	return result(e);
}

enum sl_media_result sl_media_play(struct sl_media *m, const struct sl_media_who *who, struct sl_slice clip,
        struct sl_slice file, unsigned times, unsigned start_ms, unsigned *duration_ms,
        struct sl_media_error *e)
{
	begin("play");
	say_who(who);
	say_slice("clip", clip);
	say_slice("file", file);
	say("times: %u\nstart: %u\n", times, start_ms);
	*duration_ms = 2500;
	return result(e);
}

enum sl_media_result sl_media_play_stop(
        struct sl_media *m, const struct sl_media_who *who, struct sl_media_error *e)
{
	begin("play-stop");
	say_who(who);
	return result(e);
}

enum sl_media_result sl_media_dtmf(struct sl_media *m, const struct sl_media_who *who, const char *digits,
        unsigned duration_ms, unsigned pause_ms, unsigned volume, struct sl_media_error *e)
{
	begin("dtmf");
	say_who(who);
	say("digits: %s\nduration: %u\npause: %u\nvolume: %u\n", digits, duration_ms, pause_ms, volume);
	return result(e);
}

enum sl_media_result sl_media_record(struct sl_media *m, struct sl_slice call_id, bool on, const char *format,
        const char *name, struct sl_media_error *e)
{
	begin("record");
	say_slice("call-id", call_id);
	say("on: %d\n", on);
	if (format)
		say("format: %s\n", format);
	if (name)
		say("name: %s\n", name);
	return result(e);
}

enum sl_media_result sl_media_subscribe(struct sl_media *m, const struct sl_media_who *who,
        const struct sl_media_request *q, struct sl_media_reply *r, char *tag_out, struct sl_media_error *e)
{
	static const char sdp[] = "v=0\r\n";

	begin("subscribe");
	say_who(who);
	say_request(q);
	if (result(e) == SL_MEDIA_OK) {
		r->sdp_len = sizeof sdp - 1;
		memcpy(r->sdp, sdp, r->sdp_len);
		snprintf(tag_out, SL_MEDIA_ID_MAX + 1, "%.*s", q->to_tag.n ? (int)q->to_tag.n : 7,
		        q->to_tag.n ? q->to_tag.p : "drawn-1");
	}
	return e->code;
}

enum sl_media_result sl_media_subscribe_answer(
        struct sl_media *m, const struct sl_media_request *q, struct sl_media_error *e)
{
	begin("subscribe-answer");
	say_request(q);
	return result(e);
}

enum sl_media_result sl_media_unsubscribe(
        struct sl_media *m, const struct sl_media_request *q, struct sl_media_error *e)
{
	begin("unsubscribe");
	say_request(q);
	return result(e);
}

void sl_media_counts(const struct sl_media *m, struct sl_media_counts *out)
{
	*out = (struct sl_media_counts){.sessions = fake_media.n_sessions,
	        .sessions_total = 7,
	        .timeouts = 1,
	        .deletes = 2,
	        .legs_refused = 3};
}
