/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/session/dtmf.h"

#include "dataplane/wire/rtp.h"

enum { END_BIT = 0x80, VOLUME_MASK = 0x3f, MS_PER_S = 1000 };

/* ---- received ---- */

static uint16_t in_ms(uint64_t units, uint32_t hz)
{
	uint64_t ms = hz ? units * MS_PER_S / hz : 0;
	return ms < UINT16_MAX ? (uint16_t)ms : UINT16_MAX;
}

static struct sl_dtmf_report end_event(struct sl_dtmf_rx *rx, uint32_t hz)
{
	rx->under_way = false;
	return (struct sl_dtmf_report){rx->event, rx->volume, in_ms((uint64_t)rx->before + rx->duration, hz)};
}

/* A packet that was overtaken by the event after it. A source that began its timestamps anew is older than that. */
static bool is_late(const struct sl_dtmf_rx *rx, uint32_t ts, uint32_t hz, uint32_t now_ms)
{
	uint32_t behind = rx->ts - ts;
	return rx->known && behind > 0 && behind < (uint64_t)hz * SL_DTMF_LATE_MS / MS_PER_S + SL_DTMF_SEGMENT &&
		now_ms - rx->last_ms < SL_DTMF_LATE_MS;
}

unsigned sl_dtmf_receive(struct sl_dtmf_rx *rx, uint32_t ts, const uint8_t *payload, unsigned len, uint32_t hz,
	uint32_t now_ms, struct sl_dtmf_report out[SL_DTMF_REPORTS_MAX])
{
	unsigned n = 0;
	if (len < SL_DTMF_PAYLOAD_BYTES)
		return 0;
	uint16_t duration = sl_rtp_get16(payload + 2);
	bool same_event = rx->known && payload[0] == rx->event;
	if (same_event && rx->under_way && ts == rx->ts + SL_DTMF_SEGMENT) { /* RFC 4733 2.5.1.3: it goes on */
		rx->before += SL_DTMF_SEGMENT;
		rx->duration = 0;
	} else if (!same_event || ts != rx->ts) {
		if (is_late(rx, ts, hz, now_ms))
			return 0;
		if (rx->under_way)
			out[n++] = end_event(rx, hz);
		*rx = (struct sl_dtmf_rx){.event = payload[0], .known = true, .under_way = true, .told = rx->told};
	} else if (!rx->under_way) {
		return 0; /* its last packet again */
	}
	rx->ts = ts;
	rx->last_ms = now_ms;
	rx->volume = payload[1] & VOLUME_MASK;
	if (duration > rx->duration)
		rx->duration = duration;
	if (payload[1] & END_BIT)
		out[n++] = end_event(rx, hz);
	return n;
}

bool sl_dtmf_silent(struct sl_dtmf_rx *rx, uint32_t hz, uint32_t now_ms, struct sl_dtmf_report *out)
{
	if (!rx->under_way || now_ms - rx->last_ms < SL_DTMF_LOST_MS)
		return false;
	*out = end_event(rx, hz);
	return true;
}

/* ---- sent ---- */

bool sl_dtmf_queue(struct sl_dtmf_tx *tx, const struct sl_dtmf_event *e)
{
	if (tx->n == SL_DTMF_QUEUE)
		return false;
	tx->queue[(tx->first + tx->n++) % SL_DTMF_QUEUE] = *e;
	return true;
}

static bool is_quiet(struct sl_dtmf_tx *tx, uint32_t now_ms)
{
	if (tx->pausing && (int32_t)(tx->quiet_ms - now_ms) <= 0)
		tx->pausing = false;
	return tx->pausing;
}

static void begin(struct sl_dtmf_tx *tx, uint32_t now_ms, uint32_t ts)
{
	tx->phase = SL_DTMF_EVENT;
	tx->began_ms = now_ms;
	tx->ts = ts;
	tx->before = 0;
}

/* The third final packet has gone: on to the next segment, or the event is over. */
static void finish(struct sl_dtmf_tx *tx, const struct sl_dtmf_event *e)
{
	if (tx->phase == SL_DTMF_SEGMENT_ENDS) {
		tx->before += SL_DTMF_SEGMENT;
		tx->ts += SL_DTMF_SEGMENT;
		tx->phase = SL_DTMF_EVENT;
		return;
	}
	tx->quiet_ms = tx->began_ms + e->duration_ms + e->pause_ms;
	tx->pausing = true;
	tx->phase = SL_DTMF_IDLE;
	tx->first = (uint8_t)((tx->first + 1) % SL_DTMF_QUEUE);
	tx->n--;
}

enum sl_dtmf_step sl_dtmf_send(struct sl_dtmf_tx *tx, uint32_t now_ms, uint32_t ts, uint32_t hz,
	struct sl_dtmf_packet *out)
{
	if (!tx->n)
		return SL_DTMF_NOTHING;
	if (tx->phase == SL_DTMF_IDLE && is_quiet(tx, now_ms))
		return SL_DTMF_GAP;
	const struct sl_dtmf_event e = tx->queue[tx->first];
	bool first = tx->phase == SL_DTMF_IDLE;
	if (first)
		begin(tx, now_ms, ts);
	/* A packet covers the time up to the next one, as a frame of audio does. */
	uint32_t elapsed = now_ms - tx->began_ms + SL_DTMF_STEP_MS;
	bool over = elapsed >= e.duration_ms;
	uint64_t units = (uint64_t)(over ? e.duration_ms : elapsed) * hz / MS_PER_S - tx->before;
	if (tx->phase == SL_DTMF_EVENT && (units > SL_DTMF_SEGMENT || over)) {
		tx->phase = units > SL_DTMF_SEGMENT ? SL_DTMF_SEGMENT_ENDS : SL_DTMF_EVENT_ENDS;
		tx->left = SL_DTMF_FINAL_PACKETS;
	}
	bool end = tx->phase == SL_DTMF_EVENT_ENDS;
	*out = (struct sl_dtmf_packet){.ts = tx->ts, .marker = first,
		.payload = {e.event, (uint8_t)((end ? END_BIT : 0) | (e.volume & VOLUME_MASK))}};
	sl_rtp_put16(out->payload + 2, units > SL_DTMF_SEGMENT ? SL_DTMF_SEGMENT : (uint16_t)units);
	if (tx->phase != SL_DTMF_EVENT && --tx->left == 0)
		finish(tx, &e);
	return SL_DTMF_PACKET;
}
