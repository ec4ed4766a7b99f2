/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* One request on its way: the edge makes and reads it, the brain executes it, the edge encodes, sends and
 * frees it. Whoever has it owns it. */

#include "controlplane/ng/flags.h"
#include "controlplane/ng/ng.h"
#include "controlplane/ng/value.h"

struct sl_ng_cookie;
struct sl_ng_brain;
struct sl_ng_edge;

/* Where the answer goes. */
struct sl_ng_origin {
	struct sl_endpoint source;
	struct sl_ip local;  /* the address it was sent to, when the listener has many; else zero */
	unsigned listener;   /* UDP: index; TCP: slot of the connection */
	unsigned generation; /* TCP: of the slot, which may have another tenant by then */
	bool tcp;
};

struct sl_ng_request {
	/* Between the threads, chained by next: many change hands at once. On the brain, those that wait for
	 * the dataplane. */
	struct sl_ng_request *previous, *next;
	struct sl_ng_brain *brain; /* NULL: nobody waits for the answer any more */
	struct sl_ng_edge *edge;
	struct sl_ng_origin origin;
	struct sl_ng_cookie *cached;
	struct sl_ng_arena in, out; /* out: the reply's */
	size_t bytes;               /* of in when it was read: what the edge counts, however it grows */
	struct sl_slice cookie;
	bool json;
	enum sl_ng_command command;
	struct sl_slice command_text;
	struct sl_ng_asked asked;
	struct sl_ng_value *reply;
	struct sl_slice answer; /* cookie, space, reply; in out */
};

struct sl_ng_chain {
	struct sl_ng_request *first, *last;
};
static inline void sl_ng_chain_add(struct sl_ng_chain *c, struct sl_ng_request *r)
{
	r->previous = r->next = NULL;
	if (c->last)
		c->last->next = r;
	else
		c->first = r;
	c->last = r;
}
/* The first, taken off; NULL at the end. */
static inline struct sl_ng_request *sl_ng_chain_take(struct sl_ng_chain *c)
{
	struct sl_ng_request *r = c->first;

	if (r && !(c->first = r->next))
		c->last = NULL;
	if (r)
		r->next = NULL;
	return r;
}

/* cookie and dictionary are copied. NULL when memory is short. */
struct sl_ng_request *sl_ng_request_new(struct sl_slice cookie, struct sl_slice dictionary);
void sl_ng_request_free(struct sl_ng_request *r);
/* Decode and read. False: it cannot be executed, and the reply says why. */
bool sl_ng_request_read(struct sl_ng_request *r);
/* Make the answer, at most max bytes: a reply too long becomes an error. */
void sl_ng_request_encode(struct sl_ng_request *r, size_t max);

/* The reply, whatever it was before, becomes an error or a refusal. */
void sl_ng_reply_error(struct sl_ng_request *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool sl_ng_reply_is_error(const struct sl_ng_request *r);

/* Cut a message into cookie and rest. False: there is none to be answered. */
bool sl_ng_split(struct sl_slice message, struct sl_slice *cookie, struct sl_slice *rest);
