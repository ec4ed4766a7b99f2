/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The trunk controller over the real call model and the real media engine, with legs that only remember what they were told, and
 * routing, registrar and provisioning that answer what a test wants. */

#include "tests/unit/media_rig.h"

#include "controlplane/b2bua/internal.h"

enum { RIG_LEGS = 64 };

struct rig_leg {
	struct sl_leg pub;
	bool heard;
	char log[1024];     /* "progress 183+sdp;answer+sdp;" */
	char sdp[4096];     /* the last it was given */
	char headers[4096]; /* likewise */
	struct sl_sip_flow flow;
	int offer_error;    /* what its next offer returns */
	int respond_error;  /* what its answers return */
	void *request_ctx;  /* of the last request it was to send */
	void *pending[64];  /* those not answered yet */
	unsigned n_pending;
	bool offering;      /* an offer of ours is under way */
	bool open[256];     /* requests of its own that wait for an answer */
	unsigned n_open;
	char request_uri[512], from[512];
};

struct b2bua_rig {
	struct rig media;
	struct sl_timers *timers;
	struct sl_asks *asks;
	struct sl_call_events *events;
	struct sl_calls *calls;
	struct sl_b2bua *b;
	int64_t now_ms;
	/* provisioning */
	struct sl_prov_snapshot snapshot;
	struct sl_prov_tenant tenant;
	struct sl_prov_trunk trunks[3];
	struct sl_prov_user alice, bob;
	/* what is answered */
	struct sl_binding bindings[4];
	unsigned n_bindings;
	struct sl_route_decision decision;
	struct sl_route_query query; /* the last */
	int uses, begun; /* now; ever */
	int busy;        /* the next use is refused */
	unsigned user_refs;
	/* what came of it */
	struct rig_leg *legs[RIG_LEGS]; /* in the order they were made: [0] the caller */
	unsigned n_legs;
	struct sl_cdr cdrs[RIG_LEGS];
	unsigned n_cdrs;
	sl_cdrs_done done[RIG_LEGS]; /* that wait for a commit */
	void *done_ctx[RIG_LEGS];
	unsigned n_done;
	struct sl_call *call;
};
extern struct b2bua_rig tb;

int b2bua_setup(void **state);
int b2bua_teardown(void **state); /* asserts that nothing is left */

void to_bob(void);                     /* the decision: bob, with n bindings */
void to_trunks(unsigned n);            /* trunks 0..n-1, one target each */
struct rig_leg *call_begins(const char *sdp); /* alice's INVITE; NULL = without SDP */
struct rig_leg *new_call(const char *user, const char *sdp, struct sl_leg *replaces);
void tells(struct rig_leg *l, enum sl_leg_event_type type, int status, const char *sdp);
void tells_fork(struct rig_leg *l, int status, unsigned fork, const char *sdp);
void asks(struct rig_leg *l, enum sl_leg_event_type type, const char *method, const char *text, const char *sdp); /* text: the message */
void ends(struct rig_leg *l, int status);
void tick(int64_t ms);
bool was(const struct rig_leg *l, const char *what); /* in its log */
void forget(void);                     /* logs, SDP, headers */
void all_over(void);                   /* everybody has ended; the call is gone */
const char *sdp_from(unsigned host, unsigned port, const char *proto);
