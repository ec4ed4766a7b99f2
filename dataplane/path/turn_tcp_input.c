/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What stream threads tell a worker beside frames: connections that ended, and the other end of TCP allocations (RFC 6062 5). */

#include "dataplane/path/turn_outside.h"
#include "dataplane/path/turn_tcp_internal.h"

/* The live TCP allocation that the record names, or SL_NONE: it may have ended while the record was on its way. */
static uint32_t allocation_of(const struct sl_turn *t, uint64_t id)
{
	uint32_t alloc = (uint32_t)id;
	const struct sl_sessions *s = t->sessions;

	bool live = alloc < s->n_allocs && s->allocs[alloc].expires_s != 0 && sl_turn_id(t, alloc) == id &&
		(s->allocs[alloc].flags & SL_ALLOC_IS_TCP);
	return live ? alloc : SL_NONE;
}

/* The request of tid, made up again for its late answer. */
static struct sl_turn_request late(struct sl_turn *t, const struct sl_turn_arrival *from, uint32_t alloc, uint16_t method, const uint8_t *tid,
	const struct sl_turn_now *now, uint8_t *reply, unsigned reply_cap)
{
	return (struct sl_turn_request){.t = t,
		.from = from,
		.flow = from->flow,
		.now = now,
		.m = {.method = method, .cls = SL_STUN_REQUEST, .tid = tid},
		.reply = reply,
		.reply_cap = reply_cap,
		.alloc = alloc,
		.realm = t->sessions->allocs[alloc].realm,
		.authenticated = true,
		.signal = SL_TURN_NO_SIGNAL};
}

static void tell(struct sl_turn_request *r, const struct sl_turn_verdict *v)
{
	if (v->action == SL_TURN_REPLY)
		r->t->tell(r->t->ctx, r->flow, r->reply, v->reply_len, NULL);
	explicit_bzero(r->auth.key, sizeof r->auth.key);
}

/* The Allocate is answered: the relayed address listens, or cannot. */
static void listening(struct sl_turn *t, const struct sl_stream_record *in, const struct sl_turn_now *now, uint8_t *reply, unsigned reply_cap)
{
	uint32_t alloc = allocation_of(t, in->allocation);

	if (alloc == SL_NONE || !sl_turn_tcp_is_pending(t, alloc))
		return;
	struct sl_alloc *a = &t->sessions->allocs[alloc];
	struct sl_cold_alloc *c = &t->sessions->cold.allocs[alloc];
	const struct sl_flow flow = a->client;
	const struct sl_turn_arrival from = {.flow = &flow, .realm_hint = SL_TURN_ANY_REALM};
	uint8_t tid[SL_STUN_TID_BYTES];

	memcpy(tid, c->allocate_tid, sizeof tid);
	struct sl_turn_request r = late(t, &from, alloc, SL_TURN_ALLOCATE, tid, now, reply, reply_cap);
	r.m.has_fingerprint = a->tcp == SL_TCP_PENDING_FINGERPRINT;
	r.auth.sha256 = c->auth.sha256;
	r.auth.key_len = c->auth.key_len;
	memcpy(r.auth.key, c->auth.key, c->auth.key_len);
	a->tcp = SL_TCP_LISTENING;
	if (in->error) {
		sl_turn_end_allocation(t, alloc, SL_ALLOC_END_CONNECTION);
		r.alloc = SL_NONE;
	}
	struct sl_turn_verdict v = in->error ? sl_turn_error(&r, 508) : sl_turn_allocate_success(&r);
	tell(&r, &v);
}

static void connected(struct sl_turn *t, struct sl_tcp_connection *k, int error, const struct sl_turn_now *now, uint8_t *reply, unsigned reply_cap)
{
	const struct sl_turn_arrival from = {.flow = &t->sessions->allocs[k->alloc].client, .realm_hint = SL_TURN_ANY_REALM};
	struct sl_turn_request r = late(t, &from, k->alloc, SL_TURN_CONNECT, k->tid, now, reply, reply_cap);
	struct sl_turn_verdict v;
	struct sl_stun_builder b;

	r.m.has_fingerprint = k->fingerprint;
	r.auth.sha256 = k->sha256;
	r.auth.key_len = k->key_len;
	memcpy(r.auth.key, k->key, k->key_len);
	if (error) {
		v = sl_turn_error(&r, 447);
	} else {
		sl_turn_reply_begin(&r, &b, SL_STUN_SUCCESS);
		sl_stun_add_u32(&b, SL_ATTR_CONNECTION_ID, k->id);
		v = sl_turn_reply_end(&r, &b, SL_STUN_SUCCESS);
		k->state = SL_TCP_WAITING;
		k->due_s = now->s + SL_TURN_TCP_BIND_S;
		explicit_bzero(k->key, sizeof k->key);
	}
	tell(&r, &v);
	if (error)
		sl_tcp_free(t, k);
}

/* RFC 6062 5.3: a peer with a permission is announced, another one is sent away. */
static void incoming(struct sl_turn *t, const struct sl_stream_record *in, const struct sl_turn_now *now, uint8_t *reply, unsigned reply_cap)
{
	uint32_t alloc = allocation_of(t, in->allocation);
	struct sl_stream_record order = *in;
	struct sl_tcp_connection *k = NULL;
	struct sl_stun_builder b;
	bool own;

	if (alloc != SL_NONE && t->conf && sl_permission_live(t->sessions, &t->sessions->allocs[alloc], &in->peer.ip, now->s) &&
		sl_turn_peer_ok(t, sl_turn_realm_of(t, alloc), &in->peer.ip, -1, &own))
		k = sl_tcp_new(t, alloc, &in->peer);
	order.incoming = in->connection;
	order.kind = SL_STREAM_DO_TCP_ACCEPT;
	order.connection = k ? k->id : 0;
	if (!k || !sl_tcp_order(t, &order)) {
		order.kind = SL_STREAM_DO_TCP_CLOSE;
		order.connection = 0;
		if (k)
			sl_tcp_free(t, k);
		if (sl_tcp_has_room(t->tcp))
			sl_tcp_owe(t, &order);
		return;
	}
	k->state = SL_TCP_WAITING;
	k->due_s = now->s + SL_TURN_TCP_BIND_S;
	const uint64_t tid[2] = {sl_prng_next(&t->sessions->prng), sl_prng_next(&t->sessions->prng)};
	sl_stun_begin(&b, reply, reply_cap, SL_TURN_CONNECTION_ATTEMPT, SL_STUN_INDICATION, (const uint8_t *)tid);
	sl_stun_add_u32(&b, SL_ATTR_CONNECTION_ID, k->id);
	const struct sl_endpoint peer = sl_turn_outward(t, &in->peer);
	sl_stun_add_xor_addr(&b, SL_ATTR_XOR_PEER_ADDRESS, &peer);
	t->tell(t->ctx, &t->sessions->allocs[alloc].client, reply, (unsigned)sl_stun_end(&b), NULL);
}

void sl_turn_tcp_input(struct sl_turn *t, const struct sl_stream_record *in, const struct sl_turn_now *now, uint8_t *reply, unsigned reply_cap)
{
	uint32_t i = sl_tcp_find(t->tcp, in->connection);
	struct sl_tcp_connection *k = i == SL_NONE ? NULL : &t->tcp->connections[i];

	switch (in->kind) {
	case SL_STREAM_IN_TCP_LISTENING:
		listening(t, in, now, reply, reply_cap);
		break;
	case SL_STREAM_IN_TCP_INCOMING:
		incoming(t, in, now, reply, reply_cap);
		break;
	case SL_STREAM_IN_TCP_CONNECTED:
		if (k && k->state == SL_TCP_CONNECTING)
			connected(t, k, in->error, now, reply, reply_cap);
		break;
	case SL_STREAM_IN_TCP_BOUND:
		if (k && k->state == SL_TCP_BINDING && in->error)
			sl_tcp_close(t, k);
		else if (k && k->state == SL_TCP_BINDING)
			k->state = SL_TCP_BOUND;
		break;
	case SL_STREAM_IN_TCP_CLOSED:
		if (k && k->state == SL_TCP_CONNECTING)
			connected(t, k, in->error ? in->error : -1, now, reply, reply_cap);
		else if (k)
			sl_tcp_free(t, k);
		break;
	default:
		break;
	}
}

/* Its allocation ends with it, unless its client may come back elsewhere. */
static void closed(struct sl_turn *t, const struct sl_flow *f)
{
	uint32_t alloc = sl_alloc_find(t->sessions, f, sl_hash_flow(&t->sessions->hash_key, f));

	if (alloc == SL_NONE)
		alloc = sl_moving_find(t->sessions, f);
	if (alloc != SL_NONE && !sl_turn_mobility_lost(t, alloc, f))
		sl_turn_end_allocation(t, alloc, SL_ALLOC_END_CONNECTION);
}

void sl_turn_stream_input(struct sl_turn *t, const struct sl_stream_record *r, const struct sl_turn_now *now, uint8_t *reply, unsigned reply_cap)
{
	if (r->kind == SL_STREAM_IN_CLOSED)
		closed(t, &r->flow);
	else if (t->tcp)
		sl_turn_tcp_input(t, r, now, reply, reply_cap);
}
