/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What workers say: who went over a limit and came below it again, what they have seen of sources, answers to questions. */

#include "controlplane/guard/internal.h"

#include "controlplane/call/events.h"

enum { FLOOD_MAX = 30 };

static void source_changed(struct sl_warden *w, const struct sl_evt_guard_source *e)
{
	static const char *const classes[] = {
#define X(NAME, number, name, help) [number] = name,
		SL_GUARD_CLASSES(X)
#undef X
	};
	const struct sl_prefix p = {e->ip, e->prefix_len};
	char text[SL_ADDR_TEXT_MAX] = "all strangers";
	unsigned seconds;
	enum sl_watch_news news = sl_watch_event(&w->watch, e, w->now_ms, &seconds);

	if (e->level != SL_GUARD_TOTAL)
		sl_prefix_text(&p, text);
	if (news == SL_WATCH_BEGUN)
		sl_warden_event(w, SL_CE_GUARD_OVER, "%s, %s: about %u packets a second, limit %u%s", text, classes[e->guard_class], e->pps, e->limit_pps,
			e->dry_run ? " (dry run)" : "");
	else if (news == SL_WATCH_ENDED)
		sl_warden_event(w, SL_CE_GUARD_BELOW, "%s, %s: after %u s", text, classes[e->guard_class], seconds);
	if (e->level != SL_GUARD_SOURCE || (news == SL_WATCH_NOTHING))
		return;
	if (news == SL_WATCH_BEGUN)
		sl_warden_report(w, &e->ip, SL_GUARD_SAW_FLOOD, 1, w->now_ms);
	else if (seconds)
		sl_warden_report(w, &e->ip, SL_GUARD_SAW_FLOOD, seconds < FLOOD_MAX ? seconds : FLOOD_MAX, w->now_ms);
}

static void signals(struct sl_warden *w, const struct sl_evt_guard_signals *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		for (unsigned what = 0; what < SL_GUARD_N_SIGNALS; what++) {
			if (s->sources[i].count[what])
				sl_warden_report(w, &s->sources[i].ip, (enum sl_guard_signal)what, s->sources[i].count[what], w->now_ms);
		}
	}
}

void sl_warden_hear(struct sl_warden *w, unsigned worker, const struct sl_event *evt)
{
	if (evt->h.type == SL_EVT_GUARD_SOURCE)
		source_changed(w, &evt->guard_source);
	else if (evt->h.type == SL_EVT_GUARD_SIGNALS)
		signals(w, &evt->guard_signals);
	else
		sl_warden_query_answer(w, worker, evt);
}
