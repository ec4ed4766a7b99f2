/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A dialog in its call's record, and back: enough that BYE, re-INVITE and refresh work after the process died, and that an INVITE
 * without a final answer can be ended on the wire. Of such an INVITE the transaction itself is made again (same branch, CSeq, tags): an
 * incoming one is refused like any other, an outgoing one meets its server as a retransmission and is cancelled by the rules, whether what
 * comes is a 487 or the 200 that crossed. Secrets are not written: a restored trunk leg answers no challenge. */

#include "controlplane/sip/leg_internal.h"

#include "controlplane/guard/warden.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { RECORD_VERSION = 1, HEADER_MAX = 2048, HAS_SDP = 1, HAS_EARLY = 2 };

/* Numbers and flags, as they are. */
struct saved {
	uint8_t version, has, supports, flags;
	uint32_t allow, seq, their_seq, expires_s, cseq;
	int64_t expires_unix_ms;
	uint64_t their_sdp;
	struct sl_sip_flow flow;
	struct sl_endpoint to;
	uint8_t transport, listener, by_flow, pad;
};
enum { F_WE_REFRESH = 1, F_TIMER = 2, F_NO_UPDATE = 4, F_LATE = 8, F_ANSWERED = 16, F_REL100 = 32, F_REQUIRE_REL100 = 64 };

static uint8_t flags_of(const struct leg *l)
{
	return (l->we_refresh ? F_WE_REFRESH : 0) | (l->timer_supported ? F_TIMER : 0) | (l->no_update ? F_NO_UPDATE : 0) | (l->late ? F_LATE : 0) |
	       (l->answered ? F_ANSWERED : 0) | (l->rel100 ? F_REL100 : 0) | (l->require_rel100 ? F_REQUIRE_REL100 : 0);
}

void sl_leg_sip_save(const struct sl_leg *base, struct sl_blob_out *o)
{
	struct leg *l = sl_leg_sip_of(base);
	const sip_route_t *routes = NULL;
	const sip_contact_t *target = NULL;
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct saved s;

	memset(&s, 0, sizeof s);
	s.version = RECORD_VERSION;
	s.has = (l->sdp_len ? HAS_SDP : 0) | (l->early ? HAS_EARLY : 0);
	s.supports = l->supports;
	s.flags = flags_of(l);
	s.allow = l->allow;
	s.seq = l->dialog ? nta_leg_get_seq(l->dialog) : 0;
	s.their_seq = l->dialog ? nta_leg_get_rseq(l->dialog) : 0;
	s.expires_s = l->expires_s;
	s.expires_unix_ms = l->expires_unix_ms;
	s.their_sdp = l->their_sdp;
	s.flow = l->flow;
	s.to = l->hop.to;
	s.transport = l->hop.transport;
	s.listener = l->hop.listener;
	s.by_flow = l->hop.by_flow;
	s.cseq = l->early ? l->early->cseq : 0;
	sl_blob_put_var(o, s);
	sl_blob_put_text(o, base->cdr.sip_call_id);
	sl_blob_put_text(o, l->tag);
	sl_blob_put_text(o, l->local);
	sl_blob_put_text(o, l->remote);
	sl_blob_put_text(o, l->contact);
	sl_blob_put_text(o, l->hop.tls_name);
	su_home_init(home);
	if (l->dialog)
		nta_leg_get_route(l->dialog, &routes, &target);
	/* Header by header: a chain's text is that of its first alone. */
	uint8_t n = 0;

	for (const sip_route_t *r = routes; r; r = r->r_next)
		n++;
	sl_blob_put_var(o, n);
	for (const sip_route_t *r = routes; r; r = r->r_next)
		sl_blob_put_text(o, sip_header_as_string(home, (const sip_header_t *)r));
	sl_blob_put_text(o, target ? sip_header_as_string(home, (const sip_header_t *)target) : NULL);
	su_home_deinit(home);
	if (s.has & HAS_SDP)
		sl_blob_put_slice(o, (struct sl_slice){ l->sdp, l->sdp_len });
	if (s.has & HAS_EARLY) {
		sl_blob_put_text(o, l->early->via);
		sl_blob_put_text(o, l->early->request_uri);
		sl_blob_put_text(o, l->early->routes);
		sl_blob_put_text(o, l->early->branch);
	}
}

/* ---- restoring ---- */

static char *get_text(struct sl_blob_in *in)
{
	struct sl_slice s = sl_blob_get_slice(in);
	char *text = in->bad ? NULL : malloc(s.n + 1);

	if (text == NULL) {
		in->bad = true;
		return NULL;
	}
	if (s.n)
		memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return text;
}

static bool make_dialog(struct leg *l, const struct saved *s, const sip_route_t *routes, const sip_contact_t *target)
{
	char cseq[32];

	snprintf(cseq, sizeof cseq, "%u INVITE", s->seq);
	l->dialog = nta_leg_tcreate(sl_sip_agent(l->sip), sl_leg_sip_on_request, (nta_leg_magic_t *)l,
	        SIPTAG_CALL_ID_STR(l->base.cdr.sip_call_id), SIPTAG_FROM_STR(l->local), SIPTAG_TO_STR(l->remote),
	        TAG_IF(s->seq, SIPTAG_CSEQ_STR(cseq)), NTATAG_REMOTE_CSEQ(s->their_seq), TAG_END());
	if (l->dialog == NULL)
		return false;
	/* A route set made by server_route stands; given as a Route, nta would build the BYE wrong. */
	nta_leg_server_route(l->dialog, routes, target);
	return true;
}

/* What rings there is told to stop by the transaction that made it ring. */
static bool make_invite_out(struct leg *l)
{
	struct leg_early *e = l->early;
	nta_agent_t *agent = sl_sip_agent(l->sip);
	char cseq[32];
	struct leg_way way;
	msg_t *msg = nta_msg_create(agent, 0);
	sip_t *sip = msg ? sip_object(msg) : NULL;

	if (sip == NULL || sl_leg_sip_way(l, &way) < 0) {
		msg_destroy(msg);
		return false;
	}
	snprintf(cseq, sizeof cseq, "%u INVITE", e->cseq);
	sip->sip_request = sip_request_create(msg_home(msg), SIP_METHOD_INVITE, URL_STRING_MAKE(e->request_uri), NULL);
	if (sip->sip_request &&
	    sip_add_tl(msg, sip, SIPTAG_FROM_STR(l->local), SIPTAG_TO_STR(l->remote), SIPTAG_CALL_ID_STR(l->base.cdr.sip_call_id),
	            SIPTAG_CSEQ_STR(cseq), SIPTAG_CONTACT_STR(l->contact), SIPTAG_MAX_FORWARDS_STR("70"), TAG_IF(way.edge, SIPTAG_ROUTE(way.edge)),
	            TAG_IF(e->routes && *e->routes, SIPTAG_ROUTE_STR(e->routes)), TAG_END()) >= 0)
		l->invite = nta_outgoing_mcreate(agent, sl_leg_sip_on_invite_response, (nta_outgoing_magic_t *)l, (url_string_t *)way.url, msg,
		        NTATAG_TPORT(way.tport), NTATAG_BRANCH_KEY(e->branch), TAG_END());
	sl_leg_sip_way_done(&way);
	if (l->invite == NULL) {
		msg_destroy(msg);
		return false;
	}
	sl_leg_sip_trace_out(l, nta_outgoing_getrequest(l->invite));
	return true;
}

static bool make_invite_in(struct leg *l)
{
	struct leg_early *e = l->early;
	nta_agent_t *agent = sl_sip_agent(l->sip);
	msg_t *msg = nta_msg_create(agent, 0);
	sip_t *sip = msg ? sip_object(msg) : NULL;
	struct leg_way way;
	char cseq[32];

	if (sip == NULL || sl_leg_sip_way(l, &way) < 0) {
		msg_destroy(msg);
		return false;
	}
	snprintf(cseq, sizeof cseq, "%u INVITE", e->cseq);
	sip->sip_request = sip_request_create(msg_home(msg), SIP_METHOD_INVITE, URL_STRING_MAKE(e->request_uri), NULL);
	if (sip->sip_request &&
	    sip_add_tl(msg, sip, SIPTAG_HEADER_STR(e->via), SIPTAG_FROM_STR(l->remote), SIPTAG_TO_STR(l->local),
	            SIPTAG_CALL_ID_STR(l->base.cdr.sip_call_id), SIPTAG_CSEQ_STR(cseq), TAG_END()) >= 0 && sip->sip_via)
		l->irq = nta_incoming_create(agent, l->dialog, msg, sip, NTATAG_TPORT(way.tport), TAG_END());
	else
		msg_destroy(msg);
	sl_leg_sip_way_done(&way);
	if (l->irq == NULL)
		return false;
	nta_incoming_bind(l->irq, sl_leg_sip_on_ack_cancel, (nta_incoming_magic_t *)l);
	return true;
}

static void session_timer(struct leg *l)
{
	if (l->expires_s == 0 || l->expires_unix_ms == 0)
		return;
	int64_t ms = l->expires_unix_ms - sl_call_unix_ms();

	/* A refresh that fell into the time without us has been answered by nobody: the other side tries again, and gets this long. */
	if (!l->we_refresh && ms < 10000)
		ms = 10000;
	sl_leg_sip_after(l, &l->session, ms > 0 ? ms : 1);
}

static bool read_leg(struct leg *l, struct saved *s, struct sl_blob_in *in, su_home_t *home)
{
	sip_route_t *routes = NULL, **end = &routes;
	sip_contact_t *target;
	struct sl_slice sdp;
	uint8_t n;
	char *text;

	if ((l->local = get_text(in)) == NULL || (l->remote = get_text(in)) == NULL || (l->contact = get_text(in)) == NULL)
		return false;
	sl_blob_get_text(in, l->hop.tls_name, sizeof l->hop.tls_name);
	sl_blob_get_var(in, n);
	for (; n && !in->bad; n--) {
		if ((text = get_text(in)) == NULL || (*end = sip_route_make(home, text)) == NULL)
			in->bad = true;
		else
			end = &(*end)->r_next;
		free(text);
	}
	text = get_text(in);
	target = text && *text ? sip_contact_make(home, text) : NULL;
	free(text);
	if (s->has & HAS_SDP) {
		sdp = sl_blob_get_slice(in);
		if (!in->bad)
			sl_leg_sip_keep_sdp(&l->sdp, &l->sdp_len, sdp);
	}
	if (s->has & HAS_EARLY) {
		if ((l->early = calloc(1, sizeof *l->early)) == NULL)
			return false;
		l->early->cseq = s->cseq;
		l->early->via = get_text(in);
		l->early->request_uri = get_text(in);
		l->early->routes = get_text(in);
		l->early->branch = get_text(in);
	}
	return !in->bad && make_dialog(l, s, routes, target);
}

static void take(struct leg *l, const struct saved *s)
{
	l->supports = s->supports;
	l->allow = s->allow;
	l->expires_s = s->expires_s;
	l->expires_unix_ms = s->expires_unix_ms;
	l->their_sdp = s->their_sdp;
	l->flow = s->flow;
	l->hop.to = s->to;
	l->hop.transport = s->transport;
	l->hop.listener = s->listener;
	l->we_refresh = s->flags & F_WE_REFRESH;
	l->timer_supported = s->flags & F_TIMER;
	l->no_update = s->flags & F_NO_UPDATE;
	l->late = s->flags & F_LATE;
	l->answered = s->flags & F_ANSWERED;
	l->rel100 = s->flags & F_REL100;
	l->require_rel100 = s->flags & F_REQUIRE_REL100;
	l->heard = true;
	if (s->by_flow) {
		char name[sizeof l->hop.tls_name];

		memcpy(name, l->hop.tls_name, sizeof name);
		sl_sip_hop_back(&l->flow, &l->hop);
		memcpy(l->hop.tls_name, name, sizeof name);
	}
}

struct sl_leg *sl_leg_sip_restore(void *ctx, struct sl_call *c, struct sl_blob_in *in)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	char call_id[SL_CDR_URI_MAX], tag[LEG_TAG_TEXT];
	struct saved s;
	struct leg *l;
	bool right;

	sl_blob_get_var(in, s);
	sl_blob_get_text(in, call_id, sizeof call_id);
	sl_blob_get_text(in, tag, sizeof tag);
	if (in->bad || s.version != RECORD_VERSION || sl_sip_listener(ctx, s.listener) == NULL || sl_sip_listener(ctx, s.flow.listener) == NULL)
		return NULL;
	l = sl_leg_sip_new(ctx, c, SL_LEG_IN);
	if (l == NULL)
		return NULL;
	l->base.direction = l->base.cdr.direction;
	snprintf(l->base.cdr.sip_call_id, sizeof l->base.cdr.sip_call_id, "%s", call_id);
	memcpy(l->tag, tag, sizeof l->tag);
	take(l, &s);
	su_home_init(home);
	right = read_leg(l, &s, in, home);
	su_home_deinit(home);
	if (!right)
		return NULL; /* the call's: it is written off with it */
	if (l->base.direction == SL_LEG_IN && l->base.cdr.trunk[0] == '\0') {
		l->counted = l->flow.remote.ip;
		sl_warden_took(sl_sip_options(l->sip)->warden, SL_WARDEN_CALL, &l->counted);
	}
	if (l->base.state == SL_LS_UP) {
		sl_leg_sip_is_at(l, &l->flow);
		sl_leg_sip_early_free(l);
		session_timer(l);
		sl_sip_leg_counts()->restored++;
	} else if (l->early) {
		sl_sip_leg_counts()->restored_early++;
		if (!(l->base.direction == SL_LEG_IN ? make_invite_in(l) : make_invite_out(l)))
			sl_sip_leg_counts()->unsent++;
	}
	return &l->base;
}
