/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/pktgen/templates.h"

static const char usage[] =
	"sluice-pktgen: TURN clients and peers at line rate, in one DPDK process on one core.\n"
	"\n"
	"  --port DEVICE           EAL device string, once or twice: clients' side, peers' side\n"
	"                          (net_memif0,role=client,socket=/run/x.sock,socket-abstract=no;\n"
	"                          net_af_packet0,iface=veth0; a PCI address)\n"
	"  --server IP:PORT        TURN listener (198.18.0.1:3478)\n"
	"  --clients FIRST[+N]     client addresses, N of them in a row (198.18.0.16+16)\n"
	"  --peers FIRST[+N]       peer addresses (198.18.0.64+1); IPv6 works on either side\n"
	"  --client-port P         first client UDP port (10000); --peer-port P (20000)\n"
	"  --client-gateway IP     next hop towards the listener, if it is not on the link\n"
	"  --peer-gateway IP       next hop towards the relayed address, likewise\n"
	"  --gateway-mac MAC       do not resolve the next hop, use this one\n"
	"  --user U --password P   long-term credentials (bench, bench)\n"
	"  --sessions N            allocations, each with one channel (1000); 0 = none: only a flood\n"
	"  --payload BYTES         application bytes in a packet (172: 160 of voice, 12 of RTP header)\n"
	"  --rate PPS              both directions together; 0 = as fast as possible (0)\n"
	"  --ratio A:B             client-to-peer packets : peer-to-client packets (1:1)\n"
	"  --seconds S             measured time (5); --warmup S, before it (0.5)\n"
	"  --ndr                   search the loss-free rate; --ndr-step S (1), --ndr-precision F (0.01),\n"
	"                          --ndr-loss F, the loss still called none (0)\n"
	"  --setup-window N        TURN transactions under way at once (64)\n"
	"  --plan FILE             no TURN: RTP and SRTP streams that this file tells, see bench/README.md; then\n"
	"                          --server, --sessions and --ratio are the file's\n"
	"  --flood PPS             beside the load frames of strangers, of which nothing comes back; 0 = as many as the\n"
	"                          port takes; the load then needs a --rate, or --sessions 0\n"
	"  --flood-kind K,...      stun, allocate, rtp, sip, random, malformed, in turn (stun)\n"
	"  --flood-sources N       so many different ones, FIRST+N these addresses, random (random)\n"
	"  --flood-to IP:PORT[+N]  where to, N ports in a row (the listener)\n"
	"  --storm PHASE,...       no load: all sessions do one thing after the other, at --rate or as fast as --setup-window\n"
	"                          lets them: allocate (401 first), again (with the nonce known), refresh, permission,\n"
	"                          channel, delete\n"
	"  --send                  Send and Data indications instead of ChannelData\n"
	"  --newcomers N           so many more TURN clients, that come while the load goes on\n"
	"  --raw                   no TURN: same frames to something that reflects them (testpmd macswap)\n"
	"  --step                  wait for a line on stdin before the load and before leaving\n"
	"  --no-release            leave the allocations to expire\n"
	"  --lcore N               the core to run on (0)\n"
	"  --no-huge               without hugepages; --memory MB it then takes (96)\n"
	"  --seed N                order of the sessions, sources of a flood (1)\n"
	"  --ping-pong A,B         only measure a cache line's way between two cores, and leave\n"
	"\n"
	"Prints one JSON object a line on stdout; bench/README.md explains the keys.\n";

enum {
	OPT_PORT = 256,
	OPT_SERVER,
	OPT_CLIENTS,
	OPT_PEERS,
	OPT_CLIENT_PORT,
	OPT_PEER_PORT,
	OPT_CLIENT_GATEWAY,
	OPT_PEER_GATEWAY,
	OPT_GATEWAY_MAC,
	OPT_USER,
	OPT_PASSWORD,
	OPT_SESSIONS,
	OPT_PAYLOAD,
	OPT_RATE,
	OPT_RATIO,
	OPT_SECONDS,
	OPT_WARMUP,
	OPT_NDR,
	OPT_NDR_STEP,
	OPT_NDR_PRECISION,
	OPT_NDR_LOSS,
	OPT_SETUP_WINDOW,
	OPT_FLOOD,
	OPT_FLOOD_KIND,
	OPT_FLOOD_SOURCES,
	OPT_FLOOD_TO,
	OPT_NEWCOMERS,
	OPT_STORM,
	OPT_SEND,
	OPT_PLAN,
	OPT_RAW,
	OPT_STEP,
	OPT_NO_RELEASE,
	OPT_NO_HUGE,
	OPT_MEMORY,
	OPT_LCORE,
	OPT_SEED,
	OPT_PING_PONG,
	OPT_HELP,
};

static const struct option long_options[] = {
	{"port", required_argument, NULL, OPT_PORT},
	{"server", required_argument, NULL, OPT_SERVER},
	{"clients", required_argument, NULL, OPT_CLIENTS},
	{"peers", required_argument, NULL, OPT_PEERS},
	{"client-port", required_argument, NULL, OPT_CLIENT_PORT},
	{"peer-port", required_argument, NULL, OPT_PEER_PORT},
	{"client-gateway", required_argument, NULL, OPT_CLIENT_GATEWAY},
	{"peer-gateway", required_argument, NULL, OPT_PEER_GATEWAY},
	{"gateway-mac", required_argument, NULL, OPT_GATEWAY_MAC},
	{"user", required_argument, NULL, OPT_USER},
	{"password", required_argument, NULL, OPT_PASSWORD},
	{"sessions", required_argument, NULL, OPT_SESSIONS},
	{"payload", required_argument, NULL, OPT_PAYLOAD},
	{"rate", required_argument, NULL, OPT_RATE},
	{"ratio", required_argument, NULL, OPT_RATIO},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"warmup", required_argument, NULL, OPT_WARMUP},
	{"ndr", no_argument, NULL, OPT_NDR},
	{"ndr-step", required_argument, NULL, OPT_NDR_STEP},
	{"ndr-precision", required_argument, NULL, OPT_NDR_PRECISION},
	{"ndr-loss", required_argument, NULL, OPT_NDR_LOSS},
	{"setup-window", required_argument, NULL, OPT_SETUP_WINDOW},
	{"flood", required_argument, NULL, OPT_FLOOD},
	{"flood-kind", required_argument, NULL, OPT_FLOOD_KIND},
	{"flood-sources", required_argument, NULL, OPT_FLOOD_SOURCES},
	{"flood-to", required_argument, NULL, OPT_FLOOD_TO},
	{"newcomers", required_argument, NULL, OPT_NEWCOMERS},
	{"storm", required_argument, NULL, OPT_STORM},
	{"send", no_argument, NULL, OPT_SEND},
	{"plan", required_argument, NULL, OPT_PLAN},
	{"raw", no_argument, NULL, OPT_RAW},
	{"step", no_argument, NULL, OPT_STEP},
	{"no-release", no_argument, NULL, OPT_NO_RELEASE},
	{"no-huge", no_argument, NULL, OPT_NO_HUGE},
	{"memory", required_argument, NULL, OPT_MEMORY},
	{"lcore", required_argument, NULL, OPT_LCORE},
	{"seed", required_argument, NULL, OPT_SEED},
	{"ping-pong", required_argument, NULL, OPT_PING_PONG},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static bool parse_number(const char *text, double min, double max, double *out)
{
	char *end;
	errno = 0;
	double v = strtod(text, &end);
	if (errno != 0 || end == text || *end != '\0' || !(v >= min && v <= max))
		return false;
	*out = v;
	return true;
}

static bool parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
	double v;
	if (!parse_number(text, min, max, &v) || v != (uint32_t)v)
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool parse_u16(const char *text, uint16_t min, uint16_t *out)
{
	uint32_t v;
	if (!parse_u32(text, min, UINT16_MAX, &v))
		return false;
	*out = (uint16_t)v;
	return true;
}

static bool parse_range(const char *text, struct range *out)
{
	char ip[SL_ADDR_TEXT_MAX];
	const char *plus = strchr(text, '+');
	size_t n = plus != NULL ? (size_t)(plus - text) : strlen(text);
	if (n >= sizeof ip)
		return false;
	memcpy(ip, text, n);
	ip[n] = '\0';
	out->count = 1;
	return sl_ip_parse(ip, &out->first) == 0 && (plus == NULL || parse_u32(plus + 1, 1, 1 << 20, &out->count));
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
	char tail;
	return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx%c", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
		       &mac[5], &tail) == 6;
}

static bool parse_pair(const char *text, const char *format, unsigned *a, unsigned *b)
{
	char tail;
	return sscanf(text, format, a, b, &tail) == 2;
}

static bool parse_kinds(const char *text, unsigned *kinds)
{
	static const char *const names[FLOOD_N_KINDS] = {"stun", "allocate", "rtp", "sip", "random", "malformed"};

	*kinds = 0;
	while (*text != '\0') {
		size_t n = strcspn(text, ",");
		unsigned kind = 0;
		while (kind < FLOOD_N_KINDS && (strlen(names[kind]) != n || strncmp(text, names[kind], n) != 0))
			kind++;
		if (kind == FLOOD_N_KINDS)
			return false;
		*kinds |= 1u << kind;
		text += n + (text[n] == ',');
	}
	return *kinds != 0;
}

const char *storm_name(unsigned goal)
{
	static const char *const names[] = {[GOAL_ALLOCATE] = "allocate", [GOAL_AGAIN] = "again", [GOAL_REFRESH] = "refresh",
		[GOAL_PERMIT] = "permission", [GOAL_BIND] = "channel", [GOAL_DELETE] = "delete"};

	return goal < sizeof names / sizeof names[0] ? names[goal] : NULL;
}

static bool parse_storm(const char *text, struct options *o)
{
	for (o->n_storm = 0; *text != '\0'; o->n_storm++) {
		size_t n = strcspn(text, ",");
		unsigned goal = 0;
		while (goal <= GOAL_DELETE && (storm_name(goal) == NULL || strlen(storm_name(goal)) != n || strncmp(text, storm_name(goal), n) != 0))
			goal++;
		if (goal > GOAL_DELETE || o->n_storm == MAX_STORM)
			return false;
		o->storm[o->n_storm] = (uint8_t)goal;
		text += n + (text[n] == ',');
	}
	return o->n_storm != 0;
}

static bool parse_sources(const char *text, struct options *o)
{
	o->flood_from.count = o->flood_sources = 0;
	if (strcmp(text, "random") == 0 || parse_u32(text, 1, UINT32_MAX, &o->flood_sources))
		return true;
	return parse_range(text, &o->flood_from);
}

static bool parse_target(const char *text, struct options *o)
{
	char endpoint[SL_ADDR_TEXT_MAX];
	const char *plus = strchr(text, '+');
	size_t n = plus != NULL ? (size_t)(plus - text) : strlen(text);
	if (n >= sizeof endpoint)
		return false;
	memcpy(endpoint, text, n);
	endpoint[n] = '\0';
	if (sl_endpoint_parse(endpoint, &o->flood_to) != 0)
		return false;
	return plus == NULL || parse_u32(plus + 1, 1, 65536u - ntohs(o->flood_to.port_be), &o->flood_ports);
}

static bool add_port(struct options *o, const char *text)
{
	if (o->n_ports == MAX_PORTS || strlen(text) >= MAX_DEVICE)
		return false;
	strcpy(o->device[o->n_ports++], text);
	return true;
}

/* One option; false when its value is not usable. */
static bool apply(struct options *o, int opt, const char *v)
{
	switch (opt) {
	case OPT_PORT:
		return add_port(o, v);
	case OPT_SERVER:
		return sl_endpoint_parse(v, &o->server) == 0;
	case OPT_CLIENTS:
		return parse_range(v, &o->clients);
	case OPT_PEERS:
		return parse_range(v, &o->peers);
	case OPT_CLIENT_PORT:
		return parse_u16(v, 1, &o->client_port);
	case OPT_PEER_PORT:
		return parse_u16(v, 1, &o->peer_port);
	case OPT_CLIENT_GATEWAY:
		return o->has_client_gateway = sl_ip_parse(v, &o->client_gateway) == 0;
	case OPT_PEER_GATEWAY:
		return o->has_peer_gateway = sl_ip_parse(v, &o->peer_gateway) == 0;
	case OPT_GATEWAY_MAC:
		return o->has_gateway_mac = parse_mac(v, o->gateway_mac);
	case OPT_USER:
		o->user = v;
		return strlen(v) <= 128;
	case OPT_PASSWORD:
		o->password = v;
		return strlen(v) <= 128;
	case OPT_SESSIONS:
		return parse_u32(v, 0, 4 << 20, &o->sessions);
	case OPT_PAYLOAD:
		return parse_u32(v, STAMP_END, PAYLOAD_MAX, &o->payload_bytes);
	case OPT_RATE:
		return parse_number(v, 0, 1e9, &o->rate_pps);
	case OPT_RATIO:
		return parse_pair(v, "%u:%u%c", &o->ratio[0], &o->ratio[1]) && o->ratio[0] <= 1000 &&
		       o->ratio[1] <= 1000 && o->ratio[0] + o->ratio[1] > 0;
	case OPT_SECONDS:
		return parse_number(v, 0.01, 86400, &o->seconds);
	case OPT_WARMUP:
		return parse_number(v, 0, 60, &o->warmup_s);
	case OPT_NDR:
		return o->ndr = true;
	case OPT_NDR_STEP:
		return parse_number(v, 0.05, 60, &o->ndr_step_s);
	case OPT_NDR_PRECISION:
		return parse_number(v, 0.001, 0.5, &o->ndr_precision);
	case OPT_NDR_LOSS:
		return parse_number(v, 0, 0.5, &o->ndr_loss);
	case OPT_SETUP_WINDOW:
		return parse_u32(v, 1, 4096, &o->setup_window);
	case OPT_FLOOD:
		o->flood = true;
		return parse_number(v, 0, 1e9, &o->flood_pps);
	case OPT_FLOOD_KIND:
		return parse_kinds(v, &o->flood_kinds);
	case OPT_FLOOD_SOURCES:
		return parse_sources(v, o);
	case OPT_FLOOD_TO:
		return parse_target(v, o);
	case OPT_NEWCOMERS:
		return parse_u32(v, 1, 1 << 20, &o->newcomers);
	case OPT_STORM:
		return parse_storm(v, o);
	case OPT_SEND:
		return o->send = true;
	case OPT_PLAN:
		o->plan = v;
		return true;
	case OPT_RAW:
		return o->raw = true;
	case OPT_STEP:
		return o->step = true;
	case OPT_NO_RELEASE:
		return o->no_release = true;
	case OPT_NO_HUGE:
		return o->no_huge = true;
	case OPT_MEMORY:
		return parse_u32(v, 64, 1 << 16, &o->memory_mb);
	case OPT_LCORE:
		return parse_u32(v, 0, 1023, &o->lcore);
	case OPT_SEED: {
		uint32_t seed = 0;
		bool ok = parse_u32(v, 0, UINT32_MAX, &seed);
		o->seed = seed;
		return ok;
	}
	case OPT_PING_PONG:
		o->ping_pong = true;
		return parse_pair(v, "%u,%u%c", &o->ping_pong_cores[0], &o->ping_pong_cores[1]);
	default:
		return false;
	}
}

static void set_defaults(struct options *o)
{
	*o = (struct options){
		.client_port = 10000,
		.peer_port = 20000,
		.user = "bench",
		.password = "bench",
		.sessions = 1000,
		.payload_bytes = 172,
		.ratio = {1, 1},
		.seconds = 5,
		.warmup_s = 0.5,
		.ndr_step_s = 1,
		.ndr_precision = 0.01,
		.setup_window = 64,
		.flood_kinds = 1u << FLOOD_STUN,
		.flood_ports = 1,
		.memory_mb = 96,
		.seed = 1,
	};
	sl_endpoint_parse("198.18.0.1:3478", &o->server);
	parse_range("198.18.0.16+16", &o->clients);
	parse_range("198.18.0.64", &o->peers);
}

static int check_flood(const struct options *o)
{
	const char *wrong = NULL;

	if (o->flood && o->sessions != 0 && (o->rate_pps == 0 || o->ndr))
		wrong = "beside a --flood the load needs a --rate";
	else if (!o->flood && o->sessions == 0)
		wrong = "--sessions 0 needs a --flood";
	else if (o->flood && o->flood_from.count != 0 && sl_ip_is_v4(&o->flood_from.first) != sl_ip_is_v4(&o->flood_to.ip))
		wrong = "--flood-sources and --flood-to must be of one address family";
	else if (o->newcomers != 0 && (o->plan != NULL || o->raw || o->sessions == 0))
		wrong = "--newcomers come beside TURN sessions";
	else if (o->n_storm != 0 && (o->plan != NULL || o->raw || o->sessions == 0 || o->flood || o->newcomers != 0 || o->ndr))
		wrong = "--storm is of TURN sessions, with nothing beside them";
	else if (o->send && o->plan != NULL)
		wrong = "--send and --plan exclude each other";
	if (wrong != NULL)
		fprintf(stderr, "sluice-pktgen: %s\n", wrong);
	return wrong != NULL ? -1 : 0;
}

/* Newcomers' ports begin behind those of the sessions. */
static uint64_t client_ports(const struct options *o)
{
	return ((uint64_t)o->sessions + o->clients.count - 1) / o->clients.count +
	       ((uint64_t)o->newcomers + o->clients.count - 1) / o->clients.count;
}

static int check_together(struct options *o)
{
	if (o->ping_pong)
		return 0;
	if (o->flood_to.port_be == 0)
		o->flood_to = o->server;
	if (check_flood(o) != 0)
		return -1;
	if (o->plan != NULL && o->raw) {
		fprintf(stderr, "sluice-pktgen: --plan and --raw exclude each other\n");
		return -1;
	}
	if (o->n_ports == 0) {
		fprintf(stderr, "sluice-pktgen: no --port given; try --help\n");
		return -1;
	}
	if (o->plan == NULL && sl_ip_is_v4(&o->server.ip) != sl_ip_is_v4(&o->clients.first)) {
		fprintf(stderr, "sluice-pktgen: --server and --clients must be of one address family\n");
		return -1;
	}
	uint64_t room = (uint64_t)o->clients.count * (65536u - o->client_port);
	if (o->plan == NULL && client_ports(o) > 65536u - o->client_port) {
		fprintf(stderr,
			"sluice-pktgen: --sessions %u and --newcomers %u need more client endpoints than %llu; widen --clients FIRST+N\n",
			o->sessions, o->newcomers, (unsigned long long)room);
		return -1;
	}
	return 0;
}

int options_parse(struct options *o, int argc, char **argv)
{
	int opt, index;

	set_defaults(o);
	while ((opt = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		if (opt == OPT_HELP) {
			fputs(usage, stdout);
			return 1;
		}
		if (opt == '?')
			return -1;
		if (!apply(o, opt, optarg)) {
			fprintf(stderr, "sluice-pktgen: --%s %s: not usable; see --help\n", long_options[index].name,
				optarg != NULL ? optarg : "");
			return -1;
		}
	}
	if (optind != argc) {
		fprintf(stderr, "sluice-pktgen: unexpected argument %s\n", argv[optind]);
		return -1;
	}
	return check_together(o);
}

static void ip_add(const struct sl_ip *first, uint32_t n, struct sl_ip *out)
{
	*out = *first;
	out->d[3] = htonl(ntohl(first->d[3]) + n);
}

void session_client(const struct options *o, uint32_t i, struct sl_endpoint *out)
{
	ip_add(&o->clients.first, i % o->clients.count, &out->ip);
	out->port_be = htons((uint16_t)(o->client_port + i / o->clients.count));
}

void session_peer(const struct options *o, uint32_t i, struct sl_endpoint *out)
{
	ip_add(&o->peers.first, i % o->peers.count, &out->ip);
	/* Relayed ports tell the sessions apart, so peers' ports may be used again. */
	out->port_be = htons((uint16_t)(o->peer_port + i / o->peers.count % (65536u - o->peer_port)));
}

bool range_contains(const struct range *r, const struct sl_ip *ip)
{
	return r->first.q[0] == ip->q[0] && r->first.d[2] == ip->d[2] &&
	       ntohl(ip->d[3]) - ntohl(r->first.d[3]) < r->count;
}
