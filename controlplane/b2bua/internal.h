/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The trunk controller's own structures. A call of ours (`trunk_call`) has a `side` for each of its legs; while it looks for somebody who
 * answers there is a `dial`, for the caller's INVITE or for a transfer. Everything runs on the brain's thread. */

#include <sys/queue.h>

#include "controlplane/b2bua/b2bua.h"
#include "controlplane/b2bua/headers.h"
#include "controlplane/b2bua/identity.h"
#include "controlplane/b2bua/look.h"
#include "controlplane/b2bua/numbers.h"
#include "controlplane/b2bua/verdict.h"
#include "controlplane/guard/warden.h"
#include "controlplane/sip/resolve.h"
#include "dataplane/wire/siphash.h"

enum {
	LOOP_ROOM = 200,
	SDP_ROOM = SL_SDP_MAX_BYTES + 4096,
	MAX_TARGETS = 64,       /* places that one dial tries, in all */
	MAX_REDIRECTS = 5,      /* 3xx after 3xx */
	ROUTE_MS = 5000,        /* for a routing decision */
	RING_S = 180,
	URI_ROOM = 512,
	TIMER_DURATION = 1,     /* kind of the call's durable timer */
	RELAYS_MAX = 16,        /* requests inside dialogs under way, a call */
};

struct trunk_call;
struct dial;

/* What an SL_LE_OFFER_ANSWERED of a leg belongs to. */
enum awaited {
	AWAIT_NOTHING,
	AWAIT_RELAY,    /* an offer of the other side, passed on */
	AWAIT_REJOIN,   /* transfer: the new partner was offered the remaining one's session */
	AWAIT_REFRESH,  /* transfer: the remaining one is told of the new partner; nobody waits */
	AWAIT_TAKEOVER, /* INVITE with Replaces: the partner was offered the new one's session */
};
/* What an SL_LE_ACKED of a leg that we gave an offer belongs to. */
enum acked { ACKED_NOTHING, ACKED_CALL, ACKED_RELAY, ACKED_TAKEOVER };

struct side {
	LIST_ENTRY(side) link;
	struct trunk_call *tc;
	struct sl_leg *leg;
	const struct sl_prov_trunk *trunk; /* of a snapshot held by use.snapshot */
	struct sl_prov_user *user;         /* a reference */
	struct sl_route_use use;
	char *sdp;                         /* what it said last */
	size_t sdp_len;
	struct origin origin;
	char *number;                      /* who it is to others; NULL = not known */
	struct sl_leg_request *offer;      /* its offer that waits for the other side's answer */
	struct side *asker;                /* whose change this one was offered */
	uint8_t awaited, acked;            /* enums above */
	bool asks;                         /* its `offer` was empty: it wants ours */
	bool anonymous;
	bool secure, held, trusted, stale; /* stale: its party in the media session is to go */
	bool failed;                       /* an attempt that is no longer counted on */
	struct sl_cdr_media before;        /* what it had in the call that it was taken from */
	/* of an attempt */
	struct dial *dial;
	struct sl_timer timer;
	int64_t begun_ms;
	uint16_t target;                   /* of its dial */
	uint16_t heard_status;
	uint64_t early_hash;               /* of the SDP passed on last */
};

/* One place to send one INVITE to. */
struct target {
	char *uri, *path;       /* path NULL = none */
	struct sl_sip_hop hop;
	bool has_hop;           /* else uri is to be resolved (by `resolve` if that is set) */
	char *resolve;
	uint8_t candidate, redirects;
	uint16_t group;         /* those of one number are tried at once */
	bool plain;             /* SRTP was preferred and refused */
};

struct transfer {
	struct side *referrer;  /* NULL: it has gone */
	struct side *role;      /* whose place the new partner takes: the referrer's, also when it has gone */
	struct side *remaining;
	struct side *joined;    /* the new partner, once it answered or was taken from another call */
	bool silent;            /* Refer-Sub: false */
};

struct dial {
	struct trunk_call *tc;
	const struct sl_prov_snapshot *snapshot; /* a reference */
	struct sl_route_decision decision;
	struct number called;
	struct identity identity;
	char *headers;          /* lines of the caller's INVITE that may pass: judged again for each candidate, whose rules differ */
	msg_t *invite;          /* a copy, when somebody's hook wants to see it */
	char *instance;         /* a GRUU was called: this contact and no other */
	char *extra;            /* of a transfer: Replaces, of a redirect: Diversion */
	char loop[LOOP_ROOM];
	int max_forwards;
	char host[SL_PROV_NAME_MAX + 1]; /* of the request-URI */
	struct target *targets;
	unsigned n_targets, room_targets, next; /* next: the first not tried yet */
	unsigned candidates_tried;
	uint16_t group, groups; /* under way; given out */
	unsigned pending;       /* attempts under way */
	sl_ask ask;             /* resolving targets[next] */
	bool resolved;          /* the answer came before the question was asked */
	bool stepping, over;
	bool sips;              /* RFC 3261 26.2.2: over TLS or not at all */
	unsigned forwards;      /* redirects of users' phones that were routed */
	bool forwarded;         /* the candidates that come next are of such a one */
	struct sl_cause best;
	char *best_headers;     /* of its response, for the caller */
	struct side *heard;     /* whose early media is passed on */
	unsigned heard_fork;
	int told;               /* last status that the caller was told */
	struct sl_timer ring;
};

struct relay {
	LIST_ENTRY(relay) link;
	struct sl_leg *from;    /* NULL: gone */
	struct sl_leg *to;
	struct sl_leg_request *request;
};

struct trunk_call {
	LIST_ENTRY(trunk_call) link;
	struct sl_b2bua *b;
	struct sl_call *call;
	struct sl_bridge *bridge;
	struct side *caller, *callee;   /* who talks to whom; callee NULL until somebody answered */
	struct side *newcomer;          /* INVITE with Replaces that takes somebody's place ... */
	struct side *replaced;          /* ... his */
	LIST_HEAD(, side) sides;
	LIST_HEAD(, relay) relays;
	unsigned n_relays;
	struct dial *dial;
	struct transfer *transfer;
	struct sl_route_use use;        /* the tenant's share, once who took it has left the call */
	sl_ask ask;                     /* routing */
	unsigned branches;              /* parties ever made in the media session */
	bool up, ending, media_gone, closed;
	struct sl_timer later;          /* the farewell that must not be said inside a hook of the engine */
	struct sl_cause cause;
};

/* A media session whose last counts are awaited. */
struct farewell {
	LIST_ENTRY(farewell) link;
	struct sl_b2bua *b;             /* NULL: closed */
	struct trunk_call *tc;          /* NULL: gone */
};

struct sl_b2bua {
	struct sl_b2bua_options o;
	sl_b2bua_identity_hook identity_hook;
	void *identity_ctx;
	struct sl_siphash_key loop_key;
	struct sl_prng prng;
	LIST_HEAD(, trunk_call) calls;
	LIST_HEAD(, farewell) farewells;
	LIST_HEAD(, outside) outsides;
	char *sdp, *sdp2;               /* SDP_ROOM each: an engine's answer, and with its origin */
};

extern const struct sl_controller sl_trunk_controller;

static inline struct side *side_of(const struct sl_leg *l)
{
	return l->control;
}

/* ---- b2bua.c ---- */
struct side *sl_side_new(struct trunk_call *tc, struct sl_leg *l);
void sl_side_owner(struct side *s, const struct sl_prov_snapshot *snapshot, const struct sl_prov_trunk *trunk, struct sl_prov_user *user);
void sl_side_billed(struct sl_leg *l, const struct sl_sip_caller *who); /* whose call it is, for its record */
void sl_side_release(struct side *s); /* it counts no more */
void sl_side_free(struct side *s);
/* Who a request outside dialogs calls, who calls, and its headers that may pass, into the dial: 0 or the status to refuse it with. */
int sl_dial_read(struct dial *d, const sip_t *sip, const struct sl_sip_caller *who);
struct trunk_call *sl_trunk_call_new(struct sl_b2bua *b, struct sl_call *c);
void sl_trunk_call_free(struct trunk_call *tc);
struct side *sl_side_partner(const struct side *s); /* who it talks to; NULL = nobody yet */
struct pass_side sl_side_pass(const struct side *s);
struct sl_timers *sl_b2bua_timers(const struct sl_b2bua *b);
int64_t sl_b2bua_now_ms(void);
int64_t sl_b2bua_unix_ms(void);

/* ---- dial.c, attempt.c, targets.c ---- */
/* One for tc, in place of the one that is over. NULL: no memory. */
struct dial *sl_dial_new(struct trunk_call *tc);
void sl_dial_free(struct dial *d);
/* Ask where it goes (called, host, identity are set), then dial. */
void sl_dial_route(struct dial *d, struct side *on_behalf);
void sl_dial_step(struct dial *d);
/* It is over: rings no more, asks no more; attempts that are left (but one) are hung up. */
void sl_dial_stop(struct dial *d, struct side *but, const struct sl_cause *cause, const char *headers);
void sl_dial_progress(struct side *s, const struct sl_leg_event *e);
void sl_dial_answered(struct side *s, const struct sl_leg_event *e);
void sl_dial_refused(struct side *s, const struct sl_leg_event *e);
void sl_dial_note(struct dial *d, const struct sl_cause *cause, const char *headers); /* the best refusal is kept */
/* Start one: it is pending, or has failed and been noted. */
void sl_attempt(struct dial *d, unsigned target);
void sl_attempt_over(struct side *s, int status);
void sl_attempt_counts(struct side *s); /* of several forks it is the one that counts as its user's call */
/* Takes t's texts, also when it fails. 0, -ENOSPC, -ENOMEM. */
int sl_target_add(struct dial *d, unsigned at, struct target *t);
bool sl_targets_expand(struct dial *d, unsigned candidate);             /* false: nowhere to go */
void sl_targets_redirect(struct dial *d, const struct side *s, const sip_t *sip);
void sl_targets_free(struct dial *d);
unsigned sl_target_role(struct dial *d, const struct target *t);        /* of the listener to leave by */
bool sl_target_may_go(const struct dial *d, const struct target *t, const struct sl_sip_hop *hop); /* a name's number is known: is it allowed? */
bool sl_is_our_address(const struct sl_b2bua *b, const char *host);
/* A phone of ours sends the call on (302): routed anew, by the rights of its user. false: it does not. */
bool sl_forward(struct dial *d, const struct side *s, const sip_t *sip);
void sl_targets_resolve(struct dial *d);                                /* of targets[next] */
void sl_decision_complete(struct trunk_call *tc);                       /* attempts into the record, the record into the trace */

/* ---- media.c ---- */
/* Each puts the text for the other side, with that side's origin, into b->sdp2: valid until the next. On error *cause says what to
 * answer. */
int sl_media_pass_offer(struct side *from, struct side *to, struct sl_slice sdp, bool plain, struct sl_slice *out, struct sl_cause *cause);
/* The first offer to a side that is no leg yet: it will leave by hop. */
/* Found again after a restart: its media counts for the tenant again. */
void sl_media_restored(struct trunk_call *tc);
int sl_media_offer_new(struct side *from, struct side *to, const struct sl_sip_hop *hop, bool plain, struct sl_slice *out, struct sl_cause *cause);
int sl_media_pass_answer(struct side *from, struct side *to, struct sl_slice sdp, struct sl_slice *out, struct sl_cause *cause);
/* May this side's own offer or answer be as it is, by its SRTP policy? */
bool sl_media_policy_admits(const struct side *s, struct sl_slice sdp);
unsigned sl_media_srtp_of(const struct side *s);
void sl_media_said(struct side *s, struct sl_slice sdp); /* keeps it; hold and resume */
void sl_media_party_new(struct trunk_call *tc, struct sl_leg *l);
void sl_media_drop_stale(struct trunk_call *tc);
void sl_media_farewell(struct trunk_call *tc);
void sl_media_counts_now(struct trunk_call *tc); /* as last told, into the CDRs */
int sl_media_bridge(struct trunk_call *tc);

/* ---- session.c, indialog.c, refer.c ---- */
void sl_session_offer(struct side *s, const struct sl_leg_event *e);
void sl_session_answered(struct side *s, const struct sl_leg_event *e);
void sl_session_acked(struct side *s, const struct sl_leg_event *e);
void sl_session_settle(struct side *s, struct side *p, struct sl_slice offer);
void sl_session_gone(struct side *s); /* its leg ended: whoever waits for it is answered */
void sl_indialog_request(struct side *s, const struct sl_leg_event *e);
void sl_indialog_response(struct side *s, const struct sl_leg_event *e);
void sl_indialog_gone(struct side *s);
void sl_indialog_move(struct side *s, struct trunk_call *to);
void sl_refer_request(struct side *s, const struct sl_leg_event *e);
void sl_transfer_progress(struct dial *d, int status);
void sl_transfer_answered(struct trunk_call *tc, struct side *joined, struct sl_slice sdp);
void sl_transfer_failed(struct trunk_call *tc, const struct sl_cause *cause);
void sl_transfer_keep_share(const struct side *who);
bool sl_transfer_gone(struct side *s, const struct sl_leg_event *e); /* a leg of it ended: nothing more to do? */
void sl_replace_side(struct trunk_call *tc, struct side *old, struct side *by, const char *why);
void sl_transfer_rejoined(struct side *s, const struct sl_leg_event *e);
void sl_takeover(struct sl_b2bua *b, struct sl_call *c, struct sl_leg *l, const struct sl_sip_caller *who, const sip_t *sip, struct sl_leg *replaces);
void sl_takeover_answered(struct side *s, const struct sl_leg_event *e);

/* ---- end.c ---- */
/* End everything: each leg is told, the caller by cause. but: has ended by itself; NULL = none. */
void sl_trunk_end(struct trunk_call *tc, struct side *but, const struct sl_cause *cause, const char *headers);
void sl_trunk_leg_ended(struct side *s, struct sl_leg *l, const struct sl_leg_event *e); /* s: NULL = none */
void sl_trunk_check_closed(struct trunk_call *tc);
void sl_trunk_hangup(struct sl_call *c, const struct sl_cause *cause);
void sl_trunk_timer(struct sl_call *c, unsigned kind);
void sl_cause_set(struct sl_cause *c, int status, int by, const char *text); /* text NULL = the status's phrase */
/* A Reason line of ours (RFC 3326) into out, or what the message says. */
void sl_reason_line(struct text *out, const struct sl_cause *cause, const void *message);

/* ---- save.c ---- */
void sl_trunk_save(const struct sl_call *c, struct sl_blob_out *o);
int sl_trunk_restore_in(struct sl_b2bua *b, struct sl_call *c, struct sl_blob_in *in);

/* ---- request.c ---- */
void sl_outsides_close(struct sl_b2bua *b);

/* ---- loop.c ---- */
/* Has this INVITE been through here with the same numbers? Else the header's value for what goes out. */
bool sl_loop_is(const struct sl_b2bua *b, const sip_t *sip, const char *caller, const char *called, const char *host, char out[LOOP_ROOM]);
