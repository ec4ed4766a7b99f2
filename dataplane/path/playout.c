/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Media made here: clips and RFC 4733 events. A leg that plays sits in one slot of the worker's 20 ms wheel; each time
 * the wheel comes by, one packet leaves. RTP time goes on by the clock whatever is sent, so a stall is a gap and never a
 * burst, and what was displaced continues without a jump. */

#include "dataplane/path/playout.h"

#include <errno.h>
#include <stdio.h>

#include <urcu-qsbr.h>

#include "dataplane/wire/silence.h"

struct sl_playout {
	struct sl_play_wheel wheel;
	struct sl_play_node nodes[];
};

enum { GAP_BYTES = 8 * SL_PLAY_TURN_MS /* G.711 */ };

int sl_playout_init(struct sl_worker *w, uint32_t n_legs, void *(*zalloc)(const char *what, size_t bytes))
{
	struct sl_playout *p = zalloc("playout", sizeof *p + n_legs * sizeof p->nodes[0]);
	if (!p)
		return -ENOMEM;
	sl_play_wheel_init(&p->wheel, p->nodes, n_legs, w->now.ms);
	w->media->playout = p;
	return 0;
}

void sl_playout_watch(struct sl_worker *w, uint32_t leg)
{
	sl_play_wheel_arm(&w->media->playout->wheel, leg);
}

void sl_playout_forget(struct sl_worker *w, uint32_t leg)
{
	sl_play_wheel_disarm(&w->media->playout->wheel, leg);
}

/* ---- commands ---- */

static const struct sl_clip *find_clip(const struct sl_worker *w, const struct sl_leg_more *more, uint32_t clip)
{
	const struct sl_clip_table *table = rcu_dereference(w->media->clips[more->slot]);
	return sl_clip_find(table, clip);
}

int sl_playout_start(struct sl_worker *w, uint32_t leg, const struct sl_cmd_play *c, char *text, size_t text_len)
{
	struct sl_leg_more *more = &w->media->tables->more[leg];
	const struct sl_clip *clip = find_clip(w, more, c->clip);
	if (!clip) {
		snprintf(text, text_len, "clip: none is registered as %u", c->clip);
		return -ENOENT;
	}
	if (clip->frame_ms != SL_PLAY_TURN_MS || (more->flags & SL_LEG_RAW)) {
		bool raw = more->flags & SL_LEG_RAW;
		snprintf(text, text_len, "%s", raw ? "leg: it carries no RTP" : "clip: its frames are not of 20 ms");
		return -EINVAL;
	}
	uint32_t first = c->start_ms / clip->frame_ms;
	if (first >= clip->n_frames) {
		snprintf(text, text_len, "start_ms: the clip has %u ms", clip->n_frames * clip->frame_ms);
		return -EINVAL;
	}
	struct sl_leg_play *p = &more->play;
	p->timed &= sl_playout_displaces(more); /* what plays already has its time */
	p->clip = c->clip;
	p->times_left = c->times;
	p->frame = first;
	p->pt = c->pt;
	p->marker = true;
	sl_playout_watch(w, leg);
	return 0;
}

int sl_playout_dtmf(struct sl_worker *w, uint32_t leg, const struct sl_cmd_dtmf *c, char *text, size_t text_len)
{
	struct sl_leg_more *more = &w->media->tables->more[leg];
	const struct sl_dtmf_event e = {c->event, c->volume, c->duration_ms, c->pause_ms};
	bool displaces = sl_playout_displaces(more);
	if (!more->dtmf_pt_out || (more->flags & SL_LEG_RAW)) {
		snprintf(text, text_len, "leg: it has no payload type for events (dtmf_pt_out)");
		return -EINVAL;
	}
	if (!sl_dtmf_queue(&more->dtmf_tx, &e)) {
		snprintf(text, text_len, "leg: %u events wait already", SL_DTMF_QUEUE);
		return -ENOSPC;
	}
	more->play.timed &= displaces;
	sl_playout_watch(w, leg);
	return 0;
}

/* ---- the wheel comes by ---- */

/* Nothing of ours any more: forwarded media goes on where we are in time. */
static void give_back(struct sl_worker *w, uint32_t leg)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_play *p = &m->more[leg].play;
	if (sl_playout_displaces(&m->more[leg]))
		return;
	if (p->timed) {
		m->tx[leg].ts = p->ts;
		m->tx[leg].last_ms = p->last_ms;
		m->tx[leg].state |= SL_TX_RESYNC;
	}
	p->timed = false;
	sl_media_note_slow(m, leg);
}

static void end_clip(struct sl_worker *w, uint32_t leg)
{
	w->media->tables->more[leg].play.clip = SL_CLIP_NONE;
	give_back(w, leg);
}

void sl_playout_stop(struct sl_worker *w, uint32_t leg)
{
	if (w->media->tables->more[leg].play.clip != SL_CLIP_NONE)
		end_clip(w, leg);
}

static void play_clip(struct sl_worker *w, uint32_t leg, const struct sl_clip *clip, uint32_t turns)
{
	struct sl_leg_play *p = &w->media->tables->more[leg].play;
	uint32_t frame;
	if (!clip || !sl_play_frame(p, clip->n_frames, turns, &frame)) { /* over, or taken away meanwhile */
		end_clip(w, leg);
		sl_media_event(w, leg, SL_LEG_PLAY_ENDED);
		return;
	}
	const uint8_t *payload = (const uint8_t *)clip + clip->frames[frame].offset;
	if (sl_media_make(w, leg, p->pt, p->marker, p->ts, payload, clip->frames[frame].len))
		sl_count(w, SL_C_playout_packets, 1);
	p->marker = false;
}

/* Between two events: silence where the codec has one that is known. */
static void play_gap(struct sl_worker *w, uint32_t leg)
{
	struct sl_leg_more *more = &w->media->tables->more[leg];
	uint8_t silence[GAP_BYTES];
	if (sl_silence_fill(more->audio_pt, silence, sizeof silence))
		sl_media_make(w, leg, more->audio_pt, !more->play.gap, more->play.ts, silence, sizeof silence);
	more->play.gap = true;
}

/* False: no event waits. */
static bool play_event(struct sl_worker *w, uint32_t leg)
{
	struct sl_leg_more *more = &w->media->tables->more[leg];
	struct sl_leg_play *p = &more->play;
	uint32_t hz = sl_media_clocks[sl_media_clock(more, more->dtmf_pt_out)];
	struct sl_dtmf_packet k;
	switch (sl_dtmf_send(&more->dtmf_tx, p->last_ms, p->ts, hz, &k)) {
	case SL_DTMF_PACKET:
		sl_media_make(w, leg, more->dtmf_pt_out, k.marker, k.ts, k.payload, sizeof k.payload);
		sl_count(w, SL_C_dtmf_sent, k.marker);
		p->gap = false;
		p->marker = true; /* of the clip, when it goes on */
		give_back(w, leg);
		return true;
	case SL_DTMF_GAP:
		play_gap(w, leg);
		return true;
	default:
		return false;
	}
}

/* Move the leg's RTP time on to ms. Returns the frames since the wheel came by last: 1 unless there was a stall. */
static uint32_t pass_time(struct sl_worker *w, uint32_t leg, const struct sl_clip *clip, uint32_t ms)
{
	const struct sl_leg_more *more = &w->media->tables->more[leg];
	struct sl_leg_play *p = &w->media->tables->more[leg].play;
	uint32_t hz = clip ? clip->clock_hz : sl_media_clocks[sl_media_clock(more, more->audio_pt)], turns = 1;
	if (p->timed) {
		turns = (ms - p->last_ms) / SL_PLAY_TURN_MS;
		p->ts += turns * (clip ? clip->frame_ts : hz * SL_PLAY_TURN_MS / MS_PER_S);
	} else {
		p->ts = sl_media_ts_now(w, leg, hz);
		p->timed = true;
		p->gap = false;
	}
	p->last_ms = ms;
	return turns;
}

static void visit(void *ctx, uint32_t leg, uint32_t ms)
{
	struct sl_worker *w = ctx;
	struct sl_leg_more *more = &w->media->tables->more[leg];
	sl_dtmf_watch(w, leg, ms);
	if (sl_playout_displaces(more)) {
		bool has_clip = more->play.clip != SL_CLIP_NONE;
		const struct sl_clip *clip = has_clip ? find_clip(w, more, more->play.clip) : NULL;
		uint32_t turns = pass_time(w, leg, clip, ms);
		if (!play_event(w, leg))
			play_clip(w, leg, clip, turns);
	}
	if (!sl_playout_displaces(more) && !more->dtmf_rx.under_way)
		sl_playout_forget(w, leg);
}

void sl_playout_tick(struct sl_worker *w)
{
	sl_play_wheel_run(&w->media->playout->wheel, w->now.ms, visit, w);
}
