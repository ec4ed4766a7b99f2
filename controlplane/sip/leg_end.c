/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* How a leg ends: refused, cancelled, BYE from either side or both, or because an answer said that its dialog is gone (RFC 5057). */

#include "controlplane/sip/leg_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum leg_fate sl_leg_sip_fate(sip_method_t method, int status)
{
	bool usage = method == sip_method_invite || method == sip_method_update || method == sip_method_prack || method == sip_method_info;

	switch (status) {
	case 404: case 410: case 416: case 482: case 483: case 484: case 485: case 604:
		return LEG_FATE_DIALOG;
	/* Of the INVITE usage only when the request belongs to it: a NOTIFY may well meet no subscription. */
	case 408: case 481:
		return usage ? LEG_FATE_USAGE : LEG_FATE_NONE;
	/* INVITE itself is refused: no session without it. Another method is just not known there. */
	case 489: case 501:
		return method == sip_method_invite ? LEG_FATE_USAGE : LEG_FATE_NONE;
	default:
		return LEG_FATE_NONE;
	}
}

void sl_leg_sip_cause_of(struct sl_cause *cause, const struct leg *l, int status, const char *phrase, const sip_t *sip)
{
	*cause = (struct sl_cause){ .status = (uint16_t)status, .by = l->base.direction == SL_LEG_IN ? SL_BY_CALLER : SL_BY_CALLEE };
	snprintf(cause->text, sizeof cause->text, "%s", phrase ? phrase : "");
	if (sip == NULL || nta_sip_is_internal(sip)) {
		cause->by = SL_BY_NETWORK;
		return;
	}
	for (const sip_reason_t *r = sip->sip_reason; r; r = r->re_next) {
		unsigned long n = r->re_cause ? strtoul(r->re_cause, NULL, 10) : 0;

		if (r->re_protocol && strcasecmp(r->re_protocol, "Q.850") == 0 && n >= 1 && n <= 127)
			cause->q850 = (uint8_t)n;
		/* In a request the SIP cause says more than the method does (RFC 3326). */
		if (sip->sip_request && r->re_protocol && strcasecmp(r->re_protocol, "SIP") == 0 && n >= 200 && n <= 699)
			cause->status = (uint16_t)n;
		if (r->re_text && sip->sip_request) {
			size_t len = strlen(r->re_text);
			bool quoted = len >= 2 && r->re_text[0] == '"';

			snprintf(cause->text, sizeof cause->text, "%.*s", (int)(quoted ? len - 2 : len), r->re_text + quoted);
		}
	}
	if (sip->sip_retry_after && sip->sip_retry_after->af_delta <= UINT16_MAX)
		cause->retry_after_s = (uint16_t)sip->sip_retry_after->af_delta;
}

const char *sl_leg_sip_reason_header(const struct sl_cause *cause, char *out, size_t room)
{
	char text[sizeof cause->text];
	size_t n = 0;

	for (const char *p = cause->text; *p && n + 1 < sizeof text; p++) {
		if (*p != '"' && *p != '\\' && (unsigned char)*p >= ' ')
			text[n++] = *p;
	}
	text[n] = '\0';
	snprintf(out, room, "Reason: SIP ;cause=%u ;text=\"%s\"\r\n", cause->status, text);
	return out;
}

static void free_requests(struct leg *l)
{
	struct sl_leg_request *r;

	for (r = l->requests; r; r = r->next) {
		nta_incoming_t *irq = r->irq;

		if (irq == NULL)
			continue;
		r->irq = NULL;
		if (r->method == sip_method_invite)
			sl_leg_sip_reply(l, irq, SIP_487_REQUEST_CANCELLED, TAG_END());
		else
			sl_leg_sip_reply(l, irq, SIP_481_NO_CALL, TAG_END());
		nta_incoming_destroy(irq);
	}
}

/* nta is told to forget the leg: what still runs goes on by itself. */
static void cut_off(struct leg *l)
{
	sl_leg_sip_stop(l, &l->session);
	sl_leg_sip_stop(l, &l->retry);
	sl_leg_sip_stop(l, &l->goodbye);
	sl_ask_withdraw(sl_sip_options(l->sip)->asks, l->resolving);
	l->resolving = 0;
	free_requests(l);
	if (l->irq) {
		nta_incoming_t *irq = l->irq;

		l->irq = NULL;
		if (nta_incoming_status(irq) < 200)
			sl_leg_sip_reply(l, irq, SIP_487_REQUEST_CANCELLED, TAG_END());
		nta_incoming_destroy(irq);
	}
	if (l->invite) {
		/* One under way must be cancelled first: a transaction that is destroyed without is forgotten at once. */
		if (nta_outgoing_status(l->invite) < 200 && !l->cancelled)
			nta_outgoing_tcancel(l->invite, NULL, NULL, TAG_END());
		nta_outgoing_destroy(l->invite);
		l->invite = NULL;
	}
	while (l->sent) {
		struct leg_sent *sent = l->sent;

		nta_outgoing_destroy(sent->orq);
		sl_leg_sip_sent_free(l, sent);
	}
	sl_leg_sip_forks_free(l, NULL);
	if (l->dialog) {
		nta_leg_destroy(l->dialog);
		l->dialog = NULL;
	}
}

void sl_leg_sip_ended(struct leg *l, const struct sl_cause *cause, const sip_t *sip)
{
	struct sl_leg_event e = { .type = SL_LE_ENDED, .cause = *cause, .message = sip };

	if (l->ended)
		return;
	l->ended = true;
	/* The controller reads sip: what holds it goes after. */
	if (sip && sip->sip_status) {
		e.status = sip->sip_status->st_status;
		e.reason = sip->sip_status->st_phrase ? sip->sip_status->st_phrase : "";
	} else {
		e.status = cause->status;
		e.reason = e.cause.text;
	}
	sl_leg_tell(&l->base, &e);
	cut_off(l);
}

void sl_leg_sip_bye(struct leg *l, const struct sl_cause *cause, const char *headers)
{
	struct leg_sent *sent = sl_leg_sip_sent_new(l, LEG_SENT_BYE);

	l->end = *cause;
	if (sent)
		sent->orq = sl_leg_sip_send(l, l->dialog, sl_leg_sip_on_response, sent, SIP_METHOD_BYE,
		        TAG_IF(headers && *headers, SIPTAG_HEADER_STR(headers)), TAG_END());
	if (sent == NULL || sent->orq == NULL) {
		if (sent)
			sl_leg_sip_sent_free(l, sent);
		sl_leg_sip_ended(l, cause, NULL);
		return;
	}
	sl_leg_sip_stop(l, &l->session);
	sl_leg_sip_stop(l, &l->retry);
	sl_leg_sip_after(l, &l->goodbye, LEG_GOODBYE_MS);
}

void sl_leg_sip_failed(struct leg *l, int status, enum sl_cause_by by, const char *text)
{
	struct sl_cause cause = { .status = (uint16_t)status, .by = (uint8_t)by };
	char reason[160];

	if (l->ended || l->base.state >= SL_LS_ENDING)
		return;
	sl_sip_leg_counts()->failed_dialogs++;
	snprintf(cause.text, sizeof cause.text, "%s", text ? text : "");
	if (l->dialog) {
		nta_outgoing_t *bye = sl_leg_sip_send(l, l->dialog, NULL, NULL, SIP_METHOD_BYE,
		        SIPTAG_HEADER_STR(sl_leg_sip_reason_header(&cause, reason, sizeof reason)), TAG_END());

		nta_outgoing_destroy(bye);
	}
	sl_leg_sip_ended(l, &cause, NULL);
}

void sl_leg_sip_goodbye_due(struct sl_timer *t)
{
	struct leg *l = (struct leg *)((char *)t - offsetof(struct leg, goodbye));

	sl_leg_sip_ended(l, &l->end, NULL);
}

void sl_leg_sip_hangup(struct sl_leg *base, const struct sl_cause *cause, const char *headers)
{
	struct leg *l = sl_leg_sip_of(base);

	if (l->ended)
		return;
	if (base->state == SL_LS_UP) {
		if (l->base.direction == SL_LEG_IN && l->answered && l->irq) {
			/* RFC 3261 15: the callee's side must not send BYE before it has the ACK. */
			l->bye_due = true;
			l->end = *cause;
			free(l->end_headers);
			l->end_headers = headers ? strdup(headers) : NULL;
			return;
		}
		if (l->ack_due) {
			struct sl_slice none = {0};

			sl_leg_sip_send_ack(l, NULL, none);
		}
		sl_leg_sip_bye(l, cause, headers);
	} else if (l->base.direction == SL_LEG_IN)
		sl_leg_sip_refuse(l, cause, headers);
	else
		sl_leg_sip_cancel(l, cause, headers);
}
