/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* A leg that is a SIP dialog. Incoming ones are made by the dispatcher; outgoing ones by sl_sip_dial(). What a dialog needs by itself is
 * done here and the controller never hears of it: 100 Trying, retransmission of 2xx and its ACK (RFC 3261 13.3.1.4), forked 2xx (all
 * but the first are acknowledged and ended), PRACK on both sides (RFC 3262), session timers (RFC 4028), glare (491 both ways, RFC 3261
 * 14.1), digest answers to a trunk's challenge, CANCEL racing 2xx, BYE glare, 481, RFC 5057's rules about what ends a dialog. Every leg
 * has a Call-ID, tags and Contact of its own: nothing of the other side's dialog is visible. */

#include "controlplane/sip/sip.h"

enum { SL_SIP_HEADERS_MAX = 8192 };

/* Who a trunk takes us for: HA1 only. */
struct sl_sip_credentials {
	const char *username, *realm; /* NULL username = none */
	uint8_t ha1_md5[16], ha1_sha256[32];
};

struct sl_sip_dial {
	struct sl_sip_hop hop;
	const char *request_uri;      /* "sip:+4930123456@198.51.100.20;user=phone" */
	const char *from, *to;        /* name-addr without tag: "\"Alice\" <sip:alice@example.com>" */
	const char *const *routes;    /* preloaded Route (Path of a binding), n_routes; numeric or lead to hop */
	unsigned n_routes;
	struct sl_slice sdp;          /* empty = late offer */
	const char *headers;          /* further header lines "Name: value\r\n"...; NULL = none */
	int max_forwards;             /* of the incoming request minus one; 0 = 70, less = the last hop: 0 is sent */
	const struct sl_sip_credentials *credentials; /* NULL = none */
	bool rel100;                  /* offer 100rel */
	unsigned session_expires_s;   /* 0 = no session timer asked for */
	const char *contact_user;     /* "" = an opaque one */
	const char *user, *trunk, *route; /* for its CDR; NULL = none */
	const char *tenant_domain;    /* NULL, or what privacy puts into From's host */
};

/* Call: the leg is TRYING, and the INVITE is sent before the next turn. What comes of it are events. NULL: no memory, too many legs. */
struct sl_leg *sl_sip_dial(struct sl_sip *s, struct sl_call *c, const struct sl_sip_dial *d);

/* The leg of a dialog as the other side names it (Replaces, Target-Dialog); NULL = none. Slices are as they stand in the header. */
struct sl_leg *sl_sip_leg_find(struct sl_sip *s, const char *call_id, const char *their_tag, const char *our_tag);
bool sl_leg_is_sip(const struct sl_leg *l);

/* What the controller may ask of a SIP leg beside the ops. */
const struct sl_sip_flow *sl_sip_leg_flow(const struct sl_leg *l);
/* Its dialog: Call-ID, our tag, their tag; "" where there is none yet. */
void sl_sip_leg_dialog(const struct sl_leg *l, const char **call_id, const char **our_tag, const char **their_tag);
/* Does the other side take this method or extension (Allow, Supported)? Unknown = yes for methods, no for extensions. */
bool sl_sip_leg_allows(const struct sl_leg *l, const char *method);
bool sl_sip_leg_supports(const struct sl_leg *l, const char *extension);
/* Has anything come back at all, even a 100? What a trunk's timeout asks. */
bool sl_sip_leg_heard(const struct sl_leg *l);
/* The last SDP sent to it: what a late offer is answered with, what hold compares. Empty = none. */
struct sl_slice sl_sip_leg_last_sdp(const struct sl_leg *l);

/* The session description of a message: its body, or the part of its multipart body that is one, in place. 0 (empty: there is no body),
 * -EPROTO: a body without one (415). */
int sl_sip_sdp(const sip_t *sip, struct sl_slice *out);

/* ---- between dispatcher, legs and the brain ---- */

/* Make an incoming leg of msg (taken): transaction, dialog, 100. Creates the call too. NULL: answered 500 or 503. */
struct sl_leg *sl_sip_leg_incoming(struct sl_sip *s, msg_t *msg, const sip_t *sip, const struct sl_sip_caller *who);
/* Let the call model restore SIP dialogs. */
void sl_sip_leg_register_kind(struct sl_sip *s);
/* A response that belongs to no transaction, from the agent's callback. true: it was a 2xx of an INVITE of ours (forked, or its transaction
 * is gone: acknowledged, and ended unless it is the dialog that we have); msg is taken. false: not ours, msg is the caller's still. */
bool sl_sip_leg_response(struct sl_sip *s, msg_t *msg, const sip_t *sip);
/* SIP dialogs that are there (early and confirmed). */
size_t sl_sip_legs_n(void);

/* ---- counters of legs ---- */

#define SL_SIP_LEG_COUNTERS(X)                                                                                              \
	X(incoming, "INVITEs that became legs")                                                                             \
	X(outgoing, "INVITEs sent for new legs")                                                                            \
	X(refused_timer, "INVITEs refused: session interval too small (422)")                                              \
	X(refused_source, "INVITEs refused: too many calls of that address or its prefix (486)")                           \
	X(refused_memory, "INVITEs refused: no memory or too many calls (503)")                                            \
	X(forked_2xx, "further 2xx of a forked INVITE: acknowledged and ended")                                            \
	X(late_2xx, "2xx that came after CANCEL: acknowledged and ended")                                                  \
	X(lost_acks, "2xx of ours that nobody acknowledged: ended by BYE")                                                 \
	X(lost_pracks, "reliable provisional answers that nobody acknowledged")                                            \
	X(glare, "offers that crossed one of ours (491 sent)")                                                              \
	X(glare_received, "offers of ours answered 491, to be tried again")                                                \
	X(overlapping, "offers refused while one before waited for its answer (500)")                                      \
	X(bye_glare, "BYEs that crossed ours")                                                                              \
	X(authorized, "challenges answered")                                                                                \
	X(authorize_failed, "challenges that could not be answered")                                                       \
	X(refreshes, "session refreshes sent")                                                                              \
	X(refreshed, "session refreshes received and answered here")                                                       \
	X(expired, "sessions ended because nobody refreshed them")                                                          \
	X(failed_dialogs, "dialogs ended by the answer to a request in them (RFC 5057)")                                   \
	X(refused_requests, "requests in dialogs refused: method, too many at a time")                                     \
	X(restored, "dialogs found again after a restart")                                                                  \
	X(restored_early, "dialogs that still rang, found again to be ended")                                               \
	X(unsent, "requests in dialogs that could not be sent")
struct sl_sip_leg_counts {
#define X(name, text) uint64_t name;
	SL_SIP_LEG_COUNTERS(X)
#undef X
};
struct sl_sip_leg_counts *sl_sip_leg_counts(void);
