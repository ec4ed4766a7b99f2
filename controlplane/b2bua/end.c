/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* How calls end: by either side, by an operator, by time, by silence. Everybody is told, the last counts of the media are waited for, and
 * then the call is closed. */

#include "controlplane/b2bua/internal.h"

#include <stdlib.h>

void sl_cause_set(struct sl_cause *c, int status, int by, const char *text)
{
	*c = (struct sl_cause){.status = (uint16_t)status, .by = (uint8_t)by};
	text_copy(c->text, sizeof c->text, text ? text : sl_status_text(status));
}

void sl_reason_line(struct text *out, const struct sl_cause *cause, const void *message)
{
	const sip_t *sip = message;

	if (sip && sip->sip_reason) /* passed with the other headers */
		return;
	if (cause->q850)
		text_format(out, "Reason: Q.850;cause=%u\r\n", cause->q850);
}

static bool all_ended(const struct sl_call *c)
{
	for (unsigned i = 0; i < c->n_legs; i++) {
		if (c->legs[i]->state != SL_LS_ENDED)
			return false;
	}
	return true;
}

void sl_trunk_check_closed(struct trunk_call *tc)
{
	if (!tc->ending || tc->closed || !tc->media_gone || !all_ended(tc->call))
		return;
	tc->closed = true;
	sl_call_close(tc->call, &tc->cause);
}

static void say_farewell(struct sl_timer *t)
{
	struct trunk_call *tc = (struct trunk_call *)((char *)t - offsetof(struct trunk_call, later));

	sl_media_farewell(tc);
	sl_trunk_check_closed(tc);
}

static void tell(struct trunk_call *tc, struct side *but, const struct sl_cause *cause, const char *headers)
{
	struct sl_cause c = *cause;
	struct side *s, *next;

	/* Sides stay until the call goes, so the list does; a leg may end while it is told. */
	for (s = LIST_FIRST(&tc->sides); s; s = next) {
		next = LIST_NEXT(s, link);
		if (s == but || s->leg->state >= SL_LS_ENDING)
			continue;
		c = *cause;
		if (s->leg->direction == SL_LEG_IN && s->leg->state < SL_LS_UP && c.status < 300)
			c.status = 480;
		/* Why it ended is for the record and Reason; the phrase is the status's own, unless somebody chose one. */
		if (s->leg->direction == SL_LEG_IN && s->leg->state < SL_LS_UP && cause->by != SL_BY_CALLEE && cause->by != SL_BY_US)
			text_copy(c.text, sizeof c.text, sl_status_text(c.status));
		sl_leg_hangup(s->leg, &c, headers);
	}
}

static void end(struct trunk_call *tc, struct side *but, const struct sl_cause *cause, const char *headers, bool in_hook)
{
	if (tc->ending)
		return;
	tc->ending = true;
	tc->cause = *cause;
	sl_ask_withdraw(tc->b->o.asks, tc->ask);
	tc->ask = 0;
	sl_call_timer(tc->call, TIMER_DURATION, 0);
	if (tc->dial) {
		struct sl_cause c = *cause;
		if (c.status < 300)
			c.status = 487;
		sl_dial_stop(tc->dial, but, &c, headers);
	}
	if (!tc->up)
		sl_decision_complete(tc);
	tell(tc, but, cause, headers);
	if (in_hook && tc->bridge) { /* the engine calls: its session must be there when it goes on */
		sl_media_counts_now(tc);
		tc->later.fn = say_farewell;
		if (sl_timer_set(sl_b2bua_timers(tc->b), &tc->later, sl_b2bua_now_ms()) < 0)
			tc->media_gone = true;
	} else {
		sl_media_farewell(tc);
	}
	sl_trunk_check_closed(tc);
}

void sl_trunk_end(struct trunk_call *tc, struct side *but, const struct sl_cause *cause, const char *headers)
{
	end(tc, but, cause, headers, false);
}

void sl_trunk_hangup(struct sl_call *c, const struct sl_cause *cause)
{
	struct trunk_call *tc = c->control;
	char room[160];
	struct text reason;
	char words[sizeof cause->text];
	size_t n = 0;

	if (!tc)
		return;
	for (const char *p = cause->text; *p && n + 1 < sizeof words; p++) {
		if (*p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
			words[n++] = *p;
	}
	words[n] = '\0';
	text_init(&reason, room, sizeof room);
	text_format(&reason, "Reason: SIP;cause=%u;text=\"%s\"\r\n", cause->status, words);
	end(tc, NULL, cause, reason.n ? room : NULL, true);
}

void sl_trunk_timer(struct sl_call *c, unsigned kind)
{
	struct sl_cause cause;

	if (kind != TIMER_DURATION || !c->control)
		return;
	sl_cause_set(&cause, 200, SL_BY_TIMER, "maximum duration");
	sl_trunk_end(c->control, NULL, &cause, "Reason: Q.850;cause=16;text=\"maximum duration\"\r\n");
}

/* One of the two who talk has gone: the other is told why. */
static void partner_gone(struct side *s, const struct sl_leg_event *e)
{
	struct trunk_call *tc = s->tc;
	struct side *p = s == tc->caller ? tc->callee : tc->caller;
	struct pass_side from = sl_side_pass(s), to = p ? sl_side_pass(p) : from;
	char room[1024];
	struct text headers;

	text_init(&headers, room, sizeof room);
	sl_headers_pass(&headers, e->message, PASS_BYE, &from, &to, tc->call->tenant);
	sl_reason_line(&headers, &e->cause, e->message);
	sl_trunk_end(tc, s, &e->cause, headers.n ? room : NULL);
}

void sl_trunk_leg_ended(struct side *s, struct sl_leg *l, const struct sl_leg_event *e)
{
	struct trunk_call *tc = l->call->control;

	if (!s) {
		sl_trunk_check_closed(tc);
		return;
	}
	sl_indialog_gone(s);
	sl_session_gone(s);
	if (!tc->ending && tc->transfer && tc->transfer->referrer == s) /* the call goes on without it */
		sl_transfer_keep_share(s);
	if (!s->dial || tc->ending)
		sl_side_release(s);
	if (tc->ending) {
		sl_trunk_check_closed(tc);
		return;
	}
	if (s->dial) {
		sl_dial_refused(s, e);
		return;
	}
	if (s->failed)
		return;
	if (tc->newcomer == s) { /* it gave up before it had anybody's place */
		tc->newcomer = tc->replaced = NULL;
		return;
	}
	if (tc->transfer && sl_transfer_gone(s, e))
		return;
	if (s == tc->caller || s == tc->callee)
		partner_gone(s, e);
}
