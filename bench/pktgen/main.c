/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
/* sluice-pktgen: sets up TURN sessions like a crowd of clients would, then loads the relay both ways. */

#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>

#include "bench/pktgen/drive.h"
#include "bench/pktgen/load.h"
#include "bench/pktgen/ndr.h"
#include "bench/pktgen/neigh.h"
#include "bench/pktgen/options.h"
#include "bench/pktgen/ping_pong.h"
#include "bench/pktgen/ports.h"
#include "bench/pktgen/storm.h"
#include "bench/pktgen/templates.h"
#include "bench/pktgen/turn_client.h"

enum { PACKED_BELOW_CYCLES = 450, RESOLVE_S = 10, ASK_MS = 200, RELEASE_S = 10, RELEASES_PER_S = 20000 };
#define JOIN_SHARE 0.6

struct generator {
	struct options o;
	struct ports ports;
	struct turn_client client, newcomers;
	struct options newcomers_o; /* as the ordinary ones, on ports of their own */
	struct flood flood;
	struct plan plan;
	struct media media;
	struct templates templates;
	struct load load;
	uint64_t hz;
};

static int print_ping_pong(const struct options *o)
{
	uint64_t cycles = ping_pong_cycles(o->ping_pong_cores[0], o->ping_pong_cores[1]);
	if (cycles == 0)
		return 1;
	printf("{\"event\":\"ping-pong\",\"cores\":[%u,%u],\"cycles\":%llu,\"placement\":\"%s\",\"tsc_hz\":%llu}\n", o->ping_pong_cores[0],
		o->ping_pong_cores[1], (unsigned long long)cycles, cycles < PACKED_BELOW_CYCLES ? "packed" : "spread",
		(unsigned long long)ping_pong_tsc_hz());
	return 0;
}

static bool is_turn(const struct options *o)
{
	return !o->raw && o->plan == NULL && o->sessions != 0;
}

/* What the plan says takes the place of what was asked for. */
static int read_plan(struct generator *g)
{
	const struct plan *p = &g->plan;

	if (g->o.plan == NULL)
		return 0;
	if (plan_read(&g->plan, g->o.plan) != 0)
		return -1;
	g->o.server = p->streams[CLIENT_TO_PEER][0].to;
	g->o.sessions = p->n_streams[CLIENT_TO_PEER];
	g->o.ratio[CLIENT_TO_PEER] = 1;
	g->o.ratio[PEER_TO_CLIENT] = p->n_streams[PEER_TO_CLIENT] != 0 ? 1 : 0;
	return media_init(&g->media, &g->plan, g->o.payload_bytes);
}

static int resolve(struct generator *g, struct port *port, const struct sl_ip *next_hop, const struct sl_ip *own)
{
	char text[SL_ADDR_TEXT_MAX];
	uint64_t begin = rte_rdtsc(), asked = 0, now;

	if (g->o.has_gateway_mac || g->o.raw) {
		static const uint8_t reflector[6] = {0x02, 0, 0, 0, 0, 1};
		memcpy(port->next_hop, g->o.has_gateway_mac ? g->o.gateway_mac : reflector, 6);
		port->resolved = true;
	}
	if (port->resolved)
		return 0;
	port->next_hop_ip = *next_hop;
	while (!port->resolved && (now = rte_rdtsc()) - begin < RESOLVE_S * g->hz) {
		if (now - asked > ASK_MS * g->hz / 1000) {
			asked = now;
			neigh_ask(&g->ports, port, own);
		}
		drive_poll(&g->ports, &g->o, NULL, now);
	}
	if (!port->resolved)
		fprintf(stderr, "sluice-pktgen: nobody answers for %s on port %u\n", sl_ip_text(next_hop, text), port->id);
	return port->resolved ? 0 : -1;
}

static int set_up_sessions(struct generator *g)
{
	uint64_t begin = rte_rdtsc();

	if (drive_client(&g->client, &g->client, GOAL_SETUP, 0) != 0)
		return -1;
	double seconds = (double)(rte_rdtsc() - begin) / (double)g->hz;
	printf("{\"event\":\"setup\",\"sessions\":%u,\"seconds\":%.3f,\"transactions\":%llu,\"retransmits\":%llu}\n",
		g->o.sessions, seconds, (unsigned long long)g->client.transactions,
		(unsigned long long)g->client.retransmits);
	fflush(stdout);
	return 0;
}

static int prepare(struct generator *g)
{
	const struct options *o = &g->o;
	struct port *client_side = g->ports.side[CLIENT_TO_PEER], *peer_side = g->ports.side[PEER_TO_CLIENT];

	if (resolve(g, client_side, o->has_client_gateway ? &o->client_gateway : &o->server.ip, &o->clients.first) != 0)
		return -1;
	if (o->n_storm != 0)
		return 0;
	if (is_turn(o) && set_up_sessions(g) != 0)
		return -1;
	const struct sl_ip *relayed = is_turn(o) ? &turn_client_relayed(&g->client, 0)->ip : &o->server.ip;
	if (g->plan.n_streams[PEER_TO_CLIENT] != 0)
		relayed = &g->plan.streams[PEER_TO_CLIENT][0].to.ip;
	if (resolve(g, peer_side, o->has_peer_gateway ? &o->peer_gateway : relayed, &o->peers.first) != 0)
		return -1;
	if (o->sessions == 0)
		return 0;
	if (o->plan != NULL)
		return templates_make_media(&g->templates, o, &g->ports, &g->media);
	return templates_make(&g->templates, o, &g->ports, &g->client);
}

static void print_for_people(const struct result *r, uint64_t hz)
{
	double us = 1e6 / (double)hz;
	fprintf(stderr, "%.4f Mpps relayed of %.4f offered, loss %.2e, latency p50 %.1f us, p99 %.1f us, max %.1f us\n",
		result_mpps(r), (double)result_offered(r) / r->seconds / 1e6, result_loss(r),
		(double)histogram_quantile(&r->latency, 0.5) * us, (double)histogram_quantile(&r->latency, 0.99) * us,
		(double)r->latency.max * us);
}

static void measure(struct generator *g)
{
	static struct result r;
	struct result_context context = {.o = &g->o, .frame_bytes = g->templates.frame_bytes, .hz = g->hz};
	double rate = g->o.rate_pps;

	if (g->o.warmup_s > 0)
		load_run(&g->load, rate, g->o.warmup_s, &r);
	if (g->o.ndr) {
		struct ndr ndr;
		ndr_search(&g->load, &ndr);
		printf("{\"event\":\"ndr\",\"ndr_mpps\":%.4f,\"trials\":%u,\"trial_seconds\":%.2f,\"loss_allowed\":%g}\n",
			ndr.pps / 1e6, ndr.trials, g->o.ndr_step_s, g->o.ndr_loss);
		if (ndr.pps <= 0)
			return;
		rate = 0.8 * ndr.pps; /* latency is quoted below the knee */
	}
	if (g->o.newcomers != 0)
		turn_client_begin(&g->newcomers, GOAL_JOIN, rte_rdtsc());
	load_run(&g->load, rate, g->o.seconds, &r);
	result_print_json(stdout, "result", &r, &context);
	print_for_people(&r, g->hz);
}

/* They come in the first part of the load, so that the last ones have time, too. */
static int add_newcomers(struct generator *g)
{
	const struct options *o = &g->o;

	if (o->newcomers == 0)
		return 0;
	g->newcomers_o = *o;
	g->newcomers_o.sessions = o->newcomers;
	g->newcomers_o.client_port = (uint16_t)(o->client_port + (o->sessions + o->clients.count - 1) / o->clients.count);
	if (turn_client_init(&g->newcomers, &g->newcomers_o, &g->ports, g->hz) != 0)
		return -1;
	g->newcomers.join_cycles = (uint64_t)(o->seconds * JOIN_SHARE * (double)g->hz);
	g->client.others = &g->newcomers;
	g->load.newcomers = &g->newcomers;
	return 0;
}

static void add_flood(struct generator *g)
{
	if (!g->o.flood)
		return;
	if (g->o.flood_to.port_be == 0)
		g->o.flood_to = g->o.server;
	flood_init(&g->flood, &g->o, g->ports.side[CLIENT_TO_PEER]);
	g->load.flood = &g->flood;
}

/* A million allocations take longer than a thousand. */
static unsigned release_s(const struct options *o)
{
	return RELEASE_S + o->sessions / RELEASES_PER_S;
}

static void release(struct generator *g, struct turn_client *client)
{
	client->failed = false;
	if (drive_client(client, &g->client, GOAL_IDLE, RELEASE_S) == 0)
		(void)drive_client(client, &g->client, GOAL_RELEASE, release_s(&g->o));
}

static int run(struct generator *g)
{
	struct turn_client *client = is_turn(&g->o) ? &g->client : NULL;
	struct media *media = g->o.plan != NULL ? &g->media : NULL;

	if (prepare(g) != 0)
		return 1;
	if (g->o.n_storm != 0)
		return storm_run(&g->client) == 0 ? 0 : 1;
	if (load_init(&g->load, &g->o, &g->ports, client, media, &g->templates, g->hz) != 0)
		return 1;
	add_flood(g);
	if (add_newcomers(g) != 0)
		return 1;
	if (client != NULL)
		turn_client_begin(client, GOAL_KEEP, rte_rdtsc());
	int rc = 1;
	if (drive_wait(&g->o, "ready")) {
		measure(g);
		rc = drive_wait(&g->o, "measured") ? 0 : 1;
	}
	if (client != NULL && client->failed)
		fprintf(stderr, "sluice-pktgen: keeping alive failed at %s\n", client->error);
	if (client != NULL && !g->o.no_release) {
		release(g, client);
		if (g->o.newcomers != 0)
			release(g, &g->newcomers);
	}
	load_fini(&g->load);
	return rc;
}

int main(int argc, char **argv)
{
	static struct generator g;

	int rc = options_parse(&g.o, argc, argv);
	if (rc != 0)
		return rc < 0 ? 2 : 0;
	if (g.o.ping_pong)
		return print_ping_pong(&g.o);
	if (read_plan(&g) != 0)
		return 1;
	if (ports_start_eal(&g.o, argv[0]) != 0)
		return 1;
	g.hz = rte_get_tsc_hz();
	rc = 1;
	if (ports_open(&g.ports, &g.o) == 0 && turn_client_init(&g.client, &g.o, &g.ports, g.hz) == 0) {
		rc = run(&g);
		templates_free(&g.templates);
		turn_client_fini(&g.client);
		turn_client_fini(&g.newcomers);
	}
	media_fini(&g.media);
	plan_free(&g.plan);
	ports_close(&g.ports);
	rte_eal_cleanup();
	return rc;
}
