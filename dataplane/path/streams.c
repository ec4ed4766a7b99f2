/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/path/streams.h"

#include <arpa/inet.h>

#include <rte_ring_elem.h>

#include "dataplane/path/payload.h"
#include "dataplane/wire/channel.h"

enum {
	RECORDS_PER_ROUND = SL_BURST,
	/* RFC 8656 15: what a packet that was made of a frame carries. */
	STREAM_TTL = 64,
	RECORD_AROUND = 16, /* of a ring for a record, at most: its length, and what makes it end on a word */
	MARK_S = 86400, /* of a client with an allocation; withdrawn when that ends */
};

void sl_streams_attach_worker(struct sl_worker *w, const struct sl_streams *s)
{
	w->streams.n = sl_streams_threads(s);
	for (unsigned t = 0; t < w->streams.n; t++) {
		w->streams.in[t] = sl_streams_in(s, t, w->index);
		w->streams.out[t] = sl_streams_out(s, t, w->index);
	}
}

/* ---- to the threads ---- */

static struct sl_byte_ring *ring_of(struct sl_worker *w, const struct sl_flow *f)
{
	unsigned t = sl_flow_thread(f);
	return t < w->streams.n ? w->streams.out[t] : NULL;
}

bool sl_streams_send(struct sl_worker *w, const struct sl_flow *f, const void *head, unsigned head_len, const void *data, unsigned len)
{
	/* RFC 8656 12.5: a multiple of four on TCP and TLS. STUN messages are one anyway. */
	unsigned padding = sl_flow_over(f) == SL_TURN_OVER_DTLS ? 0 : -(head_len + len) & 3, total = head_len + len + padding;
	struct sl_byte_ring *ring = ring_of(w, f);
	struct sl_stream_record *r = ring ? sl_byte_ring_reserve(ring, sizeof *r + total) : NULL;
	if (unlikely(!r)) {
		w->drops[SL_DROP_stream_ring_full]++;
		return false;
	}
	*r = (struct sl_stream_record){.kind = SL_STREAM_DO_SEND, .len = total, .flow = *f};
	uint8_t *to = (uint8_t *)(r + 1);
	memcpy(to, head, head_len);
	if (len)
		memcpy(to + head_len, data, len);
	memset(to + head_len + len, 0, padding);
	sl_byte_ring_put(ring, sizeof *r + total);
	sl_count(w, SL_C_stream_frames_out, 1);
	return true;
}

/* Is there room for the message and a record behind it? */
static bool has_room(struct sl_worker *w, const struct sl_flow *f, unsigned len)
{
	struct sl_byte_ring *ring = ring_of(w, f);
	if (ring && sl_byte_ring_room(ring) >= 2 * (sizeof(struct sl_stream_record) + RECORD_AROUND) + len)
		return true;
	w->drops[SL_DROP_stream_ring_full]++;
	return false;
}

bool sl_streams_tell(void *ctx, const struct sl_flow *f, const uint8_t *msg, unsigned len, const struct sl_stream_record *then)
{
	if (then && !has_room(ctx, f, len))
		return false;
	return sl_streams_send(ctx, f, msg, len, NULL, 0) && (!then || sl_streams_order(ctx, then));
}

/* Limits for strangers are the guard's, and its marks are the housekeeper's to write. False: its ring is full. */
static bool mark(struct sl_worker *w, const struct sl_endpoint *remote, unsigned listener, bool known)
{
	struct sl_guard_mark m = {.remote = *remote,
		.listener = (uint16_t)listener,
		.trust = known ? SL_GUARD_IS_FINAL : SL_GUARD_NOBODY,
		.seconds = known ? MARK_S : 0};
	return rte_ring_sp_enqueue_elem(w->rings.marks, &m, sizeof m) == 0;
}

static bool put_order(struct sl_worker *w, const struct sl_stream_record *order)
{
	struct sl_byte_ring *ring = ring_of(w, &order->flow);
	struct sl_stream_record *r = ring ? sl_byte_ring_reserve(ring, sizeof *r) : NULL;
	if (!r)
		return false;
	*r = *order;
	r->len = 0;
	sl_byte_ring_put(ring, sizeof *r);
	return true;
}

/* What finds no room is not kept: RECALL has the thread ask about all its connections once there is some again. */
void sl_streams_known(struct sl_worker *w, const struct sl_flow *f, bool known)
{
	const struct sl_endpoint remote = {f->ip, f->port_be};
	unsigned t = sl_flow_thread(f);
	bool told = put_order(w, &(struct sl_stream_record){.kind = SL_STREAM_DO_KNOWN, .flow = *f, .on = known});
	bool marked = mark(w, &remote, SL_MARK_TURN + f->listener, known);
	if (unlikely(!told || !marked) && t < w->streams.n)
		w->streams.recall |= 1u << t;
}

static void recall(struct sl_worker *w)
{
	for (unsigned t = 0; t < w->streams.n; t++) {
		const struct sl_stream_record r = {.kind = SL_STREAM_DO_RECALL, .flow.transport = sl_stream_transport(0, t, 0, 0)};
		if (w->streams.recall & 1u << t && put_order(w, &r))
			w->streams.recall &= ~(1u << t);
	}
}

static void answer(struct sl_worker *w, const struct sl_flow *f)
{
	const struct sl_sessions *s = &w->sessions;
	sl_streams_known(w, f, sl_alloc_find(s, f, sl_hash_flow(&s->hash_key, f)) != SL_NONE);
}

static void mark_peer(struct sl_worker *w, const struct sl_stream_record *r, bool known)
{
	const struct sl_local *l = sl_local_find(w, &r->local.ip);
	if (l && l->relay != SL_NO_RELAY)
		mark(w, &r->peer, (unsigned)sl_mark_of_peer(r->local.port_be), known);
}

bool sl_streams_order(void *ctx, const struct sl_stream_record *r)
{
	struct sl_worker *w = ctx;
	if (!put_order(w, r))
		return false;
	if (r->kind == SL_STREAM_DO_TCP_CONNECT || r->kind == SL_STREAM_DO_TCP_ACCEPT)
		mark_peer(w, r, true);
	else if (r->kind == SL_STREAM_DO_TCP_CLOSE)
		mark_peer(w, r, false);
	return true;
}

bool sl_streams_moved(void *ctx, const struct sl_flow *f, bool here)
{
	struct sl_worker *w = ctx;
	struct sl_dataplane *dp = w->dp;
	const struct sl_endpoint client = {f->ip, f->port_be};
	if (sl_flow_is_stream(f))
		return !here || put_order(w, &(struct sl_stream_record){.kind = SL_STREAM_DO_MOVED, .flow = *f});
	unsigned owner = sl_owner_of_hash(&dp->owner, sl_owner_hash(&dp->owner, &client, &w->turn.listeners[f->listener]));
	if (!here)
		sl_moved_unset(&dp->moved, f, w->index);
	return !here || owner == w->index || sl_moved_set(&dp->moved, f, w->index);
}

/* ---- frames of clients ---- */

/* A packet buffer with a copy of data, ready to be given headers. False: counted. */
static bool copy_out(struct sl_worker *w, struct sl_out *o, const uint8_t *data, unsigned len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->pool);
	if (m && unlikely(rte_pktmbuf_tailroom(m) < len)) {
		rte_pktmbuf_free(m);
		m = rte_pktmbuf_alloc(w->dp->pool_large);
	}
	if (unlikely(!m)) {
		w->drops[SL_DROP_no_mbuf]++;
		return false;
	}
	if (unlikely(rte_pktmbuf_tailroom(m) < len)) {
		sl_drop(w, m, SL_DROP_too_big);
		return false;
	}
	o->m = m;
	o->payload = rte_pktmbuf_mtod(m, uint8_t *);
	o->payload_len = (uint16_t)len;
	o->cksum = SL_CKSUM_COMPUTE;
	o->ttl = STREAM_TTL;
	memcpy(o->payload, data, len);
	return true;
}

static void channel_data(struct sl_worker *w, const struct sl_stream_record *r, const uint8_t *frame)
{
	struct sl_sessions *s = &w->sessions;
	uint32_t alloc = sl_alloc_find(s, &r->flow, sl_hash_flow(&s->hash_key, &r->flow));
	if (unlikely(alloc == SL_NONE))
		alloc = sl_turn_arrived(&w->turn, &r->flow, true, &w->now);
	enum sl_drop why;
	unsigned len;
	struct sl_peer *peer = sl_channel_peer(w, alloc, frame, r->len, &len, &why);
	if (unlikely(!peer)) {
		w->drops[why]++;
		return;
	}
	struct sl_out o = {.dst = {.ip = peer->ip, .port_be = peer->port_be}};
	if (copy_out(w, &o, frame + SL_CHANNEL_HEADER_BYTES, len))
		sl_relay_to_peer(w, &o, &s->allocs[alloc], peer);
}

static void relay_send(struct sl_worker *w, const uint8_t *msg, const struct sl_turn_verdict *v)
{
	struct sl_out o = {.dst = v->to, .df = v->dont_fragment};
	if (copy_out(w, &o, msg + v->data.off, v->data.len))
		sl_relay_to_peer(w, &o, &w->sessions.allocs[v->alloc], &w->sessions.peers[v->peer]);
}

/* To another worker, whose session it is about: record and message in a packet buffer. */
static void hand(struct sl_worker *w, const struct sl_stream_record *r, const uint8_t *msg, unsigned owner)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->pool);
	if (!m) {
		w->drops[SL_DROP_no_mbuf]++;
		return;
	}
	if (unlikely(rte_pktmbuf_tailroom(m) < sizeof *r + r->len)) {
		sl_drop(w, m, SL_DROP_too_big);
		return;
	}
	uint8_t *to = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(sizeof *r + r->len));
	memcpy(to, r, sizeof *r);
	memcpy(to + sizeof *r, msg, r->len);
	*sl_packet(m) = (struct sl_packet){.stream = 1};
	sl_handoff_known(w, m, owner);
}

static void stun(struct sl_worker *w, const struct sl_stream_record *r, const uint8_t *msg, bool handed)
{
	const struct sl_turn_arrival from = {.flow = &r->flow, .realm_hint = r->realm, .handed = handed, .server = &r->server};
	struct sl_turn_verdict v = sl_turn_handle_from(&w->turn, &from, msg, r->len, &w->now, w->reply, sizeof w->reply);
	if (unlikely(v.signal != SL_TURN_NO_SIGNAL))
		sl_signals_note(&w->guard.signals, &r->flow.ip, v.signal);
	switch (v.action) {
	case SL_TURN_REPLY:
		sl_streams_send(w, &r->flow, w->reply, v.reply_len, NULL, 0);
		break;
	case SL_TURN_RELAY:
		relay_send(w, msg, &v);
		break;
	case SL_TURN_HAND:
		hand(w, r, msg, v.owner);
		break;
	case SL_TURN_DROP:
		if (v.drop != SL_N_DROPS)
			w->drops[v.drop]++;
		/* Over a stream nothing is sent again (RFC 8489 6.2.2): better that the client connects anew than that it waits for an answer. */
		if (v.drop == SL_DROP_not_ready && sl_flow_over(&r->flow) != SL_TURN_OVER_DTLS)
			put_order(w, &(struct sl_stream_record){.kind = SL_STREAM_DO_CLOSE, .flow = r->flow});
		break;
	}
}

static void frame(struct sl_worker *w, const struct sl_stream_record *r, const uint8_t *bytes, bool handed)
{
	sl_count(w, SL_C_stream_frames_in, 1);
	if (r->len >= SL_CHANNEL_HEADER_BYTES && sl_channel_looks_like(bytes[0]))
		channel_data(w, r, bytes);
	else if (r->len >= SL_STUN_HEADER_BYTES && sl_stun_looks_like(bytes))
		stun(w, r, bytes, handed);
	else
		w->drops[SL_DROP_stream_malformed]++;
}

static void record(struct sl_worker *w, const struct sl_stream_record *r)
{
	if (r->kind == SL_STREAM_IN_FRAME) {
		frame(w, r, (const uint8_t *)(r + 1), false);
		return;
	}
	if (r->kind == SL_STREAM_IN_ASK) {
		answer(w, &r->flow);
		return;
	}
	if (r->kind == SL_STREAM_IN_TCP_CLOSED || (r->kind == SL_STREAM_IN_TCP_CONNECTED && r->error))
		mark_peer(w, r, false);
	else if (r->kind == SL_STREAM_IN_REMOTE)
		mark(w, &r->peer, SL_MARK_TURN + r->flow.listener, r->on);
	else if (r->kind == SL_STREAM_IN_CLOSED)
		mark(w, r->peer.port_be ? &r->peer : &(struct sl_endpoint){r->flow.ip, r->flow.port_be}, SL_MARK_TURN + r->flow.listener, false);
	sl_turn_stream_input(&w->turn, r, &w->now, w->reply, sizeof w->reply);
}

unsigned sl_streams_input(struct sl_worker *w)
{
	unsigned n = 0;
	if (unlikely(w->streams.recall))
		recall(w);
	for (unsigned t = 0; t < w->streams.n; t++) {
		struct sl_byte_ring *ring = w->streams.in[t];
		const struct sl_stream_record *r;
		size_t len;
		for (unsigned i = 0; i < RECORDS_PER_ROUND && (r = sl_byte_ring_peek(ring, &len)); i++, n++) {
			record(w, r);
			sl_byte_ring_take(ring);
		}
	}
	if (n)
		sl_path_run_loops(w);
	return n;
}

void sl_streams_handed(struct sl_worker *w, struct rte_mbuf *m)
{
	struct sl_stream_record r;
	memcpy(&r, rte_pktmbuf_mtod(m, uint8_t *), sizeof r);
	frame(w, &r, rte_pktmbuf_mtod_offset(m, const uint8_t *, sizeof r), true);
	rte_pktmbuf_free(m);
}
