/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Legs that we call: the INVITE, what it is answered with, ACK and CANCEL. */

#include "controlplane/sip/leg_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- calling ---- */

static int keep_credentials(struct leg *l, const struct sl_sip_credentials *from)
{
	struct leg_credentials *c;

	if (from == NULL || from->username == NULL)
		return 0;
	if ((c = calloc(1, sizeof *c)) == NULL)
		return -ENOMEM;
	l->credentials = c;
	c->username = strdup(from->username);
	c->realm = strdup(from->realm ? from->realm : "");
	memcpy(c->ha1_md5, from->ha1_md5, sizeof c->ha1_md5);
	memcpy(c->ha1_sha256, from->ha1_sha256, sizeof c->ha1_sha256);
	return c->username && c->realm ? 0 : -ENOMEM;
}

static int fill(struct leg *l, const struct sl_sip_dial *d)
{
	struct sl_cdr *cdr = &l->base.cdr;
	struct sl_id id;

	l->hop = d->hop;
	if (d->hop.by_flow)
		l->flow = d->hop.flow;
	sl_leg_sip_new_tag(l->tag);
	sl_id_new(&id);
	for (unsigned i = 0; i < SL_ID_BYTES; i++)
		snprintf(cdr->sip_call_id + 2 * i, 3, "%02x", id.b[i]);
	snprintf(cdr->from, sizeof cdr->from, "%s", d->from);
	snprintf(cdr->to, sizeof cdr->to, "%s", d->to);
	snprintf(cdr->user, sizeof cdr->user, "%s", d->user ? d->user : "");
	snprintf(cdr->trunk, sizeof cdr->trunk, "%s", d->trunk ? d->trunk : "");
	snprintf(cdr->route, sizeof cdr->route, "%s", d->route ? d->route : "");
	sl_sip_hop_text(&l->hop, cdr->remote);
	l->late = d->sdp.n == 0;
	l->offer = l->late ? LEG_OFFER_NONE : LEG_OFFER_OURS;
	l->rel100 = d->rel100 && !l->late;
	l->expires_s = d->session_expires_s && d->session_expires_s < LEG_MIN_SE_S ? LEG_MIN_SE_S : d->session_expires_s;
	if (asprintf(&l->local, "%s;tag=%s", d->from, l->tag) < 0)
		l->local = NULL;
	l->remote = strdup(d->to);
	if (l->local == NULL || l->remote == NULL || keep_credentials(l, d->credentials) < 0 ||
	    sl_leg_sip_set_contact(l, d->contact_user && *d->contact_user ? d->contact_user : l->tag) < 0)
		return -ENOMEM;
	return sl_leg_sip_keep_sdp(&l->sdp, &l->sdp_len, d->sdp);
}

static sip_route_t *preloaded(su_home_t *home, const struct sl_sip_dial *d, sip_route_t *edge)
{
	sip_route_t *first = edge, **end = &first;

	while (*end)
		end = &(*end)->r_next;
	for (unsigned i = 0; i < d->n_routes; i++) {
		if ((*end = sip_route_make(home, d->routes[i])) == NULL)
			break;
		while (*end)
			end = &(*end)->r_next;
	}
	return first;
}

/* Route headers' values in one, the edge's own aside: a restarted process has another. */
static char *routes_text(const struct sl_sip_dial *d)
{
	size_t n = 1, at = 0;
	char *text;

	for (unsigned i = 0; i < d->n_routes; i++)
		n += strlen(d->routes[i]) + 2;
	if ((text = calloc(1, n)) == NULL)
		return NULL;
	for (unsigned i = 0; i < d->n_routes; i++)
		at += (size_t)snprintf(text + at, n - at, "%s%s", i ? ", " : "", d->routes[i]);
	return text;
}

static int keep_early(struct leg *l, const struct sl_sip_dial *d)
{
	struct leg_early *e = calloc(1, sizeof *e);
	const char *branch = nta_outgoing_branch(l->invite);

	if (e == NULL)
		return -ENOMEM;
	l->early = e;
	e->cseq = nta_outgoing_cseq(l->invite);
	e->request_uri = strdup(d->request_uri);
	e->branch = branch ? strdup(branch) : NULL;
	e->routes = routes_text(d);
	return e->request_uri && e->branch && e->routes ? 0 : -ENOMEM;
}

static int invite(struct leg *l, const struct sl_sip_dial *d)
{
	const char *agent = sl_leg_sip_user_agent(l);
	char expires[16], forwards[16];
	struct leg_way way;
	int rc = -ENOMEM;

	l->dialog = nta_leg_tcreate(sl_sip_agent(l->sip), sl_leg_sip_on_request, (nta_leg_magic_t *)l,
	        SIPTAG_CALL_ID_STR(l->base.cdr.sip_call_id), SIPTAG_FROM_STR(l->local), SIPTAG_TO_STR(l->remote), TAG_END());
	if (l->dialog == NULL || (rc = sl_leg_sip_way(l, &way)) < 0)
		return rc;
	sip_route_t *routes = preloaded(way.home, d, way.edge);
	sip_payload_t *payload = d->sdp.n ? sip_payload_create(way.home, d->sdp.p, (isize_t)d->sdp.n) : NULL;

	snprintf(expires, sizeof expires, "%u", l->expires_s);
	snprintf(forwards, sizeof forwards, "%d", d->max_forwards == 0 ? 70 : d->max_forwards > 0 ? d->max_forwards : 0);
	l->invite = nta_outgoing_tcreate(l->dialog, sl_leg_sip_on_invite_response, (nta_outgoing_magic_t *)l, (url_string_t *)way.url,
	        SIP_METHOD_INVITE, URL_STRING_MAKE(d->request_uri), NTATAG_TPORT(way.tport), NTATAG_REL100(0),
	        TAG_IF(routes, SIPTAG_ROUTE(routes)), SIPTAG_CONTACT_STR(l->contact), SIPTAG_MAX_FORWARDS_STR(forwards),
	        TAG_IF(agent, SIPTAG_USER_AGENT_STR(agent)), SIPTAG_ALLOW_STR(LEG_ALLOW),
	        SIPTAG_SUPPORTED_STR(l->rel100 ? LEG_SUPPORTED_REL : LEG_SUPPORTED), TAG_IF(l->expires_s, SIPTAG_SESSION_EXPIRES_STR(expires)),
	        TAG_IF(payload, SIPTAG_CONTENT_TYPE_STR(LEG_SDP)), TAG_IF(payload, SIPTAG_PAYLOAD(payload)),
	        TAG_IF(d->headers && *d->headers, SIPTAG_HEADER_STR(d->headers)), TAG_END());
	rc = l->invite ? keep_early(l, d) : -EINVAL;
	sl_leg_sip_way_done(&way);
	if (l->invite)
		sl_leg_sip_trace_out(l, nta_outgoing_getrequest(l->invite));
	return rc;
}

/* An INVITE that could not even be sent is one that the network refused: told in the next turn. */
static void unsent(struct leg *l, int error)
{
	sl_sip_leg_counts()->unsent++;
	l->end = (struct sl_cause){ .status = 503, .by = SL_BY_NETWORK, .text = "cannot be sent" };
	if (error == -ENOTCONN) /* RFC 5626 5.3.1 */
		l->end = (struct sl_cause){ .status = 430, .by = SL_BY_NETWORK, .text = "Flow Failed" };
	sl_leg_sip_after(l, &l->goodbye, 0);
}

struct sl_leg *sl_sip_dial(struct sl_sip *s, struct sl_call *c, const struct sl_sip_dial *d)
{
	struct leg *l = sl_leg_sip_new(s, c, SL_LEG_OUT);
	int rc;

	if (l == NULL)
		return NULL;
	if ((rc = fill(l, d)) < 0 || (rc = invite(l, d)) < 0)
		unsent(l, rc);
	sl_sip_leg_counts()->outgoing++;
	sl_call_changed(c);
	return &l->base;
}

/* ---- 2xx ---- */

/* ACK without a transaction: nothing answers it, and a 2xx that is repeated comes to sl_sip_leg_response(), which sends it again. invite:
 * its credentials go into the ACK (RFC 3261 13.2.2.4); NULL when it is gone. */
int sl_leg_sip_send_ack(struct leg *l, nta_outgoing_t *invite, struct sl_slice sdp)
{
	nta_agent_t *agent = sl_sip_agent(l->sip);
	msg_t *request = invite ? nta_outgoing_getrequest(invite) : NULL;
	const sip_authorization_t *own = request ? sip_object(request)->sip_authorization : NULL;
	const sip_proxy_authorization_t *proxy = request ? sip_object(request)->sip_proxy_authorization : NULL;
	const sip_route_t *routes = NULL;
	nta_outgoing_t *ack = NULL;
	struct leg_way way;

	l->ack_due = false;
	l->ack_has_sdp = sdp.n;
	if (l->dialog && sl_leg_sip_way(l, &way) == 0) {
		msg_t *msg = nta_msg_create(agent, 0);
		sip_cseq_t *cseq = sip_cseq_create(way.home, l->ack_seq, SIP_METHOD_ACK);
		sip_payload_t *payload = sdp.n ? sip_payload_create(way.home, sdp.p, (isize_t)sdp.n) : NULL;

		nta_leg_get_route(l->dialog, &routes, NULL);
		if (way.edge && routes)
			way.edge->r_next = sip_route_dup(way.home, routes);
		if (msg &&
		    sip_add_tl(msg, sip_object(msg), SIPTAG_CSEQ(cseq), TAG_IF(way.edge, SIPTAG_ROUTE(way.edge)),
		            TAG_IF(own, SIPTAG_AUTHORIZATION(own)), TAG_IF(proxy, SIPTAG_PROXY_AUTHORIZATION(proxy)),
		            TAG_IF(payload, SIPTAG_CONTENT_TYPE_STR(LEG_SDP)), TAG_IF(payload, SIPTAG_PAYLOAD(payload)), TAG_END()) >= 0 &&
		    nta_msg_request_complete(msg, l->dialog, SIP_METHOD_ACK, NULL) >= 0) {
			msg_t *sent = msg_ref_create(msg);

			ack = nta_outgoing_mcreate(agent, NULL, NULL, (url_string_t *)way.url, msg, NTATAG_TPORT(way.tport), NTATAG_STATELESS(1),
			        TAG_IF(l->ack_branch, NTATAG_ACK_BRANCH(l->ack_branch)), TAG_END());
			if (ack)
				sl_leg_sip_trace_out(l, sent);
			else
				msg_destroy(sent);
		}
		if (ack == NULL && msg)
			msg_destroy(msg);
		nta_outgoing_destroy(ack);
		sl_leg_sip_way_done(&way);
	}
	if (request)
		msg_destroy(request);
	if (ack == NULL)
		sl_sip_leg_counts()->unsent++;
	return ack ? 0 : -ENOTCONN;
}

int sl_leg_sip_ack(struct sl_leg *base, struct sl_slice sdp)
{
	struct leg *l = sl_leg_sip_of(base);

	if (!l->ack_due)
		return -EINVAL;
	l->offer = LEG_OFFER_NONE;
	sl_leg_sip_keep_sdp(&l->sdp, &l->sdp_len, sdp);
	if (l->resolving) {
		l->ack_due = false;
		l->ack_resolving = true;
		l->ack_has_sdp = sdp.n;
		return 0;
	}
	int rc = sl_leg_sip_send_ack(l, NULL, sdp);

	sl_call_changed(base->call);
	return rc;
}

static void answered(struct leg *l, nta_outgoing_t *orq, const sip_t *sip)
{
	struct sl_leg_event e = { .type = SL_LE_ANSWERED, .status = sip->sip_status->st_status, .message = sip, .sdp = sl_leg_sip_sdp(sip) };
	const char *branch = nta_outgoing_branch(orq);
	struct leg_fork *f = sl_leg_sip_fork(l, sip);
	const struct sl_slice none = {0};

	l->invite = NULL;
	l->ack_seq = nta_outgoing_cseq(orq);
	free(l->ack_branch);
	l->ack_branch = branch ? strdup(branch) : NULL;
	if (f) {
		nta_leg_t *other = f->dialog != l->dialog ? l->dialog : NULL;

		e.fork = f->index;
		l->dialog = f->dialog;
		sl_leg_sip_forks_free(l, other);
		if (other)
			nta_leg_destroy(other);
	}
	nta_leg_client_reroute(l->dialog, sip->sip_record_route, sip->sip_contact, 1);
	sl_leg_sip_keep_parties(l, sip->sip_from, sip->sip_to);
	sl_leg_sip_early_free(l);
	sl_leg_sip_aim(l);
	if (l->cancelled) {
		/* It was answered while our CANCEL was under way (RFC 3261 15): taken and ended at once. */
		sl_sip_leg_counts()->late_2xx++;
		sl_leg_sip_send_ack(l, orq, none);
		nta_outgoing_destroy(orq);
		sl_leg_sip_bye(l, &l->end, l->end_headers);
		return;
	}
	e.reason = sip->sip_status->st_phrase ? sip->sip_status->st_phrase : "";
	sl_leg_sip_timer_agreed(l, sip);
	l->their_sdp = sl_leg_sip_hash(e.sdp);
	l->ack_due = l->late;
	if (l->late)
		l->offer = LEG_OFFER_THEIRS;
	else {
		l->offer = LEG_OFFER_NONE;
		if (l->resolving)
			l->ack_resolving = true;
		else
			sl_leg_sip_send_ack(l, orq, none);
	}
	sl_leg_tell(&l->base, &e);
	nta_outgoing_destroy(orq);
	sl_call_changed(l->base.call);
}

/* ---- the end of the INVITE ---- */

static void refused(struct leg *l, nta_outgoing_t *orq, int status, const sip_t *sip)
{
	const char *phrase = sip && sip->sip_status->st_phrase ? sip->sip_status->st_phrase : "no answer";
	struct sl_cause cause;

	if ((status == 401 || status == 407) &&
	    sl_leg_sip_authorize(l, &l->invite, sl_leg_sip_on_invite_response, l, sip, &l->challenges) == 0)
		goto again;
	if (status == 422 && !l->cancelled && sip->sip_min_se && sip->sip_min_se->min_delta > l->expires_s &&
	    sip->sip_min_se->min_delta <= 86400) {
		l->expires_s = l->min_se_s = (uint32_t)sip->sip_min_se->min_delta;
		if (sl_leg_sip_resend_timer(l, &l->invite, sl_leg_sip_on_invite_response, l) == 0)
			goto again;
	}
	sl_leg_sip_cause_of(&cause, l, status, phrase, sip);
	l->invite = NULL;
	if (l->cancelled)
		cause = l->end;
	sl_leg_sip_ended(l, &cause, sip);
	nta_outgoing_destroy(orq);
	return;
again:
	/* A new INVITE: what early dialogs the first one had are gone with it. */
	l->early->cseq = nta_outgoing_cseq(l->invite);
	free(l->early->branch);
	l->early->branch = nta_outgoing_branch(l->invite) ? strdup(nta_outgoing_branch(l->invite)) : NULL;
	nta_outgoing_destroy(orq);
	sl_call_changed(l->base.call);
}

int sl_leg_sip_on_invite_response(nta_outgoing_magic_t *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct leg *l = (struct leg *)magic;
	int status = sip ? sip->sip_status->st_status : nta_outgoing_status(orq);
	msg_t *msg = nta_outgoing_getresponse(orq);

	if (sip) {
		sl_leg_sip_heard(l, msg, sip);
		if (status > 100 && status < 300)
			sl_leg_sip_learn(l, sip);
	}
	if (status < 200) {
		if (status > 100 && sip)
			sl_leg_sip_progressed(l, sip);
	} else if (status < 300 && sip)
		answered(l, orq, sip);
	else
		refused(l, orq, status, sip);
	if (msg)
		msg_destroy(msg);
	return 0;
}

/* ---- CANCEL ---- */

void sl_leg_sip_cancel(struct leg *l, const struct sl_cause *cause, const char *headers)
{
	msg_t *msg;

	l->end = *cause;
	free(l->end_headers);
	l->end_headers = headers ? strdup(headers) : NULL;
	if (l->invite == NULL) {
		/* Nothing was sent. ENDED is under way. */
		if (!sl_timer_is_set(&l->goodbye))
			sl_leg_sip_ended(l, cause, NULL);
		return;
	}
	if (l->cancelled)
		return;
	l->cancelled = true;
	nta_outgoing_t *cancel = nta_outgoing_tcancel(l->invite, NULL, NULL, TAG_IF(headers && *headers, SIPTAG_HEADER_STR(headers)), TAG_END());

	if (cancel && cancel != (nta_outgoing_t *)-1 && (msg = nta_outgoing_getrequest(cancel)) != NULL)
		sl_leg_sip_trace_out(l, msg);
	sl_leg_sip_after(l, &l->goodbye, LEG_GOODBYE_MS);
}
