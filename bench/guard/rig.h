/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* One worker of the dataplane with its real tables, made by the code that makes them in the appliance, but without ports, housekeeper
 * and control plane: frames are put in by hand, and what it would send is freed. */

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#include "dataplane/path/context.h"

#define RIG_V4 "198.18.0.1"
#define RIG_V6 "2001:db8::1"
#define RIG_PEER_V4 "198.18.0.64"
#define RIG_PEER_V6 "2001:db8::64"
enum {
	RIG_TURN_PORT = 3478,
	RIG_MEDIA_PORT = 30000,
	RIG_SIP_PORT = 5060,
	RIG_PACKETS = 2047,
	RIG_CHANNEL = 0x4000,
	RIG_BANS = 1000,
};

struct rig_options {
	unsigned core;
	bool no_huge;
	uint32_t allocations; /* half of them of IPv6 clients */
	uint32_t prefixes;    /* of each family */
};

/* Guard policies, in the order in which they add to each other. */
enum rig_policy {
	RIG_OFF,     /* nothing but shape */
	RIG_EMPTY,   /* no lists, no bans, no limits */
	RIG_LISTS,   /* prefixes, none of which matches */
	RIG_DENIED,  /* prefixes, one of which matches */
	RIG_BANNED,  /* prefixes and bans, none of which matches */
	RIG_ALL,     /* and the limits that a configuration without the group guard has, with totals of 1 packet a second */
	RIG_N_POLICIES,
};

/* 0, or -1 after a message. */
int rig_open(const struct rig_options *o);
struct sl_worker *rig_worker(void);
struct rte_mempool *rig_pool(void);
const uint8_t *rig_mac(void);
void rig_use(enum rig_policy policy);
/* Client endpoint of allocation i, one channel (RIG_CHANNEL) to a peer each. */
void rig_client(uint32_t i, struct sl_endpoint *out);

/* As a worker does between two bursts. */
void rig_clock(void);
void rig_free_sent(void);

struct rig_memory {
	uint64_t per_worker;            /* what each worker counts strangers in */
	uint64_t bans_marks_and_meters; /* of the node */
	uint64_t prefixes;              /* of the list here */
};
void rig_memory(struct rig_memory *out);
