/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* SIP legs on a real nta agent on loopback, before a peer that is a bare socket: what it says is written out in the test, so a lost ACK, two
 * 200s or a BYE that crosses are as easy as anything. The call model is reduced to what legs need; the controller is the test: what legs
 * tell is kept as one line of text each. */

#include "controlplane/sip/leg.h"
#include "tests/unit/unit.h"

enum { RIG_TEXT = 8192, RIG_T1_MS = 40 };

struct rig {
	struct sl_sip *sip;
	struct sl_timers *timers;
	struct sl_call *call;        /* the newest */
	struct sl_leg *leg;          /* the newest */
	struct sl_leg_request *request; /* of the last event that had one */
	char got[RIG_TEXT];          /* the last message that the peer got */
	char events[RIG_TEXT];       /* lines since rig_events() */
	int peer;                    /* its socket */
	uint16_t port, sip_port;     /* the peer's, ours */
	unsigned changed;
	bool auto_respond;           /* answer OFFER with 200 and its own SDP */
	bool flow_closed;            /* of streams */
	bool resolve_later;          /* peer.example is known when rig_resolved() says so */
	sl_ask_fn resolve_fn;
	void *resolve_ctx;
};

extern struct rig rig;
extern const char *const rig_sdp, *const rig_sdp2;

void rig_open(void);
void rig_close(void);
/* A new agent as after a restart: the legs' records are read into a new call. Returns the leg. */
struct sl_leg *rig_restart(void);
/* One more peer's socket; rig.peer and rig.port are it from now on. */
int rig_peer(int fd);
void rig_send(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Run the loop until the peer gets a message that begins so (others are an error); it is in rig.got. */
void rig_expect(const char *begins);
/* Until one that begins so comes; others are passed over. */
void rig_await(const char *begins);
/* Run the loop until an event line contains this. */
void rig_event(const char *contains);
void rig_resolved(uint16_t port);
void rig_run(int ms); /* at least so long */
void rig_never(const char *begins, int ms); /* none such comes in this time */
bool rig_quiet(int ms); /* nothing came to the peer in this time */
/* A header's value of rig.got, or a parameter of it; static memory, 8 in turn. */
const char *rig_header(const char *name);
const char *rig_tag(const char *name);
struct sl_slice rig_slice(const char *text);
/* Dial the peer. */
struct sl_leg *rig_dial(const struct sl_sip_dial *more);
/* An INVITE of the peer; the leg is rig.leg then. extra: further header lines. */
void rig_invite(const char *call_id, const char *extra, const char *sdp);
