/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/metrics.h"

#include "dataplane/abi/keeper.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prometheus' text format 0.0.4. Names and help come from the lists that make the counters. */

void sl_metric_head(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void sl_metric(FILE *f, const char *name, const char *type, const char *help, uint64_t value)
{
	sl_metric_head(f, name, type, help);
	fprintf(f, "%s %" PRIu64 "\n", name, value);
}

static bool is_gauge(enum sl_worker_counter c)
{
	return c == SL_C_allocations_active || c == SL_C_permissions_active || c == SL_C_legs_active || c == SL_C_allocations_restricted_active;
}

static void worker_metrics(FILE *f, const struct sl_region *region, unsigned n_workers)
{
	char name[96];

	for (unsigned c = 0; c < SL_N_WORKER_COUNTERS; c++) {
		bool gauge = is_gauge((enum sl_worker_counter)c);
		snprintf(name, sizeof name, "sluice_worker_%s%s", sl_worker_counter_names[c].name,
		        gauge ? "" : "_total");
		sl_metric_head(f, name, gauge ? "gauge" : "counter", sl_worker_counter_names[c].help);
		for (unsigned w = 0; w < n_workers; w++)
			fprintf(f, "%s{worker=\"%u\",lcore=\"%u\"} %" PRIu64 "\n", name, w,
			        region->workers[w].lcore, sl_view_load(&region->workers[w].counters[c]));
	}
	sl_metric_head(f, "sluice_drops_total", "counter", "packets dropped, by reason");
	for (unsigned d = 0; d < SL_N_DROPS; d++) {
		for (unsigned w = 0; w < n_workers; w++)
			fprintf(f, "sluice_drops_total{worker=\"%u\",reason=\"%s\"} %" PRIu64 "\n", w,
			        sl_drop_names[d].name, sl_view_load(&region->workers[w].drops[d]));
	}
}

static void port_metrics(FILE *f, const struct sl_region *region, unsigned n_workers)
{
	char name[96], port[SL_PORT_NAME_MAX + 1];
	unsigned n_ports = sl_view_n_ports(region);

	for (unsigned c = 0; c < SL_N_PORT_COUNTERS; c++) {
		snprintf(name, sizeof name, "sluice_port_%s_total", sl_port_counter_names[c].name);
		sl_metric_head(f, name, "counter", sl_port_counter_names[c].help);
		for (unsigned p = 0; p < n_ports; p++) {
			for (unsigned w = 0; w < n_workers; w++)
				fprintf(f, "%s{port=\"%s\",worker=\"%u\"} %" PRIu64 "\n", name,
				        sl_view_port_name(region, p, port), w,
				        sl_view_load(&region->workers[w].ports[p][c]));
		}
	}

	static const struct {
		const char *name, *type, *help;
		size_t offset;
	} drivers[] = {
	        {"sluice_port_rx_missed_total", "counter", "packets the driver missed",
	                offsetof(struct sl_region_port, rx_missed)},
	        {"sluice_port_rx_errors_total", "counter", "receive errors of the driver",
	                offsetof(struct sl_region_port, rx_errors)},
	        {"sluice_port_tx_errors_total", "counter", "transmit errors of the driver",
	                offsetof(struct sl_region_port, tx_errors)},
	};
	for (unsigned d = 0; d < sizeof drivers / sizeof drivers[0]; d++) {
		sl_metric_head(f, drivers[d].name, drivers[d].type, drivers[d].help);
		for (unsigned p = 0; p < n_ports; p++)
			fprintf(f, "%s{port=\"%s\"} %" PRIu64 "\n", drivers[d].name,
			        sl_view_port_name(region, p, port),
			        sl_view_load((const uint64_t *)((const char *)&region->ports[p] +
			                                        drivers[d].offset)));
	}
	sl_metric_head(f, "sluice_port_up", "gauge", "1 while the port has link");
	for (unsigned p = 0; p < n_ports; p++)
		fprintf(f, "sluice_port_up{port=\"%s\"} %d\n", sl_view_port_name(region, p, port),
		        region->ports[p].link_up != 0);
	sl_metric_head(f, "sluice_port_speed_mbps", "gauge", "speed of the link, Mbit/s");
	for (unsigned p = 0; p < n_ports; p++)
		fprintf(f, "sluice_port_speed_mbps{port=\"%s\"} %u\n", sl_view_port_name(region, p, port),
		        region->ports[p].speed_mbps);
}

static void own_metrics(FILE *f, struct sl_brain *b)
{
	const struct sl_dp_counts *c = sl_dp_counts(b->dp);
	int64_t now_ms = sl_now_ms();

	sl_metric_head(f, "sluice_info", "gauge", "the build");
	fprintf(f, "sluice_info{version=\"%s\"} 1\n", SL_VERSION);
	sl_metric(f, "sluice_up", "gauge", "1 when the dataplane is attached, provisioned and alive",
	        sl_dp_trouble(b->dp, now_ms) == NULL);
	sl_metric(f, "sluice_standby", "gauge", "1 while another control plane provisions TURN",
	        sl_dp_standby(b->dp) != NULL);
	sl_metric(f, "sluice_controlplane_uptime_seconds", "gauge",
	        "since the control plane's working half began", (uint64_t)(now_ms - b->start_ms) / 1000);
	sl_metric(f, "sluice_controlplane_restarts_total", "counter",
	        "restarts of the control plane's working half", sl_keeper_restarts());
	sl_metric_head(f, "sluice_turn_users", "gauge", "static TURN users, by where they come from");
	fprintf(f, "sluice_turn_users{origin=\"config\"} %zu\nsluice_turn_users{origin=\"api\"} %zu\nsluice_turn_users{origin=\"table\"} %zu\n",
	        b->config_users.n, b->store_users.n, b->source_users.n);
	sl_metric(f, "sluice_allocations_known", "gauge", "allocations the control plane knows of",
	        sl_dp_table(b->dp)->n);
	sl_metric(f, "sluice_dataplane_attachments_total", "counter", "times the control plane attached",
	        c->attachments);
	sl_metric(f, "sluice_dataplane_replays_total", "counter",
	        "times the desired state was provisioned whole", c->replays);
	sl_metric(f, "sluice_dataplane_events_total", "counter", "events received from the dataplane",
	        c->events);
	sl_metric(f, "sluice_dataplane_events_bad_total", "counter", "events out of range or out of place",
	        c->events_bad);
	sl_metric(f, "sluice_dataplane_commands_total", "counter", "commands sent to the housekeeper",
	        c->commands);
	sl_metric(f, "sluice_dataplane_command_errors_total", "counter", "commands the dataplane refused",
	        c->command_errors);
}

static void dataplane_metrics(FILE *f, struct sl_brain *b, const struct sl_region *region)
{
	sl_metric(f, "sluice_dataplane_generation", "gauge", "of the dataplane's working half",
	        atomic_load_explicit(&region->generation, memory_order_relaxed));
	sl_metric(f, "sluice_dataplane_restarts_total", "counter", "restarts of the dataplane's working half",
	        region->restarts);
	sl_metric(f, "sluice_dataplane_start_time_ms", "gauge",
	        "when the dataplane's working half began, Unix time in ms",
	        sl_view_load(&region->start_unix_ms));
	sl_metric(f, "sluice_allocations", "gauge", "TURN allocations now",
	        sl_view_counter(b, SL_C_allocations_active));
	sl_metric(f, "sluice_allocations_max", "gauge", "TURN allocations there is room for",
	        region->max_allocations);
	sl_metric(f, "sluice_housekeeper_drops_total", "counter", "packets the housekeeper could not pass on",
	        sl_view_load(&region->housekeeper_drops));
	worker_metrics(f, region, sl_dp_n_workers(b->dp));
	port_metrics(f, region, sl_dp_n_workers(b->dp));
}

void sl_api_metrics(struct sl_brain *b, struct sl_http_request *r)
{
	const struct sl_region *region = sl_dp_region(b->dp);
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f) {
		sl_api_error(r, 500, NULL, "no memory");
		return;
	}
	own_metrics(f, b);
	sl_metrics_media(f, b);
	sl_metrics_sip(f, b);
	sl_metrics_guard(f, b);
	sl_metrics_turn(f, b);
	sl_metrics_turn_records(f, b);
	if (region)
		dataplane_metrics(f, b, region);
	if (fclose(f) == 0)
		sl_http_answer(r, 200, "text/plain; version=0.0.4; charset=utf-8", text, len);
	else
		sl_api_error(r, 500, NULL, "no memory");
	free(text);
}
