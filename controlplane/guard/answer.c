/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What SIP asks: how a source that exceeds a rule is answered, whether it is shut out, how much new state it may have, and how many
 * strangers come while we are overloaded. */

#include "controlplane/guard/internal.h"

#include "controlplane/call/events.h"
#include "controlplane/sip/sip.h"

#include <stdlib.h>

enum { ANSWER_EVERY_MS = 1000, NO_END_S = 3600, PERCENT_LEAST = 5, PERCENT_BACK = 2 };

/* ---- sources over a limit ---- */

static enum sl_warden_answer answer_of(unsigned action)
{
	switch (action) {
	case SL_GUARD_DO_CHALLENGE:
		return SL_WARDEN_CHALLENGE;
	case SL_GUARD_DO_REFUSE:
		return SL_WARDEN_REFUSE;
	case SL_GUARD_DO_DELAY:
		return SL_WARDEN_DELAY;
	default:
		return SL_WARDEN_PASS;
	}
}

static bool is_allowed(const struct sl_warden *w, const struct sl_ip *ip)
{
	const struct sl_entry *e = sl_entries_decides(&w->entries, ip);

	return e && e->kind == SL_WARDEN_ALLOW;
}

enum sl_warden_answer sl_warden_judge(const struct sl_warden *w, const struct sl_sip_flow *flow, int64_t now_ms)
{
	const struct sl_ip *ip = &flow->remote.ip;
	enum sl_warden_answer a;

	if (!w || w->watch.n_marked_all == 0 || !w->conf.enabled || w->conf.dry_run)
		return SL_WARDEN_PASS;
	if (sl_warden_knows(w, flow)) {
		a = answer_of(sl_watch_action(&w->watch, ip, flow->listener, SL_GUARD_KNOWN, now_ms));
	} else {
		/* Challenged lately or not: which of them the dataplane charged is not known here. */
		a = answer_of(sl_watch_action(&w->watch, ip, flow->listener, SL_GUARD_SIP, now_ms));
		if (a == SL_WARDEN_PASS)
			a = answer_of(sl_watch_action(&w->watch, ip, flow->listener, SL_GUARD_PROVISIONAL, now_ms));
	}
	/* What is over may be its prefix, or everybody: an allow wins over that, too. */
	return a != SL_WARDEN_PASS && is_allowed(w, ip) ? SL_WARDEN_PASS : a;
}

void sl_warden_answered(struct sl_warden *w, enum sl_warden_answer a)
{
	w->counts.challenged += a == SL_WARDEN_CHALLENGE;
	w->counts.refused += a == SL_WARDEN_REFUSE;
	w->counts.delayed += a == SL_WARDEN_DELAY;
}

/* ---- who is shut out ---- */

static const struct sl_entry *shuts_out(const struct sl_warden *w, const struct sl_ip *ip)
{
	const struct sl_entry *e = w && w->conf.enabled && !w->conf.dry_run ? sl_entries_decides(&w->entries, ip) : NULL;

	return e && e->kind != SL_WARDEN_ALLOW ? e : NULL;
}

bool sl_warden_denies(struct sl_warden *w, const struct sl_sip_flow *flow)
{
	const struct sl_entry *e = shuts_out(w, &flow->remote.ip);

	if (!e || e->origin == SL_WARDEN_AUTO)
		return false;
	w->counts.denied++;
	return true;
}

unsigned sl_warden_blocks(struct sl_warden *w, const struct sl_ip *ip, int64_t now_ms, bool *answer)
{
	const struct sl_entry *e = shuts_out(w, ip);
	struct sl_reputation_entry *r;

	*answer = true;
	if (!e || e->origin != SL_WARDEN_AUTO || (e->until_ms && e->until_ms <= now_ms))
		return 0;
	r = sl_reputation_find(&w->reputation, ip);
	if (r) {
		*answer = now_ms - r->answered_ms >= ANSWER_EVERY_MS;
		if (*answer)
			r->answered_ms = now_ms;
	}
	return e->until_ms ? (unsigned)((e->until_ms - now_ms + 999) / 1000) : NO_END_S;
}

/* ---- new state ---- */

static unsigned source_bits(const struct sl_ip *ip)
{
	return sl_guard_level_bits(sl_ip_is_v4(ip), SL_GUARD_SOURCE);
}

static unsigned prefix_bits(const struct sl_ip *ip)
{
	return sl_guard_level_bits(sl_ip_is_v4(ip), SL_GUARD_PREFIX);
}

unsigned sl_warden_has(const struct sl_warden *w, enum sl_warden_state what, const struct sl_ip *source)
{
	return w ? sl_tally_of(&w->states[what], source, source_bits(source)) : 0;
}

bool sl_warden_has_room(struct sl_warden *w, enum sl_warden_state what, const struct sl_ip *source, unsigned n)
{
	if (!w)
		return true;
	const struct sl_conf_guard *g = &w->conf;
	unsigned per_source = what == SL_WARDEN_BINDING ? g->bindings_per_source : g->calls_per_source;
	unsigned per_prefix = what == SL_WARDEN_BINDING ? g->bindings_per_prefix : g->calls_per_prefix;

	if (!g->enabled || g->dry_run ||
		((per_source == 0 || sl_warden_has(w, what, source) + n <= per_source) &&
			(per_prefix == 0 || sl_tally_of(&w->states[what], source, prefix_bits(source)) + n <= per_prefix)))
		return true;
	if (is_allowed(w, source))
		return true;
	w->counts.state_refused++;
	return false;
}

void sl_warden_took(struct sl_warden *w, enum sl_warden_state what, const struct sl_ip *source)
{
	/* Without memory it is not counted: rather one too many than nobody. */
	if (w && sl_tally_add(&w->states[what], source, source_bits(source)) == 0 && sl_tally_add(&w->states[what], source, prefix_bits(source)) < 0)
		sl_tally_sub(&w->states[what], source, source_bits(source));
}

void sl_warden_give(struct sl_warden *w, enum sl_warden_state what, const struct sl_ip *source)
{
	if (!w)
		return;
	sl_tally_sub(&w->states[what], source, source_bits(source));
	sl_tally_sub(&w->states[what], source, prefix_bits(source));
}

/* ---- pressure ---- */

/* Down by a quarter at a time, severe by half, and back slowly: what strangers may send settles where it does not overload us. */
void sl_warden_pressure(struct sl_warden *w, unsigned level, int64_t now_ms)
{
	if (!w)
		return;
	unsigned percent = w->percent;

	if (now_ms - w->pressure_ms < SL_WARDEN_PRESSURE_MS)
		return;
	w->pressure_ms = now_ms;
	if (level)
		percent = level > 1 ? percent / 2 : percent * 3 / 4;
	else
		percent += PERCENT_BACK;
	percent = percent < PERCENT_LEAST ? PERCENT_LEAST : percent > 100 ? 100 : percent;
	if (percent == w->percent)
		return;
	w->now_ms = now_ms > w->now_ms ? now_ms : w->now_ms;
	if (w->percent == 100 || percent == 100)
		sl_warden_event(w, SL_CE_GUARD_PRESSURE, "%u %% of the strangers' rate", percent);
	w->percent = percent;
	w->tell.pressure_due = true;
	sl_warden_pump(w);
}

unsigned sl_warden_pressure_percent(const struct sl_warden *w)
{
	return w->percent;
}

/* ---- tenants ---- */

unsigned sl_warden_meter(struct sl_warden *w, const char *tenant, unsigned pps, unsigned kbps)
{
	unsigned i = 1;

	if (!w)
		return 0;
	while (i < w->n_tenants && strcmp(w->tenants[i].name, tenant) != 0)
		i++;
	if (i == w->n_tenants) {
		if ((pps == 0 && kbps == 0) || i == SL_GUARD_MAX_METERS || !(w->tenants[i].name = strdup(tenant)))
			return 0;
		w->n_tenants++;
	} else if (w->tenants[i].pps == pps && w->tenants[i].kbps == kbps) {
		return i;
	}
	w->tenants[i].pps = pps;
	w->tenants[i].kbps = kbps;
	sl_warden_tell_meter(w, i);
	return i;
}
