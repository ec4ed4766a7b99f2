/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Changes of the session, passed from one side to the other: re-INVITE and UPDATE with an offer, without one, and what the ACK brings. */

#include "controlplane/b2bua/internal.h"

#include <errno.h>

static const struct sl_slice none;
static const struct sl_slice sdp_type = {"application/sdp", 15};

static void refuse(struct side *s, struct sl_leg_request *r, int status, const char *headers)
{
	sl_leg_respond(s->leg, r, status, sl_status_text(status), none, none, headers);
}

static int agree(struct side *s, struct sl_slice sdp)
{
	struct sl_leg_request *r = s->offer;

	s->offer = NULL;
	return sl_leg_respond(s->leg, r, 200, "OK", sdp_type, sdp, NULL);
}

/* p's 2xx made an offer that s will not answer: what s said last does, since the ACK must have an answer (RFC 3261 13.2.2.4) and the
 * session goes on. */
void sl_session_settle(struct side *s, struct side *p, struct sl_slice offer)
{
	struct sl_slice sdp = none;
	struct sl_cause cause;

	if (!s || !s->sdp || !offer.n || sl_media_pass_offer(p, s, offer, false, &sdp, &cause) < 0 ||
	        sl_media_pass_answer(s, p, (struct sl_slice){s->sdp, s->sdp_len}, &sdp, &cause) < 0)
		sdp = none;
	sl_leg_ack(p->leg, sdp); /* nothing where no ACK is due */
}

/* Who hears a change: the partner; while it still rings, the fork whose early media is heard. */
static struct side *hearer(struct side *s)
{
	struct trunk_call *tc = s->tc;
	struct dial *d = tc->dial;

	if (tc->up)
		return sl_side_partner(s);
	if (!d || !d->heard)
		return NULL;
	return s == tc->caller ? d->heard : s == d->heard ? tc->caller : NULL;
}

void sl_session_offer(struct side *s, const struct sl_leg_event *e)
{
	struct side *p = hearer(s);
	struct sl_slice sdp = none;
	struct sl_cause cause;

	if (!p) {
		refuse(s, e->request, 500, "Retry-After: 3\r\n");
		return;
	}
	if (s->offer || p->offer || p->awaited || s->tc->transfer || s->tc->newcomer) { /* RFC 3261 14.2 */
		refuse(s, e->request, 491, NULL);
		return;
	}
	if (e->sdp.n && sl_media_pass_offer(s, p, e->sdp, false, &sdp, &cause) < 0) {
		refuse(s, e->request, cause.status, NULL);
		return;
	}
	int error = sl_leg_offer(p->leg, sdp);
	if (error) {
		refuse(s, e->request, error == -EINPROGRESS ? 491 : 500, error == -EINPROGRESS ? NULL : "Retry-After: 3\r\n");
		return;
	}
	s->offer = e->request;
	s->asks = e->sdp.n == 0;
	p->awaited = AWAIT_RELAY;
	p->asker = s;
	if (e->sdp.n)
		sl_media_said(s, e->sdp);
}

/* p answered what its asker wants to know. */
void sl_session_answered(struct side *p, const struct sl_leg_event *e)
{
	struct side *s = p->asker;
	struct sl_slice sdp = none;
	struct sl_cause cause;
	int error = 0;

	p->awaited = AWAIT_NOTHING;
	p->asker = NULL;
	if (!s || !s->offer) /* it has gone */
		return;
	if (e->status >= 300) {
		struct sl_leg_request *r = s->offer;
		s->offer = NULL;
		refuse(s, r, e->status < 700 ? e->status : 500, NULL);
		return;
	}
	if (e->sdp.n)
		error = s->asks ? sl_media_pass_offer(p, s, e->sdp, false, &sdp, &cause) : sl_media_pass_answer(p, s, e->sdp, &sdp, &cause);
	if (error || (s->asks && !e->sdp.n)) {
		struct sl_leg_request *r = s->offer;
		s->offer = NULL;
		refuse(s, r, error ? cause.status : 488, NULL);
		if (s->asks)
			sl_session_settle(s, p, e->sdp);
		return;
	}
	if (e->sdp.n)
		sl_media_said(p, e->sdp);
	s->acked = s->asks ? ACKED_RELAY : ACKED_NOTHING;
	if (agree(s, sdp) == -ECANCELED && s->asks) { /* it has thought better of it: no ACK will come */
		s->acked = ACKED_NOTHING;
		sl_session_settle(s, p, e->sdp);
	}
	sl_call_changed(s->tc->call);
}

/* The ACK brought the answer to the offer that our 2xx had. */
void sl_session_acked(struct side *s, const struct sl_leg_event *e)
{
	struct side *p = sl_side_partner(s);
	struct sl_slice sdp;
	struct sl_cause cause;

	if (s->acked == ACKED_NOTHING)
		return;
	s->acked = ACKED_NOTHING;
	if (!p)
		return;
	if (e->sdp.n && sl_media_policy_admits(s, e->sdp) && sl_media_pass_answer(s, p, e->sdp, &sdp, &cause) == 0) {
		sl_media_said(s, e->sdp);
		sl_leg_ack(p->leg, sdp);
		sl_call_changed(s->tc->call);
		return;
	}
	/* RFC 3261 13.2.2.4: a session that cannot be is ended at once. */
	sl_cause_set(&cause, 488, SL_BY_US, "no usable answer in the ACK");
	sl_trunk_end(s->tc, NULL, &cause, "Reason: SIP;cause=488;text=\"Not Acceptable Here\"\r\n");
}

void sl_session_gone(struct side *s)
{
	struct side *x;

	s->offer = NULL;
	LIST_FOREACH(x, &s->tc->sides, link)
	{
		if (x->asker == s)
			x->asker = NULL;
	}
	x = s->asker;
	s->asker = NULL;
	if (s->awaited == AWAIT_RELAY && x && x->offer && x->leg->state == SL_LS_UP) {
		struct sl_leg_request *r = x->offer;
		x->offer = NULL;
		refuse(x, r, 500, NULL);
	}
	s->awaited = AWAIT_NOTHING;
}
