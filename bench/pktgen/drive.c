/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/drive.h"

#include <stdio.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "bench/pktgen/load.h"

void drive_poll(struct ports *ports, const struct options *o, struct turn_client *client, uint64_t now)
{
	struct rte_mbuf *m[BURST];

	for (unsigned p = 0; p < ports->n; p++) {
		struct port *port = &ports->port[p];
		unsigned n = rte_eth_rx_burst(port->id, 0, m, BURST);
		for (unsigned i = 0; i < n; i++)
			control_input(ports, o, client, port, rte_pktmbuf_mtod(m[i], uint8_t *), m[i]->data_len, now);
		rte_pktmbuf_free_bulk(m, n);
	}
}

int drive_client(struct turn_client *client, struct turn_client *first, enum turn_goal goal, unsigned limit_s)
{
	uint64_t begin = rte_rdtsc(), now = begin;

	turn_client_begin(client, goal, now);
	while (!turn_client_done(client)) {
		now = rte_rdtsc();
		if (limit_s != 0 && now - begin > limit_s * client->hz)
			return -1;
		drive_poll(client->ports, first->o, first, now);
		if (!turn_client_step(client, now)) {
			fprintf(stderr, "sluice-pktgen: set-up failed at %s\n", client->error);
			return -1;
		}
	}
	return 0;
}

bool drive_wait(const struct options *o, const char *event)
{
	int c;

	if (!o->step)
		return true;
	printf("{\"event\":\"%s\"}\n", event);
	fflush(stdout);
	while ((c = getchar()) != '\n')
		if (c == EOF)
			return false;
	return true;
}
