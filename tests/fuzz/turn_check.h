/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What holds of a worker's tables after any input. */

#include "tests/fuzz/fuzz.h"
#include "tests/unit/turn_rig.h"

static inline void check_allocation(const struct rig *r, unsigned w, uint32_t i)
{
	const struct sl_sessions *s = &r->sessions[w];
	const struct sl_alloc *a = &s->allocs[i];
	unsigned n = 0;

	SL_FUZZ_CHECK(sl_alloc_find(s, &a->client, sl_hash_flow(&s->hash_key, &a->client)) == i);
	SL_FUZZ_CHECK(sl_relay_find(&s->ports, a->relay, ntohs(a->relay_port_be)) == (a->flags & SL_ALLOC_IS_TCP ? SL_NONE : i));
	SL_FUZZ_CHECK(sl_port_owner(&r->ports, a->relay, ntohs(a->relay_port_be)) == w);
	SL_FUZZ_CHECK(a->relay2 == SL_NO_RELAY2 || (sl_relay_find(&s->ports, a->relay2, ntohs(a->relay2_port_be)) == i &&
		sl_ip_is_v4(&r->relay[a->relay]) != sl_ip_is_v4(&r->relay[a->relay2])));
	SL_FUZZ_CHECK(((a->flags & SL_ALLOC_IS_MOVING) != 0) == (sl_moving_to(s, i) != NULL));
	SL_FUZZ_CHECK(s->wheel.nodes[i].due_s != 0 && s->wheel.nodes[i].due_s <= a->expires_s);
	SL_FUZZ_CHECK(s->cold.allocs[i].valid == a->generation + 1 && s->cold.allocs[i].expires_s == a->expires_s);
	for (uint32_t p = a->peers; p != SL_NONE; p = s->peers[p].next, n++) {
		const struct sl_peer *peer = &s->peers[p];
		struct sl_endpoint seen;
		SL_FUZZ_CHECK(n < s->n_peers && peer->alloc == i && sl_alloc_relayed(s, a, &peer->ip, &seen));
		SL_FUZZ_CHECK((peer->channel == 0) == (peer->port_be == 0));
		SL_FUZZ_CHECK(peer->channel == 0 || sl_peer_by_channel(s, a, peer->channel) == p);
		SL_FUZZ_CHECK(s->cold.peers[p].valid == a->generation + 1 && s->cold.peers[p].channel == peer->channel);
	}
	SL_FUZZ_CHECK(n == a->n_peers);
}

static inline void check_worker(const struct rig *r, unsigned w)
{
	const struct sl_sessions *s = &r->sessions[w];
	unsigned active = 0, peers = 0;

	for (uint32_t i = 0; i < s->n_allocs; i++) {
		if (s->allocs[i].expires_s == 0)
			continue;
		check_allocation(r, w, i);
		active++;
		peers += s->allocs[i].n_peers;
	}
	SL_FUZZ_CHECK(active == s->n_active && peers == s->n_peers_active);
}

/* End every allocation; nothing may be left over. */
static inline void check_empties(struct rig *r, unsigned w)
{
	struct sl_sessions *s = &r->sessions[w];

	for (uint32_t i = 0; i < s->n_allocs; i++) {
		if (s->allocs[i].expires_s != 0)
			SL_FUZZ_CHECK(sl_turn_delete(&r->turn[w], sl_turn_id(&r->turn[w], i)) == 0);
	}
	rig_wait(r, 100); /* reservations go, too */
	sl_turn_tick(&r->turn[w], &r->now, 1000);
	SL_FUZZ_CHECK(s->n_active == 0 && s->n_peers_active == 0 && s->n_moving == 0 && s->ports.n_lent == 0);
	for (unsigned relay = 0; relay < 2; relay++)
		SL_FUZZ_CHECK(s->ports.n_free[relay] == RIG_PORT_MAX - RIG_PORT_MIN + 1);
	for (size_t i = 0; i < ((size_t)r->known.mask + 1) * SL_KNOWN_BUCKET_SLOTS; i++)
		SL_FUZZ_CHECK(r->known.slots[i] == 0);
}
