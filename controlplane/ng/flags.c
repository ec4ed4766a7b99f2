/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/flags.h"

#include "dataplane/abi/log.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* ---- what is not done, what is wrong, what is not known ---- */

static bool is_named(const char *text, const char *what)
{
	size_t n = strlen(what);

	for (const char *at = text; (at = strstr(at, what)); at += n) {
		if (at[-1] == ' ' && (at[n] == '\0' || at[n] == ',')) /* never at the very beginning */
			return true;
	}
	return false;
}

void sl_ng_warn(struct sl_ng_reading *r, const char *what)
{
	char *text = r->q->warning;
	size_t n = strlen(text);

	if (!is_named(text, what))
		snprintf(text + n, sizeof r->q->warning - n, "%s%s", n ? ", " : "Not done: ", what);
}

void sl_ng_wrong(struct sl_ng_reading *r, const char *key, struct sl_slice value)
{
	if (!r->q->error[0])
		snprintf(r->q->error, sizeof r->q->error, "Invalid value of '%s': '%.*s'", key,
		        sl_ng_shown(value), value.p);
}

void sl_ng_ignored(const char *where, struct sl_slice what)
{
	if (sl_log_enabled(SL_LOG_DEBUG))
		sl_log(SL_LOG_DEBUG, "ng: %s '%.*s' is passed over", where, sl_ng_shown(what), what.p);
}

void sl_ng_each(struct sl_ng_reading *r, const struct sl_ng_value *v,
        void (*take)(struct sl_ng_reading *r, struct sl_slice s))
{
	if (v->type == SL_NGV_STRING) {
		take(r, v->string);
		return;
	}
	if (v->type != SL_NGV_LIST)
		return;
	for (const struct sl_ng_value *i = v->items.first; i; i = i->next) {
		if (i->type == SL_NGV_STRING)
			take(r, i->string);
	}
}

/* ---- kinds of keys ---- */

/* How one key is read; what says where to, and is of the kind's type. */
struct key {
	const char *name;
	void (*take)(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v);
	size_t at;
	void (*each)(struct sl_ng_reading *r, struct sl_slice s);
};

static void *place(const struct sl_ng_reading *r, const struct key *k)
{
	return (char *)r->q + k->at;
}

static struct sl_slice as_string(const struct sl_ng_value *v)
{
	return v->type == SL_NGV_STRING ? v->string : (struct sl_slice){"", 0};
}

static void put(const struct sl_ng_reading *r, struct sl_slice *to, struct sl_slice s)
{
	if (s.n > 0 && (to->n == 0 || r->overriding))
		*to = s;
}

static void take_string(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	put(r, place(r, k), as_string(v));
}

static void take_integer(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	int64_t *to = place(r, k);

	if (!sl_ng_integer(v, to))
		sl_ng_wrong(r, k->name, as_string(v));
}

static void take_each(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	sl_ng_each(r, v, k->each);
}

static void take_warning(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	if (!sl_ng_is(as_string(v), "off") && !sl_ng_is(as_string(v), "default"))
		sl_ng_warn(r, k->name);
}

static void take_nothing(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
}

/* ---- single keys ---- */

static bool parse_ip(struct sl_slice s, struct sl_ip *out)
{
	char text[SL_ADDR_TEXT_MAX];

	if (s.n == 0 || s.n >= sizeof text)
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return strlen(text) == s.n && sl_ip_parse(text, out) == 0;
}

static void take_ip(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	struct sl_ip *to = place(r, k);

	if (!parse_ip(as_string(v), to))
		sl_ng_wrong(r, k->name, as_string(v));
}

/* A list of family and address; Kamailio also lets scripts put an address alone beside it. */
static void take_received_from(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	const struct sl_ng_value *ip = v->type == SL_NGV_LIST ? v->items.last : v;
	struct sl_ip *to = place(r, k), found;
	bool known = (to->q[0] | to->q[1]) != 0;

	if ((!known || r->overriding) && ip && parse_ip(as_string(ip), &found))
		*to = found;
}

static void take_direction(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	struct sl_media_options *o = &r->q->media.options;

	if (v->type != SL_NGV_LIST) {
		put(r, &o->from_interface, as_string(v));
		return;
	}
	if (v->items.first)
		put(r, &o->from_interface, as_string(v->items.first));
	if (v->items.first && v->items.first->next)
		put(r, &o->to_interface, as_string(v->items.first->next));
}

static void take_interface(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	put(r, &r->q->media.options.from_interface, as_string(v));
	put(r, &r->q->media.options.to_interface, as_string(v));
}

static void take_transport(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	static const struct {
		const char *name;
		enum sl_sdp_proto proto;
	} names[] = {
	        {"RTP/AVP", SL_SDP_RTP_AVP},
	        {"RTP/AVPF", SL_SDP_RTP_AVPF},
	        {"RTP/SAVP", SL_SDP_RTP_SAVP},
	        {"RTP/SAVPF", SL_SDP_RTP_SAVPF},
	        {"UDP/TLS/RTP/SAVP", SL_SDP_TLS_RTP_SAVP},
	        {"UDP/TLS/RTP/SAVPF", SL_SDP_TLS_RTP_SAVPF},
	};
	struct sl_slice s = as_string(v);

	if (sl_ng_is(s, "accept")) /* of an answer: go along with its protocol, which we do anyway */
		return;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (sl_ng_is(s, names[i].name)) {
			r->q->media.options.set_proto = true;
			r->q->media.options.proto = names[i].proto;
			return;
		}
	}
	sl_ng_wrong(r, k->name, s); /* passed over it might send in the clear what was to be encrypted */
}

static void take_family(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	struct sl_slice s = as_string(v);

	if (sl_ng_is(s, "IP4") || sl_ng_is(s, "inet"))
		r->q->media.options.address_family = AF_INET;
	else if (sl_ng_is(s, "IP6") || sl_ng_is(s, "inet6"))
		r->q->media.options.address_family = AF_INET6;
	else
		sl_ng_wrong(r, k->name, s);
}

static void take_ice(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	struct sl_slice s = as_string(v);

	if (sl_ng_is(s, "remove") || sl_ng_is(s, "default")) {
		r->q->media.options.ice = SL_SDP_ICE_REMOVE;
	} else if (sl_ng_is(s, "pass")) {
		r->q->media.options.ice = SL_SDP_ICE_PASS;
	} else if (sl_ng_is(s, "force")) { /* candidates of others would lead past us */
		r->q->media.options.ice = SL_SDP_ICE_REMOVE;
		sl_ng_warn(r, "ICE=force");
	} else if (sl_ng_is(s, "force-relay") || sl_ng_is(s, "optional")) {
		r->q->media.options.ice = SL_SDP_ICE_PASS;
		sl_ng_warn(r, "ICE candidates of our own");
	} else {
		sl_ng_ignored("ICE", s);
	}
}

static void take_tos(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	enum { TOS_MAX = 255, ECN_BITS = 2 };
	int64_t tos;

	if (!sl_ng_integer(v, &tos))
		sl_ng_wrong(r, k->name, as_string(v));
	else /* out of range: the configured one */
		r->q->media.options.dscp = tos < 0 || tos > TOS_MAX ? -1 : (int)(tos >> ECN_BITS);
}

static void take_delete_delay(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	enum { DAY_S = 86400 };
	int64_t s;

	if (!sl_ng_integer(v, &s) || s > DAY_S)
		sl_ng_wrong(r, k->name, as_string(v));
	else
		r->q->media.options.delete_delay_s = s < 0 ? -1 : (int)s;
}

static bool is_yes(struct sl_slice s)
{
	return sl_ng_is(s, "yes") || sl_ng_is(s, "on");
}

static void take_record(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	if (is_yes(as_string(v)))
		r->q->media.options.flags |= SL_MF_RECORD;
}

static void take_all(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	if (!sl_ng_is(as_string(v), "none"))
		r->q->flags |= SL_NG_ALL;
}

/* Milliseconds between DTMF events, or "yes": pause, do not stop, a recording. */
static void take_pause(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	if (is_yes(as_string(v)))
		r->q->flags |= SL_NG_PAUSE;
	else
		take_integer(r, k, v);
}

static void take_code(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	static const char digits[] = "0123456789*#ABCD";
	struct sl_slice s = as_string(v);
	const char *d = s.n == 1 && s.p[0] ? strchr(digits, s.p[0]) : NULL;

	if (d)
		r->q->code = d - digits;
	else
		take_integer(r, k, v);
}

static void take_dtmf_security(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	struct sl_slice s = as_string(v);

	if (sl_ng_is(s, "off") || sl_ng_is(s, "no") || sl_ng_is(s, "disable"))
		r->q->flags |= SL_NG_DTMF_OFF;
	else if (!sl_ng_is(s, "drop"))
		sl_ng_warn(r, "DTMF-security other than drop");
}

static void take_supports(struct sl_ng_reading *r, struct sl_slice s)
{
	if (sl_ng_is(s, "load limit"))
		r->q->flags |= SL_NG_LOAD_LIMIT;
}

static void codec_list(struct sl_ng_reading *r, struct sl_slice operation, const struct sl_ng_value *v)
{
	if (v->type == SL_NGV_STRING)
		sl_ng_take_codec(r, operation, v->string);
	if (v->type != SL_NGV_LIST)
		return;
	for (const struct sl_ng_value *c = v->items.first; c; c = c->next) {
		if (c->type == SL_NGV_STRING)
			sl_ng_take_codec(r, operation, c->string);
	}
}

static void take_codecs(struct sl_ng_reading *r, const struct key *k, const struct sl_ng_value *v)
{
	if (v->type != SL_NGV_DICTIONARY)
		return;
	for (const struct sl_ng_value *op = v->items.first; op; op = op->next)
		codec_list(r, op->key, op);
}

static void take_transcode(struct sl_ng_reading *r, struct sl_slice s)
{
	sl_ng_take_codec(r, sl_ng_text("transcode"), s);
}

/* ---- all of them ---- */

#define AT(field) .at = offsetof(struct sl_ng_asked, field)
static const struct key keys[] = {
        {"sdp", take_string, AT(media.sdp)},
        {"call-id", take_string, AT(media.call_id)},
        {"from-tag", take_string, AT(media.from_tag)},
        {"to-tag", take_string, AT(media.to_tag)},
        {"via-branch", take_string, AT(media.via_branch)},
        {"flags", take_each, .each = sl_ng_read_flag},
        {"replace", take_each, .each = sl_ng_take_replace},
        {"supports", take_each, .each = take_supports},
        {"received-from", take_received_from, AT(media.options.received_from)},
        {"direction", take_direction},
        {"from-interface", take_string, AT(media.options.from_interface)},
        {"to-interface", take_string, AT(media.options.to_interface)},
        {"interface", take_interface},
        {"transport-protocol", take_transport},
        {"address-family", take_family},
        {"media-address", take_ip, AT(media.options.media_address)},
        {"ICE", take_ice},
        {"rtcp-mux", take_each, .each = sl_ng_take_mux},
        {"SDES", take_each, .each = sl_ng_take_sdes},
        {"codec", take_codecs},
        {"transcode", take_each, .each = take_transcode},
        {"T.38", take_each, .each = sl_ng_take_t38},
        {"T38", take_each, .each = sl_ng_take_t38},
        {"endpoint-learning", take_each, .each = sl_ng_take_learning},
        {"TOS", take_tos},
        {"record-call", take_record},
        {"metadata", take_string, AT(media.options.metadata)},
        {"delete-delay", take_delete_delay},
        {"label", take_string, AT(label)},
        {"from-label", take_string, AT(label)},
        {"set-label", take_string, AT(set_label)},
        {"to-label", take_string, AT(to_label)},
        {"from-tags", take_each, .each = sl_ng_take_from_tag},
        {"all", take_all},
        {"address", take_ip, AT(address)},
        {"file", take_string, AT(file)},
        {"clip", take_string, AT(clip)},
        {"blob", take_string, AT(blob)},
        {"db-id", take_string, AT(db_id)},
        {"repeat-times", take_integer, AT(repeat_times)},
        {"start-pos", take_integer, AT(start_ms)},
        {"code", take_code, AT(code)},
        {"digit", take_code, AT(code)},
        {"duration", take_integer, AT(duration_ms)},
        {"volume", take_integer, AT(volume)},
        {"pause", take_pause, AT(pause_ms)},
        {"limit", take_integer, AT(limit)},
        {"output-destination", take_string, AT(output)},
        {"recording-file", take_string, AT(output)},
        {"recording-format", take_string, AT(format)},
        {"DTMF-security", take_dtmf_security},
        {"ptime", take_warning},
        {"ptime-reverse", take_warning},
        {"repacketize", take_warning},
        {"audio-player", take_warning},
        {"media-echo", take_warning},
        {"drop-traffic", take_warning},
        {"sdp-attr", take_warning},
        {"DTMF-delay", take_warning},
        {"delay-buffer", take_warning},
        {"command", take_nothing},    /* read before */
        {"rtpp-flags", take_nothing}, /* read after */
        {"sip-message-type", take_nothing},
        {"sip-code", take_nothing},
        {"DTLS", take_nothing}, /* passed or refused, never terminated: there is nothing to steer */
        {"DTLS-reverse", take_nothing},
        {"DTLS-fingerprint", take_nothing},
        {"OSRTP", take_nothing},
        {"ICE-lite", take_nothing},
        {"generate-RTCP", take_nothing},
        {"xmlrpc-callback", take_nothing},
};

void sl_ng_read_dictionary(struct sl_ng_reading *r, const struct sl_ng_value *dictionary)
{
	struct sl_slice operation;
	size_t k;

	for (const struct sl_ng_value *v = dictionary->items.first; v; v = v->next) {
		for (k = 0; k < sizeof keys / sizeof keys[0] && !sl_ng_is(v->key, keys[k].name); k++)
			;
		if (k < sizeof keys / sizeof keys[0])
			keys[k].take(r, &keys[k], v);
		else if (sl_ng_has_prefix(
		                 v->key, "codec", &operation)) /* "codec-strip=PCMA", in the raw string */
			codec_list(r, operation, v);
		else
			sl_ng_ignored("key", v->key);
	}
}

void sl_ng_read_flags(struct sl_ng_asked *q, struct sl_ng_arena *a, const struct sl_ng_value *dictionary)
{
	const struct sl_ng_value *raw = sl_ng_get(dictionary, "rtpp-flags");
	struct sl_ng_reading r = {q, a, false};

	q->repeat_times = q->start_ms = q->code = q->duration_ms = q->volume = q->pause_ms = SL_NG_NOT_GIVEN;
	q->limit = SL_NG_LIST_DEFAULT;
	q->media.options.dscp = -1;
	q->media.options.delete_delay_s = -1;
	sl_ng_read_dictionary(&r, dictionary);
	if (raw && raw->type == SL_NGV_STRING) {
		r.overriding = true;
		dictionary = sl_ng_rtpp_dictionary(a, raw->string);
		if (dictionary)
			sl_ng_read_dictionary(&r, dictionary);
	}
	if (a->failed)
		snprintf(q->error, sizeof q->error, "Too many flags");
}
