/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the files of SIP legs (leg*.c) share. Names begin with sl_leg_sip_. Owner: the brain's thread. */

#include "controlplane/sip/leg.h"

#include <sofia-sip/nta_tag.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/su_tagarg.h>

enum {
	LEG_TAG_TEXT = 21,       /* of ours: 10 bytes of an id (region, node, random) in hex */
	LEG_CALL_ID_TEXT = 33,
	LEG_FORKS_MAX = 16,      /* early dialogs of one INVITE */
	LEG_REQUESTS_MAX = 8,    /* of the other side, waiting for our answer */
	LEG_SENT_MAX = 16,       /* ours, waiting for theirs */
	LEG_GOODBYE_MS = 4000,   /* BYE or CANCEL without an answer: the leg has ended, the transaction goes on by itself */
	LEG_MIN_SE_S = 90,       /* RFC 4028 4 */
	LEG_GLARE_TRIES = 5,
	LEG_RETRY_AFTER_MAX_S = 10, /* RFC 3261 14.1: 500 to an overlapping offer */
};

/* Who waits for the answer to an offer (RFC 3264). */
enum leg_offer { LEG_OFFER_NONE, LEG_OFFER_OURS, LEG_OFFER_THEIRS };

/* An early dialog of an outgoing leg. */
struct leg_fork {
	struct leg_fork *next;
	nta_leg_t *dialog;
	uint32_t rseq;           /* of the last reliable response that we acknowledged; 0 = none */
	unsigned index;
};

/* A request of the other side that the controller has to answer. */
struct sl_leg_request {
	struct sl_leg_request *next;
	nta_incoming_t *irq;     /* NULL: cancelled, or the leg has ended: the answer goes nowhere */
	sip_method_t method;
	bool offer;              /* it changes the session */
	bool late;               /* re-INVITE without SDP: our answer has the offer */
	bool wants_timer;        /* its Session-Expires was taken: the answer tells it */
};

struct leg;

enum leg_sent_what { LEG_SENT_REQUEST, LEG_SENT_UPDATE, LEG_SENT_REFRESH, LEG_SENT_PRACK, LEG_SENT_BYE };

/* A request of ours inside the dialog, other than INVITE. */
struct leg_sent {
	struct leg_sent *next;
	struct leg *leg;
	nta_outgoing_t *orq;
	void *ctx;
	uint8_t what;            /* enum leg_sent_what */
	uint8_t challenges;
};

/* Answers to challenges: kept apart, few legs have them. */
struct leg_credentials {
	char *username, *realm;
	uint8_t ha1_md5[16], ha1_sha256[32];
	unsigned nonce_count;
};

/* What a restart needs to end an INVITE that has no final answer yet. */
struct leg_early {
	char *via;               /* incoming: all Via lines of the INVITE */
	char *request_uri;
	char *routes;            /* outgoing: value of the Route header; NULL = none */
	char *branch;            /* outgoing: of the INVITE's Via */
	uint32_t cseq;
};

struct leg {
	struct sl_leg base; /* first */
	struct sl_sip *sip;
	nta_leg_t *dialog;           /* of outgoing ones: that of the first early dialog, then of the one that answered */
	struct sl_sip_hop hop;       /* where requests in the dialog go */
	struct sl_sip_flow flow;     /* of the newest message from there */
	struct sl_ip counted;        /* the caller's address, as the guard counts his calls; zero = it does not */
	bool held;                   /* the guard knows the flow because of us */
	nta_incoming_t *irq;         /* their INVITE: not answered yet, or our 2xx not acknowledged yet */
	nta_outgoing_t *invite;      /* ours, under way */
	struct leg_fork *forks;
	unsigned n_forks;
	struct sl_leg_request *requests;
	struct leg_sent *sent;
	struct leg_credentials *credentials;
	struct leg_early *early;     /* NULL once it is up */
	char tag[LEG_TAG_TEXT];
	char *contact;               /* our Contact header's value */
	char *local, *remote;        /* the dialog's parties as in From and To, with tags where they have them */
	char *ack_branch;            /* of our INVITE whose 2xx waits for an ACK */
	uint32_t ack_seq;
	char *sdp;                   /* the last one sent to it */
	uint32_t sdp_len;
	char *offer_sdp;             /* one that waits: sent and not answered, or to be sent again after a glare; "" = ask for one */
	uint32_t offer_len;
	uint64_t their_sdp;          /* hash of the last SDP that was agreed on from there; 0 = none */
	uint32_t allow;              /* bit for each sip_method_t; 0 = not known */
	uint8_t supports;            /* LEG_SUPPORTS_... */
	uint8_t offer;               /* enum leg_offer */
	uint8_t challenges, glares;
	bool heard;                  /* anything came from there */
	bool rel100;                 /* their INVITE takes reliable provisional answers */
	bool require_rel100;
	bool late;                   /* their INVITE, or ours, came without SDP */
	bool answered;               /* incoming: 2xx is sent */
	bool ack_due;                /* outgoing: the 2xx waits for sl_leg_ack() */
	bool ack_resolving;          /* ... or for the address */
	bool ack_has_sdp;            /* the last one had: when its 2xx is repeated, so is it */
	bool bye_due;                /* hang-up as soon as the ACK has come (RFC 3261 15) */
	bool cancelled, ended;
	bool refreshing;             /* the INVITE under way refreshes the session, nobody is told */
	bool invited_in_dialog;      /* the INVITE under way is a re-INVITE */
	bool no_update;              /* UPDATE was refused */
	sl_ask resolving;
	/* RFC 4028: 0 = no session timer. */
	uint32_t expires_s, min_se_s;
	bool we_refresh;
	bool timer_supported;        /* by them */
	int64_t expires_unix_ms;     /* refresh or end is due */
	struct sl_timer session, retry, goodbye;
	struct sl_cause end;         /* why we hang up, until ENDED tells it */
	char *end_headers;
};

enum {
	LEG_SUPPORTS_100REL = 1 << 0,
	LEG_SUPPORTS_TIMER = 1 << 1,
	LEG_SUPPORTS_REPLACES = 1 << 2,
	LEG_SUPPORTS_NOREFERSUB = 1 << 3,
	LEG_SUPPORTS_GRUU = 1 << 4,
	LEG_SUPPORTS_OUTBOUND = 1 << 5,
	LEG_SUPPORTS_HISTINFO = 1 << 6,
	LEG_SUPPORTS_FROM_CHANGE = 1 << 7,
};

#define LEG_ALLOW "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, REFER, NOTIFY, SUBSCRIBE"
#define LEG_SUPPORTED "timer, replaces"
#define LEG_SUPPORTED_REL "100rel, timer, replaces"
#define LEG_SDP "application/sdp"

/* The way to the next hop, for one request. */
struct leg_way {
	su_home_t home[1];
	url_t *url;
	tport_t *tport;
	sip_route_t *edge; /* NULL = none needed */
};

/* ---- leg.c ---- */
extern const struct sl_leg_ops sl_leg_sip_ops;
static inline struct leg *sl_leg_sip_of(const struct sl_leg *l)
{
	return (struct leg *)(uintptr_t)l;
}
struct leg *sl_leg_sip_new(struct sl_sip *s, struct sl_call *c, enum sl_leg_direction d);
void sl_leg_sip_new_tag(char out[LEG_TAG_TEXT]);
const char *sl_leg_sip_user_agent(const struct leg *l); /* NULL = none is shown */
/* A message from the other side: trace it, remember its flow; irq or orq's. */
void sl_leg_sip_heard(struct leg *l, msg_t *msg, const sip_t *sip);
void sl_leg_sip_trace_out(struct leg *l, msg_t *msg); /* takes the reference */
/* It is at this flow from now on. The guard is told: who takes part in a dialog is no stranger. */
void sl_leg_sip_is_at(struct leg *l, const struct sl_sip_flow *flow);
/* What it says about itself: Allow, Supported, User-Agent. */
void sl_leg_sip_learn(struct leg *l, const sip_t *sip);
int sl_leg_sip_keep_sdp(char **to, uint32_t *len, struct sl_slice sdp);
struct sl_slice sl_leg_sip_sdp(const sip_t *sip); /* empty = none */
uint64_t sl_leg_sip_hash(struct sl_slice sdp);
int sl_leg_sip_keep_parties(struct leg *l, const sip_addr_t *local, const sip_addr_t *remote);
void sl_leg_sip_early_free(struct leg *l);
int sl_leg_sip_set_contact(struct leg *l, const char *user);
void sl_leg_sip_after(struct leg *l, struct sl_timer *t, int64_t ms);
void sl_leg_sip_stop(struct leg *l, struct sl_timer *t);

/* ---- leg_hop.c ---- */
int sl_leg_sip_way(struct leg *l, struct leg_way *w); /* 0: sl_leg_sip_way_done() after */
void sl_leg_sip_way_done(struct leg_way *w);
/* The target or route set is new: where do requests go now? */
void sl_leg_sip_aim(struct leg *l);
/* A request in the dialog; NULL: cannot be sent. */
nta_outgoing_t *sl_leg_sip_send(struct leg *l, nta_leg_t *dialog, nta_response_f *fn, void *magic, sip_method_t method, const char *name,
        tag_type_t tag, tag_value_t value, ...);
/* The same request again: with the answer to the challenge in sip (0), else -EINVAL and nothing is sent. *orq is replaced. */
int sl_leg_sip_authorize(struct leg *l, nta_outgoing_t **orq, nta_response_f *fn, void *magic, const sip_t *sip, uint8_t *tries);
/* The same request again with other Session-Expires and Min-SE (422). */
int sl_leg_sip_resend_timer(struct leg *l, nta_outgoing_t **orq, nta_response_f *fn, void *magic);
int sl_leg_sip_reply(struct leg *l, nta_incoming_t *irq, int status, const char *reason, tag_type_t tag, tag_value_t value, ...);

/* ---- leg_in.c ---- */
int sl_leg_sip_progress(struct sl_leg *l, int status, const char *reason, struct sl_slice sdp, const char *headers);
int sl_leg_sip_answer(struct sl_leg *l, struct sl_slice sdp, const char *headers);
void sl_leg_sip_refuse(struct leg *l, const struct sl_cause *cause, const char *headers);
int sl_leg_sip_on_ack_cancel(nta_incoming_magic_t *magic, nta_incoming_t *irq, const sip_t *sip);

/* ---- leg_out.c ---- */
int sl_leg_sip_on_invite_response(nta_outgoing_magic_t *magic, nta_outgoing_t *orq, const sip_t *sip);
int sl_leg_sip_send_ack(struct leg *l, nta_outgoing_t *invite, struct sl_slice sdp);
int sl_leg_sip_ack(struct sl_leg *l, struct sl_slice sdp);
void sl_leg_sip_cancel(struct leg *l, const struct sl_cause *cause, const char *headers);

/* ---- leg_fork.c ---- */
/* The dialog of this response's To tag; made when it is new. NULL: no tag, too many, no memory. */
struct leg_fork *sl_leg_sip_fork(struct leg *l, const sip_t *sip);
void sl_leg_sip_forks_free(struct leg *l, const nta_leg_t *but);
void sl_leg_sip_progressed(struct leg *l, const sip_t *sip);

/* ---- leg_session.c ---- */
int sl_leg_sip_offer(struct sl_leg *l, struct sl_slice sdp);
int sl_leg_sip_on_reinvite_response(nta_outgoing_magic_t *magic, nta_outgoing_t *orq, const sip_t *sip);
void sl_leg_sip_reinvite_came(struct leg *l, nta_incoming_t *irq, const sip_t *sip);
void sl_leg_sip_update_came(struct leg *l, nta_incoming_t *irq, const sip_t *sip);
int sl_leg_sip_prack_came(nta_reliable_magic_t *magic, nta_reliable_t *rel, nta_incoming_t *irq, const sip_t *sip);
void sl_leg_sip_update_answered(struct leg *l, int status, const char *reason, const sip_t *sip);
void sl_leg_sip_retry(struct sl_timer *t);
int sl_leg_sip_send_reinvite(struct leg *l, struct sl_slice sdp);

/* ---- leg_timer.c ---- */
/* Of their INVITE or UPDATE: 0; a status to refuse it with (422). */
int sl_leg_sip_timer_asked(struct leg *l, const sip_t *sip);
/* Of their 2xx to ours. */
void sl_leg_sip_timer_agreed(struct leg *l, const sip_t *sip);
/* Session-Expires for our 2xx; NULL = none. */
const char *sl_leg_sip_timer_header(const struct leg *l, char out[48]);
void sl_leg_sip_timer_start(struct leg *l);
void sl_leg_sip_timer_due(struct sl_timer *t);
void sl_leg_sip_refreshed(struct leg *l, int status, const sip_t *sip);
/* What is due when, from the interval: RFC 4028 10. */
int64_t sl_leg_sip_timer_ms(uint32_t expires_s, bool we_refresh);

/* ---- leg_request.c ---- */
int sl_leg_sip_on_request(nta_leg_magic_t *magic, nta_leg_t *dialog, nta_incoming_t *irq, const sip_t *sip);
int sl_leg_sip_request(struct sl_leg *l, const char *method, struct sl_slice content_type, struct sl_slice body, const char *headers,
        void *ctx);
int sl_leg_sip_respond(struct sl_leg *l, struct sl_leg_request *r, int status, const char *reason, struct sl_slice content_type,
        struct sl_slice body, const char *headers);
int sl_leg_sip_on_response(nta_outgoing_magic_t *magic, nta_outgoing_t *orq, const sip_t *sip);
struct leg_sent *sl_leg_sip_sent_new(struct leg *l, enum leg_sent_what what);
void sl_leg_sip_sent_free(struct leg *l, struct leg_sent *sent);
struct sl_leg_request *sl_leg_sip_request_new(struct leg *l, nta_incoming_t *irq, const sip_t *sip); /* NULL: answered 500 */

/* ---- leg_end.c ---- */
enum leg_fate { LEG_FATE_NONE, LEG_FATE_DIALOG, LEG_FATE_USAGE };
/* What a final answer to a request in the dialog means for it (RFC 5057 5.1). */
enum leg_fate sl_leg_sip_fate(sip_method_t method, int status);
void sl_leg_sip_hangup(struct sl_leg *l, const struct sl_cause *cause, const char *headers);
/* BYE, then ENDED when it is answered. */
void sl_leg_sip_bye(struct leg *l, const struct sl_cause *cause, const char *headers);
/* It is over: nothing of nta's knows it any more, ENDED is told. sip: the message that says so, or NULL. */
void sl_leg_sip_ended(struct leg *l, const struct sl_cause *cause, const sip_t *sip);
/* The dialog cannot go on: BYE without waiting for its answer, then ENDED. */
void sl_leg_sip_failed(struct leg *l, int status, enum sl_cause_by by, const char *text);
void sl_leg_sip_goodbye_due(struct sl_timer *t);
void sl_leg_sip_cause_of(struct sl_cause *cause, const struct leg *l, int status, const char *phrase, const sip_t *sip);
/* "Reason: SIP ;cause=408 ;text=\"...\"\r\n" */
const char *sl_leg_sip_reason_header(const struct sl_cause *cause, char *out, size_t room);

/* ---- leg_save.c ---- */
void sl_leg_sip_save(const struct sl_leg *l, struct sl_blob_out *o);
struct sl_leg *sl_leg_sip_restore(void *ctx, struct sl_call *c, struct sl_blob_in *in);
