/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The generator proper: one thread, sending and receiving in turn. load.c keeps the pace, send.c makes frames,
 * receive.c judges what comes back. */

#include "bench/pktgen/flood.h"
#include "bench/pktgen/frame.h"
#include "bench/pktgen/media.h"
#include "bench/pktgen/ports.h"
#include "bench/pktgen/stats.h"
#include "bench/pktgen/templates.h"
#include "bench/pktgen/turn_client.h"

enum {
	BURST = 32,
	RX_BURST = 64,
	RX_ROUNDS = 4, /* receive more than we send, or the relay's transmit ring fills because of us */
	SAMPLE = 64,   /* one received frame in so many is checked in full */
	V4_PAYLOAD_AT = ETHER_BYTES + IPV4_BYTES + UDP_BYTES,
	V6_PAYLOAD_AT = ETHER_BYTES + IPV6_BYTES + UDP_BYTES,
};
#define TSC_MASK ((1ull << RUN_SHIFT) - 1)

struct load {
	const struct options *o;
	struct ports *ports;
	struct turn_client *client; /* NULL with --raw and --plan */
	struct media *media;        /* NULL without --plan */
	struct turn_client *newcomers; /* NULL without them */
	struct flood *flood;        /* NULL without --flood */
	struct templates *t;
	uint64_t hz;

	uint32_t position[N_DIRECTIONS]; /* in the order of sessions */
	uint32_t sequence[N_DIRECTIONS]; /* grows by one each time round all sessions */
	uint32_t *last[N_DIRECTIONS];    /* highest sequence received, by session */
	int64_t share;                   /* error carried from burst to burst by the ratio */
	unsigned burst;                  /* frames made at a time: fewer where each comes back many times */
	/* Frames under way, counted as they come back, at most; 0 = as many as the port takes. */
	unsigned window;
	uint64_t gone, heard, heard_at;  /* of the window: given up; come back so far, and when the last one did */
	uint8_t run;                     /* number of the present run, in every stamp */
	struct stalls stalls;
	uint64_t stuck_since[MAX_PORTS]; /* the port has taken nothing since; 0 = it does */

	/* What the port did not take, kept for the next round where there is no rate to keep. */
	struct rte_mbuf *held[MAX_PORTS][BURST];
	unsigned n_held[MAX_PORTS];
};

/* client and media: NULL where there are none; newcomers and flood are set afterwards. 0 or -1, after a message. */
int load_init(struct load *l, const struct options *o, struct ports *ports, struct turn_client *client,
	struct media *media, struct templates *t, uint64_t hz);
void load_fini(struct load *l);

/* Offer rate_pps (0 = as fast as the ports take frames) for seconds, then wait for what is on its way. */
void load_run(struct load *l, double rate_pps, double seconds, struct result *r);

/* Make n frames of the load (at most BURST) stamped with now and n_flood of strangers (likewise), mix them at random and send
 * them; what a port refuses is counted as unsent. */
void load_send_beside(struct load *l, unsigned n, unsigned n_flood, uint64_t now, struct result *r);
/* send.c: make n frames (at most BURST) stamped with now, mixed in the ratio asked for, and send them. With keep, what a
 * port refuses waits in held; otherwise it is counted as unsent. */
void load_send(struct load *l, unsigned n, uint64_t now, bool keep, struct result *r);
/* Send again what was held back; true when nothing is left of it. */
bool load_flush(struct load *l);
/* Give up what is still held back: it was never offered. */
void load_drop_held(struct load *l, struct result *r);

/* receive.c: take in what has come on all ports; returns how many of the load's frames that were. */
unsigned load_receive(struct load *l, uint64_t now, struct result *r);

/* Frames that are not the load's: neighbour discovery and STUN. */
void control_input(struct ports *ports, const struct options *o, struct turn_client *client, struct port *port,
	const uint8_t *frame, unsigned len, uint64_t now);
