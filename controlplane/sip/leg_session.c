/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Changing a session that stands (RFC 3261 14, RFC 3311, RFC 3262 5): offers by re-INVITE, UPDATE and PRACK in both directions, those that
 * cross (491, tried again after the times of RFC 3261 14.1), and those that come too early (500). */

#include "controlplane/sip/leg_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <sofia-sip/su_uniqueid.h>

enum { OWNER_MS = 2100, OWNER_SPREAD_MS = 1900, OTHER_SPREAD_MS = 2000, STEP_MS = 10 };

/* ---- ours ---- */

int sl_leg_sip_send_reinvite(struct leg *l, struct sl_slice sdp)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	char expires[48];

	su_home_init(home);
	sip_payload_t *payload = sdp.n ? sip_payload_create(home, sdp.p, (isize_t)sdp.n) : NULL;

	snprintf(expires, sizeof expires, "%u;refresher=%s", l->expires_s, l->we_refresh ? "uac" : "uas");
	l->late = sdp.n == 0;
	l->invite = sl_leg_sip_send(l, l->dialog, sl_leg_sip_on_reinvite_response, l, SIP_METHOD_INVITE, SIPTAG_ALLOW_STR(LEG_ALLOW),
	        SIPTAG_SUPPORTED_STR(LEG_SUPPORTED), TAG_IF(l->expires_s, SIPTAG_SESSION_EXPIRES_STR(expires)),
	        TAG_IF(payload, SIPTAG_CONTENT_TYPE_STR(LEG_SDP)), TAG_IF(payload, SIPTAG_PAYLOAD(payload)), TAG_END());
	su_home_deinit(home);
	if (l->invite == NULL)
		return -ENOTCONN;
	l->offer = l->late ? LEG_OFFER_NONE : LEG_OFFER_OURS;
	return 0;
}

static int send_update(struct leg *l, nta_leg_t *dialog, struct sl_slice sdp)
{
	struct leg_sent *sent = sl_leg_sip_sent_new(l, LEG_SENT_UPDATE);
	su_home_t home[1] = { SU_HOME_INIT(home) };

	if (sent == NULL)
		return -ENOMEM;
	su_home_init(home);
	sent->orq = sl_leg_sip_send(l, dialog, sl_leg_sip_on_response, sent, SIP_METHOD_UPDATE, SIPTAG_CONTENT_TYPE_STR(LEG_SDP),
	        SIPTAG_PAYLOAD(sip_payload_create(home, sdp.p, (isize_t)sdp.n)), TAG_END());
	su_home_deinit(home);
	if (sent->orq == NULL) {
		sl_leg_sip_sent_free(l, sent);
		return -ENOTCONN;
	}
	l->offer = LEG_OFFER_OURS;
	return 0;
}

int sl_leg_sip_offer(struct sl_leg *base, struct sl_slice sdp)
{
	struct leg *l = sl_leg_sip_of(base);
	int rc;

	if (l->invite && base->state == SL_LS_UP)
		return -EINPROGRESS;
	if (l->offer != LEG_OFFER_NONE || l->offer_sdp || l->ack_due || (base->state == SL_LS_UP && l->irq))
		return -EINPROGRESS;
	if ((rc = sl_leg_sip_keep_sdp(&l->offer_sdp, &l->offer_len, sdp)) < 0)
		return rc;
	l->glares = 0;
	/* Before the session is up only UPDATE can change it, in an early dialog that had its offer answered (RFC 3311 5.1). */
	if (base->state == SL_LS_UP)
		rc = sl_leg_sip_send_reinvite(l, sdp);
	else if (sdp.n && (l->allow & (1u << sip_method_update)))
		rc = send_update(l, l->dialog, sdp);
	else
		rc = -EINVAL;
	if (rc < 0) {
		free(l->offer_sdp);
		l->offer_sdp = NULL;
	}
	return rc;
}

/* What became of our offer: kept as the session's, or forgotten. */
static void offer_ended(struct leg *l, int status, const char *reason, const sip_t *sip)
{
	struct sl_leg_event e = { .type = SL_LE_OFFER_ANSWERED, .status = status, .reason = reason, .message = sip };

	if (status < 300) {
		if (l->offer_len) {
			free(l->sdp);
			l->sdp = l->offer_sdp;
			l->sdp_len = l->offer_len;
			l->offer_sdp = NULL;
		}
		if (sip)
			e.sdp = sl_leg_sip_sdp(sip);
		l->their_sdp = sl_leg_sip_hash(e.sdp);
	}
	free(l->offer_sdp);
	l->offer_sdp = NULL;
	l->offer_len = 0;
	sl_leg_tell(&l->base, &e);
	sl_call_changed(l->base.call);
}

/* RFC 3261 14.1: whose Call-ID it is waits longer; in steps of 10 ms. */
static void try_again_later(struct leg *l)
{
	bool owner = l->base.direction == SL_LEG_OUT;
	int spread = owner ? OWNER_SPREAD_MS : OTHER_SPREAD_MS;

	sl_leg_sip_after(l, &l->retry, (owner ? OWNER_MS : 0) + su_randint(0, spread / STEP_MS) * STEP_MS);
}

void sl_leg_sip_retry(struct sl_timer *t)
{
	struct leg *l = (struct leg *)((char *)t - offsetof(struct leg, retry));
	struct sl_slice sdp = { l->offer_sdp, l->offer_len };

	if (l->offer_sdp == NULL || l->base.state != SL_LS_UP)
		return;
	if (l->invite || l->irq || l->offer != LEG_OFFER_NONE)
		try_again_later(l);
	else if (sl_leg_sip_send_reinvite(l, sdp) < 0)
		offer_ended(l, 503, "cannot be sent", NULL);
}

static void reinvite_refused(struct leg *l, int status, const char *reason, const sip_t *sip)
{
	bool refreshing = l->refreshing;
	bool crossed = status == 491;
	bool early = status == 500 && sip && sip->sip_retry_after && sip->sip_retry_after->af_delta <= LEG_RETRY_AFTER_MAX_S;

	l->refreshing = false;
	l->offer = LEG_OFFER_NONE;
	if (sl_leg_sip_fate(sip_method_invite, status) != LEG_FATE_NONE) {
		sl_leg_sip_failed(l, status, sip && !nta_sip_is_internal(sip) ? (l->base.direction == SL_LEG_IN ? SL_BY_CALLER : SL_BY_CALLEE) : SL_BY_NETWORK,
		        reason);
		return;
	}
	if (refreshing) {
		sl_leg_sip_refreshed(l, status, sip);
		return;
	}
	if (crossed)
		sl_sip_leg_counts()->glare_received++;
	if ((crossed || early) && ++l->glares < LEG_GLARE_TRIES && l->offer_sdp) {
		if (early)
			sl_leg_sip_after(l, &l->retry, (int64_t)sip->sip_retry_after->af_delta * 1000 + STEP_MS);
		else
			try_again_later(l);
		return;
	}
	offer_ended(l, status, reason, sip);
}

static void reinvite_taken(struct leg *l, nta_outgoing_t *orq, const sip_t *sip)
{
	const char *branch = nta_outgoing_branch(orq);
	const struct sl_slice none = {0};
	bool refreshing = l->refreshing;

	l->ack_seq = nta_outgoing_cseq(orq);
	free(l->ack_branch);
	l->ack_branch = branch ? strdup(branch) : NULL;
	nta_leg_client_reroute(l->dialog, NULL, sip->sip_contact, 0);
	sl_leg_sip_aim(l);
	sl_leg_sip_timer_agreed(l, sip);
	l->refreshing = false;
	if (l->late && !refreshing) {
		l->ack_due = true;
		l->offer = LEG_OFFER_THEIRS;
	} else {
		l->offer = LEG_OFFER_NONE;
		sl_leg_sip_send_ack(l, orq, none);
	}
	if (l->base.state >= SL_LS_ENDING) {
		if (l->ack_due)
			sl_leg_sip_send_ack(l, NULL, none);
		return;
	}
	if (refreshing)
		sl_call_changed(l->base.call);
	else
		offer_ended(l, sip->sip_status->st_status, sip->sip_status->st_phrase ? sip->sip_status->st_phrase : "", sip);
}

int sl_leg_sip_on_reinvite_response(nta_outgoing_magic_t *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct leg *l = (struct leg *)magic;
	int status = sip ? sip->sip_status->st_status : nta_outgoing_status(orq);
	const char *reason = sip && sip->sip_status->st_phrase ? sip->sip_status->st_phrase : "no answer";
	msg_t *msg = nta_outgoing_getresponse(orq);

	if (sip)
		sl_leg_sip_heard(l, msg, sip);
	if (status >= 200) {
		if ((status == 401 || status == 407) &&
		    sl_leg_sip_authorize(l, &l->invite, sl_leg_sip_on_reinvite_response, l, sip, &l->challenges) == 0)
			nta_outgoing_destroy(orq);
		else {
			l->challenges = 0;
			l->invite = NULL;
			if (status < 300 && sip)
				reinvite_taken(l, orq, sip);
			else
				reinvite_refused(l, status, reason, sip);
			nta_outgoing_destroy(orq);
		}
	}
	if (msg)
		msg_destroy(msg);
	return 0;
}

void sl_leg_sip_update_answered(struct leg *l, int status, const char *reason, const sip_t *sip)
{
	l->offer = LEG_OFFER_NONE;
	if (status < 300 && sip)
		nta_leg_client_reroute(l->dialog, NULL, sip->sip_contact, 0);
	if (status == 491)
		sl_sip_leg_counts()->glare_received++;
	/* Once up, what UPDATE could not change is tried by re-INVITE. */
	if (status == 491 && ++l->glares < LEG_GLARE_TRIES && l->base.state == SL_LS_UP)
		try_again_later(l);
	else
		offer_ended(l, status, reason, sip);
}

/* ---- theirs ---- */

static void refuse_overlap(struct leg *l, nta_incoming_t *irq)
{
	char after[12];

	sl_sip_leg_counts()->overlapping++;
	snprintf(after, sizeof after, "%d", su_randint(0, LEG_RETRY_AFTER_MAX_S));
	sl_leg_sip_reply(l, irq, SIP_500_INTERNAL_SERVER_ERROR, SIPTAG_RETRY_AFTER_STR(after), TAG_END());
	nta_incoming_destroy(irq);
}

static void refuse_glare(struct leg *l, nta_incoming_t *irq)
{
	sl_sip_leg_counts()->glare++;
	sl_leg_sip_reply(l, irq, SIP_491_REQUEST_PENDING, TAG_END());
	nta_incoming_destroy(irq);
}

static bool refuse_timer(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	if (sl_leg_sip_timer_asked(l, sip) == 0)
		return false;
	sl_leg_sip_reply(l, irq, SIP_422_SESSION_TIMER_TOO_SMALL, SIPTAG_MIN_SE_STR("90"), TAG_END());
	nta_incoming_destroy(irq);
	return true;
}

/* A body that is no session description and cannot be passed over (RFC 3261 8.2.3). */
static bool refuse_body(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	const sip_content_disposition_t *d = sip->sip_content_disposition;
	struct sl_slice sdp;

	if (sl_sip_sdp(sip, &sdp) == 0 || (d && d->cd_optional))
		return false;
	sl_sip_leg_counts()->refused_requests++;
	sl_leg_sip_reply(l, irq, SIP_415_UNSUPPORTED_MEDIA, SIPTAG_ACCEPT_STR(LEG_SDP), TAG_END());
	nta_incoming_destroy(irq);
	return true;
}

static void target_moved(struct leg *l, const sip_t *sip)
{
	if (sip->sip_contact == NULL)
		return;
	nta_leg_server_route(l->dialog, NULL, sip->sip_contact);
	sl_leg_sip_aim(l);
	sl_call_changed(l->base.call);
}

/* An offer that repeats what was agreed on is a refresh: answered with what stands, and nobody is asked (RFC 4028 7.4). */
static bool is_refresh(const struct leg *l, struct sl_slice sdp)
{
	return sdp.n && l->their_sdp == sl_leg_sip_hash(sdp) && l->sdp_len;
}

void sl_leg_sip_reinvite_came(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	struct sl_slice sdp = sl_leg_sip_sdp(sip), empty = {0}, mine = { l->sdp, l->sdp_len };
	struct sl_leg_event e = { .type = SL_LE_OFFER, .sdp = sdp, .message = sip, .method = "INVITE" };
	struct sl_leg_request *r;

	for (r = l->requests; r; r = r->next) {
		if (r->irq && r->offer) {
			refuse_overlap(l, irq);
			return;
		}
	}
	if (l->invite || l->offer == LEG_OFFER_OURS || l->ack_due) {
		refuse_glare(l, irq);
		return;
	}
	if (l->base.state != SL_LS_UP || (l->offer == LEG_OFFER_THEIRS && !l->requests)) {
		refuse_overlap(l, irq);
		return;
	}
	if (refuse_body(l, irq, sip) || refuse_timer(l, irq, sip) || (r = sl_leg_sip_request_new(l, irq, sip)) == NULL)
		return;
	if (l->irq) {
		/* The ACK of the 2xx before this was lost; whoever goes on has had the 2xx. */
		nta_incoming_destroy(l->irq);
		l->irq = NULL;
	}
	nta_incoming_bind(irq, sl_leg_sip_on_ack_cancel, (nta_incoming_magic_t *)l);
	target_moved(l, sip);
	r->offer = true;
	r->late = sdp.n == 0;
	l->offer = sdp.n ? LEG_OFFER_THEIRS : LEG_OFFER_NONE;
	if (is_refresh(l, sdp)) {
		sl_sip_leg_counts()->refreshed++;
		sl_leg_sip_respond(&l->base, r, 200, "OK", empty, mine, NULL);
		return;
	}
	l->their_sdp = sl_leg_sip_hash(sdp);
	e.request = r;
	sl_leg_tell(&l->base, &e);
}

void sl_leg_sip_update_came(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	struct sl_slice sdp = sl_leg_sip_sdp(sip), empty = {0}, mine = { l->sdp, l->sdp_len };
	struct sl_leg_event e = { .type = SL_LE_OFFER, .sdp = sdp, .message = sip, .method = "UPDATE" };
	struct sl_leg_request *r;

	if (sdp.n && l->offer == LEG_OFFER_OURS) {
		refuse_glare(l, irq);
		return;
	}
	if (sdp.n && (l->offer == LEG_OFFER_THEIRS || l->ack_due)) {
		refuse_overlap(l, irq);
		return;
	}
	if (refuse_body(l, irq, sip) || refuse_timer(l, irq, sip) || (r = sl_leg_sip_request_new(l, irq, sip)) == NULL)
		return;
	target_moved(l, sip);
	if (sdp.n == 0 || is_refresh(l, sdp)) {
		sl_sip_leg_counts()->refreshed++;
		sl_leg_sip_respond(&l->base, r, 200, "OK", empty, sdp.n ? mine : empty, NULL);
		return;
	}
	r->offer = true;
	l->offer = LEG_OFFER_THEIRS;
	l->their_sdp = sl_leg_sip_hash(sdp);
	e.request = r;
	sl_leg_tell(&l->base, &e);
}

int sl_leg_sip_prack_came(nta_reliable_magic_t *magic, nta_reliable_t *rel, nta_incoming_t *irq, const sip_t *sip)
{
	struct leg *l = (struct leg *)magic;
	struct sl_leg_event e = { .type = SL_LE_ACKED, .message = sip };
	struct sl_leg_request *r;

	/* It stays first of nta's list otherwise, and the next reliable answer would wait for it for ever. */
	nta_reliable_destroy(rel);
	if (irq == NULL || sip == NULL || l->ended)
		return 200;
	msg_t *msg = nta_incoming_getrequest(irq);

	sl_leg_sip_heard(l, msg, sip);
	msg_destroy(msg);
	e.sdp = sl_leg_sip_sdp(sip);
	if (e.sdp.n == 0)
		return 200;
	if (l->offer == LEG_OFFER_OURS) {
		/* Our reliable answer made the offer. */
		l->offer = LEG_OFFER_NONE;
		l->their_sdp = sl_leg_sip_hash(e.sdp);
		sl_leg_tell(&l->base, &e);
		return 200;
	}
	if ((r = sl_leg_sip_request_new(l, irq, sip)) == NULL)
		return 0;
	r->offer = true;
	l->offer = LEG_OFFER_THEIRS;
	l->their_sdp = sl_leg_sip_hash(e.sdp);
	e.type = SL_LE_OFFER;
	e.method = "PRACK";
	e.request = r;
	sl_leg_tell(&l->base, &e);
	return 0;
}
