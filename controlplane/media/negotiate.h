/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the engine decides about one media section, as pure functions of what was signalled. */

#include "controlplane/media/media.h"

/* What a relay can do with a section. */
enum sl_nego_kind {
	SL_NEGO_RTP,  /* RTP, SRTP with SDES */
	SL_NEGO_DTLS, /* DTLS-SRTP: datagrams are passed, nobody but the ends has the keys */
	SL_NEGO_UDPTL,
	SL_NEGO_OTHER, /* not ours (TCP, MSRP ...): left alone */
};
enum sl_nego_kind sl_nego_kind(const struct sl_sdp_media *md);

static inline bool sl_nego_is_secure(unsigned proto)
{
	return proto == SL_SDP_RTP_SAVP || proto == SL_SDP_RTP_SAVPF;
}

/* ---- where media comes from ---- */

struct sl_nego_source {
	uint8_t learn;         /* enum sl_learn */
	uint32_t flags;        /* SL_LEG_STRICT_SOURCE, LEARN_ANY, RELEARN */
	struct sl_ip learn_ip; /* zero = none */
};
/* Whose packets may teach the address of a party whose SDP says `said`? RTP bleed is what this is against:
 * only `said`'s address or the one the signalling came from may, whatever the port; anybody only when the
 * SDP's address cannot be meant (private and the like) and nothing else is known, or media handover was asked
 * for. */
struct sl_nego_source sl_nego_source(const struct sl_media_options *o, const struct sl_ip *said);
/* Can an address of a public caller not be meant by this (RFC 1918, 6598, 3927, 4193, 4291 2.5.6,
 * unspecified)? */
bool sl_nego_is_private(const struct sl_ip *ip);

/* ---- RTCP on the RTP port (RFC 5761) ---- */

enum sl_nego_accept { SL_NEGO_FOLLOW, SL_NEGO_YES, SL_NEGO_NO }; /* FOLLOW: as the other side answers */
struct sl_nego_mux {
	bool offer;     /* the SDP sent on offers it */
	bool only;      /* and names no other port for RTCP */
	uint8_t accept; /* enum sl_nego_accept: what the offering side gets back */
};
/* asked: enum sl_media_mux bits. */
struct sl_nego_mux sl_nego_mux(uint8_t asked, bool offered, bool offered_only);

/* ---- SDES (RFC 4568) ---- */

enum { SL_NEGO_SUITES = SL_SRTP_N_SUITES - 1 };

/* Sets of suites: a bit per number. Large ones need contexts of which the dataplane has only so many
 * (max_large_keys). */
#define SL_NEGO_ALL_SUITES ((UINT32_C(1) << SL_SRTP_N_SUITES) - 2)
#define SL_NEGO_LARGE_SUITES                                                                                 \
	(SL_NEGO_ALL_SUITES & ~(UINT32_C(1) << SL_SRTP_AES_CM_128_80 | UINT32_C(1) << SL_SRTP_AES_CM_128_32))
/* Those that the request wants to see. */
uint32_t sl_nego_suites_asked(const struct sl_media_options *o);
/* Index of the a=crypto to accept: the one in force when it is there again, else the first of `asked` whose
 * session parameters leave nothing plain, else the first of `asked`; when there is none, the same of
 * `possible` (what is asked is for what is sent on); -1 = none. now: suite SL_SRTP_NONE = none in force. */
int sl_nego_choose_crypto(
        uint32_t asked, uint32_t possible, const struct sl_sdp_media *md, const struct sl_sdp_crypto *now);
/* Suites of a set in the order to offer them: those that md has, in its order, then the others. How many. */
unsigned sl_nego_suites(uint32_t set, const struct sl_sdp_media *md, uint8_t suites[SL_NEGO_SUITES]);
/* Which of n offered ones does the answer take? *answer: index of its a=crypto. -1 = none. */
int sl_nego_match_crypto(
        const struct sl_sdp_crypto *offered, unsigned n, const struct sl_sdp_media *md, unsigned *answer);
/* A fresh key for a suite. The caller wipes it. 0 or negative errno (no randomness). */
int sl_nego_make_key(struct sl_srtp_key *key, unsigned suite, uint8_t flags);
bool sl_nego_same_key(const struct sl_srtp_key *a, const struct sl_srtp_key *b);

/* ---- codecs ---- */

/* Codec filter of an offer: which payload types go, and the order of those named by "offer". Nothing goes
 * when nothing would be left. */
void sl_nego_codecs(
        const struct sl_media_options *o, const struct sl_sdp_media *md, struct sl_sdp_media_edit *edit);

/* The payload types a party wants to receive, as far as a relay cares. Zeroed = nothing is known. */
struct sl_nego_types {
	bool known;
	uint8_t dtmf_pt;  /* telephone-event with the clock of the first codec; 0 = none */
	uint8_t audio_pt; /* the first codec */
	uint8_t n_clocks;
	struct {
		uint8_t pt;
		uint32_t hz;
	} clocks[SL_LEG_CLOCKS_MAX]; /* that RFC 3551 does not know */
};
void sl_nego_types(const struct sl_sdp_media *md, struct sl_nego_types *out);
/* What a leg must know: its party sends with the numbers of the other side (RFC 3264 6.1), or its own while
 * those are not known, and receives with its own. Sets dtmf_pt, dtmf_pt_out, audio_pt, clocks. */
void sl_nego_payload_types(
        const struct sl_nego_types *own, const struct sl_nego_types *other, struct sl_cmd_leg *leg);
/* Clocks of a section that shares this leg. */
void sl_nego_add_clocks(const struct sl_nego_types *t, struct sl_cmd_leg *leg);
/* "PCMA/8000" of the first codec that is media, not events or noise. */
void sl_nego_codec_text(const struct sl_sdp_media *md, char *out, size_t room);
