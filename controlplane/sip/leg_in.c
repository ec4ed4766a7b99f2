/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Legs that called us: an INVITE from its 100 to the ACK of our final answer (RFC 3261 13.3, RFC 3262), its CANCEL, and refusing it. */

#include "controlplane/sip/leg_internal.h"

#include "controlplane/guard/warden.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { ADDRESS_TEXT = SL_LEG_ADDRESS_MAX, RETRY_AFTER_S = 5 };

static const char *address(const sip_addr_t *a, char out[ADDRESS_TEXT])
{
	const url_t *u = a->a_url;

	snprintf(out, ADDRESS_TEXT, "%s:%s%s%s", u->url_scheme ? u->url_scheme : "sip", u->url_user ? u->url_user : "", u->url_user ? "@" : "",
	        u->url_host ? u->url_host : "");
	return out;
}

/* ---- what a restart needs to end it while it rings ---- */

static int keep_early(struct leg *l, const sip_t *sip)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct leg_early *e = calloc(1, sizeof *e);
	size_t n = 1;

	if (e == NULL)
		return -ENOMEM;
	l->early = e;
	e->cseq = sip->sip_cseq->cs_seq;
	su_home_init(home);
	char *uri = url_as_string(home, sip->sip_request->rq_url);

	e->request_uri = uri ? strdup(uri) : NULL;
	for (const sip_via_t *v = sip->sip_via; v; v = v->v_next) {
		char *text = sip_header_as_string(home, (const sip_header_t *)v);
		size_t len = text ? strlen(text) : 0;
		char *grown = realloc(e->via, n + len + 8);

		if (text == NULL || grown == NULL)
			break;
		e->via = grown;
		n += (size_t)snprintf(grown + n - 1, len + 8, "Via: %s\r\n", text);
	}
	su_home_deinit(home);
	return e->via && e->request_uri ? 0 : -ENOMEM;
}

/* ---- the INVITE ---- */

static bool make_dialog(struct leg *l, const sip_t *sip)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };

	su_home_init(home);
	/* The tag is there from the beginning: nta finds a dialog that got its own later also for requests without one. */
	sip_to_t *to = sip_to_dup(home, sip->sip_to);

	sl_leg_sip_new_tag(l->tag);
	if (to && sip_to_tag(home, to, l->tag) == 0 && sl_leg_sip_keep_parties(l, to, sip->sip_from) == 0)
		l->dialog = nta_leg_tcreate(sl_sip_agent(l->sip), sl_leg_sip_on_request, (nta_leg_magic_t *)l, SIPTAG_CALL_ID(sip->sip_call_id),
		        SIPTAG_FROM(to), SIPTAG_TO(sip->sip_from), NTATAG_REMOTE_CSEQ(sip->sip_cseq->cs_seq), TAG_END());
	if (l->dialog)
		nta_leg_server_route(l->dialog, sip->sip_record_route, sip->sip_contact);
	su_home_deinit(home);
	return l->dialog != NULL;
}

static void fill_cdr(struct leg *l, const sip_t *sip)
{
	struct sl_cdr *cdr = &l->base.cdr;
	char text[ADDRESS_TEXT];

	snprintf(cdr->from, sizeof cdr->from, "%.*s", (int)sizeof cdr->from - 1, address(sip->sip_from, text));
	snprintf(cdr->to, sizeof cdr->to, "%.*s", (int)sizeof cdr->to - 1, address(sip->sip_to, text));
	snprintf(cdr->sip_call_id, sizeof cdr->sip_call_id, "%s", sip->sip_call_id->i_id);
	sl_sip_hop_text(&l->hop, cdr->remote);
}

static void no_memory(struct sl_sip *s, msg_t *msg, const sip_t *sip)
{
	char after[12];

	snprintf(after, sizeof after, "%d", RETRY_AFTER_S);
	sl_sip_leg_counts()->refused_memory++;
	sl_sip_refuse(s, msg, sip, SIP_503_SERVICE_UNAVAILABLE, SIPTAG_RETRY_AFTER_STR(after), TAG_END());
}

struct sl_leg *sl_sip_leg_incoming(struct sl_sip *s, msg_t *msg, const sip_t *sip, const struct sl_sip_caller *who)
{
	char from[ADDRESS_TEXT], to[ADDRESS_TEXT];
	const struct sl_cause cause = { .status = 503, .by = SL_BY_US, .text = "out of memory" };

	if (sip->sip_session_expires && sip->sip_session_expires->x_delta < LEG_MIN_SE_S) {
		sl_sip_leg_counts()->refused_timer++;
		sl_sip_refuse(s, msg, sip, SIP_422_SESSION_TIMER_TOO_SMALL, SIPTAG_MIN_SE_STR("90"), TAG_END());
		return NULL;
	}
	/* Trunks have limits of their own, emergency calls have none. */
	if (!who->trunk && !sl_warden_has_room(sl_sip_options(s)->warden, SL_WARDEN_CALL, &who->flow.remote.ip, 1) && !sl_sip_is_emergency(s, sip)) {
		sl_sip_leg_counts()->refused_source++;
		sl_sip_refuse(s, msg, sip, 486, "Too Many Calls From Your Address", TAG_END());
		return NULL;
	}
	struct sl_call *c = sl_call_new(sl_sip_options(s)->calls, who->tenant ? who->tenant->name : "", address(sip->sip_from, from),
	        address(sip->sip_to, to));

	if (c == NULL) {
		no_memory(s, msg, sip);
		return NULL;
	}
	struct leg *l = sl_leg_sip_new(s, c, SL_LEG_IN);

	if (l == NULL) {
		no_memory(s, msg, sip);
		sl_call_close(c, &cause);
		return NULL;
	}
	l->flow = who->flow;
	if (!who->trunk) {
		l->counted = who->flow.remote.ip;
		sl_warden_took(sl_sip_options(s)->warden, SL_WARDEN_CALL, &l->counted);
	}
	sl_sip_hop_back(&who->flow, &l->hop);
	fill_cdr(l, sip);
	sl_leg_sip_learn(l, sip);
	l->heard = true;
	l->require_rel100 = sip->sip_require && sip_has_feature(sip->sip_require, "100rel");
	l->rel100 = l->supports & LEG_SUPPORTS_100REL;
	l->late = sl_leg_sip_sdp(sip).n == 0;
	l->offer = l->late ? LEG_OFFER_NONE : LEG_OFFER_THEIRS;
	l->their_sdp = sl_leg_sip_hash(sl_leg_sip_sdp(sip));
	sl_leg_sip_timer_asked(l, sip);
	sl_sip_trace(s, c, &l->base, true, msg, &who->flow);
	if (!make_dialog(l, sip) || sl_leg_sip_set_contact(l, l->tag) < 0 || keep_early(l, sip) < 0 ||
	    (l->irq = nta_incoming_create(sl_sip_agent(s), l->dialog, msg_ref_create(msg), (sip_t *)(uintptr_t)sip, TAG_END())) == NULL) {
		no_memory(s, msg, sip);
		sl_leg_sip_ended(l, &cause, NULL);
		sl_call_close(c, &cause);
		return NULL;
	}
	msg_destroy(msg);
	nta_incoming_bind(l->irq, sl_leg_sip_on_ack_cancel, (nta_incoming_magic_t *)l);
	sl_leg_sip_reply(l, l->irq, SIP_100_TRYING, TAG_END());
	sl_leg_sip_aim(l);
	sl_sip_leg_counts()->incoming++;
	sl_call_changed(c);
	return &l->base;
}

/* ---- answers ---- */

int sl_leg_sip_progress(struct sl_leg *base, int status, const char *reason, struct sl_slice sdp, const char *headers)
{
	struct leg *l = sl_leg_sip_of(base);
	su_home_t home[1] = { SU_HOME_INIT(home) };
	bool reliable = l->require_rel100 || (l->rel100 && sdp.n);
	const char *agent = sl_leg_sip_user_agent(l);
	int rc = -EINVAL;

	if (l->irq == NULL || l->answered || status <= 100 || status >= 200)
		return -EINVAL;
	/* Without reliability an offer cannot be made before the 200 (RFC 3261 13.2.1). */
	if (l->late && !reliable)
		sdp.n = 0;
	su_home_init(home);
	sip_payload_t *payload = sdp.n ? sip_payload_create(home, sdp.p, (isize_t)sdp.n) : NULL;

	if (reliable) {
		rc = nta_reliable_treply(l->irq, sl_leg_sip_prack_came, (nta_reliable_magic_t *)l, status, reason, SIPTAG_CONTACT_STR(l->contact),
		             SIPTAG_ALLOW_STR(LEG_ALLOW), TAG_IF(agent, SIPTAG_SERVER_STR(agent)), TAG_IF(payload, SIPTAG_CONTENT_TYPE_STR(LEG_SDP)),
		             TAG_IF(payload, SIPTAG_PAYLOAD(payload)), TAG_IF(headers && *headers, SIPTAG_HEADER_STR(headers)), TAG_END())
		        ? 0 : -EINVAL;
		if (rc == 0)
			sl_leg_sip_trace_out(l, nta_incoming_getresponse(l->irq));
	} else
		rc = sl_leg_sip_reply(l, l->irq, status, reason, SIPTAG_CONTACT_STR(l->contact), SIPTAG_ALLOW_STR(LEG_ALLOW),
		        TAG_IF(payload, SIPTAG_CONTENT_TYPE_STR(LEG_SDP)), TAG_IF(payload, SIPTAG_PAYLOAD(payload)),
		        TAG_IF(headers && *headers, SIPTAG_HEADER_STR(headers)), TAG_END());
	su_home_deinit(home);
	if (rc == 0 && sdp.n) {
		sl_leg_sip_keep_sdp(&l->sdp, &l->sdp_len, sdp);
		if (reliable)
			l->offer = l->late ? LEG_OFFER_OURS : LEG_OFFER_NONE;
	}
	return rc;
}

int sl_leg_sip_answer(struct sl_leg *base, struct sl_slice sdp, const char *headers)
{
	struct leg *l = sl_leg_sip_of(base);
	su_home_t home[1] = { SU_HOME_INIT(home) };
	char expires[48];

	if (l->irq == NULL || l->answered)
		return -EINVAL;
	su_home_init(home);
	sip_payload_t *payload = sdp.n ? sip_payload_create(home, sdp.p, (isize_t)sdp.n) : NULL;
	const char *timer = sl_leg_sip_timer_header(l, expires);
	int rc = sl_leg_sip_reply(l, l->irq, SIP_200_OK, SIPTAG_CONTACT_STR(l->contact), SIPTAG_ALLOW_STR(LEG_ALLOW),
	        SIPTAG_SUPPORTED_STR(LEG_SUPPORTED), TAG_IF(timer, SIPTAG_SESSION_EXPIRES_STR(timer)),
	        TAG_IF(timer && l->timer_supported && !l->we_refresh, SIPTAG_REQUIRE_STR("timer")),
	        TAG_IF(payload, SIPTAG_CONTENT_TYPE_STR(LEG_SDP)), TAG_IF(payload, SIPTAG_PAYLOAD(payload)),
	        TAG_IF(headers && *headers, SIPTAG_HEADER_STR(headers)), TAG_END());

	su_home_deinit(home);
	if (rc < 0)
		return rc;
	l->answered = true;
	if (sdp.n) {
		sl_leg_sip_keep_sdp(&l->sdp, &l->sdp_len, sdp);
		if (l->offer == LEG_OFFER_THEIRS)
			l->offer = LEG_OFFER_NONE;
		else if (l->late)
			l->offer = LEG_OFFER_OURS;
	}
	sl_leg_sip_timer_start(l);
	return 0;
}

/* ---- ACK, CANCEL, and neither ---- */

/* An INVITE that failed by itself in nta's hands: forgotten at its ACK, or when none comes. */
static int bury(nta_incoming_magic_t *magic, nta_incoming_t *irq, const sip_t *sip)
{
	(void)magic;
	(void)sip;
	nta_incoming_destroy(irq);
	return 0;
}

static void acknowledged(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	struct sl_leg_event e = { .type = SL_LE_ACKED, .message = sip };
	msg_t *msg = nta_incoming_getrequest_ackcancel(irq);

	sl_leg_sip_heard(l, msg, sip);
	sl_leg_sip_early_free(l);
	if (l->late && l->offer == LEG_OFFER_OURS) {
		e.sdp = sl_leg_sip_sdp(sip);
		l->their_sdp = sl_leg_sip_hash(e.sdp);
		l->offer = LEG_OFFER_NONE;
	}
	l->irq = NULL;
	if (l->bye_due)
		sl_leg_sip_bye(l, &l->end, l->end_headers);
	else
		sl_leg_tell(&l->base, &e);
	nta_incoming_destroy(irq);
	msg_destroy(msg);
	sl_call_changed(l->base.call);
}

static void cancelled(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	struct sl_cause cause;
	msg_t *msg = nta_incoming_getrequest_ackcancel(irq);

	sl_leg_sip_heard(l, msg, sip);
	for (struct sl_leg_request *r = l->requests; r; r = r->next) {
		if (r->irq != irq)
			continue;
		/* A re-INVITE: the session stays as it was, and the controller's answer will go nowhere. */
		r->irq = NULL;
		l->offer = LEG_OFFER_NONE;
		sl_leg_sip_reply(l, irq, SIP_487_REQUEST_CANCELLED, TAG_END());
		nta_incoming_destroy(irq);
		msg_destroy(msg);
		return;
	}
	if (irq == l->irq && !l->answered) {
		sl_leg_sip_cause_of(&cause, l, 487, "Request Terminated", sip);
		if (cause.text[0] == '\0' || cause.status < 300)
			cause.status = 487;
		sl_leg_sip_reply(l, irq, SIP_487_REQUEST_CANCELLED, TAG_END());
		l->irq = NULL;
		sl_leg_sip_ended(l, &cause, sip);
		nta_incoming_destroy(irq);
	}
	msg_destroy(msg);
}

int sl_leg_sip_on_ack_cancel(nta_incoming_magic_t *magic, nta_incoming_t *irq, const sip_t *sip)
{
	struct leg *l = (struct leg *)magic;

	if (sip && sip->sip_request->rq_method == sip_method_ack) {
		if (irq == l->irq)
			acknowledged(l, irq, sip);
		else
			nta_incoming_destroy(irq);
	} else if (sip)
		cancelled(l, irq, sip);
	else if (nta_incoming_status(irq) < 200) {
		/* No PRACK in 64*T1: nta refuses the INVITE when this returns (RFC 3262 3). */
		const struct sl_cause cause = { .status = 503, .by = SL_BY_NETWORK, .text = "no PRACK" };

		sl_sip_leg_counts()->lost_pracks++;
		nta_incoming_bind(irq, bury, (nta_incoming_magic_t *)irq);
		if (irq == l->irq) {
			l->irq = NULL;
			sl_leg_sip_ended(l, &cause, NULL);
		}
	} else {
		/* 64*T1 without the ACK of our 2xx: the session is ended by BYE (RFC 3261 13.3.1.4). */
		const struct sl_cause cause = { .status = 408, .by = SL_BY_NETWORK, .text = "no ACK" };
		char reason[160];

		if (irq == l->irq) {
			sl_sip_leg_counts()->lost_acks++;
			l->irq = NULL;
			sl_leg_sip_bye(l, l->bye_due ? &l->end : &cause, sl_leg_sip_reason_header(&cause, reason, sizeof reason));
		}
		nta_incoming_destroy(irq);
	}
	return 0;
}

/* ---- refusing ---- */

static int refusal(const struct sl_cause *cause)
{
	if (cause->status >= 300)
		return cause->status;
	return cause->q850 ? sl_status_of_q850(cause->q850) : 480;
}

void sl_leg_sip_refuse(struct leg *l, const struct sl_cause *cause, const char *headers)
{
	nta_incoming_t *irq = l->irq;
	int status = refusal(cause);
	char after[12];

	if (irq == NULL) {
		sl_leg_sip_ended(l, cause, NULL);
		return;
	}
	snprintf(after, sizeof after, "%u", cause->retry_after_s);
	l->irq = NULL;
	sl_leg_sip_reply(l, irq, status, cause->status >= 300 && cause->text[0] ? cause->text : NULL,
	        TAG_IF(cause->retry_after_s, SIPTAG_RETRY_AFTER_STR(after)), TAG_IF(headers && *headers, SIPTAG_HEADER_STR(headers)), TAG_END());
	nta_incoming_destroy(irq);
	sl_leg_sip_ended(l, cause, NULL);
}
