/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The call model. A `leg` is one party's side of a call, of some kind (sip now; websocket, text and conference later). A
 * `bridge` joins legs: it is a media session (media/media.h) whose parties are its legs. A `call` is the resource that people
 * see; exactly one `controller` owns it and decides what happens: the trunk B2BUA is the first. Legs carry out what the controller
 * says and report by events; bridges and legs decide nothing. All of it lives on the brain's thread.
 *
 * Life: a kind of leg makes the call for what comes in (sl_call_new, sl_leg_init), a controller takes it (sl_call_control);
 * every leg ends with exactly one SL_LE_ENDED; when the last has ended, the controller closes the call (sl_call_close): CDRs are
 * written, and when they are committed the call is freed and its journal slot with it. Never freed inside a callback into it:
 * freeing is done by the model, later. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/blob.h"
#include "controlplane/call/ask.h"
#include "controlplane/call/events.h"
#include "controlplane/call/id.h"
#include "controlplane/call/timer.h"
#include "controlplane/journal.h"
#include "controlplane/media/media.h"
#include "controlplane/report/cdr.h"
#include "controlplane/report/trace.h"

enum {
	SL_CALL_MAX_LEGS = 64,     /* at a time, of one call: forks count */
	SL_CALL_MAX_BRIDGES = 8,
	SL_CALL_MAX_TIMERS = 8,    /* durable ones of a call */
	SL_CALL_RECORD_MAX = 64 * 1024,
	SL_LEG_ADDRESS_MAX = 256,  /* bytes of a URI that is kept for showing */
};

struct sl_calls; /* the model */
struct sl_call;
struct sl_leg;

/* Who or what ended or refused something. */
enum sl_cause_by { SL_BY_NOBODY, SL_BY_CALLER, SL_BY_CALLEE, SL_BY_US, SL_BY_OPERATOR, SL_BY_TIMER, SL_BY_NETWORK };
struct sl_cause {
	uint16_t status;   /* SIP status that says it best; 200 = normal end */
	uint8_t q850;      /* 0 = derive it from status (RFC 3398 7.2.4.1, 8.2.6.1) */
	uint8_t by;        /* enum sl_cause_by */
	uint16_t retry_after_s; /* 0 = none */
	char text[80];     /* "Busy Here", "no media for 60 s" */
};

enum sl_leg_direction { SL_LEG_IN, SL_LEG_OUT }; /* it called us, or we call it */
enum sl_leg_state {
	SL_LS_TRYING, /* INVITE seen or sent, nothing else yet */
	SL_LS_EARLY,  /* provisional answers have passed */
	SL_LS_UP,     /* answered */
	SL_LS_ENDING, /* hang-up under way; no more events but ENDED */
	SL_LS_ENDED,
};

enum sl_leg_event_type {
	SL_LE_PROGRESS, /* outgoing: 101..199. status, reason, fork, sdp (may be empty) */
	SL_LE_ANSWERED, /* outgoing: 2xx. sdp; when our INVITE had none, sdp is an offer and the controller must sl_leg_ack() with the
	                   answer; otherwise the ACK has been sent already */
	SL_LE_ACKED,    /* incoming: ACK for our 2xx. sdp: the answer, when our 2xx had the offer */
	SL_LE_OFFER,    /* the other side wants to change the session (re-INVITE, UPDATE, PRACK). sdp: its offer, or empty: it wants ours.
	                   request: to be answered by sl_leg_respond() */
	SL_LE_OFFER_ANSWERED, /* how our sl_leg_offer() ended: status, reason; on 2xx sdp: the answer, or the offer when ours was empty
	                         (then sl_leg_ack() with the answer) */
	SL_LE_REQUEST,  /* another request inside the dialog (INFO, MESSAGE, REFER, NOTIFY, SUBSCRIBE ...): method, content_type, body;
	                   request: to be answered */
	SL_LE_RESPONSE, /* how our sl_leg_request() ended: status, reason, body; ctx as given there */
	SL_LE_ENDED,    /* it is over, by the other side, by us or by failure: cause. The last event. For an outgoing leg refused before
	                   it was answered: status >= 300 of the response, contacts of a 3xx */
};

struct sl_leg_request; /* a request that waits for our answer; the leg's */

struct sl_leg_event {
	enum sl_leg_event_type type;
	int status;
	const char *reason;       /* phrase; never NULL where status is set */
	unsigned fork;            /* PROGRESS, ANSWERED: which early dialog of this leg, from 0 in order of appearance */
	bool reliable;            /* PROGRESS: it was sent reliably (RFC 3262) */
	struct sl_slice sdp;
	const char *method;
	struct sl_slice content_type, body;
	struct sl_leg_request *request;
	void *ctx;
	struct sl_cause cause;
	const void *message;      /* sip_t of the message that caused it; NULL = none */
};

/* What every kind of leg can be told. Each is asynchronous: what comes of it is an event. Text is copied. Called only through
 * the functions sl_leg_...() below, which check the state. */
struct sl_leg_ops {
	const char *kind; /* "sip" */
	/* incoming, before it is answered */
	int (*progress)(struct sl_leg *l, int status, const char *reason, struct sl_slice sdp, const char *headers);
	int (*answer)(struct sl_leg *l, struct sl_slice sdp, const char *headers);
	/* in both directions, once up: an offer of ours (empty: ask for one), and the ACK that carries an answer */
	int (*offer)(struct sl_leg *l, struct sl_slice sdp);
	int (*ack)(struct sl_leg *l, struct sl_slice sdp);
	int (*respond)(struct sl_leg *l, struct sl_leg_request *r, int status, const char *reason, struct sl_slice content_type,
	        struct sl_slice body, const char *headers);
	int (*request)(struct sl_leg *l, const char *method, struct sl_slice content_type, struct sl_slice body, const char *headers,
	        void *ctx);
	void (*hangup)(struct sl_leg *l, const struct sl_cause *cause, const char *headers);
	/* The dialog into the call's record (only legs that are up or early are asked). Restoring is by sl_leg_kind below. */
	void (*save)(const struct sl_leg *l, struct sl_blob_out *o);
	void (*free)(struct sl_leg *l); /* after ENDED, when the call goes */
};

struct sl_leg {
	struct sl_id id;
	struct sl_call *call;
	const struct sl_leg_ops *ops;
	enum sl_leg_direction direction;
	enum sl_leg_state state;
	struct sl_bridge *bridge;        /* NULL = in none */
	char media_tag[40];              /* its party in the bridge's media session; "" = none yet */
	char media_branch[40];           /* of an outgoing leg: the party's via_branch */
	struct sl_cause cause;           /* once it ended */
	struct sl_cdr cdr;               /* filled as it goes: report/cdr.h says by whom */
	void *control;                   /* the controller's, for this leg */
};

struct sl_bridge {
	struct sl_id id;
	struct sl_call *call;
	char media_id[SL_ID_TEXT];       /* call-id of the media session; the media engine has it once a leg made an offer */
	unsigned n_legs;                 /* legs whose bridge this is */
};

/* What decides about a call. */
struct sl_controller {
	const char *name; /* "trunk"; in records, so never changed */
	void (*event)(struct sl_call *c, struct sl_leg *l, const struct sl_leg_event *e);
	/* End the whole call: an operator, the media engine (no RTP), maximum duration ... */
	void (*hangup)(struct sl_call *c, const struct sl_cause *cause);
	/* A durable timer of the call came: its kind (the controller's own numbering, from 1). */
	void (*timer)(struct sl_call *c, unsigned kind);
	/* DTMF that the dataplane heard on a leg (NULL = not wanted). */
	void (*dtmf)(struct sl_call *c, struct sl_leg *l, unsigned event, unsigned duration_ms);
	/* The controller's own part of the record; restore makes c->control from it: 0 or negative errno (the call is ended). */
	void (*save)(const struct sl_call *c, struct sl_blob_out *o);
	int (*restore)(struct sl_call *c, struct sl_blob_in *in);
	void (*free)(struct sl_call *c);
};

struct sl_call {
	struct sl_id id;
	struct sl_calls *calls;
	char tenant[SL_TENANT_MAX];
	const struct sl_controller *controller;
	void *control;                /* the controller's */
	unsigned n_legs, n_bridges;   /* legs: also those that have ended */
	struct sl_leg *legs[SL_CALL_MAX_LEGS];
	struct sl_bridge *bridges[SL_CALL_MAX_BRIDGES];
	char from[SL_LEG_ADDRESS_MAX], to[SL_LEG_ADDRESS_MAX]; /* as the caller said: for people */
	int64_t created_unix_ms, answered_unix_ms, ended_unix_ms; /* 0 = not */
	bool emergency;               /* admitted above all limits */
	bool restored;                /* found again after a crash */
	char *decision;               /* the routing decision record, JSON; malloc'd; NULL = none yet */
	struct sl_cause cause;        /* of its end */
	uint64_t trace_last;          /* report/trace.h */
};

/* ---- the model ---- */

struct sl_calls_options {
	struct sl_timers *timers;
	struct sl_asks *asks;
	struct sl_call_events *events;
	struct sl_media *media;
	struct sl_cdrs *cdrs;
	struct sl_trace *trace;
	int journal_fd;      /* the keeper's memfd for calls; -1 = none */
	unsigned max_calls;
};

/* NULL with text. Records are found by sl_calls_restore(), once kinds and controllers are known. */
struct sl_calls *sl_calls_open(const struct sl_calls_options *o, char *text, size_t text_len);
void sl_calls_close(struct sl_calls *cs); /* calls stay in the journal; nobody is told */
const struct sl_calls_options *sl_calls_options(const struct sl_calls *cs);

/* A kind of leg, for restoring: makes the leg (sl_leg_init inside) from its record; NULL: it cannot be restored. */
struct sl_leg_kind {
	const char *kind;
	struct sl_leg *(*restore)(void *ctx, struct sl_call *c, struct sl_blob_in *in);
	void *ctx;
};
void sl_calls_add_kind(struct sl_calls *cs, const struct sl_leg_kind *k);
void sl_calls_add_controller(struct sl_calls *cs, const struct sl_controller *k);
/* After a restart: calls that were up are made again, with their legs, bridges and timers (CALL_RESTORED); the legs of calls that
 * were still ringing are made too and the controller is told to hang up (within 2 s); what cannot be made again is closed with its last
 * known time and marked; CDRs that were not committed are committed. Returns how many calls go on. */
unsigned sl_calls_restore(struct sl_calls *cs);

/* A new call, NULL: no memory or SL max_calls. tenant, from, to: copied, cut. */
struct sl_call *sl_call_new(struct sl_calls *cs, const char *tenant, const char *from, const char *to);
/* Embed struct sl_leg as the first member of a kind's own structure, zeroed; this makes it a leg of c. 0, -ENOSPC. */
int sl_leg_init(struct sl_leg *l, struct sl_call *c, const struct sl_leg_ops *ops, enum sl_leg_direction d);
/* The leg leaves its bridge and its call and becomes one of `to` (transfer, Replaces): its record, events and CDR follow. 0, -ENOSPC. */
int sl_leg_move(struct sl_leg *l, struct sl_call *to);
/* Hand the call over: the one before is freed, legs stay. */
void sl_call_control(struct sl_call *c, const struct sl_controller *k, void *control);
/* A kind of leg says what happened; sets states and CDR times that follow from it, then tells the controller. */
void sl_leg_tell(struct sl_leg *l, const struct sl_leg_event *e);
/* Everything that a restart needs has changed: written to the journal before the brain looks at the next message (calls changed
 * in one turn are written once, by sl_calls_commit()). Calls not yet answered have a short record: enough to end them. */
void sl_call_changed(struct sl_call *c);
/* End of a turn of the brain's loop, before anything is sent that promises durability. */
void sl_calls_commit(struct sl_calls *cs);
/* Now and then (every 50 ms): the time up to which calls are known to have lived. */
void sl_calls_tick(struct sl_calls *cs);
/* Milliseconds since 1970, as ids, records and CDRs have them. */
int64_t sl_call_unix_ms(void);
/* The last leg has ended: CDRs go to the store, the call after them. cause: why. */
void sl_call_close(struct sl_call *c, const struct sl_cause *cause);

/* Durable timers of a call: set replaces one of the same kind; 0 = stop it. */
int sl_call_timer(struct sl_call *c, unsigned kind, int64_t due_unix_ms);

struct sl_bridge *sl_bridge_new(struct sl_call *c);                 /* NULL: no memory, too many */
void sl_bridge_join(struct sl_bridge *b, struct sl_leg *l);         /* leaves the one it is in */
void sl_bridge_leave(struct sl_leg *l);
void sl_bridge_free(struct sl_bridge *b);                           /* its media session is deleted; legs leave */

/* 0, -EINVAL (not in this state), -ENOMEM, -ENOTCONN (the leg is ending), -EINPROGRESS (an offer is under way), -ECANCELED (a request that
 * was cancelled: its answer goes nowhere). headers: further header
 * lines "Name: value\r\n", NULL = none. */
int sl_leg_progress(struct sl_leg *l, int status, const char *reason, struct sl_slice sdp, const char *headers);
int sl_leg_answer(struct sl_leg *l, struct sl_slice sdp, const char *headers);
int sl_leg_offer(struct sl_leg *l, struct sl_slice sdp);
int sl_leg_ack(struct sl_leg *l, struct sl_slice sdp);
int sl_leg_respond(struct sl_leg *l, struct sl_leg_request *r, int status, const char *reason, struct sl_slice content_type,
        struct sl_slice body, const char *headers);
int sl_leg_send(struct sl_leg *l, const char *method, struct sl_slice content_type, struct sl_slice body, const char *headers, void *ctx);
/* End it as its state wants (refuse with cause->status, CANCEL, BYE); fine in every state. ENDED follows, maybe before it returns. */
void sl_leg_hangup(struct sl_leg *l, const struct sl_cause *cause, const char *headers);

/* Looking: for the API. */
size_t sl_calls_n(const struct sl_calls *cs);
struct sl_call *sl_call_find(const struct sl_calls *cs, const struct sl_id *id);
struct sl_call *sl_calls_next(const struct sl_calls *cs, uint32_t *cursor); /* *cursor 0 at first; NULL at the end */
/* End a call from outside. */
void sl_call_hangup(struct sl_call *c, const struct sl_cause *cause);
/* The media engine's hooks, passed on by the brain. */
void sl_calls_media_ended(struct sl_calls *cs, const char *media_id, const char *why);
void sl_calls_media_dtmf(struct sl_calls *cs, const char *media_id, const char *tag, unsigned event, unsigned duration_ms);

struct sl_calls_counts {
	uint64_t created, answered, ended, restored, lost; /* lost: could not be made again after a crash */
	size_t now, now_up;
};
void sl_calls_counts(const struct sl_calls *cs, struct sl_calls_counts *out);

/* Q.850 cause of a SIP status and back (RFC 3398 8.2.6.1, 7.2.4.1). */
uint8_t sl_q850_of_status(int status);
int sl_status_of_q850(unsigned q850);
