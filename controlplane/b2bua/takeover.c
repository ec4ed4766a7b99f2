/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* INVITE with Replaces (RFC 3891): the newcomer takes the place of the leg that it names. The partner is offered the newcomer's session
 * first; only when it has agreed is the newcomer answered and the old leg ended. */

#include "controlplane/b2bua/internal.h"

#include <stdlib.h>

static const struct sl_slice none;

static void refuse(struct sl_leg *l, int status)
{
	struct sl_cause cause;

	sl_cause_set(&cause, status, SL_BY_US, NULL);
	sl_leg_hangup(l, &cause, NULL);
}

static int begin(struct trunk_call *tc, struct side *n, struct side *partner, const sip_t *sip)
{
	struct sl_slice out = none, sdp;
	struct sl_cause cause;

	if (sl_sip_sdp(sip, &sdp) < 0)
		return 415;
	if (sdp.n && sl_media_pass_offer(n, partner, sdp, false, &out, &cause) < 0)
		return cause.status;
	if (sdp.n)
		sl_media_said(n, sdp);
	if (sl_leg_offer(partner->leg, out))
		return 491;
	partner->awaited = AWAIT_TAKEOVER;
	tc->newcomer = n;
	return 0;
}

void sl_takeover(struct sl_b2bua *b, struct sl_call *c, struct sl_leg *l, const struct sl_sip_caller *who, const sip_t *sip, struct sl_leg *replaces)
{
	struct trunk_call *tc = replaces->call->controller == &sl_trunk_controller ? replaces->call->control : NULL;
	struct side *old = tc ? side_of(replaces) : NULL, *partner = old ? sl_side_partner(old) : NULL, *n;
	struct sl_cause cause;
	struct identity identity;
	int status = !tc || tc->ending || !tc->up || !partner || old->failed ? 481 : 0;

	(void)b;
	sl_call_control(c, &sl_trunk_controller, NULL);
	if (!status && (tc->newcomer || tc->transfer || old->offer || partner->offer || partner->awaited || old->awaited))
		status = 491;
	if (!status && sl_leg_move(l, tc->call) < 0)
		status = 500;
	if (status) { /* its call has nobody else: closed when it has ended */
		refuse(l, status);
		return;
	}
	sl_cause_set(&cause, 200, SL_BY_US, "its leg has joined another call");
	sl_call_close(c, &cause);
	if (!(n = sl_side_new(tc, l))) {
		refuse(l, 500);
		return;
	}
	sl_identity_of(sip, who->user, who->trunk, &identity);
	n->number = strdup(identity.user);
	n->anonymous = identity.anonymous;
	const struct sl_prov_snapshot *now = sl_prov_now(tc->b->o.prov);
	sl_side_owner(n, now, who->trunk ? sl_prov_trunk(now, who->trunk->name) : NULL, (struct sl_prov_user *)who->user);
	sl_side_billed(l, who);
	tc->replaced = old;
	if ((status = begin(tc, n, partner, sip))) {
		tc->replaced = NULL;
		n->failed = n->stale = true;
		refuse(l, status);
	}
}

/* The partner of who is replaced has answered, or made an offer where the newcomer had none. */
void sl_takeover_answered(struct side *partner, const struct sl_leg_event *e)
{
	struct trunk_call *tc = partner->tc;
	struct side *n = tc->newcomer, *old = tc->replaced;
	struct sl_slice sdp = none;
	struct sl_cause cause;
	int error = 0;

	partner->awaited = AWAIT_NOTHING;
	tc->newcomer = tc->replaced = NULL;
	if (!n || !old) {
		if (e->status < 300 && e->sdp.n)
			sl_session_settle(sl_side_partner(partner), partner, e->sdp);
		return;
	}
	bool asked = !n->sdp;
	if (e->status < 300 && e->sdp.n)
		error = asked ? sl_media_pass_offer(partner, n, e->sdp, false, &sdp, &cause) : sl_media_pass_answer(partner, n, e->sdp, &sdp, &cause);
	if (e->status >= 300 || error || !e->sdp.n) {
		n->failed = n->stale = true;
		refuse(n->leg, e->status >= 300 ? e->status : error ? cause.status : 488);
		if (asked && e->status < 300)
			sl_session_settle(old, partner, e->sdp);
		return;
	}
	sl_media_said(partner, e->sdp);
	n->acked = asked ? ACKED_TAKEOVER : ACKED_NOTHING;
	if (sl_leg_answer(n->leg, sdp, NULL)) {
		n->failed = true;
		refuse(n->leg, 500);
		return;
	}
	sl_replace_side(tc, old, n, "replaced");
}
