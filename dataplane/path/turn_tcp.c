/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* TCP allocations (RFC 6062), the requests: Allocate, Connect, ConnectionBind. What the threads answer is in turn_tcp_input.c. */

#include "dataplane/path/turn_tcp.h"

#include <errno.h>

#include "dataplane/path/turn_tcp_internal.h"

enum {
	CONNECT_S = 60,  /* the thread gives up before */
	SWEPT = 64,      /* connections looked at in a millisecond */
};

int sl_turn_tcp_init(struct sl_turn_tcp *c, uint32_t n, void *(*zalloc)(const char *what, size_t bytes))
{
	uint32_t buckets = 1;

	while (buckets < n)
		buckets *= 2;
	*c = (struct sl_turn_tcp){.n = n, .mask = buckets - 1, .free = SL_NONE};
	c->connections = zalloc("connections to TCP peers", n * sizeof *c->connections);
	c->buckets = zalloc("index of connections to TCP peers", buckets * sizeof *c->buckets);
	/* As many TCP allocations as connections can be owed their end. */
	if (!c->connections || !c->buckets || sl_tcp_owed_init(c, 2 * n, zalloc))
		return -ENOMEM;
	for (uint32_t i = 0; i < buckets; i++)
		c->buckets[i] = SL_NONE;
	for (uint32_t i = n; i-- > 0;) {
		c->connections[i].next = c->free;
		c->free = i;
	}
	return 0;
}

/* ---- the table ---- */

uint32_t sl_tcp_find(const struct sl_turn_tcp *c, uint32_t id)
{
	uint32_t i = c->buckets[id & c->mask];

	while (i != SL_NONE && c->connections[i].id != id)
		i = c->connections[i].next_in_bucket;
	return i;
}

/* An id that nobody can guess and that says whose it is; none of another connection. */
static uint32_t new_id(struct sl_turn *t)
{
	for (;;) {
		uint32_t id = (uint32_t)sl_prng_next(&t->sessions->prng) & UINT32_C(0x7fffffff);
		id = id - id % t->n_workers + t->worker;
		if (id != 0 && sl_tcp_find(t->tcp, id) == SL_NONE)
			return id;
	}
}

static unsigned count(const struct sl_turn *t, const struct sl_alloc *a)
{
	unsigned n = 0;

	for (uint32_t i = a->connections; i != SL_NONE; i = t->tcp->connections[i].next)
		n++;
	return n;
}

struct sl_tcp_connection *sl_tcp_new(struct sl_turn *t, uint32_t alloc, const struct sl_endpoint *peer)
{
	struct sl_turn_tcp *c = t->tcp;
	struct sl_alloc *a = &t->sessions->allocs[alloc];
	uint32_t i = c->free;

	if (i == SL_NONE || !sl_tcp_has_room(c) || count(t, a) >= SL_TURN_TCP_PER_ALLOCATION)
		return NULL;
	struct sl_tcp_connection *k = &c->connections[i];
	c->free = k->next;
	*k = (struct sl_tcp_connection){.peer = *peer, .id = new_id(t), .alloc = alloc, .next = a->connections};
	a->connections = i;
	k->next_in_bucket = c->buckets[k->id & c->mask];
	c->buckets[k->id & c->mask] = i;
	c->n_active++;
	return k;
}

void sl_tcp_free(struct sl_turn *t, struct sl_tcp_connection *k)
{
	struct sl_turn_tcp *c = t->tcp;
	uint32_t i = (uint32_t)(k - c->connections), *link = &t->sessions->allocs[k->alloc].connections;

	while (*link != i)
		link = &c->connections[*link].next;
	*link = k->next;
	for (link = &c->buckets[k->id & c->mask]; *link != i; link = &c->connections[*link].next_in_bucket)
		;
	*link = k->next_in_bucket;
	explicit_bzero(k->key, sizeof k->key);
	k->state = SL_TCP_FREE;
	k->next = c->free;
	c->free = i;
	c->n_active--;
}

/* ---- time ---- */

void sl_tcp_close(struct sl_turn *t, struct sl_tcp_connection *k)
{
	struct sl_stream_record r = sl_tcp_record(t, k->alloc, SL_STREAM_DO_TCP_CLOSE);

	r.connection = k->id;
	r.peer = k->peer;
	sl_tcp_owe(t, &r);
	sl_tcp_free(t, k);
}

void sl_turn_tcp_tick(struct sl_turn *t, const struct sl_turn_now *now)
{
	struct sl_turn_tcp *c = t->tcp;
	bool own;

	if (c->n_owed > 0)
		sl_tcp_pay(t);
	if (c->n_active == 0)
		return;
	for (unsigned i = 0; i < SWEPT; i++) {
		struct sl_tcp_connection *k = &c->connections[c->sweep_at];
		c->sweep_at = (c->sweep_at + 1) % c->n;
		if ((k->state == SL_TCP_CONNECTING || k->state == SL_TCP_WAITING) && k->due_s <= now->s)
			sl_tcp_close(t, k);
	}
	if (!t->conf)
		return;
	if (c->policy != sl_turn_conf_policy(t->conf)) {
		c->policy = sl_turn_conf_policy(t->conf);
		c->judge_left = c->n; /* once around from where it is, as sl_turn_judge_tick() */
	}
	for (unsigned i = 0; i < SWEPT && c->judge_left > 0; i++, c->judge_left--) {
		struct sl_tcp_connection *k = &c->connections[c->judge_at];
		c->judge_at = (c->judge_at + 1) % c->n;
		if (k->state != SL_TCP_FREE &&
			!sl_turn_peer_ok(t, sl_turn_realm_of(t, k->alloc), &k->peer.ip, ntohs(k->peer.port_be), &own))
			sl_tcp_close(t, k);
	}
}

/* ---- Allocate ---- */

unsigned sl_turn_tcp_wanted(const struct sl_turn_request *r)
{
	const struct sl_stun *m = &r->m;
	unsigned over = sl_flow_over(r->flow);

	/* RFC 6062 5.1. */
	if (!r->t->tcp || !sl_turn_conf_settings(r->t->conf)->tcp_relay)
		return 442;
	if (over != SL_TURN_OVER_TCP && over != SL_TURN_OVER_TLS)
		return 400;
	return m->dont_fragment || m->has_even_port || m->reservation_token.off ? 400 : 0;
}

unsigned sl_turn_tcp_listen(struct sl_turn_request *r)
{
	struct sl_turn *t = r->t;
	struct sl_stream_record order = sl_tcp_record(t, r->alloc, SL_STREAM_DO_TCP_LISTEN);

	t->tcp->n_listening++;
	t->sessions->allocs[r->alloc].tcp = r->m.has_fingerprint ? SL_TCP_PENDING_FINGERPRINT : SL_TCP_PENDING;
	if (sl_tcp_order(t, &order))
		return 0;
	sl_turn_end_allocation(t, r->alloc, SL_ALLOC_END_CONNECTION);
	r->alloc = SL_NONE;
	return 508;
}

bool sl_turn_tcp_is_pending(const struct sl_turn *t, uint32_t alloc)
{
	uint8_t tcp = t->sessions->allocs[alloc].tcp;

	return tcp == SL_TCP_PENDING || tcp == SL_TCP_PENDING_FINGERPRINT;
}

void sl_turn_tcp_end(struct sl_turn *t, uint32_t alloc)
{
	struct sl_alloc *a = &t->sessions->allocs[alloc];
	struct sl_stream_record order = sl_tcp_record(t, alloc, SL_STREAM_DO_TCP_UNLISTEN);

	while (a->connections != SL_NONE)
		sl_tcp_free(t, &t->tcp->connections[a->connections]);
	sl_tcp_owe(t, &order);
	t->tcp->n_listening--;
}

/* ---- Connect, ConnectionBind ---- */

/* RFC 6062 5.2: 0 or an error code. *again: the same request is under way, and its answer is still to come. */
static unsigned check_connect(const struct sl_turn_request *r, bool *again)
{
	const struct sl_turn *t = r->t;
	unsigned code = sl_turn_need_allocation(r);
	struct sl_endpoint seen;
	bool own;

	if (code != 0)
		return code;
	const struct sl_alloc *a = &t->sessions->allocs[r->alloc];
	if (!(a->flags & SL_ALLOC_IS_TCP) || sl_turn_tcp_is_pending(t, r->alloc) || r->m.n_peers != 1 || r->m.peers[0].port_be == 0)
		return 400;
	if (!sl_alloc_relayed(t->sessions, a, &r->m.peers[0].ip, &seen))
		return 443;
	if (!sl_turn_peer_ok(t, r->realm, &r->m.peers[0].ip, ntohs(r->m.peers[0].port_be), &own))
		return 403;
	for (uint32_t i = a->connections; i != SL_NONE; i = t->tcp->connections[i].next) {
		const struct sl_tcp_connection *k = &t->tcp->connections[i];
		if (!sl_ip_eq(&k->peer.ip, &r->m.peers[0].ip) || k->peer.port_be != r->m.peers[0].port_be)
			continue;
		*again = k->state == SL_TCP_CONNECTING && memcmp(k->tid, r->m.tid, sizeof k->tid) == 0;
		return *again ? 0 : 446;
	}
	return 0;
}

struct sl_turn_verdict sl_turn_connect(struct sl_turn_request *r)
{
	struct sl_turn *t = r->t;
	bool again = false;
	unsigned code = check_connect(r, &again);

	if (code != 0)
		return sl_turn_error(r, code);
	if (again)
		return sl_turn_drop(SL_N_DROPS);
	struct sl_tcp_connection *k = sl_tcp_new(t, r->alloc, &r->m.peers[0]);
	if (!k)
		return sl_turn_error(r, 508);
	struct sl_stream_record order = sl_tcp_record(t, r->alloc, SL_STREAM_DO_TCP_CONNECT);
	order.connection = k->id;
	order.peer = k->peer;
	if (!sl_tcp_order(t, &order)) {
		sl_tcp_free(t, k);
		return sl_turn_error(r, 508);
	}
	k->state = SL_TCP_CONNECTING;
	k->due_s = r->now->s + CONNECT_S;
	k->fingerprint = r->m.has_fingerprint;
	k->sha256 = r->auth.sha256;
	k->key_len = r->auth.key_len;
	memcpy(k->key, r->auth.key, r->auth.key_len);
	memcpy(k->tid, r->m.tid, sizeof k->tid);
	return sl_turn_drop(SL_N_DROPS); /* answered when the peer is there, or is not */
}

int sl_turn_connection_worker(const struct sl_turn *t, uint32_t id)
{
	unsigned worker = id % t->n_workers;

	return worker == t->worker ? -1 : (int)worker;
}

uint32_t sl_turn_connection_owner(const struct sl_turn_request *r)
{
	const struct sl_turn *t = r->t;
	uint32_t i = t->tcp && r->m.has_connection_id ? sl_tcp_find(t->tcp, r->m.connection_id) : SL_NONE;
	uint32_t alloc = i == SL_NONE ? SL_NONE : t->tcp->connections[i].alloc;

	return alloc != SL_NONE && t->sessions->allocs[alloc].expires_s > r->now->s ? alloc : SL_NONE;
}

/* RFC 6062 5.4: 0 or an error code. */
static unsigned check_bind(const struct sl_turn_request *r, struct sl_tcp_connection **out)
{
	const struct sl_turn *t = r->t;
	unsigned over = sl_flow_over(r->flow);

	if ((over != SL_TURN_OVER_TCP && over != SL_TURN_OVER_TLS) || r->alloc != SL_NONE || r->owner == SL_NONE)
		return 400;
	*out = &t->tcp->connections[sl_tcp_find(t->tcp, r->m.connection_id)];
	if ((*out)->state != SL_TCP_WAITING)
		return 400;
	return t->sessions->cold.allocs[r->owner].auth.username_hash == r->auth.username_hash && sl_turn_same_key(r, r->owner) ? 0 : 441;
}

struct sl_turn_verdict sl_turn_connection_bind(struct sl_turn_request *r)
{
	struct sl_turn *t = r->t;
	struct sl_tcp_connection *k;
	struct sl_stun_builder b;
	unsigned code = check_bind(r, &k);

	if (code != 0)
		return sl_turn_error(r, code);
	sl_turn_reply_begin(r, &b, SL_STUN_SUCCESS);
	struct sl_turn_verdict v = sl_turn_reply_end(r, &b, SL_STUN_SUCCESS);
	if (v.action != SL_TURN_REPLY)
		return v;
	/* The order goes right behind the answer. Without room for both there is neither: the client may ask again, from another
	 * connection, as long as the peer's waits; this one ends like any stranger's. */
	struct sl_stream_record order = sl_tcp_record(t, k->alloc, SL_STREAM_DO_TCP_BIND);
	order.peer_thread = (uint16_t)sl_flow_thread(&order.flow);
	order.flow = *r->flow;
	order.connection = k->id;
	order.peer = k->peer;
	if (t->tell(t->ctx, r->flow, r->reply, v.reply_len, &order))
		k->state = SL_TCP_BINDING;
	return sl_turn_drop(SL_N_DROPS);
}
