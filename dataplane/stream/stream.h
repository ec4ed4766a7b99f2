/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* TURN over TCP, TLS and DTLS: between the stream threads, which own kernel sockets and OpenSSL, and the workers, who own sessions.
 *
 * Each pair of thread and worker has two byte rings (ring.h): frames in, orders and frames out. A connection belongs to one thread for its life; its frames go
 * to the worker that owns its five-tuple by the bucket table, or to the one that says so (SL_STREAM_MOVED). Neither side waits for the other: a thread whose
 * ring to the worker is full stops reading that connection; a worker whose ring to the thread is full drops, and counts (stream_ring_full).
 *
 * Wake-up: workers make no system call. A thread that has connections looks at its rings at least once a millisecond, and every 100 us while there is traffic. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/abi/counters.h"
#include "dataplane/session/flow.h"
#include "dataplane/stream/ring.h"

enum {
	SL_STREAM_MAX_THREADS = 15, /* the sixteenth is nobody's: of clients whose connection is lost (session/alloc.h) */
	SL_STREAM_MAX_CONNECTIONS = 1 << 20, /* of a thread */
	SL_STREAM_FRAME_MAX = 65535 + 4,     /* ChannelData and its padding */
};

/* sl_flow.transport of a client that comes by a stream thread: top bit, 2 bits of transport, 4 of thread, 5 of the slot's generation, 20 of its slot. Two connections of one client address
 * one after the other are two flows. UDP clients have IPPROTO_UDP. */
static inline uint32_t sl_stream_transport(unsigned over, unsigned thread, unsigned generation, uint32_t slot)
{
	return 1u << 31 | (uint32_t)over << 29 | (uint32_t)thread << 25 | (generation & 31u) << 20 | (slot & 0xfffffu);
}
static inline bool sl_flow_is_stream(const struct sl_flow *f)
{
	return f->transport >> 31;
}
static inline unsigned sl_flow_over(const struct sl_flow *f) /* enum sl_turn_transport */
{
	return sl_flow_is_stream(f) ? f->transport >> 29 & 3 : 0;
}
static inline unsigned sl_flow_thread(const struct sl_flow *f)
{
	return f->transport >> 25 & 15;
}

/* X(NAME, number, "what"): thread to worker. */
#define SL_STREAM_INPUTS(X)                                                                                                                  \
	X(FRAME, 1, "a STUN message or ChannelData, whole, without padding behind ChannelData")                                              \
	X(CLOSED, 2, "the connection has ended: its allocation goes, unless it may move (RFC 8016)")                                        \
	X(TCP_LISTENING, 3, "RFC 6062: the relayed transport address listens (error 0), or cannot (negative errno)")                        \
	X(TCP_CONNECTED, 4, "answer to TCP_CONNECT: error 0, or negative errno")                                                           \
	X(TCP_INCOMING, 5, "a peer has connected: peer; the thread keeps it until TCP_ACCEPT or TCP_CLOSE")                                \
	X(TCP_CLOSED, 6, "a connection to a peer has ended")                                                                               \
	X(TCP_BOUND, 7, "answer to TCP_BIND: error 0 or negative errno")                                                                   \
	X(REMOTE, 8, "packets of a client with an allocation (on 1), or with none any more (on 0), come from peer: of those that a proxy brings, and of data connections") \
	X(ASK, 9, "has this connection an allocation? KNOWN is the answer")

/* X(NAME, number, "what"): worker to thread. */
#define SL_STREAM_ORDERS(X)                                                                                                                  \
	X(SEND, 1, "bytes for the client: one STUN message or ChannelData, padded to four bytes by the sender on TCP and TLS")              \
	X(CLOSE, 2, "end the connection once what is queued has left")                                                                      \
	X(MOVED, 3, "frames of this connection go to the sender of this from now on")                                                       \
	X(KNOWN, 4, "the connection has an allocation (on 1) or none any more (on 0): limits for strangers do not hold for it")             \
	X(TCP_LISTEN, 5, "RFC 6062: listen on local; peers are told by allocation")                                                         \
	X(TCP_UNLISTEN, 6, "stop, and end the allocation's connections to peers")                                                           \
	X(TCP_CONNECT, 7, "connect from local to peer; connection is the id for the client")                                                \
	X(TCP_ACCEPT, 8, "keep an incoming one under this connection id")                                                                   \
	X(TCP_CLOSE, 9, "end a connection to a peer (not bound in 30 s, no permission, allocation gone)")                                   \
	X(TCP_BIND, 10, "after what was sent to it before, this client connection is the data connection of peer connection `connection`, which thread `peer_thread` has") \
	X(RECALL, 11, "a KNOWN found no room: ask of every connection whose frames go to the sender")

enum sl_stream_input {
#define X(name, number, what) SL_STREAM_IN_##name = number,
	SL_STREAM_INPUTS(X)
#undef X
};
enum sl_stream_order {
#define X(name, number, what) SL_STREAM_DO_##name = number,
	SL_STREAM_ORDERS(X)
#undef X
};

/* Before the bytes of each record, both ways; unused fields are zero. */
struct sl_stream_record {
	uint16_t kind;         /* enum sl_stream_input or sl_stream_order */
	uint16_t realm;        /* FRAME: by server name, SL_TURN_ANY_REALM = none was given, or it is nobody's */
	uint32_t len;          /* bytes that follow */
	struct sl_flow flow;   /* the client's connection; flow.transport names thread and slot */
	struct sl_endpoint server; /* FRAME: where it came to: the listener's address, or the PROXY header's */
	uint64_t allocation;   /* TCP_*: sl_turn_id() */
	uint32_t connection;   /* TCP_*: CONNECTION-ID (RFC 6062 6.2.1); TCP_INCOMING: the thread's own number, echoed in TCP_ACCEPT and TCP_CLOSE */
	uint32_t incoming;     /* TCP_ACCEPT: that number */
	int32_t error;
	uint16_t on;           /* KNOWN, REMOTE */
	uint16_t peer_thread;  /* TCP_BIND */
	struct sl_endpoint local, peer; /* peer of CLOSED: as in REMOTE, port 0 = no proxy is between */
};

struct sl_dataplane;
struct sl_config;
struct sl_streams;

/* ---- the threads: start and housekeeper threads call these ---- */

/* Sockets, contexts, rings, threads for the listeners of config that are no UDP ones. 0 with *out NULL when there are none; or negative errno with words
 * in text that name the listener and the remedy, and nothing is left open. After the TAPs have their addresses, before privileges are given up. */
int sl_streams_start(struct sl_dataplane *dp, struct sl_streams **out, char *text, size_t text_len);
/* Certificates and what a reload may change are read anew: connections stay, new ones see the new certificate. 0, or -EINVAL with text: nothing has changed. */
int sl_streams_reload(struct sl_streams *s, const struct sl_config *config, char *text, size_t text_len);
/* The threads end; rings stay as they are, for a worker that may not have. */
void sl_streams_halt(struct sl_streams *s);
/* And all that is theirs is freed: no worker runs any more. */
void sl_streams_stop(struct sl_streams *s);

/* Counts of all threads, for the region (housekeeper, each second); names in dataplane/abi/counters.h. */
void sl_streams_count(const struct sl_streams *s, uint64_t out[SL_N_STREAM_COUNTERS]);

/* ---- workers ---- */

/* The rings between worker and thread t; NULL = there is no such thread. For the worker's life. */
struct sl_byte_ring *sl_streams_in(const struct sl_streams *s, unsigned thread, unsigned worker);
struct sl_byte_ring *sl_streams_out(const struct sl_streams *s, unsigned thread, unsigned worker);
unsigned sl_streams_threads(const struct sl_streams *s); /* 0 for NULL */
