/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Requests inside a dialog, in both directions: INFO, MESSAGE, REFER, NOTIFY, SUBSCRIBE and OPTIONS; BYE that comes; where re-INVITE and
 * UPDATE go; and the answers to ours. */

#include "controlplane/sip/leg_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <sofia-sip/msg_header.h>

enum { TYPE_ROOM = 256 };

/* ---- theirs ---- */

struct sl_leg_request *sl_leg_sip_request_new(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	struct sl_leg_request *r;
	unsigned n = 0;

	for (r = l->requests; r; r = r->next)
		n++;
	r = n < LEG_REQUESTS_MAX ? calloc(1, sizeof *r) : NULL;
	if (r == NULL) {
		sl_sip_leg_counts()->refused_requests++;
		sl_leg_sip_reply(l, irq, SIP_500_INTERNAL_SERVER_ERROR, SIPTAG_RETRY_AFTER_STR("1"), TAG_END());
		nta_incoming_destroy(irq);
		return NULL;
	}
	r->irq = irq;
	r->method = sip->sip_request->rq_method;
	r->wants_timer = sip->sip_session_expires && l->timer_supported &&
	                 (r->method == sip_method_invite || r->method == sip_method_update);
	r->next = l->requests;
	l->requests = r;
	return r;
}

static void request_free(struct leg *l, struct sl_leg_request *r)
{
	for (struct sl_leg_request **at = &l->requests; *at; at = &(*at)->next) {
		if (*at == r) {
			*at = r->next;
			break;
		}
	}
	free(r);
}

static void bye_came(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	struct sl_cause cause;

	sl_leg_sip_reply(l, irq, SIP_200_OK, TAG_END());
	nta_incoming_destroy(irq);
	sl_leg_sip_cause_of(&cause, l, 200, "", sip);
	if (l->base.state == SL_LS_ENDING) {
		/* Both said it at once: ours is what the controller wanted. */
		if (!l->cancelled)
			sl_sip_leg_counts()->bye_glare++;
		cause = l->end;
	}
	sl_leg_sip_ended(l, &cause, sip);
}

/* With its parameters: without its boundary nobody can read a body of several parts. */
static struct sl_slice type_of(const sip_t *sip, char room[TYPE_ROOM])
{
	const sip_content_type_t *c = sip->sip_content_type;
	issize_t n = c && c->c_type ? msg_header_field_e(room, TYPE_ROOM, (const msg_header_t *)c, 0) : 0;

	return n > 0 && n < TYPE_ROOM ? (struct sl_slice){ room, (size_t)n } : (struct sl_slice){0};
}

static void other_came(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	struct sl_leg_event e = { .type = SL_LE_REQUEST, .message = sip, .method = sip->sip_request->rq_method_name };
	char type[TYPE_ROOM];

	if ((e.request = sl_leg_sip_request_new(l, irq, sip)) == NULL)
		return;
	e.content_type = type_of(sip, type);
	if (sip->sip_payload) {
		e.body.p = sip->sip_payload->pl_data;
		e.body.n = sip->sip_payload->pl_len;
	}
	sl_leg_tell(&l->base, &e);
}

int sl_leg_sip_on_request(nta_leg_magic_t *magic, nta_leg_t *dialog, nta_incoming_t *irq, const sip_t *sip)
{
	struct leg *l = (struct leg *)magic;
	msg_t *msg = nta_incoming_getrequest(irq);

	(void)dialog;
	sl_leg_sip_heard(l, msg, sip);
	switch (sip->sip_request->rq_method) {
	case sip_method_ack:
		/* Of a 2xx whose transaction is gone. */
		nta_incoming_destroy(irq);
		break;
	case sip_method_bye:
		bye_came(l, irq, sip);
		break;
	case sip_method_invite:
		sl_leg_sip_learn(l, sip);
		sl_leg_sip_reinvite_came(l, irq, sip);
		break;
	case sip_method_update:
		sl_leg_sip_learn(l, sip);
		sl_leg_sip_update_came(l, irq, sip);
		break;
	case sip_method_info:
	case sip_method_message:
	case sip_method_refer:
	case sip_method_notify:
	case sip_method_subscribe:
		other_came(l, irq, sip);
		break;
	case sip_method_options:
		sl_leg_sip_reply(l, irq, SIP_200_OK, SIPTAG_ALLOW_STR(LEG_ALLOW), SIPTAG_SUPPORTED_STR(LEG_SUPPORTED), SIPTAG_ACCEPT_STR(LEG_SDP),
		        TAG_END());
		nta_incoming_destroy(irq);
		break;
	default:
		sl_sip_leg_counts()->refused_requests++;
		sl_leg_sip_reply(l, irq, SIP_405_METHOD_NOT_ALLOWED, SIPTAG_ALLOW_STR(LEG_ALLOW), TAG_END());
		nta_incoming_destroy(irq);
	}
	msg_destroy(msg);
	return 0;
}

/* The 2xx of a re-INVITE waits for its ACK as the first one did. */
static void await_ack(struct leg *l, struct sl_leg_request *r, struct sl_slice body)
{
	l->irq = r->irq;
	l->answered = true;
	l->late = r->late;
	l->offer = r->late && body.n ? LEG_OFFER_OURS : LEG_OFFER_NONE;
}

static int send_response(struct leg *l, const struct sl_leg_request *r, int status, const char *reason, struct sl_slice content_type,
        struct sl_slice body, const char *headers)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	bool session = r->method == sip_method_invite || r->method == sip_method_update;
	bool success = status >= 200 && status < 300;
	char expires[48];

	su_home_init(home);
	const char *timer = success && session && (r->wants_timer || l->expires_s) ? sl_leg_sip_timer_header(l, expires) : NULL;
	const char *type = content_type.n ? su_strndup(home, content_type.p, (isize_t)content_type.n) : LEG_SDP;
	sip_payload_t *payload = body.n ? sip_payload_create(home, body.p, (isize_t)body.n) : NULL;
	bool contact = success && (session || r->method == sip_method_subscribe || r->method == sip_method_refer || r->method == sip_method_notify);
	int rc = sl_leg_sip_reply(l, r->irq, status, reason && *reason ? reason : NULL, TAG_IF(contact, SIPTAG_CONTACT_STR(l->contact)),
	        TAG_IF(success && session, SIPTAG_ALLOW_STR(LEG_ALLOW)), TAG_IF(success && session, SIPTAG_SUPPORTED_STR(LEG_SUPPORTED)),
	        TAG_IF(timer, SIPTAG_SESSION_EXPIRES_STR(timer)),
	        TAG_IF(timer && l->timer_supported && !l->we_refresh, SIPTAG_REQUIRE_STR("timer")),
	        TAG_IF(payload, SIPTAG_CONTENT_TYPE_STR(type)), TAG_IF(payload, SIPTAG_PAYLOAD(payload)),
	        TAG_IF(headers && *headers, SIPTAG_HEADER_STR(headers)), TAG_END());

	su_home_deinit(home);
	return rc;
}

int sl_leg_sip_respond(struct sl_leg *base, struct sl_leg_request *r, int status, const char *reason, struct sl_slice content_type,
        struct sl_slice body, const char *headers)
{
	struct leg *l = sl_leg_sip_of(base);
	bool success = status >= 200 && status < 300;
	bool session = r->method == sip_method_invite || r->method == sip_method_update;
	int rc;

	if (r->irq == NULL) {
		/* Cancelled: 487 has been sent. */
		if (status >= 200)
			request_free(l, r);
		return -ECANCELED;
	}
	rc = send_response(l, r, status, reason, content_type, body, headers);
	if (status < 200)
		return rc;
	if (r->offer)
		l->offer = LEG_OFFER_NONE;
	if (success && session && body.n)
		sl_leg_sip_keep_sdp(&l->sdp, &l->sdp_len, body);
	if (success && session && (r->wants_timer || l->expires_s))
		sl_leg_sip_timer_start(l);
	if (r->offer && !success)
		l->their_sdp = 0; /* theirs is not what stands: the next one is asked about again */
	if (r->method == sip_method_invite && success)
		await_ack(l, r, body);
	else
		nta_incoming_destroy(r->irq);
	request_free(l, r);
	if (session)
		sl_call_changed(base->call);
	return rc;
}

/* ---- ours ---- */

struct leg_sent *sl_leg_sip_sent_new(struct leg *l, enum leg_sent_what what)
{
	struct leg_sent *sent;
	unsigned n = 0;

	for (sent = l->sent; sent; sent = sent->next)
		n++;
	/* A BYE always goes. */
	if ((n >= LEG_SENT_MAX && what != LEG_SENT_BYE) || (sent = calloc(1, sizeof *sent)) == NULL)
		return NULL;
	sent->leg = l;
	sent->what = (uint8_t)what;
	sent->next = l->sent;
	l->sent = sent;
	return sent;
}

void sl_leg_sip_sent_free(struct leg *l, struct leg_sent *sent)
{
	for (struct leg_sent **at = &l->sent; *at; at = &(*at)->next) {
		if (*at == sent) {
			*at = sent->next;
			break;
		}
	}
	free(sent);
}

int sl_leg_sip_request(struct sl_leg *base, const char *method, struct sl_slice content_type, struct sl_slice body, const char *headers,
        void *ctx)
{
	struct leg *l = sl_leg_sip_of(base);
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct leg_sent *sent = sl_leg_sip_sent_new(l, LEG_SENT_REQUEST);
	sip_method_t code = sip_method_code(method);

	if (sent == NULL)
		return -ENOMEM;
	sent->ctx = ctx;
	su_home_init(home);
	const char *type = content_type.n ? su_strndup(home, content_type.p, (isize_t)content_type.n) : NULL;
	sip_payload_t *payload = body.n ? sip_payload_create(home, body.p, (isize_t)body.n) : NULL;

	sent->orq = sl_leg_sip_send(l, l->dialog, sl_leg_sip_on_response, sent, code, method, TAG_IF(type, SIPTAG_CONTENT_TYPE_STR(type)),
	        TAG_IF(payload, SIPTAG_PAYLOAD(payload)), TAG_IF(headers && *headers, SIPTAG_HEADER_STR(headers)), TAG_END());
	su_home_deinit(home);
	if (sent->orq == NULL) {
		sl_leg_sip_sent_free(l, sent);
		return -ENOTCONN;
	}
	return 0;
}

static void told(struct leg *l, void *ctx, int status, const char *reason, const sip_t *sip)
{
	struct sl_leg_event e = { .type = SL_LE_RESPONSE, .status = status, .reason = reason, .ctx = ctx, .message = sip };
	char type[TYPE_ROOM];

	if (sip)
		e.content_type = type_of(sip, type);
	if (sip && sip->sip_payload) {
		e.body.p = sip->sip_payload->pl_data;
		e.body.n = sip->sip_payload->pl_len;
	}
	sl_leg_tell(&l->base, &e);
}

/* The final answer to a request of ours; sent is nobody's any more. */
static void answered(struct leg *l, enum leg_sent_what what, void *ctx, sip_method_t method, int status, const sip_t *sip)
{
	const char *reason = sip && sip->sip_status->st_phrase ? sip->sip_status->st_phrase : "no answer";
	bool by_network = sip == NULL || nta_sip_is_internal(sip);

	switch (what) {
	case LEG_SENT_BYE:
		sl_leg_sip_ended(l, &l->end, sip && sip->sip_status->st_status < 300 ? sip : NULL);
		return;
	case LEG_SENT_UPDATE:
		sl_leg_sip_update_answered(l, status, reason, sip);
		break;
	case LEG_SENT_REFRESH:
		sl_leg_sip_refreshed(l, status, sip);
		break;
	case LEG_SENT_REQUEST:
		told(l, ctx, status, reason, sip);
		break;
	case LEG_SENT_PRACK:
		return; /* what it is for ends with the INVITE */
	}
	if (sl_leg_sip_fate(method, status) != LEG_FATE_NONE && l->base.state == SL_LS_UP)
		sl_leg_sip_failed(l, status, by_network ? SL_BY_NETWORK : l->base.direction == SL_LEG_IN ? SL_BY_CALLER : SL_BY_CALLEE, reason);
}

int sl_leg_sip_on_response(nta_outgoing_magic_t *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct leg_sent *sent = (struct leg_sent *)magic;
	struct leg *l = sent->leg;
	int status = sip ? sip->sip_status->st_status : nta_outgoing_status(orq);
	msg_t *msg = nta_outgoing_getresponse(orq);

	if (sip)
		sl_leg_sip_heard(l, msg, sip);
	if (status >= 200) {
		if ((status == 401 || status == 407) && sl_leg_sip_authorize(l, &sent->orq, sl_leg_sip_on_response, sent, sip, &sent->challenges) == 0)
			nta_outgoing_destroy(orq);
		else {
			enum leg_sent_what what = sent->what;
			void *ctx = sent->ctx;

			sl_leg_sip_sent_free(l, sent);
			answered(l, what, ctx, nta_outgoing_method(orq), status, sip);
			nta_outgoing_destroy(orq);
		}
	}
	if (msg)
		msg_destroy(msg);
	return 0;
}
