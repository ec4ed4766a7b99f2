/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* ARP (RFC 826) and IPv6 neighbour discovery (RFC 4861) for addresses that no kernel owns: the clients' and the
 * peers'. Answers who asks for them, and finds the relay's MAC. */

#include <stdbool.h>

#include "bench/pktgen/ports.h"

/* Look at a frame that arrived on port: answer a request for one of our addresses, learn port->next_hop from an
 * answer. True when the frame was ARP or neighbour discovery. */
bool neigh_input(struct ports *ports, const struct options *o, struct port *port, const uint8_t *frame, unsigned len);

/* Ask on port for port->next_hop_ip, from our address src. */
void neigh_ask(struct ports *ports, struct port *port, const struct sl_ip *src);
