/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* SSRCs beyond the one in a leg's hot lines: parked in a pool, swapped in when their packets come.
 *
 * What a key has been used for must never be forgotten while the key lives: under a key a full pool refuses a new SSRC;
 * without one the SSRC that was parked first makes room. */

#include <errno.h>
#include <string.h>

#include "dataplane/session/media_internal.h"

void sl_media_streams_init(struct sl_media *m)
{
	m->stream_free = SL_NONE;
	for (uint32_t i = m->n_streams; i-- > 0;) {
		m->streams[i] = (struct sl_media_stream){.next = m->stream_free, .leg = SL_NONE};
		m->stream_free = i;
	}
}

static uint64_t *window_of(const struct sl_media *m, uint32_t stream)
{
	return m->windows + ((size_t)m->n_legs + stream) * (m->window_bits / 64);
}

static uint32_t *head_of(struct sl_media *m, uint32_t leg, bool tx)
{
	return tx ? &m->more[leg].streams_tx : &m->more[leg].streams_rx;
}

static uint8_t *count_of(struct sl_media *m, uint32_t leg, bool tx)
{
	return tx ? &m->more[leg].n_streams_tx : &m->more[leg].n_streams_rx;
}

static bool is_secure(const struct sl_media *m, uint32_t leg, bool tx)
{
	return tx ? m->tx[leg].state & SL_TX_SECURE : m->rx[leg].state & SL_RX_SECURE;
}

/* The link that points to ssrc's record, or to the end of the list. */
static uint32_t *find(struct sl_media *m, uint32_t leg, bool tx, uint32_t ssrc)
{
	uint32_t *at = head_of(m, leg, tx);
	while (*at != SL_NONE && m->streams[*at].ssrc != ssrc)
		at = &m->streams[*at].next;
	return at;
}

static void release(struct sl_media *m, uint32_t *link, bool tx)
{
	uint32_t at = *link;
	struct sl_media_stream *s = &m->streams[at];
	*link = s->next;
	--*count_of(m, s->leg, tx);
	if (m->cold.streams)
		atomic_store_explicit(&m->cold.streams[at].valid, 0, memory_order_release);
	*s = (struct sl_media_stream){.next = m->stream_free, .leg = SL_NONE};
	m->stream_free = at;
}

/* An SSRC that is brought back keeps its place until the leg's record is of it, so that a crash in between finds every SSRC
 * somewhere; only a full pool needs the place at once. */
static bool take_back(struct sl_media *m, uint32_t *link, bool tx, struct sl_media_stream *back)
{
	*back = m->streams[*link];
	if (m->stream_free != SL_NONE)
		return false;
	release(m, link, tx);
	return true;
}

/* Room for one more SSRC: false where nothing may be forgotten and nothing is free. */
static bool make_room(struct sl_media *m, uint32_t leg, bool tx)
{
	if (*count_of(m, leg, tx) < SL_MEDIA_STREAMS_PER_LEG && m->stream_free != SL_NONE)
		return true;
	uint32_t *last = head_of(m, leg, tx);
	if (is_secure(m, leg, tx) || *last == SL_NONE)
		return false;
	while (m->streams[*last].next != SL_NONE)
		last = &m->streams[*last].next;
	if (!tx)
		m->more[leg].rx_packets_past += m->streams[*last].rx.packets;
	release(m, last, tx);
	return true;
}

/* The record first, so that a crash between the two finds the SSRC in either place. */
static void note_cold(struct sl_media *m, uint32_t at)
{
	const struct sl_media_stream *s = &m->streams[at];
	if (!m->cold.streams || !is_secure(m, s->leg, s->tx))
		return;
	struct sl_cold_stream *c = &m->cold.streams[at];
	c->ssrc = s->ssrc;
	c->leg = s->leg;
	c->tx = s->tx;
	c->print = s->tx ? m->more[s->leg].key_out_print : m->more[s->leg].key_in_print[0];
	/* Release: an index of the key before stands as long as its print does. */
	atomic_store_explicit(&c->index, s->tx ? s->out.reserved : (uint64_t)s->roc << 16 | s->seq, memory_order_release);
	atomic_store_explicit(&c->valid, m->more[s->leg].id, memory_order_release);
}

static uint32_t take(struct sl_media *m, uint32_t leg, bool tx)
{
	uint32_t at = m->stream_free;
	m->stream_free = m->streams[at].next;
	uint32_t *head = head_of(m, leg, tx);
	m->streams[at] = (struct sl_media_stream){.next = *head, .leg = leg, .tx = tx};
	*head = at;
	++*count_of(m, leg, tx);
	return at;
}

static void park_rx(struct sl_media *m, uint32_t leg)
{
	const struct sl_leg_rx *rx = &m->rx[leg];
	uint32_t at = take(m, leg, false);
	struct sl_media_stream *s = &m->streams[at];
	s->ssrc = rx->ssrc;
	s->started = 1;
	s->seq = rx->seq;
	s->roc = rx->roc;
	s->rx.base = rx->base;
	s->rx.packets = rx->packets;
	s->rx.jitter_q4 = rx->jitter_q4;
	s->rx.transit = rx->transit;
	memcpy(window_of(m, at), sl_media_window(m, leg), m->window_bits / 8);
	note_cold(m, at);
}

bool sl_media_rx_peek(const struct sl_media *m, uint32_t leg, uint32_t ssrc, uint64_t *top, const uint64_t **window)
{
	for (uint32_t at = m->more[leg].streams_rx; at != SL_NONE; at = m->streams[at].next) {
		const struct sl_media_stream *s = &m->streams[at];
		if (s->ssrc != ssrc)
			continue;
		*top = (uint64_t)s->roc << 16 | s->seq;
		*window = window_of(m, at);
		return true;
	}
	return false;
}

bool sl_media_rx_switch(struct sl_media *m, uint32_t leg, uint32_t ssrc)
{
	struct sl_leg_rx *rx = &m->rx[leg];
	uint32_t *link = find(m, leg, false, ssrc);
	struct sl_media_stream back = {0};
	uint64_t window[SL_SRTP_WINDOW_MAX / 64];
	bool known = *link != SL_NONE, released = !known;
	if (!known && (rx->state & SL_RX_STARTED) && !make_room(m, leg, false))
		return false;
	if (known) {
		memcpy(window, window_of(m, *link), m->window_bits / 8);
		released = take_back(m, link, false, &back);
	}
	if (rx->state & SL_RX_STARTED)
		park_rx(m, leg);
	rx->ssrc = ssrc;
	rx->seq = back.seq;
	rx->roc = back.roc;
	rx->base = back.rx.base;
	rx->packets = back.rx.packets;
	rx->jitter_q4 = back.rx.jitter_q4;
	rx->transit = back.rx.transit;
	rx->state = (uint16_t)(known ? rx->state | SL_RX_STARTED : rx->state & ~SL_RX_STARTED);
	if (known)
		memcpy(sl_media_window(m, leg), window, m->window_bits / 8);
	m->more[leg].n_ssrc = (uint16_t)(m->more[leg].n_ssrc + !known);
	if (rx->state & SL_RX_SECURE)
		sl_media_cold_begin(m, leg);
	if (!released)
		release(m, find(m, leg, false, ssrc), false);
	return true;
}

static void park_tx(struct sl_media *m, uint32_t leg)
{
	const struct sl_leg_tx *tx = &m->tx[leg];
	uint32_t at = take(m, leg, true);
	struct sl_media_stream *s = &m->streams[at];
	s->ssrc = tx->ssrc;
	s->started = 1;
	s->seq = tx->seq;
	s->roc = m->crypto[leg].tx_roc;
	s->out.in_ssrc = tx->in_ssrc;
	s->out.ts_offset = tx->ts_offset;
	s->out.ts = tx->ts;
	s->out.seq_offset = tx->seq_offset;
	s->out.window = m->crypto[leg].tx_window;
	s->out.reserved = m->crypto[leg].tx_reserved;
	note_cold(m, at);
}

bool sl_media_tx_switch(struct sl_media *m, uint32_t leg, uint32_t ssrc)
{
	struct sl_leg_tx *tx = &m->tx[leg];
	struct sl_leg_crypto *crypto = &m->crypto[leg];
	uint32_t *link = find(m, leg, true, ssrc);
	struct sl_media_stream back = {.out.in_ssrc = ssrc};
	bool known = *link != SL_NONE, released = !known;
	if (!known && (tx->state & SL_TX_STARTED) && !make_room(m, leg, true))
		return false;
	if (known)
		released = take_back(m, link, true, &back);
	if (tx->state & SL_TX_STARTED)
		park_tx(m, leg);
	tx->ssrc = ssrc;
	tx->in_ssrc = back.out.in_ssrc;
	tx->seq = back.seq;
	crypto->tx_roc = back.roc;
	tx->seq_offset = back.out.seq_offset;
	tx->ts_offset = back.out.ts_offset;
	tx->ts = back.out.ts;
	tx->state = (uint16_t)((tx->state & ~(SL_TX_STARTED | SL_TX_RESYNC | SL_TX_RESTORED)) | (known ? SL_TX_STARTED : 0));
	if (known && back.started == 2) /* from a cold record: all below reserved may have been used */
		tx->state |= SL_TX_RESTORED;
	crypto->tx_window = back.out.window;
	crypto->tx_reserved = back.out.reserved;
	if (tx->state & SL_TX_SECURE) /* what the leg's record says from now on is of this SSRC */
		sl_media_cold_begin(m, leg);
	if (!released)
		release(m, find(m, leg, true, ssrc), true);
	return true;
}

void sl_media_streams_forget(struct sl_media *m, uint32_t leg, bool tx, uint32_t ssrc)
{
	uint32_t *link = find(m, leg, tx, ssrc);
	if (*link != SL_NONE)
		release(m, link, tx);
}

void sl_media_streams_end(struct sl_media *m, uint32_t leg)
{
	while (m->more[leg].n_streams_rx)
		release(m, &m->more[leg].streams_rx, false);
	while (m->more[leg].n_streams_tx)
		release(m, &m->more[leg].streams_tx, true);
}

void sl_media_streams_rekeyed(struct sl_media *m, uint32_t leg)
{
	for (uint32_t at = m->more[leg].streams_tx; at != SL_NONE; at = m->streams[at].next) {
		struct sl_media_stream *s = &m->streams[at];
		s->out.window = UINT64_MAX; /* it goes on, never back */
		s->out.reserved = 0;
		s->started = 1;
		note_cold(m, at);
	}
}
