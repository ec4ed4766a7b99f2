/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The generator's ports: one or two ethdevs, one queue each way, and the buffers for all of them. */

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "bench/pktgen/options.h"

enum direction { CLIENT_TO_PEER = 0, PEER_TO_CLIENT = 1, N_DIRECTIONS = 2 };

struct port {
	uint16_t id;
	uint8_t mac[6];
	struct sl_ip next_hop_ip; /* the relay, or the router towards it */
	uint8_t next_hop[6];
	bool resolved;
};

struct ports {
	struct port port[MAX_PORTS];
	unsigned n;
	struct port *side[N_DIRECTIONS]; /* which port a direction's packets are sent on */
	struct rte_mempool *rx_pool;     /* received frames, and control frames we send */
	/* One pool a direction: its frames' payload is filled in once and never changes. */
	struct rte_mempool *tx_pool[N_DIRECTIONS];
	struct rte_mempool *flood_pool;  /* NULL = no flood */
};

/* Start EAL with what the options say. 0 or -1, after a message. */
int ports_start_eal(const struct options *o, const char *program);

/* Open, start and wait for the link of all ports. 0 or -1, after a message. */
int ports_open(struct ports *p, const struct options *o);
void ports_close(struct ports *p);

/* Send one frame of the control path now (copied). False when the port would not take it. */
bool port_send(struct ports *p, struct port *port, const void *frame, unsigned len);
