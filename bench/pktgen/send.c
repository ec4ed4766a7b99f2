/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/load.h"

#include <string.h>

#include <rte_ethdev.h>
#include <rte_memcpy.h>

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
	for (unsigned i = 0; i < n; i++)
		r->dir[m[i]->pool == l->ports->tx_pool[PEER_TO_CLIENT]].unsent++;
	rte_pktmbuf_free_bulk(m, n);
}

/* With a rate to keep, what the port refuses is lost; without one it waits for its turn. */
static void transmit(struct load *l, unsigned p, struct rte_mbuf **m, unsigned n, bool keep, struct result *r)
{
	unsigned sent = rte_eth_tx_burst(l->ports->port[p].id, 0, m, (uint16_t)n);
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

void load_send(struct load *l, unsigned n, uint64_t now, bool keep, struct result *r)
{
	struct rte_mbuf *m[N_DIRECTIONS][BURST], *mixed[BURST];
	int64_t all = l->o->ratio[0] + l->o->ratio[1];

	l->share += (int64_t)n * l->o->ratio[0];
	unsigned n0 = (unsigned)(l->share / all);
	l->share -= n0 * all;
	n0 = make_burst(l, CLIENT_TO_PEER, m[0], n0, now);
	unsigned n1 = make_burst(l, PEER_TO_CLIENT, m[1], n - n0, now);
	r->dir[CLIENT_TO_PEER].offered += n0;
	r->dir[PEER_TO_CLIENT].offered += n1;
	if (l->ports->n == 1) {
		transmit(l, 0, mixed, interleave(mixed, m[0], n0, m[1], n1), keep, r);
	} else {
		transmit(l, 0, m[0], n0, keep, r);
		transmit(l, 1, m[1], n1, keep, r);
	}
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
