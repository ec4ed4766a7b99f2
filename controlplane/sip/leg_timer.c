/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Session timers (RFC 4028): agreed in each 2xx, refreshed by UPDATE without SDP, or by re-INVITE with the SDP that stands where UPDATE is
 * not known; a session that nobody refreshes is ended by BYE. */

#include "controlplane/sip/leg_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { AGAIN_MS = 2000, LAST_MOMENT_S = 32, SE_MAX_S = 86400, REFRESH_TRIES_MS = 10000 };

int64_t sl_leg_sip_timer_ms(uint32_t expires_s, bool we_refresh)
{
	uint32_t third = expires_s / 3;

	/* RFC 4028 7.2, 10: the refresher at half the interval; the other side ends it a third, at most 32 s, before its end. */
	if (we_refresh)
		return (int64_t)expires_s * 500;
	return (int64_t)(expires_s - (third < LAST_MOMENT_S ? third : LAST_MOMENT_S)) * 1000;
}

int sl_leg_sip_timer_asked(struct leg *l, const sip_t *sip)
{
	const sip_session_expires_t *x = sip->sip_session_expires;

	if (x == NULL || !l->timer_supported)
		return 0;
	if (x->x_delta < LEG_MIN_SE_S) {
		sl_sip_leg_counts()->refused_timer++;
		return 422;
	}
	l->expires_s = x->x_delta > SE_MAX_S ? SE_MAX_S : (uint32_t)x->x_delta;
	/* Whoever asks refreshes, unless it says that we shall (RFC 4028 9, table 2). */
	l->we_refresh = x->x_refresher && strcasecmp(x->x_refresher, "uas") == 0;
	return 0;
}

const char *sl_leg_sip_timer_header(const struct leg *l, char out[48])
{
	if (l->expires_s == 0)
		return NULL;
	snprintf(out, 48, "%u;refresher=%s", l->expires_s, l->we_refresh ? "uas" : "uac");
	return out;
}

void sl_leg_sip_timer_start(struct leg *l)
{
	if (l->expires_s == 0) {
		sl_leg_sip_stop(l, &l->session);
		l->expires_unix_ms = 0;
		return;
	}
	int64_t ms = sl_leg_sip_timer_ms(l->expires_s, l->we_refresh);

	l->expires_unix_ms = sl_call_unix_ms() + ms;
	sl_leg_sip_after(l, &l->session, ms);
}

void sl_leg_sip_timer_agreed(struct leg *l, const sip_t *sip)
{
	const sip_session_expires_t *x = sip->sip_session_expires;

	if (x && x->x_delta >= LEG_MIN_SE_S) {
		l->expires_s = x->x_delta > SE_MAX_S ? SE_MAX_S : (uint32_t)x->x_delta;
		l->we_refresh = !(x->x_refresher && strcasecmp(x->x_refresher, "uas") == 0);
	} else
		l->we_refresh = true; /* they do not know timers: we still ask now and then whether they live (RFC 4028 7.2) */
	sl_leg_sip_timer_start(l);
}

static void refresh(struct leg *l)
{
	struct sl_slice sdp = { l->sdp, l->sdp_len };
	struct leg_sent *sent;
	char expires[48];

	if (l->invite || l->offer != LEG_OFFER_NONE || l->irq || l->ack_due || l->requests) {
		sl_leg_sip_after(l, &l->session, AGAIN_MS);
		return;
	}
	sl_sip_leg_counts()->refreshes++;
	if (l->no_update || !(l->allow & (1u << sip_method_update))) {
		l->refreshing = true;
		if (sl_leg_sip_send_reinvite(l, sdp) < 0)
			l->refreshing = false;
		return;
	}
	if ((sent = sl_leg_sip_sent_new(l, LEG_SENT_REFRESH)) == NULL)
		return;
	snprintf(expires, sizeof expires, "%u;refresher=uac", l->expires_s);
	sent->orq = sl_leg_sip_send(l, l->dialog, sl_leg_sip_on_response, sent, SIP_METHOD_UPDATE, SIPTAG_SUPPORTED_STR(LEG_SUPPORTED),
	        SIPTAG_SESSION_EXPIRES_STR(expires), TAG_END());
	if (sent->orq == NULL)
		sl_leg_sip_sent_free(l, sent);
}

void sl_leg_sip_timer_due(struct sl_timer *t)
{
	struct leg *l = (struct leg *)((char *)t - offsetof(struct leg, session));

	if (l->base.state != SL_LS_UP)
		return;
	if (!l->we_refresh) {
		sl_sip_leg_counts()->expired++;
		sl_leg_sip_failed(l, 408, SL_BY_TIMER, "session timer expired");
		return;
	}
	/* Should the refresh fail to be sent, or its answer not come, it is tried again until the session's own end. */
	int64_t left = l->expires_unix_ms + (int64_t)l->expires_s * 500 - sl_call_unix_ms();

	if (left <= 0) {
		sl_sip_leg_counts()->expired++;
		sl_leg_sip_failed(l, 408, SL_BY_TIMER, "session timer expired");
		return;
	}
	sl_leg_sip_after(l, &l->session, left < REFRESH_TRIES_MS * 4 ? left + 1 : REFRESH_TRIES_MS * 4);
	refresh(l);
}

void sl_leg_sip_refreshed(struct leg *l, int status, const sip_t *sip)
{
	if (status < 300 && sip) {
		sl_leg_sip_timer_agreed(l, sip);
		sl_call_changed(l->base.call);
		return;
	}
	if (status == 422 && sip && sip->sip_min_se && sip->sip_min_se->min_delta > l->expires_s && sip->sip_min_se->min_delta <= SE_MAX_S) {
		l->expires_s = (uint32_t)sip->sip_min_se->min_delta;
		sl_leg_sip_after(l, &l->session, 1);
	} else if (status == 405 || status == 501) {
		l->no_update = true;
		sl_leg_sip_after(l, &l->session, 1);
	} else if (status == 491 || status == 500)
		sl_leg_sip_after(l, &l->session, AGAIN_MS);
}
