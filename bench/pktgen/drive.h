/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the generator does outside of a measured load: hear what comes, take its sessions somewhere, wait for who steers it. */

#include "bench/pktgen/turn_client.h"

/* One look at all ports. client: whose answers may come; NULL = nobody's. */
void drive_poll(struct ports *ports, const struct options *o, struct turn_client *client, uint64_t now);

/* Take all sessions of client to a goal; limit_s 0 waits as long as something moves. first: who hears of every answer (client itself, or the crowd that
 * knows it as others). 0; -1 after a message, or when the time is over. */
int drive_client(struct turn_client *client, struct turn_client *first, enum turn_goal goal, unsigned limit_s);

/* With --step: say that it has come to EVENT, and wait for a line on stdin. False when there will be none. */
bool drive_wait(const struct options *o, const char *event);
