/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Trust that SIP sources have earned, as marks in the dataplane: provisional when they were challenged, final when they authenticated. */

#include "controlplane/guard/internal.h"

#include "controlplane/sip/sip.h"

enum {
	PROVISIONAL_S = 16,
	CHALLENGED_AGAIN_MS = 4000, /* a mark lives four times as long */
	/* A mark outlives what holds it a little: ends that move by less than 20 s are not told (trust.c), and a refresh may be late. */
	GRACE_S = 30,
	LONGEST_S = 30 * 86400,
	KEPT_FREE = 4, /* of the table that part is for bindings, calls and trunks: one account can authenticate from every port there is */
};

static uint64_t hash_of(const struct sl_warden *w, const struct sl_sip_flow *flow)
{
	uint64_t text[3] = {flow->remote.ip.q[0], flow->remote.ip.q[1], (uint64_t)flow->listener << 16 | flow->remote.port_be};

	return sl_siphash(&w->key, text, sizeof text) | 1;
}

static void tell(struct sl_warden *w, const struct sl_endpoint *remote, uint16_t listener, unsigned trust, uint32_t seconds)
{
	struct sl_guard_mark m = {.listener = listener, .trust = (uint8_t)trust, .seconds = seconds};

	if (listener >= SL_CONF_MAX_SIP_LISTENERS) /* the edge's own, on loopback */
		return;
	m.remote.ip = remote->ip; /* member by member: what lies between them stays zero */
	m.remote.port_be = remote->port_be;
	sl_warden_tell_mark(w, &m);
}

void sl_warden_challenged(struct sl_warden *w, const struct sl_sip_flow *flow, int64_t now_ms)
{
	uint64_t hash = w ? hash_of(w, flow) : 0;
	size_t at = (size_t)(hash >> 1) & (SL_WARDEN_CHALLENGED - 1);

	if (!w || sl_warden_knows(w, flow) || (w->challenged[at].hash == hash && now_ms - w->challenged[at].ms < CHALLENGED_AGAIN_MS))
		return;
	w->challenged[at].hash = hash;
	w->challenged[at].ms = now_ms;
	w->counts.marks_provisional++;
	w->now_ms = now_ms;
	tell(w, &flow->remote, flow->listener, SL_GUARD_IS_PROVISIONAL, PROVISIONAL_S);
}

static void trust(struct sl_warden *w, const struct sl_endpoint *remote, unsigned listener, uint32_t seconds, enum sl_trust_how how, int64_t now_ms)
{
	struct sl_trust_mark *m;
	bool news;

	if (!w || listener >= SL_CONF_MAX_SIP_LISTENERS)
		return;
	w->now_ms = now_ms > w->now_ms ? now_ms : w->now_ms;
	if (seconds > LONGEST_S - GRACE_S)
		seconds = LONGEST_S - GRACE_S;
	size_t size = w->trust.size;
	m = sl_trust_put(&w->trust, remote, (uint16_t)listener, now_ms + (int64_t)(seconds + GRACE_S) * 1000, how, &news);
	if (!m) {
		w->counts.marks_refused++;
		return;
	}
	if (!news)
		return;
	w->counts.marks_final++;
	tell(w, remote, (uint16_t)listener, SL_GUARD_IS_FINAL, seconds + GRACE_S);
	if (w->trust.size != size) /* all places moved */
		w->tell.mark_at = 0;
}

void sl_warden_trusts(struct sl_warden *w, const struct sl_sip_flow *flow, uint32_t seconds, int64_t now_ms)
{
	if (w && w->trust.n >= w->trust.max - w->trust.max / KEPT_FREE && !sl_warden_knows(w, flow)) {
		w->counts.marks_refused++;
		return;
	}
	trust(w, &flow->remote, flow->listener, seconds, SL_TRUST_ALONE, now_ms);
}

void sl_warden_holds(struct sl_warden *w, const struct sl_sip_flow *flow, uint32_t seconds, int64_t now_ms)
{
	trust(w, &flow->remote, flow->listener, seconds, SL_TRUST_HOLD, now_ms);
}

void sl_warden_renews(struct sl_warden *w, const struct sl_sip_flow *flow, uint32_t seconds, int64_t now_ms)
{
	trust(w, &flow->remote, flow->listener, seconds, SL_TRUST_RENEW, now_ms);
}

void sl_warden_trusts_peer(struct sl_warden *w, const struct sl_endpoint *remote, unsigned listener, uint32_t seconds, int64_t now_ms)
{
	trust(w, remote, listener, seconds, SL_TRUST_ALONE, now_ms);
}

/* A mark that goes lets the others of its run move up. When all are being told again, none that is not told yet must get behind where that
 * is: it begins with the run once more, and not with the table, or it would never end while people come and go. */
static void back_to_run(struct sl_warden *w)
{
	struct sl_warden_tell *t = &w->tell;

	while (t->marks_anew && t->mark_at > 0 && t->mark_at < w->trust.size && w->trust.all[t->mark_at - 1].until_ms)
		t->mark_at--;
}

void sl_warden_distrusts(struct sl_warden *w, const struct sl_sip_flow *flow, int64_t now_ms)
{
	const struct sl_trust_mark *left;

	if (!w || w->leaving)
		return;
	w->now_ms = now_ms > w->now_ms ? now_ms : w->now_ms;
	back_to_run(w);
	if (!sl_trust_release(&w->trust, &flow->remote, flow->listener, w->now_ms, &left))
		return;
	if (left) {
		tell(w, &flow->remote, flow->listener, SL_GUARD_IS_FINAL, (uint32_t)((left->until_ms - w->now_ms + 999) / 1000));
		return;
	}
	w->counts.marks_withdrawn++;
	tell(w, &flow->remote, flow->listener, SL_GUARD_NOBODY, 0);
}

void sl_warden_leave(struct sl_warden *w)
{
	w->leaving = true;
	sl_warden_query_close(w); /* while what the answer is made of is there */
	sl_warden_rows_close(w);
}

bool sl_warden_knows(const struct sl_warden *w, const struct sl_sip_flow *flow)
{
	return w && sl_trust_has(&w->trust, &flow->remote, flow->listener, w->now_ms);
}
