/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* TURN and STUN request processing (RFC 8489, RFC 8656) over one worker's sessions. No packets buffers, no clock, no
 * globals: bytes in, bytes out, so that tests and fuzzers drive it as the worker does.
 *
 * Order of checks: parse, method, nonce (stateless), credentials, integrity, then state. Nothing is stored before the
 * integrity of a request has been verified. */

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/abi/counters.h"
#include "dataplane/abi/msg_guard.h"
#include "dataplane/path/turn_conf.h"
#include "dataplane/session/alloc.h"
#include "dataplane/session/known.h"
#include "dataplane/wire/stun.h"

enum sl_turn_action {
	SL_TURN_DROP,  /* verdict.drop says why; SL_N_DROPS: consumed, nothing to count (a keep-alive indication) */
	SL_TURN_REPLY, /* send reply[0..reply_len) back over the flow */
	SL_TURN_RELAY, /* Send indication: relay data to peer from the allocation's relay endpoint */
	SL_TURN_HAND,  /* the message is worker `owner`'s: hand it over, as arrival.handed */
};
enum { SL_TURN_SAME = 0xffff };

struct sl_turn_verdict {
	enum sl_turn_action action;
	enum sl_drop drop;
	uint16_t reply_len;
	/* SL_TURN_RELAY: */
	uint32_t alloc, peer; /* peer: the record that permits it */
	struct sl_endpoint to;
	struct sl_span data;
	bool dont_fragment;
	/* SL_TURN_REPLY: */
	bool reply_elsewhere;  /* to reply_to (RESPONSE-PORT), not to where the request came from */
	uint16_t reply_from;   /* the listener to answer from; SL_TURN_SAME = the one it came to */
	struct sl_endpoint reply_to;
	uint8_t owner;         /* SL_TURN_HAND: a worker */
	/* What its sender is to be remembered by: enum sl_guard_signal, or SL_TURN_NO_SIGNAL. */
	uint8_t signal;
};
enum { SL_TURN_NO_SIGNAL = 0xff };

struct sl_stream_record;
struct sl_turn_now;
struct sl_turn_bandwidth_worker;
struct sl_turn_quota;
struct sl_turn_reservations;
struct sl_turn_tcp;

/* What one worker's TURN code works with. Owner: the worker. */
struct sl_turn {
	unsigned worker;
	struct sl_sessions *sessions;
	const struct sl_turn_conf *conf; /* by sl_turn_use(); NULL until provisioned: requests are dropped as not_ready */
	struct sl_known *known; /* the one given to sl_sessions_init(), which keeps it in step */
	struct sl_stun_crypto crypto;
	struct sl_siphash_key nonce_key, user_key;
	uint64_t *counters;       /* [SL_N_WORKER_COUNTERS] */
	/* The node's addresses and ports. */
	unsigned n_listeners;
	const struct sl_endpoint *listeners;
	unsigned n_relay;
	const struct sl_ip *relay;
	uint16_t relay_port_min, relay_port_max;
	unsigned n_external;      /* of these and of listeners, those that a NAT maps: turn_outside.h */
	const struct sl_ip *internal, *external;
	/* Reservations of every worker (EVEN-PORT with R), see turn_reservation.h. */
	struct sl_turn_reservations *reservations;
	unsigned n_workers;
	/* Callbacks of the worker; ctx is passed back. */
	void *ctx;
	bool (*is_own)(const void *ctx, const struct sl_ip *ip);
	void (*resolve)(void *ctx, const struct sl_ip *peer); /* ask Linux to resolve the next hop now */
	/* change: enum sl_allocation_change; the allocation still exists when CLOSED is told. */
	void (*event)(void *ctx, uint32_t alloc, unsigned change, unsigned end);
	/* To the stream thread of r->flow. False: its ring is full, and nothing was done. */
	bool (*order)(void *ctx, const struct sl_stream_record *r);
	/* A message of ours to a client that is no answer to the one at hand: a late answer, an indication. then: an order to the client's thread that goes
	 * right behind it, NULL = none. False: there is no room for both, and neither was sent. */
	bool (*tell)(void *ctx, const struct sl_flow *f, const uint8_t *msg, unsigned len, const struct sl_stream_record *then);
	/* This worker owns (here), or owns no more, a five-tuple that may be another's by the buckets (RFC 8016). UDP clients: packets of others' are
	 * to come here, session/moved.h; streams: SL_STREAM_DO_MOVED. False: no room for one more. NULL: one worker. */
	bool (*moved)(void *ctx, const struct sl_flow *f, bool here);
	struct sl_turn_tcp *tcp;      /* connections to TCP peers (turn_tcp.h); NULL = there are none */
	/* User quotas count across workers; see turn_quota.h. */
	struct sl_turn_quota *quota;
	/* Low word of the number of conf's peer policy, by sl_turn_use(). */
	uint32_t policy;
	/* Private to turn_permit.c: the policy that permissions and channels are judged by in turn, which one is next, how many are left. */
	uint32_t swept_by, sweep_at, sweep_left;
	/* Private to turn_admit.c: the realms that allocations' indexes are of, and the next one to be told its own. */
	uint64_t realms_version;
	uint32_t renumber_at;
	/* Bandwidth of users, realms and the node; NULL = not limited. limits: there are some in conf, by sl_turn_use(). */
	struct sl_turn_bandwidth_worker *bandwidth;
	bool limits;
	/* Tokens for answers to requests that did not authenticate. A live allocation has a few of its own a second. */
	uint32_t unauthenticated_pps; /* 0 = unlimited */
	struct { /* private to turn_guard.c: of UDP, of streams, whose clients have shown where they are */
		uint64_t tokens_ms, last_ms;
	} unauthenticated[2];

	/* The guard. policy: NULL = it is off; set by the worker at each burst. */
	const struct sl_cmd_guard_policy *guard;
	uint64_t *would_drop;             /* [SL_N_DROPS]: counts of a dry run */
	struct sl_turn_quota *sources;    /* allocations by address and by prefix, across workers; NULL = not counted */
	/* Was a request of this flow here a little while ago? NULL: nobody is asked to come again. */
	bool (*comes_again)(void *ctx, const struct sl_flow *f, uint64_t now_ms);
	/* Is it in an allowed prefix, which no limit counts? NULL: none is. */
	bool (*is_allowed)(const void *ctx, const struct sl_ip *ip);
};

struct sl_turn_now {
	uint64_t ms;       /* CLOCK_MONOTONIC */
	uint32_t s;        /* the same in seconds */
	uint64_t unix_s;   /* wall clock, for expiry of REST credentials only */
};

/* How a message came. */
struct sl_turn_arrival {
	const struct sl_flow *flow;
	uint16_t realm_hint; /* by the server name of its TLS handshake; SL_TURN_ANY_REALM = none */
	bool handed;         /* by another worker: it is not handed on */
	const struct sl_endpoint *server; /* where it came to, of streams; NULL = listeners[flow->listener] */
};

/* Handle one STUN message. reply has reply_cap bytes (>= 1,280 keeps every answer whole). */
struct sl_turn_verdict sl_turn_handle_from(struct sl_turn *t, const struct sl_turn_arrival *from, const uint8_t *msg, unsigned len,
	const struct sl_turn_now *now, uint8_t *reply, unsigned reply_cap);

/* The same of one that arrived on flow f at listeners[f->listener], and of nothing else is there to tell. */
static inline struct sl_turn_verdict sl_turn_handle(struct sl_turn *t, const struct sl_flow *f, const uint8_t *msg, unsigned len,
	const struct sl_turn_now *now, uint8_t *reply, unsigned reply_cap)
{
	const struct sl_turn_arrival from = {.flow = f, .realm_hint = SL_TURN_ANY_REALM};
	return sl_turn_handle_from(t, &from, msg, len, now, reply, reply_cap);
}

/* The allocation that may move to flow f, which has none (RFC 8016), or SL_NONE. data: what came is ChannelData, which completes the move; a message
 * does that where it should by itself. */
uint32_t sl_turn_arrived(struct sl_turn *t, const struct sl_flow *f, bool data, const struct sl_turn_now *now);

/* Everything of enum sl_stream_input but FRAME; what follows from it goes by t->order and t->tell. reply: room for messages. */
void sl_turn_stream_input(struct sl_turn *t, const struct sl_stream_record *r, const struct sl_turn_now *now, uint8_t *reply, unsigned reply_cap);

/* The snapshot to go by from now on; the worker's at each burst. NULL: none yet. */
static inline void sl_turn_use(struct sl_turn *t, const struct sl_turn_conf *c)
{
	t->conf = c;
	t->limits = c && sl_turn_conf_limits(c);
	t->policy = c ? (uint32_t)sl_turn_conf_policy(c) : 0;
}

/* Is this permission or channel, which is in use, one that the policy allows? It notes that it does. */
bool sl_turn_rejudge(const struct sl_turn *t, struct sl_peer *p);
/* The same, asked for every packet: a policy that changed is in force at once. */
static inline bool sl_turn_is_judged(const struct sl_turn *t, struct sl_peer *p)
{
	return p->judged == t->policy || sl_turn_rejudge(t, p);
}

/* Is own_port (host order) of one of our addresses inside a range that peers may be relayed to? */
static inline bool sl_turn_own_port_ok(const struct sl_turn *t, uint16_t own_port)
{
	return own_port >= t->relay_port_min && own_port <= t->relay_port_max;
}

/* Call once on the start thread, after sl_sessions_restore and before the first packet, with every field of *t set, even if
 * nothing was restored: counts restored allocations in quotas and counters. */
void sl_turn_restored(struct sl_turn *t);

/* Deletion by an operator (ALLOCATION_DELETE): 0 or -ENOENT. id as in sl_evt_allocation. */
int sl_turn_delete(struct sl_turn *t, uint64_t id);
/* Each millisecond: run due timers, at most budget; expired allocations are counted and told as CLOSED. A part of what else
 * goes round: permissions under a new policy, counts for the cold records. */
void sl_turn_tick(struct sl_turn *t, const struct sl_turn_now *now, unsigned budget);
/* Fill an event about an allocation. */
void sl_turn_describe(const struct sl_turn *t, uint32_t alloc, uint32_t now_s, struct sl_evt_allocation *out);
/* The id used in events: worker (8 bits), generation (24), index (32). */
uint64_t sl_turn_id(const struct sl_turn *t, uint32_t alloc);
