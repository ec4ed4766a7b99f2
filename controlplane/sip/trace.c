/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Messages for the trace, as they were on the wire: what came in has its text kept by the parser; what went out has been printed by
 * nta already. A header that has neither (changed since) is printed here. */

#include "controlplane/sip/internal.h"

#include <string.h>

#include <sofia-sip/msg_header.h>

/* One owner thread: no need for 16 KiB of stack. */
static char text[SL_TRACE_ENTRY_MAX];

static size_t gather(const sip_t *sip)
{
	const sip_header_t *h = sip->sip_request ? (const sip_header_t *)sip->sip_request : (const sip_header_t *)sip->sip_status;
	size_t n = 0;

	for (; h && n < sizeof text; h = (const sip_header_t *)h->sh_succ) {
		issize_t m;

		if (h->sh_data) {
			m = (issize_t)(h->sh_len < sizeof text - n ? h->sh_len : sizeof text - n);
			memcpy(text + n, h->sh_data, (size_t)m);
		} else {
			m = msg_header_e(text + n, sizeof text - n, (const msg_header_t *)h, 0);
			if (m < 0)
				continue;
			if ((size_t)m > sizeof text - n)
				m = (issize_t)(sizeof text - n);
		}
		n += (size_t)m;
	}
	return n;
}

void sl_sip_trace(struct sl_sip *s, struct sl_call *c, const struct sl_leg *l, bool in, msg_t *msg, const struct sl_sip_flow *flow)
{
	struct sl_trace_about about = {.kind = in ? SL_TR_SIP_IN : SL_TR_SIP_OUT};
	const sip_t *sip = msg ? sip_object(msg) : NULL;

	if (s->o.trace == NULL || sip == NULL || s->config->sip.trace_mb == 0)
		return;
	if (l)
		about.leg = l->id;
	if (flow) {
		memcpy(about.transport, sl_sip_transport_name(flow->transport), sizeof "udp");
		about.local = flow->local;
		about.remote = flow->remote;
	}
	sl_trace_add(s->o.trace, &c->id, &c->trace_last, &about, text, gather(sip));
}
