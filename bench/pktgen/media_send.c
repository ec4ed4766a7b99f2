/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/load.h"

#include <string.h>

#include <rte_ip.h>
#include <rte_memcpy.h>

#include "dataplane/wire/rtp.h"
#include "drivers/srtp.h"

enum { FRAME_TS = 160, CACHE_LINE = 64 }; /* 20 ms of G.711 */

static inline void prefetch_stream(const struct load *l, unsigned dir, uint32_t stream)
{
	const struct media *m = l->media;
	const uint8_t *image = template_image(l->t, dir, stream);

	for (unsigned at = 0; at < l->t->image_bytes[dir]; at += CACHE_LINE)
		rte_prefetch0(image + at);
	for (size_t at = 0; at < m->sent_context_bytes[dir]; at += CACHE_LINE)
		rte_prefetch0(m->sent_contexts[dir] + stream * m->sent_context_bytes[dir] + at);
}

/* Headers, and RTP with its stamp. Plain buffers hold the filler already; in encrypted ones it has to be put again. */
static inline uint8_t *put_packet(const struct load *l, unsigned dir, uint8_t *data, uint32_t stream, uint64_t stamp)
{
	const struct templates *t = l->t;
	uint8_t *rtp = data + t->payload_at[dir];
	uint32_t sequence = l->sequence[dir];

	memcpy(data, template_image(t, dir, stream), t->image_bytes[dir]);
	sl_rtp_put16(rtp + 2, (uint16_t)sequence);
	sl_rtp_put32(rtp + 4, sequence * FRAME_TS);
	memcpy(rtp + PAYLOAD_STAMP, &sequence, 4);
	memcpy(rtp + PAYLOAD_TSC, &stamp, 8);
	return rtp;
}

/* The image holds the sum of everything that does not change from packet to packet. */
static inline void put_checksum(uint8_t *at, uint32_t changing)
{
	uint16_t base;

	memcpy(&base, at, 2);
	uint32_t sum = base + changing;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	uint16_t cksum = (uint16_t)~sum;
	cksum = cksum == 0 ? 0xffff : cksum;
	memcpy(at, &cksum, 2);
}

static inline uint32_t plain_sum(const uint8_t *rtp)
{
	uint16_t header[3], stamp[6];
	uint32_t sum = 0;

	memcpy(header, rtp + 2, sizeof header);
	memcpy(stamp, rtp + PAYLOAD_STAMP, sizeof stamp);
	for (unsigned i = 0; i < 3; i++)
		sum += header[i];
	for (unsigned i = 0; i < 6; i++)
		sum += stamp[i];
	return sum;
}

/* To the next stream in order; once round all of them, sequence numbers go on by one. */
static inline void advance(struct load *l, unsigned dir)
{
	prefetch_stream(l, dir, l->t->order[l->position[dir] + LOOKAHEAD - 1]);
	if (++l->position[dir] == l->o->sessions) {
		l->position[dir] = 0;
		l->sequence[dir]++;
	}
}

static void make_plain(struct load *l, unsigned dir, struct rte_mbuf **m, unsigned n, uint64_t stamp)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t *data = rte_pktmbuf_mtod(m[i], uint8_t *);
		const uint8_t *rtp = put_packet(l, dir, data, l->t->order[l->position[dir]], stamp);
		put_checksum(data + l->t->cksum_at[dir], plain_sum(rtp));
		advance(l, dir);
	}
}

static void make_encrypted(struct load *l, unsigned dir, struct rte_mbuf **m, unsigned n, uint64_t stamp)
{
	struct media *media = l->media;
	struct sl_srtp_op ops[BURST];
	uint8_t *contexts = media->sent_contexts[dir];

	for (unsigned i = 0; i < n; i++) {
		uint32_t stream = l->t->order[l->position[dir]];
		uint8_t *rtp = put_packet(l, dir, rte_pktmbuf_mtod(m[i], uint8_t *), stream, stamp);
		memset(rtp + STAMP_END, FILLER, media->rtp_bytes - STAMP_END);
		ops[i] = (struct sl_srtp_op){
			.ctx = (struct sl_srtp_context *)(contexts + stream * media->sent_context_bytes[dir]),
			.rtp = rtp,
			.len = (uint16_t)media->rtp_bytes,
			.header_len = SL_RTP_HEADER_BYTES,
			.index = l->sequence[dir],
		};
		advance(l, dir);
	}
	sl_srtp_protect(media->srtp, ops, n);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *cksum = rte_pktmbuf_mtod(m[i], uint8_t *) + l->t->cksum_at[dir];
		put_checksum(cksum, rte_raw_cksum(ops[i].rtp, ops[i].len));
	}
}

void media_make(struct load *l, unsigned dir, struct rte_mbuf **m, unsigned n, uint64_t stamp)
{
	uint16_t len = (uint16_t)l->t->frame_bytes[dir];

	if (l->media->sent_contexts[dir] != NULL)
		make_encrypted(l, dir, m, n, stamp);
	else
		make_plain(l, dir, m, n, stamp);
	for (unsigned i = 0; i < n; i++) {
		m[i]->data_len = len;
		m[i]->pkt_len = len;
	}
}
