/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The early dialogs of an outgoing leg (RFC 3261 12.1.2, 13.2.2.4): one for each To tag that answered, each with its own route set, target
 * and reliable provisional answers (RFC 3262). */

#include "controlplane/sip/leg_internal.h"

#include <stdlib.h>
#include <strings.h>

static struct leg_fork *find_fork(struct leg *l, const char *tag)
{
	for (struct leg_fork *f = l->forks; f; f = f->next) {
		const char *theirs = nta_leg_get_rtag(f->dialog);

		if (theirs && strcasecmp(theirs, tag) == 0)
			return f;
	}
	return NULL;
}

struct leg_fork *sl_leg_sip_fork(struct leg *l, const sip_t *sip)
{
	const char *tag = sip->sip_to->a_tag;
	struct leg_fork *f;

	if (tag == NULL)
		return NULL;
	if ((f = find_fork(l, tag)) != NULL)
		return f;
	if (l->n_forks == LEG_FORKS_MAX || (f = calloc(1, sizeof *f)) == NULL)
		return NULL;
	if (l->n_forks == 0) {
		f->dialog = l->dialog;
		nta_leg_rtag(f->dialog, tag);
	} else
		f->dialog = nta_leg_tcreate(sl_sip_agent(l->sip), sl_leg_sip_on_request, (nta_leg_magic_t *)l, SIPTAG_CALL_ID(sip->sip_call_id),
		        SIPTAG_FROM(sip->sip_from), SIPTAG_TO(sip->sip_to), SIPTAG_CSEQ(sip->sip_cseq), TAG_END());
	if (f->dialog == NULL) {
		free(f);
		return NULL;
	}
	nta_leg_client_reroute(f->dialog, sip->sip_record_route, sip->sip_contact, 1);
	f->index = l->n_forks++;
	f->next = l->forks;
	l->forks = f;
	return f;
}

void sl_leg_sip_forks_free(struct leg *l, const nta_leg_t *but)
{
	struct leg_fork *f;

	while ((f = l->forks) != NULL) {
		l->forks = f->next;
		if (f->dialog != but && f->dialog != l->dialog)
			nta_leg_destroy(f->dialog);
		free(f);
	}
}

/* ---- provisional answers ---- */

static void send_prack(struct leg *l, struct leg_fork *f, const sip_t *sip)
{
	struct leg_sent *sent = sl_leg_sip_sent_new(l, LEG_SENT_PRACK);
	sip_rack_t rack[1];

	if (sent == NULL)
		return;
	sip_rack_init(rack);
	rack->ra_response = (uint32_t)sip->sip_rseq->rs_response;
	rack->ra_cseq = sip->sip_cseq->cs_seq;
	rack->ra_method = sip->sip_cseq->cs_method;
	rack->ra_method_name = sip->sip_cseq->cs_method_name;
	sent->orq = sl_leg_sip_send(l, f->dialog, sl_leg_sip_on_response, sent, SIP_METHOD_PRACK, SIPTAG_RACK(rack), TAG_END());
	if (sent->orq == NULL)
		sl_leg_sip_sent_free(l, sent);
	f->rseq = (uint32_t)sip->sip_rseq->rs_response;
}

void sl_leg_sip_progressed(struct leg *l, const sip_t *sip)
{
	struct sl_leg_event e = { .type = SL_LE_PROGRESS, .status = sip->sip_status->st_status, .message = sip };
	struct leg_fork *f = sl_leg_sip_fork(l, sip);

	if (f && sip->sip_rseq && sip->sip_require && sip_has_feature(sip->sip_require, "100rel")) {
		uint32_t rseq = (uint32_t)sip->sip_rseq->rs_response;

		/* One seen before, or one that is ahead of one we miss: it will come again (RFC 3262 4). */
		if (f->rseq && rseq != f->rseq + 1)
			return;
		e.reliable = true;
		if (!l->cancelled)
			send_prack(l, f, sip);
	}
	e.reason = sip->sip_status->st_phrase ? sip->sip_status->st_phrase : "";
	e.fork = f ? f->index : 0;
	e.sdp = sl_leg_sip_sdp(sip);
	if (e.sdp.n && e.reliable && l->n_forks == 1 && l->offer == LEG_OFFER_OURS) {
		l->offer = LEG_OFFER_NONE;
		l->their_sdp = sl_leg_sip_hash(e.sdp);
	}
	sl_leg_tell(&l->base, &e);
}
