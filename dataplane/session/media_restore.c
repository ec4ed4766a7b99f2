/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Cold records of legs: kept while the leg lives, taken up when the working half starts again. A record alone makes no
 * leg: its slot and ports wait until the control plane sets the same leg again, and then it is given back what it had
 * learned, where its indices stand, and how far the outgoing ones are reserved. */

#include <netinet/in.h>
#include <string.h>

#include "dataplane/session/media_internal.h"

#define NO_INDEX UINT64_MAX

/* ---- while the leg lives ---- */

/* We may be killed between any two stores: what stands above is written before what stands below. */
static void in_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

static void note_rx(struct sl_cold_leg *c, const struct sl_media *m, uint32_t leg)
{
	const struct sl_leg_rx *rx = &m->rx[leg];
	c->rx_ssrc = rx->ssrc;
	c->rx_top = rx->state & SL_RX_STARTED ? sl_leg_rx_index(rx) : NO_INDEX;
	c->rtcp_top = m->more[leg].rtcp_state.started_in ? m->more[leg].rtcp_state.top_in : 0;
	c->rx_packets = m->more[leg].rx_packets_past + rx->packets;
	c->rx_bytes = rx->bytes;
	c->tx_packets = sl_media_tx_packets(m, leg);
	c->tx_bytes = sl_media_tx_bytes(m, leg);
}

static void note_remote(struct sl_cold_leg *c, const struct sl_media *m, uint32_t leg)
{
	c->rtp_ip = m->tx[leg].ip;
	c->rtp_port_be = m->tx[leg].port_be;
	c->rtcp_ip = m->more[leg].rtcp.ip;
	c->rtcp_port_be = m->more[leg].rtcp.port_be;
	in_order();
	c->locked = (m->rx[leg].state & SL_RX_LOCKED) && m->more[leg].learn != SL_LEARN_OFF;
}

static void note_tx(struct sl_cold_leg *c, const struct sl_media *m, uint32_t leg)
{
	const struct sl_leg_tx *tx = &m->tx[leg];
	c->tx_ssrc = tx->ssrc;
	c->tx_in_ssrc = tx->in_ssrc;
	c->tx_seq_offset = tx->seq_offset;
	c->tx_ts_offset = tx->ts_offset;
}

static void raise_to(_Atomic uint64_t *to, uint64_t index)
{
	if (atomic_load_explicit(to, memory_order_relaxed) < index)
		atomic_store_explicit(to, index, memory_order_relaxed);
}

/* The record of a living leg is changed while it is valid: without one, the same keys would begin anew after a restart. In
 * between it may say less than is true of what was learned and received, never of what was sent. */
static void rewrite(struct sl_cold_leg *c, const struct sl_media *m, uint32_t leg)
{
	const struct sl_leg_more *more = &m->more[leg];
	uint64_t reserved = m->crypto[leg].tx_reserved;
	c->locked = 0;
	c->rx_top = NO_INDEX;
	raise_to(&c->tx_reserved, reserved);
	in_order();
	c->rtp_port = more->rtp_port;
	c->address = m->tx[leg].address;
	memcpy(c->key_in_print, more->key_in_print, sizeof c->key_in_print);
	c->key_out_print = more->key_out_print;
	note_tx(c, m, leg);
	c->rx_ssrc = m->rx[leg].ssrc;
	in_order();
	note_rx(c, m, leg);
	note_remote(c, m, leg);
	atomic_store_explicit(&c->tx_reserved, reserved, memory_order_relaxed);
	atomic_store_explicit(&c->rtcp_reserved, more->rtcp_state.out_reserved, memory_order_relaxed);
	in_order();
}

void sl_media_cold_begin(struct sl_media *m, uint32_t leg)
{
	if (!m->cold.legs)
		return;
	struct sl_cold_leg *c = &m->cold.legs[leg];
	if (atomic_load_explicit(&c->valid, memory_order_relaxed) != m->more[leg].id)
		atomic_store_explicit(&c->valid, 0, memory_order_release);
	in_order();
	rewrite(c, m, leg);
	atomic_store_explicit(&c->valid, m->more[leg].id, memory_order_release);
}

void sl_media_cold_end(struct sl_media *m, uint32_t leg)
{
	if (m->cold.legs)
		atomic_store_explicit(&m->cold.legs[leg].valid, 0, memory_order_release);
}

void sl_media_cold_note(struct sl_media *m, uint32_t leg)
{
	if (!m->cold.legs)
		return;
	struct sl_cold_leg *c = &m->cold.legs[leg];
	if (c->rtp_port_be != m->tx[leg].port_be || !sl_ip_eq(&c->rtp_ip, &m->tx[leg].ip) ||
		c->rtcp_port_be != m->more[leg].rtcp.port_be || c->rx_ssrc != m->rx[leg].ssrc ||
		c->tx_ssrc != m->tx[leg].ssrc) {
		sl_media_cold_begin(m, leg); /* several fields that belong together */
		return;
	}
	note_rx(c, m, leg);
	note_tx(c, m, leg);
}

void sl_media_reserve(struct sl_media *m, uint32_t leg)
{
	struct sl_leg_crypto *crypto = &m->crypto[leg];
	crypto->tx_reserved = sl_media_tx_index(m, leg) + SL_SRTP_RESERVE;
	if (m->cold.legs)
		atomic_store_explicit(&m->cold.legs[leg].tx_reserved, crypto->tx_reserved, memory_order_release);
}

void sl_media_reserve_rtcp(struct sl_media *m, uint32_t leg)
{
	enum { RTCP_RESERVE = 16 };
	struct sl_leg_rtcp *r = &m->more[leg].rtcp_state;
	r->out_reserved = r->out + RTCP_RESERVE;
	if (m->cold.legs)
		atomic_store_explicit(&m->cold.legs[leg].rtcp_reserved, r->out_reserved, memory_order_release);
}

/* ---- after a restart ---- */

/* Take one free slot out of the list: restoring is rare, the list is short of nothing. */
static void take_slot(struct sl_media *m, const bool *waiting)
{
	m->free = SL_NONE;
	for (uint32_t i = m->n_legs; i-- > 0;) {
		if (waiting[i])
			continue;
		m->more[i].routes = m->free;
		m->free = i;
	}
}

static bool plausible(const struct sl_media *m, const struct sl_cold_leg *c)
{
	return c->address < m->n_addresses && c->rtp_port >= m->port_min && c->rtp_port <= m->port_max &&
		sl_media_port_worker(c->rtp_port, m->n_workers) == m->worker &&
		m->ports.leg[(size_t)c->address << 16 | c->rtp_port] == SL_NONE;
}

static bool wait_for(struct sl_media *m, uint32_t leg, uint64_t id)
{
	struct sl_cold_leg *c = &m->cold.legs[leg];
	if (!plausible(m, c)) {
		atomic_store_explicit(&c->valid, 0, memory_order_relaxed);
		return false;
	}
	m->more[leg] = (struct sl_leg_more){.id = id,
		.slot = (uint8_t)(id >> SL_LEG_SLOT_SHIFT),
		.rtp_port = c->rtp_port,
		.routes = SL_NONE,
		.routes_in = SL_NONE,
		.streams_rx = SL_NONE,
		.streams_tx = SL_NONE};
	m->tx[leg].address = c->address;
	m->ports.leg[(size_t)c->address << 16 | c->rtp_port] = leg << 1;
	return true;
}

/* A parked stream of a waiting leg keeps its place, too. */
static void restore_streams(struct sl_media *m)
{
	m->stream_free = SL_NONE;
	for (uint32_t i = m->n_streams; i-- > 0;) {
		struct sl_cold_stream *c = &m->cold.streams[i];
		uint64_t id = atomic_load_explicit(&c->valid, memory_order_acquire);
		struct sl_media_stream *s = &m->streams[i];
		if (!id || c->leg >= m->n_legs || m->more[c->leg].id != id || c->tx > 1) {
			atomic_store_explicit(&c->valid, 0, memory_order_relaxed);
			*s = (struct sl_media_stream){.next = m->stream_free, .leg = SL_NONE};
			m->stream_free = i;
			continue;
		}
		uint64_t index = atomic_load_explicit(&c->index, memory_order_relaxed) & SL_SRTP_INDEX_MAX;
		uint32_t *head = c->tx ? &m->more[c->leg].streams_tx : &m->more[c->leg].streams_rx;
		*s = (struct sl_media_stream){.next = *head, .ssrc = c->ssrc, .leg = c->leg, .tx = (uint8_t)c->tx, .started = 2};
		*head = i;
		if (c->tx) {
			m->more[c->leg].n_streams_tx++;
			s->out.in_ssrc = c->ssrc;
			s->out.reserved = index;
			s->out.window = UINT64_MAX; /* all below may have been used */
			index = index ? index - 1 : 0;
		} else {
			m->more[c->leg].n_streams_rx++;
			sl_srtp_window_fill(m->windows + ((size_t)m->n_legs + i) * (m->window_bits / 64), m->window_bits);
		}
		s->seq = (uint16_t)index;
		s->roc = (uint32_t)(index >> 16);
	}
}

void sl_media_restore(struct sl_media *m)
{
	bool *waiting = (bool *)m->windows; /* zeroed scratch, given back zeroed: one byte a leg fits in its window */
	_Static_assert(sizeof(bool) <= SL_SRTP_WINDOW_MIN / 8, "the scratch fits");
	for (uint32_t i = 0; i < m->n_legs; i++) {
		uint64_t id = atomic_load_explicit(&m->cold.legs[i].valid, memory_order_acquire);
		waiting[i] = id && wait_for(m, i, id);
	}
	take_slot(m, waiting);
	memset(waiting, 0, m->n_legs * sizeof *waiting);
	restore_streams(m);
}

void sl_media_adopt_begin(struct sl_media *m, uint32_t leg, uint64_t now_ms)
{
	m->more[leg].created_ms = (uint32_t)now_ms;
	m->rx[leg] = (struct sl_leg_rx){.dest = SL_DEST_NONE, .pt = SL_RTP_N_PT, .last_ms = (uint32_t)now_ms};
}

static void adopt_remote(struct sl_media *m, uint32_t leg, const struct sl_cold_leg *c)
{
	struct sl_leg_more *more = &m->more[leg];
	if (!c->locked || more->learn == SL_LEARN_OFF)
		return;
	m->tx[leg].ip = m->rx[leg].ip = c->rtp_ip;
	m->tx[leg].port_be = m->rx[leg].port_be = c->rtp_port_be;
	m->tx[leg].state |= SL_TX_READY;
	more->rtcp = (struct sl_endpoint){c->rtcp_ip, c->rtcp_port_be};
	m->rx[leg].state |= SL_RX_LOCKED;
	more->learning = false;
}

/* One key that the leg had is one that it has: what authenticated under either set is of one sender. */
static bool shares_key(const uint64_t a[SL_SRTP_KEYS_MAX], const uint64_t b[SL_SRTP_KEYS_MAX])
{
	for (unsigned i = 0; i < SL_SRTP_KEYS_MAX; i++)
		for (unsigned k = 0; k < SL_SRTP_KEYS_MAX; k++)
			if (a[i] == b[k] && (a[i] || (!a[0] && !a[1] && !b[0] && !b[1])))
				return true;
	return false;
}

static void adopt_rx(struct sl_media *m, uint32_t leg, const struct sl_cold_leg *c)
{
	struct sl_leg_rx *rx = &m->rx[leg];
	struct sl_leg_more *more = &m->more[leg];
	rx->bytes = c->rx_bytes;
	more->rx_packets_past = c->rx_packets;
	rx->state &= (uint16_t)~SL_RX_REKEYED;
	if (!shares_key(c->key_in_print, more->key_in_print))
		return;
	more->rtcp_state.top_in = c->rtcp_top;
	more->rtcp_state.started_in = c->rtcp_top != 0;
	if (c->rx_top == NO_INDEX)
		return;
	rx->ssrc = c->rx_ssrc;
	rx->roc = (uint32_t)(c->rx_top >> 16);
	rx->seq = (uint16_t)c->rx_top;
	rx->base = (uint32_t)c->rx_top + 1;
	rx->state |= SL_RX_STARTED;
	sl_srtp_window_fill(sl_media_window(m, leg), m->window_bits);
}

static void adopt_tx(struct sl_media *m, uint32_t leg, const struct sl_cold_leg *c)
{
	struct sl_leg_tx *tx = &m->tx[leg];
	struct sl_leg_more *more = &m->more[leg];
	uint64_t reserved = atomic_load_explicit(&c->tx_reserved, memory_order_relaxed) & SL_SRTP_INDEX_MAX;
	tx->packets = (uint32_t)c->tx_packets;
	more->tx_packets_hi = (uint32_t)(c->tx_packets >> 32);
	tx->bytes = (uint32_t)c->tx_bytes;
	more->tx_bytes_hi = (uint32_t)(c->tx_bytes >> 32);
	if (c->key_out_print != more->key_out_print)
		return;
	if (tx->state & SL_TX_SECURE) /* also of a leg that has sent RTCP and no RTP yet */
		more->rtcp_state.out = more->rtcp_state.out_reserved =
			atomic_load_explicit(&c->rtcp_reserved, memory_order_relaxed);
	if ((tx->state & SL_TX_REWRITE) && c->tx_ssrc)
		more->out_ssrc = c->tx_ssrc;
	if (!(tx->state & SL_TX_SECURE) || !reserved)
		return;
	tx->ssrc = c->tx_ssrc;
	tx->in_ssrc = c->tx_in_ssrc;
	tx->seq_offset = c->tx_seq_offset;
	tx->ts_offset = c->tx_ts_offset;
	m->crypto[leg].tx_reserved = reserved;
	m->crypto[leg].tx_window = UINT64_MAX;
	m->crypto[leg].tx_roc = (uint32_t)((reserved - 1) >> 16);
	tx->seq = (uint16_t)(reserved - 1);
	tx->state = (uint16_t)((tx->state & ~SL_TX_RESYNC) | SL_TX_STARTED | SL_TX_RESTORED);
}

/* Parked streams of keys that are not the leg's any more say nothing. */
static void adopt_streams(struct sl_media *m, uint32_t leg)
{
	const struct sl_leg_more *more = &m->more[leg];
	for (uint32_t at = more->streams_tx; at != SL_NONE; at = m->streams[at].next)
		if (m->cold.streams[at].print != more->key_out_print)
			m->streams[at].out.reserved = 0, m->streams[at].started = 1;
}

void sl_media_adopt(struct sl_media *m, uint32_t leg)
{
	const struct sl_cold_leg c = m->cold.legs[leg];
	adopt_remote(m, leg, &c);
	adopt_rx(m, leg, &c);
	adopt_tx(m, leg, &c);
	adopt_streams(m, leg);
	if (m->tx[leg].state & SL_TX_STARTED)
		sl_media_streams_forget(m, leg, true, m->tx[leg].ssrc);
	if (m->rx[leg].state & SL_RX_STARTED)
		sl_media_streams_forget(m, leg, false, m->rx[leg].ssrc);
	sl_media_cold_begin(m, leg);
}
