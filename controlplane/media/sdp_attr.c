/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Attributes of media sections, as far as a relay is concerned. */

#include "controlplane/media/sdp_internal.h"

#include "dataplane/wire/rtp.h"

enum {
	DEFAULT_HZ = 8000,     /* some leave the clock of telephone-event out */
	MAX_PTIME_MS = 10000,
};

enum sl_sdp_attribute sl_sdp_attribute(struct sl_slice s, struct sl_slice *value)
{
	static const struct {
		uint8_t n;
		char text[23];
	} names[] = {
#define X(name, text) {sizeof text - 1, text},
		SL_SDP_ATTRIBUTES(X)
#undef X
	};
	struct sl_slice rest = s, name = sl_sdp_trim(sl_sdp_until(&rest, ':'));

	*value = sl_sdp_trim(rest);
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (names[i].n == name.n && memcmp(names[i].text, name.p, name.n) == 0)
			return (enum sl_sdp_attribute)(i + 1);
	}
	return SL_SDP_A_OTHER;
}

/* RFC 3551 6, tables 4 and 5. */
static const char *static_name(uint8_t pt)
{
	static const char *const names[] = {[0] = "PCMU", [3] = "GSM", [4] = "G723", [5] = "DVI4", [6] = "DVI4", [7] = "LPC",
		[8] = "PCMA", [9] = "G722", [10] = "L16", [11] = "L16", [12] = "QCELP", [13] = "CN", [14] = "MPA", [15] = "G728",
		[16] = "DVI4", [17] = "DVI4", [18] = "G729", [25] = "CelB", [26] = "JPEG", [28] = "nv", [31] = "H261",
		[32] = "MPV", [33] = "MP2T", [34] = "H263"};

	return pt < sizeof names / sizeof names[0] && names[pt] ? names[pt] : "";
}

void sl_sdp_static_codec(struct sl_sdp_codec *c, uint8_t pt)
{
	enum { PT_L16_STEREO = 10 };
	const char *name = static_name(pt);

	*c = (struct sl_sdp_codec){.pt = pt, .channels = pt == PT_L16_STEREO ? 2 : 1, .hz = sl_rtp_static_clock(pt),
		.name = {name, strlen(name)}};
}

/* The codec that the value begins with the payload type of, or NULL: none of this section's. */
static struct sl_sdp_codec *codec_of(struct sl_sdp_media *m, const int8_t by_pt[128], struct sl_slice *value)
{
	int pt = sl_sdp_value_pt(value);

	return pt >= 0 && by_pt[pt] >= 0 ? &m->codecs[by_pt[pt]] : NULL;
}

/* "0 PCMU/8000", "96 opus/48000/2" */
static const char *parse_rtpmap(struct sl_sdp_media *m, const int8_t by_pt[128], uint64_t *seen, struct sl_slice value)
{
	struct sl_sdp_codec *c = codec_of(m, by_pt, &value);
	uint64_t hz = 0, channels = 1;

	if (!c || (*seen & UINT64_C(1) << (c - m->codecs)))
		return NULL;
	struct sl_slice rest = sl_sdp_token(&value), name = sl_sdp_until(&rest, '/'), clock = sl_sdp_until(&rest, '/');
	if (name.n == 0)
		return "a=rtpmap names no encoding";
	if (clock.n > 0 && (!sl_sdp_number(clock, UINT32_MAX, &hz) || hz == 0))
		return "a=rtpmap with a clock rate that is no number";
	/* Parameters other than audio's number of channels are none of our business (RFC 8866 6.6). */
	if (!sl_sdp_number(rest, UINT8_MAX, &channels) || channels == 0)
		channels = 1;
	c->name = name;
	c->hz = hz ? (uint32_t)hz : c->hz ? c->hz : DEFAULT_HZ;
	c->channels = (uint8_t)channels;
	*seen |= UINT64_C(1) << (c - m->codecs);
	return NULL;
}

static void parse_fmtp(struct sl_sdp_media *m, const int8_t by_pt[128], struct sl_slice value)
{
	struct sl_sdp_codec *c = codec_of(m, by_pt, &value);

	if (c && c->fmtp.n == 0)
		c->fmtp = sl_sdp_trim(value);
}

/* RFC 3605 2.1: "53020" or "53020 IN IP4 126.16.64.4" */
static const char *parse_rtcp(struct sl_sdp_media *m, struct sl_slice value)
{
	struct sl_slice port = sl_sdp_token(&value), net = sl_sdp_token(&value);
	uint64_t n;

	if (m->has_rtcp)
		return NULL;
	if (!sl_sdp_number(port, UINT16_MAX, &n))
		return "a=rtcp without a port of 0..65535";
	if (net.n > 0) {
		sl_sdp_token(&value); /* the address tells its family itself */
		if (!sl_slice_is(net, "IN") || !sl_sdp_address(sl_sdp_token(&value), &m->rtcp.ip))
			return "a=rtcp with something that is not an IP address";
		m->rtcp_own_ip = true;
	}
	m->rtcp.port_be = htons((uint16_t)n);
	m->has_rtcp = true;
	return NULL;
}

static void parse_ptime(struct sl_sdp_media *m, struct sl_slice value)
{
	uint64_t ms;

	if (sl_sdp_number(sl_sdp_until(&value, '.'), MAX_PTIME_MS, &ms))
		m->ptime = (unsigned)ms;
}

const char *sl_sdp_media_attribute(struct sl_sdp_media *m, const int8_t by_pt[128], struct sl_slice line)
{
	struct sl_slice value;
	enum sl_sdp_attribute a = sl_sdp_attribute(line, &value);

	switch (a) {
	case SL_SDP_A_RTPMAP:
		return parse_rtpmap(m, by_pt, &m->mapped, value);
	case SL_SDP_A_FMTP:
		parse_fmtp(m, by_pt, value);
		break;
	case SL_SDP_A_RTCP:
		return parse_rtcp(m, value);
	case SL_SDP_A_RTCP_MUX:
		m->rtcp_mux = true;
		break;
	case SL_SDP_A_RTCP_MUX_ONLY:
		m->rtcp_mux_only = true;
		break;
	case SL_SDP_A_PTIME:
		parse_ptime(m, value);
		break;
	case SL_SDP_A_MID:
		m->mid = value;
		break;
	case SL_SDP_A_BUNDLE_ONLY:
		m->bundle_only = true;
		break;
	case SL_SDP_A_CRYPTO:
		if (m->n_crypto < SL_SDP_MAX_CRYPTO)
			sl_sdp_crypto_parse(value, &m->crypto[m->n_crypto++]);
		break;
	case SL_SDP_A_FINGERPRINT:
		m->has_fingerprint = true;
		break;
	case SL_SDP_A_SENDRECV ... SL_SDP_A_INACTIVE:
		m->direction = sl_sdp_direction_of(a);
		break;
	default:
		if (sl_sdp_is_ice(a))
			m->has_ice = true;
	}
	return NULL;
}
