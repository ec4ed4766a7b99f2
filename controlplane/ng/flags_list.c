/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/flags.h"

#include <stdio.h>
#include <string.h>

/* ---- lists with a key of their own ---- */

void sl_ng_take_replace(struct sl_ng_reading *r, struct sl_slice s)
{
	if (sl_ng_is(s, "origin"))
		r->q->media.options.flags |= SL_MF_REPLACE_ORIGIN;
	else if (sl_ng_is(s, "session-connection"))
		r->q->media.options.flags |= SL_MF_REPLACE_CONNECTION;
	else
		sl_ng_ignored("replace", s);
}

void sl_ng_take_mux(struct sl_ng_reading *r, struct sl_slice s)
{
	static const struct {
		const char *name;
		uint8_t bit;
	} names[] = {{"offer", SL_MM_OFFER}, {"require", SL_MM_REQUIRE}, {"demux", SL_MM_DEMUX},
	        {"accept", SL_MM_ACCEPT}, {"reject", SL_MM_REJECT}};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (sl_ng_is(s, names[i].name)) {
			r->q->media.options.rtcp_mux |= names[i].bit;
			return;
		}
	}
	sl_ng_ignored("rtcp-mux", s);
}

/* Bit of a suite by its SDP name (RFC 4568 6.2). */
static uint32_t suite_bit(struct sl_slice s)
{
#define X(name, number, key, salt, tag, ctag, sdp)                                                           \
	if (sl_ng_is(s, sdp))                                                                                \
		return UINT32_C(1) << number;
	SL_SRTP_SUITES(X)
#undef X
	return 0;
}

void sl_ng_take_sdes(struct sl_ng_reading *r, struct sl_slice s)
{
	struct sl_media_options *o = &r->q->media.options;
	struct sl_slice rest;
	uint32_t bit;

	if (sl_ng_is(s, "off") || sl_ng_is(s, "no") || sl_ng_is(s, "disable") || sl_ng_is(s, "disabled")) {
		o->sdes_off = true;
	} else if (sl_ng_is(s, "no-lifetime")) {
		o->sdes_no_lifetime = true;
	} else if (sl_ng_has_prefix(s, "no", &rest)) {
		o->sdes_no |= suite_bit(rest);
	} else if (sl_ng_has_prefix(s, "only", &rest)) {
		bit = suite_bit(rest);
		o->sdes_only |= bit ? bit : UINT32_C(1) << SL_NG_SUITE_UNKNOWN;
	} else { /* the unencrypted_* parameters too: passing them over fails closed */
		sl_ng_ignored("SDES", s);
	}
}

void sl_ng_take_t38(struct sl_ng_reading *r, struct sl_slice s)
{
	if (sl_ng_is(s, "decode") || sl_ng_is(s, "force"))
		sl_ng_warn(r, "T.38 transcoding");
}

void sl_ng_take_learning(struct sl_ng_reading *r, struct sl_slice s)
{
	static const char *const names[SL_LEARN_N] = {[SL_LEARN_OFF] = "off",
	        [SL_LEARN_IMMEDIATE] = "immediate",
	        [SL_LEARN_DELAYED] = "delayed",
	        [SL_LEARN_HEURISTIC] = "heuristic"};

	for (uint8_t i = 0; i < SL_LEARN_N; i++) {
		if (sl_ng_is(s, names[i])) {
			r->q->media.options.learn = i;
			r->q->media.options.set_learn = true;
			return;
		}
	}
	sl_ng_ignored("endpoint-learning", s);
}

void sl_ng_take_from_tag(struct sl_ng_reading *r, struct sl_slice s)
{
	if (r->q->n_from_tags < SL_NG_MAX_FROM_TAGS)
		r->q->from_tags[r->q->n_from_tags++] = s;
	else
		sl_ng_warn(r, "from-tags beyond 16");
}

static void add_codec(struct sl_ng_reading *r, struct sl_slice list[SL_MEDIA_MAX_FILTER], unsigned *n,
        struct sl_slice codec)
{
	if (*n < SL_MEDIA_MAX_FILTER)
		list[(*n)++] = codec;
	else
		sl_ng_warn(r, "codecs beyond 32");
}

void sl_ng_take_codec(struct sl_ng_reading *r, struct sl_slice operation, struct sl_slice codec)
{
	struct sl_media_options *o = &r->q->media.options;

	if (sl_ng_is(operation, "strip")) {
		add_codec(r, o->strip, &o->n_strip, codec);
	} else if (sl_ng_is(operation, "except")) {
		add_codec(r, o->except, &o->n_except, codec);
	} else if (sl_ng_is(operation, "offer")) {
		add_codec(r, o->offer, &o->n_offer, codec);
	} else if (sl_ng_is(operation, "transcode")) {
		/* One that is offered stays, also when all are stripped: for that no transcoding is needed.
		 */
		add_codec(r, o->except, &o->n_except, codec);
		sl_ng_warn(r, "codec-transcode");
	} else if (sl_ng_is(operation, "mask")) {
		/* Taking it away would leave what only a transcoder could connect. */
		sl_ng_warn(r, "codec-mask");
	} else if (sl_ng_is(operation, "consume")) {
		sl_ng_warn(r, "codec-consume");
	} else if (sl_ng_is(operation, "accept")) {
		sl_ng_warn(r, "codec-accept");
	} else {
		sl_ng_ignored("codec", operation);
	}
}

/* ---- the list "flags" ---- */

static const struct {
	const char *name;
	uint32_t media; /* enum sl_media_flag */
	uint32_t ng;    /* enum sl_ng_flag */
	bool warn;
} flags[] = {
        {"trust-address", SL_MF_TRUST_ADDRESS},
        {"SIP-source-address", SL_MF_SIP_SOURCE},
        {"symmetric", SL_MF_SYMMETRIC},
        {"asymmetric", SL_MF_ASYMMETRIC},
        {"strict-source", SL_MF_STRICT_SOURCE},
        {"media-handover", SL_MF_MEDIA_HANDOVER},
        {"port-latching", SL_MF_PORT_LATCHING},
        {"loop-protect", SL_MF_LOOP_PROTECT},
        {"record-call", SL_MF_RECORD},
        {"always-transcode", SL_MF_ALWAYS_TRANSCODE}, /* the engine warns */
        {"unidirectional", SL_MF_UNIDIRECTIONAL},
        {"no-rtcp-attribute", SL_MF_NO_RTCP_ATTRIBUTE},
        {"reset", SL_MF_RESET},
        {"stable-ssrc", SL_MF_STABLE_SSRC},
        {"block-DTMF", SL_MF_BLOCK_DTMF},
        {"allow-no-codec-media", SL_MF_ALLOW_NO_CODEC},
        {"all", .ng = SL_NG_ALL},
        {"directional", .ng = SL_NG_DIRECTIONAL},
        {"fatal", .ng = SL_NG_FATAL},
        {"pause", .ng = SL_NG_PAUSE},
        {"allow-transcoding", .warn = true},
        {"pierce-NAT", .warn = true},
        {"NAT-wait", .warn = true},
        {"trickle-ICE", .warn = true},
};

static const struct {
	const char *name;
	void (*take)(struct sl_ng_reading *r, struct sl_slice s);
} prefixes[] = {
        {"replace", sl_ng_take_replace},
        {"SDES", sl_ng_take_sdes},
        {"rtcp-mux", sl_ng_take_mux},
        {"T.38", sl_ng_take_t38},
        {"T38", sl_ng_take_t38},
        {"endpoint-learning", sl_ng_take_learning},
        {"from-tags", sl_ng_take_from_tag},
};

/* "codec-strip-PCMA", "transcode-PCMU". */
static bool codec_flag(struct sl_ng_reading *r, struct sl_slice flag)
{
	static const char *const operations[] = {
	        "strip", "except", "offer", "transcode", "mask", "consume", "accept", "set", "ignore"};
	struct sl_slice rest, codec;

	if (sl_ng_has_prefix(flag, "transcode", &codec)) {
		sl_ng_take_codec(r, sl_ng_text("transcode"), codec);
		return true;
	}
	if (!sl_ng_has_prefix(flag, "codec", &rest))
		return false;
	for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
		if (sl_ng_has_prefix(rest, operations[i], &codec)) {
			sl_ng_take_codec(r, sl_ng_text(operations[i]), codec);
			return true;
		}
	}
	return false;
}

void sl_ng_read_flag(struct sl_ng_reading *r, struct sl_slice flag)
{
	struct sl_slice rest;

	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		if (sl_ng_is(flag, flags[i].name)) {
			r->q->media.options.flags |= flags[i].media;
			r->q->flags |= flags[i].ng;
			if (flags[i].warn)
				sl_ng_warn(r, flags[i].name);
			return;
		}
	}
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
		if (sl_ng_has_prefix(flag, prefixes[i].name, &rest)) {
			prefixes[i].take(r, rest);
			return;
		}
	}
	if (codec_flag(r, flag))
		return;
	if (sl_ng_has_prefix(flag, "sdp-attr", &rest))
		sl_ng_warn(r, "sdp-attr");
	else
		sl_ng_ignored("flag", flag);
}
