/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What the dataplane tells of legs: counts, quality, and that nothing comes any more. */

#include "controlplane/media/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/abi/log.h"
#include "dataplane/wire/emodel.h"

/* ---- quality: one sample for each pair of reports between which something came ---- */

static enum sl_emodel_codec codec_of(const struct section *x)
{
	char name[sizeof x->pub.codec];

	memcpy(name, x->pub.codec, sizeof name);
	name[strcspn(name, "/")] = '\0';
	return sl_emodel_codec(name);
}

static void sample_mos(struct section *x, const struct sl_evt_leg *now)
{
	struct sl_media_leg *leg = &x->pub.leg;
	const struct sl_evt_leg *before = &leg->stats;

	if (leg->stats_ms == 0 || now->rx_ssrc != before->rx_ssrc || now->rx_packets <= before->rx_packets)
		return;
	double came = (double)(now->rx_packets - before->rx_packets);
	double lost = now->rx_lost > before->rx_lost ? now->rx_lost - before->rx_lost : 0;
	double delay = sl_emodel_delay_ms(now->rtt_us, now->rx_jitter_us);
	leg->mos_last = (float)sl_emodel_mos(sl_emodel_r(codec_of(x), lost / (lost + came), delay));
	if (leg->mos_n == 0 || leg->mos_last < leg->mos_min) {
		leg->mos_min = leg->mos_last;
		leg->mos_min_unix_ms = sl_unix_ms();
	}
	if (leg->mos_n == 0 || leg->mos_last > leg->mos_max) {
		leg->mos_max = leg->mos_last;
		leg->mos_max_unix_ms = sl_unix_ms();
	}
	leg->mos_sum += leg->mos_last;
	leg->mos_n++;
}

/* ---- inactivity ---- */

/* For how long has nothing come, as far as the last report says? */
static int64_t idle_ms(const struct sl_media *m, const struct section *x)
{
	const struct sl_media_leg *leg = &x->pub.leg;
	int64_t then =
	        leg->stats.idle_ms == UINT32_MAX ? leg->stats.age_s * INT64_C(1000) : leg->stats.idle_ms;

	return leg->stats_ms ? then + (m->now_ms - leg->stats_ms) : 0;
}

/* Has nobody in the call been heard for the time allowed? fresh: going by what was told since it was asked.
 */
static bool is_silent(const struct sl_media *m, const struct session *s, bool fresh)
{
	unsigned n = 0;

	for (unsigned k = 0; k < s->pub.n_parties; k++) {
		const struct party *p = party_at(s, k);
		for (unsigned i = 0; !(p->pub.flags & SL_PARTY_SUBSCRIBER) && i < p->pub.n_sections; i++) {
			const struct section *x = section_at(p, i);
			uint32_t limit_ms = x->pub.leg.set.inactivity_ms;
			if (!section_has_leg(x))
				continue;
			if (limit_ms == 0 || (fresh && !x->fresh) || idle_ms(m, x) < limit_ms)
				return false;
			n++;
		}
	}
	return n > 0;
}

static void checked(void *ctx, const struct sl_media_session *pub, const struct sl_media_error *e)
{
	struct sl_media *m = ctx;
	struct session *s = pub ? session_of(pub) : NULL;

	if (!s || !s->checking)
		return;
	s->checking = false;
	if (s->index != UINT32_MAX && is_silent(m, s, true))
		sl_session_timeout(m, s, s->on_hold ? "no media while on hold" : "no media");
}

/* Reports may be as old as a statistics round: ask before a call is ended for what they say. */
static void check_silence(struct sl_media *m, struct session *s)
{
	if (s->checking || s->index == UINT32_MAX || !is_silent(m, s, false))
		return;
	s->checking = true;
	for (unsigned k = 0; k < s->pub.n_parties; k++) {
		for (unsigned i = 0; i < party_at(s, k)->pub.n_sections; i++)
			section_at(party_at(s, k), i)->fresh = false;
	}
	sl_session_refresh(m, s, checked, m);
}

/* ---- events ---- */

static void store(struct sl_media *m, struct section *x, const struct sl_evt_leg *e)
{
	sample_mos(x, e);
	x->pub.leg.stats = *e;
	x->pub.leg.stats_ms = m->now_ms;
	x->fresh = true;
}

static void told_of(struct sl_media *m, struct leg_entry *entry, const struct sl_event *evt)
{
	struct party *p = entry->party;
	struct session *s = p->session;

	switch (evt->leg.change) {
	case SL_LEG_STATE:
		sl_wait_answered(m, evt->h.seq & INT32_MAX);
		break;
	case SL_LEG_INACTIVE:
		check_silence(m, s);
		break;
	case SL_LEG_ENDED:
		sl_wait_leg_ended(m, p);
		break;
	case SL_LEG_DTMF:
		if (m->hooks.dtmf)
			m->hooks.dtmf(m->hooks.ctx, &s->pub, &p->pub, evt->leg.dtmf_event, evt->leg.dtmf_ms,
			        evt->leg.dtmf_volume);
		break;
	case SL_LEG_PLAY_ENDED:
		sl_play_over(entry->section);
		break;
	case SL_LEG_KEY_EXPIRED:
		sl_log(SL_LOG_WARNING,
		        "call %s: a key of the leg on port %u is used up: nothing is sent until it is "
		        "re-keyed",
		        s->pub.call_id, evt->leg.leg.port);
		break;
	default: /* LEARNED: the addresses are in the counts */
		break;
	}
}

void sl_media_leg_event(struct sl_media *m, const struct sl_event *evt)
{
	struct leg_entry *entry = sl_leg_entry(m, evt->leg.leg.id);

	if (!entry || entry->section->pub.leg.ref.port != evt->leg.leg.port)
		return; /* ended while this was on its way */
	store(m, entry->section, &evt->leg);
	told_of(m, entry, evt);
}

void sl_media_refused(struct sl_media *m, const struct sl_event *evt)
{
	uint64_t n = ++m->counts.legs_refused;

	if ((n & (n - 1)) == 0) /* the first, then fewer and fewer */
		sl_log(SL_LOG_WARNING, "the dataplane refused a media command (%" PRIu64 " so far): %s", n,
		        evt->ack.text);
	sl_wait_answered(m, evt->h.seq & INT32_MAX);
}

/* ---- rounds ---- */

void sl_stats_tick(struct sl_media *m)
{
	struct sl_command cmd = {.h = {.type = SL_CMD_LEG_LIST, .seq = (uint32_t)SL_DP_MEDIA_SEQ}};

	if (!m->attached || m->now_ms < m->next_stats_ms || m->n_legs == 0)
		return;
	m->next_stats_ms = m->now_ms + SL_MEDIA_STATS_MS;
	for (unsigned w = 0; w < m->n_workers; w++)
		sl_dp_worker_send(m->dp, w, &cmd);
}

static bool is_answered(const struct session *s)
{
	for (unsigned k = 0; k < s->pub.n_parties; k++) {
		if (party_at(s, k)->pub.flags & (SL_PARTY_ANSWERED | SL_PARTY_PUBLISHER))
			return true;
	}
	return false;
}

/* Offers that nobody answers: the call goes, or the branch that is left behind. True: the session is gone. */
static bool end_unanswered(struct sl_media *m, struct session *s)
{
	bool answered = is_answered(s);
	int64_t latest_ms = 0;

	for (unsigned k = s->pub.n_parties; k-- > 0;) {
		struct party *p = party_at(s, k);
		if (p->offered_ms == 0 || p->ending)
			continue;
		bool late = m->now_ms - p->offered_ms >= m->conf->answer_s * INT64_C(1000);
		latest_ms = p->offered_ms > latest_ms ? p->offered_ms : latest_ms;
		if (answered && late && !(p->pub.flags & SL_PARTY_ANSWERED)) {
			sl_party_end(m, p, NULL, NULL);
			return false; /* one a turn: the array has moved */
		}
	}
	if (answered || latest_ms == 0 || m->now_ms - latest_ms < m->conf->answer_s * INT64_C(1000))
		return false;
	sl_session_timeout(m, s, "no answer");
	return true;
}

static void look_at(struct sl_media *m, struct session *s)
{
	if (s->pub.delete_at_ms) {
		if (m->now_ms >= s->pub.delete_at_ms)
			sl_session_end(m, s, "deleted", NULL, NULL);
		return;
	}
	if (m->conf->answer_s && end_unanswered(m, s))
		return;
	check_silence(m, s);
}

/* A share of the sessions each time. */
void sl_timeouts_tick(struct sl_media *m)
{
	for (uint32_t n = m->max_sessions / SL_MEDIA_SWEEP_TICKS + 1; n > 0; n--) {
		struct session *s = m->sessions[m->sweep_at];
		m->sweep_at = m->sweep_at + 1 < m->max_sessions ? m->sweep_at + 1 : 0;
		if (s)
			look_at(m, s);
	}
}
