/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What parser and rewriter share: tokens, and the names of the attributes that concern a relay. */

#include "controlplane/media/sdp.h"

/* X(NAME, attribute) */
#define SL_SDP_ATTRIBUTES(X)                                                                                 \
	X(RTPMAP, "rtpmap")                                                                                  \
	X(FMTP, "fmtp")                                                                                      \
	X(RTCP_FB, "rtcp-fb")                                                                                \
	X(RTCP, "rtcp")                                                                                      \
	X(RTCP_MUX, "rtcp-mux")                                                                              \
	X(RTCP_MUX_ONLY, "rtcp-mux-only")                                                                    \
	X(PTIME, "ptime")                                                                                    \
	X(MID, "mid")                                                                                        \
	X(GROUP, "group")                                                                                    \
	X(BUNDLE_ONLY, "bundle-only")                                                                        \
	X(CRYPTO, "crypto")                                                                                  \
	X(SENDRECV, "sendrecv")                                                                              \
	X(SENDONLY, "sendonly")                                                                              \
	X(RECVONLY, "recvonly")                                                                              \
	X(INACTIVE, "inactive")                                                                              \
	X(FINGERPRINT, "fingerprint")                                                                        \
	X(SETUP, "setup")                                                                                    \
	X(TLS_ID, "tls-id")                                                                                  \
	X(CANDIDATE, "candidate")                                                                            \
	X(END_OF_CANDIDATES, "end-of-candidates")                                                            \
	X(ICE_UFRAG, "ice-ufrag")                                                                            \
	X(ICE_PWD, "ice-pwd")                                                                                \
	X(ICE_OPTIONS, "ice-options")                                                                        \
	X(ICE_LITE, "ice-lite")                                                                              \
	X(ICE_MISMATCH, "ice-mismatch")                                                                      \
	X(ICE_PACING, "ice-pacing")                                                                          \
	X(REMOTE_CANDIDATES, "remote-candidates")

enum sl_sdp_attribute {
	SL_SDP_A_OTHER,
#define X(name, text) SL_SDP_A_##name,
	SL_SDP_ATTRIBUTES(X)
#undef X
};

/* Which attribute is in an a= line's part after "a=", and what stands after its colon, without blanks around it. */
enum sl_sdp_attribute sl_sdp_attribute(struct sl_slice s, struct sl_slice *value);

static inline bool sl_sdp_is_ice(enum sl_sdp_attribute a)
{
	return a >= SL_SDP_A_CANDIDATE && a <= SL_SDP_A_REMOTE_CANDIDATES;
}
static inline bool sl_sdp_is_dtls(enum sl_sdp_attribute a)
{
	return a == SL_SDP_A_FINGERPRINT || a == SL_SDP_A_SETUP || a == SL_SDP_A_TLS_ID;
}
static inline bool sl_sdp_is_direction(enum sl_sdp_attribute a)
{
	return a >= SL_SDP_A_SENDRECV && a <= SL_SDP_A_INACTIVE;
}
static inline enum sl_sdp_direction sl_sdp_direction_of(enum sl_sdp_attribute a)
{
	return (enum sl_sdp_direction)(a - SL_SDP_A_SENDRECV);
}
static inline bool sl_sdp_is_rtp(enum sl_sdp_proto p)
{
	return p < SL_SDP_UDPTL;
}

/* Line i's part after "x=". */
static inline struct sl_slice sl_sdp_line_value(const struct sl_sdp *sdp, unsigned i)
{
	const struct sl_sdp_line *l = &sdp->lines[i];
	unsigned skip = l->n < 2 ? l->n : 2;

	return (struct sl_slice){sdp->text + l->at + skip, l->n - skip};
}

static inline bool sl_sdp_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next token of *s, which then begins behind it; empty when there is none. */
struct sl_slice sl_sdp_token(struct sl_slice *s);
/* The same from the end of *s. */
struct sl_slice sl_sdp_last_token(struct sl_slice *s);
/* The part of *s before the first c, which *s then begins behind; all of it when there is no c. */
struct sl_slice sl_sdp_until(struct sl_slice *s, char c);
struct sl_slice sl_sdp_trim(struct sl_slice s);
/* All of s as a decimal number up to max. */
bool sl_sdp_number(struct sl_slice s, uint64_t max, uint64_t *out);
/* Payload type (0..127) that a value of a=rtpmap, fmtp or rtcp-fb begins with, else -1. *value moves behind it. */
int sl_sdp_value_pt(struct sl_slice *value);
/* An address of c=, o= and a=rtcp: "192.0.2.1", "224.2.1.1/127", "2001:db8::1/3". The unspecified ones of both families
 * come out all zero. No host names. */
bool sl_sdp_address(struct sl_slice s, struct sl_ip *out);

/* m= as its tokens (RFC 8866 5.14). */
struct sl_sdp_m_tokens {
	struct sl_slice type, port, proto, formats;
};
struct sl_sdp_m_tokens sl_sdp_m_tokens(struct sl_slice value);

/* One attribute of the section m; by_pt finds its codecs. NULL, or what is wrong with it. */
const char *sl_sdp_media_attribute(struct sl_sdp_media *m, const int8_t by_pt[128], struct sl_slice line);
/* The codec of a payload type before any a=rtpmap is seen. */
void sl_sdp_static_codec(struct sl_sdp_codec *c, uint8_t pt);

/* The value of an a=crypto. Never fails: see struct sl_sdp_crypto. */
void sl_sdp_crypto_parse(struct sl_slice value, struct sl_sdp_crypto *out);
