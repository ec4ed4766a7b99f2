/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the generator was asked to do. Filled once by options_parse, read-only afterwards. */

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/wire/addr.h"

enum { MAX_PORTS = 2, MAX_DEVICE = 256, MAX_STORM = 16 };

/* Consecutive addresses first, first + 1, ... (the low 32 bits count). */
struct range {
	struct sl_ip first;
	uint32_t count;
};

enum flood_kind { FLOOD_STUN, FLOOD_ALLOCATE, FLOOD_RTP, FLOOD_SIP, FLOOD_RANDOM, FLOOD_MALFORMED, FLOOD_N_KINDS };

struct options {
	char device[MAX_PORTS][MAX_DEVICE]; /* EAL device strings: client side, peer side */
	unsigned n_ports;
	struct sl_endpoint server; /* the relay's TURN listener */
	struct range clients, peers;
	uint16_t client_port, peer_port; /* first UDP port of each side */
	bool has_client_gateway, has_peer_gateway, has_gateway_mac;
	struct sl_ip client_gateway, peer_gateway;
	uint8_t gateway_mac[6];
	const char *user, *password;
	uint32_t sessions; /* 0 = no load at all, only a flood */
	uint32_t payload_bytes; /* application bytes: ChannelData carries this many */
	double rate_pps;        /* both directions together; 0 = as fast as the port takes them */
	uint32_t ratio[2];      /* client to peer : peer to client */
	double seconds, warmup_s;
	bool ndr;
	double ndr_step_s, ndr_precision, ndr_loss;
	uint32_t setup_window;
	bool flood;              /* strangers beside the load */
	double flood_pps;        /* 0 = as many as the port takes */
	unsigned flood_kinds;    /* bit per enum flood_kind */
	uint32_t flood_sources;  /* 0 = each frame from another */
	struct range flood_from; /* from these addresses; count 0 = anywhere */
	struct sl_endpoint flood_to;
	uint32_t flood_ports;    /* so many in a row */
	uint32_t newcomers;      /* TURN clients that come during the load */
	uint8_t storm[MAX_STORM]; /* enum turn_goal: no load, but requests, of all sessions one kind after the other */
	unsigned n_storm;
	bool send;        /* Send and Data indications instead of ChannelData */
	const char *plan; /* no TURN: streams that somebody set up, read from this file */
	bool raw;        /* no TURN: the far end reflects frames (testpmd macswap) */
	bool step;       /* wait for a line on stdin before the load and before leaving */
	bool no_release; /* leave the allocations behind */
	bool no_huge;
	unsigned memory_mb, lcore;
	uint64_t seed;
	bool ping_pong;
	unsigned ping_pong_cores[2];
};

/* What --storm calls a goal; NULL = not that. */
const char *storm_name(unsigned goal);

/* Parse the command line into *o; prints what is wrong and how to put it right. 0, or -1; 1 after --help. */
int options_parse(struct options *o, int argc, char **argv);

/* Endpoints of session i (i < sessions). */
void session_client(const struct options *o, uint32_t i, struct sl_endpoint *out);
void session_peer(const struct options *o, uint32_t i, struct sl_endpoint *out);
static inline uint16_t session_channel(uint32_t i)
{
	return (uint16_t)(0x4000 + i % 0x1000);
}

/* Is ip one of the generator's own addresses on the client side or the peer side? */
bool range_contains(const struct range *r, const struct sl_ip *ip);
