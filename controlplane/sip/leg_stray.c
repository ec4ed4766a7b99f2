/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* 2xx that belong to no transaction of nta's: of the dialog that we have, when its ACK was lost; of a fork that came late, or of an INVITE
 * that the process before us sent. */

#include "controlplane/sip/leg_internal.h"

#include <stdlib.h>
#include <string.h>

/* Acknowledge and end the dialog of a 2xx that we do not want, over the flow that it came by: its Contact is not believed, so a forged
 * one makes nobody else hear from us. */
static void end_unwanted(struct sl_sip *s, const sip_t *sip, const struct sl_sip_flow *flow)
{
	nta_agent_t *agent = sl_sip_agent(s);
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct sl_sip_hop hop;
	url_t *url;
	tport_t *tport;

	su_home_init(home);
	sl_sip_hop_back(flow, &hop);
	nta_leg_t *dialog = nta_leg_tcreate(agent, NULL, NULL, SIPTAG_CALL_ID(sip->sip_call_id), SIPTAG_FROM(sip->sip_from), SIPTAG_TO(sip->sip_to),
	        SIPTAG_CSEQ(sip->sip_cseq), TAG_END());

	if (dialog && sl_sip_hop_route(s, home, &hop, &url, &tport) == 0) {
		sip_cseq_t *cseq = sip_cseq_create(home, sip->sip_cseq->cs_seq, SIP_METHOD_ACK);
		sip_route_t *edge = sl_sip_hop_header(s, home, &hop);
		const sip_route_t *routes = NULL;

		nta_leg_client_reroute(dialog, sip->sip_record_route, sip->sip_contact, 1);
		nta_leg_get_route(dialog, &routes, NULL);
		if (edge && routes)
			edge->r_next = sip_route_dup(home, routes);
		nta_outgoing_destroy(nta_outgoing_tcreate(dialog, NULL, NULL, (url_string_t *)url, SIP_METHOD_ACK, NULL, NTATAG_TPORT(tport),
		        TAG_IF(edge, SIPTAG_ROUTE(edge)), SIPTAG_CSEQ(cseq), NTATAG_ACK_BRANCH(sip->sip_via->v_branch), TAG_END()));
		nta_outgoing_destroy(nta_outgoing_tcreate(dialog, NULL, NULL, (url_string_t *)url, SIP_METHOD_BYE, NULL, NTATAG_TPORT(tport),
		        TAG_IF(edge, SIPTAG_ROUTE(edge)), TAG_END()));
	}
	if (dialog)
		nta_leg_destroy(dialog);
	su_home_deinit(home);
}

static bool tag_is_ours(const char *tag)
{
	return tag && strlen(tag) == LEG_TAG_TEXT - 1 && strspn(tag, "0123456789abcdef") == LEG_TAG_TEXT - 1;
}

bool sl_sip_leg_response(struct sl_sip *s, msg_t *msg, const sip_t *sip)
{
	struct sl_sip_flow flow;
	int status = sip->sip_status ? sip->sip_status->st_status : 0;

	if (status < 200 || status >= 300 || sip->sip_cseq == NULL || sip->sip_cseq->cs_method != sip_method_invite || sip->sip_via == NULL ||
	    sip->sip_via->v_next || sip->sip_to->a_tag == NULL || !tag_is_ours(sip->sip_from->a_tag))
		return false;
	struct sl_leg *base = sl_sip_leg_find(s, sip->sip_call_id->i_id, sip->sip_to->a_tag, sip->sip_from->a_tag);

	sl_sip_flow_of(s, msg, sip, &flow);
	struct leg *l = base ? sl_leg_sip_of(base) : NULL;

	if (l && l->dialog && base->state >= SL_LS_UP) {
		/* The dialog that we have: its ACK was lost, or is not due yet. */
		struct sl_slice sdp = { l->sdp, l->sdp_len };

		sl_leg_sip_heard(l, msg, sip);
		if (!l->ack_due && !l->ack_resolving) {
			bool last = l->ack_seq == sip->sip_cseq->cs_seq;

			if (!last || !l->ack_has_sdp)
				sdp.n = 0;
			free(l->ack_branch);
			l->ack_branch = sip->sip_via->v_branch ? strdup(sip->sip_via->v_branch) : NULL;
			l->ack_seq = sip->sip_cseq->cs_seq;
			sl_leg_sip_send_ack(l, NULL, sdp);
		}
	} else {
		sl_sip_leg_counts()->forked_2xx++;
		end_unwanted(s, sip, &flow);
	}
	msg_destroy(msg);
	return true;
}
