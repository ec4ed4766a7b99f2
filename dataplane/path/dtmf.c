/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* RFC 4733 events received: told to the leg's owner once each, whether or not they go on to anyone. */

#include "dataplane/path/playout.h"

static uint32_t event_hz(const struct sl_leg_more *more)
{
	return sl_media_clocks[sl_media_clock(more, more->dtmf_pt)];
}

static void tell(struct sl_worker *w, uint32_t leg, const struct sl_dtmf_report *r)
{
	w->media->tables->more[leg].dtmf_rx.told = *r;
	sl_count(w, SL_C_dtmf_received, 1);
	sl_media_event(w, leg, SL_LEG_DTMF);
}

void sl_dtmf_received(struct sl_worker *w, uint32_t leg, uint32_t ts, const uint8_t *payload, unsigned len)
{
	struct sl_leg_more *more = &w->media->tables->more[leg];
	struct sl_dtmf_report ended[SL_DTMF_REPORTS_MAX];
	unsigned n = sl_dtmf_receive(&more->dtmf_rx, ts, payload, len, event_hz(more), (uint32_t)w->now.ms, ended);
	for (unsigned i = 0; i < n; i++)
		tell(w, leg, &ended[i]);
	if (more->dtmf_rx.under_way)
		sl_playout_watch(w, leg);
}

void sl_dtmf_watch(struct sl_worker *w, uint32_t leg, uint32_t ms)
{
	struct sl_leg_more *more = &w->media->tables->more[leg];
	struct sl_dtmf_report ended;
	if (sl_dtmf_silent(&more->dtmf_rx, event_hz(more), ms, &ended))
		tell(w, leg, &ended);
}
