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
	uint64_t username_hash, quota_hash; /* see struct sl_cold_auth */
};

struct sl_turn_request {
	struct sl_turn *t;
	const struct sl_flow *flow;
	const struct sl_turn_now *now;
	struct sl_stun m;
	uint8_t *reply;
	unsigned reply_cap;
	uint32_t alloc; /* the live allocation of the five-tuple, or SL_NONE */
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
/* Peer policy for a port (host order), or for the address alone (port -1). *own: the peer is one of our addresses. */
bool sl_turn_peer_ok(const struct sl_turn *t, const struct sl_ip *ip, int port, bool *own);
/* 0, or the error that says the request may not touch the five-tuple's allocation: 437, 441. */
unsigned sl_turn_need_allocation(const struct sl_turn_request *r);

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

/* ---- turn_allocate.c, turn_permit.c: authenticated requests ---- */

struct sl_turn_verdict sl_turn_allocate(struct sl_turn_request *r);
struct sl_turn_verdict sl_turn_refresh(struct sl_turn_request *r);
struct sl_turn_verdict sl_turn_create_permission(struct sl_turn_request *r);
struct sl_turn_verdict sl_turn_channel_bind(struct sl_turn_request *r);
