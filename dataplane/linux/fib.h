/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Forwarding state mirrored from Linux over netlink: one immutable snapshot, rebuilt by the housekeeper when addresses,
 * routes or neighbours change (gathered for a few ms), published with liburcu (qsbr). Sessions cache what they found
 * with the snapshot's generation, so the look-up below is off the common path. */

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/wire/addr.h"

/* A resolved neighbour on one L3 interface (port and VLAN): all that is needed to build an Ethernet header. */
struct sl_nexthop {
	uint16_t port;      /* index into sl_dataplane.ports */
	uint16_t interface; /* index into sl_dataplane.interfaces */
	uint16_t vlan;      /* 0 = untagged */
	uint16_t mtu;       /* of the interface */
	uint8_t eth[16];    /* destination MAC, source MAC, (without VLAN tag) Ethernet type left zero */
	bool resolved;
};

struct sl_fib {
	uint32_t generation; /* grows by one per snapshot, never 0 */
	uint32_t n_nexthops;
	struct sl_nexthop *nexthops;
	/* The rest is private to fib.c: prefix tables by length, neighbours, own addresses. */
	struct sl_fib_tables *tables;
};

enum sl_fib_result {
	SL_FIB_OK,         /* *nexthop is an index into nexthops[], resolved */
	SL_FIB_LOCAL,      /* one of the machine's own addresses */
	SL_FIB_UNRESOLVED, /* route found, neighbour not yet: *via and *interface say whom to resolve */
	SL_FIB_NO_ROUTE,
};

/* Where does a packet to dst go? Longest prefix, then the neighbour (the gateway, or dst itself on link).
 * Worker-safe: reads the snapshot only. */
enum sl_fib_result sl_fib_lookup(const struct sl_fib *f, const struct sl_ip *dst, uint32_t *nexthop, struct sl_ip *via,
	uint16_t *interface);
/* Is ip one of the machine's own addresses (any interface)? */
bool sl_fib_is_own(const struct sl_fib *f, const struct sl_ip *ip);
/* The machine's own address on an interface for the family of towards (source of ICMP errors): false if none. */
bool sl_fib_own_address(const struct sl_fib *f, uint16_t interface, const struct sl_ip *towards, struct sl_ip *out);
