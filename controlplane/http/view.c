/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/api.h"
#include "controlplane/http/guard_view.h"
#include "controlplane/turn/desk.h"

#include "dataplane/abi/keeper.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Counters are read where the workers write them: no message, no lock, each value for itself. */

uint64_t sl_view_load(const uint64_t *value)
{
	return __atomic_load_n(value, __ATOMIC_RELAXED);
}

uint64_t sl_view_counter(const struct sl_brain *b, enum sl_worker_counter c)
{
	const struct sl_region *region = sl_dp_region(b->dp);
	uint64_t sum = 0;

	for (unsigned w = 0; region && w < sl_dp_n_workers(b->dp); w++)
		sum += sl_view_load(&region->workers[w].counters[c]);
	return sum;
}

/* The region's texts may be anything: other clients can write there. */
static void copy_text(char *to, const char *from, size_t size)
{
	memcpy(to, from, size - 1);
	to[size - 1] = '\0';
	for (char *c = to; *c; c++) {
		if (*c < 0x20 || *c >= 0x7f || *c == '"' || *c == '\\')
			*c = '?';
	}
}

const char *sl_view_port_name(const struct sl_region *region, unsigned port, char *buf)
{
	copy_text(buf, region->ports[port].name, SL_PORT_NAME_MAX + 1);
	return buf;
}

unsigned sl_view_n_ports(const struct sl_region *region)
{
	uint32_t n = region->n_ports;

	return n < SL_MAX_PORTS ? n : SL_MAX_PORTS;
}

static json_t *integer(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static bool need_region(struct sl_brain *b, struct sl_http_request *r)
{
	if (sl_dp_region(b->dp))
		return true;
	sl_api_error(r, 503, NULL, "%s", sl_dp_trouble(b->dp, sl_now_ms()));
	return false;
}

/* ---- status ---- */

static json_t *dataplane_status(struct sl_brain *b)
{
	static const char *const states[] = {
	        [SL_DP_AWAY] = "away",
	        [SL_DP_REPLAYING] = "provisioning",
	        [SL_DP_STEADY] = "steady",
	        [SL_DP_REFUSED] = "refused",
	        [SL_DP_STANDBY] = "standby",
	};
	const struct sl_region *region = sl_dp_region(b->dp);
	const char *trouble = sl_dp_trouble(b->dp, sl_now_ms());
	if (!trouble)
		trouble = sl_dp_standby(b->dp);
	json_t *o =
	        json_pack("{s:b, s:s, s:o}", "attached", region != NULL, "state", states[sl_dp_state(b->dp)],
	                "trouble", trouble ? sl_api_text(trouble, strlen(trouble)) : json_null());

	if (!region)
		return o;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t now_unix_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	uint64_t start = sl_view_load(&region->start_unix_ms);
	json_object_set_new(
	        o, "uptime_s", integer(start && now_unix_ms > start ? (now_unix_ms - start) / 1000 : 0));
	json_object_set_new(
	        o, "generation", integer(atomic_load_explicit(&region->generation, memory_order_relaxed)));
	json_object_set_new(o, "restarts", integer(region->restarts));
	json_object_set_new(o, "pid", integer(region->pid));
	json_object_set_new(o, "workers", integer(sl_dp_n_workers(b->dp)));
	json_object_set_new(o, "ports", integer(sl_view_n_ports(region)));
	json_object_set_new(o, "hugepages", json_boolean(region->hugepages));
	json_object_set_new(o, "max_allocations", integer(region->max_allocations));
	json_object_set_new(o, "tsc_hz", integer(region->tsc_hz));
	return o;
}

static json_t *link_status(struct sl_brain *b)
{
	const struct sl_dp_counts *c = sl_dp_counts(b->dp);

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "attachments", (json_int_t)c->attachments,
	        "replays", (json_int_t)c->replays, "events", (json_int_t)c->events, "events_bad",
	        (json_int_t)c->events_bad, "commands", (json_int_t)c->commands, "command_errors",
	        (json_int_t)c->command_errors);
}

/* null when there is no TURN. */
static json_t *turn_status(const struct sl_brain *b)
{
	const struct sl_conf_turn *t = &b->config->turn;

	if (t->n_listeners == 0)
		return json_null();
	const struct sl_turn_plan *p = sl_desk_plan_now(b->desk);
	struct sl_desk_load load = sl_desk_load(b->desk);
	size_t peers, restricted;
	sl_desk_peers(b->desk, &peers);
	sl_desk_restricted(b->desk, &restricted);
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:b}", "realm", t->realms[0].name, "realms", (json_int_t)p->n_realms,
	        "config_users", (json_int_t)b->config_users.n, "api_users", (json_int_t)b->store_users.n, "table_users", (json_int_t)b->source_users.n,
	        "secrets", (json_int_t)p->n_secrets, "peer_rules", (json_int_t)p->n_rules, "live_peer_rules", (json_int_t)peers, "live_restricted",
	        (json_int_t)restricted, "load_percent", (int)load.percent, "draining", sl_desk_drain(b->desk)->on);
}

/* null when there is no media. */
static json_t *media_status(const struct sl_brain *b)
{
	const struct sl_conf_media *m = &b->config->media;
	struct sl_media_counts c;

	if (!b->media)
		return json_null();
	sl_media_counts(b->media, &c);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "sessions", (json_int_t)c.sessions, "max_sessions",
	        (json_int_t)m->max_sessions, "parties", (json_int_t)c.parties, "legs", (json_int_t)c.legs, "max_legs",
	        (json_int_t)m->max_legs, "ports_free", (json_int_t)c.ports_free, "ports_guarded", (json_int_t)c.ports_guarded,
	        "addresses", (json_int_t)m->n_addresses, "packets", (json_int_t)sl_view_counter(b, SL_C_rtp_out_packets), "bytes",
	        (json_int_t)sl_view_counter(b, SL_C_rtp_out_bytes));
}

void sl_api_status(struct sl_brain *b, struct sl_http_request *r)
{
	json_t *control = json_pack("{s:I, s:i, s:I, s:o, s:s}", "uptime_s",
	        (json_int_t)((sl_now_ms() - b->start_ms) / 1000), "pid", (int)getpid(), "restarts",
	        (json_int_t)sl_keeper_restarts(), "config",
	        sl_api_text(b->config->path, strlen(b->config->path)), "name",
	        b->config->control.client_name);

	if (b->last_reload[0])
		json_object_set_new(
		        control, "last_reload", sl_api_text(b->last_reload, strlen(b->last_reload)));
	json_object_set_new(control, "link", link_status(b));
	uint64_t packets = sl_view_counter(b, SL_C_relayed_to_peer_packets) +
	                   sl_view_counter(b, SL_C_relayed_to_client_packets);
	uint64_t bytes = sl_view_counter(b, SL_C_relayed_to_peer_bytes) +
	                 sl_view_counter(b, SL_C_relayed_to_client_bytes);
	sl_api_json(r, 200,
	        json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I}, s:{s:I, s:I}}", "version", SL_VERSION,
	                "controlplane", control, "dataplane", dataplane_status(b), "turn", turn_status(b), "media", media_status(b),
	                "sip", sl_api_sip_status(b), "guard", sl_guard_status(b),
	                "allocations", "active", (json_int_t)sl_view_counter(b, SL_C_allocations_active),
	                "known", (json_int_t)sl_dp_table(b->dp)->n, "relayed", "packets", (json_int_t)packets,
	                "bytes", (json_int_t)bytes));
}

/* ---- ports ---- */

static json_t *show_port(struct sl_brain *b, const struct sl_region *region, unsigned p)
{
	const struct sl_region_port *port = &region->ports[p];
	char name[SL_PORT_NAME_MAX + 1], driver[32], checksum[32], mac[18];
	const uint8_t *m = port->mac;

	copy_text(driver, port->driver, sizeof driver);
	copy_text(checksum, port->checksum, sizeof checksum);
	snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:b, s:i, s:i, s:i}", "name",
	        sl_view_port_name(region, p, name), "driver", driver, "mac", mac, "checksum", checksum,
	        "link", port->link_up, "speed_mbps", (int)port->speed_mbps, "mtu", (int)port->mtu, "queues",
	        (int)port->n_queues);
	for (unsigned c = 0; c < SL_N_PORT_COUNTERS; c++) {
		uint64_t sum = 0;
		for (unsigned w = 0; w < sl_dp_n_workers(b->dp); w++)
			sum += sl_view_load(&region->workers[w].ports[p][c]);
		json_object_set_new(o, sl_port_counter_names[c].name, integer(sum));
	}
	json_object_set_new(o, "rx_missed", integer(sl_view_load(&port->rx_missed)));
	json_object_set_new(o, "rx_errors", integer(sl_view_load(&port->rx_errors)));
	json_object_set_new(o, "tx_errors", integer(sl_view_load(&port->tx_errors)));
	return o;
}

void sl_api_ports(struct sl_brain *b, struct sl_http_request *r)
{
	const struct sl_region *region = sl_dp_region(b->dp);

	if (!need_region(b, r))
		return;
	json_t *all = json_array();
	for (unsigned p = 0; p < sl_view_n_ports(region); p++)
		json_array_append_new(all, show_port(b, region, p));
	sl_api_json(r, 200, json_pack("{s:I, s:o}", "time_ns", (json_int_t)now_ns(), "ports", all));
}

/* ---- workers and counters ---- */

static json_t *values(const uint64_t *v, const struct sl_counter_name *names, unsigned n)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < n; i++)
		json_object_set_new(o, names[i].name, integer(sl_view_load(&v[i])));
	return o;
}

static json_t *show_worker(const struct sl_region *region, unsigned w)
{
	const struct sl_region_worker *worker = &region->workers[w];

	return json_pack("{s:i, s:i, s:I, s:o, s:o}", "worker", (int)w, "lcore", (int)worker->lcore,
	        "heartbeat", (json_int_t)sl_view_load(&worker->heartbeat), "counters",
	        values(worker->counters, sl_worker_counter_names, SL_N_WORKER_COUNTERS), "drops",
	        values(worker->drops, sl_drop_names, SL_N_DROPS));
}

void sl_api_workers(struct sl_brain *b, struct sl_http_request *r)
{
	const struct sl_region *region = sl_dp_region(b->dp);

	if (!need_region(b, r))
		return;
	json_t *all = json_array();
	for (unsigned w = 0; w < sl_dp_n_workers(b->dp); w++)
		json_array_append_new(all, show_worker(region, w));
	sl_api_json(r, 200,
	        json_pack("{s:I, s:I, s:o}", "time_ns", (json_int_t)now_ns(), "tsc_hz",
	                (json_int_t)sl_view_load(&region->tsc_hz), "workers", all));
}

static json_t *sums(struct sl_brain *b, const struct sl_region *region, bool drops)
{
	const struct sl_counter_name *names = drops ? sl_drop_names : sl_worker_counter_names;
	unsigned n = drops ? (unsigned)SL_N_DROPS : (unsigned)SL_N_WORKER_COUNTERS;
	json_t *o = json_object();

	for (unsigned i = 0; i < n; i++) {
		uint64_t sum = 0;
		for (unsigned w = 0; w < sl_dp_n_workers(b->dp); w++)
			sum += sl_view_load(
			        drops ? &region->workers[w].drops[i] : &region->workers[w].counters[i]);
		json_object_set_new(o, names[i].name, integer(sum));
	}
	return o;
}

void sl_api_counters(struct sl_brain *b, struct sl_http_request *r)
{
	const struct sl_region *region = sl_dp_region(b->dp);

	if (!need_region(b, r))
		return;
	sl_api_json(r, 200,
	        json_pack("{s:I, s:I, s:o, s:o, s:I}", "time_ns", (json_int_t)now_ns(), "tsc_hz",
	                (json_int_t)sl_view_load(&region->tsc_hz), "counters", sums(b, region, false),
	                "drops", sums(b, region, true), "housekeeper_drops",
	                (json_int_t)sl_view_load(&region->housekeeper_drops)));
}
