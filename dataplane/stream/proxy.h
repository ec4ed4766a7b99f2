/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The header of the PROXY protocol, version 2, binary (HAProxy's proxy-protocol.txt, 2.2), which a load balancer puts before a connection's first byte:
 * who the client really is. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/wire/addr.h"

enum {
	SL_PROXY_FIXED = 16,  /* bytes until its length is known */
	SL_PROXY_MAX = 2048,  /* with all that a balancer may add */
};

enum sl_proxy_kind { SL_PROXY_INCOMPLETE, SL_PROXY_OK, SL_PROXY_INVALID };

struct sl_proxy {
	size_t total;   /* bytes; of an INCOMPLETE one: so many are needed, and no more may be read */
	bool has_addresses; /* false: LOCAL (a health check of the balancer's) or of no family: the connection's own addresses hold */
	struct sl_endpoint client, server;
};

enum sl_proxy_kind sl_proxy_parse(const uint8_t *p, size_t n, struct sl_proxy *out);
