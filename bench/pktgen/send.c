/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/load.h"

#include <string.h>

#include <rte_ethdev.h>
#include <rte_memcpy.h>

enum { STUCK_US = 50 };

static inline uint32_t words_sum(uint64_t v)
{
	return (uint32_t)((v & 0xffff) + (v >> 16 & 0xffff) + (v >> 32 & 0xffff) + (v >> 48));
}

/* Complete n buffers: image, stamp, checksum. image_bytes is a constant at each call, so the copy is one or two
 * full-line moves. */
static __rte_always_inline void make_frames(struct load *l, unsigned dir, struct rte_mbuf **m, unsigned n,
	uint64_t stamp, unsigned image_bytes)
{
	const struct templates *t = l->t;
	const unsigned cksum_at = t->cksum_at[dir], stamp_at = t->payload_at[dir] + PAYLOAD_STAMP;
	const uint32_t *order = t->order, stamp_sum = words_sum(stamp), sessions = l->o->sessions;
	const uint16_t len = (uint16_t)t->frame_bytes[dir];
	uint32_t position = l->position[dir], sequence = l->sequence[dir];

	for (unsigned i = 0; i < n; i++) {
		uint8_t *data = rte_pktmbuf_mtod(m[i], uint8_t *);
		uint16_t base, cksum;

		rte_prefetch0(template_image(t, dir, order[position + LOOKAHEAD - 1]));
		if (image_bytes == IMAGE_V6_BYTES) {
			rte_prefetch0(template_image(t, dir, order[position + LOOKAHEAD - 1]) + 64);
			rte_mov128(data, t->images[dir] + (size_t)order[position] * IMAGE_V6_BYTES);
		} else {
			rte_mov64(data, t->images[dir] + (size_t)order[position] * IMAGE_V4_BYTES);
		}
		memcpy(data + stamp_at, &sequence, 4);
		memcpy(data + stamp_at + 4, &stamp, 8);
		memcpy(&base, data + cksum_at, 2);
		uint32_t sum = base + stamp_sum + words_sum(sequence);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		cksum = (uint16_t)~sum;
		cksum = cksum == 0 ? 0xffff : cksum;
		memcpy(data + cksum_at, &cksum, 2);
		m[i]->data_len = len;
		m[i]->pkt_len = len;
		if (++position == sessions) {
			position = 0;
			sequence++;
		}
	}
	l->position[dir] = position;
	l->sequence[dir] = sequence;
}

static unsigned make_burst(struct load *l, unsigned dir, struct rte_mbuf **m, unsigned n, uint64_t now)
{
	uint64_t stamp = (now & TSC_MASK) | (uint64_t)l->run << RUN_SHIFT;

	if (n == 0 || rte_pktmbuf_alloc_bulk(l->ports->tx_pool[dir], m, n) != 0)
		return 0;
	if (l->media != NULL)
		media_make(l, dir, m, n, stamp);
	else if (l->t->image_bytes[dir] == IMAGE_V4_BYTES)
		make_frames(l, dir, m, n, stamp, IMAGE_V4_BYTES);
	else
		make_frames(l, dir, m, n, stamp, IMAGE_V6_BYTES);
	return n;
}

/* Mix two bursts evenly into one. */
static unsigned interleave(struct rte_mbuf **out, struct rte_mbuf **a, unsigned n_a, struct rte_mbuf **b, unsigned n_b)
{
	unsigned n = n_a + n_b, i = 0, k = 0;
	int error = 0;

	for (unsigned at = 0; at < n; at++) {
		if (k == n_b || (i < n_a && error <= 0)) {
			out[at] = a[i++];
			error += (int)n_b;
		} else {
			out[at] = b[k++];
			error -= (int)n_a;
		}
	}
	return n;
}

static void count_unsent(struct load *l, struct rte_mbuf **m, unsigned n, struct result *r)
{
	for (unsigned i = 0; i < n; i++) {
		if (m[i]->pool == l->ports->flood_pool)
			r->flood.unsent++;
		else
			r->dir[m[i]->pool == l->ports->tx_pool[PEER_TO_CLIENT]].unsent++;
	}
	rte_pktmbuf_free_bulk(m, n);
}

/* A port that takes nothing for a while is not slow: nobody empties it, because that core stands still. */
static void watch_port(struct load *l, unsigned p, unsigned sent, uint64_t now)
{
	if (sent == 0) {
		if (l->stuck_since[p] == 0)
			l->stuck_since[p] = now;
		return;
	}
	if (l->stuck_since[p] != 0 && now - l->stuck_since[p] > l->hz / 1000000 * STUCK_US)
		stalls_note(&l->stalls, l->stuck_since[p], now);
	l->stuck_since[p] = 0;
}

/* With a rate to keep, what the port refuses is lost; without one it waits for its turn. */
static void transmit(struct load *l, unsigned p, struct rte_mbuf **m, unsigned n, uint64_t now, bool keep, struct result *r)
{
	unsigned sent = rte_eth_tx_burst(l->ports->port[p].id, 0, m, (uint16_t)n);
	if (unlikely(sent == 0 || l->stuck_since[p] != 0) && n != 0)
		watch_port(l, p, sent, now);
	if (likely(sent == n))
		return;
	if (!keep) {
		count_unsent(l, m + sent, n - sent, r);
		return;
	}
	memcpy(l->held[p], m + sent, (n - sent) * sizeof *m);
	l->n_held[p] = n - sent;
}

bool load_flush(struct load *l)
{
	bool empty = true;
	for (unsigned p = 0; p < l->ports->n; p++) {
		unsigned n = l->n_held[p];
		if (n == 0)
			continue;
		unsigned sent = rte_eth_tx_burst(l->ports->port[p].id, 0, l->held[p], (uint16_t)n);
		memmove(l->held[p], l->held[p] + sent, (n - sent) * sizeof l->held[p][0]);
		l->n_held[p] = n - sent;
		empty &= n == sent;
	}
	return empty;
}

/* Make n frames of the load in the ratio asked for: m[0][n0], m[1][n1]. */
static void make_load(struct load *l, unsigned n, uint64_t now, struct rte_mbuf *m[N_DIRECTIONS][BURST], unsigned made[N_DIRECTIONS],
	struct result *r)
{
	int64_t all = l->o->ratio[0] + l->o->ratio[1];

	l->share += (int64_t)n * l->o->ratio[0];
	unsigned n0 = (unsigned)(l->share / all);
	l->share -= n0 * all;
	made[CLIENT_TO_PEER] = make_burst(l, CLIENT_TO_PEER, m[0], n0, now);
	made[PEER_TO_CLIENT] = make_burst(l, PEER_TO_CLIENT, m[1], n - n0, now);
	r->dir[CLIENT_TO_PEER].offered += made[0];
	r->dir[PEER_TO_CLIENT].offered += made[1];
	stalls_slot(&l->stalls, now)->made += made[0] + made[1];
}

void load_send(struct load *l, unsigned n, uint64_t now, bool keep, struct result *r)
{
	struct rte_mbuf *m[N_DIRECTIONS][BURST], *mixed[BURST];
	unsigned made[N_DIRECTIONS];

	make_load(l, n, now, m, made, r);
	if (l->ports->n == 1) {
		transmit(l, 0, mixed, interleave(mixed, m[0], made[0], m[1], made[1]), now, keep, r);
	} else {
		transmit(l, 0, m[0], made[0], now, keep, r);
		transmit(l, 1, m[1], made[1], now, keep, r);
	}
}

/* a among b at random places: where the port takes only the beginning, both lose the same share. */
static unsigned scatter(struct flood *f, struct rte_mbuf **out, struct rte_mbuf **a, unsigned n_a, struct rte_mbuf **b, unsigned n_b)
{
	unsigned n = n_a + n_b, i = 0, k = 0;

	if (n_a == 0) {
		memcpy(out, b, n_b * sizeof *b);
		return n_b;
	}
	for (unsigned at = 0; at < n; at++)
		out[at] = flood_random(f, n - at) < n_a - i ? a[i++] : b[k++];
	return n;
}

void load_send_beside(struct load *l, unsigned n, unsigned n_flood, uint64_t now, struct result *r)
{
	struct rte_mbuf *m[N_DIRECTIONS][BURST], *mixed[BURST], *strangers[BURST], *all[2 * BURST];
	unsigned made[N_DIRECTIONS] = {0}, n_load = 0;

	if (n != 0)
		make_load(l, n, now, m, made, r);
	if (n_flood != 0 && rte_pktmbuf_alloc_bulk(l->ports->flood_pool, strangers, n_flood) != 0)
		n_flood = 0;
	flood_make(l->flood, strangers, n_flood);
	r->flood.offered += n_flood;
	if (l->ports->n == 1)
		n_load = interleave(mixed, m[0], made[0], m[1], made[1]);
	else
		transmit(l, 1, m[1], made[1], now, false, r);
	transmit(l, 0, all, scatter(l->flood, all, l->ports->n == 1 ? mixed : m[0], l->ports->n == 1 ? n_load : made[0], strangers, n_flood),
		now, false, r);
}

void load_drop_held(struct load *l, struct result *r)
{
	for (unsigned p = 0; p < l->ports->n; p++) {
		for (unsigned i = 0; i < l->n_held[p]; i++)
			r->dir[l->held[p][i]->pool == l->ports->tx_pool[PEER_TO_CLIENT]].offered--;
		rte_pktmbuf_free_bulk(l->held[p], l->n_held[p]);
		l->n_held[p] = 0;
	}
}
