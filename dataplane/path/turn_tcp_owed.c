/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Orders about TCP allocations (RFC 6062), and those for which a thread's ring had no room. A socket stays open if one of
 * these is lost, so each waits in the queue of its thread, and nothing new is ordered of that thread until the queue is empty:
 * no order overtakes another. There is room for all: a connection and a TCP allocation can be owed one order each, and
 * sl_tcp_has_room() is asked before there is one more. */

#include "dataplane/path/turn_tcp_internal.h"

#include <errno.h>

enum { PAID = 64 /* orders to a thread in a millisecond */ };

int sl_tcp_owed_init(struct sl_turn_tcp *c, uint32_t n, void *(*zalloc)(const char *what, size_t bytes))
{
	c->max_owed = n;
	c->owed = zalloc("orders that wait for stream threads", n * sizeof *c->owed);
	if (!c->owed)
		return -ENOMEM;
	c->owed_free = SL_NONE;
	for (uint32_t i = n; i-- > 0;) {
		c->owed[i].next = c->owed_free;
		c->owed_free = i;
	}
	for (unsigned thread = 0; thread < SL_TCP_THREADS; thread++)
		c->owed_to[thread].first = SL_NONE;
	return 0;
}

struct sl_stream_record sl_tcp_record(const struct sl_turn *t, uint32_t alloc, enum sl_stream_order kind)
{
	const struct sl_alloc *a = &t->sessions->allocs[alloc];

	return (struct sl_stream_record){.kind = (uint16_t)kind,
		.flow = a->client,
		.allocation = sl_turn_id(t, alloc),
		.local = {t->relay[a->relay], a->relay_port_be}};
}

bool sl_tcp_has_room(const struct sl_turn_tcp *c)
{
	return c->n_active + c->n_listening + c->n_owed < c->max_owed;
}

bool sl_tcp_order(struct sl_turn *t, const struct sl_stream_record *r)
{
	return t->tcp->owed_to[sl_flow_thread(&r->flow)].first == SL_NONE && t->order && t->order(t->ctx, r);
}

static void append(struct sl_turn_tcp *c, unsigned thread, uint32_t i)
{
	if (c->owed_to[thread].first == SL_NONE)
		c->owed_to[thread].first = i;
	else
		c->owed[c->owed_to[thread].last].next = i;
	c->owed_to[thread].last = i;
	c->owed[i].next = SL_NONE;
	c->n_owed++;
}

void sl_tcp_owe(struct sl_turn *t, const struct sl_stream_record *r)
{
	struct sl_turn_tcp *c = t->tcp;
	uint32_t i = c->owed_free;

	if (sl_tcp_order(t, r) || i == SL_NONE)
		return;
	c->owed_free = c->owed[i].next;
	c->owed[i] = (struct sl_tcp_owed){.allocation = r->allocation,
		.local = r->local,
		.peer = r->peer,
		.kind = r->kind,
		.connection = r->connection,
		.incoming = r->incoming};
	append(c, sl_flow_thread(&r->flow), i);
}

/* False: the ring is full. */
static bool pay_one(struct sl_turn *t, unsigned thread)
{
	struct sl_turn_tcp *c = t->tcp;
	uint32_t i = c->owed_to[thread].first;
	const struct sl_tcp_owed *o = &c->owed[i];
	/* Of the flow only the thread is looked at: the client may be gone. */
	const struct sl_stream_record r = {.kind = o->kind,
		.flow.transport = sl_stream_transport(SL_TURN_OVER_TCP, thread, 0, 0),
		.allocation = o->allocation,
		.connection = o->connection,
		.incoming = o->incoming,
		.local = o->local,
		.peer = o->peer};

	if (!t->order || !t->order(t->ctx, &r))
		return false;
	c->owed_to[thread].first = o->next;
	c->owed[i].next = c->owed_free;
	c->owed_free = i;
	c->n_owed--;
	return true;
}

void sl_tcp_pay(struct sl_turn *t)
{
	struct sl_turn_tcp *c = t->tcp;

	for (unsigned thread = 0; thread < SL_TCP_THREADS && c->n_owed > 0; thread++)
		for (unsigned n = 0; n < PAID && c->owed_to[thread].first != SL_NONE && pay_one(t, thread); n++)
			;
}
