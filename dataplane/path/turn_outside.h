/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* A node behind a NAT that maps addresses one to one: clients and peers know addresses of ours by what the NAT makes of them. Messages name those, all
 * else here goes by our own: a peer is translated once, behind the parser, and back where an address is written into a message. */

#include "dataplane/path/turn.h"

/* One of our addresses as the world knows it. */
static inline struct sl_endpoint sl_turn_outward(const struct sl_turn *t, const struct sl_endpoint *ep)
{
	struct sl_endpoint out = *ep;

	for (unsigned i = 0; i < t->n_external; i++) {
		if (sl_ip_eq(&t->internal[i], &ep->ip))
			out.ip = t->external[i];
	}
	return out;
}

/* An address that a client names, as it is here. */
static inline void sl_turn_inward(const struct sl_turn *t, struct sl_endpoint *ep)
{
	for (unsigned i = 0; i < t->n_external; i++) {
		if (sl_ip_eq(&t->external[i], &ep->ip)) {
			ep->ip = t->internal[i];
			return;
		}
	}
}
