/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/metrics.h"

#include "controlplane/call/call.h"
#include "controlplane/edge/edge.h"
#include "controlplane/registrar/registrar.h"
#include "controlplane/report/cdr.h"
#include "controlplane/routing/routing.h"
#include "controlplane/sip/leg.h"
#include "controlplane/sip/sip.h"

#include <inttypes.h>

/* SIP, calls, registrations and trunks. Names and help come from the lists that make the counters. */

static void sip_metrics(FILE *f, struct sl_sip *sip)
{
	const struct sl_sip_counts *c = sl_sip_counts(sip);
	const struct sl_sip_leg_counts *l = sl_sip_leg_counts();

#define X(name, text) sl_metric(f, "sluice_sip_" #name "_total", "counter", text, c->name);
	SL_SIP_COUNTERS(X)
#undef X
#define X(name, text) sl_metric(f, "sluice_sip_leg_" #name "_total", "counter", text, l->name);
	SL_SIP_LEG_COUNTERS(X)
#undef X
	sl_metric(f, "sluice_sip_overload", "gauge", "1 while new work is refused, 2 when that of registered users is too",
	        sl_sip_overload_level(sip));
}

static void edge_metrics(FILE *f, const struct sl_edge *edge)
{
	struct sl_edge_counts c;

	sl_edge_counts(edge, &c);
	sl_metric(f, "sluice_edge_connections", "gauge", "TLS connections now", c.open);
#define X(name, text) sl_metric(f, "sluice_edge_" #name "_total", "counter", text, c.name);
	SL_EDGE_COUNTERS(X)
#undef X
}

static void call_metrics(FILE *f, struct sl_brain *b)
{
	struct sl_calls_counts c;

	sl_calls_counts(b->calls, &c);
	sl_metric(f, "sluice_calls", "gauge", "calls now, ringing ones too", c.now);
	sl_metric(f, "sluice_calls_up", "gauge", "calls now that were answered", c.now_up);
	sl_metric(f, "sluice_calls_max", "gauge", "calls allowed", b->config->sip.max_calls);
	sl_metric(f, "sluice_calls_created_total", "counter", "calls begun", c.created);
	sl_metric(f, "sluice_calls_answered_total", "counter", "calls answered", c.answered);
	sl_metric(f, "sluice_calls_ended_total", "counter", "calls ended", c.ended);
	sl_metric(f, "sluice_calls_restored_total", "counter", "calls found again after a restart", c.restored);
	sl_metric(f, "sluice_calls_lost_total", "counter", "calls that could not be found again after a restart", c.lost);
}

static void registrar_metrics(FILE *f, const struct sl_registrar *r)
{
	struct sl_registrar_counts c;

	sl_registrar_counts(r, &c);
	sl_metric(f, "sluice_registrar_bindings", "gauge", "bindings now", c.bindings);
	sl_metric(f, "sluice_registrar_users", "gauge", "users with a binding now", c.users);
	sl_metric(f, "sluice_registrar_registrations_total", "counter", "new bindings", c.registrations);
	sl_metric(f, "sluice_registrar_refreshes_total", "counter", "bindings refreshed", c.refreshes);
	sl_metric(f, "sluice_registrar_removals_total", "counter", "bindings removed by their owner or an operator", c.removals);
	sl_metric(f, "sluice_registrar_expiries_total", "counter", "bindings expired", c.expiries);
	sl_metric(f, "sluice_registrar_challenges_total", "counter", "requests challenged", c.challenges);
	sl_metric(f, "sluice_registrar_stale_total", "counter", "of which with a nonce that was too old", c.stale);
	sl_metric(f, "sluice_registrar_failures_total", "counter", "wrong credentials", c.failures);
	sl_metric(f, "sluice_registrar_blocked_total", "counter", "requests refused because of too many wrong credentials", c.blocked);
	sl_metric(f, "sluice_registrar_commits_total", "counter", "commits of bindings", c.commits);
	sl_metric(f, "sluice_registrar_committed_total", "counter", "bindings in them", c.committed);
}

static void cdr_metrics(FILE *f, const struct sl_cdrs *cdrs)
{
	struct sl_cdr_counts c;

	sl_cdrs_counts(cdrs, &c);
	sl_metric(f, "sluice_cdrs_pending", "gauge", "call detail records not yet committed", sl_cdrs_pending(cdrs));
#define X(name, text) sl_metric(f, "sluice_cdrs_" #name "_total", "counter", text, c.name);
	SL_CDR_COUNTERS(X)
#undef X
}

/* Names are letters, digits, dot, dash and underscore: nothing to quote. */
static void trunk_metrics(FILE *f, struct sl_brain *b)
{
	static const struct {
		const char *name, *type, *help;
	} metrics[] = {{"sluice_trunk_calls", "gauge", "calls now, by trunk"}, {"sluice_trunk_calls_total", "counter", "calls, by trunk"},
	        {"sluice_trunk_failed_total", "counter", "calls that the trunk did not take, by trunk"},
	        {"sluice_trunk_registered", "gauge", "1 while our registration holds, by trunk that registers"},
	        {"sluice_trunk_target_up", "gauge", "1 while the target answers, by trunk and target"}};
	const struct sl_prov_snapshot *s = sl_prov_now(b->prov);
	struct sl_route_trunk_view v;

	for (unsigned m = 0; m < sizeof metrics / sizeof metrics[0]; m++) {
		sl_metric_head(f, metrics[m].name, metrics[m].type, metrics[m].help);
		for (unsigned i = 0; i < s->n_trunks; i++) {
			const struct sl_prov_trunk *t = &s->trunks[i];
			sl_route_trunk_view(b->routing, t->name, &v);
			if (m < 3)
				fprintf(f, "%s{trunk=\"%s\"} %" PRIu64 "\n", metrics[m].name, t->name, m == 0 ? v.concurrent : m == 1 ? v.calls : v.failed);
			else if (m == 3 && v.registers)
				fprintf(f, "%s{trunk=\"%s\"} %d\n", metrics[m].name, t->name, v.registered);
			for (unsigned k = 0; m == 4 && k < t->n_targets; k++)
				fprintf(f, "%s{trunk=\"%s\",target=\"%u\"} %d\n", metrics[m].name, t->name, k,
				        sl_route_target_is_up(b->routing, t->name, k));
		}
	}
}

/* For /v1/status; null without SIP. */
json_t *sl_api_sip_status(struct sl_brain *b)
{
	static const char *const overload[] = {"no", "new work is refused", "new work is refused, that of registered users too"};
	struct sl_calls_counts calls;
	struct sl_registrar_counts registrar;
	struct sl_edge_counts edge = {0};

	if (!b->sip || !b->calls || !b->registrar)
		return json_null();
	unsigned level = sl_sip_overload_level(b->sip);
	sl_calls_counts(b->calls, &calls);
	sl_registrar_counts(b->registrar, &registrar);
	if (sl_sip_edge(b->sip))
		sl_edge_counts(sl_sip_edge(b->sip), &edge);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "calls", (json_int_t)calls.now, "calls_up", (json_int_t)calls.now_up, "max_calls",
	        (json_int_t)b->config->sip.max_calls, "registrations", (json_int_t)registrar.bindings, "users_registered",
	        (json_int_t)registrar.users, "tls_connections", (json_int_t)edge.open, "cdrs_pending", (json_int_t)sl_cdrs_pending(b->cdrs),
	        "overload", overload[level < 3 ? level : 2]);
}

void sl_metrics_sip(FILE *f, struct sl_brain *b)
{
	if (b->sip)
		sip_metrics(f, b->sip);
	if (b->sip && sl_sip_edge(b->sip))
		edge_metrics(f, sl_sip_edge(b->sip));
	if (b->calls)
		call_metrics(f, b);
	if (b->registrar)
		registrar_metrics(f, b->registrar);
	if (b->cdrs)
		cdr_metrics(f, b->cdrs);
	if (b->prov && b->routing)
		trunk_metrics(f, b);
}
