/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/session/rtcp.h"

#include <errno.h>
#include <string.h>

_Static_assert(SL_RTCP_MAP_MAX >= SL_MEDIA_STREAMS_PER_LEG + 1, "a map holds the hot stream and all parked ones");

/* ---- SRTCP replay (RFC 3711 3.3.2, 3.4) ---- */

/* Keys are told apart by what they are, as a command may exchange their places. */
static uint32_t print_of(const struct sl_leg_rtcp *r, unsigned key)
{
	uint32_t print;
	memcpy(&print, r->key_in[key].key, sizeof print);
	return print;
}

static int place_of(const struct sl_leg_rtcp *r, uint32_t print, uint32_t ssrc)
{
	for (unsigned i = 0; i < r->n_in; i++)
		if (r->in[i].ssrc == ssrc && r->in[i].key == print)
			return (int)i;
	return -1;
}

/* Where a new sender goes: a free place, or that of a key which is gone. -1: there is none. */
static int free_place(const struct sl_leg_rtcp *r)
{
	if (r->n_in < SL_SRTCP_SENDERS)
		return r->n_in;
	for (unsigned i = 0; i < SL_SRTCP_SENDERS; i++) {
		unsigned k = 0;
		while (k < SL_SRTP_KEYS_MAX && !(r->key_in[k].suite && print_of(r, k) == r->in[i].key))
			k++;
		if (k == SL_SRTP_KEYS_MAX)
			return (int)i;
	}
	return -1;
}

/* After a restart the cold record's top_in is all that is known: what is up to it was seen, whoever sent it, until
 * there is another key. */
static void begin(struct sl_leg_rtcp *r)
{
	if (!r->started_in) {
		r->floored_in = false;
	} else if (!r->n_in && !r->floored_in) {
		r->floored_in = true;
		r->floor_in = r->top_in;
	}
}

int sl_rtcp_replay_check(struct sl_leg_rtcp *r, unsigned key, uint32_t ssrc, uint32_t index)
{
	begin(r);
	int i = place_of(r, print_of(r, key), ssrc);
	if (i >= 0) {
		uint64_t window;
		memcpy(&window, r->in[i].window, sizeof window);
		return sl_srtp_window_fresh(&window, SL_SRTCP_WINDOW_BITS, r->in[i].top, true, index) ? 0 : -EEXIST;
	}
	if (r->floored_in && index <= r->floor_in)
		return -EEXIST;
	return free_place(r) >= 0 ? 0 : -ENOSPC;
}

void sl_rtcp_replay_commit(struct sl_leg_rtcp *r, unsigned key, uint32_t ssrc, uint32_t index)
{
	uint32_t print = print_of(r, key);
	int i = place_of(r, print, ssrc);
	bool known = i >= 0;
	uint64_t window = 0;
	if (!known) {
		i = free_place(r);
		r->n_in = (uint8_t)(r->n_in + (i == r->n_in));
		r->in[i].ssrc = ssrc;
		r->in[i].key = print;
	} else {
		memcpy(&window, r->in[i].window, sizeof window);
	}
	r->in[i].top = (uint32_t)sl_srtp_window_commit(&window, SL_SRTCP_WINDOW_BITS, r->in[i].top, known, index);
	if (!known && r->floored_in)
		sl_srtp_window_fill(&window, SL_SRTCP_WINDOW_BITS);
	memcpy(r->in[i].window, &window, sizeof window);
	if (!r->started_in || index > r->top_in)
		r->top_in = index;
	r->started_in = true;
}

/* ---- reports about what we sent (RFC 3550 6.4.1) ---- */

/* Was the SSRC sent to leg by us? */
static bool is_sent(const struct sl_media *m, uint32_t leg, uint32_t ssrc)
{
	const struct sl_leg_tx *tx = &m->tx[leg];
	if ((tx->state & SL_TX_STARTED) && tx->ssrc == ssrc)
		return true;
	for (uint32_t at = m->more[leg].streams_tx; at != SL_NONE; at = m->streams[at].next)
		if (m->streams[at].ssrc == ssrc)
			return true;
	return false;
}

static void take_round_trip(struct sl_leg_rtcp *r, const struct sl_rtcp_block *b, uint32_t now_us)
{
	enum { DLSR_HZ = 65536, US_PER_S = 1000000 };
	uint32_t elapsed = now_us - r->sr_us;
	uint64_t held = (uint64_t)b->dlsr * US_PER_S / DLSR_HZ;
	if (!b->lsr || b->lsr != r->sr_mid || held > elapsed)
		return;
	r->rtt_us = elapsed - (uint32_t)held;
	if (!r->rtt_us)
		r->rtt_us = 1; /* 0 says unknown */
}

void sl_rtcp_take_reports(struct sl_media *m, uint32_t leg, const uint8_t *rtcp, size_t len, uint32_t now_us)
{
	struct sl_leg_rtcp *r = &m->more[leg].rtcp_state;
	const struct sl_leg_rx *rx = &m->rx[leg];
	/* What goes to the remote end has the clock of what comes from it. */
	bool heard = rx->state & SL_RX_STARTED;
	uint32_t hz = sl_media_clocks[heard ? rx->clock : sl_media_clock(&m->more[leg], m->more[leg].audio_pt)];
	struct sl_rtcp_packet k;
	for (size_t at = 0; sl_rtcp_next(rtcp, len, &at, &k) > 0;) {
		for (unsigned i = 0; i < sl_rtcp_n_blocks(&k); i++) {
			struct sl_rtcp_block b;
			sl_rtcp_block(rtcp, &k, i, &b);
			if (!is_sent(m, leg, b.ssrc))
				continue;
			r->peer_fraction = b.fraction;
			r->peer_lost = b.lost > 0 ? (uint32_t)b.lost : 0;
			r->peer_jitter = b.jitter;
			r->peer_clock_hz = hz;
			take_round_trip(r, &b, now_us);
		}
	}
}

void sl_rtcp_note_sent(struct sl_media *m, uint32_t leg, const uint8_t *rtcp, size_t len, uint32_t now_us)
{
	struct sl_leg_rtcp *r = &m->more[leg].rtcp_state;
	struct sl_rtcp_packet k;
	struct sl_rtcp_sender s;
	for (size_t at = 0; sl_rtcp_next(rtcp, len, &at, &k) > 0;) {
		if (!sl_rtcp_sender_info(rtcp, &k, &s))
			continue;
		r->sr_mid = sl_rtcp_ntp_middle(s.ntp);
		r->sr_us = now_us;
	}
}

/* ---- translation (RFC 3550 7.2) ---- */

static void add(struct sl_rtcp_map *map, uint32_t from, uint32_t to, uint16_t seq_add, uint32_t ts_add)
{
	if (from == to && !seq_add && !ts_add)
		return;
	map->e[map->n].from = from;
	map->e[map->n].to = to;
	map->e[map->n].seq_add = seq_add;
	map->e[map->n].ts_add = ts_add;
	map->e[map->n].counted = false;
	map->n++;
}

/* What leg sends, under the names and numbers that its sources know. */
static void map_back(const struct sl_media *m, uint32_t leg, struct sl_rtcp_map *map)
{
	const struct sl_leg_tx *tx = &m->tx[leg];
	map->n = 0;
	if (tx->state & SL_TX_STARTED)
		add(map, tx->ssrc, tx->in_ssrc, (uint16_t)-tx->seq_offset, 0);
	for (uint32_t at = m->more[leg].streams_tx; at != SL_NONE; at = m->streams[at].next) {
		const struct sl_media_stream *s = &m->streams[at];
		add(map, s->ssrc, s->out.in_ssrc, (uint16_t)-s->out.seq_offset, 0);
	}
}

/* What leg's sources are called where it sends. */
static void map_forth(const struct sl_media *m, uint32_t leg, struct sl_rtcp_map *map)
{
	const struct sl_leg_tx *tx = &m->tx[leg];
	const struct sl_leg_more *more = &m->more[leg];
	map->n = 0;
	if (tx->state & SL_TX_STARTED)
		add(map, tx->in_ssrc, tx->ssrc, tx->seq_offset, tx->ts_offset);
	if (map->n && more->streams_tx == SL_NONE) {
		/* What was sent is not what the source sent: some was made here, or came from another source. */
		uint64_t packets = sl_media_tx_packets(m, leg), headers = packets * SL_RTP_HEADER_BYTES;
		map->e[0].counted = true;
		map->e[0].packets = (uint32_t)packets;
		map->e[0].octets = (uint32_t)(sl_media_tx_bytes(m, leg) - headers);
	}
	for (uint32_t at = more->streams_tx; at != SL_NONE; at = m->streams[at].next) {
		const struct sl_media_stream *s = &m->streams[at];
		add(map, s->out.in_ssrc, s->ssrc, s->out.seq_offset, s->out.ts_offset);
	}
}

size_t sl_rtcp_from_leg(const struct sl_media *m, uint32_t leg, uint8_t *rtcp, size_t len)
{
	struct sl_rtcp_map map;
	map_back(m, leg, &map);
	sl_rtcp_map_media(rtcp, len, &map);
	/* Nobody hears it: what it reports is true all the same. */
	return m->more[leg].flags & SL_LEG_BLOCK_MEDIA ? sl_rtcp_strip_sender_info(rtcp, len) : len;
}

/* Is what the compound's sender sends what goes out of leg now? */
static bool is_heard(const struct sl_media *m, uint32_t leg, uint32_t ssrc)
{
	const struct sl_leg_tx *tx = &m->tx[leg];
	const struct sl_leg_more *more = &m->more[leg];
	if (more->play.clip != SL_CLIP_NONE || more->dtmf_tx.n || (tx->state & SL_TX_RESYNC))
		return false;
	return !(tx->state & SL_TX_REWRITE) || ((tx->state & SL_TX_STARTED) && tx->in_ssrc == ssrc);
}

size_t sl_rtcp_to_leg(const struct sl_media *m, uint32_t leg, uint8_t *rtcp, size_t len)
{
	struct sl_rtcp_map map;
	if (!is_heard(m, leg, sl_rtcp_sender_ssrc(rtcp, len)))
		len = sl_rtcp_strip_sender_info(rtcp, len);
	if (m->tx[leg].state & SL_TX_REWRITE) /* the SSRC is ours, and outlives its sources */
		len = sl_rtcp_strip(rtcp, len, SL_RTCP_BYE);
	map_forth(m, leg, &map);
	sl_rtcp_map_senders(rtcp, len, &map);
	return len;
}
