/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the files of TURN share: one request on its way through. */

#include "dataplane/path/turn.h"
#include "dataplane/path/turn_quota.h"
#include "dataplane/path/turn_reservation.h"

/* Whose request it is, once its integrity was verified. */
struct sl_turn_auth {
	uint8_t key[32];
	uint8_t key_len;
	bool sha256; /* the request carried MESSAGE-INTEGRITY-SHA256, and so does the answer */
	const char *username;
	uint16_t username_len;
	const char *account; /* the name without the expiry of REST credentials */
	uint16_t account_len;
	uint32_t max_lifetime_s; /* of an allocation, by the access token; 0 = whatever the realm gives */
	uint64_t username_hash, quota_hash; /* see struct sl_cold_auth */
};

struct sl_turn_request {
	struct sl_turn *t;
	const struct sl_turn_arrival *from;
	const struct sl_flow *flow; /* from->flow */
	const struct sl_turn_now *now;
	struct sl_stun m;
	uint8_t *reply;
	unsigned reply_cap;
	uint32_t alloc; /* the live allocation of the five-tuple, or SL_NONE */
	uint32_t owner; /* the one whose credentials it is made with: alloc; of a ConnectionBind the connection's (RFC 6062 4.4) */
	uint16_t realm; /* set by sl_turn_authenticate() */
	uint8_t flags;  /* SL_ALLOC_IS_* of the allocation to be made: RESTRICTED by sl_turn_admit() */
	bool arriving;  /* the five-tuple is one that alloc may move to (RFC 8016) */
	uint16_t ticket_code; /* error that its MOBILITY-TICKET leads to; 0 = none */
	bool ticket_ahead;    /* it is the one that only who got the answer at the five-tuple that alloc may move to can have */
	uint32_t meter; /* of the user's bandwidth, by sl_turn_admit() */
	bool authenticated;
	bool token_taken; /* an answer without authentication is paid for */
	bool no_user;     /* the name is nobody's */
	uint8_t signal;   /* as in the verdict */
	struct sl_turn_auth auth;
};

/* ---- turn.c ---- */

struct sl_turn_verdict sl_turn_drop(enum sl_drop why);
/* An answer of class cls under way, and its end: SOFTWARE, integrity where authenticated, FINGERPRINT where asked. */
void sl_turn_reply_begin(struct sl_turn_request *r, struct sl_stun_builder *b, enum sl_stun_class cls);
struct sl_turn_verdict sl_turn_reply_end(struct sl_turn_request *r, struct sl_stun_builder *b, enum sl_stun_class cls);
struct sl_turn_verdict sl_turn_error(struct sl_turn_request *r, unsigned code);
/* May an answer go out that nobody authenticated for? Takes a token, of the five-tuple's allocation or of the worker's;
 * once per request. */
bool sl_turn_unauthenticated_ok(struct sl_turn_request *r);
/* Tell and count the end of an allocation, then delete it. */
void sl_turn_end_allocation(struct sl_turn *t, uint32_t alloc, enum sl_allocation_end end);
/* 0, or the error that says the request may not touch the five-tuple's allocation: 437, 441. */
unsigned sl_turn_need_allocation(const struct sl_turn_request *r);
/* Is the request made with the allocation's key, where its name alone does not say whose it is? */
bool sl_turn_same_key(const struct sl_turn_request *r, uint32_t alloc);

/* ---- turn_guard.c ---- */

/* Beside its request, may an answer of len bytes go to somebody who has not authenticated (the reflection budget)? */
bool sl_turn_short_enough(const struct sl_turn_request *r, size_t len);
/* It was sent: count it. */
void sl_turn_count_challenge(const struct sl_turn_request *r, size_t len);
/* A token of all strangers together. t->unauthenticated_pps is not 0. */
bool sl_turn_stranger_ok(struct sl_turn *t, const struct sl_flow *f, uint64_t now_ms);
/* One allocation more of this address and of its prefix: false when either has its full number. */
bool sl_turn_source_take(struct sl_turn *t, const struct sl_ip *source);
/* The same, whatever the limits are: after a restart. */
void sl_turn_source_count(struct sl_turn *t, const struct sl_ip *source);
void sl_turn_source_give(struct sl_turn *t, const struct sl_ip *source);

/* ---- turn_auth.c ---- */

/* The checks of RFC 8489 9.2.4. 0 with r->auth filled, or the code of the error to answer. */
unsigned sl_turn_authenticate(struct sl_turn_request *r);
/* REALM, NONCE and PASSWORD-ALGORITHMS, as a 401 or 438 carries them. */
void sl_turn_challenge(struct sl_turn_request *r, struct sl_stun_builder *b);

/* ---- turn_oauth.c ---- */

/* What an access token brings (RFC 7635 4.1). */
struct sl_turn_token {
	uint8_t key[32]; /* of MESSAGE-INTEGRITY */
	uint8_t key_len; /* 20 or 32 */
	uint32_t left_s; /* until it ends; at least 1 */
};
/* The request's ACCESS-TOKEN, if it was made with this key for this server and has its time now. */
bool sl_turn_token_open(const struct sl_turn_request *r, const struct sl_cmd_oauth_key *k, struct sl_turn_token *out);

/* ---- turn_admit.c ---- */

/* May this request make an allocation? 0 with every quota of user, realm, node and source counted, or the code to answer: 486, 508. */
unsigned sl_turn_admit(struct sl_turn_request *r);
/* It could not be made after all: the quotas go back. */
void sl_turn_unadmit(struct sl_turn_request *r);
/* The allocation ends: its quotas go back. */
void sl_turn_dismiss(struct sl_turn *t, uint32_t alloc);
/* The allocation was restored: it counts in every quota, whatever they are now. */
void sl_turn_readmit(struct sl_turn *t, uint32_t alloc);
/* Is the client to go to another server (drain, balance)? Then *v is the answer: 300 with ALTERNATE-SERVER. */
bool sl_turn_redirect(struct sl_turn_request *r, struct sl_turn_verdict *v);
/* How long an allocation may live at most: the realm's maximum, the drain's, or the access token's. It may be less than the default lifetime. */
uint32_t sl_turn_max_lifetime(const struct sl_turn_request *r);
/* Each millisecond: allocations learn their realm's index when a configuration has changed it. */
void sl_turn_policy_tick(struct sl_turn *t);
/* The index as it is now, whether that has come to the allocation or not; SL_TURN_ANY_REALM: the realm is gone. With t->conf. */
uint16_t sl_turn_realm_of(const struct sl_turn *t, uint32_t alloc);

/* ---- turn_permit.c ---- */

/* Peer policy of the realm for a port (host order), or for the address alone (port -1): the one question for Send, CreatePermission, ChannelBind and
 * Connect. *own: the peer is one of our addresses. */
bool sl_turn_peer_ok(const struct sl_turn *t, unsigned realm, const struct sl_ip *ip, int port, bool *own);
/* Each millisecond: after a change of policy, a few of the permissions and channels are judged by it, and what it denies ends. */
void sl_turn_judge_tick(struct sl_turn *t);
/* Send indication (RFC 8656 11.2). */
struct sl_turn_verdict sl_turn_send(struct sl_turn_request *r);

/* ---- turn_mobility.c (RFC 8016) ---- */

/* Before authentication, a Refresh with a ticket: whose it is. Fills r->ticket_code, and r->alloc where the five-tuple has none. Returns the other worker
 * that it names, or -1. */
int sl_turn_ticket_look(struct sl_turn_request *r);
/* MOBILITY-TICKET for r->alloc, which is mobile. */
void sl_turn_ticket_add(const struct sl_turn_request *r, struct sl_stun_builder *b);
/* What an Allocate asks for: 0 (r->flags may have IS_MOBILE now), 400 or 405. */
unsigned sl_turn_mobility_wanted(struct sl_turn_request *r);
/* The answer will be a success: the five-tuple may have the allocation from now on. 0 or 508. */
unsigned sl_turn_mobility_begin(struct sl_turn_request *r);
/* The client is there: the allocation is at this five-tuple alone. */
void sl_turn_mobility_complete(struct sl_turn *t, uint32_t alloc);
/* The allocation ends: its five-tuples are the buckets' again. */
void sl_turn_mobility_end(struct sl_turn *t, uint32_t alloc);
/* The connection that the client came by has ended, or the one that it was about to come by. False: that is the end of its allocation. */
bool sl_turn_mobility_lost(struct sl_turn *t, uint32_t alloc, const struct sl_flow *f);

/* ---- turn_nat.c ---- */

/* Binding (RFC 8489 12), with NAT behaviour discovery (RFC 5780) at its four listeners. */
struct sl_turn_verdict sl_turn_binding(struct sl_turn_request *r);
/* Attributes of RFC 5780 that the request has and nobody answers to here: noted as unknown. */
void sl_turn_nat_refuse(struct sl_turn_request *r);

/* ---- turn_tcp.c (RFC 6062): authenticated requests ---- */

struct sl_turn_verdict sl_turn_connect(struct sl_turn_request *r);
struct sl_turn_verdict sl_turn_connection_bind(struct sl_turn_request *r);
/* May this Allocate have a TCP relayed address? 0, 400 or 442. */
unsigned sl_turn_tcp_wanted(const struct sl_turn_request *r);
/* The allocation is there: its relayed address is to be listened on, and is answered for then. 0 or 508. */
unsigned sl_turn_tcp_listen(struct sl_turn_request *r);
/* It ends: so do its connections to peers. */
void sl_turn_tcp_end(struct sl_turn *t, uint32_t alloc);
/* Each millisecond: connections that nobody bound in time, orders that found a full ring. */
void sl_turn_tcp_tick(struct sl_turn *t, const struct sl_turn_now *now);

/* ---- turn_allocate.c, turn_permit.c: authenticated requests ---- */

/* The success of r->m, an Allocate. */
struct sl_turn_verdict sl_turn_allocate_success(struct sl_turn_request *r);
struct sl_turn_verdict sl_turn_allocate(struct sl_turn_request *r);
struct sl_turn_verdict sl_turn_refresh(struct sl_turn_request *r);
struct sl_turn_verdict sl_turn_create_permission(struct sl_turn_request *r);
struct sl_turn_verdict sl_turn_channel_bind(struct sl_turn_request *r);
