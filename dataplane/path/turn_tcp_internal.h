/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the files of TCP allocations share. */

#include "dataplane/path/turn_internal.h"
#include "dataplane/path/turn_tcp.h"

/* sl_alloc.tcp: no TCP allocation (0); its relayed address is being made to listen, and its Allocate is answered then; it listens. */
enum { SL_TCP_PENDING = 1, SL_TCP_PENDING_FINGERPRINT, SL_TCP_LISTENING };

/* The connection of this id, or SL_NONE. */
uint32_t sl_tcp_find(const struct sl_turn_tcp *c, uint32_t id);
/* A connection of the allocation to or from peer, with a new id and without a state. NULL: it has its full number, or the table has. */
struct sl_tcp_connection *sl_tcp_new(struct sl_turn *t, uint32_t alloc, const struct sl_endpoint *peer);
void sl_tcp_free(struct sl_turn *t, struct sl_tcp_connection *k);
/* The thread is to end it, too. */
void sl_tcp_close(struct sl_turn *t, struct sl_tcp_connection *k);

/* ---- turn_tcp_owed.c ---- */

/* Room for n orders that wait. 0 or -ENOMEM. */
int sl_tcp_owed_init(struct sl_turn_tcp *c, uint32_t n, void *(*zalloc)(const char *what, size_t bytes));
/* An order about the allocation, to the thread of its client: flow, allocation and local are filled in. */
struct sl_stream_record sl_tcp_record(const struct sl_turn *t, uint32_t alloc, enum sl_stream_order kind);
/* False: there is no room for it, or others wait for its thread, which it is not to overtake. */
bool sl_tcp_order(struct sl_turn *t, const struct sl_stream_record *r);
/* One that is sent later if there is no room now: UNLISTEN, TCP_CLOSE. For a peer without a connection here it may be lost when
 * all waits that can: the thread ends such a peer in time. */
void sl_tcp_owe(struct sl_turn *t, const struct sl_stream_record *r);
/* What waits, as far as there is room now. */
void sl_tcp_pay(struct sl_turn *t);
