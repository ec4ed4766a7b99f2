/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* SIP on the brain: one nta agent over the configured listeners. What comes in is looked at in this order, and every refusal is counted
 * by its reason: fingerprint of a message that crashed us -> syntax and sanity (RFC 3261 16.3) -> guard -> overload -> who is it (trunk by
 * source or TLS identity, a flow that is registered, digest) -> by method: REGISTER to the registrar; INVITE becomes a leg of a new call
 * and goes to the controller; OPTIONS is answered; SUBSCRIBE, PUBLISH and MESSAGE by policy. Owner: the brain's thread.
 *
 * Addresses: next hops given to nta are numeric always; names are resolved here (resolve.h), so every attempt is seen. TLS connections are
 * the stream edge's (edge/edge.h): to nta they are a proxy on loopback, and struct sl_sip_flow tells whose they are. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"
#include "controlplane/call/call.h"
#include "controlplane/provision/provision.h"

#include <sofia-sip/su_wait.h>
#include <sofia-sip/nta.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/tport.h>

struct sl_sip;
struct sl_registrar;
struct sl_mailbox;

enum sl_sip_transport { SL_SIP_UDP, SL_SIP_TCP, SL_SIP_TLS };
const char *sl_sip_transport_name(enum sl_sip_transport t); /* "udp" */

/* Where a message came from, and how to get back there: the address, and for streams the connection. POD: journalled with dialogs,
 * stored with bindings. */
struct sl_sip_flow {
	struct sl_endpoint remote; /* the client's own address, also over TLS */
	struct sl_endpoint local;  /* of the listener */
	uint8_t transport;         /* enum sl_sip_transport */
	uint8_t listener;          /* index in the configuration */
	uint8_t pad[2];
	uint32_t connection;       /* TCP: a number of ours; TLS: the edge's; 0 = none (UDP). A number is never used again */
	uint32_t epoch;            /* of this process: connections of another one are gone */
};

/* Who sent it: exactly one of user and trunk is set, or neither (not known: only where policy allows). Held as long as needed: users
 * and trunks are reference counted by the provisioning. */
struct sl_sip_caller {
	const struct sl_prov_tenant *tenant;
	const struct sl_prov_user *user;   /* authenticated, or over a registered flow */
	const struct sl_prov_trunk *trunk; /* by source address or TLS identity */
	struct sl_sip_flow flow;
	char tls_identity[128];            /* verified certificate's name; "" = none */
};

enum { SL_SIP_CRASH_BYTES = 4096 };

struct sl_sip_options {
	const struct sl_config *config;
	su_root_t *root;
	struct sl_timers *timers;
	struct sl_asks *asks;
	struct sl_call_events *events;
	struct sl_prov *prov;
	struct sl_calls *calls;
	struct sl_trace *trace;
	struct sl_registrar *registrar;
	struct sl_warden *warden; /* guard/warden.h; NULL = nobody guards */
	struct sl_mailbox *brain; /* for the edge's thread; needed when a listener is TLS */
	void *crash_page;         /* SL_SIP_CRASH_BYTES that survive our death, zeroed at first: the message under way; NULL = none */
	/* A new call: the leg is made (TRYING, 100 sent), the call has no controller yet. Decide by sl_call_control() before returning.
	 * replaces: the leg whose dialog a Replaces header named (RFC 3891), already checked to be the same tenant's; NULL = none. */
	void (*invite)(void *ctx, struct sl_call *c, struct sl_leg *l, const struct sl_sip_caller *who, const sip_t *sip, struct sl_leg *replaces);
	/* A request outside any dialog that policy lets pass (MESSAGE, SUBSCRIBE, PUBLISH, OPTIONS to somebody): answer with
	 * nta_incoming_treply(), now or later, then nta_incoming_destroy(). */
	void (*request)(void *ctx, nta_incoming_t *irq, const struct sl_sip_caller *who, const sip_t *sip);
	void *ctx;
};

/* Listen on everything the configuration names, or fail with text naming the listener. Sockets are open when it returns; messages are
 * taken from the next turn of the loop. */
struct sl_sip *sl_sip_open(const struct sl_sip_options *o, char *text, size_t text_len);
/* No farewells: dialogs stay in the journal. */
void sl_sip_close(struct sl_sip *s);
const struct sl_sip_options *sl_sip_options(const struct sl_sip *s);
nta_agent_t *sl_sip_agent(const struct sl_sip *s);
/* Would the certificates of a reloaded configuration do? 0, or -EINVAL with text. */
int sl_sip_check(const struct sl_sip *s, const struct sl_config *config, char *text, size_t text_len);
/* Limits, certificates and policy of a reloaded configuration; listeners need a restart. */
void sl_sip_reconfigure(struct sl_sip *s, const struct sl_config *config);
void sl_sip_tick(struct sl_sip *s, int64_t now_ms);
struct sl_trunks;
/* Trunks that we register at are known by that too (routing/trunks.h); NULL before they go. */
void sl_sip_set_trunks(struct sl_sip *s, struct sl_trunks *t);

/* ---- where from, where to ---- */

/* Where a request or response came from. irq or orq may be NULL. */
void sl_sip_flow_of(struct sl_sip *s, msg_t *msg, const sip_t *sip, struct sl_sip_flow *out);
/* Does its connection still exist (UDP: always)? */
bool sl_sip_flow_is_open(const struct sl_sip *s, const struct sl_sip_flow *f);

/* One next hop, numeric. */
struct sl_sip_hop {
	struct sl_endpoint to;
	uint8_t transport;      /* enum sl_sip_transport */
	uint8_t listener;       /* to send from; its Contact and Via are used */
	bool by_flow;           /* send on this flow and nowhere else; a closed one fails with 430 (RFC 5626) */
	struct sl_sip_flow flow;
	char tls_name[128];     /* TLS: the name that the certificate must have; "" = none is checked */
};
const char *sl_sip_hop_text(const struct sl_sip_hop *h, char out[SL_CDR_ADDRESS_MAX]); /* "udp:192.0.2.10:5060" */
/* What nta needs to send there: the route URL (home's) and the transport for NTATAG_TPORT, which also picks the listener. 0; -ENOTCONN: the
 * flow has gone; -ENOENT no such listener; -ENOMEM. */
int sl_sip_hop_route(struct sl_sip *s, su_home_t *home, const struct sl_sip_hop *h, url_t **route, tport_t **tport);
/* A TLS hop: the Route that must come first in every request sent there (the edge takes it off); NULL for UDP and TCP, or no memory. */
sip_route_t *sl_sip_hop_header(struct sl_sip *s, su_home_t *home, const struct sl_sip_hop *h);
/* Our Contact towards that hop, user part `user` ("" = none): what reaches us from there, by listener (advertised address, transport). */
sip_contact_t *sl_sip_contact(struct sl_sip *s, su_home_t *home, const struct sl_sip_hop *h, const char *user);
/* The hop that goes back along a flow. */
void sl_sip_hop_back(const struct sl_sip_flow *f, struct sl_sip_hop *out);
/* The listener's configuration. */
const struct sl_conf_sip_listener *sl_sip_listener(const struct sl_sip *s, unsigned index);

/* ---- refusing without memory ---- */

/* Is the called number an emergency call of some tenant? */
bool sl_sip_is_emergency(struct sl_sip *s, const sip_t *sip);
/* Answer statelessly (reply.c: with what every answer of ours has, no longer than the guard allows), and count. Takes msg. */
void sl_sip_refuse(struct sl_sip *s, msg_t *msg, const sip_t *sip, int status, const char *phrase, tag_type_t tag, tag_value_t value, ...);

/* ---- trace: legs call these with what they receive and send ---- */

void sl_sip_trace(struct sl_sip *s, struct sl_call *c, const struct sl_leg *l, bool in, msg_t *msg, const struct sl_sip_flow *flow);

/* ---- counters: X-macro, as everywhere ---- */

#define SL_SIP_COUNTERS(X)                                                                                                  \
	X(received_requests, "requests received, without retransmissions")                                                  \
	X(received_responses, "responses received, without retransmissions")                                                \
	X(refused_syntax, "requests refused: malformed (400), too old, too long")                                          \
	X(refused_loop, "requests refused: Max-Forwards used up or a loop (483, 482)")                                     \
	X(refused_extension, "requests refused: an extension or scheme that is not known (420, 416)")                      \
	X(refused_overload, "requests refused: overload (503)")                                                             \
	X(refused_unknown_source, "requests refused: the source is no trunk and the listener wants one (403)")             \
	X(refused_method, "requests refused: method not allowed here (405, 501)")                                          \
	X(refused_dialog, "requests refused: no such dialog or transaction (481)")                                         \
	X(refused_limit, "calls refused: a limit of node, tenant, trunk or user")                                          \
	X(refused_crash, "messages dropped: the same one ended the process before")                                        \
	X(challenged, "requests challenged (401, 407)")                                                                     \
	X(dropped, "messages dropped without an answer: stray ACKs, stray responses, what cannot be answered")             \
	X(refused_guard, "requests refused: the source exceeds a limit of the guard (503)")                                 \
	X(refused_reflection, "answers not sent: longer than guard.reflection_percent of what they answer")                 \
	X(would_refuse_reflection, "answers sent all the same: dry run")                                                    \
	X(shortened, "answers sent without optional headers, for the same reason")                                          \
	X(delayed, "answers held back by the guard")                                                                        \
	X(delayed_dropped, "answers held back and dropped: too many of them")                                               \
	X(closed_limit, "TCP connections closed: more than max_connections")                                                \
	X(keepalives_sent, "keep-alives sent to clients behind NAT")                                                        \
	X(out_of_dialog, "requests outside dialogs passed on")
struct sl_sip_counts {
#define X(name, text) uint64_t name;
	SL_SIP_COUNTERS(X)
#undef X
};
struct sl_sip_counts *sl_sip_counts(struct sl_sip *s);
/* For showing: the stream edge (NULL: no listener is TLS), and whether new work is refused (enum sl_overload_level of overload.h). */
struct sl_edge;
const struct sl_edge *sl_sip_edge(const struct sl_sip *s);
unsigned sl_sip_overload_level(const struct sl_sip *s);
