/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The dataplane comes and goes. Whichever of the two died: each attachment is told all sessions, in order, as
 * fast as the rings take them; then it sweeps what it was not told of. A session not told yet is changed here
 * only: its turn comes. */

#include "controlplane/media/internal.h"

#include "dataplane/abi/log.h"

#define ALL_TOLD UINT32_MAX

/* ---- ids carry our slot ---- */

static void rename_legs(struct sl_media *m, unsigned slot)
{
	for (uint32_t i = 0; i < m->max_legs; i++) {
		struct section *x = m->legs[i].section;
		if (!x)
			continue;
		x->pub.leg.ref.id = x->pub.leg.set.leg.id = sl_leg_id(slot, x->pub.leg.ref.id);
		x->to = x->heard = (struct sl_leg_ref){0};
	}
	m->dp_slot = slot;
}

/* ---- telling ---- */

static void sweep(struct sl_media *m)
{
	struct sl_command cmd = {.h = {.type = SL_CMD_LEGS_SWEEP, .seq = (uint32_t)SL_DP_MEDIA_SEQ}};

	for (unsigned w = 0; w < m->n_workers; w++)
		sl_dp_worker_send(m->dp, w, &cmd);
	m->replay_at = ALL_TOLD;
	sl_log(SL_LOG_INFO, "media: the dataplane knows all %u sessions, %u legs", m->n_sessions, m->n_legs);
}

void sl_media_replay_pump(struct sl_media *m)
{
	if (!m->attached || m->replay_at == ALL_TOLD)
		return;
	while (m->replay_at < m->max_sessions) {
		struct session *s = m->sessions[m->replay_at];
		if (s && s->epoch != m->epoch) {
			if (sl_dp_worker_waiting(m->dp))
				return; /* the rings are full: on when they are not */
			sl_session_tell(m, s);
		}
		m->replay_at++;
	}
	sweep(m);
}

/* ---- the link's calls ---- */

static void attached(void *ctx, unsigned slot, unsigned n_workers)
{
	struct sl_media *m = ctx;

	if (n_workers != m->n_workers) {
		sl_log(SL_LOG_ERROR,
		        "media: the dataplane has %u workers, the configuration %u: restart one of the two",
		        n_workers, m->n_workers);
		return;
	}
	if (slot != m->dp_slot)
		rename_legs(m, slot);
	m->attached = true;
	m->epoch++;
	m->replay_at = 0;
	sl_plays_attached(m);
	sl_media_replay_pump(m);
}

static void detached(void *ctx)
{
	struct sl_media *m = ctx;

	if (m->attached)
		m->away_since_ms = m->now_ms;
	m->attached = false;
}

static void event(void *ctx, unsigned worker, const struct sl_event *evt)
{
	struct sl_media *m = ctx;

	if (evt->h.type == SL_EVT_LEG)
		sl_media_leg_event(m, evt);
	else if (evt->h.type == SL_EVT_ACK && evt->ack.error)
		sl_media_refused(m, evt);
}

static void drained(void *ctx)
{
	sl_media_replay_pump(ctx);
}

static void bulk(void *ctx, unsigned worker, const struct sl_bulk *b)
{
	sl_recording_packet(ctx, b);
}

static void clip(void *ctx, uint32_t number, int error, const char *text)
{
	sl_plays_clip_told(ctx, number, error, text);
}

const struct sl_dp_media_ops sl_media_dp_ops = {.attached = attached,
        .detached = detached,
        .event = event,
        .drained = drained,
        .bulk = bulk,
        .clip = clip};
