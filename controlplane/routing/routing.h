/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Where a call goes: number normalisation, the user or the trunks that take it, in which order, what limits say, and a record of how that
 * was found. Nothing here knows SIP messages; `route test` and a call ask the same. Owner: the brain's thread. */

#include "controlplane/call/ask.h"
#include "controlplane/provision/provision.h"

enum { SL_ROUTE_CANDIDATES = 16, SL_ROUTE_NUMBER_MAX = 128 };

struct sl_route_query {
	const struct sl_prov_snapshot *snapshot;
	const struct sl_prov_tenant *tenant;
	struct sl_prov_user *from_user;        /* one of these two, or none */
	const struct sl_prov_trunk *from_trunk;
	char caller[SL_ROUTE_NUMBER_MAX];      /* user part that the caller shows */
	char called[SL_ROUTE_NUMBER_MAX];      /* user part of the request-URI, or a tel number; npdi/rn already applied: */
	char rn[SL_ROUTE_NUMBER_MAX];          /* RFC 4694: routing number when npdi; "" = none; routes are looked up by it */
	char domain[SL_PROV_NAME_MAX + 1];     /* host of the request-URI; one of ours is looked up among users first; "" = an address of ours:
	                                          the trunk's default domain, or that of from_user, is taken */
	int64_t unix_s;                        /* time of day is an argument */
	bool may_leave;                        /* authenticated: the call may go out by a trunk (toll fraud) */
	bool dry;                              /* `route test`: draws no weights at random, counts nothing */
};

struct sl_route_candidate {
	const struct sl_prov_route *route;     /* NULL: found without a route (a local user) */
	const struct sl_prov_trunk *trunk;     /* NULL: a local user */
	struct sl_prov_user *user;             /* local */
	char called[SL_ROUTE_NUMBER_MAX], caller[SL_ROUTE_NUMBER_MAX]; /* as to be sent */
};

struct sl_route_decision {
	unsigned n;                            /* candidates in the order to try; 0: refused with status */
	struct sl_route_candidate candidates[SL_ROUTE_CANDIDATES];
	uint16_t status, retry_after_s;
	char reason[64];
	bool emergency;
	char *record;                          /* JSON: what was considered, chosen or rejected, and why; malloc'd, the taker frees it */
};

struct sl_routing;
struct sl_routing_options {
	struct sl_prov *prov;
	struct sl_asks *asks;
	struct sl_call_events *events;
};
struct sl_routing *sl_routing_open(const struct sl_routing_options *o);
void sl_routing_close(struct sl_routing *r);

/* Decide; fn(ctx, error, const struct sl_route_decision *). */
sl_ask sl_route_ask(struct sl_routing *r, const struct sl_route_query *q, int64_t deadline_ms, sl_ask_fn fn, void *ctx);
/* The same at once, for tests and `route test`. out->record is the caller's. */
void sl_route_decide(struct sl_routing *r, const struct sl_route_query *q, struct sl_route_decision *out);

/* ---- limits: of the node's tenants, trunks, users, routes; counted for calls that are ---- */

/* What one call (or attempt) uses; zero = nothing yet. The call's own, POD but for held references. */
struct sl_route_use {
	const struct sl_prov_snapshot *snapshot;
	const struct sl_prov_tenant *tenant;
	const struct sl_prov_trunk *trunk;
	struct sl_prov_user *user;
	const struct sl_prov_route *route;
	bool counted;
};
/* Take one of each that is set, all or none. 0, or -EBUSY with whose limit in *hit (its status, reason, retry_after). emergency passes. */
int sl_route_use_begin(struct sl_routing *r, struct sl_route_use *u, bool emergency, int64_t now_ms, const struct sl_prov_limits **hit,
        const char **whose);
/* Fine when not begun. What u names stays there: begin took references of its own, and they go now. */
void sl_route_use_end(struct sl_routing *r, struct sl_route_use *u);
/* The trunk's side failed this attempt (a status that fails over, or silence): counted for its view. */
void sl_route_use_failed(struct sl_routing *r, const struct sl_route_use *u);

/* ---- state of trunks' targets ---- */

/* What probing and calls found; targets down are left out of decisions, unless all are. */
void sl_route_target_state(struct sl_routing *r, const char *trunk, unsigned target, bool up, const char *why);
bool sl_route_target_is_up(const struct sl_routing *r, const char *trunk, unsigned target);
/* Our registration at a carrier. */
void sl_route_trunk_registered(struct sl_routing *r, const char *trunk, bool yes, const char *why);

struct sl_route_trunk_view { unsigned concurrent, cps; bool registered, registers; uint64_t calls, failed; };
void sl_route_trunk_view(const struct sl_routing *r, const char *trunk, struct sl_route_trunk_view *out);
