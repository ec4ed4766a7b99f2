/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Requests inside a dialog that are no change of the session: passed on to the other side, and its answer back. */

#include "controlplane/b2bua/internal.h"

#include <stdlib.h>

static const struct sl_slice none;
static const char allow[] = "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, NOTIFY, SUBSCRIBE, REFER\r\n";

static void answer(struct side *s, const struct sl_leg_event *e, int status, const char *headers)
{
	sl_leg_respond(s->leg, e->request, status, sl_status_text(status), none, none, headers);
}

static bool is_passed(const char *method)
{
	static const char *const passed[] = {"INFO", "MESSAGE", "NOTIFY", "SUBSCRIBE"};

	for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++) {
		if (strcmp(method, passed[i]) == 0)
			return true;
	}
	return false;
}

static struct side *to_whom(const struct side *s)
{
	struct trunk_call *tc = s->tc;

	if (tc->up)
		return sl_side_partner(s);
	if (s != tc->caller)
		return tc->caller;
	return tc->dial ? tc->dial->heard : NULL;
}

void sl_indialog_request(struct side *s, const struct sl_leg_event *e)
{
	struct trunk_call *tc = s->tc;
	struct side *p = to_whom(s);
	char room[SL_HEADERS_ROOM];
	struct text headers;

	if (strcmp(e->method, "REFER") == 0) {
		sl_refer_request(s, e);
		return;
	}
	if (strcmp(e->method, "OPTIONS") == 0) {
		answer(s, e, 200, allow);
		return;
	}
	if (!is_passed(e->method)) {
		answer(s, e, 405, allow);
		return;
	}
	if (!p || p->leg->state >= SL_LS_ENDING) {
		answer(s, e, 480, NULL);
		return;
	}
	if (sl_leg_is_sip(p->leg) && !sl_sip_leg_allows(p->leg, e->method)) {
		answer(s, e, 405, NULL);
		return;
	}
	struct relay *r = tc->n_relays < RELAYS_MAX ? calloc(1, sizeof *r) : NULL;
	if (!r) {
		answer(s, e, 503, "Retry-After: 2\r\n");
		return;
	}
	struct pass_side from = sl_side_pass(s), to = sl_side_pass(p);
	text_init(&headers, room, sizeof room);
	sl_headers_pass(&headers, e->message, PASS_INSIDE, &from, &to, tc->call->tenant);
	if (sl_leg_send(p->leg, e->method, e->content_type, e->body, headers.n ? room : NULL, r)) {
		free(r);
		answer(s, e, 500, "Retry-After: 2\r\n");
		return;
	}
	*r = (struct relay){.from = s->leg, .to = p->leg, .request = e->request};
	LIST_INSERT_HEAD(&tc->relays, r, link);
	tc->n_relays++;
}

static void relay_free(struct trunk_call *tc, struct relay *r)
{
	LIST_REMOVE(r, link);
	tc->n_relays--;
	free(r);
}

void sl_indialog_response(struct side *s, const struct sl_leg_event *e)
{
	struct trunk_call *tc = s->tc;
	struct relay *r = e->ctx;
	char room[SL_HEADERS_ROOM];
	struct text headers;

	if (!r) /* a NOTIFY of ours */
		return;
	struct side *back = r->from ? side_of(r->from) : NULL;
	if (back) {
		struct pass_side from = sl_side_pass(s), to = sl_side_pass(back);
		text_init(&headers, room, sizeof room);
		sl_headers_pass(&headers, e->message, PASS_INSIDE, &from, &to, tc->call->tenant);
		int status = e->status == 401 || e->status == 407 ? 403 : e->status;
		sl_leg_respond(r->from, r->request, status, status == e->status ? e->reason : sl_status_text(status), e->content_type, e->body,
		        headers.n ? room : NULL);
	}
	relay_free(tc, r);
}

/* s goes to another call: who asked it, and whom it asked, hears that it is not there any more; the answers that it still gives come to its
 * new call, and nobody waits for them. */
void sl_indialog_move(struct side *s, struct trunk_call *to)
{
	struct trunk_call *tc = s->tc;
	struct relay *r = LIST_FIRST(&tc->relays), *next;

	for (; r; r = next) {
		next = LIST_NEXT(r, link);
		if (r->from != s->leg && r->to != s->leg)
			continue;
		if (r->from)
			sl_leg_respond(r->from, r->request, 480, sl_status_text(480), none, none, NULL);
		r->from = NULL;
		if (r->to != s->leg)
			continue;
		LIST_REMOVE(r, link);
		tc->n_relays--;
		LIST_INSERT_HEAD(&to->relays, r, link);
		to->n_relays++;
	}
}

void sl_indialog_gone(struct side *s)
{
	struct relay *r = LIST_FIRST(&s->tc->relays), *next;

	for (; r; r = next) {
		next = LIST_NEXT(r, link);
		if (r->from == s->leg)
			r->from = NULL;
		if (r->to != s->leg)
			continue;
		if (r->from && r->from->state == SL_LS_UP)
			sl_leg_respond(r->from, r->request, 480, sl_status_text(480), none, none, NULL);
		relay_free(s->tc, r);
	}
}
