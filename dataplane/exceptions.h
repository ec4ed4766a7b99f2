/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Frames between the TAPs and the workers. Housekeeper thread. */

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dataplane.h"

/* What workers passed on for Linux, a bounded number a call, of who is known before strangers': returns how many were written. Frames that a TAP refuses
 * (it is down) are counted in *drops. */
unsigned sl_exceptions_to_linux(struct sl_dataplane *dp, const struct sl_worker_rings *rings, uint64_t *drops);

/* What Linux sends on an interface, a bounded number a call, to the worker that sends for the port: returns how many were
 * read. Frames for which there is no buffer or no room are dropped and counted in *drops. */
unsigned sl_exceptions_from_linux(struct sl_dataplane *dp, const struct sl_worker_rings *rings, unsigned interface,
	uint64_t *drops);
