/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* RTP leaving a leg: SSRC, sequence number, time and payload type as the leg has them; then out at once, or into the burst
 * that is encrypted together.
 *
 * A leg sends one SSRC at a time through its hot line. What is forwarded passes with its numbers unless an offset stands
 * (something was inserted, or the SSRC is the leg's own); under a key no index is ever used twice (RFC 3711 9.1). */

#include "dataplane/path/media.h"

#include <netinet/in.h>

#include "dataplane/path/session_limits.h"
#include "dataplane/path/payload.h"

enum {
	TTL = 64,
	OLD_RUN = 32,        /* packets in a row behind everything sent: the source has started again */
	TX_WINDOW_BITS = 64,
	SEQ_HALF = 1 << 15,
	START_SEQ_MASK = 0x7fff, /* RFC 3711 3.3.1: a start in the lower half keeps the first roll-over unambiguous */
};

void sl_media_refuse(struct sl_worker *w, uint32_t leg, struct rte_mbuf *m, enum sl_drop why)
{
	w->media->tables->more[leg].rx_dropped++;
	sl_drop(w, m, why);
}

/* ---- emitting ---- */

/* Leave leg: *out has the packet (m, payload, payload_len, checksum, df, turns, in), the rest is the leg's. tos: as it came. */
static inline void leave(struct sl_worker *w, uint32_t leg, struct sl_out *out, uint8_t tos, unsigned plain_len)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_tx *tx = &m->tx[leg];
	out->head_len = 0;
	out->src.ip = w->dp->config->media.addresses[tx->address].ip;
	out->src.port_be = tx->local_port_be;
	out->dst.ip = tx->ip;
	out->dst.port_be = tx->port_be;
	out->ttl = TTL;
	out->tos = tx->dscp == SL_DSCP_CARRY ? tos : (uint8_t)(tx->dscp << 2);
	out->nh = &tx->nh;
	if (unlikely(!sl_emit(w, out)))
		return;
	sl_media_count_tx(m, leg, plain_len);
	sl_count(w, SL_C_rtp_out_packets, 1);
	sl_count(w, SL_C_rtp_out_bytes, plain_len);
}

static void emit(struct sl_worker *w, const struct sl_media_out *o, unsigned plain_len)
{
	struct sl_out out; /* field by field: head is large and unused */
	out.m = o->m;
	out.payload = o->rtp;
	out.payload_len = o->len;
	out.acc = o->acc;
	out.cksum = o->cksum;
	out.turns = o->turns;
	out.df = o->df;
	out.in = o->in;
	leave(w, o->leg, &out, o->tos, plain_len);
}

bool sl_media_pass(struct sl_worker *w, uint32_t leg, const struct sl_pkt *p, uint8_t *rtp, unsigned len)
{
	struct sl_leg_tx *tx = &w->media->tables->tx[leg];
	uint32_t ssrc = sl_rtp_ssrc(rtp);
	if (tx->state != (SL_TX_STARTED | SL_TX_READY) || w->policy->media_limits || ((tx->in_ssrc ^ ssrc) | (tx->ssrc ^ ssrc) | tx->seq_offset | tx->ts_offset))
		return false;
	uint16_t seq = sl_rtp_seq(rtp), cksum;
	if (likely((int16_t)(seq - tx->seq) > 0)) {
		tx->seq = seq;
		tx->ts = sl_rtp_ts(rtp);
		tx->last_ms = (uint32_t)w->now.ms;
	}
	struct sl_out out;
	memcpy(&cksum, p->udp + 6, 2);
	out.m = p->m;
	out.payload = rtp;
	out.payload_len = (uint16_t)len;
	out.acc = sl_payload_sum(p, cksum);
	out.cksum = likely(cksum) ? SL_CKSUM_KNOWN : SL_CKSUM_NONE;
	out.turns = p->turns;
	out.df = p->df;
	out.in = p;
	leave(w, leg, &out, p->tos, len);
	return true;
}

void sl_media_flush(struct sl_worker *w)
{
	struct sl_media_work *work = w->media;
	struct sl_srtp_op ops[SL_MEDIA_OUT_MAX];
	uint16_t plain[SL_MEDIA_OUT_MAX];
	unsigned n = work->n_out;
	if (!n)
		return;
	work->n_out = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct sl_media_out *o = &work->out[i];
		plain[i] = o->len;
		ops[i] = (struct sl_srtp_op){.ctx = work->tables->crypto[o->leg].out,
			.rtp = o->rtp,
			.len = o->len,
			.header_len = o->header_len,
			.index = o->acc};
	}
	sl_srtp_protect(work->tables->srtp, ops, n);
	for (unsigned i = 0; i < n; i++) {
		struct sl_media_out *o = &work->out[i];
		if (unlikely(ops[i].status < 0)) {
			sl_drop(w, o->m, SL_DROP_internal);
			continue;
		}
		o->len = ops[i].len;
		o->cksum = SL_CKSUM_COMPUTE;
		sl_count(w, SL_C_srtp_protected, 1);
		emit(w, o, plain[i]);
	}
}

/* ---- numbers ---- */

uint32_t sl_media_ts_now(struct sl_worker *w, uint32_t leg, uint32_t hz)
{
	const struct sl_leg_tx *tx = &w->media->tables->tx[leg];
	uint32_t ms = (uint32_t)w->now.ms - tx->last_ms;
	return tx->ts + (uint32_t)((uint64_t)ms * hz / 1000);
}

/* What is forwarded now goes on where the last packet sent ended. */
static void continue_numbers(struct sl_worker *w, uint32_t leg, uint16_t seq, uint32_t ts)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_tx *tx = &m->tx[leg];
	tx->seq_offset = (uint16_t)(tx->seq + 1 - seq);
	tx->ts_offset = sl_media_ts_now(w, leg, sl_media_clocks[m->rx[leg].clock]) - ts;
	tx->state &= (uint16_t)~SL_TX_RESYNC;
}

/* Make out_ssrc the stream in the hot line. False: one too many under a key. */
static bool use_ssrc(struct sl_worker *w, uint32_t leg, uint32_t out_ssrc)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_tx *tx = &m->tx[leg];
	if ((tx->state & SL_TX_STARTED) && tx->ssrc == out_ssrc)
		return true;
	return sl_media_tx_switch(m, leg, out_ssrc);
}

/* A packet whose SSRC is not the one being forwarded, or the first, or one after something was inserted. */
static bool begin(struct sl_worker *w, const struct sl_media_out *o, uint32_t in_ssrc)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_tx *tx = &m->tx[o->leg];
	bool rewrite = tx->state & SL_TX_REWRITE;
	uint16_t seq = sl_rtp_seq(o->rtp);
	if (!use_ssrc(w, o->leg, rewrite ? m->more[o->leg].out_ssrc : in_ssrc))
		return false;
	if (!(tx->state & SL_TX_STARTED)) {
		tx->seq_offset = rewrite ? (uint16_t)((sl_prng_next(&m->prng) & START_SEQ_MASK) - seq) : 0;
		tx->ts_offset = 0;
		tx->state &= (uint16_t)~SL_TX_RESYNC;
	} else if ((tx->state & SL_TX_RESYNC) || tx->in_ssrc != in_ssrc) {
		continue_numbers(w, o->leg, seq, sl_rtp_ts(o->rtp));
	}
	tx->in_ssrc = in_ssrc;
	return true;
}

/* After a restart everything below the reserved indices counts as used: the first packet goes on above them. */
static void go_above(struct sl_media *m, uint32_t leg, uint16_t in_seq)
{
	struct sl_leg_tx *tx = &m->tx[leg];
	uint64_t top = sl_media_tx_index(m, leg);
	uint64_t index = sl_srtp_index_estimate(top, true, (uint16_t)(in_seq + tx->seq_offset));
	if (index <= top)
		tx->seq_offset = (uint16_t)(tx->seq_offset + (top + 1 - index));
	tx->state &= (uint16_t)~SL_TX_RESTORED;
}

static void rewrite_header(const struct sl_leg_tx *tx, struct sl_media_out *o, uint16_t seq, uint32_t ts)
{
	if (o->cksum == SL_CKSUM_KNOWN) {
		uint32_t word[3];
		memcpy(word, o->rtp, sizeof word);
		o->acc += sl_sub32(word[0]) + sl_sub32(word[1]) + sl_sub32(word[2]);
	}
	sl_rtp_put16(o->rtp + 2, seq);
	sl_rtp_put32(o->rtp + 4, ts);
	sl_rtp_put32(o->rtp + 8, tx->ssrc);
	if (o->cksum == SL_CKSUM_KNOWN)
		o->acc += sl_sum_bytes(o->rtp, SL_RTP_HEADER_BYTES);
}

/* ---- under a key ---- */

static void expire(struct sl_worker *w, uint32_t leg)
{
	w->media->tables->tx[leg].state |= SL_TX_EXPIRED;
	sl_media_event(w, leg, SL_LEG_KEY_EXPIRED);
}

/* The index for this sequence number, used from now on; false when it must not be used: *why. */
static bool take_index(struct sl_worker *w, uint32_t leg, uint16_t seq, uint64_t *index, enum sl_drop *why)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_tx *tx = &m->tx[leg];
	struct sl_leg_crypto *c = &m->crypto[leg];
	uint64_t top = sl_media_tx_index(m, leg);
	bool started = tx->state & SL_TX_STARTED;
	uint64_t i = sl_srtp_index_estimate(top, started, seq);
	*why = SL_DROP_srtp_key_expired;
	if (unlikely((tx->state & SL_TX_EXPIRED) || i > SL_SRTP_INDEX_MAX || c->tx_left == 0)) {
		if (!(tx->state & SL_TX_EXPIRED))
			expire(w, leg);
		return false;
	}
	*why = SL_DROP_srtp_reused;
	/* From before the first packet sent, as it seems: as the one far ahead that it would be, nobody could follow it. */
	bool before = started && i > top && i - top > SEQ_HALF;
	if (unlikely(before || !sl_srtp_window_fresh(&c->tx_window, TX_WINDOW_BITS, top, started, i))) {
		if (++m->more[leg].tx_old_run == OLD_RUN)
			tx->state |= SL_TX_RESYNC;
		return false;
	}
	top = sl_srtp_window_commit(&c->tx_window, TX_WINDOW_BITS, top, started, i);
	c->tx_roc = (uint32_t)(top >> 16);
	tx->seq = (uint16_t)top;
	c->tx_left--;
	m->more[leg].tx_old_run = 0;
	if (unlikely(top >= c->tx_reserved))
		sl_media_reserve(m, leg);
	*index = i;
	return true;
}

static void queue_secure(struct sl_worker *w, struct sl_media_out *o, uint16_t seq)
{
	struct sl_media_work *work = w->media;
	enum sl_drop why;
	uint64_t index;
	if (unlikely(o->rtp + o->len + SL_SRTP_TAIL_MAX > (uint8_t *)o->m->buf_addr + o->m->buf_len)) {
		sl_drop(w, o->m, SL_DROP_too_big);
		return;
	}
	if (unlikely(!take_index(w, o->leg, seq, &index, &why))) {
		sl_drop(w, o->m, why);
		return;
	}
	rte_prefetch0(work->tables->crypto[o->leg].out);
	o->acc = index; /* until it is encrypted: the checksum is made after that */
	work->out[work->n_out++] = *o;
	if (work->n_out == SL_MEDIA_OUT_MAX)
		sl_media_flush(w);
}

/* ---- sending ---- */

static void map_pt(const struct sl_leg_more *more, struct sl_media_out *o)
{
	uint8_t pt = sl_rtp_pt(o->rtp);
	for (unsigned i = 0; i < more->n_pt_map; i++) {
		if (more->pt_map[i][0] != pt)
			continue;
		uint16_t before, after;
		memcpy(&before, o->rtp, 2);
		o->rtp[1] = (uint8_t)((o->rtp[1] & 0x80) | more->pt_map[i][1]);
		memcpy(&after, o->rtp, 2);
		if (o->cksum == SL_CKSUM_KNOWN)
			o->acc += sl_sub16(before) + after;
		return;
	}
}

/* Limits of the leg and its tenant. False: the packet was dropped. */
static inline bool within_limits(struct sl_worker *w, const struct sl_media_out *o)
{
	enum sl_drop why;
	if (!sl_leg_out_is_limited(w, o->leg) || sl_limit_leg(w, o->leg, SL_METER_OUT, o->len, o->in, &why))
		return true;
	sl_drop(w, o->m, why);
	return false;
}

/* What is rare. False: the packet has been dealt with. */
static bool send_slow(struct sl_worker *w, struct sl_media_out *o, bool made)
{
	struct sl_leg_more *more = &w->media->tables->more[o->leg];
	if (!made && sl_playout_displaces(more)) {
		sl_drop(w, o->m, SL_DROP_media_blocked);
		return false;
	}
	if (more->flags & SL_LEG_RAW) {
		if (w->media->tables->tx[o->leg].state & SL_TX_SECURE)
			sl_drop(w, o->m, SL_DROP_internal); /* SRTP wants RTP: such a leg is refused */
		else if (within_limits(w, o))
			emit(w, o, o->len);
		return false;
	}
	if (!made)
		map_pt(more, o);
	return true;
}

static void send_packet(struct sl_worker *w, struct sl_media_out *o, bool made)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_tx *tx = &m->tx[o->leg];
	if (unlikely(!(tx->state & SL_TX_READY))) {
		sl_drop(w, o->m, SL_DROP_media_no_route);
		return;
	}
	if (unlikely((tx->state & (SL_TX_SECURE | SL_TX_REQUIRE)) == SL_TX_REQUIRE)) {
		sl_drop(w, o->m, SL_DROP_srtp_no_key);
		return;
	}
	if (unlikely(tx->state & SL_TX_SLOW) && !send_slow(w, o, made))
		return;
	if (unlikely(!o->header_len)) { /* from a leg that carries no RTP */
		sl_drop(w, o->m, SL_DROP_media_unexpected);
		return;
	}
	if (!within_limits(w, o))
		return;
	uint32_t in_ssrc = sl_rtp_ssrc(o->rtp);
	if (unlikely(!made && ((tx->state & (SL_TX_STARTED | SL_TX_RESYNC)) != SL_TX_STARTED || in_ssrc != tx->in_ssrc)) &&
		!begin(w, o, in_ssrc)) {
		sl_drop(w, o->m, SL_DROP_rtp_ssrc_limit);
		return;
	}
	if (unlikely(tx->state & SL_TX_RESTORED))
		go_above(m, o->leg, made ? (uint16_t)(sl_rtp_seq(o->rtp) - tx->seq_offset) : sl_rtp_seq(o->rtp));
	uint16_t seq = sl_rtp_seq(o->rtp);
	uint32_t ts = sl_rtp_ts(o->rtp);
	if (!made && unlikely(tx->seq_offset | tx->ts_offset | (tx->ssrc ^ in_ssrc))) {
		seq = (uint16_t)(seq + tx->seq_offset);
		ts += tx->ts_offset;
		rewrite_header(tx, o, seq, ts);
	}
	if (unlikely(tx->state & SL_TX_SLOW))
		sl_tap_copy(w, o->leg, SL_TAP_SENT, SL_BULK_TAP_RTP, o->rtp, o->len);
	bool newer = !(tx->state & SL_TX_STARTED) || (int16_t)(seq - tx->seq) > 0;
	if (newer) {
		tx->ts = ts;
		tx->last_ms = (uint32_t)w->now.ms;
	}
	uint16_t started = SL_TX_STARTED;
	if (tx->state & SL_TX_SECURE) {
		uint32_t leg = o->leg;
		queue_secure(w, o, seq);
		m->tx[leg].state |= started;
		return;
	}
	if (newer)
		tx->seq = seq;
	tx->state |= started;
	emit(w, o, o->len);
}

void sl_media_send(struct sl_worker *w, struct sl_media_out *o)
{
	send_packet(w, o, false);
}

bool sl_media_make(struct sl_worker *w, uint32_t leg, uint8_t pt, bool marker, uint32_t ts, const uint8_t *payload,
	unsigned len)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_tx *tx = &m->tx[leg];
	if (!(tx->state & SL_TX_READY) || (tx->state & (SL_TX_SECURE | SL_TX_REQUIRE)) == SL_TX_REQUIRE)
		return false;
	struct rte_mbuf *mb = rte_pktmbuf_alloc(w->dp->pool);
	if (!mb || rte_pktmbuf_tailroom(mb) < SL_RTP_HEADER_BYTES + len + SL_SRTP_TAIL_MAX) {
		if (mb)
			rte_pktmbuf_free(mb);
		w->drops[SL_DROP_no_mbuf]++;
		return false;
	}
	uint32_t ssrc = (tx->state & (SL_TX_STARTED | SL_TX_REWRITE)) == SL_TX_STARTED ? tx->ssrc : m->more[leg].out_ssrc;
	if (!use_ssrc(w, leg, ssrc)) {
		sl_drop(w, mb, SL_DROP_rtp_ssrc_limit);
		return false;
	}
	if (!(tx->state & SL_TX_STARTED))
		tx->seq = (uint16_t)(sl_prng_next(&m->prng) & START_SEQ_MASK);
	uint8_t *rtp = rte_pktmbuf_mtod(mb, uint8_t *);
	rtp[0] = SL_RTP_VERSION << 6;
	rtp[1] = (uint8_t)(marker << 7 | pt);
	sl_rtp_put16(rtp + 2, (uint16_t)(tx->seq + 1));
	sl_rtp_put32(rtp + 4, ts);
	sl_rtp_put32(rtp + 8, ssrc);
	memcpy(rtp + SL_RTP_HEADER_BYTES, payload, len);
	mb->data_len = (uint16_t)(SL_RTP_HEADER_BYTES + len);
	mb->pkt_len = mb->data_len;
	tx->seq_offset++; /* what is forwarded in the same SSRC makes room */
	struct sl_media_out o = {.m = mb,
		.rtp = rtp,
		.len = mb->data_len,
		.header_len = SL_RTP_HEADER_BYTES,
		.leg = leg,
		.cksum = SL_CKSUM_COMPUTE};
	send_packet(w, &o, true);
	return true;
}

/* ---- between workers ---- */

void sl_media_hand_over(struct sl_worker *w, struct rte_mbuf *m, const struct sl_leg_ref *ref, unsigned worker, bool rtcp,
	uint8_t turns)
{
	*sl_packet(m) = (struct sl_packet){.media = rtcp ? SL_PACKET_RTCP : SL_PACKET_RTP,
		.turns = turns,
		.leg_address = ref->address,
		.leg_port = ref->port,
		.leg_id = ref->id};
	if (rte_ring_sp_enqueue(w->dp->workers[worker]->rings.known_in[w->index], m) < 0)
		sl_drop(w, m, SL_DROP_handoff_known_full);
	else
		sl_count(w, SL_C_media_handed_over, 1);
}

void sl_media_handed(struct sl_worker *w, struct rte_mbuf **m, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct sl_packet *meta = sl_packet(m[i]);
		struct sl_leg_ref ref = {.id = meta->leg_id, .port = meta->leg_port, .address = meta->leg_address};
		uint32_t leg = w->media ? sl_media_leg(w->media->tables, &ref) : SL_NONE;
		uint8_t *rtp = rte_pktmbuf_mtod(m[i], uint8_t *);
		if (leg == SL_NONE) {
			sl_drop(w, m[i], SL_DROP_media_stale);
		} else if (meta->media == SL_PACKET_RTCP) {
			sl_rtcp_send(w, leg, m[i], rtp, m[i]->data_len, meta->turns, NULL);
		} else {
			struct sl_media_out o = {.m = m[i],
				.rtp = rtp,
				.len = m[i]->data_len,
				.header_len = (uint16_t)sl_rtp_header_len(rtp, m[i]->data_len),
				.leg = leg,
				.turns = meta->turns,
				.cksum = SL_CKSUM_COMPUTE};
			sl_media_send(w, &o);
		}
	}
	if (w->media)
		sl_media_flush(w);
}
