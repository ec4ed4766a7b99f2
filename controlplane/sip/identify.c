/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Who sent a request outside any dialog: a trunk by its source or certificate, a user over the flow that he is registered from, or by
 * digest. What nobody knows gets no memory: challenges and refusals are stateless. */

#include "controlplane/guard/warden.h"
#include "controlplane/registrar/registrar.h"
#include "controlplane/routing/trunks.h"
#include "controlplane/sip/internal.h"

#include <string.h>

#include "controlplane/brain.h"
#include <sofia-sip/sip_status.h>

enum {
	STRANGER_RATE = 5,   /* answers a second to one source that is no trunk's */
	STRANGERS_RATE = 200, /* to all of them */
};

/* A stranger is told 403, but not more often than that: it may be a forged source. True: answer. */
static bool may_answer_stranger(struct sl_sip *s, const struct sl_endpoint *from)
{
	uint32_t second = (uint32_t)(sl_now_ms() / 1000) & 0xffffff;
	uint32_t *one = &s->stranger_second[sl_siphash(&s->key, &from->ip, sizeof from->ip) % SL_SIP_STRANGERS], *all = &s->strangers_second;

	if (*one >> 8 != second)
		*one = second << 8;
	if (*all >> 8 != second)
		*all = second << 8;
	if ((*one & 0xff) >= STRANGER_RATE || (*all & 0xff) >= STRANGERS_RATE)
		return false;
	(*one)++;
	(*all)++;
	return true;
}

static struct sl_prov_user *user_of_from(struct sl_sip *s, const sip_t *sip)
{
	const url_t *u = sip->sip_from->a_url;

	if (u->url_user == NULL || u->url_host == NULL)
		return NULL;
	return sl_prov_user(s->o.prov, u->url_user, strlen(u->url_user), u->url_host, strlen(u->url_host));
}

bool sl_sip_is_registered(struct sl_sip *s, const sip_t *sip, const struct sl_sip_flow *flow)
{
	struct sl_prov_user *user = user_of_from(s, sip);

	return user && sl_registrar_flow_is_of(s->o.registrar, flow, user);
}

bool sl_sip_is_emergency(struct sl_sip *s, const sip_t *sip)
{
	const struct sl_prov_snapshot *snap = sl_prov_now(s->o.prov);
	const url_t *u = sip->sip_request->rq_url;
	const char *number = u->url_type == url_tel ? u->url_host : u->url_user;

	if (number == NULL)
		return false;
	for (unsigned t = 0; t < snap->n_tenants; t++) {
		for (unsigned i = 0; i < snap->tenants[t].n_emergency; i++) {
			const char *prefix = snap->tenants[t].emergency[i];

			if (prefix[0] && strncmp(number, prefix, strlen(prefix)) == 0)
				return true;
		}
	}
	return false;
}

static enum sl_identity refuse_stranger(struct sl_sip *s, msg_t *msg, const sip_t *sip, const struct sl_sip_flow *flow)
{
	sl_warden_report_flow(s->o.warden, flow, SL_GUARD_SAW_FORBIDDEN, false, sl_now_ms());
	if (may_answer_stranger(s, &flow->remote)) {
		sl_sip_refuse(s, msg, sip, SIP_403_FORBIDDEN, TAG_END());
	} else {
		s->counts.refused_unknown_source++;
		s->counts.dropped++;
		msg_destroy(msg);
	}
	return SL_ID_ANSWERED;
}

static void is_user(struct sl_sip *s, struct sl_sip_caller *who, struct sl_prov_user *user)
{
	who->user = user;
	who->tenant = sl_prov_tenant(sl_prov_now(s->o.prov), user->tenant);
}

static enum sl_identity identify_user(struct sl_sip *s, msg_t *msg, const sip_t *sip, struct sl_sip_caller *who, struct sl_prov_user **user)
{
	const struct sl_prov_snapshot *snap = sl_prov_now(s->o.prov);
	struct sl_prov_user *by_flow = s->distrust ? NULL : user_of_from(s, sip);

	if (by_flow && by_flow->enabled) {
		const struct sl_prov_domain *d = sl_prov_domain(snap, by_flow->domain, strlen(by_flow->domain));

		if (d && d->trust_flow && sl_registrar_flow_is_of(s->o.registrar, &who->flow, by_flow)) {
			*user = sl_prov_user_ref(by_flow);
			is_user(s, who, *user);
			return SL_ID_KNOWN;
		}
	}
	if (sl_registrar_authenticate(s->o.registrar, msg, sip, &who->flow, user) != 0) {
		s->counts.challenged++;
		return SL_ID_ANSWERED;
	}
	is_user(s, who, *user);
	return SL_ID_KNOWN;
}

void sl_sip_set_trunks(struct sl_sip *s, struct sl_trunks *t)
{
	s->trunks = t;
}

enum sl_identity sl_sip_identify(struct sl_sip *s, msg_t *msg, const sip_t *sip, struct sl_sip_caller *who, struct sl_prov_user **user)
{
	unsigned role = s->listeners[who->flow.listener].role;

	*user = NULL;
	if (role != SL_SIP_ACCESS) {
		who->trunk = sl_prov_trunk_of(sl_prov_now(s->o.prov), &who->flow.remote, who->tls_identity);
		/* Accounts at one carrier share its address: then the Contact that we registered tells them apart. */
		const struct sl_prov_trunk *registered = s->trunks ? sl_trunks_of(s->trunks, &who->flow.remote, sip->sip_request->rq_url->url_user,
			who->trunk != NULL) : NULL;

		if (registered)
			who->trunk = registered;
		if (who->trunk) {
			who->tenant = who->trunk->tenant;
			return SL_ID_KNOWN;
		}
		if (role == SL_SIP_PEERING)
			return refuse_stranger(s, msg, sip, &who->flow);
	}
	return identify_user(s, msg, sip, who, user);
}
