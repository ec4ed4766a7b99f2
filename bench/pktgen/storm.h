/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Requests instead of packets: all sessions do one thing, then the next, as fast as the window or --rate lets them; each of these phases has its figures. */

#include "bench/pktgen/turn_client.h"

/* The phases of c->o->storm, a line of JSON each, with --step after a line on stdin each. 0, or -1 after a message. */
int storm_run(struct turn_client *c);
