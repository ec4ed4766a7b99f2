/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/metrics.h"
#include "controlplane/http/turn_api.h"

#include <inttypes.h>

/* TURN: by transport and realm, live settings, quotas, alternates, stream threads. What workers count is sluice_worker_*. */

/* A label's value (Prometheus' text format): backslash, quote and line feed escaped. */
static void label(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			fputc('\\', f);
		if (*text == '\n')
			fputs("\\n", f);
		else
			fputc(*text, f);
	}
}

static void of_realm(FILE *f, const char *name, const char *help, const struct sl_brain *b, size_t (*count)(const struct sl_brain *b, const char *realm))
{
	const struct sl_turn_plan *p = sl_desk_plan_now(b->desk);

	sl_metric_head(f, name, "gauge", help);
	for (size_t i = 0; i < p->n_realms; i++) {
		fprintf(f, "%s{realm=\"", name);
		label(f, p->realms[i].name);
		fprintf(f, "\"} %zu\n", count(b, p->realms[i].name));
	}
}

static size_t quota_of(const struct sl_brain *b, const char *realm)
{
	const struct sl_turn_plan *p = sl_desk_plan_now(b->desk);

	return p->realms[sl_turn_plan_realm(p, realm)].total_quota;
}

static void alternates(FILE *f, const struct sl_brain *b)
{
	const struct sl_conf_turn *t = &b->config->turn;
	char text[SL_ADDR_TEXT_MAX];

	sl_metric_head(f, "sluice_turn_alternate_weight", "gauge", "of an alternate server now; 0: nobody is sent there");
	for (unsigned i = 0; i < t->n_alternates; i++)
		fprintf(f, "sluice_turn_alternate_weight{server=\"%s\",transport=\"%s\"} %u\n", sl_endpoint_text(&t->alternates[i].server, text),
		        sl_turn_api_transport(t->alternates[i].transport), sl_desk_alternate(b->desk, i)->weight);
	sl_metric_head(f, "sluice_turn_alternate_failures_total", "counter", "questions for an alternate's load that failed");
	for (unsigned i = 0; i < t->n_alternates; i++)
		fprintf(f, "sluice_turn_alternate_failures_total{server=\"%s\",transport=\"%s\"} %" PRIu64 "\n", sl_endpoint_text(&t->alternates[i].server, text),
		        sl_turn_api_transport(t->alternates[i].transport), sl_desk_alternate(b->desk, i)->failures);
}

static void quota_events(FILE *f, const struct sl_brain *b)
{
	static const char *const names[] = {[SL_QUOTA_USER] = "user", [SL_QUOTA_REALM] = "realm", [SL_QUOTA_NODE] = "node"};

	sl_metric_head(f, "sluice_turn_soft_quota_events_total", "counter", "soft limits of bandwidth that were passed, or fallen below again, by whose");
	for (unsigned s = SL_QUOTA_USER; s <= SL_QUOTA_NODE; s++)
		fprintf(f, "sluice_turn_soft_quota_events_total{subject=\"%s\"} %" PRIu64 "\n", names[s], sl_desk_counts(b->desk)->quota_events[s]);
}

static bool is_gauge(enum sl_stream_counter c)
{
	return c == SL_S_connections_active || c == SL_S_peers_active || c == SL_S_memory_bytes;
}

static void streams(FILE *f, const struct sl_region *region)
{
	char name[96];

	for (unsigned c = 0; c < SL_N_STREAM_COUNTERS; c++) {
		bool gauge = is_gauge((enum sl_stream_counter)c);
		snprintf(name, sizeof name, "sluice_stream_%s%s", sl_stream_counter_names[c].name, gauge ? "" : "_total");
		sl_metric(f, name, gauge ? "gauge" : "counter", sl_stream_counter_names[c].help, sl_view_load(&region->streams[c]));
	}
}

void sl_metrics_turn(FILE *f, struct sl_brain *b)
{
	const struct sl_region *region = sl_dp_region(b->dp);
	const struct sl_table *t = sl_dp_table(b->dp);
	size_t peers, restricted;

	if (b->config->turn.n_listeners == 0)
		return;
	sl_desk_peers(b->desk, &peers);
	sl_desk_restricted(b->desk, &restricted);
	sl_metric_head(f, "sluice_turn_allocations", "gauge", "allocations known, by the client's transport");
	for (unsigned i = 0; i < SL_TURN_N_TRANSPORTS; i++)
		fprintf(f, "sluice_turn_allocations{transport=\"%s\"} %zu\n", sl_turn_api_transport(i), t->over[i]);
	of_realm(f, "sluice_turn_realm_allocations", "allocations of a realm", b, sl_turn_api_allocations);
	of_realm(f, "sluice_turn_realm_restricted_allocations", "of these, of who may only be relayed", b, sl_turn_api_restricted);
	of_realm(f, "sluice_turn_realm_quota", "allocations that a realm may have; 0: no limit", b, quota_of);
	sl_metric(f, "sluice_turn_load_percent", "gauge", "allocations of those there is room for", sl_desk_load(b->desk).percent);
	sl_metric(f, "sluice_turn_draining", "gauge", "1 while no new allocations are made", sl_desk_drain(b->desk)->on);
	sl_metric(f, "sluice_turn_live_peer_rules", "gauge", "rules of peers set by the API", peers);
	sl_metric(f, "sluice_turn_live_restricted", "gauge", "restricted addresses and accounts set by the API", restricted);
	quota_events(f, b);
	alternates(f, b);
	if (region)
		streams(f, region);
}
