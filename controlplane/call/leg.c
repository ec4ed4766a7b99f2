/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Legs: what a controller may ask of one in which state, and what follows from what it says. */

#include "controlplane/call/internal.h"

#include <errno.h>
#include <stdio.h>

enum { RINGING = 180, OK = 200, NO_SUCH_CALL = 481 };

int sl_leg_init(struct sl_leg *l, struct sl_call *c, const struct sl_leg_ops *ops, enum sl_leg_direction d)
{
	const struct leg_record *r = ((struct call *)c)->restoring;

	if (c->n_legs == SL_CALL_MAX_LEGS)
		return -ENOSPC;
	l->call = c;
	l->ops = ops;
	l->direction = d;
	if (r) {
		l->id = r->id;
		l->direction = (enum sl_leg_direction)r->direction;
		l->state = r->state;
		memcpy(l->media_tag, r->media_tag, sizeof l->media_tag);
		memcpy(l->media_branch, r->media_branch, sizeof l->media_branch);
		l->cdr = r->cdr;
		l->cdr.restored = 1;
		c->legs[c->n_legs++] = l;
		return 0;
	}
	sl_id_new(&l->id);
	l->cdr.leg = l->id;
	l->cdr.call = c->id;
	l->cdr.direction = d;
	l->cdr.begun_unix_ms = sl_call_unix_ms();
	snprintf(l->cdr.tenant, sizeof l->cdr.tenant, "%s", c->tenant);
	c->legs[c->n_legs++] = l;
	sl_call_event_publish(c->calls->o.events, SL_CE_LEG_CREATED, c->tenant, &c->id, &l->id, "%s", d == SL_LEG_IN ? "in" : "out");
	sl_call_changed(c);
	return 0;
}

int sl_leg_move(struct sl_leg *l, struct sl_call *to)
{
	struct sl_call *from = l->call;
	unsigned at = 0;

	if (from == to)
		return 0;
	if (to->n_legs == SL_CALL_MAX_LEGS)
		return -ENOSPC;
	sl_bridge_leave(l);
	while (from->legs[at] != l)
		at++;
	memmove(&from->legs[at], &from->legs[at + 1], (from->n_legs - at - 1) * sizeof from->legs[0]);
	from->n_legs--;
	to->legs[to->n_legs++] = l;
	l->call = to;
	l->cdr.call = to->id;
	sl_call_changed(from);
	sl_call_changed(to);
	return 0;
}

/* ---- what it says ---- */

static void rings(struct sl_leg *l, int status)
{
	if (l->state == SL_LS_TRYING)
		l->state = SL_LS_EARLY;
	if (status < RINGING || l->cdr.ringing_unix_ms)
		return;
	l->cdr.ringing_unix_ms = sl_call_unix_ms();
	sl_call_event_publish(l->call->calls->o.events, SL_CE_LEG_RINGING, l->call->tenant, &l->call->id, &l->id, "%d", status);
	sl_call_changed(l->call);
}

static void is_up(struct sl_leg *l)
{
	struct sl_call *c = l->call;
	struct sl_calls *cs = c->calls;

	if (l->state == SL_LS_UP)
		return;
	l->state = SL_LS_UP;
	l->cdr.answered_unix_ms = sl_call_unix_ms();
	l->cdr.status = OK;
	sl_call_event_publish(cs->o.events, SL_CE_LEG_ANSWERED, c->tenant, &c->id, &l->id, "%s", l->direction == SL_LEG_IN ? "in" : "out");
	/* The call is answered when whoever called is. */
	if (l->direction == SL_LEG_IN && c->answered_unix_ms == 0) {
		c->answered_unix_ms = l->cdr.answered_unix_ms;
		cs->counts.answered++;
		cs->counts.now_up++;
		sl_call_event_publish(cs->o.events, SL_CE_CALL_ANSWERED, c->tenant, &c->id, NULL, "%s", "");
	}
	sl_call_changed(c);
}

static void has_ended(struct sl_leg *l, const struct sl_cause *cause)
{
	struct sl_cdr *cdr = &l->cdr;

	l->state = SL_LS_ENDED;
	l->cause = *cause;
	cdr->ended_unix_ms = sl_call_unix_ms();
	cdr->status = cause->status;
	cdr->q850 = cause->q850 ? cause->q850 : sl_q850_of_status(cause->status);
	cdr->ended_by = cause->by;
	snprintf(cdr->cause, sizeof cdr->cause, "%s", cause->text[0] || cause->status != OK ? cause->text : "normal clearing");
	sl_call_event_publish(l->call->calls->o.events, SL_CE_LEG_ENDED, l->call->tenant, &l->call->id, &l->id, "%u %s", cause->status,
	        cause->text);
	sl_call_changed(l->call);
}

void sl_leg_tell(struct sl_leg *l, const struct sl_leg_event *e)
{
	const struct sl_slice none = {0};
	struct sl_call *c = l->call;

	if (l->state == SL_LS_ENDED)
		return;
	if (e->type == SL_LE_ENDED)
		has_ended(l, &e->cause);
	else if (l->state == SL_LS_ENDING) {
		if (e->request) /* whoever asks must get an answer */
			l->ops->respond(l, e->request, NO_SUCH_CALL, "Call Leg/Transaction Does Not Exist", none, none, NULL);
		return;
	}
	if (e->type == SL_LE_PROGRESS)
		rings(l, e->status);
	if (e->type == SL_LE_ANSWERED)
		is_up(l);
	if (c->controller && !((struct call *)c)->closed)
		c->controller->event(c, l, e);
}

/* ---- what it is told ---- */

static int not_now(const struct sl_leg *l)
{
	return l->state >= SL_LS_ENDING ? -ENOTCONN : -EINVAL;
}

int sl_leg_progress(struct sl_leg *l, int status, const char *reason, struct sl_slice sdp, const char *headers)
{
	if (l->direction != SL_LEG_IN || l->state > SL_LS_EARLY)
		return not_now(l);
	int rc = l->ops->progress(l, status, reason, sdp, headers);
	if (rc == 0)
		rings(l, status);
	return rc;
}

int sl_leg_answer(struct sl_leg *l, struct sl_slice sdp, const char *headers)
{
	if (l->direction != SL_LEG_IN || l->state > SL_LS_EARLY)
		return not_now(l);
	int rc = l->ops->answer(l, sdp, headers);
	if (rc == 0)
		is_up(l);
	return rc;
}

int sl_leg_offer(struct sl_leg *l, struct sl_slice sdp)
{
	return l->state == SL_LS_UP || l->state == SL_LS_EARLY ? l->ops->offer(l, sdp) : not_now(l);
}

int sl_leg_ack(struct sl_leg *l, struct sl_slice sdp)
{
	return l->state == SL_LS_UP ? l->ops->ack(l, sdp) : not_now(l);
}

int sl_leg_respond(struct sl_leg *l, struct sl_leg_request *r, int status, const char *reason, struct sl_slice content_type,
        struct sl_slice body, const char *headers)
{
	return l->state < SL_LS_ENDED ? l->ops->respond(l, r, status, reason, content_type, body, headers) : -ENOTCONN;
}

int sl_leg_send(struct sl_leg *l, const char *method, struct sl_slice content_type, struct sl_slice body, const char *headers, void *ctx)
{
	return l->state == SL_LS_UP || l->state == SL_LS_EARLY ? l->ops->request(l, method, content_type, body, headers, ctx) : not_now(l);
}

void sl_leg_hangup(struct sl_leg *l, const struct sl_cause *cause, const char *headers)
{
	enum sl_leg_state before = l->state;

	if (before >= SL_LS_ENDING)
		return;
	/* The kind looks at the state: it is changed after. */
	l->ops->hangup(l, cause, headers);
	if (l->state == before)
		l->state = SL_LS_ENDING;
	sl_call_changed(l->call);
}
