/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* SDP (RFC 8866) as an editor of lines: parse keeps where each line lies in the original text and what it means to a
 * relay; rewrite copies the text and changes only what an edit names. Lines not touched come out byte for byte and in
 * order. Pure: no I/O, no clock, no allocation; any bytes may be given. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/abi/msg_media.h"
#include "dataplane/wire/addr.h"

enum {
	SL_SDP_MAX_BYTES = 65536,
	SL_SDP_MAX_LINE_BYTES = 8192,
	SL_SDP_MAX_LINES = 2048,
	SL_SDP_MAX_MEDIA = 32,
	SL_SDP_MAX_CODECS = 64,  /* per media section; more are an error */
	SL_SDP_MAX_CRYPTO = 16,  /* per media section; further lines are passed over */
};

struct sl_slice { /* of the text given to parse */
	const char *p;
	size_t n;
};

enum sl_sdp_proto {
	SL_SDP_RTP_AVP, SL_SDP_RTP_AVPF, SL_SDP_RTP_SAVP, SL_SDP_RTP_SAVPF,
	SL_SDP_TLS_RTP_SAVP, SL_SDP_TLS_RTP_SAVPF, /* UDP/TLS/...: DTLS-SRTP, passed or refused, not terminated yet */
	SL_SDP_UDPTL, SL_SDP_OTHER,
};
enum sl_sdp_direction { SL_SDP_SENDRECV, SL_SDP_SENDONLY, SL_SDP_RECVONLY, SL_SDP_INACTIVE };

struct sl_sdp_codec {
	uint8_t pt;
	uint8_t channels;       /* 1 unless said otherwise */
	uint32_t hz;            /* of a=rtpmap, or the static type's */
	struct sl_slice name;   /* "PCMU", "telephone-event"; of static types without rtpmap a constant */
	struct sl_slice fmtp;   /* value of the first a=fmtp of it; empty = none */
};

struct sl_sdp_crypto {
	uint32_t tag;           /* RFC 4568 4.1 */
	struct sl_srtp_key key; /* its suite SL_SRTP_NONE: a suite, parameter or key we do not support */
};

struct sl_sdp_media {
	struct sl_slice type;   /* "audio" */
	struct sl_slice proto_text;
	enum sl_sdp_proto proto;
	uint16_t port, n_ports; /* port 0 = rejected (RFC 3264 6) or bundled away */
	struct sl_ip connection; /* its own c= or the session's; zero with RFC 3264 8.4's 0.0.0.0 (hold) */
	bool has_connection;    /* one of its own */
	struct sl_endpoint rtcp; /* a=rtcp (RFC 3605), else port + 1; port_be 0: none (muxed only, no RTP, port 0) */
	bool has_rtcp, rtcp_mux, rtcp_mux_only, has_ice, has_fingerprint, bundle_only;
	enum sl_sdp_direction direction; /* its own or the session's */
	struct sl_slice mid;
	int bundle;             /* index of the section whose transport it shares by a=group:BUNDLE (the first of the group
	                         * that is not rejected); -1 = its own */
	unsigned n_codecs;
	struct sl_sdp_codec codecs[SL_SDP_MAX_CODECS]; /* in the order of m= */
	unsigned n_crypto;
	struct sl_sdp_crypto crypto[SL_SDP_MAX_CRYPTO];
	unsigned ptime;         /* 0 = not said */
	unsigned first_line, n_lines; /* its m= line and how many lines belong to it */
	uint64_t mapped;        /* bit per codec that an a=rtpmap was seen of */
	bool rtcp_own_ip;       /* a=rtcp came with an address */
};

struct sl_sdp_line { /* without its end */
	uint32_t at, n;
	char type;              /* 'm', 'c', 'a' ... */
};

struct sl_sdp {
	const char *text;
	size_t len;
	bool crlf;              /* how its lines end: added ones end alike */
	unsigned n_lines;
	struct sl_sdp_line lines[SL_SDP_MAX_LINES];
	struct sl_ip connection; /* of the session; zero = none, or 0.0.0.0 */
	bool has_connection;
	struct sl_slice origin_user, session_name;
	unsigned n_media;
	struct sl_sdp_media media[SL_SDP_MAX_MEDIA];
	bool has_ice;           /* session-level ice-ufrag, ice-lite ...: then every section's has_ice too */
	bool has_fingerprint;   /* session-level: then every section's too */
};

/* 0; or -EINVAL, -E2BIG with "line N: what is wrong" in err. *out holds slices of text, which must outlive it, and
 * keys: sl_sdp_wipe() after use. Some 150 KB: not for the stack of a small thread. On error it holds nothing.
 * Attributes that do not concern a relay are not looked at; an a=crypto that is not understood is no error (RFC 4568
 * 5.1.2). */
int sl_sdp_parse(struct sl_sdp *out, const char *text, size_t len, char *err, size_t err_len);
/* Wipe the keys. The rest stays. */
void sl_sdp_wipe(struct sl_sdp *sdp);

enum sl_sdp_ice { SL_SDP_ICE_REMOVE, SL_SDP_ICE_PASS };

/* What becomes of one media section. Zeroed: everything is left as it is. */
struct sl_sdp_media_edit {
	bool relay;             /* local_* are to be written, and ice is obeyed */
	bool reject;            /* port 0, attributes left (RFC 3264 6); also when remove_pt leaves no payload type */
	struct sl_endpoint local_rtp; /* as advertised; an address all zero is written as IN IP4 0.0.0.0 */
	uint16_t local_rtcp_port; /* host order; 0 = muxed: a=rtcp is the RTP port */
	bool no_rtcp_attribute; /* take a=rtcp away rather than write it */
	bool set_proto;         /* of RTP sections only */
	enum sl_sdp_proto proto;
	enum { SL_SDP_MUX_KEEP, SL_SDP_MUX_ADD, SL_SDP_MUX_REMOVE } mux;
	bool set_crypto;        /* replace all a=crypto by these (0 = none); stray ones of the session level go, too */
	unsigned n_crypto;
	const struct sl_sdp_crypto *crypto;
	enum sl_sdp_ice ice;
	bool remove_dtls;       /* a=fingerprint, setup, tls-id */
	bool set_direction;
	enum sl_sdp_direction direction;
	uint64_t remove_pt[2];  /* bit per payload type to take out of m=, rtpmap, fmtp, rtcp-fb */
	unsigned n_order;       /* payload types that m= shall begin with, in this order; the rest follow as they are */
	uint8_t order[SL_SDP_MAX_CODECS];
};

struct sl_sdp_edit {
	/* o= and c= of the session get session_ip, c= only where there is one. Not asked for, the session's c= is still
	 * replaced, by local_rtp's address, when a relayed section has none of its own. A section for which the session's
	 * c= would then be wrong gets one of its own. */
	bool replace_origin, replace_session_connection;
	struct sl_ip session_ip;
	enum sl_sdp_ice ice;    /* of the session level; obeyed when a section is relayed */
	bool remove_dtls;       /* of the session level: fingerprint, setup, tls-id */
	bool remove_bundle;     /* a=group:BUNDLE lines, and a=bundle-only of sections that are relayed */
	const char *add_session_attribute; /* "rtpengine:..." for loop protection; NULL = none */
	struct sl_sdp_media_edit media[SL_SDP_MAX_MEDIA];
};

/* Write the edited text into out (room bytes, no NUL is added). Its length, or -ENOSPC. It may hold keys. */
int sl_sdp_rewrite(const struct sl_sdp *sdp, const struct sl_sdp_edit *edit, char *out, size_t room);

/* The value of an a=crypto with padded base64, NUL-terminated: its length, -ENOSPC, or -EINVAL without a suite. */
int sl_sdp_crypto_text(const struct sl_sdp_crypto *c, char *out, size_t room);

/* Is there such a session attribute (the whole value after "a=")? For loop protection. */
bool sl_sdp_has_attribute(const struct sl_sdp *sdp, const char *value);
/* Codec name without case: slice against a C string. */
bool sl_slice_is(struct sl_slice s, const char *text);
