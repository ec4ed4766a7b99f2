/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The worker's half of TURN over TCP, TLS and DTLS: frames of stream threads (dataplane/stream) go the same way as packets, and what is for their
 * clients goes back by the thread's ring. A frame is copied once each way: rings hold bytes, so that no packet buffer ever leaves the workers. */

#include "dataplane/path/context.h"
#include "dataplane/stream/stream.h"

/* Marks of what reaches Linux for TURN (exception.c): SIP listeners are numbered below. TCP peers (RFC 6062) go by the relayed port, so that each of their
 * connections has a mark of its own: one that ends takes no other's along. */
enum { SL_MARK_TURN = 0x100, SL_MARK_PEER = 0x200 /* and above */ };
static inline int sl_mark_of_peer(uint16_t relayed_port_be)
{
	return ntohs(relayed_port_be); /* from 1024 */
}

/* The rings of the threads there are. Start thread. */
void sl_streams_attach_worker(struct sl_worker *w, const struct sl_streams *s);

/* What the threads have brought. Returns how many records. */
unsigned sl_streams_input(struct sl_worker *w);
/* A record that another worker handed over: it is this one's, whatever the buckets say. Consumes m. */
void sl_streams_handed(struct sl_worker *w, struct rte_mbuf *m);

/* To the client of flow f: head, data, and padding on a byte stream. False: its thread's ring is full, or it has none; counted. */
bool sl_streams_send(struct sl_worker *w, const struct sl_flow *f, const void *head, unsigned head_len, const void *data, unsigned len);

/* Callbacks of struct sl_turn; ctx is the worker. */
bool sl_streams_order(void *ctx, const struct sl_stream_record *r);
bool sl_streams_tell(void *ctx, const struct sl_flow *f, const uint8_t *msg, unsigned len, const struct sl_stream_record *then);
bool sl_streams_moved(void *ctx, const struct sl_flow *f, bool here); /* also of UDP clients */
/* A stream client's allocation was made or has ended: limits for strangers hold for it no more, or again. */
void sl_streams_known(struct sl_worker *w, const struct sl_flow *f, bool known);
