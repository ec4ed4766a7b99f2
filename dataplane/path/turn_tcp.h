/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* TCP allocations (RFC 6062): what a worker knows of the connections between relayed addresses and peers. Their sockets, and the bytes once a client has bound
 * its data connection, are the stream thread's; this is told by order, and hears by input (dataplane/stream/stream.h). A fixed table, one worker's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/path/turn.h"
#include "dataplane/stream/stream.h"

enum {
	SL_TURN_TCP_BIND_S = 30,         /* RFC 6062 5.3: how long a connection waits for its ConnectionBind */
	SL_TURN_TCP_PER_ALLOCATION = 64, /* connections to peers at a time */
	SL_TCP_THREADS = SL_STREAM_MAX_THREADS + 1, /* that a flow may name */
};

enum sl_tcp_state {
	SL_TCP_FREE,
	SL_TCP_CONNECTING, /* Connect is answered when the thread says so */
	SL_TCP_WAITING,    /* for ConnectionBind */
	SL_TCP_BINDING,
	SL_TCP_BOUND,
};

struct sl_tcp_connection {
	struct sl_endpoint peer;
	uint8_t state;                /* enum sl_tcp_state */
	bool fingerprint, sha256;     /* how the Connect is to be answered */
	uint8_t key_len;
	uint32_t id;                  /* CONNECTION-ID: random, its remainder by the number of workers is the worker */
	uint32_t alloc;
	uint32_t next;                /* of the allocation; of the free ones */
	uint32_t next_in_bucket;
	uint32_t due_s;               /* CONNECTING, WAITING: it ends then */
	uint8_t tid[SL_STUN_TID_BYTES];
	uint8_t key[32];              /* of the Connect; wiped once it is answered */
};

/* An order that waits for room in the ring to its thread. */
struct sl_tcp_owed {
	uint64_t allocation;
	struct sl_endpoint local, peer;
	uint16_t kind;                /* enum sl_stream_order */
	uint32_t connection, incoming;
	uint32_t next;                /* for the same thread; of the free ones */
};

struct sl_turn_tcp {
	struct sl_tcp_connection *connections; /* [n] */
	uint32_t *buckets;                     /* by id */
	uint32_t n, mask, free, n_active;
	uint32_t n_listening;                  /* TCP allocations */
	uint32_t sweep_at, judge_at;           /* next one to be looked at: is its time over; does the policy still allow it */
	uint32_t judge_left;
	uint64_t policy;
	struct sl_tcp_owed *owed;              /* [max_owed] */
	uint32_t max_owed, n_owed, owed_free;
	struct { uint32_t first, last; } owed_to[SL_TCP_THREADS];
};

/* Room for n connections. 0 or -ENOMEM. zalloc: as sl_start_zalloc(). Start thread. */
int sl_turn_tcp_init(struct sl_turn_tcp *c, uint32_t n, void *(*zalloc)(const char *what, size_t bytes));
/* May there be one connection, or one TCP allocation, more? Its end can wait if it has to. */
bool sl_tcp_has_room(const struct sl_turn_tcp *c);
/* Is the allocation one whose relayed address is not listened on yet? */
bool sl_turn_tcp_is_pending(const struct sl_turn *t, uint32_t alloc);
/* The other worker that this connection is of, or -1. */
int sl_turn_connection_worker(const struct sl_turn *t, uint32_t id);
struct sl_turn_request;
/* The live allocation that the CONNECTION-ID of the request belongs to, or SL_NONE. */
uint32_t sl_turn_connection_owner(const struct sl_turn_request *r);
/* TCP_* of enum sl_stream_input. */
void sl_turn_tcp_input(struct sl_turn *t, const struct sl_stream_record *r, const struct sl_turn_now *now, uint8_t *reply, unsigned reply_cap);
