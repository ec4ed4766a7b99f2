/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What nta has no owner for comes here: requests outside any dialog, requests of dialogs that are gone, stray ACKs and responses. The
 * checks go from cheap to dear, and nothing is kept for a message that is refused. */

#include "controlplane/brain.h"
#include "controlplane/guard/warden.h"
#include "controlplane/registrar/registrar.h"
#include "controlplane/routing/trunks.h"
#include "controlplane/sip/dispatch.h"
#include "controlplane/sip/internal.h"
#include "controlplane/sip/leg.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <sofia-sip/nta_tag.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/sip_util.h>

static const char allow[] = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, SUBSCRIBE, NOTIFY, PUBLISH, MESSAGE, INFO, UPDATE, PRACK, REFER";
static const char supported[] = "100rel, timer, replaces, path, gruu, outbound";
static const char accepted[] = "application/sdp";

static int drop(struct sl_sip *s, msg_t *msg)
{
	s->counts.dropped++;
	msg_destroy(msg);
	return 0;
}

/* A request that is our own, come back unchanged: same Call-ID and CSeq, our branch in its Vias, same request-URI (RFC 3261 16.3, item 4).
 * One with another request-URI is a spiral, and welcome; Max-Forwards ends that. */
static bool is_loop(struct sl_sip *s, msg_t *msg, const sip_t *sip)
{
	for (const sip_via_t *v = sip->sip_via->v_next; v; v = v->v_next) {
		nta_outgoing_t *orq = nta_outgoing_find(s->agent, msg, sip, v);

		if (orq && url_cmp(nta_outgoing_request_uri(orq), sip->sip_request->rq_url) == 0)
			return true;
	}
	return false;
}

/* ---- what to do with it ---- */

static int refuse_look(struct sl_sip *s, msg_t *msg, const sip_t *sip, enum sl_dispatch d, const char *unsupported)
{
	switch (d) {
	case SL_DISPATCH_501:
		sl_sip_refuse(s, msg, sip, SIP_501_NOT_IMPLEMENTED, SIPTAG_ALLOW_STR(allow), TAG_END());
		break;
	case SL_DISPATCH_405:
		sl_sip_refuse(s, msg, sip, SIP_405_METHOD_NOT_ALLOWED, SIPTAG_ALLOW_STR(allow), TAG_END());
		break;
	case SL_DISPATCH_481:
		sl_sip_refuse(s, msg, sip, SIP_481_NO_TRANSACTION, TAG_END());
		break;
	case SL_DISPATCH_416:
		sl_sip_refuse(s, msg, sip, SIP_416_UNSUPPORTED_URI, TAG_END());
		break;
	case SL_DISPATCH_483:
		sl_sip_refuse(s, msg, sip, SIP_483_TOO_MANY_HOPS, TAG_END());
		break;
	case SL_DISPATCH_420:
		sl_sip_refuse(s, msg, sip, SIP_420_BAD_EXTENSION, SIPTAG_UNSUPPORTED_STR(unsupported), SIPTAG_SUPPORTED_STR(supported), TAG_END());
		break;
	default:
		return drop(s, msg);
	}
	return 0;
}

static int refuse_for_now(struct sl_sip *s, msg_t *msg, const sip_t *sip, uint64_t *counter)
{
	unsigned after = s->config->sip.overload_retry_after_s;
	char text[16];

	(*counter)++;
	/* Spread, or all come back at once. */
	snprintf(text, sizeof text, "%u", after + (unsigned)(sl_prng_next(&s->prng) % (after / 2 + 1)));
	sl_sip_reply(s, msg, sip, SIP_503_SERVICE_UNAVAILABLE, SIPTAG_RETRY_AFTER_STR(text), TAG_END());
	return 0;
}

static bool is_trunk(struct sl_sip *s, const struct sl_sip_caller *who)
{
	return s->listeners[who->flow.listener].role != SL_SIP_ACCESS &&
	       sl_prov_trunk_of(sl_prov_now(s->o.prov), &who->flow.remote, who->tls_identity) != NULL;
}

/* A carrier's address that we registered at. */
static bool is_carrier(struct sl_sip *s, const sip_t *sip, const struct sl_sip_caller *who)
{
	return s->trunks && s->listeners[who->flow.listener].role != SL_SIP_ACCESS &&
	       sl_trunks_of(s->trunks, &who->flow.remote, sip->sip_request->rq_url->url_user, false) != NULL;
}

/* How is somebody answered who exceeds a limit of the guard? Emergency calls and trunks are not judged. */
static enum sl_warden_answer judge(struct sl_sip *s, const sip_t *sip, const struct sl_sip_caller *who)
{
	enum sl_warden_answer a = sl_warden_judge(s->o.warden, &who->flow, sl_now_ms());

	if (a == SL_WARDEN_PASS || is_trunk(s, who) || is_carrier(s, sip, who) ||
	        (sip->sip_request->rq_method == sip_method_invite && sl_sip_is_emergency(s, sip)))
		return SL_WARDEN_PASS;
	sl_warden_answered(s->o.warden, a);
	return a;
}

/* Whose work is it mostly? *trunks: trunks' own; then it is they who overload us, if somebody does. */
static void count_load(struct sl_sip *s, bool trunk, bool *trunks)
{
	uint32_t second = (uint32_t)(sl_now_ms() / 1000);
	unsigned now = second & 1;

	if (s->load_second != second) {
		bool gap = s->load_second + 1 != second;

		s->load_second = second;
		s->load_trunks[now] = s->load_all[now] = 0;
		if (gap)
			s->load_trunks[!now] = s->load_all[!now] = 0;
	}
	s->load_all[now]++;
	s->load_trunks[now] += trunk;
	*trunks = 2 * (s->load_trunks[0] + s->load_trunks[1]) > s->load_all[0] + s->load_all[1];
}

/* Trunks wait for no flood of others. */
static bool is_admitted(struct sl_sip *s, const sip_t *sip, const struct sl_sip_caller *who)
{
	const struct sl_sip_flow *flow = &who->flow;
	enum sl_overload_class class = SL_OVERLOAD_STRANGER;
	bool trunk = is_trunk(s, who), trunks;

	count_load(s, trunk, &trunks);
	sl_sip_overload_look(s, flow);
	if (s->overload.level == SL_OVERLOAD_NONE)
		return true;
	if (sip->sip_request->rq_method == sip_method_invite && sl_sip_is_emergency(s, sip))
		class = SL_OVERLOAD_ALWAYS;
	else if (sl_sip_is_registered(s, sip, flow) || (trunk && !trunks))
		class = SL_OVERLOAD_REGISTERED;
	return sl_overload_admits(&s->overload, class);
}

static int answer_options(struct sl_sip *s, msg_t *msg, const sip_t *sip)
{
	sl_sip_reply(s, msg, sip, SIP_200_OK, SIPTAG_ALLOW_STR(allow), SIPTAG_ACCEPT_STR(accepted), SIPTAG_SUPPORTED_STR(supported), TAG_END());
	return 0;
}

/* OPTIONS to ourselves is how trunks and phones see whether we live. A trunk's listener tells strangers nothing. */
static int options(struct sl_sip *s, msg_t *msg, const sip_t *sip, struct sl_sip_caller *who)
{
	struct sl_prov_user *user = NULL;

	if ((s->listeners[who->flow.listener].role == SL_SIP_PEERING || s->distrust) && sl_sip_identify(s, msg, sip, who, &user) == SL_ID_ANSWERED)
		return 0;
	sl_prov_user_unref(user);
	return answer_options(s, msg, sip);
}

/* RFC 3891 3. 0 with *leg (NULL: there is no Replaces), or the status to refuse with. */
static int find_replaced(struct sl_sip *s, const sip_t *sip, const struct sl_sip_caller *who, struct sl_leg **leg)
{
	const sip_replaces_t *r = sip->sip_replaces;

	*leg = NULL;
	if (r == NULL)
		return 0;
	if (r->rp_call_id == NULL || r->rp_to_tag == NULL || r->rp_from_tag == NULL)
		return 400;
	*leg = sl_sip_leg_find(s, r->rp_call_id, r->rp_from_tag, r->rp_to_tag);
	if (*leg == NULL || who->tenant == NULL || strcmp((*leg)->call->tenant, who->tenant->name) != 0)
		return 481;
	if ((*leg)->state >= SL_LS_ENDING)
		return 603;
	if ((*leg)->state == SL_LS_UP)
		return r->rp_early_only ? 486 : 0;
	return (*leg)->direction == SL_LEG_OUT ? 0 : 481; /* an early dialog that we did not begin cannot be replaced */
}

static int invite(struct sl_sip *s, msg_t *msg, const sip_t *sip, const struct sl_sip_caller *who)
{
	struct sl_leg *replaced, *l;
	int status = find_replaced(s, sip, who, &replaced);

	if (status) {
		sl_sip_refuse(s, msg, sip, status, sip_status_phrase(status), TAG_END());
		return 0;
	}
	l = sl_sip_leg_incoming(s, msg, sip, who);
	if (l)
		s->o.invite(s->o.ctx, l->call, l, who, sip, replaced);
	return 0;
}

static int request(struct sl_sip *s, msg_t *msg, const sip_t *sip, const struct sl_sip_caller *who)
{
	nta_incoming_t *irq = nta_incoming_create(s->agent, NULL, msg, (sip_t *)sip, TAG_END());

	if (irq == NULL) {
		s->counts.dropped++; /* no memory; nta took msg */
		return 0;
	}
	s->counts.out_of_dialog++;
	if (sip->sip_request->rq_method == sip_method_subscribe && sip->sip_event && sip->sip_event->o_type &&
	        strcasecmp(sip->sip_event->o_type, "reg") == 0 && who->user)
		sl_registrar_subscribe(s->o.registrar, irq, sip, who);
	else
		s->o.request(s->o.ctx, irq, who, sip);
	return 0;
}

/* Nobody downstream shall see what the edge says to us, and nobody may say it in its place: sl_sip_flow_of() has read it. */
static void take_off_flow(msg_t *msg, sip_t *sip)
{
	for (sip_unknown_t *u = sip->sip_unknown, *next; u; u = next) {
		next = u->un_next;
		if (strcasecmp(u->un_name, SL_EDGE_FLOW_HEADER) == 0)
			msg_header_remove(msg, (msg_pub_t *)sip, (msg_header_t *)u);
	}
}

static int known(struct sl_sip *s, msg_t *msg, const sip_t *sip, struct sl_sip_caller *who, enum sl_dispatch d)
{
	struct sl_prov_user *user;

	if (sl_sip_identify(s, msg, sip, who, &user) == SL_ID_ANSWERED)
		return 0;
	if (d == SL_DISPATCH_INVITE)
		invite(s, msg, sip, who);
	else
		request(s, msg, sip, who);
	sl_prov_user_unref(user);
	return 0;
}

static int dispatch(struct sl_sip *s, msg_t *msg, sip_t *sip)
{
	char unsupported[SL_DISPATCH_UNSUPPORTED];
	struct sl_sip_caller who = {0};
	enum sl_dispatch d = sl_dispatch_look(sip, unsupported);

	sl_sip_answer_source(msg, sip); /* one without an empty line has no body to be looked at */
	if (d < SL_DISPATCH_REGISTER)
		return refuse_look(s, msg, sip, d, unsupported);
	sl_sip_flow_of(s, msg, sip, &who.flow);
	if (who.flow.transport == SL_SIP_TLS) {
		if (who.flow.connection == 0)
			return drop(s, msg); /* on the edge's socket, but not from the edge */
		sl_sip_edge_identity(s, sip, who.tls_identity);
	}
	take_off_flow(msg, sip);
	if (sl_warden_denies(s->o.warden, &who.flow))
		return drop(s, msg);
	if (!is_admitted(s, sip, &who))
		return refuse_for_now(s, msg, sip, &s->counts.refused_overload);
	enum sl_warden_answer answer = judge(s, sip, &who);
	if (answer == SL_WARDEN_REFUSE)
		return refuse_for_now(s, msg, sip, &s->counts.refused_guard);
	/* For as long as this message is looked at. */
	s->distrust = answer == SL_WARDEN_CHALLENGE;
	s->hold_ms = answer == SL_WARDEN_DELAY ? sl_warden_policy(s->o.warden)->delay_ms : 0;
	if (is_loop(s, msg, sip)) {
		sl_sip_refuse(s, msg, sip, SIP_482_LOOP_DETECTED, TAG_END());
		return 0;
	}
	switch (d) {
	case SL_DISPATCH_REGISTER:
		if (s->listeners[who.flow.listener].role == SL_SIP_PEERING)
			sl_sip_refuse(s, msg, sip, SIP_403_FORBIDDEN, TAG_END());
		else
			sl_registrar_register(s->o.registrar, msg, sip, &who.flow);
		return 0;
	case SL_DISPATCH_OPTIONS:
		return options(s, msg, sip, &who);
	default:
		return known(s, msg, sip, &who, d);
	}
}

int sl_sip_message(nta_agent_magic_t *magic, nta_agent_t *agent, msg_t *msg, sip_t *sip)
{
	struct sl_sip *s = (struct sl_sip *)magic;

	(void)agent;
	if (sip == NULL)
		return drop(s, msg);
	/* A response that belongs to no transaction: a late or forked 2xx is a leg's to end (RFC 3261 13.2.2.4), the rest is dropped
	 * (18.1.2). */
	if (sip->sip_request == NULL)
		return sip->sip_status && sl_sip_leg_response(s, msg, sip) ? 0 : drop(s, msg);
	int rc = dispatch(s, msg, sip);
	s->distrust = false;
	s->hold_ms = 0;
	return rc;
}
