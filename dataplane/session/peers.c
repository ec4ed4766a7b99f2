/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/session/alloc.h"

#include <errno.h>

#include "dataplane/session/internal.h"

/* A record with a channel number stands for an address and port, one without for an address. While a channel for an
 * address exists there is no plain record of it: binding turns the plain record into the channel's, and a channel that
 * expires turns back, so a peer costs one cache line. */

static void cold_invalidate(struct sl_cold_peer *c)
{
	atomic_store_explicit(&c->valid, 0, memory_order_relaxed);
	/* Read only after this process has died, between two instructions: the compiler's order is all that counts. */
	atomic_signal_fence(memory_order_seq_cst);
}

void sl_peer_cold_write(struct sl_sessions *s, uint32_t peer)
{
	const struct sl_peer *p = &s->peers[peer];
	struct sl_cold_peer *c = &s->cold.peers[peer];

	cold_invalidate(c);
	c->alloc = p->alloc;
	c->permission_expires_s = p->permission_expires_s;
	c->channel_expires_s = p->channel_expires_s;
	memcpy(c->ip, p->ip.b, sizeof c->ip);
	c->port_be = p->port_be;
	c->channel = p->channel;
	atomic_store_explicit(&c->valid, s->allocs[p->alloc].generation + 1, memory_order_release);
}

/* A record of ip other than except, or SL_NONE. */
static uint32_t find_ip(const struct sl_sessions *s, const struct sl_alloc *a, const struct sl_ip *ip,
        uint32_t except)
{
	for (uint32_t p = a->peers; p != SL_NONE; p = s->peers[p].next) {
		if (p != except && sl_ip_eq(&s->peers[p].ip, ip))
			return p;
	}
	return SL_NONE;
}

static uint64_t known_hash(const struct sl_sessions *s, const struct sl_peer *p)
{
	const struct sl_alloc *a = &s->allocs[p->alloc];
	bool second = sl_alloc_is_second(s, a, &p->ip);

	return sl_known_hash_peer(s->known, &p->ip, second ? a->relay2 : a->relay, second ? a->relay2_port_be : a->relay_port_be);
}

void sl_peer_link(struct sl_sessions *s, uint32_t peer)
{
	struct sl_peer *p = &s->peers[peer];
	struct sl_alloc *a = &s->allocs[p->alloc];

	if (s->known && find_ip(s, a, &p->ip, peer) == SL_NONE)
		sl_known_add(s->known, s->worker, known_hash(s, p));
	p->next = a->peers;
	a->peers = peer;
	a->n_peers++;
}

/* Free the record that *link points at. */
static void drop(struct sl_sessions *s, uint32_t *link)
{
	uint32_t peer = *link;
	struct sl_peer *p = &s->peers[peer];
	struct sl_alloc *a = &s->allocs[p->alloc];

	cold_invalidate(&s->cold.peers[peer]);
	*link = p->next;
	a->n_peers--;
	if (s->known && find_ip(s, a, &p->ip, peer) == SL_NONE)
		sl_known_remove(s->known, s->worker, known_hash(s, p));
	p->alloc = SL_NONE;
	p->channel = 0;
	p->next = s->peer_free;
	s->peer_free = peer;
	s->n_peers_active--;
}

void sl_channels_cache(struct sl_sessions *s, uint32_t alloc)
{
	struct sl_alloc *a = &s->allocs[alloc];
	unsigned n = 0;

	for (uint32_t p = a->peers; p != SL_NONE && n < SL_ALLOC_INLINE_CHANNELS; p = s->peers[p].next) {
		if (s->peers[p].channel != 0) {
			a->channel[n] = s->peers[p].channel;
			a->channel_peer[n++] = p;
		}
	}
	for (; n < SL_ALLOC_INLINE_CHANNELS; n++) {
		a->channel[n] = 0;
		a->channel_peer[n] = SL_NONE;
	}
}

void sl_peers_drop_all(struct sl_sessions *s, uint32_t alloc)
{
	struct sl_alloc *a = &s->allocs[alloc];

	while (a->peers != SL_NONE)
		drop(s, &a->peers);
	sl_channels_cache(s, alloc);
}

void sl_peers_drop_family(struct sl_sessions *s, uint32_t alloc, bool v4)
{
	for (uint32_t *link = &s->allocs[alloc].peers; *link != SL_NONE;) {
		if (sl_ip_is_v4(&s->peers[*link].ip) == v4)
			drop(s, link);
		else
			link = &s->peers[*link].next;
	}
	sl_channels_cache(s, alloc);
}

void sl_peer_end(struct sl_sessions *s, uint32_t peer)
{
	uint32_t alloc = s->peers[peer].alloc;
	bool channel = s->peers[peer].channel != 0;
	uint32_t *link = &s->allocs[alloc].peers;

	while (*link != peer)
		link = &s->peers[*link].next;
	drop(s, link);
	if (channel)
		sl_channels_cache(s, alloc);
}

static uint32_t sooner(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

uint32_t sl_peers_expire(struct sl_sessions *s, uint32_t alloc, uint32_t now_s)
{
	struct sl_alloc *a = &s->allocs[alloc];
	uint32_t soonest_s = UINT32_MAX;
	bool unbound = false;

	for (uint32_t *link = &a->peers; *link != SL_NONE;) {
		struct sl_peer *p = &s->peers[*link];
		if (p->channel != 0 && p->channel_expires_s <= now_s) {
			p->channel = 0;
			p->port_be = 0;
			p->channel_expires_s = 0;
			unbound = true;
			if (p->permission_expires_s > now_s && find_ip(s, a, &p->ip, *link) == SL_NONE)
				sl_peer_cold_write(s, *link);
			else
				p->permission_expires_s = 0; /* kept by another record, or over */
		}
		if (p->channel == 0 && p->permission_expires_s <= now_s) {
			drop(s, link);
			continue;
		}
		if (p->permission_expires_s > now_s)
			soonest_s = sooner(soonest_s, p->permission_expires_s);
		if (p->channel != 0)
			soonest_s = sooner(soonest_s, p->channel_expires_s);
		link = &p->next;
	}
	if (unbound)
		sl_channels_cache(s, alloc);
	return soonest_s;
}

/* Give every record of ip this expiry; how many there are. */
static unsigned renew_permission(struct sl_sessions *s, struct sl_alloc *a, const struct sl_ip *ip, bool own_address,
        uint32_t expires_s)
{
	unsigned n = 0;

	for (uint32_t i = a->peers; i != SL_NONE; i = s->peers[i].next) {
		struct sl_peer *p = &s->peers[i];
		if (!sl_ip_eq(&p->ip, ip))
			continue;
		p->permission_expires_s = expires_s;
		p->own_address = own_address;
		__atomic_store_n(&s->cold.peers[i].permission_expires_s, expires_s, __ATOMIC_RELAXED);
		n++;
	}
	return n;
}

/* A record off the free list, linked to alloc; SL_NONE when a limit is reached. */
static uint32_t new_peer(struct sl_sessions *s, uint32_t alloc, const struct sl_ip *ip, unsigned max)
{
	uint32_t peer = s->peer_free;

	if (peer == SL_NONE || s->allocs[alloc].n_peers >= max || s->allocs[alloc].n_peers == UINT16_MAX)
		return SL_NONE;
	s->peer_free = s->peers[peer].next;
	s->n_peers_active++;
	s->peers[peer] = (struct sl_peer){.ip = *ip, .alloc = alloc, .next = SL_NONE};
	sl_peer_link(s, peer);
	return peer;
}

int sl_permission_set(struct sl_sessions *s, uint32_t alloc, const struct sl_ip *ip, bool own_address,
        uint32_t expires_s, unsigned max)
{
	if (renew_permission(s, &s->allocs[alloc], ip, own_address, expires_s) == 0) {
		uint32_t peer = new_peer(s, alloc, ip, max);
		if (peer == SL_NONE)
			return -ENOSPC;
		s->peers[peer].permission_expires_s = expires_s;
		s->peers[peer].own_address = own_address;
		sl_peer_cold_write(s, peer);
	}
	sl_alloc_arm_by(s, alloc, expires_s);
	return 0;
}

/* The record to hold the channel: the one that has it, the address's plain one, or SL_NONE for a new one.
 * False when the number or the endpoint is bound otherwise. */
static bool find_for_channel(const struct sl_sessions *s, const struct sl_alloc *a, uint16_t channel,
        const struct sl_endpoint *ep, uint32_t *out)
{
	*out = SL_NONE;
	for (uint32_t i = a->peers; i != SL_NONE; i = s->peers[i].next) {
		const struct sl_peer *p = &s->peers[i];
		bool same_ip = sl_ip_eq(&p->ip, &ep->ip);
		bool same_endpoint = same_ip && p->channel != 0 && p->port_be == ep->port_be;
		if (same_endpoint != (p->channel == channel))
			return false;
		if (same_endpoint || (same_ip && p->channel == 0))
			*out = i;
	}
	return true;
}

int sl_channel_set(struct sl_sessions *s, uint32_t alloc, uint16_t channel, const struct sl_endpoint *peer,
        bool own_address, uint32_t now_s, uint32_t permission_expires_s, uint32_t channel_expires_s, unsigned max)
{
	struct sl_alloc *a = &s->allocs[alloc];
	uint32_t i;

	sl_peers_expire(s, alloc, now_s);
	if (!find_for_channel(s, a, channel, peer, &i))
		return -EEXIST;
	if (i == SL_NONE)
		i = new_peer(s, alloc, &peer->ip, max);
	if (i == SL_NONE)
		return -ENOSPC;
	s->peers[i].port_be = peer->port_be;
	s->peers[i].channel = channel;
	s->peers[i].channel_expires_s = channel_expires_s;
	renew_permission(s, a, &peer->ip, own_address, permission_expires_s);
	sl_peer_cold_write(s, i);
	sl_channels_cache(s, alloc);
	sl_alloc_arm_by(s, alloc, sooner(permission_expires_s, channel_expires_s));
	return 0;
}

bool sl_permission_live(const struct sl_sessions *s, const struct sl_alloc *a, const struct sl_ip *ip,
        uint32_t now_s)
{
	uint32_t p = find_ip(s, a, ip, SL_NONE);

	return p != SL_NONE && s->peers[p].permission_expires_s > now_s;
}
