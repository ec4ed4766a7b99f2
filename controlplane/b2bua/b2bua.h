/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The trunk controller: the first controller of the call model. It asks where a call goes, dials (forks, serially and in parallel, with
 * failover), joins the two sides by a media session, relays what they say to each other by policy, and keeps what each may see of the other
 * apart. */

#include "controlplane/call/call.h"
#include "controlplane/registrar/registrar.h"
#include "controlplane/routing/routing.h"
#include "controlplane/sip/leg.h"

struct sl_b2bua_options {
	const struct sl_config *config;
	struct sl_sip *sip; /* may be set later by sl_b2bua_set_sip() */
	struct sl_calls *calls;
	struct sl_prov *prov;
	struct sl_routing *routing;
	struct sl_registrar *registrar;
	struct sl_media *media;
	struct sl_call_events *events;
	struct sl_warden *warden; /* guard/warden.h; NULL = nobody guards */
	struct sl_asks *asks;
};
struct sl_b2bua;
struct sl_b2bua *sl_b2bua_open(const struct sl_b2bua_options *o);
void sl_b2bua_close(struct sl_b2bua *b);
void sl_b2bua_set_sip(struct sl_b2bua *b, struct sl_sip *s);
void sl_b2bua_reconfigure(struct sl_b2bua *b, const struct sl_config *config);
/* struct sl_sip_options.invite and .request; ctx is the b2bua. */
void sl_b2bua_invite(void *ctx, struct sl_call *c, struct sl_leg *l, const struct sl_sip_caller *who, const sip_t *sip, struct sl_leg *replaces);
void sl_b2bua_request(void *ctx, nta_incoming_t *irq, const struct sl_sip_caller *who, const sip_t *sip);

/* STIR/SHAKEN: may look at, refuse (return a status >= 400) or add headers to what goes out ("Identity: ..."); NULL = none. For a later
 * module. */
typedef int (*sl_b2bua_identity_hook)(void *ctx, struct sl_call *c, const sip_t *in, const struct sl_route_candidate *to, char *headers, size_t headers_len);
void sl_b2bua_set_identity_hook(struct sl_b2bua *b, sl_b2bua_identity_hook hook, void *ctx);
