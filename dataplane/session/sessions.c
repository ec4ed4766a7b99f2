/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/session/alloc.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/session/internal.h"
#include "dataplane/stream/stream.h"

enum {
	GENERATION_MASK = 0xffffff,
	NOTED_PER_CALL = 16, /* allocations whose counts are written: 16,000 a second */
};

static void *plain_zalloc(const char *what, size_t bytes)
{
	/* Tables hold cache lines. */
	size_t whole = (bytes + 63) & ~(size_t)63;
	void *p = aligned_alloc(64, whole ? whole : 64);

	(void)what;
	return p ? memset(p, 0, whole) : NULL;
}

void sl_sessions_chain_free(struct sl_sessions *s)
{
	s->alloc_free = s->peer_free = SL_NONE;
	s->n_active = s->n_peers_active = 0;
	for (uint32_t i = s->n_allocs; i-- > 0;) {
		if (s->allocs[i].expires_s != 0) {
			s->n_active++;
			continue;
		}
		s->allocs[i].peers = s->alloc_free;
		s->alloc_free = i;
	}
	for (uint32_t i = s->n_peers; i-- > 0;) {
		if (s->peers[i].alloc != SL_NONE) {
			s->n_peers_active++;
			continue;
		}
		s->peers[i].next = s->peer_free;
		s->peer_free = i;
	}
}

static void init_slots(struct sl_sessions *s)
{
	for (uint32_t i = 0; i < s->n_peers; i++)
		s->peers[i].alloc = SL_NONE;
	sl_sessions_chain_free(s);
}

static int init_cold(struct sl_sessions *s, const struct sl_sessions_params *p,
        void *(*zalloc)(const char *what, size_t bytes))
{
	s->cold_memory = p->cold;
	s->listener_number = (uint16_t *)zalloc("numbers of listeners", p->n_listeners * sizeof *s->listener_number);
	s->relay_number = (uint16_t *)zalloc("numbers of relay addresses", p->n_relay * sizeof *s->relay_number);
	s->locals = p->cold ? &p->cold->locals : (struct sl_cold_locals *)zalloc("cold addresses", sizeof *s->locals);
	if (!s->listener_number || !s->relay_number || !s->locals)
		return -ENOMEM;
	for (unsigned i = 0; i < p->n_listeners; i++)
		s->listener_number[i] = sl_cold_local(s->locals, &p->listeners[i]);
	for (unsigned i = 0; i < p->n_relay; i++)
		s->relay_number[i] = sl_cold_local(s->locals, &(struct sl_endpoint){p->relay[i], 0});
	if (p->cold) {
		if (s->n_allocs > p->cold->n_allocs / p->n_workers || s->n_peers > p->cold->n_peers / p->n_workers)
			return -EINVAL;
		s->cold = sl_cold_view(p->cold, p->worker, p->n_workers);
		return 0;
	}
	s->cold.allocs = (struct sl_cold_alloc *)zalloc("cold allocations", s->n_allocs * sizeof *s->cold.allocs);
	s->cold.peers = (struct sl_cold_peer *)zalloc("cold peers", s->n_peers * sizeof *s->cold.peers);
	return s->cold.allocs && s->cold.peers ? 0 : -ENOMEM;
}

int sl_sessions_init(struct sl_sessions *s, const struct sl_sessions_params *p)
{
	void *(*zalloc)(const char *what, size_t bytes) = p->zalloc ? p->zalloc : plain_zalloc;

	memset(s, 0, sizeof *s);
	if (p->n_allocs == 0 || p->n_peers == 0 || p->n_workers == 0 || p->worker >= p->n_workers ||
		p->n_relay != p->port_shared->n_relay || !p->listeners || !p->relay)
		return -EINVAL;
	s->n_allocs = p->n_allocs;
	s->n_peers = p->n_peers;
	s->worker = p->worker;
	s->n_workers = p->n_workers;
	s->listeners = p->listeners;
	s->n_listeners = p->n_listeners;
	s->relay = p->relay;
	s->known = p->known;
	s->swept_s = p->now_s;
	s->prng = (struct sl_prng){.key = {p->seed[0] ^ p->worker, p->seed[1]}, .counter = p->seed[2]};
	struct sl_prng for_hash = {.key = {p->seed[2], p->seed[3] ^ p->worker}};
	for (unsigned i = 0; i < sizeof s->hash_key.b; i += sizeof(uint64_t)) {
		uint64_t word = sl_prng_next(&for_hash);
		memcpy(s->hash_key.b + i, &word, sizeof word);
	}

	uint32_t buckets = sl_flow_buckets_for(p->n_allocs);
	s->flows.mask = buckets - 1;
	s->flows.buckets = (struct sl_flow_bucket *)zalloc("flows", buckets * sizeof *s->flows.buckets);
	s->allocs = (struct sl_alloc *)zalloc("allocations", p->n_allocs * sizeof *s->allocs);
	s->peers = (struct sl_peer *)zalloc("peers", p->n_peers * sizeof *s->peers);
	s->meters = zalloc("meters of allocations", p->n_allocs * sizeof *s->meters);
	s->moving = (struct sl_moving *)zalloc("moving clients", SL_MAX_MOVING * sizeof *s->moving);
	struct sl_wheel_node *nodes =
		(struct sl_wheel_node *)zalloc("wheel", p->n_allocs * sizeof(struct sl_wheel_node));
	if (!s->flows.buckets || !s->allocs || !s->peers || !s->meters || !s->moving || !nodes)
		return -ENOMEM;
	for (unsigned i = 0; i < SL_MAX_MOVING; i++)
		s->moving[i].alloc = SL_NONE;
	sl_wheel_init(&s->wheel, nodes, p->n_allocs, p->now_s);
	init_slots(s);
	int rc = init_cold(s, p, zalloc);
	if (rc != 0)
		return rc;
	return sl_relay_ports_init(&s->ports, p->port_shared, p->worker, p->port_min, p->port_max, p->zalloc);
}

void sl_sessions_free(struct sl_sessions *s, void (*release)(void *))
{
	release(s->flows.buckets);
	release(s->allocs);
	release(s->peers);
	release(s->meters);
	release(s->moving);
	release(s->wheel.nodes);
	release(s->ports.alloc);
	release(s->ports.used);
	release(s->listener_number);
	release(s->relay_number);
	if (!s->cold_memory) {
		release(s->locals);
		release(s->cold.allocs);
		release(s->cold.peers);
	}
	memset(s, 0, sizeof *s);
}

/* ---- cold records ---- */

static void cold_invalidate(struct sl_cold_alloc *c)
{
	atomic_store_explicit(&c->valid, 0, memory_order_relaxed);
	/* Read only after this process has died, between two instructions: the compiler's order is all that counts. */
	atomic_signal_fence(memory_order_seq_cst);
}

static void cold_validate(struct sl_cold_alloc *c, const struct sl_alloc *a)
{
	atomic_store_explicit(&c->valid, a->generation + 1, memory_order_release);
}

/* Word by word, while the record is valid: a crash in between leaves counts of two moments, which harms nobody. */
static void note_counts(struct sl_cold_alloc *c, const struct sl_alloc *a)
{
	__atomic_store_n(&c->to_peer_bytes, a->to_peer_bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&c->to_client_bytes, a->to_client_bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&c->to_peer_packets_lo, a->to_peer_packets_lo, __ATOMIC_RELAXED);
	__atomic_store_n(&c->to_peer_packets_hi, a->to_peer_packets_hi, __ATOMIC_RELAXED);
	__atomic_store_n(&c->to_client_packets_lo, a->to_client_packets_lo, __ATOMIC_RELAXED);
	__atomic_store_n(&c->to_client_packets_hi, a->to_client_packets_hi, __ATOMIC_RELAXED);
}

void sl_sessions_note_counts(struct sl_sessions *s)
{
	for (unsigned i = 0; i < NOTED_PER_CALL && s->n_active > 0; i++) {
		uint32_t at = s->noted;
		s->noted = at + 1 < s->n_allocs ? at + 1 : 0;
		if (s->allocs[at].expires_s != 0)
			note_counts(&s->cold.allocs[at], &s->allocs[at]);
	}
}

/* Who the client is, of a record that is invalid now. */
static void cold_client(struct sl_sessions *s, struct sl_cold_alloc *c, const struct sl_alloc *a)
{
	c->client_port_be = a->client.port_be;
	c->client = a->client.ip;
	c->server = s->listener_number[a->client.listener];
	c->over = (uint8_t)sl_flow_over(&a->client);
}

/* Its relayed addresses, of a record that is invalid now. */
static void cold_relays(struct sl_sessions *s, struct sl_cold_alloc *c, const struct sl_alloc *a)
{
	c->relay_port_be = a->relay_port_be;
	c->relay = s->relay_number[a->relay];
	c->relay2_port_be = a->relay2_port_be;
	c->relay2 = a->relay2 == SL_NO_RELAY2 ? SL_COLD_NO_LOCAL : s->relay_number[a->relay2];
}

static void cold_write(struct sl_sessions *s, uint32_t alloc, uint32_t now_s, const struct sl_cold_auth *auth)
{
	const struct sl_alloc *a = &s->allocs[alloc];
	struct sl_cold_alloc *c = &s->cold.allocs[alloc];

	cold_invalidate(c);
	c->expires_s = a->expires_s;
	c->created_s = now_s;
	cold_client(s, c, a);
	cold_relays(s, c, a);
	c->moves = 0;
	memset(c->allocate_tid, 0, sizeof c->allocate_tid);
	memset(c->reservation_token, 0, sizeof c->reservation_token);
	note_counts(c, a);
	c->auth = *auth;
	cold_validate(c, a);
}

void sl_alloc_set_transaction(struct sl_sessions *s, uint32_t alloc, const uint8_t tid[12],
        const uint8_t token[8])
{
	struct sl_cold_alloc *c = &s->cold.allocs[alloc];

	cold_invalidate(c);
	memcpy(c->allocate_tid, tid, sizeof c->allocate_tid);
	if (token)
		memcpy(c->reservation_token, token, sizeof c->reservation_token);
	cold_validate(c, &s->allocs[alloc]);
}

void sl_alloc_set_key(struct sl_sessions *s, uint32_t alloc, const uint8_t *key, unsigned len)
{
	struct sl_cold_alloc *c = &s->cold.allocs[alloc];

	cold_invalidate(c);
	memcpy(c->auth.key, key, len);
	c->auth.key_len = (uint8_t)len;
	cold_validate(c, &s->allocs[alloc]);
}

/* ---- allocations ---- */

void sl_alloc_arm_by(struct sl_sessions *s, uint32_t alloc, uint32_t due_s)
{
	const struct sl_wheel_node *n = &s->wheel.nodes[alloc];

	if (n->due_s == 0 || n->due_s > due_s)
		sl_wheel_arm(&s->wheel, alloc, due_s);
}

static uint32_t *port_of(struct sl_sessions *s, unsigned relay, uint16_t port_be)
{
	return &s->ports.alloc[(size_t)relay << 16 | ntohs(port_be)];
}

int sl_alloc_link(struct sl_sessions *s, uint32_t alloc)
{
	struct sl_alloc *a = &s->allocs[alloc];

	if (sl_flow_insert(&s->flows, sl_hash_flow(&s->hash_key, &a->client), alloc) != 0)
		return -ENOSPC;
	/* UDP packets to the port of a TCP allocation are nobody's. */
	if (!(a->flags & SL_ALLOC_IS_TCP))
		*port_of(s, a->relay, a->relay_port_be) = alloc;
	if (a->relay2 != SL_NO_RELAY2)
		*port_of(s, a->relay2, a->relay2_port_be) = alloc;
	if (s->known)
		sl_known_add(s->known, s->worker, sl_known_hash_client(s->known, &a->client));
	sl_wheel_arm(&s->wheel, alloc, a->expires_s);
	return 0;
}

uint32_t sl_alloc_create(struct sl_sessions *s, const struct sl_flow *f, unsigned relay, uint16_t relay_port_be,
        uint32_t now_s, uint32_t lifetime_s, const struct sl_cold_auth *auth)
{
	uint32_t alloc = s->alloc_free;

	if (alloc == SL_NONE || f->listener >= s->n_listeners || relay >= s->ports.n_relay)
		return SL_NONE;
	struct sl_alloc *a = &s->allocs[alloc];
	uint32_t next_free = a->peers, generation = (a->generation + 1) & GENERATION_MASK;
	*a = (struct sl_alloc){
		.client = *f,
		.expires_s = now_s + lifetime_s,
		.relay_port_be = relay_port_be,
		.relay = (uint8_t)relay,
		.flags = auth->flags,
		.peers = SL_NONE,
		.last_seen_s = now_s,
		.generation = generation,
		.relay2 = SL_NO_RELAY2,
		.created_s = now_s,
		.realm = auth->realm,
		.connections = SL_NONE,
	};
	sl_channels_cache(s, alloc);
	if (sl_alloc_link(s, alloc) != 0) {
		a->expires_s = 0;
		a->peers = next_free;
		return SL_NONE;
	}
	s->alloc_free = next_free;
	s->n_active++;
	cold_write(s, alloc, now_s, auth);
	return alloc;
}

void sl_alloc_refresh(struct sl_sessions *s, uint32_t alloc, uint32_t now_s, uint32_t lifetime_s)
{
	struct sl_alloc *a = &s->allocs[alloc];

	a->expires_s = now_s + lifetime_s;
	__atomic_store_n(&s->cold.allocs[alloc].expires_s, a->expires_s, __ATOMIC_RELAXED);
	sl_alloc_arm_by(s, alloc, a->expires_s); /* for a shorter life than before; a longer one is found lazily */
}

static void end_port(struct sl_sessions *s, unsigned relay, uint16_t port_be)
{
	*port_of(s, relay, port_be) = SL_NONE;
	sl_port_give_back(&s->ports, relay, ntohs(port_be));
}

void sl_alloc_add_relay(struct sl_sessions *s, uint32_t alloc, unsigned relay, uint16_t relay_port_be)
{
	struct sl_alloc *a = &s->allocs[alloc];
	struct sl_cold_alloc *c = &s->cold.allocs[alloc];

	a->relay2 = (uint8_t)relay;
	a->relay2_port_be = relay_port_be;
	*port_of(s, relay, relay_port_be) = alloc;
	cold_invalidate(c);
	cold_relays(s, c, a);
	cold_validate(c, a);
}

void sl_alloc_drop_relay(struct sl_sessions *s, uint32_t alloc, bool second)
{
	struct sl_alloc *a = &s->allocs[alloc];
	struct sl_cold_alloc *c = &s->cold.allocs[alloc];
	unsigned relay = second ? a->relay2 : a->relay;

	cold_invalidate(c);
	sl_peers_drop_family(s, alloc, sl_ip_is_v4(&s->relay[relay]));
	end_port(s, relay, second ? a->relay2_port_be : a->relay_port_be);
	if (!second) {
		a->relay = a->relay2;
		a->relay_port_be = a->relay2_port_be;
	}
	a->relay2 = SL_NO_RELAY2;
	a->relay2_port_be = 0;
	cold_relays(s, c, a);
	cold_validate(c, a);
}

bool sl_alloc_move(struct sl_sessions *s, uint32_t alloc, const struct sl_flow *to, uint32_t moves)
{
	struct sl_alloc *a = &s->allocs[alloc];
	struct sl_cold_alloc *c = &s->cold.allocs[alloc];

	if (sl_flow_insert(&s->flows, sl_hash_flow(&s->hash_key, to), alloc) != 0)
		return false;
	sl_flow_remove(&s->flows, sl_hash_flow(&s->hash_key, &a->client), alloc);
	if (s->known) {
		sl_known_add(s->known, s->worker, sl_known_hash_client(s->known, to));
		sl_known_remove(s->known, s->worker, sl_known_hash_client(s->known, &a->client));
	}
	a->client = *to;
	a->nh = (struct sl_nh_ref){0};
	cold_invalidate(c);
	cold_client(s, c, a);
	c->moves = moves;
	cold_validate(c, a);
	return true;
}

void sl_alloc_delete(struct sl_sessions *s, uint32_t alloc)
{
	struct sl_alloc *a = &s->allocs[alloc];
	struct sl_cold_alloc *c = &s->cold.allocs[alloc];

	cold_invalidate(c);
	explicit_bzero(&c->auth, sizeof c->auth);
	sl_moving_end(s, alloc);
	sl_peers_drop_all(s, alloc);
	sl_wheel_cancel(&s->wheel, alloc);
	if (s->known)
		sl_known_remove(s->known, s->worker, sl_known_hash_client(s->known, &a->client));
	sl_flow_remove(&s->flows, sl_hash_flow(&s->hash_key, &a->client), alloc);
	end_port(s, a->relay, a->relay_port_be);
	if (a->relay2 != SL_NO_RELAY2)
		end_port(s, a->relay2, a->relay2_port_be);
	a->expires_s = 0;
	a->peers = s->alloc_free;
	s->alloc_free = alloc;
	s->n_active--;
}

void sl_sessions_tick(struct sl_sessions *s, uint32_t now_s, unsigned budget, sl_alloc_expired_fn on_expired,
        void *ctx)
{
	for (; budget > 0; budget--) {
		uint32_t alloc = sl_wheel_pop(&s->wheel, now_s);
		if (alloc == SL_NONE)
			break;
		uint32_t expires_s = s->allocs[alloc].expires_s;
		if (expires_s <= now_s) {
			if (on_expired)
				on_expired(ctx, alloc);
			sl_alloc_delete(s, alloc);
			continue;
		}
		uint32_t peers_s = sl_peers_expire(s, alloc, now_s);
		sl_wheel_arm(&s->wheel, alloc, peers_s < expires_s ? peers_s : expires_s);
	}
	if (now_s != s->swept_s) {
		s->swept_s = now_s;
		sl_ports_sweep(&s->ports);
	}
}
