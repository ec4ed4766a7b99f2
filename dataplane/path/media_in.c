/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* RTP arriving at a leg. Order of checks, and nothing is learned or counted as media before all have passed:
 * kind (RFC 7983), header, source, then with a key: MKI, replay, authentication, replay again (two copies of a packet may
 * be in one burst). Then the leg's address, statistics, taps, events, and along its routes. */

#include "dataplane/path/media.h"

#include "dataplane/path/session_limits.h"
#include "dataplane/path/media_source.h"
#include "dataplane/path/payload.h"
#include "dataplane/wire/silence.h"

enum { TRIAL_BYTES = 2048, SEQ_HALF = 1 << 15 };

/* A packet between its checks. */
struct arrival {
	struct sl_pkt *p;
	uint8_t *rtp;
	uint32_t leg;
	uint16_t len, header_len;
};

/* ---- routes ---- */

/* A packet of its own with the same bytes; NULL: no buffer. */
static struct rte_mbuf *copy(struct sl_worker *w, const struct sl_media_out *o)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->pool);
	if (unlikely(!m))
		return NULL;
	if (unlikely(rte_pktmbuf_tailroom(m) < o->len)) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), o->rtp, o->len);
	m->data_len = o->len;
	m->pkt_len = o->len;
	return m;
}

static void send_along(struct sl_worker *w, const struct sl_media_route *r, struct sl_media_out *o)
{
	if (r->to != SL_NONE) {
		o->leg = r->to;
		sl_media_send(w, o);
		return;
	}
	o->m->data_off = (uint16_t)(o->rtp - (uint8_t *)o->m->buf_addr);
	o->m->data_len = o->len;
	o->m->pkt_len = o->len;
	sl_media_hand_over(w, o->m, &r->ref, r->worker, false, o->turns);
}

static void send_many(struct sl_worker *w, uint32_t from, struct sl_media_out *o)
{
	const struct sl_media *m = w->media->tables;
	const struct sl_media_route *r = &m->routes[m->more[from].routes];
	for (; r->next_out != SL_NONE; r = &m->routes[r->next_out]) {
		const struct sl_media_route *next = &m->routes[r->next_out];
		rte_prefetch0(next);
		if (next->to != SL_NONE)
			rte_prefetch0(&m->tx[next->to]);
		struct sl_media_out c = *o;
		c.m = copy(w, o);
		if (unlikely(!c.m)) {
			w->drops[SL_DROP_no_mbuf]++;
			continue;
		}
		c.rtp = rte_pktmbuf_mtod(c.m, uint8_t *);
		c.in = NULL; /* which is of the original buffer */
		sl_count(w, SL_C_media_copies, 1);
		send_along(w, r, &c);
	}
	send_along(w, r, o);
}

void sl_media_route(struct sl_worker *w, uint32_t from, struct sl_media_out *o)
{
	int32_t dest = w->media->tables->rx[from].dest;
	if (likely(dest >= 0)) {
		o->leg = (uint32_t)dest;
		sl_media_send(w, o);
	} else if (dest == SL_DEST_MANY) {
		send_many(w, from, o);
	} else {
		sl_drop(w, o->m, SL_DROP_media_no_route);
	}
}

/* ---- accepted ---- */

/* Another payload type than before. False: the packet goes no further. */
static bool other_type(struct sl_worker *w, const struct arrival *a, uint8_t pt)
{
	struct sl_media *m = w->media->tables;
	const struct sl_leg_more *more = &m->more[a->leg];
	if (pt == more->dtmf_pt && pt) {
		int n = sl_rtp_payload_len(a->rtp, a->len, a->header_len);
		if (n > 0)
			sl_dtmf_received(w, a->leg, sl_rtp_ts(a->rtp), a->rtp + a->header_len, (unsigned)n);
		return !(more->flags & SL_LEG_BLOCK_DTMF);
	}
	m->rx[a->leg].pt = pt;
	m->rx[a->leg].clock = sl_media_clock(more, pt);
	return true;
}

/* RFC 3550 A.8, with the time of the round as arrival. */
static inline void note_jitter(struct sl_worker *w, struct sl_leg_rx *rx, uint32_t ts, bool first)
{
	uint32_t arrival = (uint32_t)(w->now_us * sl_media_clocks[rx->clock] / 1000000);
	uint32_t transit = arrival - ts;
	int32_t d = (int32_t)(transit - rx->transit);
	rx->transit = transit;
	if (first)
		return;
	uint32_t distance = d < 0 ? 0 - (uint32_t)d : (uint32_t)d;
	rx->jitter_q4 += distance - ((rx->jitter_q4 + 8) >> 4);
}

/* Tap, block, silence. False: the packet has been dealt with. */
static bool accept_slow(struct sl_worker *w, struct arrival *a)
{
	struct sl_media *m = w->media->tables;
	const struct sl_leg_more *more = &m->more[a->leg];
	if (sl_media_is_moving(m, a->leg, &a->p->src))
		sl_media_learn(w, a->leg, &a->p->src);
	sl_tap_copy(w, a->leg, SL_TAP_RECEIVED, SL_BULK_TAP_RTP, a->rtp, a->len);
	int payload = sl_rtp_payload_len(a->rtp, a->len, a->header_len);
	bool silenced = (more->flags & SL_LEG_SILENCE_MEDIA) && !(more->flags & SL_LEG_RAW) && payload >= 0 &&
		sl_silence_fill(sl_rtp_pt(a->rtp), a->rtp + a->header_len, (unsigned)payload);
	if ((more->flags & SL_LEG_BLOCK_MEDIA) || ((more->flags & SL_LEG_SILENCE_MEDIA) && !silenced)) {
		sl_drop(w, a->p->m, SL_DROP_media_blocked);
		return false;
	}
	return true;
}

static inline void forward(struct sl_worker *w, struct arrival *a, bool decrypted)
{
	const struct sl_pkt *p = a->p;
	int32_t dest = w->media->tables->rx[a->leg].dest;
	if (likely(!decrypted && dest >= 0) && sl_media_pass(w, (uint32_t)dest, p, a->rtp, a->len))
		return;
	struct sl_media_out o = {.m = p->m,
		.rtp = a->rtp,
		.len = a->len,
		.header_len = a->header_len,
		.cksum = SL_CKSUM_COMPUTE,
		.tos = p->tos,
		.turns = p->turns,
		.df = p->df,
		.in = p};
	uint16_t cksum;
	memcpy(&cksum, p->udp + 6, 2);
	if (!decrypted && cksum) {
		o.cksum = SL_CKSUM_KNOWN;
		o.acc = sl_payload_sum(p, cksum);
	} else if (!decrypted) {
		o.cksum = SL_CKSUM_NONE;
	}
	sl_media_route(w, a->leg, &o);
}

/* Every check is passed and the SSRC is the one in the hot line. fresh: it is the newest of its stream. */
static void accepted(struct sl_worker *w, struct arrival *a, bool first, bool decrypted)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_rx *rx = &m->rx[a->leg];
	uint8_t pt = sl_rtp_pt(a->rtp);
	enum sl_drop why;
	if (sl_leg_in_is_limited(w, a->leg) && !sl_limit_leg(w, a->leg, SL_METER_IN, a->len, a->p, &why)) {
		sl_media_refuse(w, a->leg, a->p->m, why);
		return;
	}
	rx->packets++;
	rx->bytes += a->len;
	rx->last_ms = (uint32_t)w->now.ms;
	sl_count(w, SL_C_rtp_in_packets, 1);
	sl_count(w, SL_C_rtp_in_bytes, a->len);
	bool silenced = false;
	if (unlikely(pt != rx->pt) && !other_type(w, a, pt)) {
		if (rx->state & SL_RX_SLOW)
			sl_tap_copy(w, a->leg, SL_TAP_RECEIVED, SL_BULK_TAP_RTP, a->rtp, a->len);
		sl_drop(w, a->p->m, SL_DROP_media_blocked);
		return;
	}
	if (likely(pt == rx->pt))
		note_jitter(w, rx, sl_rtp_ts(a->rtp), first);
	if (unlikely(rx->state & SL_RX_SLOW)) {
		silenced = (m->more[a->leg].flags & SL_LEG_SILENCE_MEDIA) != 0;
		if (!accept_slow(w, a))
			return;
	}
	forward(w, a, decrypted || silenced);
}

/* The stream moves on to index. */
static inline void note_index(struct sl_leg_rx *rx, uint64_t index)
{
	if (!(rx->state & SL_RX_STARTED)) {
		rx->base = (uint32_t)index;
		rx->packets = 0;
		rx->jitter_q4 = 0;
		rx->state |= SL_RX_STARTED;
	} else if (index <= sl_leg_rx_index(rx)) {
		return;
	}
	rx->roc = (uint32_t)(index >> 16);
	rx->seq = (uint16_t)index;
}

static void accept_plain(struct sl_worker *w, struct arrival *a)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_rx *rx = &m->rx[a->leg];
	uint32_t ssrc = sl_rtp_ssrc(a->rtp);
	if (unlikely((a->rtp[0] & 0x20) && sl_rtp_payload_len(a->rtp, a->len, a->header_len) < 0)) {
		sl_media_refuse(w, a->leg, a->p->m, SL_DROP_rtp_malformed);
		return;
	}
	if (unlikely(ssrc != rx->ssrc || !(rx->state & SL_RX_STARTED)) && !sl_media_rx_switch(m, a->leg, ssrc)) {
		sl_media_refuse(w, a->leg, a->p->m, SL_DROP_rtp_ssrc_limit);
		return;
	}
	bool first = !(rx->state & SL_RX_STARTED);
	uint64_t index = sl_srtp_index_estimate(sl_leg_rx_index(rx), !first, sl_rtp_seq(a->rtp));
	if (first || index < sl_leg_rx_index(rx) + SEQ_HALF) /* else late, from before the first: RFC 3550 A.1 */
		note_index(rx, index);
	accepted(w, a, first, false);
}

/* Datagrams that are no RTP (udptl). */
static void accept_raw(struct sl_worker *w, struct arrival *a)
{
	struct sl_leg_rx *rx = &w->media->tables->rx[a->leg];
	enum sl_drop why;
	if (sl_leg_in_is_limited(w, a->leg) && !sl_limit_leg(w, a->leg, SL_METER_IN, a->len, a->p, &why)) {
		sl_media_refuse(w, a->leg, a->p->m, why);
		return;
	}
	rx->packets++;
	rx->bytes += a->len;
	rx->last_ms = (uint32_t)w->now.ms;
	if (accept_slow(w, a))
		forward(w, a, false);
}

/* ---- under a key ---- */

/* Where an SSRC stands: in the hot line, parked, or nowhere yet. */
static uint64_t stands_at(const struct sl_media *m, uint32_t leg, uint32_t ssrc, bool *started, const uint64_t **window)
{
	const struct sl_leg_rx *rx = &m->rx[leg];
	uint64_t top = 0;
	*window = sl_media_window(m, leg);
	*started = (rx->state & SL_RX_STARTED) != 0;
	if (likely(*started && rx->ssrc == ssrc))
		return sl_leg_rx_index(rx);
	*started = sl_media_rx_peek(m, leg, ssrc, &top, window);
	return top;
}

static struct sl_srtp_context *choose_key(const struct sl_leg_crypto *c, const uint8_t *rtp, unsigned len)
{
	for (unsigned i = 0; i < SL_SRTP_KEYS_MAX; i++)
		if (c->in[i] && sl_srtp_mki_is(c->in[i], rtp, len))
			return c->in[i];
	return NULL;
}

/* Does the packet authenticate so? On a copy: trying spoils it. */
static bool opens(const struct sl_media *m, const struct arrival *a, struct sl_srtp_context *ctx, uint64_t index)
{
	uint8_t copy[TRIAL_BYTES + SL_SRTP_TAIL_MAX];
	if (a->len > TRIAL_BYTES || !sl_srtp_mki_is(ctx, a->rtp, a->len))
		return false;
	memcpy(copy, a->rtp, a->len);
	struct sl_srtp_op op = {.ctx = ctx, .rtp = copy, .len = a->len, .header_len = a->header_len, .index = index};
	sl_srtp_unprotect(m->srtp, &op, 1);
	return op.status == 0;
}

static bool is_new_key(const struct sl_media *m, uint32_t leg, const struct sl_srtp_context *ctx)
{
	const struct sl_leg_more *more = &m->more[leg];
	return more->key_in_print[m->crypto[leg].in[0] == ctx ? 0 : 1] != more->rekey_kept;
}

/* Make key i the first that is tried. */
static void prefer_key(struct sl_media *m, uint32_t leg, unsigned i)
{
	struct sl_srtp_context **in = m->crypto[leg].in, *ctx = in[i];
	uint64_t *print = m->more[leg].key_in_print, p = print[i];
	in[i] = in[0];
	in[0] = ctx;
	print[i] = print[0];
	print[0] = p;
	m->rx[leg].state &= (uint16_t)~SL_RX_DOUBT;
}

/* Something did not authenticate. A peer that changes its key gives no sign without an MKI, and may begin its roll-over
 * count anew with it: try this packet with each key and count. What authenticates with none changes nothing. */
static void find_key(struct sl_media *m, const struct arrival *a)
{
	struct sl_leg_rx *rx = &m->rx[a->leg];
	uint32_t *other = &m->more[a->leg].rekey_roc, roc = rx->roc;
	uint16_t seq = sl_rtp_seq(a->rtp);
	const uint64_t *window;
	bool started;
	uint64_t top = stands_at(m, a->leg, sl_rtp_ssrc(a->rtp), &started, &window);
	bool recount = (rx->state & SL_RX_REKEYED) && started && rx->ssrc == sl_rtp_ssrc(a->rtp) && *other != roc;
	uint64_t there = sl_srtp_index_estimate((uint64_t)*other << 16 | rx->seq, true, seq);
	for (unsigned i = 0; i < SL_SRTP_KEYS_MAX; i++) {
		struct sl_srtp_context *ctx = m->crypto[a->leg].in[i];
		if (!ctx)
			continue;
		if (opens(m, a, ctx, sl_srtp_index_estimate(top, started, seq))) {
			prefer_key(m, a->leg, i);
			return;
		}
		if (recount && is_new_key(m, a->leg, ctx) && opens(m, a, ctx, there)) {
			rx->roc = *other;
			*other = roc;
			prefer_key(m, a->leg, i);
			return;
		}
	}
}

/* An SSRC that nothing has been authenticated of: the packet before it in the same burst says where it stands. */
static uint64_t follow(const struct arrival *a, const struct arrival *burst, const struct sl_srtp_op *ops, unsigned n)
{
	uint16_t seq = sl_rtp_seq(a->rtp);
	while (n-- > 0)
		if (burst[n].leg == a->leg && sl_rtp_ssrc(burst[n].rtp) == sl_rtp_ssrc(a->rtp))
			return sl_srtp_index_estimate(ops[n].index, true, seq);
	return sl_srtp_index_estimate(0, false, seq);
}

/* Make op n for this packet, the ones before it being of the same burst. False: it was dropped. */
static bool prepare(struct sl_worker *w, const struct arrival *a, const struct arrival *burst, struct sl_srtp_op *ops, unsigned n)
{
	struct sl_media *m = w->media->tables;
	const struct sl_leg_crypto *c = &m->crypto[a->leg];
	const uint64_t *window;
	bool started;
	enum sl_drop why = SL_DROP_too_big;
	if (unlikely(a->rtp + a->len + SL_SRTP_TAIL_MAX > (uint8_t *)a->p->m->buf_addr + a->p->m->buf_len))
		goto refuse;
	if (unlikely(m->rx[a->leg].state & SL_RX_DOUBT))
		find_key(m, a);
	why = SL_DROP_srtp_mki;
	struct sl_srtp_context *ctx = choose_key(c, a->rtp, a->len);
	if (unlikely(!ctx))
		goto refuse;
	why = SL_DROP_srtp_key_expired;
	uint64_t top = stands_at(m, a->leg, sl_rtp_ssrc(a->rtp), &started, &window);
	uint64_t index = likely(started) ? sl_srtp_index_estimate(top, true, sl_rtp_seq(a->rtp)) : follow(a, burst, ops, n);
	if (unlikely(index > SL_SRTP_INDEX_MAX || c->rx_left == 0))
		goto refuse;
	why = SL_DROP_srtp_replay;
	if (unlikely(!sl_srtp_window_fresh(window, m->window_bits, top, started, index))) {
		m->more[a->leg].replays++;
		goto refuse;
	}
	rte_prefetch0(ctx);
	rte_prefetch0((const uint8_t *)ctx + 64);
	ops[n] = (struct sl_srtp_op){.ctx = ctx, .rtp = a->rtp, .len = a->len, .header_len = a->header_len, .index = index};
	return true;
refuse:
	sl_media_refuse(w, a->leg, a->p->m, why);
	return false;
}

static void failed(struct sl_worker *w, const struct arrival *a, int status)
{
	struct sl_media *m = w->media->tables;
	if (status == -EMSGSIZE) {
		sl_media_refuse(w, a->leg, a->p->m, SL_DROP_srtp_short);
		return;
	}
	m->more[a->leg].auth_failures++;
	if ((m->rx[a->leg].state & SL_RX_REKEYED) || (m->crypto[a->leg].in[0] && m->crypto[a->leg].in[1]))
		m->rx[a->leg].state |= SL_RX_DOUBT;
	sl_media_refuse(w, a->leg, a->p->m, SL_DROP_srtp_auth);
}

/* Authenticated. What the burst before it in order has committed is looked at again. */
static void authenticated(struct sl_worker *w, struct arrival *a, const struct sl_srtp_op *op)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_rx *rx = &m->rx[a->leg];
	uint32_t ssrc = sl_rtp_ssrc(a->rtp);
	uint64_t index = op->index;
	a->p->opened = true;
	if (unlikely(m->crypto[a->leg].rx_left == 0)) {
		sl_media_refuse(w, a->leg, a->p->m, SL_DROP_srtp_key_expired);
		return;
	}
	if (unlikely(rx->state & SL_RX_REKEYED) && is_new_key(m, a->leg, op->ctx))
		rx->state &= (uint16_t)~SL_RX_REKEYED;
	if (unlikely(ssrc != rx->ssrc || !(rx->state & SL_RX_STARTED)) && !sl_media_rx_switch(m, a->leg, ssrc)) {
		sl_media_refuse(w, a->leg, a->p->m, SL_DROP_rtp_ssrc_limit);
		return;
	}
	uint64_t *window = sl_media_window(m, a->leg), top = sl_leg_rx_index(rx);
	bool first = !(rx->state & SL_RX_STARTED);
	if (unlikely(!sl_srtp_window_fresh(window, m->window_bits, top, !first, index))) {
		m->more[a->leg].replays++;
		sl_media_refuse(w, a->leg, a->p->m, SL_DROP_srtp_replay);
		return;
	}
	sl_srtp_window_commit(window, m->window_bits, top, !first, index);
	m->crypto[a->leg].rx_left--;
	sl_count(w, SL_C_srtp_unprotected, 1);
	note_index(rx, index);
	if (unlikely((a->rtp[0] & 0x20) && sl_rtp_payload_len(a->rtp, a->len, a->header_len) < 0)) {
		sl_media_refuse(w, a->leg, a->p->m, SL_DROP_rtp_malformed);
		return;
	}
	accepted(w, a, first, true);
}

static void decrypt(struct sl_worker *w, struct arrival *a, struct sl_srtp_op *ops, unsigned n)
{
	sl_srtp_unprotect(w->media->tables->srtp, ops, n);
	for (unsigned i = 0; i < n; i++) {
		if (unlikely(ops[i].status < 0)) {
			failed(w, &a[i], ops[i].status);
			continue;
		}
		a[i].len = ops[i].len;
		authenticated(w, &a[i], &ops[i]);
	}
}

/* ---- arriving ---- */

/* What can be told before any key: false when the packet was dropped or is RTCP's. */
static bool arrive(struct sl_worker *w, struct sl_pkt *p, struct arrival *a)
{
	const struct sl_media *m = w->media->tables;
	*a = (struct arrival){.p = p, .rtp = p->udp + 8, .leg = p->alloc, .len = p->payload_len};
	if (unlikely(p->alloc == SL_NONE || !(m->rx[p->alloc].state & SL_RX_USED))) {
		sl_drop(w, p->m, SL_DROP_media_no_leg);
		return false;
	}
	const struct sl_leg_rx *rx = &m->rx[a->leg];
	bool raw = unlikely(rx->state & SL_RX_SLOW) && (m->more[a->leg].flags & SL_LEG_RAW);
	enum sl_media_kind kind = sl_media_kind(a->rtp, a->len);
	if (!raw && unlikely(p->rtcp || kind == SL_MEDIA_RTCP)) {
		sl_rtcp_input(w, p, a->leg);
		return false;
	}
	enum sl_drop why = SL_DROP_media_unexpected;
	if (!raw && unlikely(kind != SL_MEDIA_RTP))
		goto refuse;
	why = SL_DROP_rtp_malformed;
	a->header_len = raw ? 0 : (uint16_t)sl_rtp_header_len(a->rtp, a->len);
	if (!raw && unlikely(!a->header_len))
		goto refuse;
	bool same = (rx->state & SL_RX_LOCKED) && rx->port_be == p->src.port_be && sl_ip_eq(&rx->ip, &p->src.ip);
	if (unlikely(!same) && !(rx->state & SL_RX_ANY) && !sl_media_source_ok(w, a->leg, &p->src, false)) {
		sl_drop(w, p->m, SL_DROP_media_stranger);
		return false;
	}
	return true;
refuse:
	sl_media_refuse(w, a->leg, p->m, why);
	return false;
}

void sl_media_input(struct sl_worker *w, struct sl_pkt **p, unsigned n)
{
	const struct sl_media *m = w->media->tables;
	struct arrival secure[SL_BURST];
	struct sl_srtp_op ops[SL_BURST];
	unsigned n_secure = 0;
	for (unsigned i = 0; i < n; i++) {
		struct arrival a;
		if (!arrive(w, p[i], &a))
			continue;
		if (m->rx[a.leg].state & SL_RX_SECURE) {
			secure[n_secure] = a;
			n_secure += prepare(w, &a, secure, ops, n_secure);
		} else if (unlikely(!a.header_len)) {
			accept_raw(w, &a);
		} else {
			accept_plain(w, &a);
		}
	}
	if (n_secure)
		decrypt(w, secure, ops, n_secure);
	sl_media_flush(w);
}
