/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/load.h"

#include <string.h>

#include <rte_ethdev.h>

#include "bench/pktgen/frame.h"
#include "dataplane/session/srtp_index.h"
#include "dataplane/wire/rtp.h"
#include "drivers/srtp.h"

enum {
	IPV4_DST_AT = ETHER_BYTES + 16,
	IPV6_DST_AT = ETHER_BYTES + 24,
	UDP_DST = 2,
	SCRATCH = 2048,
};

struct arrival {
	uint32_t copy; /* PLAN_NO_COPY: not of the load */
	unsigned at;   /* of the RTP packet in the frame */
};

static inline uint32_t copy_at(const struct plan *p, const struct sl_ip *ip, const uint8_t *port_be)
{
	for (unsigned a = 0; a < p->n_addresses; a++)
		if (sl_ip_eq(&p->address[a], ip))
			return p->copy_at[a][sl_rtp_get16(port_be)];
	return PLAN_NO_COPY;
}

/* Where a frame arrives says which copy it is; addresses and checksums are looked at in full now and then. */
static inline struct arrival recognise(const struct plan *p, const uint8_t *frame, unsigned len)
{
	struct arrival a = {.copy = PLAN_NO_COPY};
	struct sl_ip ip;

	if (len >= V4_PAYLOAD_AT + SL_RTP_HEADER_BYTES && frame[12] == 0x08 && frame[13] == 0x00 && frame[14] == 0x45) {
		uint32_t be;
		memcpy(&be, frame + IPV4_DST_AT, 4);
		sl_ip_set_v4(&ip, be);
		a.at = V4_PAYLOAD_AT;
	} else if (len >= V6_PAYLOAD_AT + SL_RTP_HEADER_BYTES && frame[12] == 0x86 && frame[13] == 0xdd) {
		sl_ip_set_v6(&ip, frame + IPV6_DST_AT);
		a.at = V6_PAYLOAD_AT;
	} else {
		return a;
	}
	a.copy = copy_at(p, &ip, frame + a.at - UDP_BYTES + UDP_DST);
	return a;
}

/* Is a plain RTP packet what was sent, byte for byte? */
static bool plain_is_right(const struct media *m, const uint8_t *rtp, unsigned dir, uint16_t sequence)
{
	uint32_t magic;

	memcpy(&magic, rtp + PAYLOAD_MAGIC, 4);
	if (magic != (PAYLOAD_MAGIC_VALUE | dir) || rtp[0] != 0x80 || sl_rtp_seq(rtp) != sequence)
		return false;
	for (unsigned i = STAMP_END; i < m->rtp_bytes; i++)
		if (rtp[i] != FILLER)
			return false;
	return true;
}

static bool decrypts(struct media *m, const uint8_t *srtp, unsigned len, uint32_t copy, uint64_t index)
{
	const struct plan *p = m->plan;
	unsigned dir = p->copies[copy].dir;
	uint32_t first = p->streams[dir][0].first_copy;
	uint8_t scratch[SCRATCH + SL_SRTP_TAIL_MAX];

	memcpy(scratch, srtp, len);
	struct sl_srtp_op op = {
		.ctx = (struct sl_srtp_context *)(m->back_contexts[dir] + (copy - first) * m->back_context_bytes[dir]),
		.rtp = scratch,
		.len = (uint16_t)len,
		.header_len = SL_RTP_HEADER_BYTES,
		.index = index,
	};
	sl_srtp_unprotect(m->srtp, &op, 1);
	return op.status == 0 && op.len == m->rtp_bytes && plain_is_right(m, scratch, dir, (uint16_t)index);
}

/* One frame in SAMPLE: both checksums, both endpoints, and every byte of what is inside. */
static bool content_is_right(struct media *m, const uint8_t *frame, unsigned len, uint32_t copy, uint64_t index)
{
	const struct plan_copy *c = &m->plan->copies[copy];
	struct frame_udp udp;

	if (frame_parse_udp(frame, len, &udp) != 0 || !sl_endpoint_eq(&udp.src, &c->from) ||
		!sl_endpoint_eq(&udp.dst, &c->to) || udp.payload_bytes != m->back_bytes[c->dir])
		return false;
	if (c->key.suite != SL_SRTP_NONE)
		return decrypts(m, udp.payload, udp.payload_bytes, copy, index);
	return plain_is_right(m, udp.payload, c->dir, (uint16_t)(index + m->copies[copy].shift));
}

/* The packet's place in its stream: of an encrypted one by RFC 3711 3.3.1, and only now and then proved by its tag. */
static inline uint64_t index_of(const struct media *m, const struct media_copy *c, const uint8_t *rtp)
{
	uint32_t sequence;

	if (m->back_contexts[c->dir] != NULL)
		return sl_srtp_index_estimate(c->top, c->top != 0, sl_rtp_seq(rtp));
	memcpy(&sequence, rtp + PAYLOAD_STAMP, 4);
	return sequence;
}

/* Of plain packets the stamp tells how long they took, and of which run they are; of encrypted ones nothing does. */
static inline bool is_of_this_run(struct load *l, const struct media_copy *c, const uint8_t *rtp, uint64_t now,
	struct result *r)
{
	uint64_t stamp;

	if (l->media->back_contexts[c->dir] != NULL)
		return true;
	memcpy(&stamp, rtp + PAYLOAD_TSC, 8);
	if ((uint8_t)(stamp >> RUN_SHIFT) != l->run)
		return false;
	stalls_slot(&l->stalls, stamp & TSC_MASK)->received++;
	histogram_add(&r->latency, (now - stamp) & TSC_MASK);
	return true;
}

static inline void account(struct load *l, const struct arrival *a, const uint8_t *frame, unsigned len, uint64_t now,
	struct result *r)
{
	struct media *m = l->media;
	struct media_copy *c = &m->copies[a->copy];
	const uint8_t *rtp = frame + a->at;
	uint32_t ssrc;

	r->received_in_time++;
	memcpy(&ssrc, rtp + 8, 4);
	if (unlikely(len != a->at + m->back_bytes[c->dir])) {
		r->bad_length++;
		return;
	}
	uint64_t index = index_of(m, c, rtp);
	if (unlikely(c->learn)) {
		c->learn = false;
		c->ssrc = ssrc;
		c->shift = (uint16_t)(sl_rtp_seq(rtp) - index);
	}
	if (unlikely(r->received_in_time % SAMPLE == 0)) {
		r->sampled++;
		r->bad_content += !content_is_right(m, frame, len, a->copy, index);
	}
	r->bad_content += ssrc != c->ssrc;
	if (unlikely(index <= c->top))
		r->reordered++;
	else
		c->top = index;
	if (is_of_this_run(l, c, rtp, now, r))
		r->dir[c->dir].received++;
	else
		r->stale++;
}

unsigned media_receive(struct load *l, struct port *port, uint64_t now, struct result *r)
{
	struct rte_mbuf *m[RX_BURST];
	struct arrival a[RX_BURST];
	unsigned total = 0, n = RX_BURST;

	for (unsigned round = 0; round < RX_ROUNDS && n == RX_BURST; round++) {
		n = rte_eth_rx_burst(port->id, 0, m, RX_BURST);
		for (unsigned i = 0; i < n; i++) {
			a[i] = recognise(l->media->plan, rte_pktmbuf_mtod(m[i], uint8_t *), m[i]->data_len);
			if (likely(a[i].copy != PLAN_NO_COPY))
				rte_prefetch0(&l->media->copies[a[i].copy]);
		}
		for (unsigned i = 0; i < n; i++) {
			const uint8_t *frame = rte_pktmbuf_mtod(m[i], uint8_t *);
			if (likely(a[i].copy != PLAN_NO_COPY)) {
				account(l, &a[i], frame, m[i]->data_len, now, r);
				total++;
				continue;
			}
			r->other++;
			control_input(l->ports, l->o, NULL, port, frame, m[i]->data_len, now);
		}
		rte_pktmbuf_free_bulk(m, n);
	}
	return total;
}
