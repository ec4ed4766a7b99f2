/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The HTTP API, as the brain answers it. */

#include "controlplane/brain.h"
#include "controlplane/call/call.h"
#include "controlplane/media/media.h"

#include <jansson.h>

/* Handler of every request (struct sl_http_options.handle); ctx is the brain. */
void sl_api_handle(void *ctx, struct sl_http_request *r);

/* ---- between the files of this folder ---- */

void sl_api_json(struct sl_http_request *r, int status, json_t *body); /* takes the reference */
/* {"error": text, "field": field}; field NULL = left out. */
void sl_api_error(struct sl_http_request *r, int status, const char *field, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));
/* limit and offset of a listing, by ?limit= (1..10000, else fallback) and ?offset=. False: answered with an
 * error. */
bool sl_api_page(struct sl_http_request *r, size_t fallback, size_t *limit, size_t *offset);
/* An argument that is a number of min..max; *value stays when it is not there. False: answered with an error. */
bool sl_api_number(struct sl_http_request *r, const char *name, size_t min, size_t max, size_t *value);
/* A JSON string of any bytes: what is not UTF-8 is shown as '?'. */
json_t *sl_api_text(const char *s, size_t len);

/* access.c: who asks? False: nobody we know. */
bool sl_api_account(struct sl_brain *b, struct sl_http_request *r);
const char *sl_api_scope_name(uint32_t scope);
/* May this account see what is that tenant's? */
bool sl_api_may_see(const struct sl_http_request *r, const char *tenant);
/* The tenant that a listing is of: the account's own, or ?tenant=; "" = all. */
const char *sl_api_tenant_asked(const struct sl_http_request *r);

/* api_once.c: run a change of r's Idempotency-Key once: 24 hours long the same request gets the same answer, another one 422. */
void sl_api_once(struct sl_brain *b, struct sl_http_request *r, void (*run)(struct sl_brain *b, struct sl_http_request *r));

/* view.c: looking at the region */
void sl_api_status(struct sl_brain *b, struct sl_http_request *r);
void sl_api_ports(struct sl_brain *b, struct sl_http_request *r);
void sl_api_workers(struct sl_brain *b, struct sl_http_request *r);
void sl_api_counters(struct sl_brain *b, struct sl_http_request *r);
/* metrics_sip.c */
json_t *sl_api_sip_status(struct sl_brain *b);
/* metrics.c */
void sl_api_metrics(struct sl_brain *b, struct sl_http_request *r);
/* api_allocations.c; id: the path's rest, or NULL */
void sl_api_allocations(struct sl_brain *b, struct sl_http_request *r, const char *id);
/* api_users.c; name: the path's rest, or NULL */
void sl_api_users(struct sl_brain *b, struct sl_http_request *r, const char *name);
/* api_turn.c, api_turn_lists.c, api_turn_credentials.c; rest: of the path, or NULL */
void sl_api_turn_realms(struct sl_brain *b, struct sl_http_request *r);
void sl_api_turn_load(struct sl_brain *b, struct sl_http_request *r);
void sl_api_turn_alternates(struct sl_brain *b, struct sl_http_request *r);
void sl_api_turn_drain(struct sl_brain *b, struct sl_http_request *r, const char *rest);
void sl_api_turn_peers(struct sl_brain *b, struct sl_http_request *r, const char *rest);
void sl_api_turn_restricted(struct sl_brain *b, struct sl_http_request *r, const char *rest);
void sl_api_turn_credentials(struct sl_brain *b, struct sl_http_request *r, const char *rest);
/* api_turn_records.c */
void sl_api_turn_records(struct sl_brain *b, struct sl_http_request *r);
void sl_api_turn_usage(struct sl_brain *b, struct sl_http_request *r);
void sl_api_turn_sources(struct sl_brain *b, struct sl_http_request *r, const char *rest);
void sl_api_turn_accounting(struct sl_brain *b, struct sl_http_request *r);
/* api_sessions.c; rest: of the path after /v1/sessions/, or NULL */
void sl_api_sessions(struct sl_brain *b, struct sl_http_request *r, const char *rest);
/* api_guard.c; rest: of the path after /v1/guard/, or NULL */
void sl_api_guard(struct sl_brain *b, struct sl_http_request *r, const char *rest);
/* SIP; rest: of the path, or NULL. api_provision.c */
void sl_api_provision(struct sl_brain *b, struct sl_http_request *r, const char *rest);
void sl_api_config(struct sl_brain *b, struct sl_http_request *r, const char *rest);
/* route_test.c: GET /v1/routes/test?to= */
void sl_api_route_test(struct sl_brain *b, struct sl_http_request *r);
/* api_calls.c, api_registrations.c, api_reports.c */
void sl_api_calls(struct sl_brain *b, struct sl_http_request *r, const char *rest);
void sl_api_registrations(struct sl_brain *b, struct sl_http_request *r, const char *rest);
void sl_api_cdrs(struct sl_brain *b, struct sl_http_request *r, const char *rest);
void sl_api_events(struct sl_brain *b, struct sl_http_request *r, const char *rest);
/* call_view.c: what a list shows of a call, and all of it but media; what the trace has of one, maybe ended */
json_t *sl_api_call_brief(const struct sl_call *c);
json_t *sl_api_call_whole(const struct sl_call *c);
json_t *sl_api_call_trace(const struct sl_brain *b, const struct sl_id *call);
/* session_view.c */
json_t *sl_api_session_brief(const struct sl_media_session *s);
json_t *sl_api_session_whole(const struct sl_conf_media *conf, const struct sl_media_session *s);

/* view.c: sums over workers, relaxed */
uint64_t sl_view_counter(const struct sl_brain *b, enum sl_worker_counter c);
uint64_t sl_view_load(const uint64_t *value);
/* Name of a port, made safe to show. buf: SL_PORT_NAME_MAX + 1 bytes. */
const char *sl_view_port_name(const struct sl_region *region, unsigned port, char *buf);
unsigned sl_view_n_ports(const struct sl_region *region);
